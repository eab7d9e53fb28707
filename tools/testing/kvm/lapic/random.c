// SPDX-License-Identifier: GPL-2.0-only
/*
 * random.c - lapic.c and naive.c do the same, whatever is done to both.
 *
 * Sequences of operations with values that are likelier to meet than random ones.  After each, all
 * registers and everything that can be asked is compared, and effects that were not announced are
 * looked for.
 */
#include <stdio.h>
#include "naive.h"
#include "unit.h"

#define SEQUENCES	500
#define OPERATIONS	400

static u64 seed;
static u64 now;
static unsigned long differences;
static const char *what;
static struct lapic lapic;
static struct naive naive;

static u32 dice(u32 sides)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % sides;
}

static void same(u64 mine, u64 other, const char *name)
{
	if (mine != other && differences++ < 10)
		printf("%s: %s: %llx, naive %llx\n", what, name, (unsigned long long)mine,
		       (unsigned long long)other);
}

#define HOLDS(condition) same(!!(condition), 1, #condition)

static const u32 lvt_offsets[] = {
	LAPIC_LVT_CMCI, LAPIC_LVT_TIMER, LAPIC_LVT_THERMAL, LAPIC_LVT_PERF, LAPIC_LVT_LINT0,
	LAPIC_LVT_LINT1, LAPIC_LVT_ERROR,
};

/* Few vectors, so that they meet; some that are illegal. */
static u8 some_vector(void)
{
	static const u8 vectors[] = {
		0, 15, 16, 31, 32, 33, 47, 48, 63, 64, 95, 96, 128, 191, 224, 254, 255,
	};

	return vectors[dice(ARRAY_SIZE(vectors))];
}

static u32 some_value(void)
{
	u32 value;

	switch (dice(6)) {
	case 0:
		return 1u << dice(32);
	case 1:
		return dice(64);
	case 2:
		value = dice(1 << 16) << 16 | dice(1 << 16);
		return value;
	case 3:
		/* an enabled APIC, an entry that is not masked */
		return some_vector() | 0x100;
	default:
		value = some_vector() | dice(8) << 8;
		if (!dice(4))
			value |= 1u << (11 + dice(21));
		return value;
	}
}

static u32 some_offset(void)
{
	static const u32 often[] = {
		LAPIC_EOI, LAPIC_EOI, LAPIC_TPR, LAPIC_SVR, LAPIC_SVR, LAPIC_ESR, LAPIC_ICR,
		LAPIC_ICR, LAPIC_ICR2, LAPIC_LVT_TIMER, LAPIC_LVT_ERROR, LAPIC_LVT_LINT0,
		LAPIC_TMICT, LAPIC_TMICT, LAPIC_TDCR, LAPIC_LDR, LAPIC_DFR, LAPIC_SELF_IPI,
	};

	return dice(2) ? often[dice(ARRAY_SIZE(often))] : dice(0x48) * 16;
}

static u32 some_value_for(u32 offset)
{
	switch (offset) {
	case LAPIC_TMICT:
		return dice(8) ? dice(40) : some_value();
	case LAPIC_TDCR:
		return dice(16);
	case LAPIC_SVR:
		return dice(4) ? 0x100 | some_vector() | dice(2) << 12 : some_value();
	case LAPIC_LVT_TIMER:
		return dice(2) ? some_vector() | dice(4) << 17 : some_value();
	case LAPIC_TPR:
		return dice(4) ? dice(64) : some_value();
	default:
		return some_value();
	}
}

/* What has changed for the world, has been said. */
static void check_effects(const struct lapic *old, const struct lapic_effects *effects)
{
	struct lapic_address before = lapic_address(old), after = lapic_address(&lapic);

	HOLDS(!memcmp(&before, &after, sizeof(before)) || effects->what & LAPIC_ADDRESS);
	HOLDS(lapic_accepts_extint(old) == lapic_accepts_extint(&lapic) ||
	      effects->what & LAPIC_EXTINT);
	HOLDS((old->deadline == lapic.deadline && old->tsc_deadline == lapic.tsc_deadline) ||
	      effects->what & LAPIC_TIMER);
	HOLDS(lapic_pending(&lapic) <= lapic_pending(old) || effects->what & LAPIC_LOOK);
}

static void check_write(const struct lapic *old, const struct lapic_effects *effects)
{
	const struct irq_msg *msg = &effects->msg;

	check_effects(old, effects);
	same(!!(effects->what & LAPIC_SEND), naive.sent, "sent");
	same(!!(effects->what & LAPIC_TELL_EOI), naive.told_eoi, "EOI told");
	same(effects->vector, naive.told_vector, "vector of EOI");
	same(msg->dest, naive.msg.dest, "dest");
	same(msg->vector, naive.msg.vector, "vector");
	same(msg->mode, naive.msg.mode, "mode");
	same(msg->shorthand, naive.msg.shorthand, "shorthand");
	same(msg->logical, naive.msg.logical, "logical");
	same(msg->level, naive.msg.level, "level");
	same(msg->assert, naive.msg.assert, "assert");
}

static void do_page(void)
{
	u32 offset = some_offset(), value = some_value_for(offset);
	struct lapic old = lapic;
	struct lapic_effects effects;

	if (lapic.mode != LAPIC_XAPIC)
		return;
	if (!dice(4)) {
		what = "read";
		same(lapic_read(&lapic, offset, now), naive_read(&naive, offset), "value");
		return;
	}
	what = "write";
	effects = lapic_write(&lapic, offset, value, now);
	naive_write(&naive, offset, value);
	check_write(&old, &effects);
}

static void do_msr(void)
{
	u32 offset = some_offset(), msr = 0x800 + offset / 16;
	u64 value = some_value_for(offset), mine = 0, other = 0;
	struct lapic old = lapic;
	struct lapic_effects effects = {};

	if (!dice(50))
		msr = dice(2) ? 0x7ff : 0x900;
	if (msr == 0x830 || !dice(30))
		value |= (u64)some_value() << 32;
	if (!dice(4)) {
		what = "rdmsr";
		same(!lapic_msr_read(&lapic, msr, now, &mine), naive_rdmsr(&naive, msr, &other),
		     "there");
		same(mine, other, "value");
		return;
	}
	if (offset == LAPIC_EOI || offset == LAPIC_ESR)
		value = dice(4) ? 0 : value;
	/* without reserved bits, mostly */
	if (dice(3))
		value &= offset == LAPIC_ICR ? 0xffffffff000ccfffull : 0x710ff;
	what = "wrmsr";
	same(!lapic_msr_write(&lapic, msr, value, now, &effects), naive_wrmsr(&naive, msr, value),
	     "allowed");
	check_write(&old, &effects);
}

static void do_interrupt(void)
{
	u8 vector = some_vector();
	bool level = dice(2);

	switch (dice(4)) {
	case 0:
	case 1:
		what = "accept";
		same(lapic_accept(&lapic, vector, level), naive_accept(&naive, vector, level),
		     "new");
		break;
	case 2:
		what = "acknowledge";
		same(lapic_acknowledge(&lapic), naive_acknowledge(&naive), "vector");
		break;
	default:
		what = "local";
		vector = dice(NAIVE_LVTS);
		same(lapic_local(&lapic, lvt_offsets[vector]),
		     naive_local(&naive, lvt_offsets[vector]), "result");
	}
}

static void do_timer(void)
{
	u32 step = dice(3) ? dice(20) : dice(300);
	bool taken;
	u64 tsc;

	what = "timer";
	switch (dice(3)) {
	case 0:
		now += step;
		naive_tick(&naive, step);
		break;
	case 1:
		same(lapic_timer_fired(&lapic, now), naive_fired(&naive), "fired");
		break;
	default:
		tsc = dice(5);
		taken = (naive.lvt[1].timer == 2);
		if (taken)
			naive.tsc = tsc;
		same(lapic_set_tsc_deadline(&lapic, tsc), taken, "taken");
	}
}

static void do_mode(void)
{
	static const u64 bases[] = { 0, LAPIC_BASE_EN, LAPIC_BASE_EN | LAPIC_BASE_EXTD };
	struct lapic old = lapic;
	struct lapic_effects effects;
	u8 mode;

	what = "mode";
	if (!dice(4)) {
		lapic_reset(&lapic, 0, true);
		naive_init(&naive);
		return;
	}
	/* a disabled one comes back soon, there is not much to it */
	mode = lapic.mode == LAPIC_DISABLED ? LAPIC_XAPIC : dice(5) ? 1 + dice(2) : 0;
	effects = lapic_set_base(&lapic, bases[mode] | 0xfee00000);
	naive_set_mode(&naive, mode);
	check_effects(&old, &effects);
}

/* The page, to a local APIC that knows nothing but its id and mode. */
static void do_move(void)
{
	struct lapic other = { .features = lapic.features };
	struct kvm_lapic_state page;
	bool wide = dice(2);

	what = "move";
	same(lapic_timer_fired(&lapic, now), naive_fired(&naive), "fired");
	/* moving starts the present tick again */
	naive.phase = 0;
	lapic_get_state(&lapic, &page, now, wide);
	lapic_reset(&other, lapic.id, false);
	other.mode = lapic.mode;
	now += 1000;
	same(lapic_set_state(&other, &page, now, wide), 0, "error");
	lapic_set_tsc_deadline(&other, lapic.tsc_deadline);
	lapic = other;
}

static void do_match(void)
{
	struct irq_msg msg = { .mode = dice(8), .logical = dice(2), .dest = dice(256) };
	struct lapic_address address = lapic_address(&lapic);
	bool narrow = dice(2);

	what = "match";
	if (!dice(3))
		msg.dest = 0xff;
	if (!dice(6))
		msg.dest = dice(2) ? 0xffffffff : lapic.id;
	if (!dice(3))
		msg.dest = (lapic.id >> 4) << 16 | dice(1 << 16);
	same(lapic_matches(&address, &msg, narrow), naive_matches(&naive, &msg, narrow), "matches");
}

static void compare(void)
{
	struct kvm_lapic_state page;
	u32 offset, word, in_irr = 0, in_isr = 0;

	lapic_get_state(&lapic, &page, now, true);
	for (offset = 0; offset < KVM_APIC_REG_SIZE; offset += 16) {
		memcpy(&word, page.regs + offset, sizeof(word));
		/* an overdue count, which is still to fire; what is kept beside the registers */
		if (offset == LAPIC_TMCCT && naive.due)
			same(word, 1, "overdue count");
		else if (offset == 0x3a0)
			same(word, 0x80000000 | naive.errors, "hidden");
		else if (word != naive_show(&naive, offset))
			same(offset << 16 | word, offset << 16 | naive_show(&naive, offset), "reg");
	}
	for (offset = 0; offset < 256; offset++) {
		in_irr += naive.irr[offset];
		in_isr += naive.isr[offset];
	}
	same(lapic.irr_count, in_irr, "vectors in IRR");
	same(lapic.isr_count, in_isr, "vectors in ISR");
	same(lapic_pending(&lapic), naive_pending(&naive), "pending");
	same(lapic_ppr(&lapic), naive_ppr(&naive), "PPR");
	same(lapic_accepts_extint(&lapic), naive_extint(&naive), "extint");
	same(lapic_tsc_deadline(&lapic), naive.tsc, "TSC deadline");
	same(lapic_timer_deadline(&lapic) <= now, naive.due, "due");
	same(lapic_timer_deadline(&lapic) != LAPIC_NEVER, naive.due || naive.count, "counts");
}

static void sequence(void)
{
	static void (*const operations[])(void) = {
		do_page, do_msr, do_page, do_msr, do_page, do_msr, do_interrupt, do_interrupt,
		do_timer, do_timer, do_match,
	};
	int i;

	now = 1000000 + dice(1000);
	lapic.features = naive.features = dice(16);
	lapic_reset(&lapic, dice(3) ? dice(256) : dice(1 << 20), false);
	naive_power_up(&naive, lapic.id);
	for (i = 0; i < OPERATIONS && !differences; i++) {
		if (!dice(60))
			do_mode();
		else if (!dice(30))
			do_move();
		else
			operations[dice(ARRAY_SIZE(operations))]();
		compare();
	}
}

unsigned long random_differences(void)
{
	int i;

	for (i = 0; i < SEQUENCES && !differences; i++) {
		seed = i;
		sequence();
	}
	return differences;
}
