// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file of named records: a header, and for each record its name, its size and its bytes.
 *
 *	offset 0	"KVMstate"
 *	8		u32 version
 *	12		u32 number of records
 *	16		u64 bytes of the file
 *	24		u32 CRC-32 of all that follows
 *	28		the records: 32 bytes of name, u64 size, the bytes, to a multiple of 8
 *
 * All numbers are little-endian, as is every host of KVM on x86.  Next: across.c, which says
 * what the records of a machine are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "statefile.h"

#define MAGIC		"KVMstate"
#define NAME_BYTES	32
#define ERROR_BYTES	160
#define ALIGNED(bytes)	(((bytes) + 7) & ~(size_t)7)

struct header {
	char magic[8];
	uint32_t version;
	uint32_t records;
	uint64_t bytes;
	uint32_t crc;
} __attribute__((packed));

struct record {
	char name[NAME_BYTES];
	uint64_t bytes;
} __attribute__((packed));

/* IEEE 802.3's: reflected, begun and ended with all ones. */
static uint32_t crc32(const uint8_t *at, size_t bytes)
{
	static uint32_t of_byte[256];
	uint32_t crc = ~0u;

	for (unsigned int i = 0; i < 256 && !of_byte[255]; i++) {
		uint32_t rest = i;

		for (int bit = 0; bit < 8; bit++)
			rest = rest >> 1 ^ (rest & 1 ? 0xedb88320 : 0);
		of_byte[i] = rest;
	}
	while (bytes--)
		crc = crc >> 8 ^ of_byte[(uint8_t)(crc ^ *at++)];
	return ~crc;
}

static size_t file_bytes(const struct state_part *parts, unsigned int count)
{
	size_t bytes = sizeof(struct header);

	for (unsigned int i = 0; i < count; i++)
		bytes += sizeof(struct record) + ALIGNED(parts[i].bytes);
	return bytes;
}

static void fill(uint8_t *file, size_t bytes, const struct state_part *parts, unsigned int count)
{
	struct header *header = (struct header *)file;
	uint8_t *at = file + sizeof(*header);

	for (unsigned int i = 0; i < count; i++) {
		struct record *record = (struct record *)at;

		strncpy(record->name, parts[i].name, NAME_BYTES - 1);
		record->bytes = parts[i].bytes;
		memcpy(record + 1, parts[i].at, parts[i].bytes);
		at += sizeof(*record) + ALIGNED(parts[i].bytes);
	}
	memcpy(header->magic, MAGIC, sizeof(header->magic));
	header->version = STATE_VERSION;
	header->records = count;
	header->bytes = bytes;
	header->crc = crc32(file + sizeof(*header), bytes - sizeof(*header));
}

/* Under another name first: a file that is there is whole. */
static int write_file(const char *path, const uint8_t *file, size_t bytes)
{
	char new[4096];
	int fd, error;

	if (snprintf(new, sizeof(new), "%s.new", path) >= (int)sizeof(new)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	while (bytes) {
		ssize_t done = write(fd, file, bytes);

		if (done < 0)
			break;
		file += done;
		bytes -= done;
	}
	error = close(fd) || bytes || rename(new, path);
	if (error)
		unlink(new);
	return error ? -1 : 0;
}

int state_write(const char *path, const struct state_part *parts, unsigned int count)
{
	size_t bytes = file_bytes(parts, count);
	uint8_t *file = calloc(1, bytes);
	int result;

	if (!file)
		return -1;
	fill(file, bytes, parts, count);
	result = write_file(path, file, bytes);
	free(file);
	return result;
}

static uint8_t *read_open_file(int fd, size_t *bytes)
{
	struct stat stat;
	uint8_t *file;

	if (fstat(fd, &stat) < 0)
		return NULL;
	file = malloc(stat.st_size + 1);
	if (file && read(fd, file, stat.st_size) == stat.st_size) {
		*bytes = stat.st_size;
		return file;
	}
	free(file);
	return NULL;
}

/* The whole file, with its size; NULL: @error says why. */
static uint8_t *read_file(const char *path, size_t *bytes, char *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *file = fd < 0 ? NULL : read_open_file(fd, bytes);

	if (!file)
		snprintf(error, ERROR_BYTES, "cannot be read: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return file;
}

static bool header_ok(const uint8_t *file, size_t bytes, char *error)
{
	const struct header *header = (const struct header *)file;

	if (bytes < sizeof(*header) || memcmp(header->magic, MAGIC, sizeof(header->magic)))
		snprintf(error, ERROR_BYTES, "is not the state of a machine");
	else if (header->version != STATE_VERSION)
		snprintf(error, ERROR_BYTES, "has version %u, and this program knows %u",
			 header->version, STATE_VERSION);
	else if (bytes < header->bytes)
		snprintf(error, ERROR_BYTES, "is cut short: %zu bytes of %llu", bytes,
			 (unsigned long long)header->bytes);
	else if (bytes > header->bytes)
		snprintf(error, ERROR_BYTES, "has %llu bytes too many",
			 (unsigned long long)(bytes - header->bytes));
	else if (crc32(file + sizeof(*header), bytes - sizeof(*header)) != header->crc)
		snprintf(error, ERROR_BYTES, "is damaged: its checksum does not agree");
	else
		return true;
	return false;
}

/* The record of this name, or NULL. @end: of the file */
static const struct record *find(const uint8_t *file, const uint8_t *end, const char *name)
{
	const uint8_t *at = file + sizeof(struct header);

	while ((size_t)(end - at) >= sizeof(struct record)) {
		const struct record *record = (const struct record *)at;
		size_t room = end - at - sizeof(*record);

		if (record->bytes > room || ALIGNED(record->bytes) > room)
			return NULL;
		if (!strncmp(record->name, name, NAME_BYTES))
			return record;
		at += sizeof(*record) + ALIGNED(record->bytes);
	}
	return NULL;
}

static bool part_ok(const uint8_t *file, size_t bytes, const struct state_part *part, char *error)
{
	const struct record *record = find(file, file + bytes, part->name);

	if (!record)
		snprintf(error, ERROR_BYTES, "has no %s", part->name);
	else if (record->bytes != part->bytes)
		snprintf(error, ERROR_BYTES, "has %s with %llu bytes, and not %zu", part->name,
			 (unsigned long long)record->bytes, part->bytes);
	else
		return true;
	return false;
}

static bool file_ok(const uint8_t *file, size_t bytes, const struct state_part *parts,
		    unsigned int count, char *error)
{
	if (!header_ok(file, bytes, error))
		return false;
	for (unsigned int i = 0; i < count; i++)
		if (!part_ok(file, bytes, &parts[i], error))
			return false;
	/* each is there, with its size: what more there is nobody has asked for */
	if (((const struct header *)file)->records == count && bytes == file_bytes(parts, count))
		return true;
	snprintf(error, ERROR_BYTES, "has records that this program does not know");
	return false;
}

int state_read(const char *path, const struct state_part *parts, unsigned int count, char *error)
{
	size_t bytes = 0;
	uint8_t *file = read_file(path, &bytes, error);
	bool ok = file && file_ok(file, bytes, parts, count, error);

	for (unsigned int i = 0; ok && i < count; i++)
		memcpy(parts[i].at, find(file, file + bytes, parts[i].name) + 1, parts[i].bytes);
	free(file);
	return ok ? 0 : -1;
}
