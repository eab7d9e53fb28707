// SPDX-License-Identifier: GPL-2.0-only
/*
 * smm_state.c - PURE: the state save area of SMM, as two tables.
 *
 * Registers are numbers of four or eight bytes, segment registers a selector
 * and, somewhere, attributes, limit and base.  Attributes are a descriptor's
 * bits 40 to 55 without the limit's, as LAR shows them: shifted down by 8 in
 * one layout, where LAR has them in the other.
 */
#include "smm_state.h"

#define RFLAGS_ONE	BIT_ULL(1)
#define RFLAGS_VM86	BIT_ULL(17)
#define RFLAGS_BITS	0x3f7fd5ull
#define CR0_PE		BIT_ULL(0)
#define CR0_GONE	(BIT_ULL(31) | BIT_ULL(3) | BIT_ULL(2) | CR0_PE)	/* PG, TS, EM */
#define CR4_LA57	BIT_ULL(12)
#define EFER_ACTIVE	BIT_ULL(10)	/* LMA */
#define DR6_WRITABLE	0x1e00full
#define DR6_ONES	0xfffe0ff0ull
#define DR7_ONE	0x400ull
#define DR7_ZEROES	0xd000ull
#define SHADOWS		3		/* SHADOW_* of events.h */

#define REVISION_64	0x20064		/* SMBASE can be moved; I/O is not restarted */
#define REVISION_32	0x20000
#define HALTED		1		/* auto-halt restart */

#define TYPE_CODE	0x8
#define TYPE_READ_WRITE	0x2		/* of code: readable, of data: writable */
#define TYPE_DOWN_CONFORMING	0x4
#define VM86_ATTR	(SEG_ATTR_P | SEG_ATTR_DPL | SEG_ATTR_S | 3)
#define SELECTOR_TI	0x4
#define LDT		0x2
#define BUSY_TSS	0xb
#define BUSY_TSS16	0x3
#define BUSY		0x2

/* Where the area has what: offsets from its beginning. */
struct layout {
	u16 base;
	u16 revision;
	u16 halt;
	u16 shadow;
	u8 attr_shift;
	u8 base_size;
	u16 selector[SEG_COUNT];
	u16 attr[SEG_COUNT];
	u16 limit[SEG_COUNT];
	u16 seg_base[SEG_COUNT];
	u16 gdt_limit, gdt_base;
	u16 idt_limit, idt_base;
};

#define SEG64(seg, at)								\
	.selector[seg] = (at), .attr[seg] = (at) + 2, .limit[seg] = (at) + 4,	\
	.seg_base[seg] = (at) + 8

static const struct layout layout64 = {
	.base = 0x100, .revision = 0xfc, .halt = 0xc9, .shadow = 0xcb, .base_size = 8,
	SEG64(SEG_ES, 0x00), SEG64(SEG_CS, 0x10), SEG64(SEG_SS, 0x20), SEG64(SEG_DS, 0x30),
	SEG64(SEG_FS, 0x40), SEG64(SEG_GS, 0x50), SEG64(SEG_LDTR, 0x70), SEG64(SEG_TR, 0x90),
	.gdt_limit = 0x64, .gdt_base = 0x68, .idt_limit = 0x84, .idt_base = 0x88,
};

#define SEG32(seg, sel, attr_at, limit_at, base_at)				\
	.selector[seg] = (sel), .attr[seg] = (attr_at), .limit[seg] = (limit_at),	\
	.seg_base[seg] = (base_at)

static const struct layout layout32 = {
	.base = 0xf8, .revision = 0xfc, .halt = 0x102, .shadow = 0x11a, .attr_shift = 8,
	.base_size = 4,
	SEG32(SEG_DS, 0x1b4, 0x12c, 0x130, 0x134), SEG32(SEG_FS, 0x1b8, 0x138, 0x13c, 0x140),
	SEG32(SEG_GS, 0x1bc, 0x144, 0x148, 0x14c), SEG32(SEG_ES, 0x1a8, 0x184, 0x188, 0x18c),
	SEG32(SEG_CS, 0x1ac, 0x190, 0x194, 0x198), SEG32(SEG_SS, 0x1b0, 0x19c, 0x1a0, 0x1a4),
	SEG32(SEG_TR, 0x1c4, 0x15c, 0x160, 0x164), SEG32(SEG_LDTR, 0x1c0, 0x178, 0x17c, 0x180),
	.gdt_limit = 0x170, .gdt_base = 0x174, .idt_limit = 0x154, .idt_base = 0x158,
};

struct number {
	u16 at;
	u8 size;
	u16 field;
};

#define STATE(member)	offsetof(struct vcpu_state, member)

static const struct number numbers64[] = {
	{ 0xd0, 8, STATE(efer) }, { 0x148, 8, STATE(cr4) }, { 0x150, 8, STATE(cr3) },
	{ 0x158, 8, STATE(cr0) }, { 0x160, 8, STATE(dr7) }, { 0x168, 8, STATE(dr6) },
	{ 0x170, 8, STATE(rflags) }, { 0x178, 8, STATE(rip) },
	{ 0x180, 8, STATE(gpr[GPR_R15]) }, { 0x188, 8, STATE(gpr[GPR_R14]) },
	{ 0x190, 8, STATE(gpr[GPR_R13]) }, { 0x198, 8, STATE(gpr[GPR_R12]) },
	{ 0x1a0, 8, STATE(gpr[GPR_R11]) }, { 0x1a8, 8, STATE(gpr[GPR_R10]) },
	{ 0x1b0, 8, STATE(gpr[GPR_R9]) }, { 0x1b8, 8, STATE(gpr[GPR_R8]) },
	{ 0x1c0, 8, STATE(gpr[GPR_RDI]) }, { 0x1c8, 8, STATE(gpr[GPR_RSI]) },
	{ 0x1d0, 8, STATE(gpr[GPR_RBP]) }, { 0x1d8, 8, STATE(gpr[GPR_RSP]) },
	{ 0x1e0, 8, STATE(gpr[GPR_RBX]) }, { 0x1e8, 8, STATE(gpr[GPR_RDX]) },
	{ 0x1f0, 8, STATE(gpr[GPR_RCX]) }, { 0x1f8, 8, STATE(gpr[GPR_RAX]) },
};

static const struct number numbers32[] = {
	{ 0x114, 4, STATE(cr4) }, { 0x1c8, 4, STATE(dr7) }, { 0x1cc, 4, STATE(dr6) },
	{ 0x1d0, 4, STATE(gpr[GPR_RAX]) }, { 0x1d4, 4, STATE(gpr[GPR_RCX]) },
	{ 0x1d8, 4, STATE(gpr[GPR_RDX]) }, { 0x1dc, 4, STATE(gpr[GPR_RBX]) },
	{ 0x1e0, 4, STATE(gpr[GPR_RSP]) }, { 0x1e4, 4, STATE(gpr[GPR_RBP]) },
	{ 0x1e8, 4, STATE(gpr[GPR_RSI]) }, { 0x1ec, 4, STATE(gpr[GPR_RDI]) },
	{ 0x1f0, 4, STATE(rip) }, { 0x1f4, 4, STATE(rflags) },
	{ 0x1f8, 4, STATE(cr3) }, { 0x1fc, 4, STATE(cr0) },
};

static void put(u8 *area, unsigned int at, unsigned int size, u64 value)
{
	memcpy(area + at, &value, size);
}

static u64 get(const u8 *area, unsigned int at, unsigned int size)
{
	u64 value = 0;

	memcpy(&value, area + at, size);
	return value;
}

static const struct layout *layout_of(const struct smm_save *save)
{
	return save->long_mode ? &layout64 : &layout32;
}

/* The table of numbers, and how many there are. */
static const struct number *numbers_of(const struct smm_save *save, unsigned int *count)
{
	*count = save->long_mode ? ARRAY_SIZE(numbers64) : ARRAY_SIZE(numbers32);
	return save->long_mode ? numbers64 : numbers32;
}

static void save_segments(const struct layout *layout, const struct vcpu_state *state, u8 *area)
{
	unsigned int i;

	for (i = 0; i < SEG_COUNT; i++) {
		const struct x86_segment *seg = &state->seg[i];
		u32 attr = (seg->attr & 0xff) | (seg->attr & 0xf00) << 4;

		put(area, layout->selector[i], 2, seg->selector);
		put(area, layout->attr[i], layout->attr_shift ? 4 : 2, attr << layout->attr_shift);
		put(area, layout->limit[i], 4, seg->limit);
		put(area, layout->seg_base[i], layout->base_size, seg->base);
	}
	put(area, layout->gdt_limit, 2, state->gdt.limit);
	put(area, layout->gdt_base, layout->base_size, state->gdt.base);
	put(area, layout->idt_limit, 2, state->idt.limit);
	put(area, layout->idt_base, layout->base_size, state->idt.base);
}

void smm_state_save(const struct vcpu_state *state, const struct smm_save *save, u8 *area)
{
	const struct layout *layout = layout_of(save);
	const struct number *number;
	unsigned int count, i;

	memset(area, 0, SMM_AREA_SIZE);
	number = numbers_of(save, &count);
	for (i = 0; i < count; i++)
		put(area, number[i].at, number[i].size,
		    *(const u64 *)((const u8 *)state + number[i].field));
	save_segments(layout, state, area);
	put(area, layout->revision, 4, save->long_mode ? REVISION_64 : REVISION_32);
	put(area, layout->base, 4, save->base);
	put(area, layout->halt, 1, save->halted ? HALTED : 0);
	put(area, layout->shadow, 1, state->shadow);
}

static void load_segments(const struct layout *layout, struct vcpu_state *state, const u8 *area)
{
	unsigned int i;

	for (i = 0; i < SEG_COUNT; i++) {
		u32 attr = get(area, layout->attr[i], layout->attr_shift ? 4 : 2) >>
			   layout->attr_shift;

		state->seg[i] = (struct x86_segment){
			.selector = get(area, layout->selector[i], 2),
			.attr = (attr & 0xff) | (attr >> 4 & 0xf00),
			.limit = get(area, layout->limit[i], 4),
			.base = get(area, layout->seg_base[i], layout->base_size),
		};
	}
	state->gdt.limit = get(area, layout->gdt_limit, 2);
	state->gdt.base = get(area, layout->gdt_base, layout->base_size);
	state->idt.limit = get(area, layout->idt_limit, 2);
	state->idt.base = get(area, layout->idt_base, layout->base_size);
}

static bool is_long(const struct vcpu_state *state)
{
	return state->efer & EFER_ACTIVE;
}

/* Bits that no write could have set are not there. */
static void drop_bits(struct vcpu_state *state)
{
	bool wide = is_long(state) && state->seg[SEG_CS].attr & SEG_ATTR_L;

	state->rflags = (state->rflags & RFLAGS_BITS) | RFLAGS_ONE;
	if (!(state->cr0 & CR0_PE) || is_long(state))
		state->rflags &= ~RFLAGS_VM86;
	if (!wide)
		state->rip &= U32_MAX;
	if (!is_long(state))
		state->cr3 &= U32_MAX;
	state->dr6 = (state->dr6 & DR6_WRITABLE) | DR6_ONES;
	state->dr7 = (state->dr7 & U32_MAX & ~DR7_ZEROES) | DR7_ONE;
	/* in real mode there is no privilege but the highest */
	if (!(state->cr0 & CR0_PE)) {
		state->seg[SEG_CS].attr &= ~SEG_ATTR_DPL;
		state->seg[SEG_SS].attr &= ~SEG_ATTR_DPL;
	}
}

static bool canonical(const struct vcpu_state *state, u64 address)
{
	unsigned int unused = state->cr4 & CR4_LA57 ? 7 : 16;

	return (u64)((s64)(address << unused) >> unused) == address;
}

/* Code, data and stack, in use: of the right kind, with bits of their own only. */
static bool segment_ok(const struct vcpu_state *state, unsigned int i)
{
	const struct x86_segment *seg = &state->seg[i];
	bool code = seg->attr & TYPE_CODE;

	if (!(seg->attr & SEG_ATTR_P))
		return i != SEG_CS;
	if (!(seg->attr & SEG_ATTR_S) || (i != SEG_FS && i != SEG_GS && seg->base >> 32))
		return false;
	switch (i) {
	case SEG_CS:
		return code || (!(state->cr0 & CR0_PE) &&
				(seg->attr & (TYPE_DOWN_CONFORMING | TYPE_READ_WRITE)) ==
				TYPE_READ_WRITE);
	case SEG_SS:
		return !code && seg->attr & TYPE_READ_WRITE;
	default:
		return !code || seg->attr & TYPE_READ_WRITE;
	}
}

static bool vm86_ok(const struct x86_segment *seg)
{
	return seg->base == (u64)seg->selector << 4 && seg->limit == 0xffff &&
	       seg->attr == VM86_ATTR;
}

static bool code_and_stack_ok(const struct vcpu_state *state)
{
	u16 cs = state->seg[SEG_CS].attr, ss = state->seg[SEG_SS].attr;

	if (is_long(state) && cs & SEG_ATTR_L && cs & SEG_ATTR_DB)
		return false;
	if (cs & TYPE_CODE && cs & TYPE_DOWN_CONFORMING)
		return (cs & SEG_ATTR_DPL) <= (ss & SEG_ATTR_DPL);
	return (cs & SEG_ATTR_DPL) == (ss & SEG_ATTR_DPL);
}

static bool system_ok(const struct vcpu_state *state)
{
	const struct x86_segment *tr = &state->seg[SEG_TR], *ldtr = &state->seg[SEG_LDTR];
	u8 task = (tr->attr & SEG_ATTR_TYPE) | BUSY;

	if (tr->attr & SEG_ATTR_P &&
	    (tr->attr & SEG_ATTR_S || tr->selector & SELECTOR_TI ||
	     (task != BUSY_TSS && (task != BUSY_TSS16 || is_long(state)))))
		return false;
	return !(ldtr->attr & SEG_ATTR_P) ||
	       ((ldtr->attr & (SEG_ATTR_S | SEG_ATTR_TYPE)) == LDT &&
		!(ldtr->selector & SELECTOR_TI));
}

/* What an entry to the guest would be refused for (SDM vol. 3, 26.3.1.2 to 26.3.1.4). */
static bool state_ok(const struct vcpu_state *state)
{
	bool vm86 = state->rflags & RFLAGS_VM86;
	unsigned int i;

	for (i = 0; i < SEG_LDTR; i++)
		if (vm86 ? !vm86_ok(&state->seg[i]) : !segment_ok(state, i))
			return false;
	if (!vm86 && !code_and_stack_ok(state))
		return false;
	for (i = SEG_FS; i < SEG_COUNT; i++)
		if (!canonical(state, state->seg[i].base))
			return false;
	return system_ok(state) && canonical(state, state->rip) &&
	       canonical(state, state->gdt.base) && canonical(state, state->idt.base);
}

bool smm_state_load(struct vcpu_state *state, struct smm_save *save, const u8 *area)
{
	const struct layout *layout = layout_of(save);
	const struct number *number;
	unsigned int count, i;

	number = numbers_of(save, &count);
	for (i = 0; i < count; i++)
		*(u64 *)((u8 *)state + number[i].field) = get(area, number[i].at, number[i].size);
	load_segments(layout, state, area);
	save->base = get(area, layout->base, 4);
	save->halted = get(area, layout->halt, 1) & HALTED;
	state->shadow = get(area, layout->shadow, 1) & SHADOWS;
	drop_bits(state);
	return state_ok(state);
}

void smm_state_begin(struct vcpu_state *state, const struct smm_save *save)
{
	const struct x86_segment data = {
		.limit = U32_MAX, .attr = SEG_ATTR_G | SEG_ATTR_P | SEG_ATTR_S | 0x3,
	};
	unsigned int i;

	for (i = 0; i < SEG_LDTR; i++)
		state->seg[i] = data;
	state->seg[SEG_CS].selector = save->base >> 4;
	state->seg[SEG_CS].base = save->base;
	state->seg[SEG_CS].attr |= TYPE_CODE;
	state->rip = SMM_ENTRY;
	state->rflags = RFLAGS_ONE;
	state->shadow = 0;
	state->cr0 &= ~CR0_GONE;
	state->cr4 = 0;
	if (save->long_mode)
		state->efer = 0;
	state->dr7 = DR7_ONE;
	/* what was interrupted has no say in SMM before the handler has a table of its own */
	state->idt = (struct x86_table){ };
}
