// SPDX-License-Identifier: GPL-2.0-only
/*
 * setup.c - VMX: everything that happens once: per machine, per CPU, per vCPU.
 *
 * Is the processor good enough, the controls it is to be run with, the VMCS
 * after power-up.  What happens at every entry is in vmx.c, which CPU has which
 * VMCS in vmcs.c.  SDM vol. 3, chapter 24 and appendix A.
 */
#include <linux/gfp.h>
#include <linux/idr.h>
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr.h>
#include "vmx.h"

#define VMX_BASIC_TRUE_CONTROLS	BIT_ULL(55)
#define VMX_BASIC_ANY_ERROR	BIT_ULL(56)
#define VMX_EPT_INVEPT_SINGLE	(VMX_EPT_INVEPT_BIT | VMX_EPT_EXTENT_CONTEXT_BIT)
#define CPUID_1_ECX_VMX		BIT(5)
#define MSR_BITMAP_WRITES	0x800	/* bytes from the bitmaps of reads to those of writes */
#define MSR_BITMAP_HIGH_RANGE	0x400	/* bytes from MSRs at 0 to those at 0xc0000000 */
#define MSR_BITMAP_RANGE	0x2000	/* MSRs, in each of them */
#define TSC_FRACTION_BITS	48

struct vmx_controls vmx_controls;
static DEFINE_IDA(vpids);

static bool refuse(const char *why)
{
	pr_err("kvm: VMX: %s\n", why);
	return false;
}

/*
 * Controls.  Each is wanted for itself: a processor that lacks one is told so by name.
 */

enum control_word { PIN, PRIMARY, SECONDARY, EXIT, ENTRY, CONTROL_WORDS };

static const struct {
	u32 msr;
	u32 true_msr;
} control_msrs[CONTROL_WORDS] = {
	[PIN] = { MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS },
	[PRIMARY] = { MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS },
	[SECONDARY] = { MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_PROCBASED_CTLS2 },
	[EXIT] = { MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS },
	[ENTRY] = { MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS },
};

static const struct {
	u8 word;
	bool now_and_then;	/* set for some entries only */
	u32 bit;
	const char *name;
} needed[] = {
	{ PIN, false, PIN_BASED_EXT_INTR_MASK, "external-interrupt exiting" },
	{ PIN, false, PIN_BASED_NMI_EXITING, "NMI exiting" },
	{ PIN, false, PIN_BASED_VIRTUAL_NMIS, "virtual NMIs" },
	{ PRIMARY, true, CPU_BASED_INTR_WINDOW_EXITING, "interrupt-window exiting" },
	{ PRIMARY, true, CPU_BASED_NMI_WINDOW_EXITING, "NMI-window exiting" },
	{ PRIMARY, true, CPU_BASED_MOV_DR_EXITING, "MOV-DR exiting" },
	{ PRIMARY, true, CPU_BASED_CR8_LOAD_EXITING, "CR8-load exiting" },
	{ PRIMARY, false, CPU_BASED_USE_TSC_OFFSETTING, "TSC offsetting" },
	{ PRIMARY, false, CPU_BASED_HLT_EXITING, "HLT exiting" },
	{ PRIMARY, false, CPU_BASED_MWAIT_EXITING, "MWAIT exiting" },
	{ PRIMARY, false, CPU_BASED_MONITOR_EXITING, "MONITOR exiting" },
	{ PRIMARY, false, CPU_BASED_RDPMC_EXITING, "RDPMC exiting" },
	{ PRIMARY, false, CPU_BASED_TPR_SHADOW, "TPR shadow" },
	{ PRIMARY, false, CPU_BASED_UNCOND_IO_EXITING, "unconditional I/O exiting" },
	{ PRIMARY, false, CPU_BASED_USE_MSR_BITMAPS, "MSR bitmaps" },
	{ PRIMARY, false, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS, "secondary controls" },
	{ SECONDARY, false, SECONDARY_EXEC_ENABLE_EPT, "EPT" },
	{ SECONDARY, false, SECONDARY_EXEC_UNRESTRICTED_GUEST, "unrestricted guests" },
	{ SECONDARY, false, SECONDARY_EXEC_ENABLE_VPID, "VPID" },
	{ EXIT, false, VM_EXIT_HOST_ADDR_SPACE_SIZE, "64-bit hosts" },
	{ EXIT, false, VM_EXIT_SAVE_DEBUG_CONTROLS, "saving of debug controls" },
	{ EXIT, false, VM_EXIT_LOAD_IA32_PAT, "loading of PAT at exits" },
	{ EXIT, false, VM_EXIT_LOAD_IA32_EFER, "loading of EFER at exits" },
	{ ENTRY, true, VM_ENTRY_IA32E_MODE, "64-bit guests" },
	{ ENTRY, false, VM_ENTRY_LOAD_DEBUG_CONTROLS, "loading of debug controls" },
	{ ENTRY, false, VM_ENTRY_LOAD_IA32_PAT, "loading of PAT at entries" },
	{ ENTRY, false, VM_ENTRY_LOAD_IA32_EFER, "loading of EFER at entries" },
};

/* Instructions that are the guest's own where the processor has them, and those that are not. */
#define SECONDARY_WISHES							\
	(SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID |		\
	 SECONDARY_EXEC_WBINVD_EXITING | SECONDARY_EXEC_ENCLS_EXITING)

/* What a processor may not insist on: the guest's page tables are the guest's. */
#define PRIMARY_UNWANTED							\
	(CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING | CPU_BASED_INVLPG_EXITING)

/* The low half of a control MSR has the bits that must be 1, the high half those that may be. */
static bool choose_word(u8 word, bool true_msrs, u32 wishes, u32 *chosen)
{
	u32 msr = true_msrs ? control_msrs[word].true_msr : control_msrs[word].msr;
	unsigned int i;
	char why[64];
	u64 allowed;
	u32 may_be;

	if (rdmsrl_safe(msr, &allowed))
		return refuse("a capability MSR cannot be read");
	may_be = allowed >> 32;
	*chosen = (u32)allowed | (wishes & may_be);
	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		if (needed[i].word != word)
			continue;
		if (!(may_be & needed[i].bit)) {
			snprintf(why, sizeof(why), "the processor lacks %s", needed[i].name);
			return refuse(why);
		}
		if (!needed[i].now_and_then)
			*chosen |= needed[i].bit;
	}
	return true;
}

static bool choose_controls(struct vmx_controls *controls)
{
	u64 basic;
	bool true_msrs;

	if (rdmsrl_safe(MSR_IA32_VMX_BASIC, &basic))
		return refuse("its capabilities cannot be read");
	true_msrs = basic & VMX_BASIC_TRUE_CONTROLS;
	controls->revision = vmx_basic_vmcs_revision_id(basic);
	controls->any_error_code = basic & VMX_BASIC_ANY_ERROR;
	if (vmx_basic_vmcs_size(basic) > PAGE_SIZE)
		return refuse("a VMCS is larger than a page");
	if (!choose_word(PIN, true_msrs, 0, &controls->pin) ||
	    !choose_word(PRIMARY, true_msrs, 0, &controls->cpu_based) ||
	    !choose_word(SECONDARY, false, SECONDARY_WISHES, &controls->secondary) ||
	    !choose_word(EXIT, true_msrs, 0, &controls->exit) ||
	    !choose_word(ENTRY, true_msrs, 0, &controls->entry))
		return false;
	return controls->cpu_based & PRIMARY_UNWANTED ?
	       refuse("accesses to CR3 and INVLPG cannot be left to guests") : true;
}

static bool choose_ept(struct vmx_controls *controls)
{
	u64 caps;

	rdmsrl(MSR_IA32_VMX_EPT_VPID_CAP, caps);
	if (!(caps & VMX_EPT_PAGE_WALK_4_BIT))
		return refuse("EPT has no walks of four levels");
	if (!(caps & VMX_EPTP_WB_BIT))
		return refuse("EPT tables cannot be cached");
	if ((caps & VMX_EPT_INVEPT_SINGLE) != VMX_EPT_INVEPT_SINGLE)
		return refuse("the processor has no INVEPT of a single context");
	controls->eptp = VMX_EPTP_MT_WB | VMX_EPTP_PWL_4 |
			 (caps & VMX_EPT_AD_BIT ? VMX_EPTP_AD_ENABLE_BIT : 0);
	return true;
}

bool vmx_supported(void)
{
	if (!(cpuid_ecx(1) & CPUID_1_ECX_VMX))
		return refuse("the processor does not have it");
	if (!boot_cpu_has(X86_FEATURE_VMX))
		return refuse("disabled by the firmware");
	return choose_controls(&vmx_controls) && choose_ept(&vmx_controls);
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
	u64 caps, secondary, misc;

	rdmsrl(MSR_IA32_VMX_EPT_VPID_CAP, caps);
	rdmsrl(MSR_IA32_VMX_PROCBASED_CTLS2, secondary);
	rdmsrl(MSR_IA32_VMX_MISC, misc);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, vmx_controls.cr4_fixed);
	vmx_controls.zero_length = misc & VMX_MISC_ZERO_LEN_INS;
	vmx_controls.tsc_scaling = secondary >> 32 & SECONDARY_EXEC_TSC_SCALING;
	features->name = "VMX";
	features->trace_isa = 1;
	features->max_gpa_bits = min(boot_cpu_data.x86_phys_bits, 48);
	features->tables = caps & VMX_EPT_AD_BIT ? TABLES_EPT : TABLES_EPT_NO_AD;
	features->table_levels = 4;
	features->huge_2m = caps & VMX_EPT_2MB_PAGE_BIT;
	features->huge_1g = caps & VMX_EPT_1GB_PAGE_BIT;
	features->shadow_kinds = true;
	features->loads_pdptes = true;
	features->tsc_scaling = vmx_controls.tsc_scaling;
	features->tsc_scale_frac_bits = TSC_FRACTION_BITS;
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
	controls->flush_l1d = l1tf_mitigation != L1TF_MITIGATION_OFF &&
			      boot_cpu_has(X86_FEATURE_FLUSH_L1D);
	l1tf_vmx_mitigation = controls->flush_l1d ? VMENTER_L1D_FLUSH_ALWAYS :
						    VMENTER_L1D_FLUSH_NEVER;
	if (!controls->flush_l1d)
		pr_warn("kvm: VMX: guests can read the L1 data cache (L1TF)\n");
}

int vmx_setup(struct backend_features *features)
{
	int cpu;

	for_each_possible_cpu(cpu)
		if (alloc_cpu(cpu)) {
			vmx_teardown();
			return -ENOMEM;
		}
	vmx_read_host_msrs();
	choose_features(features);
	choose_l1d_flush(&vmx_controls);
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
	vcpu->arch.backend = vmx;
	if (!vmx->vmcs || !vmx->msr_bitmap || !vmx->apic_page) {
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
	free_page((unsigned long)vmx->apic_page);
	free_page((unsigned long)vmx->msr_bitmap);
	free_page((unsigned long)vmx->vmcs);
	kfree(vmx);
	vcpu->arch.backend = NULL;
}

static void write_controls(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	u32 secondary = vmx_controls.secondary;

	if (!vmx->vpid)
		secondary &= ~SECONDARY_EXEC_ENABLE_VPID;
	if (vmx_controls.tsc_scaling)
		secondary |= SECONDARY_EXEC_TSC_SCALING;
	vmcs_write(PIN_BASED_VM_EXEC_CONTROL, vmx_controls.pin);
	vmcs_write(SECONDARY_VM_EXEC_CONTROL, secondary);
	vmcs_write(VM_EXIT_CONTROLS, vmx_controls.exit);
	vmcs_write(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	vmcs_write(EPT_POINTER, vcpu->arch.root | vmx_controls.eptp);
	vmcs_write(MSR_BITMAP, __pa(vmx->msr_bitmap));
	vmcs_write(VIRTUAL_APIC_PAGE_ADDR, __pa(vmx->apic_page));
	vmcs_write(TPR_THRESHOLD, 0);
	if (secondary & SECONDARY_EXEC_ENCLS_EXITING)
		vmcs_write(ENCLS_EXITING_BITMAP, U64_MAX);
	vmcs_write(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write(CR3_TARGET_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_ENTRY_MSR_LOAD_COUNT, 0);
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

	vmcs_get(vmx);
	write_held(&vmx->held);
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
