/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm_test.h - the one header of a test: the library in kvm_lib.h, the
 * kernel's kselftest_harness.h, and what joins them: a fixture with a VM in
 * it, and assertions on exits, on the handlers' log and on events.
 *
 * A test is one file in x86/, with VM_FIXTURE() and TEST_F().  What a kernel
 * does not offer is skipped, what it does wrong fails.
 */
#ifndef SELFTESTS_KVM_KVM_TEST_H
#define SELFTESTS_KVM_KVM_TEST_H

#include "kvm_lib.h"
#include "kselftest_harness.h"

/*
 * A fixture whose only member is the VM, so that a test says self->vm.
 * SKIP() alone does not keep the test from running after a set-up.
 */
#define VM_SETUP(vm, flags)						\
do {									\
	const char *wrong_ = NULL;					\
	int probe_ = kvm_open();					\
									\
	if (probe_ < 0)							\
		SKIP(_exit(255), "no /dev/kvm");			\
	close(probe_);							\
	wrong_ = vm_create(vm, flags);					\
	ASSERT_EQ(NULL, (void *)wrong_) {				\
		TH_LOG("%s: %s", wrong_, strerror(errno));		\
	}								\
} while (0)

#define VM_FIXTURE(name)						\
	FIXTURE(name) {							\
		struct vm vm[1];					\
	};								\
	FIXTURE_SETUP(name)						\
	{								\
		VM_SETUP(self->vm, 0);					\
	}								\
	FIXTURE_TEARDOWN(name)						\
	{								\
		vm_destroy(self->vm);					\
	}

/* A test that needs a capability of the VM begins with it. */
#define NEED_CAP(vm, cap)						\
do {									\
	if (kvm_check((vm)->fd, cap) <= 0)				\
		SKIP(return, #cap " is not offered");			\
} while (0)

/* The next exit is an OUT to this port. */
#define ASSERT_OUT(vm, port)						\
	ASSERT_EQ(port, vm_run_out(vm)) {				\
		TH_LOG("%s; %s", vm_why(vm), log_text(vm));		\
	}

/* The guest gets to PORT_DONE, and goes on doing so. */
#define ASSERT_SETTLED(vm)						\
	ASSERT_EQ(PORT_DONE, vm_run_settled(vm)) {			\
		TH_LOG("%s; %s", vm_why(vm), log_text(vm));		\
	}

#define ASSERT_EVENTS(vm, n)						\
	ASSERT_EQ((unsigned int)(n), log_count(vm)) {			\
		TH_LOG("%s", log_text(vm));				\
	}

#define EXPECT_EVENT(vm, index, vector, ec, rip)			\
	EXPECT_TRUE(log_is(vm, index, vector, ec, rip)) {		\
		TH_LOG("entry %d, wanted vector %#x ec %#llx rip %#llx; %s", (int)(index), \
		       (unsigned int)(vector), (long long)(ec),		\
		       (unsigned long long)(rip), log_text(vm));	\
	}

/* Set, carried on as the variant says, and the guest comes to its end: n handlers ran. */
#define ASSERT_CARRIED(events, n)					\
do {									\
	ASSERT_EQ(0, events_set(self->vm, events));			\
	ASSERT_EQ(0, variant->carry_on(self->vm));			\
	ASSERT_SETTLED(self->vm);					\
	ASSERT_EVENTS(self->vm, n);					\
} while (0)

/* H(v): the handler ran exactly once, and saw this. */
#define ASSERT_H(vm, vector, ec, rip)					\
do {									\
	ASSERT_SETTLED(vm);						\
	ASSERT_EVENTS(vm, 1);						\
	EXPECT_EVENT(vm, 0, vector, ec, rip);				\
} while (0)

#define ASSERT_EVENTS_EQ(want, seen)					\
	ASSERT_TRUE(events_equal(want, seen)) {				\
		TH_LOG("want %s", events_text(want));			\
		TH_LOG("seen %s", events_text(seen));			\
	}

#define EXPECT_EVENTS_EQ(want, seen)					\
	EXPECT_TRUE(events_equal(want, seen)) {				\
		TH_LOG("want %s", events_text(want));			\
		TH_LOG("seen %s", events_text(seen));			\
	}

#endif
