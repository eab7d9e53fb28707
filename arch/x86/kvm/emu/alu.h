/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * alu.h - what exec.c asks of alu.c: arithmetic on values, without knowing
 * where the operands stand.  Pure, and of no interest outside emu/.
 */
#ifndef ARCH_X86_KVM_EMU_ALU_H
#define ARCH_X86_KVM_EMU_ALU_H

#include "../pure.h"
#include "emu.h"

#define EMU_CF		BIT(0)
#define EMU_PF		BIT(2)
#define EMU_AF		BIT(4)
#define EMU_ZF		BIT(6)
#define EMU_SF		BIT(7)
#define EMU_DF		BIT(10)
#define EMU_OF		BIT(11)
#define EMU_RF		BIT(16)
#define EMU_VM		BIT(17)

/*
 * The order of the first eight is that of opcodes 00-3f and group 80, of the
 * second eight that of group c0, of BT to BTC that of group 0f ba.
 */
enum alu_op {
	ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP,
	ALU_ROL, ALU_ROR, ALU_RCL, ALU_RCR, ALU_SHL, ALU_SHR, ALU_SAL, ALU_SAR,
	ALU_BT, ALU_BTS, ALU_BTR, ALU_BTC,
	ALU_TEST, ALU_NOT, ALU_NEG, ALU_INC, ALU_DEC,
	ALU_MOV, ALU_MOVSX, ALU_BSWAP, ALU_SETCC, ALU_CMOVCC,
	ALU_XCHG, ALU_XADD, ALU_CMPXCHG, ALU_SHLD, ALU_SHRD,
	ALU_IMUL, ALU_MUL1, ALU_IMUL1, ALU_DIV, ALU_IDIV,
	ALU_BSF, ALU_BSR, ALU_POPCNT, ALU_TZCNT, ALU_LZCNT,
	ALU_OPS,
};

/**
 * struct alu - the operands of one operation
 * @dst: first operand; the result
 * @src: second operand; XCHG and XADD change it
 * @imm: immediate or, for SHLD and SHRD, the count
 * @size: bytes of @dst: 1, 2, 4, 8
 * @src_size: bytes of @src
 * @keep: out: the first operand is not written after all
 * @cond: low four bits of the opcode, of SETcc and CMOVcc
 * @regs: flags, and RAX and RDX where the instruction names them
 *
 * Operands are zero-extended to 64 bits, before and after.
 */
struct alu {
	u64 dst, src, imm;
	u8 size, src_size, cond;
	bool keep;
	struct emu_regs *regs;
};

/**
 * alu_run - carry out @op
 * Flags that the manuals call undefined get the value today's processors give them, mostly.
 * Return: false for a divide error, and nothing has changed.
 */
bool alu_run(enum alu_op op, struct alu *a);

/* The low @size bytes of @value */
static inline u64 alu_low(u64 value, unsigned int size)
{
	return size == 8 ? value : value & ((1ULL << 8 * size) - 1);
}

static inline s64 alu_signed(u64 value, unsigned int size)
{
	return (s64)(value << (64 - 8 * size)) >> (64 - 8 * size);
}

/* A register after a write of @size bytes: four clear the upper half, fewer leave the rest */
static inline u64 alu_merge(u64 old, u64 value, unsigned int size)
{
	return size >= 4 ? alu_low(value, size) : old - alu_low(old, size) + alu_low(value, size);
}

#endif /* ARCH_X86_KVM_EMU_ALU_H */
