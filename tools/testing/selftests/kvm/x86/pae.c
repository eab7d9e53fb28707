// SPDX-License-Identifier: GPL-2.0-only
/*
 * PAE paging, whose four top entries some processors keep copies of: put in by
 * userspace, switched on by the guest, moved, and with a reserved bit.
 */
#include "kvm_test.h"

VM_FIXTURE(pae)

#define PDPT_AT		DATA
#define LOW		(DATA + 0x1000)		/* the first 2 MiB, where they are */
#define HIGH		(DATA + 0x2000)		/* the same again at 1 GiB */
#define TARGET		(DATA + 0x3000)
#define PRESENT		1ULL
#define PAGE_2M		0xe7ULL
#define RESERVED	(1ULL << 5)
#define CR0_PE		0x11ULL
#define CR0_PG		(1ULL << 31)
#define CR4_PAE		0x20ULL

GUEST(pae_read,
	".code32\n"
	"pae_again:\n"
	"movl " STR(DATA) " + 0x40003000, %eax\n"
	"out %al, $" STR(PORT_DATA) "\n"
	"jmp pae_again");

GUEST(pae_switch_on,
	".code32\n"
	"mov %cr4, %eax\n"
	"or $0x20, %eax\n"
	"mov %eax, %cr4\n"
	"mov $" STR(DATA) ", %eax\n"
	"mov %eax, %cr3\n"
	"mov %cr0, %eax\n"
	"or $0x80000000, %eax\n"
	"mov %eax, %cr0\n"
	"out %al, $" STR(PORT_MARK) "\n"
	"pae_on:\n"
	"movl " STR(DATA) " + 0x40003000, %eax\n"
	"out %al, $" STR(PORT_DATA) "\n"
	"jmp pae_on");

static void put64(struct vm *vm, uint64_t at, uint64_t value)
{
	memcpy(vm->mem + at, &value, sizeof(value));
}

static void map(struct vm *vm, uint64_t more)
{
	put64(vm, PDPT_AT, LOW | PRESENT);
	put64(vm, PDPT_AT + 8, HIGH | PRESENT | more);
	put64(vm, LOW, PAGE_2M);
	put64(vm, HIGH, PAGE_2M);
	vm->mem[TARGET] = 0x5a;
}

/* Flat 32-bit code, with paging or still without. */
static int start32(struct vm *vm, const uint8_t *code, bool paging)
{
	struct kvm_sregs sregs;
	int err = vcpu_ioctl(vm, KVM_GET_SREGS, &sregs);

	sregs.cs.selector = SEL_CODE32;
	sregs.cs.l = 0;
	sregs.cs.db = 1;
	sregs.efer = 0;
	sregs.idt.limit = 0;		/* the handlers are 64-bit code */
	sregs.cr0 = CR0_PE | (paging ? CR0_PG : 0);
	sregs.cr3 = paging ? PDPT_AT : 0;
	sregs.cr4 = paging ? CR4_PAE : 0;
	err = err ?: vcpu_ioctl(vm, KVM_SET_SREGS, &sregs);
	vm_start(vm, GA(code), 0);
	return err;
}

static unsigned int al(struct vm *vm)
{
	struct kvm_regs regs = { 0 };

	vcpu_ioctl(vm, KVM_GET_REGS, &regs);
	return regs.rax & 0xff;
}

TEST_F(pae, set_by_userspace)
{
	map(self->vm, 0);
	ASSERT_EQ(0, start32(self->vm, pae_read, true));
	ASSERT_OUT(self->vm, PORT_DATA);
	EXPECT_EQ(0x5aU, al(self->vm));
}

/* Registers before memory: the entries are those that are there when it runs. */
TEST_F(pae, set_before_memory)
{
	ASSERT_EQ(0, start32(self->vm, pae_read, true));
	map(self->vm, 0);
	ASSERT_OUT(self->vm, PORT_DATA);
	EXPECT_EQ(0x5aU, al(self->vm));
}

TEST_F(pae, switched_on_by_the_guest)
{
	map(self->vm, 0);
	ASSERT_EQ(0, start32(self->vm, pae_switch_on, false));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_OUT(self->vm, PORT_DATA);
	EXPECT_EQ(0x5aU, al(self->vm));
}

TEST_F(pae, moved)
{
	map(self->vm, 0);
	ASSERT_EQ(0, start32(self->vm, pae_switch_on, false));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_OUT(self->vm, PORT_DATA);
	EXPECT_EQ(0x5aU, al(self->vm));
}

/* Where there are copies, they are told and taken. */
TEST_F(pae, copies)
{
	struct kvm_sregs2 sregs2;

	NEED_CAP(self->vm, KVM_CAP_SREGS2);
	map(self->vm, 0);
	ASSERT_EQ(0, start32(self->vm, pae_read, true));
	ASSERT_OUT(self->vm, PORT_DATA);
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS2, &sregs2));
	if (!(sregs2.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID))
		SKIP(return, "this processor has no copies");
	EXPECT_EQ(LOW | PRESENT, sregs2.pdptrs[0]);
	EXPECT_EQ(HIGH | PRESENT, sregs2.pdptrs[1]);
	/* memory says something else by now: the copies count */
	put64(self->vm, PDPT_AT + 8, 0);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS2, &sregs2));
	self->vm->mem[TARGET] = 0xa5;
	ASSERT_OUT(self->vm, PORT_DATA);
	EXPECT_EQ(0xa5U, al(self->vm));
}

/* Refused at the MOV to CR0, or at the first use; there are no handlers, so the guest is gone. */
TEST_F(pae, reserved_bit)
{
	int port;

	map(self->vm, RESERVED);
	ASSERT_EQ(0, start32(self->vm, pae_switch_on, false));
	port = vm_run_out(self->vm);
	if (port == PORT_MARK)
		port = vm_run_out(self->vm);
	EXPECT_GT(0, port) {
		TH_LOG("%s", vm_why(self->vm));
	}
	EXPECT_EQ((unsigned int)KVM_EXIT_SHUTDOWN, self->vm->run->exit_reason);
}

TEST_HARNESS_MAIN
