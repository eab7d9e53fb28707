// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IOEVENTFD: which writes of the guest signal an eventfd, which are still
 * userspace's, and what becomes of the instruction that made them.
 */
#include <sys/eventfd.h>
#include <unistd.h>
#include "kvm_test.h"

#define DATAMATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO		KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN	KVM_IOEVENTFD_FLAG_DEASSIGN
#define MANY		300
#define PLENTY		4000
#define TOO_MANY	9000

FIXTURE(ioeventfd) {
	struct vm vm[1];
	int fd, other;
};

FIXTURE_SETUP(ioeventfd)
{
	VM_SETUP(self->vm, 0);
	self->fd = eventfd(0, EFD_NONBLOCK);
	self->other = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->other);
}

FIXTURE_TEARDOWN(ioeventfd)
{
	vm_destroy(self->vm);
	close(self->fd);
	close(self->other);
}

static int change(struct vm *vm, int fd, uint64_t addr, uint32_t len, uint32_t flags,
		  uint64_t value)
{
	struct kvm_ioeventfd args = {
		.fd = fd, .addr = addr, .len = len, .flags = flags, .datamatch = value,
	};

	return vm_ioctl(vm, KVM_IOEVENTFD, &args);
}

/* How often it was signalled since the last time. */
static uint64_t signals(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

#define ASSERT_MMIO(vm, address, size, write)				\
do {									\
	ASSERT_EQ(KVM_EXIT_MMIO, vm_run(vm)) {				\
		TH_LOG("%s", vm_why(vm));				\
	}								\
	EXPECT_EQ((uint64_t)(address), (vm)->run->mmio.phys_addr);	\
	EXPECT_EQ((unsigned int)(size), (vm)->run->mmio.len);		\
	EXPECT_EQ(write, (vm)->run->mmio.is_write);			\
} while (0)

TEST_F(ioeventfd, capabilities)
{
	EXPECT_LT(0, kvm_check(self->vm->fd, KVM_CAP_IOEVENTFD));
	EXPECT_LT(0, kvm_check(self->vm->fd, KVM_CAP_IOEVENTFD_ANY_LENGTH));
	EXPECT_LT(0, kvm_check(self->vm->fd, KVM_CAP_IOEVENTFD_NO_LENGTH));
}

GUEST(code_widths,
	"mov $" STR(MMIO) ", %edi\n"
	"mov $0x1122334455667788, %rax\n"
	"mov %al, (%rdi)\n"
	"mov %ax, (%rdi)\n"
	"mov %eax, (%rdi)\n"
	"mov %rax, (%rdi)\n"
	"jmp rt_done");

/* Only the write that is as wide as was said. */
TEST_F(ioeventfd, width)
{
	static const unsigned int widths[] = { 1, 2, 4, 8 };
	unsigned int i, k;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, change(self->vm, self->fd, MMIO, widths[i], 0, 0));
		vm_start(self->vm, GA(code_widths), 0);
		for (k = 0; k < 4; k++)
			if (k != i)
				ASSERT_MMIO(self->vm, MMIO, widths[k], 1);
		ASSERT_SETTLED(self->vm);
		EXPECT_EQ(1ULL, signals(self->fd));
		ASSERT_EQ(0, change(self->vm, self->fd, MMIO, widths[i], DEASSIGN, 0));
	}
}

TEST_F(ioeventfd, any_width)
{
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO, 0, 0, 0));
	vm_start(self->vm, GA(code_widths), 0);
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(4ULL, signals(self->fd));
}

/* Each width by itself, one address. */
TEST_F(ioeventfd, all_widths)
{
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO, 1, 0, 0));
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO, 4, 0, 0));
	ASSERT_EQ(0, change(self->vm, self->other, MMIO, 8, 0, 0));
	ASSERT_EQ(0, change(self->vm, self->other, MMIO, 2, 0, 0));
	vm_start(self->vm, GA(code_widths), 0);
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(2ULL, signals(self->fd));
	EXPECT_EQ(2ULL, signals(self->other));
}

TEST_F(ioeventfd, address_is_the_first_byte)
{
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO + 1, 0, 0, 0));
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO - 1, 0, 0, 0));
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO + 4, 4, 0, 0));
	vm_start(self->vm, GA(code_widths), 0);
	ASSERT_MMIO(self->vm, MMIO, 1, 1);
	ASSERT_MMIO(self->vm, MMIO, 2, 1);
	ASSERT_MMIO(self->vm, MMIO, 4, 1);
	ASSERT_MMIO(self->vm, MMIO, 8, 1);
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(0ULL, signals(self->fd));
}

GUEST(code_values,
	"mov $" STR(MMIO) ", %edi\n"
	"movl $5, (%rdi)\n"
	"movl $6, (%rdi)\n"
	"movl $7, (%rdi)\n"
	"movl $6, (%rdi)\n"
	"jmp rt_done");

TEST_F(ioeventfd, value)
{
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO, 4, DATAMATCH, 6));
	ASSERT_EQ(0, change(self->vm, self->other, MMIO, 4, DATAMATCH, 7));
	vm_start(self->vm, GA(code_values), 0);
	ASSERT_MMIO(self->vm, MMIO, 4, 1);
	EXPECT_EQ(5, self->vm->run->mmio.data[0]);
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(2ULL, signals(self->fd));
	EXPECT_EQ(1ULL, signals(self->other));
}

/* More bytes than the write has can never be written. */
TEST_F(ioeventfd, value_wider_than_the_write)
{
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO, 4, DATAMATCH, 0x100000006));
	vm_start(self->vm, GA(code_values), 0);
	ASSERT_MMIO(self->vm, MMIO, 4, 1);
}

GUEST(code_ports,
	"mov $0x11223344, %eax\n"
	"out %al, $" STR(PORT_DATA) "\n"
	"out %ax, $" STR(PORT_DATA) "\n"
	"out %eax, $" STR(PORT_DATA) "\n"
	"mov $" STR(PORT_DATA) ", %edx\n"
	"mov $0x45, %al\n"
	"out %al, %dx\n"
	"jmp rt_done");

TEST_F(ioeventfd, port)
{
	ASSERT_EQ(0, change(self->vm, self->fd, PORT_DATA, 1, PIO | DATAMATCH, 0x44));
	ASSERT_EQ(0, change(self->vm, self->other, PORT_DATA, 4, PIO, 0));
	vm_start(self->vm, GA(code_ports), 0);
	ASSERT_OUT(self->vm, PORT_DATA);
	EXPECT_EQ(2, self->vm->run->io.size);
	ASSERT_OUT(self->vm, PORT_DATA);
	EXPECT_EQ(1, self->vm->run->io.size);
	EXPECT_EQ(0x45, *((uint8_t *)self->vm->run + self->vm->run->io.data_offset));
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(1ULL, signals(self->fd));
	EXPECT_EQ(1ULL, signals(self->other));
}

TEST_F(ioeventfd, port_of_any_width)
{
	ASSERT_EQ(0, change(self->vm, self->fd, PORT_DATA, 0, PIO, 0));
	vm_start(self->vm, GA(code_ports), 0);
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(4ULL, signals(self->fd));
}

/* A port is not memory. */
TEST_F(ioeventfd, buses_are_apart)
{
	ASSERT_EQ(0, change(self->vm, self->fd, PORT_DATA, 1, 0, 0));
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO, 1, PIO, 0));
	vm_start(self->vm, GA(code_ports), 0);
	ASSERT_OUT(self->vm, PORT_DATA);
	vm_start(self->vm, GA(code_widths), 0);
	ASSERT_MMIO(self->vm, MMIO, 1, 1);
	EXPECT_EQ(0ULL, signals(self->fd));
}

GUEST(code_reads,
	"in $" STR(PORT_DATA) ", %al\n"
	"mov " STR(MMIO) ", %ebx\n"
	"jmp rt_done");

TEST_F(ioeventfd, reads_are_userspaces)
{
	ASSERT_EQ(0, change(self->vm, self->fd, PORT_DATA, 0, PIO, 0));
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO, 0, 0, 0));
	vm_start(self->vm, GA(code_reads), 0);
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	ASSERT_EQ(KVM_EXIT_IO_IN, self->vm->run->io.direction);
	ASSERT_MMIO(self->vm, MMIO, 4, 0);
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(0ULL, signals(self->fd));
}

GUEST(code_rmw,
	"mov $" STR(MMIO) ", %edi\n"
	"mov $5, %eax\n"
	"lock add %eax, (%rdi)\n"
	"mov $3, %ecx\n"
	"add $8, %edi\n"
	"rep stosl\n"
	"jmp rt_done");

/* Instructions that are executed in software: the second half, and some of many. */
TEST_F(ioeventfd, parts_of_an_instruction)
{
	uint32_t value = 0x1000;
	struct kvm_regs regs;

	ASSERT_EQ(0, change(self->vm, self->fd, MMIO, 4, DATAMATCH, 0x1005));
	ASSERT_EQ(0, change(self->vm, self->other, MMIO + 8, 4, 0, 0));
	ASSERT_EQ(0, change(self->vm, self->other, MMIO + 16, 4, 0, 0));
	vm_start(self->vm, GA(code_rmw), 0);
	ASSERT_MMIO(self->vm, MMIO, 4, 0);
	memcpy(self->vm->run->mmio.data, &value, 4);
	ASSERT_MMIO(self->vm, MMIO + 12, 4, 1);
	EXPECT_EQ(1ULL, signals(self->fd));
	EXPECT_EQ(1ULL, signals(self->other));
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(1ULL, signals(self->other));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0ULL, regs.rcx);
	EXPECT_EQ(MMIO + 20ULL, regs.rdi);
}

GUEST(code_long_store,
	"movups " STR(DATA) ", %xmm0\n"
	"movups %xmm0, " STR(MMIO) "\n"
	"movups %xmm0, " STR(MMIO) " + 0x100\n"
	"jmp rt_done");

/*
 * A store in two fragments: both get there, once, in order.  What comes behind a fragment of
 * userspace's may be userspace's, too (on Linux it is).
 */
TEST_F(ioeventfd, one_fragment_of_two)
{
	memcpy(self->vm->mem + DATA, "abcdefghijklmnop", 16);
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO, 8, 0, 0));
	ASSERT_EQ(0, change(self->vm, self->other, MMIO + 0x108, 8, 0, 0));
	vm_start(self->vm, GA(code_long_store), 0);
	ASSERT_MMIO(self->vm, MMIO + 8, 8, 1);
	EXPECT_EQ(0, memcmp(self->vm->run->mmio.data, "ijklmnop", 8));
	EXPECT_EQ(1ULL, signals(self->fd));
	ASSERT_MMIO(self->vm, MMIO + 0x100, 8, 1);
	EXPECT_EQ(0, memcmp(self->vm->run->mmio.data, "abcdefgh", 8));
	EXPECT_EQ(0ULL, signals(self->other));
	if (vm_run(self->vm) == KVM_EXIT_MMIO) {
		EXPECT_EQ(MMIO + 0x108ULL, self->vm->run->mmio.phys_addr);
		EXPECT_EQ(0ULL, signals(self->other));
	} else {
		EXPECT_EQ(1ULL, signals(self->other));
	}
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(0ULL, signals(self->other));
	EXPECT_EQ(0ULL, signals(self->fd));
}

GUEST(code_outsb,
	"mov $" STR(DATA) ", %esi\n"
	"mov $" STR(PORT_DATA) ", %edx\n"
	"mov $6, %ecx\n"
	"rep outsb\n"
	"jmp rt_done");

/* Some elements of a string are the kernel's, the others come out, in order. */
TEST_F(ioeventfd, string)
{
	char seen[16] = { };
	unsigned int n = 0;
	struct kvm_regs regs;

	memcpy(self->vm->mem + DATA, "abcabc", 6);
	ASSERT_EQ(0, change(self->vm, self->fd, PORT_DATA, 1, PIO | DATAMATCH, 'b'));
	vm_start(self->vm, GA(code_outsb), 0);
	while (vm_run(self->vm) == KVM_EXIT_IO && self->vm->run->io.port == PORT_DATA && n < 8) {
		memcpy(seen + n, (char *)self->vm->run + self->vm->run->io.data_offset,
		       self->vm->run->io.count);
		n += self->vm->run->io.count;
	}
	ASSERT_EQ(PORT_DONE, self->vm->run->io.port);
	EXPECT_STREQ("acac", seen);
	EXPECT_EQ(2ULL, signals(self->fd));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0ULL, regs.rcx);
	EXPECT_EQ(DATA + 6ULL, regs.rsi);
}

GUEST(code_insb,
	"mov $" STR(DATA) ", %edi\n"
	"mov $" STR(PORT_DATA) ", %edx\n"
	"mov $6, %ecx\n"
	"rep insb\n"
	"jmp rt_done");

/* One that comes to the port while userspace looks for the answer does not lose it. */
TEST_F(ioeventfd, string_under_way)
{
	unsigned int n = 0, i;
	uint8_t *data;

	vm_start(self->vm, GA(code_insb), 0);
	while (vm_run(self->vm) == KVM_EXIT_IO && self->vm->run->io.port == PORT_DATA && n < 16) {
		data = (uint8_t *)self->vm->run + self->vm->run->io.data_offset;
		for (i = 0; i < self->vm->run->io.count; i++)
			data[i] = 'a' + n++;
		if (n == self->vm->run->io.count)
			ASSERT_EQ(0, change(self->vm, self->fd, PORT_DATA, 1, PIO, 0));
	}
	ASSERT_EQ(PORT_DONE, self->vm->run->io.port);
	EXPECT_EQ(6U, n);
	EXPECT_EQ(0, memcmp(self->vm->mem + DATA, "abcdef", 6));
}

GUEST(code_steps,
	"code_steps:\n"
	"out %al, $" STR(PORT_DATA) "\n"
	"code_steps_1: mov %eax, " STR(MMIO) "\n"
	"code_steps_2: lock incl " STR(MMIO) " + 8\n"
	"code_steps_3: jmp rt_done");
LABEL(code_steps_1);
LABEL(code_steps_2);
LABEL(code_steps_3);

static int single_step(struct vm *vm)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};

	return vcpu_ioctl(vm, KVM_SET_GUEST_DEBUG, &debug);
}

static void kernel_takes_steps(struct __test_metadata *_metadata, struct vm *vm, int fd)
{
	ASSERT_EQ(0, change(vm, fd, PORT_DATA, 1, PIO, 0));
	ASSERT_EQ(0, change(vm, fd, MMIO, 4, 0, 0));
	ASSERT_EQ(0, change(vm, fd, MMIO + 8, 4, 0, 0));
	vm_start(vm, GA(code_steps), 0);
}

/* A debugger that steps is told of each, at once. */
TEST_F(ioeventfd, stepped_from_outside)
{
	kernel_takes_steps(_metadata, self->vm, self->fd);
	ASSERT_EQ(0, single_step(self->vm));
	ASSERT_EQ(KVM_EXIT_DEBUG, vm_run(self->vm)) {
		TH_LOG("%s", vm_why(self->vm));
	}
	EXPECT_EQ(GA(code_steps_1), vm_rip(self->vm));
	EXPECT_EQ(1ULL, signals(self->fd));
	ASSERT_EQ(KVM_EXIT_DEBUG, vm_run(self->vm));
	EXPECT_EQ(GA(code_steps_2), vm_rip(self->vm));
	EXPECT_EQ(1ULL, signals(self->fd));
	ASSERT_MMIO(self->vm, MMIO + 8, 4, 0);
	ASSERT_EQ(KVM_EXIT_DEBUG, vm_run(self->vm));
	EXPECT_EQ(GA(code_steps_3), vm_rip(self->vm));
	EXPECT_EQ(1ULL, signals(self->fd));
}

/* And so does the guest's own TF trap behind each. */
TEST_F(ioeventfd, stepped_by_the_guest)
{
	struct kvm_regs regs;

	kernel_takes_steps(_metadata, self->vm, self->fd);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	regs.rflags |= RFLAGS_TF;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
	ASSERT_MMIO(self->vm, MMIO + 8, 4, 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EVENT(self->vm, 0, 1, NO_EC, GA(code_steps_1));
	EXPECT_EVENT(self->vm, 1, 1, NO_EC, GA(code_steps_2));
	EXPECT_EVENT(self->vm, 2, 1, NO_EC, GA(code_steps_3));
	EXPECT_EQ(3ULL, signals(self->fd));
}

static const struct refused {
	uint32_t len, flags;
	uint64_t addr, value;
	int fd, err;			/* fd 1: the fixture's */
} refused[] = {
	{ 4, 1 << 5, MMIO, 0, 1, -EINVAL },
	{ 4, 1U << 31, MMIO, 0, 1, -EINVAL },
	{ 3, 0, MMIO, 0, 1, -EINVAL },
	{ 16, 0, MMIO, 0, 1, -EINVAL },
	{ ~0U, PIO, MMIO, 0, 1, -EINVAL },
	{ 0, DATAMATCH, MMIO, 0, 1, -EINVAL },
	{ 4, 0, ~0ULL - 1, 0, 1, -EINVAL },
	{ 4, 0, MMIO, 0, -1, -EBADF },
	{ 4, DEASSIGN, MMIO, 0, -1, -EBADF },
	{ 4, 0, MMIO, 0, 0, -EINVAL },		/* no eventfd */
	{ 4, DEASSIGN, MMIO, 0, 1, -ENOENT },
};

TEST_F(ioeventfd, refused)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct refused *r = &refused[i];
		int fd = r->fd == 1 ? self->fd : r->fd ? -1 : self->vm->fd;

		EXPECT_EQ(r->err, change(self->vm, fd, r->addr, r->len, r->flags, r->value)) {
			TH_LOG("row %zu", i);
		}
	}
	/* and none has left anything */
	vm_start(self->vm, GA(code_widths), 0);
	ASSERT_MMIO(self->vm, MMIO, 1, 1);
	ASSERT_MMIO(self->vm, MMIO, 2, 1);
	ASSERT_MMIO(self->vm, MMIO, 4, 1);
	ASSERT_MMIO(self->vm, MMIO, 8, 1);
	ASSERT_SETTLED(self->vm);
}

/* No write signals two of them. */
TEST_F(ioeventfd, collisions)
{
	struct vm *vm = self->vm;

	ASSERT_EQ(0, change(vm, self->fd, MMIO, 4, DATAMATCH, 6));
	EXPECT_EQ(-EEXIST, change(vm, self->fd, MMIO, 4, DATAMATCH, 6));
	EXPECT_EQ(-EEXIST, change(vm, self->other, MMIO, 4, DATAMATCH, 6));
	EXPECT_EQ(-EEXIST, change(vm, self->other, MMIO, 4, 0, 0));
	EXPECT_EQ(-EEXIST, change(vm, self->other, MMIO, 0, 0, 0));
	EXPECT_EQ(0, change(vm, self->other, MMIO, 4, DATAMATCH, 7));
	EXPECT_EQ(0, change(vm, self->other, MMIO, 2, 0, 0));
	EXPECT_EQ(-EEXIST, change(vm, self->fd, MMIO, 2, DATAMATCH, 1));
	EXPECT_EQ(0, change(vm, self->other, MMIO + 1, 0, 0, 0));
	EXPECT_EQ(-EEXIST, change(vm, self->other, MMIO + 1, 8, DATAMATCH, 0));
	EXPECT_EQ(0, change(vm, self->other, MMIO, 4, PIO, 0));
}

/* It has to be the same in all that was said. */
TEST_F(ioeventfd, taken_away)
{
	struct vm *vm = self->vm;

	ASSERT_EQ(0, change(vm, self->fd, MMIO, 4, DATAMATCH, 6));
	EXPECT_EQ(-ENOENT, change(vm, self->other, MMIO, 4, DEASSIGN | DATAMATCH, 6));
	EXPECT_EQ(-ENOENT, change(vm, self->fd, MMIO, 4, DEASSIGN | DATAMATCH, 7));
	EXPECT_EQ(-ENOENT, change(vm, self->fd, MMIO, 4, DEASSIGN, 6));
	EXPECT_EQ(-ENOENT, change(vm, self->fd, MMIO, 2, DEASSIGN | DATAMATCH, 6));
	EXPECT_EQ(-ENOENT, change(vm, self->fd, MMIO + 4, 4, DEASSIGN | DATAMATCH, 6));
	EXPECT_EQ(-ENOENT, change(vm, self->fd, MMIO, 4, DEASSIGN | DATAMATCH | PIO, 6));
	EXPECT_EQ(0, change(vm, self->fd, MMIO, 4, DEASSIGN | DATAMATCH, 6));
	EXPECT_EQ(-ENOENT, change(vm, self->fd, MMIO, 4, DEASSIGN | DATAMATCH, 6));
	vm_start(vm, GA(code_values), 0);
	ASSERT_MMIO(vm, MMIO, 4, 1);
	ASSERT_MMIO(vm, MMIO, 4, 1);
	EXPECT_EQ(0ULL, signals(self->fd));
}

GUEST(code_many,
	"mov $" STR(MMIO) ", %edi\n"
	"mov $" STR(MANY) ", %ecx\n"
	"1: movb $1, (%rdi)\n"
	"add $4, %edi\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"jmp rt_done");

/* Each is found, in whatever order they came and the others went. */
TEST_F(ioeventfd, many)
{
	static int fd[MANY];
	unsigned int i, wrong = 0;

	for (i = 0; i < MANY; i++) {
		unsigned int at = i * 7 % MANY;

		fd[at] = eventfd(0, EFD_NONBLOCK);
		ASSERT_EQ(0, change(self->vm, fd[at], MMIO + 4 * at, i % 2, 0, 0));
	}
	for (i = 0; i < MANY; i += 3)
		ASSERT_EQ(0, change(self->vm, fd[i], MMIO + 4 * i, i * 43 % MANY % 2, DEASSIGN, 0));
	vm_start(self->vm, GA(code_many), 0);
	for (i = 0; i < MANY; i += 3)
		ASSERT_MMIO(self->vm, MMIO + 4 * i, 1, 1);
	ASSERT_SETTLED(self->vm);
	for (i = 0; i < MANY; i++) {
		wrong += signals(fd[i]) != (i % 3 ? 1 : 0);
		close(fd[i]);
	}
	EXPECT_EQ(0U, wrong);
}

/* More than any machine has queues.  If there is an end to it, it is said, and nothing is lost. */
TEST_F(ioeventfd, plenty)
{
	uint64_t at = MMIO;
	int err = 0;

	while (!err && at < MMIO + 4 * TOO_MANY) {
		err = change(self->vm, self->fd, at, 4, 0, 0);
		at += err ? 0 : 4;
	}
	EXPECT_LE(MMIO + 4ULL * PLENTY, at);
	if (!err)
		return;
	EXPECT_EQ(-ENOSPC, err);
	EXPECT_EQ(0, change(self->vm, self->fd, PORT_DATA, 4, PIO, 0));
	ASSERT_EQ(0, change(self->vm, self->fd, MMIO, 4, DEASSIGN, 0));
	EXPECT_EQ(0, change(self->vm, self->fd, at, 4, 0, 0));
	EXPECT_EQ(-ENOSPC, change(self->vm, self->fd, MMIO, 4, 0, 0));
}

/* The eventfd belongs to whoever knows it: VM and descriptors may go in any order. */
TEST_F(ioeventfd, lifetime)
{
	int copy = dup(self->fd);

	ASSERT_EQ(0, change(self->vm, self->fd, MMIO, 4, DATAMATCH, 6));
	ASSERT_EQ(0, change(self->vm, self->other, MMIO, 4, DATAMATCH, 5));
	close(self->fd);
	close(self->other);
	vm_start(self->vm, GA(code_values), 0);
	ASSERT_MMIO(self->vm, MMIO, 4, 1);
	EXPECT_EQ(7, self->vm->run->mmio.data[0]);
	vm_destroy(self->vm);
	EXPECT_EQ(1ULL, signals(copy));
	close(copy);
	ASSERT_EQ(NULL, (void *)vm_create(self->vm, 0));
}

TEST_HARNESS_MAIN
