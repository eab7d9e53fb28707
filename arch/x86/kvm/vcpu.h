/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vcpu.h - an index of arch/x86/kvm: what each file offers the others.
 *
 * Everything here runs in the vCPU's thread (vcpu->mutex held) unless said
 * otherwise.  Pure files and subdirectories have headers of their own.
 */
#ifndef ARCH_X86_KVM_VCPU_H
#define ARCH_X86_KVM_VCPU_H

#include <linux/kvm_host.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include "cr.h"

/* What a handler of an exit, or of anything that executes for the guest, says. */
enum next_step {
	TO_GUEST,		/* go on */
	TO_USER,		/* kvm_run is filled: KVM_RUN returns 0 */
	/* or a negative errno: KVM_RUN returns it */
};

/*
 * state.c - registers
 */
void state_fetch(struct kvm_vcpu *vcpu, u32 groups);
void state_store(struct kvm_vcpu *vcpu);	/* all dirty groups, to the hardware's block */

/* Make sure that these groups may be read. */
static inline void state_need(struct kvm_vcpu *vcpu, u32 groups)
{
	if (groups & ~vcpu->arch.state.valid)
		state_fetch(vcpu, groups & ~vcpu->arch.state.valid);
}

/* These groups are about to be written: they become valid, and are stored before the next entry. */
static inline void state_dirty(struct kvm_vcpu *vcpu, u32 groups)
{
	state_need(vcpu, groups);
	vcpu->arch.state.dirty |= groups;
}

bool state_long_mode(struct kvm_vcpu *vcpu);		/* EFER.LMA */
int state_code_bits(struct kvm_vcpu *vcpu);		/* 16, 32 or 64: the code segment's size */
u8 state_cpl(struct kvm_vcpu *vcpu);

/*
 * Move RIP over an instruction of @len bytes that was executed for the guest: shadow and RF end, TF
 * raises #DB.  state_skip() also tells a debugger that steps; it returns what a handler does.
 */
void state_advance(struct kvm_vcpu *vcpu, unsigned int len);
int state_skip(struct kvm_vcpu *vcpu, unsigned int len);

/*
 * vcpu.c - life of a vCPU
 */
void vcpu_reset(struct kvm_vcpu *vcpu);
void vcpu_init(struct kvm_vcpu *vcpu);			/* it takes an INIT */
void vcpu_start(struct kvm_vcpu *vcpu, u8 page);	/* it takes a SIPI */
/* Raise an exception in the guest. */
void vcpu_exception(struct kvm_vcpu *vcpu, u8 vector, u32 error);
/* INT3's or INTO's, which RIP stands at or not. */
void vcpu_soft_exception(struct kvm_vcpu *vcpu, u8 vector);
void vcpu_page_fault(struct kvm_vcpu *vcpu, u64 address, u32 error);
void vcpu_debug_trap(struct kvm_vcpu *vcpu, u64 dr6_bits);
/* Write the payload of an exception that is being delivered to CR2 or DR6. */
void vcpu_deliver_payload(struct kvm_vcpu *vcpu, const struct event *event);

static inline void vcpu_gp(struct kvm_vcpu *vcpu)
{
	vcpu_exception(vcpu, 13, 0);
}

static inline void vcpu_ud(struct kvm_vcpu *vcpu)
{
	vcpu_exception(vcpu, 6, 0);
}

/*
 * run.c - KVM_RUN
 */
/* What these notes of the inbox mean to the machine, or to a copy of it. */
void run_hear(struct vcpu_events *ev, u32 notes);
/* What kvm_run says of interrupts, after a change of state. */
void run_publish(struct kvm_vcpu *vcpu);

/*
 * smm.c - system management mode
 */
void smm_enter(struct kvm_vcpu *vcpu);			/* it takes an SMI */
int smm_rsm(struct kvm_vcpu *vcpu);			/* it executes RSM: a handler's answer */
/* events.in_smm is new: the address space, its tables, and the trap of RSM are brought in line. */
void smm_follow(struct kvm_vcpu *vcpu);
void smm_reset(struct kvm_vcpu *vcpu);			/* the same, before the backend's reset */

/*
 * exit.c - one handler an exit
 */
int exit_handle(struct kvm_vcpu *vcpu);			/* enum next_step or errno */
int exit_resume(struct kvm_vcpu *vcpu);			/* userspace has answered arch.io */
int exit_internal_error(struct kvm_vcpu *vcpu, u32 suberror);	/* not EMULATION: glue.h */
int exit_halt(struct kvm_vcpu *vcpu);			/* it waits; RIP is behind HLT */
/* arch.io.move, a load, is over with this answer; it was a read of memory or of a port. */
int exit_load(struct kvm_vcpu *vcpu, const void *data, enum dr_access access);
void exit_ask_msr(struct kvm_vcpu *vcpu);		/* kvm_run of an access in arch.io.msr */

/*
 * hypercall.c - what the guest asks of its hypervisor
 */
int hypercall_exit(struct kvm_vcpu *vcpu);		/* a handler, as those of exit.c */
int hypercall_resume(struct kvm_vcpu *vcpu);		/* IO_HYPERCALL */

/*
 * x86.c, vm.c - ioctls
 */
int x86_sync_out(struct kvm_vcpu *vcpu);		/* kvm_valid_regs */
int x86_sync_in(struct kvm_vcpu *vcpu);			/* kvm_dirty_regs; 0 or errno */
/* Before events are set from outside: what other CPUs have left has come before. */
void x86_collect_events(struct kvm_vcpu *vcpu);
/* All events, in a copy: what other CPUs left counts, what software events rest on is looked up. */
struct vcpu_events x86_copy_events(struct kvm_vcpu *vcpu);
/* After all events and the shadow have been set from outside. */
void x86_events_replaced(struct kvm_vcpu *vcpu);
/* A shadow came from outside: of the two kinds those are left that hardware knows. */
void x86_shadow_set(struct kvm_vcpu *vcpu);
/* May a vCPU be in this state? Control registers only. */
bool x86_state_ok(struct kvm_vcpu *vcpu, const struct vcpu_state *state);
/* The guest writes a control register: 0, or -EINVAL for #GP. Legality is cr.h's. */
int x86_write_cr0(struct kvm_vcpu *vcpu, u64 value);
int x86_write_cr3(struct kvm_vcpu *vcpu, u64 value);
int x86_write_cr4(struct kvm_vcpu *vcpu, u64 value);
/* Userspace has set control registers: read the four PAE entries, where hardware keeps copies. */
void x86_reload_pdptes(struct kvm_vcpu *vcpu);

/*
 * attr.c - attributes of a vCPU's fd
 */
long attr_get(struct kvm_vcpu *vcpu, void __user *argp);
long attr_set(struct kvm_vcpu *vcpu, void __user *argp);
long attr_has(struct kvm_vcpu *vcpu, void __user *argp);	/* 0 or -ENXIO */

/*
 * cpuid.c - what the guest's CPUID says
 */
int cpuid_module_init(void);				/* what this host can offer */
long cpuid_get_supported(struct kvm_cpuid2 __user *argp);
long cpuid_get_emulated(struct kvm_cpuid2 __user *argp);
long cpuid_get(struct kvm_vcpu *vcpu, struct kvm_cpuid2 __user *argp);
long cpuid_set(struct kvm_vcpu *vcpu, struct kvm_cpuid2 __user *argp);
void cpuid_create(struct kvm_vcpu *vcpu);		/* a vCPU without KVM_SET_CPUID2 */
void cpuid_destroy(struct kvm_vcpu *vcpu);
/* Execute CPUID: registers in and out. Dynamic bits (OSXSAVE, XCR0 sizes, APIC) are filled in. */
void cpuid_execute(struct kvm_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);

/* May the guest use a KVM_FEATURE_*?  Unless userspace has said otherwise, also without CPUID. */
static inline bool cpuid_pv_has(const struct kvm_vcpu *vcpu, unsigned int feature)
{
	return !vcpu->arch.cpuid.pv_enforced || vcpu->arch.cpuid.pv_features & BIT(feature);
}

/*
 * msr.c - model-specific registers.  @outside: userspace asks, not the guest
 */
long msr_index_list(struct kvm_msr_list __user *argp);
long msr_feature_index_list(struct kvm_msr_list __user *argp);
long msr_get_features(struct kvm_msrs __user *argp);	/* KVM_GET_MSRS on /dev/kvm */
long msr_get_list(struct kvm_vcpu *vcpu, struct kvm_msrs __user *argp);
long msr_set_list(struct kvm_vcpu *vcpu, struct kvm_msrs __user *argp);
u64 msr_mce_caps(void);					/* KVM_X86_GET_MCE_CAP_SUPPORTED */
int msr_inject_mce(struct kvm_vcpu *vcpu, const struct kvm_x86_mce *mce);	/* 0 or -EINVAL */
int msr_setup_mce(struct kvm_vcpu *vcpu, u64 mcg_cap);	/* 0 or -EINVAL */
bool msr_known(u32 index);				/* is there such a register? */
int msr_get(struct kvm_vcpu *vcpu, u32 index, u64 *data, bool outside);	/* 0 or -EINVAL: #GP */
int msr_set(struct kvm_vcpu *vcpu, u32 index, u64 data, bool outside);
void msr_reset(struct kvm_vcpu *vcpu);			/* power-up values */
void msr_traps(struct kvm_vcpu *vcpu);			/* tell the backend what exits */
bool msr_apic_base_ok(struct kvm_vcpu *vcpu, u64 base);	/* a legal IA32_APIC_BASE? */
/* New EFER, legal by cr.h and the guest's CPUID; keeps LMA in line. 0 or -EINVAL. */
int msr_set_efer(struct kvm_vcpu *vcpu, u64 efer, bool outside);
void msr_cpu_enable(void);				/* this CPU; interrupts off */
/* TSC_AUX on this CPU: the guest's while it is loaded (preemption off). */
void msr_load(struct kvm_vcpu *vcpu);
void msr_put(struct kvm_vcpu *vcpu);

/*
 * msr_filter.c - which MSRs the guest may use, as userspace says
 */
long msr_filter_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp);	/* or -ENOTTY */
void msr_filter_destroy(struct kvm *kvm);
/* May the guest's RDMSR, WRMSR go on?  Takes kvm->srcu.  Any context that may sleep. */
bool msr_filter_allows(struct kvm *kvm, u32 index, bool write);

/*
 * fpu.c - x87, SSE, AVX ...
 */
int fpu_create(struct kvm_vcpu *vcpu);
void fpu_destroy(struct kvm_vcpu *vcpu);
void fpu_reset(struct kvm_vcpu *vcpu);
void fpu_swap_in(struct kvm_vcpu *vcpu);		/* KVM_RUN begins */
void fpu_swap_out(struct kvm_vcpu *vcpu);		/* KVM_RUN ends */
void fpu_load(struct kvm_vcpu *vcpu);			/* onto this CPU */
void fpu_enter(struct kvm_vcpu *vcpu);			/* XCR0, XSS, PKRU; interrupts off */
void fpu_leave(struct kvm_vcpu *vcpu);
int fpu_set_xcr0(struct kvm_vcpu *vcpu, u64 xcr0);	/* 0 or -EINVAL */
int fpu_xsave_size(void);				/* KVM_CAP_XSAVE2: bytes */
long fpu_get_fpu(struct kvm_vcpu *vcpu, struct kvm_fpu __user *argp);
long fpu_set_fpu(struct kvm_vcpu *vcpu, struct kvm_fpu __user *argp);
long fpu_get_xsave(struct kvm_vcpu *vcpu, struct kvm_xsave __user *argp);
long fpu_get_xsave2(struct kvm_vcpu *vcpu, struct kvm_xsave __user *argp);
long fpu_set_xsave(struct kvm_vcpu *vcpu, struct kvm_xsave __user *argp);
long fpu_get_xcrs(struct kvm_vcpu *vcpu, struct kvm_xcrs __user *argp);
long fpu_set_xcrs(struct kvm_vcpu *vcpu, struct kvm_xcrs __user *argp);
/* Vector registers for the executor, 16 or 32 bytes; within KVM_RUN. */
void fpu_read_vec(struct kvm_vcpu *vcpu, unsigned int reg, void *data, unsigned int size);
void fpu_write_vec(struct kvm_vcpu *vcpu, unsigned int reg, const void *data, unsigned int size);

/*
 * time.c - the guest's TSC
 */
int time_create(struct kvm_vcpu *vcpu);
void time_apply(struct kvm_vcpu *vcpu);			/* the control block is new */
void time_load(struct kvm_vcpu *vcpu, int cpu);		/* preemption off */
u64 time_read_tsc(struct kvm_vcpu *vcpu);
/* @outside: nearly the value of another vCPU's TSC, or 0, means to be in step with it. */
void time_write_tsc(struct kvm_vcpu *vcpu, u64 tsc, bool outside);
void time_adjust_tsc(struct kvm_vcpu *vcpu, u64 adjust, bool outside);	/* IA32_TSC_ADJUST */
long time_set_khz(struct kvm_vcpu *vcpu, unsigned long khz);
long time_vm_set_khz(struct kvm *kvm, unsigned long khz);
u64 time_get_offset(struct kvm_vcpu *vcpu);		/* KVM_VCPU_TSC_OFFSET: guest less host */
void time_set_offset(struct kvm_vcpu *vcpu, u64 offset);
/* What a TSC is when the host's is @host_tsc. Any context. */
u64 time_of_host(const struct guest_tsc *tsc, u64 host_tsc);

/*
 * clock.c - kvmclock
 */
#define CLOCK_FLAGS	(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

void clock_vm_create(struct kvm *kvm);
void clock_serve(struct kvm_vcpu *vcpu);		/* KVM_REQ_CLOCK */
void clock_load(struct kvm_vcpu *vcpu, int cpu);	/* preemption off */
void clock_set_msr(struct kvm_vcpu *vcpu, u64 data);	/* MSR_KVM_SYSTEM_TIME */
void clock_set_wall_msr(struct kvm_vcpu *vcpu, u64 data, bool outside);
long clock_get(struct kvm *kvm, struct kvm_clock_data __user *argp);
long clock_set(struct kvm *kvm, const struct kvm_clock_data __user *argp);
long clock_paused(struct kvm_vcpu *vcpu);		/* KVM_KVMCLOCK_CTRL */
/*
 * Write to a page of the guest's that has a version at @version, which was @before: odd while this
 * goes on.  0 or -EFAULT.  May sleep.
 */
int clock_write(struct kvm *kvm, gpa_t version, u32 before, gpa_t at, const void *data, size_t len);

/*
 * steal.c - steal time
 */
void steal_serve(struct kvm_vcpu *vcpu);		/* KVM_REQ_STEAL */
void steal_load(struct kvm_vcpu *vcpu);			/* preemption off */
void steal_preempted(struct kvm_vcpu *vcpu);		/* in the scheduler, interrupts off */
int steal_set_msr(struct kvm_vcpu *vcpu, u64 data);	/* 0 or -EINVAL */

/*
 * debug.c - debug registers, single step, breakpoints
 */
long debug_set_guest_debug(struct kvm_vcpu *vcpu, const struct kvm_guest_debug *dbg);
void debug_get_regs(struct kvm_vcpu *vcpu, struct kvm_debugregs *out);
int debug_set_regs(struct kvm_vcpu *vcpu, const struct kvm_debugregs *in);
void debug_reset(struct kvm_vcpu *vcpu);
/* A #DB is being delivered: general detect ends. */
void debug_delivered(struct kvm_vcpu *vcpu);
/* A task switch ends the breakpoints that are local to a task. */
void debug_task_switched(struct kvm_vcpu *vcpu);
/* MOV DR by the guest: 0, or -EFAULT when an exception has been raised (DR4, DR5, DR7.GD). */
int debug_read_dr(struct kvm_vcpu *vcpu, u8 number, u64 *value);
int debug_write_dr(struct kvm_vcpu *vcpu, u8 number, u64 value);
/* The guest uses its debug registers: true when it may do so by itself until KVM_RUN ends. */
bool debug_go_live(struct kvm_vcpu *vcpu);
void debug_end_live(struct kvm_vcpu *vcpu);
/* DR0-3 and the effective DR7 on the CPU; interrupts off. leave: back to the host's. */
void debug_enter(struct kvm_vcpu *vcpu);
void debug_leave(struct kvm_vcpu *vcpu);
/* An intercepted #DB or #BP: the debugger's (TO_USER, kvm_run filled) or the guest's (raised). */
int debug_exception(struct kvm_vcpu *vcpu, u8 vector, u64 payload);
/* May there be a breakpoint?  Accesses that are made in software are to be told of then. */
static inline bool debug_armed(const struct kvm_vcpu *vcpu)
{
	return vcpu->arch.debug.live || vcpu->arch.state.dr7_effective & 0xff;
}

void debug_dr7_changed(struct kvm_vcpu *vcpu);		/* state.dr7 has been set */
bool debug_watches(struct kvm_vcpu *vcpu);		/* there is one */
/* One of the instruction that is being executed; @address is linear, or a port. */
void debug_access(struct kvm_vcpu *vcpu, u64 address, unsigned int len, enum dr_access access);
/* It is over, with these traps (DR6 bits): the guest's are raised, a debugger's noted. */
void debug_traps(struct kvm_vcpu *vcpu, u64 traps);

/* It is over: does a debugger outside wait for that? */
static inline bool debug_waits(const struct kvm_vcpu *vcpu)
{
	return vcpu->arch.traps & TRAP_STEP || vcpu->arch.debug.told;
}

int debug_stepped(struct kvm_vcpu *vcpu);		/* tell it: TO_USER */

#endif /* ARCH_X86_KVM_VCPU_H */
