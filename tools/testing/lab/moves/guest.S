/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's tables, entry points and the instructions that provoke events.
 *
 * Everything an event's delivery touches lies on a page of its own: IDT, GDT, TSS, the entry
 * of each vector, and both halves of the frame (the stacks begin sixteen bytes above a page's
 * start).  In a VM whose second-level tables are empty, one delivery therefore faults some
 * ten times, the guest's page tables included.  Next: guest.c, which decides what to provoke.
 */
#include "guest.h"

#define PAGE		4096
#define PTE_P		1
#define PTE_RW		3
#define PTE_NX		(1 << 63)
#define EDGE		16

	.section .header, "a"
	.quad	GUEST_MAGIC, start, pml4, shared, stubs, idt, gdt, tss
	.quad	edge, nmi_edge, p_hlt_at, start_page

/* Page tables: the first 2 MiB one to one, then the pages with a meaning. */
	.section .tables, "aw"
	.balign	PAGE
	.globl	pml4
pml4:	.quad	pdpt + PTE_RW
	.balign	PAGE
pdpt:	.quad	pd + PTE_RW
	.balign	PAGE
pd:	.quad	pt_ram + PTE_RW, pt_special + PTE_RW
	.balign	PAGE
pt_ram:
	.set	frame, 0
	.rept	512
	.quad	frame + PTE_RW
	.set	frame, frame + PAGE
	.endr
pt_special:
	.quad	DEVICE_BASE + PTE_RW
	.quad	0
	.quad	spare + PTE_P
	.quad	spare + PTE_RW + PTE_NX
	.quad	spare + PTE_RW + (1 << 51)
	.quad	APIC_BASE + PTE_RW
	.balign	PAGE
spare:	.fill	PAGE, 1, 0xf4

	.globl	gdt, idt, tss, edge, nmi_edge, gdt_pointer, idt_pointer
	.balign	PAGE
gdt:	.quad	0
	.quad	0x00af9b000000ffff		/* SEL_CODE: 64-bit */
	.quad	0x00cf93000000ffff		/* SEL_DATA */
	.quad	0x00cf13000000ffff		/* SEL_ABSENT */
	.quad	0, 0				/* SEL_TSS, filled in by guest.c */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt
idt_pointer:
	.word	VECTORS * 16 - 1
	.quad	idt
	.balign	PAGE
idt:	.skip	PAGE
tss:	.skip	PAGE
	.globl	shared
shared:	.skip	PAGE
	.skip	4 * PAGE
main_stack:
	.skip	2 * PAGE
edge = . + EDGE
	.skip	PAGE
	.skip	2 * PAGE
nmi_edge = . + EDGE
	.skip	PAGE

	.text
	.globl	start
start:	lea	main_stack(%rip), %rsp
	lgdt	gdt_pointer(%rip)
	pushq	$SEL_CODE
	lea	1f(%rip), %rax
	push	%rax
	lretq
1:	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	call	guest_main

/*
 * The entry of each vector, a page each.  The frame they build is struct frame of guest.c; a
 * zero stands in where the processor pushes no error code.
 */
	.section .stubs, "ax"
	.balign	PAGE
	.globl	stubs
stubs:
	.set	vector, 0
	.rept	VECTORS
	.balign	PAGE
	.if	(vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17)
	pushq	$0
	.endif
	pushq	$vector
	jmp	take
	.set	vector, vector + 1
	.endr

	.text
take:	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%r11
	push	%r10
	push	%r9
	push	%r8
	push	%rdi
	push	%rsi
	push	%rbp
	push	%rsp
	push	%rbx
	push	%rdx
	push	%rcx
	push	%rax
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	guest_take
	mov	%rbp, %rsp
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rbx
	add	$8, %rsp
	pop	%rbp
	pop	%rsi
	pop	%rdi
	pop	%r8
	pop	%r9
	pop	%r10
	pop	%r11
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	add	$16, %rsp
	iretq

/*
 * void provoke(void *body): loads every register from `want`, runs the body on the edge stack,
 * and stores what the registers are afterwards in `got`.  Both are struct registers: sixteen
 * general ones in the processor's order, RFLAGS, a pad, sixteen SSE registers.
 */
#define FLAGS	(16 * 8)
#define SSE	(18 * 8)

	.globl	provoke
provoke:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, body(%rip)
	mov	%rsp, kept_rsp(%rip)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	want + SSE + 16 * \n (%rip), %xmm\n
	.endr
	pushq	want + FLAGS(%rip)
	popfq
	mov	want + 0(%rip), %rax
	mov	want + 8(%rip), %rcx
	mov	want + 16(%rip), %rdx
	mov	want + 24(%rip), %rbx
	mov	want + 32(%rip), %rsp
	mov	want + 40(%rip), %rbp
	mov	want + 48(%rip), %rsi
	mov	want + 56(%rip), %rdi
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	want + 8 * \n (%rip), %r\n
	.endr
	jmp	*body(%rip)

gather:	mov	%rax, got + 0(%rip)
	mov	%rcx, got + 8(%rip)
	mov	%rdx, got + 16(%rip)
	mov	%rbx, got + 24(%rip)
	mov	%rsp, got + 32(%rip)
	mov	%rbp, got + 40(%rip)
	mov	%rsi, got + 48(%rip)
	mov	%rdi, got + 56(%rip)
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	%r\n, got + 8 * \n (%rip)
	.endr
	mov	kept_rsp(%rip), %rsp
	pushfq
	popq	got + FLAGS(%rip)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	%xmm\n, got + SSE + 16 * \n (%rip)
	.endr
	sti
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

	.bss
	.balign	16
	.globl	want, got
want:	.skip	SSE + 16 * 16
got:	.skip	SSE + 16 * 16
body:	.skip	8
kept_rsp:
	.skip	8

/* p_NAME begins, p_NAME_at is the instruction that is watched, p_NAME_next the one after it. */
	.macro	BODY name, insn:vararg
	.globl	p_\name, p_\name\()_at, p_\name\()_next
p_\name:
p_\name\()_at:
	\insn
p_\name\()_next:
	jmp	gather
	.endm

	/* The same with the trap flag set by the instruction before. */
	.macro	STEP name, insn:vararg
	.globl	p_\name, p_\name\()_at, p_\name\()_next
p_\name:
	pushfq
	orl	$0x100, (%rsp)
	popfq
p_\name\()_at:
	\insn
p_\name\()_next:
	jmp	gather
	.endm

	.text
	BODY	de,		div %rcx
	BODY	icebp,		.byte 0xf1
	BODY	int3,		int3
	BODY	int4,		int $4
	BODY	int30,		int $VEC_SOFT
	BODY	int31,		int $VEC_SOFT + 1
	BODY	ud,		ud2
	BODY	np,		mov %ecx, %ds
	BODY	ss,		mov %ecx, %ss
	BODY	gp,		mov (%rbx), %rax
	BODY	gp_sel,		mov %ecx, %ds
	BODY	pf_read,	mov (%rbx), %rax
	BODY	pf_write,	mov %rax, (%rbx)
	BODY	pf_fetch,	jmp *%rbx
	BODY	pf_rsvd,	mov (%rbx), %rax
	BODY	raise,		outl %eax, %dx
	BODY	out,		outl %eax, %dx
	BODY	in,		inl %dx, %eax
	BODY	outs,		rep outsb
	BODY	mmio_write,	movl %eax, (%rbx)
	BODY	mmio_read,	movq (%rbx), %rax
	BODY	mmio_swap,	xchg %eax, (%rbx)
	BODY	mmio_fill,	rep stosl
	BODY	timer,		jmp sti_before_page_end
	BODY	ipi,		movl %eax, (%rbx)
	BODY	clock,		nop
	BODY	start,		nop
	BODY	start_smm,	nop
	STEP	tf,		nop
	STEP	tf_out,		outl %eax, %dx
	STEP	tf_mmio,	movl %eax, (%rbx)

	.globl	p_mf, p_mf_at, p_mf_next, p_xm, p_xm_at, p_xm_next
p_mf:	fninit
	fldcw	divide_unmasked(%rip)
	fld1
	fdivs	zero(%rip)
p_mf_at:
	fwait
p_mf_next:
	jmp	gather

p_xm:	ldmxcsr	divide_unmasked_sse(%rip)
p_xm_at:
	divss	%xmm1, %xmm0
p_xm_next:
	jmp	gather

	.globl	p_hlt, p_hlt_at, p_hlt_next
p_hlt:	jmp	sti_before_page_end

	.section .rodata
zero:	.long	0
divide_unmasked:
	.word	0x37b, 0
divide_unmasked_sse:
	.long	0x1d80

/* The shadow of STI spans a page border: the fetch of the HLT can fault inside it. */
	.section .border, "ax"
	.balign	PAGE
	.skip	PAGE - 1
sti_before_page_end:
	sti
p_hlt_at:
	hlt
p_hlt_next:
	jmp	gather

	.section .note.GNU-stack, "", @progbits
