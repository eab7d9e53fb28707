// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock.c - kvmclock: nanoseconds since the VM began, as its guest reads them.
 *
 * A VM has one clock, a line over ticks.  Where the host's TSCs are in step and
 * all vCPUs have the same, the ticks are those of that TSC; each guest page
 * then holds this very line and says that it is stable.  Where vCPUs differ,
 * the line counts the host's TSC, and each page a line of its own that begins
 * on it.  On a host without a reliable TSC it counts CLOCK_BOOTTIME.  The line
 * is moved only when one of these changes, and goes on from where it was.
 *
 * Pages are written before a vCPU enters (KVM_REQ_CLOCK), never otherwise.
 * The arithmetic is pvclock.c's, the TSC time.c's.
 */
#include <linux/kvm_host.h>
#include <linux/kvm_para.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <asm/pvclock-abi.h>
#include <asm/tsc.h>
#include "vcpu.h"

/* One moment by all clocks of the host; only one of @tsc and @boot need be exact. */
struct moment {
	u64 tsc;
	u64 boot;	/* ns of CLOCK_BOOTTIME */
	u64 real;	/* ns of CLOCK_REALTIME */
};

/* If the kernel's own clock is the TSC, then what it has read is the moment. */
static struct moment moment_now(void)
{
	struct system_time_snapshot snap;
	struct moment now;
	unsigned long flags;
	u64 before, after;

	local_irq_save(flags);
	before = rdtsc_ordered();
	ktime_get_snapshot(&snap);
	after = rdtsc_ordered();
	now.boot = ktime_get_boottime_ns();
	local_irq_restore(flags);
	now.real = ktime_to_ns(snap.real);
	now.tsc = snap.cycles - before <= after - before ? snap.cycles :
							   before + (after - before) / 2;
	return now;
}

static bool same_tsc(const struct guest_tsc *a, const struct guest_tsc *b)
{
	return a->offset == b->offset && a->ratio == b->ratio && a->khz == b->khz;
}

/* A TSC that is not scaled runs at the host's rate, whatever its frequency is called. */
static struct pvclock_rate rate_of(const struct guest_tsc *tsc)
{
	return pvclock_rate(tsc->ratio ? tsc->khz : tsc_khz);
}

/* The one TSC that all vCPUs have; false if there is none, and then it is the host's. */
static bool find_shared(struct kvm *kvm, struct guest_tsc *tsc)
{
	static const struct guest_tsc host;
	struct kvm_vcpu *vcpu;
	int i;

	*tsc = host;
	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (!i)
			*tsc = vcpu->arch.time.tsc;
		if (same_tsc(tsc, &vcpu->arch.time.tsc))
			continue;
		*tsc = host;
		return false;
	}
	return true;
}

static u64 ticks_at(const struct vm_clock *clock, const struct moment *at)
{
	return clock->by_tsc ? time_of_host(&clock->tsc, at->tsc) : at->boot;
}

static u64 ns_at(const struct vm_clock *clock, const struct moment *at)
{
	return pvclock_ns(&clock->line, ticks_at(clock, at));
}

static void set_line(struct vm_clock *clock, const struct moment *at, u64 ns)
{
	clock->line = (struct pvclock_line){
		.ticks = ticks_at(clock, at),
		.ns = ns,
		.rate = clock->by_tsc ? rate_of(&clock->tsc) : pvclock_rate(PVCLOCK_NS_KHZ),
	};
}

/* Is the line still over the right ticks?  Returns whether it has been moved. tsc_lock held. */
static bool settle(struct kvm *kvm, const struct moment *at)
{
	struct vm_clock *clock = &kvm->arch.clock;
	bool by_tsc = !check_tsc_unstable();
	struct guest_tsc tsc;
	bool shared = find_shared(kvm, &tsc) && by_tsc;
	u64 ns;

	if (by_tsc == clock->by_tsc && shared == clock->shared && same_tsc(&tsc, &clock->tsc))
		return false;
	ns = ns_at(clock, at);
	WRITE_ONCE(clock->by_tsc, by_tsc);
	clock->shared = shared;
	clock->tsc = tsc;
	set_line(clock, at, ns);
	return true;
}

/*
 * The line is another one.  Who is told of it waits for tsc_lock, which the caller holds: none
 * enters with the new line before all have left with the old one.
 */
static void tell_all(struct kvm *kvm)
{
	kvm_request_all(kvm, KVM_REQ_CLOCK);
}

static void clock_settle(struct kvm *kvm)
{
	struct moment now;

	spin_lock(&kvm->arch.tsc_lock);
	now = moment_now();
	if (settle(kvm, &now))
		tell_all(kvm);
	spin_unlock(&kvm->arch.tsc_lock);
}

void clock_vm_create(struct kvm *kvm)
{
	struct vm_clock *clock = &kvm->arch.clock;
	struct moment now = moment_now();

	clock->by_tsc = !check_tsc_unstable();
	clock->shared = clock->by_tsc;
	set_line(clock, &now, 0);
}

/*
 * The guest's pages
 */

/* The line by which this vCPU's page tells the time from now on; returns its flags. */
static u8 line_of(struct kvm_vcpu *vcpu, struct pvclock_line *line)
{
	const struct guest_tsc *tsc = &vcpu->arch.time.tsc;
	struct vm_clock *clock = &vcpu->kvm->arch.clock;
	struct moment now;
	bool shared;

	spin_lock(&vcpu->kvm->arch.tsc_lock);
	shared = clock->shared;
	*line = clock->line;
	if (!shared) {
		now = moment_now();
		line->ns = ns_at(clock, &now);
		line->ticks = time_of_host(tsc, now.tsc);
		line->rate = rate_of(tsc);
	}
	spin_unlock(&vcpu->kvm->arch.tsc_lock);
	return shared ? PVCLOCK_TSC_STABLE_BIT : 0;
}

/*
 * Other processors of the guest may read the page meanwhile: whoever sees a part of the new
 * contents sees an odd version before, or another one after.
 */
int clock_write(struct kvm *kvm, gpa_t version, u32 before, gpa_t at, const void *data, size_t len)
{
	u32 busy = pvclock_busy(before), done = busy + 1;

	if (kvm_write_guest(kvm, version, &busy, sizeof(busy)))
		return -EFAULT;
	/* odd before the contents change; who reads them reads the version before */
	smp_wmb();
	if (kvm_write_guest(kvm, at, data, len))
		return -EFAULT;
	/* and even when they have; who has read them reads the version again */
	smp_wmb();
	return kvm_write_guest(kvm, version, &done, sizeof(done));
}

/* 0 or -EFAULT. */
static int write_page(struct kvm *kvm, gpa_t gpa, struct pvclock_vcpu_time_info *page)
{
	const size_t body = offsetof(struct pvclock_vcpu_time_info, pad0);
	struct pvclock_vcpu_time_info old;

	if (kvm_read_guest(kvm, gpa, &old, sizeof(old)))
		return -EFAULT;
	/* the guest's to clear */
	page->flags |= old.flags & PVCLOCK_GUEST_STOPPED;
	return clock_write(kvm, gpa, old.version, gpa + body, (void *)page + body,
			   sizeof(*page) - body);
}

void clock_serve(struct kvm_vcpu *vcpu)
{
	struct vcpu_clock *clock = &vcpu->arch.clock;
	struct pvclock_vcpu_time_info page = { };
	struct pvclock_line line;

	clock_settle(vcpu->kvm);
	if (!(clock->msr & KVM_MSR_ENABLED))
		return;
	page.flags = line_of(vcpu, &line) | (clock->stopped ? PVCLOCK_GUEST_STOPPED : 0);
	page.tsc_timestamp = line.ticks;
	page.system_time = line.ns;
	page.tsc_to_system_mul = line.rate.mul;
	page.tsc_shift = line.rate.shift;
	/* there may be memory later */
	clock->stale = write_page(vcpu->kvm, clock->msr & ~(u64)KVM_MSR_ENABLED, &page);
	if (!clock->stale)
		clock->stopped = false;
}

/* Where TSCs are not in step, a page is good for one CPU. */
void clock_load(struct kvm_vcpu *vcpu, int cpu)
{
	struct vcpu_clock *clock = &vcpu->arch.clock;
	bool moved = cpu != clock->cpu;

	clock->cpu = cpu;
	if (!(clock->msr & KVM_MSR_ENABLED))
		return;
	if (unlikely(clock->stale ||
		     (check_tsc_unstable() &&
		      (moved || READ_ONCE(vcpu->kvm->arch.clock.by_tsc)))))
		kvm_vcpu_request(vcpu, KVM_REQ_CLOCK);
}

void clock_set_msr(struct kvm_vcpu *vcpu, u64 data)
{
	vcpu->arch.clock.msr = data;
	vcpu->arch.clock.stale = false;
	if (data & KVM_MSR_ENABLED)
		kvm_vcpu_request(vcpu, KVM_REQ_CLOCK);
}

/*
 * Written at once, and only when the guest asks: a VMM that restores the number restores the
 * memory as well, which may be used for something else by now.
 */
void clock_set_wall_msr(struct kvm_vcpu *vcpu, u64 data, bool outside)
{
	struct kvm *kvm = vcpu->kvm;
	struct moment now;
	u32 version, birth[2];
	u64 ns;

	WRITE_ONCE(kvm->arch.clock.wall_msr, data);
	if (outside || kvm_read_guest(kvm, data, &version, sizeof(version)))
		return;
	spin_lock(&kvm->arch.tsc_lock);
	now = moment_now();
	ns = ns_at(&kvm->arch.clock, &now);
	spin_unlock(&kvm->arch.tsc_lock);
	pvclock_birth(now.real, ns, &birth[0], &birth[1]);
	clock_write(kvm, data, version, data + offsetof(struct pvclock_wall_clock, sec), birth,
		    sizeof(birth));
}

/*
 * ioctls
 */

long clock_get(struct kvm *kvm, struct kvm_clock_data __user *argp)
{
	struct vm_clock *clock = &kvm->arch.clock;
	struct kvm_clock_data data = { .flags = KVM_CLOCK_REALTIME };
	struct moment now;

	clock_settle(kvm);
	spin_lock(&kvm->arch.tsc_lock);
	now = moment_now();
	data.clock = ns_at(clock, &now);
	if (clock->by_tsc)
		data.flags |= KVM_CLOCK_HOST_TSC;
	if (clock->shared)
		data.flags |= KVM_CLOCK_TSC_STABLE;
	spin_unlock(&kvm->arch.tsc_lock);
	data.realtime = now.real;
	if (data.flags & KVM_CLOCK_HOST_TSC)
		data.host_tsc = now.tsc;
	return copy_to_user(argp, &data, sizeof(data)) ? -EFAULT : 0;
}

long clock_set(struct kvm *kvm, const struct kvm_clock_data __user *argp)
{
	struct kvm_clock_data data;
	struct moment now;
	int r;

	if (copy_from_user(&data, argp, sizeof(data)))
		return -EFAULT;
	if (data.flags & ~CLOCK_FLAGS)
		return -EINVAL;
	spin_lock(&kvm->arch.tsc_lock);
	now = moment_now();
	r = pvclock_later(&data.clock, data.flags & KVM_CLOCK_REALTIME ? data.realtime : now.real,
			  now.real);
	if (!r) {
		set_line(&kvm->arch.clock, &now, data.clock);
		tell_all(kvm);
	}
	spin_unlock(&kvm->arch.tsc_lock);
	return r;
}

long clock_paused(struct kvm_vcpu *vcpu)
{
	struct vcpu_clock *clock = &vcpu->arch.clock;

	if (!(clock->msr & KVM_MSR_ENABLED))
		return -EINVAL;
	clock->stopped = true;
	kvm_vcpu_request(vcpu, KVM_REQ_CLOCK);
	return 0;
}
