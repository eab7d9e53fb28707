// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - routes and MSIs, against the ABI's documentation and SDM vol. 3, 11.11.
 *
 * Each rule has a value on either side of it; and then all kinds of entries, and all address and
 * data bits that mean something, against a second reading that shares nothing with route.c.
 * "mutants" says what it is good for.
 */
#include <stdlib.h>
#include "../check.h"
#include "irq/route.h"

static const struct route_rules everything = { .pins = true };
static const struct route_rules wide = { .pins = true, .wide_ids = true };
static const struct route_rules messages_only = { .pins = false };

#define GSI(n)		.gsi = (n)
#define CHIP(c, p)	.type = 1, .u.irqchip = { .irqchip = (c), .pin = (p) }
#define MSI(lo, hi, d)	.type = 2, .u.msi = { .address_lo = (lo), .address_hi = (hi), .data = (d) }

struct row {
	const char *name;
	struct kvm_irq_routing_entry entry;
	const struct route_rules *rules;
	int err;
	struct route route;
};

static const struct row rows[] = {
	{ "master's first", { GSI(0), CHIP(0, 0) }, &everything, 0, { 0, ROUTE_PIC, 0, 0, 0 } },
	{ "master's last", { GSI(9), CHIP(0, 7) }, &everything, 0, { 9, ROUTE_PIC, 7, 0, 0 } },
	{ "master's none", { GSI(9), CHIP(0, 8) }, &everything, -EINVAL, { 0 } },
	{ "slave's first", { GSI(8), CHIP(1, 0) }, &everything, 0, { 8, ROUTE_PIC, 8, 0, 0 } },
	{ "slave's last", { GSI(15), CHIP(1, 7) }, &everything, 0, { 15, ROUTE_PIC, 15, 0, 0 } },
	{ "slave's none", { GSI(15), CHIP(1, 8) }, &everything, -EINVAL, { 0 } },
	{ "slave's wraps", { GSI(15), CHIP(1, 0xfffffff8) }, &everything, -EINVAL, { 0 } },
	{ "IOAPIC's first", { GSI(1), CHIP(2, 0) }, &everything, 0, { 1, ROUTE_IOAPIC, 0, 0, 0 } },
	{ "IOAPIC's last", { GSI(1), CHIP(2, 23) }, &everything, 0, { 1, ROUTE_IOAPIC, 23, 0, 0 } },
	{ "IOAPIC's none", { GSI(1), CHIP(2, 24) }, &everything, -EINVAL, { 0 } },
	{ "IOAPIC's none, 8 bits", { GSI(1), CHIP(2, 256) }, &everything, -EINVAL, { 0 } },
	{ "no chip", { GSI(1), CHIP(3, 0) }, &everything, -EINVAL, { 0 } },
	{ "no chip, 32 bits", { GSI(1), CHIP(0xffffffff, 0) }, &everything, -EINVAL, { 0 } },
	{ "last GSI", { GSI(4095), CHIP(2, 1) }, &everything, 0, { 4095, ROUTE_IOAPIC, 1, 0, 0 } },
	{ "no GSI", { GSI(4096), CHIP(2, 1) }, &everything, -EINVAL, { 0 } },
	{ "no GSI, 17 bits", { GSI(0x10000), CHIP(2, 1) }, &everything, -EINVAL, { 0 } },
	{ "no GSI, 32 bits", { GSI(0xffffffff), CHIP(2, 1) }, &everything, -EINVAL, { 0 } },
	{ "pin with a flag", { GSI(1), CHIP(2, 1), .flags = 1 }, &everything, -EINVAL, { 0 } },
	{ "padding", { GSI(1), CHIP(2, 1), .pad = 1 }, &everything, 0,
	  { 1, ROUTE_IOAPIC, 1, 0, 0 } },
	{ "no PIC here", { GSI(0), CHIP(0, 0) }, &messages_only, -EINVAL, { 0 } },
	{ "no IOAPIC here", { GSI(0), CHIP(2, 0) }, &messages_only, -EINVAL, { 0 } },
	{ "a pin, wide ids", { GSI(3), CHIP(2, 3) }, &wide, 0, { 3, ROUTE_IOAPIC, 3, 0, 0 } },

	{ "MSI", { GSI(24), MSI(0xfee01004, 0x12345678, 0x4031) }, &everything, 0,
	  { 24, ROUTE_MSI, 0, 0x4031, 0x12345678fee01004 } },
	{ "MSI alone", { GSI(0), MSI(0xfee01000, 0, 0x31) }, &messages_only, 0,
	  { 0, ROUTE_MSI, 0, 0x31, 0xfee01000 } },
	{ "MSI of no device yet", { GSI(30), MSI(0, 0, 0) }, &everything, 0,
	  { 30, ROUTE_MSI, 0, 0, 0 } },
	{ "MSI, all ones", { GSI(30), MSI(0xffffffff, 0xffffffff, 0xffffffff) }, &everything, 0,
	  { 30, ROUTE_MSI, 0, 0xffffffff, 0xffffffffffffffff } },
	{ "MSI, wide", { GSI(30), MSI(0xfee01000, 0xffffff00, 0) }, &wide, 0,
	  { 30, ROUTE_MSI, 0, 0, 0xffffff00fee01000 } },
	{ "MSI, wide, bit 0", { GSI(30), MSI(0xfee01000, 0x00000001, 0) }, &wide, -EINVAL, { 0 } },
	{ "MSI, wide, bit 7", { GSI(30), MSI(0xfee01000, 0x00000180, 0) }, &wide, -EINVAL, { 0 } },
	{ "MSI, device id", { GSI(30), MSI(0xfee01000, 0, 0), .flags = KVM_MSI_VALID_DEVID },
	  &everything, -EINVAL, { 0 } },
	{ "MSI, a flag", { GSI(30), MSI(0xfee01000, 0, 0), .flags = 1u << 31 },
	  &everything, -EINVAL, { 0 } },
	{ "MSI, no GSI", { GSI(4096), MSI(0xfee01000, 0, 0) }, &everything, -EINVAL, { 0 } },

	{ "no type", { GSI(0), .type = 0 }, &everything, -EINVAL, { 0 } },
	{ "s390", { GSI(0), .type = 3 }, &everything, -EINVAL, { 0 } },
	{ "Hyper-V", { GSI(0), .type = 4 }, &everything, -EINVAL, { 0 } },
	{ "Xen", { GSI(0), .type = 5 }, &everything, -EINVAL, { 0 } },
	{ "unknown", { GSI(0), .type = 0xffffffff }, &everything, -EINVAL, { 0 } },
};

static bool same(const struct route *a, const struct route *b)
{
	return a->gsi == b->gsi && a->kind == b->kind && a->pin == b->pin && a->data == b->data &&
	       a->address == b->address;
}

static const struct route untouched = { 0xa5, 0xa5, 0xa5, 0xa5, 0xa5 };

static void test_entries(void)
{
	const struct row *row;

	for (row = rows; row < rows + ARRAY_SIZE(rows); row++) {
		struct route route = untouched;
		int err = route_parse(&row->entry, row->rules, &route);

		CHECK(err == row->err, "%s: %d", row->name, err);
		CHECK(same(&route, err ? &untouched : &row->route), "%s: %u %u %u %x %llx",
		      row->name, route.gsi, route.kind, route.pin, route.data,
		      (unsigned long long)route.address);
	}
}

/* Each pin of each chip, and some above. */
static void test_pins(void)
{
	static const unsigned int pins[] = { 8, 8, 24, 0 }, first[] = { 0, 8, 0, 0 };
	unsigned int chip, pin;

	for (chip = 0; chip < 4; chip++) {
		for (pin = 0; pin < 300; pin++) {
			struct kvm_irq_routing_entry entry = { GSI(7), CHIP(chip, pin) };
			struct route route = untouched;

			if (pin >= pins[chip]) {
				CHECK(route_parse(&entry, &everything, &route) == -EINVAL, "%u %u",
				      chip, pin);
				continue;
			}
			CHECK(!route_parse(&entry, &everything, &route), "%u %u", chip, pin);
			CHECK(route.pin == first[chip] + pin, "%u %u: %u", chip, pin, route.pin);
			CHECK(route.kind == (chip == 2 ? ROUTE_IOAPIC : ROUTE_PIC), "%u", chip);
		}
	}
}

static void test_signal(void)
{
	struct kvm_msi msi = {
		.address_lo = 0xfee0300c, .address_hi = 0x80, .data = 0xc1ff, .devid = 7,
		.pad = { 1 },
	};
	struct route route = untouched;

	CHECK(!route_parse_msi(&msi, &everything, &route), "plain");
	CHECK(same(&route, &(struct route){ 0, ROUTE_MSI, 0, 0xc1ff, 0x80fee0300c }), "plain");
	CHECK(!route_parse_msi(&msi, &messages_only, &route), "no pins needed");
	route = untouched;
	CHECK(route_parse_msi(&msi, &wide, &route) == -EINVAL, "low bits");
	CHECK(same(&route, &untouched), "low bits");
	msi.address_hi = 0x100;
	CHECK(!route_parse_msi(&msi, &wide, &route), "no low bits");
	CHECK(route.address == 0x100fee0300c, "%llx", (unsigned long long)route.address);
	route = untouched;
	msi.flags = KVM_MSI_VALID_DEVID;
	CHECK(route_parse_msi(&msi, &everything, &route) == -EINVAL, "device id");
	msi.flags = 1u << 31;
	CHECK(route_parse_msi(&msi, &everything, &route) == -EINVAL, "flag");
	CHECK(same(&route, &untouched), "flag");
}

static void test_together(void)
{
	/* one of each chip and of each kind, twice */
	static const struct route some[] = {
		{ .kind = ROUTE_PIC, .pin = 0 }, { .kind = ROUTE_PIC, .pin = 7 },
		{ .kind = ROUTE_PIC, .pin = 8 }, { .kind = ROUTE_PIC, .pin = 15 },
		{ .kind = ROUTE_IOAPIC, .pin = 0 }, { .kind = ROUTE_IOAPIC, .pin = 23 },
		{ .kind = ROUTE_MSI }, { .kind = ROUTE_MSI },
	};
	unsigned int a, b;

	for (a = 0; a < ARRAY_SIZE(some); a++)
		for (b = 0; b < ARRAY_SIZE(some); b++)
			CHECK(route_together(&some[a], &some[b]) ==
			      (a / 2 != b / 2 && a < 6 && b < 6), "%u %u", a, b);
}

static void test_defaults(void)
{
	unsigned int pic[16] = { 0 }, ioapic[24] = { 0 }, i, j;

	CHECK(ARRAY_SIZE(route_defaults) == 40, "%zu", ARRAY_SIZE(route_defaults));
	for (i = 0; i < ARRAY_SIZE(route_defaults); i++) {
		const struct route *route = &route_defaults[i];

		CHECK(route->gsi == route->pin && !route->data && !route->address, "%u", i);
		CHECK(route->kind == ROUTE_PIC || route->kind == ROUTE_IOAPIC, "%u", i);
		if (route->kind == ROUTE_PIC && route->pin < 16)
			pic[route->pin]++;
		if (route->kind == ROUTE_IOAPIC && route->pin < 24)
			ioapic[route->pin]++;
		for (j = 0; j < i; j++)
			CHECK(route_defaults[j].gsi != route->gsi ||
			      route_together(&route_defaults[j], route), "%u %u", i, j);
	}
	for (i = 0; i < 16; i++)
		CHECK(pic[i] == 1, "PIC pin %u: %u", i, pic[i]);
	for (i = 0; i < 24; i++)
		CHECK(ioapic[i] == 1, "IOAPIC pin %u: %u", i, ioapic[i]);
}

/*
 * MSIs
 */

struct message {
	const char *name;
	u64 address;
	u32 data;
	bool wide, sent;
	struct irq_msg msg;
};

#define MSG(d, v, m, log, lev)	\
	{ .dest = d, .vector = v, .mode = m, .logical = log, .level = lev, .assert = true }

static const struct message messages[] = {
	{ "fixed", 0xfee03000, 0x4041, false, true, MSG(3, 0x41, MSG_FIXED, false, false) },
	{ "all ones", 0xfeeff000, 0x00ff, false, true, MSG(0xff, 0xff, MSG_FIXED, false, false) },
	{ "no bits but those", 0xfee00ff3, 0xffff3800, false, true,
	  MSG(0, 0, MSG_FIXED, false, false) },
	{ "another address", 0x12f03000, 0x41, false, true, MSG(3, 0x41, MSG_FIXED, false, false) },
	{ "logical", 0xfee03004, 0x41, false, true, MSG(3, 0x41, MSG_FIXED, true, false) },
	{ "hint, physical", 0xfee03008, 0x41, false, true, MSG(3, 0x41, MSG_FIXED, false, false) },
	{ "hint, logical", 0xfee0300c, 0x41, false, true, MSG(3, 0x41, MSG_LOWEST, true, false) },
	{ "lowest", 0xfee03004, 0x141, false, true, MSG(3, 0x41, MSG_LOWEST, true, false) },
	{ "lowest, physical", 0xfee03000, 0x141, false, true,
	  MSG(3, 0x41, MSG_LOWEST, false, false) },
	{ "level", 0xfee03000, 0xc041, false, true, MSG(3, 0x41, MSG_FIXED, false, true) },
	{ "level, no assert", 0xfee03000, 0x8041, false, true,
	  MSG(3, 0x41, MSG_FIXED, false, true) },
	{ "level, lowest", 0xfee03000, 0x8141, false, true, MSG(3, 0x41, MSG_LOWEST, false, true) },
	{ "SMI", 0xfee03000, 0x200, false, true, MSG(3, 0, MSG_SMI, false, false) },
	{ "NMI", 0xfee03000, 0x400, false, true, MSG(3, 0, MSG_NMI, false, false) },
	{ "NMI as a level", 0xfee03000, 0xc400, false, true, MSG(3, 0, MSG_NMI, false, false) },
	{ "NMI with a hint", 0xfee0300c, 0x400, false, true, MSG(3, 0, MSG_NMI, true, false) },
	{ "INIT", 0xfee03000, 0x500, false, true, MSG(3, 0, MSG_INIT, false, false) },
	{ "INIT as a level", 0xfee03000, 0xc500, false, true, MSG(3, 0, MSG_INIT, false, false) },
	{ "ExtINT", 0xfee03000, 0x700, false, true, MSG(3, 0, MSG_EXTINT, false, false) },
	{ "reserved", 0xfee03000, 0x341, false, false, { 0 } },
	{ "start-up", 0xfee03000, 0x641, false, false, { 0 } },
	{ "high half", 0xffffffffffe03000, 0x41, false, true,
	  MSG(3, 0x41, MSG_FIXED, false, false) },
	{ "wide", 0x12345600fee78000, 0x41, true, true,
	  MSG(0x12345678, 0x41, MSG_FIXED, false, false) },
	{ "wide, all", 0xffffff00feeff000, 0x41, true, true,
	  MSG(0xffffffff, 0x41, MSG_FIXED, false, false) },
	{ "wide, set before it was", 0x000000a5fee5a000, 0x41, true, true,
	  MSG(0x5a, 0x41, MSG_FIXED, false, false) },
};

static bool same_msg(const struct irq_msg *a, const struct irq_msg *b)
{
	return a->dest == b->dest && a->vector == b->vector && a->mode == b->mode &&
	       a->shorthand == b->shorthand && a->logical == b->logical &&
	       a->level == b->level && a->assert == b->assert;
}

static void test_messages(void)
{
	const struct message *row;

	for (row = messages; row < messages + ARRAY_SIZE(messages); row++) {
		struct irq_msg msg = { 0 };

		if (row->sent)
			memset(&msg, 0xa5, sizeof(msg));
		CHECK(route_msi(row->address, row->data, row->wide, &msg) == row->sent, "%s",
		      row->name);
		CHECK(same_msg(&msg, &row->msg), "%s: %x %x %u %u %d %d %d", row->name, msg.dest,
		      msg.vector, msg.mode, msg.shorthand, msg.logical, msg.level, msg.assert);
	}
}

/* The figures of 11.11, field by field. */
static bool naive_msi(u32 lo, u32 hi, u32 data, bool wide_ids, struct irq_msg *msg)
{
	unsigned int dest = lo / 0x1000 % 0x100, hint = lo / 8 % 2, logical = lo / 4 % 2;
	unsigned int vector = data % 0x100, mode = data / 0x100 % 8, level = data / 0x8000 % 2;

	memset(msg, 0, sizeof(*msg));
	switch (mode) {
	case 0:
		msg->mode = hint + logical == 2 ? 1 : 0;
		msg->level = level;
		break;
	case 1:
		msg->mode = 1;
		msg->level = level;
		break;
	case 3:
	case 6:
		return false;
	default:
		msg->mode = mode;
	}
	msg->vector = vector;
	msg->logical = logical;
	msg->assert = true;
	msg->dest = wide_ids ? hi / 0x100 * 0x100 + dest : dest;
	return true;
}

static void try_msi(u32 lo, u32 hi, u32 data, bool wide_ids)
{
	struct irq_msg ours = { 0 }, theirs;
	bool sent = naive_msi(lo, hi, data, wide_ids, &theirs);

	CHECK(route_msi((u64)hi << 32 | lo, data, wide_ids, &ours) == sent, "%x %x", lo, data);
	CHECK(same_msg(&ours, &theirs), "%08x%08x %x %d", hi, lo, data, wide_ids);
}

static void test_all_messages(void)
{
	unsigned int lo, data, i;

	/* all of bits 3:2 and 15:8, and then anything */
	for (lo = 0; lo < 4; lo++)
		for (data = 0; data < 0x100; data++)
			try_msi(0xfee01000 | lo << 2, 0x100, data << 8 | 0x31, data % 2);
	srand(11);
	for (i = 0; i < 300000; i++)
		try_msi((u32)rand() << 16 ^ rand(), (u32)rand() << 16 ^ rand(),
			(u32)rand() << 16 ^ rand(), rand() % 2);
}

int main(void)
{
	check_run("route: entries (" COMPILER ")", test_entries);
	check_run("route: pins", test_pins);
	check_run("route: KVM_SIGNAL_MSI", test_signal);
	check_run("route: two of one GSI", test_together);
	check_run("route: the table after KVM_CREATE_IRQCHIP", test_defaults);
	check_run("route: messages", test_messages);
	check_run("route: all messages against a second reading", test_all_messages);
	return check_end();
}
