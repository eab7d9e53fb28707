/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm_x86.h - the x86 part of a VM and of a vCPU, as small structs under the
 * name of who may write them.
 *
 * Only data here; what works on it is declared, file by file, in vcpu.h.
 */
#ifndef ARCH_X86_KVM_KVM_X86_H
#define ARCH_X86_KVM_KVM_X86_H

#include <linux/atomic.h>
#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/kvm_types.h>
#include <linux/spinlock.h>
#include <asm/fpu/types.h>
#include "backend.h"
#include "emu/emu.h"
#include "events.h"
#include "irq/irq.h"
#include "pvclock.h"
#include "state.h"

#define VCPU_MTRR_FIXED		11
#define VCPU_MTRR_VARIABLE	8
#define VCPU_MCE_BANKS		32

/* MSRs that exist in software only, by their names in the manuals (msr.c). */
struct vcpu_msrs {
	u64 apic_base;
	u64 tsc_aux;
	u64 misc_enable;
	u64 power_ctl;
	u64 smbase;
	u64 smi_count;
	u64 mtrr_def_type;
	u64 mtrr_fixed[VCPU_MTRR_FIXED];
	u64 mtrr_range[2 * VCPU_MTRR_VARIABLE];		/* base, mask */
	u64 ucode_rev;
	u64 platform_info;
	u64 hwcr;
	u64 de_cfg;
	u64 mcg_cap;			/* KVM_X86_SETUP_MCE */
	u64 mcg_status;
	u64 mcg_ctl;
	u64 mce_bank[4 * VCPU_MCE_BANKS];	/* CTL, STATUS, ADDR, MISC */
};

/* What the guest is told of its processor (cpuid.c), and what follows from it. */
struct vcpu_cpuid {
	struct kvm_cpuid_entry2 *entries;
	int count;
	u8 max_gpa_bits;
	u64 cr4_allowed;	/* bits the guest may set */
	u64 efer_allowed;
	u64 xcr0_allowed;
	bool has_rdtscp;	/* RDTSCP or RDPID: TSC_AUX counts */
	bool has_x2apic;
	bool has_tsc_deadline;
	bool has_long_mode;
	u32 pv_features;	/* KVM_FEATURE_* that it is told of */
	bool pv_enforced;	/* and which alone it has then */
};

/* x87, SSE, AVX and so on (fpu.c); the registers themselves are the kernel's to keep. */
struct vcpu_fpu {
	struct fpu_guest guest;
	void *buffer;			/* guest.uabi_size bytes, for the ioctls */
	u64 xcr0;
	u64 host_xcr0;			/* of the CPU it is loaded on */
	u32 pkru;
	u32 host_pkru;			/* while the guest runs */
};

/* Debug registers and KVM_SET_GUEST_DEBUG (debug.c). DR6 and DR7 are in struct vcpu_state. */
struct vcpu_debug {
	u64 dr[4];			/* the guest's DR0 to DR3 */
	u64 outside_dr[4];		/* the debugger's */
	u64 outside_dr7;
	u32 control;			/* KVM_GUESTDBG_* */
	bool own_tf;			/* a debugger steps, and the guest did at the entry */
	bool live;			/* DR0 to DR3 are the guest's own between entry and exit */
	u64 hits;			/* B0 to B3 of the instruction executed in software */
	u64 told;			/* DR6 bits that the debugger will be told of */
};

/* A guest's TSC (time.c): guest = host * ratio + offset. */
struct guest_tsc {
	u64 offset;
	u64 ratio;			/* 0: not scaled */
	u32 khz;
};

struct vcpu_time {
	struct guest_tsc tsc;		/* written under kvm->arch.tsc_lock: others compare */
	u64 tsc_adjust;
	u64 asleep;			/* how long the host slept, when hardware was told */
};

/* The guest's page for kvmclock (clock.c). */
struct vcpu_clock {
	u64 msr;			/* its address, and whether it is to be written */
	bool stopped;			/* the guest is to be told that it was paused */
	bool stale;			/* there was no memory to write to */
	int cpu;			/* where the vCPU was loaded last */
};

/* The guest's page for steal time (steal.c). */
struct vcpu_steal {
	u64 msr;			/* its address, and whether it is to be written */
	u64 run_delay;			/* of the thread, when it was written last */
	pid_t thread;			/* which that was; 0: none yet */
	bool told;			/* the page says: preempted */
};

/* What userspace owes an answer to, since KVM_RUN returned. */
enum io_owner {
	IO_NOBODY,
	IO_IN,			/* a plain IN: exit.c */
	IO_LOAD,		/* a plain MOV from a device: emu/glue.c */
	IO_STEPPED,		/* nothing, but a debugger is to be told of a write */
	IO_EMULATOR,		/* a read of the executor: emu/glue.c */
	IO_CARRIED,		/* the same, from another vCPU: @insn is still to be fetched */
	IO_MSR,			/* RDMSR or WRMSR: exit.c */
	IO_HYPERCALL,		/* hypercall.c */
};

/**
 * struct vcpu_io - an instruction that waits for userspace
 * @owner:	enum io_owner
 * @insn_len:	what RIP moves by, but for the executor; IO_MSR: 0 when it is still to be fetched
 * @rip:	where the instruction stands; if userspace moves RIP, the answer is dropped
 * @move:	IO_IN, IO_LOAD: which register takes the answer
 * @insn:	IO_EMULATOR: the instruction
 * @known:	@gpa is where the one memory operand of @insn leads: the processor has walked there
 * @known_writable: and was about to write
 * @at_device: @insn is string I/O at a port where there is a device in the kernel
 * @gpa:	as the exit said it
 * @msr:	IO_MSR: what userspace was asked, KVM_MSR_EXIT_REASON_* among it; @data is WRMSR's
 * @emu:	the executor's context, and its record of what is over
 */
struct vcpu_io {
	u8 owner;
	u8 insn_len;
	u64 rip;
	struct emu_move move;
	struct emu_insn insn;
	bool known;
	bool known_writable;
	bool at_device;
	gpa_t gpa;
	struct {
		u64 data;
		u32 index;
		u8 reason;
		bool write;
	} msr;
	struct emu_ctx emu;
};

/**
 * struct kvm_vcpu_arch - the x86 part of a vCPU
 */
struct kvm_vcpu_arch {
	/* vCPU thread only */
	struct vcpu_state state;
	struct vcpu_events events;
	struct vm_exit exit;
	void *backend;			/* the backend's own struct */
	u32 traps;			/* TRAP_* */
	u8 cr8;
	bool has_run;			/* CPUID is settled */
	bool shadow_restored;		/* the shadow was set, and the guest has not run */
	bool step_delivers;		/* a debugger's step is a delivery, with this entry */
	bool logs_writes;		/* hardware does, with backend_features.logs_writes */
	bool quiet;			/* the backend's last orders: inject nothing, no windows */
	bool pdptes_stale;		/* CR3 was set: see x86_reload_pdptes() */
	hpa_t root;			/* the second-level table that hardware starts from */
	struct vcpu_msrs msrs;
	struct vcpu_cpuid cpuid;
	struct vcpu_fpu fpu;
	struct vcpu_debug debug;
	struct vcpu_time time;
	struct vcpu_clock clock;
	struct vcpu_steal steal;
	struct vcpu_io io;
	struct vcpu_irq irq;		/* with members of its own for others */

	/* any CPU */
	atomic_t inbox;			/* INBOX_* */
};

/* Notes that other CPUs leave in a vCPU's inbox; its thread takes them all at once. */
#define INBOX_NMI		BIT(0)
#define INBOX_INIT		BIT(1)
#define INBOX_SIPI		BIT(2)	/* behind INBOX_INIT, if that is there */
#define INBOX_IRQ		BIT(3)	/* arch.irq.posted */
#define INBOX_TIMER		BIT(4)	/* the LAPIC's timer has rung */
#define INBOX_PIC		BIT(5)	/* the PICs' output is to be looked at */
#define INBOX_SMI		BIT(6)
#define INBOX_NMI_TOO		BIT(7)	/* a second one */
/* Those of events.h. */
#define INBOX_EVENTS		(INBOX_NMI | INBOX_NMI_TOO | INBOX_INIT | INBOX_SIPI | INBOX_SMI)
#define INBOX_SIPI_SHIFT	24
#define INBOX_SIPI_VECTOR	(0xffu << INBOX_SIPI_SHIFT)

struct msr_filter;

/* How KVM_ENABLE_CAP changed the VM. */
struct kvm_caps {
	bool exception_payload;
	bool triple_fault_event;
	bool exact_state;
	bool no_platform_info;		/* for the guest; it is there otherwise */
	u32 msr_exits;			/* KVM_MSR_EXIT_REASON_* */
	u32 hypercall_exits;		/* a bit a number */
};

#define KVM_ADDRESS_SPACES	2	/* the second is that of vCPUs in SMM */

/* The second-level tables of an address space.  Set once. */
struct tdp_tree {
	struct tdp_table *root;
	struct tdp_table *top;		/* above the root, where hardware walks a level more */
	hpa_t root_hpa;			/* of @top, or of @root */
};

/* The second-level tables (mmu/tdp.c). */
struct kvm_tdp {
	struct tdp_tree tree[KVM_ADDRESS_SPACES];
};

/* kvmclock, one for all vCPUs (clock.c). */
struct vm_clock {
	/* tsc_lock */
	struct pvclock_line line;	/* of ticks of @tsc, or else of CLOCK_BOOTTIME's ns */
	struct guest_tsc tsc;		/* all vCPUs', or else the host's */
	bool by_tsc;			/* the host's TSC is reliable */
	bool shared;			/* so it is, and all vCPUs have @tsc */

	/* anybody */
	u64 wall_msr;			/* MSR_KVM_WALL_CLOCK, as written last */
};

/**
 * struct kvm_arch - the x86 part of a VM
 */
struct kvm_arch {
	struct kvm_tdp tdp;
	struct kvm_irqs irqs;
	spinlock_t tsc_lock;		/* each vCPU's time.tsc */
	struct vm_clock clock;

	/* settings: the VM's ioctls write, anybody reads (WRITE_ONCE, READ_ONCE) */
	struct kvm_caps caps;
	u32 default_tsc_khz;
	unsigned long mmu_pages;	/* KVM_SET_NR_MMU_PAGES */

	/* kvm->lock writes, SRCU reads */
	struct msr_filter __rcu *msr_filter;	/* NULL: the guest may use what it has */
};

#endif /* ARCH_X86_KVM_KVM_X86_H */
