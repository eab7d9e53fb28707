// SPDX-License-Identifier: GPL-2.0-only
/*
 * stats.c - reading the statistics of a VM or a vCPU out of KVM_GET_STATS_FD,
 * and the host's own out of /proc.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "kvm_lib.h"

/* False: the file is too short, or its names are longer than any that we know. */
bool stat_header(int stats, struct kvm_stats_header *header)
{
	return pread(stats, header, sizeof(*header), 0) == sizeof(*header) &&
	       header->name_size <= STAT_NAME;
}

/* The description of statistic @i. */
bool stat_desc(int stats, const struct kvm_stats_header *header, unsigned int i,
	       struct stat_desc *out)
{
	size_t size = sizeof(out->desc) + header->name_size;
	off_t at = header->desc_offset + i * size;

	memset(out, 0, sizeof(*out));
	if (pread(stats, &out->desc, sizeof(out->desc), at) != sizeof(out->desc) ||
	    pread(stats, out->name, header->name_size, at + sizeof(out->desc)) !=
	    (ssize_t)header->name_size)
		return false;
	out->at = header->data_offset + out->desc.offset;
	return true;
}

static long find(int stats, const char *name)
{
	struct kvm_stats_header header;
	struct stat_desc desc;
	uint64_t value;

	if (!stat_header(stats, &header))
		return -1;
	for (unsigned int i = 0; i < header.num_desc; i++) {
		if (!stat_desc(stats, &header, i, &desc))
			return -1;
		if (!strcmp(desc.name, name))
			return pread(stats, &value, sizeof(value), desc.at) == sizeof(value) ?
			       (long)value : -1;
	}
	return -1;
}

/* The value of a statistic of this VM or vCPU; -1 where there is none of that name. */
long stat_of(int fd, const char *name)
{
	int stats = ioctl(fd, KVM_GET_STATS_FD, NULL);
	long value = stats < 0 ? -1 : find(stats, name);

	if (stats >= 0)
		close(stats);
	return value;
}

/* A number of a file of /proc that has lines of "name number", or 0. */
unsigned long number_of(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	unsigned long number = 0;
	char line[256];

	while (file && !number && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			number = strtoul(line + strlen(name), NULL, 10);
	if (file)
		fclose(file);
	return number;
}
