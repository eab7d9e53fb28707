// SPDX-License-Identifier: GPL-2.0-only
/*
 * ops.c - the instructions that exec.c can carry out: tables, and a function
 * for each kind that the general two-operand scheme does not cover.  Pure.
 *
 * What is here is what reaches devices or emulated memory: data movement,
 * read-modify-write arithmetic, strings, ports, the stack.  Anything else ran
 * on the processor and is EMU_UNSUPPORTED.
 */
#include "exec.h"

/* Where the operands of a two-operand instruction stand; "rm" may be memory */
enum form {
	F_RM, F_RM_REG, F_RM_IMM, F_RM_ONE, F_RM_CL, F_RM_REG_IMM, F_RM_REG_CL, F_RM_SREG,
	F_MOFFS_ACC,		/* up to here memory is the first operand */
	F_REG_RM, F_REG_RM_IMM, F_ACC_MOFFS,
	F_ACC_IMM,
};

/* struct row flags */
#define R	0x01	/* the first operand is read */
#define W	0x02	/* the first operand is written */
#define L	0x04	/* LOCK is allowed when it is memory */
#define X	0x08	/* the second operand, a register, is written as well */
#define BITS	0x10	/* a register as the second operand selects a bit beyond the first */
#define MEM	0x20	/* the form without memory does not exist, or is not for here */
#define GROUP	0x40	/* modrm.reg selects the row */
#define RW	(R | W)
#define RWL	(R | W | L)

struct row {
	enum emu_result (*special)(struct step *s);	/* does it all; or the general scheme: */
	u8 form, flags;
	u8 op;		/* enum alu_op; of a group its number */
	u8 src;		/* bytes of the second operand where they are not those of the first */
};

/* ---- two operands ---- */

/* What goes to s->out */
static void set_out(struct step *s, u64 value)
{
	s->writes = true;
	memcpy(s->out_data, &value, sizeof(value));
}

static bool first_is_rm(const struct row *row)
{
	return row->form <= F_MOFFS_ACC;
}

static u64 bit_offset(const struct step *s, unsigned int size)
{
	s64 bit = alu_signed(s->next.gpr[s->insn->reg], size);

	return (u64)(bit >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * size;
}

static enum emu_result map_operand(struct step *s, const struct row *row, const struct alu *a,
				   struct span *span)
{
	bool write = first_is_rm(row) && row->flags & W;
	unsigned int len = first_is_rm(row) ? a->size : a->src_size;
	u64 offset = step_offset(s);

	if (row->form == F_MOFFS_ACC || row->form == F_ACC_MOFFS)
		offset = s->insn->imm;
	if (row->flags & BITS && row->form == F_RM_REG)
		offset += bit_offset(s, a->size);
	return step_map(s, span, s->insn->segment, alu_low(offset, s->insn->addrsize), len, write);
}

/* The operand that is not rm, and what the instruction has besides two */
static void load_other(const struct step *s, const struct row *row, struct alu *a)
{
	const struct emu_insn *insn = s->insn;

	a->imm = row->form == F_RM_REG_CL ? step_reg(s, EMU_RCX, 1) : insn->imm;
	switch (row->form) {
	case F_RM_REG:
	case F_RM_REG_IMM:
	case F_RM_REG_CL:
		a->src = step_reg(s, insn->reg, a->src_size);
		break;
	case F_RM_IMM:
	case F_ACC_IMM:
		a->src = alu_low(insn->imm, a->src_size);
		break;
	case F_RM_ONE:
		a->src = 1;
		break;
	case F_RM_CL:
		a->src = step_reg(s, EMU_RCX, 1);
		break;
	case F_RM_SREG:
		a->src = s->ctx->seg[insn->reg % 8].selector;
		break;
	case F_MOFFS_ACC:
		a->src = step_reg(s, EMU_RAX, a->src_size);
		break;
	case F_REG_RM:
		a->dst = step_reg(s, insn->reg, a->size);
		break;
	case F_REG_RM_IMM:
		a->dst = alu_low(insn->imm, a->size);
		break;
	}
}

static unsigned int first_register(const struct step *s, const struct row *row)
{
	if (row->form >= F_ACC_MOFFS)
		return EMU_RAX;
	return first_is_rm(row) ? s->insn->rm : s->insn->reg;
}

static enum emu_result load_rm(struct step *s, const struct row *row, struct alu *a,
			       const struct span *span)
{
	if (first_is_rm(row)) {
		if (!(row->flags & R))
			return EMU_DONE;
		if (span->parts)
			return step_read_value(s, span, &a->dst);
		a->dst = step_reg(s, s->insn->rm, a->size);
	} else if (row->form == F_ACC_IMM) {
		a->dst = step_reg(s, EMU_RAX, a->size);
	} else {
		if (span->parts)
			return step_read_value(s, span, &a->src);
		a->src = step_reg(s, s->insn->rm, a->src_size);
	}
	return EMU_DONE;
}

static void store(struct step *s, const struct row *row, const struct alu *a,
		  const struct span *span)
{
	if (row->flags & X)
		step_set_reg(s, s->insn->reg, a->src, a->size);
	if (!(row->flags & W) || a->keep)
		return;
	if (!span->parts || !first_is_rm(row)) {
		step_set_reg(s, first_register(s, row), a->dst, a->size);
		return;
	}
	s->out = *span;
	set_out(s, a->dst);
}

static enum emu_result two_operands(struct step *s, const struct row *row)
{
	const struct emu_insn *insn = s->insn;
	bool locked = insn->prefixes & EMU_LOCK;
	bool memory = insn->memory || row->form == F_MOFFS_ACC || row->form == F_ACC_MOFFS;
	struct alu a = { .size = insn->opsize, .cond = insn->opcode & 15, .regs = &s->next };
	struct span span = { .parts = 0 };
	enum emu_result r = EMU_DONE;

	if (row->flags & MEM && !memory)
		return EMU_UNSUPPORTED;
	if (locked && !(memory && first_is_rm(row)))
		return step_ud(s);
	if (row->form == F_RM_SREG && insn->reg % 8 > EMU_GS)
		return step_ud(s);
	if (row->form == F_RM_SREG && memory)
		a.size = 2;
	a.src_size = row->src ? min(row->src, a.size) : a.size;

	if (memory)
		r = map_operand(s, row, &a, &span);
	if (r)
		return r;
	load_other(s, row, &a);
	r = load_rm(s, row, &a, &span);
	if (r)
		return r;
	s->atomic = locked || row->op == ALU_XCHG;
	memcpy(s->old, &a.dst, sizeof(a.dst));
	if (!alu_run(row->op, &a))
		return step_de(s);
	store(s, row, &a, &span);
	return EMU_DONE;
}

/* ---- the stack, and branches through memory ---- */

static enum emu_result push_value(struct step *s, u64 value)
{
	set_out(s, value);
	return step_map_push(s, s->insn->opsize);
}

static enum emu_result push_reg(struct step *s)
{
	unsigned int reg = (s->insn->opcode & 7) | (s->insn->rex & EMU_REX_B ? 8 : 0);

	return push_value(s, s->next.gpr[reg]);
}

static enum emu_result push_imm(struct step *s)
{
	return push_value(s, s->insn->imm);
}

/* VM and RF read as zero in the image (APM vol. 3, PUSHF) */
static enum emu_result push_flags(struct step *s)
{
	return push_value(s, s->next.rflags & ~(u64)(EMU_VM | EMU_RF));
}

/* The value of rm, memory or not; what has to be mapped besides comes in between */
static enum emu_result rm_value(struct step *s, const struct span *span, u64 *value)
{
	if (s->insn->memory)
		return step_read_value(s, span, value);
	*value = step_reg(s, s->insn->rm, s->insn->opsize);
	return EMU_DONE;
}

static enum emu_result map_rm_source(struct step *s, struct span *span)
{
	return s->insn->memory ? step_map_rm(s, span, s->insn->opsize, false) : EMU_DONE;
}

static enum emu_result push_rm(struct step *s)
{
	struct span span;
	u64 value = 0;
	enum emu_result r = map_rm_source(s, &span);

	if (!r && !s->insn->memory)
		r = rm_value(s, &span, &value);
	if (!r)
		r = step_map_push(s, s->insn->opsize);
	if (!r && s->insn->memory)
		r = rm_value(s, &span, &value);
	set_out(s, value);
	return r;
}

static enum emu_result pop_value(struct step *s, u64 *value)
{
	struct span span;
	enum emu_result r = step_map_pop(s, &span, s->insn->opsize);

	return r ? r : step_read_value(s, &span, value);
}

static enum emu_result pop_reg(struct step *s)
{
	unsigned int reg = (s->insn->opcode & 7) | (s->insn->rex & EMU_REX_B ? 8 : 0);
	u64 value;
	enum emu_result r = pop_value(s, &value);

	if (!r)
		step_set_reg(s, reg, value, s->insn->opsize);
	return r;
}

/* An address by RSP is that after the pop */
static enum emu_result pop_rm(struct step *s)
{
	struct span span;
	u64 value;
	enum emu_result r = step_map_pop(s, &span, s->insn->opsize);

	if (!r && s->insn->memory)
		r = step_map_rm(s, &s->out, s->insn->opsize, true);
	if (!r)
		r = step_read_value(s, &span, &value);
	if (r)
		return r;
	if (s->insn->memory)
		set_out(s, value);
	else
		step_set_reg(s, s->insn->rm, value, s->insn->opsize);
	return EMU_DONE;
}

static enum emu_result leave(struct step *s)
{
	unsigned int width = step_stack_size(s);
	enum emu_result r;
	u64 value;

	step_set_reg(s, EMU_RSP, step_reg(s, EMU_RBP, width), width);
	r = pop_value(s, &value);
	if (!r)
		step_set_reg(s, EMU_RBP, value, s->insn->opsize);
	return r;
}

/* A near branch: the target is cut to the operand size and must be one */
static enum emu_result branch(struct step *s, u64 target)
{
	unsigned int unused = 64 - s->ctx->linear_bits;

	target = alu_low(target, s->insn->opsize);
	if (s->insn->mode == EMU_64) {
		if ((u64)((s64)(target << unused) >> unused) != target)
			return step_gp(s);
	} else if (target > s->ctx->seg[EMU_CS].limit) {
		return step_gp(s);
	}
	s->next.rip = target;
	return EMU_DONE;
}

static enum emu_result call_rel(struct step *s)
{
	u64 back = s->next.rip;
	enum emu_result r = branch(s, back + s->insn->imm);

	return r ? r : push_value(s, back);
}

static enum emu_result call_rm(struct step *s)
{
	struct span span;
	u64 target, back = s->next.rip;
	enum emu_result r = map_rm_source(s, &span);

	if (!r && !s->insn->memory)
		r = rm_value(s, &span, &target);
	if (!r)
		r = push_value(s, back);
	if (!r && s->insn->memory)
		r = rm_value(s, &span, &target);
	return r ? r : branch(s, target);
}

static enum emu_result jmp_rm(struct step *s)
{
	struct span span;
	u64 target;
	enum emu_result r = map_rm_source(s, &span);

	if (!r)
		r = rm_value(s, &span, &target);
	return r ? r : branch(s, target);
}

static enum emu_result ret(struct step *s)
{
	unsigned int width = step_stack_size(s);
	u64 target;
	enum emu_result r = pop_value(s, &target);

	step_set_reg(s, EMU_RSP, step_reg(s, EMU_RSP, width) + s->insn->imm, width);
	return r ? r : branch(s, target);
}

/* ---- strings and ports ---- */

static void advance(struct step *s, unsigned int reg, unsigned int size, unsigned int count)
{
	u64 bytes = (u64)size * count;
	u64 value = s->next.gpr[reg];

	step_set_reg(s, reg, s->next.rflags & EMU_DF ? value - bytes : value + bytes,
		     s->insn->addrsize);
}

static enum emu_result map_source(struct step *s, struct span *span, unsigned int len)
{
	return step_map(s, span, s->insn->segment, step_reg(s, EMU_RSI, s->insn->addrsize), len,
			false);
}

/* ES takes no override */
static enum emu_result map_destination(struct step *s, struct span *span, unsigned int len,
				       bool write)
{
	return step_map(s, span, EMU_ES, step_reg(s, EMU_RDI, s->insn->addrsize), len, write);
}

static enum emu_result movs(struct step *s)
{
	struct span from;
	unsigned int size = s->insn->opsize;
	enum emu_result r = map_source(s, &from, size);

	if (!r)
		r = map_destination(s, &s->out, size, true);
	if (!r)
		r = step_read(s, &from, s->out_data);
	s->writes = true;
	advance(s, EMU_RSI, size, 1);
	advance(s, EMU_RDI, size, 1);
	return r;
}

static enum emu_result stos(struct step *s)
{
	enum emu_result r = map_destination(s, &s->out, s->insn->opsize, true);

	set_out(s, s->next.gpr[EMU_RAX]);
	advance(s, EMU_RDI, s->insn->opsize, 1);
	return r;
}

static enum emu_result lods(struct step *s)
{
	struct span from;
	u64 value;
	enum emu_result r = map_source(s, &from, s->insn->opsize);

	if (!r)
		r = step_read_value(s, &from, &value);
	if (r)
		return r;
	step_set_reg(s, EMU_RAX, value, s->insn->opsize);
	advance(s, EMU_RSI, s->insn->opsize, 1);
	return EMU_DONE;
}

static void compare(struct step *s, u64 first, u64 second)
{
	struct alu a = {
		.dst = first, .src = second, .regs = &s->next,
		.size = s->insn->opsize, .src_size = s->insn->opsize,
	};

	alu_run(ALU_CMP, &a);
}

static enum emu_result cmps(struct step *s)
{
	unsigned int size = s->insn->opsize;
	struct span first, second;
	u64 values[2];
	enum emu_result r = map_source(s, &first, size);

	if (!r)
		r = map_destination(s, &second, size, false);
	if (!r)
		r = step_read_value(s, &first, &values[0]);
	if (!r)
		r = step_read_value(s, &second, &values[1]);
	if (r)
		return r;
	compare(s, values[0], values[1]);
	advance(s, EMU_RSI, size, 1);
	advance(s, EMU_RDI, size, 1);
	return EMU_DONE;
}

static enum emu_result scas(struct step *s)
{
	unsigned int size = s->insn->opsize;
	struct span second;
	u64 value;
	enum emu_result r = map_destination(s, &second, size, false);

	if (!r)
		r = step_read_value(s, &second, &value);
	if (r)
		return r;
	compare(s, step_reg(s, EMU_RAX, size), value);
	advance(s, EMU_RDI, size, 1);
	return EMU_DONE;
}

/* REPE goes on while equal, REPNE while not; only CMPS and SCAS tell the two apart */
static bool goes_on(const struct step *s)
{
	bool equal = s->next.rflags & EMU_ZF;

	switch (s->insn->opcode & ~1) {
	case 0xa6:
	case 0xae:
		return equal == !(s->insn->prefixes & EMU_REPNE);
	default:
		return true;
	}
}

static bool repeated(const struct step *s)
{
	return s->insn->prefixes & (EMU_REP | EMU_REPNE);
}

static void counted(struct step *s, unsigned int count)
{
	unsigned int width = s->insn->addrsize;
	u64 left = alu_low(s->next.gpr[EMU_RCX] - count, width);

	if (!repeated(s))
		return;
	step_set_reg(s, EMU_RCX, left, width);
	s->again = left && goes_on(s);
}

static bool nothing_to_repeat(const struct step *s)
{
	return repeated(s) && !step_reg(s, EMU_RCX, s->insn->addrsize);
}

static enum emu_result one_of_string(struct step *s)
{
	switch (s->insn->opcode & ~1) {
	case 0xa4:
		return movs(s);
	case 0xa6:
		return cmps(s);
	case 0xaa:
		return stos(s);
	case 0xac:
		return lods(s);
	default:
		return scas(s);
	}
}

static enum emu_result string(struct step *s)
{
	enum emu_result r;

	if (nothing_to_repeat(s))
		return EMU_DONE;
	r = one_of_string(s);
	if (!r)
		counted(s, 1);
	return r;
}

static unsigned int port_size(const struct step *s)
{
	return min_t(unsigned int, s->insn->opsize, 4);
}

/*
 * How many elements of INS or OUTS go at once: those from @offset to the end
 * of the page, where @linear is, unless they run downwards.
 */
static unsigned int batch(const struct step *s, u64 linear, u64 offset)
{
	unsigned int size = port_size(s), width = s->insn->addrsize;
	u64 fit = (4096 - linear % 4096) / size;

	if (!repeated(s) || s->next.rflags & EMU_DF)
		return 1;
	fit = min(fit, step_reg(s, EMU_RCX, width));
	if (width < 8)
		fit = min(fit, ((1ULL << 8 * width) - offset) / size);
	return max_t(unsigned int, fit, 1);
}

/*
 * Maps as many elements as go at once, or one where a device, or a limit that
 * ends in their midst, makes it matter which.
 */
static enum emu_result map_batch(struct step *s, struct span *span, bool in, unsigned int *count)
{
	unsigned int size = port_size(s);
	unsigned int segment = in ? EMU_ES : s->insn->segment;
	u64 offset = step_reg(s, in ? EMU_RDI : EMU_RSI, s->insn->addrsize);
	enum emu_result r = step_map(s, span, segment, offset, size, in);

	*count = 1;
	if (r || span->part[0].device || s->ctx->watched || (in && s->ctx->one_by_one))
		return r;
	*count = batch(s, span->linear, offset);
	if (*count > 1 && !step_widen(s, span, segment, offset, size * *count, in))
		*count = 1;
	return EMU_DONE;
}

/* A batch is written at once: it is RAM, and too long for s->out_data */
static enum emu_result ins(struct step *s)
{
	unsigned int size = port_size(s), count;
	struct span to;
	enum emu_result r;

	if (nothing_to_repeat(s))
		return EMU_DONE;
	r = map_batch(s, &to, true, &count);
	if (!r)
		r = step_read_port(s, step_reg(s, EMU_RDX, 2), size, count);
	if (r)
		return r;
	s->writes = true;
	s->out = to;
	s->out_from = s->ctx->pio_data;
	advance(s, EMU_RDI, size, count);
	counted(s, count);
	return EMU_DONE;
}

static enum emu_result outs(struct step *s)
{
	unsigned int size = port_size(s), count;
	struct span from;
	enum emu_result r;

	if (nothing_to_repeat(s))
		return EMU_DONE;
	r = map_batch(s, &from, false, &count);
	if (!r)
		r = step_read(s, &from, s->ctx->pio_data);
	if (r)
		return r;
	s->port = step_reg(s, EMU_RDX, 2);
	s->port_size = size;
	s->port_count = count;
	advance(s, EMU_RSI, size, count);
	counted(s, count);
	return EMU_DONE;
}

static u16 port_of(const struct step *s)
{
	return s->insn->opcode & 8 ? step_reg(s, EMU_RDX, 2) : s->insn->imm;
}

static enum emu_result in(struct step *s)
{
	enum emu_result r = step_read_port(s, port_of(s), port_size(s), 1);
	u64 value = 0;

	if (r)
		return r;
	memcpy(&value, s->ctx->pio_data, port_size(s));
	step_set_reg(s, EMU_RAX, value, port_size(s));
	return EMU_DONE;
}

static enum emu_result out(struct step *s)
{
	s->port = port_of(s);
	s->port_size = port_size(s);
	s->port_count = 1;
	memcpy(s->ctx->pio_data, &s->next.gpr[EMU_RAX], s->port_size);
	return EMU_DONE;
}

/* ---- the rest of the integer instructions ---- */

static enum emu_result xlat(struct step *s)
{
	u64 offset = s->next.gpr[EMU_RBX] + step_reg(s, EMU_RAX, 1);
	struct span span;
	u64 value;
	enum emu_result r = step_map(s, &span, s->insn->segment,
				     alu_low(offset, s->insn->addrsize), 1, false);

	if (!r)
		r = step_read_value(s, &span, &value);
	if (!r)
		step_set_reg(s, EMU_RAX, value, 1);
	return r;
}

/* CMPXCHG8B and 16B; the latter must be aligned.  Memory is written either way */
static enum emu_result cmpxchg_pair(struct step *s)
{
	unsigned int half = s->insn->opsize == 8 ? 8 : 4;
	u64 have[2] = { 0, 0 }, *gpr = s->next.gpr;
	enum emu_result r;

	if (!s->insn->memory)
		return step_ud(s);
	r = step_map_rm(s, &s->out, 2 * half, true);
	if (!r && half == 8 && s->out.linear % 16)
		return step_gp(s);
	if (!r)
		r = step_read(s, &s->out, s->old);
	if (r)
		return r;
	memcpy(&have[0], s->old, half);
	memcpy(&have[1], s->old + half, half);
	memcpy(s->out_data, s->old, sizeof(s->old));
	s->writes = true;
	s->atomic = s->insn->prefixes & EMU_LOCK;
	if (have[0] == alu_low(gpr[EMU_RAX], half) && have[1] == alu_low(gpr[EMU_RDX], half)) {
		s->next.rflags |= EMU_ZF;
		memcpy(s->out_data, &gpr[EMU_RBX], half);
		memcpy(s->out_data + half, &gpr[EMU_RCX], half);
	} else {
		s->next.rflags &= ~(u64)EMU_ZF;
		step_set_reg(s, EMU_RAX, have[0], half);
		step_set_reg(s, EMU_RDX, have[1], half);
	}
	return EMU_DONE;
}

/*
 * CLFLUSH, CLFLUSHOPT and CLWB read nothing, but fault like a read, and so
 * arrive here when the line is a device's.  Nothing is left to do.
 */
static enum emu_result cache_line(struct step *s)
{
	unsigned int sub = s->insn->modrm >> 3 & 7;
	struct span span;

	if (!s->insn->memory || s->insn->prefixes & (EMU_REP | EMU_REPNE) ||
	    !(sub == 7 || (sub == 6 && s->insn->prefixes & EMU_OPSIZE)))
		return EMU_UNSUPPORTED;
	return step_map_rm(s, &span, 1, false);
}

/* PREFETCH in its kinds: no access, no fault, and nothing to do for a device */
static enum emu_result hint(struct step *s)
{
	return s->insn->memory ? EMU_DONE : EMU_UNSUPPORTED;
}

/* ---- tables ---- */

#define ROW(FORM, OP, FLAGS)	{ .form = FORM, .op = OP, .flags = FLAGS }
#define SRC(FORM, OP, BYTES)	{ .form = FORM, .op = OP, .flags = W, .src = BYTES }
#define DO(SPECIAL)		{ .special = SPECIAL }
#define OF_GROUP(NUMBER)	{ .op = NUMBER, .flags = GROUP }

/* The regular part of opcodes 00 to 3f */
#define ARITH(AT, OP, FLAGS) \
	[(AT) ... (AT) + 1] = ROW(F_RM_REG, OP, FLAGS), \
	[(AT) + 2 ... (AT) + 3] = ROW(F_REG_RM, OP, (FLAGS) & RW), \
	[(AT) + 4 ... (AT) + 5] = ROW(F_ACC_IMM, OP, (FLAGS) & RW)

#define EIGHT(FORM, FIRST, FLAGS) \
	ROW(FORM, (FIRST), FLAGS), ROW(FORM, (FIRST) + 1, FLAGS), \
	ROW(FORM, (FIRST) + 2, FLAGS), ROW(FORM, (FIRST) + 3, FLAGS), \
	ROW(FORM, (FIRST) + 4, FLAGS), ROW(FORM, (FIRST) + 5, FLAGS), \
	ROW(FORM, (FIRST) + 6, FLAGS)

enum group {
	G_ARITH, G_SHIFT_IMM, G_SHIFT_ONE, G_SHIFT_CL, G_UNARY, G_INC, G_BIT, G_MOV, G_POP, G_PAIR,
};

static const struct row groups[][8] = {
	[G_ARITH] = { EIGHT(F_RM_IMM, ALU_ADD, RWL), ROW(F_RM_IMM, ALU_CMP, R) },
	[G_SHIFT_IMM] = { EIGHT(F_RM_IMM, ALU_ROL, RW), ROW(F_RM_IMM, ALU_SAR, RW) },
	[G_SHIFT_ONE] = { EIGHT(F_RM_ONE, ALU_ROL, RW), ROW(F_RM_ONE, ALU_SAR, RW) },
	[G_SHIFT_CL] = { EIGHT(F_RM_CL, ALU_ROL, RW), ROW(F_RM_CL, ALU_SAR, RW) },
	[G_UNARY] = {
		ROW(F_RM_IMM, ALU_TEST, R), ROW(F_RM_IMM, ALU_TEST, R),
		ROW(F_RM, ALU_NOT, RWL), ROW(F_RM, ALU_NEG, RWL), ROW(F_RM, ALU_MUL1, R),
		ROW(F_RM, ALU_IMUL1, R), ROW(F_RM, ALU_DIV, R), ROW(F_RM, ALU_IDIV, R),
	},
	[G_INC] = {
		ROW(F_RM, ALU_INC, RWL), ROW(F_RM, ALU_DEC, RWL),
		[2] = DO(call_rm), [4] = DO(jmp_rm), [6] = DO(push_rm),
	},
	[G_BIT] = {
		[4] = ROW(F_RM_IMM, ALU_BT, R), ROW(F_RM_IMM, ALU_BTS, RWL),
		ROW(F_RM_IMM, ALU_BTR, RWL), ROW(F_RM_IMM, ALU_BTC, RWL),
	},
	[G_MOV] = { ROW(F_RM_IMM, ALU_MOV, W) },
	[G_POP] = { DO(pop_rm) },
	[G_PAIR] = { [1] = { .special = cmpxchg_pair, .flags = L } },
};

#define OPCODE_MOVSXD	0x63

static const struct row one_byte[256] = {
	ARITH(0x00, ALU_ADD, RWL), ARITH(0x08, ALU_OR, RWL),
	ARITH(0x10, ALU_ADC, RWL), ARITH(0x18, ALU_SBB, RWL),
	ARITH(0x20, ALU_AND, RWL), ARITH(0x28, ALU_SUB, RWL),
	ARITH(0x30, ALU_XOR, RWL), ARITH(0x38, ALU_CMP, R),
	[0x50 ... 0x57] = DO(push_reg),
	[0x58 ... 0x5f] = DO(pop_reg),
	[OPCODE_MOVSXD] = SRC(F_REG_RM, ALU_MOVSX, 4),
	[0x68] = DO(push_imm),
	[0x69] = ROW(F_REG_RM_IMM, ALU_IMUL, W),
	[0x6a] = DO(push_imm),
	[0x6b] = ROW(F_REG_RM_IMM, ALU_IMUL, W),
	[0x6c ... 0x6d] = DO(ins),
	[0x6e ... 0x6f] = DO(outs),
	[0x80 ... 0x83] = OF_GROUP(G_ARITH),
	[0x84 ... 0x85] = ROW(F_RM_REG, ALU_TEST, R),
	[0x86 ... 0x87] = ROW(F_RM_REG, ALU_XCHG, RWL | X),
	[0x88 ... 0x89] = ROW(F_RM_REG, ALU_MOV, W),
	[0x8a ... 0x8b] = ROW(F_REG_RM, ALU_MOV, W),
	[0x8c] = ROW(F_RM_SREG, ALU_MOV, W),
	[0x8f] = OF_GROUP(G_POP),
	[0x9c] = DO(push_flags),
	[0xa0 ... 0xa1] = ROW(F_ACC_MOFFS, ALU_MOV, W),
	[0xa2 ... 0xa3] = ROW(F_MOFFS_ACC, ALU_MOV, W),
	[0xa4 ... 0xa7] = DO(string),
	[0xa8 ... 0xa9] = ROW(F_ACC_IMM, ALU_TEST, R),
	[0xaa ... 0xaf] = DO(string),
	[0xc0 ... 0xc1] = OF_GROUP(G_SHIFT_IMM),
	[0xc2 ... 0xc3] = DO(ret),
	[0xc6 ... 0xc7] = OF_GROUP(G_MOV),
	[0xc9] = DO(leave),
	[0xd0 ... 0xd1] = OF_GROUP(G_SHIFT_ONE),
	[0xd2 ... 0xd3] = OF_GROUP(G_SHIFT_CL),
	[0xd7] = DO(xlat),
	[0xe4 ... 0xe5] = DO(in),
	[0xe6 ... 0xe7] = DO(out),
	[0xe8] = DO(call_rel),
	[0xec ... 0xed] = DO(in),
	[0xee ... 0xef] = DO(out),
	[0xf6 ... 0xf7] = OF_GROUP(G_UNARY),
	[0xfe ... 0xff] = OF_GROUP(G_INC),
};

static const struct row two_byte[256] = {
	[0x0d] = DO(hint),
	[0x18] = DO(hint),
	[0x40 ... 0x4f] = ROW(F_REG_RM, ALU_CMOVCC, RW),
	[0x90 ... 0x9f] = ROW(F_RM, ALU_SETCC, W),
	[0xa3] = ROW(F_RM_REG, ALU_BT, R | BITS),
	[0xa4] = ROW(F_RM_REG_IMM, ALU_SHLD, RW),
	[0xa5] = ROW(F_RM_REG_CL, ALU_SHLD, RW),
	[0xab] = ROW(F_RM_REG, ALU_BTS, RWL | BITS),
	[0xac] = ROW(F_RM_REG_IMM, ALU_SHRD, RW),
	[0xad] = ROW(F_RM_REG_CL, ALU_SHRD, RW),
	[0xae] = DO(cache_line),
	[0xaf] = ROW(F_REG_RM, ALU_IMUL, RW),
	[0xb0 ... 0xb1] = ROW(F_RM_REG, ALU_CMPXCHG, RWL | MEM),
	[0xb3] = ROW(F_RM_REG, ALU_BTR, RWL | BITS),
	[0xb6] = SRC(F_REG_RM, ALU_MOV, 1),
	[0xb7] = SRC(F_REG_RM, ALU_MOV, 2),
	[0xba] = OF_GROUP(G_BIT),
	[0xbb] = ROW(F_RM_REG, ALU_BTC, RWL | BITS),
	[0xbc] = ROW(F_REG_RM, ALU_BSF, W),
	[0xbd] = ROW(F_REG_RM, ALU_BSR, W),
	[0xbe] = SRC(F_REG_RM, ALU_MOVSX, 1),
	[0xbf] = SRC(F_REG_RM, ALU_MOVSX, 2),
	[0xc0 ... 0xc1] = ROW(F_RM_REG, ALU_XADD, RWL | X),
	[0xc3] = ROW(F_RM_REG, ALU_MOV, W | MEM),
	[0xc7] = OF_GROUP(G_PAIR),
};

/* 0F38 F0 and F1; with F2 they are CRC32 */
static const struct row movbe[2] = {
	ROW(F_REG_RM, ALU_BSWAP, W | MEM),
	ROW(F_RM_REG, ALU_BSWAP, W | MEM),
};

static const struct row movdiri = ROW(F_RM_REG, ALU_MOV, W | MEM);

/* With F3.  A processor that does not have the last two takes them for BSF and BSR */
static const struct row popcnt = ROW(F_REG_RM, ALU_POPCNT, W);
static const struct row tzcnt = ROW(F_REG_RM, ALU_TZCNT, W);
static const struct row lzcnt = ROW(F_REG_RM, ALU_LZCNT, W);

static const struct row *find_row_rep(const struct step *s)
{
	switch (s->insn->opcode) {
	case 0x0fb8:
		return &popcnt;
	case 0x0fbc:
		return s->ctx->has_tzcnt ? &tzcnt : NULL;
	case 0x0fbd:
		return s->ctx->has_lzcnt ? &lzcnt : NULL;
	default:
		return NULL;
	}
}

static const struct row *find_row_38(const struct emu_insn *insn)
{
	if ((insn->opcode & ~1) == 0x38f0 && !(insn->prefixes & (EMU_REP | EMU_REPNE)))
		return &movbe[insn->opcode & 1];
	if (insn->opcode == 0x38f9 && !(insn->prefixes & (EMU_REP | EMU_REPNE | EMU_OPSIZE)))
		return &movdiri;
	return NULL;
}

static const struct row *find_row(const struct step *s)
{
	const struct emu_insn *insn = s->insn;
	const struct row *row = NULL;

	if (insn->encoding != EMU_LEGACY)
		return NULL;
	/* outside 64-bit mode it is ARPL */
	if (insn->opcode == OPCODE_MOVSXD && insn->mode != EMU_64)
		return NULL;
	if (insn->prefixes & EMU_REP)
		row = find_row_rep(s);
	if (row)
		return row;
	if (insn->opcode < 0x100)
		row = &one_byte[insn->opcode];
	else if (insn->opcode >> 8 == 0x0f)
		row = &two_byte[insn->opcode & 0xff];
	else if (insn->opcode >> 8 == 0x38)
		row = find_row_38(insn);
	if (row && row->flags & GROUP)
		row = &groups[row->op][insn->modrm >> 3 & 7];
	return row && (row->special || row->flags) ? row : NULL;
}

enum emu_result step_run(struct step *s)
{
	const struct row *row = find_row(s);

	if (s->insn->prefixes & EMU_LOCK && !(row && row->flags & L))
		return step_ud(s);
	if (!row)
		return step_vector(s);
	return row->special ? row->special(s) : two_operands(s, row);
}
