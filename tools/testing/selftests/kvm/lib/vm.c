// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - making and unmaking a VM with one vCPU, and plain calls of ioctls.
 *
 * Interrupt controllers in the kernel there are only where they are asked for, by
 * VM_IRQCHIP or with machine.c.  The processor's first state is made in
 * long_mode.c, running is in run.c.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "kvm_lib.h"

#define CPUID_ENTRIES	256
#define CPUID_TSC_DEADLINE	(1 << 24)	/* leaf 1, ECX */
#define SPLIT_PINS	24

/* Intel's processors without unrestricted guests want these three pages. */
#define TSS_ADDRESS		0xfffbd000UL
#define IDENTITY_MAP_ADDRESS	0xfffbc000UL

int kvm_open(void)
{
	return open("/dev/kvm", O_RDWR | O_CLOEXEC);
}

/* KVM_CHECK_EXTENSION, of /dev/kvm or of a VM; 0 when it is not known. */
int kvm_check(int fd, long cap)
{
	int value = ioctl(fd, KVM_CHECK_EXTENSION, cap);

	return value < 0 ? 0 : value;
}

int vm_ioctl(struct vm *vm, unsigned long request, void *arg)
{
	int value = ioctl(vm->fd, request, arg);

	return value < 0 ? -errno : value;
}

int vcpu_ioctl(struct vm *vm, unsigned long request, void *arg)
{
	int value = ioctl(vm->vcpu, request, arg);

	return value < 0 ? -errno : value;
}

int vm_slot(struct vm *vm, unsigned int slot, unsigned int flags, uint64_t gpa, uint64_t size,
	    void *host)
{
	struct kvm_userspace_memory_region region = { .slot = slot, .flags = flags };

	region.userspace_addr = (uintptr_t)host;
	region.memory_size = size;
	region.guest_phys_addr = gpa;
	return vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

int vm_enable_cap(struct vm *vm, unsigned int cap, uint64_t arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

	return vm_ioctl(vm, KVM_ENABLE_CAP, &enable);
}

/* What the host supports is what the guest gets; the APIC's deadline is supported and not said. */
static int vcpu_set_cpuid(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid;
	unsigned int i;
	int err;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = CPUID_ENTRIES;
	err = ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0 ? -errno : 0;
	for (i = 0; vm->caps & (VM_IRQCHIP | VM_SPLIT) && i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= CPUID_TSC_DEADLINE;
	if (!err)
		err = vcpu_ioctl(vm, KVM_SET_CPUID2, cpuid);
	free(cpuid);
	return err;
}

static const char *vm_enable_caps(struct vm *vm)
{
	if (!(vm->caps & VM_NO_PAYLOAD) && kvm_check(vm->fd, KVM_CAP_EXCEPTION_PAYLOAD) &&
	    vm_enable_cap(vm, KVM_CAP_EXCEPTION_PAYLOAD, 1))
		return "KVM_CAP_EXCEPTION_PAYLOAD cannot be enabled";
	if (!(vm->caps & VM_NO_TRIPLE_FAULT) && kvm_check(vm->fd, KVM_CAP_X86_TRIPLE_FAULT_EVENT) &&
	    vm_enable_cap(vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1))
		return "KVM_CAP_X86_TRIPLE_FAULT_EVENT cannot be enabled";
	if (vm->caps & VM_EXACT && kvm_check(vm->fd, KVM_CAP_X86_EXACT_STATE) &&
	    vm_enable_cap(vm, KVM_CAP_X86_EXACT_STATE, KVM_EXACT_VERSION))
		return "KVM_CAP_X86_EXACT_STATE cannot be enabled";
	if (vm->caps & VM_IRQCHIP && vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL))
		return "KVM_CREATE_IRQCHIP";
	if (vm->caps & VM_SPLIT && vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, SPLIT_PINS))
		return "KVM_CAP_SPLIT_IRQCHIP cannot be enabled";
	return NULL;
}

static const char *vm_create_vcpu(struct vm *vm, unsigned long id)
{
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < (int)sizeof(struct kvm_run))
		return "KVM_GET_VCPU_MMAP_SIZE";
	vm->run_size = size;
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (vm->vcpu < 0)
		return "KVM_CREATE_VCPU";
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		return "mapping struct kvm_run";
	return vcpu_set_cpuid(vm) ? "KVM_SET_CPUID2" : NULL;
}

/**
 * vm_create_on() - make a VM around memory that is there already
 * @vm: filled in
 * @flags: VM_NO_PAYLOAD, VM_NO_TRIPLE_FAULT, VM_IRQCHIP, VM_EXACT
 * @mem: MEM_SIZE bytes, whatever they hold; belongs to @vm from now on
 *
 * The vCPU is as the kernel made it.
 *
 * Return: NULL, or the step that failed, errno telling why.
 */
const char *vm_create_on(struct vm *vm, unsigned int flags, uint8_t *mem)
{
	uint64_t identity = IDENTITY_MAP_ADDRESS;
	const char *wrong;

	*vm = (struct vm){ .kvm = kvm_open(), .fd = -1, .vcpu = -1, .mem = mem, .caps = flags };
	if (vm->kvm < 0)
		return "opening /dev/kvm";
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0L);
	if (vm->fd < 0)
		return "KVM_CREATE_VM";
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDRESS))
		return "KVM_SET_TSS_ADDR";
	if (vm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity))
		return "KVM_SET_IDENTITY_MAP_ADDR";
	if (vm_slot(vm, 0, 0, 0, MEM_SIZE, mem))
		return "KVM_SET_USER_MEMORY_REGION";
	wrong = vm_enable_caps(vm);
	return wrong ?: vm_create_vcpu(vm, 0);
}

/**
 * vm_add_vcpu() - another vCPU for a VM
 * @vm: filled in: the same VM, but with this vCPU.  vm_destroy() ends it, before @first
 * @first: as vm_create() made it
 * @id: its number
 *
 * The vCPU is as the kernel made it.
 *
 * Return: NULL, or the step that failed, errno telling why.
 */
const char *vm_add_vcpu(struct vm *vm, const struct vm *first, unsigned int id)
{
	*vm = *first;
	vm->run = NULL;
	vm->vcpu = -1;
	vm->fd = dup(first->fd);
	vm->kvm = dup(first->kvm);
	if (vm->fd < 0 || vm->kvm < 0)
		return "dup()";
	return vm_create_vcpu(vm, id);
}

/*
 * Zeroed memory for a guest; NULL when there is none.  In small pages: tests
 * take single pages away, and count on the others being absent at first.
 */
uint8_t *vm_alloc(void)
{
	void *mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	madvise(mem, MEM_SIZE, MADV_NOHUGEPAGE);
	return mem;
}

/**
 * vm_create() - make a VM whose vCPU is in 64-bit mode, at rt_done
 * @vm: filled in
 * @flags: VM_NO_PAYLOAD, VM_NO_TRIPLE_FAULT, VM_IRQCHIP, VM_EXACT
 *
 * Return: NULL, or the step that failed, errno telling why.
 */
const char *vm_create(struct vm *vm, unsigned int flags)
{
	uint8_t *mem = vm_alloc();
	struct kvm_sregs sregs;
	const char *wrong;

	if (!mem)
		return "memory for the guest";
	if (__stop_guest - __start_guest > CODE_SIZE)
		return "the guest's code, which is too long";
	long_mode_tables(mem);
	memcpy(mem + CODE, __start_guest, __stop_guest - __start_guest);
	wrong = vm_create_on(vm, flags, mem);
	if (wrong)
		return wrong;
	if (vcpu_ioctl(vm, KVM_GET_SREGS, &sregs))
		return "KVM_GET_SREGS";
	long_mode_sregs(&sregs);
	if (vcpu_ioctl(vm, KVM_SET_SREGS, &sregs))
		return "KVM_SET_SREGS";
	vm_start(vm, GA(rt_done), RFLAGS_FIXED);
	return NULL;
}

/* Ends the VM, and forgets its memory if that was not given to another. */
void vm_destroy(struct vm *vm)
{
	if (vm->run)
		munmap(vm->run, vm->run_size);
	if (vm->vcpu >= 0)
		close(vm->vcpu);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm >= 0)
		close(vm->kvm);
	if (vm->mem)
		munmap(vm->mem, MEM_SIZE);
	*vm = (struct vm){ .kvm = -1, .fd = -1, .vcpu = -1 };
}
