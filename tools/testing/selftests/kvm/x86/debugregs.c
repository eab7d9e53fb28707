// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debug registers: set from outside, used by the guest, and moved.
 */
#include "kvm_test.h"

#define DR7_INIT	0x400ULL

VM_FIXTURE(debugregs)

GUEST(code_read,
	"mov %dr0, %rax\nmov %rax, " STR(DATA) "\n"
	"mov %dr1, %rax\nmov %rax, " STR(DATA) " + 8\n"
	"mov %dr2, %rax\nmov %rax, " STR(DATA) " + 16\n"
	"mov %dr3, %rax\nmov %rax, " STR(DATA) " + 24\n"
	"mov %dr6, %rax\nmov %rax, " STR(DATA) " + 32\n"
	"mov %dr7, %rax\nmov %rax, " STR(DATA) " + 40\n"
	"jmp rt_done");

GUEST(code_write,
	"mov $0x1000, %eax\nmov %rax, %dr0\n"
	"mov $0x2000, %eax\nmov %rax, %dr1\n"
	"mov $0x3000, %eax\nmov %rax, %dr2\n"
	"mov $0x4000, %eax\nmov %rax, %dr3\n"
	"mov $0xffff0ff5, %eax\nmov %rax, %dr6\n"
	"mov $0x10400, %eax\nmov %rax, %dr7\n"
	"jmp rt_done");

static struct kvm_debugregs some(void)
{
	struct kvm_debugregs debugregs = {
		.db = { 0x1111, 0xffff800000002222, 0x3333, 0x4444 },
		.dr6 = 0xffff4ff3, .dr7 = 0x55550400,
	};

	return debugregs;
}

TEST_F(debugregs, round_trip)
{
	struct kvm_debugregs want = some(), seen;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &want));
	memset(&seen, 0xa5, sizeof(seen));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &seen));
	EXPECT_EQ(0, memcmp(&want, &seen, sizeof(want)));
}

TEST_F(debugregs, initial)
{
	struct kvm_debugregs seen;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &seen));
	EXPECT_EQ(DR6_INIT, seen.dr6);
	EXPECT_EQ(DR7_INIT, seen.dr7);
	EXPECT_EQ(0ULL, seen.db[0] | seen.db[1] | seen.db[2] | seen.db[3]);
}

TEST_F(debugregs, refused)
{
	struct kvm_debugregs bad = some(), before, seen;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &before));
	bad.dr6 |= 1ULL << 32;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &bad));
	bad = some();
	bad.dr7 |= 1ULL << 32;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &bad));
	bad = some();
	bad.flags = 1;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &bad));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, NULL));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &seen));
	EXPECT_EQ(0, memcmp(&before, &seen, sizeof(seen)));
}

TEST_F(debugregs, guest_reads)
{
	struct kvm_debugregs set = some();
	uint64_t *store = (uint64_t *)(self->vm->mem + DATA);

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &set));
	ASSERT_EQ(0, vm_move(self->vm));
	vm_start(self->vm, GA(code_read), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0, memcmp(set.db, store, 32));
	EXPECT_EQ(set.dr6, store[4]);
	EXPECT_EQ(set.dr7, store[5]);
}

TEST_F(debugregs, guest_writes)
{
	struct kvm_debugregs seen;

	vm_start(self->vm, GA(code_write), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &seen));
	EXPECT_EQ(0x1000ULL, seen.db[0]);
	EXPECT_EQ(0x2000ULL, seen.db[1]);
	EXPECT_EQ(0x3000ULL, seen.db[2]);
	EXPECT_EQ(0x4000ULL, seen.db[3]);
	EXPECT_EQ(0xffff0ff5ULL, seen.dr6);
	EXPECT_EQ(0x10400ULL, seen.dr7);
}

GUEST(code_wide_dr7, "mov $1, %rax\nshl $32, %rax\nmov %rax, %dr7\njmp rt_done");
GUEST(code_wide_dr6, "mov $1, %rax\nshl $32, %rax\nmov %rax, %dr6\njmp rt_done");

TEST_F(debugregs, guest_writes_too_much)
{
	handler_skip(self->vm, 13, 3);
	vm_start(self->vm, GA(code_wide_dr7), 0);
	ASSERT_H(self->vm, 13, 0, ANY_RIP);
	log_clear(self->vm);
	vm_start(self->vm, GA(code_wide_dr6), 0);
	ASSERT_H(self->vm, 13, 0, ANY_RIP);
}

/* With DR7.GD any access is a #DB, with BD, and GD is off in the handler. */
GUEST(code_gd,
	"mov $0x2400, %eax\nmov %rax, %dr7\n"
	"code_gd_access:\n"
	"mov %dr0, %rax\n"
	"jmp rt_done");
LABEL(code_gd_access);

TEST_F(debugregs, general_detect)
{
	handler_skip(self->vm, 1, 3);
	vm_start(self->vm, GA(code_gd), 0);
	ASSERT_H(self->vm, 1, NO_EC, GA(code_gd_access));
	EXPECT_EQ(0x2000ULL, log_at(self->vm, 0)->dr6 & 0x2000);
}

/* The guest's own step, and its own breakpoints. */
GUEST(code_nops,
	"nop\n"
	"code_nops_second:\n"
	"nop\n"
	"code_nops_third:\n"
	"jmp rt_done");
LABEL(code_nops_second);
LABEL(code_nops_third);

GUEST(code_clear_tf,
	"andl $~0x100, 16(%rbx)\n"
	"ret");

TEST_F(debugregs, guest_steps)
{
	handler_hook(self->vm, 1, GA(code_clear_tf));
	vm_start(self->vm, GA(code_nops), RFLAGS_TF);
	ASSERT_H(self->vm, 1, NO_EC, GA(code_nops_second));
	EXPECT_EQ(0xffff4ff0ULL, log_at(self->vm, 0)->dr6);
	EXPECT_EQ(RFLAGS_TF, log_at(self->vm, 0)->rflags & RFLAGS_TF);
}

GUEST(code_set_rf,
	"orl $0x10000, 16(%rbx)\n"
	"ret");

TEST_F(debugregs, guest_code_breakpoint)
{
	struct kvm_debugregs debugregs = {
		.db = { 0, GA(code_nops_second) }, .dr6 = DR6_INIT, .dr7 = DR7_INIT | 0x4,
	};

	if (!probe_breakpoint())
		SKIP(return, "breakpoints do not work in guests on this processor");
	handler_hook(self->vm, 1, GA(code_set_rf));
	vm_start(self->vm, GA(code_nops), 0);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &debugregs));
	ASSERT_H(self->vm, 1, NO_EC, GA(code_nops_second));
	EXPECT_EQ(2ULL, log_at(self->vm, 0)->dr6 & 0xf);
}

GUEST(code_touch,
	"movl $1, " STR(DATA) "\n"
	"code_touch_after:\n"
	"jmp rt_done");
LABEL(code_touch_after);

TEST_F(debugregs, guest_data_breakpoint)
{
	struct kvm_debugregs debugregs = {
		.db = { 0, 0, DATA }, .dr6 = DR6_INIT, .dr7 = DR7_INIT | 0x0d000010,
	};

	vm_start(self->vm, GA(code_touch), 0);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &debugregs));
	ASSERT_H(self->vm, 1, NO_EC, GA(code_touch_after));
	EXPECT_EQ(4ULL, log_at(self->vm, 0)->dr6 & 0xf);
}

TEST_HARNESS_MAIN
