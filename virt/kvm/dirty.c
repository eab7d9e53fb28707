// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty.c - the log of written pages that a slot may have (KVM_MEM_LOG_DIRTY_PAGES).
 *
 * One bit a page.  The guest's pages of such a slot are small and read-only
 * until it writes; the fault that follows sets the bit and allows writing, until
 * userspace takes the log.  The kernel's own writes set the bit as well.
 * Next: memslot.c, which makes the bitmap; arch's fault handler.
 */
#include <linux/bitmap.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "virt.h"

/* How much of a log is taken at a time, with mmu_lock held: 1 GiB of guest memory. */
#define DIRTY_CHUNK	(SZ_1G >> PAGE_SHIFT)

void kvm_mark_dirty(struct kvm_memslot *slot, gfn_t gfn)
{
	unsigned long page = gfn - slot->base_gfn;

	/* Most are set already: do not take the cache line from others for those. */
	if (slot->dirty && !test_bit(page, slot->dirty))
		set_bit(page, slot->dirty);
}

/*
 * Move @pages bits from @page on into @taken, and have writes to these pages fault again before
 * userspace can read them.
 */
static void dirty_take(struct kvm *kvm, struct kvm_memslot *slot, unsigned long page,
		       unsigned long pages, unsigned long *taken)
{
	unsigned long *log = slot->dirty + BIT_WORD(page), i, first, end;
	gfn_t gfn = slot->base_gfn + page;
	bool flush = false;

	spin_lock(&kvm->mmu_lock);
	for (i = 0; i < BITS_TO_LONGS(pages); i++)
		taken[i] = log[i] ? xchg(&log[i], 0) : 0;
	for_each_set_bitrange(first, end, taken, pages)
		flush |= kvm_arch_write_protect(kvm, gfn + first, gfn + end);
	if (flush)
		kvm_request_all(kvm, KVM_REQ_TLB_FLUSH);
	spin_unlock(&kvm->mmu_lock);
}

/* What userspace could not be told stays in the log. */
static void dirty_untake(struct kvm_memslot *slot, unsigned long page, unsigned long pages,
			 const unsigned long *taken)
{
	unsigned long i;

	for_each_set_bit(i, taken, pages)
		set_bit(page + i, slot->dirty);
}

/* slots_lock held. */
static int dirty_copy(struct kvm *kvm, struct kvm_memslot *slot, unsigned long __user *out)
{
	unsigned long chunk = min_t(unsigned long, slot->npages, DIRTY_CHUNK), page, n;
	unsigned long *taken = kvcalloc(BITS_TO_LONGS(chunk), sizeof(long), GFP_KERNEL_ACCOUNT);
	int ret = 0;

	if (!taken)
		return -ENOMEM;
	for (page = 0; page < slot->npages && !ret; page += n) {
		n = min(chunk, slot->npages - page);
		dirty_take(kvm, slot, page, n, taken);
		if (copy_to_user(out + BIT_WORD(page), taken, BITS_TO_LONGS(n) * sizeof(long))) {
			dirty_untake(slot, page, n, taken);
			ret = -EFAULT;
		}
		cond_resched();
	}
	kvfree(taken);
	return ret;
}

int kvm_get_dirty_log(struct kvm *kvm, struct kvm_dirty_log *log)
{
	struct kvm_memslot *slot;
	int ret = -ENOENT;

	/* The upper half names an address space; there is one. */
	if (log->slot >= KVM_USER_MEM_SLOTS)
		return -EINVAL;
	mutex_lock(&kvm->slots_lock);
	slot = kvm_slot_by_id(kvm, log->slot);
	if (slot && slot->dirty)
		ret = dirty_copy(kvm, slot, u64_to_user_ptr(log->padding2));
	mutex_unlock(&kvm->slots_lock);
	return ret;
}
