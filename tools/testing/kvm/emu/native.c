// SPDX-License-Identifier: GPL-2.0-only
/*
 * native.c - the executor against the processor this runs on.
 *
 * Random instances of every instruction that 64-bit userspace may execute run
 * twice: on the processor, on ordinary memory, and in emu_execute(), on a copy
 * of that memory, which is now RAM, now a device, now one page of each, so that
 * the same answer has to come out of every way of cutting it into fragments.
 * Compared are all registers, the flags that the manuals define, vectors, RIP,
 * memory and the kind of fault.  What userspace may not do is in expect.c.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../pure_user.h"
#include "../../../../arch/x86/kvm/emu/emu.h"

#define ARENA_BYTES	8192
#define CF 1u
#define PF 4u
#define AF 0x10u
#define ZF 0x40u
#define SF 0x80u
#define DF 0x400u
#define OF 0x800u
#define ARITH (CF | PF | AF | ZF | SF | OF)

/* What a template leaves to chance or not; struct template.how */
#define LOCKABLE	0x0001
#define NO66		0x0002	/* 66 would be another instruction */
#define STACK		0x0004	/* RSP points to the arena */
#define STRING		0x0008	/* RSI and RDI point to it, no ModRM */
#define PLAIN		0x0010	/* no ModRM */
#define BRANCH		0x0020	/* memory, or the top of the stack, holds a landing place */
#define MEMORY		0x0040	/* no register form */
#define BITS		0x0080	/* the register operand is a bit number */
#define VEX		0x0100
#define ALIGNED		0x0200
#define ACC		0x0400	/* compared with the accumulator: let it be equal half the time */
#define MOFFS		0x0800
#define SMALL		0x1000	/* a quotient is to fit, half the time */
#define XMM		0x4000	/* a vector register: no AH..BH, register forms are not for us */
#define CL_COUNT	0x8000

enum undefined { NONE, LOGIC, SHIFT, BIT, PRODUCT, ALL, SCAN, COUNT };

struct template {
	const char *name;
	u8 prefix;		/* mandatory: 66, f2, f3 */
	u8 map;			/* 0, 0f, 38 */
	u8 first, last;		/* opcodes */
	s8 sub;			/* modrm.reg, -1 for any */
	u8 imm;			/* bytes; 9: as many as the operand, at most 4 */
	enum undefined undefined;
	unsigned int how;
};

static const struct template templates[] = {
	{ "add", 0, 0, 0x00, 0x01, -1, 0, NONE, LOCKABLE },
	{ "add reg, rm", 0, 0, 0x02, 0x03, -1, 0, NONE, 0 },
	{ "add acc", 0, 0, 0x04, 0x05, -1, 9, NONE, PLAIN },
	{ "or", 0, 0, 0x08, 0x09, -1, 0, LOGIC, LOCKABLE },
	{ "or reg, rm", 0, 0, 0x0a, 0x0b, -1, 0, LOGIC, 0 },
	{ "or acc", 0, 0, 0x0c, 0x0d, -1, 9, LOGIC, PLAIN },
	{ "adc", 0, 0, 0x10, 0x11, -1, 0, NONE, LOCKABLE },
	{ "adc reg, rm", 0, 0, 0x12, 0x13, -1, 0, NONE, 0 },
	{ "sbb", 0, 0, 0x18, 0x19, -1, 0, NONE, LOCKABLE },
	{ "sbb reg, rm", 0, 0, 0x1a, 0x1b, -1, 0, NONE, 0 },
	{ "sbb acc", 0, 0, 0x1c, 0x1d, -1, 9, NONE, PLAIN },
	{ "and", 0, 0, 0x20, 0x21, -1, 0, LOGIC, LOCKABLE },
	{ "and reg, rm", 0, 0, 0x22, 0x23, -1, 0, LOGIC, 0 },
	{ "sub", 0, 0, 0x28, 0x29, -1, 0, NONE, LOCKABLE },
	{ "sub reg, rm", 0, 0, 0x2a, 0x2b, -1, 0, NONE, 0 },
	{ "xor", 0, 0, 0x30, 0x31, -1, 0, LOGIC, LOCKABLE },
	{ "xor reg, rm", 0, 0, 0x32, 0x33, -1, 0, LOGIC, 0 },
	{ "cmp", 0, 0, 0x38, 0x3b, -1, 0, NONE, 0 },
	{ "cmp acc", 0, 0, 0x3c, 0x3d, -1, 9, NONE, PLAIN },
	{ "push reg", 0, 0, 0x50, 0x57, -1, 0, NONE, STACK | PLAIN },
	{ "pop reg", 0, 0, 0x58, 0x5f, -1, 0, NONE, STACK | PLAIN },
	{ "movsxd", 0, 0, 0x63, 0x63, -1, 0, NONE, 0 },
	{ "push imm", 0, 0, 0x68, 0x68, -1, 9, NONE, STACK | PLAIN },
	{ "push imm8", 0, 0, 0x6a, 0x6a, -1, 1, NONE, STACK | PLAIN },
	{ "imul imm", 0, 0, 0x69, 0x69, -1, 9, PRODUCT, 0 },
	{ "imul imm8", 0, 0, 0x6b, 0x6b, -1, 1, PRODUCT, 0 },
	{ "arith imm b", 0, 0, 0x80, 0x80, -1, 1, LOGIC, LOCKABLE },
	{ "arith imm", 0, 0, 0x81, 0x81, -1, 9, LOGIC, LOCKABLE },
	{ "arith imm8", 0, 0, 0x83, 0x83, -1, 1, LOGIC, LOCKABLE },
	{ "test", 0, 0, 0x84, 0x85, -1, 0, LOGIC, 0 },
	{ "xchg", 0, 0, 0x86, 0x87, -1, 0, NONE, LOCKABLE },
	{ "mov", 0, 0, 0x88, 0x8b, -1, 0, NONE, 0 },
	{ "mov from sreg", 0, 0, 0x8c, 0x8c, 2, 0, NONE, 0 },
	{ "pop mem", 0, 0, 0x8f, 0x8f, 0, 0, NONE, STACK },
	{ "pushf", 0, 0, 0x9c, 0x9c, -1, 0, NONE, STACK | PLAIN },
	{ "mov moffs", 0, 0, 0xa0, 0xa3, -1, 0, NONE, MOFFS | PLAIN },
	{ "movs", 0, 0, 0xa4, 0xa5, -1, 0, NONE, STRING | PLAIN },
	{ "cmps", 0, 0, 0xa6, 0xa7, -1, 0, NONE, STRING | PLAIN },
	{ "test acc", 0, 0, 0xa8, 0xa9, -1, 9, LOGIC, PLAIN },
	{ "stos lods scas", 0, 0, 0xaa, 0xaf, -1, 0, NONE, STRING | PLAIN },
	{ "shift imm8", 0, 0, 0xc0, 0xc1, -1, 1, SHIFT, 0 },
	{ "ret imm", 0, 0, 0xc2, 0xc2, -1, 2, NONE, STACK | PLAIN | BRANCH | NO66 },
	{ "ret", 0, 0, 0xc3, 0xc3, -1, 0, NONE, STACK | PLAIN | BRANCH | NO66 },
	{ "mov imm b", 0, 0, 0xc6, 0xc6, 0, 1, NONE, 0 },
	{ "mov imm", 0, 0, 0xc7, 0xc7, 0, 9, NONE, 0 },
	{ "leave", 0, 0, 0xc9, 0xc9, -1, 0, NONE, STACK | PLAIN },
	{ "shift one", 0, 0, 0xd0, 0xd1, -1, 0, SHIFT, 0 },
	{ "shift cl", 0, 0, 0xd2, 0xd3, -1, 0, SHIFT, CL_COUNT },
	{ "call rel", 0, 0, 0xe8, 0xe8, -1, 4, NONE, STACK | PLAIN | BRANCH | NO66 },
	{ "test imm", 0, 0, 0xf6, 0xf6, 0, 1, LOGIC, 0 },
	{ "test imm", 0, 0, 0xf7, 0xf7, 1, 9, LOGIC, 0 },
	{ "not", 0, 0, 0xf6, 0xf7, 2, 0, NONE, LOCKABLE },
	{ "neg", 0, 0, 0xf6, 0xf7, 3, 0, NONE, LOCKABLE },
	{ "mul", 0, 0, 0xf6, 0xf7, 4, 0, PRODUCT, 0 },
	{ "imul", 0, 0, 0xf6, 0xf7, 5, 0, PRODUCT, 0 },
	{ "div", 0, 0, 0xf6, 0xf7, 6, 0, ALL, SMALL },
	{ "idiv", 0, 0, 0xf6, 0xf7, 7, 0, ALL, SMALL },
	{ "inc", 0, 0, 0xfe, 0xff, 0, 0, NONE, LOCKABLE },
	{ "dec", 0, 0, 0xfe, 0xff, 1, 0, NONE, LOCKABLE },
	{ "call mem", 0, 0, 0xff, 0xff, 2, 0, NONE, STACK | BRANCH | MEMORY | NO66 },
	{ "jmp mem", 0, 0, 0xff, 0xff, 4, 0, NONE, BRANCH | MEMORY | NO66 },
	{ "push mem", 0, 0, 0xff, 0xff, 6, 0, NONE, STACK },
	{ "xlat", 0, 0, 0xd7, 0xd7, -1, 0, NONE, PLAIN },
	{ "cmovcc", 0, 0x0f, 0x40, 0x4f, -1, 0, NONE, 0 },
	{ "setcc", 0, 0x0f, 0x90, 0x9f, -1, 0, NONE, 0 },
	{ "bt", 0, 0x0f, 0xa3, 0xa3, -1, 0, BIT, BITS },
	{ "bts", 0, 0x0f, 0xab, 0xab, -1, 0, BIT, BITS | LOCKABLE },
	{ "btr", 0, 0x0f, 0xb3, 0xb3, -1, 0, BIT, BITS | LOCKABLE },
	{ "btc", 0, 0x0f, 0xbb, 0xbb, -1, 0, BIT, BITS | LOCKABLE },
	{ "bt imm", 0, 0x0f, 0xba, 0xba, 4, 1, BIT, 0 },
	{ "bts imm", 0, 0x0f, 0xba, 0xba, 5, 1, BIT, LOCKABLE },
	{ "btr imm", 0, 0x0f, 0xba, 0xba, 6, 1, BIT, LOCKABLE },
	{ "btc imm", 0, 0x0f, 0xba, 0xba, 7, 1, BIT, LOCKABLE },
	{ "shld imm", 0, 0x0f, 0xa4, 0xa4, -1, 1, SHIFT, 0 },
	{ "shld cl", 0, 0x0f, 0xa5, 0xa5, -1, 0, SHIFT, CL_COUNT },
	{ "shrd imm", 0, 0x0f, 0xac, 0xac, -1, 1, SHIFT, 0 },
	{ "shrd cl", 0, 0x0f, 0xad, 0xad, -1, 0, SHIFT, CL_COUNT },
	{ "clflush", 0, 0x0f, 0xae, 0xae, 7, 0, NONE, MEMORY | NO66 },
	{ "imul reg", 0, 0x0f, 0xaf, 0xaf, -1, 0, PRODUCT, 0 },
	{ "cmpxchg", 0, 0x0f, 0xb0, 0xb1, -1, 0, NONE, LOCKABLE | ACC | MEMORY },
	{ "popcnt", 0xf3, 0x0f, 0xb8, 0xb8, -1, 0, NONE, 0 },
	{ "bsf bsr", 0, 0x0f, 0xbc, 0xbd, -1, 0, SCAN, 0 },
	{ "tzcnt", 0xf3, 0x0f, 0xbc, 0xbc, -1, 0, COUNT, 0 },
	{ "lzcnt", 0xf3, 0x0f, 0xbd, 0xbd, -1, 0, COUNT, 0 },
	{ "prefetch", 0, 0x0f, 0x18, 0x18, 0, 0, NONE, MEMORY },
	{ "prefetchw", 0, 0x0f, 0x0d, 0x0d, 1, 0, NONE, MEMORY },
	{ "movzx", 0, 0x0f, 0xb6, 0xb7, -1, 0, NONE, 0 },
	{ "movsx", 0, 0x0f, 0xbe, 0xbf, -1, 0, NONE, 0 },
	{ "xadd", 0, 0x0f, 0xc0, 0xc1, -1, 0, NONE, LOCKABLE },
	{ "movnti", 0, 0x0f, 0xc3, 0xc3, -1, 0, NONE, MEMORY | NO66 },
	{ "cmpxchg8b", 0, 0x0f, 0xc7, 0xc7, 1, 0, NONE, MEMORY | LOCKABLE | ACC | NO66 | ALIGNED },
	{ "movbe", 0, 0x38, 0xf0, 0xf1, -1, 0, NONE, MEMORY },
	{ "movups", 0, 0x0f, 0x10, 0x11, -1, 0, NONE, XMM | NO66 },
	{ "movupd", 0x66, 0x0f, 0x10, 0x11, -1, 0, NONE, XMM },
	{ "movss", 0xf3, 0x0f, 0x10, 0x11, -1, 0, NONE, XMM | NO66 },
	{ "movsd", 0xf2, 0x0f, 0x10, 0x11, -1, 0, NONE, XMM | NO66 },
	{ "movlps", 0, 0x0f, 0x12, 0x13, -1, 0, NONE, XMM | NO66 },
	{ "movlpd", 0x66, 0x0f, 0x12, 0x13, -1, 0, NONE, XMM },
	{ "movhps", 0, 0x0f, 0x16, 0x17, -1, 0, NONE, XMM | NO66 },
	{ "movhpd", 0x66, 0x0f, 0x16, 0x17, -1, 0, NONE, XMM },
	{ "movaps", 0, 0x0f, 0x28, 0x29, -1, 0, NONE, XMM | NO66 | ALIGNED },
	{ "movapd", 0x66, 0x0f, 0x28, 0x29, -1, 0, NONE, XMM | ALIGNED },
	{ "movntps", 0, 0x0f, 0x2b, 0x2b, -1, 0, NONE, XMM | NO66 | ALIGNED },
	{ "movd", 0x66, 0x0f, 0x6e, 0x6e, -1, 0, NONE, XMM },
	{ "movdqa", 0x66, 0x0f, 0x6f, 0x6f, -1, 0, NONE, XMM | ALIGNED },
	{ "movdqu", 0xf3, 0x0f, 0x6f, 0x6f, -1, 0, NONE, XMM | NO66 },
	{ "movd", 0x66, 0x0f, 0x7e, 0x7e, -1, 0, NONE, XMM },
	{ "movq", 0xf3, 0x0f, 0x7e, 0x7e, -1, 0, NONE, XMM | NO66 },
	{ "movdqa", 0x66, 0x0f, 0x7f, 0x7f, -1, 0, NONE, XMM | ALIGNED },
	{ "movdqu", 0xf3, 0x0f, 0x7f, 0x7f, -1, 0, NONE, XMM | NO66 },
	{ "movq", 0x66, 0x0f, 0xd6, 0xd6, -1, 0, NONE, XMM },
	{ "movntdq", 0x66, 0x0f, 0xe7, 0xe7, -1, 0, NONE, XMM | ALIGNED },
	{ "lddqu", 0xf2, 0x0f, 0xf0, 0xf0, -1, 0, NONE, XMM | NO66 },
	{ "movntdqa", 0x66, 0x38, 0x2a, 0x2a, -1, 0, NONE, XMM | ALIGNED },
	{ "vmovups", 0, 0x0f, 0x10, 0x11, -1, 0, NONE, XMM | VEX },
	{ "vmovss", 0xf3, 0x0f, 0x10, 0x11, -1, 0, NONE, XMM | VEX },
	{ "vmovsd", 0xf2, 0x0f, 0x10, 0x11, -1, 0, NONE, XMM | VEX },
	{ "vmovlps", 0, 0x0f, 0x12, 0x12, -1, 0, NONE, XMM | VEX },
	{ "vmovlps", 0, 0x0f, 0x13, 0x13, -1, 0, NONE, XMM | VEX },
	{ "vmovhpd", 0x66, 0x0f, 0x16, 0x16, -1, 0, NONE, XMM | VEX },
	{ "vmovhps", 0, 0x0f, 0x17, 0x17, -1, 0, NONE, XMM | VEX },
	{ "vmovaps", 0, 0x0f, 0x28, 0x29, -1, 0, NONE, XMM | VEX | ALIGNED },
	{ "vmovd", 0x66, 0x0f, 0x6e, 0x6e, -1, 0, NONE, XMM | VEX },
	{ "vmovdqa", 0x66, 0x0f, 0x6f, 0x6f, -1, 0, NONE, XMM | VEX | ALIGNED },
	{ "vmovdqu", 0xf3, 0x0f, 0x7f, 0x7f, -1, 0, NONE, XMM | VEX },
	{ "vmovd", 0x66, 0x0f, 0x7e, 0x7e, -1, 0, NONE, XMM | VEX },
	{ "vmovq", 0xf3, 0x0f, 0x7e, 0x7e, -1, 0, NONE, XMM | VEX },
	{ "vmovntdq", 0x66, 0x0f, 0xe7, 0xe7, -1, 0, NONE, XMM | VEX | ALIGNED },
	{ "vlddqu", 0xf2, 0x0f, 0xf0, 0xf0, -1, 0, NONE, XMM | VEX },
	{ "vmovntdqa", 0x66, 0x38, 0x2a, 0x2a, -1, 0, NONE, XMM | VEX | ALIGNED },
};

/* ---- the processor ---- */

struct machine {
	u64 gpr[16];
	u64 rflags;
	u8 vec[16][32];
};

/* The assembly below knows these by name */
struct machine *native_machine __attribute__((used));
u64 native_stack __attribute__((used)), native_scratch __attribute__((used));
u64 native_target __attribute__((used));
u8 native_avx __attribute__((used));
void native_run(void);
extern char native_back[];

#define EACH_VEC(V) V(0) V(1) V(2) V(3) V(4) V(5) V(6) V(7) V(8) V(9) V(10) V(11) V(12) V(13) \
	V(14) V(15)
#define LOAD_YMM(N)	"vmovdqu 136+32*" #N "(%rax), %ymm" #N "\n"
#define SAVE_YMM(N)	"vmovdqu %ymm" #N ", 136+32*" #N "(%rax)\n"
#define LOAD_XMM(N)	"movdqu 136+32*" #N "(%rax), %xmm" #N "\n"
#define SAVE_XMM(N)	"movdqu %xmm" #N ", 136+32*" #N "(%rax)\n"
#define EACH_GPR(G) G(rcx, 8) G(rdx, 16) G(rbx, 24) G(rbp, 40) G(rsi, 48) G(rdi, 56) G(r8, 64) \
	G(r9, 72) G(r10, 80) G(r11, 88) G(r12, 96) G(r13, 104) G(r14, 112) G(r15, 120)
#define LOAD_GPR(R, AT)	"mov " #AT "(%rax), %" #R "\n"
#define SAVE_GPR(R, AT)	"mov %" #R ", " #AT "(%rax)\n"

asm(".text\n"
	"native_run:\n"
	"push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
	"mov %rsp, native_stack(%rip)\n"
	"mov native_machine(%rip), %rax\n"
	"cmpb $0, native_avx(%rip)\n je 1f\n"
	EACH_VEC(LOAD_YMM)
	"jmp 2f\n1:\n"
	EACH_VEC(LOAD_XMM)
	"2: push 128(%rax)\n popfq\n"
	EACH_GPR(LOAD_GPR)
	"mov 32(%rax), %rsp\n"
	"mov (%rax), %rax\n"
	"jmp *native_target(%rip)\n"
	"native_back:\n"
	"mov %rax, native_scratch(%rip)\n"
	"mov native_machine(%rip), %rax\n"
	"mov %rsp, 32(%rax)\n"
	EACH_GPR(SAVE_GPR)
	"mov native_stack(%rip), %rsp\n"
	"pushfq\n pop 128(%rax)\n cld\n"
	"mov native_scratch(%rip), %rcx\n mov %rcx, (%rax)\n"
	"cmpb $0, native_avx(%rip)\n je 1f\n"
	EACH_VEC(SAVE_YMM)
	"vzeroupper\n jmp 2f\n1:\n"
	EACH_VEC(SAVE_XMM)
	"2: pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");

static u8 *arena, *code;
static u8 shadow[ARENA_BYTES];
static sigjmp_buf trapped;

#define LANDING	(code + 2048)	/* where branches go */

static void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	siglongjmp(trapped, signal);
}

/* "jmp *0(%rip)" and the address, without touching a register or a flag */
static void put_way_back(u8 *at)
{
	static const u8 jump[] = { 0xff, 0x25, 0, 0, 0, 0 };
	u64 back = (u64)native_back;

	memcpy(at, jump, sizeof(jump));
	memcpy(at + sizeof(jump), &back, sizeof(back));
}

/* Return: the vector of the exception, or -1 */
static int run_native(struct machine *m, unsigned int len)
{
	int signal;

	put_way_back(code + len);
	native_machine = m;
	native_target = (u64)code;
	signal = sigsetjmp(trapped, 1);
	if (!signal)
		native_run();
	switch (signal) {
	case 0:
		return -1;
	case SIGFPE:
		return 0;
	case SIGILL:
		return 6;
	default:
		return 13;
	}
}

/* ---- the executor's memory: a copy of the arena ---- */

enum world { RAM, DEVICE, HALF, HALF_SWAPPED, KERNEL_DEVICE, WORLDS };
static enum world world;
static u8 (*vectors)[32];

static u8 *shadow_at(u64 linear, unsigned int len)
{
	u64 at = linear - (u64)arena;

	return at < ARENA_BYTES && at + len <= ARENA_BYTES ? shadow + at : NULL;
}

static enum emu_mem translate(struct emu_ctx *ctx, u64 linear, unsigned int len, bool write,
			      u64 *gpa)
{
	bool second = linear - (u64)arena >= ARENA_BYTES / 2;

	(void)write;
	*gpa = linear;
	if (!len || linear % 4096 + len > 4096)
		abort();
	if (!shadow_at(linear, 1)) {
		ctx->fault = (struct emu_fault) { .vector = 14, .has_error = true };
		return EMU_MEM_FAULT;
	}
	if (world == RAM || world == (second ? HALF_SWAPPED : HALF))
		return EMU_MEM_OK;
	return EMU_MEM_DEVICE;
}

static enum emu_mem read_ram(struct emu_ctx *ctx, u64 gpa, void *buf, unsigned int len)
{
	(void)ctx;
	memcpy(buf, shadow_at(gpa, len), len);
	return EMU_MEM_OK;
}

static enum emu_mem write_ram(struct emu_ctx *ctx, u64 gpa, const void *buf, unsigned int len)
{
	(void)ctx;
	memcpy(shadow_at(gpa, len), buf, len);
	return EMU_MEM_OK;
}

static enum emu_mem cmpxchg_ram(struct emu_ctx *ctx, u64 gpa, const void *old, const void *new,
				unsigned int len)
{
	(void)ctx;
	if (memcmp(shadow_at(gpa, len), old, len))
		return EMU_MEM_RACED;
	memcpy(shadow_at(gpa, len), new, len);
	return EMU_MEM_OK;
}

static enum emu_mem device(struct emu_ctx *ctx, u64 gpa, void *buf, unsigned int len, bool write)
{
	if (world != KERNEL_DEVICE)
		return EMU_MEM_DEVICE;
	return write ? write_ram(ctx, gpa, buf, len) : read_ram(ctx, gpa, buf, len);
}

static enum emu_mem read_vec(struct emu_ctx *ctx, unsigned int reg, void *buf, unsigned int len)
{
	(void)ctx;
	memcpy(buf, vectors[reg], len);
	return EMU_MEM_OK;
}

static enum emu_mem write_vec(struct emu_ctx *ctx, unsigned int reg, const void *buf,
			      unsigned int len)
{
	(void)ctx;
	memcpy(vectors[reg], buf, len);
	return EMU_MEM_OK;
}

static const struct emu_ops ops = {
	.translate = translate, .read = read_ram, .write = write_ram, .cmpxchg = cmpxchg_ram,
	.device = device, .read_vec = read_vec, .write_vec = write_vec,
};

static u64 fs_base, gs_base = 0x12340;
static bool has_tzcnt, has_lzcnt;

/* Userspace's part of a fragment.  Return: false if it is not one */
static bool serve(struct emu_io *io)
{
	u8 *at = shadow_at(io->addr, io->size);

	if (!at || io->size > 8 || io->count != 1)
		return false;
	if (io->kind == EMU_MMIO_WRITE)
		memcpy(at, io->data, io->size);
	else if (io->kind != EMU_MMIO_READ)
		return false;
	emu_io_answer(io, at);
	return true;
}

/* Return: the vector of the exception, -1 when it is done, -2 when something is wrong */
static int run_emulated(struct machine *m, const struct emu_insn *insn, u64 *rip)
{
	struct emu_ctx ctx = {
		.protected = true, .cpl = 3, .linear_bits = 48, .ops = &ops,
		.has_tzcnt = has_tzcnt, .has_lzcnt = has_lzcnt,
		.regs = { .rip = (u64)code, .rflags = m->rflags },
	};
	unsigned int steps;
	enum emu_result r;

	memcpy(ctx.regs.gpr, m->gpr, sizeof(m->gpr));
	ctx.seg[EMU_FS].base = fs_base;
	ctx.seg[EMU_GS].base = gs_base;
	ctx.seg[EMU_SS].selector = 0x2b;
	vectors = m->vec;
	for (steps = 0; steps < 200; steps++) {
		struct emu_regs before = ctx.regs;

		r = emu_execute(&ctx, insn);
		if (r == EMU_IO && !ctx.io.committed && memcmp(&before, &ctx.regs, sizeof(before)))
			return -2;
		if (r == EMU_IO && !serve(&ctx.io))
			return -2;
		if (r != EMU_IO && r != EMU_DONE)
			break;
		if ((r == EMU_DONE || ctx.io.committed) && ctx.retired)
			break;
	}
	memcpy(m->gpr, ctx.regs.gpr, sizeof(m->gpr));
	m->rflags = ctx.regs.rflags;
	*rip = ctx.regs.rip;
	if (r == EMU_FAULT)
		return ctx.fault.vector;
	return r == EMU_DONE || r == EMU_IO ? -1 : -2;
}

/* ---- chance ---- */

static u64 seed = 1;

static u64 chance(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static unsigned int below(unsigned int n)
{
	return (chance() >> 20) % n;
}

/* Values at the edges, where flags live, as often as any others */
static u64 value(void)
{
	static const u64 edges[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
		0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, ~0ULL };

	return below(3) ? chance() : edges[below(ARRAY_SIZE(edges))];
}

/* ---- one instance ---- */

struct instance {
	const struct template *t;
	u8 bytes[32];
	unsigned int len, disp_at;
	struct emu_insn insn;
	u64 target;		/* where the memory operand is */
	struct machine before;
	u8 memory[ARENA_BYTES];
};

/* An addressing form, settled before the first byte is emitted: REX depends on it */
struct address {
	enum { REGISTER, RIP_RELATIVE, ABSOLUTE, BASED } kind;
	u8 base, index, scale;	/* index 4: none */
	u8 disp_bytes;
	s32 disp;
};

static void emit(struct instance *in, u64 value, unsigned int bytes)
{
	memcpy(in->bytes + in->len, &value, bytes);
	in->len += bytes;
}

static void make_state(struct instance *in)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		in->before.gpr[i] = value();
	for (i = 0; i < sizeof(in->before.vec); i++)
		((u8 *)in->before.vec)[i] = chance() >> 30;
	for (i = 0; i < ARENA_BYTES; i += 8) {
		u64 v = i % 64 ? chance() : value();

		memcpy(in->memory + i, &v, 8);
	}
	in->before.rflags = 0x202 | (chance() & ARITH);
}

static void pick_target(struct instance *in)
{
	unsigned int at = 2048 + below(4096);

	if (!below(3))
		at = 4096 - below(40);
	if (in->t->how & ALIGNED && below(8))
		at &= ~31u;
	in->target = (u64)arena + at;
}

/* Registers that the instruction needs for itself are no base and no index */
static bool needed(const struct template *t, unsigned int reg)
{
	return (t->how & STACK && (reg == EMU_RSP || reg == EMU_RBP)) ||
	       (t->how & (SMALL | CL_COUNT) && (reg == EMU_RDX || reg == EMU_RCX));
}

static struct address pick_address(struct instance *in, u64 offset, bool addr32)
{
	static const u8 disp_bytes[] = { 0, 1, 4 };
	struct address a = { .kind = BASED, .index = 4, .scale = below(4) };
	u64 *gpr = in->before.gpr;
	unsigned int form = below(6);

	if (form < 2 && offset < 1ULL << 31) {
		a.kind = form ? RIP_RELATIVE : ABSOLUTE;
		a.disp = offset;
		return a;
	}
	a.disp_bytes = disp_bytes[below(3)];
	do {
		a.base = below(16);
	} while (needed(in->t, a.base));
	if (below(2)) {
		a.index = below(16);
		if (a.index == a.base || needed(in->t, a.index))
			a.index = 4;
	}
	if ((a.base & 7) == EMU_RBP && !a.disp_bytes)
		a.disp_bytes = 1;
	a.disp = a.disp_bytes == 1 ? (s8)chance() : a.disp_bytes ? (s32)chance() : 0;
	if (a.index != 4)
		gpr[a.index] = below(2) ? below(64) : value();
	gpr[a.base] = offset - (u64)(s64)a.disp - (a.index == 4 ? 0 : gpr[a.index] << a.scale);
	if (addr32)	/* the upper half must not matter */
		gpr[a.base] = (u32)gpr[a.base] | chance() << 32;
	return a;
}

static void emit_address(struct instance *in, const struct address *a, u8 reg, u8 rm)
{
	u8 mod = a->disp_bytes == 4 ? 0x80 : a->disp_bytes ? 0x40 : 0;

	reg = (reg & 7) << 3;
	switch (a->kind) {
	case REGISTER:
		emit(in, 0xc0 | reg | (rm & 7), 1);
		break;
	case RIP_RELATIVE:
		emit(in, reg | 5, 1);
		in->disp_at = in->len;
		emit(in, 0, 4);		/* it counts from the end of the instruction */
		break;
	case ABSOLUTE:
		emit(in, reg | 4, 1);
		emit(in, 0x25, 1);
		emit(in, (u32)a->disp, 4);
		break;
	case BASED:
		if (a->index == 4 && (a->base & 7) != 4) {
			emit(in, mod | reg | (a->base & 7), 1);
		} else {
			emit(in, mod | reg | 4, 1);
			emit(in, a->scale << 6 | (a->index & 7) << 3 | (a->base & 7), 1);
		}
		emit(in, (u32)a->disp, a->disp_bytes);
		break;
	}
}

static bool is_scalar(const struct template *t)
{
	return ((t->prefix == 0xf2 || t->prefix == 0xf3) && t->first == 0x10) ||
	       (t->first & 0xfa) == 0x12 || t->first == 0x6e || t->first == 0x7e;
}

static void emit_vex(struct instance *in, u8 rex)
{
	const struct template *t = in->t;
	u8 pp = t->prefix == 0x66 ? 1 : t->prefix == 0xf3 ? 2 : t->prefix == 0xf2 ? 3 : 0;
	u8 vvvv = t->first == t->last && (t->first | 4) == 0x16 ? below(16) : 0;
	u8 l = is_scalar(t) ? 0 : below(2);
	u8 last = (~vvvv & 15) << 3 | l << 2 | pp;

	if (t->map == 0x0f && !(rex & (EMU_REX_X | EMU_REX_B | EMU_REX_W))) {
		emit(in, 0xc5, 1);
		emit(in, (rex & EMU_REX_R ? 0 : 0x80) | last, 1);
		return;
	}
	emit(in, 0xc4, 1);
	emit(in, (~rex & 7) << 5 | (t->map == 0x38 ? 2 : 1), 1);
	emit(in, (rex & EMU_REX_W ? 0x80 : 0) | last, 1);
}

static void emit_opcode(struct instance *in, u8 rex)
{
	const struct template *t = in->t;

	if (t->how & VEX) {
		emit_vex(in, rex);
	} else {
		if (t->prefix)
			emit(in, t->prefix, 1);
		if (rex)
			emit(in, EMU_REX | rex, 1);
		if (t->map)
			emit(in, 0x0f, 1);
		if (t->map == 0x38)
			emit(in, 0x38, 1);
	}
	do {
		in->bytes[in->len] = t->first + below(t->last - t->first + 1);
	} while (t->how & STRING && (in->bytes[in->len] & 0xfe) == 0xa8);
	in->len++;
}

static u8 pick_rex(const struct template *t, const struct address *a, u8 reg, u8 rm)
{
	u8 rex = below(3) ? 0 : EMU_REX_W;

	if (t->how & PLAIN)
		return rex | (below(4) ? 0 : EMU_REX_B);
	if (reg & 8)
		rex |= EMU_REX_R;
	if (a->kind == REGISTER)
		return rex | (rm & 8 ? EMU_REX_B : 0);
	if (a->kind == BASED)
		rex |= (a->base & 8 ? EMU_REX_B : 0) | (a->index & 8 ? EMU_REX_X : 0);
	return rex || below(4) ? rex : EMU_REX;
}

static void make_bytes(struct instance *in)
{
	const struct template *t = in->t;
	bool memory = !(t->how & PLAIN) && (t->how & (MEMORY | XMM) || below(5));
	bool addr32 = memory && !below(6);
	u8 segment = !addr32 && !below(6) ? 0x64 + below(2) : 0;
	u8 reg = t->sub < 0 ? below(t->first == 0x8c ? 8 : 16) : (u8)t->sub, rm = below(16);
	u64 base = segment == 0x64 ? fs_base : segment ? gs_base : 0;
	struct address a = { .kind = REGISTER };
	u64 at;

	pick_target(in);
	if (memory)
		a = pick_address(in, in->target - base, addr32);
	if (t->how & LOCKABLE && memory && below(2))
		emit(in, 0xf0, 1);
	if (segment)
		emit(in, segment, 1);
	if (addr32)
		emit(in, 0x67, 1);
	if (!(t->how & (NO66 | VEX)) && t->prefix != 0x66 && !below(4))
		emit(in, 0x66, 1);
	if (t->how & STRING && below(4))
		emit(in, 0xf2 + below(2), 1);
	emit_opcode(in, pick_rex(t, &a, reg, rm));
	if (!(t->how & PLAIN))
		emit_address(in, &a, reg, rm);
	emit(in, t->how & MOFFS ? in->target - base : value(), 8);	/* for the immediate */
	if (emu_decode(&in->insn, in->bytes, EMU_MAX_INSN, EMU_64)) {
		printf("# %s: does not decode\n", t->name);
		exit(1);
	}
	in->len = in->insn.len;
	at = (u64)code + in->len;
	if (a.kind == RIP_RELATIVE) {
		s32 disp = in->target - base - at;

		memcpy(in->bytes + in->disp_at, &disp, 4);
	}
	if (t->how & BRANCH && t->imm == 4) {
		s32 disp = (u64)LANDING - at;

		memcpy(in->bytes + in->len - 4, &disp, 4);
	}
	emu_decode(&in->insn, in->bytes, in->len, EMU_64);
}

/* Instances whose outcome is undefined, or slow (locks that cross a cache line), or elsewhere */
static bool to_be_avoided(const struct instance *in)
{
	const struct template *t = in->t;
	const struct emu_insn *insn = &in->insn;
	unsigned int count = t->how & CL_COUNT ? in->before.gpr[EMU_RCX] : insn->imm;
	bool locked = insn->prefixes & EMU_LOCK || (insn->opcode | 1) == 0x87;

	if (t->map == 0x0f && (t->first & 0xf6) == 0xa4)
		return insn->opsize == 2 && (count & 31) > 16;
	if (!insn->memory)
		return false;
	if (locked && (in->target % 64 > 48 || t->how & BITS))
		return true;
	if (t->how & BITS) {
		unsigned int unused = 64 - 8 * insn->opsize;
		s64 bit = (s64)(in->before.gpr[insn->reg] << unused) >> unused;

		return bit < -8000 || bit > 8000;
	}
	return false;
}

static void set_stack(struct instance *in)
{
	const struct template *t = in->t;
	u64 landing = (u64)LANDING, rsp = (u64)arena + 1024 + below(6000);

	if (!below(3))
		rsp = (u64)arena + 4096 - 8 + below(17);
	if (t->how & STACK) {
		in->before.gpr[EMU_RSP] = rsp;
		in->before.gpr[EMU_RBP] = (u64)arena + 1024 + below(6000);
		if (t->how & BRANCH)
			memcpy(in->memory + (rsp - (u64)arena), &landing, 8);
	}
	if (t->how & BRANCH && in->insn.memory)
		memcpy(in->memory + (in->target - (u64)arena), &landing, 8);
}

static u64 base_of(const struct emu_insn *insn)
{
	return insn->segment == EMU_FS ? fs_base : insn->segment == EMU_GS ? gs_base : 0;
}

static void set_string(struct instance *in)
{
	u64 *gpr = in->before.gpr;

	gpr[EMU_RSI] = (u64)arena + 3000 + below(1100) - base_of(&in->insn);
	gpr[EMU_RDI] = (u64)arena + 3000 + below(1100);
	gpr[EMU_RCX] = below(12);
	if (below(2))	/* so that comparisons go on for a while */
		memset(in->memory + 2900, gpr[EMU_RAX], 1100 + below(300));
	in->before.rflags |= below(2) ? DF : 0;
}

/* Registers and memory that make something happen */
static void tune_state(struct instance *in)
{
	const struct template *t = in->t;
	const struct emu_insn *insn = &in->insn;
	u64 *gpr = in->before.gpr;
	u8 *operand = in->memory + (in->target - (u64)arena);
	unsigned int kept = 0;		/* registers that make an address */

	if (insn->memory)
		kept = (insn->base < 16 ? 1 << insn->base : 0) |
		       (insn->index < 16 ? 1 << insn->index : 0);
	set_stack(in);
	if (t->how & STRING)
		set_string(in);
	if (t->how & BITS && insn->memory && !(kept >> insn->reg & 1))
		gpr[insn->reg] = (s64)below(16000) - 8000;
	if (t->how & ACC && insn->memory && below(2) && !(kept & 5)) {
		memcpy(&gpr[EMU_RAX], operand, 8);
		memcpy(&gpr[EMU_RDX], operand + (insn->opsize == 8 ? 8 : 4), 8);
	}
	if (t->how & SMALL && below(2)) {
		gpr[EMU_RDX] = below(2) ? (s64)below(3) - 1 : 0;
		if (insn->opsize == 1 && !(kept & 1))
			gpr[EMU_RAX] = (s64)below(600) - 300;
	}
	if (t->first == 0xd7)
		gpr[EMU_RBX] = in->target - base_of(insn) - (u8)gpr[EMU_RAX];
}

static u64 undefined_flags(const struct instance *in)
{
	const struct emu_insn *insn = &in->insn;
	unsigned int count;
	bool rotate;

	switch (in->t->undefined) {
	case LOGIC:
		return AF;
	case BIT:
		return OF | SF | AF | PF;
	case PRODUCT:
		return SF | ZF | AF | PF;
	case ALL:
		return ARITH;
	case SCAN:
		return ARITH & ~ZF;
	case COUNT:
		return ARITH & ~(ZF | CF);
	case NONE:
		return 0;
	case SHIFT:
		break;
	}
	count = in->t->how & CL_COUNT ? in->before.gpr[EMU_RCX] : in->t->imm ? insn->imm : 1;
	count &= insn->opsize == 8 ? 63 : 31;
	rotate = !in->t->map && (insn->reg & 7) < 4;
	if (!count)
		return 0;
	return (rotate ? 0 : AF) | (count == 1 ? 0 : OF) |
	       (!rotate && count >= 8u * insn->opsize ? CF : 0);
}

static bool differ(const struct instance *in, const char *what, unsigned int i, u64 native,
		   u64 ours)
{
	unsigned int n;

	printf("# %s, world %d: %s %u: processor %#llx, executor %#llx:", in->t->name, world, what,
	       i, (unsigned long long)native, (unsigned long long)ours);
	for (n = 0; n < in->len; n++)
		printf(" %02x", in->bytes[n]);
	printf("\n");
	return false;
}

static bool same(const struct instance *in, const struct machine *native,
		 const struct machine *ours)
{
	u64 mask = (ARITH & ~undefined_flags(in)) | DF | 0x10202;
	unsigned int i;

	for (i = 0; i < 16; i++)
		if (native->gpr[i] != ours->gpr[i])
			return differ(in, "register", i, native->gpr[i], ours->gpr[i]);
	if ((native->rflags ^ ours->rflags) & mask)
		return differ(in, "flags", 0, native->rflags & mask, ours->rflags & mask);
	for (i = 0; memcmp(arena, shadow, ARENA_BYTES) && i < ARENA_BYTES; i++)
		if (arena[i] != shadow[i])
			return differ(in, "memory", i, arena[i], shadow[i]);
	for (i = 0; memcmp(native->vec, ours->vec, sizeof(ours->vec)); i++)
		if (((const u8 *)native->vec)[i] != ((const u8 *)ours->vec)[i])
			return differ(in, "vector byte", i, ((const u8 *)native->vec)[i],
				      ((const u8 *)ours->vec)[i]);
	return true;
}

/* A fault changes nothing */
static bool unchanged(const struct instance *in, const struct machine *ours)
{
	if (memcmp(ours, &in->before, sizeof(*ours)) || memcmp(shadow, in->memory, ARENA_BYTES))
		return differ(in, "state after a fault", 0, 0, 0);
	return true;
}

static bool one_instance(const struct template *t, unsigned int *done)
{
	struct instance in = { .t = t };
	static struct machine native, ours;
	u64 rip = 0, expected;
	int vector, ours_vector;

	make_state(&in);
	make_bytes(&in);
	tune_state(&in);
	if (to_be_avoided(&in))
		return true;
	memcpy(code, in.bytes, in.len);
	memcpy(arena, in.memory, ARENA_BYTES);
	native = in.before;
	vector = run_native(&native, in.len);
	expected = (u64)(t->how & BRANCH ? LANDING : code + in.len);
	for (world = 0; world < WORLDS; world++) {
		ours = in.before;
		memcpy(shadow, in.memory, ARENA_BYTES);
		ours_vector = run_emulated(&ours, &in.insn, &rip);
		if (ours_vector != vector)
			return differ(&in, "vector", 0, vector, ours_vector);
		if (vector >= 0) {
			if (!unchanged(&in, &ours))
				return false;
			continue;
		}
		if (rip != expected)
			return differ(&in, "RIP", 0, expected, rip);
		if (!same(&in, &native, &ours))
			return false;
	}
	(*done)++;
	return true;
}

static void set_up(void)
{
	struct sigaction action = {
		.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	static u8 signal_stack[1 << 16];
	unsigned int eax, ebx, ecx, edx;
	stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
	u8 *low = mmap(NULL, ARENA_BYTES + 3 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (low == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	code = low;
	arena = low + 2 * 4096;
	put_way_back(LANDING);
	sigaltstack(&stack, NULL);
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_base);
	syscall(SYS_arch_prctl, ARCH_SET_GS, gs_base);
	native_avx = !!__builtin_cpu_supports("avx2");
	has_tzcnt = __builtin_cpu_supports("bmi");
	__cpuid(0x80000001, eax, ebx, ecx, edx);
	has_lzcnt = ecx & bit_LZCNT;
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? atoi(argv[1]) : 300;
	unsigned int i, n, done, passed = 0, failed = 0;

	setlinebuf(stdout);
	set_up();
	for (i = 0; i < ARRAY_SIZE(templates); i++) {
		bool good = true;

		if (templates[i].how & VEX && !native_avx)
			continue;
		for (n = 0, done = 0; n < rounds && good; n++)
			good = one_instance(&templates[i], &done);
		if (good && done < rounds / 8) {
			printf("# %s: only %u instances\n", templates[i].name, done);
			good = false;
		}
		*(good ? &passed : &failed) += 1;
	}
	printf("%s executor against the processor (" COMPILER "): %u passed, %u failed\n",
	       failed ? "not ok" : "ok", passed, failed);
	return failed != 0;
}
