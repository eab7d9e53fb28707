// SPDX-License-Identifier: GPL-2.0-only
/*
 * smp.c - eight vCPUs on two of the host's processors: one machine.
 *
 * Its guest, smp_guest.S, sends interrupts and NMIs from each vCPU to each, has ticks of its
 * APICs' timers, and reads kvmclock.  Each interrupt must come, and once; the clock must not
 * go back.  Meanwhile threads are moved, a processor goes and comes back, and pages that all
 * vCPUs read and write are replaced under them: none may be seen after it was taken away.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "cpus.h"
#include "smp.h"

#define APIC_PERIOD_NS	10000000UL
#define GENERATIONS	4	/* pages of the file that take turns */
#define PAGE		0x1000UL

extern const uint8_t smp_start[], smp_stubs[], smp_nmi[];

/**
 * struct smp_cpu - a vCPU and the thread that runs it
 * @vm: the vCPU
 * @thread: runs it
 * @runs: there is that thread
 * @stop: it is to end
 * @over: it has ended: the guest said PORT_DONE, or @wrong
 * @wrong: what went wrong, or NULL
 */
struct smp_cpu {
	struct vm vm;
	pthread_t thread;
	bool runs;
	bool stop;
	bool over;
	const char *wrong;
};

static struct smp_cpu cpus[SMP_CPUS];
static struct vm *const machine = &cpus[0].vm;
static uint64_t began_ns;

bool smp_spins;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void put_word(uint64_t address, uint64_t value)
{
	__atomic_store_n((uint64_t *)(machine->mem + address), value, __ATOMIC_RELEASE);
}

static uint64_t of_cpu(unsigned int cpu, unsigned int what)
{
	return guest_word(machine, AREA(cpu) + what);
}

/* --- the machine ----------------------------------------------------------------------- */

static const char *exit_is_good(struct smp_cpu *c)
{
	struct kvm_run *run = c->vm.run;

	if (run->exit_reason == KVM_EXIT_INTR)
		return NULL;
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT_DONE)
		return "it has left its guest";
	c->stop = true;
	return NULL;
}

static void *run_cpu(void *arg)
{
	struct smp_cpu *c = arg;
	int err;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED) && !c->wrong) {
		err = vcpu_ioctl(&c->vm, KVM_RUN, NULL);
		if (err == -EINTR || err == -EAGAIN)
			continue;
		c->wrong = err < 0 ? strerror(-err) : exit_is_good(c);
	}
	__atomic_store_n(&c->over, true, __ATOMIC_RELEASE);
	return NULL;
}

static void prepare_memory(void)
{
	unsigned int cpu, i;
	uint64_t entry = APIC_PD | 7;

	memcpy(machine->mem + PDPT + 8 * 3, &entry, sizeof(entry));
	entry = (LAPIC_PAGE & ~0x1fffffULL) | 0x9b;	/* 2 MiB, not cached */
	memcpy(machine->mem + APIC_PD + 8 * (LAPIC_PAGE >> 21 & 511), &entry, sizeof(entry));
	set_gate(machine, 2, GA(smp_nmi));
	for (i = 0; i < SMP_VECTORS; i++)
		set_gate(machine, SMP_REQUEST + i, GA(smp_stubs) + 16 * i);
	for (cpu = 0; cpu < SMP_CPUS; cpu++) {
		uint64_t khz = vcpu_ioctl(&cpus[cpu].vm, KVM_GET_TSC_KHZ, NULL);

		put_word(AREA(cpu) + SMP_ID, cpu);
		put_word(AREA(cpu) + SMP_X2APIC, cpu & 1);
		put_word(AREA(cpu) + SMP_PERIOD,
			 cpu & 1 ? APIC_PERIOD_NS / 1000000 * khz : APIC_PERIOD_NS);
	}
}

static const char *prepare_cpu(struct smp_cpu *c, unsigned int cpu)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_regs regs = {
		.rip = GA(smp_start), .rflags = RFLAGS_FIXED, .rsp = SMP_STACK(cpu),
	};
	struct kvm_sregs sregs;

	if (vcpu_ioctl(&c->vm, KVM_GET_SREGS, &sregs))
		return "KVM_GET_SREGS";
	long_mode_sregs(&sregs);
	sregs.gs.base = AREA(cpu);
	if (vcpu_ioctl(&c->vm, KVM_SET_SREGS, &sregs))
		return "KVM_SET_SREGS";
	if (vcpu_ioctl(&c->vm, KVM_SET_REGS, &regs))
		return "KVM_SET_REGS";
	return vcpu_ioctl(&c->vm, KVM_SET_MP_STATE, &runnable) ? "KVM_SET_MP_STATE" : NULL;
}

static const char *create(void)
{
	const char *wrong = vm_create(machine, VM_IRQCHIP);
	unsigned int cpu;

	for (cpu = 1; cpu < SMP_CPUS && !wrong; cpu++)
		wrong = vm_add_vcpu(&cpus[cpu].vm, machine, cpu);
	if (wrong)
		return wrong;
	prepare_memory();
	put_word(COMMON_SPIN, smp_spins);
	for (cpu = 0; cpu < SMP_CPUS && !wrong; cpu++)
		wrong = prepare_cpu(&cpus[cpu], cpu);
	return wrong;
}

/* What a vCPU was about, for who has to find out why it does not go on. */
static void tell(unsigned int cpu)
{
	struct kvm_mp_state mp_state = { .mp_state = ~0U };
	struct kvm_regs regs = { 0 };

	vcpu_ioctl(&cpus[cpu].vm, KVM_GET_MP_STATE, &mp_state);
	vcpu_ioctl(&cpus[cpu].vm, KVM_GET_REGS, &regs);
	printf("# vCPU %u: rip %#llx (start %#llx) flags %#llx mp_state %u, %lu rounds, %lu ticks; "
	       "requests %lu, replies %lu, NMIs %lu of %lu, %lu twice, wrong %lu (%#lx, %#lx)\n",
	       cpu, regs.rip, (unsigned long long)GA(smp_start), regs.rflags, mp_state.mp_state,
	       of_cpu(cpu, SMP_ROUNDS), of_cpu(cpu, SMP_TICKS), of_cpu(cpu, SMP_REQUESTS),
	       of_cpu(cpu, SMP_REPLIES), of_cpu(cpu, SMP_NMIS), of_cpu(cpu, SMP_NMIS_SENT),
	       of_cpu(cpu, SMP_TWICE), of_cpu(cpu, SMP_WRONG), of_cpu(cpu, SMP_WRONG + 8),
	       of_cpu(cpu, SMP_WRONG + 16));
}

static void join_all(void)
{
	unsigned int cpu;

	for (cpu = 0; cpu < SMP_CPUS; cpu++) {
		struct smp_cpu *c = &cpus[cpu];

		if (!c->runs)
			continue;
		__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
		c->vm.run->immediate_exit = 1;
		pthread_kill(c->thread, SIGUSR1);
		pthread_join(c->thread, NULL);
		c->runs = false;
	}
}

/* All of them end, and say where they were. */
static bool fail_all(const char *text, unsigned int cpu)
{
	join_all();
	for (unsigned int i = 0; i < SMP_CPUS; i++)
		tell(i);
	return fail("vCPU %u: %s", cpu, text);
}

void smp_end(void)
{
	unsigned int cpu;

	join_all();
	for (cpu = SMP_CPUS; cpu-- > 1;) {
		if (!cpus[cpu].vm.mem)
			continue;
		cpus[cpu].vm.mem = NULL;
		vm_destroy(&cpus[cpu].vm);
	}
	if (machine->mem)
		vm_destroy(machine);
}

/* Each of them goes on: makes some more rounds from now. */
static bool all_go_on(void)
{
	unsigned int cpu, ms = 0;
	uint64_t seen[SMP_CPUS];

	for (cpu = 0; cpu < SMP_CPUS; cpu++)
		seen[cpu] = of_cpu(cpu, SMP_ROUNDS);
	for (cpu = 0; cpu < SMP_CPUS;) {
		if (!cpus[cpu].runs)
			return fail("an earlier test has ended it");
		if (__atomic_load_n(&cpus[cpu].over, __ATOMIC_ACQUIRE))
			return fail_all(cpus[cpu].wrong ?: "it is over", cpu);
		if (of_cpu(cpu, SMP_ROUNDS) > seen[cpu] + 1) {
			cpu++;
			continue;
		}
		if (ms++ == PATIENCE * 1000)
			return fail_all("it does not go on", cpu);
		pause_ms(1);
	}
	return true;
}

/* --- the tests ------------------------------------------------------------------------- */

/* Four on each processor. */
static bool begins(void)
{
	const char *wrong = create();
	unsigned int cpu, round;

	if (wrong)
		return fail("%s", wrong);
	began_ns = now_ns();
	for (cpu = 0; cpu < SMP_CPUS; cpu++) {
		if (pthread_create(&cpus[cpu].thread, NULL, run_cpu, &cpus[cpu]))
			return fail("pthread_create");
		cpus[cpu].runs = true;
		move_to(cpus[cpu].thread, cpu / 2 & 1);
	}
	for (round = 0; round < rounds(20); round++)
		if (!all_go_on())
			return false;
	return true;
}

/* One moves, or all do; and at times KVM_RUN returns. */
static bool holds_while_moved(void)
{
	unsigned int round, cpu;

	if (!all_go_on())
		return false;
	for (round = 0; round < rounds(200); round++) {
		cpu = round % SMP_CPUS;
		move_to(cpus[cpu].thread, round / SMP_CPUS & 1);
		if (round % 3 == 0)
			pthread_kill(cpus[(cpu + 3) % SMP_CPUS].thread, SIGUSR1);
		pause_ms(round % 4);
		if (round % 10)
			continue;
		for (cpu = 0; cpu < SMP_CPUS; cpu++)
			move_to(cpus[cpu].thread, (cpu ^ round / 10) & 1);
		if (!all_go_on())
			return false;
	}
	return all_go_on();
}

static bool holds_without_it(void)
{
	unsigned int round, cpu;

	if (!all_go_on())
		return false;
	for (round = 0; round < rounds(4); round++) {
		for (cpu = 0; cpu < SMP_CPUS; cpu++)
			move_anywhere(cpus[cpu].thread);
		/* some have to leave it at once */
		move_to(cpus[round % SMP_CPUS].thread, 1);
		move_to(cpus[(round + 3) % SMP_CPUS].thread, 1);
		if (!all_go_on())
			return false;
		if (!set_online(false))
			return fail("a processor cannot go offline");
		if (!all_go_on())
			return false;
		if (!set_online(true))
			return fail("a processor cannot come back");
		for (cpu = 0; cpu < SMP_CPUS; cpu++)
			move_to(cpus[cpu].thread, cpu & 1);
		if (!all_go_on())
			return false;
	}
	return true;
}

/* How often each vCPU has counted in a page. */
static void copy_counts(uint64_t *counts, const uint8_t *page)
{
	memcpy(counts, page + FLEETING_COUNT, SMP_CPUS * sizeof(*counts));
}

/*
 * The page is another one of a file, or a fresh one.  From then on nobody reads the old one, and
 * nobody writes to it.
 */
static bool holds_while_pages_go(void)
{
	int file = memfd_create("fleeting", MFD_CLOEXEC);
	uint64_t before[GENERATIONS][SMP_CPUS], after[SMP_CPUS];
	uint8_t *pages, *at = machine->mem + FLEETING(0), *fresh = machine->mem + FLEETING(1);
	unsigned int number;
	bool good = true;

	if (!all_go_on())
		return false;
	if (file < 0 || ftruncate(file, GENERATIONS * PAGE))
		return fail("memfd_create");
	pages = mmap(NULL, GENERATIONS * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (pages == MAP_FAILED)
		return fail("mapping the file");
	for (number = 1; good && number <= rounds(400); number++) {
		unsigned int page = number % GENERATIONS, old = (number - 1) % GENERATIONS;
		uint64_t *next = (uint64_t *)(pages + page * PAGE);

		copy_counts(after, pages + page * PAGE);
		if (number > GENERATIONS && memcmp(after, before[page], sizeof(after)))
			good = fail("written to after it was taken away");
		__atomic_store_n(next, number, __ATOMIC_RELEASE);
		if (mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
			 page * PAGE) != at)
			good = fail("replacing a page");
		copy_counts(before[old], pages + old * PAGE);
		put_word(COMMON_FLOOR(0), number);

		put_word(COMMON_FLOOR(1), 0);
		if (madvise(fresh, PAGE, MADV_DONTNEED))
			good = fail("taking a page away");
		put_word(FLEETING(1), number);
		put_word(COMMON_FLOOR(1), number);

		move_to(cpus[number % SMP_CPUS].thread, number / SMP_CPUS & 1);
		if (number % 4 == 0)
			pause_ms(1);
		if (number % 20 == 0)
			good = good && all_go_on();
	}
	munmap(pages, GENERATIONS * PAGE);
	close(file);
	return good && all_go_on();
}

static bool host_has_tsc(void)
{
	char name[16] = "";
	FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");

	if (file) {
		name[fread(name, 1, sizeof(name) - 1, file)] = '\0';
		fclose(file);
	}
	return !strcmp(name, "tsc\n");
}

/* The guest's clock, all the time, is that of KVM_GET_CLOCK, and as stable as that says. */
static bool clock_is_the_hosts(void)
{
	struct kvm_clock_data before = { 0 }, after = { 0 };
	uint64_t ns[SMP_CPUS];
	unsigned int cpu, round;

	for (round = 0; round < rounds(10); round++) {
		if (vm_ioctl(machine, KVM_GET_CLOCK, &before))
			return fail("KVM_GET_CLOCK");
		if (!all_go_on())
			return false;
		for (cpu = 0; cpu < SMP_CPUS; cpu++)
			ns[cpu] = of_cpu(cpu, SMP_TIME);
		if (vm_ioctl(machine, KVM_GET_CLOCK, &after))
			return fail("KVM_GET_CLOCK");
		for (cpu = 0; cpu < SMP_CPUS; cpu++) {
			if (!(after.flags & KVM_CLOCK_TSC_STABLE))
				continue;
			if (of_cpu(cpu, SMP_STABLE) != 2)
				return fail("vCPU %u's clock says that it is not stable", cpu);
			if (ns[cpu] < before.clock || ns[cpu] > after.clock)
				return fail("vCPU %u's clock says %lu, the machine's %llu to %llu",
					    cpu, ns[cpu], before.clock, after.clock);
		}
	}
	printf("# the clock is%s stable\n", after.flags & KVM_CLOCK_TSC_STABLE ? "" : " not");
	return after.flags & KVM_CLOCK_TSC_STABLE || !host_has_tsc() ||
	       fail("the host goes by its TSC, and the clock is not stable");
}

static bool count_is(const char *what, unsigned int cpu, uint64_t count, uint64_t wanted)
{
	return count == wanted || fail("vCPU %u: %lu %s instead of %lu", cpu, count, what, wanted);
}

static bool counts_are_right(unsigned int cpu, uint64_t called)
{
	uint64_t ns = now_ns() - began_ns, ticks = of_cpu(cpu, SMP_TICKS);
	unsigned int from;

	for (from = 0; from < SMP_CPUS; from++)
		if (!count_is("requests", cpu, of_cpu(cpu, SMP_CAME + 8 * from),
			      of_cpu(from, SMP_SENT + 8 * cpu)))
			return false;
	if (ticks < 2 || ticks > ns / APIC_PERIOD_NS + 1)
		return fail("vCPU %u: %lu ticks in %lu ns", cpu, ticks, ns);
	return count_is("replies", cpu, of_cpu(cpu, SMP_REPLIES), of_cpu(cpu, SMP_REQUESTS)) &&
	       count_is("NMIs", cpu, of_cpu(cpu, SMP_NMIS), of_cpu(cpu, SMP_NMIS_SENT)) &&
	       count_is("calls", cpu, of_cpu(cpu, SMP_CALLS), called - of_cpu(cpu, SMP_CALLED));
}

/* What was sent is what came, of each to each. */
static bool ends_with_all(void)
{
	uint64_t called = 0, requests = 0, nmis = 0, ticks = 0, twice = 0;
	unsigned int cpu, ms = 0;

	put_word(COMMON_STOP, 1);
	for (cpu = 0; cpu < SMP_CPUS; cpu++) {
		if (!cpus[cpu].runs)
			return fail("an earlier test has ended it");
		for (; !__atomic_load_n(&cpus[cpu].over, __ATOMIC_ACQUIRE); pause_ms(1))
			if (ms++ == PATIENCE * 1000)
				return fail_all("it does not end", cpu);
		if (cpus[cpu].wrong)
			return fail_all(cpus[cpu].wrong, cpu);
	}
	for (cpu = 0; cpu < SMP_CPUS; cpu++) {
		called += of_cpu(cpu, SMP_CALLED);
		requests += of_cpu(cpu, SMP_REQUESTS);
		nmis += of_cpu(cpu, SMP_NMIS);
		ticks += of_cpu(cpu, SMP_TICKS);
		twice += of_cpu(cpu, SMP_TWICE);
	}
	printf("# %lu requests and replies, %lu NMIs, %lu calls, %lu ticks; %lu twice\n",
	       requests, nmis, called, ticks, twice);
	for (cpu = 0; cpu < SMP_CPUS; cpu++)
		if (!counts_are_right(cpu, called))
			return false;
	if (twice)
		return fail("%lu deliveries came twice", twice);
	return (nmis && called) || fail("no NMIs or no calls");
}

const struct test smp_tests[SMP_TESTS] = {
	{ "eight vCPUs on two processors", begins },
	{ "eight that are moved", holds_while_moved },
	{ "eight, and a processor goes and comes back", holds_without_it },
	{ "eight whose memory comes and goes", holds_while_pages_go },
	{ "the clock of eight", clock_is_the_hosts },
	{ "each interrupt of eight has come, once", ends_with_all },
};
