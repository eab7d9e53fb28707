// SPDX-License-Identifier: GPL-2.0-only
/*
 * run.c - running the vCPU, with a limit to what it may take, and the small
 * things a test does to it between two runs.
 *
 * A guest that hangs must not hang the tests: SIGALRM ends KVM_RUN after
 * RUN_SECONDS.  The harness has its own, longer limit in the parent.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include "kvm_lib.h"

#define RUN_SECONDS	6

static volatile sig_atomic_t alarmed;

static void on_alarm(int sig)
{
	(void)sig;
	alarmed = 1;
}

static void set_limit(unsigned int seconds)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { .it_value = { .tv_sec = seconds } };

	if (seconds) {
		alarmed = 0;
		sigaction(SIGALRM, &action, NULL);
	}
	setitimer(ITIMER_REAL, &timer, NULL);
}

/**
 * vm_run() - KVM_RUN, once
 * @vm: the VM
 *
 * Return: the exit reason, a negative errno, or RUN_HUNG when the guest was
 * stopped because it took too long.
 */
int vm_run(struct vm *vm)
{
	int err;

	set_limit(RUN_SECONDS);
	err = vcpu_ioctl(vm, KVM_RUN, NULL);
	set_limit(0);
	if (err == -EINTR && alarmed)
		return RUN_HUNG;
	return err < 0 ? err : (int)vm->run->exit_reason;
}

/* Runs to the next exit: the port if that was an OUT, or something below 0. */
int vm_run_out(struct vm *vm)
{
	int reason = vm_run(vm);

	if (reason < 0)
		return reason;
	if (reason != KVM_EXIT_IO || vm->run->io.direction != KVM_EXIT_IO_OUT)
		return -1000 - reason;
	return vm->run->io.port;
}

/*
 * Runs until the guest said PORT_DONE three times: what was to happen before
 * the first, or once too often after it, has happened then.
 */
int vm_run_settled(struct vm *vm)
{
	int i, port;

	for (i = 0; i < 3; i++) {
		port = vm_run_out(vm);
		if (port != PORT_DONE)
			break;
	}
	return port;
}

/**
 * vm_complete() - finish the instruction that the last exit was about
 * @vm: the VM
 *
 * To be called before state is read at an exit for I/O.
 *
 * Return: 0 when nothing is left to do, else as vm_run().
 */
int vm_complete(struct vm *vm)
{
	int reason;

	vm->run->immediate_exit = 1;
	reason = vm_run(vm);
	vm->run->immediate_exit = 0;
	return reason == -EINTR ? 0 : reason;
}

/* What the last run came back with, for people. */
const char *vm_why(struct vm *vm)
{
	static char text[256];
	struct kvm_regs regs = {};
	int n;

	vcpu_ioctl(vm, KVM_GET_REGS, &regs);
	n = snprintf(text, sizeof(text), "exit %u, rip %#llx rsp %#llx rflags %#llx",
		     vm->run->exit_reason, regs.rip, regs.rsp, regs.rflags);
	if (vm->run->exit_reason == KVM_EXIT_IO)
		snprintf(text + n, sizeof(text) - n, ", port %#x", vm->run->io.port);
	else if (vm->run->exit_reason == KVM_EXIT_MMIO)
		snprintf(text + n, sizeof(text) - n, ", mmio %#llx", vm->run->mmio.phys_addr);
	else if (vm->run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		snprintf(text + n, sizeof(text) - n, ", hardware's reason %#llx",
			 vm->run->fail_entry.hardware_entry_failure_reason);
	else if (vm->run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		snprintf(text + n, sizeof(text) - n, ", suberror %u", vm->run->internal.suberror);
	return text;
}

/*
 * All registers 0 but these; the stack is empty, no exit is left unfinished.  A guest that stays
 * inside wants IF: the host's interrupts do not need it to get through, but on Bochs they do.
 */
void vm_start(struct vm *vm, uint64_t rip, uint64_t rflags)
{
	struct kvm_regs regs = {
		.rip = rip, .rflags = rflags | RFLAGS_FIXED, .rsp = STACK_TOP,
	};

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
}

uint64_t vm_rip(struct vm *vm)
{
	struct kvm_regs regs = {};

	vcpu_ioctl(vm, KVM_GET_REGS, &regs);
	return regs.rip;
}

/* mprotect() of the page that holds an address of the guest. */
int vm_page(struct vm *vm, uint64_t address, int prot)
{
	return mprotect(vm->mem + (address & ~0xfffULL), 0x1000, prot);
}

/*
 * Takes a page away and runs the guest into that: whatever needs the page
 * first, an instruction or the delivery of an event, is left half done.
 * -EFAULT is what is wanted; vm_mend() gives the page back.
 */
int vm_stumble(struct vm *vm, uint64_t address)
{
	vm_page(vm, address, PROT_NONE);
	return vm_run(vm);
}

int vm_mend(struct vm *vm, uint64_t address)
{
	return vm_page(vm, address, PROT_READ | PROT_WRITE);
}

int vm_interrupt(struct vm *vm, unsigned int vector)
{
	struct kvm_interrupt irq = { .irq = vector };

	return vcpu_ioctl(vm, KVM_INTERRUPT, &irq);
}

int vm_nmi(struct vm *vm)
{
	return vcpu_ioctl(vm, KVM_NMI, NULL);
}

/* Of the host's clock; only differences mean something. */
uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}
