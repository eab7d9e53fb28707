// SPDX-License-Identifier: GPL-2.0-only
/*
 * Non-maskable interrupts: at most two are remembered, one at a time is
 * delivered, and the next not before an IRET has ended the handler.
 */
#include "kvm_test.h"

/* Ends an NMI's handler that never began, with two exits before that. */
GUEST(nmi_iret,
	OUT_MARK
	OUT_MARK
	"nmi_iret_frame:\n"
	"mov %rsp, %rax\n"
	"push $" STR(SEL_DATA) "\n"
	"push %rax\n"
	"pushf\n"
	"push $" STR(SEL_CODE) "\n"
	"lea nmi_iret_after(%rip), %rbx\n"
	"push %rbx\n"
	"nmi_iret_itself:\n"
	"iretq\n"
	"nmi_iret_after:\n"
	"nop\n"
	"jmp rt_done");
LABEL(nmi_iret_frame);
LABEL(nmi_iret_itself);
LABEL(nmi_iret_after);

/* IRET from a stack at DATA. */
GUEST(nmi_far_iret,
	"mov $" STR(DATA) ", %esp\n"
	"nmi_far_iret_itself:\n"
	"iretq\n"
	"nmi_far_iret_after:\n"
	"nop\n"
	"jmp rt_done");
LABEL(nmi_far_iret_itself);
LABEL(nmi_far_iret_after);

GUEST(nmi_nops,
	"nop\nnop\nnop\n"
	OUT_MARK
	"nop\nnop\nnop\n"
	OUT_MARK
	"jmp nmi_iret_frame");

/* What a handler does while the host looks on. */
GUEST(nmi_hook,
	OUT_MARK
	"ret");

FIXTURE(nmi) {
	struct vm vm[1];
};

FIXTURE_VARIANT(nmi) {
	int (*carry_on)(struct vm *vm);
};

FIXTURE_VARIANT_ADD(nmi, moved) { .carry_on = vm_move };
FIXTURE_VARIANT_ADD(nmi, in_place) { .carry_on = vm_in_place };

FIXTURE_SETUP(nmi)
{
	VM_SETUP(self->vm, 0);
}

FIXTURE_TEARDOWN(nmi)
{
	vm_destroy(self->vm);
}

static void put_frame(struct vm *vm, uint64_t at, uint64_t rip)
{
	uint64_t frame[5] = { rip, SEL_CODE, RFLAGS_FIXED, STACK_TOP, SEL_DATA };

	memcpy(vm->mem + at, frame, sizeof(frame));
}

TEST_F(nmi, c62_one_pending)
{
	ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 1, 0)));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_H(self->vm, 2, NO_EC, GA(rt_done));
}

TEST_F(nmi, c62_two_pending)
{
	ASSERT_CARRIED(events_nmi(0, 2, 0), 2);
	EXPECT_EVENT(self->vm, 0, 2, NO_EC, GA(rt_done));
	EXPECT_EVENT(self->vm, 1, 2, NO_EC, GA(rt_done));
	EXPECT_EQ(STACK_TOP, log_at(self->vm, 1)->rsp);
}

TEST_F(nmi, c62_injected)
{
	ASSERT_EQ(0, events_set(self->vm, events_nmi(1, 0, 0)));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_H(self->vm, 2, NO_EC, GA(rt_done));
}

TEST_F(nmi, c09_never_more_than_two)
{
	ASSERT_CARRIED(events_nmi(0, 255, 0), 2);
}

TEST_F(nmi, c63_masked_until_iret)
{
	vm_start(self->vm, GA(nmi_iret), 0);
	ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 1, 1)));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EVENTS(self->vm, 0);
	ASSERT_H(self->vm, 2, NO_EC, GA(nmi_iret_after));
}

TEST_F(nmi, c63_masked_across_a_move)
{
	vm_start(self->vm, GA(nmi_iret), 0);
	ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 1, 1)));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EVENTS(self->vm, 0);
	ASSERT_H(self->vm, 2, NO_EC, GA(nmi_iret_after));
}

TEST_F(nmi, c64_stopped)
{
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, STACK));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	vm_mend(self->vm, STACK);
	ASSERT_H(self->vm, 2, NO_EC, GA(rt_done));
}

TEST_F(nmi, c64_stopped_with_another)
{
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, STACK));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	vm_mend(self->vm, STACK);
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 2);
	EXPECT_EVENT(self->vm, 0, 2, NO_EC, GA(rt_done));
	EXPECT_EVENT(self->vm, 1, 2, NO_EC, GA(rt_done));
}

/* An NMI that could not be delivered is not one whose handler runs. */
TEST_F(nmi, c64_stopped_is_not_masked)
{
	struct kvm_vcpu_events events;

	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, STACK));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.nmi.injected);
	EXPECT_EQ(0, events.nmi.masked);
	EXPECT_EQ(0, events.nmi.pending);
}

/*
 * The vCPU has met the IRET but cannot finish it; then it is somewhere else,
 * in the midst of a handler again.
 */
TEST_F(nmi, c65_put_back_before_iret)
{
	vm_start(self->vm, GA(nmi_far_iret), 0);
	put_frame(self->vm, DATA, GA(nmi_far_iret_after));
	ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 1, 1)));
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, DATA));
	vm_mend(self->vm, DATA);
	vm_start(self->vm, GA(nmi_nops), 0);
	ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 1, 1)));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EVENTS(self->vm, 0);
	ASSERT_H(self->vm, 2, NO_EC, GA(nmi_iret_after));
}

TEST_F(nmi, c66_iret_stopped_by_the_host)
{
	vm_start(self->vm, GA(nmi_far_iret), 0);
	put_frame(self->vm, DATA, GA(nmi_far_iret_after));
	ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 1, 1)));
	ASSERT_EQ(-EFAULT, vm_stumble(self->vm, DATA));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_EQ(GA(nmi_far_iret_itself), vm_rip(self->vm));
	vm_mend(self->vm, DATA);
	ASSERT_H(self->vm, 2, NO_EC, GA(nmi_far_iret_after));
}

/*
 * IRET finds its stack absent and faults.  The NMI has to wait for an IRET
 * that succeeds: that of the page fault's handler, which maps the stack.
 */
GUEST(nmi_map_stack,
	OUT_MARK
	"orl $7, " STR(PT) " + (" STR(DATA) " >> 12) * 8\n"
	"ret");

TEST_F(nmi, c66_iret_that_faults)
{
	vm_start(self->vm, GA(nmi_far_iret), 0);
	put_frame(self->vm, DATA, GA(nmi_far_iret_after));
	*pte_of(self->vm, DATA) = DATA;
	idt_ist(self->vm, 14, 1);
	handler_hook(self->vm, 14, GA(nmi_map_stack));
	ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 1, 1)));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EVENTS(self->vm, 1);
	EXPECT_EVENT(self->vm, 0, 14, 0, GA(nmi_far_iret_itself));
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 2);
	EXPECT_EVENT(self->vm, 1, 2, NO_EC, GA(nmi_far_iret_itself));
}

/* The same with no NMI there yet: one that comes while the fault is handled has to wait as well. */
TEST_F(nmi, c66_nmi_behind_an_iret_that_faults)
{
	vm_start(self->vm, GA(nmi_far_iret), 0);
	put_frame(self->vm, DATA, GA(nmi_far_iret_after));
	*pte_of(self->vm, DATA) = DATA;
	idt_ist(self->vm, 14, 1);
	handler_hook(self->vm, 14, GA(nmi_map_stack));
	ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 0, 1)));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EVENTS(self->vm, 1);
	EXPECT_EVENT(self->vm, 0, 14, 0, GA(nmi_far_iret_itself));
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 2);
	EXPECT_EVENT(self->vm, 1, 2, NO_EC, GA(nmi_far_iret_itself));
}

/* IRET to RBX, which makes an exception of its own before anything can exit. */
GUEST(nmi_iret_to,
	"mov %rsp, %rax\n"
	"push $" STR(SEL_DATA) "\n"
	"push %rax\n"
	"pushf\n"
	"push $" STR(SEL_CODE) "\n"
	"push %rbx\n"
	"iretq\n"
	"nmi_page_fault: mov " STR(DATA) ", %al\n"
	"jmp rt_done\n"
	"nmi_protection: mov (%rdx), %al\n"
	"jmp rt_done\n"
	"nmi_undefined: ud2\n"
	"jmp rt_done\n"
	"nmi_breakpoint: int3\n"
	"nmi_behind_it: jmp rt_done");
LABEL(nmi_page_fault);
LABEL(nmi_protection);
LABEL(nmi_undefined);
LABEL(nmi_breakpoint);
LABEL(nmi_behind_it);

TEST_F(nmi, c63_iret_to_an_exception)
{
	const struct {
		uint64_t to, at;
		unsigned int vector, skip;
		int64_t ec;
	} rows[] = {
		{ GA(nmi_page_fault), GA(nmi_page_fault), 14, 7, 0 },
		{ GA(nmi_protection), GA(nmi_protection), 13, 2, 0 },
		{ GA(nmi_undefined), GA(nmi_undefined), 6, 2, NO_EC },
		{ GA(nmi_breakpoint), GA(nmi_behind_it), 3, 0, NO_EC },
	};
	struct kvm_regs regs;
	unsigned int i;

	*pte_of(self->vm, DATA) = DATA;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		handler_skip(self->vm, rows[i].vector, rows[i].skip);
		vm_start(self->vm, GA(nmi_iret_to), 0);
		ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
		regs.rbx = rows[i].to;
		regs.rdx = 1ULL << 63;
		ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
		ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 0, 1)));
		ASSERT_EQ(0, variant->carry_on(self->vm));
		ASSERT_SETTLED(self->vm);
		ASSERT_EVENTS(self->vm, 2 * i + 1);
		EXPECT_EVENT(self->vm, 2 * i, rows[i].vector, rows[i].ec, rows[i].at);
		if (rows[i].vector == 14)
			EXPECT_EQ(DATA, log_at(self->vm, 2 * i)->cr2);
		ASSERT_EQ(0, vm_nmi(self->vm));
		ASSERT_SETTLED(self->vm);
		ASSERT_EVENTS(self->vm, 2 * i + 2);
		EXPECT_EVENT(self->vm, 2 * i + 1, 2, NO_EC, GA(rt_done) + 2);
	}
}

TEST_F(nmi, c67_saved_in_the_handler)
{
	handler_hook(self->vm, 2, GA(nmi_hook));
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EVENTS(self->vm, 1);
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	handler_hook(self->vm, 2, 0);
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 2);
	EXPECT_EVENT(self->vm, 1, 2, NO_EC, GA(rt_done));
}

TEST_F(nmi, c67_raised_after_the_move)
{
	handler_hook(self->vm, 2, GA(nmi_hook));
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, variant->carry_on(self->vm));
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_EQ(0, vm_nmi(self->vm));
	handler_hook(self->vm, 2, 0);
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 2);
	EXPECT_EVENT(self->vm, 1, 2, NO_EC, GA(rt_done));
}

TEST_HARNESS_MAIN
