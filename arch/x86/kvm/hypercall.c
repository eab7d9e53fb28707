// SPDX-License-Identifier: GPL-2.0-only
/*
 * hypercall.c - VMCALL on Intel's processors, VMMCALL on AMD's.
 *
 * There is one hypercall, and it is userspace's: KVM_HC_MAP_GPA_RANGE, if that has asked for it
 * by KVM_CAP_EXIT_HYPERCALL.  All others fail with ENOSYS, and CPUID offers none.  The other
 * vendor's instruction is #UD, as on hardware: the guest's code is never rewritten.
 */
#include <linux/kvm_host.h>
#include <linux/kvm_para.h>
#include "emu/glue.h"
#include "vcpu.h"

static int finish(struct kvm_vcpu *vcpu, int len, u64 ret)
{
	vcpu->arch.state.gpr[GPR_RAX] = state_code_bits(vcpu) == 64 ? ret : (u32)ret;
	return state_skip(vcpu, len);
}

/* The number's and the arguments' registers: 64 bits in 64-bit mode, else 32. */
static u64 argument(struct kvm_vcpu *vcpu, unsigned int reg)
{
	u64 value = vcpu->arch.state.gpr[reg];

	return state_code_bits(vcpu) == 64 ? value : (u32)value;
}

/* RIP stays at the instruction: what userspace is asked for has not happened yet. */
static int ask_userspace(struct kvm_vcpu *vcpu, int len, u64 gpa, u64 pages)
{
	struct vcpu_io *io = &vcpu->arch.io;
	struct kvm_run *run = vcpu->run;

	io->owner = IO_HYPERCALL;
	io->insn_len = len;
	io->rip = vcpu->arch.state.rip;
	run->exit_reason = KVM_EXIT_HYPERCALL;
	memset(&run->hypercall, 0, sizeof(run->hypercall));
	run->hypercall.nr = KVM_HC_MAP_GPA_RANGE;
	run->hypercall.args[0] = gpa;
	run->hypercall.args[1] = pages;
	run->hypercall.args[2] = argument(vcpu, GPR_RDX);
	run->hypercall.longmode = state_code_bits(vcpu) == 64;
	return TO_USER;
}

/* Whole pages, and at least one; what the attributes say is userspace's to judge. */
static int map_gpa_range(struct kvm_vcpu *vcpu, int len)
{
	u64 gpa = argument(vcpu, GPR_RBX), pages = argument(vcpu, GPR_RCX);

	if (!(READ_ONCE(vcpu->kvm->arch.caps.hypercall_exits) & BIT(KVM_HC_MAP_GPA_RANGE)))
		return finish(vcpu, len, -KVM_ENOSYS);
	if (gpa & ~PAGE_MASK || !pages || gpa_to_gfn(gpa) + pages <= gpa_to_gfn(gpa))
		return finish(vcpu, len, -KVM_EINVAL);
	return ask_userspace(vcpu, len, gpa, pages);
}

int hypercall_exit(struct kvm_vcpu *vcpu)
{
	int len = glue_insn_len(vcpu);

	if (len <= 0)
		return len;
	if (state_cpl(vcpu))
		return finish(vcpu, len, -KVM_EPERM);
	switch (argument(vcpu, GPR_RAX)) {
	case KVM_HC_MAP_GPA_RANGE:
		return map_gpa_range(vcpu, len);
	default:
		return finish(vcpu, len, -KVM_ENOSYS);
	}
}

int hypercall_resume(struct kvm_vcpu *vcpu)
{
	struct vcpu_io *io = &vcpu->arch.io;
	u64 ret = READ_ONCE(vcpu->run->hypercall.ret);

	io->owner = IO_NOBODY;
	return io->rip == vcpu->arch.state.rip ? finish(vcpu, io->insn_len, ret) : TO_GUEST;
}
