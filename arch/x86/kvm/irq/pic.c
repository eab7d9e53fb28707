// SPDX-License-Identifier: GPL-2.0-only
/*
 * pic.c - PURE: two 8259As in cascade, as a PC has them.
 *
 * Modelled: priorities and their rotation, all three ways to end a service, automatic EOI, special
 * mask and special fully nested mode, polling, the edge/level registers of the PIIX, which also
 * disable the level bit of ICW1. Not modelled: vectors for an 8085, buffered mode, and ICW3's
 * contents, for the wires are fixed.
 *
 * One difference to the data sheet, and it is the ABI's: an edge is remembered although the line
 * falls again before the acknowledge. Whoever pulses a line (KVM_IRQ_LINE, an irqfd) counts on it.
 *
 * Tested by tools/testing/kvm/pic.
 */
#include "pic.h"

#define ICW1		BIT(4)		/* at the even port: initialise */
#define ICW1_SINGLE	BIT(1)
#define ICW1_NEEDS_ICW4	BIT(0)

#define ICW2_BASE	0xf8

#define ICW4_NESTED	BIT(4)
#define ICW4_AUTO_EOI	BIT(1)

#define OCW3		BIT(3)		/* at the even port, without ICW1: else it is OCW2 */
#define OCW3_ESMM	BIT(6)
#define OCW3_SMM	BIT(5)
#define OCW3_POLL	BIT(2)
#define OCW3_RR		BIT(1)
#define OCW3_RIS	BIT(0)

#define POLL_PENDING	BIT(7)

#define SPURIOUS	7		/* the input whose vector stands for "nothing" */
#define NOTHING		8		/* in place of an input */

/* OCW2, bits 7 to 5: R, SL and EOI. */
enum ocw2 {
	ROTATE_AUTO_CLEAR,
	EOI,
	NO_OPERATION,
	EOI_SPECIFIC,
	ROTATE_AUTO_SET,
	ROTATE_EOI,
	SET_PRIORITY,
	ROTATE_EOI_SPECIFIC,
};

/* Lines that are edge-triggered whatever the guest writes: 0, 1, 2; 8 and 13. */
static const u8 elcr_masks[2] = { 0xf8, 0xde };

/* How many inputs come before this one? */
static unsigned int distance(const struct pic_chip *chip, unsigned int input)
{
	return (input - chip->highest) & 7;
}

/* The first of a set of inputs in the order of priority, or NOTHING. */
static unsigned int first_of(const struct pic_chip *chip, u8 set)
{
	unsigned int i, input;

	for (i = 0; i < 8; i++) {
		input = (chip->highest + i) & 7;
		if (set & BIT(input))
			return input;
	}
	return NOTHING;
}

/* What is in service and holds others back ("special mask mode"). */
static u8 holding_back(const struct pic_chip *chip)
{
	return chip->special_mask ? chip->isr & ~chip->imr : chip->isr;
}

/* The input that the chip would offer to its INT pin now, or NOTHING. */
static unsigned int offered(const struct pic *pic, const struct pic_chip *chip)
{
	unsigned int request = first_of(chip, chip->irr & ~chip->imr);
	unsigned int service = first_of(chip, holding_back(chip));

	if (request == NOTHING || service == NOTHING)
		return request;
	if (distance(chip, request) < distance(chip, service))
		return request;
	/* the slave in service may ask for more: it has seen to its own priorities */
	if (chip == &pic->chips[0] && chip->nested && request == PIC_CASCADE && service == request)
		return request;
	return NOTHING;
}

/* After any change: the slave's pin is the master's input, and the master's is the output. */
static void update(struct pic *pic)
{
	struct pic_chip *master = &pic->chips[0];

	master->irr &= ~BIT(PIC_CASCADE);
	if (offered(pic, &pic->chips[1]) != NOTHING)
		master->irr |= BIT(PIC_CASCADE);
	pic->output = offered(pic, master) != NOTHING;
}

/* Requests of level lines are the lines. */
static void follow_levels(struct pic_chip *chip)
{
	chip->irr = (chip->irr & ~chip->elcr) | (chip->line & chip->elcr);
}

void pic_reset(struct pic *pic)
{
	memset(pic, 0, sizeof(*pic));
}

bool pic_set_line(struct pic *pic, unsigned int line, bool high)
{
	struct pic_chip *chip = &pic->chips[line / 8 & 1];
	u8 bit = BIT(line % 8), before = chip->irr;

	if (line == PIC_CASCADE || line >= PIC_LINES)
		return !high;
	if (high && !(chip->line & bit))
		chip->irr |= bit;
	if (high)
		chip->line |= bit;
	else
		chip->line &= ~bit;
	follow_levels(chip);
	update(pic);
	return !high || chip->irr & ~before & ~chip->imr;
}

/* What was in service at these inputs of a chip is no longer. The slave's pin is not a line. */
static void end_service(struct pic *pic, struct pic_chip *chip, u8 set)
{
	unsigned int shift = chip == &pic->chips[0] ? 0 : 8;

	pic->eoi |= (chip->isr & set) << shift & ~BIT(PIC_CASCADE);
	chip->isr &= ~set;
}

static void rotate(struct pic_chip *chip, unsigned int lowest)
{
	chip->highest = (lowest + 1) & 7;
}

/* An acknowledge, by INTA or by polling: the input, or NOTHING and no change. */
static unsigned int take(struct pic *pic, struct pic_chip *chip)
{
	unsigned int input = offered(pic, chip);

	if (input == NOTHING)
		return NOTHING;
	chip->isr |= BIT(input);
	chip->irr &= ~BIT(input);
	follow_levels(chip);
	if (chip->auto_eoi) {
		end_service(pic, chip, BIT(input));
		if (chip->auto_rotate)
			rotate(chip, input);
	}
	return input;
}

u8 pic_acknowledge(struct pic *pic)
{
	struct pic_chip *chip = &pic->chips[0];
	unsigned int input = take(pic, chip);

	if (input == PIC_CASCADE) {
		chip = &pic->chips[1];
		input = take(pic, chip);
	}
	update(pic);
	return chip->base + (input == NOTHING ? SPURIOUS : input);
}

/* ICW1 ("initialization command words"): edge sense is reset, so a high line must fall first. */
static void initialise(struct pic *pic, struct pic_chip *chip, u8 value)
{
	u8 line = chip->line, elcr = chip->elcr, base = chip->base;

	end_service(pic, chip, 0xff);
	*chip = (struct pic_chip) {
		.line = line,
		.elcr = elcr,
		.base = base,
		.expects = PIC_ICW2,
		.single = value & ICW1_SINGLE,
		.needs_icw4 = value & ICW1_NEEDS_ICW4,
	};
	follow_levels(chip);
}

static void end_and_rotate(struct pic *pic, struct pic_chip *chip, unsigned int input, bool turn)
{
	if (input == NOTHING)
		return;
	end_service(pic, chip, BIT(input));
	if (turn)
		rotate(chip, input);
}

static void write_ocw2(struct pic *pic, struct pic_chip *chip, u8 value)
{
	unsigned int input = value & 7, command = value >> 5;

	switch (command) {
	case ROTATE_AUTO_CLEAR:
	case ROTATE_AUTO_SET:
		chip->auto_rotate = command == ROTATE_AUTO_SET;
		break;
	case EOI:
	case ROTATE_EOI:
		/* in special mask mode it does not reach what is masked */
		input = first_of(chip, holding_back(chip));
		end_and_rotate(pic, chip, input, command == ROTATE_EOI);
		break;
	case EOI_SPECIFIC:
	case ROTATE_EOI_SPECIFIC:
		end_and_rotate(pic, chip, input, command == ROTATE_EOI_SPECIFIC);
		break;
	case SET_PRIORITY:
		rotate(chip, input);
		break;
	case NO_OPERATION:
		break;
	}
}

static void write_ocw3(struct pic_chip *chip, u8 value)
{
	if (value & OCW3_ESMM)
		chip->special_mask = value & OCW3_SMM;
	if (value & OCW3_RR)
		chip->read_isr = value & OCW3_RIS;
	chip->poll = value & OCW3_POLL;
}

static void write_command(struct pic *pic, struct pic_chip *chip, u8 value)
{
	if (value & ICW1)
		initialise(pic, chip, value);
	else if (value & OCW3)
		write_ocw3(chip, value);
	else
		write_ocw2(pic, chip, value);
}

static void write_data(struct pic_chip *chip, u8 value)
{
	u8 last = chip->needs_icw4 ? PIC_ICW4 : PIC_READY;

	switch (chip->expects) {
	case PIC_READY:
		chip->imr = value;
		break;
	case PIC_ICW2:
		chip->base = value & ICW2_BASE;
		chip->expects = chip->single ? last : PIC_ICW3;
		break;
	case PIC_ICW3:
		chip->expects = last;
		break;
	case PIC_ICW4:
		chip->nested = value & ICW4_NESTED;
		chip->auto_eoi = value & ICW4_AUTO_EOI;
		chip->expects = PIC_READY;
		break;
	}
}

void pic_write(struct pic *pic, u16 port, u8 value)
{
	struct pic_chip *chips = pic->chips;

	switch (port) {
	case PIC_MASTER_COMMAND:
	case PIC_SLAVE_COMMAND:
		write_command(pic, &chips[port == PIC_SLAVE_COMMAND], value);
		break;
	case PIC_MASTER_DATA:
	case PIC_SLAVE_DATA:
		write_data(&chips[port == PIC_SLAVE_DATA], value);
		break;
	case PIC_MASTER_ELCR:
	case PIC_SLAVE_ELCR:
		chips[port & 1].elcr = value & elcr_masks[port & 1];
		follow_levels(&chips[port & 1]);
		break;
	}
	update(pic);
}

/* The read after a poll command, from either port of the chip. */
static u8 read_poll(struct pic *pic, struct pic_chip *chip)
{
	unsigned int input = take(pic, chip);

	chip->poll = false;
	update(pic);
	return input == NOTHING ? 0 : POLL_PENDING | input;
}

static u8 read_chip(struct pic *pic, struct pic_chip *chip, bool data)
{
	if (chip->poll)
		return read_poll(pic, chip);
	if (data)
		return chip->imr;
	return chip->read_isr ? chip->isr : chip->irr;
}

u8 pic_read(struct pic *pic, u16 port)
{
	switch (port) {
	case PIC_MASTER_COMMAND:
	case PIC_SLAVE_COMMAND:
		return read_chip(pic, &pic->chips[port == PIC_SLAVE_COMMAND], false);
	case PIC_MASTER_DATA:
	case PIC_SLAVE_DATA:
		return read_chip(pic, &pic->chips[port == PIC_SLAVE_DATA], true);
	case PIC_MASTER_ELCR:
	case PIC_SLAVE_ELCR:
		return pic->chips[port & 1].elcr;
	}
	return 0xff;
}

void pic_get_state(const struct pic *pic, unsigned int chip, struct kvm_pic_state *state)
{
	const struct pic_chip *from = &pic->chips[chip & 1];

	*state = (struct kvm_pic_state) {
		.last_irr = from->line,
		.irr = from->irr,
		.imr = from->imr,
		.isr = from->isr,
		.priority_add = from->highest,
		.irq_base = from->base,
		.read_reg_select = from->read_isr,
		.poll = from->poll,
		.special_mask = from->special_mask,
		.init_state = from->expects,
		.auto_eoi = from->auto_eoi,
		.rotate_on_auto_eoi = from->auto_rotate,
		.special_fully_nested_mode = from->nested,
		.init4 = from->needs_icw4,
		.elcr = from->elcr,
		.elcr_mask = elcr_masks[chip & 1],
	};
}

int pic_set_state(struct pic *pic, unsigned int chip, const struct kvm_pic_state *state)
{
	struct pic_chip *to = &pic->chips[chip & 1];
	u8 elcr = state->elcr & elcr_masks[chip & 1];

	if (state->init_state > PIC_ICW4 || state->priority_add > 7)
		return -EINVAL;
	*to = (struct pic_chip) {
		/* a level line that requests is high, whatever last_irr says */
		.line = state->last_irr | (state->irr & elcr),
		.irr = state->irr,
		.imr = state->imr,
		.isr = state->isr,
		.elcr = elcr,
		.base = state->irq_base & ICW2_BASE,
		.highest = state->priority_add,
		.expects = state->init_state,
		.needs_icw4 = state->init4,
		.read_isr = state->read_reg_select,
		.poll = state->poll,
		.special_mask = state->special_mask,
		.nested = state->special_fully_nested_mode,
		.auto_eoi = state->auto_eoi,
		.auto_rotate = state->rotate_on_auto_eoi,
	};
	follow_levels(to);
	update(pic);
	return 0;
}
