/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * intinfo.h - an event in SVM's words, and back: EVENTINJ and EXITINTINFO.
 *
 * PURE.  Both fields have one format (APM vol. 2, 15.7.2 and 15.20).
 */
#ifndef ARCH_X86_KVM_SVM_INTINFO_H
#define ARCH_X86_KVM_SVM_INTINFO_H

#include "../events.h"

#define SVM_INTINFO_VECTOR	0xffU
#define SVM_INTINFO_TYPE	0x700U
#define SVM_INTINFO_ERROR	0x800U		/* with an error code */
#define SVM_INTINFO_VALID	0x80000000U

enum svm_intinfo_type {
	SVM_TYPE_INTR		= 0x000,
	SVM_TYPE_NMI		= 0x200,
	SVM_TYPE_EXCEPTION	= 0x300,
	SVM_TYPE_SOFT_INTR	= 0x400,
};

#define SVM_VECTOR_BP		3
#define SVM_VECTOR_OF		4

/*
 * Vectors that are exceptions: type 3 takes these and no others (15.20).  #DE to #UD without the
 * NMI, #NM, #DF, #TS to #PF, #MF to #XM, #CP, #HV, #VC, #SX.
 */
#define SVM_EXCEPTION_VECTORS	0x702f7dfbU

/* Exceptions that SVM knows nothing of go the same way, without an error code, as interrupts. */
static inline u32 svm_intinfo_type(const struct event *event)
{
	switch (event->kind) {
	case EVENT_NMI:
		return SVM_TYPE_NMI;
	case EVENT_SOFT_IRQ:
		return SVM_TYPE_SOFT_INTR;
	case EVENT_IRQ:
		return SVM_TYPE_INTR;
	default:
		return (SVM_EXCEPTION_VECTORS >> event->vector) & 1 ? SVM_TYPE_EXCEPTION :
								      SVM_TYPE_INTR;
	}
}

/**
 * svm_intinfo_of - what stands in EVENTINJ for this event
 * @event: not EVENT_NONE; an exception's vector is below 32
 */
static inline u32 svm_intinfo_of(const struct event *event)
{
	return event->vector | svm_intinfo_type(event) | SVM_INTINFO_VALID |
	       (event->has_error ? SVM_INTINFO_ERROR : 0);
}

static inline u8 svm_kind_of(u32 info)
{
	u8 vector = info & SVM_INTINFO_VECTOR;
	bool instruction = vector == SVM_VECTOR_BP || vector == SVM_VECTOR_OF;

	switch (info & SVM_INTINFO_TYPE) {
	case SVM_TYPE_NMI:
		return EVENT_NMI;
	case SVM_TYPE_SOFT_INTR:
		return instruction ? EVENT_SOFT_EXCEPTION : EVENT_SOFT_IRQ;
	case SVM_TYPE_EXCEPTION:
		return instruction ? EVENT_SOFT_EXCEPTION : EVENT_EXCEPTION;
	default:
		return EVENT_IRQ;
	}
}

/**
 * svm_event_of - the event of EXITINTINFO
 * @info: the low half of the field
 * @error: the high half
 *
 * Return: EVENT_NONE if the field is not valid.  A soft event's length is not there.
 */
static inline struct event svm_event_of(u32 info, u32 error)
{
	if (!(info & SVM_INTINFO_VALID))
		return (struct event){ .kind = EVENT_NONE };
	return (struct event){
		.kind = svm_kind_of(info),
		.vector = info & SVM_INTINFO_VECTOR,
		.has_error = info & SVM_INTINFO_ERROR,
		.error = info & SVM_INTINFO_ERROR ? error : 0,
	};
}

#endif /* ARCH_X86_KVM_SVM_INTINFO_H */
