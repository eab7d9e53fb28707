/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.S - what the measured virtual machine runs: 64-bit code, copied as it is, so it has no
 * absolute addresses of its own.
 *
 * Next: vm.h for the addresses, bench.c for the use of each entry, guest-irq.S for what needs a
 * local APIC.
 */
#include "entry.S"
#include "vm.h"

	guest_code

	entry	guest_start

	entry	guest_idle
1:	jmp	1b

	/* One exit each KVM_RUN, for ever. */
	entry	guest_pio
1:	out	%al, $PORT
	jmp	1b

	entry	guest_mmio_write
1:	mov	%eax, (%rbx)
	jmp	1b

	entry	guest_mmio_read
1:	mov	(%rbx), %eax
	jmp	1b

	/* RCX times something that the kernel handles, and one exit. guest_loop is without it. */
	entry	guest_loop
	mov	%rcx, %rsi
1:	xor	%eax, %eax
	mov	$0x1b, %ecx
	dec	%rsi
	jnz	1b
	out	%al, $PORT

	entry	guest_cpuid
	mov	%rcx, %rsi
1:	xor	%eax, %eax
	mov	$0x1b, %ecx
	cpuid
	dec	%rsi
	jnz	1b
	out	%al, $PORT

	entry	guest_rdmsr
	mov	%rcx, %rsi
1:	xor	%eax, %eax
	mov	$0x1b, %ecx
	rdmsr
	dec	%rsi
	jnz	1b
	out	%al, $PORT

	/* Reads one word of each of RCX pages of RDX bytes from RBX on. */
	entry	guest_touch
1:	mov	(%rbx), %eax
	add	%rdx, %rbx
	dec	%rcx
	jnz	1b
	out	%al, $PORT

	/* The same, of writes. */
	entry	guest_write
1:	mov	%eax, (%rbx)
	add	%rdx, %rbx
	dec	%rcx
	jnz	1b
	out	%al, $PORT

	/* Interrupt and fault: the next exit is in the handler, which begins anew each time. */
	entry	guest_irq
	mov	$GUEST_STACK, %esp
	inc	%edi
	sti
1:	out	%al, $PORT
	jmp	1b

	entry	guest_page_fault
	mov	$GUEST_STACK, %esp
1:	out	%al, $PORT
	jmp	1b

	/* NMI: back to guest_pio and its next exit, for the IRET lets the next one in. */
	entry	guest_nmi
	inc	%rdi
	iretq

	.section .note.GNU-stack, "", @progbits
