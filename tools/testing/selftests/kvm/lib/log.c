// SPDX-License-Identifier: GPL-2.0-only
/*
 * log.c - reading what the guest's handlers wrote, and telling them what to do
 * besides writing.  The handlers are in guest.S.
 */
#include <stdio.h>
#include "kvm_lib.h"

unsigned int log_count(struct vm *vm)
{
	uint32_t count;

	memcpy(&count, vm->mem + CTRL_COUNT, sizeof(count));
	return count;
}

struct record *log_at(struct vm *vm, unsigned int index)
{
	return (struct record *)(vm->mem + LOG) + index;
}

void log_clear(struct vm *vm)
{
	memset(vm->mem + CTRL_COUNT, 0, sizeof(uint32_t));
	memset(vm->mem + LOG, 0, LOG_ENTRIES << LOG_SHIFT);
}

/**
 * log_is() - is this entry what it should be?
 * @vm: the VM
 * @index: number of the entry
 * @vector: the handler that ran
 * @ec: the error code on its stack, or NO_EC for none
 * @rip: the RIP on its stack, or ANY_RIP
 */
bool log_is(struct vm *vm, unsigned int index, unsigned int vector, int64_t ec, uint64_t rip)
{
	struct record *record = log_at(vm, index);

	if (index >= log_count(vm) || record->vector != vector)
		return false;
	if (record->has_ec != (ec != NO_EC) || (ec != NO_EC && record->ec != (uint64_t)ec))
		return false;
	return rip == ANY_RIP || record->rip == rip;
}

/* The log for people. */
const char *log_text(struct vm *vm)
{
	static char text[2048];
	unsigned int i, count = log_count(vm);
	int n = snprintf(text, sizeof(text), "log of %u", count);

	for (i = 0; i < count && i < 8; i++) {
		struct record *r = log_at(vm, i);

		n += snprintf(text + n, sizeof(text) - n, " [%#llx",
			      (unsigned long long)r->vector);
		if (r->has_ec)
			n += snprintf(text + n, sizeof(text) - n, " ec %#llx",
				      (unsigned long long)r->ec);
		n += snprintf(text + n, sizeof(text) - n,
			      " rip %#llx rflags %#llx rsp %#llx cr2 %#llx dr6 %#llx]",
			      (unsigned long long)r->rip, (unsigned long long)r->rflags,
			      (unsigned long long)r->rsp, (unsigned long long)r->cr2,
			      (unsigned long long)r->dr6);
	}
	return text;
}

/* The handler returns this many bytes further on. */
void handler_skip(struct vm *vm, unsigned int vector, unsigned int bytes)
{
	vm->mem[CTRL_SKIP + vector] = bytes;
}

/* The handler calls guest code at @address; 0 for none. */
void handler_hook(struct vm *vm, unsigned int vector, uint64_t address)
{
	memcpy(vm->mem + CTRL_HOOK + 8 * vector, &address, sizeof(address));
}
