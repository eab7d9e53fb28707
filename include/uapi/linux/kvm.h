/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The /dev/kvm ABI: capability numbers, struct kvm_run, and the ioctls of the
 * device, of a VM, and of a vCPU with the structs they carry. Register layouts
 * and the rest of what is x86 only is in <asm/kvm.h>, included here.
 *
 * Names, numbers and layouts are those of Linux 6.1 and never change. That a
 * thing is declared does not say that it is supported: ask
 * KVM_CHECK_EXTENSION, and read Documentation/virt/kvm/api.rst. Declarations
 * that only other architectures or confidential guests use are left out.
 */
#ifndef __LINUX_KVM_H
#define __LINUX_KVM_H

#include <linux/const.h>
#include <linux/ioctl.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <asm/kvm.h>

/* What KVM_GET_API_VERSION returns; a VMM refuses to run on any other. */
#define KVM_API_VERSION	12

/* The ioctl type byte of all three kinds of fd. */
#define KVMIO	0xAE

/* ---- capabilities: the argument of KVM_CHECK_EXTENSION ---- */

/* the device and the VM as a whole */
#define KVM_CAP_NR_VCPUS				9	/* recommended maximum */
#define KVM_CAP_SET_BOOT_CPU_ID				34
#define KVM_CAP_ENABLE_CAP				54
#define KVM_CAP_MAX_VCPUS				66	/* most vCPUs a VM can have */
#define KVM_CAP_ENABLE_CAP_VM				98
#define KVM_CAP_VM_ATTRIBUTES				101
#define KVM_CAP_CHECK_EXTENSION_VM			105	/* ask the VM fd */
#define KVM_CAP_DISABLE_QUIRKS				116
#define KVM_CAP_VCPU_ATTRIBUTES				127
#define KVM_CAP_MAX_VCPU_ID				128	/* every id is below it */
#define KVM_CAP_PMU_EVENT_FILTER			173
#define KVM_CAP_LAST_CPU				184
#define KVM_CAP_BINARY_STATS_FD				203
#define KVM_CAP_SYS_ATTRIBUTES				209
#define KVM_CAP_PMU_CAPABILITY				212
#define KVM_CAP_DISABLE_QUIRKS2				213

/* guest memory */
#define KVM_CAP_MMU_SHADOW_CACHE_CONTROL		2
#define KVM_CAP_USER_MEMORY				3	/* KVM_SET_USER_MEMORY_REGION */
#define KVM_CAP_SET_TSS_ADDR				4
#define KVM_CAP_NR_MEMSLOTS				10	/* slots a VM can have */
#define KVM_CAP_PV_MMU					13
#define KVM_CAP_SYNC_MMU				16	/* host may move guest memory */
#define KVM_CAP_DESTROY_MEMORY_REGION_WORKS		21
#define KVM_CAP_JOIN_MEMORY_REGIONS_WORKS		30
#define KVM_CAP_SET_IDENTITY_MAP_ADDR			37
#define KVM_CAP_READONLY_MEM				81	/* KVM_MEM_READONLY */
#define KVM_CAP_MULTI_ADDRESS_SPACE			118
#define KVM_CAP_MANUAL_DIRTY_LOG_PROTECT		166
#define KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2		168
#define KVM_CAP_SMALLER_MAXPHYADDR			185
#define KVM_CAP_DIRTY_LOG_RING				192
#define KVM_CAP_VM_GPA_BITS				207
#define KVM_CAP_VM_DISABLE_NX_HUGE_PAGES		220
#define KVM_CAP_DIRTY_LOG_RING_ACQ_REL			223

/* KVM_RUN and its exits */
#define KVM_CAP_HLT					1
#define KVM_CAP_INTERNAL_ERROR_DATA			40
#define KVM_CAP_IMMEDIATE_EXIT				136	/* kvm_run.immediate_exit */
#define KVM_CAP_X86_DISABLE_EXITS			143
#define KVM_CAP_X86_USER_SPACE_MSR			188
#define KVM_CAP_X86_BUS_LOCK_EXIT			193
#define KVM_CAP_EXIT_HYPERCALL				201
#define KVM_CAP_EXIT_ON_EMULATION_FAILURE		204
#define KVM_CAP_SYSTEM_EVENT_DATA			215
#define KVM_CAP_X86_NOTIFY_VMEXIT			219

/* vCPU state, CPUID, MSRs */
#define KVM_CAP_EXT_CPUID				7
#define KVM_CAP_DEBUGREGS				50
#define KVM_CAP_XSAVE					55
#define KVM_CAP_XCRS					56
#define KVM_CAP_ONE_REG					70
#define KVM_CAP_SYNC_REGS				74	/* KVM_SYNC_X86_* that work */
#define KVM_CAP_EXT_EMUL_CPUID				95
#define KVM_CAP_GET_MSR_FEATURES			153
#define KVM_CAP_NESTED_STATE				157
#define KVM_CAP_MSR_PLATFORM_INFO			159
#define KVM_CAP_X86_MSR_FILTER				189
#define KVM_CAP_ENFORCE_PV_FEATURE_CPUID		190
#define KVM_CAP_SREGS2					200
#define KVM_CAP_XSAVE2					208	/* bytes, of the VM fd */

/* events and debugging */
#define KVM_CAP_MP_STATE				14
#define KVM_CAP_USER_NMI				22
#define KVM_CAP_SET_GUEST_DEBUG				23
#define KVM_CAP_MCE					31
#define KVM_CAP_VCPU_EVENTS				41
#define KVM_CAP_INTR_SHADOW				49	/* interrupt.shadow */
#define KVM_CAP_X86_ROBUST_SINGLESTEP			51
#define KVM_CAP_ASYNC_PF				59
#define KVM_CAP_X86_SMM					117
#define KVM_CAP_GUEST_DEBUG_HW_BPS			119
#define KVM_CAP_GUEST_DEBUG_HW_WPS			120
#define KVM_CAP_EXCEPTION_PAYLOAD			164	/* to be enabled */
#define KVM_CAP_ASYNC_PF_INT				183
#define KVM_CAP_SET_GUEST_DEBUG2			195
#define KVM_CAP_X86_TRIPLE_FAULT_EVENT			218	/* to be enabled */

/* clocks and waiting */
#define KVM_CAP_CLOCKSOURCE				8
#define KVM_CAP_ADJUST_CLOCK				39
#define KVM_CAP_TSC_CONTROL				60	/* TSC frequency can be set */
#define KVM_CAP_GET_TSC_KHZ				61
#define KVM_CAP_TSC_DEADLINE_TIMER			72
#define KVM_CAP_KVMCLOCK_CTRL				76
#define KVM_CAP_HALT_POLL				182	/* ns, to be enabled */
#define KVM_CAP_STEAL_TIME				187
#define KVM_CAP_VM_TSC_CONTROL				214

/* interrupt controllers, eventfds, devices */
#define KVM_CAP_IRQCHIP					0
#define KVM_CAP_VAPIC					6
#define KVM_CAP_PIT					11
#define KVM_CAP_NOP_IO_DELAY				12
#define KVM_CAP_COALESCED_MMIO				15
#define KVM_CAP_IOMMU					18
#define KVM_CAP_REINJECT_CONTROL			24
#define KVM_CAP_IRQ_ROUTING				25
#define KVM_CAP_IRQ_INJECT_STATUS			26
#define KVM_CAP_ASSIGN_DEV_IRQ				29
#define KVM_CAP_IRQFD					32
#define KVM_CAP_PIT2					33
#define KVM_CAP_PIT_STATE2				35
#define KVM_CAP_IOEVENTFD				36
#define KVM_CAP_PCI_SEGMENT				47
#define KVM_CAP_PCI_2_3					75
#define KVM_CAP_SIGNAL_MSI				77
#define KVM_CAP_IRQFD_RESAMPLE				82
#define KVM_CAP_DEVICE_CTRL				89
#define KVM_CAP_IOAPIC_POLARITY_IGNORED			97
#define KVM_CAP_IOEVENTFD_NO_LENGTH			100
#define KVM_CAP_SPLIT_IRQCHIP				121	/* local APIC alone */
#define KVM_CAP_IOEVENTFD_ANY_LENGTH			122
#define KVM_CAP_X2APIC_API				129
#define KVM_CAP_COALESCED_PIO				162

/* interfaces of other hypervisors, confidential guests */
#define KVM_CAP_XEN_HVM					38
#define KVM_CAP_HYPERV					44
#define KVM_CAP_HYPERV_VAPIC				45
#define KVM_CAP_HYPERV_SPIN				46
#define KVM_CAP_HYPERV_TIME				96
#define KVM_CAP_HYPERV_SYNIC				123
#define KVM_CAP_HYPERV_SYNIC2				148
#define KVM_CAP_HYPERV_VP_INDEX				149
#define KVM_CAP_HYPERV_EVENTFD				154
#define KVM_CAP_HYPERV_TLBFLUSH				155
#define KVM_CAP_HYPERV_SEND_IPI				161
#define KVM_CAP_HYPERV_ENLIGHTENED_VMCS			163
#define KVM_CAP_HYPERV_CPUID				167
#define KVM_CAP_HYPERV_DIRECT_TLBFLUSH			175
#define KVM_CAP_SYS_HYPERV_CPUID			191
#define KVM_CAP_SGX_ATTRIBUTE				196
#define KVM_CAP_VM_COPY_ENC_CONTEXT_FROM		197
#define KVM_CAP_HYPERV_ENFORCE_CPUID			199
#define KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM		206

/* Power */
#define KVM_CAP_PPC_SEGSTATE				43
#define KVM_CAP_PPC_PAIRED_SINGLES			48
#define KVM_CAP_PPC_OSI					52
#define KVM_CAP_PPC_UNSET_IRQ				53
#define KVM_CAP_PPC_GET_PVINFO				57
#define KVM_CAP_PPC_IRQ_LEVEL				58
#define KVM_CAP_PPC_BOOKE_SREGS				62
#define KVM_CAP_SPAPR_TCE				63
#define KVM_CAP_PPC_SMT					64
#define KVM_CAP_PPC_RMA					65
#define KVM_CAP_PPC_HIOR				67
#define KVM_CAP_PPC_PAPR				68
#define KVM_CAP_SW_TLB					69
#define KVM_CAP_PPC_GET_SMMU_INFO			78
#define KVM_CAP_PPC_ALLOC_HTAB				80
#define KVM_CAP_PPC_BOOKE_WATCHDOG			83
#define KVM_CAP_PPC_HTAB_FD				84
#define KVM_CAP_PPC_EPR					86
#define KVM_CAP_IRQ_MPIC				90
#define KVM_CAP_PPC_RTAS				91
#define KVM_CAP_IRQ_XICS				92
#define KVM_CAP_SPAPR_MULTITCE				94
#define KVM_CAP_PPC_FIXUP_HCALL				103
#define KVM_CAP_PPC_ENABLE_HCALL			104
#define KVM_CAP_PPC_HWRNG				115
#define KVM_CAP_SPAPR_TCE_64				125
#define KVM_CAP_PPC_HTM					132
#define KVM_CAP_SPAPR_RESIZE_HPT			133
#define KVM_CAP_PPC_MMU_RADIX				134
#define KVM_CAP_PPC_MMU_HASH_V3				135
#define KVM_CAP_SPAPR_TCE_VFIO				142
#define KVM_CAP_PPC_FWNMI				146
#define KVM_CAP_PPC_SMT_POSSIBLE			147
#define KVM_CAP_PPC_GET_CPU_CHAR			151
#define KVM_CAP_PPC_NESTED_HV				160
#define KVM_CAP_PPC_IRQ_XIVE				169
#define KVM_CAP_PPC_GUEST_DEBUG_SSTEP			176
#define KVM_CAP_PPC_SECURE_GUEST			181
#define KVM_CAP_PPC_DAWR1				194
#define KVM_CAP_PPC_RPT_INVALIDATE			202
#define KVM_CAP_PPC_AIL_MODE_3				210

/* s390 */
#define KVM_CAP_S390_PSW				42
#define KVM_CAP_S390_GMAP				71
#define KVM_CAP_S390_UCONTROL				73
#define KVM_CAP_S390_COW				79
#define KVM_CAP_S390_CSS_SUPPORT			85
#define KVM_CAP_S390_IRQCHIP				99
#define KVM_CAP_S390_USER_SIGP				106
#define KVM_CAP_S390_VECTOR_REGISTERS			107
#define KVM_CAP_S390_MEM_OP				108
#define KVM_CAP_S390_USER_STSI				109
#define KVM_CAP_S390_SKEYS				110
#define KVM_CAP_S390_INJECT_IRQ				113
#define KVM_CAP_S390_IRQ_STATE				114
#define KVM_CAP_S390_RI					124
#define KVM_CAP_S390_USER_INSTR0			130
#define KVM_CAP_S390_GS					140
#define KVM_CAP_S390_AIS				141
#define KVM_CAP_S390_CMMA_MIGRATION			145
#define KVM_CAP_S390_AIS_MIGRATION			150
#define KVM_CAP_S390_BPB				152
#define KVM_CAP_S390_HPAGE_1M				156
#define KVM_CAP_S390_VCPU_RESETS			179
#define KVM_CAP_S390_PROTECTED				180
#define KVM_CAP_S390_DIAG318				186
#define KVM_CAP_S390_MEM_OP_EXTENSION			211
#define KVM_CAP_S390_PROTECTED_DUMP			217
#define KVM_CAP_S390_ZPCI_OP				221
#define KVM_CAP_S390_CPU_TOPOLOGY			222

/* Arm */
#define KVM_CAP_ARM_PSCI				87
#define KVM_CAP_ARM_SET_DEVICE_ADDR			88
#define KVM_CAP_ARM_EL1_32BIT				93
#define KVM_CAP_ARM_PSCI_0_2				102
#define KVM_CAP_ARM_PMU_V3				126
#define KVM_CAP_MSI_DEVID				131
#define KVM_CAP_ARM_USER_IRQ				144
#define KVM_CAP_ARM_INJECT_SERROR_ESR			158
#define KVM_CAP_ARM_VM_IPA_SIZE				165
#define KVM_CAP_ARM_SVE					170
#define KVM_CAP_ARM_PTRAUTH_ADDRESS			171
#define KVM_CAP_ARM_PTRAUTH_GENERIC			172
#define KVM_CAP_ARM_IRQ_LINE_LAYOUT_2			174
#define KVM_CAP_ARM_NISV_TO_USER			177
#define KVM_CAP_ARM_INJECT_EXT_DABT			178
#define KVM_CAP_PTP_KVM					198
#define KVM_CAP_ARM_MTE					205
#define KVM_CAP_ARM_SYSTEM_SUSPEND			216

/* MIPS */
#define KVM_CAP_MIPS_FPU				111
#define KVM_CAP_MIPS_MSA				112
#define KVM_CAP_MIPS_VZ					137
#define KVM_CAP_MIPS_TE					138
#define KVM_CAP_MIPS_64BIT				139
/*
 * KVM_ENABLE_CAP, on a VM fd or a vCPU fd. What args[] mean is up to the
 * capability; flags must be 0.
 */
struct kvm_enable_cap {
	__u32 cap;
	__u32 flags;
	__u64 args[4];
	__u8 pad[64];
};

/* args[0] of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
#define KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE	(1 << 0)
#define KVM_DIRTY_LOG_INITIALLY_SET		(1 << 1)

/* args[0] of KVM_CAP_PMU_CAPABILITY */
#define KVM_PMU_CAP_DISABLE	(1 << 0)

/* args[0] of KVM_CAP_X86_USER_SPACE_MSR, and kvm_run.msr.reason: why userspace is asked. */
#define KVM_MSR_EXIT_REASON_INVAL	(1 << 0)	/* the access would end in #GP */
#define KVM_MSR_EXIT_REASON_UNKNOWN	(1 << 1)	/* no such MSR is known */
#define KVM_MSR_EXIT_REASON_FILTER	(1 << 2)	/* the MSR filter says no */

/* ---- struct kvm_run: what KVM_RUN and its caller tell each other ---- */

/* kvm_run.exit_reason */
#define KVM_EXIT_UNKNOWN		0	/* hw */
#define KVM_EXIT_EXCEPTION		1	/* ex */
#define KVM_EXIT_IO			2	/* io */
#define KVM_EXIT_HYPERCALL		3	/* hypercall */
#define KVM_EXIT_DEBUG			4	/* debug */
#define KVM_EXIT_HLT			5
#define KVM_EXIT_MMIO			6	/* mmio */
#define KVM_EXIT_IRQ_WINDOW_OPEN	7
#define KVM_EXIT_SHUTDOWN		8	/* triple fault */
#define KVM_EXIT_FAIL_ENTRY		9	/* fail_entry */
#define KVM_EXIT_INTR			10	/* KVM_RUN itself fails with EINTR */
#define KVM_EXIT_SET_TPR		11
#define KVM_EXIT_TPR_ACCESS		12	/* tpr_access */
#define KVM_EXIT_NMI			16
#define KVM_EXIT_INTERNAL_ERROR		17	/* internal, emulation_failure */
#define KVM_EXIT_WATCHDOG		21
#define KVM_EXIT_SYSTEM_EVENT		24	/* system_event */
#define KVM_EXIT_IOAPIC_EOI		26	/* eoi */
#define KVM_EXIT_HYPERV			27	/* hyperv */
#define KVM_EXIT_X86_RDMSR		29	/* msr */
#define KVM_EXIT_X86_WRMSR		30	/* msr */
#define KVM_EXIT_DIRTY_RING_FULL	31
#define KVM_EXIT_AP_RESET_HOLD		32
#define KVM_EXIT_X86_BUS_LOCK		33
#define KVM_EXIT_XEN			34	/* xen */
#define KVM_EXIT_NOTIFY			37	/* notify */

/* Reasons that no x86 vCPU gives. */
#define KVM_EXIT_S390_SIEIC		13
#define KVM_EXIT_S390_RESET		14
#define KVM_EXIT_DCR			15
#define KVM_EXIT_OSI			18
#define KVM_EXIT_PAPR_HCALL		19
#define KVM_EXIT_S390_UCONTROL		20
#define KVM_EXIT_S390_TSCH		22
#define KVM_EXIT_EPR			23
#define KVM_EXIT_S390_STSI		25
#define KVM_EXIT_ARM_NISV		28
#define KVM_EXIT_RISCV_SBI		35
#define KVM_EXIT_RISCV_CSR		36

/* kvm_run.io.direction, as the guest sees it */
#define KVM_EXIT_IO_IN	0
#define KVM_EXIT_IO_OUT	1

/* kvm_run.internal.suberror */
#define KVM_INTERNAL_ERROR_EMULATION			1	/* cannot be emulated */
#define KVM_INTERNAL_ERROR_SIMUL_EX			2
#define KVM_INTERNAL_ERROR_DELIVERY_EV			3	/* odd exit during a delivery */
#define KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON	4

/* kvm_run.emulation_failure.flags: insn_size and insn_bytes are filled in. */
#define KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES	(1ULL << 0)

/* kvm_run.system_event.type */
#define KVM_SYSTEM_EVENT_SHUTDOWN	1
#define KVM_SYSTEM_EVENT_RESET		2
#define KVM_SYSTEM_EVENT_CRASH		3
#define KVM_SYSTEM_EVENT_WAKEUP		4
#define KVM_SYSTEM_EVENT_SUSPEND	5
#define KVM_SYSTEM_EVENT_SEV_TERM	6

/* kvm_run.notify.flags: the VMCS is damaged, the guest cannot go on. */
#define KVM_NOTIFY_CONTEXT_INVALID	(1 << 0)

#define SYNC_REGS_SIZE_BYTES	2048

/*
 * Page 0 of the mapping of a vCPU fd; KVM_GET_VCPU_MMAP_SIZE is the length of
 * the whole mapping. Fields marked in are read when KVM_RUN starts, fields
 * marked out are written before it returns.
 */
struct kvm_run {
	__u8 request_interrupt_window;	/* in: exit as soon as an interrupt can be taken */
	__u8 immediate_exit;		/* in: finish what is in flight, then EINTR */
	__u8 padding1[6];

	__u32 exit_reason;		/* out */
	__u8 ready_for_interrupt_injection;	/* out: KVM_INTERRUPT would be taken at once */
	__u8 if_flag;			/* out: RFLAGS.IF */
	__u16 flags;			/* out: KVM_RUN_X86_* */

	__u64 cr8;			/* in and out, without an in-kernel local APIC */
	__u64 apic_base;		/* out: IA32_APIC_BASE */

	union {
		/* KVM_EXIT_UNKNOWN: the processor's exit code, which nothing handles */
		struct {
			__u64 hardware_exit_reason;
		} hw;
		/* KVM_EXIT_FAIL_ENTRY: the processor refused the guest's state */
		struct {
			__u64 hardware_entry_failure_reason;
			__u32 cpu;
		} fail_entry;
		/* KVM_EXIT_EXCEPTION */
		struct {
			__u32 exception;
			__u32 error_code;
		} ex;
		/* KVM_EXIT_IO: count items of size bytes, data_offset bytes into the mapping */
		struct {
			__u8 direction;
			__u8 size;
			__u16 port;
			__u32 count;
			__u64 data_offset;
		} io;
		/* KVM_EXIT_DEBUG */
		struct {
			struct kvm_debug_exit_arch arch;
		} debug;
		/* KVM_EXIT_MMIO: a read's data[] is taken up by the next KVM_RUN */
		struct {
			__u64 phys_addr;
			__u8 data[8];
			__u32 len;
			__u8 is_write;
		} mmio;
		/* KVM_EXIT_HYPERCALL: ret is the caller's answer */
		struct {
			__u64 nr;
			__u64 args[6];
			__u64 ret;
			__u32 longmode;
			__u32 pad;
		} hypercall;
		/* KVM_EXIT_TPR_ACCESS */
		struct {
			__u64 rip;
			__u32 is_write;
			__u32 pad;
		} tpr_access;
		/* KVM_EXIT_INTERNAL_ERROR */
		struct {
			__u32 suberror;
			__u32 ndata;
			__u64 data[16];
		} internal;
		/* the same, for KVM_INTERNAL_ERROR_EMULATION; ndata counts from flags on */
		struct {
			__u32 suberror;
			__u32 ndata;
			__u64 flags;
			union {
				struct {
					__u8 insn_size;
					__u8 insn_bytes[15];
				};
			};
		} emulation_failure;
		/* KVM_EXIT_SYSTEM_EVENT */
		struct {
			__u32 type;
			__u32 ndata;
			union {
				__u64 flags;
				__u64 data[16];
			};
		} system_event;
		/* KVM_EXIT_IOAPIC_EOI: with a split irqchip */
		struct {
			__u8 vector;
		} eoi;
		/* KVM_EXIT_X86_RDMSR, KVM_EXIT_X86_WRMSR: error is the caller's, 1 gives #GP */
		struct {
			__u8 error;
			__u8 pad[7];
			__u32 reason;
			__u32 index;
			__u64 data;
		} msr;
		/* KVM_EXIT_NOTIFY */
		struct {
			__u32 flags;
		} notify;
		struct kvm_hyperv_exit hyperv;
		struct kvm_xen_exit xen;
		char padding[256];
	};

	/* in, KVM_SYNC_X86_*: groups to be written to s.regs at each exit */
	__u64 kvm_valid_regs;
	/* in and out: groups in s.regs to be loaded by the next KVM_RUN, which clears them */
	__u64 kvm_dirty_regs;
	union {
		struct kvm_sync_regs regs;
		char padding[SYNC_REGS_SIZE_BYTES];
	} s;
};

/* ---- ioctls of /dev/kvm ---- */

#define KVM_GET_API_VERSION	_IO(KVMIO, 0x00)
#define KVM_CREATE_VM		_IO(KVMIO, 0x01)	/* argument: type, 0; returns an fd */
#define KVM_CHECK_EXTENSION	_IO(KVMIO, 0x03)	/* of a VM fd as well */
#define KVM_GET_VCPU_MMAP_SIZE	_IO(KVMIO, 0x04)	/* bytes */
#define KVM_GET_SUPPORTED_CPUID	_IOWR(KVMIO, 0x05, struct kvm_cpuid2)
#define KVM_GET_EMULATED_CPUID	_IOWR(KVMIO, 0x09, struct kvm_cpuid2)
#define KVM_GET_SUPPORTED_HV_CPUID	_IOWR(KVMIO, 0xc1, struct kvm_cpuid2)
#define KVM_GET_MSR_INDEX_LIST		_IOWR(KVMIO, 0x02, struct kvm_msr_list)
#define KVM_GET_MSR_FEATURE_INDEX_LIST	_IOWR(KVMIO, 0x0a, struct kvm_msr_list)
#define KVM_X86_GET_MCE_CAP_SUPPORTED	_IOR(KVMIO, 0x9d, __u64)

/* ---- ioctls of a VM: memory ---- */

/* kvm_userspace_memory_region.flags */
#define KVM_MEM_LOG_DIRTY_PAGES	(1UL << 0)
#define KVM_MEM_READONLY	(1UL << 1)	/* guest writes become KVM_EXIT_MMIO */

/* KVM_SET_USER_MEMORY_REGION: create, move or re-flag a slot; a size of 0 deletes it. */
struct kvm_userspace_memory_region {
	__u32 slot;		/* bits 0..15 number, 16..31 address space */
	__u32 flags;
	__u64 guest_phys_addr;	/* page aligned, as the two below */
	__u64 memory_size;	/* bytes */
	__u64 userspace_addr;
};

/* KVM_GET_DIRTY_LOG: a bit a page of the slot, the lowest page in bit 0. */
struct kvm_dirty_log {
	__u32 slot;
	__u32 padding1;
	union {
		void *dirty_bitmap;
		__u64 padding2;
	};
};

/* KVM_CLEAR_DIRTY_LOG: first_page is a multiple of 64, num_pages too but at the slot's end. */
struct kvm_clear_dirty_log {
	__u32 slot;
	__u32 num_pages;
	__u64 first_page;
	union {
		void *dirty_bitmap;
		__u64 padding2;
	};
};

/* kvm_dirty_gfn.flags: set by the kernel; set by userspace once it has collected the entry */
#define KVM_DIRTY_GFN_F_DIRTY	_BITUL(0)
#define KVM_DIRTY_GFN_F_RESET	_BITUL(1)
#define KVM_DIRTY_GFN_F_MASK	0x3

/* Entry of the ring at KVM_DIRTY_LOG_PAGE_OFFSET; offset counts pages into the slot. */
struct kvm_dirty_gfn {
	__u32 flags;
	__u32 slot;
	__u64 offset;
};

#define KVM_SET_USER_MEMORY_REGION	_IOW(KVMIO, 0x46, struct kvm_userspace_memory_region)
#define KVM_GET_DIRTY_LOG		_IOW(KVMIO, 0x42, struct kvm_dirty_log)
#define KVM_CLEAR_DIRTY_LOG		_IOWR(KVMIO, 0xc0, struct kvm_clear_dirty_log)
#define KVM_RESET_DIRTY_RINGS		_IO(KVMIO, 0xc7)
#define KVM_SET_NR_MMU_PAGES		_IO(KVMIO, 0x44)
#define KVM_GET_NR_MMU_PAGES		_IO(KVMIO, 0x45)
#define KVM_SET_TSS_ADDR		_IO(KVMIO, 0x47)	/* three guest-physical pages */
#define KVM_SET_IDENTITY_MAP_ADDR	_IOW(KVMIO, 0x48, __u64)	/* one */

/* ---- ioctls of a VM: vCPUs, time, policy ---- */

/* kvm_clock_data.flags */
#define KVM_CLOCK_TSC_STABLE	2	/* get: all vCPUs see one clock */
#define KVM_CLOCK_REALTIME	(1 << 2)	/* realtime is valid */
#define KVM_CLOCK_HOST_TSC	(1 << 3)	/* host_tsc is valid */

/* KVM_SET_CLOCK, KVM_GET_CLOCK: kvmclock, ns since the VM began. */
struct kvm_clock_data {
	__u64 clock;
	__u32 flags;
	__u32 pad0;
	__u64 realtime;		/* ns, CLOCK_REALTIME at the same instant */
	__u64 host_tsc;		/* ticks, at the same instant */
	__u32 pad[4];
};

#define KVM_CREATE_VCPU		_IO(KVMIO, 0x41)	/* argument: its id; returns an fd */
#define KVM_SET_BOOT_CPU_ID	_IO(KVMIO, 0x78)
#define KVM_ENABLE_CAP		_IOW(KVMIO, 0xa3, struct kvm_enable_cap)	/* of a vCPU too */
#define KVM_SET_CLOCK		_IOW(KVMIO, 0x7b, struct kvm_clock_data)
#define KVM_GET_CLOCK		_IOR(KVMIO, 0x7c, struct kvm_clock_data)
#define KVM_SET_TSC_KHZ		_IO(KVMIO, 0xa2)	/* of a vCPU too */
#define KVM_GET_TSC_KHZ		_IO(KVMIO, 0xa3)	/* of a vCPU too */
#define KVM_X86_SET_MSR_FILTER	_IOW(KVMIO, 0xc6, struct kvm_msr_filter)
#define KVM_SET_PMU_EVENT_FILTER	_IOW(KVMIO, 0xb2, struct kvm_pmu_event_filter)

/* ---- ioctls of a VM: in-kernel interrupt controllers and timer ---- */

/* KVM_IRQ_LINE; KVM_IRQ_LINE_STATUS gives the outcome back in status. */
struct kvm_irq_level {
	union {
		__u32 irq;	/* GSI */
		__s32 status;	/* <0 ignored, 0 merged with one still pending, >0 vCPUs reached */
	};
	__u32 level;
};

/* KVM_GET_IRQCHIP, KVM_SET_IRQCHIP */
struct kvm_irqchip {
	__u32 chip_id;		/* KVM_IRQCHIP_* */
	__u32 pad;
	union {
		char dummy[512];
		struct kvm_pic_state pic;
		struct kvm_ioapic_state ioapic;
	} chip;
};

/* kvm_pit_config.flags: port 0x61 is answered in the kernel. */
#define KVM_PIT_SPEAKER_DUMMY	1

/* KVM_CREATE_PIT2 */
struct kvm_pit_config {
	__u32 flags;
	__u32 pad[15];
};

/* kvm_msi.flags: devid counts. */
#define KVM_MSI_VALID_DEVID	(1U << 0)

/* KVM_SIGNAL_MSI */
struct kvm_msi {
	__u32 address_lo;
	__u32 address_hi;
	__u32 data;
	__u32 flags;
	__u32 devid;
	__u8 pad[12];
};

/* kvm_irq_routing_entry.type, and the member of u that goes with it */
#define KVM_IRQ_ROUTING_IRQCHIP		1
#define KVM_IRQ_ROUTING_MSI		2
#define KVM_IRQ_ROUTING_S390_ADAPTER	3
#define KVM_IRQ_ROUTING_HV_SINT		4
#define KVM_IRQ_ROUTING_XEN_EVTCHN	5

struct kvm_irq_routing_irqchip {
	__u32 irqchip;		/* KVM_IRQCHIP_* */
	__u32 pin;
};

struct kvm_irq_routing_msi {
	__u32 address_lo;
	__u32 address_hi;
	__u32 data;
	union {
		__u32 pad;
		__u32 devid;
	};
};

/* The next three are refused; VMMs name them in code that all machines share. */
struct kvm_irq_routing_s390_adapter {
	__u64 ind_addr;
	__u64 summary_addr;
	__u64 ind_offset;
	__u32 summary_offset;
	__u32 adapter_id;
};

struct kvm_irq_routing_hv_sint {
	__u32 vcpu;
	__u32 sint;
};

#define KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL	((__u32)(-1))

struct kvm_irq_routing_xen_evtchn {
	__u32 port;
	__u32 vcpu;
	__u32 priority;
};

struct kvm_irq_routing_entry {
	__u32 gsi;
	__u32 type;
	__u32 flags;
	__u32 pad;
	union {
		struct kvm_irq_routing_irqchip irqchip;
		struct kvm_irq_routing_msi msi;
		struct kvm_irq_routing_s390_adapter adapter;
		struct kvm_irq_routing_hv_sint hv_sint;
		struct kvm_irq_routing_xen_evtchn xen_evtchn;
		__u32 pad[8];
	} u;
};

/* KVM_SET_GSI_ROUTING: the new table as a whole. */
struct kvm_irq_routing {
	__u32 nr;
	__u32 flags;
	__DECLARE_FLEX_ARRAY(struct kvm_irq_routing_entry, entries);
};

#define KVM_CREATE_IRQCHIP	_IO(KVMIO, 0x60)
#define KVM_IRQ_LINE		_IOW(KVMIO, 0x61, struct kvm_irq_level)
#define KVM_IRQ_LINE_STATUS	_IOWR(KVMIO, 0x67, struct kvm_irq_level)
#define KVM_GET_IRQCHIP		_IOWR(KVMIO, 0x62, struct kvm_irqchip)
#define KVM_SET_IRQCHIP		_IOR(KVMIO, 0x63, struct kvm_irqchip)
#define KVM_SET_GSI_ROUTING	_IOW(KVMIO, 0x6a, struct kvm_irq_routing)
#define KVM_SIGNAL_MSI		_IOW(KVMIO, 0xa5, struct kvm_msi)
#define KVM_CREATE_PIT		_IO(KVMIO, 0x64)
#define KVM_CREATE_PIT2		_IOW(KVMIO, 0x77, struct kvm_pit_config)
#define KVM_GET_PIT		_IOWR(KVMIO, 0x65, struct kvm_pit_state)
#define KVM_SET_PIT		_IOR(KVMIO, 0x66, struct kvm_pit_state)
#define KVM_GET_PIT2		_IOR(KVMIO, 0x9f, struct kvm_pit_state2)
#define KVM_SET_PIT2		_IOW(KVMIO, 0xa0, struct kvm_pit_state2)
#define KVM_REINJECT_CONTROL	_IO(KVMIO, 0x71)	/* struct kvm_reinject_control * */

/* ---- ioctls of a VM: eventfds, coalesced writes, devices ---- */

/* kvm_irqfd.flags */
#define KVM_IRQFD_FLAG_DEASSIGN	(1 << 0)
#define KVM_IRQFD_FLAG_RESAMPLE	(1 << 1)	/* level-triggered; resamplefd is told of the EOI */

/* KVM_IRQFD: a signal of fd raises gsi. */
struct kvm_irqfd {
	__u32 fd;
	__u32 gsi;
	__u32 flags;
	__u32 resamplefd;
	__u8 pad[16];
};

/* Bit numbers of kvm_ioeventfd.flags. */
enum {
	kvm_ioeventfd_flag_nr_datamatch = 0,
	kvm_ioeventfd_flag_nr_pio = 1,
	kvm_ioeventfd_flag_nr_deassign = 2,
	kvm_ioeventfd_flag_nr_virtio_ccw_notify = 3,
	kvm_ioeventfd_flag_nr_fast_mmio = 4,
	kvm_ioeventfd_flag_nr_max = 5,
};

#define KVM_IOEVENTFD_FLAG_DATAMATCH	(1 << kvm_ioeventfd_flag_nr_datamatch)
#define KVM_IOEVENTFD_FLAG_PIO		(1 << kvm_ioeventfd_flag_nr_pio)
#define KVM_IOEVENTFD_FLAG_DEASSIGN	(1 << kvm_ioeventfd_flag_nr_deassign)
#define KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY	(1 << kvm_ioeventfd_flag_nr_virtio_ccw_notify)
#define KVM_IOEVENTFD_VALID_FLAG_MASK	((1 << kvm_ioeventfd_flag_nr_max) - 1)

/* KVM_IOEVENTFD: a guest write of len bytes at addr signals fd and does not exit. */
struct kvm_ioeventfd {
	__u64 datamatch;
	__u64 addr;
	__u32 len;		/* 1, 2, 4, 8; 0 is any */
	__s32 fd;
	__u32 flags;
	__u8 pad[36];
};

/* KVM_REGISTER_COALESCED_MMIO: guest writes here are queued in the ring, without an exit. */
struct kvm_coalesced_mmio_zone {
	__u64 addr;
	__u32 size;
	union {
		__u32 pad;
		__u32 pio;	/* 1: ports */
	};
};

struct kvm_coalesced_mmio {
	__u64 phys_addr;
	__u32 len;
	union {
		__u32 pad;
		__u32 pio;
	};
	__u8 data[8];
};

/* The page at KVM_COALESCED_MMIO_PAGE_OFFSET: userspace moves first, the kernel last. */
struct kvm_coalesced_mmio_ring {
	__u32 first;
	__u32 last;
	__DECLARE_FLEX_ARRAY(struct kvm_coalesced_mmio, coalesced_mmio);
};

#define KVM_COALESCED_MMIO_MAX	\
	((PAGE_SIZE - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio))

/* kvm_create_device.type; the numbers between belong to other architectures. */
enum kvm_device_type {
	KVM_DEV_TYPE_VFIO = 4,
#define KVM_DEV_TYPE_VFIO	KVM_DEV_TYPE_VFIO
	KVM_DEV_TYPE_MAX = 11,
};

/* kvm_create_device.flags: only say whether it could be created. */
#define KVM_CREATE_DEVICE_TEST	1

/* KVM_CREATE_DEVICE: fd is written by the kernel. */
struct kvm_create_device {
	__u32 type;
	__u32 fd;
	__u32 flags;
};

/* KVM_SET_DEVICE_ATTR, KVM_GET_DEVICE_ATTR, KVM_HAS_DEVICE_ATTR, on any KVM fd. */
struct kvm_device_attr {
	__u32 flags;
	__u32 group;
	__u64 attr;
	__u64 addr;		/* of the value, in userspace */
};

/* The VFIO device: its group, and the attributes in that. */
#define KVM_DEV_VFIO_GROUP	1
#define KVM_DEV_VFIO_GROUP_ADD	1
#define KVM_DEV_VFIO_GROUP_DEL	2

/* kvm_hyperv_eventfd.conn_id and .flags */
#define KVM_HYPERV_CONN_ID_MASK		0x00ffffff
#define KVM_HYPERV_EVENTFD_DEASSIGN	(1 << 0)

/* KVM_HYPERV_EVENTFD: refused; VMMs that are built once for every host name it. */
struct kvm_hyperv_eventfd {
	__u32 conn_id;
	__s32 fd;
	__u32 flags;
	__u32 padding[3];
};

#define KVM_IRQFD			_IOW(KVMIO, 0x76, struct kvm_irqfd)
#define KVM_IOEVENTFD			_IOW(KVMIO, 0x79, struct kvm_ioeventfd)
#define KVM_REGISTER_COALESCED_MMIO	_IOW(KVMIO, 0x67, struct kvm_coalesced_mmio_zone)
#define KVM_UNREGISTER_COALESCED_MMIO	_IOW(KVMIO, 0x68, struct kvm_coalesced_mmio_zone)
#define KVM_CREATE_DEVICE		_IOWR(KVMIO, 0xe0, struct kvm_create_device)
#define KVM_SET_DEVICE_ATTR		_IOW(KVMIO, 0xe1, struct kvm_device_attr)
#define KVM_GET_DEVICE_ATTR		_IOW(KVMIO, 0xe2, struct kvm_device_attr)
#define KVM_HAS_DEVICE_ATTR		_IOW(KVMIO, 0xe3, struct kvm_device_attr)
#define KVM_HYPERV_EVENTFD		_IOW(KVMIO, 0xbd, struct kvm_hyperv_eventfd)

/* ---- ioctls of a VM or a vCPU: the binary statistics fd ---- */

/* At offset 0 of the fd; the offsets count bytes from there. */
struct kvm_stats_header {
	__u32 flags;
	__u32 name_size;	/* bytes in each descriptor's name */
	__u32 num_desc;
	__u32 id_offset;
	__u32 desc_offset;
	__u32 data_offset;
};

/* kvm_stats_desc.flags: three fields of four bits, type, unit and base. */
#define KVM_STATS_TYPE_SHIFT		0
#define KVM_STATS_TYPE_MASK		(0xF << KVM_STATS_TYPE_SHIFT)
#define KVM_STATS_TYPE_CUMULATIVE	(0x0 << KVM_STATS_TYPE_SHIFT)
#define KVM_STATS_TYPE_INSTANT		(0x1 << KVM_STATS_TYPE_SHIFT)
#define KVM_STATS_TYPE_PEAK		(0x2 << KVM_STATS_TYPE_SHIFT)
#define KVM_STATS_TYPE_LINEAR_HIST	(0x3 << KVM_STATS_TYPE_SHIFT)
#define KVM_STATS_TYPE_LOG_HIST		(0x4 << KVM_STATS_TYPE_SHIFT)
#define KVM_STATS_TYPE_MAX		KVM_STATS_TYPE_LOG_HIST

#define KVM_STATS_UNIT_SHIFT		4
#define KVM_STATS_UNIT_MASK		(0xF << KVM_STATS_UNIT_SHIFT)
#define KVM_STATS_UNIT_NONE		(0x0 << KVM_STATS_UNIT_SHIFT)
#define KVM_STATS_UNIT_BYTES		(0x1 << KVM_STATS_UNIT_SHIFT)
#define KVM_STATS_UNIT_SECONDS		(0x2 << KVM_STATS_UNIT_SHIFT)
#define KVM_STATS_UNIT_CYCLES		(0x3 << KVM_STATS_UNIT_SHIFT)
#define KVM_STATS_UNIT_BOOLEAN		(0x4 << KVM_STATS_UNIT_SHIFT)
#define KVM_STATS_UNIT_MAX		KVM_STATS_UNIT_BOOLEAN

#define KVM_STATS_BASE_SHIFT		8
#define KVM_STATS_BASE_MASK		(0xF << KVM_STATS_BASE_SHIFT)
#define KVM_STATS_BASE_POW10		(0x0 << KVM_STATS_BASE_SHIFT)
#define KVM_STATS_BASE_POW2		(0x1 << KVM_STATS_BASE_SHIFT)
#define KVM_STATS_BASE_MAX		KVM_STATS_BASE_POW2

/* One statistic: size values of 8 bytes, to be multiplied by base to the power exponent. */
struct kvm_stats_desc {
	__u32 flags;
	__s16 exponent;
	__u16 size;
	__u32 offset;		/* bytes from the header's data_offset */
	__u32 bucket_size;	/* of a linear histogram */
	__DECLARE_FLEX_ARRAY(char, name);
};

#define KVM_GET_STATS_FD	_IO(KVMIO, 0xce)

/* ---- ioctls of a vCPU: running ---- */

/* KVM_INTERRUPT: without an in-kernel controller. */
struct kvm_interrupt {
	__u32 irq;		/* vector */
};

/* KVM_SET_SIGNAL_MASK: the mask while in KVM_RUN; a null pointer takes it away. */
struct kvm_signal_mask {
	__u32 len;		/* 8 */
	__DECLARE_FLEX_ARRAY(__u8, sigset);
};

#define KVM_RUN			_IO(KVMIO, 0x80)
#define KVM_SET_SIGNAL_MASK	_IOW(KVMIO, 0x8b, struct kvm_signal_mask)
#define KVM_INTERRUPT		_IOW(KVMIO, 0x86, struct kvm_interrupt)
#define KVM_NMI			_IO(KVMIO, 0x9a)
#define KVM_SMI			_IO(KVMIO, 0xb7)
#define KVM_KVMCLOCK_CTRL	_IO(KVMIO, 0xad)	/* tell the guest that it was paused */

/* ---- ioctls of a vCPU: registers ---- */

#define KVM_GET_REGS		_IOR(KVMIO, 0x81, struct kvm_regs)
#define KVM_SET_REGS		_IOW(KVMIO, 0x82, struct kvm_regs)
#define KVM_GET_SREGS		_IOR(KVMIO, 0x83, struct kvm_sregs)
#define KVM_SET_SREGS		_IOW(KVMIO, 0x84, struct kvm_sregs)
#define KVM_GET_SREGS2		_IOR(KVMIO, 0xcc, struct kvm_sregs2)
#define KVM_SET_SREGS2		_IOW(KVMIO, 0xcd, struct kvm_sregs2)
#define KVM_GET_DEBUGREGS	_IOR(KVMIO, 0xa1, struct kvm_debugregs)
#define KVM_SET_DEBUGREGS	_IOW(KVMIO, 0xa2, struct kvm_debugregs)
#define KVM_GET_FPU		_IOR(KVMIO, 0x8c, struct kvm_fpu)
#define KVM_SET_FPU		_IOW(KVMIO, 0x8d, struct kvm_fpu)
#define KVM_GET_XSAVE		_IOR(KVMIO, 0xa4, struct kvm_xsave)
#define KVM_GET_XSAVE2		_IOR(KVMIO, 0xcf, struct kvm_xsave)
#define KVM_SET_XSAVE		_IOW(KVMIO, 0xa5, struct kvm_xsave)
#define KVM_GET_XCRS		_IOR(KVMIO, 0xa6, struct kvm_xcrs)
#define KVM_SET_XCRS		_IOW(KVMIO, 0xa7, struct kvm_xcrs)
#define KVM_GET_MSRS		_IOWR(KVMIO, 0x88, struct kvm_msrs)	/* of /dev/kvm too */
#define KVM_SET_MSRS		_IOW(KVMIO, 0x89, struct kvm_msrs)
#define KVM_SET_CPUID		_IOW(KVMIO, 0x8a, struct kvm_cpuid)
#define KVM_SET_CPUID2		_IOW(KVMIO, 0x90, struct kvm_cpuid2)
#define KVM_GET_CPUID2		_IOWR(KVMIO, 0x91, struct kvm_cpuid2)
#define KVM_GET_NESTED_STATE	_IOWR(KVMIO, 0xbe, struct kvm_nested_state)
#define KVM_SET_NESTED_STATE	_IOW(KVMIO, 0xbf, struct kvm_nested_state)

/* ---- ioctls of a vCPU: events, run state, local APIC, debugging, translation ---- */

/* kvm_mp_state.mp_state */
#define KVM_MP_STATE_RUNNABLE		0
#define KVM_MP_STATE_UNINITIALIZED	1	/* waits for INIT */
#define KVM_MP_STATE_INIT_RECEIVED	2	/* waits for SIPI */
#define KVM_MP_STATE_HALTED		3
#define KVM_MP_STATE_SIPI_RECEIVED	4	/* starts at the vector in vcpu_events */
#define KVM_MP_STATE_AP_RESET_HOLD	9
/* of other architectures */
#define KVM_MP_STATE_STOPPED		5
#define KVM_MP_STATE_CHECK_STOP		6
#define KVM_MP_STATE_OPERATING		7
#define KVM_MP_STATE_LOAD		8
#define KVM_MP_STATE_SUSPENDED		10

/* KVM_GET_MP_STATE, KVM_SET_MP_STATE */
struct kvm_mp_state {
	__u32 mp_state;
};

/* kvm_guest_debug.control, the lower 16 bits; the upper are in <asm/kvm.h>. */
#define KVM_GUESTDBG_ENABLE	0x00000001
#define KVM_GUESTDBG_SINGLESTEP	0x00000002

/* KVM_SET_GUEST_DEBUG */
struct kvm_guest_debug {
	__u32 control;
	__u32 pad;
	struct kvm_guest_debug_arch arch;
};

/* KVM_TRANSLATE: walks the guest's own page tables. */
struct kvm_translation {
	__u64 linear_address;	/* in */
	__u64 physical_address;	/* out, as all below */
	__u8 valid;
	__u8 writeable;
	__u8 usermode;
	__u8 pad[5];
};

/* KVM_TPR_ACCESS_REPORTING: in and out; flags and reserved must be 0. */
struct kvm_tpr_access_ctl {
	__u32 enabled;
	__u32 flags;
	__u32 reserved[8];
};

/* KVM_SET_VAPIC_ADDR: guest-physical, 0 for none. */
struct kvm_vapic_addr {
	__u64 vapic_addr;
};

/* KVM_X86_SET_MCE: one machine check, as bank's registers would show it. */
struct kvm_x86_mce {
	__u64 status;
	__u64 addr;
	__u64 misc;
	__u64 mcg_status;
	__u8 bank;
	__u8 pad1[7];
	__u64 pad2[3];
};

#define KVM_GET_VCPU_EVENTS	_IOR(KVMIO, 0x9f, struct kvm_vcpu_events)
#define KVM_SET_VCPU_EVENTS	_IOW(KVMIO, 0xa0, struct kvm_vcpu_events)
#define KVM_GET_MP_STATE	_IOR(KVMIO, 0x98, struct kvm_mp_state)
#define KVM_SET_MP_STATE	_IOW(KVMIO, 0x99, struct kvm_mp_state)
#define KVM_GET_LAPIC		_IOR(KVMIO, 0x8e, struct kvm_lapic_state)
#define KVM_SET_LAPIC		_IOW(KVMIO, 0x8f, struct kvm_lapic_state)
#define KVM_SET_GUEST_DEBUG	_IOW(KVMIO, 0x9b, struct kvm_guest_debug)
#define KVM_TRANSLATE		_IOWR(KVMIO, 0x85, struct kvm_translation)
#define KVM_TPR_ACCESS_REPORTING	_IOWR(KVMIO, 0x92, struct kvm_tpr_access_ctl)
#define KVM_SET_VAPIC_ADDR	_IOW(KVMIO, 0x93, struct kvm_vapic_addr)
#define KVM_X86_SETUP_MCE	_IOW(KVMIO, 0x9c, __u64)	/* MCG_CAP: banks, features */
#define KVM_X86_SET_MCE		_IOW(KVMIO, 0x9e, struct kvm_x86_mce)

/* ---- registers by number: no x86 vCPU has any, VMMs name the calls all the same ---- */

/* kvm_one_reg.id: architecture in bits 60..63, log2 of the size in bytes in 52..55. */
#define KVM_REG_ARCH_MASK	0xff00000000000000ULL
#define KVM_REG_GENERIC		0x0000000000000000ULL
#define KVM_REG_X86		0x2000000000000000ULL

#define KVM_REG_SIZE_SHIFT	52
#define KVM_REG_SIZE_MASK	0x00f0000000000000ULL
#define KVM_REG_SIZE_U8		0x0000000000000000ULL
#define KVM_REG_SIZE_U16	0x0010000000000000ULL
#define KVM_REG_SIZE_U32	0x0020000000000000ULL
#define KVM_REG_SIZE_U64	0x0030000000000000ULL
#define KVM_REG_SIZE_U128	0x0040000000000000ULL
#define KVM_REG_SIZE_U256	0x0050000000000000ULL
#define KVM_REG_SIZE_U512	0x0060000000000000ULL
#define KVM_REG_SIZE_U1024	0x0070000000000000ULL
#define KVM_REG_SIZE_U2048	0x0080000000000000ULL

struct kvm_one_reg {
	__u64 id;
	__u64 addr;		/* of the value, in userspace */
};

/* KVM_GET_REG_LIST. In: room in reg[]; out: how many there are. */
struct kvm_reg_list {
	__u64 n;
	__DECLARE_FLEX_ARRAY(__u64, reg);
};

#define KVM_GET_ONE_REG		_IOW(KVMIO, 0xab, struct kvm_one_reg)
#define KVM_SET_ONE_REG		_IOW(KVMIO, 0xac, struct kvm_one_reg)
#define KVM_GET_REG_LIST	_IOWR(KVMIO, 0xb0, struct kvm_reg_list)

#endif /* __LINUX_KVM_H */
