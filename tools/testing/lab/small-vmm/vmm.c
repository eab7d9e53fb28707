// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmm.c - boots a Linux kernel on KVM with next to nothing around it.
 *
 *   vmm KERNEL INITRAMFS COMMAND-LINE [PROCESSORS]
 *
 * Interrupt controllers and timer are KVM's; the only device is the output
 * half of a serial port, which is this program's standard output.  A shutdown
 * of the guest (reboot=t) is its end, and exit status 0.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vmm.h"

#define MAX_PROCESSORS	8
#define MAX_CPUID	256
#define SERIAL		0x3f8
#define SERIAL_STATUS	(SERIAL + 5)
#define SERIAL_IDLE	0x60		/* the transmitter is empty */
#define CMOS_DATA	0x71
#define FEATURES_LEAF	1
#define FEATURE_XSAVE	(1u << 26)	/* of ECX */
#define TOPOLOGY_LEAF	0xb

static struct {
	int kvm, vm;
	size_t run_bytes;
	struct kvm_cpuid2 *cpuid;
} machine;

struct processor {
	pthread_t thread;
	int fd;
	unsigned int id;
	struct kvm_run *run;
};

static int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

#define DO(fd, request, argument) must(ioctl(fd, request, argument), #request)

static uint8_t *make_machine(void)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY_BYTES };
	uint64_t identity_map = 0xfffbc000;
	uint8_t *memory;

	machine.kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	machine.run_bytes = DO(machine.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	machine.vm = DO(machine.kvm, KVM_CREATE_VM, 0);
	DO(machine.vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map);
	DO(machine.vm, KVM_SET_TSS_ADDR, 0xfffbd000);
	DO(machine.vm, KVM_CREATE_IRQCHIP, 0);
	DO(machine.vm, KVM_CREATE_PIT2, &pit);
	memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "memory");
	region.userspace_addr = (uintptr_t)memory;
	DO(machine.vm, KVM_SET_USER_MEMORY_REGION, &region);
	machine.cpuid = calloc(1, sizeof(*machine.cpuid) +
			       MAX_CPUID * sizeof(machine.cpuid->entries[0]));
	if (!machine.cpuid)
		err(1, "memory");
	machine.cpuid->nent = MAX_CPUID;
	DO(machine.kvm, KVM_GET_SUPPORTED_CPUID, machine.cpuid);
	return memory;
}

/*
 * The same for all, but for who one is.  Without XSAVE: TCG lets a guest's XSETBV through without
 * an exit, and CPUID cannot say then what Linux expects.
 */
static void set_cpuid(struct processor *cpu)
{
	unsigned int i;

	for (i = 0; i < machine.cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &machine.cpuid->entries[i];

		if (entry->function == FEATURES_LEAF) {
			entry->ebx = (entry->ebx & 0xffffff) | cpu->id << 24;
			entry->ecx &= ~FEATURE_XSAVE;
		}
		if (entry->function == TOPOLOGY_LEAF)
			entry->edx = cpu->id;
	}
	DO(cpu->fd, KVM_SET_CPUID2, machine.cpuid);
}

static void make_processor(struct processor *cpu, unsigned int id)
{
	cpu->id = id;
	cpu->fd = DO(machine.vm, KVM_CREATE_VCPU, id);
	cpu->run = mmap(NULL, machine.run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED)
		err(1, "kvm_run");
	set_cpuid(cpu);
}

static void set_entry(struct processor *cpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	DO(cpu->fd, KVM_GET_SREGS, &sregs);
	linux_entry(&sregs, &regs);
	DO(cpu->fd, KVM_SET_SREGS, &sregs);
	DO(cpu->fd, KVM_SET_REGS, &regs);
}

static void port_out(uint16_t port, const uint8_t *data, size_t bytes)
{
	if (port == SERIAL && bytes == 1 && write(STDOUT_FILENO, data, 1) != 1)
		err(1, "standard output");
}

/* Where there is nothing all bits are 1; a clock that is not there is at rest. */
static void port_in(uint16_t port, uint8_t *data, size_t bytes)
{
	memset(data, port == CMOS_DATA ? 0 : 0xff, bytes);
	if (port == SERIAL_STATUS)
		*data = SERIAL_IDLE;
}

static void serve_port(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned int i;

	for (i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			port_out(run->io.port, data, run->io.size);
		else
			port_in(run->io.port, data, run->io.size);
	}
}

static void serve_memory(struct kvm_run *run)
{
	if (!run->mmio.is_write)
		memset(run->mmio.data, 0xff, run->mmio.len);
}

static void *run_processor(void *argument)
{
	struct processor *cpu = argument;

	for (;;) {
		if (ioctl(cpu->fd, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			err(1, "KVM_RUN of processor %u", cpu->id);
		}
		switch (cpu->run->exit_reason) {
		case KVM_EXIT_IO:
			serve_port(cpu->run);
			break;
		case KVM_EXIT_MMIO:
			serve_memory(cpu->run);
			break;
		case KVM_EXIT_SHUTDOWN:
			exit(0);
		default:
			errx(1, "processor %u: exit reason %u, suberror %u", cpu->id,
			     cpu->run->exit_reason, cpu->run->internal.suberror);
		}
	}
	return NULL;
}

int main(int argc, char *argv[])
{
	static struct processor cpus[MAX_PROCESSORS];
	unsigned int count, i;
	uint8_t *memory;

	count = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
	if (argc < 4 || !count || count > MAX_PROCESSORS)
		errx(2, "usage: vmm KERNEL INITRAMFS COMMAND-LINE [PROCESSORS]");
	memory = make_machine();
	linux_load(memory, argv[1], argv[2], argv[3]);
	tables_write(memory, count);
	for (i = 0; i < count; i++)
		make_processor(&cpus[i], i);
	set_entry(&cpus[0]);
	for (i = 1; i < count; i++)
		if (pthread_create(&cpus[i].thread, NULL, run_processor, &cpus[i]))
			errx(1, "thread of processor %u", i);
	run_processor(&cpus[0]);
	return 0;
}
