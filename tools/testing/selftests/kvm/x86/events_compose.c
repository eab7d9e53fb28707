// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several events at once: none is dropped because another went first, and
 * they come in the order of their priority.
 *
 * The order shows in the RIPs: an NMI that follows something is taken at the
 * first instruction of its handler, an interrupt only when that has ended.
 */
#include "kvm_test.h"

FIXTURE(compose) {
	struct vm vm[1];
};

FIXTURE_VARIANT(compose) {
	int (*carry_on)(struct vm *vm);
};

FIXTURE_VARIANT_ADD(compose, moved) { .carry_on = vm_move };
FIXTURE_VARIANT_ADD(compose, in_place) { .carry_on = vm_in_place };

FIXTURE_SETUP(compose)
{
	VM_SETUP(self->vm, 0);
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
}

FIXTURE_TEARDOWN(compose)
{
	vm_destroy(self->vm);
}

static void add_irq(struct kvm_vcpu_events *events, unsigned int vector)
{
	events->interrupt.injected = 1;
	events->interrupt.nr = vector;
}

TEST_F(compose, c83_nmi_and_irq)
{
	struct kvm_vcpu_events events = events_nmi(1, 0, 0);

	add_irq(&events, 0x40);
	ASSERT_CARRIED(events, 2);
	EXPECT_EVENT(self->vm, 0, 2, NO_EC, GA(rt_done));
	EXPECT_EVENT(self->vm, 1, 0x40, NO_EC, GA(rt_done));
}

TEST_F(compose, c84_exception_nmi_and_irq)
{
	struct kvm_vcpu_events events = events_exception(13, 0x18, false);

	events.nmi.injected = 1;
	add_irq(&events, 0x40);
	ASSERT_CARRIED(events, 3);
	EXPECT_EVENT(self->vm, 0, 2, NO_EC, STUB(13));
	EXPECT_EVENT(self->vm, 1, 13, 0x18, GA(rt_done));
	EXPECT_EVENT(self->vm, 2, 0x40, NO_EC, GA(rt_done));
}

/* Everything that can be set, and two more NMIs behind it. */
TEST_F(compose, c84_everything)
{
	struct kvm_vcpu_events events = events_exception(13, 0x18, false);
	unsigned int i, nmis = 0;

	events.nmi.injected = 1;
	events.nmi.pending = 1;
	events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
	add_irq(&events, 0x40);
	ASSERT_CARRIED(events, 4);
	for (i = 0; i < 4; i++)
		nmis += log_at(self->vm, i)->vector == 2;
	EXPECT_EQ(2U, nmis);
	EXPECT_EVENT(self->vm, 0, 2, NO_EC, STUB(13));
}

TEST_F(compose, c85_pending_exception_and_irq)
{
	struct kvm_vcpu_events events = events_exception(5, NO_EC, true);

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	add_irq(&events, 0x40);
	ASSERT_CARRIED(events, 2);
	EXPECT_EVENT(self->vm, 0, 5, NO_EC, GA(rt_done));
	EXPECT_EVENT(self->vm, 1, 0x40, NO_EC, GA(rt_done));
}

TEST_F(compose, c85_injected_exception_and_irq)
{
	struct kvm_vcpu_events events = events_exception(14, 2, false);

	add_irq(&events, 0x40);
	ASSERT_CARRIED(events, 2);
	EXPECT_EVENT(self->vm, 0, 14, 2, GA(rt_done));
	EXPECT_EVENT(self->vm, 1, 0x40, NO_EC, GA(rt_done));
}

/* The interrupt waits for more than the exception's handler: for STI. */
GUEST(compose_sti,
	OUT_MARK
	"sti\n"
	"nop\n"
	"compose_sti_after:\n"
	"jmp rt_done");
LABEL(compose_sti_after);

TEST_F(compose, c85_irq_waits_behind_an_exception)
{
	struct kvm_vcpu_events events = events_exception(14, 2, false);

	vm_start(self->vm, GA(compose_sti), 0);
	add_irq(&events, 0x40);
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EVENTS(self->vm, 1);
	EXPECT_EVENT(self->vm, 0, 14, 2, GA(compose_sti));
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 2);
	EXPECT_EVENT(self->vm, 1, 0x40, NO_EC, GA(compose_sti_after));
}

TEST_F(compose, c86_debug_trap_and_nmi)
{
	struct kvm_vcpu_events events = events_payload(1, NO_EC, 0x4000);

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	events.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
	events.nmi.pending = 1;
	ASSERT_CARRIED(events, 2);
	EXPECT_EVENT(self->vm, 0, 2, NO_EC, STUB(1));
	EXPECT_EVENT(self->vm, 1, 1, NO_EC, GA(rt_done));
	EXPECT_EQ(0xffff4ff0ULL, log_at(self->vm, 1)->dr6);
}

TEST_F(compose, c87_irq_and_pending_nmi)
{
	struct kvm_vcpu_events events = events_irq(0x40);

	events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
	events.nmi.pending = 1;
	ASSERT_CARRIED(events, 2);
	EXPECT_EVENT(self->vm, 0, 2, NO_EC, STUB(0x40));
	EXPECT_EVENT(self->vm, 1, 0x40, NO_EC, GA(rt_done));
}

#define NEED_DOUBLE_FAULT()						\
do {									\
	if (!probe_double_fault())					\
		SKIP(return, "this processor does not combine faults with an injected one"); \
} while (0)

TEST_F(compose, c88_page_fault_without_a_gate)
{
	NEED_DOUBLE_FAULT();
	idt_absent(self->vm, 14);
	ASSERT_EQ(0, events_set(self->vm, events_exception(14, 2, false)));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_H(self->vm, 8, 0, GA(rt_done));
}

#define NEED_EXT()							\
do {									\
	if (!probe_ext())						\
		SKIP(return, "this processor does not set EXT in error codes"); \
} while (0)

TEST_F(compose, c89_debug_trap_without_a_gate)
{
	NEED_EXT();
	idt_absent(self->vm, 1);
	ASSERT_EQ(0, events_set(self->vm, events_exception(1, NO_EC, false)));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_H(self->vm, 11, 1 << 3 | 3, GA(rt_done));
}

TEST_F(compose, c89_irq_without_a_gate)
{
	NEED_EXT();
	idt_absent(self->vm, 0x40);
	ASSERT_EQ(0, events_set(self->vm, events_irq(0x40)));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_H(self->vm, 11, 0x40 << 3 | 3, GA(rt_done));
}

TEST_F(compose, c91_set_replaces)
{
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0x18, false)));
	ASSERT_EQ(0, events_set(self->vm, events_exception(14, 2, true)));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_H(self->vm, 14, 2, GA(rt_done));
}

static int inject_db(struct vm *vm)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB,
	};

	return vcpu_ioctl(vm, KVM_SET_GUEST_DEBUG, &debug);
}

/* Refused, or put behind the page fault; in no case in place of it. */
TEST_F(compose, c92_inject_db_over_a_page_fault)
{
	int err;

	ASSERT_EQ(0, events_set(self->vm, events_exception(14, 2, false)));
	err = inject_db(self->vm);
	ASSERT_TRUE(!err || err == -EBUSY);
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_SETTLED(self->vm);
	EXPECT_NE(0U, log_count(self->vm));
	EXPECT_EVENT(self->vm, log_count(self->vm) - 1, 14, 2, ANY_RIP);
}

TEST_F(compose, c92_inject_db_over_a_pending_one)
{
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	ASSERT_EQ(0, events_set(self->vm, events_exception(14, 2, true)));
	EXPECT_EQ(-EBUSY, inject_db(self->vm));
	ASSERT_H(self->vm, 14, 2, GA(rt_done));
}

/* The instruction that faulted is repeated after #MC, and faults again. */
GUEST(compose_touch,
	"compose_touch_again:\n"
	"movl $1, " STR(DATA) "\n"
	"jmp rt_done");

GUEST(compose_map,
	"orl $7, " STR(PT) " + (" STR(DATA) " >> 12) * 8\n"
	"ret");

TEST_F(compose, c93_machine_check_over_a_page_fault)
{
	struct kvm_x86_mce mce = {
		.status = 1ULL << 63 | 1ULL << 61 | 1ULL << 60, .mcg_status = 5, .bank = 0,
	};
	uint64_t mcg_cap = 1ULL << 24 | 1ULL << 8 | 1;
	struct kvm_sregs sregs;

	NEED_CAP(self->vm, KVM_CAP_MCE);
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	if (vcpu_ioctl(self->vm, KVM_X86_SETUP_MCE, &mcg_cap))
		SKIP(return, "machine checks cannot be set up");
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.cr4 |= 0x40;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	*pte_of(self->vm, DATA) = DATA;
	handler_hook(self->vm, 14, GA(compose_map));
	vm_start(self->vm, GA(compose_touch), 0);
	ASSERT_EQ(0, events_set(self->vm, events_payload(14, 2, DATA)));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_X86_SET_MCE, &mce));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 2);
	EXPECT_EVENT(self->vm, 0, 18, NO_EC, GA(compose_touch));
	EXPECT_EVENT(self->vm, 1, 14, 2, GA(compose_touch));
}

TEST_HARNESS_MAIN
