// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu.c - a vCPU's life: created, reset, loaded onto a CPU, put off, freed;
 * and the exceptions that it raises on its own behalf.
 *
 * What it does while it lives is in run.c.
 */
#include <linux/kvm_host.h>
#include <asm/debugreg.h>
#include <asm/trapnr.h>
#include "emu/glue.h"
#include "vcpu.h"

void vcpu_exception(struct kvm_vcpu *vcpu, u8 vector, u32 error)
{
	const struct event event = {
		.kind = EVENT_EXCEPTION,
		.vector = vector,
		.error = error,
	};

	events_raise(&vcpu->arch.events, &event);
}

void vcpu_soft_exception(struct kvm_vcpu *vcpu, u8 vector)
{
	const struct event event = {
		.kind = EVENT_SOFT_EXCEPTION,
		.vector = vector,
		.insn_len = INSN_LEN_UNKNOWN,
	};

	events_raise(&vcpu->arch.events, &event);
}

/*
 * A payload is delivered with its exception, so that it can be saved apart
 * from it.  A VMM that has not asked for that (KVM_CAP_EXCEPTION_PAYLOAD)
 * reads CR2 and DR6 in any order with the events: they have to be right now.
 */
static void raise_with_payload(struct kvm_vcpu *vcpu, u8 vector, u32 error, u64 payload)
{
	struct event event = {
		.kind = EVENT_EXCEPTION,
		.vector = vector,
		.error = error,
		.has_payload = true,
		.payload = payload,
	};

	if (!READ_ONCE(vcpu->kvm->arch.caps.exception_payload)) {
		vcpu_deliver_payload(vcpu, &event);
		event.has_payload = false;
	}
	events_raise(&vcpu->arch.events, &event);
}

void vcpu_page_fault(struct kvm_vcpu *vcpu, u64 address, u32 error)
{
	raise_with_payload(vcpu, X86_TRAP_PF, error, address);
}

void vcpu_debug_trap(struct kvm_vcpu *vcpu, u64 dr6_bits)
{
	raise_with_payload(vcpu, X86_TRAP_DB, 0, dr6_bits);
}

void vcpu_deliver_payload(struct kvm_vcpu *vcpu, const struct event *event)
{
	struct vcpu_state *state = &vcpu->arch.state;

	if (!event->has_payload)
		return;
	if (event->vector == X86_TRAP_PF) {
		state_dirty(vcpu, STATE_CR);
		state->cr2 = event->payload;
	} else if (event->vector == X86_TRAP_DB) {
		state_dirty(vcpu, STATE_DR);
		state->dr6 = exception_dr6(state->dr6, event->payload);
		debug_delivered(vcpu);
	}
}

static void reset_backend(struct kvm_vcpu *vcpu)
{
	backend_call(vcpu_reset)(vcpu);
	msr_traps(vcpu);
	time_apply(vcpu);
}

void vcpu_reset(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_arch *arch = &vcpu->arch;

	state_reset(&arch->state);
	events_reset(&arch->events);
	atomic_set(&arch->inbox, 0);
	arch->io.owner = IO_NOBODY;
	arch->quiet = false;
	arch->cr8 = 0;
	debug_reset(vcpu);
	msr_reset(vcpu);
	fpu_reset(vcpu);
	apic_reset(vcpu, false);
	smm_reset(vcpu);
	reset_backend(vcpu);
}

/* What an INIT leaves as it was (SDM vol. 3, table 9-1): the caches' mode, and most MSRs. */
static void state_init(struct vcpu_state *state)
{
	const struct vcpu_state old = *state;

	state_reset(state);
	state->cr0 = X86_CR0_ET | (old.cr0 & (X86_CR0_NW | X86_CR0_CD));
	state->star = old.star;
	state->lstar = old.lstar;
	state->cstar = old.cstar;
	state->sfmask = old.sfmask;
	state->kernel_gs_base = old.kernel_gs_base;
	state->sysenter_cs = old.sysenter_cs;
	state->sysenter_esp = old.sysenter_esp;
	state->sysenter_eip = old.sysenter_eip;
	state->pat = old.pat;
}

void vcpu_init(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_arch *arch = &vcpu->arch;

	state_need(vcpu, STATE_CR | STATE_SYS);
	state_init(&arch->state);
	events_initialised(&arch->events, irq_is_boot(vcpu));
	arch->io.owner = IO_NOBODY;
	arch->quiet = false;
	debug_reset(vcpu);
	apic_reset(vcpu, true);
	reset_backend(vcpu);
}

void vcpu_start(struct kvm_vcpu *vcpu, u8 page)
{
	struct vcpu_state *state = &vcpu->arch.state;

	state_dirty(vcpu, STATE_CODE);
	state->seg[SEG_CS].selector = page << 8;
	state->seg[SEG_CS].base = page << 12;
	state->rip = 0;
}

int kvm_arch_vcpu_create(struct kvm_vcpu *vcpu)
{
	int r;

	r = fpu_create(vcpu);
	if (r)
		return r;
	r = backend_call(vcpu_create)(vcpu);
	if (r)
		goto out_fpu;
	vcpu->arch.traps = TRAP_CR8 | TRAP_DR;
	cpuid_create(vcpu);
	glue_create(vcpu);
	apic_create(vcpu);
	vcpu_reset(vcpu);
	/* without an APIC in the kernel nobody here could start the others */
	if (vcpu->arch.irq.in_kernel && !irq_is_boot(vcpu))
		vcpu->arch.events.mp_state = KVM_MP_STATE_UNINITIALIZED;
	r = time_create(vcpu);
	if (r)
		goto out_backend;
	if (backend_features.logs_writes)
		kvm_vcpu_request(vcpu, KVM_REQ_LOG_WRITES);
	return 0;

out_backend:
	backend_call(vcpu_destroy)(vcpu);
out_fpu:
	fpu_destroy(vcpu);
	return r;
}

void kvm_arch_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	apic_destroy(vcpu);
	cpuid_destroy(vcpu);
	backend_call(vcpu_destroy)(vcpu);
	fpu_destroy(vcpu);
}

void kvm_arch_vcpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	backend_call(vcpu_load)(vcpu, cpu);
	fpu_load(vcpu);
	msr_load(vcpu);
	time_load(vcpu, cpu);
	clock_load(vcpu, cpu);
	steal_load(vcpu);
}

void kvm_arch_vcpu_put(struct kvm_vcpu *vcpu)
{
	if (vcpu->preempted)
		steal_preempted(vcpu);
	msr_put(vcpu);
	backend_call(vcpu_put)(vcpu);
}
