// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events by way of the shared page: KVM_SYNC_X86_EVENTS means the same as the
 * two ioctls, and what another thread scribbles there meanwhile does no harm.
 */
#include <pthread.h>
#include <time.h>
#include "kvm_test.h"

VM_FIXTURE(sync)

#define NEED_SYNC()							\
do {									\
	if (!(kvm_check(self->vm->fd, KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_EVENTS)) \
		SKIP(return, "events are not in the shared page");	\
} while (0)

TEST_F(sync, c19_valid_equals_get)
{
	struct kvm_run *run = self->vm->run;
	struct kvm_vcpu_events seen;

	NEED_SYNC();
	ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 1, 1)));
	memset(&run->s.regs.events, 0xa5, sizeof(seen));
	run->kvm_valid_regs = KVM_SYNC_X86_EVENTS;
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(1, seen.nmi.pending);
	EXPECT_EVENTS_EQ(&seen, &run->s.regs.events);
}

TEST_F(sync, c19_dirty_equals_set)
{
	struct kvm_run *run = self->vm->run;

	NEED_SYNC();
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	run->s.regs.events = events_payload(14, 2, 0x123456);
	run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	ASSERT_H(self->vm, 14, 2, GA(rt_done));
	EXPECT_EQ(0x123456ULL, log_at(self->vm, 0)->cr2);
	EXPECT_EQ(0ULL, run->kvm_dirty_regs);
}

TEST_F(sync, c19_pending_survives_dirty_regs)
{
	struct kvm_run *run = self->vm->run;

	NEED_SYNC();
	NEED_CAP(self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &run->s.regs.regs));
	run->s.regs.regs.rflags |= RFLAGS_IF;
	run->s.regs.events = events_exception(13, 0x18, true);
	run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS | KVM_SYNC_X86_REGS;
	ASSERT_H(self->vm, 13, 0x18, GA(rt_done));
	EXPECT_EQ(RFLAGS_IF, log_at(self->vm, 0)->rflags & RFLAGS_IF);
}

TEST_F(sync, c19_refused_as_by_set)
{
	struct kvm_run *run = self->vm->run;
	struct kvm_vcpu_events before, seen;

	NEED_SYNC();
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0x18, false)));
	ASSERT_EQ(0, events_get(self->vm, &before));
	run->s.regs.events = events_exception(32, NO_EC, false);
	run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	EXPECT_EQ(-EINVAL, vm_run(self->vm));
	run->kvm_dirty_regs = 0;
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EVENTS_EQ(&before, &seen);
}

TEST_F(sync, c19_pages_are_left_alone)
{
	struct kvm_run *run = self->vm->run;
	struct kvm_vcpu_events poison;

	NEED_SYNC();
	memset(&poison, 0xa5, sizeof(poison));
	run->s.regs.events = poison;
	run->kvm_valid_regs = 0;
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EVENTS_EQ(&poison, &run->s.regs.events);
}

struct flipper {
	struct kvm_run *run;
	volatile bool stop;
};

static void *flip(void *arg)
{
	struct flipper *flipper = arg;
	volatile uint8_t *nr = &flipper->run->s.regs.events.exception.nr;

	while (!flipper->stop) {
		*nr = 200;
		*nr = 13;
	}
	return NULL;
}

/* What one run came to: #GP taken, refused, or anything else. */
enum outcome { TAKEN, REFUSED, WRONG };

static enum outcome run_once(struct vm *vm)
{
	struct kvm_vcpu_events seen;
	int reason;

	log_clear(vm);
	vm->run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	reason = vm_run(vm);
	if (events_get(vm, &seen) || seen.exception.nr > 31)
		return WRONG;
	if (reason == -EINVAL)
		return REFUSED;
	if (reason != KVM_EXIT_IO || log_count(vm) != 1 || !log_is(vm, 0, 13, 0x18, ANY_RIP))
		return WRONG;
	return TAKEN;
}

/* Every run either takes #GP, or is refused; the vCPU never has vector 200. */
TEST_F(sync, c20_another_thread_flips_the_vector)
{
	struct kvm_run *run = self->vm->run;
	struct flipper flipper = { .run = run };
	time_t end = time(NULL) + 10;
	unsigned int count[3] = { 0 };
	pthread_t thread;

	NEED_SYNC();
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "this needs two processors");
	run->s.regs.events = events_exception(13, 0x18, false);
	ASSERT_EQ(0, pthread_create(&thread, NULL, flip, &flipper));
	while (!count[WRONG] && time(NULL) < end)
		count[run_once(self->vm)]++;
	flipper.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0U, count[WRONG]) {
		TH_LOG("after %u taken and %u refused: %s; %s", count[TAKEN], count[REFUSED],
		       vm_why(self->vm), log_text(self->vm));
	}
	EXPECT_NE(0U, count[TAKEN]);
	EXPECT_NE(0U, count[REFUSED]);
}

TEST_HARNESS_MAIN
