// SPDX-License-Identifier: GPL-2.0-only
/*
 * iobus.c - the devices of a VM that are in the kernel, on two buses: ports,
 * and memory that is not there.
 *
 * Owns who answers an access, not what the answer is.  A bus is an array that
 * never changes once it is published: a device that comes or goes makes a new
 * one, and readers go on with the old one for as long as kvm->srcu lets them.
 * A bus without a device is a null pointer, so that it costs one test.
 * Next: ioeventfd.c and coalesced_mmio.c, two kinds of such devices.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include "virt.h"

/* Ranges on one bus: userspace decides how many there are, and each change copies all. */
#define BUS_MAX_RANGES	8192

/**
 * struct bus_range - a device on a bus
 * @first: address of its first byte
 * @last: of its last
 * @reach: the highest @last of this range and of those before it
 * @dev: whose it is
 */
struct bus_range {
	gpa_t first, last, reach;
	struct kvm_io_device *dev;
};

/**
 * struct kvm_io_bus - all ranges at one time
 * @count: how many
 * @range: sorted by @first; of those that begin together the longer before the shorter, and of
 *	equals the newer before the older.  Who reads it from the end comes to the narrowest first
 */
struct kvm_io_bus {
	unsigned int count;
	struct bus_range range[];
};

/*
 * Asking
 */

/* How many ranges begin at @addr or below. */
static unsigned int bus_below(const struct kvm_io_bus *bus, gpa_t addr)
{
	unsigned int low = 0, high = bus->count;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (bus->range[mid].first <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool bus_is_empty(struct kvm *kvm, enum kvm_bus nr)
{
	return !rcu_access_pointer(kvm->buses[nr]);
}

/* The bus as it is now, and how many of its ranges begin at @addr or below; SRCU held. */
static inline const struct kvm_io_bus *bus_at(struct kvm *kvm, enum kvm_bus nr, gpa_t addr,
					      unsigned int *index)
{
	const struct kvm_io_bus *bus = srcu_dereference(kvm->buses[nr], &kvm->srcu);

	*index = bus ? bus_below(bus, addr) : 0;
	return bus;
}

/* The device of the next range before @index that holds all from @addr to @last, or NULL. */
static inline struct kvm_io_device *bus_next(const struct kvm_io_bus *bus, unsigned int *index,
					     gpa_t last)
{
	const struct bus_range *range;

	while (*index && bus->range[*index - 1].reach >= last) {
		range = &bus->range[--*index];
		if (range->last >= last)
			return range->dev;
	}
	return NULL;
}

int kvm_io_bus_write(struct kvm_vcpu *vcpu, enum kvm_bus nr, gpa_t addr, unsigned int len,
		     const void *data)
{
	const struct kvm_io_bus *bus;
	struct kvm_io_device *dev;
	int idx, r = -EOPNOTSUPP;
	unsigned int index;

	if (bus_is_empty(vcpu->kvm, nr))
		return r;
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	bus = bus_at(vcpu->kvm, nr, addr, &index);
	while (r && (dev = bus_next(bus, &index, addr + len - 1)))
		if (dev->ops->write)
			r = dev->ops->write(vcpu, dev, addr, len, data);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return r;
}

int kvm_io_bus_read(struct kvm_vcpu *vcpu, enum kvm_bus nr, gpa_t addr, unsigned int len,
		    void *data)
{
	const struct kvm_io_bus *bus;
	struct kvm_io_device *dev;
	int idx, r = -EOPNOTSUPP;
	unsigned int index;

	if (bus_is_empty(vcpu->kvm, nr))
		return r;
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	bus = bus_at(vcpu->kvm, nr, addr, &index);
	while (r && (dev = bus_next(bus, &index, addr + len - 1)))
		if (dev->ops->read)
			r = dev->ops->read(vcpu, dev, addr, len, data);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return r;
}

bool kvm_io_bus_has(struct kvm *kvm, enum kvm_bus nr, gpa_t addr)
{
	const struct kvm_io_bus *bus;
	unsigned int index;
	bool has;
	int idx;

	if (bus_is_empty(kvm, nr))
		return false;
	idx = srcu_read_lock(&kvm->srcu);
	bus = bus_at(kvm, nr, addr, &index);
	has = bus_next(bus, &index, addr);
	srcu_read_unlock(&kvm->srcu, idx);
	return has;
}

/*
 * Coming and going
 */

static struct kvm_io_bus *bus_held(struct kvm *kvm, enum kvm_bus nr)
{
	return rcu_dereference_protected(kvm->buses[nr], lockdep_is_held(&kvm->io_lock));
}

/* Readers that have the old array keep it until they are through; then it is freed. */
static void bus_publish(struct kvm *kvm, enum kvm_bus nr, struct kvm_io_bus *bus)
{
	struct kvm_io_bus *old = bus_held(kvm, nr);
	gpa_t reach = 0;
	unsigned int i;

	for (i = 0; bus && i < bus->count; i++) {
		reach = max(reach, bus->range[i].last);
		bus->range[i].reach = reach;
	}
	rcu_assign_pointer(kvm->buses[nr], bus);
	if (!old)
		return;
	synchronize_srcu_expedited(&kvm->srcu);
	kvfree(old);
}

/* Does this range stand before one that comes new? */
static bool bus_before(const struct bus_range *range, gpa_t first, gpa_t last)
{
	return range->first < first || (range->first == first && range->last > last);
}

int kvm_io_bus_register(struct kvm *kvm, enum kvm_bus nr, gpa_t addr, u64 len,
			struct kvm_io_device *dev)
{
	struct kvm_io_bus *old = bus_held(kvm, nr), *bus;
	unsigned int count = old ? old->count : 0, at = 0;
	gpa_t last = addr + len - 1;

	if (!len || last < addr)
		return -EINVAL;
	if (count == BUS_MAX_RANGES)
		return -ENOSPC;
	bus = kvmalloc(struct_size(bus, range, count + 1), GFP_KERNEL_ACCOUNT);
	if (!bus)
		return -ENOMEM;
	while (at < count && bus_before(&old->range[at], addr, last))
		at++;
	bus->count = count + 1;
	bus->range[at] = (struct bus_range){ .first = addr, .last = last, .dev = dev };
	if (old) {
		memcpy(bus->range, old->range, at * sizeof(*bus->range));
		memcpy(&bus->range[at + 1], &old->range[at], (count - at) * sizeof(*bus->range));
	}
	bus_publish(kvm, nr, bus);
	return 0;
}

void kvm_io_bus_unregister(struct kvm *kvm, enum kvm_bus nr, struct kvm_io_device *dev)
{
	struct kvm_io_bus *old = bus_held(kvm, nr), *bus;
	unsigned int i, left = 0;

	for (i = 0; old && i < old->count; i++)
		left += old->range[i].dev != dev;
	if (!old || left == old->count)
		return;
	if (!left) {
		bus_publish(kvm, nr, NULL);
		return;
	}
	/* who takes a device away goes on to free it: that must not fail */
	bus = kvmalloc(struct_size(bus, range, left), GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	bus->count = 0;
	for (i = 0; i < old->count; i++)
		if (old->range[i].dev != dev)
			bus->range[bus->count++] = old->range[i];
	bus_publish(kvm, nr, bus);
}

void kvm_io_bus_destroy(struct kvm *kvm)
{
	int nr;

	for (nr = 0; nr < KVM_BUSES; nr++)
		kvfree(rcu_dereference_protected(kvm->buses[nr], true));
}
