// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.c - the guest's first touch of its pages, and the memory that VMs and vCPUs take.
 *
 * A loop over pages that are mapped already is subtracted, so that a count is that of the fault.
 *
 * Next: vm.c for the slots.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "vm.h"

enum { SMALL = 4096, LARGE = 2 << 20, MACHINES = 128, PROCESSORS = 128 };

#define PAGEMAP_PFN	((1UL << 55) - 1)

/*
 * Faults
 */

static void start_touched(void)
{
	vm_start_with(guest_touch, (struct kvm_regs){ .rbx = FRESH, .rcx = FRESH_PAGES,
						      .rdx = SMALL });
}

static void start_written(void)
{
	vm_start_with(guest_write, (struct kvm_regs){ .rbx = FRESH, .rcx = FRESH_PAGES,
						      .rdx = SMALL });
}

static void start_fresh(void)
{
	vm_fresh_memory();
	start_touched();
}

static void give_pages_back(void)
{
	if (madvise(vm.fresh, FRESH_PAGES * SMALL, MADV_DONTNEED))
		fail("madvise");
}

static void start_absent(void)
{
	vm_fresh_memory();
	give_pages_back();
	start_written();
}

static void touch_here(void)
{
	for (size_t i = 0; i < FRESH_PAGES; i++)
		*(volatile uint8_t *)(vm.fresh + i * SMALL) = 1;
}

static void start_huge(void)
{
	vm_start_with(guest_touch, (struct kvm_regs){ .rbx = HUGE, .rcx = HUGE_PAGES,
						      .rdx = LARGE });
}

static void start_fresh_huge(void)
{
	vm_fresh_huge_memory();
	start_huge();
}

static void dirty_all(void)
{
	start_written();
	run_pio();
}

/* All pages are written, and again write-protected. */
static void start_protected(void)
{
	vm_log_dirty(true);
	dirty_all();
	vm_get_dirty_log();
	start_written();
}

static void start_dirty(void)
{
	vm_log_dirty(true);
	dirty_all();
}

static void log_off(void)
{
	vm_log_dirty(false);
}

static const struct row touch_base = {
	"guest reads mapped pages", NO_AIM, start_touched, run_pio, nothing, 1, 1, &once_base,
};

static const struct row write_base = {
	"guest writes mapped pages", NO_AIM, start_written, run_pio, nothing, 1, 1, &once_base,
};

static const struct row huge_base = {
	"guest reads mapped large pages", NO_AIM, start_huge, run_pio, nothing, 1, 1, &once_base,
};

static const struct row rows[] = {
	{ "second-level fault, 4 KiB", AIM_FAULT, start_fresh, run_pio, nothing, 1, FRESH_PAGES,
	  &touch_base },
	{ "the same, and the host has no page yet", AIM_FAULT, start_absent, run_pio, nothing, 1,
	  FRESH_PAGES, &write_base },
	{ "the host's part of that: its own touch", NO_AIM, give_pages_back, touch_here, nothing, 1,
	  FRESH_PAGES, &once_base },
	{ "second-level fault, 2 MiB", AIM_FAULT, start_fresh_huge, run_pio, nothing, 1, HUGE_PAGES,
	  &huge_base },
	{ "write to a page that the dirty log watches", AIM_FAULT, start_protected, run_pio,
	  log_off, 1, FRESH_PAGES, &write_base },
	{ "KVM_GET_DIRTY_LOG, of each dirty page", AIM_FAULT, start_dirty, vm_get_dirty_log,
	  log_off, 1, FRESH_PAGES, &once_base },
};

/* Small pages where there should be large ones would be another measurement. */
static void must_be_huge(void)
{
	uint64_t entry;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	for (unsigned int i = 0; i < HUGE_PAGES; i++) {
		off_t where = ((uint64_t)vm.huge + i * LARGE) / SMALL * sizeof(entry);

		if (pread(fd, &entry, sizeof(entry), where) != sizeof(entry))
			fail("/proc/self/pagemap");
		must_hold((entry & PAGEMAP_PFN) % (LARGE / SMALL) == 0,
			  "the host's pages are small");
	}
	close(fd);
}

void measure_faults(void)
{
	must_be_huge();
	MEASURE(rows);
}

/*
 * Sizes
 */

/* The counts of free pages are each CPU's own, in part, until somebody asks for their sum. */
static void refresh_counts(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY);

	if (fd < 0 || write(fd, "1", 1) != 1)
		fail("/proc/sys/vm/stat_refresh");
	close(fd);
}

/* Free pages, and those that a CPU keeps for the next who wants some: more than a VM is made of. */
static int64_t free_memory(void)
{
	int64_t pages = 0;
	char line[128];
	long count;
	FILE *file;

	refresh_counts();
	file = fopen("/proc/zoneinfo", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " pages free %ld", &count) == 1 ||
		    sscanf(line, " count: %ld", &count) == 1)
			pages += count;
	if (!pages)
		fail("/proc/zoneinfo");
	fclose(file);
	return pages * SMALL;
}

static int create_machine(void)
{
	int fd = ioctl(vm.kvm, KVM_CREATE_VM, 0);

	if (fd < 0)
		fail("KVM_CREATE_VM");
	must_ioctl(fd, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	return fd;
}

/* What all of them have taken is looked at while they are there. */
static double machine_size(void)
{
	int64_t before = free_memory(), after;
	int machine[MACHINES];

	for (int i = 0; i < MACHINES; i++)
		machine[i] = create_machine();
	after = free_memory();
	for (int i = 0; i < MACHINES; i++)
		close(machine[i]);
	return (double)(before - after) / MACHINES;
}

static double processor_size(void)
{
	int machine = create_machine(), processor[PROCESSORS];
	int64_t before = free_memory(), after;

	for (int i = 0; i < PROCESSORS; i++) {
		processor[i] = ioctl(machine, KVM_CREATE_VCPU, i);
		if (processor[i] < 0)
			fail("KVM_CREATE_VCPU");
	}
	after = free_memory();
	for (int i = 0; i < PROCESSORS; i++)
		close(processor[i]);
	close(machine);
	return (double)(before - after) / PROCESSORS;
}

/* Not after others of their kind: what those have left behind would be taken again. */
void measure_sizes(void)
{
	print_count("bytes: a VM with controllers", AIM_SIZE, machine_size());
	print_count("bytes: a vCPU with its APIC", AIM_SIZE, processor_size());
}
