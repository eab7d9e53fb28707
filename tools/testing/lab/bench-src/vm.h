/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm.h - one virtual machine with one processor, as small as the measurements allow.
 *
 * Next: guest.S for the code that runs in it, bench.c for what is measured.
 */
#ifndef BENCH_VM_H
#define BENCH_VM_H

#ifdef __ASSEMBLER__
#define BENCH_VALUE(n) n
#else
#define BENCH_VALUE(n) n##UL
#endif

/* Guest-physical addresses. All are mapped one to one; from FAR_AWAY on there is no memory. */
#define GUEST_SIZE	BENCH_VALUE(0x200000)
#define GUEST_TABLES	BENCH_VALUE(0x1000)
#define GUEST_GDT	BENCH_VALUE(0x8000)
#define GUEST_IDT	BENCH_VALUE(0x9000)
#define GUEST_CODE	BENCH_VALUE(0x10000)
#define GUEST_STACK	BENCH_VALUE(0x30000)
#define FRESH		BENCH_VALUE(0x4000000)
#define FRESH_PAGES	1024
#define FAR_AWAY	BENCH_VALUE(0xd0000000)

#define PORT		0x80
#define IRQ_VECTOR	0x20

#ifndef __ASSEMBLER__
#include <linux/kvm.h>
#include <stdint.h>

struct vm {
	int kvm, fd, vcpu;
	struct kvm_run *run;
	uint8_t *memory;
	uint8_t *fresh;
};

extern struct vm vm;

void fail(const char *what) __attribute__((noreturn));
void must_ioctl(int fd, unsigned long request, void *argument, const char *what);

void vm_create(void);
void vm_fresh_memory(void);
void vm_start_at(const void *code, uint64_t rcx);

/* One KVM_RUN that has to end in this exit. */
void vm_run(uint32_t exit_reason);

/* guest.S: the start and end of what is copied to GUEST_CODE, and the entries in it. */
extern const uint8_t guest_start[], guest_end[];
extern const uint8_t guest_idle[], guest_pio[], guest_mmio_write[], guest_mmio_read[];
extern const uint8_t guest_loop[], guest_cpuid[], guest_rdmsr[], guest_touch[];
extern const uint8_t guest_nmi[], guest_page_fault[], guest_irq[];

uint64_t guest_address(const void *code);
#endif
#endif
