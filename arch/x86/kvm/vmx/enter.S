/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * enter.S - into the guest and back (SDM vol. 3, 26.2 and 27.5).
 *
 * The VMCS switches RSP, RIP, RFLAGS, control and segment registers; the other
 * general registers are moved here.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/nospec-branch.h>

#define GPR(index)	((index) * 8)
#define RAX_AT		GPR(0)
#define RCX_AT		GPR(1)
#define RDX_AT		GPR(2)
#define RBX_AT		GPR(3)
#define RBP_AT		GPR(5)
#define RSI_AT		GPR(6)
#define RDI_AT		GPR(7)

#define HOST_RSP	0x6c14		/* VMCS field */

.section .noinstr.text, "ax"

/*
 * int vmx_switch(u64 *gpr, unsigned long *host_rsp, bool launched)
 *
 * @host_rsp: what the VMCS has as the host's RSP.  Interrupts are off.
 */
SYM_FUNC_START(vmx_switch)
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi			/* 0(%rsp): registers */

	cmp	%rsp, (%rsi)
	je	1f
	mov	%rsp, (%rsi)
	mov	$HOST_RSP, %eax
	vmwrite	%rsp, %rax
1:
	bt	$0, %edx		/* CF stays: neither MOV nor VERW changes it */
	mov	%rdi, %rax
	mov	RCX_AT(%rax), %rcx
	mov	RDX_AT(%rax), %rdx
	mov	RBX_AT(%rax), %rbx
	mov	RBP_AT(%rax), %rbp
	mov	RSI_AT(%rax), %rsi
	mov	RDI_AT(%rax), %rdi
	mov	GPR(8)(%rax), %r8
	mov	GPR(9)(%rax), %r9
	mov	GPR(10)(%rax), %r10
	mov	GPR(11)(%rax), %r11
	mov	GPR(12)(%rax), %r12
	mov	GPR(13)(%rax), %r13
	mov	GPR(14)(%rax), %r14
	mov	GPR(15)(%rax), %r15
	mov	RAX_AT(%rax), %rax
	CLEAR_CPU_BUFFERS

	jnc	3f
2:	vmresume
	jmp	.Lfailed
3:	vmlaunch
	jbe	.Lfailed		/* always, if it comes here */

/* The VMCS names this as the host's RIP. */
SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	push	%rax
	mov	8(%rsp), %rax
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
	pop	RAX_AT(%rax)

	/* The guest has trained the return predictor: before the first RET, make it ours. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT,\
			   X86_FEATURE_RSB_VMEXIT_LITE
	/* Where the kernel runs with IBRS, that counts from a write behind the exit on. */
	ALTERNATIVE "jmp .Lno_ibrs", "", X86_FEATURE_KERNEL_IBRS
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %eax
	mov	PER_CPU_VAR(x86_spec_ctrl_current + 4), %edx
	wrmsr
.Lno_ibrs:
	CLEAR_BRANCH_HISTORY_VMEXIT
	xor	%eax, %eax
.Lclean:
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

	add	$8, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	RET

.Lfailed:
	mov	$1, %eax
	jmp	.Lclean

	_ASM_EXTABLE(2b, .Lfailed)
	_ASM_EXTABLE(3b, .Lfailed)
SYM_FUNC_END(vmx_switch)
