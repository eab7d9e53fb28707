// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmx.c - VMX: translation, both ways, at every entry and exit.
 *
 * Registers between struct vcpu_state and the VMCS, the plan of events.c into
 * entry information, windows and interruptibility, exit reasons into struct
 * vm_exit.  Decides nothing.  What happens once is in setup.c, which CPU has
 * the VMCS in vmcs.c.  SDM vol. 3, chapters 24 (VMCS), 26 and 27 (entry, exit)
 * and appendix C (exit reasons).
 */
#include <linux/kvm_host.h>
#include <asm/debugreg.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#include <asm/trapnr.h>
#include "intinfo.h"
#include "vmx.h"

/* What an IRET can raise before it completes (SDM vol. 2, IRET). */
#define IRET_EXCEPTIONS							\
	(BIT(X86_TRAP_TS) | BIT(X86_TRAP_NP) | BIT(X86_TRAP_SS) | BIT(X86_TRAP_GP) |	\
	 BIT(X86_TRAP_PF) | BIT(X86_TRAP_AC) | BIT(21))

/*
 * What always exits: the host's machine checks, and two whose delivery can raise them anew without
 * an end, and without an instruction boundary for the host's interrupts.  With #DB, DR6 is never
 * written behind our back.
 */
#define EXIT_EXCEPTIONS	(BIT(X86_TRAP_MC) | BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC))

#define FAILED_ENTRY	BIT(31)		/* in the exit reason */
#define VTPR		0x80		/* in the virtual-APIC page */

/*
 * Registers.
 */

/* The VMCS keeps the descriptor's bits where the descriptor has them (SDM vol. 3, 24.4.1). */
static u16 attr_of(u32 access)
{
	u16 attr = (access & 0xff) | (access >> 4 & 0xf00);

	return access & VMX_AR_UNUSABLE_MASK ? attr & ~SEG_ATTR_P : attr;
}

static u32 access_of(u16 attr)
{
	u32 access = (attr & 0xff) | (attr & 0xf00) << 4;

	return attr & SEG_ATTR_P ? access : access | VMX_AR_UNUSABLE_MASK;
}

static void get_segment(struct vcpu_state *state, unsigned int i)
{
	struct x86_segment *seg = &state->seg[i];

	seg->selector = vmcs_read(GUEST_ES_SELECTOR + 2 * i);
	seg->base = vmcs_read(GUEST_ES_BASE + 2 * i);
	seg->limit = vmcs_read(GUEST_ES_LIMIT + 2 * i);
	seg->attr = attr_of(vmcs_read(GUEST_ES_AR_BYTES + 2 * i));
}

/*
 * An entry is stricter than the processor is otherwise (SDM vol. 3, 26.3.1.2): granularity says
 * what the limit says, a segment that is loaded has been accessed.
 */
static u16 strict_attr(const struct x86_segment *seg)
{
	u16 attr = seg->attr;

	if (attr & SEG_ATTR_S && attr & SEG_ATTR_P)
		attr |= 1;
	if (seg->limit >> 20)
		attr |= SEG_ATTR_G;
	else if ((seg->limit & 0xfff) != 0xfff)
		attr &= ~SEG_ATTR_G;
	return attr;
}

static void put_segment(const struct vcpu_state *state, unsigned int i, u16 attr)
{
	const struct x86_segment *seg = &state->seg[i];

	vmcs_write(GUEST_ES_SELECTOR + 2 * i, seg->selector);
	vmcs_write(GUEST_ES_BASE + 2 * i, seg->base);
	vmcs_write(GUEST_ES_LIMIT + 2 * i, seg->limit);
	vmcs_write(GUEST_ES_AR_BYTES + 2 * i, access_of(attr));
}

/* A task register is usable and busy here; one that is not was put in by userspace. */
static void put_task_register(struct vcpu_vmx *vmx, const struct vcpu_state *state)
{
	u16 attr = strict_attr(&state->seg[SEG_TR]);

	vmx->no_tr = !(attr & SEG_ATTR_P);
	if (vmx->no_tr)
		attr = (attr & SEG_ATTR_G) | SEG_ATTR_P | VMX_AR_TYPE_BUSY_64_TSS;
	/* in IA-32e mode a 16-bit one is refused; processors let it stay where LME and PG come */
	if (state->efer & EFER_LMA)
		attr |= VMX_AR_TYPE_BUSY_64_TSS;
	put_segment(state, SEG_TR, attr | BIT(1));
}

static void get_task_register(struct vcpu_vmx *vmx, struct vcpu_state *state)
{
	const u16 selector = state->seg[SEG_TR].selector;
	const u16 attr = state->seg[SEG_TR].attr;

	get_segment(state, SEG_TR);
	if (unlikely(vmx->no_tr) && state->seg[SEG_TR].selector == selector)
		state->seg[SEG_TR].attr = attr;
}

static void fetch_segments(struct vcpu_vmx *vmx, struct vcpu_state *state)
{
	enum segment seg;

	for (seg = SEG_ES; seg < SEG_TR; seg++)
		if (seg != SEG_CS && seg != SEG_SS)
			get_segment(state, seg);
	get_task_register(vmx, state);
	state->gdt.base = vmcs_read(GUEST_GDTR_BASE);
	state->gdt.limit = vmcs_read(GUEST_GDTR_LIMIT);
	state->idt.base = vmcs_read(GUEST_IDTR_BASE);
	state->idt.limit = vmcs_read(GUEST_IDTR_LIMIT);
}

static void store_segments(struct vcpu_vmx *vmx, const struct vcpu_state *state)
{
	enum segment seg;

	for (seg = SEG_ES; seg < SEG_TR; seg++)
		if (seg != SEG_CS && seg != SEG_SS)
			put_segment(state, seg, strict_attr(&state->seg[seg]));
	put_task_register(vmx, state);
	vmcs_write(GUEST_GDTR_BASE, state->gdt.base);
	vmcs_write(GUEST_GDTR_LIMIT, state->gdt.limit);
	vmcs_write(GUEST_IDTR_BASE, state->idt.base);
	vmcs_write(GUEST_IDTR_LIMIT, state->idt.limit);
}

/* CR4, and of CR0 all but what the guest owns, exit when they change: the copy is the original. */
static void fetch_control(struct vcpu_state *state)
{
	state->cr0 &= ~(u64)CR0_GUEST_OWNED;
	state->cr0 |= vmcs_read(GUEST_CR0) & CR0_GUEST_OWNED;
	state->cr3 = vmcs_read(GUEST_CR3);
}

/* NE is 1 in VMX operation, CD and NW are left alone by an entry (SDM vol. 3, 23.8, 26.3.2.1). */
static void store_control(struct vcpu_vmx *vmx, const struct vcpu_state *state)
{
	u32 entry = vmx_controls.word[WORD_ENTRY];

	vmcs_write(GUEST_CR0, (state->cr0 & ~(X86_CR0_CD | X86_CR0_NW)) | X86_CR0_NE);
	vmcs_write(CR0_READ_SHADOW, state->cr0);
	vmcs_write(GUEST_CR3, state->cr3);
	/* a machine check of the host's must exit, not shut the guest down */
	vmcs_write(GUEST_CR4, state->cr4 | vmx_controls.cr4_fixed |
			      (__read_cr4() & X86_CR4_MCE));
	vmcs_write(CR4_READ_SHADOW, state->cr4);
	vmcs_write(GUEST_IA32_EFER, state->efer);
	if (state->efer & EFER_LMA)
		entry |= VM_ENTRY_IA32E_MODE;
	vmcs_update(VM_ENTRY_CONTROLS, vmx->held.entry, entry);
}

static void fetch_system(struct kvm_vcpu *vcpu, struct vcpu_state *state)
{
	state->sysenter_cs = vmcs_read(GUEST_SYSENTER_CS);
	state->sysenter_esp = vmcs_read(GUEST_SYSENTER_ESP);
	state->sysenter_eip = vmcs_read(GUEST_SYSENTER_EIP);
	if (vcpu->cpu >= 0)
		rdmsrl(MSR_KERNEL_GS_BASE, state->kernel_gs_base);
}

static void store_system(struct vcpu_vmx *vmx, const struct vcpu_state *state)
{
	vmcs_write(GUEST_SYSENTER_CS, state->sysenter_cs);
	vmcs_write(GUEST_SYSENTER_ESP, state->sysenter_esp);
	vmcs_write(GUEST_SYSENTER_EIP, state->sysenter_eip);
	vmcs_write(GUEST_IA32_PAT, state->pat);
	vmx_store_syscall(vmx, state);
}

static void store_pdptes(const struct vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(state->pdpte); i++)
		vmcs_write(GUEST_PDPTR0 + 2 * i, state->pdpte[i]);
}

static void fetch_pdptes(struct vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(state->pdpte); i++)
		state->pdpte[i] = vmcs_read(GUEST_PDPTR0 + 2 * i);
}

static void fetch_groups(struct kvm_vcpu *vcpu, struct vcpu_state *state, u32 groups)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (groups & STATE_CODE) {
		get_segment(state, SEG_CS);
		get_segment(state, SEG_SS);
	}
	if (groups & STATE_SEG)
		fetch_segments(vmx, state);
	if (groups & STATE_CR)
		fetch_control(state);
	if (groups & STATE_SYS)
		fetch_system(vcpu, state);
	/* delivery of #DB is ours, and so are DR6 and what it clears in DR7 */
	if (groups & STATE_DR && state->dr7_effective == state->dr7)
		state->dr7 = state->dr7_effective = vmcs_read(GUEST_DR7);
	if (groups & STATE_PDPTES)
		fetch_pdptes(state);
}

static void vmx_fetch(struct kvm_vcpu *vcpu, u32 groups)
{
	vmcs_get(to_vmx(vcpu));
	fetch_groups(vcpu, &vcpu->arch.state, groups);
	vmcs_put();
}

static void vmx_store(struct kvm_vcpu *vcpu, u32 groups)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct vcpu_state *state = &vcpu->arch.state;

	if (groups & STATE_CODE) {
		put_segment(state, SEG_CS, strict_attr(&state->seg[SEG_CS]));
		put_segment(state, SEG_SS, strict_attr(&state->seg[SEG_SS]));
	}
	if (groups & STATE_SEG)
		store_segments(vmx, state);
	if (groups & STATE_CR)
		store_control(vmx, state);
	if (groups & STATE_SYS)
		store_system(vmx, state);
	if (groups & STATE_DR)
		vmcs_write(GUEST_DR7, state->dr7_effective);
	if (groups & STATE_PDPTES)
		store_pdptes(state);
}

/*
 * What is remembered until the next entry.
 */

static void vmx_set_traps(struct kvm_vcpu *vcpu)
{
	/* vmx_inject() puts them in with what the plan asks for */
}

static void vmx_flush_guest(struct kvm_vcpu *vcpu)
{
	to_vmx(vcpu)->flush = true;
}

static void vmx_set_root(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	vmcs_get(vmx);
	vmcs_write(EPT_POINTER, vcpu->arch.root | vmx_controls.eptp);
	vmcs_put();
	/* while another was in its place nobody flushed this one */
	vmx->flush = true;
}

static void vmx_log_writes(struct kvm_vcpu *vcpu)
{
	vmcs_get(to_vmx(vcpu));
	vmx_write_secondary(vcpu);
	vmcs_put();
}

/* The index is where the next entry would be; below the first one when the log is full (28.3.6). */
static unsigned int vmx_take_written(struct kvm_vcpu *vcpu, const u64 **gpa)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	s16 next = vmcs_read(GUEST_PML_INDEX);

	if (next == VMX_WRITE_LOG_ENTRIES - 1)
		return 0;
	vmcs_write(GUEST_PML_INDEX, VMX_WRITE_LOG_ENTRIES - 1);
	*gpa = &vmx->write_log[next + 1];
	return VMX_WRITE_LOG_ENTRIES - 1 - next;
}

static void vmx_set_tsc(struct kvm_vcpu *vcpu, u64 offset, u64 ratio)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	vmcs_get(vmx);
	vmcs_update(TSC_OFFSET, vmx->held.tsc_offset, offset);
	if (vmx_controls.tsc_scaling)
		vmcs_update(TSC_MULTIPLIER, vmx->held.tsc_ratio,
			    ratio ?: BIT_ULL(backend_features.tsc_scale_frac_bits));
	vmcs_put();
}

/*
 * Events, inwards.
 */

static bool in_64bit_mode(void)
{
	return vmcs_read(VM_ENTRY_CONTROLS) & VM_ENTRY_IA32E_MODE &&
	       vmcs_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK;
}

/*
 * The frame of a soft event holds RIP plus the length.  A length of 0 is not known to every
 * processor: there RIP goes back by one, and by a length of one forward again.
 */
static void write_insn_len(struct kvm_vcpu *vcpu, const struct event *event)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	u8 len = event->insn_len;

	if (!len && !vmx_controls.zero_length) {
		vmx->cut_back = true;
		/* outside 64-bit mode an entry with more than 32 bits fails (SDM 26.3.1.4) */
		if (!vcpu->arch.state.rip-- && !in_64bit_mode())
			vcpu->arch.state.rip = U32_MAX;
		vmx->cut_rip = vcpu->arch.state.rip;
		len = 1;
	}
	vmcs_write(VM_ENTRY_INSTRUCTION_LEN, len);
}

/* Hardware clears the field at each exit, and leaves it when it refuses the entry. */
static void write_interruption(struct kvm_vcpu *vcpu, const struct event *event)
{
	u32 info = vmx_intinfo_of(event, vmx_controls.any_error_code);

	if (event_is_soft(event))
		write_insn_len(vcpu, event);
	if (info & VMX_INTINFO_ERROR)
		vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE, event->error);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, info);
}

static u32 wanted_controls(u32 traps, const struct event_plan *plan)
{
	u32 controls = vmx_controls.word[WORD_PRIMARY];

	if (plan->irq_window)
		controls |= CPU_BASED_INTR_WINDOW_EXITING;
	/* it is open behind a delivery, too, if NMIs are not masked */
	if (plan->nmi_window || plan->again)
		controls |= CPU_BASED_NMI_WINDOW_EXITING;
	if (traps & TRAP_CR8)
		controls |= CPU_BASED_CR8_LOAD_EXITING;
	if (traps & TRAP_DR)
		controls |= CPU_BASED_MOV_DR_EXITING;
	return controls;
}

static void vmx_inject(struct kvm_vcpu *vcpu, const struct event_plan *plan)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	u32 traps = vcpu->arch.traps, exceptions = EXIT_EXCEPTIONS;

	vmx->injects = plan->inject.kind;
	if (vmx->injects)
		write_interruption(vcpu, &plan->inject);
	vmx->nmi_blocked = vmx_masks_nmis(plan);
	vmx->step = plan->step;
	/* hardware opens the mask at an IRET that faults; nobody else would learn of it */
	if (plan->watch_iret)
		exceptions |= IRET_EXCEPTIONS;
	if (unlikely(traps & TRAP_BP))
		exceptions |= BIT(X86_TRAP_BP);
	/* there is no other exit for RSM, which is #UD here */
	if (unlikely(traps & TRAP_RSM))
		exceptions |= BIT(X86_TRAP_UD);
	/* a debugger's TF must not be seen in a handler's frame */
	if (unlikely(traps & TRAP_STEP))
		exceptions = U32_MAX;
	vmcs_update(EXCEPTION_BITMAP, vmx->held.exceptions, exceptions);
	vmcs_update(CPU_BASED_VM_EXEC_CONTROL, vmx->held.cpu_based,
		    wanted_controls(traps, plan));
}

/*
 * In and out.
 */

static noinline void flush_ept(u64 eptp)
{
	const struct {
		u64 eptp, zero;
	} which = { eptp, 0 };

	asm volatile("1: invept %0, %1\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : : "m" (which), "r" ((u64)VMX_EPT_EXTENT_CONTEXT) : "cc", "memory");
}

/*
 * Performance counters are the host's, and some are not to count in a guest.  PEBS above all: it
 * writes records to the host's linear addresses, through whatever tables there are.
 */
static void switch_perf_msrs(struct vcpu_vmx *vmx)
{
	const struct perf_guest_switch_msr *msrs;
	unsigned int n = 0;
	int i, count;

	msrs = perf_guest_get_msrs(&count, NULL);
	for (i = 0; msrs && i < count && n < VMX_PERF_MSRS; i++) {
		if (msrs[i].host == msrs[i].guest)
			continue;
		vmx->perf_guest[n].index = msrs[i].msr;
		vmx->perf_guest[n].value = msrs[i].guest;
		vmx->perf_host[n].index = msrs[i].msr;
		vmx->perf_host[n++].value = msrs[i].host;
	}
	if (n == vmx->held.perf_msrs)
		return;
	vmcs_write(VM_ENTRY_MSR_LOAD_COUNT, n);
	vmcs_write(VM_EXIT_MSR_LOAD_COUNT, n);
	vmx->held.perf_msrs = n;
}

/* What some processors want at each entry, last of all. */
static noinline void entry_does_more(struct vcpu_vmx *vmx)
{
	if (vmx_controls.entry_does & ENTRY_SWITCHES_COUNTERS)
		switch_perf_msrs(vmx);
	if (vmx_controls.entry_does & ENTRY_FLUSHES_L1D)
		__wrmsr(MSR_IA32_FLUSH_CMD, L1D_FLUSH, 0);
}

static void load_guest(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct vcpu_state *state = &vcpu->arch.state;
	struct vmx_held *held = &vmx->held;
	u64 rflags = state->rflags;

	/* a debugger steps: not into a frame, and a delivery exits by itself */
	if (unlikely(vcpu->arch.traps & TRAP_STEP) && !vmx->injects && !(rflags & X86_EFLAGS_TF)) {
		vmx->forced_tf = true;
		rflags |= X86_EFLAGS_TF;
	}
	vmcs_update(GUEST_RIP, held->rip, state->rip);
	vmcs_update(GUEST_RSP, held->rsp, state->gpr[GPR_RSP]);
	vmcs_update(GUEST_RFLAGS, held->rflags, rflags);
	vmx->swapped = unlikely(state->shadow) &&
		       vmx_swaps_shadow(state->shadow, vmx->step || rflags & X86_EFLAGS_TF);
	vmcs_update(GUEST_INTERRUPTIBILITY_INFO, held->interruptibility,
		    vmx_interruptibility(state->shadow, vmx->swapped, vmx->nmi_blocked));
	vmcs_update(GUEST_PENDING_DBG_EXCEPTIONS, held->pending_dbg,
		    vmx_pending_dbg(state->shadow, state->pending_db, rflags & X86_EFLAGS_TF));
	/* each time: a thread that patches code comes back to its memory under another PCID */
	vmcs_update(HOST_CR3, held->host_cr3, __native_read_cr3());
	vmcs_update(HOST_CR4, held->host_cr4, cr4_read_shadow());
	/* the host's tracers change it from interrupts, and an exit clears it */
	vmx->host.debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);
	vmx->apic_page[VTPR] = vcpu->arch.cr8 << 4;
	if (state->cr2 != native_read_cr2())
		native_write_cr2(state->cr2);
	if (unlikely(vmx->flush)) {
		flush_ept(vcpu->arch.root | vmx_controls.eptp);
		vmx->flush = false;
	}
	/* the guest's debug registers are its own: DR0 to DR3 are there already */
	if (unlikely(!(vcpu->arch.traps & TRAP_DR)))
		set_debugreg(state->dr6, 6);
}

/*
 * Debug traps outlast an exit behind MOV SS, and those that come between an instruction and its
 * traps; at others the field is 0 (27.3.4), or if not (Bochs) it is what a step that has not been
 * made would leave.
 */
static bool traps_outlast(const struct vcpu_vmx *vmx)
{
	u8 vector;

	if (vmx->reason == EXIT_REASON_EXCEPTION_NMI) {
		vector = vmcs_read(VM_EXIT_INTR_INFO) & INTR_INFO_VECTOR_MASK;
		if (vector == X86_TRAP_DB || vector == X86_TRAP_MC)
			return vector == X86_TRAP_MC;
	}
	return vmx->held.interruptibility & VMX_BLOCKED_BY_MOV_SS ||
	       vmx->reason == EXIT_REASON_INIT_SIGNAL;
}

static void take_debug_traps(struct vcpu_vmx *vmx, struct vcpu_state *state)
{
	struct vmx_held *held = &vmx->held;

	state->pending_db = 0;
	held->pending_dbg = vmcs_read(GUEST_PENDING_DBG_EXCEPTIONS);
	if (unlikely(held->pending_dbg) && traps_outlast(vmx))
		state->pending_db = held->pending_dbg;
}

static void take_guest(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct vcpu_state *state = &vcpu->arch.state;
	struct vmx_held *held = &vmx->held;

	held->rip = vmcs_read(GUEST_RIP);
	state->rip = held->rip;
	held->rsp = vmcs_read(GUEST_RSP);
	state->gpr[GPR_RSP] = held->rsp;
	held->rflags = vmcs_read(GUEST_RFLAGS);
	state->rflags = held->rflags;
	held->interruptibility = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);
	state->shadow = vmx_shadow_of(held->interruptibility, vmx->swapped);
	take_debug_traps(vmx, state);
	if (unlikely(vmx->forced_tf)) {
		vmx->forced_tf = false;
		state->rflags &= ~(u64)X86_EFLAGS_TF;
		state->pending_db &= ~(u64)DR_STEP;
	}
}

static void vmx_enter(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct vcpu_state *state = &vcpu->arch.state;
	u32 reason;

	load_guest(vcpu);
	if (vmx_controls.entry_does)
		entry_does_more(vmx);
	if (unlikely(vmx_switch(state->gpr, &vmx->held.host_rsp, vmx->launched))) {
		vmx->reason = FAILED_ENTRY;
		return;
	}
	state->cr2 = native_read_cr2();
	reason = vmcs_read(VM_EXIT_REASON);
	vmx->reason = reason;
	if (unlikely(vmx->host.debugctl))
		update_debugctlmsr(vmx->host.debugctl);
	if (unlikely(!(vcpu->arch.traps & TRAP_DR))) {
		get_debugreg(state->dr6, 6);
		set_debugreg(DR6_RESERVED, 6);
	}
	/* a VMLAUNCH that the guest's state has stopped leaves the VMCS clear */
	if (likely(!(reason & FAILED_ENTRY))) {
		vmx->launched = true;
		take_guest(vcpu);
	}
}

/*
 * Events, outwards.
 */

/* Both fields have the same format; @error: where the error code of @info is. */
static void report_interruption(struct kvm_vcpu *vcpu, struct event_report *report, u32 info,
				unsigned long error)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	report->undelivered = vmx_event_of(info,
					   info & VMX_INTINFO_ERROR ? vmcs_read(error) : 0);
	if (vmx->cut_back && vcpu->arch.state.rip == vmx->cut_rip)
		vcpu->arch.state.rip++;
}

static bool is_double_fault(const struct vm_exit *exit)
{
	return exit->kind == EXIT_EXCEPTION && exit->exception.vector == X86_TRAP_DF;
}

static void decode_exception(struct kvm_vcpu *vcpu, struct vm_exit *exit, u32 info)
{
	u8 vector = info & INTR_INFO_VECTOR_MASK;

	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR) {
		/* it has been taken from the host, whose handler has to see it */
		asm volatile("int $2");
		exit->kind = EXIT_HOST_IRQ;
		return;
	}
	if (vector == X86_TRAP_MC) {
		exit->kind = EXIT_HOST_MACHINE_CHECK;
		return;
	}
	exit->kind = EXIT_EXCEPTION;
	exit->exception.vector = vector;
	exit->exception.has_error = info & INTR_INFO_DELIVER_CODE_MASK;
	exit->exception.error = exit->exception.has_error ? vmcs_read(VM_EXIT_INTR_ERROR_CODE) : 0;
	exit->exception.payload = 0;
	if (vector == X86_TRAP_PF || vector == X86_TRAP_DB)
		exit->exception.payload = vmcs_read(EXIT_QUALIFICATION);
	/* INT1 is over when its trap is there */
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXCEPTION)
		vcpu->arch.state.rip += vmcs_read(VM_EXIT_INSTRUCTION_LEN);
}

static void decode_io(struct vm_exit *exit)
{
	u64 info = vmcs_read(EXIT_QUALIFICATION);

	exit->kind = EXIT_IO;
	exit->io.size = (info & 7) + 1;
	exit->io.in = info & BIT(3);
	exit->io.string = info & BIT(4);
	exit->io.rep = info & BIT(5);
	exit->io.port = info >> 16;
	exit->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
}

static u64 decode_ept_violation(struct vm_exit *exit)
{
	u64 info = vmcs_read(EXIT_QUALIFICATION);

	exit->kind = EXIT_MEMORY;
	exit->memory.gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
	exit->memory.write = info & EPT_VIOLATION_ACC_WRITE;
	exit->memory.fetch = info & EPT_VIOLATION_ACC_INSTR;
	exit->memory.present = info & EPT_VIOLATION_RWX_MASK;
	exit->memory.table = (info & EPT_VIOLATION_GVA_IS_VALID) &&
			     !(info & EPT_VIOLATION_GVA_TRANSLATED);
	return info;
}

static void decode_cr(struct vm_exit *exit)
{
	u64 info = vmcs_read(EXIT_QUALIFICATION);

	exit->kind = EXIT_CR;
	exit->cr.number = info & 0xf;
	exit->cr.write = (info & CONTROL_REG_ACCESS_TYPE) != 1 << 4;
	exit->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
}

static void decode_dr(struct vm_exit *exit)
{
	u64 info = vmcs_read(EXIT_QUALIFICATION);

	exit->kind = EXIT_DR;
	exit->dr.number = info & DEBUG_REG_ACCESS_NUM;
	exit->dr.write = !(info & DEBUG_REG_ACCESS_TYPE);
	exit->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
}

/* RFLAGS are those that would have been saved (27.3.3); the length is that of an instruction. */
static void decode_task(struct kvm_vcpu *vcpu, struct vm_exit *exit)
{
	u64 info = vmcs_read(EXIT_QUALIFICATION);

	exit->kind = EXIT_TASK_SWITCH;
	exit->task.selector = info;
	exit->task.reason = info >> 30 & 3;
	exit->task.resume = vcpu->arch.state.rflags & X86_EFLAGS_RF;
	exit->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
}

static_assert(TASK_BY_CALL == 0 && TASK_BY_IRET == 1 && TASK_BY_JMP == 2 && TASK_BY_EVENT == 3);

/* Exits that say all there is to say by their reason. EXIT_NONE: not here. */
static const struct {
	u8 kind;
	bool has_len;	/* they are an instruction's, whose length is told */
} plain_exit[] = {
	[EXIT_REASON_EXTERNAL_INTERRUPT] = { EXIT_HOST_IRQ },
	[EXIT_REASON_TRIPLE_FAULT] = { EXIT_SHUTDOWN },
	[EXIT_REASON_INIT_SIGNAL] = { EXIT_HOST_IRQ },
	[EXIT_REASON_INTERRUPT_WINDOW] = { EXIT_WINDOW },
	[EXIT_REASON_NMI_WINDOW] = { EXIT_WINDOW },
	[EXIT_REASON_CPUID] = { EXIT_CPUID, true },
	[EXIT_REASON_HLT] = { EXIT_HLT, true },
	[EXIT_REASON_INVD] = { EXIT_CACHE, true },
	[EXIT_REASON_RDPMC] = { EXIT_PRIVILEGED },
	[EXIT_REASON_VMCALL] = { EXIT_HYPERCALL, true },
	[EXIT_REASON_VMCLEAR] = { EXIT_UNDEFINED },
	[EXIT_REASON_VMLAUNCH] = { EXIT_UNDEFINED },
	[EXIT_REASON_VMPTRLD] = { EXIT_UNDEFINED },
	[EXIT_REASON_VMPTRST] = { EXIT_UNDEFINED },
	[EXIT_REASON_VMREAD] = { EXIT_UNDEFINED },
	[EXIT_REASON_VMRESUME] = { EXIT_UNDEFINED },
	[EXIT_REASON_VMWRITE] = { EXIT_UNDEFINED },
	[EXIT_REASON_VMOFF] = { EXIT_UNDEFINED },
	[EXIT_REASON_VMON] = { EXIT_UNDEFINED },
	[EXIT_REASON_MWAIT_INSTRUCTION] = { EXIT_IDLE },
	[EXIT_REASON_MONITOR_INSTRUCTION] = { EXIT_IDLE },
	[EXIT_REASON_PAUSE_INSTRUCTION] = { EXIT_PAUSE, true },
	[EXIT_REASON_INVEPT] = { EXIT_UNDEFINED },
	[EXIT_REASON_INVVPID] = { EXIT_UNDEFINED },
	[EXIT_REASON_WBINVD] = { EXIT_CACHE, true },
	[EXIT_REASON_XSETBV] = { EXIT_XSETBV, true },
	[EXIT_REASON_ENCLS] = { EXIT_UNDEFINED },
};

static void decode_plain(struct vm_exit *exit, u32 reason)
{
	exit->kind = EXIT_UNKNOWN;
	if (reason >= ARRAY_SIZE(plain_exit) || !plain_exit[reason].kind)
		return;
	exit->kind = plain_exit[reason].kind;
	if (plain_exit[reason].has_len)
		exit->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
}

/* Returns where hardware would say that an IRET has opened the NMI mask, or 0. */
static u64 decode(struct kvm_vcpu *vcpu, struct vm_exit *exit)
{
	u32 info;

	switch (exit->hardware) {
	case EXIT_REASON_EPT_VIOLATION:
		return decode_ept_violation(exit);
	case EXIT_REASON_EXCEPTION_NMI:
		info = vmcs_read(VM_EXIT_INTR_INFO);
		decode_exception(vcpu, exit, info);
		return info;
	case EXIT_REASON_PML_FULL:
		exit->kind = EXIT_NONE;
		return vmcs_read(EXIT_QUALIFICATION);
	case EXIT_REASON_IO_INSTRUCTION:
		decode_io(exit);
		break;
	case EXIT_REASON_MSR_READ:
	case EXIT_REASON_MSR_WRITE:
		exit->kind = EXIT_MSR;
		exit->msr.write = exit->hardware == EXIT_REASON_MSR_WRITE;
		exit->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
		break;
	case EXIT_REASON_CR_ACCESS:
		decode_cr(exit);
		break;
	case EXIT_REASON_DR_ACCESS:
		decode_dr(exit);
		break;
	case EXIT_REASON_TASK_SWITCH:
		decode_task(vcpu, exit);
		break;
	default:
		decode_plain(exit, exit->hardware);
	}
	return 0;
}

/*
 * Refused before guest state was looked at: the VM-instruction error; after: the exit reason.  The
 * guest has not run, and what was to be injected has not been.
 */
static void decode_failure(struct kvm_vcpu *vcpu, struct vm_exit *exit,
			   struct event_report *report)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	u32 reason = vmx->reason, info = vmcs_read(VM_ENTRY_INTR_INFO_FIELD);

	if (info & INTR_INFO_VALID_MASK)
		report_interruption(vcpu, report, info, VM_ENTRY_EXCEPTION_ERROR_CODE);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmx->forced_tf = false;
	exit->kind = EXIT_FAILED;
	if ((u16)reason == EXIT_REASON_MCE_DURING_VMENTRY)
		exit->kind = EXIT_HOST_MACHINE_CHECK;
	else if (reason == FAILED_ENTRY)
		exit->hardware = vmcs_read(VM_INSTRUCTION_ERROR);
}

static void decode_success(struct kvm_vcpu *vcpu, struct vm_exit *exit,
			   struct event_report *report)
{
	u32 vectoring = vmcs_read(IDT_VECTORING_INFO_FIELD);
	u64 info;

	if (unlikely(vectoring & VECTORING_INFO_VALID_MASK))
		report_interruption(vcpu, report, vectoring, IDT_VECTORING_ERROR_CODE);
	info = decode(vcpu, exit);
	if (unlikely(vmx_iret_undone(info, report->undelivered.kind, is_double_fault(exit))))
		report->nmi_masked = true;
}

static void vmx_exit(struct kvm_vcpu *vcpu, struct vm_exit *exit, struct event_report *report)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	exit->insn_bytes = exit->insn_len = 0;
	exit->hardware = vmx->reason;
	report->nmi_tracked = true;
	report->nmi_masked = vmx->held.interruptibility & VMX_BLOCKED_BY_NMI;
	if (likely(!(vmx->reason & FAILED_ENTRY)))
		decode_success(vcpu, exit, report);
	else
		decode_failure(vcpu, exit, report);
	vmx->cut_back = false;
}

static void dump_fields(const char *what, const u32 *fields, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		pr_err_ratelimited("kvm: %s %04x: %llx\n", what, fields[i], vmcs_read(fields[i]));
}

static void vmx_dump(struct kvm_vcpu *vcpu)
{
	static const u32 guest[] = {
		GUEST_CR0, GUEST_CR3, GUEST_CR4, GUEST_IA32_EFER, GUEST_RIP, GUEST_RSP,
		GUEST_RFLAGS, GUEST_DR7, GUEST_INTERRUPTIBILITY_INFO, GUEST_ACTIVITY_STATE,
		GUEST_PENDING_DBG_EXCEPTIONS, GUEST_IA32_PAT, GUEST_GDTR_BASE, GUEST_IDTR_BASE,
	};
	static const u32 control[] = {
		PIN_BASED_VM_EXEC_CONTROL, CPU_BASED_VM_EXEC_CONTROL, SECONDARY_VM_EXEC_CONTROL,
		VM_EXIT_CONTROLS, VM_ENTRY_CONTROLS, VM_ENTRY_INTR_INFO_FIELD,
		VM_ENTRY_EXCEPTION_ERROR_CODE, VM_ENTRY_INSTRUCTION_LEN, EXCEPTION_BITMAP,
		EPT_POINTER, VM_INSTRUCTION_ERROR, VM_EXIT_REASON, EXIT_QUALIFICATION,
	};
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	enum segment seg;

	vmcs_get(vmx);
	pr_err_ratelimited("kvm: vCPU %d: entry failed: VMCS fields by their encoding\n", vcpu->id);
	dump_fields("control", control, ARRAY_SIZE(control));
	dump_fields("guest", guest, ARRAY_SIZE(guest));
	for (seg = SEG_ES; seg < SEG_COUNT; seg++)
		pr_err_ratelimited("kvm: segment %u: %04llx access %05llx limit %08llx base %llx\n",
				   seg, vmcs_read(GUEST_ES_SELECTOR + 2 * seg),
				   vmcs_read(GUEST_ES_AR_BYTES + 2 * seg),
				   vmcs_read(GUEST_ES_LIMIT + 2 * seg),
				   vmcs_read(GUEST_ES_BASE + 2 * seg));
	vmcs_put();
}

#define VMX_MEMBER(ret, name, args) .name = vmx_##name,
const struct backend vmx_backend = {
	BACKEND_OPS(VMX_MEMBER)
};
