// SPDX-License-Identifier: GPL-2.0-only
/*
 * init.c - the first program of the small VMM's guest: says that it runs and
 * what it finds, works all processors if there are several, and ends the machine.
 *
 * What it says goes to the kernel's log, whose console is the serial port.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define KMSG_MINOR	11
#define PROCESSORS	8
#define LAPS		100
#define PAGE		4096

static int log_fd;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	char line[200];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (write(log_fd, line, length) != length)
		_exit(1);
}

/* Interrupts of the local timer, summed over the processors. */
static unsigned long timer_ticks(void)
{
	FILE *file = fopen("/proc/interrupts", "r");
	unsigned long total = 0, one;
	char line[400], *at;
	int used;

	while (file && fgets(line, sizeof(line), file)) {
		at = strstr(line, "LOC:");
		if (!at)
			continue;
		for (at += 4; sscanf(at, "%lu%n", &one, &used) == 1; at += used)
			total += one;
	}
	if (file)
		fclose(file);
	return total;
}

static void read_clock_name(char *name, size_t size)
{
	FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");

	memset(name, 0, size);
	if (!file)
		return;
	if (fgets(name, size, file))
		name[strcspn(name, "\n")] = '\0';
	fclose(file);
}

/*
 * A load: a thread on each processor hands a token on to the next one, and the time with it,
 * and takes a page away that all may have looked at.
 */

static int ring[PROCESSORS][2];
static long processors;
static volatile uint64_t *page;
static unsigned long bad;

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static bool lap(long number)
{
	uint64_t then, now;

	if (read(ring[number][0], &then, sizeof(then)) != sizeof(then))
		return false;
	now = clock_ns();
	/* a page that another processor has replaced may still be in the TLB of this one */
	if (now < then || *page != then)
		__atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
	if (madvise((void *)page, PAGE, MADV_DONTNEED) || *page)
		__atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
	*page = now;
	return write(ring[(number + 1) % processors][1], &now, sizeof(now)) == sizeof(now);
}

/* Looks at the page between its turns, so that its processor has it in its TLB. */
static void *work(void *arg)
{
	long number = (long)arg;
	cpu_set_t set;
	int i, spin;

	CPU_ZERO(&set);
	CPU_SET(number, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return "bad";
	for (i = 0; i < LAPS; i++) {
		uint64_t seen = 0, now;

		for (spin = 0; spin < 50; spin++, seen = now ?: seen) {
			now = *page;
			if (now && now < seen)
				__atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
		}
		if (!lap(number))
			return "bad";
	}
	return NULL;
}

static bool holds_load(void)
{
	pthread_t threads[PROCESSORS];
	uint64_t first = clock_ns();
	void *result = NULL;
	bool good = true;
	long i;

	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return false;
	for (i = 0; i < processors; i++)
		if (pipe(ring[i]))
			return false;
	for (i = 0; i < processors; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)i))
			return false;
	*page = first;
	if (write(ring[0][1], &first, sizeof(first)) != sizeof(first))
		return false;
	for (i = 0; i < processors; i++)
		good &= !pthread_join(threads[i], &result) && !result;
	say("init: %ld laps in %lu ms, %lu wrong\n", processors * LAPS,
	    (unsigned long)((clock_ns() - first) / 1000000), bad);
	return good && !bad;
}

int main(void)
{
	struct timespec wait = { .tv_nsec = 200000000 };
	char first_clock[40], clock[40];
	unsigned long before;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mknod("/kmsg", S_IFCHR | 0600, makedev(1, KMSG_MINOR));
	log_fd = open("/kmsg", O_WRONLY);
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	say("init: runs on %ld processors\n", processors);
	read_clock_name(first_clock, sizeof(first_clock));
	before = timer_ticks();
	nanosleep(&wait, NULL);
	say("init: the timer %s\n", timer_ticks() > before ? "ticks" : "stands still");
	if (processors > 1 && processors <= PROCESSORS)
		say("init: a load %s\n", holds_load() ? "is held" : "goes wrong");
	read_clock_name(clock, sizeof(clock));
	say("init: the clock is %s%s\n", clock,
	    strcmp(clock, first_clock) ? ", and was another" : "");
	reboot(RB_AUTOBOOT);
	return 1;
}
