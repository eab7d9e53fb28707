// SPDX-License-Identifier: GPL-2.0-only
/*
 * decode.c - the bytes of one x86 instruction into struct emu_insn.  Pure.
 *
 * The two maps are those of APM vol. 3, appendix A (SDM vol. 2, appendix A),
 * reduced to what decides length and operand size.  What an instruction does
 * is exec.c's business; whether it may be used here, the processor's.  Most
 * callers want the length of two or three bytes without a memory operand, on
 * every VM exit: keep that path short.
 */
#include "../pure.h"
#include "emu.h"

/* What an opcode has, besides itself.  The low bits are enum imm. */
#define A_IMM		0x000f
#define A_MODRM		0x0010
#define A_BYTE		0x0020	/* the operand is a byte */
#define A_D64		0x0040	/* in 64-bit mode: 8 bytes by default, 4 cannot be had */
#define A_NO64		0x0080	/* invalid in 64-bit mode */
#define A_BAD		0x0100	/* invalid */
#define A_PREFIX	0x0200
#define A_REX		0x0400	/* a prefix in 64-bit mode, INC or DEC elsewhere */
#define A_ESCAPE	0x0800	/* 0F and its kin, or what may start VEX, EVEX, XOP */
#define A_GROUP		0x1000	/* modrm.reg or a prefix decides: group_attr() */
#define A_CONTROL	0x2000	/* MOV CR or DR: always a register, of the mode's width */

enum imm {
	IMM_NONE,
	IMM_B,		/* a byte */
	IMM_SB,		/* a byte, sign-extended */
	IMM_W,		/* two bytes */
	IMM_Z,		/* two or four bytes, sign-extended */
	IMM_V,		/* the operand size, eight bytes included */
	IMM_FAR,	/* offset of the operand size, then a selector */
	IMM_WB,		/* two bytes and one: ENTER */
	IMM_BB,		/* one byte and one: EXTRQ */
	IMM_D,		/* four bytes: XOP */
	IMM_MOFFS,	/* an address of the address size */
};

/* The letters of the maps below */
static const u16 attributes[128] = {
	['.'] = 0,
	['-'] = A_BAD,
	['6'] = A_NO64,
	['y'] = A_BYTE,
	['d'] = A_D64,
	['b'] = A_BYTE | IMM_B,
	['B'] = IMM_B,
	['a'] = A_NO64 | IMM_B,
	['s'] = A_D64 | IMM_SB,
	['z'] = IMM_Z,
	['Z'] = A_D64 | IMM_Z,
	['v'] = IMM_V,
	['w'] = IMM_W,
	['W'] = A_D64 | IMM_W,
	['n'] = A_D64 | IMM_WB,
	['f'] = A_NO64 | IMM_FAR,
	['o'] = A_BYTE | IMM_MOFFS,
	['O'] = IMM_MOFFS,
	['m'] = A_MODRM | A_BYTE,
	['M'] = A_MODRM,
	['D'] = A_MODRM | A_D64,
	['i'] = A_MODRM | A_BYTE | IMM_B,
	['I'] = A_MODRM | IMM_B,
	['8'] = A_MODRM | A_BYTE | A_NO64 | IMM_B,
	['S'] = A_MODRM | IMM_SB,
	['L'] = A_MODRM | IMM_Z,
	['g'] = A_MODRM | A_BYTE | A_GROUP,
	['G'] = A_MODRM | A_GROUP,
	['c'] = A_MODRM | A_CONTROL,
	['p'] = A_PREFIX,
	['r'] = A_REX,
	['e'] = A_ESCAPE,
	['E'] = A_MODRM | A_D64 | A_ESCAPE,
};

static const char one_byte[] =
	/*	 0123456789abcdef */
	/* 0 */	"mMmMbz66mMmMbz6e"
	/* 1 */	"mMmMbz66mMmMbz66"
	/* 2 */	"mMmMbzp6mMmMbzp6"
	/* 3 */	"mMmMbzp6mMmMbzp6"
	/* 4 */	"rrrrrrrrrrrrrrrr"
	/* 5 */	"dddddddddddddddd"
	/* 6 */	"66EMppppZLsSy.y."
	/* 7 */	"ssssssssssssssss"
	/* 8 */	"iL8SmMmMmMmMMMME"
	/* 9 */	"..........f.dd.."
	/* a */	"oOoOy.y.bzy.y.y."
	/* b */	"bbbbbbbbvvvvvvvv"
	/* c */	"iIWdEEiLndw..B6."
	/* d */	"mMmMaa6yMMMMMMMM"
	/* e */	"ssssbBbBZZfsy.y."
	/* f */	"p.pp..gG......mG";

static const char two_byte[] =
	/*	 0123456789abcdef */
	/* 0 */	"MMMM-.....-.-M.I"
	/* 1 */	"MMMMMMMMMMMMMMMM"
	/* 2 */	"cccc----MMMMMMMM"
	/* 3 */	"......-.e-e-----"
	/* 4 */	"MMMMMMMMMMMMMMMM"
	/* 5 */	"MMMMMMMMMMMMMMMM"
	/* 6 */	"MMMMMMMMMMMMMMMM"
	/* 7 */	"IIIIMMM.GM--MMMM"
	/* 8 */	"ZZZZZZZZZZZZZZZZ"
	/* 9 */	"mmmmmmmmmmmmmmmm"
	/* a */	"dd.MIM--dd.MIMMM"
	/* b */	"mMMMMMMMMMIMMMMM"
	/* c */	"mMIMIIIM........"
	/* d */	"MMMMMMMMMMMMMMMM"
	/* e */	"MMMMMMMMMMMMMMMM"
	/* f */	"MMMMMMMMMMMMMMM-";

static_assert(sizeof(one_byte) == 257 && sizeof(two_byte) == 257, "a letter for each opcode");

#define SHORT_BYTES	4	/* the most that decode_short() looks at */

/* Bytes not yet looked at; @override: a segment prefix was among those that were */
struct reader {
	const u8 *at, *end;
	bool override;
};

/* An instruction without a prefix, in each mode */
#define BLANK(MODE, OPSIZE, ADDRSIZE) \
	[MODE] = { .mode = MODE, .opsize = OPSIZE, .addrsize = ADDRSIZE, .segment = EMU_DS, \
		   .base = EMU_NO_REG, .index = EMU_NO_REG }

static const struct emu_insn blank[] = {
	BLANK(EMU_16, 2, 2), BLANK(EMU_32, 4, 4), BLANK(EMU_64, 4, 8),
};

static __always_inline unsigned int one_byte_attr(u8 byte)
{
	return attributes[(u8)one_byte[byte]];
}

static __always_inline bool have(const struct reader *r, unsigned int bytes)
{
	return (size_t)(r->end - r->at) >= bytes;
}

/* The caller has asked have(); @bytes is 1, 2, 4 or 8 */
static u64 take(struct reader *r, unsigned int bytes)
{
	unsigned int bit;
	u64 value = 0;

	for (bit = 0; bit < 8 * bytes; bit += 8)
		value |= (u64)*r->at++ << bit;
	return value;
}

static u64 take_signed(struct reader *r, unsigned int bytes)
{
	unsigned int unused = 64 - 8 * bytes;

	return (u64)((s64)(take(r, bytes) << unused) >> unused);
}

/* Of the segments 64-bit mode knows FS and GS only; a REX prefix counts as the last one only */
static void prefix(struct emu_insn *insn, struct reader *r, u8 byte)
{
	insn->rex = 0;
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		if (insn->mode == EMU_64)
			break;
		r->override = true;
		insn->segment = (byte - 0x26) / 8;
		break;
	case 0x64:
	case 0x65:
		r->override = true;
		insn->segment = byte == 0x64 ? EMU_FS : EMU_GS;
		break;
	case 0x66:
		insn->prefixes |= EMU_OPSIZE;
		break;
	case 0x67:
		insn->prefixes |= EMU_ADDRSIZE;
		break;
	case 0xf0:
		insn->prefixes |= EMU_LOCK;
		break;
	case 0xf2:
		insn->prefixes = (insn->prefixes & ~EMU_REP) | EMU_REPNE;
		break;
	case 0xf3:
		insn->prefixes = (insn->prefixes & ~EMU_REPNE) | EMU_REP;
		break;
	}
}

/* Eats the prefixes and the first byte after them, which it returns, or -EAGAIN */
static __always_inline int prefixes(struct emu_insn *insn, struct reader *r)
{
	while (have(r, 1)) {
		u8 byte = *r->at++;
		unsigned int attr = one_byte_attr(byte);

		if (likely(!(attr & (A_PREFIX | A_REX))))
			return byte;
		if (attr & A_PREFIX)
			prefix(insn, r, byte);
		else if (insn->mode == EMU_64)
			insn->rex = byte;
		else
			return byte;
	}
	return -EAGAIN;
}

static void vex_pp(struct emu_insn *insn, u8 pp)
{
	static const u8 prefixes[] = { 0, EMU_OPSIZE, EMU_REP, EMU_REPNE };

	insn->prefixes |= prefixes[pp & 3];
}

/* VEX, EVEX and XOP number their maps; what they call 1 to 3 are 0F, 0F38, 0F3A */
static int vex_map(unsigned int map, enum emu_encoding encoding)
{
	static const u16 maps[] = { 0, 0x0f00, 0x3800, 0x3a00 };

	if (encoding == EMU_XOP)
		return map >= 8 && map <= 10 ? (int)(map << 8) : -EINVAL;
	if (map >= 1 && map <= 3)
		return maps[map];
	return encoding == EMU_EVEX && (map == 5 || map == 6) ? (int)(map << 8) : -EINVAL;
}

/* R, X, B stand inverted in the three high bits of the byte after the escape */
static u8 vex_rxb(u8 byte)
{
	return EMU_REX | ((u8)~byte >> 5);
}

static int vex2(struct emu_insn *insn, struct reader *r)
{
	u8 p = *r->at++;

	insn->rex = vex_rxb(p) & (EMU_REX | EMU_REX_R);
	insn->vvvv = (u8)~p >> 3 & 15;
	insn->vlen = p & 4 ? 32 : 16;
	vex_pp(insn, p);
	return 0x0f00;
}

static int vex3(struct emu_insn *insn, struct reader *r)
{
	u8 p0 = *r->at++, p1 = *r->at++;

	insn->rex = vex_rxb(p0) | (p1 & 0x80 ? EMU_REX_W : 0);
	insn->vvvv = (u8)~p1 >> 3 & 15;
	/* there are eight registers, and B and W say nothing */
	if (insn->mode != EMU_64) {
		insn->rex = EMU_REX;
		insn->vvvv &= 7;
	}
	insn->vlen = p1 & 4 ? 32 : 16;
	vex_pp(insn, p1);
	return vex_map(p0 & 0x1f, insn->encoding);
}

static int evex(struct emu_insn *insn, struct reader *r)
{
	u8 p0 = *r->at++, p1 = *r->at++, p2 = *r->at++;

	insn->rex = vex_rxb(p0) | (p1 & 0x80 ? EMU_REX_W : 0);
	insn->vvvv = ((u8)~p1 >> 3 & 15) | (p2 & 8 ? 0 : 16);
	insn->vlen = 16 << min(p2 >> 5 & 3, 2);
	vex_pp(insn, p1);
	return vex_map(p0 & 7, insn->encoding);
}

/*
 * C4, C5 (VEX), 62 (EVEX), 8F (XOP), where the next byte says that they are
 * not LES, LDS, BOUND, POP: outside 64-bit mode it would be a register form,
 * which the first three do not have; POP has zero where XOP has a map of 8 up.
 *
 * Return: the map, 0 when it is the old instruction after all, or an error.
 */
static int vector_prefix(struct emu_insn *insn, struct reader *r, u8 byte)
{
	unsigned int bytes;

	if (!have(r, 1))
		return -EAGAIN;
	if (byte == 0x8f ? (*r->at & 0x1f) < 8 : insn->mode != EMU_64 && *r->at < 0xc0)
		return 0;
	if (insn->rex || insn->prefixes & ~EMU_ADDRSIZE)
		return -EINVAL;

	bytes = byte == 0xc5 ? 2 : byte == 0x62 ? 4 : 3;
	if (!have(r, bytes))
		return -EAGAIN;
	switch (byte) {
	case 0xc5:
		insn->encoding = EMU_VEX;
		return vex2(insn, r);
	case 0x62:
		insn->encoding = EMU_EVEX;
		return evex(insn, r);
	default:
		insn->encoding = byte == 0xc4 ? EMU_VEX : EMU_XOP;
		return vex3(insn, r);
	}
}

/* What stands behind an opcode of the maps that have no table */
static int vector_attr(int map, u8 byte)
{
	switch (map) {
	case 0x0f00:
		if (byte == 0x77)
			return 0;
		return A_MODRM | ((attributes[(u8)two_byte[byte]] & A_IMM) == IMM_B ? IMM_B : 0);
	case 0x3a00:
	case 0x0800:
		return A_MODRM | IMM_B;
	case 0x0a00:
		return A_MODRM | IMM_D;
	default:
		return A_MODRM;
	}
}

/* The opcode after an escape byte.  Return: its attributes or an error */
static int escape(struct emu_insn *insn, struct reader *r, u8 byte, int attr)
{
	int map = 0x0f00;

	if (byte != 0x0f) {
		map = vector_prefix(insn, r, byte);
		if (map <= 0)
			return map < 0 ? map : attr & ~A_ESCAPE;
	}
	if (!have(r, 1))
		return -EAGAIN;
	byte = *r->at++;
	insn->opcode = map | byte;
	if (insn->encoding != EMU_LEGACY)
		return vector_attr(map, byte);

	attr = attributes[(u8)two_byte[byte]];
	if (!(attr & A_ESCAPE))
		return attr;
	if (!have(r, 1))
		return -EAGAIN;
	map = byte << 8;
	byte = *r->at++;
	insn->opcode = map | byte;
	return vector_attr(map, byte);
}

static void sib(struct emu_insn *insn, u8 byte)
{
	u8 index = (byte >> 3 & 7) | (insn->rex & EMU_REX_X ? 8 : 0);

	insn->scale = byte >> 6;
	if (index != EMU_RSP)
		insn->index = index;
	if ((byte & 7) == EMU_RBP && insn->modrm < 0x40)
		insn->base = EMU_NO_REG;
	else
		insn->base = (byte & 7) | (insn->rex & EMU_REX_B ? 8 : 0);
}

/* How many bytes of displacement follow a ModRM (and SIB) of 32 and 64-bit addressing */
static unsigned int wide_address(struct emu_insn *insn, struct reader *r)
{
	unsigned int mod = insn->modrm >> 6;

	insn->base = insn->rm;
	if ((insn->modrm & 7) == EMU_RSP) {
		sib(insn, *r->at++);
	} else if (mod == 0 && (insn->modrm & 7) == EMU_RBP) {
		insn->base = insn->mode == EMU_64 ? EMU_RIP : EMU_NO_REG;
		return 4;
	}
	if (mod == 0)
		return insn->base == EMU_NO_REG ? 4 : 0;
	return mod == 1 ? 1 : 4;
}

static unsigned int narrow_address(struct emu_insn *insn)
{
	static const u8 base[] = { EMU_RBX, EMU_RBX, EMU_RBP, EMU_RBP,
				   EMU_RSI, EMU_RDI, EMU_RBP, EMU_RBX };
	static const u8 index[] = { EMU_RSI, EMU_RDI, EMU_RSI, EMU_RDI,
				    EMU_NO_REG, EMU_NO_REG, EMU_NO_REG, EMU_NO_REG };
	unsigned int mod = insn->modrm >> 6, rm = insn->modrm & 7;

	if (mod == 0 && rm == 6)
		return 2;
	insn->base = base[rm];
	insn->index = index[rm];
	return mod;
}

static int memory_operand(struct emu_insn *insn, struct reader *r)
{
	unsigned int bytes;

	insn->memory = true;
	if (insn->addrsize == 2) {
		bytes = narrow_address(insn);
	} else {
		if ((insn->modrm & 7) == EMU_RSP && !have(r, 1))
			return -EAGAIN;
		bytes = wide_address(insn, r);
	}
	if (!r->override && (insn->base == EMU_RSP || insn->base == EMU_RBP))
		insn->segment = EMU_SS;
	if (!bytes)
		return 0;
	if (!have(r, bytes))
		return -EAGAIN;
	insn->disp = (s32)take_signed(r, bytes);
	return 0;
}

static int modrm(struct emu_insn *insn, struct reader *r, unsigned int attr)
{
	u8 byte;

	if (!have(r, 1))
		return -EAGAIN;
	byte = *r->at++;
	insn->has_modrm = true;
	insn->modrm = byte;
	insn->reg = (byte >> 3 & 7) | (insn->rex & EMU_REX_R ? 8 : 0);
	insn->rm = (byte & 7) | (insn->rex & EMU_REX_B ? 8 : 0);
	if (byte >= 0xc0 || attr & A_CONTROL)
		return 0;
	return memory_operand(insn, r);
}

/*
 * Opcodes that change with modrm.reg or a prefix: only TEST has an immediate
 * in groups F6 and F7, only the near branches and PUSH of group FF have 8-byte
 * operands by default, VMREAD shares its number with EXTRQ and INSERTQ.
 */
static unsigned int group_attr(const struct emu_insn *insn, unsigned int attr)
{
	unsigned int sub = insn->modrm >> 3 & 7;

	switch (insn->opcode) {
	case 0xf6:
	case 0xf7:
		return sub < 2 ? attr | (attr & A_BYTE ? IMM_B : IMM_Z) : attr;
	case 0xff:
		return sub == 7 ? A_BAD : sub == 2 || sub == 4 || sub == 6 ? attr | A_D64 : attr;
	default:
		return insn->prefixes & (EMU_OPSIZE | EMU_REPNE) ? attr | IMM_BB : attr;
	}
}

/*
 * Near branches with a 66 prefix in 64-bit mode have 16-bit operands on AMD's
 * processors (APM vol. 3, 1.2.7), and so here; Intel's ignore the prefix, and
 * tell the length of an instruction themselves.
 */
static u8 operand_size(const struct emu_insn *insn, unsigned int attr)
{
	bool other = insn->prefixes & EMU_OPSIZE && insn->encoding == EMU_LEGACY;

	if (attr & A_BYTE)
		return 1;
	if (attr & A_CONTROL)
		return insn->mode == EMU_64 ? 8 : 4;
	if (insn->mode != EMU_64)
		return (insn->mode == EMU_16) ^ other ? 2 : 4;
	if (insn->rex & EMU_REX_W)
		return 8;
	if (other)
		return 2;
	return attr & A_D64 ? 8 : 4;
}

/* Every mode has two, and 67 selects the other: 16 and 32, or 64 and 32 */
static u8 other_address_size(const struct emu_insn *insn)
{
	return insn->mode == EMU_32 ? 2 : 4;
}

static unsigned int immediate_bytes(const struct emu_insn *insn, enum imm imm)
{
	switch (imm) {
	case IMM_B:
	case IMM_SB:
		return 1;
	case IMM_W:
	case IMM_BB:
		return 2;
	case IMM_WB:
		return 3;
	case IMM_Z:
		return min_t(unsigned int, insn->opsize, 4);
	case IMM_V:
		return insn->opsize;
	case IMM_FAR:
		return insn->opsize + 2;
	case IMM_MOFFS:
		return insn->addrsize;
	default:
		return 4;
	}
}

static int immediate(struct emu_insn *insn, struct reader *r, enum imm imm)
{
	unsigned int bytes = immediate_bytes(insn, imm);

	if (!have(r, bytes))
		return -EAGAIN;
	switch (imm) {
	case IMM_WB:
		insn->imm = take(r, 2);
		insn->imm2 = take(r, 1);
		break;
	case IMM_BB:
		insn->imm = take(r, 1);
		insn->imm2 = take(r, 1);
		break;
	case IMM_FAR:
		insn->imm = take(r, bytes - 2);
		insn->imm2 = take(r, 2);
		break;
	case IMM_SB:
	case IMM_Z:
		insn->imm = take_signed(r, bytes);
		break;
	default:
		insn->imm = take(r, bytes);
	}
	return 0;
}

static int decode(struct emu_insn *insn, struct reader *r)
{
	int byte = prefixes(insn, r);
	int attr, err;

	if (byte < 0)
		return byte;
	insn->opcode = byte;
	attr = one_byte_attr(byte);
	if (attr & A_ESCAPE) {
		attr = escape(insn, r, byte, attr);
		if (attr < 0)
			return attr;
	}
	if (insn->prefixes & EMU_ADDRSIZE)
		insn->addrsize = other_address_size(insn);
	if (attr & A_MODRM) {
		err = modrm(insn, r, attr);
		if (err)
			return err;
		if (attr & A_GROUP)
			attr = group_attr(insn, attr);
	}
	if (attr & (A_BAD | A_NO64) && (attr & A_BAD || insn->mode == EMU_64))
		return -EINVAL;
	if (attr & (A_BYTE | A_D64 | A_CONTROL) || insn->prefixes || insn->rex)
		insn->opsize = operand_size(insn, attr);
	return attr & A_IMM ? immediate(insn, r, attr & A_IMM) : 0;
}

/*
 * The shortcut for what a hypervisor meets all day: HLT, CPUID, RDMSR, IN, OUT,
 * INT n, MOV CR, VMMCALL; no prefix, no memory operand, at most four bytes.
 * Return: false when it is something else.
 */
static __always_inline bool decode_short(struct emu_insn *insn, const u8 *bytes)
{
	const u8 *at = bytes;
	unsigned int attr;
	u16 opcode = *at++;

	if (opcode == 0x0f) {
		opcode = 0x0f00 | *at++;
		attr = attributes[(u8)two_byte[opcode & 0xff]];
	} else {
		attr = one_byte_attr(opcode);
	}
	if (attr & ~(A_BYTE | A_MODRM | A_CONTROL | IMM_B))
		return false;
	if (attr & A_MODRM) {
		u8 byte = *at++;

		if (byte < 0xc0 && !(attr & A_CONTROL))
			return false;
		insn->has_modrm = true;
		insn->modrm = byte;
		insn->reg = byte >> 3 & 7;
		insn->rm = byte & 7;
	}
	if (attr & IMM_B)
		insn->imm = *at++;
	if (attr & (A_BYTE | A_CONTROL))
		insn->opsize = operand_size(insn, attr);
	insn->opcode = opcode;
	insn->len = at - bytes;
	return true;
}

int emu_decode(struct emu_insn *insn, const u8 *bytes, unsigned int len, enum emu_mode mode)
{
	struct reader r = { .at = bytes };
	int err;

	*insn = blank[mode];
	if (len >= SHORT_BYTES && decode_short(insn, bytes))
		return 0;
	r.end = bytes + min_t(unsigned int, len, EMU_MAX_INSN);
	err = decode(insn, &r);
	insn->len = r.at - bytes;
	return err == -EAGAIN && len >= EMU_MAX_INSN ? -E2BIG : err;
}
