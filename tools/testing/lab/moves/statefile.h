/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file a stopped machine is kept in: memory, vCPU, devices.  Next: statefile.c.
 *
 * It is one that another host can load, of either vendor: what is in it is the KVM ABI's structs,
 * each under the name of the ioctl that reads it.
 */
#ifndef MOVES_STATEFILE_H
#define MOVES_STATEFILE_H

#include <stddef.h>
#include "vm.h"

#define STATE_VERSION	2

/**
 * struct state_part - a record: something under a name
 * @name: up to 31 characters
 * @at: what is written, or where it is read to
 * @bytes: how many; a file in which it has another size is refused
 */
struct state_part {
	const char *name;
	void *at;
	size_t bytes;
};

/**
 * state_write - make a file of these records
 * Return: 0, or -1 with errno; the file then does not exist under this name
 */
int state_write(const char *path, const struct state_part *parts, unsigned int count);

/**
 * state_read - read all of these records, or none
 * @error: on failure, what is wrong with the file; room for 160 characters
 *
 * The whole file is checked first: its length, version and checksum, and that each of @parts is in
 * it once, with its size, and nothing else.  Until then nothing is written to where @parts point.
 *
 * Return: 0 or -1
 */
int state_read(const char *path, const struct state_part *parts, unsigned int count, char *error);

#endif /* MOVES_STATEFILE_H */
