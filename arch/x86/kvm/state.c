// SPDX-License-Identifier: GPL-2.0-only
/*
 * state.c - the neutral registers: moving groups, and questions about modes.
 *
 * Owns which group is valid and which is dirty.  The backend does the moving;
 * which values are legal is asked of cr.c by those who write them.
 */
#include <linux/kvm_host.h>
#include "vcpu.h"

#define BOOT_CODE_BASE	0xffff0000
#define BOOT_CODE	0xf000
#define BOOT_RIP	0xfff0
#define BOOT_PAT	0x0007040600070406ull
#define DR7_FIXED	0x400

void state_fetch(struct kvm_vcpu *vcpu, u32 groups)
{
	backend_call(fetch)(vcpu, groups);
	vcpu->arch.state.valid |= groups;
}

void state_store(struct kvm_vcpu *vcpu)
{
	backend_call(store)(vcpu, vcpu->arch.state.dirty);
	vcpu->arch.state.dirty = 0;
}

bool state_long_mode(struct kvm_vcpu *vcpu)
{
	state_need(vcpu, STATE_CR);
	return vcpu->arch.state.efer & EFER_LMA;
}

static bool state_protected_mode(struct kvm_vcpu *vcpu)
{
	state_need(vcpu, STATE_CR);
	return vcpu->arch.state.cr0 & X86_CR0_PE;
}

int state_code_bits(struct kvm_vcpu *vcpu)
{
	u16 attr;

	state_need(vcpu, STATE_CODE);
	attr = vcpu->arch.state.seg[SEG_CS].attr;
	if (attr & SEG_ATTR_L && state_long_mode(vcpu))
		return 64;
	if (!state_protected_mode(vcpu) || vcpu->arch.state.rflags & X86_EFLAGS_VM)
		return 16;
	return attr & SEG_ATTR_DB ? 32 : 16;
}

u8 state_cpl(struct kvm_vcpu *vcpu)
{
	state_need(vcpu, STATE_CODE);
	return (vcpu->arch.state.seg[SEG_SS].attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
}

void state_advance(struct kvm_vcpu *vcpu, unsigned int len)
{
	struct vcpu_state *state = &vcpu->arch.state;
	u64 next = state->rip + len;
	u64 traps = state->pending_db | vcpu->arch.debug.hits |
		    (state->rflags & X86_EFLAGS_TF ? DR_STEP : 0);

	/* only a carry out of EIP makes it worth asking for the mode */
	if (unlikely((next ^ state->rip) >> 32) && state_code_bits(vcpu) != 64)
		next = (u32)next;
	state->rip = next;
	state->rflags &= ~(u64)X86_EFLAGS_RF;
	state->shadow = 0;
	state->pending_db = 0;
	if (unlikely(traps))
		debug_traps(vcpu, traps);
}

int state_skip(struct kvm_vcpu *vcpu, unsigned int len)
{
	state_advance(vcpu, len);
	return unlikely(debug_waits(vcpu)) ? debug_stepped(vcpu) : TO_GUEST;
}

static void reset_segment(struct x86_segment *seg, u16 attr)
{
	*seg = (struct x86_segment){ .limit = 0xffff, .attr = SEG_ATTR_P | attr };
}

static void reset_segments(struct vcpu_state *state)
{
	const u16 data = SEG_ATTR_S | 0x3, code = SEG_ATTR_S | 0xb;
	unsigned int i;

	for (i = 0; i < SEG_LDTR; i++)
		reset_segment(&state->seg[i], i == SEG_CS ? code : data);
	reset_segment(&state->seg[SEG_LDTR], 0x2);
	reset_segment(&state->seg[SEG_TR], 0xb);
	state->seg[SEG_CS].selector = BOOT_CODE;
	state->seg[SEG_CS].base = BOOT_CODE_BASE;
	state->gdt = state->idt = (struct x86_table){ .limit = 0xffff };
}

void state_reset(struct vcpu_state *state)
{
	memset(state, 0, sizeof(*state));
	state->gpr[GPR_RDX] = cpuid_eax(1);	/* family, model, stepping */
	state->rip = BOOT_RIP;
	state->rflags = X86_EFLAGS_FIXED;
	state->cr0 = X86_CR0_ET | X86_CR0_NW | X86_CR0_CD;
	state->pat = BOOT_PAT;
	state->dr6 = DR6_RESERVED;
	state->dr7 = state->dr7_effective = DR7_FIXED;
	reset_segments(state);
	state->valid = STATE_ALL;
	state->dirty = STATE_ALL;
}
