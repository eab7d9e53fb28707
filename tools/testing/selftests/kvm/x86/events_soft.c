// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software interrupts and exceptions: INT n, INT3, INTO and INT1, stopped in
 * the midst of their delivery and carried on, or set from outside.  The RIP
 * that the handler finds must be that after the instruction, once.
 *
 * The first half runs twice: taken to a new VM (moved), and written back into
 * the same vCPU (in_place).
 */
#include "kvm_test.h"

GUEST(soft_int3,
	"int3\n"
	"soft_int3_after:\n"
	"jmp rt_done");
LABEL(soft_int3_after);

GUEST(soft_int80,
	"int $0x80\n"
	"soft_int80_after:\n"
	"jmp rt_done");
LABEL(soft_int80_after);

GUEST(soft_int1,
	".byte 0xf1\n"
	"soft_int1_after:\n"
	"jmp rt_done");
LABEL(soft_int1_after);

/* INTO is an instruction in compatibility mode only. */
GUEST(soft_into,
	".code32\n"
	"into\n"
	"soft_into_after:\n"
	"out %al, $" STR(PORT_DONE) "\n"
	"jmp soft_into_after");
LABEL(soft_into_after);

GUEST(soft_nop,
	"nop\n"
	"jmp rt_done");

FIXTURE(stopped) {
	struct vm vm[1];
};

FIXTURE_VARIANT(stopped) {
	int (*carry_on)(struct vm *vm);
};

FIXTURE_VARIANT_ADD(stopped, moved) { .carry_on = vm_move };
FIXTURE_VARIANT_ADD(stopped, in_place) { .carry_on = vm_in_place };

FIXTURE_SETUP(stopped)
{
	VM_SETUP(self->vm, 0);
}

FIXTURE_TEARDOWN(stopped)
{
	vm_destroy(self->vm);
}

TEST_F(stopped, c45_int3)
{
	vm_start(self->vm, GA(soft_int3), 0);
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, STACK));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	vm_mend(self->vm, STACK);
	ASSERT_H(self->vm, 3, NO_EC, GA(soft_int3_after));
}

TEST_F(stopped, c46_int_0x80)
{
	vm_start(self->vm, GA(soft_int80), 0);
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, STACK));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	vm_mend(self->vm, STACK);
	ASSERT_H(self->vm, 0x80, NO_EC, GA(soft_int80_after));
}

TEST_F(stopped, c46_int_0x80_at_the_idt)
{
	vm_start(self->vm, GA(soft_int80), 0);
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, IDT));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	vm_mend(self->vm, IDT);
	ASSERT_H(self->vm, 0x80, NO_EC, GA(soft_int80_after));
}

TEST_F(stopped, c47_into)
{
	struct kvm_sregs sregs;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.cs.selector = SEL_CODE32;
	sregs.cs.l = 0;
	sregs.cs.db = 1;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	vm_start(self->vm, GA(soft_into), RFLAGS_OF);
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, STACK));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	vm_mend(self->vm, STACK);
	ASSERT_H(self->vm, 4, NO_EC, GA(soft_into_after));
	EXPECT_EQ(SEL_CODE32, log_at(self->vm, 0)->cs);
}

/* Some emulated processors do not know INT1 at all. */
static bool has_int1(struct vm *vm)
{
	bool known;

	vm_start(vm, GA(soft_int1), 0);
	known = vm_run_out(vm) == PORT_DONE &&
		log_is(vm, 0, 1, NO_EC, GA(soft_int1_after));
	log_clear(vm);
	return known;
}

TEST_F(stopped, c48_int1)
{
	if (!has_int1(self->vm))
		SKIP(return, "this processor does not have INT1");
	vm_start(self->vm, GA(soft_int1), 0);
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, STACK));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	vm_mend(self->vm, STACK);
	ASSERT_H(self->vm, 1, NO_EC, GA(soft_int1_after));
	EXPECT_EQ(DR6_INIT, log_at(self->vm, 0)->dr6);
}

VM_FIXTURE(soft)

TEST_F(soft, c49_injected_bp_at_int3)
{
	vm_start(self->vm, GA(soft_int3), 0);
	ASSERT_EQ(0, events_set(self->vm, events_exception(3, NO_EC, false)));
	ASSERT_H(self->vm, 3, NO_EC, GA(soft_int3_after));
}

TEST_F(soft, c50_injected_bp_elsewhere)
{
	vm_start(self->vm, GA(soft_nop), 0);
	ASSERT_EQ(0, events_set(self->vm, events_exception(3, NO_EC, false)));
	ASSERT_H(self->vm, 3, NO_EC, GA(soft_nop));
}

TEST_F(soft, c50_injected_of_elsewhere)
{
	vm_start(self->vm, GA(soft_nop), 0);
	ASSERT_EQ(0, events_set(self->vm, events_exception(4, NO_EC, false)));
	ASSERT_H(self->vm, 4, NO_EC, GA(soft_nop));
}

static struct kvm_vcpu_events soft_irq(unsigned int nr)
{
	struct kvm_vcpu_events events = events_irq(nr);

	events.interrupt.soft = 1;
	return events;
}

TEST_F(soft, c51_soft_interrupt_at_int)
{
	vm_start(self->vm, GA(soft_int80), 0);
	ASSERT_EQ(0, events_set(self->vm, soft_irq(0x80)));
	ASSERT_H(self->vm, 0x80, NO_EC, GA(soft_int80_after));
}

TEST_F(soft, c51_soft_interrupt_elsewhere)
{
	vm_start(self->vm, GA(soft_nop), 0);
	ASSERT_EQ(0, events_set(self->vm, soft_irq(0x80)));
	ASSERT_H(self->vm, 0x80, NO_EC, GA(soft_nop));
}

/* Another vector than the instruction's: not that instruction's interrupt. */
TEST_F(soft, c51_soft_interrupt_at_another_int)
{
	vm_start(self->vm, GA(soft_int80), 0);
	ASSERT_EQ(0, events_set(self->vm, soft_irq(0x81)));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 2);
	EXPECT_EVENT(self->vm, 0, 0x81, NO_EC, GA(soft_int80));
	EXPECT_EVENT(self->vm, 1, 0x80, NO_EC, GA(soft_int80_after));
}

static int inject_bp(struct vm *vm)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP,
	};

	return vcpu_ioctl(vm, KVM_SET_GUEST_DEBUG, &debug);
}

TEST_F(soft, c52_inject_bp)
{
	vm_start(self->vm, GA(soft_nop), 0);
	ASSERT_EQ(0, inject_bp(self->vm));
	ASSERT_H(self->vm, 3, NO_EC, GA(soft_nop));
}

TEST_F(soft, c52_inject_bp_moved)
{
	vm_start(self->vm, GA(soft_nop), 0);
	ASSERT_EQ(0, inject_bp(self->vm));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_H(self->vm, 3, NO_EC, GA(soft_nop));
}

TEST_HARNESS_MAIN
