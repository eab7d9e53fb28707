// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - makes the measured virtual machine and puts its processor into 64-bit mode.
 *
 * Only ioctls that every KVM has. What goes wrong here ends the program: a measurement of something
 * else is worse than none.
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

enum { SLOT_MAIN, SLOT_FRESH, SLOT_HUGE };
enum { PAGE = 4096, HUGE_PAGE = 512 * PAGE, CPUID_MAX = 256, GIBIBYTES = 4 };
enum { SELECTOR_CODE = 0x8, SELECTOR_DATA = 0x10 };
enum { PTE_TABLE = 3, PTE_LARGE = 0x83, GATE_INTERRUPT = 0x8e, RFLAGS_IF = 0x202 };

#define CR0_VALUE	0x80000031UL	/* PG, NE, ET, PE */
#define CR4_VALUE	0x620UL		/* OSXMMEXCPT, OSFXSR, PAE */
#define EFER_VALUE	0x500UL		/* LMA, LME */
#define CPUID_TSC_DEADLINE	(1U << 24)

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

/* All there already: a second-level fault is then the hypervisor's work alone. */
static void *host_memory(size_t size, size_t page)
{
	uint8_t *p = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	p += -(uint64_t)p % page;
	madvise(p, size, page == PAGE ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	memset(p, 0x11, size);
	return p;
}

static void set_slot(uint32_t slot, uint64_t address, uint64_t size, void *memory, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = address, .memory_size = size,
		.userspace_addr = (uint64_t)memory,
	};

	must_ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
}

static void set_memory(uint32_t slot, uint64_t address, uint64_t size, void *memory)
{
	set_slot(slot, address, size, memory, 0);
}

void vm_fresh_memory(void)
{
	set_memory(SLOT_FRESH, FRESH, 0, vm.fresh);
	set_memory(SLOT_FRESH, FRESH, FRESH_PAGES * PAGE, vm.fresh);
}

void vm_fresh_huge_memory(void)
{
	set_memory(SLOT_HUGE, HUGE, 0, vm.huge);
	set_memory(SLOT_HUGE, HUGE, HUGE_PAGES * HUGE_PAGE, vm.huge);
}

void vm_log_dirty(bool on)
{
	set_slot(SLOT_FRESH, FRESH, FRESH_PAGES * PAGE, vm.fresh,
		 on ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

void vm_get_dirty_log(void)
{
	static uint8_t bitmap[FRESH_PAGES / 8];
	struct kvm_dirty_log log = { .slot = SLOT_FRESH, .dirty_bitmap = bitmap };

	must_ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log, "KVM_GET_DIRTY_LOG");
	for (size_t i = 0; i < sizeof(bitmap); i++)
		if (bitmap[i] != 0xff)
			errno = EPROTO, fail("a page that was written is not in the dirty log");
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
	set_gate(X2APIC_VECTOR, guest_x2apic_irq);
	set_gate(XAPIC_VECTOR, guest_xapic_irq);
	set_gate(LEVEL_VECTOR, guest_level_irq);
	memcpy(vm.memory + GUEST_CODE, guest_start, guest_end - guest_start);
}

/* Timers in the kernel can do it, and only who knows that they are there may say so. */
static void add_tsc_deadline(struct kvm_cpuid2 *cpuid)
{
	if (ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) <= 0)
		return;
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= CPUID_TSC_DEADLINE;
}

static void set_cpuid(int vcpu, bool chips)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_MAX * sizeof(cpuid->entries[0]));
	if (!cpuid)
		fail("calloc");
	cpuid->nent = CPUID_MAX;
	must_ioctl(vm.kvm, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
	if (chips)
		add_tsc_deadline(cpuid);
	must_ioctl(vcpu, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	free(cpuid);
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, uint8_t long_mode)
{
	return (struct kvm_segment) {
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .s = 1,
		.g = 1, .l = long_mode, .db = !long_mode,
	};
}

static void enter_long_mode(int vcpu)
{
	struct kvm_segment data = flat_segment(SELECTOR_DATA, 3, 0);
	struct kvm_sregs sregs;

	must_ioctl(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs = flat_segment(SELECTOR_CODE, 11, 1);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt = (struct kvm_dtable) { .base = GUEST_GDT, .limit = 0x17 };
	sregs.idt = (struct kvm_dtable) { .base = GUEST_IDT, .limit = 0xfff };
	sregs.cr0 = CR0_VALUE;
	sregs.cr3 = GUEST_TABLES;
	sregs.cr4 = CR4_VALUE;
	sregs.efer = EFER_VALUE;
	must_ioctl(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
}

static int create_vcpu(unsigned long id, bool chips, struct kvm_run **run)
{
	int size = ioctl(vm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	int vcpu = ioctl(vm.fd, KVM_CREATE_VCPU, id);

	if (vcpu < 0)
		fail("KVM_CREATE_VCPU");
	*run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (*run == MAP_FAILED)
		fail("mmap of the vCPU");
	set_cpuid(vcpu, chips);
	enter_long_mode(vcpu);
	return vcpu;
}

/* Memory is made once, and serves one VM after the other. */
static void add_memory(void)
{
	if (!vm.memory) {
		vm.memory = host_memory(GUEST_SIZE, PAGE);
		vm.fresh = host_memory(FRESH_PAGES * PAGE, PAGE);
		vm.huge = host_memory(HUGE_PAGES * HUGE_PAGE, HUGE_PAGE);
	}
	set_memory(SLOT_MAIN, 0, GUEST_SIZE, vm.memory);
	set_memory(SLOT_FRESH, FRESH, FRESH_PAGES * PAGE, vm.fresh);
	set_memory(SLOT_HUGE, HUGE, HUGE_PAGES * HUGE_PAGE, vm.huge);
	fill_memory();
}

static void destroy(void)
{
	int size = ioctl(vm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (vm.run)
		munmap(vm.run, size), close(vm.vcpu);
	if (vm.second_run)
		munmap(vm.second_run, size), close(vm.second);
	if (vm.run)
		close(vm.fd);
	vm.run = vm.second_run = NULL;
}

void vm_create(bool chips)
{
	if (!vm.kvm)
		vm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm.kvm < 0)
		fail("/dev/kvm");
	destroy();
	vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, 0);
	if (vm.fd < 0)
		fail("KVM_CREATE_VM");
	must_ioctl(vm.fd, KVM_SET_TSS_ADDR, (void *)0xfffbd000, "KVM_SET_TSS_ADDR");
	if (chips)
		must_ioctl(vm.fd, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	add_memory();
	vm.vcpu = create_vcpu(0, chips, &vm.run);
	if (chips)
		vm.second = create_vcpu(1, chips, &vm.second_run);
}

/* The last exit may wait for its answer: let it be taken in, or it would undo what is set next. */
static void finish_exit(int vcpu, struct kvm_run *run)
{
	run->immediate_exit = 1;
	if (!ioctl(vcpu, KVM_RUN, 0) || errno != EINTR)
		fail("KVM_RUN with immediate_exit");
	run->immediate_exit = 0;
}

static void start(int vcpu, const void *code, struct kvm_regs regs)
{
	struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_NMI_PENDING |
						   KVM_VCPUEVENT_VALID_SHADOW };

	regs.rip = guest_address(code);
	regs.rsp = GUEST_STACK - (vcpu == vm.second ? PAGE : 0);
	regs.rflags = RFLAGS_IF;
	must_ioctl(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
	must_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events, "KVM_SET_VCPU_EVENTS");
}

void vm_start_with(const void *code, struct kvm_regs regs)
{
	finish_exit(vm.vcpu, vm.run);
	start(vm.vcpu, code, regs);
}

void vm_start_at(const void *code, uint64_t rcx)
{
	vm_start_with(code, (struct kvm_regs){ .rcx = rcx, .rbx = FAR_AWAY });
}

/* It was halted, or has yet to be started. */
void vm_start_second(const void *code, struct kvm_regs regs)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };

	must_ioctl(vm.second, KVM_SET_MP_STATE, &runnable, "KVM_SET_MP_STATE");
	start(vm.second, code, regs);
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
