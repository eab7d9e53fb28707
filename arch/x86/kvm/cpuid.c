// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpuid.c - what a guest may be told of its processor, and what it is told.
 *
 * One table says which bits of the host's CPUID a guest can have; a leaf that
 * is not in it does not exist.  What userspace sets is the guest's answer as
 * it stands, but for the bits that follow other state (OSXSAVE, the APIC, the
 * size of XCR0's components).  SDM vol. 2, CPUID; APM vol. 3, appendix E.
 */
#include <linux/kvm_host.h>
#include <linux/kvm_para.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/fpu/xcr.h>
#include <asm/tsc.h>
#include "vcpu.h"

#define MAX_ENTRIES	256
#define KVM_LEAF	0x40000000u
#define KVM_LEAF_LAST	(KVM_LEAF + 1)
#define EXTENDED_LEAF	0x80000000u
#define EXTENDED_LAST	0x80000021u
#define BASIC_LAST	0x0du

enum reg { EAX, EBX, ECX, EDX };

/* The bit of a feature in its register. */
#define F(feature)	BIT(X86_FEATURE_##feature & 31)
#define ALL		U32_MAX

/*
 * struct row: bits of one register of one leaf
 * @kept is passed on where the host has it
 * @added is there whatever the host has
 */
static const struct row {
	u32 function;
	u32 index;
	u8 reg;
	u32 kept;
	u32 added;
} rows[] = {
	{ 0x1, 0, EAX, ALL },
	{ 0x1, 0, EBX, 0x0000ff00 },			/* CLFLUSH line size */
	{ 0x1, 0, ECX, F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) |
		       F(XMM4_1) | F(XMM4_2) | F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) |
		       F(AVX) | F(F16C) | F(RDRAND), F(HYPERVISOR) | F(X2APIC) },
	{ 0x1, 0, EDX, F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) |
		       F(CX8) | F(APIC) | F(SEP) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) |
		       F(PAT) | F(PSE36) | F(CLFLUSH) | F(MMX) | F(FXSR) | F(XMM) | F(XMM2) },
	{ 0x2, 0, EAX, ALL }, { 0x2, 0, EBX, ALL }, { 0x2, 0, ECX, ALL }, { 0x2, 0, EDX, ALL },
	{ 0x6, 0, EAX, 0, BIT(2) },			/* ARAT: its timers do not stop */
	{ 0x7, 0, EBX, F(FSGSBASE) | F(BMI1) | F(AVX2) | F(FDP_EXCPTN_ONLY) | F(SMEP) | F(BMI2) |
		       F(ERMS) | F(INVPCID) | F(ZERO_FCS_FDS) | F(AVX512F) | F(AVX512DQ) |
		       F(RDSEED) | F(ADX) | F(SMAP) | F(AVX512IFMA) | F(CLFLUSHOPT) | F(CLWB) |
		       F(AVX512CD) | F(SHA_NI) | F(AVX512BW) | F(AVX512VL), F(TSC_ADJUST) },
	{ 0x7, 0, ECX, F(AVX512VBMI) | F(UMIP) | F(PKU) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) |
		       F(VPCLMULQDQ) | F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) |
		       F(RDPID) | F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B) },
	{ 0x7, 0, EDX, F(FSRM) | F(AVX512_VP2INTERSECT) | F(SERIALIZE) },
	{ 0xa, 0, EAX, 0 },				/* no PMU, and VMMs look for that */
	{ 0xd, 0, EAX, ALL }, { 0xd, 0, EBX, ALL }, { 0xd, 0, ECX, ALL },
	{ 0xd, 1, EAX, F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) },
	{ 0x80000001, 0, EAX, ALL }, { 0x80000001, 0, EBX, ALL },
	{ 0x80000001, 0, ECX, F(LAHF_LM) | F(CMP_LEGACY) | F(CR8_LEGACY) | F(ABM) | F(SSE4A) |
			      F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(XOP) | F(FMA4) | F(TBM) |
			      F(TOPOEXT) },
	{ 0x80000001, 0, EDX, F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) |
			      F(MCE) | F(CX8) | F(APIC) | F(SYSCALL) | F(MTRR) | F(PGE) |
			      F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(NX) | F(MMXEXT) |
			      F(MMX) | F(FXSR) | F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) | F(LM) |
			      F(3DNOWEXT) | F(3DNOW) },
	{ 0x80000002, 0, EAX, ALL }, { 0x80000002, 0, EBX, ALL },
	{ 0x80000002, 0, ECX, ALL }, { 0x80000002, 0, EDX, ALL },
	{ 0x80000003, 0, EAX, ALL }, { 0x80000003, 0, EBX, ALL },
	{ 0x80000003, 0, ECX, ALL }, { 0x80000003, 0, EDX, ALL },
	{ 0x80000004, 0, EAX, ALL }, { 0x80000004, 0, EBX, ALL },
	{ 0x80000004, 0, ECX, ALL }, { 0x80000004, 0, EDX, ALL },
	{ 0x80000005, 0, EAX, ALL }, { 0x80000005, 0, EBX, ALL },
	{ 0x80000005, 0, ECX, ALL }, { 0x80000005, 0, EDX, ALL },
	{ 0x80000006, 0, EAX, ALL }, { 0x80000006, 0, EBX, ALL },
	{ 0x80000006, 0, ECX, ALL }, { 0x80000006, 0, EDX, ALL },
	{ 0x80000007, 0, EDX, BIT(8) },			/* the TSC's rate is constant */
	{ 0x80000008, 0, EAX, 0x000030ff },		/* of 57 linear bits 48: LA57 is not here */
	{ 0x80000008, 0, EBX, F(CLZERO) | F(XSAVEERPTR) },
	{ 0x80000021, 0, EAX, BIT(0) | BIT(2) },	/* breakpoints, LFENCE */
};

/*
 * Registers that are words of the host's boot_cpu_data.x86_capability: what the host has switched
 * off for itself, or found missing, is not there for guests.
 */
static const struct {
	u32 function;
	u32 index;
	u8 reg;
	u8 word;
} host_words[] = {
	{ 0x1, 0, EDX, CPUID_1_EDX }, { 0x1, 0, ECX, CPUID_1_ECX },
	{ 0x7, 0, EBX, CPUID_7_0_EBX }, { 0x7, 0, ECX, CPUID_7_ECX }, { 0x7, 0, EDX, CPUID_7_EDX },
	{ 0xd, 1, EAX, CPUID_D_1_EAX },
	{ 0x80000001, 0, EDX, CPUID_8000_0001_EDX }, { 0x80000001, 0, ECX, CPUID_8000_0001_ECX },
	{ 0x80000008, 0, EBX, CPUID_8000_0008_EBX },
};

/* CR4 bits and the feature they come with. */
static const struct {
	u32 cr4;
	u32 function;
	u8 reg;
	u16 feature;
} cr4_features[] = {
	{ X86_CR4_VME | X86_CR4_PVI, 0x1, EDX, X86_FEATURE_VME },
	{ X86_CR4_TSD, 0x1, EDX, X86_FEATURE_TSC },
	{ X86_CR4_DE, 0x1, EDX, X86_FEATURE_DE },
	{ X86_CR4_PSE, 0x1, EDX, X86_FEATURE_PSE },
	{ X86_CR4_PAE, 0x1, EDX, X86_FEATURE_PAE },
	{ X86_CR4_MCE, 0x1, EDX, X86_FEATURE_MCE },
	{ X86_CR4_PGE, 0x1, EDX, X86_FEATURE_PGE },
	{ X86_CR4_OSFXSR, 0x1, EDX, X86_FEATURE_FXSR },
	{ X86_CR4_OSXMMEXCPT, 0x1, EDX, X86_FEATURE_XMM },
	{ X86_CR4_PCIDE, 0x1, ECX, X86_FEATURE_PCID },
	{ X86_CR4_OSXSAVE, 0x1, ECX, X86_FEATURE_XSAVE },
	{ X86_CR4_FSGSBASE, 0x7, EBX, X86_FEATURE_FSGSBASE },
	{ X86_CR4_SMEP, 0x7, EBX, X86_FEATURE_SMEP },
	{ X86_CR4_SMAP, 0x7, EBX, X86_FEATURE_SMAP },
	{ X86_CR4_UMIP, 0x7, ECX, X86_FEATURE_UMIP },
	{ X86_CR4_PKE, 0x7, ECX, X86_FEATURE_PKU },
};

#define CR4_ALWAYS	X86_CR4_PCE

/* "KVMKVMKVM" and zeroes, over EBX, ECX and EDX */
#define KVM_SIGNATURE_EBX	0x4b4d564b
#define KVM_SIGNATURE_ECX	0x564b4d56
#define KVM_SIGNATURE_EDX	0x0000004d

#define PV_FEATURES	(BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |	\
			 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_STEAL_TIME) |	\
			 BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))

/* XCR0 components a guest may have: the host's, without those a process must ask for (AMX). */
static u64 host_xcr0;

/* Bits of CR4 and EFER that the processor takes from a guest. */
static u64 host_cr4, host_efer;

static u32 *reg_of(struct kvm_cpuid_entry2 *entry, u8 reg)
{
	return &entry->eax + reg;
}

/*
 * What this host can offer.
 */

static u32 kept_bits(const struct row *row, const u32 *host)
{
	u32 kept = row->kept & host[row->reg];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(host_words); i++)
		if (host_words[i].function == row->function && host_words[i].index == row->index &&
		    host_words[i].reg == row->reg)
			kept &= boot_cpu_data.x86_capability[host_words[i].word];
	return kept | row->added;
}

/* The rows of one leaf, which stand together; returns the first one behind them. */
static unsigned int offer_leaf(struct kvm_cpuid_entry2 *entry, unsigned int i)
{
	const struct row *first = &rows[i];
	u32 host[4];

	cpuid_count(first->function, first->index, &host[EAX], &host[EBX], &host[ECX], &host[EDX]);
	*entry = (struct kvm_cpuid_entry2){
		.function = first->function,
		.index = first->index,
		.flags = first->function == 0x7 || first->function == 0xd ?
			 KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
	};
	for (; i < ARRAY_SIZE(rows) && rows[i].function == first->function &&
	       rows[i].index == first->index; i++)
		*reg_of(entry, rows[i].reg) = kept_bits(&rows[i], host);
	return i;
}

/* The leaf that tells the last one of its range; basic and extended ones also name the vendor. */
static void offer_range(struct kvm_cpuid_entry2 *entry, u32 function, u32 last)
{
	*entry = (struct kvm_cpuid_entry2){ .function = function };
	cpuid(function, &entry->eax, &entry->ebx, &entry->ecx, &entry->edx);
	entry->eax = min(entry->eax, last);
}

static void offer_signature(struct kvm_cpuid_entry2 *entry)
{
	*entry = (struct kvm_cpuid_entry2){
		.function = KVM_LEAF,
		.eax = KVM_LEAF_LAST,
		.ebx = KVM_SIGNATURE_EBX,
		.ecx = KVM_SIGNATURE_ECX,
		.edx = KVM_SIGNATURE_EDX,
	};
}

/* Size and place of one XSAVE component. */
static void offer_component(struct kvm_cpuid_entry2 *entry, unsigned int component)
{
	*entry = (struct kvm_cpuid_entry2){
		.function = 0xd,
		.index = component,
		.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
	};
	cpuid_count(0xd, component, &entry->eax, &entry->ebx, &entry->ecx, &entry->edx);
	entry->ecx &= ~BIT(0);		/* managed by XCR0, not by IA32_XSS */
	entry->edx = 0;
}

/*
 * The size of the area for these components: each in its place, or, compacted, one behind the
 * other.  SDM vol. 1, 13.4
 */
static u32 xsave_size(u64 xcr0, bool compacted)
{
	u32 size = 512 + 64, eax, ebx, ecx, edx;
	unsigned int i;

	for (i = 2; i < 63; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		if (!compacted)
			size = max(size, ebx + eax);
		else
			size = (ecx & BIT(1) ? round_up(size, 64) : size) + eax;
	}
	return size;
}

/* EBX of the first two subleaves: what XSAVE needs, and what XSAVEC does, if that is there. */
static u32 xsave_leaf_size(const struct kvm_cpuid_entry2 *entry, u64 xcr0)
{
	if (!entry->index)
		return entry->eax ? xsave_size(xcr0, false) : 0;
	return entry->eax & F(XSAVEC) ? xsave_size(xcr0, true) : 0;
}

static void narrow_xsave_leaf(struct kvm_cpuid_entry2 *entry)
{
	if (entry->function != 0xd)
		return;
	if (!entry->index) {
		entry->eax = host_xcr0;
		entry->edx = host_xcr0 >> 32;
		entry->ecx = xsave_size(host_xcr0, false);
	}
	entry->ebx = xsave_leaf_size(entry, host_xcr0);
}

static bool host_has_leaf(u32 function)
{
	u32 range = function & 0xffff0000;

	return function <= cpuid_eax(range);
}

/* All entries, into room for MAX_ENTRIES; returns how many. */
static int offer_all(struct kvm_cpuid_entry2 *entries)
{
	unsigned int i = 0, component;
	int n = 0;

	offer_range(&entries[n++], 0, BASIC_LAST);
	while (i < ARRAY_SIZE(rows)) {
		u32 function = rows[i].function;
		bool there = host_has_leaf(function) && (function != 0xd || host_xcr0);

		if (function == 0x80000001)
			offer_range(&entries[n++], EXTENDED_LEAF, EXTENDED_LAST);
		i = offer_leaf(&entries[n], i);
		narrow_xsave_leaf(&entries[n]);
		n += there;
	}
	for (component = 2; component < 63; component++)
		if (host_xcr0 & BIT_ULL(component))
			offer_component(&entries[n++], component);
	offer_signature(&entries[n++]);
	entries[n++] = (struct kvm_cpuid_entry2){
		.function = KVM_LEAF_LAST,
		.eax = PV_FEATURES,
	};
	return n;
}

/* Does KVM_GET_SUPPORTED_CPUID offer this?  Of a leaf's first index. */
static bool is_offered(u32 function, u8 reg, u16 feature)
{
	u32 host[4], offered = 0;
	unsigned int i;

	cpuid_count(function, 0, &host[EAX], &host[EBX], &host[ECX], &host[EDX]);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].function == function && !rows[i].index && rows[i].reg == reg)
			offered |= kept_bits(&rows[i], host);
	return offered & BIT(feature & 31);
}

/* What CR4 and EFER may hold here, whatever userspace tells the guest that it has. */
static void find_control_bits(void)
{
	unsigned int i;

	host_cr4 = CR4_ALWAYS;
	for (i = 0; i < ARRAY_SIZE(cr4_features); i++)
		if (is_offered(cr4_features[i].function, cr4_features[i].reg,
			       cr4_features[i].feature))
			host_cr4 |= cr4_features[i].cr4;
	host_efer = EFER_SCE | EFER_LME | EFER_LMA;
	if (is_offered(0x80000001, EDX, X86_FEATURE_NX))
		host_efer |= EFER_NX;
	if (is_offered(0x80000001, EDX, X86_FEATURE_FXSR_OPT))
		host_efer |= EFER_FFXSR;
}

int cpuid_module_init(void)
{
	const u64 known = XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512 |
			  XFEATURE_MASK_PKRU;

	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK) & known;
	find_control_bits();
	return 0;
}

long cpuid_get_supported(struct kvm_cpuid2 __user *argp)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	long r = 0;
	u32 n;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;
	if (!head.nent)
		return -E2BIG;
	entries = kvcalloc(MAX_ENTRIES, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	n = offer_all(entries);
	if (head.nent < n)
		r = -E2BIG;
	else if (put_user(n, &argp->nent) ||
		 copy_to_user(argp->entries, entries, n * sizeof(*entries)))
		r = -EFAULT;
	kvfree(entries);
	return r;
}

/* An instruction that the processor does not have is #UD: there is nothing to add to the above. */
long cpuid_get_emulated(struct kvm_cpuid2 __user *argp)
{
	struct kvm_cpuid2 head;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;
	return put_user(0, &argp->nent);
}

/*
 * What one guest is told.
 */

static struct kvm_cpuid_entry2 *find(struct kvm_vcpu *vcpu, u32 function, u32 index)
{
	struct vcpu_cpuid *cpuid = &vcpu->arch.cpuid;
	int i;

	for (i = 0; i < cpuid->count; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		if (entry->function == function &&
		    (entry->index == index || !(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return entry;
	}
	return NULL;
}

static bool guest_has(struct kvm_vcpu *vcpu, u32 function, u8 reg, u16 feature)
{
	struct kvm_cpuid_entry2 *entry = find(vcpu, function, 0);

	return entry && *reg_of(entry, reg) & BIT(feature & 31);
}

static u64 allowed_cr4(struct kvm_vcpu *vcpu)
{
	u64 allowed = CR4_ALWAYS;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cr4_features); i++)
		if (guest_has(vcpu, cr4_features[i].function, cr4_features[i].reg,
			      cr4_features[i].feature))
			allowed |= cr4_features[i].cr4;
	return allowed & host_cr4;
}

static u64 allowed_efer(struct kvm_vcpu *vcpu)
{
	u64 allowed = 0;

	if (guest_has(vcpu, 0x80000001, EDX, X86_FEATURE_SYSCALL))
		allowed |= EFER_SCE;
	if (guest_has(vcpu, 0x80000001, EDX, X86_FEATURE_LM))
		allowed |= EFER_LME | EFER_LMA;
	if (guest_has(vcpu, 0x80000001, EDX, X86_FEATURE_NX))
		allowed |= EFER_NX;
	if (guest_has(vcpu, 0x80000001, EDX, X86_FEATURE_FXSR_OPT))
		allowed |= EFER_FFXSR;
	return allowed & host_efer;
}

/* The signature may stand above that of another hypervisor; the features are behind it. */
static u32 told_pv_features(struct kvm_vcpu *vcpu)
{
	struct vcpu_cpuid *cpuid = &vcpu->arch.cpuid;
	struct kvm_cpuid_entry2 *entry;
	int i;

	for (i = 0; i < cpuid->count; i++) {
		entry = &cpuid->entries[i];
		if (entry->function >> 16 != KVM_LEAF >> 16 || entry->ebx != KVM_SIGNATURE_EBX ||
		    entry->ecx != KVM_SIGNATURE_ECX || entry->edx != KVM_SIGNATURE_EDX)
			continue;
		entry = find(vcpu, entry->function | 1, 0);
		return entry ? entry->eax : 0;
	}
	return 0;
}

static void derive(struct kvm_vcpu *vcpu)
{
	struct vcpu_cpuid *cpuid = &vcpu->arch.cpuid;
	struct kvm_cpuid_entry2 *entry;

	entry = find(vcpu, 0x80000008, 0);
	cpuid->max_gpa_bits = entry && (entry->eax & 0xff) ?
			      clamp_t(u8, entry->eax, 32, backend_features.max_gpa_bits) : 36;
	entry = find(vcpu, 0xd, 0);
	cpuid->xcr0_allowed = entry ? (entry->eax | (u64)entry->edx << 32) & host_xcr0 :
				      XFEATURE_MASK_FP;
	cpuid->pv_features = told_pv_features(vcpu);
	cpuid->cr4_allowed = allowed_cr4(vcpu);
	cpuid->efer_allowed = allowed_efer(vcpu);
	cpuid->has_rdtscp = guest_has(vcpu, 0x80000001, EDX, X86_FEATURE_RDTSCP) ||
			    guest_has(vcpu, 0x7, ECX, X86_FEATURE_RDPID);
	cpuid->has_long_mode = guest_has(vcpu, 0x80000001, EDX, X86_FEATURE_LM);
	cpuid->has_x2apic = guest_has(vcpu, 0x1, ECX, X86_FEATURE_X2APIC);
	cpuid->has_tsc_deadline = guest_has(vcpu, 0x1, ECX, X86_FEATURE_TSC_DEADLINE_TIMER);
	apic_features_changed(vcpu);
}

/* Until userspace says what the guest has, it may use what the host can offer. */
void cpuid_create(struct kvm_vcpu *vcpu)
{
	struct vcpu_cpuid *cpuid = &vcpu->arch.cpuid;

	cpuid->max_gpa_bits = 36;
	cpuid->xcr0_allowed = XFEATURE_MASK_FP;
	cpuid->cr4_allowed = host_cr4;
	cpuid->efer_allowed = host_efer & ~EFER_FFXSR;
	cpuid->has_long_mode = true;
}

void cpuid_destroy(struct kvm_vcpu *vcpu)
{
	kvfree(vcpu->arch.cpuid.entries);
}

/* What follows other state of the vCPU, and is not what userspace set. */
static void fill_dynamic(struct kvm_vcpu *vcpu, u32 function, u32 index,
			 struct kvm_cpuid_entry2 *answer)
{
	if (function == 0x1) {
		state_need(vcpu, STATE_CR);
		answer->ecx &= ~F(OSXSAVE);
		if (vcpu->arch.state.cr4 & X86_CR4_OSXSAVE)
			answer->ecx |= F(OSXSAVE);
		if (!(vcpu->arch.msrs.apic_base & MSR_IA32_APICBASE_ENABLE))
			answer->edx &= ~F(APIC);
	} else if (function == 0x7 && !index) {
		state_need(vcpu, STATE_CR);
		answer->ecx &= ~F(OSPKE);
		if (vcpu->arch.state.cr4 & X86_CR4_PKE)
			answer->ecx |= F(OSPKE);
	} else if (function == 0xd && index < 2) {
		answer->ebx = xsave_leaf_size(answer, vcpu->arch.fpu.xcr0);
	}
}

/* An entry as CPUID answers now. */
static struct kvm_cpuid_entry2 as_it_answers(struct kvm_vcpu *vcpu,
					     const struct kvm_cpuid_entry2 *entry)
{
	struct kvm_cpuid_entry2 answer = *entry;

	fill_dynamic(vcpu, entry->function, entry->index, &answer);
	return answer;
}

long cpuid_get(struct kvm_vcpu *vcpu, struct kvm_cpuid2 __user *argp)
{
	struct vcpu_cpuid *cpuid = &vcpu->arch.cpuid;
	struct kvm_cpuid2 head;
	int i;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;
	if (head.nent < cpuid->count)
		return -E2BIG;
	if (put_user(cpuid->count, &argp->nent))
		return -EFAULT;
	for (i = 0; i < cpuid->count; i++) {
		struct kvm_cpuid_entry2 entry = as_it_answers(vcpu, &cpuid->entries[i]);

		if (copy_to_user(&argp->entries[i], &entry, sizeof(entry)))
			return -EFAULT;
	}
	return 0;
}

/* Linear addresses have 48 or 57 bits, or the leaf says nothing. */
static bool entries_ok(const struct kvm_cpuid_entry2 *entries, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		u8 bits = entries[i].eax >> 8;

		if (entries[i].function == 0x80000008 && bits && bits != 48 && bits != 57)
			return false;
	}
	return true;
}

/*
 * A guest that has run has drawn its conclusions: only the same may be said again, as it was set or
 * as KVM_GET_CPUID2 answers.
 */
static bool same_entries(struct kvm_vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 count)
{
	const struct vcpu_cpuid *cpuid = &vcpu->arch.cpuid;
	u32 i;

	if (count != cpuid->count)
		return false;
	for (i = 0; i < count; i++) {
		struct kvm_cpuid_entry2 answer = as_it_answers(vcpu, &cpuid->entries[i]);

		if (memcmp(&entries[i], &cpuid->entries[i], sizeof(answer)) &&
		    memcmp(&entries[i], &answer, sizeof(answer)))
			return false;
	}
	return true;
}

long cpuid_set(struct kvm_vcpu *vcpu, struct kvm_cpuid2 __user *argp)
{
	struct vcpu_cpuid *cpuid = &vcpu->arch.cpuid;
	struct kvm_cpuid_entry2 *entries = NULL;
	struct kvm_cpuid2 head;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;
	if (head.nent > MAX_ENTRIES)
		return -E2BIG;
	if (head.nent) {
		entries = vmemdup_user(argp->entries, array_size(head.nent, sizeof(*entries)));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	if (vcpu->arch.has_run || !entries_ok(entries, head.nent)) {
		bool same = vcpu->arch.has_run && same_entries(vcpu, entries, head.nent);

		kvfree(entries);
		return same ? 0 : -EINVAL;
	}
	kvfree(cpuid->entries);
	cpuid->entries = entries;
	cpuid->count = head.nent;
	derive(vcpu);
	msr_traps(vcpu);
	return 0;
}

/* Beyond the last basic leaf, Intel's processors answer with it; AMD's with zeroes. */
static struct kvm_cpuid_entry2 *out_of_range(struct kvm_vcpu *vcpu, u32 function, u32 index)
{
	struct kvm_cpuid_entry2 *basic = find(vcpu, 0, 0), *range;
	bool intel = basic && basic->ebx == 0x756e6547;		/* "Genu" */

	if (!intel || (function & 0xffff0000) == KVM_LEAF)
		return NULL;
	/* leaves of zeroes are often left out */
	range = find(vcpu, function & EXTENDED_LEAF, 0);
	if (range && function <= range->eax)
		return NULL;
	return find(vcpu, basic->eax, index);
}

/* Beyond the last level of a topology there is still the APIC's number, and the question. */
static bool no_level(struct kvm_vcpu *vcpu, u32 function, u32 index,
		     struct kvm_cpuid_entry2 *answer)
{
	struct kvm_cpuid_entry2 *level = find(vcpu, function, 0);

	if (!level || (function != 0xb && function != 0x1f))
		return false;
	answer->ecx = index & 0xff;
	answer->edx = level->edx;
	return true;
}

void cpuid_execute(struct kvm_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	u32 function = *eax, index = *ecx;
	struct kvm_cpuid_entry2 *entry = find(vcpu, function, index);
	struct kvm_cpuid_entry2 answer = { };

	if (!entry && !no_level(vcpu, function, index, &answer))
		entry = out_of_range(vcpu, function, index);
	if (entry) {
		answer = *entry;
		fill_dynamic(vcpu, entry->function, index, &answer);
	}
	*eax = answer.eax;
	*ebx = answer.ebx;
	*ecx = answer.ecx;
	*edx = answer.edx;
}
