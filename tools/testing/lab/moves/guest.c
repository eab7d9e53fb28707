// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest program: provokes one event after another, for ever, and checks each against its
 * own arithmetic.
 *
 * Before an event it writes down what is due (vector, RIP, error code, CR2, DR6, RFLAGS) and
 * what every register shall be during and after it; the handler compares, the main line
 * compares again and counts what was lost or came twice.  External interrupts and NMIs come
 * whenever the VMM likes; they are counted, summed up and acknowledged, and leave no trace in
 * the registers of what they interrupt.  All counters are in struct guest_shared, which the
 * VMM reads.  Next: vmm.c.
 */
#include <stddef.h>
#include "chips.h"
#include "guest.h"

#define FLAG_FIXED	(1UL << 1)
#define FLAG_TF		(1UL << 8)
#define FLAG_IF		(1UL << 9)
#define FLAG_RF		(1UL << 16)
#define FLAGS_ARITHMETIC 0x8d5UL

#define DR6_CAUSES	0xe00fUL
#define DR6_NONE	0xffff0ff0UL

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

struct registers {
	uint64_t r[16];
	uint64_t flags, pad;
	uint64_t sse[32];
};

struct frame {
	uint64_t r[16];
	uint64_t vector, error;
	uint64_t rip, cs, flags, rsp, ss;
};

struct due {
	uint64_t vector, rip, resume, error, cr2, dr6, flags;
	int armed, taken;
};

extern struct guest_shared shared;
extern struct registers want, got;
extern char stubs[], gdt[], idt[], tss[], edge[], nmi_edge[], gdt_pointer[], idt_pointer[];
void provoke(void *body);

static volatile struct due due;
static struct registers then;
static uint64_t last_cr2;
static uint32_t next_round, next_ticket, next_write, next_dev_ticket, next_swap;
static const char text[] = GUEST_TEXT;
static const struct raised raised[] = RAISED_TABLE;

void *memcpy(void *to, const void *from, size_t bytes)
{
	void *start = to;

	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
	return start;
}

void *memset(void *to, int value, size_t bytes)
{
	void *start = to;

	asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
	return start;
}

void out32(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" : : "a"(value), "d"(port) : "memory");
}

uint64_t read_msr(uint32_t msr)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

void write_msr(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static uint64_t read_cr2(void)
{
	uint64_t value;

	asm volatile("mov %%cr2, %0" : "=r"(value));
	return value;
}

uint64_t random64(void)
{
	shared.seed ^= shared.seed << 13;
	shared.seed ^= shared.seed >> 7;
	shared.seed ^= shared.seed << 17;
	return shared.seed;
}

void wrong(int what, uint64_t expected, uint64_t found)
{
	uint64_t n = shared.wrongs++;

	if (n < WRONG_LOG) {
		shared.wrong[n].round = shared.rounds;
		shared.wrong[n].provoked = shared.provoking;
		shared.wrong[n].what = what;
		shared.wrong[n].want = expected;
		shared.wrong[n].got = found;
	}
}

static void check(int what, uint64_t expected, uint64_t found)
{
	if (expected != found)
		wrong(what, expected, found);
}

static void fatal(int what)
{
	out32(PORT_FATAL, what);
	for (;;)
		asm volatile("cli; hlt");
}

/* --- events that come from outside ------------------------------------------------------ */

static void take_irq(struct frame *f)
{
	extern char p_hlt_at[];
	int in_shadow = f->rip == (uint64_t)p_hlt_at;

	shared.irq_in_shadow += in_shadow;
	if (chips_take(f->vector, in_shadow))
		return;
	shared.irq_taken++;
	shared.irq_sum = mix(shared.irq_sum, f->vector);
	out32(PORT_EOI, f->vector);
}

/*
 * The acknowledgment is in the middle: from there to the IRET the VMM may send the next NMI,
 * which must wait.  One that does not wait finds in_nmi set, and this handler's frame gone.
 */
static void take_nmi(void)
{
	if (shared.in_nmi)
		fatal(WRONG_NESTED_NMI);
	shared.in_nmi = 1;
	shared.nmi_taken++;
	out32(PORT_NMI, shared.nmi_taken);
	for (int i = 0; i < 200; i++)
		asm volatile("pause");
	shared.in_nmi = 0;
}

/* --- events that are provoked ----------------------------------------------------------- */

static uint64_t event_cr2(uint64_t vector)
{
	return vector == 14 ? read_cr2() : 0;
}

static uint64_t event_dr6(uint64_t vector)
{
	uint64_t dr6;

	if (vector != 1)
		return 0;
	asm volatile("mov %%dr6, %0" : "=r"(dr6));
	asm volatile("mov %0, %%dr6" : : "r"(DR6_NONE));
	return dr6 & DR6_CAUSES;
}

static uint64_t mix_event(uint64_t sum, uint64_t vector, uint64_t rip, uint64_t error,
			  uint64_t cr2, uint64_t dr6)
{
	return mix(mix(mix(mix(mix(sum, vector), rip), error), cr2), dr6);
}

static void clear_cause(uint64_t vector)
{
	static const uint32_t sse_default = 0x1f80;

	if (vector == 16)
		asm volatile("fnclex");
	if (vector == 19)
		asm volatile("ldmxcsr %0" : : "m"(sse_default));
}

/*
 * These are not raised, or not as the manuals say, by every processor and emulator.  The trial
 * run, in which nobody disturbs the guest, tells.
 */
static const uint64_t may_be_absent = 1UL << P_xm | 1UL << P_pf_rsvd | 1UL << P_icebp;

static int is_absent(uint64_t vector, uint64_t error)
{
	if (shared.ready || !(may_be_absent & 1UL << shared.provoking))
		return 0;
	return !due.armed || vector != due.vector || error != due.error;
}

/* Not due, or due once and here again.  A trap can simply return; a fault would come for ever. */
static void take_stray(struct frame *f)
{
	f->flags &= ~FLAG_TF;
	if (due.armed && f->vector == due.vector) {
		shared.tally[shared.provoking].doubled++;
		f->rip = due.resume;
		return;
	}
	wrong(WRONG_VECTOR, due.armed ? due.vector : 0, f->vector);
	if (f->vector == 8)
		fatal(WRONG_DOUBLE_FAULT);
	if (f->vector != 1 && f->vector != 3 && f->vector != 4 && f->vector < VEC_SOFT)
		fatal(WRONG_VECTOR);
}

static void take_due(struct frame *f)
{
	uint64_t cr2 = event_cr2(f->vector), dr6 = event_dr6(f->vector);

	clear_cause(f->vector);
	if (is_absent(f->vector, f->error)) {
		f->rip = due.resume;
		last_cr2 = read_cr2();
		return;
	}
	if (!due.armed || due.taken || f->vector != due.vector) {
		take_stray(f);
		return;
	}
	due.taken = 1;
	shared.tally[shared.provoking].taken++;
	shared.sum = mix_event(shared.sum, f->vector, f->rip, f->error, cr2, dr6);
	check(WRONG_RIP, due.rip, f->rip);
	check(WRONG_RSP, want.r[RSP], f->rsp);
	check(WRONG_FLAGS, due.flags, f->flags & ~FLAG_RF);
	check(WRONG_SEGMENT, SEL_CODE << 16 | SEL_DATA, f->cs << 16 | f->ss);
	check(WRONG_ERROR, due.error, f->error);
	check(WRONG_CR2, due.cr2, cr2);
	check(WRONG_DR6, due.dr6, dr6);
	for (int i = 0; i < 16; i++)
		if (i != RSP)
			check(WRONG_REGISTER, want.r[i], f->r[i]);
	if (f->vector == 14)
		last_cr2 = cr2;
	f->rip = due.resume;
	f->flags &= ~FLAG_TF;
}

void guest_take(struct frame *f)
{
	if (f->vector == 2)
		take_nmi();
	else if (f->vector >= VEC_IRQ)
		take_irq(f);
	else
		take_due(f);
}

/* --- what is due for each, and in which registers it is provoked ------------------------ */

static void set_reg(int i, uint64_t value)
{
	want.r[i] = value;
	then.r[i] = value;
}

static void due_vector(uint64_t vector, uint64_t error)
{
	due.vector = vector;
	due.error = error;
}

static void due_page_fault(uint64_t address, uint64_t error)
{
	due_vector(14, error);
	due.cr2 = address;
	set_reg(RBX, address);
}

static void due_step(void)
{
	due_vector(1, 0);
	due.dr6 = 0x4000;
	due.flags |= FLAG_TF;
}

static void setup_de(void)
{
	due_vector(0, 0);
	set_reg(RCX, 0);
}

static void setup_out(void)
{
	set_reg(RDX, PORT_ROUND);
	set_reg(RAX, next_round++);
}

static void setup_mmio_write(void)
{
	set_reg(RBX, VA_DEVICE + DEV_WRITE);
	set_reg(RAX, next_write++);
}

static void setup_tf(void)
{
	due_step();
}

static void setup_tf_out(void)
{
	due_step();
	setup_out();
}

static void setup_tf_mmio(void)
{
	due_step();
	setup_mmio_write();
}

static void setup_icebp(void)
{
	due_vector(1, 0);
}

static void setup_int3(void)
{
	due_vector(3, 0);
}

static void setup_int4(void)
{
	due_vector(4, 0);
}

static void setup_int30(void)
{
	due_vector(VEC_SOFT, 0);
}

static void setup_int31(void)
{
	due_vector(VEC_SOFT + 1, 0);
}

static void setup_ud(void)
{
	due_vector(6, 0);
}

static void setup_np(void)
{
	due_vector(11, SEL_ABSENT);
	set_reg(RCX, SEL_ABSENT);
}

static void setup_ss(void)
{
	due_vector(12, SEL_ABSENT);
	set_reg(RCX, SEL_ABSENT);
}

static void setup_gp(void)
{
	due_vector(13, 0);
	set_reg(RBX, 1UL << 63 | want.r[RBX] >> 20);
}

static void setup_gp_sel(void)
{
	due_vector(13, SEL_BEYOND);
	set_reg(RCX, SEL_BEYOND);
}

static void setup_pf_read(void)
{
	due_page_fault(VA_ABSENT + (want.r[RBX] & 0xff8), 0);
}

static void setup_pf_write(void)
{
	due_page_fault(VA_READONLY + (want.r[RBX] & 0xff8), 3);
}

static void setup_pf_fetch(void)
{
	due_page_fault(VA_NOEXEC + (want.r[RBX] & 0xfff), 0x11);
	due.rip = due.cr2;
}

static void setup_pf_rsvd(void)
{
	due_page_fault(VA_RESERVED + (want.r[RBX] & 0xff8), 9);
}

static void setup_mf(void)
{
	due_vector(16, 0);
}

static void setup_xm(void)
{
	due_vector(19, 0);
	want.sse[0] = 0x3f800000;
	want.sse[2] = 0;
	then.sse[0] = want.sse[0];
	then.sse[2] = 0;
}

static void setup_raise(void)
{
	unsigned int n = random64() % (sizeof(raised) / sizeof(raised[0]));

	due_vector(raised[n].vector, raised[n].error);
	due.cr2 = raised[n].vector == 14 ? raised[n].payload : 0;
	due.dr6 = raised[n].vector == 1 ? raised[n].payload : 0;
	set_reg(RDX, PORT_RAISE);
	set_reg(RAX, n);
}

static void setup_hlt(void)
{
	want.flags &= ~FLAG_IF;
	then.flags = want.flags | FLAG_IF;
}

static void setup_in(void)
{
	set_reg(RDX, PORT_TICKET);
	then.r[RAX] = next_ticket++;
}

static void setup_outs(void)
{
	set_reg(RDX, PORT_TEXT);
	want.r[RSI] = (uint64_t)text;
	want.r[RCX] = sizeof(text) - 1;
	then.r[RSI] = (uint64_t)text + sizeof(text) - 1;
	then.r[RCX] = 0;
}

static void setup_mmio_read(void)
{
	set_reg(RBX, VA_DEVICE + DEV_TICKET);
	then.r[RAX] = next_dev_ticket++;
}

static void setup_mmio_swap(void)
{
	set_reg(RBX, VA_DEVICE + DEV_SWAP);
	want.r[RAX] = next_swap++;
	then.r[RAX] = next_dev_ticket++;
}

static void setup_mmio_fill(void)
{
	want.r[RDI] = VA_DEVICE + DEV_FILL;
	want.r[RCX] = FILL_WORDS;
	set_reg(RAX, next_write++);
	then.r[RDI] = VA_DEVICE + DEV_FILL + 4 * FILL_WORDS;
	then.r[RCX] = 0;
}

static void setup_timer(void)
{
	setup_hlt();
	chips_arm_timer();
}

static void setup_ipi(void)
{
	set_reg(RBX, VA_APIC + 0x300);
	set_reg(RAX, chips_some_icr());
}

static void setup_clock(void)
{
}

static void setup_start(void)
{
}

static void setup_start_smm(void)
{
}

#define DECLARE(name, class, text) extern char p_##name[], p_##name##_at[], p_##name##_next[];
PROVOKED(DECLARE)

#define ROW(name, class, text) \
	{ class, p_##name, p_##name##_at, p_##name##_next, setup_##name },
static const struct {
	int class;
	char *body, *at, *next;
	void (*setup)(void);
} provoked[] = { PROVOKED(ROW) };

/* --- the main line ---------------------------------------------------------------------- */

static void randomize(void)
{
	for (int i = 0; i < 16; i++)
		want.r[i] = random64();
	for (int i = 0; i < 32; i++)
		want.sse[i] = random64();
	want.r[RSP] = (uint64_t)edge;
	want.flags = (random64() & (FLAGS_ARITHMETIC | FLAG_IF)) | FLAG_FIXED;
	then = want;
}

static void compare_after(int which)
{
	for (int i = 0; i < 16; i++)
		check(WRONG_AFTER, then.r[i], got.r[i]);
	check(WRONG_AFTER, then.flags, got.flags);
	for (int i = 0; i < 32; i++)
		if (which != P_xm || i > 1)
			check(WRONG_VECTORS_REG, then.sse[i], got.sse[i]);
	check(WRONG_CR2, last_cr2, read_cr2());
}

static void count_lost(int which)
{
	if (due.taken)
		return;
	if (!shared.ready && (may_be_absent & 1UL << which)) {
		shared.absent |= 1UL << which;
		shared.tally[which].provoked--;
		return;
	}
	shared.tally[which].lost++;
}

static void provoke_event(int which)
{
	static const uint64_t software = 1UL << P_int3 | 1UL << P_int4 | 1UL << P_int30 |
					 1UL << P_int31;
	uint64_t sum = shared.sum;

	shared.provoking = which;
	shared.under_way = 1;
	randomize();
	memset((void *)&due, 0, sizeof(due));
	due.flags = want.flags;
	due.resume = (uint64_t)provoked[which].next;
	due.rip = (uint64_t)(provoked[which].class == FAULT ? provoked[which].at :
							      provoked[which].next);
	provoked[which].setup();
	shared.tally[which].provoked++;
	if (software & 1UL << which)
		shared.soft_rip = (uint64_t)provoked[which].at;
	due.armed = provoked[which].class != NONE;
	provoke(provoked[which].body);
	if (due.armed) {
		count_lost(which);
		sum = mix_event(sum, due.vector, due.rip, due.error, due.cr2, due.dr6);
		if (due.taken)
			check(WRONG_SUM, sum, shared.sum);
	} else if (!chips_settle(which)) {
		shared.tally[which].taken++;
	}
	due.armed = 0;
	shared.soft_rip = 0;
	shared.under_way = 0;
	compare_after(which);
	shared.rounds++;
}

/* The idle loop of every system: sleep, but never with work at hand. */
static void idle(void)
{
	uint64_t before = shared.irq_taken;

	while (shared.irq_taken == before)
		provoke_event(P_hlt);
}

#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_SYSENTER_EIP	0x176

static const struct {
	uint32_t msr;
	uint64_t value;
} steady[] = {
	{ MSR_STAR, 0x0018001000000000 },
	{ MSR_LSTAR, 0xffffffff81234560 },
	{ MSR_KERNEL_GS_BASE, 0xffff888012345000 },
	{ MSR_SYSENTER_EIP, 0x81abcdef },
};

#define WRITE_DR(n, value) asm volatile("mov %0, %%dr" #n : : "r"((uint64_t)(value)))
#define READ_DR(n) ({ uint64_t dr; asm volatile("mov %%dr" #n ", %0" : "=r"(dr)); dr; })
#define DR_VALUE(n) (0x100000 + 0x1234 * (n))
#define TPR 3

static void set_steady(void)
{
	for (unsigned int i = 0; i < sizeof(steady) / sizeof(steady[0]); i++)
		write_msr(steady[i].msr, steady[i].value);
	WRITE_DR(0, DR_VALUE(0));
	WRITE_DR(1, DR_VALUE(1));
	WRITE_DR(2, DR_VALUE(2));
	WRITE_DR(3, DR_VALUE(3));
	asm volatile("mov %0, %%cr8" : : "r"((uint64_t)TPR));
}

static void check_steady(void)
{
	uint64_t cr8;

	for (unsigned int i = 0; i < sizeof(steady) / sizeof(steady[0]); i++)
		check(WRONG_STEADY, steady[i].value, read_msr(steady[i].msr));
	check(WRONG_STEADY, DR_VALUE(0), READ_DR(0));
	check(WRONG_STEADY, DR_VALUE(1), READ_DR(1));
	check(WRONG_STEADY, DR_VALUE(2), READ_DR(2));
	check(WRONG_STEADY, DR_VALUE(3), READ_DR(3));
	asm volatile("mov %%cr8, %0" : "=r"(cr8));
	check(WRONG_STEADY, TPR, cr8);
}

/* The low and high halves of a 16-byte gate: interrupt gates, but trap gates for INT n. */
static void set_gate(int vector, int ist)
{
	uint64_t entry = (uint64_t)stubs + 4096UL * vector;
	uint64_t type = vector == 3 || vector == 4 || vector >= VEC_SOFT ? 0x8f : 0x8e;
	uint64_t *gate = (uint64_t *)idt + 2 * vector;

	if (vector >= VEC_IRQ)
		type = 0x8e;
	gate[0] = (entry & 0xffff) | SEL_CODE << 16 | (uint64_t)ist << 32 | type << 40 |
		  (entry >> 16 & 0xffff) << 48;
	gate[1] = entry >> 32;
}

static void set_tables(void)
{
	uint64_t base = (uint64_t)tss, *descriptor = (uint64_t *)(gdt + SEL_TSS);
	static char double_fault_stack[4096];
	enum { IST_NMI = 1, IST_DOUBLE_FAULT };

	for (int vector = 0; vector < VECTORS; vector++)
		set_gate(vector, 0);
	set_gate(2, IST_NMI);
	set_gate(8, IST_DOUBLE_FAULT);
	*(uint64_t *)(tss + 0x24) = (uint64_t)nmi_edge;
	*(uint64_t *)(tss + 0x2c) = (uint64_t)double_fault_stack + sizeof(double_fault_stack);
	descriptor[0] = 0x67 | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
	descriptor[1] = base >> 32;
	asm volatile("lidt (%0)" : : "r"(idt_pointer));
	asm volatile("ltr %w0" : : "r"(SEL_TSS));
}

/* Not by provoke(): no register is kept, and what has been set up is to be set up again. */
static void start_again(int which)
{
	shared.provoking = which;
	shared.under_way = 1;
	chips_start(which == P_start_smm);
	set_tables();
	set_steady();
	/* with an IDT again: from now on NMIs may come */
	out32(PORT_STARTED, 0);
	last_cr2 = read_cr2();
	shared.under_way = 0;
	shared.rounds++;
	asm volatile("sti");
}

static void one_round(int which)
{
	if (which == P_hlt)
		idle();
	else if (which == P_start || which == P_start_smm)
		start_again(which);
	else
		provoke_event(which);
}

/* More often than the others: where the VMM puts events in, a shadow is, or RIP must stay. */
static int choose(void)
{
	static const uint8_t again[] = {
		P_raise, P_raise, P_raise, P_hlt, P_hlt, P_int3, P_int4, P_int30, P_int31,
		P_timer, P_timer, P_ipi, P_ipi, P_clock,
	};

	for (;;) {
		unsigned int which = random64() % (PROVOKED_COUNT + sizeof(again));

		if (which >= PROVOKED_COUNT)
			which = again[which - PROVOKED_COUNT];

		if (!((shared.without | shared.absent) & 1UL << which))
			return which;
	}
}

/* What has been sent meanwhile arrives before. */
static void finish(void)
{
	asm volatile("sti");
	for (int i = 0; i < 1000; i++)
		asm volatile("pause");
	out32(PORT_DONE, shared.rounds);
	for (;;)
		asm volatile("cli; hlt");
}

void guest_main(void)
{
	set_tables();
	set_steady();
	chips_on();
	asm volatile("sti");
	for (int which = 0; which < PROVOKED_COUNT; which++)
		if (!(shared.without & 1UL << which))
			one_round(which);
	shared.ready = 1;
	for (;;) {
		one_round(choose());
		if (shared.rounds % 16 == 0)
			check_steady();
		if (shared.limit && shared.rounds >= shared.limit)
			finish();
	}
}
