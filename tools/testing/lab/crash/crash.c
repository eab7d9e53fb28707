// SPDX-License-Identifier: GPL-2.0-only
/*
 * crash KERNEL INITRD CMDLINE - panic with a guest running, and a kernel loaded to come after.
 *
 * A processor on which virtualization is still on does not let the next kernel start: in VMX
 * operation its first write of CR4 faults, and INIT is not let through.  The guest has a processor
 * to itself, if there are two: the panic comes to it as an NMI.  See run-crash.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm.h>
#include "next.h"

#define PAGE		4096
#define RFLAGS_IF	0x202

static int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static void stay_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);	/* or not: there may be only one */
}

/* It never comes back. */
static void *run(void *vcpu)
{
	stay_on(1);
	ioctl(*(int *)vcpu, KVM_RUN, 0);
	return NULL;
}

/* A vCPU in real mode, for which a jump to itself is all there is. */
static int make_guest(void)
{
	int kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");
	int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.memory_size = PAGE, .userspace_addr = (unsigned long)memory,
	};
	struct kvm_regs regs = { .rflags = RFLAGS_IF };
	struct kvm_sregs sregs;
	int vcpu;

	if (memory == MAP_FAILED)
		err(1, "memory");
	memcpy(memory, "\xeb\xfe", 2);
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	return vcpu;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int vcpu, sysrq;

	if (argc != 4)
		errx(2, "usage: crash KERNEL INITRD CMDLINE");
	next_load(argv[1], argv[2], argv[3]);
	stay_on(0);
	vcpu = make_guest();
	if (pthread_create(&thread, NULL, run, &vcpu))
		errx(1, "pthread_create");
	usleep(100000);
	sysrq = must(open("/proc/sysrq-trigger", O_WRONLY), "/proc/sysrq-trigger");
	must(write(sysrq, "c", 1), "a panic");
	return 1;
}
