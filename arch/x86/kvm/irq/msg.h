/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * msg.h - an interrupt on its way to local APICs, in no format.
 *
 * Who sends one (an IOAPIC's pin, an MSI, a write to an ICR) makes it from its own registers; who
 * finds the local APICs that are meant, and sets their IRR, knows nothing but this.  Next:
 * irq/ioapic.h and irq/route.h, which make them.
 *
 * SDM vol. 3, 11.6.1 (ICR) and 11.11 (MSI); 82093AA datasheet, 3.2.4.
 */
#ifndef ARCH_X86_KVM_IRQ_MSG_H
#define ARCH_X86_KVM_IRQ_MSG_H

#include "../pure.h"

/* Delivery modes, with the numbers that all the formats have for them. */
enum msg_mode {
	MSG_FIXED = 0,
	MSG_LOWEST = 1,		/* fixed, to the one of them that has least to do */
	MSG_SMI = 2,
	MSG_NMI = 4,
	MSG_INIT = 5,
	MSG_SIPI = 6,		/* from an ICR alone */
	MSG_EXTINT = 7,		/* the vector is the PIC's to say */
};

/* Who is meant, if @dest does not say it: the ICR's numbers. */
enum msg_shorthand {
	MSG_TO_DEST = 0,
	MSG_TO_SELF = 1,
	MSG_TO_ALL = 2,
	MSG_TO_OTHERS = 3,	/* all but self */
};

/**
 * struct irq_msg - an interrupt that has been sent and not yet accepted
 * @dest:	physical: an APIC's id; logical: what its LDR and DFR are held against.  8 bits wide
 *		unless the sender has more
 * @vector:	fixed, lowest and SIPI: the vector, from 0 on; the receiver finds out that it is
 *		illegal.  Means nothing in the other modes
 * @mode:	enum msg_mode
 * @shorthand:	enum msg_shorthand; MSG_TO_DEST for what does not come from an ICR
 * @logical:	@dest is logical
 * @level:	level-triggered: the receiver's EOI is broadcast to IOAPICs.  Fixed and lowest only,
 *		and an INIT of an ICR
 * @assert:	false for the level de-assert of an ICR, which only old processors act on
 */
struct irq_msg {
	u32 dest;
	u8 vector;
	u8 mode;
	u8 shorthand;
	bool logical;
	bool level;
	bool assert;
};

#endif /* ARCH_X86_KVM_IRQ_MSG_H */
