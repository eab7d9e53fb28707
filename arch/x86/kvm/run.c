// SPDX-License-Identifier: GPL-2.0-only
/*
 * run.c - KVM_RUN: the loop, the entry, halting, and what kvm_run says.
 *
 * Decide, then commit, then enter: events_plan() gives a value; until
 * interrupts are off and nothing waits it can be thrown away, and after that
 * nothing can fail.  There is no way back out of an entry, so none has to be
 * undone.  What an exit means is in exit.c; how a kick and an entry meet is in
 * Documentation/virt/kvm/locking.rst.
 */
#include <linux/context_tracking.h>
#include <linux/kvm_host.h>
#include <linux/sched/signal.h>
#include <linux/task_work.h>
#include <linux/vtime.h>
#include <asm/mce.h>
#include <asm/trapnr.h>
#include "emu/glue.h"
#include "trace.h"
#include "vcpu.h"

/* Work of the host's that cannot wait for the guest. */
#define HOST_WORK	(_TIF_NEED_RESCHED | _TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL)

/*
 * _TIF_NOTIFY_RESUME by itself can wait for the next return to userspace, where all it stands for
 * is done: it comes with every preemption of a thread that has an rseq area.  Task work is another
 * matter: somebody may be waiting for it.
 */
static bool host_has_work(void)
{
	unsigned long flags = read_thread_flags();

	return flags & HOST_WORK || (flags & _TIF_NOTIFY_RESUME && task_work_pending(current));
}

/* What userspace's own controller hands over would reach the processor. */
static __always_inline bool hears_userspace(struct kvm_vcpu *vcpu)
{
	return likely(!vcpu->arch.irq.in_kernel) || apic_hears_userspace(vcpu);
}

static __always_inline struct event_gates run_gates(struct kvm_vcpu *vcpu)
{
	struct vcpu_state *state = &vcpu->arch.state;

	return (struct event_gates){
		.if_set = state->rflags & X86_EFLAGS_IF,
		.shadow = state->shadow,
		.irq_wanted = READ_ONCE(vcpu->run->request_interrupt_window) &&
			      hears_userspace(vcpu),
		.irq_offered = vcpu->arch.irq.in_kernel && apic_offers(vcpu),
	};
}

/* The gates, with what only matters when something waits. */
static struct event_gates full_gates(struct kvm_vcpu *vcpu, bool waits)
{
	struct event_gates gates = run_gates(vcpu);

	if (waits) {
		/* a change of PE exits: the copy is right, whether the group is valid or not */
		gates.real_mode = !(vcpu->arch.state.cr0 & X86_CR0_PE);
		gates.stepped = vcpu->arch.traps & TRAP_STEP;
	}
	/* STI leaves no shadow while IF is 0: not on silicon, and VMX refuses to enter so */
	if (!gates.if_set && gates.shadow == SHADOW_STI)
		gates.shadow = 0;
	return gates;
}

void run_hear(struct vcpu_events *ev, u32 notes)
{
	if (notes & INBOX_NMI)
		events_nmi(ev);
	if (notes & INBOX_NMI_TOO)
		events_nmi(ev);
	if (notes & INBOX_SMI)
		events_smi(ev);
	if (notes & INBOX_INIT)
		events_init(ev);
	if (notes & INBOX_SIPI)
		events_sipi(ev, notes >> INBOX_SIPI_SHIFT);
}

static void drain_inbox(struct kvm_vcpu *vcpu)
{
	u32 notes;

	if (!atomic_read(&vcpu->arch.inbox))
		return;
	notes = atomic_xchg(&vcpu->arch.inbox, 0);
	if (notes & INBOX_EVENTS)
		run_hear(&vcpu->arch.events, notes);
	apic_drain(vcpu, notes);
}

/* Software events that came by ioctl: how long is the instruction, if it stands there at all? */
static void measure_soft_events(struct kvm_vcpu *vcpu)
{
	struct event *event;

	while ((event = events_unmeasured(&vcpu->arch.events)))
		event->insn_len = glue_soft_len(vcpu, event);
}

static int serve_requests(struct kvm_vcpu *vcpu)
{
	u32 requests = atomic_xchg(&vcpu->requests, 0);

	if (requests & KVM_REQ_DEAD) {
		kvm_vcpu_request(vcpu, KVM_REQ_DEAD);
		return -EIO;
	}
	if (requests & KVM_REQ_TLB_FLUSH) {
		vcpu->stat.tlb_flushes++;
		backend_call(flush_guest)(vcpu);
	}
	if (requests & KVM_REQ_MSR_TRAPS)
		msr_traps(vcpu);
	if (requests & KVM_REQ_LOG_WRITES) {
		vcpu->arch.logs_writes = READ_ONCE(vcpu->kvm->logged_slots);
		backend_call(log_writes)(vcpu);
	}
	if (requests & KVM_REQ_CLOCK)
		clock_serve(vcpu);
	if (requests & KVM_REQ_STEAL)
		steal_serve(vcpu);
	return TO_GUEST;
}

/* Before the guest is entered: is there an answer for userspace already? */
static __always_inline int early_exit(struct kvm_vcpu *vcpu,
				      const struct event_gates *gates)
{
	if (vcpu->arch.events.shutdown) {
		vcpu->arch.events.shutdown = false;
		vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
		return TO_USER;
	}
	if (unlikely(apic_may_tell(&vcpu->arch.irq)) && apic_tells(vcpu))
		return TO_USER;
	if (unlikely(gates->irq_wanted) && events_irq_ready(&vcpu->arch.events, gates)) {
		vcpu->stat.irq_window_exits++;
		vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
		return TO_USER;
	}
	return TO_GUEST;
}

static bool must_wait(struct kvm_vcpu *vcpu)
{
	return atomic_read(&vcpu->requests) | atomic_read(&vcpu->arch.inbox) || host_has_work();
}

/* What a debugger's step is, and whether it is the guest's, too.  KVM_SET_GUEST_DEBUG ends it. */
static void note_step(struct kvm_vcpu *vcpu, bool delivers)
{
	vcpu->arch.step_delivers = delivers;
	vcpu->arch.debug.own_tf = vcpu->arch.state.rflags & X86_EFLAGS_TF;
}

/* Nothing is injected and nothing waits: what the backend was told last still holds. */
static void commit_nothing(struct kvm_vcpu *vcpu)
{
	static const struct event_plan nothing_planned;

	if (vcpu->arch.state.dirty)
		state_store(vcpu);
	if (likely(vcpu->arch.quiet))
		return;
	backend_call(inject)(vcpu, &nothing_planned);
	if (unlikely(vcpu->arch.traps & TRAP_STEP))
		note_step(vcpu, false);
	else
		vcpu->arch.quiet = true;
}

/* From here on nothing can fail: the plan becomes true. */
static void commit(struct kvm_vcpu *vcpu, const struct event_plan *plan)
{
	vcpu->arch.quiet = false;
	if (trace_kvm_inject_enabled() &&
	    (plan->from != FROM_NOWHERE || plan->irq_window || plan->nmi_window))
		trace_kvm_inject(vcpu->id, plan);
	if (plan->from != FROM_NOWHERE) {
		if (plan->inject.has_payload)
			vcpu_deliver_payload(vcpu, &plan->inject);
		if (plan->set_rf)
			vcpu->arch.state.rflags |= X86_EFLAGS_RF;
		if (plan->inject.kind == EVENT_IRQ || plan->inject.kind == EVENT_SOFT_IRQ)
			vcpu->stat.irqs++;
		else if (plan->inject.kind == EVENT_NMI)
			vcpu->stat.nmis++;
		else
			vcpu->stat.exceptions++;
	}
	if (unlikely(vcpu->arch.traps & TRAP_STEP))
		note_step(vcpu, plan->inject.kind);
	events_commit(&vcpu->arch.events, plan);
	if (vcpu->arch.state.dirty)
		state_store(vcpu);
	backend_call(inject)(vcpu, plan);
	/* an interrupt of our own ends the guest's time between delivery and handler */
	if (unlikely(plan->again))
		smp_send_reschedule(smp_processor_id());
}

/*
 * Guest time is the guest's; RCU and the tick are told that no host code runs.  RCU wants to know
 * of it when a tick has come meanwhile, and not at every entry.
 */
static void world_switch(struct kvm_vcpu *vcpu)
{
	vtime_account_guest_enter();
	if (!context_tracking_guest_enter() && vcpu->arch.exit.kind == EXIT_HOST_IRQ)
		rcu_virt_note_context_switch(smp_processor_id());
	backend_call(enter)(vcpu);
	/* the VMM must not go by what the guest has taught the branch predictor */
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
	context_tracking_guest_exit();
}

/* Whoever caused a machine check, the host's handler decides; interrupts are still off. */
static void host_machine_check(void)
{
	struct pt_regs regs = {
		.cs = 3,	/* as if from user mode: no state of the kernel's is lost */
		.flags = X86_EFLAGS_IF,
	};

	do_machine_check(&regs);
}

/*
 * Debug traps that wait behind MOV SS, where hardware has no place for them (SVM): the instruction
 * in the shadow is stepped, and they come with what it raises itself.
 */
static void end_shadow(struct kvm_vcpu *vcpu)
{
	struct vm_exit *exit = &vcpu->arch.exit;
	u64 traps = vcpu->arch.state.pending_db;

	vcpu->arch.state.pending_db = 0;
	if (exit->kind == EXIT_EXCEPTION && exit->exception.vector == X86_TRAP_DB)
		exit->exception.payload |= traps;
	else
		vcpu_debug_trap(vcpu, traps);
}

static bool trap_waits(struct kvm_vcpu *vcpu)
{
	struct vcpu_state *state = &vcpu->arch.state;

	if (likely(!state->pending_db) || backend_features.pending_debug ||
	    events_first(&vcpu->arch.events))
		return false;
	/* stepped, an IRET would not be watched, and leave NMIs masked */
	if (state->shadow && vcpu->arch.events.nmi_mask == NMI_OPEN)
		return true;
	vcpu_debug_trap(vcpu, state->pending_db);
	state->pending_db = 0;
	return false;
}

/*
 * Hardware has logged where the guest has written.  What is in no slot any more, or in one without
 * a log, is of no interest.
 */
static noinline void log_writes(struct kvm_vcpu *vcpu)
{
	struct kvm_memslot *slot = NULL;
	const u64 *gpa = NULL;
	unsigned int count = backend_call(take_written)(vcpu, &gpa);
	int idx = srcu_read_lock(&vcpu->kvm->srcu);

	while (count--) {
		gfn_t gfn = gpa_to_gfn(*gpa++);

		if (!slot || gfn - slot->base_gfn >= slot->npages)
			slot = kvm_slot_of(vcpu->kvm, vcpu->space, gfn);
		if (slot)
			kvm_mark_dirty(slot, gfn);
	}
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
}

static void enter_and_exit(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_arch *arch = &vcpu->arch;
	struct event_report report = { };
	u64 rip = arch->state.rip;

	trace_kvm_entry(vcpu->id, arch->state.rip);
	fpu_enter(vcpu);
	debug_enter(vcpu);
	world_switch(vcpu);
	debug_leave(vcpu);
	fpu_leave(vcpu);
	if (unlikely(arch->logs_writes))
		log_writes(vcpu);
	/* nobody who sees this waits any more for what the guest did */
	smp_store_release(&vcpu->mode, KVM_OUTSIDE_GUEST);

	arch->state.valid = STATE_GPR;
	backend_call(exit)(vcpu, &arch->exit, &report);
	if (unlikely(arch->exit.kind == EXIT_HOST_MACHINE_CHECK))
		host_machine_check();
	arch->exit.delivering = report.undelivered.kind;
	if (report.undelivered.kind)
		vcpu->stat.redelivered++;
	if (report.at_iret)
		vcpu->stat.nmi_window_exits++;
	report.moved = arch->state.rip != rip;
	events_exit(&arch->events, &report);
	if (unlikely(report.stepped && arch->state.pending_db))
		end_shadow(vcpu);
	trace_kvm_exit(vcpu->id, &arch->exit, arch->state.rip, &report);

	/* an interrupt that ended the guest's time is taken now, and accounted to the guest */
	local_irq_enable();
	vcpu->stat.exits++;		/* an instruction outside of STI's shadow */
	local_irq_disable();
	vtime_account_guest_exit();
}

/* Returns false if something has come up meanwhile; else interrupts and preemption are off. */
static bool begin_entry(struct kvm_vcpu *vcpu, const struct event_gates *gates)
{
	preempt_disable();
	local_irq_disable();
	/* full barrier: kvm_vcpu_kick() makes its note first and reads the mode after */
	smp_store_mb(vcpu->mode, KVM_IN_GUEST);
	if (must_wait(vcpu)) {
		vcpu->mode = KVM_OUTSIDE_GUEST;
		local_irq_enable();
		preempt_enable();
		return false;
	}
	vcpu->arch.state.shadow = gates->shadow;
	vcpu->arch.has_run = true;
	vcpu->arch.shadow_restored = false;
	return true;
}

static bool begin_quietly(struct kvm_vcpu *vcpu, const struct event_gates *gates)
{
	bool begun = begin_entry(vcpu, gates);

	if (likely(begun))
		commit_nothing(vcpu);
	return begun;
}

/*
 * Behind one from the PICs there may be another, theirs or the APIC's, that IF alone keeps back
 * while the handler runs.  And an acknowledge can end a service, and so let the PIT send its next:
 * a note that nobody interrupts this CPU for.
 */
static void acknowledge(struct kvm_vcpu *vcpu, struct event_plan *plan)
{
	plan->inject.vector = apic_acknowledge(vcpu);
	if (apic_offers(vcpu))
		plan->irq_window = true;
	if (unlikely(atomic_read(&vcpu->arch.inbox)))
		smp_send_reschedule(smp_processor_id());
}

/* The decision is thrown away if the entry is not made. */
static bool begin_as_planned(struct kvm_vcpu *vcpu, const struct event_gates *gates)
{
	struct event_plan plan = events_plan(&vcpu->arch.events, gates);

	if (unlikely(plan.smi)) {
		smm_enter(vcpu);
		return false;
	}
	if (unlikely(plan.init)) {
		vcpu_init(vcpu);
		return false;
	}
	if (unlikely(!begin_entry(vcpu, gates)))
		return false;
	if (plan.from == FROM_CONTROLLER)
		acknowledge(vcpu, &plan);
	commit(vcpu, &plan);
	return true;
}

/* @waits: there is an event */
static int plan_and_enter(struct kvm_vcpu *vcpu, const struct event_gates *gates, bool waits)
{
	bool begun = unlikely(waits || gates->irq_wanted || gates->irq_offered) ?
		     begin_as_planned(vcpu, gates) : begin_quietly(vcpu, gates);

	if (unlikely(!begun))
		return TO_GUEST;
	enter_and_exit(vcpu);
	local_irq_enable();
	preempt_enable();
	if (unlikely(vcpu->arch.irq.vapic))
		apic_from_vapic(vcpu);
	return exit_handle(vcpu);
}

static int vcpu_enter(struct kvm_vcpu *vcpu)
{
	struct event_gates gates;
	bool trap, waits;
	int r;

	if (atomic_read(&vcpu->requests)) {
		r = serve_requests(vcpu);
		if (r)
			return r;
	}
	drain_inbox(vcpu);
	trap = trap_waits(vcpu);
	waits = trap || !events_idle(&vcpu->arch.events);
	if (waits)
		measure_soft_events(vcpu);
	if (unlikely(vcpu->arch.irq.vapic))
		apic_to_vapic(vcpu);
	gates = full_gates(vcpu, waits);
	gates.trap_waits = trap;
	r = early_exit(vcpu, &gates);
	return r == TO_GUEST ? plan_and_enter(vcpu, &gates, waits) : r;
}

/* Its FPU registers sleep with it, as the task's: the scheduler saves them for others. */
static int vcpu_sleep(struct kvm_vcpu *vcpu)
{
	int r = kvm_vcpu_block(vcpu);

	if (atomic_read(&vcpu->requests))
		r = serve_requests(vcpu) ?: r;
	return r;
}

/* Halted, or yet to be started: nothing is entered before what it waits for is there. */
static int vcpu_wait(struct kvm_vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->arch.events;
	struct event_gates gates;
	struct event_plan plan = {};
	bool halted;
	u8 page;

	drain_inbox(vcpu);
	gates = run_gates(vcpu);
	if (!events_wake(ev, &gates))
		return vcpu_sleep(vcpu);
	halted = ev->mp_state == KVM_MP_STATE_HALTED;
	if (!halted || unlikely(ev->smi_pending))
		plan = events_plan(ev, &gates);
	/* SMRAM says that it was halted; all else finds it behind its HLT */
	if (plan.smi)
		smm_enter(vcpu);
	else if (halted)
		ev->mp_state = KVM_MP_STATE_RUNNABLE;
	else if (ev->shutdown)
		return early_exit(vcpu, &gates);
	else if (plan.init)
		vcpu_init(vcpu);
	else if (events_take_sipi(ev, &page))
		vcpu_start(vcpu, page);
	return TO_GUEST;
}

bool kvm_arch_vcpu_wakes(struct kvm_vcpu *vcpu)
{
	struct event_gates gates = run_gates(vcpu);

	return atomic_read(&vcpu->arch.inbox) || events_wake(&vcpu->arch.events, &gates);
}

/* Signals end KVM_RUN; so does task work, which is done on the way to userspace. */
static int host_work(struct kvm_vcpu *vcpu)
{
	if (likely(!host_has_work()))
		return TO_GUEST;
	/* what userspace is yet to be told of is in no image: signals are when those are taken */
	if (unlikely(apic_may_tell(&vcpu->arch.irq)) && apic_tells(vcpu))
		return TO_USER;
	cond_resched();
	if (signal_pending(current) || task_work_pending(current)) {
		vcpu->stat.signal_exits++;
		return -EINTR;
	}
	return TO_GUEST;
}

static int run_loop(struct kvm_vcpu *vcpu)
{
	int r;

	do {
		r = host_work(vcpu);
		if (r != TO_GUEST)
			break;
		r = likely(vcpu->arch.events.mp_state == KVM_MP_STATE_RUNNABLE) ?
		    vcpu_enter(vcpu) : vcpu_wait(vcpu);
	} while (r == TO_GUEST);
	return r;
}

/* What userspace owes from the last exit, then what it says by kvm_run. */
static int begin_run(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 cr8 = READ_ONCE(run->cr8);
	int r;

	if (READ_ONCE(run->kvm_dirty_regs)) {
		r = x86_sync_in(vcpu);
		if (r)
			return r;
	}
	if (cr8 & ~0xfULL && !vcpu->arch.irq.in_kernel)
		return -EINVAL;
	if (unlikely(events_contradict(&vcpu->arch.events)))
		return -EINVAL;
	/* with an APIC in the kernel the page only says what it is */
	if (!vcpu->arch.irq.in_kernel)
		vcpu->arch.cr8 = cr8;
	if (unlikely(vcpu->arch.io.owner)) {
		r = exit_resume(vcpu);
		if (r != TO_GUEST)
			return r;
	}
	if (READ_ONCE(run->immediate_exit))
		return -EINTR;
	if (unlikely(vcpu->arch.pdptes_stale))
		x86_reload_pdptes(vcpu);
	return TO_GUEST;
}

/* Could an interrupt handed over now go out with the next entry? */
static __always_inline bool takes_interrupt(struct kvm_vcpu *vcpu)
{
	const struct event_gates gates = {
		.if_set = vcpu->arch.state.rflags & X86_EFLAGS_IF,
		.shadow = vcpu->arch.state.shadow,
	};

	return events_irq_ready(&vcpu->arch.events, &gates);
}

static __always_inline void publish(struct kvm_vcpu *vcpu, bool takes)
{
	struct kvm_run *run = vcpu->run;

	run->ready_for_interrupt_injection = takes;
	run->if_flag = !!(vcpu->arch.state.rflags & X86_EFLAGS_IF);
}

/* With the PICs in the kernel nothing is to be handed over, and nothing to wait for. */
static noinline void publish_with_apic(struct kvm_vcpu *vcpu)
{
	publish(vcpu, irq_where(vcpu->kvm) == IRQ_KERNEL ||
		      (apic_hears_userspace(vcpu) && takes_interrupt(vcpu)));
}

void run_publish(struct kvm_vcpu *vcpu)
{
	if (unlikely(vcpu->arch.irq.in_kernel))
		publish_with_apic(vcpu);
	else
		publish(vcpu, takes_interrupt(vcpu));
}

static void end_run(struct kvm_vcpu *vcpu, int r)
{
	struct kvm_run *run = vcpu->run;

	debug_end_live(vcpu);
	run_publish(vcpu);
	run->cr8 = vcpu->arch.cr8;
	run->apic_base = vcpu->arch.msrs.apic_base;
	run->flags = vcpu->arch.events.in_smm ? KVM_RUN_X86_SMM : 0;
	/* a refused KVM_RUN leaves in the page what it was refused for */
	if (READ_ONCE(run->kvm_valid_regs) && r != -EINVAL)
		x86_sync_out(vcpu);
}

/* @before: what the page said.  A call that ends with what is owed leaves the last exit in it. */
static int run_once(struct kvm_vcpu *vcpu, u32 before)
{
	int r = begin_run(vcpu);

	if (r == TO_GUEST) {
		r = run_loop(vcpu);
		before = KVM_EXIT_INTR;
	}
	if (r == -EINTR)
		vcpu->run->exit_reason = before;
	return r;
}

int kvm_arch_vcpu_run(struct kvm_vcpu *vcpu)
{
	u32 before = READ_ONCE(vcpu->run->exit_reason);
	int r;

	if (READ_ONCE(vcpu->run->kvm_valid_regs) & ~(u64)KVM_SYNC_X86_VALID_FIELDS ||
	    READ_ONCE(vcpu->run->kvm_dirty_regs) & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	fpu_swap_in(vcpu);
	r = run_once(vcpu, before);
	fpu_swap_out(vcpu);
	end_run(vcpu, r);
	if (r != TO_USER)
		return r;
	vcpu->stat.user_exits++;
	return 0;
}
