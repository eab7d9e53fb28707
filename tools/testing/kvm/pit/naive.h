/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * naive.h - an 8254 counter that is told of every pulse, written from the data sheet beside
 * pit.c and sharing nothing with it. Unlike pit.c it has no notion of time.
 */
#ifndef TOOLS_TESTING_KVM_PIT_NAIVE_H
#define TOOLS_TESTING_KVM_PIT_NAIVE_H

#include "pure_user.h"

/**
 * struct naive - one counter
 * @ce:		the counting element, as a number below @turn
 * @cr:		the count register, the bytes as written
 * @control:	the low six bits of the control word, which the status repeats
 * @odd:	what @ce was loaded from is odd
 * @waiting:	@ce has nothing that was written
 * @armed:	the event at zero is still to come
 */
struct naive {
	int mode, rw;
	bool bcd, gate, out;
	unsigned int ce, cr, turn;
	bool odd, null_count, has_count, waiting, load_next, armed;
	bool write_second, read_second;
	u8 first, control;
	bool latched, latch_second, status_latched;
	unsigned int latch;
	u8 status;
};

void naive_init(struct naive *n, bool gate);
void naive_pulse(struct naive *n);
void naive_gate(struct naive *n, bool gate);
void naive_control(struct naive *n, u8 value);
void naive_read_back(struct naive *n, bool count, bool status);
void naive_write(struct naive *n, u8 value);
u8 naive_read(struct naive *n);
u8 naive_status(const struct naive *n);

#endif /* TOOLS_TESTING_KVM_PIT_NAIVE_H */
