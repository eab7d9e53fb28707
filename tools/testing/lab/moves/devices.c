// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices made to be hard to please: what the guest writes must be the numbers 0, 1, 2 ... in
 * order, a text byte by byte, words at rising addresses; what it reads is a new number each
 * time, and the guest knows which.  A write done twice, or lost, is seen here; a read done
 * twice is seen by the guest, whose next number is then wrong.  Next: vmm.c.
 */
#include <string.h>
#include "devices.h"
#include "guest.h"

static const char text[] = GUEST_TEXT;

/* One access arrived: is it the next one, the last one again, or a later one? */
static void arrived(struct count *count, uint32_t *next, uint32_t number)
{
	int32_t ahead = number - *next;

	count->delivered++;
	if (ahead < 0) {
		count->doubled++;
		return;
	}
	count->lost += ahead;
	count->sent += ahead + 1;
	*next = number + 1;
}

void device_out32(struct devices *d, uint16_t port, uint32_t value)
{
	if (port == PORT_ROUND)
		arrived(&d->count, &d->round, value);
}

void device_text(struct devices *d, uint8_t byte)
{
	uint32_t next = d->text;
	const char *found;

	/* No byte of the text but its blanks and a few letters says where it stands. */
	if (byte == (uint8_t)text[d->text]) {
		arrived(&d->count, &next, d->text);
	} else {
		found = strchr(text, byte);
		arrived(&d->count, &next, found ? found - text : 0);
	}
	d->text = next % (sizeof(text) - 1);
}

static uint32_t ticket(struct devices *d, uint32_t *next)
{
	d->count.sent++;
	d->count.delivered++;
	return (*next)++;
}

uint32_t device_in32(struct devices *d)
{
	return ticket(d, &d->ticket);
}

/* FILL_WORDS times the next number of DEV_WRITE, at rising addresses. */
static void fill(struct devices *d, unsigned int word, uint32_t value)
{
	if (d->fill == 0 && word == 0) {
		d->fill_value = value;
		d->write++;
	}
	d->count.sent++;
	d->count.delivered++;
	if (word < d->fill)
		d->count.doubled++;
	else
		d->count.lost += word - d->fill;
	if (value != d->fill_value)
		d->count.lost++;
	d->fill = (word + 1) % FILL_WORDS;
}

static void mmio_write(struct devices *d, unsigned int offset, uint32_t value)
{
	if (offset == DEV_WRITE)
		arrived(&d->count, &d->write, value);
	else if (offset == DEV_SWAP)
		arrived(&d->count, &d->swap, value);
	else if (offset >= DEV_FILL && offset < DEV_FILL + 4 * FILL_WORDS)
		fill(d, (offset - DEV_FILL) / 4, value);
}

void device_mmio(struct devices *d, struct kvm_run *run)
{
	unsigned int offset = run->mmio.phys_addr - DEVICE_BASE;
	uint64_t value = 0;

	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, sizeof(value));
		mmio_write(d, offset, value);
		return;
	}
	if (offset == DEV_TICKET || offset == DEV_SWAP)
		value = ticket(d, &d->dev_ticket);
	memcpy(run->mmio.data, &value, sizeof(value));
}
