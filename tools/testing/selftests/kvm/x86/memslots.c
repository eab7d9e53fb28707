// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots: making, moving, deleting, read-only ones, and those that are
 * refused; and the same while the guest runs.
 */
#include <pthread.h>
#include <sys/mman.h>
#include "kvm_test.h"

#define FAR		0x20000000ULL
#define FAR_SIZE	0x400000ULL

FIXTURE(slots) {
	struct vm vm[1];
	uint8_t *far;
};

FIXTURE_SETUP(slots)
{
	VM_SETUP(self->vm, 0);
	self->far = mmap(NULL, FAR_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->far);
	memset(self->far, 0x11, FAR_SIZE);
}

FIXTURE_TEARDOWN(slots)
{
	vm_destroy(self->vm);
	munmap(self->far, FAR_SIZE);
}

/* RDI is where; RBX comes back with what was there. */
GUEST(code_read, "mov (%rdi), %rbx\njmp rt_done");
GUEST(code_write, "mov %rax, (%rdi)\ncode_write_after: jmp rt_done");
GUEST(code_add, "add %rax, (%rdi)\njmp rt_done");
LABEL(code_write_after);

static int start(struct vm *vm, uint64_t code, uint64_t address, uint64_t value)
{
	struct kvm_regs regs = {
		.rip = code, .rflags = RFLAGS_FIXED, .rsp = STACK_TOP, .rdi = address,
		.rax = value,
	};

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
	return vm_run(vm);
}

/* True, and *value, when the guest reads without an exit. */
static bool guest_reads(struct vm *vm, uint64_t address, uint64_t *value)
{
	struct kvm_regs regs;

	if (start(vm, GA(code_read), address, 0) != KVM_EXIT_IO)
		return false;
	vcpu_ioctl(vm, KVM_GET_REGS, &regs);
	*value = regs.rbx;
	return true;
}

static bool guest_writes(struct vm *vm, uint64_t address, uint64_t value)
{
	return start(vm, GA(code_write), address, value) == KVM_EXIT_IO;
}

static bool is_mmio(struct vm *vm, uint64_t address, bool write)
{
	return start(vm, write ? GA(code_write) : GA(code_read), address, 0x77) == KVM_EXIT_MMIO &&
	       vm->run->mmio.phys_addr == address && vm->run->mmio.is_write == write;
}

TEST_F(slots, made_and_deleted)
{
	uint64_t value;

	EXPECT_TRUE(is_mmio(self->vm, FAR + 8, false));
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, FAR, FAR_SIZE, self->far));
	ASSERT_TRUE(guest_reads(self->vm, FAR + 8, &value));
	EXPECT_EQ(0x1111111111111111ULL, value);
	ASSERT_TRUE(guest_writes(self->vm, FAR + FAR_SIZE - 8, 0x1234));
	EXPECT_EQ(0x1234ULL, *(uint64_t *)(self->far + FAR_SIZE - 8));
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, FAR, 0, self->far));
	EXPECT_TRUE(is_mmio(self->vm, FAR + 8, false));
	EXPECT_TRUE(is_mmio(self->vm, FAR + 8, true));
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, FAR, FAR_SIZE, self->far));
	ASSERT_TRUE(guest_reads(self->vm, FAR + FAR_SIZE - 8, &value));
	EXPECT_EQ(0x1234ULL, value);
}

TEST_F(slots, moved)
{
	uint64_t value;

	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, FAR, FAR_SIZE, self->far));
	ASSERT_TRUE(guest_writes(self->vm, FAR + 0x1000, 0x1234));
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, FAR + FAR_SIZE, FAR_SIZE, self->far));
	EXPECT_TRUE(is_mmio(self->vm, FAR + 0x1000, false));
	ASSERT_TRUE(guest_reads(self->vm, FAR + FAR_SIZE + 0x1000, &value));
	EXPECT_EQ(0x1234ULL, value);
}

/* Two slots on the same host memory show each other's writes. */
TEST_F(slots, aliased)
{
	uint64_t value;

	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, FAR, 0x1000, self->far));
	ASSERT_EQ(0, vm_slot(self->vm, 2, 0, FAR + 0x1000, 0x1000, self->far));
	ASSERT_TRUE(guest_writes(self->vm, FAR, 0x1234));
	ASSERT_TRUE(guest_reads(self->vm, FAR + 0x1000, &value));
	EXPECT_EQ(0x1234ULL, value);
	ASSERT_TRUE(is_mmio(self->vm, FAR + 0x2000, false));
}

TEST_F(slots, read_only)
{
	uint64_t value;

	NEED_CAP(self->vm, KVM_CAP_READONLY_MEM);
	ASSERT_EQ(0, vm_slot(self->vm, 1, KVM_MEM_READONLY, FAR, FAR_SIZE, self->far));
	ASSERT_TRUE(guest_reads(self->vm, FAR + 8, &value));
	EXPECT_EQ(0x1111111111111111ULL, value);
	EXPECT_TRUE(is_mmio(self->vm, FAR + 8, true));
	EXPECT_EQ(8U, self->vm->run->mmio.len);
	EXPECT_EQ(0x77, self->vm->run->mmio.data[0]);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0x11, self->far[8]);
	ASSERT_TRUE(guest_reads(self->vm, FAR + 8, &value));
	EXPECT_EQ(0x1111111111111111ULL, value);
}

/* Read-modify-write: the read is real, the write comes out. */
TEST_F(slots, read_only_add)
{
	NEED_CAP(self->vm, KVM_CAP_READONLY_MEM);
	ASSERT_EQ(0, vm_slot(self->vm, 1, KVM_MEM_READONLY, FAR, FAR_SIZE, self->far));
	ASSERT_EQ(KVM_EXIT_MMIO, start(self->vm, GA(code_add), FAR + 16, 1));
	EXPECT_EQ(1, self->vm->run->mmio.is_write);
	EXPECT_EQ(FAR + 16, self->vm->run->mmio.phys_addr);
	EXPECT_EQ(0x12, self->vm->run->mmio.data[0]);
	EXPECT_EQ(0x11, self->vm->run->mmio.data[1]);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0x11, self->far[16]);
}

/* Also when the host's mapping is read-only, as a ROM file's would be. */
TEST_F(slots, read_only_mapping)
{
	uint64_t value;

	NEED_CAP(self->vm, KVM_CAP_READONLY_MEM);
	ASSERT_EQ(0, mprotect(self->far, FAR_SIZE, PROT_READ));
	ASSERT_EQ(0, vm_slot(self->vm, 1, KVM_MEM_READONLY, FAR, FAR_SIZE, self->far));
	ASSERT_TRUE(guest_reads(self->vm, FAR, &value));
	EXPECT_EQ(0x1111111111111111ULL, value);
	EXPECT_TRUE(is_mmio(self->vm, FAR, true));
}

TEST_F(slots, guest_runs_from_read_only)
{
	struct kvm_regs regs = { .rip = FAR, .rflags = RFLAGS_FIXED };
	static const uint8_t code[] = { 0xe6, PORT_DATA, 0xeb, 0xfc };

	NEED_CAP(self->vm, KVM_CAP_READONLY_MEM);
	memcpy(self->far, code, sizeof(code));
	ASSERT_EQ(0, vm_slot(self->vm, 1, KVM_MEM_READONLY, FAR, FAR_SIZE, self->far));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
	ASSERT_OUT(self->vm, PORT_DATA);
	ASSERT_OUT(self->vm, PORT_DATA);
}

TEST_F(slots, flags_changed)
{
	NEED_CAP(self->vm, KVM_CAP_READONLY_MEM);
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, FAR, FAR_SIZE, self->far));
	ASSERT_TRUE(guest_writes(self->vm, FAR, 1));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, KVM_MEM_READONLY, FAR, FAR_SIZE, self->far));
	ASSERT_TRUE(guest_writes(self->vm, FAR, 2));
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, FAR, 0, self->far));
	ASSERT_EQ(0, vm_slot(self->vm, 1, KVM_MEM_READONLY, FAR, FAR_SIZE, self->far));
	EXPECT_TRUE(is_mmio(self->vm, FAR, true));
}

TEST_F(slots, refused)
{
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, FAR, FAR_SIZE, self->far));
	EXPECT_EQ(-EEXIST, vm_slot(self->vm, 2, 0, FAR + 0x1000, 0x1000, self->far));
	EXPECT_EQ(-EEXIST, vm_slot(self->vm, 2, 0, FAR - 0x1000, FAR_SIZE, self->far));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 2, 0, 0x40000000 + 1, 0x1000, self->far));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 2, 0, 0x40000000, 0x1001, self->far));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 2, 0, 0x40000000, 0x1000, self->far + 1));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 2, 0, ~0xfffULL, 0x2000, self->far));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 2, 1U << 20, 0x40000000, 0x1000, self->far));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 0x7fff, 0, 0x40000000, 0x1000,
				   (void *)0xffff800000000000));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, kvm_check(self->vm->fd, KVM_CAP_NR_MEMSLOTS), 0,
				   0x40000000, 0x1000, self->far));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 2, 0, 0x40000000, 0, self->far));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, 0, FAR, FAR_SIZE / 2, self->far));
	EXPECT_EQ(-EINVAL, vm_slot(self->vm, 1, 0, FAR, FAR_SIZE, self->far + 0x1000));
	EXPECT_EQ(-EFAULT, vm_ioctl(self->vm, KVM_SET_USER_MEMORY_REGION, NULL));
	ASSERT_TRUE(guest_writes(self->vm, FAR, 0x55));
	EXPECT_EQ(0x55, self->far[0]);
}

TEST_F(slots, many)
{
	unsigned int i, n = 64;
	uint64_t value;

	for (i = 0; i < n; i++) {
		*(uint64_t *)(self->far + i * 0x1000) = i;
		ASSERT_EQ(0, vm_slot(self->vm, 1 + i, 0, FAR + i * 0x3000, 0x1000,
				     self->far + i * 0x1000));
	}
	for (i = 0; i < n; i++) {
		ASSERT_TRUE(guest_reads(self->vm, FAR + i * 0x3000, &value));
		EXPECT_EQ(i, value);
		ASSERT_TRUE(is_mmio(self->vm, FAR + i * 0x3000 + 0x1000, false));
	}
	for (i = 0; i < n; i += 2)
		ASSERT_EQ(0, vm_slot(self->vm, 1 + i, 0, 0, 0, NULL));
	for (i = 0; i < n; i++)
		EXPECT_EQ(i % 2 == 1, guest_reads(self->vm, FAR + i * 0x3000, &value));
}

/* In a slot that the host backs with large pages, both sides see what either writes. */
static bool both_sides_agree(struct vm *vm, uint64_t gpa, uint8_t *start, size_t size,
			     size_t stride)
{
	uint64_t value;
	size_t i;

	if (vm_slot(vm, 1, 0, gpa, size, start))
		return false;
	for (i = 0; i < size; i += stride) {
		*(uint64_t *)(start + i) = i * 3;
		if (!guest_reads(vm, gpa + i, &value) || value != i * 3)
			return false;
		if (!guest_writes(vm, gpa + i, i) || *(uint64_t *)(start + i) != i)
			return false;
	}
	return true;
}

/* 2 MiB pages of the host, when it has any: the same bytes as in small ones. */
TEST_F(slots, huge_pages)
{
	size_t size = 0x800000;
	uint8_t *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0), *start;

	ASSERT_NE(MAP_FAILED, (void *)area);
	start = (uint8_t *)(((uintptr_t)area + 0x1fffff) & ~0x1fffffUL);
	madvise(start, 0x400000, MADV_HUGEPAGE);
	memset(start, 0x5a, 0x400000);
	EXPECT_TRUE(both_sides_agree(self->vm, FAR, start, 0x400000, 0x1f008));
	munmap(area, size);
}

/* How many second-level faults the VM has had, from debugfs; -1 where that is not told. */
static long faults(struct vm *vm)
{
	static const char *const names[] = { "memory_faults", "pf_fixed" };
	char path[80];
	long count = -1;
	FILE *file;

	for (size_t i = 0; i < 2 && count < 0; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/%s", getpid(), vm->fd,
			 names[i]);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fscanf(file, "%ld", &count) != 1)
			count = -1;
		fclose(file);
	}
	return count;
}

/* One page of 1 GiB, behind the memory there is, if the host has as much in one piece. */
TEST_F(slots, gigantic_page)
{
	const size_t size = 1UL << 30;
	FILE *pool = fopen("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "w");
	uint8_t *area;
	long before;

	if (pool) {
		fputs("1", pool);
		fclose(pool);
	}
	area = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 30 << MAP_HUGE_SHIFT, -1, 0);
	if (area == MAP_FAILED)
		SKIP(return, "the host has no page of 1 GiB");
	/* as large in the guest's tables: present, writable, user, a page */
	((uint64_t *)(self->vm->mem + PDPT))[1] = size | 0x87;
	before = faults(self->vm);
	EXPECT_TRUE(both_sides_agree(self->vm, size, area, size, 0xfff008));
	/* it is touched in 65 places: pages of 2 MiB would be as many faults, and one is enough */
	if (before >= 0)
		EXPECT_GT(before + 20, faults(self->vm));
	munmap(area, size);
}

/* There are as many address spaces as the capability says, and one where it says nothing. */
TEST_F(slots, address_spaces)
{
	unsigned int spaces = kvm_check(self->vm->fd, KVM_CAP_MULTI_ADDRESS_SPACE) ?: 1;

	EXPECT_EQ(-EINVAL, vm_slot(self->vm, spaces << 16 | 1, 0, FAR, FAR_SIZE, self->far));
	EXPECT_EQ(0, vm_slot(self->vm, (spaces - 1) << 16 | 1, 0, FAR, FAR_SIZE, self->far));
}

/*
 * While it runs: the guest reads what is at FAR and writes a count behind it, again and again.
 * Memory that is to be found there holds GOOD; that which has been taken away, STALE.
 */
#define GOOD	0x600d
#define STALE	0x57a1e
#define NOBODY	0x0b0d1
#define READS	(DATA + 0x10)	/* how often the guest read GOOD */
#define NOTHING	(DATA + 0x18)	/* how often it read where nothing is */
#define WRONG	(DATA + 0x20)	/* how often neither */

GUEST(code_watch,
	"code_watch_again:\n"
	"mov (%rdi), %rbx\n"
	"incq 8(%rdi)\n"
	"cmp $" STR(GOOD) ", %rbx\n"
	"je code_watch_good\n"
	"cmp $" STR(NOBODY) ", %rbx\n"
	"je code_watch_nothing\n"
	"incq " STR(WRONG) "\n"
	"jmp code_watch_next\n"
	"code_watch_good:\n"
	"incq " STR(READS) "\n"
	"jmp code_watch_next\n"
	"code_watch_nothing:\n"
	"incq " STR(NOTHING) "\n"
	"code_watch_next:\n"
	"cmpb $0, " STR(DATA) "\n"
	"je code_watch_again\n"
	"jmp rt_done");

static volatile uint64_t *word(struct vm *vm, uint64_t address)
{
	return (volatile uint64_t *)(vm->mem + address);
}

/* Runs the guest, and answers its reads of where nothing is; the last exit, or below 0. */
static void *watch_thread(void *arg)
{
	struct vm *vm = arg;
	uint64_t nobody = NOBODY;
	long result;

	for (;;) {
		result = vcpu_ioctl(vm, KVM_RUN, NULL);
		if (result == -EINTR)
			continue;
		if (result < 0 || vm->run->exit_reason != KVM_EXIT_MMIO)
			return (void *)(result < 0 ? result : (long)vm->run->exit_reason);
		if (!vm->run->mmio.is_write)
			memcpy(vm->run->mmio.data, &nobody, sizeof(nobody));
	}
}

/* Until a counter of the guest's has grown. */
static bool grows(volatile uint64_t *counter)
{
	uint64_t before = *counter;

	for (unsigned int i = 0; i < 20000; i++) {
		if (*counter > before + 2)
			return true;
		usleep(100);
	}
	return false;
}

/* This memory has just been taken away from FAR: the guest neither sees nor changes it. */
static bool taken_away(struct vm *vm, uint8_t *memory)
{
	volatile uint64_t *at = (volatile uint64_t *)memory;
	uint64_t count;

	at[0] = STALE;
	count = at[1];
	return grows(word(vm, NOTHING)) && at[1] == count && !*word(vm, WRONG);
}

/* FAR has memory: the guest reads that, and writes to it. */
static bool is_there(struct vm *vm, uint8_t *memory)
{
	return grows(word(vm, READS)) && grows((volatile uint64_t *)memory + 1) &&
	       !*word(vm, WRONG);
}

static bool deleted_and_made(struct vm *vm, uint8_t *far, unsigned int turn)
{
	uint8_t *memory = far + turn % 2 * (FAR_SIZE / 2);

	*(uint64_t *)memory = GOOD;
	return !vm_slot(vm, 1, 0, FAR, FAR_SIZE / 2, memory) && is_there(vm, memory) &&
	       !vm_slot(vm, 1, 0, FAR, 0, memory) && taken_away(vm, memory);
}

static bool moved_and_back(struct vm *vm, uint8_t *far, unsigned int turn)
{
	if (!turn)
		*(uint64_t *)far = GOOD;
	if (vm_slot(vm, 1, 0, FAR, FAR_SIZE, far) || !is_there(vm, far))
		return false;
	if (vm_slot(vm, 1, 0, FAR + FAR_SIZE, FAR_SIZE, far) || !taken_away(vm, far))
		return false;
	*(uint64_t *)far = GOOD;
	return true;
}

/* One slot goes, and another with other memory comes at once: for a moment there is nothing. */
static bool replaced(struct vm *vm, uint8_t *far, unsigned int turn)
{
	uint8_t *memory = far + turn % 2 * (FAR_SIZE / 2);
	uint8_t *other = far + (turn + 1) % 2 * (FAR_SIZE / 2);

	*(uint64_t *)memory = GOOD;
	if (turn && vm_slot(vm, 1, 0, FAR, 0, other))
		return false;
	*(uint64_t *)other = STALE;
	return !vm_slot(vm, 1, 0, FAR, FAR_SIZE / 2, memory) && is_there(vm, memory);
}

static long while_watched(struct vm *vm, uint8_t *far, unsigned int turns,
			  bool (*step)(struct vm *vm, uint8_t *far, unsigned int turn))
{
	struct kvm_regs regs = {
		.rip = GA(code_watch), .rflags = RFLAGS_FIXED | RFLAGS_IF, .rsp = STACK_TOP,
		.rdi = FAR,
	};
	pthread_t thread;
	bool good = true;
	void *result;

	vm_complete(vm);
	if (vcpu_ioctl(vm, KVM_SET_REGS, &regs) || pthread_create(&thread, NULL, watch_thread, vm))
		return -1;
	for (unsigned int i = 0; i < turns && good; i++)
		good = step(vm, far, i);
	vm->mem[DATA] = 1;
	pthread_join(thread, &result);
	return good ? (long)result : -1000 - (long)*word(vm, WRONG);
}

TEST_F(slots, deleted_while_running)
{
	EXPECT_EQ(KVM_EXIT_IO, while_watched(self->vm, self->far, 40, deleted_and_made));
	EXPECT_EQ(0ULL, *word(self->vm, WRONG));
}

TEST_F(slots, moved_while_running)
{
	EXPECT_EQ(KVM_EXIT_IO, while_watched(self->vm, self->far, 40, moved_and_back));
	EXPECT_EQ(0ULL, *word(self->vm, WRONG));
}

TEST_F(slots, replaced_while_running)
{
	EXPECT_EQ(KVM_EXIT_IO, while_watched(self->vm, self->far, 40, replaced));
	EXPECT_EQ(0ULL, *word(self->vm, WRONG));
}

TEST_HARNESS_MAIN
