// SPDX-License-Identifier: GPL-2.0-only
/*
 * properties.c - what must hold of every state outside the guest, and of every plan.
 *
 * The ledger and events.c agree; a plan takes the first event whose gate is
 * open and leaves a window for each one left; the ABI's image loses nothing
 * and does not depend on what it is written over; with everything open, all
 * that is owed goes out, once each and in order.
 */
#include "model.h"
#include "../../../../arch/x86/kvm/exact.h"

/* ---- The ledger against the machine. ---- */

static bool length_is_stale(const struct state *s, const struct event *event)
{
	return event_is_soft(event) && event->insn_len && event->insn_len != INSN_LEN_UNKNOWN &&
	       event->insn_len != soft_length(&s->cpu, event);
}

static void check_exception(const struct state *s)
{
	const struct event *event = s->ev.fault.kind ? &s->ev.fault : &s->ev.inflight;
	const struct ware_facts *facts = &wares[s->owed.exception];

	MUST(s, !s->ev.fault.kind || !s->ev.inflight.kind, "inflight and fault are both set");
	MUST(s, s->ev.inflight.kind == EVENT_NONE || s->ev.inflight.kind == EVENT_EXCEPTION ||
		s->ev.inflight.kind == EVENT_SOFT_EXCEPTION, "inflight is of kind %d",
	     s->ev.inflight.kind);
	MUST(s, !length_is_stale(s, event), "a soft exception is not at its instruction");
	if (re_executes(&s->cpu, event))
		event = &s->ev.irq;	/* not owed, so nothing must be */
	if (!s->owed.exception) {
		MUST(s, event == &s->ev.irq || !event->kind, "exception %d is not owed",
		     event->vector);
		return;
	}
	MUST(s, event != &s->ev.irq && event->kind, "%s is lost", facts->name);
	MUST(s, event->vector == facts->vector && event->has_error == facts->has_error,
	     "%s has become exception %d, error code: %d", facts->name, event->vector,
	     event->has_error);
	MUST(s, machine->real_mode || event->error == facts->error, "%s has error code %#x",
	     facts->name, event->error);
	MUST(s, event->has_payload == s->owed.payload, "%s: has a payload: %d", facts->name,
	     event->has_payload);
	MUST(s, event->payload == (s->owed.payload ? facts->payload : 0), "%s: payload %#llx",
	     facts->name, (unsigned long long)event->payload);
	MUST(s, s->owed.begun == (event == &s->ev.inflight), "%s: begun is %d", facts->name,
	     s->owed.begun);
	MUST(s, s->owed.begun || s->ev.fault_restored == s->owed.restored, "%s: restored is %d",
	     facts->name, s->owed.restored);
}

static void check_irq(const struct state *s)
{
	const struct event *irq = &s->ev.irq;

	MUST(s, irq->kind == EVENT_NONE || irq->kind == EVENT_IRQ || irq->kind == EVENT_SOFT_IRQ,
	     "irq is of kind %d", irq->kind);
	MUST(s, !irq->has_payload && !irq->has_error, "an interrupt with an exception's fields");
	MUST(s, !length_is_stale(s, irq), "soft interrupt %d is not at its instruction",
	     irq->vector);
	MUST(s, (irq->kind == EVENT_IRQ ? irq->vector : 0) == s->owed.irq,
	     "interrupt %d is owed, kind %d vector %d waits", s->owed.irq, irq->kind, irq->vector);
	MUST(s, (irq->kind == EVENT_SOFT_IRQ && !re_executes(&s->cpu, irq) ? irq->vector : 0) ==
		s->owed.soft, "soft interrupt %d is owed, kind %d vector %d waits", s->owed.soft,
	     irq->kind, irq->vector);
}

static void check_nmi(const struct state *s)
{
	const struct vcpu_events *ev = &s->ev;

	MUST(s, ev->nmi_begun == s->owed.nmi_begun, "an NMI begun is owed: %d",
	     s->owed.nmi_begun);
	MUST(s, ev->nmi_pending == s->owed.nmi, "NMIs: %d owed, %d pending", s->owed.nmi,
	     ev->nmi_pending);
	/* one on its way masks them in any case */
	if (!ev->nmi_begun)
		MUST(s, (ev->nmi_mask != NMI_OPEN) == s->cpu.blocked, "NMI mask %d, in truth %d",
		     ev->nmi_mask, s->cpu.blocked);
	if (ev->nmi_mask == NMI_AT_IRET)
		MUST(s, s->cpu.at == AT_IRET && !machine->nmi_tracked, "not at an IRET");
}

static bool owes(const struct owed *owed)
{
	return owed->exception || owed->irq || owed->soft || owed->nmi_begun || owed->nmi ||
	       owed->smi || owed->shutdown;
}

/* A halted vCPU has no shadow and wakes exactly for what it can take. */
static void check_wake(const struct state *s, bool offered)
{
	struct event_gates gates = { .if_set = s->cpu.if_set, .irq_offered = offered };
	struct event_plan plan = events_plan(&s->ev, &gates);

	MUST(s, events_wake(&s->ev, &gates) == (plan.shutdown || plan.smi || plan.inject.kind),
	     "halted, wakes: %d, but the plan takes %d", events_wake(&s->ev, &gates), plan.from);
}

static void check_ready(const struct state *s)
{
	struct event_gates gates = { .if_set = s->cpu.if_set, .shadow = s->cpu.shadow };
	bool ready = events_irq_ready(&s->ev, &gates);
	struct vcpu_events ev = s->ev;
	struct event_plan plan;

	if (ev.irq.kind) {
		MUST(s, !ready, "ready for an interrupt while one waits");
		return;
	}
	events_irq(&ev, VECTOR_SHARED);
	plan = events_plan(&ev, &gates);
	MUST(s, ready == (plan.from == FROM_IRQ), "ready for an interrupt: %d, but it goes: %d",
	     ready, plan.from == FROM_IRQ);
}

/* ---- Plans. ---- */

/* At a boundary where no delivery has begun or is to begin for the instruction before. */
static bool smi_goes(const struct state *s)
{
	return smi_is_due(s) && !s->ev.inflight.kind && !s->ev.fault.kind &&
	       s->ev.irq.kind != EVENT_SOFT_IRQ && !s->owed.nmi_begun;
}

/* Events go in this order, or wait in it; a shadow holds an NMI as it holds an interrupt. */
static u8 expected_source(const struct state *s, bool offered)
{
	const struct cpu *cpu = &s->cpu;

	if (s->ev.inflight.kind)
		return FROM_INFLIGHT;
	if (s->ev.fault.kind)
		return FROM_FAULT;
	if (s->ev.irq.kind == EVENT_SOFT_IRQ)
		return FROM_IRQ;
	if (s->owed.nmi_begun && !cpu->shadow)
		return FROM_NMI_BEGUN;
	if (s->owed.irq && cpu->if_set && !cpu->shadow)
		return FROM_IRQ;
	if (s->owed.nmi && !cpu->blocked && !cpu->shadow)
		return FROM_NMI;
	if (offered && !s->owed.irq && cpu->if_set && !cpu->shadow)
		return FROM_CONTROLLER;
	return FROM_NOWHERE;
}

static bool same_event(const struct event *a, const struct event *b)
{
	return a->kind == b->kind && a->vector == b->vector && a->insn_len == b->insn_len &&
	       a->has_error == b->has_error && a->has_payload == b->has_payload &&
	       a->error == b->error && a->payload == b->payload;
}

static void check_inject(const struct state *s, const struct event_plan *plan)
{
	static const struct event nmi = { .kind = EVENT_NMI, .vector = 2 }, none;
	static const struct event offered = { .kind = EVENT_IRQ };
	struct event expected = none;

	switch (plan->from) {
	case FROM_INFLIGHT:
		expected = s->ev.inflight;
		break;
	case FROM_FAULT:
		expected = s->ev.fault;
		break;
	case FROM_IRQ:
		expected = s->ev.irq;
		break;
	case FROM_NMI_BEGUN:
	case FROM_NMI:
		expected = nmi;
		break;
	case FROM_CONTROLLER:
		expected = offered;
		break;
	}
	if (machine->real_mode)
		expected.has_error = false;
	MUST(s, same_event(&plan->inject, &expected), "the plan takes kind %d vector %d from %d",
	     plan->inject.kind, plan->inject.vector, plan->from);
}

static void check_windows(const struct state *s, const struct event_gates *gates,
			  const struct event_plan *plan)
{
	bool nmi_goes = plan->inject.kind == EVENT_NMI;
	bool irq_left = ((s->owed.irq || s->owed.soft) && plan->from != FROM_IRQ) ||
			(gates->irq_offered && plan->from != FROM_CONTROLLER);
	bool nmi_left = s->owed.nmi_begun + s->owed.nmi - nmi_goes;
	bool masked = s->ev.nmi_mask != NMI_OPEN || nmi_goes;
	bool iret_goes = s->ev.nmi_mask == NMI_AT_IRET && !plan->inject.kind;
	bool begun_left = s->owed.nmi_begun && plan->from != FROM_NMI_BEGUN;
	bool reaches = nmi_left && (begun_left || !masked);

	MUST(s, plan->irq_window == (irq_left || gates->irq_wanted), "interrupt window: %d",
	     plan->irq_window);
	MUST(s, plan->nmi_window == nmi_left, "NMI window: %d", plan->nmi_window);
	MUST(s, plan->watch_iret == (masked && !iret_goes), "IRET is watched: %d",
	     plan->watch_iret);
	MUST(s, plan->iret_goes == iret_goes, "the IRET goes: %d", plan->iret_goes);
	MUST(s, plan->step == (!plan->inject.kind && nmi_left &&
			       (iret_goes || (reaches && s->cpu.shadow))),
	     "step: %d", plan->step);
	MUST(s, plan->again == (plan->inject.kind && (reaches || gates->stepped || smi_is_due(s) ||
						      event_is_soft(&plan->inject))),
	     "again: %d", plan->again);
	MUST(s, !smi_is_due(s) || plan->again || plan->step, "an SMI waits for nothing");
	/* the three ways in which a latched NMI comes to be asked about again */
	if (nmi_left && !machine->nmi_tracked)
		MUST(s, plan->watch_iret || plan->step || plan->again, "an NMI waits for nothing");
}

void check_plan(const struct state *s, const struct event_gates *gates,
		const struct event_plan *plan)
{
	bool first = plan->from == FROM_FAULT;

	if (s->owed.shutdown) {
		MUST(s, plan->shutdown && !plan->inject.kind && !plan->from, "shutdown is missed");
		return;
	}
	MUST(s, !plan->shutdown, "shutdown is not owed");
	MUST(s, plan->smi == smi_goes(s), "an SMI is taken: %d", plan->smi);
	if (plan->smi) {
		MUST(s, !plan->from && !plan->inject.kind && !plan->init, "an SMI and from %d",
		     plan->from);
		return;
	}
	MUST(s, plan->from == expected_source(s, gates->irq_offered),
	     "the plan takes from %d, first is %d", plan->from,
	     expected_source(s, gates->irq_offered));
	MUST(s, !plan->init, "an INIT is not owed");
	check_inject(s, plan);
	check_windows(s, gates, plan);
	MUST(s, plan->set_rf == (first && wares[s->owed.exception].sets_rf), "RF: %d",
	     plan->set_rf);
	MUST(s, !first || !s->owed.begun, "begun, and said to be new");
}

/* ---- The ABI's image. ---- */

static bool same_machine(const struct vcpu_events *a, const struct vcpu_events *b)
{
	return same_event(&a->inflight, &b->inflight) && same_event(&a->fault, &b->fault) &&
	       same_event(&a->irq, &b->irq) && a->nmi_begun == b->nmi_begun &&
	       a->nmi_pending == b->nmi_pending && a->nmi_mask == b->nmi_mask &&
	       a->smi_pending == b->smi_pending && a->in_smm == b->in_smm &&
	       a->smm_inside_nmi == b->smm_inside_nmi && a->shutdown == b->shutdown;
}

struct state restored(const struct state *s, const struct event_abi *abi)
{
	struct kvm_vcpu_events image;
	struct state t = *s;

	events_get(&s->ev, abi, s->cpu.shadow, &image);
	events_reset(&t.ev);
	t.cpu.shadow = 0;
	MUST(s, events_set(&t.ev, abi, &t.cpu.shadow, &image) == 0, "an image is refused");
	t.owed.restored = t.ev.fault.kind;
	/* has no words in the ABI: INT n delivered without an INT n */
	t.owed.soft = 0;
	if (!abi->triple_fault)
		t.owed.shutdown = false;
	return t;
}

/* A soft exception is named as long as nobody has looked whether its instruction is there. */
static void check_image_exception(const struct state *s, const struct kvm_vcpu_events *image)
{
	const struct event *slot = s->ev.fault.kind ? &s->ev.fault : &s->ev.inflight;
	bool unmeasured = event_is_soft(slot) && slot->insn_len == INSN_LEN_UNKNOWN;
	bool begun = unmeasured ? slot == &s->ev.inflight : s->owed.begun;
	enum ware ware = unmeasured ? W_BP : s->owed.exception;
	const struct ware_facts *facts = &wares[ware];

	MUST(s, image->exception.injected == (ware && begun) &&
		image->exception.pending == (ware && !begun), "exception: %d/%d",
	     image->exception.injected, image->exception.pending);
	MUST(s, image->exception.nr == facts->vector &&
		image->exception.has_error_code == facts->has_error, "exception %d error code %d",
	     image->exception.nr, image->exception.has_error_code);
	MUST(s, machine->real_mode || image->exception.error_code == facts->error,
	     "error code %#x", image->exception.error_code);
	MUST(s, image->exception_has_payload == s->owed.payload &&
		image->exception_payload == (s->owed.payload ? facts->payload : 0),
	     "payload %d %#llx", image->exception_has_payload,
	     (unsigned long long)image->exception_payload);
}

static void check_image(const struct state *s, const struct kvm_vcpu_events *image)
{
	MUST(s, image->flags == 0x3d, "flags %#x", image->flags);
	check_image_exception(s, image);
	MUST(s, image->interrupt.injected == !!s->owed.irq && image->interrupt.nr == s->owed.irq &&
		!image->interrupt.soft, "interrupt %d", image->interrupt.nr);
	MUST(s, image->interrupt.shadow == s->cpu.shadow, "shadow %d", image->interrupt.shadow);
	MUST(s, image->nmi.injected == s->owed.nmi_begun && image->nmi.pending == s->owed.nmi,
	     "NMIs %d+%d", image->nmi.injected, image->nmi.pending);
	MUST(s, image->nmi.masked == (s->ev.nmi_mask != NMI_OPEN), "mask %d", image->nmi.masked);
	MUST(s, image->smi.smm == s->cpu.smm && image->smi.pending == s->owed.smi &&
		image->smi.smm_inside_nmi == s->cpu.outer_blocked, "SMM %d SMI %d",
	     image->smi.smm, image->smi.pending);
	MUST(s, image->triple_fault.pending == s->owed.shutdown, "shutdown");
}

/* The ABI's bytes that are zero, and that Linux would not refuse. */
static void check_legal(const struct state *s, const struct kvm_vcpu_events *image)
{
	static const struct kvm_vcpu_events zero;

	MUST(s, !image->smi.latched_init && !image->nmi.pad &&
		!image->sipi_vector &&
		!memcmp(image->reserved, zero.reserved, sizeof(zero.reserved)), "not zero");
	MUST(s, !(image->flags & ~0x3fu) && !(image->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR),
	     "flags");
	MUST(s, image->exception.nr < 32 && image->exception.nr != 2, "vector %d",
	     image->exception.nr);
}

/* Over whatever was there before, an image makes the same machine: no residue. */
static void check_over(const struct state *s, const struct kvm_vcpu_events *image,
		       const struct state *expected)
{
	static struct vcpu_events others[8];
	static unsigned int turn;
	u8 shadow = 3;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		struct vcpu_events ev = others[i];

		MUST(s, !events_set(&ev, &full_abi, &shadow, image), "refused in place");
		MUST(s, same_machine(&ev, &expected->ev) && shadow == s->cpu.shadow,
		     "an image set over another state leaves something of it");
	}
	/* a stride that is no multiple of the loops the states come from */
	if (turn++ % 13 == 0)
		others[turn / 13 % ARRAY_SIZE(others)] = s->ev;
}

/* The same machine, but for three things that the next entry puts right. */
static void check_same(const struct state *s, const struct state *t)
{
	struct vcpu_events expected = s->ev;
	struct event *slots[] = { &expected.inflight, &expected.fault, &expected.irq };
	size_t i;

	if (expected.nmi_mask == NMI_AT_IRET)
		expected.nmi_mask = NMI_MASKED;		/* the same IRET is met again */
	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		static const struct event none;

		if (!event_is_soft(slots[i]))
			continue;
		if (slots[i]->kind == EVENT_SOFT_IRQ ||
		    (slots[i]->insn_len && slots[i]->insn_len != INSN_LEN_UNKNOWN))
			*slots[i] = none;		/* is made again */
		else
			slots[i]->insn_len = INSN_LEN_UNKNOWN;	/* is measured again */
	}
	MUST(s, same_machine(&expected, &t->ev) && s->cpu.shadow == t->cpu.shadow,
	     "save and restore change the machine");
}

/* Saved at an IRET: what is restored comes to the same IRET, and then is the same machine. */
static void check_iret_is_met(const struct state *s, const struct state *t)
{
	struct event_gates gates = { .if_set = s->cpu.if_set, .shadow = s->cpu.shadow };
	struct vcpu_events old = s->ev, new = t->ev;
	struct event_report report = { .at_iret = false };
	struct event_plan plan, old_plan;

	if (s->ev.nmi_mask != NMI_AT_IRET || s->ev.shutdown || s->owed.soft || smi_is_due(s))
		return;
	measure(&old, &s->cpu);
	measure(&new, &t->cpu);
	plan = events_plan(&new, &gates);
	old_plan = events_plan(&old, &gates);
	MUST(s, plan.watch_iret && same_event(&plan.inject, &old_plan.inject),
	     "restored at an IRET, the plan is another");
	if (plan.inject.kind) {
		events_commit(&old, &old_plan);
		events_exit(&old, &report);
	}
	report.at_iret = !plan.inject.kind;
	events_commit(&new, &plan);
	events_exit(&new, &report);
	MUST(s, same_machine(&old, &new), "restored at an IRET, the machine is another");
}

/* The extension's image is of this machine and no other, but for the IRET that is met again. */
static void check_exact(const struct state *s)
{
	struct kvm_exact_state image = { 0 }, second = { 0 };
	struct vcpu_events expected = s->ev, ev = {
		.nmi_pending = 2, .shutdown = true, .smi_pending = s->ev.smi_pending,
		.in_smm = s->ev.in_smm, .smm_inside_nmi = s->ev.smm_inside_nmi,
	};
	u64 pending_db = 1, waits = 0x4001;
	u8 shadow = 0;

	/* what nobody has measured is measured first: run.c does so before either */
	measure(&expected, &s->cpu);
	exact_get(&expected, s->cpu.shadow, waits, &image);
	MUST(s, !exact_set(&ev, &shadow, &pending_db, &image), "an exact image is refused");
	if (expected.nmi_mask == NMI_AT_IRET)
		expected.nmi_mask = NMI_MASKED;
	MUST(s, same_machine(&expected, &ev) && shadow == s->cpu.shadow && pending_db == waits,
	     "an exact image makes another machine");
	MUST(s, ev.fault_restored == !!ev.fault.kind, "restored is %d", ev.fault_restored);
	exact_get(&ev, shadow, pending_db, &second);
	MUST(s, !memcmp(&image, &second, sizeof(image)), "a second exact image differs");
}

static void check_abi(const struct state *s)
{
	struct kvm_vcpu_events first, second;
	struct state before = *s, t;

	memset(&first, 0xa5, sizeof(first));
	memset(&second, 0x5a, sizeof(second));
	events_get(&s->ev, &full_abi, s->cpu.shadow, &first);
	events_get(&s->ev, &full_abi, s->cpu.shadow, &second);
	MUST(s, !memcmp(&first, &second, sizeof(first)), "two GETs differ");
	MUST(s, !memcmp(&before, s, sizeof(before)), "GET changes the machine");
	check_image(s, &first);
	check_legal(s, &first);

	t = restored(s, &full_abi);
	check_same(s, &t);
	check_iret_is_met(s, &t);
	check_over(s, &first, &t);
	events_get(&t.ev, &full_abi, t.cpu.shadow, &second);
	MUST(s, !memcmp(&first, &second, sizeof(first)), "a second save differs from the first");
	check_exact(s);
}

void check_state(const struct state *s)
{
	MUST(s, s->owed.shutdown == s->ev.shutdown, "shutdown is owed: %d", s->owed.shutdown);
	MUST(s, s->owed.smi == s->ev.smi_pending, "an SMI is owed: %d", s->owed.smi);
	MUST(s, s->cpu.smm == s->ev.in_smm && s->cpu.outer_blocked == s->ev.smm_inside_nmi,
	     "SMM: %d", s->ev.in_smm);
	check_exception(s);
	check_irq(s);
	check_nmi(s);
	MUST(s, !events_idle(&s->ev) || !owes(&s->owed), "idle, but something is owed");
	check_wake(s, false);
	check_wake(s, true);
	check_ready(s);
	check_abi(s);
}

/* ---- With everything open, all that is owed goes out. ---- */

#define LONGEST_QUEUE	9

/* Not injected: the drain's name for it. */
#define EVENT_SMI	0x7f

struct queue {
	struct event events[LONGEST_QUEUE];
	unsigned int count;
};

static void expect(struct queue *queue, struct event event)
{
	if (event.kind)
		queue->events[queue->count++] = event;
}

/* The order of events_plan()'s contract. */
static void expected_order(const struct state *s, struct queue *queue)
{
	static const struct event nmi = { .kind = EVENT_NMI, .vector = 2 };
	static const struct event smi = { .kind = EVENT_SMI };
	u8 nmis = smi_is_due(s) ? min_t(u8, s->ev.nmi_pending, 1) : s->ev.nmi_pending;
	bool exception = s->ev.inflight.kind || s->ev.fault.kind;
	bool made_again = exception && re_executes(&s->cpu, &s->ev.irq);
	int i;

	expect(queue, s->ev.inflight);
	expect(queue, s->ev.fault);
	if (s->ev.irq.kind == EVENT_SOFT_IRQ && !made_again)
		expect(queue, s->ev.irq);
	if (s->ev.nmi_begun)
		expect(queue, nmi);
	if (smi_is_due(s))
		expect(queue, smi);
	if (s->ev.irq.kind == EVENT_IRQ)
		expect(queue, s->ev.irq);
	for (i = 0; i < nmis; i++)
		expect(queue, nmi);
	if (s->owed.smi && s->cpu.smm)
		expect(queue, smi);
}

/* One entry: what goes is delivered, and its handler is a lone IRET with IF set, or a lone RSM. */
static struct event drain_step(struct state *t)
{
	struct event_gates gates = {
		.if_set = true, .shadow = t->cpu.shadow, .real_mode = machine->real_mode,
	};
	struct event_report report = { .nmi_tracked = machine->nmi_tracked };
	struct event_plan plan;

	measure(&t->ev, &t->cpu);
	plan = events_plan(&t->ev, &gates);
	if (plan.smi) {
		events_smm_begun(&t->ev);
		t->cpu = (struct cpu){ .if_set = true, .blocked = true, .smm = true };
		return (struct event){ .kind = EVENT_SMI };
	}
	if (t->cpu.smm && !plan.inject.kind && !plan.nmi_window) {
		events_smm_ended(&t->ev);
		t->cpu.smm = false;
		t->cpu.blocked = t->cpu.outer_blocked;
		return (struct event){ .kind = EVENT_NONE };
	}
	events_commit(&t->ev, &plan);
	if (plan.inject.kind == EVENT_NMI)
		t->cpu.blocked = true;
	if (plan.inject.kind)
		t->cpu.at = AT_ANYTHING;
	if (plan.inject.kind)
		t->cpu.shadow = 0;
	else if (plan.watch_iret && !machine->nmi_tracked)
		report.at_iret = true;
	else
		t->cpu.blocked = false, t->cpu.shadow = 0, report.stepped = plan.step,
		report.moved = true;
	report.nmi_masked = machine->nmi_tracked && t->cpu.blocked;
	events_exit(&t->ev, &report);
	return plan.inject;
}

void drain(const struct state *s)
{
	struct queue queue = { .count = 0 };
	struct state t = *s;
	unsigned int seen = 0, steps;

	t.cpu.shadow = 0;
	t.cpu.if_set = true;
	expected_order(&t, &queue);
	for (steps = 0; steps < 24 && !events_idle(&t.ev); steps++) {
		struct event event = drain_step(&t);

		if (!event.kind)
			continue;
		MUST(s, seen < queue.count, "drained: kind %d vector %d comes in addition",
		     event.kind, event.vector);
		MUST(s, event.kind == queue.events[seen].kind &&
			event.vector == queue.events[seen].vector,
		     "drained: kind %d vector %d out of order", event.kind, event.vector);
		seen++;
	}
	MUST(s, events_idle(&t.ev), "with everything open, something waits for ever");
	MUST(s, seen == queue.count, "drained: %u of %u came", seen, queue.count);
}
