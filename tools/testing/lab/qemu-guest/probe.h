/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probe.h - run a few instructions with every register known before and recorded after.
 *
 * probe.S holds the code; its snippets each have three labels: where they start, where the
 * processor stands when the event is reported, and where to go on. probe.S takes the offsets
 * below, so this file is also read by the assembler.
 *
 * Next: fault.c, which owns the table of snippets that raise something.
 */
#ifndef PROBE_H
#define PROBE_H

#define REGS_FLAGS	128
#define REGS_X87	144
#define REGS_YMM	256
#define REGS_SIZE	768
#define REGS_X87_COUNT	6

#define SELECTOR_CODE64	0x33
#define SELECTOR_CODE32	0x23
#define SELECTOR_DATA	0x2b

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of the instruction encoding: rax rcx rdx rbx rsp rbp rsi rdi r8 ... r15. */
enum reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/**
 * struct regs - what a process has in its registers
 * @gpr: general registers; RSP is not loaded, and compared with itself
 * @flags: RFLAGS
 * @x87: the top six registers of the x87 stack, ten bytes each
 * @ymm: vector registers; the upper halves are left alone where there is no AVX
 */
struct regs {
	uint64_t gpr[16];
	uint64_t flags;
	uint64_t pad;
	uint8_t x87[REGS_X87_COUNT][16];
	uint64_t pad2[2];
	uint8_t ymm[16][32];
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct regs, flags) == REGS_FLAGS, "flags");
_Static_assert(offsetof(struct regs, x87) == REGS_X87, "x87");
_Static_assert(offsetof(struct regs, ymm) == REGS_YMM, "ymm");
_Static_assert(sizeof(struct regs) == REGS_SIZE, "size");

/* Bits of RFLAGS that the probes choose, and compare: CF PF AF ZF SF DF OF. */
#define PROBE_FLAGS	0xcd5UL

void probe(const void *code, const struct regs *in, struct regs *out, int avx);
extern uint64_t probe_rsp;

bool probe_has_avx(void);
void probe_fill(struct regs *regs);
void probe_compare(const char *what, const struct regs *in, const struct regs *out,
		   unsigned int except);
#endif
#endif
