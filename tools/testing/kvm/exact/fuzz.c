// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz.c - libFuzzer: any bytes as the two structs that userspace sets, in any order with what
 * a vCPU does between them.
 *
 * The first byte of each step says what happens, the next ones how.  After each step: what is
 * refused has changed nothing, a GET is always accepted by a SET and then says the same, an exact
 * image makes the same machine, no slot holds what it cannot, and with all gates open everything
 * goes out within a few entries.
 */
#include <stdlib.h>
#include "../pure_user.h"
#include "exact.h"

#define MOST_ENTRIES	16

static const u8 *at, *end;

static u8 next(void)
{
	return at < end ? *at++ : 0;
}

static void fill(void *to, size_t size)
{
	u8 *byte = to;

	while (size--)
		*byte++ = next();
}

#define MUST(condition)								\
	do {									\
		if (!(condition))						\
			abort();						\
	} while (0)

static bool same_event(const struct event *a, const struct event *b)
{
	return a->kind == b->kind && (!a->kind ||
	       (a->vector == b->vector && a->insn_len == b->insn_len &&
		a->has_error == b->has_error && a->error == b->error &&
		a->has_payload == b->has_payload && a->payload == b->payload));
}

static bool same_machine(const struct vcpu_events *a, const struct vcpu_events *b)
{
	return same_event(&a->inflight, &b->inflight) && same_event(&a->fault, &b->fault) &&
	       same_event(&a->irq, &b->irq) && a->nmi_begun == b->nmi_begun &&
	       a->nmi_pending == b->nmi_pending && a->nmi_mask == b->nmi_mask &&
	       a->shutdown == b->shutdown;
}

/* As run.c does before it plans: what stands at RIP is the input's to say. */
static void measure(struct vcpu_events *ev, u8 len)
{
	struct event *soft;

	while ((soft = events_unmeasured(ev)))
		soft->insn_len = len % 3;
}

static void check_slots(const struct vcpu_events *ev)
{
	MUST(!(ev->inflight.kind && ev->fault.kind));
	MUST(!ev->inflight.kind || ev->inflight.kind <= EVENT_SOFT_EXCEPTION);
	MUST(!ev->fault.kind || ev->fault.kind <= EVENT_SOFT_EXCEPTION);
	MUST(!ev->irq.kind || ev->irq.kind == EVENT_IRQ || ev->irq.kind == EVENT_SOFT_IRQ);
	MUST(ev->nmi_pending <= 2 && ev->nmi_mask <= NMI_AT_IRET);
	MUST(!ev->inflight.has_payload);
}

static void check_images(const struct vcpu_events *ev, const struct event_abi *abi, u8 shadow)
{
	struct kvm_exact_state exact = { 0 }, exact_again = { 0 };
	struct vcpu_events expected = *ev, other = { .shutdown = true, .nmi_pending = 1 };
	struct kvm_vcpu_events plain, again;
	u8 other_shadow = 0;
	u64 pending_db;

	events_get(ev, abi, shadow, &plain);
	MUST(!events_set(&other, abi, &other_shadow, &plain));
	check_slots(&other);
	events_get(&other, abi, other_shadow, &again);
	/* a triple fault that the ABI cannot name stays what it was */
	MUST(!memcmp(&plain, &again, sizeof(plain)));

	measure(&expected, 1);
	exact_get(&expected, shadow, 0x4001, &exact);
	MUST(!exact_set(&other, &other_shadow, &pending_db, &exact));
	if (expected.nmi_mask == NMI_AT_IRET)
		expected.nmi_mask = NMI_MASKED;
	MUST(same_machine(&expected, &other) && other_shadow == shadow && pending_db == 0x4001);
	exact_get(&other, other_shadow, pending_db, &exact_again);
	MUST(!memcmp(&exact, &exact_again, sizeof(exact)));
}

/* Entries with everything open: nothing waits for ever. */
static void check_drain(struct vcpu_events ev)
{
	const struct event_gates gates = { .if_set = true };
	struct event_report report = { .nmi_tracked = true };
	unsigned int i;

	for (i = 0; i < MOST_ENTRIES && !events_idle(&ev); i++) {
		struct event_plan plan;

		/* the guest executes RSM */
		if (ev.in_smm)
			events_smm_ended(&ev);
		measure(&ev, 0);
		plan = events_plan(&ev, &gates);
		if (plan.shutdown)
			return;
		if (plan.smi) {
			events_smm_begun(&ev);
		} else if (plan.init) {
			events_initialised(&ev, true);
		} else {
			events_commit(&ev, &plan);
			events_exit(&ev, &report);
		}
	}
	MUST(events_idle(&ev));
}

static void set_plain(struct vcpu_events *ev, const struct event_abi *abi, u8 *shadow)
{
	const struct vcpu_events before = *ev;
	const u8 shadow_before = *shadow;
	struct kvm_vcpu_events in;

	fill(&in, sizeof(in));
	if (!events_set(ev, abi, shadow, &in))
		return;
	MUST(!memcmp(&before, ev, sizeof(before)) && *shadow == shadow_before);
}

static void set_exact(struct vcpu_events *ev, u8 *shadow)
{
	const struct vcpu_events before = *ev;
	const u8 shadow_before = *shadow;
	u64 pending_db = 0x1234;
	struct kvm_exact_state in = { 0 };

	fill(&in, offsetof(struct kvm_exact_state, io));
	/* else few would be more than a version that is not known */
	in.version = in.version % 4 ? KVM_EXACT_VERSION : in.version;
	if (!exact_set(ev, shadow, &pending_db, &in))
		return;
	MUST(!memcmp(&before, ev, sizeof(before)) && *shadow == shadow_before &&
	     pending_db == 0x1234);
}

static void raise_one(struct vcpu_events *ev)
{
	u8 how = next();
	struct event exception = {
		.kind = how & 1 ? EVENT_SOFT_EXCEPTION : EVENT_EXCEPTION, .vector = next() % 32,
		.insn_len = how & 1, .error = next(), .has_payload = how & 2, .payload = next(),
	};

	if (exception.vector == 2 || (how & 1 && exception.vector != 3 && exception.vector != 4))
		return;
	if (!(how & 1) && (exception.vector == 3 || exception.vector == 4))
		return;
	events_raise(ev, &exception);
}

/* Hardware gives back nothing, or what it was given. */
static void enter(struct vcpu_events *ev)
{
	u8 gate = next(), seen = next();
	const struct event_gates gates = {
		.if_set = gate & 1, .shadow = gate >> 1 & SHADOW_ANY, .real_mode = gate & 8,
		.irq_wanted = gate & 16, .trap_waits = gate & 32,
	};
	struct event_report report = { .stepped = seen & 2, .moved = seen & 4 };
	struct event_plan plan;

	measure(ev, gate >> 6);
	plan = events_plan(ev, &gates);
	if (plan.shutdown)
		return;
	MUST(!plan.step || !plan.inject.kind);
	if (seen & 1) {
		report.undelivered = plan.inject;
		/* hardware knows of none */
		report.undelivered.has_payload = false;
		report.undelivered.payload = 0;
	}
	report.at_iret = seen & 8 && plan.watch_iret && !plan.inject.kind;
	events_commit(ev, &plan);
	events_exit(ev, &report);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct vcpu_events ev;
	struct event_abi abi;
	u8 shadow = 0, flags;

	at = data;
	end = data + size;
	flags = next();
	abi = (struct event_abi){ .payload = flags & 1, .triple_fault = flags & 2 };
	events_reset(&ev);
	while (at < end) {
		switch (next() % 8) {
		case 0:
			set_plain(&ev, &abi, &shadow);
			break;
		case 1:
			set_exact(&ev, &shadow);
			break;
		case 2:
			raise_one(&ev);
			break;
		case 3:
			events_nmi(&ev);
			break;
		case 4:
			events_irq(&ev, next());
			break;
		case 5:
			events_forget_raised(&ev);
			break;
		default:
			enter(&ev);
		}
		check_slots(&ev);
		check_images(&ev, &abi, shadow);
		check_drain(ev);
	}
	return 0;
}
