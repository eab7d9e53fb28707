// SPDX-License-Identifier: GPL-2.0-only
/*
 * steal.c - steal time: how long the vCPU's thread had to wait for a CPU, and
 * whether it waits now, in a page of the guest's.
 *
 * The scheduler counts, in sched_info.run_delay of the thread.  The page is
 * written before the vCPU enters (KVM_REQ_STEAL), but for one byte that says
 * it has lost its CPU: then, with the scheduler's locks held.
 */
#include <linux/kvm_host.h>
#include <linux/kvm_para.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include "vcpu.h"

#define PREEMPTED_AT	offsetof(struct kvm_steal_time, preempted)

static gpa_t page_of(const struct vcpu_steal *steal)
{
	return steal->msr & KVM_STEAL_VALID_BITS;
}

/* What the thread has waited since it was asked last; another thread's past does not count. */
static u64 waited(struct vcpu_steal *steal)
{
	u64 now = current->sched_info.run_delay, before = steal->run_delay;
	bool known = steal->thread == current->pid;

	steal->thread = current->pid;
	steal->run_delay = now;
	return known ? now - before : 0;
}

/* The sum is in the page, so that it moves with the guest's memory. */
static int write_page(struct kvm *kvm, gpa_t gpa, u64 waited)
{
	struct kvm_steal_time page;

	if (kvm_read_guest(kvm, gpa, &page, sizeof(page)))
		return -EFAULT;
	page.steal += waited;
	page.preempted = 0;
	if (kvm_write_guest(kvm, gpa + PREEMPTED_AT, &page.preempted, sizeof(page.preempted)))
		return -EFAULT;
	return clock_write(kvm, gpa + offsetof(struct kvm_steal_time, version), page.version, gpa,
			   &page.steal, sizeof(page.steal));
}

void steal_serve(struct kvm_vcpu *vcpu)
{
	struct vcpu_steal *steal = &vcpu->arch.steal;
	u64 more;

	if (!(steal->msr & KVM_MSR_ENABLED))
		return;
	more = waited(steal);
	steal->told = false;
	if (write_page(vcpu->kvm, page_of(steal), more))
		steal->run_delay -= more;
}

void steal_load(struct kvm_vcpu *vcpu)
{
	struct vcpu_steal *steal = &vcpu->arch.steal;

	if (likely(!(steal->msr & KVM_MSR_ENABLED)))
		return;
	if (steal->told || steal->thread != current->pid ||
	    steal->run_delay != current->sched_info.run_delay)
		kvm_vcpu_request(vcpu, KVM_REQ_STEAL);
}

/*
 * In the scheduler nothing can be faulted in: where the page is not there, the guest does not learn
 * it this time.
 */
void steal_preempted(struct kvm_vcpu *vcpu)
{
	static const u8 preempted = KVM_VCPU_PREEMPTED;
	struct vcpu_steal *steal = &vcpu->arch.steal;
	gpa_t gpa = page_of(steal);
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memslot *slot;
	unsigned long hva;
	int idx;

	if (likely(!(steal->msr & KVM_MSR_ENABLED)))
		return;
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	slot = kvm_slot_to_write(vcpu->kvm, 0, gfn);
	if (slot) {
		hva = kvm_slot_hva(slot, gfn) + offset_in_page(gpa) + PREEMPTED_AT;
		if (!copy_to_user_nofault((void __user *)hva, &preempted, sizeof(preempted))) {
			kvm_mark_dirty(slot, gfn);
			steal->told = true;
		}
	}
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
}

int steal_set_msr(struct kvm_vcpu *vcpu, u64 data)
{
	struct vcpu_steal *steal = &vcpu->arch.steal;

	if (data & KVM_STEAL_RESERVED_MASK)
		return -EINVAL;
	*steal = (struct vcpu_steal){ .msr = data };
	if (data & KVM_MSR_ENABLED)
		kvm_vcpu_request(vcpu, KVM_REQ_STEAL);
	return 0;
}
