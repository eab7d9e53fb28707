/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unit.h - what the unit tests of events.c share: CHECK(), and short names for events.
 *
 * unit-machine.c tests the machine, unit-abi.c GET and SET, unit-startup.c INIT and SIPI,
 * unit-smm.c SMIs, unit.c runs them.
 */
#ifndef TOOLS_TESTING_KVM_EVENTS_UNIT_H
#define TOOLS_TESTING_KVM_EVENTS_UNIT_H

#include "../../../../arch/x86/kvm/events.h"

struct unit_test {
	const char *name;
	void (*run)(void);
};

/* Both end with a test that has no name. */
extern const struct unit_test machine_tests[], abi_tests[], startup_tests[], smm_tests[];

extern unsigned long checks, failures;

void fail(const char *file, int line, const char *condition, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#define CHECK(condition, ...)							\
	do {									\
		checks++;							\
		if (!(condition))						\
			fail(__FILE__, __LINE__, #condition, __VA_ARGS__);	\
	} while (0)

struct event exception(u8 vector);
struct event soft_exception(u8 vector, u8 length);
struct event soft_irq(u8 vector, u8 length);
struct event interrupt(u8 vector);
struct event nmi(void);
struct event with_error(struct event event, u32 error);
struct event with_payload(struct event event, u64 payload);

bool same(const struct event *a, const struct event *b);
bool same_machine(const struct vcpu_events *a, const struct vcpu_events *b);

/* Something in every field, so that what is forgotten shows. */
struct vcpu_events full_machine(void);

#endif /* TOOLS_TESTING_KVM_EVENTS_UNIT_H */
