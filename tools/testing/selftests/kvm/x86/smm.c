// SPDX-License-Identifier: GPL-2.0-only
/*
 * System management mode: an SMI saves everything, RSM brings it back, and
 * what may come meanwhile waits or is kept, over moves too.
 *
 * SMRAM is in the second address space only, at the base after reset.  The
 * handler says PORT_MARK, so that the test sees the vCPU in SMM, and returns.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include "kvm_test.h"

#define SMBASE		0x30000
#define SMRAM_SIZE	0x10000
#define SECOND_SPACE	(1u << 16)
#define SLOT_LOW	(SECOND_SPACE | 0)
#define SLOT_SMRAM	(SECOND_SPACE | 1)
#define SLOT_HIGH	(SECOND_SPACE | 2)

#define HALT_RESTART	0xfec9
#define SAVED_CR0	0xff58
#define SAVED_RFLAGS	0xff70
#define SAVED_RIP	0xff78
#define SAVED_RAX	0xfff8

#define MSR_COUNT	0x34
#define MSR_BASE	0x9e

#define CR0_PE		1ULL
#define CR0_PG		(1ULL << 31)

/* Tests with the local APIC in the kernel have an MSI for it. */
#define MSI_SMI		0x200
#define MSI_INIT	0x500

GUEST(smm_nops,
	"nop\n"
	"smm_nops_second:\n"
	"nop\n"
	"jmp rt_done");
LABEL(smm_nops_second);

GUEST(smm_rsm,
	"rsm\n"
	"jmp rt_done");

/* Only without SMM is there what the test wrote at the handler's address. */
GUEST(smm_look,
	"mov 0x38000, %eax\n"
	"jmp rt_done");

static const uint8_t handler[] = {
	0xe6, PORT_MARK,		/* out %al, $PORT_MARK */
	0x0f, 0xaa,			/* rsm */
};

FIXTURE(smm) {
	struct vm vm[1];
	uint8_t *smram;
};

FIXTURE_VARIANT(smm) {
	int (*carry_on)(struct vm *vm);
};

static int carry_nothing(struct vm *vm)
{
	return vm ? 0 : -1;
}

FIXTURE_VARIANT_ADD(smm, stays) { .carry_on = carry_nothing };
FIXTURE_VARIANT_ADD(smm, in_place) { .carry_on = vm_in_place };
FIXTURE_VARIANT_ADD(smm, moves) { .carry_on = vm_move };

/* The second space: SMRAM in the place of what is there in the first. */
static int add_second_space(struct vm *vm, uint8_t *smram)
{
	uint64_t high = SMBASE + SMRAM_SIZE;

	return vm_slot(vm, SLOT_LOW, 0, 0, SMBASE, vm->mem) ?:
	       vm_slot(vm, SLOT_SMRAM, 0, SMBASE, SMRAM_SIZE, smram) ?:
	       vm_slot(vm, SLOT_HIGH, 0, high, MEM_SIZE - high, vm->mem + high);
}

static uint8_t *new_smram(void)
{
	uint8_t *smram = mmap(NULL, SMRAM_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (smram == MAP_FAILED)
		return NULL;
	memcpy(smram + 0x8000, handler, sizeof(handler));
	return smram;
}

FIXTURE_SETUP(smm)
{
	int probe = kvm_open();

	if (probe < 0 || kvm_check(probe, KVM_CAP_X86_SMM) <= 0)
		SKIP(_exit(255), "no /dev/kvm with SMM");
	close(probe);
	VM_SETUP(self->vm, 0);
	self->smram = new_smram();
	ASSERT_NE(NULL, self->smram);
	ASSERT_EQ(0, add_second_space(self->vm, self->smram));
}

FIXTURE_TEARDOWN(smm)
{
	vm_destroy(self->vm);
	munmap(self->smram, SMRAM_SIZE);
}

/* The last OUT is finished first. A move makes a new VM, whose second space is empty. */
#define CARRY_ON()							\
do {									\
	ASSERT_EQ(0, vm_complete(self->vm));				\
	ASSERT_EQ(0, variant->carry_on(self->vm));			\
	if (variant->carry_on == vm_move)				\
		ASSERT_EQ(0, add_second_space(self->vm, self->smram));	\
} while (0)

static int smi(struct vm *vm)
{
	return vcpu_ioctl(vm, KVM_SMI, NULL);
}

static uint64_t saved(uint8_t *smram, unsigned int offset)
{
	uint64_t value;

	memcpy(&value, smram + offset, sizeof(value));
	return value;
}

static void save(uint8_t *smram, unsigned int offset, uint64_t value)
{
	memcpy(smram + offset, &value, sizeof(value));
}

static uint64_t msr(struct vm *vm, uint32_t index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1, .entry.index = index };

	return vcpu_ioctl(vm, KVM_GET_MSRS, &one) == 1 ? one.entry.data : ~0ULL;
}

/* The handler has said so, and kvm_run tells where. */
#define ASSERT_IN_SMM(vm)						\
do {									\
	ASSERT_OUT(vm, PORT_MARK);					\
	ASSERT_TRUE((vm)->run->flags & KVM_RUN_X86_SMM);		\
} while (0)

#define ASSERT_BACK(vm)							\
do {									\
	ASSERT_SETTLED(vm);						\
	ASSERT_FALSE((vm)->run->flags & KVM_RUN_X86_SMM);		\
} while (0)

TEST_F(smm, entry)
{
	struct kvm_vcpu_events events;
	struct kvm_regs before, regs;
	struct kvm_debugregs debug;
	struct kvm_sregs sregs;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &before));
	ASSERT_EQ(0, smi(self->vm));
	CARRY_ON();
	ASSERT_IN_SMM(self->vm);
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0x8002, regs.rip);
	EXPECT_EQ(RFLAGS_FIXED, regs.rflags);
	EXPECT_EQ(before.rsp, regs.rsp);
	EXPECT_EQ(before.rax, regs.rax);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(SMBASE, sregs.cs.base);
	EXPECT_EQ(SMBASE >> 4, sregs.cs.selector);
	EXPECT_EQ(0, sregs.ds.base);
	EXPECT_EQ(0, sregs.ds.selector);
	EXPECT_EQ(0xffffffff, sregs.ss.limit);
	EXPECT_EQ(0, sregs.cr0 & (CR0_PE | CR0_PG));
	EXPECT_EQ(0, sregs.cr4);
	EXPECT_EQ(0, sregs.efer);
	EXPECT_EQ(PML4, sregs.cr3);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &debug));
	EXPECT_EQ(0x400, debug.dr7);
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.smi.smm);
	EXPECT_EQ(0, events.smi.pending);
	EXPECT_EQ(0, events.smi.smm_inside_nmi);
	EXPECT_EQ(1, events.nmi.masked);
	EXPECT_EQ(GA(rt_done), saved(self->smram, SAVED_RIP));
	EXPECT_EQ(RFLAGS_FIXED | RFLAGS_IF, saved(self->smram, SAVED_RFLAGS));
	ASSERT_BACK(self->vm);
}

/* All that there is, as it was, but for the OUT that tells of it. */
TEST_F(smm, round_trip)
{
	struct kvm_debugregs debug = { .db = { 0x1000, 0x2000, 0x3000, 0x4000 } };
	struct kvm_debugregs debug_after;
	struct kvm_regs before, after;
	struct kvm_sregs sregs, sregs_after;
	uint64_t *reg = (uint64_t *)&before;
	unsigned int i;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &before));
	for (i = 0; i < 16; i++)
		if (&reg[i] != (uint64_t *)&before.rsp)
			reg[i] = 0x1111111111111111 * i;
	before.rflags = RFLAGS_FIXED | RFLAGS_OF;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &before));
	debug.dr6 = DR6_INIT | 1;
	debug.dr7 = 0x700;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &debug));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.fs.base = 0x123456789000;
	sregs.gs.base = 0xffff800000001000;
	sregs.cr2 = 0xdead000;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	CARRY_ON();
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &after));
	before.rip += 2;
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs_after));
	EXPECT_EQ(0, memcmp(&sregs, &sregs_after, sizeof(sregs)));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &debug_after));
	EXPECT_EQ(0, memcmp(&debug, &debug_after, sizeof(debug)));
}

TEST_F(smm, rsm_outside_is_ud)
{
	handler_skip(self->vm, 6, 2);
	vm_start(self->vm, GA(smm_rsm), 0);
	ASSERT_H(self->vm, 6, NO_EC, GA(smm_rsm));
	/* and so it is again when there has been SMM */
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	CARRY_ON();
	ASSERT_BACK(self->vm);
	log_clear(self->vm);
	vm_start(self->vm, GA(smm_rsm), 0);
	ASSERT_H(self->vm, 6, NO_EC, GA(smm_rsm));
}

/* What the handler writes is what comes back. */
TEST_F(smm, handler_decides)
{
	struct kvm_regs regs;

	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	save(self->smram, SAVED_RIP, GA(smm_nops));
	save(self->smram, SAVED_RAX, 0x1234567890);
	CARRY_ON();
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0x1234567890, regs.rax);
}

TEST_F(smm, bad_state_is_shutdown)
{
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	save(self->smram, SAVED_CR0, CR0_PG);
	CARRY_ON();
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm));
}

TEST_F(smm, base_moves)
{
	struct kvm_sregs sregs;
	uint32_t base = 0x31000;

	memcpy(self->smram + 0x9000, handler, sizeof(handler));
	vm_start(self->vm, GA(rt_done), 0);
	EXPECT_EQ(SMBASE, msr(self->vm, MSR_BASE));
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	memcpy(self->smram + 0xff00, &base, sizeof(base));
	ASSERT_BACK(self->vm);
	EXPECT_EQ(base, msr(self->vm, MSR_BASE));
	CARRY_ON();
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(base, sregs.cs.base);
	EXPECT_EQ(2, msr(self->vm, MSR_COUNT));
	ASSERT_BACK(self->vm);
}

/* Case 69: an NMI waits for RSM. */
TEST_F(smm, c69_nmi_waits)
{
	struct kvm_vcpu_events events;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	CARRY_ON();
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.nmi.pending);
	EXPECT_EQ(1, events.nmi.masked);
	ASSERT_EVENTS(self->vm, 0);
	ASSERT_H(self->vm, 2, NO_EC, GA(rt_done));
}

TEST_F(smm, c69_interrupt_waits)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, vm_interrupt(self->vm, 0x40));
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	EXPECT_EQ(0, self->vm->run->if_flag);
	CARRY_ON();
	ASSERT_EVENTS(self->vm, 0);
	ASSERT_H(self->vm, 0x40, NO_EC, GA(rt_done));
}

/* Some emulated processors unmask NMIs for an IRET alone, whatever an entry says. */
static bool probe_nmi_mask(void)
{
	struct kvm_vcpu_events events = { .nmi.masked = 1 };
	struct vm vm[1];
	bool opens;

	opens = !vm_create(vm, 0) && !events_set(vm, events_nmi(0, 0, 1)) &&
		vm_run_out(vm) == PORT_DONE && !events_set(vm, events_nmi(0, 0, 0)) &&
		vm_run_out(vm) == PORT_DONE && !events_get(vm, &events) && !events.nmi.masked;
	vm_destroy(vm);
	return opens;
}

/* Case 69: NMIs that were masked before are again behind RSM, others not. */
TEST_F(smm, c69_inside_nmi)
{
	struct kvm_vcpu_events events;
	unsigned int masked;

	for (masked = !probe_nmi_mask(); masked < 2; masked++) {
		vm_start(self->vm, GA(rt_done), RFLAGS_IF);
		ASSERT_EQ(0, events_set(self->vm, events_nmi(0, 0, masked)));
		ASSERT_EQ(0, smi(self->vm));
		ASSERT_IN_SMM(self->vm);
		CARRY_ON();
		ASSERT_EQ(0, events_get(self->vm, &events));
		EXPECT_EQ(masked, events.smi.smm_inside_nmi);
		EXPECT_EQ(1, events.nmi.masked);
		ASSERT_BACK(self->vm);
		ASSERT_EQ(0, events_get(self->vm, &events));
		EXPECT_EQ(masked, events.nmi.masked);
		EXPECT_EQ(0, events.smi.smm);
		EXPECT_EQ(0, events.smi.smm_inside_nmi);
	}
}

/* One that comes in SMM is taken behind RSM, and only one. */
TEST_F(smm, smi_in_smm)
{
	struct kvm_vcpu_events events;

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_EQ(0, smi(self->vm));
	CARRY_ON();
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.smi.smm);
	EXPECT_EQ(1, events.smi.pending);
	ASSERT_IN_SMM(self->vm);
	ASSERT_BACK(self->vm);
}

/* What has begun goes first: the SMI finds its handler's first instruction. */
TEST_F(smm, exception_goes_first)
{
	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	ASSERT_EQ(0, events_set(self->vm, events_exception(13, 0x18, false)));
	ASSERT_EQ(0, smi(self->vm));
	CARRY_ON();
	ASSERT_IN_SMM(self->vm);
	EXPECT_EQ(STUB(13), saved(self->smram, SAVED_RIP));
	ASSERT_H(self->vm, 13, 0x18, GA(rt_done));
}

/* Case 70: a shadow is there again behind RSM, which a debugger's step sees. */
static void check_shadow(struct __test_metadata *_metadata, struct vm *vm,
			 unsigned int shadow)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct kvm_vcpu_events events;

	ASSERT_EQ(0, vm_complete(vm));
	ASSERT_EQ(0, events_get(vm, &events));
	EXPECT_EQ(0, events.interrupt.shadow);
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_GUEST_DEBUG, &debug));
	ASSERT_EQ(KVM_EXIT_DEBUG, vm_run(vm));
	EXPECT_EQ(GA(smm_nops), vm_rip(vm));
	ASSERT_EQ(0, events_get(vm, &events));
	EXPECT_NE(0, events.interrupt.shadow & shadow);
	debug.control = 0;
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_GUEST_DEBUG, &debug));
}

TEST_F(smm, c70_shadow)
{
	unsigned int shadow;

	for (shadow = KVM_X86_SHADOW_INT_MOV_SS; shadow <= KVM_X86_SHADOW_INT_STI; shadow++) {
		vm_start(self->vm, GA(smm_nops), RFLAGS_IF);
		ASSERT_EQ(0, events_shadow(self->vm, shadow));
		ASSERT_EQ(0, smi(self->vm));
		ASSERT_IN_SMM(self->vm);
		CARRY_ON();
		check_shadow(_metadata, self->vm, shadow);
		ASSERT_BACK(self->vm);
	}
}

TEST_F(smm, c70_shadow_holds_an_interrupt)
{
	if (!probe_shadow())
		SKIP(return, "this processor forgets shadows");
	vm_start(self->vm, GA(smm_nops), RFLAGS_IF);
	ASSERT_EQ(0, events_shadow(self->vm, KVM_X86_SHADOW_INT_STI));
	ASSERT_EQ(0, vm_interrupt(self->vm, 0x40));
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	CARRY_ON();
	ASSERT_H(self->vm, 0x40, NO_EC, GA(smm_nops_second));
}

/* Case 11: all eight, and a second look sees the same. */
TEST_F(smm, c11_events)
{
	struct kvm_vcpu_events set = { .flags = KVM_VCPUEVENT_VALID_SMM }, seen, again;
	unsigned int n;

	for (n = 0; n < 8; n++) {
		set.smi.smm = n & 1;
		set.smi.pending = n >> 1 & 1;
		set.smi.smm_inside_nmi = n >> 2;
		ASSERT_EQ(0, events_set(self->vm, set));
		CARRY_ON();
		ASSERT_EQ(0, events_get(self->vm, &seen));
		EXPECT_EQ(set.smi.smm, seen.smi.smm);
		EXPECT_EQ(set.smi.pending, seen.smi.pending);
		EXPECT_EQ((n & 5) == 5, seen.smi.smm_inside_nmi);
		ASSERT_EQ(0, events_get(self->vm, &again));
		EXPECT_EVENTS_EQ(&seen, &again);
	}
}

/* Case 15: without the flag nothing of it changes. */
TEST_F(smm, c15_without_flag)
{
	struct kvm_vcpu_events set = {
		.flags = KVM_VCPUEVENT_VALID_SMM,
		.smi = { .smm = 1, .pending = 1, .smm_inside_nmi = 1 },
	}, seen;

	ASSERT_EQ(0, events_set(self->vm, set));
	memset(&set, 0, sizeof(set));
	ASSERT_EQ(0, events_set(self->vm, set));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	EXPECT_EQ(1, seen.smi.smm);
	EXPECT_EQ(1, seen.smi.pending);
	EXPECT_EQ(1, seen.smi.smm_inside_nmi);
}

/* Put into SMM from outside, a vCPU sees what is there; taken out, the first space. */
TEST_F(smm, spaces)
{
	struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_SMM, .smi.smm = 1 };
	struct kvm_regs regs;
	uint32_t there;

	memcpy(&there, handler, sizeof(there));
	vm_start(self->vm, GA(smm_look), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0, regs.rax);
	ASSERT_EQ(0, events_set(self->vm, events));
	vm_start(self->vm, GA(smm_look), 0);
	CARRY_ON();
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(there, regs.rax);
	events.smi.smm = 0;
	ASSERT_EQ(0, events_set(self->vm, events));
	vm_start(self->vm, GA(smm_look), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0, regs.rax);
	EXPECT_EQ(0, self->vm->mem[SMBASE + 0x8000]);
}

/* Memory goes and comes under a vCPU in SMM, as it does elsewhere. */
TEST_F(smm, spaces_follow_the_host)
{
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	CARRY_ON();
	ASSERT_BACK(self->vm);
	ASSERT_EQ(0, madvise(self->smram, SMRAM_SIZE, MADV_DONTNEED));
	/* another handler: its word is PORT_DATA */
	memcpy(self->smram + 0x8000, "\xe6\xd4\x0f\xaa", 4);
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_OUT(self->vm, PORT_DATA);
	ASSERT_BACK(self->vm);
}

TEST_F(smm, slot_numbers)
{
	struct vm *vm = self->vm;

	EXPECT_EQ(2, kvm_check(vm->fd, KVM_CAP_MULTI_ADDRESS_SPACE));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 2u << 16, 0, 0, SMRAM_SIZE, self->smram));
	EXPECT_EQ(-EINVAL, vm_slot(vm, SECOND_SPACE | 0xfff0, 0, 0, SMRAM_SIZE, self->smram));
	/* what is there in one space is not in the way in the other */
	EXPECT_EQ(-EEXIST, vm_slot(vm, SECOND_SPACE | 7, 0, SMBASE, SMRAM_SIZE, self->smram));
	EXPECT_EQ(-EEXIST, vm_slot(vm, 7, 0, SMBASE, SMRAM_SIZE, self->smram));
	EXPECT_EQ(0, vm_slot(vm, SECOND_SPACE | 7, 0, MMIO, SMRAM_SIZE, self->smram));
	EXPECT_EQ(0, vm_slot(vm, 7, 0, MMIO, SMRAM_SIZE, self->smram));
	EXPECT_EQ(0, vm_slot(vm, 7, 0, MMIO, 0, NULL));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 7, 0, MMIO, 0, NULL));
	EXPECT_EQ(0, vm_slot(vm, SECOND_SPACE | 7, 0, MMIO, 0, NULL));
}

/* The kernel's own write, of the save area, is in the log of the slot in the second space. */
TEST_F(smm, dirty_log)
{
	uint64_t bits = 0;
	struct kvm_dirty_log log = { .slot = SLOT_SMRAM, .dirty_bitmap = &bits };

	ASSERT_EQ(0, vm_slot(self->vm, SLOT_SMRAM, KVM_MEM_LOG_DIRTY_PAGES, SMBASE, SMRAM_SIZE,
			     self->smram));
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	ASSERT_BACK(self->vm);
	ASSERT_EQ(0, vm_ioctl(self->vm, KVM_GET_DIRTY_LOG, &log));
	EXPECT_TRUE(bits & 1ULL << 15);
	EXPECT_FALSE(bits & 0xff);
	log.slot = 2u << 16;
	EXPECT_EQ(-EINVAL, vm_ioctl(self->vm, KVM_GET_DIRTY_LOG, &log));
	log.slot = SECOND_SPACE | 5;
	EXPECT_EQ(-ENOENT, vm_ioctl(self->vm, KVM_GET_DIRTY_LOG, &log));
}

/*
 * With interrupt controllers in the kernel: halting, and INITs.
 */

FIXTURE(smm_apic) {
	struct vm vm[1];
	uint8_t *smram;
};

FIXTURE_SETUP(smm_apic)
{
	int probe = kvm_open();

	if (probe < 0 || kvm_check(probe, KVM_CAP_X86_SMM) <= 0 ||
	    kvm_check(probe, KVM_CAP_IRQCHIP) <= 0)
		SKIP(_exit(255), "no /dev/kvm with SMM and interrupt controllers");
	close(probe);
	VM_SETUP(self->vm, VM_IRQCHIP);
	self->smram = new_smram();
	ASSERT_NE(NULL, self->smram);
	ASSERT_EQ(0, add_second_space(self->vm, self->smram));
}

FIXTURE_TEARDOWN(smm_apic)
{
	vm_destroy(self->vm);
	munmap(self->smram, SMRAM_SIZE);
}

static int send(struct vm *vm, uint32_t data)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = data };

	return vm_ioctl(vm, KVM_SIGNAL_MSI, &msi);
}

static int set_mp_state(struct vm *vm, uint32_t state)
{
	struct kvm_mp_state mp = { .mp_state = state };

	return vcpu_ioctl(vm, KVM_SET_MP_STATE, &mp);
}

static int mp_state(struct vm *vm)
{
	struct kvm_mp_state mp;

	return vcpu_ioctl(vm, KVM_GET_MP_STATE, &mp) ?: (int)mp.mp_state;
}

TEST_F(smm_apic, message)
{
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(1, send(self->vm, MSI_SMI));
	ASSERT_IN_SMM(self->vm);
	ASSERT_BACK(self->vm);
}

/* Case 80: it wakes who is halted; the handler lets it go on. */
TEST_F(smm_apic, c80_halted)
{
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, set_mp_state(self->vm, KVM_MP_STATE_HALTED));
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(self->vm));
	if (!self->smram[HALT_RESTART])
		SKIP(return, "halting is not saved");
	self->smram[HALT_RESTART] = 0;
	ASSERT_BACK(self->vm);
}

/* Nothing is changed: it halts again, until an NMI comes. */
TEST_F(smm_apic, halts_again)
{
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, set_mp_state(self->vm, KVM_MP_STATE_HALTED));
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	if (!self->smram[HALT_RESTART])
		SKIP(return, "halting is not saved");
	ASSERT_EQ(RUN_HUNG, vm_run(self->vm));
	EXPECT_EQ(KVM_MP_STATE_HALTED, mp_state(self->vm));
	EXPECT_EQ(0, log_count(self->vm));
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_H(self->vm, 2, NO_EC, GA(rt_done));
}

/* Case 12 and 71: an INIT in SMM waits, can be looked at, and is taken behind RSM, once. */
TEST_F(smm_apic, c12_init_waits)
{
	struct kvm_vcpu_events events, again;
	struct kvm_sregs sregs;

	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_IN_SMM(self->vm);
	ASSERT_EQ(1, send(self->vm, MSI_INIT));
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.smi.latched_init);
	EXPECT_EQ(1, events.smi.smm);
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(self->vm));
	ASSERT_EQ(0, events_get(self->vm, &again));
	EXPECT_EVENTS_EQ(&events, &again);
	ASSERT_EQ(0, events_set(self->vm, events));
	/* there is nothing at the reset vector: whatever KVM_RUN says of that */
	vm_run(self->vm);
	EXPECT_EQ(0xfff0, vm_rip(self->vm));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(0xffff0000, sregs.cs.base);
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(0, events.smi.latched_init);
	EXPECT_EQ(0, events.smi.smm);
	EXPECT_EQ(SMBASE, msr(self->vm, MSR_BASE));
}

/* Case 30: both orders are accepted, and judged when it is to run. */
TEST_F(smm_apic, c30_contradiction)
{
	struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_SMM, .smi.smm = 1 };

	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_EQ(0, set_mp_state(self->vm, KVM_MP_STATE_INIT_RECEIVED));
	EXPECT_EQ(-EINVAL, vm_run(self->vm));
	events.smi.smm = 0;
	ASSERT_EQ(0, events_set(self->vm, events));
	events.smi.smm = 1;
	ASSERT_EQ(0, events_set(self->vm, events));
	EXPECT_EQ(-EINVAL, vm_run(self->vm));
	ASSERT_EQ(0, set_mp_state(self->vm, KVM_MP_STATE_RUNNABLE));
	ASSERT_OUT(self->vm, PORT_DONE);
}

/* Who waits for a SIPI keeps its SMI. */
TEST_F(smm_apic, smi_waits_for_sipi)
{
	struct kvm_vcpu_events events;

	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_EQ(0, smi(self->vm));
	ASSERT_EQ(0, set_mp_state(self->vm, KVM_MP_STATE_INIT_RECEIVED));
	ASSERT_EQ(RUN_HUNG, vm_run(self->vm));
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.smi.pending);
	ASSERT_EQ(0, set_mp_state(self->vm, KVM_MP_STATE_RUNNABLE));
	ASSERT_IN_SMM(self->vm);
	ASSERT_BACK(self->vm);
}

/*
 * A processor without long mode has the other layout.
 */

static int hide_long_mode(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	unsigned int i;
	int err;

	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = 256;
	err = ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0 ? -errno : 0;
	for (i = 0; !err && i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0x80000001)
			cpuid->entries[i].edx &= ~(1u << 29);
	err = err ?: vcpu_ioctl(vm, KVM_SET_CPUID2, cpuid);
	free(cpuid);
	return err;
}

TEST(smm_without_long_mode)
{
	static const uint8_t code[] = { 0xe6, PORT_DONE, 0xeb, 0xfc };
	struct kvm_regs regs = { .rip = 0x1000, .rflags = RFLAGS_FIXED, .rbx = 0x12345678 };
	uint8_t *mem = vm_alloc(), *smram = new_smram();
	struct kvm_sregs sregs, after;
	struct vm vm[1];

	ASSERT_NE(NULL, mem);
	memcpy(mem + 0x1000, code, sizeof(code));
	ASSERT_EQ(NULL, (void *)vm_create_on(vm, 0, mem));
	if (kvm_check(vm->fd, KVM_CAP_X86_SMM) <= 0)
		SKIP(return, "no SMM");
	ASSERT_EQ(0, add_second_space(vm, smram));
	ASSERT_EQ(0, hide_long_mode(vm));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_SREGS, &sregs));
	sregs.cs.base = sregs.cs.selector = 0;
	sregs.gs.base = 0x4560;
	sregs.gs.selector = 0x456;
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_REGS, &regs));
	ASSERT_EQ(0, smi(vm));
	ASSERT_IN_SMM(vm);
	EXPECT_EQ(0x20000, (uint32_t)saved(smram, 0xfefc));
	EXPECT_EQ(SMBASE, (uint32_t)saved(smram, 0xfef8));
	EXPECT_EQ(0x1000, (uint32_t)saved(smram, 0xfff0));
	EXPECT_EQ(0x12345678, (uint32_t)saved(smram, 0xffdc));
	EXPECT_EQ(0x456, (uint32_t)saved(smram, 0xffbc));
	ASSERT_OUT(vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_SREGS, &after));
	/* no more of CS: Bochs has rights of its own for it in real mode */
	EXPECT_EQ(sregs.cs.base, after.cs.base);
	EXPECT_EQ(sregs.cs.selector, after.cs.selector);
	EXPECT_EQ(sregs.cs.limit, after.cs.limit);
	EXPECT_EQ(0, memcmp(&sregs.ss, &after.ss, sizeof(sregs.ss)));
	EXPECT_EQ(0, memcmp(&sregs.gs, &after.gs, sizeof(sregs.gs)));
	EXPECT_EQ(0, memcmp(&sregs.tr, &after.tr, sizeof(sregs.tr)));
	EXPECT_EQ(0, memcmp(&sregs.ldt, &after.ldt, sizeof(sregs.ldt)));
	EXPECT_EQ(0, memcmp(&sregs.gdt, &after.gdt, sizeof(sregs.gdt)));
	EXPECT_EQ(0, memcmp(&sregs.idt, &after.idt, sizeof(sregs.idt)));
	EXPECT_EQ(sregs.cr0, after.cr0);
	EXPECT_EQ(sregs.cr3, after.cr3);
	EXPECT_EQ(sregs.cr4, after.cr4);
	EXPECT_EQ(sregs.efer, after.efer);
	vm_destroy(vm);
	munmap(smram, SMRAM_SIZE);
}

TEST_HARNESS_MAIN
