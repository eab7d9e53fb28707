// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpus - vCPUs that move between the host's processors, which come and go under them.
 *
 * Three VMs run a guest that checks itself on every round: registers, memory, XMM, GS and
 * the base behind SWAPGS, the MSRs of SYSCALL, and that time does not go back.  NMIs are sent
 * to it, and each must be counted once.  Meanwhile threads are moved, at exits and under way;
 * state is read from another processor than the one the vCPU was on; processors go offline
 * and come back; VMs are made while one is missing.  With --sleep, the machine goes to sleep,
 * too, and wakes up: a rehearsal (pm_test), up to the call of firmware.  Then, one machine
 * with eight vCPUs: smp.c.
 *
 * usage: cpus [--sleep] [--smp] [--spin] [--percent N]
 * --smp: only that machine.  --spin: its vCPUs do not halt.  --percent: how much it does.
 * Needs root and two processors.  Output is TAP 13.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "cpus.h"

#define VMS		3	/* one more than there are processors for */

/* What the guest keeps in memory. */
#define COUNT		(DATA + 0x000)
#define NMIS		(DATA + 0x008)
#define USER_MAGIC	(DATA + 0x100)
#define KERNEL_MAGIC	(DATA + 0x200)

#define MAGIC_USER	0x1122334455667788
#define MAGIC_KERNEL	0x7788112233445566

#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_SFMASK		0xc0000084
#define MSR_KERNEL_GS_BASE	0xc0000102

/* RBX, COUNT and XMM3 count together; R12 is the last time that was seen. */
GUEST(cpus_start,
	"1: inc %rbx\n"
	"incq " STR(COUNT) "\n"
	"cmp " STR(COUNT) ", %rbx\n"
	"jne cpus_wrong\n"
	"movq %xmm3, %rax\n"
	"inc %rax\n"
	"movq %rax, %xmm3\n"
	"cmp %rbx, %rax\n"
	"jne cpus_wrong\n"
	"mov $" STR(MAGIC_USER) ", %rdx\n"
	"cmp %gs:0, %rdx\n"
	"jne cpus_wrong\n"
	"swapgs\n"
	"mov $" STR(MAGIC_KERNEL) ", %rdx\n"
	"cmp %gs:0, %rdx\n"
	"jne cpus_wrong\n"
	"swapgs\n"
	"xor %esi, %esi\n"
	"syscall\n"
	"cmp $1, %esi\n"
	"jne cpus_wrong\n"
	"rdtsc\n"
	"shl $32, %rdx\n"
	"or %rdx, %rax\n"
	"cmp %r12, %rax\n"
	"jb cpus_wrong\n"
	"mov %rax, %r12\n"
	"test $0x3ff, %ebx\n"
	"jne 1b\n"
	OUT_MARK
	"jmp 1b\n"
	"cpus_syscall: inc %esi\n"
	"jmp *%rcx\n"
	"cpus_nmi: incq " STR(NMIS) "\n"
	"iretq\n"
	"cpus_wrong: jmp rt_done");
LABEL(cpus_syscall);
LABEL(cpus_nmi);

enum mode {
	STAYS,
	MOVES_ITSELF,	/* to the next processor, at each exit */
};

/**
 * struct worker - a VM and the thread that runs it
 * @vm: the VM
 * @thread: runs it
 * @mode: enum mode
 * @marks: exits made by the guest's own wish: a sign of life
 * @wrong: what went wrong, or NULL
 * @stop: the thread is to end
 */
struct worker {
	struct vm vm;
	pthread_t thread;
	int mode;
	unsigned long marks;
	const char *wrong;
	bool stop;
};

static struct worker workers[VMS];
static char why[200];

/* --- The host's processors ------------------------------------------------------------- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

bool set_online(bool online)
{
	return write_file("/sys/devices/system/cpu/cpu1/online", online ? "1" : "0");
}

void move_to(pthread_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(thread, sizeof(set), &set);
}

void move_anywhere(pthread_t thread)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	CPU_SET(1, &set);
	pthread_setaffinity_np(thread, sizeof(set), &set);
}

void pause_ms(unsigned int ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}

/* --- The vCPUs ------------------------------------------------------------------------- */

void set_gate(struct vm *vm, unsigned int vector, uint64_t handler)
{
	uint8_t *gate = vm->mem + IDT + 16 * vector;
	uint16_t low = handler, middle = handler >> 16;

	memcpy(gate, &low, sizeof(low));
	memcpy(gate + 6, &middle, sizeof(middle));
}

uint64_t guest_word(struct vm *vm, uint64_t address)
{
	return __atomic_load_n((uint64_t *)(vm->mem + address), __ATOMIC_RELAXED);
}

static const char *prepare(struct vm *vm)
{
	const uint64_t user = MAGIC_USER, kernel = MAGIC_KERNEL;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[4];
	} msrs = {
		.head.nmsrs = 4,
		.entry = {
			{ .index = MSR_STAR, .data = (uint64_t)SEL_CODE << 32 },
			{ .index = MSR_LSTAR, .data = GA(cpus_syscall) },
			{ .index = MSR_SFMASK },
			{ .index = MSR_KERNEL_GS_BASE, .data = KERNEL_MAGIC },
		},
	};
	struct kvm_sregs sregs;

	vm_start(vm, GA(cpus_start), RFLAGS_IF);
	set_gate(vm, 2, GA(cpus_nmi));
	memcpy(vm->mem + USER_MAGIC, &user, sizeof(user));
	memcpy(vm->mem + KERNEL_MAGIC, &kernel, sizeof(kernel));
	if (vcpu_ioctl(vm, KVM_GET_SREGS, &sregs))
		return "KVM_GET_SREGS";
	sregs.gs.base = USER_MAGIC;
	if (vcpu_ioctl(vm, KVM_SET_SREGS, &sregs))
		return "KVM_SET_SREGS";
	return vcpu_ioctl(vm, KVM_SET_MSRS, &msrs) < 0 ? "KVM_SET_MSRS" : NULL;
}

/* One KVM_RUN.  Returns what is wrong, or NULL. */
static const char *run_once(struct worker *w)
{
	struct kvm_run *run = w->vm.run;
	int err = vcpu_ioctl(&w->vm, KVM_RUN, NULL);

	if (err == -EINTR || err == -EAGAIN)
		return NULL;
	if (err < 0)
		return strerror(-err);
	if (run->exit_reason == KVM_EXIT_INTR)
		return NULL;
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT_MARK)
		return vm_why(&w->vm);
	__atomic_add_fetch(&w->marks, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int cpu = 0;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED) && !w->wrong) {
		__atomic_store_n(&w->wrong, run_once(w), __ATOMIC_RELAXED);
		if (__atomic_load_n(&w->mode, __ATOMIC_RELAXED) == MOVES_ITSELF)
			move_to(pthread_self(), cpu ^= 1);
	}
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

static const char *begin(struct worker *w)
{
	const char *wrong = vm_create(&w->vm, 0) ?: prepare(&w->vm);

	w->marks = 0;
	w->wrong = NULL;
	w->stop = false;
	w->mode = STAYS;
	if (!wrong && pthread_create(&w->thread, NULL, work, w))
		wrong = "pthread_create";
	return wrong;
}

static void end(struct worker *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
	pthread_kill(w->thread, SIGUSR1);
	pthread_join(w->thread, NULL);
	vm_destroy(&w->vm);
}

bool fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return false;
}

static bool begin_all(void)
{
	unsigned int i;

	for (i = 0; i < VMS; i++) {
		const char *wrong = begin(&workers[i]);

		if (wrong)
			return fail("%s", wrong);
	}
	return true;
}

static void end_all(void)
{
	unsigned int i;

	for (i = 0; i < VMS; i++)
		end(&workers[i]);
}

/* Each of them goes on: some more rounds from now. */
static bool lives(struct worker *w)
{
	unsigned long seen = __atomic_load_n(&w->marks, __ATOMIC_RELAXED);
	unsigned int ms;

	for (ms = 0; ms < PATIENCE * 1000; ms++) {
		const char *wrong = __atomic_load_n(&w->wrong, __ATOMIC_RELAXED);

		if (wrong)
			return fail("vCPU %d: %s", (int)(w - workers), wrong);
		if (__atomic_load_n(&w->marks, __ATOMIC_RELAXED) > seen + 1)
			return true;
		pause_ms(1);
	}
	return fail("vCPU %d does not go on", (int)(w - workers));
}

static bool all_live(void)
{
	unsigned int i;

	for (i = 0; i < VMS; i++)
		if (!lives(&workers[i]))
			return false;
	return true;
}

/* An NMI comes once, wherever the vCPU is meanwhile. */
static bool nmi_counted(struct worker *w)
{
	uint64_t before = guest_word(&w->vm, NMIS);
	unsigned int ms;

	if (vcpu_ioctl(&w->vm, KVM_NMI, NULL))
		return fail("KVM_NMI");
	for (ms = 0; ms < PATIENCE * 1000; ms++) {
		if (guest_word(&w->vm, NMIS) != before)
			break;
		pause_ms(1);
	}
	if (guest_word(&w->vm, NMIS) != before + 1)
		return fail("an NMI was counted %d times",
			    (int)(guest_word(&w->vm, NMIS) - before));
	return true;
}

static unsigned int percent = 100;

unsigned int rounds(unsigned int count)
{
	return (count * percent + 99) / 100;
}

/* --- The tests ------------------------------------------------------------------------- */

static bool moved_at_exits(void)
{
	unsigned int i, round;

	for (i = 0; i < VMS; i++)
		__atomic_store_n(&workers[i].mode, MOVES_ITSELF, __ATOMIC_RELAXED);
	for (round = 0; round < rounds(40); round++)
		if (!all_live())
			return false;
	for (i = 0; i < VMS; i++)
		__atomic_store_n(&workers[i].mode, STAYS, __ATOMIC_RELAXED);
	return all_live();
}

static bool moved_under_way(void)
{
	unsigned int i, round;

	for (round = 0; round < rounds(150); round++) {
		for (i = 0; i < VMS; i++)
			move_to(workers[i].thread, (round + i) & 1);
		pause_ms(round % 4);
		if (round % 10 == 0 && !nmi_counted(&workers[round % VMS]))
			return false;
	}
	return all_live();
}

/* The vCPU was on another processor, and may be back there before the next call. */
static bool state_from_elsewhere(void)
{
	unsigned int round;

	for (round = 0; round < rounds(60); round++) {
		struct worker *w = &workers[round % VMS];
		struct kvm_sregs sregs;
		struct kvm_regs regs;

		move_to(w->thread, round & 1);
		move_to(pthread_self(), !(round & 1));
		pthread_kill(w->thread, SIGUSR1);
		if (vcpu_ioctl(&w->vm, KVM_GET_SREGS, &sregs) ||
		    vcpu_ioctl(&w->vm, KVM_GET_REGS, &regs))
			return fail("reading a vCPU's state");
		if (sregs.gs.base != USER_MAGIC && sregs.gs.base != KERNEL_MAGIC)
			return fail("GS base %#llx", sregs.gs.base);
		if (regs.r12 == 0 || regs.rip < CODE || regs.rip >= CODE + CODE_SIZE)
			return fail("RIP %#llx, R12 %#llx", regs.rip, regs.r12);
	}
	move_anywhere(pthread_self());
	return all_live();
}

static bool cpu_comes_and_goes(void)
{
	unsigned int i, round;

	for (round = 0; round < rounds(3); round++) {
		for (i = 0; i < VMS; i++)
			move_anywhere(workers[i].thread);
		/* one has to leave it at once, one was there last */
		move_to(workers[round % VMS].thread, 1);
		if (!all_live())
			return false;
		move_anywhere(workers[round % VMS].thread);
		if (!set_online(false))
			return fail("a processor cannot go offline");
		if (!all_live() || !nmi_counted(&workers[round % VMS]))
			return false;
		if (!set_online(true))
			return fail("a processor cannot come back");
		for (i = 0; i < VMS; i++)
			move_to(workers[i].thread, 1);
		if (!all_live() || !nmi_counted(&workers[round % VMS]))
			return false;
	}
	return true;
}

/* The last VM goes and the first is made while a processor is missing. */
static bool made_without_it(void)
{
	unsigned int i;

	end_all();
	if (!set_online(false))
		return fail("a processor cannot go offline");
	if (!begin_all() || !all_live())
		return false;
	if (!set_online(true))
		return fail("a processor cannot come back");
	for (i = 0; i < VMS; i++)
		move_to(workers[i].thread, 1);
	if (!all_live())
		return false;
	end_all();
	if (!set_online(false) || !set_online(true))
		return fail("a processor without VMs cannot go and come back");
	return begin_all() && all_live();
}

#define PM_TEST		"/sys/power/pm_test"

static bool sleeps(void)
{
	unsigned int round;

	if (!write_file(PM_TEST, "core"))
		return fail("no " PM_TEST);
	/* it would stay there for five seconds */
	write_file("/sys/module/suspend/parameters/pm_test_delay", "0");
	for (round = 0; round < rounds(2); round++) {
		if (!write_file("/sys/power/state", "mem"))
			return fail("the machine does not go to sleep");
		if (!all_live() || !nmi_counted(&workers[round % VMS]))
			return false;
	}
	write_file(PM_TEST, "none");
	return true;
}

static const struct test tests[] = {
	{ "moved at exits", moved_at_exits },
	{ "moved under way", moved_under_way },
	{ "state from another processor", state_from_elsewhere },
	{ "a processor goes and comes back", cpu_comes_and_goes },
	{ "VMs made while it is away", made_without_it },
	{ "the machine sleeps", sleeps },	/* last: only if asked for */
};

static int run_tests(const struct test *list, unsigned int count)
{
	static unsigned int number;
	unsigned int i;
	int failed = 0;

	for (i = 0; i < count; i++) {
		bool good = list[i].body();

		printf("%sok %u %s\n", good ? "" : "not ", ++number, list[i].name);
		if (!good) {
			printf("# %s\n", why);
			failed = 1;
		}
	}
	return failed;
}

static int bail_out(const char *text)
{
	printf("Bail out! %s\n", text);
	return 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: cpus [--sleep] [--smp] [--spin] [--percent N]\n");
	return 2;
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_signal };
	unsigned int count = sizeof(tests) / sizeof(tests[0]) - 1;
	int failed = 0, i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--sleep"))
			count++;
		else if (!strcmp(argv[i], "--smp"))
			count = 0;
		else if (!strcmp(argv[i], "--spin"))
			smp_spins = true;
		else if (!strcmp(argv[i], "--percent") && i + 1 < argc)
			percent = atoi(argv[++i]);
		else
			return usage();
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGUSR1, &action, NULL);
	printf("TAP version 13\n1..%u\n", count + SMP_TESTS);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return bail_out("there is one processor");
	if (count) {
		if (!begin_all())
			return bail_out(why);
		failed = run_tests(tests, count);
		set_online(true);
		end_all();
	}
	failed |= run_tests(smp_tests, SMP_TESTS);
	set_online(true);
	smp_end();
	return failed;
}
