// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr.c - model-specific registers: one table, sorted by number.
 *
 * A row says who reads and writes a register, whether a VMM has to save it,
 * and whether the guest may touch it without an exit.  A number that has no
 * row is #GP for the guest and ends KVM_GET_MSRS, KVM_SET_MSRS for userspace.
 * SDM vol. 4; APM vol. 2, appendix A.
 */
#include <linux/kvm_host.h>
#include <linux/kvm_para.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/mce.h>
#include <asm/msr.h>
#include <asm/mtrr.h>
#include <asm/trapnr.h>
#include "cr.h"
#include "smm_state.h"
#include "vcpu.h"

#define MAX_MSRS		256	/* in one call */
#define MTRR_CAP		0x508	/* eight variable ranges, fixed ranges, WC */
#define MTRR_DEF_BITS		0xcffULL
#define UCODE_REVISION		0x01000065	/* AMD */
#define MISC_ENABLE_RESET	MSR_IA32_MISC_ENABLE_FAST_STRING
#define AMD_HWCR		0xc0010015
#define AMD_HWCR_GUEST		(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8) | BIT_ULL(18) | BIT_ULL(24))

/* What a row says beside its functions. */
#define SAVED		BIT(0)	/* in KVM_GET_MSR_INDEX_LIST */
#define DIRECT		BIT(1)	/* the guest's own, without an exit */
#define FEATURE		BIT(2)	/* in KVM_GET_MSR_FEATURE_INDEX_LIST; @vcpu may be NULL on get */

struct msr_access {
	u32 index;		/* of the register */
	u32 offset;		/* from the row's first */
	bool outside;		/* userspace asks */
};

/**
 * struct row - one register, or several
 * @first: its number, or the first one's
 * @count: how many, one after the other
 * @flags: SAVED, DIRECT, FEATURE
 * @field: for the plain getters and setters: where in struct kvm_vcpu_arch
 * @get: 0 or -EINVAL
 * @set: 0 or -EINVAL; NULL: read-only, userspace may write back what it read
 */
struct row {
	u32 first;
	u16 count;
	u8 flags;
	u16 field;
	int (*get)(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 *data);
	int (*set)(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 data);
};

/*
 * Plain ones: a u64 of the vCPU's.
 */

static u64 *field_of(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at)
{
	return (u64 *)((void *)&vcpu->arch + row->field) + at->offset;
}

static int get_field(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 *data)
{
	*data = *field_of(vcpu, row, at);
	return 0;
}

static int set_field(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 data)
{
	*field_of(vcpu, row, at) = data;
	return 0;
}

/* Not the guest's to write; SMBASE not to read either: a handler finds it in SMRAM. */
static int set_outside(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		       u64 data)
{
	return at->outside ? set_field(vcpu, row, at, data) : -EINVAL;
}

static int get_smbase(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		      u64 *data)
{
	return at->outside ? get_field(vcpu, row, at, data) : -EINVAL;
}

static int set_smbase(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		      u64 data)
{
	return data >> 32 ? -EINVAL : set_outside(vcpu, row, at, data);
}

/* The same in a group of struct vcpu_state: fetched before, stored after. */
static int get_state(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 *data)
{
	state_need(vcpu, STATE_SYS);
	return get_field(vcpu, row, at, data);
}

static int set_state(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 data)
{
	state_dirty(vcpu, STATE_SYS);
	return set_field(vcpu, row, at, data);
}

static bool canonical(u64 address)
{
	return (s64)(address << 16) >> 16 == (s64)address;
}

/* Linear addresses: one that is not canonical is #GP. */
static int set_address(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		       u64 data)
{
	return canonical(data) ? set_state(vcpu, row, at, data) : -EINVAL;
}

/* The same where AMD's processors take any, and what is direct there has to come back here. */
static int set_extended(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			u64 data)
{
	return set_state(vcpu, row, at, (s64)(data << 16) >> 16);
}

static int get_zero(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 *data)
{
	*data = 0;
	return 0;
}

/* Registers of units that the guest has not: writes of zero are harmless, others are refused. */
static int set_zero(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 data)
{
	return data ? -EINVAL : 0;
}

/*
 * Those with a meaning of their own.
 */

static int get_tsc(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 *data)
{
	*data = time_read_tsc(vcpu);
	return 0;
}

static int set_tsc(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 data)
{
	time_write_tsc(vcpu, data, at->outside);
	return 0;
}

static int set_tsc_adjust(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			  u64 data)
{
	time_adjust_tsc(vcpu, data, at->outside);
	return 0;
}

static bool apic_base_ok(struct kvm_vcpu *vcpu, u64 base, bool outside)
{
	return lapic_base_ok(vcpu->arch.msrs.apic_base, base, vcpu->arch.cpuid.has_x2apic,
			     vcpu->arch.cpuid.max_gpa_bits, outside);
}

/* kvmclock's pair, at two places: the wall clock first.  Each place has its own feature bit. */
static bool has_kvmclock(struct kvm_vcpu *vcpu, struct msr_access *at)
{
	return at->outside || cpuid_pv_has(vcpu, at->index < MSR_KVM_WALL_CLOCK_NEW ?
						 KVM_FEATURE_CLOCKSOURCE :
						 KVM_FEATURE_CLOCKSOURCE2);
}

static int get_kvmclock(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			u64 *data)
{
	if (!has_kvmclock(vcpu, at))
		return -EINVAL;
	*data = at->offset ? vcpu->arch.clock.msr : READ_ONCE(vcpu->kvm->arch.clock.wall_msr);
	return 0;
}

static int set_kvmclock(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			u64 data)
{
	if (!has_kvmclock(vcpu, at))
		return -EINVAL;
	if (at->offset)
		clock_set_msr(vcpu, data);
	else
		clock_set_wall_msr(vcpu, data, at->outside);
	return 0;
}

static int get_steal(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		     u64 *data)
{
	if (!at->outside && !cpuid_pv_has(vcpu, KVM_FEATURE_STEAL_TIME))
		return -EINVAL;
	return get_field(vcpu, row, at, data);
}

static int set_steal(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 data)
{
	if (!at->outside && !cpuid_pv_has(vcpu, KVM_FEATURE_STEAL_TIME))
		return -EINVAL;
	return steal_set_msr(vcpu, data);
}

static int set_apic_base(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			 u64 data)
{
	if (!apic_base_ok(vcpu, data, at->outside))
		return -EINVAL;
	set_field(vcpu, row, at, data);
	apic_base_changed(vcpu);
	return 0;
}

static int get_x2apic(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		      u64 *data)
{
	return apic_msr_get(vcpu, at->index, data);
}

static int set_x2apic(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		      u64 data)
{
	return apic_msr_set(vcpu, at->index, data);
}

static int get_tsc_deadline(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			    u64 *data)
{
	if (!at->outside && !vcpu->arch.cpuid.has_tsc_deadline)
		return -EINVAL;
	*data = apic_tsc_deadline(vcpu);
	return 0;
}

static int set_tsc_deadline(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			    u64 data)
{
	if (!at->outside && !vcpu->arch.cpuid.has_tsc_deadline)
		return -EINVAL;
	apic_set_tsc_deadline(vcpu, data, at->outside);
	return 0;
}

static int get_segment_base(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			    u64 *data)
{
	state_need(vcpu, STATE_SEG);
	*data = vcpu->arch.state.seg[SEG_FS + at->offset].base;
	return 0;
}

static int set_segment_base(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			    u64 data)
{
	if (!canonical(data))
		return -EINVAL;
	state_dirty(vcpu, STATE_SEG);
	vcpu->arch.state.seg[SEG_FS + at->offset].base = data;
	return 0;
}

static int get_efer(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 *data)
{
	state_need(vcpu, STATE_CR);
	*data = vcpu->arch.state.efer;
	return 0;
}

static int set_efer(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 data)
{
	return msr_set_efer(vcpu, data, at->outside);
}

static int set_pat(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 data)
{
	return pat_ok(data) ? set_state(vcpu, row, at, data) : -EINVAL;
}

static int get_tsc_aux(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		       u64 *data)
{
	if (!at->outside && !vcpu->arch.cpuid.has_rdtscp)
		return -EINVAL;
	return get_field(vcpu, row, at, data);
}

/* On the CPU while the vCPU is: see msr_load(). */
static int set_tsc_aux(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		       u64 data)
{
	if (data >> 32 || (!at->outside && !vcpu->arch.cpuid.has_rdtscp))
		return -EINVAL;
	preempt_disable();
	vcpu->arch.msrs.tsc_aux = data;
	if (vcpu->cpu >= 0 && vcpu->arch.cpuid.has_rdtscp && boot_cpu_has(X86_FEATURE_RDTSCP))
		wrmsrl(MSR_TSC_AUX, data);
	preempt_enable();
	return 0;
}

static bool mtrr_type_ok(u8 type)
{
	return type < 7 && type != 2 && type != 3;
}

static int get_mtrr_cap(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			u64 *data)
{
	*data = MTRR_CAP;
	return 0;
}

static int set_mtrr_fixed(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			  u64 data)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (!mtrr_type_ok(data >> (i * 8)))
			return -EINVAL;
	return set_field(vcpu, row, at, data);
}

static int set_mtrr_default(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			    u64 data)
{
	if (data & ~MTRR_DEF_BITS || !mtrr_type_ok(data))
		return -EINVAL;
	return set_field(vcpu, row, at, data);
}

/* Base (even) and mask (odd): physical addresses, with a type or a valid bit. */
static int set_mtrr_range(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			  u64 data)
{
	u64 high = ~GENMASK_ULL(vcpu->arch.cpuid.max_gpa_bits - 1, 0);
	bool mask = at->offset & 1;

	/* userspace restores before or without CPUID: the width is not known then */
	if (!at->outside && data & high)
		return -EINVAL;
	if (mask ? data & GENMASK_ULL(10, 0) : data & GENMASK_ULL(11, 8) || !mtrr_type_ok(data))
		return -EINVAL;
	return set_field(vcpu, row, at, data);
}

static int get_ucode(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 *data)
{
	*data = vcpu ? vcpu->arch.msrs.ucode_rev : 0;
	if (!vcpu)
		rdmsrl_safe(MSR_IA32_UCODE_REV, data);
	return 0;
}

/* The upper half is Intel's, the lower AMD's. */
static u64 default_ucode(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_INTEL ? 1ULL << 32 : UCODE_REVISION;
}

/* The guest's write is the trigger of an update, which does nothing. */
static int set_ucode(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 data)
{
	if (at->outside)
		vcpu->arch.msrs.ucode_rev = data;
	return 0;
}

/* The base frequency, of which the VMM says what it will. */
static int get_platform_info(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			     u64 *data)
{
	if (!at->outside && READ_ONCE(vcpu->kvm->arch.caps.no_platform_info))
		return -EINVAL;
	return get_field(vcpu, row, at, data);
}

static int set_platform_info(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			     u64 data)
{
	return at->outside ? set_field(vcpu, row, at, data) : -EINVAL;
}

/* LFENCE waits for what stands before it, if the host's does. */
static u64 host_de_cfg(void)
{
	return boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? MSR_AMD64_DE_CFG_LFENCE_SERIALIZE : 0;
}

static int get_de_cfg(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		      u64 *data)
{
	*data = vcpu ? vcpu->arch.msrs.de_cfg : host_de_cfg();
	return 0;
}

static int set_de_cfg(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 data)
{
	if (data & ~host_de_cfg())
		return -EINVAL;
	if (at->outside)
		vcpu->arch.msrs.de_cfg = data;
	return 0;
}

static int set_hwcr(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at, u64 data)
{
	/* cache and flush filters, the P-state boost: accepted, and without an effect here */
	return data & ~AMD_HWCR_GUEST ? -EINVAL : set_field(vcpu, row, at, data & BIT_ULL(18));
}

/*
 * Machine checks: as many banks as KVM_X86_SETUP_MCE gave.
 */

#define MCE_CAPS	(MCG_CTL_P | MCG_SER_P)
#define MCE_BANKS	0xffULL
#define HWCR_STATUS_WRITABLE	BIT_ULL(18)

enum mce_register { MCE_CTL, MCE_STATUS, MCE_ADDR, MCE_MISC };

static int get_mcg_ctl(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		       u64 *data)
{
	if (!at->outside && !(vcpu->arch.msrs.mcg_cap & MCG_CTL_P))
		return -EINVAL;
	return get_field(vcpu, row, at, data);
}

/* All on or all off. */
static int set_mcg_ctl(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
		       u64 data)
{
	if (!(vcpu->arch.msrs.mcg_cap & MCG_CTL_P) && (data || !at->outside))
		return -EINVAL;
	return data && data != U64_MAX ? -EINVAL : set_field(vcpu, row, at, data);
}

static bool has_bank(struct kvm_vcpu *vcpu, struct msr_access *at)
{
	return at->offset / 4 < (vcpu->arch.msrs.mcg_cap & MCE_BANKS);
}

static int get_mce_bank(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			u64 *data)
{
	return has_bank(vcpu, at) ? get_field(vcpu, row, at, data) : -EINVAL;
}

/* All on or all off, but for bits 0 and 10 of a CTL, which some systems switch off alone. */
static int set_mce_bank(struct kvm_vcpu *vcpu, const struct row *row, struct msr_access *at,
			u64 data)
{
	bool free_status = at->outside || vcpu->arch.msrs.hwcr & HWCR_STATUS_WRITABLE;

	if (!has_bank(vcpu, at))
		return -EINVAL;
	if (at->offset % 4 == MCE_CTL && data && (data | BIT_ULL(10) | BIT_ULL(0)) != U64_MAX)
		return -EINVAL;
	if (at->offset % 4 == MCE_STATUS && data && !free_status)
		return -EINVAL;
	return set_field(vcpu, row, at, data);
}

u64 msr_mce_caps(void)
{
	return MCE_CAPS;
}

int msr_setup_mce(struct kvm_vcpu *vcpu, u64 mcg_cap)
{
	struct vcpu_msrs *msrs = &vcpu->arch.msrs;
	u64 banks = mcg_cap & MCE_BANKS;
	unsigned int i;

	if (!banks || banks > VCPU_MCE_BANKS || mcg_cap & ~(MCE_CAPS | MCE_BANKS))
		return -EINVAL;
	msrs->mcg_cap = mcg_cap;
	msrs->mcg_ctl = mcg_cap & MCG_CTL_P ? U64_MAX : 0;
	for (i = 0; i < banks; i++)
		msrs->mce_bank[4 * i + MCE_CTL] = U64_MAX;
	return 0;
}

/* One report: into its bank, unless that holds a graver one. */
static void log_mce(struct vcpu_msrs *msrs, const struct kvm_x86_mce *mce, u64 *bank)
{
	bool taken = bank[MCE_STATUS] & MCI_STATUS_VAL;

	if (taken && bank[MCE_STATUS] & MCI_STATUS_UC && !(mce->status & MCI_STATUS_UC)) {
		bank[MCE_STATUS] |= MCI_STATUS_OVER;
		return;
	}
	bank[MCE_STATUS] = mce->status | (taken ? MCI_STATUS_OVER : 0);
	bank[MCE_ADDR] = mce->addr;
	bank[MCE_MISC] = mce->misc;
	if (mce->status & MCI_STATUS_UC)
		msrs->mcg_status = mce->mcg_status;
}

/* KVM_X86_SET_MCE (SDM vol. 3, 15.3.2; what is switched off is not reported). */
int msr_inject_mce(struct kvm_vcpu *vcpu, const struct kvm_x86_mce *mce)
{
	struct vcpu_msrs *msrs = &vcpu->arch.msrs;
	bool uncorrected = mce->status & MCI_STATUS_UC;
	bool in_progress = msrs->mcg_status & MCG_STATUS_MCIP;
	u64 *bank = &msrs->mce_bank[4 * mce->bank];

	if (mce->bank >= (msrs->mcg_cap & MCE_BANKS) || !(mce->status & MCI_STATUS_VAL))
		return -EINVAL;
	if (uncorrected && ((msrs->mcg_cap & MCG_CTL_P && msrs->mcg_ctl != U64_MAX) ||
			    bank[MCE_CTL] != U64_MAX))
		return 0;
	state_need(vcpu, STATE_CR);
	if (uncorrected && (in_progress || !(vcpu->arch.state.cr4 & X86_CR4_MCE))) {
		events_triple_fault(&vcpu->arch.events);
		return 0;
	}
	log_mce(msrs, mce, bank);
	if (uncorrected)
		vcpu_exception(vcpu, X86_TRAP_MC, 0);
	return 0;
}

#define ARCH(member)	offsetof(struct kvm_vcpu_arch, member)

/* Sorted by number. */
static const struct row rows[] = {
	{ MSR_IA32_TSC, 1, SAVED, 0, get_tsc, set_tsc },
	{ MSR_KVM_WALL_CLOCK, 2, SAVED, 0, get_kvmclock, set_kvmclock },
	{ MSR_IA32_APICBASE, 1, 0, ARCH(msrs.apic_base), get_field, set_apic_base },
	{ MSR_SMI_COUNT, 1, SAVED, ARCH(msrs.smi_count), get_field, set_outside },
	{ MSR_IA32_TSC_ADJUST, 1, SAVED, ARCH(time.tsc_adjust), get_field, set_tsc_adjust },
	{ MSR_IA32_UCODE_REV, 1, FEATURE, 0, get_ucode, set_ucode },
	{ MSR_IA32_SMBASE, 1, SAVED, ARCH(msrs.smbase), get_smbase, set_smbase },
	{ MSR_PLATFORM_INFO, 1, SAVED, ARCH(msrs.platform_info), get_platform_info,
	  set_platform_info },
	{ MSR_MTRRcap, 1, 0, 0, get_mtrr_cap, NULL },
	{ MSR_IA32_SYSENTER_CS, 1, SAVED | DIRECT, ARCH(state.sysenter_cs), get_state, set_state },
	{ MSR_IA32_SYSENTER_ESP, 1, SAVED | DIRECT, ARCH(state.sysenter_esp), get_state,
	  set_extended },
	{ MSR_IA32_SYSENTER_EIP, 1, SAVED | DIRECT, ARCH(state.sysenter_eip), get_state,
	  set_extended },
	{ MSR_IA32_MCG_CAP, 1, 0, ARCH(msrs.mcg_cap), get_field, NULL },
	{ MSR_IA32_MCG_STATUS, 1, SAVED, ARCH(msrs.mcg_status), get_field, set_field },
	{ MSR_IA32_MCG_CTL, 1, SAVED, ARCH(msrs.mcg_ctl), get_mcg_ctl, set_mcg_ctl },
	{ MSR_IA32_MISC_ENABLE, 1, SAVED, ARCH(msrs.misc_enable), get_field, set_field },
	{ MSR_IA32_DEBUGCTLMSR, 1, 0, 0, get_zero, set_zero },
	{ MSR_IA32_POWER_CTL, 1, SAVED, ARCH(msrs.power_ctl), get_field, set_field },
	{ MTRRphysBase_MSR(0), 2 * VCPU_MTRR_VARIABLE, 0, ARCH(msrs.mtrr_range), get_field,
	  set_mtrr_range },
	{ MSR_MTRRfix64K_00000, 1, 0, ARCH(msrs.mtrr_fixed[0]), get_field, set_mtrr_fixed },
	{ MSR_MTRRfix16K_80000, 2, 0, ARCH(msrs.mtrr_fixed[1]), get_field, set_mtrr_fixed },
	{ MSR_MTRRfix4K_C0000, 8, 0, ARCH(msrs.mtrr_fixed[3]), get_field, set_mtrr_fixed },
	{ MSR_IA32_CR_PAT, 1, SAVED, ARCH(state.pat), get_state, set_pat },
	{ MSR_MTRRdefType, 1, 0, ARCH(msrs.mtrr_def_type), get_field, set_mtrr_default },
	{ MSR_IA32_MC0_CTL, 4 * VCPU_MCE_BANKS, 0, ARCH(msrs.mce_bank), get_mce_bank,
	  set_mce_bank },
	{ MSR_IA32_TSC_DEADLINE, 1, SAVED, 0, get_tsc_deadline, set_tsc_deadline },
	{ APIC_BASE_MSR, 0x100, 0, 0, get_x2apic, set_x2apic },
	{ MSR_KVM_WALL_CLOCK_NEW, 2, SAVED, 0, get_kvmclock, set_kvmclock },
	{ MSR_KVM_STEAL_TIME, 1, SAVED, ARCH(steal.msr), get_steal, set_steal },
	{ MSR_EFER, 1, SAVED, 0, get_efer, set_efer },
	{ MSR_STAR, 1, SAVED | DIRECT, ARCH(state.star), get_state, set_state },
	{ MSR_LSTAR, 1, SAVED | DIRECT, ARCH(state.lstar), get_state, set_address },
	{ MSR_CSTAR, 1, SAVED | DIRECT, ARCH(state.cstar), get_state, set_address },
	{ MSR_SYSCALL_MASK, 1, SAVED | DIRECT, ARCH(state.sfmask), get_state, set_state },
	{ MSR_FS_BASE, 2, DIRECT, 0, get_segment_base, set_segment_base },
	{ MSR_KERNEL_GS_BASE, 1, SAVED | DIRECT, ARCH(state.kernel_gs_base), get_state,
	  set_address },
	{ MSR_TSC_AUX, 1, SAVED, ARCH(msrs.tsc_aux), get_tsc_aux, set_tsc_aux },
	{ MSR_K7_EVNTSEL0, 8, 0, 0, get_zero, set_zero },
	{ MSR_AMD64_SYSCFG, 1, 0, 0, get_zero, set_zero },
	{ AMD_HWCR, 1, SAVED, ARCH(msrs.hwcr), get_field, set_hwcr },
	{ MSR_AMD64_NB_CFG, 1, 0, 0, get_zero, set_zero },
	{ MSR_AMD64_PATCH_LOADER, 1, 0, 0, get_zero, set_ucode },
	{ MSR_K8_INT_PENDING_MSG, 1, 0, 0, get_zero, set_zero },
	{ MSR_FAM10H_MMIO_CONF_BASE, 1, 0, 0, get_zero, set_zero },
	{ MSR_VM_CR, 1, 0, 0, get_zero, set_zero },
	{ MSR_VM_HSAVE_PA, 1, 0, 0, get_zero, set_zero },
	{ MSR_AMD64_DC_CFG, 1, 0, 0, get_zero, set_zero },
	{ MSR_AMD64_DE_CFG, 1, FEATURE, 0, get_de_cfg, set_de_cfg },
	{ MSR_AMD64_BU_CFG2, 1, 0, 0, get_zero, set_zero },
};

/* The last row that begins at @index or before it, if that goes so far. */
static const struct row *find(u32 index)
{
	const struct row *row = rows;
	unsigned int left = ARRAY_SIZE(rows);

	while (left > 1) {
		unsigned int half = left / 2;

		if (row[half].first <= index)
			row += half;
		left -= half;
	}
	return index - row->first < row->count ? row : NULL;
}

bool msr_known(u32 index)
{
	return find(index);
}

int msr_get(struct kvm_vcpu *vcpu, u32 index, u64 *data, bool outside)
{
	const struct row *row = find(index);
	struct msr_access at = { .index = index, .outside = outside };

	if (!row || (!vcpu && !(row->flags & FEATURE)))
		return -EINVAL;
	at.offset = index - row->first;
	return row->get(vcpu, row, &at, data);
}

int msr_set(struct kvm_vcpu *vcpu, u32 index, u64 data, bool outside)
{
	const struct row *row = find(index);
	struct msr_access at = { .index = index, .outside = outside };
	u64 now;

	if (!row)
		return -EINVAL;
	at.offset = index - row->first;
	if (row->set)
		return row->set(vcpu, row, &at, data);
	return outside && !row->get(vcpu, row, &at, &now) && now == data ? 0 : -EINVAL;
}

/*
 * Two that others write as well.
 */

bool msr_apic_base_ok(struct kvm_vcpu *vcpu, u64 base)
{
	return apic_base_ok(vcpu, base, true);
}

int msr_set_efer(struct kvm_vcpu *vcpu, u64 efer, bool outside)
{
	const struct cr_limits limits = { .efer_allowed = vcpu->arch.cpuid.efer_allowed };
	struct vcpu_state *state = &vcpu->arch.state;
	struct cr_values now;

	state_need(vcpu, STATE_CR);
	now = (struct cr_values){ .cr0 = state->cr0, .efer = state->efer };
	if (outside)
		now.cr0 &= ~(u64)X86_CR0_PG;	/* it may set CR0 after: judged when it does */
	if (!efer_write_ok(&limits, &now, efer))
		return -EINVAL;
	state_dirty(vcpu, STATE_CR);
	if ((state->efer ^ efer) & EFER_NX)
		backend_call(flush_guest)(vcpu);
	state->efer = efer_with_lma(efer, state->cr0);
	return 0;
}

/*
 * Life.
 */

void msr_reset(struct kvm_vcpu *vcpu)
{
	struct vcpu_msrs *msrs = &vcpu->arch.msrs;

	u64 mcg_cap = msrs->mcg_cap;

	memset(msrs, 0, sizeof(*msrs));
	if (mcg_cap)
		msr_setup_mce(vcpu, mcg_cap);
	msrs->apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE |
			  (irq_is_boot(vcpu) ? MSR_IA32_APICBASE_BSP : 0);
	msrs->misc_enable = MISC_ENABLE_RESET;
	msrs->smbase = SMM_RESET_BASE;
	msrs->ucode_rev = default_ucode();
	msrs->de_cfg = host_de_cfg();
}

/* The guest's own, but for what userspace does not let it do. */
static void set_trap(struct kvm_vcpu *vcpu, u32 index)
{
	bool read = !msr_filter_allows(vcpu->kvm, index, false);
	bool write = !msr_filter_allows(vcpu->kvm, index, true);

	backend_call(trap_msr)(vcpu, index, read, write);
}

void msr_traps(struct kvm_vcpu *vcpu)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (j = 0; rows[i].flags & DIRECT && j < rows[i].count; j++)
			set_trap(vcpu, rows[i].first + j);
}

/* The host's, of each CPU: the kernel writes it when the CPU comes up, and never again. */
static DEFINE_PER_CPU(u64, host_tsc_aux);

void msr_cpu_enable(void)
{
	u64 value;

	if (!boot_cpu_has(X86_FEATURE_RDTSCP))
		return;
	rdmsrl(MSR_TSC_AUX, value);
	__this_cpu_write(host_tsc_aux, value);
}

static bool has_own_tsc_aux(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.cpuid.has_rdtscp && boot_cpu_has(X86_FEATURE_RDTSCP) &&
	       vcpu->arch.msrs.tsc_aux != __this_cpu_read(host_tsc_aux);
}

/* RDTSCP and RDPID read the register itself: the guest's value is there while the vCPU is. */
void msr_load(struct kvm_vcpu *vcpu)
{
	if (has_own_tsc_aux(vcpu))
		wrmsrl(MSR_TSC_AUX, vcpu->arch.msrs.tsc_aux);
}

void msr_put(struct kvm_vcpu *vcpu)
{
	if (has_own_tsc_aux(vcpu))
		wrmsrl(MSR_TSC_AUX, __this_cpu_read(host_tsc_aux));
}

/*
 * ioctls.
 */

/* Numbers of the rows with a flag, into userspace's list if it is long enough. */
static long list(struct kvm_msr_list __user *argp, u8 flag)
{
	struct kvm_msr_list head;
	u32 n = 0, room;
	unsigned int i, j;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;
	room = head.nmsrs;
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].flags & flag)
			n += rows[i].count;
	if (put_user(n, &argp->nmsrs))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	for (i = n = 0; i < ARRAY_SIZE(rows); i++)
		for (j = 0; rows[i].flags & flag && j < rows[i].count; j++)
			if (put_user(rows[i].first + j, &argp->indices[n++]))
				return -EFAULT;
	return 0;
}

long msr_index_list(struct kvm_msr_list __user *argp)
{
	return list(argp, SAVED);
}

long msr_feature_index_list(struct kvm_msr_list __user *argp)
{
	return list(argp, FEATURE);
}

static int get_one(struct kvm_vcpu *vcpu, struct kvm_msr_entry *entry)
{
	return msr_get(vcpu, entry->index, &entry->data, true);
}

static int set_one(struct kvm_vcpu *vcpu, struct kvm_msr_entry *entry)
{
	return msr_set(vcpu, entry->index, entry->data, true);
}

/* In order, up to the first that fails: how many went well. */
static long each(struct kvm_vcpu *vcpu, struct kvm_msrs __user *argp,
		 int (*call)(struct kvm_vcpu *vcpu, struct kvm_msr_entry *entry), bool back)
{
	struct kvm_msr_entry *entries;
	struct kvm_msrs head;
	size_t size;
	long n;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs >= MAX_MSRS)
		return -E2BIG;
	size = array_size(head.nmsrs, sizeof(*entries));
	entries = memdup_user(argp->entries, size);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	for (n = 0; n < head.nmsrs; n++)
		if (call(vcpu, &entries[n]))
			break;
	if (back && copy_to_user(argp->entries, entries, size))
		n = -EFAULT;
	kfree(entries);
	return n;
}

long msr_get_features(struct kvm_msrs __user *argp)
{
	return each(NULL, argp, get_one, true);
}

long msr_get_list(struct kvm_vcpu *vcpu, struct kvm_msrs __user *argp)
{
	return each(vcpu, argp, get_one, true);
}

long msr_set_list(struct kvm_vcpu *vcpu, struct kvm_msrs __user *argp)
{
	return each(vcpu, argp, set_one, false);
}
