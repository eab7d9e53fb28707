// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - hardware task switches, against what SDM vol. 3, chapter 8 says.
 *
 * A small guest memory holds a GDT, an LDT and TSSs of both sizes, written here
 * byte by byte at the manual's offsets.  Each test makes one switch, and looks
 * at all of memory and at all registers; the tables of what a segment may be go
 * through all descriptors.  "mutants" says what each test is good for.
 */
#include "../check.h"
#include "../../../../arch/x86/kvm/emu/task.h"

#define TS	10
#define NP	11
#define SS	12
#define GP	13
#define PF	14

#define GDT	0x1000u
#define LDT	0x1200u
#define OLD	0x2000u
#define NEW	0x3000u
#define STACK	0x5000u
#define GDT_LIMIT 0x7f

#define S_CODE	0x08
#define S_DATA	0x10
#define S_OLD	0x18
#define S_NEW	0x20
#define S_LDT	0x28
#define S_CODE3	0x30
#define S_DATA3	0x38
#define S_SPARE	0x40
#define S_LOCAL	0x0c
#define S_LAST	0x78

#define NT	0x4000u
#define VM	0x20000u

#define KEEP	0x5a		/* what memory holds where nothing has been written */

static struct machine {
	struct task t;
	u8 mem[0x8000], before[0x8000];
	u32 no_read, no_write, no_push;	/* addresses that fault */
	bool raced;			/* mark() finds another byte */
	u32 raced_at;
	u32 cr3;
	bool bad_cr3, writes_before_probe;
	u32 probed_write[8][2];
	unsigned int probes;
	bool late;			/* a write that was not announced */
} m;

static u32 word(u32 at, unsigned int size)
{
	u32 value = 0;

	memcpy(&value, m.mem + at, size);
	return value;
}

static void set(u32 at, u32 value, unsigned int size)
{
	memcpy(m.mem + at, &value, size);
}

/* SDM vol. 3, 3.4.5: figure 3-8 */
static void put_descriptor(u32 table, unsigned int selector, u32 base, u32 limit, u8 access,
			   u8 flags)
{
	u8 *at = m.mem + table + (selector & ~7u);

	at[0] = limit;
	at[1] = limit >> 8;
	at[2] = base;
	at[3] = base >> 8;
	at[4] = base >> 16;
	at[5] = access;
	at[6] = (limit >> 16 & 15) | flags << 4;
	at[7] = base >> 24;
}

static void descriptor(unsigned int selector, u32 base, u32 limit, u8 access, u8 flags)
{
	put_descriptor(GDT, selector, base, limit, access, flags);
}

static u8 access_of(unsigned int selector)
{
	return m.mem[GDT + (selector & ~7u) + 5];
}

/* ---- callbacks ---- */

static enum task_result page_fault(struct task *t, u32 linear)
{
	t->fault = (struct task_fault){ .vector = PF, .error = 0x77, .address = linear };
	return TASK_FAULT;
}

static bool touches(u32 linear, unsigned int len, u32 address)
{
	return address && address >= linear && address < linear + len;
}

static enum task_result probe(struct task *t, u32 linear, unsigned int len, bool write)
{
	if (touches(linear, len, write ? m.no_write : m.no_read))
		return page_fault(t, write ? m.no_write : m.no_read);
	if (write) {
		m.probed_write[m.probes][0] = linear;
		m.probed_write[m.probes++][1] = len;
	}
	return TASK_DONE;
}

static enum task_result mem_read(struct task *t, u32 linear, void *buf, unsigned int len)
{
	if (touches(linear, len, m.no_read))
		return page_fault(t, m.no_read);
	if (linear + len > sizeof(m.mem))
		return TASK_FAILED;
	memcpy(buf, m.mem + linear, len);
	return TASK_DONE;
}

static bool announced(u32 linear, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < m.probes; i++)
		if (linear >= m.probed_write[i][0] &&
		    linear + len <= m.probed_write[i][0] + m.probed_write[i][1])
			return true;
	return false;
}

static enum task_result mem_write(struct task *t, u32 linear, const void *buf, unsigned int len)
{
	if (!t->begun && !announced(linear, len))
		m.late = true;
	if (touches(linear, len, m.no_write))
		return page_fault(t, m.no_write);
	memcpy(m.mem + linear, buf, len);
	return TASK_DONE;
}

static enum task_result mark(struct task *t, u32 linear, u8 from, u8 to)
{
	if (!t->begun && !announced(linear, 1))
		m.late = true;
	if (touches(linear, 1, m.no_write))
		return page_fault(t, m.no_write);
	if (m.raced || m.mem[linear] != from) {
		m.raced_at = linear;
		return TASK_AGAIN;
	}
	m.mem[linear] = to;
	return TASK_DONE;
}

static enum task_result push(struct task *t, u32 linear, const void *buf, unsigned int len)
{
	if (touches(linear, len, m.no_push))
		return page_fault(t, m.no_push);
	memcpy(m.mem + linear, buf, len);
	return TASK_DONE;
}

static enum task_result load_cr3(struct task *t, u32 cr3)
{
	m.cr3 = cr3;
	if (!m.bad_cr3)
		return TASK_DONE;
	t->fault = (struct task_fault){ .vector = GP };
	return TASK_FAULT;
}

static const struct task_ops ops = { probe, mem_read, mem_write, mark, push, load_cr3 };

/* ---- two tasks ---- */

static const u32 old_gpr[8] = {
	0xa0a1a2a3, 0xb0b1b2b3, 0xc0c1c2c3, 0xd0d1d2d3, 0xe0e1e2e3, 0xf0f1f2f3, 0x90919293,
	0x80818283,
};

#define NEW_GPR(i)	(0x01020304u * ((i) + 1))

/* SDM vol. 3, figures 8-2 and 8-10 */
static void put_new32(void)
{
	unsigned int i;

	memset(m.mem + NEW, KEEP, 0x80);
	set(NEW + 0x1c, 0x00777000, 4);
	set(NEW + 0x20, 0x1234567, 4);
	set(NEW + 0x24, 0xffc0f02a, 4);		/* with bits that do not exist, and NT */
	set(NEW + 0x24, word(NEW + 0x24, 4) & ~(NT | VM), 4);
	for (i = 0; i < 8; i++)
		set(NEW + 0x28 + 4 * i, NEW_GPR(i), 4);
	set(NEW + 0x38, STACK, 4);
	set(NEW + 0x48, S_DATA, 2);
	set(NEW + 0x4c, S_CODE, 2);
	set(NEW + 0x50, S_DATA, 2);
	set(NEW + 0x54, S_DATA | 0, 2);
	set(NEW + 0x58, S_DATA, 2);
	set(NEW + 0x5c, S_SPARE, 2);
	set(NEW + 0x60, S_LDT, 2);
	set(NEW + 0x64, 0, 2);
}

static void put_new16(void)
{
	unsigned int i;

	memset(m.mem + NEW, KEEP, 0x80);
	set(NEW + 0x0e, 0x4567, 2);
	set(NEW + 0x10, 0x0246, 2);
	for (i = 0; i < 8; i++)
		set(NEW + 0x12 + 2 * i, (u16)NEW_GPR(i), 2);
	set(NEW + 0x1a, STACK, 2);
	set(NEW + 0x22, S_DATA, 2);
	set(NEW + 0x24, S_CODE, 2);
	set(NEW + 0x26, S_DATA, 2);
	set(NEW + 0x28, S_SPARE, 2);
	set(NEW + 0x2a, S_LDT, 2);
	descriptor(S_NEW, NEW, 0x2b, 0x81, 0);
}

static void old_segments(void)
{
	unsigned int i;

	for (i = 0; i < TASK_SEGS; i++)
		m.t.regs.seg[i] = (struct task_seg){
			.selector = 0x101 + 8 * i, .base = 0x9000, .limit = 0xfff, .attr = 0x493,
		};
	m.t.regs.seg[TASK_TR] = (struct task_seg){
		.selector = S_OLD, .base = OLD, .limit = 0x67, .attr = 0x8b,
	};
}

static void reset(enum task_reason reason)
{
	m = (struct machine){ };
	memset(m.mem, KEEP, sizeof(m.mem));
	memset(m.mem + GDT, 0, 0x100);
	descriptor(S_CODE, 0x10000, 0xfffff, 0x9a, 0xc);
	descriptor(S_DATA, 0, 0xfffff, 0x92, 0xc);
	descriptor(S_OLD, OLD, 0x67, 0x8b, 0);
	descriptor(S_NEW, NEW, 0x67, reason == TASK_IRET ? 0x8b : 0x89, 0);
	descriptor(S_LDT, LDT, 0x0f, 0x82, 0);
	descriptor(S_CODE3, 0, 0xfffff, 0xfa, 0xc);
	descriptor(S_DATA3, 0, 0xfffff, 0xf2, 0xc);
	descriptor(S_SPARE, 0x12345678, 0xabcde, 0x93, 0x5);
	descriptor(S_LAST, 0, 0xfffff, 0x92, 0xc);
	put_descriptor(LDT, S_LOCAL, 0x7000, 0x1ff, 0x92, 0x4);
	put_new32();
	m.t = (struct task){
		.ops = &ops, .reason = reason, .selector = S_NEW, .paging = true, .gdt_base = GDT,
		.gdt_limit = GDT_LIMIT,
	};
	memcpy(m.t.regs.gpr, old_gpr, sizeof(old_gpr));
	m.t.regs.eip = 0xfeedface;
	m.t.regs.eflags = 0x4c56;
	m.t.regs.cr3 = 0x111000;
	old_segments();
	memcpy(m.before, m.mem, sizeof(m.mem));
}

static enum task_result run(void)
{
	enum task_result r;

	memcpy(m.before, m.mem, sizeof(m.mem));
	r = task_switch(&m.t);
	CHECK(!m.late, "written before it was known to be there");
	return r;
}

/* Outside of these, memory is as it was */
static bool only_changed(const u32 (*ranges)[2], unsigned int count)
{
	unsigned int at, i;

	for (at = 0; at < sizeof(m.mem); at++) {
		for (i = 0; i < count && !(at >= ranges[i][0] && at < ranges[i][1]); i++)
			;
		if (i == count && m.mem[at] != m.before[at])
			return false;
	}
	return true;
}

static bool unchanged(void)
{
	return !memcmp(m.mem, m.before, sizeof(m.mem)) && !m.t.begun &&
	       m.t.regs.eip == 0xfeedface && m.t.regs.seg[TASK_TR].selector == S_OLD;
}

static bool is_fault(enum task_result r, u8 vector, u32 error)
{
	return r == TASK_FAULT && m.t.fault.vector == vector && m.t.fault.error == error;
}

/* ---- what is saved, what is loaded ---- */

static void check_saved(u32 eflags)
{
	unsigned int i;

	CHECK(word(OLD + 0x20, 4) == 0xfeedface, "EIP %x", word(OLD + 0x20, 4));
	CHECK(word(OLD + 0x24, 4) == eflags, "EFLAGS %x", word(OLD + 0x24, 4));
	for (i = 0; i < 8; i++)
		CHECK(word(OLD + 0x28 + 4 * i, 4) == old_gpr[i], "%u", i);
	for (i = 0; i < 6; i++)
		CHECK(word(OLD + 0x48 + 4 * i, 4) == (0x101 + 8 * i) + KEEP * 0x1010000u, "%u: %x",
		      i, word(OLD + 0x48 + 4 * i, 4));
}

static void check_loaded(u32 eflags)
{
	const struct task_regs *regs = &m.t.regs;
	const struct task_seg *seg = regs->seg;
	unsigned int i;

	CHECK(m.t.begun && m.t.wide && m.t.cpl == 0 && !m.t.trap, "the switch itself");
	CHECK(regs->eip == 0x1234567, "%x", regs->eip);
	CHECK(regs->eflags == eflags, "%x", regs->eflags);
	CHECK(regs->cr3 == 0x777000 && m.cr3 == 0x777000, "%x %x", regs->cr3, m.cr3);
	for (i = 0; i < 8; i++)
		CHECK(regs->gpr[i] == (i == 4 ? STACK : NEW_GPR(i)), "%u", i);
	CHECK(seg[TASK_TR].selector == S_NEW && seg[TASK_TR].base == NEW &&
	      seg[TASK_TR].limit == 0x67 && seg[TASK_TR].attr == 0x8b, "TR");
	CHECK(seg[TASK_LDTR].selector == S_LDT && seg[TASK_LDTR].base == LDT &&
	      seg[TASK_LDTR].limit == 0xf && seg[TASK_LDTR].attr == 0x82, "LDTR");
	CHECK(seg[TASK_CS].selector == S_CODE && seg[TASK_CS].base == 0x10000 &&
	      seg[TASK_CS].limit == 0xffffffff && seg[TASK_CS].attr == 0xc9b, "CS");
	for (i = TASK_SS; i <= TASK_FS; i++)
		CHECK(seg[i].selector == S_DATA && seg[i].base == 0 &&
		      seg[i].limit == 0xffffffff && seg[i].attr == 0xc93, "%u", i);
	CHECK(seg[TASK_GS].selector == S_SPARE && seg[TASK_GS].base == 0x12345678 &&
	      seg[TASK_GS].limit == 0xabcde && seg[TASK_GS].attr == 0x593, "GS");
	CHECK(access_of(S_CODE) == 0x9b && access_of(S_DATA) == 0x93, "accessed");
}

static const u32 changes[][2] = {
	{ OLD + 0x20, OLD + 0x60 }, { GDT + S_CODE + 5, GDT + S_CODE + 6 },
	{ GDT + S_DATA + 5, GDT + S_DATA + 6 }, { GDT + S_OLD + 5, GDT + S_OLD + 6 },
	{ GDT + S_NEW + 5, GDT + S_NEW + 6 }, { NEW, NEW + 2 },
};

static void test_jmp(void)
{
	reset(TASK_JMP);
	CHECK(run() == TASK_DONE, "vector %u", m.t.fault.vector);
	check_saved(0x4c56);
	check_loaded(0x00003002 | (0xffc0f02a & 0x3f7fd5 & ~NT));
	CHECK(access_of(S_OLD) == 0x89 && access_of(S_NEW) == 0x8b, "busy");
	CHECK(only_changed(changes, 5), "more than that");
}

static void test_nesting(void)
{
	unsigned int reason;

	for (reason = 0; reason < 4; reason++) {
		if (reason != TASK_CALL && reason != TASK_EVENT)
			continue;
		reset(reason);
		CHECK(run() == TASK_DONE, "vector %u", m.t.fault.vector);
		check_saved(0x4c56);
		check_loaded(0x7002 | (0xffc0f02a & 0x3f7fd5));
		CHECK(access_of(S_OLD) == 0x8b && access_of(S_NEW) == 0x8b, "busy");
		CHECK(word(NEW, 2) == S_OLD, "link");
		CHECK(only_changed(changes, 6), "more than that");
	}
}

static void test_iret(void)
{
	reset(TASK_IRET);
	CHECK(run() == TASK_DONE, "vector %u", m.t.fault.vector);
	check_saved(0x4c56 & ~NT);
	check_loaded(0x3002 | (0xffc0f02a & 0x3f7fd5 & ~NT));
	CHECK(access_of(S_OLD) == 0x89 && access_of(S_NEW) == 0x8b, "busy");
	CHECK(only_changed(changes, 5), "more than that");
	/* NT comes back with the task that had it */
	reset(TASK_IRET);
	set(NEW + 0x24, NT | 1, 4);
	CHECK(run() == TASK_DONE && m.t.regs.eflags == (NT | 3), "%x", m.t.regs.eflags);
}

static void test_eflags(void)
{
	reset(TASK_JMP);
	set(NEW + 0x24, ~VM, 4);
	CHECK(run() == TASK_DONE && m.t.regs.eflags == 0x3d7fd7, "%x", m.t.regs.eflags);
	reset(TASK_JMP);
	set(NEW + 0x24, 0, 4);
	CHECK(run() == TASK_DONE && m.t.regs.eflags == 2, "%x", m.t.regs.eflags);
}

/* A task that is left for itself: what is loaded is what has been saved */
static void test_same(void)
{
	reset(TASK_IRET);
	m.t.selector = S_OLD;
	m.t.regs.seg[TASK_CS].selector = S_CODE;
	m.t.regs.seg[TASK_SS].selector = S_DATA;
	m.t.regs.seg[TASK_DS].selector = m.t.regs.seg[TASK_ES].selector = 0;
	m.t.regs.seg[TASK_FS].selector = m.t.regs.seg[TASK_GS].selector = 0;
	set(OLD + 0x60, 0, 4);
	CHECK(run() == TASK_DONE && m.t.regs.eip == 0xfeedface && m.t.regs.gpr[7] == 0x80818283,
	      "%x", m.t.regs.eip);
}

static void test_16_bits(void)
{
	const struct task_regs *regs = &m.t.regs;
	unsigned int i;

	reset(TASK_CALL);
	put_new16();
	CHECK(run() == TASK_DONE, "vector %u", m.t.fault.vector);
	check_saved(0x4c56);
	CHECK(regs->eip == 0x4567 && regs->eflags == (NT | 0x246), "%x", regs->eflags);
	for (i = 0; i < 8; i++)
		CHECK(regs->gpr[i] == ((old_gpr[i] & 0xffff0000) |
				       (i == 4 ? STACK : NEW_GPR(i) & 0xffff)), "%u", i);
	CHECK(!m.cr3 && regs->cr3 == 0x111000, "CR3");
	CHECK(regs->seg[TASK_DS].selector == S_SPARE && regs->seg[TASK_LDTR].selector == S_LDT,
	      "segments");
	CHECK(!regs->seg[TASK_FS].selector && !regs->seg[TASK_FS].attr &&
	      !regs->seg[TASK_GS].selector && !regs->seg[TASK_GS].attr, "FS, GS");
	CHECK(!m.t.wide && access_of(S_NEW) == 0x83, "TR");
	CHECK(regs->seg[TASK_TR].attr == 0x83 && regs->seg[TASK_TR].limit == 0x2b, "TR");
	CHECK(word(NEW, 2) == S_OLD, "link");
	CHECK(only_changed(changes, 6), "more than that");
}

static void test_from_16_bits(void)
{
	static const u32 ranges[][2] = {
		{ OLD + 0xe, OLD + 0x2a }, { GDT, GDT + 0x30 },
	};
	unsigned int i;

	reset(TASK_JMP);
	descriptor(S_OLD, OLD, 0x2b, 0x83, 0);
	m.t.regs.seg[TASK_TR].attr = 0x83;
	m.t.regs.seg[TASK_TR].limit = 0x2b;
	CHECK(run() == TASK_DONE, "vector %u", m.t.fault.vector);
	CHECK(word(OLD + 0xe, 2) == 0xface && word(OLD + 0x10, 2) == 0x4c56, "IP, FLAGS");
	for (i = 0; i < 8; i++)
		CHECK(word(OLD + 0x12 + 2 * i, 2) == (u16)old_gpr[i], "%u", i);
	for (i = 0; i < 4; i++)
		CHECK(word(OLD + 0x22 + 2 * i, 2) == 0x101 + 8 * i, "%u", i);
	CHECK(only_changed(ranges, 2), "more than that");
	CHECK(access_of(S_OLD) == 0x81, "%x", access_of(S_OLD));
}

static void test_details(void)
{
	reset(TASK_JMP);
	set(NEW + 0x64, 1, 2);
	CHECK(run() == TASK_DONE && m.t.trap, "the T flag");
	reset(TASK_JMP);
	set(NEW + 0x64, 0xfffe, 2);
	CHECK(run() == TASK_DONE && !m.t.trap, "T is bit 0");
	reset(TASK_JMP);
	put_new16();
	set(NEW, 1, 2);
	CHECK(run() == TASK_DONE && !m.t.trap, "a 16-bit TSS has no T flag");
	reset(TASK_JMP);
	m.t.paging = false;
	CHECK(run() == TASK_DONE && !m.cr3 && m.t.regs.cr3 == 0x111000, "CR3 without paging");
	/* no paging, no faults: those of other tests are not for want of a table */
	reset(TASK_JMP);
	set(NEW + 0x60, 0, 2);
	CHECK(run() == TASK_DONE && !(m.t.regs.seg[TASK_LDTR].attr & TASK_P), "a null LDT");
	reset(TASK_JMP);
	set(NEW + 0x54, 3, 2);
	CHECK(run() == TASK_DONE && m.t.regs.seg[TASK_DS].selector == 3 &&
	      !m.t.regs.seg[TASK_DS].attr, "a null DS");
	reset(TASK_JMP);
	set(NEW + 0x54, S_LOCAL, 2);
	CHECK(run() == TASK_DONE && m.t.regs.seg[TASK_DS].base == 0x7000 &&
	      m.mem[LDT + 8 + 5] == 0x93, "a DS of the LDT");
	reset(TASK_JMP);
	set(NEW + 0x54, S_LAST, 2);
	CHECK(run() == TASK_DONE, "the last in the GDT");
}

static void test_virtual_8086(void)
{
	unsigned int i;

	reset(TASK_JMP);
	set(NEW + 0x24, VM, 4);
	for (i = 0; i < 6; i++)
		set(NEW + 0x48 + 4 * i, 0x8000 + i, 2);
	CHECK(run() == TASK_DONE && m.t.cpl == 3, "vector %u cpl %u", m.t.fault.vector, m.t.cpl);
	for (i = 0; i < 6; i++)
		CHECK(m.t.regs.seg[i].base == 0x80000 + 16 * i && m.t.regs.seg[i].limit == 0xffff &&
		      m.t.regs.seg[i].attr == 0xf3, "%u", i);
	CHECK(m.t.regs.seg[TASK_LDTR].base == LDT, "LDT");
	reset(TASK_JMP);
	set(NEW + 0x24, VM, 4);
	set(NEW + 0x60, S_DATA, 2);
	CHECK(is_fault(run(), TS, S_DATA), "its LDT is looked at");
}

/* ---- refused: nothing has changed ---- */

/* All types that a descriptor can have */
static void test_tss_types(void)
{
	unsigned int type, reason;

	for (reason = TASK_CALL; reason <= TASK_EVENT; reason++)
		for (type = 0; type < 0x20; type++) {
			bool busy = type == 3 || type == 11, tss = busy || type == 1 || type == 9;
			enum task_result r;

			reset(reason);
			descriptor(S_NEW, NEW, 0x67, 0x80 | type, 0);
			r = run();
			if (tss && busy == (reason == TASK_IRET)) {
				CHECK(m.t.begun, "type %u reason %u", type, reason);
				continue;
			}
			CHECK(is_fault(r, reason == TASK_IRET ? TS : GP, S_NEW) && unchanged(),
			      "type %u reason %u", type, reason);
		}
}

static void test_refused(void)
{
	static const struct {
		u16 selector;
		u8 access, limit, vector, iret;
	} rows[] = {
		{ 0, 0x89, 0x67, GP, TS }, { 3, 0x89, 0x67, GP, TS },
		{ S_NEW | 4, 0x89, 0x67, GP, TS }, { S_LAST + 8, 0x89, 0x67, GP, TS },
		{ S_NEW, 0x09, 0x67, NP, NP }, { S_NEW | 3, 0x01, 0x67, NP, NP },
		{ S_NEW, 0x89, 0x66, TS, TS }, { S_NEW, 0x81, 0x2a, TS, TS },
		{ S_NEW, 0x89, 0x2b, TS, TS },
	};
	unsigned int i, reason, external;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (reason = 0; reason < 4; reason++)
			for (external = 0; external < 2; external++) {
				u8 vector = reason == TASK_IRET ? rows[i].iret : rows[i].vector;
				u8 busy = reason == TASK_IRET ? 2 : 0;

				reset(reason);
				m.t.selector = rows[i].selector;
				m.t.external = external;
				descriptor(S_NEW, NEW, rows[i].limit, rows[i].access | busy, 0);
				CHECK(is_fault(run(), vector,
					       (rows[i].selector & ~3u) | external) && unchanged(),
				      "row %u reason %u", i, reason);
			}
	reset(TASK_JMP);
	m.t.gdt_limit = S_NEW + 6;
	CHECK(is_fault(run(), GP, S_NEW) && unchanged(), "half a descriptor");
	/* the null descriptor is not looked at, whatever stands there */
	reset(TASK_JMP);
	descriptor(0, NEW, 0x67, 0x89, 0);
	m.t.selector = 0;
	CHECK(is_fault(run(), GP, 0) && unchanged(), "null");
	/* pages of limit */
	reset(TASK_JMP);
	descriptor(S_NEW, NEW, 0, 0x89, 8);
	CHECK(run() == TASK_DONE && m.t.regs.seg[TASK_TR].limit == 0xfff, "granularity");
}

static void test_old_tss(void)
{
	reset(TASK_CALL);
	m.t.regs.seg[TASK_TR].limit = 0x66;
	CHECK(is_fault(run(), TS, S_OLD) && unchanged(), "too small");
	reset(TASK_CALL);
	m.t.regs.seg[TASK_TR].attr = 0xb;
	CHECK(is_fault(run(), TS, S_OLD) && unchanged(), "no TR");
	reset(TASK_JMP);
	m.t.regs.seg[TASK_TR].selector = S_LAST + 8;
	CHECK(is_fault(run(), TS, S_LAST + 8), "not in the GDT");
	reset(TASK_JMP);
	m.t.regs.seg[TASK_TR].attr = 0x83;
	m.t.regs.seg[TASK_TR].limit = 0x2a;
	CHECK(is_fault(run(), TS, S_OLD) && unchanged(), "too small for 16 bits");
	/* a descriptor that somebody has made available stays so */
	reset(TASK_JMP);
	descriptor(S_OLD, OLD, 0x67, 0x89, 0);
	CHECK(run() == TASK_DONE && access_of(S_OLD) == 0x89, "not busy");
}

/* Every byte that the switch needs and does not have is a page fault before it */
static void test_pages(void)
{
	static const struct {
		u32 at;
		bool write, call, jmp, iret;	/* who needs it */
	} rows[] = {
		{ GDT + S_NEW, false, true, true, true },
		{ GDT + S_NEW + 7, false, true, true, true },
		{ NEW, false, true, true, true }, { NEW + 0x67, false, true, true, true },
		{ NEW, true, true, false, false }, { NEW + 1, true, true, false, false },
		{ NEW + 2, true, false, false, false },
		{ OLD + 0x1f, true, false, false, false }, { OLD + 0x20, true, true, true, true },
		{ OLD + 0x5f, true, true, true, true }, { OLD + 0x60, true, false, false, false },
		{ GDT + S_NEW + 5, true, true, true, false },
		{ GDT + S_OLD + 5, true, false, true, true },
	};
	unsigned int i, reason;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (reason = 0; reason < 3; reason++) {
			bool needed = reason == TASK_CALL ? rows[i].call :
				      reason == TASK_JMP ? rows[i].jmp : rows[i].iret;
			enum task_result r;

			reset(reason);
			*(rows[i].write ? &m.no_write : &m.no_read) = rows[i].at;
			r = run();
			if (needed)
				CHECK(is_fault(r, PF, 0x77) && m.t.fault.address == rows[i].at &&
				      unchanged(), "row %u reason %u", i, reason);
			else
				CHECK(r == TASK_DONE, "row %u reason %u", i, reason);
		}
	/* an event is a CALL */
	reset(TASK_EVENT);
	m.no_write = NEW + 1;
	CHECK(is_fault(run(), PF, 0x77) && unchanged(), "event");
}

static void test_race(void)
{
	reset(TASK_CALL);
	m.raced = true;
	CHECK(run() == TASK_AGAIN && m.raced_at == GDT + S_NEW + 5 && unchanged(), "busy");
	/* an accessed bit is not worth it */
	reset(TASK_IRET);
	m.raced = true;
	CHECK(run() == TASK_DONE && access_of(S_CODE) == 0x9a, "accessed");
}

/* ---- segments ---- */

enum { IN_CS = 0x4c, IN_SS = 0x50, IN_DS = 0x54, IN_ES = 0x48, IN_FS = 0x58, IN_GS = 0x5c };

/* Table 8-1 once more, as a question with one answer */
static u8 expected(unsigned int field, u8 access, unsigned int rpl, unsigned int cpl)
{
	unsigned int level = access >> 5 & 3;
	bool present = access & 0x80, segment = access & 0x10, code = access & 8;

	if (!segment)
		return TS;
	if (field == IN_CS) {
		if (!code || ((access & 4) ? level > rpl : level != rpl))
			return TS;
		return present ? 0 : NP;
	}
	if (field == IN_SS) {
		if (code || !(access & 2))
			return TS;
		if (!present)
			return SS;
		return level == cpl && rpl == cpl ? 0 : TS;
	}
	if (code && !(access & 2))
		return TS;
	if (!present)
		return NP;
	if (code && access & 4)
		return 0;
	return level >= cpl && level >= rpl ? 0 : TS;
}

static void set_user(void)
{
	set(NEW + IN_CS, S_CODE3 | 3, 2);
	set(NEW + IN_SS, S_DATA3 | 3, 2);
	set(NEW + IN_DS, S_DATA3 | 3, 2);
	set(NEW + IN_ES, S_DATA3 | 3, 2);
	set(NEW + IN_FS, S_DATA3 | 3, 2);
	set(NEW + IN_GS, 0, 2);
}

static unsigned int index_of(unsigned int field)
{
	return (field - IN_ES) / 4;
}

/* What has not been loaded is not there; a handler can be entered */
static void check_unloaded(unsigned int field, unsigned int cpl)
{
	const struct task_seg *seg = m.t.regs.seg;

	CHECK(m.t.cpl == cpl, "CPL %u", m.t.cpl);
	CHECK(!(seg[index_of(field)].attr & TASK_P) || field == IN_CS, "loaded");
	CHECK(seg[index_of(field)].selector == word(NEW + field, 2), "selector");
	if (field == IN_CS)
		CHECK(seg[TASK_CS].attr == (0xc9b | cpl << 5) && !seg[TASK_CS].base &&
		      seg[TASK_CS].limit == 0xffffffff && seg[TASK_SS].attr == cpl << 5,
		      "CS %x SS %x", seg[TASK_CS].attr, seg[TASK_SS].attr);
	if (field == IN_SS)
		CHECK(seg[TASK_SS].attr == cpl << 5, "SS %x", seg[TASK_SS].attr);
	CHECK(m.t.begun && seg[TASK_TR].selector == S_NEW && m.t.regs.eip == 0x1234567, "begun");
}

static void test_segments(void)
{
	static const u8 fields[] = { IN_CS, IN_SS, IN_DS, IN_ES, IN_FS, IN_GS };
	unsigned int i, access, rpl, cpl;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		for (cpl = 0; cpl < 4; cpl += 3)
			for (access = 0; access < 0x400; access++) {
				unsigned int field = fields[i];
				enum task_result r;
				u8 vector;

				rpl = access >> 8;
				reset(TASK_JMP);
				if (cpl)
					set_user();
				/* what stands at CPL is the code segment's RPL */
				if (field == IN_CS && rpl == 3)
					set_user();
				descriptor(S_SPARE, 0, 0xfffff, access, 0xc);
				set(NEW + IN_GS, 0, 2);
				set(NEW + field, S_SPARE | rpl, 2);
				vector = expected(field, access, rpl, cpl);
				r = run();
				/* a good CS may be of another level than SS */
				if (field == IN_CS && !vector && rpl != (cpl || rpl == 3 ? 3 : 0)) {
					CHECK(is_fault(r, TS, cpl ? S_DATA3 : S_DATA), "SS");
					continue;
				}
				if (!vector) {
					CHECK(r == TASK_DONE, "field %x access %x rpl %u", field,
					      access, rpl);
					CHECK(access_of(S_SPARE) == ((access | 1) & 0xff), "A");
					continue;
				}
				CHECK(is_fault(r, vector, S_SPARE),
				      "field %x access %x rpl %u cpl %u: %u", field, access & 0xff,
				      rpl, cpl, m.t.fault.vector);
				check_unloaded(field, field == IN_CS ? rpl : cpl);
				CHECK(access_of(S_SPARE) == (access & 0xff), "A");
			}
}

static void test_selectors(void)
{
	static const u8 fields[] = { IN_CS, IN_SS, IN_DS, IN_ES, IN_FS, IN_GS };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		reset(TASK_EVENT);
		m.t.external = true;
		set(NEW + fields[i], S_LAST + 8, 2);
		CHECK(is_fault(run(), TS, (S_LAST + 8) | 1), "beyond the GDT: %x", fields[i]);
		reset(TASK_JMP);
		set(NEW + fields[i], S_LOCAL + 8, 2);
		CHECK(is_fault(run(), TS, S_LOCAL + 8), "beyond the LDT: %x", fields[i]);
		reset(TASK_JMP);
		set(NEW + 0x60, 0, 2);
		set(NEW + fields[i], S_LOCAL, 2);
		CHECK(is_fault(run(), TS, S_LOCAL), "no LDT: %x", fields[i]);
		reset(TASK_JMP);
		set(NEW + fields[i], 0, 2);
		if (i < 2)
			CHECK(is_fault(run(), TS, 0), "null");
		else
			CHECK(run() == TASK_DONE, "null");
	}
	reset(TASK_JMP);
	descriptor(S_LDT, LDT, 0xe, 0x82, 0);
	set(NEW + IN_DS, S_LOCAL, 2);
	CHECK(is_fault(run(), TS, S_LOCAL), "half a descriptor");
	reset(TASK_JMP);
	set(NEW + IN_CS, 3, 2);
	CHECK(is_fault(run(), TS, 0) && m.t.cpl == 3, "null has an RPL");
}

static void test_ldt(void)
{
	unsigned int access;

	for (access = 0; access < 0x100; access++) {
		enum task_result r;

		reset(TASK_JMP);
		descriptor(S_LDT, LDT, 0xf, access, 0);
		r = run();
		if ((access & 0x9f) == 0x82)
			CHECK(r == TASK_DONE, "%x", access);
		else
			CHECK(is_fault(r, TS, S_LDT) &&
			      !(m.t.regs.seg[TASK_LDTR].attr & TASK_P), "%x", access);
	}
	reset(TASK_JMP);
	set(NEW + 0x60, S_LDT | 4, 2);
	CHECK(is_fault(run(), TS, S_LDT | 4), "in an LDT");
	reset(TASK_JMP);
	set(NEW + 0x60, S_LAST + 8, 2);
	CHECK(is_fault(run(), TS, S_LAST + 8), "beyond the GDT");
	check_unloaded(IN_CS, 0);
}

static void test_late_page_faults(void)
{
	reset(TASK_JMP);
	m.no_read = GDT + S_CODE + 3;
	CHECK(is_fault(run(), PF, 0x77) && m.t.begun, "a descriptor");
	check_unloaded(IN_CS, 0);
	reset(TASK_JMP);
	m.no_write = GDT + S_DATA + 5;
	CHECK(is_fault(run(), PF, 0x77) && m.t.begun, "its accessed bit");
	check_unloaded(IN_SS, 0);
	reset(TASK_JMP);
	m.bad_cr3 = true;
	CHECK(is_fault(run(), GP, 0) && m.t.begun, "CR3");
	check_unloaded(IN_CS, 0);
}

/* ---- the first steps ---- */

static void begin(void)
{
	reset(TASK_EVENT);
	m.t.external = true;
	CHECK(run() == TASK_DONE, "vector %u", m.t.fault.vector);
	m.t.regs.seg[TASK_SS].base = 0x100;
}

static void test_push(void)
{
	begin();
	CHECK(task_start(&m.t, false, 7) == TASK_DONE && m.t.regs.gpr[4] == STACK, "nothing");
	begin();
	CHECK(task_start(&m.t, true, 0x12345678) == TASK_DONE, "push");
	CHECK(word(STACK + 0x100 - 4, 4) == 0x12345678 && m.t.regs.gpr[4] == STACK - 4, "%x",
	      m.t.regs.gpr[4]);
	CHECK(m.mem[STACK + 0x100] == KEEP && m.mem[STACK + 0x100 - 5] == KEEP, "beside");
	begin();
	m.t.wide = false;
	CHECK(task_start(&m.t, true, 0x12345678) == TASK_DONE, "push");
	CHECK(word(STACK + 0x100 - 2, 2) == 0x5678 && m.t.regs.gpr[4] == STACK - 2 &&
	      m.mem[STACK + 0x100 - 3] == KEEP, "of 16 bits");
	/* a stack of 16 bits: SP, and it wraps */
	begin();
	m.t.regs.seg[TASK_SS].attr &= ~TASK_DB;
	m.t.regs.gpr[4] = 0xabcd0000 | STACK;
	CHECK(task_start(&m.t, true, 1) == TASK_DONE &&
	      m.t.regs.gpr[4] == (0xabcd0000 | (STACK - 4)), "%x", m.t.regs.gpr[4]);
	begin();
	m.t.regs.gpr[4] = 0;
	m.t.regs.seg[TASK_SS].attr &= ~TASK_DB;
	m.t.regs.seg[TASK_SS].base = -0x8000u;
	CHECK(task_start(&m.t, true, 1) == TASK_DONE && word(0x7ffc, 4) == 1, "wrap");
}

static void test_stack_limits(void)
{
	static const struct {
		u32 esp, limit;
		u16 attr;
		bool good;
	} rows[] = {
		{ 0x1000, 0xfff, 0x493, true }, { 0x1001, 0xfff, 0x493, false },
		{ 0x1000, 0xffe, 0x493, false }, { 2, 0xffffffff, 0x493, false },
		{ 0x1004, 0xfff, 0x497, true }, { 0x1003, 0xfff, 0x497, false },
		{ 0x1005, 0x1000, 0x497, true }, { 2, 0xfff, 0x497, false },
		{ 2, 0xfff, 0x097, false }, { 0, 0xfff, 0x497, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		enum task_result r;

		begin();
		m.t.regs.seg[TASK_SS].base = i == 9 ? 0x1000 : 0;
		m.t.regs.seg[TASK_SS].limit = rows[i].limit;
		m.t.regs.seg[TASK_SS].attr = rows[i].attr;
		m.t.regs.gpr[4] = rows[i].esp;
		r = task_start(&m.t, true, 1);
		if (rows[i].good)
			CHECK(r == TASK_DONE && m.t.regs.gpr[4] == rows[i].esp - 4, "row %u", i);
		else
			CHECK(is_fault(r, SS, 1) && m.t.regs.gpr[4] == rows[i].esp, "row %u", i);
	}
	begin();
	m.no_push = STACK + 0x100 - 1;
	CHECK(is_fault(task_start(&m.t, true, 1), PF, 0x77) && m.t.regs.gpr[4] == STACK, "page");
}

static void test_code_limit(void)
{
	begin();
	m.t.regs.seg[TASK_CS].limit = m.t.regs.eip;
	CHECK(task_start(&m.t, false, 0) == TASK_DONE, "the last byte");
	m.t.regs.seg[TASK_CS].limit = m.t.regs.eip - 1;
	CHECK(is_fault(task_start(&m.t, false, 0), GP, 1), "beyond");
	m.t.external = false;
	CHECK(is_fault(task_start(&m.t, true, 0), GP, 0) && m.t.regs.gpr[4] == STACK - 4,
	      "behind the push");
}

int main(void)
{
	setlinebuf(stdout);
	check_run("JMP, " COMPILER, test_jmp);
	check_run("CALL and events", test_nesting);
	check_run("IRET", test_iret);
	check_run("EFLAGS", test_eflags);
	check_run("to the same task", test_same);
	check_run("to a 16-bit TSS", test_16_bits);
	check_run("from a 16-bit TSS", test_from_16_bits);
	check_run("T flag, CR3, null and local selectors", test_details);
	check_run("to virtual-8086 mode", test_virtual_8086);
	check_run("types of the new TSS", test_tss_types);
	check_run("refused", test_refused);
	check_run("the old TSS", test_old_tss);
	check_run("page faults before the switch", test_pages);
	check_run("two processors, one TSS", test_race);
	check_run("all descriptors in all segment registers", test_segments);
	check_run("selectors", test_selectors);
	check_run("LDT", test_ldt);
	check_run("faults behind the switch", test_late_page_faults);
	check_run("the error code", test_push);
	check_run("limits of the stack", test_stack_limits);
	check_run("limit of the code", test_code_limit);
	return check_end();
}
