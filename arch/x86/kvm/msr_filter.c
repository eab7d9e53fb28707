// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr_filter.c - which MSRs userspace lets the guest read and write itself.
 *
 * Owns kvm->arch.msr_filter: KVM_X86_SET_MSR_FILTER builds a new one, publishes it, and has every
 * vCPU set up its traps anew.  A filter is never changed once it is published.  What befalls an
 * access that the filter denies is exit.c's business, what the guest may do without an exit is
 * msr.c's.
 */
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include "vcpu.h"

#define FILTER_ACCESSES	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)
#define MAX_MSRS_OF_RANGE	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * BITS_PER_BYTE)
#define X2APIC_MSRS	0x100

/**
 * struct msr_filter - what KVM_X86_SET_MSR_FILTER said, in one piece of memory
 * @deny: of accesses that no range speaks of
 * @count: ranges that are in use
 * @range: in userspace's order, for the first one that speaks of an access decides
 * @bits: the bitmaps of all ranges, one behind the other
 */
struct msr_filter {
	bool deny;
	unsigned int count;
	struct {
		u32 base;
		u32 count;
		u32 accesses;		/* KVM_MSR_FILTER_READ, KVM_MSR_FILTER_WRITE */
		const u8 *bits;
	} range[KVM_MSR_FILTER_MAX_RANGES];
	u8 bits[];
};

static bool filter_allows(const struct msr_filter *filter, u32 index, u32 access)
{
	unsigned int i;

	for (i = 0; i < filter->count; i++) {
		u32 bit = index - filter->range[i].base;

		if (filter->range[i].accesses & access && bit < filter->range[i].count)
			return filter->range[i].bits[bit / 8] & BIT(bit % 8);
	}
	return !filter->deny;
}

bool msr_filter_allows(struct kvm *kvm, u32 index, bool write)
{
	u32 access = write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ;
	struct msr_filter *filter;
	bool allowed;
	int idx;

	if (likely(!rcu_access_pointer(kvm->arch.msr_filter)) ||
	    index - APIC_BASE_MSR < X2APIC_MSRS)
		return true;
	idx = srcu_read_lock(&kvm->srcu);
	filter = srcu_dereference(kvm->arch.msr_filter, &kvm->srcu);
	allowed = !filter || filter_allows(filter, index, access);
	srcu_read_unlock(&kvm->srcu, idx);
	return allowed;
}

/*
 * The ioctl.  A bitmap is as many bytes as its bits need.
 */

static size_t bitmap_bytes(const struct kvm_msr_filter_range *range)
{
	return DIV_ROUND_UP(range->nmsrs, BITS_PER_BYTE);
}

/* A range without MSRs is not in use. */
static bool range_ok(const struct kvm_msr_filter_range *range)
{
	return !range->nmsrs || (range->nmsrs <= MAX_MSRS_OF_RANGE && range->flags &&
				 !(range->flags & ~FILTER_ACCESSES));
}

/* Bytes of all bitmaps, 0 when no range is in use; or -EINVAL. */
static int judge(const struct kvm_msr_filter *in)
{
	unsigned int i;
	int bytes = 0;

	if (in->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(in->ranges); i++) {
		if (!range_ok(&in->ranges[i]))
			return -EINVAL;
		bytes += bitmap_bytes(&in->ranges[i]);
	}
	/* nothing would be left to the guest, and nobody can mean that */
	return !bytes && in->flags & KVM_MSR_FILTER_DEFAULT_DENY ? -EINVAL : bytes;
}

/* NULL: without a filter. */
static struct msr_filter *build(const struct kvm_msr_filter *in)
{
	int bytes = judge(in);
	struct msr_filter *filter;
	unsigned int i;
	u8 *bits;

	if (bytes <= 0)
		return ERR_PTR(bytes);
	filter = kvzalloc(struct_size(filter, bits, bytes), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return ERR_PTR(-ENOMEM);
	filter->deny = in->flags & KVM_MSR_FILTER_DEFAULT_DENY;
	bits = filter->bits;
	for (i = 0; i < ARRAY_SIZE(in->ranges); i++) {
		const struct kvm_msr_filter_range *range = &in->ranges[i];

		if (!range->nmsrs)
			continue;
		if (copy_from_user(bits, (const void __user *)range->bitmap,
				   bitmap_bytes(range))) {
			kvfree(filter);
			return ERR_PTR(-EFAULT);
		}
		filter->range[filter->count].base = range->base;
		filter->range[filter->count].count = range->nmsrs;
		filter->range[filter->count].accesses = range->flags;
		filter->range[filter->count++].bits = bits;
		bits += bitmap_bytes(range);
	}
	return filter;
}

/*
 * A vCPU that is being made reads the pointer under kvm->lock: it sees the new filter, or is in the
 * list by the time that the others are told.
 */
static long set_filter(struct kvm *kvm, const struct kvm_msr_filter *in)
{
	struct msr_filter *filter = build(in);

	if (IS_ERR(filter))
		return PTR_ERR(filter);
	mutex_lock(&kvm->lock);
	filter = rcu_replace_pointer(kvm->arch.msr_filter, filter, lockdep_is_held(&kvm->lock));
	mutex_unlock(&kvm->lock);
	kvm_request_all(kvm, KVM_REQ_MSR_TRAPS);
	synchronize_srcu_expedited(&kvm->srcu);
	kvfree(filter);
	return 0;
}

/* The one struct of the ABI with pointers in it: for a 32-bit caller it is another one. */
struct filter_compat {
	u32 flags;
	struct {
		u32 flags;
		u32 nmsrs;
		u32 base;
		u32 bitmap;
	} ranges[KVM_MSR_FILTER_MAX_RANGES];
};

#define KVM_X86_SET_MSR_FILTER_COMPAT	_IOW(KVMIO, 0xc6, struct filter_compat)

static long set_native(struct kvm *kvm, void __user *argp)
{
	struct kvm_msr_filter in;

	return copy_from_user(&in, argp, sizeof(in)) ? -EFAULT : set_filter(kvm, &in);
}

static long set_compat(struct kvm *kvm, void __user *argp)
{
	struct kvm_msr_filter in = { };
	struct filter_compat compat;
	unsigned int i;

	if (copy_from_user(&compat, argp, sizeof(compat)))
		return -EFAULT;
	in.flags = compat.flags;
	for (i = 0; i < ARRAY_SIZE(in.ranges); i++) {
		in.ranges[i].flags = compat.ranges[i].flags;
		in.ranges[i].nmsrs = compat.ranges[i].nmsrs;
		in.ranges[i].base = compat.ranges[i].base;
		in.ranges[i].bitmap = (u8 *)(unsigned long)compat.ranges[i].bitmap;
	}
	return set_filter(kvm, &in);
}

long msr_filter_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	switch (ioctl) {
	case KVM_X86_SET_MSR_FILTER:
		return set_native(kvm, argp);
	case KVM_X86_SET_MSR_FILTER_COMPAT:
		return set_compat(kvm, argp);
	default:
		return -ENOTTY;
	}
}

void msr_filter_destroy(struct kvm *kvm)
{
	kvfree(rcu_dereference_protected(kvm->arch.msr_filter, true));
}
