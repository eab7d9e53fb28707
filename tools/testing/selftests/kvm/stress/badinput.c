// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad input at every ioctl: what is wrong, and which error it must give, as tables.
 *
 * Each attempt also checks that a refused call has changed nothing: the vCPU's state before and
 * after, as far as the GET ioctls tell it, is the same to the last byte.  Output is TAP 13.
 *
 * usage: badinput [FILE]
 * FILE lists attempts in which the KVM under test is known to differ ("NAME: reason"); they are
 * reported as TODO and do not fail the test.  control-differences is that list for Linux 6.1.
 *
 * calls[] says what there is, bad_values[] what can be wrong in a structure, bad_situations[]
 * what can be wrong around it.  Next: hammer.c, the same without a plan.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/kvm.h>

#define PAGE 4096UL
#define RAM (16 * PAGE)
#define ROOM (64 * 1024)	/* more than any structure here */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The last two have interrupt controllers in the kernel, and are of the same kinds otherwise. */
enum where { SYSTEM, VM, VCPU, WHERES, IRQ_VM = WHERES, IRQ_VCPU, DESCRIPTORS };

static const char *const where_names[WHERES] = { "/dev/kvm", "a VM", "a vCPU" };

/*
 * What an unknown ioctl must give: ENOTTY, as everywhere.  Linux's KVM does so for a VM only and
 * says EINVAL for the two other kinds of descriptor, which nobody can rely on, but may stay.
 */
#define UNKNOWN 1000

static struct {
	int fd[DESCRIPTORS];
	int empty_vm;			/* without a vCPU */
	struct kvm_run *run;
	int run_bytes;
	size_t xsave_bytes;
	char *ram, *spare;		/* guest memory; memory that is nobody's */
	char *edge;			/* the end of a page, with nothing behind */
	char *readonly;
} fixture;

/* --- TAP -------------------------------------------------------------------------------- */

static unsigned int told, failures;
static char *differences;

/* The reason for which the KVM under test is known to differ here, or NULL. */
static const char *known_difference(const char *name)
{
	size_t length = strlen(name);
	char *line = differences;

	for (; line && *line; line = strchrnul(line, '\n') + 1) {
		if (!strncmp(line, name, length) && line[length] == ':')
			return line + length + 1;
		if (!*strchrnul(line, '\n'))
			break;
	}
	return NULL;
}

static void tell(bool good, const char *name, const char *detail)
{
	const char *known = good ? NULL : known_difference(name);

	printf("%sok %u - %s", good ? "" : "not ", ++told, name);
	if (known)
		printf(" # TODO%.*s", (int)(strchrnul(known, '\n') - known), known);
	printf("\n");
	if (good)
		return;
	printf("#  %s\n", detail);
	if (!known)
		failures++;
}

static const char *error_text(long result)
{
	static char text[2][32];
	static int which;
	char *t = text[which ^= 1];

	if (result >= 0)
		snprintf(t, sizeof(text[0]), "%ld", result);
	else
		snprintf(t, sizeof(text[0]), "%s", strerrorname_np(-result));
	return t;
}

/* --- the state that a refused call must leave alone ------------------------------------- */

struct snapshot {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	struct kvm_mp_state mp_state;
	struct kvm_vcpu_events events;
	int tsc_khz;
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[64];
	} cpuid;
	char xsave[8192];
	struct kvm_lapic_state lapic;
	struct kvm_irqchip chips[3];
	struct kvm_pit_state2 pit;
};

static void snapshot_controllers(struct snapshot *s)
{
	ioctl(fixture.fd[IRQ_VCPU], KVM_GET_LAPIC, &s->lapic);
	for (unsigned int i = 0; i < COUNT(s->chips); i++) {
		s->chips[i].chip_id = i;
		ioctl(fixture.fd[IRQ_VM], KVM_GET_IRQCHIP, &s->chips[i]);
	}
	ioctl(fixture.fd[IRQ_VM], KVM_GET_PIT2, &s->pit);
}

static void take_snapshot(struct snapshot *s)
{
	int vcpu = fixture.fd[VCPU];

	memset(s, 0, sizeof(*s));
	s->cpuid.head.nent = COUNT(s->cpuid.entries);
	ioctl(vcpu, KVM_GET_REGS, &s->regs);
	ioctl(vcpu, KVM_GET_SREGS, &s->sregs);
	ioctl(vcpu, KVM_GET_FPU, &s->fpu);
	ioctl(vcpu, KVM_GET_DEBUGREGS, &s->debugregs);
	ioctl(vcpu, KVM_GET_XCRS, &s->xcrs);
	ioctl(vcpu, KVM_GET_MP_STATE, &s->mp_state);
	ioctl(vcpu, KVM_GET_CPUID2, &s->cpuid);
	s->tsc_khz = ioctl(vcpu, KVM_GET_TSC_KHZ, 0);
	if (fixture.xsave_bytes <= sizeof(s->xsave))
		ioctl(vcpu, KVM_GET_XSAVE, s->xsave);
	ioctl(vcpu, KVM_GET_VCPU_EVENTS, &s->events);
	snapshot_controllers(s);
}

static const char *snapshots_differ(const struct snapshot *a, const struct snapshot *b)
{
#define PART(name) { #name, offsetof(struct snapshot, name), sizeof(a->name) }
	static const struct {
		const char *name;
		size_t at, bytes;
	} parts[] = {
		PART(regs), PART(sregs), PART(fpu), PART(debugregs), PART(xcrs),
		PART(mp_state), PART(events), PART(tsc_khz), PART(cpuid), PART(xsave),
		PART(lapic), PART(chips), PART(pit),
	};

	for (unsigned int i = 0; i < COUNT(parts); i++)
		if (memcmp((char *)a + parts[i].at, (char *)b + parts[i].at, parts[i].bytes))
			return parts[i].name;
	return NULL;
}

/* One ioctl: must give @want (a value, or a negative errno), and if an error, change nothing. */
static void attempt(const char *name, int fd, unsigned long request, unsigned long argument,
		    long want)
{
	static struct snapshot before, after;
	const char *changed = NULL;
	char detail[128];
	long got;

	take_snapshot(&before);
	got = ioctl(fd, request, argument);
	if (got < 0)
		got = -errno;
	if (want == -UNKNOWN)
		want = got == -EINVAL ? -EINVAL : -ENOTTY;
	if (want < 0) {
		take_snapshot(&after);
		changed = snapshots_differ(&before, &after);
	}
	snprintf(detail, sizeof(detail), "%s, expected %s%s%s", error_text(got),
		 error_text(want), changed ? "; changed: " : "", changed ? changed : "");
	tell(got == want && !changed, name, detail);
}

static void name_it(char *name, size_t room, const char *call, const char *format, ...)
{
	va_list args;
	int used = snprintf(name, room, "%s, ", call);

	va_start(args, format);
	vsnprintf(name + used, room - used, format, args);
	va_end(args);
}

/* --- every ioctl ------------------------------------------------------------------------ */

enum flow { VALUE, IN, OUT, BOTH };	/* of the structure, seen from the kernel */

struct call {
	const char *name;
	unsigned long request;
	enum where where;
	enum flow flow;
	uint32_t count;			/* first word: entries to ask for */
};

#define CALL(name, where, flow, count) { #name, name, where, flow, count }

static const struct call calls[] = {
	CALL(KVM_GET_API_VERSION, SYSTEM, VALUE, 0),
	CALL(KVM_CREATE_VM, SYSTEM, VALUE, 0),
	CALL(KVM_GET_VCPU_MMAP_SIZE, SYSTEM, VALUE, 0),
	CALL(KVM_GET_SUPPORTED_CPUID, SYSTEM, BOTH, 256),
	CALL(KVM_GET_EMULATED_CPUID, SYSTEM, BOTH, 256),
	CALL(KVM_GET_MSR_INDEX_LIST, SYSTEM, BOTH, 2048),
	CALL(KVM_GET_MSR_FEATURE_INDEX_LIST, SYSTEM, BOTH, 2048),
	CALL(KVM_CREATE_VCPU, VM, VALUE, 0),
	CALL(KVM_SET_USER_MEMORY_REGION, VM, IN, 0),
	CALL(KVM_GET_DIRTY_LOG, VM, IN, 0),
	CALL(KVM_CLEAR_DIRTY_LOG, VM, IN, 0),
	CALL(KVM_GET_STATS_FD, VM, VALUE, 0),
	CALL(KVM_GET_STATS_FD, VCPU, VALUE, 0),
	CALL(KVM_SET_TSS_ADDR, VM, VALUE, 0),
	CALL(KVM_SET_IDENTITY_MAP_ADDR, VM, IN, 0),
	CALL(KVM_ENABLE_CAP, VM, IN, 0),
	CALL(KVM_X86_SET_MSR_FILTER, VM, IN, 0),
	CALL(KVM_GET_CLOCK, VM, OUT, 0),
	CALL(KVM_SET_CLOCK, VM, IN, 0),
	CALL(KVM_IOEVENTFD, VM, IN, 0),
	CALL(KVM_IRQFD, VM, IN, 0),
	CALL(KVM_REGISTER_COALESCED_MMIO, VM, IN, 0),
	CALL(KVM_UNREGISTER_COALESCED_MMIO, VM, IN, 0),
	CALL(KVM_RUN, VCPU, VALUE, 0),
	CALL(KVM_GET_REGS, VCPU, OUT, 0),
	CALL(KVM_SET_REGS, VCPU, IN, 0),
	CALL(KVM_GET_SREGS, VCPU, OUT, 0),
	CALL(KVM_SET_SREGS, VCPU, IN, 0),
	CALL(KVM_GET_SREGS2, VCPU, OUT, 0),
	CALL(KVM_SET_SREGS2, VCPU, IN, 0),
	CALL(KVM_GET_FPU, VCPU, OUT, 0),
	CALL(KVM_SET_FPU, VCPU, IN, 0),
	CALL(KVM_GET_XSAVE, VCPU, OUT, 0),
	CALL(KVM_SET_XSAVE, VCPU, IN, 0),
	CALL(KVM_GET_XSAVE2, VCPU, OUT, 0),
	CALL(KVM_GET_XCRS, VCPU, OUT, 0),
	CALL(KVM_SET_XCRS, VCPU, IN, 0),
	CALL(KVM_GET_MSRS, VCPU, BOTH, 1),
	CALL(KVM_SET_MSRS, VCPU, IN, 1),
	CALL(KVM_GET_CPUID2, VCPU, BOTH, 256),
	CALL(KVM_SET_CPUID2, VCPU, IN, 1),
	CALL(KVM_GET_DEBUGREGS, VCPU, OUT, 0),
	CALL(KVM_SET_DEBUGREGS, VCPU, IN, 0),
	CALL(KVM_GET_MP_STATE, VCPU, OUT, 0),
	CALL(KVM_SET_MP_STATE, VCPU, IN, 0),
	CALL(KVM_GET_VCPU_EVENTS, VCPU, OUT, 0),
	CALL(KVM_SET_VCPU_EVENTS, VCPU, IN, 0),
	CALL(KVM_INTERRUPT, VCPU, IN, 0),
	CALL(KVM_NMI, VCPU, VALUE, 0),
	CALL(KVM_SMI, VCPU, VALUE, 0),
	CALL(KVM_TRANSLATE, VCPU, BOTH, 0),
	CALL(KVM_GET_TSC_KHZ, VCPU, VALUE, 0),
	CALL(KVM_SET_TSC_KHZ, VCPU, VALUE, 0),
	CALL(KVM_KVMCLOCK_CTRL, VCPU, VALUE, 0),
	CALL(KVM_SET_GUEST_DEBUG, VCPU, IN, 0),
	CALL(KVM_SET_SIGNAL_MASK, VCPU, IN, 8),
	CALL(KVM_HAS_DEVICE_ATTR, VCPU, IN, 0),
	CALL(KVM_GET_DEVICE_ATTR, VCPU, IN, 0),
	CALL(KVM_SET_DEVICE_ATTR, VCPU, IN, 0),
	CALL(KVM_CREATE_IRQCHIP, IRQ_VM, VALUE, 0),
	CALL(KVM_GET_IRQCHIP, IRQ_VM, BOTH, 0),
	CALL(KVM_SET_IRQCHIP, IRQ_VM, IN, 0),
	CALL(KVM_IRQ_LINE, IRQ_VM, IN, 0),
	CALL(KVM_IRQ_LINE_STATUS, IRQ_VM, BOTH, 0),
	CALL(KVM_SET_GSI_ROUTING, IRQ_VM, IN, 1),
	CALL(KVM_SIGNAL_MSI, IRQ_VM, IN, 0),
	CALL(KVM_CREATE_PIT, IRQ_VM, VALUE, 0),
	CALL(KVM_CREATE_PIT2, IRQ_VM, IN, 0),
	CALL(KVM_GET_PIT, IRQ_VM, OUT, 0),
	CALL(KVM_SET_PIT, IRQ_VM, IN, 0),
	CALL(KVM_GET_PIT2, IRQ_VM, OUT, 0),
	CALL(KVM_SET_PIT2, IRQ_VM, IN, 0),
	CALL(KVM_REINJECT_CONTROL, IRQ_VM, VALUE, 0),
	CALL(KVM_SET_BOOT_CPU_ID, IRQ_VM, VALUE, 0),
	CALL(KVM_GET_LAPIC, IRQ_VCPU, OUT, 0),
	CALL(KVM_SET_LAPIC, IRQ_VCPU, IN, 0),
	CALL(KVM_SET_VAPIC_ADDR, IRQ_VCPU, IN, 0),
	CALL(KVM_TPR_ACCESS_REPORTING, IRQ_VCPU, BOTH, 0),
};

/* What kind of descriptor it is. */
static enum where kind_of(enum where where)
{
	switch (where) {
	case IRQ_VM:
		return VM;
	case IRQ_VCPU:
		return VCPU;
	default:
		return where;
	}
}

static size_t entry_bytes(const struct call *call)
{
	switch (call->request) {
	case KVM_GET_SUPPORTED_CPUID:
	case KVM_GET_EMULATED_CPUID:
	case KVM_GET_CPUID2:
	case KVM_SET_CPUID2:
		return sizeof(struct kvm_cpuid_entry2);
	case KVM_GET_MSRS:
	case KVM_SET_MSRS:
		return sizeof(struct kvm_msr_entry);
	case KVM_SET_SIGNAL_MASK:
		return 1;
	case KVM_SET_GSI_ROUTING:
		return sizeof(struct kvm_irq_routing_entry);
	default:
		return sizeof(uint32_t);
	}
}

/* How much of the structure is surely read or written: the last byte of it may be missing. */
static size_t structure_bytes(const struct call *call)
{
	size_t bytes = _IOC_SIZE(call->request);

	if (call->request == KVM_GET_XSAVE2 || call->request == KVM_SET_XSAVE)
		return fixture.xsave_bytes;
	if (call->count && call->flow == IN)
		bytes += call->count * entry_bytes(call);
	return bytes;
}

static void set_count(const struct call *call, void *structure, size_t room)
{
	if (call->count)
		memcpy(structure, &call->count,
		       room < sizeof(call->count) ? room : sizeof(call->count));
}

/* Some are refused for another reason as soon as there is a vCPU. */
static int descriptor(const struct call *call)
{
	return call->request == KVM_SET_IDENTITY_MAP_ADDR ? fixture.empty_vm :
							    fixture.fd[call->where];
}

static void bad_pointers(const struct call *call)
{
	static const struct {
		const char *what;
		unsigned long pointer;
	} nowhere[] = {
		{ "pointer into nothing", 0x10 },
		{ "pointer into the kernel", 0xffff888000000000 },
		{ "pointer that is not canonical", 0x8000000000000000 },
		{ "pointer to the last byte there is", ~0UL },
	};
	int fd = descriptor(call);
	size_t bytes = structure_bytes(call);
	char name[128], *crossing = fixture.edge - bytes + 1;

	/* For this one it means: no mask. */
	if (call->request != KVM_SET_SIGNAL_MASK) {
		name_it(name, sizeof(name), call->name, "NULL");
		attempt(name, fd, call->request, 0, -EFAULT);
	}
	for (unsigned int i = 0; i < COUNT(nowhere); i++) {
		name_it(name, sizeof(name), call->name, "%s", nowhere[i].what);
		attempt(name, fd, call->request, nowhere[i].pointer, -EFAULT);
	}
	memset(crossing, 0, bytes - 1);
	set_count(call, crossing, bytes - 1);
	name_it(name, sizeof(name), call->name, "last byte on a missing page");
	attempt(name, fd, call->request, (unsigned long)crossing, -EFAULT);
	if (call->flow == IN)
		return;
	mprotect(fixture.readonly, ROOM, PROT_READ | PROT_WRITE);
	memset(fixture.readonly, 0, ROOM);
	set_count(call, fixture.readonly, ROOM);
	mprotect(fixture.readonly, ROOM, PROT_READ);
	name_it(name, sizeof(name), call->name, "result into read-only memory");
	attempt(name, fd, call->request, (unsigned long)fixture.readonly, -EFAULT);
}

static void wrong_descriptor(const struct call *call)
{
	char name[128];

	for (int where = 0; where < WHERES; where++) {
		/* The device answers KVM_GET_MSRS too, for MSRs that tell of features. */
		if (where == (int)kind_of(call->where) ||
		    (where == SYSTEM && call->request == KVM_GET_MSRS))
			continue;
		/* TSC_KHZ exists for a VM too, since Linux 5.16: what it starts vCPUs with. */
		if (where == VM && (call->request == KVM_GET_TSC_KHZ ||
				    call->request == KVM_SET_TSC_KHZ))
			continue;
		/* Both have statistics. */
		if (where != SYSTEM && call->request == KVM_GET_STATS_FD)
			continue;
		name_it(name, sizeof(name), call->name, "on %s", where_names[where]);
		attempt(name, fixture.fd[where], call->request, (unsigned long)fixture.spare,
			-UNKNOWN);
	}
}

/* The size is part of the number; another size is another ioctl, which there is not. */
static void wrong_size(const struct call *call)
{
	static const int changes[] = { -4, 4, 256 };
	size_t bytes = _IOC_SIZE(call->request);
	char name[128];

	for (unsigned int i = 0; i < COUNT(changes); i++) {
		unsigned long request = _IOC(_IOC_DIR(call->request), KVMIO,
					     _IOC_NR(call->request), bytes + changes[i]);

		name_it(name, sizeof(name), call->name, "size %+d", changes[i]);
		attempt(name, fixture.fd[call->where], request, (unsigned long)fixture.spare,
			-UNKNOWN);
	}
}

static void unknown_calls(void)
{
	static const struct {
		const char *what;
		unsigned long request;
	} unknown[] = {
		{ "number 0xff", _IO(KVMIO, 0xff) },
		{ "number 0xff with a structure", _IOWR(KVMIO, 0xff, struct kvm_regs) },
		{ "another subsystem's", _IO('T', 0x33) },
		{ "all ones", 0xffffffff },
		{ "zero", 0 },
	};
	char name[128];

	for (unsigned int i = 0; i < COUNT(unknown); i++) {
		for (int where = 0; where < WHERES; where++) {
			name_it(name, sizeof(name), "unknown ioctl", "%s, on %s",
				unknown[i].what, where_names[where]);
			attempt(name, fixture.fd[where], unknown[i].request,
				(unsigned long)fixture.spare, -UNKNOWN);
		}
	}
}

/* After fork() the descriptors are there, but the memory is another process's. */
static void other_process(void)
{
	int *errors = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char name[128], detail[64];
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		for (unsigned int i = 0; i < COUNT(calls); i++) {
			int result = ioctl(fixture.fd[calls[i].where], calls[i].request,
					   calls[i].flow == VALUE ? NULL : fixture.spare);

			errors[i] = result < 0 ? errno : 0;
		}
		_exit(0);
	}
	waitpid(child, NULL, 0);
	for (unsigned int i = 0; i < COUNT(calls); i++) {
		if (calls[i].where == SYSTEM)
			continue;
		name_it(name, sizeof(name), calls[i].name, "from another process");
		snprintf(detail, sizeof(detail), "%s, expected EIO", error_text(-errors[i]));
		tell(errors[i] == EIO, name, detail);
	}
	munmap(errors, PAGE);
}

/* --- bad values in a structure ---------------------------------------------------------- */

struct patch {
	unsigned int at, bytes;
	uint64_t value;
};

/*
 * The structure is what the GET ioctl says, or zeroes, or a good new memory region; with the
 * patches it must give @want.  Without a structure (_IO), @patch[0].value is the argument.
 */
struct bad_value {
	const char *call, *what;
	unsigned long request, get;
	enum where where;
	long want;
	struct patch patch[3];
	unsigned int needs, needs_not;	/* capabilities */
};

#define FIELD(type, field, value) \
	{ offsetof(struct type, field), sizeof(((struct type *)0)->field), value }
#define SET(name, what, want, ...) \
	{ "KVM_SET_" #name, what, KVM_SET_##name, KVM_GET_##name, VCPU, want, \
	  { __VA_ARGS__ }, 0, 0 }
#define BAD(name, where, what, want, ...) \
	{ #name, what, name, 0, where, want, { __VA_ARGS__ }, 0, 0 }
#define VALUE_ARG(value) { 0, 8, value }
#define COUNT_ARG(value) { 0, 4, value }
#define SREGS(field, value) FIELD(kvm_sregs, field, value)
#define EVENTS(field, value) FIELD(kvm_vcpu_events, field, value)
#define FILTER(field, value) FIELD(kvm_msr_filter, field, value)
#define REGION(field, value) FIELD(kvm_userspace_memory_region, field, value)
#define LOG(field, value) FIELD(kvm_dirty_log, field, value)
#define CLEAR(field, value) FIELD(kvm_clear_dirty_log, field, value)
#define ZONE(field, value) FIELD(kvm_coalesced_mmio_zone, field, value)
#define IOEVENT(field, value) FIELD(kvm_ioeventfd, field, value)
#define CAP(number) FIELD(kvm_enable_cap, cap, number)
#define CAP_ARG(value) FIELD(kvm_enable_cap, args[0], value)
#define ROUTE(field, value)						\
	{ sizeof(struct kvm_irq_routing) + offsetof(struct kvm_irq_routing_entry, field), \
	  sizeof(((struct kvm_irq_routing_entry *)0)->field), value }

#define CR0_PE_PG 0x80000001
#define LSTAR 0xc0000082
#define NO_SUCH_MSR 0x12345678
#define MSR_STEAL_TIME 0x4b564d03
#define NOT_CANONICAL 0x8000000000000000

static const struct bad_value bad_values[] = {
	BAD(KVM_GET_API_VERSION, SYSTEM, "an argument", -EINVAL, VALUE_ARG(1)),
	BAD(KVM_GET_VCPU_MMAP_SIZE, SYSTEM, "an argument", -EINVAL, VALUE_ARG(1)),
	BAD(KVM_CREATE_VM, SYSTEM, "type 0xdead", -EINVAL, VALUE_ARG(0xdead)),
	BAD(KVM_CREATE_VM, SYSTEM, "type -1", -EINVAL, VALUE_ARG(~0UL)),
	BAD(KVM_CHECK_EXTENSION, SYSTEM, "number 0xffffffff", 0, VALUE_ARG(0xffffffff)),
	BAD(KVM_CHECK_EXTENSION, VM, "number 0xffffffff", 0, VALUE_ARG(0xffffffff)),
	BAD(KVM_GET_SUPPORTED_CPUID, SYSTEM, "no room", -E2BIG, COUNT_ARG(0)),
	BAD(KVM_GET_SUPPORTED_CPUID, SYSTEM, "room for one", -E2BIG, COUNT_ARG(1)),
	BAD(KVM_GET_MSR_INDEX_LIST, SYSTEM, "no room", -E2BIG, COUNT_ARG(0)),
	BAD(KVM_GET_MSR_INDEX_LIST, SYSTEM, "room for one", -E2BIG, COUNT_ARG(1)),
	BAD(KVM_GET_MSR_FEATURE_INDEX_LIST, SYSTEM, "no room", -E2BIG, COUNT_ARG(0)),
	BAD(KVM_GET_MSRS, SYSTEM, "0xffffffff of them", -E2BIG, COUNT_ARG(0xffffffff)),
	BAD(KVM_GET_MSRS, SYSTEM, "none", 0, COUNT_ARG(0)),
	BAD(KVM_GET_MSRS, SYSTEM, "one that does not exist", 0, COUNT_ARG(1),
	    { 8, 4, NO_SUCH_MSR }),

	BAD(KVM_CREATE_VCPU, VM, "a number in use", -EEXIST, VALUE_ARG(0)),
	BAD(KVM_CREATE_VCPU, VM, "number 0x7fffffff", -EINVAL, VALUE_ARG(0x7fffffff)),
	BAD(KVM_CREATE_VCPU, VM, "number 0xffffffff", -EINVAL, VALUE_ARG(0xffffffff)),
	BAD(KVM_SET_TSS_ADDR, VM, "no room below 4 GiB", -EINVAL, VALUE_ARG(0xfffff000)),
	BAD(KVM_SET_TSS_ADDR, VM, "above 4 GiB", -EINVAL, VALUE_ARG(0x100000000)),
	BAD(KVM_SET_IDENTITY_MAP_ADDR, VM, "after a vCPU", -EINVAL, { 0, 8, 0xfffbc000 }),
	BAD(KVM_ENABLE_CAP, VM, "a number that does not exist", -EINVAL,
	    FIELD(kvm_enable_cap, cap, 0xffffffff)),
	BAD(KVM_ENABLE_CAP, VM, "flags", -EINVAL,
	    FIELD(kvm_enable_cap, cap, KVM_CAP_EXCEPTION_PAYLOAD),
	    FIELD(kvm_enable_cap, flags, 1), FIELD(kvm_enable_cap, args[0], 1)),
	BAD(KVM_ENABLE_CAP, VM, "one that is not to be enabled", -EINVAL,
	    FIELD(kvm_enable_cap, cap, KVM_CAP_USER_MEMORY)),

	BAD(KVM_ENABLE_CAP, VM, "an unknown reason for exits", -EINVAL,
	    FIELD(kvm_enable_cap, cap, KVM_CAP_X86_USER_SPACE_MSR),
	    FIELD(kvm_enable_cap, args[0], 8)),
	BAD(KVM_ENABLE_CAP, VM, "a hypercall that is not userspace's", -EINVAL,
	    FIELD(kvm_enable_cap, cap, KVM_CAP_EXIT_HYPERCALL),
	    FIELD(kvm_enable_cap, args[0], 1)),
	BAD(KVM_ENABLE_CAP, VM, "exits that there are not", -EINVAL,
	    FIELD(kvm_enable_cap, cap, KVM_CAP_X86_DISABLE_EXITS),
	    FIELD(kvm_enable_cap, args[0], 1UL << 63)),
	BAD(KVM_ENABLE_CAP, VM, "no PMU, after a vCPU", -EINVAL,
	    FIELD(kvm_enable_cap, cap, KVM_CAP_PMU_CAPABILITY),
	    FIELD(kvm_enable_cap, args[0], KVM_PMU_CAP_DISABLE)),
	BAD(KVM_X86_SET_MSR_FILTER, VM, "unknown flags", -EINVAL, FILTER(flags, 2)),
	BAD(KVM_X86_SET_MSR_FILTER, VM, "nothing allowed", -EINVAL, FILTER(flags, 1)),
	BAD(KVM_X86_SET_MSR_FILTER, VM, "a range of no accesses", -EINVAL,
	    FILTER(ranges[0].nmsrs, 1)),
	BAD(KVM_X86_SET_MSR_FILTER, VM, "a range of unknown accesses", -EINVAL,
	    FILTER(ranges[15].nmsrs, 1), FILTER(ranges[15].flags, 4)),
	BAD(KVM_X86_SET_MSR_FILTER, VM, "a bitmap that is too long", -EINVAL,
	    FILTER(ranges[0].nmsrs, 8 * KVM_MSR_FILTER_MAX_BITMAP_SIZE + 1),
	    FILTER(ranges[0].flags, 3)),
	BAD(KVM_X86_SET_MSR_FILTER, VM, "0xffffffff MSRs", -EINVAL,
	    FILTER(ranges[0].nmsrs, 0xffffffff), FILTER(ranges[0].flags, 3)),
	BAD(KVM_X86_SET_MSR_FILTER, VM, "a bitmap in nothing", -EFAULT,
	    FILTER(ranges[0].nmsrs, 1), FILTER(ranges[0].flags, 3),
	    FILTER(ranges[0].bitmap, 0x10)),

	BAD(KVM_SET_USER_MEMORY_REGION, VM, "unknown flags", -EINVAL, REGION(flags, 0x80000000)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "slot 0x7fff", -EINVAL, REGION(slot, 0x7fff)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "address space 7", -EINVAL, REGION(slot, 7 << 16)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "slot 0x7fff of address space 1", -EINVAL,
	    REGION(slot, 1 << 16 | 0x7fff)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "deletion of what is only in the other space", -EINVAL,
	    REGION(slot, 1 << 16), REGION(memory_size, 0)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "size not of pages", -EINVAL,
	    REGION(memory_size, PAGE + 1)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "guest address not of a page", -EINVAL,
	    REGION(guest_phys_addr, 0x10000800)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "address not of a page", -EINVAL,
	    REGION(userspace_addr, 0x10000010)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "address in the kernel", -EINVAL,
	    REGION(userspace_addr, 0xffff888000000000)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "address not canonical", -EINVAL,
	    REGION(userspace_addr, NOT_CANONICAL)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "end beyond the last address", -EINVAL,
	    REGION(guest_phys_addr, -PAGE), REGION(memory_size, 2 * PAGE)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "2^52 pages", -EINVAL,
	    REGION(memory_size, -PAGE), REGION(guest_phys_addr, 0)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "the same memory again", -EEXIST,
	    REGION(guest_phys_addr, 0)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "overlap by the last page", -EEXIST,
	    REGION(guest_phys_addr, RAM - PAGE), REGION(memory_size, 2 * PAGE)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "overlap from below", -EEXIST,
	    REGION(guest_phys_addr, 0x100000000 - PAGE), REGION(memory_size, 2 * PAGE)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "deletion of what is not there", -EINVAL,
	    REGION(memory_size, 0)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "another size", -EINVAL, REGION(slot, 0),
	    REGION(guest_phys_addr, 0), REGION(memory_size, 2 * PAGE)),
	BAD(KVM_SET_USER_MEMORY_REGION, VM, "read-only after all", -EINVAL, REGION(slot, 1),
	    REGION(guest_phys_addr, 0x100000000), REGION(flags, KVM_MEM_READONLY)),

	BAD(KVM_ENABLE_CAP, VM, "a full dirty log that is not manual", -EINVAL,
	    FIELD(kvm_enable_cap, cap, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
	    FIELD(kvm_enable_cap, args[0], KVM_DIRTY_LOG_INITIALLY_SET)),
	BAD(KVM_ENABLE_CAP, VM, "an unknown kind of dirty log", -EINVAL,
	    FIELD(kvm_enable_cap, cap, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
	    FIELD(kvm_enable_cap, args[0], 1UL << 32 | KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)),
	BAD(KVM_GET_DIRTY_LOG, VM, "a slot without a log", -ENOENT, LOG(slot, 0)),
	BAD(KVM_GET_DIRTY_LOG, VM, "a slot that is not there", -ENOENT, LOG(slot, 5)),
	BAD(KVM_GET_DIRTY_LOG, VM, "slot 0x7fff", -EINVAL, LOG(slot, 0x7fff)),
	BAD(KVM_GET_DIRTY_LOG, VM, "address space 7", -EINVAL, LOG(slot, 7 << 16)),
	BAD(KVM_GET_DIRTY_LOG, VM, "a slot that is only in the other space", -ENOENT,
	    LOG(slot, 1 << 16)),
	BAD(KVM_CLEAR_DIRTY_LOG, VM, "a slot without a log", -ENOENT, CLEAR(num_pages, 64)),
	BAD(KVM_CLEAR_DIRTY_LOG, VM, "a slot that is not there", -ENOENT, CLEAR(slot, 5)),
	BAD(KVM_CLEAR_DIRTY_LOG, VM, "slot 0x7fff", -EINVAL, CLEAR(slot, 0x7fff)),
	BAD(KVM_CLEAR_DIRTY_LOG, VM, "address space 7", -EINVAL, CLEAR(slot, 7 << 16)),
	BAD(KVM_CLEAR_DIRTY_LOG, VM, "first page 1", -EINVAL, CLEAR(first_page, 1)),
	BAD(KVM_SET_CLOCK, VM, "unknown flags", -EINVAL, FIELD(kvm_clock_data, flags, 1)),
	BAD(KVM_SET_CLOCK, VM, "flag bit 31", -EINVAL, FIELD(kvm_clock_data, flags, 1U << 31)),
	BAD(KVM_SET_CLOCK, VM, "2^63 ns", -EINVAL, FIELD(kvm_clock_data, clock, 1UL << 63)),
	BAD(KVM_SET_CLOCK, VM, "2^63 ns, with what has gone by", -EINVAL,
	    FIELD(kvm_clock_data, clock, ~0UL >> 1),
	    FIELD(kvm_clock_data, flags, KVM_CLOCK_REALTIME), FIELD(kvm_clock_data, realtime, 1)),
	BAD(KVM_IOEVENTFD, VM, "unknown flags", -EINVAL, IOEVENT(flags, 0x80000000)),
	BAD(KVM_IOEVENTFD, VM, "3 bytes", -EINVAL, IOEVENT(len, 3)),
	BAD(KVM_IOEVENTFD, VM, "0xffffffff bytes", -EINVAL, IOEVENT(len, 0xffffffff)),
	BAD(KVM_IOEVENTFD, VM, "end beyond the last address", -EINVAL, IOEVENT(len, 8),
	    IOEVENT(addr, -4)),
	BAD(KVM_IOEVENTFD, VM, "a value of no width", -EINVAL,
	    IOEVENT(flags, KVM_IOEVENTFD_FLAG_DATAMATCH)),
	BAD(KVM_IOEVENTFD, VM, "descriptor -1", -EBADF, IOEVENT(len, 4), IOEVENT(fd, -1)),
	BAD(KVM_IOEVENTFD, VM, "a descriptor that is no eventfd", -EINVAL, IOEVENT(len, 4),
	    IOEVENT(fd, 0)),
	BAD(KVM_IOEVENTFD, VM, "descriptor -1, to be taken away", -EBADF, IOEVENT(len, 4),
	    IOEVENT(fd, -1), IOEVENT(flags, KVM_IOEVENTFD_FLAG_DEASSIGN)),

	BAD(KVM_IRQFD, VM, "no controller", -EINVAL, FIELD(kvm_irqfd, gsi, 5)),
	BAD(KVM_IRQFD, VM, "unknown flags", -EINVAL, FIELD(kvm_irqfd, flags, 4)),
	BAD(KVM_IRQFD, VM, "unknown flags, to be taken away", -EINVAL,
	    FIELD(kvm_irqfd, flags, 0x80000000 | KVM_IRQFD_FLAG_DEASSIGN)),
	BAD(KVM_IRQFD, VM, "descriptor -1, to be taken away", -EBADF,
	    FIELD(kvm_irqfd, flags, KVM_IRQFD_FLAG_DEASSIGN), FIELD(kvm_irqfd, fd, -1)),
	BAD(KVM_IRQFD, VM, "no eventfd, to be taken away", -EINVAL,
	    FIELD(kvm_irqfd, flags, KVM_IRQFD_FLAG_DEASSIGN), FIELD(kvm_irqfd, fd, 0)),
	BAD(KVM_REGISTER_COALESCED_MMIO, VM, "a third bus", -EINVAL, ZONE(size, 4),
	    ZONE(pio, 2)),
	BAD(KVM_REGISTER_COALESCED_MMIO, VM, "nothing", -EINVAL, ZONE(size, 0)),
	BAD(KVM_REGISTER_COALESCED_MMIO, VM, "end beyond the last address", -EINVAL,
	    ZONE(addr, -4), ZONE(size, 8)),
	BAD(KVM_UNREGISTER_COALESCED_MMIO, VM, "a third bus", -EINVAL, ZONE(size, 4),
	    ZONE(pio, 2)),
	BAD(KVM_CREATE_IRQCHIP, IRQ_VM, "again", -EEXIST, VALUE_ARG(0)),
	BAD(KVM_CREATE_IRQCHIP, VM, "after a vCPU", -EINVAL, VALUE_ARG(0)),
	BAD(KVM_ENABLE_CAP, IRQ_VM, "split controllers behind whole ones", -EEXIST,
	    CAP(KVM_CAP_SPLIT_IRQCHIP), CAP_ARG(24)),
	BAD(KVM_ENABLE_CAP, VM, "split controllers after a vCPU", -EEXIST,
	    CAP(KVM_CAP_SPLIT_IRQCHIP), CAP_ARG(24)),
	BAD(KVM_ENABLE_CAP, VM, "4097 pins", -EINVAL, CAP(KVM_CAP_SPLIT_IRQCHIP), CAP_ARG(4097)),
	BAD(KVM_ENABLE_CAP, IRQ_VM, "unknown flags of the x2APIC's", -EINVAL,
	    CAP(KVM_CAP_X2APIC_API), CAP_ARG(1UL << 40)),
	BAD(KVM_GET_IRQCHIP, IRQ_VM, "chip 3", -EINVAL, COUNT_ARG(3)),
	BAD(KVM_GET_IRQCHIP, IRQ_VM, "chip -1", -EINVAL, COUNT_ARG(0xffffffff)),
	BAD(KVM_SET_IRQCHIP, IRQ_VM, "chip 3", -EINVAL, COUNT_ARG(3)),
	BAD(KVM_SET_IRQCHIP, IRQ_VM, "chip -1", -EINVAL, COUNT_ARG(0xffffffff)),
	BAD(KVM_GET_IRQCHIP, VM, "without one", -ENXIO, COUNT_ARG(0)),
	BAD(KVM_SET_IRQCHIP, VM, "without one", -ENXIO, COUNT_ARG(0)),
	BAD(KVM_IRQ_LINE, VM, "without controllers", -ENXIO, COUNT_ARG(0)),
	BAD(KVM_IRQ_LINE_STATUS, VM, "without controllers", -ENXIO, COUNT_ARG(0)),
	BAD(KVM_IRQ_LINE, IRQ_VM, "line 0xffffffff", 0, COUNT_ARG(0xffffffff)),
	BAD(KVM_SET_GSI_ROUTING, VM, "without controllers", -EINVAL, COUNT_ARG(0)),
	BAD(KVM_SET_GSI_ROUTING, IRQ_VM, "4097 of them", -EINVAL, COUNT_ARG(4097)),
	BAD(KVM_SET_GSI_ROUTING, IRQ_VM, "0xffffffff of them", -EINVAL, COUNT_ARG(0xffffffff)),
	BAD(KVM_SET_GSI_ROUTING, IRQ_VM, "flags", -EINVAL, COUNT_ARG(1), { 4, 4, 1 }),
	BAD(KVM_SET_GSI_ROUTING, IRQ_VM, "an unknown type", -EINVAL, COUNT_ARG(1),
	    ROUTE(type, 99)),
	BAD(KVM_SET_GSI_ROUTING, IRQ_VM, "GSI 4096", -EINVAL, COUNT_ARG(1),
	    ROUTE(gsi, 4096), ROUTE(type, KVM_IRQ_ROUTING_MSI)),
	BAD(KVM_SET_GSI_ROUTING, IRQ_VM, "chip 3", -EINVAL, COUNT_ARG(1),
	    ROUTE(type, KVM_IRQ_ROUTING_IRQCHIP), ROUTE(u.irqchip.irqchip, 3)),
	BAD(KVM_SIGNAL_MSI, VM, "without controllers", -EINVAL, { 0, 4, 0xfee00000 }),
	BAD(KVM_SIGNAL_MSI, IRQ_VM, "unknown flags", -EINVAL, FIELD(kvm_msi, flags, 1 << 20)),
	BAD(KVM_CREATE_PIT, IRQ_VM, "again", -EEXIST, VALUE_ARG(0)),
	BAD(KVM_CREATE_PIT2, IRQ_VM, "again", -EEXIST, COUNT_ARG(0)),
	BAD(KVM_GET_PIT2, VM, "without one", -ENXIO, COUNT_ARG(0)),
	BAD(KVM_SET_PIT2, VM, "without one", -ENXIO, COUNT_ARG(0)),
	BAD(KVM_CREATE_PIT2, VM, "without controllers", -ENOENT, COUNT_ARG(0)),
	/* in what it has been: a channel with a mode would tick, if it is not refused */
	{ "KVM_SET_PIT2", "a count above 65536", KVM_SET_PIT2, KVM_GET_PIT2, IRQ_VM, -EINVAL,
	  { FIELD(kvm_pit_state2, channels[0].count, 65537) }, 0, 0 },
	BAD(KVM_REINJECT_CONTROL, IRQ_VM, "pointer into nothing", -EFAULT, VALUE_ARG(0x10)),
	BAD(KVM_SET_BOOT_CPU_ID, VM, "after a vCPU", -EBUSY, VALUE_ARG(0)),
	BAD(KVM_GET_LAPIC, VCPU, "without one", -EINVAL, COUNT_ARG(0)),
	BAD(KVM_SET_LAPIC, VCPU, "without one", -EINVAL, COUNT_ARG(0)),
	BAD(KVM_SET_VAPIC_ADDR, VCPU, "without an APIC", -EINVAL, COUNT_ARG(0)),
	BAD(KVM_TPR_ACCESS_REPORTING, IRQ_VCPU, "flags", -EINVAL,
	    FIELD(kvm_tpr_access_ctl, flags, 1)),
	BAD(KVM_SET_MP_STATE, IRQ_VCPU, "state 77", -EINVAL, COUNT_ARG(77)),
	BAD(KVM_SET_MP_STATE, IRQ_VCPU, "state -1", -EINVAL, COUNT_ARG(0xffffffff)),
	BAD(KVM_INTERRUPT, IRQ_VCPU, "with PICs in the kernel", -ENXIO, COUNT_ARG(0x40)),
	BAD(KVM_INTERRUPT, IRQ_VCPU, "vector 256", -EINVAL, COUNT_ARG(256)),

	BAD(KVM_RUN, VCPU, "an argument", -EINVAL, VALUE_ARG(1)),
	BAD(KVM_KVMCLOCK_CTRL, VCPU, "without a clock", -EINVAL, VALUE_ARG(0)),
	BAD(KVM_ENABLE_CAP, VCPU, "a number that does not exist", -EINVAL,
	    FIELD(kvm_enable_cap, cap, 0xffffffff)),
	BAD(KVM_ENABLE_CAP, VCPU, "flags", -EINVAL,
	    FIELD(kvm_enable_cap, cap, KVM_CAP_ENFORCE_PV_FEATURE_CPUID),
	    FIELD(kvm_enable_cap, flags, 1)),
	BAD(KVM_SET_DEVICE_ATTR, VCPU, "a TSC's offset from nowhere", -EFAULT,
	    FIELD(kvm_device_attr, addr, 0x10)),
	BAD(KVM_GET_DEVICE_ATTR, VCPU, "a TSC's offset into the kernel", -EFAULT,
	    FIELD(kvm_device_attr, addr, 0xffff888000000000)),
	BAD(KVM_SET_DEVICE_ATTR, VCPU, "attribute 1 of the TSC", -ENXIO,
	    FIELD(kvm_device_attr, attr, 1)),
	BAD(KVM_HAS_DEVICE_ATTR, VCPU, "group 0x7777", -ENXIO,
	    FIELD(kvm_device_attr, group, 0x7777)),
	BAD(KVM_SET_MSRS, VCPU, "reserved bits of the page for steal time", 0, COUNT_ARG(1),
	    { 8, 4, MSR_STEAL_TIME }, { 16, 8, 0x100003 }),
	BAD(KVM_INTERRUPT, VCPU, "vector 256", -EINVAL, FIELD(kvm_interrupt, irq, 256)),
	BAD(KVM_INTERRUPT, VCPU, "vector -1", -EINVAL, FIELD(kvm_interrupt, irq, 0xffffffff)),

	SET(SREGS, "CR0 above 32 bits", -EINVAL, SREGS(cr0, 0x100000010)),
	SET(SREGS, "CR0.PG without PE", -EINVAL, SREGS(cr0, 0x80000010)),
	SET(SREGS, "CR0.NW without CD", -EINVAL, SREGS(cr0, 0x20000010)),
	SET(SREGS, "CR4 bit 63", -EINVAL, SREGS(cr4, 1UL << 63)),
	SET(SREGS, "CR4.VMXE", -EINVAL, SREGS(cr4, 1 << 13)),
	SET(SREGS, "long mode without PAE", -EINVAL, SREGS(cr0, CR0_PE_PG), SREGS(efer, 0x500),
	    SREGS(cr4, 0)),
	SET(SREGS, "long mode not active with paging", -EINVAL, SREGS(cr0, CR0_PE_PG),
	    SREGS(efer, 0x100), SREGS(cr4, 0x20)),
	SET(SREGS, "EFER.LMA without LME", -EINVAL, SREGS(efer, 0x400)),
	SET(SREGS, "EFER bit 63", -EINVAL, SREGS(efer, 1UL << 63)),
	SET(SREGS, "CS.L without long mode", -EINVAL, SREGS(cs.l, 1)),
	SET(SREGS, "apic_base bit 63", -EINVAL, SREGS(apic_base, 1UL << 63)),
	SET(SREGS, "apic_base x2APIC without enable", -EINVAL, SREGS(apic_base, 0xfee00400)),
	SET(SREGS2, "unknown flags", -EINVAL, FIELD(kvm_sregs2, flags, 1UL << 63)),
	SET(SREGS2, "PDPTRs without PAE paging", -EINVAL,
	    FIELD(kvm_sregs2, flags, KVM_SREGS2_FLAGS_PDPTRS_VALID)),
	SET(SREGS2, "CR4 bit 63", -EINVAL, FIELD(kvm_sregs2, cr4, 1UL << 63)),

	SET(XCRS, "99 of them", -EINVAL, FIELD(kvm_xcrs, nr_xcrs, 99)),
	SET(XCRS, "0xffffffff of them", -EINVAL, FIELD(kvm_xcrs, nr_xcrs, 0xffffffff)),
	SET(XCRS, "flags", -EINVAL, FIELD(kvm_xcrs, flags, 1)),
	SET(XCRS, "x87 off", -EINVAL, FIELD(kvm_xcrs, xcrs[0].value, 0)),
	SET(XCRS, "AVX without SSE", -EINVAL, FIELD(kvm_xcrs, xcrs[0].value, 5)),
	SET(XCRS, "bit 62", -EINVAL, FIELD(kvm_xcrs, xcrs[0].value, 1UL << 62 | 1)),
	SET(XSAVE, "unknown components", -EINVAL, { 512, 8, 1UL << 62 }),
	/* a host that does not use XSAVE does not look at what is XSAVE's in it */
	{ "KVM_SET_XSAVE", "compacted format", KVM_SET_XSAVE, KVM_GET_XSAVE, VCPU, -EINVAL,
	  { { 520, 8, 1UL << 63 } }, KVM_CAP_XCRS, 0 },
	{ "KVM_SET_XSAVE", "header not zero", KVM_SET_XSAVE, KVM_GET_XSAVE, VCPU, -EINVAL,
	  { { 528, 8, 1 } }, KVM_CAP_XCRS, 0 },
	SET(XSAVE, "MXCSR reserved bits", -EINVAL, { 24, 4, 0xffff0000 }, { 512, 8, 3 }),

	BAD(KVM_GET_MSRS, VCPU, "0xffffffff of them", -E2BIG, COUNT_ARG(0xffffffff)),
	BAD(KVM_SET_MSRS, VCPU, "0xffffffff of them", -E2BIG, COUNT_ARG(0xffffffff)),
	BAD(KVM_GET_MSRS, VCPU, "none", 0, COUNT_ARG(0)),
	BAD(KVM_SET_MSRS, VCPU, "none", 0, COUNT_ARG(0)),
	BAD(KVM_GET_MSRS, VCPU, "one that does not exist", 0, COUNT_ARG(1),
	    { 8, 4, NO_SUCH_MSR }),
	BAD(KVM_SET_MSRS, VCPU, "one that does not exist", 0, COUNT_ARG(1),
	    { 8, 4, NO_SUCH_MSR }),
	BAD(KVM_SET_MSRS, VCPU, "an address not canonical", 0, COUNT_ARG(1), { 8, 4, LSTAR },
	    { 16, 8, NOT_CANONICAL }),
	BAD(KVM_SET_CPUID2, VCPU, "0xffffffff entries", -E2BIG, COUNT_ARG(0xffffffff)),
	BAD(KVM_SET_CPUID2, VCPU, "257 entries", -E2BIG, COUNT_ARG(257)),
	BAD(KVM_SET_CPUID2, VCPU, "another one after KVM_RUN", -EINVAL, COUNT_ARG(1)),
	BAD(KVM_SET_CPUID2, VCPU, "50 bits of virtual address", -EINVAL, COUNT_ARG(1),
	    { 8, 4, 0x80000008 }, { 20, 4, 50 << 8 | 40 }),
	BAD(KVM_GET_CPUID2, VCPU, "room for one", -E2BIG, COUNT_ARG(1)),

	SET(DEBUGREGS, "flags", -EINVAL, FIELD(kvm_debugregs, flags, 1)),
	SET(DEBUGREGS, "DR6 above 32 bits", -EINVAL, FIELD(kvm_debugregs, dr6, 1UL << 32)),
	SET(DEBUGREGS, "DR7 above 32 bits", -EINVAL, FIELD(kvm_debugregs, dr7, 1UL << 32)),
	SET(MP_STATE, "state 77", -EINVAL, FIELD(kvm_mp_state, mp_state, 77)),
	SET(MP_STATE, "state -1", -EINVAL, FIELD(kvm_mp_state, mp_state, 0xffffffff)),
	BAD(KVM_SET_SIGNAL_MASK, VCPU, "length 0", -EINVAL, COUNT_ARG(0)),
	BAD(KVM_SET_SIGNAL_MASK, VCPU, "length 128", -EINVAL, COUNT_ARG(128)),
	BAD(KVM_SET_SIGNAL_MASK, VCPU, "length 0xffffffff", -EINVAL, COUNT_ARG(0xffffffff)),
	{ "KVM_SET_TSC_KHZ", "1 kHz without TSC scaling", KVM_SET_TSC_KHZ, 0, VCPU, -EINVAL,
	  { VALUE_ARG(1) }, 0, KVM_CAP_TSC_CONTROL },

	SET(VCPU_EVENTS, "unknown flags", -EINVAL, EVENTS(flags, 1 << 6)),
	SET(VCPU_EVENTS, "flag bit 31", -EINVAL, EVENTS(flags, 1U << 31)),
	SET(VCPU_EVENTS, "payload not enabled", -EINVAL,
	    EVENTS(flags, KVM_VCPUEVENT_VALID_PAYLOAD), EVENTS(exception.nr, 13)),
	SET(VCPU_EVENTS, "triple fault not enabled", -EINVAL,
	    EVENTS(flags, KVM_VCPUEVENT_VALID_TRIPLE_FAULT | KVM_VCPUEVENT_VALID_SHADOW),
	    EVENTS(nmi.masked, 1), EVENTS(interrupt.shadow, 1)),
	SET(VCPU_EVENTS, "exception 2", -EINVAL, EVENTS(exception.injected, 1),
	    EVENTS(exception.nr, 2)),
	SET(VCPU_EVENTS, "exception 32", -EINVAL, EVENTS(exception.injected, 1),
	    EVENTS(exception.nr, 32)),
	SET(VCPU_EVENTS, "exception 255", -EINVAL, EVENTS(exception.injected, 1),
	    EVENTS(exception.nr, 255), EVENTS(nmi.masked, 1)),
	{ "KVM_SET_VCPU_EVENTS", "SMM without SMM", KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS, VCPU,
	  -EINVAL, { EVENTS(flags, KVM_VCPUEVENT_VALID_SMM), EVENTS(smi.smm, 1),
		     EVENTS(nmi.masked, 1) }, 0, KVM_CAP_X86_SMM },
	{ "KVM_SET_VCPU_EVENTS", "an SMI without SMM", KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS,
	  VCPU, -EINVAL, { EVENTS(flags, KVM_VCPUEVENT_VALID_SMM), EVENTS(smi.pending, 1),
			   EVENTS(nmi.masked, 1) }, 0, KVM_CAP_X86_SMM },
};

static void build(const struct bad_value *bad, char *structure)
{
	static const struct kvm_userspace_memory_region region = {
		.slot = 5, .guest_phys_addr = 0x10000000, .memory_size = PAGE,
	};

	memset(structure, 0, ROOM);
	if (bad->get)
		ioctl(fixture.fd[bad->where], bad->get, structure);
	if (bad->request == KVM_SET_USER_MEMORY_REGION) {
		memcpy(structure, &region, sizeof(region));
		memcpy(structure + offsetof(struct kvm_userspace_memory_region, userspace_addr),
		       &fixture.spare, sizeof(fixture.spare));
	}
	for (unsigned int i = 0; i < COUNT(bad->patch); i++)
		memcpy(structure + bad->patch[i].at, &bad->patch[i].value, bad->patch[i].bytes);
}

static bool has(unsigned int cap)
{
	return ioctl(fixture.fd[VM], KVM_CHECK_EXTENSION, cap) > 0;
}

static void try_bad_value(const struct bad_value *bad)
{
	static char structure[ROOM];
	char name[128];

	if ((bad->needs && !has(bad->needs)) || (bad->needs_not && has(bad->needs_not)))
		return;
	build(bad, structure);
	name_it(name, sizeof(name), bad->call, "%s", bad->what);
	attempt(name, fixture.fd[bad->where], bad->request,
		_IOC_SIZE(bad->request) ? (unsigned long)structure : bad->patch[0].value,
		bad->want);
}

/* --- bad situations --------------------------------------------------------------------- */

struct machine {
	int vm, vcpu;
	struct kvm_run *run;
};

static struct machine machine_open(void)
{
	struct machine m = { .vm = ioctl(fixture.fd[SYSTEM], KVM_CREATE_VM, 0) };

	m.vcpu = ioctl(m.vm, KVM_CREATE_VCPU, 0);
	m.run = mmap(NULL, fixture.run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m.vcpu, 0);
	return m;
}

static void machine_close(struct machine *m)
{
	munmap(m->run, fixture.run_bytes);
	close(m->vcpu);
	close(m->vm);
}

static long run_once(struct machine *m)
{
	return ioctl(m->vcpu, KVM_RUN, 0) < 0 ? -errno : (long)m->run->exit_reason;
}

/* The reset vector is not in the only page of memory that there is. */
static long run_without_memory(void)
{
	struct machine m = machine_open();
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = 0x10000000, .memory_size = PAGE,
		.userspace_addr = (unsigned long)fixture.spare,
	};
	long result;

	ioctl(m.vm, KVM_SET_USER_MEMORY_REGION, &region);
	result = run_once(&m);
	machine_close(&m);
	return result;
}

static long run_with_vm_closed(void)
{
	struct machine m = machine_open();
	struct kvm_regs regs;
	long result;

	close(m.vm);
	result = ioctl(m.vcpu, KVM_GET_REGS, &regs) < 0 ? -errno : 0;
	m.vm = -1;
	machine_close(&m);
	return result;
}

static long run_at_once_over(void)
{
	struct machine m = machine_open();
	long result;

	m.run->immediate_exit = 1;
	result = run_once(&m);
	machine_close(&m);
	return result;
}

static long run_with_unknown_dirty_regs(void)
{
	struct machine m = machine_open();
	long result;

	m.run->kvm_dirty_regs = 1UL << 63;
	result = run_once(&m);
	machine_close(&m);
	return result;
}

static long run_with_unknown_valid_regs(void)
{
	struct machine m = machine_open();
	long result;

	m.run->kvm_valid_regs = 1UL << 63;
	result = run_once(&m);
	machine_close(&m);
	return result;
}

static long run_with_bad_dirty_events(void)
{
	struct machine m = machine_open();
	long result;

	m.run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	m.run->s.regs.events.exception.injected = 1;
	m.run->s.regs.events.exception.nr = 200;
	result = run_once(&m);
	machine_close(&m);
	return result;
}

static long run_with_bad_dirty_sregs(void)
{
	struct machine m = machine_open();
	long result;

	ioctl(m.vcpu, KVM_GET_SREGS, &m.run->s.regs.sregs);
	m.run->s.regs.sregs.cr4 = 1UL << 63;
	m.run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	result = run_once(&m);
	machine_close(&m);
	return result;
}

static long inject_debug_over_pending(void)
{
	struct machine m = machine_open();
	struct kvm_enable_cap payload = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .args = { 1 } };
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB };
	struct kvm_vcpu_events events;
	long result;

	ioctl(m.vm, KVM_ENABLE_CAP, &payload);
	ioctl(m.vcpu, KVM_GET_VCPU_EVENTS, &events);
	events.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	events.exception.pending = 1;
	events.exception.nr = 13;
	ioctl(m.vcpu, KVM_SET_VCPU_EVENTS, &events);
	result = ioctl(m.vcpu, KVM_SET_GUEST_DEBUG, &debug) < 0 ? -errno : 0;
	machine_close(&m);
	return result;
}

static long vcpu_number_too_large(void)
{
	int limit = ioctl(fixture.fd[VM], KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID);

	return ioctl(fixture.fd[VM], KVM_CREATE_VCPU, limit) < 0 ? -errno : 0;
}

static long read_it(int fd)
{
	char byte;

	return read(fd, &byte, 1) < 0 ? -errno : 0;
}

static long read_system(void)
{
	return read_it(fixture.fd[SYSTEM]);
}

static long read_vm(void)
{
	return read_it(fixture.fd[VM]);
}

static long read_vcpu(void)
{
	return read_it(fixture.fd[VCPU]);
}

static long map_vm(void)
{
	return mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fixture.fd[VM], 0) == MAP_FAILED ?
	       -errno : 0;
}

static sigjmp_buf after_fault;

static void on_fault(int number)
{
	siglongjmp(after_fault, number);
}

/* Behind the pages that KVM_GET_VCPU_MMAP_SIZE speaks of, there is nothing. */
static long touch_behind_run(void)
{
	struct sigaction action = { .sa_handler = on_fault }, old;
	volatile char *behind = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fixture.fd[VCPU],
				     fixture.run_bytes + 16 * PAGE);
	int number;

	if (behind == MAP_FAILED)
		return SIGBUS;
	sigaction(SIGBUS, &action, &old);
	number = sigsetjmp(after_fault, 1);
	if (!number)
		(void)*behind;
	sigaction(SIGBUS, &old, NULL);
	munmap((void *)behind, PAGE);
	return number;
}

static const struct {
	const char *name;
	long (*attempt)(void);
	long want;
} bad_situations[] = {
	{ "KVM_RUN, no memory at the code", run_without_memory, KVM_EXIT_INTERNAL_ERROR },
	{ "KVM_RUN, immediate_exit", run_at_once_over, -EINTR },
	{ "KVM_RUN, unknown kvm_dirty_regs", run_with_unknown_dirty_regs, -EINVAL },
	{ "KVM_RUN, unknown kvm_valid_regs", run_with_unknown_valid_regs, -EINVAL },
	{ "KVM_RUN, dirty events that are not legal", run_with_bad_dirty_events, -EINVAL },
	{ "KVM_RUN, dirty sregs that are not legal", run_with_bad_dirty_sregs, -EINVAL },
	{ "KVM_GET_REGS, the VM's descriptor closed", run_with_vm_closed, 0 },
	{ "KVM_SET_GUEST_DEBUG, #DB over a pending exception", inject_debug_over_pending, -EBUSY },
	{ "KVM_CREATE_VCPU, KVM_CAP_MAX_VCPU_ID", vcpu_number_too_large, -EINVAL },
	{ "read, /dev/kvm", read_system, -EINVAL },
	{ "read, a VM", read_vm, -EINVAL },
	{ "read, a vCPU", read_vcpu, -EINVAL },
	{ "mmap, a VM", map_vm, -ENODEV },
	{ "mmap, behind a vCPU's pages", touch_behind_run, SIGBUS },
};

static void try_bad_situations(void)
{
	char detail[128];

	for (unsigned int i = 0; i < COUNT(bad_situations); i++) {
		long got = bad_situations[i].attempt();

		snprintf(detail, sizeof(detail), "%s, expected %s", error_text(got),
			 error_text(bad_situations[i].want));
		tell(got == bad_situations[i].want, bad_situations[i].name, detail);
	}
}

/* --- the fixture ------------------------------------------------------------------------ */

static void need(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *pages(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(at != MAP_FAILED, "memory");
	return at;
}

static void add_region(unsigned int slot, uint64_t where, size_t bytes, void *memory)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = where, .memory_size = bytes,
		.userspace_addr = (unsigned long)memory,
	};

	need(!ioctl(fixture.fd[VM], KVM_SET_USER_MEMORY_REGION, &region), "memory region");
}

/* A vCPU in real mode that has run once, to a HLT: from then on its CPUID stands. */
static void run_to_hlt(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} *cpuid = pages(ROOM);
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;
	int vcpu = fixture.fd[VCPU];

	cpuid->head.nent = 256;
	need(!ioctl(fixture.fd[SYSTEM], KVM_GET_SUPPORTED_CPUID, cpuid), "CPUID");
	need(!ioctl(vcpu, KVM_SET_CPUID2, cpuid), "CPUID");
	need(!ioctl(vcpu, KVM_GET_SREGS, &sregs), "sregs");
	sregs.cs.base = sregs.cs.selector = 0;
	need(!ioctl(vcpu, KVM_SET_SREGS, &sregs), "sregs");
	need(!ioctl(vcpu, KVM_SET_REGS, &regs), "regs");
	fixture.ram[0] = 0xf4;
	need(!ioctl(vcpu, KVM_RUN, 0) && fixture.run->exit_reason == KVM_EXIT_HLT, "KVM_RUN");
	munmap(cpuid, ROOM);
}

/* A machine with all controllers there are.  Its vCPU does not run. */
static void set_up_controllers(void)
{
	struct kvm_pit_config pit = { 0 };
	int vm = ioctl(fixture.fd[SYSTEM], KVM_CREATE_VM, 0);

	need(vm >= 0, "KVM_CREATE_VM");
	need(!ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	need(!ioctl(vm, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
	fixture.fd[IRQ_VM] = vm;
	fixture.fd[IRQ_VCPU] = ioctl(vm, KVM_CREATE_VCPU, 0);
	need(fixture.fd[IRQ_VCPU] >= 0, "KVM_CREATE_VCPU");
}

static void set_up(void)
{
	fixture.fd[SYSTEM] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fixture.fd[SYSTEM] < 0) {
		printf("1..0 # SKIP no /dev/kvm\n");
		exit(4);
	}
	fixture.fd[VM] = ioctl(fixture.fd[SYSTEM], KVM_CREATE_VM, 0);
	need(fixture.fd[VM] >= 0, "KVM_CREATE_VM");
	fixture.empty_vm = ioctl(fixture.fd[SYSTEM], KVM_CREATE_VM, 0);
	need(fixture.empty_vm >= 0, "KVM_CREATE_VM");
	fixture.fd[VCPU] = ioctl(fixture.fd[VM], KVM_CREATE_VCPU, 0);
	need(fixture.fd[VCPU] >= 0, "KVM_CREATE_VCPU");
	fixture.run_bytes = ioctl(fixture.fd[SYSTEM], KVM_GET_VCPU_MMAP_SIZE, 0);
	fixture.run = mmap(NULL, fixture.run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			   fixture.fd[VCPU], 0);
	need(fixture.run != MAP_FAILED, "kvm_run");
	fixture.xsave_bytes = ioctl(fixture.fd[VM], KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	if (fixture.xsave_bytes < sizeof(struct kvm_xsave))
		fixture.xsave_bytes = sizeof(struct kvm_xsave);
	fixture.ram = pages(2 * RAM);
	fixture.spare = pages(ROOM);
	fixture.readonly = pages(ROOM);
	fixture.edge = (char *)pages(ROOM) + ROOM - PAGE;
	mprotect(fixture.edge, PAGE, PROT_NONE);
	add_region(0, 0, RAM, fixture.ram);
	add_region(1, 0x100000000, PAGE, fixture.ram + RAM);
	run_to_hlt();
	set_up_controllers();
}

static void read_differences(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t room = 0;

	need(file, path);
	if (getdelim(&differences, &room, '\0', file) < 0)
		differences = NULL;
	fclose(file);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n");
	if (argc > 1)
		read_differences(argv[1]);
	set_up();
	for (unsigned int i = 0; i < COUNT(calls); i++) {
		wrong_descriptor(&calls[i]);
		if (calls[i].flow == VALUE)
			continue;
		bad_pointers(&calls[i]);
		wrong_size(&calls[i]);
	}
	unknown_calls();
	for (unsigned int i = 0; i < COUNT(bad_values); i++)
		try_bad_value(&bad_values[i]);
	try_bad_situations();
	other_process();
	printf("1..%u\n", told);
	return failures != 0;
}
