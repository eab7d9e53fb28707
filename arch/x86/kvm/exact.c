// SPDX-License-Identifier: GPL-2.0-only
/*
 * exact.c - PURE: all of struct vcpu_events to and from struct kvm_exact_state.
 *
 * Nothing is lost and nothing is guessed: a machine that is read and written is
 * the same machine, but that an IRET at RIP, which is met again, is only masked.
 * SMM, INIT, SIPI and mp_state have words elsewhere, and are left as they are.
 * The 64 bytes of struct kvm_vcpu_events are events.c's.
 */
#include "exact.h"

#define EXCEPTIONS	32
#define VECTOR_DB	1
#define VECTOR_NMI	2
#define VECTOR_BP	3
#define VECTOR_OF	4
#define VECTOR_PF	14
#define MAX_INSN	15	/* bytes */
#define ERROR_CODE_BITS	0xffffu

#define PENDING_DBG_BITS	(GENMASK_ULL(3, 0) | BIT_ULL(12) | BIT_ULL(14))

static const u8 type_of_kind[] = {
	[EVENT_NONE] = KVM_EXACT_NONE,
	[EVENT_EXCEPTION] = KVM_EXACT_EXCEPTION,
	[EVENT_SOFT_EXCEPTION] = KVM_EXACT_SOFT_EXCEPTION,
	[EVENT_NMI] = KVM_EXACT_NONE,		/* has no slot */
	[EVENT_IRQ] = KVM_EXACT_INTERRUPT,
	[EVENT_SOFT_IRQ] = KVM_EXACT_SOFT_INTERRUPT,
};

static const u8 kind_of_type[] = {
	[KVM_EXACT_NONE] = EVENT_NONE,
	[KVM_EXACT_EXCEPTION] = EVENT_EXCEPTION,
	[KVM_EXACT_SOFT_EXCEPTION] = EVENT_SOFT_EXCEPTION,
	[KVM_EXACT_INTERRUPT] = EVENT_IRQ,
	[KVM_EXACT_SOFT_INTERRUPT] = EVENT_SOFT_IRQ,
};

static void get_event(const struct event *event, struct kvm_exact_event *out)
{
	out->type = type_of_kind[event->kind];
	if (!out->type)
		return;
	out->vector = event->vector;
	out->insn_len = event->insn_len;
	out->flags = (event->has_error ? KVM_EXACT_HAS_ERROR : 0) |
		     (event->has_payload ? KVM_EXACT_HAS_PAYLOAD : 0);
	out->error_code = event->error;
	out->payload = event->payload;
}

void exact_get(const struct vcpu_events *ev, u8 shadow, u64 pending_db,
	       struct kvm_exact_state *out)
{
	const struct kvm_exact_io io = out->io;

	*out = (struct kvm_exact_state){
		.version = KVM_EXACT_VERSION,
		.nmi_begun = ev->nmi_begun,
		.nmi_pending = ev->nmi_pending,
		.nmi_masked = ev->nmi_mask != NMI_OPEN,
		.triple_fault = ev->shutdown,
		.shadow = shadow,
		.pending_dbg = pending_db & PENDING_DBG_BITS,
		.io = io,
	};
	get_event(&ev->inflight, &out->begun);
	get_event(&ev->fault, &out->raised);
	get_event(&ev->irq, &out->interrupt);
}

static bool exception_ok(const struct kvm_exact_event *in, bool raised)
{
	bool soft = in->type == KVM_EXACT_SOFT_EXCEPTION;
	bool has_error = in->flags & KVM_EXACT_HAS_ERROR;
	bool has_payload = in->flags & KVM_EXACT_HAS_PAYLOAD;

	if (in->vector >= EXCEPTIONS || in->vector == VECTOR_NMI)
		return false;
	if (soft != (in->vector == VECTOR_BP || in->vector == VECTOR_OF))
		return false;
	if (soft ? in->insn_len > MAX_INSN : in->insn_len != 0)
		return false;
	if (has_error != exception_has_error(in->vector))
		return false;
	if (in->error_code & ~(has_error ? ERROR_CODE_BITS : 0))
		return false;
	if (has_payload && !(raised && (in->vector == VECTOR_DB || in->vector == VECTOR_PF)))
		return false;
	return has_payload || !in->payload;
}

static bool interrupt_ok(const struct kvm_exact_event *in)
{
	bool soft = in->type == KVM_EXACT_SOFT_INTERRUPT;

	return !in->flags && !in->error_code && !in->payload &&
	       (soft ? in->insn_len <= MAX_INSN : !in->insn_len);
}

static bool is_exception(const struct kvm_exact_event *in)
{
	return in->type == KVM_EXACT_EXCEPTION || in->type == KVM_EXACT_SOFT_EXCEPTION;
}

static bool is_interrupt(const struct kvm_exact_event *in)
{
	return in->type == KVM_EXACT_INTERRUPT || in->type == KVM_EXACT_SOFT_INTERRUPT;
}

static bool events_are_valid(const struct kvm_exact_state *in)
{
	if (in->begun.type && !(is_exception(&in->begun) && exception_ok(&in->begun, false)))
		return false;
	if (in->raised.type && !(is_exception(&in->raised) && exception_ok(&in->raised, true)))
		return false;
	if (in->interrupt.type && !(is_interrupt(&in->interrupt) && interrupt_ok(&in->interrupt)))
		return false;
	return !(in->begun.type && in->raised.type);
}

static bool state_is_valid(const struct kvm_exact_state *in)
{
	u8 limit = in->nmi_masked || in->nmi_begun ? 1 : 2;

	return in->version == KVM_EXACT_VERSION && !(in->flags & ~KVM_EXACT_VALID_IO) &&
	       in->nmi_pending <= limit && !(in->shadow & ~SHADOW_ANY) &&
	       !(in->pending_dbg & ~PENDING_DBG_BITS) && events_are_valid(in);
}

static struct event set_event(const struct kvm_exact_event *in)
{
	if (!in->type)
		return (struct event){ };
	return (struct event){
		.kind = kind_of_type[in->type],
		.vector = in->vector,
		.insn_len = in->insn_len,
		.has_error = in->flags & KVM_EXACT_HAS_ERROR,
		.has_payload = in->flags & KVM_EXACT_HAS_PAYLOAD,
		.error = in->error_code,
		.payload = in->payload,
	};
}

int exact_set(struct vcpu_events *ev, u8 *shadow, u64 *pending_db,
	      const struct kvm_exact_state *in)
{
	if (!state_is_valid(in))
		return -EINVAL;
	ev->inflight = set_event(&in->begun);
	ev->fault = set_event(&in->raised);
	ev->irq = set_event(&in->interrupt);
	ev->nmi_begun = in->nmi_begun;
	ev->nmi_pending = in->nmi_pending;
	ev->nmi_mask = in->nmi_masked ? NMI_MASKED : NMI_OPEN;
	ev->shutdown = in->triple_fault;
	ev->fault_restored = in->raised.type;
	*shadow = in->shadow;
	*pending_db = in->pending_dbg;
	return 0;
}
