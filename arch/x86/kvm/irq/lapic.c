// SPDX-License-Identifier: GPL-2.0-only
/*
 * lapic.c - PURE: the registers of a local APIC, which interrupt is next, its timer as numbers.
 *
 * One table says which registers there are, who may read and write them, and which of their bits
 * exist; xAPIC and x2APIC differ in the check before a write, hardly in the write.  Everything else
 * that the world has to know leaves as a struct lapic_effects.
 *
 * SDM vol. 3, chapter 10 (its sections are named below as they were before chapter 11 was theirs);
 * APM vol. 2, chapter 16.  Where the two differ, this is Intel's.
 */
#include "lapic.h"

#define SVR_ENABLE	BIT(8)
#define SVR_FOCUS	BIT(9)		/* does nothing since the Pentium 4, and can be written */
#define SVR_NO_EOI	BIT(12)

#define LVT_LEVEL	BIT(15)		/* also of ICR */
#define LVT_REMOTE_IRR	BIT(14)
#define LVT_STATUS	BIT(12)		/* delivery: always idle */
#define LVT_MASKED	BIT(16)
#define LVT_TSC		BIT(18)
#define LVT_PLAIN	(LVT_MASKED | 0xff)
#define LVT_MODES	(LVT_PLAIN | 0x700)
#define LVT_PIN		(LVT_MODES | LVT_LEVEL | BIT(13))
#define LVT_TIMERS	(LVT_PLAIN | BIT(17) | LVT_TSC)

#define ICR_ASSERT	BIT(14)

#define VERSION		0x14
#define VERSION_NO_EOI	BIT(24)
#define FIRST_VECTOR	16
#define XAPIC_ALL	0xff
#define X2APIC_ALL	U32_MAX
#define X2APIC_MSR	0x800

/* Where the page of KVM_GET_LAPIC has what no register shows: see lapic_get_state(). */
#define STATE_HIDDEN	0x3a0
#define STATE_EXACT	BIT(31)

enum timer_mode { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC };

/* ---- the registers there are: SDM 10.4.1 and 10.12.1.2 ---- */

#define PAGE_READ	BIT(0)
#define PAGE_WRITE	BIT(1)
#define MSR_READ	BIT(2)
#define MSR_WRITE	BIT(3)
#define READ		(PAGE_READ | MSR_READ)
#define WRITE		(PAGE_WRITE | MSR_WRITE)
#define PAGE		(PAGE_READ | PAGE_WRITE)

/**
 * struct row - one register
 * @access:	PAGE_READ and so on; none: reserved
 * @writable:	its bits that a write changes
 * @ignored:	bits that are read-only, and not reserved: not wrong in a WRMSR
 */
struct row {
	u8 access;
	u32 writable;
	u32 ignored;
};

#define REG(offset)	((offset) / 16)

static const struct row rows[LAPIC_REGS] = {
	[REG(LAPIC_ID)]		= { READ | PAGE_WRITE, 0xff000000, 0 },
	[REG(LAPIC_VERSION)]	= { READ, 0, 0 },
	[REG(LAPIC_TPR)]	= { READ | WRITE, 0xff, 0 },
	[REG(LAPIC_APR)]	= { PAGE_READ, 0, 0 },
	[REG(LAPIC_PPR)]	= { READ, 0, 0 },
	[REG(LAPIC_EOI)]	= { WRITE, 0, 0 },
	[REG(LAPIC_RRD)]	= { PAGE_READ, 0, 0 },
	[REG(LAPIC_LDR)]	= { READ | PAGE_WRITE, 0xff000000, 0 },
	[REG(LAPIC_DFR)]	= { PAGE, 0xf0000000, 0 },
	[REG(LAPIC_SVR)]	= { READ | WRITE, SVR_NO_EOI | SVR_FOCUS | SVR_ENABLE | 0xff, 0 },
	[REG(LAPIC_ISR) ... REG(LAPIC_ISR) + 7] = { READ, 0, 0 },
	[REG(LAPIC_TMR) ... REG(LAPIC_TMR) + 7] = { READ, 0, 0 },
	[REG(LAPIC_IRR) ... REG(LAPIC_IRR) + 7] = { READ, 0, 0 },
	[REG(LAPIC_ESR)]	= { READ | WRITE, 0, 0 },
	[REG(LAPIC_LVT_CMCI)]	= { READ | WRITE, LVT_MODES, LVT_STATUS },
	[REG(LAPIC_ICR)]	= { READ | WRITE, 0xccfff, 0 },
	[REG(LAPIC_ICR2)]	= { PAGE, 0xff000000, 0 },
	[REG(LAPIC_LVT_TIMER)]	= { READ | WRITE, LVT_TIMERS, LVT_STATUS },
	[REG(LAPIC_LVT_THERMAL)] = { READ | WRITE, LVT_MODES, LVT_STATUS },
	[REG(LAPIC_LVT_PERF)]	= { READ | WRITE, LVT_MODES, LVT_STATUS },
	[REG(LAPIC_LVT_LINT0)]	= { READ | WRITE, LVT_PIN, LVT_STATUS | LVT_REMOTE_IRR },
	[REG(LAPIC_LVT_LINT1)]	= { READ | WRITE, LVT_PIN, LVT_STATUS | LVT_REMOTE_IRR },
	[REG(LAPIC_LVT_ERROR)]	= { READ | WRITE, LVT_PLAIN, LVT_STATUS },
	[REG(LAPIC_TMICT)]	= { READ | WRITE, U32_MAX, 0 },
	[REG(LAPIC_TMCCT)]	= { READ, 0, 0 },
	[REG(LAPIC_TDCR)]	= { READ | WRITE, 0xb, 0 },
	[REG(LAPIC_SELF_IPI)]	= { MSR_WRITE, 0xff, 0 },
};

static const u16 lvts[] = {
	LAPIC_LVT_TIMER, LAPIC_LVT_THERMAL, LAPIC_LVT_PERF, LAPIC_LVT_LINT0, LAPIC_LVT_LINT1,
	LAPIC_LVT_ERROR, LAPIC_LVT_CMCI,
};

/* The register's row, or NULL if this local APIC has none there. */
static const struct row *find_row(const struct lapic *lapic, u32 offset)
{
	if (offset >= KVM_APIC_REG_SIZE || !rows[REG(offset)].access)
		return NULL;
	if (REG(offset) == REG(LAPIC_LVT_CMCI) && !(lapic->features & LAPIC_HAS_CMCI))
		return NULL;
	return &rows[REG(offset)];
}

static u32 writable_bits(const struct lapic *lapic, u32 offset)
{
	u32 bits = rows[REG(offset)].writable;

	if (offset == LAPIC_SVR && !(lapic->features & LAPIC_HAS_EOI_SUPPRESS))
		bits &= ~SVR_NO_EOI;
	if (offset == LAPIC_LVT_TIMER && !(lapic->features & LAPIC_HAS_TSC_DEADLINE))
		bits &= ~LVT_TSC;
	return bits;
}

static u32 get(const struct lapic *lapic, u32 offset)
{
	return lapic->regs[REG(offset)];
}

static void set(struct lapic *lapic, u32 offset, u32 value)
{
	lapic->regs[REG(offset)] = value;
}

/* What an LVT entry becomes: remote IRR is no writer's, a disabled APIC's entries stay masked. */
static u32 lvt_bits(const struct lapic *lapic, u32 lvt, u32 value)
{
	if (value & LVT_LEVEL)
		value |= get(lapic, lvt) & LVT_REMOTE_IRR;
	return get(lapic, LAPIC_SVR) & SVR_ENABLE ? value : value | LVT_MASKED;
}

/* ---- vectors: SDM 10.8 ---- */

static u32 *vector_word(struct lapic *lapic, u32 bank, u8 vector)
{
	return &lapic->regs[REG(bank) + vector / 32];
}

static bool has_vector(const struct lapic *lapic, u32 bank, u8 vector)
{
	return lapic->regs[REG(bank) + vector / 32] & BIT(vector % 32);
}

static int highest(const struct lapic *lapic, u32 bank)
{
	int i;

	for (i = 7; i >= 0; i--) {
		u32 word = lapic->regs[REG(bank) + i];

		if (word)
			return i * 32 + 31 - __builtin_clz(word);
	}
	return -1;
}

int lapic_highest_irr(const struct lapic *lapic)
{
	return lapic->irr_count ? highest(lapic, LAPIC_IRR) : -1;
}

int lapic_highest_isr(const struct lapic *lapic)
{
	return lapic->isr_count ? highest(lapic, LAPIC_ISR) : -1;
}

u8 lapic_tpr(const struct lapic *lapic)
{
	return get(lapic, LAPIC_TPR);
}

bool lapic_set_tpr(struct lapic *lapic, u8 tpr)
{
	bool fell = tpr < lapic_tpr(lapic);

	set(lapic, LAPIC_TPR, tpr);
	return fell;
}

/* SDM 10.8.3.1: the higher class of TPR and ISR; TPR's subclass only if it is the higher. */
u8 lapic_ppr(const struct lapic *lapic)
{
	int isr = lapic_highest_isr(lapic);
	u8 tpr = lapic_tpr(lapic);

	return isr >> 4 > tpr >> 4 ? isr & 0xf0 : tpr;
}

int lapic_find_pending(const struct lapic *lapic)
{
	int irr = lapic_highest_irr(lapic);

	if (lapic->mode == LAPIC_DISABLED)
		return -1;
	return irr >> 4 > lapic_ppr(lapic) >> 4 ? irr : -1;
}

int lapic_acknowledge(struct lapic *lapic)
{
	int vector = lapic_pending(lapic);

	if (vector < 0)
		return -1;
	*vector_word(lapic, LAPIC_IRR, vector) &= ~BIT(vector % 32);
	*vector_word(lapic, LAPIC_ISR, vector) |= BIT(vector % 32);
	lapic->irr_count--;
	lapic->isr_count++;
	return vector;
}

/* SDM 10.8.5; 10.5.1 for LINT0's remote IRR. */
struct lapic_effects lapic_eoi(struct lapic *lapic)
{
	struct lapic_effects effects = {};
	int vector = lapic_highest_isr(lapic);
	u32 lint0 = get(lapic, LAPIC_LVT_LINT0);

	if (vector < 0)
		return effects;
	*vector_word(lapic, LAPIC_ISR, vector) &= ~BIT(vector % 32);
	lapic->isr_count--;
	effects.what = LAPIC_LOOK;
	effects.vector = vector;
	if (!has_vector(lapic, LAPIC_TMR, vector))
		return effects;
	if ((lint0 & 0xff) == (u32)vector)
		set(lapic, LAPIC_LVT_LINT0, lint0 & ~LVT_REMOTE_IRR);
	if (!(get(lapic, LAPIC_SVR) & SVR_NO_EOI))
		effects.what |= LAPIC_TELL_EOI;
	return effects;
}

bool lapic_enabled(const struct lapic *lapic)
{
	return lapic->mode != LAPIC_DISABLED && get(lapic, LAPIC_SVR) & SVR_ENABLE;
}

/*
 * SDM 10.5.3: a write to ESR arms the interrupt, the first error after it fires. An illegal vector
 * of that interrupt is an error by itself, and no longer the first.
 */
static void found_error(struct lapic *lapic, u8 error)
{
	bool armed = !lapic->errors;

	lapic->errors |= error;
	if (armed)
		lapic_local(lapic, LAPIC_LVT_ERROR);
}

bool lapic_accept(struct lapic *lapic, u8 vector, bool level)
{
	u32 bit = BIT(vector % 32);

	if (!lapic_enabled(lapic))
		return false;
	if (vector < FIRST_VECTOR) {
		found_error(lapic, LAPIC_ESR_RECV_VECTOR);
		return false;
	}
	if (level)
		*vector_word(lapic, LAPIC_TMR, vector) |= bit;
	else
		*vector_word(lapic, LAPIC_TMR, vector) &= ~bit;
	if (has_vector(lapic, LAPIC_IRR, vector))
		return false;
	*vector_word(lapic, LAPIC_IRR, vector) |= bit;
	lapic->irr_count++;
	return true;
}

/* ---- local sources: SDM 10.5.1 ---- */

static u8 delivery_mode(u32 entry)
{
	return entry >> 8 & 7;
}

/* A fixed vector of the LVT. Only LINT0 can be level-triggered; it waits for EOI then. */
static int local_fixed(struct lapic *lapic, u32 lvt)
{
	u32 entry = get(lapic, lvt);
	bool level = lvt == LAPIC_LVT_LINT0 && entry & LVT_LEVEL;
	u8 vector = entry;

	if (level && entry & LVT_REMOTE_IRR)
		return -1;
	lapic_accept(lapic, vector, level);
	if (vector < FIRST_VECTOR || !lapic_enabled(lapic))
		return -1;
	if (level)
		set(lapic, lvt, entry | LVT_REMOTE_IRR);
	return MSG_FIXED;
}

/* What the pins do where there is no APIC. */
static int local_disabled(u32 lvt)
{
	if (lvt == LAPIC_LVT_LINT0)
		return MSG_EXTINT;
	return lvt == LAPIC_LVT_LINT1 ? MSG_NMI : -1;
}

int lapic_local(struct lapic *lapic, enum lapic_reg lvt)
{
	u32 entry = get(lapic, lvt);

	if (lapic->mode == LAPIC_DISABLED)
		return local_disabled(lvt);
	if (entry & LVT_MASKED || !find_row(lapic, lvt))
		return -1;
	/* "automatically sets the mask flag" */
	if (lvt == LAPIC_LVT_PERF)
		set(lapic, lvt, entry | LVT_MASKED);
	switch (delivery_mode(entry)) {
	case MSG_FIXED:
		/* timer and error have no other */
		return local_fixed(lapic, lvt);
	case MSG_SMI:
	case MSG_NMI:
	case MSG_INIT:
	case MSG_EXTINT:
		return delivery_mode(entry);
	default:
		return -1;
	}
}

bool lapic_accepts_extint(const struct lapic *lapic)
{
	u32 entry = get(lapic, LAPIC_LVT_LINT0);

	if (lapic->mode == LAPIC_DISABLED)
		return true;
	return !(entry & LVT_MASKED) && delivery_mode(entry) == MSG_EXTINT;
}

/* ---- the timer: SDM 10.5.4 ---- */

static u8 timer_mode(const struct lapic *lapic)
{
	return get(lapic, LAPIC_LVT_TIMER) >> 17 & 3;
}

static bool timer_counts(const struct lapic *lapic)
{
	return timer_mode(lapic) == TIMER_ONE_SHOT || timer_mode(lapic) == TIMER_PERIODIC;
}

/* log2 of the divisor: bits 3, 1 and 0 are one number, of which 7 is 1 and 0 is 2. */
static u8 divide_shift(const struct lapic *lapic)
{
	u32 tdcr = get(lapic, LAPIC_TDCR);

	return ((tdcr & 3) + (tdcr >> 1 & 4) + 1) & 7;
}

/* TMICT in ns: less than 2^39. */
static u64 whole_count(const struct lapic *lapic)
{
	return (u64)get(lapic, LAPIC_TMICT) << divide_shift(lapic);
}

u64 lapic_timer_period(const struct lapic *lapic)
{
	if (lapic->deadline == LAPIC_NEVER || timer_mode(lapic) != TIMER_PERIODIC)
		return 0;
	return whole_count(lapic);
}

/* TMCCT. A period that is over has begun the next, whether its interrupt was seen to or not. */
static u32 current_count(const struct lapic *lapic, u64 now)
{
	u64 left, period = lapic_timer_period(lapic);
	u8 shift = divide_shift(lapic);

	if (lapic->deadline == LAPIC_NEVER)
		return 0;
	if (now < lapic->deadline)
		left = lapic->deadline - now;
	else if (period)
		left = period - (now - lapic->deadline) % period;
	else
		return 0;
	/* a clock that went back does not make more of it than there was */
	left = min(left, whole_count(lapic));
	return (left + BIT(shift) - 1) >> shift;
}

static void start_count(struct lapic *lapic, u32 count, u64 now)
{
	lapic->deadline = count ? now + ((u64)count << divide_shift(lapic)) : LAPIC_NEVER;
}

/* The count has come to 0. */
static void count_over(struct lapic *lapic, u64 now)
{
	u64 period = lapic_timer_period(lapic);

	if (period)
		lapic->deadline += ((now - lapic->deadline) / period + 1) * period;
	else
		lapic->deadline = LAPIC_NEVER;
}

bool lapic_timer_fired(struct lapic *lapic, u64 now)
{
	if (timer_mode(lapic) == TIMER_TSC) {
		if (!lapic->tsc_deadline)
			return false;
		lapic->tsc_deadline = 0;
	} else {
		if (now < lapic->deadline)
			return false;
		count_over(lapic, now);
	}
	return lapic_local(lapic, LAPIC_LVT_TIMER) == MSG_FIXED;
}

bool lapic_set_tsc_deadline(struct lapic *lapic, u64 tsc)
{
	if (timer_mode(lapic) != TIMER_TSC)
		return false;
	lapic->tsc_deadline = tsc;
	return true;
}

bool lapic_restore_tsc_deadline(struct lapic *lapic, u64 tsc)
{
	bool taken = lapic_set_tsc_deadline(lapic, tsc);

	lapic->tsc_restored = taken ? 0 : tsc;
	return taken;
}

/*
 * SDM 10.5.4.1: a change of the mode disarms.  On processors that is one to or from the modes that
 * do not count; from one-shot to periodic the count goes on, and firmware starts it that way round.
 */
static void write_lvt_timer(struct lapic *lapic, u32 value)
{
	bool counted = timer_counts(lapic);
	u8 mode = timer_mode(lapic);

	set(lapic, LAPIC_LVT_TIMER, lvt_bits(lapic, LAPIC_LVT_TIMER, value));
	if (timer_mode(lapic) == mode || (counted && timer_counts(lapic)))
		return;
	lapic->deadline = LAPIC_NEVER;
	lapic->tsc_deadline = 0;
}

/* A new divisor: the count is where it was, and goes on at another pace. */
static void write_divide(struct lapic *lapic, u32 value, u64 now)
{
	u32 count = current_count(lapic, now);

	set(lapic, LAPIC_TDCR, value);
	start_count(lapic, count, now);
}

static struct lapic_effects write_timer(struct lapic *lapic, u32 offset, u32 value, u64 now)
{
	struct lapic_effects effects = { .what = LAPIC_TIMER };

	/* what was due before this write, and has not been seen to, comes before it */
	if (timer_counts(lapic) && lapic_timer_fired(lapic, now))
		effects.what |= LAPIC_LOOK;
	if (offset == LAPIC_LVT_TIMER) {
		write_lvt_timer(lapic, value);
	} else if (offset == LAPIC_TDCR) {
		write_divide(lapic, value, now);
	} else if (timer_counts(lapic)) {
		set(lapic, LAPIC_TMICT, value);
		start_count(lapic, value, now);
	}
	return effects;
}

/* ---- reading ---- */

static u32 version(const struct lapic *lapic)
{
	u32 entries = lapic->features & LAPIC_HAS_CMCI ? 7 : 6;

	return VERSION | (entries - 1) << 16 |
	       (lapic->features & LAPIC_HAS_EOI_SUPPRESS ? VERSION_NO_EOI : 0);
}

/* SDM 10.12.10.2 */
static u32 x2apic_ldr(u32 id)
{
	return (id >> 4 & 0xffff) << 16 | BIT(id & 0xf);
}

static u32 read_reg(const struct lapic *lapic, u32 offset, u64 now)
{
	bool x2apic = lapic->mode == LAPIC_X2APIC;

	switch (offset) {
	case LAPIC_ID:
		return x2apic ? lapic->id : get(lapic, offset);
	case LAPIC_LDR:
		return x2apic ? x2apic_ldr(lapic->id) : get(lapic, offset);
	case LAPIC_VERSION:
		return version(lapic);
	case LAPIC_PPR:
		return lapic_ppr(lapic);
	case LAPIC_TMCCT:
		return current_count(lapic, now);
	default:
		return get(lapic, offset);
	}
}

u32 lapic_read(struct lapic *lapic, u32 offset, u64 now)
{
	const struct row *row = find_row(lapic, offset);

	if (!row || !(row->access & PAGE)) {
		found_error(lapic, LAPIC_ESR_REGISTER);
		return 0;
	}
	return row->access & PAGE_READ ? read_reg(lapic, offset, now) : 0;
}

/* The register behind an MSR, if the access is one of @access; otherwise KVM_APIC_REG_SIZE. */
static u32 msr_offset(const struct lapic *lapic, u32 msr, u8 access)
{
	const struct row *row;
	u32 offset;

	if (lapic->mode != LAPIC_X2APIC || msr - X2APIC_MSR >= LAPIC_REGS)
		return KVM_APIC_REG_SIZE;
	offset = (msr - X2APIC_MSR) * 16;
	row = find_row(lapic, offset);
	return row && row->access & access ? offset : KVM_APIC_REG_SIZE;
}

int lapic_msr_read(const struct lapic *lapic, u32 msr, u64 now, u64 *value)
{
	u32 offset = msr_offset(lapic, msr, MSR_READ);

	if (offset == KVM_APIC_REG_SIZE)
		return -EINVAL;
	*value = read_reg(lapic, offset, now);
	if (offset == LAPIC_ICR)
		*value |= (u64)get(lapic, LAPIC_ICR2) << 32;
	return 0;
}

/* ---- writing ---- */

/* Does a message of this kind go anywhere?  3 and 7 are reserved, as is INIT's letting go. */
static bool sends(u32 icr)
{
	switch (delivery_mode(icr)) {
	case MSG_FIXED:
	case MSG_LOWEST:
	case MSG_SMI:
	case MSG_NMI:
	case MSG_SIPI:
		return true;
	case MSG_INIT:
		return icr & ICR_ASSERT || !(icr & LVT_LEVEL);
	default:
		return false;
	}
}

/*
 * SDM 10.6.1. All messages are edges: since the Pentium 4 the trigger mode "has no meaning and will
 * always be issued as a 0", the level as a 1.
 */
static struct lapic_effects send(struct lapic *lapic, u32 icr, u32 dest)
{
	struct lapic_effects effects = {};

	if (delivery_mode(icr) <= MSG_LOWEST && (icr & 0xff) < FIRST_VECTOR) {
		found_error(lapic, LAPIC_ESR_SEND_VECTOR);
		effects.what = LAPIC_LOOK;
		return effects;
	}
	if (!sends(icr))
		return effects;
	effects.what = LAPIC_SEND;
	effects.msg = (struct irq_msg){
		.dest = dest,
		.vector = icr,
		.mode = delivery_mode(icr),
		.shorthand = icr >> 18 & 3,
		.logical = icr & BIT(11),
		.assert = true,
	};
	return effects;
}

static struct lapic_effects write_icr(struct lapic *lapic, u32 icr)
{
	u32 dest = get(lapic, LAPIC_ICR2);

	set(lapic, LAPIC_ICR, icr);
	return send(lapic, icr, lapic->mode == LAPIC_X2APIC ? dest : dest >> 24);
}

static struct lapic_effects write_svr(struct lapic *lapic, u32 value)
{
	struct lapic_effects effects = {};
	u32 changed = get(lapic, LAPIC_SVR) ^ value;
	unsigned int i;

	set(lapic, LAPIC_SVR, value);
	if (!(changed & SVR_ENABLE))
		return effects;
	effects.what = LAPIC_ADDRESS | LAPIC_EXTINT;
	for (i = 0; i < ARRAY_SIZE(lvts) && !(value & SVR_ENABLE); i++)
		set(lapic, lvts[i], get(lapic, lvts[i]) | LVT_MASKED);
	return effects;
}

/* A write to a register that exists and may be written, reduced to the bits that can be. */
static struct lapic_effects write_reg(struct lapic *lapic, u32 offset, u32 value, u64 now)
{
	struct lapic_effects effects = {};

	switch (offset) {
	case LAPIC_TPR:
		effects.what = lapic_set_tpr(lapic, value) ? LAPIC_LOOK : 0;
		break;
	case LAPIC_EOI:
		return lapic_eoi(lapic);
	case LAPIC_DFR:
		value |= ~rows[REG(LAPIC_DFR)].writable;
		fallthrough;
	case LAPIC_ID:
	case LAPIC_LDR:
		set(lapic, offset, value);
		effects.what = LAPIC_ADDRESS;
		break;
	case LAPIC_SVR:
		return write_svr(lapic, value);
	case LAPIC_ESR:
		set(lapic, offset, lapic->errors);
		lapic->errors = 0;
		break;
	case LAPIC_ICR:
		return write_icr(lapic, value);
	case LAPIC_ICR2:
		set(lapic, offset, value);
		break;
	case LAPIC_SELF_IPI:
		return send(lapic, MSG_TO_SELF << 18 | value, 0);
	case LAPIC_LVT_TIMER:
	case LAPIC_TMICT:
	case LAPIC_TDCR:
		return write_timer(lapic, offset, value, now);
	default:
		set(lapic, offset, lvt_bits(lapic, offset, value));
		effects.what = offset == LAPIC_LVT_LINT0 ? LAPIC_EXTINT : 0;
	}
	return effects;
}

struct lapic_effects lapic_write(struct lapic *lapic, u32 offset, u32 value, u64 now)
{
	const struct row *row = find_row(lapic, offset);
	struct lapic_effects effects = {};

	if (!row || !(row->access & PAGE)) {
		found_error(lapic, LAPIC_ESR_REGISTER);
		effects.what = LAPIC_LOOK;
		return effects;
	}
	if (!(row->access & PAGE_WRITE))
		return effects;
	return write_reg(lapic, offset, value & writable_bits(lapic, offset), now);
}

int lapic_msr_write(struct lapic *lapic, u32 msr, u64 value, u64 now,
		    struct lapic_effects *effects)
{
	u32 offset = msr_offset(lapic, msr, MSR_WRITE);
	u64 bits;

	if (offset == KVM_APIC_REG_SIZE)
		return -EINVAL;
	bits = writable_bits(lapic, offset);
	if (offset == LAPIC_ICR)
		bits |= GENMASK_ULL(63, 32);
	if (value & ~(bits | rows[REG(offset)].ignored))
		return -EINVAL;
	if (offset == LAPIC_ICR)
		set(lapic, LAPIC_ICR2, value >> 32);
	*effects = write_reg(lapic, offset, value & bits, now);
	return 0;
}

/* ---- life ---- */

/* SDM 10.4.7.1 */
static void power_up(struct lapic *lapic)
{
	unsigned int i;

	memset(lapic->regs, 0, sizeof(lapic->regs));
	lapic->irr_count = 0;
	lapic->isr_count = 0;
	lapic->errors = 0;
	lapic->deadline = LAPIC_NEVER;
	lapic->tsc_deadline = 0;
	lapic->tsc_restored = 0;
	set(lapic, LAPIC_ID, lapic->id << 24);
	set(lapic, LAPIC_DFR, U32_MAX);
	set(lapic, LAPIC_SVR, 0xff);
	for (i = 0; i < ARRAY_SIZE(lvts); i++)
		set(lapic, lvts[i], LVT_MASKED);
	if (lapic->features & LAPIC_LINT0_EXTINT)
		set(lapic, LAPIC_LVT_LINT0, MSG_EXTINT << 8);
}

void lapic_reset(struct lapic *lapic, u32 id, bool init)
{
	u32 xapic_id = get(lapic, LAPIC_ID);

	if (!init) {
		lapic->mode = LAPIC_XAPIC;
		lapic->id = id;
	}
	power_up(lapic);
	if (init)
		set(lapic, LAPIC_ID, xapic_id);
}

static u8 base_mode(u64 base)
{
	if (!(base & LAPIC_BASE_EN))
		return LAPIC_DISABLED;
	return base & LAPIC_BASE_EXTD ? LAPIC_X2APIC : LAPIC_XAPIC;
}

bool lapic_base_ok(u64 from, u64 to, bool has_x2apic, u8 gpa_bits, bool host)
{
	u64 bits = LAPIC_BASE_BSP | LAPIC_BASE_EN | GENMASK_ULL(gpa_bits - 1, 12);

	if (has_x2apic)
		bits |= LAPIC_BASE_EXTD;
	if (to & ~bits || (to & LAPIC_BASE_EXTD && !(to & LAPIC_BASE_EN)))
		return false;
	if (host)
		return true;
	if (base_mode(from) == LAPIC_X2APIC)
		return base_mode(to) != LAPIC_XAPIC;
	return base_mode(from) != LAPIC_DISABLED || base_mode(to) != LAPIC_X2APIC;
}

struct lapic_effects lapic_set_base(struct lapic *lapic, u64 base)
{
	struct lapic_effects effects = {};
	u8 old = lapic->mode;

	lapic->mode = base_mode(base);
	if (lapic->mode == old)
		return effects;
	if (lapic->mode == LAPIC_DISABLED)
		power_up(lapic);
	if (old == LAPIC_X2APIC) {
		set(lapic, LAPIC_ID, lapic->id << 24);
		set(lapic, LAPIC_LDR, 0);
		set(lapic, LAPIC_DFR, U32_MAX);
		set(lapic, LAPIC_ICR2, get(lapic, LAPIC_ICR2) & 0xff000000);
	}
	effects.what = LAPIC_TIMER | LAPIC_ADDRESS | LAPIC_EXTINT | LAPIC_LOOK;
	return effects;
}

/* ---- addresses: SDM 10.6.2 and 10.12.10 ---- */

struct lapic_address lapic_address(const struct lapic *lapic)
{
	bool x2apic = lapic->mode == LAPIC_X2APIC;
	u32 id = read_reg(lapic, LAPIC_ID, 0);

	/* an id that does not fit an xAPIC's eight bits is none of another's */
	if (!x2apic)
		id = lapic->id > XAPIC_ALL ? lapic->id : id >> 24;
	return (struct lapic_address){
		.id = id,
		.ldr = read_reg(lapic, LAPIC_LDR, 0),
		.dfr = get(lapic, LAPIC_DFR),
		.x2apic = x2apic,
		.present = lapic->mode != LAPIC_DISABLED,
		.enabled = lapic_enabled(lapic),
	};
}

/* 8 bits of a destination against bits 31:24 of LDR: all of a flat model, or a cluster's four. */
static bool matches_logical(const struct lapic_address *to, u32 dest)
{
	u8 ldr = to->ldr >> 24;

	if (dest > XAPIC_ALL)
		return false;
	if (to->dfr >> 28 == 0xf)
		return dest & ldr;
	/* models but these two are reserved */
	if (to->dfr >> 28)
		return false;
	return dest == XAPIC_ALL || (dest >> 4 == ldr >> 4 && dest & ldr & 0xf);
}

static bool matches_x2apic(const struct lapic_address *to, const struct irq_msg *msg, bool narrow)
{
	if (narrow && msg->dest == XAPIC_ALL)
		return true;
	if (!msg->logical)
		return msg->dest == to->id;
	return msg->dest >> 16 == to->ldr >> 16 && msg->dest & to->ldr & 0xffff;
}

bool lapic_matches(const struct lapic_address *to, const struct irq_msg *msg, bool narrow)
{
	bool vector = msg->mode == MSG_FIXED || msg->mode == MSG_LOWEST || msg->mode == MSG_EXTINT;

	if (!to->present || (vector && !to->enabled))
		return false;
	if (msg->dest == X2APIC_ALL)
		return true;
	if (to->x2apic)
		return matches_x2apic(to, msg, narrow);
	if (msg->logical)
		return matches_logical(to, msg->dest);
	return msg->dest == XAPIC_ALL || msg->dest == to->id;
}

/* ---- KVM_GET_LAPIC, KVM_SET_LAPIC ---- */

static void page_put(struct kvm_lapic_state *page, u32 offset, u32 value)
{
	memcpy(page->regs + offset, &value, sizeof(value));
}

static u32 page_get(const struct kvm_lapic_state *page, u32 offset)
{
	u32 value;

	memcpy(&value, page->regs + offset, sizeof(value));
	return value;
}

void lapic_get_state(const struct lapic *lapic, struct kvm_lapic_state *state, u64 now,
		     bool wide_ids)
{
	u32 offset;

	memset(state, 0, sizeof(*state));
	for (offset = 0; offset < KVM_APIC_REG_SIZE; offset += 16) {
		if (find_row(lapic, offset))
			page_put(state, offset, read_reg(lapic, offset, now));
	}
	if (lapic->mode == LAPIC_X2APIC && !wide_ids)
		page_put(state, LAPIC_ID, lapic->id << 24);
	/* one that is overdue still has to fire, wherever it goes on */
	if (now >= lapic->deadline)
		page_put(state, LAPIC_TMCCT, 1);
	page_put(state, STATE_HIDDEN, STATE_EXACT | lapic->errors);
}

/* Which bits of the page are state. */
static u32 state_bits(const struct lapic *lapic, u32 offset)
{
	bool x2apic = lapic->mode == LAPIC_X2APIC;

	switch (offset) {
	case LAPIC_ISR ... LAPIC_ESR - 1:
		/* three banks of eight; the first register of each has what are no vectors */
		return offset & 0x70 ? U32_MAX : ~(u32)(BIT(FIRST_VECTOR) - 1);
	case LAPIC_ESR:
		return LAPIC_ESR_SEND_VECTOR | LAPIC_ESR_RECV_VECTOR | LAPIC_ESR_REGISTER;
	case LAPIC_ICR2:
		return x2apic ? U32_MAX : writable_bits(lapic, offset);
	case LAPIC_LVT_LINT0:
		return writable_bits(lapic, offset) | LVT_REMOTE_IRR;
	case LAPIC_SELF_IPI:
		return 0;
	default:
		return find_row(lapic, offset) ? writable_bits(lapic, offset) : 0;
	}
}

static u16 count_vectors(const struct lapic *lapic, u32 bank)
{
	u16 count = 0;
	int vector;

	for (vector = 0; vector < 256; vector++)
		count += has_vector(lapic, bank, vector);
	return count;
}

/* How the count goes on: see lapic_set_state(). */
static void restore_timer(struct lapic *lapic, const struct kvm_lapic_state *state, u64 now)
{
	bool exact = page_get(state, STATE_HIDDEN) & STATE_EXACT;
	u32 whole = get(lapic, LAPIC_TMICT);
	u32 count = min(page_get(state, LAPIC_TMCCT), whole);

	lapic->deadline = LAPIC_NEVER;
	if (timer_mode(lapic) != TIMER_TSC)
		lapic->tsc_deadline = 0;
	else if (lapic->tsc_restored)
		lapic->tsc_deadline = lapic->tsc_restored;
	lapic->tsc_restored = 0;
	if (lapic->mode == LAPIC_DISABLED || !timer_counts(lapic))
		return;
	if (count || exact)
		start_count(lapic, count, now);
	else if (timer_mode(lapic) == TIMER_PERIODIC)
		start_count(lapic, whole, now);
	else if (whole)
		lapic->deadline = now;
}

int lapic_set_state(struct lapic *lapic, const struct kvm_lapic_state *state, u64 now,
		    bool wide_ids)
{
	bool x2apic = lapic->mode == LAPIC_X2APIC;
	u32 offset;

	if (x2apic && wide_ids && page_get(state, LAPIC_ID) != lapic->id)
		return -EINVAL;
	for (offset = 0; offset < KVM_APIC_REG_SIZE; offset += 16)
		set(lapic, offset, page_get(state, offset) & state_bits(lapic, offset));
	set(lapic, LAPIC_DFR, get(lapic, LAPIC_DFR) | ~rows[REG(LAPIC_DFR)].writable);
	lapic->irr_count = count_vectors(lapic, LAPIC_IRR);
	lapic->isr_count = count_vectors(lapic, LAPIC_ISR);
	lapic->errors = page_get(state, STATE_HIDDEN) & state_bits(lapic, LAPIC_ESR);
	restore_timer(lapic, state, now);
	return 0;
}
