// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmcs.c - VMX: which CPU holds what.
 *
 * VMX operation on and off; the VMCS of a vCPU made current, and cleared from
 * the CPU it was active on before another one may have it (SDM vol. 3, 24.1
 * and 24.11.3); and, while a vCPU is loaded, the host's registers that the
 * VMCS does not switch.  Next: vmx.c, what is in the VMCS.
 */
#include <linux/kvm_host.h>
#include <linux/smp.h>
#include <asm/cpu_entry_area.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/perf_event.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>
#include <asm/tlbflush.h>
#include "vmx.h"

#define SELECTOR_UNCLEAN	7	/* RPL and TI, which a host selector field must not have */

DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);

/*
 * VMX operation
 */

static int vmx_on(u64 pa)
{
	u8 failed = true;

	asm volatile("1: vmxon %1\n"
		     "setna %0\n"
		     "2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+qm" (failed) : "m" (pa) : "cc", "memory");
	return failed ? -EIO : 0;
}

static void vmx_off(void)
{
	asm volatile("1: vmxoff\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "cc", "memory");
}

static void vmcs_clear(u64 pa)
{
	asm volatile("1: vmclear %0\n2:\n" _ASM_EXTABLE(1b, 2b) : : "m" (pa) : "cc", "memory");
}

static void vmcs_point_to(u64 pa)
{
	asm volatile("1: vmptrld %0\n2:\n" _ASM_EXTABLE(1b, 2b) : : "m" (pa) : "cc", "memory");
}

int vmx_cpu_enable(void)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);

	if (__read_cr4() & X86_CR4_VMXE)
		return -EBUSY;
	*(u32 *)page_address(vc->vmxon) = vmx_controls.revision;
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	if (vmx_on(page_to_phys(vc->vmxon))) {
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		return -EIO;
	}
	vc->current_vmx = NULL;
	vc->last = NULL;
	vc->on = true;
	return 0;
}

/* Interrupts off, on the CPU that the VMCS is active on. */
static void vmcs_clear_here(void *data)
{
	struct vcpu_vmx *vmx = data;
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);

	if (vmx->cpu != smp_processor_id())
		return;
	vmcs_clear(vmx->vmcs_pa);
	if (vc->current_vmx == vmx)
		vc->current_vmx = NULL;
	list_del(&vmx->active);
	vmx->launched = false;
	WRITE_ONCE(vmx->cpu, -1);
}

void vmx_cpu_disable(void)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct vcpu_vmx *vmx, *next;

	list_for_each_entry_safe(vmx, next, &vc->active, active)
		vmcs_clear_here(vmx);
	vc->on = false;
	vmx_off();
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

/*
 * From a panic, perhaps from an NMI, in the middle of anything.  What the processor holds goes to
 * memory, for the dump, and INIT is let through again: in VMX operation it is blocked.
 */
void vmx_cpu_emergency(void)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct vcpu_vmx *vmx;

	if (!vc->on)
		return;
	list_for_each_entry(vmx, &vc->active, active)
		vmcs_clear(vmx->vmcs_pa);
	vmx_off();
	cr4_clear_bits(X86_CR4_VMXE);
}

/*
 * The VMCS on a CPU
 */

void vmcs_release(struct vcpu_vmx *vmx)
{
	int cpu = READ_ONCE(vmx->cpu);

	/* a CPU that goes offline does it by itself */
	if (cpu >= 0)
		smp_call_function_single(cpu, vmcs_clear_here, vmx, true);
}

/* Host state that is the CPU's: the same until the VMCS moves. */
static void write_host_cpu(int cpu)
{
	struct desc_ptr idt;
	u64 value;

	store_idt(&idt);
	vmcs_write(HOST_IDTR_BASE, idt.address);
	vmcs_write(HOST_GDTR_BASE, (unsigned long)get_current_gdt_ro());
	vmcs_write(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	rdmsrl(MSR_GS_BASE, value);
	vmcs_write(HOST_GS_BASE, value);
	rdmsrl(MSR_IA32_SYSENTER_ESP, value);
	vmcs_write(HOST_IA32_SYSENTER_ESP, value);
}

/* Preemption off, interrupts on unless it is active here already. */
static void make_current(struct vcpu_vmx *vmx, int cpu)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	bool moved = vmx->cpu != cpu;
	unsigned long flags;

	if (moved) {
		vmcs_release(vmx);
		/* its first time: what the processor keeps in it is not known (SDM 24.11.3) */
		if (READ_ONCE(vmx->cpu) < 0)
			vmcs_clear(vmx->vmcs_pa);
		local_irq_save(flags);
		list_add(&vmx->active, &vc->active);
		WRITE_ONCE(vmx->cpu, cpu);
		local_irq_restore(flags);
		/* translations of its last time here, or of another VM that had its numbers */
		vmx->flush = true;
	}
	vmcs_point_to(vmx->vmcs_pa);
	vc->current_vmx = vmx;
	if (moved)
		write_host_cpu(cpu);
}

void vmcs_get(struct vcpu_vmx *vmx)
{
	int cpu = get_cpu();

	if (unlikely(this_cpu_read(vmx_cpu.current_vmx) != vmx))
		make_current(vmx, cpu);
}

void vmcs_put(void)
{
	put_cpu();
}

/*
 * A vCPU on a CPU.  What is read and written at every KVM_RUN needs no paravirtual detour: who has
 * VMX is on bare metal, or on what behaves like it.
 */

static u64 read_msr(u32 msr)
{
	return __rdmsr(msr);
}

static void write_msr(u32 msr, u64 value)
{
	__wrmsr(msr, value, value >> 32);
}

/*
 * The MSRs of SYSCALL.  The guest's writes of them exit, so that what it has is known; SWAPGS is
 * another matter.
 */
static const u32 syscall_msrs[VMX_SYSCALL_MSRS] = {
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
};

/* The host's, the same on all CPUs and for good. */
static u64 host_syscall[VMX_SYSCALL_MSRS] __ro_after_init;

void vmx_read_host_msrs(void)
{
	unsigned int i;

	for (i = 0; i < VMX_SYSCALL_MSRS; i++)
		rdmsrl(syscall_msrs[i], host_syscall[i]);
}

void vmx_store_syscall(struct vcpu_vmx *vmx, const struct vcpu_state *state)
{
	const u64 guest[] = { state->star, state->lstar, state->cstar, state->sfmask };
	unsigned int i;

	for (i = 0; i < VMX_SYSCALL_MSRS; i++)
		if (vmx->syscall[i] != guest[i]) {
			write_msr(syscall_msrs[i], guest[i]);
			vmx->syscall[i] = guest[i];
		}
	write_msr(MSR_KERNEL_GS_BASE, state->kernel_gs_base);
}

static void restore_syscall(struct vcpu_vmx *vmx)
{
	unsigned int i;

	for (i = 0; i < VMX_SYSCALL_MSRS; i++)
		if (vmx->syscall[i] != host_syscall[i])
			write_msr(syscall_msrs[i], host_syscall[i]);
}

/* A selector that an exit can load; others are loaded by put_segments(). */
static u16 clean(u16 selector)
{
	return selector & SELECTOR_UNCLEAN ? 0 : selector;
}

/* In the kernel GS is per-CPU data, and the user's base is in KERNEL_GS_BASE. */
static void take_segments(struct vcpu_vmx *vmx)
{
	struct vmx_host *host = &vmx->host;

	savesegment(fs, host->fs);
	savesegment(gs, host->gs);
	savesegment(ds, host->ds);
	savesegment(es, host->es);
	host->kernel_gs_base = read_msr(MSR_KERNEL_GS_BASE);
	vmcs_update(HOST_FS_SELECTOR, vmx->held.host_fs, clean(host->fs));
	vmcs_update(HOST_GS_SELECTOR, vmx->held.host_gs, clean(host->gs));
	vmcs_update(HOST_FS_BASE, vmx->held.host_fs_base, read_msr(MSR_FS_BASE));
}

/*
 * An exit has left these as 0, the limits of GDT and IDT as large as can be, and that of TR without
 * the bitmap of I/O ports (SDM 27.5.2): a task that has one looks before it goes to userspace.
 */
static void put_segments(struct vcpu_vmx *vmx)
{
	struct vmx_host *host = &vmx->host;
	struct desc_ptr gdt = { .size = GDT_SIZE - 1 };
	u16 ldt = process_ldt();

	if (unlikely(ldt))
		asm volatile("lldt %0" : : "m" (ldt));
	/* each alone: loading a selector of 0 takes the base along */
	if (unlikely((host->fs | host->gs) & SELECTOR_UNCLEAN)) {
		if (host->gs & SELECTOR_UNCLEAN)
			load_gs_index(host->gs);
		if (host->fs & SELECTOR_UNCLEAN)
			loadsegment(fs, host->fs);
	}
	if (unlikely(host->ds | host->es)) {
		loadsegment(ds, host->ds);
		loadsegment(es, host->es);
	}
	write_msr(MSR_KERNEL_GS_BASE, host->kernel_gs_base);
	gdt.address = (unsigned long)get_cpu_gdt_ro(raw_smp_processor_id());
	native_load_gdt(&gdt);
	this_cpu_write(__tss_limit_invalid, true);
}

void vmx_vcpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (vc->current_vmx != vmx)
		make_current(vmx, cpu);
	if (vc->last != vmx) {
		vc->last = vmx;
		indirect_branch_prediction_barrier();
	}
	take_segments(vmx);
	memcpy(vmx->syscall, host_syscall, sizeof(host_syscall));
	vmx_store_syscall(vmx, &vcpu->arch.state);
}

void vmx_vcpu_put(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct vcpu_state *state = &vcpu->arch.state;

	if (!(state->dirty & STATE_SYS))
		state->kernel_gs_base = read_msr(MSR_KERNEL_GS_BASE);
	restore_syscall(vmx);
	put_segments(vmx);
}
