// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty.c - the log of written pages that a slot may have (KVM_MEM_LOG_DIRTY_PAGES).
 *
 * One bit a page.  The guest can write to a page only while its bit is set: a
 * fault sets it and allows writing, until userspace has it cleared, which takes
 * the permission away.  Or hardware logs the write, and the vCPU's thread sets
 * the bit when it has left the guest.  The kernel's own writes set it as well.
 *
 * Userspace takes the whole log and clears it in one call; or, once it has asked
 * for that (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2), it only looks, and clears parts
 * when it is about to copy them.
 * Next: locking.rst, "The dirty log", for why no write is missed; memslot.c,
 * which makes the bitmap; arch's fault handler.
 */
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/mm.h>
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

	if (!slot->dirty)
		return;
	/* What was written is seen by whoever clears the bit that is found set here. */
	smp_mb();
	/* Most are set already: do not take the cache line from others for those. */
	if (!test_bit(page, slot->dirty))
		set_bit(page, slot->dirty);
}

/*
 * Of the bits in @pages from @page on, clear those that @bits names, and have the next writes to
 * these pages noticed.  What was not set is taken out of @bits.
 */
static void dirty_clear(struct kvm *kvm, struct kvm_memslot *slot, unsigned long page,
			unsigned long pages, unsigned long *bits)
{
	unsigned long *log = slot->dirty + BIT_WORD(page), i, first, end;
	gfn_t gfn = slot->base_gfn + page;
	bool flush = false;

	spin_lock(&kvm->mmu_lock);
	for (i = 0; i < BITS_TO_LONGS(pages); i++) {
		bits[i] &= READ_ONCE(log[i]);
		if (bits[i])
			atomic_long_andnot(bits[i], (atomic_long_t *)&log[i]);
	}
	for_each_set_bitrange(first, end, bits, pages)
		flush |= kvm_arch_watch_writes(kvm, slot->space, gfn + first, gfn + end);
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

/* Hand the log over, and begin anew. slots_lock held. */
static int dirty_take(struct kvm *kvm, struct kvm_memslot *slot, unsigned long __user *out)
{
	unsigned long chunk = min_t(unsigned long, slot->npages, DIRTY_CHUNK), page, n;
	unsigned long *taken = kvcalloc(BITS_TO_LONGS(chunk), sizeof(long), GFP_KERNEL_ACCOUNT);
	int ret = 0;

	if (!taken)
		return -ENOMEM;
	for (page = 0; page < slot->npages && !ret; page += n) {
		n = min(chunk, slot->npages - page);
		memset(taken, 0xff, BITS_TO_LONGS(n) * sizeof(long));
		dirty_clear(kvm, slot, page, n, taken);
		if (copy_to_user(out + BIT_WORD(page), taken, BITS_TO_LONGS(n) * sizeof(long))) {
			dirty_untake(slot, page, n, taken);
			ret = -EFAULT;
		}
		cond_resched();
	}
	kvfree(taken);
	return ret;
}

/* Show the log as it is. slots_lock held. */
static int dirty_show(const struct kvm_memslot *slot, unsigned long __user *out)
{
	unsigned long page, n;

	for (page = 0; page < slot->npages; page += n) {
		n = min_t(unsigned long, slot->npages - page, DIRTY_CHUNK);
		if (copy_to_user(out + BIT_WORD(page), slot->dirty + BIT_WORD(page),
				 BITS_TO_LONGS(n) * sizeof(long)))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

int kvm_get_dirty_log(struct kvm *kvm, const struct kvm_dirty_log *log)
{
	struct kvm_memslot *slot;
	int ret;

	if (!kvm_slot_number_ok(log->slot))
		return -EINVAL;
	mutex_lock(&kvm->slots_lock);
	if (kvm->logged_slots)
		kvm_arch_sync_dirty_log(kvm);
	slot = kvm_slot_by_number(kvm, log->slot);
	if (!slot || !slot->dirty)
		ret = -ENOENT;
	else if (kvm->manual_dirty_log)
		ret = dirty_show(slot, u64_to_user_ptr(log->padding2));
	else
		ret = dirty_take(kvm, slot, u64_to_user_ptr(log->padding2));
	mutex_unlock(&kvm->slots_lock);
	return ret;
}

/* The part that @log names, and that the slot has, is cleared as @bits say. slots_lock held. */
static void dirty_clear_part(struct kvm *kvm, struct kvm_memslot *slot,
			     const struct kvm_clear_dirty_log *log, unsigned long *bits)
{
	unsigned long page, n;

	for (page = 0; page < log->num_pages; page += n) {
		n = min_t(unsigned long, log->num_pages - page, DIRTY_CHUNK);
		dirty_clear(kvm, slot, log->first_page + page, n, bits + BIT_WORD(page));
		cond_resched();
	}
}

/* Whole words of the log only, but for the slot's last one. */
static bool dirty_part_ok(const struct kvm_memslot *slot, const struct kvm_clear_dirty_log *log)
{
	if (log->first_page > slot->npages || log->num_pages > slot->npages - log->first_page)
		return false;
	return !(log->num_pages % BITS_PER_LONG) ||
	       log->num_pages == slot->npages - log->first_page;
}

/* All the bits, before the first one is cleared. kvm->slots_lock held, dirty_part_ok(). */
static int dirty_clear_from_user(struct kvm *kvm, struct kvm_memslot *slot,
				 const struct kvm_clear_dirty_log *log)
{
	size_t size = BITS_TO_LONGS(log->num_pages) * sizeof(long);
	unsigned long *bits;
	int ret = 0;

	if (!size)
		return 0;
	/* no longer than the log itself */
	bits = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!bits)
		return -ENOMEM;
	if (copy_from_user(bits, u64_to_user_ptr(log->padding2), size))
		ret = -EFAULT;
	else
		dirty_clear_part(kvm, slot, log, bits);
	kvfree(bits);
	return ret;
}

int kvm_clear_dirty_log(struct kvm *kvm, const struct kvm_clear_dirty_log *log)
{
	struct kvm_memslot *slot;
	int ret;

	if (!kvm_slot_number_ok(log->slot) || log->first_page % BITS_PER_LONG)
		return -EINVAL;
	mutex_lock(&kvm->slots_lock);
	slot = kvm_slot_by_number(kvm, log->slot);
	if (!slot || !slot->dirty)
		ret = -ENOENT;
	else if (!dirty_part_ok(slot, log))
		ret = -EINVAL;
	else
		ret = dirty_clear_from_user(kvm, slot, log);
	mutex_unlock(&kvm->slots_lock);
	return ret;
}

int kvm_set_manual_dirty_log(struct kvm *kvm, u64 how)
{
	/* to begin with a full log is an option of the manual one */
	if ((how & ~(u64)KVM_DIRTY_LOG_MANUAL_CAPS) || how == KVM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	mutex_lock(&kvm->slots_lock);
	kvm->manual_dirty_log = how;
	mutex_unlock(&kvm->slots_lock);
	return 0;
}

unsigned long *kvm_dirty_log_alloc(struct kvm *kvm, unsigned long pages)
{
	unsigned long *log = kvcalloc(BITS_TO_LONGS(pages), sizeof(long), GFP_KERNEL_ACCOUNT);

	if (log && kvm_dirty_log_begins_full(kvm))
		bitmap_set(log, 0, pages);
	return log;
}

void kvm_dirty_log_begin(struct kvm *kvm, const struct kvm_memslot *slot)
{
	gfn_t first = slot->base_gfn, end = first + slot->npages, next;

	lockdep_assert_held(&kvm->mmu_lock);
	/* huge pages may stay until a part of theirs is cleared */
	if (kvm_dirty_log_begins_full(kvm))
		return;
	for (; first < end; first = next) {
		next = min_t(gfn_t, end, round_down(first, DIRTY_CHUNK) + DIRTY_CHUNK);
		if (kvm_arch_watch_writes(kvm, slot->space, first, next))
			kvm_request_all(kvm, KVM_REQ_TLB_FLUSH);
		cond_resched_lock(&kvm->mmu_lock);
	}
}
