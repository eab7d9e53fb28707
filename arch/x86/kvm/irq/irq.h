/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irq.h - interrupt controllers at work: what irq/ is made of, and offers the
 * rest of arch/x86/kvm.
 *
 * The chips themselves are pure (pic.h, pit.h, ioapic.h, lapic.h); here is
 * what they need to run: locks, clocks, and a way from one vCPU to another.
 * How a message meets a vCPU that sleeps or enters its guest is told in
 * Documentation/virt/kvm/locking.rst.
 */
#ifndef ARCH_X86_KVM_IRQ_IRQ_H
#define ARCH_X86_KVM_IRQ_IRQ_H

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include "ioapic.h"
#include "lapic.h"
#include "msg.h"
#include "pic.h"
#include "pit.h"
#include "route.h"

#define IRQ_VECTORS	256
#define IRQ_CHIPS	3	/* KVM_IRQCHIP_* */

/* Who drives a line of a chip: it is high if one of them says so. */
enum irq_source {
	IRQ_SOURCE_USERSPACE,	/* KVM_IRQ_LINE, irqfd */
	IRQ_SOURCE_RESAMPLE,	/* irqfd with a resampler */
	IRQ_SOURCE_PIT,
};

/* Which controllers of a VM are in the kernel. */
enum irq_where {
	IRQ_USERSPACE,		/* none */
	IRQ_SPLIT,		/* the local APICs */
	IRQ_KERNEL,		/* all of them */
};

/**
 * struct vcpu_irq - a vCPU's local APIC, and what has been sent to it
 * @lapic: its registers
 * @in_kernel: there is one here
 * @extint: the PICs' output reaches this vCPU
 * @eois: split: vectors whose EOI userspace is to be told of
 * @eoi_waits: there is one
 * @tell_tpr: userspace wants to know of accesses to TPR in the page (KVM_TPR_ACCESS_REPORTING)
 * @tpr_told: of this one it is yet to be told: the instruction at @tpr_rip has made it
 * @vapic: guest-physical address of a copy of TPR that the guest's code uses instead; 0: none
 * @timer: of the LAPIC; leaves INBOX_TIMER
 * @seq: of @address: its writer is the vCPU's thread, interrupts off
 * @address: what senders have to know
 * @hears_extint: @extint, for the PICs
 * @posted: vectors sent and not yet in @lapic
 * @posted_level: of them, those that are level-triggered
 */
struct vcpu_irq {
	/* set once */
	bool in_kernel;

	/* vCPU thread only */
	bool extint;
	bool eoi_waits;
	bool tell_tpr;
	bool tpr_told;
	bool tpr_write;
	u64 tpr_rip;
	gpa_t vapic;
	struct lapic lapic;
	DECLARE_BITMAP(eois, IRQ_VECTORS);
	struct hrtimer timer;

	/* vCPU thread writes, anybody reads */
	seqcount_t seq;
	struct lapic_address address;
	bool hears_extint;

	/* anybody */
	DECLARE_BITMAP(posted, IRQ_VECTORS);
	DECLARE_BITMAP(posted_level, IRQ_VECTORS);
};

/**
 * struct irq_routes - where all GSIs of a VM go; never changed, but replaced
 * @gsis: GSIs below this have an entry in @first
 * @first: index of a GSI's first route; it has those up to the next one's first
 * @gsi_of: the GSI that leads to a pin, by KVM_IRQCHIP_*, or -1
 * @level_vectors: split: vectors of level-triggered messages, whose EOI userspace wants
 * @route: sorted by GSI
 */
struct irq_routes {
	unsigned int gsis;
	u16 *first;
	s16 gsi_of[IRQ_CHIPS][IOAPIC_PINS];
	DECLARE_BITMAP(level_vectors, IRQ_VECTORS);
	struct route route[];
};

struct irq_chips;	/* chips.c: PICs and IOAPIC */
struct irq_pit;		/* timer.c: the PIT */

/**
 * struct kvm_irqs - the interrupt controllers of a VM
 * @where: enum irq_where; written before the first vCPU, by smp_store_release()
 * @pins: split: how many pins userspace's IOAPICs have; GSIs below this are theirs
 * @boot_id: of the vCPU that is the boot processor
 * @wide_ids: KVM_X2APIC_API_USE_32BIT_IDS
 * @wide_broadcast: KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK
 * @routes: NULL without controllers
 * @srcu: of their readers, who do not sleep: kvm->srcu's may, for as long as userspace likes
 * @tick_vector: by which the IOAPIC sent the PIT's last interrupt; 0: its service has ended.  The
 *		lock of chips.c, but for its end
 * @turn: which of several vCPUs takes a lowest-priority message
 */
struct kvm_irqs {
	/* kvm->lock writes (but KVM_CAP_X2APIC_API's two flags), anybody reads */
	u8 where;
	u16 pins;
	u32 boot_id;
	bool wide_ids;
	bool wide_broadcast;
	struct irq_chips *chips;
	struct irq_pit *pit;

	/* kvm->lock writes, SRCU reads */
	struct irq_routes __rcu *routes;
	struct srcu_struct srcu;

	/* anybody */
	u8 tick_vector;
	atomic_t turn;
};

/*
 * irq.c - messages to vCPUs, lines, routes
 */

/**
 * irq_send - deliver a message to the vCPUs that it is for
 * @kvm: the VM
 * @from: the vCPU whose ICR sent it, its thread; NULL: an IOAPIC or an MSI
 * @msg: the message
 *
 * Any context but NMI.  Return: how many vCPUs it was new to; 0: it waits there already; -1: there
 * is nobody who takes it.
 */
int irq_send(struct kvm *kvm, struct kvm_vcpu *from, const struct irq_msg *msg);

u8 irq_where(struct kvm *kvm);	/* enum irq_where; with what belongs to it */

/* Routes: the VM's own defaults, none, or userspace's.  kvm->lock held; 0 or negative errno. */
int irq_routes_default(struct kvm *kvm);
int irq_routes_empty(struct kvm *kvm);
int irq_vm_create(struct kvm *kvm);
void irq_vm_destroy(struct kvm *kvm);
long irq_set_routing(struct kvm *kvm, void __user *argp);
long irq_signal_msi(struct kvm *kvm, void __user *argp);
long irq_line(struct kvm *kvm, void __user *argp, bool status);
bool irq_is_boot(const struct kvm_vcpu *vcpu);		/* the boot processor? */
long irq_set_boot_id(struct kvm *kvm, unsigned long id);
long irq_enable_split(struct kvm *kvm, u64 pins);
long irq_enable_x2apic_api(struct kvm *kvm, u64 flags);

/* The service of a pin has ended: who drives its GSI is told.  Interrupts on or off. */
void irq_acked(struct kvm *kvm, unsigned int chip, unsigned int pin);

/*
 * chips.c - PICs and IOAPIC
 */
long chips_create(struct kvm *kvm);			/* KVM_CREATE_IRQCHIP */
void chips_destroy(struct kvm *kvm);
long chips_get(struct kvm *kvm, void __user *argp);	/* KVM_GET_IRQCHIP */
long chips_set(struct kvm *kvm, void __user *argp);
/* A line as one source drives it; what irq_send() returns.  Any context but NMI. */
int chips_set_pic(struct kvm *kvm, unsigned int line, enum irq_source source, bool high);
int chips_set_ioapic(struct kvm *kvm, unsigned int pin, enum irq_source source, bool high);
void chips_eoi(struct kvm *kvm, u8 vector);		/* a LAPIC broadcasts; its vCPU's thread */
/* Is the PIT's last interrupt on its way, or in service?  Then its end will be told. */
bool chips_hold_tick(struct kvm *kvm);
/* A level-triggered message that was accepted on a LAPIC's behalf is lost; its vCPU's thread. */
void chips_refused(struct kvm *kvm, u8 vector);
/* A LAPIC has begun to accept: what was refused is offered again. */
void chips_apic_enabled(struct kvm *kvm);
bool chips_pic_output(struct kvm *kvm);
u8 chips_pic_acknowledge(struct kvm *kvm);

/*
 * timer.c - the PIT
 */
long pit_create(struct kvm *kvm, u32 flags);
void pit_destroy(struct kvm *kvm);
long pit_get(struct kvm *kvm, void __user *argp, bool new);	/* KVM_GET_PIT2, _PIT */
long pit_set(struct kvm *kvm, void __user *argp, bool new);
long pit_reinject(struct kvm *kvm, void __user *argp);
void pit_acked(struct kvm *kvm, u32 gsi);		/* a GSI has been served */

#define PIT_GSI		0
#define PIT_LINE	0	/* of the PICs, by default */

/*
 * apic.c - a vCPU's local APIC; its thread unless said otherwise
 */
int apic_create(struct kvm_vcpu *vcpu);
void apic_destroy(struct kvm_vcpu *vcpu);
void apic_reset(struct kvm_vcpu *vcpu, bool init);
/* Take what others have sent; @notes: INBOX_*. */
void apic_drain(struct kvm_vcpu *vcpu, u32 notes);
/* The same of what has no note: an ioctl is about to read registers. */
void apic_sync(struct kvm_vcpu *vcpu);
/* The page of an xAPIC: is @gpa in it?  Then apic_access() serves it, whatever its size. */
bool apic_has(struct kvm_vcpu *vcpu, gpa_t gpa);
void apic_access(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, void *data, bool write);
int apic_msr_get(struct kvm_vcpu *vcpu, u32 msr, u64 *data);	/* 0x800 and up; 0 or -EINVAL */
int apic_msr_set(struct kvm_vcpu *vcpu, u32 msr, u64 data);
u64 apic_tsc_deadline(struct kvm_vcpu *vcpu);
void apic_set_tsc_deadline(struct kvm_vcpu *vcpu, u64 tsc, bool outside);
void apic_features_changed(struct kvm_vcpu *vcpu);	/* CPUID, MCG_CAP */
void apic_base_changed(struct kvm_vcpu *vcpu);
void apic_set_cr8(struct kvm_vcpu *vcpu, u64 cr8);
void apic_tsc_changed(struct kvm_vcpu *vcpu);		/* the guest's TSC is another now */
long apic_get(struct kvm_vcpu *vcpu, void __user *argp);	/* KVM_GET_LAPIC */
long apic_set(struct kvm_vcpu *vcpu, void __user *argp);
/* For guests whose own accesses to TPR userspace has replaced: 0, -EINVAL, -EFAULT. */
long apic_tpr_reporting(struct kvm_vcpu *vcpu, void __user *argp);
long apic_set_vapic(struct kvm_vcpu *vcpu, void __user *argp);
/* TPR and that copy: before an entry, and after an exit.  May sleep. */
void apic_to_vapic(struct kvm_vcpu *vcpu);
void apic_from_vapic(struct kvm_vcpu *vcpu);
/* Would an interrupt of userspace's PICs reach the processor, by its LAPIC here?  Any time. */
bool apic_hears_userspace(struct kvm_vcpu *vcpu);
/* Does the controller, which is in the kernel, offer an interrupt?  May be asked while asleep. */
bool apic_offers(struct kvm_vcpu *vcpu);
/* Take it: its vector.  Interrupts off. */
u8 apic_acknowledge(struct kvm_vcpu *vcpu);
/* A fixed message, from any context but NMI: false if it waits already. */
bool apic_post(struct kvm_vcpu *vcpu, u8 vector, bool level);
struct lapic_address apic_address(struct kvm_vcpu *vcpu);	/* any thread */
/* Does userspace wait to be told of something?  Then kvm_run is filled. */
bool apic_tells(struct kvm_vcpu *vcpu);

static inline bool apic_may_tell(const struct vcpu_irq *irq)
{
	return irq->eoi_waits | irq->tpr_told;
}

#endif /* ARCH_X86_KVM_IRQ_IRQ_H */
