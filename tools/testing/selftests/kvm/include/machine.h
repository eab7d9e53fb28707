/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * machine.h - a VM with interrupt controllers in the kernel and up to four
 * vCPUs, each of which works through a script: a list of simple steps (write
 * this register, halt, wait for that word) that a test writes in C.
 *
 * lib/script.S is the guest that reads the scripts; lib/machine.c makes the
 * machine, and runs its vCPUs, each in a thread of its own.
 */
#ifndef SELFTESTS_KVM_MACHINE_H
#define SELFTESTS_KVM_MACHINE_H

#include <sched.h>
#include "kvm_lib.h"

#define MACHINE_CPUS	4
#define SCRIPT_STEPS	128

/* Steps.  @a, @b; what a step reads it leaves in its own @b. */
enum op {
	OP_DONE,	/* OUT to PORT_DONE, for ever */
	OP_WRITE,	/* 32 bits of @b to the address @a */
	OP_READ,
	OP_WRMSR,	/* @b to MSR @a; #GP is counted, and skipped */
	OP_RDMSR,
	OP_HALT,	/* STI; HLT; CLI */
	OP_OPEN,	/* STI; NOP; CLI */
	OP_SET_CR8,	/* @b */
	OP_GET_CR8,
	OP_OUT,		/* the byte @b to port @a */
	OP_IN,
	OP_SPIN,	/* interrupts on, until the word at @a is @b or more, unsigned */
	OP_HALT_UNTIL,	/* the same, halting */
	OP_INC,		/* the word at @a */
	OP_LOOP,	/* the word at @a is decremented; if it is not 0: on with step @b */
	OP_STORE,	/* 64 bits of @b to the address @a */
	OP_WAIT,	/* interrupts as they are, until the word at @a is @b or more */
	OP_TSC_MSR,	/* TSC + @b to MSR @a */
	OP_DELAY,	/* interrupts on, @b cycles of the TSC */
	OP_CLI_HALT,	/* HLT as things are */
	OP_HALT_NEXT,	/* halting, until the word at @a is larger than at the last such step */
	OPS
};

struct step {
	uint64_t op;
	uint64_t a;
	uint64_t b;
	uint64_t unused;
};

/* What ends the service of an interrupt of vector 32 and up, at the end of its handler. */
enum eoi_by { EOI_NOTHING, EOI_XAPIC, EOI_X2APIC, EOI_PICS };

/**
 * struct machine - a VM and its vCPUs
 * @cpu: of each vCPU a struct vm, all with the same memory
 * @cpus: how many
 * @steps: how long each script is
 * @raw: runs as it is, without a script: it has to get to PORT_DONE by itself
 */
struct machine {
	struct vm cpu[MACHINE_CPUS];
	unsigned int cpus;
	unsigned int steps[MACHINE_CPUS];
	bool raw[MACHINE_CPUS];
};

const char *machine_create(struct machine *m, unsigned int cpus, unsigned int flags);
void machine_destroy(struct machine *m);
/* All of its state into a new VM with the same flags; the old one ends.  NULL, or what failed. */
const char *machine_move(struct machine *m);
/* Long mode, the script's beginning, runnable: whatever it has been. */
int machine_start(struct machine *m, unsigned int cpu);
/* Forgets all scripts, counts and words. */
void machine_clear(struct machine *m);
/* Appends a step; returns its number. */
unsigned int step(struct machine *m, unsigned int cpu, enum op op, uint64_t a, uint64_t b);
uint64_t step_result(struct machine *m, unsigned int cpu, unsigned int number);
void machine_eoi(struct machine *m, enum eoi_by by);
/* Starts all vCPUs that have a script, and waits until all are done: 0, or what is wrong. */
const char *machine_run(struct machine *m, unsigned int seconds);
/* The same in two halves, with the test's own doings between. */
const char *machine_begin(struct machine *m);
const char *machine_end(struct machine *m, unsigned int seconds);
/* Where a vCPU's thread may run, between the two. */
void machine_affinity(unsigned int cpu, const cpu_set_t *set);
uint64_t count_of(struct machine *m, unsigned int cpu, unsigned int vector);
uint64_t word_at(struct machine *m, uint64_t address);
/* Waits until a word is what is wanted, or more; false after some seconds. */
bool word_becomes(struct machine *m, uint64_t address, uint64_t value);
/* Deliveries that came twice: an emulator's doing, see lib/script.S. */
uint64_t twice(struct machine *m);
/* Vectors in the order in which they came, all vCPUs in one: a string of two digits each. */
const char *order_of(struct machine *m);

int irq_line(struct machine *m, unsigned int gsi, unsigned int level);
/* As KVM_SIGNAL_MSI returns it: to the APIC @dest, physical. */
int signal_msi(struct machine *m, unsigned int dest, uint32_t data);

/* Local APICs, from outside. */
uint32_t lapic_get(struct vm *vm, unsigned int offset);
int lapic_put(struct vm *vm, unsigned int offset, uint32_t value);
/* SVR enabled, spurious vector 0xff. */
void step_enable(struct machine *m, unsigned int cpu, bool x2apic);
/* The first vCPU writes an entry of the IOAPIC, low half last. */
void step_pin(struct machine *m, unsigned int pin, uint64_t entry);
/* An interrupt to another vCPU: @icr as it is written, but for the destination. */
void step_ipi(struct machine *m, unsigned int cpu, bool x2apic, uint32_t dest, uint32_t icr);
/* A register of either kind of APIC. */
unsigned int step_apic(struct machine *m, unsigned int cpu, bool x2apic, unsigned int offset,
		       uint64_t value);

#define MACHINE_SETUP(m, cpus, flags)					\
do {									\
	const char *wrong_;						\
	int probe_ = kvm_open();					\
									\
	if (probe_ < 0)							\
		SKIP(_exit(255), "no /dev/kvm");			\
	if (kvm_check(probe_, KVM_CAP_IRQCHIP) <= 0)			\
		SKIP(_exit(255), "no interrupt controllers");		\
	close(probe_);							\
	wrong_ = machine_create(m, cpus, flags);			\
	ASSERT_EQ(NULL, (void *)wrong_) {				\
		TH_LOG("%s: %s", wrong_, strerror(errno));		\
	}								\
} while (0)

#define ASSERT_RUNS(m)							\
do {									\
	const char *wrong_ = machine_run(m, 10);			\
									\
	ASSERT_EQ(NULL, (void *)wrong_) {				\
		TH_LOG("%s", wrong_);					\
	}								\
} while (0)

#define APIC_ID		0x20
#define APIC_VERSION	0x30
#define APIC_TPR	0x80
#define APIC_PPR	0xa0
#define APIC_EOI	0xb0
#define APIC_LDR	0xd0
#define APIC_DFR	0xe0
#define APIC_SVR	0xf0
#define APIC_ISR	0x100
#define APIC_TMR	0x180
#define APIC_IRR	0x200
#define APIC_ESR	0x280
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define APIC_LVTT	0x320
#define APIC_LINT0	0x350
#define APIC_LINT1	0x360
#define APIC_LVTERR	0x370
#define APIC_TMICT	0x380
#define APIC_TMCCT	0x390
#define APIC_TDCR	0x3e0
#define APIC_SELF	0x3f0

#define ICR_LOWEST	0x100
#define ICR_NMI		0x400
#define ICR_INIT	0x500
#define ICR_SIPI	0x600
#define ICR_LOGICAL	0x800
#define ICR_ASSERT	0x4000
#define ICR_LEVEL	0x8000
#define ICR_SELF	0x40000
#define ICR_ALL		0x80000
#define ICR_OTHERS	0xc0000

#define LVT_MASKED	0x10000
#define LVT_PERIODIC	0x20000
#define LVT_DEADLINE	0x40000
#define LVT_EXTINT	0x700
#define LVT_NMI		0x400

#define MSR_APIC_BASE	0x1b
#define MSR_DEADLINE	0x6e0
#define MSR_X2APIC(offset)	(0x800 + (offset) / 16)
#define BASE_BSP	0x100
#define BASE_X2APIC	0x400
#define BASE_ENABLE	0x800

#endif
