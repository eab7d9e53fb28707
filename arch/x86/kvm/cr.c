// SPDX-License-Identifier: GPL-2.0-only
/*
 * cr.c - PURE: which values of CR0, CR3, CR4, EFER, XCR0 and PAT are legal; which breakpoints an
 * access meets.
 *
 * SDM vol. 3, 2.5, 4.1.1, 13.3, 11.12.2, 17.2; APM vol. 2, 3.1, 14.1.3, 7.8, 13.1.  The
 * answer to an illegal write is the caller's: #GP(0) for the guest, -EINVAL
 * for userspace.
 */
#include "cr.h"

#define CR0_PE		BIT_ULL(0)
#define CR0_ET		BIT_ULL(4)
#define CR0_NW		BIT_ULL(29)
#define CR0_CD		BIT_ULL(30)
#define CR0_PG		BIT_ULL(31)
#define CR0_BITS	0xe005003full

#define CR3_NOFLUSH	BIT_ULL(63)

#define CR4_PAE		BIT_ULL(5)
#define CR4_LA57	BIT_ULL(12)
#define CR4_PCIDE	BIT_ULL(17)
#define CR3_PCID	0xfffull

#define PDPTE_PRESENT	BIT_ULL(0)
#define PDPTE_ZEROES	0x1e6ull	/* bits 2:1 and 8:5 */

#define EFER_LME_BIT	BIT_ULL(8)
#define EFER_LMA_BIT	BIT_ULL(10)

#define XCR0_X87	BIT_ULL(0)
#define XCR0_SSE	BIT_ULL(1)
#define XCR0_AVX	BIT_ULL(2)
#define XCR0_MPX	GENMASK_ULL(4, 3)
#define XCR0_AVX512	GENMASK_ULL(7, 5)
#define XCR0_AMX	GENMASK_ULL(18, 17)

/* What CR0 says by itself: bits that exist, no paging without protection, no NW without CD. */
static bool cr0_alone_ok(u64 cr0)
{
	if (cr0 >> 32)
		return false;
	if (cr0 & CR0_PG && !(cr0 & CR0_PE))
		return false;
	return !(cr0 & CR0_NW) || cr0 & CR0_CD;
}

u64 cr0_normal(u64 cr0)
{
	return (cr0 & CR0_BITS) | CR0_ET;
}

u64 efer_with_lma(u64 efer, u64 cr0)
{
	efer &= ~EFER_LMA_BIT;
	return efer & EFER_LME_BIT && cr0 & CR0_PG ? efer | EFER_LMA_BIT : efer;
}

bool cr0_write_ok(const struct cr_limits *limits, const struct cr_values *now, u64 cr0)
{
	bool starts = cr0 & CR0_PG && !(now->cr0 & CR0_PG);
	bool stops = !(cr0 & CR0_PG) && now->cr0 & CR0_PG;

	(void)limits;
	if (!cr0_alone_ok(cr0))
		return false;
	/* into long mode: from PAE, and not with a 64-bit code segment in place already */
	if (starts && now->efer & EFER_LME_BIT && (!(now->cr4 & CR4_PAE) || now->cs_long))
		return false;
	/* out of it: not from 64-bit code; in legacy mode CS.L means nothing */
	return !stops || !(now->cr4 & CR4_PCIDE || (now->efer & EFER_LMA_BIT && now->cs_long));
}

/* Bits above the physical address. */
static u64 cr3_reserved(const struct cr_limits *limits)
{
	return ~GENMASK_ULL(limits->max_gpa_bits - 1, 0);
}

bool cr3_write_ok(const struct cr_limits *limits, const struct cr_values *now, u64 cr3)
{
	if (!(now->efer & EFER_LMA_BIT))
		return true;
	/* the no-flush bit is part of the write, not of the value */
	if (now->cr4 & CR4_PCIDE)
		cr3 &= ~CR3_NOFLUSH;
	return !(cr3 & cr3_reserved(limits));
}

bool cr4_write_ok(const struct cr_limits *limits, const struct cr_values *now, u64 cr4)
{
	u64 changed = now->cr4 ^ cr4;

	if (cr4 & ~limits->cr4_allowed)
		return false;
	if (now->efer & EFER_LMA_BIT && (!(cr4 & CR4_PAE) || changed & CR4_LA57))
		return false;
	if (changed & cr4 & CR4_PCIDE)
		return now->efer & EFER_LMA_BIT && !(now->cr3 & CR3_PCID);
	return true;
}

bool efer_write_ok(const struct cr_limits *limits, const struct cr_values *now, u64 efer)
{
	if (efer & ~(limits->efer_allowed | EFER_LMA_BIT))
		return false;
	return !(now->cr0 & CR0_PG) || !((efer ^ now->efer) & EFER_LME_BIT);
}

bool cr_state_ok(const struct cr_limits *limits, const struct cr_values *values)
{
	u64 efer = values->efer;

	if (!cr0_alone_ok(values->cr0) || values->cr4 & ~limits->cr4_allowed)
		return false;
	if (efer & ~(limits->efer_allowed | EFER_LMA_BIT))
		return false;
	if (efer & EFER_LME_BIT && values->cr0 & CR0_PG) {
		/* long mode is active, and says so */
		return values->cr4 & CR4_PAE && efer & EFER_LMA_BIT &&
		       !(values->cr3 & cr3_reserved(limits));
	}
	return !(efer & EFER_LMA_BIT) && !values->cs_long;
}

/* Components that are enabled together or not at all. */
static bool all_or_none(u64 xcr0, u64 group)
{
	return !(xcr0 & group) || (xcr0 & group) == group;
}

bool xcr0_ok(const struct cr_limits *limits, u64 xcr0)
{
	if (!(xcr0 & XCR0_X87) || xcr0 & ~limits->xcr0_allowed)
		return false;
	if (xcr0 & XCR0_AVX && !(xcr0 & XCR0_SSE))
		return false;
	if (xcr0 & XCR0_AVX512 && !(xcr0 & XCR0_AVX))
		return false;
	return all_or_none(xcr0, XCR0_MPX) && all_or_none(xcr0, XCR0_AVX512) &&
	       all_or_none(xcr0, XCR0_AMX);
}

/* SDM vol. 3, table 4-8 */
bool pdpte_ok(const struct cr_limits *limits, u64 pdpte)
{
	const u64 reserved = PDPTE_ZEROES | cr3_reserved(limits);

	return !(pdpte & PDPTE_PRESENT) || !(pdpte & reserved);
}

bool pat_ok(u64 pat)
{
	unsigned int i;

	for (i = 0; i < 8; i++, pat >>= 8) {
		u8 type = pat;

		/* UC, WC, WT, WP, WB, UC- (SDM table 11-10): 0, 1, 4 to 7 */
		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

/* DR7 has for each register two enable bits, and two times two: what of, and how many bytes. */
static bool meets(u64 dr, unsigned int kind, unsigned int size, u64 address, unsigned int len,
		  enum dr_access access)
{
	static const u8 kinds[] = {
		[DR_READ] = BIT(3), [DR_WRITE] = BIT(1) | BIT(3), [DR_PORT] = BIT(2),
	};
	const unsigned int bytes = size == 2 ? 8 : size + 1;

	/* as if the low bits of the register were 0 */
	dr &= ~(u64)(bytes - 1);
	return kinds[access] >> kind & 1 && (address - dr < bytes || dr - address < len);
}

u64 dr_hits(const u64 *dr, u64 dr7, u64 address, unsigned int len, enum dr_access access)
{
	unsigned int i;
	u64 hits = 0;

	for (i = 0; i < 4; i++) {
		unsigned int how = dr7 >> (16 + 4 * i);

		if (dr7 >> 2 * i & 3 && meets(dr[i], how & 3, how >> 2 & 3, address, len, access))
			hits |= BIT_ULL(i);
	}
	return hits;
}
