/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pic.h - the two 8259A interrupt controllers of a PC, as registers and nothing else.
 *
 * Lines go in, the master's INTR pin comes out, and the guest's ports change what is between.
 * No locks, no time, no vCPU: the caller serialises all calls on one struct pic, and watches
 * pic_output() and the eoi field afterwards.
 *
 * Intel 8259A data sheet (231468); the edge/level registers: 82371SB (PIIX3), 2.5.9.
 */
#ifndef ARCH_X86_KVM_IRQ_PIC_H
#define ARCH_X86_KVM_IRQ_PIC_H

#include "../pure.h"
#include <asm/kvm.h>

#define PIC_MASTER_COMMAND	0x20
#define PIC_MASTER_DATA		0x21
#define PIC_SLAVE_COMMAND	0xa0
#define PIC_SLAVE_DATA		0xa1
#define PIC_MASTER_ELCR		0x4d0
#define PIC_SLAVE_ELCR		0x4d1

#define PIC_LINES		16
#define PIC_CASCADE		2	/* the master's input that the slave's INT is wired to */

/* What the chip expects at its odd port; the numbers are the ABI's init_state. */
enum pic_expects { PIC_READY, PIC_ICW2, PIC_ICW3, PIC_ICW4 };

/**
 * struct pic_chip - one 8259A
 * @line:	the level of each input pin, as last set
 * @irr:	requests: of a level line its level, of an edge line a rise not yet acknowledged
 * @imr:	the mask (OCW1)
 * @isr:	acknowledged, and not ended
 * @elcr:	bit set: this line is level-triggered
 * @base:	vector of input 0, a multiple of 8 (ICW2)
 * @highest:	the input of highest priority, 0 to 7
 * @expects:	enum pic_expects
 * @single:	ICW1: no ICW3 follows; means nothing later, and is not part of the ABI
 * @needs_icw4:	ICW1: an ICW4 follows
 * @read_isr:	OCW3: the even port reads ISR, not IRR
 * @poll:	OCW3: the next read is an acknowledge
 * @special_mask: OCW3: what is in service and masked holds nothing back
 * @nested:	ICW4: special fully nested mode (it matters at the master)
 * @auto_eoi:	ICW4: an acknowledge ends the service, too
 * @auto_rotate: OCW2: ... and rotates
 */
struct pic_chip {
	u8 line;
	u8 irr;
	u8 imr;
	u8 isr;
	u8 elcr;
	u8 base;
	u8 highest;
	u8 expects;
	bool single;
	bool needs_icw4;
	bool read_isr;
	bool poll;
	bool special_mask;
	bool nested;
	bool auto_eoi;
	bool auto_rotate;
};

/**
 * struct pic - both chips
 * @chips:	KVM_IRQCHIP_PIC_MASTER and KVM_IRQCHIP_PIC_SLAVE; input 2 of the master is the
 *		slave's INT pin at all times
 * @eoi:	bit n: the service of line n has ended (EOI, automatic EOI, initialisation) since
 *		the caller last cleared the field
 * @output:	the master's INTR pin
 */
struct pic {
	struct pic_chip chips[2];
	u16 eoi;
	bool output;
};

/* The INTR pin: is there something to acknowledge? */
static inline bool pic_output(const struct pic *pic)
{
	return pic->output;
}

/* Power-on: nothing requested, nothing masked, all lines low and edge-triggered, vectors from 0. */
void pic_reset(struct pic *pic);

/**
 * pic_set_line - drive an input pin
 * @pic: the chips
 * @line: 0 to 15; 2 has no pin, and a number above 15 no chip: neither does anything
 * @high: the level; the rise of an edge-triggered line is remembered until it is acknowledged
 *
 * Return: false if @high requested nothing new (an edge that has come already, no pin), or
 * if the line is masked; true otherwise, and always for a falling line.
 */
/* Is the line masked? */
static inline bool pic_masked(const struct pic *pic, unsigned int line)
{
	return pic->chips[line / 8 & 1].imr >> line % 8 & 1;
}

bool pic_set_line(struct pic *pic, unsigned int line, bool high);

/**
 * pic_acknowledge - the processor's INTA cycles
 * @pic: the chips; pic_output() may have become false since it was asked
 *
 * Return: the vector. If the request has gone, that of input 7, without an ISR bit (data sheet,
 * "interrupt sequence"): IRQ 7 or, if it is the slave that has nothing to offer, IRQ 15.
 */
u8 pic_acknowledge(struct pic *pic);

/**
 * pic_write - the guest's OUT to one of the six ports
 * @pic: the chips
 * @port: PIC_MASTER_COMMAND ... PIC_SLAVE_ELCR; any other does nothing
 * @value: the byte
 */
void pic_write(struct pic *pic, u16 port, u8 value);

/**
 * pic_read - the guest's IN
 * @pic: the chips; the read after a poll command is an acknowledge
 * @port: PIC_MASTER_COMMAND ... PIC_SLAVE_ELCR
 *
 * Return: the byte; all ones for any other port.
 */
u8 pic_read(struct pic *pic, u16 port);

/**
 * pic_get_state - one chip in the ABI's words (KVM_GET_IRQCHIP)
 * @pic: the chips
 * @chip: KVM_IRQCHIP_PIC_MASTER or KVM_IRQCHIP_PIC_SLAVE
 * @state: wholly written
 */
void pic_get_state(const struct pic *pic, unsigned int chip, struct kvm_pic_state *state);

/**
 * pic_set_state - replace one chip's state (KVM_SET_IRQCHIP)
 * @pic: the chips; unchanged if refused
 * @chip: KVM_IRQCHIP_PIC_MASTER or KVM_IRQCHIP_PIC_SLAVE
 * @state: a private copy of userspace's struct; elcr_mask and bits that no register has are
 *	   ignored, and so is bit 2 of the master's irr, which is the slave's pin
 *
 * Return: 0, or -EINVAL for an init_state or a priority_add that no chip can be in.
 */
int pic_set_state(struct pic *pic, unsigned int chip, const struct kvm_pic_state *state);

#endif /* ARCH_X86_KVM_IRQ_PIC_H */
