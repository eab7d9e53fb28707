// SPDX-License-Identifier: GPL-2.0-only
/*
 * next.c - the kernel that comes after a panic, loaded for it.
 *
 * kexec_load(2) leaves the boot protocol to its caller, and keeps no checksums; the other call
 * does, over all of the kernel and twice, which an emulated processor needs minutes for.  The
 * next kernel gets what was reserved for it (crashkernel=), and the first 640 KiB, where
 * processors start.
 */
#include <asm/bootparam.h>
#include <err.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/kexec.h>
#include "next.h"

#define SECTOR		512
#define PAGE		4096UL
#define LOW_END		0xa0000
#define ENTRY_64	0x200		/* from the kernel's beginning */
#define LOADER_UNKNOWN	0xff

enum { E820_MEMORY = 1, E820_OTHER, E820_ACPI };

/* What the kernel begins to run with: RSI, and where to go. */
struct start {
	uint8_t mov_rsi[2];		/* mov $parameters, %rsi */
	uint64_t parameters;
	uint8_t mov_rax[2];		/* mov $entry, %rax */
	uint64_t entry;
	uint8_t jmp_rax[2];		/* jmp *%rax */
} __attribute__((packed));

/* One part of the reserved memory. */
struct last_page {
	struct boot_params parameters;
	char command_line[1024];
	struct start start;
};

struct file {
	char *bytes;
	size_t size;
};

static struct file whole(const char *path)
{
	struct file file = { 0 };
	struct stat about;
	size_t have = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &about))
		err(1, "%s", path);
	file.size = about.st_size;
	file.bytes = malloc(file.size);
	while (have < file.size && (got = read(fd, file.bytes + have, file.size - have)) > 0)
		have += got;
	if (have < file.size)
		errx(1, "%s: cannot be read", path);
	close(fd);
	return file;
}

static uint64_t up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static void add_range(struct boot_params *params, uint64_t first, uint64_t end, uint32_t type)
{
	if (params->e820_entries == E820_MAX_ENTRIES_ZEROPAGE || first >= end)
		return;
	params->e820_table[params->e820_entries++] = (struct boot_e820_entry){
		.addr = first, .size = end - first, .type = type,
	};
}

/* The machine as /proc/iomem has it, with no more memory than is ours; where that begins. */
static uint64_t add_memory(struct boot_params *params)
{
	FILE *map = fopen("/proc/iomem", "r");
	unsigned long first, last;
	uint64_t reserved = 0;
	char line[128], *name;

	if (!map)
		err(1, "/proc/iomem");
	add_range(params, 0, LOW_END, E820_MEMORY);
	while (fgets(line, sizeof(line), map)) {
		name = strstr(line, " : ");
		if (!name || sscanf(line, "%lx-%lx", &first, &last) != 2)
			continue;
		if (strstr(name, "Crash kernel")) {
			reserved = first;
			add_range(params, first, last + 1, E820_MEMORY);
		} else if (*line != ' ' && strstr(name, "ACPI")) {
			add_range(params, first, last + 1, E820_ACPI);
		} else if (*line != ' ' && strstr(name, "Reserved") && first >= LOW_END) {
			add_range(params, first, last + 1, E820_OTHER);
		}
	}
	fclose(map);
	if (!reserved)
		errx(1, "no memory is reserved for another kernel");
	return reserved;
}

/**
 * next_load() - Have another kernel start when this one panics.
 * @kernel: path of a bzImage that runs at every multiple of 2 MiB
 * @initrd: path of its initial file system
 * @command_line: of less than 1024 bytes
 *
 * Ends the program if that is not possible.
 */
void next_load(const char *kernel, const char *initrd, const char *command_line)
{
	struct file image = whole(kernel), files = whole(initrd);
	struct kexec_segment segments[3];
	struct last_page *last;
	uint64_t base, at, setup;

	last = aligned_alloc(PAGE, up(sizeof(*last), PAGE));
	if (!last)
		err(1, "memory");
	memset(last, 0, sizeof(*last));
	if (image.size < sizeof(last->parameters) ||
	    strlen(command_line) >= sizeof(last->command_line))
		errx(1, "%s: too short, or its command line too long", kernel);
	memcpy(&last->parameters.hdr, image.bytes + offsetof(struct boot_params, hdr),
	       sizeof(last->parameters.hdr));
	setup = (last->parameters.hdr.setup_sects + 1) * SECTOR;
	base = up(add_memory(&last->parameters), last->parameters.hdr.kernel_alignment);

	segments[0] = (struct kexec_segment){
		.buf = image.bytes + setup, .bufsz = image.size - setup,
		.mem = (void *)base, .memsz = up(last->parameters.hdr.init_size, PAGE),
	};
	at = base + segments[0].memsz;
	segments[1] = (struct kexec_segment){
		.buf = files.bytes, .bufsz = files.size,
		.mem = (void *)at, .memsz = up(files.size, PAGE),
	};
	last->parameters.hdr.ramdisk_image = at;
	last->parameters.hdr.ramdisk_size = files.size;
	at += segments[1].memsz;
	segments[2] = (struct kexec_segment){
		.buf = last, .bufsz = sizeof(*last),
		.mem = (void *)at, .memsz = up(sizeof(*last), PAGE),
	};
	last->parameters.hdr.type_of_loader = LOADER_UNKNOWN;
	last->parameters.hdr.cmd_line_ptr = at + offsetof(struct last_page, command_line);
	strcpy(last->command_line, command_line);
	last->start = (struct start){
		.mov_rsi = { 0x48, 0xbe }, .parameters = at,
		.mov_rax = { 0x48, 0xb8 }, .entry = base + ENTRY_64,
		.jmp_rax = { 0xff, 0xe0 },
	};
	if (syscall(SYS_kexec_load, at + offsetof(struct last_page, start), 3UL, segments,
		    KEXEC_ON_CRASH))
		err(1, "kexec_load");
}
