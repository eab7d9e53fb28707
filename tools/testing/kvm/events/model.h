/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * model.h - what the parts of the model check share: a state, and how to report.
 *
 * A state is the real struct vcpu_events, an abstract processor, and a ledger
 * of what is owed to the guest.  The ledger is kept by rules written down here
 * a second time and simpler, never by asking events.c; the check is that the
 * two agree, in every state that can be reached.
 *
 * cpu.c is the hardware (its words for events: ../intinfo/hardware.c), properties.c
 * what must hold of a state by itself, model.c the search and the beginning states.
 */
#ifndef TOOLS_TESTING_KVM_EVENTS_MODEL_H
#define TOOLS_TESTING_KVM_EVENTS_MODEL_H

#include "../intinfo/hardware.h"

/* Interrupts, and INT n instructions, whose vectors something else has too. */
#define VECTOR_SHARED	0x40	/* an interrupt's and an INT n's */
#define VECTOR_LOW	14	/* an interrupt's (the PIC's at reset), an INT n's and #PF's */
#define VECTOR_TWO	2	/* an INT n's and the NMI's */

/* What stands at RIP: known only where an exit came before or during it. */
enum at { AT_ANYTHING, AT_IRET, AT_INT3, AT_INT_SHARED, AT_INT_LOW, AT_INT_TWO };

/**
 * struct cpu - the guest's processor
 * @if_set:	RFLAGS.IF
 * @shadow:	SHADOW_* bits
 * @at:		enum at
 * @blocked:	NMIs are blocked, in truth: from a delivery, or an SMI, to the end of an IRET
 * @smm:	in system management mode
 * @outer_blocked: and NMIs were blocked when it began
 */
struct cpu {
	bool if_set;
	u8 shadow;
	u8 at;
	bool blocked;
	bool smm;
	bool outer_blocked;
};

/* The exceptions of the model; those of the guest's own making have their own error codes. */
enum ware {
	W_NONE,
	W_DB,
	W_UD,
	W_GP,
	W_PF,
	W_DF,
	W_BP,			/* with no INT3 at RIP: asked for by a debugger */
	W_OWN_DB,
	W_OWN_UD,
	W_OWN_GP,
	W_OWN_PF,
	WARES
};

enum class { BENIGN_CLASS, CONTRIBUTORY_CLASS, PAGE_FAULT_CLASS, DOUBLE_FAULT_CLASS };

struct ware_facts {
	const char *name;
	u8 vector;
	u8 class;
	bool has_error;
	bool sets_rf;
	u32 error;
	u64 payload;		/* 0: brings none */
};

extern const struct ware_facts wares[WARES];

/**
 * struct owed - what the guest has yet to see; events that an instruction at RIP will make again
 *		 are not owed, they are in the guest's memory
 * @exception:	enum ware
 * @begun:	its delivery has begun, or was restored as begun
 * @payload:	CR2 or DR6 are still to be written
 * @restored:	it is as userspace said, not of the old registers' making
 * @irq:	vector of an interrupt, or 0
 * @soft:	vector of a soft interrupt with no INT n at RIP, or 0
 * @nmi_begun:	an NMI on its way
 * @nmi:	NMIs latched
 * @smi:	an SMI latched
 * @shutdown:	userspace is to be told of a triple fault
 */
struct owed {
	u8 exception;
	bool begun;
	bool payload;
	bool restored;
	u8 irq;
	u8 soft;
	bool nmi_begun;
	u8 nmi;
	bool smi;
	bool shutdown;
};

/* Where the vCPU is. FRESH: the injected event's handler has not run an instruction. */
enum phase { OUTSIDE, INJECTING, FRESH, RUNNING };

struct state {
	struct vcpu_events ev;
	struct cpu cpu;
	struct owed owed;
	u8 phase;
	/* of the plan it was entered with */
	bool irq_window;
	bool nmi_window;
	bool again;
	bool watch_iret;
	bool iret_goes;
	bool step;
	/* since then, where it matters (@iret_goes): an instruction has completed */
	bool moved;
};

/**
 * struct machine - which hardware is modelled
 * @vendor:	how events are told to it and by it, and the backend that does so
 * @nmi_tracked: it follows the NMI mask itself and has an NMI window
 * @real_mode:	the guest never leaves it
 * @smm:	there are SMIs; the search begins at fewer states
 */
struct machine {
	const char *name;
	const struct vendor *vendor;
	bool nmi_tracked;
	bool real_mode;
	bool smm;
};

extern const struct machine *machine;
extern const struct event_abi full_abi;

/* Report that the machine is wrong, with the way that led here; does not return. */
void violation(const struct state *s, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* A transition: @s is reached by @action. */
void reach(const struct state *s, const char *action);

#define MUST(s, condition, ...)					\
	do {							\
		if (!(condition))				\
			violation(s, __VA_ARGS__);		\
	} while (0)

/* Is an SMI owed that waits for an instruction boundary? */
static inline bool smi_is_due(const struct state *s)
{
	return s->owed.smi && !s->cpu.smm;
}

/* cpu.c */
u8 soft_length(const struct cpu *cpu, const struct event *event);
void measure(struct vcpu_events *ev, const struct cpu *cpu);
bool re_executes(const struct cpu *cpu, const struct event *event);
struct event ware_event(enum ware ware);
void act(const struct state *s);

/* properties.c */
void check_state(const struct state *s);
void check_plan(const struct state *s, const struct event_gates *gates,
		const struct event_plan *plan);
struct state restored(const struct state *s, const struct event_abi *abi);
void drain(const struct state *s);

#endif /* TOOLS_TESTING_KVM_EVENTS_MODEL_H */
