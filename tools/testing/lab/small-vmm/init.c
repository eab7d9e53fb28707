// SPDX-License-Identifier: GPL-2.0-only
/*
 * init.c - the first program of the small VMM's guest: says that it runs and
 * what it finds, and ends the machine.
 *
 * What it says goes to the kernel's log, whose console is the serial port.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define KMSG_MINOR	11

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

int main(void)
{
	struct timespec wait = { .tv_nsec = 200000000 };
	unsigned long before;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mknod("/kmsg", S_IFCHR | 0600, makedev(1, KMSG_MINOR));
	log_fd = open("/kmsg", O_WRONLY);
	say("init: runs on %ld processors\n", sysconf(_SC_NPROCESSORS_ONLN));
	before = timer_ticks();
	nanosleep(&wait, NULL);
	say("init: the timer %s\n", timer_ticks() > before ? "ticks" : "stands still");
	reboot(RB_AUTOBOOT);
	return 1;
}
