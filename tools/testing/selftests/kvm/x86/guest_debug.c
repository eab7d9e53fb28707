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

/*
 * A delivery is a step, and what it pushes is the guest's own: the debugger's TF is not in it.
 */

GUEST(code_ud, "ud2");
GUEST(code_wait,
	"nop\n"
	"jmp rt_done");

FIXTURE(step) {
	struct vm vm[1];
};

FIXTURE_VARIANT(step) {
	struct kvm_vcpu_events (*events)(void);
	unsigned int vector;
	bool code;		/* an error code */
	bool tf;		/* the guest steps, too */
};

static struct kvm_vcpu_events pending_gp(void)
{
	return events_exception(13, 0x1234, true);
}

static struct kvm_vcpu_events injected_gp(void)
{
	return events_exception(13, 0x1234, false);
}

static struct kvm_vcpu_events interrupt_40(void)
{
	return events_irq(0x40);
}

static struct kvm_vcpu_events nmi_pending(void)
{
	return events_nmi(0, 1, 0);
}

static struct kvm_vcpu_events soft_80(void)
{
	struct kvm_vcpu_events events = events_irq(0x80);

	events.interrupt.soft = 1;
	return events;
}

FIXTURE_VARIANT_ADD(step, raised) { .events = pending_gp, .vector = 13, .code = true };
FIXTURE_VARIANT_ADD(step, begun) { .events = injected_gp, .vector = 13, .code = true };
FIXTURE_VARIANT_ADD(step, interrupt) { .events = interrupt_40, .vector = 0x40 };
FIXTURE_VARIANT_ADD(step, nmi) { .events = nmi_pending, .vector = 2 };
FIXTURE_VARIANT_ADD(step, soft) { .events = soft_80, .vector = 0x80 };
FIXTURE_VARIANT_ADD(step, both) {
	.events = injected_gp, .vector = 13, .code = true, .tf = true,
};

FIXTURE_SETUP(step)
{
	VM_SETUP(self->vm, 0);
}

FIXTURE_TEARDOWN(step)
{
	vm_destroy(self->vm);
}

TEST_F(step, c114_delivery)
{
	const uint64_t tf = variant->tf ? RFLAGS_TF : 0;

	vm_start(self->vm, GA(code_wait), RFLAGS_IF | tf);
	ASSERT_EQ(0, events_set(self->vm, variant->events()));
	ASSERT_EQ(0, set_debug(self->vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0));
	ASSERT_DEBUG(self->vm, STUB(variant->vector), 1);
	EXPECT_EQ(DR6_BS, self->vm->run->debug.arch.dr6 & DR6_BS);
	ASSERT_EQ(0, set_debug(self->vm, 0, 0, 0));
	ASSERT_SETTLED(self->vm);
	EXPECT_TRUE(log_is(self->vm, 0, variant->vector, variant->code ? 0x1234 : NO_EC,
			   GA(code_wait))) {
		TH_LOG("%s", log_text(self->vm));
	}
	EXPECT_EQ(tf, log_at(self->vm, 0)->rflags & RFLAGS_TF);
}

/* Of an instruction that both step over, both hear. */
TEST_F(debug, both_step)
{
	vm_start(self->vm, GA(code_steps), RFLAGS_TF);
	ASSERT_EQ(0, set_debug(self->vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0));
	ASSERT_DEBUG(self->vm, GA(code_steps_1), 1);
	ASSERT_DEBUG(self->vm, STUB(1), 1);
	ASSERT_EQ(0, set_debug(self->vm, 0, 0, 0));
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_TRUE(log_is(self->vm, 0, 1, NO_EC, GA(code_steps_1))) {
		TH_LOG("%s", log_text(self->vm));
	}
	EXPECT_EQ(DR6_BS, log_at(self->vm, 0)->dr6 & DR6_BS);
	EXPECT_EQ(RFLAGS_TF, log_at(self->vm, 0)->rflags & RFLAGS_TF);
}

/* The guest's breakpoint, met by a debugger's step. */
TEST_F(debug, breakpoint_under_a_step)
{
	struct kvm_debugregs debugregs = {
		.db = { DATA }, .dr6 = DR6_INIT, .dr7 = 0x400 | DR7_L0 | DR7_WRITE4,
	};

	if (!probe_breakpoint())
		SKIP(return, "breakpoints do not work in guests on this processor");
	vm_start(self->vm, GA(code_store), 0);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &debugregs));
	ASSERT_EQ(0, set_debug(self->vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0));
	ASSERT_DEBUG(self->vm, GA(code_store_after), 1);
	EXPECT_EQ(0ULL, self->vm->run->debug.arch.dr6 & 0xf);
	ASSERT_EQ(0, set_debug(self->vm, 0, 0, 0));
	ASSERT_H(self->vm, 1, NO_EC, GA(code_store_after));
	EXPECT_EQ(1ULL, log_at(self->vm, 0)->dr6 & 0xf);
}

TEST_F(debug, c114_step_into_a_fault)
{
	vm_start(self->vm, GA(code_ud), 0);
	handler_skip(self->vm, 6, GA(code_wait) - GA(code_ud));
	ASSERT_EQ(0, set_debug(self->vm, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0));
	ASSERT_DEBUG(self->vm, STUB(6), 1);
	ASSERT_EQ(0, set_debug(self->vm, 0, 0, 0));
	ASSERT_SETTLED(self->vm);
	EXPECT_TRUE(log_is(self->vm, 0, 6, NO_EC, GA(code_ud))) {
		TH_LOG("%s", log_text(self->vm));
	}
	EXPECT_EQ(0ULL, log_at(self->vm, 0)->rflags & RFLAGS_TF);
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
