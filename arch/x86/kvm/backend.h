/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * backend.h - the vendor interface: what common code asks of svm/ and vmx/,
 * and the neutral words both sides use.
 *
 * A backend translates requests into hardware fields and hardware exits into
 * struct vm_exit.  It decides nothing: no policy, no ioctl, no MSR table, no
 * CPUID.  One backend is chosen at load; calls are static calls.
 */
#ifndef ARCH_X86_KVM_BACKEND_H
#define ARCH_X86_KVM_BACKEND_H

#include <linux/kvm_types.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/static_call.h>
#include <asm/segment.h>
#include "events.h"
#include "state.h"

enum exit_kind {
	EXIT_NONE,		/* dealt with: enter again */
	EXIT_HOST_IRQ,		/* the host has an interrupt or NMI to take */
	EXIT_HOST_MACHINE_CHECK,	/* the same, and its handler has not seen it */
	EXIT_IO,
	EXIT_MSR,
	EXIT_CPUID,
	EXIT_HLT,
	EXIT_MEMORY,		/* second-level fault */
	EXIT_CR,
	EXIT_DR,
	EXIT_XSETBV,
	EXIT_EXCEPTION,		/* one that was asked for in traps */
	EXIT_WINDOW,		/* an event that waits can be taken now */
	EXIT_HYPERCALL,
	EXIT_PAUSE,
	EXIT_CACHE,		/* INVD, WBINVD */
	EXIT_RSM,		/* where it exits by itself; else see TRAP_RSM */
	EXIT_UNDEFINED,		/* an instruction this vCPU does not have: #UD */
	EXIT_PRIVILEGED,	/* one that is never allowed: #GP(0) */
	EXIT_IDLE,		/* MONITOR, MWAIT */
	EXIT_TASK_SWITCH,
	EXIT_SHUTDOWN,
	EXIT_FAILED,		/* the entry was refused by hardware: @hardware says why */
	EXIT_UNKNOWN,
	EXIT_KINDS
};

/* What wants another task. */
enum task_by {
	TASK_BY_CALL,
	TASK_BY_IRET,
	TASK_BY_JMP,
	TASK_BY_EVENT,		/* a task gate in the IDT: struct event_report tells whose */
};

/**
 * struct vm_exit - why the guest stopped, in no vendor's words
 * @kind:	enum exit_kind
 * @insn_len:	length of the instruction to be skipped, or 0: the decoder has to tell
 * @insn_bytes:	how many bytes of @insn hardware supplied; 0: they have to be fetched
 * @delivering:	kind of the event whose delivery was interrupted, or EVENT_NONE (run.c, by
 *		the report)
 * @insn:	the instruction's bytes
 * @hardware:	the raw exit code, for messages and KVM_EXIT_UNKNOWN / _FAIL_ENTRY
 */
struct vm_exit {
	u32 kind;
	u8 insn_len;
	u8 insn_bytes;
	u8 delivering;
	u8 insn[15];
	u64 hardware;
	union {
		struct {
			u16 port;
			u8 size;	/* 1, 2, 4 */
			bool in;
			bool string;
			bool rep;
		} io;
		struct {
			bool write;
		} msr;			/* number in ECX, data in EDX:EAX */
		struct {
			gpa_t gpa;
			bool write;
			bool fetch;
			bool present;	/* there was a translation, it did not allow this */
			bool table;	/* while reading the guest's own page tables */
		} memory;
		struct {
			u8 number;	/* 0, 3, 4, 8 */
			bool write;
		} cr;			/* which register: the decoder tells */
		struct {
			u8 number;
			bool write;
		} dr;
		struct {
			u8 vector;
			bool has_error;
			u32 error;
			u64 payload;	/* as in struct event, for #PF and #DB */
		} exception;
		struct {
			u16 selector;	/* the new TSS */
			u8 reason;	/* enum task_by */
			bool resume;	/* the old task's EFLAGS are saved with RF */
		} task;
	};
};

/*
 * What the guest may not do without an exit, beyond what always exits: vcpu->arch.traps.  #DB and
 * #AC always do: either can be raised anew by its own delivery, for ever.
 */
#define TRAP_BP		BIT(0)	/* INT3: a debugger on the outside */
#define TRAP_STEP	BIT(1)	/* exit after each instruction, by #DB */
#define TRAP_CR8	BIT(2)	/* writes of CR8 */
#define TRAP_DR		BIT(3)	/* MOV DR */
#define TRAP_RSM	BIT(4)	/* RSM, as EXIT_RSM or by its #UD: the vCPU is in SMM */

enum backend_tables {
	TABLES_NPT,
	TABLES_EPT,
	TABLES_EPT_NO_AD,	/* hardware does not mark what it has accessed */
	TABLES_KINDS
};

/**
 * struct backend_features - what the chosen hardware can do; set once at load
 * @name:	"SVM" or "VMX"
 * @trace_isa:	by which trace-cmd and perf know whose exit codes they see: 1 VMX, 2 SVM
 * @max_gpa_bits: width of second-level addresses
 * @tables:	kind of second-level tables, enum backend_tables
 * @table_levels: how many levels of second-level tables hardware walks, 4 or 5
 * @logs_writes: hardware can log where it sets a dirty bit, see the log_writes entry
 * @huge_2m:	second-level pages of 2 MiB
 * @huge_1g:	second-level pages of 1 GiB
 * @shadow_kinds: hardware tells STI's shadow from MOV SS's
 * @pending_debug: hardware keeps debug traps that wait behind MOV SS, vcpu_state.pending_db
 * @loads_pdptes: hardware keeps copies of the four PAE entries, and STATE_PDPTES has them
 * @tsc_scaling: guest TSC frequencies other than the host's
 * @tsc_scale_frac_bits: fraction bits of the TSC ratio
 * @tsc_scale_max: the greatest ratio that is no reserved bit
 */
struct backend_features {
	const char *name;
	u8 trace_isa;
	u8 max_gpa_bits;
	u8 tables;
	u8 table_levels;
	bool logs_writes;
	bool huge_2m;
	bool huge_1g;
	bool shadow_kinds;
	bool pending_debug;
	bool loads_pdptes;
	bool tsc_scaling;
	u8 tsc_scale_frac_bits;
	u64 tsc_scale_max;
};

extern struct backend_features backend_features;

/*
 * The table.  "vCPU thread" below: vcpu->mutex held; "loaded": between
 * vcpu_load and vcpu_put on this CPU, preemption off or followed.
 *
 *	supported	can this processor do it?  If not, says why in the log, once.
 *	setup		once at load: allocate, fill @features.  0 or negative errno.
 *	teardown	undoes setup.
 *	cpu_enable	this CPU, interrupts off.  0, -EBUSY (somebody else's), -EIO.
 *	cpu_disable	this CPU, interrupts off; the vCPUs on it have been put.
 *	cpu_emergency	this CPU, from a panic, whatever it was doing, enabled or not.
 *	vcpu_create	allocate the control block, arch.backend.  0 or negative errno.
 *	vcpu_destroy	free it.
 *	vcpu_reset	control fields as after power-up; registers come by store.
 *	vcpu_load	onto this CPU, preemption off.
 *	vcpu_put	off this CPU, preemption off.
 *	fetch		hardware -> arch.state for these groups.  vCPU thread, loaded or not.
 *	store		arch.state -> hardware for these groups.  vCPU thread, loaded.
 *	set_root	arch.root is another: translate by it from the next entry on, and by nothing
 *			that is cached.  vCPU thread, loaded or not.
 *	set_traps	bring intercepts in line with arch.traps and the guest's CPUID.
 *	trap_msr	exit on reads, on writes of this MSR, or not.
 *	inject		carry the plan out: event, windows.  Interrupts off, right before enter.
 *			Not called again while plans are empty and traps are what they were.
 *	enter		run the guest once.  Interrupts off before and after.
 *	exit		say what happened.  Interrupts off, right after enter; decides nothing.
 *	flush_guest	all cached translations of this vCPU are void from its next entry on.
 *	log_writes	from the next entry on, log where hardware sets dirty bits, or not any more,
 *			as arch.logs_writes says.  vCPU thread; only with @logs_writes.
 *	take_written	the guest physical addresses that were logged since, and how many.  They are
 *			taken; valid until the next entry.  After every entry that logs.
 *	set_tsc		guest TSC = host TSC * @ratio + @offset; @ratio 0: not scaled.
 *	dump		everything about a failed entry, to the log.
 */
#define BACKEND_OPS(OP)								\
	OP(bool, supported, (void))						\
	OP(int, setup, (struct backend_features *features))			\
	OP(void, teardown, (void))						\
	OP(int, cpu_enable, (void))						\
	OP(void, cpu_disable, (void))						\
	OP(void, cpu_emergency, (void))						\
	OP(int, vcpu_create, (struct kvm_vcpu *vcpu))				\
	OP(void, vcpu_destroy, (struct kvm_vcpu *vcpu))				\
	OP(void, vcpu_reset, (struct kvm_vcpu *vcpu))				\
	OP(void, vcpu_load, (struct kvm_vcpu *vcpu, int cpu))			\
	OP(void, vcpu_put, (struct kvm_vcpu *vcpu))				\
	OP(void, fetch, (struct kvm_vcpu *vcpu, u32 groups))			\
	OP(void, store, (struct kvm_vcpu *vcpu, u32 groups))			\
	OP(void, set_root, (struct kvm_vcpu *vcpu))				\
	OP(void, set_traps, (struct kvm_vcpu *vcpu))				\
	OP(void, trap_msr, (struct kvm_vcpu *vcpu, u32 msr, bool read, bool write)) \
	OP(void, inject, (struct kvm_vcpu *vcpu, const struct event_plan *plan)) \
	OP(void, enter, (struct kvm_vcpu *vcpu))				\
	OP(void, exit, (struct kvm_vcpu *vcpu, struct vm_exit *exit,		\
			struct event_report *report))				\
	OP(void, flush_guest, (struct kvm_vcpu *vcpu))				\
	OP(void, log_writes, (struct kvm_vcpu *vcpu))				\
	OP(unsigned int, take_written, (struct kvm_vcpu *vcpu, const u64 **gpa)) \
	OP(void, set_tsc, (struct kvm_vcpu *vcpu, u64 offset, u64 ratio))	\
	OP(void, dump, (struct kvm_vcpu *vcpu))

#define BACKEND_TYPE(ret, name, args) typedef ret backend_##name##_fn args;
BACKEND_OPS(BACKEND_TYPE)
#undef BACKEND_TYPE

#define BACKEND_MEMBER(ret, name, args) typeof(backend_##name##_fn) *(name);
struct backend {
	BACKEND_OPS(BACKEND_MEMBER)
};

#undef BACKEND_MEMBER

extern const struct backend svm_backend;
extern const struct backend vmx_backend;

#define BACKEND_CALL(ret, name, args) DECLARE_STATIC_CALL(backend_##name, backend_##name##_fn);
BACKEND_OPS(BACKEND_CALL)
#undef BACKEND_CALL

/* backend_call(fetch)(vcpu, groups) */
#define backend_call(name) static_call(backend_##name)

/*
 * What a backend leaves in LDTR: the process's LDT as it is at vcpu_put.  Another thread may have
 * given it one since vcpu_load, or another, and freed the old one; its descriptor is in the GDT.
 */
static inline u16 process_ldt(void)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	if (current->mm && READ_ONCE(current->mm->context.ldt))
		return GDT_ENTRY_LDT * 8;
#endif
	return 0;
}

#endif /* ARCH_X86_KVM_BACKEND_H */
