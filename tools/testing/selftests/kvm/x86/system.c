// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/kvm itself: version, capabilities, and making VMs and vCPUs.
 */
#include <cpuid.h>
#include <sys/mman.h>
#include "kvm_test.h"

VM_FIXTURE(system)

TEST_F(system, version)
{
	EXPECT_EQ(12, KVM_API_VERSION);
	EXPECT_EQ(12, ioctl(self->vm->kvm, KVM_GET_API_VERSION, 0L));
	EXPECT_EQ(-1, ioctl(self->vm->kvm, KVM_GET_API_VERSION, 1L));
	EXPECT_EQ(EINVAL, errno);
}

/* What every test here and every VMM relies on. */
TEST_F(system, capabilities)
{
	static const int caps[] = {
		KVM_CAP_USER_MEMORY, KVM_CAP_SET_TSS_ADDR, KVM_CAP_EXT_CPUID,
		KVM_CAP_DESTROY_MEMORY_REGION_WORKS, KVM_CAP_JOIN_MEMORY_REGIONS_WORKS,
		KVM_CAP_MP_STATE, KVM_CAP_SYNC_MMU, KVM_CAP_USER_NMI, KVM_CAP_SET_GUEST_DEBUG,
		KVM_CAP_VCPU_EVENTS, KVM_CAP_DEBUGREGS, KVM_CAP_XSAVE,
		KVM_CAP_READONLY_MEM, KVM_CAP_IMMEDIATE_EXIT, KVM_CAP_CHECK_EXTENSION_VM,
		KVM_CAP_SET_IDENTITY_MAP_ADDR, KVM_CAP_GET_TSC_KHZ,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		EXPECT_LT(0, kvm_check(self->vm->kvm, caps[i])) {
			TH_LOG("capability %d", caps[i]);
		}
		EXPECT_LT(0, kvm_check(self->vm->fd, caps[i]));
	}
	EXPECT_LE(32, kvm_check(self->vm->fd, KVM_CAP_NR_MEMSLOTS));
	EXPECT_LE(1, kvm_check(self->vm->fd, KVM_CAP_NR_VCPUS));
	EXPECT_LE(kvm_check(self->vm->fd, KVM_CAP_NR_VCPUS),
		  kvm_check(self->vm->fd, KVM_CAP_MAX_VCPUS));
	EXPECT_EQ(0, kvm_check(self->vm->fd, 0x7ffffff));
}

/* XCR0 is there if the host's kernel uses it. */
TEST_F(system, capability_of_xcr0)
{
	unsigned int eax, ebx, ecx, edx;

	ASSERT_EQ(1, __get_cpuid(1, &eax, &ebx, &ecx, &edx));
	EXPECT_EQ(!!(ecx & bit_OSXSAVE), kvm_check(self->vm->fd, KVM_CAP_XCRS));
}

/* What is to be enabled before the first vCPU, or never: values, and when. */
TEST_F(system, capabilities_with_a_mask)
{
	int vm = ioctl(self->vm->kvm, KVM_CREATE_VM, 0L);
	struct kvm_enable_cap pmu = { .cap = KVM_CAP_PMU_CAPABILITY, .args = { 2 } };
	int exits = kvm_check(self->vm->fd, KVM_CAP_X86_DISABLE_EXITS);

	ASSERT_LE(0, vm);
	EXPECT_EQ(-1, ioctl(vm, KVM_ENABLE_CAP, &pmu));
	EXPECT_EQ(EINVAL, errno);
	if (kvm_check(vm, KVM_CAP_PMU_CAPABILITY) > 0) {
		pmu.args[0] = KVM_PMU_CAP_DISABLE;
		EXPECT_EQ(0, ioctl(vm, KVM_ENABLE_CAP, &pmu));
		EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, KVM_CAP_PMU_CAPABILITY,
						 KVM_PMU_CAP_DISABLE));
	}
	close(vm);
	EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, KVM_CAP_X86_DISABLE_EXITS, 1 << 4));
	EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, KVM_CAP_X86_DISABLE_EXITS, 1ULL << 32));
	EXPECT_EQ(KVM_X86_DISABLE_EXITS_PAUSE, exits & KVM_X86_DISABLE_EXITS_PAUSE);
}

/* A list, whatever is in it. */
TEST_F(system, emulated_cpuid)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[16];
	} cpuid = { .head.nent = 16 };

	NEED_CAP(self->vm, KVM_CAP_EXT_EMUL_CPUID);
	ASSERT_EQ(0, ioctl(self->vm->kvm, KVM_GET_EMULATED_CPUID, &cpuid));
	EXPECT_GE(16U, cpuid.head.nent);
	EXPECT_EQ(-1, ioctl(self->vm->kvm, KVM_GET_EMULATED_CPUID, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(system, unknown_ioctls)
{
	EXPECT_EQ(-1, ioctl(self->vm->kvm, _IO(KVMIO, 0xfe), 0L));
	EXPECT_EQ(-1, ioctl(self->vm->fd, _IO(KVMIO, 0xfe), 0L));
	EXPECT_EQ(-1, ioctl(self->vm->vcpu, _IO(KVMIO, 0xfe), 0L));
}

TEST_F(system, unknown_vm_type)
{
	EXPECT_EQ(-1, ioctl(self->vm->kvm, KVM_CREATE_VM, 0x7fffL));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(system, vcpu_ids)
{
	long most = kvm_check(self->vm->fd, KVM_CAP_MAX_VCPU_ID);
	int second;

	EXPECT_EQ(-1, ioctl(self->vm->fd, KVM_CREATE_VCPU, 0L));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(-1, ioctl(self->vm->fd, KVM_CREATE_VCPU, most ?: 1L << 20));
	EXPECT_EQ(EINVAL, errno);
	second = ioctl(self->vm->fd, KVM_CREATE_VCPU, 1L);
	EXPECT_LE(0, second);
	close(second);
}

TEST_F(system, unknown_capability_cannot_be_enabled)
{
	EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, 0x7ffffff, 0));
}

/* A VM lives as long as one of its vCPUs. */
TEST_F(system, vcpu_outlives_the_vm_fd)
{
	close(self->vm->fd);
	self->vm->fd = -1;
	ASSERT_SETTLED(self->vm);
}

TEST_F(system, another_process_is_refused)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(ioctl(self->vm->vcpu, KVM_RUN, 0L) == -1 && errno == EIO &&
		      ioctl(self->vm->fd, KVM_CREATE_VCPU, 5L) == -1 && errno == EIO ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(system, run_page)
{
	int size = ioctl(self->vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0L);

	ASSERT_LE((int)sizeof(struct kvm_run), size);
	EXPECT_EQ(0, size % 4096);
	EXPECT_EQ(0, munmap(self->vm->run, self->vm->run_size));
	self->vm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self->vm->vcpu, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->vm->run);
	ASSERT_SETTLED(self->vm);
}

TEST_HARNESS_MAIN
