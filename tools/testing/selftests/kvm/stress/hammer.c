// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random ioctls from several threads at one virtual machine while its vCPUs run random code.
 *
 * Structures are random in a way that knows their shape: taken from the matching GET and then
 * damaged in a few places, or zero, or noise; pointers are good, or bad, or end on a missing
 * page.  Meanwhile guest memory is unmapped, protected and mapped again, slots come and go, and
 * whole machines are closed with vCPUs running.  Nothing is expected of an answer but that it
 * comes: the kernel's log and its memory are looked at afterwards, by run-hammer.
 *
 * usage: hammer [--calls N] [--threads N] [--seed N] [--seconds N] [--step]
 *
 * With --step guests are single-stepped from outside, always.  Bochs needs that: a guest that it
 * has entered with IF clear cannot be interrupted, and many of these would run for ever.
 *
 * The same seed gives each thread the same calls; how threads interleave is up to the machine.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>
#include "../../../../../arch/x86/include/uapi/asm/kvm_exact.h"

#define PAGE 4096UL
#define RAM_PAGES 64
#define VCPUS 4
#define EVENTS 4
#define ROOM (16 * 1024)
#define EXACT_AT	1024		/* in it, the value of an attribute */
#define LOG_AT		1024		/* in it, a dirty log of RAM_PAGES */
#define MAX_THREADS 64
#define CALLS_PER_MACHINE 5000	/* then it is closed, with its vCPUs running */
#define RUN_MICROSECONDS 500
#define STEPS 64		/* of a vCPU that is stepped, before another call */
#define STEP_ALWAYS (KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP)
#define MSR_EFER 0xc0000080
#define EFER_LME (1UL << 8)
#define MAX_MSRS 256		/* more are refused at once */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum where { SYSTEM, VM, VCPU, WHERES };

static struct {
	unsigned long calls, seconds;
	unsigned int threads;
	uint64_t seed;
	bool tcg, step;
} options = { .calls = 200000, .seconds = 600, .threads = 4, .seed = 1 };

static int system_fd, run_bytes;
static atomic_ulong calls_done, calls_taken, calls_refused;
static time_t deadline;

/* --- chance ----------------------------------------------------------------------------- */

static __thread uint64_t state;

static uint64_t random64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static unsigned int below(unsigned int limit)
{
	return (random64() >> 16) % limit;
}

static bool one_in(unsigned int n)
{
	return below(n) == 0;
}

/* Numbers at which something changes are more likely than those between. */
static uint64_t odd_number(void)
{
	static const uint64_t odd[] = {
		0, 1, 2, 31, 32, 255, 256, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff,
		0x100000000, 0x7fffffffffff, 0x800000000000, 0xffff800000000000,
		0x8000000000000000, 0xffffffffffffffff, 0xfee00000, 0xfee00900, 0xfffbc000,
	};

	switch (below(4)) {
	case 0:
		return odd[below(COUNT(odd))];
	case 1:
		return 1UL << below(64);
	case 2:
		return below(1024);
	default:
		return random64();
	}
}

static void noise(void *at, size_t bytes)
{
	uint8_t *byte = at;

	while (bytes--)
		*byte++ = random64() >> 24;
}

/* --- the machine under the hammer ------------------------------------------------------- */

struct machine {
	int vm;
	int vcpu[VCPUS];
	struct kvm_run *run[VCPUS];
	int event[EVENTS];		/* eventfds */
	uint8_t *ram;
	char *edge;			/* a page's end with nothing behind it */
	bool apics;			/* in the kernel */
};

/* Code that does a little of everything: else random bytes end in the first few steps. */
static void plant_code(uint8_t *page)
{
	static const uint8_t pieces[][8] = {
		{ 1, 0xf4 },				/* hlt */
		{ 1, 0xfb }, { 1, 0xfa },		/* sti, cli */
		{ 2, 0xe6, 0x80 }, { 2, 0xe4, 0x71 },	/* out, in */
		{ 2, 0xcd, 0x10 }, { 1, 0xcc },		/* int, int3 */
		{ 2, 0x0f, 0xa2 }, { 2, 0x0f, 0x32 },	/* cpuid, rdmsr */
		{ 2, 0x0f, 0x30 }, { 2, 0xb0, 0x0c },	/* wrmsr, mov al, 12 */
		{ 3, 0x0f, 0x01, 0xd9 },		/* vmmcall */
		{ 3, 0xa0, 0x00, 0x90 },		/* mov al, [0x9000] */
		{ 3, 0xa2, 0x00, 0xf0 },		/* mov [0xf000], al */
		{ 2, 0xf3, 0x6e }, { 2, 0xf3, 0xaa },	/* rep outsb, rep stosb */
		{ 2, 0x0f, 0x0b }, { 1, 0xcf },		/* ud2, iret */
		{ 3, 0x0f, 0x20, 0xc0 },		/* mov eax, cr0 */
		{ 3, 0x0f, 0x22, 0xc0 },		/* mov cr0, eax */
		{ 2, 0xeb, 0xf0 }, { 1, 0x9d },		/* jmp back, popf */
		{ 3, 0x0f, 0x01, 0xd1 },		/* xsetbv */
		{ 3, 0x8e, 0xd0, 0x90 },		/* mov ss, ax */
		{ 6, 0x66, 0xb9, 0x30, 0x08, 0, 0 },	/* mov ecx, ICR of the x2APIC */
		{ 6, 0x66, 0xb9, 0x38, 0x08, 0, 0 },	/* ... its timer's count */
		{ 6, 0x66, 0xb9, 0x32, 0x08, 0, 0 },	/* ... its LVT */
		{ 6, 0x66, 0xb9, 0x3f, 0x08, 0, 0 },	/* ... SELF IPI */
		{ 6, 0x66, 0xb8, 0x55, 0x00, 0x0c, 0 },	/* mov eax, 0x55 to all others */
		{ 2, 0x0f, 0x30 },			/* wrmsr */
		{ 4, 0xb0, 0x20, 0xe6, 0x20 },		/* mov al, 0x20; out 0x20: EOI */
		{ 4, 0xe6, 0x43, 0xe6, 0x40 },		/* out 0x43, out 0x40 */
	};
	unsigned int at = 0;

	noise(page, PAGE);
	while (at < PAGE - 8) {
		const uint8_t *piece = pieces[below(COUNT(pieces))];

		if (one_in(6)) {
			at += below(6);
			continue;
		}
		memcpy(page + at, piece + 1, piece[0]);
		at += piece[0];
	}
}

static void set_region(struct machine *m, unsigned int slot, uint64_t where, uint64_t bytes,
		       void *memory, unsigned int flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = where, .memory_size = bytes,
		.userspace_addr = (unsigned long)memory,
	};

	ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static void set_cpuid(int vcpu)
{
	char buffer[ROOM];
	struct kvm_cpuid2 *cpuid = (void *)buffer;

	memset(buffer, 0, sizeof(buffer));
	cpuid->nent = 256;
	if (!ioctl(system_fd, KVM_GET_SUPPORTED_CPUID, cpuid))
		ioctl(vcpu, KVM_SET_CPUID2, cpuid);
}

static void *map(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		err(1, "memory");
	return at;
}

#define APIC_BASE_X2APIC (1UL << 10)

/* Code begins at address 0: CS:IP is 0:0, in real mode. */
static void start_vcpu(int vcpu, bool apics)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_guest_debug debug = { .control = STEP_ALWAYS };
	struct kvm_regs regs = { .rflags = 2, .rsp = 0x8000, .rip = PAGE * below(8) };
	struct kvm_sregs sregs;

	if (!ioctl(vcpu, KVM_GET_SREGS, &sregs)) {
		sregs.cs.base = sregs.cs.selector = 0;
		if (apics && one_in(2))
			sregs.apic_base |= APIC_BASE_X2APIC;
		ioctl(vcpu, KVM_SET_SREGS, &sregs);
	}
	ioctl(vcpu, KVM_SET_MP_STATE, &runnable);
	ioctl(vcpu, KVM_SET_REGS, &regs);
	if (options.step)
		ioctl(vcpu, KVM_SET_GUEST_DEBUG, &debug);
}

/* None of them, all of them, or the local APICs alone. */
static void add_controllers(struct machine *m)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_reinject_control reinject = { .pit_reinject = below(2) };
	struct kvm_pit_config pit = { .flags = below(2) };

	m->apics = !one_in(3);
	if (!m->apics)
		return;
	if (one_in(3)) {
		ioctl(m->vm, KVM_ENABLE_CAP, &split);
		return;
	}
	ioctl(m->vm, KVM_CREATE_IRQCHIP, 0);
	ioctl(m->vm, KVM_CREATE_PIT2, &pit);
	ioctl(m->vm, KVM_REINJECT_CONTROL, &reinject);
}

static void open_machine(struct machine *m)
{
	m->vm = ioctl(system_fd, KVM_CREATE_VM, 0);
	if (m->vm < 0)
		err(1, "KVM_CREATE_VM");
	add_controllers(m);
	m->ram = map(RAM_PAGES * PAGE);
	for (int i = 0; i < 8; i++)
		plant_code(m->ram + i * PAGE);
	m->edge = (char *)map(2 * ROOM) + ROOM;
	mprotect(m->edge, ROOM, PROT_NONE);
	set_region(m, 0, 0, RAM_PAGES * PAGE, m->ram, 0);
	set_region(m, 1, 0xffff0000, 16 * PAGE, m->ram, KVM_MEM_READONLY);
	for (int i = 0; i < VCPUS; i++) {
		m->vcpu[i] = ioctl(m->vm, KVM_CREATE_VCPU, i);
		if (m->vcpu[i] < 0)
			err(1, "KVM_CREATE_VCPU");
		m->run[i] = mmap(NULL, run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				 m->vcpu[i], 0);
		if (m->run[i] == MAP_FAILED)
			err(1, "kvm_run");
		set_cpuid(m->vcpu[i]);
		start_vcpu(m->vcpu[i], m->apics);
	}
	for (int i = 0; i < EVENTS; i++)
		m->event[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* The other threads may be in KVM_RUN at this instant, or about to use the descriptors. */
static void close_machine(struct machine *m)
{
	bool vm_first = one_in(2);

	if (vm_first)
		close(m->vm);
	for (int i = 0; i < EVENTS / 2; i++)
		close(m->event[i]);
	for (int i = 0; i < VCPUS; i++)
		close(m->vcpu[i]);
	if (!vm_first)
		close(m->vm);
	for (int i = EVENTS / 2; i < EVENTS; i++)
		close(m->event[i]);
}

/* Nobody uses the machine any more. */
static void unmap_machine(struct machine *m)
{
	for (int i = 0; i < VCPUS; i++)
		munmap(m->run[i], run_bytes);
	munmap(m->ram, RAM_PAGES * PAGE);
	munmap(m->edge - ROOM, 2 * ROOM);
}

/* --- the calls -------------------------------------------------------------------------- */

/* @get: from where a structure is had that is nearly right; 0: it is zero but for its count. */
struct call {
	unsigned long request, get;
	enum where where;
	unsigned int count;
};

static const struct call calls[] = {
	{ KVM_GET_API_VERSION, 0, SYSTEM, 0 },
	{ KVM_GET_VCPU_MMAP_SIZE, 0, SYSTEM, 0 },
	{ KVM_CHECK_EXTENSION, 0, SYSTEM, 0 },
	{ KVM_GET_SUPPORTED_CPUID, 0, SYSTEM, 100 },
	{ KVM_GET_MSR_INDEX_LIST, 0, SYSTEM, 500 },
	{ KVM_GET_MSR_FEATURE_INDEX_LIST, 0, SYSTEM, 500 },
	{ KVM_GET_MSRS, 0, SYSTEM, 20 },
	{ KVM_CHECK_EXTENSION, 0, VM, 0 },
	{ KVM_CREATE_VCPU, 0, VM, 0 },
	{ KVM_SET_TSS_ADDR, 0, VM, 0 },
	{ KVM_SET_IDENTITY_MAP_ADDR, 0, VM, 0 },
	{ KVM_ENABLE_CAP, 0, VM, 0 },
	{ KVM_ENABLE_CAP, 0, VCPU, 0 },
	{ KVM_GET_CLOCK, 0, VM, 0 },
	{ KVM_SET_CLOCK, KVM_GET_CLOCK, VM, 0 },
	{ KVM_SET_USER_MEMORY_REGION, 0, VM, 0 },
	{ KVM_GET_DIRTY_LOG, 0, VM, 0 },
	{ KVM_CLEAR_DIRTY_LOG, 0, VM, 0 },
	{ KVM_CLEAR_DIRTY_LOG, 0, VM, 0 },
	{ KVM_GET_STATS_FD, 0, VM, 0 },
	{ KVM_GET_STATS_FD, 0, VCPU, 0 },
	{ KVM_IOEVENTFD, 0, VM, 0 },
	{ KVM_IOEVENTFD, 0, VM, 0 },
	{ KVM_IRQFD, 0, VM, 0 },
	{ KVM_IRQFD, 0, VM, 0 },
	{ KVM_REGISTER_COALESCED_MMIO, 0, VM, 0 },
	{ KVM_UNREGISTER_COALESCED_MMIO, 0, VM, 0 },
	{ KVM_GET_REGS, 0, VCPU, 0 },
	{ KVM_SET_REGS, KVM_GET_REGS, VCPU, 0 },
	{ KVM_GET_SREGS, 0, VCPU, 0 },
	{ KVM_SET_SREGS, KVM_GET_SREGS, VCPU, 0 },
	{ KVM_GET_SREGS2, 0, VCPU, 0 },
	{ KVM_SET_SREGS2, KVM_GET_SREGS2, VCPU, 0 },
	{ KVM_GET_FPU, 0, VCPU, 0 },
	{ KVM_SET_FPU, KVM_GET_FPU, VCPU, 0 },
	{ KVM_GET_XSAVE, 0, VCPU, 0 },
	{ KVM_SET_XSAVE, KVM_GET_XSAVE, VCPU, 0 },
	{ KVM_GET_XSAVE2, 0, VCPU, 0 },
	{ KVM_GET_XCRS, 0, VCPU, 0 },
	{ KVM_SET_XCRS, KVM_GET_XCRS, VCPU, 0 },
	{ KVM_GET_MSRS, 0, VCPU, 20 },
	{ KVM_SET_MSRS, KVM_GET_MSRS, VCPU, 20 },
	{ KVM_GET_CPUID2, 0, VCPU, 100 },
	{ KVM_SET_CPUID2, KVM_GET_CPUID2, VCPU, 100 },
	{ KVM_GET_DEBUGREGS, 0, VCPU, 0 },
	{ KVM_SET_DEBUGREGS, KVM_GET_DEBUGREGS, VCPU, 0 },
	{ KVM_GET_MP_STATE, 0, VCPU, 0 },
	{ KVM_SET_MP_STATE, KVM_GET_MP_STATE, VCPU, 0 },
	{ KVM_X86_SET_MSR_FILTER, 0, VM, 0 },
	{ KVM_GET_VCPU_EVENTS, 0, VCPU, 0 },
	{ KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS, VCPU, 0 },
	{ KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS, VCPU, 0 },
	{ KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS, VCPU, 0 },
	{ KVM_INTERRUPT, 0, VCPU, 0 },
	{ KVM_NMI, 0, VCPU, 0 },
	{ KVM_NMI, 0, VCPU, 0 },
	{ KVM_SMI, 0, VCPU, 0 },
	{ KVM_TRANSLATE, 0, VCPU, 0 },
	{ KVM_GET_TSC_KHZ, 0, VCPU, 0 },
	{ KVM_SET_TSC_KHZ, 0, VCPU, 0 },
	{ KVM_KVMCLOCK_CTRL, 0, VCPU, 0 },
	{ KVM_SET_GUEST_DEBUG, 0, VCPU, 0 },
	{ KVM_SET_SIGNAL_MASK, 0, VCPU, 8 },
	{ KVM_HAS_DEVICE_ATTR, 0, VCPU, 0 },
	{ KVM_GET_DEVICE_ATTR, 0, VCPU, 0 },
	{ KVM_SET_DEVICE_ATTR, KVM_GET_DEVICE_ATTR, VCPU, 0 },
	{ KVM_SET_DEVICE_ATTR, KVM_GET_DEVICE_ATTR, VCPU, 0 },
	{ KVM_CREATE_IRQCHIP, 0, VM, 0 },
	{ KVM_GET_IRQCHIP, 0, VM, 0 },
	{ KVM_SET_IRQCHIP, KVM_GET_IRQCHIP, VM, 0 },
	{ KVM_IRQ_LINE, 0, VM, 0 },
	{ KVM_IRQ_LINE, 0, VM, 0 },
	{ KVM_IRQ_LINE_STATUS, 0, VM, 0 },
	{ KVM_SET_GSI_ROUTING, 0, VM, 20 },
	{ KVM_SIGNAL_MSI, 0, VM, 0 },
	{ KVM_SIGNAL_MSI, 0, VM, 0 },
	{ KVM_CREATE_PIT, 0, VM, 0 },
	{ KVM_CREATE_PIT2, 0, VM, 0 },
	{ KVM_GET_PIT, 0, VM, 0 },
	{ KVM_SET_PIT, KVM_GET_PIT, VM, 0 },
	{ KVM_GET_PIT2, 0, VM, 0 },
	{ KVM_SET_PIT2, KVM_GET_PIT2, VM, 0 },
	{ KVM_REINJECT_CONTROL, 0, VM, 0 },
	{ KVM_SET_BOOT_CPU_ID, 0, VM, 0 },
	{ KVM_GET_LAPIC, 0, VCPU, 0 },
	{ KVM_SET_LAPIC, KVM_GET_LAPIC, VCPU, 0 },
	{ KVM_SET_LAPIC, KVM_GET_LAPIC, VCPU, 0 },
	{ KVM_SET_VAPIC_ADDR, 0, VCPU, 0 },
	{ KVM_TPR_ACCESS_REPORTING, 0, VCPU, 0 },
};

static const uint32_t msrs[] = {
	0x10, 0x1b, 0x174, 0x175, 0x176, 0x1a0, 0x1d9, 0x277, 0x2ff, 0x3b, 0x4b564d00,
	0x4b564d01, 0x4b564d01, 0x4b564d03, 0x4b564d03, 0x11, 0x12, 0x6e0, 0x8b,
	0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084,
	0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010015, 0xc001001f, 0xc0010117,
	0x200, 0x201, 0x250, 0x400, 0x17a, 0xc001102a, 0xda0, 0x49, 0x48, 0x802, 0x808, 0x80b,
	0x80f, 0x830, 0x832, 0x838, 0x83f,
};

static void name_msrs(struct kvm_msrs *list)
{
	for (unsigned int i = 0; i < list->nmsrs && i < 20; i++) {
		struct kvm_msr_entry *entry = &list->entries[i];

		entry->index = one_in(8) ? random64() : msrs[below(COUNT(msrs))];
		/* pages for the time are where memory comes and goes, mostly */
		if (entry->index >> 8 == 0x4b564d && !one_in(4))
			entry->data = (64 * below(RAM_PAGES * PAGE / 64)) | 1;
	}
}

/* A few places of a good structure made odd: most of it still passes the checks. */
static void damage(uint8_t *structure, size_t bytes)
{
	for (unsigned int n = below(4); n && bytes >= 8; n--) {
		uint64_t value = odd_number();
		size_t width = 1 << below(4), at = below(bytes - width + 1) & -width;

		memcpy(structure + at, &value, width);
	}
}

static void random_region(struct machine *m, struct kvm_userspace_memory_region *region)
{
	unsigned int page = below(RAM_PAGES), pages = below(RAM_PAGES - page + 1);

	/* in either address space */
	region->slot = 2 + below(6) + (below(2) << 16);
	region->flags = one_in(3) ? KVM_MEM_READONLY : one_in(3) ? KVM_MEM_LOG_DIRTY_PAGES : 0;
	region->guest_phys_addr = PAGE * below(4 * RAM_PAGES);
	region->memory_size = one_in(3) ? 0 : PAGE * pages;
	region->userspace_addr = (unsigned long)m->ram + PAGE * page;
}

/* Some ranges around what guests use, the bitmaps behind the structure itself. */
static void random_filter(struct kvm_msr_filter *filter)
{
	filter->flags = one_in(4);
	for (unsigned int i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		if (one_in(4))
			filter->ranges[i] = (struct kvm_msr_filter_range){
				.flags = 1 + below(3), .nmsrs = below(64),
				.base = msrs[below(COUNT(msrs))] - below(32),
				.bitmap = (uint8_t *)filter + EXACT_AT,
			};
	noise((uint8_t *)filter + EXACT_AT, 8);
}

static void random_cap(struct kvm_enable_cap *enable)
{
	static const struct {
		uint32_t cap, values;
	} caps[] = {
		{ KVM_CAP_EXCEPTION_PAYLOAD, 1 }, { KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
		{ KVM_CAP_X86_EXACT_STATE, 1 }, { KVM_CAP_X86_USER_SPACE_MSR, 7 },
		{ KVM_CAP_EXIT_HYPERCALL, 1 << 12 }, { KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 3 },
		{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 }, { KVM_CAP_X2APIC_API, 7 },
		{ KVM_CAP_SPLIT_IRQCHIP, 63 },
	};
	unsigned int i = below(COUNT(caps));

	enable->cap = caps[i].cap;
	enable->args[0] = random64() & caps[i].values;
}

/* The bits are noise. */
static void random_clear(struct kvm_clear_dirty_log *log)
{
	log->slot = 2 + below(6) + (below(2) << 16);
	log->first_page = 64 * below(2);
	log->num_pages = one_in(2) ? RAM_PAGES : below(RAM_PAGES + 2);
	noise((uint8_t *)log + LOG_AT, RAM_PAGES / 8);
}

/* Where the guests' code writes: ports 0x80 and thereabouts, the memory that is not there. */
static uint64_t random_place(bool port)
{
	return port ? 0x80 + below(4) : PAGE * below(4 * RAM_PAGES) + below(8);
}

static void random_ioeventfd(struct machine *m, struct kvm_ioeventfd *io)
{
	io->flags = below(8);
	io->addr = random_place(io->flags & KVM_IOEVENTFD_FLAG_PIO);
	io->len = one_in(3) ? 0 : 1 << below(3);
	io->datamatch = below(4);
	io->fd = m->event[below(EVENTS)];
}

static void random_irqfd(struct machine *m, struct kvm_irqfd *irq)
{
	irq->fd = m->event[below(EVENTS)];
	irq->resamplefd = m->event[below(EVENTS)];
	irq->gsi = below(26);
	irq->flags = below(4);
}

static void random_zone(struct kvm_coalesced_mmio_zone *zone)
{
	zone->pio = below(2);
	zone->addr = random_place(zone->pio);
	zone->size = zone->pio ? 1 + below(4) : PAGE * (1 + below(8));
}

/* Routes of which each could be taken, if the others let it. */
static void random_routes(struct kvm_irq_routing *routing)
{
	routing->nr = below(20);
	routing->flags = 0;
	for (unsigned int i = 0; i < routing->nr; i++) {
		struct kvm_irq_routing_entry *entry = &routing->entries[i];

		memset(entry, 0, sizeof(*entry));
		entry->gsi = below(40);
		entry->type = KVM_IRQ_ROUTING_IRQCHIP + below(2);
		if (entry->type == KVM_IRQ_ROUTING_MSI) {
			entry->u.msi.address_lo = 0xfee00000 | below(1 << 20);
			entry->u.msi.data = random64() & 0xc7ff;
		} else {
			entry->u.irqchip.irqchip = below(3);
			entry->u.irqchip.pin = below(24);
		}
	}
}

static void random_msi(struct kvm_msi *msi)
{
	memset(msi, 0, sizeof(*msi));
	msi->address_lo = 0xfee00000 | below(1 << 20);
	msi->data = random64() & 0xc7ff;
}

/* Delicate ones are kept to the values that mean something. */
static void shape(struct machine *m, const struct call *call, void *structure)
{
	struct kvm_irq_level *line = structure;
	struct kvm_vcpu_events *events = structure;

	switch (call->request) {
	case KVM_SET_USER_MEMORY_REGION:
		random_region(m, structure);
		break;
	case KVM_IOEVENTFD:
		random_ioeventfd(m, structure);
		break;
	case KVM_IRQFD:
		random_irqfd(m, structure);
		break;
	case KVM_REGISTER_COALESCED_MMIO:
	case KVM_UNREGISTER_COALESCED_MMIO:
		random_zone(structure);
		break;
	case KVM_ENABLE_CAP:
		random_cap(structure);
		break;
	case KVM_X86_SET_MSR_FILTER:
		random_filter(structure);
		break;
	case KVM_CLEAR_DIRTY_LOG:
		random_clear(structure);
		break;
	case KVM_SET_VCPU_EVENTS:
		if (one_in(2)) {
			noise(events, sizeof(*events));
			events->flags &= 0x3f;
			events->exception.nr %= 34;
			events->exception.injected &= 1;
		}
		break;
	case KVM_SET_GUEST_DEBUG:
		((struct kvm_guest_debug *)structure)->control = random64() & 0x3f0003;
		noise(((struct kvm_guest_debug *)structure)->arch.debugreg, 64);
		break;
	case KVM_INTERRUPT:
		((struct kvm_interrupt *)structure)->irq = below(260);
		break;
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS:
		line->irq = below(28);
		line->level = below(2);
		break;
	case KVM_SET_GSI_ROUTING:
		random_routes(structure);
		break;
	case KVM_SIGNAL_MSI:
		random_msi(structure);
		break;
	case KVM_GET_IRQCHIP:
	case KVM_SET_IRQCHIP:
		((struct kvm_irqchip *)structure)->chip_id = below(4);
		break;
	case KVM_GET_MSRS:
	case KVM_SET_MSRS:
		name_msrs(structure);
		break;
	case KVM_SET_DEVICE_ATTR:
		damage((uint8_t *)structure + EXACT_AT, sizeof(struct kvm_exact_state));
		break;
	}
}

static bool is_attr(unsigned long request)
{
	return request == KVM_SET_DEVICE_ATTR || request == KVM_GET_DEVICE_ATTR ||
	       request == KVM_HAS_DEVICE_ATTR;
}

/* One of the two attributes there are, its value behind it in the same buffer. */
static void name_attr(uint8_t *structure)
{
	struct kvm_device_attr attr = {
		.group = one_in(2) ? KVM_VCPU_EXACT_CTRL : KVM_VCPU_TSC_CTRL,
		.addr = (unsigned long)structure + EXACT_AT,
	};

	memcpy(structure, &attr, sizeof(attr));
}

static unsigned long bad_pointer(struct machine *m)
{
	static const unsigned long bad[] = {
		0, 0x10, 0xffff888000000000, 0x8000000000000000, ~0UL, ~7UL,
	};

	return one_in(2) ? (unsigned long)m->edge - below(512) : bad[below(COUNT(bad))];
}

/* A damaged address could be one of ours, and the kernel would write there. */
static void aim_attr(struct machine *m, void *structure)
{
	struct kvm_device_attr *attr = structure;

	attr->addr = one_in(8) ? bad_pointer(m) : (unsigned long)structure + EXACT_AT;
}

/* The same for a log. */
static void aim_log(struct machine *m, unsigned long request, void *structure)
{
	unsigned long log = one_in(8) ? bad_pointer(m) : (unsigned long)structure + LOG_AT;

	if (request == KVM_GET_DIRTY_LOG)
		((struct kvm_dirty_log *)structure)->padding2 = log;
	else if (request == KVM_CLEAR_DIRTY_LOG)
		((struct kvm_clear_dirty_log *)structure)->padding2 = log;
}

/*
 * QEMU's TCG cannot leave a guest that has EFER.LME set and CR4.PAE clear: it does not switch
 * the host's paging on again, and that is the end of the host.  Where it is the processor, such
 * guests are not made.
 */
static bool host_is_tcg(void)
{
	unsigned int eax, name[3];

	__cpuid(0x40000000, eax, name[0], name[1], name[2]);
	return memcmp(name, "TCGTCGTCGTCG", sizeof(name)) == 0;
}

static void spare_tcg(uint64_t *efer)
{
	if (options.tcg)
		*efer &= ~EFER_LME;
}

static void spare_tcg_structure(unsigned long request, void *structure)
{
	struct kvm_msrs *list = structure;

	if (request == KVM_SET_SREGS)
		spare_tcg((uint64_t *)&((struct kvm_sregs *)structure)->efer);
	if (request == KVM_SET_SREGS2)
		spare_tcg((uint64_t *)&((struct kvm_sregs2 *)structure)->efer);
	for (unsigned int i = 0; request == KVM_SET_MSRS && i < MAX_MSRS; i++)
		if (list->entries[i].index == MSR_EFER)
			spare_tcg((uint64_t *)&list->entries[i].data);
}

static void build(struct machine *m, int fd, const struct call *call, uint8_t *structure)
{
	static const uint64_t stop = 1UL << (SIGUSR1 - 1);
	size_t bytes = _IOC_SIZE(call->request);

	memset(structure, 0, ROOM);
	memcpy(structure, &call->count, sizeof(call->count));
	if (call->get == KVM_GET_MSRS)
		name_msrs((void *)structure);
	if (is_attr(call->request))
		name_attr(structure);
	if (call->get && !one_in(8))
		ioctl(fd, call->get, structure);
	else if (one_in(4))
		noise(structure + (call->count ? 4 : 0), bytes);
	shape(m, call, structure);
	if (call->count)
		bytes += 40 * call->count;
	if (one_in(2))
		damage(structure, bytes < ROOM ? bytes : ROOM);
	if (is_attr(call->request))
		aim_attr(m, structure);
	aim_log(m, call->request, structure);
	if (call->count && one_in(32))
		memcpy(structure, &(uint32_t) { odd_number() }, 4);
	spare_tcg_structure(call->request, structure);
	if (options.step && call->request == KVM_SET_GUEST_DEBUG)
		((struct kvm_guest_debug *)structure)->control |= STEP_ALWAYS;
	/* A vCPU that cannot be stopped would run for ever. */
	if (call->request == KVM_SET_SIGNAL_MASK)
		*(uint64_t *)((struct kvm_signal_mask *)structure)->sigset &= ~stop;
}

/* The VM's own descriptor now and then gets a vCPU's call, and the reverse. */
static int choose_fd(struct machine *m, enum where where)
{
	if (one_in(64))
		where = below(WHERES);
	if (where == SYSTEM)
		return system_fd;
	return where == VM ? m->vm : m->vcpu[below(VCPUS)];
}

static void note(int result)
{
	atomic_fetch_add(&calls_done, 1);
	atomic_fetch_add(result < 0 ? &calls_refused : &calls_taken, 1);
}

/* Random numbers shall not hit what makes descriptors, runs, or keeps the stop signal out. */
static bool is_elsewhere(unsigned long request)
{
	static const uint8_t numbers[] = {
		_IOC_NR(KVM_CREATE_VM), _IOC_NR(KVM_RUN), _IOC_NR(KVM_CREATE_DEVICE),
		_IOC_NR(KVM_GET_STATS_FD), _IOC_NR(KVM_SET_SIGNAL_MASK),
	};

	return memchr(numbers, _IOC_NR(request), sizeof(numbers));
}

static void one_ioctl(struct machine *m)
{
	static __thread _Alignas(64) uint8_t structure[ROOM];
	const struct call *call = &calls[below(COUNT(calls))];
	unsigned long argument, request = call->request;
	int fd = choose_fd(m, call->where), result;

	if (!_IOC_SIZE(request)) {
		argument = call->request == KVM_NMI ? 0 : odd_number();
	} else {
		build(m, fd, call, structure);
		argument = one_in(24) ? bad_pointer(m) : (unsigned long)structure;
	}
	if (one_in(128) && request != KVM_SET_SIGNAL_MASK)
		request = _IOC(below(4), KVMIO, below(256), below(1024));
	if (request != call->request && is_elsewhere(request))
		return;
	result = ioctl(fd, request, argument);
	note(result);
	if (result >= 0 && (request == KVM_CREATE_VCPU || request == KVM_GET_STATS_FD)) {
		/* of statistics there is something to be read, while the machine may be closed */
		if (read(result, structure, below(ROOM)) < 0)
			note(-1);
		close(result);
	}
}

/* --- running, and the memory meanwhile -------------------------------------------------- */

static __thread struct kvm_run *running;
static __thread timer_t timer;

/* A signal sets immediate_exit too, or one that comes too early would stop nothing. */
static void on_signal(int number)
{
	(void)number;
	if (running)
		running->immediate_exit = 1;
}

static void make_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };

	event._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
		err(1, "timer_create");
}

static void set_timer(unsigned int microseconds)
{
	struct itimerspec spec = {
		.it_value.tv_nsec = 1000L * microseconds,
		.it_interval.tv_nsec = 1000L * microseconds,
	};

	timer_settime(timer, 0, &spec, NULL);
}

static void random_run_page(struct kvm_run *run)
{
	run->request_interrupt_window = below(2);
	if (one_in(8))
		run->cr8 = odd_number();
	if (one_in(8))
		run->kvm_valid_regs = below(16);
	if (one_in(8)) {
		run->kvm_dirty_regs = below(16);
		damage((void *)&run->s.regs, sizeof(run->s.regs));
	}
	if (one_in(64))
		noise(run, run_bytes < 3072 ? run_bytes : 3072);
	if (one_in(8))
		noise((char *)run + run_bytes - PAGE, 8);	/* the indices of the ring */
	spare_tcg((uint64_t *)&run->s.regs.sregs.efer);
}

/* Mostly the thread's own: a KVM may take its time when a vCPU changes threads. */
static void run_vcpu(struct machine *m, unsigned int me)
{
	int i = one_in(8) ? below(VCPUS) : me % VCPUS;

	if (one_in(4))
		start_vcpu(m->vcpu[i], m->apics);
	random_run_page(m->run[i]);
	m->run[i]->immediate_exit = one_in(16);
	running = m->run[i];
	set_timer(RUN_MICROSECONDS);
	for (int steps = options.step ? STEPS : 1; steps; steps--) {
		int result = ioctl(m->vcpu[i], KVM_RUN, 0);

		note(result);
		if (result)
			break;
	}
	set_timer(0);
	running = NULL;
}

static void trouble_memory(struct machine *m)
{
	uint8_t *at = m->ram + PAGE * below(RAM_PAGES);
	size_t bytes = PAGE * (1 + below((m->ram + RAM_PAGES * PAGE - at) / PAGE));
	static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };

	switch (below(5)) {
	case 0:
		madvise(at, bytes, MADV_DONTNEED);
		break;
	case 1:
		munmap(at, PAGE);
		break;
	case 2:
		mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
		break;
	default:
		mprotect(at, bytes, protections[below(3)]);
	}
}

/* Fresh code for the guests.  Through /proc/self/mem, since the page may be away just now. */
static void replant(struct machine *m, int self)
{
	uint8_t page[PAGE];
	off_t where = (unsigned long)m->ram + PAGE * below(8);

	plant_code(page);
	mprotect((void *)where, PAGE, PROT_READ | PROT_WRITE);
	if (pwrite(self, page, PAGE, where) < 0)
		mmap((void *)where, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void one_step(struct machine *m, unsigned int me, int self)
{
	unsigned int dice = below(100);

	if (dice < 70)
		one_ioctl(m);
	else if (dice < 92)
		run_vcpu(m, me);
	else if (dice < 97)
		trouble_memory(m);
	else
		replant(m, self);
}

/* --- the threads ------------------------------------------------------------------------ */

static struct machine machine;
static pthread_barrier_t all_here;
static bool over;

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void tell(void)
{
	printf("hammer: %lu of %lu calls, %lu taken, %lu refused\n",
	       atomic_load(&calls_done), options.calls, atomic_load(&calls_taken),
	       atomic_load(&calls_refused));
}

/* Thread 0 opens and closes the machine while the others wait. */
static void *work(void *argument)
{
	unsigned int me = (unsigned long)argument;
	int self = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	state = options.seed * 0x9e3779b97f4a7c15 + 0x632be59bd9b4e019 * (me + 1);
	make_timer();
	for (;;) {
		unsigned long until;

		if (me == 0)
			open_machine(&machine);
		pthread_barrier_wait(&all_here);
		until = atomic_load(&calls_done) + CALLS_PER_MACHINE;
		pthread_barrier_wait(&all_here);
		while (atomic_load(&calls_done) < until && now() < deadline)
			one_step(&machine, me, self);
		if (me == 0)
			close_machine(&machine);
		pthread_barrier_wait(&all_here);
		if (me == 0) {
			unmap_machine(&machine);
			over = atomic_load(&calls_done) >= options.calls || now() >= deadline;
			tell();
		}
		pthread_barrier_wait(&all_here);
		if (over)
			break;
	}
	timer_delete(timer);
	close(self);
	return NULL;
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "calls", required_argument, NULL, 'c' },
		{ "threads", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 'S' },
		{ "step", no_argument, NULL, 'p' },
		{ 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		unsigned long value = optarg ? strtoul(optarg, NULL, 0) : 0;

		if (c == 'c')
			options.calls = value;
		else if (c == 't' && value && value <= MAX_THREADS)
			options.threads = value;
		else if (c == 's')
			options.seed = value;
		else if (c == 'S')
			options.seconds = value;
		else if (c == 'p')
			options.step = true;
		else
			errx(2, "usage: hammer [--calls N] [--threads N] [--seed N] [--seconds N]"
				" [--step]");
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t threads[MAX_THREADS];

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv);
	sigaction(SIGUSR1, &action, NULL);
	options.tcg = host_is_tcg();
	system_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (system_fd < 0)
		err(4, "/dev/kvm");
	run_bytes = ioctl(system_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	deadline = now() + options.seconds;
	pthread_barrier_init(&all_here, NULL, options.threads);
	for (unsigned long i = 0; i < options.threads; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)i))
			errx(1, "pthread_create");
	for (unsigned int i = 0; i < options.threads; i++)
		pthread_join(threads[i], NULL);
	close(system_fd);
	if (atomic_load(&calls_done) < options.calls)
		errx(1, "only %lu calls in %lu seconds", atomic_load(&calls_done),
		     options.seconds);
	return 0;
}
