// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - the arithmetic of kvmclock against numbers of 128 bits and 80 bits,
 * at all sorts of frequencies.
 *
 * The guest's own way to read its clock is written out here, from the ABI.
 */
#include <inttypes.h>
#include <stdlib.h>
#include "check.h"
#include "pvclock.h"

#define u128 unsigned __int128

#define GHZ_100		100000000u
#define SECONDS_10_YEARS	315576000ull

static u64 seed = 88172645463325252ull;

static u64 random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* As likely near 1 kHz as near the highest. */
static u32 random_khz(void)
{
	u32 khz = (random64() >> 32) >> (random64() >> 40) % 32;

	return khz ? khz : 1;
}

/* As a guest does it. */
static u64 guest_reads(const struct pvclock_line *line, u64 tsc)
{
	u64 delta = tsc - line->ticks;

	if (line->rate.shift >= 0)
		delta <<= line->rate.shift;
	else
		delta >>= -line->rate.shift;
	return line->ns + (u64)((u128)delta * line->rate.mul >> 32);
}

static void check_rate(u32 khz)
{
	struct pvclock_rate rate = pvclock_rate(khz);
	u128 exact, is;

	CHECK(rate.mul >> 31 == 1, "%u kHz: mul %#x, shift %d", khz, rate.mul, rate.shift);
	CHECK(rate.shift <= 20 && rate.shift >= -12, "%u kHz: shift %d", khz, rate.shift);
	/* within half a unit of the last place: | mul * khz - 10^6 * 2^(32 - shift) | <= khz / 2 */
	is = (u128)rate.mul * khz;
	exact = (u128)PVCLOCK_NS_KHZ << (32 - rate.shift);
	CHECK(2 * (is > exact ? is - exact : exact - is) <= khz, "%u kHz: mul %#x, shift %d", khz,
	      rate.mul, rate.shift);
}

static void test_rates(void)
{
	static const u32 khz[] = {
		1, 2, 999, 1000, 1001, 999999, 1000000, 1000001, 2000000, 2345678, 3499912,
		GHZ_100, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(khz); i++)
		check_rate(khz[i]);
	for (i = 0; i < 1000000; i++)
		check_rate(random_khz());
	for (i = 1; i < 100000; i++)
		check_rate(i);
}

static void test_nanoseconds(void)
{
	struct pvclock_line line = { .ticks = 12345, .ns = 1000, .rate = pvclock_rate(1000000) };

	for (u64 i = 0; i < 1000000; i++)
		CHECK(pvclock_ns(&line, 12345 + i) == 1000 + i, "%" PRIu64, i);
	CHECK(pvclock_ns(&line, 12345 + (1ull << 62)) == 1000 + (1ull << 62), "2^62");
}

/* The rate's error is 2^-32 of the time; ticks that are shifted out and the rounding come to it. */
static void test_error(void)
{
	for (unsigned int i = 0; i < 1000000; i++) {
		u32 khz = i % 4 ? random_khz() : 1 + random64() % GHZ_100;
		struct pvclock_line line = { random64(), random64() >> 2, pvclock_rate(khz) };
		u64 ticks = random64() >> (random64() >> 40) % 64;
		u128 exact, ns;

		ticks %= (u64)khz * 1000 * SECONDS_10_YEARS > U64_MAX >> 2 ? U64_MAX >> 2 :
			 khz * 1000ull * SECONDS_10_YEARS;
		ns = pvclock_ns(&line, line.ticks + ticks) - line.ns;
		exact = (u128)ticks * PVCLOCK_NS_KHZ / khz;
		CHECK((ns > exact ? ns - exact : exact - ns) <= 2 + (exact >> 32),
		      "%u kHz, %" PRIu64 " ticks: %" PRIu64 " ns, not %" PRIu64, khz, ticks,
		      (u64)ns, (u64)exact);
	}
}

/* What processors have: 2^31 ticks are at most 2^31 ns from 1 GHz on. */
static void test_error_of_processors(void)
{
	for (unsigned int i = 0; i < 1000000; i++) {
		u32 khz = 1000000 + random64() % (GHZ_100 - 1000000);
		struct pvclock_line line = { 0, 0, pvclock_rate(khz) };
		u64 ticks = random64() >> 33;
		u64 ns = pvclock_ns(&line, ticks);
		double exact = (double)ticks * PVCLOCK_NS_KHZ / khz;

		/* one for the rounding, one for half a unit of the rate and what is shifted out */
		CHECK(exact - ns < 2 && exact - ns > -1, "%u kHz, %" PRIu64 " ticks: %f", khz,
		      ticks, exact - ns);
	}
}

static void test_monotonic(void)
{
	for (unsigned int i = 0; i < 20000; i++) {
		struct pvclock_line line = {
			random64(), random64() >> 2, pvclock_rate(random_khz()),
		};
		u64 at = line.ticks, last = line.ns;

		CHECK(pvclock_ns(&line, at) == last, "at the beginning");
		for (unsigned int j = 0; j < 200; j++) {
			u64 now;

			at += j < 100 ? 1 : random64() >> (36 + j % 16);
			now = pvclock_ns(&line, at);
			CHECK(now >= last, "%" PRIu64 " after %" PRIu64, now, last);
			last = now;
		}
	}
}

static void test_as_the_guest(void)
{
	for (unsigned int i = 0; i < 1000000; i++) {
		struct pvclock_line line = { random64(), random64(), pvclock_rate(random_khz()) };
		u64 tsc = line.ticks + (random64() >> (1 + random64() % 63));

		CHECK(pvclock_ns(&line, tsc) == guest_reads(&line, tsc), "%#" PRIx64, tsc);
	}
}

/* A TSC that is a little behind is not an age of the universe ahead. */
static void test_before(void)
{
	struct pvclock_line line = { .ticks = 1000, .ns = 77, .rate = pvclock_rate(3000000) };

	CHECK(pvclock_ns(&line, 999) == 77, "one tick");
	CHECK(pvclock_ns(&line, 0) == 77, "all");
	CHECK(pvclock_ns(&line, 1000 - (1ull << 63)) == 77, "half of them");
	CHECK(pvclock_ns(&line, 1004) == 78, "after");
	line.ticks = 5;
	CHECK(pvclock_ns(&line, U64_MAX) == 77, "across 0");
}

static void test_versions(void)
{
	static const u32 versions[] = {
		0, 1, 2, 3, 0x7fffffff, 0xfffffffd, 0xfffffffe, 0xffffffff,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(versions); i++) {
		u32 busy = pvclock_busy(versions[i]);

		CHECK(busy & 1, "%#x", versions[i]);
		CHECK(busy != versions[i] && busy + 1 != versions[i], "%#x: the same", versions[i]);
		CHECK(busy - versions[i] <= 2, "%#x: %#x", versions[i], busy);
	}
	CHECK(pvclock_busy(4) == 5, "the next");
}

static void test_later(void)
{
	static const struct {
		u64 clock, then, now;
		int r;
		u64 result;
	} rows[] = {
		{ 0, 0, 0, 0, 0 },
		{ 100, 50, 70, 0, 120 },
		{ 100, 70, 50, 0, 100 },
		{ 100, U64_MAX, 50, 0, 100 },
		{ INT64_MAX, 5, 5, 0, INT64_MAX },
		{ INT64_MAX - 1, 5, 6, 0, INT64_MAX },
		{ INT64_MAX, 5, 6, -EINVAL, INT64_MAX },
		{ 1ull << 63, 5, 5, -EINVAL, 1ull << 63 },
		{ U64_MAX, 5, 6, -EINVAL, U64_MAX },
		{ 1, 0, U64_MAX, -EINVAL, 1 },
		{ 0, 0, INT64_MAX, 0, INT64_MAX },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 clock = rows[i].clock;
		int r = pvclock_later(&clock, rows[i].then, rows[i].now);

		CHECK(r == rows[i].r && clock == rows[i].result, "row %u: %d, %" PRIu64, i, r,
		      clock);
	}
}

static void check_birth(u64 real, u64 clock, u32 sec, u32 nsec)
{
	u32 is_sec, is_nsec;

	pvclock_birth(real, clock, &is_sec, &is_nsec);
	CHECK(is_sec == sec && is_nsec == nsec, "%" PRIu64 " - %" PRIu64 ": %u.%09u", real, clock,
	      is_sec, is_nsec);
}

static void test_birth(void)
{
	check_birth(1700000000123456789, 123456789, 1700000000, 0);
	check_birth(1700000000123456789, 123456790, 1699999999, 999999999);
	check_birth(1700000000123456789, 0, 1700000000, 123456789);
	check_birth(5, 6, 0, 0);
	check_birth(6, 5, 0, 1);
	check_birth(7, 7, 0, 0);
}

int main(void)
{
	printf("# pvclock, built by %s\n", COMPILER);
	check_run("rates", test_rates);
	check_run("nanoseconds", test_nanoseconds);
	check_run("error", test_error);
	check_run("error of processors", test_error_of_processors);
	check_run("monotonic", test_monotonic);
	check_run("as the guest", test_as_the_guest);
	check_run("before the beginning", test_before);
	check_run("versions", test_versions);
	check_run("later", test_later);
	check_run("birth", test_birth);
	return check_end();
}
