// SPDX-License-Identifier: GPL-2.0-only
/*
 * time.c - the guest's time stamp counter: guest = host * ratio + offset.
 *
 * Owns offset, frequency and IA32_TSC_ADJUST.  A host whose TSCs are not in
 * step, or not at one rate, gives its guests the same.
 * SDM vol. 3, 17.17; APM vol. 2, 15.30.5 (TSC ratio).
 */
#include <linux/kvm_host.h>
#include <linux/math64.h>
#include <asm/tsc.h>
#include "vcpu.h"

static u64 scale(const struct vcpu_time *time, u64 host_tsc)
{
	if (!time->ratio)
		return host_tsc;
	return mul_u64_u64_shr(host_tsc, time->ratio, backend_features.tsc_scale_frac_bits);
}

void time_apply(struct kvm_vcpu *vcpu)
{
	backend_call(set_tsc)(vcpu, vcpu->arch.time.offset, vcpu->arch.time.ratio);
}

u64 time_read_tsc(struct kvm_vcpu *vcpu)
{
	return scale(&vcpu->arch.time, rdtsc()) + vcpu->arch.time.offset;
}

static void set_offset(struct kvm_vcpu *vcpu, u64 offset)
{
	vcpu->arch.time.offset = offset;
	time_apply(vcpu);
}

/* The guest's write shows in IA32_TSC_ADJUST (SDM 17.17.3); userspace's does not. */
void time_write_tsc(struct kvm_vcpu *vcpu, u64 tsc, bool outside)
{
	struct vcpu_time *time = &vcpu->arch.time;
	u64 offset = tsc - scale(time, rdtsc());

	if (!outside)
		time->tsc_adjust += offset - time->offset;
	set_offset(vcpu, offset);
}

void time_adjust_tsc(struct kvm_vcpu *vcpu, u64 adjust, bool outside)
{
	struct vcpu_time *time = &vcpu->arch.time;

	if (!outside)
		set_offset(vcpu, time->offset + adjust - time->tsc_adjust);
	time->tsc_adjust = adjust;
}

/* Within 250 ppm of the host's rate nothing is scaled: clocks are not better than that. */
static bool near_host(unsigned long khz)
{
	unsigned long tolerance = tsc_khz / 4000;

	return khz >= tsc_khz - tolerance && khz <= tsc_khz + tolerance;
}

static int set_khz(struct kvm_vcpu *vcpu, unsigned long khz)
{
	struct vcpu_time *time = &vcpu->arch.time;
	u64 now;

	if (!khz || khz > U32_MAX || (!near_host(khz) && !backend_features.tsc_scaling))
		return -EINVAL;
	now = time_read_tsc(vcpu);
	time->ratio = near_host(khz) ? 0 :
		      mul_u64_u32_div(1ULL << backend_features.tsc_scale_frac_bits, khz, tsc_khz);
	time->khz = khz;
	set_offset(vcpu, now - scale(time, rdtsc()));
	return 0;
}

long time_set_khz(struct kvm_vcpu *vcpu, unsigned long khz)
{
	return set_khz(vcpu, khz ?: tsc_khz);
}

/* For vCPUs to come. */
long time_vm_set_khz(struct kvm *kvm, unsigned long khz)
{
	long r = 0;

	khz = khz ?: tsc_khz;
	if (khz > U32_MAX || (!near_host(khz) && !backend_features.tsc_scaling))
		return -EINVAL;
	mutex_lock(&kvm->lock);
	if (atomic_read(&kvm->online_vcpus))
		r = -EINVAL;
	else
		WRITE_ONCE(kvm->arch.default_tsc_khz, khz);
	mutex_unlock(&kvm->lock);
	return r;
}

/* A machine's TSC starts at 0, on all its processors at once. */
int time_create(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *first = vcpu->kvm->vcpus[0];
	int r;

	vcpu->arch.time.khz = tsc_khz;
	r = set_khz(vcpu, vcpu->kvm->arch.default_tsc_khz);
	if (r)
		return r;
	if (vcpu->index && first->arch.time.khz == vcpu->arch.time.khz)
		set_offset(vcpu, READ_ONCE(first->arch.time.offset));
	else
		time_write_tsc(vcpu, 0, true);
	return 0;
}

/* The ratio is a register of the CPU's where it is not one of the control block's. */
void time_load(struct kvm_vcpu *vcpu, int cpu)
{
	if (backend_features.tsc_scaling)
		time_apply(vcpu);
}
