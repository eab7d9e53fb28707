// SPDX-License-Identifier: GPL-2.0-only
/*
 * pit.c - PURE: the 8254's three counters, and what port 0x61 adds to the third.
 *
 * A channel is brought up to a pulse of the input clock when somebody looks at it (advance()),
 * in one step however long ago it was: the only thing that can happen in between is a reload
 * from the count register. Output, count and the next edge are computed from the pulses since
 * the last load.
 *
 * What the data sheet leaves open: before a control word a channel is one in mode 0 without a
 * count, a count of 1 in modes 2 and 3 is one of 2, and of a BCD digit above 9 the carry
 * counts.
 *
 * Tested by tools/testing/kvm/pit.
 */
#include "pit.h"

#define NSEC_PER_SECOND	1000000000ull

#define CONTROL_BCD	BIT(0)
#define CONTROL_MODE(v)	((v) >> 1 & 7)
#define CONTROL_RW(v)	((v) >> 4 & 3)
#define CONTROL_WHO(v)	((v) >> 6)
#define READ_BACK	3		/* in place of a channel */

/* Of a read-back command; the first two are active low. */
#define NO_COUNT	BIT(5)
#define NO_STATUS	BIT(4)
#define READ_BACK_OF(n)	BIT((n) + 1)

#define STATUS_OUT	BIT(7)
#define STATUS_NULL	BIT(6)

#define SPEAKER_GATE	BIT(0)
#define SPEAKER_DATA	BIT(1)
#define SPEAKER_REFRESH	BIT(4)
#define SPEAKER_OUT	BIT(5)
#define REFRESH_PULSES	18

#define MODE_UNKNOWN	0xff		/* the ABI's mode before a control word */

/* The data sheet's names of the modes. */
enum pit_mode {
	TERMINAL_COUNT,
	ONE_SHOT,
	RATE,
	SQUARE_WAVE,
	SOFT_STROBE,
	HARD_STROBE,
};

/* The last pulse that is not after this time. */
static u64 pulse_at(u64 ns)
{
	return ns / NSEC_PER_SECOND * PIT_HZ + ns % NSEC_PER_SECOND * PIT_HZ / NSEC_PER_SECOND;
}

/* The first nanosecond that is not before this pulse. */
static u64 time_of(u64 pulse)
{
	return pulse / PIT_HZ * NSEC_PER_SECOND +
	       (pulse % PIT_HZ * NSEC_PER_SECOND + PIT_HZ - 1) / PIT_HZ;
}

/* Bit 2 of the mode does not count where bit 1 is set. */
static enum pit_mode mode_of(const struct pit_channel *c)
{
	return c->mode & 2 ? c->mode & 3 : c->mode;
}

static bool is_periodic(const struct pit_channel *c)
{
	return mode_of(c) == RATE || mode_of(c) == SQUARE_WAVE;
}

static bool needs_trigger(const struct pit_channel *c)
{
	return mode_of(c) == ONE_SHOT || mode_of(c) == HARD_STROBE;
}

/* Pulses until a count that is not reloaded comes around. */
static u32 turn_of(const struct pit_channel *c)
{
	return c->bcd ? 10000 : 65536;
}

/* A count as pulses: 0 is the largest. */
static u32 length_of(const struct pit_channel *c, u16 raw)
{
	u32 value = raw;

	if (c->bcd)
		value = (raw >> 12) * 1000 + (raw >> 8 & 15) * 100 + (raw >> 4 & 15) * 10 +
			(raw & 15);
	value %= turn_of(c);
	return value ? value : turn_of(c);
}

/* And back. */
static u16 raw_of(const struct pit_channel *c, u32 value)
{
	value %= turn_of(c);
	if (!c->bcd)
		return value;
	return value / 1000 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 | value % 10;
}

/* Pulses of high output in a period of mode 3: with an odd count, one more than of low. */
static u32 high_half(const struct pit_channel *c)
{
	return (c->count + 1) / 2;
}

/* Where in its period does a channel in mode 2 or 3 stand? */
static u32 position(const struct pit_channel *c)
{
	return (c->elapsed + (c->low_half ? high_half(c) : 0)) % c->count;
}

/* Pulses to the end of a period (mode 2) or half of one (mode 3), where a new count is loaded. */
static u32 to_reload(const struct pit_channel *c)
{
	u32 at = position(c);

	if (mode_of(c) == SQUARE_WAVE && at < high_half(c))
		return high_half(c) - at;
	return c->count - at;
}

/* Does a pulse count? In mode 0 it does not between the two bytes of a new count. */
static bool is_counting(const struct pit_channel *c)
{
	if (mode_of(c) == TERMINAL_COUNT && c->next_write == PIT_WORD_HIGH)
		return false;
	return c->count && (c->gate || needs_trigger(c));
}

/* The OUT pin ("mode definitions"). */
static bool output(const struct pit_channel *c)
{
	bool over = c->count && c->elapsed >= c->count;

	switch (mode_of(c)) {
	case TERMINAL_COUNT:
		return over && !c->load && c->next_write != PIT_WORD_HIGH;
	case ONE_SHOT:
		return over || !c->count;
	case RATE:
		return !is_counting(c) || c->load || position(c) != c->count - 1;
	case SQUARE_WAVE:
		return !is_counting(c) || c->load || position(c) < high_half(c);
	default:
		return !over || c->elapsed != c->count;
	}
}

/* What a read of the counting element gives. */
static u16 reading(const struct pit_channel *c)
{
	u32 left = c->count + turn_of(c) - c->elapsed % turn_of(c);

	if (is_periodic(c) && c->count)
		left = mode_of(c) == RATE ? to_reload(c) : 2 * to_reload(c);
	if (mode_of(c) == SQUARE_WAVE && c->count & 1 && position(c) < high_half(c))
		left -= 2;
	return raw_of(c, left);
}

static void load(struct pit_channel *c, bool low_half)
{
	c->count = is_periodic(c) ? max_t(u32, c->length, 2) : c->length;
	c->elapsed = 0;
	c->low_half = low_half;
	c->unloaded = false;
	c->load = false;
}

/* Bring a channel up to a pulse. */
static void advance(struct pit_channel *c, u64 tick)
{
	u64 pulses = tick - c->tick;
	u32 left;

	if (tick <= c->tick)
		return;
	c->tick = tick;
	if (c->load) {
		load(c, false);
		pulses--;
	}
	if (!is_counting(c)) {
		/* a closed gate stops the count, but not the end of a strobe: it was a turn ago */
		if (mode_of(c) == SOFT_STROBE && c->elapsed == c->count)
			c->elapsed += turn_of(c);
		return;
	}
	left = is_periodic(c) ? to_reload(c) : 0;
	if (left && pulses >= left) {
		load(c, mode_of(c) == SQUARE_WAVE && position(c) < high_half(c));
		pulses -= left;
	}
	c->elapsed += pulses;
}

/* The gate rises: but for modes 0 and 4, which only look at its level, start again. */
static void trigger(struct pit_channel *c)
{
	if (c->length && (is_periodic(c) || needs_trigger(c)))
		c->load = true;
}

void pit_reset(struct pit *pit)
{
	unsigned int i;

	memset(pit, 0, sizeof(*pit));
	for (i = 0; i < PIT_CHANNELS; i++) {
		pit->channels[i] = (struct pit_channel) {
			.unloaded = true,
			.gate = i != 2,
			.rw = PIT_WORD,
			.next_read = PIT_WORD,
			.next_write = PIT_WORD,
		};
	}
}

/* A count is complete. One that is running in modes 2 and 3 ends its period first. */
static void set_count(struct pit_channel *c, u16 raw)
{
	c->length = length_of(c, raw);
	c->unloaded = true;
	if (!needs_trigger(c) && !(is_periodic(c) && c->count))
		c->load = true;
}

static void write_count(struct pit_channel *c, u8 value)
{
	switch (c->next_write) {
	case PIT_LOW:
		set_count(c, value);
		break;
	case PIT_HIGH:
		set_count(c, value << 8);
		break;
	case PIT_WORD:
		c->written = value;
		c->next_write = PIT_WORD_HIGH;
		return;
	case PIT_WORD_HIGH:
		set_count(c, value << 8 | c->written);
		break;
	}
	c->next_write = c->rw;
}

static void latch_count(struct pit_channel *c)
{
	if (c->count_latched)
		return;
	c->count_latched = c->rw;
	c->latched_count = reading(c);
}

static void latch_status(struct pit_channel *c)
{
	if (c->status_latched)
		return;
	c->status_latched = true;
	c->status = (output(c) ? STATUS_OUT : 0) | (c->unloaded ? STATUS_NULL : 0) |
		    c->rw << 4 | c->mode << 1 | c->bcd;
}

static void read_back(struct pit *pit, u8 value, u64 tick)
{
	struct pit_channel *c;
	unsigned int i;

	for (i = 0; i < PIT_CHANNELS; i++) {
		if (!(value & READ_BACK_OF(i)))
			continue;
		c = &pit->channels[i];
		advance(c, tick);
		if (!(value & NO_COUNT))
			latch_count(c);
		if (!(value & NO_STATUS))
			latch_status(c);
	}
}

/* A control word forgets the count, what was latched, and half a word. */
static void program(struct pit_channel *c, u8 value)
{
	*c = (struct pit_channel) {
		.tick = c->tick,
		.unloaded = true,
		.mode = CONTROL_MODE(value),
		.programmed = true,
		.bcd = value & CONTROL_BCD,
		.gate = c->gate,
		.rw = CONTROL_RW(value),
		.next_read = CONTROL_RW(value),
		.next_write = CONTROL_RW(value),
	};
}

static void write_control(struct pit *pit, u8 value, u64 tick)
{
	struct pit_channel *c = &pit->channels[CONTROL_WHO(value) % PIT_CHANNELS];

	if (CONTROL_WHO(value) == READ_BACK) {
		read_back(pit, value, tick);
		return;
	}
	advance(c, tick);
	if (CONTROL_RW(value))
		program(c, value);
	else
		latch_count(c);
}

void pit_write(struct pit *pit, u16 port, u8 value, u64 now)
{
	unsigned int n = port & 3;

	if (n == PIT_CHANNELS) {
		write_control(pit, value, pulse_at(now));
		return;
	}
	advance(&pit->channels[n], pulse_at(now));
	write_count(&pit->channels[n], value);
}

/* One byte of a count, by what is the next; @then is next after the last. */
static u8 take_byte(u8 *next, u8 then, u16 count)
{
	u8 which = *next;

	*next = which == PIT_WORD ? PIT_WORD_HIGH : then;
	return which == PIT_HIGH || which == PIT_WORD_HIGH ? count >> 8 : count;
}

u8 pit_read(struct pit *pit, u16 port, u64 now)
{
	struct pit_channel *c = &pit->channels[(port & 3) % PIT_CHANNELS];

	if ((port & 3) == PIT_CHANNELS)
		return 0xff;
	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	if (c->count_latched)
		return take_byte(&c->count_latched, PIT_NO_BYTE, c->latched_count);
	advance(c, pulse_at(now));
	return take_byte(&c->next_read, c->rw, reading(c));
}

void pit_speaker_write(struct pit *pit, u8 value, u64 now)
{
	struct pit_channel *c = &pit->channels[2];

	advance(c, pulse_at(now));
	if (value & SPEAKER_GATE && !c->gate)
		trigger(c);
	c->gate = value & SPEAKER_GATE;
	pit->speaker_data = value & SPEAKER_DATA;
}

u8 pit_speaker_read(const struct pit *pit, u64 now)
{
	struct pit_channel c = pit->channels[2];

	advance(&c, pulse_at(now));
	return (c.gate ? SPEAKER_GATE : 0) | (pit->speaker_data ? SPEAKER_DATA : 0) |
	       (pulse_at(now) / REFRESH_PULSES & 1 ? SPEAKER_REFRESH : 0) |
	       (output(&c) ? SPEAKER_OUT : 0);
}

/* Of channel 0, its count loaded: pulses to the next rise, 0 for never. */
static u64 pulses_to_rise(const struct pit_channel *c)
{
	if (!is_counting(c))
		return 0;
	if (is_periodic(c))
		return c->count - position(c);
	if (mode_of(c) == SOFT_STROBE && c->elapsed <= c->count)
		return c->count - c->elapsed + 1;
	return c->elapsed < c->count ? c->count - c->elapsed : 0;
}

u64 pit_next_edge(const struct pit *pit, u64 now)
{
	struct pit_channel c = pit->channels[0];
	bool low;
	u64 left;

	if (pit->hpet_legacy)
		return U64_MAX;
	advance(&c, pulse_at(now));
	low = !output(&c);
	if (c.load)
		advance(&c, c.tick + 1);
	else if (mode_of(&c) == SQUARE_WAVE && c.count)
		/* the low half may be a new count's */
		advance(&c, c.tick + to_reload(&c));
	if (low && output(&c))
		return time_of(c.tick);
	left = pulses_to_rise(&c);
	return left ? time_of(c.tick + left) : U64_MAX;
}

u64 pit_period(const struct pit *pit)
{
	const struct pit_channel *c = &pit->channels[0];

	if (pit->hpet_legacy || !is_periodic(c) || !c->length)
		return 0;
	return max_t(u32, c->length, 2) * NSEC_PER_SECOND / PIT_HZ;
}

static struct kvm_pit_channel_state get_channel(const struct pit_channel *c)
{
	u16 raw = raw_of(c, c->length);

	return (struct kvm_pit_channel_state) {
		.count = raw ? raw : 0x10000,
		.latched_count = c->latched_count,
		.count_latched = c->count_latched,
		.status_latched = c->status_latched,
		.status = c->status,
		.read_state = c->next_read,
		.write_state = c->next_write,
		.write_latch = c->written,
		.rw_mode = c->rw,
		.mode = c->programmed ? mode_of(c) : MODE_UNKNOWN,
		.bcd = c->bcd,
		.gate = c->gate,
		.count_load_time = time_of(c->tick - min(c->elapsed, c->tick)),
	};
}

void pit_get_state(const struct pit *pit, struct kvm_pit_state2 *state)
{
	unsigned int i;

	memset(state, 0, sizeof(*state));
	for (i = 0; i < PIT_CHANNELS; i++)
		state->channels[i] = get_channel(&pit->channels[i]);
	state->flags = (pit->hpet_legacy ? KVM_PIT_FLAGS_HPET_LEGACY : 0) |
		       (pit->speaker_data ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0);
}

static bool channel_ok(const struct kvm_pit_channel_state *state)
{
	return state->count <= 0x10000 && (state->mode <= 7 || state->mode == MODE_UNKNOWN) &&
	       state->rw_mode <= PIT_WORD && state->read_state <= PIT_WORD_HIGH &&
	       state->write_state <= PIT_WORD_HIGH && state->count_latched <= PIT_WORD_HIGH;
}

static void set_channel(struct pit_channel *c, const struct kvm_pit_channel_state *state)
{
	u8 rw = state->rw_mode ? state->rw_mode : PIT_WORD;

	c->programmed = state->mode != MODE_UNKNOWN;
	c->mode = c->programmed ? state->mode : 0;
	c->bcd = state->bcd;
	c->rw = rw;
	c->next_read = state->read_state ? state->read_state : rw;
	c->next_write = state->write_state ? state->write_state : rw;
	c->written = state->write_latch;
	c->count_latched = state->count_latched;
	c->latched_count = state->latched_count;
	c->status_latched = state->status_latched;
	c->status = state->status;
	if (c->programmed)
		set_count(c, state->count);
}

int pit_set_state(struct pit *pit, const struct kvm_pit_state2 *state, u64 now)
{
	unsigned int i;

	if (state->flags & ~(KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON))
		return -EINVAL;
	for (i = 0; i < PIT_CHANNELS; i++) {
		if (!channel_ok(&state->channels[i]))
			return -EINVAL;
	}
	pit_reset(pit);
	for (i = 0; i < PIT_CHANNELS; i++) {
		pit->channels[i].tick = pulse_at(now);
		set_channel(&pit->channels[i], &state->channels[i]);
	}
	pit->channels[2].gate = state->channels[2].gate;
	pit->hpet_legacy = state->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit->speaker_data = state->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	return 0;
}
