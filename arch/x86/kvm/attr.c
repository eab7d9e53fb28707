// SPDX-License-Identifier: GPL-2.0-only
/*
 * attr.c - attributes of a vCPU's fd: the TSC's offset, and the state of
 * KVM_CAP_X86_EXACT_STATE.
 *
 * Puts that struct together from those who own its parts: events from exact.c,
 * the instruction that waits for userspace from emu/glue.c.
 */
#include <linux/kvm_host.h>
#include <linux/uaccess.h>
#include "emu/glue.h"
#include "exact.h"
#include "vcpu.h"

static bool is_tsc_offset(const struct kvm_device_attr *attr)
{
	return attr->group == KVM_VCPU_TSC_CTRL && attr->attr == KVM_VCPU_TSC_OFFSET;
}

static bool is_exact_state(struct kvm_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	return attr->group == KVM_VCPU_EXACT_CTRL && attr->attr == KVM_VCPU_EXACT_STATE &&
	       READ_ONCE(vcpu->kvm->arch.caps.exact_state);
}

/* 0, -EFAULT, or -ENXIO: there is no such attribute. */
static long find(struct kvm_vcpu *vcpu, struct kvm_device_attr *attr, void __user *argp)
{
	if (copy_from_user(attr, argp, sizeof(*attr)))
		return -EFAULT;
	if (attr->flags)
		return -ENXIO;
	return is_tsc_offset(attr) || is_exact_state(vcpu, attr) ? 0 : -ENXIO;
}

static long get_tsc_offset(struct kvm_vcpu *vcpu, u64 __user *to)
{
	return put_user(time_get_offset(vcpu), to);
}

static long set_tsc_offset(struct kvm_vcpu *vcpu, const u64 __user *from)
{
	u64 offset;

	if (get_user(offset, from))
		return -EFAULT;
	time_set_offset(vcpu, offset);
	return 0;
}

static noinline long get_exact(struct kvm_vcpu *vcpu, void __user *to)
{
	const struct vcpu_events events = x86_copy_events(vcpu);
	struct kvm_exact_state out = { };
	bool waits = glue_get_io(vcpu, &out.io);

	exact_get(&events, vcpu->arch.state.shadow, vcpu->arch.state.pending_db, &out);
	if (waits)
		out.flags |= KVM_EXACT_VALID_IO;
	else
		memset(&out.io, 0, sizeof(out.io));
	return copy_to_user(to, &out, sizeof(out)) ? -EFAULT : 0;
}

static noinline long set_exact(struct kvm_vcpu *vcpu, const void __user *from)
{
	struct vcpu_state *state = &vcpu->arch.state;
	struct kvm_exact_state in;
	bool waits;
	int r;

	if (copy_from_user(&in, from, sizeof(in)))
		return -EFAULT;
	waits = in.flags & KVM_EXACT_VALID_IO;
	if (waits && !glue_io_ok(&in.io))
		return -EINVAL;
	x86_collect_events(vcpu);
	r = exact_set(&vcpu->arch.events, &state->shadow, &state->pending_db, &in);
	if (r)
		return r;
	vcpu->arch.shadow_restored = true;
	glue_set_io(vcpu, waits ? &in.io : NULL);
	x86_events_replaced(vcpu);
	return 0;
}

long attr_get(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_device_attr attr;
	long r = find(vcpu, &attr, argp);

	if (r)
		return r;
	return is_tsc_offset(&attr) ? get_tsc_offset(vcpu, u64_to_user_ptr(attr.addr)) :
				      get_exact(vcpu, u64_to_user_ptr(attr.addr));
}

long attr_set(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_device_attr attr;
	long r = find(vcpu, &attr, argp);

	if (r)
		return r;
	return is_tsc_offset(&attr) ? set_tsc_offset(vcpu, u64_to_user_ptr(attr.addr)) :
				      set_exact(vcpu, u64_to_user_ptr(attr.addr));
}

long attr_has(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_device_attr attr;

	return find(vcpu, &attr, argp);
}
