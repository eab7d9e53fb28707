// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_VCPU_EVENTS with input that is wrong, contradictory or odd: what is
 * refused changes nothing at all, what is accepted has one meaning.
 */
#include <pthread.h>
#include <sys/mman.h>
#include "kvm_test.h"

FIXTURE(validate) {
	struct vm vm[1];
	struct kvm_vcpu_events before;
};

/* Something of everything, for a refused call to leave alone. */
static struct kvm_vcpu_events something(void)
{
	struct kvm_vcpu_events events = events_exception(13, 0x18, false);

	events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	events.interrupt.injected = 1;
	events.interrupt.nr = 0x33;
	events.nmi.masked = 1;
	events.nmi.pending = 1;
	return events;
}

/* Something else of everything, and the same flags. */
static struct kvm_vcpu_events something_else(void)
{
	struct kvm_vcpu_events events = events_exception(12, 0x20, false);

	events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	events.interrupt.shadow = 3;
	events.nmi.injected = 1;
	return events;
}

FIXTURE_SETUP(validate)
{
	VM_SETUP(self->vm, VM_NO_PAYLOAD | VM_NO_TRIPLE_FAULT);
	ASSERT_EQ(0, events_set(self->vm, something()));
	ASSERT_EQ(0, events_get(self->vm, &self->before));
}

FIXTURE_TEARDOWN(validate)
{
	vm_destroy(self->vm);
}

/* SET gives this error, and GET the same as before. */
#define EXPECT_REFUSED(error, events)					\
do {									\
	struct kvm_vcpu_events seen_;					\
									\
	EXPECT_EQ(error, events_set(self->vm, events));			\
	ASSERT_EQ(0, events_get(self->vm, &seen_));			\
	EXPECT_EVENTS_EQ(&self->before, &seen_);			\
} while (0)

TEST_F(validate, c21_unknown_flags)
{
	struct kvm_vcpu_events events = something_else();
	unsigned int bit;

	for (bit = 6; bit < 32; bit++) {
		events.flags = something_else().flags | 1U << bit;
		EXPECT_REFUSED(-EINVAL, events);
	}
}

TEST_F(validate, c22_payload_without_capability)
{
	struct kvm_vcpu_events events = something_else();

	events.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	EXPECT_REFUSED(-EINVAL, events);
}

TEST_F(validate, c22_triple_fault_without_capability)
{
	struct kvm_vcpu_events events = something_else();

	events.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	EXPECT_REFUSED(-EINVAL, events);
}

TEST_F(validate, c23_wrong_vectors)
{
	struct kvm_vcpu_events events = something_else();
	unsigned int nr;

	for (nr = 2; nr < 256; nr = nr == 2 ? 32 : nr + 1) {
		events.exception.nr = nr;
		EXPECT_REFUSED(-EINVAL, events);
	}
}

TEST_F(validate, c23_wrong_vectors_pending)
{
	struct kvm_vcpu_events events = something_else();
	unsigned int nr;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXCEPTION_PAYLOAD, 1));
	ASSERT_EQ(0, events_get(self->vm, &self->before));
	events.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	events.exception.injected = 0;
	events.exception.pending = 1;
	for (nr = 2; nr < 256; nr = nr == 2 ? 32 : nr + 1) {
		events.exception.nr = nr;
		EXPECT_REFUSED(-EINVAL, events);
	}
}

TEST_F(validate, c23_vector_of_no_exception)
{
	struct kvm_vcpu_events events = {};
	struct kvm_vcpu_events seen;
	unsigned int nr;

	for (nr = 0; nr < 256; nr++) {
		events.exception.nr = nr;
		ASSERT_EQ(0, events_set(self->vm, events));
		ASSERT_EQ(0, events_get(self->vm, &seen));
		EXPECT_EQ(0, seen.exception.injected | seen.exception.pending);
	}
}

VM_FIXTURE(meaning)

TEST_F(meaning, c24_pending_wins)
{
	struct kvm_vcpu_events events = events_exception(13, 0x18, true), seen;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	events.exception.injected = 1;
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(0, seen.exception.injected);
	EXPECT_EQ(1, seen.exception.pending);
	ASSERT_H(self->vm, 13, 0x18, GA(rt_done));
}

TEST_F(meaning, c25_injected_has_no_payload)
{
	struct kvm_vcpu_events events = events_exception(14, 2, false), seen;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	events.flags = KVM_VCPUEVENT_VALID_PAYLOAD;
	events.exception_has_payload = 1;
	events.exception_payload = 0x1234;
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(1, seen.exception.injected);
	EXPECT_EQ(0, seen.exception_has_payload);
	ASSERT_H(self->vm, 14, 2, GA(rt_done));
	EXPECT_EQ(0ULL, log_at(self->vm, 0)->cr2);
}

/* A VMM that forgets the flag does not mean that there is no exception. */
TEST_F(meaning, c26_pending_without_flag)
{
	struct kvm_vcpu_events events = events_exception(13, 0x18, true);

	events.flags = 0;
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_H(self->vm, 13, 0x18, GA(rt_done));
	EXPECT_EQ(RFLAGS_RF, log_at(self->vm, 0)->rflags & RFLAGS_RF);
}

TEST_F(meaning, c26_pending_without_flag_has_no_payload)
{
	struct kvm_vcpu_events events = events_payload(14, 2, 0x123456);

	events.flags = 0;
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_H(self->vm, 14, 2, GA(rt_done));
	EXPECT_EQ(0ULL, log_at(self->vm, 0)->cr2);
}

TEST_F(meaning, c26_pending_without_capability)
{
	struct kvm_vcpu_events events = events_exception(13, 0x18, true);

	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXCEPTION_PAYLOAD, 0));
	events.flags = 0;
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_H(self->vm, 13, 0x18, GA(rt_done));
}

/* Both bits are what GET says of a pending one to a VMM without payloads. */
TEST_F(meaning, c26_both_bits_without_capability)
{
	struct kvm_vcpu_events events = events_exception(13, 0x18, true);

	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXCEPTION_PAYLOAD, 0));
	events.flags = 0;
	events.exception.injected = 1;
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_H(self->vm, 13, 0x18, GA(rt_done));
	EXPECT_EQ(RFLAGS_RF, log_at(self->vm, 0)->rflags & RFLAGS_RF);
}

TEST_F(meaning, c27_wide_sipi_vector)
{
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_SIPI_VECTOR, .sipi_vector = 0x100,
	}, seen;
	int err = events_set(self->vm, events);

	EXPECT_TRUE(!err || err == -EINVAL);
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(0U, seen.sipi_vector);
}

TEST_F(meaning, c28_bad_pointers)
{
	struct kvm_vcpu_events before, seen;
	char *pages = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)pages);
	ASSERT_EQ(0, munmap(pages + 0x1000, 0x1000));
	ASSERT_EQ(0, events_set(self->vm, something()));
	ASSERT_EQ(0, events_get(self->vm, &before));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_SET_VCPU_EVENTS, NULL));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_GET_VCPU_EVENTS, NULL));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_SET_VCPU_EVENTS, pages + 0x1000 - 32));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_GET_VCPU_EVENTS, pages + 0x1000 - 32));
	ASSERT_EQ(0, mprotect(pages, 0x1000, PROT_READ));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_GET_VCPU_EVENTS, pages));
	EXPECT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_VCPU_EVENTS, &before));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EVENTS_EQ(&before, &seen);
}

TEST_F(meaning, c29_smm_where_there_is_none)
{
	struct kvm_vcpu_events events, before, seen;
	unsigned int bit;

	if (kvm_check(self->vm->fd, KVM_CAP_X86_SMM))
		SKIP(return, "this kernel has SMM");
	ASSERT_EQ(0, events_set(self->vm, something()));
	ASSERT_EQ(0, events_get(self->vm, &before));
	for (bit = 0; bit < 3; bit++) {
		events = something_else();
		events.flags |= KVM_VCPUEVENT_VALID_SMM;
		events.smi.smm = bit == 0;
		events.smi.pending = bit == 1;
		events.smi.smm_inside_nmi = bit == 2;
		EXPECT_EQ(-EINVAL, events_set(self->vm, events));
		ASSERT_EQ(0, events_get(self->vm, &seen));
		EXPECT_EVENTS_EQ(&before, &seen);
	}
}

TEST_F(meaning, c29_smm_flag_with_nothing_in_it)
{
	struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_SMM };

	EXPECT_EQ(0, events_set(self->vm, events));
	ASSERT_SETTLED(self->vm);
}

/* Any value but 0 is true, and true reads 1. */
static const uint8_t truths[] = { 1, 2, 0x80, 0xff };

TEST_F(meaning, c31_truths_injected)
{
	struct kvm_vcpu_events seen;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(truths); i++) {
		struct kvm_vcpu_events events = events_exception(13, 0x18, false);

		events.exception.injected = truths[i];
		events.exception.has_error_code = truths[i];
		events.interrupt.injected = truths[i];
		events.interrupt.nr = 0x33;
		events.nmi.injected = truths[i];
		events.nmi.masked = truths[i];
		ASSERT_EQ(0, events_set(self->vm, events));
		ASSERT_EQ(0, events_get(self->vm, &seen));
		EXPECT_EQ(1, seen.exception.injected);
		EXPECT_EQ(1, seen.exception.has_error_code);
		EXPECT_EQ(1, seen.interrupt.injected);
		EXPECT_EQ(1, seen.nmi.injected);
		EXPECT_EQ(1, seen.nmi.masked);
	}
}

TEST_F(meaning, c31_truths_pending)
{
	struct kvm_vcpu_events seen;
	size_t i;

	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	for (i = 0; i < ARRAY_SIZE(truths); i++) {
		struct kvm_vcpu_events events = events_payload(14, 2, 0x1234);

		events.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
		events.exception.pending = truths[i];
		events.exception_has_payload = truths[i];
		events.triple_fault.pending = truths[i];
		ASSERT_EQ(0, events_set(self->vm, events));
		ASSERT_EQ(0, events_get(self->vm, &seen));
		EXPECT_EQ(1, seen.exception.pending);
		EXPECT_EQ(1, seen.exception_has_payload);
		EXPECT_EQ(1, seen.triple_fault.pending);
	}
}

/* A guest that stays inside, to call ioctls around. */
GUEST(busy,
	"busy_loop:\n"
	"incl " STR(DATA) "\n"
	"cmpb $0, " STR(DATA) " + 4\n"
	"je busy_loop\n"
	"jmp rt_done");

struct runner {
	struct vm *vm;
	int result;
};

static void *run_thread(void *arg)
{
	struct runner *runner = arg;

	runner->result = vcpu_ioctl(runner->vm, KVM_RUN, NULL);
	return NULL;
}

struct setter {
	struct vm *vm;
	int result;
	volatile int done;
};

static void *set_thread(void *arg)
{
	struct setter *setter = arg;

	setter->result = events_set(setter->vm, events_exception(13, 0x18, false));
	setter->done = 1;
	return NULL;
}

TEST_F(meaning, c32_waits_for_the_running_vcpu)
{
	struct runner runner = { .vm = self->vm };
	struct setter setter = { .vm = self->vm };
	volatile uint8_t *mem = self->vm->mem;
	pthread_t run, set;

	vm_start(self->vm, GA(busy), RFLAGS_IF);
	ASSERT_EQ(0, pthread_create(&run, NULL, run_thread, &runner));
	while (!mem[DATA])
		usleep(1000);
	ASSERT_EQ(0, pthread_create(&set, NULL, set_thread, &setter));
	usleep(50000);
	EXPECT_EQ(0, setter.done);
	mem[DATA + 4] = 1;
	pthread_join(run, NULL);
	pthread_join(set, NULL);
	EXPECT_EQ(0, runner.result);
	EXPECT_EQ(KVM_EXIT_IO, self->vm->run->exit_reason);
	EXPECT_EQ(0, setter.result);
	EXPECT_EQ(0U, log_count(self->vm));
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 1);
}

TEST_HARNESS_MAIN
