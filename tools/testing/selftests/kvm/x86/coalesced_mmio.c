// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_REGISTER_COALESCED_MMIO: writes of the guest that wait in a ring until
 * userspace has a reason to look, and a ring whose indices say nonsense.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "kvm_test.h"

#define PAGE_SIZE	4096
#define ENTRIES		KVM_COALESCED_MMIO_MAX
#define ZONE		(MMIO + 0x1000)

FIXTURE(coalesced) {
	struct vm vm[1];
	struct kvm_coalesced_mmio_ring *ring;
};

FIXTURE_SETUP(coalesced)
{
	int at;

	VM_SETUP(self->vm, 0);
	at = kvm_check(self->vm->fd, KVM_CAP_COALESCED_MMIO);
	ASSERT_LT(0, at);
	ASSERT_EQ((at + 1) * (size_t)PAGE_SIZE, self->vm->run_size);
	self->ring = (void *)((uint8_t *)self->vm->run + at * PAGE_SIZE);
}

FIXTURE_TEARDOWN(coalesced)
{
	vm_destroy(self->vm);
}

static int zone_change(struct vm *vm, unsigned long request, uint64_t addr, uint32_t size,
		       uint32_t pio)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = addr, .size = size, .pio = pio };

	return vm_ioctl(vm, request, &zone);
}

static int add(struct vm *vm, uint64_t addr, uint32_t size, uint32_t pio)
{
	return zone_change(vm, KVM_REGISTER_COALESCED_MMIO, addr, size, pio);
}

static int del(struct vm *vm, uint64_t addr, uint32_t size, uint32_t pio)
{
	return zone_change(vm, KVM_UNREGISTER_COALESCED_MMIO, addr, size, pio);
}

static bool entry_is(struct kvm_coalesced_mmio_ring *ring, unsigned int index, uint64_t addr,
		     uint32_t len, uint32_t pio, uint64_t value)
{
	struct kvm_coalesced_mmio *entry = &ring->coalesced_mmio[index];

	return entry->phys_addr == addr && entry->len == len && entry->pio == pio &&
	       !memcmp(entry->data, &value, len);
}

#define EXPECT_ENTRY(ring, index, ...)					\
	EXPECT_TRUE(entry_is(ring, index, __VA_ARGS__)) {		\
		struct kvm_coalesced_mmio *e_ = &(ring)->coalesced_mmio[index];	\
									\
		TH_LOG("entry %u: %#llx, %u bytes, pio %u", (unsigned int)(index), \
		       (unsigned long long)e_->phys_addr, e_->len, e_->pio);	\
	}

#define ASSERT_MMIO(vm, address, size, write)				\
do {									\
	ASSERT_EQ(KVM_EXIT_MMIO, vm_run(vm)) {				\
		TH_LOG("%s", vm_why(vm));				\
	}								\
	EXPECT_EQ((uint64_t)(address), (vm)->run->mmio.phys_addr);	\
	EXPECT_EQ((unsigned int)(size), (vm)->run->mmio.len);		\
	EXPECT_EQ(write, (vm)->run->mmio.is_write);			\
} while (0)

GUEST(code_widths,
	"mov $" STR(ZONE) ", %edi\n"
	"mov $0x1122334455667788, %rax\n"
	"mov %al, (%rdi)\n"
	"mov %ax, 2(%rdi)\n"
	"mov %eax, 4(%rdi)\n"
	"mov %rax, 8(%rdi)\n"
	"mov (%rdi), %ebx\n"
	"jmp rt_done");

/* Writes wait, a read is an exit. */
TEST_F(coalesced, mmio)
{
	ASSERT_EQ(0, add(self->vm, ZONE, 0x100, 0));
	vm_start(self->vm, GA(code_widths), 0);
	ASSERT_MMIO(self->vm, ZONE, 4, 0);
	EXPECT_EQ(0U, self->ring->first);
	ASSERT_EQ(4U, self->ring->last);
	EXPECT_ENTRY(self->ring, 0, ZONE, 1, 0, 0x88);
	EXPECT_ENTRY(self->ring, 1, ZONE + 2, 2, 0, 0x7788);
	EXPECT_ENTRY(self->ring, 2, ZONE + 4, 4, 0, 0x55667788);
	EXPECT_ENTRY(self->ring, 3, ZONE + 8, 8, 0, 0x1122334455667788);
	ASSERT_SETTLED(self->vm);
}

GUEST(code_ports,
	"mov $0x11223344, %eax\n"
	"out %al, $" STR(PORT_DATA) "\n"
	"mov $" STR(PORT_DATA) " + 2, %edx\n"
	"out %ax, %dx\n"
	"out %eax, %dx\n"
	"jmp rt_done");

/* All of an access has to lie in the zone. */
TEST_F(coalesced, ports)
{
	if (kvm_check(self->vm->fd, KVM_CAP_COALESCED_PIO) <= 0)
		SKIP(return, "KVM_CAP_COALESCED_PIO is not offered");
	ASSERT_EQ(0, add(self->vm, PORT_DATA, 4, 1));
	vm_start(self->vm, GA(code_ports), 0);
	ASSERT_OUT(self->vm, PORT_DATA + 2);
	EXPECT_EQ(4, self->vm->run->io.size);
	ASSERT_EQ(2U, self->ring->last);
	EXPECT_ENTRY(self->ring, 0, PORT_DATA, 1, 1, 0x44);
	EXPECT_ENTRY(self->ring, 1, PORT_DATA + 2, 2, 1, 0x3344);
	ASSERT_SETTLED(self->vm);
}

GUEST(code_outsw,
	"mov $" STR(DATA) ", %esi\n"
	"mov $" STR(PORT_DATA) ", %edx\n"
	"mov $3, %ecx\n"
	"rep outsw\n"
	"jmp rt_done");

TEST_F(coalesced, string)
{
	memcpy(self->vm->mem + DATA, "abcdef", 6);
	ASSERT_EQ(0, add(self->vm, PORT_DATA, 2, 1));
	vm_start(self->vm, GA(code_outsw), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(3U, self->ring->last);
	EXPECT_ENTRY(self->ring, 0, PORT_DATA, 2, 1, 'a' | 'b' << 8);
	EXPECT_ENTRY(self->ring, 1, PORT_DATA, 2, 1, 'c' | 'd' << 8);
	EXPECT_ENTRY(self->ring, 2, PORT_DATA, 2, 1, 'e' | 'f' << 8);
}

GUEST(code_edges,
	"mov $" STR(ZONE) ", %edi\n"
	"movl $1, -4(%rdi)\n"
	"movl $2, -2(%rdi)\n"
	"movl $3, (%rdi)\n"
	"movl $4, 0xfc(%rdi)\n"
	"movl $5, 0xfe(%rdi)\n"
	"movl $6, 0x100(%rdi)\n"
	"jmp rt_done");

TEST_F(coalesced, edges)
{
	ASSERT_EQ(0, add(self->vm, ZONE, 0x100, 0));
	vm_start(self->vm, GA(code_edges), 0);
	ASSERT_MMIO(self->vm, ZONE - 4, 4, 1);
	/* it crosses a page: two exits, and the second half is the zone's */
	ASSERT_MMIO(self->vm, ZONE - 2, 2, 1);
	while (vm_run(self->vm) == KVM_EXIT_MMIO && self->vm->run->mmio.phys_addr == ZONE)
		;
	EXPECT_EQ(ZONE + 0xfeULL, self->vm->run->mmio.phys_addr);
	ASSERT_MMIO(self->vm, ZONE + 0x100, 4, 1);
	ASSERT_SETTLED(self->vm);
	ASSERT_LE(2U, self->ring->last);
	EXPECT_ENTRY(self->ring, self->ring->last - 2, ZONE, 4, 0, 3);
	EXPECT_ENTRY(self->ring, self->ring->last - 1, ZONE + 0xfc, 4, 0, 4);
}

GUEST(code_many,
	"mov $" STR(ZONE) ", %edi\n"
	"xor %eax, %eax\n"
	"1: mov %eax, (%rdi)\n"
	"inc %eax\n"
	"cmp $1000, %eax\n"
	"jne 1b\n"
	"jmp rt_done");

/* Entries between the two indices, oldest first; each must be the next number. */
static unsigned int take(struct kvm_coalesced_mmio_ring *ring, unsigned int next)
{
	while (ring->first != ring->last) {
		if (!entry_is(ring, ring->first, ZONE, 4, 0, next))
			return ~0U;
		ring->first = (ring->first + 1) % ENTRIES;
		next++;
	}
	return next;
}

/* A full ring is an exit; nothing is lost, nothing overtakes. */
TEST_F(coalesced, full)
{
	unsigned int next = 0, exits = 0;

	ASSERT_EQ(0, add(self->vm, ZONE, 4, 0));
	vm_start(self->vm, GA(code_many), 0);
	while (vm_run(self->vm) == KVM_EXIT_MMIO) {
		uint32_t value;

		memcpy(&value, self->vm->run->mmio.data, 4);
		next = take(self->ring, next);
		ASSERT_EQ(next, value);
		next++;
		exits++;
	}
	EXPECT_EQ((unsigned int)KVM_EXIT_IO, self->vm->run->exit_reason);
	EXPECT_EQ(1000U, take(self->ring, next));
	/* a place or two may be left free */
	EXPECT_LE(1000U / ENTRIES, exits);
	EXPECT_GE(1000U / (ENTRIES - 4), exits);
}

/* Runs to the read; how many of the four writes came out. */
static unsigned int run_to_the_read(struct vm *vm)
{
	unsigned int writes = 0;

	vm_start(vm, GA(code_widths), 0);
	while (vm_run(vm) == KVM_EXIT_MMIO && vm->run->mmio.is_write)
		writes++;
	return vm->run->exit_reason == KVM_EXIT_MMIO ? writes : ~0U;
}

/* What userspace writes to the indices hurts nobody else, and is not for ever. */
TEST_F(coalesced, indices_are_not_trusted)
{
	static const uint32_t nonsense[] = {
		ENTRIES, ENTRIES + 1, 0x7fffffff, 0x80000000, ~0U - 1, ~0U,
	};
	size_t i;

	ASSERT_EQ(0, add(self->vm, ZONE, 0x100, 0));
	for (i = 0; i < ARRAY_SIZE(nonsense); i++) {
		self->ring->first = 0;
		self->ring->last = nonsense[i];
		EXPECT_EQ(4U, run_to_the_read(self->vm));
		EXPECT_EQ(nonsense[i], self->ring->last);
		self->ring->first = nonsense[i];
		self->ring->last = ENTRIES - 2;
		EXPECT_GE(4U, run_to_the_read(self->vm));
		EXPECT_GT(ENTRIES, self->ring->last);
		self->ring->first = ENTRIES - 2;
		self->ring->last = ENTRIES - 2;
		EXPECT_EQ(0U, run_to_the_read(self->vm));
		EXPECT_EQ(2U, self->ring->last);
		EXPECT_ENTRY(self->ring, ENTRIES - 2, ZONE, 1, 0, 0x88);
		EXPECT_ENTRY(self->ring, ENTRIES - 1, ZONE + 2, 2, 0, 0x7788);
		EXPECT_ENTRY(self->ring, 0, ZONE + 4, 4, 0, 0x55667788);
		EXPECT_ENTRY(self->ring, 1, ZONE + 8, 8, 0, 0x1122334455667788);
		ASSERT_SETTLED(self->vm);
	}
}

GUEST(code_long_store,
	"movups " STR(DATA) ", %xmm0\n"
	"movups %xmm0, " STR(ZONE) "\n"
	"mov $3, %ecx\n"
	"mov $" STR(ZONE) " + 0x20, %edi\n"
	"mov $0x5a, %eax\n"
	"rep stosb\n"
	"jmp rt_done");

/* Fragments and elements are writes like others. */
TEST_F(coalesced, executed_in_software)
{
	memcpy(self->vm->mem + DATA, "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 16);
	ASSERT_EQ(0, add(self->vm, ZONE, 0x100, 0));
	vm_start(self->vm, GA(code_long_store), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(5U, self->ring->last);
	EXPECT_ENTRY(self->ring, 0, ZONE, 8, 0, 1);
	EXPECT_ENTRY(self->ring, 1, ZONE + 8, 8, 0, 2);
	EXPECT_ENTRY(self->ring, 2, ZONE + 0x20, 1, 0, 0x5a);
	EXPECT_ENTRY(self->ring, 4, ZONE + 0x22, 1, 0, 0x5a);
}

/* A zone is taken away by any part of it; of what is not there, nothing is said. */
TEST_F(coalesced, taken_away)
{
	ASSERT_EQ(0, add(self->vm, ZONE, 0x100, 0));
	EXPECT_EQ(0, del(self->vm, ZONE, 0x100, 1));
	EXPECT_EQ(0, del(self->vm, ZONE, 0x101, 0));
	EXPECT_EQ(0, del(self->vm, ZONE + 0x100, 4, 0));
	vm_start(self->vm, GA(code_widths), 0);
	ASSERT_MMIO(self->vm, ZONE, 4, 0);
	EXPECT_EQ(4U, self->ring->last);
	EXPECT_EQ(0, del(self->vm, ZONE + 0x10, 4, 0));
	vm_start(self->vm, GA(code_widths), 0);
	ASSERT_MMIO(self->vm, ZONE, 1, 1);
	EXPECT_EQ(4U, self->ring->last);
}

TEST_F(coalesced, refused)
{
	EXPECT_EQ(-EINVAL, add(self->vm, ZONE, 0x100, 2));
	EXPECT_EQ(-EINVAL, add(self->vm, ZONE, 0x100, ~0U));
	EXPECT_EQ(-EINVAL, del(self->vm, ZONE, 0x100, 2));
	vm_start(self->vm, GA(code_widths), 0);
	ASSERT_MMIO(self->vm, ZONE, 1, 1);
}

GUEST(code_mixed,
	"mov $" STR(ZONE) ", %edi\n"
	"movl $1, (%rdi)\n"
	"movl $2, 0x10(%rdi)\n"
	"movl $3, 0x14(%rdi)\n"
	"movl $4, 0x20(%rdi)\n"
	"movl $5, 0x20(%rdi)\n"
	"movl $6, 0x24(%rdi)\n"
	"jmp rt_done");

/* An eventfd in a zone has its writes, the zone has the others, beside it. */
TEST_F(coalesced, eventfd_in_a_zone)
{
	struct kvm_ioeventfd first = {
		.fd = eventfd(0, EFD_NONBLOCK), .addr = ZONE, .len = 4,
	}, second = {
		.fd = first.fd, .addr = ZONE + 0x20, .len = 4, .datamatch = 5,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};
	uint64_t count = 0;

	ASSERT_EQ(0, vm_ioctl(self->vm, KVM_IOEVENTFD, &first));
	ASSERT_EQ(0, add(self->vm, ZONE, 0x100, 0));
	ASSERT_EQ(0, vm_ioctl(self->vm, KVM_IOEVENTFD, &second));
	vm_start(self->vm, GA(code_mixed), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ((ssize_t)sizeof(count), read(first.fd, &count, sizeof(count)));
	EXPECT_EQ(2ULL, count);
	ASSERT_EQ(4U, self->ring->last);
	EXPECT_ENTRY(self->ring, 0, ZONE + 0x10, 4, 0, 2);
	EXPECT_ENTRY(self->ring, 1, ZONE + 0x14, 4, 0, 3);
	EXPECT_ENTRY(self->ring, 2, ZONE + 0x20, 4, 0, 4);
	EXPECT_ENTRY(self->ring, 3, ZONE + 0x24, 4, 0, 6);
	close(first.fd);
}

/* A zone goes on behind a smaller one that lies in it, and when that has gone. */
TEST_F(coalesced, zone_in_a_zone)
{
	ASSERT_EQ(0, add(self->vm, ZONE + 0x10, 4, 0));
	ASSERT_EQ(0, add(self->vm, ZONE, 0x100, 0));
	vm_start(self->vm, GA(code_mixed), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(6U, self->ring->last);
	ASSERT_EQ(0, add(self->vm, ZONE, 0x200, 0));
	ASSERT_EQ(0, del(self->vm, ZONE, 0x200, 0));
	vm_start(self->vm, GA(code_mixed), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(12U, self->ring->last);
}

/* One ring, seen through each vCPU, for as long as it is mapped. */
TEST_F(coalesced, one_for_all_vcpus)
{
	int vcpu = ioctl(self->vm->fd, KVM_CREATE_VCPU, 1L);
	struct kvm_coalesced_mmio_ring *ring;

	ASSERT_LE(0, vcpu);
	ring = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu,
		    (uint8_t *)self->ring - (uint8_t *)self->vm->run);
	ASSERT_NE(MAP_FAILED, (void *)ring);
	ASSERT_EQ(0, add(self->vm, ZONE, 0x100, 0));
	vm_start(self->vm, GA(code_widths), 0);
	ASSERT_MMIO(self->vm, ZONE, 4, 0);
	close(vcpu);
	ASSERT_EQ(4U, ring->last);
	EXPECT_ENTRY(ring, 3, ZONE + 8, 8, 0, 0x1122334455667788);
	ring->first = 4;
	EXPECT_EQ(4U, self->ring->first);
	vm_destroy(self->vm);
	EXPECT_EQ(4U, ring->last);
	EXPECT_EQ(0, munmap(ring, PAGE_SIZE));
	ASSERT_EQ(NULL, (void *)vm_create(self->vm, 0));
}

TEST_HARNESS_MAIN
