// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioapic.c - PURE: an 82093AA, 24 pins that become messages.
 *
 * Two facts keep it small.  Every change of an entry goes through set_entry(), which keeps what the
 * struct promises of redir[] and edges; and whether a pin has something to send is always computed
 * (pin_pending), never remembered.  ioapic.h says what is the caller's.  Tested by
 * tools/testing/kvm/ioapic.
 *
 * Section numbers are those of the datasheet, 290566-001.
 */
#include "ioapic.h"

/* What IOAPIC_WIN shows (3.2). */
#define REG_ID		0x00
#define REG_VERSION	0x01
#define REG_ARBITRATION	0x02
#define REG_REDIR	0x10		/* two to an entry, the low half first */
#define REG_REDIR_END	(REG_REDIR + 2 * IOAPIC_PINS)

#define ID_SHIFT	24
#define ID_MASK		0xfu
#define VERSION		0x11u
#define LAST_PIN_SHIFT	16

/* An entry of the redirection table (3.2.4). */
#define REDIR_VECTOR	GENMASK_ULL(7, 0)
#define REDIR_MODE	GENMASK_ULL(10, 8)
#define MODE_SHIFT	8
#define REDIR_LOGICAL	BIT_ULL(11)
#define REDIR_POLARITY	BIT_ULL(13)
#define REDIR_REMOTE	BIT_ULL(14)	/* IRR: accepted, no EOI yet */
#define REDIR_LEVEL	BIT_ULL(15)
#define REDIR_MASKED	BIT_ULL(16)
#define REDIR_DEST	GENMASK_ULL(63, 56)
#define DEST_SHIFT	56

/* What can be written; bit 12, delivery status, reads 0. */
#define REDIR_WRITABLE	(REDIR_VECTOR | REDIR_MODE | REDIR_LOGICAL | REDIR_POLARITY | \
			 REDIR_LEVEL | REDIR_MASKED | REDIR_DEST)

#define PIN(pin)	(1u << (pin))
#define ALL_PINS	(PIN(IOAPIC_PINS) - 1)

static u8 mode_of(u64 entry)
{
	return (entry & REDIR_MODE) >> MODE_SHIFT;
}

static bool has_vector(u64 entry)
{
	return mode_of(entry) == MSG_FIXED || mode_of(entry) == MSG_LOWEST;
}

/*
 * NMI and INIT are edge-triggered whatever the entry says, SMI and ExtINT are required to be, and
 * only what has a vector can get an EOI: of anything else, one message would be the last.
 */
static bool is_level(u64 entry)
{
	return entry & REDIR_LEVEL && has_vector(entry);
}

/* Modes 3 and 6 are reserved; 6 would be a start-up to a local APIC, which no device may send. */
static bool can_send(u64 entry)
{
	return !(entry & REDIR_MASKED) && mode_of(entry) != 3 && mode_of(entry) != MSG_SIPI;
}

static bool pin_pending(const struct ioapic *ioapic, unsigned int pin)
{
	u64 entry = ioapic->redir[pin];
	u32 waits = is_level(entry) ? ioapic->lines : ioapic->edges;

	return can_send(entry) && !(entry & REDIR_REMOTE) && waits & PIN(pin);
}

u32 ioapic_pending(const struct ioapic *ioapic)
{
	u32 pins = 0;
	unsigned int pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (pin_pending(ioapic, pin))
			pins |= PIN(pin);
	return pins;
}

/* @entry with the remote IRR that it is to have, if it is one that can. */
static void set_entry(struct ioapic *ioapic, unsigned int pin, u64 entry)
{
	entry &= REDIR_WRITABLE | REDIR_REMOTE;
	if (!is_level(entry))
		entry &= ~REDIR_REMOTE;
	if (is_level(entry) || !can_send(entry))
		ioapic->edges &= ~PIN(pin);
	ioapic->redir[pin] = entry;
}

void ioapic_reset(struct ioapic *ioapic)
{
	unsigned int pin;

	*ioapic = (struct ioapic) { .base = IOAPIC_BASE };
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic->redir[pin] = REDIR_MASKED;
}

/* Is @reg half of an entry?  Of which pin, and from which bit on. */
static bool find_entry(u8 reg, unsigned int *pin, unsigned int *shift)
{
	if (reg < REG_REDIR || reg >= REG_REDIR_END)
		return false;
	*pin = (reg - REG_REDIR) / 2;
	*shift = reg & 1 ? 32 : 0;
	return true;
}

static u32 read_window(const struct ioapic *ioapic)
{
	unsigned int pin, shift;

	if (find_entry(ioapic->regsel, &pin, &shift))
		return ioapic->redir[pin] >> shift;
	switch (ioapic->regsel) {
	case REG_VERSION:
		return (IOAPIC_PINS - 1) << LAST_PIN_SHIFT | VERSION;
	case REG_ID:
	case REG_ARBITRATION:	/* which a write to the id loads, 3.2.3 */
		return (u32)ioapic->id << ID_SHIFT;
	default:
		return 0;
	}
}

static u32 write_window(struct ioapic *ioapic, u32 value)
{
	unsigned int pin, shift;
	u64 entry;

	if (ioapic->regsel == REG_ID)
		ioapic->id = value >> ID_SHIFT & ID_MASK;
	if (!find_entry(ioapic->regsel, &pin, &shift))
		return 0;
	entry = ioapic->redir[pin] & (0xffffffffull << (32 - shift) | REDIR_REMOTE);
	entry |= (u64)value << shift & REDIR_WRITABLE;
	set_entry(ioapic, pin, entry);
	return pin_pending(ioapic, pin) ? PIN(pin) : 0;
}

u32 ioapic_read(const struct ioapic *ioapic, unsigned int offset)
{
	switch (offset) {
	case IOAPIC_REGSEL:
		return ioapic->regsel;
	case IOAPIC_WIN:
		return read_window(ioapic);
	default:
		return 0;
	}
}

u32 ioapic_write(struct ioapic *ioapic, unsigned int offset, u32 value)
{
	if (offset == IOAPIC_WIN)
		return write_window(ioapic, value);
	if (offset == IOAPIC_REGSEL)
		ioapic->regsel = value;
	return 0;
}

bool ioapic_set_line(struct ioapic *ioapic, unsigned int pin, bool asserted)
{
	u64 entry = ioapic->redir[pin];
	bool rises = asserted && !(ioapic->lines & PIN(pin));

	if (rises && can_send(entry) && !is_level(entry))
		ioapic->edges |= PIN(pin);
	if (asserted)
		ioapic->lines |= PIN(pin);
	else
		ioapic->lines &= ~PIN(pin);
	return pin_pending(ioapic, pin);
}

bool ioapic_take(struct ioapic *ioapic, unsigned int pin, struct irq_msg *msg)
{
	u64 entry = ioapic->redir[pin];

	if (!pin_pending(ioapic, pin))
		return false;
	*msg = (struct irq_msg) {
		.dest = entry >> DEST_SHIFT,
		.vector = entry & REDIR_VECTOR,
		.mode = mode_of(entry),
		.shorthand = MSG_TO_DEST,
		.logical = entry & REDIR_LOGICAL,
		.level = is_level(entry),
		.assert = true,
	};
	if (is_level(entry))
		ioapic->redir[pin] |= REDIR_REMOTE;
	ioapic->edges &= ~PIN(pin);
	return true;
}

void ioapic_refused(struct ioapic *ioapic, unsigned int pin)
{
	ioapic->redir[pin] &= ~REDIR_REMOTE;
}

u32 ioapic_eoi(struct ioapic *ioapic, u8 vector)
{
	u32 pins = 0;
	unsigned int pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 entry = ioapic->redir[pin];

		if (!is_level(entry) || (entry & REDIR_VECTOR) != vector)
			continue;
		ioapic->redir[pin] &= ~REDIR_REMOTE;
		pins |= PIN(pin);
	}
	return pins;
}

u8 ioapic_vector(const struct ioapic *ioapic, unsigned int pin)
{
	u64 entry = ioapic->redir[pin];

	return can_send(entry) && has_vector(entry) ? entry & REDIR_VECTOR : 0;
}

void ioapic_get_state(const struct ioapic *ioapic, struct kvm_ioapic_state *state)
{
	unsigned int pin;

	memset(state, 0, sizeof(*state));
	state->base_address = ioapic->base;
	state->ioregsel = ioapic->regsel;
	state->id = ioapic->id;
	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 entry = ioapic->redir[pin];
		bool by_edge = can_send(entry) && !is_level(entry);

		state->redirtbl[pin].bits = entry;
		state->irr |= (by_edge ? ioapic->edges : ioapic->lines) & PIN(pin);
	}
}

u32 ioapic_set_state(struct ioapic *ioapic, const struct kvm_ioapic_state *state)
{
	unsigned int pin;

	*ioapic = (struct ioapic) {
		.base = state->base_address,
		.regsel = state->ioregsel,
		.id = state->id & ID_MASK,
		.lines = state->irr & ALL_PINS,
		.edges = state->irr & ALL_PINS,
	};
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		set_entry(ioapic, pin, state->redirtbl[pin].bits);
	return ioapic_pending(ioapic);
}
