// SPDX-License-Identifier: GPL-2.0-only
/*
 * coalesced_mmio.c - zones of MMIO and ports whose writes are put into a ring
 * for userspace, which looks there at its next exit.
 *
 * A zone is a device on one of the buses.  The ring is one page, the same for
 * all vCPUs of a VM, mapped behind the pages of each of them.  Userspace can
 * write all of it: its indices are read once, and judged, each time.
 * Next: iobus.c, who calls; vcpu.c, the mapping.
 */
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "virt.h"

/**
 * struct coalesced_zone - where writes are put into the ring
 * @dev: on the bus
 * @list: kvm->coalesced_zones; io_lock
 * @first: address of its first byte
 * @last: of its last
 * @bus: of memory, or of ports
 */
struct coalesced_zone {
	struct kvm_io_device dev;
	struct list_head list;
	u64 first, last;
	enum kvm_bus bus;
};

/* The place of the next entry, or NULL: the ring is full, or userspace has broken it. */
static struct kvm_coalesced_mmio *ring_place(struct kvm_coalesced_mmio_ring *ring, u32 *next)
{
	u32 last = READ_ONCE(ring->last);

	if (last >= KVM_COALESCED_MMIO_MAX)
		return NULL;
	*next = (last + 1) % KVM_COALESCED_MMIO_MAX;
	/* acquire: userspace has read the entry before it moved on */
	if (*next == smp_load_acquire(&ring->first))
		return NULL;
	return &ring->coalesced_mmio[last];
}

static int coalesced_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			   unsigned int len, const void *data)
{
	struct coalesced_zone *zone = container_of(dev, struct coalesced_zone, dev);
	struct kvm_coalesced_mmio_ring *ring = vcpu->kvm->coalesced_ring;
	struct kvm_coalesced_mmio *entry;
	u32 next;

	spin_lock(&vcpu->kvm->coalesced_lock);
	entry = ring_place(ring, &next);
	if (entry) {
		*entry = (struct kvm_coalesced_mmio){
			.phys_addr = addr, .len = len, .pio = zone->bus == KVM_PIO_BUS,
		};
		memcpy(entry->data, data, len);
		/* the entry is there before it counts */
		smp_store_release(&ring->last, next);
	}
	spin_unlock(&vcpu->kvm->coalesced_lock);
	return entry ? 0 : -EOPNOTSUPP;
}

static const struct kvm_io_ops coalesced_ops = {
	.write = coalesced_write,
};

static int zone_fill(struct coalesced_zone *zone, const struct kvm_coalesced_mmio_zone *args)
{
	if (args->pio > 1 || !args->size || args->addr + args->size - 1 < args->addr)
		return -EINVAL;
	*zone = (struct coalesced_zone){
		.dev.ops = &coalesced_ops,
		.first = args->addr,
		.last = args->addr + args->size - 1,
		.bus = args->pio ? KVM_PIO_BUS : KVM_MMIO_BUS,
	};
	return 0;
}

int kvm_coalesced_register(struct kvm *kvm, const struct kvm_coalesced_mmio_zone *args)
{
	struct coalesced_zone *zone, new;
	int err = zone_fill(&new, args);

	if (err)
		return err;
	zone = kmemdup(&new, sizeof(new), GFP_KERNEL_ACCOUNT);
	if (!zone)
		return -ENOMEM;
	mutex_lock(&kvm->io_lock);
	err = kvm_io_bus_register(kvm, zone->bus, zone->first, args->size, &zone->dev);
	if (!err)
		list_add_tail(&zone->list, &kvm->coalesced_zones);
	mutex_unlock(&kvm->io_lock);
	if (err)
		kfree(zone);
	return err;
}

int kvm_coalesced_unregister(struct kvm *kvm, const struct kvm_coalesced_mmio_zone *args)
{
	struct coalesced_zone *zone, *next, what;
	int err = zone_fill(&what, args);

	if (err)
		return err;
	mutex_lock(&kvm->io_lock);
	list_for_each_entry_safe(zone, next, &kvm->coalesced_zones, list) {
		if (zone->bus != what.bus || zone->first > what.first || zone->last < what.last)
			continue;
		list_del(&zone->list);
		kvm_io_bus_unregister(kvm, zone->bus, &zone->dev);
		kfree(zone);
	}
	mutex_unlock(&kvm->io_lock);
	return 0;
}

int kvm_coalesced_init(struct kvm *kvm)
{
	kvm->coalesced_ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!kvm->coalesced_ring)
		return -ENOMEM;
	spin_lock_init(&kvm->coalesced_lock);
	INIT_LIST_HEAD(&kvm->coalesced_zones);
	return 0;
}

void kvm_coalesced_destroy(struct kvm *kvm)
{
	struct coalesced_zone *zone, *next;

	list_for_each_entry_safe(zone, next, &kvm->coalesced_zones, list)
		kfree(zone);
	free_page((unsigned long)kvm->coalesced_ring);
}
