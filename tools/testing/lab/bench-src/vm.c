// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - makes the measured virtual machine and puts its processor into 64-bit mode.
 *
 * Only ioctls that every KVM has; no interrupt controller in the kernel. What goes wrong here ends
 * the program: a measurement of something else is worse than none.
 */
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOT_MAIN, SLOT_FRESH, PAGE = 4096, CPUID_MAX = 256, GIBIBYTES = 4 };
enum { SELECTOR_CODE = 0x8, SELECTOR_DATA = 0x10 };
enum { PTE_TABLE = 3, PTE_LARGE = 0x83, GATE_INTERRUPT = 0x8e, RFLAGS_IF = 0x202 };

#define CR0_VALUE	0x80000031UL	/* PG, NE, ET, PE */
#define CR4_VALUE	0x620UL		/* OSXMMEXCPT, OSFXSR, PAE */
#define EFER_VALUE	0x500UL		/* LMA, LME */

struct vm vm;

void fail(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

void must_ioctl(int fd, unsigned long request, void *argument, const char *what)
{
	if (ioctl(fd, request, argument) < 0)
		fail(what);
}

uint64_t guest_address(const void *code)
{
	return GUEST_CODE + (uint64_t)((const uint8_t *)code - guest_start);
}

/* Small pages, all there already: a second-level fault is then the hypervisor's work alone. */
static void *host_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	madvise(p, size, MADV_NOHUGEPAGE);
	memset(p, 0x11, size);
	return p;
}

static void set_memory(uint32_t slot, uint64_t address, uint64_t size, void *memory)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = address, .memory_size = size,
		.userspace_addr = (uint64_t)memory,
	};

	must_ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
}

/* Takes the slot away and brings it back, so that none of its pages is mapped for the guest. */
void vm_fresh_memory(void)
{
	set_memory(SLOT_FRESH, FRESH, 0, vm.fresh);
	set_memory(SLOT_FRESH, FRESH, FRESH_PAGES * PAGE, vm.fresh);
}

static void make_page_tables(void)
{
	uint64_t *table = (uint64_t *)(vm.memory + GUEST_TABLES);
	uint64_t *large = table + 2 * 512;

	memset(table, 0, (2 + GIBIBYTES) * PAGE);
	table[0] = (GUEST_TABLES + PAGE) | PTE_TABLE;
	for (uint64_t i = 0; i < GIBIBYTES; i++)
		table[512 + i] = (GUEST_TABLES + (2 + i) * PAGE) | PTE_TABLE;
	for (uint64_t i = 0; i < GIBIBYTES * 512; i++)
		large[i] = i << 21 | PTE_LARGE;
}

static void set_gate(int vector, const void *handler)
{
	uint64_t *gate = (uint64_t *)(vm.memory + GUEST_IDT + 16 * vector);
	uint64_t address = guest_address(handler);

	gate[0] = (address & 0xffff) | (uint64_t)SELECTOR_CODE << 16 |
		  (uint64_t)GATE_INTERRUPT << 40 | (address >> 16 & 0xffff) << 48;
	gate[1] = address >> 32;
}

static void fill_memory(void)
{
	uint64_t *gdt = (uint64_t *)(vm.memory + GUEST_GDT);

	make_page_tables();
	gdt[0] = 0;
	gdt[SELECTOR_CODE / 8] = 0x00af9b000000ffff;
	gdt[SELECTOR_DATA / 8] = 0x00cf93000000ffff;
	memset(vm.memory + GUEST_IDT, 0, PAGE);
	set_gate(2, guest_nmi);
	set_gate(14, guest_page_fault);
	set_gate(IRQ_VECTOR, guest_irq);
	memcpy(vm.memory + GUEST_CODE, guest_start, guest_end - guest_start);
}

static void set_cpuid(void)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_MAX * sizeof(cpuid->entries[0]));
	if (!cpuid)
		fail("calloc");
	cpuid->nent = CPUID_MAX;
	must_ioctl(vm.kvm, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
	must_ioctl(vm.vcpu, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	free(cpuid);
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, uint8_t long_mode)
{
	return (struct kvm_segment) {
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .s = 1,
		.g = 1, .l = long_mode, .db = !long_mode,
	};
}

static void enter_long_mode(void)
{
	struct kvm_segment data = flat_segment(SELECTOR_DATA, 3, 0);
	struct kvm_sregs sregs;

	must_ioctl(vm.vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs = flat_segment(SELECTOR_CODE, 11, 1);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt = (struct kvm_dtable) { .base = GUEST_GDT, .limit = 0x17 };
	sregs.idt = (struct kvm_dtable) { .base = GUEST_IDT, .limit = 0xfff };
	sregs.cr0 = CR0_VALUE;
	sregs.cr3 = GUEST_TABLES;
	sregs.cr4 = CR4_VALUE;
	sregs.efer = EFER_VALUE;
	must_ioctl(vm.vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
}

void vm_create(void)
{
	int size;

	vm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm.kvm < 0)
		fail("/dev/kvm");
	vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, 0);
	if (vm.fd < 0)
		fail("KVM_CREATE_VM");
	must_ioctl(vm.fd, KVM_SET_TSS_ADDR, (void *)0xfffbd000, "KVM_SET_TSS_ADDR");
	vm.memory = host_memory(GUEST_SIZE);
	vm.fresh = host_memory(FRESH_PAGES * PAGE);
	set_memory(SLOT_MAIN, 0, GUEST_SIZE, vm.memory);
	set_memory(SLOT_FRESH, FRESH, FRESH_PAGES * PAGE, vm.fresh);
	vm.vcpu = ioctl(vm.fd, KVM_CREATE_VCPU, 0);
	if (vm.vcpu < 0)
		fail("KVM_CREATE_VCPU");
	size = ioctl(vm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm.run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm.vcpu, 0);
	if (vm.run == MAP_FAILED)
		fail("mmap of the vCPU");
	fill_memory();
	set_cpuid();
	enter_long_mode();
}

/* The last exit may wait for its answer: let it be taken in, or it would undo what is set next. */
static void finish_exit(void)
{
	vm.run->immediate_exit = 1;
	if (!ioctl(vm.vcpu, KVM_RUN, 0) || errno != EINTR)
		fail("KVM_RUN with immediate_exit");
	vm.run->immediate_exit = 0;
}

/* Both the address and the counter; nothing is pending or masked afterwards. */
void vm_start_at(const void *code, uint64_t rcx)
{
	struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_NMI_PENDING |
						   KVM_VCPUEVENT_VALID_SHADOW };
	struct kvm_regs regs = {
		.rip = guest_address(code), .rsp = GUEST_STACK, .rflags = RFLAGS_IF, .rcx = rcx,
		.rbx = code == guest_touch ? FRESH : FAR_AWAY,
	};

	finish_exit();
	must_ioctl(vm.vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
	must_ioctl(vm.vcpu, KVM_SET_VCPU_EVENTS, &events, "KVM_SET_VCPU_EVENTS");
}

void vm_run(uint32_t exit_reason)
{
	while (ioctl(vm.vcpu, KVM_RUN, 0) < 0) {
		if (errno != EINTR)
			fail("KVM_RUN");
	}
	if (vm.run->exit_reason == exit_reason)
		return;
	fprintf(stderr, "bench: KVM_RUN ended in exit %u, not %u\n", vm.run->exit_reason,
		exit_reason);
	exit(1);
}
