/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * script.S - the guest that works through a script (machine.h), and handlers
 * that count.
 *
 * R15 points to the step, R14 to the vCPU's counts, one word for each vector.
 * A handler counts its vector, writes it down in the order of all, and ends the
 * service as the word at EOI_BY says.  One that begins where the same vector's
 * handler was about to begin, with interrupts off, is a delivery that came twice:
 * no interrupt, counted in TWICE alone.  QEMU's TCG does that at times, when it is
 * interrupted itself right behind a VMRUN that injects.  And one that comes between
 * STI and HLT, counted in EARLY, returns behind the HLT, as if it had come in its
 * turn: TCG forgets the shadow of STI at an exit, and the HLT would wait for an
 * interrupt that has been.  Elsewhere machine_end() takes neither for granted.
 */
#include "layout.h"

	.section guest, "a", @progbits
	.code64
	.globl script_run
	.p2align 4
script_run:
	mov (%r15), %rax
	mov 8(%r15), %rcx
	mov 16(%r15), %rdx
	lea script_ops(%rip), %rbx
	movslq (%rbx, %rax, 4), %rax
	add %rbx, %rax
	jmp *%rax

	.p2align 2
script_ops:
	.long op_done - script_ops
	.long op_write - script_ops
	.long op_read - script_ops
	.long op_wrmsr - script_ops
	.long op_rdmsr - script_ops
	.long op_halt - script_ops
	.long op_open - script_ops
	.long op_set_cr8 - script_ops
	.long op_get_cr8 - script_ops
	.long op_out - script_ops
	.long op_in - script_ops
	.long op_spin - script_ops
	.long op_halt_until - script_ops
	.long op_inc - script_ops
	.long op_loop - script_ops
	.long op_store - script_ops
	.long op_wait - script_ops
	.long op_tsc_msr - script_ops
	.long op_delay - script_ops
	.long op_cli_halt - script_ops
	.long op_halt_next - script_ops

op_done:
	out %al, $PORT_DONE
	jmp op_done

op_write:
	mov %edx, (%rcx)
	jmp script_next

op_read:
	mov (%rcx), %eax
	mov %rax, 16(%r15)
	jmp script_next

op_wrmsr:
	mov %edx, %eax
	shr $32, %rdx
	wrmsr
	jmp script_next

op_rdmsr:
	rdmsr
	shl $32, %rdx
	or %rdx, %rax
	mov %rax, 16(%r15)
	jmp script_next

op_halt:
	sti
	hlt
	cli
	jmp script_next

op_cli_halt:
	hlt
	jmp script_next

op_open:
	sti
	nop
	cli
	jmp script_next

op_set_cr8:
	mov %rdx, %cr8
	jmp script_next

op_get_cr8:
	mov %cr8, %rax
	mov %rax, 16(%r15)
	jmp script_next

op_out:
	mov %edx, %eax
	mov %ecx, %edx
	out %al, %dx
	jmp script_next

op_in:
	xor %eax, %eax
	mov %ecx, %edx
	in %dx, %al
	mov %rax, 16(%r15)
	jmp script_next

op_spin:
	sti
1:	pause
	cmp %rdx, (%rcx)
	jb 1b
	cli
	jmp script_next

/* CPUID exits: Bochs lets the host have no interrupt while a guest stays inside with IF clear. */
op_wait:
	mov %rcx, %r8
	mov %rdx, %r9
1:	xor %eax, %eax
	cpuid
	cmp %r9, (%r8)
	jb 1b
	jmp script_next

op_halt_until:
	cmp %rdx, (%rcx)
	jae script_next
	sti
	hlt
	cli
	jmp op_halt_until

op_halt_next:
	inc %r13
1:	cmp %r13, (%rcx)
	jae script_next
	sti
	hlt
	cli
	jmp 1b

op_inc:
	lock incq (%rcx)
	jmp script_next

op_store:
	mov %rdx, (%rcx)
	jmp script_next

op_loop:
	decq (%rcx)
	jz script_next
	/* the script begins a page */
	shl $5, %rdx
	and $-0x1000, %r15
	add %rdx, %r15
	jmp script_run

op_tsc_msr:
	mov %rdx, %rbx
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	add %rbx, %rax
	mov %rax, %rdx
	shr $32, %rdx
	wrmsr
	jmp script_next

op_delay:
	mov %rdx, %rbx
	rdtsc
	shl $32, %rdx
	or %rax, %rdx
	add %rdx, %rbx
	sti
1:	pause
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	cmp %rbx, %rax
	jb 1b
	cli
script_next:
	add $32, %r15
	jmp script_run

/* --- handlers ------------------------------------------------------------------------- */

	.globl count_stubs
	.p2align 4
count_stubs:
	vector = 0
	.rept 256
	.p2align 4
	.byte 0x68
	.long vector
	jmp count_common
	vector = vector + 1
	.endr

count_common:
	push %rax
	push %rbx
	mov 16(%rsp), %rax
	mov %eax, %ebx
	shl $4, %ebx
	push %rcx
	lea count_stubs(%rip), %rcx
	add %rcx, %rbx
	pop %rcx
	cmp %rbx, 24(%rsp)
	je count_twice
	cmp $32, %eax		/* some below have error codes */
	jb count_it
	mov 24(%rsp), %rbx
	cmpw $0xf4fb, -1(%rbx)	/* STI; HLT */
	je count_early
count_it:
	lock incq (%r14, %rax, 8)
	mov $1, %ebx
	lock xadd %rbx, ORDER
	cmp $0xe00, %rbx
	jae 1f
	mov %al, ORDER_BYTES(%rbx)
1:	cmp $13, %al
	je count_gp
	cmp $32, %al
	jb count_return
	mov EOI_BY, %ebx
	cmp $1, %ebx
	je count_xapic
	cmp $2, %ebx
	je count_x2apic
	cmp $3, %ebx
	jne count_return
	mov $0x20, %al
	out %al, $0xa0
	out %al, $0x20
count_return:
	pop %rbx
	pop %rax
	add $8, %rsp
	iretq

count_early:
	lock incq EARLY
	incq 24(%rsp)
	jmp count_it

count_twice:
	lock incq TWICE
	jmp count_return

count_xapic:
	mov $0xfee000b0, %ebx
	movl $0, (%rbx)
	jmp count_return

count_x2apic:
	push %rcx
	push %rdx
	mov $0x80b, %ecx
	xor %eax, %eax
	xor %edx, %edx
	wrmsr
	pop %rdx
	pop %rcx
	jmp count_return

/* RDMSR and WRMSR have two bytes; what is read is all ones then. */
count_gp:
	addq $2, 32(%rsp)
	pop %rbx
	pop %rax
	mov $-1, %rax
	mov %rax, %rdx
	add $16, %rsp
	iretq

/*
 * Where a start-up IPI leads to, copied to START_PAGE: in real mode.  Notes CS, counts itself
 * and is done.
 */
	.globl start_code, start_code_end
	.code16
start_code:
	mov %cs, %bx
	xor %ax, %ax
	mov %ax, %ss
	mov $0x3b00, %ax
	mov %ax, %ds
	mov %bx, 0x108
	lock incw 0x100
1:	out %al, $PORT_DONE
	jmp 1b
start_code_end:
	.code64

	.section .note.GNU-stack, "", @progbits
