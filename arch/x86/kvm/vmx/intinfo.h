/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * intinfo.h - events in VMX's words, and back: interruption information for
 * entries and from exits, interruptibility, pending debug exceptions.
 *
 * PURE.  SDM vol. 3, 24.4.2 (guest non-register state), 24.8.3 (entry), 24.9.2
 * and 24.9.3 (exit); what an entry accepts: 26.2.1.3 and 26.3.1.5.
 */
#ifndef ARCH_X86_KVM_VMX_INTINFO_H
#define ARCH_X86_KVM_VMX_INTINFO_H

#include "../events.h"

#define VMX_INTINFO_VECTOR	0xffU
#define VMX_INTINFO_TYPE	0x700U
#define VMX_INTINFO_ERROR	0x800U		/* with an error code */
#define VMX_INTINFO_IRET	0x1000U		/* exits: an IRET had opened the NMI mask */
#define VMX_INTINFO_VALID	0x80000000U

enum vmx_intinfo_type {
	VMX_TYPE_INTR		= 0x000,
	VMX_TYPE_NMI		= 0x200,
	VMX_TYPE_EXCEPTION	= 0x300,
	VMX_TYPE_SOFT_INTR	= 0x400,
	VMX_TYPE_INT1		= 0x500,
	VMX_TYPE_SOFT_EXCEPTION	= 0x600,	/* INT3, INTO */
};

/* Guest interruptibility state */
#define VMX_BLOCKED_BY_STI	0x1U
#define VMX_BLOCKED_BY_MOV_SS	0x2U
#define VMX_BLOCKED_BY_NMI	0x8U

#define VMX_PENDING_STEP	0x4000U		/* in the pending debug exceptions */

/* #DF, #TS to #PF, #AC: an entry takes them with an error code, and nothing else with one. */
#define VMX_ERROR_VECTORS	0x00027d00U

static inline u32 vmx_intinfo_type(const struct event *event)
{
	switch (event->kind) {
	case EVENT_NMI:
		return VMX_TYPE_NMI;
	case EVENT_IRQ:
		return VMX_TYPE_INTR;
	case EVENT_SOFT_IRQ:
		return VMX_TYPE_SOFT_INTR;
	case EVENT_SOFT_EXCEPTION:
		return VMX_TYPE_SOFT_EXCEPTION;
	default:
		return VMX_TYPE_EXCEPTION;
	}
}

/**
 * vmx_intinfo_of - interruption information for the entry that injects this event
 * @event: not EVENT_NONE; an exception's vector is below 32
 * @any_error_code: the processor takes error codes with all exceptions
 *
 * Elsewhere an error code that is refused is left out.
 */
static inline u32 vmx_intinfo_of(const struct event *event, bool any_error_code)
{
	bool error = event->has_error &&
		     (any_error_code || (VMX_ERROR_VECTORS >> event->vector) & 1);

	return event->vector | vmx_intinfo_type(event) | VMX_INTINFO_VALID |
	       (error ? VMX_INTINFO_ERROR : 0);
}

static inline u8 vmx_kind_of(u32 info)
{
	switch (info & VMX_INTINFO_TYPE) {
	case VMX_TYPE_NMI:
		return EVENT_NMI;
	case VMX_TYPE_EXCEPTION:
		return EVENT_EXCEPTION;
	case VMX_TYPE_SOFT_INTR:
		return EVENT_SOFT_IRQ;
	case VMX_TYPE_INT1:
	case VMX_TYPE_SOFT_EXCEPTION:
		return EVENT_SOFT_EXCEPTION;
	default:
		return EVENT_IRQ;
	}
}

/**
 * vmx_event_of - the event of IDT-vectoring information, or of an entry that was refused
 * @info: the field
 * @error: the error code that belongs to it
 *
 * Return: EVENT_NONE if the field is not valid.  A soft event's length is not there.
 */
static inline struct event vmx_event_of(u32 info, u32 error)
{
	if (!(info & VMX_INTINFO_VALID))
		return (struct event){ .kind = EVENT_NONE };
	return (struct event){
		.kind = vmx_kind_of(info),
		.vector = info & VMX_INTINFO_VECTOR,
		.has_error = info & VMX_INTINFO_ERROR,
		.error = info & VMX_INTINFO_ERROR ? error : 0,
	};
}

/**
 * vmx_iret_undone - did an IRET that has not happened open the NMI mask?
 * @info: VM-exit interruption information, or the exit qualification of an EPT violation or of a
 *	  full log of writes
 * @delivering: the exit has interrupted a delivery; the bit is not defined then
 * @double_fault: the exit is #DF's; the same (27.2.3)
 *
 * So does an IRET that faults, or that the host has to bring a page for.
 */
static inline bool vmx_iret_undone(u64 info, bool delivering, bool double_fault)
{
	return info & VMX_INTINFO_IRET && !delivering && !double_fault;
}

/*
 * Are NMIs masked for this entry?  One that goes in finds them open, and masks them itself.  One
 * that has begun and waits behind a shadow, masked or not, needs the window that opens there.
 */
static inline bool vmx_masks_nmis(const struct event_plan *plan)
{
	return plan->watch_iret && !plan->step && plan->inject.kind != EVENT_NMI;
}

/**
 * vmx_swaps_shadow - does MOV SS' shadow take the place of STI's for this entry?
 * @shadow: SHADOW_* bits
 * @one: just the next instruction is to go: a step, or the guest's own
 *
 * STI's holds an NMI back on some processors only, and a single step on none.
 */
static inline bool vmx_swaps_shadow(u8 shadow, bool one)
{
	return shadow == SHADOW_STI && one;
}

/**
 * vmx_interruptibility - guest interruptibility state for an entry
 * @shadow: SHADOW_* bits
 * @swapped: vmx_swaps_shadow()
 * @nmi_blocked: vmx_masks_nmis()
 */
static inline u32 vmx_interruptibility(u8 shadow, bool swapped, bool nmi_blocked)
{
	u32 state = nmi_blocked ? VMX_BLOCKED_BY_NMI : 0;

	if (likely(!shadow))
		return state;
	return state | (shadow == SHADOW_STI && !swapped ? VMX_BLOCKED_BY_STI :
							   VMX_BLOCKED_BY_MOV_SS);
}

/**
 * vmx_shadow_of - the shadow that an exit has left
 * @state: guest interruptibility state
 * @swapped: as at the entry
 *
 * Return: SHADOW_* bits
 */
static inline u8 vmx_shadow_of(u32 state, bool swapped)
{
	if (likely(!(state & (VMX_BLOCKED_BY_STI | VMX_BLOCKED_BY_MOV_SS))))
		return 0;
	if (state & VMX_BLOCKED_BY_MOV_SS)
		return swapped ? SHADOW_STI : SHADOW_MOV_SS;
	return SHADOW_STI;
}

/**
 * vmx_pending_dbg - pending debug exceptions for an entry
 * @shadow: SHADOW_* bits
 * @pending: traps that wait, in DR6's format
 * @tf: RFLAGS.TF
 *
 * Behind a shadow a single step waits exactly if TF is set, or the entry fails (26.3.1.5).
 */
static inline u64 vmx_pending_dbg(u8 shadow, u64 pending, bool tf)
{
	if (likely(!shadow))
		return pending;
	return (pending & ~(u64)VMX_PENDING_STEP) | (tf ? VMX_PENDING_STEP : 0);
}

#endif /* ARCH_X86_KVM_VMX_INTINFO_H */
