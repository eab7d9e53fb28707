// SPDX-License-Identifier: GPL-2.0-only
/*
 * INIT and SIPI: how vCPUs are started by others, what an INIT leaves as it
 * was, and what userspace reads and writes of it (KVM_GET/SET_MP_STATE and
 * sipi_vector and latched_init of KVM_GET/SET_VCPU_EVENTS), at any moment.
 */
#include "kvm_test.h"
#include "machine.h"

#define START_VECTOR	(START_PAGE >> 12)
#define STARTS		WORD(0)		/* the code there counts itself, */
#define STARTED_AT	WORD(1)		/* and notes CS */
#define MSR_LSTAR	0xc0000082
#define MSR_TSC		0x10
#define CR0_CD_NW	0x60000000

FIXTURE(startup) {
	struct machine m[1];
};

FIXTURE_SETUP(startup)
{
	MACHINE_SETUP(self->m, 2, VM_IRQCHIP);
	machine_eoi(self->m, EOI_XAPIC);
}

FIXTURE_TEARDOWN(startup)
{
	machine_destroy(self->m);
}

#define S(cpu, op, a, b)	step(self->m, cpu, OP_##op, a, b)
#define IPI(dest, icr)		step_ipi(self->m, 0, false, dest, icr)

static unsigned int mp_state(struct vm *vm)
{
	struct kvm_mp_state state = { .mp_state = 77 };

	vcpu_ioctl(vm, KVM_GET_MP_STATE, &state);
	return state.mp_state;
}

static int set_mp_state(struct vm *vm, unsigned int value)
{
	struct kvm_mp_state state = { .mp_state = value };

	return vcpu_ioctl(vm, KVM_SET_MP_STATE, &state);
}

static int set_sipi_vector(struct vm *vm, unsigned int vector)
{
	struct kvm_vcpu_events events;
	int err = events_get(vm, &events);

	events.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	events.sipi_vector = vector;
	return err ?: vcpu_ioctl(vm, KVM_SET_VCPU_EVENTS, &events);
}

static uint64_t msr_get(struct vm *vm, uint32_t index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry.index = index };

	vcpu_ioctl(vm, KVM_GET_MSRS, &msr);
	return msr.entry.data;
}

static int msr_set(struct vm *vm, uint32_t index, uint64_t data)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry = { .index = index, .data = data } };

	return vcpu_ioctl(vm, KVM_SET_MSRS, &msr) == 1 ? 0 : -EINVAL;
}

/* The first vCPU sends them; the other one may run meanwhile, or not. */
static void send_init_sipi(struct machine *m, bool sipi)
{
	step_enable(m, 0, false);
	step_ipi(m, 0, false, 1, ICR_INIT | ICR_ASSERT);
	if (sipi)
		step_ipi(m, 0, false, 1, ICR_SIPI | ICR_ASSERT | START_VECTOR);
}

TEST_F(startup, as_created)
{
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(&self->m->cpu[0]));
	EXPECT_EQ(KVM_MP_STATE_UNINITIALIZED, mp_state(&self->m->cpu[1]));
}

TEST_F(startup, init_sipi_sipi)
{
	send_init_sipi(self->m, true);
	S(0, DELAY, 0, 500000);
	IPI(1, ICR_SIPI | ICR_ASSERT | 0x99);
	S(0, WAIT, STARTS, 1);
	S(0, DELAY, 0, 500000);
	self->m->raw[1] = true;
	ASSERT_RUNS(self->m);
	EXPECT_EQ(1, word_at(self->m, STARTS));
	EXPECT_EQ(START_VECTOR << 8, word_at(self->m, STARTED_AT));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(&self->m->cpu[1]));
}

/* By the shorthand, and without an INIT that comes separately from its SIPI in time. */
TEST_F(startup, all_others)
{
	step_enable(self->m, 0, false);
	IPI(0, ICR_INIT | ICR_ASSERT | ICR_OTHERS);
	IPI(0, ICR_SIPI | ICR_ASSERT | ICR_OTHERS | START_VECTOR);
	S(0, WAIT, STARTS, 1);
	self->m->raw[1] = true;
	ASSERT_RUNS(self->m);
	EXPECT_EQ(START_VECTOR << 8, word_at(self->m, STARTED_AT));
}

/* A SIPI alone starts nobody, neither one that waits for an INIT nor one that runs. */
TEST_F(startup, sipi_without_init)
{
	step_enable(self->m, 0, false);
	IPI(1, ICR_SIPI | ICR_ASSERT | START_VECTOR);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(KVM_MP_STATE_UNINITIALIZED, mp_state(&self->m->cpu[1]));
	S(1, INC, WORD(4), 0);
	S(1, SPIN, WORD(5), 1);
	S(0, WAIT, WORD(4), 1);
	IPI(1, ICR_SIPI | ICR_ASSERT | START_VECTOR);
	S(0, INC, WORD(5), 0);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(0, word_at(self->m, STARTS));
}

/* The level de-assert, which does nothing since the Pentium 4. */
TEST_F(startup, deassert)
{
	S(1, INC, WORD(4), 0);
	S(1, SPIN, WORD(5), 1);
	step_enable(self->m, 0, false);
	S(0, WAIT, WORD(4), 1);
	IPI(1, ICR_INIT | ICR_LEVEL);
	S(0, DELAY, 0, 500000);
	S(0, INC, WORD(5), 0);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(0, word_at(self->m, STARTS));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(&self->m->cpu[1]));
}

FIXTURE(victim) {
	struct machine m[1];
};

FIXTURE_VARIANT(victim) {
	enum op op;
};

FIXTURE_VARIANT_ADD(victim, runs) { .op = OP_SPIN };
FIXTURE_VARIANT_ADD(victim, runs_closed) { .op = OP_WAIT };
FIXTURE_VARIANT_ADD(victim, halted) { .op = OP_HALT };
FIXTURE_VARIANT_ADD(victim, halted_closed) { .op = OP_CLI_HALT };

FIXTURE_SETUP(victim)
{
	MACHINE_SETUP(self->m, 2, VM_IRQCHIP);
}

FIXTURE_TEARDOWN(victim)
{
	machine_destroy(self->m);
}

TEST_F(victim, is_started_again)
{
	step_enable(self->m, 1, false);
	S(1, INC, WORD(4), 0);
	step(self->m, 1, variant->op, WORD(5), 1);
	S(0, WAIT, WORD(4), 1);
	S(0, DELAY, 0, 1000000);
	send_init_sipi(self->m, true);
	S(0, WAIT, STARTS, 1);
	ASSERT_RUNS(self->m);
	EXPECT_EQ(1, word_at(self->m, STARTS));
	EXPECT_EQ(START_VECTOR << 8, word_at(self->m, STARTED_AT));
}

/* SDM vol. 3, table 9-1: most MSRs, the FPU, the cache mode, the time and the APIC's id stay. */
TEST_F(startup, what_init_leaves)
{
	struct vm *vm = &self->m->cpu[1];
	struct kvm_fpu fpu;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	step_enable(self->m, 1, false);
	S(1, WRITE, LAPIC_PAGE + APIC_LVTT, 0x40);
	S(1, OUT, PORT_MARK, 0);
	S(1, SPIN, WORD(5), 1);
	ASSERT_EQ(0, machine_start(self->m, 1));
	ASSERT_EQ(PORT_MARK, vm_run_out(vm));
	ASSERT_EQ(0, vm_complete(vm));
	ASSERT_EQ(0, msr_set(vm, MSR_LSTAR, 0x1234567));
	ASSERT_EQ(0, msr_set(vm, MSR_TSC, 1ULL << 50));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_FPU, &fpu));
	memset(fpu.xmm[7], 0x5a, sizeof(fpu.xmm[7]));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_FPU, &fpu));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_SREGS, &sregs));
	sregs.cr0 |= CR0_CD_NW;
	sregs.cr8 = 5;
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_SREGS, &sregs));
	send_init_sipi(self->m, true);
	self->m->steps[1] = 0;
	self->m->raw[1] = true;
	ASSERT_RUNS(self->m);
	EXPECT_EQ(1, word_at(self->m, STARTS));
	EXPECT_EQ(0x1234567, msr_get(vm, MSR_LSTAR));
	EXPECT_LE(1ULL << 50, msr_get(vm, MSR_TSC));
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_FPU, &fpu));
	EXPECT_EQ(0x5a, fpu.xmm[7][3]);
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(CR0_CD_NW | 0x10, sregs.cr0);
	EXPECT_EQ(0, sregs.cr8);
	EXPECT_EQ(0, sregs.efer);
	EXPECT_EQ(LAPIC_PAGE | BASE_ENABLE, sregs.apic_base);
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_GET_REGS, &regs));
	EXPECT_EQ(0, regs.rbp | regs.r14 | regs.r15);
	EXPECT_EQ(1U << 24, lapic_get(vm, APIC_ID));
	EXPECT_EQ(0xff, lapic_get(vm, APIC_SVR));
	EXPECT_EQ(LVT_MASKED, lapic_get(vm, APIC_LVTT));
}

/* The boot processor's INIT leads to its first instruction. */
TEST_F(startup, init_of_the_boot_processor)
{
	struct kvm_sregs sregs;

	step_enable(self->m, 1, false);
	S(1, WAIT, WORD(4), 1);
	step_ipi(self->m, 1, false, 0, ICR_INIT | ICR_ASSERT);
	S(0, INC, WORD(4), 0);
	S(0, SPIN, WORD(5), 1);
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	/* there is no memory at the reset vector: it ends, in one way or another */
	EXPECT_NE(NULL, (void *)machine_end(self->m, 2));
	ASSERT_EQ(0, vcpu_ioctl(&self->m->cpu[0], KVM_GET_SREGS, &sregs));
	EXPECT_EQ(0xf000, sregs.cs.selector);
	EXPECT_EQ(0x10, sregs.cr0 & ~CR0_CD_NW);
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(&self->m->cpu[0]));
}

TEST_F(startup, states)
{
	static const unsigned int states[] = {
		KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_HALTED,
		KVM_MP_STATE_SIPI_RECEIVED, KVM_MP_STATE_RUNNABLE,
	};
	struct vm *vm = &self->m->cpu[1];
	unsigned int i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		ASSERT_EQ(0, set_mp_state(vm, states[i]));
		EXPECT_EQ(states[i], mp_state(vm));
		EXPECT_EQ(states[i], mp_state(vm));
	}
	EXPECT_EQ(-EINVAL, set_mp_state(vm, 77));
	EXPECT_EQ(-EINVAL, set_mp_state(vm, ~0U));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(vm));
}

/* Waiting vCPUs wait, and KVM_RUN can be interrupted. */
TEST_F(startup, waiting)
{
	static const unsigned int states[] = {
		KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED,
	};
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, set_mp_state(&self->m->cpu[1], states[i]));
		self->m->raw[1] = true;
		ASSERT_EQ(NULL, (void *)machine_begin(self->m));
		EXPECT_NE(NULL, (void *)machine_end(self->m, 1));
		EXPECT_EQ(states[i], mp_state(&self->m->cpu[1]));
		EXPECT_EQ(0, word_at(self->m, STARTS));
	}
}

/* Cases 14 and 23: a SIPI that has come, its vector by the other call, which is first or second. */
TEST_F(startup, sipi_from_outside)
{
	struct vm *vm = &self->m->cpu[1];
	unsigned int order;

	for (order = 0; order < 2; order++) {
		ASSERT_EQ(0, set_mp_state(vm, KVM_MP_STATE_INIT_RECEIVED));
		if (order)
			ASSERT_EQ(0, set_sipi_vector(vm, START_VECTOR));
		ASSERT_EQ(0, set_mp_state(vm, KVM_MP_STATE_SIPI_RECEIVED));
		if (!order)
			ASSERT_EQ(0, set_sipi_vector(vm, START_VECTOR));
		self->m->raw[1] = true;
		ASSERT_RUNS(self->m);
		EXPECT_EQ(order + 1, word_at(self->m, STARTS));
		EXPECT_EQ(START_VECTOR << 8, word_at(self->m, STARTED_AT));
	}
}

static int latch_init(struct vm *vm)
{
	struct kvm_vcpu_events events;
	int err = events_get(vm, &events);

	events.flags |= KVM_VCPUEVENT_VALID_SMM;
	events.smi.latched_init = 1;
	return err ?: vcpu_ioctl(vm, KVM_SET_VCPU_EVENTS, &events);
}

/* Case 12: in and out again, and reading changes nothing. */
TEST_F(startup, latched_init)
{
	struct vm *vm = &self->m->cpu[1];
	struct kvm_vcpu_events first, second;

	ASSERT_EQ(0, set_mp_state(vm, KVM_MP_STATE_RUNNABLE));
	ASSERT_EQ(0, latch_init(vm));
	ASSERT_EQ(0, events_get(vm, &first));
	EXPECT_EQ(1, first.smi.latched_init);
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(vm));
	ASSERT_EQ(0, events_get(vm, &second));
	ASSERT_EVENTS_EQ(&first, &second);
	/* another VM's vCPU that has it takes it */
	ASSERT_EQ(NULL, (void *)machine_move(self->m));
	vm = &self->m->cpu[1];
	ASSERT_EQ(0, events_get(vm, &second));
	EXPECT_EQ(1, second.smi.latched_init);
	self->m->raw[1] = true;
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	EXPECT_NE(NULL, (void *)machine_end(self->m, 1));
	EXPECT_EQ(KVM_MP_STATE_INIT_RECEIVED, mp_state(vm));
	ASSERT_EQ(0, events_get(vm, &second));
	EXPECT_EQ(0, second.smi.latched_init);
}

/* Cases 71 and 72: sent to a vCPU that does not run, read in either order, moved: one start. */
TEST_F(startup, pending_and_moved)
{
	struct kvm_vcpu_events events;
	unsigned int order;

	for (order = 0; order < 2; order++) {
		machine_clear(self->m);
		ASSERT_EQ(0, set_mp_state(&self->m->cpu[1], KVM_MP_STATE_RUNNABLE));
		send_init_sipi(self->m, true);
		ASSERT_RUNS(self->m);
		if (order)
			mp_state(&self->m->cpu[1]);
		ASSERT_EQ(0, events_get(&self->m->cpu[1], &events));
		EXPECT_EQ(1, events.smi.latched_init);
		EXPECT_EQ(START_VECTOR, events.sipi_vector);
		EXPECT_NE(0, events.flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR);
		ASSERT_EQ(NULL, (void *)machine_move(self->m));
		self->m->steps[0] = 0;
		self->m->raw[1] = true;
		ASSERT_RUNS(self->m);
		EXPECT_EQ(1, word_at(self->m, STARTS));
		EXPECT_EQ(START_VECTOR << 8, word_at(self->m, STARTED_AT));
	}
}

/* What says nothing of INITs keeps them, wherever they are by then. */
TEST_F(startup, pending_survives_other_events)
{
	struct kvm_vcpu_events events = { .flags = 0 };
	struct vm *vm = &self->m->cpu[1];

	send_init_sipi(self->m, true);
	ASSERT_RUNS(self->m);
	events.nmi.masked = 1;
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_VCPU_EVENTS, &events));
	self->m->steps[0] = 0;
	self->m->raw[1] = true;
	ASSERT_RUNS(self->m);
	EXPECT_EQ(START_VECTOR << 8, word_at(self->m, STARTED_AT));
}

/* A SIPI that was thrown away leaves nothing behind in the vector of the next. */
TEST_F(startup, vectors_do_not_mix)
{
	struct vm *vm = &self->m->cpu[1];
	struct kvm_vcpu_events none = { .flags = KVM_VCPUEVENT_VALID_SMM };

	send_init_sipi(self->m, false);
	IPI(1, ICR_SIPI | ICR_ASSERT | 0xce);
	ASSERT_RUNS(self->m);
	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_VCPU_EVENTS, &none));
	ASSERT_EQ(0, set_mp_state(vm, KVM_MP_STATE_INIT_RECEIVED));
	machine_clear(self->m);
	step_enable(self->m, 0, false);
	IPI(1, ICR_SIPI | ICR_ASSERT | START_VECTOR);
	self->m->raw[1] = true;
	ASSERT_RUNS(self->m);
	EXPECT_EQ(START_VECTOR << 8, word_at(self->m, STARTED_AT));
}

/* As a device's message. */
TEST_F(startup, init_by_msi)
{
	struct vm *vm = &self->m->cpu[1];

	ASSERT_EQ(0, set_mp_state(vm, KVM_MP_STATE_RUNNABLE));
	EXPECT_EQ(1, signal_msi(self->m, 1, ICR_INIT));
	self->m->raw[1] = true;
	ASSERT_EQ(NULL, (void *)machine_begin(self->m));
	EXPECT_NE(NULL, (void *)machine_end(self->m, 1));
	EXPECT_EQ(KVM_MP_STATE_INIT_RECEIVED, mp_state(vm));
}

TEST(boot_cpu_id)
{
	struct kvm_mp_state state;
	int kvm = kvm_open(), vm, first, second;

	if (kvm < 0)
		SKIP(return, "no /dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, vm);
	ASSERT_EQ(0, ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL));
	ASSERT_EQ(0, ioctl(vm, KVM_CREATE_IRQCHIP, 0));
	ASSERT_EQ(0, ioctl(vm, KVM_SET_BOOT_CPU_ID, 1));
	first = ioctl(vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, first);
	EXPECT_EQ(-1, ioctl(vm, KVM_SET_BOOT_CPU_ID, 0));
	EXPECT_EQ(EBUSY, errno);
	second = ioctl(vm, KVM_CREATE_VCPU, 1);
	ASSERT_LE(0, second);
	ASSERT_EQ(0, ioctl(first, KVM_GET_MP_STATE, &state));
	EXPECT_EQ(KVM_MP_STATE_UNINITIALIZED, state.mp_state);
	ASSERT_EQ(0, ioctl(second, KVM_GET_MP_STATE, &state));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, state.mp_state);
	close(first);
	close(second);
	close(vm);
	close(kvm);
}

TEST_HARNESS_MAIN
