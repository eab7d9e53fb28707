/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pte.h - what the bits of a page table entry mean: of the guest's own tables
 * (walk.c reads them) and of the second-level tables (tdp.c writes them), whose
 * format is the vendor's and therefore data.
 *
 * Pure.  SDM vol. 3, 4.3 to 4.6 and 28.3; APM vol. 2, 5.3, 5.4 and 15.25.5.
 */
#ifndef ARCH_X86_KVM_MMU_PTE_H
#define ARCH_X86_KVM_MMU_PTE_H

#include "../pure.h"

/* The processor's own entries, of all paging modes; 32-bit ones end at bit 31. */
#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_PWT		BIT_ULL(3)
#define PTE_PCD		BIT_ULL(4)
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
 * @leaf:	what every page has: readable, executable
 * @memory:	memory type of RAM
 * @device:	memory type of what the host does not cache
 * @huge:	what a page above the last level has as well
 * @write:	writable
 * @accessed:	set by hardware at a use
 * @dirty:	set by hardware at a write
 * @tracked:	ignored by hardware; ours: the host wants to hear of accesses and writes
 * @unmarked:	hardware sets neither @accessed nor @dirty
 */
struct pte_format {
	u64 present;
	u64 table;
	u64 leaf;
	u64 memory;
	u64 device;
	u64 huge;
	u64 write;
	u64 accessed;
	u64 dirty;
	u64 tracked;
	bool unmarked;
};

/* Nested accesses are user accesses: without PTE_U nothing is allowed (APM vol. 2, 15.25.5). */
#define PTE_FORMAT_NPT {					\
	.present	= PTE_P,				\
	.table		= PTE_P | PTE_W | PTE_U | PTE_A,	\
	.leaf		= PTE_P | PTE_U,			\
	.device		= PTE_PWT | PTE_PCD,			\
	.huge		= PTE_PS,				\
	.write		= PTE_W,				\
	.accessed	= PTE_A,				\
	.dirty		= PTE_D,				\
	.tracked	= BIT_ULL(9),				\
}

/* Memory is cached whatever the guest's PAT says; of devices it decides (SDM vol. 3, 28.3.7). */
#define EPT_READ	BIT_ULL(0)
#define EPT_WRITE	BIT_ULL(1)
#define EPT_EXECUTE	BIT_ULL(2)
#define EPT_WRITE_BACK	(6ull << 3)
#define EPT_UNCACHED	(0ull << 3)
#define EPT_IGNORE_PAT	BIT_ULL(6)

#define PTE_FORMAT_EPT(...) {					\
	.present	= EPT_READ | EPT_WRITE | EPT_EXECUTE,	\
	.table		= EPT_READ | EPT_WRITE | EPT_EXECUTE,	\
	.leaf		= EPT_READ | EPT_EXECUTE,		\
	.memory		= EPT_WRITE_BACK | EPT_IGNORE_PAT,	\
	.device		= EPT_UNCACHED,				\
	.huge		= BIT_ULL(7),				\
	.write		= EPT_WRITE,				\
	.accessed	= BIT_ULL(8),				\
	.dirty		= BIT_ULL(9),				\
	.tracked	= BIT_ULL(11),				\
	__VA_ARGS__						\
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
