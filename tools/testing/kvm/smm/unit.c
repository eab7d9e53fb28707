// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - the state save area: every byte of it by the manuals' tables, there and back, and what
 * RSM makes of bytes that no processor has written.
 *
 * Offsets are from SMBASE here, as in the manuals.
 */
#include "../check.h"
#include "smm_state.h"

#define CODE64	(SEG_ATTR_L | SEG_ATTR_P | SEG_ATTR_S | 0xb)
#define CODE32	(SEG_ATTR_G | SEG_ATTR_DB | SEG_ATTR_P | SEG_ATTR_S | 0xb)
#define DATA	(SEG_ATTR_G | SEG_ATTR_DB | SEG_ATTR_P | SEG_ATTR_S | 0x3)
#define USER	SEG_ATTR_DPL

static u8 area[SMM_AREA_SIZE];

static u64 at(unsigned int offset, unsigned int size)
{
	u64 value = 0;

	memcpy(&value, &area[offset - 0xfe00], size);
	return value;
}

static void set(unsigned int offset, unsigned int size, u64 value)
{
	memcpy(&area[offset - 0xfe00], &value, size);
}

/* A processor in 64-bit mode, or in 32-bit protected mode; all registers differ. */
static struct vcpu_state machine(bool long_mode)
{
	u64 high = long_mode ? 0x11ull << 38 : 0;
	struct vcpu_state state = {
		.rip = high | 0x1000, .rflags = 0x246, .cr0 = 0x80010033, .cr3 = high | 0x2000,
		.cr4 = 0x20, .efer = long_mode ? 0xd01 : 0x800, .dr6 = 0xffff4ff1, .dr7 = 0x402,
		.cr2 = 0xdead, .star = 0xbeef, .shadow = 1,
		.gdt = { high | 0x3000, 0x7f }, .idt = { high | 0x4000, 0xfff },
	};
	unsigned int i;

	for (i = 0; i < (long_mode ? 16 : 8); i++)
		state.gpr[i] = high << 4 | (0xa0 + i);
	for (i = 0; i < SEG_COUNT; i++)
		state.seg[i] = (struct x86_segment){
			.base = 0x10000 * i + 0x70000, .limit = 0x1000 * i + 0xfff,
			.selector = 0x10 + 8 * i, .attr = DATA,
		};
	state.seg[SEG_FS].base |= high << 1;
	state.seg[SEG_GS].base |= high << 2;
	state.seg[SEG_TR].base |= high << 3;
	state.seg[SEG_LDTR].base |= high << 4;
	state.seg[SEG_CS].attr = long_mode ? CODE64 : CODE32;
	state.seg[SEG_TR].attr = SEG_ATTR_P | SEG_ATTR_AVL | 0xb;
	state.seg[SEG_LDTR].attr = SEG_ATTR_P | 0x2;
	return state;
}

/* ---- The tables. ---- */

static const struct {
	u16 offset;
	u8 size;
	u8 gpr;
} gprs64[] = {
	{ 0xff80, 8, 15 }, { 0xff88, 8, 14 }, { 0xff90, 8, 13 }, { 0xff98, 8, 12 },
	{ 0xffa0, 8, 11 }, { 0xffa8, 8, 10 }, { 0xffb0, 8, 9 }, { 0xffb8, 8, 8 },
	{ 0xffc0, 8, 7 }, { 0xffc8, 8, 6 }, { 0xffd0, 8, 5 }, { 0xffd8, 8, 4 },
	{ 0xffe0, 8, 3 }, { 0xffe8, 8, 2 }, { 0xfff0, 8, 1 }, { 0xfff8, 8, 0 },
}, gprs32[] = {
	{ 0xffd0, 4, 0 }, { 0xffd4, 4, 1 }, { 0xffd8, 4, 2 }, { 0xffdc, 4, 3 },
	{ 0xffe0, 4, 4 }, { 0xffe4, 4, 5 }, { 0xffe8, 4, 6 }, { 0xffec, 4, 7 },
};

static void check_at(const char *name, unsigned int offset, unsigned int size, u64 value)
{
	CHECK(at(offset, size) == value, "%s: %#llx, not %#llx", name,
	      (unsigned long long)at(offset, size), (unsigned long long)value);
}

/* As LAR shows it, down by 8. */
static u32 lar(u16 attr)
{
	return (attr & 0xff) | (u32)(attr & 0xf00) << 4;
}

static void test_layout64(void)
{
	static const u16 segments[] = {
		[SEG_ES] = 0xfe00, [SEG_CS] = 0xfe10, [SEG_SS] = 0xfe20, [SEG_DS] = 0xfe30,
		[SEG_FS] = 0xfe40, [SEG_GS] = 0xfe50, [SEG_LDTR] = 0xfe70, [SEG_TR] = 0xfe90,
	};
	struct smm_save save = { .long_mode = true, .base = 0x7ffe0000, .halted = true };
	struct vcpu_state s = machine(true);
	unsigned int i;

	memset(area, 0xa5, sizeof(area));
	smm_state_save(&s, &save, area);
	for (i = 0; i < ARRAY_SIZE(gprs64); i++)
		check_at("general register", gprs64[i].offset, 8, s.gpr[gprs64[i].gpr]);
	for (i = 0; i < SEG_COUNT; i++) {
		check_at("selector", segments[i], 2, s.seg[i].selector);
		check_at("attributes", segments[i] + 2, 2, lar(s.seg[i].attr));
		check_at("limit", segments[i] + 4, 4, s.seg[i].limit);
		check_at("base", segments[i] + 8, 8, s.seg[i].base);
	}
	check_at("GDT limit", 0xfe60, 8, (u64)s.gdt.limit << 32);
	check_at("GDT base", 0xfe68, 8, s.gdt.base);
	check_at("IDT limit", 0xfe80, 8, (u64)s.idt.limit << 32);
	check_at("IDT base", 0xfe88, 8, s.idt.base);
	check_at("I/O restart", 0xfec8, 1, 0);
	check_at("halt restart", 0xfec9, 1, 1);
	check_at("reserved, and the shadow", 0xfeca, 6, 0x100);
	check_at("EFER", 0xfed0, 8, s.efer);
	check_at("revision", 0xfefc, 4, 0x20064);
	check_at("SMBASE", 0xff00, 8, 0x7ffe0000);
	check_at("CR4", 0xff48, 8, s.cr4);
	check_at("CR3", 0xff50, 8, s.cr3);
	check_at("CR0", 0xff58, 8, s.cr0);
	check_at("DR7", 0xff60, 8, s.dr7);
	check_at("DR6", 0xff68, 8, s.dr6);
	check_at("RFLAGS", 0xff70, 8, s.rflags);
	check_at("RIP", 0xff78, 8, s.rip);
	for (i = 0xfea0; i < 0xfec8; i += 8)
		check_at("what I/O restart needs", i, 8, 0);
	for (i = 0xfed8; i < 0xfef8; i += 8)
		check_at("what SVM needs", i, 8, 0);
}

static void test_layout32(void)
{
	static const u16 selectors[] = {
		[SEG_ES] = 0xffa8, [SEG_CS] = 0xffac, [SEG_SS] = 0xffb0, [SEG_DS] = 0xffb4,
		[SEG_FS] = 0xffb8, [SEG_GS] = 0xffbc, [SEG_LDTR] = 0xffc0, [SEG_TR] = 0xffc4,
	};
	static const u16 hidden[] = {
		[SEG_DS] = 0xff2c, [SEG_FS] = 0xff38, [SEG_GS] = 0xff44, [SEG_TR] = 0xff5c,
		[SEG_LDTR] = 0xff78, [SEG_ES] = 0xff84, [SEG_CS] = 0xff90, [SEG_SS] = 0xff9c,
	};
	struct smm_save save = { .base = 0xa0000, .halted = true };
	struct vcpu_state s = machine(false);
	unsigned int i;

	memset(area, 0xa5, sizeof(area));
	smm_state_save(&s, &save, area);
	for (i = 0; i < ARRAY_SIZE(gprs32); i++)
		check_at("general register", gprs32[i].offset, 4, s.gpr[gprs32[i].gpr]);
	for (i = 0; i < SEG_COUNT; i++) {
		check_at("selector", selectors[i], 4, s.seg[i].selector);
		check_at("attributes", hidden[i], 4, lar(s.seg[i].attr) << 8);
		check_at("limit", hidden[i] + 4, 4, s.seg[i].limit);
		check_at("base", hidden[i] + 8, 4, s.seg[i].base);
	}
	check_at("GDT limit", 0xff70, 4, s.gdt.limit);
	check_at("GDT base", 0xff74, 4, s.gdt.base);
	check_at("IDT limit", 0xff54, 4, s.idt.limit);
	check_at("IDT base", 0xff58, 4, s.idt.base);
	check_at("SMBASE", 0xfef8, 4, 0xa0000);
	check_at("revision", 0xfefc, 4, 0x20000);
	check_at("I/O restart", 0xff00, 2, 0);
	check_at("halt restart", 0xff02, 2, 1);
	check_at("CR4", 0xff14, 4, s.cr4);
	check_at("the shadow", 0xff18, 4, 1 << 16);
	check_at("DR7", 0xffc8, 4, s.dr7);
	check_at("DR6", 0xffcc, 4, s.dr6);
	check_at("EIP", 0xfff0, 4, s.rip);
	check_at("EFLAGS", 0xfff4, 4, s.rflags);
	check_at("CR3", 0xfff8, 4, s.cr3);
	check_at("CR0", 0xfffc, 4, s.cr0);
	for (i = 0xfe00; i < 0xfef8; i += 8)
		check_at("reserved", i, 8, 0);
}

/* ---- There and back. ---- */

static bool loads(bool long_mode, struct vcpu_state *state, struct smm_save *save)
{
	save->long_mode = long_mode;
	return smm_state_load(state, save, area);
}

static void check_back(const struct vcpu_state *before, bool long_mode, bool halted)
{
	struct smm_save save = { .long_mode = long_mode, .base = 0x12345678, .halted = halted };
	struct vcpu_state s = *before;
	struct smm_save seen = { .halted = !halted };

	smm_state_save(&s, &save, area);
	smm_state_begin(&s, &save);
	/* the handler's */
	s.gdt = (struct x86_table){ .base = 0x1234, .limit = 0x17 };
	CHECK(loads(long_mode, &s, &seen), "refused");
	CHECK(seen.base == 0x12345678 && seen.halted == halted, "SMBASE %#x, halted %d", seen.base,
	      seen.halted);
	CHECK(!memcmp(&s, before, sizeof(s)), "another state, long mode: %d", long_mode);
}

static void test_back(void)
{
	struct vcpu_state s = machine(true);

	check_back(&s, true, true);
	s.shadow = 2;
	s.seg[SEG_DS] = s.seg[SEG_ES] = (struct x86_segment){ .selector = 3 };
	s.seg[SEG_CS].attr |= USER;
	s.seg[SEG_SS] = (struct x86_segment){ .attr = USER };
	check_back(&s, true, false);
	s = machine(true);
	s.cr4 |= 0x1000;
	s.rip = s.gdt.base = s.seg[SEG_FS].base = ~0ull << 56;
	check_back(&s, true, false);
	s = machine(false);
	check_back(&s, false, true);
	s.shadow = 0;
	/* 32 bits in the layout of long mode: a guest that does not use what it has */
	check_back(&s, true, false);
}

static void make_real_mode(struct vcpu_state *s)
{
	unsigned int i;

	s->cr0 = 0x10;
	for (i = 0; i < SEG_LDTR; i++)
		s->seg[i].attr = SEG_ATTR_P | SEG_ATTR_S | 0x3;
}

static void make_vm86(struct vcpu_state *s)
{
	unsigned int i;

	s->rflags |= 1 << 17;
	for (i = 0; i < SEG_LDTR; i++)
		s->seg[i] = (struct x86_segment){
			.selector = 0x100 * i, .base = 0x1000 * i, .limit = 0xffff, .attr = 0xf3,
		};
}

static void test_back_16(void)
{
	struct vcpu_state s = machine(false);

	make_real_mode(&s);
	check_back(&s, false, false);
	s.seg[SEG_CS].attr |= 8;
	check_back(&s, false, false);
	s = machine(false);
	make_vm86(&s);
	check_back(&s, false, false);
}

/* ---- What begins. ---- */

static void test_begin(void)
{
	struct smm_save save = { .long_mode = true, .base = 0x30000 };
	struct vcpu_state s = machine(true), old = s;
	unsigned int i;

	smm_state_begin(&s, &save);
	CHECK(s.rip == 0x8000 && s.rflags == 2 && !s.shadow, "RIP %#llx",
	      (unsigned long long)s.rip);
	CHECK(s.seg[SEG_CS].selector == 0x3000 && s.seg[SEG_CS].base == 0x30000, "CS %#x",
	      s.seg[SEG_CS].selector);
	CHECK(s.seg[SEG_CS].attr == (SEG_ATTR_G | SEG_ATTR_P | SEG_ATTR_S | 0xb), "CS %#x",
	      s.seg[SEG_CS].attr);
	for (i = 0; i < SEG_LDTR; i++) {
		CHECK(s.seg[i].limit == 0xffffffff, "limit of %u", i);
		if (i == SEG_CS)
			continue;
		CHECK(!s.seg[i].selector && !s.seg[i].base &&
		      s.seg[i].attr == (SEG_ATTR_G | SEG_ATTR_P | SEG_ATTR_S | 0x3), "segment %u",
		      i);
	}
	CHECK(s.cr0 == 0x10032 && !s.cr4 && !s.efer && s.dr7 == 0x400, "CR0 %#llx",
	      (unsigned long long)s.cr0);
	CHECK(!s.idt.base && !s.idt.limit, "IDT");
	CHECK(!memcmp(s.gpr, old.gpr, sizeof(s.gpr)) && s.cr2 == old.cr2 && s.cr3 == old.cr3 &&
	      s.dr6 == old.dr6 && s.gdt.base == old.gdt.base && s.gdt.limit == old.gdt.limit &&
	      !memcmp(&s.seg[SEG_LDTR], &old.seg[SEG_LDTR], 2 * sizeof(s.seg[0])), "more changes");

	s = machine(false);
	s.cr0 |= 0xe;
	save.long_mode = false;
	smm_state_begin(&s, &save);
	CHECK(s.efer == 0x800, "EFER is not in this layout: it stays");
	CHECK(s.cr0 == 0x10032, "CR0 %#llx", (unsigned long long)s.cr0);
}

/* ---- RSM with what a handler has written. ---- */

static void prepare(const struct vcpu_state *s, bool long_mode)
{
	struct smm_save save = { .long_mode = long_mode, .base = 0x30000 };

	smm_state_save(s, &save, area);
}

static void test_dropped(void)
{
	struct vcpu_state s = machine(true), t = { };
	struct smm_save save;

	prepare(&s, true);
	set(0xff70, 8, ~0ull);
	set(0xff68, 8, ~0ull);
	set(0xff60, 8, ~0ull);
	set(0xfec9, 1, 0xfe);
	set(0xfecb, 1, 0xff);
	CHECK(loads(true, &t, &save), "refused");
	CHECK(t.rflags == (0x3f7fd7 & ~(1 << 17)), "RFLAGS %#llx", (unsigned long long)t.rflags);
	CHECK(t.dr6 == 0xffffffff - 0x1000 && t.dr7 == 0xffff2fff, "DR6 %#llx DR7 %#llx",
	      (unsigned long long)t.dr6, (unsigned long long)t.dr7);
	CHECK(!save.halted && t.shadow == 3, "halted %d shadow %#x", save.halted, t.shadow);
	set(0xff70, 8, 0);
	set(0xff68, 8, 0);
	set(0xff60, 8, 0);
	CHECK(loads(true, &t, &save) && t.rflags == 2 && t.dr6 == 0xfffe0ff0 && t.dr7 == 0x400,
	      "RFLAGS %#llx", (unsigned long long)t.rflags);

	s = machine(false);
	prepare(&s, true);
	set(0xff78, 8, 0x1122334455667788);
	set(0xff50, 8, 0x1122334455667000);
	CHECK(loads(true, &t, &save) && t.rip == 0x55667788 && t.cr3 == 0x55667000, "RIP %#llx",
	      (unsigned long long)t.rip);

	make_real_mode(&s);
	s.rflags |= 1 << 17;
	s.seg[SEG_CS].attr |= USER;
	prepare(&s, false);
	CHECK(loads(false, &t, &save) && !(t.rflags & 1 << 17) && !(t.seg[SEG_CS].attr & USER),
	      "real mode");
	set(0xff9c, 4, 0x6000 | at(0xff9c, 4));
	CHECK(loads(false, &t, &save) && !(t.seg[SEG_SS].attr & USER), "real mode");
	s = machine(true);
	s.seg[SEG_CS].attr = CODE32;
	prepare(&s, true);
	set(0xff78, 8, 1ull << 63 | 5);
	CHECK(loads(true, &t, &save) && t.rip == 5, "compatibility mode, RIP %#llx",
	      (unsigned long long)t.rip);
}

struct change {
	const char *name;
	u8 seg;
	u16 attr;		/* to be inverted */
	u64 base;		/* to be added */
	u16 selector;
	bool ok;
};

static void check_change(const struct vcpu_state *machine, const struct change *change)
{
	struct vcpu_state s = *machine, t = { };
	struct smm_save save;

	s.seg[change->seg].attr ^= change->attr;
	s.seg[change->seg].base += change->base;
	s.seg[change->seg].selector |= change->selector;
	prepare(&s, true);
	CHECK(loads(true, &t, &save) == change->ok, "%s", change->name);
}

static void test_segments(void)
{
	static const struct change table[] = {
		{ "CS is absent", SEG_CS, SEG_ATTR_P, 0, 0, false },
		{ "CS is a system segment", SEG_CS, SEG_ATTR_S, 0, 0, false },
		{ "CS is data", SEG_CS, 0x8, 0, 0, false },
		{ "CS has both sizes", SEG_CS, SEG_ATTR_DB, 0, 0, false },
		{ "CS.DPL is not SS.DPL", SEG_CS, 0x20, 0, 0, false },
		{ "CS conforms", SEG_CS, 0x4, 0, 0, true },
		{ "CS conforms, to less", SEG_CS, 0x4 | 0x20, 0, 0, false },
		{ "CS is not to be read", SEG_CS, 0x2, 0, 0, true },
		{ "CS is high", SEG_CS, 0, 1ull << 32, 0, false },
		{ "SS is absent", SEG_SS, SEG_ATTR_P, 0, 0, true },
		{ "SS is a system segment", SEG_SS, SEG_ATTR_S, 0, 0, false },
		{ "SS is code", SEG_SS, 0x8, 0, 0, false },
		{ "SS is not to be written", SEG_SS, 0x2, 0, 0, false },
		{ "SS expands down", SEG_SS, 0x4, 0, 0, true },
		{ "SS.DPL is not CS.DPL", SEG_SS, 0x40, 0, 0, false },
		{ "SS is high", SEG_SS, 0, 1ull << 32, 0, false },
		{ "DS is absent", SEG_DS, SEG_ATTR_P, 0, 0, true },
		{ "DS is a system segment", SEG_DS, SEG_ATTR_S, 0, 0, false },
		{ "DS is code", SEG_DS, 0x8, 0, 0, true },
		{ "DS is code, not to be read", SEG_DS, 0x8 | 0x2, 0, 0, false },
		{ "DS is not to be written", SEG_DS, 0x2, 0, 0, true },
		{ "DS is high", SEG_DS, 0, 1ull << 32, 0, false },
		{ "ES is high", SEG_ES, 0, 1ull << 32, 0, false },
		{ "FS is code, not to be read", SEG_FS, 0x8 | 0x2, 0, 0, false },
		{ "FS is high", SEG_FS, 0, 1ull << 46, 0, true },
		{ "FS is not canonical", SEG_FS, 0, 1ull << 47, 0, false },
		{ "GS is high", SEG_GS, 0, 1ull << 46, 0, true },
		{ "GS is not canonical", SEG_GS, 0, 1ull << 47, 0, false },
		{ "TR is absent", SEG_TR, SEG_ATTR_P | 0xf, 0, 4, true },
		{ "TR is not busy", SEG_TR, 0x2, 0, 0, true },
		{ "TR is a 16-bit TSS", SEG_TR, 0x8, 0, 0, false },
		{ "TR is a call gate", SEG_TR, 0x4, 0, 0, false },
		{ "TR is code", SEG_TR, SEG_ATTR_S, 0, 0, false },
		{ "TR is in the LDT", SEG_TR, 0, 0, 4, false },
		{ "TR is not canonical", SEG_TR, 0, 1ull << 47, 0, false },
		{ "LDTR is absent", SEG_LDTR, SEG_ATTR_P | 0x2, 0, 4, true },
		{ "LDTR is a TSS", SEG_LDTR, 0x9, 0, 0, false },
		{ "LDTR is data", SEG_LDTR, SEG_ATTR_S, 0, 0, false },
		{ "LDTR is in the LDT", SEG_LDTR, 0, 0, 4, false },
		{ "LDTR is not canonical", SEG_LDTR, 0, 1ull << 47, 0, false },
	};
	static const struct change conforming = { "CS conforms, to more", SEG_CS, 0x4, 0, 0, true };
	struct vcpu_state s = machine(true);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		check_change(&s, &table[i]);
	s.seg[SEG_SS].attr |= USER;
	check_change(&s, &conforming);
}

static void test_segments_32(void)
{
	static const struct change protected[] = {
		{ "TR is a 16-bit TSS", SEG_TR, 0x8, 0, 0, true },
		{ "CS has both sizes, but no long mode", SEG_CS, SEG_ATTR_L, 0, 0, true },
	};
	static const struct change real[] = {
		{ "real mode", SEG_CS, 0, 0, 0, true },
		{ "CS is read-only data", SEG_CS, 0x2, 0, 0, false },
		{ "CS expands down", SEG_CS, 0x4, 0, 0, false },
	};
	static const struct change vm86[] = {
		{ "vm86", SEG_CS, 0, 0, 0, true },
		{ "vm86, CS is code", SEG_CS, 0x8, 0, 0, false },
		{ "vm86, base", SEG_GS, 0, 0x10, 0, false },
		{ "vm86, selector", SEG_DS, 0, 0, 1, false },
		{ "vm86, ES is absent", SEG_ES, SEG_ATTR_P, 0, 0, false },
	};
	struct vcpu_state s = machine(false), t;
	struct smm_save save;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(protected); i++)
		check_change(&s, &protected[i]);
	make_real_mode(&s);
	for (i = 0; i < ARRAY_SIZE(real); i++)
		check_change(&s, &real[i]);
	s = machine(false);
	make_vm86(&s);
	for (i = 0; i < ARRAY_SIZE(vm86); i++)
		check_change(&s, &vm86[i]);
	s.seg[SEG_FS].limit = 0xfffff;
	prepare(&s, true);
	CHECK(!loads(true, &t, &save), "vm86, limit");
}

static void test_addresses(void)
{
	static const u16 offsets[] = { 0xff78, 0xfe68, 0xfe88 };
	struct vcpu_state s = machine(true), t = { };
	struct smm_save save;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		prepare(&s, true);
		set(offsets[i], 8, 0x7fffffffffff);
		CHECK(loads(true, &t, &save), "%#x: refused", offsets[i]);
		set(offsets[i], 8, 0x800000000000);
		CHECK(!loads(true, &t, &save), "%#x: not canonical", offsets[i]);
		set(0xff48, 8, 0x1020);
		CHECK(loads(true, &t, &save), "%#x: refused, with 57 bits", offsets[i]);
		set(offsets[i], 8, 1ull << 56);
		CHECK(!loads(true, &t, &save), "%#x: not canonical, with 57 bits", offsets[i]);
	}
}

int main(void)
{
	check_run("smm, " COMPILER ": the layout with long mode", test_layout64);
	check_run("smm, " COMPILER ": the layout without", test_layout32);
	check_run("smm, " COMPILER ": there and back", test_back);
	check_run("smm, " COMPILER ": there and back, 16 bits", test_back_16);
	check_run("smm, " COMPILER ": what begins", test_begin);
	check_run("smm, " COMPILER ": bits that do not exist", test_dropped);
	check_run("smm, " COMPILER ": segments", test_segments);
	check_run("smm, " COMPILER ": segments without long mode", test_segments_32);
	check_run("smm, " COMPILER ": addresses", test_addresses);
	return check_end();
}
