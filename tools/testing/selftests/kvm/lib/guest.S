/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.S - the handlers that every test's guest has: 256 stubs, and the one
 * routine behind them, which writes down what the processor pushed.
 *
 * It lies in the section "guest" together with the guest code of the tests;
 * the host copies the whole section to CODE.  It must not trust anything that
 * a broken hypervisor may get wrong, so whether there is an error code is read
 * from the alignment of the stack, not from the vector: in 64-bit mode the
 * frame starts at a multiple of 16 and has five words, or six with the code.
 *
 * After the entry is written, CTRL_SKIP[vector] is added to the RIP to return
 * to, and CTRL_HOOK[vector], if not 0, is called with RBX pointing to the
 * frame; it may use RAX, RCX and RDX.  See struct record in kvm_test.h.
 */
#include "layout.h"

	.section guest, "a", @progbits
	.code64
	.globl rt_stubs
	.p2align 4
rt_stubs:
	vector = 0
	.rept 256
	.p2align 4
	.byte 0x68
	.long vector
	jmp rt_common
	vector = vector + 1
	.endr

	.globl rt_common
rt_common:
	push %rax
	push %rbx
	push %rcx
	push %rdx
	lea 40(%rsp), %rbx

	mov $1, %eax
	lock xadd %eax, CTRL_COUNT
	cmp $LOG_ENTRIES, %eax
	jae rt_full
	mov %eax, %edx
	shl $LOG_SHIFT, %edx
	add $LOG, %edx

	mov %rax, 88(%rdx)
	mov %rbx, 80(%rdx)
	mov 32(%rsp), %rcx
	mov %rcx, (%rdx)

	xor %ecx, %ecx
	test $8, %bl
	sete %cl
	mov %rcx, 8(%rdx)
	movq $0, 16(%rdx)
	jne rt_frame
	mov (%rbx), %rcx
	mov %rcx, 16(%rdx)
	add $8, %rbx
rt_frame:
	mov (%rbx), %rcx
	mov %rcx, 24(%rdx)
	mov 8(%rbx), %rcx
	mov %rcx, 32(%rdx)
	mov 16(%rbx), %rcx
	mov %rcx, 40(%rdx)
	mov 24(%rbx), %rcx
	mov %rcx, 48(%rdx)
	mov 32(%rbx), %rcx
	mov %rcx, 56(%rdx)
	mov %cr2, %rcx
	mov %rcx, 64(%rdx)
	mov %dr6, %rcx
	mov %rcx, 72(%rdx)

	mov 32(%rsp), %rcx
	movzbl CTRL_SKIP(%rcx), %eax
	add %rax, (%rbx)
	mov CTRL_HOOK(, %rcx, 8), %rax
	test %rax, %rax
	jz rt_return
	call *%rax
rt_return:
	/* The vector's slot takes the frame's address, for the last pop. */
	mov %rbx, 32(%rsp)
	pop %rdx
	pop %rcx
	pop %rbx
	pop %rax
	pop %rsp
	iretq

rt_full:
	out %al, $PORT_PANIC
	jmp rt_full

/* The guest that only says it is there: where most events are taken. */
	.globl rt_done
rt_done:
	out %al, $PORT_DONE
	jmp rt_done

	.section .note.GNU-stack, "", @progbits
