// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - which control registers' values are legal, against what the manuals say.
 *
 * For each function of cr.h a table with both sides of every rule, and then all
 * combinations of the bits that matter, against a second reading of SDM vol. 3
 * 2.5, 2.6, 4.1.1, 11.12.2, of vol. 1, 13.3, and of APM vol. 2, 3.1: lists of what
 * is refused, in the manuals' order, which share nothing with cr.c.  "mutants"
 * says what it is good for.
 */
#include "../check.h"
#include "cr.h"

#define LL(value)	((unsigned long long)(value))

#define PE	(1ULL << 0)
#define ET	(1ULL << 4)
#define NW	(1ULL << 29)
#define CD	(1ULL << 30)
#define PG	(1ULL << 31)

#define PSE	(1ULL << 4)
#define PAE	(1ULL << 5)
#define PGE	(1ULL << 7)
#define LA57	(1ULL << 12)
#define PCIDE	(1ULL << 17)
#define PKS	(1ULL << 24)		/* the CR4 bit that this vCPU has not */

#define SCE	(1ULL << 0)
#define LME	(1ULL << 8)
#define LMA	(1ULL << 10)
#define NXE	(1ULL << 11)
#define SVME	(1ULL << 12)		/* the EFER bit that it has not */

#define NOFLUSH	(1ULL << 63)
#define WIDTH	48

static const struct cr_limits limits = {
	.cr4_allowed = PSE | PAE | PGE | LA57 | PCIDE,
	.efer_allowed = SCE | LME | LMA | NXE,
	.xcr0_allowed = ~0ULL,
	.max_gpa_bits = WIDTH,
};

/* Where a guest can be. */
#define REAL_MODE	{ .cr0 = ET }
#define PROTECTED	{ .cr0 = ET | PE }
#define PAGED		{ .cr0 = ET | PE | PG }
#define PAGED_PAE	{ .cr0 = ET | PE | PG, .cr4 = PAE }
#define LONG(bits, ...)	{ .cr0 = ET | PE | PG, .cr4 = bits, .efer = LME | LMA, ##__VA_ARGS__ }

struct row {
	const char *name;
	struct cr_values now;
	u64 value;
	bool ok;
};

static void try_rows(bool (*write_ok)(const struct cr_limits *, const struct cr_values *, u64),
		     const struct row *rows, unsigned int count)
{
	const struct row *row;

	for (row = rows; row < rows + count; row++)
		CHECK(write_ok(&limits, &row->now, row->value) == row->ok, "%s", row->name);
}

#define TRY_ROWS(write_ok, rows)	try_rows(write_ok, rows, ARRAY_SIZE(rows))

/* Bit N of @choice says whether bits[N] is in the value. */
static u64 choose(const u64 *bits, unsigned int count, unsigned int choice)
{
	u64 value = 0;
	unsigned int i;

	for (i = 0; i < count; i++)
		if (choice & 1U << i)
			value |= bits[i];
	return value;
}

#define CHOICES(bits)		(1U << ARRAY_SIZE(bits))
#define CHOOSE(bits, choice)	choose(bits, ARRAY_SIZE(bits), choice)

/*
 * CR0
 */

static const struct row cr0_rows[] = {
	{ "nothing", REAL_MODE, 0, true },
	{ "bits 28:19, 17 and 15:6 are ignored", REAL_MODE, 0x1ffaffc0, true },
	{ "bit 31 is the last", PROTECTED, PE | PG, true },
	{ "bit 32", REAL_MODE, 1ULL << 32, false },
	{ "bit 63", REAL_MODE, 1ULL << 63, false },
	{ "protection without paging", REAL_MODE, PE, true },
	{ "paging without protection", REAL_MODE, PG, false },
	{ "paging, and protection given up", PAGED, PG, false },
	{ "CD and NW", REAL_MODE, CD | NW, true },
	{ "CD alone", REAL_MODE, CD, true },
	{ "NW alone", REAL_MODE, NW, false },
	{ "paging begins", PROTECTED, PE | PG, true },
	{ "paging and protection begin", REAL_MODE, PE | PG, true },
	{ "paging begins, CS.L", { .cr0 = PE, .cs_long = true }, PE | PG, true },
	{ "long mode begins", { .cr0 = PE, .cr4 = PAE, .efer = LME }, PE | PG, true },
	{ "long mode begins without PAE", { .cr0 = PE, .efer = LME }, PE | PG, false },
	{ "long mode begins in CS.L", { .cr0 = PE, .cr4 = PAE, .efer = LME, .cs_long = true },
	  PE | PG, false },
	{ "long mode goes on in CS.L", LONG(PAE, .cs_long = true), PE | PG | CD, true },
	{ "LME without paging, CS.L", { .cr0 = PE, .efer = LME, .cs_long = true }, PE | CD, true },
	{ "paging ends", PAGED_PAE, PE, true },
	{ "paging and protection end", PAGED, 0, true },
	{ "compatibility mode ends", LONG(PAE), PE, true },
	{ "64-bit mode ends", LONG(PAE, .cs_long = true), PE, false },
	{ "legacy paging ends, CS.L", { .cr0 = PE | PG, .cs_long = true }, PE, true },
	{ "paging ends under PCIDE", LONG(PAE | PCIDE), PE, false },
	{ "paging goes on under PCIDE", LONG(PAE | PCIDE), PE | PG | CD, true },
	{ "no paging before or after, PCIDE", { .cr0 = PE, .cr4 = PCIDE }, 0, true },
};

/* SDM vol. 2, MOV to CR0, "#GP(0)"; APM vol. 2, 3.1.1, 14.6. */
static bool cr0_faults(const struct cr_values *now, u64 cr0)
{
	bool pg_was = now->cr0 & PG, pg_is = cr0 & PG;
	bool mode_64 = (now->efer & LMA) && now->cs_long;

	if ((cr0 & NW) && !(cr0 & CD))
		return true;
	if (pg_is && !(cr0 & PE))
		return true;
	if (cr0 > 0xffffffff)
		return true;
	if (!pg_was && pg_is && (now->efer & LME)) {
		if (!(now->cr4 & PAE))
			return true;
		if (now->cs_long)
			return true;
	}
	if (pg_was && !pg_is && mode_64)
		return true;
	return pg_was && !pg_is && (now->cr4 & PCIDE);
}

/* Of a processor, LMA cannot be chosen. */
static struct cr_values values_of(u64 cr0, u64 cr4, u64 efer, bool cs_long)
{
	if ((cr0 & PG) && (efer & LME))
		efer |= LMA;
	return (struct cr_values){ .cr0 = cr0, .cr4 = cr4, .efer = efer, .cs_long = cs_long };
}

static void test_cr0(void)
{
	static const u64 to[] = { PE, 1ULL << 6, NW, CD, PG, 1ULL << 32, 1ULL << 63 };
	static const u64 cr4[] = { PAE, PCIDE };
	unsigned int i, j;

	TRY_ROWS(cr0_write_ok, cr0_rows);
	for (i = 0; i < 32; i++) {
		struct cr_values now = values_of(i & 1 ? PE | PG : PE, CHOOSE(cr4, i >> 3),
						 i & 2 ? LME : 0, i & 4);

		for (j = 0; j < CHOICES(to); j++) {
			u64 cr0 = CHOOSE(to, j);

			CHECK(cr0_write_ok(&limits, &now, cr0) == !cr0_faults(&now, cr0),
			      "%llx to %llx, CR4 %llx, EFER %llx, CS.L %d", LL(now.cr0), LL(cr0),
			      LL(now.cr4), LL(now.efer), now.cs_long);
		}
	}
}

/* SDM vol. 3, figure 2-7. */
static bool cr0_bit_exists(int bit)
{
	return bit <= 5 || bit == 16 || bit == 18 || (bit >= 29 && bit <= 31);
}

static void test_cr0_normal(void)
{
	int bit;

	CHECK(cr0_normal(0) == ET, "ET is 1");
	CHECK(cr0_normal(~0ULL) == 0xe005003f, "%llx", LL(cr0_normal(~0ULL)));
	for (bit = 0; bit < 64; bit++) {
		u64 expected = ET | (cr0_bit_exists(bit) ? 1ULL << bit : 0);

		CHECK(cr0_normal(1ULL << bit) == expected, "bit %d", bit);
	}
}

/*
 * CR3
 */

static const struct row cr3_rows[] = {
	{ "the highest address", LONG(PAE), 0xfffffffff000, true },
	{ "bits that are ignored", LONG(PAE), 0xfff, true },
	{ "one bit above", LONG(PAE), 1ULL << WIDTH, false },
	{ "bit 62", LONG(PAE), 1ULL << 62, false },
	{ "bit 63", LONG(PAE), NOFLUSH, false },
	{ "bit 63 under PCIDE", LONG(PAE | PCIDE), NOFLUSH | 0x1abc, true },
	{ "bit 62 under PCIDE", LONG(PAE | PCIDE), 1ULL << 62, false },
	{ "bit 63 under PCIDE, and one above", LONG(PAE | PCIDE),
	  NOFLUSH | 1ULL << WIDTH, false },
	{ "32-bit paging", PAGED, 0xfffff000, true },
	{ "PAE paging", PAGED_PAE, 0xffffffe0, true },
	{ "all of it, before long mode", { .cr0 = PE, .cr4 = PAE, .efer = LME }, ~0ULL, true },
};

static void try_cr3_bit(const struct cr_values *now, u8 width, int bit)
{
	struct cr_limits own = { .max_gpa_bits = width };
	bool long_mode = now->efer & LMA;
	bool ok = !long_mode || bit < width || (bit == 63 && (now->cr4 & PCIDE));

	CHECK(cr3_write_ok(&own, now, 1ULL << bit) == ok, "bit %d of %d, CR4 %llx, EFER %llx", bit,
	      width, LL(now->cr4), LL(now->efer));
}

static void test_cr3(void)
{
	static const struct cr_values states[] = {
		REAL_MODE, PAGED, PAGED_PAE, LONG(PAE), LONG(PAE | PCIDE),
		LONG(PAE | PCIDE, .cs_long = true), { .cr0 = PE, .efer = LME },
	};
	unsigned int i;
	int bit, width;

	TRY_ROWS(cr3_write_ok, cr3_rows);
	for (i = 0; i < ARRAY_SIZE(states); i++)
		for (width = 32; width <= 52; width++)
			for (bit = 0; bit < 64; bit++)
				try_cr3_bit(&states[i], width, bit);
}

/*
 * CR4
 */

static const struct row cr4_rows[] = {
	{ "nothing", REAL_MODE, 0, true },
	{ "bits that exist", REAL_MODE, PSE | PAE | PGE | LA57, true },
	{ "a bit that does not", REAL_MODE, PKS, false },
	{ "bit 63", REAL_MODE, 1ULL << 63, false },
	{ "PAE ends under legacy paging", PAGED_PAE, 0, true },
	{ "PAE ends in long mode", LONG(PAE), PGE, false },
	{ "PAE stays in long mode", LONG(PAE), PAE | PGE, true },
	{ "PAE ends, LME but no paging", { .cr0 = PE, .cr4 = PAE, .efer = LME }, 0, true },
	{ "LA57 begins in long mode", LONG(PAE), PAE | LA57, false },
	{ "LA57 ends in long mode", LONG(PAE | LA57), PAE, false },
	{ "LA57 stays in long mode", LONG(PAE | LA57), PAE | LA57 | PGE, true },
	{ "LA57 begins under legacy paging", PAGED_PAE, PAE | LA57, true },
	{ "LA57 ends before long mode", { .cr0 = PE, .cr4 = PAE | LA57, .efer = LME }, PAE, true },
	{ "PCIDE begins", LONG(PAE), PAE | PCIDE, true },
	{ "PCIDE begins, an address in CR3", LONG(PAE, .cr3 = 0xfffffffff000), PAE | PCIDE, true },
	{ "PCIDE begins, a PCID in CR3", LONG(PAE, .cr3 = 0x1800), PAE | PCIDE, false },
	{ "PCIDE begins, PCD in CR3", LONG(PAE, .cr3 = 0x1010), PAE | PCIDE, false },
	{ "PCIDE stays, a PCID in CR3", LONG(PAE | PCIDE, .cr3 = 0x1001), PAE | PCIDE, true },
	{ "PCIDE ends, a PCID in CR3", LONG(PAE | PCIDE, .cr3 = 0x1001), PAE, true },
	{ "PCIDE begins without paging", PROTECTED, PCIDE, false },
	{ "PCIDE begins under legacy paging", PAGED_PAE, PAE | PCIDE, false },
	{ "PCIDE begins before long mode", { .cr0 = PE, .efer = LME }, PAE | PCIDE, false },
};

/* SDM vol. 2, MOV to CR4, "#GP(0)", and vol. 3, 4.10.1. */
static bool cr4_faults(const struct cr_values *now, u64 cr4)
{
	bool long_mode = now->efer & LMA;

	if (cr4 & PKS)
		return true;
	if (long_mode && !(cr4 & PAE))
		return true;
	if (long_mode && (cr4 & LA57) != (now->cr4 & LA57))
		return true;
	if ((cr4 & PCIDE) && !(now->cr4 & PCIDE)) {
		if (!long_mode)
			return true;
		if (now->cr3 % 4096)
			return true;
	}
	return false;
}

static void try_cr4(u64 cr0, u64 efer, u64 cr4)
{
	static const u64 bits[] = { PAE, LA57, PCIDE, PGE, PKS };
	static const u64 cr3[] = { 0, 1, 0x800, 0xfff, 0x1000, 1ULL << 47 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(cr3); i++) {
		struct cr_values now = values_of(cr0, cr4, efer, false);

		now.cr3 = cr3[i];
		for (j = 0; j < CHOICES(bits); j++) {
			u64 to = CHOOSE(bits, j);

			CHECK(cr4_write_ok(&limits, &now, to) == !cr4_faults(&now, to),
			      "%llx to %llx, CR3 %llx, EFER %llx", LL(cr4), LL(to), LL(now.cr3),
			      LL(now.efer));
		}
	}
}

static void test_cr4(void)
{
	static const u64 bits[] = { PAE, LA57, PCIDE, PGE };
	unsigned int i;

	TRY_ROWS(cr4_write_ok, cr4_rows);
	for (i = 0; i < CHOICES(bits); i++) {
		try_cr4(PE, 0, CHOOSE(bits, i));
		try_cr4(PE, LME, CHOOSE(bits, i));
		try_cr4(PE | PG, 0, CHOOSE(bits, i));
		try_cr4(PE | PG, LME, CHOOSE(bits, i) | PAE);
	}
}

/* What exists is the caller's to say, bit by bit; in real mode PCIDE alone is refused anyway. */
static void test_cr4_limits(void)
{
	static const struct cr_values now = REAL_MODE;
	int has, bit;

	for (has = 0; has < 64; has++)
		for (bit = 0; bit < 64; bit++) {
			struct cr_limits own = { .cr4_allowed = 1ULL << has, .max_gpa_bits = 36 };

			CHECK(cr4_write_ok(&own, &now, 1ULL << bit) == (bit == has && bit != 17),
			      "bit %d where %d exists", bit, has);
		}
}

/*
 * EFER
 */

static const struct row efer_rows[] = {
	{ "nothing", REAL_MODE, 0, true },
	{ "bits that exist", REAL_MODE, SCE | LME | NXE, true },
	{ "a bit that does not", REAL_MODE, SVME, false },
	{ "bit 63", REAL_MODE, 1ULL << 63, false },
	{ "LME begins without paging", PROTECTED, LME, true },
	{ "LME begins under paging", PAGED_PAE, LME, false },
	{ "LME ends without paging", { .cr0 = PE, .efer = LME }, 0, true },
	{ "LME ends under paging", LONG(PAE), LMA, false },
	{ "LME ends with LMA under paging", LONG(PAE), 0, false },
	{ "LME stays under paging", LONG(PAE), LME | LMA | NXE, true },
	{ "no LME before or after, paging", PAGED, SCE, true },
	{ "LMA is left out in long mode", LONG(PAE), LME, true },
	{ "LMA is set out of long mode", REAL_MODE, LMA, true },
};

static void test_efer(void)
{
	static const u64 bits[] = { SCE, LME, LMA, NXE, SVME };
	unsigned int i, j;

	TRY_ROWS(efer_write_ok, efer_rows);
	for (i = 0; i < 8; i++) {
		struct cr_values now = values_of(i & 1 ? PE | PG : PE, PAE,
						 (i & 2 ? LME : 0) | (i & 4 ? SCE : 0), false);

		for (j = 0; j < CHOICES(bits); j++) {
			u64 to = CHOOSE(bits, j);
			bool lme_changes = (to & LME) != (now.efer & LME);
			bool faults = (to & SVME) || (lme_changes && (now.cr0 & PG));

			CHECK(efer_write_ok(&limits, &now, to) == !faults,
			      "%llx to %llx, CR0 %llx", LL(now.efer), LL(to), LL(now.cr0));
		}
	}
}

/* LMA is not written: whether it is in the value, or exists, does not matter. */
static void test_efer_limits(void)
{
	static const struct cr_values now = REAL_MODE;
	int has, bit;

	for (has = 0; has < 64; has++)
		for (bit = 0; bit < 64; bit++) {
			struct cr_limits own = { .efer_allowed = 1ULL << has, .max_gpa_bits = 36 };

			CHECK(efer_write_ok(&own, &now, 1ULL << bit) == (bit == has || bit == 10),
			      "bit %d where %d exists", bit, has);
		}
}

static void test_efer_with_lma(void)
{
	static const struct { u64 efer, cr0, expected; } rows[] = {
		{ 0, 0, 0 }, { 0, PE | PG, 0 }, { LME, PE, LME }, { LME, PE | PG, LME | LMA },
		{ LMA, PE | PG, 0 }, { LME | LMA, PE, LME }, { LME | LMA, PE | PG, LME | LMA },
		{ LME, ~PG, LME }, { ~LME, ~0ULL, ~(LME | LMA) }, { ~0ULL, 0, ~LMA },
		{ ~LMA, PG, ~0ULL },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK(efer_with_lma(rows[i].efer, rows[i].cr0) == rows[i].expected,
		      "EFER %llx, CR0 %llx: %llx", LL(rows[i].efer), LL(rows[i].cr0),
		      LL(efer_with_lma(rows[i].efer, rows[i].cr0)));
}

/*
 * All at once
 */

static const struct { const char *name; struct cr_values values; bool ok; } state_rows[] = {
	{ "real mode", REAL_MODE, true },
	{ "protected mode", PROTECTED, true },
	{ "32-bit paging", PAGED, true },
	{ "PAE paging", PAGED_PAE, true },
	{ "compatibility mode", LONG(PAE), true },
	{ "64-bit mode", LONG(PAE, .cs_long = true), true },
	{ "LME, not paging yet", { .cr0 = PE, .efer = LME }, true },
	{ "caches off, as at reset", { .cr0 = CD | NW | ET }, true },
	{ "NW without CD", { .cr0 = NW | ET }, false },
	{ "paging without protection", { .cr0 = PG }, false },
	{ "long mode without protection", { .cr0 = PG, .cr4 = PAE, .efer = LME | LMA }, false },
	{ "bit 32 of CR0", { .cr0 = 1ULL << 32 }, false },
	{ "CR4 bits that exist", { .cr4 = PSE | PAE | PGE | LA57 }, true },
	{ "a CR4 bit that does not", { .cr4 = PKS }, false },
	{ "the same, in long mode", LONG(PAE | PKS), false },
	{ "EFER bits that exist", { .efer = SCE | NXE }, true },
	{ "an EFER bit that does not", { .efer = SVME }, false },
	{ "the same, in long mode",
	  { .cr0 = PE | PG, .cr4 = PAE, .efer = LME | LMA | SVME }, false },
	{ "long mode without PAE", LONG(PGE), false },
	{ "long mode that does not say so", { .cr0 = PE | PG, .cr4 = PAE, .efer = LME }, false },
	{ "LMA without LME", { .cr0 = PE | PG, .cr4 = PAE, .efer = LMA }, false },
	{ "LMA without paging", { .cr0 = PE, .cr4 = PAE, .efer = LME | LMA }, false },
	{ "LMA in real mode", { .efer = LMA }, false },
	{ "CS.L without long mode", { .cr0 = PE | PG, .cs_long = true }, false },
	{ "CS.L before long mode", { .cr0 = PE, .efer = LME, .cs_long = true }, false },
	{ "the highest CR3", LONG(PAE, .cr3 = 0xfffffffff000), true },
	{ "one bit above", LONG(PAE, .cr3 = 1ULL << WIDTH), false },
	{ "bits above, but no long mode", { .cr0 = PE | PG, .cr3 = 1ULL << WIDTH }, true },
	{ "PCIDE and a PCID", LONG(PAE | PCIDE, .cr3 = 0x1fff), true },
	{ "the no-flush bit is not kept", LONG(PAE | PCIDE, .cr3 = NOFLUSH), false },
	{ "bit 63 of CR3 without PCIDE", LONG(PAE, .cr3 = NOFLUSH), false },
};

/*
 * SDM vol. 3, 4.1.1, and 2.5 for the registers alone.  PCIDE is no matter here:
 * userspace may set it before it sets the mode.
 */
static bool state_exists(const struct cr_values *v)
{
	bool paging = v->cr0 & PG, active = paging && (v->efer & LME);

	if (paging && !(v->cr0 & PE))
		return false;
	if ((v->cr0 & NW) && !(v->cr0 & CD))
		return false;
	if (v->cr0 >= PG << 1)
		return false;
	if ((v->cr4 & PKS) || (v->efer & SVME))
		return false;
	if (active != !!(v->efer & LMA))
		return false;
	if (active && !(v->cr4 & PAE))
		return false;
	if (active && v->cr3 >= 1ULL << WIDTH)
		return false;
	return active || !v->cs_long;
}

static void try_states(struct cr_values *v)
{
	static const u64 efer[] = { LME, LMA, SVME, NXE };
	static const u64 cr3[] = { 0, 0xfff, 1ULL << 47, 1ULL << 48, 1ULL << 52, NOFLUSH };
	unsigned int i, j;

	for (i = 0; i < 2 * CHOICES(efer); i++)
		for (j = 0; j < ARRAY_SIZE(cr3); j++) {
			v->efer = CHOOSE(efer, i / 2);
			v->cs_long = i % 2;
			v->cr3 = cr3[j];
			CHECK(cr_state_ok(&limits, v) == state_exists(v),
			      "CR0 %llx, CR3 %llx, CR4 %llx, EFER %llx, CS.L %d", LL(v->cr0),
			      LL(v->cr3), LL(v->cr4), LL(v->efer), v->cs_long);
		}
}

static void test_state(void)
{
	static const u64 cr0[] = { PE, NW, CD, PG, 1ULL << 32 };
	static const u64 cr4[] = { PAE, PCIDE, LA57, PKS };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(state_rows); i++)
		CHECK(cr_state_ok(&limits, &state_rows[i].values) == state_rows[i].ok, "%s",
		      state_rows[i].name);
	for (i = 0; i < CHOICES(cr0); i++)
		for (j = 0; j < CHOICES(cr4); j++) {
			struct cr_values v = { .cr0 = CHOOSE(cr0, i), .cr4 = CHOOSE(cr4, j) };

			try_states(&v);
		}
}

static void test_state_limits(void)
{
	int has, bit;

	for (has = 0; has < 64; has++)
		for (bit = 0; bit < 64; bit++) {
			struct cr_limits own = { .efer_allowed = 1ULL << has,
						 .cr4_allowed = 1ULL << has, .max_gpa_bits = 36 };
			struct cr_values cr4 = { .cr4 = 1ULL << bit };
			struct cr_values efer = { .efer = 1ULL << bit };

			CHECK(cr_state_ok(&own, &cr4) == (bit == has), "CR4, %d where %d", bit,
			      has);
			CHECK(cr_state_ok(&own, &efer) == (bit == has && bit != 10),
			      "EFER, %d where %d", bit, has);
		}
}

/*
 * Whatever the guest may write leaves a state that userspace may restore, save for
 * CS.L: the descriptor's bit in a mode that does not look at it.
 */

static void try_reachable(const struct cr_values *now, const u64 *cr4, unsigned int choice)
{
	static const u64 cr0[] = { PE, CD, PG };
	struct cr_values next = *now;

	next.cr0 = cr0_normal(CHOOSE(cr0, choice));
	next.efer = efer_with_lma(now->efer, next.cr0);
	CHECK(!cr0_write_ok(&limits, now, next.cr0) || cr_state_ok(&limits, &next),
	      "CR0 %llx to %llx, EFER %llx", LL(now->cr0), LL(next.cr0), LL(now->efer));
	next = *now;
	next.cr4 = choose(cr4, 4, choice);
	CHECK(!cr4_write_ok(&limits, now, next.cr4) || cr_state_ok(&limits, &next),
	      "CR4 %llx to %llx, EFER %llx", LL(now->cr4), LL(next.cr4), LL(now->efer));
	next = *now;
	next.efer = efer_with_lma(choice & 1 ? LME : 0, now->cr0);
	CHECK(!efer_write_ok(&limits, now, next.efer) || cr_state_ok(&limits, &next),
	      "EFER %llx to %llx, CR0 %llx", LL(now->efer), LL(next.efer), LL(now->cr0));
}

static void test_reachable(void)
{
	static const u64 cr4[4] = { PAE, LA57, PCIDE, PGE };
	unsigned int i, j, states = 0;

	for (i = 0; i < 128; i++) {
		struct cr_values now = values_of((i & 1 ? PE : 0) | (i & 2 ? PG : 0),
						 CHOOSE(cr4, i >> 3), i & 4 ? LME : 0, false);

		if (!cr_state_ok(&limits, &now))
			continue;
		states++;
		for (j = 0; j < CHOICES(cr4); j++)
			try_reachable(&now, cr4, j);
	}
	/* 6 of the 8 modes have PG only with PE; long mode, one of them, wants PAE */
	CHECK(states == 5 * 16 + 8, "%u states", states);
}

/*
 * XCR0
 */

#define X87	(1ULL << 0)
#define SSE	(1ULL << 1)
#define AVX	(1ULL << 2)
#define MPX	(3ULL << 3)
#define AVX512	(7ULL << 5)
#define PKRU	(1ULL << 9)
#define AMX	(3ULL << 17)

static const struct { const char *name; u64 xcr0, allowed; bool ok; } xcr0_rows[] = {
	{ "x87", X87, ~0ULL, true },
	{ "nothing", 0, ~0ULL, false },
	{ "SSE without x87", SSE, ~0ULL, false },
	{ "x87 and SSE", X87 | SSE, X87 | SSE, true },
	{ "SSE that does not exist", X87 | SSE, X87, false },
	{ "AVX", X87 | SSE | AVX, ~0ULL, true },
	{ "AVX without SSE", X87 | AVX, ~0ULL, false },
	{ "AVX that does not exist", X87 | SSE | AVX, X87 | SSE, false },
	{ "MPX", X87 | MPX, ~0ULL, true },
	{ "BNDREGS alone", X87 | 1ULL << 3, ~0ULL, false },
	{ "BNDCSR alone", X87 | 1ULL << 4, ~0ULL, false },
	{ "AVX-512", X87 | SSE | AVX | AVX512, ~0ULL, true },
	{ "AVX-512 without AVX", X87 | SSE | AVX512, ~0ULL, false },
	{ "AVX-512 without SSE", X87 | AVX | AVX512, ~0ULL, false },
	{ "opmask alone", X87 | SSE | AVX | 1ULL << 5, ~0ULL, false },
	{ "ZMM_Hi256 alone", X87 | SSE | AVX | 1ULL << 6, ~0ULL, false },
	{ "Hi16_ZMM alone", X87 | SSE | AVX | 1ULL << 7, ~0ULL, false },
	{ "AVX-512 of which only two exist", X87 | SSE | AVX | AVX512,
	  X87 | SSE | AVX | 3ULL << 5, false },
	{ "PKRU", X87 | PKRU, X87 | PKRU, true },
	{ "AMX", X87 | AMX, ~0ULL, true },
	{ "TILECFG alone", X87 | 1ULL << 17, ~0ULL, false },
	{ "TILEDATA alone", X87 | 1ULL << 18, ~0ULL, false },
	{ "bit 63 that does not exist", X87 | 1ULL << 63, ~0ULL >> 1, false },
	{ "all", ~0ULL, ~0ULL, true },
};

/* SDM vol. 3, 2.6 and vol. 1, 13.3: what XSETBV refuses. */
static bool xcr0_faults(u64 allowed, u64 xcr0)
{
	unsigned int mpx = xcr0 >> 3 & 3, avx512 = xcr0 >> 5 & 7, amx = xcr0 >> 17 & 3;
	unsigned int sse_avx = xcr0 >> 1 & 3;

	if ((xcr0 | allowed) != allowed)
		return true;
	if (xcr0 % 2 == 0)
		return true;
	if (sse_avx == 2)
		return true;
	if (mpx == 1 || mpx == 2)
		return true;
	if (avx512 && (sse_avx != 3 || avx512 != 7))
		return true;
	return amx == 1 || amx == 2;
}

static void test_xcr0(void)
{
	static const u64 masks[] = {
		~0ULL, X87, X87 | SSE | AVX, X87 | SSE | AVX | AVX512 | PKRU, ~(1ULL << 6),
	};
	unsigned int i;
	u64 xcr0;

	for (i = 0; i < ARRAY_SIZE(xcr0_rows); i++) {
		struct cr_limits own = { .xcr0_allowed = xcr0_rows[i].allowed };

		CHECK(xcr0_ok(&own, xcr0_rows[i].xcr0) == xcr0_rows[i].ok, "%s",
		      xcr0_rows[i].name);
	}
	for (i = 0; i < ARRAY_SIZE(masks); i++)
		for (xcr0 = 0; xcr0 < 1ULL << 19; xcr0++) {
			struct cr_limits own = { .xcr0_allowed = masks[i] };

			CHECK(xcr0_ok(&own, xcr0) == !xcr0_faults(masks[i], xcr0),
			      "%llx of %llx", LL(xcr0), LL(masks[i]));
		}
}

static void test_xcr0_limits(void)
{
	int has, bit;

	for (has = 19; has < 64; has++)
		for (bit = 19; bit < 64; bit++) {
			struct cr_limits own = { .xcr0_allowed = X87 | 1ULL << has };

			CHECK(xcr0_ok(&own, X87 | 1ULL << bit) == (bit == has), "%d where %d", bit,
			      has);
		}
}

/*
 * PAT
 */

static const struct { const char *name; u64 pat; bool ok; } pat_rows[] = {
	{ "as at reset", 0x0007040600070406, true },
	{ "all UC", 0, true },
	{ "every type", 0x0001040506070606, true },
	{ "2 is reserved", 0x0007040600070402, false },
	{ "3 is reserved", 0x0307040600070406, false },
	{ "8 is reserved", 0x0007040800070406, false },
	{ "upper bits of a byte", 0x0007048600070406, false },
	{ "all ones", ~0ULL, false },
};

/* SDM vol. 3, table 11-10. */
static void test_pat(void)
{
	static const bool exists[256] = {
		[0] = true, [1] = true, [4] = true, [5] = true, [6] = true, [7] = true,
	};
	static const u64 others[] = { 0, 0x0007040600070406, 0x0101010101010101 };
	unsigned int i, type;
	int shift;

	for (i = 0; i < ARRAY_SIZE(pat_rows); i++)
		CHECK(pat_ok(pat_rows[i].pat) == pat_rows[i].ok, "%s", pat_rows[i].name);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		for (shift = 0; shift < 64; shift += 8)
			for (type = 0; type < 256; type++) {
				u64 pat = (others[i] & ~(0xffULL << shift)) | (u64)type << shift;

				CHECK(pat_ok(pat) == exists[type], "%016llx", LL(pat));
			}
}

/* An entry that is not present may have anything in it. */
static void test_pdpte(void)
{
	static const bool reserved[64] = {
		[1] = true, [2] = true, [5] = true, [6] = true, [7] = true, [8] = true,
	};
	unsigned int bit;

	CHECK(pdpte_ok(&limits, 0), "nothing");
	CHECK(pdpte_ok(&limits, 1), "present");
	for (bit = 1; bit < 64; bit++) {
		u64 pdpte = 1ULL << bit;

		CHECK(pdpte_ok(&limits, pdpte), "%016llx", LL(pdpte));
		CHECK(pdpte_ok(&limits, pdpte | 1) == (bit < WIDTH && !reserved[bit]),
		      "%016llx", LL(pdpte | 1));
	}
}

/* DR7 that watches one register: its number, what for (R/W), and how much of it (LEN). */
static u64 watching(unsigned int i, unsigned int kind, unsigned int size, unsigned int enable)
{
	return (u64)enable << 2 * i | (u64)(size << 2 | kind) << (16 + 4 * i);
}

/* Byte by byte: is one of the access's among the watched? */
static bool touches(u64 dr, unsigned int size, u64 address, unsigned int len)
{
	static const unsigned int bytes[] = { 1, 2, 8, 4 };
	u64 first = dr / bytes[size] * bytes[size];
	unsigned int i;

	for (i = 0; i < len; i++)
		if (address + i >= first && address + i < first + bytes[size])
			return true;
	return false;
}

static void test_breakpoints(void)
{
	/* by R/W: execution, writes, ports, reads and writes */
	static const bool watches[4][3] = {
		[1] = { [DR_WRITE] = true },
		[2] = { [DR_PORT] = true },
		[3] = { [DR_READ] = true, [DR_WRITE] = true },
	};
	static const u64 bases[] = { 0x1000, 0xfffffffffff0 };
	unsigned int n, b, len;

	for (n = 0; n < 4 * 4 * 4 * 4 * 3; n++) {
		unsigned int i = n & 3, kind = n >> 2 & 3, size = n >> 4 & 3, enable = n >> 6 & 3;
		enum dr_access access = n >> 8;
		u64 address, dr[4] = { 1, 1, 1, 1 };

		for (b = 0; b < ARRAY_SIZE(bases); b++)
			for (dr[i] = bases[b]; dr[i] < bases[b] + 8; dr[i]++)
				for (address = bases[b] - 16; address < bases[b] + 16; address++)
					for (len = 1; len <= 16; len *= 2) {
						bool hit = enable && watches[kind][access] &&
							   touches(dr[i], size, address, len);
						u64 dr7 = watching(i, kind, size, enable);

						CHECK(dr_hits(dr, dr7, address, len, access) ==
						      (hit ? 1ULL << i : 0), "%u: %llx, %llx",
						      n, LL(dr[i]), LL(address));
					}
	}
}

/* Two at once, and one that is off. */
static void test_several_breakpoints(void)
{
	const u64 dr[] = { 0x2000, 0x2004, 0x2000, 0x2002 };
	u64 dr7 = watching(0, 1, 3, 1) | watching(1, 3, 0, 2) | watching(2, 1, 0, 0) |
		  watching(3, 3, 1, 3);

	CHECK(dr_hits(dr, dr7, 0x2000, 8, DR_WRITE) == 0xb, "all three");
	CHECK(dr_hits(dr, dr7, 0x2000, 8, DR_READ) == 0xa, "reads");
	CHECK(dr_hits(dr, dr7, 0x2005, 8, DR_WRITE) == 0, "behind");
	CHECK(dr_hits(dr, dr7, 0x1ff8, 8, DR_WRITE) == 0, "before");
	CHECK(dr_hits(dr, 0x400, 0x2000, 8, DR_WRITE) == 0, "none enabled");
}

int main(void)
{
	check_run("cr, " COMPILER ": CR0 that the guest may write", test_cr0);
	check_run("cr, " COMPILER ": CR0 as it reads after", test_cr0_normal);
	check_run("cr, " COMPILER ": CR3 that the guest may write", test_cr3);
	check_run("cr, " COMPILER ": CR4 that the guest may write", test_cr4);
	check_run("cr, " COMPILER ": CR4 bits that exist", test_cr4_limits);
	check_run("cr, " COMPILER ": EFER that the guest may write", test_efer);
	check_run("cr, " COMPILER ": EFER bits that exist", test_efer_limits);
	check_run("cr, " COMPILER ": EFER.LMA follows LME and PG", test_efer_with_lma);
	check_run("cr, " COMPILER ": states that userspace may set", test_state);
	check_run("cr, " COMPILER ": states of bits that exist", test_state_limits);
	check_run("cr, " COMPILER ": what the guest may write, userspace may set", test_reachable);
	check_run("cr, " COMPILER ": XCR0 components", test_xcr0);
	check_run("cr, " COMPILER ": XCR0 bits that exist", test_xcr0_limits);
	check_run("cr, " COMPILER ": PAT memory types", test_pat);
	check_run("cr, " COMPILER ": entries of PAE paging", test_pdpte);
	check_run("cr, " COMPILER ": breakpoints", test_breakpoints);
	check_run("cr, " COMPILER ": several breakpoints", test_several_breakpoints);
	return check_end();
}
