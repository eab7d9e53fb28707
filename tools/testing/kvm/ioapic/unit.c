// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - an IOAPIC against the 82093AA's datasheet.
 *
 * First what each register and each kind of pin does, by example, with the numbers of the
 * datasheet.  Then random sequences of everything that can be called, against a second IOAPIC: one
 * struct of plain fields a pin, which knows nothing of bits, and after each step both must look the
 * same from everywhere.  Last, without that second one, that no level-triggered interrupt is lost.
 * "mutants" says what all this is good for.
 */
#include <stdlib.h>
#include "../check.h"
#include "irq/ioapic.h"

#define PINS	24

#define MASKED	0x10000ull
#define LEVEL	0x8000ull
#define REMOTE	0x4000ull
#define LOW	0x2000ull
#define LOGICAL	0x0800ull
#define MODE(n)	((u64)(n) << 8)
#define DEST(n)	((u64)(n) << 56)

static struct ioapic io;

static u32 read_reg(u8 reg)
{
	ioapic_write(&io, 0x00, reg);
	return ioapic_read(&io, 0x10);
}

static u32 write_reg(u8 reg, u32 value)
{
	ioapic_write(&io, 0x00, reg);
	return ioapic_write(&io, 0x10, value);
}

static u64 read_entry(unsigned int pin)
{
	return read_reg(0x10 + 2 * pin) | (u64)read_reg(0x11 + 2 * pin) << 32;
}

/* As systems do it: the high half first, while the pin is still masked. */
static u32 write_entry(unsigned int pin, u64 entry)
{
	write_reg(0x11 + 2 * pin, entry >> 32);
	return write_reg(0x10 + 2 * pin, entry);
}

static bool takes(unsigned int pin)
{
	struct irq_msg msg;

	return ioapic_take(&io, pin, &msg);
}

/*
 * Registers
 */

static void test_reset(void)
{
	unsigned int pin;

	memset(&io, 0xa5, sizeof(io));
	ioapic_reset(&io);
	CHECK(io.base == 0xfec00000, "%llx", (unsigned long long)io.base);
	CHECK(ioapic_read(&io, 0) == 0, "IOREGSEL");
	CHECK(read_reg(0) == 0, "ID %x", read_reg(0));
	CHECK(read_reg(1) == 0x00170011, "version %x", read_reg(1));
	CHECK(read_reg(2) == 0, "arbitration %x", read_reg(2));
	for (pin = 0; pin < PINS; pin++)
		CHECK(read_entry(pin) == MASKED, "pin %u", pin);
	CHECK(!ioapic_pending(&io) && !io.lines && !io.edges, "pins");
}

static void test_registers(void)
{
	unsigned int reg;

	ioapic_reset(&io);
	CHECK(!ioapic_write(&io, 0x00, 0xabcdef42), "no pin");
	CHECK(ioapic_read(&io, 0x00) == 0x42, "%x", ioapic_read(&io, 0x00));
	CHECK(!write_reg(0, 0xffffffff), "no pin");
	CHECK(read_reg(0) == 0x0f000000, "ID %x", read_reg(0));
	CHECK(read_reg(2) == 0x0f000000, "arbitration %x", read_reg(2));
	write_reg(0, 0x05ffffff);
	CHECK(read_reg(0) == 0x05000000, "ID %x", read_reg(0));
	CHECK(!write_reg(1, 0xffffffff) && read_reg(1) == 0x00170011, "the version is read-only");
	CHECK(!write_reg(2, 0xffffffff) && read_reg(2) == 0x05000000, "so is arbitration");
	for (reg = 3; reg < 256; reg = reg == 0x0f ? 0x40 : reg + 1)
		CHECK(!write_reg(reg, 0xffffffff) && !read_reg(reg), "register %x", reg);
	for (reg = 1; reg < 0x100; reg++) {
		if (reg == 0x10)
			continue;
		CHECK(!ioapic_write(&io, reg, 0), "offset %x", reg);
		CHECK(!ioapic_read(&io, reg), "offset %x", reg);
	}
	CHECK(ioapic_read(&io, 0x00) == 0xff, "no other offset is IOREGSEL");
	CHECK(read_reg(0) == 0x05000000, "nor IOWIN");
}

static void test_entries(void)
{
	static const u64 values[] = {
		0, MASKED, ~0ull, 0x0123456789abcdef, 0xfedcba9876543210,
	};
	const u64 kept = 0xff0000000001afff;	/* not 12 and 14, which are read-only, and 55:17 */
	unsigned int pin, i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		ioapic_reset(&io);
		for (pin = 0; pin < PINS; pin++)
			CHECK(!write_entry(pin, values[i] ^ (u64)pin << 56), "pin %u", pin);
		for (pin = 0; pin < PINS; pin++)
			CHECK(read_entry(pin) == ((values[i] & kept) ^ (u64)pin << 56),
			      "pin %u: %llx", pin, (unsigned long long)read_entry(pin));
	}
	/* each half by itself */
	ioapic_reset(&io);
	write_reg(0x15, 0x12345678);
	write_reg(0x14, 0x0000a055);
	CHECK(read_reg(0x15) == 0x12000000, "%x", read_reg(0x15));
	CHECK(read_reg(0x14) == 0x0000a055, "%x", read_reg(0x14));
	write_reg(0x15, 0x9a000000);
	CHECK(read_reg(0x14) == 0x0000a055, "%x", read_reg(0x14));
	write_reg(0x14, 0x00010056);
	CHECK(read_reg(0x15) == 0x9a000000, "%x", read_reg(0x15));
	CHECK(read_entry(1) == MASKED && read_entry(3) == MASKED, "the neighbours");
}

/*
 * Messages
 */

struct message {
	const char *name;
	u64 entry;
	struct irq_msg msg;
};

static const struct message messages[] = {
	{ "fixed, physical", 0x31 | DEST(3), { 3, 0x31, MSG_FIXED, 0, false, false, true } },
	{ "all eight bits", 0xff | DEST(0xff), { 0xff, 0xff, MSG_FIXED, 0, false, false, true } },
	{ "vector 0", 0, { 0, 0, MSG_FIXED, 0, false, false, true } },
	{ "logical", 0x40 | LOGICAL | DEST(0x81), { 0x81, 0x40, MSG_FIXED, 0, true, false, true } },
	{ "lowest", 0x41 | LOGICAL | MODE(1) | DEST(0xff),
	  { 0xff, 0x41, MSG_LOWEST, 0, true, false, true } },
	{ "level", 0x42 | LEVEL | DEST(1), { 1, 0x42, MSG_FIXED, 0, false, true, true } },
	{ "level, lowest", 0x43 | LEVEL | LOGICAL | MODE(1) | DEST(2),
	  { 2, 0x43, MSG_LOWEST, 0, true, true, true } },
	{ "low active", 0x44 | LOW | DEST(1), { 1, 0x44, MSG_FIXED, 0, false, false, true } },
	{ "SMI", MODE(2) | DEST(1), { 1, 0, MSG_SMI, 0, false, false, true } },
	{ "NMI", MODE(4) | LOGICAL | DEST(1), { 1, 0, MSG_NMI, 0, true, false, true } },
	{ "NMI is an edge", MODE(4) | LEVEL, { 0, 0, MSG_NMI, 0, false, false, true } },
	{ "INIT", MODE(5) | DEST(4), { 4, 0, MSG_INIT, 0, false, false, true } },
	{ "INIT is an edge", MODE(5) | LEVEL, { 0, 0, MSG_INIT, 0, false, false, true } },
	{ "SMI as a level", MODE(2) | LEVEL, { 0, 0, MSG_SMI, 0, false, false, true } },
	{ "ExtINT", MODE(7) | 0x20, { 0, 0x20, MSG_EXTINT, 0, false, false, true } },
	{ "ExtINT as a level", MODE(7) | LEVEL, { 0, 0, MSG_EXTINT, 0, false, false, true } },
};

static bool same_msg(const struct irq_msg *a, const struct irq_msg *b)
{
	return a->dest == b->dest && a->vector == b->vector && a->mode == b->mode &&
	       a->shorthand == b->shorthand && a->logical == b->logical &&
	       a->level == b->level && a->assert == b->assert;
}

static void try_message(const struct message *row, unsigned int pin)
{
	struct irq_msg msg;

	ioapic_reset(&io);
	CHECK(!write_entry(pin, row->entry), "%s: no line, no message", row->name);
	CHECK(!takes(pin), "%s", row->name);
	CHECK(ioapic_set_line(&io, pin, true), "%s", row->name);
	CHECK(ioapic_pending(&io) == 1u << pin, "%s: %x", row->name, ioapic_pending(&io));
	memset(&msg, 0xa5, sizeof(msg));
	CHECK(ioapic_take(&io, pin, &msg), "%s", row->name);
	CHECK(same_msg(&msg, &row->msg), "%s: %x %x %x %x %d %d %d", row->name, msg.dest,
	      msg.vector, msg.mode, msg.shorthand, msg.logical, msg.level, msg.assert);
	CHECK(!ioapic_pending(&io) && !takes(pin), "%s: sent once", row->name);
	CHECK(read_entry(pin) == (row->entry | (row->msg.level ? REMOTE : 0)), "%s: remote IRR",
	      row->name);
	CHECK(ioapic_eoi(&io, row->msg.vector) == (row->msg.level ? 1u << pin : 0), "%s",
	      row->name);
	CHECK(ioapic_pending(&io) == (row->msg.level ? 1u << pin : 0), "%s: still up", row->name);
	CHECK(!ioapic_set_line(&io, pin, false), "%s: down", row->name);
	CHECK(!ioapic_pending(&io) && !takes(pin), "%s: down", row->name);
}

static void test_messages(void)
{
	unsigned int i, pin;

	for (i = 0; i < ARRAY_SIZE(messages); i++)
		for (pin = 0; pin < PINS; pin++)
			try_message(&messages[i], pin);
}

static void test_reserved_modes(void)
{
	static const u64 entries[] = {
		MODE(3) | 0x30, MODE(6) | 0x30, MODE(3) | LEVEL | 0x30, MODE(6) | LEVEL | 0x30,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		ioapic_reset(&io);
		write_entry(5, entries[i]);
		CHECK(!ioapic_set_line(&io, 5, true) && !takes(5), "%u", i);
		CHECK(!ioapic_eoi(&io, 0x30), "%u", i);
		CHECK(!write_entry(5, 0x30) && !takes(5), "%u: no edge is left of it", i);
		CHECK(write_entry(5, entries[i]) == 0, "%u", i);
		CHECK(write_entry(5, 0x30 | LEVEL) == 1u << 5 && takes(5), "%u: a level is", i);
	}
}

/*
 * Edges and levels
 */

static void test_edges(void)
{
	ioapic_reset(&io);
	CHECK(!ioapic_set_line(&io, 4, true), "masked");
	CHECK(!write_entry(4, 0x30), "an edge on a masked pin is lost");
	CHECK(!ioapic_set_line(&io, 4, true), "the same again is no edge");
	CHECK(!ioapic_set_line(&io, 4, false), "a falling one is none");
	CHECK(ioapic_set_line(&io, 4, true), "edge");
	CHECK(ioapic_set_line(&io, 4, false), "it waits, even so");
	CHECK(ioapic_set_line(&io, 4, true), "two that wait");
	CHECK(takes(4) && !takes(4), "are one");
	CHECK(!ioapic_set_line(&io, 4, false), "fall");
	CHECK(ioapic_set_line(&io, 4, true), "edge");
	CHECK(!write_entry(4, 0x30 | MASKED), "withdrawn");
	CHECK(!write_entry(4, 0x30), "for good");
	CHECK(!ioapic_set_line(&io, 4, false) && ioapic_set_line(&io, 4, true), "edge");
	CHECK(write_reg(0x19, 0x07000000) == 1u << 4, "goes where the entry says when it is sent");
	CHECK(takes(4), "edge");
	ioapic_refused(&io, 4);
	CHECK(!ioapic_pending(&io), "nobody took it: gone");
	CHECK(!ioapic_eoi(&io, 0x30), "no EOI for an edge");
	CHECK(write_entry(4, 0x30 | LEVEL) == 1u << 4, "the line is up for whom it is a level");
	CHECK(!write_entry(4, 0x30), "and a level is no edge");
	CHECK(!takes(4), "a level is no edge");
}

/* The edge has come, and before it is sent the pin becomes one that edges do not matter to. */
static void test_edge_forgotten(void)
{
	static const u64 entries[] = { LEVEL | 0x30, MODE(3), MODE(6), MASKED, MASKED | LEVEL };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		ioapic_reset(&io);
		write_entry(9, 0x30);
		CHECK(ioapic_set_line(&io, 9, true), "%u", i);
		CHECK(ioapic_set_line(&io, 9, false), "%u", i);
		CHECK(!write_entry(9, entries[i]), "%u", i);
		CHECK(!write_entry(9, 0x30) && !takes(9), "%u", i);
	}
}

static void test_levels(void)
{
	ioapic_reset(&io);
	write_entry(9, 0x50 | LEVEL | MASKED);
	CHECK(!ioapic_set_line(&io, 9, true) && !takes(9), "masked");
	CHECK(write_entry(9, 0x50 | LEVEL) == 1u << 9, "unmasked, it is still up");
	CHECK(!ioapic_set_line(&io, 9, false) && !takes(9), "withdrawn");
	CHECK(ioapic_set_line(&io, 9, true) && takes(9), "up");
	CHECK(!ioapic_set_line(&io, 9, false), "down and");
	CHECK(!ioapic_set_line(&io, 9, true), "up again, before the EOI");
	CHECK(!ioapic_eoi(&io, 0x51) && !ioapic_pending(&io), "not this vector");
	CHECK(!write_entry(9, 0x50 | LEVEL | MASKED) && !write_entry(9, 0x50 | LEVEL),
	      "masked and unmasked before the EOI");
	CHECK(read_entry(9) & REMOTE, "remote IRR is not written, nor forgotten");
	CHECK(ioapic_eoi(&io, 0x50) == 1u << 9, "EOI");
	CHECK(!(read_entry(9) & REMOTE), "remote IRR");
	CHECK(ioapic_pending(&io) == 1u << 9 && takes(9), "still up");
	CHECK(!write_entry(9, 0x50 | LEVEL | MASKED), "mask");
	CHECK(ioapic_eoi(&io, 0x50) == 1u << 9, "a masked pin gets its EOI");
	CHECK(!ioapic_pending(&io) && !takes(9), "and sends nothing");
	CHECK(write_entry(9, 0x50 | LEVEL) == 1u << 9, "until unmasked");
	CHECK(ioapic_eoi(&io, 0x50) == 1u << 9, "whoever drives it is told, waiting or not");
	CHECK(takes(9), "up");
	write_entry(9, 0x60 | LEVEL);
	CHECK(!ioapic_eoi(&io, 0x50) && !ioapic_pending(&io), "the vector has changed");
	CHECK(!write_entry(9, 0x60 | MASKED) && !(read_entry(9) & REMOTE), "no remote IRR");
	CHECK(write_entry(9, 0x60 | LEVEL) == 1u << 9 && takes(9), "edge, then level: sends");
	CHECK(!write_reg(0x23, 0x01000000) && !takes(9), "the other half waits for the EOI, too");
	CHECK(!write_entry(9, 0x60 | LEVEL | MODE(4)) && !(read_entry(9) & REMOTE), "an NMI");
}

static void test_refused(void)
{
	ioapic_reset(&io);
	write_entry(3, 0x50 | LEVEL);
	write_entry(7, 0x50 | LEVEL);
	CHECK(ioapic_set_line(&io, 3, true) && takes(3), "up");
	CHECK(ioapic_set_line(&io, 7, true) && takes(7), "up");
	ioapic_refused(&io, 3);
	CHECK(ioapic_pending(&io) == 1u << 3, "%x", ioapic_pending(&io));
	CHECK(ioapic_set_line(&io, 3, true), "found again");
	CHECK(write_entry(3, 0x50 | LEVEL) == 1u << 3, "found again");
	CHECK(takes(3), "sent again");
	CHECK(ioapic_eoi(&io, 0x50) == (1u << 3 | 1u << 7), "two pins, one vector");
	CHECK(ioapic_pending(&io) == (1u << 3 | 1u << 7), "both are up");
	ioapic_set_line(&io, 3, false);
	CHECK(ioapic_pending(&io) == 1u << 7, "one is");
}

/* KVM_CAP_IOAPIC_POLARITY_IGNORED */
static void test_polarity(void)
{
	ioapic_reset(&io);
	CHECK(!write_entry(2, 0x50 | LEVEL | LOW) && !takes(2), "not asserted");
	CHECK(ioapic_set_line(&io, 2, true) && takes(2), "asserted");
	CHECK(read_entry(2) == (0x50 | LEVEL | LOW | REMOTE), "kept");
}

static void test_vector(void)
{
	ioapic_reset(&io);
	CHECK(!ioapic_vector(&io, 0), "masked");
	write_entry(0, 0x20 | LEVEL);
	write_entry(1, 0x21);
	write_entry(2, 0x7f | MASKED);
	write_entry(3, 0x80 | MODE(1));
	write_entry(4, 0x81 | MODE(4));
	write_entry(5, 0x82 | MODE(7));
	CHECK(ioapic_vector(&io, 0) == 0x20, "a level");
	CHECK(ioapic_vector(&io, 1) == 0x21, "an edge");
	CHECK(ioapic_vector(&io, 2) == 0, "masked");
	CHECK(ioapic_vector(&io, 3) == 0x80, "lowest priority");
	CHECK(ioapic_vector(&io, 4) == 0, "an NMI");
	CHECK(ioapic_vector(&io, 5) == 0, "ExtINT");
}

/*
 * The ABI's state
 */

static void test_get_state(void)
{
	struct kvm_ioapic_state state;

	ioapic_reset(&io);
	io.base = 0x123456789abcdef0;
	write_reg(0, 0x0a000000);
	write_entry(0, 0x50 | LEVEL | DEST(7));
	write_entry(1, 0x51);
	write_entry(2, 0x52);
	write_entry(3, 0x53 | LEVEL | MASKED);
	write_entry(6, MODE(6));
	ioapic_set_line(&io, 0, true);		/* a level that has been sent */
	takes(0);
	ioapic_set_line(&io, 1, true);		/* an edge that has been */
	takes(1);
	ioapic_set_line(&io, 2, true);		/* one that has not, its line down again */
	ioapic_set_line(&io, 2, false);
	ioapic_set_line(&io, 3, true);		/* masked */
	ioapic_set_line(&io, 4, true);		/* masked, an edge if it were not */
	ioapic_set_line(&io, 6, true);		/* reserved */
	ioapic_set_line(&io, 23, true);
	ioapic_write(&io, 0x00, 0x3f);
	memset(&state, 0xa5, sizeof(state));
	ioapic_get_state(&io, &state);
	CHECK(state.base_address == 0x123456789abcdef0, "base");
	CHECK(state.ioregsel == 0x3f && state.id == 0xa && state.pad == 0, "%x %x %x",
	      state.ioregsel, state.id, state.pad);
	CHECK(state.irr == 0x80005d, "%x", state.irr);
	CHECK(state.redirtbl[0].bits == (0x50 | LEVEL | REMOTE | DEST(7)), "0");
	CHECK(state.redirtbl[0].fields.vector == 0x50 && state.redirtbl[0].fields.dest_id == 7 &&
	      state.redirtbl[0].fields.remote_irr && state.redirtbl[0].fields.trig_mode, "fields");
	CHECK(state.redirtbl[1].bits == 0x51 && state.redirtbl[23].bits == MASKED, "1, 23");
	CHECK(ioapic_set_state(&io, &state) == 1u << 2, "%x", ioapic_pending(&io));
	CHECK(takes(2) && !takes(0) && !takes(1), "what has been sent has been");
	CHECK(ioapic_eoi(&io, 0x50) == 1 && takes(0), "and the level is still up");
	CHECK(!write_entry(4, 0x54), "masked when saved: no edge");
	CHECK(write_entry(3, 0x53 | LEVEL) == 1u << 3, "but a level");
}

static void test_set_state(void)
{
	struct kvm_ioapic_state state;
	unsigned int pin;

	memset(&state, 0xff, sizeof(state));
	memset(&io, 0xa5, sizeof(io));
	CHECK(!ioapic_set_state(&io, &state), "all masked");
	CHECK(io.base == ~0ull && io.regsel == 0xff && io.id == 0xf, "%x %x", io.regsel, io.id);
	CHECK(io.lines == 0xffffff && !io.edges, "%x %x", io.lines, io.edges);
	for (pin = 0; pin < PINS; pin++)
		CHECK(io.redir[pin] == 0xff0000000001afff, "pin %u", pin);

	memset(&state, 0, sizeof(state));
	state.irr = 0xf0ff;
	state.ioregsel = 0x1234;
	state.id = 0x12;
	state.redirtbl[0].bits = 0x50 | REMOTE | 0x1000;
	state.redirtbl[1].bits = 0x51 | LEVEL | REMOTE | 0x1000;
	state.redirtbl[2].bits = 0x52 | LEVEL;
	state.redirtbl[3].bits = 0x53 | MASKED;
	state.redirtbl[4].bits = 0x54 | LEVEL | MASKED;
	state.redirtbl[5].bits = MODE(4) | LEVEL | REMOTE;
	state.redirtbl[6].bits = MODE(3);
	state.redirtbl[7].bits = MODE(6) | LEVEL;
	CHECK(ioapic_set_state(&io, &state) == 0xf025, "%x", ioapic_pending(&io));
	CHECK(io.base == 0 && io.regsel == 0x34 && io.id == 2, "%x %x", io.regsel, io.id);
	CHECK(io.redir[0] == 0x50 && io.redir[5] == (MODE(4) | LEVEL), "no remote IRR");
	CHECK(io.redir[1] == (0x51 | LEVEL | REMOTE), "remote IRR");
	CHECK(io.lines == 0xf0ff && io.edges == 0xf021, "%x %x", io.lines, io.edges);
}

/*
 * A second IOAPIC
 */

struct pin {
	unsigned int vector, mode, dest;
	bool logical, low, remote, level, masked;
	bool line, edge;
};

static struct {
	unsigned int select, id;
	struct pin pins[PINS];
} naive;

enum { NO_PIN = PINS };

/* 3.2.4, delivery mode: what bit 15 comes to. */
static enum { SENDS_NOTHING, SENDS_EDGES, SENDS_LEVELS } naive_kind(const struct pin *pin)
{
	switch (pin->mode) {
	case 0:
	case 1:
		return pin->level ? SENDS_LEVELS : SENDS_EDGES;
	case 3:
	case 6:
		return SENDS_NOTHING;
	default:
		return SENDS_EDGES;
	}
}

static bool naive_sends(const struct pin *pin)
{
	if (pin->masked)
		return false;
	switch (naive_kind(pin)) {
	case SENDS_LEVELS:
		return pin->line && !pin->remote;
	case SENDS_EDGES:
		return pin->edge;
	default:
		return false;
	}
}

static u32 naive_pending(void)
{
	u32 pins = 0;
	unsigned int n;

	for (n = 0; n < PINS; n++)
		if (naive_sends(&naive.pins[n]))
			pins += 1u << n;
	return pins;
}

static void naive_changed(struct pin *pin)
{
	if (naive_kind(pin) != SENDS_LEVELS)
		pin->remote = false;
	if (naive_kind(pin) != SENDS_EDGES || pin->masked)
		pin->edge = false;
}

static void naive_low(struct pin *pin, u32 value)
{
	pin->vector = value % 256;
	pin->mode = value / 256 % 8;
	pin->logical = value / 0x800 % 2;
	pin->low = value / 0x2000 % 2;
	pin->level = value / 0x8000 % 2;
	pin->masked = value / 0x10000 % 2;
	naive_changed(pin);
}

static unsigned int naive_selected(void)
{
	return naive.select >= 0x10 && naive.select <= 0x3f ? (naive.select - 0x10) / 2 : NO_PIN;
}

static u32 naive_write(unsigned int offset, u32 value)
{
	unsigned int n = naive_selected();

	if (offset == 0)
		naive.select = value % 256;
	if (offset != 0x10)
		return 0;
	if (naive.select == 0)
		naive.id = value / 0x1000000 % 16;
	if (n == NO_PIN)
		return 0;
	if (naive.select % 2)
		naive.pins[n].dest = value / 0x1000000;
	else
		naive_low(&naive.pins[n], value);
	return naive_sends(&naive.pins[n]) ? 1u << n : 0;
}

static u32 naive_entry_low(const struct pin *pin)
{
	return pin->vector + pin->mode * 0x100 + pin->logical * 0x800 + pin->low * 0x2000 +
	       pin->remote * 0x4000 + pin->level * 0x8000 + pin->masked * 0x10000;
}

static u32 naive_read(unsigned int offset)
{
	unsigned int n = naive_selected();

	if (offset == 0)
		return naive.select;
	if (offset != 0x10)
		return 0;
	if (n != NO_PIN)
		return naive.select % 2 ? naive.pins[n].dest * 0x1000000
					: naive_entry_low(&naive.pins[n]);
	return naive.select == 0 || naive.select == 2 ? naive.id * 0x1000000 :
	       naive.select == 1 ? 0x170011 : 0;
}

static bool naive_line(struct pin *pin, bool asserted)
{
	if (asserted && !pin->line && naive_kind(pin) == SENDS_EDGES && !pin->masked)
		pin->edge = true;
	pin->line = asserted;
	return naive_sends(pin);
}

static bool naive_take(struct pin *pin, struct irq_msg *msg)
{
	if (!naive_sends(pin))
		return false;
	msg->dest = pin->dest;
	msg->vector = pin->vector;
	msg->mode = pin->mode;
	msg->shorthand = 0;
	msg->logical = pin->logical;
	msg->level = naive_kind(pin) == SENDS_LEVELS;
	msg->assert = true;
	pin->remote = msg->level;
	pin->edge = false;
	return true;
}

static u32 naive_eoi(u8 vector)
{
	u32 pins = 0;
	unsigned int n;

	for (n = 0; n < PINS; n++) {
		struct pin *pin = &naive.pins[n];

		if (naive_kind(pin) == SENDS_LEVELS && pin->vector == vector) {
			pin->remote = false;
			pins += 1u << n;
		}
	}
	return pins;
}

static u32 naive_irr(void)
{
	u32 irr = 0;
	unsigned int n;

	for (n = 0; n < PINS; n++) {
		struct pin *pin = &naive.pins[n];

		if (naive_kind(pin) == SENDS_EDGES && !pin->masked ? pin->edge : pin->line)
			irr += 1u << n;
	}
	return irr;
}

static void naive_set(const struct kvm_ioapic_state *state)
{
	unsigned int n;

	naive.select = state->ioregsel % 256;
	naive.id = state->id % 16;
	for (n = 0; n < PINS; n++) {
		struct pin *pin = &naive.pins[n];

		pin->line = state->irr >> n & 1;
		pin->edge = pin->line;
		pin->dest = state->redirtbl[n].fields.dest_id;
		pin->remote = state->redirtbl[n].fields.remote_irr;
		naive_low(pin, state->redirtbl[n].bits);
	}
}

static void same_state(unsigned int step)
{
	struct kvm_ioapic_state state;
	unsigned int n;

	ioapic_get_state(&io, &state);
	CHECK(ioapic_pending(&io) == naive_pending(), "step %u", step);
	CHECK(state.irr == naive_irr() && state.id == naive.id && state.ioregsel == naive.select,
	      "step %u: irr %x, not %x", step, state.irr, naive_irr());
	for (n = 0; n < PINS; n++)
		CHECK(state.redirtbl[n].bits == (naive_entry_low(&naive.pins[n]) |
						 (u64)naive.pins[n].dest << 56),
		      "step %u, pin %u: %llx", step, n, (unsigned long long)state.redirtbl[n].bits);
}

static void same_vector(unsigned int step, unsigned int n)
{
	const struct pin *pin = &naive.pins[n];
	bool has = !pin->masked && pin->mode <= 1;

	CHECK(ioapic_vector(&io, n) == (has ? pin->vector : 0), "step %u, pin %u", step, n);
}

/* Few pins and few vectors, so that they meet; now and then any. */
static unsigned int some_pin(void)
{
	return rand() % 4 ? rand() % 3 : rand() % PINS;
}

static unsigned int some_vector(void)
{
	return rand() % 8 ? 0x30 + rand() % 2 : rand() % 256;
}

static u32 some_bits(void)
{
	return (u32)rand() << 16 ^ rand();
}

static u32 some_low(void)
{
	u32 value = some_bits();

	if (rand() % 2)
		value &= ~0x700u;
	if (rand() % 2)
		value &= ~0x10000u;
	return (value & ~0xffu) | some_vector();
}

static void some_write(unsigned int step)
{
	static const u8 selects[] = { 0, 1, 2, 3, 0x0f, 0x40, 0xff };
	unsigned int offset = rand() % 16 ? 0x10 : rand() % 0x40;
	u32 value = some_low(), select = 0x10 + 2 * some_pin();

	if (rand() % 8 == 0)
		select = selects[rand() % ARRAY_SIZE(selects)];
	else if (rand() % 4 == 0)
		select++;
	CHECK(ioapic_write(&io, 0, select) == naive_write(0, select), "step %u", step);
	CHECK(ioapic_read(&io, offset) == naive_read(offset), "step %u, %x", step, offset);
	CHECK(ioapic_write(&io, offset, value) == naive_write(offset, value), "step %u", step);
	CHECK(ioapic_read(&io, 0x10) == naive_read(0x10), "step %u, %x", step, select);
}

static void some_take(unsigned int step)
{
	struct irq_msg ours = { .dest = 1 }, theirs = { .dest = 1 };
	unsigned int n = some_pin();
	bool taken = ioapic_take(&io, n, &ours);

	CHECK(taken == naive_take(&naive.pins[n], &theirs), "step %u, pin %u", step, n);
	CHECK(same_msg(&ours, &theirs), "step %u, pin %u", step, n);
	if (taken && rand() % 8 == 0) {
		ioapic_refused(&io, n);
		naive.pins[n].remote = false;
	}
}

static void some_state(unsigned int step)
{
	struct kvm_ioapic_state state;
	unsigned int n;

	ioapic_get_state(&io, &state);
	for (n = 0; n < 3 && rand() % 2; n++) {
		state.redirtbl[some_pin()].bits = (u64)some_bits() << 32 | some_low();
		state.irr ^= some_bits();
		state.id ^= some_bits();
		state.ioregsel ^= some_bits();
	}
	state.pad = some_bits();
	naive_set(&state);
	CHECK(ioapic_set_state(&io, &state) == naive_pending(), "step %u", step);
}

static void some_step(unsigned int step)
{
	unsigned int n = some_pin(), vector = some_vector();
	bool up = rand() % 2;

	switch (rand() % 32) {
	case 0 ... 7:
		some_write(step);
		break;
	case 8 ... 17:
		CHECK(ioapic_set_line(&io, n, up) == naive_line(&naive.pins[n], up),
		      "step %u, pin %u", step, n);
		break;
	case 18 ... 25:
		some_take(step);
		break;
	case 26 ... 29:
		CHECK(ioapic_eoi(&io, vector) == naive_eoi(vector), "step %u", step);
		break;
	case 30:
		same_vector(step, n);
		break;
	default:
		some_state(step);
	}
}

static void test_random(void)
{
	unsigned int round, step, n;

	srand(82093);
	for (round = 0; round < 100; round++) {
		ioapic_reset(&io);
		memset(&naive, 0, sizeof(naive));
		for (n = 0; n < PINS; n++)
			naive.pins[n].masked = true;
		for (step = 0; step < 2000; step++) {
			some_step(step);
			same_state(step);
		}
	}
}

/*
 * A local APIC that is handed what pin 9 sends, ends it at some time, and is sometimes not there;
 * a system that masks and unmasks.  Whenever all of them have settled, a line that is up has a
 * message on its way or being served, or sends one.
 */
static void test_never_lost(void)
{
	bool served = false, up = false;
	unsigned int step;

	srand(9);
	ioapic_reset(&io);
	write_entry(9, 0x50 | LEVEL);
	for (step = 0; step < 100000; step++) {
		switch (rand() % 6) {
		case 0:
		case 1:
			up = !up;
			ioapic_set_line(&io, 9, up);
			break;
		case 2:
			write_entry(9, 0x50 | LEVEL | (rand() % 2 ? MASKED : 0));
			break;
		case 3:
			if (takes(9)) {
				CHECK(!served, "step %u: sent again before its EOI", step);
				served = rand() % 4;
				if (!served)
					ioapic_refused(&io, 9);
			}
			break;
		case 4:
			if (served)
				ioapic_eoi(&io, 0x50);
			served = false;
			break;
		default:
			CHECK(write_entry(9, 0x50 | LEVEL) == (up && !served ? 1u << 9 : 0),
			      "step %u: up %d, served %d", step, up, served);
		}
	}
}

int main(void)
{
	check_run("ioapic: reset (" COMPILER ")", test_reset);
	check_run("ioapic: registers", test_registers);
	check_run("ioapic: redirection entries", test_entries);
	check_run("ioapic: messages", test_messages);
	check_run("ioapic: reserved modes", test_reserved_modes);
	check_run("ioapic: edges", test_edges);
	check_run("ioapic: edges that are forgotten", test_edge_forgotten);
	check_run("ioapic: levels", test_levels);
	check_run("ioapic: refused", test_refused);
	check_run("ioapic: polarity", test_polarity);
	check_run("ioapic: vector of a pin", test_vector);
	check_run("ioapic: KVM_GET_IRQCHIP", test_get_state);
	check_run("ioapic: KVM_SET_IRQCHIP", test_set_state);
	check_run("ioapic: random sequences against a second one", test_random);
	check_run("ioapic: no level is lost", test_never_lost);
	return check_end();
}
