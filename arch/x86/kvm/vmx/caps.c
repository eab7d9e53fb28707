// SPDX-License-Identifier: GPL-2.0-only
/*
 * caps.c - which VMX controls a guest is run with, and what is refused without them.
 *
 * PURE, see caps.h.  Bits are numbered as in the tables of SDM vol. 3, 24.6 to
 * 24.8, and of appendix A.
 */
#include "caps.h"

/* Without these there are no guests. */
static const struct {
	u8 word;
	u8 bit;
	bool now_and_then;	/* set for some entries only */
	const char *name;
} needed[] = {
	{ WORD_PIN, 0, false, "external-interrupt exiting" },
	{ WORD_PIN, 3, false, "NMI exiting" },
	{ WORD_PIN, 5, false, "virtual NMIs" },
	{ WORD_PRIMARY, 2, true, "interrupt-window exiting" },
	{ WORD_PRIMARY, 3, false, "TSC offsetting" },
	{ WORD_PRIMARY, 7, false, "HLT exiting" },
	{ WORD_PRIMARY, 10, false, "MWAIT exiting" },
	{ WORD_PRIMARY, 11, false, "RDPMC exiting" },
	{ WORD_PRIMARY, 19, true, "CR8-load exiting" },
	{ WORD_PRIMARY, 21, false, "TPR shadow" },
	{ WORD_PRIMARY, 22, true, "NMI-window exiting" },
	{ WORD_PRIMARY, 23, true, "MOV-DR exiting" },
	{ WORD_PRIMARY, 24, false, "unconditional I/O exiting" },
	{ WORD_PRIMARY, 28, false, "MSR bitmaps" },
	{ WORD_PRIMARY, 29, false, "MONITOR exiting" },
	{ WORD_PRIMARY, 31, false, "secondary controls" },
	{ WORD_SECONDARY, 1, false, "EPT" },
	{ WORD_SECONDARY, 5, false, "VPID" },
	{ WORD_SECONDARY, 7, false, "unrestricted guests" },
	{ WORD_EXIT, 2, false, "saving of debug controls" },
	{ WORD_EXIT, 9, false, "64-bit hosts" },
	{ WORD_EXIT, 19, false, "loading of PAT at exits" },
	{ WORD_EXIT, 21, false, "loading of EFER at exits" },
	{ WORD_ENTRY, 2, false, "loading of debug controls" },
	{ WORD_ENTRY, 9, true, "64-bit guests" },
	{ WORD_ENTRY, 14, false, "loading of PAT at entries" },
	{ WORD_ENTRY, 15, false, "loading of EFER at entries" },
};

/* Taken where they are: RDTSCP and INVPCID are the guest's own, WBINVD and ENCLS are not. */
#define SECONDARY_WISHES	(BIT(3) | BIT(12) | BIT(6) | BIT(15))
#define SECONDARY_LOGS_WRITES	BIT(17)
#define SECONDARY_TSC_SCALING	BIT(25)

/* What a processor may not insist on: INVLPG and CR3 are the guest's, with its page tables. */
#define PRIMARY_UNWANTED	(BIT(9) | BIT(15) | BIT(16))

#define BASIC_REVISION		GENMASK(30, 0)
#define BASIC_SIZE(basic)	((basic) >> 32 & 0x1fff)
#define BASIC_ANY_ERROR		BIT_ULL(56)
#define MISC_ZERO_LENGTH	BIT(30)

#define EPT_WALKS_OF_4		BIT(6)
#define EPT_WRITE_BACK		BIT(14)
#define EPT_INVEPT		BIT(20)
#define EPT_ACCESSED_DIRTY	BIT(21)
#define EPT_INVEPT_SINGLE	BIT(25)

#define EPTP_WRITE_BACK		6
#define EPTP_WALKS_OF_4		(3 << 3)
#define EPTP_ACCESSED_DIRTY	BIT(6)

#define VMCS_MAX_SIZE		4096

static const char *choose_word(const struct vmx_caps *caps, u8 word, u32 wishes, u32 *chosen)
{
	u32 must_be = caps->word[word], may_be = caps->word[word] >> 32;
	unsigned int i;

	*chosen = must_be | (wishes & may_be);
	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		if (needed[i].word != word)
			continue;
		if (!(may_be & BIT(needed[i].bit)))
			return needed[i].name;
		if (!needed[i].now_and_then)
			*chosen |= BIT(needed[i].bit);
	}
	return NULL;
}

static const char *choose_words(const struct vmx_caps *caps, struct vmx_controls *chosen)
{
	const char *lacks = NULL;
	u8 word;

	for (word = 0; word < VMX_WORDS && !lacks; word++)
		lacks = choose_word(caps, word, word == WORD_SECONDARY ? SECONDARY_WISHES : 0,
				    &chosen->word[word]);
	if (!lacks && chosen->word[WORD_PRIMARY] & PRIMARY_UNWANTED)
		lacks = "guests with INVLPG and CR3 of their own";
	return lacks;
}

static const char *choose_ept(u64 caps, u64 *eptp)
{
	if (!(caps & EPT_WALKS_OF_4))
		return "EPT walks of four levels";
	if (!(caps & EPT_WRITE_BACK))
		return "EPT tables that are cached";
	if (!(caps & EPT_INVEPT) || !(caps & EPT_INVEPT_SINGLE))
		return "INVEPT of a single context";
	*eptp = EPTP_WRITE_BACK | EPTP_WALKS_OF_4;
	if (caps & EPT_ACCESSED_DIRTY)
		*eptp |= EPTP_ACCESSED_DIRTY;
	return NULL;
}

const char *vmx_choose(const struct vmx_caps *caps, struct vmx_controls *chosen)
{
	const char *lacks;

	if (BASIC_SIZE(caps->basic) > VMCS_MAX_SIZE)
		return "a VMCS that fits into a page";
	chosen->revision = caps->basic & BASIC_REVISION;
	chosen->any_error_code = caps->basic & BASIC_ANY_ERROR;
	chosen->zero_length = caps->misc & MISC_ZERO_LENGTH;
	chosen->tsc_scaling = caps->word[WORD_SECONDARY] >> 32 & SECONDARY_TSC_SCALING;
	chosen->cr4_fixed = caps->cr4_fixed0;
	chosen->logs_writes = caps->word[WORD_SECONDARY] >> 32 & SECONDARY_LOGS_WRITES &&
			      caps->ept_vpid & EPT_ACCESSED_DIRTY;
	lacks = choose_words(caps, chosen);
	return lacks ?: choose_ept(caps->ept_vpid, &chosen->eptp);
}
