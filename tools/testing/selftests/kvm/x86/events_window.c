// SPDX-License-Identifier: GPL-2.0-only
/*
 * What struct kvm_run says about interrupts, after state was set from outside:
 * at the first exit, and before any.
 */
#include "kvm_test.h"

VM_FIXTURE(window)

TEST_F(window, c82_first_exit_after_a_move)
{
	struct kvm_run *run;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_OUT(self->vm, PORT_DONE);
	run = self->vm->run;
	EXPECT_EQ(1, run->if_flag);
	EXPECT_EQ(1, run->ready_for_interrupt_injection);
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_OUT(self->vm, PORT_DONE);
	run = self->vm->run;
	EXPECT_EQ(0, run->if_flag);
	EXPECT_EQ(0, run->ready_for_interrupt_injection);
}

TEST_F(window, c82_after_set_regs)
{
	struct kvm_run *run = self->vm->run;

	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0, run->if_flag);
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	EXPECT_EQ(1, run->if_flag);
	EXPECT_EQ(1, run->ready_for_interrupt_injection);
	vm_start(self->vm, GA(rt_done), 0);
	EXPECT_EQ(0, run->if_flag);
	EXPECT_EQ(0, run->ready_for_interrupt_injection);
}

TEST_F(window, c82_after_set_events)
{
	struct kvm_vcpu_events none = { .flags = KVM_VCPUEVENT_VALID_SHADOW };
	struct kvm_run *run = self->vm->run;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(1, run->ready_for_interrupt_injection);
	ASSERT_EQ(0, events_set(self->vm, events_irq(0x40)));
	EXPECT_EQ(0, run->ready_for_interrupt_injection);
	ASSERT_EQ(0, events_set(self->vm, none));
	EXPECT_EQ(1, run->ready_for_interrupt_injection);
	none.interrupt.shadow = 3;
	ASSERT_EQ(0, events_set(self->vm, none));
	EXPECT_EQ(0, run->ready_for_interrupt_injection);
	EXPECT_EQ(1, run->if_flag);
}

TEST_F(window, c82_after_set_sregs)
{
	struct kvm_run *run = self->vm->run;
	struct kvm_sregs sregs;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(1, run->ready_for_interrupt_injection);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.interrupt_bitmap[1] = 1;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	EXPECT_EQ(0, run->ready_for_interrupt_injection);
}

TEST_F(window, c82_injected_means_not_ready)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, events_set(self->vm, events_irq(0x40)));
	self->vm->run->immediate_exit = 1;
	ASSERT_EQ(-EINTR, vm_run(self->vm));
	EXPECT_EQ(0, self->vm->run->ready_for_interrupt_injection);
}

TEST_HARNESS_MAIN
