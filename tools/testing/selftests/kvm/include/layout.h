/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * layout.h - where things lie in the memory of a test's guest, and the ports
 * by which the guest talks to its test.
 *
 * Read by C and by the assembler.  Virtual and physical addresses are the
 * same: the first 2 MiB are mapped by 4 KiB pages, the rest of the first GiB
 * by 2 MiB pages.  Memory ends at MEM_SIZE; what lies above it and is touched
 * comes out as MMIO.  lib/long_mode.c builds the tables, lib/guest.S is the
 * code that runs there.
 */
#ifndef SELFTESTS_KVM_LAYOUT_H
#define SELFTESTS_KVM_LAYOUT_H

#define MEM_SIZE	0x200000

#define PML4		0x1000
#define PDPT		0x2000
#define PD		0x3000
#define PT		0x4000
#define GDT		0x5000
#define TSS		0x5800
#define IDT		0x6000

/* The control page of the handlers: see lib/guest.S. */
#define CTRL_PAGE	0x7000
#define CTRL_COUNT	(CTRL_PAGE + 0x000)
#define CTRL_SKIP	(CTRL_PAGE + 0x100)
#define CTRL_HOOK	(CTRL_PAGE + 0x800)

#define LOG		0x8000
#define LOG_ENTRIES	256
#define LOG_SHIFT	7

#define CODE		0x10000
#define CODE_SIZE	0x20000

/* Of machines with interrupt controllers: see lib/machine.c. */
#define APIC_PD		0x30000		/* of the fourth GiB, where the controllers are */
#define START_PAGE	0x31000		/* where a start-up IPI leads to */
#define SCRIPT(cpu)	(0x32000 + (cpu) * 0x1000)
#define COUNTS(cpu)	(0x36000 + (cpu) * 0x1000)
#define ORDER		0x3a000
#define ORDER_BYTES	(ORDER + 0x100)
#define EOI_BY		0x3b000		/* enum eoi_by */
#define TWICE		0x3b008
#define EARLY		0x3b010
#define WORD(n)		(0x3b100 + 8 * (n))
#define CPU_STACK(cpu)	(0xa1000 + (cpu) * 0x1000)

#define DATA		0x40000
#define DATA_SIZE	0x40000
#define STACK		0x81000
#define STACK_TOP	0x82000
#define IST_TOP(n)	(0x90000 + (n) * 0x2000)

#define MMIO		0x10000000

#define LAPIC_PAGE	0xfee00000
#define IOAPIC_PAGE	0xfec00000

#define SEL_CODE	0x08
#define SEL_DATA	0x10
#define SEL_CODE32	0x18
#define SEL_TSS		0x28
#define SEL_USER_DATA	0x3b
#define SEL_USER_CODE	0x43

#define PORT_DONE	0xd0
#define PORT_MARK	0xd1
#define PORT_PANIC	0xd2
#define PORT_DATA	0xd4

#endif
