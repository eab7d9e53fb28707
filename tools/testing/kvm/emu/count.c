// SPDX-License-Identifier: GPL-2.0-only
/*
 * count.c - what the hot paths of the decoder and the executor cost, in
 * machine instructions: a child runs them, its parent steps it and counts.
 * The numbers are the same on every run; those of the decoder have limits,
 * because it runs at nearly every VM exit of a processor without NRIPS.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../pure_user.h"
#include "../../../../arch/x86/kvm/emu/emu.h"

struct subject {
	const char *name, *bytes;
	u8 len;
	bool execute;
	unsigned int limit;
};

static const struct subject subjects[] = {
	{ "decode hlt", "\xf4", 1, false, 80 },
	{ "decode cpuid", "\x0f\xa2", 2, false, 80 },
	{ "decode rdmsr", "\x0f\x32", 2, false, 80 },
	{ "decode pause", "\xf3\x90", 2, false, 150 },
	{ "decode out imm8", "\xe6\x80", 2, false, 150 },
	{ "decode in dx", "\xed", 1, false, 80 },
	{ "decode int n", "\xcd\x80", 2, false, 150 },
	{ "decode mov cr3", "\x0f\x22\xdf", 3, false, 150 },
	{ "decode mov cr8", "\x44\x0f\x22\xc0", 4, false, 180 },
	{ "decode vmmcall", "\x0f\x01\xd9", 3, false, 150 },
	{ "decode invlpg", "\x0f\x01\x38", 3, false, 180 },
	{ "decode mov to mem", "\x89\x87\xb0\x00\x00\x00", 6, false, 220 },
	{ "execute mov to device", "\x89\x07", 2, true, 700 },
	{ "execute mov from device", "\x8b\x07", 2, true, 1200 },
};

static enum emu_mem translate(struct emu_ctx *ctx, u64 linear, unsigned int len, bool write,
			      u64 *gpa)
{
	(void)ctx;
	(void)len;
	(void)write;
	*gpa = linear;
	return EMU_MEM_DEVICE;
}

static const struct emu_ops ops = { .translate = translate };

static struct emu_insn insn;
static struct emu_ctx ctx = { .ops = &ops, .linear_bits = 48 };

/* Between the two breakpoints is what is counted */
static void run(const struct subject *s)
{
	static const u8 data[8];
	u8 bytes[EMU_MAX_INSN] = { 0 };

	memcpy(bytes, s->bytes, s->len);
	if (!s->execute) {
		asm volatile("int3" ::: "memory");
		emu_decode(&insn, bytes, sizeof(bytes), EMU_64);
		asm volatile("int3" ::: "memory");
	} else {
		emu_decode(&insn, bytes, sizeof(bytes), EMU_64);
		asm volatile("int3" ::: "memory");
		emu_execute(&ctx, &insn);
		if (!ctx.io.committed) {
			emu_io_answer(&ctx.io, data);
			emu_execute(&ctx, &insn);
		}
		asm volatile("int3" ::: "memory");
	}
	if (insn.len != s->len)
		_exit(1);
}

static void child(void)
{
	unsigned int i;

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	for (i = 0; i < ARRAY_SIZE(subjects); i++)
		run(&subjects[i]);
	_exit(0);
}

static bool next_stop(pid_t pid, int how)
{
	int status;

	return !ptrace(how, pid, 0, 0) && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == SIGTRAP;
}

static bool at_breakpoint(pid_t pid)
{
	siginfo_t info;

	ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
	return info.si_code == SI_KERNEL;
}

int main(void)
{
	unsigned int i, passed = 0, failed = 0, count;
	int status;
	pid_t pid = fork();

	if (!pid)
		child();
	waitpid(pid, &status, 0);
	for (i = 0; i < ARRAY_SIZE(subjects); i++) {
		bool good = next_stop(pid, PTRACE_CONT);

		for (count = 0; good && (!count || !at_breakpoint(pid)); count++)
			good = next_stop(pid, PTRACE_SINGLESTEP);
		good = good && count <= subjects[i].limit;
		printf("# %s%s: %u instructions\n", good ? "" : "too many: ", subjects[i].name,
		       count);
		*(good ? &passed : &failed) += 1;
	}
	ptrace(PTRACE_CONT, pid, 0, 0);
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		failed++;
	printf("%s cost of the hot paths: %u passed, %u failed\n", failed ? "not ok" : "ok", passed,
	       failed);
	return failed != 0;
}
