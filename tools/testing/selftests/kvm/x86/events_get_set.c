// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM_SET_VCPU_EVENTS was given, KVM_GET_VCPU_EVENTS gives back, and
 * nothing besides.  Nothing runs here.
 */
#include "kvm_test.h"

#define GET_FLAGS	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW | \
			 KVM_VCPUEVENT_VALID_SMM)
#define GET_FLAGS_ALL	(GET_FLAGS | KVM_VCPUEVENT_VALID_PAYLOAD | \
			 KVM_VCPUEVENT_VALID_TRIPLE_FAULT)

VM_FIXTURE(get_set)

/* Flags that GET reports, with the capabilities that this kernel has. */
static uint32_t flags_of(struct vm *vm)
{
	uint32_t flags = GET_FLAGS;

	if (kvm_check(vm->fd, KVM_CAP_EXCEPTION_PAYLOAD))
		flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (kvm_check(vm->fd, KVM_CAP_X86_TRIPLE_FAULT_EVENT))
		flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	return flags;
}

TEST_F(get_set, c01_nothing)
{
	struct kvm_vcpu_events none = {}, want = {}, seen;

	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXCEPTION_PAYLOAD, 0));
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 0));
	ASSERT_EQ(0, events_set(self->vm, none));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	want.flags = GET_FLAGS;
	EXPECT_EVENTS_EQ(&want, &seen);
}

TEST_F(get_set, c02_flags_follow_the_capabilities)
{
	struct kvm_vcpu_events seen;

	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXCEPTION_PAYLOAD, 1));
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(GET_FLAGS_ALL, seen.flags);
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXCEPTION_PAYLOAD, 0));
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 0));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(GET_FLAGS, seen.flags);
}

/* #DF and #AC have an error code that is always 0. */
static int64_t ec_for(unsigned int vector)
{
	if (!vector_has_ec(vector))
		return NO_EC;
	return vector == 8 || vector == 17 ? 0 : 0x2a;
}

TEST_F(get_set, c03_injected_exceptions)
{
	struct kvm_vcpu_events want, seen;
	unsigned int nr;

	for (nr = 0; nr < 32; nr++) {
		if (nr >= 2 && nr <= 4)
			continue;
		want = events_exception(nr, ec_for(nr), false);
		ASSERT_EQ(0, events_set(self->vm, want));
		ASSERT_EQ(0, events_get(self->vm, &seen));
		want.flags = flags_of(self->vm);
		EXPECT_EVENTS_EQ(&want, &seen);
	}
}

GUEST(code_int3, "int3\njmp rt_done");
GUEST(code_int80, "int $0x80\njmp rt_done");

/* With RIP at INT3, the instruction is what is saved: it will do it again. */
TEST_F(get_set, c03_soft_exception_at_its_instruction)
{
	struct kvm_vcpu_events want = {}, seen;

	want.flags = flags_of(self->vm);
	vm_start(self->vm, GA(code_int3), 0);
	ASSERT_EQ(0, events_set(self->vm, events_exception(3, NO_EC, false)));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EVENTS_EQ(&want, &seen);
}

/* Elsewhere nothing would bring it back, so it has to be in the image. */
TEST_F(get_set, c03_soft_exceptions_elsewhere)
{
	struct kvm_vcpu_events want, seen;
	unsigned int nr;

	for (nr = 3; nr <= 4; nr++) {
		want = events_exception(nr, NO_EC, false);
		ASSERT_EQ(0, events_set(self->vm, want));
		ASSERT_EQ(0, events_get(self->vm, &seen));
		want.flags = flags_of(self->vm);
		EXPECT_EVENTS_EQ(&want, &seen);
	}
}

TEST_F(get_set, c04_pending_exceptions)
{
	struct kvm_vcpu_events want, seen;
	unsigned int nr;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	for (nr = 0; nr < 32; nr++) {
		if (nr >= 2 && nr <= 4)
			continue;
		want = events_exception(nr, ec_for(nr), true);
		ASSERT_EQ(0, events_set(self->vm, want));
		ASSERT_EQ(0, events_get(self->vm, &seen));
		want.flags = flags_of(self->vm);
		EXPECT_EVENTS_EQ(&want, &seen);
	}
}

static uint64_t dr6_of(struct vm *vm)
{
	struct kvm_debugregs debugregs = {};

	vcpu_ioctl(vm, KVM_GET_DEBUGREGS, &debugregs);
	return debugregs.dr6;
}

static uint64_t cr2_of(struct vm *vm)
{
	struct kvm_sregs sregs = {};

	vcpu_ioctl(vm, KVM_GET_SREGS, &sregs);
	return sregs.cr2;
}

TEST_F(get_set, c05_db_payload)
{
	static const uint32_t payloads[] = { 0x4000, 1, 0xf, 0x2000, 0x8000, 0x800, 0x10000 };
	struct kvm_vcpu_events want, seen;
	size_t i;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	for (i = 0; i < ARRAY_SIZE(payloads); i++) {
		want = events_payload(1, NO_EC, payloads[i]);
		ASSERT_EQ(0, events_set(self->vm, want));
		ASSERT_EQ(0, events_get(self->vm, &seen));
		want.flags = flags_of(self->vm);
		EXPECT_EVENTS_EQ(&want, &seen);
		EXPECT_EQ(DR6_INIT, dr6_of(self->vm));
	}
}

TEST_F(get_set, c06_pf_payload)
{
	static const uint64_t payloads[] = {
		0, 0xffff800000000123, 0x00007fffffffffff, 0xff00000000000456, 0x00ffffffffffffff,
	};
	struct kvm_vcpu_events want, seen;
	size_t i;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	for (i = 0; i < ARRAY_SIZE(payloads); i++) {
		want = events_payload(14, 0x6, payloads[i]);
		ASSERT_EQ(0, events_set(self->vm, want));
		ASSERT_EQ(0, events_get(self->vm, &seen));
		want.flags = flags_of(self->vm);
		EXPECT_EVENTS_EQ(&want, &seen);
		EXPECT_EQ(0ULL, cr2_of(self->vm));
	}
}

TEST_F(get_set, c07_interrupts)
{
	struct kvm_vcpu_events want, seen;
	unsigned int nr;

	for (nr = 0x20; nr < 0x100; nr++) {
		want = events_irq(nr);
		ASSERT_EQ(0, events_set(self->vm, want));
		ASSERT_EQ(0, events_get(self->vm, &seen));
		want.flags = flags_of(self->vm);
		EXPECT_EVENTS_EQ(&want, &seen);
	}
}

TEST_F(get_set, c07_soft_interrupt_is_hidden)
{
	struct kvm_vcpu_events events = events_irq(0x80), want = {}, seen;

	vm_start(self->vm, GA(code_int80), 0);
	events.interrupt.soft = 1;
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	want.flags = flags_of(self->vm);
	EXPECT_EVENTS_EQ(&want, &seen);
}

/* Two at most; one while another is being handled or about to be. */
static unsigned int nmi_cap(unsigned int injected, unsigned int pending, unsigned int masked)
{
	unsigned int cap = injected || masked ? 1 : 2;

	return pending < cap ? pending : cap;
}

static void check_nmi(struct __test_metadata *_metadata, struct vm *vm, unsigned int injected,
		      unsigned int pending, unsigned int masked)
{
	struct kvm_vcpu_events want = events_nmi(injected, pending, masked), seen;

	ASSERT_EQ(0, events_set(vm, want));
	ASSERT_EQ(0, events_get(vm, &seen));
	want.nmi.pending = nmi_cap(injected, pending, masked);
	want.flags = flags_of(vm);
	EXPECT_EVENTS_EQ(&want, &seen);
}

TEST_F(get_set, c08_nmi)
{
	unsigned int i;

	for (i = 0; i < 12; i++)
		check_nmi(_metadata, self->vm, i & 1, i >> 2, i >> 1 & 1);
}

TEST_F(get_set, c08_nmi_one)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		check_nmi(_metadata, self->vm, i & 1, i >> 2, i >> 1 & 1);
}

TEST_F(get_set, c09_nmi_count)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		check_nmi(_metadata, self->vm, i & 1, 3, i >> 1);
		check_nmi(_metadata, self->vm, i & 1, 255, i >> 1);
	}
}

static unsigned int shadow_after(struct vm *vm, unsigned int shadow)
{
	struct kvm_vcpu_events seen;

	if (events_shadow(vm, shadow) || events_get(vm, &seen))
		return ~0U;
	return seen.interrupt.shadow;
}

/* Processors that know one kind of shadow report both bits. */
TEST_F(get_set, c10_shadow)
{
	bool one_kind = shadow_after(self->vm, 1) == 3;

	EXPECT_EQ(0U, shadow_after(self->vm, 0));
	EXPECT_EQ(one_kind ? 3U : 1U, shadow_after(self->vm, 1));
	EXPECT_EQ(one_kind ? 3U : 2U, shadow_after(self->vm, 2));
	EXPECT_EQ(one_kind ? 3U : 1U, shadow_after(self->vm, 3));
	EXPECT_EQ(0U, shadow_after(self->vm, 0));
}

TEST_F(get_set, c10_shadow_other_bits)
{
	EXPECT_EQ(0U, shadow_after(self->vm, 4));
	EXPECT_EQ(0U, shadow_after(self->vm, 0xfc));
	EXPECT_EQ(shadow_after(self->vm, 3), shadow_after(self->vm, 255));
}

TEST_F(get_set, c10_capability)
{
	EXPECT_EQ(1, kvm_check(self->vm->fd, KVM_CAP_INTR_SHADOW));
	EXPECT_EQ(1, kvm_check(self->vm->kvm, KVM_CAP_INTR_SHADOW));
	EXPECT_EQ(1, kvm_check(self->vm->fd, KVM_CAP_VCPU_EVENTS));
}

TEST_F(get_set, c13_triple_fault)
{
	struct kvm_vcpu_events set = { .flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT }, none = {}, seen;

	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	set.triple_fault.pending = 1;
	ASSERT_EQ(0, events_set(self->vm, set));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(1, seen.triple_fault.pending);
	ASSERT_EQ(0, events_set(self->vm, none));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(1, seen.triple_fault.pending);
	set.triple_fault.pending = 0;
	ASSERT_EQ(0, events_set(self->vm, set));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(0, seen.triple_fault.pending);
}

TEST_F(get_set, c14_sipi_vector_is_not_reported)
{
	struct kvm_vcpu_events set = {
		.flags = KVM_VCPUEVENT_VALID_SIPI_VECTOR, .sipi_vector = 0x10,
	}, seen;

	ASSERT_EQ(0, events_set(self->vm, set));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(0U, seen.sipi_vector);
	EXPECT_EQ(0U, seen.flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR);
}

TEST_F(get_set, c15_fields_without_flag_stay)
{
	struct kvm_vcpu_events set = events_nmi(0, 1, 0), none = {}, before, seen;

	set.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	set.interrupt.shadow = 3;
	ASSERT_EQ(0, events_set(self->vm, set));
	ASSERT_EQ(0, events_get(self->vm, &before));
	EXPECT_EQ(1, before.nmi.pending);
	EXPECT_NE(0, before.interrupt.shadow);
	ASSERT_EQ(0, events_set(self->vm, none));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EVENTS_EQ(&before, &seen);
}

/* Those that need no flag are replaced every time. */
TEST_F(get_set, c15_fields_with_no_flag_go)
{
	struct kvm_vcpu_events set = events_exception(13, 0x18, false), none = {}, seen;

	set.interrupt.injected = 1;
	set.interrupt.nr = 0x33;
	set.nmi.injected = 1;
	set.nmi.masked = 1;
	ASSERT_EQ(0, events_set(self->vm, set));
	ASSERT_EQ(0, events_set(self->vm, none));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(0, seen.exception.injected);
	EXPECT_EQ(0, seen.exception.pending);
	EXPECT_EQ(0, seen.interrupt.injected);
	EXPECT_EQ(0, seen.nmi.injected);
	EXPECT_EQ(0, seen.nmi.masked);
}

/* What is not valid reads zero. */
TEST_F(get_set, c15_nothing_stale)
{
	struct kvm_vcpu_events none = {}, want = {}, seen;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	want.flags = flags_of(self->vm);
	ASSERT_EQ(0, events_set(self->vm, events_payload(14, 2, 0x123456)));
	ASSERT_EQ(0, events_set(self->vm, none));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EVENTS_EQ(&want, &seen);
	ASSERT_EQ(0, events_set(self->vm, events_irq(0x77)));
	ASSERT_EQ(0, events_set(self->vm, none));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EVENTS_EQ(&want, &seen);
}

TEST_F(get_set, c18_reserved_reads_zero)
{
	struct kvm_vcpu_events set = {}, want = {}, seen;

	memset(set.reserved, 0x5a, sizeof(set.reserved));
	set.nmi.pad = 0x5a;
	ASSERT_EQ(0, events_set(self->vm, set));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	want.flags = flags_of(self->vm);
	EXPECT_EVENTS_EQ(&want, &seen);
}

/* What was restored since the last KVM_RUN stays: registers may be restored after the events. */
TEST_F(get_set, c109_set_regs_keeps_what_was_restored)
{
	struct kvm_vcpu_events seen;
	struct kvm_regs regs;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0, true)));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(1, seen.exception.pending);
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0, false)));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(1, seen.exception.injected);
}

TEST_HARNESS_MAIN
