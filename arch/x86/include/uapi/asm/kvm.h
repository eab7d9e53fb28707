/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The x86 half of the /dev/kvm ABI: the state of one vCPU as userspace reads
 * and writes it, then the in-kernel interrupt controllers and timer, then
 * x86-only policy (MSR filter, PMU filter, quirks).
 *
 * Names, numbers and layouts are those of Linux 6.1 and never change. The ioctl
 * that carries a struct is defined in <linux/kvm.h>; what a field does to the
 * guest is told in Documentation/virt/kvm/api.rst and events.rst.
 */
#ifndef _ASM_X86_KVM_H
#define _ASM_X86_KVM_H

#include <linux/ioctl.h>
#include <linux/stddef.h>
#include <linux/types.h>

/* Feature-test macros: what this architecture fills in of <linux/kvm.h>. */
#define __KVM_HAVE_DEBUGREGS
#define __KVM_HAVE_GUEST_DEBUG
#define __KVM_HAVE_IOAPIC
#define __KVM_HAVE_IRQ_LINE
#define __KVM_HAVE_MCE
#define __KVM_HAVE_MSI
#define __KVM_HAVE_MSIX
#define __KVM_HAVE_PIT
#define __KVM_HAVE_PIT_STATE2
#define __KVM_HAVE_READONLY_MEM
#define __KVM_HAVE_USER_NMI
#define __KVM_HAVE_VCPU_EVENTS
#define __KVM_HAVE_XCRS
#define __KVM_HAVE_XSAVE

/* ---- mmap offsets of a vCPU fd, in pages; struct kvm_run is page 0 ---- */

#define KVM_PIO_PAGE_OFFSET		1
#define KVM_COALESCED_MMIO_PAGE_OFFSET	2
#define KVM_DIRTY_LOG_PAGE_OFFSET	64

/* ---- registers ---- */

/* KVM_GET_REGS, KVM_SET_REGS: general registers, at full width in every mode. */
struct kvm_regs {
	__u64 rax;
	__u64 rbx;
	__u64 rcx;
	__u64 rdx;
	__u64 rsi;
	__u64 rdi;
	__u64 rsp;
	__u64 rbp;
	__u64 r8;
	__u64 r9;
	__u64 r10;
	__u64 r11;
	__u64 r12;
	__u64 r13;
	__u64 r14;
	__u64 r15;
	__u64 rip;
	__u64 rflags;
};

/* A segment register with its hidden part, one attribute a byte. */
struct kvm_segment {
	__u64 base;
	__u32 limit;		/* in bytes, granularity already applied */
	__u16 selector;
	__u8 type;		/* the descriptor's four type bits */
	__u8 present;
	__u8 dpl;
	__u8 db;
	__u8 s;			/* 1: code or data, 0: system */
	__u8 l;
	__u8 g;
	__u8 avl;
	__u8 unusable;		/* as VMX has it: loaded with a null selector */
	__u8 padding;
};

/* GDTR or IDTR. */
struct kvm_dtable {
	__u64 base;
	__u16 limit;
	__u16 padding[3];
};

#define KVM_NR_INTERRUPTS	256

/*
 * KVM_GET_SREGS, KVM_SET_SREGS. At most one bit of interrupt_bitmap is set:
 * the vector of an external interrupt that is on its way into the guest.
 */
struct kvm_sregs {
	struct kvm_segment cs;
	struct kvm_segment ds;
	struct kvm_segment es;
	struct kvm_segment fs;
	struct kvm_segment gs;
	struct kvm_segment ss;
	struct kvm_segment tr;
	struct kvm_segment ldt;
	struct kvm_dtable gdt;
	struct kvm_dtable idt;
	__u64 cr0;
	__u64 cr2;
	__u64 cr3;
	__u64 cr4;
	__u64 cr8;
	__u64 efer;
	__u64 apic_base;
	__u64 interrupt_bitmap[(KVM_NR_INTERRUPTS + 63) / 64];
};

/* kvm_sregs2.flags: pdptrs[] holds the four PAE entries the vCPU has loaded. */
#define KVM_SREGS2_FLAGS_PDPTRS_VALID	1

/* KVM_GET_SREGS2, KVM_SET_SREGS2: has PDPTEs where kvm_sregs has an interrupt. */
struct kvm_sregs2 {
	struct kvm_segment cs;
	struct kvm_segment ds;
	struct kvm_segment es;
	struct kvm_segment fs;
	struct kvm_segment gs;
	struct kvm_segment ss;
	struct kvm_segment tr;
	struct kvm_segment ldt;
	struct kvm_dtable gdt;
	struct kvm_dtable idt;
	__u64 cr0;
	__u64 cr2;
	__u64 cr3;
	__u64 cr4;
	__u64 cr8;
	__u64 efer;
	__u64 apic_base;
	__u64 flags;
	__u64 pdptrs[4];
};

/* KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS: the guest's own; flags must be 0. */
struct kvm_debugregs {
	__u64 db[4];
	__u64 dr6;
	__u64 dr7;
	__u64 flags;
	__u64 reserved[9];
};

/* KVM_GET_FPU, KVM_SET_FPU: x87 and SSE, fields as in an FXSAVE image. */
struct kvm_fpu {
	__u8 fpr[8][16];	/* ST0..ST7, ten bytes used of each */
	__u16 fcw;
	__u16 fsw;
	__u8 ftwx;		/* abridged tag word: 1 bit a register, 0 = empty */
	__u8 pad1;
	__u16 last_opcode;
	__u64 last_ip;
	__u64 last_dp;
	__u8 xmm[16][16];
	__u32 mxcsr;
	__u32 pad2;
};

/*
 * KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XSAVE2: an XSAVE image in the standard
 * (not compacted) format. KVM_CHECK_EXTENSION(KVM_CAP_XSAVE2) on the VM fd is
 * its size in bytes, never under that of region[]; only KVM_GET_XSAVE stops
 * at the end of region[].
 */
struct kvm_xsave {
	__u32 region[1024];
	__DECLARE_FLEX_ARRAY(__u32, extra);
};

#define KVM_MAX_XCRS	16

struct kvm_xcr {
	__u32 xcr;		/* number of the register; 0 is the only one so far */
	__u32 reserved;
	__u64 value;
};

/* KVM_GET_XCRS, KVM_SET_XCRS: flags must be 0. */
struct kvm_xcrs {
	__u32 nr_xcrs;
	__u32 flags;
	struct kvm_xcr xcrs[KVM_MAX_XCRS];
	__u64 padding[16];
};

/* ---- model-specific registers ---- */

struct kvm_msr_entry {
	__u32 index;
	__u32 reserved;
	__u64 data;
};

/* KVM_GET_MSRS, KVM_SET_MSRS: returns how many of the nmsrs were done, in order. */
struct kvm_msrs {
	__u32 nmsrs;
	__u32 pad;

	__DECLARE_FLEX_ARRAY(struct kvm_msr_entry, entries);
};

/*
 * KVM_GET_MSR_INDEX_LIST, KVM_GET_MSR_FEATURE_INDEX_LIST. In: room in indices[];
 * out: how many there are, with E2BIG when the room was too small.
 */
struct kvm_msr_list {
	__u32 nmsrs;
	__DECLARE_FLEX_ARRAY(__u32, indices);
};

/* kvm_msr_filter_range.flags: the accesses that a range speaks about. */
#define KVM_MSR_FILTER_READ	(1 << 0)
#define KVM_MSR_FILTER_WRITE	(1 << 1)

/* Bytes in one bitmap, at most. */
#define KVM_MSR_FILTER_MAX_BITMAP_SIZE	0x600

/* Bit i of bitmap[] set: MSR base + i may be accessed. */
struct kvm_msr_filter_range {
	__u32 flags;
	__u32 nmsrs;		/* bits in the bitmap */
	__u32 base;
	__u8 *bitmap;
};

/* kvm_msr_filter.flags: what befalls MSRs that no range covers. */
#define KVM_MSR_FILTER_DEFAULT_ALLOW	(0 << 0)
#define KVM_MSR_FILTER_DEFAULT_DENY	(1 << 0)

#define KVM_MSR_FILTER_MAX_RANGES	16

/* KVM_X86_SET_MSR_FILTER: replaces the whole filter of the VM. */
struct kvm_msr_filter {
	__u32 flags;
	struct kvm_msr_filter_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

/* ---- CPUID ---- */

/* kvm_cpuid_entry2.flags */
#define KVM_CPUID_FLAG_SIGNIFCANT_INDEX	(1 << 0)	/* index counts; the name is spelt so */
#define KVM_CPUID_FLAG_STATEFUL_FUNC	(1 << 1)	/* not used any more */
#define KVM_CPUID_FLAG_STATE_READ_NEXT	(1 << 2)	/* not used any more */

struct kvm_cpuid_entry2 {
	__u32 function;		/* EAX of the query */
	__u32 index;		/* ECX of the query */
	__u32 flags;
	__u32 eax;
	__u32 ebx;
	__u32 ecx;
	__u32 edx;
	__u32 padding[3];
};

/*
 * KVM_SET_CPUID2, KVM_GET_CPUID2, KVM_GET_SUPPORTED_CPUID, KVM_GET_EMULATED_CPUID.
 * In: room (or entries given); out: entries written. E2BIG when they do not fit.
 */
struct kvm_cpuid2 {
	__u32 nent;
	__u32 padding;
	__DECLARE_FLEX_ARRAY(struct kvm_cpuid_entry2, entries);
};

struct kvm_cpuid_entry {
	__u32 function;
	__u32 eax;
	__u32 ebx;
	__u32 ecx;
	__u32 edx;
	__u32 padding;
};

/* KVM_SET_CPUID: from before leaves had an index. */
struct kvm_cpuid {
	__u32 nent;
	__u32 padding;
	__DECLARE_FLEX_ARRAY(struct kvm_cpuid_entry, entries);
};

/* ---- events ---- */

/* Exception vectors. */
#define DE_VECTOR	0
#define DB_VECTOR	1
#define BP_VECTOR	3
#define OF_VECTOR	4
#define BR_VECTOR	5
#define UD_VECTOR	6
#define NM_VECTOR	7
#define DF_VECTOR	8
#define TS_VECTOR	10
#define NP_VECTOR	11
#define SS_VECTOR	12
#define GP_VECTOR	13
#define PF_VECTOR	14
#define MF_VECTOR	16
#define AC_VECTOR	17
#define MC_VECTOR	18
#define XM_VECTOR	19
#define VE_VECTOR	20

/*
 * kvm_vcpu_events.flags. SET takes a group only with its bit; groups without a
 * bit here (exception, interrupt, nmi.injected, nmi.masked) are always taken.
 */
#define KVM_VCPUEVENT_VALID_NMI_PENDING		0x00000001
#define KVM_VCPUEVENT_VALID_SIPI_VECTOR		0x00000002
#define KVM_VCPUEVENT_VALID_SHADOW		0x00000004
#define KVM_VCPUEVENT_VALID_SMM			0x00000008
#define KVM_VCPUEVENT_VALID_PAYLOAD		0x00000010	/* KVM_CAP_EXCEPTION_PAYLOAD */
#define KVM_VCPUEVENT_VALID_TRIPLE_FAULT	0x00000020	/* KVM_CAP_X86_TRIPLE_FAULT_EVENT */

/* kvm_vcpu_events.interrupt.shadow: which instruction holds interrupts off for one more. */
#define KVM_X86_SHADOW_INT_MOV_SS	0x01
#define KVM_X86_SHADOW_INT_STI		0x02

/*
 * KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS: all that the vCPU is about to take.
 * "injected" has begun and is delivered whatever the guest's flags say;
 * "pending" has been raised and still waits for its gate.
 */
struct kvm_vcpu_events {
	struct {
		__u8 injected;
		__u8 nr;
		__u8 has_error_code;
		__u8 pending;	/* together with the payload capability only */
		__u32 error_code;
	} exception;
	struct {
		__u8 injected;
		__u8 nr;
		__u8 soft;	/* by an INT instruction, not by a controller */
		__u8 shadow;	/* KVM_X86_SHADOW_INT_* */
	} interrupt;
	struct {
		__u8 injected;
		__u8 pending;	/* how many: 0 to 2 */
		__u8 masked;	/* until the next IRET */
		__u8 pad;
	} nmi;
	__u32 sipi_vector;
	__u32 flags;		/* KVM_VCPUEVENT_VALID_* */
	struct {
		__u8 smm;	/* the vCPU is in system-management mode */
		__u8 pending;
		__u8 smm_inside_nmi;
		__u8 latched_init;
	} smi;
	struct {
		__u8 pending;
	} triple_fault;
	__u8 reserved[26];
	__u8 exception_has_payload;
	__u64 exception_payload;	/* CR2 of a #PF, the DR6 bits of a #DB */
};

/* ---- the register page inside struct kvm_run ---- */

/* Bits of kvm_run.kvm_valid_regs and kvm_dirty_regs; KVM_CAP_SYNC_REGS reads as their sum. */
#define KVM_SYNC_X86_REGS	(1UL << 0)
#define KVM_SYNC_X86_SREGS	(1UL << 1)
#define KVM_SYNC_X86_EVENTS	(1UL << 2)
#define KVM_SYNC_X86_VALID_FIELDS	\
	(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

/* Shared with userspace while the kernel reads it: copy first, then look. */
struct kvm_sync_regs {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
};

/* kvm_run.flags */
#define KVM_RUN_X86_SMM		(1 << 0)	/* the exit came out of SMM */
#define KVM_RUN_X86_BUS_LOCK	(1 << 1)	/* a bus lock was seen as well */

/* ---- exits to the emulation of other hypervisors, which this one never makes ---- */

/* kvm_hyperv_exit.type */
#define KVM_EXIT_HYPERV_SYNIC	1
#define KVM_EXIT_HYPERV_HCALL	2
#define KVM_EXIT_HYPERV_SYNDBG	3

struct kvm_hyperv_exit {
	__u32 type;
	__u32 pad1;
	union {
		struct {
			__u32 msr;
			__u32 pad2;
			__u64 control;
			__u64 evt_page;
			__u64 msg_page;
		} synic;
		struct {
			__u64 input;
			__u64 result;
			__u64 params[2];
		} hcall;
		struct {
			__u32 msr;
			__u32 pad2;
			__u64 control;
			__u64 status;
			__u64 send_page;
			__u64 recv_page;
			__u64 pending_page;
		} syndbg;
	} u;
};

/* kvm_xen_exit.type */
#define KVM_EXIT_XEN_HCALL	1

struct kvm_xen_exit {
	__u32 type;
	union {
		struct {
			__u32 longmode;
			__u32 cpl;
			__u64 input;
			__u64 result;
			__u64 params[6];
		} hcall;
	} u;
};

/* ---- guest debugging: KVM_SET_GUEST_DEBUG, KVM_EXIT_DEBUG ---- */

/* kvm_guest_debug.control, the x86 part: the upper 16 bits. */
#define KVM_GUESTDBG_USE_SW_BP	0x00010000	/* INT3 exits */
#define KVM_GUESTDBG_USE_HW_BP	0x00020000	/* debugreg[] is in force, not the guest's */
#define KVM_GUESTDBG_INJECT_DB	0x00040000
#define KVM_GUESTDBG_INJECT_BP	0x00080000
#define KVM_GUESTDBG_BLOCKIRQ	0x00100000	/* no interrupt, NMI or SMI while stepping */

struct kvm_guest_debug_arch {
	__u64 debugreg[8];	/* 0..3 addresses, 7 control; the others unused */
};

struct kvm_debug_exit_arch {
	__u32 exception;	/* DB_VECTOR or BP_VECTOR */
	__u32 pad;
	__u64 pc;		/* linear: CS base + RIP */
	__u64 dr6;
	__u64 dr7;
};

/* ---- nested virtualization: KVM_GET_NESTED_STATE, KVM_SET_NESTED_STATE ---- */

/* kvm_nested_state.format */
#define KVM_STATE_NESTED_FORMAT_VMX	0
#define KVM_STATE_NESTED_FORMAT_SVM	1

/* kvm_nested_state.flags */
#define KVM_STATE_NESTED_GUEST_MODE	0x00000001
#define KVM_STATE_NESTED_RUN_PENDING	0x00000002
#define KVM_STATE_NESTED_EVMCS		0x00000004	/* VMX */
#define KVM_STATE_NESTED_MTF_PENDING	0x00000008	/* VMX */
#define KVM_STATE_NESTED_GIF_SET	0x00000100	/* SVM */

/* kvm_vmx_nested_state_hdr.smm.flags */
#define KVM_STATE_NESTED_SMM_GUEST_MODE	0x00000001
#define KVM_STATE_NESTED_SMM_VMXON	0x00000002

/* kvm_vmx_nested_state_hdr.flags */
#define KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE	0x00000001

#define KVM_STATE_NESTED_VMX_VMCS_SIZE	0x1000
#define KVM_STATE_NESTED_SVM_VMCB_SIZE	0x1000

struct kvm_vmx_nested_state_hdr {
	__u64 vmxon_pa;
	__u64 vmcs12_pa;
	struct {
		__u16 flags;
	} smm;
	__u16 pad;
	__u32 flags;
	__u64 preemption_timer_deadline;	/* in guest TSC ticks */
};

struct kvm_vmx_nested_state_data {
	__u8 vmcs12[KVM_STATE_NESTED_VMX_VMCS_SIZE];
	__u8 shadow_vmcs12[KVM_STATE_NESTED_VMX_VMCS_SIZE];
};

struct kvm_svm_nested_state_hdr {
	__u64 vmcb_pa;
};

struct kvm_svm_nested_state_data {
	__u8 vmcb12[KVM_STATE_NESTED_SVM_VMCB_SIZE];
};

/* size counts the header and what follows of data, which has no size of its own. */
struct kvm_nested_state {
	__u16 flags;
	__u16 format;
	__u32 size;
	union {
		struct kvm_vmx_nested_state_hdr vmx;
		struct kvm_svm_nested_state_hdr svm;
		__u8 pad[120];
	} hdr;
	union {
		struct kvm_vmx_nested_state_data vmx[0];
		struct kvm_svm_nested_state_data svm[0];
	} data;
};

/* ---- interrupt controllers: KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, KVM_GET/SET_LAPIC ---- */

/* kvm_irqchip.chip_id */
#define KVM_IRQCHIP_PIC_MASTER	0
#define KVM_IRQCHIP_PIC_SLAVE	1
#define KVM_IRQCHIP_IOAPIC	2
#define KVM_NR_IRQCHIPS		3

/* One 8259A. */
struct kvm_pic_state {
	__u8 last_irr;		/* input levels, to see edges */
	__u8 irr;
	__u8 imr;
	__u8 isr;
	__u8 priority_add;	/* the line that is first in the rotation */
	__u8 irq_base;		/* vector of line 0 (ICW2) */
	__u8 read_reg_select;	/* a read returns ISR (1) or IRR (0) */
	__u8 poll;
	__u8 special_mask;
	__u8 init_state;	/* which ICW is due; 0: initialised */
	__u8 auto_eoi;
	__u8 rotate_on_auto_eoi;
	__u8 special_fully_nested_mode;
	__u8 init4;		/* ICW4 will come */
	__u8 elcr;		/* 1: level-triggered, a bit a line */
	__u8 elcr_mask;		/* bits of elcr that can be written */
};

#define KVM_IOAPIC_NUM_PINS	24

struct kvm_ioapic_state {
	__u64 base_address;
	__u32 ioregsel;
	__u32 id;
	__u32 irr;		/* asserted pins */
	__u32 pad;
	union {
		__u64 bits;
		struct {
			__u8 vector;
			__u8 delivery_mode:3;
			__u8 dest_mode:1;
			__u8 delivery_status:1;
			__u8 polarity:1;
			__u8 remote_irr:1;
			__u8 trig_mode:1;
			__u8 mask:1;
			__u8 reserve:7;
			__u8 reserved[4];
			__u8 dest_id;
		} fields;
	} redirtbl[KVM_IOAPIC_NUM_PINS];
};

#define KVM_APIC_REG_SIZE	0x400

/* The local APIC's register page, a register every 16 bytes. */
struct kvm_lapic_state {
	char regs[KVM_APIC_REG_SIZE];
};

/* ---- the 8254 timer ---- */

struct kvm_pit_channel_state {
	__u32 count;		/* 1 to 65536 */
	__u16 latched_count;
	__u8 count_latched;
	__u8 status_latched;
	__u8 status;
	__u8 read_state;
	__u8 write_state;
	__u8 write_latch;
	__u8 rw_mode;
	__u8 mode;
	__u8 bcd;
	__u8 gate;
	__s64 count_load_time;	/* ns, CLOCK_MONOTONIC of the host */
};

/* KVM_GET_PIT, KVM_SET_PIT */
struct kvm_pit_state {
	struct kvm_pit_channel_state channels[3];
};

/* kvm_pit_state2.flags */
#define KVM_PIT_FLAGS_HPET_LEGACY	0x00000001	/* channel 0 is cut off from IRQ 0 */
#define KVM_PIT_FLAGS_SPEAKER_DATA_ON	0x00000002	/* bit 1 of port 0x61 */

/* KVM_GET_PIT2, KVM_SET_PIT2 */
struct kvm_pit_state2 {
	struct kvm_pit_channel_state channels[3];
	__u32 flags;
	__u32 reserved[9];
};

/* KVM_REINJECT_CONTROL: whether ticks the guest has missed are made up for. */
struct kvm_reinject_control {
	__u8 pit_reinject;
	__u8 reserved[31];
};

/* ---- policy ---- */

/* kvm_pmu_event_filter.action */
#define KVM_PMU_EVENT_ALLOW	0
#define KVM_PMU_EVENT_DENY	1

/* KVM_SET_PMU_EVENT_FILTER */
struct kvm_pmu_event_filter {
	__u32 action;
	__u32 nevents;
	__u32 fixed_counter_bitmap;
	__u32 flags;
	__u32 pad[4];
	__DECLARE_FLEX_ARRAY(__u64, events);
};

/* Argument of KVM_CAP_DISABLE_QUIRKS2: old misbehaviour to be given up. */
#define KVM_X86_QUIRK_LINT0_REENABLED		(1 << 0)
#define KVM_X86_QUIRK_CD_NW_CLEARED		(1 << 1)
#define KVM_X86_QUIRK_LAPIC_MMIO_HOLE		(1 << 2)
#define KVM_X86_QUIRK_OUT_7E_INC_RIP		(1 << 3)
#define KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT	(1 << 4)
#define KVM_X86_QUIRK_FIX_HYPERCALL_INSN	(1 << 5)
#define KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS	(1 << 6)

/* args[0] of KVM_CAP_X86_DISABLE_EXITS */
#define KVM_X86_DISABLE_EXITS_MWAIT	(1 << 0)
#define KVM_X86_DISABLE_EXITS_HLT	(1 << 1)
#define KVM_X86_DISABLE_EXITS_PAUSE	(1 << 2)
#define KVM_X86_DISABLE_EXITS_CSTATE	(1 << 3)
#define KVM_X86_DISABLE_VALID_EXITS	\
	(KVM_X86_DISABLE_EXITS_MWAIT | KVM_X86_DISABLE_EXITS_HLT | \
	 KVM_X86_DISABLE_EXITS_PAUSE | KVM_X86_DISABLE_EXITS_CSTATE)

/* args[0] of KVM_CAP_X2APIC_API */
#define KVM_X2APIC_API_USE_32BIT_IDS		(1ULL << 0)
#define KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK	(1ULL << 1)

/* args[0] of KVM_CAP_X86_BUS_LOCK_EXIT */
#define KVM_BUS_LOCK_DETECTION_OFF	(1 << 0)
#define KVM_BUS_LOCK_DETECTION_EXIT	(1 << 1)

/* Low half of args[0] of KVM_CAP_X86_NOTIFY_VMEXIT; the window is in the high half. */
#define KVM_X86_NOTIFY_VMEXIT_ENABLED	(1ULL << 0)
#define KVM_X86_NOTIFY_VMEXIT_USER	(1ULL << 1)

/* KVM_GET_DEVICE_ATTR on /dev/kvm, group 0: XSAVE components a guest may be permitted. */
#define KVM_X86_XCOMP_GUEST_SUPP	0

/* KVM_*_DEVICE_ATTR on a vCPU fd: a group, and the one attribute in it. */
#define KVM_VCPU_TSC_CTRL	0
#define KVM_VCPU_TSC_OFFSET	0	/* what is added to the host's TSC, a __u64 */

#endif /* _ASM_X86_KVM_H */
