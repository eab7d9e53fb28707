// SPDX-License-Identifier: GPL-2.0-only
/*
 * init.c - the guest's init: forks the workers, leads them through the rounds, reports.
 *
 * The report goes to the second serial port, one line each:
 *
 *	ready ROUNDS WORKERS avx|sse [absent KIND]...
 *	round N SIGNALS			after each round; events seen so far
 *	total SENT SEEN KIND		at the end, a line for each kind
 *	done ROUNDS
 *	wrong MESSAGE			instead of all that follows
 *
 * The kernel's own messages stay on the first port. Run as an ordinary program it does the same on
 * the machine at hand, with standard output for the report: "init ROUNDS".
 *
 * Next: guest.h for the table of kinds, fault.c for the exceptions, drive for the other side.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "guest.h"
#include "probe.h"

static const struct worker workers[] = {
	{ "faults",	fault_start,	fault_round },
	{ "faults 2",	fault_start,	fault_round },
	{ "steps",	step_start,	step_round },
	{ "ptrace",	debug_start,	debug_round },
	{ "calls",	syscall_start,	syscall_round },
	{ "spin",	spin_start,	spin_round },
	{ "spin 2",	spin_start,	spin_round },
	{ "timer",	timer_start,	timer_round },
	{ "pipe",	pipe_start,	pipe_round },
	{ "memory",	memory_start,	memory_round },
};

enum { WORKERS = sizeof(workers) / sizeof(workers[0]), OWN_ROW = WORKERS_MAX - 1 };
_Static_assert((int)WORKERS <= (int)OWN_ROW, "one row is the init's own");

static const char * const kind_names[KIND_COUNT] = {
#define KIND_NAME(id, text, loose) text,
	KINDS(KIND_NAME)
#undef KIND_NAME
};

static const bool kind_loose[KIND_COUNT] = {
#define KIND_LOOSE(id, text, loose) loose,
	KINDS(KIND_LOOSE)
#undef KIND_LOOSE
};

/* What passes through the pipes: who, and which round. */
struct token {
	uint32_t worker;
	uint32_t pad;
	uint64_t round;
};

struct shared *shared;
struct tally *tally;
uint64_t round_now;

static const char *worker_name = "init";
static FILE *report;
static int go_pipe[WORKERS][2], done_pipe[2];
static uint64_t first[KIND_COUNT];
static uint64_t random_state = 0x2545f4914f6cdd1d;

uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1d;
}

pid_t fork_child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

void wrong(const char *format, ...)
{
	va_list list;
	int before = 0;
	size_t used;

	if (__atomic_compare_exchange_n(&shared->wrong, &before, 1, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST)) {
		used = snprintf(shared->verdict, VERDICT_SIZE, "%s, round %lu: ", worker_name,
				round_now);
		va_start(list, format);
		vsnprintf(shared->verdict + used, VERDICT_SIZE - used, format, list);
		va_end(list);
		__atomic_store_n(&shared->wrong, 2, __ATOMIC_SEQ_CST);
	}
	_exit(1);
}

static void finish(int status)
{
	fflush(report);
	tcdrain(fileno(report));
	if (getpid() != 1)
		exit(status);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* The init's own errors come here too, and a worker may have died in the middle of its message. */
static void give_up(const char *message)
{
	for (int i = 0; i < 100 && shared->wrong == 1; i++)
		usleep(10000);
	fprintf(report, "wrong %s\n", shared->wrong == 2 ? shared->verdict : message);
	finish(1);
}

static void worker_main(int number)
{
	struct token token;
	uint64_t expected = 0;

	worker_name = workers[number].name;
	tally = shared->tally[number];
	random_state += 0x9e3779b97f4a7c15 * (number + 1);
	for (int i = 0; i < WORKERS; i++)
		close(go_pipe[i][1]);
	close(done_pipe[0]);
	workers[number].start();
	while (read(go_pipe[number][0], &token, sizeof(token)) == sizeof(token)) {
		must(token.worker == (uint32_t)number && token.round == expected++,
		     "told to do round %lu of worker %u", token.round, token.worker);
		round_now = token.round;
		workers[number].round();
		must(write(done_pipe[1], &token, sizeof(token)) == sizeof(token), "pipe: %s",
		     strerror(errno));
	}
	_exit(0);
}

static void fork_workers(void)
{
	if (pipe(done_pipe))
		give_up("pipe");
	for (int i = 0; i < WORKERS; i++) {
		if (pipe(go_pipe[i]))
			give_up("pipe");
	}
	for (int i = 0; i < WORKERS; i++) {
		pid_t pid = fork_child();

		if (pid < 0)
			give_up("fork");
		if (!pid)
			worker_main(i);
	}
	close(done_pipe[1]);
}

static void find_absent(void)
{
	pid_t pid = fork_child();
	int status;

	if (!pid) {
		worker_name = "setting up";
		tally = shared->tally[OWN_ROW];
		fault_start();
		fault_find_absent();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		give_up("setting up failed");
}

/* A worker that ends closes nothing that the init waits for: SIGCHLD tells. */
static void on_child(int signal)
{
	(void)signal;
	give_up("a worker ended");
}

static void run_round(uint64_t round)
{
	uint64_t arrived = 0;
	struct token token = { .round = round };

	for (uint32_t i = 0; i < WORKERS; i++) {
		token.worker = i;
		if (write(go_pipe[i][1], &token, sizeof(token)) != sizeof(token))
			give_up("a worker does not listen");
	}
	for (int i = 0; i < WORKERS; i++) {
		if (read(done_pipe[0], &token, sizeof(token)) != sizeof(token))
			give_up("a worker does not answer");
		if (token.round != round || token.worker >= WORKERS ||
		    arrived & 1u << token.worker)
			give_up("a worker answered twice");
		arrived |= 1u << token.worker;
	}
}

static struct tally sum(enum kind kind)
{
	struct tally all = { 0, 0 };

	for (int i = 0; i < WORKERS_MAX; i++) {
		all.sent += shared->tally[i][kind].sent;
		all.seen += shared->tally[i][kind].seen;
	}
	return all;
}

/* Every round is like the first: counters that went back, or ran ahead, show here. */
static uint64_t check_round(uint64_t done)
{
	static char message[VERDICT_SIZE];
	uint64_t all = 0;

	for (int kind = 0; kind < KIND_COUNT; kind++) {
		struct tally now = sum(kind);

		if (done == 1)
			first[kind] = now.sent;
		all += now.seen;
		if (kind == K_NMI || (now.sent == now.seen &&
				      (kind_loose[kind] || now.sent == first[kind] * done)))
			continue;
		snprintf(message, sizeof(message), "%s: %lu sent, %lu seen, %lu a round, round %lu",
			 kind_names[kind], now.sent, now.seen, first[kind], done);
		give_up(message);
	}
	return all;
}

/* NMIs are sent from outside; the kernel counts what arrived, and the driver knows what it sent. */
static uint64_t nmi_count(void)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[256];
	unsigned long count = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " NMI: %lu", &count) == 1)
			break;
	}
	if (file)
		fclose(file);
	return count;
}

static void print_ready(unsigned long rounds)
{
	fprintf(report, "ready %lu %d %s", rounds, WORKERS, probe_has_avx() ? "avx" : "sse");
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		if (shared->absent & 1u << kind)
			fprintf(report, " absent %s", kind_names[kind]);
	}
	fprintf(report, "\n");
}

static void print_totals(unsigned long rounds)
{
	shared->tally[OWN_ROW][K_NMI].seen = nmi_count();
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		struct tally all = sum(kind);

		fprintf(report, "total %lu %lu %s\n", all.sent, all.seen, kind_names[kind]);
	}
	fprintf(report, "done %lu\n", rounds);
}

static void open_report(void)
{
	struct termios raw;

	report = stdout;
	if (getpid() == 1) {
		mkdir("/proc", 0555);
		mkdir("/dev", 0755);
		mount("proc", "/proc", "proc", 0, NULL);
		mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
		report = fopen("/dev/ttyS1", "w");
	}
	if (!report)
		reboot(RB_POWER_OFF);
	setvbuf(report, NULL, _IOLBF, 0);
	if (!tcgetattr(fileno(report), &raw)) {
		cfmakeraw(&raw);
		raw.c_oflag |= OPOST | ONLCR;
		cfsetspeed(&raw, B115200);
		tcsetattr(fileno(report), TCSANOW, &raw);
	}
}

/* From the kernel's command line, where NAME=VALUE that Linux does not know is environment. */
static unsigned long rounds_wanted(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[argc - 1] : getenv("ROUNDS");
	unsigned long rounds = text ? strtoul(text, NULL, 0) : 0;

	return rounds ? rounds : 10;
}

int main(int argc, char **argv)
{
	unsigned long rounds = rounds_wanted(getenv("ROUNDS") ? 0 : argc, argv);

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	open_report();
	if (shared == MAP_FAILED)
		finish(1);
	tally = shared->tally[OWN_ROW];
	find_absent();
	print_ready(rounds);
	fork_workers();
	signal(SIGCHLD, on_child);
	for (unsigned long done = 1; done <= rounds; done++) {
		run_round(done - 1);
		fprintf(report, "round %lu %lu\n", done, check_round(done));
	}
	signal(SIGCHLD, SIG_IGN);
	print_totals(rounds);
	finish(0);
}
