// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest with some dozen MiB that the host takes away, moves, splits, joins,
 * merges and protects.  What is there is known from a model of it, in plain
 * numbers: after each step both the guest and this process must find that.
 *
 * Where it matters that large pages are used, or are not, the VM's statistics
 * are asked.  mmu_notifier.c has the same for single pages.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "kvm_test.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define FAR		0x20000000ULL
#define PAGE		0x1000UL
#define HUGE		0x200000UL
#define SIZE		(8 * HUGE)
#define PAGES		(SIZE / PAGE)
#define HUGE_PAGES	(HUGE / PAGE)

/* Of each page two words count: one that the guest writes, and one that this process does. */
struct words {
	uint64_t guest, host;
};

FIXTURE(pressure) {
	struct vm vm[1];
	uint8_t *map, *mem;
	struct words *model;
};

FIXTURE_SETUP(pressure)
{
	VM_SETUP(self->vm, 0);
	self->map = mmap(NULL, SIZE + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->map);
	self->mem = (uint8_t *)(((uintptr_t)self->map + HUGE - 1) & -HUGE);
	self->model = calloc(PAGES, sizeof(*self->model));
	ASSERT_NE(NULL, self->model);
	madvise(self->mem, SIZE, MADV_NOHUGEPAGE);
	ASSERT_EQ(0, vm_slot(self->vm, 1, 0, FAR, SIZE, self->mem));
}

FIXTURE_TEARDOWN(pressure)
{
	vm_destroy(self->vm);
	munmap(self->map, SIZE + HUGE);
	free(self->model);
}

/*
 * RDI to RSI, a page at a time: both words go into a sum in RAX that depends on their order, then
 * the guest's becomes RBX, which counts on.
 */
GUEST(code_pass,
	"xor %eax, %eax\n"
	"code_pass_again:\n"
	"rol $7, %rax\n"
	"add (%rdi), %rax\n"
	"rol $7, %rax\n"
	"add 8(%rdi), %rax\n"
	"mov %rbx, (%rdi)\n"
	"inc %rbx\n"
	"add $0x1000, %rdi\n"
	"cmp %rsi, %rdi\n"
	"jb code_pass_again\n"
	"jmp rt_done");

/* The same without the writes. */
GUEST(code_look,
	"xor %eax, %eax\n"
	"code_look_again:\n"
	"rol $7, %rax\n"
	"add (%rdi), %rax\n"
	"rol $7, %rax\n"
	"add 8(%rdi), %rax\n"
	"add $0x1000, %rdi\n"
	"cmp %rsi, %rdi\n"
	"jb code_look_again\n"
	"jmp rt_done");

static uint64_t rol(uint64_t value)
{
	return value << 7 | value >> 57;
}

static uint64_t sum_of(const struct words *words)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < PAGES; i++)
		sum = rol(rol(sum) + words[i].guest) + words[i].host;
	return sum;
}

static void start(struct vm *vm, uint64_t code, uint64_t value)
{
	struct kvm_regs regs = {
		.rip = code, .rflags = RFLAGS_FIXED | RFLAGS_IF, .rsp = STACK_TOP,
		.rdi = FAR, .rsi = FAR + SIZE, .rbx = value,
	};

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
}

/* The guest's run ends well, and its sum is the model's. */
static bool ends_with(struct vm *vm, uint64_t sum)
{
	struct kvm_regs regs;

	if (vm_run_out(vm) != PORT_DONE || vcpu_ioctl(vm, KVM_GET_REGS, &regs))
		return false;
	return regs.rax == sum;
}

static struct words *words_at(uint8_t *mem, unsigned int page)
{
	return (struct words *)(mem + page * PAGE);
}

/* This process finds what the model says. */
static bool host_agrees(uint8_t *mem, const struct words *model)
{
	for (unsigned int i = 0; i < PAGES; i++)
		if (memcmp(words_at(mem, i), &model[i], sizeof(model[i])))
			return false;
	return true;
}

/* A pass of the guest over everything, with new values, and a look of this process. */
static bool pass(struct vm *vm, uint8_t *mem, struct words *model)
{
	static uint64_t value = 0x1000000;
	uint64_t sum = sum_of(model);

	start(vm, GA(code_pass), value);
	for (unsigned int i = 0; i < PAGES; i++)
		model[i].guest = value++;
	return ends_with(vm, sum) && host_agrees(mem, model);
}

static bool look(struct vm *vm, uint8_t *mem, const struct words *model)
{
	start(vm, GA(code_look), 0);
	return ends_with(vm, sum_of(model)) && host_agrees(mem, model);
}

#define ASSERT_PASS()	ASSERT_TRUE(pass(self->vm, self->mem, self->model))
#define ASSERT_LOOK()	ASSERT_TRUE(look(self->vm, self->mem, self->model))
#define PAGES_2M()	stat_of(self->vm->fd, "pages_2m")

static void host_writes(uint8_t *mem, struct words *model, unsigned int first, unsigned int count,
			uint64_t value)
{
	for (unsigned int i = first; i < first + count; i++)
		model[i].host = words_at(mem, i)->host = value + i;
}

/* Memory that is dropped reads 0. */
static bool drop(uint8_t *mem, struct words *model, unsigned int first, unsigned int count)
{
	memset(&model[first], 0, count * sizeof(*model));
	return !madvise(mem + first * PAGE, count * PAGE, MADV_DONTNEED);
}

TEST_F(pressure, dropped)
{
	ASSERT_PASS();
	host_writes(self->mem, self->model, 100, 1000, 7);
	ASSERT_PASS();
	ASSERT_TRUE(drop(self->mem, self->model, 500, 3000));
	ASSERT_LOOK();
	host_writes(self->mem, self->model, 600, 10, 8);
	ASSERT_PASS();
	ASSERT_TRUE(drop(self->mem, self->model, 0, PAGES));
	ASSERT_PASS();
	ASSERT_LOOK();
}

/* Something else is put where the memory was; in between there is nothing. */
TEST_F(pressure, mapped_over)
{
	const unsigned int first = 700, count = 1500;
	uint8_t *at = self->mem + first * PAGE;

	ASSERT_PASS();
	host_writes(self->mem, self->model, 0, PAGES, 7);
	ASSERT_EQ(0, munmap(at, count * PAGE));
	start(self->vm, GA(code_look), 0);
	EXPECT_EQ(-EFAULT, vm_run(self->vm));
	ASSERT_EQ((void *)at, mmap(at, count * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memset(&self->model[first], 0, count * sizeof(*self->model));
	EXPECT_TRUE(ends_with(self->vm, sum_of(self->model)));
	ASSERT_PASS();
	ASSERT_LOOK();
}

/* Reads go on, a write waits until it is allowed, and nothing is lost. */
TEST_F(pressure, protected)
{
	const size_t half = SIZE / 2;
	uint64_t sum;

	ASSERT_PASS();
	host_writes(self->mem, self->model, 0, PAGES, 7);
	ASSERT_EQ(0, mprotect(self->mem + half, half, PROT_READ));
	ASSERT_LOOK();
	sum = sum_of(self->model);
	start(self->vm, GA(code_pass), 1);
	EXPECT_EQ(-EFAULT, vm_run(self->vm));
	EXPECT_EQ(self->model[PAGES / 2].guest, words_at(self->mem, PAGES / 2)->guest);
	ASSERT_EQ(0, mprotect(self->mem + half, half, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(ends_with(self->vm, sum));
	for (unsigned int i = 0; i < PAGES; i++)
		self->model[i].guest = 1 + i;
	ASSERT_LOOK();
	ASSERT_PASS();
}

/* Written out, and fetched back by the guest or by this process. */
TEST_F(pressure, paged_out)
{
	unsigned long before = number_of("/proc/vmstat", "pswpout ");

	if (!number_of("/proc/meminfo", "SwapTotal:"))
		SKIP(return, "the host has no swap");
	ASSERT_PASS();
	host_writes(self->mem, self->model, 0, PAGES, 7);
	ASSERT_EQ(0, madvise(self->mem, SIZE, MADV_PAGEOUT));
	ASSERT_LT(before, number_of("/proc/vmstat", "pswpout "));
	ASSERT_PASS();
	ASSERT_EQ(0, madvise(self->mem, SIZE / 2, MADV_PAGEOUT));
	ASSERT_LOOK();
}

/* Pages of a file that the host wants to be rid of: its cache has them still, or reads them. */
TEST_F(pressure, file_paged_out)
{
	int file = memfd_create("guest", MFD_CLOEXEC);

	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, SIZE));
	ASSERT_EQ((void *)self->mem, mmap(self->mem, SIZE, PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_FIXED, file, 0));
	ASSERT_PASS();
	host_writes(self->mem, self->model, 0, PAGES, 7);
	/* of shared memory this takes the mapping away, and not what is there */
	ASSERT_EQ(0, madvise(self->mem, SIZE, MADV_DONTNEED));
	ASSERT_PASS();
	madvise(self->mem, SIZE, MADV_PAGEOUT);
	ASSERT_PASS();
	/* a hole is zeroes */
	ASSERT_EQ(0, madvise(self->mem + 300 * PAGE, 900 * PAGE, MADV_REMOVE));
	memset(&self->model[300], 0, 900 * sizeof(*self->model));
	ASSERT_LOOK();
	ASSERT_PASS();
	close(file);
}

static bool has_node(int node)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", node);
	return !access(path, F_OK);
}

/* Where page @i is: a node, or below 0. */
static int node_of(uint8_t *mem, unsigned int i)
{
	void *at = mem + i * PAGE;
	int status = -1;

	syscall(SYS_move_pages, 0, 1UL, &at, NULL, &status, 0);
	return status;
}

TEST_F(pressure, migrated)
{
	unsigned long from = 1, to = 2;

	if (!has_node(1))
		SKIP(return, "the host has one node");
	ASSERT_PASS();
	host_writes(self->mem, self->model, 0, PAGES, 7);
	if (node_of(self->mem, 5) == 1)
		from = 2, to = 1;
	ASSERT_EQ(0, syscall(SYS_migrate_pages, 0, 8UL, &from, &to));
	EXPECT_EQ((int)to - 1, node_of(self->mem, 5));
	ASSERT_PASS();
	ASSERT_EQ(0, syscall(SYS_migrate_pages, 0, 8UL, &to, &from));
	ASSERT_LOOK();
}

/*
 * Large pages
 */

/*
 * All of it in pages of 2 MiB; false: the host gives none.  They are written first: a large page of
 * zeroes that is read and then written to becomes small ones.
 */
static bool huge(uint8_t *mem, struct words *model)
{
	if (madvise(mem, SIZE, MADV_HUGEPAGE) || !drop(mem, model, 0, PAGES))
		return false;
	host_writes(mem, model, 0, PAGES, 7);
	return number_of("/proc/self/smaps_rollup", "AnonHugePages:") >= SIZE / 1024;
}

#define NEED_HUGE()							\
do {									\
	NEED_CAP(self->vm, KVM_CAP_BINARY_STATS_FD);			\
	if (!huge(self->mem, self->model))			\
		SKIP(return, "the host has no huge pages");		\
	ASSERT_PASS();							\
	ASSERT_EQ((long)(SIZE / HUGE), PAGES_2M());			\
} while (0)

/* One small page goes: the large one that it was in is no longer one, all others are. */
TEST_F(pressure, split)
{
	NEED_HUGE();
	host_writes(self->mem, self->model, 0, PAGES, 7);
	ASSERT_TRUE(drop(self->mem, self->model, 3 * HUGE_PAGES + 17, 1));
	ASSERT_PASS();
	EXPECT_EQ((long)(SIZE / HUGE) - 1, PAGES_2M());
	EXPECT_LE((long)HUGE_PAGES, stat_of(self->vm->fd, "pages_4k"));
	ASSERT_TRUE(drop(self->mem, self->model, 5 * HUGE_PAGES + 1, HUGE_PAGES));
	ASSERT_PASS();
	EXPECT_EQ((long)(SIZE / HUGE) - 3, PAGES_2M());
	ASSERT_LOOK();
}

static bool tell(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY);
	bool told = fd >= 0 && write(fd, what, strlen(what)) > 0;

	if (fd >= 0)
		close(fd);
	return told;
}

#define KHUGEPAGED	"/sys/kernel/mm/transparent_hugepage/khugepaged/"

/* Small pages become large ones again, at once or by the daemon in ten seconds. */
static bool collapse(uint8_t *large)
{
	if (!madvise(large, HUGE, MADV_COLLAPSE))
		return true;
	tell(KHUGEPAGED "scan_sleep_millisecs", "10");
	tell(KHUGEPAGED "alloc_sleep_millisecs", "10");
	tell(KHUGEPAGED "pages_to_scan", "100000");
	for (unsigned int i = 0; i < 100; i++) {
		if (number_of("/proc/self/smaps_rollup", "AnonHugePages:") >= SIZE / 1024)
			return true;
		usleep(100000);
	}
	return false;
}

/* Small pages become a large one under the guest, with what was in them. */
TEST_F(pressure, collapsed)
{
	long small;

	NEED_HUGE();
	ASSERT_TRUE(drop(self->mem, self->model, 3 * HUGE_PAGES + 17, 1));
	ASSERT_PASS();
	host_writes(self->mem, self->model, 0, PAGES, 7);
	small = stat_of(self->vm->fd, "pages_4k");
	if (!collapse(self->mem + 3 * HUGE))
		SKIP(return, "the host does not make large pages of small ones");
	ASSERT_PASS();
	EXPECT_EQ((long)(SIZE / HUGE), PAGES_2M());
	EXPECT_EQ(small - (long)HUGE_PAGES, stat_of(self->vm->fd, "pages_4k"));
	ASSERT_LOOK();
}

/* Where a part of a large page is protected, the rest can be written. */
TEST_F(pressure, protected_in_part)
{
	uint8_t *at = self->mem + 3 * HUGE + 17 * PAGE;

	NEED_HUGE();
	ASSERT_EQ(0, mprotect(at, PAGE, PROT_READ));
	ASSERT_LOOK();
	EXPECT_GT((long)(SIZE / HUGE), PAGES_2M());
	start(self->vm, GA(code_pass), 1);
	EXPECT_EQ(-EFAULT, vm_run(self->vm));
	EXPECT_EQ(1 + 3 * HUGE_PAGES + 16, words_at(at - PAGE, 0)->guest);
	EXPECT_EQ(self->model[3 * HUGE_PAGES + 17].guest, words_at(at, 0)->guest);
	ASSERT_EQ(0, mprotect(at, PAGE, PROT_READ | PROT_WRITE));
	ASSERT_OUT(self->vm, PORT_DONE);
	for (unsigned int i = 0; i < PAGES; i++)
		self->model[i].guest = 1 + i;
	ASSERT_LOOK();
	ASSERT_PASS();
}

#define KSM	"/sys/kernel/mm/ksm/"

/* Until the host shares so many pages, or does not in ten seconds. */
static bool merges(unsigned long pages)
{
	for (unsigned int i = 0; i < 1000; i++) {
		if (number_of(KSM "pages_sharing", "") >= pages)
			return true;
		usleep(10000);
	}
	return false;
}

/* Pages that are alike become one; who writes to it gets his own back. */
TEST_F(pressure, merged)
{
	const unsigned int first = 1000, count = 2000;

	ASSERT_PASS();
	for (unsigned int i = first; i < first + count; i++) {
		self->model[i] = (struct words){ .guest = 5, .host = 6 };
		*words_at(self->mem, i) = self->model[i];
	}
	if (madvise(self->mem + first * PAGE, count * PAGE, MADV_MERGEABLE) ||
	    !tell(KSM "pages_to_scan", "2000") || !tell(KSM "run", "1"))
		SKIP(return, "the host does not merge pages");
	EXPECT_TRUE(merges(count - 10));
	ASSERT_LOOK();
	host_writes(self->mem, self->model, first, 500, 9);
	ASSERT_LOOK();
	ASSERT_PASS();
	EXPECT_TRUE(tell(KSM "run", "2"));
	ASSERT_LOOK();
}

/*
 * All of it, in no order
 */

static uint64_t chance(void)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 11;
}

/* One thing that the host may do; false: it could not. */
static bool something(uint8_t *mem, struct words *model, uint64_t value)
{
	unsigned int first = chance() % PAGES, count = 1 + chance() % (PAGES - first);
	uint8_t *at = mem + first * PAGE, *large = mem + chance() % (SIZE / HUGE) * HUGE;

	switch (chance() % 8) {
	case 0:
		return drop(mem, model, first, 1);
	case 1:
		return drop(mem, model, first, count);
	case 2:
		host_writes(mem, model, first, count, value);
		return true;
	case 3:
		madvise(large, HUGE, MADV_HUGEPAGE);
		madvise(large, HUGE, MADV_COLLAPSE);
		return true;
	case 4:
		return !madvise(at, count * PAGE, MADV_NOHUGEPAGE);
	case 5:
		return !mprotect(at, count * PAGE, PROT_READ) &&
		       !mprotect(at, count * PAGE, PROT_READ | PROT_WRITE);
	case 6:
		madvise(at, count * PAGE, MADV_PAGEOUT);
		return true;
	default:
		memset(&model[first], 0, count * sizeof(*model));
		return mmap(at, count * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at;
	}
}

/* A slow host, or a slow KVM, does less of it. */
TEST_F(pressure, anything)
{
	uint64_t end = now_ms() + 15000;
	unsigned int i;

	for (i = 0; i < 80 && now_ms() < end; i++) {
		ASSERT_TRUE(something(self->mem, self->model, i << 20));
		ASSERT_TRUE(i % 2 ? pass(self->vm, self->mem, self->model) :
				    look(self->vm, self->mem, self->model));
	}
	EXPECT_LE(10, i);
}

/*
 * While it runs: the guest counts up the first word of each page, and finds it as it was left.
 * What the host does meanwhile changes no content.
 */
#define ROUNDS	(DATA + 0x10)
#define WRONG	(DATA + 0x18)

GUEST(code_count,
	"xor %eax, %eax\n"
	"code_count_round:\n"
	"mov %rdi, %rcx\n"
	"code_count_page:\n"
	"cmp %rax, (%rcx)\n"
	"je code_count_good\n"
	"incq " STR(WRONG) "\n"
	"mov %rax, (%rcx)\n"
	"code_count_good:\n"
	"incq (%rcx)\n"
	"add $0x1000, %rcx\n"
	"cmp %rsi, %rcx\n"
	"jb code_count_page\n"
	"inc %rax\n"
	"mov %rax, " STR(ROUNDS) "\n"
	"cmpb $0, " STR(DATA) "\n"
	"je code_count_round\n"
	"jmp rt_done");

/* A write that comes while a page is protected ends in EFAULT, and is made again. */
static void *count_thread(void *arg)
{
	long result;

	do {
		result = vcpu_ioctl(arg, KVM_RUN, NULL);
	} while (result == -EINTR || result == -EFAULT);
	return (void *)result;
}

static uint64_t word(struct vm *vm, uint64_t address)
{
	return *(volatile uint64_t *)(vm->mem + address);
}

static void disturb(uint8_t *mem, unsigned int turn)
{
	uint8_t *large = mem + turn % (SIZE / HUGE) * HUGE;
	uint8_t *at = large + turn * 37 % HUGE_PAGES * PAGE;

	switch (turn % 4) {
	case 0:
		mprotect(at, PAGE, turn & 4 ? PROT_READ : PROT_NONE);
		usleep(100);
		mprotect(at, PAGE, PROT_READ | PROT_WRITE);
		break;
	case 1:
		madvise(large, HUGE, MADV_HUGEPAGE);
		madvise(large, HUGE, MADV_COLLAPSE);
		break;
	case 2:
		madvise(at, PAGE, MADV_PAGEOUT);
		break;
	default:
		tell("/proc/sys/vm/compact_memory", "1");
	}
}

TEST_F(pressure, while_running)
{
	uint64_t before, rounds;
	pthread_t thread;
	unsigned int i, spins;
	void *result;

	madvise(self->mem, SIZE, MADV_HUGEPAGE);
	memset(self->mem, 0, SIZE);
	start(self->vm, GA(code_count), 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, count_thread, self->vm));
	for (i = 0; i < 96; i++) {
		before = word(self->vm, ROUNDS);
		disturb(self->mem, i);
		for (spins = 0; spins < 10000 && word(self->vm, ROUNDS) == before; spins++)
			usleep(200);
		EXPECT_LT(before, word(self->vm, ROUNDS));
	}
	self->vm->mem[DATA] = 1;
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(NULL, result);
	EXPECT_EQ(0ULL, word(self->vm, WRONG));
	rounds = word(self->vm, ROUNDS);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(rounds, words_at(self->mem, i)->guest);
}

TEST_HARNESS_MAIN
