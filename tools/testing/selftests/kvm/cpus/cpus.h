/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpus.h - what cpus.c and smp.c share: the host's processors, and a test that fails.
 */
#ifndef SELFTESTS_KVM_CPUS_CPUS_H
#define SELFTESTS_KVM_CPUS_CPUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "kvm_lib.h"

#define PATIENCE	20	/* seconds that a vCPU may take to show a sign of life */

/* Of the host: takes its second processor away, or gives it back. */
bool set_online(bool online);
/* Where a thread may run: on one of two, or both. */
void move_to(pthread_t thread, int cpu);
void move_anywhere(pthread_t thread);
void pause_ms(unsigned int ms);
/* Says why a test fails; returns false. */
bool fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void set_gate(struct vm *vm, unsigned int vector, uint64_t handler);
uint64_t guest_word(struct vm *vm, uint64_t address);
/* How often something is done, @count times if all of it is (--percent); not less than once. */
unsigned int rounds(unsigned int count);

/**
 * struct test - one line of TAP
 * @name: of it
 * @body: false after fail()
 */
struct test {
	const char *name;
	bool (*body)(void);
};

#define SMP_TESTS	6
extern const struct test smp_tests[SMP_TESTS];

/* Only spin: vCPUs that wait do not halt. */
extern bool smp_spins;
void smp_end(void);

#endif
