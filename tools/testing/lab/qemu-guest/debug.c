// SPDX-License-Identifier: GPL-2.0-only
/*
 * debug.c - #DB: single steps within a process, and what one process does to another by ptrace.
 *
 * Every trap must come at the address that probe.S lists for it, none left out, none twice: also
 * behind an instruction that leaves the guest (cpuid), also when the traced child was switched
 * away, and with DR0, DR1 and DR7 of the child alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "guest.h"

extern const uint64_t step_addresses[], step_count;
extern const uint64_t trace_addresses[], trace_count;
extern const char trace_code[], trace_stored[];
extern volatile uint64_t trace_value;
void step_walk(void);
void trace_loop(void);

enum { STOPS = 6, STEPS = 18 };
enum { DR7_EXEC_0 = 1, DR7_WRITE_1 = 1 << 2 | 0xdu << 20, DR6_B0 = 1, DR6_B1 = 2 };

static volatile uint64_t stepped;
static pid_t child;

static void on_step(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uint64_t rip = uc->uc_mcontext.gregs[REG_RIP];

	(void)signal;
	must(stepped < step_count, "single step: one too many, at %#lx", rip);
	must(info->si_code == TRAP_TRACE && uc->uc_mcontext.gregs[REG_TRAPNO] == 1,
	     "single step: code %d, trap %lld", info->si_code, uc->uc_mcontext.gregs[REG_TRAPNO]);
	must(rip == step_addresses[stepped], "single step %lu at %#lx, not %#lx", stepped, rip,
	     step_addresses[stepped]);
	stepped++;
	seen(K_STEP);
}

void step_start(void)
{
	struct sigaction action = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };

	must(!sigaction(SIGTRAP, &action, NULL), "sigaction: %s", strerror(errno));
}

void step_round(void)
{
	for (int i = 0; i < 3; i++) {
		stepped = 0;
		tally[K_STEP].sent += step_count;
		step_walk();
		must(stepped == step_count, "single step: %lu traps, not %lu", stepped, step_count);
	}
}

static uint64_t peek(size_t offset)
{
	long value;

	errno = 0;
	value = ptrace(PTRACE_PEEKUSER, child, offset, 0);
	must(!errno, "ptrace: reading offset %zu: %s", offset, strerror(errno));
	return value;
}

static void poke_dr(int n, uint64_t value)
{
	must(!ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[n]), value),
	     "ptrace: writing DR%d: %s", n, strerror(errno));
}

static void await_stop(const char *what, int signal)
{
	int status;

	must(waitpid(child, &status, 0) == child, "%s: waitpid: %s", what, strerror(errno));
	must(WIFSTOPPED(status) && WSTOPSIG(status) == signal, "%s: child's status is %#x", what,
	     status);
}

static void go(const char *what, int request)
{
	must(!ptrace(request, child, 0, 0), "%s: ptrace: %s", what, strerror(errno));
	await_stop(what, SIGTRAP);
}

static uint64_t child_rip(void)
{
	return peek(offsetof(struct user, regs.rip));
}

void debug_start(void)
{
	child = fork_child();
	must(child >= 0, "fork: %s", strerror(errno));
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		trace_loop();
	}
	await_stop("debug", SIGSTOP);
	must(!ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL), "ptrace: %s",
	     strerror(errno));
}

static void check_stop(const char *what, const char *rip, uint64_t hit)
{
	siginfo_t info;

	must(!ptrace(PTRACE_GETSIGINFO, child, 0, &info), "%s: ptrace: %s", what, strerror(errno));
	must(info.si_code == TRAP_HWBKPT, "%s: code %d", what, info.si_code);
	must(child_rip() == (uint64_t)rip, "%s at %#lx, not %p", what, child_rip(), rip);
	must((peek(offsetof(struct user, u_debugreg[6])) & 0xf) == hit, "%s: DR6 is %#lx", what,
	     peek(offsetof(struct user, u_debugreg[6])));
	poke_dr(6, 0);
}

static void breakpoints(void)
{
	poke_dr(0, (uint64_t)trace_code);
	poke_dr(7, DR7_EXEC_0);
	for (int i = 0; i < STOPS; i++) {
		sent(K_HWEXEC);
		go("breakpoint", PTRACE_CONT);
		check_stop("breakpoint", trace_code, DR6_B0);
		seen(K_HWEXEC);
	}
	poke_dr(7, 0);
}

static uint64_t child_value(void)
{
	errno = 0;
	return ptrace(PTRACE_PEEKDATA, child, &trace_value, 0);
}

static void watchpoints(void)
{
	uint64_t before = child_value();

	poke_dr(1, (uint64_t)&trace_value);
	poke_dr(7, (unsigned int)DR7_WRITE_1);
	for (int i = 1; i <= STOPS; i++) {
		sent(K_HWDATA);
		go("watchpoint", PTRACE_CONT);
		check_stop("watchpoint", trace_stored, DR6_B1);
		must(child_value() == before + i, "watchpoint: value %lu, not %lu", child_value(),
		     before + i);
		seen(K_HWDATA);
	}
	poke_dr(7, 0);
}

/* The child stands where the watchpoint has left it, behind its store. */
static void steps(void)
{
	uint64_t at = 0;

	while (trace_addresses[at] != child_rip())
		must(++at < trace_count, "ptrace: child at %#lx", child_rip());
	for (int i = 0; i < STEPS; i++) {
		at = (at + 1) % trace_count;
		sent(K_PTSTEP);
		go("step by ptrace", PTRACE_SINGLESTEP);
		must(child_rip() == trace_addresses[at], "step by ptrace: at %#lx, not %#lx",
		     child_rip(), trace_addresses[at]);
		seen(K_PTSTEP);
	}
}

void debug_round(void)
{
	breakpoints();
	watchpoints();
	steps();
}
