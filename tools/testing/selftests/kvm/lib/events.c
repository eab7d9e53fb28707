// SPDX-License-Identifier: GPL-2.0-only
/*
 * events.c - making, comparing and printing struct kvm_vcpu_events.
 */
#include <stdio.h>
#include "kvm_lib.h"

/* Vectors for which the processor pushes an error code, in 64-bit mode. */
#define EC_VECTORS	(1U << 8 | 0x1fU << 10 | 1U << 17 | 1U << 21 | 1U << 29 | 1U << 30)

bool vector_has_ec(unsigned int vector)
{
	return vector < 32 && EC_VECTORS >> vector & 1;
}

/**
 * events_exception() - one exception and nothing else
 * @nr: vector
 * @ec: error code, or NO_EC
 * @pending: raised and yet to be delivered, as against injected
 */
struct kvm_vcpu_events events_exception(unsigned int nr, int64_t ec, bool pending)
{
	struct kvm_vcpu_events events = {
		.exception.nr = nr,
		.exception.injected = !pending,
		.exception.pending = pending,
		.exception.has_error_code = ec != NO_EC,
		.exception.error_code = ec != NO_EC ? ec : 0,
		.flags = pending ? KVM_VCPUEVENT_VALID_PAYLOAD : 0,
	};

	return events;
}

/* A pending exception that brings a value for DR6 or CR2. */
struct kvm_vcpu_events events_payload(unsigned int nr, int64_t ec, uint64_t payload)
{
	struct kvm_vcpu_events events = events_exception(nr, ec, true);

	events.exception_has_payload = 1;
	events.exception_payload = payload;
	return events;
}

struct kvm_vcpu_events events_irq(unsigned int nr)
{
	struct kvm_vcpu_events events = {
		.interrupt.injected = 1,
		.interrupt.nr = nr,
	};

	return events;
}

struct kvm_vcpu_events events_nmi(unsigned int injected, unsigned int pending,
				  unsigned int masked)
{
	struct kvm_vcpu_events events = {
		.nmi.injected = injected,
		.nmi.pending = pending,
		.nmi.masked = masked,
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING,
	};

	return events;
}

/* The struct is poisoned first, so that what GET does not write shows. */
int events_get(struct vm *vm, struct kvm_vcpu_events *events)
{
	memset(events, 0xa5, sizeof(*events));
	return vcpu_ioctl(vm, KVM_GET_VCPU_EVENTS, events);
}

int events_set(struct vm *vm, struct kvm_vcpu_events events)
{
	return vcpu_ioctl(vm, KVM_SET_VCPU_EVENTS, &events);
}

/* Sets the interrupt shadow and empties everything else. */
int events_shadow(struct vm *vm, unsigned int shadow)
{
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_SHADOW,
		.interrupt.shadow = shadow,
	};

	return events_set(vm, events);
}

bool events_equal(const struct kvm_vcpu_events *a, const struct kvm_vcpu_events *b)
{
	return !memcmp(a, b, sizeof(*a));
}

const char *events_text(const struct kvm_vcpu_events *events)
{
	static char text[512];
	int i, rest = 0;

	for (i = 0; i < (int)sizeof(events->reserved); i++)
		rest |= events->reserved[i];
	snprintf(text, sizeof(text),
		 "flags %#x, exc inj %u pend %u nr %u has_ec %u ec %#x payload %u/%#llx, irq inj %u nr %#x soft %u shadow %u, nmi inj %u pend %u masked %u pad %u, smi %u %u %u %u, triple %u, sipi %u, rest %#x",
		 events->flags, events->exception.injected, events->exception.pending,
		 events->exception.nr, events->exception.has_error_code,
		 events->exception.error_code, events->exception_has_payload,
		 events->exception_payload, events->interrupt.injected, events->interrupt.nr,
		 events->interrupt.soft, events->interrupt.shadow, events->nmi.injected,
		 events->nmi.pending, events->nmi.masked, events->nmi.pad, events->smi.smm,
		 events->smi.pending, events->smi.smm_inside_nmi, events->smi.latched_init,
		 events->triple_fault.pending, events->sipi_vector, rest);
	return text;
}
