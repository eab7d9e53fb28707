/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * route.h - where a GSI goes: pins of the controllers in the kernel, or a message.
 *
 * PURE: entries of KVM_SET_GSI_ROUTING in, routes out; address and data of an MSI in, an interrupt
 * out.  The table itself, who may read it while it is replaced, and what is done with a route are
 * the caller's.
 *
 * Documentation/virt/kvm/api.rst, KVM_SET_GSI_ROUTING and KVM_SIGNAL_MSI; SDM vol. 3, 11.11.
 */
#ifndef ARCH_X86_KVM_IRQ_ROUTE_H
#define ARCH_X86_KVM_IRQ_ROUTE_H

#include "../pure.h"
#include "msg.h"
#include <linux/kvm.h>

#define ROUTE_MAX_GSIS	4096	/* and entries of a table: the answer to KVM_CAP_IRQ_ROUTING */

enum route_kind {
	ROUTE_NONE,
	ROUTE_PIC,	/* pin: 0 to 7 the master's, 8 to 15 the slave's */
	ROUTE_IOAPIC,	/* pin: 0 to 23 */
	ROUTE_MSI,	/* address, data: for route_msi() */
};

/**
 * struct route - one place where a GSI goes
 * @gsi:	below ROUTE_MAX_GSIS
 * @kind:	enum route_kind
 * @pin:	of the PICs or the IOAPIC; otherwise 0
 * @data:	of an MSI; otherwise 0
 * @address:	of an MSI, all 64 bits as given; otherwise 0
 */
struct route {
	u32 gsi;
	u8 kind;
	u8 pin;
	u32 data;
	u64 address;
};

/**
 * struct route_rules - what a VM allows in its routes
 * @pins:	PICs and IOAPIC are in the kernel (KVM_CREATE_IRQCHIP)
 * @wide_ids:	KVM_X2APIC_API_USE_32BIT_IDS
 */
struct route_rules {
	bool pins;
	bool wide_ids;
};

/**
 * route_parse - check an entry of KVM_SET_GSI_ROUTING, and convert it
 * @entry: any content; its padding is not looked at
 * @rules: of the VM
 * @route: out, if there is no error
 *
 * Return: 0, or -EINVAL: a GSI or pin that does not exist, a pin of a controller that is not in the
 * kernel, an unknown type, or one that this hypervisor has not (Hyper-V, Xen), a flag (device ids
 * among them, KVM_CAP_MSI_DEVID is not offered), low bits in address_hi with 32-bit ids.
 */
int route_parse(const struct kvm_irq_routing_entry *entry, const struct route_rules *rules,
		struct route *route);

/* May both be routes of one GSI?  Pins may, of different chips (PIC master and slave are two). */
bool route_together(const struct route *a, const struct route *b);

/**
 * route_parse_msi - check a KVM_SIGNAL_MSI, and convert it
 * @msi: any content; devid and padding are not looked at
 * @rules: of the VM; @rules->pins does not matter
 * @route: out, if there is no error: ROUTE_MSI, of GSI 0
 *
 * Return: 0, or -EINVAL: a flag, or low bits in address_hi with 32-bit ids.
 */
int route_parse_msi(const struct kvm_msi *msi, const struct route_rules *rules,
		    struct route *route);

/**
 * route_msi - which interrupt is an MSI?
 * @address: bits 31:20 are not looked at; 63:40 are bits 31:8 of the destination with @wide_ids,
 *	and otherwise ignored
 * @data: bit 14, level assert, is not looked at: every message asserts
 * @wide_ids: KVM_X2APIC_API_USE_32BIT_IDS, as it is now
 * @msg: out, if it is one
 *
 * A redirection hint with a logical destination makes a fixed interrupt one of lowest priority.
 * What is neither fixed nor lowest is edge-triggered, whatever @data says.
 *
 * Return: true, or false for the delivery modes that are reserved in an MSI (3 and 6).
 */
bool route_msi(u64 address, u32 data, bool wide_ids, struct irq_msg *msg);

/* What KVM_CREATE_IRQCHIP sets: 0 to 15 go to PIC and IOAPIC, 16 to 23 to the IOAPIC alone. */
#define ROUTE_DEFAULTS	40
extern const struct route route_defaults[ROUTE_DEFAULTS];

#endif /* ARCH_X86_KVM_IRQ_ROUTE_H */
