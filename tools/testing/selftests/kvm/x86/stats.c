// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_STATS_FD: the file describes itself, what it counts is what happens,
 * and it outlives the fds that it was asked of.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include "kvm_test.h"

FIXTURE(stats) {
	struct vm vm[1];
	int of_vm;
	int of_vcpu;
};

FIXTURE_SETUP(stats)
{
	VM_SETUP(self->vm, 0);
	NEED_CAP(self->vm, KVM_CAP_BINARY_STATS_FD);
	self->of_vm = vm_ioctl(self->vm, KVM_GET_STATS_FD, NULL);
	self->of_vcpu = vcpu_ioctl(self->vm, KVM_GET_STATS_FD, NULL);
	ASSERT_LE(0, self->of_vm);
	ASSERT_LE(0, self->of_vcpu);
}

FIXTURE_TEARDOWN(stats)
{
	close(self->of_vm);
	close(self->of_vcpu);
	vm_destroy(self->vm);
}

GUEST(code_touch, "mov %rax, (%rdi)\njmp rt_done");

static int touch(struct vm *vm, uint64_t address)
{
	struct kvm_regs regs = {
		.rip = GA(code_touch), .rflags = RFLAGS_FIXED, .rsp = STACK_TOP, .rdi = address,
	};

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
	return vm_run_out(vm);
}

TEST_F(stats, ids)
{
	struct kvm_stats_header header;
	char want[64], id[64];

	ASSERT_TRUE(stat_header(self->of_vm, &header));
	ASSERT_EQ(header.name_size, pread(self->of_vm, id, header.name_size, header.id_offset));
	snprintf(want, sizeof(want), "kvm-%d", getpid());
	EXPECT_STREQ(want, id);
	ASSERT_TRUE(stat_header(self->of_vcpu, &header));
	ASSERT_EQ(header.name_size, pread(self->of_vcpu, id, header.name_size, header.id_offset));
	snprintf(want, sizeof(want), "kvm-%d/vcpu-0", getpid());
	EXPECT_STREQ(want, id);
}

/* Blocks lie one behind the other; nothing overlaps; every flag is one that the ABI has. */
static void check_file(struct __test_metadata *_metadata, int stats)
{
	struct kvm_stats_header header;
	struct stat_desc desc;
	uint64_t value, taken[4] = {};
	size_t size = 0, at;

	ASSERT_TRUE(stat_header(stats, &header));
	EXPECT_EQ(0U, header.flags);
	EXPECT_LT(0U, header.num_desc);
	EXPECT_LE(sizeof(header), header.id_offset);
	EXPECT_LE(header.id_offset + header.name_size, header.desc_offset);
	EXPECT_LE(header.desc_offset + header.num_desc * (sizeof(desc.desc) + header.name_size),
		  header.data_offset);
	for (unsigned int i = 0; i < header.num_desc; i++) {
		ASSERT_TRUE(stat_desc(stats, &header, i, &desc));
		EXPECT_LT(0UL, strlen(desc.name));
		EXPECT_GT(header.name_size, strlen(desc.name));
		EXPECT_LE(desc.desc.flags & KVM_STATS_TYPE_MASK, (uint32_t)KVM_STATS_TYPE_MAX);
		EXPECT_LE(desc.desc.flags & KVM_STATS_UNIT_MASK, (uint32_t)KVM_STATS_UNIT_MAX);
		EXPECT_LE(desc.desc.flags & KVM_STATS_BASE_MASK, (uint32_t)KVM_STATS_BASE_MAX);
		EXPECT_LT(0, desc.desc.size);
		EXPECT_EQ(0UL, desc.at % 8);
		EXPECT_EQ((ssize_t)sizeof(value), pread(stats, &value, sizeof(value), desc.at));
		/* each has places of its own, and there are no others */
		for (at = desc.desc.offset / 8; at < desc.desc.offset / 8 + desc.desc.size; at++) {
			ASSERT_GT(256UL, at);
			EXPECT_EQ(0ULL, taken[at / 64] >> at % 64 & 1);
			taken[at / 64] |= 1ULL << at % 64;
		}
		size += 8 * desc.desc.size;
	}
	for (at = 0; at < size / 8; at++)
		EXPECT_EQ(1ULL, taken[at / 64] >> at % 64 & 1);
	EXPECT_EQ(0, pread(stats, &value, sizeof(value), header.data_offset + size));
}

TEST_F(stats, described)
{
	check_file(_metadata, self->of_vm);
	check_file(_metadata, self->of_vcpu);
}

/* read() goes on where it was, pread() does not move it, and both are only for reading. */
TEST_F(stats, read_and_pread)
{
	struct kvm_stats_header header, again;
	char id[64], same[64];

	ASSERT_EQ((ssize_t)sizeof(header), read(self->of_vm, &header, sizeof(header)));
	ASSERT_TRUE(stat_header(self->of_vm, &again));
	EXPECT_EQ(0, memcmp(&header, &again, sizeof(header)));
	ASSERT_EQ(sizeof(header), header.id_offset);
	ASSERT_EQ(header.name_size, read(self->of_vm, id, header.name_size));
	ASSERT_EQ(header.name_size, pread(self->of_vm, same, header.name_size, header.id_offset));
	EXPECT_EQ(0, memcmp(id, same, header.name_size));
	ASSERT_EQ(0, vm_page(self->vm, DATA, PROT_NONE));
	EXPECT_EQ(-1, pread(self->of_vm, self->vm->mem + DATA, 8, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(self->of_vm, id, 8));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(stats, exits_are_counted)
{
	long before = stat_of(self->vm->vcpu, "exits"), after;
	int i;

	ASSERT_LE(0, before);
	for (i = 0; i < 10; i++)
		ASSERT_OUT(self->vm, PORT_DONE);
	after = stat_of(self->vm->vcpu, "exits");
	EXPECT_LE(before + 10, after);
	EXPECT_GE(before + 10000, after);
}

/* Each of 20 pages is one translation more, and is gone when its memory is. */
TEST_F(stats, pages_are_counted)
{
	long before, after;
	int i;

	ASSERT_EQ(PORT_DONE, touch(self->vm, DATA));
	before = stat_of(self->vm->fd, "pages_4k");
	ASSERT_LT(0, before);
	for (i = 1; i <= 20; i++)
		ASSERT_EQ(PORT_DONE, touch(self->vm, DATA + i * 0x1000));
	after = stat_of(self->vm->fd, "pages_4k");
	EXPECT_EQ(before + 20, after);
	ASSERT_EQ(PORT_DONE, touch(self->vm, DATA + 5 * 0x1000));
	EXPECT_EQ(after, stat_of(self->vm->fd, "pages_4k"));
	ASSERT_EQ(0, madvise(self->vm->mem + DATA + 0x1000, 20 * 0x1000, MADV_DONTNEED));
	EXPECT_EQ(before, stat_of(self->vm->fd, "pages_4k"));
	EXPECT_EQ(0, stat_of(self->vm->fd, "pages_2m"));
	EXPECT_EQ(0, stat_of(self->vm->fd, "pages_1g"));
	ASSERT_EQ(0, vm_slot(self->vm, 0, 0, 0, 0, NULL));
	EXPECT_EQ(0, stat_of(self->vm->fd, "pages_4k"));
}

static bool has_debugfs(int pid, int fd)
{
	char path[80];
	struct stat st;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d", pid, fd);
	return !stat(path, &st);
}

/* The VM is there for as long as somebody can read its statistics. */
TEST_F(stats, outlives)
{
	struct kvm_stats_header header;
	int fd = self->vm->fd;
	bool told;

	ASSERT_OUT(self->vm, PORT_DONE);
	told = has_debugfs(getpid(), fd);
	vm_destroy(self->vm);
	check_file(_metadata, self->of_vm);
	check_file(_metadata, self->of_vcpu);
	EXPECT_EQ(told, has_debugfs(getpid(), fd));
	close(self->of_vm);
	check_file(_metadata, self->of_vcpu);
	EXPECT_EQ(told, has_debugfs(getpid(), fd));
	close(self->of_vcpu);
	EXPECT_FALSE(has_debugfs(getpid(), fd));
	EXPECT_FALSE(stat_header(self->of_vcpu, &header));
}

TEST_HARNESS_MAIN
