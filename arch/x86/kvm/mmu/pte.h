/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pte.h - what the bits of a page table entry mean: of the guest's own tables
 * (walk.c reads them) and of the second-level tables (tdp.c writes them), whose
 * format is the vendor's and therefore data.
 *
 * Pure.  SDM vol. 3, 4.3 to 4.6; APM vol. 2, 5.3, 5.4 and 15.25.5.
 */
#ifndef ARCH_X86_KVM_MMU_PTE_H
#define ARCH_X86_KVM_MMU_PTE_H

#include "../pure.h"

/* The processor's own entries, of all paging modes; 32-bit ones end at bit 31. */
#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)	/* above the last level: a page, not a table */
#define PTE_NX		BIT_ULL(63)
#define PTE_ADDRESS	GENMASK_ULL(51, 12)
#define PTE_KEY(pte)	(((pte) >> 59) & 15)

/**
 * struct pte_format - a kind of second-level tables
 * @present:	any of these set: the entry is valid
 * @table:	what an entry that points to a table has, besides the address
 * @leaf:	what every page has: readable, executable, memory type
 * @huge:	what a page above the last level has as well
 * @write:	writable
 * @accessed:	set by hardware at a use
 * @dirty:	set by hardware at a write
 * @tracked:	ignored by hardware; ours: the host wants to hear of accesses and writes
 */
struct pte_format {
	u64 present;
	u64 table;
	u64 leaf;
	u64 huge;
	u64 write;
	u64 accessed;
	u64 dirty;
	u64 tracked;
};

/* Nested accesses are user accesses: without PTE_U nothing is allowed (APM vol. 2, 15.25.5). */
#define PTE_FORMAT_NPT {					\
	.present	= PTE_P,				\
	.table		= PTE_P | PTE_W | PTE_U | PTE_A,	\
	.leaf		= PTE_P | PTE_U,			\
	.huge		= PTE_PS,				\
	.write		= PTE_W,				\
	.accessed	= PTE_A,				\
	.dirty		= PTE_D,				\
	.tracked	= BIT_ULL(9),				\
}

#define PTE_LEVEL_BITS	9	/* log2 of the entries of a 4 KiB table of 8-byte entries */

/* log2 of the bytes that one entry of a table of this level (1: the last) covers */
static inline unsigned int pte_level_shift(int level)
{
	return 12 + PTE_LEVEL_BITS * (level - 1);
}

/* log2 of the same in 4 KiB pages */
static inline unsigned int pte_level_order(int level)
{
	return PTE_LEVEL_BITS * (level - 1);
}

#endif /* ARCH_X86_KVM_MMU_PTE_H */
