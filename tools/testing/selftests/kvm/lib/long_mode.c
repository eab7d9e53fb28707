// SPDX-License-Identifier: GPL-2.0-only
/*
 * long_mode.c - the first state of a test's guest: page tables, descriptor
 * tables and the registers that put a vCPU into 64-bit mode at CPL 0.
 *
 * Facts from the AMD64 manual, volume 2: 4.8 (descriptors), 5.3 (page tables),
 * 12.2.5 (the 64-bit TSS).  Where things lie is in layout.h.
 */
#include "kvm_lib.h"

#define PTE_P	0x01ULL
#define PTE_W	0x02ULL
#define PTE_U	0x04ULL
#define PTE_PS	0x80ULL
#define PTE_ALL	(PTE_P | PTE_W | PTE_U)

#define GATE_INTERRUPT	0x8e
#define GATE_DPL3	0x60
#define GATE_PRESENT	0x80

#define TSS_LIMIT	0x67

#define CR0_BITS	0x80010033ULL	/* PG WP NE ET MP PE */
#define CR4_BITS	0x00000620ULL	/* OSXMMEXCPT OSFXSR PAE */
#define EFER_BITS	0x00000501ULL	/* LMA LME SCE */

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};

static void put64(uint8_t *mem, uint64_t address, uint64_t value)
{
	memcpy(mem + address, &value, sizeof(value));
}

static void map_first_gigabyte(uint8_t *mem)
{
	unsigned int i;

	put64(mem, PML4, PDPT | PTE_ALL);
	put64(mem, PDPT, PD | PTE_ALL);
	put64(mem, PD, PT | PTE_ALL);
	for (i = 1; i < 512; i++)
		put64(mem, PD + 8 * i, i * 0x200000ULL | PTE_PS | PTE_ALL);
	for (i = 0; i < 512; i++)
		put64(mem, PT + 8 * i, i * 0x1000ULL | PTE_ALL);
}

static void fill_gdt(uint8_t *mem)
{
	put64(mem, GDT + SEL_CODE, 0x00af9b000000ffffULL);
	put64(mem, GDT + SEL_DATA, 0x00cf93000000ffffULL);
	put64(mem, GDT + SEL_CODE32, 0x00cf9b000000ffffULL);
	put64(mem, GDT + SEL_TSS, 0x00008b0000000067ULL | (uint64_t)TSS << 16);
	put64(mem, GDT + SEL_TSS + 8, 0);
	put64(mem, GDT + (SEL_USER_DATA & ~7), 0x00cff3000000ffffULL);
	put64(mem, GDT + (SEL_USER_CODE & ~7), 0x00affb000000ffffULL);
}

static void fill_tss(uint8_t *mem)
{
	unsigned int i;

	put64(mem, TSS + 4, IST_TOP(0));
	for (i = 1; i <= 7; i++)
		put64(mem, TSS + 28 + 8 * i, IST_TOP(i));
	/* the map of I/O permissions begins behind the limit: there is none */
	put64(mem, TSS + 96, (TSS_LIMIT + 1ULL) << 48);
}

static void fill_idt(uint8_t *mem)
{
	unsigned int i;

	for (i = 0; i < 256; i++) {
		struct gate gate = {
			.offset_low = STUB(i),
			.selector = SEL_CODE,
			.type = GATE_INTERRUPT | GATE_DPL3,
			.offset_middle = STUB(i) >> 16,
		};

		memcpy(mem + IDT + i * sizeof(gate), &gate, sizeof(gate));
	}
}

/* Everything the processor reads from memory, into zeroed memory. */
void long_mode_tables(uint8_t *mem)
{
	map_first_gigabyte(mem);
	fill_gdt(mem);
	fill_tss(mem);
	fill_idt(mem);
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.l = code,
		.db = !code,
		.g = 1,
	};
}

void long_mode_sregs(struct kvm_sregs *sregs)
{
	struct kvm_segment data = flat(SEL_DATA, 3, false);

	sregs->cs = flat(SEL_CODE, 11, true);
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.base = TSS, .limit = TSS_LIMIT, .selector = SEL_TSS, .type = 11, .present = 1,
	};
	sregs->ldt = (struct kvm_segment){ .unusable = 1 };
	sregs->gdt = (struct kvm_dtable){ .base = GDT, .limit = 0x4f };
	sregs->idt = (struct kvm_dtable){ .base = IDT, .limit = 0xfff };
	sregs->cr0 = CR0_BITS;
	sregs->cr2 = 0;
	sregs->cr3 = PML4;
	sregs->cr4 = CR4_BITS;
	sregs->efer = EFER_BITS;
}

static struct gate *gate_of(struct vm *vm, unsigned int vector)
{
	return (struct gate *)(vm->mem + IDT) + vector;
}

/* Clears the present bit of a vector's gate. */
void idt_absent(struct vm *vm, unsigned int vector)
{
	gate_of(vm, vector)->type &= ~GATE_PRESENT;
}

/* Makes a vector switch to the stack at IST_TOP(ist); 0 for none. */
void idt_ist(struct vm *vm, unsigned int vector, unsigned int ist)
{
	gate_of(vm, vector)->ist = ist;
}

/* The guest's own page table entry of an address below 2 MiB. */
uint64_t *pte_of(struct vm *vm, uint64_t address)
{
	return (uint64_t *)(vm->mem + PT) + (address >> 12);
}

/*
 * Starts @code with RDI pointing to the entry of its own page, and in RSI an entry that leads to a
 * copy, with other two bytes at @at.  RBX: a device, RDX: a port.
 */
int vm_start_exchange(struct vm *vm, uint64_t code, uint64_t at, const char *bytes)
{
	uint64_t page = at & ~0xfffULL;
	struct kvm_regs regs;

	if ((code & ~0xfffULL) != page)
		return -EINVAL;
	memcpy(vm->mem + DATA, vm->mem + page, 0x1000);
	memcpy(vm->mem + DATA + (at - page), bytes, 2);
	vm_start(vm, code, 0);
	if (vcpu_ioctl(vm, KVM_GET_REGS, &regs))
		return -EIO;
	regs.rbx = MMIO;
	regs.rdx = PORT_DATA;
	regs.rdi = PT + 8 * (page >> 12);
	regs.rsi = *pte_of(vm, page) - page + DATA;
	return vcpu_ioctl(vm, KVM_SET_REGS, &regs);
}
