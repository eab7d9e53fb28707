// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - what is x86's of a VM: its ioctls, and the capabilities.
 *
 * The capabilities are a table; a number that is not in it, nor in virt/kvm's,
 * is absent and reads 0.  Documentation/virt/kvm/api.rst says what follows.
 */
#include <linux/kvm_host.h>
#include <linux/kvm_para.h>
#include <linux/uaccess.h>
#include <asm/kvm_exact.h>
#include "mmu/mmu.h"
#include "vcpu.h"

#define GUESTDBG_KNOWN	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |		\
			 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP |	\
			 KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)
#define MSR_EXIT_REASONS	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |	\
				 KVM_MSR_EXIT_REASON_FILTER)
#define HYPERCALL_EXITS	BIT(KVM_HC_MAP_GPA_RANGE)
#define DISABLED_EXITS	KVM_X86_DISABLE_EXITS_PAUSE	/* PAUSE never exits */
#define LEAST_MMU_PAGES	20		/* of KVM_SET_NR_MMU_PAGES */
#define TSS_PAGES	3		/* what KVM_SET_TSS_ADDR sets aside */

static const struct {
	u16 cap;
	u32 value;
} caps[] = {
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_NOP_IO_DELAY, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_MCE, VCPU_MCE_BANKS },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_INTR_SHADOW, 1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_X86_EXACT_STATE, KVM_EXACT_VERSION },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG2, GUESTDBG_KNOWN },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_CLOCKSOURCE, 1 },
	{ KVM_CAP_ADJUST_CLOCK, CLOCK_FLAGS },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_STEAL_TIME, 1 },
	{ KVM_CAP_ENABLE_CAP, 1 },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_EXIT_HYPERCALL, HYPERCALL_EXITS },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1 },
	{ KVM_CAP_X86_DISABLE_EXITS, DISABLED_EXITS },
	{ KVM_CAP_PMU_CAPABILITY, KVM_PMU_CAP_DISABLE },
	{ KVM_CAP_EXT_EMUL_CPUID, 1 },
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_VAPIC, 1 },
	{ KVM_CAP_IRQ_ROUTING, ROUTE_MAX_GSIS },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_IOAPIC_POLARITY_IGNORED, 1 },
	{ KVM_CAP_PIT, 1 },
	{ KVM_CAP_PIT2, 1 },
	{ KVM_CAP_PIT_STATE2, 1 },
	{ KVM_CAP_REINJECT_CONTROL, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_MSR_PLATFORM_INFO, 1 },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
	{ KVM_CAP_X86_SMM, 1 },
	{ KVM_CAP_MULTI_ADDRESS_SPACE, KVM_ADDRESS_SPACES },
	{ KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS |
			      KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
};

int kvm_arch_check_extension(struct kvm *kvm, long cap)
{
	unsigned int i;

	switch (cap) {
	case KVM_CAP_XSAVE2:
		return fpu_xsave_size();
	case KVM_CAP_XCRS:
		return boot_cpu_has(X86_FEATURE_XSAVE);
	case KVM_CAP_TSC_CONTROL:
	case KVM_CAP_VM_TSC_CONTROL:
		return backend_features.tsc_scaling;
	}
	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].cap == cap)
			return caps[i].value;
	return 0;
}

/* A mask of what is wanted, out of what there is. */
static long set_mask(u32 *mask, u64 wanted, u32 known)
{
	if (wanted & ~(u64)known)
		return -EINVAL;
	WRITE_ONCE(*mask, wanted);
	return 0;
}

/* Of what is so always. */
static long accept_mask(u64 wanted, u32 known)
{
	return wanted & ~(u64)known ? -EINVAL : 0;
}

static long enable_exact_state(struct kvm_caps *caps, u64 version)
{
	if (version > KVM_EXACT_VERSION)
		return -EINVAL;
	WRITE_ONCE(caps->exact_state, version);
	return 0;
}

/* No guest has a PMU.  As where there is one to be taken away: before the first vCPU. */
static long disable_pmu(struct kvm *kvm, u64 wanted)
{
	return wanted != KVM_PMU_CAP_DISABLE || atomic_read(&kvm->online_vcpus) ? -EINVAL : 0;
}

static long enable_cap(struct kvm *kvm, void __user *argp)
{
	struct kvm_caps *caps = &kvm->arch.caps;
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, argp, sizeof(cap)))
		return -EFAULT;
	if (cap.flags)
		return -EINVAL;
	switch (cap.cap) {
	case KVM_CAP_EXCEPTION_PAYLOAD:
		WRITE_ONCE(caps->exception_payload, cap.args[0]);
		return 0;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		WRITE_ONCE(caps->triple_fault_event, cap.args[0]);
		return 0;
	case KVM_CAP_X86_EXACT_STATE:
		return enable_exact_state(caps, cap.args[0]);
	case KVM_CAP_MSR_PLATFORM_INFO:
		WRITE_ONCE(caps->no_platform_info, !cap.args[0]);
		return 0;
	case KVM_CAP_SPLIT_IRQCHIP:
		return irq_enable_split(kvm, cap.args[0]);
	case KVM_CAP_X2APIC_API:
		return irq_enable_x2apic_api(kvm, cap.args[0]);
	case KVM_CAP_X86_USER_SPACE_MSR:
		return set_mask(&caps->msr_exits, cap.args[0], MSR_EXIT_REASONS);
	case KVM_CAP_EXIT_HYPERCALL:
		return set_mask(&caps->hypercall_exits, cap.args[0], HYPERCALL_EXITS);
	case KVM_CAP_EXIT_ON_EMULATION_FAILURE:
		return accept_mask(cap.args[0], 1);
	case KVM_CAP_X86_DISABLE_EXITS:
		return accept_mask(cap.args[0], DISABLED_EXITS);
	case KVM_CAP_PMU_CAPABILITY:
		return disable_pmu(kvm, cap.args[0]);
	default:
		return -EINVAL;
	}
}

/* A limit for shadow page tables, of which there are none: VMMs get what they have set. */
static long set_mmu_pages(struct kvm *kvm, unsigned long pages)
{
	if (pages < LEAST_MMU_PAGES || pages > INT_MAX)
		return -EINVAL;
	WRITE_ONCE(kvm->arch.mmu_pages, pages);
	return 0;
}

static long create_pit2(struct kvm *kvm, void __user *argp)
{
	struct kvm_pit_config config;

	if (copy_from_user(&config, argp, sizeof(config)))
		return -EFAULT;
	return pit_create(kvm, config.flags);
}

/* Two addresses for processors without unrestricted guest: judged, as VMMs expect, and not used. */
static long set_tss_addr(unsigned long addr)
{
	return addr > U32_MAX - TSS_PAGES * PAGE_SIZE ? -EINVAL : 0;
}

static long set_identity_map_addr(struct kvm *kvm, void __user *argp)
{
	u64 addr;

	if (copy_from_user(&addr, argp, sizeof(addr)))
		return -EFAULT;
	return atomic_read(&kvm->online_vcpus) ? -EINVAL : 0;
}

/* Interrupt controllers and the PIT; -ENOTTY: none of theirs. */
static long irq_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	switch (ioctl) {
	case KVM_SET_GSI_ROUTING:
		return irq_set_routing(kvm, argp);
	case KVM_CREATE_IRQCHIP:
		return chips_create(kvm);
	case KVM_GET_IRQCHIP:
		return chips_get(kvm, argp);
	case KVM_SET_IRQCHIP:
		return chips_set(kvm, argp);
	case KVM_IRQ_LINE:
		return irq_line(kvm, argp, false);
	case KVM_IRQ_LINE_STATUS:
		return irq_line(kvm, argp, true);
	case KVM_SIGNAL_MSI:
		return irq_signal_msi(kvm, argp);
	case KVM_CREATE_PIT:
		return pit_create(kvm, KVM_PIT_SPEAKER_DUMMY);
	case KVM_CREATE_PIT2:
		return create_pit2(kvm, argp);
	case KVM_GET_PIT:
		return pit_get(kvm, argp, false);
	case KVM_SET_PIT:
		return pit_set(kvm, argp, false);
	case KVM_GET_PIT2:
		return pit_get(kvm, argp, true);
	case KVM_SET_PIT2:
		return pit_set(kvm, argp, true);
	case KVM_REINJECT_CONTROL:
		return pit_reinject(kvm, argp);
	default:
		return -ENOTTY;
	}
}

long kvm_arch_vm_ioctl(struct kvm *kvm, unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;
	long r;

	switch (ioctl) {
	case KVM_SET_TSS_ADDR:
		return set_tss_addr(arg);
	case KVM_SET_IDENTITY_MAP_ADDR:
		return set_identity_map_addr(kvm, argp);
	case KVM_SET_NR_MMU_PAGES:
		return set_mmu_pages(kvm, arg);
	case KVM_GET_NR_MMU_PAGES:
		return READ_ONCE(kvm->arch.mmu_pages);
	case KVM_SET_BOOT_CPU_ID:
		return irq_set_boot_id(kvm, arg);
	case KVM_ENABLE_CAP:
		return enable_cap(kvm, argp);
	case KVM_SET_TSC_KHZ:
		return time_vm_set_khz(kvm, arg);
	case KVM_GET_TSC_KHZ:
		return READ_ONCE(kvm->arch.default_tsc_khz);
	case KVM_GET_CLOCK:
		return clock_get(kvm, argp);
	case KVM_SET_CLOCK:
		return clock_set(kvm, argp);
	default:
		/* the filter's has another number for 32-bit callers, which its owner knows */
		r = msr_filter_ioctl(kvm, ioctl, argp);
		return r == -ENOTTY ? irq_ioctl(kvm, ioctl, argp) : r;
	}
}

int kvm_arch_vm_create(struct kvm *kvm, unsigned long type)
{
	int r;

	if (type)
		return -EINVAL;
	spin_lock_init(&kvm->arch.tsc_lock);
	clock_vm_create(kvm);
	kvm->arch.default_tsc_khz = tsc_khz;
	r = irq_vm_create(kvm);
	if (r)
		return r;
	r = tdp_vm_init(kvm);
	if (r)
		irq_vm_destroy(kvm);
	return r;
}

/* The PIT's clock rings for vCPUs: they have to be there. */
void kvm_arch_vm_quiesce(struct kvm *kvm)
{
	pit_destroy(kvm);
}

void kvm_arch_vm_destroy(struct kvm *kvm)
{
	chips_destroy(kvm);
	irq_vm_destroy(kvm);
	tdp_vm_destroy(kvm);
	msr_filter_destroy(kvm);
}
