// SPDX-License-Identifier: GPL-2.0-only
/*
 * switch.c - a hardware task switch of a vCPU: task.c with guest memory,
 * registers and events.
 *
 * Owns nothing.  An event whose delivery has met a task gate has been given
 * back by hardware and stands in the event machine: from the moment that the
 * new task has begun it is delivered.  What a debugger is told is debug.c's.
 */
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "../mmu/mmu.h"
#include "../vcpu.h"
#include "glue.h"
#include "task.h"

#define DR6_TASK	BIT(15)

static_assert(TASK_CALL == (int)TASK_BY_CALL && TASK_IRET == (int)TASK_BY_IRET);
static_assert(TASK_JMP == (int)TASK_BY_JMP && TASK_EVENT == (int)TASK_BY_EVENT);
static_assert(TASK_ES == (int)SEG_ES && TASK_GS == (int)SEG_GS);
static_assert(TASK_LDTR == (int)SEG_LDTR && TASK_TR == (int)SEG_TR);
static_assert(TASK_P == SEG_ATTR_P && TASK_DB == SEG_ATTR_DB && TASK_G == SEG_ATTR_G);

/* One switch, and whose it is. */
struct vcpu_task {
	struct task task;
	struct kvm_vcpu *vcpu;
};

static struct kvm_vcpu *vcpu_of(struct task *t)
{
	return container_of(t, struct vcpu_task, task)->vcpu;
}

/*
 * Memory.
 */

static enum task_result translate(struct task *t, u32 linear, u32 access, gpa_t *gpa)
{
	struct walk_result walk;
	int r;

	r = fault_translate(vcpu_of(t), linear, access, true, &walk);
	if (r == WALK_FAULT) {
		t->fault = (struct task_fault){
			.vector = X86_TRAP_PF, .error = walk.error, .address = linear,
		};
		return TASK_FAULT;
	}
	*gpa = walk.gpa;
	return r ? TASK_FAILED : TASK_DONE;
}

enum what { LOOK_ONLY, COPY_FROM, COPY_TO };

static bool copy(struct kvm_vcpu *vcpu, gpa_t gpa, void *buf, unsigned int len, enum what what)
{
	if (what == COPY_FROM)
		return !kvm_vcpu_read_guest(vcpu, gpa, buf, len);
	return what == LOOK_ONLY || !kvm_vcpu_write_guest(vcpu, gpa, buf, len);
}

static enum task_result transfer(struct task *t, u32 linear, void *buf, unsigned int len,
				 u32 access, enum what what)
{
	enum task_result r;
	unsigned int part;
	gpa_t gpa;

	for (; len; len -= part, linear += part, buf += part) {
		part = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(linear));
		r = translate(t, linear, access, &gpa);
		if (r)
			return r;
		if (!copy(vcpu_of(t), gpa, buf, part, what))
			return TASK_FAILED;
	}
	return TASK_DONE;
}

static enum task_result switch_probe(struct task *t, u32 linear, unsigned int len, bool write)
{
	return transfer(t, linear, NULL, len, WALK_SYSTEM | (write ? WALK_WRITE : 0), LOOK_ONLY);
}

static enum task_result switch_read(struct task *t, u32 linear, void *buf, unsigned int len)
{
	return transfer(t, linear, buf, len, WALK_SYSTEM, COPY_FROM);
}

static enum task_result switch_write(struct task *t, u32 linear, const void *buf, unsigned int len)
{
	return transfer(t, linear, (void *)buf, len, WALK_SYSTEM | WALK_WRITE, COPY_TO);
}

static enum task_result switch_mark(struct task *t, u32 linear, u8 from, u8 to)
{
	struct kvm_vcpu *vcpu = vcpu_of(t);
	enum task_result r;
	gpa_t gpa;
	int idx, ret;

	r = translate(t, linear, WALK_SYSTEM | WALK_WRITE, &gpa);
	if (r)
		return r;
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	ret = kvm_vcpu_cmpxchg_guest(vcpu, gpa, 1, from, to);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	if (ret < 0)
		return TASK_FAILED;
	return ret ? TASK_AGAIN : TASK_DONE;
}

/* The walk asks the vCPU for its privilege: the new task's registers are there already. */
static enum task_result switch_push(struct task *t, u32 linear, const void *buf, unsigned int len)
{
	return transfer(t, linear, (void *)buf, len, WALK_WRITE, COPY_TO);
}

static enum task_result switch_load_cr3(struct task *t, u32 cr3)
{
	if (!x86_write_cr3(vcpu_of(t), cr3))
		return TASK_DONE;
	/* an entry of PAE paging has a reserved bit (SDM vol. 3, 4.4.1) */
	t->fault = (struct task_fault){ .vector = X86_TRAP_GP };
	return TASK_FAULT;
}

static const struct task_ops switch_ops = {
	.probe = switch_probe,
	.read = switch_read,
	.write = switch_write,
	.mark = switch_mark,
	.push = switch_push,
	.load_cr3 = switch_load_cr3,
};

/*
 * Registers.
 */

static void take_registers(struct kvm_vcpu *vcpu, struct task *t, unsigned int len)
{
	const struct vcpu_state *state = &vcpu->arch.state;
	struct task_regs *regs = &t->regs;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs->gpr); i++)
		regs->gpr[i] = state->gpr[i];
	regs->eip = state->rip + len;
	regs->eflags = state->rflags & ~(u64)X86_EFLAGS_RF;
	if (vcpu->arch.exit.task.resume)
		regs->eflags |= X86_EFLAGS_RF;
	regs->cr3 = state->cr3;
	for (i = 0; i < SEG_COUNT; i++)
		regs->seg[i] = (struct task_seg){
			.base = state->seg[i].base,
			.limit = state->seg[i].limit,
			.selector = state->seg[i].selector,
			.attr = state->seg[i].attr,
		};
}

/* CR3 is there already. */
static void give_registers(struct kvm_vcpu *vcpu, const struct task *t)
{
	const struct task_regs *regs = &t->regs;
	struct vcpu_state *state = &vcpu->arch.state;
	unsigned int i;

	state_dirty(vcpu, STATE_CODE | STATE_SEG | STATE_CR);
	for (i = 0; i < ARRAY_SIZE(regs->gpr); i++)
		state->gpr[i] = regs->gpr[i];
	state->rip = regs->eip;
	state->rflags = regs->eflags;
	state->shadow = 0;
	for (i = 0; i < SEG_COUNT; i++)
		state->seg[i] = (struct x86_segment){
			.base = regs->seg[i].base,
			.limit = regs->seg[i].limit,
			.selector = regs->seg[i].selector,
			.attr = regs->seg[i].attr,
		};
	state->cr0 |= X86_CR0_TS;
	debug_task_switched(vcpu);
}

/*
 * Events.
 */

/* Does an instruction do it, so that the old task goes on behind that? */
static bool is_instruction(const struct vm_exit *exit)
{
	return exit->task.reason != TASK_BY_EVENT || exit->delivering == EVENT_SOFT_EXCEPTION ||
	       exit->delivering == EVENT_SOFT_IRQ;
}

/* A soft event that was injected: its instruction need not stand at RIP. */
static const struct event *given_soft(const struct kvm_vcpu *vcpu)
{
	const struct vcpu_events *ev = &vcpu->arch.events;

	if (vcpu->arch.exit.task.reason != TASK_BY_EVENT)
		return NULL;
	if (event_is_soft(&ev->inflight))
		return &ev->inflight;
	return event_is_soft(&ev->irq) ? &ev->irq : NULL;
}

static void raise(struct kvm_vcpu *vcpu, const struct task_fault *fault)
{
	if (fault->vector == X86_TRAP_PF)
		vcpu_page_fault(vcpu, fault->address, fault->error);
	else
		vcpu_exception(vcpu, fault->vector, fault->error);
}

/* What brought the vCPU here is over, however the new task fares. */
static void begun(struct kvm_vcpu *vcpu, const struct task *t)
{
	if (t->reason == TASK_IRET)
		events_iret(&vcpu->arch.events);
	else if (t->reason == TASK_EVENT)
		events_delivered(&vcpu->arch.events, vcpu->arch.exit.delivering);
}

/* Traps of the instruction, and that of the new task's T flag; TF is the new task's (17.3.1.4). */
static int finish(struct kvm_vcpu *vcpu, const struct task *t)
{
	struct vcpu_state *state = &vcpu->arch.state;
	u64 traps = t->reason == TASK_EVENT ? 0 : state->pending_db;

	state->pending_db = 0;
	if (t->trap)
		traps |= DR6_TASK;
	if (traps)
		debug_traps(vcpu, traps);
	return unlikely(debug_waits(vcpu)) ? debug_stepped(vcpu) : TO_GUEST;
}

static int run(struct kvm_vcpu *vcpu, struct task *t)
{
	const struct event event = vcpu->arch.events.inflight;
	bool error = t->reason == TASK_EVENT && event.kind == EVENT_EXCEPTION && event.has_error;
	enum task_result r;

	r = task_switch(t);
	if (t->begun) {
		give_registers(vcpu, t);
		if (!r)
			r = task_start(t, error, event.error);
		vcpu->arch.state.gpr[GPR_RSP] = t->regs.gpr[GPR_RSP];
	}
	/* raised first: one that comes while an exception is delivered may make a double fault */
	if (r == TASK_FAULT)
		raise(vcpu, &t->fault);
	if (t->begun)
		begun(vcpu, t);
	if (r == TASK_FAILED)
		return glue_not_executed(vcpu);
	return r ? TO_GUEST : finish(vcpu, t);
}

int glue_switch_task(struct kvm_vcpu *vcpu)
{
	const struct vm_exit *exit = &vcpu->arch.exit;
	const struct event *given = given_soft(vcpu);
	struct vcpu_task vt = {
		.vcpu = vcpu,
		.task = {
			.ops = &switch_ops,
			.reason = exit->task.reason,
			.selector = exit->task.selector,
			.external = !is_instruction(exit),
		},
	};
	int len = given ? given->insn_len : 0;

	if (!given && is_instruction(exit)) {
		len = glue_insn_len(vcpu);
		if (len <= 0)
			return len;
	}
	state_need(vcpu, STATE_CODE | STATE_SEG | STATE_CR);
	vt.task.paging = vcpu->arch.state.cr0 & X86_CR0_PG;
	vt.task.gdt_base = vcpu->arch.state.gdt.base;
	vt.task.gdt_limit = vcpu->arch.state.gdt.limit;
	take_registers(vcpu, &vt.task, len);
	return run(vcpu, &vt.task);
}
