// SPDX-License-Identifier: GPL-2.0-only
/*
 * route.c - PURE: routes of GSIs and MSIs, from the ABI's form to ours, and an MSI's bits.
 *
 * Everything that userspace can get wrong in an entry is found here; whether a table as a whole is
 * right is the caller's question, with route_together().  Tested by tools/testing/kvm/route.
 */
#include "route.h"

/* SDM vol. 3, 11.11.1, message address register. */
#define ADDRESS_DEST_SHIFT	12
#define ADDRESS_DEST		0xffu
#define ADDRESS_HINT		BIT_ULL(3)	/* to one of those who are meant */
#define ADDRESS_LOGICAL		BIT_ULL(2)

/* 11.11.2, message data register. */
#define DATA_VECTOR		0xffu
#define DATA_MODE_SHIFT		8
#define DATA_MODE		0x7u
#define DATA_LEVEL		BIT(15)

/* With 32-bit ids: where address_hi has the destination's upper three bytes, and what else. */
#define HIGH_DEST		0xffffff00u
#define HIGH_RESERVED		0x000000ffu

#define PIC_PINS		8	/* of either chip */

#define PIN_TO(chip, n)	{ .gsi = (n), .kind = (chip), .pin = (n) }
#define BOTH(n)		PIN_TO(ROUTE_PIC, n), PIN_TO(ROUTE_IOAPIC, n)
#define IOAPIC_ONLY(n)	PIN_TO(ROUTE_IOAPIC, n)

/* That IRQ 0 is pin 2 of the IOAPIC on a PC's board is for the VMM to say. */
const struct route route_defaults[ROUTE_DEFAULTS] = {
	BOTH(0), BOTH(1), BOTH(2), BOTH(3), BOTH(4), BOTH(5), BOTH(6), BOTH(7),
	BOTH(8), BOTH(9), BOTH(10), BOTH(11), BOTH(12), BOTH(13), BOTH(14), BOTH(15),
	IOAPIC_ONLY(16), IOAPIC_ONLY(17), IOAPIC_ONLY(18), IOAPIC_ONLY(19),
	IOAPIC_ONLY(20), IOAPIC_ONLY(21), IOAPIC_ONLY(22), IOAPIC_ONLY(23),
};

static int parse_pin(const struct kvm_irq_routing_irqchip *chip, struct route *route)
{
	bool slave = chip->irqchip == KVM_IRQCHIP_PIC_SLAVE;

	switch (chip->irqchip) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		if (chip->pin >= PIC_PINS)
			return -EINVAL;
		route->kind = ROUTE_PIC;
		route->pin = slave ? chip->pin + PIC_PINS : chip->pin;
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		if (chip->pin >= KVM_IOAPIC_NUM_PINS)
			return -EINVAL;
		route->kind = ROUTE_IOAPIC;
		route->pin = chip->pin;
		return 0;
	default:
		return -EINVAL;
	}
}

/* The three words of an MSI are the same in a routing entry and in KVM_SIGNAL_MSI. */
static int parse_msi(u32 address_lo, u32 address_hi, u32 data, const struct route_rules *rules,
		     struct route *route)
{
	if (rules->wide_ids && address_hi & HIGH_RESERVED)
		return -EINVAL;
	route->kind = ROUTE_MSI;
	route->address = (u64)address_hi << 32 | address_lo;
	route->data = data;
	return 0;
}

static int parse_entry(const struct kvm_irq_routing_entry *entry,
		       const struct route_rules *rules, struct route *route)
{
	const struct kvm_irq_routing_msi *msi = &entry->u.msi;

	if (entry->gsi >= ROUTE_MAX_GSIS || entry->flags)
		return -EINVAL;
	switch (entry->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return rules->pins ? parse_pin(&entry->u.irqchip, route) : -EINVAL;
	case KVM_IRQ_ROUTING_MSI:
		return parse_msi(msi->address_lo, msi->address_hi, msi->data, rules, route);
	default:
		return -EINVAL;
	}
}

int route_parse(const struct kvm_irq_routing_entry *entry, const struct route_rules *rules,
		struct route *route)
{
	struct route parsed = { .gsi = entry->gsi };
	int err = parse_entry(entry, rules, &parsed);

	if (!err)
		*route = parsed;
	return err;
}

int route_parse_msi(const struct kvm_msi *msi, const struct route_rules *rules,
		    struct route *route)
{
	struct route parsed = { .gsi = 0 };
	int err = msi->flags ? -EINVAL : parse_msi(msi->address_lo, msi->address_hi, msi->data,
						   rules, &parsed);

	if (!err)
		*route = parsed;
	return err;
}

static bool same_chip(const struct route *a, const struct route *b)
{
	return a->kind == b->kind &&
	       (a->kind == ROUTE_IOAPIC || a->pin / PIC_PINS == b->pin / PIC_PINS);
}

bool route_together(const struct route *a, const struct route *b)
{
	return a->kind != ROUTE_MSI && b->kind != ROUTE_MSI && !same_chip(a, b);
}

bool route_msi(u64 address, u32 data, bool wide_ids, struct irq_msg *msg)
{
	u8 mode = data >> DATA_MODE_SHIFT & DATA_MODE;
	bool has_vector = mode == MSG_FIXED || mode == MSG_LOWEST;

	if (mode == MSG_SIPI || mode == 3)
		return false;
	if (mode == MSG_FIXED && address & ADDRESS_HINT && address & ADDRESS_LOGICAL)
		mode = MSG_LOWEST;
	/*
	 * Without a hint the bus may ignore what kind of destination it is (11.11.1); the local
	 * APICs, who compare, do not.  And userspace's IOAPICs send levels whose assert bit is 0.
	 */
	*msg = (struct irq_msg) {
		.dest = address >> ADDRESS_DEST_SHIFT & ADDRESS_DEST,
		.vector = data & DATA_VECTOR,
		.mode = mode,
		.shorthand = MSG_TO_DEST,
		.logical = address & ADDRESS_LOGICAL,
		.level = has_vector && data & DATA_LEVEL,
		.assert = true,
	};
	if (wide_ids)
		msg->dest |= address >> 32 & HIGH_DEST;
	return true;
}
