// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvclock.c - the arithmetic of kvmclock.  PURE.
 *
 * The format is the guest's: <asm/pvclock-abi.h> has the structure, and
 * Documentation/virt/kvm/api.rst says what is done with it.
 */
#include "pvclock.h"

#define NS_PER_SEC	1000000000u
#define CLOCK_LAST	(U64_MAX >> 1)

/*
 * The fraction has all of its 32 bits.  Below 2^32 kHz neither the shifted
 * period nor its half tick of rounding leaves 64 bits, and no fraction is
 * rounded up to 2^32.
 */
struct pvclock_rate pvclock_rate(u32 khz)
{
	u64 period = PVCLOCK_NS_KHZ;
	s8 shift = 32;

	while (period < (u64)khz << 31) {
		period <<= 1;
		shift--;
	}
	return (struct pvclock_rate){ .mul = (period + khz / 2) / khz, .shift = shift };
}

/* A product of 96 bits, less its lowest 32. */
static u64 scale(u64 ticks, struct pvclock_rate rate)
{
	ticks = rate.shift < 0 ? ticks >> -rate.shift : ticks << rate.shift;
	return (ticks >> 32) * rate.mul + ((ticks & U32_MAX) * rate.mul >> 32);
}

u64 pvclock_ns(const struct pvclock_line *line, u64 ticks)
{
	u64 since = ticks - line->ticks;

	return (s64)since < 0 ? line->ns : line->ns + scale(since, line->rate);
}

u32 pvclock_busy(u32 version)
{
	return (version + 1) | 1;
}

int pvclock_later(u64 *clock, u64 then, u64 now)
{
	u64 passed = now > then ? now - then : 0;

	if (*clock > CLOCK_LAST || passed > CLOCK_LAST - *clock)
		return -EINVAL;
	*clock += passed;
	return 0;
}

void pvclock_birth(u64 real, u64 clock, u32 *sec, u32 *nsec)
{
	u64 birth = real > clock ? real - clock : 0;

	*sec = birth / NS_PER_SEC;
	*nsec = birth % NS_PER_SEC;
}
