/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * emu.h - decode and execute one guest instruction, without touching a guest.
 *
 * decode.c turns bytes into struct emu_insn; exec.c, with ops.c, alu.c and
 * vector.c, carries it out on a struct emu_ctx; move.c is the short way for a
 * plain MOV.  All are pure: memory, ports and vector registers are
 * reached through struct emu_ops.  glue.c supplies the real ones and kvm_run.
 *
 * An instruction is restartable.  It runs from its start at every attempt; the
 * device reads that are over are replayed from struct emu_io and the device
 * writes that are over are skipped, and there is no other half-done state.
 * Registers and RIP change in one go, with the last device write at the latest.
 */
#ifndef ARCH_X86_KVM_EMU_EMU_H
#define ARCH_X86_KVM_EMU_EMU_H

#include "../pure.h"

#define EMU_MAX_INSN	15	/* bytes; one more is #GP(0) (APM vol. 3, 1.1) */
#define EMU_MAX_READS	8	/* device reads of one instruction; VMOVUPS over a page: 5 */
#define EMU_PIO_BYTES	4096	/* size of the buffer behind emu_ctx.pio_data */

/** enum emu_mode - the kind of code segment: default operand and address size */
enum emu_mode { EMU_16, EMU_32, EMU_64 };

enum emu_reg {
	EMU_RAX, EMU_RCX, EMU_RDX, EMU_RBX, EMU_RSP, EMU_RBP, EMU_RSI, EMU_RDI,
	EMU_RIP = 16,		/* only as emu_insn.base */
	EMU_NO_REG,
};

enum emu_segment { EMU_ES, EMU_CS, EMU_SS, EMU_DS, EMU_FS, EMU_GS };

/* emu_insn.prefixes; VEX.pp, EVEX.pp and XOP.pp are told in the same words */
#define EMU_LOCK	0x01
#define EMU_REP		0x02	/* F3; of F2 and F3 the later one counts */
#define EMU_REPNE	0x04	/* F2 */
#define EMU_OPSIZE	0x08	/* 66 */
#define EMU_ADDRSIZE	0x10	/* 67 */

/* emu_insn.rex; zero when there is no REX prefix (AH..BH are then reachable) */
#define EMU_REX_B	0x01
#define EMU_REX_X	0x02
#define EMU_REX_R	0x04
#define EMU_REX_W	0x08
#define EMU_REX		0x40

enum emu_encoding { EMU_LEGACY, EMU_VEX, EMU_EVEX, EMU_XOP };

/**
 * struct emu_insn - one decoded instruction
 * @opcode: map in the high byte (00, 0f, 38, 3a; XOP 08 to 0a; EVEX 05, 06), opcode in the low:
 *	CPUID is 0x0fa2, MOVBE 0x38f0, HLT 0x00f4
 * @len: bytes, 1..15
 * @mode: enum emu_mode
 * @prefixes: EMU_LOCK and so on
 * @rex: EMU_REX_*, from REX or from the inverted bits of VEX, EVEX, XOP
 * @encoding: enum emu_encoding
 * @vlen: bytes of a vector: 16, 32, 64; 0 when @encoding is EMU_LEGACY
 * @vvvv: the additional register of VEX, EVEX, XOP
 * @opsize: operand bytes: 1, 2, 4, 8
 * @addrsize: address bytes: 2, 4, 8
 * @segment: of the memory operand or of a string source: the override or the default
 * @has_modrm: @modrm, @reg and @rm are valid
 * @modrm: the byte as it stands; two bits of mod, three of reg, three of rm
 * @reg: register number 0..15 in reg
 * @rm: register number 0..15 in rm; means a register when @base and @index say EMU_NO_REG and
 *	@memory is false
 * @memory: rm names memory at @base + (@index << @scale) + @disp
 * @base: enum emu_reg or EMU_RIP or EMU_NO_REG
 * @index: enum emu_reg or EMU_NO_REG
 * @scale: 0..3
 * @disp: sign-extended
 * @imm2: selector of a far pointer, nesting level of ENTER, second byte of EXTRQ
 * @imm: immediate, relative target, offset of a far pointer, address of MOV moffs.  Sign-extended
 *	where the instruction does so; INT n and ports are not
 */
struct emu_insn {
	u16 opcode;
	u8 len, mode;
	u8 prefixes, rex, encoding, vlen;
	u8 vvvv, opsize, addrsize, segment;
	u8 has_modrm, modrm, reg, rm;
	u8 memory, base, index, scale;
	s32 disp;
	u16 imm2;
	u64 imm;
};

/**
 * emu_decode - decode the instruction at @bytes
 * @insn: filled; of no use unless 0 is returned
 * @bytes: what is known of the instruction, @len bytes of it
 * @mode: the code segment it stands in
 *
 * Tells the length of everything in the opcode maps of APM vol. 3 and SDM vol. 2.  Within the
 * maps 0F38, 0F3A and those of VEX, EVEX and XOP, and within groups, encodings that no processor
 * defines decode like their neighbours: the processor raises #UD for them before anyone asks here.
 *
 * Return: 0; -EAGAIN when @len bytes do not tell yet; -EINVAL for an invalid opcode (#UD);
 * -E2BIG when it would be longer than 15 bytes (#GP).
 */
int emu_decode(struct emu_insn *insn, const u8 *bytes, unsigned int len, enum emu_mode mode);

struct emu_regs {
	u64 gpr[16];		/* by enum emu_reg */
	u64 rip, rflags;
};

/* struct emu_seg - a segment register; the names of APM vol. 2, 4.7 */
struct emu_seg {
	u64 base;
	u32 limit;		/* bytes, after granularity */
	u16 selector;
	u8 type;		/* four bits of the descriptor, code or data first (4.8) */
	bool present, db;	/* a null or unusable segment is not present */
};

/* struct emu_fault - an exception to raise; RIP and registers are those before the instruction */
struct emu_fault {
	u8 vector;
	bool has_error;
	u32 error;
	u64 address;		/* CR2 of a page fault */
};

/* What emu_ops functions return */
enum emu_mem {
	EMU_MEM_OK,		/* done; translate: RAM at *gpa */
	EMU_MEM_DEVICE,		/* translate: a device at *gpa; device, port: ask userspace */
	EMU_MEM_FAULT,		/* the guest's doing: emu_ctx.fault is filled */
	EMU_MEM_FAILED,		/* not the guest's doing; give up */
	EMU_MEM_RACED,		/* from cmpxchg: the memory is not what it was */
};

enum emu_io_kind { EMU_IO_NONE, EMU_MMIO_READ, EMU_MMIO_WRITE, EMU_PIO_IN, EMU_PIO_OUT };

/**
 * struct emu_io - the exit to userspace that is open, and what is over of the instruction
 * @kind: what userspace is to do, EMU_IO_NONE when nothing is asked
 * @size: bytes of one element: 1..8, 1, 2 or 4 for ports
 * @count: elements in emu_ctx.pio_data, for ports; 1 for memory
 * @addr: guest-physical address or port
 * @data: value to write, little-endian; of EMU_PIO_OUT it is in emu_ctx.pio_data
 * @committed: on EMU_IO: registers have changed and the step is over with this exit; no answer is
 *	awaited
 * @rip: of the instruction that the rest is about
 * @reads: device reads that are over, in @read
 * @writes: device writes that are over
 * @read: their answers
 */
struct emu_io {
	u8 kind, size;
	bool committed;
	u8 reads, writes;
	u16 count;
	u64 rip;
	u64 addr;
	u8 data[8];
	struct emu_read {
		u64 addr;
		u16 count;
		u8 kind, size;
		u8 data[8];
	} read[EMU_MAX_READS];
};

struct emu_ctx;

/**
 * struct emu_ops - where memory, devices and vector registers are
 * @translate: guest-linear @linear for reading or writing at emu_ctx.cpl; the answer holds up to
 *	the end of the 4 KiB page.  *gpa is guest-physical.  @len bytes are accessed, or more if
 *	not emu_ctx.watched
 * @read: copy RAM at @gpa; never crosses a page
 * @write: same, the other way
 * @cmpxchg: replace @len (1, 2, 4, 8, 16) bytes at @gpa, a multiple of @len, atomically if they are
 *	still *old
 * @device: read or write 1..8 bytes at a device that is not in userspace; NULL: none is
 * @port: the same for @count elements of @size bytes; NULL: none is.  The permission to use the
 *	port is not asked for: the processor has looked before it left the guest
 * @read_vec: the low @len (16 or 32) bytes of vector register @reg
 * @write_vec: set them; with 16 the rest of the register stays, with 32 it becomes zero
 *
 * All return enum emu_mem, and are called in the order of the struct emu_ctx they belong to.
 */
struct emu_ops {
	enum emu_mem (*translate)(struct emu_ctx *ctx, u64 linear, unsigned int len, bool write,
				  u64 *gpa);
	enum emu_mem (*read)(struct emu_ctx *ctx, u64 gpa, void *buf, unsigned int len);
	enum emu_mem (*write)(struct emu_ctx *ctx, u64 gpa, const void *buf, unsigned int len);
	enum emu_mem (*cmpxchg)(struct emu_ctx *ctx, u64 gpa, const void *old, const void *new,
				unsigned int len);
	enum emu_mem (*device)(struct emu_ctx *ctx, u64 gpa, void *buf, unsigned int len,
			       bool write);
	enum emu_mem (*port)(struct emu_ctx *ctx, u16 port, void *buf, unsigned int size,
			     unsigned int count, bool write);
	enum emu_mem (*read_vec)(struct emu_ctx *ctx, unsigned int reg, void *buf,
				 unsigned int len);
	enum emu_mem (*write_vec)(struct emu_ctx *ctx, unsigned int reg, const void *buf,
				  unsigned int len);
};

/**
 * struct emu_ctx - the processor as the executor sees it
 * @regs: general registers, RIP, RFLAGS; changed by emu_execute() at a commit only
 * @seg: by enum emu_segment
 * @protected: CR0.PE set and not virtual-8086: segment types and null selectors count
 * @cpl: for @ops->translate
 * @linear_bits: 48, or 57 with CR4.LA57: what is canonical in 64-bit mode
 * @no_sse: CR0.EM or not CR4.OSFXSR: SSE is #UD
 * @no_avx: not CR4.OSXSAVE, not in XCR0, or not @protected: AVX is #UD
 * @task_switched: CR0.TS: either is #NM
 * @has_tzcnt: the processor has TZCNT (BMI1); to others it is BSF
 * @has_lzcnt: the same of LZCNT (ABM) and BSR
 * @ops: callbacks
 * @watched: breakpoints wait for accesses: a string's elements are moved one at a time
 * @one_by_one: INS asks for one element at a time, which @io can hold
 * @pio_data: EMU_PIO_BYTES, shared with userspace: data of EMU_PIO_IN and EMU_PIO_OUT
 * @fault: filled on EMU_FAULT
 * @retired: after a committed step: RIP has left the instruction; else a REP has iterations left
 * @io: on EMU_IO the question; zero it before the first instruction
 */
struct emu_ctx {
	struct emu_regs regs;
	struct emu_seg seg[6];
	bool protected;
	bool watched;
	bool one_by_one;
	bool no_sse, no_avx, task_switched;
	bool has_tzcnt, has_lzcnt;
	u8 cpl, linear_bits;
	const struct emu_ops *ops;
	u8 *pio_data;
	struct emu_fault fault;
	bool retired;
	struct emu_io io;
};

enum emu_result {
	EMU_DONE,		/* one step taken and committed: see below */
	EMU_IO,			/* userspace is asked: emu_ctx.io */
	EMU_FAULT,		/* emu_ctx.fault; nothing committed */
	EMU_RETRY,		/* another CPU was faster; nothing committed, enter again */
	EMU_UNSUPPORTED,	/* not an instruction that this executor knows */
	EMU_FAILED,		/* a callback gave up; nothing committed: try again */
};

/**
 * emu_execute - make one attempt at one step of @insn
 * @ctx: the processor, and what is over of this instruction
 * @insn: what stands at @ctx->regs.rip
 *
 * One step is the whole instruction or one iteration of a REP string instruction (of INS and OUTS:
 * as many as fit one page); @ctx->regs.rip tells which, and RFLAGS.TF and interrupts are the
 * caller's to look at after either.  Faults of all operands come before the first access, reads
 * before writes.
 *
 * After EMU_IO without @ctx->io.committed: have userspace answer, call emu_io_answer(), and call
 * again with the same @insn.  With it the step is over, as after EMU_DONE.
 */
enum emu_result emu_execute(struct emu_ctx *ctx, const struct emu_insn *insn);

/**
 * emu_io_answer - the open question is answered
 * @io: has a question, @io->kind
 * @data: of a read: @io->size * @io->count bytes, little-endian; else unused.  For more than one
 *	element the answer is taken from emu_ctx.pio_data later, whatever @data is
 */
void emu_io_answer(struct emu_io *io, const void *data);

/**
 * emu_io_forget - drop the question and what is over of the instruction
 * @io: for when the registers are replaced under it; a half-done instruction starts afresh
 */
void emu_io_forget(struct emu_io *io);

/**
 * struct emu_move - an instruction whose device access is all there is to it
 * @linear: address of the operand, not checked for being canonical
 * @data: what a store writes, zero-extended
 * @size: bytes at the device: 1, 2, 4, 8
 * @store: to the device, not from it
 * @reg: of a load: the general register that takes the answer
 * @shift: of a load: 8 for AH..BH, else 0
 * @width: of a load: bytes of the register that change; 4 clear the upper half
 * @sign: of a load: the answer is sign-extended from @size to @width, not zero-extended
 */
struct emu_move {
	u64 linear, data;
	u8 size;
	bool store;
	u8 reg, shift, width;
	bool sign;
};

/**
 * emu_move_of - is this instruction one plain access?
 * @insn: decoded
 * @gpr: by enum emu_reg
 * @rip: where @insn stands
 * @move: filled when the answer is yes
 *
 * MOV, MOVZX and MOVSX in 64-bit mode, through a segment without a base.  For the rest, and where
 * the operand turns out to span two pages, there is emu_execute().
 */
bool emu_move_of(const struct emu_insn *insn, const u64 *gpr, u64 rip, struct emu_move *move);

/* The answer to a load, @move->size bytes at @data, goes to its register */
void emu_move_load(const struct emu_move *move, u64 *gpr, const void *data);

#endif /* ARCH_X86_KVM_EMU_EMU_H */
