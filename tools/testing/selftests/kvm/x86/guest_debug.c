// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GUEST_DEBUG: a debugger in the host, which the guest does not see.
 */
#include "kvm_test.h"

#define DR7_L0		0x1ULL
#define DR7_WRITE4	0xd0000ULL
#define DR6_BS		0x4000ULL

VM_FIXTURE(debug)

GUEST(code_steps,
	"code_steps_0: nop\n"
	"code_steps_1: mov $5, %eax\n"
	"code_steps_2: jmp code_steps_3\n"
	"nop\n"
	"code_steps_3: call code_steps_5\n"
	"code_steps_4: jmp rt_done\n"
	"code_steps_5: cpuid\n"
	"code_steps_6: ret");
LABEL(code_steps_1);
LABEL(code_steps_2);
LABEL(code_steps_3);
LABEL(code_steps_4);
LABEL(code_steps_5);
LABEL(code_steps_6);

GUEST(code_int3,
	"nop\n"
	"code_int3_itself: int3\n"
	"code_int3_after: jmp rt_done");
LABEL(code_int3_itself);
LABEL(code_int3_after);

GUEST(code_store,
	"movl $7, " STR(DATA) "\n"
	"code_store_after: jmp rt_done");
LABEL(code_store_after);

static int set_debug(struct vm *vm, uint32_t control, uint64_t dr0, uint64_t dr7)
{
	struct kvm_guest_debug debug = {
		.control = control, .arch.debugreg = { dr0, 0, 0, 0, 0, 0, 0, dr7 },
	};

	return vcpu_ioctl(vm, KVM_SET_GUEST_DEBUG, &debug);
}

#define ASSERT_DEBUG(vm, rip, vector)					\
do {									\
	ASSERT_EQ(KVM_EXIT_DEBUG, vm_run(vm)) {				\
		TH_LOG("%s; %s", vm_why(vm), log_text(vm));		\
	}								\
	EXPECT_EQ(rip, (vm)->run->debug.arch.pc);			\
	EXPECT_EQ((unsigned int)(vector), (vm)->run->debug.arch.exception); \
	EXPECT_EQ(rip, vm_rip(vm));					\
} while (0)

TEST_F(debug, single_step)
{
	const uint64_t path[] = {
		GA(code_steps_1), GA(code_steps_2), GA(code_steps_3), GA(code_steps_5),
		GA(code_steps_6), GA(code_steps_4), GA(rt_done),
	};
	struct kvm_regs regs;
	size_t i;

	vm_start(self->vm, GA(code_steps), 0);
	ASSERT_EQ(0, set_debug(self->vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0));
	for (i = 0; i < ARRAY_SIZE(path); i++) {
		ASSERT_DEBUG(self->vm, path[i], 1);
		EXPECT_EQ(DR6_BS, self->vm->run->debug.arch.dr6 & DR6_BS);
	}
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0ULL, regs.rflags & RFLAGS_TF);
	ASSERT_EQ(0, set_debug(self->vm, 0, 0, 0));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 0);
}

TEST_F(debug, hardware_breakpoint)
{
	if (!probe_breakpoint())
		SKIP(return, "breakpoints do not work in guests on this processor");
	vm_start(self->vm, GA(code_steps), 0);
	ASSERT_EQ(0, set_debug(self->vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
			       GA(code_steps_5), 0x400 | DR7_L0));
	ASSERT_DEBUG(self->vm, GA(code_steps_5), 1);
	EXPECT_EQ(1ULL, self->vm->run->debug.arch.dr6 & 0xf);
	ASSERT_EQ(0, set_debug(self->vm, 0, 0, 0));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 0);
}

TEST_F(debug, hardware_watchpoint)
{
	if (!probe_breakpoint())
		SKIP(return, "breakpoints do not work in guests on this processor");
	vm_start(self->vm, GA(code_store), 0);
	ASSERT_EQ(0, set_debug(self->vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
			       DATA, 0x400 | DR7_L0 | DR7_WRITE4));
	ASSERT_DEBUG(self->vm, GA(code_store_after), 1);
	EXPECT_EQ(1ULL, self->vm->run->debug.arch.dr6 & 0xf);
	EXPECT_EQ(7, self->vm->mem[DATA]);
}

/* The guest's own debug registers are not touched by the debugger's. */
TEST_F(debug, guests_registers_stay)
{
	struct kvm_debugregs set = { .db = { 0x1234 }, .dr6 = DR6_INIT, .dr7 = 0x400 }, seen;

	vm_start(self->vm, GA(code_steps), 0);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &set));
	ASSERT_EQ(0, set_debug(self->vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
			       0x5678, 0x400 | DR7_L0));
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &seen));
	EXPECT_EQ(0, memcmp(&set, &seen, sizeof(set)));
}

TEST_F(debug, software_breakpoint)
{
	vm_start(self->vm, GA(code_int3), 0);
	ASSERT_EQ(0, set_debug(self->vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0, 0));
	ASSERT_DEBUG(self->vm, GA(code_int3_itself), 3);
	ASSERT_EVENTS(self->vm, 0);
}

TEST_F(debug, int3_is_the_guests_without_debugger)
{
	vm_start(self->vm, GA(code_int3), 0);
	ASSERT_H(self->vm, 3, NO_EC, GA(code_int3_after));
}

TEST_F(debug, inject_db)
{
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, set_debug(self->vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB, 0, 0));
	ASSERT_H(self->vm, 1, NO_EC, GA(rt_done));
}

TEST_F(debug, bad_pointer)
{
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_SET_GUEST_DEBUG, NULL));
}

TEST_HARNESS_MAIN
