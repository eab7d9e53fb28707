/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hardware.h - both vendors' processors, as far as events are told to them and by them; and what
 * the backends say and understand.
 *
 * The processors are a second reading of the manuals and share nothing with the backends.
 */
#ifndef TOOLS_TESTING_KVM_INTINFO_HARDWARE_H
#define TOOLS_TESTING_KVM_INTINFO_HARDWARE_H

#include "../../../../arch/x86/kvm/events.h"

/* What makes an event by itself in the guest. */
enum origin { ORIGIN_FAULT, ORIGIN_INT_N, ORIGIN_INT3_INTO, ORIGIN_INT1 };

/**
 * struct taken - what a processor makes of a word that tells it of an event
 * @vector:	the handler that runs
 * @error:	an error code is pushed
 * @exception:	it counts as an exception, not as an interrupt
 * @behind:	the frame's RIP is behind an instruction
 * @nmi:	NMIs are masked from here on
 */
struct taken {
	u8 vector;
	bool error;
	bool exception;
	bool behind;
	bool nmi;
};

/**
 * struct entry - with what a guest is entered
 * @info:	the word, or 0: there is no event
 * @insn_len:	instruction length, where the word is a soft event's
 * @real_mode:	CR0.PE is 0
 */
struct entry {
	u32 info;
	u8 insn_len;
	bool real_mode;
};

/**
 * struct vendor - a backend's translation, and its hardware
 * @name:	as people say
 * @say:	the backend: the word that injects an event
 * @understand:	the backend: the event that a word from an exit tells of
 * @knows:	the processor: there is such an exception
 * @take:	the processor: accept an entry, or refuse it for a reason (returned; else NULL)
 * @report:	the processor: the word for an event of the guest's own making whose delivery was
 *		interrupted
 */
struct vendor {
	const char *name;
	u32 (*say)(const struct event *event);
	struct event (*understand)(u32 info, u32 error);
	bool (*knows)(u8 vector);
	const char *(*take)(const struct entry *entry, struct taken *taken);
	u32 (*report)(enum origin origin, u8 vector, bool has_error);
};

extern const struct vendor svm, vmx, vmx_any_error_code;

#endif /* TOOLS_TESTING_KVM_INTINFO_HARDWARE_H */
