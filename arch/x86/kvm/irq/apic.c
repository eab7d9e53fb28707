// SPDX-License-Identifier: GPL-2.0-only
/*
 * apic.c - a vCPU's local APIC at work: its timer, what others send to it, and
 * what userspace asks of it.
 *
 * The registers (lapic.c) are the vCPU thread's alone.  Who sends a vector
 * from elsewhere sets a bit in "posted", leaves INBOX_IRQ and kicks; the timer
 * leaves INBOX_TIMER.  What senders have to know of a local APIC is published,
 * and may be old by the time they use it, as on a bus.
 * Next: irq.c, who sends.
 */
#include <linux/kvm_host.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <asm/mce.h>
#include "../vcpu.h"
#include "irq.h"

/* The shortest period of a timer: a guest must not keep a host CPU busy with its interrupts. */
#define TIMER_LEAST_NS	(50 * NSEC_PER_USEC)

static u64 now_ns(void)
{
	return ktime_get_ns();
}

/*
 * What others know
 */

struct lapic_address apic_address(struct kvm_vcpu *vcpu)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;
	struct lapic_address address;
	unsigned int seq;

	do {
		seq = read_seqcount_begin(&irq->seq);
		address = irq->address;
	} while (read_seqcount_retry(&irq->seq, seq));
	return address;
}

/* Readers may be in interrupts on this CPU: they must not find it half written. */
static void publish(struct kvm_vcpu *vcpu)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;
	unsigned long flags;

	local_irq_save(flags);
	write_seqcount_begin(&irq->seq);
	irq->address = lapic_address(&irq->lapic);
	write_seqcount_end(&irq->seq);
	local_irq_restore(flags);
	irq->extint = lapic_accepts_extint(&irq->lapic);
	/* the PICs, when they rise next, or this vCPU, which looks then: one sees the other */
	smp_store_mb(irq->hears_extint, irq->extint);
}

bool apic_post(struct kvm_vcpu *vcpu, u8 vector, bool level)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;
	u32 requested = READ_ONCE(irq->lapic.regs[(LAPIC_IRR >> 4) + vector / 32]);

	if (level)
		set_bit(vector, irq->posted_level);
	else
		clear_bit(vector, irq->posted_level);
	if (test_and_set_bit(vector, irq->posted))
		return false;
	/*
	 * Whoever leaves the note kicks; behind it, the others' vectors are taken along.  They
	 * count on the kick: it must not wait for a thread that has lost its CPU in between.
	 */
	preempt_disable();
	if (!(atomic_fetch_or(INBOX_IRQ, &vcpu->arch.inbox) & INBOX_IRQ))
		kvm_vcpu_kick(vcpu);
	preempt_enable();
	return !(requested >> vector % 32 & 1);
}

/*
 * The timer
 */

static enum hrtimer_restart timer_rings(struct hrtimer *timer)
{
	struct kvm_vcpu *vcpu = container_of(timer, struct kvm_vcpu, arch.irq.timer);

	atomic_or(INBOX_TIMER, &vcpu->arch.inbox);
	kvm_vcpu_kick(vcpu);
	return HRTIMER_NORESTART;
}

/*
 * When the guest's TSC gets to its deadline, in ns of the host's clock; or, if that is far away,
 * when to look again: in weeks.  The quotient of a longer wait may have more than 64 bits, and the
 * division would trap.
 */
static u64 tsc_deadline_ns(struct kvm_vcpu *vcpu, u64 now)
{
	u64 tsc = time_read_tsc(vcpu), deadline = lapic_tsc_deadline(&vcpu->arch.irq.lapic);
	u64 khz = vcpu->arch.time.tsc.khz;

	if (deadline <= tsc)
		return now;
	return now + mul_u64_u64_div_u64(min(deadline - tsc, khz << 32), NSEC_PER_MSEC, khz);
}

static u64 timer_due(struct kvm_vcpu *vcpu, u64 now)
{
	struct lapic *lapic = &vcpu->arch.irq.lapic;

	return lapic_tsc_deadline(lapic) ? tsc_deadline_ns(vcpu, now) : lapic_timer_deadline(lapic);
}

static void timer_arm(struct kvm_vcpu *vcpu)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;
	u64 now = now_ns(), due = timer_due(vcpu, now), period = lapic_timer_period(&irq->lapic);

	if (due == LAPIC_NEVER) {
		hrtimer_cancel(&irq->timer);
		return;
	}
	if (period && period < TIMER_LEAST_NS)
		due = max(due, now + TIMER_LEAST_NS);
	/* over already: the thread that asks is the one that would be told */
	if (due <= now) {
		hrtimer_cancel(&irq->timer);
		atomic_or(INBOX_TIMER, &vcpu->arch.inbox);
		return;
	}
	hrtimer_start(&irq->timer, ns_to_ktime(min_t(u64, due, KTIME_MAX)), HRTIMER_MODE_ABS_HARD);
}

static void timer_rang(struct kvm_vcpu *vcpu)
{
	struct lapic *lapic = &vcpu->arch.irq.lapic;
	u64 now = now_ns();

	/* clocks are of one rate only nearly */
	if (timer_due(vcpu, now) <= now)
		lapic_timer_fired(lapic, now);
	if (lapic_tsc_deadline(lapic) || lapic_timer_deadline(lapic) != LAPIC_NEVER)
		timer_arm(vcpu);
}

void apic_tsc_changed(struct kvm_vcpu *vcpu)
{
	if (vcpu->arch.irq.in_kernel && lapic_tsc_deadline(&vcpu->arch.irq.lapic))
		timer_arm(vcpu);
}

/*
 * What comes in
 */

/* It was sent when the APIC still took it.  An IOAPIC must not wait for its EOI. */
static void refuse(struct kvm_vcpu *vcpu, u8 vector)
{
	if (test_bit(vector, vcpu->arch.irq.posted_level) &&
	    vcpu->kvm->arch.irqs.where == IRQ_KERNEL)
		chips_refused(vcpu->kvm, vector);
}

static void take(struct kvm_vcpu *vcpu, u8 vector)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;

	if (lapic_enabled(&irq->lapic))
		lapic_accept(&irq->lapic, vector, test_bit(vector, irq->posted_level));
	else
		refuse(vcpu, vector);
}

static void take_posted(struct kvm_vcpu *vcpu)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;
	unsigned long vectors;
	unsigned int i, bit;

	for (i = 0; i < BITS_TO_LONGS(IRQ_VECTORS); i++) {
		if (!READ_ONCE(irq->posted[i]))
			continue;
		vectors = xchg(&irq->posted[i], 0);
		for_each_set_bit(bit, &vectors, BITS_PER_LONG)
			take(vcpu, i * BITS_PER_LONG + bit);
	}
}

void apic_drain(struct kvm_vcpu *vcpu, u32 notes)
{
	if (notes & INBOX_TIMER)
		timer_rang(vcpu);
	if (notes & INBOX_IRQ)
		take_posted(vcpu);
}

void apic_sync(struct kvm_vcpu *vcpu)
{
	u32 notes;

	if (!vcpu->arch.irq.in_kernel)
		return;
	notes = atomic_fetch_andnot(INBOX_IRQ | INBOX_TIMER, &vcpu->arch.inbox);
	apic_drain(vcpu, notes);
}

bool apic_hears_userspace(struct kvm_vcpu *vcpu)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;

	return irq->extint && vcpu->kvm->arch.irqs.where == IRQ_SPLIT;
}

bool apic_offers(struct kvm_vcpu *vcpu)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;

	return lapic_pending(&irq->lapic) >= 0 || (irq->extint && chips_pic_output(vcpu->kvm));
}

u8 apic_acknowledge(struct kvm_vcpu *vcpu)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;
	int vector;

	if (irq->extint && chips_pic_output(vcpu->kvm))
		return chips_pic_acknowledge(vcpu->kvm);
	vector = lapic_acknowledge(&irq->lapic);
	/* the PICs have taken back what they had offered: they answer with a spurious one */
	return vector >= 0 ? vector : chips_pic_acknowledge(vcpu->kvm);
}

/*
 * What goes out
 */

static void tell_eoi(struct kvm_vcpu *vcpu, u8 vector)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;
	struct kvm *kvm = vcpu->kvm;
	struct irq_routes *routes;
	int idx;

	if (kvm->arch.irqs.where == IRQ_KERNEL) {
		chips_eoi(kvm, vector);
		return;
	}
	idx = srcu_read_lock(&kvm->arch.irqs.srcu);
	routes = srcu_dereference(kvm->arch.irqs.routes, &kvm->arch.irqs.srcu);
	if (routes && test_bit(vector, routes->level_vectors)) {
		__set_bit(vector, irq->eois);
		irq->eoi_waits = true;
	}
	srcu_read_unlock(&kvm->arch.irqs.srcu, idx);
}

bool apic_tells(struct kvm_vcpu *vcpu)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;
	unsigned int vector = find_first_bit(irq->eois, IRQ_VECTORS);
	struct kvm_run *run = vcpu->run;

	if (irq->tpr_told) {
		irq->tpr_told = false;
		run->exit_reason = KVM_EXIT_TPR_ACCESS;
		run->tpr_access.rip = irq->tpr_rip;
		run->tpr_access.is_write = irq->tpr_write;
		return true;
	}
	irq->eoi_waits = vector < IRQ_VECTORS;
	if (!irq->eoi_waits)
		return false;
	__clear_bit(vector, irq->eois);
	run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	run->eoi.vector = vector;
	return true;
}

/* The PIT's is an edge, of whose end an IOAPIC hears nothing, but the PIT has to. */
static void look_for_tick(struct kvm *kvm, u8 ended)
{
	if (likely(ended != READ_ONCE(kvm->arch.irqs.tick_vector)))
		return;
	WRITE_ONCE(kvm->arch.irqs.tick_vector, 0);
	pit_acked(kvm, PIT_GSI);
}

static void carry_out(struct kvm_vcpu *vcpu, const struct lapic_effects *effects)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;

	vcpu->arch.cr8 = lapic_tpr(&irq->lapic) >> 4;
	if (effects->what & (LAPIC_ADDRESS | LAPIC_EXTINT))
		publish(vcpu);
	if (effects->what & LAPIC_ADDRESS)
		chips_apic_enabled(vcpu->kvm);
	if (effects->what & LAPIC_TELL_EOI)
		tell_eoi(vcpu, effects->vector);
	if (effects->vector)
		look_for_tick(vcpu->kvm, effects->vector);
	if (effects->what & LAPIC_TIMER)
		timer_arm(vcpu);
	if (effects->what & LAPIC_SEND)
		irq_send(vcpu->kvm, vcpu, &effects->msg);
}

/*
 * Registers, as the guest sees them
 */

bool apic_has(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	const struct vcpu_irq *irq = &vcpu->arch.irq;

	return irq->in_kernel && irq->lapic.mode == LAPIC_XAPIC &&
	       (gpa ^ vcpu->arch.msrs.apic_base) >> PAGE_SHIFT == 0;
}

static void note_tpr(struct kvm_vcpu *vcpu, u32 offset, bool write)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;

	if (!irq->tell_tpr || offset != LAPIC_TPR)
		return;
	irq->tpr_told = true;
	irq->tpr_write = write;
	irq->tpr_rip = vcpu->arch.state.rip;
}

/*
 * Registers are 32 bits wide and 16 bytes apart, and other accesses are undefined (SDM 10.4.1).
 * Here a read gets the bytes that it asks for, and what is between registers is 0; a write has to
 * be of a whole register.
 */
void apic_access(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, void *data, bool write)
{
	struct lapic *lapic = &vcpu->arch.irq.lapic;
	u32 offset = offset_in_page(gpa), value = 0;
	struct lapic_effects effects;

	note_tpr(vcpu, offset, write);
	if (!write) {
		memset(data, 0, len);
		if (offset % 16 + len > sizeof(value))
			return;
		value = lapic_read(lapic, round_down(offset, 16), now_ns());
		memcpy(data, (void *)&value + offset % 16, len);
		return;
	}
	if (offset % 16 || len < sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	effects = lapic_write(lapic, offset, value, now_ns());
	carry_out(vcpu, &effects);
}

int apic_msr_get(struct kvm_vcpu *vcpu, u32 msr, u64 *data)
{
	if (!vcpu->arch.irq.in_kernel)
		return -EINVAL;
	return lapic_msr_read(&vcpu->arch.irq.lapic, msr, now_ns(), data);
}

int apic_msr_set(struct kvm_vcpu *vcpu, u32 msr, u64 data)
{
	struct lapic_effects effects = { };
	int r;

	if (!vcpu->arch.irq.in_kernel)
		return -EINVAL;
	r = lapic_msr_write(&vcpu->arch.irq.lapic, msr, data, now_ns(), &effects);
	if (!r)
		carry_out(vcpu, &effects);
	return r;
}

u64 apic_tsc_deadline(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.irq.in_kernel ? lapic_tsc_deadline(&vcpu->arch.irq.lapic) : 0;
}

void apic_set_tsc_deadline(struct kvm_vcpu *vcpu, u64 tsc, bool outside)
{
	struct lapic *lapic = &vcpu->arch.irq.lapic;

	if (!vcpu->arch.irq.in_kernel)
		return;
	if (outside ? lapic_restore_tsc_deadline(lapic, tsc) : lapic_set_tsc_deadline(lapic, tsc))
		timer_arm(vcpu);
}

void apic_base_changed(struct kvm_vcpu *vcpu)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;
	struct lapic_effects effects;

	if (!irq->in_kernel)
		return;
	effects = lapic_set_base(&irq->lapic, vcpu->arch.msrs.apic_base);
	carry_out(vcpu, &effects);
}

void apic_features_changed(struct kvm_vcpu *vcpu)
{
	/* the PICs' interrupts are the boot processor's */
	vcpu->arch.irq.lapic.features = (irq_is_boot(vcpu) ? LAPIC_LINT0_EXTINT : 0) |
		(vcpu->arch.cpuid.has_tsc_deadline ? LAPIC_HAS_TSC_DEADLINE : 0) |
		(vcpu->arch.msrs.mcg_cap & MCG_CMCI_P ? LAPIC_HAS_CMCI : 0);
}

void apic_set_cr8(struct kvm_vcpu *vcpu, u64 cr8)
{
	vcpu->arch.cr8 = cr8;
	if (vcpu->arch.irq.in_kernel)
		lapic_set_tpr(&vcpu->arch.irq.lapic, cr8 << 4);
}

/*
 * Old systems lower and raise TPR all the time.  Userspace replaces the instructions that do so by
 * code that works on a copy in memory, and enters the hypervisor when that lets an interrupt in.
 */

long apic_tpr_reporting(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_tpr_access_ctl control;

	if (copy_from_user(&control, argp, sizeof(control)))
		return -EFAULT;
	if (control.flags)
		return -EINVAL;
	vcpu->arch.irq.tell_tpr = control.enabled;
	return copy_to_user(argp, &control, sizeof(control)) ? -EFAULT : 0;
}

long apic_set_vapic(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_vapic_addr address;

	if (copy_from_user(&address, argp, sizeof(address)))
		return -EFAULT;
	if (!vcpu->arch.irq.in_kernel || !IS_ALIGNED(address.vapic_addr, sizeof(u32)))
		return -EINVAL;
	vcpu->arch.irq.vapic = address.vapic_addr;
	return 0;
}

/* TPR, the priority in service, and what waits, in bytes 0, 1 and 3: what that code reads. */
void apic_to_vapic(struct kvm_vcpu *vcpu)
{
	struct lapic *lapic = &vcpu->arch.irq.lapic;
	int irr = max(lapic_highest_irr(lapic), 0), isr = max(lapic_highest_isr(lapic), 0);
	u8 copy[4] = { lapic_tpr(lapic), isr & 0xf0, 0, irr };

	kvm_write_guest(vcpu->kvm, vcpu->arch.irq.vapic, copy, sizeof(copy));
}

void apic_from_vapic(struct kvm_vcpu *vcpu)
{
	u8 tpr;

	if (kvm_read_guest(vcpu->kvm, vcpu->arch.irq.vapic, &tpr, sizeof(tpr)))
		return;
	lapic_set_tpr(&vcpu->arch.irq.lapic, tpr);
	vcpu->arch.cr8 = tpr >> 4;
}

/*
 * Registers, as userspace sees them
 */

long apic_get(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_lapic_state state;

	if (!vcpu->arch.irq.in_kernel)
		return -EINVAL;
	apic_sync(vcpu);
	lapic_get_state(&vcpu->arch.irq.lapic, &state, now_ns(),
			READ_ONCE(vcpu->kvm->arch.irqs.wide_ids));
	return copy_to_user(argp, &state, sizeof(state)) ? -EFAULT : 0;
}

/* What was sent before is not in the new registers, and not in a note any more. */
static void forget_posted(struct kvm_vcpu *vcpu)
{
	unsigned long vectors;
	unsigned int i, bit;

	hrtimer_cancel(&vcpu->arch.irq.timer);
	atomic_andnot(INBOX_IRQ | INBOX_TIMER, &vcpu->arch.inbox);
	for (i = 0; i < BITS_TO_LONGS(IRQ_VECTORS); i++) {
		vectors = xchg(&vcpu->arch.irq.posted[i], 0);
		for_each_set_bit(bit, &vectors, BITS_PER_LONG)
			refuse(vcpu, i * BITS_PER_LONG + bit);
	}
}

static void everything_changed(struct kvm_vcpu *vcpu)
{
	vcpu->arch.cr8 = lapic_tpr(&vcpu->arch.irq.lapic) >> 4;
	vcpu->run->cr8 = vcpu->arch.cr8;
	publish(vcpu);
	chips_apic_enabled(vcpu->kvm);
	timer_arm(vcpu);
}

long apic_set(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_lapic_state state;
	int r;

	if (!vcpu->arch.irq.in_kernel)
		return -EINVAL;
	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	r = lapic_set_state(&vcpu->arch.irq.lapic, &state, now_ns(),
			    READ_ONCE(vcpu->kvm->arch.irqs.wide_ids));
	if (r)
		return r;
	forget_posted(vcpu);
	everything_changed(vcpu);
	return 0;
}

/*
 * Life
 */

void apic_reset(struct kvm_vcpu *vcpu, bool init)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;

	if (!irq->in_kernel)
		return;
	lapic_reset(&irq->lapic, vcpu->id, init);
	if (!init)
		forget_posted(vcpu);
	bitmap_zero(irq->eois, IRQ_VECTORS);
	everything_changed(vcpu);
}

int apic_create(struct kvm_vcpu *vcpu)
{
	struct vcpu_irq *irq = &vcpu->arch.irq;

	hrtimer_init(&irq->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	irq->timer.function = timer_rings;
	seqcount_init(&irq->seq);
	apic_features_changed(vcpu);
	irq->in_kernel = vcpu->kvm->arch.irqs.where != IRQ_USERSPACE;
	return 0;
}

void apic_destroy(struct kvm_vcpu *vcpu)
{
	hrtimer_cancel(&vcpu->arch.irq.timer);
}
