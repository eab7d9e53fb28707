/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * events.h - what a vCPU takes next: exceptions, interrupts, NMIs, SMIs, INIT, SIPI, shutdown.
 *
 * One struct holds all of it, one function (events_plan) decides, and the
 * backends only translate the decision.  No other place in the tree asks
 * "which event comes first".  The machine is drawn in
 * Documentation/virt/kvm/events.rst; tools/testing/kvm/events checks it over
 * all its states.
 *
 * SDM vol. 3, 6.9 (priorities), 26 and 31 (SMM); APM vol. 2, 8.5, 10.3 and 15.20 to 15.22.
 */
#ifndef ARCH_X86_KVM_EVENTS_H
#define ARCH_X86_KVM_EVENTS_H

#include "pure.h"
#include <linux/kvm.h>

enum event_kind {
	EVENT_NONE,
	EVENT_EXCEPTION,	/* hardware exception, or one pushed the same way */
	EVENT_SOFT_EXCEPTION,	/* INT3, INTO: the frame holds RIP + insn_len */
	EVENT_NMI,
	EVENT_IRQ,
	EVENT_SOFT_IRQ,		/* INT n: the frame holds RIP + insn_len */
};

/**
 * struct event - one event, in no vendor's format
 * @kind:	enum event_kind; EVENT_NONE makes the rest meaningless, and zero
 * @vector:	IDT vector; 2 for an NMI, 3 or 4 for a soft exception and for no other
 * @insn_len:	soft kinds: bytes from the RIP in the registers to the RIP in the frame, or
 *		INSN_LEN_UNKNOWN until run.c has looked at the instruction, before it plans
 * @has_error:	an error code is pushed (outside real mode)
 * @has_payload: @payload is still to be written to CR2 (#PF) or DR6 (#DB) on delivery
 * @error:	the error code, 16 bits
 * @payload:	#PF: the linear address; #DB: DR6 bits, those that are active low inverted
 */
struct event {
	u8 kind;
	u8 vector;
	u8 insn_len;
	bool has_error;
	bool has_payload;
	u32 error;
	u64 payload;
};

#define INSN_LEN_UNKNOWN	0xff

/* Are NMIs blocked?  Opened by the completion, not by the start, of an IRET. */
enum nmi_mask {
	NMI_OPEN,
	NMI_MASKED,
	NMI_AT_IRET,	/* masked, RIP stands at the IRET that is to open it (no hardware help) */
};

/* Interrupt shadows, with the ABI's bits; AMD hardware knows only "one of them". */
#define SHADOW_MOV_SS	KVM_X86_SHADOW_INT_MOV_SS
#define SHADOW_STI	KVM_X86_SHADOW_INT_STI
#define SHADOW_ANY	(SHADOW_MOV_SS | SHADOW_STI)

/**
 * struct vcpu_events - all event state of a vCPU.  Its thread only.
 * @inflight:	begun, and not provably seen by the guest: given to hardware just now, or left
 *		undelivered by it, or restored as injected.  Between entries: exceptions only
 * @fault:	an exception raised, not begun
 * @irq:	an interrupt its controller has handed over (it will not offer it again), or a soft
 *		one, restored or given back by hardware; not delivered
 * @nmi_begun:	an NMI whose delivery had begun; goes out although NMIs are masked
 * @nmi_pending: NMIs latched, 0 to 2
 * @nmi_mask:	enum nmi_mask
 * @shutdown:	a triple fault that userspace has not been told of
 * @fault_restored: @fault, if there is one, came by events_set(), not by the vCPU's own doing
 * @smi_pending: an SMI is latched
 * @in_smm:	in system management mode, from an SMI to RSM: no SMI and no INIT is taken
 * @smm_inside_nmi: NMIs were masked when it began, and are again behind RSM; only with @in_smm
 * @init:	an INIT is latched
 * @sipi:	and a SIPI behind it
 * @sipi_vector: of @sipi, or of KVM_MP_STATE_SIPI_RECEIVED; the page where the vCPU starts
 * @mp_state:	KVM_MP_STATE_RUNNABLE, _HALTED, _UNINITIALIZED (waits for an INIT), _INIT_RECEIVED
 *		(waits for a SIPI) or _SIPI_RECEIVED (has it)
 * @waiting:	all from @nmi_begun to @in_smm at once, for events_idle()
 *
 * @inflight and @fault are never both set when events_plan() is asked.
 */
struct vcpu_events {
	struct event inflight;
	struct event fault;
	struct event irq;
	union {
		struct {
			bool nmi_begun;
			u8 nmi_pending;
			u8 nmi_mask;
			bool shutdown;
			bool smi_pending;
			bool init;
			u8 mp_state;
			bool in_smm;
		};
		u64 waiting;
	};
	bool fault_restored;
	bool smm_inside_nmi;
	bool sipi;
	u8 sipi_vector;
};

/**
 * struct event_gates - what of the vCPU's registers lets events in or keeps them out
 * @if_set:	RFLAGS.IF
 * @shadow:	SHADOW_* bits: the next instruction runs before an interrupt (MOV SS: also an NMI)
 * @real_mode:	CR0.PE is 0: no error codes
 * @irq_wanted:	something outside waits for the moment an interrupt could be taken
 * @irq_offered: a controller in the kernel has an interrupt for this vCPU
 * @trap_waits:	a debug trap waits for the end of @shadow, and hardware does not know of it
 * @stepped:	a debugger outside wants to know of each instruction, and of each delivery
 */
struct event_gates {
	bool if_set;
	u8 shadow;
	bool real_mode;
	bool irq_wanted;
	bool irq_offered;
	bool trap_waits;
	bool stepped;
};

/**
 * struct event_plan - the decision for one VM entry; a value, thrown away if the entry is not made
 * @inject:	what the guest takes with this entry; the vector of one that a controller offers is
 *		known when it has been acknowledged, between events_plan() and events_commit()
 * @from:	which slot of struct vcpu_events it comes from
 * @shutdown:	do not enter; report a triple fault
 * @smi:	do not enter; save the state in SMRAM, begin SMM, as events_smm_begun() says, and
 *		ask again
 * @init:	do not enter; reset the vCPU, as events_initialised() says, and ask again
 * @irq_window:	exit as soon as an interrupt can be taken
 * @nmi_window:	exit as soon as an NMI can be taken
 * @again:	exit right behind the delivery: at its handler's first instruction another goes, an
 *		SMI is taken or @stepped does; or @inject is soft, and an instruction of the guest's
 *		could make the same, which no exit would tell apart
 * @watch_iret:	NMIs are masked, and not @iret_goes: exit at the next IRET; with virtual NMIs, if an
 *		IRET faults, for that has opened them
 * @iret_goes:	RIP stands at the IRET that opens the mask, and it runs: exit if it faults
 * @step:	exit after one instruction, also if it faults: that IRET, if an NMI waits for it, or
 *		the last one in a shadow, if an NMI or a debug trap does
 * @set_rf:	the frame's RFLAGS has RF (faults on their first delivery; SDM 17.3.1.1)
 */
struct event_plan {
	struct event inject;
	u8 from;
	bool shutdown;
	bool smi;
	bool init;
	bool irq_window;
	bool nmi_window;
	bool again;
	bool watch_iret;
	bool iret_goes;
	bool step;
	bool set_rf;
};

enum event_source {
	FROM_NOWHERE,
	FROM_INFLIGHT,
	FROM_FAULT,
	FROM_NMI_BEGUN,
	FROM_IRQ,
	FROM_NMI,
	FROM_CONTROLLER,
};

/**
 * struct event_report - what a VM exit says of events, filled by the backend
 * @undelivered: the event whose delivery the exit interrupted, as hardware names it
 * @at_iret:	exited at an IRET, before it, because of @watch_iret
 * @stepped:	the one instruction of @step has completed
 * @moved:	RIP is not where the entry found it; after @iret_goes: the IRET has completed
 * @nmi_masked:	hardware's own mask, where @nmi_tracked; an IRET that faulted is undone in it
 * @nmi_tracked: hardware follows the NMI mask (virtual NMIs)
 */
struct event_report {
	struct event undelivered;
	bool at_iret;
	bool stepped;
	bool moved;
	bool nmi_masked;
	bool nmi_tracked;
};

/**
 * struct event_abi - how one vCPU speaks the ABI of KVM_GET/SET_VCPU_EVENTS
 * @payload:	KVM_CAP_EXCEPTION_PAYLOAD is enabled
 * @triple_fault: KVM_CAP_X86_TRIPLE_FAULT_EVENT is enabled
 * @apic:	the local APIC is in the kernel: there are INITs and SIPIs
 */
struct event_abi {
	bool payload;
	bool triple_fault;
	bool apic;
};

/* kvm_vcpu_events.flags, as events_get() says them of all but a SIPI. */
static inline u32 events_flags(const struct event_abi *abi)
{
	return KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
	       KVM_VCPUEVENT_VALID_SMM | (abi->payload ? KVM_VCPUEVENT_VALID_PAYLOAD : 0) |
	       (abi->triple_fault ? KVM_VCPUEVENT_VALID_TRIPLE_FAULT : 0);
}

/*
 * Of vcpu_events.waiting, what there is to decide on: its first six bytes, and of mp_state the bit
 * that is KVM_MP_STATE_SIPI_RECEIVED's alone.
 */
#define EVENTS_WAITING	(GENMASK_ULL(47, 0) | (u64)KVM_MP_STATE_SIPI_RECEIVED << 48)

static_assert(offsetof(struct vcpu_events, mp_state) == offsetof(struct vcpu_events, waiting) + 6);
static_assert(offsetof(struct vcpu_events, in_smm) == offsetof(struct vcpu_events, waiting) + 7);

/* Is there nothing at all to decide on?  The common case of an exit; in SMM an image says so. */
static inline bool events_idle(const struct vcpu_events *ev)
{
	return !(ev->inflight.kind | ev->fault.kind | ev->irq.kind |
		 (ev->waiting & EVENTS_WAITING));
}

/* Does the frame of this event hold an address behind the instruction that made it? */
static inline bool event_is_soft(const struct event *event)
{
	return event->kind == EVENT_SOFT_EXCEPTION || event->kind == EVENT_SOFT_IRQ;
}

/* Do the registers let an interrupt in? */
static inline bool events_irq_open(const struct event_gates *gates)
{
	return gates->if_set && !gates->shadow;
}

/* Something takes the next instruction boundary, whatever the interrupt flag says. */
static inline bool events_first(const struct vcpu_events *ev)
{
	return ev->inflight.kind | ev->fault.kind | ev->nmi_begun;
}

/* An SMI waits for nothing but an instruction boundary. */
static inline bool events_smi_due(const struct vcpu_events *ev)
{
	return ev->smi_pending && !ev->in_smm;
}

/* Could an interrupt handed over now go out with the next entry? (ready_for_interrupt_injection) */
static inline bool events_irq_ready(const struct vcpu_events *ev, const struct event_gates *gates)
{
	return events_irq_open(gates) && !events_first(ev) && !events_smi_due(ev) &&
	       !(ev->irq.kind | ev->shutdown);
}

void events_reset(struct vcpu_events *ev);

/* The soft event whose instruction length is not known yet, or NULL. */
struct event *events_unmeasured(struct vcpu_events *ev);

/**
 * events_raise - the vCPU causes an exception
 * @ev: the machine
 * @exception: EVENT_EXCEPTION, or EVENT_SOFT_EXCEPTION; has_error is made architectural
 *
 * Meets an exception that is raised or in delivery by the double-fault rules (SDM 6.15, table 6-5;
 * APM 8.2.9): a benign pair leaves the new one, contributory pairs become #DF, a third shutdown.
 */
void events_raise(struct vcpu_events *ev, const struct event *exception);

/*
 * The registers are replaced from outside: what goes with the old ones is an exception that was
 * raised with them (one that was restored since stays), a soft event of the instruction at RIP
 * (which will make it again), and that an IRET stands there.
 */
void events_forget_raised(struct vcpu_events *ev);

/* The processor shuts down: whatever waits is void, and userspace is told (KVM_EXIT_SHUTDOWN). */
void events_triple_fault(struct vcpu_events *ev);

/* An NMI arrives (KVM_NMI): latched, to the limit of what a processor remembers. */
void events_nmi(struct vcpu_events *ev);

/* The interrupt controller hands a vector over (KVM_INTERRUPT); one that waits is replaced. */
void events_irq(struct vcpu_events *ev, u8 vector);

/* An SMI arrives: latched, once; what comes in SMM is taken behind RSM. */
void events_smi(struct vcpu_events *ev);

/* The vCPU takes its SMI: NMIs are masked until RSM, or until an IRET in between. */
void events_smm_begun(struct vcpu_events *ev);

/* It executes RSM: the NMI mask is what it was before the SMI. */
void events_smm_ended(struct vcpu_events *ev);

/* Do the two ioctls together say what no processor can be: in SMM, and waiting for INIT or SIPI? */
bool events_contradict(const struct vcpu_events *ev);

/* An INIT arrives.  What came before it is void, and that is not looked at before it is taken. */
void events_init(struct vcpu_events *ev);

/* A SIPI arrives: latched by who waits for one or is about to, once; void for everybody else. */
void events_sipi(struct vcpu_events *ev, u8 vector);

/**
 * events_initialised - the vCPU takes its INIT: what is left is a SIPI behind it, and an SMI
 * @ev: the machine
 * @boot: this is the boot processor, which starts; others wait for their SIPI
 */
void events_initialised(struct vcpu_events *ev, bool boot);

/* A vCPU that waits for a SIPI takes it, if there is one: true, and @vector, and it runs. */
bool events_take_sipi(struct vcpu_events *ev, u8 *vector);

/**
 * events_plan - decide what the guest takes with the next entry
 * @ev: the machine, unchanged
 * @gates: the vCPU's registers
 *
 * Order: shutdown; an SMI, at an instruction boundary with nothing begun or raised there; an INIT,
 * outside of SMM; what has begun (exception, soft event) or was raised; an NMI begun; an interrupt
 * handed over, if the gates let it in; a latched NMI; one that a controller offers.  What cannot
 * go, or comes second, gets a window.  No shadow holds an SMI: who saves the state saves it, too.
 */
struct event_plan events_plan(const struct vcpu_events *ev, const struct event_gates *gates);

/* The entry is being made (interrupts off, nothing can stop it): the plan's event is inflight. */
void events_commit(struct vcpu_events *ev, const struct event_plan *plan);

/* An exit came: take back what was not delivered, follow the NMI mask. */
void events_exit(struct vcpu_events *ev, const struct event_report *report);

/*
 * What events_exit() has taken back, of this kind, has been delivered in software: by a task gate.
 * A fault of that delivery is raised before.
 */
void events_delivered(struct vcpu_events *ev, u8 kind);

/* An IRET has been executed in software. */
void events_iret(struct vcpu_events *ev);

/* Would a vCPU that does not run (mp_state) find something to do? */
bool events_wake(const struct vcpu_events *ev, const struct event_gates *gates);

/* Does the architecture push an error code for this exception? */
bool exception_has_error(u8 vector);

/**
 * exception_dr6 - DR6 after a #DB with this payload is delivered
 * @dr6: before
 * @payload: as in struct event
 */
u64 exception_dr6(u64 dr6, u64 payload);

/**
 * events_get - the machine in the ABI's words
 * @ev: the machine, unchanged
 * @abi: what the VMM enabled
 * @shadow: the interrupt shadow, SHADOW_* bits
 * @out: wholly written; what is not valid is zero
 */
void events_get(const struct vcpu_events *ev, const struct event_abi *abi, u8 shadow,
		struct kvm_vcpu_events *out);

/**
 * events_set - replace the machine by what userspace says
 * @ev: the machine; unchanged if refused
 * @abi: what the VMM enabled
 * @shadow: written if the flag says so
 * @in: a private copy of userspace's struct
 *
 * Return: 0, or -EINVAL for an unknown flag, a flag whose capability is off, an impossible vector.
 */
int events_set(struct vcpu_events *ev, const struct event_abi *abi, u8 *shadow,
	       const struct kvm_vcpu_events *in);

/* KVM_SET_MP_STATE: 0, or -EINVAL for a state that no vCPU here is in. */
int events_set_mp_state(struct vcpu_events *ev, const struct event_abi *abi, u32 mp_state);

#endif /* ARCH_X86_KVM_EVENTS_H */
