/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest program and the VMM of the move test both know: where things lie, which
 * ports mean what, the list of events the guest provokes, and the page of counters the guest
 * keeps.  Included by guest.S too, hence the two #ifndef.  Next: guest.c (what the guest does
 * and checks), vmm.c (what is done to it).
 */
#ifndef MOVES_GUEST_H
#define MOVES_GUEST_H

#define GUEST_BASE	0x10000		/* where the image lies, its header first */
#define GUEST_RAM	0x200000	/* mapped one to one by the guest's own page tables */
#define GUEST_MAGIC	0x73746e657645		/* "Events" */

/* Addresses above RAM that the guest's page tables give a meaning. */
#define VA_DEVICE	0x200000	/* the device page, at DEVICE_BASE */
#define VA_ABSENT	0x201000
#define VA_READONLY	0x202000
#define VA_NOEXEC	0x203000
#define VA_RESERVED	0x204000	/* a page-table entry with a reserved bit */
#define VA_APIC		0x205000	/* the local APIC's registers */
#define DEVICE_BASE	0xd0000000
#define APIC_BASE	0xfee00000

/* System management mode: its memory is in the guest's, above the image. */
#define SMBASE		0x1c0000
#define SMM_CODE	(SMBASE + 0x8000)

/* Selectors of the guest's GDT. */
#define SEL_CODE	0x08
#define SEL_DATA	0x10
#define SEL_ABSENT	0x18		/* a data segment that is not present */
#define SEL_TSS		0x20
#define SEL_BEYOND	0x1000		/* beyond the GDT's limit */

#define VEC_SOFT	0x30		/* INT 0x30 and INT 0x31 */
#define VEC_IRQ		0x40		/* the first of IRQ_VECTORS external interrupts */
#define IRQ_VECTORS	16
#define VEC_APIC	(VEC_IRQ + IRQ_VECTORS)	/* from here on those of the local APIC */
#define VEC_TIMER	(VEC_APIC + 0)	/* its timer */
#define VEC_IPI		(VEC_APIC + 1)	/* from the guest to itself */
#define VEC_MSI		(VEC_APIC + 2)	/* a message of the VMM's */
#define VECTORS		(VEC_APIC + 3)

/* Ports.  All are 32 bits wide but PORT_TEXT. */
#define PORT_ROUND	0x510		/* out: a number, one more each time */
#define PORT_RAISE	0x514		/* out: raise raised[n] in me, now */
#define PORT_FATAL	0x518		/* out: I cannot go on; a WRONG_ number */
#define PORT_TICKET	0x51c		/* in: a number, one more each time */
#define PORT_TEXT	0x520		/* out, a byte at a time: GUEST_TEXT */
#define PORT_EOI	0x524		/* out: the vector of the interrupt just taken */
#define PORT_NMI	0x528		/* out: an NMI was taken; how many so far */
#define PORT_DONE	0x52c		/* out: as many rounds as were wanted; nothing follows */

/* With chips (vm.h) only. */
#define PORT_MSI	0x530		/* out: a message's interrupt was taken; how many so far */
#define PORT_SMI	0x534		/* out: an SMI was taken; how many so far */
#define PORT_START	0x538		/* out: start me anew, when nothing is under way */
#define PORT_STARTED	0x53c		/* out: I have been started */

/* Registers of the device page. */
#define DEV_WRITE	0x00		/* write: a number, one more each time */
#define DEV_TICKET	0x08		/* read: a number, one more each time */
#define DEV_SWAP	0x10		/* read: a ticket; write: the next number */
#define DEV_FILL	0x100		/* write: FILL_WORDS numbers, at rising addresses */
#define FILL_WORDS	5

#define GUEST_TEXT	"every byte once, in order."

/*
 * The events a guest provokes, in the order of their numbers: X(name, class, text).  Each has
 * a body in guest.S and a setup in guest.c.  FAULT: its frame holds the instruction's own RIP;
 * TRAP: the next one's; NONE: no exception is due, the instruction itself is what is watched.
 */
#define PROVOKED(X)					\
	X(de,		FAULT, "#DE  DIV by zero")		\
	X(tf,		TRAP,  "#DB  trap flag")		\
	X(tf_out,	TRAP,  "#DB  trap flag over OUT")	\
	X(tf_mmio,	TRAP,  "#DB  trap flag over MMIO")	\
	X(icebp,	TRAP,  "#DB  INT1 (ICEBP)")		\
	X(int3,		TRAP,  "#BP  INT3")			\
	X(int4,		TRAP,  "#OF  INT 4")			\
	X(int30,	TRAP,  "INT 0x30")			\
	X(int31,	TRAP,  "INT 0x31")			\
	X(ud,		FAULT, "#UD  UD2")			\
	X(np,		FAULT, "#NP  MOV DS")			\
	X(ss,		FAULT, "#SS  MOV SS")			\
	X(gp,		FAULT, "#GP  non-canonical")		\
	X(gp_sel,	FAULT, "#GP  selector")			\
	X(pf_read,	FAULT, "#PF  read")			\
	X(pf_write,	FAULT, "#PF  write, read-only")		\
	X(pf_fetch,	FAULT, "#PF  fetch, no-execute")	\
	X(pf_rsvd,	FAULT, "#PF  reserved bit")		\
	X(mf,		FAULT, "#MF  FWAIT")			\
	X(xm,		FAULT, "#XM  DIVSS")			\
	X(raise,	TRAP,  "raised by the VMM")		\
	X(hlt,		NONE,  "STI; HLT")			\
	X(out,		NONE,  "OUT")				\
	X(in,		NONE,  "IN")				\
	X(outs,		NONE,  "REP OUTSB")			\
	X(mmio_write,	NONE,  "MMIO write")			\
	X(mmio_read,	NONE,  "MMIO read")			\
	X(mmio_swap,	NONE,  "MMIO XCHG")			\
	X(mmio_fill,	NONE,  "MMIO REP STOS")		\
	X(timer,	NONE,  "APIC timer; STI; HLT")		\
	X(ipi,		NONE,  "IPI to itself")			\
	X(clock,	NONE,  "kvmclock read")			\
	X(start,	NONE,  "INIT, SIPI")			\
	X(start_smm,	NONE,  "INIT, SIPI in SMM")

/* Those for which a guest needs chips (vm.h), and those that it does without them. */
#define WITH_CHIPS	(1UL << P_timer | 1UL << P_ipi | 1UL << P_clock | 1UL << P_start | \
			 1UL << P_start_smm)
#define WITHOUT_CHIPS	(1UL << P_hlt)

/* What a guest can find wrong: X(name, text). */
#define WRONGS(X)					\
	X(VECTOR,	"an event that was not due")		\
	X(RIP,		"RIP in the frame")			\
	X(RSP,		"RSP in the frame")			\
	X(FLAGS,	"RFLAGS in the frame")			\
	X(SEGMENT,	"CS or SS in the frame")		\
	X(ERROR,	"error code")				\
	X(CR2,		"CR2")					\
	X(DR6,		"DR6")					\
	X(REGISTER,	"a register in the handler")		\
	X(AFTER,	"a register after the event")		\
	X(VECTORS_REG,	"an SSE register after the event")	\
	X(STEADY,	"a register that never changes")	\
	X(SUM,		"the running checksum")			\
	X(NESTED_NMI,	"an NMI inside an NMI's handler")	\
	X(DOUBLE_FAULT,	"a double fault")			\
	X(CLOCK,	"a clock that goes backwards")

#ifndef __ASSEMBLER__

#include <stdint.h>

enum { FAULT, TRAP, NONE };

#define PROVOKED_ENUM(name, class, text) P_##name,
enum { PROVOKED(PROVOKED_ENUM) PROVOKED_COUNT };

#define WRONG_ENUM(name, text) WRONG_##name,
enum { WRONGS(WRONG_ENUM) WRONG_COUNT };

/* At GUEST_BASE: what a VMM must know of the image to start it, and to trouble it. */
struct guest_header {
	uint64_t magic;
	uint64_t entry;			/* in 64-bit mode, with cr3 below */
	uint64_t cr3;
	uint64_t shared;		/* struct guest_shared */
	uint64_t stubs;			/* VECTORS pages, one for the entry of each vector */
	uint64_t idt, gdt, tss;		/* a page each */
	uint64_t edge;			/* a frame pushed onto this stack lies on two pages */
	uint64_t nmi_edge;		/* the same of the NMI's own stack */
	uint64_t hlt;			/* address of the HLT in the shadow of an STI */
	uint64_t start_page;		/* where a SIPI has to start the vCPU */
};

/* An exception that a VMM raises when the guest asks for it. */
struct raised {
	uint8_t vector;
	uint8_t has_error;
	uint16_t error;
	uint64_t payload;		/* #PF: CR2; #DB: bits of DR6 */
};

/* payload 0x4000: DR6.BS */
#define RAISED_TABLE {						\
	{ 6, 0, 0, 0 }, { 13, 1, 0x1234, 0 },			\
	{ 14, 1, 2, 0x123456789000 }, { 17, 1, 0, 0 },		\
	{ 19, 0, 0, 0 }, { 1, 0, 0, 0x4000 }, { 16, 0, 0, 0 },	\
	{ 12, 1, SEL_ABSENT, 0 }, { 7, 0, 0, 0 },		\
	{ 14, 1, 0, VA_ABSENT },				\
}

struct tally {
	uint64_t provoked, taken, lost, doubled;
};

struct wrong {
	uint64_t round;
	uint32_t provoked, what;
	uint64_t want, got;
};

#define WRONG_LOG 16

/* One page: written by the VMM before the start, by the guest afterwards. */
struct guest_shared {
	uint64_t seed;
	uint64_t without;		/* bit n: do not provoke n */
	uint64_t limit;			/* end after so many rounds, or 0 */
	uint64_t chips;			/* there is a local APIC, and so on */
	/* --- the guest's --- */
	uint64_t ready;			/* the trial run of every event is over */
	uint64_t rounds;
	uint64_t absent;		/* bit n: this processor does not raise it */
	uint64_t sum;			/* over the events due = over the events taken */
	uint64_t irq_taken, irq_sum, irq_in_shadow;
	uint64_t nmi_taken, in_nmi;
	uint64_t msi_taken;
	uint64_t provoking, under_way;	/* which one; it is not over yet */
	uint64_t soft_rip;		/* while INT n, INT3 or INT1 is due: its address */
	struct tally tally[PROVOKED_COUNT];
	uint64_t wrongs;
	struct wrong wrong[WRONG_LOG];	/* the first ones */
};

_Static_assert(sizeof(struct guest_shared) <= 4096, "one page");

/* The running checksum: order matters, and so does every bit. */
static inline uint64_t mix(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15;
	return sum ^ sum >> 29;
}

#endif /* __ASSEMBLER__ */
#endif /* MOVES_GUEST_H */
