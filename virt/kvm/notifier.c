// SPDX-License-Identifier: GPL-2.0-only
/*
 * notifier.c - what the host does to the user memory behind a VM.
 *
 * The host's memory management may take any page of it away, move it, make it
 * read-only, ask whether it is used.  It says so before it acts (start) and
 * after (end); translations go at the start, and none that may rest on the old
 * state is made until the end (kvm_mmu_stale() in kvm_host.h).
 *
 * Called with all sorts of locks held, those of page tables among them:
 * mmu_lock is innermost, and nothing here sleeps unless the caller may.
 * Next: memslot.c; arch/x86/kvm/mmu/fault.c, the other side of the race.
 */
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include "virt.h"

/* How much is unmapped before others may have the lock. */
#define UNMAP_CHUNK	(SZ_1G >> PAGE_SHIFT)

static struct kvm *notifier_kvm(struct mmu_notifier *notifier)
{
	return container_of(notifier, struct kvm, mmu_notifier);
}

bool kvm_unmap_range(struct kvm *kvm, unsigned int space, gfn_t first, gfn_t end, bool may_sleep,
		     bool flush)
{
	gfn_t next;

	for (; first < end; first = next) {
		next = min(end, round_down(first, UNMAP_CHUNK) + UNMAP_CHUNK);
		flush |= kvm_arch_unmap(kvm, space, first, next);
		if (!may_sleep || !(need_resched() || spin_needbreak(&kvm->mmu_lock)))
			continue;
		if (flush)
			kvm_request_all(kvm, KVM_REQ_TLB_FLUSH);
		flush = false;
		cond_resched_lock(&kvm->mmu_lock);
	}
	return flush;
}

/* The frames of a slot that user addresses from @start to @end stand for; false: none. */
static bool notifier_frames(const struct kvm_memslot *slot, unsigned long start,
			    unsigned long end, gfn_t *first, gfn_t *last)
{
	start = max(start, slot->hva);
	end = min(end, slot->hva + (slot->npages << PAGE_SHIFT));
	if (start >= end)
		return false;
	*first = slot->base_gfn + ((start - slot->hva) >> PAGE_SHIFT);
	*last = slot->base_gfn + ((end - 1 - slot->hva) >> PAGE_SHIFT);
	return true;
}

/* mmu_lock held; kvm->srcu too, if it may be let go. */
static void notifier_unmap(struct kvm *kvm, unsigned long start, unsigned long end, bool may_sleep)
{
	bool flush = false;
	unsigned int space;
	gfn_t first, last;
	int i;

	for (space = 0; space < KVM_ADDRESS_SPACES; space++) {
		/* One that comes while the lock is let go gets no pages: see kvm_mmu_stale(). */
		struct kvm_memslots *slots = kvm_slots(kvm, space);

		for (i = 0; i < slots->count; i++)
			if (notifier_frames(slots->slot[i], start, end, &first, &last))
				flush = kvm_unmap_range(kvm, space, first, last + 1, may_sleep,
							flush);
	}
	if (flush)
		kvm_request_all(kvm, KVM_REQ_TLB_FLUSH);
}

void kvm_mmu_block(struct kvm *kvm, unsigned long start, unsigned long end)
{
	if (!kvm->mmu_invalidations++) {
		kvm->mmu_invalid_first = start;
		kvm->mmu_invalid_end = end;
		return;
	}
	kvm->mmu_invalid_first = min(kvm->mmu_invalid_first, start);
	kvm->mmu_invalid_end = max(kvm->mmu_invalid_end, end);
}

void kvm_mmu_unblock(struct kvm *kvm)
{
	kvm->mmu_invalidations--;
	WRITE_ONCE(kvm->mmu_seq, kvm->mmu_seq + 1);
}

static int notifier_start(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct kvm *kvm = notifier_kvm(notifier);
	int idx = srcu_read_lock(&kvm->srcu);

	spin_lock(&kvm->mmu_lock);
	kvm_mmu_block(kvm, range->start, range->end);
	notifier_unmap(kvm, range->start, range->end, mmu_notifier_range_blockable(range));
	spin_unlock(&kvm->mmu_lock);
	srcu_read_unlock(&kvm->srcu, idx);
	return 0;
}

static void notifier_end(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct kvm *kvm = notifier_kvm(notifier);

	spin_lock(&kvm->mmu_lock);
	kvm_mmu_unblock(kvm);
	spin_unlock(&kvm->mmu_lock);
}

/* Was any frame of these slots used that stands for something between @start and @end? */
static bool slots_age(struct kvm *kvm, unsigned int space, unsigned long start, unsigned long end,
		      bool clear)
{
	struct kvm_memslots *slots = kvm_slots(kvm, space);
	bool young = false;
	gfn_t first, last;
	int i;

	for (i = 0; i < slots->count; i++)
		if (notifier_frames(slots->slot[i], start, end, &first, &last))
			young |= kvm_arch_age(kvm, space, first, last + 1, clear);
	return young;
}

/* Not let go of here, mmu_lock guards the slots: no SRCU. */
static bool notifier_age(struct mmu_notifier *notifier, unsigned long start, unsigned long end,
			 bool clear, bool flush)
{
	struct kvm *kvm = notifier_kvm(notifier);
	unsigned int space;
	bool young = false;

	spin_lock(&kvm->mmu_lock);
	for (space = 0; space < KVM_ADDRESS_SPACES; space++)
		young |= slots_age(kvm, space, start, end, clear);
	if (young && flush)
		kvm_request_all(kvm, KVM_REQ_TLB_FLUSH);
	spin_unlock(&kvm->mmu_lock);
	return young;
}

static int notifier_clear_flush_young(struct mmu_notifier *notifier, struct mm_struct *mm,
				      unsigned long start, unsigned long end)
{
	return notifier_age(notifier, start, end, true, true);
}

static int notifier_clear_young(struct mmu_notifier *notifier, struct mm_struct *mm,
				unsigned long start, unsigned long end)
{
	return notifier_age(notifier, start, end, true, false);
}

static int notifier_test_young(struct mmu_notifier *notifier, struct mm_struct *mm,
			       unsigned long address)
{
	return notifier_age(notifier, address, address + 1, false, false);
}

/* The address space ends, or we let go of it: all translations end, for good. */
static void notifier_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct kvm *kvm = notifier_kvm(notifier);
	int idx = srcu_read_lock(&kvm->srcu);

	spin_lock(&kvm->mmu_lock);
	kvm_mmu_block(kvm, 0, ULONG_MAX);
	notifier_unmap(kvm, 0, ULONG_MAX, true);
	spin_unlock(&kvm->mmu_lock);
	srcu_read_unlock(&kvm->srcu, idx);
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start	= notifier_start,
	.invalidate_range_end	= notifier_end,
	.clear_flush_young	= notifier_clear_flush_young,
	.clear_young		= notifier_clear_young,
	.test_young		= notifier_test_young,
	.release		= notifier_release,
};

int kvm_notifier_register(struct kvm *kvm)
{
	kvm->mmu_notifier.ops = &notifier_ops;
	return mmu_notifier_register(&kvm->mmu_notifier, kvm->mm);
}

void kvm_notifier_unregister(struct kvm *kvm)
{
	mmu_notifier_unregister(&kvm->mmu_notifier, kvm->mm);
}
