// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - the walk of the guest's page tables, against what the manuals say.
 *
 * Tables are built in a small guest memory for every paging mode and page size.
 * Rights and reserved bits are tried in all combinations, against a second
 * reading of SDM vol. 3, 4.3 to 4.7, written here as rules in the manual's order
 * and sharing nothing with walk.c.  "mutants" says what each test is good for.
 */
#include "../check.h"
#include "../../../../arch/x86/kvm/mmu/walk.h"

#define P	0x001ULL
#define W	0x002ULL
#define U	0x004ULL
#define A	0x020ULL
#define D	0x040ULL
#define PS	0x080ULL
#define NX	(1ULL << 63)

#define WP	(1ULL << 16)
#define PG	(1ULL << 31)
#define PSE	(1ULL << 4)
#define PAE	(1ULL << 5)
#define LA57	(1ULL << 12)
#define SMEP	(1ULL << 20)
#define SMAP	(1ULL << 21)
#define PKE	(1ULL << 22)
#define LMA	(1ULL << 10)
#define NXE	(1ULL << 11)

static const struct mode {
	const char *name;
	int levels, bits, size, largest;	/* largest: the level of the largest page */
	u64 cr4, efer;
} modes[] = {
	{ "32-bit", 2, 10, 4, 1, 0, 0 },
	{ "PSE", 2, 10, 4, 2, PSE, 0 },
	{ "PAE", 3, 9, 8, 2, PAE, NXE },
	{ "4 levels", 4, 9, 8, 3, PAE, LMA | NXE },
	{ "5 levels", 5, 9, 8, 3, PAE | LA57, LMA | NXE },
};

#define FOR_EACH_MODE(mode) \
	for ((mode) = modes; (mode) < modes + ARRAY_SIZE(modes); (mode)++)

static bool is_long(const struct mode *mode)
{
	return mode->efer & LMA;
}

static bool is_pae(const struct mode *mode)
{
	return mode->size == 8 && !is_long(mode);
}

static int shift_of(const struct mode *mode, int level)
{
	return 12 + mode->bits * (level - 1);
}

/*
 * A guest's memory: the table of level N at TABLE(N), each of a page
 */

#define TABLE(level)	(0x7000ULL + 0x1000ULL * (level))
#define PAE_ROOT	(TABLE(3) + 0x7e0)	/* aligned to 32 bytes, no more */
#define LINEAR		0x00ab5d93c5a2b6d9ULL	/* another index at each level; 57 bits */
#define LINEAR_32	0xc5a2b6d9ULL

struct memory {
	u8 bytes[0x10000];
	int reads, updates;
	u64 updated[8];
	int fail_read, fail_update;	/* what the callbacks are to return instead */
	int races;			/* updates that find another entry, */
	u64 raced_to;			/* namely this one, unless 0 */
};

static int memory_read(void *ctx, u64 gpa, unsigned int size, u64 *entry)
{
	struct memory *memory = ctx;

	memory->reads++;
	if (memory->fail_read)
		return memory->fail_read;
	*entry = 0;
	CHECK(gpa % size == 0, "gpa %llx", (unsigned long long)gpa);
	if (gpa + size <= sizeof(memory->bytes))
		memcpy(entry, memory->bytes + gpa, size);
	return 0;
}

static int memory_update(void *ctx, u64 gpa, unsigned int size, u64 from, u64 to)
{
	struct memory *memory = ctx;
	u64 now = 0;

	if (memory->fail_update)
		return memory->fail_update;
	memcpy(&now, memory->bytes + gpa, size);
	CHECK(now == from, "%llx at %llx", (unsigned long long)now, (unsigned long long)gpa);
	if (memory->races) {
		memory->races--;
		if (memory->raced_to)
			memcpy(memory->bytes + gpa, &memory->raced_to, size);
		return 1;
	}
	memcpy(memory->bytes + gpa, &to, size);
	memory->updated[memory->updates++ % 8] = gpa;
	return 0;
}

static const struct walk_mem callbacks = { memory_read, memory_update };
static const struct walk_mem look_only = { memory_read, NULL };

/* A mode with tables in it. */
struct guest {
	const struct mode *mode;
	int page_level;
	u64 linear;
	struct walk_regs regs;
	struct memory memory;
};

static struct guest guest;

static u64 entry_gpa(int level)
{
	u64 index = guest.linear >> shift_of(guest.mode, level) & ((1 << guest.mode->bits) - 1);
	u64 table = TABLE(level);

	if (is_pae(guest.mode) && level == 3) {
		table = PAE_ROOT;
		index = guest.linear >> 30 & 3;
	}
	return table + index * guest.mode->size;
}

static u64 get_entry(int level)
{
	u64 entry = 0;

	memcpy(&entry, guest.memory.bytes + entry_gpa(level), guest.mode->size);
	return entry;
}

static void set_entry(int level, u64 entry)
{
	memcpy(guest.memory.bytes + entry_gpa(level), &entry, guest.mode->size);
}

static void add_bits(int level, u64 bits)
{
	set_entry(level, get_entry(level) | bits);
}

static void drop_bits(int level, u64 bits)
{
	set_entry(level, get_entry(level) & ~bits);
}

static bool has_rights(int level)
{
	return !is_pae(guest.mode) || level < 3;
}

/* Tables that lead to a page at @base with all rights, all marks; supervisor, WP. */
static void build(const struct mode *mode, int page_level, u64 base)
{
	int level;

	memset(&guest, 0, sizeof(guest));
	guest.mode = mode;
	guest.page_level = page_level;
	guest.linear = is_long(mode) ? LINEAR : LINEAR_32;
	if (mode->levels == 4)
		guest.linear &= (1ULL << 48) - 1;
	guest.regs = (struct walk_regs) {
		.cr0 = PG | WP, .cr4 = mode->cr4, .efer = mode->efer, .max_gpa_bits = 48,
		.cr3 = is_pae(mode) ? PAE_ROOT : TABLE(mode->levels),
	};
	for (level = mode->levels; level >= page_level; level--) {
		u64 entry = level > page_level ? TABLE(level - 1) : base;

		if (level == page_level && level > 1)
			entry |= PS;
		if (has_rights(level))
			entry |= W | U | A;
		set_entry(level, entry | P | (level == page_level ? D : 0));
	}
}

static int walk_with(u64 linear, u32 access, const struct walk_mem *mem, struct walk_result *out)
{
	memset(out, 0xee, sizeof(*out));
	return walk_linear(&guest.regs, linear, access, mem, &guest.memory, out);
}

static int walk(u32 access, struct walk_result *out)
{
	return walk_with(guest.linear, access, &callbacks, out);
}

/*
 * Where an address leads
 */

static void test_no_paging(void)
{
	struct walk_result out;

	build(&modes[0], 1, 0x1000);
	guest.regs.cr0 = WP;
	CHECK(walk_with(0x123456789aULL, WALK_WRITE, &callbacks, &out) == 0, "-");
	CHECK(out.gpa == 0x3456789a, "%llx", (unsigned long long)out.gpa);
	CHECK(out.page_bits == 12 && out.write && out.user && !guest.memory.reads, "-");
}

static void test_translate(void)
{
	const struct mode *mode;
	int level;

	FOR_EACH_MODE(mode)
		for (level = 1; level <= mode->largest; level++) {
			int shift = shift_of(mode, level);
			u64 base = 0x5ULL << 30, offset;
			struct walk_result out;

			if (mode->size == 4)
				base = 0x5ULL << 22;
			build(mode, level, base);
			offset = guest.linear & ((1ULL << shift) - 1);
			CHECK(walk(0, &out) == 0, "%s", mode->name);
			CHECK(out.gpa == base + offset, "%s level %d: %llx", mode->name, level,
			      (unsigned long long)out.gpa);
			CHECK(out.page_bits == shift, "%s: %d", mode->name, out.page_bits);
			CHECK(guest.memory.reads == mode->levels - level + 1, "%s", mode->name);
			CHECK(out.error == 0 && out.write && out.user, "%s", mode->name);
		}
}

/* Only long mode has addresses of more than 32 bits; CR3's low bits are no address. */
static void test_address_bits(void)
{
	const struct mode *mode;
	struct walk_result out;

	FOR_EACH_MODE(mode) {
		u64 high = is_long(mode) ? 1ULL << 57 : 1ULL << 32;

		build(mode, 1, 0x5000);
		guest.regs.cr3 |= 0x18;
		CHECK(walk_with(guest.linear | high, 0, &callbacks, &out) == 0, "%s", mode->name);
		CHECK(out.gpa == (0x5000 | (guest.linear & 0xfff)), "%s", mode->name);
		guest.regs.cr3 |= 1ULL << 52;
		CHECK(walk(0, &out) == 0, "%s", mode->name);
	}
}

static void test_pse36(void)
{
	struct walk_result out;

	build(&modes[1], 2, 0xff800000 | 0xa5 << 13);
	CHECK(walk(0, &out) == 0, "-");
	CHECK(out.gpa == (0xa5ff800000ULL | (guest.linear & 0x3fffff)), "%llx",
	      (unsigned long long)out.gpa);
	guest.regs.cr4 = 0;
	CHECK(walk(0, &out) == WALK_FAULT && !(out.error & 8), "PS ignored, the table is empty");
}

static void test_result_rights(void)
{
	struct walk_result out;

	build(&modes[3], 1, 0x5000);
	drop_bits(3, W);
	CHECK(walk(0, &out) == 0 && !out.write && out.user, "-");
	drop_bits(1, U);
	add_bits(3, W);
	CHECK(walk(0, &out) == 0 && out.write && !out.user, "-");
}

/*
 * Faults
 */

static void test_absent(void)
{
	static const struct { u32 access; u8 cpl; u32 error; } kinds[] = {
		{ 0, 0, 0 }, { WALK_WRITE, 0, 2 }, { 0, 3, 4 }, { WALK_WRITE, 3, 6 },
		{ WALK_FETCH, 2, 16 }, { WALK_FETCH, 3, 20 }, { WALK_WRITE | WALK_SYSTEM, 3, 2 },
	};
	const struct mode *mode;
	struct walk_result out;
	unsigned int level, i;

	FOR_EACH_MODE(mode)
		for (level = 1; level <= (unsigned int)mode->levels; level++)
			for (i = 0; i < ARRAY_SIZE(kinds); i++) {
				u32 error = kinds[i].error;

				build(mode, 1, 0x5000);
				drop_bits(level, P);
				add_bits(level, level == 1 ? 1 << 12 : 0);
				if (!(mode->efer & NXE))
					error &= ~16;
				guest.regs.cpl = kinds[i].cpl;
				CHECK(walk(kinds[i].access, &out) == WALK_FAULT, "%s", mode->name);
				CHECK(out.error == error, "%s level %u: %x", mode->name, level,
				      out.error);
			}
}

/* The fetch bit is told only where something can forbid fetches. */
static void test_fetch_bit(void)
{
	struct walk_result out;

	build(&modes[0], 1, 0x5000);
	drop_bits(1, P);
	CHECK(walk(WALK_FETCH, &out) == WALK_FAULT && out.error == 0, "%x", out.error);
	guest.regs.efer |= NXE;
	CHECK(walk(WALK_FETCH, &out) == WALK_FAULT && out.error == 0, "%x", out.error);
	guest.regs.cr4 |= SMEP;
	CHECK(walk(WALK_FETCH, &out) == WALK_FAULT && out.error == 16, "%x", out.error);
	build(&modes[2], 1, 0x5000);
	drop_bits(1, P);
	guest.regs.efer = 0;
	CHECK(walk(WALK_FETCH, &out) == WALK_FAULT && out.error == 0, "%x", out.error);
}

/* SDM vol. 3, tables 4-4 to 4-20, "reserved (must be 0)". */
static bool is_reserved(const struct mode *mode, int level, bool page, int bit, bool nxe, int width)
{
	bool huge = page && level > 1;

	if (mode->size == 4) {
		if (!huge)
			return false;
		return bit == 21 || (bit >= 13 && bit <= 20 && bit + 19 >= width);
	}
	if (is_pae(mode) && level == 3)
		return bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= width;
	if (bit == 63)
		return !nxe;
	if (bit >= 52)
		return is_pae(mode);
	if (bit >= width)
		return true;
	if (huge && bit >= 13 && bit < shift_of(mode, level))
		return true;
	return level >= 4 && bit == 7;
}

static void try_reserved(const struct mode *mode, int page_level, int level, int bit, bool nxe,
			 int width)
{
	bool expected = is_reserved(mode, level, level == page_level, bit, nxe, width);
	struct walk_result out;
	int ret;

	build(mode, page_level, 0);
	guest.regs.max_gpa_bits = width;
	if (!nxe)
		guest.regs.efer &= ~NXE;
	add_bits(level, 1ULL << bit);
	ret = walk(0, &out);
	CHECK((ret == WALK_FAULT && out.error == 9) == expected,
	      "%s, page of level %d, level %d, bit %d, NXE %d, width %d: %d, error %x", mode->name,
	      page_level, level, bit, nxe, width, ret, out.error);
}

static void try_reserved_bits(const struct mode *mode, int page_level, int level)
{
	static const int widths[] = { 32, 36, 39, 40, 48, 51, 52 };
	unsigned int i;
	int bit;

	for (bit = 1; bit < mode->size * 8; bit++) {
		/* a page instead of a table */
		if (bit == 7 && level > page_level && level <= mode->largest)
			continue;
		for (i = 0; i < ARRAY_SIZE(widths); i++) {
			try_reserved(mode, page_level, level, bit, false, widths[i]);
			try_reserved(mode, page_level, level, bit, true, widths[i]);
		}
	}
}

static void test_reserved(void)
{
	const struct mode *mode;
	int page_level, level;

	FOR_EACH_MODE(mode)
		for (page_level = 1; page_level <= mode->largest; page_level++)
			for (level = page_level; level <= mode->levels; level++)
				try_reserved_bits(mode, page_level, level);
}

/* A reserved bit in an entry that is not present is nobody's business. */
static void test_reserved_absent(void)
{
	struct walk_result out;

	build(&modes[3], 1, 0x5000);
	add_bits(4, PS);
	drop_bits(4, P);
	CHECK(walk(0, &out) == WALK_FAULT && out.error == 0, "%x", out.error);
}

/*
 * Rights
 */

struct rights {
	u64 upper, page;	/* W, U, NX of the root's entry and of the page's */
	u32 access;
	u8 cpl;
	bool wp, smep, smap, ac, pke;
	u32 key;		/* bit 0: access disable; bit 1: write disable */
};

#define KEY	11		/* the page's; all others forbid everything */

/* SDM vol. 3, 4.6.1 "Determination of Access Rights" and 4.6.2, and 4.7 for the error code. */
static bool right_to(const struct rights *r, const struct mode *mode, u32 *error)
{
	bool user_address = (r->upper & U) && (r->page & U);
	bool writable = (r->upper & W) && (r->page & W);
	bool no_execute = (r->upper | r->page) & NX;
	bool user_mode = r->cpl == 3 && !(r->access & WALK_SYSTEM);
	bool write = r->access & WALK_WRITE, fetch = r->access & WALK_FETCH;
	bool explicit_ac = r->ac && !(r->access & WALK_SYSTEM);
	bool allowed, key_allows = true;

	if (!user_mode && !user_address) {
		allowed = fetch ? !no_execute : !write || !r->wp || writable;
	} else if (!user_mode && user_address) {
		if (fetch)
			allowed = !r->smep && !no_execute;
		else if (r->smap && !explicit_ac)
			allowed = false;
		else
			allowed = !write || !r->wp || writable;
	} else if (user_address) {
		allowed = fetch ? !no_execute : !write || writable;
	} else {
		allowed = false;
	}
	if (r->pke && is_long(mode) && user_address && !fetch) {
		if (r->key & 1)
			key_allows = false;
		if ((r->key & 2) && write && (user_mode || r->wp))
			key_allows = false;
	}
	*error = 1 | (write ? 2 : 0) | (user_mode ? 4 : 0) | (key_allows ? 0 : 32);
	if (fetch && ((mode->efer & NXE) || r->smep))
		*error |= 16;
	return allowed && key_allows;
}

static void try_rights(const struct mode *mode, const struct rights *r)
{
	int upper = is_pae(mode) ? 2 : mode->levels;
	struct walk_result out;
	u32 error;
	bool right;
	int ret;

	drop_bits(1, W | U | NX);
	add_bits(1, r->page);
	drop_bits(upper, W | U | NX);
	add_bits(upper, r->upper);
	guest.regs.cpl = r->cpl;
	guest.regs.ac = r->ac;
	guest.regs.cr0 = PG | (r->wp ? WP : 0);
	guest.regs.cr4 = mode->cr4 | (r->smep ? SMEP : 0) | (r->smap ? SMAP : 0) |
			 (r->pke ? PKE : 0);
	guest.regs.pkru = ~(3U << 2 * KEY) | r->key << 2 * KEY;
	right = right_to(r, mode, &error);
	ret = walk(r->access, &out);
	CHECK(ret == (right ? 0 : WALK_FAULT) && (right || out.error == error),
	      "%s %llx %llx access %x cpl %d wp %d smep %d smap %d ac %d pke %d key %x: %d %x, not %x",
	      mode->name, (unsigned long long)r->upper, (unsigned long long)r->page, r->access,
	      r->cpl, r->wp, r->smep, r->smap, r->ac, r->pke, r->key, ret, out.error, error);
}

static void test_rights(void)
{
	static const u32 accesses[] = {
		0, WALK_WRITE, WALK_FETCH, WALK_SYSTEM, WALK_SYSTEM | WALK_WRITE,
	};
	static const u8 cpls[] = { 0, 2, 3 };
	const struct mode *mode;
	unsigned int i;

	FOR_EACH_MODE(mode) {
		build(mode, 1, 0x5000);
		if (is_long(mode))
			add_bits(1, (u64)KEY << 59);
		/* every bit of i is a choice; what a mode has not stays out */
		for (i = 0; i < 1U << 13; i++) {
			struct rights r = {
				.upper = (i & 1 ? W : 0) | (i & 2 ? U : 0) | (i & 4 ? NX : 0),
				.page = (i & 8 ? W : 0) | (i & 16 ? U : 0) | (i & 32 ? NX : 0),
				.wp = i & 64, .smep = i & 128, .smap = i & 256, .ac = i & 512,
				.pke = i & 1024, .key = i >> 11,
			};
			unsigned int j;

			if (mode->size == 4 && ((r.upper | r.page) & NX))
				continue;
			for (j = 0; j < ARRAY_SIZE(accesses) * ARRAY_SIZE(cpls); j++) {
				r.access = accesses[j % ARRAY_SIZE(accesses)];
				r.cpl = cpls[j / ARRAY_SIZE(accesses)];
				try_rights(mode, &r);
			}
		}
	}
}

/*
 * Accessed and dirty
 */

/* Which marks are missing: a bit a level for A, bit 0 for D of the page. */
static void try_marks(const struct mode *mode, int page_level, unsigned int missing, bool write)
{
	int level, expected = 0;
	struct walk_result out;

	build(mode, page_level, 0);
	for (level = page_level; level <= mode->levels; level++)
		if (has_rights(level) && (missing & 1 << level))
			drop_bits(level, A);
	if (missing & 1)
		drop_bits(page_level, D);
	CHECK(walk_with(guest.linear, write ? WALK_WRITE : 0, &look_only, &out) == 0, "-");
	CHECK(walk(write ? WALK_WRITE : 0, &out) == 0, "%s", mode->name);
	for (level = page_level; level <= mode->levels; level++) {
		bool dirty = level == page_level && (missing & 1);

		if (!has_rights(level)) {
			CHECK(!(get_entry(level) & (A | D)), "%s", mode->name);
			continue;
		}
		CHECK(get_entry(level) & A, "%s level %d missing %x", mode->name, level, missing);
		expected += (missing & 1 << level) || (dirty && write);
		CHECK(!(get_entry(level) & D) == (level != page_level || (dirty && !write)),
		      "%s level %d missing %x write %d", mode->name, level, missing, write);
	}
	CHECK(guest.memory.updates == expected, "%s missing %x: %d, not %d", mode->name, missing,
	      guest.memory.updates, expected);
}

static void test_marks(void)
{
	const struct mode *mode;
	unsigned int missing;
	int level;

	FOR_EACH_MODE(mode)
		for (level = 1; level <= mode->largest; level++)
			for (missing = 0; missing < 2U << mode->levels; missing++) {
				try_marks(mode, level, missing, false);
				try_marks(mode, level, missing, true);
			}
}

static void test_no_marks(void)
{
	struct walk_result out;

	build(&modes[3], 1, 0x5000);
	drop_bits(1, A | D | W);
	drop_bits(3, A);
	CHECK(walk(WALK_WRITE, &out) == WALK_FAULT && !guest.memory.updates, "denied");
	add_bits(1, W);
	CHECK(walk_with(guest.linear, WALK_WRITE, &look_only, &out) == 0, "-");
	CHECK(!(get_entry(1) & (A | D)) && !(get_entry(3) & A), "only looked");
}

/*
 * The callbacks
 */

static void test_races(void)
{
	struct walk_result out;

	build(&modes[3], 1, 0x5000);
	drop_bits(1, A);
	guest.memory.races = 1;
	guest.memory.raced_to = 0x9000 | P | W | U;
	CHECK(walk(0, &out) == 0 && (out.gpa & ~0xfffULL) == 0x9000, "%llx",
	      (unsigned long long)out.gpa);
	CHECK(get_entry(1) == (0x9000 | P | W | U | A), "-");

	build(&modes[3], 1, 0x5000);
	drop_bits(1, A);
	guest.memory.races = 1;
	guest.memory.raced_to = 0x9000;
	CHECK(walk(WALK_WRITE, &out) == WALK_FAULT && out.error == 2, "%x", out.error);

	build(&modes[3], 1, 0x5000);
	drop_bits(1, A);
	guest.memory.races = 1 << 30;
	CHECK(walk(0, &out) == -EAGAIN && guest.memory.reads < 1000, "endless");
}

static void test_errors(void)
{
	const struct mode *mode;
	struct walk_result out;

	FOR_EACH_MODE(mode) {
		build(mode, 1, 0x5000);
		guest.memory.fail_read = -EFAULT;
		CHECK(walk(0, &out) == -EFAULT && guest.memory.reads == 1, "%s", mode->name);
		build(mode, 1, 0x5000);
		drop_bits(1, A);
		guest.memory.fail_update = -EFAULT;
		CHECK(walk(0, &out) == -EFAULT, "%s", mode->name);
	}
}

int main(void)
{
	check_run("walk without paging", test_no_paging);
	check_run("walk translates in all modes and page sizes", test_translate);
	check_run("walk ignores bits that are no address", test_address_bits);
	check_run("walk PSE-36", test_pse36);
	check_run("walk tells the rights it found", test_result_rights);
	check_run("walk absent entries", test_absent);
	check_run("walk fetch bit of the error code", test_fetch_bit);
	check_run("walk reserved bits", test_reserved);
	check_run("walk reserved bits of absent entries", test_reserved_absent);
	check_run("walk rights", test_rights);
	check_run("walk accessed and dirty bits", test_marks);
	check_run("walk leaves entries alone", test_no_marks);
	check_run("walk races with the guest", test_races);
	check_run("walk callbacks that fail", test_errors);
	return check_end();
}
