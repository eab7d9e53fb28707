/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * enter.S - into the guest and back (APM vol. 2, 15.5 and 15.6).
 *
 * VMRUN switches RAX, RSP, RIP, RFLAGS, control and segment registers by
 * itself; VMLOAD and VMSAVE do FS, GS, TR, LDTR and the SYSCALL and SYSENTER
 * MSRs; the other general registers are moved here.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/frame.h>
#include <asm/nospec-branch.h>

#define GPR(index)	((index) * 8)
#define RCX_AT		GPR(1)
#define RDX_AT		GPR(2)
#define RBX_AT		GPR(3)
#define RBP_AT		GPR(5)
#define RSI_AT		GPR(6)
#define RDI_AT		GPR(7)

.section .noinstr.text, "ax"

/*
 * void svm_switch(unsigned long vmcb_pa, u64 *gpr, unsigned long host_block_pa)
 *
 * GIF is 0, RFLAGS.IF is 0 on entry and on return.  IF is set for VMRUN only:
 * the processor takes it as the mask of physical interrupts while the guest
 * runs (APM vol. 2, 15.21.1), and with GIF 0 nothing can come in between.
 */
SYM_FUNC_START(svm_switch)
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdx			/* 8(%rsp): host block */
	push	%rsi			/* 0(%rsp): registers */

	mov	%rdi, %rax
	mov	%rsi, %rdi
	vmload	%rax
	mov	RCX_AT(%rdi), %rcx
	mov	RDX_AT(%rdi), %rdx
	mov	RBX_AT(%rdi), %rbx
	mov	RBP_AT(%rdi), %rbp
	mov	RSI_AT(%rdi), %rsi
	mov	GPR(8)(%rdi), %r8
	mov	GPR(9)(%rdi), %r9
	mov	GPR(10)(%rdi), %r10
	mov	GPR(11)(%rdi), %r11
	mov	GPR(12)(%rdi), %r12
	mov	GPR(13)(%rdi), %r13
	mov	GPR(14)(%rdi), %r14
	mov	GPR(15)(%rdi), %r15
	mov	RDI_AT(%rdi), %rdi
	VM_CLEAR_CPU_BUFFERS

	sti
	nop				/* STI has a shadow; it is not to be the guest's */
	vmrun	%rax
	cli
	vmsave	%rax

	mov	(%rsp), %rax
	mov	%rcx, RCX_AT(%rax)
	mov	%rdx, RDX_AT(%rax)
	mov	%rbx, RBX_AT(%rax)
	mov	%rbp, RBP_AT(%rax)
	mov	%rsi, RSI_AT(%rax)
	mov	%rdi, RDI_AT(%rax)
	mov	%r8, GPR(8)(%rax)
	mov	%r9, GPR(9)(%rax)
	mov	%r10, GPR(10)(%rax)
	mov	%r11, GPR(11)(%rax)
	mov	%r12, GPR(12)(%rax)
	mov	%r13, GPR(13)(%rax)
	mov	%r14, GPR(14)(%rax)
	mov	%r15, GPR(15)(%rax)
	mov	8(%rsp), %rax
	vmload	%rax

	/* The guest has trained the return predictor: before the first RET, make it ours. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RETPOLINE
	/* Nothing of the guest's is to be speculated on. */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
	UNTRAIN_RET
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT

	add	$16, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	RET
SYM_FUNC_END(svm_switch)
