// SPDX-License-Identifier: GPL-2.0-only
/*
 * The seven state ioctls of a vCPU, in all of their 5040 orders, with something
 * pending of every kind: the SETs lead to one guest, the GETs to one image.
 *
 * With a local APIC in the kernel, its registers take the place of the FPU's,
 * which have nothing to do with events.
 *
 * Before each order everything in the vCPU is overwritten with something else
 * that is pending, so that nothing is right because it was there already.
 *
 * Where that takes too long ORDERS_STRIDE, in the environment, is told: 11 does
 * the first order and each eleventh behind it.  Prime to 7 and 6, it leads to each
 * of the ioctls in each place.
 */
#include <stdio.h>
#include <stdlib.h>
#include "kvm_test.h"

enum part { REGS, SREGS, XSAVE, MSRS, DEBUGREGS, MP_STATE, EVENTS, PARTS };

#define ORDERS		5040
#define OUTCOME_LOG	8		/* entries of the handlers' log that are compared */
#define MSR_TSC		0x10

/* What came of it: the first exit, the handlers' log, registers at the end. */
struct outcome {
	int first;
	unsigned int events;
	struct record log[OUTCOME_LOG];
	struct kvm_regs regs;
};

FIXTURE(orders) {
	struct vm vm[1];
	struct image *noise;
	struct image *wanted;
};

FIXTURE_VARIANT(orders) {
	void (*pend)(struct image *image);
	unsigned int flags;	/* of the VM */
};

static void nothing(struct image *image)
{
	(void)image;
}

static void fault_raised(struct image *image)
{
	image->events = events_payload(14, 2, 0x1234000);
}

static void fault_begun(struct image *image)
{
	image->events = events_exception(13, 0x18, false);
}

static void trap_raised(struct image *image)
{
	image->events = events_payload(1, NO_EC, 0x4001);
}

static void software_exception(struct image *image)
{
	image->events = events_exception(3, NO_EC, false);
}

static void software_interrupt(struct image *image)
{
	image->events = events_irq(0x80);
	image->events.interrupt.soft = 1;
}

static void interrupt(struct image *image)
{
	image->events = events_irq(0x40);
	image->sregs.interrupt_bitmap[1] = 1;
}

static void interrupt_masked(struct image *image)
{
	interrupt(image);
	image->regs.rflags &= ~RFLAGS_IF;
}

static void nmi_begun(struct image *image)
{
	image->events = events_nmi(1, 0, 0);
}

static void nmis_latched(struct image *image)
{
	image->events = events_nmi(0, 1, 0);
}

static void nmi_masked(struct image *image)
{
	image->events = events_nmi(0, 1, 1);
}

static void behind_sti(struct image *image)
{
	interrupt(image);
	image->events.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	image->events.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
}

static void behind_mov_ss(struct image *image)
{
	image->events = events_nmi(0, 1, 0);
	image->events.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	image->events.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
}

static void several(struct image *image)
{
	fault_begun(image);
	image->events.interrupt.injected = 1;
	image->events.interrupt.nr = 0x40;
	image->sregs.interrupt_bitmap[1] = 1;
	image->events.nmi.injected = 1;
	image->events.nmi.pending = 1;
	image->events.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
}

static void halted(struct image *image)
{
	interrupt(image);
	image->mp_state.mp_state = KVM_MP_STATE_HALTED;
}

static void triple_fault(struct image *image)
{
	image->events.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	image->events.triple_fault.pending = 1;
}

/* Local APICs: enabled, with something that waits, is in service, or is kept back. */

#define APIC_TPR	0x80
#define APIC_SVR	0xf0
#define APIC_ISR	0x100
#define APIC_IRR	0x200

static void put_lapic(struct image *image, unsigned int offset, uint32_t value)
{
	memcpy(image->lapic.regs + offset, &value, sizeof(value));
}

static void lapic_waits(struct image *image)
{
	put_lapic(image, APIC_SVR, 0x1ff);
	put_lapic(image, APIC_IRR + 0x20, 1 << 5);
	put_lapic(image, APIC_TPR, 0x2a);
	image->sregs.cr8 = 2;
}

static void lapic_kept_back(struct image *image)
{
	lapic_waits(image);
	put_lapic(image, APIC_TPR, 0x5a);
	image->sregs.cr8 = 5;
}

/* Case 77: acknowledged, not delivered. */
static void lapic_in_service(struct image *image)
{
	interrupt(image);
	put_lapic(image, APIC_SVR, 0x1ff);
	put_lapic(image, APIC_ISR + 0x20, 1);
	put_lapic(image, APIC_IRR + 0x10, 1 << 7);
}

static void lapic_halted(struct image *image)
{
	lapic_waits(image);
	image->mp_state.mp_state = KVM_MP_STATE_HALTED;
}

static void lapic_and_nmi(struct image *image)
{
	lapic_waits(image);
	image->events = events_nmi(0, 1, 0);
}

#define KIND(name)	FIXTURE_VARIANT_ADD(orders, name) { .pend = name }

KIND(nothing);
KIND(fault_raised);
KIND(fault_begun);
KIND(trap_raised);
KIND(software_exception);
KIND(software_interrupt);
KIND(interrupt);
KIND(interrupt_masked);
KIND(nmi_begun);
KIND(nmis_latched);
KIND(nmi_masked);
KIND(behind_sti);
KIND(behind_mov_ss);
KIND(several);
KIND(halted);
KIND(triple_fault);

#define APIC_KIND(name)	\
	FIXTURE_VARIANT_ADD(orders, name) { .pend = name, .flags = VM_IRQCHIP }

APIC_KIND(lapic_waits);
APIC_KIND(lapic_kept_back);
APIC_KIND(lapic_in_service);
APIC_KIND(lapic_halted);
APIC_KIND(lapic_and_nmi);

/* Registers that say by their values which image they are of. */
static void tag(struct image *image, unsigned int tag)
{
	unsigned int i, kept = 0;

	image->regs.rax = image->regs.rbx = tag * 0x0101010101010101ULL;
	image->regs.r8 = image->regs.r15 = ~image->regs.rax;
	image->regs.rflags |= RFLAGS_IF;
	image->sregs.cr2 = tag * 0x1000;
	image->debugregs.db[0] = image->debugregs.db[3] = tag * 0x10000;
	image->debugregs.dr6 = DR6_INIT | (tag & 2);
	memset(&image->xsave.region[40], tag, 16 * 16);	/* XMM0 to XMM15 */
	for (i = 0; i < image->nmsrs; i++) {
		/* time goes on */
		if (image->msrs.entry[i].index == MSR_TSC)
			continue;
		if (image->msrs.entry[i].index == 0xc0000102)
			image->msrs.entry[i].data = tag * 0x100000;
		image->msrs.entry[kept++] = image->msrs.entry[i];
	}
	image->nmsrs = kept;
}

/* The least flags that leave nothing of another image standing. */
static void say_all(struct kvm_vcpu_events *events)
{
	events->flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
			 KVM_VCPUEVENT_VALID_PAYLOAD | KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
}

static int set_part(struct vm *vm, struct image *image, enum part part)
{
	int done;

	switch (part) {
	case REGS:
		return vcpu_ioctl(vm, KVM_SET_REGS, &image->regs);
	case SREGS:
		return vcpu_ioctl(vm, KVM_SET_SREGS, &image->sregs);
	case XSAVE:
		if (image->has_lapic)
			return vcpu_ioctl(vm, KVM_SET_LAPIC, &image->lapic);
		if (!image->has_xsave)
			return vcpu_ioctl(vm, KVM_SET_FPU, &image->fpu);
		return vcpu_ioctl(vm, KVM_SET_XSAVE, &image->xsave);
	case MSRS:
		image->msrs.head.nmsrs = image->nmsrs;
		done = vcpu_ioctl(vm, KVM_SET_MSRS, &image->msrs);
		return done == (int)image->nmsrs ? 0 : -ENOMSG;
	case DEBUGREGS:
		return vcpu_ioctl(vm, KVM_SET_DEBUGREGS, &image->debugregs);
	case MP_STATE:
		return vcpu_ioctl(vm, KVM_SET_MP_STATE, &image->mp_state);
	default:
		return vcpu_ioctl(vm, KVM_SET_VCPU_EVENTS, &image->events);
	}
}

static int get_part(struct vm *vm, struct image *image, enum part part)
{
	int done;

	switch (part) {
	case REGS:
		return vcpu_ioctl(vm, KVM_GET_REGS, &image->regs);
	case SREGS:
		return vcpu_ioctl(vm, KVM_GET_SREGS, &image->sregs);
	case XSAVE:
		if (image->has_lapic)
			return vcpu_ioctl(vm, KVM_GET_LAPIC, &image->lapic);
		if (!image->has_xsave)
			return vcpu_ioctl(vm, KVM_GET_FPU, &image->fpu);
		return vcpu_ioctl(vm, KVM_GET_XSAVE, &image->xsave);
	case MSRS:
		image->msrs.head.nmsrs = image->nmsrs;
		done = vcpu_ioctl(vm, KVM_GET_MSRS, &image->msrs);
		return done == (int)image->nmsrs ? 0 : -ENOMSG;
	case DEBUGREGS:
		return vcpu_ioctl(vm, KVM_GET_DEBUGREGS, &image->debugregs);
	case MP_STATE:
		return vcpu_ioctl(vm, KVM_GET_MP_STATE, &image->mp_state);
	default:
		return vcpu_ioctl(vm, KVM_GET_VCPU_EVENTS, &image->events);
	}
}

FIXTURE_SETUP(orders)
{
	VM_SETUP(self->vm, variant->flags);
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	self->noise = calloc(1, sizeof(*self->noise));
	self->wanted = calloc(1, sizeof(*self->wanted));
	ASSERT_NE(NULL, self->noise);
	ASSERT_NE(NULL, self->wanted);
	ASSERT_EQ(0, image_get(self->vm, self->wanted));
	*self->noise = *self->wanted;
	tag(self->noise, 7);
	several(self->noise);
	self->noise->regs.rip = GA(rt_done) + 0x40;
	self->noise->events.interrupt.nr = 0x99;
	self->noise->sregs.interrupt_bitmap[1] = 0;
	self->noise->sregs.interrupt_bitmap[2] = 1ULL << (0x99 - 0x80);
	self->noise->events.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	self->noise->events.nmi.masked = 1;
	put_lapic(self->noise, APIC_SVR, 0x1ff);
	put_lapic(self->noise, APIC_IRR + 0x60, 0xff);
	put_lapic(self->noise, APIC_ISR + 0x70, 0xff);
	put_lapic(self->noise, APIC_TPR, 0xf7);
	self->noise->sregs.cr8 = 0xf;
	say_all(&self->noise->events);
	tag(self->wanted, 5);
	variant->pend(self->wanted);
	say_all(&self->wanted->events);
	if (set_part(self->vm, self->wanted, MP_STATE))
		SKIP(_exit(255), "KVM_MP_STATE_HALTED wants an in-kernel APIC");
}

FIXTURE_TEARDOWN(orders)
{
	free(self->noise);
	free(self->wanted);
	vm_destroy(self->vm);
}

/* Order number 0 to 5039, as a permutation: digits of the factorial base. */
static void make_order(unsigned int number, enum part order[PARTS])
{
	enum part left[PARTS];
	unsigned int i, digit;

	for (i = 0; i < PARTS; i++)
		left[i] = i;
	for (i = PARTS; i; i--) {
		digit = number % i;
		number /= i;
		order[PARTS - i] = left[digit];
		memmove(&left[digit], &left[digit + 1], (i - 1 - digit) * sizeof(left[0]));
	}
}

static unsigned int stride(void)
{
	const char *text = getenv("ORDERS_STRIDE");
	int value = text ? atoi(text) : 1;

	return value > 0 ? value : 1;
}

static const char *order_text(const enum part order[PARTS])
{
	static const char *const names[] = {
		"REGS", "SREGS", "XSAVE or LAPIC", "MSRS", "DEBUGREGS", "MP_STATE", "EVENTS",
	};
	static char text[80];
	unsigned int i, n = 0;

	for (i = 0; i < PARTS; i++)
		n += snprintf(text + n, sizeof(text) - n, " %s", names[order[i]]);
	return text;
}

static int set_in_order(struct vm *vm, struct image *image, const enum part order[PARTS])
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < PARTS && !err; i++)
		err = set_part(vm, image, order[i]);
	return err;
}

static int get_in_order(struct vm *vm, struct image *image, const enum part order[PARTS])
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < PARTS && !err; i++)
		err = get_part(vm, image, order[i]);
	return err;
}

/* To the end of what waits: the guest's code does nothing but say PORT_DONE. */
static void run_to_end(struct vm *vm, struct outcome *outcome)
{
	unsigned int i;

	memset(outcome, 0, sizeof(*outcome));
	log_clear(vm);
	outcome->first = vm_run_out(vm);
	if (outcome->first == PORT_DONE)
		vm_run_settled(vm);
	outcome->events = log_count(vm);
	for (i = 0; i < outcome->events && i < OUTCOME_LOG; i++)
		outcome->log[i] = *log_at(vm, i);
	vm_complete(vm);
	vcpu_ioctl(vm, KVM_GET_REGS, &outcome->regs);
}

TEST_F(orders, set)
{
	enum part order[PARTS];
	struct outcome wanted = { 0 }, seen = { 0 };
	struct image *read = calloc(1, sizeof(*read)), *again = calloc(1, sizeof(*again));
	unsigned int number;
	bool same, run;

	ASSERT_NE(NULL, read);
	ASSERT_NE(NULL, again);
	/* a processor that forgets shadows at exits has no answer: those come as the host likes */
	run = !self->wanted->events.interrupt.shadow || probe_shadow();
	/* once for nothing: the first run brings memory in, by exits that others have not */
	ASSERT_EQ(0, image_set(self->vm, self->wanted));
	run_to_end(self->vm, &wanted);
	memset(&wanted, 0, sizeof(wanted));
	for (number = 0; number < ORDERS; number += stride()) {
		make_order(number, order);
		ASSERT_EQ(0, image_set(self->vm, self->noise));
		ASSERT_EQ(0, set_in_order(self->vm, self->wanted, order)) {
			TH_LOG("order%s", order_text(order));
		}
		*again = *self->wanted;
		ASSERT_EQ(0, get_in_order(self->vm, again, order));
		if (run)
			run_to_end(self->vm, number ? &seen : &wanted);
		if (!number) {
			*read = *again;
			continue;
		}
		ASSERT_EVENTS_EQ(&read->events, &again->events);
		same = !memcmp(read, again, sizeof(*read)) &&
		       !memcmp(&wanted, &seen, sizeof(wanted));
		ASSERT_TRUE(same) {
			TH_LOG("order%s: exit %d, not %d; %s", order_text(order), seen.first,
			       wanted.first, log_text(self->vm));
		}
	}
	free(read);
	free(again);
}

TEST_F(orders, get)
{
	struct image *first = calloc(1, sizeof(*first)), *again = calloc(1, sizeof(*again));
	enum part order[PARTS];
	unsigned int number;

	ASSERT_NE(NULL, first);
	ASSERT_NE(NULL, again);
	ASSERT_EQ(0, image_set(self->vm, self->wanted));
	*first = *again = *self->wanted;
	for (number = 0; number < ORDERS; number += stride()) {
		make_order(number, order);
		ASSERT_EQ(0, get_in_order(self->vm, number ? again : first, order));
		ASSERT_EQ(0, number ? memcmp(first, again, sizeof(*first)) : 0) {
			TH_LOG("order%s", order_text(order));
		}
	}
	free(first);
	free(again);
}

TEST_HARNESS_MAIN
