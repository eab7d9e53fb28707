// SPDX-License-Identifier: GPL-2.0-only
/*
 * A triple fault that is pending, set or come about, ends in a shutdown exit,
 * not before the vCPU runs and not less after it was moved.
 */
#include "kvm_test.h"

VM_FIXTURE(triple)

static struct kvm_vcpu_events triple_fault(void)
{
	struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT };

	events.triple_fault.pending = 1;
	return events;
}

TEST_F(triple, c68_shutdown)
{
	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	ASSERT_EQ(0, events_set(self->vm, triple_fault()));
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm));
	ASSERT_EVENTS(self->vm, 0);
}

TEST_F(triple, c68_shutdown_moved)
{
	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	ASSERT_EQ(0, events_set(self->vm, triple_fault()));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm));
}

TEST_F(triple, c68_not_with_immediate_exit)
{
	struct kvm_vcpu_events events;

	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	ASSERT_EQ(0, events_set(self->vm, triple_fault()));
	self->vm->run->immediate_exit = 1;
	ASSERT_EQ(-EINTR, vm_run(self->vm));
	self->vm->run->immediate_exit = 0;
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.triple_fault.pending);
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm));
}

TEST_F(triple, c68_taken_back)
{
	struct kvm_vcpu_events none = { .flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT };

	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	ASSERT_EQ(0, events_set(self->vm, triple_fault()));
	ASSERT_EQ(0, events_set(self->vm, none));
	ASSERT_SETTLED(self->vm);
}

/* Also without the capability, for a fault that the guest made itself. */
GUEST(triple_ud,
	"ud2\n"
	"jmp rt_done");

TEST_F(triple, c68_by_the_guest)
{
	struct kvm_sregs sregs;

	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 0));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.idt.limit = 0;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	vm_start(self->vm, GA(triple_ud), 0);
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm));
	ASSERT_EVENTS(self->vm, 0);
}

TEST_F(triple, c90_double_fault_without_a_gate)
{
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	if (!probe_double_fault())
		SKIP(return, "this processor does not combine faults with an injected one");
	idt_absent(self->vm, 8);
	ASSERT_EQ(0, events_set(self->vm, events_exception(8, 0, true)));
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm)) {
		TH_LOG("%s; %s", vm_why(self->vm), log_text(self->vm));
	}
}

TEST_F(triple, c90_double_fault_without_any_gate)
{
	struct kvm_sregs sregs;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.idt.limit = 0;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, events_set(self->vm, events_exception(8, 0, true)));
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm));
}

TEST_HARNESS_MAIN
