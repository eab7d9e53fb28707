// SPDX-License-Identifier: GPL-2.0-only
/*
 * exec.c - one attempt at one instruction: operands, memory, devices, commit.
 * Pure.
 *
 * What an attempt changes stands in struct step and reaches emu_ctx in commit()
 * alone, so every "return" before it is free.  Order within an attempt: check
 * and translate all operands, read, compute, then commit.  Arithmetic is
 * alu.c's; which instruction is carried out how, the tables in ops.c.
 */
#include "exec.h"

#define PAGE_BYTES	4096u
#define DEVICE_BYTES	8u	/* the widest access a device, and kvm_run.mmio, can have */

enum { VECTOR_DE = 0, VECTOR_UD = 6, VECTOR_NM = 7, VECTOR_SS = 12, VECTOR_GP = 13 };

static enum emu_result raise(struct step *s, u8 vector, bool has_error)
{
	s->ctx->fault = (struct emu_fault) { .vector = vector, .has_error = has_error };
	return EMU_FAULT;
}

enum emu_result step_ud(struct step *s)
{
	return raise(s, VECTOR_UD, false);
}

enum emu_result step_nm(struct step *s)
{
	return raise(s, VECTOR_NM, false);
}

enum emu_result step_de(struct step *s)
{
	return raise(s, VECTOR_DE, false);
}

enum emu_result step_gp(struct step *s)
{
	return raise(s, VECTOR_GP, true);
}

static enum emu_result result_of(enum emu_mem mem)
{
	switch (mem) {
	case EMU_MEM_OK:
		return EMU_DONE;
	case EMU_MEM_DEVICE:
		return EMU_IO;
	case EMU_MEM_FAULT:
		return EMU_FAULT;
	case EMU_MEM_RACED:
		return EMU_RETRY;
	default:
		return EMU_FAILED;
	}
}

/* ---- registers ---- */

u64 step_reg(const struct step *s, unsigned int reg, unsigned int size)
{
	if (insn_high_byte(s->insn, reg, size))
		return s->next.gpr[reg - 4] >> 8 & 0xff;
	return alu_low(s->next.gpr[reg], size);
}

void step_set_reg(struct step *s, unsigned int reg, u64 value, unsigned int size)
{
	u64 *gpr = s->next.gpr;

	if (insn_high_byte(s->insn, reg, size))
		gpr[reg - 4] = (gpr[reg - 4] & ~0xff00ULL) | (value & 0xff) << 8;
	else
		gpr[reg] = alu_merge(gpr[reg], value, size);
}

/* ---- addresses ---- */

static u64 canonical(const struct emu_ctx *ctx, u64 address)
{
	unsigned int unused = 64 - ctx->linear_bits;

	return (u64)((s64)(address << unused) >> unused) == address;
}

/* Segment types, APM vol. 2, 4.8: data when bit 3 is clear */
static bool type_allows(const struct emu_seg *seg, bool write)
{
	if (seg->type & 8)
		return !write && seg->type & 2;
	return !write || seg->type & 2;
}

static bool limit_allows(const struct emu_seg *seg, u64 offset, unsigned int len)
{
	u64 last = offset + len - 1;

	if ((seg->type & 12) == 4)	/* data that expands down: the limit is its lower end */
		return offset > seg->limit && last <= (seg->db ? 0xffffffff : 0xffff);
	return last <= seg->limit;
}

static bool segment_allows(const struct step *s, const struct emu_seg *seg, u64 offset,
			   unsigned int len, bool write)
{
	if (s->ctx->protected && (!seg->present || !type_allows(seg, write)))
		return false;
	return limit_allows(seg, offset, len);
}

/* Checks @len bytes at @segment:@offset.  A fault through SS is #SS, through others #GP */
static enum emu_result linear_address(struct step *s, unsigned int segment, u64 offset,
				      unsigned int len, bool write, u64 *linear)
{
	const struct emu_seg *seg = &s->ctx->seg[segment];
	bool allowed;

	if (s->insn->mode == EMU_64) {
		*linear = offset + (segment >= EMU_FS ? seg->base : 0);
		allowed = canonical(s->ctx, *linear) && canonical(s->ctx, *linear + len - 1);
	} else {
		*linear = (u32)(offset + seg->base);
		allowed = segment_allows(s, seg, offset, len, write);
	}
	if (!allowed)
		return raise(s, segment == EMU_SS ? VECTOR_SS : VECTOR_GP, true);
	return EMU_DONE;
}

enum emu_result step_map(struct step *s, struct span *span, unsigned int segment, u64 offset,
			 unsigned int len, bool write)
{
	enum emu_result r;
	u64 linear;

	r = linear_address(s, segment, offset, len, write, &linear);
	span->linear = linear;
	span->parts = 0;
	while (r == EMU_DONE && len) {
		struct part *part = &span->part[span->parts++];
		enum emu_mem mem;

		part->len = min(len, PAGE_BYTES - (unsigned int)(linear % PAGE_BYTES));
		mem = s->ctx->ops->translate(s->ctx, linear, part->len, write, &part->gpa);
		part->device = mem == EMU_MEM_DEVICE;
		if (!part->device)
			r = result_of(mem);
		len -= part->len;
		linear += part->len;
		if (s->insn->mode != EMU_64)
			linear = (u32)linear;
	}
	return r;
}

bool step_widen(struct step *s, struct span *span, unsigned int segment, u64 offset,
		unsigned int len, bool write)
{
	u64 linear;

	if (linear_address(s, segment, offset, len, write, &linear) != EMU_DONE)
		return false;
	span->part[0].len = len;
	return true;
}

u64 step_offset(const struct step *s)
{
	return insn_offset(s->insn, s->next.gpr, s->ctx->regs.rip);
}

enum emu_result step_map_rm(struct step *s, struct span *span, unsigned int len, bool write)
{
	return step_map(s, span, s->insn->segment, alu_low(step_offset(s), s->insn->addrsize),
			len, write);
}

unsigned int step_stack_size(const struct step *s)
{
	if (s->insn->mode == EMU_64)
		return 8;
	return s->ctx->seg[EMU_SS].db ? 4 : 2;
}

enum emu_result step_map_push(struct step *s, unsigned int size)
{
	unsigned int width = step_stack_size(s);
	u64 rsp = alu_low(s->next.gpr[EMU_RSP] - size, width);

	step_set_reg(s, EMU_RSP, rsp, width);
	return step_map(s, &s->out, EMU_SS, rsp, size, true);
}

enum emu_result step_map_pop(struct step *s, struct span *span, unsigned int size)
{
	unsigned int width = step_stack_size(s);
	u64 rsp = alu_low(s->next.gpr[EMU_RSP], width);

	step_set_reg(s, EMU_RSP, rsp + size, width);
	return step_map(s, span, EMU_SS, rsp, size, false);
}

/* ---- reading ---- */

static void ask(struct emu_io *io, enum emu_io_kind kind, u64 addr, unsigned int size,
		unsigned int count)
{
	io->kind = kind;
	io->addr = addr;
	io->size = size;
	io->count = count;
}

/*
 * The next device read of this attempt: its answer if an earlier attempt has
 * had it.  An answer to another question is of no use, and neither is what
 * came after it: the guest's registers or tables have been changed meanwhile.
 */
static const struct emu_read *replay(struct step *s, enum emu_io_kind kind, u64 addr,
				     unsigned int size, unsigned int count)
{
	struct emu_io *io = &s->ctx->io;
	const struct emu_read *read = &io->read[s->reads];

	if (s->reads < io->reads && read->kind == kind && read->addr == addr &&
	    read->size == size && read->count == count) {
		s->reads++;
		return read;
	}
	io->reads = s->reads;
	io->writes = 0;
	ask(io, kind, addr, size, count);
	return NULL;
}

static enum emu_result read_device(struct step *s, u64 gpa, u8 *buf, unsigned int len)
{
	const struct emu_read *read = replay(s, EMU_MMIO_READ, gpa, len, 1);
	enum emu_mem mem = EMU_MEM_DEVICE;

	if (!read) {
		if (s->ctx->ops->device)
			mem = s->ctx->ops->device(s->ctx, gpa, buf, len, false);
		if (mem != EMU_MEM_OK)
			return result_of(mem);
		read = &s->ctx->io.read[s->reads++];
		emu_io_answer(&s->ctx->io, buf);
	}
	memcpy(buf, read->data, len);
	return EMU_DONE;
}

enum emu_result step_read(struct step *s, const struct span *span, void *buf)
{
	enum emu_result r = EMU_DONE;
	unsigned int i, at, len;
	u8 *to = buf;

	for (i = 0; i < span->parts; i++) {
		const struct part *part = &span->part[i];

		if (!part->device)
			r = result_of(s->ctx->ops->read(s->ctx, part->gpa, to, part->len));
		for (at = 0; part->device && !r && at < part->len; at += len) {
			len = min(part->len - at, DEVICE_BYTES);
			r = read_device(s, part->gpa + at, to + at, len);
		}
		if (r)
			break;
		to += part->len;
	}
	return r;
}

enum emu_result step_read_value(struct step *s, const struct span *span, u64 *value)
{
	*value = 0;
	return step_read(s, span, value);
}

/*
 * @count elements from a port into pio_data.  A single one is kept in the
 * record as well, since an exit to write it to a device may follow.
 */
enum emu_result step_read_port(struct step *s, u16 port, unsigned int size, unsigned int count)
{
	struct emu_ctx *ctx = s->ctx;
	const struct emu_read *read = replay(s, EMU_PIO_IN, port, size, count);
	enum emu_mem mem = EMU_MEM_DEVICE;

	if (!read) {
		if (ctx->ops->port)
			mem = ctx->ops->port(ctx, port, ctx->pio_data, size, count, false);
		if (mem != EMU_MEM_OK)
			return result_of(mem);
		s->reads++;
		emu_io_answer(&ctx->io, ctx->pio_data);
	} else if (count == 1) {
		memcpy(ctx->pio_data, read->data, size);
	}
	return EMU_DONE;
}

/* ---- committing ---- */

static const u8 *out_bytes(const struct step *s)
{
	return s->out_from ? s->out_from : s->out_data;
}

/*
 * An operand in two pages, or askew, is written plainly even under LOCK: what
 * comes here is memory about to be, or no longer, a device's; nobody counts there.
 */
static bool write_atomically(const struct step *s)
{
	const struct part *part = &s->out.part[0];

	return s->atomic && s->out.parts == 1 && !part->device && part->gpa % part->len == 0;
}

static enum emu_result write_ram(struct step *s)
{
	const struct emu_ops *ops = s->ctx->ops;
	enum emu_result r = EMU_DONE;
	const u8 *from = out_bytes(s);
	unsigned int i;

	for (i = 0; i < s->out.parts && r == EMU_DONE; i++) {
		const struct part *part = &s->out.part[i];

		if (write_atomically(s))
			r = result_of(ops->cmpxchg(s->ctx, part->gpa, s->old, from, part->len));
		else if (!part->device)
			r = result_of(ops->write(s->ctx, part->gpa, from, part->len));
		from += part->len;
	}
	return r;
}

static enum emu_result write_device(struct step *s, u64 gpa, const u8 *from, unsigned int len)
{
	struct emu_ctx *ctx = s->ctx;

	memcpy(ctx->io.data, from, len);
	if (ctx->ops->device) {
		enum emu_mem mem = ctx->ops->device(ctx, gpa, ctx->io.data, len, true);

		if (mem != EMU_MEM_DEVICE)
			return result_of(mem);
	}
	ask(&ctx->io, EMU_MMIO_WRITE, gpa, len, 1);
	return EMU_IO;
}

static unsigned int device_writes(const struct span *span)
{
	unsigned int i, writes = 0;

	for (i = 0; i < span->parts; i++)
		if (span->part[i].device)
			writes += (span->part[i].len + DEVICE_BYTES - 1) / DEVICE_BYTES;
	return writes;
}

/*
 * The @index'th device write of the instruction.  RAM is written just before
 * the last: a later attempt would read what an earlier one has changed.
 */
static enum emu_result write_fragment(struct step *s, unsigned int index, u64 gpa, const u8 *from,
				      unsigned int len)
{
	struct emu_io *io = &s->ctx->io;
	bool last = index + 1 == device_writes(&s->out);
	enum emu_result r = EMU_DONE;

	if (index < io->writes)
		return EMU_DONE;
	if (last)
		r = write_ram(s);
	if (r == EMU_DONE)
		r = write_device(s, gpa, from, len);
	if (r == EMU_DONE || r == EMU_IO)
		io->writes++;
	io->committed = last && r == EMU_IO;
	return r;
}

static enum emu_result write_out(struct step *s)
{
	enum emu_result r = EMU_DONE;
	const u8 *from = out_bytes(s);
	unsigned int i, at, len, index = 0;

	if (!device_writes(&s->out))
		return write_ram(s);
	for (i = 0; i < s->out.parts; i++) {
		const struct part *part = &s->out.part[i];

		for (at = 0; part->device && at < part->len; at += len) {
			len = min(part->len - at, DEVICE_BYTES);
			r = write_fragment(s, index++, part->gpa + at, from + at, len);
			if (r)
				return r;
		}
		from += part->len;
	}
	return r;
}

static enum emu_result write_port(struct step *s)
{
	struct emu_ctx *ctx = s->ctx;

	if (ctx->ops->port) {
		enum emu_mem mem = ctx->ops->port(ctx, s->port, ctx->pio_data, s->port_size,
						  s->port_count, true);

		if (mem != EMU_MEM_DEVICE)
			return result_of(mem);
	}
	ask(&ctx->io, EMU_PIO_OUT, s->port, s->port_size, s->port_count);
	ctx->io.committed = true;
	return EMU_IO;
}

/* The one place where the guest's state changes */
static enum emu_result commit(struct step *s)
{
	struct emu_ctx *ctx = s->ctx;
	enum emu_result r = EMU_DONE;

	if (s->writes)
		r = write_out(s);
	else if (s->port_count)
		r = write_port(s);
	if (r != EMU_DONE && !(r == EMU_IO && ctx->io.committed))
		return r;
	if (s->vec_len &&
	    ctx->ops->write_vec(ctx, s->vec_reg, s->vec, s->vec_len) != EMU_MEM_OK)
		return EMU_FAILED;
	if (s->again)
		s->next.rip = ctx->regs.rip;
	else
		s->next.rflags &= ~(u64)EMU_RF;
	ctx->retired = !s->again;
	ctx->regs = s->next;
	return r;
}

/* ---- the door ---- */

void emu_io_answer(struct emu_io *io, const void *data)
{
	struct emu_read *read = &io->read[io->reads];

	if (io->kind == EMU_MMIO_READ || io->kind == EMU_PIO_IN) {
		read->addr = io->addr;
		read->kind = io->kind;
		read->size = io->size;
		read->count = io->count;
		if (io->count == 1)
			memcpy(read->data, data, io->size);
		io->reads++;
	}
	io->kind = EMU_IO_NONE;
}

void emu_io_forget(struct emu_io *io)
{
	io->kind = EMU_IO_NONE;
	io->committed = false;
	io->reads = 0;
	io->writes = 0;
}

enum emu_result emu_execute(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	struct step s = { .ctx = ctx, .insn = insn, .next = ctx->regs };
	enum emu_result r;

	if (ctx->io.rip != ctx->regs.rip)
		emu_io_forget(&ctx->io);
	ctx->io.rip = ctx->regs.rip;
	ctx->io.kind = EMU_IO_NONE;
	ctx->io.committed = false;
	s.next.rip += insn->len;
	if (insn->mode != EMU_64)
		s.next.rip = (u32)s.next.rip;

	r = step_run(&s);
	if (r == EMU_DONE)
		r = commit(&s);
	if (r != EMU_IO && r != EMU_FAILED) {
		emu_io_forget(&ctx->io);
	} else if (ctx->io.committed) {
		ctx->io.reads = 0;
		ctx->io.writes = 0;
	}
	return r;
}
