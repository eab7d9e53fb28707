// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log of written pages: taken as a whole, looked at and cleared by parts,
 * begun full, refused, with huge pages; and that it misses no write of a guest
 * that runs meanwhile.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "kvm_test.h"

#define FAR		0x20000000ULL
#define PAGE		0x1000ULL
#define HUGE		0x200000UL
/* not a multiple of 64: the last word of the log is not whole */
#define PAGES		1027UL
#define WORDS		((PAGES + 63) / 64)
#define MANUAL		KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define FULL		KVM_DIRTY_LOG_INITIALLY_SET

FIXTURE(dirty) {
	struct vm vm[1];
	uint8_t *area;
	size_t size;
	uint8_t *far;		/* in area, where a huge page would begin */
	uint64_t log[WORDS];
};

FIXTURE_SETUP(dirty)
{
	VM_SETUP(self->vm, 0);
	self->size = PAGES * PAGE + 2 * HUGE;
	self->area = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->area);
	self->far = (uint8_t *)(((uintptr_t)self->area + HUGE - 1) & -HUGE);
	madvise(self->area, self->size, MADV_NOHUGEPAGE);
}

FIXTURE_TEARDOWN(dirty)
{
	vm_destroy(self->vm);
	munmap(self->area, self->size);
}

GUEST(code_read, "mov (%rdi), %rbx\njmp rt_done");
GUEST(code_write, "mov %rax, (%rdi)\njmp rt_done");
GUEST(code_insb, "mov $" STR(PORT_DATA) ", %edx\nmov $1, %ecx\nrep insb\njmp rt_done");

static int start(struct vm *vm, uint64_t code, uint64_t address)
{
	struct kvm_regs regs = {
		.rip = code, .rflags = RFLAGS_FIXED, .rsp = STACK_TOP, .rdi = address,
		.rax = address,
	};

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
	return vm_run_out(vm);
}

/* The guest writes to a page of the slot. */
static bool writes(struct vm *vm, uint64_t page)
{
	return start(vm, GA(code_write), FAR + page * PAGE) == PORT_DONE;
}

static bool reads(struct vm *vm, uint64_t page)
{
	return start(vm, GA(code_read), FAR + page * PAGE) == PORT_DONE;
}

static int get_log(struct vm *vm, uint32_t slot, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot };

	log.dirty_bitmap = bitmap;
	return vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
}

static int clear_log(struct vm *vm, uint32_t slot, uint64_t first, uint32_t pages, void *bitmap)
{
	struct kvm_clear_dirty_log log = { .slot = slot, .first_page = first, .num_pages = pages };

	log.dirty_bitmap = bitmap;
	return vm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, &log);
}

static unsigned int count(const uint64_t *log)
{
	unsigned int bits = 0;

	for (unsigned int i = 0; i < WORDS; i++)
		bits += __builtin_popcountll(log[i]);
	return bits;
}

static bool bit(const uint64_t *log, unsigned int page)
{
	return log[page / 64] >> page % 64 & 1;
}

/* The log has these two pages, or one if they are the same, and no other. */
static bool only(const uint64_t *log, unsigned int a, unsigned int b)
{
	return bit(log, a) && bit(log, b) && count(log) == 1U + (a != b);
}

#define ASSERT_LOG(bits)						\
do {									\
	memset(self->log, 0xee, sizeof(self->log));			\
	ASSERT_EQ(0, get_log(self->vm, 1, self->log));			\
	ASSERT_EQ((unsigned int)(bits), count(self->log));		\
} while (0)

static int logged_slot(struct vm *vm, uint8_t *far, unsigned int flags)
{
	return vm_slot(vm, 1, flags, FAR, PAGES * PAGE, far);
}

#define LOGGED_SLOT()	ASSERT_EQ(0, logged_slot(self->vm, self->far, KVM_MEM_LOG_DIRTY_PAGES))
#define NEED_MANUAL(how)						\
do {									\
	NEED_CAP(self->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);		\
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, how));	\
} while (0)

TEST_F(dirty, taken)
{
	LOGGED_SLOT();
	ASSERT_LOG(0);
	ASSERT_TRUE(writes(self->vm, 3) && writes(self->vm, PAGES - 1) && reads(self->vm, 9));
	ASSERT_LOG(2);
	EXPECT_TRUE(only(self->log, 3, PAGES - 1));
	ASSERT_LOG(0);
	ASSERT_TRUE(reads(self->vm, 3));
	ASSERT_LOG(0);
	ASSERT_TRUE(writes(self->vm, 3) && writes(self->vm, 3));
	ASSERT_LOG(1);
	EXPECT_TRUE(only(self->log, 3, 3));
}

/* More than hardware has room for, where it keeps a log of its own. */
GUEST(code_write_all,
	"1: mov %rcx, (%rdi)\n"
	"add $4096, %rdi\n"
	"loop 1b\n"
	"jmp rt_done");

TEST_F(dirty, many_at_once)
{
	struct kvm_regs regs = {
		.rip = GA(code_write_all), .rflags = RFLAGS_FIXED, .rsp = STACK_TOP,
	};

	LOGGED_SLOT();
	for (unsigned int i = 0; i < 3; i++) {
		regs.rdi = FAR;
		regs.rcx = PAGES;
		vm_complete(self->vm);
		vcpu_ioctl(self->vm, KVM_SET_REGS, &regs);
		ASSERT_OUT(self->vm, PORT_DONE);
		ASSERT_LOG(PAGES);
		ASSERT_LOG(0);
	}
}

/* Input that the kernel stores is a write like the guest's own. */
TEST_F(dirty, kernel_writes)
{
	LOGGED_SLOT();
	ASSERT_EQ(PORT_DATA, ({
		struct kvm_regs regs = {
			.rip = GA(code_insb), .rflags = RFLAGS_FIXED, .rsp = STACK_TOP,
			.rdi = FAR + 7 * PAGE,
		};

		vm_complete(self->vm);
		vcpu_ioctl(self->vm, KVM_SET_REGS, &regs);
		vm_run(self->vm) == KVM_EXIT_IO ? self->vm->run->io.port : -1;
	}));
	*((uint8_t *)self->vm->run + self->vm->run->io.data_offset) = 0x5a;
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0x5a, self->far[7 * PAGE]);
	ASSERT_LOG(1);
	EXPECT_TRUE(only(self->log, 7, 7));
}

TEST_F(dirty, looked_at_and_cleared)
{
	uint64_t bits[WORDS] = {};

	NEED_MANUAL(MANUAL);
	LOGGED_SLOT();
	ASSERT_TRUE(writes(self->vm, 3) && writes(self->vm, 70));
	ASSERT_LOG(2);
	ASSERT_LOG(2);
	EXPECT_TRUE(only(self->log, 3, 70));
	/* one that is set, one that is not; the others are not named */
	bits[0] = 1 << 3 | 1 << 5;
	ASSERT_EQ(0, clear_log(self->vm, 1, 0, 64, bits));
	ASSERT_LOG(1);
	EXPECT_TRUE(only(self->log, 70, 70));
	ASSERT_TRUE(writes(self->vm, 3) && writes(self->vm, 70));
	ASSERT_LOG(2);
	/* the bits are counted from first_page on */
	bits[0] = 1 << (70 - 64);
	ASSERT_EQ(0, clear_log(self->vm, 1, 64, 128, bits));
	ASSERT_LOG(1);
	EXPECT_TRUE(only(self->log, 3, 3));
	ASSERT_TRUE(reads(self->vm, 70));
	ASSERT_LOG(1);
	ASSERT_TRUE(writes(self->vm, 70));
	ASSERT_LOG(2);
}

/* Also where GET clears: what is cleared between two of them is not in the second. */
TEST_F(dirty, cleared_without_the_capability)
{
	uint64_t bits[WORDS];

	NEED_CAP(self->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
	LOGGED_SLOT();
	memset(bits, 0xff, sizeof(bits));
	ASSERT_TRUE(writes(self->vm, 3) && writes(self->vm, 70));
	ASSERT_EQ(0, clear_log(self->vm, 1, 0, 64, bits));
	ASSERT_LOG(1);
	EXPECT_TRUE(only(self->log, 70, 70));
	ASSERT_LOG(0);
}

TEST_F(dirty, begins_full)
{
	uint64_t bits[WORDS];

	NEED_MANUAL(MANUAL | FULL);
	ASSERT_EQ(0, logged_slot(self->vm, self->far, 0));
	ASSERT_TRUE(writes(self->vm, 3));
	LOGGED_SLOT();
	ASSERT_LOG(PAGES);
	memset(bits, 0xff, sizeof(bits));
	ASSERT_EQ(0, clear_log(self->vm, 1, 0, PAGES, bits));
	ASSERT_LOG(0);
	ASSERT_TRUE(writes(self->vm, 3) && writes(self->vm, PAGES - 1));
	ASSERT_LOG(2);
	EXPECT_TRUE(only(self->log, 3, PAGES - 1));
	/* the log of a slot that is logged already goes on */
	ASSERT_EQ(0, vm_slot(self->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, FAR + 2 * HUGE, PAGES * PAGE,
			     self->far));
	ASSERT_LOG(2);
}

TEST_F(dirty, switched_on_and_off)
{
	ASSERT_EQ(0, logged_slot(self->vm, self->far, 0));
	EXPECT_EQ(-ENOENT, get_log(self->vm, 1, self->log));
	ASSERT_TRUE(writes(self->vm, 3) && writes(self->vm, 4));
	LOGGED_SLOT();
	ASSERT_LOG(0);
	ASSERT_TRUE(writes(self->vm, 3));
	ASSERT_LOG(1);
	EXPECT_TRUE(only(self->log, 3, 3));
	ASSERT_TRUE(writes(self->vm, 5));
	ASSERT_EQ(0, logged_slot(self->vm, self->far, 0));
	EXPECT_EQ(-ENOENT, get_log(self->vm, 1, self->log));
	ASSERT_TRUE(writes(self->vm, 6));
	LOGGED_SLOT();
	ASSERT_LOG(0);
	ASSERT_TRUE(writes(self->vm, 4));
	ASSERT_LOG(1);
	EXPECT_TRUE(only(self->log, 4, 4));
}

TEST_F(dirty, capability)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .flags = 1, .args = { MANUAL },
	};

	NEED_CAP(self->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
	EXPECT_EQ(MANUAL | FULL, kvm_check(self->vm->fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2));
	EXPECT_EQ(-EINVAL, vm_ioctl(self->vm, KVM_ENABLE_CAP, &cap));
	EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, cap.cap, FULL));
	EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, cap.cap, MANUAL | 4));
	EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, cap.cap, 1ULL << 63));
	/* none of them has changed what GET does */
	LOGGED_SLOT();
	ASSERT_TRUE(writes(self->vm, 3));
	ASSERT_LOG(1);
	ASSERT_LOG(0);
	EXPECT_EQ(0, vm_enable_cap(self->vm, cap.cap, MANUAL));
	ASSERT_TRUE(writes(self->vm, 3));
	ASSERT_LOG(1);
	ASSERT_LOG(1);
	EXPECT_EQ(0, vm_enable_cap(self->vm, cap.cap, 0));
	ASSERT_LOG(1);
	ASSERT_LOG(0);
}

TEST_F(dirty, refused)
{
	uint64_t *bits = self->log, last = PAGES & ~63ULL;
	static const struct {
		uint32_t slot;
		uint64_t first;
		uint32_t pages;
		int want;
	} wrong[] = {
		{ 1, 1, 64, -EINVAL }, { 1, 63, 64, -EINVAL }, { 1, 0, 1, -EINVAL },
		{ 1, 0, 65, -EINVAL }, { 1, 64, PAGES - 1, -EINVAL },
		{ 1, 64, PAGES, -EINVAL }, { 1, 0, PAGES + 61, -EINVAL },
		{ 1, 0, ~0U, -EINVAL }, { 1, ~63ULL, 128, -EINVAL }, { 1, ~63ULL, 64, -EINVAL },
		{ 1, 1ULL << 40, 64, -EINVAL }, { 2, 0, 64, -ENOENT }, { 0, 0, 64, -ENOENT },
		{ 7 << 16 | 1, 0, 64, -EINVAL }, { 0xffff, 0, 64, -EINVAL },
	};

	NEED_MANUAL(MANUAL);
	LOGGED_SLOT();
	ASSERT_TRUE(writes(self->vm, 3) && writes(self->vm, 70) && writes(self->vm, PAGES - 1));
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memset(bits, 0xff, sizeof(self->log));
		EXPECT_EQ(wrong[i].want, clear_log(self->vm, wrong[i].slot, wrong[i].first,
						   wrong[i].pages, bits)) {
			TH_LOG("row %u", i);
		}
	}
	EXPECT_EQ(-EFAULT, clear_log(self->vm, 1, 0, 64, NULL));
	EXPECT_EQ(-EFAULT, vm_ioctl(self->vm, KVM_CLEAR_DIRTY_LOG, NULL));
	EXPECT_EQ(-EFAULT, get_log(self->vm, 1, NULL));
	EXPECT_EQ(-EINVAL, get_log(self->vm, 7 << 16 | 1, bits));
	EXPECT_EQ(-ENOENT, get_log(self->vm, 2, bits));
	ASSERT_LOG(3);
	/* nothing, and the end, are parts as well */
	memset(bits, 0xff, sizeof(self->log));
	EXPECT_EQ(0, clear_log(self->vm, 1, 64, 0, bits));
	EXPECT_EQ(0, clear_log(self->vm, 1, last, PAGES - last, bits));
	ASSERT_LOG(2);
	EXPECT_TRUE(only(self->log, 3, 70));
}

/* The second half of the bits cannot be read: nor is the first half cleared. */
TEST_F(dirty, bits_that_end_early)
{
	const size_t pages = 16 * PAGE, bytes = pages / 8;
	uint8_t *edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0), *many, *log;

	NEED_MANUAL(MANUAL);
	many = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)many);
	ASSERT_NE(MAP_FAILED, (void *)edge);
	madvise(many, pages * PAGE, MADV_NOHUGEPAGE);
	log = calloc(1, bytes);
	ASSERT_NE(NULL, log);
	ASSERT_EQ(0, vm_slot(self->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, FAR, pages * PAGE, many));
	ASSERT_TRUE(writes(self->vm, 3));
	munmap(edge + PAGE, PAGE);
	memset(edge, 0xff, PAGE);
	EXPECT_EQ(-EFAULT, clear_log(self->vm, 1, 0, pages, edge + PAGE - 8));
	ASSERT_EQ(0, get_log(self->vm, 1, log));
	EXPECT_EQ(1 << 3, log[0]);
	free(log);
	munmap(edge, PAGE);
	munmap(many, pages * PAGE);
}

/*
 * Huge pages
 */

/* Two huge pages; false: the host gives none. */
static bool make_huge(uint8_t *far)
{
	madvise(far, 2 * HUGE, MADV_HUGEPAGE);
	memset(far, 0x11, 2 * HUGE);
	return number_of("/proc/self/smaps_rollup", "AnonHugePages:") >= 2 * HUGE / 1024;
}

/* They are behind the slot, which is not logged yet, and in use. */
#define HUGE_SLOT()							\
do {									\
	if (!make_huge(self->far))					\
		SKIP(return, "the host has no huge pages");		\
	ASSERT_EQ(0, logged_slot(self->vm, self->far, 0));		\
	ASSERT_TRUE(writes(self->vm, 0) && writes(self->vm, 512));	\
	ASSERT_EQ(2, stat_of(self->vm->fd, "pages_2m"));		\
} while (0)

TEST_F(dirty, huge_again_afterwards)
{
	NEED_CAP(self->vm, KVM_CAP_BINARY_STATS_FD);
	HUGE_SLOT();
	LOGGED_SLOT();
	ASSERT_TRUE(writes(self->vm, 3) && writes(self->vm, 515));
	EXPECT_EQ(0, stat_of(self->vm->fd, "pages_2m"));
	ASSERT_LOG(2);
	EXPECT_TRUE(only(self->log, 3, 515));
	ASSERT_EQ(0, logged_slot(self->vm, self->far, 0));
	ASSERT_TRUE(writes(self->vm, 3) && writes(self->vm, 515));
	EXPECT_EQ(2, stat_of(self->vm->fd, "pages_2m"));
}

/* A log that begins full splits a huge page when a part of it is cleared, and only that one. */
TEST_F(dirty, huge_until_cleared)
{
	uint64_t bits[WORDS] = { 1 << 3 };

	NEED_CAP(self->vm, KVM_CAP_BINARY_STATS_FD);
	NEED_MANUAL(MANUAL | FULL);
	HUGE_SLOT();
	LOGGED_SLOT();
	ASSERT_LOG(PAGES);
	EXPECT_EQ(2, stat_of(self->vm->fd, "pages_2m"));
	ASSERT_EQ(0, clear_log(self->vm, 1, 0, 64, bits));
	EXPECT_EQ(1, stat_of(self->vm->fd, "pages_2m"));
	ASSERT_LOG(PAGES - 1);
	ASSERT_TRUE(writes(self->vm, 4) && writes(self->vm, 513));
	ASSERT_LOG(PAGES - 1);
	EXPECT_FALSE(bit(self->log, 3));
	ASSERT_TRUE(writes(self->vm, 3));
	ASSERT_LOG(PAGES);
}

/*
 * While it runs: a guest writes numbers that grow, all over the slot, and what the log names is
 * copied.  When the guest has stopped, the last log makes the copy complete.
 */
FIXTURE(march) {
	struct vm vm[1];
	uint8_t *far, *copy;
};

FIXTURE_VARIANT(march) {
	unsigned int how;
};

FIXTURE_VARIANT_ADD(march, taken) {
	.how = 0,
};

FIXTURE_VARIANT_ADD(march, cleared) {
	.how = MANUAL,
};

FIXTURE_VARIANT_ADD(march, begun_full) {
	.how = MANUAL | FULL,
};

#define MARCH_PAGES	512

FIXTURE_SETUP(march)
{
	VM_SETUP(self->vm, 0);
	self->far = mmap(NULL, 2 * MARCH_PAGES * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->far);
	self->copy = self->far + MARCH_PAGES * PAGE;
}

FIXTURE_TEARDOWN(march)
{
	vm_destroy(self->vm);
	munmap(self->far, 2 * MARCH_PAGES * PAGE);
}

/* A page after the other in no order, at RDI; counts at DATA, ends when DATA + 8 is not 0. */
GUEST(code_march,
	"xor %eax, %eax\n"
	"code_march_again:\n"
	"inc %rax\n"
	"imul $197, %eax, %ecx\n"
	"and $511, %ecx\n"
	"shl $12, %ecx\n"
	"mov %rax, (%rdi,%rcx)\n"
	"mov %rax, " STR(DATA) "\n"
	"cmpb $0, " STR(DATA) " + 8\n"
	"je code_march_again\n"
	"jmp rt_done");

/* On a processor of its own, where there are two. */
static void *run_thread(void *arg)
{
	struct vm *vm = arg;
	cpu_set_t second;
	int result;

	CPU_ZERO(&second);
	CPU_SET(1, &second);
	sched_setaffinity(0, sizeof(second), &second);
	do {
		result = vcpu_ioctl(vm, KVM_RUN, NULL);
	} while (result == -EINTR);
	return (void *)(long)(result ?: (int)vm->run->exit_reason);
}

/* The guest begins at @code, with RDI at @far. */
static int begin(struct vm *vm, uint64_t code, uint64_t far, pthread_t *thread)
{
	struct kvm_regs regs = {
		.rip = code, .rflags = RFLAGS_FIXED | RFLAGS_IF, .rsp = STACK_TOP, .rdi = far,
	};

	vm_complete(vm);
	return vcpu_ioctl(vm, KVM_SET_REGS, &regs) ?: pthread_create(thread, NULL, run_thread, vm);
}

/* In how many pages the copy is not what it should be. */
static unsigned int different(const uint8_t *far, const uint8_t *copy)
{
	unsigned int i, pages = 0;

	for (i = 0; i < MARCH_PAGES; i++)
		pages += *(uint64_t *)(copy + i * PAGE) != *(uint64_t *)(far + i * PAGE);
	return pages;
}

/* Fetches what the log names into the copy; the number of pages, or below 0. */
static int fetch(struct vm *vm, uint8_t *from, uint8_t *to, bool manual)
{
	uint64_t log[MARCH_PAGES / 64];
	int pages = 0;

	if (get_log(vm, 1, log))
		return -1;
	/* before they are read, or a write between would be lost */
	if (manual && clear_log(vm, 1, 0, MARCH_PAGES, log))
		return -2;
	for (unsigned int i = 0; i < MARCH_PAGES; i++) {
		if (!bit(log, i))
			continue;
		*(uint64_t *)(to + i * PAGE) = *(volatile uint64_t *)(from + i * PAGE);
		pages++;
	}
	return pages;
}

#define MOVES	20

/* The slot goes elsewhere, and its log with it: the guest's last writes were at the old place. */
TEST_F(march, moves_with_its_log)
{
	volatile uint64_t *progress = (uint64_t *)(self->vm->mem + DATA);
	unsigned int i, spins;
	uint64_t seen, far = FAR;
	pthread_t thread;
	void *result;

	if (variant->how)
		NEED_MANUAL(variant->how);
	ASSERT_EQ(0, vm_slot(self->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, far, MARCH_PAGES * PAGE,
			     self->far));
	ASSERT_LE(0, fetch(self->vm, self->far, self->copy, variant->how));
	for (i = 0; i < MOVES; i++) {
		seen = *progress = 0;
		ASSERT_EQ(0, begin(self->vm, GA(code_march), far, &thread));
		far ^= FAR / 2;
		for (spins = 0; spins < 5000 && *progress - seen < 20; spins++)
			usleep(100 + 37 * i);
		ASSERT_EQ(0, vm_slot(self->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, far, MARCH_PAGES * PAGE,
				     self->far));
		ASSERT_EQ(0, pthread_join(thread, &result));
		ASSERT_EQ((void *)KVM_EXIT_MMIO, result);
		ASSERT_LT(0, fetch(self->vm, self->far, self->copy, variant->how));
	}
	EXPECT_EQ(0U, different(self->far, self->copy));
}

/* At RDI: writes to the page that DATA says, says so at DATA + 8, and waits for the next. */
GUEST(code_serve,
	"xor %eax, %eax\n"
	"1: pause\n"
	"mov " STR(DATA) ", %rcx\n"
	"cmp %rax, %rcx\n"
	"je 1b\n"
	"mov %rcx, %rax\n"
	"cmp $-1, %rcx\n"
	"je rt_done\n"
	"shl $12, %rcx\n"
	"mov %rax, (%rdi,%rcx)\n"
	"mov %rax, " STR(DATA) " + 8\n"
	"jmp 1b");

/* What has been written is in the log, whether the guest stops for it or not. */
TEST_F(march, is_known_at_once)
{
	volatile uint64_t *page = (uint64_t *)(self->vm->mem + DATA), *done = page + 1;
	uint64_t log[MARCH_PAGES / 64];
	unsigned int i, spins;
	pthread_t thread;
	void *result;

	if (variant->how)
		NEED_MANUAL(variant->how);
	ASSERT_EQ(0, vm_slot(self->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, FAR, MARCH_PAGES * PAGE,
			     self->far));
	memset(log, 0xff, sizeof(log));
	if (variant->how & FULL)
		ASSERT_EQ(0, clear_log(self->vm, 1, 0, MARCH_PAGES, log));
	ASSERT_EQ(0, begin(self->vm, GA(code_serve), FAR, &thread));
	for (i = 1; i < 100; i++) {
		*page = i % 7 + 1;
		for (spins = 0; spins < 5000 && *done != *page; spins++)
			usleep(100);
		ASSERT_EQ(0, get_log(self->vm, 1, log));
		ASSERT_EQ(1ULL << *page, log[0]);
		if (variant->how)
			ASSERT_EQ(0, clear_log(self->vm, 1, 0, MARCH_PAGES, log));
	}
	*page = -1;
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ((void *)KVM_EXIT_IO, result);
}

TEST_F(march, misses_no_write)
{
	volatile uint64_t *progress = (uint64_t *)(self->vm->mem + DATA);
	unsigned int i, spins;
	uint64_t seen;
	pthread_t thread;
	void *result;

	if (variant->how)
		NEED_MANUAL(variant->how);
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, FAR, MARCH_PAGES * PAGE, self->far));
	ASSERT_EQ(0, begin(self->vm, GA(code_march), FAR, &thread));
	for (spins = 0; spins < 5000 && *progress < MARCH_PAGES; spins++)
		usleep(1000);
	/* the log begins under the running guest, with all its pages mapped and writable */
	EXPECT_EQ(0, vm_slot(self->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, FAR, MARCH_PAGES * PAGE,
			     self->far));
	for (i = 0; i < MARCH_PAGES; i++)
		*(uint64_t *)(self->copy + i * PAGE) = *(volatile uint64_t *)(self->far + i * PAGE);
	for (i = 0; i < 150; i++) {
		seen = *progress;
		EXPECT_LE(0, fetch(self->vm, self->far, self->copy, variant->how));
		for (spins = 0; spins < 5000 && *progress - seen < 20; spins++)
			usleep(200);
	}
	self->vm->mem[DATA + 8] = 1;
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ((void *)KVM_EXIT_IO, result);
	EXPECT_LT(0, fetch(self->vm, self->far, self->copy, variant->how));
	EXPECT_EQ(0U, different(self->far, self->copy));
	EXPECT_LE(MARCH_PAGES + 20ULL * 150, *progress);
	EXPECT_EQ(0, fetch(self->vm, self->far, self->copy, variant->how));
}

TEST_HARNESS_MAIN
