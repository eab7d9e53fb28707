/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * state.h - the registers of a vCPU, in no vendor's format.
 *
 * The struct is a copy of what the hardware's control block holds, by groups.
 * A group is *valid* when the copy is as new as the hardware's, *dirty* when
 * it is newer and still to be stored.  The backend moves groups with two
 * functions (backend_fetch, backend_store); everybody else reads after
 * state_need() and writes before state_dirty() (vcpu.h).
 */
#ifndef ARCH_X86_KVM_STATE_H
#define ARCH_X86_KVM_STATE_H

#include "pure.h"

/* Groups.  GPR comes with every exit and goes with every entry. */
#define STATE_GPR	BIT(0)	/* general registers, RIP, RFLAGS, interrupt shadow */
#define STATE_CODE	BIT(1)	/* CS and SS: the mode and the privilege of the code that runs */
#define STATE_SEG	BIT(2)	/* other segment registers, LDTR, TR, GDTR, IDTR */
#define STATE_CR	BIT(3)	/* CR0, CR2, CR3, CR4, EFER */
#define STATE_SYS	BIT(4)	/* MSRs of SYSCALL and SYSENTER, KERNEL_GS_BASE, PAT */
#define STATE_DR	BIT(5)	/* DR6, DR7 */
#define STATE_ALL	GENMASK(5, 0)
#define STATE_PDPTES	BIT(6)	/* under PAE paging, where hardware has copies (loads_pdptes) */

/* Instruction encoding order, as in ModRM. */
enum gpr {
	GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
	GPR_COUNT
};

enum segment {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR,
	SEG_COUNT
};

/* struct x86_segment.attr: the descriptor's bits 40-47 and 52-55, packed (APM vol. 2, 15.5.1). */
#define SEG_ATTR_TYPE	0x000f
#define SEG_ATTR_S	0x0010
#define SEG_ATTR_DPL	0x0060
#define SEG_ATTR_P	0x0080
#define SEG_ATTR_AVL	0x0100
#define SEG_ATTR_L	0x0200
#define SEG_ATTR_DB	0x0400
#define SEG_ATTR_G	0x0800
#define SEG_ATTR_DPL_SHIFT 5

#define PENDING_ENABLED	BIT(12)	/* a breakpoint that was met is enabled */

/* The hidden part of a segment register; @limit in bytes.  A null selector has no SEG_ATTR_P. */
struct x86_segment {
	u64 base;
	u32 limit;
	u16 selector;
	u16 attr;
};

struct x86_table {
	u64 base;
	u16 limit;
};

/**
 * struct vcpu_state - the copy
 * @valid:	groups that are as new as the hardware's, or newer
 * @dirty:	groups to be stored before the next entry
 * @shadow:	interrupt shadow, SHADOW_* of events.h
 * @pending_db:	debug traps that wait behind @shadow, as a payload of struct event with
 *		PENDING_ENABLED (SDM vol. 3, 24.4.2); a single step is not lost if it is missing
 *		here: TF says the same
 * @dr7:	the guest's
 * @dr7_effective: what hardware has: @dr7, or a debugger's on the outside (debug.c)
 */
struct vcpu_state {
	u32 valid;
	u32 dirty;

	/* STATE_GPR */
	u64 gpr[GPR_COUNT];
	u64 rip;
	u64 rflags;
	u8 shadow;
	u64 pending_db;

	/* STATE_CODE: seg[SEG_CS], seg[SEG_SS]; STATE_SEG: the rest */
	struct x86_segment seg[SEG_COUNT];
	struct x86_table gdt;
	struct x86_table idt;

	/* STATE_CR */
	u64 cr0;
	u64 cr2;
	u64 cr3;
	u64 cr4;
	u64 efer;

	/* STATE_SYS */
	u64 star;
	u64 lstar;
	u64 cstar;
	u64 sfmask;
	u64 kernel_gs_base;
	u64 sysenter_cs;
	u64 sysenter_esp;
	u64 sysenter_eip;
	u64 pat;

	/* STATE_DR */
	u64 dr6;
	u64 dr7;
	u64 dr7_effective;

	/* STATE_PDPTES: the four entries that CR3 points to */
	u64 pdpte[4];
};

/* Put the architecture's values after power-up or INIT in place (SDM vol. 3, table 9-1). */
void state_reset(struct vcpu_state *state);

#endif /* ARCH_X86_KVM_STATE_H */
