/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.h - what the parts of the guest's init share.
 *
 * The init forks one process per worker. Each worker does the same amount of work every round and
 * books what it provoked ("sent") and what it saw happen ("seen") in a row of its own in shared
 * memory. Nothing here is locked: a row has one writer, and the init reads it between two rounds.
 *
 * Next: init.c (rounds, verdict), probe.S and probe.h (registers held across an event).
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Each kind of event, as the final table names it. "free": as many as happen to come in a round. */
#define KINDS(X)						\
	X(DE,		"#DE divide error",		false)	\
	X(STEP,		"#DB single step",		false)	\
	X(PTSTEP,	"#DB step by ptrace",		false)	\
	X(HWEXEC,	"#DB breakpoint",		false)	\
	X(HWDATA,	"#DB watchpoint",		false)	\
	X(INT1,		"#DB int1",			false)	\
	X(BP,		"#BP int3",			false)	\
	X(OF,		"#OF into, int 4",		false)	\
	X(BR,		"#BR bound",			false)	\
	X(UD,		"#UD",				false)	\
	X(NP,		"#NP",				false)	\
	X(SS,		"#SS",				false)	\
	X(GP,		"#GP",				false)	\
	X(PF,		"#PF as a signal",		false)	\
	X(MF,		"#MF x87",			false)	\
	X(AC,		"#AC alignment",		false)	\
	X(XM,		"#XM SSE",			false)	\
	X(SYSCALL,	"syscall",			false)	\
	X(INT80,	"int 0x80",			false)	\
	X(EFAULT,	"#PF in the kernel",		false)	\
	X(MAPPED,	"#PF filled by the kernel",	false)	\
	X(COW,		"#PF copied on write",		false)	\
	X(CHILD,	"SIGCHLD",			false)	\
	X(ALARM,	"SIGALRM, one shot",		false)	\
	X(TICK,		"timerfd ticks",		true)	\
	X(SLEEP,	"sleeps",			false)	\
	X(CPUID,	"cpuid the same",		false)	\
	X(SPIN,		"registers held",		false)	\
	X(PIPE,		"pipe messages",		false)	\
	X(PAGE,		"pages checked",		false)	\
	X(NMI,		"NMI",				true)

enum kind {
#define KIND_ENUM(id, text, loose) K_##id,
	KINDS(KIND_ENUM)
#undef KIND_ENUM
	KIND_COUNT
};

struct tally {
	uint64_t sent;
	uint64_t seen;
};

enum { WORKERS_MAX = 16, VERDICT_SIZE = 240 };

struct shared {
	struct tally tally[WORKERS_MAX][KIND_COUNT];
	uint32_t absent;		/* kinds this processor does not raise, a bit each */
	int wrong;			/* set once, by whoever finds the first wrong count */
	char verdict[VERDICT_SIZE];
};

extern struct shared *shared;
extern struct tally *tally;		/* this worker's row */
extern uint64_t round_now;

/* Ends this worker, and with it the run: the first message is the one that is kept. */
void wrong(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define must(condition, ...)		\
	do {				\
		if (!(condition))	\
			wrong(__VA_ARGS__); \
	} while (0)

static inline void sent(enum kind kind)
{
	tally[kind].sent++;
}

static inline void seen(enum kind kind)
{
	tally[kind].seen++;
}

uint64_t random_next(void);

/* A fork whose child does not outlive its parent. */
pid_t fork_child(void);

/* One worker: set up once, then one call a round. */
struct worker {
	const char *name;
	void (*start)(void);
	void (*round)(void);
};

void fault_start(void);
void fault_round(void);
void fault_find_absent(void);
void debug_start(void);
void debug_round(void);
void step_start(void);
void step_round(void);
void timer_start(void);
void timer_round(void);
void syscall_start(void);
void syscall_round(void);
void spin_start(void);
void spin_round(void);
void pipe_start(void);
void pipe_round(void);
void memory_start(void);
void memory_round(void);

#endif
