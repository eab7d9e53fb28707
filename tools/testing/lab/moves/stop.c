// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two ways to make KVM_RUN return: a timer's signal, and a signal from another thread.
 *
 * A signal that arrives just before KVM_RUN would be over before it could interrupt anything;
 * so the handler also sets immediate_exit, which KVM_RUN looks at when it begins.  That closes
 * the race without KVM_SET_SIGNAL_MASK.  SIGALRM is left to others.  Next: vmm.c.
 */
#define _GNU_SOURCE
#include <err.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>
#include "stop.h"
#include "vm.h"

static struct kvm_run *volatile watched;
static timer_t timer;
static pthread_t runner;
static sem_t kick_wanted, kick_done;
static volatile unsigned int kick_delay;
static bool kick_under_way;

static void on_signal(int number)
{
	(void)number;
	vcpu_stop_wanted = true;
	if (watched)
		watched->immediate_exit = 1;
}

static void *kicker(void *unused)
{
	for (;;) {
		sem_wait(&kick_wanted);
		usleep(kick_delay);
		pthread_kill(runner, SIGUSR1);
		sem_post(&kick_done);
	}
	return unused;
}

/** stop_init - to be called by the thread that will run the vCPU */
void stop_init(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	sigset_t both;
	pthread_t thread;

	sigemptyset(&both);
	sigaddset(&both, SIGUSR2);
	sigaddset(&both, SIGUSR1);
	sigaction(SIGUSR2, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
		err(1, "timer_create");
	runner = pthread_self();
	sem_init(&kick_wanted, 0, 0);
	sem_init(&kick_done, 0, 0);
	pthread_sigmask(SIG_BLOCK, &both, NULL);
	if (pthread_create(&thread, NULL, kicker, NULL))
		errx(1, "pthread_create");
	pthread_sigmask(SIG_UNBLOCK, &both, NULL);
}

/** stop_watch - from now on signals stop the vCPU whose shared page is @run; NULL: none */
void stop_watch(struct kvm_run *run)
{
	watched = run;
}

void stop_by_timer(unsigned int microseconds)
{
	struct itimerspec once = { .it_value.tv_nsec = 1000L * microseconds };

	timer_settime(timer, 0, &once, NULL);
}

void stop_by_kick(unsigned int microseconds)
{
	kick_delay = microseconds;
	kick_under_way = true;
	sem_post(&kick_wanted);
}

/** stop_seen - the vCPU may run on */
void stop_seen(void)
{
	vcpu_stop_wanted = false;
	if (watched)
		watched->immediate_exit = 0;
}

/** stop_disarm - no signal of an earlier stop_by_...() arrives after this */
void stop_disarm(void)
{
	struct itimerspec never = { 0 };

	timer_settime(timer, 0, &never, NULL);
	while (kick_under_way && sem_wait(&kick_done) < 0)
		;
	kick_under_way = false;
	stop_seen();
}
