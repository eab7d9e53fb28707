// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - every function of events.h by itself, against tables of manuals and ABI.
 *
 * Expectations are written out, or computed in another way than events.c
 * does; what only shows over a sequence of calls is the model's (model.c).
 * Here is what runs the tests; they are in unit-machine.c, unit-abi.c,
 * unit-startup.c and unit-smm.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include "unit.h"

unsigned long checks, failures;

void fail(const char *file, int line, const char *condition, const char *format, ...)
{
	va_list args;

	if (failures++ > 20)
		return;
	printf("%s:%d: %s: ", file, line, condition);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

struct event exception(u8 vector)
{
	return (struct event){ .kind = EVENT_EXCEPTION, .vector = vector };
}

struct event soft_exception(u8 vector, u8 length)
{
	return (struct event){ EVENT_SOFT_EXCEPTION, vector, length, false, false, 0, 0 };
}

struct event soft_irq(u8 vector, u8 length)
{
	return (struct event){ EVENT_SOFT_IRQ, vector, length, false, false, 0, 0 };
}

struct event interrupt(u8 vector)
{
	return (struct event){ .kind = EVENT_IRQ, .vector = vector };
}

struct event nmi(void)
{
	return (struct event){ .kind = EVENT_NMI, .vector = 2 };
}

struct event with_error(struct event event, u32 error)
{
	event.has_error = true;
	event.error = error;
	return event;
}

struct event with_payload(struct event event, u64 payload)
{
	event.has_payload = true;
	event.payload = payload;
	return event;
}

bool same(const struct event *a, const struct event *b)
{
	return a->kind == b->kind && a->vector == b->vector && a->insn_len == b->insn_len &&
	       a->has_error == b->has_error && a->has_payload == b->has_payload &&
	       a->error == b->error && a->payload == b->payload;
}

bool same_machine(const struct vcpu_events *a, const struct vcpu_events *b)
{
	return same(&a->inflight, &b->inflight) && same(&a->fault, &b->fault) &&
	       same(&a->irq, &b->irq) && a->nmi_begun == b->nmi_begun &&
	       a->nmi_pending == b->nmi_pending && a->nmi_mask == b->nmi_mask &&
	       a->shutdown == b->shutdown && a->fault_restored == b->fault_restored &&
	       a->smi_pending == b->smi_pending && a->in_smm == b->in_smm &&
	       a->smm_inside_nmi == b->smm_inside_nmi;
}

struct vcpu_events full_machine(void)
{
	return (struct vcpu_events){
		.inflight = with_error(exception(13), 0x1234),
		.irq = interrupt(0x40),
		.nmi_begun = true,
		.nmi_pending = 1,
		.nmi_mask = NMI_AT_IRET,
		.shutdown = true,
	};
}

static void run(const struct unit_test *test, unsigned int *passed, unsigned int *failed)
{
	for (; test->name; test++) {
		unsigned long before = failures;

		test->run();
		if (failures == before) {
			(*passed)++;
			continue;
		}
		printf("unit: %s failed\n", test->name);
		(*failed)++;
	}
}

int main(void)
{
	unsigned int passed = 0, failed = 0;

	run(machine_tests, &passed, &failed);
	run(abi_tests, &passed, &failed);
	run(startup_tests, &passed, &failed);
	run(smm_tests, &passed, &failed);
	printf("%s events, unit tests (" COMPILER "): %u passed, %u failed, %lu checks\n",
	       failed ? "not ok" : "ok", passed, failed, checks);
	return failed ? 1 : 0;
}
