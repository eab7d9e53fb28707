// SPDX-License-Identifier: GPL-2.0-only
/*
 * walk.c - the walk of the guest's page tables: 32-bit, PAE, four and five
 * levels, with WP, NX, SMEP, SMAP and protection keys.
 *
 * Pure: memory comes from callbacks (walk.h).  Who has to be quick here: on a
 * processor without decode assists every intercepted instruction is fetched
 * through this walk, so a level costs some twenty instructions and one call.
 * Tested by tools/testing/kvm/walk.
 */
#include "walk.h"
#include "pte.h"

#define CR0_WP		BIT_ULL(16)
#define CR0_PG		BIT_ULL(31)
#define CR4_PSE		BIT_ULL(4)
#define CR4_PAE		BIT_ULL(5)
#define CR4_LA57	BIT_ULL(12)
#define CR4_SMEP	BIT_ULL(20)
#define CR4_SMAP	BIT_ULL(21)
#define CR4_PKE		BIT_ULL(22)
#define EFER_LMA	BIT_ULL(10)
#define EFER_NXE	BIT_ULL(11)

/* Error code of a page fault (SDM vol. 3, 4.7). */
#define ERROR_PRESENT	BIT(0)
#define ERROR_WRITE	BIT(1)
#define ERROR_USER	BIT(2)
#define ERROR_RESERVED	BIT(3)
#define ERROR_FETCH	BIT(4)
#define ERROR_KEY	BIT(5)

#define WALK_LEVELS	5
#define WALK_TRIES	32	/* before a guest that races with its own walk has to go around */

/*
 * A paging mode; arrays by level.  @root_implied is what entries of the root table need not have:
 * page-directory-pointer entries of PAE carry no rights.
 */
struct walk_mode {
	u8 levels;
	u8 entry_size;
	u64 root;				/* address bits of CR3 */
	u64 root_implied;
	bool huge[WALK_LEVELS + 1];		/* PTE_PS means a page */
	u64 reserved[WALK_LEVELS + 1];		/* where PTE_PS does not mean a page */
	u64 huge_reserved[WALK_LEVELS + 1];	/* where it does */
};

#define PAE_RESERVED	GENMASK_ULL(62, 52)
#define RESERVED_2M	GENMASK_ULL(20, 13)
#define RESERVED_1G	GENMASK_ULL(29, 13)

static const struct walk_mode mode_32 = {
	.levels = 2, .entry_size = 4,
	.root = GENMASK_ULL(31, 12),
};

static const struct walk_mode mode_32_pse = {
	.levels = 2, .entry_size = 4,
	.root = GENMASK_ULL(31, 12),
	.huge = { [2] = true },
	.huge_reserved = { [2] = BIT_ULL(21) },
};

static const struct walk_mode mode_pae = {
	.levels = 3, .entry_size = 8,
	.root = GENMASK_ULL(31, 5),
	.root_implied = PTE_W | PTE_U | PTE_A,
	.huge = { [2] = true },
	.reserved = {
		[1] = PAE_RESERVED,
		[2] = PAE_RESERVED,
		[3] = PAE_RESERVED | PTE_NX | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1),
	},
	.huge_reserved = { [2] = PAE_RESERVED | RESERVED_2M },
};

static const struct walk_mode mode_4_levels = {
	.levels = 4, .entry_size = 8,
	.root = PTE_ADDRESS,
	.huge = { [2] = true, [3] = true },
	.reserved = { [4] = PTE_PS },
	.huge_reserved = { [2] = RESERVED_2M, [3] = RESERVED_1G },
};

static const struct walk_mode mode_5_levels = {
	.levels = 5, .entry_size = 8,
	.root = PTE_ADDRESS,
	.huge = { [2] = true, [3] = true },
	.reserved = { [4] = PTE_PS, [5] = PTE_PS },
	.huge_reserved = { [2] = RESERVED_2M, [3] = RESERVED_1G },
};

/* A walk under way; arrays by level. */
struct walk {
	const struct walk_regs *regs;
	const struct walk_mode *mode;
	u32 access;
	u64 reserved;			/* in every entry of this vCPU */
	u32 error;			/* for WALK_FAULT */
	int level;			/* of the page */
	unsigned int shift;		/* log2 of its size */
	u64 all;			/* AND of all entries: PTE_W, PTE_U, PTE_A */
	u64 any;			/* OR of all entries: PTE_NX */
	u64 gpa[WALK_LEVELS + 1];	/* where an entry stands, */
	u64 entry[WALK_LEVELS + 1];	/* and what it was */
};

static const struct walk_mode *walk_mode_of(const struct walk_regs *regs)
{
	if (regs->efer & EFER_LMA)
		return regs->cr4 & CR4_LA57 ? &mode_5_levels : &mode_4_levels;
	if (regs->cr4 & CR4_PAE)
		return &mode_pae;
	return regs->cr4 & CR4_PSE ? &mode_32_pse : &mode_32;
}

/* Bits that must be zero in all entries of this vCPU; 32-bit ones have none. */
static u64 walk_reserved(const struct walk_regs *regs)
{
	u64 reserved = 0;

	if (regs->max_gpa_bits < 52)
		reserved |= GENMASK_ULL(51, regs->max_gpa_bits);
	if (!(regs->efer & EFER_NXE))
		reserved |= PTE_NX;
	return reserved;
}

/* Reserved bits of an entry for a huge page: PSE-36 has room for an address that is too wide. */
static u64 walk_huge_reserved(const struct walk *w, int level)
{
	u64 reserved = w->mode->huge_reserved[level];

	if (w->mode->entry_size == 4 && w->regs->max_gpa_bits < 40)
		reserved |= GENMASK_ULL(20, 13 + w->regs->max_gpa_bits - 32);
	return reserved;
}

/* First byte of the page that the last entry maps; PSE-36 keeps bits 39-32 in bits 20-13. */
static u64 walk_page_base(const struct walk *w)
{
	u64 entry = w->entry[w->level];
	u64 base = entry & PTE_ADDRESS & ~(BIT_ULL(w->shift) - 1);

	if (w->shift == 22)
		base |= (entry & GENMASK_ULL(20, 13)) << 19;
	return base;
}

/* The error code that an access of this kind is told, without the reason. */
static u32 walk_error(const struct walk *w)
{
	bool nx = (w->regs->cr4 & CR4_PAE) && (w->regs->efer & EFER_NXE);
	u32 error = 0;

	if (w->access & WALK_WRITE)
		error |= ERROR_WRITE;
	if (w->regs->cpl == 3 && !(w->access & WALK_SYSTEM))
		error |= ERROR_USER;
	if ((w->access & WALK_FETCH) && (nx || (w->regs->cr4 & CR4_SMEP)))
		error |= ERROR_FETCH;
	return error;
}

/* Do protection keys forbid a data access? (SDM vol. 3, 4.6.2) */
static bool walk_key_denies(const struct walk *w, bool user)
{
	const struct walk_regs *regs = w->regs;
	u32 rights;

	if (!(regs->cr4 & CR4_PKE) || !(regs->efer & EFER_LMA) || !(w->all & PTE_U))
		return false;
	rights = regs->pkru >> 2 * PTE_KEY(w->entry[w->level]);
	if (rights & 1)
		return true;
	return (rights & 2) && (w->access & WALK_WRITE) && (user || (regs->cr0 & CR0_WP));
}

static bool walk_data_denied(const struct walk *w, bool user)
{
	const struct walk_regs *regs = w->regs;
	bool read_only = (w->access & WALK_WRITE) && !(w->all & PTE_W);

	if (user)
		return read_only || !(w->all & PTE_U);
	if (read_only && (regs->cr0 & CR0_WP))
		return true;
	return (regs->cr4 & CR4_SMAP) && (w->all & PTE_U) &&
	       (!regs->ac || (w->access & WALK_SYSTEM));
}

static bool walk_fetch_denied(const struct walk *w, bool user)
{
	if (w->any & PTE_NX)
		return true;
	if (user)
		return !(w->all & PTE_U);
	return (w->regs->cr4 & CR4_SMEP) && (w->all & PTE_U);
}

/* May the access be made? 0, or the error code. */
static u32 walk_denied(const struct walk *w)
{
	bool user = w->regs->cpl == 3 && !(w->access & WALK_SYSTEM);
	u32 why = 0;

	if (w->access & WALK_FETCH)
		return walk_fetch_denied(w, user) ? walk_error(w) | ERROR_PRESENT : 0;
	if (walk_key_denies(w, user))
		why = ERROR_KEY | ERROR_PRESENT;
	if (walk_data_denied(w, user))
		why |= ERROR_PRESENT;
	return why ? why | walk_error(w) : 0;
}

/* An entry that cannot be used: not present, or with reserved bits set. */
static int walk_bad_entry(struct walk *w, u64 entry)
{
	w->error = walk_error(w);
	if (entry & PTE_P)
		w->error |= ERROR_PRESENT | ERROR_RESERVED;
	return WALK_FAULT;
}

/*
 * From the root to the page: 0 with w->level the page's, WALK_FAULT, or a callback's errno.  Here
 * the time is spent, so there is one copy for each size of entries, and what changes from level to
 * level stays out of *w, which the compiler must take for known to the callback.
 */
static __always_inline int walk_down(struct walk *w, u64 linear, const struct walk_mem *mem,
				     void *ctx, unsigned int bits, unsigned int size)
{
	const struct walk_mode *mode = w->mode;
	u64 table = w->regs->cr3 & mode->root, implied = mode->root_implied;
	u64 all = ~0ULL, any = 0;
	int level = mode->levels;

	for (;;) {
		u64 index = linear >> (12 + bits * (level - 1)) & (BIT(bits) - 1);
		u64 gpa = table + index * size, entry, reserved;
		bool page = level == 1;
		int ret;

		ret = mem->read(ctx, gpa, size, &entry);
		if (unlikely(ret))
			return ret;
		reserved = mode->reserved[level];
		if ((entry & PTE_PS) && mode->huge[level]) {
			reserved = walk_huge_reserved(w, level);
			page = true;
		}
		if (unlikely(!(entry & PTE_P) || (entry & (reserved | w->reserved))))
			return walk_bad_entry(w, entry);
		w->gpa[level] = gpa;
		w->entry[level] = entry;
		all &= entry | implied;
		any |= entry;
		if (page)
			break;
		table = entry & PTE_ADDRESS;
		implied = 0;
		level--;
	}
	w->level = level;
	w->shift = 12 + bits * (level - 1);
	w->all = all;
	w->any = any;
	return 0;
}

static int walk_down_32(struct walk *w, u64 linear, const struct walk_mem *mem, void *ctx)
{
	return walk_down(w, linear, mem, ctx, 10, 4);
}

static int walk_down_64(struct walk *w, u64 linear, const struct walk_mem *mem, void *ctx)
{
	return walk_down(w, linear, mem, ctx, 9, 8);
}

/* Set accessed bits on the way, and the page's dirty bit: 0, 1 when an entry has changed, errno. */
static int walk_mark(const struct walk *w, const struct walk_mem *mem, void *ctx)
{
	u64 page_bits = w->access & WALK_WRITE ? PTE_A | PTE_D : PTE_A;
	int level, ret;

	if (!mem->update || ((w->all & PTE_A) && !(page_bits & ~w->entry[w->level])))
		return 0;
	for (level = w->mode->levels; level >= w->level; level--) {
		u64 want = level == w->level ? page_bits : PTE_A;

		if (level == w->mode->levels && w->mode->root_implied)
			continue;
		if (!(want & ~w->entry[level]))
			continue;
		ret = mem->update(ctx, w->gpa[level], w->mode->entry_size, w->entry[level],
				  w->entry[level] | want);
		if (ret)
			return ret;
	}
	return 0;
}

/* One attempt: 0, WALK_FAULT, a callback's errno, or -EAGAIN. */
static int walk_try(struct walk *w, u64 linear, const struct walk_mem *mem, void *ctx)
{
	int ret;

	if (w->mode->entry_size == 4)
		ret = walk_down_32(w, linear, mem, ctx);
	else
		ret = walk_down_64(w, linear, mem, ctx);
	if (ret)
		return ret;
	w->error = walk_denied(w);
	if (w->error)
		return WALK_FAULT;
	ret = walk_mark(w, mem, ctx);
	return ret > 0 ? -EAGAIN : ret;
}

int walk_linear(const struct walk_regs *regs, u64 linear, u32 access, const struct walk_mem *mem,
		void *ctx, struct walk_result *out)
{
	struct walk w;
	int tries, ret;

	if (!(regs->efer & EFER_LMA))
		linear &= U32_MAX;
	if (!(regs->cr0 & CR0_PG)) {
		*out = (struct walk_result) {
			.gpa = linear, .page_bits = 12, .write = true, .user = true
		};
		return 0;
	}
	w.regs = regs;
	w.mode = walk_mode_of(regs);
	w.access = access;
	w.reserved = walk_reserved(regs);
	for (tries = 0; tries < WALK_TRIES; tries++) {
		ret = walk_try(&w, linear, mem, ctx);
		if (ret != -EAGAIN)
			break;
	}
	out->error = 0;
	if (ret == WALK_FAULT)
		out->error = w.error;
	if (ret)
		return ret;
	out->gpa = walk_page_base(&w) | (linear & (BIT_ULL(w.shift) - 1));
	out->page_bits = w.shift;
	out->write = w.all & PTE_W;
	out->user = w.all & PTE_U;
	return 0;
}
