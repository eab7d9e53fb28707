// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what the kernel supports, what was set, and what the guest reads.
 */
#include <stdlib.h>
#include "kvm_test.h"

#define ENTRIES	256

VM_FIXTURE(cpuid)

static struct kvm_cpuid2 *new_cpuid(unsigned int nent)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + nent * sizeof(cpuid->entries[0]));

	cpuid->nent = nent;
	return cpuid;
}

static struct kvm_cpuid2 *supported(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid = new_cpuid(ENTRIES);

	if (!ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid))
		return cpuid;
	free(cpuid);
	return NULL;
}

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return NULL;
}

TEST_F(cpuid, supported)
{
	struct kvm_cpuid2 *cpuid = supported(self->vm);
	struct kvm_cpuid_entry2 *leaf;

	ASSERT_NE(NULL, cpuid);
	EXPECT_LT(5U, cpuid->nent);
	leaf = find(cpuid, 0, 0);
	ASSERT_NE(NULL, leaf);
	EXPECT_LE(1U, leaf->eax);
	leaf = find(cpuid, 1, 0);
	ASSERT_NE(NULL, leaf);
	EXPECT_EQ(1U << 25 | 1U << 6 | 1U << 5, leaf->edx & (1U << 25 | 1U << 6 | 1U << 5));
	leaf = find(cpuid, 0x80000001, 0);
	ASSERT_NE(NULL, leaf);
	EXPECT_NE(0U, leaf->edx & 1U << 29);
	leaf = find(cpuid, 0x40000000, 0);
	ASSERT_NE(NULL, leaf);
	EXPECT_EQ(0, memcmp(&leaf->ebx, "KVMKVMKVM\0\0\0", 12));
	free(cpuid);
}

TEST_F(cpuid, supported_needs_room)
{
	struct kvm_cpuid2 *cpuid = new_cpuid(1);

	EXPECT_EQ(-1, ioctl(self->vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid));
	EXPECT_EQ(E2BIG, errno);
	free(cpuid);
	EXPECT_EQ(-1, ioctl(self->vm->kvm, KVM_GET_SUPPORTED_CPUID, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(cpuid, get_what_was_set)
{
	struct kvm_cpuid2 *want = supported(self->vm), *seen = new_cpuid(ENTRIES);
	struct kvm_cpuid_entry2 *leaf;
	unsigned int i;

	ASSERT_NE(NULL, want);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_CPUID2, seen));
	for (i = 0; i < want->nent; i++) {
		/* Leaf 0xd follows XCR0. */
		if (want->entries[i].function == 0xd)
			continue;
		leaf = find(seen, want->entries[i].function, want->entries[i].index);
		ASSERT_NE(NULL, leaf);
		EXPECT_EQ(want->entries[i].ebx, leaf->ebx);
	}
	free(want);
	free(seen);
}

TEST_F(cpuid, get_needs_room)
{
	struct kvm_cpuid2 *cpuid = new_cpuid(1);

	EXPECT_EQ(-E2BIG, vcpu_ioctl(self->vm, KVM_GET_CPUID2, cpuid));
	free(cpuid);
}

TEST_F(cpuid, set_takes_so_many)
{
	struct kvm_cpuid2 many = { .nent = 100000 };

	EXPECT_EQ(-E2BIG, vcpu_ioctl(self->vm, KVM_SET_CPUID2, &many));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_SET_CPUID2, NULL));
}

GUEST(code_cpuid,
	"cpuid\n"
	"mov %eax, " STR(DATA) "\n"
	"mov %ebx, " STR(DATA) " + 4\n"
	"mov %ecx, " STR(DATA) " + 8\n"
	"mov %edx, " STR(DATA) " + 12\n"
	"jmp rt_done");

static uint32_t *guest_cpuid(struct vm *vm, uint32_t function, uint32_t index)
{
	struct kvm_regs regs = {
		.rip = GA(code_cpuid), .rflags = RFLAGS_FIXED, .rax = function, .rcx = index,
		.rsp = STACK_TOP,
	};

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
	return vm_run_out(vm) == PORT_DONE ? (uint32_t *)(vm->mem + DATA) : NULL;
}

TEST_F(cpuid, guest_reads_what_was_set)
{
	static const char name[] = "a name of twelve";
	struct kvm_cpuid2 *cpuid = supported(self->vm);
	struct kvm_cpuid_entry2 *leaf;
	struct vm fresh;
	uint32_t *out;

	ASSERT_NE(NULL, cpuid);
	leaf = find(cpuid, 0x40000000, 0);
	ASSERT_NE(NULL, leaf);
	memcpy(&leaf->ebx, name, 12);
	leaf->eax = 0x40000001;
	ASSERT_EQ(NULL, (void *)vm_create(&fresh, 0));
	ASSERT_EQ(0, vcpu_ioctl(&fresh, KVM_SET_CPUID2, cpuid));
	out = guest_cpuid(&fresh, 0x40000000, 0);
	ASSERT_NE(NULL, out);
	EXPECT_EQ(0x40000001U, out[0]);
	EXPECT_EQ(0, memcmp(out + 1, name, 12));
	vm_destroy(&fresh);
	free(cpuid);
}

/* A bit of leaf 1 that was taken away is not there for the guest. */
TEST_F(cpuid, guest_lacks_what_was_taken_away)
{
	struct kvm_cpuid2 *cpuid = supported(self->vm);
	struct kvm_cpuid_entry2 *leaf;
	struct vm fresh;
	uint32_t *out;

	ASSERT_NE(NULL, cpuid);
	leaf = find(cpuid, 1, 0);
	ASSERT_NE(NULL, leaf);
	ASSERT_NE(0U, leaf->ecx & 1U << 23);
	leaf->ecx &= ~(1U << 23);
	ASSERT_EQ(NULL, (void *)vm_create(&fresh, 0));
	ASSERT_EQ(0, vcpu_ioctl(&fresh, KVM_SET_CPUID2, cpuid));
	out = guest_cpuid(&fresh, 1, 0);
	ASSERT_NE(NULL, out);
	EXPECT_EQ(0U, out[2] & 1U << 23);
	EXPECT_EQ(leaf->eax, out[0]);
	vm_destroy(&fresh);
	free(cpuid);
}

/* OSXSAVE in leaf 1 follows the guest's CR4. */
TEST_F(cpuid, osxsave_follows_cr4)
{
	struct kvm_sregs sregs;
	uint32_t *out = guest_cpuid(self->vm, 1, 0);

	ASSERT_NE(NULL, out);
	if (!(out[2] & 1U << 26))
		SKIP(return, "the guest has no XSAVE");
	EXPECT_EQ(0U, out[2] & 1U << 27);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.cr4 |= 1 << 18;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	out = guest_cpuid(self->vm, 1, 0);
	ASSERT_NE(NULL, out);
	EXPECT_NE(0U, out[2] & 1U << 27);
}

#define XCR0_X87	(1ULL << 0)
#define XCR0_PKRU	(1ULL << 9)
#define XSAVEC		(1U << 1)

/* Compacted, a component stands behind those that are there, and not where it always stands. */
TEST_F(cpuid, size_of_a_compacted_area)
{
	struct kvm_cpuid2 *cpuid = supported(self->vm);
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = XCR0_X87 | XCR0_PKRU };
	struct kvm_cpuid_entry2 *first, *second, *pkru;
	struct vm fresh;
	uint32_t *out;

	ASSERT_NE(NULL, cpuid);
	first = find(cpuid, 0xd, 0);
	second = find(cpuid, 0xd, 1);
	pkru = find(cpuid, 0xd, 9);
	if (!first || !second || !pkru || !(first->eax & XCR0_PKRU))
		SKIP(return, "no XSAVE, or no protection keys");
	if (!(second->eax & (XSAVEC | 1U << 3)))
		EXPECT_EQ(0, second->ebx);
	second->eax |= XSAVEC;
	ASSERT_EQ(NULL, (void *)vm_create(&fresh, 0));
	ASSERT_EQ(0, vcpu_ioctl(&fresh, KVM_SET_CPUID2, cpuid));
	ASSERT_EQ(0, vcpu_ioctl(&fresh, KVM_SET_XCRS, &xcrs));
	out = guest_cpuid(&fresh, 0xd, 1);
	ASSERT_NE(NULL, out);
	EXPECT_EQ(512 + 64 + pkru->eax, out[1]);
	out = guest_cpuid(&fresh, 0xd, 0);
	ASSERT_NE(NULL, out);
	EXPECT_EQ(pkru->ebx + pkru->eax, out[1]);
	vm_destroy(&fresh);
	free(cpuid);
}

/* VMMs leave out leaves of zeroes; beyond the last one Intel's answer with the last basic one. */
TEST_F(cpuid, leaf_that_was_left_out)
{
	static const uint32_t zero[4];
	struct kvm_cpuid2 *cpuid = supported(self->vm);
	struct kvm_cpuid_entry2 *basic, *last, *left_out;
	struct vm fresh;
	uint32_t *out;

	ASSERT_NE(NULL, cpuid);
	basic = find(cpuid, 0, 0);
	ASSERT_NE(NULL, basic);
	memcpy(&basic->ebx, "Genu", 4);
	memcpy(&basic->edx, "ineI", 4);
	memcpy(&basic->ecx, "ntel", 4);
	basic->eax = 1;
	last = find(cpuid, 1, 0);
	left_out = find(cpuid, 0x80000006, 0);
	ASSERT_NE(NULL, left_out);
	left_out->function = 0x4ffffff0;
	ASSERT_EQ(NULL, (void *)vm_create(&fresh, 0));
	ASSERT_EQ(0, vcpu_ioctl(&fresh, KVM_SET_CPUID2, cpuid));
	out = guest_cpuid(&fresh, 0x80000006, 0);
	ASSERT_NE(NULL, out);
	EXPECT_EQ(0, memcmp(zero, out, 16));
	out = guest_cpuid(&fresh, 0x80000500, 0);
	ASSERT_NE(NULL, out);
	EXPECT_EQ(last->eax, out[0]);
	vm_destroy(&fresh);
	free(cpuid);
}

/* Of a topology's levels the last is followed by empty ones, with the APIC's number. */
TEST_F(cpuid, topology_has_an_end)
{
	struct kvm_cpuid2 *cpuid = supported(self->vm);
	struct kvm_cpuid_entry2 *basic, *level;
	struct vm fresh;
	unsigned int i;
	uint32_t *out;

	ASSERT_NE(NULL, cpuid);
	basic = find(cpuid, 0, 0);
	ASSERT_NE(NULL, basic);
	if (basic->eax < 0xb)
		basic->eax = 0xb;
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0xb)
			cpuid->entries[i].function = 0x4ffffff0;
	for (i = 0; i < 2; i++) {
		level = &cpuid->entries[cpuid->nent++];
		*level = (struct kvm_cpuid_entry2){
			.function = 0xb, .index = i, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = i, .ebx = 1 + i, .ecx = (i + 1) << 8 | i, .edx = 5,
		};
	}
	ASSERT_EQ(NULL, (void *)vm_create(&fresh, 0));
	ASSERT_EQ(0, vcpu_ioctl(&fresh, KVM_SET_CPUID2, cpuid));
	out = guest_cpuid(&fresh, 0xb, 7);
	ASSERT_NE(NULL, out);
	EXPECT_EQ(0, out[0]);
	EXPECT_EQ(0, out[1]);
	EXPECT_EQ(7, out[2]);
	EXPECT_EQ(5, out[3]);
	vm_destroy(&fresh);
	free(cpuid);
}

TEST_F(cpuid, unknown_leaf_reads_zero)
{
	static const uint32_t zero[4];
	uint32_t *out = guest_cpuid(self->vm, 0x4fffffff, 0);

	ASSERT_NE(NULL, out);
	EXPECT_EQ(0, memcmp(zero, out, 16));
}

TEST_HARNESS_MAIN
