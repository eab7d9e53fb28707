// SPDX-License-Identifier: GPL-2.0-only
/*
 * lengths.c - emu_decode() against a disassembler.
 *
 *   lengths sweep              a binary of every opcode to standard output, in slots
 *   lengths check BITS [slot]  reads objdump -d -w, compares the length of each
 *                              instruction; with "slot", of those at a slot's start
 */
#include <stdio.h>
#include <stdlib.h>

#include "../pure_user.h"
#include "../../../../arch/x86/kvm/emu/emu.h"

#define SLOT		20	/* bytes: the longest instruction, and NOPs to get into step */
#define MAX_BYTES	16

static const u8 maps[][3] = {
	{ 0 }, { 1, 0x0f }, { 2, 0x0f, 0x38 }, { 2, 0x0f, 0x3a },
};

static const u8 prefixes[][3] = {
	{ 0 }, { 1, 0x66 }, { 1, 0x67 }, { 1, 0xf2 }, { 1, 0xf3 }, { 1, 0x48 }, { 1, 0x41 },
	{ 2, 0x66, 0x67 }, { 2, 0x66, 0x48 }, { 2, 0x67, 0x4f }, { 2, 0x64, 0x66 }, { 1, 0x2e },
};

static const u8 vex_prefixes[][4] = {
	{ 2, 0xc5, 0xf8 }, { 2, 0xc5, 0xfd }, { 2, 0xc5, 0xf2 }, { 2, 0xc5, 0xfb },
	{ 3, 0xc4, 0xe1, 0x79 }, { 3, 0xc4, 0xe2, 0x79 }, { 3, 0xc4, 0xe2, 0xf5 },
	{ 3, 0xc4, 0xe2, 0x78 }, { 3, 0xc4, 0xe2, 0x7a }, { 3, 0xc4, 0xe3, 0x79 },
	{ 3, 0xc4, 0xe3, 0x7d }, { 3, 0xc4, 0xe3, 0x7b }, { 3, 0x8f, 0xe8, 0x78 },
	{ 3, 0x8f, 0xe9, 0x78 }, { 3, 0x8f, 0xea, 0x78 },
};

/* Every addressing form, in a few of the registers and groups */
static const u8 modrms[] = {
	0x00, 0x04, 0x05, 0x06, 0x0d, 0x44, 0x46, 0x84, 0x87, 0x90, 0xc0, 0xd8, 0xe4, 0xff,
};

static const u8 sibs[] = { 0x90, 0xa5 };

static void slot(const u8 *prefix, const u8 *map, u8 opcode, u8 modrm, u8 sib)
{
	u8 bytes[SLOT];
	unsigned int at = 0;

	memset(bytes, 0x90, sizeof(bytes));
	memcpy(bytes, prefix + 1, prefix[0]);
	at = prefix[0];
	memcpy(bytes + at, map + 1, map[0]);
	at += map[0];
	bytes[at++] = opcode;
	bytes[at++] = modrm;
	bytes[at++] = sib;
	fwrite(bytes, sizeof(bytes), 1, stdout);
}

static int sweep(void)
{
	static const u8 none[1];
	unsigned int map, op, p, m;

	for (map = 0; map < ARRAY_SIZE(maps); map++)
		for (op = 0; op < 256; op++)
			for (p = 0; p < ARRAY_SIZE(prefixes); p++)
				for (m = 0; m < ARRAY_SIZE(modrms); m += p ? 5 : 1)
					slot(prefixes[p], maps[map], op, modrms[m], sibs[m & 1]);
	for (p = 0; p < ARRAY_SIZE(vex_prefixes); p++)
		for (op = 0; op < 256; op++)
			for (m = 0; m < ARRAY_SIZE(modrms); m += 3)
				slot(vex_prefixes[p], none, op, modrms[m], sibs[m & 1]);
	for (p = 0; p < 8; p++)		/* groups: every modrm.reg */
		for (op = 0; op < 256; op++)
			slot(none, maps[0], op, p << 3 | 0x40, 0);
	return 0;
}

/*
 * What objdump sees otherwise than the manuals: (bad), of which it does not
 * tell a length; a prefix that it prints alone, because the instruction behind
 * has no use for it; and what only processors of other makes have had.
 */
static bool disassembler_differs(char *text)
{
	static const char *const strange[] = {
		"jmpe", "ud0", "ud1", "xstore", "xcrypt", "montmul", "xsha", ".byte",
	};
	static const char *const words[] = {
		"data16", "data32", "addr16", "addr32", "lock", "repz", "repnz", "rep", "cs", "ds",
		"es", "ss", "fs", "gs", "rex",
	};
	unsigned int i;
	char *word;

	if (strstr(text, "(bad)") || strstr(text, "%tr"))
		return true;
	for (word = strtok(text, " \t\n"); word; word = strtok(NULL, " \t\n")) {
		for (i = 0; i < ARRAY_SIZE(words); i++)
			if (!strcmp(word, words[i]) || !strncmp(word, "rex.", 4))
				break;
		if (i == ARRAY_SIZE(words))
			break;
	}
	for (i = 0; word && i < ARRAY_SIZE(strange); i++)
		if (!strncmp(word, strange[i], strlen(strange[i])))
			return true;
	return !word;
}

/* "   1f:\t0f a2 \tcpuid" : address, bytes, text */
static bool parse(char *line, unsigned long *at, u8 *bytes, unsigned int *len, char **text)
{
	char *p, *end;

	*at = strtoul(line, &p, 16);
	if (p == line || *p != ':')
		return false;
	p++;
	for (*len = 0; *len < MAX_BYTES; (*len)++) {
		unsigned long byte = strtoul(p, &end, 16);

		if (end == p || end - p > 4 || *end == '\t' || (*end != ' ' && *end != '\n'))
			break;
		bytes[*len] = byte;
		p = end;
	}
	while (*p == ' ' || *p == '\t')
		p++;
	*text = p;
	return *len > 0;
}

static int complain(const char *line, unsigned int len, int err, const struct emu_insn *insn)
{
	printf("# length %u, decoder says %d (%d): %s", len, insn->len, err, line);
	return 1;
}

static int check_one(const char *line, const u8 *known, unsigned int len, enum emu_mode mode)
{
	u8 bytes[MAX_BYTES] = { 0 };
	struct emu_insn insn;
	unsigned int n;
	int err;

	memcpy(bytes, known, len);
	err = emu_decode(&insn, bytes, EMU_MAX_INSN, mode);
	if (err || insn.len != len)
		return complain(line, len, err, &insn);
	for (n = 0; n < len; n++) {
		u8 *exact = malloc(n + 1);	/* the sanitizer sees a byte too many */

		memcpy(exact, bytes, n);
		err = emu_decode(&insn, exact, n, mode);
		free(exact);
		if (err != -EAGAIN)
			return complain(line, n, err, &insn);
	}
	return 0;
}

static int check(enum emu_mode mode, bool slots)
{
	unsigned int passed = 0, failed = 0, len;
	u8 bytes[MAX_BYTES];
	unsigned long at;
	char line[512], copy[512], *text;

	while (fgets(line, sizeof(line), stdin)) {
		strcpy(copy, line);
		if (!parse(copy, &at, bytes, &len, &text))
			continue;
		if ((slots && at % SLOT) || disassembler_differs(text))
			continue;
		if (bytes[0] == 0x9b && len > 1)	/* WAIT, printed together with the next */
			continue;
		if (check_one(line, bytes, len, mode))
			failed++;
		else
			passed++;
	}
	printf("%s %u-bit lengths%s: %u passed, %u failed\n", failed || !passed ? "not ok" : "ok",
	       16 << mode, slots ? " of every opcode" : "", passed, failed);
	return failed || !passed;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "sweep"))
		return sweep();
	if (argc >= 3 && !strcmp(argv[1], "check")) {
		int bits = atoi(argv[2]);

		return check(bits == 16 ? EMU_16 : bits == 32 ? EMU_32 : EMU_64, argc > 3);
	}
	fprintf(stderr, "usage: lengths sweep | check 16|32|64 [slot]\n");
	return 2;
}
