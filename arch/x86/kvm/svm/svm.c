// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm.c - SVM: translation, both ways, at every entry and exit.
 *
 * Registers between struct vcpu_state and the VMCB, the plan of events.c into
 * EVENTINJ and intercepts, #VMEXIT codes into struct vm_exit.  Decides
 * nothing.  What happens once is in setup.c; APM vol. 2, chapter 15 and
 * appendices B (VMCB) and C (exit codes).
 */
#include <linux/kvm_host.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/nospec-branch.h>
#include "intinfo.h"
#include "svm.h"

/* What an IRET can raise before it completes (APM vol. 3, IRET). */
#define IRET_EXCEPTIONS							\
	(BIT(TS_VECTOR) | BIT(NP_VECTOR) | BIT(SS_VECTOR) | BIT(GP_VECTOR) |	\
	 BIT(PF_VECTOR) | BIT(AC_VECTOR) | BIT(21))

/* EXITINFO2 of a task switch (APM vol. 2, 15.14.1). */
#define TASK_OF_IRET	BIT_ULL(36)
#define TASK_OF_JMP	BIT_ULL(38)
#define TASK_SAVES_RF	BIT_ULL(48)

#define INVALID_VMCB	((u64)(u32)SVM_EXIT_ERR)

/*
 * Registers.
 */

static void get_segment(struct x86_segment *to, const struct vmcb_seg *from)
{
	to->base = from->base;
	to->limit = from->limit;
	to->selector = from->selector;
	to->attr = from->attrib;
}

static void put_segment(struct vmcb_seg *to, const struct x86_segment *from)
{
	to->base = from->base;
	to->limit = from->limit;
	to->selector = from->selector;
	to->attrib = from->attr;
}

/* Where the VMCB has a segment register, and with which group it moves. */
static const struct {
	u16 offset;
	u8 group;
} segment_map[SEG_COUNT] = {
	[SEG_ES] = { offsetof(struct vmcb_save_area, es), STATE_SEG },
	[SEG_CS] = { offsetof(struct vmcb_save_area, cs), STATE_CODE },
	[SEG_SS] = { offsetof(struct vmcb_save_area, ss), STATE_CODE },
	[SEG_DS] = { offsetof(struct vmcb_save_area, ds), STATE_SEG },
	[SEG_FS] = { offsetof(struct vmcb_save_area, fs), STATE_SEG },
	[SEG_GS] = { offsetof(struct vmcb_save_area, gs), STATE_SEG },
	[SEG_LDTR] = { offsetof(struct vmcb_save_area, ldtr), STATE_SEG },
	[SEG_TR] = { offsetof(struct vmcb_save_area, tr), STATE_SEG },
};

static void fetch_code(struct vcpu_state *state, const struct vmcb_save_area *save)
{
	get_segment(&state->seg[SEG_CS], &save->cs);
	get_segment(&state->seg[SEG_SS], &save->ss);
	/* CPL lives beside SS here, and in SS.DPL everywhere else */
	state->seg[SEG_SS].attr &= ~SEG_ATTR_DPL;
	state->seg[SEG_SS].attr |= save->cpl << SEG_ATTR_DPL_SHIFT;
}

static void fetch_segments(struct vcpu_state *state, struct vmcb_save_area *save)
{
	unsigned int i;

	for (i = 0; i < SEG_COUNT; i++)
		if (segment_map[i].group == STATE_SEG)
			get_segment(&state->seg[i], (void *)save + segment_map[i].offset);
	state->gdt.base = save->gdtr.base;
	state->gdt.limit = save->gdtr.limit;
	state->idt.base = save->idtr.base;
	state->idt.limit = save->idtr.limit;
}

static void store_segments(const struct vcpu_state *state, struct vmcb_save_area *save, u32 groups)
{
	unsigned int i;

	for (i = 0; i < SEG_COUNT; i++)
		if (groups & segment_map[i].group)
			put_segment((void *)save + segment_map[i].offset, &state->seg[i]);
	if (groups & STATE_CODE)
		save->cpl = (state->seg[SEG_SS].attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
	if (!(groups & STATE_SEG))
		return;
	save->gdtr.base = state->gdt.base;
	save->gdtr.limit = state->gdt.limit;
	save->idtr.base = state->idt.base;
	save->idtr.limit = state->idt.limit;
}

static void fetch_control(struct vcpu_state *state, const struct vmcb_save_area *save)
{
	state->cr0 = save->cr0;
	state->cr2 = save->cr2;
	state->cr3 = save->cr3;
	/* CR4 exits on access: the copy is the original */
	state->efer = save->efer & ~EFER_SVME;
}

static void store_control(const struct vcpu_state *state, struct vmcb_save_area *save)
{
	save->cr0 = state->cr0;
	save->cr2 = state->cr2;
	save->cr3 = state->cr3;
	/* a machine check of the host's must exit, not shut the guest down */
	save->cr4 = state->cr4 | (__read_cr4() & X86_CR4_MCE);
	save->efer = state->efer | EFER_SVME;
}

static void fetch_system(struct vcpu_state *state, const struct vmcb_save_area *save)
{
	state->star = save->star;
	state->lstar = save->lstar;
	state->cstar = save->cstar;
	state->sfmask = save->sfmask;
	state->kernel_gs_base = save->kernel_gs_base;
	state->sysenter_cs = save->sysenter_cs;
	state->sysenter_esp = save->sysenter_esp;
	state->sysenter_eip = save->sysenter_eip;
	state->pat = save->g_pat;
}

static void store_system(const struct vcpu_state *state, struct vmcb_save_area *save)
{
	save->star = state->star;
	save->lstar = state->lstar;
	save->cstar = state->cstar;
	save->sfmask = state->sfmask;
	save->kernel_gs_base = state->kernel_gs_base;
	save->sysenter_cs = state->sysenter_cs;
	save->sysenter_esp = state->sysenter_esp;
	save->sysenter_eip = state->sysenter_eip;
	save->g_pat = state->pat;
}

static void fetch_debug(struct vcpu_state *state, const struct vmcb_save_area *save)
{
	state->dr6 = save->dr6;
	/* delivery of #DB clears DR7.GD, if DR7 is the guest's at all */
	if (state->dr7_effective == state->dr7)
		state->dr7 = state->dr7_effective = save->dr7;
}

static void svm_fetch(struct kvm_vcpu *vcpu, u32 groups)
{
	struct vmcb_save_area *save = &to_svm(vcpu)->vmcb->save;
	struct vcpu_state *state = &vcpu->arch.state;

	if (groups & STATE_CODE)
		fetch_code(state, save);
	if (groups & STATE_SEG)
		fetch_segments(state, save);
	if (groups & STATE_CR)
		fetch_control(state, save);
	if (groups & STATE_SYS)
		fetch_system(state, save);
	if (groups & STATE_DR)
		fetch_debug(state, save);
}

static void svm_store(struct kvm_vcpu *vcpu, u32 groups)
{
	struct vmcb_save_area *save = &to_svm(vcpu)->vmcb->save;
	const struct vcpu_state *state = &vcpu->arch.state;

	if (groups & (STATE_CODE | STATE_SEG)) {
		store_segments(state, save, groups);
		svm_touch(vcpu, CLEAN_SEGMENTS | CLEAN_TABLES);
	}
	if (groups & STATE_CR) {
		store_control(state, save);
		svm_touch(vcpu, CLEAN_CR | CLEAN_CR2);
	}
	if (groups & STATE_SYS) {
		store_system(state, save);
		svm_touch(vcpu, CLEAN_NESTED);
	}
	if (groups & STATE_DR) {
		save->dr6 = state->dr6;
		save->dr7 = state->dr7_effective;
		svm_touch(vcpu, CLEAN_DR);
	}
}

/*
 * CPUs and address space identifiers.
 */

/* Not of the VMCB, but a register of the CPU's: guests alone run by it.  Preemption off. */
static void load_tsc_ratio(u64 ratio)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);

	if (!backend_features.tsc_scaling || sc->tsc_ratio == ratio)
		return;
	sc->tsc_ratio = ratio;
	wrmsrl(MSR_AMD64_TSC_RATIO, ratio);
}

static void svm_vcpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);
	struct vcpu_svm *svm = to_svm(vcpu);

	if (svm->asid_cpu != cpu) {
		svm->asid_cpu = cpu;
		svm->asid_generation = 0;
		svm->vmcb->control.clean = 0;
	}
	if (sc->last_vmcb != svm->vmcb) {
		sc->last_vmcb = svm->vmcb;
		indirect_branch_prediction_barrier();
	}
	load_tsc_ratio(svm->tsc_ratio);
	/* the host's FS, GS, TR and so on, as they stay until vcpu_put */
	asm volatile("1: vmsave %%rax\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : : "a" (sc->host_block_pa) : "memory");
}

/* Exits have loaded LDTR as it was at vcpu_load, from memory of this backend's. */
static void svm_vcpu_put(struct kvm_vcpu *vcpu)
{
	u16 loaded, ldt = process_ldt();

	store_ldt(loaded);
	if (unlikely(loaded | ldt))
		asm volatile("lldt %0" : : "m" (ldt));
}

/* Translations are tagged with the ASID: a new one has none (APM vol. 2, 15.16). */
static void new_asid(struct kvm_vcpu *vcpu, struct svm_cpu *sc)
{
	struct vmcb_control_area *control = &to_svm(vcpu)->vmcb->control;

	control->tlb_ctl = TLB_CONTROL_DO_NOTHING;
	if (sc->next_asid >= svm_asids) {
		sc->asid_generation++;
		sc->next_asid = 1;
		control->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	}
	control->asid = sc->next_asid++;
	to_svm(vcpu)->asid_generation = sc->asid_generation;
	svm_touch(vcpu, CLEAN_ASID);
}

static void svm_flush_guest(struct kvm_vcpu *vcpu)
{
	to_svm(vcpu)->asid_generation = 0;
}

/* These processors have no log. */
static void svm_log_writes(struct kvm_vcpu *vcpu)
{
}

static unsigned int svm_take_written(struct kvm_vcpu *vcpu, const u64 **gpa)
{
	return 0;
}

static void svm_set_root(struct kvm_vcpu *vcpu)
{
	to_svm(vcpu)->vmcb->control.nested_cr3 = vcpu->arch.root;
	to_svm(vcpu)->asid_generation = 0;
	svm_touch(vcpu, CLEAN_NESTED);
}

static void svm_set_tsc(struct kvm_vcpu *vcpu, u64 offset, u64 ratio)
{
	to_svm(vcpu)->vmcb->control.tsc_offset = offset;
	svm_touch(vcpu, CLEAN_INTERCEPTS);
	preempt_disable();
	to_svm(vcpu)->tsc_ratio = ratio ?: SVM_TSC_RATIO_DEFAULT;
	if (vcpu->cpu >= 0)
		load_tsc_ratio(to_svm(vcpu)->tsc_ratio);
	preempt_enable();
}

/*
 * Events, inwards.
 */

/*
 * The frame of a soft event holds the address behind its instruction.  With
 * NRIPS hardware takes it from the VMCB; without, RIP is moved there, and back
 * (svm_exit) if nothing came of the delivery.
 */
static void aim_soft_event(struct kvm_vcpu *vcpu, const struct event *event)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vcpu_state *state = &vcpu->arch.state;

	if (svm_has_nrips) {
		svm->vmcb->control.next_rip = state->rip + event->insn_len;
		return;
	}
	svm->soft_skip = event->insn_len;
	state->rip += event->insn_len;
	svm->soft_rip = state->rip;
}

static void inject_event(struct kvm_vcpu *vcpu, const struct event *event)
{
	struct vmcb_control_area *control = &to_svm(vcpu)->vmcb->control;

	if (event->kind == EVENT_NONE) {
		control->event_inj = 0;
		return;
	}
	if (event_is_soft(event))
		aim_soft_event(vcpu, event);
	control->event_inj = svm_intinfo_of(event);
	control->event_inj_err = event->error;
}

/* A virtual interrupt that only serves to exit as soon as it could be taken (15.21.4). */
static void set_irq_window(struct kvm_vcpu *vcpu, bool on)
{
	struct vmcb_control_area *control = &to_svm(vcpu)->vmcb->control;
	u32 window = V_IRQ_MASK | V_IGN_TPR_MASK | V_INTR_PRIO_MASK;

	if (on == !!(control->int_ctl & V_IRQ_MASK))
		return;
	control->int_ctl = on ? control->int_ctl | window : control->int_ctl & ~window;
	control->int_vector = 0;
	control->intercepts[INTERCEPT_VINTR / 32] &= ~BIT(INTERCEPT_VINTR % 32);
	control->intercepts[INTERCEPT_VINTR / 32] |= on ? BIT(INTERCEPT_VINTR % 32) : 0;
	svm_touch(vcpu, CLEAN_INTERCEPTS);
}

static void set_iret_watch(struct kvm_vcpu *vcpu, bool on)
{
	u32 *word = &to_svm(vcpu)->vmcb->control.intercepts[INTERCEPT_IRET / 32];
	u32 bit = BIT(INTERCEPT_IRET % 32);

	if (on == !!(*word & bit))
		return;
	*word ^= bit;
	svm_touch(vcpu, CLEAN_INTERCEPTS);
}

/*
 * One instruction: there is no monitor trap, so TF is borrowed.  Nothing is
 * injected meanwhile, and every exception exits, so no frame ever shows it.
 */
static void begin_step(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;

	svm->stepping = true;
	svm->step_tf = vcpu->arch.state.rflags & X86_EFLAGS_TF;
	svm->step_dr6 = vmcb->save.dr6;
	vmcb->save.dr6 = DR6_RESERVED;
	vmcb->control.intercepts[INTERCEPT_EXCEPTION] = SVM_ALL_EXCEPTIONS;
	vcpu->arch.state.rflags |= X86_EFLAGS_TF;
	svm_touch(vcpu, CLEAN_INTERCEPTS | CLEAN_DR);
}

/* The IRET that opens the NMI mask runs by itself; if it faults, that is an exit. */
static void let_iret_go(struct kvm_vcpu *vcpu)
{
	to_svm(vcpu)->vmcb->control.intercepts[INTERCEPT_EXCEPTION] |= IRET_EXCEPTIONS;
	svm_touch(vcpu, CLEAN_INTERCEPTS);
}

static void svm_inject(struct kvm_vcpu *vcpu, const struct event_plan *plan)
{
	inject_event(vcpu, &plan->inject);
	set_irq_window(vcpu, plan->irq_window);
	set_iret_watch(vcpu, plan->watch_iret && !plan->step);
	to_svm(vcpu)->iret_goes = plan->iret_goes;
	if (plan->step)
		begin_step(vcpu);
	else if (plan->iret_goes)
		let_iret_go(vcpu);
}

/*
 * In and out.
 */

/* A debugger steps: not into a frame, and a delivery exits by itself. */
static void force_step(struct vcpu_svm *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	svm->forced_tf = !(vmcb->save.rflags & X86_EFLAGS_TF) &&
			 !(vmcb->control.event_inj & SVM_INTINFO_VALID);
	if (svm->forced_tf)
		vmcb->save.rflags |= X86_EFLAGS_TF;
}

/* What changes from entry to entry. */
static void write_vmcb(struct kvm_vcpu *vcpu, struct vmcb *vmcb)
{
	const struct vcpu_state *state = &vcpu->arch.state;

	vmcb->save.rax = state->gpr[GPR_RAX];
	vmcb->save.rsp = state->gpr[GPR_RSP];
	vmcb->save.rip = state->rip;
	vmcb->save.rflags = state->rflags;
	if (unlikely(vcpu->arch.traps & TRAP_STEP))
		force_step(to_svm(vcpu));
	vmcb->control.int_state = !!state->shadow;
	vmcb->control.int_ctl &= ~V_TPR_MASK;
	/* always anew: TCG clears it when it refuses an entry, and no host interrupt would exit */
	vmcb->control.int_ctl |= V_INTR_MASKING_MASK | (vcpu->arch.cr8 & V_TPR_MASK);
}

static void read_vmcb(struct kvm_vcpu *vcpu, struct vmcb *vmcb)
{
	struct vcpu_state *state = &vcpu->arch.state;

	state->gpr[GPR_RAX] = vmcb->save.rax;
	state->gpr[GPR_RSP] = vmcb->save.rsp;
	state->rip = vmcb->save.rip;
	state->rflags = vmcb->save.rflags;
	state->shadow = vmcb->control.int_state & SVM_INTERRUPT_SHADOW_MASK ? SHADOW_ANY : 0;
	vcpu->arch.cr8 = vmcb->control.int_ctl & V_TPR_MASK;
	vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
	/* V_TPR is written at every entry */
	vmcb->control.clean = CLEAN_ALL & ~CLEAN_INTERRUPT;
}

static void svm_enter(struct kvm_vcpu *vcpu)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);
	struct vcpu_svm *svm = to_svm(vcpu);

	if (svm->asid_generation != sc->asid_generation)
		new_asid(vcpu, sc);
	write_vmcb(vcpu, svm->vmcb);
	asm volatile("clgi" : : : "memory");
	svm_switch(svm->vmcb_pa, vcpu->arch.state.gpr, sc->host_block_pa);
	asm volatile("stgi" : : : "memory");
	/*
	 * Refused: the guest has not run, and what stands in the VMCB need not be its.  Nor need a
	 * flush that it asked for have been made: the next ASID comes with another.
	 */
	if (likely(svm->vmcb->control.exit_code != (u32)SVM_EXIT_ERR))
		read_vmcb(vcpu, svm->vmcb);
	else
		sc->next_asid = svm_asids;
}

/*
 * Events, outwards.
 */

static void report_undelivered(struct kvm_vcpu *vcpu, struct event_report *report)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vmcb_control_area *control = &svm->vmcb->control;
	u32 info = control->exit_int_info, error = control->exit_int_info_err;

	/* refused, and what was to be injected has not been; TCG moves it from here to there */
	if (unlikely(control->exit_code == (u32)SVM_EXIT_ERR &&
		     control->event_inj & SVM_INTINFO_VALID)) {
		info = control->event_inj;
		error = control->event_inj_err;
	}
	if (info & SVM_INTINFO_VALID) {
		report->undelivered = svm_event_of(info, error);
		if (svm->soft_skip && vcpu->arch.state.rip == svm->soft_rip)
			vcpu->arch.state.rip -= svm->soft_skip;
	}
	svm->soft_skip = 0;
}

static void exit_exception(struct vcpu_svm *svm, struct vm_exit *exit, u8 vector)
{
	struct vmcb *vmcb = svm->vmcb;

	if (vector == MC_VECTOR) {
		exit->kind = EXIT_HOST_MACHINE_CHECK;
		return;
	}
	exit->kind = EXIT_EXCEPTION;
	exit->exception.vector = vector;
	exit->exception.has_error = exception_has_error(vector);
	exit->exception.error = vmcb->control.exit_info_1;
	exit->exception.payload = 0;
	if (vector == PF_VECTOR)
		exit->exception.payload = vmcb->control.exit_info_2;
	else if (vector == DB_VECTOR)
		exit->exception.payload = vmcb->save.dr6 ^ DR6_RESERVED;
}

static void end_exceptions(struct kvm_vcpu *vcpu)
{
	svm_set_traps(vcpu);
}

/* Give TF, DR6 and the exceptions back; a completed step is an answer, not an exit of its own. */
static void end_step(struct kvm_vcpu *vcpu, struct vm_exit *exit, struct event_report *report)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;
	bool wanted = svm->step_tf || vcpu->arch.traps & TRAP_STEP;

	svm->stepping = false;
	report->stepped = exit->kind == EXIT_EXCEPTION && exit->exception.vector == DB_VECTOR &&
			  exit->exception.payload & DR_STEP;
	if (report->stepped && !wanted) {
		exit->exception.payload &= ~(u64)DR_STEP;
		if (!exit->exception.payload)
			exit->kind = EXIT_NONE;
	}
	/* a completed IRET has loaded the TF that counts */
	if (!(report->stepped && svm->iret_goes)) {
		vcpu->arch.state.rflags &= ~(u64)X86_EFLAGS_TF;
		vcpu->arch.state.rflags |= svm->step_tf;
	}
	vmcb->save.dr6 = svm->step_dr6;
	svm_touch(vcpu, CLEAN_DR);
	end_exceptions(vcpu);
}

static void exit_io(const struct vmcb *vmcb, struct vm_exit *exit)
{
	u32 info = vmcb->control.exit_info_1;

	exit->kind = EXIT_IO;
	exit->io.port = info >> 16;
	exit->io.size = (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT;
	exit->io.in = info & SVM_IOIO_TYPE_MASK;
	exit->io.string = info & SVM_IOIO_STR_MASK;
	exit->io.rep = info & BIT(SVM_IOIO_REP_SHIFT);
	/* with or without NRIPS, EXITINFO2 is the next RIP here (15.10.2) */
	exit->insn_len = vmcb->control.exit_info_2 - vmcb->save.rip;
}

static void exit_memory(const struct vmcb_control_area *control, struct vm_exit *exit)
{
	u64 error = control->exit_info_1;

	exit->kind = EXIT_MEMORY;
	exit->memory.gpa = control->exit_info_2;
	exit->memory.present = error & BIT(0);
	exit->memory.write = error & BIT(1);
	exit->memory.fetch = error & BIT(4);
	exit->memory.table = error & BIT_ULL(33);
	exit->insn_len = 0;
	exit->insn_bytes = 0;
	if (svm_has_decode_assists && !exit->memory.fetch) {
		exit->insn_bytes = min_t(u8, control->insn_len & 0xf, sizeof(exit->insn));
		memcpy(exit->insn, control->insn_bytes, exit->insn_bytes);
	}
}

/* EXITINFO2 tells IRET and JMP; what is neither, nor an event's, is a CALL (15.14.1). */
static void exit_task(struct vcpu_svm *svm, struct vm_exit *exit, bool event)
{
	struct vmcb_control_area *control = &svm->vmcb->control;
	u64 info = control->exit_info_2;

	exit->kind = EXIT_TASK_SWITCH;
	exit->insn_len = 0;
	exit->task.selector = control->exit_info_1;
	exit->task.resume = info & TASK_SAVES_RF;
	if (info & TASK_OF_IRET)
		exit->task.reason = TASK_BY_IRET;
	else if (info & TASK_OF_JMP)
		exit->task.reason = TASK_BY_JMP;
	else
		exit->task.reason = event ? TASK_BY_EVENT : TASK_BY_CALL;
}

/* Exits that say all there is to say by their code.  Zero: not here. */
static const u8 plain_exit[] = {
	[SVM_EXIT_INTR] = EXIT_HOST_IRQ,
	[SVM_EXIT_NMI] = EXIT_HOST_IRQ,
	[SVM_EXIT_SMI] = EXIT_HOST_IRQ,
	[SVM_EXIT_INIT] = EXIT_HOST_IRQ,
	[SVM_EXIT_VINTR] = EXIT_WINDOW,
	[SVM_EXIT_RDPMC] = EXIT_PRIVILEGED,
	[SVM_EXIT_CPUID] = EXIT_CPUID,
	[SVM_EXIT_RSM] = EXIT_RSM,
	[SVM_EXIT_INVD] = EXIT_CACHE,
	[SVM_EXIT_WBINVD] = EXIT_CACHE,
	[SVM_EXIT_PAUSE] = EXIT_PAUSE,
	[SVM_EXIT_HLT] = EXIT_HLT,
	[SVM_EXIT_INVLPGA] = EXIT_UNDEFINED,
	[SVM_EXIT_FERR_FREEZE] = EXIT_UNKNOWN,
	[SVM_EXIT_SHUTDOWN] = EXIT_SHUTDOWN,
	[SVM_EXIT_VMRUN] = EXIT_UNDEFINED,
	[SVM_EXIT_VMMCALL] = EXIT_HYPERCALL,
	[SVM_EXIT_VMLOAD] = EXIT_UNDEFINED,
	[SVM_EXIT_VMSAVE] = EXIT_UNDEFINED,
	[SVM_EXIT_STGI] = EXIT_UNDEFINED,
	[SVM_EXIT_CLGI] = EXIT_UNDEFINED,
	[SVM_EXIT_SKINIT] = EXIT_UNDEFINED,
	[SVM_EXIT_MONITOR] = EXIT_IDLE,
	[SVM_EXIT_MWAIT] = EXIT_IDLE,
	[SVM_EXIT_XSETBV] = EXIT_XSETBV,
	[SVM_EXIT_RDPRU] = EXIT_UNDEFINED,
};

static void decode_other(struct kvm_vcpu *vcpu, struct vm_exit *exit, struct event_report *report)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	switch (exit->hardware) {
	case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_CR8:
		exit->kind = EXIT_CR;
		exit->cr.number = exit->hardware & 0xf;
		exit->cr.write = exit->hardware & 0x10;
		break;
	case SVM_EXIT_CR0_SEL_WRITE:
		exit->kind = EXIT_CR;
		exit->cr.number = 0;
		exit->cr.write = true;
		break;
	case SVM_EXIT_READ_DR0 ... SVM_EXIT_WRITE_DR7:
		exit->kind = EXIT_DR;
		exit->dr.number = exit->hardware & 0xf;
		exit->dr.write = exit->hardware & 0x10;
		break;
	case SVM_EXIT_TASK_SWITCH:
		exit_task(svm, exit, report->undelivered.kind);
		break;
	case SVM_EXIT_EXCP_BASE ... SVM_EXIT_LAST_EXCP:
		exit_exception(svm, exit, exit->hardware - SVM_EXIT_EXCP_BASE);
		break;
	case SVM_EXIT_IRET:
		report->at_iret = true;
		exit->kind = EXIT_NONE;
		break;
	case INVALID_VMCB:
		exit->kind = EXIT_FAILED;
		break;
	default:
		exit->kind = EXIT_UNKNOWN;
	}
}

/* What this entry had borrowed for one instruction goes back. */
static void end_borrowing(struct kvm_vcpu *vcpu, struct vm_exit *exit, struct event_report *report)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	if (unlikely(svm->stepping)) {
		end_step(vcpu, exit, report);
		return;
	}
	if (unlikely(svm->iret_goes))
		end_exceptions(vcpu);
	if (unlikely(svm->forced_tf)) {
		vcpu->arch.state.rflags &= ~(u64)X86_EFLAGS_TF;
		svm->forced_tf = false;
	}
}

static void svm_exit(struct kvm_vcpu *vcpu, struct vm_exit *exit, struct event_report *report)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	const struct vmcb_control_area *control = &vmcb->control;
	u32 code = control->exit_code;

	report_undelivered(vcpu, report);
	exit->hardware = code;
	exit->insn_bytes = 0;
	exit->insn_len = svm_has_nrips && control->next_rip ?
			 control->next_rip - vmcb->save.rip : 0;
	if (code == SVM_EXIT_NPF) {
		exit_memory(control, exit);
	} else if (code == SVM_EXIT_IOIO) {
		exit_io(vmcb, exit);
	} else if (code == SVM_EXIT_MSR) {
		exit->kind = EXIT_MSR;
		exit->msr.write = control->exit_info_1;
	} else if (code < ARRAY_SIZE(plain_exit) && plain_exit[code]) {
		exit->kind = plain_exit[code];
	} else {
		decode_other(vcpu, exit, report);
	}
	end_borrowing(vcpu, exit, report);
}

static void svm_dump(struct kvm_vcpu *vcpu)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	struct vmcb_control_area *control = &vmcb->control;
	struct vmcb_save_area *save = &vmcb->save;
	unsigned int i;

	pr_err_ratelimited("kvm: vCPU %d: VMCB: exit %x info %llx %llx inj %x/%x int_ctl %x state %x asid %u\n",
			   vcpu->id, control->exit_code, control->exit_info_1, control->exit_info_2,
			   control->event_inj, control->event_inj_err, control->int_ctl,
			   control->int_state, control->asid);
	pr_err_ratelimited("kvm: cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx cpl %u dr6 %llx dr7 %llx\n",
			   save->cr0, save->cr2, save->cr3, save->cr4, save->efer, save->cpl,
			   save->dr6, save->dr7);
	pr_err_ratelimited("kvm: rip %llx rsp %llx rflags %llx\n", save->rip, save->rsp,
			   save->rflags);
	for (i = 0; i < SEG_COUNT; i++) {
		struct vmcb_seg *seg = (void *)save + segment_map[i].offset;

		pr_err_ratelimited("kvm: segment %u: %04x attr %03x limit %08x base %llx\n", i,
				   seg->selector, seg->attrib, seg->limit, seg->base);
	}
}

#define SVM_MEMBER(ret, name, args) .name = svm_##name,
const struct backend svm_backend = {
	BACKEND_OPS(SVM_MEMBER)
};
