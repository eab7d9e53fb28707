// SPDX-License-Identifier: GPL-2.0-only
/*
 * boot.c - how many instructions a guest's boot takes, and how many exits.
 *
 *   boot TEXT VMM ARGUMENT...
 *
 * Runs a VMM, whose standard output has to say TEXT, and prints rows as bench.c does. The guest's
 * own instructions are most of the count, and nothing that a KVM could spare. The exits are
 * debugfs's, which forgets a VM when it ends, so that the VMM is stopped before that.
 *
 * Next: ../small-vmm for the VMM, idle.h for what is not counted.
 */
#define _GNU_SOURCE
#include "idle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define DEBUGFS	"/sys/kernel/debug"

enum { AIM_BOOT = 100, AIM_EXITS = 100, STOPPED_AT_EXIT = SIGTRAP | PTRACE_EVENT_EXIT << 8 };

static void fail(const char *what)
{
	fprintf(stderr, "boot: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long read_exits(void)
{
	FILE *file = fopen(DEBUGFS "/kvm/exits", "r");
	long exits;

	if (!file || fscanf(file, "%ld", &exits) != 1)
		fail(DEBUGFS "/kvm/exits");
	fclose(file);
	return exits;
}

static void run_vmm(char **command, int output)
{
	if (dup2(output, STDOUT_FILENO) < 0 || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		fail("child");
	execv(command[0], command);
	fail(command[0]);
}

/* The first stop is that of execve(): from there on nothing stops it before its end. */
static pid_t start_vmm(char **command, int output)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		fail("fork");
	if (!pid)
		run_vmm(command, output);
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		fail("the VMM has not begun");
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL))
		fail("ptrace");
	return pid;
}

/* Signals are its own, and there are none. */
static void run_to_exit(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_CONT, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid)
		fail("ptrace");
	errno = EPROTO;
	if (!WIFSTOPPED(status) || status >> 8 != STOPPED_AT_EXIT)
		fail("the VMM has stopped elsewhere");
}

static void must_have_said(int output, const char *text)
{
	size_t size = lseek(output, 0, SEEK_END);
	const char *said = mmap(NULL, size, PROT_READ, MAP_SHARED, output, 0);

	errno = EPROTO;
	if (said == MAP_FAILED || !memmem(said, size, text, strlen(text)))
		fail("the guest has not said that it is there");
}

static int64_t now(void)
{
	return (int64_t)__rdtsc() - idle_count();
}

static void must_end_well(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_CONT, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid)
		fail("ptrace");
	errno = EPROTO;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail("the VMM has failed");
}

int main(int argc, char **argv)
{
	int output = memfd_create("output", 0);
	int64_t begin, end;
	long exits;
	pid_t pid;

	if (argc < 3 || output < 0)
		fail("boot TEXT VMM ARGUMENT...");
	if (mount("debugfs", DEBUGFS, "debugfs", 0, NULL) && errno != EBUSY)
		fail("mount");
	pid = start_vmm(argv + 2, output);
	idle_begin();
	begin = now();
	run_to_exit(pid);
	end = now();
	idle_end();
	exits = read_exits();
	must_end_well(pid);
	must_have_said(output, argv[1]);
	printf("row\tLinux to init and its end, in thousands\t%d\t%ld\n", AIM_BOOT,
	       (end - begin) / 1000);
	printf("row\texits of that\t%d\t%ld\n", AIM_EXITS, exits);
	return 0;
}
