// SPDX-License-Identifier: GPL-2.0-only
/*
 * exit.c - what to do about an exit: one handler for each neutral kind.
 *
 * A handler resumes the guest (TO_GUEST), fills kvm_run (TO_USER), or returns
 * a negative errno.  Instructions that a handler executes itself are here;
 * those that need the executor go to emu/glue.c.  Which exit happened is the
 * backend's to say, which event comes next is events.c's.
 */
#include <linux/kvm_host.h>
#include <asm/cpu.h>
#include <asm/trapnr.h>
#include "cr.h"
#include "emu/glue.h"
#include "mmu/mmu.h"
#include "vcpu.h"

#define OPCODE_GROUP_7	0x0f01		/* LMSW, where it exits as a write of CR0 */
#define OPCODE_MOV_CR	0x0f20		/* 20 and 22; 21 and 23 are MOV DR */
#define OPCODE_WRMSR	0x0f30
#define OPCODE_RDMSR	0x0f32

int exit_internal_error(struct kvm_vcpu *vcpu, u32 suberror)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = 2;
	run->internal.data[0] = vcpu->arch.exit.hardware;
	run->internal.data[1] = vcpu->arch.state.rip;
	return TO_USER;
}

/*
 * Port I/O without strings.  A device in the kernel answers at once.  Else OUT
 * is over when userspace has been handed the byte: RIP moves first, so that no
 * image taken then sends it again.  IN is over when the answer is in; until
 * then RIP stands at it.
 */

static void *pio_data(struct kvm_vcpu *vcpu)
{
	return (void *)vcpu->run + KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
}

/* A plain IN, or a plain MOV from a device: one register takes what the device says. */
int exit_load(struct kvm_vcpu *vcpu, const void *data, enum dr_access access)
{
	struct vcpu_io *io = &vcpu->arch.io;

	emu_move_load(&io->move, vcpu->arch.state.gpr, data);
	if (unlikely(debug_armed(vcpu)))
		debug_access(vcpu, io->move.linear, io->move.size, access);
	return state_skip(vcpu, io->insn_len);
}

static void ask_io(struct kvm_vcpu *vcpu)
{
	struct vm_exit *exit = &vcpu->arch.exit;
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = exit->io.in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = exit->io.size;
	run->io.port = exit->io.port;
	run->io.count = 1;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
}

static int exit_out(struct kvm_vcpu *vcpu, int len)
{
	struct vm_exit *exit = &vcpu->arch.exit;
	u32 data = vcpu->arch.state.gpr[GPR_RAX];
	bool done = !kvm_io_bus_write(vcpu, KVM_PIO_BUS, exit->io.port, exit->io.size, &data);

	if (unlikely(debug_armed(vcpu)))
		debug_access(vcpu, exit->io.port, exit->io.size, DR_PORT);
	if (done)
		return state_skip(vcpu, len);
	ask_io(vcpu);
	memcpy(pio_data(vcpu), &data, sizeof(data));
	state_advance(vcpu, len);
	if (unlikely(debug_waits(vcpu)))
		vcpu->arch.io.owner = IO_STEPPED;
	return TO_USER;
}

static int exit_in(struct kvm_vcpu *vcpu, int len)
{
	struct vm_exit *exit = &vcpu->arch.exit;
	struct vcpu_io *io = &vcpu->arch.io;
	u32 data;

	io->move.reg = GPR_RAX;
	io->move.shift = 0;
	io->move.size = io->move.width = exit->io.size;
	io->move.sign = false;
	io->move.linear = exit->io.port;
	io->insn_len = len;
	if (!kvm_io_bus_read(vcpu, KVM_PIO_BUS, exit->io.port, exit->io.size, &data))
		return exit_load(vcpu, &data, DR_PORT);
	ask_io(vcpu);
	io->owner = IO_IN;
	io->rip = vcpu->arch.state.rip;
	return TO_USER;
}

static int exit_io(struct kvm_vcpu *vcpu)
{
	int len;

	vcpu->stat.io_exits++;
	if (vcpu->arch.exit.io.string)
		return glue_execute(vcpu);
	len = glue_insn_len(vcpu);
	if (len <= 0)
		return len;
	return vcpu->arch.exit.io.in ? exit_in(vcpu, len) : exit_out(vcpu, len);
}

/* Userspace has answered. */
static int resume_load(struct kvm_vcpu *vcpu, const void *data, enum dr_access access)
{
	struct vcpu_io *io = &vcpu->arch.io;

	io->owner = IO_NOBODY;
	/* userspace has sent the vCPU elsewhere: a reset, a new image */
	if (io->rip != vcpu->arch.state.rip)
		return TO_GUEST;
	return exit_load(vcpu, data, access);
}

/*
 * MSRs.  One that is the guest's costs no exit.  Where an access would be #GP, and userspace wants
 * to know, it is asked first: RIP stands at the instruction until the answer is in, for a write may
 * still be refused.
 */

static u64 edx_eax(const u64 *gpr)
{
	return (u32)gpr[GPR_RAX] | gpr[GPR_RDX] << 32;
}

static void set_edx_eax(u64 *gpr, u64 data)
{
	gpr[GPR_RAX] = (u32)data;
	gpr[GPR_RDX] = data >> 32;
}

/* What arch.io.msr says, into kvm_run. */
void exit_ask_msr(struct kvm_vcpu *vcpu)
{
	const struct vcpu_io *io = &vcpu->arch.io;
	struct kvm_run *run = vcpu->run;

	run->exit_reason = io->msr.write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = io->msr.reason;
	run->msr.index = io->msr.index;
	run->msr.data = io->msr.data;
}

/* @reason: one of KVM_MSR_EXIT_REASON_* */
static int refuse_msr(struct kvm_vcpu *vcpu, int len, u32 reason)
{
	bool write = vcpu->arch.exit.msr.write;
	struct vcpu_io *io = &vcpu->arch.io;
	u64 *gpr = vcpu->arch.state.gpr;

	if (!(READ_ONCE(vcpu->kvm->arch.caps.msr_exits) & reason)) {
		vcpu_gp(vcpu);
		return TO_GUEST;
	}
	io->owner = IO_MSR;
	io->insn_len = len;
	io->rip = vcpu->arch.state.rip;
	io->msr.index = gpr[GPR_RCX];
	io->msr.reason = reason;
	io->msr.write = write;
	io->msr.data = write ? edx_eax(gpr) : 0;
	exit_ask_msr(vcpu);
	return TO_USER;
}

static int exit_msr(struct kvm_vcpu *vcpu)
{
	u64 *gpr = vcpu->arch.state.gpr;
	bool write = vcpu->arch.exit.msr.write;
	int len = glue_insn_len(vcpu), r;
	u32 index = gpr[GPR_RCX];
	u64 data;

	if (len <= 0)
		return len;
	if (!msr_filter_allows(vcpu->kvm, index, write))
		return refuse_msr(vcpu, len, KVM_MSR_EXIT_REASON_FILTER);
	r = write ? msr_set(vcpu, index, edx_eax(gpr), false) : msr_get(vcpu, index, &data, false);
	if (r)
		return refuse_msr(vcpu, len, msr_known(index) ? KVM_MSR_EXIT_REASON_INVAL :
								KVM_MSR_EXIT_REASON_UNKNOWN);
	if (!write)
		set_edx_eax(gpr, data);
	return state_skip(vcpu, len);
}

/* One that came from another vCPU: 0 when another instruction stands there by now. */
static int find_msr_insn(struct kvm_vcpu *vcpu)
{
	u16 opcode = vcpu->arch.io.msr.write ? OPCODE_WRMSR : OPCODE_RDMSR;
	struct emu_insn insn;
	int len = glue_fetch(vcpu, &insn);

	return len > 0 && insn.opcode != opcode ? 0 : len;
}

static int resume_msr(struct kvm_vcpu *vcpu)
{
	struct vcpu_io *io = &vcpu->arch.io;
	u64 data = READ_ONCE(vcpu->run->msr.data);
	bool refused = READ_ONCE(vcpu->run->msr.error);
	int len;

	io->owner = IO_NOBODY;
	if (io->rip != vcpu->arch.state.rip)
		return TO_GUEST;
	len = io->insn_len ?: find_msr_insn(vcpu);
	if (len == GLUE_NO_CODE) {
		io->owner = IO_MSR;
		return -EFAULT;
	}
	if (len <= 0)
		return len;
	if (refused) {
		vcpu_gp(vcpu);
		return TO_GUEST;
	}
	if (!io->msr.write)
		set_edx_eax(vcpu->arch.state.gpr, data);
	return state_skip(vcpu, len);
}

int exit_resume(struct kvm_vcpu *vcpu)
{
	switch (vcpu->arch.io.owner) {
	case IO_IN:
		return resume_load(vcpu, pio_data(vcpu), DR_PORT);
	case IO_LOAD:
		return resume_load(vcpu, vcpu->run->mmio.data, DR_READ);
	case IO_MSR:
		return resume_msr(vcpu);
	case IO_HYPERCALL:
		return hypercall_resume(vcpu);
	case IO_STEPPED:
		vcpu->arch.io.owner = IO_NOBODY;
		/* the debugger may have gone */
		return debug_waits(vcpu) ? debug_stepped(vcpu) : TO_GUEST;
	default:
		return glue_resume(vcpu);
	}
}

/*
 * Instructions with no operand but fixed registers.
 */

static int exit_cpuid(struct kvm_vcpu *vcpu)
{
	u64 *gpr = vcpu->arch.state.gpr;
	int len = glue_insn_len(vcpu);
	u32 eax, ebx, ecx, edx;

	if (len <= 0)
		return len;
	eax = gpr[GPR_RAX];
	ecx = gpr[GPR_RCX];
	cpuid_execute(vcpu, &eax, &ebx, &ecx, &edx);
	gpr[GPR_RAX] = eax;
	gpr[GPR_RBX] = ebx;
	gpr[GPR_RCX] = ecx;
	gpr[GPR_RDX] = edx;
	return state_skip(vcpu, len);
}

static int exit_xsetbv(struct kvm_vcpu *vcpu)
{
	u64 *gpr = vcpu->arch.state.gpr;
	int len = glue_insn_len(vcpu);

	if (len <= 0)
		return len;
	if (state_cpl(vcpu) || (u32)gpr[GPR_RCX] || fpu_set_xcr0(vcpu, edx_eax(gpr))) {
		vcpu_gp(vcpu);
		return TO_GUEST;
	}
	return state_skip(vcpu, len);
}

/* Who has the interrupt controllers waits for them. */
int exit_halt(struct kvm_vcpu *vcpu)
{
	if (vcpu->arch.irq.in_kernel) {
		vcpu->arch.events.mp_state = KVM_MP_STATE_HALTED;
		return TO_GUEST;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return TO_USER;
}

static int exit_hlt(struct kvm_vcpu *vcpu)
{
	int len = glue_insn_len(vcpu), r;

	if (len <= 0)
		return len;
	vcpu->stat.halt_exits++;
	/* before a debugger is told of the step, or the guest traps, which wakes it */
	if (vcpu->arch.irq.in_kernel)
		vcpu->arch.events.mp_state = KVM_MP_STATE_HALTED;
	r = state_skip(vcpu, len);
	return r == TO_GUEST ? exit_halt(vcpu) : r;
}

static int exit_skip(struct kvm_vcpu *vcpu)
{
	int len = glue_insn_len(vcpu);

	return len <= 0 ? len : state_skip(vcpu, len);
}

static int exit_undefined(struct kvm_vcpu *vcpu)
{
	vcpu_ud(vcpu);
	return TO_GUEST;
}

static int exit_privileged(struct kvm_vcpu *vcpu)
{
	vcpu_gp(vcpu);
	return TO_GUEST;
}

/*
 * Control and debug registers: which general register takes part stands in
 * the instruction.
 */

/* The operand of MOV CR, MOV DR: 64 bits in 64-bit mode, else 32. */
static u64 *mov_operand(struct kvm_vcpu *vcpu, const struct emu_insn *insn, u64 *mask)
{
	*mask = state_code_bits(vcpu) == 64 ? U64_MAX : U32_MAX;
	return &vcpu->arch.state.gpr[insn->rm];
}

static int read_cr(struct kvm_vcpu *vcpu, u8 number, u64 *value)
{
	state_need(vcpu, STATE_CR);
	switch (number) {
	case 0:
		*value = vcpu->arch.state.cr0;
		return 0;
	case 3:
		*value = vcpu->arch.state.cr3;
		return 0;
	case 4:
		*value = vcpu->arch.state.cr4;
		return 0;
	case 8:
		*value = vcpu->arch.cr8;
		return 0;
	default:
		return -EINVAL;
	}
}

static int write_cr8(struct kvm_vcpu *vcpu, u64 value)
{
	if (value & ~0xfULL)
		return -EINVAL;
	apic_set_cr8(vcpu, value);
	return 0;
}

static int write_cr(struct kvm_vcpu *vcpu, u8 number, u64 value)
{
	switch (number) {
	case 0:
		return x86_write_cr0(vcpu, value);
	case 3:
		return x86_write_cr3(vcpu, value);
	case 4:
		return x86_write_cr4(vcpu, value);
	case 8:
		return write_cr8(vcpu, value);
	default:
		return -EINVAL;
	}
}

/* Userspace's APIC has to look again when the task priority falls. */
static int after_cr8(struct kvm_vcpu *vcpu, u8 before)
{
	if (vcpu->arch.irq.in_kernel || vcpu->arch.cr8 >= before)
		return TO_GUEST;
	vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return TO_USER;
}

/* LMSW: the low four bits of CR0, of which PE can only be set (APM vol. 3, LMSW). */
static int exit_lmsw(struct kvm_vcpu *vcpu, const struct emu_insn *insn)
{
	const u64 msw = X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS;
	u16 operand = vcpu->arch.state.gpr[insn->rm];
	u64 cr0;
	int len;

	if (insn->memory) {
		len = glue_load_word(vcpu, insn, &operand);
		if (len <= 0)
			return len;
	}
	state_need(vcpu, STATE_CR);
	cr0 = vcpu->arch.state.cr0;
	cr0 = (cr0 & (~msw | X86_CR0_PE)) | (operand & msw);
	if (x86_write_cr0(vcpu, cr0)) {
		vcpu_gp(vcpu);
		return TO_GUEST;
	}
	return state_skip(vcpu, insn->len);
}

static int exit_cr(struct kvm_vcpu *vcpu)
{
	struct vm_exit *exit = &vcpu->arch.exit;
	u8 cr8 = vcpu->arch.cr8;
	struct emu_insn insn;
	u64 mask, value, *gpr;
	int len, r;

	len = glue_decode(vcpu, &insn);
	if (len <= 0)
		return len;
	if (insn.opcode == OPCODE_GROUP_7)
		return exit_lmsw(vcpu, &insn);
	if ((insn.opcode & ~2) != OPCODE_MOV_CR)
		return glue_not_executed(vcpu);
	gpr = mov_operand(vcpu, &insn, &mask);
	if (exit->cr.write)
		r = write_cr(vcpu, exit->cr.number, *gpr & mask);
	else
		r = read_cr(vcpu, exit->cr.number, &value);
	if (r) {
		vcpu_gp(vcpu);
		return TO_GUEST;
	}
	if (!exit->cr.write)
		*gpr = value & mask;
	r = state_skip(vcpu, len);
	return r == TO_GUEST && exit->cr.number == 8 ? after_cr8(vcpu, cr8) : r;
}

static int exit_dr(struct kvm_vcpu *vcpu)
{
	struct vm_exit *exit = &vcpu->arch.exit;
	struct emu_insn insn;
	u64 mask, value, *gpr;
	int len, r;

	if (debug_go_live(vcpu))
		return TO_GUEST;
	len = glue_decode(vcpu, &insn);
	if (len <= 0)
		return len;
	gpr = mov_operand(vcpu, &insn, &mask);
	if (exit->dr.write)
		r = debug_write_dr(vcpu, exit->dr.number, *gpr & mask);
	else
		r = debug_read_dr(vcpu, exit->dr.number, &value);
	if (r)
		return TO_GUEST;
	if (!exit->dr.write)
		*gpr = value & mask;
	return state_skip(vcpu, len);
}

/*
 * Memory, exceptions, and the end.
 */

/*
 * A debugger's step was a delivery, and the guest stands at the handler's first instruction.  What
 * it has exited for there, if not for us, comes again.
 */
static bool step_is_over(const struct kvm_vcpu *vcpu)
{
	return unlikely(vcpu->arch.step_delivers) && !vcpu->arch.exit.delivering;
}

static int exit_memory(struct kvm_vcpu *vcpu)
{
	struct vm_exit *exit = &vcpu->arch.exit;
	int r;

	if (step_is_over(vcpu))
		return debug_stepped(vcpu);
	vcpu->stat.memory_faults++;
	r = tdp_fault(vcpu, exit->memory.gpa, exit->memory.write, exit->memory.fetch);
	if (r != TDP_MMIO)
		return r;
	/* an event's frame or gate in device memory: it stays undelivered, and can be seen */
	if (exit->delivering)
		return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV);
	vcpu->stat.mmio_exits++;
	return glue_execute(vcpu);
}

/*
 * An #AC is the guest's own, or it has made a split lock and the host looks out for those: then
 * the host decides whether this thread may (split_lock_detect=).
 */
static int exit_alignment(struct kvm_vcpu *vcpu)
{
	struct vcpu_state *state = &vcpu->arch.state;
	struct kvm_run *run = vcpu->run;

	if (boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT)) {
		state_need(vcpu, STATE_CR | STATE_CODE);
		if (state_cpl(vcpu) < 3 || !(state->cr0 & X86_CR0_AM) ||
		    !(state->rflags & X86_EFLAGS_AC)) {
			if (handle_guest_split_lock(state->rip))
				return TO_GUEST;
			run->exit_reason = KVM_EXIT_EXCEPTION;
			run->ex.exception = X86_TRAP_AC;
			run->ex.error_code = vcpu->arch.exit.exception.error;
			return TO_USER;
		}
	}
	vcpu_exception(vcpu, X86_TRAP_AC, vcpu->arch.exit.exception.error);
	return TO_GUEST;
}

static int exit_exception(struct kvm_vcpu *vcpu)
{
	struct vm_exit *exit = &vcpu->arch.exit;

	switch (exit->exception.vector) {
	case X86_TRAP_DB:
	case X86_TRAP_BP:
		return debug_exception(vcpu, exit->exception.vector, exit->exception.payload);
	case X86_TRAP_UD:
		if (vcpu->arch.traps & TRAP_RSM && glue_at_rsm(vcpu))
			return smm_rsm(vcpu);
		vcpu_ud(vcpu);
		return TO_GUEST;
	case X86_TRAP_OF:
		vcpu_soft_exception(vcpu, X86_TRAP_OF);
		return TO_GUEST;
	case X86_TRAP_PF:
		vcpu_page_fault(vcpu, exit->exception.payload, exit->exception.error);
		return TO_GUEST;
	case X86_TRAP_AC:
		return exit_alignment(vcpu);
	default:
		vcpu_exception(vcpu, exit->exception.vector, exit->exception.error);
		return TO_GUEST;
	}
}

static int exit_window(struct kvm_vcpu *vcpu)
{
	vcpu->stat.irq_window_exits++;
	return step_is_over(vcpu) ? debug_stepped(vcpu) : TO_GUEST;
}

/* The control block is undefined after a shutdown (APM vol. 2, 15.14.3): leave a defined vCPU. */
static int exit_shutdown(struct kvm_vcpu *vcpu)
{
	vcpu_reset(vcpu);
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return TO_USER;
}

static int exit_failed(struct kvm_vcpu *vcpu)
{
	backend_call(dump)(vcpu);
	vcpu->run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	vcpu->run->fail_entry.hardware_entry_failure_reason = vcpu->arch.exit.hardware;
	vcpu->run->fail_entry.cpu = vcpu->cpu;
	return TO_USER;
}

static int exit_unknown(struct kvm_vcpu *vcpu)
{
	return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
}

static int (*const handlers[EXIT_KINDS])(struct kvm_vcpu *vcpu) = {
	[EXIT_IO] = exit_io,
	[EXIT_MSR] = exit_msr,
	[EXIT_CPUID] = exit_cpuid,
	[EXIT_HLT] = exit_hlt,
	[EXIT_MEMORY] = exit_memory,
	[EXIT_CR] = exit_cr,
	[EXIT_DR] = exit_dr,
	[EXIT_XSETBV] = exit_xsetbv,
	[EXIT_EXCEPTION] = exit_exception,
	[EXIT_WINDOW] = exit_window,
	[EXIT_HYPERCALL] = hypercall_exit,
	[EXIT_PAUSE] = exit_skip,
	[EXIT_CACHE] = exit_skip,
	[EXIT_RSM] = smm_rsm,
	[EXIT_UNDEFINED] = exit_undefined,
	[EXIT_PRIVILEGED] = exit_privileged,
	[EXIT_IDLE] = exit_undefined,
	[EXIT_TASK_SWITCH] = glue_switch_task,
	[EXIT_SHUTDOWN] = exit_shutdown,
	[EXIT_FAILED] = exit_failed,
	[EXIT_UNKNOWN] = exit_unknown,
};

int exit_handle(struct kvm_vcpu *vcpu)
{
	int r;

	switch (vcpu->arch.exit.kind) {
	case EXIT_NONE:
		return TO_GUEST;
	case EXIT_HOST_IRQ:
	case EXIT_HOST_MACHINE_CHECK:
		vcpu->stat.host_irq_exits++;
		return step_is_over(vcpu) ? debug_stepped(vcpu) : TO_GUEST;
	default:
		r = handlers[vcpu->arch.exit.kind](vcpu);
		return r == GLUE_NO_CODE ? glue_not_executed(vcpu) : r;
	}
}
