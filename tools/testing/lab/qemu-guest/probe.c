// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe.c - contents for the registers, and their comparison afterwards.
 *
 * Next: probe.S, which loads and stores them.
 */
#include <cpuid.h>
#include <string.h>

#include "guest.h"
#include "probe.h"

static const char * const reg_names[] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

bool probe_has_avx(void)
{
	unsigned int a, b, c, d, xcr0;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX))
		return false;
	asm("xgetbv" : "=a"(xcr0), "=d"(d) : "c"(0));
	return (xcr0 & 6) == 6;
}

/* Ten bytes that an x87 load and store leave as they are: a normal number of middling size. */
static void fill_x87(uint8_t *to)
{
	uint64_t mantissa = random_next() | 1ULL << 63;
	uint16_t exponent = 0x3000 + random_next() % 0x1000;

	memcpy(to, &mantissa, sizeof(mantissa));
	memcpy(to + 8, &exponent, sizeof(exponent));
}

void probe_fill(struct regs *regs)
{
	uint64_t *vector = (uint64_t *)regs->ymm;

	memset(regs, 0, sizeof(*regs));
	for (int i = 0; i < 16; i++)
		regs->gpr[i] = random_next();
	for (size_t i = 0; i < sizeof(regs->ymm) / 8; i++)
		vector[i] = random_next();
	for (int i = 0; i < REGS_X87_COUNT; i++)
		fill_x87(regs->x87[i]);
	regs->flags = (random_next() & PROBE_FLAGS) | 2;
}

static void compare_vectors(const char *what, const struct regs *in, const struct regs *out)
{
	size_t width = probe_has_avx() ? 32 : 16;

	for (int i = 0; i < 16; i++)
		must(!memcmp(in->ymm[i], out->ymm[i], width), "%s: vector register %d changed",
		     what, i);
}

/**
 * probe_compare - wrong() unless registers came through unchanged
 * @what: named in the message
 * @in: what was loaded
 * @out: what was stored afterwards
 * @except: general registers that were to change, a bit each; of RSP then only the upper half
 */
void probe_compare(const char *what, const struct regs *in, const struct regs *out,
		   unsigned int except)
{
	uint64_t rsp_bits = except & 1u << RSP ? UINT32_MAX : UINT64_MAX;

	must(!((out->gpr[RSP] ^ probe_rsp) & rsp_bits), "%s: rsp is %#lx, was %#lx", what,
	     out->gpr[RSP], probe_rsp);
	for (int i = 0; i < 16; i++) {
		if (i == RSP || except & 1u << i)
			continue;
		must(in->gpr[i] == out->gpr[i], "%s: %s is %#lx, was %#lx", what, reg_names[i],
		     out->gpr[i], in->gpr[i]);
	}
	for (int i = 0; i < REGS_X87_COUNT; i++)
		must(!memcmp(in->x87[i], out->x87[i], 10), "%s: st(%d) changed", what, i);
	compare_vectors(what, in, out);
}
