// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PIT in the kernel: channel 0 raises IRQ 0 at its rate, ticks are kept for
 * a guest that is late (KVM_REINJECT_CONTROL), the port of the speaker, and
 * what userspace reads and writes.
 */
#include <unistd.h>
#include "kvm_test.h"
#include "machine.h"

#define VECTOR(cpu, v)	(COUNTS(cpu) + 8 * (v))
#define S(cpu, op, a, b)	step(self->m, cpu, OP_##op, a, b)
#define TICK	0x40

FIXTURE(pit) {
	struct machine m[1];
};

static void outb(struct machine *m, unsigned int port, unsigned int value)
{
	step(m, 0, OP_OUT, port, value);
}

/* The PICs' vectors from 0x40, only line 0 open, and the processor listens. */
static void program_pics(struct machine *m)
{
	static const uint8_t words[][2] = {
		{ 0x20, 0x11 }, { 0x21, TICK }, { 0x21, 0x04 }, { 0x21, 0x01 }, { 0x21, 0xfe },
		{ 0xa0, 0x11 }, { 0xa1, 0x48 }, { 0xa1, 0x02 }, { 0xa1, 0x01 }, { 0xa1, 0xff },
	};
	unsigned int i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		outb(m, words[i][0], words[i][1]);
	step_enable(m, 0, false);
	step(m, 0, OP_WRITE, LAPIC_PAGE + APIC_LINT0, LVT_EXTINT);
}

static void program_channel(struct machine *m, unsigned int mode, unsigned int count)
{
	outb(m, 0x43, 0x30 | mode << 1);
	outb(m, 0x40, count & 0xff);
	outb(m, 0x40, count >> 8);
}

FIXTURE_SETUP(pit)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	MACHINE_SETUP(self->m, 1, VM_IRQCHIP);
	machine_eoi(self->m, EOI_PICS);
	ASSERT_EQ(0, vm_ioctl(&self->m->cpu[0], KVM_CREATE_PIT2, &config));
	program_pics(self->m);
}

FIXTURE_TEARDOWN(pit)
{
	machine_destroy(self->m);
}

static int reinject(struct machine *m, unsigned int on)
{
	struct kvm_reinject_control control = { .pit_reinject = on };

	return vm_ioctl(&m->cpu[0], KVM_REINJECT_CONTROL, &control);
}

/* 11932 pulses are 10 ms.  Late is possible, on a busy host; early is not. */
TEST_F(pit, periodic)
{
	static const unsigned int modes[] = { 2, 3 };
	uint64_t start, took;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		machine_clear(self->m);
		machine_eoi(self->m, EOI_PICS);
		program_pics(self->m);
		program_channel(self->m, modes[i], 11932);
		S(0, HALT_UNTIL, VECTOR(0, TICK), 20);
		start = now_ms();
		ASSERT_RUNS(self->m);
		took = now_ms() - start;
		EXPECT_LE(180, took);
		EXPECT_GE(3000, took);
	}
}

TEST_F(pit, one_shot)
{
	uint64_t start = now_ms();

	program_channel(self->m, 0, 11932 * 3);
	S(0, HALT_UNTIL, VECTOR(0, TICK), 1);
	S(0, DELAY, 0, 100000000);
	ASSERT_RUNS(self->m);
	EXPECT_LE(29, now_ms() - start);
	EXPECT_EQ(1, count_of(self->m, 0, TICK));
}

/* Ticks that come while interrupts are off: all of them, or one. */
TEST_F(pit, ticks_are_kept)
{
	ASSERT_EQ(0, reinject(self->m, 1));
	program_channel(self->m, 2, 11932);
	S(0, INC, WORD(0), 0);
	S(0, WAIT, WORD(1), 1);
	/* stopped: what comes now is what was owed */
	outb(self->m, 0x21, 0xfe);
	S(0, INC, WORD(2), 0);
	S(0, SPIN, WORD(3), 1);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
	usleep(300000);
	*(volatile uint64_t *)(self->m->cpu[0].mem + WORD(1)) = 1;
	ASSERT_TRUE(word_becomes(self->m, WORD(2), 1));
	usleep(100000);
	*(volatile uint64_t *)(self->m->cpu[0].mem + WORD(3)) = 1;
	ASSERT_EQ(NULL, (void *)machine_end(self->m, 6));
	EXPECT_LE(25, count_of(self->m, 0, TICK));
}

#define PIT_PIN		0	/* of the IOAPIC, by default */
#define PIN_VECTOR	0x50

/* The same by the IOAPIC. */
TEST_F(pit, ticks_are_kept_by_the_ioapic)
{
	ASSERT_EQ(0, reinject(self->m, 1));
	machine_eoi(self->m, EOI_XAPIC);
	outb(self->m, 0x21, 0xff);
	step_pin(self->m, PIT_PIN, PIN_VECTOR);
	program_channel(self->m, 2, 11932);
	S(0, INC, WORD(0), 0);
	S(0, WAIT, WORD(1), 1);
	S(0, SPIN, WORD(2), 1);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
	usleep(300000);
	*(volatile uint64_t *)(self->m->cpu[0].mem + WORD(1)) = 1;
	usleep(100000);
	*(volatile uint64_t *)(self->m->cpu[0].mem + WORD(2)) = 1;
	ASSERT_EQ(NULL, (void *)machine_end(self->m, 6));
	EXPECT_LE(25, count_of(self->m, 0, PIN_VECTOR));
	EXPECT_EQ(0, count_of(self->m, 0, TICK));
}

/*
 * Systems that go from the PICs to the IOAPIC leave a tick behind that nobody takes: requested at
 * the PIC, then masked, there or on the way to the processor.
 */
static const char *leave_a_tick(struct machine *m, bool mask_lint0)
{
	machine_clear(m);
	machine_eoi(m, EOI_XAPIC);
	program_pics(m);
	program_channel(m, 2, 11932);
	step(m, 0, OP_INC, WORD(0), 0);
	step(m, 0, OP_WAIT, WORD(1), 1);
	if (mask_lint0)
		step(m, 0, OP_WRITE, LAPIC_PAGE + APIC_LINT0, LVT_EXTINT | LVT_MASKED);
	else
		outb(m, 0x21, 0xff);
	step_pin(m, PIT_PIN, PIN_VECTOR);
	step(m, 0, OP_HALT_UNTIL, VECTOR(0, PIN_VECTOR), 5);
	step_pin(m, PIT_PIN, PIN_VECTOR | 1 << 16);
	return machine_begin(m);
}

TEST_F(pit, goes_on_by_the_ioapic)
{
	unsigned int mask_lint0;

	for (mask_lint0 = 0; mask_lint0 < 2; mask_lint0++) {
		ASSERT_EQ(NULL, (void *)leave_a_tick(self->m, mask_lint0));
		ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
		usleep(50000);
		*(volatile uint64_t *)(self->m->cpu[0].mem + WORD(1)) = 1;
		ASSERT_EQ(NULL, (void *)machine_end(self->m, 6)) {
			TH_LOG("masked at %s", mask_lint0 ? "LINT0" : "the PIC");
		}
		EXPECT_LE(5, count_of(self->m, 0, PIN_VECTOR));
		EXPECT_EQ(0, count_of(self->m, 0, TICK));
	}
}

TEST_F(pit, ticks_are_lost)
{
	ASSERT_EQ(0, reinject(self->m, 0));
	program_channel(self->m, 2, 59659);	/* 50 ms */
	S(0, INC, WORD(0), 0);
	S(0, WAIT, WORD(1), 1);
	S(0, OPEN, 0, 0);
	S(0, OPEN, 0, 0);
	S(0, OPEN, 0, 0);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
	usleep(500000);
	*(volatile uint64_t *)(self->m->cpu[0].mem + WORD(1)) = 1;
	ASSERT_EQ(NULL, (void *)machine_end(self->m, 6));
	EXPECT_LE(1, count_of(self->m, 0, TICK));
	EXPECT_GE(2, count_of(self->m, 0, TICK));
}

/* Bits 0 and 1 are kept, bit 5 is channel 2's output, bit 4 changes. */
TEST_F(pit, speaker)
{
	unsigned int written, shut, first, i;
	bool changes = false;

	outb(self->m, 0x61, 3);
	written = S(0, IN, 0x61, 0);
	outb(self->m, 0x61, 0);
	shut = S(0, IN, 0x61, 0);
	first = S(0, IN, 0x61, 0);
	for (i = 1; i < 40; i++)
		S(0, IN, 0x61, 0);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(3, step_result(self->m, 0, written) & 3);
	EXPECT_EQ(0, step_result(self->m, 0, shut) & 3);
	for (i = 1; i < 40; i++)
		changes |= (step_result(self->m, 0, first) ^
			    step_result(self->m, 0, first + i)) & 0x10;
	EXPECT_TRUE(changes);
}

/* A latched count does not go on; the next one is another. */
TEST_F(pit, count_is_read)
{
	unsigned int first;

	outb(self->m, 0x43, 0xb4);	/* channel 2 */
	outb(self->m, 0x42, 0xff);
	outb(self->m, 0x42, 0xff);
	outb(self->m, 0x61, 1);
	S(0, DELAY, 0, 1000000);
	outb(self->m, 0x43, 0x80);
	first = S(0, IN, 0x42, 0);
	S(0, IN, 0x42, 0);
	ASSERT_RUNS(self->m);
	EXPECT_NE(0xffff, step_result(self->m, 0, first) |
			  step_result(self->m, 0, first + 1) << 8);
}

TEST_F(pit, state_is_moved)
{
	struct kvm_pit_state2 state, again;
	struct vm *vm = &self->m->cpu[0];
	struct machine next[1];
	struct kvm_pit_config config = { 0 };

	outb(self->m, 0x61, 2);
	program_channel(self->m, 2, 11932);
	outb(self->m, 0x43, 0x74);
	outb(self->m, 0x41, 0x34);
	outb(self->m, 0x41, 0x12);
	S(0, HALT_UNTIL, VECTOR(0, TICK), 1);
	ASSERT_RUNS(self->m);
	memset(&state, 0xff, sizeof(state));
	ASSERT_EQ(0, vm_ioctl(vm, KVM_GET_PIT2, &state));
	EXPECT_EQ(11932, state.channels[0].count);
	EXPECT_EQ(2, state.channels[0].mode);
	EXPECT_EQ(0x1234, state.channels[1].count);
	EXPECT_EQ(KVM_PIT_FLAGS_SPEAKER_DATA_ON, state.flags);
	ASSERT_EQ(NULL, (void *)machine_create(next, 1, VM_IRQCHIP));
	ASSERT_EQ(0, vm_ioctl(&next->cpu[0], KVM_CREATE_PIT2, &config));
	ASSERT_EQ(0, vm_ioctl(&next->cpu[0], KVM_SET_PIT2, &state));
	ASSERT_EQ(0, vm_ioctl(&next->cpu[0], KVM_GET_PIT2, &again));
	EXPECT_EQ(11932, again.channels[0].count);
	EXPECT_EQ(0x1234, again.channels[1].count);
	/* it ticks there */
	machine_eoi(next, EOI_PICS);
	program_pics(next);
	step(next, 0, OP_HALT_UNTIL, VECTOR(0, TICK), 3);
	EXPECT_EQ(NULL, (void *)machine_run(next, 6));
	machine_destroy(next);
}

/*
 * Two vCPUs that reprogram it all the time, while it fires: every 859 us, which leaves a slow host
 * time for other things.
 */
TEST_F(pit, programmed_by_two)
{
	struct machine m[1];
	struct kvm_pit_config config = { 0 };
	unsigned int i, first;

	ASSERT_EQ(NULL, (void *)machine_create(m, 2, VM_IRQCHIP));
	ASSERT_EQ(0, vm_ioctl(&m->cpu[0], KVM_CREATE_PIT2, &config));
	machine_eoi(m, EOI_PICS);
	program_pics(m);
	for (i = 0; i < 2; i++) {
		step(m, i, OP_STORE, WORD(i), 1500);
		first = step(m, i, OP_OUT, 0x43, 0x24);
		step(m, i, OP_OUT, 0x40, 4);
		step(m, i, OP_OPEN, 0, 0);
		step(m, i, OP_LOOP, WORD(i), first);
	}
	EXPECT_EQ(NULL, (void *)machine_run(m, 20));
	machine_destroy(m);
}

/* The machine ends while it ticks. */
TEST_F(pit, closed_while_it_ticks)
{
	struct kvm_pit_config config = { 0 };
	struct machine m[1];
	unsigned int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(NULL, (void *)machine_create(m, 2, VM_IRQCHIP));
		ASSERT_EQ(0, vm_ioctl(&m->cpu[0], KVM_CREATE_PIT2, &config));
		program_pics(m);
		program_channel(m, 2, 240);
		ASSERT_EQ(NULL, (void *)machine_run(m, 6));
		machine_destroy(m);
	}
}

TEST_F(pit, errors)
{
	struct kvm_pit_config config = { 0 };
	struct kvm_pit_state2 state;
	struct vm *vm = &self->m->cpu[0];

	EXPECT_EQ(-EEXIST, vm_ioctl(vm, KVM_CREATE_PIT2, &config));
	EXPECT_EQ(-EEXIST, vm_ioctl(vm, KVM_CREATE_PIT, NULL));
	ASSERT_EQ(0, vm_ioctl(vm, KVM_GET_PIT2, &state));
	EXPECT_EQ(0, vm_ioctl(vm, KVM_SET_PIT2, &state));
	EXPECT_EQ(0, vm_ioctl(vm, KVM_SET_PIT, &state));
}

TEST_HARNESS_MAIN
