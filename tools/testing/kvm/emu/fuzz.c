// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz.c - libFuzzer: any bytes as an instruction, any registers, memory that
 * answers as it likes.  Looks for what the sanitizers see, and for a step that
 * breaks its promises: state changed without a commit, a fragment of a wrong
 * size, more bytes than pio_data holds, an instruction that never ends.
 */
#include <stdlib.h>

#include "../pure_user.h"
#include "../../../../arch/x86/kvm/emu/emu.h"

struct input {
	const u8 *at, *end;
};

static struct input input;

static u64 next(unsigned int bytes)
{
	u64 value = 0;

	for (; bytes; bytes--)
		value = value << 8 | (input.at < input.end ? *input.at++ : 0);
	return value;
}

static enum emu_mem any_answer(struct emu_ctx *ctx)
{
	u8 choice = next(1);

	if (choice < 0xf8)
		return EMU_MEM_OK;
	ctx->fault.vector = 14;
	return choice == 0xf8 ? EMU_MEM_FAILED : EMU_MEM_OK;
}

/* Tables that nobody changes under the instruction */
static bool stable;

static enum emu_mem translate(struct emu_ctx *ctx, u64 linear, unsigned int len, bool write,
			      u64 *gpa)
{
	u8 choice = stable ? (linear >> 12) * 0x55 : next(1);

	(void)len;
	(void)write;
	*gpa = linear;
	ctx->fault.vector = 14;
	return choice < 0x80 ? EMU_MEM_OK : choice < 0xfe ? EMU_MEM_DEVICE : EMU_MEM_FAULT;
}

static enum emu_mem read_ram(struct emu_ctx *ctx, u64 gpa, void *buf, unsigned int len)
{
	if (gpa / 4096 != (gpa + len - 1) / 4096)
		abort();
	memset(buf, next(1), len);
	return any_answer(ctx);
}

static enum emu_mem write_ram(struct emu_ctx *ctx, u64 gpa, const void *buf, unsigned int len)
{
	static u8 sink[EMU_PIO_BYTES];

	if (gpa / 4096 != (gpa + len - 1) / 4096)
		abort();
	memcpy(sink, buf, len);	/* the sanitizer looks at the source */
	return any_answer(ctx);
}

static enum emu_mem cmpxchg_ram(struct emu_ctx *ctx, u64 gpa, const void *old, const void *new,
				unsigned int len)
{
	(void)new;
	if (len > 16 || !len || len & (len - 1))
		abort();
	if (next(1) & 1)
		return EMU_MEM_RACED;
	return write_ram(ctx, gpa, old, len);
}

static enum emu_mem device(struct emu_ctx *ctx, u64 gpa, void *buf, unsigned int len, bool write)
{
	(void)ctx;
	(void)gpa;
	if (!len || len > 8)
		abort();
	if (!write)
		memset(buf, next(1), len);
	return next(1) & 1 ? EMU_MEM_OK : EMU_MEM_DEVICE;
}

static enum emu_mem port(struct emu_ctx *ctx, u16 port, void *buf, unsigned int size,
			 unsigned int count, bool write)
{
	(void)ctx;
	(void)port;
	if (!count || size * count > EMU_PIO_BYTES || size > 4)
		abort();
	if (!write)
		memset(buf, next(1), size * count);
	return next(1) & 1 ? EMU_MEM_OK : EMU_MEM_DEVICE;
}

static enum emu_mem read_vec(struct emu_ctx *ctx, unsigned int reg, void *buf, unsigned int len)
{
	(void)ctx;
	if (reg > 15)
		abort();
	memset(buf, reg, len);
	return EMU_MEM_OK;
}

static enum emu_mem write_vec(struct emu_ctx *ctx, unsigned int reg, const void *buf,
			      unsigned int len)
{
	(void)ctx;
	(void)buf;
	if (reg > 15 || (len != 16 && len != 32))
		abort();
	return EMU_MEM_OK;
}

static const struct emu_ops ops = {
	.translate = translate, .read = read_ram, .write = write_ram, .cmpxchg = cmpxchg_ram,
	.device = device, .port = port, .read_vec = read_vec, .write_vec = write_vec,
};

/* Until the instruction is over, or 64 steps are */
static void execute(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	unsigned int steps, same = 0;

	for (steps = 0; steps < 64; steps++) {
		struct emu_regs before = ctx->regs;
		enum emu_result r = emu_execute(ctx, insn);
		bool committed = r == EMU_DONE || (r == EMU_IO && ctx->io.committed);
		u8 data[8] = { 0 };

		if (!committed && memcmp(&before, &ctx->regs, sizeof(before)))
			abort();
		if (r != EMU_IO && r != EMU_DONE)
			return;
		if (r == EMU_IO) {
			if (!ctx->io.size || ctx->io.size > 8 ||
			    ctx->io.size * ctx->io.count > EMU_PIO_BYTES)
				abort();
			emu_io_answer(&ctx->io, data);
		}
		/* five reads and five writes are the most that one step can need */
		same = committed ? 0 : same + 1;
		if (stable && same > 10)
			abort();
		if (committed && ctx->retired)
			return;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u8 pio[EMU_PIO_BYTES];
	struct emu_ctx ctx = { .ops = &ops, .pio_data = pio };
	struct emu_insn insn;
	u8 bytes[EMU_MAX_INSN], choice;
	unsigned int i, len;

	input = (struct input) { data, data + size };
	choice = next(1);
	len = min((size_t)(input.end - input.at), sizeof(bytes));
	for (i = 0; i < len; i++)
		bytes[i] = next(1);
	if (emu_decode(&insn, bytes, len, choice % 3))
		return 0;
	if (!insn.len || insn.len > len || !insn.addrsize || !insn.opsize)
		abort();
	input.at -= len - insn.len;
	stable = choice & 128;
	ctx.protected = choice & 4;
	ctx.has_tzcnt = ctx.has_lzcnt = choice & 64;
	ctx.no_sse = ctx.no_avx = ctx.task_switched = (choice & 96) == 96;
	ctx.linear_bits = choice & 8 ? 57 : 48;
	ctx.regs.rflags = next(2);
	for (i = 0; i < 16; i++)
		ctx.regs.gpr[i] = choice & 16 ? next(8) : next(2);
	for (i = 0; i < 6; i++)
		ctx.seg[i] = (struct emu_seg) {
			.base = next(1), .limit = choice & 32 ? 0xffffffff : next(2),
			.type = next(1) & 15,
			.present = true, .db = choice & 64,
		};
	execute(&ctx, &insn);
	return 0;
}
