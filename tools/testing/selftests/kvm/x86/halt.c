// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs that halt in the kernel: each kind of event wakes them, and no wake-up
 * is lost, however close it comes to the HLT.
 */
#include <cpuid.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "kvm_test.h"
#include "machine.h"

#define PING_PONGS	20000
#define STORM		30000
#define STORM_TIME	5000	/* ms: on a slow machine it is smaller */
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

/*
 * STI; HLT is one step only on processors that keep STI's shadow over an exit.  On one that does
 * not (probe_shadow()) an interrupt may come between the two, and the guest sleeps on: no kernel
 * can help that.  The test nudges it then, and counts; elsewhere nothing is to be nudged.
 */
#define NUDGE	0x7f

static void nudge(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->cpus; i++)
		signal_msi(m, i, NUDGE);
}

/*
 * Each waits for the other's interrupt, halting.  One that an emulator delivers twice puts a vCPU a
 * round ahead, and the next two may fall together: then counts differ.
 */
static void play(struct machine *m, unsigned int rounds)
{
	unsigned int i, first;

	for (i = 0; i < 2; i++) {
		step_enable(m, i, false);
		step(m, i, OP_STORE, WORD(4 + i), rounds);
	}
	step(m, 1, OP_INC, WORD(0), 0);
	step(m, 0, OP_WAIT, WORD(0), 1);
	for (i = 0; i < 2; i++) {
		first = m->steps[i];
		if (i == 0)
			step_ipi(m, 0, false, 1, 0x51);
		step(m, i, OP_HALT_NEXT, VECTOR(i, 0x50 + i), 0);
		if (i == 1)
			step_ipi(m, 1, false, 0, 0x50);
		step(m, i, OP_LOOP, WORD(4 + i), first);
	}
}

/* In ms: no round for so long is one lost.  How long all of it may take on a slow machine. */
#define STALL		400
#define STALL_STRICT	8000
#define PLAY_TIME	10000

struct result {
	unsigned int rounds;
	unsigned int nudges;
};

/* Watches until the rounds are over, or time is. @moves: threads change processors meanwhile. */
static struct result watch(struct machine *m, unsigned int rounds, unsigned int stall, bool moves)
{
	uint64_t end = now_ms() + PLAY_TIME, since = now_ms();
	struct result result = { 0 };
	unsigned int last = 0, i, turn;
	cpu_set_t set;

	for (turn = 0; now_ms() < end && result.rounds < rounds; turn++) {
		pause_ms(1);
		for (i = 0; moves && i < 2; i++) {
			CPU_ZERO(&set);
			CPU_SET((turn >> i) & 1, &set);
			machine_affinity(i, &set);
		}
		result.rounds = count_of(m, 0, 0x50);
		if (result.rounds != last)
			since = now_ms();
		last = result.rounds;
		if (now_ms() - since < stall)
			continue;
		since = now_ms();
		result.nudges++;
		nudge(m);
	}
	return result;
}

#define ASSERT_PLAYED(m, wanted, moves)					\
do {									\
	bool strict_ = probe_shadow();					\
	struct result result_;						\
									\
	play(m, wanted);						\
	ASSERT_EQ(NULL, (void *)machine_begin(m));			\
	result_ = watch(m, wanted, strict_ ? STALL_STRICT : STALL, moves); \
	TH_LOG("%u rounds, %u nudges, %u came twice", result_.rounds,	\
	       result_.nudges, (unsigned int)twice(m));			\
	machine_end(m, 1);						\
	EXPECT_GE(strict_ ? 1 : 1 + result_.rounds / 100,		\
		  labs((long)(count_of(m, 1, 0x51) - count_of(m, 0, 0x50)))); \
	EXPECT_LE((wanted) / 100, result_.rounds);			\
	EXPECT_GE(strict_ ? 0 : 1 + result_.rounds / 100, result_.nudges); \
	EXPECT_GE(strict_ ? 0 : 1 + result_.rounds / 100, twice(m));	\
} while (0)

/* Under Linux's KVM, TCG comes to a stop in the first of these, with all that it emulates. */
static bool stops_the_host(struct machine *m)
{
	char name[12];
	unsigned int eax;

	__cpuid(0x40000000, eax, *(unsigned int *)&name[0], *(unsigned int *)&name[4],
		*(unsigned int *)&name[8]);
	return !memcmp(name, "TCGTCGTCGTCG", sizeof(name)) &&
	       kvm_check(m->cpu[0].fd, KVM_CAP_X86_EXACT_STATE) <= 0;
}

TEST_F_TIMEOUT(halt, ping_pong, 100)
{
	if (stops_the_host(self->m))
		SKIP(return, "the emulator would stop");
	ASSERT_PLAYED(self->m, PING_PONGS / 2, false);
}

/* The vCPUs' threads hop between the host's processors meanwhile. */
TEST_F_TIMEOUT(halt, ping_pong_and_moved, 100)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is one processor");
	if (stops_the_host(self->m))
		SKIP(return, "the emulator would stop");
	ASSERT_PLAYED(self->m, PING_PONGS / 2, true);
}

/*
 * Messages from another thread as fast as it can: each is new to the vCPU, or falls together with
 * one that waits.  The last one of all is never the one that is lost.
 */
TEST_F_TIMEOUT(halt, storm, 100)
{
	uint64_t end = now_ms() + STORM_TIME;
	unsigned int i, fresh = 0;
	int r;

	if (stops_the_host(self->m))
		SKIP(return, "the emulator would stop");
	step_enable(self->m, 0, false);
	S(0, INC, WORD(0), 0);
	S(0, HALT_UNTIL, VECTOR(0, 0x66), 1);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	ASSERT_TRUE(word_becomes(self->m, WORD(0), 1));
	for (i = 0; i < STORM && now_ms() < end; i++) {
		r = signal_msi(self->m, 0, 0x55);
		ASSERT_LE(0, r);
		fresh += r;
	}
	ASSERT_EQ(1, signal_msi(self->m, 0, 0x66));
	ASSERT_TRUE(word_becomes(self->m, VECTOR(0, 0x66), 1));
	nudge(self->m);
	ASSERT_EQ(NULL, (void *)machine_end(self->m, SECONDS));
	EXPECT_LE(1, count_of(self->m, 0, 0x55));
	EXPECT_GE(i, count_of(self->m, 0, 0x55));
	/* what is delivered was new once; what comes close to a delivery may be said either way */
	EXPECT_GE(fresh, count_of(self->m, 0, 0x55));
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
	ASSERT_TRUE(word_becomes(self->m, VECTOR(0, 0x66), 1));
	nudge(self->m);
	ASSERT_EQ(NULL, (void *)machine_end(self->m, 6));
	EXPECT_EQ(3000, count_of(self->m, 0, 0x55));
}

TEST_HARNESS_MAIN
