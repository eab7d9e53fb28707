// SPDX-License-Identifier: GPL-2.0-only
/*
 * setup.c - VMX: everything that happens once: per machine, per CPU, per vCPU.
 *
 * What the processor can (caps.c says if that is enough), the VMCS after
 * power-up.  What happens at every entry is in vmx.c, which CPU has which
 * VMCS in vmcs.c.  SDM vol. 3, chapter 24 and appendix A.
 */
#include <linux/gfp.h>
#include <linux/idr.h>
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include "vmx.h"

#define CPUID_1_ECX_VMX		BIT(5)
#define MSR_BITMAP_WRITES	0x800	/* bytes from the bitmaps of reads to those of writes */
#define MSR_BITMAP_HIGH_RANGE	0x400	/* bytes from MSRs at 0 to those at 0xc0000000 */
#define MSR_BITMAP_RANGE	0x2000	/* MSRs, in each of them */
#define TSC_FRACTION_BITS	48

struct vmx_controls vmx_controls;
static struct vmx_caps vmx_caps;
static DEFINE_IDA(vpids);

static bool refuse(const char *why)
{
	pr_err("kvm: VMX: %s\n", why);
	return false;
}

static const struct {
	u32 msr;
	u32 true_msr;
} control_msrs[VMX_WORDS] = {
	[WORD_PIN] = { MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS },
	[WORD_PRIMARY] = { MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS },
	[WORD_SECONDARY] = { MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_PROCBASED_CTLS2 },
	[WORD_EXIT] = { MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS },
	[WORD_ENTRY] = { MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS },
};

/* An MSR that is not there allows nothing: old processors have no secondary controls and no EPT. */
static u64 read_cap(u32 msr)
{
	u64 value;

	return rdmsrl_safe(msr, &value) ? 0 : value;
}

static void read_caps(struct vmx_caps *caps)
{
	bool true_msrs;
	u8 word;

	caps->basic = read_cap(MSR_IA32_VMX_BASIC);
	true_msrs = caps->basic & VMX_BASIC_TRUE_CONTROLS;
	for (word = 0; word < VMX_WORDS; word++)
		caps->word[word] = read_cap(true_msrs ? control_msrs[word].true_msr :
							control_msrs[word].msr);
	caps->ept_vpid = read_cap(MSR_IA32_VMX_EPT_VPID_CAP);
	caps->misc = read_cap(MSR_IA32_VMX_MISC);
	caps->cr4_fixed0 = read_cap(MSR_IA32_VMX_CR4_FIXED0);
}

bool vmx_supported(void)
{
	const char *lacks;
	char why[80];

	if (!(cpuid_ecx(1) & CPUID_1_ECX_VMX))
		return refuse("the processor does not have it");
	if (!boot_cpu_has(X86_FEATURE_VMX))
		return refuse("disabled by the firmware");
	read_caps(&vmx_caps);
	lacks = vmx_choose(&vmx_caps, &vmx_controls);
	if (!lacks)
		return true;
	snprintf(why, sizeof(why), "the processor lacks %s", lacks);
	return refuse(why);
}

void vmx_teardown(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct vmx_cpu *vc = per_cpu_ptr(&vmx_cpu, cpu);

		if (vc->vmxon)
			__free_page(vc->vmxon);
		vc->vmxon = NULL;
	}
	ida_destroy(&vpids);
	l1tf_vmx_mitigation = VMENTER_L1D_FLUSH_AUTO;
}

static int alloc_cpu(int cpu)
{
	struct vmx_cpu *vc = per_cpu_ptr(&vmx_cpu, cpu);

	INIT_LIST_HEAD(&vc->active);
	vc->vmxon = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
	return vc->vmxon ? 0 : -ENOMEM;
}

static void choose_features(struct backend_features *features)
{
	const u64 caps = vmx_caps.ept_vpid;

	features->name = "VMX";
	features->trace_isa = 1;
	features->max_gpa_bits = min(boot_cpu_data.x86_phys_bits, 48);
	features->tables = caps & VMX_EPT_AD_BIT ? TABLES_EPT : TABLES_EPT_NO_AD;
	features->table_levels = 4;
	features->logs_writes = vmx_controls.logs_writes;
	features->huge_2m = caps & VMX_EPT_2MB_PAGE_BIT;
	features->huge_1g = caps & VMX_EPT_1GB_PAGE_BIT;
	features->shadow_kinds = true;
	features->pending_debug = true;
	features->loads_pdptes = true;
	features->tsc_scaling = vmx_controls.tsc_scaling;
	features->tsc_scale_frac_bits = TSC_FRACTION_BITS;
	features->tsc_scale_max = U64_MAX;
}

/*
 * L1TF: what is in the L1 data cache can be read by a guest, so it is emptied at every entry,
 * unless that was switched off.  The kernel tells what is done, in sysfs.
 */
static void choose_l1d_flush(struct vmx_controls *controls)
{
	if (!boot_cpu_has_bug(X86_BUG_L1TF)) {
		l1tf_vmx_mitigation = VMENTER_L1D_FLUSH_NOT_REQUIRED;
		return;
	}
	if (l1tf_mitigation != L1TF_MITIGATION_OFF && boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		controls->entry_does |= ENTRY_FLUSHES_L1D;
		l1tf_vmx_mitigation = VMENTER_L1D_FLUSH_ALWAYS;
		return;
	}
	l1tf_vmx_mitigation = VMENTER_L1D_FLUSH_NEVER;
	pr_warn("kvm: VMX: guests can read the L1 data cache (L1TF)\n");
}

int vmx_setup(struct backend_features *features)
{
	struct x86_pmu_capability counters;
	int cpu;

	for_each_possible_cpu(cpu)
		if (alloc_cpu(cpu)) {
			vmx_teardown();
			return -ENOMEM;
		}
	vmx_read_host_msrs();
	choose_features(features);
	choose_l1d_flush(&vmx_controls);
	perf_get_x86_pmu_capability(&counters);
	if (counters.version)
		vmx_controls.entry_does |= ENTRY_SWITCHES_COUNTERS;
	return 0;
}

/*
 * vCPUs
 */

int vmx_vcpu_create(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = kzalloc(sizeof(*vmx), GFP_KERNEL_ACCOUNT);
	int vpid;

	if (!vmx)
		return -ENOMEM;
	vmx->cpu = -1;
	vmx->vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vmx->msr_bitmap = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vmx->apic_page = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (vmx_controls.logs_writes)
		vmx->write_log = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->arch.backend = vmx;
	if (!vmx->vmcs || !vmx->msr_bitmap || !vmx->apic_page ||
	    (vmx_controls.logs_writes && !vmx->write_log)) {
		vmx_vcpu_destroy(vcpu);
		return -ENOMEM;
	}
	vmx->vmcs_pa = __pa(vmx->vmcs);
	*(u32 *)vmx->vmcs = vmx_controls.revision;
	memset(vmx->msr_bitmap, 0xff, PAGE_SIZE);
	/* when they have run out, this one goes without */
	vpid = ida_alloc_range(&vpids, 1, VMX_NR_VPIDS - 1, GFP_KERNEL_ACCOUNT);
	vmx->vpid = vpid < 0 ? 0 : vpid;
	return 0;
}

/* A CPU may remember it as its last: a new one in its place would get no barrier. */
static void forget(struct vcpu_vmx *vmx)
{
	int cpu;

	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu_ptr(&vmx_cpu, cpu)->last, vmx, NULL);
}

void vmx_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (!vmx)
		return;
	vmcs_release(vmx);
	forget(vmx);
	if (vmx->vpid)
		ida_free(&vpids, vmx->vpid);
	free_page((unsigned long)vmx->write_log);
	free_page((unsigned long)vmx->apic_page);
	free_page((unsigned long)vmx->msr_bitmap);
	free_page((unsigned long)vmx->vmcs);
	kfree(vmx);
	vcpu->arch.backend = NULL;
}

void vmx_write_secondary(struct kvm_vcpu *vcpu)
{
	u32 secondary = vmx_controls.word[WORD_SECONDARY];

	if (!to_vmx(vcpu)->vpid)
		secondary &= ~SECONDARY_EXEC_ENABLE_VPID;
	if (vmx_controls.tsc_scaling)
		secondary |= SECONDARY_EXEC_TSC_SCALING;
	if (vcpu->arch.logs_writes)
		secondary |= SECONDARY_EXEC_ENABLE_PML;
	vmcs_write(SECONDARY_VM_EXEC_CONTROL, secondary);
}

static void write_controls(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	vmcs_write(PIN_BASED_VM_EXEC_CONTROL, vmx_controls.word[WORD_PIN]);
	vmx_write_secondary(vcpu);
	vmcs_write(VM_EXIT_CONTROLS, vmx_controls.word[WORD_EXIT]);
	vmcs_write(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	vmcs_write(EPT_POINTER, vcpu->arch.root | vmx_controls.eptp);
	vmcs_write(MSR_BITMAP, __pa(vmx->msr_bitmap));
	vmcs_write(VIRTUAL_APIC_PAGE_ADDR, __pa(vmx->apic_page));
	vmcs_write(TPR_THRESHOLD, 0);
	if (vmx_controls.word[WORD_SECONDARY] & SECONDARY_EXEC_ENCLS_EXITING)
		vmcs_write(ENCLS_EXITING_BITMAP, U64_MAX);
	if (vmx->write_log) {
		vmcs_write(PML_ADDRESS, __pa(vmx->write_log));
		vmcs_write(GUEST_PML_INDEX, VMX_WRITE_LOG_ENTRIES - 1);
	}
	vmcs_write(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write(CR3_TARGET_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_LOAD_ADDR, __pa(vmx->perf_host));
	vmcs_write(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_ENTRY_MSR_LOAD_ADDR, __pa(vmx->perf_guest));
	vmx->held.perf_msrs = 0;
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmcs_write(CR0_GUEST_HOST_MASK, ~(u64)CR0_GUEST_OWNED);
	vmcs_write(CR4_GUEST_HOST_MASK, U64_MAX);
}

/* What is the host's on every CPU; what is the CPU's or the thread's own is written in vmcs.c. */
static void write_host(void)
{
	u64 value;

	vmcs_write(HOST_CR0, read_cr0() & ~X86_CR0_TS);
	vmcs_write(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write(HOST_DS_SELECTOR, 0);
	vmcs_write(HOST_ES_SELECTOR, 0);
	vmcs_write(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmcs_write(HOST_RIP, (unsigned long)vmx_exit_point);
	rdmsrl(MSR_IA32_SYSENTER_CS, value);
	vmcs_write(HOST_IA32_SYSENTER_CS, value);
	rdmsrl(MSR_IA32_SYSENTER_EIP, value);
	vmcs_write(HOST_IA32_SYSENTER_EIP, value);
	rdmsrl(MSR_IA32_CR_PAT, value);
	vmcs_write(HOST_IA32_PAT, value);
	rdmsrl(MSR_EFER, value);
	vmcs_write(HOST_IA32_EFER, value);
}

/* Fields that struct vmx_held follows get a value once, whatever it is. */
static void write_held(struct vmx_held *held)
{
	memset(held, 0, sizeof(*held));
	vmcs_write(CPU_BASED_VM_EXEC_CONTROL, 0);
	vmcs_write(VM_ENTRY_CONTROLS, 0);
	vmcs_write(EXCEPTION_BITMAP, 0);
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmcs_write(GUEST_RIP, 0);
	vmcs_write(GUEST_RSP, 0);
	vmcs_write(GUEST_RFLAGS, 0);
	vmcs_write(TSC_OFFSET, 0);
	if (vmx_controls.tsc_scaling)
		vmcs_write(TSC_MULTIPLIER, 0);
	vmcs_write(HOST_CR3, 0);
	vmcs_write(HOST_CR4, 0);
	vmcs_write(HOST_RSP, 0);
	vmcs_write(HOST_FS_BASE, 0);
	vmcs_write(HOST_FS_SELECTOR, 0);
	vmcs_write(HOST_GS_SELECTOR, 0);
}

void vmx_vcpu_reset(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	const struct vmx_held old = vmx->held;

	vmcs_get(vmx);
	write_held(&vmx->held);
	/* the thread's: when an INIT is taken the vCPU is on a CPU, and stays there */
	vmcs_update(HOST_FS_BASE, vmx->held.host_fs_base, old.host_fs_base);
	vmcs_update(HOST_FS_SELECTOR, vmx->held.host_fs, old.host_fs);
	vmcs_update(HOST_GS_SELECTOR, vmx->held.host_gs, old.host_gs);
	write_controls(vcpu);
	write_host();
	vmcs_write(VMCS_LINK_POINTER, U64_MAX);
	vmcs_write(GUEST_IA32_DEBUGCTL, 0);
	vmcs_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_put();
	vmx->flush = true;
	vmx->nmi_blocked = false;
	vmx->cut_back = false;
}

/*
 * Reads go without an exit where that is allowed; writes of the MSRs of SYSCALL never do, see
 * vmcs.c.  SYSENTER's, FS' and GS' are in the VMCS.  SDM vol. 3, 24.6.9.
 */
static bool write_must_exit(u32 msr)
{
	return msr >= MSR_STAR && msr <= MSR_SYSCALL_MASK;
}

void vmx_trap_msr(struct kvm_vcpu *vcpu, u32 msr, bool read, bool write)
{
	void *bitmap = to_vmx(vcpu)->msr_bitmap;
	u32 bit = msr;

	if (msr >= 0xc0000000) {
		bitmap += MSR_BITMAP_HIGH_RANGE;
		bit -= 0xc0000000;
	}
	/* others always exit */
	if (bit >= MSR_BITMAP_RANGE)
		return;
	assign_bit(bit, bitmap, read);
	assign_bit(bit, bitmap + MSR_BITMAP_WRITES, write || write_must_exit(msr));
}
