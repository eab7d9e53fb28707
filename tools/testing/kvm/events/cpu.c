// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpu.c - the model's hardware, and the parts of the kernel around events.c.
 *
 * Contract of a backend, as assumed here:
 * - soft events are at their instruction (RIP is put back) when they are
 *   reported as undelivered, and a frame's RIP is the one in the registers
 *   plus insn_len;
 * - an injected event is reported in the words it was injected with, or as an
 *   interrupt of the same vector, a soft exception as an exception;
 * - @step ends after one instruction, also if that one faults; only its
 *   completion is reported as stepped;
 * - @iret_goes exits if the IRET faults, before its handler; later faults of
 *   that kind may exit as well;
 * - @again is an exit right after the injection; nmi_window does nothing
 *   without hardware's help.
 *
 * Read act() first.
 */
#include "model.h"

#define WARE(_name, _vector, _class, ...) \
	{ .name = (_name), .vector = (_vector), .class = _class##_CLASS, __VA_ARGS__ }
#define FAULT(_error)	.has_error = true, .error = (_error), .sets_rf = true

const struct ware_facts wares[WARES] = {
	[W_NONE] = WARE("none", 0, BENIGN, .sets_rf = false),
	[W_DB] = WARE("#DB", 1, BENIGN, .payload = 0x4000),
	[W_UD] = WARE("#UD", 6, BENIGN, .sets_rf = true),
	[W_GP] = WARE("#GP", 13, CONTRIBUTORY, FAULT(0x1234)),
	[W_PF] = WARE("#PF", 14, PAGE_FAULT, FAULT(2), .payload = 0xffff8000dead0000),
	[W_DF] = WARE("#DF", 8, DOUBLE_FAULT, .has_error = true),
	[W_BP] = WARE("#BP", 3, BENIGN, .sets_rf = false),
	[W_OWN_DB] = WARE("own #DB", 1, BENIGN, .sets_rf = false),
	[W_OWN_UD] = WARE("own #UD", 6, BENIGN, .sets_rf = true),
	[W_OWN_GP] = WARE("own #GP", 13, CONTRIBUTORY, FAULT(0x20)),
	[W_OWN_PF] = WARE("own #PF", 14, PAGE_FAULT, FAULT(6)),
};

struct event ware_event(enum ware ware)
{
	const struct ware_facts *facts = &wares[ware];

	return (struct event){
		.kind = ware == W_BP ? EVENT_SOFT_EXCEPTION : EVENT_EXCEPTION,
		.vector = facts->vector,
		.has_error = facts->has_error,
		.error = facts->error,
		.has_payload = facts->payload,
		.payload = facts->payload,
	};
}

/* Bytes of the instruction at RIP, if it is the one that makes this soft event. */
u8 soft_length(const struct cpu *cpu, const struct event *event)
{
	switch (cpu->at) {
	case AT_INT3:
		return event->kind == EVENT_SOFT_EXCEPTION ? 1 : 0;
	case AT_INT_SHARED:
		return event->kind == EVENT_SOFT_IRQ && event->vector == VECTOR_SHARED ? 2 : 0;
	case AT_INT_LOW:
		return event->kind == EVENT_SOFT_IRQ && event->vector == VECTOR_LOW ? 2 : 0;
	case AT_INT_TWO:
		return event->kind == EVENT_SOFT_IRQ && event->vector == VECTOR_TWO ? 2 : 0;
	default:
		return 0;
	}
}

/* Would the guest, run without this event, make it again by itself? */
bool re_executes(const struct cpu *cpu, const struct event *event)
{
	return event_is_soft(event) && event->insn_len && soft_length(cpu, event);
}

/* What run.c does before it asks for a plan. */
void measure(struct vcpu_events *ev, const struct cpu *cpu)
{
	struct event *soft;

	while ((soft = events_unmeasured(ev)))
		soft->insn_len = soft_length(cpu, soft);
}

static void leave(struct state *t, struct event undelivered, bool at_iret, bool stepped,
		  const char *action)
{
	struct event_report report = {
		.undelivered = undelivered,
		.at_iret = at_iret,
		.stepped = stepped,
		/* where nothing rests on it, RIP has moved */
		.moved = !t->iret_goes || t->moved,
		.nmi_masked = machine->nmi_tracked && t->cpu.blocked,
		.nmi_tracked = machine->nmi_tracked,
	};

	events_exit(&t->ev, &report);
	t->phase = OUTSIDE;
	t->irq_window = false;
	t->nmi_window = false;
	t->again = false;
	t->watch_iret = false;
	t->iret_goes = false;
	t->step = false;
	t->moved = false;
	reach(t, action);
}

static const struct event nothing;

/* ---- Injection: hardware delivers what the plan said, or is interrupted in it. ---- */

static void settle_exception(struct state *t, const struct event *given)
{
	const struct ware_facts *facts = &wares[t->owed.exception];

	MUST(t, t->owed.exception && given->vector == facts->vector,
	     "exception %d was delivered, %s was owed", given->vector, facts->name);
	MUST(t, !t->owed.payload, "%s was delivered without its payload", facts->name);
	MUST(t, given->has_error == (facts->has_error && !machine->real_mode),
	     "%s was delivered with the wrong frame", facts->name);
	MUST(t, !given->has_error || given->error == facts->error,
	     "%s was delivered with error code %#x", facts->name, given->error);
	t->owed.exception = W_NONE;
	t->owed.begun = false;
}

static void settle_soft(struct state *t, const struct event *given)
{
	u8 length = soft_length(&t->cpu, given);

	MUST(t, !given->insn_len || given->insn_len == length,
	     "soft event %d: length %d, at RIP is one of %d", given->vector, given->insn_len,
	     length);
	if (given->insn_len)
		return;
	if (given->kind == EVENT_SOFT_IRQ) {
		MUST(t, t->owed.soft == given->vector, "soft interrupt %d was not owed",
		     given->vector);
		t->owed.soft = 0;
		return;
	}
	MUST(t, t->owed.exception == W_BP, "#BP was not owed");
	t->owed.exception = W_NONE;
	t->owed.begun = false;
}

static void settle(struct state *t)
{
	const struct event *given = &t->ev.inflight;

	switch (given->kind) {
	case EVENT_EXCEPTION:
		settle_exception(t, given);
		break;
	case EVENT_SOFT_EXCEPTION:
	case EVENT_SOFT_IRQ:
		settle_soft(t, given);
		break;
	case EVENT_NMI:
		MUST(t, t->owed.nmi_begun, "an NMI was not owed");
		t->owed.nmi_begun = false;
		t->cpu.blocked = true;
		break;
	case EVENT_IRQ:
		MUST(t, t->owed.irq == given->vector, "interrupt %d was not owed", given->vector);
		t->owed.irq = 0;
		break;
	default:
		violation(t, "unknown event %d", given->kind);
	}
}

/* The backend's word for the event, and what the processor does at that. */
static u32 say(const struct state *s)
{
	const struct event *given = &s->ev.inflight;
	const struct entry entry = {
		.info = machine->vendor->say(given),
		/* a length of 0 is made one by moving RIP */
		.insn_len = max_t(u8, given->insn_len, 1),
		.real_mode = machine->real_mode,
	};
	struct taken taken;
	const char *refused = machine->vendor->take(&entry, &taken);

	MUST(s, !refused, "the entry is refused with %#x: %s", entry.info, refused);
	MUST(s, taken.vector == given->vector && taken.error == given->has_error &&
		taken.behind == event_is_soft(given) && taken.nmi == (given->kind == EVENT_NMI),
	     "%#x makes another event than %d", entry.info, given->vector);
	return entry.info;
}

/* An event of the guest's own making, as the backend understands what the processor reports. */
static struct event own_event(enum origin origin, u8 vector, bool has_error, u32 error)
{
	return machine->vendor->understand(machine->vendor->report(origin, vector, has_error),
					   error);
}

/* The handler begins: through an interrupt gate or, keeping IF, a trap gate. */
static void in_handler(const struct state *s, u8 phase, const char *action)
{
	struct state t = *s;

	t.cpu.at = AT_ANYTHING;
	t.cpu.shadow = 0;
	t.phase = phase;
	t.moved = t.iret_goes;
	if (t.cpu.if_set) {
		reach(&t, action);
		t.cpu.if_set = false;
	}
	reach(&t, action);
}

static void give_back(const struct state *s, struct event seen, const char *action)
{
	struct state t = *s;

	leave(&t, seen, false, false, action);
}

static void interrupted_injection(const struct state *s)
{
	struct event seen = machine->vendor->understand(say(s), s->ev.inflight.error);

	if (seen.kind == EVENT_NMI) {
		struct state t = *s;

		/* some hardware sets its mask before, some after the delivery */
		t.cpu.blocked = false;
		give_back(&t, seen, "NMI interrupted, mask clear");
		if (machine->nmi_tracked) {
			struct event_report report = {
				.undelivered = seen, .nmi_tracked = true, .nmi_masked = true,
			};

			events_exit(&t.ev, &report);
			t.phase = OUTSIDE;
			t.irq_window = false;
			t.nmi_window = false;
			t.again = false;
			t.watch_iret = false;
			t.iret_goes = false;
			reach(&t, "NMI interrupted, mask set");
		}
		return;
	}
	give_back(s, seen, "injection interrupted");
	seen.error = seen.kind == EVENT_EXCEPTION ? seen.error : 0;
	seen.has_error = false;
	if (seen.kind == EVENT_SOFT_EXCEPTION) {
		seen.kind = EVENT_EXCEPTION;
		give_back(s, seen, "injection interrupted, seen as exception");
	}
	seen.kind = EVENT_IRQ;
	seen.error = 0;
	give_back(s, seen, "injection interrupted, seen as interrupt");
}

static void inject(const struct state *s)
{
	struct state t = *s;

	interrupted_injection(s);
	settle(&t);
	in_handler(&t, t.again ? FRESH : RUNNING, "injection delivered");
}

/* ---- The guest's own instructions. ---- */

static void completed(struct state *t, const char *action)
{
	t->cpu.at = AT_ANYTHING;
	t->phase = RUNNING;
	t->moved = t->iret_goes;
	if (t->step)
		leave(t, nothing, false, true, action);
	else
		reach(t, action);
}

static void run_plain(const struct state *s)
{
	struct state t = *s;

	t.cpu.shadow = 0;
	completed(&t, "plain instruction");

	t = *s;
	t.cpu.shadow = t.cpu.if_set ? 0 : SHADOW_STI;
	t.cpu.if_set = true;
	completed(&t, "sti");

	t = *s;
	t.cpu.shadow = 0;
	t.cpu.if_set = false;
	completed(&t, "cli");

	t = *s;
	t.cpu.shadow = SHADOW_MOV_SS;
	completed(&t, "mov ss");
}

/* An exception that hardware itself raises: its handler runs, or the delivery is interrupted. */
static void run_fault(const struct state *s, enum ware ware)
{
	const struct ware_facts *facts = &wares[ware];
	bool has_error = facts->has_error && !machine->real_mode;
	struct event seen = own_event(ORIGIN_FAULT, facts->vector, has_error, facts->error);
	struct state t = *s;

	MUST(s, !s->owed.exception, "the guest runs, %s is owed", wares[s->owed.exception].name);
	if (s->step) {
		t.cpu.at = AT_ANYTHING;
		t.cpu.shadow = 0;
		leave(&t, nothing, false, false, "stepped instruction faults");
	} else if (s->iret_goes && wares[ware].class != BENIGN_CLASS) {
		t.cpu.shadow = 0;
		leave(&t, nothing, false, false, "exception exits");
	} else {
		in_handler(s, RUNNING, "own exception");
	}
	t = *s;
	t.owed.exception = ware;
	t.owed.begun = true;
	leave(&t, seen, false, false, facts->name);
}

static void run_iret(const struct state *s)
{
	struct state t = *s;

	if (s->watch_iret && !machine->nmi_tracked) {
		t.cpu.at = AT_IRET;
		leave(&t, nothing, true, false, "at iret");
		return;
	}
	t.cpu.shadow = 0;
	t.cpu.blocked = false;
	t.cpu.if_set = true;
	completed(&t, "iret, IF=1");
	t = *s;
	t.cpu.shadow = 0;
	t.cpu.blocked = false;
	t.cpu.if_set = false;
	completed(&t, "iret, IF=0");

	t = *s;
	t.cpu.at = AT_IRET;
	run_fault(&t, W_OWN_GP);
}

/* It exits, and is executed in software: IF and shadow are what stands in SMRAM. */
static void run_rsm(const struct state *s)
{
	struct state t = *s;
	u8 shadow;

	leave(&t, nothing, false, false, "at rsm");
	events_smm_ended(&t.ev);
	t.cpu.smm = false;
	t.cpu.blocked = t.cpu.outer_blocked;
	t.cpu.outer_blocked = false;
	if (t.cpu.blocked)
		t.owed.nmi = min_t(u8, t.owed.nmi, 1);
	for (shadow = 0; shadow <= SHADOW_STI; shadow++) {
		t.cpu.shadow = shadow;
		t.cpu.if_set = false;
		reach(&t, "rsm, IF=0");
		t.cpu.if_set = true;
		reach(&t, "rsm, IF=1");
	}
}

static void run_soft(const struct state *s, u8 at, enum origin origin, u8 vector)
{
	struct state t = *s;

	/* a report could not tell this one from that which was injected */
	MUST(s, !event_is_soft(&s->ev.inflight), "the guest runs on behind a soft event");
	if (s->step) {
		t.cpu.shadow = 0;
		completed(&t, "stepped INT");
	} else {
		in_handler(s, RUNNING, "own INT");
	}
	t = *s;
	t.cpu.at = at;
	leave(&t, own_event(origin, vector, false, 0), false, false, "own INT interrupted");
}

static void run_instruction(const struct state *s)
{
	u8 at = s->cpu.at;

	if (at == AT_ANYTHING) {
		run_plain(s);
		run_fault(s, W_OWN_DB);
		run_fault(s, W_OWN_UD);
		run_fault(s, W_OWN_GP);
		run_fault(s, W_OWN_PF);
		run_fault(s, W_DF);
		if (s->cpu.smm)
			run_rsm(s);
	}
	if (at == AT_ANYTHING || at == AT_IRET)
		run_iret(s);
	if (at == AT_ANYTHING || at == AT_INT3)
		run_soft(s, AT_INT3, ORIGIN_INT3_INTO, 3);
	if (at == AT_ANYTHING || at == AT_INT_SHARED)
		run_soft(s, AT_INT_SHARED, ORIGIN_INT_N, VECTOR_SHARED);
	if (at == AT_ANYTHING || at == AT_INT_LOW)
		run_soft(s, AT_INT_LOW, ORIGIN_INT_N, VECTOR_LOW);
	if (at == AT_ANYTHING || at == AT_INT_TWO)
		run_soft(s, AT_INT_TWO, ORIGIN_INT_N, VECTOR_TWO);
}

static bool window_is_open(const struct state *s)
{
	if (s->phase == FRESH && s->again)
		return true;
	if (s->cpu.shadow)
		return false;
	if (s->irq_window && s->cpu.if_set)
		return true;
	return machine->nmi_tracked && s->nmi_window && !s->cpu.blocked;
}

static void run(const struct state *s)
{
	struct state t = *s;

	leave(&t, nothing, false, false, window_is_open(s) ? "window" : "host interrupt");
	if (!window_is_open(s))
		run_instruction(s);
}

/* ---- Between entries: what the kernel and userspace do. ---- */

static void raise(const struct state *s, enum ware new, bool at_int3)
{
	u8 before = wares[s->owed.exception].class, now = wares[new].class;
	struct event event = ware_event(new);
	struct state t = *s;
	u8 ware = new;

	if (at_int3) {
		event.insn_len = 1;
		t.cpu.at = AT_INT3;
		ware = W_NONE;
	}
	events_raise(&t.ev, &event);

	if (before == DOUBLE_FAULT_CLASS && now != BENIGN_CLASS) {
		ware = W_NONE;
		t.owed.shutdown = true;
	} else if ((before == PAGE_FAULT_CLASS && now != BENIGN_CLASS) ||
		   (before == CONTRIBUTORY_CLASS && now == CONTRIBUTORY_CLASS)) {
		ware = W_DF;
	}
	t.owed.exception = ware;
	t.owed.begun = false;
	t.owed.restored = false;
	t.owed.payload = wares[ware].payload;
	reach(&t, "raise");
}

static void arrive(const struct state *s)
{
	struct state t = *s;
	u8 room = s->cpu.blocked || s->owed.nmi_begun ? 1 : 2;

	events_nmi(&t.ev);
	if (t.owed.nmi < room)
		t.owed.nmi++;
	reach(&t, "NMI arrives");

	t = *s;
	events_irq(&t.ev, VECTOR_SHARED);
	t.owed.irq = VECTOR_SHARED;
	t.owed.soft = 0;
	reach(&t, "interrupt 0x40 arrives");

	t = *s;
	events_irq(&t.ev, VECTOR_LOW);
	t.owed.irq = VECTOR_LOW;
	t.owed.soft = 0;
	reach(&t, "interrupt 14 arrives");

	if (!machine->smm)
		return;
	t = *s;
	events_smi(&t.ev);
	t.owed.smi = true;
	reach(&t, "SMI arrives");
}

/* The entry is made: what the plan takes has begun. */
static void begin(struct state *t, const struct event_plan *plan)
{
	if (plan->inject.kind == EVENT_NMI && !t->owed.nmi_begun) {
		t->owed.nmi--;
		t->owed.nmi_begun = true;
	}
	if (plan->from != FROM_INFLIGHT && plan->from != FROM_FAULT)
		return;
	if (plan->inject.has_payload) {
		MUST(t, t->owed.payload, "the payload is written twice");
		MUST(t, plan->inject.payload == wares[t->owed.exception].payload,
		     "payload %#llx", (unsigned long long)plan->inject.payload);
		t->owed.payload = false;
	}
	if (t->owed.exception)
		t->owed.begun = true;
	t->owed.restored = false;
}

/* A controller is asked for the vector of what it offers; from then on it is owed. */
static void acknowledge(struct state *t, struct event_plan *plan)
{
	plan->inject.vector = VECTOR_SHARED;
	t->owed.irq = VECTOR_SHARED;
}

/* In software: the registers are in SMRAM, and new ones in their place. */
static void begin_smm(struct state *t)
{
	events_smm_begun(&t->ev);
	t->owed.smi = false;
	t->owed.nmi = min(t->owed.nmi, t->cpu.blocked ? t->owed.nmi : 1);
	t->cpu = (struct cpu){ .blocked = true, .smm = true, .outer_blocked = t->cpu.blocked };
	reach(t, "SMI");
}

static void enter(const struct state *s, bool irq_wanted, bool stepped, bool offered)
{
	struct state t = *s;
	struct event_gates gates = {
		.if_set = s->cpu.if_set,
		.shadow = s->cpu.shadow,
		.real_mode = machine->real_mode,
		.irq_wanted = irq_wanted,
		.irq_offered = offered,
		.stepped = stepped,
	};
	struct event_plan plan;

	measure(&t.ev, &t.cpu);
	plan = events_plan(&t.ev, &gates);
	check_plan(&t, &gates, &plan);
	if (plan.shutdown) {
		t.ev.shutdown = false;
		t.owed.shutdown = false;
		reach(&t, "shutdown is reported");
		return;
	}
	if (plan.smi) {
		begin_smm(&t);
		return;
	}
	if (plan.from == FROM_CONTROLLER)
		acknowledge(&t, &plan);
	begin(&t, &plan);
	events_commit(&t.ev, &plan);
	t.phase = plan.inject.kind ? INJECTING : RUNNING;
	t.irq_window = plan.irq_window;
	t.nmi_window = plan.nmi_window;
	t.again = plan.again;
	t.watch_iret = plan.watch_iret;
	t.iret_goes = plan.iret_goes;
	t.step = plan.step;
	reach(&t, "enter");
}

/* An event whose instruction was at RIP, not looked at yet, and is no more. */
static bool lost_its_instruction(const struct state *s, const struct event *event)
{
	return event_is_soft(event) && event->insn_len == INSN_LEN_UNKNOWN &&
	       re_executes(&s->cpu, event);
}

/* KVM_SET_REGS: to the same RIP, or elsewhere. */
static void replace_registers(const struct state *s)
{
	const struct event *named = s->ev.fault.kind ? &s->ev.fault : &s->ev.inflight;
	struct state t = *s;

	events_forget_raised(&t.ev);
	if (!t.owed.begun && !t.owed.restored) {
		t.owed.exception = W_NONE;
		t.owed.payload = false;
	}
	reach(&t, "KVM_SET_REGS, same RIP");
	t.cpu.at = AT_ANYTHING;
	t.cpu.shadow = 0;
	if (lost_its_instruction(s, named)) {
		t.owed.exception = W_BP;
		t.owed.begun = named == &s->ev.inflight;
	}
	if (lost_its_instruction(s, &s->ev.irq))
		t.owed.soft = s->ev.irq.vector;
	reach(&t, "KVM_SET_REGS, other RIP");
	t.cpu.if_set = !t.cpu.if_set;
	reach(&t, "KVM_SET_REGS, other IF");
}

static void restore(const struct state *s)
{
	static const struct event_abi old_abi;
	struct state t = restored(s, &full_abi);

	reach(&t, "save and restore");
	/* without the capability whoever raises writes the payload at once */
	if (s->owed.payload)
		return;
	t = restored(s, &old_abi);
	reach(&t, "save and restore, no capabilities");
}

/* Everything that can happen next. */
void act(const struct state *s)
{
	switch (s->phase) {
	case INJECTING:
		inject(s);
		return;
	case FRESH:
	case RUNNING:
		run(s);
		return;
	}
	enter(s, false, false, false);
	enter(s, true, false, false);
	enter(s, false, true, false);
	enter(s, false, false, true);
	restore(s);
	replace_registers(s);
	if (s->owed.shutdown)
		return;
	arrive(s);
	raise(s, W_DB, false);
	raise(s, W_UD, false);
	raise(s, W_GP, false);
	raise(s, W_PF, false);
	raise(s, W_DF, false);
	if (s->cpu.at == AT_ANYTHING || s->cpu.at == AT_INT3)
		raise(s, W_BP, true);
	if (s->cpu.at != AT_INT3)
		raise(s, W_BP, false);
}
