// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts from controllers in userspace: asking for the moment when one
 * can be taken, giving it, and the task priority in CR8.
 */
#include "kvm_test.h"

VM_FIXTURE(irq_window)

GUEST(code_cli_sti,
	OUT_MARK
	"sti\n"
	"nop\n"
	"code_open:\n"
	"nop\n"
	OUT_MARK
	"cli\n"
	OUT_MARK
	"jmp rt_done");
LABEL(code_open);

TEST_F(irq_window, ready_follows_if)
{
	struct kvm_run *run = self->vm->run;

	vm_start(self->vm, GA(code_cli_sti), 0);
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_EQ(0, run->if_flag);
	EXPECT_EQ(0, run->ready_for_interrupt_injection);
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_EQ(1, run->if_flag);
	EXPECT_EQ(1, run->ready_for_interrupt_injection);
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_EQ(0, run->if_flag);
	EXPECT_EQ(0, run->ready_for_interrupt_injection);
}

TEST_F(irq_window, opens_after_sti)
{
	struct kvm_run *run = self->vm->run;

	vm_start(self->vm, GA(code_cli_sti), 0);
	run->request_interrupt_window = 1;
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, vm_run(self->vm)) {
		TH_LOG("%s", vm_why(self->vm));
	}
	EXPECT_EQ(GA(code_open), vm_rip(self->vm));
	EXPECT_EQ(1, run->ready_for_interrupt_injection);
	EXPECT_EQ(1, run->if_flag);
	run->request_interrupt_window = 0;
	ASSERT_EQ(0, vm_interrupt(self->vm, 0x55));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EVENTS(self->vm, 1);
	EXPECT_EVENT(self->vm, 0, 0x55, NO_EC, GA(code_open));
}

TEST_F(irq_window, open_already)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	self->vm->run->request_interrupt_window = 1;
	ASSERT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, vm_run(self->vm));
	EXPECT_EQ(GA(rt_done), vm_rip(self->vm));
	self->vm->run->request_interrupt_window = 0;
	ASSERT_SETTLED(self->vm);
}

TEST_F(irq_window, not_asked_for_not_told)
{
	vm_start(self->vm, GA(code_cli_sti), 0);
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_SETTLED(self->vm);
}

TEST_F(irq_window, every_vector)
{
	unsigned int vector;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	for (vector = 32; vector < 256; vector++) {
		log_clear(self->vm);
		ASSERT_EQ(0, vm_interrupt(self->vm, vector));
		ASSERT_OUT(self->vm, PORT_DONE);
		ASSERT_EVENTS(self->vm, 1);
		EXPECT_EVENT(self->vm, 0, vector, NO_EC, ANY_RIP);
		EXPECT_EQ(1, self->vm->run->ready_for_interrupt_injection);
	}
}

TEST_F(irq_window, vector_out_of_range)
{
	EXPECT_EQ(-EINVAL, vm_interrupt(self->vm, 256));
	EXPECT_EQ(-EINVAL, vm_interrupt(self->vm, ~0U));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_INTERRUPT, NULL));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 0);
}

/* The interrupts of a device model that fires whenever it may. */
TEST_F(irq_window, one_after_the_other)
{
	struct kvm_run *run = self->vm->run;
	unsigned int i;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	for (i = 0; i < 200;) {
		int reason;

		run->request_interrupt_window = 1;
		reason = vm_run(self->vm);
		ASSERT_TRUE(reason == KVM_EXIT_IRQ_WINDOW_OPEN || reason == KVM_EXIT_IO);
		if (!run->ready_for_interrupt_injection)
			continue;
		ASSERT_EQ(0, vm_interrupt(self->vm, 0x40 + i % 64));
		i++;
	}
	run->request_interrupt_window = 0;
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 200);
	for (i = 0; i < 200; i++)
		EXPECT_EVENT(self->vm, i, 0x40 + i % 64, NO_EC, ANY_RIP);
}

GUEST(code_cr8,
	"mov %cr8, %rax\n"
	"mov %rax, " STR(DATA) "\n"
	"mov $9, %eax\n"
	"mov %rax, %cr8\n"
	OUT_MARK
	"mov $4, %eax\n"
	"mov %rax, %cr8\n"
	OUT_MARK
	"mov $16, %eax\n"
	"code_cr8_bad:\n"
	"mov %rax, %cr8\n"
	"jmp rt_done");
LABEL(code_cr8_bad);

/* The run page's CR8 goes in at each entry and comes out at each exit. */
TEST_F(irq_window, cr8)
{
	struct kvm_run *run = self->vm->run;
	struct kvm_sregs sregs;
	int reason;

	handler_skip(self->vm, 13, 4);
	vm_start(self->vm, GA(code_cr8), 0);
	run->cr8 = 5;
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_EQ(5, self->vm->mem[DATA]);
	EXPECT_EQ(9ULL, run->cr8);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(9ULL, sregs.cr8);
	reason = vm_run(self->vm);
	if (reason == KVM_EXIT_SET_TPR) {
		EXPECT_EQ(4ULL, run->cr8);
		reason = vm_run(self->vm);
	}
	ASSERT_EQ(KVM_EXIT_IO, reason);
	EXPECT_EQ(PORT_MARK, run->io.port);
	EXPECT_EQ(4ULL, run->cr8);
	ASSERT_H(self->vm, 13, 0, GA(code_cr8_bad));
	EXPECT_EQ(4ULL, run->cr8);
}

/* Lowering the priority is told at once: an interrupt may be waiting for it. */
TEST_F(irq_window, cr8_lowered_is_an_exit)
{
	struct kvm_run *run = self->vm->run;

	vm_start(self->vm, GA(code_cr8), 0);
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EQ(KVM_EXIT_SET_TPR, vm_run(self->vm)) {
		TH_LOG("%s", vm_why(self->vm));
	}
	EXPECT_EQ(4ULL, run->cr8);
	ASSERT_OUT(self->vm, PORT_MARK);
}

TEST_F(irq_window, nmi_needs_no_window)
{
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_H(self->vm, 2, NO_EC, GA(rt_done));
}

TEST_HARNESS_MAIN
