// SPDX-License-Identifier: GPL-2.0-only
/*
 * chips.c - the two 8259s and the IOAPIC at work: their lock, their place on
 * the buses, who drives their lines, and what userspace asks of them.
 *
 * The chips are pic.c's and ioapic.c's.  Lines are set from any context but
 * NMI, so that the lock is a raw one; messages are sent under it, EOIs are
 * told to others when it has been let go.
 */
#include <linux/kvm_host.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "../vcpu.h"
#include "irq.h"

/**
 * struct irq_chips - the controllers that all vCPUs of a VM share
 * @kvm:	the VM
 * @ports:	the PICs' registers
 * @mmio:	the IOAPIC's
 * @lock:	of what follows
 * @pic:	the PICs
 * @ioapic:	the IOAPIC
 * @pic_sources: which enum irq_source assert a line
 * @ioapic_sources: the same
 * @tick_pin: where the PIT's last interrupt came in
 */
struct irq_chips {
	/* set once */
	struct kvm *kvm;
	struct kvm_io_device ports;
	struct kvm_io_device mmio;

	/* lock */
	raw_spinlock_t lock;
	struct pic pic;
	struct ioapic ioapic;
	u8 pic_sources[PIC_LINES];
	u8 ioapic_sources[IOAPIC_PINS];
	u8 tick_pin;
};

static struct irq_chips *chips_of(struct kvm *kvm)
{
	return kvm->arch.irqs.chips;
}

static bool drive(u8 *sources, enum irq_source source, bool high)
{
	*sources = high ? *sources | BIT(source) : *sources & ~BIT(source);
	return *sources;
}

/*
 * PICs
 */

/* The output may have risen: the vCPUs that it is wired to look at it. */
static void tell_output(struct irq_chips *chips)
{
	struct kvm_vcpu *vcpu;
	int i;

	if (!pic_output(&chips->pic))
		return;
	/* a vCPU that begins to listen looks by itself: see publish() in apic.c */
	smp_mb();
	kvm_for_each_vcpu(i, vcpu, chips->kvm) {
		if (!READ_ONCE(vcpu->arch.irq.hears_extint))
			continue;
		atomic_or(INBOX_PIC, &vcpu->arch.inbox);
		kvm_vcpu_kick(vcpu);
	}
}

/* Lines whose service ended while the lock was held, to be told of without it. */
static u16 take_ended(struct irq_chips *chips)
{
	u16 ended = chips->pic.eoi;

	chips->pic.eoi = 0;
	return ended;
}

static void tell_ended(struct irq_chips *chips, unsigned long ended)
{
	unsigned int line;

	for_each_set_bit(line, &ended, PIC_LINES)
		irq_acked(chips->kvm, line / 8, line % 8);
}

int chips_set_pic(struct kvm *kvm, unsigned int line, enum irq_source source, bool high)
{
	struct irq_chips *chips = chips_of(kvm);
	unsigned long flags;
	int r;

	raw_spin_lock_irqsave(&chips->lock, flags);
	high = drive(&chips->pic_sources[line], source, high);
	r = pic_set_line(&chips->pic, line, high);
	if (!r && pic_masked(&chips->pic, line))
		r = -1;
	tell_output(chips);
	raw_spin_unlock_irqrestore(&chips->lock, flags);
	return r;
}

bool chips_pic_output(struct kvm *kvm)
{
	struct irq_chips *chips = chips_of(kvm);

	return chips && READ_ONCE(chips->pic.output);
}

u8 chips_pic_acknowledge(struct kvm *kvm)
{
	struct irq_chips *chips = chips_of(kvm);
	unsigned long flags;
	u16 ended;
	u8 vector;

	raw_spin_lock_irqsave(&chips->lock, flags);
	vector = pic_acknowledge(&chips->pic);
	ended = take_ended(chips);
	raw_spin_unlock_irqrestore(&chips->lock, flags);
	tell_ended(chips, ended);
	return vector;
}

static int pic_port_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			  unsigned int len, const void *data)
{
	struct irq_chips *chips = chips_of(vcpu->kvm);
	unsigned long flags;
	u16 ended;

	if (len != 1)
		return 0;
	raw_spin_lock_irqsave(&chips->lock, flags);
	pic_write(&chips->pic, addr, *(const u8 *)data);
	ended = take_ended(chips);
	tell_output(chips);
	raw_spin_unlock_irqrestore(&chips->lock, flags);
	tell_ended(chips, ended);
	return 0;
}

static int pic_port_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			 unsigned int len, void *data)
{
	struct irq_chips *chips = chips_of(vcpu->kvm);
	unsigned long flags;
	u16 ended;

	memset(data, 0xff, len);
	if (len != 1)
		return 0;
	raw_spin_lock_irqsave(&chips->lock, flags);
	*(u8 *)data = pic_read(&chips->pic, addr);
	ended = take_ended(chips);	/* a poll is an acknowledge */
	tell_output(chips);
	raw_spin_unlock_irqrestore(&chips->lock, flags);
	tell_ended(chips, ended);
	return 0;
}

static const struct kvm_io_ops pic_ops = {
	.read = pic_port_read,
	.write = pic_port_write,
};

/*
 * IOAPIC
 */

/* What these pins have to send.  Lock held. */
static int serve(struct irq_chips *chips, unsigned long pins)
{
	struct irq_msg msg;
	unsigned int pin;
	int r = -1, one;

	for_each_set_bit(pin, &pins, IOAPIC_PINS) {
		if (!ioapic_take(&chips->ioapic, pin, &msg))
			continue;
		one = irq_send(chips->kvm, NULL, &msg);
		if (one < 0)
			ioapic_refused(&chips->ioapic, pin);
		r = max(r, one);
	}
	return r;
}

int chips_set_ioapic(struct kvm *kvm, unsigned int pin, enum irq_source source, bool high)
{
	struct irq_chips *chips = chips_of(kvm);
	unsigned long flags;
	u8 vector, *tick = &kvm->arch.irqs.tick_vector;
	int r = 1;

	raw_spin_lock_irqsave(&chips->lock, flags);
	high = drive(&chips->ioapic_sources[pin], source, high);
	vector = ioapic_vector(&chips->ioapic, pin);
	if (ioapic_set_line(&chips->ioapic, pin, high)) {
		if (source == IRQ_SOURCE_PIT) {
			chips->tick_pin = pin;
			WRITE_ONCE(*tick, vector);	/* its EOI may come within serve() */
		}
		r = serve(chips, BIT(pin));
		if (source == IRQ_SOURCE_PIT && r < 0)
			WRITE_ONCE(*tick, 0);
	} else if (high) {
		r = vector ? 0 : -1;
	}
	raw_spin_unlock_irqrestore(&chips->lock, flags);
	return r;
}

/* Does any vCPU take what the PICs have? */
static bool pics_are_heard(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	int i;

	kvm_for_each_vcpu(i, vcpu, kvm)
		if (READ_ONCE(vcpu->arch.irq.hears_extint))
			return true;
	return false;
}

bool chips_hold_tick(struct kvm *kvm)
{
	struct irq_chips *chips = chips_of(kvm);
	const struct pic_chip *pic = &chips->pic.chips[0];
	u8 vector = READ_ONCE(kvm->arch.irqs.tick_vector);
	unsigned long flags;
	bool holds;

	raw_spin_lock_irqsave(&chips->lock, flags);
	holds = pic->isr & BIT(PIT_LINE) ||
		(pic->irr & ~pic->imr & BIT(PIT_LINE) && pics_are_heard(kvm)) ||
		(vector && vector == ioapic_vector(&chips->ioapic, chips->tick_pin));
	raw_spin_unlock_irqrestore(&chips->lock, flags);
	return holds;
}

void chips_eoi(struct kvm *kvm, u8 vector)
{
	struct irq_chips *chips = chips_of(kvm);
	unsigned long flags, pins;
	unsigned int pin;

	raw_spin_lock_irqsave(&chips->lock, flags);
	pins = ioapic_eoi(&chips->ioapic, vector);
	raw_spin_unlock_irqrestore(&chips->lock, flags);
	if (!pins)
		return;
	for_each_set_bit(pin, &pins, IOAPIC_PINS)
		irq_acked(kvm, KVM_IRQCHIP_IOAPIC, pin);
	/* those that are asserted still, now that who drives them knows */
	raw_spin_lock_irqsave(&chips->lock, flags);
	serve(chips, pins);
	raw_spin_unlock_irqrestore(&chips->lock, flags);
}

void chips_refused(struct kvm *kvm, u8 vector)
{
	struct irq_chips *chips = chips_of(kvm);
	unsigned long flags;

	raw_spin_lock_irqsave(&chips->lock, flags);
	/* perhaps another APIC takes it; this one has said by now that it does not */
	serve(chips, ioapic_eoi(&chips->ioapic, vector));
	raw_spin_unlock_irqrestore(&chips->lock, flags);
}

void chips_apic_enabled(struct kvm *kvm)
{
	struct irq_chips *chips = chips_of(kvm);
	unsigned long flags;

	if (!chips)
		return;
	raw_spin_lock_irqsave(&chips->lock, flags);
	serve(chips, ioapic_pending(&chips->ioapic));
	raw_spin_unlock_irqrestore(&chips->lock, flags);
}

static bool ioapic_hit(const struct ioapic *ioapic, gpa_t addr, unsigned int len)
{
	return addr - ioapic->base < IOAPIC_SIZE && addr - ioapic->base + len <= IOAPIC_SIZE;
}

/* Registers are 32 bits wide; the byte of IOREGSEL can be written alone. */
static int ioapic_mmio_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			     unsigned int len, const void *data)
{
	struct irq_chips *chips = chips_of(vcpu->kvm);
	unsigned long flags;
	u32 value = 0;
	int r = -EOPNOTSUPP;

	memcpy(&value, data, min_t(unsigned int, len, sizeof(value)));
	raw_spin_lock_irqsave(&chips->lock, flags);
	if (ioapic_hit(&chips->ioapic, addr, len)) {
		serve(chips, ioapic_write(&chips->ioapic, addr - chips->ioapic.base, value));
		r = 0;
	}
	raw_spin_unlock_irqrestore(&chips->lock, flags);
	return r;
}

static int ioapic_mmio_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			    unsigned int len, void *data)
{
	struct irq_chips *chips = chips_of(vcpu->kvm);
	unsigned long flags;
	int r = -EOPNOTSUPP;
	u32 value;

	raw_spin_lock_irqsave(&chips->lock, flags);
	if (ioapic_hit(&chips->ioapic, addr, len)) {
		value = ioapic_read(&chips->ioapic, addr - chips->ioapic.base);
		memset(data, 0, len);
		memcpy(data, &value, min_t(unsigned int, len, sizeof(value)));
		r = 0;
	}
	raw_spin_unlock_irqrestore(&chips->lock, flags);
	return r;
}

static const struct kvm_io_ops ioapic_ops = {
	.read = ioapic_mmio_read,
	.write = ioapic_mmio_write,
};

/*
 * Userspace
 */

static bool chip_ok(const struct kvm_irqchip *chip)
{
	return chip->chip_id < IRQ_CHIPS;
}

static void get_chip(struct irq_chips *chips, struct kvm_irqchip *chip)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&chips->lock, flags);
	if (chip->chip_id == KVM_IRQCHIP_IOAPIC)
		ioapic_get_state(&chips->ioapic, &chip->chip.ioapic);
	else
		pic_get_state(&chips->pic, chip->chip_id, &chip->chip.pic);
	raw_spin_unlock_irqrestore(&chips->lock, flags);
}

/* Who drives a line goes on driving it; the first to change it says what it is from then on. */
static int set_chip(struct irq_chips *chips, const struct kvm_irqchip *chip)
{
	unsigned long flags;
	int r = 0;

	raw_spin_lock_irqsave(&chips->lock, flags);
	if (chip->chip_id == KVM_IRQCHIP_IOAPIC) {
		u32 pins = ioapic_set_state(&chips->ioapic, &chip->chip.ioapic);

		serve(chips, pins);
	} else {
		r = pic_set_state(&chips->pic, chip->chip_id, &chip->chip.pic);
		tell_output(chips);
	}
	raw_spin_unlock_irqrestore(&chips->lock, flags);
	return r;
}

static struct irq_chips *chips_if_any(struct kvm *kvm)
{
	return irq_where(kvm) == IRQ_KERNEL ? chips_of(kvm) : NULL;
}

long chips_get(struct kvm *kvm, void __user *argp)
{
	struct irq_chips *chips = chips_if_any(kvm);
	struct kvm_irqchip *chip;
	long r = 0;

	if (!chips)
		return -ENXIO;
	chip = memdup_user(argp, sizeof(*chip));
	if (IS_ERR(chip))
		return PTR_ERR(chip);
	if (!chip_ok(chip)) {
		r = -EINVAL;
	} else {
		memset(&chip->chip, 0, sizeof(chip->chip));
		get_chip(chips, chip);
		if (copy_to_user(argp, chip, sizeof(*chip)))
			r = -EFAULT;
	}
	kfree(chip);
	return r;
}

long chips_set(struct kvm *kvm, void __user *argp)
{
	struct irq_chips *chips = chips_if_any(kvm);
	struct kvm_irqchip *chip;
	long r;

	if (!chips)
		return -ENXIO;
	chip = memdup_user(argp, sizeof(*chip));
	if (IS_ERR(chip))
		return PTR_ERR(chip);
	r = chip_ok(chip) ? set_chip(chips, chip) : -EINVAL;
	kfree(chip);
	return r;
}

/*
 * Life
 */

static const u16 port_pairs[] = { PIC_MASTER_COMMAND, PIC_SLAVE_COMMAND, PIC_MASTER_ELCR };

static void unplug(struct irq_chips *chips)
{
	kvm_io_bus_unregister(chips->kvm, KVM_PIO_BUS, &chips->ports);
	kvm_io_bus_unregister(chips->kvm, KVM_MMIO_BUS, &chips->mmio);
}

static int plug_in(struct irq_chips *chips)
{
	unsigned int i;
	int r;

	chips->ports.ops = &pic_ops;
	chips->mmio.ops = &ioapic_ops;
	r = kvm_io_bus_register(chips->kvm, KVM_MMIO_BUS, IOAPIC_BASE, IOAPIC_SIZE, &chips->mmio);
	for (i = 0; !r && i < ARRAY_SIZE(port_pairs); i++)
		r = kvm_io_bus_register(chips->kvm, KVM_PIO_BUS, port_pairs[i], 2, &chips->ports);
	if (r)
		unplug(chips);
	return r;
}

static struct irq_chips *chips_alloc(struct kvm *kvm)
{
	struct irq_chips *chips = kzalloc(sizeof(*chips), GFP_KERNEL_ACCOUNT);

	if (!chips)
		return NULL;
	chips->kvm = kvm;
	raw_spin_lock_init(&chips->lock);
	pic_reset(&chips->pic);
	ioapic_reset(&chips->ioapic);
	return chips;
}

/* A guest that knew of them would find them by its first access: they come last of all. */
static int create(struct kvm *kvm)
{
	struct irq_chips *chips;
	int r;

	if (kvm->arch.irqs.where != IRQ_USERSPACE)
		return -EEXIST;
	if (atomic_read(&kvm->online_vcpus))
		return -EINVAL;
	chips = chips_alloc(kvm);
	if (!chips)
		return -ENOMEM;
	kvm->arch.irqs.chips = chips;
	r = irq_routes_default(kvm);
	if (!r) {
		mutex_lock(&kvm->io_lock);
		r = plug_in(chips);
		mutex_unlock(&kvm->io_lock);
	}
	if (r) {
		kvm->arch.irqs.chips = NULL;
		kfree(chips);
		return r;
	}
	/* whoever sees it sees the chips */
	smp_store_release(&kvm->arch.irqs.where, IRQ_KERNEL);
	return 0;
}

long chips_create(struct kvm *kvm)
{
	long r;

	mutex_lock(&kvm->lock);
	r = create(kvm);
	mutex_unlock(&kvm->lock);
	return r;
}

void chips_destroy(struct kvm *kvm)
{
	kfree(kvm->arch.irqs.chips);
}
