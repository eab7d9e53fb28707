// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt shadow, set with KVM_SET_VCPU_EVENTS: what it holds back, for
 * how long, and that no combination of it keeps the vCPU from being entered.
 *
 * Some emulated processors forget a shadow at every entry; what needs it is
 * skipped there, after probe_shadow() has seen that happen by itself.
 */
#include <sys/mman.h>
#include "kvm_test.h"

#define SHADOW_MOVSS	1
#define SHADOW_STI	2
#define SHADOW_BOTH	3

#define ELSEWHERE	(DATA + 0x2000)

GUEST(shadow_nops,
	"nop\n"
	"shadow_nops_second:\n"
	"nop\n"
	"jmp rt_done");
LABEL(shadow_nops_second);

GUEST(shadow_hlt,
	"hlt\n"
	"shadow_hlt_after:\n"
	"jmp rt_done");
LABEL(shadow_hlt_after);

/* MOV SS reads where breakpoint 0 is; the next instruction finds no page. */
GUEST(shadow_mov_ss,
	"mov " STR(DATA) " + 0x800, %ss\n"
	"mov " STR(ELSEWHERE) ", %rax\n"
	"shadow_mov_ss_after:\n"
	"jmp rt_done");
LABEL(shadow_mov_ss_after);

FIXTURE(shadow) {
	struct vm vm[1];
};

FIXTURE_VARIANT(shadow) {
	unsigned int shadow;
};

FIXTURE_VARIANT_ADD(shadow, movss) { .shadow = SHADOW_MOVSS };
FIXTURE_VARIANT_ADD(shadow, sti) { .shadow = SHADOW_STI };
FIXTURE_VARIANT_ADD(shadow, both) { .shadow = SHADOW_BOTH };

FIXTURE_SETUP(shadow)
{
	VM_SETUP(self->vm, 0);
}

FIXTURE_TEARDOWN(shadow)
{
	vm_destroy(self->vm);
}

#define NEED_SHADOW()							\
do {									\
	if (!probe_shadow())						\
		SKIP(return, "this processor forgets the interrupt shadow at an entry"); \
} while (0)

static struct kvm_vcpu_events with_shadow(struct kvm_vcpu_events events, unsigned int shadow)
{
	events.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	events.interrupt.shadow = shadow;
	return events;
}

TEST_F(shadow, c55_irq_waits_one_instruction)
{
	NEED_SHADOW();
	vm_start(self->vm, GA(shadow_nops), RFLAGS_IF);
	ASSERT_EQ(0, events_set(self->vm, with_shadow(events_irq(0x40), variant->shadow)));
	ASSERT_H(self->vm, 0x40, NO_EC, GA(shadow_nops_second));
}

TEST_F(shadow, c55_irq_comes_once)
{
	vm_start(self->vm, GA(shadow_nops), RFLAGS_IF);
	ASSERT_EQ(0, events_set(self->vm, with_shadow(events_irq(0x40), variant->shadow)));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_H(self->vm, 0x40, NO_EC, ANY_RIP);
}

TEST_F(shadow, c56_nmi_waits_one_instruction)
{
	NEED_SHADOW();
	vm_start(self->vm, GA(shadow_nops), RFLAGS_IF);
	ASSERT_EQ(0, events_set(self->vm, with_shadow(events_nmi(1, 0, 0), variant->shadow)));
	ASSERT_H(self->vm, 2, NO_EC, GA(shadow_nops_second));
}

TEST_F(shadow, c56_nmi_comes_once)
{
	vm_start(self->vm, GA(shadow_nops), RFLAGS_IF);
	ASSERT_EQ(0, events_set(self->vm, with_shadow(events_nmi(1, 0, 0), variant->shadow)));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_H(self->vm, 2, NO_EC, ANY_RIP);
}

TEST_F(shadow, c57_shadow_without_if)
{
	vm_start(self->vm, GA(shadow_nops), 0);
	ASSERT_EQ(0, events_shadow(self->vm, variant->shadow));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 0);
}

TEST_F(shadow, c58_hlt_before_the_window)
{
	NEED_SHADOW();
	vm_start(self->vm, GA(shadow_hlt), RFLAGS_IF);
	ASSERT_EQ(0, events_shadow(self->vm, variant->shadow));
	self->vm->run->request_interrupt_window = 1;
	ASSERT_EQ(KVM_EXIT_HLT, vm_run(self->vm)) {
		TH_LOG("%s", vm_why(self->vm));
	}
	EXPECT_EQ(GA(shadow_hlt_after), vm_rip(self->vm));
}

TEST_F(shadow, c58_window_before_hlt_without_shadow)
{
	vm_start(self->vm, GA(shadow_hlt), RFLAGS_IF);
	ASSERT_EQ(0, events_shadow(self->vm, variant->shadow));
	ASSERT_EQ(0, events_shadow(self->vm, 0));
	self->vm->run->request_interrupt_window = 1;
	ASSERT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, vm_run(self->vm)) {
		TH_LOG("%s", vm_why(self->vm));
	}
	EXPECT_EQ(GA(shadow_hlt), vm_rip(self->vm));
}

/* The step's trap comes after the instruction that was in the shadow. */
TEST_F(shadow, c59_step_in_a_shadow)
{
	struct kvm_regs regs;

	vm_start(self->vm, GA(shadow_nops), RFLAGS_TF | RFLAGS_IF);
	ASSERT_EQ(0, events_shadow(self->vm, variant->shadow));
	ASSERT_EQ(PORT_DONE, vm_run_out(self->vm)) {
		TH_LOG("%s; %s", vm_why(self->vm), log_text(self->vm));
	}
	EXPECT_EVENT(self->vm, 0, 1, NO_EC, GA(shadow_nops_second));
	EXPECT_EQ(0x4000ULL, log_at(self->vm, 0)->dr6 & 0x4000);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(RFLAGS_TF, regs.rflags & RFLAGS_TF);
}

static void set_breakpoint(struct vm *vm, uint64_t address)
{
	struct kvm_debugregs debugregs = {
		.db = { address }, .dr6 = DR6_INIT, .dr7 = 0xb0403,
	};
	uint64_t ss = SEL_DATA;

	vcpu_ioctl(vm, KVM_SET_DEBUGREGS, &debugregs);
	memcpy(vm->mem + address, &ss, sizeof(ss));
}

/* Does the breakpoint on what MOV SS reads outlast an exit, by itself? */
static bool breakpoint_lasts(void)
{
	struct vm vm;
	bool lasts;

	if (vm_create(&vm, 0))
		return false;
	vm_start(&vm, GA(shadow_mov_ss), 0);
	set_breakpoint(&vm, DATA + 0x800);
	lasts = vm_stumble(&vm, ELSEWHERE) == -EFAULT;
	vm_mend(&vm, ELSEWHERE);
	vm_run(&vm);
	lasts = lasts && log_is(&vm, 0, 1, NO_EC, GA(shadow_mov_ss_after));
	vm_destroy(&vm);
	return lasts;
}

TEST_F(shadow, c60_breakpoint_under_mov_ss)
{
	if (!probe_breakpoint() || !breakpoint_lasts())
		SKIP(return, "this processor loses a breakpoint under MOV SS at an exit");
	vm_start(self->vm, GA(shadow_mov_ss), 0);
	set_breakpoint(self->vm, DATA + 0x800);
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, ELSEWHERE));
	ASSERT_EQ(0, vm_move(self->vm));
	vm_mend(self->vm, ELSEWHERE);
	ASSERT_H(self->vm, 1, NO_EC, GA(shadow_mov_ss_after));
	EXPECT_EQ(1ULL, log_at(self->vm, 0)->dr6 & 0xf);
}

/* The step and the breakpoint of a life that is over must not come back. */
TEST_F(shadow, c61_no_trap_from_the_past)
{
	struct kvm_debugregs quiet = { .dr6 = DR6_INIT, .dr7 = 0x400 };
	struct kvm_vcpu_events none = {
		.flags = KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_NMI_PENDING,
	};

	vm_start(self->vm, GA(shadow_mov_ss), RFLAGS_TF);
	set_breakpoint(self->vm, DATA + 0x800);
	vm_stumble(self->vm, ELSEWHERE);
	vm_mend(self->vm, ELSEWHERE);
	log_clear(self->vm);
	vm_start(self->vm, GA(shadow_nops), 0);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &quiet));
	ASSERT_EQ(0, events_set(self->vm, none));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 0);
}

VM_FIXTURE(natural)

/* What probe_shadow() asks, as a test: a kernel must not lose it either. */
TEST_F(natural, c55_shadow_outlasts_an_exit)
{
	ASSERT_TRUE(probe_shadow());
}

TEST_HARNESS_MAIN
