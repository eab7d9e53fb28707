// SPDX-License-Identifier: GPL-2.0-only
/*
 * alu.c - integer arithmetic with the flags of the x86.  Pure.
 *
 * One function an operation, on values; exec.c fetches and stores.  Semantics
 * are those of the instruction reference, APM vol. 3, chapter 3.
 */
#include "alu.h"

#define FLAGS_ARITH	(EMU_CF | EMU_PF | EMU_AF | EMU_ZF | EMU_SF | EMU_OF)

static u64 sign_bit(unsigned int size)
{
	return 1ULL << (8 * size - 1);
}

static void set_flags(struct alu *a, u64 mask, u64 flags)
{
	a->regs->rflags = (a->regs->rflags & ~mask) | (flags & mask);
}

static u64 flag_if(bool condition, u64 flag)
{
	return condition ? flag : 0;
}

/* SF, ZF, PF of a result */
static u64 result_flags(u64 value, unsigned int size)
{
	return flag_if(value & sign_bit(size), EMU_SF) | flag_if(!alu_low(value, size), EMU_ZF) |
	       flag_if(!__builtin_parity(value & 0xff), EMU_PF);
}

/*
 * @carries has a bit for every position that carried (or borrowed) into the
 * next.  The overflow flag is the exclusive or of the two uppermost.
 */
static u64 carry_flags(u64 carries, unsigned int size)
{
	u64 top = sign_bit(size);

	return flag_if(carries & top, EMU_CF) | flag_if(carries & 8, EMU_AF) |
	       flag_if(!(carries & top) != !(carries & (top >> 1)), EMU_OF);
}

static u64 carry_in(const struct alu *a)
{
	return !!(a->regs->rflags & EMU_CF);
}

static void add(struct alu *a, u64 carry)
{
	u64 sum = a->dst + a->src + carry;
	u64 carries = (a->dst & a->src) | ((a->dst | a->src) & ~sum);

	set_flags(a, FLAGS_ARITH, carry_flags(carries, a->size) | result_flags(sum, a->size));
	a->dst = sum;
}

static void subtract(struct alu *a, u64 borrow)
{
	u64 rest = a->dst - a->src - borrow;
	u64 borrows = (~a->dst & a->src) | ((~a->dst | a->src) & rest);

	set_flags(a, FLAGS_ARITH, carry_flags(borrows, a->size) | result_flags(rest, a->size));
	a->dst = rest;
}

static void logic(struct alu *a, u64 value)
{
	set_flags(a, FLAGS_ARITH, result_flags(value, a->size));
	a->dst = value;
}

static bool alu_add(struct alu *a)
{
	add(a, 0);
	return true;
}

static bool alu_adc(struct alu *a)
{
	add(a, carry_in(a));
	return true;
}

static bool alu_sub(struct alu *a)
{
	subtract(a, 0);
	return true;
}

static bool alu_sbb(struct alu *a)
{
	subtract(a, carry_in(a));
	return true;
}

static bool alu_cmp(struct alu *a)
{
	u64 dst = a->dst;

	subtract(a, 0);
	a->dst = dst;
	return true;
}

static bool alu_or(struct alu *a)
{
	logic(a, a->dst | a->src);
	return true;
}

static bool alu_and(struct alu *a)
{
	logic(a, a->dst & a->src);
	return true;
}

static bool alu_xor(struct alu *a)
{
	logic(a, a->dst ^ a->src);
	return true;
}

static bool alu_test(struct alu *a)
{
	u64 dst = a->dst;

	logic(a, dst & a->src);
	a->dst = dst;
	return true;
}

static bool alu_not(struct alu *a)
{
	a->dst = ~a->dst;
	return true;
}

static bool alu_neg(struct alu *a)
{
	a->src = a->dst;
	a->dst = 0;
	subtract(a, 0);
	return true;
}

/* INC and DEC leave CF as it was */
static bool alu_inc(struct alu *a)
{
	u64 carry = carry_in(a);

	a->src = 1;
	add(a, 0);
	set_flags(a, EMU_CF, carry);
	return true;
}

static bool alu_dec(struct alu *a)
{
	u64 carry = carry_in(a);

	a->src = 1;
	subtract(a, 0);
	set_flags(a, EMU_CF, carry);
	return true;
}

/* Counts are taken modulo 32, of 64-bit operands modulo 64; a count of zero changes no flag */
static unsigned int shift_count(const struct alu *a)
{
	return a->src & (a->size == 8 ? 63 : 31);
}

/* @carry: the last bit shifted out.  @overflow: defined for a count of one */
static void shifted(struct alu *a, u64 value, bool carry, bool overflow)
{
	set_flags(a, FLAGS_ARITH, result_flags(value, a->size) | flag_if(carry, EMU_CF) |
		  flag_if(overflow, EMU_OF));
	a->dst = value;
}

static bool alu_shl(struct alu *a)
{
	unsigned int count = shift_count(a), bits = 8 * a->size;
	u64 value;
	bool carry;

	if (!count)
		return true;
	carry = count <= bits && a->dst >> (bits - count) & 1;
	value = a->dst << count;
	shifted(a, value, carry, carry != !!(value & sign_bit(a->size)));
	return true;
}

static bool alu_shr(struct alu *a)
{
	unsigned int count = shift_count(a);

	if (!count)
		return true;
	shifted(a, a->dst >> count, a->dst >> (count - 1) & 1, a->dst & sign_bit(a->size));
	return true;
}

static bool alu_sar(struct alu *a)
{
	s64 value = alu_signed(a->dst, a->size);
	unsigned int count = shift_count(a);

	if (!count)
		return true;
	shifted(a, (u64)(value >> count), value >> (count - 1) & 1, false);
	return true;
}

/* The rotates change CF and OF only */
static void rotated(struct alu *a, u64 value, bool carry, bool overflow)
{
	set_flags(a, EMU_CF | EMU_OF, flag_if(carry, EMU_CF) | flag_if(overflow, EMU_OF));
	a->dst = value;
}

static bool top_bits_differ(u64 value, unsigned int size)
{
	return !(value & sign_bit(size)) != !(value & (sign_bit(size) >> 1));
}

static u64 rotate_left(u64 value, unsigned int count, unsigned int bits)
{
	return count ? value << count | value >> (bits - count) : value;
}

static bool alu_rol(struct alu *a)
{
	unsigned int bits = 8 * a->size;
	u64 value;

	if (!shift_count(a))
		return true;
	value = rotate_left(a->dst, shift_count(a) % bits, bits);
	rotated(a, value, value & 1, (value & 1) != !!(value & sign_bit(a->size)));
	return true;
}

static bool alu_ror(struct alu *a)
{
	unsigned int bits = 8 * a->size;
	u64 value;

	if (!shift_count(a))
		return true;
	value = rotate_left(a->dst, (bits - shift_count(a) % bits) % bits, bits);
	rotated(a, value, value & sign_bit(a->size), top_bits_differ(value, a->size));
	return true;
}

/* Through carry: bit by bit, there are at most 63 */
static bool alu_rcl(struct alu *a)
{
	unsigned int count = shift_count(a), i;
	u64 carry = carry_in(a), value = a->dst;

	if (!count)
		return true;
	for (i = 0; i < count; i++) {
		bool out = value & sign_bit(a->size);

		value = value << 1 | carry;
		carry = out;
	}
	rotated(a, value, carry, carry != !!(value & sign_bit(a->size)));
	return true;
}

static bool alu_rcr(struct alu *a)
{
	unsigned int count = shift_count(a), i;
	u64 carry = carry_in(a), value = a->dst;

	if (!count)
		return true;
	for (i = 0; i < count; i++) {
		u64 out = value & 1;

		value = value >> 1 | (carry ? sign_bit(a->size) : 0);
		carry = out;
	}
	rotated(a, value, carry, top_bits_differ(value, a->size));
	return true;
}

/*
 * The count of SHLD and SHRD is in @imm, the bits that come in are in @src.
 * A 16-bit operand and a count above 16 have an undefined result.
 */
static bool alu_shld(struct alu *a)
{
	unsigned int bits = 8 * a->size, count = a->imm & (a->size == 8 ? 63 : 31);
	u64 value;
	bool carry;

	if (!count || count > bits)
		return true;
	carry = a->dst >> (bits - count) & 1;
	value = count < bits ? a->dst << count | a->src >> (bits - count) : a->src;
	shifted(a, value, carry, !(value & sign_bit(a->size)) != !(a->dst & sign_bit(a->size)));
	return true;
}

static bool alu_shrd(struct alu *a)
{
	unsigned int bits = 8 * a->size, count = a->imm & (a->size == 8 ? 63 : 31);
	u64 value;
	bool carry;

	if (!count || count > bits)
		return true;
	carry = a->dst >> (count - 1) & 1;
	value = count < bits ? a->dst >> count | a->src << (bits - count) : a->src;
	shifted(a, value, carry, !(value & sign_bit(a->size)) != !(a->dst & sign_bit(a->size)));
	return true;
}

/* exec.c has added the part of a register's bit number that selects another word */
static u64 bit_of(struct alu *a)
{
	u64 bit = 1ULL << (a->src & (8 * a->size - 1));

	set_flags(a, EMU_CF, flag_if(a->dst & bit, EMU_CF));
	return bit;
}

static bool alu_bt(struct alu *a)
{
	bit_of(a);
	return true;
}

static bool alu_bts(struct alu *a)
{
	a->dst |= bit_of(a);
	return true;
}

static bool alu_btr(struct alu *a)
{
	a->dst &= ~bit_of(a);
	return true;
}

static bool alu_btc(struct alu *a)
{
	a->dst ^= bit_of(a);
	return true;
}

static bool alu_mov(struct alu *a)
{
	a->dst = a->src;
	return true;
}

static bool alu_movsx(struct alu *a)
{
	a->dst = (u64)alu_signed(a->src, a->src_size);
	return true;
}

static bool alu_bswap(struct alu *a)
{
	a->dst = __builtin_bswap64(a->src) >> (64 - 8 * a->size);
	return true;
}

/* The sixteen conditions, in pairs of one and its opposite (APM vol. 3, 1.4) */
static bool condition(const struct alu *a)
{
	u64 flags = a->regs->rflags;
	bool less = !(flags & EMU_SF) != !(flags & EMU_OF);
	bool holds = false;

	switch (a->cond >> 1 & 7) {
	case 0:
		holds = flags & EMU_OF;
		break;
	case 1:
		holds = flags & EMU_CF;
		break;
	case 2:
		holds = flags & EMU_ZF;
		break;
	case 3:
		holds = flags & (EMU_CF | EMU_ZF);
		break;
	case 4:
		holds = flags & EMU_SF;
		break;
	case 5:
		holds = flags & EMU_PF;
		break;
	case 6:
		holds = less;
		break;
	case 7:
		holds = less || flags & EMU_ZF;
		break;
	}
	return holds != (a->cond & 1);
}

static bool alu_setcc(struct alu *a)
{
	a->dst = condition(a);
	return true;
}

static bool alu_cmovcc(struct alu *a)
{
	if (condition(a))
		a->dst = a->src;
	return true;
}

static bool alu_xchg(struct alu *a)
{
	u64 dst = a->dst;

	a->dst = a->src;
	a->src = dst;
	return true;
}

static bool alu_xadd(struct alu *a)
{
	u64 dst = a->dst;

	add(a, 0);
	a->src = dst;
	return true;
}

static u64 *rax(const struct alu *a)
{
	return &a->regs->gpr[EMU_RAX];
}

static u64 *rdx(const struct alu *a)
{
	return &a->regs->gpr[EMU_RDX];
}

/* Memory is written either way, with what it held if the comparison failed */
static bool alu_cmpxchg(struct alu *a)
{
	struct alu compare = *a;

	compare.dst = alu_low(*rax(a), a->size);
	compare.src = a->dst;
	alu_cmp(&compare);
	if (compare.dst == compare.src)
		a->dst = a->src;
	else
		*rax(a) = alu_merge(*rax(a), a->dst, a->size);
	return true;
}

/* CF and OF say whether the product needs its upper half; SF, ZF, PF, AF are undefined */
static void product_flags(struct alu *a, u64 low, bool wide)
{
	set_flags(a, FLAGS_ARITH, flag_if(wide, EMU_CF | EMU_OF) | result_flags(low, a->size));
}

static bool alu_imul(struct alu *a)
{
	__int128_t product = (__int128_t)alu_signed(a->dst, a->size) * alu_signed(a->src, a->size);

	a->dst = alu_low((u64)product, a->size);
	product_flags(a, a->dst, product != alu_signed(a->dst, a->size));
	return true;
}

/* AX, DX:AX, EDX:EAX, RDX:RAX: where a double-sized value stands */
static void set_double(struct alu *a, u64 low, u64 high)
{
	if (a->size == 1) {
		*rax(a) = alu_merge(*rax(a), high << 8 | alu_low(low, 1), 2);
		return;
	}
	*rax(a) = alu_merge(*rax(a), low, a->size);
	*rdx(a) = alu_merge(*rdx(a), high, a->size);
}

static __uint128_t get_double(const struct alu *a)
{
	unsigned int bits = 8 * a->size;

	if (a->size == 1)
		return alu_low(*rax(a), 2);
	return (__uint128_t)alu_low(*rdx(a), a->size) << bits | alu_low(*rax(a), a->size);
}

static bool alu_mul1(struct alu *a)
{
	__uint128_t product = (__uint128_t)alu_low(*rax(a), a->size) * a->dst;
	u64 high = (u64)(product >> 8 * a->size);

	set_double(a, (u64)product, high);
	product_flags(a, (u64)product, high);
	return true;
}

static bool alu_imul1(struct alu *a)
{
	__int128_t product = (__int128_t)alu_signed(*rax(a), a->size) * alu_signed(a->dst, a->size);
	u64 low = (u64)product;

	set_double(a, low, alu_low((u64)(product >> 8 * a->size), a->size));
	product_flags(a, low, product != alu_signed(low, a->size));
	return true;
}

/*
 * 128 by 64 bits, bit by bit: the kernel has no library for it, and nobody
 * divides by a device register in a hurry.  The caller has checked that the
 * quotient fits, that is, that the upper half is below the divisor.
 */
static u64 divide(__uint128_t value, u64 divisor, u64 *remainder)
{
	u64 high = (u64)(value >> 64), low = (u64)value;
	unsigned int i;

	for (i = 0; i < 64; i++) {
		bool out = high >> 63;

		high = high << 1 | low >> 63;
		low <<= 1;
		if (out || high >= divisor) {
			high -= divisor;
			low |= 1;
		}
	}
	*remainder = high;
	return low;
}

static bool alu_div(struct alu *a)
{
	__uint128_t value = get_double(a);
	u64 quotient, remainder;

	if ((u64)(value >> 8 * a->size) >= a->dst)
		return false;
	quotient = divide(value, a->dst, &remainder);
	set_double(a, quotient, remainder);
	return true;
}

/* Divides magnitudes; the remainder has the sign of the dividend */
static bool alu_idiv(struct alu *a)
{
	unsigned int unused = 128 - 16 * a->size;
	__int128_t value = (__int128_t)(get_double(a) << unused) >> unused;
	__uint128_t magnitude = value < 0 ? -(__uint128_t)value : (__uint128_t)value;
	s64 by = alu_signed(a->dst, a->size);
	u64 divisor = by < 0 ? -(u64)by : (u64)by;
	bool negative = (value < 0) != (by < 0);
	u64 quotient, remainder;

	if ((u64)(magnitude >> 8 * a->size) >= divisor)
		return false;
	quotient = divide(magnitude, divisor, &remainder);
	if (quotient > sign_bit(a->size) - !negative)
		return false;
	set_double(a, negative ? -quotient : quotient,
		   alu_low(value < 0 ? -remainder : remainder, a->size));
	return true;
}

/*
 * Scans and counts.
 */

static unsigned int trailing_zeros(u64 value)
{
	unsigned int n = 0;

	while (n < 64 && !(value >> n & 1))
		n++;
	return n;
}

static unsigned int leading_zeros(u64 value, unsigned int size)
{
	unsigned int n = 0;

	while (n < 8 * size && !(value >> (8 * size - 1 - n) & 1))
		n++;
	return n;
}

/* Of zero there is no bit to be found: the register stays (APM vol. 3, BSF) */
static bool scan(struct alu *a, unsigned int bit)
{
	set_flags(a, EMU_ZF, flag_if(!a->src, EMU_ZF));
	a->keep = !a->src;
	a->dst = bit;
	return true;
}

static bool alu_bsf(struct alu *a)
{
	return scan(a, trailing_zeros(a->src));
}

static bool alu_bsr(struct alu *a)
{
	return scan(a, 8 * a->size - 1 - leading_zeros(a->src, a->size));
}

static bool count(struct alu *a, unsigned int zeros)
{
	a->dst = min(zeros, 8u * a->size);
	set_flags(a, EMU_ZF | EMU_CF, flag_if(!a->dst, EMU_ZF) | flag_if(!a->src, EMU_CF));
	return true;
}

static bool alu_tzcnt(struct alu *a)
{
	return count(a, trailing_zeros(a->src));
}

static bool alu_lzcnt(struct alu *a)
{
	return count(a, leading_zeros(a->src, a->size));
}

static bool alu_popcnt(struct alu *a)
{
	u64 left;

	a->dst = 0;
	for (left = a->src; left; left &= left - 1)
		a->dst++;
	set_flags(a, FLAGS_ARITH, flag_if(!a->src, EMU_ZF));
	return true;
}

bool alu_run(enum alu_op op, struct alu *a)
{
	static bool (*const run[ALU_OPS])(struct alu *a) = {
		[ALU_ADD] = alu_add, [ALU_OR] = alu_or, [ALU_ADC] = alu_adc, [ALU_SBB] = alu_sbb,
		[ALU_AND] = alu_and, [ALU_SUB] = alu_sub, [ALU_XOR] = alu_xor, [ALU_CMP] = alu_cmp,
		[ALU_ROL] = alu_rol, [ALU_ROR] = alu_ror, [ALU_RCL] = alu_rcl, [ALU_RCR] = alu_rcr,
		[ALU_SHL] = alu_shl, [ALU_SHR] = alu_shr, [ALU_SAL] = alu_shl, [ALU_SAR] = alu_sar,
		[ALU_BT] = alu_bt, [ALU_BTS] = alu_bts, [ALU_BTR] = alu_btr, [ALU_BTC] = alu_btc,
		[ALU_TEST] = alu_test, [ALU_NOT] = alu_not, [ALU_NEG] = alu_neg,
		[ALU_INC] = alu_inc, [ALU_DEC] = alu_dec, [ALU_MOV] = alu_mov,
		[ALU_MOVSX] = alu_movsx, [ALU_BSWAP] = alu_bswap, [ALU_SETCC] = alu_setcc,
		[ALU_CMOVCC] = alu_cmovcc, [ALU_XCHG] = alu_xchg, [ALU_XADD] = alu_xadd,
		[ALU_CMPXCHG] = alu_cmpxchg, [ALU_SHLD] = alu_shld, [ALU_SHRD] = alu_shrd,
		[ALU_IMUL] = alu_imul, [ALU_MUL1] = alu_mul1, [ALU_IMUL1] = alu_imul1,
		[ALU_DIV] = alu_div, [ALU_IDIV] = alu_idiv, [ALU_BSF] = alu_bsf,
		[ALU_BSR] = alu_bsr, [ALU_POPCNT] = alu_popcnt, [ALU_TZCNT] = alu_tzcnt,
		[ALU_LZCNT] = alu_lzcnt,
	};

	if (!run[op](a))
		return false;
	a->dst = alu_low(a->dst, a->size);
	a->src = alu_low(a->src, a->src_size);
	return true;
}
