// SPDX-License-Identifier: GPL-2.0-only
/*
 * task.c - a hardware task switch.  Pure; see task.h.
 *
 * The order is that of SDM vol. 3, 8.3: all that can still be refused is looked
 * at first, pages included; then the old task is put away; from the moment the
 * new TSS has been read there is no way back, and its segments are loaded one
 * by one.  Of the checks of table 8-1 each names its exception here.  Their
 * order among the segments is a model's own.
 */
#include "task.h"

enum { VECTOR_TS = 10, VECTOR_NP = 11, VECTOR_SS = 12, VECTOR_GP = 13 };

#define TYPE_BUSY	2u	/* of a TSS */
#define TYPE_WIDE	8u
#define TYPE_CODE	8u	/* of a segment; the next two by this one */
#define TYPE_CONFORMING	4u
#define TYPE_DOWN	4u
#define TYPE_READ	2u
#define TYPE_WRITE	2u
#define TYPE_ACCESSED	1u
#define TYPE_LDT	2u

#define LOCAL		4u	/* a selector's TI */
#define EFLAGS_FIXED	0x2u
#define EFLAGS_BITS	0x3f7fd5u

#define MAX_TSS		104

/* Where things are in a TSS; registers and segments in the order of struct task_regs. */
static const struct layout {
	u8 size;		/* what a TSS must have */
	u8 word;		/* bytes of a register */
	u8 cr3;			/* 0: it has none */
	u8 eip;			/* from here to @ldt what a task leaves is written */
	u8 seg;			/* ES, CS, SS, DS and so on: 2 bytes in a @word each */
	u8 segs;
	u8 ldt;
	u8 trap;
} layouts[] = {
	{ .size = 44, .word = 2, .eip = 14, .seg = 34, .segs = 4, .ldt = 42 },
	{ .size = 104, .word = 4, .cr3 = 28, .eip = 32, .seg = 72, .segs = 6, .ldt = 96,
	  .trap = 100 },
};

static const struct layout *layout_of(const struct task_seg *tss)
{
	return &layouts[!!(tss->attr & TYPE_WIDE)];
}

static enum task_result fault(struct task *t, u8 vector, u16 selector)
{
	t->fault = (struct task_fault){
		.vector = vector,
		.error = (selector & ~3u) | t->external,
	};
	return TASK_FAULT;
}

static bool is_null(u16 selector)
{
	return !(selector & ~3u);
}

static u8 dpl(const struct task_seg *seg)
{
	return seg->attr >> TASK_DPL_SHIFT & 3;
}

/*
 * Descriptors.
 */

static bool in_table(const struct task *t, u16 selector, u32 *linear)
{
	const struct task_seg *ldt = &t->regs.seg[TASK_LDTR];
	u32 offset = selector & ~7u;

	if (!(selector & LOCAL)) {
		*linear = t->gdt_base + offset;
		return offset + 7 <= t->gdt_limit;
	}
	*linear = ldt->base + offset;
	/* one that has not been loaded has no limit */
	return offset + 7 <= ldt->limit;
}

/* Where the byte with P, DPL and type stands. */
static u32 access_byte(u32 linear)
{
	return linear + 5;
}

/* @vector: what it is when there is no such descriptor */
static enum task_result read_descriptor(struct task *t, u16 selector, u8 vector,
					struct task_seg *seg, u32 *linear)
{
	enum task_result r;
	u32 word[2];

	if (!in_table(t, selector, linear))
		return fault(t, vector, selector);
	r = t->ops->read(t, *linear, word, sizeof(word));
	if (r)
		return r;
	seg->selector = selector;
	seg->base = word[0] >> 16 | (word[1] & 0xff) << 16 | (word[1] & 0xff000000);
	seg->limit = (word[0] & 0xffff) | (word[1] & 0xf0000);
	seg->attr = (word[1] >> 8 & 0xff) | (word[1] >> 12 & 0xf00);
	if (seg->attr & TASK_G)
		seg->limit = seg->limit << 12 | 0xfff;
	return TASK_DONE;
}

/*
 * Before the switch.
 */

/* Types 1, 3, 9 and 11 are TSSs; the one to return to is busy, any other is not. */
static bool is_wanted_tss(const struct task *t, const struct task_seg *tss)
{
	bool busy = tss->attr & TYPE_BUSY;

	return !(tss->attr & TASK_S) && (tss->attr & 5) == 1 && busy == (t->reason == TASK_IRET);
}

static enum task_result find_new(struct task *t, struct task_seg *new, u32 *linear)
{
	u8 vector = t->reason == TASK_IRET ? VECTOR_TS : VECTOR_GP;
	enum task_result r;

	if (is_null(t->selector) || t->selector & LOCAL)
		return fault(t, vector, t->selector);
	r = read_descriptor(t, t->selector, vector, new, linear);
	if (r)
		return r;
	if (!is_wanted_tss(t, new))
		return fault(t, vector, t->selector);
	if (!(new->attr & TASK_P))
		return fault(t, VECTOR_NP, t->selector);
	if (new->limit < layout_of(new)->size - 1u)
		return fault(t, VECTOR_TS, t->selector);
	return TASK_DONE;
}

/* The new task is to come back here: CALL, and all that goes through the IDT. */
static bool nests(const struct task *t)
{
	return t->reason == TASK_CALL || t->reason == TASK_EVENT;
}

/* All that is to be written can be: afterwards nothing is half done. */
static enum task_result probe_old(struct task *t)
{
	const struct task_seg *old = &t->regs.seg[TASK_TR];
	const struct layout *layout = layout_of(old);
	enum task_result r;
	u32 linear;

	if (!(old->attr & TASK_P) || old->limit < layout->size - 1u ||
	    !in_table(t, old->selector, &linear))
		return fault(t, VECTOR_TS, old->selector);
	r = t->ops->probe(t, old->base + layout->eip, layout->ldt - layout->eip, true);
	if (!r && !nests(t))
		r = t->ops->probe(t, access_byte(linear), 1, true);
	return r;
}

static enum task_result probe_new(struct task *t, const struct task_seg *new, u32 linear)
{
	enum task_result r = t->ops->probe(t, new->base, layout_of(new)->size, false);

	if (!r && nests(t))
		r = t->ops->probe(t, new->base, sizeof(u16), true);
	if (!r && t->reason != TASK_IRET)
		r = t->ops->probe(t, access_byte(linear), 1, true);
	return r;
}

/*
 * Out of the old task.
 */

static void put(u8 *image, unsigned int at, u32 value, unsigned int size)
{
	memcpy(image + at, &value, size);
}

static u32 get(const u8 *image, unsigned int at, unsigned int size)
{
	u32 value = 0;

	memcpy(&value, image + at, size);
	return value;
}

/* Segments take 2 bytes of 4: what is beside them stays. */
static enum task_result save_old(struct task *t)
{
	const struct task_regs *regs = &t->regs;
	const struct task_seg *old = &regs->seg[TASK_TR];
	const struct layout *layout = layout_of(old);
	unsigned int word = layout->word, i, len = layout->ldt - layout->eip;
	u32 eflags = t->reason == TASK_IRET ? regs->eflags & ~TASK_EFLAGS_NT : regs->eflags;
	enum task_result r;
	u8 image[MAX_TSS];

	r = t->ops->read(t, old->base + layout->eip, image + layout->eip, len);
	if (r)
		return r;
	put(image, layout->eip, regs->eip, word);
	put(image, layout->eip + word, eflags, word);
	for (i = 0; i < ARRAY_SIZE(regs->gpr); i++)
		put(image, layout->eip + (2 + i) * word, regs->gpr[i], word);
	for (i = 0; i < layout->segs; i++)
		put(image, layout->seg + i * word, regs->seg[i].selector, sizeof(u16));
	return t->ops->write(t, old->base + layout->eip, image + layout->eip, len);
}

/* The old task is not to be returned to; nobody but its CPU may touch its descriptor (busy). */
static enum task_result end_old(struct task *t)
{
	enum task_result r;
	u32 linear;
	u8 byte;

	in_table(t, t->regs.seg[TASK_TR].selector, &linear);
	r = t->ops->read(t, access_byte(linear), &byte, 1);
	if (r)
		return r;
	byte &= ~TYPE_BUSY;
	return t->ops->write(t, access_byte(linear), &byte, 1);
}

static enum task_result leave(struct task *t, const struct task_seg *new, u32 linear)
{
	const u16 link = t->regs.seg[TASK_TR].selector;
	enum task_result r = TASK_DONE;
	u8 byte = new->attr;

	/* first, because it is the only step that another CPU may be faster at */
	if (t->reason != TASK_IRET)
		r = t->ops->mark(t, access_byte(linear), byte, byte | TYPE_BUSY);
	if (!r && !nests(t))
		r = end_old(t);
	if (!r)
		r = save_old(t);
	if (!r && nests(t))
		r = t->ops->write(t, new->base, &link, sizeof(link));
	return r;
}

/*
 * Into the new one.
 */

/* A 16-bit TSS has halves of registers, no FS, no GS and no CR3. */
static void load_registers(struct task *t, const u8 *image, const struct layout *layout)
{
	struct task_regs *regs = &t->regs;
	unsigned int word = layout->word, i;

	regs->eip = get(image, layout->eip, word);
	regs->eflags = (get(image, layout->eip + word, word) & EFLAGS_BITS) | EFLAGS_FIXED;
	if (nests(t))
		regs->eflags |= TASK_EFLAGS_NT;
	for (i = 0; i < ARRAY_SIZE(regs->gpr); i++)
		put((u8 *)&regs->gpr[i], 0, get(image, layout->eip + (2 + i) * word, word), word);
	for (i = TASK_ES; i <= TASK_GS; i++)
		regs->seg[i] = (struct task_seg){
			.selector = i < layout->segs ? get(image, layout->seg + i * word, 2) : 0,
		};
	regs->seg[TASK_LDTR] = (struct task_seg){ .selector = get(image, layout->ldt, 2) };
	t->trap = layout->trap && image[layout->trap] & 1;
}

/* Until they are loaded: a handler can be entered, for whatever is wrong with them. */
static void prepare_code(struct task *t)
{
	struct task_seg *cs = &t->regs.seg[TASK_CS];

	t->cpl = t->regs.eflags & TASK_EFLAGS_VM ? 3 : cs->selector & 3;
	cs->limit = 0xffffffff;
	cs->attr = TASK_P | TASK_S | TYPE_CODE | TYPE_READ | TYPE_ACCESSED | TASK_DB | TASK_G |
		   t->cpl << TASK_DPL_SHIFT;
	t->regs.seg[TASK_SS].attr = t->cpl << TASK_DPL_SHIFT;
}

static void load_virtual_8086(struct task *t)
{
	unsigned int i;

	for (i = TASK_ES; i <= TASK_GS; i++) {
		struct task_seg *seg = &t->regs.seg[i];

		seg->base = seg->selector << 4;
		seg->limit = 0xffff;
		seg->attr = TASK_P | TASK_S | TYPE_WRITE | TYPE_ACCESSED | 3 << TASK_DPL_SHIFT;
	}
}

static enum task_result load_ldt(struct task *t)
{
	const u16 selector = t->regs.seg[TASK_LDTR].selector;
	struct task_seg ldt;
	enum task_result r;
	u32 linear;

	if (is_null(selector))
		return TASK_DONE;
	/* there is no LDT yet that it could be in */
	r = read_descriptor(t, selector, VECTOR_TS, &ldt, &linear);
	if (r)
		return r;
	if ((ldt.attr & (TASK_S | TASK_TYPE)) != TYPE_LDT || !(ldt.attr & TASK_P))
		return fault(t, VECTOR_TS, selector);
	t->regs.seg[TASK_LDTR] = ldt;
	return TASK_DONE;
}

/* 0, or the exception; of segments that are code or data, and there */
static u8 check_code(const struct task *t, const struct task_seg *seg)
{
	if (!(seg->attr & TYPE_CODE))
		return VECTOR_TS;
	if (seg->attr & TYPE_CONFORMING ? dpl(seg) > t->cpl : dpl(seg) != t->cpl)
		return VECTOR_TS;
	return seg->attr & TASK_P ? 0 : VECTOR_NP;
}

static u8 check_stack(const struct task *t, const struct task_seg *seg)
{
	if (seg->attr & TYPE_CODE || !(seg->attr & TYPE_WRITE))
		return VECTOR_TS;
	if (!(seg->attr & TASK_P))
		return VECTOR_SS;
	return dpl(seg) != t->cpl || (seg->selector & 3) != t->cpl ? VECTOR_TS : 0;
}

static u8 check_data(const struct task *t, const struct task_seg *seg)
{
	bool code = seg->attr & TYPE_CODE;

	if (code && !(seg->attr & TYPE_READ))
		return VECTOR_TS;
	if (!(seg->attr & TASK_P))
		return VECTOR_NP;
	if (code && seg->attr & TYPE_CONFORMING)
		return 0;
	return dpl(seg) < max_t(u8, t->cpl, seg->selector & 3) ? VECTOR_TS : 0;
}

static u8 check_segment(const struct task *t, unsigned int i, const struct task_seg *seg)
{
	if (!(seg->attr & TASK_S))
		return VECTOR_TS;
	switch (i) {
	case TASK_CS:
		return check_code(t, seg);
	case TASK_SS:
		return check_stack(t, seg);
	default:
		return check_data(t, seg);
	}
}

static enum task_result load_segment(struct task *t, unsigned int i)
{
	const u16 selector = t->regs.seg[i].selector;
	struct task_seg seg;
	enum task_result r;
	u8 vector, byte;
	u32 linear;

	if (is_null(selector))
		return i == TASK_CS || i == TASK_SS ? fault(t, VECTOR_TS, selector) : TASK_DONE;
	r = read_descriptor(t, selector, VECTOR_TS, &seg, &linear);
	if (r)
		return r;
	vector = check_segment(t, i, &seg);
	if (vector)
		return fault(t, vector, selector);
	byte = seg.attr;
	/* whoever has changed it meanwhile has not waited for this */
	if (!(byte & TYPE_ACCESSED))
		r = t->ops->mark(t, access_byte(linear), byte, byte | TYPE_ACCESSED);
	if (r && r != TASK_AGAIN)
		return r;
	seg.attr |= TYPE_ACCESSED;
	t->regs.seg[i] = seg;
	return TASK_DONE;
}

static enum task_result load_segments(struct task *t)
{
	static const u8 order[] = { TASK_CS, TASK_SS, TASK_DS, TASK_ES, TASK_FS, TASK_GS };
	enum task_result r = load_ldt(t);
	unsigned int i;

	if (!r && t->regs.eflags & TASK_EFLAGS_VM) {
		load_virtual_8086(t);
		return TASK_DONE;
	}
	for (i = 0; !r && i < ARRAY_SIZE(order); i++)
		r = load_segment(t, order[i]);
	return r;
}

static enum task_result enter(struct task *t, const struct task_seg *new)
{
	const struct layout *layout = layout_of(new);
	enum task_result r;
	u8 image[MAX_TSS];

	r = t->ops->read(t, new->base, image, layout->size);
	if (r)
		return r;
	t->begun = true;
	t->wide = layout->cr3;
	load_registers(t, image, layout);
	prepare_code(t);
	t->regs.seg[TASK_TR] = *new;
	t->regs.seg[TASK_TR].attr |= TYPE_BUSY;
	if (layout->cr3 && t->paging) {
		t->regs.cr3 = get(image, layout->cr3, 4);
		r = t->ops->load_cr3(t, t->regs.cr3);
	}
	return r ? r : load_segments(t);
}

enum task_result task_switch(struct task *t)
{
	struct task_seg new;
	enum task_result r;
	u32 linear;

	t->begun = false;
	r = find_new(t, &new, &linear);
	if (!r)
		r = probe_old(t);
	if (!r)
		r = probe_new(t, &new, linear);
	if (!r)
		r = leave(t, &new, linear);
	return r ? r : enter(t, &new);
}

/*
 * The first steps.
 */

static bool stack_allows(const struct task_seg *ss, u32 offset, unsigned int size)
{
	u64 last = (u64)offset + size - 1;

	if (ss->attr & TYPE_DOWN)
		return offset > ss->limit && last <= (ss->attr & TASK_DB ? 0xffffffff : 0xffff);
	return last <= ss->limit;
}

static enum task_result push_error(struct task *t, u32 error)
{
	const struct task_seg *ss = &t->regs.seg[TASK_SS];
	unsigned int size = t->wide ? 4 : 2;
	u32 *esp = &t->regs.gpr[4], offset = *esp - size;
	enum task_result r;

	if (!(ss->attr & TASK_DB))
		offset &= 0xffff;
	if (!stack_allows(ss, offset, size))
		return fault(t, VECTOR_SS, 0);
	r = t->ops->push(t, ss->base + offset, &error, size);
	if (!r)
		put((u8 *)esp, 0, offset, ss->attr & TASK_DB ? 4 : 2);
	return r;
}

enum task_result task_start(struct task *t, bool has_error, u32 error)
{
	enum task_result r = has_error ? push_error(t, error) : TASK_DONE;

	if (r)
		return r;
	return t->regs.eip > t->regs.seg[TASK_CS].limit ? fault(t, VECTOR_GP, 0) : TASK_DONE;
}
