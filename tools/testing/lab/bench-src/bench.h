/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench.h - what a measurement consists of.
 *
 * Next: bench.c, where they are made, and the rows of what one processor does; irq.c and memory.c
 * for the other rows.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rounds of a loop; things that happen in one KVM_RUN. */
enum { TIMES = 64, IN_KERNEL = 256 };

/* Shares of Debian's count to stay within, in hundredths. */
enum {
	NO_AIM = 0,
	AIM_EVENTS = 65,
	AIM_EXIT = 70,
	AIM_STATE = 75,
	AIM_FAULT = 80,
	AIM_IRQ = 80,
	AIM_SIZE = 80,
};

/**
 * struct row - one thing that is measured
 * @text: as it is printed
 * @aim: share of Debian's count to stay within, in hundredths
 * @start: once before each loop, not measured
 * @step: what is measured; one round of the loop
 * @after: once after each loop, not measured: was it that at all?
 * @times: rounds of the loop
 * @divide: how often a single @step does the thing
 * @base: what is subtracted from a single @step: a row that does the same without the thing
 */
struct row {
	const char *text;
	int aim;
	void (*start)(void);
	void (*step)(void);
	void (*after)(void);
	int times, divide;
	const struct row *base;
};

/* bench.c: bases, and steps and tests that more than one file needs. */
extern const struct row loop_base, once_base, guest_base;

void nothing(void);
void run_pio(void);
void must_hold(bool condition, const char *what);
void print_count(const char *text, int aim, double count);
void measure_all(const struct row *rows, size_t count);

#define MEASURE(rows) measure_all(rows, sizeof(rows) / sizeof((rows)[0]))

/* irq.c: interrupts; a VM with controllers. */
void measure_interrupts(void);

/* memory.c: faults, of the VM that is there; how much memory VMs take. */
void measure_faults(void);
void measure_sizes(void);

#endif
