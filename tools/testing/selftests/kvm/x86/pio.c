// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O: what the host is told, what the guest gets back, single and
 * string, and what is saved at such an exit.
 */
#include "kvm_test.h"

GUEST(code_out,
	"mov $0x11223344, %eax\n"
	"out %al, $" STR(PORT_DATA) "\n"
	"out %ax, $" STR(PORT_DATA) "\n"
	"out %eax, $" STR(PORT_DATA) "\n"
	"mov $0xfff8, %edx\n"
	"out %al, %dx\n"
	"out %ax, %dx\n"
	"out %eax, %dx\n"
	"jmp rt_done");

GUEST(code_in,
	"mov $-1, %rax\n"
	"in $" STR(PORT_DATA) ", %al\n"
	"mov %rax, %rbx\n"
	"mov $-1, %rax\n"
	"in $" STR(PORT_DATA) ", %ax\n"
	"mov %rax, %rcx\n"
	"mov $-1, %rax\n"
	"mov $0xfff8, %edx\n"
	"in %dx, %eax\n"
	"mov %rax, %rsi\n"
	"jmp rt_done");

GUEST(code_one_in,
	"mov $-1, %rax\n"
	"in $" STR(PORT_DATA) ", %al\n"
	"code_one_in_after:\n"
	"jmp rt_done");
LABEL(code_one_in_after);

GUEST(code_one_out,
	"mov $0x5a, %al\n"
	"out %al, $" STR(PORT_DATA) "\n"
	"code_one_out_after:\n"
	"jmp rt_done");
LABEL(code_one_out_after);

#define STRING_OP(name, op)						\
	GUEST(name,							\
		"mov $" STR(DATA) ", %esi\n"				\
		"mov %esi, %edi\n"					\
		"mov $" STR(PORT_DATA) ", %edx\n"			\
		"mov $5000, %ecx\n"					\
		"rep " op "\n"						\
		"jmp rt_done")

STRING_OP(code_outsb, "outsb");
STRING_OP(code_outsw, "outsw");
STRING_OP(code_outsd, "outsl");
STRING_OP(code_insb, "insb");
STRING_OP(code_insw, "insw");
STRING_OP(code_insd, "insl");

GUEST(code_outsb_down,
	"std\n"
	"mov $" STR(DATA) " + 9, %esi\n"
	"mov $" STR(PORT_DATA) ", %edx\n"
	"mov $10, %ecx\n"
	"rep outsb\n"
	"jmp rt_done");

GUEST(code_insb_absent,
	"mov $" STR(DATA) " + 0xff0, %edi\n"
	"mov $" STR(PORT_DATA) ", %edx\n"
	"mov $0x20, %ecx\n"
	"rep insb\n"
	"jmp rt_done");

GUEST(code_outsb_none,
	"mov $" STR(DATA) ", %esi\n"
	"mov $" STR(PORT_DATA) ", %edx\n"
	"xor %ecx, %ecx\n"
	"rep outsb\n"
	"jmp rt_done");

VM_FIXTURE(pio)

static void *io_data(struct vm *vm)
{
	return (uint8_t *)vm->run + vm->run->io.data_offset;
}

static void check_out(struct __test_metadata *_metadata, struct vm *vm, unsigned int port,
		      unsigned int size)
{
	uint32_t value = 0;

	ASSERT_EQ(KVM_EXIT_IO, vm_run(vm)) {
		TH_LOG("%s", vm_why(vm));
	}
	EXPECT_EQ(KVM_EXIT_IO_OUT, vm->run->io.direction);
	EXPECT_EQ(port, vm->run->io.port);
	EXPECT_EQ(size, vm->run->io.size);
	EXPECT_EQ(1U, vm->run->io.count);
	memcpy(&value, io_data(vm), size);
	EXPECT_EQ(0x11223344U & (0xffffffffU >> (32 - 8 * size)), value);
}

TEST_F(pio, out)
{
	vm_start(self->vm, GA(code_out), 0);
	check_out(_metadata, self->vm, PORT_DATA, 1);
	check_out(_metadata, self->vm, PORT_DATA, 2);
	check_out(_metadata, self->vm, PORT_DATA, 4);
	check_out(_metadata, self->vm, 0xfff8, 1);
	check_out(_metadata, self->vm, 0xfff8, 2);
	check_out(_metadata, self->vm, 0xfff8, 4);
	ASSERT_SETTLED(self->vm);
}

static void give_in(struct __test_metadata *_metadata, struct vm *vm, unsigned int size)
{
	uint32_t value = 0x80818283;

	ASSERT_EQ(KVM_EXIT_IO, vm_run(vm)) {
		TH_LOG("%s", vm_why(vm));
	}
	EXPECT_EQ(KVM_EXIT_IO_IN, vm->run->io.direction);
	EXPECT_EQ(size, vm->run->io.size);
	EXPECT_EQ(1U, vm->run->io.count);
	memcpy(io_data(vm), &value, size);
}

TEST_F(pio, in)
{
	struct kvm_regs regs;

	vm_start(self->vm, GA(code_in), 0);
	give_in(_metadata, self->vm, 1);
	give_in(_metadata, self->vm, 2);
	give_in(_metadata, self->vm, 4);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0xffffffffffffff83ULL, regs.rbx);
	EXPECT_EQ(0xffffffffffff8283ULL, regs.rcx);
	EXPECT_EQ(0x80818283ULL, regs.rsi);
}

/* Takes a string out, or puts one in, in pieces as the kernel likes. */
static size_t string_io(struct vm *vm, uint8_t *buffer, size_t room, uint8_t direction)
{
	size_t done = 0, piece;

	while (vm_run(vm) == KVM_EXIT_IO && vm->run->io.port == PORT_DATA &&
	       vm->run->io.direction == direction) {
		piece = (size_t)vm->run->io.size * vm->run->io.count;
		if (piece == 0 || done + piece > room)
			return 0;
		if (direction == KVM_EXIT_IO_OUT)
			memcpy(buffer + done, io_data(vm), piece);
		else
			memcpy(io_data(vm), buffer + done, piece);
		done += piece;
	}
	return vm->run->io.port == PORT_DONE ? done : 0;
}

static void pattern(uint8_t *buffer, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		buffer[i] = i * 7 + (i >> 8);
}

static void check_string(struct __test_metadata *_metadata, struct vm *vm, uint64_t code,
			 unsigned int size, uint8_t direction)
{
	static uint8_t buffer[0x8000], filled[0x8000];
	struct kvm_regs regs;

	pattern(filled, sizeof(filled));
	if (direction == KVM_EXIT_IO_OUT)
		memcpy(vm->mem + DATA, filled, sizeof(filled));
	else
		memcpy(buffer, filled, sizeof(filled));
	vm_start(vm, code, 0);
	ASSERT_EQ(5000U * size, string_io(vm, buffer, sizeof(buffer), direction)) {
		TH_LOG("%s", vm_why(vm));
	}
	EXPECT_EQ(0, memcmp(direction == KVM_EXIT_IO_OUT ? buffer : vm->mem + DATA, filled,
			    5000 * size));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0ULL, regs.rcx);
	EXPECT_EQ(DATA + 5000ULL * size, direction == KVM_EXIT_IO_OUT ? regs.rsi : regs.rdi);
}

TEST_F(pio, rep_outsb)
{
	check_string(_metadata, self->vm, GA(code_outsb), 1, KVM_EXIT_IO_OUT);
}

TEST_F(pio, rep_outsw)
{
	check_string(_metadata, self->vm, GA(code_outsw), 2, KVM_EXIT_IO_OUT);
}

TEST_F(pio, rep_outsd)
{
	check_string(_metadata, self->vm, GA(code_outsd), 4, KVM_EXIT_IO_OUT);
}

TEST_F(pio, rep_insb)
{
	check_string(_metadata, self->vm, GA(code_insb), 1, KVM_EXIT_IO_IN);
}

TEST_F(pio, rep_insw)
{
	check_string(_metadata, self->vm, GA(code_insw), 2, KVM_EXIT_IO_IN);
}

TEST_F(pio, rep_insd)
{
	check_string(_metadata, self->vm, GA(code_insd), 4, KVM_EXIT_IO_IN);
}

TEST_F(pio, rep_outsb_downwards)
{
	uint8_t seen[10];

	memcpy(self->vm->mem + DATA, "0123456789", 10);
	vm_start(self->vm, GA(code_outsb_down), 0);
	ASSERT_EQ(10U, string_io(self->vm, seen, sizeof(seen), KVM_EXIT_IO_OUT));
	EXPECT_EQ(0, memcmp(seen, "9876543210", 10));
}

TEST_F(pio, rep_outsb_of_nothing)
{
	vm_start(self->vm, GA(code_outsb_none), 0);
	ASSERT_SETTLED(self->vm);
}

/* The second page of the buffer is absent: the first is filled, then #PF. */
TEST_F(pio, rep_insb_into_an_absent_page)
{
	uint8_t give[0x100];
	size_t done = 0;

	pattern(give, sizeof(give));
	*pte_of(self->vm, DATA + 0x1000) = 0;
	vm_start(self->vm, GA(code_insb_absent), 0);
	while (vm_run(self->vm) == KVM_EXIT_IO && self->vm->run->io.port == PORT_DATA) {
		size_t piece = (size_t)self->vm->run->io.size * self->vm->run->io.count;

		if (log_count(self->vm))
			break;
		ASSERT_GE(sizeof(give), done + piece);
		memcpy(io_data(self->vm), give + done, piece);
		done += piece;
	}
	ASSERT_NE(0U, log_count(self->vm));
	EXPECT_EVENT(self->vm, 0, 14, 2, ANY_RIP);
	EXPECT_EQ(DATA + 0x1000ULL, log_at(self->vm, 0)->cr2);
	EXPECT_EQ(0, memcmp(self->vm->mem + DATA + 0xff0, give, 0x10));
}

/* An OUT that userspace has been handed is over: nobody needs to be told so. */
TEST_F(pio, c98_out_moved_without_completion)
{
	vm_start(self->vm, GA(code_one_out), 0);
	ASSERT_OUT(self->vm, PORT_DATA);
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_SETTLED(self->vm);
}

TEST_F(pio, c99_out_completed_and_moved)
{
	vm_start(self->vm, GA(code_one_out), 0);
	ASSERT_OUT(self->vm, PORT_DATA);
	ASSERT_EQ(0, vm_complete(self->vm));
	EXPECT_EQ(GA(code_one_out_after), vm_rip(self->vm));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_SETTLED(self->vm);
}

TEST_F(pio, c100_in_completed_and_moved)
{
	struct kvm_regs regs;

	vm_start(self->vm, GA(code_one_in), 0);
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	*(uint8_t *)io_data(self->vm) = 0x5a;
	ASSERT_EQ(0, vm_complete(self->vm));
	EXPECT_EQ(GA(code_one_in_after), vm_rip(self->vm));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_SETTLED(self->vm);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0xffffffffffffff5aULL, regs.rax);
}

/* An IN that was not completed is done again: the value is that of the second. */
TEST_F(pio, c100_in_moved_without_completion)
{
	struct kvm_regs regs;

	vm_start(self->vm, GA(code_one_in), 0);
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	ASSERT_EQ(PORT_DATA, self->vm->run->io.port);
	*(uint8_t *)io_data(self->vm) = 0x5b;
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0xffffffffffffff5bULL, regs.rax);
}

TEST_F(pio, c104_string_moved_at_every_exit)
{
	uint8_t seen[10];
	unsigned int i = 0;

	memcpy(self->vm->mem + DATA, "0123456789", 10);
	vm_start(self->vm, GA(code_outsb_down), 0);
	while (vm_run(self->vm) == KVM_EXIT_IO && self->vm->run->io.port == PORT_DATA) {
		struct kvm_run *run = self->vm->run;

		ASSERT_GE(10U, i + run->io.count);
		memcpy(seen + i, io_data(self->vm), run->io.count);
		i += run->io.count;
		ASSERT_EQ(0, vm_complete(self->vm));
		ASSERT_EQ(0, vm_move(self->vm));
	}
	EXPECT_EQ(PORT_DONE, self->vm->run->io.port);
	EXPECT_EQ(10U, i);
	EXPECT_EQ(0, memcmp(seen, "9876543210", 10));
}

GUEST(code_stepped_out,
	"pushfq\n"
	"orq $0x100, (%rsp)\n"
	"popfq\n"
	"out %al, $" STR(PORT_DATA) "\n"
	"code_stepped_out_after:\n"
	"pushfq\n"
	"andq $~0x100, (%rsp)\n"
	"popfq\n"
	"jmp rt_done");
LABEL(code_stepped_out_after);

/* How often a step trapped behind the OUT. */
static unsigned int traps_behind_out(struct vm *vm)
{
	unsigned int i, count = 0;

	for (i = 0; i < log_count(vm); i++)
		count += log_is(vm, i, 1, NO_EC, GA(code_stepped_out_after));
	return count;
}

TEST_F(pio, c105_step_over_out_completed_and_moved)
{
	vm_start(self->vm, GA(code_stepped_out), 0);
	ASSERT_OUT(self->vm, PORT_DATA);
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(1U, traps_behind_out(self->vm)) {
		TH_LOG("%s", log_text(self->vm));
	}
}

TEST_F(pio, c105_step_over_out_moved)
{
	vm_start(self->vm, GA(code_stepped_out), 0);
	ASSERT_OUT(self->vm, PORT_DATA);
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(1U, traps_behind_out(self->vm)) {
		TH_LOG("%s", log_text(self->vm));
	}
}

/* The trap waits; without the payload capability it has been written to DR6 by then. */
TEST_F(pio, c111_dr6_before_the_events)
{
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;

	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXCEPTION_PAYLOAD, 0));
	vm_start(self->vm, GA(code_stepped_out), 0);
	ASSERT_OUT(self->vm, PORT_DATA);
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &debugregs));
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.exception.pending);
	EXPECT_EQ(1, events.exception.nr);
	EXPECT_EQ(DR6_INIT | 0x4000, debugregs.dr6);
}

#define REAL_MODE_CODE	0xf000		/* in the log, which nobody writes there */

/* A reset through a port: the processor begins elsewhere, and nothing is added to its RIP. */
TEST_F(pio, c107_reset_at_out)
{
	struct kvm_sregs sregs, reset;
	struct kvm_regs regs = { .rip = REAL_MODE_CODE, .rflags = RFLAGS_FIXED };

	/* real mode: OUT to PORT_DONE, for ever */
	memcpy(self->vm->mem + REAL_MODE_CODE, "\xe6\xd0\xeb\xfc", 4);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	vm_start(self->vm, GA(code_one_out), 0);
	ASSERT_OUT(self->vm, PORT_DATA);
	reset = sregs;
	reset.cr0 = 0x60000010;
	reset.cr4 = reset.cr3 = reset.efer = 0;
	reset.cs = reset.ds = reset.es = reset.ss = reset.fs = reset.gs =
		(struct kvm_segment){ .limit = 0xffff, .type = 3, .present = 1, .s = 1 };
	reset.cs.type = 11;
	reset.idt = (struct kvm_dtable){ .limit = 0x3ff };
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &reset));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_SETTLED(self->vm);
}

TEST_F(pio, c108_rip_rewritten_at_out)
{
	struct kvm_regs regs;

	vm_start(self->vm, GA(code_one_out), 0);
	ASSERT_OUT(self->vm, PORT_DATA);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	regs.rip = GA(code_one_in);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	EXPECT_EQ(KVM_EXIT_IO_IN, self->vm->run->io.direction);
}

static void set_user(struct __test_metadata *_metadata, struct vm *vm)
{
	struct kvm_sregs sregs;

	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_SREGS, &sregs));
	sregs.cs.selector = SEL_USER_CODE;
	sregs.cs.dpl = 3;
	sregs.ss.selector = SEL_USER_DATA;
	sregs.ss.dpl = 3;
	sregs.ds = sregs.ss;
	sregs.es = sregs.ss;
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_SREGS, &sregs));
}

/* CPL 3 with IOPL 0 and no permission map: the port is not reached. */
TEST_F(pio, not_permitted)
{
	set_user(_metadata, self->vm);
	vm_start(self->vm, GA(code_one_out), 0);
	ASSERT_EQ(PORT_PANIC, vm_run_out(self->vm)) {
		TH_LOG("%s; %s", vm_why(self->vm), log_text(self->vm));
	}
	EXPECT_EVENT(self->vm, 0, 13, 0, ANY_RIP);
	EXPECT_EQ(SEL_USER_CODE, log_at(self->vm, 0)->cs);
}

/*
 * Its own page's entry (%rdi) leads elsewhere from now on (%rsi), but the processor goes on with
 * what it has translated.  There a load from a device comes next, elsewhere an IN.
 */
GUEST(code_exchanged,
	"mov %rsi, (%rdi)\n"
	"code_exchanged_load:\n"
	".byte 0x8a, 0x03\n"		/* mov (%rbx), %al */
	"mov %al, 8(%rbx)\n"
	"jmp rt_done");
LABEL(code_exchanged_load);

#define IN_DX	"\xec\x90"		/* in (%dx), %al; nop */

/*
 * The processor has looked whether the load may have its page.  What is found at RIP by then is
 * nothing that it has looked at: a port it would have refused.
 */
TEST_F(pio, not_permitted_by_exchange)
{
	struct kvm_run *run = self->vm->run;

	set_user(_metadata, self->vm);
	handler_skip(self->vm, 13, 2);
	ASSERT_EQ(0, vm_start_exchange(self->vm, GA(code_exchanged),
				       GA(code_exchanged_load), IN_DX));
	/* the load, if the bytes came with the exit, or the #GP of what it has become */
	while (vm_run(self->vm) == KVM_EXIT_MMIO && !run->mmio.is_write)
		;
	EXPECT_EQ(KVM_EXIT_MMIO, run->exit_reason) {
		TH_LOG("%s; %s", vm_why(self->vm), log_text(self->vm));
	}
	EXPECT_EQ(MMIO + 8, run->mmio.phys_addr);
}

TEST_HARNESS_MAIN
