// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stops a guest at arbitrary instants, moves its vCPU into a fresh virtual machine, and goes on.
 *
 * One move: a stop (a timer's signal, a kick by another thread, some exit, or a page taken away
 * from under a delivery, which makes KVM_RUN fail with EFAULT in its midst); often an event is
 * sent just before; the I/O under way is finished; the state is saved, loaded into a new VM
 * over the same memory, and compared.  The new VM's second-level tables are empty, so that the
 * next delivery faults on every page that it touches, and the next stop may fall between.
 *
 * The moves are shared out between two kinds of guest, one with a local APIC in the kernel, SMIs,
 * a clock, and what vm.h calls chips altogether, and one without them.
 *
 * The whole is done twice, the second time without KVM_SET_VCPU_EVENTS, to show what is lost
 * then.  report.c prints the outcome; machine.c is the machine, vm.c saves and loads.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "report.h"
#include "stop.h"

#define EXIT_STOP_AFTER 12	/* exits, at most */
#define SLICE 20000		/* microseconds, at most, in which something else has to happen */
#define PATIENCE 5		/* seconds without a round: the guest is stuck */
#define ENOUGH_DEATHS 20	/* of a guest that moves with its events */
#define DRAIN_ROUNDS 1000
#define DRAIN_SECONDS 60

static struct {
	unsigned int moves;
	int irqchip;		/* how many of them with chips; -1: half of them */
	uint64_t seed, without;
	bool together, two_nmis, no_extint;
} options = { .moves = 2000, .irqchip = -1, .seed = 1, .together = true, .two_nmis = true };

static unsigned int below(unsigned int limit)
{
	return random() % limit;
}

/* Short ones most often, so that a stop often falls among the first faults of a fresh VM. */
static unsigned int some_microseconds(void)
{
	return 10 + below(1 << (5 + below(9)));
}

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* --- running until a stop --------------------------------------------------------------- */

/*
 * Runs until KVM_RUN is interrupted (-EINTR), a page is missing (-EFAULT), the guest is dead
 * (-ENOTRECOVERABLE), or @exits exits were seen (0; I/O may be under way then).
 */
static int run_for(struct machine *m, unsigned int exits)
{
	while (exits--) {
		int error;

		machine_before_entry(m);
		error = vcpu_run(&m->vm);
		if (error)
			return error;
		machine_handle(m, m->vm.run);
		if (m->dead)
			return -ENOTRECOVERABLE;
		machine_after_exit(m);
	}
	return 0;
}

/* The same for SLICE at most: a guest that has lost an event may loop without an exit for ever. */
static int run_slice(struct machine *m, unsigned int exits)
{
	int error;

	stop_by_timer(SLICE);
	error = run_for(m, exits);
	stop_disarm();
	return error;
}

static int run_without_page(struct machine *m)
{
	void *page = machine_page_of_delivery(m);
	int error;

	mprotect(page, PAGE, PROT_NONE);
	error = run_slice(m, -1);
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	return error;
}

static int run_until(struct machine *m, enum stop stop)
{
	int error;

	switch (stop) {
	case STOP_TIMER:
		stop_by_timer(some_microseconds());
		break;
	case STOP_KICK:
		stop_by_kick(some_microseconds());
		break;
	case STOP_PAGE:
		return run_without_page(m);
	default:
		return run_slice(m, 1 + below(EXIT_STOP_AFTER));
	}
	error = run_for(m, -1);
	stop_disarm();
	return error;
}

/* The host may take unused pages back at any time; the next delivery finds them missing. */
static void trouble_memory(struct machine *m)
{
	void *page = machine_page_of_delivery(m);

	mprotect(page, PAGE, PROT_READ);
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

static bool send_something(struct machine *m)
{
	switch (below(m->chips ? 5 : 2)) {
	case 0:
		return machine_send_nmi(m);
	case 1:
		return machine_send_irq(m);
	case 2:
		return machine_send_msi(m);
	case 3:
		return machine_send_smi(m);
	default:
		return machine_send_sipi(m);
	}
}

/* The stop's I/O is finished, and what follows from it done. */
static void come_to_rest(struct machine *m)
{
	vcpu_finish_io(&m->vm, machine_handle, m);
	machine_after_exit(m);
}

/* Something on its way when the vCPU is stopped, or just begun. */
static int send_late(struct machine *m)
{
	if (!send_something(m) || below(2))
		return 0;
	if (below(2))
		return run_without_page(m);
	stop_by_timer(1 + below(100));
	run_for(m, -1);
	stop_disarm();
	return 0;
}

/* --- moving ----------------------------------------------------------------------------- */

static void move(struct machine *m, struct pass *pass)
{
	static struct vcpu_image before, after;
	const char *difference;
	struct vm fresh;

	vcpu_save(&m->vm, &before);
	report_found(pass, &before, m->shared->soft_rip, m->halted);
	vm_open(&fresh, &m->memory, m->chips);
	vcpu_load(&fresh, &before, pass->with_events);
	stop_watch(NULL);
	vm_close(&m->vm);
	m->vm = fresh;
	stop_watch(m->vm.run);
	vcpu_save(&m->vm, &after);
	difference = pass->with_events ? vcpu_difference(&before, &after) : NULL;
	if (difference) {
		pass->differences++;
		pass->last_difference = difference;
	}
	vcpu_refresh(&m->vm);
	pass->moves++;
}

static bool is_stuck(struct machine *m, uint64_t *last_rounds, time_t *last_change)
{
	if (m->shared->rounds != *last_rounds) {
		*last_rounds = m->shared->rounds;
		*last_change = now();
	}
	return now() - *last_change > PATIENCE;
}

/* The trial run of every event is not disturbed: it finds out what the processor raises. */
static void start_guest(struct machine *m, uint64_t seed)
{
	time_t start = now();

	machine_start(m, seed);
	stop_watch(m->vm.run);
	while (!m->shared->ready && !m->dead) {
		if (run_slice(m, -1) == -EINTR)
			come_to_rest(m);
		if (now() - start > PATIENCE)
			m->dead = "stuck in the trial run";
	}
}

static void one_move(struct machine *m, struct pass *pass)
{
	enum stop stop = below(STOPS);
	int error;

	if (below(4) == 0)
		machine_send_nmi(m);
	if (m->chips && below(4) == 0)
		machine_send_smi(m);
	if (m->chips && below(4) == 0)
		machine_send_msi(m);
	if (below(8) == 0)
		trouble_memory(m);
	error = run_until(m, stop);
	if (!error || error == -EINTR) {
		come_to_rest(m);
		if (!m->dead && below(2))
			error = send_late(m);
	}
	if (error == -EFAULT)
		pass->faulted++;
	else if (error && error != -EINTR && error != -ENOTRECOVERABLE)
		errx(1, "KVM_RUN: %s", strerror(-error));
	if (m->dead)
		return;
	if (error != -EFAULT)
		come_to_rest(m);
	pass->stops[stop]++;
	move(m, pass);
}

static bool waits(const struct machine *m)
{
	return m->irq.outstanding || m->nmi.outstanding || m->msi.outstanding ||
	       m->smi.outstanding;
}

/* No more stops: what was sent arrives, and the sums must agree. */
static void drain(struct machine *m, struct pass *pass)
{
	uint64_t until = m->shared->rounds + DRAIN_ROUNDS, last_rounds = m->shared->rounds;
	time_t start = now(), last_change = start;

	while (!m->dead && now() - start < DRAIN_SECONDS &&
	       (m->shared->rounds < until || waits(m)) &&
	       !is_stuck(m, &last_rounds, &last_change)) {
		if (run_slice(m, 1) == -EINTR)
			come_to_rest(m);
	}
	if (m->shared->rounds < until && !m->dead)
		m->dead = "stuck";
	pass->sums_agree &= !m->dead && m->irq_sum == m->shared->irq_sum;
}

static void copy_wrongs(struct machine *m, struct pass *pass)
{
	if (!pass->wrong_known && m->shared->wrongs) {
		pass->wrong = m->shared->wrong[0];
		pass->wrong_known = true;
	}
}

/* One kind of guest, until the pass has so many moves. */
static void run_guest(struct machine *m, struct pass *pass, bool chips, unsigned int moves)
{
	uint64_t last_rounds = 0;
	time_t last_change;

	if (pass->moves >= moves)
		return;
	m->chips = chips;
	start_guest(m, options.seed);
	last_change = now();
	while (pass->moves < moves) {
		if (!m->dead)
			one_move(m, pass);
		if (is_stuck(m, &last_rounds, &last_change))
			m->dead = "stuck";
		if (m->dead) {
			copy_wrongs(m, pass);
			machine_bury(m);
			if (pass->with_events && m->totals.deaths >= ENOUGH_DEATHS)
				break;
			start_guest(m, options.seed + m->totals.deaths);
			last_change = now();
		}
		report_progress(pass, m, options.moves);
	}
	drain(m, pass);
	copy_wrongs(m, pass);
	machine_bury(m);
	stop_watch(NULL);
}

static void run_pass(struct pass *pass)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m)
		err(1, "memory");
	m->without = options.without;
	m->together = options.together;
	m->two_nmis = options.two_nmis;
	m->no_extint = options.no_extint;
	srandom(options.seed);
	machine_init(m);
	pass->sums_agree = true;
	run_guest(m, pass, false, options.moves - options.irqchip);
	run_guest(m, pass, true, options.moves);
	pass->totals = m->totals;
	pass->irq = m->irq.count;
	pass->nmi = m->nmi.count;
	pass->msi = m->msi.count;
	pass->smi = m->smi.count;
	pass->devices = m->devices.count;
	free(m);
}

/* --- the command line ------------------------------------------------------------------- */

static void leave_out(char *list)
{
#define NAME(name, class, text) #name,
	static const char *const names[] = { PROVOKED(NAME) };

	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		int i = 0;

		if (!strcmp(word, "together")) {
			options.together = false;
			continue;
		}
		if (!strcmp(word, "two-nmis")) {
			options.two_nmis = false;
			continue;
		}
		if (!strcmp(word, "extint")) {
			options.no_extint = true;
			continue;
		}
		while (i < PROVOKED_COUNT && strcmp(word, names[i]))
			i++;
		if (i == PROVOKED_COUNT)
			errx(2, "--without %s: no such event", word);
		options.without |= 1UL << i;
	}
}

static void usage(FILE *to)
{
	fprintf(to, "usage: moves [--moves N] [--irqchip N] [--seed N] [--without EVENT,...]\n"
		"--irqchip: how many of the moves with a local APIC in the kernel (half)\n"
		"EVENT: a provoked event's name (guest.h), `together' (an exception raised by the\n"
		"VMM along with an interrupt), `two-nmis' (pending at once), or `extint'\n"
		"(KVM_INTERRUPT to a local APIC in the kernel).\n");
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "moves", required_argument, NULL, 'm' },
		{ "irqchip", required_argument, NULL, 'i' },
		{ "seed", required_argument, NULL, 's' },
		{ "without", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'm':
			options.moves = strtoul(optarg, NULL, 0);
			break;
		case 'i':
			options.irqchip = strtoul(optarg, NULL, 0);
			break;
		case 's':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case 'w':
			leave_out(optarg);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	static struct pass with = { .name = "with events", .with_events = true };
	static struct pass without = { .name = "without" };

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv);
	if (options.irqchip < 0)
		options.irqchip = options.moves / 2;
	if ((unsigned int)options.irqchip > options.moves)
		options.irqchip = options.moves;
	stop_init();
	run_pass(&with);
	run_pass(&without);
	report_table(&with, &without);
	return report_verdict(&with, &without, options.moves);
}
