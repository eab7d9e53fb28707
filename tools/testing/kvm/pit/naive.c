// SPDX-License-Identifier: GPL-2.0-only
/*
 * naive.c - an 8254 counter, pulse by pulse.
 */
#include "naive.h"

void naive_init(struct naive *n, bool gate)
{
	*n = (struct naive){ .rw = 3, .turn = 65536, .gate = gate, .control = 0x30 };
	n->null_count = true;
	n->waiting = true;
}

static void down(struct naive *n, unsigned int by)
{
	n->ce = (n->ce + n->turn - by) % n->turn;
}

/* The count register as a number; 0 stands for a whole turn. */
static unsigned int number(const struct naive *n)
{
	unsigned int i, weight = 1, sum = 0;

	if (!n->bcd)
		return n->cr;
	for (i = 0; i < 4; i++, weight *= 10)
		sum += ((n->cr >> (4 * i)) & 0xf) * weight;
	return sum % 10000;
}

static void transfer(struct naive *n)
{
	n->ce = number(n);
	if ((n->mode == 2 || n->mode == 3) && n->ce == 1)
		n->ce = 2;
	n->odd = n->ce & 1;
	if (n->mode == 3 && n->odd)
		n->ce--;
	n->null_count = false;
	n->waiting = false;
	n->load_next = false;
	n->armed = true;
}

static void pulse_square(struct naive *n)
{
	bool extra = n->odd && n->out;

	/* with an odd count, the high half ends one pulse after zero */
	if (extra && n->ce == 0) {
		transfer(n);
		n->out = false;
		return;
	}
	down(n, 2);
	if (n->ce == 0 && !extra) {
		transfer(n);
		n->out = !n->out;
	}
}

static void pulse_rate(struct naive *n)
{
	if (n->ce == 1) {
		transfer(n);
		n->out = true;
		return;
	}
	down(n, 1);
	if (n->ce == 1)
		n->out = false;
}

static void pulse_to_zero(struct naive *n)
{
	down(n, 1);
	if (n->ce == 0 && n->armed) {
		n->armed = false;
		n->out = n->mode < 2;
	}
}

void naive_pulse(struct naive *n)
{
	if (n->mode >= 4)
		n->out = true;
	if (n->load_next) {
		transfer(n);
		n->out = n->mode > 1;
		return;
	}
	if (n->waiting)
		return;
	if (!n->gate && n->mode != 1 && n->mode != 5)
		return;
	if (n->mode == 0 && n->write_second)
		return;
	if (n->mode == 2)
		pulse_rate(n);
	else if (n->mode == 3)
		pulse_square(n);
	else
		pulse_to_zero(n);
}

void naive_gate(struct naive *n, bool gate)
{
	bool rises = gate && !n->gate;

	n->gate = gate;
	if (n->mode == 0 || n->mode == 4)
		return;
	if (rises && n->has_count)
		n->load_next = true;
	if (!gate && (n->mode == 2 || n->mode == 3))
		n->out = true;
}

void naive_control(struct naive *n, u8 value)
{
	struct naive old = *n;

	if (((value >> 4) & 3) == 0) {
		naive_read_back(n, true, false);
		return;
	}
	naive_init(n, old.gate);
	n->rw = (value >> 4) & 3;
	n->control = value & 0x3f;
	n->mode = (value >> 1) & 7;
	if (n->mode > 5)
		n->mode -= 4;
	n->bcd = value & 1;
	if (n->bcd)
		n->turn = 10000;
	n->out = n->mode != 0;
}

static unsigned int digits(const struct naive *n)
{
	unsigned int value = n->ce, shift, out = 0;

	if (!n->bcd)
		return value & 0xffff;
	for (shift = 0; shift < 16; shift += 4, value /= 10)
		out |= value % 10 << shift;
	return out;
}

u8 naive_status(const struct naive *n)
{
	return (n->out ? 0x80 : 0) | (n->null_count ? 0x40 : 0) | n->control;
}

void naive_read_back(struct naive *n, bool count, bool status)
{
	if (count && !n->latched) {
		n->latched = true;
		n->latch_second = false;
		n->latch = digits(n);
	}
	if (status && !n->status_latched) {
		n->status_latched = true;
		n->status = naive_status(n);
	}
}

static void complete(struct naive *n)
{
	bool free_running = (n->mode == 2 || n->mode == 3) && !n->waiting;

	n->null_count = true;
	n->has_count = true;
	if (n->mode != 1 && n->mode != 5 && !free_running)
		n->load_next = true;
}

void naive_write(struct naive *n, u8 value)
{
	if (n->mode == 0)
		n->out = false;
	if (n->rw == 3 && !n->write_second) {
		n->first = value;
		n->write_second = true;
		return;
	}
	if (n->rw == 1)
		n->cr = value;
	else if (n->rw == 2)
		n->cr = value * 256;
	else
		n->cr = value * 256 + n->first;
	n->write_second = false;
	complete(n);
}

static u8 part(const struct naive *n, unsigned int value, bool *second, bool *last)
{
	bool high = n->rw == 2 || (n->rw == 3 && *second);

	*last = n->rw != 3 || *second;
	*second = n->rw == 3 && !*second;
	return high ? value / 256 : value % 256;
}

u8 naive_read(struct naive *n)
{
	bool last;
	u8 value;

	if (n->status_latched) {
		n->status_latched = false;
		return n->status;
	}
	if (!n->latched)
		return part(n, digits(n), &n->read_second, &last);
	value = part(n, n->latch, &n->latch_second, &last);
	if (last)
		n->latched = false;
	return value;
}
