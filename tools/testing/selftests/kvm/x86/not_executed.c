// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_EXIT_INTERNAL_ERROR for an instruction that would have to be executed in software: its bytes
 * come with it, and the vCPU stands at it.
 */
#include "kvm_test.h"

#define HAS_BYTES	KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES

FIXTURE(not_executed) {
	struct vm vm[1];
};

FIXTURE_SETUP(not_executed)
{
	VM_SETUP(self->vm, 0);
	if (kvm_check(self->vm->fd, KVM_CAP_EXIT_ON_EMULATION_FAILURE) <= 0)
		SKIP(_exit(255), "KVM_CAP_EXIT_ON_EMULATION_FAILURE is not offered");
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1));
}

FIXTURE_TEARDOWN(not_executed)
{
	vm_destroy(self->vm);
}

/* A load by the x87 from a device; no KVM has ever executed that. */
GUEST(code_flds,
	"mov $" STR(MMIO) ", %edi\n"
	"code_flds_itself:\n"
	"flds (%rdi)\n"
	"code_flds_after:\n"
	"jmp rt_done");
LABEL(code_flds_itself);
LABEL(code_flds_after);

static void expect_bytes(struct __test_metadata *_metadata, struct vm *vm, const uint8_t *bytes,
			 unsigned int size)
{
	struct kvm_run *run = vm->run;

	ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, vm_run(vm)) {
		TH_LOG("%s; %s", vm_why(vm), log_text(vm));
	}
	EXPECT_EQ((unsigned int)KVM_INTERNAL_ERROR_EMULATION, run->emulation_failure.suberror);
	ASSERT_LE(3U, run->emulation_failure.ndata);
	ASSERT_EQ(HAS_BYTES, run->emulation_failure.flags);
	ASSERT_LE(size, run->emulation_failure.insn_size);
	ASSERT_GE(15, run->emulation_failure.insn_size);
	EXPECT_EQ(0, memcmp(bytes, run->emulation_failure.insn_bytes, size));
}

TEST_F(not_executed, bytes)
{
	vm_start(self->vm, GA(code_flds), 0);
	expect_bytes(_metadata, self->vm, code_flds_itself, 2);
	EXPECT_EQ(GA(code_flds_itself), vm_rip(self->vm));
}

/* Userspace may execute it, and go on behind it. */
TEST_F(not_executed, skipped)
{
	struct kvm_regs regs;

	vm_start(self->vm, GA(code_flds), 0);
	expect_bytes(_metadata, self->vm, code_flds_itself, 2);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	regs.rip = GA(code_flds_after);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 0);
}

/* Its second byte is on another page. */
TEST_F(not_executed, across_pages)
{
	uint64_t at = STACK - 1;
	struct kvm_regs regs = {
		.rip = at, .rflags = RFLAGS_FIXED, .rsp = STACK_TOP, .rdi = MMIO,
	};

	memcpy(self->vm->mem + at, code_flds_itself, 2);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
	expect_bytes(_metadata, self->vm, code_flds_itself, 2);
}

/* And where it cannot be fetched, there is nothing to be told. */
TEST_F(not_executed, no_code)
{
	struct kvm_run *run = self->vm->run;

	vm_start(self->vm, MMIO, 0);
	ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, vm_run(self->vm));
	EXPECT_EQ((unsigned int)KVM_INTERNAL_ERROR_EMULATION, run->emulation_failure.suberror);
	EXPECT_EQ(0ULL, run->emulation_failure.flags);
	EXPECT_EQ((uint64_t)MMIO, vm_rip(self->vm));
}

TEST_F(not_executed, value)
{
	EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 2));
	EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1ULL << 32));
}

TEST_HARNESS_MAIN
