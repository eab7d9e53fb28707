/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Code of the guest in other modes than its own: what an SMI enters, and what a SIPI starts.
 *
 * The guest copies the first to SMM_CODE.  Registers are RSM's to bring back: none has to be kept.
 * The second begins in real mode, goes to 64-bit mode at once, and returns from start_over(),
 * which asked for it.  Next: chips.c.
 */
#include "guest.h"

#define CR0_PE_MP_ET_NE_WP_PG	0x80010033
#define CR4_PAE_OSFXSR_OSXMM	0x620
#define MSR_EFER		0xc0000080
#define EFER_LME_NXE		0x900
#define ICR_INIT		0x4500
#define ICR_SIPI		0x4600

/* struct smm_words of chips.c */
#define SMIS			0
#define START_VECTOR		4

	.text
	.code16
	.globl	smm_code, smm_code_end
smm_code:
	movl	$smm_words, %ebx
	incl	SMIS(%ebx)
	movl	START_VECTOR(%ebx), %eax
	testl	%eax, %eax
	jz	1f
	movl	$0, START_VECTOR(%ebx)
	movl	$APIC_BASE, %esi
	movl	$0, 0x310(%esi)
	movl	$ICR_INIT, 0x300(%esi)
	orl	$ICR_SIPI, %eax
	movl	%eax, 0x300(%esi)
1:	movl	SMIS(%ebx), %eax
	movw	$PORT_SMI, %dx
	outl	%eax, %dx
	movw	$200, %cx
2:	pause
	loop	2b
	rsm
smm_code_end:

	.section .modes, "ax"
	.balign	4096
	.globl	start_page
start_page:
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	start_gdt - start_page
	movl	$CR4_PAE_OSFXSR_OSXMM, %eax
	movl	%eax, %cr4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	movl	$EFER_LME_NXE, %eax
	xorl	%edx, %edx
	wrmsr
	movl	$CR0_PE_MP_ET_NE_WP_PG, %eax
	movl	%eax, %cr0
	ljmpl	$SEL_CODE, $started
start_gdt:
	.word	SEL_TSS + 16 - 1
	.long	gdt

	.code64
	.text
started:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	started_rsp(%rip), %rsp
	incq	starts(%rip)
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/* void start_over(uint32_t in_smm): asks until it is granted; what is under way comes first. */
	.globl	start_over
start_over:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, started_rsp(%rip)
	mov	%edi, %eax
	mov	$PORT_START, %edx
1:	outl	%eax, %dx
	pause
	jmp	1b

	.bss
	.balign	8
	.globl	starts
starts:	.skip	8
started_rsp:
	.skip	8

	.section .note.GNU-stack, "", @progbits
