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
#include <linux/timekeeping.h>
#include <asm/tsc.h>
#include "vcpu.h"

/*
 * Ticks that the host's TSC has missed, since the module was loaded, while the machine slept: the
 * guests' go on.  Changes while no other thread runs.
 */
static u64 tsc_asleep;
static u64 sleep_tsc, sleep_ns;		/* when the machine went to sleep */

static u64 scale(const struct guest_tsc *tsc, u64 ticks)
{
	if (!tsc->ratio)
		return ticks;
	return mul_u64_u64_shr(ticks, tsc->ratio, backend_features.tsc_scale_frac_bits);
}

/* What hardware adds. */
static u64 real_offset(const struct guest_tsc *tsc)
{
	return tsc->offset + scale(tsc, tsc_asleep);
}

u64 time_of_host(const struct guest_tsc *tsc, u64 host_tsc)
{
	return scale(tsc, host_tsc) + real_offset(tsc);
}

/* The offset with which this TSC is @value now. */
static u64 offset_for(const struct guest_tsc *tsc, u64 value)
{
	return value - scale(tsc, rdtsc()) - scale(tsc, tsc_asleep);
}

void time_apply(struct kvm_vcpu *vcpu)
{
	struct vcpu_time *time = &vcpu->arch.time;

	time->asleep = tsc_asleep;
	backend_call(set_tsc)(vcpu, real_offset(&time->tsc), time->tsc.ratio);
}

u64 time_read_tsc(struct kvm_vcpu *vcpu)
{
	return time_of_host(&vcpu->arch.time.tsc, rdtsc());
}

static void set_tsc(struct kvm_vcpu *vcpu, const struct guest_tsc *tsc)
{
	spin_lock(&vcpu->kvm->arch.tsc_lock);
	vcpu->arch.time.tsc = *tsc;
	spin_unlock(&vcpu->kvm->arch.tsc_lock);
	time_apply(vcpu);
	/* the guest's clock has to know before the guest does */
	kvm_vcpu_request(vcpu, KVM_REQ_CLOCK);
	apic_tsc_changed(vcpu);
}

static void set_offset(struct kvm_vcpu *vcpu, u64 offset)
{
	struct guest_tsc tsc = vcpu->arch.time.tsc;

	tsc.offset = offset;
	set_tsc(vcpu, &tsc);
}

u64 time_get_offset(struct kvm_vcpu *vcpu)
{
	return real_offset(&vcpu->arch.time.tsc);
}

void time_set_offset(struct kvm_vcpu *vcpu, u64 offset)
{
	set_offset(vcpu, offset - scale(&vcpu->arch.time.tsc, tsc_asleep));
}

/* Would a TSC like @tsc that @value is written to be meant to go with this one? */
static bool is_in_step(const struct guest_tsc *tsc, const struct guest_tsc *other, u64 value)
{
	u64 second = other->khz * 1000ULL;

	if (tsc->khz != other->khz || tsc->ratio != other->ratio)
		return false;
	return !value || time_of_host(other, rdtsc()) - value + second <= 2 * second;
}

/*
 * A VMM writes the TSCs of a machine one after the other, and means them to be in step.  Time goes
 * by between the writes: nearly the value of another vCPU's, or 0, is taken to mean just that.
 * In step with none, a TSC becomes what was written.
 */
static u64 intended_offset(struct kvm_vcpu *vcpu, u64 value)
{
	const struct guest_tsc *tsc = &vcpu->arch.time.tsc;
	u64 offset = offset_for(tsc, value);
	struct kvm_vcpu *other;
	int i;

	spin_lock(&vcpu->kvm->arch.tsc_lock);
	kvm_for_each_vcpu(i, other, vcpu->kvm) {
		if (other == vcpu || !is_in_step(tsc, &other->arch.time.tsc, value))
			continue;
		offset = other->arch.time.tsc.offset;
		break;
	}
	spin_unlock(&vcpu->kvm->arch.tsc_lock);
	return offset;
}

/* The guest's write shows in IA32_TSC_ADJUST (SDM 17.17.3); userspace's does not. */
void time_write_tsc(struct kvm_vcpu *vcpu, u64 tsc, bool outside)
{
	struct vcpu_time *time = &vcpu->arch.time;
	u64 offset = outside ? intended_offset(vcpu, tsc) : offset_for(&time->tsc, tsc);

	if (!outside)
		time->tsc_adjust += offset - time->tsc.offset;
	set_offset(vcpu, offset);
}

void time_adjust_tsc(struct kvm_vcpu *vcpu, u64 adjust, bool outside)
{
	struct vcpu_time *time = &vcpu->arch.time;

	if (!outside)
		set_offset(vcpu, time->tsc.offset + adjust - time->tsc_adjust);
	time->tsc_adjust = adjust;
}

/* Within 250 ppm of the host's rate nothing is scaled: clocks are not better than that. */
static bool near_host(unsigned long khz)
{
	unsigned long tolerance = tsc_khz / 4000;

	return khz >= tsc_khz - tolerance && khz <= tsc_khz + tolerance;
}

/* 0: not scaled. */
static u64 ratio_of(unsigned long khz)
{
	if (near_host(khz))
		return 0;
	return mul_u64_u32_div(1ULL << backend_features.tsc_scale_frac_bits, khz, tsc_khz);
}

/* Can hardware make this frequency of the host's? */
static bool khz_ok(unsigned long khz)
{
	if (!khz || khz > U32_MAX || !tsc_khz)
		return false;
	return near_host(khz) || (backend_features.tsc_scaling &&
				  ratio_of(khz) <= backend_features.tsc_scale_max);
}

static int set_khz(struct kvm_vcpu *vcpu, unsigned long khz)
{
	struct guest_tsc tsc = { .khz = khz };

	if (!khz_ok(khz))
		return -EINVAL;
	tsc.ratio = ratio_of(khz);
	tsc.offset = offset_for(&tsc, time_read_tsc(vcpu));
	set_tsc(vcpu, &tsc);
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
	if (!khz_ok(khz))
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
	int r = set_khz(vcpu, vcpu->kvm->arch.default_tsc_khz);

	if (!r)
		time_write_tsc(vcpu, 0, true);
	return r;
}

/* The ratio is a register of the CPU's where it is not one of the control block's. */
void time_load(struct kvm_vcpu *vcpu, int cpu)
{
	if (unlikely(vcpu->arch.time.asleep != tsc_asleep))
		time_apply(vcpu);
}

/*
 * The machine sleeps.  Its TSC may stop or begin anew, and by the kernel's clock time goes on;
 * timekeeping is on at both calls.
 */
void kvm_arch_suspend(void)
{
	sleep_tsc = rdtsc();
	sleep_ns = ktime_get_boottime_ns();
}

void kvm_arch_resume(void)
{
	u64 slept = mul_u64_u32_div(ktime_get_boottime_ns() - sleep_ns, tsc_khz, NSEC_PER_MSEC);

	tsc_asleep += sleep_tsc + slept - rdtsc();
}
