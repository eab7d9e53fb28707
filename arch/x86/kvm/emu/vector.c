// SPDX-License-Identifier: GPL-2.0-only
/*
 * vector.c - SSE and AVX moves between memory and a vector register.  Pure.
 *
 * Only moves: no driver computes on device memory with vectors.  Manual: APM
 * vol. 4.
 */
#include "exec.h"

#define NP	1	/* the mandatory prefixes a row stands for */
#define P66	2
#define PF3	4
#define PF2	8

#define STORE	0x01
#define ALIGN	0x02	/* #GP unless aligned to its size */
#define LOW	0x04	/* loads the low half, keeps the high one (of VEX.vvvv) */
#define HIGH	0x08	/* loads or stores the high half */

#define FULL	0	/* .bytes: the vector */
#define OPSIZE	1	/* the operand size */

struct vector_row {
	u16 opcode;
	u8 prefixes, flags, bytes;
};

static const struct vector_row rows[] = {
	{ 0x0f10, NP | P66, 0, FULL },			/* MOVUPS, MOVUPD */
	{ 0x0f10, PF3, 0, 4 },				/* MOVSS */
	{ 0x0f10, PF2, 0, 8 },				/* MOVSD */
	{ 0x0f11, NP | P66, STORE, FULL },
	{ 0x0f11, PF3, STORE, 4 },
	{ 0x0f11, PF2, STORE, 8 },
	{ 0x0f12, NP | P66, LOW, 8 },			/* MOVLPS, MOVLPD */
	{ 0x0f13, NP | P66, STORE, 8 },
	{ 0x0f16, NP | P66, HIGH, 8 },			/* MOVHPS, MOVHPD */
	{ 0x0f17, NP | P66, STORE | HIGH, 8 },
	{ 0x0f28, NP | P66, ALIGN, FULL },		/* MOVAPS, MOVAPD */
	{ 0x0f29, NP | P66, STORE | ALIGN, FULL },
	{ 0x0f2b, NP | P66, STORE | ALIGN, FULL },	/* MOVNTPS, MOVNTPD */
	{ 0x0f6e, P66, 0, OPSIZE },			/* MOVD, MOVQ */
	{ 0x0f6f, P66, ALIGN, FULL },			/* MOVDQA */
	{ 0x0f6f, PF3, 0, FULL },			/* MOVDQU */
	{ 0x0f7e, P66, STORE, OPSIZE },
	{ 0x0f7e, PF3, 0, 8 },				/* MOVQ */
	{ 0x0f7f, P66, STORE | ALIGN, FULL },
	{ 0x0f7f, PF3, STORE, FULL },
	{ 0x0fd6, P66, STORE, 8 },
	{ 0x0fe7, P66, STORE | ALIGN, FULL },		/* MOVNTDQ */
	{ 0x0ff0, PF2, 0, FULL },			/* LDDQU */
	{ 0x382a, P66, ALIGN, FULL },			/* MOVNTDQA */
};

static unsigned int mandatory_prefix(const struct emu_insn *insn)
{
	if (insn->prefixes & EMU_REP)
		return PF3;
	if (insn->prefixes & EMU_REPNE)
		return PF2;
	return insn->prefixes & EMU_OPSIZE ? P66 : NP;
}

static const struct vector_row *find_row(const struct emu_insn *insn)
{
	unsigned int i, prefix = mandatory_prefix(insn);

	if (!insn->memory || (insn->encoding != EMU_LEGACY && insn->encoding != EMU_VEX))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].opcode == insn->opcode && rows[i].prefixes & prefix)
			return &rows[i];
	return NULL;
}

static unsigned int row_bytes(const struct emu_insn *insn, const struct vector_row *row)
{
	switch (row->bytes) {
	case FULL:
		return insn->vlen ? insn->vlen : 16;
	case OPSIZE:
		return insn->rex & EMU_REX_W ? 8 : 4;
	default:
		return row->bytes;
	}
}

static enum emu_result store(struct step *s, const struct vector_row *row, unsigned int bytes)
{
	u8 value[32];

	if (s->ctx->ops->read_vec(s->ctx, s->insn->reg, value, max(bytes, 16u)) != EMU_MEM_OK)
		return EMU_FAILED;
	memcpy(s->out_data, value + (row->flags & HIGH ? 8 : 0), bytes);
	s->writes = true;
	return EMU_DONE;
}

/* Legacy encodings leave bits 128 and up of the register, VEX clears what it does not load */
static enum emu_result load(struct step *s, const struct vector_row *row,
			    const struct span *span)
{
	bool vex = s->insn->encoding == EMU_VEX;
	unsigned int other = vex ? s->insn->vvvv : s->insn->reg;

	if (row->flags & (LOW | HIGH) &&
	    s->ctx->ops->read_vec(s->ctx, other, s->vec, 16) != EMU_MEM_OK)
		return EMU_FAILED;
	s->vec_reg = s->insn->reg;
	s->vec_len = vex ? 32 : 16;
	return step_read(s, span, s->vec + (row->flags & HIGH ? 8 : 0));
}

/* May it be used?  The processor has looked, unless another CPU has changed the bytes since */
static enum emu_result check_use(struct step *s)
{
	const struct emu_ctx *ctx = s->ctx;

	if (s->insn->encoding == EMU_VEX ? ctx->no_avx : ctx->no_sse)
		return step_ud(s);
	return ctx->task_switched ? step_nm(s) : EMU_DONE;
}

enum emu_result step_vector(struct step *s)
{
	const struct vector_row *row = find_row(s->insn);
	enum emu_result r;
	unsigned int bytes;

	if (!row)
		return EMU_UNSUPPORTED;
	r = check_use(s);
	if (r)
		return r;
	bytes = row_bytes(s->insn, row);
	r = step_map_rm(s, &s->out, bytes, row->flags & STORE);
	if (r)
		return r;
	if (row->flags & ALIGN && s->out.linear % bytes)
		return step_gp(s);
	return row->flags & STORE ? store(s, row, bytes) : load(s, row, &s->out);
}
