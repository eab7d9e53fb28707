// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions set with KVM_SET_VCPU_EVENTS reach the guest: each exactly once,
 * with the right error code, RIP, RFLAGS, CR2 and DR6.
 */
#include "kvm_test.h"

#define CR2_OLD		0x1111000ULL
#define CR2_NEW		0xffff800012345678ULL

VM_FIXTURE(deliver)

static void set_cr2(struct vm *vm, uint64_t cr2)
{
	struct kvm_sregs sregs;

	vcpu_ioctl(vm, KVM_GET_SREGS, &sregs);
	sregs.cr2 = cr2;
	vcpu_ioctl(vm, KVM_SET_SREGS, &sregs);
}

static void set_dr6(struct vm *vm, uint64_t dr6)
{
	struct kvm_debugregs debugregs;

	vcpu_ioctl(vm, KVM_GET_DEBUGREGS, &debugregs);
	debugregs.dr6 = dr6;
	vcpu_ioctl(vm, KVM_SET_DEBUGREGS, &debugregs);
}

TEST_F(deliver, c33_pending_gp)
{
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0x1234, true)));
	ASSERT_H(self->vm, 13, 0x1234, GA(rt_done));
	EXPECT_EQ(RFLAGS_RF, log_at(self->vm, 0)->rflags & RFLAGS_RF);
}

TEST_F(deliver, c34_injected_gp)
{
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0x1234, false)));
	ASSERT_H(self->vm, 13, 0x1234, GA(rt_done));
	EXPECT_EQ(0, log_at(self->vm, 0)->rflags & RFLAGS_RF);
}

TEST_F(deliver, c34_injected_gp_keeps_rf)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_RF);
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0x1234, false)));
	ASSERT_H(self->vm, 13, 0x1234, GA(rt_done));
	EXPECT_EQ(RFLAGS_RF, log_at(self->vm, 0)->rflags & RFLAGS_RF);
}

TEST_F(deliver, c35_pending_pf_payload)
{
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	set_cr2(self->vm, CR2_OLD);
	ASSERT_EQ(0, events_set(self->vm, events_payload(14, 2, CR2_NEW)));
	ASSERT_H(self->vm, 14, 2, GA(rt_done));
	EXPECT_EQ(CR2_NEW, log_at(self->vm, 0)->cr2);
	EXPECT_EQ(RFLAGS_RF, log_at(self->vm, 0)->rflags & RFLAGS_RF);
}

TEST_F(deliver, c35_pending_pf_without_payload)
{
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	set_cr2(self->vm, CR2_OLD);
	ASSERT_EQ(0, events_set(self->vm, events_exception(14, 2, true)));
	ASSERT_H(self->vm, 14, 2, GA(rt_done));
	EXPECT_EQ(CR2_OLD, log_at(self->vm, 0)->cr2);
}

TEST_F(deliver, c36_injected_pf)
{
	set_cr2(self->vm, CR2_NEW);
	ASSERT_EQ(0, events_set(self->vm, events_exception(14, 7, false)));
	ASSERT_H(self->vm, 14, 7, GA(rt_done));
	EXPECT_EQ(CR2_NEW, log_at(self->vm, 0)->cr2);
}

TEST_F(deliver, c37_pending_db_bs)
{
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	ASSERT_EQ(0, events_set(self->vm, events_payload(1, NO_EC, 0x4000)));
	ASSERT_H(self->vm, 1, NO_EC, GA(rt_done));
	EXPECT_EQ(0xffff4ff0ULL, log_at(self->vm, 0)->dr6);
}

TEST_F(deliver, c37_pending_db_replaces_b0_to_b3)
{
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	set_dr6(self->vm, DR6_INIT | 5);
	ASSERT_EQ(0, events_set(self->vm, events_payload(1, NO_EC, 2)));
	ASSERT_H(self->vm, 1, NO_EC, GA(rt_done));
	EXPECT_EQ(DR6_INIT | 2, log_at(self->vm, 0)->dr6);
}

TEST_F(deliver, c37_pending_db_keeps_sticky_bits)
{
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	set_dr6(self->vm, DR6_INIT | 0x8000);
	ASSERT_EQ(0, events_set(self->vm, events_payload(1, NO_EC, 0x4001)));
	ASSERT_H(self->vm, 1, NO_EC, GA(rt_done));
	EXPECT_EQ(DR6_INIT | 0xc001, log_at(self->vm, 0)->dr6);
}

TEST_F(deliver, c38_injected_db)
{
	set_dr6(self->vm, DR6_INIT | 5);
	ASSERT_EQ(0, events_set(self->vm, events_exception(1, NO_EC, false)));
	ASSERT_H(self->vm, 1, NO_EC, GA(rt_done));
	EXPECT_EQ(DR6_INIT | 5, log_at(self->vm, 0)->dr6);
}

/* #DE #BR #UD #NM #TS #NP #SS #MF #AC #MC #XM, whose error codes all know. */
static const uint8_t well_known[] = { 0, 5, 6, 7, 10, 11, 12, 16, 17, 18, 19 };

static int64_t ec_for(unsigned int vector)
{
	if (!vector_has_ec(vector))
		return NO_EC;
	return vector == 17 || vector == 8 ? 0 : 0x58;
}

TEST_F(deliver, c39_injected_frames)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(well_known); i++) {
		unsigned int nr = well_known[i];

		log_clear(self->vm);
		vm_start(self->vm, GA(rt_done), 0);
		ASSERT_EQ(0, events_set(self->vm, events_exception(nr, ec_for(nr), false)));
		ASSERT_H(self->vm, nr, ec_for(nr), GA(rt_done));
		EXPECT_EQ(STACK_TOP, log_at(self->vm, 0)->rsp);
	}
}

TEST_F(deliver, c39_pending_frames)
{
	size_t i;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	for (i = 0; i < ARRAY_SIZE(well_known); i++) {
		unsigned int nr = well_known[i];

		log_clear(self->vm);
		vm_start(self->vm, GA(rt_done), 0);
		ASSERT_EQ(0, events_set(self->vm, events_exception(nr, ec_for(nr), true)));
		ASSERT_H(self->vm, nr, ec_for(nr), GA(rt_done));
		EXPECT_EQ(STACK_TOP, log_at(self->vm, 0)->rsp);
	}
}

/* Where there are no shadow stacks and no branch tracking, there is no #CP. */
static bool has_cp(void)
{
	uint32_t eax = 7, ebx, ecx = 0, edx;

	asm("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx & 1 << 7 || edx & 1 << 20;
}

TEST_F(deliver, c39_control_protection)
{
	if (!has_cp())
		SKIP(return, "this processor does not have #CP");
	ASSERT_EQ(0, events_set(self->vm, events_exception(21, 3, false)));
	ASSERT_H(self->vm, 21, 3, GA(rt_done));
}

TEST_F(deliver, c40_pending_df)
{
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	ASSERT_EQ(0, events_set(self->vm, events_exception(8, 0, true)));
	ASSERT_H(self->vm, 8, 0, GA(rt_done));
}

TEST_F(deliver, c40_injected_df)
{
	ASSERT_EQ(0, events_set(self->vm, events_exception(8, 0, false)));
	ASSERT_H(self->vm, 8, 0, GA(rt_done));
}

TEST_F(deliver, c41_ud_with_error_code)
{
	ASSERT_EQ(0, events_set(self->vm, events_exception(6, 0x77, false)));
	ASSERT_H(self->vm, 6, NO_EC, GA(rt_done));
}

TEST_F(deliver, c41_get_shows_no_error_code)
{
	struct kvm_vcpu_events events;

	ASSERT_EQ(0, events_set(self->vm, events_exception(6, 0x77, false)));
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.exception.injected);
	EXPECT_EQ(0, events.exception.has_error_code);
	EXPECT_EQ(0, events.exception.error_code);
}

TEST_F(deliver, c42_pf_without_error_code)
{
	ASSERT_EQ(0, events_set(self->vm, events_exception(14, NO_EC, false)));
	ASSERT_H(self->vm, 14, 0, GA(rt_done));
}

TEST_F(deliver, c42_get_shows_error_code)
{
	struct kvm_vcpu_events events;

	ASSERT_EQ(0, events_set(self->vm, events_exception(14, NO_EC, false)));
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.exception.has_error_code);
	EXPECT_EQ(0, events.exception.error_code);
}

TEST_F(deliver, c43_wide_error_code)
{
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0xabcd1234, false)));
	ASSERT_H(self->vm, 13, 0x1234, GA(rt_done));
}

TEST_F(deliver, c43_get_shows_16_bits)
{
	struct kvm_vcpu_events events;

	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0xabcd1234, false)));
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(0x1234U, events.exception.error_code);
}

/* Vectors of no exception, or of one without an error code. */
TEST_F(deliver, c44_reserved_vectors)
{
	static const uint8_t vectors[] = { 9, 15, 20, 22, 23, 24, 25, 26, 27, 28 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		log_clear(self->vm);
		vm_start(self->vm, GA(rt_done), 0);
		ASSERT_EQ(0, events_set(self->vm, events_exception(vectors[i], NO_EC, false)));
		ASSERT_H(self->vm, vectors[i], NO_EC, GA(rt_done));
	}
}

TEST_F(deliver, c44_vector_31)
{
	ASSERT_EQ(0, events_set(self->vm, events_exception(31, NO_EC, false)));
	ASSERT_H(self->vm, 31, NO_EC, GA(rt_done));
}

/* An exception that was delivered leaves nothing of itself in the image. */
TEST_F(deliver, c16_nothing_left_after_delivery)
{
	struct kvm_vcpu_events before, after;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	ASSERT_EQ(0, events_get(self->vm, &before));
	ASSERT_EQ(0, events_set(self->vm, events_payload(14, 2, CR2_NEW)));
	ASSERT_H(self->vm, 14, 2, GA(rt_done));
	ASSERT_EQ(0, events_get(self->vm, &after));
	EXPECT_EVENTS_EQ(&before, &after);
}

TEST_F(deliver, c16_nothing_left_of_an_interrupt)
{
	struct kvm_vcpu_events before, after;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, events_get(self->vm, &before));
	ASSERT_EQ(0, vm_interrupt(self->vm, 0x40));
	ASSERT_H(self->vm, 0x40, NO_EC, GA(rt_done));
	ASSERT_EQ(0, events_get(self->vm, &after));
	EXPECT_EVENTS_EQ(&before, &after);
}

/* Code of 64 and of 32 bits at once: no processor enters so. */
static int spoil_code(struct vm *vm, bool spoilt)
{
	struct kvm_sregs sregs;
	int err = vcpu_ioctl(vm, KVM_GET_SREGS, &sregs);

	sregs.cs.db = spoilt;
	return err ?: vcpu_ioctl(vm, KVM_SET_SREGS, &sregs);
}

/* What was to go in with an entry that is refused goes in with the next one. */
#define ASSERT_KEPT(vm, vector, ec)					\
do {									\
	ASSERT_EQ(0, spoil_code(vm, true));				\
	ASSERT_EQ(KVM_EXIT_FAIL_ENTRY, vm_run(vm)) {			\
		TH_LOG("%s", vm_why(vm));				\
	}								\
	ASSERT_EQ(0, spoil_code(vm, false));				\
	ASSERT_H(vm, vector, ec, GA(rt_done));				\
} while (0)

TEST_F(deliver, refused_entry_keeps_an_exception)
{
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0x18, false)));
	ASSERT_KEPT(self->vm, 13, 0x18);
}

TEST_F(deliver, refused_entry_keeps_an_interrupt)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vm_interrupt(self->vm, 0x40));
	ASSERT_KEPT(self->vm, 0x40, NO_EC);
}

TEST_F(deliver, refused_entry_keeps_an_nmi)
{
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_NMI, NULL));
	ASSERT_KEPT(self->vm, 2, NO_EC);
}

TEST_HARNESS_MAIN
