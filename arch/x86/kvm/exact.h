/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * exact.h - the event machine in the words of KVM_CAP_X86_EXACT_STATE.
 *
 * PURE: a struct in, a struct out.  What it carries besides events is glue.h's.
 */
#ifndef ARCH_X86_KVM_EXACT_H
#define ARCH_X86_KVM_EXACT_H

#include "events.h"
#include <asm/kvm_exact.h>

/**
 * exact_get - the machine, wholly
 * @ev: the machine, no length in it unknown; unchanged
 * @shadow: the interrupt shadow, SHADOW_* bits
 * @pending_db: debug traps that wait behind it
 * @out: version and events are written; io is not touched, the rest is zero
 */
void exact_get(const struct vcpu_events *ev, u8 shadow, u64 pending_db,
	       struct kvm_exact_state *out);

/**
 * exact_set - replace the machine by what exact_get() told of one
 * @ev: the machine; unchanged if refused; SMM, INIT, SIPI and mp_state are kept
 * @shadow: written
 * @pending_db: written
 * @in: a private copy of userspace's struct
 *
 * Return: 0, or -EINVAL for a version or a flag that is not known, or for what no machine is in:
 * a slot with an event of another kind, two exceptions at once, a vector, a length, an error code,
 * a payload or a number of NMIs that cannot be.
 */
int exact_set(struct vcpu_events *ev, u8 *shadow, u64 *pending_db,
	      const struct kvm_exact_state *in);

#endif /* ARCH_X86_KVM_EXACT_H */
