/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * naive.h - a local APIC again, slowly: as the manual tells it, with a bool for every vector and a
 * timer that takes every nanosecond's step.  Shares nothing with lapic.c but names and numbers.
 */
#ifndef TOOLS_TESTING_KVM_LAPIC_NAIVE_H
#define TOOLS_TESTING_KVM_LAPIC_NAIVE_H

#include "../../../../arch/x86/kvm/irq/lapic.h"

struct naive_lvt {
	u32 offset;
	u8 vector, mode, timer;
	bool masked, level, low, remote;
};

#define NAIVE_LVTS	7	/* CMCI, and the six from timer to error */

struct naive {
	u8 features;
	u8 mode;		/* enum lapic_mode */
	u32 id;			/* as at power-up */
	u8 xapic_id;
	u8 tpr, ldr, model;
	u8 spurious;
	bool enabled, focus, no_eoi;
	bool irr[256], isr[256], tmr[256];
	u8 esr, errors;
	u32 icr, icr_high;
	struct naive_lvt lvt[NAIVE_LVTS];
	u32 initial, count;
	u8 divide;		/* register's bits 3, 1 and 0 */
	u32 phase;		/* ns of the tick that have passed */
	bool due;		/* the count got to 0, the interrupt is still to be raised */
	u64 tsc;
	/* what a write did */
	bool sent, told_eoi;
	struct irq_msg msg;
	u8 told_vector;
};

void naive_power_up(struct naive *apic, u32 id);
void naive_init(struct naive *apic);
void naive_set_mode(struct naive *apic, u8 mode);
void naive_tick(struct naive *apic, u32 ns);

bool naive_accept(struct naive *apic, u8 vector, bool level);
int naive_pending(const struct naive *apic);
int naive_acknowledge(struct naive *apic);
u8 naive_ppr(const struct naive *apic);
int naive_local(struct naive *apic, u32 offset);
bool naive_fired(struct naive *apic);
bool naive_extint(const struct naive *apic);
bool naive_matches(const struct naive *apic, const struct irq_msg *msg, bool narrow);

/* A register that exists, whoever may read it. */
u32 naive_show(const struct naive *apic, u32 offset);

u32 naive_read(struct naive *apic, u32 offset);
void naive_write(struct naive *apic, u32 offset, u32 value);
bool naive_rdmsr(const struct naive *apic, u32 msr, u64 *value);
bool naive_wrmsr(struct naive *apic, u32 msr, u64 value);

#endif /* TOOLS_TESTING_KVM_LAPIC_NAIVE_H */
