// SPDX-License-Identifier: GPL-2.0-only
/*
 * naive.c - the local APIC of SDM vol. 3, chapter 10, section by section, without any thrift.
 *
 * It is what random.c holds lapic.c against.
 */
#include "naive.h"

static struct naive_lvt *lvt_at(struct naive *apic, u32 offset)
{
	int i;

	for (i = 0; i < NAIVE_LVTS; i++) {
		if (apic->lvt[i].offset == offset)
			return &apic->lvt[i];
	}
	return NULL;
}

static const struct naive_lvt *const_lvt_at(const struct naive *apic, u32 offset)
{
	return lvt_at((struct naive *)apic, offset);
}

/* ---- 10.4: state after power-up, INIT, and modes ---- */

void naive_init(struct naive *apic)
{
	static const u32 offsets[] = { 0x2f0, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370 };
	struct naive clean = {
		.features = apic->features, .mode = apic->mode, .id = apic->id,
		.xapic_id = apic->xapic_id, .model = 0xf, .spurious = 0xff,
	};
	int i;

	for (i = 0; i < NAIVE_LVTS; i++) {
		clean.lvt[i].offset = offsets[i];
		clean.lvt[i].masked = true;
		if (offsets[i] == 0x350 && apic->features & LAPIC_LINT0_EXTINT) {
			clean.lvt[i].masked = false;
			clean.lvt[i].mode = 7;
		}
	}
	*apic = clean;
}

void naive_power_up(struct naive *apic, u32 id)
{
	apic->id = id;
	apic->xapic_id = id;
	apic->mode = LAPIC_XAPIC;
	naive_init(apic);
}

void naive_set_mode(struct naive *apic, u8 mode)
{
	u8 old = apic->mode;

	apic->mode = mode;
	if (mode == old)
		return;
	if (mode == LAPIC_DISABLED) {
		apic->xapic_id = apic->id;
		naive_init(apic);
	} else if (old == LAPIC_X2APIC) {
		apic->xapic_id = apic->id;
		apic->ldr = 0;
		apic->model = 0xf;
		apic->icr_high &= 0xff000000;
	}
}

/* ---- 10.5.3: errors ---- */

static void error(struct naive *apic, u8 bit)
{
	bool first = apic->errors == 0;

	apic->errors |= 1 << bit;
	if (first)
		naive_local(apic, 0x370);
}

/* ---- 10.8: interrupts ---- */

static bool takes_vectors(const struct naive *apic)
{
	return apic->mode != LAPIC_DISABLED && apic->enabled;
}

bool naive_accept(struct naive *apic, u8 vector, bool level)
{
	bool waited;

	if (!takes_vectors(apic))
		return false;
	if (vector <= 15) {
		error(apic, 6);
		return false;
	}
	waited = apic->irr[vector];
	apic->irr[vector] = true;
	apic->tmr[vector] = level;
	return !waited;
}

static int first(const bool *vectors)
{
	int vector, found = -1;

	for (vector = 0; vector < 256; vector++) {
		if (vectors[vector])
			found = vector;
	}
	return found;
}

/* 10.8.3.1, figure 10-18 */
u8 naive_ppr(const struct naive *apic)
{
	int in_service = first(apic->isr) < 0 ? 0 : first(apic->isr);

	if (apic->tpr / 16 >= in_service / 16)
		return apic->tpr;
	return in_service / 16 * 16;
}

int naive_pending(const struct naive *apic)
{
	int vector = first(apic->irr);

	if (apic->mode == LAPIC_DISABLED || vector < 0)
		return -1;
	return vector / 16 > naive_ppr(apic) / 16 ? vector : -1;
}

int naive_acknowledge(struct naive *apic)
{
	int vector = naive_pending(apic);

	if (vector >= 0) {
		apic->irr[vector] = false;
		apic->isr[vector] = true;
	}
	return vector;
}

/* 10.8.5 */
static void end_of_interrupt(struct naive *apic)
{
	int vector = first(apic->isr);

	if (vector < 0)
		return;
	apic->isr[vector] = false;
	apic->told_vector = vector;
	if (!apic->tmr[vector])
		return;
	if (lvt_at(apic, 0x350)->vector == vector)
		lvt_at(apic, 0x350)->remote = false;
	if (!apic->no_eoi)
		apic->told_eoi = true;
}

/* ---- 10.5: local sources ---- */

int naive_local(struct naive *apic, u32 offset)
{
	struct naive_lvt *lvt = lvt_at(apic, offset);
	bool level;

	if (apic->mode == LAPIC_DISABLED) {
		if (offset == 0x350)
			return 7;
		return offset == 0x360 ? 4 : -1;
	}
	if (offset == 0x2f0 && !(apic->features & LAPIC_HAS_CMCI))
		return -1;
	if (lvt->masked)
		return -1;
	if (offset == 0x340)
		lvt->masked = true;
	if (lvt->mode == 2 || lvt->mode == 4 || lvt->mode == 5 || lvt->mode == 7)
		return lvt->mode;
	if (lvt->mode != 0)
		return -1;
	level = offset == 0x350 && lvt->level;
	if (level && lvt->remote)
		return -1;
	naive_accept(apic, lvt->vector, level);
	if (!takes_vectors(apic) || lvt->vector <= 15)
		return -1;
	if (level)
		lvt->remote = true;
	return 0;
}

bool naive_extint(const struct naive *apic)
{
	const struct naive_lvt *lint0 = const_lvt_at(apic, 0x350);

	return apic->mode == LAPIC_DISABLED || (!lint0->masked && lint0->mode == 7);
}

/* ---- 10.5.4: the timer ---- */

static u8 timer_mode(const struct naive *apic)
{
	return const_lvt_at(apic, 0x320)->timer;
}

/* figure 10-10 */
static u32 divisor(const struct naive *apic)
{
	static const u8 divisors[] = { 2, 4, 8, 16, 1, 1, 1, 1, 32, 64, 128, 1 };

	return divisors[apic->divide];
}

void naive_tick(struct naive *apic, u32 ns)
{
	while (ns--) {
		if (!apic->count || ++apic->phase < divisor(apic))
			continue;
		apic->phase = 0;
		if (--apic->count)
			continue;
		apic->due = true;
		if (timer_mode(apic) == 1)
			apic->count = apic->initial;
	}
}

bool naive_fired(struct naive *apic)
{
	if (timer_mode(apic) == 2) {
		if (!apic->tsc)
			return false;
		apic->tsc = 0;
	} else {
		if (!apic->due)
			return false;
		apic->due = false;
	}
	return naive_local(apic, 0x320) == 0;
}

static void load_count(struct naive *apic, u32 count)
{
	apic->count = count;
	apic->phase = 0;
}

/* ---- 10.4.1, table 10-1, and 10.12.1.2, table 10-6 ---- */

static u32 bitmap(const bool *vectors, u32 offset)
{
	u32 word = 0;
	int i;

	for (i = 0; i < 32; i++) {
		if (vectors[(offset & 0x70) * 2 + i])
			word |= 1u << i;
	}
	return word;
}

static u32 show_lvt(const struct naive_lvt *lvt)
{
	return lvt->vector | lvt->mode << 8 | lvt->low << 13 | lvt->remote << 14 |
	       lvt->level << 15 | lvt->masked << 16 | (u32)lvt->timer << 17;
}

u32 naive_show(const struct naive *apic, u32 offset)
{
	bool x2apic = apic->mode == LAPIC_X2APIC;
	const struct naive_lvt *lvt = const_lvt_at(apic, offset);

	if (lvt)
		return offset == 0x2f0 && !(apic->features & LAPIC_HAS_CMCI) ? 0 : show_lvt(lvt);
	if (offset >= 0x100 && offset < 0x180)
		return bitmap(apic->isr, offset);
	if (offset >= 0x180 && offset < 0x200)
		return bitmap(apic->tmr, offset);
	if (offset >= 0x200 && offset < 0x280)
		return bitmap(apic->irr, offset);
	switch (offset) {
	case 0x20:
		return x2apic ? apic->id : (u32)apic->xapic_id << 24;
	case 0x30:
		return (apic->features & LAPIC_HAS_CMCI ? 0x60014 : 0x50014) |
		       (apic->features & LAPIC_HAS_EOI_SUPPRESS ? 1 << 24 : 0);
	case 0x80:
		return apic->tpr;
	case 0xa0:
		return naive_ppr(apic);
	case 0xd0:
		return x2apic ? (apic->id & 0xffff0) << 12 | 1u << apic->id % 16 :
				(u32)apic->ldr << 24;
	case 0xe0:
		return (u32)apic->model << 28 | 0x0fffffff;
	case 0xf0:
		return apic->spurious | apic->enabled << 8 | apic->focus << 9 | apic->no_eoi << 12;
	case 0x280:
		return apic->esr;
	case 0x300:
		return apic->icr;
	case 0x310:
		return apic->icr_high;
	case 0x380:
		return apic->initial;
	case 0x390:
		return apic->count;
	case 0x3e0:
		return apic->divide;
	}
	return 0;
}

static bool in_page(const struct naive *apic, u32 offset)
{
	switch (offset) {
	case 0x20: case 0x30: case 0x80: case 0x90: case 0xa0: case 0xb0: case 0xc0: case 0xd0:
	case 0xe0: case 0xf0: case 0x280: case 0x300: case 0x310: case 0x320: case 0x330:
	case 0x340: case 0x350: case 0x360: case 0x370: case 0x380: case 0x390: case 0x3e0:
		return true;
	case 0x2f0:
		return apic->features & LAPIC_HAS_CMCI;
	}
	return offset >= 0x100 && offset < 0x280;
}

static bool read_only(u32 offset)
{
	return offset == 0x30 || offset == 0x90 || offset == 0xa0 || offset == 0xc0 ||
	       offset == 0x390 || (offset >= 0x100 && offset < 0x280);
}

/* ---- 10.6.1: ICR ---- */

static void issue(struct naive *apic, u32 icr, u32 dest)
{
	u8 vector = icr, mode = icr >> 8 & 7;

	if (mode == 3 || mode == 7)
		return;
	if ((mode == 0 || mode == 1) && vector <= 15) {
		error(apic, 5);
		return;
	}
	/* INIT level de-assert */
	if (mode == 5 && (icr & 0xc000) == 0x8000)
		return;
	apic->sent = true;
	apic->msg.dest = dest;
	apic->msg.vector = vector;
	apic->msg.mode = mode;
	apic->msg.shorthand = icr >> 18 & 3;
	apic->msg.logical = icr >> 11 & 1;
	apic->msg.level = false;
	apic->msg.assert = true;
}

/* ---- writes that have passed the checks of their mode ---- */

static void write_lvt(struct naive *apic, struct naive_lvt *lvt, u32 value)
{
	u8 old = lvt->timer;

	lvt->vector = value;
	lvt->masked = value >> 16 & 1 || !apic->enabled;
	if (lvt->offset == 0x320) {
		lvt->timer = value >> 17 & 3;
		if (!(apic->features & LAPIC_HAS_TSC_DEADLINE))
			lvt->timer &= 1;
	} else if (lvt->offset != 0x370) {
		lvt->mode = value >> 8 & 7;
	}
	if (lvt->offset == 0x350 || lvt->offset == 0x360) {
		lvt->low = value >> 13 & 1;
		lvt->level = value >> 15 & 1;
		lvt->remote = lvt->remote && lvt->level;
	}
	if (lvt->timer != old && (lvt->timer > 1 || old > 1)) {
		load_count(apic, 0);
		apic->tsc = 0;
	}
}

static void write_svr(struct naive *apic, u32 value)
{
	bool was = apic->enabled;
	int i;

	apic->spurious = value;
	apic->enabled = value >> 8 & 1;
	apic->focus = value >> 9 & 1;
	apic->no_eoi = value >> 12 & 1 && apic->features & LAPIC_HAS_EOI_SUPPRESS;
	for (i = 0; i < NAIVE_LVTS && was && !apic->enabled; i++)
		apic->lvt[i].masked = true;
}

static void store(struct naive *apic, u32 offset, u32 value)
{
	struct naive_lvt *lvt = lvt_at(apic, offset);
	bool counts;

	if (offset == 0x320 || offset == 0x380 || offset == 0x3e0) {
		if (timer_mode(apic) != 2)
			naive_fired(apic);
	}
	if (lvt) {
		write_lvt(apic, lvt, value);
		return;
	}
	counts = timer_mode(apic) <= 1;
	switch (offset) {
	case 0x20:
		apic->xapic_id = value >> 24;
		break;
	case 0x80:
		apic->tpr = value;
		break;
	case 0xb0:
		end_of_interrupt(apic);
		break;
	case 0xd0:
		apic->ldr = value >> 24;
		break;
	case 0xe0:
		apic->model = value >> 28;
		break;
	case 0xf0:
		write_svr(apic, value);
		break;
	case 0x280:
		apic->esr = apic->errors;
		apic->errors = 0;
		break;
	case 0x310:
		apic->icr_high = value & 0xff000000;
		break;
	case 0x300:
		apic->icr = value & 0x000ccfff;
		issue(apic, apic->icr, apic->icr_high >> 24);
		break;
	case 0x380:
		if (counts) {
			apic->initial = value;
			load_count(apic, value);
		}
		break;
	case 0x3e0:
		apic->divide = value & 0xb;
		apic->phase = 0;
		break;
	}
}

static void forget(struct naive *apic)
{
	apic->sent = false;
	apic->told_eoi = false;
	apic->told_vector = 0;
	memset(&apic->msg, 0, sizeof(apic->msg));
}

u32 naive_read(struct naive *apic, u32 offset)
{
	if (!in_page(apic, offset)) {
		error(apic, 7);
		return 0;
	}
	return naive_show(apic, offset);
}

void naive_write(struct naive *apic, u32 offset, u32 value)
{
	forget(apic);
	if (!in_page(apic, offset))
		error(apic, 7);
	else if (!read_only(offset))
		store(apic, offset, value);
}

/* Which bits of an MSR a write may have set; false: it may not be written at all. */
static bool msr_bits(const struct naive *apic, u32 msr, u64 *bits)
{
	static const struct {
		u32 msr;
		u64 bits;
	} table[] = {
		{ 0x808, 0xff }, { 0x80b, 0 }, { 0x80f, 0x13ff }, { 0x828, 0 }, { 0x82f, 0x117ff },
		{ 0x830, 0xffffffff000ccfffull }, { 0x832, 0x710ff }, { 0x833, 0x117ff },
		{ 0x834, 0x117ff }, { 0x835, 0x1f7ff }, { 0x836, 0x1f7ff }, { 0x837, 0x110ff },
		{ 0x838, 0xffffffff }, { 0x83e, 0xb }, { 0x83f, 0xff },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table) && table[i].msr != msr; i++)
		;
	if (i == ARRAY_SIZE(table) || (msr == 0x82f && !(apic->features & LAPIC_HAS_CMCI)))
		return false;
	*bits = table[i].bits;
	if (msr == 0x80f && !(apic->features & LAPIC_HAS_EOI_SUPPRESS))
		*bits &= ~0x1000ull;
	if (msr == 0x832 && !(apic->features & LAPIC_HAS_TSC_DEADLINE))
		*bits &= ~0x40000ull;
	return true;
}

bool naive_rdmsr(const struct naive *apic, u32 msr, u64 *value)
{
	u32 offset = (msr - 0x800) << 4;

	if (apic->mode != LAPIC_X2APIC || msr < 0x800 || msr > 0x8ff)
		return false;
	/* not there: APR, RRD, DFR, ICR high; write-only: EOI, SELF IPI */
	if (!in_page(apic, offset) || offset == 0x90 || offset == 0xc0 || offset == 0xe0 ||
	    offset == 0x310 || offset == 0xb0)
		return false;
	*value = naive_show(apic, offset);
	if (msr == 0x830)
		*value |= (u64)apic->icr_high << 32;
	return true;
}

bool naive_wrmsr(struct naive *apic, u32 msr, u64 value)
{
	u64 bits;

	forget(apic);
	if (apic->mode != LAPIC_X2APIC || !msr_bits(apic, msr, &bits) || value & ~bits)
		return false;
	if (msr == 0x830) {
		apic->icr = value;
		apic->icr_high = value >> 32;
		issue(apic, value, value >> 32);
	} else if (msr == 0x83f) {
		issue(apic, 0x40000 | value, 0);
	} else {
		store(apic, (msr - 0x800) << 4, value);
	}
	return true;
}

/* ---- 10.6.2, 10.12.10: who is meant ---- */

bool naive_matches(const struct naive *apic, const struct irq_msg *msg, bool narrow)
{
	u32 dest = msg->dest, bit;

	if (apic->mode == LAPIC_DISABLED)
		return false;
	if ((msg->mode == 0 || msg->mode == 1 || msg->mode == 7) && !apic->enabled)
		return false;
	if (dest == 0xffffffff)
		return true;
	if (apic->mode == LAPIC_X2APIC) {
		if (narrow && dest == 0xff)
			return true;
		if (!msg->logical)
			return dest == apic->id;
		bit = apic->id % 16;
		return dest / 0x10000 == apic->id / 16 % 0x10000 && dest >> bit & 1;
	}
	if (!msg->logical)
		return dest == 0xff || dest == (apic->id > 0xff ? apic->id : apic->xapic_id);
	if (dest > 0xff)
		return false;
	if (apic->model == 0xf)
		return (dest & apic->ldr) != 0;
	if (apic->model == 0)
		return dest == 0xff ||
		       (dest / 16 == apic->ldr / 16u && (dest % 16 & apic->ldr % 16u));
	return false;
}
