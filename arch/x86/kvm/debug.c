// SPDX-License-Identifier: GPL-2.0-only
/*
 * debug.c - debug registers: the guest's, and a debugger's on the outside.
 *
 * Owns DR0 to DR3 and KVM_SET_GUEST_DEBUG.  Hardware's DR7 is whichever
 * counts: the guest's, or, while a debugger has taken the breakpoints, the
 * debugger's; then MOV DR exits.  Otherwise only the first one does: from
 * there to the end of KVM_RUN the registers are live, and moved at each entry
 * and exit.
 * SDM vol. 3, 17.2; APM vol. 2, 13.1.
 */
#include <linux/hw_breakpoint.h>
#include <linux/kvm_host.h>
#include <asm/debugreg.h>
#include <asm/trapnr.h>
#include "emu/glue.h"
#include "vcpu.h"

#define DR6_FIXED	DR6_RESERVED
#define DR6_VOLATILE	0xe00fULL	/* B0 to B3, BD, BS, BT */
#define DR7_FIXED	0x400ULL
#define DR7_GD		BIT_ULL(13)
#define DR7_VOLATILE	0xffff2bffULL
#define DR7_ENABLES	0xffULL		/* L0 to L3, G0 to G3 */
#define DR7_LOCAL	0x155ULL	/* L0 to L3, LE */

static bool outside_has_breakpoints(const struct vcpu_debug *debug)
{
	return debug->control & KVM_GUESTDBG_USE_HW_BP;
}

static void update_effective(struct kvm_vcpu *vcpu)
{
	struct vcpu_debug *debug = &vcpu->arch.debug;
	struct vcpu_state *state = &vcpu->arch.state;

	state_dirty(vcpu, STATE_DR);
	state->dr7_effective = outside_has_breakpoints(debug) ? debug->outside_dr7 | DR7_FIXED :
								state->dr7;
}

void debug_dr7_changed(struct kvm_vcpu *vcpu)
{
	update_effective(vcpu);
}

static void apply_traps(struct kvm_vcpu *vcpu)
{
	vcpu->arch.quiet = false;
	backend_call(set_traps)(vcpu);
}

void debug_reset(struct kvm_vcpu *vcpu)
{
	memset(vcpu->arch.debug.dr, 0, sizeof(vcpu->arch.debug.dr));
	vcpu->arch.debug.told = 0;
	update_effective(vcpu);
}

/*
 * On the CPU.  DR0 to DR3 are loaded only while some breakpoint is enabled.
 */

void debug_enter(struct kvm_vcpu *vcpu)
{
	const struct vcpu_debug *debug = &vcpu->arch.debug;
	const u64 *dr;

	/* the host's own breakpoints are not to hit in the guest */
	if (unlikely(hw_breakpoint_active()))
		set_debugreg(0, 7);
	if (likely(!debug_armed(vcpu)))
		return;
	dr = outside_has_breakpoints(debug) ? debug->outside_dr : debug->dr;
	set_debugreg(dr[0], 0);
	set_debugreg(dr[1], 1);
	set_debugreg(dr[2], 2);
	set_debugreg(dr[3], 3);
}

void debug_leave(struct kvm_vcpu *vcpu)
{
	struct vcpu_debug *debug = &vcpu->arch.debug;

	if (unlikely(debug->live)) {
		get_debugreg(debug->dr[0], 0);
		get_debugreg(debug->dr[1], 1);
		get_debugreg(debug->dr[2], 2);
		get_debugreg(debug->dr[3], 3);
	}
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
}

bool debug_go_live(struct kvm_vcpu *vcpu)
{
	if (outside_has_breakpoints(&vcpu->arch.debug))
		return false;
	vcpu->arch.debug.live = true;
	vcpu->arch.traps &= ~TRAP_DR;
	apply_traps(vcpu);
	return true;
}

void debug_end_live(struct kvm_vcpu *vcpu)
{
	if (likely(!vcpu->arch.debug.live))
		return;
	state_need(vcpu, STATE_DR);
	vcpu->arch.debug.live = false;
	vcpu->arch.traps |= TRAP_DR;
	apply_traps(vcpu);
}

void debug_delivered(struct kvm_vcpu *vcpu)
{
	vcpu->arch.state.dr7 &= ~DR7_GD;
	update_effective(vcpu);
}

void debug_task_switched(struct kvm_vcpu *vcpu)
{
	state_need(vcpu, STATE_DR);
	if (!(vcpu->arch.state.dr7 & DR7_LOCAL))
		return;
	vcpu->arch.state.dr7 &= ~DR7_LOCAL;
	update_effective(vcpu);
}

/*
 * MOV DR.
 */

/* DR4 and DR5 are other names of DR6 and DR7, or nothing at all with CR4.DE. */
static int real_number(struct kvm_vcpu *vcpu, u8 *number)
{
	if (*number != 4 && *number != 5)
		return 0;
	state_need(vcpu, STATE_CR);
	if (vcpu->arch.state.cr4 & X86_CR4_DE) {
		vcpu_ud(vcpu);
		return -EFAULT;
	}
	*number += 2;
	return 0;
}

/* General detect: the access itself is a breakpoint. */
static int general_detect(struct kvm_vcpu *vcpu)
{
	state_need(vcpu, STATE_DR);
	if (!(vcpu->arch.state.dr7 & DR7_GD))
		return 0;
	vcpu_debug_trap(vcpu, BIT(13));
	return -EFAULT;
}

int debug_read_dr(struct kvm_vcpu *vcpu, u8 number, u64 *value)
{
	if (real_number(vcpu, &number) || general_detect(vcpu))
		return -EFAULT;
	if (number < 4)
		*value = vcpu->arch.debug.dr[number];
	else
		*value = number == 6 ? vcpu->arch.state.dr6 : vcpu->arch.state.dr7;
	return 0;
}

/* The upper halves of DR6 and DR7 do not exist. */
static int write_high(struct kvm_vcpu *vcpu, u8 number, u64 value)
{
	struct vcpu_state *state = &vcpu->arch.state;

	if (value >> 32) {
		vcpu_gp(vcpu);
		return -EFAULT;
	}
	state_dirty(vcpu, STATE_DR);
	if (number == 6) {
		state->dr6 = (value & DR6_VOLATILE) | DR6_FIXED;
		return 0;
	}
	state->dr7 = (value & DR7_VOLATILE) | DR7_FIXED;
	update_effective(vcpu);
	return 0;
}

int debug_write_dr(struct kvm_vcpu *vcpu, u8 number, u64 value)
{
	if (real_number(vcpu, &number) || general_detect(vcpu))
		return -EFAULT;
	if (number >= 4)
		return write_high(vcpu, number, value);
	vcpu->arch.debug.dr[number] = value;
	return 0;
}

/*
 * KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS.
 */

void debug_get_regs(struct kvm_vcpu *vcpu, struct kvm_debugregs *out)
{
	state_need(vcpu, STATE_DR);
	*out = (struct kvm_debugregs){
		.dr6 = vcpu->arch.state.dr6,
		.dr7 = vcpu->arch.state.dr7,
	};
	memcpy(out->db, vcpu->arch.debug.dr, sizeof(out->db));
}

int debug_set_regs(struct kvm_vcpu *vcpu, const struct kvm_debugregs *in)
{
	if (in->flags || in->dr6 >> 32 || in->dr7 >> 32)
		return -EINVAL;
	state_dirty(vcpu, STATE_DR);
	memcpy(vcpu->arch.debug.dr, in->db, sizeof(in->db));
	vcpu->arch.state.dr6 = in->dr6;
	vcpu->arch.state.dr7 = in->dr7;
	update_effective(vcpu);
	return 0;
}

/*
 * KVM_SET_GUEST_DEBUG.
 */

static u32 traps_for(u32 control)
{
	u32 traps = 0;

	if (!(control & KVM_GUESTDBG_ENABLE))
		return 0;
	if (control & KVM_GUESTDBG_SINGLESTEP)
		traps |= TRAP_STEP;
	if (control & KVM_GUESTDBG_USE_SW_BP)
		traps |= TRAP_BP;
	return traps;
}

/* A #DB or #BP in the guest's name, unless that would push out what already waits. */
static long inject(struct kvm_vcpu *vcpu, u32 control)
{
	struct vcpu_events *ev = &vcpu->arch.events;

	if (!(control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)))
		return 0;
	if (ev->inflight.kind || ev->fault.kind)
		return -EBUSY;
	if (control & KVM_GUESTDBG_INJECT_DB)
		vcpu_exception(vcpu, X86_TRAP_DB, 0);
	else
		vcpu_soft_exception(vcpu, X86_TRAP_BP);
	return 0;
}

long debug_set_guest_debug(struct kvm_vcpu *vcpu, const struct kvm_guest_debug *dbg)
{
	struct vcpu_debug *debug = &vcpu->arch.debug;
	u32 control = dbg->control;
	long r;

	r = inject(vcpu, control);
	if (r)
		return r;
	if (!(control & KVM_GUESTDBG_ENABLE))
		control = 0;
	debug->control = control;
	debug->told = 0;
	debug->own_tf = false;
	vcpu->arch.step_delivers = false;
	if (control & KVM_GUESTDBG_USE_HW_BP) {
		memcpy(debug->outside_dr, dbg->arch.debugreg, sizeof(debug->outside_dr));
		debug->outside_dr7 = dbg->arch.debugreg[7] & DR7_VOLATILE;
	}
	vcpu->arch.traps = (vcpu->arch.traps & ~(TRAP_STEP | TRAP_BP)) | traps_for(control);
	update_effective(vcpu);
	apply_traps(vcpu);
	return 0;
}

/*
 * Exits.
 */

static int tell_debugger(struct kvm_vcpu *vcpu, u8 vector, u64 dr6)
{
	struct kvm_run *run = vcpu->run;

	state_need(vcpu, STATE_CODE | STATE_DR);
	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.exception = vector;
	run->debug.arch.pc = vcpu->arch.state.seg[SEG_CS].base + vcpu->arch.state.rip;
	run->debug.arch.dr6 = dr6;
	run->debug.arch.dr7 = vcpu->arch.state.dr7_effective;
	return TO_USER;
}

/* Of what happened, what the debugger has asked for. */
static u64 debuggers_part(const struct vcpu_debug *debug, u64 payload)
{
	u64 bits = 0;

	if (debug->control & KVM_GUESTDBG_SINGLESTEP)
		bits |= DR_STEP;
	if (outside_has_breakpoints(debug))
		bits |= DR_TRAP_BITS;
	return payload & bits;
}

int debug_exception(struct kvm_vcpu *vcpu, u8 vector, u64 payload)
{
	struct vcpu_debug *debug = &vcpu->arch.debug;
	u64 told, rest;

	if (vector == X86_TRAP_BP) {
		if (debug->control & KVM_GUESTDBG_USE_SW_BP)
			return tell_debugger(vcpu, vector, 0);
		vcpu_soft_exception(vcpu, vector);
		return TO_GUEST;
	}
	told = debuggers_part(debug, payload);
	/* one instruction can be both's: what is left goes in behind the debugger's stop */
	rest = payload & ~told;
	if (told && debug->own_tf)
		rest |= payload & DR_STEP;
	if (rest || !told)
		vcpu_debug_trap(vcpu, rest);
	return told ? tell_debugger(vcpu, vector, told ^ DR6_FIXED) : TO_GUEST;
}

/*
 * Instructions that are executed in software.
 */

bool debug_watches(struct kvm_vcpu *vcpu)
{
	state_need(vcpu, STATE_DR);
	return vcpu->arch.state.dr7_effective & DR7_ENABLES;
}

void debug_access(struct kvm_vcpu *vcpu, u64 address, unsigned int len, enum dr_access access)
{
	struct vcpu_debug *debug = &vcpu->arch.debug;
	struct vcpu_state *state = &vcpu->arch.state;

	state_need(vcpu, STATE_DR | STATE_CR);
	if (access == DR_PORT && !(state->cr4 & X86_CR4_DE))
		return;
	debug->hits |= dr_hits(outside_has_breakpoints(debug) ? debug->outside_dr : debug->dr,
			       state->dr7_effective, address, len, access);
}

void debug_traps(struct kvm_vcpu *vcpu, u64 traps)
{
	struct vcpu_debug *debug = &vcpu->arch.debug;
	u64 told = outside_has_breakpoints(debug) ? traps & DR_TRAP_BITS : 0;

	debug->hits = 0;
	debug->told |= told;
	if (traps & ~told)
		vcpu_debug_trap(vcpu, traps & ~told);
}

int debug_stepped(struct kvm_vcpu *vcpu)
{
	u64 dr6 = DR6_FIXED | vcpu->arch.debug.told;

	vcpu->arch.debug.told = 0;
	if (vcpu->arch.traps & TRAP_STEP)
		dr6 |= DR_STEP;
	return tell_debugger(vcpu, X86_TRAP_DB, dr6);
}
