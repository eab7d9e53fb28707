// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APICs in the kernel, xAPIC and x2APIC, as their guests see them: the
 * timer in its three modes, interprocessor interrupts by all ways to name who
 * is meant, priorities, errors; and as userspace sees them.
 */
#include "kvm_test.h"
#include "machine.h"

#define CPUS		4
#define VECTOR(cpu, v)	(COUNTS(cpu) + 8 * (v))

FIXTURE(apic) {
	struct machine m[1];
};

FIXTURE_VARIANT(apic) {
	bool x2;
};

FIXTURE_VARIANT_ADD(apic, xapic) { .x2 = false };
FIXTURE_VARIANT_ADD(apic, x2apic) { .x2 = true };

FIXTURE_SETUP(apic)
{
	MACHINE_SETUP(self->m, CPUS, VM_IRQCHIP);
	machine_eoi(self->m, variant->x2 ? EOI_X2APIC : EOI_XAPIC);
}

FIXTURE_TEARDOWN(apic)
{
	machine_destroy(self->m);
}

#define S(cpu, op, a, b)	step(self->m, cpu, OP_##op, a, b)
#define REG(cpu, reg, value)	step_apic(self->m, cpu, variant->x2, APIC_##reg, value)
#define IPI(cpu, dest, icr)	step_ipi(self->m, cpu, variant->x2, dest, icr)
#define ENABLE(cpu)		step_enable(self->m, cpu, variant->x2)
#define COUNT(cpu, v)		count_of(self->m, cpu, v)
#define GET(cpu, reg)		(variant->x2 ? S(cpu, RDMSR, MSR_X2APIC(APIC_##reg), 0) : \
				 S(cpu, READ, LAPIC_PAGE + APIC_##reg, 0))
#define RESULT(cpu, number)	step_result(self->m, cpu, number)

TEST_F(apic, timer_one_shot)
{
	unsigned int left;

	ENABLE(0);
	REG(0, TDCR, 0xb);
	REG(0, LVTT, 0x40);
	REG(0, TMICT, 300000);
	S(0, HALT_UNTIL, VECTOR(0, 0x40), 1);
	S(0, DELAY, 0, 2000000);
	left = GET(0, TMCCT);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(1, COUNT(0, 0x40));
	EXPECT_EQ(0, RESULT(0, left));
}

TEST_F(apic, timer_periodic)
{
	unsigned int before, left;

	ENABLE(0);
	REG(0, TDCR, 0xb);
	REG(0, LVTT, 0x40 | LVT_PERIODIC);
	REG(0, TMICT, 2000000);
	S(0, HALT_UNTIL, VECTOR(0, 0x40), 10);
	left = GET(0, TMCCT);
	REG(0, TMICT, 0);
	S(0, OPEN, 0, 0);
	before = S(0, READ, VECTOR(0, 0x40), 0);
	S(0, DELAY, 0, 20000000);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(RESULT(0, before), COUNT(0, 0x40));
	EXPECT_LT(0, RESULT(0, left));
	EXPECT_GE(2000000, RESULT(0, left));
}

/* Firmware counts first and says then how; and a count that is over is over. */
TEST_F(apic, timer_changes_between_counting_modes)
{
	unsigned int over, left;

	ENABLE(0);
	REG(0, TDCR, 0xb);
	REG(0, LVTT, 0x40 | LVT_MASKED);
	REG(0, TMICT, 2000000);
	REG(0, LVTT, 0x40 | LVT_PERIODIC);
	S(0, HALT_UNTIL, VECTOR(0, 0x40), 3);
	REG(0, LVTT, 0x41);
	S(0, HALT_UNTIL, VECTOR(0, 0x41), 1);
	over = GET(0, TMCCT);
	REG(0, LVTT, 0x42 | LVT_PERIODIC);
	S(0, DELAY, 0, 20000000);
	left = GET(0, TMCCT);
	ASSERT_RUNS(self->m);
	EXPECT_LE(3, COUNT(0, 0x40));
	EXPECT_EQ(1, COUNT(0, 0x41));
	EXPECT_EQ(0, COUNT(0, 0x42));
	EXPECT_EQ(0, RESULT(0, over));
	EXPECT_EQ(0, RESULT(0, left));
}

TEST_F(apic, timer_masked)
{
	unsigned int left;

	ENABLE(0);
	REG(0, TDCR, 0xb);
	REG(0, LVTT, 0x40 | LVT_MASKED);
	REG(0, TMICT, 1000);
	S(0, DELAY, 0, 20000000);
	left = GET(0, TMCCT);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(0, COUNT(0, 0x40));
	EXPECT_EQ(0, RESULT(0, left));
}

TEST_F(apic, timer_tsc_deadline)
{
	unsigned int disarmed, far, off;

	NEED_CAP(&self->m->cpu[0], KVM_CAP_TSC_DEADLINE_TIMER);
	ENABLE(0);
	REG(0, LVTT, 0x40 | LVT_DEADLINE);
	S(0, TSC_MSR, MSR_DEADLINE, 3000000);
	S(0, HALT_UNTIL, VECTOR(0, 0x40), 1);
	disarmed = S(0, RDMSR, MSR_DEADLINE, 0);
	/* long past */
	S(0, WRMSR, MSR_DEADLINE, 1);
	S(0, HALT_UNTIL, VECTOR(0, 0x40), 2);
	/* in years */
	S(0, TSC_MSR, MSR_DEADLINE, 1ULL << 60);
	far = S(0, RDMSR, MSR_DEADLINE, 0);
	S(0, DELAY, 0, 5000000);
	S(0, WRMSR, MSR_DEADLINE, 0);
	off = S(0, RDMSR, MSR_DEADLINE, 0);
	S(0, DELAY, 0, 1000000);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(0, RESULT(0, disarmed));
	EXPECT_NE(0, RESULT(0, far));
	EXPECT_EQ(0, RESULT(0, off));
	EXPECT_EQ(2, COUNT(0, 0x40));
}

/* The guest's TSC is set past the deadline that it waits for. */
TEST_F(apic, timer_tsc_jumps)
{
	NEED_CAP(&self->m->cpu[0], KVM_CAP_TSC_DEADLINE_TIMER);
	ENABLE(0);
	REG(0, LVTT, 0x40 | LVT_DEADLINE);
	S(0, TSC_MSR, MSR_DEADLINE, 1ULL << 40);
	S(0, TSC_MSR, 0x10, 1ULL << 41);
	S(0, HALT_UNTIL, VECTOR(0, 0x40), 1);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(1, COUNT(0, 0x40));
}

/* All vCPUs but the first enable their APICs, say so, and halt until @vector has come. */
static void others_wait(struct machine *m, bool x2, unsigned int vector)
{
	unsigned int i;

	for (i = 1; i < CPUS; i++) {
		step_enable(m, i, x2);
		step(m, i, OP_INC, WORD(0), 0);
		step(m, i, OP_HALT_UNTIL, VECTOR(i, vector), 1);
	}
	step_enable(m, 0, x2);
	step(m, 0, OP_WAIT, WORD(0), CPUS - 1);
}

TEST_F(apic, ipi_shorthands)
{
	unsigned int i;

	others_wait(self->m, variant->x2, 0x54);
	IPI(0, 2, 0x50);
	IPI(0, 0, 0x51 | ICR_ALL);
	IPI(0, 0, 0x52 | ICR_OTHERS);
	IPI(0, 0, 0x53 | ICR_SELF);
	S(0, SPIN, VECTOR(0, 0x53), 1);
	for (i = 1; i < CPUS; i++)
		S(0, WAIT, VECTOR(i, 0x52), 1);
	IPI(0, 0, 0x54 | ICR_ALL);
	S(0, HALT_UNTIL, VECTOR(0, 0x54), 1);
	ASSERT_RUNS(self->m);
	for (i = 0; i < CPUS; i++) {
		EXPECT_EQ(i == 2, COUNT(i, 0x50));
		EXPECT_EQ(1, COUNT(i, 0x51));
		EXPECT_EQ(i != 0, COUNT(i, 0x52));
		EXPECT_EQ(i == 0, COUNT(i, 0x53));
		EXPECT_EQ(1, COUNT(i, 0x54));
	}
}

TEST_F(apic, ipi_broadcast)
{
	unsigned int i;

	others_wait(self->m, variant->x2, 0x54);
	IPI(0, variant->x2 ? 0xffffffff : 0xff, 0x54);
	S(0, HALT_UNTIL, VECTOR(0, 0x54), 1);
	ASSERT_RUNS(self->m);
	for (i = 0; i < CPUS; i++)
		EXPECT_EQ(1, COUNT(i, 0x54));
}

/* Flat for the xAPIC; cluster 0 of the x2APIC. */
TEST_F(apic, ipi_logical)
{
	unsigned int i;

	for (i = 0; i < CPUS && !variant->x2; i++) {
		S(i, WRITE, LAPIC_PAGE + APIC_DFR, 0xffffffff);
		S(i, WRITE, LAPIC_PAGE + APIC_LDR, 1U << (24 + i));
	}
	others_wait(self->m, variant->x2, 0x54);
	IPI(0, 0xa, 0x50 | ICR_LOGICAL);
	IPI(0, 0x4, 0x51 | ICR_LOGICAL);
	S(0, WAIT, VECTOR(1, 0x50), 1);
	S(0, WAIT, VECTOR(3, 0x50), 1);
	S(0, WAIT, VECTOR(2, 0x51), 1);
	IPI(0, 0xf, 0x54 | ICR_LOGICAL);
	S(0, HALT_UNTIL, VECTOR(0, 0x54), 1);
	ASSERT_RUNS(self->m);
	for (i = 0; i < CPUS; i++) {
		EXPECT_EQ(i == 1 || i == 3, COUNT(i, 0x50));
		EXPECT_EQ(i == 2, COUNT(i, 0x51));
		EXPECT_EQ(1, COUNT(i, 0x54));
	}
}

TEST_F(apic, ipi_cluster)
{
	unsigned int i;

	if (variant->x2)
		SKIP(return, "its logical ids cannot be set");
	for (i = 0; i < CPUS; i++) {
		S(i, WRITE, LAPIC_PAGE + APIC_DFR, 0x0fffffff);
		/* two clusters of two */
		S(i, WRITE, LAPIC_PAGE + APIC_LDR, ((1 + i / 2) << 4 | 1U << i % 2) << 24);
	}
	others_wait(self->m, false, 0x54);
	IPI(0, 0x22, 0x50 | ICR_LOGICAL);
	IPI(0, 0x13, 0x51 | ICR_LOGICAL);
	S(0, SPIN, VECTOR(0, 0x51), 1);
	S(0, WAIT, VECTOR(1, 0x51), 1);
	S(0, WAIT, VECTOR(3, 0x50), 1);
	IPI(0, 0, 0x54 | ICR_ALL);
	ASSERT_RUNS(self->m);
	for (i = 0; i < CPUS; i++) {
		EXPECT_EQ(i == 3, COUNT(i, 0x50));
		EXPECT_EQ(i < 2, COUNT(i, 0x51));
	}
}

/* Each message to one of the candidates, whoever that is. */
TEST_F(apic, ipi_lowest_priority)
{
	unsigned int i;

	for (i = 0; i < CPUS && !variant->x2; i++)
		S(i, WRITE, LAPIC_PAGE + APIC_LDR, 1U << (24 + i));
	others_wait(self->m, variant->x2, 0x54);
	for (i = 1; i <= 20; i++) {
		IPI(0, 0xe, 0x50 | ICR_LOGICAL | ICR_LOWEST);
		S(0, WAIT, ORDER, i);
	}
	IPI(0, 0, 0x54 | ICR_OTHERS);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(0, COUNT(0, 0x50));
	EXPECT_EQ(20, COUNT(1, 0x50) + COUNT(2, 0x50) + COUNT(3, 0x50));
}

TEST_F(apic, ipi_nmi)
{
	ENABLE(1);
	S(1, INC, WORD(0), 0);
	S(1, CLI_HALT, 0, 0);
	S(1, OPEN, 0, 0);
	ENABLE(0);
	S(0, WAIT, WORD(0), 1);
	IPI(0, 1, ICR_NMI);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(1, COUNT(1, 2));
	EXPECT_EQ(0, COUNT(0, 2));
}

/* One goes out and one waits behind it, whatever the other vCPU does meanwhile. */
TEST_F(apic, ipi_two_nmis)
{
	ENABLE(0);
	ENABLE(1);
	S(1, OPEN, 0, 0);
	IPI(0, 1, ICR_NMI);
	IPI(0, 1, ICR_NMI);
	S(0, OUT, PORT_MARK, 0);
	ASSERT_EQ(0, machine_start(self->m, 0));
	ASSERT_EQ(PORT_MARK, vm_run_out(&self->m->cpu[0]));
	ASSERT_EQ(0, machine_start(self->m, 1));
	ASSERT_EQ(PORT_DONE, vm_run_out(&self->m->cpu[1]));
	EXPECT_EQ(2, COUNT(1, 2));
}

/* The PICs are wired to the boot processor; the others' LINT0 comes out of reset masked. */
TEST_F(apic, lint0_of_the_others)
{
	EXPECT_EQ(LVT_EXTINT, lapic_get(&self->m->cpu[0], APIC_LINT0));
	EXPECT_EQ(LVT_MASKED, lapic_get(&self->m->cpu[1], APIC_LINT0));
}

TEST_F(apic, self_ipi_register)
{
	if (!variant->x2)
		SKIP(return, "the xAPIC has none");
	ENABLE(0);
	S(0, WRMSR, MSR_X2APIC(APIC_SELF), 0x77);
	S(0, HALT_UNTIL, VECTOR(0, 0x77), 1);
	S(0, WRMSR, MSR_X2APIC(APIC_SELF), 0x177);
	S(0, RDMSR, MSR_X2APIC(APIC_SELF), 0);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(1, COUNT(0, 0x77));
	EXPECT_EQ(2, COUNT(0, 13));
}

TEST_F(apic, order_of_vectors)
{
	ENABLE(0);
	IPI(0, 0, 0x41 | ICR_SELF);
	IPI(0, 0, 0x61 | ICR_SELF);
	IPI(0, 0, 0x52 | ICR_SELF);
	IPI(0, 0, 0x51 | ICR_SELF);
	IPI(0, 0, 0x61 | ICR_SELF);
	S(0, OPEN, 0, 0);
	S(0, OPEN, 0, 0);
	ASSERT_RUNS(self->m);
	EXPECT_STREQ("61525141", order_of(self->m));
}

/* Nothing of the class of TPR or below comes in, and as soon as it falls, it does. */
TEST_F(apic, task_priority)
{
	unsigned int ppr, cr8, tpr;

	ENABLE(0);
	REG(0, TPR, 0x5f);
	ppr = GET(0, PPR);
	cr8 = S(0, GET_CR8, 0, 0);
	IPI(0, 0, 0x41 | ICR_SELF);
	IPI(0, 0, 0x61 | ICR_SELF);
	IPI(0, 0, 0x52 | ICR_SELF);
	S(0, OPEN, 0, 0);
	S(0, STORE, WORD(0), 1);
	S(0, INC, ORDER, 0);		/* a mark: a zero in the order */
	S(0, SET_CR8, 0, 4);
	tpr = GET(0, TPR);
	S(0, OPEN, 0, 0);
	S(0, INC, ORDER, 0);
	REG(0, TPR, 0);
	S(0, OPEN, 0, 0);
	ASSERT_RUNS(self->m);
	EXPECT_STREQ("6100520041", order_of(self->m));
	EXPECT_EQ(0x5f, RESULT(0, ppr));
	EXPECT_EQ(5, RESULT(0, cr8));
	EXPECT_EQ(0x40, RESULT(0, tpr));
}

/* The service of the higher ends first; what is not above it waits. */
TEST_F(apic, end_of_interrupt)
{
	unsigned int first, second, third;

	machine_eoi(self->m, EOI_NOTHING);
	ENABLE(0);
	IPI(0, 0, 0x41 | ICR_SELF);
	S(0, OPEN, 0, 0);
	IPI(0, 0, 0x61 | ICR_SELF);
	IPI(0, 0, 0x42 | ICR_SELF);
	S(0, OPEN, 0, 0);
	first = variant->x2 ? S(0, RDMSR, 0x813, 0) : S(0, READ, LAPIC_PAGE + APIC_ISR + 0x30, 0);
	REG(0, EOI, 0);
	S(0, OPEN, 0, 0);
	second = variant->x2 ? S(0, RDMSR, 0x813, 0) : S(0, READ, LAPIC_PAGE + APIC_ISR + 0x30, 0);
	REG(0, EOI, 0);
	S(0, OPEN, 0, 0);
	third = variant->x2 ? S(0, RDMSR, 0x812, 0) : S(0, READ, LAPIC_PAGE + APIC_ISR + 0x20, 0);
	ASSERT_RUNS(self->m);
	EXPECT_STREQ("416142", order_of(self->m));
	EXPECT_EQ(2, RESULT(0, first));
	EXPECT_EQ(0, RESULT(0, second));
	EXPECT_EQ(4, RESULT(0, third));
}

TEST_F(apic, lvt_of_a_disabled_one)
{
	unsigned int masked, still;

	ENABLE(0);
	REG(0, LVTT, 0x40);
	REG(0, SVR, 0xff);
	masked = GET(0, LVTT);
	REG(0, LVTT, 0x40);
	still = GET(0, LVTT);
	IPI(0, 0, 0x60 | ICR_SELF);
	S(0, OPEN, 0, 0);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(0x40 | LVT_MASKED, RESULT(0, masked));
	EXPECT_EQ(0x40 | LVT_MASKED, RESULT(0, still));
	EXPECT_EQ(0, COUNT(0, 0x60));
}

TEST_F(apic, base_transitions)
{
	const uint64_t xapic = LAPIC_PAGE | BASE_BSP | BASE_ENABLE;

	if (variant->x2)
		SKIP(return, "once is enough");
	S(0, WRMSR, MSR_APIC_BASE, xapic);
	S(0, WRMSR, MSR_APIC_BASE, LAPIC_PAGE | BASE_BSP);
	S(0, WRMSR, MSR_APIC_BASE, xapic);
	S(0, WRMSR, MSR_APIC_BASE, xapic | BASE_X2APIC);
	S(0, WRMSR, MSR_APIC_BASE, LAPIC_PAGE | BASE_BSP);
	S(0, WRMSR, MSR_APIC_BASE, xapic);
	S(0, STORE, WORD(0), 1);
	/* #GP: x2APIC alone; from disabled; reserved bits; back to xAPIC */
	S(0, WRMSR, MSR_APIC_BASE, LAPIC_PAGE | BASE_BSP | BASE_X2APIC);
	S(0, WRMSR, MSR_APIC_BASE, xapic | 1);
	S(0, WRMSR, MSR_APIC_BASE, xapic | 1ULL << 60);
	S(0, WRMSR, MSR_APIC_BASE, LAPIC_PAGE | BASE_BSP);
	S(0, WRMSR, MSR_APIC_BASE, xapic | BASE_X2APIC);
	S(0, WRMSR, MSR_APIC_BASE, xapic);
	S(0, WRMSR, MSR_APIC_BASE, xapic | BASE_X2APIC);
	S(0, WRMSR, MSR_APIC_BASE, xapic);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(5, COUNT(0, 13));
	EXPECT_STREQ("0d0d0d0d0d", order_of(self->m));
	EXPECT_EQ(xapic | BASE_X2APIC, self->m->cpu[0].run->apic_base);
}

TEST_F(apic, registers_as_msrs)
{
	static const struct {
		unsigned int msr;
		uint64_t value;
	} wrong[] = {
		{ 0x802, 0 },		/* id: read-only */
		{ 0x808, 0x100 },	/* TPR: reserved bits */
		{ 0x80b, 1 },		/* EOI: 0 alone */
		{ 0x80d, 0 },		/* LDR: read-only */
		{ 0x80e, 0 },		/* DFR: there is none */
		{ 0x828, 1 },		/* ESR: 0 alone */
		{ 0x831, 0 },		/* no second half of ICR */
		{ 0x839, 0 },		/* current count: read-only */
		{ 0x8ff, 0 },
	};
	unsigned int i, id, ldr;

	if (!variant->x2)
		SKIP(return, "xAPIC");
	S(0, RDMSR, 0x802, 0);			/* #GP: not in this mode */
	ENABLE(0);
	id = S(0, RDMSR, 0x802, 0);
	ldr = S(0, RDMSR, 0x80d, 0);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		S(0, WRMSR, wrong[i].msr, wrong[i].value);
	S(0, RDMSR, 0x80b, 0);			/* #GP: write-only */
	S(0, RDMSR, 0x80e, 0);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(i + 3, COUNT(0, 13));
	EXPECT_EQ(0, RESULT(0, id));
	EXPECT_EQ(1, RESULT(0, ldr));
}

/* An illegal vector is sent: the error shows when ESR is written. */
TEST_F(apic, error_status)
{
	unsigned int before, after, again;

	ENABLE(0);
	REG(0, LVTERR, 0x70);
	IPI(0, 0, 0x05 | ICR_SELF);
	before = GET(0, ESR);
	REG(0, ESR, 0);
	after = GET(0, ESR);
	REG(0, ESR, 0);
	again = GET(0, ESR);
	S(0, OPEN, 0, 0);
	ASSERT_RUNS(self->m);
	if (!COUNT(0, 0x70) && !RESULT(0, after))
		SKIP(return, "this APIC does not look at vectors");
	EXPECT_EQ(0, RESULT(0, before));
	EXPECT_EQ(0x20, RESULT(0, after));
	EXPECT_EQ(0, RESULT(0, again));
	EXPECT_EQ(1, COUNT(0, 0x70));
}

/* Something pending, something in service, and a timer under way, into another machine. */
TEST_F(apic, moved)
{
	ENABLE(0);
	machine_eoi(self->m, EOI_NOTHING);
	IPI(0, 0, 0x41 | ICR_SELF);
	S(0, OPEN, 0, 0);
	IPI(0, 0, 0x65 | ICR_SELF);
	REG(0, TDCR, 0xb);
	REG(0, LVTT, 0x56);
	REG(0, TMICT, 100000000);
	S(0, OUT, PORT_MARK, 0);
	S(0, HALT_UNTIL, VECTOR(0, 0x56), 1);
	ASSERT_EQ(0, machine_start(self->m, 0));
	ASSERT_EQ(PORT_MARK, vm_run_out(&self->m->cpu[0]));
	ASSERT_EQ(0, vm_complete(&self->m->cpu[0]));
	ASSERT_EQ(NULL, (void *)machine_move(self->m));
	EXPECT_EQ(1, COUNT(0, 0x41));
	EXPECT_EQ(0, COUNT(0, 0x65));
	EXPECT_EQ(2, lapic_get(&self->m->cpu[0], APIC_ISR + 0x20));
	EXPECT_EQ(0x20, lapic_get(&self->m->cpu[0], APIC_IRR + 0x30));
	machine_eoi(self->m, variant->x2 ? EOI_X2APIC : EOI_XAPIC);
	ASSERT_EQ(PORT_DONE, vm_run_out(&self->m->cpu[0])) {
		TH_LOG("%s, order %s", vm_why(&self->m->cpu[0]), order_of(self->m));
	}
	EXPECT_EQ(1, COUNT(0, 0x65));
	EXPECT_EQ(1, COUNT(0, 0x56));
	EXPECT_STREQ("416556", order_of(self->m));
}

/* A deadline comes with the MSRs, its mode with the APIC: whichever is first. */
TEST_F(apic, deadline_before_its_mode)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } deadline = {
		.head.nmsrs = 1, .entry = { .index = MSR_DEADLINE, .data = 12345678 },
	};
	struct vm *vm = &self->m->cpu[0];
	struct kvm_lapic_state page;
	uint32_t mode = 0x56 | LVT_DEADLINE;

	NEED_CAP(vm, KVM_CAP_TSC_DEADLINE_TIMER);
	ASSERT_EQ(1, vcpu_ioctl(vm, KVM_SET_MSRS, &deadline));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_LAPIC, &page));
	memcpy(page.regs + APIC_LVTT, &mode, sizeof(mode));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_LAPIC, &page));
	EXPECT_EQ(mode, lapic_get(vm, APIC_LVTT));
	deadline.entry.data = 0;
	ASSERT_EQ(1, vcpu_ioctl(vm, KVM_GET_MSRS, &deadline));
	EXPECT_EQ(12345678, deadline.entry.data);
}

/* One task priority, three places. */
TEST_F(apic, task_priority_outside)
{
	struct vm *vm = &self->m->cpu[0];
	struct kvm_sregs sregs;

	ENABLE(0);
	S(0, SET_CR8, 0, 7);
	S(0, OUT, PORT_MARK, 0);
	ASSERT_EQ(0, machine_start(self->m, 0));
	ASSERT_EQ(PORT_MARK, vm_run_out(vm));
	EXPECT_EQ(7, vm->run->cr8);
	EXPECT_EQ(0x70, lapic_get(vm, APIC_TPR));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(7, sregs.cr8);
	/* what the page says is not asked for */
	vm->run->cr8 = 3;
	ASSERT_EQ(PORT_DONE, vm_run_out(vm));
	EXPECT_EQ(7, vm->run->cr8);
	ASSERT_EQ(0, lapic_put(vm, APIC_TPR, 0x20));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(2, sregs.cr8);
	sregs.cr8 = 9;
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_SREGS, &sregs));
	EXPECT_EQ(0x90, lapic_get(vm, APIC_TPR));
}

/* The class is CR8's, the rest is the APIC's alone. */
TEST_F(apic, sregs_keep_the_subclass)
{
	struct vm *vm = &self->m->cpu[0];
	struct kvm_sregs sregs;

	ASSERT_EQ(0, lapic_put(vm, APIC_TPR, 0x3a));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_SREGS, &sregs));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_SREGS, &sregs));
	EXPECT_EQ(0x3a, lapic_get(vm, APIC_TPR));
}

TEST_HARNESS_MAIN
