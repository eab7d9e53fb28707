// SPDX-License-Identifier: GPL-2.0-only
/*
 * A halted vCPU is woken by what was restored into it, injected or pending.
 *
 * Kernels that keep the halted state for in-kernel controllers refuse
 * KVM_MP_STATE_HALTED here; there only what follows KVM_EXIT_HLT is tested.
 */
#include "kvm_test.h"

GUEST(halt_hlt,
	"hlt\n"
	"halt_hlt_after:\n"
	"jmp rt_done");
LABEL(halt_hlt_after);

FIXTURE(halt) {
	struct vm vm[1];
	uint64_t rip;
	bool halted;
};

FIXTURE_VARIANT(halt) {
	bool by_mp_state;
};

FIXTURE_VARIANT_ADD(halt, mp_state) { .by_mp_state = true };
FIXTURE_VARIANT_ADD(halt, hlt) { .by_mp_state = false };

FIXTURE_SETUP(halt)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_HALTED };
	int err;

	VM_SETUP(self->vm, 0);
	if (variant->by_mp_state) {
		self->rip = GA(rt_done);
		vm_start(self->vm, self->rip, RFLAGS_IF);
		err = vcpu_ioctl(self->vm, KVM_SET_MP_STATE, &state);
		self->halted = !err;
		ASSERT_TRUE(!err || err == -EINVAL);
	} else {
		self->rip = GA(halt_hlt_after);
		vm_start(self->vm, GA(halt_hlt), RFLAGS_IF);
		ASSERT_EQ(KVM_EXIT_HLT, vm_run(self->vm));
		self->halted = true;
	}
}

FIXTURE_TEARDOWN(halt)
{
	vm_destroy(self->vm);
}

#define NEED_HALTED()							\
do {									\
	if (!self->halted)						\
		SKIP(return, "halted needs an in-kernel controller here"); \
} while (0)

TEST_F(halt, c79_injected_irq)
{
	NEED_HALTED();
	ASSERT_EQ(0, events_set(self->vm, events_irq(0x40)));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_H(self->vm, 0x40, NO_EC, self->rip);
}

TEST_F(halt, c79_injected_nmi)
{
	NEED_HALTED();
	ASSERT_EQ(0, events_set(self->vm, events_nmi(1, 0, 0)));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_H(self->vm, 2, NO_EC, self->rip);
}

TEST_F(halt, c79_injected_exception)
{
	NEED_HALTED();
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0x18, false)));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_H(self->vm, 13, 0x18, self->rip);
}

TEST_F(halt, c80_pending_exception)
{
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	NEED_HALTED();
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0x18, true)));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_H(self->vm, 13, 0x18, self->rip);
}

TEST_F(halt, c80_pending_nmi)
{
	NEED_HALTED();
	ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 1, 0)));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_H(self->vm, 2, NO_EC, self->rip);
}

TEST_F(halt, c80_triple_fault)
{
	struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT };

	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	NEED_HALTED();
	events.triple_fault.pending = 1;
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm));
}

TEST_HARNESS_MAIN
