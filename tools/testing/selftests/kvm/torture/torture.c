// SPDX-License-Identifier: GPL-2.0-only
/*
 * torture [--moves N] [--seed S] - a guest that is moved at every instruction boundary.
 *
 * Two machines run the same guest, a step at a time: one stays, the other is saved
 * and loaded into a fresh vCPU after each step.  Interrupts, NMIs and pages that are
 * taken away come to both at the same steps; the guest makes the rest by itself: every
 * kind of exception, software interrupts, its own single steps, shadows, HLT, I/O, and
 * a double fault.  After each step all registers and all events of the two are
 * compared, and what the handlers wrote.  The guest is in guest.S.
 *
 * With KVM_CAP_X86_EXACT_STATE, moves are made in the middle of I/O, too.  Where the two
 * have come apart, that is counted, and the second is made anew from the first.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "kvm_lib.h"
#include "torture.h"

#define FRESH_VCPUS	48		/* in one VM, one after the other */
#define LOG_FULL	(LOG_ENTRIES / 2)
#define REPORTED	10
#define ENOUGH_MOVES	20000		/* to have met everything that happens at boundaries */
#define DR7_NOTHING	0x400
#define DR7_WATCH	0x9b0405	/* L0, 8 bytes, reads and writes; L1, 8 bytes, writes */
#define SPARE_ENTRIES	256		/* of the table of CPUID */

LABEL(torture_start);
LABEL(torture_df);
LABEL(torture_stubs);

enum stop { STEP, HANDLER, OUTPUT, INPUT, MMIO_READ, MMIO_WRITE, HALT, TAKEN, WRONG };

/* One of the two machines. */
struct machine {
	struct vm vm;
	unsigned int vcpus;		/* made in this VM */
	unsigned long handled[256];
	unsigned long events;
};

static struct machine stays, moves;
static struct image image;
static struct kvm_cpuid2 *cpuid;
static bool exact;
static bool shadows;			/* outlast exits */
static uint64_t seed = 1;

static struct {
	unsigned long moves, found[16], sort[WRONG + 1], apart, lost, doubled;
} count;

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void must(int err, const char *what)
{
	errno = err < 0 ? -err : 0;
	if (err)
		die(what);
}

static void step_from_outside(struct vm *vm)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};

	must(vcpu_ioctl(vm, KVM_SET_GUEST_DEBUG, &debug), "KVM_SET_GUEST_DEBUG");
}

/*
 * Moving.
 */

/* Another vCPU in the same VM; its tables are warm, its state is that after power-up. */
static void fresh_vcpu(struct machine *m)
{
	struct vm *vm = &m->vm;

	munmap(vm->run, vm->run_size);
	close(vm->vcpu);
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, (long)m->vcpus++);
	if (vm->vcpu < 0)
		die("KVM_CREATE_VCPU");
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		die("mapping struct kvm_run");
	must(vcpu_ioctl(vm, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
}

static void fresh_vm(struct machine *m)
{
	struct vm next;
	const char *wrong = vm_create_on(&next, m->vm.caps, m->vm.mem);

	if (wrong)
		die(wrong);
	m->vm.mem = NULL;
	vm_destroy(&m->vm);
	m->vm = next;
	m->vcpus = 1;
}

static void note_what_is_found(const struct kvm_vcpu_events *events)
{
	count.found[0] += events->exception.injected && !events->exception.pending;
	count.found[1] += events->exception.pending;
	count.found[2] += events->exception_has_payload;
	count.found[3] += events->interrupt.injected;
	count.found[4] += !!events->interrupt.shadow;
	count.found[5] += events->nmi.injected;
	count.found[6] += !!events->nmi.pending;
	count.found[7] += events->nmi.pending > 1;
	count.found[8] += events->nmi.masked;
	if (!exact)
		return;
	count.found[9] += image.exact.interrupt.type == KVM_EXACT_SOFT_INTERRUPT ||
			  image.exact.begun.type == KVM_EXACT_SOFT_EXCEPTION;
	count.found[10] += !!image.exact.pending_dbg;
	count.found[11] += image.exact.flags & KVM_EXACT_VALID_IO;
}

static const char *const found_names[] = {
	"exception, its delivery begun", "exception, pending", "  with a payload",
	"interrupt, acknowledged", "interrupt shadow", "NMI, its delivery begun", "NMI, pending",
	"  two of them", "NMIs masked", "software event begun", "debug trap behind MOV SS",
	"instruction in the middle of I/O",
};

static void move(struct machine *m)
{
	must(image_get(&m->vm, &image), "saving");
	note_what_is_found(&image.events);
	if (m->vcpus < FRESH_VCPUS)
		fresh_vcpu(m);
	else
		fresh_vm(m);
	must(image_set(&m->vm, &image), "loading");
	count.moves++;
}

/* The second machine anew, as the first is. */
static void join(void)
{
	uint8_t *mem = vm_alloc();

	if (!mem)
		die("memory");
	memcpy(mem, stays.vm.mem, MEM_SIZE);
	munmap(moves.vm.mem, MEM_SIZE);
	moves.vm.mem = mem;
	fresh_vm(&moves);
	must(image_get(&stays.vm, &image), "saving");
	must(image_set(&moves.vm, &image), "loading");
}

/*
 * A step.
 */

/* Two pages have the first instructions of all handlers. */
static bool at_stub(uint64_t rip, const uint8_t *stubs)
{
	return rip - GA(stubs) < 0x1000;
}

static enum stop sort_of(struct vm *vm, int reason)
{
	struct kvm_run *run = vm->run;

	switch (reason) {
	case KVM_EXIT_DEBUG:
		return STEP;
	case KVM_EXIT_HLT:
		return HALT;
	case KVM_EXIT_IO:
		return run->io.direction == KVM_EXIT_IO_OUT ? OUTPUT : INPUT;
	case KVM_EXIT_MMIO:
		return run->mmio.is_write ? MMIO_WRITE : MMIO_READ;
	case -EFAULT:
		return at_stub(vm_rip(vm), rt_stubs) || at_stub(vm_rip(vm), torture_stubs) ?
		       HANDLER : TAKEN;
	default:
		return WRONG;
	}
}

/* What is over, is over: the debugger's exit behind it is no part of the state. */
static enum stop settle(struct vm *vm, enum stop sort)
{
	int reason;

	vm->run->immediate_exit = 1;
	do {
		reason = vm_run(vm);
	} while (reason == KVM_EXIT_MMIO || reason == KVM_EXIT_IO);
	vm->run->immediate_exit = 0;
	return reason == -EINTR || reason == KVM_EXIT_DEBUG ? sort : WRONG;
}

static enum stop answer(struct vm *vm, enum stop sort, uint64_t value)
{
	struct kvm_run *run = vm->run;

	if (sort == INPUT)
		memcpy((uint8_t *)run + run->io.data_offset, &value, run->io.size);
	else if (sort == MMIO_READ)
		memcpy(run->mmio.data, &value, sizeof(run->mmio.data));
	if (sort == OUTPUT || sort == MMIO_WRITE)
		return settle(vm, sort);
	/* without the extension a read has to be finished before it is saved */
	if (!exact && (sort == INPUT || sort == MMIO_READ))
		return settle(vm, sort);
	return sort;
}

/* What comes from outside at one step, to both alike. */
struct plan {
	bool nmi;
	unsigned int vector;		/* of an interrupt, or 0 */
	uint64_t page;			/* taken away for this step, or 0 */
	uint64_t value;			/* what devices say */
	enum { AS_BEFORE, WATCH, DO_NOT_WATCH } watch;	/* the guest's breakpoints */
};

static struct plan make_plan(void)
{
	/* gates, descriptors, the stack, where the handlers write, the guest's tables */
	static const uint64_t pages[] = { IDT, GDT, STACK, LOG, CTRL_PAGE, PT };
	uint64_t r = random64();
	struct plan plan = { .value = random64() };

	/* a handler is 45 steps: more would leave no time for the guest's own events */
	plan.watch = (r >> 40 & 63) < 3 ? r >> 40 & 63 : 0;
	plan.nmi = !(r & 255);
	if (!(r >> 8 & 31))
		plan.vector = 0x40 + (r >> 16 & 7);
	if (!(r >> 24 & 15))
		plan.page = pages[(r >> 32) % (sizeof(pages) / sizeof(pages[0]))];
	return plan;
}

/* Reads and writes of the memory, writes to the device. */
static void set_breakpoints(struct vm *vm, bool on)
{
	struct kvm_debugregs debugregs;

	must(vcpu_ioctl(vm, KVM_GET_DEBUGREGS, &debugregs), "KVM_GET_DEBUGREGS");
	debugregs.db[0] = WATCHED;
	debugregs.db[1] = WATCHED_DEVICE;
	debugregs.dr7 = on ? DR7_WATCH : DR7_NOTHING;
	must(vcpu_ioctl(vm, KVM_SET_DEBUGREGS, &debugregs), "KVM_SET_DEBUGREGS");
}

/*
 * One instruction, or one delivery.  That ends TF, and with it the step; so a page of the handlers'
 * first instructions is there only for who is on it, and others stop when they get to it.
 */
static enum stop step(struct vm *vm, const struct plan *plan)
{
	uint64_t rip = vm_rip(vm);
	enum stop sort;
	int reason;

	/* anew: a delivery has ended TF, and Linux's KVM does not set it again by itself */
	step_from_outside(vm);
	if (plan->watch)
		set_breakpoints(vm, plan->watch == WATCH);
	if (plan->nmi)
		vm_nmi(vm);
	if (plan->vector && vm->run->ready_for_interrupt_injection)
		vm_interrupt(vm, plan->vector);
	if (plan->page)
		vm_page(vm, plan->page, PROT_NONE);
	if (!at_stub(rip, rt_stubs))
		vm_page(vm, GA(rt_stubs), PROT_NONE);
	if (!at_stub(rip, torture_stubs))
		vm_page(vm, GA(torture_stubs), PROT_NONE);
	/* the host may have had other work: it froze its tasks, say */
	do {
		reason = vm_run(vm);
	} while (reason == -EINTR);
	vm_mend(vm, GA(rt_stubs));
	vm_mend(vm, GA(torture_stubs));
	sort = answer(vm, sort_of(vm, reason), plan->value);
	if (plan->page)
		vm_mend(vm, plan->page);
	return sort;
}

/*
 * Comparing.
 */

/* What is in bytes that are not valid is the kernel's own business. */
static void clear_stale(struct kvm_vcpu_events *events)
{
	if (!events->exception.injected && !events->exception.pending) {
		memset(&events->exception, 0, sizeof(events->exception));
		events->exception_has_payload = 0;
	}
	if (!events->exception_has_payload)
		events->exception_payload = 0;
	if (!events->interrupt.injected)
		events->interrupt.nr = 0;
}

static const char *difference(void)
{
	static struct image a, b;

	must(image_get(&stays.vm, &a), "reading");
	must(image_get(&moves.vm, &b), "reading");
	if (memcmp(&a.regs, &b.regs, sizeof(a.regs)))
		return "general registers";
	if (memcmp(&a.sregs, &b.sregs, sizeof(a.sregs)))
		return "system registers";
	if (memcmp(&a.debugregs, &b.debugregs, sizeof(a.debugregs)))
		return "debug registers";
	clear_stale(&a.events);
	clear_stale(&b.events);
	if (!shadows)
		a.events.interrupt.shadow = b.events.interrupt.shadow = a.exact.shadow =
			b.exact.shadow = 0;
	if (!events_equal(&a.events, &b.events))
		return "events";
	if (memcmp(&a.exact, &b.exact, sizeof(a.exact)))
		return "the exact state";
	/* a shadow forbids it */
	if (shadows && stays.vm.run->ready_for_interrupt_injection !=
		       moves.vm.run->ready_for_interrupt_injection)
		return "ready_for_interrupt_injection";
	if (log_count(&stays.vm) != log_count(&moves.vm))
		return "the number of handlers that ran";
	return NULL;
}

static void take_log(struct machine *m)
{
	unsigned int i, entries = log_count(&m->vm);

	for (i = 0; i < entries && i < LOG_ENTRIES; i++)
		m->handled[log_at(&m->vm, i)->vector & 0xff]++;
	m->events += entries;
	log_clear(&m->vm);
}

/* Which handlers ran here and not there. */
static bool compare_logs(void)
{
	bool same = !memcmp(log_at(&stays.vm, 0), log_at(&moves.vm, 0),
			    LOG_ENTRIES << LOG_SHIFT);
	unsigned long before[2][256];
	long more;

	memcpy(before[0], stays.handled, sizeof(before[0]));
	memcpy(before[1], moves.handled, sizeof(before[1]));
	take_log(&stays);
	take_log(&moves);
	for (unsigned int i = 0; i < 256; i++) {
		more = (stays.handled[i] - before[0][i]) - (moves.handled[i] - before[1][i]);
		if (more > 0)
			count.lost += more;
		else
			count.doubled -= more;
	}
	return same;
}

static void came_apart(unsigned long number, const char *what, enum stop one, enum stop other)
{
	if (count.apart++ < REPORTED)
		printf("# step %lu: %s; %u against %u; rip %#llx, %#llx\n", number, what, one,
		       other, (unsigned long long)vm_rip(&stays.vm),
		       (unsigned long long)vm_rip(&moves.vm));
	compare_logs();
	join();
}

/*
 * A page that was taken away may be needed by one of the two only: who was moved in the middle of
 * an instruction fetches that again.  It goes on when the page is back.
 */
static void wait_for_page(struct plan plan, enum stop *one, enum stop *other)
{
	if (!plan.page || (*one == TAKEN) == (*other == TAKEN))
		return;
	plan = (struct plan){ .value = plan.value };
	if (*one == TAKEN)
		*one = step(&stays.vm, &plan);
	else
		*other = step(&moves.vm, &plan);
}

static void one_move(unsigned long number)
{
	struct plan plan = make_plan();
	enum stop one = step(&stays.vm, &plan), other = step(&moves.vm, &plan);
	const char *what;

	wait_for_page(plan, &one, &other);
	what = one == other ? difference() : "another exit";
	count.sort[one]++;
	if (one == WRONG) {
		printf("Bail out! step %lu: %s\n", number, vm_why(&stays.vm));
		exit(1);
	}
	if (what) {
		came_apart(number, what, one, other);
		return;
	}
	if (log_count(&stays.vm) >= LOG_FULL && !compare_logs())
		came_apart(number, "what the handlers saw", one, other);
	move(&moves);
}

static void set_gate(struct vm *vm, unsigned int vector, uint64_t handler)
{
	uint16_t low = handler, middle = handler >> 16;

	memcpy(vm->mem + IDT + 16 * vector, &low, sizeof(low));
	memcpy(vm->mem + IDT + 16 * vector + 6, &middle, sizeof(middle));
}

static void prepare(struct machine *m, bool doubles)
{
	struct kvm_regs regs;
	const char *wrong = vm_create(&m->vm, VM_EXACT);

	if (wrong)
		die(wrong);
	if (GA(rt_stubs) % 0x1000 || GA(torture_stubs) % 0x1000)
		die("the handlers do not begin a page");
	m->vcpus = 1;
	set_gate(&m->vm, 1, GA(torture_stubs) + 16);
	set_gate(&m->vm, 2, GA(torture_stubs) + 32);
	idt_ist(&m->vm, 8, 1);
	handler_hook(&m->vm, 8, GA(torture_df));
	/* how long the guest's faulting instructions are */
	handler_skip(&m->vm, 0, 2);
	handler_skip(&m->vm, 6, 2);
	handler_skip(&m->vm, 8, 3);
	handler_skip(&m->vm, 13, 3);
	handler_skip(&m->vm, 14, 8);
	vm_start(&m->vm, GA(torture_start), 0);
	must(vcpu_ioctl(&m->vm, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	regs.r14 = doubles;
	must(vcpu_ioctl(&m->vm, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void read_cpuid(void)
{
	cpuid = calloc(1, sizeof(*cpuid) + SPARE_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		die("memory");
	cpuid->nent = SPARE_ENTRIES;
	if (ioctl(stays.vm.kvm, KVM_GET_SUPPORTED_CPUID, cpuid))
		die("KVM_GET_SUPPORTED_CPUID");
}

static void verdict(bool good, const char *what)
{
	static unsigned int number;

	printf("%s %u - %s\n", good ? "ok" : "not ok", ++number, what);
}

static bool all_kinds_were_found(void)
{
	/* begun: exception, NMI; an interrupt; NMIs latched and masked; in the middle of I/O */
	return count.found[0] && count.found[3] && count.found[5] && count.found[6] &&
	       count.found[8] && (!exact || count.found[11]);
}

static void report(void)
{
	unsigned int i;

	printf("# moves %lu\n", count.moves);
	printf("#   in the midst of a delivery, an access %lu, behind a delivery %lu, at I/O %lu\n",
	       count.sort[TAKEN], count.sort[HANDLER], count.sort[OUTPUT] + count.sort[INPUT] +
	       count.sort[MMIO_READ] + count.sort[MMIO_WRITE]);
	for (i = 0; i < sizeof(found_names) / sizeof(found_names[0]); i++)
		printf("#   found: %-34s %lu\n", found_names[i], count.found[i]);
	for (i = 0; i < 256; i++)
		if (stays.handled[i])
			printf("#   vector %#04x: %lu, moved %lu\n", i, stays.handled[i],
			       moves.handled[i]);
	printf("# events %lu, moved %lu: lost %lu, doubled %lu, came apart %lu times\n",
	       stays.events, moves.events, count.lost, count.doubled, count.apart);
	verdict(!count.apart, "the moved guest is the one that stays, after each step");
	verdict(!count.lost, "nothing is lost");
	verdict(!count.doubled, "nothing is doubled");
	if (count.moves >= ENOUGH_MOVES)
		verdict(all_kinds_were_found(), "every kind of event was found by some move");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "moves", required_argument, NULL, 'm' }, { "seed", required_argument, NULL, 's' },
		{ },
	};
	unsigned long number, wanted = 2000;
	bool doubles;
	int option;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'm')
			wanted = strtoul(optarg, NULL, 0);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0) * 2 + 1;
		else
			return 2;
	}
	shadows = probe_shadow();
	doubles = probe_double_fault();
	if (!shadows || !doubles)
		printf("# this processor %s%s\n", shadows ? "" : "forgets shadows at exits ",
		       doubles ? "" : "makes no double fault of an injected event");
	prepare(&stays, doubles);
	prepare(&moves, doubles);
	read_cpuid();
	exact = kvm_check(stays.vm.fd, KVM_CAP_X86_EXACT_STATE) > 0;
	for (number = 0; count.moves < wanted && number < 2 * wanted; number++)
		one_move(number);
	compare_logs();
	report();
	return count.apart || count.lost || count.doubled;
}
