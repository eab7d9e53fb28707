// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who answers the guest's RDMSR and WRMSR: KVM_X86_SET_MSR_FILTER, and the exits of
 * KVM_CAP_X86_USER_SPACE_MSR, with what is saved at them.
 */
#include <pthread.h>
#include <sys/mman.h>
#include "kvm_test.h"

#define MSR_X2APIC_ID	0x802
#define MSR_PAT		0x277
#define MSR_NONE	0x12345678
#define MSR_EFER	0xc0000080
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_CSTAR	0xc0000083
#define MSR_FS_BASE	0xc0000100

#define READ		KVM_MSR_FILTER_READ
#define WRITE		KVM_MSR_FILTER_WRITE
#define ALLOW		KVM_MSR_FILTER_DEFAULT_ALLOW
#define DENY		KVM_MSR_FILTER_DEFAULT_DENY
#define INVAL		KVM_MSR_EXIT_REASON_INVAL
#define UNKNOWN		KVM_MSR_EXIT_REASON_UNKNOWN
#define FILTER		KVM_MSR_EXIT_REASON_FILTER
#define LARGEST		(8 * KVM_MSR_FILTER_MAX_BITMAP_SIZE)

FIXTURE(msr_filter) {
	struct vm vm[1];
};

FIXTURE_SETUP(msr_filter)
{
	VM_SETUP(self->vm, 0);
	if (kvm_check(self->vm->fd, KVM_CAP_X86_MSR_FILTER) <= 0 ||
	    kvm_check(self->vm->fd, KVM_CAP_X86_USER_SPACE_MSR) <= 0)
		SKIP(_exit(255), "no filter is offered");
	handler_skip(self->vm, 13, 2);
}

FIXTURE_TEARDOWN(msr_filter)
{
	vm_destroy(self->vm);
}

GUEST(code_write, "wrmsr\ncode_write_after:\njmp rt_done");
GUEST(code_read, "rdmsr\ncode_read_after:\njmp rt_done");
LABEL(code_write_after);
LABEL(code_read_after);

static uint8_t none[KVM_MSR_FILTER_MAX_BITMAP_SIZE], all[KVM_MSR_FILTER_MAX_BITMAP_SIZE];

static int filter(struct vm *vm, struct kvm_msr_filter *filter)
{
	return vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, filter);
}

/* One range of one MSR, which is denied; others as @flags says. */
static int filter_one(struct vm *vm, uint32_t flags, uint32_t index, uint32_t accesses)
{
	struct kvm_msr_filter one = {
		.flags = flags,
		.ranges = { { .flags = accesses, .nmsrs = 1, .base = index, .bitmap = none } },
	};

	return filter(vm, &one);
}

static int exits(struct vm *vm, uint64_t reasons)
{
	return vm_enable_cap(vm, KVM_CAP_X86_USER_SPACE_MSR, reasons);
}

static void start(struct vm *vm, uint64_t code, uint32_t index, uint64_t value)
{
	struct kvm_regs regs = {
		.rip = code, .rflags = RFLAGS_FIXED | RFLAGS_IF, .rsp = STACK_TOP, .rcx = index,
		.rax = (uint32_t)value, .rdx = value >> 32,
	};

	vm_complete(vm);
	log_clear(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
}

static uint64_t edx_eax(struct vm *vm)
{
	struct kvm_regs regs = { 0 };

	vcpu_ioctl(vm, KVM_GET_REGS, &regs);
	return regs.rdx << 32 | regs.rax;
}

/* The access goes through, or ends in #GP. */
static void expect_through(struct __test_metadata *_metadata, struct vm *vm, bool write,
			   uint32_t index, bool through)
{
	start(vm, write ? GA(code_write) : GA(code_read), index, 0);
	ASSERT_OUT(vm, PORT_DONE);
	EXPECT_EQ(!through, log_count(vm)) {
		TH_LOG("%s of %#x", write ? "write" : "read", index);
	}
	if (!through)
		EXPECT_EVENT(vm, 0, 13, 0, write ? GA(code_write) : GA(code_read));
}

#define EXPECT_READ(vm, index, through) \
	expect_through(_metadata, vm, false, index, through)
#define EXPECT_WRITE(vm, index, through) \
	expect_through(_metadata, vm, true, index, through)

/* The next exit is about an MSR, RIP at the instruction. */
static void expect_msr(struct __test_metadata *_metadata, struct vm *vm, int exit,
		       uint32_t reason, uint32_t index, uint64_t data)
{
	ASSERT_EQ(exit, vm_run(vm)) {
		TH_LOG("%s; %s", vm_why(vm), log_text(vm));
	}
	EXPECT_EQ(0, vm->run->msr.error);
	EXPECT_EQ(reason, vm->run->msr.reason);
	EXPECT_EQ(index, vm->run->msr.index);
	if (exit == KVM_EXIT_X86_WRMSR)
		EXPECT_EQ(data, vm->run->msr.data);
	EXPECT_EQ(exit == KVM_EXIT_X86_WRMSR ? GA(code_write) : GA(code_read), vm_rip(vm));
}

#define EXPECT_RDMSR(vm, reason, index) \
	expect_msr(_metadata, vm, KVM_EXIT_X86_RDMSR, reason, index, 0)
#define EXPECT_WRMSR(vm, reason, index, data) \
	expect_msr(_metadata, vm, KVM_EXIT_X86_WRMSR, reason, index, data)

/*
 * The filter by itself.
 */

/* LSTAR and its neighbours are the guest's own where nobody filters. */
TEST_F(msr_filter, denied_access_is_gp)
{
	EXPECT_READ(self->vm, MSR_LSTAR, true);
	ASSERT_EQ(0, filter_one(self->vm, ALLOW, MSR_LSTAR, READ | WRITE));
	EXPECT_READ(self->vm, MSR_LSTAR, false);
	EXPECT_WRITE(self->vm, MSR_LSTAR, false);
	EXPECT_READ(self->vm, MSR_STAR, true);
	EXPECT_WRITE(self->vm, MSR_CSTAR, true);
	ASSERT_EQ(0, filter_one(self->vm, ALLOW, MSR_PAT, READ | WRITE));
	EXPECT_READ(self->vm, MSR_PAT, false);
	EXPECT_READ(self->vm, MSR_LSTAR, true);
}

TEST_F(msr_filter, reads_and_writes_apart)
{
	ASSERT_EQ(0, filter_one(self->vm, ALLOW, MSR_FS_BASE, READ));
	EXPECT_READ(self->vm, MSR_FS_BASE, false);
	EXPECT_WRITE(self->vm, MSR_FS_BASE, true);
	ASSERT_EQ(0, filter_one(self->vm, ALLOW, MSR_FS_BASE, WRITE));
	EXPECT_READ(self->vm, MSR_FS_BASE, true);
	EXPECT_WRITE(self->vm, MSR_FS_BASE, false);
}

TEST_F(msr_filter, denied_unless_listed)
{
	uint8_t bits[1] = { 1 << 2 };		/* LSTAR, of the MSRs from EFER on */
	struct kvm_msr_filter list = {
		.flags = DENY,
		.ranges[7] = { .flags = READ, .nmsrs = 8, .base = MSR_EFER, .bitmap = bits },
	};

	ASSERT_EQ(0, filter(self->vm, &list));
	EXPECT_READ(self->vm, MSR_LSTAR, true);
	EXPECT_WRITE(self->vm, MSR_LSTAR, false);
	EXPECT_READ(self->vm, MSR_STAR, false);
	EXPECT_READ(self->vm, MSR_CSTAR, false);
	EXPECT_READ(self->vm, MSR_PAT, false);
	EXPECT_READ(self->vm, MSR_FS_BASE, false);
}

/* What userspace does is not filtered. */
TEST_F(msr_filter, userspace_is_free)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1, .entry.index = MSR_LSTAR, .entry.data = 0x1000 };

	ASSERT_EQ(0, filter_one(self->vm, DENY, MSR_LSTAR, READ | WRITE));
	EXPECT_EQ(1, vcpu_ioctl(self->vm, KVM_SET_MSRS, &one));
	EXPECT_EQ(1, vcpu_ioctl(self->vm, KVM_GET_MSRS, &one));
	EXPECT_EQ(0x1000ULL, one.entry.data);
}

/* The first and the last MSR of the largest range, and those beside it. */
TEST_F(msr_filter, largest_range)
{
	struct kvm_msr_filter large = {
		.flags = ALLOW,
		.ranges = { { .flags = READ, .nmsrs = LARGEST, .bitmap = none } },
	};

	large.ranges[0].base = MSR_LSTAR - LARGEST + 1;
	ASSERT_EQ(0, filter(self->vm, &large));
	EXPECT_READ(self->vm, MSR_LSTAR, false);
	EXPECT_READ(self->vm, MSR_CSTAR, true);
	large.ranges[0].base = MSR_LSTAR;
	ASSERT_EQ(0, filter(self->vm, &large));
	EXPECT_READ(self->vm, MSR_STAR, true);
	EXPECT_READ(self->vm, MSR_LSTAR, false);
}

TEST_F(msr_filter, sixteen_ranges)
{
	struct kvm_msr_filter many = { .flags = DENY };
	unsigned int i;

	memset(all, 0xff, sizeof(all));
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		many.ranges[i] = (struct kvm_msr_filter_range){
			.flags = READ, .nmsrs = 1, .base = MSR_NONE + i, .bitmap = all,
		};
	many.ranges[15].base = MSR_LSTAR;
	ASSERT_EQ(0, filter(self->vm, &many));
	EXPECT_READ(self->vm, MSR_LSTAR, true);
	EXPECT_READ(self->vm, MSR_STAR, false);
}

/* An empty one takes the filter away. */
TEST_F(msr_filter, taken_away)
{
	struct kvm_msr_filter empty = { .flags = ALLOW };

	ASSERT_EQ(0, filter_one(self->vm, DENY, MSR_NONE, READ));
	EXPECT_READ(self->vm, MSR_LSTAR, false);
	ASSERT_EQ(0, filter(self->vm, &empty));
	EXPECT_READ(self->vm, MSR_LSTAR, true);
	EXPECT_WRITE(self->vm, MSR_LSTAR, true);
}

/* A vCPU that is made after its filter. */
TEST_F(msr_filter, before_the_vcpu)
{
	struct vm *vm = self->vm;
	struct kvm_sregs sregs;

	ASSERT_EQ(0, filter_one(vm, ALLOW, MSR_LSTAR, READ));
	ASSERT_EQ(0, munmap(vm->run, vm->run_size));
	ASSERT_EQ(0, close(vm->vcpu));
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 1L);
	ASSERT_LE(0, vm->vcpu);
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	ASSERT_NE(MAP_FAILED, (void *)vm->run);
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_SREGS, &sregs));
	long_mode_sregs(&sregs);
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_SREGS, &sregs));
	EXPECT_READ(vm, MSR_LSTAR, false);
	EXPECT_READ(vm, MSR_CSTAR, true);
}

TEST_F(msr_filter, x2apic_is_never_filtered)
{
	ASSERT_EQ(0, filter_one(self->vm, DENY, MSR_X2APIC_ID, READ));
	ASSERT_EQ(0, exits(self->vm, FILTER));
	EXPECT_READ(self->vm, MSR_X2APIC_ID, false);
	start(self->vm, GA(code_read), MSR_X2APIC_ID - 3, 0);
	EXPECT_RDMSR(self->vm, FILTER, MSR_X2APIC_ID - 3);
}

/* Refused, and the filter that was there goes on. */
TEST_F(msr_filter, refused)
{
	static const struct kvm_msr_filter good = {
		.flags = ALLOW,
		.ranges = { { .flags = READ, .nmsrs = 8, .base = 0x10, .bitmap = none } },
	};
	struct kvm_msr_filter bad;

#define REFUSED(error, field, value)			\
do {							\
	bad = good;					\
	bad.field = value;				\
	EXPECT_EQ(-error, filter(self->vm, &bad)) {	\
		TH_LOG(#field " " #value);		\
	}						\
} while (0)

	ASSERT_EQ(0, filter_one(self->vm, ALLOW, MSR_LSTAR, READ));
	REFUSED(EINVAL, flags, 2);
	REFUSED(EINVAL, flags, 1U << 31);
	REFUSED(EINVAL, ranges[0].flags, 0);
	REFUSED(EINVAL, ranges[0].flags, 4);
	REFUSED(EINVAL, ranges[0].nmsrs, LARGEST + 1);
	REFUSED(EINVAL, ranges[0].nmsrs, ~0U);
	REFUSED(EFAULT, ranges[0].bitmap, (void *)8);
	REFUSED(EFAULT, ranges[0].bitmap, NULL);
	REFUSED(EINVAL, ranges[15].nmsrs, LARGEST + 1);
	bad = (struct kvm_msr_filter){ .flags = DENY };
	EXPECT_EQ(-EINVAL, filter(self->vm, &bad));
	EXPECT_EQ(-EFAULT, filter(self->vm, NULL));
	EXPECT_EQ(-EINVAL, exits(self->vm, 8));
	EXPECT_EQ(-EINVAL, exits(self->vm, 1ULL << 32));
	EXPECT_READ(self->vm, MSR_LSTAR, false);
	EXPECT_READ(self->vm, MSR_CSTAR, true);
}

GUEST(code_read_on,
	"code_read_on_again:\n"
	"incl " STR(DATA) "\n"
	"rdmsr\n"
	"jmp code_read_on_again");

static void *run(void *arg)
{
	vm_run(arg);
	return NULL;
}

/* A guest that needs no exit notices the new filter. */
TEST_F(msr_filter, while_the_guest_runs)
{
	volatile uint32_t *count = (void *)(self->vm->mem + DATA);
	pthread_t thread;

	ASSERT_EQ(0, exits(self->vm, FILTER));
	start(self->vm, GA(code_read_on), MSR_LSTAR, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run, self->vm));
	while (*count < 10)
		usleep(100);
	ASSERT_EQ(0, filter_one(self->vm, ALLOW, MSR_LSTAR, READ));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ((unsigned int)KVM_EXIT_X86_RDMSR, self->vm->run->exit_reason);
	EXPECT_EQ((unsigned int)MSR_LSTAR, self->vm->run->msr.index);
}

/*
 * Userspace is asked.
 */

static const struct {
	uint32_t index;
	uint64_t value;
	uint32_t reason;
} asked[] = {
	{ MSR_NONE, 0x1122334455667788, UNKNOWN },
	{ MSR_PAT, 0x0202020202020202, INVAL },
	{ MSR_EFER, 1ULL << 40, INVAL },
	{ MSR_STAR, 0x8877665544332211, FILTER },
};

TEST_F(msr_filter, reasons)
{
	unsigned int i;

	ASSERT_EQ(0, filter_one(self->vm, ALLOW, MSR_STAR, READ | WRITE));
	for (i = 0; i < ARRAY_SIZE(asked); i++) {
		ASSERT_EQ(0, exits(self->vm, asked[i].reason));
		start(self->vm, GA(code_write), asked[i].index, asked[i].value);
		EXPECT_WRMSR(self->vm, asked[i].reason, asked[i].index, asked[i].value);
		ASSERT_OUT(self->vm, PORT_DONE);
		ASSERT_EVENTS(self->vm, 0);
		/* and not for the others */
		ASSERT_EQ(0, exits(self->vm, (INVAL | UNKNOWN | FILTER) & ~asked[i].reason));
		start(self->vm, GA(code_write), asked[i].index, asked[i].value);
		ASSERT_H(self->vm, 13, 0, GA(code_write));
	}
}

TEST_F(msr_filter, read_is_answered)
{
	ASSERT_EQ(0, exits(self->vm, UNKNOWN));
	start(self->vm, GA(code_read), MSR_NONE, ~0ULL);
	EXPECT_RDMSR(self->vm, UNKNOWN, MSR_NONE);
	self->vm->run->msr.data = 0x1122334455667788;
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0x1122334455667788ULL, edx_eax(self->vm));
	ASSERT_EVENTS(self->vm, 0);
}

TEST_F(msr_filter, refusal_is_gp)
{
	ASSERT_EQ(0, exits(self->vm, UNKNOWN));
	start(self->vm, GA(code_read), MSR_NONE, 0x99);
	EXPECT_RDMSR(self->vm, UNKNOWN, MSR_NONE);
	self->vm->run->msr.data = 0x1122334455667788;
	self->vm->run->msr.error = 1;
	ASSERT_H(self->vm, 13, 0, GA(code_read));
	start(self->vm, GA(code_write), MSR_NONE, 0x99);
	EXPECT_WRMSR(self->vm, UNKNOWN, MSR_NONE, 0x99);
	self->vm->run->msr.error = 1;
	ASSERT_H(self->vm, 13, 0, GA(code_write));
}

/* A write that userspace has seen did not happen in the kernel. */
TEST_F(msr_filter, write_is_userspaces)
{
	ASSERT_EQ(0, exits(self->vm, FILTER));
	EXPECT_WRITE(self->vm, MSR_LSTAR, true);
	ASSERT_EQ(0, filter_one(self->vm, ALLOW, MSR_LSTAR, WRITE));
	start(self->vm, GA(code_write), MSR_LSTAR, 0x1234);
	EXPECT_WRMSR(self->vm, FILTER, MSR_LSTAR, 0x1234);
	ASSERT_OUT(self->vm, PORT_DONE);
	start(self->vm, GA(code_read), MSR_LSTAR, ~0ULL);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0ULL, edx_eax(self->vm));
}

/*
 * Any instant is good.
 */

/* Moved without an answer: asked again. */
TEST_F(msr_filter, moved_unanswered)
{
	struct kvm_msr_filter deny = {
		.ranges = {
			{ .flags = READ | WRITE, .nmsrs = 8, .base = MSR_EFER, .bitmap = none },
		},
	};

	ASSERT_EQ(0, exits(self->vm, FILTER));
	ASSERT_EQ(0, filter(self->vm, &deny));
	start(self->vm, GA(code_read), MSR_LSTAR, 0);
	EXPECT_RDMSR(self->vm, FILTER, MSR_LSTAR);
	self->vm->run->msr.data = 1;
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_EQ(0, exits(self->vm, FILTER));
	ASSERT_EQ(0, filter(self->vm, &deny));
	EXPECT_RDMSR(self->vm, FILTER, MSR_LSTAR);
	self->vm->run->msr.data = 2;
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(2ULL, edx_eax(self->vm));
	start(self->vm, GA(code_write), MSR_LSTAR, 7);
	EXPECT_WRMSR(self->vm, FILTER, MSR_LSTAR, 7);
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_EQ(0, exits(self->vm, FILTER));
	ASSERT_EQ(0, filter(self->vm, &deny));
	EXPECT_WRMSR(self->vm, FILTER, MSR_LSTAR, 7);
	ASSERT_OUT(self->vm, PORT_DONE);
}

/* Finished first: over, and nobody is asked again. */
TEST_F(msr_filter, moved_completed)
{
	ASSERT_EQ(0, exits(self->vm, UNKNOWN));
	start(self->vm, GA(code_read), MSR_NONE, 0);
	EXPECT_RDMSR(self->vm, UNKNOWN, MSR_NONE);
	self->vm->run->msr.data = 0x55;
	ASSERT_EQ(0, vm_complete(self->vm));
	EXPECT_EQ(GA(code_read_after), vm_rip(self->vm));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0x55ULL, edx_eax(self->vm));
	ASSERT_EQ(0, exits(self->vm, UNKNOWN));
	start(self->vm, GA(code_write), MSR_NONE, 0x66);
	EXPECT_WRMSR(self->vm, UNKNOWN, MSR_NONE, 0x66);
	ASSERT_EQ(0, vm_complete(self->vm));
	EXPECT_EQ(GA(code_write_after), vm_rip(self->vm));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EVENTS(self->vm, 0);
}

/* A refused one is #GP in the image. */
TEST_F(msr_filter, moved_refused)
{
	ASSERT_EQ(0, exits(self->vm, UNKNOWN));
	start(self->vm, GA(code_write), MSR_NONE, 0);
	EXPECT_WRMSR(self->vm, UNKNOWN, MSR_NONE, 0);
	self->vm->run->msr.error = 1;
	ASSERT_EQ(0, vm_complete(self->vm));
	EXPECT_EQ(GA(code_write), vm_rip(self->vm));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_H(self->vm, 13, 0, GA(code_write));
}

/* Another RIP: the answer is dropped. */
TEST_F(msr_filter, rip_moved)
{
	struct kvm_regs regs;

	ASSERT_EQ(0, exits(self->vm, UNKNOWN));
	start(self->vm, GA(code_read), MSR_NONE, 0);
	EXPECT_RDMSR(self->vm, UNKNOWN, MSR_NONE);
	self->vm->run->msr.data = 0x55;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	regs.rip = GA(rt_done);
	regs.rax = 0x77;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(0x77ULL, edx_eax(self->vm));
	ASSERT_EVENTS(self->vm, 0);
}

/* A debugger's step over it ends behind it. */
TEST_F(msr_filter, stepped)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};

	ASSERT_EQ(0, exits(self->vm, UNKNOWN));
	start(self->vm, GA(code_write), MSR_NONE, 0x66);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_GUEST_DEBUG, &debug));
	EXPECT_WRMSR(self->vm, UNKNOWN, MSR_NONE, 0x66);
	ASSERT_EQ(KVM_EXIT_DEBUG, vm_run(self->vm));
	EXPECT_EQ(GA(code_write_after), self->vm->run->debug.arch.pc);
	EXPECT_EQ(GA(code_write_after), vm_rip(self->vm));
}

TEST_HARNESS_MAIN
