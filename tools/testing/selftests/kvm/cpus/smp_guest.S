/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * smp_guest.S - the guest of smp.c: eight vCPUs that send each other interrupts
 * and count them, read their clock, and look at pages that come and go.
 *
 * In each round a vCPU sends another one a request and waits for the reply; the
 * partner changes from round to round, and is itself at times.  No two of the same
 * vector are under way to the same APIC, so none may be lost and none come twice.
 * The same holds for NMIs, of which one at a time is sent to a vCPU, and for calls,
 * which go from one to all others.  It waits in every other round by spinning, in
 * the next by halting.
 *
 * What is wrong is written down, and said at PORT_PANIC.
 */
#include "smp.h"

#define APIC_EOI	0xfee000b0
#define APIC_SVR	0xfee000f0
#define APIC_ISR2	0xfee00120
#define APIC_ICR	0xfee00300
#define APIC_ICR2	0xfee00310
#define APIC_LVTT	0xfee00320
#define APIC_TMICT	0xfee00380
#define APIC_TDCR	0xfee003e0
#define MSR_APIC_BASE	0x1b
#define MSR_DEADLINE	0x6e0
#define MSR_EOI		0x80b
#define MSR_SVR		0x80f
#define MSR_ISR2	0x812
#define MSR_ICR		0x830
#define MSR_LVTT	0x832
#define MSR_CLOCK	0x4b564d01

#define ICR_ASSERT	0x4000
#define ICR_NMI		0x4400
#define ICR_OTHERS	0xc4000

	.section guest, "a", @progbits
	.code64

	/* The TSC into RAX, not before what is loaded above. */
	.macro read_tsc
	lfence
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	.endm

	.globl smp_start
	.p2align 4
smp_start:
	/* the clock's page, by the address that GS has */
	mov $MSR_CLOCK, %ecx
	mov %gs:SMP_ID, %eax
	shl $AREA_SHIFT, %eax
	add $(DATA + SMP_CLOCK + 1), %eax
	xor %edx, %edx
	wrmsr
	cmpq $0, %gs:SMP_X2APIC
	jne 1f
	mov $APIC_SVR, %ecx
	movl $0x1ff, (%rcx)
	mov $APIC_TDCR, %ecx
	movl $0xb, (%rcx)		/* divided by 1 */
	mov $APIC_LVTT, %ecx
	movl $(0x20000 | SMP_TICK), (%rcx)
	mov %gs:SMP_PERIOD, %eax
	mov $APIC_TMICT, %ecx
	mov %eax, (%rcx)
	jmp smp_started
1:	mov $MSR_APIC_BASE, %ecx
	rdmsr
	or $0x400, %eax
	wrmsr
	xor %edx, %edx
	mov $MSR_SVR, %ecx
	mov $0x1ff, %eax
	wrmsr
	mov $MSR_LVTT, %ecx
	mov $(0x40000 | SMP_TICK), %eax
	wrmsr
	call smp_set_deadline
smp_started:
	sti
	lock incq COMMON_STARTED
1:	pause
	cmpq $SMP_CPUS, COMMON_STARTED
	jb 1b

smp_round:
	sti
	call smp_read_clock
	call smp_look_at_pages
	cmpq $0, COMMON_STOP
	jne smp_stop
	mov %gs:SMP_ROUNDS, %r12

	/* a request */
	mov %gs:SMP_ID, %rbx
	add %r12, %rbx
	and $(SMP_CPUS - 1), %ebx
	cli
	incq %gs:SMP_SENT(, %rbx, 8)
	incq %gs:SMP_REQUESTS
	mov %ebx, %edx
	mov %gs:SMP_ID, %eax
	add $(ICR_ASSERT | SMP_REQUEST), %eax
	call smp_send
	mov %gs:SMP_ID, %rdi
	shl $AREA_SHIFT, %edi
	add $(DATA + SMP_REPLIES), %edi
	mov %gs:SMP_REQUESTS, %rsi
	call smp_wait

	/* an NMI, in some rounds */
	mov %r12d, %eax
	and $3, %eax
	cmp $3, %eax
	jne 1f
	mov %r12, %rbx
	shr $2, %rbx
	add %gs:SMP_ID, %rbx
	and $(SMP_CPUS - 1), %ebx
	mov %ebx, %ebp
	shl $AREA_SHIFT, %ebp
	mov $1, %eax
	xchg %rax, DATA + SMP_NMI_LOCK(%rbp)
	test %eax, %eax
	jne 1f
	cli
	incq DATA + SMP_NMIS_SENT(%rbp)
	mov %ebx, %edx
	mov $ICR_NMI, %eax
	call smp_send
	lea DATA + SMP_NMIS(%rbp), %rdi
	mov DATA + SMP_NMIS_SENT(%rbp), %rsi
	call smp_wait
	movq $0, DATA + SMP_NMI_LOCK(%rbp)

	/* a call to all others, in others */
1:	mov %r12d, %eax
	and $7, %eax
	cmp $5, %eax
	jne 1f
	mov $1, %eax
	xchg %rax, COMMON_CALL
	test %eax, %eax
	jne 1f
	movq $0, COMMON_CALLED
	cli
	incq %gs:SMP_CALLED
	xor %edx, %edx
	mov $(ICR_OTHERS | SMP_CALL), %eax
	call smp_send
	mov $COMMON_CALLED, %edi
	mov $(SMP_CPUS - 1), %esi
	call smp_wait
	movq $0, COMMON_CALL

1:	incq %gs:SMP_ROUNDS
	jmp smp_round

/* Others may still want replies. */
smp_stop:
	lock incq COMMON_STOPPED
	mov $COMMON_STOPPED, %edi
	mov $SMP_CPUS, %esi
	call smp_wait
	cli
1:	out %al, $PORT_DONE
	jmp 1b

/* With interrupts on, until the word at RDI is RSI or more. */
smp_wait:
	test $1, %r12b
	jne 2f
smp_spin:
	sti
1:	pause
	cmp %rsi, (%rdi)
	jb 1b
	ret
2:	cmpq $0, COMMON_SPIN
	jne smp_spin
	cli
	cmp %rsi, (%rdi)
	jae 3f
	sti
	hlt
	jmp 2b
3:	sti
	ret

/* EAX to APIC EDX; interrupts are off.  Changes RAX, RCX, RDX. */
smp_send:
	cmpq $0, %gs:SMP_X2APIC
	jne 1f
	shl $24, %edx
	mov $APIC_ICR2, %ecx
	mov %edx, (%rcx)
	mov $APIC_ICR, %ecx
	mov %eax, (%rcx)
	ret
1:	mov $MSR_ICR, %ecx
	wrmsr
	ret

/* Changes RAX, RCX, RDX, as the next does. */
smp_end:
	cmpq $0, %gs:SMP_X2APIC
	jne 1f
	mov $APIC_EOI, %ecx
	movl $0, (%rcx)
	ret
1:	mov $MSR_EOI, %ecx
	xor %eax, %eax
	xor %edx, %edx
	wrmsr
	ret

/* EAX: the 32 vectors from SMP_REQUEST on. */
smp_in_service:
	cmpq $0, %gs:SMP_X2APIC
	jne 1f
	mov $APIC_ISR2, %ecx
	mov (%rcx), %eax
	ret
1:	mov $MSR_ISR2, %ecx
	rdmsr
	ret

smp_set_deadline:
	read_tsc
	add %gs:SMP_PERIOD, %rax
	mov %rax, %gs:SMP_DEADLINE
	mov %rax, %rdx
	shr $32, %rdx
	mov $MSR_DEADLINE, %ecx
	wrmsr
	ret

/* The clock does not go back; a stable one does not for all of them. */
smp_read_clock:
	mov COMMON_TIME, %r9
1:	pause
	mov %gs:SMP_CLOCK, %r8d
	test $1, %r8b
	jne 1b
	xor %r10d, %r10d
	read_tsc
	sub %gs:SMP_CLOCK + 8, %rax
	setb %r10b
	mov %rax, %r11
	movsbl %gs:SMP_CLOCK + 28, %ecx
	test %ecx, %ecx
	js 2f
	shl %cl, %rax
	jmp 3f
2:	neg %ecx
	shr %cl, %rax
3:	mov %gs:SMP_CLOCK + 24, %ecx
	mul %rcx
	shrd $32, %rdx, %rax
	add %gs:SMP_CLOCK + 16, %rax
	movzbl %gs:SMP_CLOCK + 29, %edx
	lfence
	cmp %r8d, %gs:SMP_CLOCK
	jne 1b

	mov $WRONG_TSC, %ebx
	xchg %rax, %r11
	test %r10b, %r10b
	jne smp_wrong
	xchg %rax, %r11
	mov $WRONG_BACK, %ebx
	mov %gs:SMP_TIME, %rcx
	cmp %rcx, %rax
	jb smp_wrong
	mov %rax, %gs:SMP_TIME
	and $1, %edx
	inc %edx
	or %rdx, %gs:SMP_STABLE
	test $2, %dl
	je 5f
	mov $WRONG_BEHIND, %ebx
	mov %r9, %rcx
	cmp %rcx, %rax
	jb smp_wrong
	mov %rax, %rdx
	mov COMMON_TIME, %rax
4:	cmp %rax, %rdx
	jbe 5f
	lock cmpxchg %rdx, COMMON_TIME
	jne 4b
5:	ret

/*
 * A page has the number of its floor, or a later one: the host has given it before it says so.
 * Written to as well: the host looks whether that still goes to one that it has taken away.
 */
smp_look_at_pages:
	mov $64, %esi
	mov %gs:SMP_ID, %rdi
1:	xor %ebp, %ebp
2:	mov COMMON_FLOOR(0)(, %rbp, 8), %rax
	mov %ebp, %edx
	shl $12, %edx
	mov FLEETING(0)(%rdx), %rcx
	lea FLEETING(0) + FLEETING_COUNT(%rdx), %rdx
	incq (%rdx, %rdi, 8)
	cmp COMMON_FLOOR(0)(, %rbp, 8), %rax
	jne 3f
	mov $WRONG_PAGE, %ebx
	cmp %rax, %rcx
	jb smp_wrong
3:	inc %ebp
	cmp $FLEETINGS, %ebp
	jne 2b
	dec %esi
	jne 1b
	ret

/* EBX is what, RAX and RCX are numbers to it. */
smp_wrong:
	cli
	mov %rax, %gs:SMP_WRONG + 8
	mov %rcx, %gs:SMP_WRONG + 16
	mov %rbx, %gs:SMP_WRONG
1:	out %al, $PORT_PANIC
	jmp 1b

/* --- handlers ------------------------------------------------------------------------- */

	.globl smp_nmi
	.p2align 4
smp_nmi:
	push %rax
	incq %gs:SMP_NMIS
	mov %gs:SMP_NMIS, %rax
	cmp %gs:SMP_NMIS_SENT, %rax
	ja 1f
	pop %rax
	iretq
1:	mov $WRONG_NMI, %ebx
	mov %gs:SMP_NMIS_SENT, %rcx
	jmp smp_wrong

	.globl smp_stubs
	.p2align 4
smp_stubs:
	vector = SMP_REQUEST
	.rept SMP_VECTORS
	.p2align 4
	.byte 0x68
	.long vector
	jmp smp_vector
	vector = vector + 1
	.endr

/*
 * An interrupt comes with IF, and its APIC has it in service.  What comes otherwise has been
 * delivered before and is here once more: it is counted, and has no EOI.
 */
smp_vector:
	push %rax
	push %rbx
	push %rcx
	push %rdx
	testb $2, 57(%rsp)
	je smp_twice
	call smp_in_service
	mov 32(%rsp), %rbx
	sub $SMP_REQUEST, %ebx
	bt %ebx, %eax
	jae smp_twice
	mov %ebx, %eax
	cmp $(SMP_CALL - SMP_REQUEST), %eax
	je smp_call
	cmp $(SMP_TICK - SMP_REQUEST), %eax
	je smp_tick
	mov %eax, %ebx
	and $(SMP_CPUS - 1), %ebx
	cmp $(SMP_REPLY - SMP_REQUEST), %eax
	jae smp_reply

	/* from EBX */
	incq %gs:SMP_CAME(, %rbx, 8)
	mov %gs:SMP_CAME(, %rbx, 8), %rax
	mov %ebx, %ecx
	shl $AREA_SHIFT, %ecx
	mov %gs:SMP_ID, %rdx
	mov DATA + SMP_SENT(%rcx, %rdx, 8), %rcx
	cmp %rcx, %rax
	mov $WRONG_REQUEST, %edx
	jne smp_miscounted
	call smp_end
	mov %ebx, %edx
	mov %gs:SMP_ID, %eax
	add $(ICR_ASSERT | SMP_REPLY), %eax
	call smp_send
smp_return:
	pop %rdx
	pop %rcx
	pop %rbx
	pop %rax
	add $8, %rsp
	iretq

smp_miscounted:
	mov %edx, %ebx
	jmp smp_wrong

smp_twice:
	incq %gs:SMP_TWICE
	jmp smp_return

smp_reply:
	incq %gs:SMP_REPLIES
	mov %gs:SMP_REPLIES, %rax
	mov %gs:SMP_REQUESTS, %rcx
	cmp %rcx, %rax
	mov $WRONG_REPLY, %edx
	jne smp_miscounted
	call smp_end
	jmp smp_return

smp_call:
	incq %gs:SMP_CALLS
	call smp_end
	lock incq COMMON_CALLED
	jmp smp_return

smp_tick:
	incq %gs:SMP_TICKS
	cmpq $0, %gs:SMP_X2APIC
	je 1f
	read_tsc
	mov %gs:SMP_DEADLINE, %rcx
	cmp %rcx, %rax
	mov $WRONG_EARLY, %edx
	jb smp_miscounted
	call smp_set_deadline
1:	call smp_end
	jmp smp_return

	.section .note.GNU-stack, "", @progbits
