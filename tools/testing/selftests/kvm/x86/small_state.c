// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vCPU's small ioctls: KVM_GET/SET_MP_STATE, KVM_TRANSLATE and
 * KVM_GET/SET_TSC_KHZ.
 */
#include "kvm_test.h"

VM_FIXTURE(small_state)

TEST_F(small_state, mp_state)
{
	struct kvm_mp_state state = { .mp_state = 0xa5a5 };

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_MP_STATE, &state));
	EXPECT_EQ((uint32_t)KVM_MP_STATE_RUNNABLE, state.mp_state);
	EXPECT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_MP_STATE, &state));
	state.mp_state = 0x1234;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_MP_STATE, &state));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_SET_MP_STATE, NULL));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_MP_STATE, &state));
	EXPECT_EQ((uint32_t)KVM_MP_STATE_RUNNABLE, state.mp_state);
	ASSERT_SETTLED(self->vm);
}

static struct kvm_translation translate(struct vm *vm, uint64_t address)
{
	struct kvm_translation t = { .linear_address = address, .physical_address = ~0ULL };

	if (vcpu_ioctl(vm, KVM_TRANSLATE, &t))
		t.valid = 0xff;
	return t;
}

TEST_F(small_state, translate)
{
	struct kvm_translation t = translate(self->vm, DATA + 0x123);

	EXPECT_EQ(1, t.valid);
	EXPECT_EQ(DATA + 0x123ULL, t.physical_address);
	*pte_of(self->vm, DATA) = CODE | 1;
	t = translate(self->vm, DATA + 0x123);
	EXPECT_EQ(1, t.valid);
	EXPECT_EQ(CODE + 0x123ULL, t.physical_address);
	*pte_of(self->vm, DATA) = 0;
	t = translate(self->vm, DATA + 0x123);
	EXPECT_EQ(0, t.valid);
}

TEST_F(small_state, translate_large_page)
{
	struct kvm_translation t = translate(self->vm, MMIO + 0x12345);

	EXPECT_EQ(1, t.valid);
	EXPECT_EQ(MMIO + 0x12345ULL, t.physical_address);
}

TEST_F(small_state, translate_nothing)
{
	EXPECT_EQ(0, translate(self->vm, 0x8000000000).valid);
	EXPECT_EQ(0, translate(self->vm, 0x40000000).valid);
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_TRANSLATE, NULL));
}

/* Reading the tables from outside leaves their accessed bits alone or not. */
TEST_F(small_state, translate_without_paging)
{
	struct vm fresh;
	struct kvm_translation t;
	uint8_t *mem = vm_alloc();

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(NULL, (void *)vm_create_on(&fresh, 0, mem));
	t = translate(&fresh, 0x123456);
	EXPECT_EQ(1, t.valid);
	EXPECT_EQ(0x123456ULL, t.physical_address);
	vm_destroy(&fresh);
}

TEST_F(small_state, tsc_khz)
{
	long khz;

	NEED_CAP(self->vm, KVM_CAP_GET_TSC_KHZ);
	khz = ioctl(self->vm->vcpu, KVM_GET_TSC_KHZ, 0L);
	EXPECT_LT(1000, khz);
	EXPECT_EQ(0, ioctl(self->vm->vcpu, KVM_SET_TSC_KHZ, khz));
	EXPECT_EQ(khz, ioctl(self->vm->vcpu, KVM_GET_TSC_KHZ, 0L));
	EXPECT_EQ(0, ioctl(self->vm->vcpu, KVM_SET_TSC_KHZ, 0L));
	EXPECT_EQ(khz, ioctl(self->vm->vcpu, KVM_GET_TSC_KHZ, 0L));
	ASSERT_SETTLED(self->vm);
}

TEST_F(small_state, tsc_khz_without_scaling)
{
	long khz = ioctl(self->vm->vcpu, KVM_GET_TSC_KHZ, 0L);

	if (kvm_check(self->vm->fd, KVM_CAP_TSC_CONTROL))
		SKIP(return, "this processor scales the TSC");
	EXPECT_EQ(-1, ioctl(self->vm->vcpu, KVM_SET_TSC_KHZ, khz / 4));
	EXPECT_EQ(khz, ioctl(self->vm->vcpu, KVM_GET_TSC_KHZ, 0L));
}

TEST_HARNESS_MAIN
