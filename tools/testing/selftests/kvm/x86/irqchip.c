// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PICs and the IOAPIC in the kernel, and how lines and messages get there:
 * KVM_IRQ_LINE, routes, KVM_SIGNAL_MSI; a local APIC with userspace's
 * controllers behind it; what userspace reads and writes of all of it; and
 * which error each call gives.
 */
#include <sys/eventfd.h>
#include <pthread.h>
#include <unistd.h>
#include "kvm_test.h"
#include "machine.h"

#define VECTOR(cpu, v)	(COUNTS(cpu) + 8 * (v))
#define S(cpu, op, a, b)	step(self->m, cpu, OP_##op, a, b)

#define REDIR_LEVEL	0x8000
#define REDIR_MASKED	0x10000
#define REDIR_REMOTE	0x4000

FIXTURE(irqchip) {
	struct machine m[1];
};

FIXTURE_SETUP(irqchip)
{
	MACHINE_SETUP(self->m, 2, VM_IRQCHIP);
	machine_eoi(self->m, EOI_XAPIC);
}

FIXTURE_TEARDOWN(irqchip)
{
	machine_destroy(self->m);
}

static uint64_t pin_entry(struct machine *m, unsigned int pin)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	vm_ioctl(&m->cpu[0], KVM_GET_IRQCHIP, &chip);
	return chip.chip.ioapic.redirtbl[pin].bits;
}

static int line_status(struct machine *m, unsigned int gsi, unsigned int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };
	int err = vm_ioctl(&m->cpu[0], KVM_IRQ_LINE_STATUS, &line);

	return err ?: (int)line.status;
}

/* ICW1 to 4 of both, vectors from 0x40 and 0x48; masks. */
static void program_pics(struct machine *m, unsigned int icw4, unsigned int masks)
{
	static const uint8_t words[][2] = {
		{ 0x20, 0x11 }, { 0x21, 0x40 }, { 0x21, 0x04 },
		{ 0xa0, 0x11 }, { 0xa1, 0x48 }, { 0xa1, 0x02 },
	};
	unsigned int i;

	for (i = 0; i < 3; i++)
		step(m, 0, OP_OUT, words[i][0], words[i][1]);
	step(m, 0, OP_OUT, 0x21, icw4);
	for (; i < 6; i++)
		step(m, 0, OP_OUT, words[i][0], words[i][1]);
	step(m, 0, OP_OUT, 0xa1, icw4);
	step(m, 0, OP_OUT, 0x21, masks & 0xff);
	step(m, 0, OP_OUT, 0xa1, masks >> 8);
}

/* To the first OUT to PORT_MARK, in the test's own thread. */
#define ASSERT_MARK(m)							\
do {									\
	ASSERT_EQ(0, machine_start(m, 0));				\
	ASSERT_EQ(PORT_MARK, vm_run_out(&(m)->cpu[0])) {		\
		TH_LOG("%s", vm_why(&(m)->cpu[0]));			\
	}								\
} while (0)

#define ASSERT_NEXT(m, port)						\
	ASSERT_EQ(port, vm_run_out(&(m)->cpu[0])) {			\
		TH_LOG("%s, order %s", vm_why(&(m)->cpu[0]), order_of(m)); \
	}

/* Two marks; behind the first there is room for two interrupts, behind the second for one. */
static void pics_by_lint0(struct machine *m)
{
	machine_eoi(m, EOI_PICS);
	program_pics(m, 1, 0);
	step_enable(m, 0, false);
	step(m, 0, OP_WRITE, LAPIC_PAGE + APIC_LINT0, LVT_EXTINT);
	step(m, 0, OP_OUT, PORT_MARK, 0);
	step(m, 0, OP_OPEN, 0, 0);
	step(m, 0, OP_OPEN, 0, 0);
	step(m, 0, OP_OUT, PORT_MARK, 0);
	step(m, 0, OP_OPEN, 0, 0);
}

TEST_F(irqchip, pic_by_lint0)
{
	pics_by_lint0(self->m);
	ASSERT_MARK(self->m);
	EXPECT_EQ(0, irq_line(self->m, 5, 1));
	EXPECT_EQ(0, irq_line(self->m, 12, 1));
	EXPECT_EQ(0, irq_line(self->m, 3, 1));
	EXPECT_EQ(0, irq_line(self->m, 3, 0));
	ASSERT_NEXT(self->m, PORT_MARK);
	/* an edge that went away before it was taken: 3 is spurious, or was remembered */
	EXPECT_EQ(1, count_of(self->m, 0, 0x45));
	EXPECT_EQ(1, count_of(self->m, 0, 0x4c));
	/* high still, and an edge: not again */
	EXPECT_EQ(0, irq_line(self->m, 5, 1));
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_EQ(1, count_of(self->m, 0, 0x45));
}

/* Masked at the APIC, the PICs' interrupt does not come in; open again, it does. */
TEST_F(irqchip, pic_masked_by_lint0)
{
	machine_eoi(self->m, EOI_PICS);
	program_pics(self->m, 1, 0);
	S(0, WRITE, LAPIC_PAGE + APIC_LINT0, LVT_EXTINT | LVT_MASKED);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	S(0, OUT, PORT_MARK, 0);
	step_enable(self->m, 0, false);
	S(0, WRITE, LAPIC_PAGE + APIC_LINT0, LVT_EXTINT);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	EXPECT_EQ(0, irq_line(self->m, 5, 1));
	ASSERT_NEXT(self->m, PORT_MARK);
	EXPECT_EQ(0, count_of(self->m, 0, 0x45));
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_EQ(1, count_of(self->m, 0, 0x45));
}

/*
 * Case 76: the PICs have given their interrupt, its delivery fails at the IDT, and the machine
 * moves.  It comes once; the line, which stays high, is an edge no more.
 */
TEST_F(irqchip, c76_pic_interrupt_moved)
{
	struct kvm_vcpu_events events;

	pics_by_lint0(self->m);
	ASSERT_MARK(self->m);
	ASSERT_EQ(0, vm_complete(&self->m->cpu[0]));
	EXPECT_EQ(0, irq_line(self->m, 5, 1));
	ASSERT_EQ(-EFAULT, vm_stumble(&self->m->cpu[0], IDT));
	vm_mend(&self->m->cpu[0], IDT);
	ASSERT_EQ(0, events_get(&self->m->cpu[0], &events));
	EXPECT_EQ(1, events.interrupt.injected);
	EXPECT_EQ(0x45, events.interrupt.nr);
	ASSERT_EQ(NULL, (void *)machine_move(self->m));
	EXPECT_EQ(0, count_of(self->m, 0, 0x45));
	ASSERT_NEXT(self->m, PORT_MARK);
	EXPECT_EQ(1, count_of(self->m, 0, 0x45));
	EXPECT_EQ(0, irq_line(self->m, 5, 0));
	EXPECT_EQ(0, irq_line(self->m, 5, 1));
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_EQ(2, count_of(self->m, 0, 0x45));
}

/*
 * Automatic EOI: a second line, and an interrupt of the APIC's, are open as soon as the first one's
 * handler returns.  The guest spins: no exit of its own helps.
 */
TEST_F(irqchip, pic_and_apic_at_once)
{
	machine_eoi(self->m, EOI_NOTHING);
	program_pics(self->m, 3, 0);
	step_enable(self->m, 0, false);
	S(0, WRITE, LAPIC_PAGE + APIC_LINT0, LVT_EXTINT);
	S(0, OUT, PORT_MARK, 0);
	step_ipi(self->m, 0, false, 0, 0x61 | ICR_SELF);
	S(0, OPEN, 0, 0);
	S(0, OPEN, 0, 0);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	EXPECT_EQ(0, irq_line(self->m, 5, 1));
	EXPECT_EQ(0, irq_line(self->m, 6, 1));
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_EQ(1, count_of(self->m, 0, 0x45));
	EXPECT_EQ(1, count_of(self->m, 0, 0x46));
	EXPECT_EQ(1, count_of(self->m, 0, 0x61));
}

TEST_F(irqchip, ioapic_edge)
{
	step_enable(self->m, 0, false);
	step_pin(self->m, 4, 0x54);
	step_pin(self->m, 5, 0x55 | REDIR_MASKED);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	EXPECT_LE(1, line_status(self->m, 4, 1));
	EXPECT_EQ(-1, line_status(self->m, 30, 1));
	line_status(self->m, 5, 1);
	ASSERT_NEXT(self->m, PORT_MARK);
	EXPECT_EQ(1, count_of(self->m, 0, 0x54));
	EXPECT_EQ(0, count_of(self->m, 0, 0x55));
	/* no edge, a falling one, a rising one */
	irq_line(self->m, 4, 1);
	irq_line(self->m, 4, 0);
	irq_line(self->m, 4, 1);
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_EQ(2, count_of(self->m, 0, 0x54));
}

/* KVM_IRQ_LINE_STATUS: new, waiting already, or masked wherever the line leads. */
TEST_F(irqchip, masked_lines_say_so)
{
	program_pics(self->m, 1, 0xffff);
	step_enable(self->m, 0, false);
	step_pin(self->m, 5, 0x55 | REDIR_MASKED);
	step_pin(self->m, 6, 0x56);
	S(0, OUT, PORT_MARK, 0);
	S(0, OUT, 0x21, 0xdf);
	S(0, OUT, PORT_MARK, 0);
	ASSERT_MARK(self->m);
	EXPECT_EQ(-1, line_status(self->m, 5, 1));
	line_status(self->m, 5, 0);
	EXPECT_EQ(1, line_status(self->m, 6, 1));
	line_status(self->m, 6, 0);
	EXPECT_LE(0, line_status(self->m, 6, 1));
	EXPECT_EQ(-1, line_status(self->m, 20, 1));
	/* the PIC's is open: what has come before waits there */
	ASSERT_NEXT(self->m, PORT_MARK);
	EXPECT_EQ(0, line_status(self->m, 5, 1));
}

TEST_F(irqchip, ioapic_coalesced)
{
	step_enable(self->m, 0, false);
	step_pin(self->m, 17, 0x54);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	EXPECT_EQ(1, line_status(self->m, 17, 1));
	line_status(self->m, 17, 0);
	EXPECT_LE(0, line_status(self->m, 17, 1));
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_EQ(1, count_of(self->m, 0, 0x54));
}

/* As long as the line is up, each EOI is followed by another. */
TEST_F(irqchip, ioapic_level)
{
	machine_eoi(self->m, EOI_NOTHING);
	step_enable(self->m, 0, false);
	step_pin(self->m, 18, 0x54 | REDIR_LEVEL);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	S(0, OUT, PORT_MARK, 0);
	S(0, WRITE, LAPIC_PAGE + APIC_EOI, 0);
	S(0, OPEN, 0, 0);
	S(0, OUT, PORT_MARK, 0);
	S(0, WRITE, LAPIC_PAGE + APIC_EOI, 0);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	EXPECT_EQ(1, line_status(self->m, 18, 1));
	ASSERT_NEXT(self->m, PORT_MARK);
	EXPECT_EQ(1, count_of(self->m, 0, 0x54));
	EXPECT_EQ(REDIR_REMOTE, pin_entry(self->m, 18) & REDIR_REMOTE);
	EXPECT_EQ(1U << 20, lapic_get(&self->m->cpu[0], APIC_TMR + 0x20));
	ASSERT_NEXT(self->m, PORT_MARK);
	EXPECT_EQ(2, count_of(self->m, 0, 0x54));
	line_status(self->m, 18, 0);
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_EQ(2, count_of(self->m, 0, 0x54));
	EXPECT_EQ(0, pin_entry(self->m, 18) & REDIR_REMOTE);
}

/* Up while it is masked: it comes when the mask goes. */
TEST_F(irqchip, ioapic_level_unmasked)
{
	step_enable(self->m, 0, false);
	step_pin(self->m, 18, 0x54 | REDIR_LEVEL | REDIR_MASKED);
	S(0, OUT, PORT_MARK, 0);
	step_pin(self->m, 18, 0x54 | REDIR_LEVEL);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	irq_line(self->m, 18, 1);
	ASSERT_NEXT(self->m, PORT_MARK);
	irq_line(self->m, 18, 0);
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_EQ(1, count_of(self->m, 0, 0x54));
}

/* A local APIC that does not take it yet is no reason to forget it. */
TEST_F(irqchip, ioapic_level_before_the_apic)
{
	step_pin(self->m, 18, 0x54 | REDIR_LEVEL);
	S(0, OUT, PORT_MARK, 0);
	step_enable(self->m, 0, false);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	irq_line(self->m, 18, 1);
	ASSERT_NEXT(self->m, PORT_MARK);
	irq_line(self->m, 18, 0);
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_LE(1, count_of(self->m, 0, 0x54));
}

/* The same, and it is userspace that enables the APIC. */
TEST_F(irqchip, ioapic_level_before_set_lapic)
{
	step_pin(self->m, 18, 0x54 | REDIR_LEVEL);
	S(0, OUT, PORT_MARK, 0);
	S(0, HALT_UNTIL, VECTOR(0, 0x54), 1);
	ASSERT_MARK(self->m);
	irq_line(self->m, 18, 1);
	ASSERT_EQ(0, lapic_put(&self->m->cpu[0], APIC_SVR, 0x1ff));
	irq_line(self->m, 18, 0);
	ASSERT_NEXT(self->m, PORT_DONE);
}

/* In another VM, from its state: in service, up, and up again after the EOI. */
TEST_F(irqchip, level_line_moved)
{
	machine_eoi(self->m, EOI_NOTHING);
	step_enable(self->m, 0, false);
	step_pin(self->m, 18, 0x54 | REDIR_LEVEL);
	S(0, OUT, PORT_MARK, 0);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	S(0, WRITE, LAPIC_PAGE + APIC_EOI, 0);
	S(0, OPEN, 0, 0);
	S(0, OUT, PORT_MARK, 0);
	S(0, WRITE, LAPIC_PAGE + APIC_EOI, 0);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	irq_line(self->m, 18, 1);
	ASSERT_NEXT(self->m, PORT_MARK);
	ASSERT_EQ(0, vm_complete(&self->m->cpu[0]));
	ASSERT_EQ(NULL, (void *)machine_move(self->m));
	EXPECT_EQ(REDIR_REMOTE, pin_entry(self->m, 18) & REDIR_REMOTE);
	ASSERT_NEXT(self->m, PORT_MARK);
	EXPECT_EQ(2, count_of(self->m, 0, 0x54));
	irq_line(self->m, 18, 0);
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_EQ(2, count_of(self->m, 0, 0x54));
	EXPECT_EQ(0, pin_entry(self->m, 18) & REDIR_REMOTE);
}

/* What is read can be written, and reads the same. */
TEST_F(irqchip, state_comes_back)
{
	struct kvm_irqchip in, out;
	unsigned int id;

	program_pics(self->m, 1, 0xdead);
	step_pin(self->m, 7, 0x0300000000000931);
	ASSERT_RUNS(self->m);
	irq_line(self->m, 9, 1);
	for (id = 0; id < 3; id++) {
		memset(&in, 0, sizeof(in));
		in.chip_id = id;
		ASSERT_EQ(0, vm_ioctl(&self->m->cpu[0], KVM_GET_IRQCHIP, &in));
		ASSERT_EQ(0, vm_ioctl(&self->m->cpu[0], KVM_SET_IRQCHIP, &in));
		memset(&out, 0xff, sizeof(out));
		out.chip_id = id;
		ASSERT_EQ(0, vm_ioctl(&self->m->cpu[0], KVM_GET_IRQCHIP, &out));
		EXPECT_EQ(0, memcmp(&in.chip, &out.chip, id < 2 ? sizeof(in.chip.pic) :
								  sizeof(in.chip.ioapic)));
		if (id < 2)
			EXPECT_EQ(id ? 0xde : 0xad, out.chip.pic.imr);
	}
	EXPECT_EQ(0x0300000000000931, out.chip.ioapic.redirtbl[7].bits);
}

static int set_routes(struct machine *m, const struct kvm_irq_routing_entry *entries,
		      unsigned int count)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[8];
	} routing = { .head.nr = count };

	memcpy(routing.entries, entries, count * sizeof(*entries));
	return vm_ioctl(&m->cpu[0], KVM_SET_GSI_ROUTING, &routing);
}

static struct kvm_irq_routing_entry msi_route(unsigned int gsi, unsigned int dest, uint32_t data)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = LAPIC_PAGE | dest << 12, .data = data },
	};
}

TEST_F(irqchip, routes_to_messages)
{
	const struct kvm_irq_routing_entry first[] = {
		msi_route(40, 0, 0x61), msi_route(1000, 0, 0x62),
	};
	const struct kvm_irq_routing_entry second[] = { msi_route(40, 0, 0x63) };

	step_enable(self->m, 0, false);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	S(0, OPEN, 0, 0);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	EXPECT_EQ(-1, line_status(self->m, 40, 1));
	ASSERT_EQ(0, set_routes(self->m, first, 2));
	EXPECT_EQ(1, line_status(self->m, 40, 1));
	EXPECT_EQ(1, line_status(self->m, 1000, 1));
	EXPECT_LE(0, line_status(self->m, 1000, 1));
	/* the default ones are gone */
	EXPECT_EQ(-1, line_status(self->m, 4, 1));
	ASSERT_EQ(0, set_routes(self->m, second, 1));
	EXPECT_EQ(1, line_status(self->m, 40, 1));
	EXPECT_EQ(-1, line_status(self->m, 1000, 1));
	ASSERT_EQ(0, set_routes(self->m, second, 0));
	EXPECT_EQ(-1, line_status(self->m, 40, 1));
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_STREQ("636261", order_of(self->m));
}

static void *replace_routes(void *arg)
{
	const struct kvm_irq_routing_entry either[] = {
		msi_route(40, 0, 0x61), msi_route(40, 1, 0x62),
	};
	struct machine *m = arg;
	unsigned int i;
	long wrong = 0;

	for (i = 0; i < 300; i++)
		wrong |= set_routes(m, &either[i & 1], 1);
	__atomic_store_n((uint64_t *)(m->cpu[0].mem + WORD(5)), 1, __ATOMIC_RELEASE);
	return (void *)wrong;
}

/* Each interrupt goes by the old table or by the new one: none goes nowhere. */
TEST_F(irqchip, routes_replaced_meanwhile)
{
	const struct kvm_irq_routing_entry route = msi_route(40, 0, 0x61);
	unsigned int i, lost = 0;
	pthread_t thread;
	void *wrong;

	for (i = 0; i < 2; i++) {
		step_enable(self->m, i, false);
		S(i, INC, WORD(0), 0);
		S(i, SPIN, WORD(6), 1);
	}
	ASSERT_EQ(0, set_routes(self->m, &route, 1));
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 2));
	ASSERT_EQ(0, pthread_create(&thread, NULL, replace_routes, self->m));
	while (!word_at(self->m, WORD(5)))
		lost += line_status(self->m, 40, 1) < 0;
	ASSERT_EQ(0, pthread_join(thread, &wrong));
	*(volatile uint64_t *)(self->m->cpu[0].mem + WORD(6)) = 1;
	ASSERT_EQ(NULL, (void *)machine_end(self->m, 6));
	EXPECT_EQ(NULL, wrong);
	EXPECT_EQ(0, lost);
	/* with one processor under both, all may have gone one way */
	EXPECT_LT(0, count_of(self->m, 0, 0x61) + count_of(self->m, 1, 0x62));
}

TEST_F(irqchip, messages)
{
	step_enable(self->m, 0, false);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	EXPECT_EQ(1, signal_msi(self->m, 0, 0x71));
	EXPECT_LE(0, signal_msi(self->m, 0, 0x71));
	/* nobody is there; the other vCPU's APIC is off */
	EXPECT_EQ(0, signal_msi(self->m, 9, 0x71));
	EXPECT_EQ(0, signal_msi(self->m, 1, 0x71));
	/* all of them: those that are on */
	EXPECT_EQ(1, signal_msi(self->m, 0xff, 0x72));
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_EQ(1, count_of(self->m, 0, 0x71));
}

TEST_F(irqchip, errors)
{
	struct vm *vm = &self->m->cpu[0];
	struct kvm_irq_routing_entry route = msi_route(4096, 0, 0x41);
	struct kvm_irq_routing head = { .nr = 4097 };
	struct kvm_irqchip chip = { .chip_id = 3 };
	struct kvm_msi msi = { .flags = 0x8000 };
	struct kvm_pit_state2 pit;

	EXPECT_EQ(-EEXIST, vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL));
	EXPECT_EQ(-EEXIST, vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24));
	EXPECT_EQ(-EINVAL, vm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(-EINVAL, vm_ioctl(vm, KVM_SET_IRQCHIP, &chip));
	EXPECT_EQ(-ENXIO, vm_interrupt(vm, 0x41));
	EXPECT_EQ(-EINVAL, vm_interrupt(vm, 256));
	EXPECT_EQ(-EINVAL, vm_ioctl(vm, KVM_SIGNAL_MSI, &msi));
	EXPECT_EQ(-EINVAL, set_routes(self->m, &route, 1));
	EXPECT_EQ(-EINVAL, vm_ioctl(vm, KVM_SET_GSI_ROUTING, &head));
	route = (struct kvm_irq_routing_entry){ .type = KVM_IRQ_ROUTING_IRQCHIP,
						.u.irqchip = { 2, 24 } };
	EXPECT_EQ(-EINVAL, set_routes(self->m, &route, 1));
	route.u.irqchip.irqchip = 3;
	route.u.irqchip.pin = 0;
	EXPECT_EQ(-EINVAL, set_routes(self->m, &route, 1));
	route.type = 99;
	EXPECT_EQ(-EINVAL, set_routes(self->m, &route, 1));
	EXPECT_EQ(-ENXIO, vm_ioctl(vm, KVM_GET_PIT2, &pit));
	/* ready at all times: nothing is to be handed over */
	vm->run->request_interrupt_window = 1;
	S(0, OPEN, 0, 0);
	ASSERT_EQ(0, machine_start(self->m, 0));
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_EQ(1, vm->run->ready_for_interrupt_injection);
	EXPECT_EQ(0, vm->run->if_flag);
}

/* A VM that has none of them. */
TEST(errors_without)
{
	struct kvm_irq_level line = { .irq = 1 };
	struct kvm_irqchip chip = { 0 };
	struct kvm_irq_routing head = { 0 };
	struct kvm_msi msi = { 0 };
	struct kvm_lapic_state lapic;
	struct kvm_vapic_addr vapic = { 0 };
	struct vm vm;

	if (vm_create(&vm, 0))
		SKIP(return, "no /dev/kvm");
	EXPECT_EQ(-ENXIO, vm_ioctl(&vm, KVM_IRQ_LINE, &line));
	EXPECT_EQ(-ENXIO, vm_ioctl(&vm, KVM_IRQ_LINE_STATUS, &line));
	EXPECT_EQ(-ENXIO, vm_ioctl(&vm, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(-ENXIO, vm_ioctl(&vm, KVM_SET_IRQCHIP, &chip));
	EXPECT_EQ(-EINVAL, vm_ioctl(&vm, KVM_SET_GSI_ROUTING, &head));
	EXPECT_EQ(-EINVAL, vm_ioctl(&vm, KVM_SIGNAL_MSI, &msi));
	EXPECT_EQ(-EINVAL, vcpu_ioctl(&vm, KVM_GET_LAPIC, &lapic));
	EXPECT_EQ(-EINVAL, vcpu_ioctl(&vm, KVM_SET_LAPIC, &lapic));
	EXPECT_EQ(-EINVAL, vcpu_ioctl(&vm, KVM_SET_VAPIC_ADDR, &vapic));
	/* after a vCPU it is too late */
	EXPECT_EQ(-EINVAL, vm_ioctl(&vm, KVM_CREATE_IRQCHIP, NULL));
	EXPECT_EQ(-EEXIST, vm_enable_cap(&vm, KVM_CAP_SPLIT_IRQCHIP, 24));
	vm_destroy(&vm);
}

/* Its line would lead nowhere. */
TEST(pit_without_pics)
{
	struct kvm_pit_config pit = { 0 };
	struct vm vm;

	if (vm_create(&vm, 0))
		SKIP(return, "no /dev/kvm");
	EXPECT_EQ(-ENOENT, vm_ioctl(&vm, KVM_CREATE_PIT2, &pit));
	EXPECT_EQ(-ENOENT, vm_ioctl(&vm, KVM_CREATE_PIT, NULL));
	vm_destroy(&vm);
}

TEST(split_pins)
{
	struct vm vm = { .kvm = kvm_open() };

	if (vm.kvm < 0)
		SKIP(return, "no /dev/kvm");
	vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, 0);
	EXPECT_EQ(-EINVAL, vm_enable_cap(&vm, KVM_CAP_SPLIT_IRQCHIP, 4097));
	EXPECT_EQ(0, vm_enable_cap(&vm, KVM_CAP_SPLIT_IRQCHIP, 120));
	EXPECT_EQ(-EEXIST, vm_ioctl(&vm, KVM_CREATE_IRQCHIP, NULL));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&vm, KVM_CAP_X2APIC_API, 1 << 5));
	EXPECT_EQ(0, vm_enable_cap(&vm, KVM_CAP_X2APIC_API, 3));
	close(vm.fd);
	close(vm.kvm);
}

/* An APIC whose number has more than eight bits, in the mode in which it comes out of reset. */
TEST(wide_id_in_xapic_mode)
{
	struct kvm_msi nmi = { .data = 0x400, .address_lo = 0xfee00000 };
	struct vm vm = { .kvm = kvm_open() };
	struct kvm_lapic_state lapic;
	int wide, narrow;

	if (vm.kvm < 0)
		SKIP(return, "no /dev/kvm");
	if (kvm_check(vm.kvm, KVM_CAP_MAX_VCPU_ID) <= 257)
		SKIP(return, "no such numbers");
	vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, 0);
	ASSERT_EQ(0, vm_enable_cap(&vm, KVM_CAP_SPLIT_IRQCHIP, 24));
	ASSERT_EQ(0, vm_enable_cap(&vm, KVM_CAP_X2APIC_API, 3));
	narrow = ioctl(vm.fd, KVM_CREATE_VCPU, 2);
	wide = ioctl(vm.fd, KVM_CREATE_VCPU, 257);
	ASSERT_LE(0, wide);
	/* Linux looks at who is there when an APIC is written */
	ASSERT_EQ(0, ioctl(wide, KVM_GET_LAPIC, &lapic));
	ASSERT_EQ(0, ioctl(wide, KVM_SET_LAPIC, &lapic));
	nmi.address_hi = 0x100;
	nmi.address_lo |= 1 << 12;
	EXPECT_EQ(1, vm_ioctl(&vm, KVM_SIGNAL_MSI, &nmi));
	/* its low bits are not its number */
	nmi.address_hi = 0;
	EXPECT_EQ(0, vm_ioctl(&vm, KVM_SIGNAL_MSI, &nmi));
	nmi.address_lo = 0xfee00000 | 2 << 12;
	EXPECT_EQ(1, vm_ioctl(&vm, KVM_SIGNAL_MSI, &nmi));
	close(wide);
	close(narrow);
	close(vm.fd);
	close(vm.kvm);
}

FIXTURE(split) {
	struct machine m[1];
};

FIXTURE_SETUP(split)
{
	MACHINE_SETUP(self->m, 1, VM_SPLIT);
	machine_eoi(self->m, EOI_XAPIC);
}

FIXTURE_TEARDOWN(split)
{
	machine_destroy(self->m);
}

/* Of a level-triggered message of userspace's IOAPIC, the EOI is told; of an edge it is not. */
TEST_F(split, eoi_is_told)
{
	const struct kvm_irq_routing_entry routes[] = {
		msi_route(3, 0, 0x63 | REDIR_LEVEL | 0x4000), msi_route(4, 0, 0x64),
	};
	struct kvm_run *run = self->m->cpu[0].run;

	step_enable(self->m, 0, false);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	ASSERT_EQ(0, set_routes(self->m, routes, 2));
	EXPECT_EQ(1, signal_msi(self->m, 0, 0x63 | REDIR_LEVEL | 0x4000));
	EXPECT_EQ(1, signal_msi(self->m, 0, 0x64));
	ASSERT_EQ(KVM_EXIT_IOAPIC_EOI, vm_run(&self->m->cpu[0])) {
		TH_LOG("%s", vm_why(&self->m->cpu[0]));
	}
	EXPECT_EQ(0x63, run->eoi.vector);
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_STREQ("6463", order_of(self->m));
}

TEST_F(split, interrupt_from_userspace)
{
	struct vm *vm = &self->m->cpu[0];

	machine_eoi(self->m, EOI_NOTHING);
	step_enable(self->m, 0, false);
	S(0, WRITE, LAPIC_PAGE + APIC_LINT0, LVT_EXTINT);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	S(0, OUT, PORT_MARK, 0);
	ASSERT_MARK(self->m);
	EXPECT_EQ(0, vm->run->ready_for_interrupt_injection);
	vm->run->request_interrupt_window = 1;
	ASSERT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, vm_run(vm)) {
		TH_LOG("%s", vm_why(vm));
	}
	EXPECT_EQ(1, vm->run->ready_for_interrupt_injection);
	vm->run->request_interrupt_window = 0;
	EXPECT_EQ(-EINVAL, vm_interrupt(vm, 256));
	ASSERT_EQ(0, vm_interrupt(vm, 0x4b));
	/* one waits */
	EXPECT_EQ(-EEXIST, vm_interrupt(vm, 0x4c));
	ASSERT_NEXT(self->m, PORT_MARK);
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_STREQ("4b", order_of(self->m));
}

/* Case 74: handed over, and moved before it was delivered. */
TEST_F(split, interrupt_moved)
{
	machine_eoi(self->m, EOI_NOTHING);
	S(0, WRITE, LAPIC_PAGE + APIC_LINT0, LVT_EXTINT);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	ASSERT_EQ(0, vm_complete(&self->m->cpu[0]));
	ASSERT_EQ(0, vm_interrupt(&self->m->cpu[0], 0x61));
	ASSERT_EQ(NULL, (void *)machine_move(self->m));
	ASSERT_NEXT(self->m, PORT_DONE);
	EXPECT_STREQ("61", order_of(self->m));
}

/* Masked at LINT0, userspace's PICs are not heard: there is no window for them. */
TEST_F(split, no_window_behind_a_mask)
{
	struct vm *vm = &self->m->cpu[0];

	step_enable(self->m, 0, false);
	S(0, WRITE, LAPIC_PAGE + APIC_LINT0, LVT_EXTINT | LVT_MASKED);
	S(0, OUT, PORT_MARK, 0);
	S(0, OPEN, 0, 0);
	S(0, OUT, PORT_MARK, 0);
	S(0, WRITE, LAPIC_PAGE + APIC_LINT0, LVT_EXTINT);
	S(0, OPEN, 0, 0);
	ASSERT_MARK(self->m);
	vm->run->request_interrupt_window = 1;
	ASSERT_NEXT(self->m, PORT_MARK);
	ASSERT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, vm_run(vm));
}

TEST_F(split, errors)
{
	struct vm *vm = &self->m->cpu[0];
	struct kvm_irq_routing_entry route = { .type = KVM_IRQ_ROUTING_IRQCHIP };
	struct kvm_irqfd irqfd = { .gsi = 3, .flags = KVM_IRQFD_FLAG_RESAMPLE };
	struct kvm_irqchip chip = { 0 };

	EXPECT_EQ(-ENXIO, vm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(-ENXIO, vm_ioctl(vm, KVM_SET_IRQCHIP, &chip));
	EXPECT_EQ(-EINVAL, set_routes(self->m, &route, 1));
	EXPECT_EQ(-EEXIST, vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL));
	/* userspace's IOAPIC gets the EOIs: nobody here could resample */
	irqfd.fd = eventfd(0, 0);
	irqfd.resamplefd = irqfd.fd;
	EXPECT_EQ(-EINVAL, vm_ioctl(vm, KVM_IRQFD, &irqfd));
	irqfd.flags = 0;
	EXPECT_EQ(0, vm_ioctl(vm, KVM_IRQFD, &irqfd));
	close(irqfd.fd);
}

TEST_HARNESS_MAIN
