// SPDX-License-Identifier: GPL-2.0-only
/*
 * General and system registers: what is set is what is read, what the guest
 * sees, and what no processor can have is refused.
 */
#include "kvm_test.h"

VM_FIXTURE(regs)

/* Stores every general register to DATA, then changes them all. */
GUEST(code_store,
	"mov %rax, " STR(DATA) " + 0x00\n"
	"mov %rbx, " STR(DATA) " + 0x08\n"
	"mov %rcx, " STR(DATA) " + 0x10\n"
	"mov %rdx, " STR(DATA) " + 0x18\n"
	"mov %rsi, " STR(DATA) " + 0x20\n"
	"mov %rdi, " STR(DATA) " + 0x28\n"
	"mov %rsp, " STR(DATA) " + 0x30\n"
	"mov %rbp, " STR(DATA) " + 0x38\n"
	"mov %r8, " STR(DATA) " + 0x40\n"
	"mov %r9, " STR(DATA) " + 0x48\n"
	"mov %r10, " STR(DATA) " + 0x50\n"
	"mov %r11, " STR(DATA) " + 0x58\n"
	"mov %r12, " STR(DATA) " + 0x60\n"
	"mov %r13, " STR(DATA) " + 0x68\n"
	"mov %r14, " STR(DATA) " + 0x70\n"
	"mov %r15, " STR(DATA) " + 0x78\n"
	"not %rax\nnot %rbx\nnot %rcx\nnot %rdx\nnot %rsi\nnot %rdi\nnot %rsp\nnot %rbp\n"
	"not %r8\nnot %r9\nnot %r10\nnot %r11\nnot %r12\nnot %r13\nnot %r14\nnot %r15\n"
	"out %al, $" STR(PORT_DONE) "\n");

static struct kvm_regs some_regs(uint64_t rip)
{
	struct kvm_regs regs = {
		.rax = 0x1010101010101010, .rbx = 0x2020202020202020, .rcx = 0x3030303030303030,
		.rdx = 0x4040404040404040, .rsi = 0x5050505050505050, .rdi = 0x6060606060606060,
		.rsp = 0x0000000000081f00, .rbp = 0x8080808080808080, .r8 = 0x9090909090909090,
		.r9 = 0xa0a0a0a0a0a0a0a0, .r10 = 0xb0b0b0b0b0b0b0b0, .r11 = 0xc0c0c0c0c0c0c0c0,
		.r12 = 0xd0d0d0d0d0d0d0d0, .r13 = 0xe0e0e0e0e0e0e0e0, .r14 = 0xf0f0f0f0f0f0f0f0,
		.r15 = 0x0123456789abcdef, .rip = rip, .rflags = 0x8d7,
	};

	return regs;
}

TEST_F(regs, round_trip)
{
	struct kvm_regs want = some_regs(GA(rt_done)), seen;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &want));
	memset(&seen, 0xa5, sizeof(seen));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &seen));
	EXPECT_EQ(0, memcmp(&want, &seen, sizeof(want)));
}

TEST_F(regs, seen_by_the_guest)
{
	struct kvm_regs set = some_regs(GA(code_store)), seen;
	uint64_t *store = (uint64_t *)(self->vm->mem + DATA);

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &set));
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(set.rax, store[0]);
	EXPECT_EQ(set.rbx, store[1]);
	EXPECT_EQ(set.rcx, store[2]);
	EXPECT_EQ(set.rdx, store[3]);
	EXPECT_EQ(set.rsi, store[4]);
	EXPECT_EQ(set.rdi, store[5]);
	EXPECT_EQ(set.rsp, store[6]);
	EXPECT_EQ(set.rbp, store[7]);
	EXPECT_EQ(0, memcmp(&set.r8, store + 8, 64));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &seen));
	EXPECT_EQ(~set.rax, seen.rax);
	EXPECT_EQ(~set.rbx, seen.rbx);
	EXPECT_EQ(~set.rcx, seen.rcx);
	EXPECT_EQ(~set.rdx, seen.rdx);
	EXPECT_EQ(~set.rsi, seen.rsi);
	EXPECT_EQ(~set.rdi, seen.rdi);
	EXPECT_EQ(~set.rsp, seen.rsp);
	EXPECT_EQ(~set.rbp, seen.rbp);
	EXPECT_EQ(~set.r8, seen.r8);
	EXPECT_EQ(~set.r15, seen.r15);
}

TEST_F(regs, fixed_flag)
{
	struct kvm_regs regs = { .rip = GA(rt_done), .rflags = 0 };

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(RFLAGS_FIXED, regs.rflags);
}

TEST_F(regs, bad_pointers)
{
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_GET_REGS, NULL));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_SET_REGS, NULL));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_GET_SREGS, NULL));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_SET_SREGS, NULL));
}

TEST_F(regs, sregs_round_trip)
{
	struct kvm_sregs want, seen;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &want));
	want.fs.base = 0xffff800000001000;
	want.gs.base = 0x00007fffffffe000;
	want.fs.limit = 0x12345fff;
	want.gs.selector = 0x23;
	want.ds.selector = 0x33;
	want.gdt.base = 0xffff900000000000;
	want.gdt.limit = 0x7f;
	want.idt.base = 0xffffa00000000000;
	want.idt.limit = 0x123;
	want.cr2 = 0xffff8000deadbeef;
	want.cr8 = 7;
	want.cr0 ^= 8;
	want.cr4 ^= 4;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &want));
	memset(&seen, 0xa5, sizeof(seen));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &seen));
	EXPECT_EQ(0, memcmp(&want.cs, &seen.cs, sizeof(want.cs)));
	EXPECT_EQ(0, memcmp(&want.ds, &seen.ds, sizeof(want.ds)));
	EXPECT_EQ(0, memcmp(&want.fs, &seen.fs, sizeof(want.fs)));
	EXPECT_EQ(0, memcmp(&want.gs, &seen.gs, sizeof(want.gs)));
	EXPECT_EQ(0, memcmp(&want.ss, &seen.ss, sizeof(want.ss)));
	EXPECT_EQ(0, memcmp(&want.tr, &seen.tr, sizeof(want.tr)));
	EXPECT_EQ(want.gdt.base, seen.gdt.base);
	EXPECT_EQ(want.gdt.limit, seen.gdt.limit);
	EXPECT_EQ(want.idt.base, seen.idt.base);
	EXPECT_EQ(want.idt.limit, seen.idt.limit);
	EXPECT_EQ(want.cr0, seen.cr0);
	EXPECT_EQ(want.cr2, seen.cr2);
	EXPECT_EQ(want.cr3, seen.cr3);
	EXPECT_EQ(want.cr4, seen.cr4);
	EXPECT_EQ(want.cr8, seen.cr8);
	EXPECT_EQ(want.efer, seen.efer);
	EXPECT_EQ(want.apic_base, seen.apic_base);
	EXPECT_EQ(0, memcmp(want.interrupt_bitmap, seen.interrupt_bitmap, 32));
}

GUEST(code_system,
	"mov %cr0, %rax\nmov %rax, " STR(DATA) " + 0x00\n"
	"mov %cr2, %rax\nmov %rax, " STR(DATA) " + 0x08\n"
	"mov %cr3, %rax\nmov %rax, " STR(DATA) " + 0x10\n"
	"mov %cr4, %rax\nmov %rax, " STR(DATA) " + 0x18\n"
	"mov %cr8, %rax\nmov %rax, " STR(DATA) " + 0x20\n"
	"mov $0xc0000080, %ecx\nrdmsr\nmov %eax, " STR(DATA) " + 0x28\n"
	"mov $0xc0000100, %ecx\nrdmsr\nmov %eax, " STR(DATA) " + 0x30\nmov %edx, "
	STR(DATA) " + 0x34\n"
	"sgdt " STR(DATA) " + 0x40\n"
	"sidt " STR(DATA) " + 0x50\n"
	"str " STR(DATA) " + 0x60\n"
	"mov %fs, " STR(DATA) " + 0x68\n"
	"mov $0x77770000, %eax\nmov %rax, %cr2\n"
	"mov %cr0, %rax\nxor $8, %rax\nmov %rax, %cr0\n"
	"mov %cr4, %rax\nxor $4, %rax\nmov %rax, %cr4\n"
	"jmp rt_done");

TEST_F(regs, sregs_seen_by_the_guest)
{
	uint64_t *store = (uint64_t *)(self->vm->mem + DATA);
	struct kvm_sregs set, seen;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &set));
	set.fs.base = 0xffff800000001000;
	set.fs.selector = 0x13;
	set.cr2 = 0xffff8000deadbeef;
	set.cr8 = 7;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &set));
	self->vm->run->cr8 = 7;
	vm_start(self->vm, GA(code_system), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(set.cr0, store[0]);
	EXPECT_EQ(set.cr2, store[1]);
	EXPECT_EQ(set.cr3, store[2]);
	EXPECT_EQ(set.cr4, store[3]);
	EXPECT_EQ(set.cr8, store[4]);
	EXPECT_EQ(set.efer, store[5]);
	EXPECT_EQ(set.fs.base, store[6]);
	EXPECT_EQ(set.gdt.limit, store[8] & 0xffff);
	EXPECT_EQ((uint64_t)GDT, store[8] >> 16);
	EXPECT_EQ(set.idt.limit, store[10] & 0xffff);
	EXPECT_EQ((uint64_t)IDT, store[10] >> 16);
	EXPECT_EQ((uint64_t)SEL_TSS, store[12] & 0xffff);
	EXPECT_EQ(0x13ULL, store[13] & 0xffff);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &seen));
	EXPECT_EQ(0x77770000ULL, seen.cr2);
	EXPECT_EQ(set.cr0 ^ 8, seen.cr0);
	EXPECT_EQ(set.cr4 ^ 4, seen.cr4);
}

static int set_sregs(struct vm *vm, uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	struct kvm_sregs sregs;

	vcpu_ioctl(vm, KVM_GET_SREGS, &sregs);
	sregs.cr0 ^= cr0;
	sregs.cr4 ^= cr4;
	sregs.efer ^= efer;
	return vcpu_ioctl(vm, KVM_SET_SREGS, &sregs);
}

TEST_F(regs, sregs_refused)
{
	struct kvm_sregs before, after;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &before));
	EXPECT_EQ(-EINVAL, set_sregs(self->vm, 0x20000000, 0, 0)); /* NW without CD */
	EXPECT_EQ(-EINVAL, set_sregs(self->vm, 0x1, 0, 0)); /* PG without PE */
	EXPECT_EQ(-EINVAL, set_sregs(self->vm, 1ULL << 32, 0, 0));
	EXPECT_EQ(-EINVAL, set_sregs(self->vm, 0, 1ULL << 40, 0));
	EXPECT_EQ(-EINVAL, set_sregs(self->vm, 0, 0x20, 0)); /* long mode without PAE */
	EXPECT_EQ(-EINVAL, set_sregs(self->vm, 0, 0, 0x400)); /* LME, PG, not LMA */
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_SETTLED(self->vm);
}

TEST_F(regs, sregs_with_reserved_efer)
{
	EXPECT_EQ(-EINVAL, set_sregs(self->vm, 0, 0, 1ULL << 40));
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_SETTLED(self->vm);
}

TEST_F(regs, sregs2_round_trip)
{
	struct kvm_sregs2 want, seen;
	struct kvm_sregs sregs;

	NEED_CAP(self->vm, KVM_CAP_SREGS2);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS2, &want));
	EXPECT_EQ(0ULL, want.flags);
	want.gs.base = 0x00007fffffffe000;
	want.cr2 = 0x1234567;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS2, &want));
	memset(&seen, 0xa5, sizeof(seen));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS2, &seen));
	EXPECT_EQ(want.gs.base, seen.gs.base);
	EXPECT_EQ(want.cr2, seen.cr2);
	EXPECT_EQ(want.cr0, seen.cr0);
	EXPECT_EQ(want.efer, seen.efer);
	EXPECT_EQ(0, memcmp(&want.cs, &seen.cs, sizeof(want.cs)));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(want.cr2, sregs.cr2);
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_SETTLED(self->vm);
}

TEST_F(regs, sregs2_refused)
{
	struct kvm_sregs2 sregs;

	NEED_CAP(self->vm, KVM_CAP_SREGS2);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS2, &sregs));
	sregs.flags = 2;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_SREGS2, &sregs));
	sregs.flags = 1;	/* PDPTRs are not for 64-bit mode */
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_SREGS2, &sregs));
	sregs.flags = 0;
	sregs.cr0 |= 1ULL << 32;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_SREGS2, &sregs));
}

TEST_F(regs, c112_bitmap_queues_the_lowest)
{
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.interrupt_bitmap[0] = 1ULL << 0x33 | 1ULL << 0x22;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.interrupt.injected);
	EXPECT_EQ(0x22, events.interrupt.nr);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(1ULL << 0x22, sregs.interrupt_bitmap[0]);
	ASSERT_H(self->vm, 0x22, NO_EC, GA(rt_done));
}

/* Writes of the guest to control registers that no processor takes. */
GUEST(code_bad_cr0, "mov %cr0, %rax\nbtr $0, %rax\nmov %rax, %cr0\njmp rt_done");
GUEST(code_bad_cr4, "mov %cr4, %rax\nbts $31, %rax\nmov %rax, %cr4\njmp rt_done");
GUEST(code_no_pae, "mov %cr4, %rax\nbtr $5, %rax\nmov %rax, %cr4\njmp rt_done");

static void check_gp(struct __test_metadata *_metadata, struct vm *vm, uint64_t code)
{
	struct kvm_sregs before, after;

	log_clear(vm);
	handler_skip(vm, 13, 3);
	vm_start(vm, code, 0);
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_SREGS, &before));
	ASSERT_H(vm, 13, 0, ANY_RIP);
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_SREGS, &after));
	EXPECT_EQ(before.cr0, after.cr0);
	EXPECT_EQ(before.cr4, after.cr4);
}

TEST_F(regs, guest_writes_bad_cr0)
{
	check_gp(_metadata, self->vm, GA(code_bad_cr0));
}

TEST_F(regs, guest_writes_bad_cr4)
{
	check_gp(_metadata, self->vm, GA(code_bad_cr4));
}

TEST_F(regs, guest_clears_pae_in_long_mode)
{
	check_gp(_metadata, self->vm, GA(code_no_pae));
}

TEST_HARNESS_MAIN
