// SPDX-License-Identifier: GPL-2.0-only
/*
 * smm.c - system management mode: what an SMI and RSM do to a vCPU.
 *
 * When an SMI is taken is events.c's to say, what the save area looks like
 * smm_state.c's; here registers, memory and event machine come together.  In
 * SMM a vCPU is in the second address space, with second-level tables of its
 * own: a VMM puts SMRAM there, and all that is in the first one but where SMRAM
 * hides it.  SDM vol. 3, chapter 31; APM vol. 2, chapter 10.
 */
#include <linux/kvm_host.h>
#include "cr.h"
#include "emu/glue.h"
#include "smm_state.h"
#include "vcpu.h"

/* Nothing is here: what no memory answers. */
#define NO_MEMORY	0xff

static u64 area_address(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.msrs.smbase + SMM_AREA;
}

static struct smm_save begin_save(struct kvm_vcpu *vcpu)
{
	return (struct smm_save){
		.long_mode = vcpu->arch.cpuid.has_long_mode,
		.base = vcpu->arch.msrs.smbase,
		.halted = vcpu->arch.events.mp_state == KVM_MP_STATE_HALTED,
	};
}

void smm_reset(struct kvm_vcpu *vcpu)
{
	bool in_smm = vcpu->arch.events.in_smm;

	vcpu->space = in_smm;
	vcpu->arch.root = vcpu->kvm->arch.tdp.tree[in_smm].root_hpa;
	vcpu->arch.traps &= ~TRAP_RSM;
	if (in_smm)
		vcpu->arch.traps |= TRAP_RSM;
	vcpu->arch.quiet = false;
}

void smm_follow(struct kvm_vcpu *vcpu)
{
	if (vcpu->space == vcpu->arch.events.in_smm)
		return;
	smm_reset(vcpu);
	backend_call(set_root)(vcpu);
	backend_call(set_traps)(vcpu);
}

/* Debug traps that wait behind MOV SS have no place in SMRAM: they come an instruction early. */
static bool has_traps(struct kvm_vcpu *vcpu)
{
	u64 traps = vcpu->arch.state.pending_db;

	vcpu->arch.state.pending_db = 0;
	if (traps)
		vcpu_debug_trap(vcpu, traps);
	return traps;
}

void smm_enter(struct kvm_vcpu *vcpu)
{
	struct vcpu_state *state = &vcpu->arch.state;
	struct vcpu_events *ev = &vcpu->arch.events;
	struct smm_save save = begin_save(vcpu);
	u8 area[SMM_AREA_SIZE];

	if (unlikely(has_traps(vcpu)))
		return;
	state_dirty(vcpu, STATE_ALL);
	smm_state_save(state, &save, area);
	events_smm_begun(ev);
	ev->mp_state = KVM_MP_STATE_RUNNABLE;
	smm_follow(vcpu);
	/* where nothing is, it is lost, and RSM finds nothing */
	kvm_vcpu_write_guest(vcpu, area_address(vcpu), area, sizeof(area));
	smm_state_begin(state, &save);
	debug_dr7_changed(vcpu);
	vcpu->arch.shadow_restored = false;
	vcpu->arch.msrs.smi_count++;
}

static bool load_area(struct kvm_vcpu *vcpu, struct vcpu_state *state, struct smm_save *save)
{
	u8 area[SMM_AREA_SIZE];

	if (kvm_vcpu_read_guest(vcpu, area_address(vcpu), area, sizeof(area)))
		memset(area, NO_MEMORY, sizeof(area));
	return smm_state_load(state, save, area) && x86_state_ok(vcpu, state);
}

static int leave(struct kvm_vcpu *vcpu, const struct vcpu_state *next, const struct smm_save *save)
{
	int r = TO_GUEST;

	vcpu->arch.state = *next;
	vcpu->arch.state.cr0 = cr0_normal(next->cr0);
	vcpu->arch.state.pending_db = 0;
	vcpu->arch.msrs.smbase = save->base;
	events_smm_ended(&vcpu->arch.events);
	smm_follow(vcpu);
	x86_reload_pdptes(vcpu);
	x86_shadow_set(vcpu);
	debug_dr7_changed(vcpu);
	if (save->halted)
		r = exit_halt(vcpu);
	return unlikely(debug_waits(vcpu)) ? debug_stepped(vcpu) : r;
}

int smm_rsm(struct kvm_vcpu *vcpu)
{
	struct smm_save save = begin_save(vcpu);
	struct vcpu_state next;

	if (!vcpu->arch.events.in_smm) {
		vcpu_ud(vcpu);
		return TO_GUEST;
	}
	state_dirty(vcpu, STATE_ALL);
	next = vcpu->arch.state;
	if (load_area(vcpu, &next, &save))
		return leave(vcpu, &next, &save);
	/* a state that no processor is in: shutdown (APM vol. 2, 10.3.5) */
	events_triple_fault(&vcpu->arch.events);
	return TO_GUEST;
}
