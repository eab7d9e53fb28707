// SPDX-License-Identifier: GPL-2.0-only
/*
 * timer.c - the 8254 at work: its lock, its ports, and the clock that makes
 * interrupts of its edges.
 *
 * The counters are pit.c's.  An hrtimer is armed for the next edge of channel
 * 0; each raises GSI 0.  Edges that come before the guest has served the last
 * one are either lost, as on a real machine, or kept and raised when it has
 * (KVM_REINJECT_CONTROL): systems that count ticks want that.  Whether it has
 * is what the PIC, or the IOAPIC with the local APIC behind it, can tell at
 * that moment (chips_hold_tick()): a tick may end without a service, masked.
 */
#include <linux/kvm_host.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "../vcpu.h"
#include "irq.h"

#define PIT_LEAST_NS	(200 * NSEC_PER_USEC)	/* between two interrupts */
#define PIT_PORTS	4

/**
 * struct irq_pit - the timer of a VM
 * @kvm:	the VM
 * @ports:	its four ports, and port 0x61 if it has that
 * @timer:	rings at the next edge
 * @lock:	of what follows
 * @pit:	the counters
 * @reinject:	no edge is lost
 * @owed:	edges that the guest has yet to see, with @reinject
 */
struct irq_pit {
	/* set once */
	struct kvm *kvm;
	struct kvm_io_device ports;
	struct hrtimer timer;

	/* lock */
	raw_spinlock_t lock;
	struct pit pit;
	bool reinject;
	u32 owed;
};

static u64 now_ns(void)
{
	return ktime_get_ns();
}

/* Lock held.  Not earlier than is good for the host. */
static u64 next_edge(struct irq_pit *pit, u64 now)
{
	u64 next = pit_next_edge(&pit->pit, now), period = pit_period(&pit->pit);

	return period && period < PIT_LEAST_NS ? max(next, now + PIT_LEAST_NS) : next;
}

/* One edge.  Lock held.  What kvm_arch_set_irq() returns. */
static int pulse(struct irq_pit *pit)
{
	int r = kvm_arch_set_irq(pit->kvm, IRQ_SOURCE_PIT, PIT_GSI, 1, false);

	kvm_arch_set_irq(pit->kvm, IRQ_SOURCE_PIT, PIT_GSI, 0, false);
	return r;
}

static enum hrtimer_restart edge_comes(struct hrtimer *timer)
{
	struct irq_pit *pit = container_of(timer, struct irq_pit, timer);
	u64 now = now_ns(), next;
	unsigned long flags;
	bool again;

	raw_spin_lock_irqsave(&pit->lock, flags);
	if (pit->reinject && chips_hold_tick(pit->kvm)) {
		if (pit->owed < U32_MAX)
			pit->owed++;
	} else if (pulse(pit) < 0) {
		/* masked wherever it leads: nobody counts */
		pit->owed = 0;
	}
	next = next_edge(pit, now);
	/* rearm() may have been here meanwhile: then the timer is queued, and not ours to move */
	again = next != U64_MAX && !hrtimer_is_queued(timer);
	if (again)
		hrtimer_set_expires(timer, ns_to_ktime(next));
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return again ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

void pit_acked(struct kvm *kvm, u32 gsi)
{
	struct irq_pit *pit = READ_ONCE(kvm->arch.irqs.pit);
	unsigned long flags;

	if (gsi != PIT_GSI || !pit)
		return;
	raw_spin_lock_irqsave(&pit->lock, flags);
	/* if an edge has come since, it is the next one's end that is waited for */
	if (pit->reinject && pit->owed && !chips_hold_tick(kvm)) {
		pit->owed--;
		pulse(pit);
	}
	raw_spin_unlock_irqrestore(&pit->lock, flags);
}

/* After a change of what is programmed. */
static void rearm(struct irq_pit *pit)
{
	unsigned long flags;
	u64 next;

	hrtimer_cancel(&pit->timer);
	raw_spin_lock_irqsave(&pit->lock, flags);
	pit->owed = 0;
	next = next_edge(pit, now_ns());
	if (next != U64_MAX)
		hrtimer_start(&pit->timer, ns_to_ktime(min_t(u64, next, KTIME_MAX)),
			      HRTIMER_MODE_ABS_HARD);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
}

/*
 * Ports
 */

/* Lock held, as for the next one. */
static void write_port(struct pit *pit, u16 port, u8 value, u64 now)
{
	if (port == PIT_SPEAKER)
		pit_speaker_write(pit, value, now);
	else
		pit_write(pit, port, value, now);
}

static u8 read_port(struct pit *pit, u16 port, u64 now)
{
	return port == PIT_SPEAKER ? pit_speaker_read(pit, now) : pit_read(pit, port, now);
}

static int ports_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
		       unsigned int len, const void *data)
{
	struct irq_pit *pit = container_of(dev, struct irq_pit, ports);
	unsigned long flags;
	u64 now, before, after;

	if (len != 1)
		return 0;
	raw_spin_lock_irqsave(&pit->lock, flags);
	now = now_ns();
	before = pit_next_edge(&pit->pit, now);
	write_port(&pit->pit, addr, *(const u8 *)data, now);
	after = pit_next_edge(&pit->pit, now);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	/* most writes are to latch a count */
	if (before != after)
		rearm(pit);
	return 0;
}

static int ports_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
		      unsigned int len, void *data)
{
	struct irq_pit *pit = container_of(dev, struct irq_pit, ports);
	unsigned long flags;

	memset(data, 0xff, len);
	if (len != 1)
		return 0;
	raw_spin_lock_irqsave(&pit->lock, flags);
	*(u8 *)data = read_port(&pit->pit, addr, now_ns());
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}

static const struct kvm_io_ops ports_ops = {
	.read = ports_read,
	.write = ports_write,
};

/*
 * Userspace
 */

static struct irq_pit *pit_of(struct kvm *kvm)
{
	/* pairs with create() */
	return smp_load_acquire(&kvm->arch.irqs.pit);
}

/* The older struct is the newer one without its flags. */
static size_t state_size(bool new)
{
	return new ? sizeof(struct kvm_pit_state2) : sizeof(struct kvm_pit_state);
}

long pit_get(struct kvm *kvm, void __user *argp, bool new)
{
	struct irq_pit *pit = pit_of(kvm);
	struct kvm_pit_state2 state;
	unsigned long flags;

	if (!pit)
		return -ENXIO;
	raw_spin_lock_irqsave(&pit->lock, flags);
	pit_get_state(&pit->pit, &state);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return copy_to_user(argp, &state, state_size(new)) ? -EFAULT : 0;
}

long pit_set(struct kvm *kvm, void __user *argp, bool new)
{
	struct irq_pit *pit = pit_of(kvm);
	struct kvm_pit_state2 state = { };
	unsigned long flags;
	int r;

	if (copy_from_user(&state, argp, state_size(new)))
		return -EFAULT;
	if (!pit)
		return -ENXIO;
	raw_spin_lock_irqsave(&pit->lock, flags);
	r = pit_set_state(&pit->pit, &state, now_ns());
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	if (!r)
		rearm(pit);
	return r;
}

long pit_reinject(struct kvm *kvm, void __user *argp)
{
	struct kvm_reinject_control control;
	struct irq_pit *pit = pit_of(kvm);
	unsigned long flags;

	if (copy_from_user(&control, argp, sizeof(control)))
		return -EFAULT;
	if (!pit)
		return -ENXIO;
	raw_spin_lock_irqsave(&pit->lock, flags);
	pit->reinject = control.pit_reinject;
	pit->owed = 0;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}

/*
 * Life
 */

static int plug_in(struct irq_pit *pit, bool speaker)
{
	int r;

	pit->ports.ops = &ports_ops;
	r = kvm_io_bus_register(pit->kvm, KVM_PIO_BUS, PIT_PORT, PIT_PORTS, &pit->ports);
	if (r || !speaker)
		return r;
	r = kvm_io_bus_register(pit->kvm, KVM_PIO_BUS, PIT_SPEAKER, 1, &pit->ports);
	if (r)
		kvm_io_bus_unregister(pit->kvm, KVM_PIO_BUS, &pit->ports);
	return r;
}

static struct irq_pit *pit_alloc(struct kvm *kvm)
{
	struct irq_pit *pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);

	if (!pit)
		return NULL;
	pit->kvm = kvm;
	pit->reinject = true;
	raw_spin_lock_init(&pit->lock);
	hrtimer_init(&pit->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	pit->timer.function = edge_comes;
	pit_reset(&pit->pit);
	return pit;
}

static int create(struct kvm *kvm, u32 flags)
{
	struct irq_pit *pit;
	int r;

	if (kvm->arch.irqs.pit)
		return -EEXIST;
	if (kvm->arch.irqs.where != IRQ_KERNEL)
		return -ENOENT;
	pit = pit_alloc(kvm);
	if (!pit)
		return -ENOMEM;
	mutex_lock(&kvm->io_lock);
	r = plug_in(pit, flags & KVM_PIT_SPEAKER_DUMMY);
	mutex_unlock(&kvm->io_lock);
	if (r) {
		/* a guest may have found the first ports before the last was refused */
		hrtimer_cancel(&pit->timer);
		kfree(pit);
		return r;
	}
	/* whoever sees it sees it whole */
	smp_store_release(&kvm->arch.irqs.pit, pit);
	return 0;
}

long pit_create(struct kvm *kvm, u32 flags)
{
	long r;

	mutex_lock(&kvm->lock);
	r = create(kvm, flags);
	mutex_unlock(&kvm->lock);
	return r;
}

void pit_destroy(struct kvm *kvm)
{
	struct irq_pit *pit = kvm->arch.irqs.pit;

	if (!pit)
		return;
	hrtimer_cancel(&pit->timer);
	kfree(pit);
}
