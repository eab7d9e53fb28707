// SPDX-License-Identifier: GPL-2.0-only
/*
 * GET is pure and GET's output is SET's input, for many random legal states,
 * and for what a guest stopped in the midst of a delivery has.
 */
#include <stdlib.h>
#include "kvm_test.h"

#define ROUNDS	10000

VM_FIXTURE(any)

static unsigned int bit(unsigned int *seed)
{
	return rand_r(seed) >> 8 & 1;
}

static void random_exception(struct kvm_vcpu_events *events, unsigned int *seed)
{
	unsigned int nr = rand_r(seed) % 32;

	if (nr >= 2 && nr <= 4)
		return;
	events->exception.nr = nr;
	events->exception.has_error_code = vector_has_ec(nr);
	if (vector_has_ec(nr))
		events->exception.error_code = rand_r(seed) & 0xffff;
	if (bit(seed)) {
		events->exception.injected = 1;
		return;
	}
	events->exception.pending = 1;
	if ((nr == 1 || nr == 14) && bit(seed)) {
		events->exception_has_payload = 1;
		events->exception_payload = nr == 1 ? 1 << rand_r(seed) % 4 : rand_r(seed);
	}
}

/* Anything that a vCPU may be in, each part present or not. */
static struct kvm_vcpu_events random_events(unsigned int *seed)
{
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
			 KVM_VCPUEVENT_VALID_PAYLOAD | KVM_VCPUEVENT_VALID_TRIPLE_FAULT,
	};

	if (bit(seed))
		random_exception(&events, seed);
	if (bit(seed)) {
		events.interrupt.injected = 1;
		events.interrupt.nr = rand_r(seed);
	}
	events.interrupt.shadow = bit(seed) ? 3 : 0;
	events.nmi.injected = bit(seed);
	events.nmi.masked = bit(seed);
	events.nmi.pending = rand_r(seed) % 3;
	events.triple_fault.pending = !(rand_r(seed) >> 8 & 15);
	return events;
}

TEST_F(any, c16_get_twice)
{
	struct kvm_vcpu_events one, two;
	unsigned int seed = 1, i;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, events_set(self->vm, random_events(&seed)));
		ASSERT_EQ(0, events_get(self->vm, &one));
		ASSERT_EQ(0, events_get(self->vm, &two));
		ASSERT_EVENTS_EQ(&one, &two);
	}
}

TEST_F(any, c17_set_what_get_gave)
{
	struct kvm_vcpu_events one, two;
	unsigned int seed = 2, i;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, events_set(self->vm, random_events(&seed)));
		ASSERT_EQ(0, events_get(self->vm, &one));
		ASSERT_EQ(0, events_set(self->vm, one));
		ASSERT_EQ(0, events_get(self->vm, &two));
		ASSERT_EVENTS_EQ(&one, &two);
	}
}

/* The same state, whatever was there before. */
TEST_F(any, c17_no_residue)
{
	struct kvm_vcpu_events state, one, two;
	unsigned int seed = 3, i;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	for (i = 0; i < ROUNDS / 10; i++) {
		state = random_events(&seed);
		ASSERT_EQ(0, events_set(self->vm, random_events(&seed)));
		ASSERT_EQ(0, events_set(self->vm, state));
		ASSERT_EQ(0, events_get(self->vm, &one));
		ASSERT_EQ(0, events_set(self->vm, random_events(&seed)));
		ASSERT_EQ(0, events_set(self->vm, state));
		ASSERT_EQ(0, events_get(self->vm, &two));
		ASSERT_EVENTS_EQ(&one, &two);
	}
}

GUEST(any_int3,
	"int3\n"
	"any_int3_after:\n"
	"jmp rt_done");
LABEL(any_int3_after);

GUEST(any_nop,
	"nop\n"
	"any_nop_after:\n"
	"jmp rt_done");
LABEL(any_nop_after);

GUEST(any_ud,
	"ud2\n"
	"jmp rt_done");

GUEST(any_touch,
	"movl $1, " STR(DATA) "\n"
	"jmp rt_done");

/* GET, GET, SET, GET while an event hangs in the air; then it is delivered. */
static void check_stopped(struct __test_metadata *_metadata, struct vm *vm)
{
	struct kvm_vcpu_events one, two;

	ASSERT_EQ(-EFAULT, vm_stumble(vm, STACK));
	ASSERT_EQ(0, events_get(vm, &one));
	ASSERT_EQ(0, events_get(vm, &two));
	ASSERT_EVENTS_EQ(&one, &two);
	ASSERT_EQ(0, events_set(vm, one));
	ASSERT_EQ(0, events_get(vm, &two));
	ASSERT_EVENTS_EQ(&one, &two);
	vm_mend(vm, STACK);
}

TEST_F(any, c17_stopped_nmi)
{
	ASSERT_EQ(0, vm_nmi(self->vm));
	check_stopped(_metadata, self->vm);
	ASSERT_H(self->vm, 2, NO_EC, GA(rt_done));
}

TEST_F(any, c17_stopped_irq)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vm_interrupt(self->vm, 0x40));
	check_stopped(_metadata, self->vm);
	ASSERT_H(self->vm, 0x40, NO_EC, GA(rt_done));
}

TEST_F(any, c17_stopped_int3)
{
	vm_start(self->vm, GA(any_int3), 0);
	check_stopped(_metadata, self->vm);
	ASSERT_H(self->vm, 3, NO_EC, GA(any_int3_after));
}

TEST_F(any, c17_stopped_ud)
{
	handler_skip(self->vm, 6, 2);
	vm_start(self->vm, GA(any_ud), 0);
	check_stopped(_metadata, self->vm);
	ASSERT_H(self->vm, 6, NO_EC, GA(any_ud));
}

TEST_F(any, c17_stopped_page_fault)
{
	*pte_of(self->vm, DATA) = 0;
	handler_skip(self->vm, 14, 11);
	vm_start(self->vm, GA(any_touch), 0);
	check_stopped(_metadata, self->vm);
	ASSERT_H(self->vm, 14, 2, GA(any_touch));
	EXPECT_EQ((uint64_t)DATA, log_at(self->vm, 0)->cr2);
}

TEST_F(any, c17_stopped_step)
{
	vm_start(self->vm, GA(any_nop), RFLAGS_TF);
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, STACK));
	ASSERT_EQ(0, vm_move(self->vm));
	vm_mend(self->vm, STACK);
	vm_run_out(self->vm);
	EXPECT_EVENT(self->vm, 0, 1, NO_EC, GA(any_nop_after));
	EXPECT_EQ(0xffff4ff0ULL, log_at(self->vm, 0)->dr6);
}

TEST_HARNESS_MAIN
