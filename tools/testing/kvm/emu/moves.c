// SPDX-License-Identifier: GPL-2.0-only
/*
 * moves.c - the short way, emu_move_of(), against the long one, emu_execute().
 *
 * Every one-byte opcode and every one of map 0F, under prefixes and REX, with
 * many ModRM bytes, in all modes: which are plain moves is written down here a
 * second time; for those that are, both ways have to ask for the same access
 * and leave the same registers.  All of memory is a device.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../pure_user.h"
#include "../../../../arch/x86/kvm/emu/emu.h"

#define PAGE	4096u

static unsigned long compared, taken;
static u64 seed = 88172645463325252ull;

static u64 any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static enum emu_mem translate(struct emu_ctx *ctx, u64 linear, unsigned int len, bool write,
			      u64 *gpa)
{
	(void)ctx;
	(void)len;
	(void)write;
	*gpa = linear;
	return EMU_MEM_DEVICE;
}

static const struct emu_ops ops = { .translate = translate };

static void fail(const char *what, const u8 *bytes, unsigned int len)
{
	printf("not ok emu, moves (" COMPILER "): %s:", what);
	for (unsigned int i = 0; i < len; i++)
		printf(" %02x", bytes[i]);
	printf("\n");
	exit(1);
}

static bool is_move(const struct emu_insn *insn)
{
	static const u16 opcodes[] = {
		0x88, 0x89, 0x8a, 0x8b, 0xc6, 0xc7, 0x0fb6, 0x0fb7, 0x0fbe, 0x0fbf,
	};

	if (insn->mode != EMU_64 || !insn->memory || insn->encoding != EMU_LEGACY ||
	    insn->prefixes & EMU_LOCK || insn->segment == EMU_FS || insn->segment == EMU_GS)
		return false;
	if ((insn->opcode == 0xc6 || insn->opcode == 0xc7) && insn->modrm & 0x38)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
		if (insn->opcode == opcodes[i])
			return true;
	return false;
}

static void any_registers(struct emu_ctx *ctx)
{
	*ctx = (struct emu_ctx){ .protected = true, .linear_bits = 48, .ops = &ops };
	for (int i = 0; i < 16; i++)
		ctx->regs.gpr[i] = any() & 0x3fffffffffffull;
	ctx->regs.rip = 0x400000;
	ctx->regs.rflags = 2;
}

/* What the long way makes of it. True if it can be compared: one access, to a canonical address. */
static bool long_way(struct emu_ctx *ctx, const struct emu_insn *insn, struct emu_io *asked,
		     const u8 *answer)
{
	if (emu_execute(ctx, insn) != EMU_IO)
		return false;
	*asked = ctx->io;
	if (asked->kind == EMU_MMIO_WRITE)
		return asked->committed;
	emu_io_answer(&ctx->io, answer);
	return emu_execute(ctx, insn) == EMU_DONE;
}

static void compare(const struct emu_insn *insn, const u8 *bytes)
{
	struct emu_move move;
	u64 answer = any(), data = 0;
	struct emu_io asked;
	struct emu_ctx ctx;
	struct emu_regs regs;

	memset(&move, 0xa5, sizeof(move));
	any_registers(&ctx);
	regs = ctx.regs;
	if (emu_move_of(insn, regs.gpr, regs.rip, &move) != is_move(insn))
		fail("a plain move or not", bytes, insn->len);
	if (!is_move(insn))
		return;
	taken++;
	if (move.linear % PAGE + move.size > PAGE ||
	    !long_way(&ctx, insn, &asked, (const u8 *)&answer))
		return;
	compared++;
	memcpy(&data, asked.data, asked.size);
	if (move.linear != asked.addr || move.size != asked.size ||
	    move.store != (asked.kind == EMU_MMIO_WRITE))
		fail("another access", bytes, insn->len);
	if (move.store && move.data != data)
		fail("another value", bytes, insn->len);
	if (!move.store)
		emu_move_load(&move, regs.gpr, &answer);
	regs.rip += insn->len;
	if (memcmp(&regs, &ctx.regs, sizeof(regs)))
		fail("other registers", bytes, insn->len);
}

static void one(enum emu_mode mode, const u8 *prefixes, unsigned int count, unsigned int opcode,
		u8 modrm)
{
	struct emu_insn insn;
	u8 bytes[32];

	memcpy(bytes, prefixes, count);
	if (opcode >= 0x100)
		bytes[count++] = 0x0f;
	bytes[count++] = opcode;
	bytes[count++] = modrm;
	for (unsigned int i = count; i < sizeof(bytes); i++)
		bytes[i] = any();
	if (!emu_decode(&insn, bytes, EMU_MAX_INSN, mode))
		compare(&insn, bytes);
}

static const struct {
	u8 count, bytes[2];
} prefixes[] = {
	{ 0, { 0 } }, { 1, { 0x66 } }, { 1, { 0x67 } }, { 1, { 0xf0 } }, { 1, { 0xf2 } },
	{ 1, { 0xf3 } }, { 1, { 0x64 } }, { 1, { 0x65 } }, { 1, { 0x2e } },
	{ 1, { 0x40 } }, { 1, { 0x41 } }, { 1, { 0x42 } }, { 1, { 0x44 } }, { 1, { 0x48 } },
	{ 1, { 0x4f } }, { 2, { 0x66, 0x44 } }, { 2, { 0x67, 0x48 } }, { 2, { 0xf0, 0x48 } },
};

static void all_forms_of(unsigned int opcode)
{
	for (unsigned int p = 0; p < ARRAY_SIZE(prefixes); p++)
		for (unsigned int modrm = 0; modrm < 256; modrm++)
			for (int mode = EMU_16; mode <= EMU_64; mode++)
				one(mode, prefixes[p].bytes, prefixes[p].count, opcode, modrm);
}

int main(void)
{
	for (unsigned int opcode = 0; opcode < 0x200; opcode++)
		all_forms_of(opcode);
	if (compared < 10000 || compared < taken / 2)
		fail("too few could be compared", NULL, 0);
	printf("ok emu, moves (" COMPILER "): %lu both ways, of %lu\n", compared, taken);
	return 0;
}
