/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probe.S - every register loaded, a snippet run, every register stored again.
 *
 * The program is linked below 4 GiB and not relocated, so the snippets in 32-bit code need no copy
 * of their own. 32-bit snippets use no stack: its address does not fit into ESP.
 *
 * Next: probe.h for the layout, fault.c for what each snippet must raise.
 */
#include "probe.h"

	.bss
	.balign	8
	.globl	probe_rsp
probe_rsp:
	.skip	8
probe_code:
	.skip	8
probe_out:
	.skip	8
probe_avx:
	.skip	8

	.text

	/* void probe(const void *code, const struct regs *in, struct regs *out, int avx) */
	.globl	probe
	.type	probe, @function
probe:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, probe_code(%rip)
	mov	%rdx, probe_out(%rip)
	mov	%ecx, probe_avx(%rip)
	mov	%rsp, probe_rsp(%rip)

	.macro	vectors	wide, narrow, store, base
	cmpl	$0, probe_avx(%rip)
	je	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.if	\store
	\wide	%ymm\n, REGS_YMM + 32 * \n(\base)
	.else
	\wide	REGS_YMM + 32 * \n(\base), %ymm\n
	.endif
	.endr
	jmp	2f
1:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.if	\store
	\narrow	%xmm\n, REGS_YMM + 32 * \n(\base)
	.else
	\narrow	REGS_YMM + 32 * \n(\base), %xmm\n
	.endif
	.endr
2:
	.endm

	vectors	vmovups, movups, 0, %rsi
	fninit
	.irp	n, 5, 4, 3, 2, 1, 0
	fldt	REGS_X87 + 16 * \n(%rsi)
	.endr
	pushq	REGS_FLAGS(%rsi)
	popfq
	mov	0(%rsi), %rax
	mov	8(%rsi), %rcx
	mov	16(%rsi), %rdx
	mov	24(%rsi), %rbx
	mov	40(%rsi), %rbp
	mov	56(%rsi), %rdi
	mov	64(%rsi), %r8
	mov	72(%rsi), %r9
	mov	80(%rsi), %r10
	mov	88(%rsi), %r11
	mov	96(%rsi), %r12
	mov	104(%rsi), %r13
	mov	112(%rsi), %r14
	mov	120(%rsi), %r15
	mov	48(%rsi), %rsi
	jmp	*probe_code(%rip)

probe_back:
	xchg	%rax, probe_out(%rip)
	mov	%rsp, 32(%rax)
	mov	probe_rsp(%rip), %rsp
	pushfq
	popq	REGS_FLAGS(%rax)
	pushq	$2
	popfq
	mov	%rcx, 8(%rax)
	mov	%rdx, 16(%rax)
	mov	%rbx, 24(%rax)
	mov	%rbp, 40(%rax)
	mov	%rsi, 48(%rax)
	mov	%rdi, 56(%rax)
	mov	%r8, 64(%rax)
	mov	%r9, 72(%rax)
	mov	%r10, 80(%rax)
	mov	%r11, 88(%rax)
	mov	%r12, 96(%rax)
	mov	%r13, 104(%rax)
	mov	%r14, 112(%rax)
	mov	%r15, 120(%rax)
	mov	probe_out(%rip), %rcx
	mov	%rcx, 0(%rax)
	.irp	n, 0, 1, 2, 3, 4, 5
	fstpt	REGS_X87 + 16 * \n(%rax)
	.endr
	vectors	vmovups, movups, 1, %rax
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	probe, . - probe

	/* A snippet: where it starts, where the event is reported, where to go on. */
	.macro	starts	name
	.globl	snip_\name, snip_\name\()_at, snip_\name\()_after
snip_\name:
	.endm
	.macro	at	name
snip_\name\()_at:
	.endm
	.macro	after	name
snip_\name\()_after:
	.endm
	.macro	done
	jmp	probe_back
	.endm

	/* One instruction that faults: reported at itself, passed over by the handler. */
	.macro	fault	name, insn:vararg
	starts	\name
	at	\name
	\insn
	after	\name
	done
	.endm

	/* One instruction that traps: reported behind itself. */
	.macro	trap	name, insn:vararg
	starts	\name
	\insn
	at	\name
	after	\name
	done
	.endm

	fault	div_zero,	div %rcx
	fault	div_range,	idiv %rcx
	trap	int3,		int3
	trap	int_3,		.byte 0xcd, 3
	trap	int1,		.byte 0xf1
	trap	int_4,		int $4
	fault	ud2,		ud2
	fault	push_es,	.byte 0x06
	fault	sysenter,	sysenter
	fault	np_es,		mov %ecx, %es
	fault	np_fs,		mov %ecx, %fs
	fault	ss_load,	mov %ecx, %ss
	fault	gp_hlt,		hlt
	fault	gp_cli,		cli
	fault	gp_in,		in %dx, %al
	fault	gp_int,		int $0x21
	fault	gp_address,	mov (%rcx), %rax
	fault	gp_selector,	mov %ecx, %es
	fault	gp_cr0,		mov %rax, %cr0
	fault	pf_read,	mov (%rcx), %rax
	fault	pf_write,	movb $1, (%rcx)
	fault	pf_rmw,		addl $1, (%rcx)
	fault	pf_kernel,	mov (%rcx), %rax
	fault	pf_push,	pushq (%rcx)
	fault	pf_jump,	jmp *%rcx

	/* A string instruction that meets the hole when it is some way in. */
	starts	pf_string
	cld
	mov	$64, %ecx
	at	pf_string
	rep lodsb
	after	pf_string
	done

	starts	mf
	fldcw	x87_unmasked(%rip)
	fldz
	fld1
	fdiv	%st(1), %st
	at	mf
	fwait
	after	mf
	fnclex
	fstp	%st(0)
	fstp	%st(0)
	fldcw	x87_masked(%rip)
	done

	starts	xm
	ldmxcsr	sse_unmasked(%rip)
	at	xm
	divps	vector_zero(%rip), %xmm0
	after	xm
	ldmxcsr	sse_masked(%rip)
	done

	starts	ac
	pushfq
	orl	$0x40000, (%rsp)
	popfq
	at	ac
	mov	1(%rcx), %eax
	after	ac
	pushfq
	andl	$~0x40000, (%rsp)
	popfq
	done

	/* The same in 32-bit code; back by a far jump. */
	.macro	compat	name
	starts	\name
	ljmpl	*1f(%rip)
1:
	.long	2f
	.word	SELECTOR_CODE32
	.code32
2:
	.endm
	.macro	compat_done
	ljmpl	$SELECTOR_CODE64, $probe_back
	.code64
	.endm

	compat	into
	into
	at	into
	after	into
	compat_done

	compat	bound
	at	bound
	bound	%eax, bounds
	after	bound
	compat_done

	compat	compat_div
	at	compat_div
	div	%ecx
	after	compat_div
	compat_done

	compat	compat_ud
	at	compat_ud
	ud2
	after	compat_ud
	compat_done

	compat	compat_pf
	at	compat_pf
	mov	(%ecx), %eax
	after	compat_pf
	compat_done

	compat	compat_int3
	int3
	at	compat_int3
	after	compat_int3
	compat_done

	compat	compat_int80
	int	$0x80
	at	compat_int80
	after	compat_int80
	compat_done

	/* Not events of their own: calls, and a loop for the timer tick to find. */
	trap	syscall,	syscall
	trap	int80,		int $0x80

	starts	spin
1:	dec	%rcx
	jnz	1b
	at	spin
	after	spin
	done

	/* Single stepping: every address at which the trap must report, in order. */
	.globl	step_walk, step_addresses, step_count
	.type	step_walk, @function
step_walk:
	push	%rbx
	pushfq
	orl	$0x100, (%rsp)
	popfq
	nop
11:	mov	$0, %eax
12:	xor	%ecx, %ecx
13:	cpuid
14:	lea	1(%rax), %rcx
15:	push	%rcx
16:	pop	%rcx
17:	jmp	19f
	ud2
19:	call	21f
20:	pushfq
23:	andl	$~0x100, (%rsp)
24:	popfq
25:	pop	%rbx
	ret
21:	rdtsc
22:	ret
	.size	step_walk, . - step_walk

	.section .rodata
	.balign	8
step_addresses:
	.quad	11b, 12b, 13b, 14b, 15b, 16b, 17b, 19b, 21b, 22b, 20b, 23b, 24b, 25b
step_count:
	.quad	(. - step_addresses) / 8
	.text

	/* What the traced child runs for ever. trace_value counts its rounds. */
	.globl	trace_loop, trace_code, trace_stored, trace_addresses, trace_count, trace_value
	.type	trace_loop, @function
trace_loop:
	xor	%eax, %eax
trace_code:
	nop
31:	inc	%rax
32:	mov	%rax, trace_value(%rip)
trace_stored:
	mov	%rax, %rdx
33:	imul	%rdx, %rdx
34:	jmp	trace_code
	.size	trace_loop, . - trace_loop

	.section .rodata
	.balign	8
trace_addresses:
	.quad	trace_code, 31b, 32b, trace_stored, 33b, 34b
trace_count:
	.quad	(. - trace_addresses) / 8
	.balign	16
vector_zero:
	.quad	0, 0
bounds:
	.long	0, 10
sse_masked:
	.long	0x1f80
sse_unmasked:
	.long	0x1d80
x87_masked:
	.word	0x37f
x87_unmasked:
	.word	0x37b

	.bss
	.balign	8
trace_value:
	.skip	8

	.section .note.GNU-stack, "", @progbits
