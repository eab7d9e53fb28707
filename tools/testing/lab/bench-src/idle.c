// SPDX-License-Identifier: GPL-2.0-only
/*
 * idle.c - counts instructions in place of the idle thread; see idle.h.
 */
#define _GNU_SOURCE
#include "idle.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUND = 3 };

static struct {
	volatile uint64_t rounds;
	volatile uint32_t on;
	pthread_t thread;
} idle;

static void must(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "idle: %s failed\n", what);
	exit(1);
}

/* ROUND instructions each time. */
static void *count(void *unused)
{
	struct sched_param param = { };

	must(sched_setscheduler(0, SCHED_IDLE, &param), "sched_setscheduler");
	asm volatile("1: incq %0; cmpl $0, %1; jne 1b"
		     : "+m" (idle.rounds) : "m" (idle.on) : "cc");
	return unused;
}

int64_t idle_count(void)
{
	return idle.rounds * ROUND;
}

void idle_begin(void)
{
	idle.on = 1;
	must(pthread_create(&idle.thread, NULL, count, NULL), "pthread_create");
}

void idle_end(void)
{
	idle.on = 0;
	must(pthread_join(idle.thread, NULL), "pthread_join");
}
