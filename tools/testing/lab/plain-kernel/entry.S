/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entry.S - what stands in front of an uncompressed kernel instead of its decompressor.
 *
 * It has the two entries of the boot protocol (Documentation/arch/x86/boot.rst of Linux): of 32
 * bits at its first byte, of 64 bits at 0x200, both with the boot parameters in ESI or RSI.  The
 * kernel follows at KERNEL, as make-plain lays it out; it runs at every multiple of 2 MiB.
 */
#define KERNEL		0x200000	/* a kernel begins at a multiple of 2 MiB */
#define TABLES		0x100000	/* six pages, nothing is in the file there */

#define SYSSIZE		0x1f4
#define PREF_ADDRESS	0x258

#define CODE_SELECTOR	0x10

	.text
	.code32
_start:
	cli
	cld
	leal	0x1e8(%esi), %esp	/* hdr's neighbour "scratch" is a stack */
	call	1f
1:	popl	%ebp
	subl	$(1b - _start), %ebp	/* where this was loaded */

	/* A loader that knows only 1 MiB: up to the preferred address, the end first. */
	movl	PREF_ADDRESS(%esi), %edx
	cmpl	%edx, %ebp
	jae	1f
	movl	%esi, %ebx
	movl	SYSSIZE(%esi), %ecx
	shll	$2, %ecx		/* units of 16 bytes */
	leal	-4(%ebp, %ecx, 4), %esi
	leal	-4(%edx, %ecx, 4), %edi
	std
	rep	movsl
	cld
	movl	%ebx, %esi
	movl	%edx, %ebp
	leal	(1f - _start)(%ebp), %eax
	jmp	*%eax
1:
	/* The first 4 GiB, as they are, in pages of 2 MiB. */
	leal	TABLES(%ebp), %edi
	leal	0x1003(%edi), %eax
	movl	%eax, (%edi)
	movl	$4, %ecx
	leal	0x1000(%edi), %edx
	leal	0x2003(%edi), %eax
2:	movl	%eax, (%edx)
	addl	$0x1000, %eax
	addl	$8, %edx
	loop	2b
	leal	0x2000(%edi), %edx
	movl	$0x83, %eax
	movl	$2048, %ecx
3:	movl	%eax, (%edx)
	addl	$0x200000, %eax
	addl	$8, %edx
	loop	3b

	movl	$0x20, %eax		/* CR4.PAE */
	movl	%eax, %cr4
	movl	%edi, %cr3
	movl	$0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	btsl	$8, %eax
	wrmsr

	leal	(gdt - _start)(%ebp), %eax
	movl	%eax, (gdt_base - _start)(%ebp)
	lgdt	(gdt_register - _start)(%ebp)
	leal	TABLES(%ebp), %esp
	pushl	$CODE_SELECTOR
	leal	(entry_64 - _start)(%ebp), %eax
	pushl	%eax
	movl	%cr0, %eax
	btsl	$31, %eax
	movl	%eax, %cr0
	lret

	.balign	8
gdt:
	.quad	0, 0
	.quad	0x00af9a000000ffff	/* code of 64 bits */
gdt_register:
	.word	. - gdt - 1
gdt_base:
	.long	0

	.org	0x200
	.code64
entry_64:
	leaq	_start(%rip), %rax
	addq	$KERNEL, %rax
	jmp	*%rax
