// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware task switches of a 32-bit guest: by JMP, CALL and IRET, by gates in the GDT and in the
 * IDT, with all that is stored, loaded and marked on the way, and the faults before and behind the
 * point where the new task begins.  SDM vol. 3, chapter 8.
 */
#include <cpuid.h>
#include "kvm_test.h"

/* QEMU's TCG does not exit for a task switch: it makes one of its own, which differs. */
static bool has_exits(void)
{
	unsigned int eax, name[3] = { 0 };

	__cpuid(0x40000000, eax, name[0], name[1], name[2]);
	return memcmp(name, "TCGTCGTCGTCG", sizeof(name)) != 0;
}

FIXTURE(task_switch) {
	struct vm vm[1];
};

FIXTURE_SETUP(task_switch)
{
	if (!has_exits())
		SKIP(_exit(255), "this host does not intercept task switches");
	VM_SETUP(self->vm, 0);
}

FIXTURE_TEARDOWN(task_switch)
{
	vm_destroy(self->vm);
}

#define GDT32		DATA
#define IDT32		(DATA + 0x800)
#define LDT32		(DATA + 0x1000)
#define OLD_TSS		(DATA + 0x2000)
#define NEW_TSS		(DATA + 0x2100)
#define NEW_TSS16	(DATA + 0x2200)
#define OLD_PAGES	(DATA + 0x4000)		/* a directory, and a table of the first 4 MiB */
#define NEW_PAGES	(DATA + 0x6000)
#define NEW_STACK	(DATA + 0x9000)
#define NEW_STACK0	(DATA + 0xa000)
#define TSS_ACROSS	(DATA + 0xbfd0)		/* a TSS on two pages */

#define S_CODE		0x08
#define S_DATA		0x10
#define S_OLD		0x18
#define S_NEW		0x20
#define S_GATE		0x28
#define S_LDT		0x30
#define S_CODE3		0x3b
#define S_DATA3		0x43
#define S_SPARE		0x48
#define S_NEW16		0x50
#define S_OLD16		0x58
#define S_IN_LDT	0x0c
#define S_BEYOND	0x1f8
#define GDT32_LIMIT	0x7f

#define ACCESS_CODE	0x9a
#define ACCESS_DATA	0x92
#define ACCESS_LDT	0x82
#define ACCESS_TSS16	0x81
#define ACCESS_TSS	0x89
#define BUSY		0x02
#define ACCESSED	0x01
#define DPL3		0x60
#define PRESENT		0x80
#define FLAT		0xc			/* of pages, 32-bit */

#define GATE_TASK	0x85
#define GATE_INT32	0x8e

#define EFLAGS_NT	0x4000U
#define EFLAGS_VM	0x20000U
#define EFLAGS_IOPL3	0x3000U
#define CR0_PE		0x11ULL
#define CR0_TS		0x8ULL
#define CR0_PG		(1ULL << 31)
#define DR6_BT		0x8000ULL
#define DR6_BS		0x4000ULL

#define V_DB		1
#define V_NMI		2
#define V_DF		8
#define V_TS		10
#define V_NP		11
#define V_SS		12
#define V_GP		13
#define V_PF		14
#define V_IRQ		0x41

struct tss32 {
	uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	uint32_t gpr[8];
	uint32_t es, cs, ss, ds, fs, gs, ldt;
	uint16_t trap, iomap;
	uint8_t bits[0x20];
};

struct tss16 {
	uint16_t link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags;
	uint16_t gpr[8];
	uint16_t es, cs, ss, ds, ldt;
};

/* What the old task does */
GUEST(by_jmp, ".code32\nljmp $" STR(S_NEW) ", $0\nby_jmp_end:\n" OUT_DONE);
LABEL(by_jmp_end);
GUEST(by_call, ".code32\nlcall $" STR(S_NEW) ", $0\nby_call_end:\n" OUT_DONE);
LABEL(by_call_end);
GUEST(by_jmp_gate, ".code32\nljmp $" STR(S_GATE) ", $0\nby_jmp_gate_end:\n" OUT_DONE);
LABEL(by_jmp_gate_end);
GUEST(by_call_gate, ".code32\nlcall $" STR(S_GATE) ", $0\nby_call_gate_end:\n" OUT_DONE);
LABEL(by_call_gate_end);
GUEST(by_jmp16, ".code32\nljmp $" STR(S_NEW16) ", $0\n" OUT_DONE);
GUEST(by_int, ".code32\nint $" STR(V_IRQ) "\nby_int_end:\n" OUT_DONE);
LABEL(by_int_end);
GUEST(by_gp, ".code32\nmov $" STR(S_BEYOND) ", %eax\nby_gp_itself: mov %eax, %ds\n" OUT_DONE);
LABEL(by_gp_itself);
GUEST(by_iret, ".code32\niret\nby_iret_end:\n" OUT_DONE);
LABEL(by_iret_end);
GUEST(waits, ".code32\nwaits_again:\n" OUT_DONE "jmp waits_again");

/* What the new task does: it says so, and goes back */
GUEST(new_task, ".code32\n" OUT_MARK "new_task_iret: iret\nnew_task_again:\n" OUT_MARK);
LABEL(new_task_iret);
LABEL(new_task_again);
GUEST(new_pop, ".code32\n" OUT_MARK "add $4, %esp\niret\n");
GUEST(new_nmi, ".code32\n" OUT_MARK "new_nmi_2:\n" OUT_DONE "iret\njmp new_nmi");
GUEST(new16, ".code32\n" OUT_MARK);
GUEST(new_v86, ".code16\n" OUT_MARK);

/* A handler: EAX is the vector, EBX the error code, ECX and EDX where it comes from */
#define HANDLER(name, vector)						\
	GUEST(name, ".code32\nmov $" STR(vector) ", %eax\npop %ebx\n"	\
	      "mov (%esp), %ecx\nmov 4(%esp), %edx\nout %al, $" STR(PORT_DATA) "\n")
HANDLER(on_df, V_DF);
HANDLER(on_ts, V_TS);
HANDLER(on_np, V_NP);
HANDLER(on_ss, V_SS);
HANDLER(on_gp, V_GP);
HANDLER(on_pf, V_PF);
GUEST(on_db,
	".code32\n"
	"mov $1, %eax\n"
	"mov (%esp), %ecx\n"
	"mov 4(%esp), %edx\n"
	"mov %dr6, %ebx\n"
	"out %al, $" STR(PORT_DATA) "\n");

static void put64(struct vm *vm, uint64_t at, uint64_t value)
{
	memcpy(vm->mem + at, &value, sizeof(value));
}

static void descriptor(struct vm *vm, unsigned int selector, uint32_t base, uint32_t limit,
		       unsigned int access, unsigned int flags)
{
	put64(vm, GDT32 + (selector & ~7),
	      (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
	      (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)flags << 52 |
	      (uint64_t)(base >> 24) << 56);
}

/* The byte that says present, type and busy */
static uint8_t *access_of(struct vm *vm, unsigned int selector)
{
	return vm->mem + GDT32 + (selector & ~7) + 5;
}

static void gate(struct vm *vm, unsigned int vector, uint64_t offset)
{
	put64(vm, IDT32 + 8 * vector, (offset & 0xffff) | S_CODE << 16 |
	      (uint64_t)GATE_INT32 << 40 | (offset >> 16) << 48);
}

static void task_gate(struct vm *vm, uint64_t at, unsigned int selector)
{
	put64(vm, at, (uint64_t)selector << 16 | (uint64_t)GATE_TASK << 40);
}

static struct tss32 *old_tss(struct vm *vm)
{
	return (void *)(vm->mem + OLD_TSS);
}

static struct tss32 *new_tss(struct vm *vm)
{
	return (void *)(vm->mem + NEW_TSS);
}

static void fill_new(struct tss32 *tss)
{
	unsigned int i;

	*tss = (struct tss32){
		.ss0 = S_DATA, .esp0 = NEW_STACK0, .eip = GA(new_task), .eflags = 0x2,
		.es = S_DATA, .cs = S_CODE, .ss = S_DATA, .ds = S_DATA, .fs = S_DATA,
		.iomap = offsetof(struct tss32, bits), .cr3 = NEW_PAGES,
	};
	for (i = 0; i < 8; i++)
		tss->gpr[i] = 0x11111111 * (i + 1);
	tss->gpr[4] = NEW_STACK;
}

static void fill_new16(struct vm *vm)
{
	struct tss16 *tss = (void *)(vm->mem + NEW_TSS16);
	unsigned int i;

	*tss = (struct tss16){
		.ip = GA(new16) - CODE, .flags = 0x2, .es = S_DATA, .cs = S_SPARE, .ss = S_DATA,
		.ds = S_DATA,
	};
	for (i = 0; i < 8; i++)
		tss->gpr[i] = 0x1111 * (i + 1);
	descriptor(vm, S_SPARE, CODE, 0xffff, ACCESS_CODE, FLAT & 4);
}

static void fill_tables(struct vm *vm)
{
	descriptor(vm, S_CODE, 0, 0xfffff, ACCESS_CODE, FLAT);
	descriptor(vm, S_DATA, 0, 0xfffff, ACCESS_DATA, FLAT);
	descriptor(vm, S_OLD, OLD_TSS, 0x67, ACCESS_TSS | BUSY, 0);
	descriptor(vm, S_NEW, NEW_TSS, sizeof(struct tss32) - 1, ACCESS_TSS, 0);
	descriptor(vm, S_NEW16, NEW_TSS16, 0x2b, ACCESS_TSS16, 0);
	descriptor(vm, S_LDT, LDT32, 0x0f, ACCESS_LDT, 0);
	descriptor(vm, S_CODE3, 0, 0xfffff, ACCESS_CODE | DPL3, FLAT);
	descriptor(vm, S_DATA3, 0, 0xfffff, ACCESS_DATA | DPL3, FLAT);
	task_gate(vm, GDT32 + S_GATE, S_NEW);
	put64(vm, LDT32 + (S_IN_LDT & ~7), 0x00cf92000000ffffULL);
	gate(vm, V_DB, GA(on_db));
	gate(vm, V_DF, GA(on_df));
	gate(vm, V_TS, GA(on_ts));
	gate(vm, V_NP, GA(on_np));
	gate(vm, V_SS, GA(on_ss));
	gate(vm, V_GP, GA(on_gp));
	gate(vm, V_PF, GA(on_pf));
	fill_new(new_tss(vm));
	fill_new16(vm);
}

static struct kvm_segment segment(unsigned int selector, unsigned int type, unsigned int s)
{
	return (struct kvm_segment){
		.selector = selector, .type = type, .s = s, .present = 1, .limit = 0xffffffff,
		.db = 1, .g = 1,
	};
}

/* The old task, in 32-bit mode without paging */
static int start_old(struct vm *vm, const uint8_t *code, uint64_t rflags)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rax = 0xa0a0a0a0, .rcx = 0xc1c1c1c1, .rdx = 0xd2d2d2d2, .rbx = 0xb3b3b3b3,
		.rsp = STACK_TOP, .rbp = 0xb5b5b5b5, .rsi = 0x56565656, .rdi = 0xd7d7d7d7,
		.rip = GA(code), .rflags = RFLAGS_FIXED | rflags,
	};
	int err = vcpu_ioctl(vm, KVM_GET_SREGS, &sregs);

	sregs.cs = segment(S_CODE, 0xb, 1);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment(S_DATA, 0x3, 1);
	sregs.tr = (struct kvm_segment){
		.selector = S_OLD, .base = OLD_TSS, .limit = 0x67, .type = 0xb, .present = 1,
	};
	sregs.ldt = (struct kvm_segment){ .unusable = 1 };
	sregs.gdt = (struct kvm_dtable){ .base = GDT32, .limit = GDT32_LIMIT };
	sregs.idt = (struct kvm_dtable){ .base = IDT32, .limit = 0x7ff };
	sregs.efer = 0;
	sregs.cr0 = CR0_PE;
	sregs.cr3 = 0;
	sregs.cr4 = 0;
	err = err ?: vcpu_ioctl(vm, KVM_SET_SREGS, &sregs);
	return err ?: vcpu_ioctl(vm, KVM_SET_REGS, &regs);
}

static struct kvm_regs regs_of(struct vm *vm)
{
	struct kvm_regs regs = { 0 };

	vm_complete(vm);
	vcpu_ioctl(vm, KVM_GET_REGS, &regs);
	return regs;
}

static struct kvm_sregs sregs_of(struct vm *vm)
{
	struct kvm_sregs sregs = { 0 };

	vcpu_ioctl(vm, KVM_GET_SREGS, &sregs);
	return sregs;
}

#define EXPECT_OLD_SAVED(vm, at, flags)					\
do {									\
	struct tss32 *saved = old_tss(vm);				\
									\
	EXPECT_EQ((uint32_t)(at), saved->eip);				\
	EXPECT_EQ((uint32_t)(flags) | 2, saved->eflags);		\
	EXPECT_EQ(0xa0a0a0a0U, saved->gpr[0]);				\
	EXPECT_EQ(0xc1c1c1c1U, saved->gpr[1]);				\
	EXPECT_EQ(0xd2d2d2d2U, saved->gpr[2]);				\
	EXPECT_EQ(0xb3b3b3b3U, saved->gpr[3]);				\
	EXPECT_EQ((uint32_t)STACK_TOP, saved->gpr[4]);			\
	EXPECT_EQ(0xb5b5b5b5U, saved->gpr[5]);				\
	EXPECT_EQ(0x56565656U, saved->gpr[6]);				\
	EXPECT_EQ(0xd7d7d7d7U, saved->gpr[7]);				\
	EXPECT_EQ(S_DATA, saved->es & 0xffff);				\
	EXPECT_EQ(S_CODE, saved->cs & 0xffff);				\
	EXPECT_EQ(S_DATA, saved->ss & 0xffff);				\
	EXPECT_EQ(S_DATA, saved->ds & 0xffff);				\
	EXPECT_EQ(S_DATA, saved->fs & 0xffff);				\
	EXPECT_EQ(S_DATA, saved->gs & 0xffff);				\
	EXPECT_EQ(0U, saved->cr3);					\
} while (0)

/* The new task is there, behind its OUT, with this much of its stack used */
#define EXPECT_NEW(vm, pushed, flags)					\
do {									\
	struct kvm_regs regs = regs_of(vm);				\
	struct kvm_sregs sregs = sregs_of(vm);				\
									\
	EXPECT_EQ(GA(new_task_iret), regs.rip);				\
	EXPECT_EQ((uint64_t)(flags) | 2, regs.rflags);			\
	EXPECT_EQ(0x11111111ULL, regs.rax);				\
	EXPECT_EQ(0x22222222ULL, regs.rcx);				\
	EXPECT_EQ(0x33333333ULL, regs.rdx);				\
	EXPECT_EQ(0x44444444ULL, regs.rbx);				\
	EXPECT_EQ(NEW_STACK - (pushed), regs.rsp);			\
	EXPECT_EQ(0x66666666ULL, regs.rbp);				\
	EXPECT_EQ(0x77777777ULL, regs.rsi);				\
	EXPECT_EQ(0x88888888ULL, regs.rdi);				\
	EXPECT_EQ(S_NEW, sregs.tr.selector);				\
	EXPECT_EQ((uint64_t)NEW_TSS, sregs.tr.base);			\
	EXPECT_EQ(sizeof(struct tss32) - 1, sregs.tr.limit);		\
	EXPECT_EQ(0xb, sregs.tr.type);					\
	EXPECT_EQ(S_CODE, sregs.cs.selector);				\
	EXPECT_EQ(S_DATA, sregs.ss.selector);				\
	EXPECT_EQ(0, sregs.gs.selector);				\
	EXPECT_EQ(CR0_TS, sregs.cr0 & CR0_TS);				\
	EXPECT_EQ(ACCESS_CODE | ACCESSED, *access_of(vm, S_CODE));	\
	EXPECT_EQ(ACCESS_DATA | ACCESSED, *access_of(vm, S_DATA));	\
} while (0)

#define EXPECT_BUSY(vm, old, new)					\
do {									\
	EXPECT_EQ(old, *access_of(vm, S_OLD) & BUSY);			\
	EXPECT_EQ(new, *access_of(vm, S_NEW) & BUSY);			\
} while (0)

/* A handler of CPL 0 says: this vector, error code, from there */
#define ASSERT_FAULT(vm, vector, error, at, selector)			\
do {									\
	struct kvm_regs fault;						\
									\
	ASSERT_OUT(vm, PORT_DATA);					\
	fault = regs_of(vm);						\
	EXPECT_EQ((uint64_t)(vector), fault.rax);			\
	EXPECT_EQ((uint64_t)(error), fault.rbx);			\
	EXPECT_EQ((uint64_t)(at), fault.rcx);				\
	EXPECT_EQ((uint64_t)(selector), fault.rdx & 0xffff);		\
} while (0)

TEST_F(task_switch, jmp)
{
	struct kvm_debugregs debugregs = { .dr6 = DR6_INIT, .dr7 = 0x7ff };

	fill_tables(self->vm);
	new_tss(self->vm)->link = 0x1234;
	ASSERT_EQ(0, start_old(self->vm, by_jmp, 1));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &debugregs));
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_NEW(self->vm, 0, 0);
	EXPECT_OLD_SAVED(self->vm, GA(by_jmp_end), 1);
	EXPECT_BUSY(self->vm, 0, BUSY);
	EXPECT_EQ(0x1234U, new_tss(self->vm)->link);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &debugregs));
	EXPECT_EQ(0x6aaULL, debugregs.dr7 & 0x6ff);
}

TEST_F(task_switch, call_and_iret)
{
	struct kvm_regs regs;

	fill_tables(self->vm);
	ASSERT_EQ(0, start_old(self->vm, by_call, 0));
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_NEW(self->vm, 0, EFLAGS_NT);
	EXPECT_OLD_SAVED(self->vm, GA(by_call_end), 0);
	EXPECT_BUSY(self->vm, BUSY, BUSY);
	EXPECT_EQ((uint32_t)S_OLD, new_tss(self->vm)->link & 0xffff);

	ASSERT_OUT(self->vm, PORT_DONE);
	regs = regs_of(self->vm);
	EXPECT_EQ(0xa0a0a0a0ULL, regs.rax);
	EXPECT_EQ(STACK_TOP, regs.rsp);
	EXPECT_EQ(2ULL, regs.rflags);
	EXPECT_EQ(S_OLD, sregs_of(self->vm).tr.selector);
	EXPECT_EQ(0xb, sregs_of(self->vm).tr.type);
	EXPECT_BUSY(self->vm, BUSY, 0);
	EXPECT_EQ((uint32_t)GA(new_task_again), new_tss(self->vm)->eip);
	EXPECT_EQ(2U, new_tss(self->vm)->eflags);
}

TEST_F(task_switch, gates_in_the_gdt)
{
	fill_tables(self->vm);
	ASSERT_EQ(0, start_old(self->vm, by_jmp_gate, 0));
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_NEW(self->vm, 0, 0);
	EXPECT_OLD_SAVED(self->vm, GA(by_jmp_gate_end), 0);
	EXPECT_BUSY(self->vm, 0, BUSY);

	fill_tables(self->vm);
	ASSERT_EQ(0, start_old(self->vm, by_call_gate, 0));
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_NEW(self->vm, 0, EFLAGS_NT);
	EXPECT_OLD_SAVED(self->vm, GA(by_call_gate_end), 0);
	EXPECT_BUSY(self->vm, BUSY, BUSY);
}

TEST_F(task_switch, to_16_bits)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	fill_tables(self->vm);
	ASSERT_EQ(0, start_old(self->vm, by_jmp16, 0));
	ASSERT_OUT(self->vm, PORT_MARK);
	regs = regs_of(self->vm);
	sregs = sregs_of(self->vm);
	EXPECT_EQ(GA(new16) - CODE + 2, regs.rip);
	EXPECT_EQ(0x1111ULL, regs.rax & 0xffff);
	EXPECT_EQ(0x8888ULL, regs.rdi & 0xffff);
	EXPECT_EQ(S_SPARE, sregs.cs.selector);
	EXPECT_EQ(0, sregs.fs.selector);
	EXPECT_EQ(0, sregs.gs.selector);
	EXPECT_EQ(S_NEW16, sregs.tr.selector);
	EXPECT_EQ(3, sregs.tr.type);
	EXPECT_EQ(0, *access_of(self->vm, S_OLD) & BUSY);
	EXPECT_EQ(BUSY, *access_of(self->vm, S_NEW16) & BUSY);
}

/* The old task is one of 16 bits: no more than that is saved */
TEST_F(task_switch, from_16_bits)
{
	struct tss16 *tss = (void *)(self->vm->mem + OLD_TSS);
	struct kvm_sregs sregs;

	fill_tables(self->vm);
	descriptor(self->vm, S_OLD, OLD_TSS, 0x2b, ACCESS_TSS16 | BUSY, 0);
	ASSERT_EQ(0, start_old(self->vm, by_jmp, 0));
	sregs = sregs_of(self->vm);
	sregs.tr.type = 3;
	sregs.tr.limit = 0x2b;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	memset(tss, 0x5a, 0x68);
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_NEW(self->vm, 0, 0);
	EXPECT_EQ((uint16_t)GA(by_jmp_end), tss->ip);
	EXPECT_EQ(2, tss->flags);
	EXPECT_EQ(0xa0a0, tss->gpr[0]);
	EXPECT_EQ(0xd7d7, tss->gpr[7]);
	EXPECT_EQ(S_DATA, tss->es);
	EXPECT_EQ(S_CODE, tss->cs);
	EXPECT_EQ(S_DATA, tss->ds);
	EXPECT_EQ(0x5a5a, tss->ldt);
	EXPECT_EQ(0x5a, self->vm->mem[OLD_TSS + 0x2c]);
}

/* The error code of a fault is on the new task's stack, and the fault's own state in the old TSS */
TEST_F(task_switch, fault_by_a_task_gate)
{
	uint32_t error;

	fill_tables(self->vm);
	task_gate(self->vm, IDT32 + 8 * V_GP, S_NEW);
	ASSERT_EQ(0, start_old(self->vm, by_gp, 0));
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_NEW(self->vm, 4, EFLAGS_NT);
	memcpy(&error, self->vm->mem + NEW_STACK - 4, sizeof(error));
	EXPECT_EQ((uint32_t)S_BEYOND, error);
	EXPECT_EQ((uint32_t)GA(by_gp_itself), old_tss(self->vm)->eip);
	EXPECT_EQ((uint32_t)S_BEYOND, old_tss(self->vm)->gpr[0]);
	EXPECT_EQ((uint32_t)RFLAGS_RF | 2, old_tss(self->vm)->eflags);
	EXPECT_BUSY(self->vm, BUSY, BUSY);
}

/* A task of its own for #DF is what task gates are for; the old stack is of no use here */
TEST_F(task_switch, double_fault)
{
	uint32_t error = 1;

	fill_tables(self->vm);
	task_gate(self->vm, IDT32 + 8 * V_DF, S_NEW);
	*(self->vm->mem + IDT32 + 8 * V_GP + 5) &= ~PRESENT;
	*(self->vm->mem + IDT32 + 8 * V_NP + 5) &= ~PRESENT;
	memcpy(self->vm->mem + NEW_STACK - 4, &error, sizeof(error));
	ASSERT_EQ(0, start_old(self->vm, by_gp, 0));
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_NEW(self->vm, 4, EFLAGS_NT);
	memcpy(&error, self->vm->mem + NEW_STACK - 4, sizeof(error));
	EXPECT_EQ(0U, error);
	EXPECT_EQ((uint32_t)GA(by_gp_itself), old_tss(self->vm)->eip);
}

TEST_F(task_switch, int_n)
{
	fill_tables(self->vm);
	task_gate(self->vm, IDT32 + 8 * V_IRQ, S_NEW);
	ASSERT_EQ(0, start_old(self->vm, by_int, 0));
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_NEW(self->vm, 0, EFLAGS_NT);
	EXPECT_OLD_SAVED(self->vm, GA(by_int_end), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_BUSY(self->vm, BUSY, 0);
}

/* An interrupt comes once, and the interrupted task goes on */
TEST_F(task_switch, interrupt)
{
	struct kvm_vcpu_events events;

	fill_tables(self->vm);
	task_gate(self->vm, IDT32 + 8 * V_IRQ, S_NEW);
	ASSERT_EQ(0, start_old(self->vm, waits, RFLAGS_IF));
	ASSERT_EQ(0, vm_interrupt(self->vm, V_IRQ));
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_NEW(self->vm, 0, EFLAGS_NT);
	EXPECT_OLD_SAVED(self->vm, GA(waits), RFLAGS_IF);
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(0, events.interrupt.injected);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_BUSY(self->vm, BUSY, 0);
}

/* NMIs are masked until the IRET that goes back */
TEST_F(task_switch, nmi)
{
	struct kvm_vcpu_events events;

	fill_tables(self->vm);
	task_gate(self->vm, IDT32 + 8 * V_NMI, S_NEW);
	new_tss(self->vm)->eip = GA(new_nmi);
	ASSERT_EQ(0, start_old(self->vm, waits, 0));
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_EQ(0, vm_complete(self->vm));
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(1, events.nmi.masked);
	EXPECT_EQ(0, events.nmi.injected);
	EXPECT_EQ(0, events.nmi.pending);
	ASSERT_EQ(0, vm_nmi(self->vm));
	/* the second waits for the IRET of the first, and finds the task where that has left it */
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vm_complete(self->vm));
	EXPECT_EQ(S_NEW, sregs_of(self->vm).tr.selector);
	ASSERT_OUT(self->vm, PORT_MARK);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vm_complete(self->vm));
	EXPECT_EQ(S_OLD, sregs_of(self->vm).tr.selector);
	ASSERT_EQ(0, events_get(self->vm, &events));
	EXPECT_EQ(0, events.nmi.masked);
}

/* Faults before the switch are the old task's, and nothing has changed */
TEST_F(task_switch, refused)
{
	static const struct {
		const uint8_t *code;
		unsigned int access, limit;
		unsigned int vector, error;
	} rows[] = {
		{ by_jmp, ACCESS_TSS | BUSY, 0x67, V_GP, S_NEW },
		{ by_call, ACCESS_TSS | BUSY, 0x67, V_GP, S_NEW },
		{ by_jmp_gate, ACCESS_TSS | BUSY, 0x67, V_GP, S_NEW },
		{ by_jmp, ACCESS_TSS & ~PRESENT, 0x67, V_NP, S_NEW },
		{ by_call_gate, ACCESS_TSS & ~PRESENT, 0x67, V_NP, S_NEW },
		{ by_jmp, ACCESS_TSS, 0x66, V_TS, S_NEW },
		{ by_call, ACCESS_TSS16, 0x2a, V_TS, S_NEW },
		{ by_int, ACCESS_TSS | BUSY, 0x67, V_GP, S_NEW },
		{ by_int, ACCESS_TSS & ~PRESENT, 0x67, V_NP, S_NEW },
		{ by_iret, ACCESS_TSS, 0x67, V_TS, S_NEW },
	};
	struct kvm_sregs sregs;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fill_tables(self->vm);
		task_gate(self->vm, IDT32 + 8 * V_IRQ, S_NEW);
		descriptor(self->vm, S_NEW, NEW_TSS, rows[i].limit, rows[i].access, 0);
		*old_tss(self->vm) = (struct tss32){ .link = S_NEW };
		ASSERT_EQ(0, start_old(self->vm, rows[i].code,
				       rows[i].code == by_iret ? EFLAGS_NT : 0));
		ASSERT_FAULT(self->vm, rows[i].vector, rows[i].error, GA(rows[i].code), S_CODE);
		sregs = sregs_of(self->vm);
		EXPECT_EQ(S_OLD, sregs.tr.selector);
		EXPECT_EQ(0ULL, sregs.cr0 & CR0_TS);
		EXPECT_EQ(0U, old_tss(self->vm)->eip);
		EXPECT_EQ(rows[i].access, *access_of(self->vm, S_NEW));
		EXPECT_EQ(BUSY, *access_of(self->vm, S_OLD) & BUSY);
	}
}

enum field { F_CS, F_SS, F_DS, F_ES, F_FS, F_GS, F_LDT };

static void set_field(struct tss32 *tss, enum field field, uint32_t selector)
{
	uint32_t *const fields[] = {
		[F_CS] = &tss->cs, [F_SS] = &tss->ss, [F_DS] = &tss->ds, [F_ES] = &tss->es,
		[F_FS] = &tss->fs, [F_GS] = &tss->gs, [F_LDT] = &tss->ldt,
	};

	*fields[field] = selector;
}

/* Faults behind the switch are the new task's, which has not begun */
TEST_F(task_switch, segments)
{
	static const struct {
		enum field field;
		uint32_t selector;
		unsigned int access;		/* of S_SPARE */
		unsigned int vector, error;
	} rows[] = {
		{ F_LDT, S_BEYOND, 0, V_TS, S_BEYOND },
		{ F_LDT, S_DATA, 0, V_TS, S_DATA },
		{ F_LDT, S_IN_LDT, 0, V_TS, S_IN_LDT },
		{ F_LDT, S_SPARE, ACCESS_LDT & ~PRESENT, V_TS, S_SPARE },
		{ F_SS, 0, 0, V_TS, 0 },
		{ F_SS, S_BEYOND | 3, 0, V_TS, S_BEYOND },
		{ F_SS, S_DATA | 3, 0, V_TS, S_DATA },
		{ F_SS, S_DATA3 & ~3, 0, V_TS, S_DATA3 & ~3 },
		{ F_SS, S_SPARE | 3, (ACCESS_DATA | DPL3) & ~PRESENT, V_SS, S_SPARE },
		{ F_SS, S_SPARE | 3, (ACCESS_DATA & ~2) | DPL3, V_TS, S_SPARE },
		{ F_DS, S_BEYOND, 0, V_TS, S_BEYOND },
		{ F_ES, S_SPARE, (ACCESS_DATA | DPL3) & ~PRESENT, V_NP, S_SPARE },
		{ F_FS, S_SPARE, ACCESS_DATA, V_TS, S_SPARE },
		{ F_GS, S_SPARE, (ACCESS_CODE & ~2) | DPL3, V_TS, S_SPARE },
		{ F_GS, S_LDT, 0, V_TS, S_LDT },
	};
	struct kvm_sregs sregs;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fill_tables(self->vm);
		descriptor(self->vm, S_SPARE, 0, 0xfffff, rows[i].access, FLAT);
		new_tss(self->vm)->cs = S_CODE3;
		new_tss(self->vm)->ss = S_DATA3;
		new_tss(self->vm)->ds = new_tss(self->vm)->es = new_tss(self->vm)->fs = S_DATA3;
		set_field(new_tss(self->vm), rows[i].field, rows[i].selector);
		ASSERT_EQ(0, start_old(self->vm, by_jmp, 0));
		ASSERT_FAULT(self->vm, rows[i].vector, rows[i].error, GA(new_task), S_CODE3);
		sregs = sregs_of(self->vm);
		EXPECT_EQ(S_NEW, sregs.tr.selector);
		EXPECT_EQ(CR0_TS, sregs.cr0 & CR0_TS);
		EXPECT_OLD_SAVED(self->vm, GA(by_jmp_end), 0);
		EXPECT_BUSY(self->vm, 0, BUSY);
	}
}

TEST_F(task_switch, code_segment)
{
	static const struct {
		uint32_t selector;
		unsigned int access;
		unsigned int vector, error;
	} rows[] = {
		{ S_BEYOND, 0, V_TS, S_BEYOND },
		{ S_DATA, 0, V_TS, S_DATA },
		{ S_SPARE, ACCESS_CODE & ~PRESENT, V_NP, S_SPARE },
		{ S_SPARE, ACCESS_CODE | DPL3, V_TS, S_SPARE },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fill_tables(self->vm);
		descriptor(self->vm, S_SPARE, 0, 0xfffff, rows[i].access, FLAT);
		new_tss(self->vm)->cs = rows[i].selector;
		/* a task to tell of it: the new one may have no stack yet */
		fill_new((void *)(self->vm->mem + OLD_TSS + 0x400));
		descriptor(self->vm, S_OLD16, OLD_TSS + 0x400, 0x67, ACCESS_TSS, 0);
		task_gate(self->vm, IDT32 + 8 * rows[i].vector, S_OLD16);
		ASSERT_EQ(0, start_old(self->vm, by_jmp, 0));
		ASSERT_OUT(self->vm, PORT_MARK);
		EXPECT_EQ(S_OLD16, sregs_of(self->vm).tr.selector);
		EXPECT_EQ((uint64_t)NEW_STACK - 4, regs_of(self->vm).rsp);
		EXPECT_EQ(rows[i].error, *(uint32_t *)(self->vm->mem + NEW_STACK - 4));
		EXPECT_EQ(rows[i].selector, new_tss(self->vm)->cs);
		EXPECT_EQ((uint32_t)GA(new_task), new_tss(self->vm)->eip);
	}
}

TEST_F(task_switch, beyond_the_code)
{
	fill_tables(self->vm);
	descriptor(self->vm, S_SPARE, 0, GA(new_task) - 1, ACCESS_CODE, FLAT & 4);
	new_tss(self->vm)->cs = S_SPARE;
	ASSERT_EQ(0, start_old(self->vm, by_jmp, 0));
	ASSERT_FAULT(self->vm, V_GP, 0, GA(new_task), S_SPARE);
}

TEST_F(task_switch, ldt_and_user)
{
	struct kvm_sregs sregs;

	fill_tables(self->vm);
	new_tss(self->vm)->cs = S_CODE3;
	new_tss(self->vm)->ss = S_DATA3;
	new_tss(self->vm)->es = new_tss(self->vm)->fs = 0;
	new_tss(self->vm)->ldt = S_LDT;
	new_tss(self->vm)->ds = S_IN_LDT | 3;
	new_tss(self->vm)->eflags |= EFLAGS_IOPL3;
	*(self->vm->mem + LDT32 + (S_IN_LDT & ~7) + 5) |= DPL3;
	ASSERT_EQ(0, start_old(self->vm, by_jmp, 0));
	ASSERT_OUT(self->vm, PORT_MARK);
	sregs = sregs_of(self->vm);
	EXPECT_EQ(S_CODE3, sregs.cs.selector);
	EXPECT_EQ(3, sregs.ss.dpl);
	EXPECT_EQ(S_LDT, sregs.ldt.selector);
	EXPECT_EQ((uint64_t)LDT32, sregs.ldt.base);
	EXPECT_EQ(S_IN_LDT | 3, sregs.ds.selector);
	EXPECT_EQ(3, sregs.ds.type);
	EXPECT_EQ(0, sregs.fs.selector);
}

TEST_F(task_switch, virtual_8086)
{
	struct kvm_sregs sregs;

	fill_tables(self->vm);
	new_tss(self->vm)->eflags |= EFLAGS_VM | EFLAGS_IOPL3;
	new_tss(self->vm)->cs = CODE >> 4;
	new_tss(self->vm)->eip = GA(new_v86) - CODE;
	new_tss(self->vm)->ss = 0x4321;
	new_tss(self->vm)->ds = 0x1234;
	ASSERT_EQ(0, start_old(self->vm, by_jmp, 0));
	ASSERT_OUT(self->vm, PORT_MARK);
	sregs = sregs_of(self->vm);
	EXPECT_EQ(CODE >> 4, sregs.cs.selector);
	EXPECT_EQ((uint64_t)CODE, sregs.cs.base);
	EXPECT_EQ(0x12340ULL, sregs.ds.base);
	EXPECT_EQ(0xffffU, sregs.ds.limit);
	EXPECT_EQ(0x43210ULL, sregs.ss.base);
	EXPECT_EQ((uint64_t)EFLAGS_VM, regs_of(self->vm).rflags & EFLAGS_VM);
}

/* The debug trap comes before the new task's first instruction */
TEST_F(task_switch, trap_flag)
{
	struct kvm_regs regs;

	fill_tables(self->vm);
	new_tss(self->vm)->trap = 1;
	ASSERT_EQ(0, start_old(self->vm, by_jmp, 0));
	ASSERT_OUT(self->vm, PORT_DATA);
	regs = regs_of(self->vm);
	EXPECT_EQ(1ULL, regs.rax);
	EXPECT_EQ(GA(new_task), regs.rcx);
	EXPECT_EQ(DR6_BT, regs.rbx & (DR6_BT | DR6_BS));
}

static void map(struct vm *vm, uint64_t directory)
{
	unsigned int i;
	uint32_t entry;

	entry = (directory + 0x1000) | 7;
	memcpy(vm->mem + directory, &entry, sizeof(entry));
	for (i = 0; i < 512; i++) {
		entry = i << 12 | 7;
		memcpy(vm->mem + directory + 0x1000 + 4 * i, &entry, sizeof(entry));
	}
}

static int start_paged(struct vm *vm, const uint8_t *code)
{
	struct kvm_sregs sregs;
	int err = start_old(vm, code, 0);

	map(vm, OLD_PAGES);
	map(vm, NEW_PAGES);
	err = err ?: vcpu_ioctl(vm, KVM_GET_SREGS, &sregs);
	sregs.cr0 |= CR0_PG;
	sregs.cr3 = OLD_PAGES;
	return err ?: vcpu_ioctl(vm, KVM_SET_SREGS, &sregs);
}

static void set_entry(struct vm *vm, uint64_t directory, uint64_t page, uint32_t entry)
{
	memcpy(vm->mem + directory + 0x1000 + 4 * (page >> 12), &entry, sizeof(entry));
}

TEST_F(task_switch, paging)
{
	fill_tables(self->vm);
	/* the new task's code is elsewhere, and so is the second page of its TSS */
	descriptor(self->vm, S_NEW, TSS_ACROSS, 0x67, ACCESS_TSS, 0);
	memcpy(self->vm->mem + TSS_ACROSS, new_tss(self->vm), 0x30);
	memcpy(self->vm->mem + 0x70000, (uint8_t *)new_tss(self->vm) + 0x30, 0x38);
	memcpy(self->vm->mem + 0x71000, self->vm->mem + (GA(new_task) & ~0xfffULL), 0x1000);
	ASSERT_EQ(0, start_paged(self->vm, by_jmp));
	set_entry(self->vm, OLD_PAGES, TSS_ACROSS + 0x1000, 0x70007);
	set_entry(self->vm, NEW_PAGES, GA(new_task), 0x71007);
	set_entry(self->vm, OLD_PAGES, NEW_STACK, 0);
	ASSERT_OUT(self->vm, PORT_MARK);
	EXPECT_EQ(GA(new_task_iret), regs_of(self->vm).rip);
	EXPECT_EQ((uint64_t)NEW_PAGES, sregs_of(self->vm).cr3);
	EXPECT_EQ(0x88888888ULL, regs_of(self->vm).rdi);
	EXPECT_EQ(0U, old_tss(self->vm)->cr3);
}

/* A TSS that is not there is the old task's fault, a GDT the new one's */
TEST_F(task_switch, page_faults)
{
	fill_tables(self->vm);
	descriptor(self->vm, S_NEW, TSS_ACROSS, 0x67, ACCESS_TSS, 0);
	ASSERT_EQ(0, start_paged(self->vm, by_jmp));
	set_entry(self->vm, OLD_PAGES, TSS_ACROSS + 0x1000, 0);
	ASSERT_FAULT(self->vm, V_PF, 0, GA(by_jmp), S_CODE);
	EXPECT_EQ((uint64_t)((TSS_ACROSS + 0x1000) & ~0xfffULL), sregs_of(self->vm).cr2);
	EXPECT_EQ(S_OLD, sregs_of(self->vm).tr.selector);

	fill_tables(self->vm);
	/* an error code that finds no stack */
	new_tss(self->vm)->cs = S_CODE3;
	new_tss(self->vm)->ss = S_DATA3;
	new_tss(self->vm)->ds = new_tss(self->vm)->es = new_tss(self->vm)->fs = S_DATA3;
	new_tss(self->vm)->gpr[4] = NEW_STACK + 0x80000;
	task_gate(self->vm, IDT32 + 8 * V_GP, S_NEW);
	ASSERT_EQ(0, start_paged(self->vm, by_gp));
	set_entry(self->vm, NEW_PAGES, NEW_STACK + 0x7f000, 0);
	ASSERT_FAULT(self->vm, V_PF, 6, GA(new_task), S_CODE3);
	EXPECT_EQ((uint64_t)NEW_STACK + 0x80000 - 4, sregs_of(self->vm).cr2);
	EXPECT_EQ(S_NEW, sregs_of(self->vm).tr.selector);
}

/* A debugger on the outside sees one step */
TEST_F(task_switch, stepped)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};

	fill_tables(self->vm);
	ASSERT_EQ(0, start_old(self->vm, by_jmp, 0));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_GUEST_DEBUG, &debug));
	ASSERT_EQ(KVM_EXIT_DEBUG, vm_run(self->vm)) {
		TH_LOG("%s", vm_why(self->vm));
	}
	EXPECT_EQ(GA(new_task), self->vm->run->debug.arch.pc);
	EXPECT_EQ(S_NEW, sregs_of(self->vm).tr.selector);
	EXPECT_EQ(2U, old_tss(self->vm)->eflags);
	EXPECT_EQ(2ULL, regs_of(self->vm).rflags);
}

TEST_HARNESS_MAIN
