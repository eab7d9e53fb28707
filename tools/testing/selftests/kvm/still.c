// SPDX-License-Identifier: GPL-2.0-only
/*
 * still FILE COMMAND... - run a command, and note for how long the host stood still.
 *
 * A real-time thread sleeps for 20 ms again and again.  Each time that it wakes more
 * than 300 ms late, nothing that sleeps can have gone on as it should: what it was
 * late is added up, in ms, and left in FILE.  The exit status is the command's.
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLEEP_MS	20
#define LATE_MS		300

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	struct timespec pause = { .tv_nsec = SLEEP_MS * 1000000L };
	struct sched_param first = { .sched_priority = 1 };
	uint64_t since, still = 0;
	int64_t late;
	int status;
	FILE *file;
	pid_t pid;

	if (argc < 3)
		return 2;
	pid = fork();
	if (!pid) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	sched_setscheduler(0, SCHED_FIFO, &first);
	while (pid > 0 && !waitpid(pid, &status, WNOHANG)) {
		since = now_ms();
		nanosleep(&pause, NULL);
		late = now_ms() - since - SLEEP_MS;
		if (late > LATE_MS)
			still += late;
	}
	file = fopen(argv[1], "w");
	if (pid < 0 || !file)
		return 127;
	fprintf(file, "%llu\n", (unsigned long long)still);
	fclose(file);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
