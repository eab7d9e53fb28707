// SPDX-License-Identifier: GPL-2.0-only
/*
 * The time of a guest: kvmclock and its ioctls, the TSC's offset and how the
 * TSCs of several vCPUs go together, steal time.
 *
 * What the guest's page means is Linux's documentation of the MSRs.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm_para.h>
#include "kvm_test.h"

/* In the guest's memory: one page of time for each of two vCPUs, and what they find. */
#define PAGE0		0x40000
#define PAGE1		0x41000
#define STEAL		0x42000
#define WALL		0x43000
#define RESULT		0x44000
#define SHARED		0x44100
#define WRONG		0x44200
#define ROUNDS		0x44300
#define STOP		0x44400

#define MSR_TSC		0x10
#define MSR_TSC_ADJUST	0x3b
#define MSR_WALL	0x4b564d00
#define MSR_TIME	0x4b564d01
#define MSR_STEAL	0x4b564d03
#define STABLE		1
#define STOPPED		2
#define ALL_FLAGS	(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)
#define SECOND		1000000000ULL
#define MEMORY_END	MEM_SIZE
#define READS		2000
#define STARVE_NS	(SECOND / 5)
#define TSC_CTRL	0
#define TSC_OFFSET	0

struct time_page {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc;
	uint64_t ns;
	uint32_t mul;
	int8_t shift;
	uint8_t flags;
	uint8_t pad[2];
};

/*
 * code_time: RDI is the page; the time comes back in RAX.  code_clock reads it
 * once, code_clocks RSI times: each must not be less than what was in SHARED
 * before, whoever put it there.
 */
GUEST(code_clock,
	"call code_time\n"
	"mov %rax, " STR(RESULT) "\n"
	"jmp rt_done\n"
	"code_time:\n"
	"mov (%rdi), %r8d\n"
	"test $1, %r8d\n"
	"jnz code_time\n"
	"lfence\n"
	"rdtsc\n"
	"shl $32, %rdx\n"
	"or %rdx, %rax\n"
	"sub 8(%rdi), %rax\n"
	"movsbl 28(%rdi), %ecx\n"
	"test %ecx, %ecx\n"
	"js 1f\n"
	"shl %cl, %rax\n"
	"jmp 2f\n"
	"1: neg %ecx\n"
	"shr %cl, %rax\n"
	"2: mov 24(%rdi), %edx\n"
	"mul %rdx\n"
	"shrd $32, %rdx, %rax\n"
	"add 16(%rdi), %rax\n"
	"cmp (%rdi), %r8d\n"
	"jne code_time\n"
	"ret\n"
	"code_clocks:\n"
	"mov " STR(SHARED) ", %rbx\n"
	"call code_time\n"
	"cmp %rbx, %rax\n"
	"jae 1f\n"
	"lock incq " STR(WRONG) "\n"
	"1: mov %rax, " STR(SHARED) "\n"
	"lock incq " STR(ROUNDS) "\n"
	"dec %rsi\n"
	"jnz code_clocks\n"
	"jmp rt_done");
LABEL(code_clocks);

GUEST(code_tsc,
	"rdtsc\n"
	"shl $32, %rdx\n"
	"or %rdx, %rax\n"
	"mov %rax, " STR(RESULT) "\n"
	"jmp rt_done");

GUEST(code_wrmsr, "wrmsr\njmp rt_done");
GUEST(code_rdmsr, "rdmsr\njmp rt_done");

/* Runs until it is told to stop. */
GUEST(code_spin,
	"lock incq " STR(ROUNDS) "\n"
	"pause\n"
	"cmpb $0, " STR(STOP) "\n"
	"je code_spin\n"
	"jmp rt_done");

FIXTURE(clock) {
	struct vm vm[1];
	struct vm second;		/* the same VM, with another vCPU */
};

FIXTURE_SETUP(clock)
{
	VM_SETUP(self->vm, 0);
	self->second = (struct vm){ .vcpu = -1 };
	if (kvm_check(self->vm->fd, KVM_CAP_ADJUST_CLOCK) <= 0)
		SKIP(_exit(255), "no kvmclock");
}

FIXTURE_TEARDOWN(clock)
{
	if (self->second.vcpu >= 0) {
		munmap(self->second.run, self->second.run_size);
		close(self->second.vcpu);
	}
	vm_destroy(self->vm);
}

/* A second vCPU in the state of the first. */
static int add_vcpu(struct vm *vm, struct vm *second)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid;
	struct kvm_sregs sregs;

	*second = *vm;
	second->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 1L);
	if (second->vcpu < 0)
		return -errno;
	second->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, second->vcpu,
			   0);
	if (second->run == MAP_FAILED)
		return -errno;
	cpuid.head.nent = 256;
	return vcpu_ioctl(vm, KVM_GET_CPUID2, &cpuid) ?:
	       vcpu_ioctl(second, KVM_SET_CPUID2, &cpuid) ?:
	       vcpu_ioctl(vm, KVM_GET_SREGS, &sregs) ?:
	       vcpu_ioctl(second, KVM_SET_SREGS, &sregs);
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

static uint64_t get_msr(struct vm *vm, uint32_t index)
{
	struct one_msr msr = { .head.nmsrs = 1, .entry.index = index };

	return vcpu_ioctl(vm, KVM_GET_MSRS, &msr) == 1 ? msr.entry.data : ~0ULL;
}

static int set_msr(struct vm *vm, uint32_t index, uint64_t value)
{
	struct one_msr msr = {
		.head.nmsrs = 1, .entry.index = index, .entry.data = value,
	};

	return vcpu_ioctl(vm, KVM_SET_MSRS, &msr);
}

/* rdi, rsi: what the code is given; vCPUs have stacks of their own. */
static void start(struct vm *vm, uint64_t code, uint64_t rdi, uint64_t rsi)
{
	struct kvm_regs regs = {
		.rip = code, .rflags = RFLAGS_FIXED | RFLAGS_IF, .rdi = rdi, .rsi = rsi,
		.rsp = rdi == PAGE1 ? STACK_TOP - 0x800 : STACK_TOP,
	};

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
}

static void start_msr(struct vm *vm, uint64_t code, uint32_t index, uint64_t value)
{
	struct kvm_regs regs = {
		.rip = code, .rflags = RFLAGS_FIXED, .rsp = STACK_TOP, .rcx = index,
		.rax = (uint32_t)value, .rdx = value >> 32,
	};

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
}

static volatile struct time_page *time_page(struct vm *vm, uint64_t page)
{
	return (volatile struct time_page *)(vm->mem + page);
}

static volatile uint64_t *word(struct vm *vm, uint64_t address)
{
	return (volatile uint64_t *)(vm->mem + address);
}

/* What the guest reads; 0 if it does not come to that. */
static uint64_t guest_clock(struct vm *vm, uint64_t page)
{
	*word(vm, RESULT) = 0;
	start(vm, GA(code_clock), page, 0);
	return vm_run_out(vm) == PORT_DONE ? *word(vm, RESULT) : 0;
}

static uint64_t guest_tsc(struct vm *vm)
{
	*word(vm, RESULT) = 0;
	start(vm, GA(code_tsc), 0, 0);
	return vm_run_out(vm) == PORT_DONE ? *word(vm, RESULT) : 0;
}

static struct kvm_clock_data get_clock(struct vm *vm)
{
	struct kvm_clock_data data = { .clock = ~0ULL };

	vm_ioctl(vm, KVM_GET_CLOCK, &data);
	return data;
}

static int set_clock(struct vm *vm, uint64_t ns, uint32_t flags, uint64_t realtime)
{
	struct kvm_clock_data data = { .clock = ns, .flags = flags, .realtime = realtime };

	return vm_ioctl(vm, KVM_SET_CLOCK, &data);
}

static uint64_t real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

static uint32_t features(struct vm *vm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };

	if (ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid))
		return 0;
	for (unsigned int i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entries[i].function == KVM_CPUID_FEATURES)
			return cpuid.entries[i].eax;
	return 0;
}

/* The guest's reading lies between two of KVM_GET_CLOCK's. */
#define EXPECT_IN_STEP(vm, page)						\
do {										\
	struct kvm_clock_data before_ = get_clock(vm);				\
	uint64_t guest_ = guest_clock(vm, page);				\
	struct kvm_clock_data after_ = get_clock(vm);				\
										\
	EXPECT_LE(before_.clock, guest_);					\
	EXPECT_LE(guest_, after_.clock);					\
	EXPECT_LT(after_.clock - before_.clock, SECOND);			\
} while (0)

TEST_F(clock, is_offered)
{
	const uint32_t want = 1 << KVM_FEATURE_CLOCKSOURCE | 1 << KVM_FEATURE_CLOCKSOURCE2 |
			      1 << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT |
			      1 << KVM_FEATURE_STEAL_TIME;

	EXPECT_EQ(want, features(self->vm) & want);
	EXPECT_EQ(ALL_FLAGS, kvm_check(self->vm->fd, KVM_CAP_ADJUST_CLOCK));
	EXPECT_EQ(1, kvm_check(self->vm->fd, KVM_CAP_KVMCLOCK_CTRL));
	EXPECT_EQ(1, kvm_check(self->vm->fd, KVM_CAP_VCPU_ATTRIBUTES));
	EXPECT_EQ(1, kvm_check(self->vm->fd, KVM_CAP_STEAL_TIME));
}

TEST_F(clock, msrs_are_to_be_saved)
{
	static const uint32_t wanted[] = { 0x11, 0x12, MSR_WALL, MSR_TIME, MSR_STEAL };
	struct {
		struct kvm_msr_list head;
		uint32_t indices[2048];
	} list = { .head.nmsrs = 2048 };

	ASSERT_EQ(0, ioctl(self->vm->kvm, KVM_GET_MSR_INDEX_LIST, &list));
	for (unsigned int i = 0; i < ARRAY_SIZE(wanted); i++) {
		unsigned int at = 0;

		while (at < list.head.nmsrs && list.indices[at] != wanted[i])
			at++;
		EXPECT_LT(at, list.head.nmsrs) {
			TH_LOG("MSR %#x", wanted[i]);
		}
		EXPECT_EQ(0ULL, get_msr(self->vm, wanted[i]));
	}
}

/* The old numbers and the new ones are the same registers. */
TEST_F(clock, msrs_are_kept)
{
	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	EXPECT_EQ(PAGE0 | 1ULL, get_msr(self->vm, 0x12));
	ASSERT_EQ(1, set_msr(self->vm, 0x12, 0));
	EXPECT_EQ(0ULL, get_msr(self->vm, MSR_TIME));
	ASSERT_EQ(1, set_msr(self->vm, 0x11, WALL));
	EXPECT_EQ((uint64_t)WALL, get_msr(self->vm, MSR_WALL));
	ASSERT_EQ(1, set_msr(self->vm, MSR_STEAL, STEAL | 1));
	EXPECT_EQ(STEAL | 1ULL, get_msr(self->vm, MSR_STEAL));
	EXPECT_EQ(0, set_msr(self->vm, MSR_STEAL, STEAL | 3));
	EXPECT_EQ(STEAL | 1ULL, get_msr(self->vm, MSR_STEAL));
	EXPECT_EQ(1, set_msr(self->vm, MSR_STEAL, 0));
}

/* A page where there is no memory, or not all of it: the guest's own fault, and nobody else's. */
TEST_F(clock, pages_without_memory)
{
	static const uint64_t at[] = {
		0x100000000, 0xfffffffffffc, ~3ULL, MEMORY_END - 16, 0x8000000000000000,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++) {
		start_msr(self->vm, GA(code_wrmsr), MSR_TIME, at[i] | 1);
		ASSERT_OUT(self->vm, PORT_DONE);
		start_msr(self->vm, GA(code_wrmsr), MSR_STEAL, (at[i] & ~63ULL) | 1);
		ASSERT_OUT(self->vm, PORT_DONE);
		start_msr(self->vm, GA(code_wrmsr), MSR_WALL, at[i]);
		ASSERT_OUT(self->vm, PORT_DONE);
	}
	ASSERT_EVENTS(self->vm, 0);
	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	EXPECT_IN_STEP(self->vm, PAGE0);
}

TEST_F(clock, page)
{
	long khz = ioctl(self->vm->vcpu, KVM_GET_TSC_KHZ, 0L);
	volatile struct time_page *page = time_page(self->vm, PAGE0);
	double ns_per_tick;

	page->version = 7;
	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(0U, page->version & 1);
	EXPECT_LT(7U, page->version);
	EXPECT_EQ(!!(get_clock(self->vm).flags & KVM_CLOCK_TSC_STABLE), page->flags & STABLE);
	ns_per_tick = page->mul / 4294967296.0;
	for (int i = 0; i < page->shift; i++)
		ns_per_tick *= 2;
	for (int i = 0; i > page->shift; i--)
		ns_per_tick /= 2;
	EXPECT_LT(999.0, ns_per_tick * khz / 1000);
	EXPECT_GT(1001.0, ns_per_tick * khz / 1000);
}

/* Switched off, the page is the guest's alone. */
TEST_F(clock, page_is_left_alone)
{
	volatile struct time_page *page = time_page(self->vm, PAGE0);

	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	ASSERT_SETTLED(self->vm);
	ASSERT_NE(0ULL, page->tsc);
	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0));
	page->tsc = page->ns = 0x1234;
	ASSERT_EQ(0, set_clock(self->vm, 5 * SECOND, 0, 0));
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(0x1234ULL, page->tsc);
	EXPECT_EQ(0x1234ULL, page->ns);
}

TEST_F(clock, never_goes_back)
{
	struct kvm_clock_data before, after;

	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	before = get_clock(self->vm);
	start(self->vm, GA(code_clocks), PAGE0, READS);
	ASSERT_OUT(self->vm, PORT_DONE);
	after = get_clock(self->vm);
	EXPECT_EQ(0ULL, *word(self->vm, WRONG));
	EXPECT_EQ((uint64_t)READS, *word(self->vm, ROUNDS));
	EXPECT_LE(before.clock, *word(self->vm, SHARED));
	EXPECT_LE(*word(self->vm, SHARED), after.clock);
	for (int i = 0; i < 100; i++)
		EXPECT_IN_STEP(self->vm, PAGE0);
}

/* It runs as fast as the host's. */
TEST_F(clock, rate)
{
	struct kvm_clock_data before, after;
	uint64_t guest, host;

	ASSERT_EQ(0, set_clock(self->vm, SECOND, 0, 0));
	before = get_clock(self->vm);
	usleep(300000);
	after = get_clock(self->vm);
	ASSERT_NE(0U, before.flags & KVM_CLOCK_REALTIME);
	guest = after.clock - before.clock;
	host = after.realtime - before.realtime;
	EXPECT_LT(host - host / 200, guest);
	EXPECT_GT(host + host / 200, guest);
	if (before.flags & after.flags & KVM_CLOCK_HOST_TSC)
		EXPECT_LT(before.host_tsc, after.host_tsc);
}

TEST_F(clock, get)
{
	struct kvm_clock_data data;
	uint64_t before = real_ns();

	/* Linux does not say it of a clock that nobody has looked at */
	ASSERT_EQ(0, set_clock(self->vm, SECOND, 0, 0));
	memset(&data, 0xff, sizeof(data));
	ASSERT_EQ(0, vm_ioctl(self->vm, KVM_GET_CLOCK, &data));
	EXPECT_EQ(0U, data.flags & ~ALL_FLAGS);
	EXPECT_EQ(0U, data.pad0 | data.pad[0] | data.pad[3]);
	ASSERT_NE(0U, data.flags & KVM_CLOCK_REALTIME);
	EXPECT_LE(before, data.realtime);
	EXPECT_LE(data.realtime, real_ns());
	EXPECT_EQ(!!(data.flags & KVM_CLOCK_HOST_TSC), !!data.host_tsc);
}

TEST_F(clock, set)
{
	static const uint64_t times[] = { 1000 * SECOND, 0, 77, 4 * SECOND, 1ULL << 62 };

	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	for (unsigned int i = 0; i < ARRAY_SIZE(times); i++) {
		uint64_t guest;

		ASSERT_EQ(0, set_clock(self->vm, times[i], 0, 0));
		guest = guest_clock(self->vm, PAGE0);
		EXPECT_LE(times[i], guest);
		EXPECT_GT(times[i] + SECOND, guest);
		EXPECT_IN_STEP(self->vm, PAGE0);
	}
}

/* What has gone by since the clock was read is added, unless it was read in the future. */
TEST_F(clock, set_with_real_time)
{
	uint64_t now, then = real_ns() - 100 * SECOND;

	ASSERT_EQ(0, set_clock(self->vm, 10 * SECOND, KVM_CLOCK_REALTIME, then));
	now = get_clock(self->vm).clock;
	EXPECT_LE(110 * SECOND, now);
	EXPECT_GT(111 * SECOND, now);
	then = real_ns() + 100 * SECOND;
	ASSERT_EQ(0, set_clock(self->vm, 10 * SECOND, KVM_CLOCK_REALTIME, then));
	now = get_clock(self->vm).clock;
	EXPECT_LE(10 * SECOND, now);
	EXPECT_GT(11 * SECOND, now);
}

TEST_F(clock, set_refused)
{
	uint64_t now;

	ASSERT_EQ(0, set_clock(self->vm, 10 * SECOND, ALL_FLAGS & ~KVM_CLOCK_REALTIME, 0));
	EXPECT_EQ(-EINVAL, set_clock(self->vm, 500 * SECOND, 1, 0));
	EXPECT_EQ(-EINVAL, set_clock(self->vm, 500 * SECOND, 1U << 31, 0));
	EXPECT_EQ(-EFAULT, vm_ioctl(self->vm, KVM_SET_CLOCK, NULL));
	EXPECT_EQ(-EFAULT, vm_ioctl(self->vm, KVM_GET_CLOCK, NULL));
	now = get_clock(self->vm).clock;
	EXPECT_LE(10 * SECOND, now);
	EXPECT_GT(12 * SECOND, now);
}

/* The guest clears the flag; until it does, it stays. */
TEST_F(clock, paused)
{
	volatile struct time_page *page = time_page(self->vm, PAGE0);

	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_KVMCLOCK_CTRL, NULL));
	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(0, page->flags & STOPPED);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_KVMCLOCK_CTRL, NULL));
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(STOPPED, page->flags & STOPPED);
	ASSERT_EQ(0, set_clock(self->vm, SECOND, 0, 0));
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(STOPPED, page->flags & STOPPED);
	page->flags &= ~STOPPED;
	ASSERT_EQ(0, set_clock(self->vm, SECOND, 0, 0));
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(0, page->flags & STOPPED);
}

TEST_F(clock, wall_clock)
{
	volatile uint32_t *wall = (volatile uint32_t *)(self->vm->mem + WALL);
	struct kvm_clock_data now;
	int64_t birth, seen;

	wall[0] = 4;
	start_msr(self->vm, GA(code_wrmsr), MSR_WALL, WALL);
	ASSERT_OUT(self->vm, PORT_DONE);
	now = get_clock(self->vm);
	birth = now.realtime - now.clock;
	seen = wall[1] * SECOND + wall[2];
	EXPECT_LT(4U, wall[0]);
	EXPECT_EQ(0U, wall[0] & 1);
	EXPECT_LT(wall[2], SECOND);
	EXPECT_LT(llabs(seen - birth), 100000000LL);
}

/* The kernel's writes to a page are in the log of dirty pages like the guest's. */
TEST_F(clock, page_is_dirty)
{
	uint64_t bitmap[MEM_SIZE / 4096 / 64] = { };
	struct kvm_dirty_log log = { .dirty_bitmap = bitmap };

	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	ASSERT_SETTLED(self->vm);
	ASSERT_EQ(0, vm_slot(self->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, self->vm->mem));
	ASSERT_EQ(0, vm_ioctl(self->vm, KVM_GET_DIRTY_LOG, &log));
	ASSERT_SETTLED(self->vm);
	ASSERT_EQ(0, vm_ioctl(self->vm, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(0ULL, bitmap[PAGE0 >> 18] & 1ULL << (PAGE0 >> 12 & 63));
	ASSERT_EQ(0, set_clock(self->vm, SECOND, 0, 0));
	ASSERT_SETTLED(self->vm);
	ASSERT_EQ(0, vm_ioctl(self->vm, KVM_GET_DIRTY_LOG, &log));
	EXPECT_NE(0ULL, bitmap[PAGE0 >> 18] & 1ULL << (PAGE0 >> 12 & 63));
}

/* Registers and clock taken to another VM, with the memory: time goes on. */
TEST_F(clock, save_and_restore)
{
	struct kvm_clock_data saved;
	uint64_t msr, guest;

	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	ASSERT_EQ(0, set_clock(self->vm, 500 * SECOND, 0, 0));
	guest = guest_clock(self->vm, PAGE0);
	EXPECT_LE(500 * SECOND, guest);
	saved = get_clock(self->vm);
	msr = get_msr(self->vm, MSR_TIME);
	ASSERT_EQ(0, vm_move(self->vm));
	EXPECT_EQ(0ULL, get_msr(self->vm, MSR_TIME));
	EXPECT_GT(400 * SECOND, get_clock(self->vm).clock);
	ASSERT_EQ(0, set_clock(self->vm, saved.clock, 0, 0));
	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, msr));
	EXPECT_LE(saved.clock, guest_clock(self->vm, PAGE0));
	EXPECT_GT(saved.clock + 2 * SECOND, guest_clock(self->vm, PAGE0));
	EXPECT_IN_STEP(self->vm, PAGE0);
}

/* Only what CPUID tells of, if userspace says so. */
TEST_F(clock, enforced_by_cpuid)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 },
	};
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };

	NEED_CAP(self->vm, KVM_CAP_ENFORCE_PV_FEATURE_CPUID);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_CPUID2, &cpuid));
	for (unsigned int i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entries[i].function == KVM_CPUID_FEATURES)
			cpuid.entries[i].eax = 1 << KVM_FEATURE_CLOCKSOURCE2;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_CPUID2, &cpuid));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_ENABLE_CAP, &cap));
	handler_skip(self->vm, 13, 2);
	start_msr(self->vm, GA(code_wrmsr), MSR_TIME, PAGE0 | 1);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EVENTS(self->vm, 0);
	start_msr(self->vm, GA(code_rdmsr), 0x12, 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EVENTS(self->vm, 1);
	start_msr(self->vm, GA(code_wrmsr), MSR_STEAL, 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EVENTS(self->vm, 2);
	EXPECT_EVENT(self->vm, 1, 13, 0, GA(code_wrmsr));
}

/* Reserved bits. */
TEST_F(clock, bad_steal_page_is_gp)
{
	handler_skip(self->vm, 13, 2);
	start_msr(self->vm, GA(code_wrmsr), MSR_STEAL, STEAL | 3);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EVENTS(self->vm, 1);
	EXPECT_EVENT(self->vm, 0, 13, 0, GA(code_wrmsr));
}

/*
 * The TSC
 */

static int tsc_offset(struct vm *vm, unsigned long request, uint64_t *offset)
{
	struct kvm_device_attr attr = {
		.group = TSC_CTRL, .attr = TSC_OFFSET, .addr = (uintptr_t)offset,
	};

	return vcpu_ioctl(vm, request, &attr);
}

static uint64_t get_offset(struct vm *vm)
{
	uint64_t offset = 0xdead;

	tsc_offset(vm, KVM_GET_DEVICE_ATTR, &offset);
	return offset;
}

static uint64_t host_tsc(void)
{
	return __builtin_ia32_rdtsc();
}

TEST_F(clock, tsc_offset)
{
	uint64_t offset, before, guest, after;

	ASSERT_EQ(0, tsc_offset(self->vm, KVM_HAS_DEVICE_ATTR, NULL));
	EXPECT_EQ(-EFAULT, tsc_offset(self->vm, KVM_GET_DEVICE_ATTR, NULL));
	EXPECT_EQ(-EFAULT, tsc_offset(self->vm, KVM_SET_DEVICE_ATTR, NULL));
	for (offset = 0; offset < 9ULL << 60; offset += 1ULL << 60) {
		ASSERT_EQ(0, tsc_offset(self->vm, KVM_SET_DEVICE_ATTR, &offset));
		EXPECT_EQ(offset, get_offset(self->vm));
		before = host_tsc();
		guest = guest_tsc(self->vm);
		after = host_tsc();
		EXPECT_LE(before + offset, guest);
		EXPECT_LE(guest, after + offset);
	}
}

/* The clock does not notice. */
TEST_F(clock, tsc_moves_and_time_does_not)
{
	uint64_t last, now, offset;

	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	last = guest_clock(self->vm, PAGE0);
	for (int i = 0; i < 20; i++) {
		offset = (uint64_t)i * 0x123456789abcdef;
		ASSERT_EQ(0, tsc_offset(self->vm, KVM_SET_DEVICE_ATTR, &offset));
		now = guest_clock(self->vm, PAGE0);
		EXPECT_LE(last, now);
		EXPECT_GT(last + SECOND, now);
		last = now;
		EXPECT_IN_STEP(self->vm, PAGE0);
	}
}

/* The guest itself moves it, in either way. */
TEST_F(clock, guest_moves_tsc)
{
	static const uint32_t msrs[] = { MSR_TSC, MSR_TSC_ADJUST };

	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	for (int i = 0; i < 10; i++) {
		start_msr(self->vm, GA(code_wrmsr), msrs[i % 2], i * 0x123456789abULL);
		ASSERT_OUT(self->vm, PORT_DONE);
		EXPECT_IN_STEP(self->vm, PAGE0);
	}
}

/* TSCs that are written one after the other are meant to go together. */
TEST_F(clock, tscs_in_step)
{
	uint64_t second = 1000ULL * ioctl(self->vm->vcpu, KVM_GET_TSC_KHZ, 0L);
	uint64_t tsc;

	ASSERT_EQ(0, add_vcpu(self->vm, &self->second));
	EXPECT_EQ(get_offset(self->vm), get_offset(&self->second));
	tsc = 1000 * second;
	ASSERT_EQ(1, set_msr(self->vm, MSR_TSC, tsc));
	EXPECT_NE(get_offset(self->vm), get_offset(&self->second));
	ASSERT_EQ(1, set_msr(&self->second, MSR_TSC, tsc + second / 3));
	EXPECT_EQ(get_offset(self->vm), get_offset(&self->second));
	ASSERT_EQ(1, set_msr(&self->second, MSR_TSC, tsc + 20 * second));
	EXPECT_NE(get_offset(self->vm), get_offset(&self->second));
	tsc = get_msr(&self->second, MSR_TSC);
	EXPECT_LE(1020 * second, tsc);
	EXPECT_GT(1022 * second, tsc);
	ASSERT_EQ(1, set_msr(&self->second, MSR_TSC, 980 * second));
	EXPECT_NE(get_offset(self->vm), get_offset(&self->second));
	EXPECT_GT(982 * second, get_msr(&self->second, MSR_TSC));
}

/* The clock is stable while they go together, and one clock all the time. */
TEST_F(clock, stable_in_step)
{
	uint64_t offset;

	ASSERT_EQ(0, add_vcpu(self->vm, &self->second));
	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	ASSERT_EQ(1, set_msr(&self->second, MSR_TIME, PAGE1 | 1));
	ASSERT_SETTLED(self->vm);
	ASSERT_EQ(0, set_clock(self->vm, SECOND, 0, 0));
	if (!(get_clock(self->vm).flags & KVM_CLOCK_TSC_STABLE))
		SKIP(return, "this host's TSC is not stable");
	EXPECT_IN_STEP(self->vm, PAGE0);
	EXPECT_IN_STEP(&self->second, PAGE1);
	EXPECT_EQ(STABLE, time_page(self->vm, PAGE0)->flags);
	EXPECT_EQ(STABLE, time_page(self->vm, PAGE1)->flags);
	EXPECT_EQ(time_page(self->vm, PAGE0)->tsc, time_page(self->vm, PAGE1)->tsc);
	offset = get_offset(self->vm) + (1ULL << 40);
	ASSERT_EQ(0, tsc_offset(self->vm, KVM_SET_DEVICE_ATTR, &offset));
	EXPECT_IN_STEP(self->vm, PAGE0);
	EXPECT_IN_STEP(&self->second, PAGE1);
	EXPECT_EQ(0U, get_clock(self->vm).flags & KVM_CLOCK_TSC_STABLE);
	EXPECT_EQ(0, time_page(self->vm, PAGE0)->flags);
	EXPECT_EQ(0, time_page(self->vm, PAGE1)->flags);
	/* Linux compares with what was set last, whose ever that is */
	offset += 1ULL << 40;
	ASSERT_EQ(0, tsc_offset(self->vm, KVM_SET_DEVICE_ATTR, &offset));
	ASSERT_EQ(0, tsc_offset(&self->second, KVM_SET_DEVICE_ATTR, &offset));
	EXPECT_IN_STEP(self->vm, PAGE0);
	EXPECT_IN_STEP(&self->second, PAGE1);
	EXPECT_EQ(STABLE, time_page(self->vm, PAGE0)->flags);
	EXPECT_EQ(STABLE, time_page(self->vm, PAGE1)->flags);
}

static void *run_thread(void *arg)
{
	struct vm *vm = arg;

	while (ioctl(vm->vcpu, KVM_RUN, 0) < 0)
		if (errno != EINTR)
			break;
	return NULL;
}

/* Both at once, while userspace makes the kernel write the pages again and again. */
TEST_F(clock, two_at_once)
{
	pthread_t threads[2];

	ASSERT_EQ(0, add_vcpu(self->vm, &self->second));
	ASSERT_EQ(1, set_msr(self->vm, MSR_TIME, PAGE0 | 1));
	ASSERT_EQ(1, set_msr(&self->second, MSR_TIME, PAGE1 | 1));
	start(self->vm, GA(code_clocks), PAGE0, 10 * READS);
	start(&self->second, GA(code_clocks), PAGE1, 10 * READS);
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, run_thread, self->vm));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, run_thread, &self->second));
	for (int i = 1; i < 20; i++) {
		uint64_t later = get_clock(self->vm).clock + SECOND * i;

		EXPECT_EQ(0, set_clock(self->vm, later, 0, 0));
		usleep(1000);
	}
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	EXPECT_EQ(KVM_EXIT_IO, self->vm->run->exit_reason);
	EXPECT_EQ(KVM_EXIT_IO, self->second.run->exit_reason);
	EXPECT_EQ(20ULL * READS, *word(self->vm, ROUNDS));
	EXPECT_EQ(0ULL, *word(self->vm, WRONG));
}

/*
 * Steal time
 */

static volatile struct kvm_steal_time *steal_page(struct vm *vm)
{
	return (volatile struct kvm_steal_time *)(vm->mem + STEAL);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

struct thief {
	struct vm *vm;
	unsigned int seen;		/* how often the vCPU was said to be preempted */
};

/* Takes the CPU from the vCPU that runs on the same; then lets the guest stop. */
static void *steal_thread(void *arg)
{
	uint64_t end = monotonic_ns() + STARVE_NS;
	struct thief *thief = arg;

	while (!*word(thief->vm, ROUNDS) || monotonic_ns() < end)
		thief->seen += steal_page(thief->vm)->preempted & 1;
	*word(thief->vm, STOP) = 1;
	return NULL;
}

static void on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

TEST_F(clock, steal_time)
{
	struct thief thief = { .vm = self->vm };
	uint64_t before;
	uint32_t version;
	pthread_t thread;

	NEED_CAP(self->vm, KVM_CAP_STEAL_TIME);
	on_one_cpu();
	ASSERT_EQ(1, set_msr(self->vm, MSR_STEAL, STEAL | 1));
	ASSERT_SETTLED(self->vm);
	before = steal_page(self->vm)->steal;
	version = steal_page(self->vm)->version;
	start(self->vm, GA(code_spin), 0, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, steal_thread, &thief));
	ASSERT_OUT(self->vm, PORT_DONE);
	pthread_join(thread, NULL);
	/* of the time that there were two of them, half */
	EXPECT_LT(before + STARVE_NS / 5, steal_page(self->vm)->steal);
	EXPECT_GT(before + 10 * STARVE_NS, steal_page(self->vm)->steal);
	EXPECT_LT(version, steal_page(self->vm)->version);
	EXPECT_EQ(0U, steal_page(self->vm)->version & 1);
	EXPECT_EQ(0U, steal_page(self->vm)->flags);
	EXPECT_LT(0U, thief.seen);
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(0, steal_page(self->vm)->preempted);
}

/* The sum is in the guest's memory, and goes on from what is there. */
TEST_F(clock, steal_time_adds)
{
	struct thief thief = { .vm = self->vm };
	pthread_t thread;

	NEED_CAP(self->vm, KVM_CAP_STEAL_TIME);
	on_one_cpu();
	steal_page(self->vm)->steal = 1000 * SECOND;
	steal_page(self->vm)->version = 5;
	ASSERT_EQ(1, set_msr(self->vm, MSR_STEAL, STEAL | 1));
	start(self->vm, GA(code_spin), 0, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, steal_thread, &thief));
	ASSERT_OUT(self->vm, PORT_DONE);
	pthread_join(thread, NULL);
	EXPECT_LT(1000 * SECOND, steal_page(self->vm)->steal);
	EXPECT_GT(1010 * SECOND, steal_page(self->vm)->steal);
	EXPECT_EQ(0U, steal_page(self->vm)->version & 1);
	EXPECT_LT(5U, steal_page(self->vm)->version);
}

TEST_HARNESS_MAIN
