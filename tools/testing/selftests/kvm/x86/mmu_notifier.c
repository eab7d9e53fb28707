// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host changes what is behind the guest's memory, before the guest runs
 * and while it runs: dropped, protected, moved, copied on write, compacted, merged.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include "kvm_test.h"

FIXTURE(notifier) {
	struct vm vm[1];
	volatile uint32_t *count;
};

FIXTURE_SETUP(notifier)
{
	VM_SETUP(self->vm, 0);
	self->count = (volatile uint32_t *)(self->vm->mem + DATA);
}

FIXTURE_TEARDOWN(notifier)
{
	vm_destroy(self->vm);
}

/* RDI is where; RBX comes back with what was there. */
GUEST(code_read, "mov (%rdi), %rbx\njmp rt_done");
GUEST(code_write, "mov %rax, (%rdi)\njmp rt_done");

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

static uint64_t rbx(struct vm *vm)
{
	struct kvm_regs regs = {};

	vcpu_ioctl(vm, KVM_GET_REGS, &regs);
	return regs.rbx;
}

TEST_F(notifier, dropped)
{
	uint8_t *page = self->vm->mem + DATA;

	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_write), DATA, 0x1234));
	ASSERT_EQ(0, madvise(page, 0x1000, MADV_DONTNEED));
	EXPECT_EQ(0ULL, *(uint64_t *)page);
	*(uint64_t *)page = 0x5678;
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_read), DATA, 0));
	EXPECT_EQ(0x5678ULL, rbx(self->vm));
	ASSERT_EQ(0, madvise(page, 0x1000, MADV_DONTNEED));
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_read), DATA, 0));
	EXPECT_EQ(0ULL, rbx(self->vm));
}

TEST_F(notifier, protected)
{
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_write), DATA, 0x1234));
	ASSERT_EQ(0, vm_page(self->vm, DATA, PROT_NONE));
	EXPECT_EQ(-EFAULT, start(self->vm, GA(code_read), DATA, 0));
	EXPECT_EQ(-EFAULT, vm_run(self->vm));
	ASSERT_EQ(0, vm_page(self->vm, DATA, PROT_READ));
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	EXPECT_EQ(0x1234ULL, rbx(self->vm));
	EXPECT_EQ(-EFAULT, start(self->vm, GA(code_write), DATA, 0x5678));
	ASSERT_EQ(0, vm_page(self->vm, DATA, PROT_READ | PROT_WRITE));
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	EXPECT_EQ(0x5678ULL, *(uint64_t *)(self->vm->mem + DATA));
}

/* A fresh page of zeroes, read first and written later, is not the zero page. */
TEST_F(notifier, zero_page)
{
	uint8_t *page = self->vm->mem + DATA + 0x5000;

	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_read), DATA + 0x5000, 0));
	EXPECT_EQ(0ULL, rbx(self->vm));
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_write), DATA + 0x5000, 0x77));
	EXPECT_EQ(0x77ULL, *(uint64_t *)page);
	*(uint64_t *)page = 0x78;
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_read), DATA + 0x5000, 0));
	EXPECT_EQ(0x78ULL, rbx(self->vm));
}

TEST_F(notifier, moved_away_and_replaced)
{
	uint8_t *page = self->vm->mem + DATA, *away, *other;

	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_write), DATA, 0x1234));
	away = mmap(NULL, 0x1000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)away);
	ASSERT_EQ((void *)away, mremap(page, 0x1000, 0x1000, MREMAP_MAYMOVE | MREMAP_FIXED,
				       away));
	EXPECT_EQ(-EFAULT, start(self->vm, GA(code_read), DATA, 0));
	other = mmap(page, 0x1000, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ASSERT_EQ((void *)page, (void *)other);
	*(uint64_t *)page = 0x9abc;
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	EXPECT_EQ(0x9abcULL, rbx(self->vm));
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_write), DATA, 0xdef0));
	EXPECT_EQ(0xdef0ULL, *(uint64_t *)page);
	EXPECT_EQ(0x1234ULL, *(uint64_t *)away);
	munmap(away, 0x1000);
}

TEST_F(notifier, file_truncated)
{
	int file = memfd_create("guest", MFD_CLOEXEC);
	uint8_t *page = self->vm->mem + DATA;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, 0x1000));
	ASSERT_EQ((void *)page, mmap(page, 0x1000, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_FIXED, file, 0));
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_write), DATA, 0x1234));
	ASSERT_EQ(0, ftruncate(file, 0));
	EXPECT_EQ(-EFAULT, start(self->vm, GA(code_read), DATA, 0));
	ASSERT_EQ(0, ftruncate(file, 0x1000));
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	EXPECT_EQ(0ULL, rbx(self->vm));
	close(file);
}

/* A child that lives on has the old bytes; the guest writes to a copy. */
TEST_F(notifier, copied_on_write)
{
	uint64_t *page = (uint64_t *)(self->vm->mem + DATA);
	int go[2], status;
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_write), DATA, 0x1234));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (read(go[0], &byte, 1) != 1)
			_exit(2);
		_exit(*page == 0x1234 ? 0 : 1);
	}
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_write), DATA, 0x5678));
	EXPECT_EQ(0x5678ULL, *page);
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	*page = 0x9abc;
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_read), DATA, 0));
	EXPECT_EQ(0x9abcULL, rbx(self->vm));
}

/* The child's writes are its own. */
TEST_F(notifier, child_writes)
{
	uint64_t *page = (uint64_t *)(self->vm->mem + DATA);
	int status;
	pid_t pid;

	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_write), DATA, 0x1234));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		*page = 0xbad;
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_read), DATA, 0));
	EXPECT_EQ(0x1234ULL, rbx(self->vm));
}

/*
 * While it runs: the guest counts at DATA, copies the count to each of 16
 * pages in turn, and ends when DATA + 8 is not 0.
 */
#define PAGES	16

GUEST(code_busy,
	"xor %ecx, %ecx\n"
	"code_busy_again:\n"
	"incl " STR(DATA) "\n"
	"mov " STR(DATA) ", %eax\n"
	"inc %ecx\n"
	"and $15, %ecx\n"
	"mov %ecx, %edx\n"
	"shl $12, %edx\n"
	"mov %eax, " STR(DATA) " + 0x1000(%rdx)\n"
	"cmp %eax, " STR(DATA) " + 0x1000(%rdx)\n"
	"jne code_busy_lost\n"
	"cmpb $0, " STR(DATA) " + 8\n"
	"je code_busy_again\n"
	"jmp rt_done\n"
	"code_busy_lost:\n"
	"incl " STR(DATA) " + 4\n"
	"jmp code_busy_again");

struct runner {
	struct vm *vm;
	int result;
};

static void *run_thread(void *arg)
{
	struct runner *runner = arg;

	do {
		runner->result = vcpu_ioctl(runner->vm, KVM_RUN, NULL);
	} while (runner->result == -EFAULT);
	return NULL;
}

static bool progress(volatile uint32_t *count)
{
	uint32_t before = *count;
	unsigned int i;

	for (i = 0; i < 5000; i++) {
		if (*count - before > 10)
			return true;
		usleep(200);
	}
	return false;
}

static volatile uint32_t *count_of(struct vm *vm)
{
	return (volatile uint32_t *)(vm->mem + DATA);
}

/* The guest works while @step is done to its memory again and again; 0 if it went on each time. */
static int while_running(struct vm *vm, unsigned int times,
			 bool (*step)(struct vm *vm, unsigned int turn))
{
	struct runner runner = { .vm = vm };
	pthread_t thread;
	unsigned int i;
	bool alive = true;

	vm_start(vm, GA(code_busy), RFLAGS_IF);
	if (pthread_create(&thread, NULL, run_thread, &runner))
		return -1;
	for (i = 0; i < times && alive; i++)
		alive = step(vm, i) && progress(count_of(vm));
	vm->mem[DATA + 8] = 1;
	pthread_join(thread, NULL);
	return alive ? runner.result : -1;
}

static bool drop(struct vm *vm, unsigned int turn)
{
	return !madvise(vm->mem + DATA + 0x1000 * (1 + turn % PAGES), 0x1000, MADV_DONTNEED);
}

static bool protect(struct vm *vm, unsigned int turn)
{
	uint64_t page = DATA + 0x1000 * (1 + turn % PAGES);

	vm_page(vm, page, turn & 1 ? PROT_READ : PROT_NONE);
	usleep(100);
	vm_page(vm, page, PROT_READ | PROT_WRITE);
	return true;
}

/* The child's copy stands still, whatever the guest writes. */
static bool copy(struct vm *vm, unsigned int turn)
{
	volatile uint32_t *count = count_of(vm);
	pid_t pid = fork();
	uint32_t then;
	int status;

	(void)turn;
	if (!pid) {
		then = *count;
		usleep(2000);
		_exit(then == *count ? 0 : 1);
	}
	return pid > 0 && progress(count) && waitpid(pid, &status, 0) == pid && !status;
}

/* A page dropped between the guest's store and its compare may read 0. */
TEST_F(notifier, dropped_while_running)
{
	EXPECT_EQ(0, while_running(self->vm, 60, drop));
	EXPECT_EQ(KVM_EXIT_IO, self->vm->run->exit_reason);
	EXPECT_GE(60U, self->count[1]);
	EXPECT_EQ(0U, log_count(self->vm));
}

/* Write-protected for a moment, again and again: nothing may be lost. */
TEST_F(notifier, protected_while_running)
{
	EXPECT_EQ(0, while_running(self->vm, 60, protect));
	EXPECT_EQ(KVM_EXIT_IO, self->vm->run->exit_reason);
	EXPECT_EQ(0U, self->count[1]);
	EXPECT_EQ(0U, log_count(self->vm));
}

/* Children come and go; the parent's guest writes to copies all the time. */
TEST_F(notifier, forked_while_running)
{
	EXPECT_EQ(0, while_running(self->vm, 20, copy));
	EXPECT_EQ(KVM_EXIT_IO, self->vm->run->exit_reason);
	EXPECT_EQ(0U, self->count[1]);
	EXPECT_EQ(0U, log_count(self->vm));
}

static bool tell(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY);
	bool told = fd >= 0 && write(fd, what, strlen(what)) > 0;

	if (fd >= 0)
		close(fd);
	return told;
}

/* The host moves memory about to make room for huge pages. */
static bool compact(struct vm *vm, unsigned int turn)
{
	(void)vm;
	(void)turn;
	return tell("/proc/sys/vm/compact_memory", "1");
}

TEST_F(notifier, compacted_while_running)
{
	if (!compact(self->vm, 0))
		SKIP(return, "the host's memory cannot be compacted");
	EXPECT_EQ(0, while_running(self->vm, 20, compact));
	EXPECT_EQ(KVM_EXIT_IO, self->vm->run->exit_reason);
	EXPECT_EQ(0U, self->count[1]);
	EXPECT_EQ(0U, log_count(self->vm));
}

#define KSM	"/sys/kernel/mm/ksm/"

static unsigned long merged_pages(void)
{
	unsigned long pages = 0;
	FILE *file = fopen(KSM "pages_sharing", "r");

	if (file && fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages;
}

/* Until the host has merged @pages, or does not in ten seconds. */
static bool merge(struct vm *vm, unsigned int pages)
{
	unsigned int i;

	if (madvise(vm->mem + DATA, pages * 0x1000, MADV_MERGEABLE) ||
	    !tell(KSM "pages_to_scan", "1000") || !tell(KSM "run", "1"))
		return false;
	for (i = 0; i < 1000 && merged_pages() < pages - 1; i++)
		usleep(10000);
	return merged_pages() >= pages - 1;
}

/* Pages that are alike become one; the guest that writes to it gets its own back. */
TEST_F(notifier, merged)
{
	const unsigned int pages = 8;
	uint64_t at;

	memset(self->vm->mem + DATA, 0x5a, pages * 0x1000);
	for (at = DATA; at < DATA + pages * 0x1000; at += 0x1000)
		ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_write), at, 0x77));
	if (!merge(self->vm, pages))
		SKIP(return, "the host does not merge pages");
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_read), DATA + 0x3000, 0));
	EXPECT_EQ(0x77ULL, rbx(self->vm));
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_write), DATA + 0x3000, 0x78));
	for (at = DATA; at < DATA + pages * 0x1000; at += 0x1000) {
		ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_read), at, 0));
		EXPECT_EQ(at == DATA + 0x3000 ? 0x78ULL : 0x77ULL, rbx(self->vm));
		EXPECT_EQ(rbx(self->vm), *(uint64_t *)(self->vm->mem + at));
	}
	EXPECT_TRUE(tell(KSM "run", "2"));
	ASSERT_EQ(KVM_EXIT_IO, start(self->vm, GA(code_read), DATA, 0));
	EXPECT_EQ(0x77ULL, rbx(self->vm));
}

TEST_HARNESS_MAIN
