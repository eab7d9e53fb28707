/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm.h - what the parts of the small VMM share.
 *
 * vmm.c has the KVM calls, the processors' threads and the one device, linux.c
 * the kernel and how it is started, tables.c what firmware would have left.
 */
#ifndef SMALL_VMM_H
#define SMALL_VMM_H

#include <stddef.h>
#include <stdint.h>

#define MEMORY_BYTES	(256ul << 20)

/* Where things are in the guest's memory. */
#define ZERO_PAGE	0x7000
#define COMMAND_LINE	0x20000
#define GDT		0x6000
#define TABLES		0xf0000		/* to the end of the first MiB: the BIOS's */
#define TABLES_BYTES	0x10000
#define KERNEL		0x100000
#define INITRD		0x8000000

/* The segments that the boot protocol asks for. */
#define BOOT_CS		0x10
#define BOOT_DS		0x18

struct kvm_sregs;
struct kvm_regs;

/* Put the kernel, its parameters and the initramfs into @memory. */
void linux_load(uint8_t *memory, const char *kernel, const char *initrd, const char *command_line);

/* Registers of the boot processor at the kernel's 32-bit entry. */
void linux_entry(struct kvm_sregs *sregs, struct kvm_regs *regs);

/* A MultiProcessor configuration of @processors; the interrupts are wired as KVM's default is. */
void tables_write(uint8_t *memory, unsigned int processors);

#endif /* SMALL_VMM_H */
