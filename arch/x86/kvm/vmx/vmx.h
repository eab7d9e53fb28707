/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx.h - what vmx.c, vmcs.c, setup.c and enter.S share.
 */
#ifndef ARCH_X86_KVM_VMX_VMX_H
#define ARCH_X86_KVM_VMX_VMX_H

#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <asm/asm.h>
#include <asm/vmx.h>
#include "caps.h"

/**
 * struct vmx_held - fields of the VMCS as it holds them, so that only what changes is written
 * @cpu_based: primary processor-based controls
 * @entry: VM-entry controls
 * @exceptions: exception bitmap
 * @perf_msrs: how many MSRs of performance counters are loaded
 * @interruptibility: guest interruptibility state
 * @pending_dbg: guest pending debug exceptions
 * @rip: the guest's, and so on
 * @tsc_offset: the guest's TSC is the host's times @tsc_ratio, plus this
 * @host_cr3: the host's, and so on
 */
struct vmx_held {
	u32 cpu_based;
	u32 entry;
	u32 exceptions;
	u32 perf_msrs;
	u32 interruptibility;
	u64 pending_dbg;
	u64 rip;
	u64 rsp;
	u64 rflags;
	u64 tsc_offset;
	u64 tsc_ratio;
	unsigned long host_cr3;
	unsigned long host_cr4;
	unsigned long host_rsp;
	u64 host_fs_base;
	u16 host_fs;
	u16 host_gs;
};

/* What the host has in registers that the VMCS does not switch, while a vCPU is loaded. */
struct vmx_host {
	u16 fs;
	u16 gs;
	u16 ds;
	u16 es;
	u64 kernel_gs_base;
	u32 debugctl;
};

#define VMX_SYSCALL_MSRS	4
#define VMX_PERF_MSRS		8

/**
 * struct vcpu_vmx - a vCPU's part of this backend.  Its thread only, but for @active and @cpu.
 * @vmcs: the control structure
 * @vmcs_pa: its physical address
 * @active: in the list of the CPU that may hold parts of the VMCS (vmcs.c)
 * @cpu: that CPU, or -1
 * @launched: VMRESUME, not VMLAUNCH, is the next entry
 * @msr_bitmap: which MSRs exit, 4 KiB (SDM vol. 3, 24.6.9)
 * @apic_page: virtual-APIC page, of which only the task priority counts
 * @vpid: virtual processor identifier, or 0: translations are not tagged
 * @write_log: where hardware logs dirty bits that it sets, 4 KiB, or NULL
 * @flush: cached translations are void
 * @nmi_blocked: NMIs are masked for this entry
 * @step: this entry is for one instruction
 * @swapped: vmx_swaps_shadow(), of this entry
 * @injects: this entry begins with a delivery
 * @forced_tf: TF is a debugger's on the outside for this entry
 * @cut_back: RIP was moved back by one for an injected soft event without an instruction
 * @cut_rip: to where
 * @no_tr: the guest's task register is not usable, which the VMCS cannot say
 * @reason: VM-exit reason of the last exit; bit 31: the entry failed
 * @syscall: what the MSRs of SYSCALL hold while the vCPU is loaded
 * @perf_guest: what an entry loads into MSRs of the host's performance counters
 * @perf_host: and the exit behind it
 */
struct vcpu_vmx {
	struct vmx_msr_entry perf_guest[VMX_PERF_MSRS];
	struct vmx_msr_entry perf_host[VMX_PERF_MSRS];
	void *vmcs;
	u64 vmcs_pa;
	struct list_head active;
	int cpu;
	bool launched;
	unsigned long *msr_bitmap;
	u8 *apic_page;
	u16 vpid;
	u64 *write_log;
	bool flush;
	bool nmi_blocked;
	bool step;
	bool swapped;
	bool injects;
	bool forced_tf;
	bool cut_back;
	u64 cut_rip;
	bool no_tr;
	u32 reason;
	u64 syscall[VMX_SYSCALL_MSRS];
	struct vmx_held held;
	struct vmx_host host;
};

/**
 * struct vmx_cpu - a physical CPU's part of this backend.  That CPU only.
 * @vmxon: VMXON region
 * @on: it is in use
 * @active: vCPUs whose VMCS it may hold parts of
 * @current_vmx: whose VMCS is current
 * @last: whose guest ran here last, for the branch predictor barrier
 */
struct vmx_cpu {
	struct page *vmxon;
	bool on;
	struct list_head active;
	struct vcpu_vmx *current_vmx;
	struct vcpu_vmx *last;
};

DECLARE_PER_CPU(struct vmx_cpu, vmx_cpu);

extern struct vmx_controls vmx_controls;

#define VMX_WRITE_LOG_ENTRIES	512	/* filled from the last one down */

/* Of the bits of CR0, those that the guest may change without an exit. */
#define CR0_GUEST_OWNED	(X86_CR0_TS | X86_CR0_MP)

static inline struct vcpu_vmx *to_vmx(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.backend;
}

/*
 * The VMCS that is current.  After virtualization was switched off under a vCPU (reboot) these
 * instructions are #UD, and what is read does not matter any more.
 */
static __always_inline u64 vmcs_read(unsigned long field)
{
	u64 value = 0;

	asm volatile("1: vmread %1, %0\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+r" (value) : "r" (field) : "cc");
	return value;
}

static __always_inline void vmcs_write(unsigned long field, u64 value)
{
	asm volatile("1: vmwrite %1, %0\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : : "r" (field), "r" (value) : "cc");
}

/* Write a field unless the VMCS holds this already. */
#define vmcs_update(field, held, value)						\
do {										\
	typeof(held) new_value = (value);					\
										\
	if ((held) != new_value) {						\
		(held) = new_value;						\
		vmcs_write(field, new_value);					\
	}									\
} while (0)

/* vmcs.c */
int vmx_cpu_enable(void);
void vmx_cpu_disable(void);
void vmx_cpu_emergency(void);
void vmx_vcpu_load(struct kvm_vcpu *vcpu, int cpu);
void vmx_vcpu_put(struct kvm_vcpu *vcpu);
/* Make the vCPU's VMCS current, and stay on this CPU.  Does not nest. */
void vmcs_get(struct vcpu_vmx *vmx);
void vmcs_put(void);
/* No CPU holds parts of it any more.  Does not sleep; interrupts on. */
void vmcs_release(struct vcpu_vmx *vmx);

/* What the host has, before the first VM. */
void vmx_read_host_msrs(void);
/* STATE_SYS' MSRs, while the vCPU is loaded. */
void vmx_store_syscall(struct vcpu_vmx *vmx, const struct vcpu_state *state);

/* setup.c */
bool vmx_supported(void);
int vmx_setup(struct backend_features *features);
void vmx_teardown(void);
int vmx_vcpu_create(struct kvm_vcpu *vcpu);
void vmx_vcpu_destroy(struct kvm_vcpu *vcpu);
void vmx_vcpu_reset(struct kvm_vcpu *vcpu);
/* Secondary processor-based controls. */
void vmx_write_secondary(struct kvm_vcpu *vcpu);
void vmx_trap_msr(struct kvm_vcpu *vcpu, u32 msr, bool read, bool write);

/* enter.S: 0 after an exit; 1 when VMLAUNCH or VMRESUME has failed */
int vmx_switch(u64 *gpr, unsigned long *host_rsp, bool launched);
void vmx_exit_point(void);

#endif /* ARCH_X86_KVM_VMX_VMX_H */
