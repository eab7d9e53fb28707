// SPDX-License-Identifier: GPL-2.0-only
/*
 * events.c - PURE: the one place that decides what a vCPU takes next.
 *
 * Owns struct vcpu_events: raising, merging, choosing, taking back, and both
 * directions of KVM_GET/SET_VCPU_EVENTS.  Knows nothing of VMCB, VMCS, files
 * or locks; those who do are run.c (which calls plan, commit and exit once per
 * entry) and the backends (which translate the plan).  The life of one
 * delivery is told in Documentation/virt/kvm/events.rst.
 */
#include "events.h"

#define VECTOR_DE	0
#define VECTOR_DB	1
#define VECTOR_NMI	2
#define VECTOR_BP	3
#define VECTOR_OF	4
#define VECTOR_DF	8
#define VECTOR_TS	10
#define VECTOR_GP	13
#define VECTOR_PF	14
#define VECTOR_AC	17
#define VECTOR_MC	18
#define VECTOR_CP	21
#define VECTOR_VC	29
#define VECTOR_SX	30
#define EXCEPTIONS	32

#define ERROR_CODE_BITS	0xffffu

#define DR6_TRAPS	0xfull			/* B0 to B3 */
#define DR6_INVERTED	0xffff0ff0ull		/* fixed 1, or 1 for "did not happen" (RTM, BLD) */
#define DR6_ENABLED_BP	BIT_ULL(12)		/* a bit of Intel's pending debug exceptions only */

/* Vectors that push an error code: DF TS NP SS GP PF AC CP, and VC SX of AMD. */
#define VECTORS_WITH_ERROR						\
	(BIT(VECTOR_DF) | GENMASK(VECTOR_PF, VECTOR_TS) | BIT(VECTOR_AC) |	\
	 BIT(VECTOR_CP) | BIT(VECTOR_VC) | BIT(VECTOR_SX))

/* Vectors whose first delivery does not set RF in the frame: traps, aborts, and the NMI. */
#define VECTORS_WITHOUT_RF						\
	(BIT(VECTOR_DB) | BIT(VECTOR_NMI) | BIT(VECTOR_BP) | BIT(VECTOR_OF) |	\
	 BIT(VECTOR_DF) | BIT(VECTOR_MC))

enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static const struct event no_event;

static enum severity severity(const struct event *ev)
{
	if (ev->kind != EVENT_EXCEPTION)
		return BENIGN;
	switch (ev->vector) {
	case VECTOR_DE:
	case VECTOR_TS ... VECTOR_GP:
	case VECTOR_CP:
		return CONTRIBUTORY;
	case VECTOR_PF:
	case VECTOR_VC:
		return PAGE_FAULT;
	case VECTOR_DF:
		return DOUBLE_FAULT;
	default:
		return BENIGN;
	}
}

bool exception_has_error(u8 vector)
{
	return vector < EXCEPTIONS && (VECTORS_WITH_ERROR >> vector) & 1;
}

u64 exception_dr6(u64 dr6, u64 payload)
{
	dr6 = (dr6 & ~DR6_TRAPS) | DR6_INVERTED;
	dr6 |= payload & ~DR6_ENABLED_BP & U32_MAX;
	return dr6 ^ (payload & DR6_INVERTED);
}

void events_reset(struct vcpu_events *ev)
{
	*ev = (struct vcpu_events){ };
}

/* The exception as the architecture knows it: nothing in it that its vector does not have. */
static void make_canonical(struct event *event)
{
	event->has_error = exception_has_error(event->vector);
	event->error = event->has_error && event->vector != VECTOR_DF ?
		       event->error & ERROR_CODE_BITS : 0;
	if (event->vector != VECTOR_DB && event->vector != VECTOR_PF)
		event->has_payload = false;
	if (!event->has_payload)
		event->payload = 0;
}

void events_triple_fault(struct vcpu_events *ev)
{
	ev->fault = no_event;
	ev->inflight = no_event;
	ev->shutdown = true;
}

void events_raise(struct vcpu_events *ev, const struct event *exception)
{
	const struct event *first = ev->inflight.kind ? &ev->inflight : &ev->fault;
	enum severity before = severity(first), now = severity(exception);
	static const struct event double_fault = {
		.kind = EVENT_EXCEPTION, .vector = VECTOR_DF,
	};

	if (before == DOUBLE_FAULT && now != BENIGN) {
		events_triple_fault(ev);
		return;
	}
	ev->inflight = no_event;
	ev->fault_restored = false;
	if ((before == CONTRIBUTORY && now == CONTRIBUTORY) ||
	    (before == PAGE_FAULT && now != BENIGN))
		ev->fault = double_fault;
	else
		ev->fault = *exception;
	make_canonical(&ev->fault);
}

static u8 nmi_limit(const struct vcpu_events *ev)
{
	/* one in its handler (or on the way there) leaves the latch room for one more */
	return ev->nmi_mask != NMI_OPEN || ev->nmi_begun ? 1 : 2;
}

void events_nmi(struct vcpu_events *ev)
{
	ev->nmi_pending = min_t(u8, ev->nmi_pending + 1, nmi_limit(ev));
}

void events_smi(struct vcpu_events *ev)
{
	ev->smi_pending = true;
}

/* Masked, the latch has room for one. */
static void mask_nmis(struct vcpu_events *ev, bool mask)
{
	ev->nmi_mask = mask ? NMI_MASKED : NMI_OPEN;
	ev->nmi_pending = min(ev->nmi_pending, nmi_limit(ev));
}

void events_smm_begun(struct vcpu_events *ev)
{
	ev->smi_pending = false;
	ev->in_smm = true;
	ev->smm_inside_nmi = ev->nmi_mask != NMI_OPEN;
	mask_nmis(ev, true);
}

void events_smm_ended(struct vcpu_events *ev)
{
	mask_nmis(ev, ev->smm_inside_nmi);
	ev->in_smm = false;
	ev->smm_inside_nmi = false;
}

void events_irq(struct vcpu_events *ev, u8 vector)
{
	ev->irq = (struct event){ .kind = EVENT_IRQ, .vector = vector };
}

void events_init(struct vcpu_events *ev)
{
	ev->init = true;
	ev->sipi = false;
	if (ev->mp_state == KVM_MP_STATE_SIPI_RECEIVED)
		ev->mp_state = KVM_MP_STATE_INIT_RECEIVED;
}

void events_sipi(struct vcpu_events *ev, u8 vector)
{
	if (ev->sipi || ev->mp_state == KVM_MP_STATE_SIPI_RECEIVED)
		return;
	if (ev->init)
		ev->sipi = true;
	else if (ev->mp_state == KVM_MP_STATE_INIT_RECEIVED)
		ev->mp_state = KVM_MP_STATE_SIPI_RECEIVED;
	else
		return;
	ev->sipi_vector = vector;
}

void events_initialised(struct vcpu_events *ev, bool boot)
{
	u32 waits = ev->sipi ? KVM_MP_STATE_SIPI_RECEIVED : KVM_MP_STATE_INIT_RECEIVED;

	*ev = (struct vcpu_events){
		.smi_pending = ev->smi_pending,
		.sipi_vector = ev->sipi_vector,
		.mp_state = boot ? KVM_MP_STATE_RUNNABLE : waits,
	};
}

bool events_take_sipi(struct vcpu_events *ev, u8 *vector)
{
	if (ev->init || ev->mp_state != KVM_MP_STATE_SIPI_RECEIVED)
		return false;
	ev->mp_state = KVM_MP_STATE_RUNNABLE;
	*vector = ev->sipi_vector;
	return true;
}

/* Waits for an INIT or a SIPI, deaf to all else (SDM vol. 3, 24.4.2, wait-for-SIPI). */
static bool is_unstarted(const struct vcpu_events *ev)
{
	return ev->mp_state != KVM_MP_STATE_RUNNABLE && ev->mp_state != KVM_MP_STATE_HALTED;
}

bool events_contradict(const struct vcpu_events *ev)
{
	return ev->in_smm && is_unstarted(ev);
}

/* An instruction boundary: what has begun, or was raised there, is of the instruction before. */
static bool smi_goes(const struct vcpu_events *ev)
{
	return events_smi_due(ev) && !is_unstarted(ev) && !events_first(ev) &&
	       ev->irq.kind != EVENT_SOFT_IRQ;
}

static bool init_goes(const struct vcpu_events *ev)
{
	return ev->init && !ev->in_smm;
}

static bool nmi_open(const struct vcpu_events *ev, const struct event_gates *gates)
{
	/*
	 * A processor may or may not hold an NMI after STI; held, both vendors
	 * are alike, and STI; HLT stays whole.
	 */
	return ev->nmi_mask == NMI_OPEN && !gates->shadow;
}

/*
 * An instruction stands at RIP that will make this event again: a VMM that
 * knew of it had it twice, and what goes before it only puts it off.
 */
static bool re_executes(const struct event *event)
{
	return event_is_soft(event) && event->insn_len && event->insn_len != INSN_LEN_UNKNOWN;
}

void events_forget_raised(struct vcpu_events *ev)
{
	if (!ev->fault_restored || re_executes(&ev->fault))
		ev->fault = no_event;
	if (re_executes(&ev->inflight))
		ev->inflight = no_event;
	if (re_executes(&ev->irq))
		ev->irq = no_event;
	if (ev->nmi_mask == NMI_AT_IRET)
		ev->nmi_mask = NMI_MASKED;
}

static u8 choose(const struct vcpu_events *ev, const struct event_gates *gates)
{
	if (ev->inflight.kind)
		return FROM_INFLIGHT;
	if (ev->fault.kind)
		return FROM_FAULT;
	/* no gate, as the instruction that made it has none; and its RIP is good only now */
	if (ev->irq.kind == EVENT_SOFT_IRQ)
		return FROM_IRQ;
	if (ev->nmi_begun && !gates->shadow)
		return FROM_NMI_BEGUN;
	if (ev->irq.kind && events_irq_open(gates))
		return FROM_IRQ;
	if (ev->nmi_pending && nmi_open(ev, gates))
		return FROM_NMI;
	if (gates->irq_offered && events_irq_open(gates))
		return FROM_CONTROLLER;
	return FROM_NOWHERE;
}

static struct event chosen_event(const struct vcpu_events *ev, u8 from)
{
	static const struct event nmi = { .kind = EVENT_NMI, .vector = VECTOR_NMI };
	static const struct event offered = { .kind = EVENT_IRQ };

	switch (from) {
	case FROM_INFLIGHT:
		return ev->inflight;
	case FROM_FAULT:
		return ev->fault;
	case FROM_IRQ:
		return ev->irq;
	case FROM_NMI_BEGUN:
	case FROM_NMI:
		return nmi;
	case FROM_CONTROLLER:
		return offered;
	default:
		return no_event;
	}
}

static bool sets_rf(const struct event *event)
{
	return event->kind == EVENT_EXCEPTION && !((VECTORS_WITHOUT_RF >> event->vector) & 1);
}

struct event_plan events_plan(const struct vcpu_events *ev, const struct event_gates *gates)
{
	struct event_plan plan = { .irq_window = gates->irq_wanted };
	bool irq_left, begun_left, nmi_left, masked, held;

	if (events_idle(ev) && !gates->irq_offered) {
		plan.step = gates->trap_waits;
		return plan;
	}
	if (ev->shutdown)
		return (struct event_plan){ .shutdown = true };
	if (smi_goes(ev))
		return (struct event_plan){ .smi = true };
	if (init_goes(ev))
		return (struct event_plan){ .init = true };
	plan.from = choose(ev, gates);
	plan.inject = chosen_event(ev, plan.from);
	if (gates->real_mode)
		plan.inject.has_error = false;
	plan.set_rf = plan.from == FROM_FAULT && sets_rf(&ev->fault);

	irq_left = gates->irq_wanted ||
		   (gates->irq_offered && plan.from != FROM_CONTROLLER) ||
		   (ev->irq.kind && plan.from != FROM_IRQ && !re_executes(&ev->irq));
	begun_left = ev->nmi_begun && plan.from != FROM_NMI_BEGUN;
	nmi_left = ev->nmi_pending - (plan.from == FROM_NMI) + begun_left;
	masked = ev->nmi_mask != NMI_OPEN || plan.from == FROM_NMI || plan.from == FROM_NMI_BEGUN;

	plan.irq_window = irq_left;
	plan.nmi_window = nmi_left;
	/* watched, the IRET that RIP stands at would never run */
	plan.iret_goes = ev->nmi_mask == NMI_AT_IRET && plan.from == FROM_NOWHERE;
	plan.watch_iret = masked && !plan.iret_goes;
	/*
	 * No window tells of an NMI that is not masked.  What keeps it back is either a delivery,
	 * and it goes right behind that, or a shadow: then one instruction goes with nothing
	 * injected, as does the IRET that opens the mask.
	 */
	held = nmi_left && (!masked || begun_left);
	plan.again = plan.from != FROM_NOWHERE &&
		     (held || events_smi_due(ev) || gates->stepped ||
		      event_is_soft(&plan.inject));
	plan.step = plan.from == FROM_NOWHERE &&
		    (held || gates->trap_waits || (plan.iret_goes && nmi_left));
	return plan;
}

void events_commit(struct vcpu_events *ev, const struct event_plan *plan)
{
	switch (plan->from) {
	case FROM_FAULT:
		ev->fault = no_event;
		break;
	case FROM_IRQ:
		ev->irq = no_event;
		break;
	case FROM_NMI_BEGUN:
		ev->nmi_begun = false;
		ev->nmi_mask = NMI_MASKED;
		break;
	case FROM_NMI:
		ev->nmi_pending--;
		ev->nmi_mask = NMI_MASKED;
		break;
	default:
		break;
	}
	/* a handler goes first: what stands at RIP is met again behind it */
	if (plan->inject.kind && re_executes(&ev->irq))
		ev->irq = no_event;
	if (plan->inject.kind && ev->nmi_mask == NMI_AT_IRET)
		ev->nmi_mask = NMI_MASKED;
	ev->inflight = plan->inject;
	/* written to CR2 or DR6 by now: a second attempt must not do it again */
	ev->inflight.has_payload = false;
	ev->inflight.payload = 0;
}

/*
 * Does hardware give back what it was given, perhaps renamed by the backend?  The guest may have
 * run on after the delivery, and its own events have the same vectors: of interrupts it has none,
 * and an exception says the same either way.  Behind a soft event it has not run (@again).
 */
static bool is_given(const struct event *given, const struct event *seen)
{
	return given->vector == seen->vector &&
	       (seen->kind == EVENT_IRQ || (event_is_soft(given) && event_is_soft(seen)) ||
		(seen->kind == EVENT_EXCEPTION && given->kind == EVENT_SOFT_EXCEPTION));
}

static void take_back(struct vcpu_events *ev, const struct event *seen)
{
	bool ours = is_given(&ev->inflight, seen);
	const struct event event = ours ? ev->inflight : *seen;

	ev->inflight = no_event;
	switch (event.kind) {
	case EVENT_NMI:
		ev->nmi_begun = true;
		ev->nmi_mask = NMI_OPEN;
		break;
	case EVENT_IRQ:
		ev->irq = event;
		break;
	case EVENT_SOFT_IRQ:
		/* the guest's own INT n stands at RIP and runs again; one we injected does not */
		if (ours)
			ev->irq = event;
		break;
	case EVENT_SOFT_EXCEPTION:
		if (ours)
			ev->inflight = event;
		break;
	case EVENT_EXCEPTION:
		ev->inflight = event;
		make_canonical(&ev->inflight);
		break;
	}
}

void events_exit(struct vcpu_events *ev, const struct event_report *report)
{
	if (events_idle(ev) && !report->undelivered.kind && !report->nmi_masked)
		return;
	if (report->nmi_tracked)
		ev->nmi_mask = report->nmi_masked ? NMI_MASKED : NMI_OPEN;
	else if (report->at_iret)
		ev->nmi_mask = NMI_AT_IRET;
	else if (ev->nmi_mask == NMI_AT_IRET)
		ev->nmi_mask = report->stepped || report->moved ? NMI_OPEN : NMI_MASKED;
	if (report->undelivered.kind)
		take_back(ev, &report->undelivered);
	else
		ev->inflight = no_event;
}

void events_delivered(struct vcpu_events *ev, u8 kind)
{
	if (kind == EVENT_NMI) {
		ev->nmi_begun = false;
		ev->nmi_mask = NMI_MASKED;
	} else if (ev->inflight.kind) {
		ev->inflight = no_event;
	} else if (kind == EVENT_IRQ || ev->irq.kind == EVENT_SOFT_IRQ) {
		/* the guest's own INT n has not been taken back */
		ev->irq = no_event;
	}
}

void events_iret(struct vcpu_events *ev)
{
	ev->nmi_mask = NMI_OPEN;
}

bool events_wake(const struct vcpu_events *ev, const struct event_gates *gates)
{
	if (ev->shutdown || init_goes(ev) || ev->mp_state == KVM_MP_STATE_SIPI_RECEIVED)
		return true;
	if (is_unstarted(ev))
		return false;
	return events_first(ev) || events_smi_due(ev) || ev->irq.kind == EVENT_SOFT_IRQ ||
	       ((ev->irq.kind || gates->irq_offered) && gates->if_set) ||
	       (ev->nmi_pending && ev->nmi_mask == NMI_OPEN);
}

static bool is_unmeasured(const struct event *event)
{
	return event->insn_len == INSN_LEN_UNKNOWN && event_is_soft(event);
}

struct event *events_unmeasured(struct vcpu_events *ev)
{
	if (is_unmeasured(&ev->inflight))
		return &ev->inflight;
	if (is_unmeasured(&ev->fault))
		return &ev->fault;
	return is_unmeasured(&ev->irq) ? &ev->irq : NULL;
}

/*
 * The ABI.  Four things can be named at once (an exception, injected or
 * pending; an interrupt; an NMI), each has its slot here, so nothing that was
 * set is dropped.
 */

static void get_exception(const struct vcpu_events *ev, const struct event_abi *abi,
			  struct kvm_vcpu_events *out)
{
	bool raised = ev->fault.kind;
	const struct event *event = raised ? &ev->fault : &ev->inflight;

	if (!event->kind || re_executes(event))
		return;
	/* without the payload capability "pending" cannot be said alone (api.rst) */
	out->exception.injected = !raised || !abi->payload;
	out->exception.pending = raised;
	out->exception.nr = event->vector;
	out->exception.has_error_code = event->has_error;
	out->exception.error_code = event->error;
	if (raised && abi->payload && event->has_payload) {
		out->exception_has_payload = true;
		out->exception_payload = event->payload;
	}
}

void events_get(const struct vcpu_events *ev, const struct event_abi *abi, u8 shadow,
		struct kvm_vcpu_events *out)
{
	*out = (struct kvm_vcpu_events){
		.flags = events_flags(abi),
		.interrupt.shadow = shadow,
	};
	if (events_idle(ev) && !ev->in_smm)
		return;
	get_exception(ev, abi, out);
	if (ev->irq.kind == EVENT_IRQ) {
		out->interrupt.injected = true;
		out->interrupt.nr = ev->irq.vector;
	}
	out->nmi.injected = ev->nmi_begun;
	out->nmi.pending = ev->nmi_pending;
	out->nmi.masked = ev->nmi_mask != NMI_OPEN;
	out->triple_fault.pending = ev->shutdown && abi->triple_fault;
	out->smi.smm = ev->in_smm;
	out->smi.pending = ev->smi_pending;
	out->smi.smm_inside_nmi = ev->smm_inside_nmi;
	out->smi.latched_init = ev->init;
	if (ev->init ? ev->sipi : ev->mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		out->sipi_vector = ev->sipi_vector;
		out->flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	}
}

static bool set_is_valid(const struct event_abi *abi, const struct kvm_vcpu_events *in)
{
	bool exception = in->exception.injected || in->exception.pending;

	/* a SIPI and an INIT may be said, and are nobody's without an APIC in the kernel */
	if (in->flags & ~(events_flags(abi) | KVM_VCPUEVENT_VALID_SIPI_VECTOR))
		return false;
	return !exception || (in->exception.nr < EXCEPTIONS && in->exception.nr != VECTOR_NMI);
}

/*
 * Pending wins over injected.  Without the payload flag that is also how Linux
 * reports an exception that is only pending, and one that is pending alone is
 * kept, not forgotten.
 */
static void set_exception(struct vcpu_events *ev, const struct kvm_vcpu_events *in)
{
	bool soft = in->exception.nr == VECTOR_BP || in->exception.nr == VECTOR_OF;
	bool payload = (in->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && in->exception_has_payload;
	struct event *slot = in->exception.pending ? &ev->fault : &ev->inflight;

	if (!in->exception.pending && !in->exception.injected)
		return;
	*slot = (struct event){
		.kind = soft ? EVENT_SOFT_EXCEPTION : EVENT_EXCEPTION,
		.vector = in->exception.nr,
		.insn_len = soft ? INSN_LEN_UNKNOWN : 0,
		.error = in->exception.error_code,
		.has_payload = payload && in->exception.pending,
		.payload = in->exception_payload,
	};

	make_canonical(slot);
	ev->fault_restored = in->exception.pending;
}

static void set_irq(struct vcpu_events *ev, const struct kvm_vcpu_events *in)
{
	if (!in->interrupt.injected)
		return;
	ev->irq.kind = in->interrupt.soft ? EVENT_SOFT_IRQ : EVENT_IRQ;
	ev->irq.vector = in->interrupt.nr;
	ev->irq.insn_len = in->interrupt.soft ? INSN_LEN_UNKNOWN : 0;
}

static void set_nmi(struct vcpu_events *ev, const struct kvm_vcpu_events *in)
{
	ev->nmi_begun = in->nmi.injected;
	if (in->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		ev->nmi_pending = in->nmi.pending;
	mask_nmis(ev, in->nmi.masked);
}

static void set_smm(struct vcpu_events *ev, const struct kvm_vcpu_events *in)
{
	if (!(in->flags & KVM_VCPUEVENT_VALID_SMM))
		return;
	ev->smi_pending = in->smi.pending;
	ev->in_smm = in->smi.smm;
	ev->smm_inside_nmi = in->smi.smm && in->smi.smm_inside_nmi;
}

/*
 * A vCPU that waits for a SIPI has it by KVM_SET_MP_STATE, before or behind this call; one that is
 * yet to take an INIT has it by the vector's being said.
 */
static void set_startup(struct vcpu_events *ev, const struct kvm_vcpu_events *in)
{
	bool vector = in->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR;

	if (vector)
		ev->sipi_vector = in->sipi_vector;
	if (in->flags & KVM_VCPUEVENT_VALID_SMM) {
		ev->init = in->smi.latched_init;
		ev->sipi = ev->init && vector;
	}
}

int events_set(struct vcpu_events *ev, const struct event_abi *abi, u8 *shadow,
	       const struct kvm_vcpu_events *in)
{
	if (!set_is_valid(abi, in))
		return -EINVAL;
	/* what is said under a flag only stays as it is without it */
	ev->inflight = no_event;
	ev->fault = no_event;
	ev->irq = no_event;
	set_exception(ev, in);
	set_irq(ev, in);
	set_nmi(ev, in);
	set_smm(ev, in);
	if (abi->apic)
		set_startup(ev, in);
	if (in->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT)
		ev->shutdown = in->triple_fault.pending;
	if (in->flags & KVM_VCPUEVENT_VALID_SHADOW)
		*shadow = in->interrupt.shadow & SHADOW_ANY;
	return 0;
}

int events_set_mp_state(struct vcpu_events *ev, const struct event_abi *abi, u32 mp_state)
{
	switch (mp_state) {
	case KVM_MP_STATE_RUNNABLE:
	case KVM_MP_STATE_HALTED:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		if (abi->apic)
			break;
		fallthrough;
	default:
		return -EINVAL;
	}
	ev->mp_state = mp_state;
	return 0;
}
