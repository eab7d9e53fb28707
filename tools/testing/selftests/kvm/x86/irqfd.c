// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IRQFD: eventfds that raise an interrupt, and are told of its end.
 *
 * What a line does is looked up in the PIC: its irr has seen an edge, its
 * last_irr says how the line stands.  An interrupt is ended by a guest that
 * writes an EOI, for one that KVM_SET_IRQCHIP has made in service; nothing is
 * ever delivered.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "kvm_test.h"

#define DEASSIGN	KVM_IRQFD_FLAG_DEASSIGN
#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE
#define GSI		5
#define BIT		(1 << GSI)

static int change(int vm, int fd, unsigned int gsi, uint32_t flags, int resamplefd)
{
	struct kvm_irqfd args = {
		.fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resamplefd,
	};

	return ioctl(vm, KVM_IRQFD, &args) < 0 ? -errno : 0;
}

static void signal_it(int fd)
{
	eventfd_write(fd, 1);
}

/* How often it was signalled since the last time. */
static uint64_t signals(int fd)
{
	uint64_t count;

	return eventfd_read(fd, &count) ? 0 : count;
}

/*
 * Without a controller in the kernel
 */

VM_FIXTURE(irqfd)

TEST_F(irqfd, no_controller)
{
	int fd = eventfd(0, EFD_NONBLOCK), vm = self->vm->fd;

	EXPECT_EQ(-EINVAL, change(vm, fd, GSI, 0, 0));
	EXPECT_EQ(-EINVAL, change(vm, fd, GSI, RESAMPLE, fd));
	EXPECT_EQ(-EINVAL, change(vm, fd, GSI, 1U << 2, 0));
	EXPECT_EQ(-EINVAL, change(vm, fd, GSI, 1U << 31 | DEASSIGN, 0));
	EXPECT_EQ(-EBADF, change(vm, -1, GSI, DEASSIGN, 0));
	EXPECT_EQ(-EINVAL, change(vm, vm, GSI, DEASSIGN, 0));
	EXPECT_EQ(0, change(vm, fd, GSI, DEASSIGN, 0));
	signal_it(fd);
	EXPECT_EQ(1ULL, signals(fd));
	close(fd);
}

/*
 * With one
 */

struct guest {
	int vm, vcpu;
	struct kvm_run *run;
};

FIXTURE(line) {
	int vm, fd, other, told;
	struct guest guest[1];
};

FIXTURE_SETUP(line)
{
	int kvm = kvm_open();

	if (kvm < 0 || kvm_check(kvm, KVM_CAP_IRQFD) <= 0)
		SKIP(_exit(255), "KVM_CAP_IRQFD is not offered");
	self->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, self->vm);
	ASSERT_EQ(0, ioctl(self->vm, KVM_CREATE_IRQCHIP, 0));
	self->fd = eventfd(0, EFD_NONBLOCK);
	self->other = eventfd(0, EFD_NONBLOCK);
	self->told = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, self->told);
	close(kvm);
}

FIXTURE_TEARDOWN(line)
{
	close(self->vm);
	close(self->fd);
	close(self->other);
	close(self->told);
}

static struct kvm_irqchip pic(int vm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	ioctl(vm, KVM_GET_IRQCHIP, &chip);
	return chip;
}

static bool edge_seen(int vm)
{
	return pic(vm).chip.pic.irr & BIT;
}

static bool is_high(int vm)
{
	return pic(vm).chip.pic.last_irr & BIT;
}

/* No line has moved, none is in service but, if asked for, the GSI. */
static int set_pic(int vm, bool in_service)
{
	struct kvm_irqchip chip = pic(vm);

	chip.chip.pic.irr = 0;
	chip.chip.pic.imr = 0xff;
	chip.chip.pic.isr = in_service ? BIT : 0;
	return ioctl(vm, KVM_SET_IRQCHIP, &chip);
}

/* Some of it is done behind the caller's back: give it a second. */
#define EXPECT_SOON(condition)						\
do {									\
	int tries_ = 1000;						\
									\
	while (!(condition) && --tries_)				\
		usleep(1000);						\
	EXPECT_NE(0, tries_) {						\
		TH_LOG("not within a second: " #condition);		\
	}								\
} while (0)

/* In real mode: mov $0x20, %al; out %al, $0x20; out %al, $PORT_DONE */
static const uint8_t eoi_code[] = { 0xb0, 0x20, 0xe6, 0x20, 0xe6, PORT_DONE };

static void make_guest(struct __test_metadata *_metadata, struct guest *guest, int vm)
{
	void *mem = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.memory_size = 0x1000, .userspace_addr = (unsigned long)mem,
	};
	struct kvm_sregs sregs;

	memcpy(mem, eoi_code, sizeof(eoi_code));
	ASSERT_EQ(0, ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
	guest->vm = vm;
	guest->vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, guest->vcpu);
	guest->run = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, guest->vcpu, 0);
	ASSERT_NE(MAP_FAILED, (void *)guest->run);
	ASSERT_EQ(0, ioctl(guest->vcpu, KVM_GET_SREGS, &sregs));
	sregs.cs.base = sregs.cs.selector = 0;
	ASSERT_EQ(0, ioctl(guest->vcpu, KVM_SET_SREGS, &sregs));
}

static void end_interrupt(struct __test_metadata *_metadata, struct guest *guest)
{
	struct kvm_regs regs = { .rflags = RFLAGS_FIXED };

	ASSERT_EQ(0, set_pic(guest->vm, true));
	ASSERT_EQ(0, ioctl(guest->vcpu, KVM_SET_REGS, &regs));
	ASSERT_EQ(0, ioctl(guest->vcpu, KVM_RUN, 0));
	ASSERT_EQ((unsigned int)KVM_EXIT_IO, guest->run->exit_reason);
	ASSERT_EQ(PORT_DONE, guest->run->io.port);
	/* it is done with its OUT */
	guest->run->immediate_exit = 1;
	ioctl(guest->vcpu, KVM_RUN, 0);
	guest->run->immediate_exit = 0;
	EXPECT_EQ(0, pic(guest->vm).chip.pic.isr);
}

TEST_F(line, edge)
{
	ASSERT_EQ(0, change(self->vm, self->fd, GSI, 0, 0));
	EXPECT_FALSE(edge_seen(self->vm));
	signal_it(self->fd);
	EXPECT_SOON(edge_seen(self->vm));
	EXPECT_SOON(!is_high(self->vm));
	EXPECT_EQ(0ULL, signals(self->fd));
	ASSERT_EQ(0, set_pic(self->vm, false));
	signal_it(self->fd);
	EXPECT_SOON(edge_seen(self->vm));
}

TEST_F(line, signalled_before)
{
	signal_it(self->fd);
	ASSERT_EQ(0, change(self->vm, self->fd, GSI, 0, 0));
	EXPECT_SOON(edge_seen(self->vm));
}

TEST_F(line, refused)
{
	EXPECT_EQ(-EINVAL, change(self->vm, self->fd, GSI, 1U << 2, 0));
	EXPECT_EQ(-EBADF, change(self->vm, -1, GSI, 0, 0));
	EXPECT_EQ(-EINVAL, change(self->vm, self->vm, GSI, 0, 0));
	EXPECT_EQ(-EBADF, change(self->vm, self->fd, GSI, RESAMPLE, -1));
	EXPECT_EQ(-EINVAL, change(self->vm, self->fd, GSI, RESAMPLE, self->vm));
	signal_it(self->fd);
	EXPECT_EQ(1ULL, signals(self->fd));
	EXPECT_FALSE(edge_seen(self->vm));
	/* one interrupt for an eventfd; several eventfds for an interrupt */
	EXPECT_EQ(0, change(self->vm, self->fd, GSI, 0, 0));
	EXPECT_EQ(-EBUSY, change(self->vm, self->fd, GSI, 0, 0));
	EXPECT_EQ(-EBUSY, change(self->vm, self->fd, GSI + 1, RESAMPLE, self->told));
	EXPECT_EQ(0, change(self->vm, self->other, GSI, 0, 0));
}

TEST_F(line, taken_away)
{
	ASSERT_EQ(0, change(self->vm, self->fd, GSI, 0, 0));
	EXPECT_EQ(0, change(self->vm, self->fd, GSI + 1, DEASSIGN, 0));
	EXPECT_EQ(0, change(self->vm, self->other, GSI, DEASSIGN, 0));
	signal_it(self->fd);
	EXPECT_SOON(edge_seen(self->vm));
	ASSERT_EQ(0, set_pic(self->vm, false));
	ASSERT_EQ(0, change(self->vm, self->fd, GSI, DEASSIGN, 0));
	signal_it(self->fd);
	EXPECT_FALSE(edge_seen(self->vm));
	EXPECT_EQ(1ULL, signals(self->fd));
	EXPECT_EQ(0, change(self->vm, self->fd, GSI, 0, 0));
}

/* The line stays up until the EOI; who is told of that may raise it again. */
TEST_F(line, resampled)
{
	make_guest(_metadata, self->guest, self->vm);
	ASSERT_EQ(0, change(self->vm, self->fd, GSI, RESAMPLE, self->told));
	signal_it(self->fd);
	EXPECT_SOON(is_high(self->vm));
	EXPECT_EQ(0ULL, signals(self->told));
	end_interrupt(_metadata, self->guest);
	EXPECT_FALSE(is_high(self->vm));
	EXPECT_EQ(1ULL, signals(self->told));
	signal_it(self->fd);
	EXPECT_SOON(is_high(self->vm));
}

/* A line that two share is low after the EOI, and both are told; one of another GSI is not. */
TEST_F(line, shared)
{
	int told[3] = { self->told, eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };
	int third = eventfd(0, EFD_NONBLOCK);

	make_guest(_metadata, self->guest, self->vm);
	ASSERT_EQ(0, change(self->vm, self->fd, GSI, RESAMPLE, told[0]));
	ASSERT_EQ(0, change(self->vm, self->other, GSI, RESAMPLE, told[1]));
	ASSERT_EQ(0, change(self->vm, third, GSI + 1, RESAMPLE, told[2]));
	signal_it(self->fd);
	signal_it(self->other);
	EXPECT_SOON(is_high(self->vm));
	end_interrupt(_metadata, self->guest);
	EXPECT_FALSE(is_high(self->vm));
	EXPECT_EQ(1ULL, signals(told[0]));
	EXPECT_EQ(1ULL, signals(told[1]));
	EXPECT_EQ(0ULL, signals(told[2]));
	/* the other goes on, and the last one takes the line with it */
	signal_it(self->other);
	EXPECT_SOON(is_high(self->vm));
	ASSERT_EQ(0, change(self->vm, self->fd, GSI, DEASSIGN, 0));
	EXPECT_TRUE(is_high(self->vm));
	end_interrupt(_metadata, self->guest);
	EXPECT_EQ(0ULL, signals(told[0]));
	EXPECT_EQ(1ULL, signals(told[1]));
	signal_it(self->other);
	EXPECT_SOON(is_high(self->vm));
	ASSERT_EQ(0, change(self->vm, self->other, GSI, DEASSIGN, 0));
	EXPECT_FALSE(is_high(self->vm));
}

/* An eventfd that is closed takes its line with it. */
TEST_F(line, closed)
{
	int copy = dup(self->fd);

	ASSERT_EQ(0, change(self->vm, self->fd, GSI, RESAMPLE, self->told));
	signal_it(self->fd);
	EXPECT_SOON(is_high(self->vm));
	close(self->fd);
	usleep(10000);
	EXPECT_TRUE(is_high(self->vm));
	close(copy);
	EXPECT_SOON(!is_high(self->vm));
	self->fd = eventfd(0, EFD_NONBLOCK);
}

/* A VM that goes leaves the eventfd as one like others. */
TEST_F(line, vm_closed)
{
	ASSERT_EQ(0, change(self->vm, self->fd, GSI, 0, 0));
	ASSERT_EQ(0, change(self->vm, self->other, GSI, RESAMPLE, self->told));
	close(self->vm);
	signal_it(self->fd);
	signal_it(self->other);
	EXPECT_EQ(1ULL, signals(self->fd));
	EXPECT_EQ(1ULL, signals(self->other));
	self->vm = -1;
}

static atomic_int race_fd;

static void *keep_signalling(void *unused)
{
	bool alone = sysconf(_SC_NPROCESSORS_ONLN) == 1;
	int fd;

	while ((fd = atomic_load(&race_fd)) >= 0) {
		signal_it(fd);
		if (alone)
			usleep(1000);	/* the other side's turn */
	}
	return unused;
}

/*
 * Coming, going and closing while others signal: nothing to see but that it ends.  Each end waits
 * for RCU, which on one processor of an emulator takes its time.
 */
TEST_F(line, races)
{
	time_t end = time(NULL) + 3;
	pthread_t threads[2];
	int i, fd, next;

	fd = eventfd(0, EFD_NONBLOCK);
	atomic_store(&race_fd, fd);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, keep_signalling, NULL));
	for (i = 0; i < 300 && time(NULL) < end; i++) {
		ASSERT_EQ(0, change(self->vm, fd, GSI, i % 2 ? RESAMPLE : 0, self->told));
		if (i % 3) {
			ASSERT_EQ(0, change(self->vm, fd, GSI, DEASSIGN, 0));
			continue;
		}
		next = eventfd(0, EFD_NONBLOCK);
		atomic_store(&race_fd, next);
		close(fd);
		fd = next;
	}
	atomic_store(&race_fd, -1);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	close(fd);
	EXPECT_SOON(!is_high(self->vm));
}

TEST_HARNESS_MAIN
