// SPDX-License-Identifier: GPL-2.0-only
/*
 * memslot.c - which user memory stands behind which guest physical memory.
 *
 * The slots of an address space are one sorted set that is never changed: a call
 * makes a new one and publishes it.  Readers are under SRCU.  Publishing, and taking
 * away the translations that are no longer right, is one step under mmu_lock,
 * with mmu_seq counted up: so the MMU notifier never misses a translation of a
 * slot that it does not see, and a fault that began with the old set maps
 * nothing.
 * Next: dirty.c, the log of a slot; notifier.c, what the host does meanwhile.
 */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "virt.h"

#define SLOT_FLAGS	(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)
#define SLOT_MAX_PAGES	(BIT(31) - 1)

/*
 * Finding
 */

/* Index of the last slot that begins at or below @gfn, or -1. */
static int slots_search(const struct kvm_memslots *slots, gfn_t gfn)
{
	int low = 0, high = slots->count;

	while (low < high) {
		int middle = (low + high) / 2;

		if (slots->slot[middle]->base_gfn <= gfn)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

static bool slot_holds(const struct kvm_memslot *slot, gfn_t gfn)
{
	return gfn - slot->base_gfn < slot->npages;
}

struct kvm_memslot *kvm_slot_of(struct kvm *kvm, unsigned int space, gfn_t gfn)
{
	struct kvm_memslots *slots = kvm_slots(kvm, space);
	int i = READ_ONCE(slots->hint);

	if (likely(i < slots->count && slot_holds(slots->slot[i], gfn)))
		return slots->slot[i];
	i = slots_search(slots, gfn);
	if (i < 0 || !slot_holds(slots->slot[i], gfn))
		return NULL;
	WRITE_ONCE(slots->hint, i);
	return slots->slot[i];
}

struct kvm_memslot *kvm_slot_to_write(struct kvm *kvm, unsigned int space, gfn_t gfn)
{
	struct kvm_memslot *slot = kvm_slot_of(kvm, space, gfn);

	return slot && !(slot->flags & KVM_MEM_READONLY) ? slot : NULL;
}

static unsigned long gfn_hva(struct kvm *kvm, unsigned int space, gfn_t gfn, bool write)
{
	struct kvm_memslot *slot;

	slot = write ? kvm_slot_to_write(kvm, space, gfn) : kvm_slot_of(kvm, space, gfn);
	return slot ? kvm_slot_hva(slot, gfn) : KVM_HVA_BAD;
}

unsigned long kvm_vcpu_hva(struct kvm_vcpu *vcpu, gfn_t gfn, bool write)
{
	return gfn_hva(vcpu->kvm, vcpu->space, gfn, write);
}

/*
 * Reading and writing.  access_ok() was asked when the slot was made.
 */

static unsigned long bytes_in_page(gpa_t gpa, unsigned long len)
{
	return min(len, PAGE_SIZE - offset_in_page(gpa));
}

static int read_space(struct kvm *kvm, unsigned int space, gpa_t gpa, void *data,
		      unsigned long len)
{
	int idx = srcu_read_lock(&kvm->srcu), ret = 0;

	while (len) {
		unsigned long hva = gfn_hva(kvm, space, gpa_to_gfn(gpa), false);
		unsigned long n = bytes_in_page(gpa, len);

		if (hva == KVM_HVA_BAD ||
		    __copy_from_user(data, (void __user *)(hva + offset_in_page(gpa)), n)) {
			ret = -EFAULT;
			break;
		}
		gpa += n;
		data += n;
		len -= n;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return ret;
}

int kvm_read_guest(struct kvm *kvm, gpa_t gpa, void *data, unsigned long len)
{
	return read_space(kvm, 0, gpa, data, len);
}

int kvm_vcpu_read_guest(struct kvm_vcpu *vcpu, gpa_t gpa, void *data, unsigned long len)
{
	return read_space(vcpu->kvm, vcpu->space, gpa, data, len);
}

static int write_in_page(struct kvm *kvm, unsigned int space, gpa_t gpa, const void *data,
			 unsigned long len)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memslot *slot = kvm_slot_to_write(kvm, space, gfn);
	unsigned long hva, left;

	if (!slot)
		return -EFAULT;
	hva = kvm_slot_hva(slot, gfn) + offset_in_page(gpa);
	left = __copy_to_user((void __user *)hva, data, len);
	if (left == len)
		return -EFAULT;
	kvm_mark_dirty(slot, gfn);
	return left ? -EFAULT : 0;
}

static int write_space(struct kvm *kvm, unsigned int space, gpa_t gpa, const void *data,
		       unsigned long len)
{
	int idx = srcu_read_lock(&kvm->srcu), ret = 0;

	while (len && !ret) {
		unsigned long n = bytes_in_page(gpa, len);

		ret = write_in_page(kvm, space, gpa, data, n);
		gpa += n;
		data += n;
		len -= n;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return ret;
}

int kvm_write_guest(struct kvm *kvm, gpa_t gpa, const void *data, unsigned long len)
{
	return write_space(kvm, 0, gpa, data, len);
}

int kvm_vcpu_write_guest(struct kvm_vcpu *vcpu, gpa_t gpa, const void *data, unsigned long len)
{
	return write_space(vcpu->kvm, vcpu->space, gpa, data, len);
}

/* 0, 1, -EFAULT; each case is another instruction. */
static int cmpxchg_user(unsigned long hva, unsigned int size, u64 from, u64 to)
{
	void __user *at = (void __user *)hva;
	u8 from8 = from;
	u16 from16 = from;
	u32 from32 = from;

	switch (size) {
	case 1:
		return __try_cmpxchg_user((u8 __user *)at, &from8, (u8)to, fault8);
	case 2:
		return __try_cmpxchg_user((u16 __user *)at, &from16, (u16)to, fault16);
	case 4:
		return __try_cmpxchg_user((u32 __user *)at, &from32, (u32)to, fault32);
	case 8:
		return __try_cmpxchg_user((u64 __user *)at, &from, to, fault64);
	default:
		return -EFAULT;
	}
}

int kvm_vcpu_cmpxchg_guest(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int size, u64 from, u64 to)
{
	struct kvm *kvm = vcpu->kvm;
	int idx = srcu_read_lock(&kvm->srcu), ret = -EFAULT;
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memslot *slot = kvm_slot_to_write(kvm, vcpu->space, gfn);

	if (slot)
		ret = cmpxchg_user(kvm_slot_hva(slot, gfn) + offset_in_page(gpa), size, from, to);
	if (!ret)
		kvm_mark_dirty(slot, gfn);
	srcu_read_unlock(&kvm->srcu, idx);
	return ret;
}

/*
 * Sets
 */

static struct kvm_memslots *slots_alloc(int count)
{
	return kvzalloc(struct_size((struct kvm_memslots *)NULL, slot, count), GFP_KERNEL_ACCOUNT);
}

bool kvm_slot_number_ok(u32 number)
{
	return (u16)number < KVM_USER_MEM_SLOTS && number >> 16 < KVM_ADDRESS_SPACES;
}

struct kvm_memslot *kvm_slot_by_number(struct kvm *kvm, u32 number)
{
	const struct kvm_memslots *slots = kvm_slots(kvm, number >> 16);
	int i;

	for (i = 0; i < slots->count; i++)
		if (slots->slot[i]->id == (u16)number)
			return slots->slot[i];
	return NULL;
}

/* The set as it is without @gone and with @added; either may be NULL. */
static struct kvm_memslots *slots_changed(const struct kvm_memslots *now,
					  const struct kvm_memslot *gone,
					  struct kvm_memslot *added)
{
	struct kvm_memslots *slots = slots_alloc(now->count + 1);
	int i;

	if (!slots)
		return NULL;
	for (i = 0; i < now->count; i++) {
		struct kvm_memslot *slot = now->slot[i];

		if (slot == gone)
			continue;
		if (added && added->base_gfn < slot->base_gfn) {
			slots->slot[slots->count++] = added;
			added = NULL;
		}
		slots->slot[slots->count++] = slot;
	}
	if (added)
		slots->slot[slots->count++] = added;
	return slots;
}

/* Does a slot other than @but have a frame that @slot has? */
static bool slots_overlap(const struct kvm_memslots *slots, const struct kvm_memslot *slot,
			  const struct kvm_memslot *but)
{
	int i;

	for (i = 0; i < slots->count; i++) {
		const struct kvm_memslot *other = slots->slot[i];

		if (other != but && other->base_gfn < slot->base_gfn + slot->npages &&
		    slot->base_gfn < other->base_gfn + other->npages)
			return true;
	}
	return false;
}

static void slot_free(struct kvm_memslot *slot)
{
	if (!slot)
		return;
	kvfree(slot->dirty);
	kfree(slot);
}

int kvm_slots_init(struct kvm *kvm)
{
	unsigned int space;

	for (space = 0; space < KVM_ADDRESS_SPACES; space++) {
		struct kvm_memslots *slots = slots_alloc(0);

		if (!slots) {
			kvm_slots_free(kvm);
			return -ENOMEM;
		}
		rcu_assign_pointer(kvm->slots[space], slots);
	}
	return 0;
}

void kvm_slots_free(struct kvm *kvm)
{
	unsigned int space;
	int i;

	for (space = 0; space < KVM_ADDRESS_SPACES; space++) {
		struct kvm_memslots *slots = rcu_dereference_protected(kvm->slots[space], true);

		for (i = 0; slots && i < slots->count; i++)
			slot_free(slots->slot[i]);
		kvfree(slots);
	}
}

/*
 * KVM_SET_USER_MEMORY_REGION
 */

/* What holds for any region, whatever is there already. */
static int region_check(const struct kvm_userspace_memory_region *region)
{
	if (region->flags & ~SLOT_FLAGS)
		return -EINVAL;
	if (!kvm_slot_number_ok(region->slot))
		return -EINVAL;
	if (!PAGE_ALIGNED(region->memory_size) || !PAGE_ALIGNED(region->guest_phys_addr) ||
	    !PAGE_ALIGNED(region->userspace_addr))
		return -EINVAL;
	if (!access_ok((void __user *)(unsigned long)region->userspace_addr, region->memory_size))
		return -EINVAL;
	if (region->guest_phys_addr + region->memory_size < region->guest_phys_addr)
		return -EINVAL;
	if (region->memory_size >> PAGE_SHIFT > SLOT_MAX_PAGES)
		return -EINVAL;
	return 0;
}

/* May @old, NULL when there is none, become @new? slots_lock held. */
static int slot_check(struct kvm *kvm, const struct kvm_memslot *old,
		      const struct kvm_memslot *new)
{
	if (old && (old->hva != new->hva || old->npages != new->npages ||
		    ((old->flags ^ new->flags) & KVM_MEM_READONLY)))
		return -EINVAL;
	if (old && old->base_gfn == new->base_gfn)
		return 0;
	if (slots_overlap(kvm_slots(kvm, new->space), new, old))
		return -EEXIST;
	return kvm_arch_check_slot(kvm, new);
}

/* Is the change from @old to @new no other than that writes are logged from now on? */
static bool slot_starts_log(const struct kvm_memslot *old, const struct kvm_memslot *new)
{
	return new && new->base_gfn == old->base_gfn && new->dirty && !old->dirty;
}

/* How many slots have a log, with @new in place of @old.  slots_lock and mmu_lock held. */
static void count_logs(struct kvm *kvm, const struct kvm_memslot *old,
		       const struct kvm_memslot *new)
{
	u32 before = kvm->logged_slots, after = before;

	after += new && new->dirty;
	after -= old && old->dirty;
	WRITE_ONCE(kvm->logged_slots, after);
	if (!before != !after)
		kvm_arch_logged_slots(kvm);
}

/*
 * Make the change true.  Once it is published nobody can find @old any more, and after the grace
 * period nobody uses it.
 */
static int slots_publish(struct kvm *kvm, struct kvm_memslot *old, struct kvm_memslot *new)
{
	unsigned int space = old ? old->space : new->space;
	struct kvm_memslots *now = kvm_slots(kvm, space), *slots = slots_changed(now, old, new);
	/* Gone, or elsewhere, or no longer logged: then huge pages may come back. */
	bool unmap = old && !slot_starts_log(old, new);

	if (!slots)
		return -ENOMEM;
	spin_lock(&kvm->mmu_lock);
	/* With pauses, in which nothing of it comes back. */
	if (unmap)
		kvm_mmu_block(kvm, old->hva, old->hva + (old->npages << PAGE_SHIFT));
	/* Before the new set is there: vCPUs that leave the guest look up what they have logged. */
	if (unmap && kvm_unmap_range(kvm, space, old->base_gfn, old->base_gfn + old->npages, true,
				     false))
		kvm_request_all(kvm, KVM_REQ_TLB_FLUSH);
	count_logs(kvm, old, new);
	rcu_assign_pointer(kvm->slots[space], slots);
	smp_wmb();	/* who reads the new mmu_seq reads the new slots after it */
	if (unmap)
		kvm_mmu_unblock(kvm);
	else
		WRITE_ONCE(kvm->mmu_seq, kvm->mmu_seq + 1);
	if (old && !unmap)
		kvm_dirty_log_begin(kvm, new);
	spin_unlock(&kvm->mmu_lock);

	synchronize_srcu_expedited(&kvm->srcu);
	kvfree(now);
	if (old && new && old->dirty == new->dirty)
		old->dirty = NULL;
	slot_free(old);
	return 0;
}

/* A log for a slot that wants one: the one @old has, or a new one. */
static int slot_add_log(struct kvm *kvm, struct kvm_memslot *slot, const struct kvm_memslot *old)
{
	if (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return 0;
	if (old && old->dirty)
		slot->dirty = old->dirty;
	else
		slot->dirty = kvm_dirty_log_alloc(kvm, slot->npages);
	return slot->dirty ? 0 : -ENOMEM;
}

/* A new slot, or @old at another place or with other flags. slots_lock held. */
static int slot_set(struct kvm *kvm, const struct kvm_userspace_memory_region *region,
		    struct kvm_memslot *old)
{
	struct kvm_memslot *slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);
	int err;

	if (!slot)
		return -ENOMEM;
	slot->base_gfn = gpa_to_gfn(region->guest_phys_addr);
	slot->npages = region->memory_size >> PAGE_SHIFT;
	slot->hva = region->userspace_addr;
	slot->flags = region->flags;
	slot->id = (u16)region->slot;
	slot->space = region->slot >> 16;
	err = slot_check(kvm, old, slot);
	if (err || (old && slot->base_gfn == old->base_gfn && slot->flags == old->flags))
		goto out;
	err = slot_add_log(kvm, slot, old);
	if (!err)
		err = slots_publish(kvm, old, slot);
	if (!err)
		return 0;
	if (old && slot->dirty == old->dirty)
		slot->dirty = NULL;
out:
	slot_free(slot);
	return err;
}

int kvm_set_memory_region(struct kvm *kvm, const struct kvm_userspace_memory_region *region)
{
	struct kvm_memslot *old;
	int err;

	err = region_check(region);
	if (err)
		return err;
	mutex_lock(&kvm->slots_lock);
	old = kvm_slot_by_number(kvm, region->slot);
	if (region->memory_size)
		err = slot_set(kvm, region, old);
	else
		err = old ? slots_publish(kvm, old, NULL) : -EINVAL;
	mutex_unlock(&kvm->slots_lock);
	return err;
}
