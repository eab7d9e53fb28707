/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.S - what the tortured guest does, round after round.
 *
 * A little of everything that makes an event, close together.  The handlers are those of all
 * tests (lib/guest.S); how many bytes they skip is said in torture.c, and has to be right:
 * a #DE of 2 bytes, a #UD of 2, a #GP of 3, a #PF of 8.  R14 is not 0 where the processor makes
 * double faults of events that KVM has injected.
 */
#include "torture.h"

#define TF		0x100
#define ABSENT		0x180000	/* mapped, and taken out of the tables */
#define GATE_GP		(IDT + 13 * 16 + 5)
#define PRESENT		0x80

	.section guest, "a", @progbits
	.code64
	.globl torture_start, torture_df
	.p2align 4
torture_start:
	/* the page that is not there */
	movq	$0, PT + 8 * (ABSENT >> 12)
	invlpg	ABSENT
	mov	$0x8000000000000000, %r15
	xor	%ebp, %ebp
torture_round:
	inc	%rbp
	mov	%ds, %r8d

	/* software interrupts and exceptions */
	int	$0x80
	int3
	.byte	0xf1, 0x90		/* INT1; where it is #UD, two bytes are skipped */
	int	$4
	ud2

	/* faults */
	xor	%edx, %edx
	xor	%ecx, %ecx
	mov	$1, %eax
	div	%ecx
	mov	(%r15), %rax
	mov	ABSENT, %rax

	/* shadows, with whatever waits behind them */
	sti
	nop
	mov	%r8d, %ss
	nop
	mov	%r8d, %ss
	int	$0x81
	sti
	hlt
	cli

	/* single steps of its own, over all sorts of things */
	pushfq
	orq	$TF, (%rsp)
	popfq
	nop
	int	$0x82
	mov	%r8d, %ss
	nop
	ud2
	out	%al, $PORT_DATA
	pushfq
	andq	$~TF, (%rsp)
	popfq

	/* where breakpoints are at times: on memory, behind a shadow, on a device */
	movq	$SEL_DATA, WATCHED
	mov	WATCHED, %ss
	nop
	mov	WATCHED, %ss
	int	$0x83
	mov	%r9, WATCHED_DEVICE

	/* devices */
	in	$PORT_DATA, %al
	mov	MMIO, %r9
	mov	%r9, MMIO + 8
	mov	$MMIO + 16, %edi
	xchg	%r9, (%rdi)
	lock addl $5, MMIO + 32
	movups	MMIO + 40, %xmm0
	movups	%xmm0, MMIO + 60
	movups	%xmm0, DATA

	/* strings, in memory, to and from devices */
	mov	$DATA, %esi
	mov	$DATA + 0x40, %edi
	mov	$3, %ecx
	rep movsq
	mov	$DATA, %esi
	mov	$PORT_DATA, %edx
	mov	$3, %ecx
	rep outsb
	mov	$DATA + 0x80, %edi
	mov	$3, %ecx
	rep insb

	/* a fault whose handler is not there: a double fault, whose handler puts it back */
	test	%r14d, %r14d
	jz	1f
	andb	$~PRESENT, GATE_GP
	mov	(%r15), %rax
1:	sti
	jmp	torture_round

/* Called by the handler of #DF. */
torture_df:
	orb	$PRESENT, GATE_GP
	ret

/*
 * The first instructions of the handlers of #DB and NMI, on a page of their own: these two can come
 * when another handler has just begun.
 */
	.globl torture_stubs
	.p2align 12
torture_stubs:
	vector = 0
	.rept 3
	.p2align 4
	.byte 0x68
	.long vector
	jmp rt_common
	vector = vector + 1
	.endr
	.p2align 12

	.section .note.GNU-stack, "", @progbits
