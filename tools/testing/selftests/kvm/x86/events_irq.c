// SPDX-License-Identifier: GPL-2.0-only
/*
 * External interrupts, with the controllers in userspace: delivered once,
 * when the guest can take them, wherever they were stopped.
 */
#include "kvm_test.h"

GUEST(irq_sti,
	OUT_MARK
	OUT_MARK
	"sti\n"
	"nop\n"
	"irq_sti_after:\n"
	"nop\n"
	"jmp rt_done");
LABEL(irq_sti_after);

FIXTURE(irq) {
	struct vm vm[1];
};

FIXTURE_VARIANT(irq) {
	int (*carry_on)(struct vm *vm);
};

FIXTURE_VARIANT_ADD(irq, moved) { .carry_on = vm_move };
FIXTURE_VARIANT_ADD(irq, in_place) { .carry_on = vm_in_place };

FIXTURE_SETUP(irq)
{
	VM_SETUP(self->vm, 0);
}

FIXTURE_TEARDOWN(irq)
{
	vm_destroy(self->vm);
}

TEST_F(irq, c53_injected)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, events_set(self->vm, events_irq(0x40)));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_H(self->vm, 0x40, NO_EC, GA(rt_done));
	EXPECT_EQ(RFLAGS_IF | RFLAGS_FIXED, log_at(self->vm, 0)->rflags);
}

TEST_F(irq, c53_stopped_at_the_stack)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vm_interrupt(self->vm, 0x40));
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, STACK));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	vm_mend(self->vm, STACK);
	ASSERT_H(self->vm, 0x40, NO_EC, GA(rt_done));
}

TEST_F(irq, c53_stopped_at_the_idt)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vm_interrupt(self->vm, 0xff));
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, IDT));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	vm_mend(self->vm, IDT);
	ASSERT_H(self->vm, 0xff, NO_EC, GA(rt_done));
}

/* Delivery is over when the handler's code is fetched: nothing to repeat. */
TEST_F(irq, c53_stopped_at_the_handler)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vm_interrupt(self->vm, 0x40));
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, STUB(0x40)));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	vm_mend(self->vm, STUB(0x40));
	ASSERT_H(self->vm, 0x40, NO_EC, GA(rt_done));
}

TEST_F(irq, c54_waits_for_sti)
{
	vm_start(self->vm, GA(irq_sti), 0);
	ASSERT_EQ(0, events_set(self->vm, events_irq(0x40)));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EVENTS(self->vm, 0);
	ASSERT_H(self->vm, 0x40, NO_EC, GA(irq_sti_after));
}

/* The same, carried on between the two exits while it waits. */
TEST_F(irq, c54_waits_across_a_move)
{
	vm_start(self->vm, GA(irq_sti), 0);
	ASSERT_EQ(0, events_set(self->vm, events_irq(0x40)));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EVENTS(self->vm, 0);
	ASSERT_H(self->vm, 0x40, NO_EC, GA(irq_sti_after));
}

TEST_F(irq, c75_kvm_interrupt)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vm_interrupt(self->vm, 0x61));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_H(self->vm, 0x61, NO_EC, GA(rt_done));
}

TEST_F(irq, c75_events_take_it_back)
{
	struct kvm_vcpu_events none = {};

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vm_interrupt(self->vm, 0x61));
	ASSERT_CARRIED(none, 0);
}

/* c112: the same interrupt in SREGS and in the events is one interrupt. */
TEST_F(irq, c112_bitmap_and_events)
{
	struct kvm_sregs sregs;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, events_set(self->vm, events_irq(0x40)));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(1ULL, sregs.interrupt_bitmap[1]);
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_H(self->vm, 0x40, NO_EC, GA(rt_done));
}

/* c113: set, then set to nothing. */
TEST_F(irq, c113_set_then_cleared)
{
	struct kvm_vcpu_events none = {};

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, events_set(self->vm, events_irq(0x40)));
	ASSERT_CARRIED(none, 0);
}

TEST_HARNESS_MAIN
