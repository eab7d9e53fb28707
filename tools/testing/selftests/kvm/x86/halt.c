// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs that halt in the kernel: each kind of event wakes them, and no wake-up
 * is lost, however close it comes to the HLT.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include "kvm_test.h"
#include "machine.h"

#define PING_PONGS	100000
#define STORM		30000
#define SECONDS		60

#define VECTOR(cpu, v)	(COUNTS(cpu) + 8 * (v))
#define S(cpu, op, a, b)	step(self->m, cpu, OP_##op, a, b)

FIXTURE(halt) {
	struct machine m[1];
};

FIXTURE_SETUP(halt)
{
	MACHINE_SETUP(self->m, 2, VM_IRQCHIP);
	machine_eoi(self->m, EOI_XAPIC);
}

FIXTURE_TEARDOWN(halt)
{
	machine_destroy(self->m);
}

static void pause_ms(unsigned int ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}

/* Pin 4 of the IOAPIC is edge-triggered, and sends @vector to the first vCPU. */
static void program_pin(struct machine *m, unsigned int pin, uint64_t entry)
{
	step(m, 0, OP_WRITE, IOAPIC_PAGE, 0x10 + 2 * pin);
	step(m, 0, OP_WRITE, IOAPIC_PAGE + 0x10, (uint32_t)entry);
	step(m, 0, OP_WRITE, IOAPIC_PAGE, 0x11 + 2 * pin);
	step(m, 0, OP_WRITE, IOAPIC_PAGE + 0x10, entry >> 32);
}

TEST_F(halt, woken_by_a_line)
{
	step_enable(self->m, 0, false);
	program_pin(self->m, 4, 0x54);
	S(0, INC, WORD(0), 0);
	S(0, HALT_UNTIL, VECTOR(0, 0x54), 1);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
	pause_ms(20);
	EXPECT_EQ(0, irq_line(self->m, 4, 1));
	EXPECT_EQ(0, irq_line(self->m, 4, 0));
	EXPECT_EQ(NULL, (void *)machine_end(self->m, 6));
	EXPECT_EQ(1, count_of(self->m, 0, 0x54));
}

TEST_F(halt, woken_by_a_message)
{
	step_enable(self->m, 0, false);
	S(0, INC, WORD(0), 0);
	S(0, HALT_UNTIL, VECTOR(0, 0x55), 1);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
	pause_ms(20);
	EXPECT_EQ(1, signal_msi(self->m, 0, 0x55));
	EXPECT_EQ(NULL, (void *)machine_end(self->m, 6));
}

/* While it halts, nothing comes out that it was not interrupted for. */
TEST_F(halt, sleeps)
{
	struct kvm_mp_state state;

	step_enable(self->m, 0, false);
	S(0, INC, WORD(0), 0);
	S(0, HALT, 0, 0);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
	/* masked by the priority: no reason to wake up */
	EXPECT_NE(NULL, (void *)machine_end(self->m, 1));
	ASSERT_EQ(0, vcpu_ioctl(&self->m->cpu[0], KVM_GET_MP_STATE, &state));
	EXPECT_EQ(KVM_MP_STATE_HALTED, state.mp_state);
}

/* A class that TPR keeps out does not wake it; when userspace lowers TPR, it does. */
TEST_F(halt, not_woken_below_the_priority)
{
	struct kvm_mp_state state;
	struct vm *vm = &self->m->cpu[0];

	step_enable(self->m, 0, false);
	S(0, SET_CR8, 0, 8);
	S(0, INC, WORD(0), 0);
	S(0, HALT, 0, 0);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
	EXPECT_EQ(1, signal_msi(self->m, 0, 0x55));
	EXPECT_NE(NULL, (void *)machine_end(self->m, 1));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_MP_STATE, &state));
	EXPECT_EQ(KVM_MP_STATE_HALTED, state.mp_state);
	ASSERT_EQ(0, lapic_put(vm, APIC_TPR, 0));
	ASSERT_EQ(PORT_DONE, vm_run_out(vm)) {
		TH_LOG("%s", vm_why(vm));
	}
	EXPECT_EQ(1, count_of(self->m, 0, 0x55));
}

/* KVM_NMI waits for the vCPU's mutex: whoever sends it takes the vCPU out first. */
TEST_F(halt, woken_by_an_nmi)
{
	struct vm *vm = &self->m->cpu[0];

	step_enable(self->m, 0, false);
	S(0, INC, WORD(0), 0);
	S(0, CLI_HALT, 0, 0);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
	EXPECT_NE(NULL, (void *)machine_end(self->m, 1));
	ASSERT_EQ(0, vm_nmi(vm));
	ASSERT_EQ(PORT_DONE, vm_run_out(vm)) {
		TH_LOG("%s", vm_why(vm));
	}
	EXPECT_EQ(1, count_of(self->m, 0, 2));
}

TEST_F(halt, debugger_steps_over_it)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct kvm_mp_state state = { 0 };
	struct vm *vm = &self->m->cpu[0];
	unsigned int steps;

	step_enable(self->m, 0, false);
	S(0, OUT, PORT_MARK, 0);
	S(0, CLI_HALT, 0, 0);
	ASSERT_EQ(0, machine_start(self->m, 0));
	ASSERT_EQ(PORT_MARK, vm_run_out(vm));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_GUEST_DEBUG, &debug));
	for (steps = 0; steps < 30 && state.mp_state != KVM_MP_STATE_HALTED; steps++) {
		ASSERT_EQ(KVM_EXIT_DEBUG, vm_run(vm)) {
			TH_LOG("%s", vm_why(vm));
		}
		ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_MP_STATE, &state));
	}
	EXPECT_EQ(KVM_MP_STATE_HALTED, state.mp_state);
}

/* Each waits for the other's interrupt, halting: one that is lost is the end of it. */
TEST_F_TIMEOUT(halt, ping_pong, 100)
{
	unsigned int i, first;

	for (i = 0; i < 2; i++) {
		step_enable(self->m, i, false);
		S(i, STORE, WORD(4 + i), PING_PONGS / 2);
	}
	S(1, INC, WORD(0), 0);
	S(0, WAIT, WORD(0), 1);
	for (i = 0; i < 2; i++) {
		first = self->m->steps[i];
		if (i == 0)
			step_ipi(self->m, 0, false, 1, 0x51);
		S(i, HALT, 0, 0);
		if (i == 1)
			step_ipi(self->m, 1, false, 0, 0x50);
		S(i, LOOP, WORD(4 + i), first);
	}
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_EQ(NULL, (void *)machine_end(self->m, SECONDS)) {
		TH_LOG("%u and %u of %u", (unsigned int)count_of(self->m, 0, 0x50),
		       (unsigned int)count_of(self->m, 1, 0x51), PING_PONGS / 2);
	}
	EXPECT_EQ(PING_PONGS / 2, count_of(self->m, 0, 0x50));
	EXPECT_EQ(PING_PONGS / 2, count_of(self->m, 1, 0x51));
}

/*
 * The vCPUs' threads are moved between the host's processors meanwhile.  HALT_UNTIL looks at the
 * count before it halts: the same interrupt is waited for wherever it meets the vCPU.
 */
TEST_F_TIMEOUT(halt, ping_pong_and_moved, 100)
{
	unsigned int i, first, round;
	cpu_set_t set;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is one processor");
	for (i = 0; i < 2; i++) {
		step_enable(self->m, i, false);
		S(i, STORE, WORD(4 + i), PING_PONGS / 4);
	}
	S(1, INC, WORD(0), 0);
	S(0, WAIT, WORD(0), 1);
	for (i = 0; i < 2; i++) {
		first = self->m->steps[i];
		if (i == 0)
			step_ipi(self->m, 0, false, 1, 0x51);
		S(i, HALT, 0, 0);
		if (i == 1)
			step_ipi(self->m, 1, false, 0, 0x50);
		S(i, LOOP, WORD(4 + i), first);
	}
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	for (round = 0; round < 2000 && count_of(self->m, 0, 0x50) < PING_PONGS / 4; round++) {
		for (i = 0; i < 2; i++) {
			CPU_ZERO(&set);
			CPU_SET((round >> i) & 1, &set);
			machine_affinity(i, &set);
		}
		pause_ms(round % 7);
	}
	ASSERT_EQ(NULL, (void *)machine_end(self->m, SECONDS)) {
		TH_LOG("%u and %u of %u", (unsigned int)count_of(self->m, 0, 0x50),
		       (unsigned int)count_of(self->m, 1, 0x51), PING_PONGS / 4);
	}
	EXPECT_EQ(PING_PONGS / 4, count_of(self->m, 0, 0x50));
}

/*
 * Messages from another thread as fast as it can: each is new to the vCPU, or falls together with
 * one that waits.  The last one of all is never the one that is lost.
 */
TEST_F_TIMEOUT(halt, storm, 100)
{
	unsigned int i, fresh = 0;
	int r;

	step_enable(self->m, 0, false);
	S(0, INC, WORD(0), 0);
	S(0, HALT_UNTIL, VECTOR(0, 0x66), 1);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
	for (i = 0; i < STORM; i++) {
		r = signal_msi(self->m, 0, 0x55);
		ASSERT_LE(0, r);
		fresh += r;
	}
	ASSERT_EQ(1, signal_msi(self->m, 0, 0x66));
	ASSERT_EQ(NULL, (void *)machine_end(self->m, SECONDS));
	EXPECT_LE(1, count_of(self->m, 0, 0x55));
	EXPECT_GE(STORM, count_of(self->m, 0, 0x55));
	/* what is said to be new is delivered; what comes close to its delivery may be said either way */
	EXPECT_GE(count_of(self->m, 0, 0x55) + 1, fresh / 2);
}

static bool comes_soon(struct machine *m, unsigned int count)
{
	unsigned int tries;

	for (tries = 0; tries < 100000 && count_of(m, 0, 0x55) < count; tries++)
		sched_yield();
	return word_becomes(m, VECTOR(0, 0x55), count);
}

/* One at a time, each waited for: none may be lost, none may come twice. */
TEST_F(halt, one_by_one)
{
	unsigned int i;

	step_enable(self->m, 0, false);
	S(0, INC, WORD(0), 0);
	S(0, HALT_UNTIL, VECTOR(0, 0x66), 1);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
	for (i = 1; i <= 3000; i++) {
		ASSERT_EQ(1, signal_msi(self->m, 0, 0x55));
		ASSERT_TRUE(comes_soon(self->m, i)) {
			TH_LOG("number %u is lost", i);
		}
	}
	ASSERT_EQ(1, signal_msi(self->m, 0, 0x66));
	ASSERT_EQ(NULL, (void *)machine_end(self->m, 6));
	EXPECT_EQ(3000, count_of(self->m, 0, 0x55));
}

TEST_HARNESS_MAIN
