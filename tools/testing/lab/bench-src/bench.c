// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench.c - how many instructions a KVM spends on what a VMM asks of it.
 *
 * On a host whose TSC goes forward by one with each instruction (both test hosts, with --icount), a
 * difference is a count of instructions: of this program, of the kernel, and of the guest, which
 * has next to none. Every row is the median of repeated loops, less what the same loop costs around
 * nothing, and less what a thread counts that runs in place of the idle one. Elsewhere the numbers
 * are cycles of the TSC and mean what those mean.
 *
 * Output: a line for each row, tab-separated: what, aim, count. The aim is the share of Debian's
 * count that Intact wants to stay within, 0 where the kernel's floor is measured and there is none.
 *
 * Next: irq.c and memory.c for more rows, vm.c for the virtual machine, ../bench for the table.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"
#include "idle.h"
#include "vm.h"

enum { LOOPS = 31 };

static struct kvm_vcpu_events events;
static struct kvm_regs regs;
static struct kvm_sregs sregs;
static struct kvm_debugregs debugregs;
static struct kvm_mp_state mp_state;
static struct kvm_fpu fpu;
static struct kvm_xsave xsave;

void nothing(void)
{
}

#define STATE_CALL(name, request, variable)			\
	static void name(void)					\
	{							\
		must_ioctl(vm.vcpu, request, &variable, #request); \
	}

STATE_CALL(get_events, KVM_GET_VCPU_EVENTS, events)
STATE_CALL(set_events, KVM_SET_VCPU_EVENTS, events)
STATE_CALL(get_regs, KVM_GET_REGS, regs)
STATE_CALL(set_regs, KVM_SET_REGS, regs)
STATE_CALL(get_sregs, KVM_GET_SREGS, sregs)
STATE_CALL(set_sregs, KVM_SET_SREGS, sregs)
STATE_CALL(get_debugregs, KVM_GET_DEBUGREGS, debugregs)
STATE_CALL(set_debugregs, KVM_SET_DEBUGREGS, debugregs)
STATE_CALL(get_mp_state, KVM_GET_MP_STATE, mp_state)
STATE_CALL(set_mp_state, KVM_SET_MP_STATE, mp_state)
STATE_CALL(get_fpu, KVM_GET_FPU, fpu)
STATE_CALL(get_xsave, KVM_GET_XSAVE, xsave)
STATE_CALL(set_xsave, KVM_SET_XSAVE, xsave)

/* What a VMM reads and writes to move a processor; no MSRs, how many is the VMM's choice. */
static void whole_vcpu(void)
{
	get_regs();
	get_sregs();
	get_xsave();
	get_debugregs();
	get_mp_state();
	get_events();
	set_regs();
	set_sregs();
	set_xsave();
	set_debugregs();
	set_mp_state();
	set_events();
}

static void get_all(void)
{
	vm_start_at(guest_idle, 0);
	get_regs();
	get_sregs();
	get_xsave();
	get_debugregs();
	get_mp_state();
	get_events();
	get_fpu();
}

static void floor_getppid(void)
{
	syscall(SYS_getppid);
}

static void floor_refused(void)
{
	if (ioctl(vm.vcpu, _IO(0, 0), 0) >= 0)
		fail("an ioctl that does not exist");
}

static void floor_version(void)
{
	if (ioctl(vm.kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		fail("KVM_GET_API_VERSION");
}

void run_pio(void)
{
	vm_run(KVM_EXIT_IO);
}

static void run_mmio(void)
{
	vm_run(KVM_EXIT_MMIO);
}

/* Once before the loop: the first exit maps pages. */
static void start_pio(void)
{
	vm_start_at(guest_pio, 0);
	vm_run(KVM_EXIT_IO);
}

static void start_mmio_write(void)
{
	vm_start_at(guest_mmio_write, 0);
	vm_run(KVM_EXIT_MMIO);
}

static void start_mmio_read(void)
{
	vm_start_at(guest_mmio_read, 0);
	vm_run(KVM_EXIT_MMIO);
}

static void start_loop(void)
{
	vm_start_at(guest_loop, IN_KERNEL);
}

static void start_cpuid(void)
{
	vm_start_at(guest_cpuid, IN_KERNEL);
}

static void start_rdmsr(void)
{
	vm_start_at(guest_rdmsr, IN_KERNEL);
}

static void run_interrupt(void)
{
	struct kvm_interrupt interrupt = { .irq = IRQ_VECTOR };

	must_ioctl(vm.vcpu, KVM_INTERRUPT, &interrupt, "KVM_INTERRUPT");
	vm_run(KVM_EXIT_IO);
}

static void run_nmi(void)
{
	must_ioctl(vm.vcpu, KVM_NMI, NULL, "KVM_NMI");
	vm_run(KVM_EXIT_IO);
}

/* As a VMM does it, who does not want to change the rest: read, add the exception, write. */
static void run_page_fault(void)
{
	struct kvm_vcpu_events fault;

	must_ioctl(vm.vcpu, KVM_GET_VCPU_EVENTS, &fault, "KVM_GET_VCPU_EVENTS");
	fault.exception.injected = 1;
	fault.exception.nr = 14;
	fault.exception.has_error_code = 1;
	fault.exception.error_code = 2;
	must_ioctl(vm.vcpu, KVM_SET_VCPU_EVENTS, &fault, "KVM_SET_VCPU_EVENTS");
	vm_run(KVM_EXIT_IO);
}

void must_hold(bool condition, const char *what)
{
	if (condition)
		return;
	errno = EPROTO;
	fail(what);
}

static void must_be_in(const uint8_t *handler)
{
	get_regs();
	must_hold(regs.rip - guest_address(handler) < 16, "the guest is not in its handler");
}

static void interrupts_arrived(void)
{
	must_be_in(guest_irq);
	must_hold(regs.rdi == TIMES, "the guest has not counted every interrupt");
}

static void faults_arrived(void)
{
	must_be_in(guest_page_fault);
}

static void nmis_arrived(void)
{
	get_regs();
	must_hold(regs.rdi == TIMES, "the guest has not counted every NMI");
}

const struct row loop_base = {
	"the loop itself", NO_AIM, nothing, nothing, nothing, TIMES, 1, NULL,
};

const struct row once_base = {
	"a loop of one round", NO_AIM, nothing, nothing, nothing, 1, 1, NULL,
};

const struct row guest_base = {
	"guest's loop", NO_AIM, start_loop, run_pio, nothing, 1, 1, &once_base,
};

#define CALL(text, aim, step) { text, aim, get_all, step, nothing, TIMES, 1, &loop_base }
#define EXITS(text, aim, start, step) { text, aim, start, step, nothing, TIMES, 1, &loop_base }
#define EVENT(text, step, after) { text, AIM_EXIT, start_pio, step, after, TIMES, 1, &loop_base }

static const struct row rows[] = {
	CALL("KVM_GET_VCPU_EVENTS", AIM_EVENTS, get_events),
	CALL("KVM_SET_VCPU_EVENTS", AIM_EVENTS, set_events),
	CALL("KVM_GET_REGS", AIM_STATE, get_regs),
	CALL("KVM_SET_REGS", AIM_STATE, set_regs),
	CALL("KVM_GET_SREGS", AIM_STATE, get_sregs),
	CALL("KVM_SET_SREGS", AIM_STATE, set_sregs),
	CALL("KVM_GET_DEBUGREGS", AIM_STATE, get_debugregs),
	CALL("KVM_GET_MP_STATE", AIM_STATE, get_mp_state),
	CALL("KVM_GET_FPU", AIM_STATE, get_fpu),
	CALL("KVM_GET_XSAVE", AIM_STATE, get_xsave),
	CALL("get + set of a whole vCPU, 12 ioctls", AIM_STATE, whole_vcpu),
	EXITS("PIO exit to userspace and back", AIM_EXIT, start_pio, run_pio),
	{ "CPUID exit", AIM_EXIT, start_cpuid, run_pio, nothing, 1, IN_KERNEL, &guest_base },
	{ "RDMSR (APICBASE) exit", AIM_EXIT, start_rdmsr, run_pio, nothing, 1, IN_KERNEL,
	  &guest_base },
	EXITS("MMIO write exit", AIM_EXIT, start_mmio_write, run_mmio),
	EXITS("MMIO read exit", AIM_EXIT, start_mmio_read, run_mmio),
	EVENT("KVM_INTERRUPT to the guest's next exit", run_interrupt, interrupts_arrived),
	EVENT("KVM_NMI to the guest's next exit", run_nmi, nmis_arrived),
	EVENT("#PF by SET_VCPU_EVENTS to the next exit", run_page_fault, faults_arrived),
};

static const struct row floor_rows[] = {
	CALL("getppid", NO_AIM, floor_getppid),
	CALL("refused ioctl on the vCPU fd", NO_AIM, floor_refused),
	CALL("KVM_GET_API_VERSION", NO_AIM, floor_version),
};

static int64_t now(void)
{
	return (int64_t)__rdtsc() - idle_count();
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t one_loop(const struct row *row)
{
	int64_t begin, end;

	row->start();
	begin = now();
	for (int i = 0; i < row->times; i++)
		row->step();
	end = now();
	row->after();
	return end - begin;
}

/* The median of whole loops. One more goes before: it warms what can be warmed. */
static int64_t loop_median(const struct row *row)
{
	int64_t took[LOOPS];

	one_loop(row);
	for (int i = 0; i < LOOPS; i++)
		took[i] = one_loop(row);
	qsort(took, LOOPS, sizeof(took[0]), by_value);
	return took[LOOPS / 2];
}

static double measure(const struct row *row)
{
	int64_t total = loop_median(row);

	if (row->base)
		total -= loop_median(row->base);
	return (double)total / row->times / row->divide;
}

void print_count(const char *text, int aim, double count)
{
	printf("row\t%s\t%d\t%.0f\n", text, aim, count);
}

void measure_all(const struct row *row, size_t count)
{
	for (; count--; row++)
		print_count(row->text, row->aim, measure(row));
}

/* Without an argument all of it; with one, a part: state, memory, interrupts. */
int main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : NULL;

	setvbuf(stdout, NULL, _IOLBF, 0);
	vm_create(false);
	printf("overhead\t%ld\t%d\n", loop_median(&loop_base), TIMES);
	if (!part || !strcmp(part, "state"))
		MEASURE(rows);
	if (!part || !strcmp(part, "memory")) {
		measure_faults();
		measure_sizes();
	}
	vm_create(true);
	if (!part || !strcmp(part, "interrupts"))
		measure_interrupts();
	MEASURE(floor_rows);
	return 0;
}
