/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm.h - one virtual machine, as small as the measurements allow: with one processor and no
 * interrupt controller in the kernel, or with two and all of them.
 *
 * Next: guest.S and guest-irq.S for the code that runs in it, bench.h for what is measured.
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
#define READY		BENCH_VALUE(0xa000)
#define GUEST_CODE	BENCH_VALUE(0x10000)
#define GUEST_STACK	BENCH_VALUE(0x30000)
#define FRESH		BENCH_VALUE(0x4000000)
#define FRESH_PAGES	1024
#define HUGE		BENCH_VALUE(0x8000000)
#define HUGE_PAGES	16
#define FAR_AWAY	BENCH_VALUE(0xd0000000)
#define KICK_ADDRESS	BENCH_VALUE(0xd0001000)

#define PORT		0x80
#define KICK_PORT	0x90
#define LEVEL_PIN	10
#define IRQFD_GSI	24

/* Of a controller in userspace; of those in the kernel, by how the handler ends the service. */
#define IRQ_VECTOR	0x20
#define X2APIC_VECTOR	0x31
#define XAPIC_VECTOR	0x32
#define LEVEL_VECTOR	0x33

#ifndef __ASSEMBLER__
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct vm - the virtual machine that is measured
 * @vcpu: its first processor, whose KVM_RUN is this thread's
 * @second: the other one, with controllers
 * @memory: from address 0 on
 * @fresh: FRESH_PAGES small pages at FRESH
 * @huge: HUGE_PAGES of 2 MiB at HUGE
 */
struct vm {
	int kvm, fd, vcpu, second;
	struct kvm_run *run, *second_run;
	uint8_t *memory;
	uint8_t *fresh;
	uint8_t *huge;
};

extern struct vm vm;

void fail(const char *what) __attribute__((noreturn));
void must_ioctl(int fd, unsigned long request, void *argument, const char *what);

/* @chips: controllers in the kernel, and a second processor.  The last VM goes away. */
void vm_create(bool chips);

/* Takes a slot away and brings it back, so that none of its pages is mapped for the guest. */
void vm_fresh_memory(void);
void vm_fresh_huge_memory(void);
void vm_log_dirty(bool on);
void vm_get_dirty_log(void);

/* Both begin with nothing pending or masked, and @regs but for RIP, RSP and RFLAGS. */
void vm_start_at(const void *code, uint64_t rcx);
void vm_start_with(const void *code, struct kvm_regs regs);
void vm_start_second(const void *code, struct kvm_regs regs);

/* One KVM_RUN that has to end in this exit. */
void vm_run(uint32_t exit_reason);

/* guest.S: the start and end of what is copied to GUEST_CODE, and the entries in it. */
extern const uint8_t guest_start[], guest_end[];
extern const uint8_t guest_idle[], guest_pio[], guest_mmio_write[], guest_mmio_read[];
extern const uint8_t guest_loop[], guest_cpuid[], guest_rdmsr[], guest_touch[], guest_write[];
extern const uint8_t guest_nmi[], guest_page_fault[], guest_irq[];

/* guest-irq.S, which is copied behind it. */
extern const uint8_t guest_x2apic_irq[], guest_xapic_irq[], guest_level_irq[];
extern const uint8_t guest_self_x2apic[], guest_self_xapic[];
extern const uint8_t guest_ping_x2apic[], guest_pong_x2apic[], guest_ping_xapic[];
extern const uint8_t guest_pong_xapic[], guest_deadline[], guest_oneshot[];
extern const uint8_t guest_sleeper[], guest_level[], guest_kick_pio[], guest_kick_mmio[];
extern const uint8_t guest_virtio[];

uint64_t guest_address(const void *code);
#endif
#endif
