/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * caps.h - is the processor's VMX good enough, and with which controls is it run?
 *
 * PURE: the capability MSRs in, the controls or the reason for a refusal out.
 * SDM vol. 3, 24.6 to 24.8 and appendix A.
 */
#ifndef ARCH_X86_KVM_VMX_CAPS_H
#define ARCH_X86_KVM_VMX_CAPS_H

#include "../pure.h"

enum vmx_word {
	WORD_PIN,		/* pin-based */
	WORD_PRIMARY,		/* primary processor-based */
	WORD_SECONDARY,		/* secondary processor-based */
	WORD_EXIT,
	WORD_ENTRY,
	VMX_WORDS
};

#define VMX_BASIC_TRUE_CONTROLS	BIT_ULL(55)	/* @word comes from the TRUE MSRs */

/**
 * struct vmx_caps - what the processor says of itself, as its MSRs have it
 * @basic:	IA32_VMX_BASIC
 * @word:	the control MSRs: bits that must be 1 in the low half, that may be 1 in the high one
 * @ept_vpid:	IA32_VMX_EPT_VPID_CAP
 * @misc:	IA32_VMX_MISC
 * @cr4_fixed0:	IA32_VMX_CR4_FIXED0
 */
struct vmx_caps {
	u64 basic;
	u64 word[VMX_WORDS];
	u64 ept_vpid;
	u64 misc;
	u64 cr4_fixed0;
};

/* vmx_controls.entry_does: beyond what each processor wants. */
#define ENTRY_FLUSHES_L1D		BIT(0)	/* the L1 data cache is emptied */
#define ENTRY_SWITCHES_COUNTERS		BIT(1)	/* perf has counters that stop at guests */

/**
 * struct vmx_controls - what goes into the control fields of every VMCS.  Set once.
 * @word: the controls that are on at every entry; others come and go: windows, MOV-DR and CR8-load
 *	  exiting, IA-32e mode, TSC scaling, page-modification logging
 * @revision: of the VMCS
 * @eptp: EPT pointer, but for the address
 * @zero_length: soft events may be injected with an instruction length of 0
 * @any_error_code: exceptions may be injected with an error code whatever their vector
 * @tsc_scaling: TSC scaling is there
 * @logs_writes: page-modification logging is there, and dirty flags for it to go by
 * @entry_does: ENTRY_*, of what the kernel says and not the capabilities
 * @cr4_fixed: CR4 bits that have to be 1 in VMX operation
 */
struct vmx_controls {
	u32 word[VMX_WORDS];
	u32 revision;
	u64 eptp;
	bool zero_length;
	bool any_error_code;
	bool tsc_scaling;
	bool logs_writes;
	u8 entry_does;
	u64 cr4_fixed;
};

/**
 * vmx_choose - the controls for this processor
 * @caps: its capabilities
 * @chosen: filled, but for @entry_does; undefined after a refusal
 *
 * Each control is wanted for itself, and the first that is missing is named.
 *
 * Return: NULL, or what the processor lacks, in words.
 */
const char *vmx_choose(const struct vmx_caps *caps, struct vmx_controls *chosen);

#endif /* ARCH_X86_KVM_VMX_CAPS_H */
