// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - the 8254: each mode's figure in the data sheet, access to the counts, port 0x61, the
 * edges of channel 0 as times, the ABI's structs; then random programs against naive.c, which is
 * told of each pulse. "mutants" says what each test is good for.
 */
#include "naive.h"
#include "../check.h"
#include "../../../../arch/x86/kvm/irq/pit.h"

static struct pit pit;
static u64 tick;

/* Nanoseconds of a pulse, rounded up. */
static u64 ns(u64 pulse)
{
	return ((unsigned __int128)pulse * 1000000000 + 1193181) / 1193182;
}

static void start(void)
{
	pit_reset(&pit);
	tick = 1000;
}

static void out(u16 port, u8 value)
{
	pit_write(&pit, port, value, ns(tick));
}

static u8 in(u16 port)
{
	return pit_read(&pit, port, ns(tick));
}

static void gate(bool high)
{
	pit_speaker_write(&pit, high, ns(tick));
}

static bool out2(void)
{
	return pit_speaker_read(&pit, ns(tick)) & 0x20;
}

/* What reads of a channel would give, without making them. */
static u16 count_of(int n)
{
	struct pit copy = pit;
	u8 low;

	copy.channels[n].status_latched = false;
	copy.channels[n].count_latched = 0;
	copy.channels[n].rw = 3;
	copy.channels[n].next_read = 3;
	low = pit_read(&copy, 0x40 + n, ns(tick));
	return pit_read(&copy, 0x40 + n, ns(tick)) << 8 | low;
}

static u8 status_of(int n)
{
	struct pit copy = pit;

	copy.channels[n].status_latched = false;
	pit_write(&copy, 0x43, 0xe0 | 2 << n, ns(tick));
	return pit_read(&copy, 0x40 + n, ns(tick));
}

/*
 * The data sheet's figures, on channel 2. A character each: what happens before a pulse ('.'
 * nothing, 'w' the count is written, 'v' another one, '-' the gate falls, '+' it rises), then
 * OUT and the count as they are after it; '?' where there is none yet.
 */
static const struct figure {
	const char *name;
	u8 control;
	u8 first, second;
	const char *does, *out, *count;
} figures[] = {
	{ "mode 0", 0x90, 4, 0, "w.......", "00001111", "43210???" },
	{ "mode 0, gate", 0x90, 3, 0, "w.-..+..", "00000011", "3222210?" },
	{ "mode 0, gate before the load", 0x90, 2, 0, "-w..+...", "00000111", "?22210??" },
	{ "mode 0, new count", 0x90, 3, 2, "w..v....", "00000111", "321210??" },
	{ "mode 0, new count after the end", 0x90, 1, 2, "w...v...", "01110011", "10??210?" },
	{ "mode 1", 0x92, 3, 0, "-w..+.......", "111100011111", "????3210????" },
	{ "mode 1, triggered again", 0x92, 3, 0, "-w+.-+...", "110000001", "??3213210" },
	{ "mode 1, new count", 0x92, 2, 4, "-w+v..-+....", "110011100001", "??210??43210" },
	{ "mode 1, without a count", 0x92, 2, 0, "-.+.w...", "11111111", "????????" },
	{ "mode 2", 0x94, 3, 0, "w........", "110110110", "321321321" },
	{ "mode 2, gate", 0x94, 3, 0, "w..-.+...", "110111101", "321113213" },
	{ "mode 2, new count", 0x94, 4, 5, "w..v......", "1110111101", "4321543215" },
	{ "mode 2, new count by trigger", 0x94, 4, 5, "w.v-+.....", "1111111101", "4322543215" },
	{ "mode 2, count 1", 0x94, 1, 0, "w.....", "101010", "212121" },
	{ "mode 3, even", 0x96, 4, 0, "w........", "110011001", "424242424" },
	{ "mode 3, odd", 0x96, 5, 0, "w.........", "1110011100", "4204242042" },
	{ "mode 3, gate", 0x96, 4, 0, "w..-.+...", "110111100", "424444242" },
	{ "mode 3, new count in the high half", 0x96, 4, 6, "w.v......", "110001110", "426426426" },
	{ "mode 3, new count in the low half", 0x96, 4, 6, "w..v.....", "110011100", "424264264" },
	{ "mode 4", 0x98, 3, 0, "w........", "111011111", "3210?????" },
	{ "mode 4, gate", 0x98, 3, 0, "w.-..+...", "111111011", "3222210??" },
	{ "mode 4, gate in the strobe", 0x98, 2, 0, "w..-.+...", "110111111", "21000????" },
	{ "mode 4, new count", 0x98, 3, 2, "w.v......", "111101111", "32210????" },
	{ "mode 5", 0x9a, 3, 0, "-w.+.....", "111111011", "???3210??" },
	{ "mode 5, triggered again", 0x9a, 3, 0, "-w+-+....", "111111101", "??323210?" },
	{ "mode 6 is 2", 0x9c, 3, 0, "w.....", "110110", "321321" },
	{ "mode 7 is 3", 0x9e, 4, 0, "w.....", "110011", "424242" },
};

static void do_figure(char what, const struct figure *f)
{
	if (what == 'w' || what == 'v')
		out(0x42, what == 'w' ? f->first : f->second);
	if (what == '+' || what == '-')
		gate(what == '+');
}

static void test_figures(void)
{
	const struct figure *f;
	size_t i;

	for (f = figures; f < figures + ARRAY_SIZE(figures); f++) {
		start();
		gate(true);
		out(0x43, f->control);
		for (i = 0; f->does[i]; i++) {
			do_figure(f->does[i], f);
			tick++;
			CHECK(out2() == (f->out[i] == '1'), "%s, pulse %zu", f->name, i);
			CHECK(f->count[i] == '?' || count_of(2) == f->count[i] - '0',
			      "%s, pulse %zu: %u", f->name, i, count_of(2));
		}
	}
}

/* What takes effect without waiting for a pulse. */
static void test_at_once(void)
{
	start();
	gate(true);
	out(0x43, 0xb0);
	CHECK(!out2(), "mode 0 begins low");
	out(0x42, 2);
	out(0x42, 0);
	tick += 10;
	CHECK(out2() && count_of(2) == 0x10000 - 7, "%#x", count_of(2));
	out(0x42, 9);
	CHECK(!out2(), "the first byte ends it");
	tick += 10;
	CHECK(count_of(2) == 0x10000 - 7, "and the counting");
	out(0x42, 0);
	CHECK(!out2(), "loads with the next pulse");
	tick += 2;
	CHECK(count_of(2) == 8, "%u", count_of(2));
	out(0x43, 0x94);
	CHECK(out2(), "other modes begin high");
	out(0x42, 4);
	tick += 4;
	CHECK(!out2(), "low");
	gate(false);
	CHECK(out2(), "a closed gate is high output");
	gate(true);
	CHECK(out2(), "until the load");
	out(0x43, 0x96);
	out(0x42, 4);
	tick += 3;
	CHECK(!out2(), "low");
	gate(false);
	CHECK(out2(), "a closed gate is high output");
	gate(true);
	CHECK(out2(), "until the load");
	gate(true);
	tick += 3;
	CHECK(!out2(), "an open gate that is opened is no trigger");
}

static void test_access(void)
{
	start();
	CHECK(in(0x43) == 0xff, "the control word cannot be read");
	out(0x43, 0x14);
	out(0x40, 0x12);
	tick++;
	CHECK(count_of(0) == 0x12 && in(0x40) == 0x12 && in(0x40) == 0x12, "low byte only");
	out(0x43, 0x24);
	out(0x40, 0x12);
	tick++;
	CHECK(count_of(0) == 0x1200 && in(0x40) == 0x12 && in(0x40) == 0x12, "high byte only");
	out(0x43, 0x34);
	out(0x40, 0x34);
	out(0x40, 0x12);
	tick++;
	CHECK(in(0x40) == 0x34 && in(0x40) == 0x12 && in(0x40) == 0x34, "word");
	out(0x43, 0x34);
	out(0x40, 0x56);
	CHECK(in(0x40) == 0 && in(0x40) == 0, "reads and writes have a turn each");
	out(0x40, 0x78);
	tick++;
	CHECK(count_of(0) == 0x7856, "%#x", count_of(0));
	out(0x40, 0x11);
	out(0x43, 0x34);
	out(0x40, 0x22);
	out(0x40, 0x33);
	tick++;
	CHECK(count_of(0) == 0x3322, "a control word forgets half a count");
	in(0x40);
	out(0x43, 0x34);
	out(0x40, 0x44);
	out(0x40, 0x55);
	tick++;
	CHECK(in(0x40) == 0x44, "and half a read");
	out(0x43, 0x74);
	out(0x41, 0x66);
	out(0x41, 0x77);
	tick++;
	CHECK(count_of(1) == 0x7766 && count_of(0) == 0x5544 - 1, "channels are apart");
}

static void test_latch(void)
{
	start();
	out(0x43, 0x34);
	out(0x40, 0x00);
	out(0x40, 0x80);
	tick += 1 + 0x10;
	out(0x43, 0x00);
	tick += 0x10;
	out(0x43, 0x00);
	CHECK(in(0x40) == 0xf0, "the first latch counts");
	tick += 0x200;
	CHECK(in(0x40) == 0x7f, "both bytes are of one moment");
	CHECK(in(0x40) == 0xe0, "and then it follows again");
	in(0x40);
	out(0x43, 0x00);
	out(0x43, 0x14);
	out(0x40, 5);
	tick++;
	CHECK(in(0x40) == 5, "a control word forgets the latch");
	tick++;
	out(0x43, 0x00);
	tick++;
	CHECK(in(0x40) == 4 && in(0x40) == 3, "one byte of a byte");
	out(0x43, 0x24);
	out(0x40, 0x30);
	tick += 2;
	out(0x43, 0x00);
	tick += 0x100;
	CHECK(in(0x40) == 0x2f && in(0x40) == 0x2e, "high bytes");
}

static void test_read_back(void)
{
	start();
	out(0x43, 0x37);
	CHECK(status_of(0) == 0xf7, "%#x", status_of(0));
	out(0x40, 0x08);
	CHECK(status_of(0) == 0xf7, "half a count");
	out(0x40, 0x00);
	CHECK(status_of(0) == 0xf7, "written");
	tick++;
	CHECK(status_of(0) == 0xb7, "loaded");
	tick += 4;
	CHECK(status_of(0) == 0x37, "low");
	out(0x40, 0x06);
	CHECK(status_of(0) == 0x37, "half a count is none yet");
	out(0x40, 0x00);
	CHECK(status_of(0) == 0x77, "a new count waits");
	tick += 4;
	CHECK(status_of(0) == 0xb7, "%#x", status_of(0));

	out(0x43, 0xc2);
	tick += 3;
	CHECK(status_of(0) == 0x37, "%#x", status_of(0));
	out(0x43, 0xc2);
	CHECK(in(0x40) == 0xb7, "status first, and the first one");
	CHECK(in(0x40) == 6 && in(0x40) == 0, "then the count");
	out(0x43, 0xd2);
	tick++;
	CHECK(in(0x40) == 6 && in(0x40) == 0, "only the count");
	out(0x43, 0xe2);
	tick++;
	CHECK(in(0x40) == 0x37 && in(0x40) == 2 && in(0x40) == 0, "only the status");

	out(0x43, 0x9c);
	out(0x43, 0x58);
	out(0x43, 0xec);
	CHECK(in(0x41) == 0xd8 && in(0x42) == 0xdc, "two channels; a mode as it was written");
	CHECK(!pit.channels[0].status_latched, "not the third");
	out(0x43, 0xe2);
	out(0x43, 0x34);
	CHECK(!pit.channels[0].status_latched, "a control word forgets it");
}

static void test_bcd(void)
{
	start();
	gate(true);
	out(0x43, 0xb1);
	out(0x42, 0x00);
	out(0x42, 0x10);
	tick += 2;
	CHECK(count_of(2) == 0x0999, "%#x", count_of(2));
	tick += 998;
	CHECK(!out2() && count_of(2) == 1, "%#x", count_of(2));
	tick++;
	CHECK(out2() && count_of(2) == 0, "%#x", count_of(2));
	tick++;
	CHECK(count_of(2) == 0x9999, "%#x", count_of(2));
	out(0x42, 0);
	out(0x42, 0);
	tick += 10000;
	CHECK(!out2() && count_of(2) == 1, "zero is 10000: %#x", count_of(2));
	tick++;
	CHECK(out2(), "over");
	out(0x42, 0x1a);
	out(0x42, 0xf0);
	tick++;
	CHECK(count_of(2) == 0x5020, "%#x", count_of(2));
	out(0x42, 0x00);
	out(0x42, 0xa0);
	tick += 10000;
	CHECK(!out2(), "a thousand tens are zero, too");
	out(0x43, 0xb0);
	out(0x42, 0);
	out(0x42, 0);
	tick += 65536;
	CHECK(!out2() && count_of(2) == 1, "zero is 65536: %#x", count_of(2));
	tick++;
	CHECK(out2(), "over");
}

static void test_speaker(void)
{
	int i, changes = 0, before = -1, now;

	start();
	tick = 18 * 1000;
	CHECK(pit_speaker_read(&pit, ns(tick)) == 0, "%#x", pit_speaker_read(&pit, ns(tick)));
	pit_speaker_write(&pit, 0xfe, ns(tick));
	CHECK((pit_speaker_read(&pit, ns(tick)) & ~0x10) == 2, "data");
	pit_speaker_write(&pit, 0xfd, ns(tick));
	CHECK((pit_speaker_read(&pit, ns(tick)) & ~0x10) == 1, "gate");
	out(0x43, 0xb6);
	CHECK((pit_speaker_read(&pit, ns(tick)) & ~0x10) == 0x21, "out");
	/* memory is refreshed 66 288 times a second: PIT_HZ / 18 */
	for (i = 0; i < 1800; i++) {
		now = pit_speaker_read(&pit, ns(tick + i)) & 0x10;
		changes += before >= 0 && now != before;
		before = now;
	}
	CHECK(changes == 99, "%d", changes);
}

static void program0(u8 control, u16 count)
{
	out(0x43, control);
	out(0x40, count);
	out(0x40, count >> 8);
}

static u64 edge(void)
{
	return pit_next_edge(&pit, ns(tick));
}

static void test_edges(void)
{
	start();
	CHECK(edge() == U64_MAX && pit_period(&pit) == 0, "not programmed");
	out(0x43, 0x34);
	CHECK(edge() == U64_MAX && pit_period(&pit) == 0, "no count");
	program0(0x34, 100);
	CHECK(edge() == ns(1101), "mode 2");
	tick += 100;
	CHECK(edge() == ns(1101), "one before");
	tick += 1;
	CHECK(edge() == ns(1201), "at an edge the next is meant");
	CHECK(pit_next_edge(&pit, ns(tick) - 1) == ns(1101), "just before it, it");
	program0(0x36, 101);
	CHECK(edge() == ns(tick + 102), "mode 3");
	tick += 70;
	CHECK(edge() == ns(tick + 32), "in the low half");
	program0(0x30, 5);
	CHECK(edge() == ns(tick + 6) && pit_period(&pit) == 0, "mode 0");
	tick += 5;
	CHECK(edge() == ns(tick + 1), "mode 0");
	tick += 1;
	CHECK(edge() == U64_MAX, "over");
	out(0x40, 9);
	tick += 9;
	CHECK(edge() == U64_MAX, "half a count");
	out(0x40, 0);
	CHECK(edge() == ns(tick + 10), "a new one");
	program0(0x32, 5);
	CHECK(edge() == U64_MAX && pit_period(&pit) == 0, "mode 1 has no trigger");
	program0(0x3a, 5);
	CHECK(edge() == U64_MAX && pit_period(&pit) == 0, "mode 5 has no trigger");
	tick += 100;
	CHECK(edge() == U64_MAX, "nor later");
	program0(0x38, 5);
	CHECK(edge() == ns(tick + 7) && pit_period(&pit) == 0, "mode 4");
	tick += 6;
	CHECK(edge() == ns(tick + 1), "in the strobe");
	out(0x40, 8);
	out(0x40, 0);
	CHECK(edge() == ns(tick + 1), "a new count, too");
	tick += 1;
	CHECK(edge() == ns(tick + 9), "then its own: %llu", (unsigned long long)edge());
	tick += 9;
	CHECK(edge() == U64_MAX, "over");
}

static void test_new_counts(void)
{
	start();
	program0(0x34, 10);
	tick += 5;
	out(0x40, 20);
	out(0x40, 0);
	CHECK(edge() == ns(1011), "mode 2: the period ends first");
	CHECK(pit_next_edge(&pit, ns(1011)) == ns(1031), "then the new one");
	CHECK(pit_period(&pit) == 20 * 1000000000ull / 1193182, "period is the new one's");
	program0(0x36, 10);
	tick += 3;
	out(0x40, 20);
	out(0x40, 0);
	CHECK(edge() == ns(1005 + 1 + 5 + 10), "mode 3: only the half");
	tick += 3;
	CHECK(edge() == ns(1005 + 1 + 5 + 10), "the same from the low half");
	tick += 10;
	CHECK(edge() == ns(1005 + 1 + 5 + 10 + 20), "and then whole ones");
	program0(0x36, 10);
	tick += 7;
	out(0x40, 20);
	out(0x40, 0);
	CHECK(edge() == ns(tick - 7 + 11), "in the low half: its end");
}

static void test_period(void)
{
	start();
	program0(0x34, 0);
	CHECK(pit_period(&pit) == 54925401, "%llu", (unsigned long long)pit_period(&pit));
	CHECK(edge() == ns(tick + 65537), "the longest");
	program0(0x36, 1193);
	CHECK(pit_period(&pit) == 999847, "%llu", (unsigned long long)pit_period(&pit));
	program0(0x34, 1);
	CHECK(pit_period(&pit) == 1676 && edge() == ns(tick + 3), "the shortest");
	program0(0x3e, 2);
	CHECK(pit_period(&pit) == 1676 && edge() == ns(tick + 3), "the shortest");
	program0(0x35, 0);
	CHECK(pit_period(&pit) == 8380951, "%llu", (unsigned long long)pit_period(&pit));
}

/* A year later an edge is still where multiplication puts it. */
static void test_no_drift(void)
{
	u64 now, n, load;
	int i;

	start();
	tick = 1193182 - 101;
	program0(0x34, 100);
	CHECK(edge() == 1000000000, "pulse 1193182 is a second to the nanosecond");
	tick = 123456789012ull;
	program0(0x34, 11932);
	load = tick + 1;
	now = ns(tick);
	for (i = 0; i < 1000; i++) {
		now = pit_next_edge(&pit, now);
		CHECK(now == ns(load + 11932ull * (i + 1)), "edge %d", i);
	}
	n = 3153600000ull;
	now = ns(load + n * 11932);
	CHECK(pit_next_edge(&pit, now - 1) == now, "edge %llu", (unsigned long long)n);
	CHECK(pit_next_edge(&pit, now) == ns(load + (n + 1) * 11932), "and the next");
	tick = load + n * 11932 + 1;
	CHECK(count_of(0) == 11931, "%u", count_of(0));
	in(0x40);
	tick -= 12345;
	CHECK(count_of(0) == 11931, "time that went back");
}

static void test_hpet(void)
{
	struct kvm_pit_state2 state;

	start();
	program0(0x34, 100);
	pit_get_state(&pit, &state);
	CHECK(state.flags == 0, "%#x", state.flags);
	state.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	CHECK(pit_set_state(&pit, &state, ns(tick)) == 0, "set");
	CHECK(edge() == U64_MAX && pit_period(&pit) == 0, "no edges");
	tick += 11;
	CHECK(count_of(0) == 90, "it counts: %u", count_of(0));
	pit_get_state(&pit, &state);
	CHECK(state.flags == KVM_PIT_FLAGS_HPET_LEGACY, "%#x", state.flags);
	state.flags = 0;
	pit_set_state(&pit, &state, ns(tick));
	CHECK(edge() == ns(tick + 101), "edges again");
}

static void test_get(void)
{
	struct kvm_pit_state2 state;
	struct kvm_pit_channel_state *c = state.channels;

	start();
	memset(&state, 0xff, sizeof(state));
	pit_get_state(&pit, &state);
	CHECK(c[0].mode == 0xff && c[0].gate == 1 && c[0].count == 0x10000 && c[0].rw_mode == 3 &&
	      c[0].read_state == 3 && c[0].write_state == 3, "reset");
	CHECK(c[1].mode == 0xff && c[1].gate == 1 && c[2].mode == 0xff && c[2].gate == 0, "reset");
	CHECK(!state.flags && !state.reserved[0] && !state.reserved[8] && !c[0].bcd, "reset");

	out(0x43, 0xbf);
	out(0x42, 0x34);
	out(0x42, 0x12);
	out(0x42, 0x56);
	pit_speaker_write(&pit, 3, ns(tick));
	tick += 5;
	out(0x43, 0xc8);
	in(0x42);
	in(0x42);
	out(0x43, 0xe8);
	pit_get_state(&pit, &state);
	CHECK(c[2].count == 0x1234 && c[2].bcd == 1 && c[2].mode == 3 && c[2].gate == 1, "2");
	CHECK(c[2].latched_count == 0x1226 && c[2].count_latched == 4, "%#x", c[2].latched_count);
	CHECK(c[2].status_latched == 1 && c[2].status == 0xbf, "%#x", c[2].status);
	CHECK(c[2].read_state == 3 && c[2].write_state == 4 && c[2].write_latch == 0x56, "bytes");
	CHECK(c[2].rw_mode == 3 && c[2].count_load_time == (s64)ns(1001), "%lld",
	      (long long)c[2].count_load_time);
	CHECK(state.flags == KVM_PIT_FLAGS_SPEAKER_DATA_ON, "%#x", state.flags);

	out(0x43, 0x74);
	pit_get_state(&pit, &state);
	CHECK(c[1].count_load_time == (s64)ns(tick) && c[1].mode == 2, "channel 1");

	out(0x43, 0x10);
	out(0x40, 7);
	in(0x42);
	in(0x42);
	in(0x42);
	pit_get_state(&pit, &state);
	CHECK(c[0].count == 7 && c[0].read_state == 1 && c[0].write_state == 1 &&
	      c[0].rw_mode == 1 && c[0].mode == 0 && !c[0].bcd, "channel 0");
	CHECK(c[2].read_state == 4 && !c[2].count_latched && !c[2].status_latched, "channel 2");
}

/* What was got is set, and got again; the count begins anew. */
static void test_set(void)
{
	struct kvm_pit_state2 state, again;
	int i;

	start();
	pit_get_state(&pit, &state);
	for (i = 0; i < 3; i++) {
		state.channels[i] = (struct kvm_pit_channel_state) {
			.count = 100 + i, .latched_count = 0x1234, .count_latched = 4 - i,
			.status_latched = i & 1, .status = 0x11 * i, .read_state = 4 - i,
			.write_state = 2 + i, .write_latch = 0x77, .rw_mode = 3 - i, .mode = 2 + i,
			.bcd = i & 1, .gate = 1, .count_load_time = -5,
		};
	}
	state.flags = KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	CHECK(pit_set_state(&pit, &state, ns(tick)) == 0, "set");
	pit_get_state(&pit, &again);
	for (i = 0; i < 3; i++) {
		CHECK(again.channels[i].count_load_time == (s64)ns(tick), "%d", i);
		again.channels[i].count_load_time = -5;
	}
	CHECK(!memcmp(&state, &again, sizeof(state)), "the same");
	CHECK(edge() == ns(tick + 101), "begins anew");
	tick += 11;
	CHECK(count_of(2) == 102 - 10, "%u", count_of(2));
	/* the raw count 101 is 65 in decimal, of which mode 3 counts 64, 62, ... */
	CHECK(count_of(1) == 0x44, "%#x", count_of(1));
	CHECK(status_of(0) == 0xb4, "%#x", status_of(0));
	CHECK(in(0x40) == 0x12, "the second byte of the latched count");
	CHECK(in(0x41) == 0x11 && in(0x41) == 0x34, "status, then the latched count");

	state.channels[0].mode = 1;
	state.channels[1].mode = 5;
	state.channels[2].mode = 0xff;
	state.channels[2].gate = 0;
	CHECK(pit_set_state(&pit, &state, ns(tick)) == 0, "set");
	CHECK(edge() == U64_MAX && status_of(0) == 0xf2, "mode 1 waits: %#x", status_of(0));
	tick += 1000;
	CHECK(status_of(1) == 0xeb && status_of(2) == 0x50, "%#x %#x", status_of(1), status_of(2));
	CHECK(edge() == U64_MAX, "mode 1 waits");
	pit_get_state(&pit, &again);
	CHECK(again.channels[2].mode == 0xff && again.channels[2].gate == 0, "not programmed");
}

static void test_set_lenient(void)
{
	struct kvm_pit_state2 state;
	struct kvm_pit_channel_state *c = state.channels;

	start();
	memset(&state, 0, sizeof(state));
	CHECK(pit_set_state(&pit, &state, ns(tick)) == 0, "zeroes");
	pit_get_state(&pit, &state);
	CHECK(c[0].count == 0x10000 && c[0].rw_mode == 3 && c[0].read_state == 3 &&
	      c[0].write_state == 3 && c[0].gate == 1 && c[1].gate == 1 && c[2].gate == 0, "zero");
	CHECK(edge() == ns(tick + 65537), "mode 0");
	c[0].mode = 2;
	c[0].count = 0x10000;
	c[0].rw_mode = 1;
	c[0].read_state = 0;
	c[0].write_state = 0;
	c[0].bcd = 2;
	c[2].gate = 0x80;
	c[2].status_latched = 4;
	CHECK(pit_set_state(&pit, &state, ns(tick)) == 0, "set");
	CHECK(edge() == ns(tick + 10001), "decimal");
	pit_get_state(&pit, &state);
	CHECK(c[0].read_state == 1 && c[0].write_state == 1 && c[0].bcd == 1, "bytes by rw_mode");
	CHECK(c[2].gate == 1 && c[2].status_latched == 1, "a bool is a bool");
	/* a state that does not go with rw_mode is left at the next byte */
	c[0].rw_mode = 1;
	c[0].read_state = 4;
	c[0].write_state = 4;
	CHECK(pit_set_state(&pit, &state, ns(tick)) == 0, "set");
	out(0x40, 1);
	out(0x40, 9);
	in(0x40);
	CHECK(pit.channels[0].next_read == 1 && pit.channels[0].next_write == 1, "mended");
	c[0].mode = 6;
	CHECK(pit_set_state(&pit, &state, ns(tick)) == 0, "set");
	pit_get_state(&pit, &state);
	CHECK(c[0].mode == 2, "%u", c[0].mode);
}

#define REFUSED(field, value)								\
	do {										\
		struct kvm_pit_state2 bad = good;					\
		struct pit before = pit;						\
											\
		bad.field = (value);							\
		CHECK(pit_set_state(&pit, &bad, ns(tick)) == -EINVAL, "%u", value);	\
		CHECK(!memcmp(&before, &pit, sizeof(pit)), "unchanged");		\
	} while (0)

static void test_refused(void)
{
	struct kvm_pit_state2 good;
	int i;

	start();
	program0(0x34, 1234);
	pit_get_state(&pit, &good);
	tick++;
	REFUSED(flags, 4);
	REFUSED(flags, 0x80000000);
	for (i = 0; i < 3; i++) {
		REFUSED(channels[i].count, 0x10001);
		REFUSED(channels[i].mode, 8);
		REFUSED(channels[i].mode, 0xfe);
		REFUSED(channels[i].rw_mode, 4);
		REFUSED(channels[i].read_state, 5);
		REFUSED(channels[i].write_state, 5);
		REFUSED(channels[i].count_latched, 5);
	}
	good.channels[1].mode = 7;
	CHECK(pit_set_state(&pit, &good, ns(tick)) == 0, "mode 7");
}

/* ---- random programs, beside the counters that are told of each pulse ---- */

static struct naive naive[3];
static u64 seed = 88172645463325252ull;

static u32 random32(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed >> 16;
}

static bool one_in(u32 n)
{
	return random32() % n == 0;
}

/* A time between this pulse and the next. */
static u64 some_time(void)
{
	u64 from = ns(tick);

	return from + random32() % (ns(tick + 1) - from);
}

static void random_write(void)
{
	u16 n = random32() % 4;
	u8 value = one_in(4) ? random32() : random32() % 12;
	int i;

	if (n == 3 && one_in(2)) {
		value = 0xc0 | random32();
		for (i = 0; i < 3; i++) {
			if (value & 2 << i)
				naive_read_back(&naive[i], !(value & 0x20), !(value & 0x10));
		}
	} else if (n == 3) {
		value = random32() % 0xc0;
		if (one_in(3))
			value &= 0xcf;
		naive_control(&naive[value >> 6], value);
	} else {
		if (naive[n].write_second && !one_in(4))
			value = 0;
		naive_write(&naive[n], value);
	}
	pit_write(&pit, 0x40 + n, value, some_time());
}

static void random_step(void)
{
	u32 n = random32() % 3;
	u8 value;

	if (one_in(3)) {
		random_write();
	} else if (one_in(2)) {
		value = pit_read(&pit, 0x40 + n, some_time());
		CHECK(value == naive_read(&naive[n]), "read of %u", n);
	} else {
		value = random32();
		pit_speaker_write(&pit, value, some_time());
		naive_gate(&naive[2], value & 1);
	}
}

/* When would the naive channel 0 rise, if nothing happened? Counts are short, mostly. */
static void compare_edge(void)
{
	struct naive copy = naive[0];
	u64 edge = pit_next_edge(&pit, some_time());
	bool before;
	int i;

	for (i = 1; i < 300; i++) {
		before = copy.out;
		naive_pulse(&copy);
		if (!before && copy.out)
			break;
	}
	if (i < 300)
		CHECK(edge == ns(tick + i), "mode %d, in %d pulses", copy.mode, i);
	else
		CHECK(edge >= ns(tick + i), "mode %d, early", copy.mode);
	/* what has come to its end stays there, but for a strobe that has to end */
	if (i == 300 && copy.mode != 2 && copy.mode != 3 && !copy.armed &&
	    (copy.mode != 4 || copy.out))
		CHECK(edge == U64_MAX, "mode %d, never", copy.mode);
}

static void compare(void)
{
	struct naive copy;
	int n;

	for (n = 0; n < 3; n++) {
		CHECK(status_of(n) == naive_status(&naive[n]), "channel %d mode %d: %#x", n,
		      naive[n].mode, status_of(n));
		copy = naive[n];
		copy.latched = copy.status_latched = false;
		copy.rw = 1;
		CHECK(naive[n].waiting || (count_of(n) & 0xff) == naive_read(&copy),
		      "channel %d mode %d: %#x", n, naive[n].mode, count_of(n));
		copy.rw = 2;
		CHECK(naive[n].waiting || count_of(n) >> 8 == naive_read(&copy),
		      "channel %d mode %d: %#x", n, naive[n].mode, count_of(n));
	}
	CHECK(out2() == naive[2].out, "OUT 2");
	compare_edge();
}

static void test_random(void)
{
	int round, i, n;

	for (round = 0; round < 1500; round++) {
		start();
		tick = random32();
		for (n = 0; n < 3; n++)
			naive_init(&naive[n], n != 2);
		for (i = 0; i < 60; i++) {
			for (n = random32() % 3; n; n--)
				random_step();
			compare();
			for (n = random32() % 12 + 1; n; n--) {
				tick++;
				naive_pulse(&naive[0]);
				naive_pulse(&naive[1]);
				naive_pulse(&naive[2]);
				if (one_in(4))
					compare();
			}
		}
	}
}

/* Any bytes from userspace: refused, or a timer that runs, and that can be saved at any time. */
static void test_hostile(void)
{
	struct kvm_pit_state2 state;
	int round, i, accepted = 0;

	for (round = 0; round < 20000; round++) {
		start();
		for (i = 0; i < (int)sizeof(state); i++)
			((u8 *)&state)[i] = random32();
		state.flags &= 0x80000003 >> random32() % 2;
		for (i = 0; i < 3; i++) {
			state.channels[i].count &= 0x1ffff;
			state.channels[i].mode = one_in(8) ? 0xff : random32() % 8;
			state.channels[i].rw_mode &= 3;
			state.channels[i].read_state %= one_in(50) ? 6 : 5;
			state.channels[i].write_state %= 5;
			state.channels[i].count_latched %= 5;
		}
		accepted += !pit_set_state(&pit, &state, ns(tick));
		for (i = 0; i < 20; i++) {
			tick += random32() >> random32() % 32;
			pit_write(&pit, random32(), random32(), some_time());
			pit_read(&pit, random32(), some_time());
			pit_speaker_write(&pit, random32(), some_time());
			CHECK(edge() > ns(tick), "an edge is later");
			CHECK(!pit_period(&pit) || pit_period(&pit) >= 1676, "a period");
		}
		pit_get_state(&pit, &state);
		CHECK(!pit_set_state(&pit, &state, ns(tick)), "what was got can be set");
	}
	CHECK(accepted > 1000 && accepted < 15000, "%d", accepted);
}

int main(void)
{
	check_run("pit figures of the modes, " COMPILER, test_figures);
	check_run("pit what does not wait for a pulse", test_at_once);
	check_run("pit bytes of a count", test_access);
	check_run("pit latch", test_latch);
	check_run("pit read-back", test_read_back);
	check_run("pit decimal counts", test_bcd);
	check_run("pit port 0x61", test_speaker);
	check_run("pit edges of channel 0", test_edges);
	check_run("pit edges after a new count", test_new_counts);
	check_run("pit periods", test_period);
	check_run("pit no drift", test_no_drift);
	check_run("pit HPET has IRQ 0", test_hpet);
	check_run("pit get", test_get);
	check_run("pit set", test_set);
	check_run("pit set, what is not exact", test_set_lenient);
	check_run("pit set, refused", test_refused);
	/* a minute of mutants less: what is wrong already need not be searched for */
	if (!checks_failed) {
		check_run("pit random programs, pulse by pulse", test_random);
		check_run("pit any state", test_hostile);
	}
	return check_end();
}
