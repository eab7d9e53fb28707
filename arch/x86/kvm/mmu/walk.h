/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * walk.h - from a guest's linear address to its physical one, as the processor
 * would go: through the guest's own page tables, with all their rights.
 *
 * Pure: memory is reached through two callbacks.  What the guest's physical
 * address means to the host is not asked here (fault.c, virt/kvm/memslot.c).
 * For a vCPU in the kernel use fault_translate() of mmu.h.
 *
 * SDM vol. 3, chapter 4; APM vol. 2, chapter 5.
 */
#ifndef ARCH_X86_KVM_MMU_WALK_H
#define ARCH_X86_KVM_MMU_WALK_H

#include "../pure.h"

/* What is done at the address.  None of them: a data read at the vCPU's privilege. */
#define WALK_WRITE	BIT(0)
#define WALK_FETCH	BIT(1)
#define WALK_SYSTEM	BIT(2)	/* implicit access to a GDT, IDT, TSS ...: supervisor at any CPL */

/**
 * struct walk_regs - what of a vCPU decides about a translation
 * @cr0:	PG and WP count
 * @cr3:	root table
 * @cr4:	PSE, PAE, LA57, SMEP, SMAP and PKE count
 * @efer:	LMA and NXE count
 * @pkru:	user protection keys
 * @cpl:	0 to 3
 * @ac:		RFLAGS.AC
 * @max_gpa_bits: width of the guest's physical addresses, 32 to 52
 */
struct walk_regs {
	u64 cr0;
	u64 cr3;
	u64 cr4;
	u64 efer;
	u32 pkru;
	u8 cpl;
	bool ac;
	u8 max_gpa_bits;
};

/**
 * struct walk_mem - how the walk reaches the guest's tables
 * @read:	read the @size (4 or 8) bytes at @gpa, which is aligned, in one go; 4 bytes are
 *		zero-extended.  0, or a negative errno, which ends the walk
 * @update:	replace them by @to if they are still @from, atomically.  0; 1 when they are not;
 *		or a negative errno.  NULL: accessed and dirty bits are not to be set
 *
 * @ctx of both is what walk_linear() was given.
 */
struct walk_mem {
	int (*read)(void *ctx, u64 gpa, unsigned int size, u64 *entry);
	int (*update)(void *ctx, u64 gpa, unsigned int size, u64 from, u64 to);
};

/**
 * struct walk_result - where the address leads
 * @gpa:	guest physical address
 * @error:	after WALK_FAULT the error code of the #PF; @gpa is undefined then
 * @page_bits:	log2 of the page's size: 12, 21, 22, 30; 12 without paging
 * @write:	all tables allow writes (CR0.WP is another matter)
 * @user:	all tables allow user mode
 */
struct walk_result {
	u64 gpa;
	u32 error;
	u8 page_bits;
	bool write;
	bool user;
};

#define WALK_FAULT	1	/* #PF */

/**
 * walk_linear - translate one linear address
 * @regs:	the vCPU
 * @linear:	the address; outside long mode its upper half is ignored, and whether it is
 *		canonical is for the caller to know
 * @access:	WALK_* bits
 * @mem:	how to reach tables
 * @ctx:	for the callbacks
 * @out:	filled when 0 or WALK_FAULT is returned
 *
 * Accessed and dirty bits are set only when the access is allowed, as they may be (SDM vol. 3,
 * 4.8).  Reserved bits are those of both vendors; a bit that one of them ignores is ignored.
 *
 * Return: 0, WALK_FAULT, what a callback returned, or -EAGAIN when the guest kept changing the
 * tables under the walk.
 */
int walk_linear(const struct walk_regs *regs, u64 linear, u32 access, const struct walk_mem *mem,
		void *ctx, struct walk_result *out);

#endif /* ARCH_X86_KVM_MMU_WALK_H */
