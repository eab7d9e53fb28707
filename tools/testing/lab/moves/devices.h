/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's devices, which notice every access that is missing or comes twice.  See devices.c. */
#ifndef MOVES_DEVICES_H
#define MOVES_DEVICES_H

#include <stdint.h>
#include <linux/kvm.h>

/** struct count - a kind of event, from where it begins to where it arrives */
struct count {
	uint64_t sent, delivered, lost, doubled;
};

/** struct devices - what each channel expects next; counters of all of them together */
struct devices {
	uint32_t round, write, swap;
	uint32_t ticket, dev_ticket;
	unsigned int text, fill;
	uint32_t fill_value;
	struct count count;
};

void device_out32(struct devices *d, uint16_t port, uint32_t value);
void device_text(struct devices *d, uint8_t byte);
uint32_t device_in32(struct devices *d);
void device_mmio(struct devices *d, struct kvm_run *run);

#endif /* MOVES_DEVICES_H */
