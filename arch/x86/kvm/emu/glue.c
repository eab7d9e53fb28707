// SPDX-License-Identifier: GPL-2.0-only
/*
 * glue.c - the pure decoder and executor at work on a vCPU.
 *
 * Owns vcpu->arch.io while it says IO_EMULATOR: fetches instructions through
 * the guest's page tables, gives the executor memory and the devices that are in
 * the kernel, and turns its other questions into KVM_EXIT_MMIO and KVM_EXIT_IO.
 * How an instruction is cut into fragments, and when it is over, is exec.c's
 * business: registers change when the executor commits, which for writes is
 * with the last fragment handed out.
 */
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <asm/trapnr.h>
#include "../mmu/mmu.h"
#include "../vcpu.h"
#include "glue.h"

/* Iterations of a REP instruction before the vCPU looks for events and the host for work. */
#define STEPS_AT_ONCE	512

static struct kvm_vcpu *vcpu_of(struct emu_ctx *ctx)
{
	return container_of(ctx, struct kvm_vcpu, arch.io.emu);
}

/*
 * Memory, for the executor.
 */

/*
 * The processor found no memory at the end of its own walk, which had all rights and set all bits.
 * If the instruction has one memory operand, and it begins at this address, that walk was its.  But
 * another thread may have put another instruction there since: a walk to read tells nothing of a
 * write.
 */
static bool is_known(const struct vcpu_io *vio, u64 linear, bool write)
{
	return vio->known && offset_in_page(linear) == offset_in_page(vio->gpa) &&
	       (!write || vio->known_writable);
}

static enum emu_mem glue_translate_op(struct emu_ctx *ctx, u64 linear, unsigned int len, bool write,
				      u64 *gpa)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);
	struct walk_result walk;
	unsigned long hva;
	int r, idx;

	if (unlikely(debug_armed(vcpu)))
		debug_access(vcpu, linear, len, write ? DR_WRITE : DR_READ);
	if (is_known(&vcpu->arch.io, linear, write)) {
		*gpa = vcpu->arch.io.gpa;
		return EMU_MEM_DEVICE;
	}
	r = fault_translate(vcpu, linear, write ? WALK_WRITE : 0, true, &walk);
	if (r == WALK_FAULT) {
		ctx->fault = (struct emu_fault){
			.vector = X86_TRAP_PF,
			.has_error = true,
			.error = walk.error,
			.address = linear,
		};
		return EMU_MEM_FAULT;
	}
	if (r)
		return EMU_MEM_FAILED;
	*gpa = walk.gpa;
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	hva = kvm_vcpu_hva(vcpu, gpa_to_gfn(walk.gpa), write);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return hva == KVM_HVA_BAD ? EMU_MEM_DEVICE : EMU_MEM_OK;
}

static enum emu_mem glue_read(struct emu_ctx *ctx, u64 gpa, void *buf, unsigned int len)
{
	return kvm_vcpu_read_guest(vcpu_of(ctx), gpa, buf, len) ? EMU_MEM_FAILED : EMU_MEM_OK;
}

static enum emu_mem glue_write(struct emu_ctx *ctx, u64 gpa, const void *buf, unsigned int len)
{
	return kvm_vcpu_write_guest(vcpu_of(ctx), gpa, buf, len) ? EMU_MEM_FAILED : EMU_MEM_OK;
}

/* Up to eight bytes; the processor itself does CMPXCHG16B when it comes back: this is memory. */
static enum emu_mem glue_cmpxchg(struct emu_ctx *ctx, u64 gpa, const void *old, const void *new,
				 unsigned int len)
{
	u64 from = 0, to = 0;
	int r;

	if (len > sizeof(u64))
		return EMU_MEM_RACED;
	memcpy(&from, old, len);
	memcpy(&to, new, len);
	r = kvm_vcpu_cmpxchg_guest(vcpu_of(ctx), gpa, len, from, to);
	if (r)
		return r > 0 ? EMU_MEM_RACED : EMU_MEM_FAILED;
	return EMU_MEM_OK;
}

static enum emu_mem glue_read_vec(struct emu_ctx *ctx, unsigned int reg, void *buf,
				  unsigned int len)
{
	fpu_read_vec(vcpu_of(ctx), reg, buf, len);
	return EMU_MEM_OK;
}

static enum emu_mem glue_write_vec(struct emu_ctx *ctx, unsigned int reg, const void *buf,
				   unsigned int len)
{
	fpu_write_vec(vcpu_of(ctx), reg, buf, len);
	return EMU_MEM_OK;
}

/* A device in the kernel: done, or not its own.  Each vCPU has its own APIC, at its own address. */
static bool in_kernel(struct kvm_vcpu *vcpu, enum kvm_bus bus, u64 addr, void *buf,
		      unsigned int len, bool write)
{
	if (bus == KVM_MMIO_BUS && apic_has(vcpu, addr)) {
		apic_access(vcpu, addr, len, buf, write);
		return true;
	}
	return write ? !kvm_io_bus_write(vcpu, bus, addr, len, buf) :
		       !kvm_io_bus_read(vcpu, bus, addr, len, buf);
}

/*
 * Memory of a read-only slot is a device for writes only.  The read half of a read-modify-write
 * finds it here.
 */
static enum emu_mem glue_device(struct emu_ctx *ctx, u64 gpa, void *buf, unsigned int len,
				bool write)
{
	if (in_kernel(vcpu_of(ctx), KVM_MMIO_BUS, gpa, buf, len, write))
		return EMU_MEM_OK;
	if (write || kvm_vcpu_read_guest(vcpu_of(ctx), gpa, buf, len))
		return EMU_MEM_DEVICE;
	return EMU_MEM_OK;
}

/* Where there is a device, elements come one by one: see fill().  @buf is userspace's to see. */
static enum emu_mem glue_port(struct emu_ctx *ctx, u16 port, void *buf, unsigned int size,
			      unsigned int count, bool write)
{
	u32 data = 0;

	if (count != 1)
		return EMU_MEM_DEVICE;
	if (write)
		memcpy(&data, buf, size);
	if (!in_kernel(vcpu_of(ctx), KVM_PIO_BUS, port, &data, size, write))
		return EMU_MEM_DEVICE;
	if (!write)
		memcpy(buf, &data, size);
	return EMU_MEM_OK;
}

static const struct emu_ops glue_ops = {
	.translate = glue_translate_op,
	.read = glue_read,
	.write = glue_write,
	.cmpxchg = glue_cmpxchg,
	.device = glue_device,
	.port = glue_port,
	.read_vec = glue_read_vec,
	.write_vec = glue_write_vec,
};

void glue_create(struct kvm_vcpu *vcpu)
{
	struct emu_ctx *emu = &vcpu->arch.io.emu;

	emu->ops = &glue_ops;
	emu->has_tzcnt = boot_cpu_has(X86_FEATURE_BMI1);
	emu->has_lzcnt = boot_cpu_has(X86_FEATURE_ABM);
	emu->pio_data = (void *)vcpu->run + KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
}

/*
 * Instructions.
 */

static enum emu_mode code_mode(struct kvm_vcpu *vcpu)
{
	switch (state_code_bits(vcpu)) {
	case 64:
		return EMU_64;
	case 32:
		return EMU_32;
	default:
		return EMU_16;
	}
}

static u64 code_linear(struct kvm_vcpu *vcpu, enum emu_mode mode)
{
	struct vcpu_state *state = &vcpu->arch.state;

	return mode == EMU_64 ? state->rip : (u32)(state->seg[SEG_CS].base + state->rip);
}

/*
 * Bytes at @linear, to the end of its page and at most @room.  Return: how many; -EFAULT;
 * -EAGAIN when the guest's tables do not allow it, with the page fault's error code in @error.
 */
static int fetch_page(struct kvm_vcpu *vcpu, u64 linear, u8 *bytes, unsigned int room, bool mark,
		      u32 *error)
{
	unsigned int len = min_t(unsigned int, room, PAGE_SIZE - offset_in_page(linear));
	struct walk_result walk;
	int r;

	r = fault_translate(vcpu, linear, WALK_FETCH, mark, &walk);
	if (r == WALK_FAULT) {
		*error = walk.error;
		return -EAGAIN;
	}
	if (r)
		return -EFAULT;
	return kvm_vcpu_read_guest(vcpu, walk.gpa, bytes, len) ? -EFAULT : len;
}

/* Fetch and decode; the second page only if the instruction goes on there. */
int glue_fetch(struct kvm_vcpu *vcpu, struct emu_insn *insn)
{
	enum emu_mode mode = code_mode(vcpu);
	u64 linear = code_linear(vcpu, mode);
	u8 bytes[EMU_MAX_INSN];
	unsigned int have = 0;
	int r, got;
	u32 error;

	do {
		got = fetch_page(vcpu, linear + have, bytes + have, sizeof(bytes) - have, true,
				 &error);
		if (got == -EAGAIN) {
			vcpu_page_fault(vcpu, linear + have, error);
			return TO_GUEST;
		}
		if (got < 0)
			return GLUE_NO_CODE;
		have += got;
		r = emu_decode(insn, bytes, have, mode);
	} while (r == -EAGAIN && have < sizeof(bytes));
	if (!r)
		return insn->len;
	if (r == -EINVAL)
		vcpu_ud(vcpu);
	else
		vcpu_gp(vcpu);
	return TO_GUEST;
}

int glue_decode(struct kvm_vcpu *vcpu, struct emu_insn *insn)
{
	struct vm_exit *exit = &vcpu->arch.exit;

	if (exit->insn_bytes &&
	    !emu_decode(insn, exit->insn, exit->insn_bytes, code_mode(vcpu)))
		return insn->len;
	return glue_fetch(vcpu, insn);
}

int glue_measure(struct kvm_vcpu *vcpu)
{
	struct emu_insn insn;

	return glue_decode(vcpu, &insn);
}

#define OPCODE_INT3	0xcc
#define OPCODE_INT	0xcd
#define OPCODE_INTO	0xce

/* The two bytes at RIP, or one, or less than one if there is no code. */
static int look(struct kvm_vcpu *vcpu, enum emu_mode mode, u8 *bytes)
{
	u64 linear = code_linear(vcpu, mode);
	u32 error;
	int have;

	have = fetch_page(vcpu, linear, bytes, 2, false, &error);
	if (have == 1 && fetch_page(vcpu, linear + 1, bytes + 1, 1, false, &error) > 0)
		have = 2;
	return have;
}

bool glue_at_rsm(struct kvm_vcpu *vcpu)
{
	u8 bytes[2];

	return look(vcpu, code_mode(vcpu), bytes) == 2 && bytes[0] == 0x0f && bytes[1] == 0xaa;
}

unsigned int glue_soft_len(struct kvm_vcpu *vcpu, const struct event *event)
{
	enum emu_mode mode = code_mode(vcpu);
	u8 bytes[2];
	int have;

	have = look(vcpu, mode, bytes);
	if (have >= 1 && bytes[0] == OPCODE_INT3 && event->vector == X86_TRAP_BP &&
	    event->kind == EVENT_SOFT_EXCEPTION)
		return 1;
	if (have >= 1 && bytes[0] == OPCODE_INTO && event->vector == X86_TRAP_OF && mode != EMU_64)
		return 1;
	return have == 2 && bytes[0] == OPCODE_INT && bytes[1] == event->vector ? 2 : 0;
}

/*
 * Execution.
 */

static void fill_segment(struct emu_seg *to, const struct x86_segment *from)
{
	*to = (struct emu_seg){
		.base = from->base,
		.limit = from->limit,
		.selector = from->selector,
		.type = from->attr & SEG_ATTR_TYPE,
		.present = from->attr & SEG_ATTR_P,
		.db = from->attr & SEG_ATTR_DB,
	};
}

#define OPCODE_INS	0x6c	/* 6c and 6d; OUTS is 6e and 6f */

static bool is_port_string(const struct emu_insn *insn)
{
	return (insn->opcode & ~3) == OPCODE_INS;
}

/*
 * String I/O at a port with a device in the kernel, which may take some elements and not others.
 * Should it come after userspace has been asked, that answer still counts.
 */
static bool has_device(struct kvm_vcpu *vcpu)
{
	return is_port_string(&vcpu->arch.io.insn) &&
	       kvm_io_bus_has(vcpu->kvm, KVM_PIO_BUS, (u16)vcpu->arch.state.gpr[GPR_RDX]);
}

/* May it use vector registers?  APM vol. 2, 11.3.1, 11.3.2, and 11.5.2. */
static void fill_vectors(struct kvm_vcpu *vcpu, struct emu_ctx *emu)
{
	const struct vcpu_state *state = &vcpu->arch.state;
	const u64 avx = XFEATURE_MASK_SSE | XFEATURE_MASK_YMM;

	emu->no_sse = state->cr0 & X86_CR0_EM || !(state->cr4 & X86_CR4_OSFXSR);
	emu->no_avx = !emu->protected || !(state->cr4 & X86_CR4_OSXSAVE) ||
		      (vcpu->arch.fpu.xcr0 & avx) != avx;
	emu->task_switched = state->cr0 & X86_CR0_TS;
}

/* The executor's view of the vCPU; anew after every exit, for userspace may have changed it. */
static void fill(struct kvm_vcpu *vcpu, bool again)
{
	struct vcpu_state *state = &vcpu->arch.state;
	struct emu_ctx *emu = &vcpu->arch.io.emu;
	unsigned int i;

	memcpy(emu->regs.gpr, state->gpr, sizeof(emu->regs.gpr));
	emu->regs.rip = state->rip;
	emu->regs.rflags = state->rflags;
	/* registers that are live need not have a breakpoint enabled: a handler has read DR6 */
	if (!again)
		vcpu->arch.io.at_device = has_device(vcpu);
	emu->watched = vcpu->arch.io.at_device || state->rflags & X86_EFLAGS_TF ||
		       vcpu->arch.traps & TRAP_STEP ||
		       (debug_armed(vcpu) && debug_watches(vcpu));
	/* between an exit to userspace and the answer only userspace can have changed the rest */
	if (again && !(state->dirty & (STATE_CODE | STATE_SEG | STATE_CR)))
		return;
	emu->one_by_one = READ_ONCE(vcpu->kvm->arch.caps.exact_state);
	state_need(vcpu, STATE_CODE | STATE_SEG | STATE_CR);
	for (i = 0; i < ARRAY_SIZE(emu->seg); i++)
		fill_segment(&emu->seg[i], &state->seg[i]);
	emu->protected = state->cr0 & X86_CR0_PE && !(state->rflags & X86_EFLAGS_VM);
	emu->cpl = state_cpl(vcpu);
	emu->linear_bits = state->cr4 & X86_CR4_LA57 ? 57 : 48;
	fill_vectors(vcpu, emu);
}

/* A step is over: what the executor has committed is the vCPU's, and traps like any instruction. */
static void take_over(struct kvm_vcpu *vcpu)
{
	struct vcpu_state *state = &vcpu->arch.state;
	struct emu_ctx *emu = &vcpu->arch.io.emu;
	u64 traps = state->pending_db | vcpu->arch.debug.hits |
		    (state->rflags & X86_EFLAGS_TF ? DR_STEP : 0);

	memcpy(state->gpr, emu->regs.gpr, sizeof(state->gpr));
	state->rip = emu->regs.rip;
	state->rflags = emu->regs.rflags;
	state->shadow = 0;
	state->pending_db = 0;
	if (traps)
		debug_traps(vcpu, traps);
}

/* @data: what is written, zero-extended; of a read 0 */
static void ask_mmio(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, bool write, u64 data)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = write;
	memcpy(run->mmio.data, &data, sizeof(run->mmio.data));
}

static void ask_pio(struct kvm_vcpu *vcpu, const struct emu_io *io)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = io->kind == EMU_PIO_IN ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = io->size;
	run->io.port = io->addr;
	run->io.count = io->count;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
}

/* Userspace's turn.  What is committed needs no answer; the rest waits in arch.io. */
static int ask(struct kvm_vcpu *vcpu)
{
	struct vcpu_io *vio = &vcpu->arch.io;
	struct emu_io *io = &vio->emu.io;

	u64 data = 0;

	if (io->kind == EMU_MMIO_WRITE)
		memcpy(&data, io->data, io->size);
	if (io->kind == EMU_MMIO_READ || io->kind == EMU_MMIO_WRITE)
		ask_mmio(vcpu, io->addr, io->size, io->kind == EMU_MMIO_WRITE, data);
	else
		ask_pio(vcpu, io);
	if (!io->committed) {
		vio->owner = IO_EMULATOR;
		vio->rip = vcpu->arch.state.rip;
		return TO_USER;
	}
	take_over(vcpu);
	emu_io_forget(io);
	vio->owner = debug_waits(vcpu) ? IO_STEPPED : IO_NOBODY;
	return TO_USER;
}

static int raise(struct kvm_vcpu *vcpu)
{
	const struct emu_fault *fault = &vcpu->arch.io.emu.fault;

	if (fault->vector == X86_TRAP_PF)
		vcpu_page_fault(vcpu, fault->address, fault->error);
	else
		vcpu_exception(vcpu, fault->vector, fault->error);
	return TO_GUEST;
}

/* Up to fifteen bytes at RIP, to the end of the instruction if that can be told.  Looks only. */
static unsigned int peek(struct kvm_vcpu *vcpu, u8 *bytes)
{
	enum emu_mode mode = code_mode(vcpu);
	u64 linear = code_linear(vcpu, mode);
	struct emu_insn insn;
	int have, more;
	u32 error;

	have = fetch_page(vcpu, linear, bytes, EMU_MAX_INSN, false, &error);
	if (have <= 0)
		return 0;
	if (emu_decode(&insn, bytes, have, mode) == -EAGAIN) {
		more = fetch_page(vcpu, linear + have, bytes + have, EMU_MAX_INSN - have, false,
				  &error);
		have += max(more, 0);
	}
	return emu_decode(&insn, bytes, have, mode) ? have : insn.len;
}

/* The words of struct kvm_run's emulation_failure that are an array's in its other name. */
#define FAILURE_WORDS	(offsetof(struct kvm_run, emulation_failure.insn_bytes) +		\
			 sizeof_field(struct kvm_run, emulation_failure.insn_bytes) -		\
			 offsetof(struct kvm_run, internal.data)) / sizeof(u64)

/* With the instruction's bytes, so that somebody can teach it to the executor. */
int glue_not_executed(struct kvm_vcpu *vcpu)
{
	u8 bytes[EMU_MAX_INSN] = { };
	unsigned int len = peek(vcpu, bytes);
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = FAILURE_WORDS + 2;
	run->emulation_failure.flags =
		len ? KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES : 0;
	run->emulation_failure.insn_size = len;
	memset(run->emulation_failure.insn_bytes, 0, sizeof(bytes));
	memcpy(run->emulation_failure.insn_bytes, bytes, len);
	run->internal.data[FAILURE_WORDS] = vcpu->arch.exit.hardware;
	run->internal.data[FAILURE_WORDS + 1] = vcpu->arch.state.rip;
	return TO_USER;
}

static bool should_pause(struct kvm_vcpu *vcpu)
{
	return signal_pending(current) || need_resched() || atomic_read(&vcpu->requests) ||
	       !events_idle(&vcpu->arch.events) || atomic_read(&vcpu->arch.inbox);
}

static enum emu_result attempt(struct kvm_vcpu *vcpu)
{
	struct vcpu_io *vio = &vcpu->arch.io;
	enum emu_result r;

	vcpu->arch.debug.hits = 0;
	r = emu_execute(&vio->emu, &vio->insn);
	/* an instruction that is not over has met no breakpoint yet */
	if (r != EMU_DONE && !(r == EMU_IO && vio->emu.io.committed))
		vcpu->arch.debug.hits = 0;
	return r;
}

/* Attempt after attempt, until the instruction is over, userspace is needed, or something waits. */
static int execute(struct kvm_vcpu *vcpu, bool again)
{
	struct vcpu_io *vio = &vcpu->arch.io;
	unsigned int steps = STEPS_AT_ONCE;

	vcpu->stat.emulations++;
	fill(vcpu, again);
	do {
		switch (attempt(vcpu)) {
		case EMU_DONE:
			take_over(vcpu);
			if (unlikely(debug_waits(vcpu)))
				return debug_stepped(vcpu);
			break;
		case EMU_IO:
			return ask(vcpu);
		case EMU_FAULT:
			return raise(vcpu);
		case EMU_RETRY:
			return TO_GUEST;
		case EMU_UNSUPPORTED:
			return glue_not_executed(vcpu);
		case EMU_FAILED:
			/* what has been read is not read again */
			vio->owner = IO_EMULATOR;
			vio->rip = vcpu->arch.state.rip;
			return -EFAULT;
		}
	} while (!vio->emu.retired && --steps && !should_pause(vcpu));
	return TO_GUEST;
}

#define OPCODE_MOV_LOAD		0x8b

int glue_load_word(struct kvm_vcpu *vcpu, const struct emu_insn *insn, u16 *word)
{
	struct vcpu_io *vio = &vcpu->arch.io;

	/* a MOV to AX with the same operand, of which nothing is taken over but the fault */
	vio->insn = *insn;
	vio->insn.opcode = OPCODE_MOV_LOAD;
	vio->insn.opsize = sizeof(*word);
	vio->insn.reg = GPR_RAX;
	vio->known = false;
	emu_io_forget(&vio->emu.io);
	fill(vcpu, false);
	switch (attempt(vcpu)) {
	case EMU_DONE:
		*word = vio->emu.regs.gpr[GPR_RAX];
		return insn->len;
	case EMU_FAULT:
		return raise(vcpu);
	case EMU_FAILED:
		return -EFAULT;
	default:
		/* in a device */
		emu_io_forget(&vio->emu.io);
		return GLUE_NO_CODE;
	}
}

/*
 * The short way for a plain MOV.  The processor has checked and walked before it found no memory at
 * the end; all that can be different is that it got stuck in the second of two pages.
 */
static bool is_plain_move(struct kvm_vcpu *vcpu, const struct emu_insn *insn)
{
	const struct vm_exit *exit = &vcpu->arch.exit;
	struct emu_move *move = &vcpu->arch.io.move;

	if (exit->kind != EXIT_MEMORY || exit->memory.table ||
	    !emu_move_of(insn, vcpu->arch.state.gpr, vcpu->arch.state.rip, move))
		return false;
	return move->store == exit->memory.write &&
	       offset_in_page(move->linear) == offset_in_page(exit->memory.gpa) &&
	       offset_in_page(move->linear) + move->size <= PAGE_SIZE;
}

static int execute_load(struct kvm_vcpu *vcpu, unsigned int len)
{
	struct vcpu_io *vio = &vcpu->arch.io;
	gpa_t gpa = vcpu->arch.exit.memory.gpa;
	u64 data;

	vio->insn_len = len;
	if (in_kernel(vcpu, KVM_MMIO_BUS, gpa, &data, vio->move.size, false))
		return exit_load(vcpu, &data, DR_READ);
	ask_mmio(vcpu, gpa, vio->move.size, false, 0);
	vio->owner = IO_LOAD;
	vio->rip = vcpu->arch.state.rip;
	return TO_USER;
}

/* As with OUT: over, when userspace has it. */
static int execute_store(struct kvm_vcpu *vcpu, unsigned int len)
{
	struct emu_move *move = &vcpu->arch.io.move;
	gpa_t gpa = vcpu->arch.exit.memory.gpa;
	bool done = in_kernel(vcpu, KVM_MMIO_BUS, gpa, &move->data, move->size, true);

	if (unlikely(debug_armed(vcpu)))
		debug_access(vcpu, move->linear, move->size, DR_WRITE);
	if (done)
		return state_skip(vcpu, len);
	ask_mmio(vcpu, gpa, move->size, true, move->data);
	state_advance(vcpu, len);
	if (unlikely(debug_waits(vcpu)))
		vcpu->arch.io.owner = IO_STEPPED;
	return TO_USER;
}

#define OPCODE_IN		0xe4
#define OPCODE_POP_RM		0x8f
#define OPCODE_GROUP_5		0xff	/* PUSH, CALL, JMP among them */

/* Memory is touched at ModRM's operand only: no string, no stack. */
static bool has_one_operand(const struct emu_insn *insn)
{
	return insn->memory && insn->opcode != OPCODE_POP_RM && insn->opcode != OPCODE_GROUP_5;
}

/* IN and OUT: E4 to E7, EC to EF */
static bool is_port_access(const struct emu_insn *insn)
{
	return is_port_string(insn) || (insn->opcode & ~0xb) == OPCODE_IN;
}

/*
 * That this privilege level may use a port has been seen to by the processor, of the instruction
 * that exited.  What has been fetched may be another by now: then it exits by itself, or faults.
 */
static bool may_touch_ports(struct kvm_vcpu *vcpu, const struct emu_insn *insn)
{
	const struct vm_exit *exit = &vcpu->arch.exit;

	if (exit->kind != EXIT_IO)
		return !is_port_access(insn);
	return is_port_string(insn) && exit->io.string && exit->io.in == !(insn->opcode & 2);
}

/* The same of one that was carried here, half done: IOPL allows it, or it is at a port already. */
static bool may_go_on(struct kvm_vcpu *vcpu, const struct emu_insn *insn, bool at_port)
{
	const struct vcpu_state *state = &vcpu->arch.state;

	if (!is_port_access(insn))
		return true;
	state_need(vcpu, STATE_CODE | STATE_CR);
	return at_port || !(state->cr0 & X86_CR0_PE) ||
	       state_cpl(vcpu) <= (state->rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT;
}

int glue_execute(struct kvm_vcpu *vcpu)
{
	struct vcpu_io *vio = &vcpu->arch.io;
	int len;

	len = glue_decode(vcpu, &vio->insn);
	if (len <= 0)
		return len;
	if (!may_touch_ports(vcpu, &vio->insn))
		return TO_GUEST;
	if (is_plain_move(vcpu, &vio->insn))
		return vio->move.store ? execute_store(vcpu, len) : execute_load(vcpu, len);
	emu_io_forget(&vio->emu.io);
	vio->gpa = vcpu->arch.exit.memory.gpa;
	vio->known = vcpu->arch.exit.kind == EXIT_MEMORY && !vcpu->arch.exit.memory.table &&
		     has_one_operand(&vio->insn);
	vio->known_writable = vio->known && vcpu->arch.exit.memory.write;
	return execute(vcpu, false);
}

int glue_resume(struct kvm_vcpu *vcpu)
{
	struct vcpu_io *vio = &vcpu->arch.io;
	bool carried = vio->owner == IO_CARRIED, at_port;
	u8 data[sizeof(vcpu->run->mmio.data)];
	int len;

	vio->owner = IO_NOBODY;
	/* userspace has sent the vCPU elsewhere: a reset, a new image */
	if (vio->rip != vcpu->arch.state.rip) {
		emu_io_forget(&vio->emu.io);
		return TO_GUEST;
	}
	at_port = vio->emu.io.kind == EMU_PIO_IN || vio->emu.io.kind == EMU_PIO_OUT;
	if (at_port)
		memcpy(data, vio->emu.pio_data, sizeof(data));
	else
		memcpy(data, vcpu->run->mmio.data, sizeof(data));
	emu_io_answer(&vio->emu.io, data);
	if (carried) {
		/* it may be another by now, or gone: then it begins afresh */
		len = glue_fetch(vcpu, &vio->insn);
		if (len == GLUE_NO_CODE) {
			vio->owner = IO_CARRIED;
			return -EFAULT;
		}
		if (len <= 0)
			return len;
		if (!may_go_on(vcpu, &vio->insn, at_port)) {
			emu_io_forget(&vio->emu.io);
			return TO_GUEST;
		}
		vio->known = false;
	}
	return execute(vcpu, !carried);
}

/*
 * An instruction in the middle of its accesses, from one vCPU to another.  There it is fetched and
 * executed again, with what its reads have read until now.
 */

static_assert(KVM_EXACT_NO_ACCESS == (int)EMU_IO_NONE);
static_assert(KVM_EXACT_MMIO_READ == (int)EMU_MMIO_READ);
static_assert(KVM_EXACT_MMIO_WRITE == (int)EMU_MMIO_WRITE);
static_assert(KVM_EXACT_PIO_IN == (int)EMU_PIO_IN);
static_assert(KVM_EXACT_READS == EMU_MAX_READS);

static void get_access(struct kvm_exact_access *out, u8 kind, u64 addr, u8 size, const void *data)
{
	*out = (struct kvm_exact_access){ .addr = addr, .kind = kind, .size = size };
	memcpy(out->data, data, size);
}

static void get_executor_io(struct kvm_vcpu *vcpu, struct kvm_exact_io *out)
{
	const struct emu_io *io = &vcpu->arch.io.emu.io;
	const void *data = io->kind == EMU_PIO_IN ? vcpu->arch.io.emu.pio_data :
			   io->kind == EMU_MMIO_READ ? vcpu->run->mmio.data : io->data;
	unsigned int i;

	out->reads = io->reads;
	out->writes = io->writes;
	if (io->kind != EMU_IO_NONE)
		get_access(&out->ask, io->kind, io->addr, io->size, data);
	for (i = 0; i < io->reads; i++)
		get_access(&out->read[i], io->read[i].kind, io->read[i].addr, io->read[i].size,
			   io->read[i].data);
}

static void get_msr(struct kvm_vcpu *vcpu, struct kvm_exact_access *out)
{
	const struct vcpu_io *vio = &vcpu->arch.io;
	u64 answer = READ_ONCE(vcpu->run->msr.data);

	if (vio->msr.write)
		get_access(out, KVM_EXACT_MSR_WRITE, vio->msr.index, sizeof(u64), &vio->msr.data);
	else
		get_access(out, KVM_EXACT_MSR_READ, vio->msr.index, sizeof(u64), &answer);
	out->error = READ_ONCE(vcpu->run->msr.error);
	out->reason = vio->msr.reason;
}

bool glue_get_io(struct kvm_vcpu *vcpu, struct kvm_exact_io *out)
{
	const struct vcpu_io *vio = &vcpu->arch.io;
	const struct vm_exit *exit = &vcpu->arch.exit;

	*out = (struct kvm_exact_io){ .rip = vio->rip };
	if (vio->rip != vcpu->arch.state.rip)
		return false;
	switch (vio->owner) {
	case IO_IN:
		get_access(&out->ask, KVM_EXACT_PIO_IN, exit->io.port, vio->move.size,
			   vio->emu.pio_data);
		return true;
	case IO_LOAD:
		get_access(&out->ask, KVM_EXACT_MMIO_READ, exit->memory.gpa, vio->move.size,
			   vcpu->run->mmio.data);
		return true;
	case IO_MSR:
		get_msr(vcpu, &out->ask);
		return true;
	case IO_EMULATOR:
	case IO_CARRIED:
		get_executor_io(vcpu, out);
		return true;
	default:
		return false;
	}
}

static bool access_ok_for(const struct kvm_exact_access *access, bool read)
{
	switch (access->kind) {
	case KVM_EXACT_NO_ACCESS:
		return !read;
	case KVM_EXACT_PIO_IN:
		return access->addr <= U16_MAX &&
		       (access->size == 1 || access->size == 2 || access->size == 4);
	case KVM_EXACT_MMIO_WRITE:
		if (read)
			return false;
		fallthrough;
	case KVM_EXACT_MMIO_READ:
		return access->size >= 1 && access->size <= sizeof(access->data);
	default:
		return false;
	}
}

static bool is_msr(const struct kvm_exact_access *access)
{
	return access->kind == KVM_EXACT_MSR_READ || access->kind == KVM_EXACT_MSR_WRITE;
}

/* Nothing of the instruction is over, and userspace was asked for one reason. */
static bool msr_ok(const struct kvm_exact_io *in)
{
	const u8 reasons = KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |
			   KVM_MSR_EXIT_REASON_FILTER;

	return in->ask.size == sizeof(u64) && in->ask.addr <= U32_MAX && !in->reads &&
	       !in->writes && hweight8(in->ask.reason) == 1 && !(in->ask.reason & ~reasons);
}

bool glue_io_ok(const struct kvm_exact_io *in)
{
	unsigned int i;

	if (is_msr(&in->ask))
		return msr_ok(in);
	if (in->reads > KVM_EXACT_READS || !access_ok_for(&in->ask, false) ||
	    (in->reads == KVM_EXACT_READS && (in->ask.kind == KVM_EXACT_MMIO_READ ||
					      in->ask.kind == KVM_EXACT_PIO_IN)))
		return false;
	for (i = 0; i < in->reads; i++)
		if (!access_ok_for(&in->read[i], true))
			return false;
	return true;
}

/* The exit again, as userspace had it. */
static void ask_again(struct kvm_vcpu *vcpu, const struct kvm_exact_access *access)
{
	struct emu_io *io = &vcpu->arch.io.emu.io;
	u64 data;

	if (access->kind == KVM_EXACT_NO_ACCESS)
		return;
	memcpy(&data, access->data, sizeof(data));
	if (access->kind != KVM_EXACT_PIO_IN) {
		ask_mmio(vcpu, access->addr, access->size, access->kind == KVM_EXACT_MMIO_WRITE,
			 data);
		return;
	}
	ask_pio(vcpu, io);
	memcpy(vcpu->arch.io.emu.pio_data, access->data, access->size);
}

static void set_msr(struct kvm_vcpu *vcpu, const struct kvm_exact_io *in)
{
	struct vcpu_io *vio = &vcpu->arch.io;

	vio->owner = IO_MSR;
	vio->insn_len = 0;
	vio->rip = in->rip;
	vio->msr.index = in->ask.addr;
	vio->msr.reason = in->ask.reason;
	vio->msr.write = in->ask.kind == KVM_EXACT_MSR_WRITE;
	memcpy(&vio->msr.data, in->ask.data, sizeof(vio->msr.data));
	exit_ask_msr(vcpu);
	vcpu->run->msr.error = in->ask.error;
}

static void set_executor_io(struct kvm_vcpu *vcpu, const struct kvm_exact_io *in)
{
	struct vcpu_io *vio = &vcpu->arch.io;
	struct emu_io *io = &vio->emu.io;
	unsigned int i;

	*io = (struct emu_io){
		.kind = in->ask.kind, .size = in->ask.size, .count = 1, .addr = in->ask.addr,
		.rip = in->rip, .reads = in->reads, .writes = in->writes,
	};
	memcpy(io->data, in->ask.data, sizeof(io->data));
	for (i = 0; i < in->reads; i++) {
		io->read[i] = (struct emu_read){
			.kind = in->read[i].kind, .size = in->read[i].size, .count = 1,
			.addr = in->read[i].addr,
		};
		memcpy(io->read[i].data, in->read[i].data, sizeof(io->read[i].data));
	}
	vio->owner = IO_CARRIED;
	vio->rip = in->rip;
	ask_again(vcpu, &in->ask);
}

void glue_set_io(struct kvm_vcpu *vcpu, const struct kvm_exact_io *in)
{
	vcpu->arch.io.owner = IO_NOBODY;
	emu_io_forget(&vcpu->arch.io.emu.io);
	if (in && is_msr(&in->ask))
		set_msr(vcpu, in);
	else if (in)
		set_executor_io(vcpu, in);
}

int glue_translate(struct kvm_vcpu *vcpu, gva_t linear, gpa_t *gpa)
{
	struct walk_result walk;

	if (fault_translate(vcpu, linear, WALK_SYSTEM, false, &walk))
		return -EFAULT;
	*gpa = walk.gpa;
	return 0;
}
