/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest-irq.S - what the measured virtual machine runs with a local APIC in the kernel.
 *
 * Each entry turns the APIC on, in the mode that it wants, and says so: the first by an exit,
 * the second in memory. Then the first does RCX rounds, and the second goes on for ever. An APIC is
 * never turned off, so that those that want an xAPIC have to come first.
 * Interrupts are let in only where they are waited for.  The handlers count in RDI and change
 * nothing else.
 *
 * Next: irq.c for the use of each entry.
 */
#include "entry.S"
#include "vm.h"

#define APIC_BASE_MSR	0x1b
#define APIC_EXTD	0x400		/* a bit of it */
#define DEADLINE_MSR	0x6e0
#define X2APIC_EOI	0x80b
#define X2APIC_SVR	0x80f
#define X2APIC_ICR	0x830
#define X2APIC_TIMER	0x832
#define X2APIC_INITIAL	0x838
#define X2APIC_DIVIDE	0x83e
#define X2APIC_SELF	0x83f
#define XAPIC		0xfee00000
#define XAPIC_EOI	0xb0
#define XAPIC_SVR	0xf0
#define XAPIC_ICR	0x300
#define XAPIC_ICR2	0x310
#define SVR_ON		0x1ff
#define TIMER_DEADLINE	0x40000
#define TIMER_DIVIDE_1	0xb
#define TO_SELF		0x40000

	guest_code

	.macro	write_msr	msr, value
	mov	$\msr, %ecx
	mov	$\value, %eax
	xor	%edx, %edx
	wrmsr
	.endm

	/* R9 is the page, RSI gets the rounds. */
	.macro	xapic_on
	cli
	mov	%rcx, %rsi
	mov	$XAPIC, %r9d
	movl	$SVR_ON, XAPIC_SVR(%r9)
	.endm

	.macro	x2apic_on
	cli
	mov	%rcx, %rsi
	mov	$APIC_BASE_MSR, %ecx
	rdmsr
	or	$APIC_EXTD, %eax
	wrmsr
	write_msr X2APIC_SVR, SVR_ON
	.endm

	.macro	second_is_ready
	movl	$1, READY
	.endm

	.macro	wait_for_interrupt
	sti
	hlt
	cli
	.endm

	.macro	end_by_msr
	push	%rax
	push	%rcx
	push	%rdx
	write_msr X2APIC_EOI, 0
	pop	%rdx
	pop	%rcx
	pop	%rax
	inc	%rdi
	.endm

	entry	guest_x2apic_irq
	end_by_msr
	iretq

	entry	guest_xapic_irq
	movl	$0, XAPIC_EOI(%r9)
	inc	%rdi
	iretq

	/* The exit is where the device lets go of its line. */
	entry	guest_level_irq
	out	%al, $PORT
	end_by_msr
	iretq

	entry	guest_self_x2apic
	x2apic_on
	out	%al, $PORT
	sti
1:	write_msr X2APIC_SELF, X2APIC_VECTOR
	dec	%rsi
	jnz	1b
	out	%al, $PORT

	entry	guest_self_xapic
	xapic_on
	out	%al, $PORT
	sti
1:	movl	$(TO_SELF | XAPIC_VECTOR), XAPIC_ICR(%r9)
	dec	%rsi
	jnz	1b
	out	%al, $PORT

	/* R8 is the other one's id, in both registers' places. */
	.macro	send_x2apic
	mov	$X2APIC_ICR, %ecx
	mov	$X2APIC_VECTOR, %eax
	mov	%r8d, %edx
	wrmsr
	.endm

	.macro	send_xapic
	mov	%r8d, %eax
	shl	$24, %eax
	mov	%eax, XAPIC_ICR2(%r9)
	movl	$XAPIC_VECTOR, XAPIC_ICR(%r9)
	.endm

	entry	guest_ping_x2apic
	x2apic_on
	out	%al, $PORT
1:	send_x2apic
	wait_for_interrupt
	dec	%rsi
	jnz	1b
	out	%al, $PORT

	entry	guest_pong_x2apic
	x2apic_on
	second_is_ready
1:	wait_for_interrupt
	send_x2apic
	jmp	1b

	entry	guest_ping_xapic
	xapic_on
	out	%al, $PORT
1:	send_xapic
	wait_for_interrupt
	dec	%rsi
	jnz	1b
	out	%al, $PORT

	entry	guest_pong_xapic
	xapic_on
	second_is_ready
1:	wait_for_interrupt
	send_xapic
	jmp	1b

	/* RBX ticks of the TSC from now. */
	entry	guest_deadline
	x2apic_on
	write_msr X2APIC_TIMER, (TIMER_DEADLINE | X2APIC_VECTOR)
	out	%al, $PORT
1:	rdtsc
	add	%ebx, %eax
	adc	$0, %edx
	mov	$DEADLINE_MSR, %ecx
	wrmsr
	wait_for_interrupt
	dec	%rsi
	jnz	1b
	out	%al, $PORT

	/* RBX ticks of the APIC's clock. */
	entry	guest_oneshot
	x2apic_on
	write_msr X2APIC_DIVIDE, TIMER_DIVIDE_1
	write_msr X2APIC_TIMER, X2APIC_VECTOR
	out	%al, $PORT
1:	mov	%ebx, %eax
	xor	%edx, %edx
	mov	$X2APIC_INITIAL, %ecx
	wrmsr
	wait_for_interrupt
	dec	%rsi
	jnz	1b
	out	%al, $PORT

	entry	guest_sleeper
	x2apic_on
	second_is_ready
1:	wait_for_interrupt
	jmp	1b

	entry	guest_level
	x2apic_on
	sti
1:	out	%al, $PORT
	jmp	1b

	entry	guest_kick_pio
	mov	%rcx, %rsi
1:	xor	%eax, %eax
	mov	$0x1b, %ecx
	out	%al, $KICK_PORT
	dec	%rsi
	jnz	1b
	out	%al, $PORT

	entry	guest_kick_mmio
	mov	%rcx, %rsi
1:	xor	%eax, %eax
	mov	$0x1b, %ecx
	mov	%eax, (%rbx)
	dec	%rsi
	jnz	1b
	out	%al, $PORT

	/* A driver that has one request under way, always. */
	entry	guest_virtio
	x2apic_on
	second_is_ready
1:	out	%al, $KICK_PORT
	wait_for_interrupt
	jmp	1b

	entry	guest_end

	.section .note.GNU-stack, "", @progbits
