// SPDX-License-Identifier: GPL-2.0-only
/*
 * move.c - MOV between a device and a register: nearly every access there is;
 * and how an instruction names its operands.  Pure.
 *
 * Such an instruction touches memory once and changes no flags, so all there is
 * to it is known once it is decoded: one device access, and what that does to
 * one register.  exec.c would come to the same in ten times as many steps;
 * tools/testing/kvm/emu holds the two against each other.
 */
#include "exec.h"

#define MOV_STORE	0x88	/* MOV r/m, r: 8 bits; 16, 32 or 64 with bit 0 set */
#define MOV_LOAD	0x8a
#define MOV_CONSTANT	0xc6	/* group 11; only /0 is a MOV */
#define MOVZX		0x0fb6	/* from 8 bits; from 16 with bit 0 set */
#define MOVSX		0x0fbe

bool insn_high_byte(const struct emu_insn *insn, unsigned int reg, unsigned int size)
{
	return size == 1 && !insn->rex && reg >= 4;
}

u64 insn_offset(const struct emu_insn *insn, const u64 *gpr, u64 rip)
{
	u64 offset = (u64)(s64)insn->disp;

	if (insn->base == EMU_RIP)
		offset += rip + insn->len;
	else if (insn->base != EMU_NO_REG)
		offset += gpr[insn->base];
	if (insn->index != EMU_NO_REG)
		offset += gpr[insn->index] << insn->scale;
	return offset;
}

static void name_register(struct emu_move *move, const struct emu_insn *insn)
{
	bool high = insn_high_byte(insn, insn->reg, move->width);

	move->reg = high ? insn->reg - 4 : insn->reg;
	move->shift = high ? 8 : 0;
}

static bool describe(const struct emu_insn *insn, const u64 *gpr, struct emu_move *move)
{
	move->size = insn->opsize;
	move->width = insn->opsize;
	move->sign = false;
	move->store = false;
	switch (insn->opcode & ~1) {
	case MOV_STORE:
		move->store = true;
		name_register(move, insn);
		move->data = alu_low(gpr[move->reg] >> move->shift, move->size);
		return true;
	case MOV_CONSTANT:
		move->store = true;
		move->data = alu_low(insn->imm, move->size);
		return !(insn->modrm >> 3 & 7);
	case MOVZX:
	case MOVSX:
		move->size = insn->opcode & 1 ? 2 : 1;
		move->sign = (insn->opcode & ~1) == MOVSX;
		fallthrough;
	case MOV_LOAD:
		name_register(move, insn);
		return true;
	default:
		return false;
	}
}

bool emu_move_of(const struct emu_insn *insn, const u64 *gpr, u64 rip, struct emu_move *move)
{
	if (insn->mode != EMU_64 || insn->segment >= EMU_FS || !insn->memory ||
	    insn->encoding != EMU_LEGACY || insn->prefixes & EMU_LOCK ||
	    !describe(insn, gpr, move))
		return false;
	move->linear = alu_low(insn_offset(insn, gpr, rip), insn->addrsize);
	return true;
}

void emu_move_load(const struct emu_move *move, u64 *gpr, const void *data)
{
	u64 value = 0, mask = alu_low(U64_MAX, move->width) << move->shift;

	memcpy(&value, data, move->size);
	if (move->sign)
		value = alu_signed(value, move->size);
	if (move->width >= 4)
		gpr[move->reg] = 0;
	gpr[move->reg] = (gpr[move->reg] & ~mask) | (value << move->shift & mask);
}
