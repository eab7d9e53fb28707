// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers by way of the shared page: kvm_valid_regs and kvm_dirty_regs.
 * Events in the shared page are in events_sync_regs.c.
 */
#include "kvm_test.h"

VM_FIXTURE(sync)

GUEST(code_add,
	"code_add_again:\n"
	"add %rbx, %rax\n"
	"out %al, $" STR(PORT_DONE) "\n"
	"code_add_after:\n"
	"jmp code_add_again");
LABEL(code_add_after);

#define NEED_SYNC()							\
do {									\
	NEED_CAP(self->vm, KVM_CAP_SYNC_REGS);				\
	vm_start(self->vm, GA(code_add), 0);				\
} while (0)

TEST_F(sync, capability)
{
	int caps = kvm_check(self->vm->fd, KVM_CAP_SYNC_REGS);

	NEED_SYNC();
	EXPECT_EQ(KVM_SYNC_X86_VALID_FIELDS, caps);
}

TEST_F(sync, unknown_bits)
{
	struct kvm_run *run = self->vm->run;

	NEED_SYNC();
	run->kvm_valid_regs = 1 << 30;
	EXPECT_EQ(-EINVAL, vm_run(self->vm));
	run->kvm_valid_regs = 0;
	run->kvm_dirty_regs = 1 << 30;
	EXPECT_EQ(-EINVAL, vm_run(self->vm));
	run->kvm_dirty_regs = 0;
	ASSERT_OUT(self->vm, PORT_DONE);
}

TEST_F(sync, valid_equals_get)
{
	struct kvm_run *run = self->vm->run;
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	NEED_SYNC();
	run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(0, memcmp(&regs, &run->s.regs.regs, sizeof(regs)));
	EXPECT_EQ(0, memcmp(&sregs, &run->s.regs.sregs, sizeof(sregs)));
}

TEST_F(sync, dirty_equals_set)
{
	struct kvm_run *run = self->vm->run;
	struct kvm_sregs sregs;

	NEED_SYNC();
	run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	ASSERT_OUT(self->vm, PORT_DONE);
	run->s.regs.regs.rax = 0x1000;
	run->s.regs.regs.rbx = 0x234;
	run->s.regs.sregs.cr2 = 0x7777;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0x1234ULL, run->s.regs.regs.rax);
	EXPECT_EQ(0ULL, run->kvm_dirty_regs);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(0x7777ULL, sregs.cr2);
}

TEST_F(sync, not_dirty_is_not_taken)
{
	struct kvm_run *run = self->vm->run;

	NEED_SYNC();
	run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	ASSERT_OUT(self->vm, PORT_DONE);
	run->s.regs.regs.rax = 0xbad;
	run->s.regs.regs.rip = 0xbad;
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0ULL, run->s.regs.regs.rax);
}

TEST_F(sync, bad_sregs_are_refused)
{
	struct kvm_run *run = self->vm->run;
	struct kvm_sregs sregs;

	NEED_SYNC();
	run->kvm_valid_regs = KVM_SYNC_X86_SREGS;
	ASSERT_OUT(self->vm, PORT_DONE);
	run->s.regs.sregs.cr4 |= 1ULL << 40;
	run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	EXPECT_EQ(-EINVAL, vm_run(self->vm));
	run->kvm_dirty_regs = 0;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(0ULL, sregs.cr4 & 1ULL << 40);
}

TEST_HARNESS_MAIN
