// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - the local APIC's registers, rule by rule, against what the manual says.
 *
 * Values are written out.  What comes of sequences is random.c's, and naive.c's, which says the
 * same rules a second time.  "mutants" says what each test is good for.
 */
#include "../check.h"
#include "unit.h"
#include "../../../../arch/x86/kvm/irq/lapic.h"

#define ALL_FEATURES	(LAPIC_HAS_CMCI | LAPIC_HAS_EOI_SUPPRESS | LAPIC_HAS_TSC_DEADLINE)
#define ENABLED		0x1ffu
#define MASKED		0x10000u
#define NOW		1000000ull

static struct lapic fresh(u8 features)
{
	struct lapic lapic = { .features = features };

	lapic_reset(&lapic, 5, false);
	return lapic;
}

/* Enabled by SVR. */
static struct lapic running(void)
{
	struct lapic lapic = fresh(ALL_FEATURES);

	lapic_write(&lapic, LAPIC_SVR, ENABLED, NOW);
	return lapic;
}

static struct lapic running_x2apic(void)
{
	struct lapic lapic = running();

	lapic_set_base(&lapic, LAPIC_BASE_EN | LAPIC_BASE_EXTD);
	return lapic;
}

static u32 reg(struct lapic *lapic, u32 offset)
{
	return lapic_read(lapic, offset, NOW);
}

static u32 write_read(struct lapic *lapic, u32 offset, u32 value)
{
	lapic_write(lapic, offset, value, NOW);
	return reg(lapic, offset);
}

static u8 effects_of(struct lapic *lapic, u32 offset, u32 value)
{
	return lapic_write(lapic, offset, value, NOW).what;
}

/* Shows the errors since the last time. */
static u32 errors(struct lapic *lapic)
{
	return write_read(lapic, LAPIC_ESR, 0);
}

static int wrmsr(struct lapic *lapic, u32 msr, u64 value)
{
	struct lapic_effects effects;

	return lapic_msr_write(lapic, msr, value, NOW, &effects);
}

static u64 rdmsr(struct lapic *lapic, u32 msr)
{
	u64 value = ~0ull;

	CHECK(!lapic_msr_read(lapic, msr, NOW, &value), "%x", msr);
	return value;
}

static u32 page_reg(const struct kvm_lapic_state *page, u32 offset)
{
	u32 value;

	memcpy(&value, page->regs + offset, sizeof(value));
	return value;
}

static void set_page_reg(struct kvm_lapic_state *page, u32 offset, u32 value)
{
	memcpy(page->regs + offset, &value, sizeof(value));
}

/* ---- reset ---- */

static void check_power_up(struct lapic *lapic, u32 id)
{
	u32 offset;

	for (offset = 0x80; offset < 0x400; offset += 16) {
		u32 expect = 0;

		if (offset == LAPIC_DFR)
			expect = 0xffffffff;
		else if (offset == LAPIC_SVR)
			expect = 0xff;
		else if (offset == 0x2f0 || (offset >= 0x320 && offset <= 0x370))
			expect = MASKED;
		CHECK(reg(lapic, offset) == expect, "%x", offset);
	}
	CHECK(reg(lapic, LAPIC_ID) == id, "id");
	CHECK(lapic_pending(lapic) == -1, "nothing waits");
	CHECK(lapic->irr_count == 0 && lapic->isr_count == 0, "counts");
	CHECK(lapic_timer_deadline(lapic) == LAPIC_NEVER, "timer");
	CHECK(lapic_tsc_deadline(lapic) == 0, "TSC deadline");
}

/* Something in every register. */
static struct lapic used(void)
{
	struct lapic lapic = running();
	u32 offset;

	for (offset = 0x80; offset < 0x400; offset += 16) {
		if (offset != LAPIC_EOI && offset != LAPIC_SVR)
			lapic_write(&lapic, offset, 0x2345, NOW);
	}
	lapic_write(&lapic, LAPIC_TPR, 0, NOW);
	lapic_accept(&lapic, 0x80, true);
	lapic_acknowledge(&lapic);
	lapic_accept(&lapic, 0x70, true);
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x20040, NOW);
	lapic_write(&lapic, LAPIC_TMICT, 100, NOW);
	return lapic;
}

static void test_reset(void)
{
	struct lapic lapic = used();

	lapic_write(&lapic, LAPIC_ID, 0x77000000, NOW);
	lapic_reset(&lapic, 9, true);
	check_power_up(&lapic, 0x77000000);
	CHECK(lapic.id == 5 && lapic.mode == LAPIC_XAPIC, "INIT keeps id and mode");

	lapic = used();
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x40040, NOW);
	lapic_set_tsc_deadline(&lapic, 5);
	lapic_reset(&lapic, 0x109, false);
	check_power_up(&lapic, 0x09000000);
	CHECK(lapic.id == 0x109, "id");

	lapic = running_x2apic();
	lapic_reset(&lapic, 5, true);
	CHECK(lapic.mode == LAPIC_X2APIC, "INIT keeps x2APIC");
	CHECK(rdmsr(&lapic, 0x802) == 5 && rdmsr(&lapic, 0x80d) == 0x20, "and its ids");
	lapic_reset(&lapic, 5, false);
	CHECK(lapic.mode == LAPIC_XAPIC, "power-up does not");

	lapic = fresh(LAPIC_LINT0_EXTINT);
	CHECK(reg(&lapic, LAPIC_LVT_LINT0) == 0x700, "LINT0 of the ABI");
	CHECK(lapic_accepts_extint(&lapic), "takes what 8259s send");
	CHECK(write_read(&lapic, LAPIC_SVR, 0x0f) == 0x0f, "still disabled");
	CHECK(reg(&lapic, LAPIC_LVT_LINT0) == 0x700, "no edge, no mask");
}

static void test_version(void)
{
	struct lapic lapic = fresh(0);

	CHECK(reg(&lapic, LAPIC_VERSION) == 0x00050014, "six entries");
	lapic.features = LAPIC_HAS_CMCI;
	CHECK(reg(&lapic, LAPIC_VERSION) == 0x00060014, "seven");
	lapic.features = LAPIC_HAS_EOI_SUPPRESS;
	CHECK(reg(&lapic, LAPIC_VERSION) == 0x01050014, "EOI suppression");
}

/* ---- IA32_APIC_BASE ---- */

static void test_base_ok(void)
{
	static const u64 modes[] = { 0, 0x800, 0xc00 };
	/* from a row to a column; figure 10-27 */
	static const bool legal[3][3] = { { 1, 1, 0 }, { 1, 1, 1 }, { 1, 0, 1 } };
	int from, to, bit;

	for (from = 0; from < 3; from++) {
		for (to = 0; to < 3; to++) {
			u64 old = modes[from] | 0xfee00000, new = modes[to] | 0xfee00000;

			CHECK(lapic_base_ok(old, new, true, 40, false) == legal[from][to],
			      "%d to %d", from, to);
			CHECK(lapic_base_ok(old, new, true, 40, true), "host, %d to %d", from, to);
			CHECK(lapic_base_ok(old, new, false, 40, true) == (to != 2),
			      "no x2APIC, %d to %d", from, to);
		}
	}
	for (bit = 0; bit < 64; bit++) {
		bool ok = bit == 8 || bit == 11 || (bit >= 12 && bit < 40);

		if (bit == 10)
			continue;
		CHECK(lapic_base_ok(0x800, 0x800 | 1ull << bit, true, 40, false) == ok, "%d", bit);
		CHECK(lapic_base_ok(0x800, 0x800 | 1ull << bit, true, 40, true) == ok, "%d", bit);
	}
	CHECK(!lapic_base_ok(0x800, 0x400, true, 40, true), "EXTD without EN");
}

static void test_set_base(void)
{
	struct lapic lapic = used();
	u8 all = LAPIC_TIMER | LAPIC_ADDRESS | LAPIC_EXTINT | LAPIC_LOOK;

	CHECK(lapic_set_base(&lapic, 0xfee00800).what == 0, "no change");
	lapic_write(&lapic, LAPIC_ID, 0x77000000, NOW);
	lapic_write(&lapic, LAPIC_ICR2, 0x12345678, NOW);
	CHECK(lapic_set_base(&lapic, 0xfee00c00).what == all, "x2APIC");
	CHECK(rdmsr(&lapic, 0x802) == 5, "id of power-up");
	CHECK(rdmsr(&lapic, 0x80d) == 0x20, "LDR of it");
	CHECK(rdmsr(&lapic, 0x818 + 3) == 0x10000 && lapic.irr_count == 1, "TMR, IRR");
	CHECK(lapic_timer_deadline(&lapic) != LAPIC_NEVER, "the timer runs on");
	wrmsr(&lapic, 0x830, 0x1234567800000020ull);
	lapic_set_base(&lapic, 0xfee00800);
	CHECK(reg(&lapic, LAPIC_ID) == 0x05000000 && reg(&lapic, LAPIC_LDR) == 0, "id, LDR");
	CHECK(reg(&lapic, LAPIC_DFR) == 0xffffffff, "DFR");
	CHECK(reg(&lapic, LAPIC_ICR2) == 0x12000000, "ICR2 as wide as it is");
	CHECK(lapic_set_base(&lapic, 0xfee00000).what == all, "disabled");
	CHECK(lapic.mode == LAPIC_DISABLED, "mode");
	CHECK(!lapic_accept(&lapic, 0x90, false), "takes nothing");
	CHECK(lapic_accepts_extint(&lapic), "but what 8259s send");
	lapic_set_base(&lapic, 0xfee00800);
	lapic_write(&lapic, LAPIC_ID, 0x77000000, NOW);
	lapic_set_base(&lapic, 0xfee00000);
	lapic_set_base(&lapic, 0xfee00800);
	check_power_up(&lapic, 0x05000000);
}

/* A page that was set while the APIC was disabled gives the processor nothing. */
static void test_disabled_state(void)
{
	struct lapic lapic = running();
	struct kvm_lapic_state page;

	lapic_accept(&lapic, 0x80, false);
	lapic_write(&lapic, LAPIC_TMICT, 100, NOW);
	lapic_get_state(&lapic, &page, NOW, true);
	lapic_set_base(&lapic, 0);
	CHECK(!lapic_set_state(&lapic, &page, NOW, true), "taken");
	CHECK(lapic_pending(&lapic) == -1 && lapic_acknowledge(&lapic) == -1, "nothing to take");
	CHECK(lapic_timer_deadline(&lapic) == LAPIC_NEVER, "no timer");
	CHECK(!lapic_enabled(&lapic) && !lapic_address(&lapic).present, "disabled");
	lapic_set_base(&lapic, LAPIC_BASE_EN);
	CHECK(lapic_pending(&lapic) == 0x80, "enabled, it has what was set");
}

/* ---- registers ---- */

struct bits {
	u32 offset, writable, always;
};

/* Table 10-1 with the figures: which bits keep what is written. */
static void test_page_bits(void)
{
	static const struct bits table[] = {
		{ LAPIC_ID, 0xff000000, 0 }, { LAPIC_TPR, 0xff, 0 }, { LAPIC_LDR, 0xff000000, 0 },
		{ LAPIC_DFR, 0xf0000000, 0x0fffffff }, { LAPIC_ICR2, 0xff000000, 0 },
		{ LAPIC_ICR, 0x000ccfff, 0 }, { LAPIC_LVT_TIMER, 0x000700ff, 0 },
		{ LAPIC_LVT_CMCI, 0x000107ff, 0 }, { LAPIC_LVT_THERMAL, 0x000107ff, 0 },
		{ LAPIC_LVT_PERF, 0x000107ff, 0 }, { LAPIC_LVT_LINT0, 0x0001a7ff, 0 },
		{ LAPIC_LVT_LINT1, 0x0001a7ff, 0 }, { LAPIC_LVT_ERROR, 0x000100ff, 0 },
		{ LAPIC_TDCR, 0xb, 0 }, { LAPIC_TMICT, 0xffffffff, 0 },
		{ LAPIC_VERSION, 0, 0x01060014 }, { LAPIC_APR, 0, 0 }, { LAPIC_PPR, 0, 0 },
		{ LAPIC_RRD, 0, 0 }, { LAPIC_EOI, 0, 0 }, { LAPIC_TMCCT, 0, 0 },
		{ LAPIC_ISR + 0x70, 0, 0 }, { LAPIC_TMR, 0, 0 }, { LAPIC_IRR + 0x10, 0, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct lapic lapic = running();
		u32 ones = table[i].writable | table[i].always;

		CHECK(write_read(&lapic, table[i].offset, ~0u) == ones, "%x", table[i].offset);
		lapic_write(&lapic, LAPIC_LVT_TIMER, 0, NOW);
		CHECK(write_read(&lapic, table[i].offset, 0) == table[i].always, "%x",
		      table[i].offset);
		/* ICR has been told to send vector 0 */
		CHECK(errors(&lapic) == (table[i].offset == LAPIC_ICR ? 0x20 : 0), "%x",
		      table[i].offset);
	}
}

static void test_optional_bits(void)
{
	struct lapic lapic = running();

	CHECK(write_read(&lapic, LAPIC_SVR, ~0u) == 0x13ff, "SVR");
	lapic.features = 0;
	CHECK(write_read(&lapic, LAPIC_SVR, ~0u) == 0x3ff, "SVR without EOI suppression");
	CHECK(write_read(&lapic, LAPIC_LVT_TIMER, ~0u) == 0x300ff, "LVT timer without TSC");
	CHECK(errors(&lapic) == 0, "no errors");
	CHECK(write_read(&lapic, LAPIC_LVT_CMCI, 0x10) == 0, "no CMCI");
	CHECK(errors(&lapic) == LAPIC_ESR_REGISTER, "which is an error");
}

static void test_reserved_registers(void)
{
	static const u32 reserved[] = {
		0x000, 0x010, 0x040, 0x070, 0x290, 0x2e0, 0x3a0, 0x3d0, 0x3f0, 0x400, 0x530, 0xff0,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reserved); i++) {
		struct lapic lapic = running();

		lapic_write(&lapic, LAPIC_LVT_ERROR, 0x44, NOW);
		CHECK(reg(&lapic, reserved[i]) == 0, "%x", reserved[i]);
		CHECK(lapic_pending(&lapic) == 0x44, "%x", reserved[i]);
		CHECK(errors(&lapic) == 0x80, "%x", reserved[i]);
		lapic_acknowledge(&lapic);
		CHECK(effects_of(&lapic, reserved[i], 0x20) == LAPIC_LOOK, "%x", reserved[i]);
		CHECK(errors(&lapic) == 0x80, "%x", reserved[i]);
	}
}

/* "A write to ESR": shows, clears, arms. */
static void test_esr(void)
{
	struct lapic lapic = running();

	lapic_write(&lapic, LAPIC_LVT_ERROR, 0x44, NOW);
	lapic_accept(&lapic, 0xf, false);
	CHECK(reg(&lapic, LAPIC_ESR) == 0, "before the write");
	CHECK(lapic_acknowledge(&lapic) == 0x44, "interrupt");
	lapic_eoi(&lapic);
	lapic_write(&lapic, LAPIC_ICR, 0x00f, NOW);
	CHECK(lapic_pending(&lapic) == -1, "not armed");
	CHECK(errors(&lapic) == 0x60, "both");
	CHECK(reg(&lapic, LAPIC_ESR) == 0x60, "stays");
	lapic_write(&lapic, LAPIC_ICR, 0x00f, NOW);
	CHECK(lapic_pending(&lapic) == 0x44, "armed");
	CHECK(errors(&lapic) == 0x20, "one");
	CHECK(errors(&lapic) == 0, "none");
	CHECK(lapic_write(&lapic, LAPIC_ESR, ~0u, NOW).what == 0, "any value");

	lapic = running();
	lapic_write(&lapic, LAPIC_LVT_ERROR, 0x4, NOW);
	reg(&lapic, 0);
	CHECK(errors(&lapic) == 0xc0, "its own vector is illegal");
}

static void test_svr(void)
{
	struct lapic lapic = fresh(ALL_FEATURES);
	static const u32 entries[] = { 0x2f0, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370 };
	unsigned int i;

	CHECK(write_read(&lapic, LAPIC_LVT_LINT0, 0x740) == 0x10740, "no unmasking if disabled");
	CHECK(effects_of(&lapic, LAPIC_SVR, 0x1ff) == (LAPIC_ADDRESS | LAPIC_EXTINT), "enabled");
	CHECK(effects_of(&lapic, LAPIC_SVR, 0x3fe) == 0, "nothing outside changes");
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		CHECK(write_read(&lapic, entries[i], 0x40) == 0x40, "%x", entries[i]);
	lapic_accept(&lapic, 0x50, false);
	CHECK(effects_of(&lapic, LAPIC_SVR, 0xff) == (LAPIC_ADDRESS | LAPIC_EXTINT), "disabled");
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		CHECK(reg(&lapic, entries[i]) == 0x10040, "%x", entries[i]);
	CHECK(!lapic_accept(&lapic, 0x60, false) && !lapic_accept(&lapic, 0x3, false), "none");
	CHECK(errors(&lapic) == 0, "and finds no fault");
	CHECK(lapic_pending(&lapic) == 0x50, "what is in IRR is held");
	CHECK(effects_of(&lapic, LAPIC_ICR, 0x40) == LAPIC_SEND, "it still sends");
}

/* ---- x2APIC ---- */

/* Table 10-6: 'r', 'w', both, or none. */
static void test_msr_access(void)
{
	u32 msr;

	for (msr = 0x7f0; msr <= 0x910; msr++) {
		struct lapic lapic = running_x2apic();
		bool readable = false, writable = false;
		u64 value;

		if (msr == 0x802 || msr == 0x803 || msr == 0x80a || msr == 0x80d ||
		    (msr >= 0x810 && msr <= 0x827) || msr == 0x839)
			readable = true;
		if (msr == 0x80b || msr == 0x83f)
			writable = true;
		if (msr == 0x808 || msr == 0x80f || msr == 0x828 || msr == 0x82f || msr == 0x830 ||
		    (msr >= 0x832 && msr <= 0x838) || msr == 0x83e)
			readable = writable = true;
		CHECK(!lapic_msr_read(&lapic, msr, NOW, &value) == readable, "%x", msr);
		CHECK(!wrmsr(&lapic, msr, 0) == writable, "%x", msr);
		lapic_set_base(&lapic, LAPIC_BASE_EN);
		CHECK(lapic_msr_read(&lapic, msr, NOW, &value) == -EINVAL, "%x", msr);
		CHECK(wrmsr(&lapic, msr, 0) == -EINVAL, "xAPIC, %x", msr);
	}
}

/* Bits that are reserved are #GP, one by one; those that are read-only are not. */
static void test_msr_bits(void)
{
	static const struct { u32 msr; u64 allowed; } table[] = {
		{ 0x808, 0xff }, { 0x80b, 0 }, { 0x80f, 0x13ff }, { 0x828, 0 }, { 0x82f, 0x117ff },
		{ 0x830, 0xffffffff000ccfffull }, { 0x832, 0x710ff }, { 0x833, 0x117ff },
		{ 0x834, 0x117ff }, { 0x835, 0x1f7ff }, { 0x836, 0x1f7ff }, { 0x837, 0x110ff },
		{ 0x838, 0xffffffff }, { 0x83e, 0xb }, { 0x83f, 0xff },
	};
	unsigned int i, bit;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		for (bit = 0; bit < 64; bit++) {
			struct lapic lapic = running_x2apic();
			bool ok = table[i].allowed >> bit & 1;

			CHECK(wrmsr(&lapic, table[i].msr, 1ull << bit) == (ok ? 0 : -EINVAL),
			      "%x, bit %u", table[i].msr, bit);
		}
	}
}

static void test_msr_values(void)
{
	struct lapic lapic = running_x2apic();
	struct lapic_effects effects;

	CHECK(!lapic_msr_write(&lapic, 0x830, 0x1234567800084a31ull, NOW, &effects), "ICR");
	CHECK(effects.what == LAPIC_SEND && effects.msg.dest == 0x12345678, "to 32 bits");
	CHECK(effects.msg.mode == MSG_SMI && effects.msg.vector == 0x31, "mode, vector");
	CHECK(effects.msg.logical && effects.msg.shorthand == 2, "logical, all");
	CHECK(rdmsr(&lapic, 0x830) == 0x1234567800084a31ull, "as it was written");
	CHECK(!lapic_msr_write(&lapic, 0x83f, 0x41, NOW, &effects), "SELF IPI");
	CHECK(effects.what == LAPIC_SEND && effects.msg.shorthand == MSG_TO_SELF, "to itself");
	CHECK(effects.msg.mode == MSG_FIXED && effects.msg.vector == 0x41, "fixed");
	CHECK(effects.msg.assert && !effects.msg.level && !effects.msg.logical, "an edge");
	CHECK(!lapic_msr_write(&lapic, 0x83f, 0xf, NOW, &effects), "no #GP");
	CHECK(effects.what == LAPIC_LOOK, "an error");
	CHECK(!wrmsr(&lapic, 0x828, 0) && rdmsr(&lapic, 0x828) == 0x20, "send illegal vector");

	CHECK(wrmsr(&lapic, 0x10000808, 0) == -EINVAL, "far away");

	lapic_reset(&lapic, 0xabcd7, false);
	lapic_set_base(&lapic, LAPIC_BASE_EN | LAPIC_BASE_EXTD);
	CHECK(rdmsr(&lapic, 0x802) == 0xabcd7, "32 bits of id");
	CHECK(rdmsr(&lapic, 0x80d) == 0xabcd0080, "cluster and bit");
	effects.what = 0x55;
	CHECK(lapic_msr_write(&lapic, 0x802, 0, NOW, &effects) && effects.what == 0x55,
	      "effects of an error");
}

/* ---- ICR ---- */

static struct lapic_effects icr(u32 high, u32 low)
{
	struct lapic lapic = running();

	lapic_write(&lapic, LAPIC_ICR2, high, NOW);
	return lapic_write(&lapic, LAPIC_ICR, low, NOW);
}

static void test_icr(void)
{
	struct lapic_effects effects = icr(0x12345678, 0xc4831);
	int mode;

	CHECK(effects.what == LAPIC_SEND && effects.msg.dest == 0x12, "8 bits of destination");
	CHECK(effects.msg.vector == 0x31 && effects.msg.mode == MSG_FIXED, "vector, mode");
	CHECK(effects.msg.logical && effects.msg.shorthand == MSG_TO_OTHERS, "logical, others");
	CHECK(effects.msg.assert && !effects.msg.level, "an edge");
	effects = icr(0, 0x48020);
	CHECK(effects.msg.assert && !effects.msg.level, "whatever the trigger bits say");
	CHECK(!effects.msg.logical && effects.msg.shorthand == MSG_TO_SELF, "physical, self");
	for (mode = 0; mode < 8; mode++) {
		bool sends = mode != 3 && mode != 7;

		effects = icr(0, 0x4010 | mode << 8);
		CHECK(effects.what == (sends ? LAPIC_SEND : 0), "%d", mode);
		CHECK(!sends || effects.msg.mode == mode, "%d", mode);
		effects = icr(0, 0x400f | mode << 8);
		if (mode < 2)
			sends = false;
		CHECK((effects.what == LAPIC_SEND) == sends, "illegal vector, %d", mode);
		CHECK(effects.what == LAPIC_LOOK || mode >= 2, "%d", mode);
	}
	CHECK(icr(0, 0x8500).what == 0, "INIT level de-assert");
	CHECK(icr(0, 0xc500).what == LAPIC_SEND, "INIT level assert");
	CHECK(icr(0, 0x0500).what == LAPIC_SEND, "INIT edge");
	CHECK(icr(0, 0x8600).what == LAPIC_SEND, "not for SIPI");
}

/* ---- priorities ---- */

static void test_accept(void)
{
	struct lapic lapic = running();
	int vector;

	for (vector = 0; vector < 256; vector++) {
		CHECK(lapic_accept(&lapic, vector, false) == (vector > 15), "%d", vector);
		CHECK(!lapic_accept(&lapic, vector, vector & 1), "coalesced, %d", vector);
	}
	CHECK(lapic.irr_count == 240, "%d", lapic.irr_count);
	CHECK(reg(&lapic, LAPIC_IRR) == 0xffff0000, "IRR");
	CHECK(reg(&lapic, LAPIC_TMR) == 0xaaaa0000, "TMR is the last one's");
	CHECK(reg(&lapic, LAPIC_TMR + 0x70) == 0xaaaaaaaa, "TMR");
	for (vector = 255; vector > 15; vector--) {
		CHECK(lapic_highest_irr(&lapic) == vector, "%d", vector);
		CHECK(lapic_acknowledge(&lapic) == vector, "%d", vector);
		CHECK(lapic_highest_isr(&lapic) == vector, "%d", vector);
		CHECK(reg(&lapic, LAPIC_PPR) == (vector & 0xf0u), "%d", vector);
		CHECK(lapic_pending(&lapic) == -1 || lapic_pending(&lapic) < (vector & 0xf0), "%d",
		      vector);
		lapic_eoi(&lapic);
		CHECK(lapic_highest_isr(&lapic) == -1, "%d", vector);
	}
	CHECK(lapic_highest_irr(&lapic) == -1 && lapic_acknowledge(&lapic) == -1, "empty");
}

static void test_ppr(void)
{
	struct lapic lapic = running();
	int tpr, isr;

	for (tpr = 0; tpr < 256; tpr++) {
		for (isr = 16; isr < 256; isr += 5) {
			int higher = (tpr >> 4) >= (isr >> 4) ? tpr : isr & 0xf0;

			lapic = running();
			lapic_accept(&lapic, isr, false);
			lapic_acknowledge(&lapic);
			lapic_set_tpr(&lapic, tpr);
			CHECK(lapic_ppr(&lapic) == higher, "TPR %x, ISR %x", tpr, isr);
			lapic_accept(&lapic, (higher & 0xf0) | 0xf, false);
			CHECK(lapic_pending(&lapic) == -1, "not of the same class, %x", higher);
			if (higher >= 0xf0)
				continue;
			lapic_accept(&lapic, (higher & 0xf0) + 0x10, false);
			CHECK(lapic_pending(&lapic) == (higher & 0xf0) + 0x10, "%x", higher);
		}
	}
	CHECK(lapic_set_tpr(&lapic, 0x20) && lapic_tpr(&lapic) == 0x20, "fell");
	CHECK(!lapic_set_tpr(&lapic, 0x20) && !lapic_set_tpr(&lapic, 0x30), "did not");
	CHECK(effects_of(&lapic, LAPIC_TPR, 0x31) == 0, "rose");
	CHECK(effects_of(&lapic, LAPIC_TPR, 0x30) == LAPIC_LOOK, "fell");
	lapic = running();
	CHECK(lapic_ppr(&lapic) == 0, "nothing in service");
}

static void test_eoi(void)
{
	struct lapic lapic = running();
	struct lapic_effects effects;

	effects = lapic_eoi(&lapic);
	CHECK(effects.what == 0 && lapic.isr_count == 0, "of nothing");
	lapic_accept(&lapic, 0x40, true);
	lapic_acknowledge(&lapic);
	lapic_accept(&lapic, 0x60, false);
	lapic_acknowledge(&lapic);
	effects = lapic_write(&lapic, LAPIC_EOI, 0x12345, NOW);
	CHECK(effects.what == LAPIC_LOOK, "an edge");
	effects = lapic_write(&lapic, LAPIC_EOI, 0, NOW);
	CHECK(effects.what == (LAPIC_LOOK | LAPIC_TELL_EOI) && effects.vector == 0x40, "a level");
	lapic_write(&lapic, LAPIC_SVR, 0x11ff, NOW);
	lapic_accept(&lapic, 0x40, true);
	lapic_acknowledge(&lapic);
	CHECK(lapic_eoi(&lapic).what == LAPIC_LOOK, "suppressed");
}

/* ---- LVT ---- */

static void test_local_modes(void)
{
	static const int result[8] = { 0, -1, MSG_SMI, -1, MSG_NMI, MSG_INIT, -1, MSG_EXTINT };
	static const u32 entries[] = { 0x2f0, 0x330, 0x340, 0x350, 0x360 };
	unsigned int i;
	int mode;

	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		for (mode = 0; mode < 8; mode++) {
			struct lapic lapic = running();
			bool counter = entries[i] == LAPIC_LVT_PERF;
			int vector = mode ? -1 : 0x51;

			lapic_write(&lapic, entries[i], MASKED | mode << 8 | 0x51, NOW);
			CHECK(lapic_local(&lapic, entries[i]) == -1, "masked, %x", entries[i]);
			lapic_write(&lapic, entries[i], mode << 8 | 0x51, NOW);
			CHECK(lapic_local(&lapic, entries[i]) == result[mode], "%x, %d",
			      entries[i], mode);
			CHECK(lapic_pending(&lapic) == vector, "%x, %d", entries[i], mode);
			CHECK(reg(&lapic, entries[i]) >> 16 == counter, "%x", entries[i]);
		}
	}
}

static void test_local(void)
{
	struct lapic lapic = running();
	struct kvm_lapic_state page;

	CHECK(lapic_local(&lapic, LAPIC_LVT_LINT1) == -1, "KVM_NMI, masked");
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x3, NOW);
	CHECK(lapic_local(&lapic, LAPIC_LVT_TIMER) == -1, "illegal");
	CHECK(errors(&lapic) == 0x40, "receive illegal vector");

	/* LINT1 is an edge whatever it says, LINT0 a level until its EOI */
	lapic_write(&lapic, LAPIC_LVT_LINT1, 0x8060, NOW);
	CHECK(lapic_local(&lapic, LAPIC_LVT_LINT1) == MSG_FIXED, "LINT1");
	CHECK(reg(&lapic, LAPIC_LVT_LINT1) == 0x8060, "no remote IRR");
	CHECK(reg(&lapic, LAPIC_TMR + 0x30) == 0, "edge");
	lapic_write(&lapic, LAPIC_LVT_LINT0, 0x8070, NOW);
	CHECK(lapic_local(&lapic, LAPIC_LVT_LINT0) == MSG_FIXED, "LINT0");
	CHECK(reg(&lapic, LAPIC_LVT_LINT0) == 0xc070, "remote IRR");
	CHECK(reg(&lapic, LAPIC_TMR + 0x30) == 0x10000, "level");
	CHECK(lapic_local(&lapic, LAPIC_LVT_LINT0) == -1, "not again");
	CHECK(write_read(&lapic, LAPIC_LVT_LINT0, 0x8070) == 0xc070, "not the guest's to clear");
	CHECK(lapic_acknowledge(&lapic) == 0x70, "taken");
	lapic_eoi(&lapic);
	CHECK(reg(&lapic, LAPIC_LVT_LINT0) == 0x8070, "ended");
	CHECK(lapic_local(&lapic, LAPIC_LVT_LINT0) == MSG_FIXED, "again");
	lapic_accept(&lapic, 0x90, true);
	lapic_acknowledge(&lapic);
	lapic_eoi(&lapic);
	CHECK(reg(&lapic, LAPIC_LVT_LINT0) == 0xc070, "another's end");
	CHECK(write_read(&lapic, LAPIC_LVT_LINT0, 0x70) == 0x70, "an edge has none");

	lapic_set_base(&lapic, 0);
	CHECK(lapic_local(&lapic, LAPIC_LVT_LINT0) == MSG_EXTINT, "INTR");
	CHECK(lapic_local(&lapic, LAPIC_LVT_LINT1) == MSG_NMI, "NMI");
	CHECK(lapic_local(&lapic, LAPIC_LVT_TIMER) == -1, "no more");

	lapic = running();
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x50, NOW);
	lapic_get_state(&lapic, &page, NOW, true);
	set_page_reg(&page, LAPIC_SVR, 0xff);
	lapic_set_state(&lapic, &page, NOW, true);
	CHECK(lapic_local(&lapic, LAPIC_LVT_TIMER) == -1, "not masked, and not accepted");

	lapic = running();
	lapic.features = 0;
	lapic.regs[LAPIC_LVT_CMCI / 16] = 0x55;
	CHECK(lapic_local(&lapic, LAPIC_LVT_CMCI) == -1, "no CMCI");
}

static void test_extint(void)
{
	struct lapic lapic = running();

	CHECK(!lapic_accepts_extint(&lapic), "masked");
	CHECK(effects_of(&lapic, LAPIC_LVT_LINT0, 0x700) == LAPIC_EXTINT, "said");
	CHECK(lapic_accepts_extint(&lapic), "ExtINT");
	CHECK(effects_of(&lapic, LAPIC_LVT_LINT1, 0x700) == 0, "another pin");
	lapic_write(&lapic, LAPIC_LVT_LINT0, 0x10700, NOW);
	CHECK(!lapic_accepts_extint(&lapic), "masked");
	lapic_write(&lapic, LAPIC_LVT_LINT0, 0x400, NOW);
	CHECK(!lapic_accepts_extint(&lapic), "NMI");
}

/* ---- timer ---- */

static void test_divide(void)
{
	static const struct { u32 tdcr, divisor; } table[] = {
		{ 0, 2 }, { 1, 4 }, { 2, 8 }, { 3, 16 }, { 8, 32 }, { 9, 64 },
		{ 10, 128 }, { 11, 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct lapic lapic = running();
		u64 whole = 0xffffffffull * table[i].divisor;
		u32 d = table[i].divisor;

		lapic_write(&lapic, LAPIC_TDCR, table[i].tdcr, NOW);
		lapic_write(&lapic, LAPIC_TMICT, 0xffffffff, NOW);
		CHECK(lapic_timer_deadline(&lapic) == NOW + whole, "%u", d);
		CHECK(lapic_timer_period(&lapic) == 0, "one shot");
		CHECK(lapic_read(&lapic, LAPIC_TMCCT, NOW) == 0xffffffff, "%u", d);
		CHECK(lapic_read(&lapic, LAPIC_TMCCT, NOW + 100 * d) == 0xffffffff - 100, "%u", d);
		CHECK(lapic_read(&lapic, LAPIC_TMCCT, NOW + 101 * d - 1) == 0xffffffff - 100,
		      "%u", d);
		CHECK(lapic_read(&lapic, LAPIC_TMCCT, NOW + whole - 1) == 1, "%u", d);
		CHECK(lapic_read(&lapic, LAPIC_TMCCT, NOW + whole) == 0, "%u", d);
		CHECK(lapic_read(&lapic, LAPIC_TMCCT, NOW - 1000) == 0xffffffff, "backwards");
		CHECK(!lapic_timer_fired(&lapic, NOW + whole - 1), "too early");
	}
}

static void test_one_shot(void)
{
	struct lapic lapic = running();

	lapic_write(&lapic, LAPIC_TDCR, 0xb, NOW);
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x50, NOW);
	CHECK(!lapic_timer_fired(&lapic, LAPIC_NEVER - 1), "never started");
	CHECK(effects_of(&lapic, LAPIC_TMICT, 1000) == LAPIC_TIMER, "started");
	CHECK(lapic_timer_fired(&lapic, NOW + 1000), "fired");
	CHECK(lapic_pending(&lapic) == 0x50, "waits");
	CHECK(lapic_timer_deadline(&lapic) == LAPIC_NEVER, "once");
	CHECK(reg(&lapic, LAPIC_TMICT) == 1000 && reg(&lapic, LAPIC_TMCCT) == 0, "counts");
	lapic_write(&lapic, LAPIC_TMICT, 10, NOW);
	lapic_write(&lapic, LAPIC_TMICT, 0, NOW);
	CHECK(lapic_timer_deadline(&lapic) == LAPIC_NEVER, "stopped");
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x10050, NOW);
	lapic_write(&lapic, LAPIC_TMICT, 10, NOW);
	CHECK(!lapic_timer_fired(&lapic, NOW + 10), "masked");
	CHECK(lapic_timer_deadline(&lapic) == LAPIC_NEVER, "but over");
}

static void test_periodic(void)
{
	struct lapic lapic = running();

	lapic_write(&lapic, LAPIC_TDCR, 0xb, NOW);
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x20050, NOW);
	CHECK(lapic_timer_period(&lapic) == 0, "not armed");
	lapic_write(&lapic, LAPIC_TMICT, 1000, NOW);
	CHECK(lapic_timer_period(&lapic) == 1000, "armed");
	CHECK(lapic_timer_fired(&lapic, NOW + 1003), "late");
	CHECK(lapic_timer_deadline(&lapic) == NOW + 2000, "no drift");
	CHECK(lapic_timer_fired(&lapic, NOW + 2000), "in time");
	CHECK(lapic_timer_deadline(&lapic) == NOW + 3000, "the next");
	CHECK(lapic_read(&lapic, LAPIC_TMCCT, NOW + 3000) == 1000, "begins anew");
	CHECK(lapic_read(&lapic, LAPIC_TMCCT, NOW + 7400) == 600, "in the fifth");
	CHECK(lapic_timer_fired(&lapic, NOW + 7400), "many missed");
	CHECK(lapic_timer_deadline(&lapic) == NOW + 8000, "are one");
	CHECK(lapic.irr_count == 1, "vector");
}

static void test_timer_writes(void)
{
	struct lapic lapic = running();

	lapic_write(&lapic, LAPIC_TDCR, 0xb, NOW);
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x50, NOW);
	lapic_write(&lapic, LAPIC_TMICT, 1000, NOW);
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x10051, NOW + 1);
	CHECK(lapic_timer_deadline(&lapic) == NOW + 1000, "masking does not stop it");
	lapic_write(&lapic, LAPIC_TDCR, 0x1, NOW + 400);
	CHECK(lapic_timer_deadline(&lapic) == NOW + 400 + 4 * 600, "600 left, by four");
	CHECK(lapic_write(&lapic, LAPIC_LVT_TIMER, 0x20050, NOW).what == LAPIC_TIMER, "mode");
	CHECK(lapic_timer_deadline(&lapic) == NOW + 400 + 4 * 600, "goes on");
	CHECK(lapic_timer_period(&lapic) == 4000, "and then by periods");
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x50, NOW + 401);
	CHECK(lapic_timer_deadline(&lapic) == NOW + 400 + 4 * 600, "goes on");
	CHECK(lapic_timer_period(&lapic) == 0, "and ends");
	CHECK(lapic_timer_fired(&lapic, NOW + 3000), "over");
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x20050, NOW + 3000);
	CHECK(lapic_timer_deadline(&lapic) == LAPIC_NEVER, "stays so");
	CHECK(lapic_timer_period(&lapic) == 0, "no period");
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x50, NOW);
	lapic_write(&lapic, LAPIC_TMICT, 1000, NOW);
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x40050, NOW);
	CHECK(lapic_timer_deadline(&lapic) == LAPIC_NEVER, "disarms");
	lapic_acknowledge(&lapic);
	lapic_eoi(&lapic);

	/* what is due comes before the write that would take it away */
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x50, NOW);
	lapic_write(&lapic, LAPIC_TMICT, 10, NOW);
	CHECK(lapic_write(&lapic, LAPIC_TMICT, 0, NOW + 40).what == (LAPIC_TIMER | LAPIC_LOOK),
	      "due");
	CHECK(lapic_pending(&lapic) == 0x50, "not lost");

	/* 3 is no mode */
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x60050, NOW);
	lapic_write(&lapic, LAPIC_TMICT, 10, NOW);
	CHECK(reg(&lapic, LAPIC_TMICT) == 0, "ignored");
	CHECK(lapic_timer_deadline(&lapic) == LAPIC_NEVER, "not armed");
	CHECK(!lapic_set_tsc_deadline(&lapic, 1) && !lapic_tsc_deadline(&lapic), "nor this");
}

static void test_tsc_deadline(void)
{
	struct lapic lapic = running();

	CHECK(!lapic_set_tsc_deadline(&lapic, 1000), "another mode");
	CHECK(lapic_tsc_deadline(&lapic) == 0, "ignored");
	lapic_write(&lapic, LAPIC_TMICT, 77, NOW);
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x40050, NOW);
	lapic_write(&lapic, LAPIC_TMICT, 10, NOW);
	CHECK(reg(&lapic, LAPIC_TMICT) == 77, "the initial count is not written");
	CHECK(reg(&lapic, LAPIC_TMCCT) == 0, "no count");
	CHECK(!lapic_timer_fired(&lapic, NOW), "not armed");
	CHECK(lapic_set_tsc_deadline(&lapic, 1000), "taken");
	CHECK(lapic_tsc_deadline(&lapic) == 1000, "reads");
	CHECK(lapic_timer_deadline(&lapic) == LAPIC_NEVER, "no ns");
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x40051, NOW);
	CHECK(lapic_tsc_deadline(&lapic) == 1000, "the mode is the same");
	CHECK(effects_of(&lapic, LAPIC_TDCR, 0) == LAPIC_TIMER, "does not fire it");
	CHECK(lapic_timer_fired(&lapic, NOW), "fired");
	CHECK(lapic_tsc_deadline(&lapic) == 0 && lapic_pending(&lapic) == 0x51, "once");
	CHECK(lapic_set_tsc_deadline(&lapic, 7) && lapic_set_tsc_deadline(&lapic, 0), "disarmed");
	CHECK(!lapic_timer_fired(&lapic, NOW), "by 0");
	lapic_set_tsc_deadline(&lapic, 7);
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x51, NOW);
	CHECK(lapic_tsc_deadline(&lapic) == 0, "another mode disarms");
}

/* ---- destinations ---- */

static bool meets(const struct lapic_address *to, u32 dest, bool logical, bool narrow)
{
	struct irq_msg msg = { .dest = dest, .logical = logical, .vector = 0x40, .assert = true };

	return lapic_matches(to, &msg, narrow);
}

static void test_xapic_destinations(void)
{
	struct lapic lapic = running();
	struct lapic_address to;

	lapic_write(&lapic, LAPIC_ID, 0x07000000, NOW);
	CHECK(effects_of(&lapic, LAPIC_LDR, 0x24000000) == LAPIC_ADDRESS, "LDR");
	to = lapic_address(&lapic);
	CHECK(to.id == 7 && !to.x2apic && to.present && to.enabled, "address");
	CHECK(meets(&to, 7, false, true) && !meets(&to, 5, false, true), "physical");
	CHECK(meets(&to, 0xff, false, true) && meets(&to, 0xff, false, false), "broadcast");
	CHECK(meets(&to, 0xffffffff, false, false), "broadcast of an x2APIC");
	CHECK(meets(&to, 0xffffffff, true, false), "logical broadcast of an x2APIC");
	CHECK(!meets(&to, 0x107, false, false), "wide");
	CHECK(meets(&to, 0x04, true, true) && meets(&to, 0x23, true, true), "flat");
	CHECK(!meets(&to, 0x53, true, true) && !meets(&to, 0x104, true, false), "others");
	CHECK(effects_of(&lapic, LAPIC_DFR, 0) == LAPIC_ADDRESS, "DFR");
	to = lapic_address(&lapic);
	CHECK(meets(&to, 0x24, true, true) && meets(&to, 0x2f, true, true), "cluster 2");
	CHECK(!meets(&to, 0x2b, true, true) && !meets(&to, 0x34, true, true), "others");
	CHECK(!meets(&to, 0x14, true, true), "another cluster");
	CHECK(meets(&to, 0xff, true, true), "all clusters");
	lapic_write(&lapic, LAPIC_DFR, 0x40000000, NOW);
	to = lapic_address(&lapic);
	CHECK(!meets(&to, 0x24, true, true), "no such model");
}

static void test_x2apic_destinations(void)
{
	struct lapic lapic = running();
	struct lapic_address to;

	lapic_reset(&lapic, 0x123, false);
	lapic_write(&lapic, LAPIC_SVR, ENABLED, NOW);
	lapic_set_base(&lapic, LAPIC_BASE_EN | LAPIC_BASE_EXTD);
	to = lapic_address(&lapic);
	CHECK(to.id == 0x123 && to.ldr == 0x00120008 && to.x2apic, "address");
	CHECK(meets(&to, 0x123, false, false) && !meets(&to, 0x23, false, false), "physical");
	CHECK(meets(&to, 0xffffffff, false, false), "broadcast");
	CHECK(meets(&to, 0xffffffff, true, false), "logical broadcast");
	CHECK(meets(&to, 0x00120008, true, false) && meets(&to, 0x0012ffff, true, false), "one");
	CHECK(!meets(&to, 0x0012fff7, true, false) && !meets(&to, 0x00130008, true, false), "no");
	CHECK(meets(&to, 0xff, false, true) && meets(&to, 0xff, true, true), "8 bits are all");
	CHECK(!meets(&to, 0xff, false, false) && !meets(&to, 0xff, true, false), "or are not");
	CHECK(!meets(&to, 0xfe, false, true), "8 bits are not all");
}

static void test_who_takes_what(void)
{
	struct lapic lapic = running();
	int mode;

	for (mode = 0; mode < 8; mode++) {
		struct irq_msg msg = { .dest = 5, .mode = mode };
		bool vector = mode == 0 || mode == 1 || mode == 7;
		struct lapic_address to;

		lapic = running();
		to = lapic_address(&lapic);
		CHECK(lapic_matches(&to, &msg, true), "enabled, %d", mode);
		lapic_write(&lapic, LAPIC_SVR, 0xff, NOW);
		to = lapic_address(&lapic);
		CHECK(!to.enabled && to.present, "SVR");
		CHECK(lapic_matches(&to, &msg, true) != vector, "by SVR, %d", mode);
		lapic_set_base(&lapic, 0);
		to = lapic_address(&lapic);
		CHECK(!to.enabled && !to.present, "base");
		CHECK(!lapic_matches(&to, &msg, true), "by its base, %d", mode);
	}
}

/* ---- state ---- */

static void test_ids_in_state(void)
{
	struct lapic lapic = fresh(0);
	struct kvm_lapic_state page;

	lapic_get_state(&lapic, &page, NOW, true);
	CHECK(page_reg(&page, LAPIC_ID) == 0x05000000, "xAPIC, wide");
	set_page_reg(&page, LAPIC_ID, 0x66123456);
	CHECK(!lapic_set_state(&lapic, &page, NOW, true), "any");
	CHECK(reg(&lapic, LAPIC_ID) == 0x66000000, "what there is of it");

	lapic_reset(&lapic, 0x10305, false);
	lapic_set_base(&lapic, LAPIC_BASE_EN | LAPIC_BASE_EXTD);
	wrmsr(&lapic, 0x830, 0x9876543200004040ull);
	lapic_get_state(&lapic, &page, NOW, false);
	CHECK(page_reg(&page, LAPIC_ID) == 0x05000000, "x2APIC, narrow");
	lapic_get_state(&lapic, &page, NOW, true);
	CHECK(page_reg(&page, LAPIC_ID) == 0x10305, "x2APIC, wide");
	CHECK(page_reg(&page, LAPIC_LDR) == 0x10300020, "LDR");
	CHECK(page_reg(&page, LAPIC_ICR) == 0x4040, "ICR");
	CHECK(page_reg(&page, LAPIC_ICR2) == 0x98765432, "ICR2");
	wrmsr(&lapic, 0x808, 0x33);
	wrmsr(&lapic, 0x830, 0);
	CHECK(!lapic_set_state(&lapic, &page, NOW, true), "its own");
	CHECK(rdmsr(&lapic, 0x808) == 0 && rdmsr(&lapic, 0x830) == 0x9876543200004040ull, "back");
	set_page_reg(&page, LAPIC_ID, 0x10304);
	wrmsr(&lapic, 0x808, 0x33);
	CHECK(lapic_set_state(&lapic, &page, NOW, true) == -EINVAL, "another's");
	CHECK(rdmsr(&lapic, 0x808) == 0x33, "nothing changed");
	CHECK(!lapic_set_state(&lapic, &page, NOW, false), "narrow: not looked at");
	CHECK(rdmsr(&lapic, 0x802) == 0x10305, "and not taken");
}

/* Whatever the page says, what results is a local APIC. */
static void test_any_state(void)
{
	struct lapic lapic = fresh(ALL_FEATURES);
	struct kvm_lapic_state page;
	u32 offset;

	memset(&page, 0xff, sizeof(page));
	CHECK(!lapic_set_state(&lapic, &page, NOW, true), "all ones");
	CHECK(lapic.irr_count == 240 && lapic.isr_count == 240, "vectors that there are");
	CHECK(reg(&lapic, LAPIC_TMR) == 0xffff0000, "TMR");
	CHECK(reg(&lapic, LAPIC_ICR2) == 0xff000000 && reg(&lapic, LAPIC_ICR) == 0xccfff, "ICR");
	CHECK(reg(&lapic, LAPIC_SVR) == 0x13ff && reg(&lapic, LAPIC_ESR) == 0xe0, "SVR, ESR");
	CHECK(reg(&lapic, LAPIC_LVT_LINT0) == 0x1e7ff, "LINT0 may have remote IRR");
	CHECK(reg(&lapic, LAPIC_LVT_LINT1) == 0x1a7ff, "LINT1 has none");
	CHECK(reg(&lapic, LAPIC_VERSION) == 0x01060014 && reg(&lapic, LAPIC_PPR) == 0xff, "own");
	CHECK(!reg(&lapic, LAPIC_APR) && !reg(&lapic, LAPIC_RRD) && !reg(&lapic, LAPIC_EOI), "0");
	CHECK(errors(&lapic) == 0xe0, "errors");
	CHECK(lapic.regs[LAPIC_SELF_IPI / 16] == 0, "no register");

	lapic = fresh(0);
	memset(&page, 0, sizeof(page));
	CHECK(!lapic_set_state(&lapic, &page, NOW, true), "all zeroes");
	CHECK(reg(&lapic, LAPIC_DFR) == 0x0fffffff, "DFR");
	CHECK(lapic_pending(&lapic) == -1 && lapic_timer_deadline(&lapic) == LAPIC_NEVER, "empty");
	for (offset = 0x100; offset < 0x280; offset += 0x10)
		CHECK(reg(&lapic, offset) == 0, "%x", offset);
	set_page_reg(&page, LAPIC_SVR, 0x1ff);
	set_page_reg(&page, LAPIC_IRR + 0x70, 0x80000000);
	set_page_reg(&page, LAPIC_ISR + 0x10, 1);
	lapic_set_state(&lapic, &page, NOW, true);
	CHECK(lapic_acknowledge(&lapic) == 0xff && lapic.isr_count == 2, "pending, in service");
}

/* Set by a page that has TMCCT, whether it was written by lapic_get_state() or not. */
static u64 restored(u32 lvt, u32 initial, u32 current, bool exact)
{
	struct lapic lapic = running();
	struct kvm_lapic_state page;

	lapic_write(&lapic, LAPIC_TMICT, 5555, NOW);
	lapic_get_state(&lapic, &page, NOW, true);
	set_page_reg(&page, LAPIC_LVT_TIMER, lvt);
	set_page_reg(&page, LAPIC_TMICT, initial);
	set_page_reg(&page, LAPIC_TMCCT, current);
	set_page_reg(&page, LAPIC_TDCR, 1);
	if (!exact)
		set_page_reg(&page, 0x3a0, 0);
	CHECK(!lapic_set_state(&lapic, &page, NOW, true), "restored");
	return lapic_timer_deadline(&lapic);
}

static void test_timer_in_state(void)
{
	struct lapic lapic = running();
	struct kvm_lapic_state page;

	lapic_write(&lapic, LAPIC_TMICT, 100, NOW);
	lapic_get_state(&lapic, &page, NOW + 50, true);
	CHECK(page_reg(&page, LAPIC_TMCCT) == 75, "by two");
	lapic_get_state(&lapic, &page, NOW + 200, true);
	CHECK(page_reg(&page, LAPIC_TMCCT) == 1, "overdue");
	lapic_timer_fired(&lapic, NOW + 200);
	lapic_get_state(&lapic, &page, NOW + 200, true);
	CHECK(page_reg(&page, LAPIC_TMCCT) == 0, "over");
	CHECK(page_reg(&page, 0x3a0) == 0x80000000, "and known to be");

	CHECK(restored(0x40, 100, 30, true) == NOW + 120, "one shot");
	CHECK(restored(0x40, 100, 30, false) == NOW + 120, "one shot");
	CHECK(restored(0x40, 100, 300, true) == NOW + 400, "no more than TMICT");
	CHECK(restored(0x40, 100, 0, true) == LAPIC_NEVER, "over");
	CHECK(restored(0x40, 100, 0, false) == NOW, "nobody knows");
	CHECK(restored(0x40, 0, 0, false) == LAPIC_NEVER, "never started");
	CHECK(restored(0x20040, 100, 30, true) == NOW + 120, "periodic");
	CHECK(restored(0x20040, 100, 0, true) == LAPIC_NEVER, "not started");
	CHECK(restored(0x20040, 100, 0, false) == NOW + 400, "nobody knows");
	CHECK(restored(0x40040, 100, 30, false) == LAPIC_NEVER, "TSC");
	CHECK(restored(0x60040, 100, 30, false) == LAPIC_NEVER, "no mode");
}

static void test_tsc_deadline_before_state(void)
{
	struct lapic from = running(), to = running();
	struct kvm_lapic_state tsc, one_shot;

	lapic_get_state(&from, &one_shot, NOW, false);
	lapic_write(&from, LAPIC_LVT_TIMER, 0x40050, NOW);
	lapic_get_state(&from, &tsc, NOW, false);

	CHECK(!lapic_restore_tsc_deadline(&to, 1000), "not yet");
	CHECK(lapic_tsc_deadline(&to) == 0, "and not seen");
	CHECK(!lapic_set_state(&to, &tsc, NOW, false), "state");
	CHECK(lapic_tsc_deadline(&to) == 1000, "now");
	CHECK(lapic_restore_tsc_deadline(&to, 7) && lapic_tsc_deadline(&to) == 7, "at once");
	lapic_set_tsc_deadline(&to, 9);
	CHECK(!lapic_set_state(&to, &tsc, NOW, false), "state");
	CHECK(lapic_tsc_deadline(&to) == 9, "kept");

	CHECK(!lapic_set_state(&to, &one_shot, NOW, false), "state");
	CHECK(!lapic_restore_tsc_deadline(&to, 1000), "not yet");
	CHECK(!lapic_set_state(&to, &one_shot, NOW, false), "state");
	CHECK(!lapic_set_state(&to, &tsc, NOW, false), "state");
	CHECK(lapic_tsc_deadline(&to) == 0, "the first state takes it, or nobody");

	CHECK(!lapic_set_state(&to, &one_shot, NOW, false), "state");
	lapic_restore_tsc_deadline(&to, 1000);
	lapic_reset(&to, 1, true);
	CHECK(!lapic_set_state(&to, &tsc, NOW, false), "state");
	CHECK(lapic_tsc_deadline(&to) == 0, "INIT takes it away");
	CHECK(!lapic_set_state(&to, &one_shot, NOW, false), "state");
	lapic_restore_tsc_deadline(&to, 1000);
	lapic_write(&to, LAPIC_LVT_TIMER, 0x40050, NOW);
	lapic_restore_tsc_deadline(&to, 0);
	CHECK(!lapic_set_state(&to, &tsc, NOW, false), "state");
	CHECK(lapic_tsc_deadline(&to) == 0, "the last counts");
}

static void test_tsc_deadline_in_state(void)
{
	struct lapic lapic = running();
	struct kvm_lapic_state page;

	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x40050, NOW);
	lapic_set_tsc_deadline(&lapic, 1000);
	lapic_get_state(&lapic, &page, NOW, true);
	CHECK(!lapic_set_state(&lapic, &page, NOW, true), "set");
	CHECK(lapic_tsc_deadline(&lapic) == 1000, "kept");
	set_page_reg(&page, LAPIC_LVT_TIMER, 0x50);
	CHECK(!lapic_set_state(&lapic, &page, NOW, true), "set");
	CHECK(lapic_tsc_deadline(&lapic) == 0, "another mode");
}

static void test_random(void)
{
	CHECK(!random_differences(), "lapic.c and naive.c differ");
}

int main(void)
{
	check_run("lapic, " COMPILER ": power-up and INIT", test_reset);
	check_run("lapic, " COMPILER ": version", test_version);
	check_run("lapic, " COMPILER ": legal values of IA32_APIC_BASE", test_base_ok);
	check_run("lapic, " COMPILER ": modes", test_set_base);
	check_run("lapic, " COMPILER ": a state set while disabled", test_disabled_state);
	check_run("lapic, " COMPILER ": bits of the page that keep a value", test_page_bits);
	check_run("lapic, " COMPILER ": bits that are optional", test_optional_bits);
	check_run("lapic, " COMPILER ": reserved registers", test_reserved_registers);
	check_run("lapic, " COMPILER ": ESR", test_esr);
	check_run("lapic, " COMPILER ": software disable", test_svr);
	check_run("lapic, " COMPILER ": MSRs there are", test_msr_access);
	check_run("lapic, " COMPILER ": reserved bits of MSRs", test_msr_bits);
	check_run("lapic, " COMPILER ": what MSRs say", test_msr_values);
	check_run("lapic, " COMPILER ": messages of ICR", test_icr);
	check_run("lapic, " COMPILER ": all vectors, in and out", test_accept);
	check_run("lapic, " COMPILER ": priorities", test_ppr);
	check_run("lapic, " COMPILER ": end of interrupt", test_eoi);
	check_run("lapic, " COMPILER ": delivery modes of local sources", test_local_modes);
	check_run("lapic, " COMPILER ": local sources", test_local);
	check_run("lapic, " COMPILER ": who hears the 8259s", test_extint);
	check_run("lapic, " COMPILER ": divide configuration", test_divide);
	check_run("lapic, " COMPILER ": one-shot timer", test_one_shot);
	check_run("lapic, " COMPILER ": periodic timer", test_periodic);
	check_run("lapic, " COMPILER ": writes to a timer that runs", test_timer_writes);
	check_run("lapic, " COMPILER ": TSC deadline", test_tsc_deadline);
	check_run("lapic, " COMPILER ": destinations, xAPIC", test_xapic_destinations);
	check_run("lapic, " COMPILER ": destinations, x2APIC", test_x2apic_destinations);
	check_run("lapic, " COMPILER ": disabled receivers", test_who_takes_what);
	check_run("lapic, " COMPILER ": ids in the state", test_ids_in_state);
	check_run("lapic, " COMPILER ": any state", test_any_state);
	check_run("lapic, " COMPILER ": timer in the state", test_timer_in_state);
	check_run("lapic, " COMPILER ": TSC deadline in the state", test_tsc_deadline_in_state);
	check_run("lapic, " COMPILER ": TSC deadline before the state",
		  test_tsc_deadline_before_state);
	check_run("lapic, " COMPILER ": random sequences, against a naive one", test_random);
	return check_end();
}
