// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - VMX processors with and without what is needed, as their capability MSRs say it.
 *
 * A processor that can do everything is accepted; then each bit of each
 * capability is taken away by itself.  What has to be refused then, and how it is
 * called, stands here as the processor's manual has it (SDM vol. 3, tables 24-5
 * to 24-8, 24-13, 24-15, A.10); all other bits must not matter.
 */
#include "../check.h"
#include "vmx/caps.h"

#define LL(value)	((unsigned long long)(value))

/* Bits that have always been 1 (SDM vol. 3, A.3.1, A.3.2, A.4, A.5). */
#define PIN_ONES	0x00000016ULL
#define PRIMARY_ONES	0x04006172ULL	/* with TRUE MSRs: CR3 exiting is not among them */
#define EXIT_ONES	0x00036dffULL
#define ENTRY_ONES	0x000011ffULL
#define ALL		0xffffffff00000000ULL

static const struct vmx_caps everything = {
	.basic = 1ULL << 56 | 1ULL << 55 | 4096ULL << 32 | 0x12345678,
	.word = {
		[WORD_PIN] = ALL | PIN_ONES,
		[WORD_PRIMARY] = ALL | PRIMARY_ONES,
		[WORD_SECONDARY] = ALL,
		[WORD_EXIT] = ALL | EXIT_ONES,
		[WORD_ENTRY] = ALL | ENTRY_ONES,
	},
	.ept_vpid = ~0ULL,
	.misc = ~0ULL,
	.cr4_fixed0 = 0x2000,
};

enum use { ALWAYS, AT_TIMES };

/* Refused by these names when they are missing. */
static const struct {
	u8 word;
	u8 bit;
	enum use use;
	const char *name;
} must_have[] = {
	{ WORD_PIN, 0, ALWAYS, "external-interrupt exiting" },
	{ WORD_PIN, 3, ALWAYS, "NMI exiting" },
	{ WORD_PIN, 5, ALWAYS, "virtual NMIs" },
	{ WORD_PRIMARY, 2, AT_TIMES, "interrupt-window exiting" },
	{ WORD_PRIMARY, 3, ALWAYS, "TSC offsetting" },
	{ WORD_PRIMARY, 7, ALWAYS, "HLT exiting" },
	{ WORD_PRIMARY, 10, ALWAYS, "MWAIT exiting" },
	{ WORD_PRIMARY, 11, ALWAYS, "RDPMC exiting" },
	{ WORD_PRIMARY, 19, AT_TIMES, "CR8-load exiting" },
	{ WORD_PRIMARY, 21, ALWAYS, "TPR shadow" },
	{ WORD_PRIMARY, 22, AT_TIMES, "NMI-window exiting" },
	{ WORD_PRIMARY, 23, AT_TIMES, "MOV-DR exiting" },
	{ WORD_PRIMARY, 24, ALWAYS, "unconditional I/O exiting" },
	{ WORD_PRIMARY, 28, ALWAYS, "MSR bitmaps" },
	{ WORD_PRIMARY, 29, ALWAYS, "MONITOR exiting" },
	{ WORD_PRIMARY, 31, ALWAYS, "secondary controls" },
	{ WORD_SECONDARY, 1, ALWAYS, "EPT" },
	{ WORD_SECONDARY, 5, ALWAYS, "VPID" },
	{ WORD_SECONDARY, 7, ALWAYS, "unrestricted guests" },
	{ WORD_EXIT, 2, ALWAYS, "saving of debug controls" },
	{ WORD_EXIT, 9, ALWAYS, "64-bit hosts" },
	{ WORD_EXIT, 19, ALWAYS, "loading of PAT at exits" },
	{ WORD_EXIT, 21, ALWAYS, "loading of EFER at exits" },
	{ WORD_ENTRY, 2, ALWAYS, "loading of debug controls" },
	{ WORD_ENTRY, 9, AT_TIMES, "64-bit guests" },
	{ WORD_ENTRY, 14, ALWAYS, "loading of PAT at entries" },
	{ WORD_ENTRY, 15, ALWAYS, "loading of EFER at entries" },
};

/* RDTSCP, WBINVD exiting, INVPCID, ENCLS exiting: nobody needs them, but who has them gets them. */
#define SECONDARY_IF_THERE	(1U << 3 | 1U << 6 | 1U << 12 | 1U << 15)

static const char *name_of(u8 word, u8 bit)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(must_have); i++)
		if (must_have[i].word == word && must_have[i].bit == bit)
			return must_have[i].name;
	return NULL;
}

/* Every control that this file knows to be on, over those that must be 1. */
static u32 expected(const struct vmx_caps *caps, u8 word)
{
	u32 bits = (u32)caps->word[word];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(must_have); i++)
		if (must_have[i].word == word && must_have[i].use == ALWAYS)
			bits |= 1U << must_have[i].bit;
	if (word == WORD_SECONDARY)
		bits |= SECONDARY_IF_THERE & (u32)(caps->word[word] >> 32);
	return bits;
}

static bool same(const char *one, const char *other)
{
	return one == other || (one && other && !strcmp(one, other));
}

static const char *shown(const char *lacks)
{
	return lacks ? lacks : "nothing";
}

static void expect(const struct vmx_caps *caps, const char *missing)
{
	struct vmx_controls chosen = { 0 };
	const char *lacks = vmx_choose(caps, &chosen);
	u8 word;

	CHECK(same(lacks, missing), "lacks %s, not %s", shown(lacks), shown(missing));
	for (word = 0; word < VMX_WORDS && !missing; word++)
		CHECK(chosen.word[word] == expected(caps, word), "word %u: %08x, not %08x", word,
		      chosen.word[word], expected(caps, word));
}

static void test_everything(void)
{
	struct vmx_controls chosen = { 0 };

	expect(&everything, NULL);
	CHECK(!vmx_choose(&everything, &chosen), "refused");
	CHECK(chosen.revision == 0x12345678, "%x", chosen.revision);
	CHECK(chosen.eptp == 0x5e, "%llx", LL(chosen.eptp));
	CHECK(chosen.cr4_fixed == 0x2000, "%llx", LL(chosen.cr4_fixed));
	CHECK(chosen.zero_length && chosen.any_error_code && chosen.tsc_scaling &&
	      chosen.logs_writes, "not all of it");
}

/* Each control by itself: refused by its name, or not missed and not set. */
static void test_one_missing(void)
{
	struct vmx_caps caps;
	u8 word, bit;

	for (word = 0; word < VMX_WORDS; word++)
		for (bit = 0; bit < 32; bit++) {
			caps = everything;
			/* a bit that must be 1 may be 1 */
			if (caps.word[word] & 1ULL << bit && !name_of(word, bit))
				continue;
			caps.word[word] &= ~(1ULL << (32 + bit) | 1ULL << bit);
			expect(&caps, name_of(word, bit));
		}
}

/* What the processor insists on is on, wanted or not. */
static void test_one_insisted_on(void)
{
	struct vmx_caps caps;
	u8 word, bit;
	bool refused;

	for (word = 0; word < VMX_WORDS; word++)
		for (bit = 0; bit < 32; bit++) {
			caps = everything;
			caps.word[word] |= 1ULL << bit;
			refused = word == WORD_PRIMARY && (bit == 9 || bit == 15 || bit == 16);
			expect(&caps, refused ? "guests with INVLPG and CR3 of their own" : NULL);
		}
}

static void test_ept(void)
{
	struct vmx_controls chosen;
	struct vmx_caps caps;
	const char *name;
	u8 bit;

	for (bit = 0; bit < 64; bit++) {
		caps = everything;
		caps.ept_vpid &= ~(1ULL << bit);
		name = bit == 6 ? "EPT walks of four levels" :
		       bit == 14 ? "EPT tables that are cached" :
		       bit == 20 || bit == 25 ? "INVEPT of a single context" : NULL;
		expect(&caps, name);
		if (name || vmx_choose(&caps, &chosen))
			continue;
		CHECK(chosen.eptp == (bit == 21 ? 0x1e : 0x5e), "bit %u: %llx", bit,
		      LL(chosen.eptp));
	}
}

/* A processor without secondary controls has neither their MSR nor EPT's: read as 0. */
static void test_old_processors(void)
{
	struct vmx_caps caps = everything;

	caps.word[WORD_PRIMARY] &= ~(1ULL << 63);
	caps.word[WORD_SECONDARY] = caps.ept_vpid = 0;
	expect(&caps, "secondary controls");
	caps = everything;
	caps.word[WORD_SECONDARY] = 0;
	expect(&caps, "EPT");
	/* the first that is missing is named */
	caps.word[WORD_PRIMARY] |= 1ULL << 15;
	expect(&caps, "EPT");
	memset(&caps, 0, sizeof(caps));
	expect(&caps, "external-interrupt exiting");
}

static void test_the_rest(void)
{
	struct vmx_caps caps = everything;
	struct vmx_controls chosen;

	caps.basic = (everything.basic & ~(0x1fffULL << 32)) | 4097ULL << 32;
	expect(&caps, "a VMCS that fits into a page");
	caps.basic = 1ULL << 55 | 1ULL << 31 | 1024ULL << 32 | 7;
	CHECK(!vmx_choose(&caps, &chosen), "refused");
	CHECK(!chosen.any_error_code, "there");
	CHECK(chosen.revision == 7, "%x", chosen.revision);
	caps = everything;
	caps.misc = ~(1ULL << 30);
	CHECK(!vmx_choose(&caps, &chosen) && !chosen.zero_length, "there");
	caps = everything;
	caps.word[WORD_SECONDARY] &= ~(1ULL << (32 + 25));
	CHECK(!vmx_choose(&caps, &chosen) && !chosen.tsc_scaling, "there");
	caps = everything;
	caps.word[WORD_SECONDARY] &= ~(1ULL << (32 + 17));
	CHECK(!vmx_choose(&caps, &chosen) && !chosen.logs_writes, "there");
	/* a log of dirty flags that nobody sets */
	caps = everything;
	caps.ept_vpid &= ~(1ULL << 21);
	CHECK(!vmx_choose(&caps, &chosen) && !chosen.logs_writes, "there");
}

int main(void)
{
	check_run("vmx, " COMPILER ": a processor that can do everything", test_everything);
	check_run("vmx, " COMPILER ": each missing control is refused by its name",
		  test_one_missing);
	check_run("vmx, " COMPILER ": controls that cannot be off", test_one_insisted_on);
	check_run("vmx, " COMPILER ": kinds of EPT", test_ept);
	check_run("vmx, " COMPILER ": processors without secondary controls", test_old_processors);
	check_run("vmx, " COMPILER ": VMCS, zero lengths, error codes, TSC scaling, write log",
		  test_the_rest);
	return check_end();
}
