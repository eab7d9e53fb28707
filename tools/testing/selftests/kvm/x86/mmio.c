// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions on memory that is not there.  The host plays the memory, and
 * the guest must end as it does with the same instruction on real memory:
 * same registers, same flags, same bytes in both places.
 *
 * RDI points to the device, RSI to memory, in the first and the second run;
 * the device holds the same bytes as the memory that it stands for.
 */
#include "kvm_test.h"

#define DEVICE_SIZE	0x2000
#define SOURCE		(DATA + 0x8000)
#define FLAGS_CHECKED	0x8d5ULL	/* OF SF ZF AF PF CF */

VM_FIXTURE(mmio)

struct outcome {
	struct kvm_regs regs;
	uint8_t device[DEVICE_SIZE];
	uint8_t source[0x1000];
	uint8_t xmm[4][16];
	unsigned int exits;
};

/* RCX, RSI and RDI are what string instructions count with. */
static void start(struct vm *vm, uint64_t code, uint64_t device)
{
	struct kvm_regs regs = {
		.rax = 0x1122334455667788, .rbx = 0x99aabbccddeeff00, .rcx = 5,
		.rdx = 0x0102030405060708, .rsi = SOURCE, .rdi = device + 0x100,
		.r8 = 0xfedcba9876543210, .r9 = 3, .rsp = STACK_TOP,
		.rip = code, .rflags = RFLAGS_FIXED,
	};

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_SET_REGS, &regs);
}

static void fill(uint8_t *bytes, size_t size, unsigned int salt)
{
	size_t i;

	for (i = 0; i < size; i++)
		bytes[i] = (i + salt) * 37 + (i >> 8);
}

static void serve(struct kvm_run *run, uint8_t *device)
{
	uint64_t offset = run->mmio.phys_addr - MMIO;

	if (run->mmio.is_write)
		memcpy(device + offset, run->mmio.data, run->mmio.len);
	else
		memcpy(run->mmio.data, device + offset, run->mmio.len);
}

/* Runs to PORT_DONE; false when something else happened. */
static bool run_device(struct vm *vm, struct outcome *out)
{
	struct kvm_run *run = vm->run;

	for (;;) {
		int reason = vm_run(vm);

		if (reason == KVM_EXIT_IO)
			return run->io.port == PORT_DONE;
		if (reason != KVM_EXIT_MMIO || run->mmio.len > 8 ||
		    run->mmio.phys_addr < MMIO ||
		    run->mmio.phys_addr + run->mmio.len > MMIO + DEVICE_SIZE ||
		    out->exits > 200)
			return false;
		out->exits++;
		serve(run, out->device);
	}
}

/* Flags are pushed by the guest: an OUT exit does not change them. */
static bool finish(struct vm *vm, struct outcome *out, uint64_t device)
{
	struct kvm_fpu fpu;

	if (!run_device(vm, out))
		return false;
	vcpu_ioctl(vm, KVM_GET_REGS, &out->regs);
	vcpu_ioctl(vm, KVM_GET_FPU, &fpu);
	memcpy(out->xmm, fpu.xmm, sizeof(out->xmm));
	memcpy(out->source, vm->mem + SOURCE, sizeof(out->source));
	if (device != MMIO)
		memcpy(out->device, vm->mem + device, DEVICE_SIZE);
	out->regs.rflags &= FLAGS_CHECKED;
	out->regs.rdi -= device;
	return true;
}

static bool perform(struct vm *vm, uint64_t code, uint64_t device, struct outcome *out)
{
	struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };

	out->exits = 0;
	fill(out->device, DEVICE_SIZE, 3);
	fill(vm->mem + DATA, DEVICE_SIZE, 3);
	fill(vm->mem + SOURCE, 0x1000, 11);
	fill(fpu.xmm[0], sizeof(fpu.xmm), 17);
	vcpu_ioctl(vm, KVM_SET_FPU, &fpu);
	start(vm, code, device);
	return finish(vm, out, device);
}

static void compare(struct __test_metadata *_metadata, struct vm *vm, uint64_t code)
{
	static struct outcome memory, device;

	log_clear(vm);
	ASSERT_TRUE(perform(vm, code, DATA, &memory)) {
		TH_LOG("on memory: %s; %s", vm_why(vm), log_text(vm));
	}
	ASSERT_EQ(0U, memory.exits);
	ASSERT_TRUE(perform(vm, code, MMIO, &device)) {
		TH_LOG("on the device: %s; %s", vm_why(vm), log_text(vm));
	}
	EXPECT_NE(0U, device.exits);
	EXPECT_EQ(0U, log_count(vm));
	EXPECT_EQ(memory.regs.rax, device.regs.rax);
	EXPECT_EQ(memory.regs.rbx, device.regs.rbx);
	EXPECT_EQ(memory.regs.rcx, device.regs.rcx);
	EXPECT_EQ(memory.regs.rdx, device.regs.rdx);
	EXPECT_EQ(memory.regs.rsi, device.regs.rsi);
	EXPECT_EQ(memory.regs.rdi, device.regs.rdi);
	EXPECT_EQ(memory.regs.rsp, device.regs.rsp);
	EXPECT_EQ(memory.regs.r8, device.regs.r8);
	EXPECT_EQ(memory.regs.r9, device.regs.r9);
	EXPECT_EQ(memory.regs.rflags, device.regs.rflags);
	EXPECT_EQ(0, memcmp(memory.device, device.device, DEVICE_SIZE));
	EXPECT_EQ(0, memcmp(memory.source, device.source, sizeof(device.source)));
	EXPECT_EQ(0, memcmp(memory.xmm, device.xmm, sizeof(device.xmm)));
}

#define CASE(name, text)						\
	GUEST(mmio_code_##name, text "\njmp rt_done");			\
	TEST_F(mmio, name)						\
	{								\
		compare(_metadata, self->vm, GA(mmio_code_##name));	\
	}

/* Four widths of an instruction with a register and memory, either way. */
#define CASE_TO_MEM(op)							\
	CASE(op##_to_memory,						\
	     #op "b %al, (%rdi)\n" #op "w %bx, 2(%rdi)\n"		\
	     #op "l %edx, 4(%rdi)\n" #op "q %r8, 8(%rdi)")
#define CASE_FROM_MEM(op)						\
	CASE(op##_from_memory,						\
	     #op "b (%rdi), %al\n" #op "w 2(%rdi), %bx\n"		\
	     #op "l 4(%rdi), %edx\n" #op "q 8(%rdi), %r8")
#define CASE_IMM(op)							\
	CASE(op##_immediate,						\
	     #op "b $0x5a, (%rdi)\n" #op "w $0x1234, 2(%rdi)\n"		\
	     #op "l $0x7fffffff, 4(%rdi)\n" #op "q $-7, 8(%rdi)")
#define CASE_UNARY(op)							\
	CASE(op##_memory,						\
	     #op "b (%rdi)\n" #op "w 2(%rdi)\n" #op "l 4(%rdi)\n" #op "q 8(%rdi)")

CASE_TO_MEM(mov)
CASE_FROM_MEM(mov)
CASE_IMM(mov)
CASE(mov_high_byte, "mov %ah, 1(%rdi)\nmov 3(%rdi), %bh")
CASE(mov_rip_relative_address, "mov %rax, 0x40(%rdi, %r9, 8)\nmov -8(%rdi, %r9, 4), %ebx")
CASE(mov_absolute,
	"cmp $" STR(MMIO) ", %rdi\njb 1f\n"
	"movabs " STR(MMIO) " + 0x180, %al\nmovabs %eax, " STR(MMIO) " + 0x190\njmp 2f\n"
	"1: movabs " STR(DATA) " + 0x180, %al\nmovabs %eax, " STR(DATA) " + 0x190\n"
	"2: cmp %eax, %eax")
CASE(movzx, "movzbl (%rdi), %eax\nmovzwl 2(%rdi), %ebx\nmovzbw 4(%rdi), %dx\nmovzwq 6(%rdi), %r8")
CASE(movsx,
	"movsbl (%rdi), %eax\nmovswl 2(%rdi), %ebx\nmovsbq 4(%rdi), %rdx\nmovslq 8(%rdi), %r8")
CASE_TO_MEM(add)
CASE_FROM_MEM(add)
CASE_IMM(add)
CASE_TO_MEM(adc)
CASE_TO_MEM(sub)
CASE_FROM_MEM(sub)
CASE_IMM(sub)
CASE_TO_MEM(sbb)
CASE_TO_MEM(and)
CASE_FROM_MEM(and)
CASE_IMM(and)
CASE_TO_MEM(or)
CASE_FROM_MEM(or)
CASE_IMM(or)
CASE_TO_MEM(xor)
CASE_FROM_MEM(xor)
CASE_IMM(xor)
CASE_TO_MEM(cmp)
CASE_FROM_MEM(cmp)
CASE_IMM(cmp)
CASE_TO_MEM(test)
CASE_IMM(test)
CASE_UNARY(inc)
CASE_UNARY(dec)
CASE_UNARY(not)
CASE_UNARY(neg)
CASE(xchg, "xchg %al, (%rdi)\nxchg %bx, 2(%rdi)\nxchg %edx, 4(%rdi)\nxchg %r8, 8(%rdi)")
CASE(xadd, "lock xadd %al, (%rdi)\nlock xadd %bx, 2(%rdi)\nlock xadd %edx, 4(%rdi)\n"
	   "lock xadd %r8, 8(%rdi)")
CASE(locked, "lock addl $5, (%rdi)\nlock orb $0x81, 4(%rdi)\nlock andl $0xff, 8(%rdi)\n"
	     "lock incl 12(%rdi)\nlock xorq %r8, 16(%rdi)")
CASE(cmpxchg_fails, "lock cmpxchg %ebx, (%rdi)\nmov %rax, %rdx\nlock cmpxchg %rbx, 8(%rdi)")
CASE(cmpxchg_succeeds, "mov (%rdi), %eax\nlock cmpxchg %ebx, (%rdi)\nmov 8(%rdi), %rax\n"
		       "lock cmpxchg %rbx, 8(%rdi)")
CASE(bit_test, "btl $3, (%rdi)\nbtsl $5, 4(%rdi)\nbtrl $6, 8(%rdi)\nbtcl $7, 12(%rdi)")
CASE(bit_test_register, "mov $37, %ebx\nbtl %ebx, (%rdi)\nlock btsl %ebx, 4(%rdi)\n"
			"btrl %ebx, 8(%rdi)\nmov $-3, %ebx\nbtcl %ebx, 12(%rdi)")
CASE(shift, "shll $3, (%rdi)\nshrl $5, 4(%rdi)\nsarl $2, 8(%rdi)\nrolb $1, 12(%rdi)\n"
	    "rorw $7, 14(%rdi)\nshlq %cl, 16(%rdi)")
CASE(push_and_pop, "push (%rdi)\npop %rax\npush %rbx\npop 8(%rdi)")
CASE(multiply, "mull (%rdi)\ncmp %eax, %eax\nimul 4(%rdi), %ebx\ncmp %eax, %eax")
CASE(setcc_and_cmov, "cmp $1, %rcx\nsetb (%rdi)\nseta 1(%rdi)\n"
		     "cmova 4(%rdi), %ebx\ncmovb 8(%rdi), %rdx")
CASE(stos, "rep stosb\nmov $5, %ecx\nrep stosw\nmov $5, %ecx\nrep stosl\nmov $5, %ecx\nrep stosq\n"
	   "stosb")
CASE(stos_downwards, "std\nrep stosl\ncld")
CASE(movs_to_device, "rep movsb\nmov $5, %ecx\nrep movsw\nmov $5, %ecx\nrep movsl\n"
		     "mov $5, %ecx\nrep movsq\nmovsb")
CASE(movs_from_device, "xchg %rsi, %rdi\nrep movsb\nmov $5, %ecx\nrep movsw\nmov $5, %ecx\n"
		       "rep movsl\nmov $5, %ecx\nrep movsq\nxchg %rsi, %rdi")
CASE(movs_within_device, "lea 0x80(%rdi), %rbx\nxchg %rsi, %rbx\nrep movsl\nmov %rbx, %rsi\n"
			 "xor %ebx, %ebx")
CASE(movs_nothing, "xor %ecx, %ecx\nrep movsb\nmovb $1, (%rdi)")
CASE(lods, "xchg %rsi, %rdi\nlodsb\nlodsw\nlodsl\nlodsq\nxchg %rsi, %rdi")
CASE(scas, "mov 3(%rdi), %al\nrepne scasb\nmov $5, %ecx\nrepe scasl")
CASE(cmps, "mov $5, %ecx\nrepne cmpsb\nmov $5, %ecx\nrepe cmpsw")
CASE(unaligned, "mov %rax, 1(%rdi)\nmov 3(%rdi), %ebx\nadd %dx, 13(%rdi)")
CASE(across_pages, "mov %rax, 0xefc(%rdi)\nmov 0xefa(%rdi), %rbx\nmov %dx, 0xeff(%rdi)\n"
		   "mov 0xefe(%rdi), %r8d")
CASE(movups, "movups %xmm0, (%rdi)\nmovups 0x20(%rdi), %xmm1")
CASE(movaps, "movaps %xmm0, (%rdi)\nmovaps 0x20(%rdi), %xmm1")
CASE(movdqu, "movdqu %xmm2, 1(%rdi)\nmovdqu 0x21(%rdi), %xmm3")
CASE(movdqa, "movdqa %xmm2, (%rdi)\nmovdqa 0x20(%rdi), %xmm3")
CASE(compatible_prefixes, ".byte 0x3e\nmov %al, (%rdi)\n.byte 0x48\nmov %ebx, 8(%rdi)\n"
			  "mov %eax, 16(%edi)")

GUEST(code_widths,
	"mov $" STR(MMIO) ", %edi\n"
	"mov %al, (%rdi)\n"
	"mov %ax, 2(%rdi)\n"
	"mov %eax, 4(%rdi)\n"
	"mov %rax, 8(%rdi)\n"
	"mov (%rdi), %al\n"
	"mov 2(%rdi), %ax\n"
	"mov 4(%rdi), %eax\n"
	"mov 8(%rdi), %rax\n"
	"jmp rt_done");

/* One exit for each, of the access's own width, at its own address. */
TEST_F(mmio, every_width_is_one_exit)
{
	struct kvm_run *run = self->vm->run;
	unsigned int i;

	vm_start(self->vm, GA(code_widths), 0);
	for (i = 0; i < 8; i++) {
		unsigned int width = 1 << i % 4;

		ASSERT_EQ(KVM_EXIT_MMIO, vm_run(self->vm)) {
			TH_LOG("%s", vm_why(self->vm));
		}
		EXPECT_EQ(i < 4, run->mmio.is_write);
		EXPECT_EQ(width, run->mmio.len);
		EXPECT_EQ(MMIO + (width == 1 ? 0 : width), run->mmio.phys_addr);
	}
	ASSERT_SETTLED(self->vm);
}

GUEST(code_rmw,
	"mov $" STR(MMIO) ", %edi\n"
	"mov $5, %eax\n"
	"lock add %eax, (%rdi)\n"
	"code_rmw_after:\n"
	"jmp rt_done");
LABEL(code_rmw_after);

/* c102: saved at either exit, the operation is done exactly once. */
TEST_F(mmio, c102_add_moved_after_completion)
{
	struct kvm_run *run = self->vm->run;
	uint32_t value = 0x1000;

	vm_start(self->vm, GA(code_rmw), 0);
	ASSERT_EQ(KVM_EXIT_MMIO, vm_run(self->vm));
	ASSERT_EQ(0, run->mmio.is_write);
	memcpy(run->mmio.data, &value, 4);
	ASSERT_EQ(KVM_EXIT_MMIO, vm_run(self->vm));
	ASSERT_EQ(1, run->mmio.is_write);
	memcpy(&value, run->mmio.data, 4);
	EXPECT_EQ(0x1005U, value);
	ASSERT_EQ(0, vm_complete(self->vm));
	EXPECT_EQ(GA(code_rmw_after), vm_rip(self->vm));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_SETTLED(self->vm);
}

GUEST(code_long_store,
	"movups " STR(DATA) ", %xmm0\n"
	"mov $" STR(MMIO) " + 5, %edi\n"
	"movups %xmm0, (%rdi)\n"
	"jmp rt_done");

/* c101: moved at each fragment, not completed: bytes may come again, and none is missing. */
TEST_F(mmio, c101_store_moved_at_every_fragment)
{
	static uint8_t device[DEVICE_SIZE];
	unsigned int exits = 0;

	memset(device, 0, sizeof(device));
	memcpy(self->vm->mem + DATA, "abcdefghijklmnop", 16);
	vm_start(self->vm, GA(code_long_store), 0);
	while (vm_run(self->vm) == KVM_EXIT_MMIO && exits < 2) {
		serve(self->vm->run, device);
		ASSERT_EQ(0, vm_move(self->vm));
		exits++;
	}
	/* from here on it may finish what it began */
	while (self->vm->run->exit_reason == KVM_EXIT_MMIO && exits++ < 10) {
		serve(self->vm->run, device);
		vm_run(self->vm);
	}
	EXPECT_EQ((unsigned int)KVM_EXIT_IO, self->vm->run->exit_reason);
	EXPECT_EQ(0, memcmp(device + 5, "abcdefghijklmnop", 16));
}

/* c103: with immediate_exit nothing beyond the instruction is executed. */
TEST_F(mmio, c103_immediate_exit_finishes_the_instruction)
{
	struct kvm_run *run = self->vm->run;
	unsigned int entries = 0;
	int reason;

	vm_start(self->vm, GA(code_rmw), 0);
	ASSERT_EQ(KVM_EXIT_MMIO, vm_run(self->vm));
	run->immediate_exit = 1;
	do {
		reason = vm_run(self->vm);
		entries++;
	} while (reason == KVM_EXIT_MMIO && entries < 5);
	run->immediate_exit = 0;
	EXPECT_EQ(-EINTR, reason);
	EXPECT_GE(2U, entries);
	EXPECT_EQ(GA(code_rmw_after), vm_rip(self->vm));
	ASSERT_SETTLED(self->vm);
}

/* As in pio.c: a load, and with the page's new entry a read-modify-write. */
GUEST(code_exchanged,
	"mov %rsi, (%rdi)\n"
	"code_exchanged_load:\n"
	".byte 0x8a, 0x03\n"		/* mov (%rbx), %al */
	"jmp rt_done");
LABEL(code_exchanged_load);

#define ADD_RBX	"\x00\x03"		/* add %al, (%rbx) */

/* The device's page is read-only: a walk for a load says nothing of a store. */
TEST_F(mmio, not_writable_by_exchange)
{
	struct kvm_run *run = self->vm->run;
	unsigned int stores = 0;

	((uint64_t *)(self->vm->mem + PD))[MMIO >> 21] &= ~2ULL;
	handler_skip(self->vm, 14, 2);
	ASSERT_EQ(0, vm_start_exchange(self->vm, GA(code_exchanged),
				       GA(code_exchanged_load), ADD_RBX));
	while (vm_run(self->vm) == KVM_EXIT_MMIO)
		stores += run->mmio.is_write;
	EXPECT_EQ(0, stores);
	EXPECT_EQ(KVM_EXIT_IO, run->exit_reason);
	EXPECT_EQ(PORT_DONE, run->io.port) {
		TH_LOG("%s; %s", vm_why(self->vm), log_text(self->vm));
	}
}

TEST_HARNESS_MAIN
