/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine that is moved: guest memory, the VM it is in at the moment, its devices, and the
 * sources of events from outside: two, and two more with chips (vm.h).  Next: machine.c (runs it),
 * vmm.c (stops and moves it).
 */
#ifndef MOVES_MACHINE_H
#define MOVES_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include "devices.h"
#include "guest.h"
#include "vm.h"

#define PAGE 4096UL

/** struct source - events the VMM sends, one after another, and what has become of them */
struct source {
	struct count count;
	unsigned int outstanding;	/* sent, not acknowledged */
	uint8_t vector;			/* interrupts: of the last one sent */
};

/** struct guest_totals - what the guest counted, over all lives of the guest */
struct guest_totals {
	struct tally tally[PROVOKED_COUNT];
	uint64_t rounds, wrongs, irq_in_shadow, absent;
	unsigned int deaths;
	const char *last_death;
	unsigned int last_provoked;	/* by the guest that died last */
};

struct machine {
	struct memory memory;
	struct vm vm;
	struct guest_shared *shared;
	const struct guest_header *header;
	struct devices devices;
	struct source irq, nmi, msi, smi;
	uint64_t irq_sum;		/* of the vectors acknowledged, as the guest computes it */
	struct guest_totals totals;
	uint64_t without;
	bool together, two_nmis;	/* let several events coincide; two NMIs at once */
	bool chips, no_extint;		/* with chips; and without KVM_INTERRUPT then */
	bool halted, want_irq;
	bool starting;			/* the guest has asked for it: nothing else is sent */
	bool start_in_smm;
	bool start_due;			/* it has asked again */
	bool init_sent;			/* a SIPI is to follow */
	bool done;			/* the guest has come to the end of its rounds */
	int raise;			/* raised[] to be raised now, or -1 */
	const char *dead;		/* why the guest cannot go on */
	bool (*irq_due)(struct machine *m);	/* is it time for one? Asked before an entry */
};

bool host_is_tcg(void);
void machine_init(struct machine *m);
void machine_start(struct machine *m, uint64_t seed);
void machine_attach(struct machine *m);
void machine_bury(struct machine *m);
void machine_handle(void *context, struct kvm_run *run);
void *machine_page_of_delivery(struct machine *m);
void machine_before_entry(struct machine *m);
void machine_after_exit(struct machine *m);
bool machine_send_irq(struct machine *m);
bool machine_send_nmi(struct machine *m);
bool machine_send_nmis(struct machine *m, unsigned int many);
bool machine_send_msi(struct machine *m);
bool machine_send_smi(struct machine *m);
bool machine_send_sipi(struct machine *m);

#endif /* MOVES_MACHINE_H */
