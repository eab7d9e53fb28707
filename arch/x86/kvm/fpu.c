// SPDX-License-Identifier: GPL-2.0-only
/*
 * fpu.c - x87, SSE, AVX and what else XSAVE knows.
 *
 * The registers are kept and swapped by the kernel's own struct fpu_guest;
 * here are the registers that govern them (XCR0, PKRU) and the ioctls.  While
 * KVM_RUN runs, the guest's registers are the task's.
 */
#include <linux/kvm_host.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/fpu/xstate.h>
#include <asm/special_insns.h>
#include "cr.h"
#include "vcpu.h"

#define MXCSR_BITS	0xffff
#define FCW_RESET	0x37f
#define XCR0_INDEX	0

int fpu_create(struct kvm_vcpu *vcpu)
{
	if (!fpu_alloc_guest_fpstate(&vcpu->arch.fpu.guest))
		return -ENOMEM;
	vcpu->arch.fpu.buffer = kvzalloc(vcpu->arch.fpu.guest.uabi_size, GFP_KERNEL_ACCOUNT);
	if (vcpu->arch.fpu.buffer)
		return 0;
	fpu_free_guest_fpstate(&vcpu->arch.fpu.guest);
	return -ENOMEM;
}

void fpu_destroy(struct kvm_vcpu *vcpu)
{
	kvfree(vcpu->arch.fpu.buffer);
	fpu_free_guest_fpstate(&vcpu->arch.fpu.guest);
}

/* Power-up; INIT, which leaves the registers alone, has no sender before there is an APIC. */
void fpu_reset(struct kvm_vcpu *vcpu)
{
	vcpu->arch.fpu.xcr0 = XFEATURE_MASK_FP;
	vcpu->arch.fpu.pkru = 0;
}

void fpu_swap_in(struct kvm_vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->arch.fpu.guest, true);
}

void fpu_swap_out(struct kvm_vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->arch.fpu.guest, false);
}

/* The guest can write PKRU by WRPKRU under CR4.PKE, and by XRSTOR under XCR0. */
static __always_inline bool guest_uses_pkru(struct kvm_vcpu *vcpu)
{
	return cpu_feature_enabled(X86_FEATURE_OSPKE) &&
	       (vcpu->arch.state.cr4 & X86_CR4_PKE || vcpu->arch.fpu.xcr0 & XFEATURE_MASK_PKRU);
}

void fpu_enter(struct kvm_vcpu *vcpu)
{
	struct vcpu_fpu *fpu = &vcpu->arch.fpu;

	/* preempted since: the registers are in memory */
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	if (unlikely(fpu->xcr0 != fpu->host_xcr0))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, fpu->xcr0);
	if (guest_uses_pkru(vcpu)) {
		fpu->host_pkru = rdpkru();
		if (fpu->host_pkru != fpu->pkru)
			wrpkru(fpu->pkru);
	}
}

void fpu_leave(struct kvm_vcpu *vcpu)
{
	struct vcpu_fpu *fpu = &vcpu->arch.fpu;

	if (guest_uses_pkru(vcpu)) {
		fpu->pkru = rdpkru();
		if (fpu->host_pkru != fpu->pkru)
			wrpkru(fpu->host_pkru);
	}
	if (unlikely(fpu->xcr0 != fpu->host_xcr0))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, fpu->host_xcr0);
}

void fpu_load(struct kvm_vcpu *vcpu)
{
	struct vcpu_fpu *fpu = &vcpu->arch.fpu;

	/* without XSAVE there is no XCR0: equal, so that nobody writes it */
	fpu->host_xcr0 = boot_cpu_has(X86_FEATURE_OSXSAVE) ?
			 xgetbv(XCR_XFEATURE_ENABLED_MASK) : fpu->xcr0;
}

int fpu_set_xcr0(struct kvm_vcpu *vcpu, u64 xcr0)
{
	const struct cr_limits limits = { .xcr0_allowed = vcpu->arch.cpuid.xcr0_allowed };

	if (!xcr0_ok(&limits, xcr0))
		return -EINVAL;
	vcpu->arch.fpu.xcr0 = xcr0;
	return 0;
}

/*
 * KVM_GET_FPU, KVM_SET_FPU: the FXSAVE area, under other names.
 */

static struct fxregs_state *fxregs(struct kvm_vcpu *vcpu)
{
	return &vcpu->arch.fpu.guest.fpstate->regs.fxsave;
}

/* A component in its initial state need not have been written to memory (XSAVEOPT, XSAVES). */
static bool in_memory(struct kvm_vcpu *vcpu, u64 component)
{
	return !boot_cpu_has(X86_FEATURE_XSAVE) ||
	       vcpu->arch.fpu.guest.fpstate->regs.xsave.header.xfeatures & component;
}

long fpu_get_fpu(struct kvm_vcpu *vcpu, struct kvm_fpu __user *argp)
{
	const struct fxregs_state *fx = fxregs(vcpu);
	struct kvm_fpu fpu = { .fcw = FCW_RESET, .mxcsr = fx->mxcsr };

	if (in_memory(vcpu, XFEATURE_MASK_FP)) {
		memcpy(fpu.fpr, fx->st_space, sizeof(fpu.fpr));
		fpu.fcw = fx->cwd;
		fpu.fsw = fx->swd;
		fpu.ftwx = fx->twd;
		fpu.last_opcode = fx->fop;
		fpu.last_ip = fx->rip;
		fpu.last_dp = fx->rdp;
	}
	if (in_memory(vcpu, XFEATURE_MASK_SSE))
		memcpy(fpu.xmm, fx->xmm_space, sizeof(fpu.xmm));
	return copy_to_user(argp, &fpu, sizeof(fpu)) ? -EFAULT : 0;
}

long fpu_set_fpu(struct kvm_vcpu *vcpu, struct kvm_fpu __user *argp)
{
	struct fxregs_state *fx = fxregs(vcpu);
	struct kvm_fpu fpu;

	if (copy_from_user(&fpu, argp, sizeof(fpu)))
		return -EFAULT;
	memcpy(fx->st_space, fpu.fpr, sizeof(fpu.fpr));
	memcpy(fx->xmm_space, fpu.xmm, sizeof(fpu.xmm));
	fx->cwd = fpu.fcw;
	fx->swd = fpu.fsw;
	fx->twd = fpu.ftwx;
	fx->fop = fpu.last_opcode;
	fx->rip = fpu.last_ip;
	fx->rdp = fpu.last_dp;
	/* with a bit that does not exist the kernel's own FXRSTOR would fault */
	fx->mxcsr = fpu.mxcsr & MXCSR_BITS;
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		vcpu->arch.fpu.guest.fpstate->regs.xsave.header.xfeatures |= XFEATURE_MASK_FPSSE;
	return 0;
}

/*
 * KVM_GET_XSAVE and so on: the standard format, as XSAVE itself would write it.
 */

int fpu_xsave_size(void)
{
	u64 permitted = xstate_get_guest_group_perm();
	u32 size = 0, eax, ebx, ecx, edx;
	unsigned int i;

	for (i = 2; i < 63; i++) {
		if (!(permitted & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		size = max(size, eax + ebx);
	}
	return max_t(u32, size, sizeof(struct kvm_xsave));
}

/* The kernel writes what there is; what userspace's struct has beyond is zero. */
static long get_xsave(struct kvm_vcpu *vcpu, void __user *argp, unsigned int size)
{
	struct vcpu_fpu *fpu = &vcpu->arch.fpu;
	unsigned int known = min(size, fpu->guest.uabi_size);

	fpu_copy_guest_fpstate_to_uabi(&fpu->guest, fpu->buffer, known,
				       vcpu->arch.cpuid.xcr0_allowed | XFEATURE_MASK_FPSSE,
				       fpu->pkru);
	if (copy_to_user(argp, fpu->buffer, known) || clear_user(argp + known, size - known))
		return -EFAULT;
	return 0;
}

long fpu_get_xsave(struct kvm_vcpu *vcpu, struct kvm_xsave __user *argp)
{
	/* does not fit: KVM_GET_XSAVE2 is for those who enabled large components */
	if (vcpu->arch.fpu.guest.uabi_size > sizeof(struct kvm_xsave))
		return -EINVAL;
	return get_xsave(vcpu, argp, sizeof(struct kvm_xsave));
}

long fpu_get_xsave2(struct kvm_vcpu *vcpu, struct kvm_xsave __user *argp)
{
	unsigned int size = max_t(unsigned int, vcpu->arch.fpu.guest.uabi_size,
				  sizeof(struct kvm_xsave));

	return get_xsave(vcpu, argp, size);
}

/*
 * Without XSAVE the kernel reads and writes the legacy area, and the mask of what is valid: the
 * rest of the buffer stays as fpu_create() has left it.
 */
long fpu_set_xsave(struct kvm_vcpu *vcpu, struct kvm_xsave __user *argp)
{
	const unsigned int legacy = sizeof(struct fxregs_state) + sizeof(u64);
	struct vcpu_fpu *fpu = &vcpu->arch.fpu;

	if (copy_from_user(fpu->buffer, argp, fpu->guest.uabi_size))
		return -EFAULT;
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		memset(fpu->buffer + legacy, 0, fpu->guest.uabi_size - legacy);
	return fpu_copy_uabi_to_guest_fpstate(&fpu->guest, fpu->buffer,
					      vcpu->arch.cpuid.xcr0_allowed | XFEATURE_MASK_FPSSE,
					      &fpu->pkru);
}

long fpu_get_xcrs(struct kvm_vcpu *vcpu, struct kvm_xcrs __user *argp)
{
	struct kvm_xcrs xcrs = { };

	if (boot_cpu_has(X86_FEATURE_XSAVE)) {
		xcrs.nr_xcrs = 1;
		xcrs.xcrs[0].xcr = XCR0_INDEX;
		xcrs.xcrs[0].value = vcpu->arch.fpu.xcr0;
	}
	return copy_to_user(argp, &xcrs, sizeof(xcrs)) ? -EFAULT : 0;
}

long fpu_set_xcrs(struct kvm_vcpu *vcpu, struct kvm_xcrs __user *argp)
{
	struct kvm_xcrs xcrs;
	u32 i;

	if (copy_from_user(&xcrs, argp, sizeof(xcrs)))
		return -EFAULT;
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return -EINVAL;
	if (xcrs.nr_xcrs > KVM_MAX_XCRS || xcrs.flags)
		return -EINVAL;
	for (i = 0; i < xcrs.nr_xcrs; i++)
		if (xcrs.xcrs[i].xcr == XCR0_INDEX)
			return fpu_set_xcr0(vcpu, xcrs.xcrs[i].value);
	return 0;
}

/*
 * Single vector registers, for the executor.  The guest's registers are on the
 * CPU or in the task's memory; loaded, and preemption off, they are the CPU's.
 */

#define EACH_XMM(OP)								\
	OP(0) OP(1) OP(2) OP(3) OP(4) OP(5) OP(6) OP(7)				\
	OP(8) OP(9) OP(10) OP(11) OP(12) OP(13) OP(14) OP(15)

#define READ_XMM(n)	case n: asm volatile("movdqu %%xmm" #n ", %0" : "=m" (*low)); break;
#define WRITE_XMM(n)	case n: asm volatile("movdqu %0, %%xmm" #n : : "m" (*low)); break;
#define READ_YMM(n)	case n: asm volatile("vmovdqu %%ymm" #n ", %0" : "=m" (*whole)); break;
#define WRITE_YMM(n)	case n: asm volatile("vmovdqu %0, %%ymm" #n : : "m" (*whole)); break;

struct xmm_bytes { u8 byte[16]; };
struct ymm_bytes { u8 byte[32]; };

static void load_registers(void)
{
	fpregs_lock();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

void fpu_read_vec(struct kvm_vcpu *vcpu, unsigned int reg, void *data, unsigned int size)
{
	struct xmm_bytes *low = data;
	struct ymm_bytes *whole = data;

	load_registers();
	if (size == sizeof(*low))
		switch (reg) { EACH_XMM(READ_XMM) }
	else
		switch (reg) { EACH_XMM(READ_YMM) }
	fpregs_unlock();
}

void fpu_write_vec(struct kvm_vcpu *vcpu, unsigned int reg, const void *data, unsigned int size)
{
	const struct xmm_bytes *low = data;
	const struct ymm_bytes *whole = data;

	load_registers();
	if (size == sizeof(*low))
		switch (reg) { EACH_XMM(WRITE_XMM) }
	else
		switch (reg) { EACH_XMM(WRITE_YMM) }
	fpregs_unlock();
}
