/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * forms.S - instructions in all operand and addressing forms, for lengths.c.
 *
 * Assembled three times: with --defsym BITS=64, 32 and 16.  Every instruction
 * is known to the assembler by its name, unlike those of "lengths sweep".
 */
	.text
.if BITS == 64
	.code64
.elseif BITS == 32
	.code32
.else
	.code16
.endif

/* one instruction with every kind of memory operand; \tail is what comes behind it */
.macro memory insn, head="", tail=""
.if BITS == 64
	.irp m, (%rax), (%rbx), (%rsp), (%rbp), (%r8), (%r12)
	\insn \head \m \tail
	.endr
	.irp m, (%r13), 1(%rax), 1(%rsp), 1(%r12), 1(%r13)
	\insn \head \m \tail
	.endr
	.irp m, 0x12345(%rdx), -0x12345(%rsp), 0x12345(%r13), 0x1234
	\insn \head \m \tail
	.endr
	.irp m, 0x12345(%rip), 8(%eax), 0x12345(%r9d)
	\insn \head \m \tail
	.endr
	.irp i, rax, rcx, rbp, rsi, r8, r12, r13, r15
	\insn \head (%rax,%\i,1) \tail
	\insn \head 1(%rbp,%\i,2) \tail
	\insn \head 0x1234567(%r13,%\i,4) \tail
	\insn \head 0x10(,%\i,8) \tail
	\insn \head %fs:(%rsp,%\i,8) \tail
	.endr
.else
	.irp m, (%eax), (%ebx), (%esp), (%ebp), (%edi), 1(%eax)
	\insn \head \m \tail
	.endr
	.irp m, 1(%esp), 1(%ebp), 0x12345(%edx), -0x12345(%esp)
	\insn \head \m \tail
	.endr
	.irp i, eax, ecx, ebp, esi
	\insn \head (%eax,%\i,1) \tail
	\insn \head 1(%ebp,%\i,2) \tail
	\insn \head 0x1234567(%esp,%\i,4) \tail
	\insn \head 0x10(,%\i,8) \tail
	.endr
	.irp m, (%bx), (%si), (%di), (%bp), "(%bx,%si)"
	\insn \head \m \tail
	.endr
	.irp m, "(%bx,%di)", "(%bp,%si)", "(%bp,%di)", 0x1234
	\insn \head \m \tail
	.endr
	.irp m, 1(%bx), -1(%si), 2(%di), 3(%bp), "4(%bx,%si)"
	\insn \head \m \tail
	.endr
	.irp m, 0x1234(%bx), "0x1234(%bp,%di)", 0x1234(%di)
	\insn \head \m \tail
	.endr
.endif
.endm

/* arithmetic and moves in all sizes */
.irp op, add, or, adc, sbb, and, sub, xor, cmp, mov, test, xchg
	memory \op\()b, "%al,"
	memory \op\()w, "%cx,"
	memory \op\()l, "%edx,"
	\op %al, %bl
	\op %ax, %bx
	\op %eax, %ebx
.if BITS == 64
	memory \op\()q, "%r9,"
	memory \op\()b, "%sil,"
	\op %r8, %rax
	\op %r15b, %dil
.endif
.endr
.irp op, add, or, adc, sbb, and, sub, xor, cmp, mov, test
	memory \op\()b, "$0x12,"
	memory \op\()w, "$0x1234,"
	memory \op\()l, "$0x12345678,"
	\op $0x12, %al
	\op $0x1234, %ax
	\op $0x12345678, %eax
	\op $0x12, %ecx
.if BITS == 64
	memory \op\()q, "$0x12345678,"
	memory \op\()q, "$1,"
	\op $0x1234567, %rax
	\op $0x1234567, %r11
.endif
.endr
.irp op, not, neg, inc, dec, mul, imul, div, idiv
	memory \op\()b
	memory \op\()w
	memory \op\()l
	\op %al
	\op %cx
	\op %edx
.endr
.irp op, rol, ror, rcl, rcr, shl, shr, sar
	memory \op\()b, "$1,"
	memory \op\()w, "$3,"
	memory \op\()l, "%cl,"
.endr
.irp op, bt, bts, btr, btc
	memory \op\()w, "%cx,"
	memory \op\()l, "$3,"
.endr
.irp op, shld, shrd
	memory \op\()w, "$3, %cx,"
	memory \op\()l, "%cl, %ecx,"
.endr
.irp op, xadd, cmpxchg
	memory "lock \op\()b", "%cl,"
	memory "lock \op\()l", "%ecx,"
.endr
	memory "lock cmpxchg8b"
	memory movzbw, "", ",%cx"
	memory movzbl, "", ",%ecx"
	memory movswl, "", ",%ecx"
	memory movbel, "", ",%ecx"
	memory movbew, "%cx,"
	memory movntil, "%ecx,"
	memory imull, "", ",%ecx"
	memory "imull $0x12,", "", ",%ecx"
	memory "imull $0x12345,", "", ",%ecx"
	memory sete
	memory cmovnel, "", ",%ecx"
	memory leal, "", ",%ecx"
	memory clflush
	memory prefetchnta
	memory invlpg
	memory lgdt
	memory sidt
	memory lmsw
	memory fxsave
	memory xsave
	memory fldt
	memory flds
	memory fistpll
	memory crc32b, "", ",%ecx"
	memory popcntl, "", ",%ecx"
.if BITS == 64
	memory pushq
	memory popq
	memory "call *"
	memory "jmp *"
	memory movslq, "", ",%rcx"
	memory "lock cmpxchg16b"
	movabs $0x1122334455667788, %rax
	movabs $0x1122334455667788, %r15
	movabs 0x1122334455667788, %al
	movabs %rax, 0x1122334455667788
	addr32 mov 0x12345678, %eax
	syscall
	sysretq
	swapgs
	iretq
	mov %cr8, %rax
	mov %rax, %cr8
	mov %cr0, %r15
	push $0x12345678
	lretq
.else
	memory pushl
	memory popl
	memory pushw
	memory "lcall *"
	memory "ljmp *"
	memory bound, "%ecx, "
	memory les, "", ",%ecx"
	memory lds, "", ",%cx"
	memory arpl, "%cx,"
	ljmp $8, $0x1234
	ljmpl $8, $0x12345678
	lcallw $8, $0x1234
	mov 0x12345678, %eax
	pusha
	popa
	push %es
	pop %ds
	aam
	aad $5
	daa
	into
	push $0x1234
	pushl $0x12345678
	inc %eax
	dec %cx
	iret
	iretl
.endif

/* vectors */
.irp op, movups, movaps, movss, movsd, movdqa, movdqu, movupd, movlps, movhpd
	memory \op, "", ",%xmm3"
	memory \op, "%xmm3,"
.endr
	memory movd, "", ",%xmm1"
	memory movntdq, "%xmm1,"
	memory pshufd, "$3,", ",%xmm1"
	memory palignr, "$3,", ",%xmm1"
	memory pshufb, "", ",%xmm1"
	memory pfadd, "", ",%mm1"
	memory cmpps, "$1,", ",%xmm1"
	psrlw $3, %xmm1
	extrq $1, $2, %xmm3
	insertq $1, $2, %xmm3, %xmm4
	emms
.if BITS != 16
.irp op, vmovups, vmovaps, vmovdqa, vmovdqu, vlddqu, vmovntdqa
	memory \op, "", ",%xmm3"
	memory \op, "", ",%ymm3"
.endr
	memory vaddps, "", ",%ymm1,%ymm2"
	memory vpshufb, "", ",%ymm1,%ymm2"
	memory "vpalignr $3,", "", ",%ymm1,%ymm2"
	memory "vinsertf128 $1,", "", ",%ymm1,%ymm2"
	memory "vpclmulqdq $1,", "", ",%xmm1,%xmm2"
	memory "rorx $5,", "", ",%ecx"
	memory "andn", "", ",%ecx,%edx"
	memory vmovups, "", ",%zmm1"
	memory "vmovdqu32", "", ",%xmm1{%k1}"
	memory "vpternlogd $1,", "", ",%zmm1,%zmm2"
	memory "vfrczps", "", ",%xmm1"
	memory "vpcmov %xmm3,", "", ",%xmm1,%xmm2"
	memory "bextr $0x12345678,", "", ",%ecx"
	vpsrlw $3, %ymm1, %ymm2
	vzeroupper
	vzeroall
	vpgatherdd %xmm1, (%eax,%xmm2,4), %xmm3
.endif

/* what a hypervisor meets */
	cpuid
	rdmsr
	wrmsr
	rdtsc
	rdtscp
	rdpmc
	hlt
	pause
	nop
	invd
	wbinvd
	wbnoinvd
	monitor
	mwait
	vmmcall
	vmcall
	vmrun
	vmload
	vmsave
	stgi
	clgi
	skinit
	invlpga
	xgetbv
	xsetbv
	rsm
	clts
	int3
	int1
	int $0x80
	in $0x12, %al
	in $0x12, %eax
	in %dx, %al
	in %dx, %ax
	out %al, $0x12
	out %ax, %dx
	rep insb
	rep outsw
	insl
	outsb
	rep movsb
	rep stosl
	repe cmpsb
	repne scasl
	lodsb
	xlat
	pushf
	popf
	cli
	sti
	ret
	ret $8
	lret
	lret $8
	leave
	enter $0x1234, $3
	ud2
	lfence
	mfence
	sfence
	rdrand %eax
	rdseed %cx
	bswap %edx
	push %fs
	pop %gs
	mov %ds, %ax
	mov %ax, %es
	str %ax
	ltr %ax
	lldt %cx
	verr %cx
	smsw %ax
	lar %cx, %dx
	jmp .
	call .
	jne .
	.fill 200, 1, 0x90
1:	jmp 1b
	.fill 200, 1, 0x90
	jmp 1b
	jne 1b
	call 1b
	loop .
	xbegin .
	xabort $3
	xend
	endbr64
