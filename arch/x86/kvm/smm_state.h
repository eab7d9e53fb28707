/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * smm_state.h - the state save area of system management mode: registers to
 * bytes of SMRAM and back.
 *
 * PURE: values in, values out.  There are two layouts, that of processors with long mode (APM
 * vol. 2, 10.2.3, table 10-1) and that of those without (SDM vol. 3, 31.4.1, table 31-1).  The
 * second leaves open where what no instruction reads is kept; this is where AMD's 32-bit processors
 * kept it, and other software that saves guests.  In both a byte that the manuals reserve has the
 * interrupt shadow, at the same place as in Linux since 6.2.
 */
#ifndef ARCH_X86_KVM_SMM_STATE_H
#define ARCH_X86_KVM_SMM_STATE_H

#include "pure.h"
#include "state.h"

#define SMM_AREA		0xfe00	/* from SMBASE */
#define SMM_AREA_SIZE		0x200
#define SMM_ENTRY		0x8000	/* the first instruction, from SMBASE */
#define SMM_RESET_BASE		0x30000

/**
 * struct smm_save - what is saved besides registers
 * @long_mode:	which layout: the guest's CPUID has long mode
 * @base:	SMBASE: in force, and behind RSM
 * @halted:	the vCPU was halted; behind RSM it is again, unless the handler says otherwise
 */
struct smm_save {
	bool long_mode;
	u32 base;
	bool halted;
};

/**
 * smm_state_save - write the area
 * @state: all groups
 * @save: what is not in @state
 * @area: SMM_AREA_SIZE bytes, all of which are written
 */
void smm_state_save(const struct vcpu_state *state, const struct smm_save *save, u8 *area);

/**
 * smm_state_load - RSM: read the area, whatever the handler has made of it
 * @state: as in SMM; what the layout has is replaced, and bits that a register does not have are
 *	dropped.  Control registers are as they stand there: whether they go together is cr.h's
 * @save: @long_mode is read, the others are written
 * @area: SMM_AREA_SIZE bytes
 *
 * Return: false when segment registers or RIP are as no processor can have them, and it shuts down.
 */
bool smm_state_load(struct vcpu_state *state, struct smm_save *save, const u8 *area);

/**
 * smm_state_begin - registers for the first instruction of SMM (APM vol. 2, 10.3.2; SDM 31.5.1)
 * @state: all groups; general registers, CR2, CR3, DR6, GDTR, LDTR and TR stay
 * @save: @long_mode and @base
 */
void smm_state_begin(struct vcpu_state *state, const struct smm_save *save);

#endif /* ARCH_X86_KVM_SMM_STATE_H */
