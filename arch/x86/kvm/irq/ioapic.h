/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ioapic.h - the registers and pins of an IOAPIC: what it answers, sends and waits for.
 *
 * PURE: a struct in, a struct and perhaps a message out.  The lock around each call, where the
 * registers are mapped, who drives a line (several may: the OR of them comes here), to whom a
 * message goes, and who is told of an EOI are the caller's.
 *
 * The chip is Intel's 82093AA, version 0x11 (datasheet 290566-001): 24 pins, no EOI register, EOIs
 * come as broadcasts.  It differs in three things, as the ABI wants it.  A pin's polarity is kept
 * and has no effect: 1 is asserted (KVM_CAP_IOAPIC_POLARITY_IGNORED).  A physical destination has
 * eight bits, as on all later chips.  Sending takes no time: delivery status is always "idle".
 *
 * The caller's part: after ioapic_set_line(), ioapic_write(), ioapic_set_state() or ioapic_eoi(),
 * for each pin in question, ioapic_take() a message and deliver it, and say ioapic_refused() if no
 * local APIC accepted it.
 */
#ifndef ARCH_X86_KVM_IRQ_IOAPIC_H
#define ARCH_X86_KVM_IRQ_IOAPIC_H

#include "../pure.h"
#include "msg.h"
#include <asm/kvm.h>

#define IOAPIC_PINS	KVM_IOAPIC_NUM_PINS
#define IOAPIC_BASE	0xfec00000ull	/* after reset */
#define IOAPIC_SIZE	0x100		/* bytes of it that are decoded */

/* Offsets of the two registers that are mapped; accesses are of 32 bits. */
#define IOAPIC_REGSEL	0x00
#define IOAPIC_WIN	0x10

/**
 * struct ioapic - one IOAPIC
 * @base:	guest-physical address of the registers.  Userspace can set any: to ask for a hit,
 *		compare (address - base) with IOAPIC_SIZE
 * @regsel:	which register IOAPIC_WIN shows, 8 bits
 * @id:		4 bits
 * @lines:	pins that are asserted, bit 0 is pin 0
 * @edges:	pins whose edge waits to be sent: unmasked edge-triggered ones and no others
 * @redir:	the redirection table, without bits that do not exist; remote IRR (bit 14) is set in
 *		level-triggered entries and no others
 *
 * All of it is guarded by the caller's one lock.
 */
struct ioapic {
	u64 base;
	u8 regsel;
	u8 id;
	u32 lines;
	u32 edges;
	u64 redir[IOAPIC_PINS];
};

/* As after power-on: all pins masked, no line asserted. */
void ioapic_reset(struct ioapic *ioapic);

/**
 * ioapic_read - the guest reads a register
 * @ioapic: of this
 * @offset: from @ioapic->base
 *
 * Return: 32 bits; 0 where there is no register.
 */
u32 ioapic_read(const struct ioapic *ioapic, unsigned int offset);

/**
 * ioapic_write - the guest writes a register
 * @ioapic: of this
 * @offset: from @ioapic->base
 * @value: 32 bits
 *
 * To unmask a level-triggered pin that is asserted makes it send.  An edge that came while its pin
 * was masked is lost, and one that waits is lost when its pin is masked (3.2.4, bit 16).  An entry
 * that is made edge-triggered forgets its remote IRR: this is how systems get a pin of this version
 * going again whose EOI was lost.
 *
 * Return: the pins, of those whose entry was written, that now have something to send.
 */
u32 ioapic_write(struct ioapic *ioapic, unsigned int offset, u32 value);

/**
 * ioapic_set_line - a line is asserted, or no longer
 * @ioapic: of this
 * @pin: below IOAPIC_PINS
 * @asserted: of all that drive the line together; the same again is no new edge
 *
 * Return: does the pin now have something to send?
 */
bool ioapic_set_line(struct ioapic *ioapic, unsigned int pin, bool asserted);

/**
 * ioapic_pending - which pins have something to send?
 * @ioapic: of this
 *
 * For after a local APIC that refused has begun to accept: level-triggered pins that were refused
 * are among the answer.
 *
 * Return: a bit for each pin.
 */
u32 ioapic_pending(const struct ioapic *ioapic);

/**
 * ioapic_take - what this pin has to send, which is thereby sent
 * @ioapic: of this
 * @pin: below IOAPIC_PINS
 * @msg: out, if it has something
 *
 * From here on a level-triggered pin waits for its EOI (remote IRR).
 *
 * Return: true if there is a message.
 */
bool ioapic_take(struct ioapic *ioapic, unsigned int pin, struct irq_msg *msg);

/**
 * ioapic_refused - no local APIC has accepted what ioapic_take() gave
 * @ioapic: of this
 * @pin: below IOAPIC_PINS
 *
 * Nobody will send an EOI, so a level-triggered pin does not wait for one: while asserted it has
 * something to send and is found by ioapic_pending() and whatever else looks at the pin.  An edge
 * is gone.  If the lock was not held since ioapic_take() and the pin was taken again meanwhile, the
 * worst is that a level-triggered interrupt comes twice.
 */
void ioapic_refused(struct ioapic *ioapic, unsigned int pin);

/**
 * ioapic_eoi - a local APIC broadcasts an EOI
 * @ioapic: of this
 * @vector: what has ended
 *
 * Return: the level-triggered pins with this vector, masked or not, whether they waited for an EOI
 * or not.  Those of them that are still asserted, after who drives them has been told, have
 * something to send.
 */
u32 ioapic_eoi(struct ioapic *ioapic, u8 vector);

/**
 * ioapic_vector - which vector does a pin raise?
 * @ioapic: of this
 * @pin: 0 to IOAPIC_PINS - 1
 *
 * Return: the vector; 0 if the pin is masked, or raises what has none (NMI, ...).
 */
u8 ioapic_vector(const struct ioapic *ioapic, unsigned int pin);

/**
 * ioapic_get_state - KVM_GET_IRQCHIP
 * @ioapic: of this
 * @state: out, all of it.  state->irr is, for an unmasked edge-triggered pin, that an edge waits;
 *	for every other, that the line is asserted.  That the line of an edge which has been sent is
 *	still up cannot be said: to whom this is restored, the next assert is an edge
 */
void ioapic_get_state(const struct ioapic *ioapic, struct kvm_ioapic_state *state);

/**
 * ioapic_set_state - KVM_SET_IRQCHIP
 * @ioapic: out, all of it
 * @state: anything; bits that do not exist are dropped
 *
 * Return: the pins that have something to send.
 */
u32 ioapic_set_state(struct ioapic *ioapic, const struct kvm_ioapic_state *state);

#endif /* ARCH_X86_KVM_IRQ_IOAPIC_H */
