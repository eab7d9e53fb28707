// SPDX-License-Identifier: GPL-2.0-only
/*
 * setup.c - SVM: everything that happens once: per machine, per CPU, per vCPU.
 *
 * Is the processor good enough, turning SVM on and off, permission maps, the
 * control block after power-up and its intercepts.  What happens at every
 * entry is in svm.c.  APM vol. 2, chapter 15.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <asm/desc.h>
#include <asm/io.h>
#include <asm/msr.h>
#include "svm.h"

#define IOPM_ORDER	2		/* 12 KiB, and the map needs to be contiguous */
#define MSRPM_ORDER	1		/* 8 KiB */
#define DR_ACCESSES	0x00ff00ff	/* reads and writes of DR0 to DR7 */
#define MSRPM_RANGE	0x800		/* bytes for 8192 MSRs at two bits each */

DEFINE_PER_CPU(struct svm_cpu, svm_cpu);
u32 svm_asids;
unsigned long svm_iopm_pa;
bool svm_has_nrips, svm_has_decode_assists;
static struct page *svm_iopm;

static bool refuse(const char *why)
{
	pr_err("kvm: SVM: %s\n", why);
	return false;
}

bool svm_supported(void)
{
	u64 vm_cr;

	if (!boot_cpu_has(X86_FEATURE_SVM))
		return refuse("the processor does not have it");
	if (rdmsrl_safe(MSR_VM_CR, &vm_cr))
		return refuse("VM_CR cannot be read");
	if (vm_cr & SVM_VM_CR_SVM_DIS_MASK)
		return refuse("disabled by the firmware");
	if (!boot_cpu_has(X86_FEATURE_NPT))
		return refuse("the processor has no nested paging, which is needed");
	return true;
}

static int alloc_cpu(int cpu)
{
	struct svm_cpu *sc = per_cpu_ptr(&svm_cpu, cpu);
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO;

	sc->host_save = alloc_pages_node(cpu_to_node(cpu), gfp, 0);
	sc->host_block = alloc_pages_node(cpu_to_node(cpu), gfp, 0);
	if (!sc->host_save || !sc->host_block)
		return -ENOMEM;
	sc->host_block_pa = __sme_set(page_to_phys(sc->host_block));
	return 0;
}

static void free_cpu(int cpu)
{
	struct svm_cpu *sc = per_cpu_ptr(&svm_cpu, cpu);

	if (sc->host_save)
		__free_page(sc->host_save);
	if (sc->host_block)
		__free_page(sc->host_block);
	memset(sc, 0, sizeof(*sc));
}

void svm_teardown(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		free_cpu(cpu);
	if (svm_iopm)
		__free_pages(svm_iopm, IOPM_ORDER);
	svm_iopm = NULL;
}

int svm_setup(struct backend_features *features)
{
	int cpu;

	svm_iopm = alloc_pages(GFP_KERNEL, IOPM_ORDER);
	if (!svm_iopm)
		return -ENOMEM;
	memset(page_address(svm_iopm), 0xff, PAGE_SIZE << IOPM_ORDER);
	svm_iopm_pa = __sme_set(page_to_phys(svm_iopm));
	for_each_possible_cpu(cpu)
		if (alloc_cpu(cpu)) {
			svm_teardown();
			return -ENOMEM;
		}
	svm_asids = cpuid_ebx(SVM_CPUID_FUNC);
	svm_has_nrips = boot_cpu_has(X86_FEATURE_NRIPS);
	svm_has_decode_assists = boot_cpu_has(X86_FEATURE_DECODEASSISTS);
	features->name = "SVM";
	features->trace_isa = 2;
	features->tables = TABLES_NPT;
	features->max_gpa_bits = min(boot_cpu_data.x86_phys_bits, 48);
	/* nested tables are walked in the host's own mode (APM vol. 2, 15.25.3) */
	features->table_levels = pgtable_l5_enabled() ? 5 : 4;
	features->huge_2m = true;
	features->huge_1g = boot_cpu_has(X86_FEATURE_GBPAGES);
	features->tsc_scaling = boot_cpu_has(X86_FEATURE_TSCRATEMSR);
	features->tsc_scale_frac_bits = 32;
	features->tsc_scale_max = GENMASK_ULL(39, 0);
	return 0;
}

int svm_cpu_enable(void)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	/* a generation no vCPU has: whatever ran here before takes a new ASID, after a flush */
	sc->asid_generation++;
	sc->next_asid = svm_asids;
	sc->last_vmcb = NULL;
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE_PA, __sme_set(page_to_phys(sc->host_save)));
	sc->tsc_ratio = SVM_TSC_RATIO_DEFAULT;
	if (boot_cpu_has(X86_FEATURE_TSCRATEMSR))
		wrmsrl(MSR_AMD64_TSC_RATIO, SVM_TSC_RATIO_DEFAULT);
	return 0;
}

void svm_cpu_disable(void)
{
	u64 efer;

	if (boot_cpu_has(X86_FEATURE_TSCRATEMSR))
		wrmsrl(MSR_AMD64_TSC_RATIO, SVM_TSC_RATIO_DEFAULT);
	wrmsrl(MSR_VM_HSAVE_PA, 0);
	rdmsrl(MSR_EFER, efer);
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

/* Without GIF, INIT would not be let through; without SVME there is no GIF (APM vol. 2, 15.17). */
void svm_cpu_emergency(void)
{
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	asm volatile("stgi" : : : "memory");
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

static void set_intercept(struct kvm_vcpu *vcpu, u32 bit, bool on)
{
	u32 *word = &to_svm(vcpu)->vmcb->control.intercepts[bit / 32];

	*word = on ? *word | BIT(bit % 32) : *word & ~BIT(bit % 32);
	svm_touch(vcpu, CLEAN_INTERCEPTS);
}

/* What always exits.  CR2, CR3 and, of CR0, MP and TS are the guest's own. */
static const u16 intercepts[] = {
	INTERCEPT_CR4_READ, INTERCEPT_CR4_WRITE, INTERCEPT_SELECTIVE_CR0,
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_SMI, INTERCEPT_INIT,
	INTERCEPT_RDPMC, INTERCEPT_CPUID, INTERCEPT_RSM, INTERCEPT_INVD, INTERCEPT_HLT,
	INTERCEPT_INVLPGA, INTERCEPT_IOIO_PROT, INTERCEPT_MSR_PROT, INTERCEPT_TASK_SWITCH,
	INTERCEPT_FERR_FREEZE, INTERCEPT_SHUTDOWN,
	INTERCEPT_VMRUN, INTERCEPT_VMMCALL, INTERCEPT_VMLOAD, INTERCEPT_VMSAVE,
	INTERCEPT_STGI, INTERCEPT_CLGI, INTERCEPT_SKINIT, INTERCEPT_WBINVD,
	INTERCEPT_MONITOR, INTERCEPT_MWAIT, INTERCEPT_XSETBV, INTERCEPT_RDPRU,
};

int svm_vcpu_create(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = kzalloc(sizeof(*svm), GFP_KERNEL_ACCOUNT);

	if (!svm)
		return -ENOMEM;
	svm->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	svm->msrpm = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT, MSRPM_ORDER);
	vcpu->arch.backend = svm;
	if (!svm->vmcb || !svm->msrpm) {
		svm_vcpu_destroy(vcpu);
		return -ENOMEM;
	}
	svm->vmcb_pa = __sme_set(__pa(svm->vmcb));
	memset(svm->msrpm, 0xff, PAGE_SIZE << MSRPM_ORDER);
	return 0;
}

/* A CPU may remember the block as its last: a new one in its place would get no barrier. */
static void forget_vmcb(struct vmcb *vmcb)
{
	int cpu;

	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu_ptr(&svm_cpu, cpu)->last_vmcb, vmcb, NULL);
}

void svm_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);

	if (!svm)
		return;
	forget_vmcb(svm->vmcb);
	free_pages((unsigned long)svm->msrpm, MSRPM_ORDER);
	free_page((unsigned long)svm->vmcb);
	kfree(svm);
	vcpu->arch.backend = NULL;
}

void svm_vcpu_reset(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vmcb_control_area *control = &svm->vmcb->control;
	unsigned int i;

	memset(svm->vmcb, 0, sizeof(*svm->vmcb));
	for (i = 0; i < ARRAY_SIZE(intercepts); i++)
		set_intercept(vcpu, intercepts[i], true);
	control->intercepts[INTERCEPT_EXCEPTION] = SVM_EXCEPTIONS;
	control->iopm_base_pa = svm_iopm_pa;
	control->msrpm_base_pa = __sme_set(__pa(svm->msrpm));
	control->int_ctl = V_INTR_MASKING_MASK;
	control->nested_ctl = SVM_NESTED_CTL_NP_ENABLE;
	control->nested_cr3 = vcpu->arch.root;
	svm->asid_generation = 0;
	svm->stepping = false;
	svm->iret_goes = false;
	svm->soft_skip = 0;
	svm_set_traps(vcpu);
}

/* A debugger's TF must not be seen in a handler's frame: while there is one, all exit. */
static u32 svm_exceptions(u32 traps)
{
	if (traps & TRAP_STEP)
		return SVM_ALL_EXCEPTIONS;
	return SVM_EXCEPTIONS | (traps & TRAP_BP ? BIT(BP_VECTOR) : 0);
}

void svm_set_traps(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	u32 traps = vcpu->arch.traps;

	svm->vmcb->control.intercepts[INTERCEPT_EXCEPTION] = svm_exceptions(traps);
	set_intercept(vcpu, INTERCEPT_CR8_WRITE, traps & TRAP_CR8);
	svm->vmcb->control.intercepts[INTERCEPT_DR] = traps & TRAP_DR ? DR_ACCESSES : 0;
}

/* Where in the map an MSR has its two bits; negative: it always exits (APM vol. 2, 15.11). */
static int msrpm_bit(u32 msr)
{
	static const u32 first[] = { 0, 0xc0000000, 0xc0010000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(first); i++)
		if (msr >= first[i] && msr - first[i] < 0x2000)
			return (i * MSRPM_RANGE) * 8 + (msr - first[i]) * 2;
	return -1;
}

void svm_trap_msr(struct kvm_vcpu *vcpu, u32 msr, bool read, bool write)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	int bit = msrpm_bit(msr);

	if (bit < 0)
		return;
	svm->msrpm[bit / 8] &= ~(3 << (bit % 8));
	svm->msrpm[bit / 8] |= (read | write << 1) << (bit % 8);
	svm_touch(vcpu, CLEAN_PERMISSIONS);
}
