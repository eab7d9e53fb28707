/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pvclock.h - the arithmetic of kvmclock: nanoseconds from ticks of a counter.
 *
 * PURE.  A guest that reads its clock does what pvclock_ns() does, with the
 * same numbers, so that guest and host agree to the last nanosecond.  Whose
 * ticks and since when is clock.c's.
 */
#ifndef ARCH_X86_KVM_PVCLOCK_H
#define ARCH_X86_KVM_PVCLOCK_H

#include "pure.h"

#define PVCLOCK_NS_KHZ	1000000u	/* of a counter of nanoseconds */

/**
 * struct pvclock_rate - nanoseconds per tick: @mul * 2^(@shift - 32)
 * @mul:	the fraction, from 2^31 on
 * @shift:	how far ticks are shifted first, to the left; negative: to the right
 */
struct pvclock_rate {
	u32 mul;
	s8 shift;
};

/**
 * struct pvclock_line - a clock: at @ticks it was @ns, and goes on at @rate
 */
struct pvclock_line {
	u64 ticks;
	u64 ns;
	struct pvclock_rate rate;
};

/* The nearest rate to that of a counter of @khz, which is not 0. */
struct pvclock_rate pvclock_rate(u32 khz);

/* What the clock says.  Before its beginning it says what it said then. */
u64 pvclock_ns(const struct pvclock_line *line, u64 ticks);

/* The version of a page that is being written, after it was @version: odd, the next is even. */
u32 pvclock_busy(u32 version);

/**
 * pvclock_later - what a clock is to say, given what it said at another real time
 * @clock:	what it said; becomes what it is to say
 * @then:	ns of real time when it did
 * @now:	ns of real time
 *
 * Time that went by is added; a clock that ran ahead of ours is not set back.
 *
 * Return: 0, or -EINVAL for a clock that has no sign bit left; then nothing has changed.
 */
int pvclock_later(u64 *clock, u64 then, u64 now);

/* When was a clock 0, which says @clock at @real?  Both in ns; in s and ns. */
void pvclock_birth(u64 real, u64 clock, u32 *sec, u32 *nsec);

#endif /* ARCH_X86_KVM_PVCLOCK_H */
