// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers, from outside and as the guest reads and writes
 * them, and the lists of what there is.
 */
#include <cpuid.h>
#include <stdlib.h>
#include "kvm_test.h"

#define MSR_TSC			0x10
#define MSR_APIC_BASE		0x1b
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_PAT			0x277
#define MSR_EFER		0xc0000080
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_CSTAR		0xc0000083
#define MSR_SFMASK		0xc0000084
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_NONE		0x12345678

VM_FIXTURE(msrs)

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

static int get_msr(struct vm *vm, uint32_t index, uint64_t *value)
{
	struct one_msr msr = { .head.nmsrs = 1, .entry.index = index };
	int done = vcpu_ioctl(vm, KVM_GET_MSRS, &msr);

	*value = msr.entry.data;
	return done;
}

static int set_msr(struct vm *vm, uint32_t index, uint64_t value)
{
	struct one_msr msr = {
		.head.nmsrs = 1, .entry.index = index, .entry.data = value,
	};

	return vcpu_ioctl(vm, KVM_SET_MSRS, &msr);
}

static const struct {
	uint32_t index;
	uint64_t value;
} settable[] = {
	{ MSR_SYSENTER_CS, 0x23 },
	{ MSR_SYSENTER_ESP, 0x12345678 },
	{ MSR_SYSENTER_EIP, 0x23456789 },
	{ MSR_PAT, 0x0007010600070106 },
	{ MSR_STAR, 0x0023001000000000 },
	{ MSR_LSTAR, 0xffff800000001000 },
	{ MSR_CSTAR, 0xffff800000002000 },
	{ MSR_SFMASK, 0x47700 },
	{ MSR_FS_BASE, 0xffff800000003000 },
	{ MSR_GS_BASE, 0xffff800000004000 },
	{ MSR_KERNEL_GS_BASE, 0xffff800000005000 },
};

TEST_F(msrs, round_trip)
{
	uint64_t value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settable); i++)
		EXPECT_EQ(1, set_msr(self->vm, settable[i].index, settable[i].value));
	for (i = 0; i < ARRAY_SIZE(settable); i++) {
		EXPECT_EQ(1, get_msr(self->vm, settable[i].index, &value));
		EXPECT_EQ(settable[i].value, value) {
			TH_LOG("MSR %#x", settable[i].index);
		}
	}
}

TEST_F(msrs, several_at_once)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[3];
	} msrs = {
		.head.nmsrs = 3,
		.entry = { { .index = MSR_LSTAR, .data = 0x1000 },
			   { .index = MSR_NONE, .data = 1 },
			   { .index = MSR_CSTAR, .data = 0x2000 } },
	};
	uint64_t value;

	ASSERT_EQ(1, set_msr(self->vm, MSR_CSTAR, 0x77));
	EXPECT_EQ(1, vcpu_ioctl(self->vm, KVM_SET_MSRS, &msrs));
	EXPECT_EQ(1, get_msr(self->vm, MSR_LSTAR, &value));
	EXPECT_EQ(0x1000ULL, value);
	EXPECT_EQ(1, get_msr(self->vm, MSR_CSTAR, &value));
	EXPECT_EQ(0x77ULL, value);
	EXPECT_EQ(1, vcpu_ioctl(self->vm, KVM_GET_MSRS, &msrs));
	EXPECT_EQ(0, get_msr(self->vm, MSR_NONE, &value));
}

TEST_F(msrs, refused)
{
	struct kvm_msrs many = { .nmsrs = 100000 };

	EXPECT_EQ(0, set_msr(self->vm, MSR_PAT, 0x0202020202020202));
	EXPECT_EQ(0, set_msr(self->vm, MSR_LSTAR, 0x8000000000000000));
	EXPECT_EQ(0, set_msr(self->vm, MSR_KERNEL_GS_BASE, 0x0000800000000000));
	EXPECT_EQ(0, set_msr(self->vm, MSR_EFER, 1ULL << 40));
	EXPECT_EQ(-E2BIG, vcpu_ioctl(self->vm, KVM_SET_MSRS, &many));
	EXPECT_EQ(-E2BIG, vcpu_ioctl(self->vm, KVM_GET_MSRS, &many));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_GET_MSRS, NULL));
}

/* ECX names the MSR: EDX:EAX goes in and comes back in RBX. */
GUEST(code_write_and_read,
	"wrmsr\n"
	"xor %eax, %eax\n"
	"xor %edx, %edx\n"
	"rdmsr\n"
	"shl $32, %rdx\n"
	"or %rdx, %rax\n"
	"mov %rax, %rbx\n"
	"jmp rt_done");

GUEST(code_write, "wrmsr\njmp rt_done");
GUEST(code_read, "rdmsr\njmp rt_done");

static void start_msr(struct vm *vm, uint64_t code, uint32_t index, uint64_t value)
{
	struct kvm_regs regs = {
		.rip = code, .rflags = RFLAGS_FIXED, .rsp = STACK_TOP, .rcx = index,
		.rax = (uint32_t)value, .rdx = value >> 32,
	};

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
}

TEST_F(msrs, guest_writes_and_reads)
{
	struct kvm_regs regs;
	uint64_t value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settable); i++) {
		start_msr(self->vm, GA(code_write_and_read), settable[i].index,
			  settable[i].value);
		ASSERT_OUT(self->vm, PORT_DONE);
		ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
		EXPECT_EQ(settable[i].value, regs.rbx);
		EXPECT_EQ(1, get_msr(self->vm, settable[i].index, &value));
		EXPECT_EQ(settable[i].value, value) {
			TH_LOG("MSR %#x", settable[i].index);
		}
	}
	ASSERT_EVENTS(self->vm, 0);
}

TEST_F(msrs, set_outside_read_inside)
{
	struct kvm_regs regs;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settable); i++)
		ASSERT_EQ(1, set_msr(self->vm, settable[i].index, settable[i].value));
	ASSERT_EQ(0, vm_move(self->vm));
	for (i = 0; i < ARRAY_SIZE(settable); i++) {
		start_msr(self->vm, GA(code_read), settable[i].index, 0);
		ASSERT_OUT(self->vm, PORT_DONE);
		ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
		EXPECT_EQ(settable[i].value, regs.rdx << 32 | regs.rax) {
			TH_LOG("MSR %#x", settable[i].index);
		}
	}
}

static const struct {
	uint32_t index;
	uint64_t value;
} refused[] = {
	{ MSR_PAT, 0x0202020202020202 },
	{ MSR_EFER, 1ULL << 40 },
	{ MSR_EFER, 0 },		/* LME off while paging */
	{ MSR_NONE, 0 },
};

/* Addresses that are not canonical, which the processor itself may check. */
static const struct {
	uint32_t index;
	uint64_t value;
} not_canonical[] = {
	{ MSR_LSTAR, 0x8000000000000000 },
	{ MSR_KERNEL_GS_BASE, 0x0000800000000000 },
};

static void check_refused(struct __test_metadata *_metadata, struct vm *vm, uint32_t index,
			  uint64_t value)
{
	log_clear(vm);
	start_msr(vm, GA(code_write), index, value);
	ASSERT_OUT(vm, PORT_DONE);
	EXPECT_EQ(1U, log_count(vm)) {
		TH_LOG("MSR %#x", index);
	}
	EXPECT_EVENT(vm, 0, 13, 0, GA(code_write));
}

TEST_F(msrs, guest_is_refused)
{
	size_t i;

	handler_skip(self->vm, 13, 2);
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		check_refused(_metadata, self->vm, refused[i].index, refused[i].value);
	log_clear(self->vm);
	start_msr(self->vm, GA(code_read), MSR_NONE, 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EVENTS(self->vm, 1);
	EXPECT_EVENT(self->vm, 0, 13, 0, GA(code_read));
}

TEST_F(msrs, guest_writes_no_address)
{
	size_t i;

	handler_skip(self->vm, 13, 2);
	for (i = 0; i < ARRAY_SIZE(not_canonical); i++)
		check_refused(_metadata, self->vm, not_canonical[i].index,
			      not_canonical[i].value);
}

/* AMD's processors take any, and Linux keeps 32 bits there: what is read can be set again. */
TEST_F(msrs, sysenter_is_made_canonical)
{
	uint64_t value;

	ASSERT_EQ(1, set_msr(self->vm, MSR_SYSENTER_EIP, 0x0000812345678000));
	ASSERT_EQ(1, get_msr(self->vm, MSR_SYSENTER_EIP, &value));
	EXPECT_TRUE(value == 0xffff812345678000 || value == 0x45678000);
	EXPECT_EQ(1, set_msr(self->vm, MSR_SYSENTER_EIP, value));
}

#define MSR_UCODE_REV	0x8b

/* Intel's processors have the revision in the upper half, AMD's in the lower. */
TEST_F(msrs, microcode_revision)
{
	unsigned int eax, ebx, ecx, edx;
	uint64_t value;

	ASSERT_EQ(1, __get_cpuid(0, &eax, &ebx, &ecx, &edx));
	ASSERT_EQ(1, get_msr(self->vm, MSR_UCODE_REV, &value));
	EXPECT_NE(0, ebx == signature_INTEL_ebx ? value >> 32 : value & 0xffffffff);
}

#define MSR_MCG_STATUS	0x17a
#define MCG_MCIP	(1ULL << 2)
#define MSR_MC1_CTL	0x404
#define MCI_VALID	(1ULL << 63)

/* It is logged, and the machine check that is under way stays so. */
TEST_F(msrs, corrected_error)
{
	struct kvm_x86_mce mce = { .bank = 1, .status = MCI_VALID | 0x135 };
	uint64_t mcg_cap = 10, value;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_X86_SETUP_MCE, &mcg_cap));
	ASSERT_EQ(1, set_msr(self->vm, MSR_MCG_STATUS, MCG_MCIP));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_X86_SET_MCE, &mce));
	ASSERT_EQ(1, get_msr(self->vm, MSR_MCG_STATUS, &value));
	EXPECT_EQ(MCG_MCIP, value);
	ASSERT_EQ(1, get_msr(self->vm, MSR_MC1_CTL + 1, &value));
	EXPECT_EQ(mce.status, value);
	/* two bits may be off alone */
	EXPECT_EQ(1, set_msr(self->vm, MSR_MC1_CTL, ~1ULL));
	EXPECT_EQ(1, set_msr(self->vm, MSR_MC1_CTL, ~(1ULL << 10)));
	EXPECT_EQ(0, set_msr(self->vm, MSR_MC1_CTL, ~2ULL));
}

TEST_F(msrs, tsc_goes_on)
{
	struct kvm_regs regs;
	uint64_t one, two, three;

	ASSERT_EQ(1, set_msr(self->vm, MSR_TSC, 1ULL << 50));
	ASSERT_EQ(1, get_msr(self->vm, MSR_TSC, &one));
	start_msr(self->vm, GA(code_read), MSR_TSC, 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	two = regs.rdx << 32 | regs.rax;
	ASSERT_EQ(1, get_msr(self->vm, MSR_TSC, &three));
	EXPECT_LE(1ULL << 50, one);
	EXPECT_LE(one, two);
	EXPECT_LE(two, three);
	EXPECT_GE((1ULL << 50) + (1ULL << 42), three);
}

TEST_F(msrs, apic_base_is_in_the_run_page)
{
	uint64_t value;

	ASSERT_EQ(1, get_msr(self->vm, MSR_APIC_BASE, &value));
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(value, self->vm->run->apic_base);
	EXPECT_EQ(0xfee00900ULL, value);
}

static struct kvm_msr_list *msr_list(int kvm, unsigned long request)
{
	struct kvm_msr_list none = { .nmsrs = 0 }, *list;

	if (ioctl(kvm, request, &none) != -1 || errno != E2BIG)
		return NULL;
	list = calloc(1, sizeof(*list) + 4 * none.nmsrs);
	list->nmsrs = none.nmsrs;
	if (ioctl(kvm, request, list)) {
		free(list);
		return NULL;
	}
	return list;
}

static bool listed(const struct kvm_msr_list *list, uint32_t index)
{
	unsigned int i;

	for (i = 0; i < list->nmsrs; i++)
		if (list->indices[i] == index)
			return true;
	return false;
}

TEST_F(msrs, index_list)
{
	struct kvm_msr_list *list = msr_list(self->vm->kvm, KVM_GET_MSR_INDEX_LIST);

	ASSERT_NE(NULL, list);
	EXPECT_TRUE(listed(list, MSR_TSC));
	EXPECT_TRUE(listed(list, MSR_STAR));
	EXPECT_TRUE(listed(list, MSR_LSTAR));
	EXPECT_TRUE(listed(list, MSR_KERNEL_GS_BASE));
	EXPECT_TRUE(listed(list, MSR_SYSENTER_EIP));
	EXPECT_TRUE(listed(list, MSR_PAT));
	EXPECT_FALSE(listed(list, MSR_NONE));
	free(list);
}

/* Everything in the list can be read, and written back as it was read. */
TEST_F(msrs, index_list_is_true)
{
	struct kvm_msr_list *list = msr_list(self->vm->kvm, KVM_GET_MSR_INDEX_LIST);
	unsigned int i, readable = 0;
	uint64_t value;

	ASSERT_NE(NULL, list);
	for (i = 0; i < list->nmsrs; i++) {
		if (get_msr(self->vm, list->indices[i], &value) != 1)
			continue;
		readable++;
		EXPECT_EQ(1, set_msr(self->vm, list->indices[i], value)) {
			TH_LOG("MSR %#x, value %#llx", list->indices[i],
			       (unsigned long long)value);
		}
	}
	EXPECT_LE(10U, readable);
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_SETTLED(self->vm);
	free(list);
}

TEST_F(msrs, feature_list)
{
	struct kvm_msr_list *list;
	struct one_msr msr = { .head.nmsrs = 1 };
	unsigned int i;

	NEED_CAP(self->vm, KVM_CAP_GET_MSR_FEATURES);
	list = msr_list(self->vm->kvm, KVM_GET_MSR_FEATURE_INDEX_LIST);
	ASSERT_NE(NULL, list);
	for (i = 0; i < list->nmsrs; i++) {
		msr.entry.index = list->indices[i];
		EXPECT_EQ(1, ioctl(self->vm->kvm, KVM_GET_MSRS, &msr)) {
			TH_LOG("MSR %#x", list->indices[i]);
		}
	}
	msr.entry.index = MSR_NONE;
	EXPECT_EQ(0, ioctl(self->vm->kvm, KVM_GET_MSRS, &msr));
	free(list);
}

TEST_HARNESS_MAIN
