// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel.c - the workers that lean on the kernel: calls, time, pipes, memory; and registers held
 * through whatever interrupts them.
 *
 * Exceptions that end in a signal are in fault.c and debug.c.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "guest.h"
#include "probe.h"

enum { PAGE = 4096, SECOND = 1000000000 };
enum { CALLS = 40, SPINS = 4, SPIN_LENGTH = 2000000, ALARMS = 4, TICK_READS = 5, SLEEPS = 2 };
enum { MESSAGES = 60, NEW_PAGES = 24, COW_PAGES = 12, KEPT_PAGES = 1024, KEPT_A_ROUND = 128 };
enum { TICK_NS = 1000000, ALARM_US = 1500, ALARM_LIMIT = 30, LINUX_GETPID_32 = 20 };

#define DECLARE(name) extern const char snip_##name[]
DECLARE(syscall);
DECLARE(int80);
DECLARE(compat_int80);
DECLARE(spin);

static struct regs in, out;
static bool avx;

static void call(const char *what, const char *code, long number, long answer,
		 unsigned int changes)
{
	in.gpr[RAX] = number;
	probe(code, &in, &out, avx);
	must((long)out.gpr[RAX] == answer, "%s: answered %ld, not %ld", what, (long)out.gpr[RAX],
	     answer);
	probe_compare(what, &in, &out, changes | 1u << RAX);
}

/* Every entry into the kernel that a 64-bit process has; SYSENTER is #UD there, and in fault.c. */
static void calls(void)
{
	const unsigned int syscall_changes = 1u << RCX | 1u << R11;
	const unsigned int upper = 0xff00 | 1u << RSP;

	probe_fill(&in);
	sent(K_SYSCALL);
	call("syscall", snip_syscall, SYS_getppid, getppid(), syscall_changes);
	seen(K_SYSCALL);
	sent(K_INT80);
	call("int 0x80", snip_int80, LINUX_GETPID_32, getpid(), 0);
	seen(K_INT80);
	for (int i = 0; i < R8; i++)
		in.gpr[i] = (uint32_t)in.gpr[i];
	sent(K_INT80);
	call("int 0x80 in 32-bit code", snip_compat_int80, LINUX_GETPID_32, getpid(), upper);
	seen(K_INT80);
}

/* The kernel takes the fault itself, looks the instruction up in its table, and says so. */
static void bad_pointer(void)
{
	sent(K_EFAULT);
	must(syscall(SYS_uname, (void *)0x10) == -1 && errno == EFAULT,
	     "bad pointer: no EFAULT, errno %d", errno);
	seen(K_EFAULT);
}

void syscall_start(void)
{
	avx = probe_has_avx();
	asm volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(SELECTOR_DATA));
}

void syscall_round(void)
{
	for (int i = 0; i < CALLS; i++) {
		calls();
		bad_pointer();
	}
}

static unsigned int cpuid_first[3][4];

static void cpuid_read(unsigned int found[3][4])
{
	static const unsigned int leaves[3] = { 0, 0x80000001, 0x80000002 };

	for (int i = 0; i < 3; i++)
		__cpuid(leaves[i], found[i][0], found[i][1], found[i][2], found[i][3]);
}

void spin_start(void)
{
	avx = probe_has_avx();
	cpuid_read(cpuid_first);
}

/* Long enough in user mode for timer ticks, switches and saves to fall into it. */
void spin_round(void)
{
	unsigned int now[3][4];

	for (int i = 0; i < SPINS; i++) {
		probe_fill(&in);
		in.gpr[RCX] = SPIN_LENGTH;
		sent(K_SPIN);
		probe(snip_spin, &in, &out, avx);
		must(!out.gpr[RCX], "spin: stopped early, rcx %lu", out.gpr[RCX]);
		probe_compare("spin", &in, &out, 1u << RCX);
		seen(K_SPIN);
		sent(K_CPUID);
		cpuid_read(now);
		must(!memcmp(now, cpuid_first, sizeof(now)), "cpuid answers differently now");
		seen(K_CPUID);
	}
}

static int64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

/* Monotonic time, read in both ways, must never step back. */
static void clocks_go_forward(void)
{
	static int64_t last;
	static uint64_t last_tsc;
	struct timespec t;
	uint64_t tsc = __rdtsc();
	int64_t by_vdso = now(CLOCK_MONOTONIC), by_call;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	by_call = (int64_t)t.tv_sec * SECOND + t.tv_nsec;
	must(by_vdso >= last, "clock: back by %ld ns", last - by_vdso);
	must(by_call >= by_vdso, "clock: the kernel is %ld ns behind the vDSO", by_vdso - by_call);
	must(tsc >= last_tsc, "clock: rdtsc back by %lu", last_tsc - tsc);
	last = by_call;
	last_tsc = tsc;
}

static sigset_t alarm_set;

static bool alarm_taken(int seconds)
{
	struct timespec limit = { .tv_sec = seconds };

	return sigtimedwait(&alarm_set, NULL, &limit) == SIGALRM;
}

static void alarms(void)
{
	struct itimerval timer = { .it_value.tv_usec = ALARM_US };

	for (int i = 0; i < ALARMS; i++) {
		int64_t start = now(CLOCK_MONOTONIC);

		sent(K_ALARM);
		must(!setitimer(ITIMER_REAL, &timer, NULL), "setitimer: %s", strerror(errno));
		must(alarm_taken(ALARM_LIMIT), "SIGALRM lost: none in %d s", ALARM_LIMIT);
		must(now(CLOCK_MONOTONIC) - start >= ALARM_US * 1000L, "SIGALRM came early");
		must(!alarm_taken(0), "SIGALRM came twice");
		seen(K_ALARM);
		clocks_go_forward();
	}
}

/* A periodic timer: the ticks that were read must be the ticks that the clock has room for. */
static void ticks(void)
{
	struct itimerspec period = {
		.it_value.tv_nsec = TICK_NS, .it_interval.tv_nsec = TICK_NS,
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	int64_t start, before = 0, after;
	uint64_t count = 0, more;

	must(fd >= 0, "timerfd: %s", strerror(errno));
	start = now(CLOCK_MONOTONIC);
	must(!timerfd_settime(fd, 0, &period, NULL), "timerfd: %s", strerror(errno));
	after = now(CLOCK_MONOTONIC);
	for (int i = 0; i < TICK_READS; i++) {
		before = now(CLOCK_MONOTONIC) - after;
		must(read(fd, &more, sizeof(more)) == sizeof(more), "timerfd: %s", strerror(errno));
		count += more;
		clocks_go_forward();
	}
	after = now(CLOCK_MONOTONIC) - start;
	close(fd);
	must((int64_t)count >= before / TICK_NS, "timerfd: %lu ticks in over %ld ns", count,
	     before);
	must((int64_t)count <= after / TICK_NS, "timerfd: %lu ticks within %ld ns", count, after);
	tally[K_TICK].sent += count;
	tally[K_TICK].seen += count;
}

static void sleeps(void)
{
	struct timespec nap = { .tv_nsec = 2 * TICK_NS };

	for (int i = 0; i < SLEEPS; i++) {
		int64_t start = now(CLOCK_MONOTONIC);

		sent(K_SLEEP);
		must(!nanosleep(&nap, NULL), "nanosleep: %s", strerror(errno));
		must(now(CLOCK_MONOTONIC) - start >= nap.tv_nsec, "woken early");
		seen(K_SLEEP);
		clocks_go_forward();
	}
}

void timer_start(void)
{
	sigemptyset(&alarm_set);
	sigaddset(&alarm_set, SIGALRM);
	must(!sigprocmask(SIG_BLOCK, &alarm_set, NULL), "sigprocmask: %s", strerror(errno));
}

void timer_round(void)
{
	alarms();
	ticks();
	sleeps();
}

struct message {
	uint64_t number;
	double value;
	uint64_t words[6];
};

static int to_child[2], from_child[2];

/* Answers each message with the next number and a sum made with SSE registers. */
static void pipe_child(void)
{
	struct message m;
	uint64_t number = 0;

	close(to_child[1]);
	while (read(to_child[0], &m, sizeof(m)) == sizeof(m)) {
		must(m.number == ++number, "pipe: message %lu, not %lu", m.number, number);
		m.value = m.value * 3 + (double)number;
		for (int i = 0; i < 6; i++)
			m.words[i] = ~m.words[i];
		must(write(from_child[1], &m, sizeof(m)) == sizeof(m), "pipe: %s", strerror(errno));
	}
	_exit(0);
}

void pipe_start(void)
{
	pid_t pid;

	must(!pipe(to_child) && !pipe(from_child), "pipe: %s", strerror(errno));
	pid = fork_child();
	must(pid >= 0, "fork: %s", strerror(errno));
	if (!pid)
		pipe_child();
	close(to_child[0]);
	close(from_child[1]);
}

static void exchange(uint64_t number)
{
	struct message m = { .number = number, .value = (double)(random_next() >> 40) }, answer;

	for (int i = 0; i < 6; i++)
		m.words[i] = random_next();
	sent(K_PIPE);
	must(write(to_child[1], &m, sizeof(m)) == sizeof(m), "pipe: %s", strerror(errno));
	must(read(from_child[0], &answer, sizeof(answer)) == sizeof(answer), "pipe: %s",
	     strerror(errno));
	must(answer.number == number, "pipe: answer %lu to message %lu", answer.number, number);
	must(answer.value == m.value * 3 + (double)number, "pipe: %f from %f", answer.value,
	     m.value);
	for (int i = 0; i < 6; i++)
		must(answer.words[i] == ~m.words[i], "pipe: a word of message %lu changed", number);
	seen(K_PIPE);
}

void pipe_round(void)
{
	static uint64_t number;

	for (int i = 0; i < MESSAGES; i++)
		exchange(++number);
}

static uint64_t *kept;
static uint64_t kept_round[KEPT_PAGES];

static uint64_t page_word(int page, int i)
{
	return (kept_round[page] * KEPT_PAGES + page) * 0x9e3779b97f4a7c15 + i;
}

static void page_write(int page)
{
	kept_round[page] = round_now + 1;
	for (int i = 0; i < PAGE / 8; i++)
		kept[page * (PAGE / 8) + i] = page_word(page, i);
}

static void page_check(int page)
{
	sent(K_PAGE);
	for (int i = 0; i < PAGE / 8; i++)
		must(kept[page * (PAGE / 8) + i] == page_word(page, i),
		     "memory: page %d word %d changed since round %lu", page, i, kept_round[page]);
	seen(K_PAGE);
}

static void *new_pages(size_t count)
{
	void *p = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	must(p != MAP_FAILED, "mmap: %s", strerror(errno));
	madvise(p, count * PAGE, MADV_NOHUGEPAGE);
	return p;
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* Pages that the kernel fills when they are first touched: a fault each, no more, and zeros. */
static void fill_on_touch(void)
{
	volatile uint64_t *p = new_pages(NEW_PAGES);
	long before = minor_faults(), count;

	for (int i = 0; i < NEW_PAGES; i++) {
		sent(K_MAPPED);
		must(!p[i * (PAGE / 8)], "memory: a new page is not empty");
		p[i * (PAGE / 8) + 1] = i;
	}
	for (int i = 0; i < NEW_PAGES; i++)
		must(p[i * (PAGE / 8) + 1] == (uint64_t)i, "memory: page %d lost its word", i);
	/* Two a page: the read maps the shared zero page, the write takes one of its own. */
	count = minor_faults() - before;
	must(count == 2 * NEW_PAGES, "memory: %ld faults for %d pages", count, NEW_PAGES);
	tally[K_MAPPED].seen += NEW_PAGES;
	munmap((void *)p, NEW_PAGES * PAGE);
}

static void cow_child(volatile uint64_t *p)
{
	for (int i = 0; i < COW_PAGES; i++) {
		must(p[i * (PAGE / 8)] == round_now + i, "memory: child's page %d is wrong", i);
		p[i * (PAGE / 8)] = 0;
	}
	_exit(17);
}

static void copy_on_write(void)
{
	volatile uint64_t *p = new_pages(COW_PAGES);
	int status;
	pid_t pid;

	for (int i = 0; i < COW_PAGES; i++)
		p[i * (PAGE / 8)] = round_now + i;
	tally[K_COW].sent += COW_PAGES;
	sent(K_CHILD);
	pid = fork_child();
	must(pid >= 0, "fork: %s", strerror(errno));
	if (!pid)
		cow_child(p);
	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 17,
	     "child: status %#x", status);
	for (int i = 0; i < COW_PAGES; i++)
		must(p[i * (PAGE / 8)] == round_now + i, "memory: the child wrote into page %d", i);
	tally[K_COW].seen += COW_PAGES;
	munmap((void *)p, COW_PAGES * PAGE);
}

static volatile sig_atomic_t children;

static void on_child(int signal)
{
	(void)signal;
	children++;
	seen(K_CHILD);
}

void memory_start(void)
{
	struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_RESTART };

	kept = new_pages(KEPT_PAGES);
	for (int i = 0; i < KEPT_PAGES; i++)
		page_write(i);
	must(!sigaction(SIGCHLD, &action, NULL), "sigaction: %s", strerror(errno));
}

void memory_round(void)
{
	int before = children;

	for (int i = 0; i < KEPT_A_ROUND; i++) {
		int page = (round_now * KEPT_A_ROUND + i) % KEPT_PAGES;

		page_check(page);
		page_write(page);
	}
	fill_on_touch();
	copy_on_write();
	must(children == before + 1, "SIGCHLD: %d came for one child", children - before);
}
