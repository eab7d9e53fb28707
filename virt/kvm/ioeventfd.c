// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfd.c - KVM_IOEVENTFD: a write of the guest signals an eventfd, and
 * nobody has to leave the kernel for it.
 *
 * Each is a device on one of the buses, with a range of its own.  Several may
 * be at one address, told apart by the width or the value that they wait for;
 * no write would signal two of them.
 * Next: iobus.c, who calls; irqfd.c, the other way round.
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/list.h>
#include <linux/slab.h>
#include "virt.h"

#define FLAGS_KNOWN	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |	\
			 KVM_IOEVENTFD_FLAG_DEASSIGN)
#define WIDEST		8	/* bytes of one access */

/**
 * struct ioeventfd - a write that is waited for, and what it signals
 * @dev: on the bus
 * @list: kvm->ioeventfds; io_lock
 * @ctx: the eventfd, a reference
 * @addr: the write begins here
 * @len: and has so many bytes; 0: any number
 * @bus: of memory, or of ports
 * @any_value: @value does not matter
 * @value: what is written, zero-extended
 */
struct ioeventfd {
	struct kvm_io_device dev;
	struct list_head list;
	struct eventfd_ctx *ctx;
	u64 addr;
	u32 len;
	enum kvm_bus bus;
	bool any_value;
	u64 value;
};

static int ioeventfd_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			   unsigned int len, const void *data)
{
	struct ioeventfd *p = container_of(dev, struct ioeventfd, dev);
	u64 value = 0;

	memcpy(&value, data, len);
	if (addr != p->addr || (p->len && len != p->len) || (!p->any_value && value != p->value))
		return -EOPNOTSUPP;
	eventfd_signal(p->ctx, 1);
	return 0;
}

static const struct kvm_io_ops ioeventfd_ops = {
	.write = ioeventfd_write,
};

/* Is there a write that both wait for? */
static bool ioeventfd_collide(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->bus != b->bus || a->addr != b->addr || (a->len && b->len && a->len != b->len))
		return false;
	return a->any_value || b->any_value || a->value == b->value;
}

static bool ioeventfd_same(const struct ioeventfd *a, const struct ioeventfd *b)
{
	return a->ctx == b->ctx && a->bus == b->bus && a->addr == b->addr && a->len == b->len &&
	       a->any_value == b->any_value && (a->any_value || a->value == b->value);
}

static int ioeventfd_check(const struct kvm_ioeventfd *args)
{
	if (args->flags & ~(u32)FLAGS_KNOWN)
		return -EINVAL;
	switch (args->len) {
	case 0:
		/* how many bytes of the value would count? */
		return args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH ? -EINVAL : 0;
	case 1:
	case 2:
	case 4:
	case 8:
		return args->addr + args->len - 1 < args->addr ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

/* What userspace asks for, with a reference to its eventfd. */
static int ioeventfd_fill(struct ioeventfd *p, const struct kvm_ioeventfd *args)
{
	*p = (struct ioeventfd){
		.dev.ops = &ioeventfd_ops,
		.addr = args->addr,
		.len = args->len,
		.bus = args->flags & KVM_IOEVENTFD_FLAG_PIO ? KVM_PIO_BUS : KVM_MMIO_BUS,
		.any_value = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
		.value = args->datamatch,
	};
	p->ctx = eventfd_ctx_fdget(args->fd);
	return PTR_ERR_OR_ZERO(p->ctx);
}

static void ioeventfd_free(struct ioeventfd *p)
{
	eventfd_ctx_put(p->ctx);
	kfree(p);
}

/* Without a width it has to see accesses of each. */
static u64 ioeventfd_range(const struct ioeventfd *p)
{
	return p->len ?: min_t(u64, WIDEST, -p->addr ?: WIDEST);
}

static int ioeventfd_add(struct kvm *kvm, struct ioeventfd *p)
{
	struct ioeventfd *other;
	int err;

	list_for_each_entry(other, &kvm->ioeventfds, list)
		if (ioeventfd_collide(p, other))
			return -EEXIST;
	err = kvm_io_bus_register(kvm, p->bus, p->addr, ioeventfd_range(p), &p->dev);
	if (!err)
		list_add_tail(&p->list, &kvm->ioeventfds);
	return err;
}

static int ioeventfd_assign(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	struct ioeventfd *p = kmalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	int err;

	if (!p)
		return -ENOMEM;
	err = ioeventfd_fill(p, args);
	if (err) {
		kfree(p);
		return err;
	}
	mutex_lock(&kvm->io_lock);
	err = ioeventfd_add(kvm, p);
	mutex_unlock(&kvm->io_lock);
	if (err)
		ioeventfd_free(p);
	return err;
}

static int ioeventfd_remove(struct kvm *kvm, const struct ioeventfd *what)
{
	struct ioeventfd *p;

	list_for_each_entry(p, &kvm->ioeventfds, list) {
		if (!ioeventfd_same(p, what))
			continue;
		list_del(&p->list);
		kvm_io_bus_unregister(kvm, p->bus, &p->dev);
		ioeventfd_free(p);
		return 0;
	}
	return -ENOENT;
}

static int ioeventfd_deassign(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	struct ioeventfd what;
	int err = ioeventfd_fill(&what, args);

	if (err)
		return err;
	mutex_lock(&kvm->io_lock);
	err = ioeventfd_remove(kvm, &what);
	mutex_unlock(&kvm->io_lock);
	eventfd_ctx_put(what.ctx);
	return err;
}

int kvm_ioeventfd(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	int err = ioeventfd_check(args);

	if (err)
		return err;
	return args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN ? ioeventfd_deassign(kvm, args) :
							   ioeventfd_assign(kvm, args);
}

void kvm_ioeventfd_destroy(struct kvm *kvm)
{
	struct ioeventfd *p, *next;

	list_for_each_entry_safe(p, next, &kvm->ioeventfds, list)
		ioeventfd_free(p);
}
