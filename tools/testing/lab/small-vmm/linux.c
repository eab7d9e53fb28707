// SPDX-License-Identifier: GPL-2.0-only
/*
 * linux.c - a bzImage in memory, and the processor at its 32-bit entry.
 *
 * Linux's x86 boot protocol, version 2.06 and later: the setup header is part
 * of the "zero page", the rest of the file goes to 1 MiB and begins in
 * protected mode with flat segments and paging off.
 */
#include <asm/bootparam.h>
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "vmm.h"

#define SECTOR		512
#define MAGIC		0x53726448	/* "HdrS" */
#define LOADER_UNKNOWN	0xff
#define E820_MEMORY	1
#define E820_OTHER	2

static size_t read_at(uint8_t *to, size_t room, const char *path, off_t from)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t got;

	if (fd < 0)
		err(1, "%s", path);
	while ((got = pread(fd, to + have, room - have, from + have)) > 0)
		have += got;
	if (got < 0 || have == room)
		err(1, "%s: cannot be read, or is too long", path);
	close(fd);
	return have;
}

static void add_range(struct boot_params *params, uint64_t first, uint64_t end, uint32_t type)
{
	params->e820_table[params->e820_entries++] = (struct boot_e820_entry){
		.addr = first, .size = end - first, .type = type,
	};
}

static void load_kernel(uint8_t *memory, struct boot_params *params, const char *path)
{
	uint8_t *image = memory + KERNEL;
	size_t setup;

	/* all of it first, to find out how long its first part is */
	read_at(image, INITRD - KERNEL, path, 0);
	memcpy(&params->hdr, image + offsetof(struct boot_params, hdr), sizeof(params->hdr));
	if (params->hdr.header != MAGIC || params->hdr.version < 0x206)
		errx(1, "%s: not a bzImage", path);
	setup = ((params->hdr.setup_sects ?: 4) + 1) * SECTOR;
	memset(image, 0, INITRD - KERNEL);
	read_at(image, INITRD - KERNEL, path, setup);
}

void linux_load(uint8_t *memory, const char *kernel, const char *initrd, const char *command_line)
{
	struct boot_params *params = (void *)(memory + ZERO_PAGE);

	load_kernel(memory, params, kernel);
	strcpy((char *)memory + COMMAND_LINE, command_line);
	params->hdr.type_of_loader = LOADER_UNKNOWN;
	params->hdr.loadflags &= ~QUIET_FLAG;
	params->hdr.cmd_line_ptr = COMMAND_LINE;
	params->hdr.ramdisk_image = INITRD;
	params->hdr.ramdisk_size = read_at(memory + INITRD, MEMORY_BYTES - INITRD, initrd, 0);
	add_range(params, 0, 0x9f000, E820_MEMORY);
	add_range(params, TABLES, TABLES + TABLES_BYTES, E820_OTHER);
	add_range(params, KERNEL, MEMORY_BYTES, E820_MEMORY);
}

static struct kvm_segment flat(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.selector = selector, .limit = 0xffffffff, .type = type, .present = 1, .s = 1,
		.db = 1, .g = 1,
	};
}

void linux_entry(struct kvm_sregs *sregs, struct kvm_regs *regs)
{
	sregs->cs = flat(BOOT_CS, 11);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = flat(BOOT_DS, 3);
	sregs->cr0 |= 1;
	memset(regs, 0, sizeof(*regs));
	regs->rflags = 2;
	regs->rip = KERNEL;
	regs->rsi = ZERO_PAGE;
}
