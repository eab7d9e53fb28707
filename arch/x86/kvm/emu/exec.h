/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * exec.h - between exec.c, which knows memory and commits, and ops.c, which
 * knows the instructions.  Pure, and of no interest outside emu/.
 */
#ifndef ARCH_X86_KVM_EMU_EXEC_H
#define ARCH_X86_KVM_EMU_EXEC_H

#include "../pure.h"
#include "emu.h"
#include "alu.h"

/**
 * struct span - a memory operand, checked and translated
 * @linear: its linear address
 * @parts: how many pages it touches, 0..2
 * @part: where they are in guest-physical memory
 */
struct span {
	u64 linear;
	unsigned int parts;
	struct part {
		u64 gpa;
		u16 len;
		bool device;
	} part[2];
};

/**
 * struct step - one attempt; nothing of it survives but by commit
 * @next: the registers as they will be
 * @reads: device reads this attempt has made, replayed ones included
 * @again: a REP instruction has iterations left: RIP stays
 * @writes: @out is to be written, with @out_from, or @out_data if that is NULL
 * @atomic: only if @old still stands there
 * @port_count: elements of pio_data to write to @port
 * @vec_len: bytes of @vec, which starts as zeros, for vector register @vec_reg; 0 for none
 */
struct step {
	struct emu_ctx *ctx;
	const struct emu_insn *insn;
	struct emu_regs next;
	u8 reads;
	bool again, writes, atomic;
	u8 port_size, vec_reg, vec_len;
	u16 port, port_count;
	struct span out;
	const u8 *out_from;
	u8 out_data[32], old[16], vec[32];
};

/* move.c: is this byte register bits 8 to 15 of one of the first four? (4 to 7, without REX) */
bool insn_high_byte(const struct emu_insn *insn, unsigned int reg, unsigned int size);
/* Offset of the ModRM operand, not yet cut to the address size; @rip is the instruction's */
u64 insn_offset(const struct emu_insn *insn, const u64 *gpr, u64 rip);

/* ops.c: carry out s->insn up to, not including, the commit; vector.c: those of SSE and AVX */
enum emu_result step_run(struct step *s);
enum emu_result step_vector(struct step *s);

/* The exceptions that need no more than their name; #GP has error code 0 */
enum emu_result step_ud(struct step *s);
enum emu_result step_nm(struct step *s);
enum emu_result step_de(struct step *s);
enum emu_result step_gp(struct step *s);

/* Registers as the attempt sees them; byte registers 4 to 7 mean AH..BH without REX */
u64 step_reg(const struct step *s, unsigned int reg, unsigned int size);
void step_set_reg(struct step *s, unsigned int reg, u64 value, unsigned int size);

/* Check and translate @len bytes at @segment:@offset, which may span two pages */
enum emu_result step_map(struct step *s, struct span *span, unsigned int segment, u64 offset,
			 unsigned int len, bool write);
/* Make it @len bytes, all on its first page, if the segment allows that; no new translation */
bool step_widen(struct step *s, struct span *span, unsigned int segment, u64 offset,
		unsigned int len, bool write);
/* Offset of the ModRM operand, not yet cut to the address size; and the operand itself */
u64 step_offset(const struct step *s);
enum emu_result step_map_rm(struct step *s, struct span *span, unsigned int len, bool write);

/* Bytes of the stack pointer; move it by @size and map what is pushed (as s->out) or popped */
unsigned int step_stack_size(const struct step *s);
enum emu_result step_map_push(struct step *s, unsigned int size);
enum emu_result step_map_pop(struct step *s, struct span *span, unsigned int size);

/* Read a mapped operand; at most eight bytes into a value */
enum emu_result step_read(struct step *s, const struct span *span, void *buf);
enum emu_result step_read_value(struct step *s, const struct span *span, u64 *value);
/* Read @count elements of @size bytes from @port to pio_data */
enum emu_result step_read_port(struct step *s, u16 port, unsigned int size, unsigned int count);

#endif /* ARCH_X86_KVM_EMU_EXEC_H */
