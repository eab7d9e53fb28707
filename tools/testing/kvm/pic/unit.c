// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - the two 8259As: each command and mode of the data sheet, the ABI's struct, then random
 * programs beside naive.c. "mutants" says what each test is good for.
 */
#include "naive.h"
#include "../check.h"
#include "../../../../arch/x86/kvm/irq/pic.h"

static struct pic pic;

/* As a PC's firmware does: vectors from 0x08 and 0x70, nothing masked. */
static void initialise(u8 icw1, u8 master_icw4, u8 slave_icw4)
{
	pic_write(&pic, 0x20, icw1);
	pic_write(&pic, 0x21, 0x08);
	pic_write(&pic, 0x21, 0x04);
	pic_write(&pic, 0x21, master_icw4);
	pic_write(&pic, 0xa0, icw1);
	pic_write(&pic, 0xa1, 0x70);
	pic_write(&pic, 0xa1, 0x02);
	pic_write(&pic, 0xa1, slave_icw4);
}

static void start(void)
{
	pic_reset(&pic);
	initialise(0x11, 0x01, 0x01);
	pic.eoi = 0;
}

static void pulse(unsigned int line)
{
	pic_set_line(&pic, line, true);
	pic_set_line(&pic, line, false);
}

/* Registers, by OCW3. */
static u8 irr(int slave)
{
	pic_write(&pic, slave ? 0xa0 : 0x20, 0x0a);
	return pic_read(&pic, slave ? 0xa0 : 0x20);
}

static u8 isr(int slave)
{
	pic_write(&pic, slave ? 0xa0 : 0x20, 0x0b);
	return pic_read(&pic, slave ? 0xa0 : 0x20);
}

/* An acknowledge that is due gives this vector. */
#define TAKES(expected)								\
	do {										\
		u8 taken;								\
											\
		CHECK(pic_output(&pic), "nothing for %#x", expected);			\
		taken = pic_acknowledge(&pic);						\
		CHECK(taken == (expected), "%#x, not %#x", taken, expected);		\
	} while (0)

#define QUIET()	CHECK(!pic_output(&pic), "output: irr %#x %#x, isr %#x %#x", irr(0), irr(1), \
		      isr(0), isr(1))

static void test_reset(void)
{
	struct kvm_pic_state state;

	memset(&pic, 0xff, sizeof(pic));
	pic_reset(&pic);
	QUIET();
	CHECK(pic.eoi == 0 && pic_read(&pic, 0x21) == 0 && pic_read(&pic, 0xa1) == 0, "masks");
	CHECK(pic_read(&pic, 0x20) == 0 && pic_read(&pic, 0x4d0) == 0, "no request, no level");
	pic_get_state(&pic, 0, &state);
	CHECK(state.elcr_mask == 0xf8 && !state.init_state && !state.priority_add, "state");
	pic_get_state(&pic, 1, &state);
	CHECK(state.elcr_mask == 0xde && !state.irq_base, "state");
}

/* All lines ask at once, and are served in their order. */
static void test_order(void)
{
	static const u8 order[] = { 0, 1, 8, 9, 10, 11, 12, 13, 14, 15, 3, 4, 5, 6, 7 };
	unsigned int i, line;

	start();
	for (line = 0; line < 16; line++)
		CHECK(pic_set_line(&pic, line, true) == (line != 2), "line %u", line);
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		line = order[i];
		TAKES(line < 8 ? 0x08 + line : 0x70 + line - 8);
		QUIET();
		CHECK(isr(line >= 8) == 1 << line % 8, "line %u in service", line);
		CHECK(line < 8 || isr(0) == 4, "the cascade, too");
		CHECK(!(irr(line >= 8) & 1 << line % 8), "line %u does not ask any more", line);
		if (line >= 8)
			pic_write(&pic, 0xa0, 0x20);
		pic_write(&pic, 0x20, 0x20);
		CHECK(pic.eoi == 1 << line, "%#x", pic.eoi);
		pic.eoi = 0;
	}
	QUIET();
}

static void test_nesting(void)
{
	start();
	pulse(5);
	TAKES(0x0d);
	pulse(5);
	pulse(6);
	QUIET();
	pulse(3);
	TAKES(0x0b);
	CHECK(isr(0) == 0x28 && irr(0) == 0x60, "%#x %#x", isr(0), irr(0));
	pic_write(&pic, 0x20, 0x20);
	CHECK(isr(0) == 0x20 && pic.eoi == 0x08, "the first in the order ends first");
	QUIET();
	pic_write(&pic, 0x20, 0x20);
	CHECK(pic.eoi == 0x28, "%#x", pic.eoi);
	TAKES(0x0d);
	pic_write(&pic, 0x20, 0x64);
	CHECK(isr(0) == 0x20 && pic.eoi == 0x28, "the end of another");
	pic_write(&pic, 0x20, 0x65);
	CHECK(isr(0) == 0, "a specific end");
	TAKES(0x0e);
	pic_write(&pic, 0x20, 0x40);
	CHECK(isr(0) == 0x40, "no operation");
	pic_write(&pic, 0x20, 0x20);
	pic_write(&pic, 0x20, 0x20);
	CHECK(isr(0) == 0 && pic.eoi == 0x68, "%#x", pic.eoi);
}

static void test_edges(void)
{
	start();
	CHECK(pic_set_line(&pic, 4, true), "a rise");
	CHECK(!pic_set_line(&pic, 4, true), "none");
	CHECK(pic_set_line(&pic, 4, false), "a fall");
	CHECK(irr(0) == 0x10, "an edge is remembered");
	CHECK(!pic_set_line(&pic, 4, true), "coalesced");
	TAKES(0x0c);
	CHECK(irr(0) == 0, "high, but asked once");
	CHECK(!pic_set_line(&pic, 4, true), "still high");
	pic_write(&pic, 0x20, 0x20);
	QUIET();
	pic_set_line(&pic, 4, false);
	pic_write(&pic, 0x21, 0x10);
	CHECK(!pic_set_line(&pic, 4, true), "masked");
	QUIET();
	CHECK(irr(0) == 0x10 && pic_read(&pic, 0x21) == 0x10, "asked nevertheless");
	CHECK(pic_set_line(&pic, 4, false), "a fall");
	pic_write(&pic, 0x21, 0x00);
	TAKES(0x0c);
	CHECK(pic_set_line(&pic, 2, false) && !pic_set_line(&pic, 2, true), "no pin");
	CHECK(!pic.chips[0].line, "so it has no level");
	CHECK(!pic_set_line(&pic, 16, true) && pic_set_line(&pic, 16, false), "no chip");
	CHECK(!pic_set_line(&pic, ~0u, true), "no chip");
	CHECK(irr(0) == 0 && irr(1) == 0, "nothing came of it");
}

static void test_levels(void)
{
	start();
	pic_write(&pic, 0x4d0, 0xff);
	pic_write(&pic, 0x4d1, 0xff);
	CHECK(pic_read(&pic, 0x4d0) == 0xf8 && pic_read(&pic, 0x4d1) == 0xde, "lines of edges");
	CHECK(pic_set_line(&pic, 10, true), "a request");
	CHECK(!pic_set_line(&pic, 10, true), "no new one");
	pic_set_line(&pic, 10, false);
	QUIET();
	CHECK(irr(1) == 0 && irr(0) == 0, "gone with the level");
	pic_set_line(&pic, 10, true);
	TAKES(0x72);
	CHECK(irr(1) == 0x04, "asks as long as it is high");
	QUIET();
	pic_write(&pic, 0xa0, 0x20);
	pic_write(&pic, 0x20, 0x20);
	CHECK(pic.eoi == 0x400, "%#x", pic.eoi);
	TAKES(0x72);
	pic_set_line(&pic, 10, false);
	pic_write(&pic, 0xa0, 0x20);
	pic_write(&pic, 0x20, 0x20);
	QUIET();
	pic_set_line(&pic, 0, true);
	pic_set_line(&pic, 0, false);
	CHECK(irr(0) == 1, "line 0 is one of edges");
	/* a level that becomes an edge, an edge that becomes a level */
	pic_set_line(&pic, 5, true);
	pic_write(&pic, 0x4d0, 0x00);
	pic_set_line(&pic, 5, false);
	CHECK(irr(0) == 0x21, "%#x", irr(0));
	pic_write(&pic, 0x4d0, 0x20);
	CHECK(irr(0) == 0x01, "%#x", irr(0));
	pic_write(&pic, 0x4d0, 0x00);
	pic_set_line(&pic, 5, true);
	CHECK(irr(0) == 0x21, "%#x", irr(0));
	TAKES(0x08);
	pic_write(&pic, 0x20, 0x20);
	TAKES(0x0d);
	pic_write(&pic, 0x20, 0x20);
	QUIET();
	pic_write(&pic, 0x4d0, 0x20);
	TAKES(0x0d);
}

static void test_spurious(void)
{
	start();
	CHECK(pic_acknowledge(&pic) == 0x0f && isr(0) == 0 && !pic.eoi, "nothing asked");
	pic_write(&pic, 0x4d1, 0x02);
	pic_set_line(&pic, 9, true);
	CHECK(pic_output(&pic), "asks");
	pic_set_line(&pic, 9, false);
	CHECK(pic_acknowledge(&pic) == 0x0f && isr(0) == 0, "the slave's pin fell, too");
	pulse(6);
	pic_write(&pic, 0x21, 0x40);
	CHECK(pic_acknowledge(&pic) == 0x0f && irr(0) == 0x40, "masked meanwhile");
	pic_write(&pic, 0x21, 0x00);
	TAKES(0x0e);
	pulse(7);
	CHECK(pic_acknowledge(&pic) == 0x0f && isr(0) == 0x40, "held back");
	/* the slave's request ends between the cycles: only a broken machine gets here */
	start();
	pic.chips[0].irr = 4;
	CHECK(pic_acknowledge(&pic) == 0x77 && isr(1) == 0 && isr(0) == 4, "the slave's 7");
}

static void test_cascade(void)
{
	start();
	pulse(12);
	CHECK(irr(0) == 4, "the slave's pin");
	TAKES(0x74);
	CHECK(irr(0) == 0, "and none");
	pulse(9);
	CHECK(irr(0) == 4, "a better one");
	QUIET();
	pulse(1);
	TAKES(0x09);
	pic_write(&pic, 0x20, 0x20);
	QUIET();
	pic_write(&pic, 0x20, 0x20);
	TAKES(0x71);
	pic_write(&pic, 0x20, 0x20);
	pic_write(&pic, 0xa0, 0x20);
	CHECK(isr(1) == 0x10, "the other is served still");
	pic_write(&pic, 0xa1, 0xff);
	pulse(8);
	QUIET();
	pic_write(&pic, 0xa1, 0xfe);
	CHECK(pic_output(&pic), "unmasked");
	pic_write(&pic, 0x21, 0x04);
	QUIET();
	CHECK(pic.eoi == 0x0202, "the cascade is no line: %#x", pic.eoi);
}

static void test_special_nested(void)
{
	start();
	initialise(0x11, 0x11, 0x01);
	pulse(12);
	TAKES(0x74);
	pulse(13);
	QUIET();
	pulse(3);
	QUIET();
	pulse(9);
	TAKES(0x71);
	pulse(0);
	TAKES(0x08);
	pulse(8);
	QUIET();
	pic_write(&pic, 0x20, 0x20);
	TAKES(0x70);
	/* not at the slave, whose input 2 is one like others */
	start();
	initialise(0x11, 0x01, 0x11);
	pulse(10);
	TAKES(0x72);
	pic_write(&pic, 0x20, 0x20);
	pulse(10);
	QUIET();
	CHECK(irr(1) == 4, "it asks");
}

static void test_rotation(void)
{
	start();
	pulse(3);
	TAKES(0x0b);
	pic_write(&pic, 0x20, 0xa0);
	CHECK(isr(0) == 0 && pic.eoi == 8, "it ends");
	pulse(3);
	pulse(1);
	pulse(4);
	TAKES(0x0c);
	pic_write(&pic, 0x20, 0x20);
	TAKES(0x09);
	pic_write(&pic, 0x20, 0x20);
	TAKES(0x0b);
	pic_write(&pic, 0x20, 0xe3);
	CHECK(isr(0) == 0, "it ends");
	pic_write(&pic, 0x20, 0xc6);
	pulse(0);
	pulse(7);
	TAKES(0x0f);
	pulse(6);
	QUIET();
	pic_write(&pic, 0x20, 0xe5);
	CHECK(isr(0) == 0x80, "the end of another, but 6 is the first now");
	TAKES(0x0e);
	pic_write(&pic, 0x20, 0x20);
	pulse(5);
	QUIET();
	pic_write(&pic, 0x20, 0xa0);
	TAKES(0x08);
	/* with nothing in service there is nothing to turn to */
	start();
	pic_write(&pic, 0x20, 0xa0);
	pulse(0);
	pulse(7);
	TAKES(0x08);
}

static void test_auto_eoi(void)
{
	start();
	initialise(0x11, 0x03, 0x03);
	pulse(3);
	pulse(5);
	pulse(9);
	TAKES(0x71);
	CHECK(isr(0) == 0 && isr(1) == 0 && pic.eoi == 0x200, "%#x", pic.eoi);
	TAKES(0x0b);
	CHECK(pic.eoi == 0x208, "%#x", pic.eoi);
	pic_write(&pic, 0x20, 0x80);
	TAKES(0x0d);
	pulse(5);
	pulse(6);
	TAKES(0x0e);
	pulse(6);
	TAKES(0x0d);
	pic_write(&pic, 0x20, 0x00);
	TAKES(0x0e);
	pulse(6);
	pulse(5);
	TAKES(0x0e);
	CHECK(pic_output(&pic), "the last");
	/* a level that is high asks again at once */
	pic_write(&pic, 0x4d0, 0x80);
	pic_set_line(&pic, 7, true);
	TAKES(0x0f);
	TAKES(0x0f);
	pic_set_line(&pic, 7, false);
	TAKES(0x0d);
	/* turning needs automatic ends */
	start();
	pic_write(&pic, 0x20, 0x80);
	pulse(6);
	TAKES(0x0e);
	pic_write(&pic, 0x20, 0x20);
	pulse(7);
	pulse(0);
	TAKES(0x08);
}

static void test_special_mask(void)
{
	start();
	pulse(3);
	TAKES(0x0b);
	pulse(5);
	pic_write(&pic, 0x20, 0x68);
	QUIET();
	pic_write(&pic, 0x21, 0x08);
	TAKES(0x0d);
	pulse(3);
	QUIET();
	pic_write(&pic, 0x20, 0x20);
	CHECK(isr(0) == 0x08, "an end");
	pic_write(&pic, 0x20, 0x20);
	CHECK(isr(0) == 0x08, "does not reach what is masked");
	pic_write(&pic, 0x20, 0x28);
	pulse(6);
	CHECK(pic_output(&pic), "no change without ESMM");
	pic_write(&pic, 0x20, 0x48);
	QUIET();
	pic_write(&pic, 0x20, 0x08);
	pic_write(&pic, 0x20, 0x20);
	CHECK(isr(0) == 0, "now it does");
	TAKES(0x0e);
}

static void test_poll(void)
{
	start();
	pic_write(&pic, 0x20, 0x0c);
	CHECK(pic_read(&pic, 0x20) == 0x00, "nothing");
	CHECK(pic_read(&pic, 0x20) == 0x00, "IRR");
	pulse(4);
	pic_write(&pic, 0x20, 0x0c);
	CHECK(pic_read(&pic, 0x20) == 0x84, "line 4");
	QUIET();
	CHECK(pic_read(&pic, 0x20) == 0 && isr(0) == 0x10, "once; in service");
	pulse(9);
	pic_write(&pic, 0xa0, 0x0c);
	CHECK(pic_read(&pic, 0xa1) == 0x81, "the odd port polls, too");
	CHECK(isr(1) == 2 && irr(0) == 0 && isr(0) == 0x10, "the slave alone");
	QUIET();
	pulse(8);
	pic_write(&pic, 0x20, 0x0c);
	CHECK(pic_read(&pic, 0x21) == 0x82, "the cascade");
	CHECK(isr(0) == 0x14 && irr(1) == 1, "the master alone");
	pic_write(&pic, 0x20, 0x0c);
	pic_write(&pic, 0x20, 0x08);
	CHECK(pic_read(&pic, 0x20) == 0x14, "a poll taken back; ISR, as selected before");
	pic_write(&pic, 0x20, 0x0e);
	CHECK(pic_read(&pic, 0x20) == 0x00 && pic_read(&pic, 0x20) == 0x04, "poll first, then IRR");
	pic_write(&pic, 0x20, 0x0c);
	CHECK(pic_read(&pic, 0x4d0) == 0 && pic.chips[0].poll, "the level register is not polled");
}

static void test_init(void)
{
	start();
	pic_write(&pic, 0x4d0, 0x20);
	pic_write(&pic, 0x21, 0x55);
	pic_write(&pic, 0x20, 0x68);
	pic_write(&pic, 0x20, 0x80);
	pic_write(&pic, 0x20, 0xc3);
	pulse(1);
	pic_set_line(&pic, 3, true);
	pic_set_line(&pic, 5, true);
	TAKES(0x0d);
	pulse(12);
	pic_write(&pic, 0x20, 0x0f);
	pic_write(&pic, 0x20, 0x11);
	CHECK(pic.eoi == 0x20, "%#x", pic.eoi);
	CHECK(pic_read(&pic, 0x20) == 0x24, "IRR: levels and the slave, no edges, no poll");
	CHECK(isr(0) == 0 && pic_read(&pic, 0x21) == 0, "no service, no mask");
	pic_write(&pic, 0x21, 0x47);
	pic_write(&pic, 0x21, 0xff);
	pic_write(&pic, 0x21, 0x01);
	CHECK(pic_read(&pic, 0x21) == 0, "four words are no mask");
	pic_write(&pic, 0x21, 0x04);
	CHECK(pic_read(&pic, 0x21) == 4, "the fifth is");
	TAKES(0x45);
	pulse(6);
	QUIET();
	pic_set_line(&pic, 3, true);
	QUIET();
	pic_set_line(&pic, 3, false);
	pic_set_line(&pic, 3, true);
	TAKES(0x43);
	pic_write(&pic, 0x20, 0x20);
	CHECK(isr(0) == 0x20, "priorities are the first");

	/* three words; automatic ends and special nesting are off again */
	initialise(0x11, 0x13, 0x13);
	CHECK(pic.chips[0].nested && pic.chips[0].auto_eoi, "both on");
	pic_write(&pic, 0x20, 0x10);
	pic_write(&pic, 0x21, 0x30);
	pic_write(&pic, 0x21, 0x04);
	pic_write(&pic, 0x21, 0x03);
	CHECK(pic_read(&pic, 0x21) == 3, "a mask");
	pulse(4);
	pic_write(&pic, 0x21, 0x04);
	pic_set_line(&pic, 5, false);
	TAKES(0x34);
	CHECK(isr(0) == 0x10 && !pic.chips[0].nested, "no automatic end");

	/* two words, and three without the ICW3 */
	pic_write(&pic, 0x20, 0x12);
	pic_write(&pic, 0x21, 0x60);
	pic_write(&pic, 0x21, 0x09);
	CHECK(pic_read(&pic, 0x21) == 9, "a mask");
	pic_write(&pic, 0x20, 0x13);
	pic_write(&pic, 0x21, 0x60);
	pic_write(&pic, 0x21, 0x03);
	pic_write(&pic, 0x21, 0x0a);
	CHECK(pic_read(&pic, 0x21) == 10 && pic.chips[0].auto_eoi, "a mask, after an ICW4");
	CHECK(pic.chips[1].base == 0x70 && pic.chips[1].auto_eoi, "the slave is another chip");
}

/* The lines of a slave that is initialised end at 8 and above. */
static void test_init_slave(void)
{
	start();
	pulse(9);
	TAKES(0x71);
	pulse(8);
	pic_write(&pic, 0x20, 0x20);
	TAKES(0x70);
	pic_write(&pic, 0xa0, 0x11);
	CHECK(pic.eoi == 0x300 && isr(1) == 0 && isr(0) == 4, "%#x", pic.eoi);
	pic_write(&pic, 0x20, 0x11);
	CHECK(pic.eoi == 0x300, "the cascade is no line: %#x", pic.eoi);
}

static void test_ports(void)
{
	struct pic before;
	u32 port;

	start();
	pulse(3);
	before = pic;
	for (port = 0; port <= 0xffff; port++) {
		if ((port & ~0x81) == 0x20 || (port & ~1) == 0x4d0)
			continue;
		pic_write(&pic, port, 0x11);
		CHECK(pic_read(&pic, port) == 0xff, "%#x", port);
	}
	CHECK(!memcmp(&before, &pic, sizeof(pic)), "unchanged");
}

static void test_get_set(void)
{
	static const struct kvm_pic_state slave = {
		.last_irr = 0x31, .irr = 0x70, .imr = 0x0f, .isr = 0x02, .priority_add = 5,
		.irq_base = 0x88, .read_reg_select = 1, .poll = 1, .special_mask = 1,
		.init_state = 3, .auto_eoi = 1, .rotate_on_auto_eoi = 1,
		.special_fully_nested_mode = 1, .init4 = 1,
		.elcr = 0x10, .elcr_mask = 0xde,
	};
	static const struct kvm_pic_state master = {
		.last_irr = 0x80, .imr = 0x41, .isr = 0x40, .irq_base = 0x20, .init_state = 2,
		.elcr = 0x08, .elcr_mask = 0xf8, .priority_add = 1,
	};
	struct kvm_pic_state state;
	unsigned int i;

	start();
	CHECK(pic_set_state(&pic, 0, &master) == 0, "master");
	QUIET();
	CHECK(pic_set_state(&pic, 1, &slave) == 0, "slave");
	CHECK(pic_output(&pic), "the slave asks");
	memset(&state, 0xff, sizeof(state));
	pic_get_state(&pic, 1, &state);
	CHECK(!memcmp(&state, &slave, sizeof(state)), "the same slave");
	memset(&state, 0xff, sizeof(state));
	pic_get_state(&pic, 0, &state);
	CHECK(state.irr == 4, "the slave's pin");
	state.irr = 0;
	CHECK(!memcmp(&state, &master, sizeof(state)), "the same master");

	/* one flag at a time, so that none stands for another */
	for (i = 0; i < 7; i++) {
		static const size_t flags[] = {
			offsetof(struct kvm_pic_state, read_reg_select),
			offsetof(struct kvm_pic_state, poll),
			offsetof(struct kvm_pic_state, special_mask),
			offsetof(struct kvm_pic_state, auto_eoi),
			offsetof(struct kvm_pic_state, rotate_on_auto_eoi),
			offsetof(struct kvm_pic_state, special_fully_nested_mode),
			offsetof(struct kvm_pic_state, init4),
		};
		struct kvm_pic_state one = { .elcr_mask = 0xde };

		((u8 *)&one)[flags[i]] = 0x80;
		pic_set_state(&pic, 1, &one);
		((u8 *)&one)[flags[i]] = 1;
		pic_get_state(&pic, 1, &state);
		CHECK(!memcmp(&state, &one, sizeof(one)), "flag %u", i);
	}
}

static void test_set_odd(void)
{
	struct kvm_pic_state state = { 0 };
	struct pic before;

	start();
	pulse(9);
	before = pic;
	state.init_state = 4;
	CHECK(pic_set_state(&pic, 0, &state) == -EINVAL, "a fifth word");
	state.init_state = 0;
	state.priority_add = 8;
	CHECK(pic_set_state(&pic, 1, &state) == -EINVAL, "a ninth input");
	CHECK(!memcmp(&before, &pic, sizeof(pic)), "unchanged");

	state = (struct kvm_pic_state){ .irr = 0x20, .last_irr = 0x10, .elcr = 0xff, .elcr_mask = 0,
					.irq_base = 0xff, .priority_add = 7 };
	CHECK(pic_set_state(&pic, 0, &state) == 0, "odd, but harmless");
	pic_get_state(&pic, 0, &state);
	CHECK(state.elcr == 0xf8 && state.elcr_mask == 0xf8, "%#x", state.elcr);
	CHECK(state.irr == 0x34 && state.last_irr == 0x30, "%#x %#x", state.irr, state.last_irr);
	CHECK(state.irq_base == 0xf8 && state.priority_add == 7, "%#x", state.irq_base);
	TAKES(0x71);
	state.irr |= 4;
	pic_set_state(&pic, 0, &state);
	CHECK(irr(0) == 0x30, "the slave does not ask any more");
}

/* ---- random programs, beside the naive chips ---- */

static struct naive naive;
static u64 seed = 88172645463325252ull;

static u32 random32(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed >> 16;
}

static const u16 ports[] = { 0x20, 0x20, 0x20, 0x21, 0xa0, 0xa0, 0xa0, 0xa1, 0x4d0, 0x4d1 };

static void write_both(u16 port, u8 value)
{
	pic_write(&pic, port, value);
	naive_write(&naive, port, value);
}

static void random_write(void)
{
	u16 port = ports[random32() % ARRAY_SIZE(ports)];
	u8 value = random32();

	if (port & 1 && port < 0x4d0)
		value &= random32();
	/* seldom an initialisation, and then mostly a whole one */
	if (!(port & 1) && value & 0x10 && random32() % 8)
		value &= ~0x10;
	write_both(port, value);
	if (port < 0x4d0 && !(port & 1) && value & 0x10 && random32() % 4) {
		write_both(port + 1, random32());
		write_both(port + 1, 0);
		write_both(port + 1, random32() & 0x13);
		write_both(port + 1, random32() & random32());
	}
}

static void random_step(void)
{
	u32 line = random32() % 16, what = random32() % 16;
	bool high = random32() & 1;
	u16 port;

	if (what < 7) {
		CHECK(pic_set_line(&pic, line, high) == naive_line(&naive, line, high), "line %u",
		      line);
	} else if (what < 11) {
		random_write();
	} else if (what < 13) {
		port = ports[random32() % ARRAY_SIZE(ports)];
		CHECK(pic_read(&pic, port) == naive_read(&naive, port), "port %#x", port);
	} else if (pic_output(&pic) || what == 13) {
		CHECK(pic_acknowledge(&pic) == naive_acknowledge(&naive), "vector");
	}
}

static void compare(void)
{
	int i, ended = 0;

	for (i = 0; i < 16; i++)
		ended |= naive.ended[i] << i;
	CHECK(pic.eoi == ended, "ended: %#x, not %#x", pic.eoi, ended);
	CHECK(pic_output(&pic) == naive_output(&naive), "output");
	for (i = 0; i < 16; i++) {
		CHECK((pic.chips[i / 8].isr >> i % 8 & 1) == naive.chip[i / 8].in[i % 8].serving,
		      "service of %d", i);
	}
}

/* Any state can be saved at any time, and nothing of it is lost, but for "no ICW3". */
static void save_and_restore(void)
{
	struct kvm_pic_state states[2];
	struct pic before = pic;

	pic_get_state(&pic, 0, &states[0]);
	pic_get_state(&pic, 1, &states[1]);
	pic_reset(&pic);
	pic_set_state(&pic, 0, &states[0]);
	pic_set_state(&pic, 1, &states[1]);
	pic.chips[0].single = before.chips[0].single;
	pic.chips[1].single = before.chips[1].single;
	pic.eoi = before.eoi;
	CHECK(!memcmp(&pic, &before, sizeof(pic)), "saved and restored");
}

static void test_random(void)
{
	int round, i;

	for (round = 0; round < 4000; round++) {
		pic_reset(&pic);
		naive_init(&naive);
		for (i = 0; i < 100; i++) {
			random_step();
			compare();
			if (random32() % 16)
				continue;
			save_and_restore();
			pic.eoi = 0;
			memset(naive.ended, 0, sizeof(naive.ended));
		}
	}
}

/* Any bytes from userspace: nothing breaks, and no acknowledge is due for ever. */
static void test_hostile(void)
{
	struct kvm_pic_state state;
	int round, i, chip;

	for (round = 0; round < 20000; round++) {
		pic_reset(&pic);
		for (chip = 0; chip < 2; chip++) {
			for (i = 0; i < (int)sizeof(state); i++)
				((u8 *)&state)[i] = random32();
			state.init_state &= 3;
			state.priority_add &= 7;
			CHECK(pic_set_state(&pic, chip, &state) == 0, "any other byte is a state");
		}
		for (i = 0; i < 16; i++)
			pic_set_line(&pic, i, false);
		for (i = 0; i < 64 && pic_output(&pic); i++)
			pic_acknowledge(&pic);
		CHECK(i < 64, "requests without an end");
	}
}

int main(void)
{
	check_run("pic reset, " COMPILER, test_reset);
	check_run("pic order of priorities", test_order);
	check_run("pic nesting and ends", test_nesting);
	check_run("pic edges", test_edges);
	check_run("pic levels", test_levels);
	check_run("pic spurious interrupts", test_spurious);
	check_run("pic cascade", test_cascade);
	check_run("pic special fully nested mode", test_special_nested);
	check_run("pic rotation", test_rotation);
	check_run("pic automatic ends", test_auto_eoi);
	check_run("pic special mask mode", test_special_mask);
	check_run("pic poll", test_poll);
	check_run("pic initialisation", test_init);
	check_run("pic initialisation of the slave", test_init_slave);
	check_run("pic ports", test_ports);
	check_run("pic get and set", test_get_set);
	check_run("pic set, what is not exact", test_set_odd);
	if (!checks_failed) {
		check_run("pic random programs", test_random);
		check_run("pic any state", test_hostile);
	}
	return check_end();
}
