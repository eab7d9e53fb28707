// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls: the one that userspace answers, those that there are not, and the instruction of the
 * other vendor.
 */
#include <cpuid.h>
#include <linux/kvm_para.h>
#include "kvm_test.h"

#define MAP_RANGE	(1ULL << KVM_HC_MAP_GPA_RANGE)
#define NO_SUCH_CALL	0x7777

VM_FIXTURE(hypercall)

GUEST(code_vmcall, "vmcall\nmov %rax, " STR(DATA) "\njmp rt_done");
GUEST(code_vmmcall, "vmmcall\nmov %rax, " STR(DATA) "\njmp rt_done");

static bool is_amd(void)
{
	unsigned int eax, ebx, ecx, edx;

	__cpuid(0, eax, ebx, ecx, edx);
	return ebx == signature_AMD_ebx;
}

static uint64_t native(void)
{
	return is_amd() ? GA(code_vmmcall) : GA(code_vmcall);
}

static uint64_t foreign(void)
{
	return is_amd() ? GA(code_vmcall) : GA(code_vmmcall);
}

static void start(struct vm *vm, uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	struct kvm_regs regs = {
		.rip = native(), .rflags = RFLAGS_FIXED, .rsp = STACK_TOP,
		.rax = nr, .rbx = a0, .rcx = a1, .rdx = a2,
	};

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
}

/* The guest goes on behind the call, with this in RAX. */
static void expect_answer(struct __test_metadata *_metadata, struct vm *vm, int64_t answer)
{
	struct kvm_regs regs;

	ASSERT_OUT(vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_REGS, &regs));
	EXPECT_EQ((uint64_t)answer, regs.rax);
	EXPECT_EQ(0U, log_count(vm));
}

static void expect_asked(struct __test_metadata *_metadata, struct vm *vm)
{
	struct kvm_run *run = vm->run;

	ASSERT_EQ(KVM_EXIT_HYPERCALL, vm_run(vm)) {
		TH_LOG("%s", vm_why(vm));
	}
	EXPECT_EQ((uint64_t)KVM_HC_MAP_GPA_RANGE, run->hypercall.nr);
	EXPECT_EQ(0x3000ULL, run->hypercall.args[0]);
	EXPECT_EQ(5ULL, run->hypercall.args[1]);
	EXPECT_EQ(0x10ULL, run->hypercall.args[2]);
	EXPECT_EQ(1U, run->hypercall.longmode);
	EXPECT_EQ(native(), vm_rip(vm));
}

static void start_map(struct vm *vm)
{
	start(vm, KVM_HC_MAP_GPA_RANGE, 0x3000, 5, 0x10);
}

TEST_F(hypercall, none_there)
{
	start(self->vm, NO_SUCH_CALL, 0, 0, 0);
	expect_answer(_metadata, self->vm, -KVM_ENOSYS);
}

TEST_F(hypercall, not_for_userspace)
{
	struct kvm_sregs sregs;
	int64_t answer;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.cs.selector = SEL_USER_CODE;
	sregs.cs.dpl = 3;
	sregs.ss.selector = SEL_USER_DATA;
	sregs.ss.dpl = 3;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	start(self->vm, NO_SUCH_CALL, 0, 0, 0);
	/* OUT is #GP for it, again and again */
	vm_run_out(self->vm);
	EXPECT_LE(1U, log_count(self->vm));
	EXPECT_EQ(13ULL, log_at(self->vm, 0)->vector);
	memcpy(&answer, self->vm->mem + DATA, sizeof(answer));
	EXPECT_EQ(-KVM_EPERM, answer);
}

TEST_F(hypercall, mask)
{
	int mask = kvm_check(self->vm->fd, KVM_CAP_EXIT_HYPERCALL);

	NEED_CAP(self->vm, KVM_CAP_EXIT_HYPERCALL);
	EXPECT_EQ((int)MAP_RANGE, mask);
	EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, KVM_CAP_EXIT_HYPERCALL, MAP_RANGE | 1));
	EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, KVM_CAP_EXIT_HYPERCALL, MAP_RANGE << 32));
	start_map(self->vm);
	expect_answer(_metadata, self->vm, -KVM_ENOSYS);
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXIT_HYPERCALL, MAP_RANGE));
	start_map(self->vm);
	expect_asked(_metadata, self->vm);
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXIT_HYPERCALL, 0));
	start_map(self->vm);
	expect_answer(_metadata, self->vm, -KVM_ENOSYS);
}

static const struct {
	uint64_t gpa, pages;
} no_range[] = {
	{ 0x3001, 1 }, { 0x3000, 0 }, { 0x3000, ~0ULL }, { ~0xfffULL, ~0ULL },
};

TEST_F(hypercall, no_range)
{
	unsigned int i;

	NEED_CAP(self->vm, KVM_CAP_EXIT_HYPERCALL);
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXIT_HYPERCALL, MAP_RANGE));
	for (i = 0; i < ARRAY_SIZE(no_range); i++) {
		start(self->vm, KVM_HC_MAP_GPA_RANGE, no_range[i].gpa, no_range[i].pages, 0);
		expect_answer(_metadata, self->vm, -KVM_EINVAL);
	}
}

TEST_F(hypercall, answered)
{
	NEED_CAP(self->vm, KVM_CAP_EXIT_HYPERCALL);
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXIT_HYPERCALL, MAP_RANGE));
	start_map(self->vm);
	expect_asked(_metadata, self->vm);
	self->vm->run->hypercall.ret = 0x1122334455667788;
	expect_answer(_metadata, self->vm, 0x1122334455667788);
}

/* Moved without an answer it is asked again, and once it was finished it is not. */
TEST_F(hypercall, moved)
{
	NEED_CAP(self->vm, KVM_CAP_EXIT_HYPERCALL);
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXIT_HYPERCALL, MAP_RANGE));
	start_map(self->vm);
	expect_asked(_metadata, self->vm);
	self->vm->run->hypercall.ret = 1;
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXIT_HYPERCALL, MAP_RANGE));
	expect_asked(_metadata, self->vm);
	self->vm->run->hypercall.ret = 2;
	ASSERT_EQ(0, vm_complete(self->vm));
	EXPECT_EQ(native() + 3, vm_rip(self->vm));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXIT_HYPERCALL, MAP_RANGE));
	expect_answer(_metadata, self->vm, 2);
}

/* 32-bit code has 32 bits to ask with, and to be answered in. */
TEST_F(hypercall, compatibility_mode)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	NEED_CAP(self->vm, KVM_CAP_EXIT_HYPERCALL);
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXIT_HYPERCALL, MAP_RANGE));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.cs.selector = SEL_CODE32;
	sregs.cs.l = 0;
	sregs.cs.db = 1;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	start(self->vm, KVM_HC_MAP_GPA_RANGE | 1ULL << 32, 0x100003000, 0x100000005, ~0xffULL);
	ASSERT_EQ(KVM_EXIT_HYPERCALL, vm_run(self->vm)) {
		TH_LOG("%s", vm_why(self->vm));
	}
	EXPECT_EQ(0U, self->vm->run->hypercall.longmode);
	EXPECT_EQ(0x3000ULL, self->vm->run->hypercall.args[0]);
	EXPECT_EQ(5ULL, self->vm->run->hypercall.args[1]);
	EXPECT_EQ(0xffffff00ULL, self->vm->run->hypercall.args[2]);
	self->vm->run->hypercall.ret = ~0ULL;
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0xffffffffULL, regs.rax);
}

/* Linux rewrites the guest's code there, unless it is told not to. */
TEST_F(hypercall, foreign_instruction)
{
	uint8_t before[3];

	if (kvm_check(self->vm->fd, KVM_CAP_DISABLE_QUIRKS2) & KVM_X86_QUIRK_FIX_HYPERCALL_INSN)
		ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_DISABLE_QUIRKS2,
					   KVM_X86_QUIRK_FIX_HYPERCALL_INSN));
	memcpy(before, self->vm->mem + foreign(), sizeof(before));
	handler_skip(self->vm, 6, 3);
	vm_start(self->vm, foreign(), 0);
	ASSERT_H(self->vm, 6, NO_EC, foreign());
	EXPECT_EQ(0, memcmp(before, self->vm->mem + foreign(), sizeof(before)));
}

TEST_HARNESS_MAIN
