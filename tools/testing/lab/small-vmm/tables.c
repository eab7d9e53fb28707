// SPDX-License-Identifier: GPL-2.0-only
/*
 * tables.c - the MultiProcessor tables, version 1.4: processors, one ISA bus,
 * one IOAPIC, and how interrupts are wired.
 *
 * Written by offset: the entries are packed, and of 8 or 20 bytes.
 */
#include <string.h>
#include "vmm.h"

#define CONFIGURATION	(TABLES + 0x100)
#define HEADER_BYTES	44
#define LAPIC_ADDRESS	0xfee00000
#define IOAPIC_ADDRESS	0xfec00000
#define LAPIC_VERSION	0x14
#define IOAPIC_VERSION	0x11
#define ISA_LINES	16

enum entry { ENTRY_PROCESSOR, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_INTERRUPT, ENTRY_LOCAL };
enum interrupt { INTERRUPT_VECTORED, INTERRUPT_NMI, INTERRUPT_SMI, INTERRUPT_EXTINT };

struct table {
	uint8_t *at;
	unsigned int entries;
};

static void put16(uint8_t *at, uint16_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static uint8_t *begin(struct table *table, enum entry kind, unsigned int bytes)
{
	uint8_t *at = table->at;

	at[0] = kind;
	table->at += bytes;
	table->entries++;
	return at;
}

static void add_processor(struct table *table, unsigned int id)
{
	uint8_t *at = begin(table, ENTRY_PROCESSOR, 20);

	at[1] = id;
	at[2] = LAPIC_VERSION;
	at[3] = id ? 1 : 3;			/* enabled; the boot processor */
	put32(at + 4, 0x600);			/* family 6 */
	put32(at + 8, 0x201);			/* an FPU, an APIC */
}

static void add_bus(struct table *table)
{
	memcpy(begin(table, ENTRY_BUS, 8) + 2, "ISA   ", 6);
}

static void add_ioapic(struct table *table, unsigned int id)
{
	uint8_t *at = begin(table, ENTRY_IOAPIC, 8);

	at[1] = id;
	at[2] = IOAPIC_VERSION;
	at[3] = 1;				/* usable */
	put32(at + 4, IOAPIC_ADDRESS);
}

static void add_interrupt(struct table *table, enum entry kind, enum interrupt interrupt,
			  unsigned int line, unsigned int destination, unsigned int pin)
{
	uint8_t *at = begin(table, kind, 8);

	at[1] = interrupt;
	at[5] = line;
	at[6] = destination;
	at[7] = pin;
}

static uint8_t sum(const uint8_t *bytes, size_t count)
{
	uint8_t total = 0;

	while (count--)
		total += *bytes++;
	return -total;
}

static void write_header(uint8_t *header, const struct table *table)
{
	size_t bytes = table->at - header;

	memcpy(header, "PCMP", 4);
	put16(header + 4, bytes);
	header[6] = 4;				/* version 1.4 */
	memcpy(header + 8, "INTACT  SMALL VMM   ", 20);
	put16(header + 34, table->entries);
	put32(header + 36, LAPIC_ADDRESS);
	header[7] = sum(header, bytes);
}

static void write_pointer(uint8_t *pointer)
{
	memcpy(pointer, "_MP_", 4);
	put32(pointer + 4, CONFIGURATION);
	pointer[8] = 1;				/* of 16 bytes */
	pointer[9] = 4;
	pointer[10] = sum(pointer, 16);
}

void tables_write(uint8_t *memory, unsigned int processors)
{
	uint8_t *header = memory + CONFIGURATION;
	struct table table = { .at = header + HEADER_BYTES };
	unsigned int i;

	for (i = 0; i < processors; i++)
		add_processor(&table, i);
	add_bus(&table);
	add_ioapic(&table, processors);
	for (i = 0; i < ISA_LINES; i++)
		if (i != 2)
			add_interrupt(&table, ENTRY_INTERRUPT, INTERRUPT_VECTORED, i, processors,
				      i);
	add_interrupt(&table, ENTRY_LOCAL, INTERRUPT_EXTINT, 0, 0, 0);
	add_interrupt(&table, ENTRY_LOCAL, INTERRUPT_NMI, 0, 0xff, 1);
	write_header(header, &table);
	write_pointer(memory + TABLES);
}
