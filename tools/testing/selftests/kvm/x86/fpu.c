// SPDX-License-Identifier: GPL-2.0-only
/*
 * x87, SSE and what XSAVE keeps: by KVM_GET/SET_FPU, XSAVE, XSAVE2 and XCRS,
 * and as the guest sees it.
 */
#include <stdlib.h>
#include "kvm_test.h"

#define XSTATE_BV	512

VM_FIXTURE(fpu)

GUEST(code_xmm,
	"movups %xmm0, " STR(DATA) "\n"
	"movups %xmm15, " STR(DATA) " + 0x10\n"
	"stmxcsr " STR(DATA) " + 0x20\n"
	"fnstcw " STR(DATA) " + 0x24\n"
	"fstpt " STR(DATA) " + 0x30\n"
	"pcmpeqd %xmm3, %xmm3\n"
	"fld1\n"
	"jmp rt_done");

static struct kvm_fpu some_fpu(void)
{
	struct kvm_fpu fpu = { .fcw = 0x27f, .mxcsr = 0x1f80, .ftwx = 0x80, .fsw = 0x3800 };
	size_t i;

	for (i = 0; i < sizeof(fpu.xmm); i++)
		((uint8_t *)fpu.xmm)[i] = i * 3 + 1;
	/* 3.0, in the register that the stack's top of 7 is. */
	memcpy(fpu.fpr[0], (uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 0xc0, 0x00, 0x40 }, 10);
	return fpu;
}

TEST_F(fpu, round_trip)
{
	struct kvm_fpu want = some_fpu(), seen;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_FPU, &want));
	memset(&seen, 0xa5, sizeof(seen));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_FPU, &seen));
	EXPECT_EQ(want.fcw, seen.fcw);
	EXPECT_EQ(want.fsw, seen.fsw);
	EXPECT_EQ(want.ftwx, seen.ftwx);
	EXPECT_EQ(0, memcmp(want.xmm, seen.xmm, sizeof(want.xmm)));
	EXPECT_EQ(0, memcmp(want.fpr[0], seen.fpr[0], 10));
}

static void check_guest_view(struct __test_metadata *_metadata, struct vm *vm,
			     const struct kvm_fpu *fpu)
{
	uint8_t *store = vm->mem + DATA;

	vm_start(vm, GA(code_xmm), 0);
	ASSERT_OUT(vm, PORT_DONE);
	EXPECT_EQ(0, memcmp(fpu->xmm[0], store, 16));
	EXPECT_EQ(0, memcmp(fpu->xmm[15], store + 0x10, 16));
	EXPECT_EQ(fpu->mxcsr, *(uint32_t *)(store + 0x20));
	EXPECT_EQ(fpu->fcw, *(uint16_t *)(store + 0x24));
	EXPECT_EQ(0, memcmp(fpu->fpr[0], store + 0x30, 10));
}

/* Round to zero, by the same ioctl. */
TEST_F(fpu, mxcsr)
{
	struct kvm_fpu want = some_fpu(), seen;

	want.mxcsr = 0x7f80;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_FPU, &want));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_FPU, &seen));
	EXPECT_EQ(want.mxcsr, seen.mxcsr);
	vm_start(self->vm, GA(code_xmm), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(want.mxcsr, *(uint32_t *)(self->vm->mem + DATA + 0x20));
}

TEST_F(fpu, seen_by_the_guest)
{
	struct kvm_fpu set = some_fpu(), seen;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_FPU, &set));
	check_guest_view(_metadata, self->vm, &set);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_FPU, &seen));
	memset(set.xmm[3], 0xff, 16);
	EXPECT_EQ(0, memcmp(set.xmm, seen.xmm, sizeof(set.xmm)));
	EXPECT_EQ(0x80, seen.ftwx);
}

/* The host's own use of the registers between two runs does not show. */
TEST_F(fpu, not_the_hosts)
{
	struct kvm_fpu set = some_fpu(), seen;
	volatile double x = 1.5;
	unsigned int i;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_FPU, &set));
	for (i = 0; i < 20; i++) {
		ASSERT_OUT(self->vm, PORT_DONE);
		x = x * 1.25 + i;
	}
	EXPECT_NE(1.5, x);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_FPU, &seen));
	EXPECT_EQ(0, memcmp(set.xmm, seen.xmm, sizeof(set.xmm)));
	EXPECT_EQ(set.fcw, seen.fcw);
}

TEST_F(fpu, moved)
{
	struct kvm_fpu set = some_fpu();

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_FPU, &set));
	ASSERT_EQ(0, vm_move(self->vm));
	check_guest_view(_metadata, self->vm, &set);
}

/* Enables XSAVE for the guest, all components that the host offers it. */
static bool enable_xsave(struct vm *vm, uint64_t xcr0)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };
	struct kvm_sregs sregs;

	vcpu_ioctl(vm, KVM_GET_SREGS, &sregs);
	sregs.cr4 |= 1 << 18;
	if (vcpu_ioctl(vm, KVM_SET_SREGS, &sregs))
		return false;
	xcrs.xcrs[0].value = xcr0;
	return !vcpu_ioctl(vm, KVM_SET_XCRS, &xcrs);
}

#define NEED_XSAVE()							\
do {									\
	NEED_CAP(self->vm, KVM_CAP_XSAVE);				\
	NEED_CAP(self->vm, KVM_CAP_XCRS);				\
	if (!enable_xsave(self->vm, 3))					\
		SKIP(return, "the guest has no XSAVE");			\
} while (0)

TEST_F(fpu, xsave_holds_the_same)
{
	struct kvm_fpu fpu = some_fpu();
	struct kvm_xsave xsave;

	NEED_XSAVE();
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_FPU, &fpu));
	memset(&xsave, 0xa5, sizeof(xsave));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_XSAVE, &xsave));
	EXPECT_EQ(fpu.fcw, xsave.region[0] & 0xffff);
	EXPECT_EQ(fpu.mxcsr, xsave.region[6]);
	EXPECT_EQ(0, memcmp(fpu.fpr[0], xsave.region + 8, 10));
	EXPECT_EQ(0, memcmp(fpu.xmm, xsave.region + 40, sizeof(fpu.xmm)));
	EXPECT_EQ(3U, xsave.region[XSTATE_BV / 4] & 3);
}

TEST_F(fpu, xsave_round_trip)
{
	struct kvm_fpu fpu = some_fpu();
	struct kvm_xsave want, seen;

	NEED_XSAVE();
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_FPU, &fpu));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_XSAVE, &want));
	want.region[40] ^= 0x5a5a5a5a;
	want.region[0] ^= 0x400;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_XSAVE, &want));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_XSAVE, &seen));
	EXPECT_EQ(0, memcmp(&want, &seen, sizeof(want)));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_FPU, &fpu));
	EXPECT_EQ(want.region[40], *(uint32_t *)fpu.xmm[0]);
	EXPECT_EQ(want.region[0] & 0xffff, fpu.fcw);
}

TEST_F(fpu, xsave_refused)
{
	struct kvm_xsave xsave;

	NEED_XSAVE();
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_XSAVE, &xsave));
	xsave.region[6] = 0x80000000;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_XSAVE, &xsave));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_XSAVE, &xsave));
	xsave.region[XSTATE_BV / 4 + 1] |= 0x40000000;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_XSAVE, &xsave));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_SET_XSAVE, NULL));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_GET_XSAVE, NULL));
}

TEST_F(fpu, xsave2)
{
	int size = kvm_check(self->vm->fd, KVM_CAP_XSAVE2);
	struct kvm_xsave xsave;
	uint8_t *two;

	NEED_XSAVE();
	if (!size)
		SKIP(return, "KVM_CAP_XSAVE2 is not offered");
	EXPECT_GE(size, (int)sizeof(xsave));
	two = calloc(1, size);
	ASSERT_NE(NULL, two);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_XSAVE, &xsave));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_XSAVE2, two));
	EXPECT_EQ(0, memcmp(&xsave, two, sizeof(xsave)));
	free(two);
}

/* YMM's upper halves lie where CPUID says, in this layout at 576. */
GUEST(code_ymm,
	"vmovups %ymm5, " STR(DATA) "\n"
	"jmp rt_done");

TEST_F(fpu, avx_state)
{
	struct kvm_xsave xsave;
	uint8_t *bytes = (uint8_t *)&xsave, want[32];

	NEED_XSAVE();
	if (!enable_xsave(self->vm, 7))
		SKIP(return, "the guest has no AVX");
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_XSAVE, &xsave));
	memset(want, 0x31, 16);
	memset(want + 16, 0x72, 16);
	memcpy(bytes + 160 + 5 * 16, want, 16);
	memcpy(bytes + 576 + 5 * 16, want + 16, 16);
	xsave.region[XSTATE_BV / 4] |= 7;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_XSAVE, &xsave));
	ASSERT_EQ(0, vm_move(self->vm));
	vm_start(self->vm, GA(code_ymm), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0, memcmp(want, self->vm->mem + DATA, 32));
}

static int set_xcr0(struct vm *vm, uint64_t value)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };

	xcrs.xcrs[0].value = value;
	return vcpu_ioctl(vm, KVM_SET_XCRS, &xcrs);
}

TEST_F(fpu, xcrs)
{
	struct kvm_xcrs xcrs;

	NEED_XSAVE();
	ASSERT_EQ(0, set_xcr0(self->vm, 1));
	memset(&xcrs, 0xa5, sizeof(xcrs));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_XCRS, &xcrs));
	EXPECT_EQ(1U, xcrs.nr_xcrs);
	EXPECT_EQ(0U, xcrs.xcrs[0].xcr);
	EXPECT_EQ(1ULL, xcrs.xcrs[0].value);
	EXPECT_EQ(-EINVAL, set_xcr0(self->vm, 0));
	EXPECT_EQ(-EINVAL, set_xcr0(self->vm, 2));
	EXPECT_EQ(-EINVAL, set_xcr0(self->vm, 5));
	EXPECT_EQ(-EINVAL, set_xcr0(self->vm, 1ULL << 62 | 1));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_XCRS, &xcrs));
	EXPECT_EQ(1ULL, xcrs.xcrs[0].value);
}

TEST_F(fpu, xcrs_refused)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = KVM_MAX_XCRS + 1 };

	NEED_XSAVE();
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_XCRS, &xcrs));
	xcrs.nr_xcrs = 1;
	xcrs.flags = 1;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_XCRS, &xcrs));
}

/* The guest sets XCR0, reads it, and is told off for what it may not set. */
GUEST(code_xsetbv,
	"xor %ecx, %ecx\n"
	"xor %edx, %edx\n"
	"mov $1, %eax\n"
	"xsetbv\n"
	"xgetbv\n"
	"mov %eax, " STR(DATA) "\n"
	"mov $2, %eax\n"
	"code_xsetbv_bad:\n"
	"xsetbv\n"
	"xgetbv\n"
	"mov %eax, " STR(DATA) " + 4\n"
	"jmp rt_done");
LABEL(code_xsetbv_bad);

TEST_F(fpu, xsetbv)
{
	uint32_t *store = (uint32_t *)(self->vm->mem + DATA);
	struct kvm_xcrs xcrs;

	NEED_XSAVE();
	handler_skip(self->vm, 13, 3);
	vm_start(self->vm, GA(code_xsetbv), 0);
	ASSERT_H(self->vm, 13, 0, GA(code_xsetbv_bad));
	EXPECT_EQ(1U, store[0]);
	EXPECT_EQ(1U, store[1]);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_XCRS, &xcrs));
	EXPECT_EQ(1ULL, xcrs.xcrs[0].value);
}

TEST_HARNESS_MAIN
