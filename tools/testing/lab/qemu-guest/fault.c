// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault.c - every exception that a process can raise on itself, once a round.
 *
 * A row of the table is a snippet of probe.S, the register that it needs, and the signal that Linux
 * must answer with: number, code, address, trap number, error code, instruction pointer. Each must
 * come exactly once, and leave every register as it was, in the signal's frame and after it.
 *
 * Single steps and what ptrace brings about are in debug.c.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "guest.h"
#include "probe.h"

enum { PAGE = 4096 };

/* Where si_addr must point, and where the instruction pointer must stand. */
enum where { NOWHERE, AT_RIP, AT_VALUE };

enum { COMPAT = 1, JUMPS = 2, FLAGS_CHANGE = 4, ONLY_AMD = 8 };

/* What the register that a row names is given. */
enum value { NOTHING, ZERO, ONE, FAR_OFF, HOLE, READ_ONLY, NO_EXECUTE, KERNEL, NON_CANONICAL,
	     LDT_DATA, KERNEL_SELECTOR, ODD_ADDRESS, BEFORE_HOLE };

struct fault {
	const char *name;
	enum kind kind;
	const char *start, *at, *after;
	enum reg reg;
	enum value value;
	int signal, code, trap;
	/* SELECTOR: that of the LDT entry; UNCHECKED: TCG has its own idea of it */
	long error;
	enum where address;
	unsigned int flags;
	unsigned int changes;	/* general registers that the snippet changes */
};

enum { COMPAT_CHANGES = 0xff00 | 1 << RSP };
enum { SELECTOR = -1, UNCHECKED = -2, LDT_ENTRY = 1, LDT_SELECTOR = LDT_ENTRY << 3 | 4 | 3 };

#define SNIPPETS(X)									\
	X(div_zero,	DE, RCX, ZERO, SIGFPE, FPE_INTDIV, 0, 0, AT_RIP, 0, 0)		\
	X(div_range,	DE, RCX, ONE, SIGFPE, FPE_INTDIV, 0, 0, AT_RIP, 0, 0)		\
	X(compat_div,	DE, RCX, ZERO, SIGFPE, FPE_INTDIV, 0, 0, AT_RIP, COMPAT, 0)	\
	X(int1,		INT1, RAX, NOTHING, SIGTRAP, TRAP_BRKPT, 1, 0, AT_RIP, 0, 0)	\
	X(int3,		BP, RAX, NOTHING, SIGTRAP, SI_KERNEL, 3, 0, NOWHERE, 0, 0)	\
	X(int_3,	BP, RAX, NOTHING, SIGTRAP, SI_KERNEL, 3, 0, NOWHERE, 0, 0)	\
	X(compat_int3,	BP, RAX, NOTHING, SIGTRAP, SI_KERNEL, 3, 0, NOWHERE, COMPAT, 0)	\
	X(int_4,	OF, RAX, NOTHING, SIGSEGV, SI_KERNEL, 4, 0, NOWHERE, 0, 0)	\
	X(into,		OF, RAX, NOTHING, SIGSEGV, SI_KERNEL, 4, 0, NOWHERE, COMPAT, 0)	\
	X(bound,	BR, RAX, FAR_OFF, SIGSEGV, SI_KERNEL, 5, 0, NOWHERE, COMPAT, 0)	\
	X(ud2,		UD, RAX, NOTHING, SIGILL, ILL_ILLOPN, 6, 0, AT_RIP, 0, 0)	\
	X(push_es,	UD, RAX, NOTHING, SIGILL, ILL_ILLOPN, 6, 0, AT_RIP, 0, 0)	\
	X(sysenter,	UD, RAX, NOTHING, SIGILL, ILL_ILLOPN, 6, 0, AT_RIP, ONLY_AMD, 0) \
	X(compat_ud,	UD, RAX, NOTHING, SIGILL, ILL_ILLOPN, 6, 0, AT_RIP, COMPAT, 0)	\
	X(np_es,	NP, RCX, LDT_DATA, SIGBUS, SI_KERNEL, 11, SELECTOR, NOWHERE, 0, 0) \
	X(np_fs,	NP, RCX, LDT_DATA, SIGBUS, SI_KERNEL, 11, SELECTOR, NOWHERE, 0, 0) \
	X(ss_load,	SS, RCX, LDT_DATA, SIGBUS, SI_KERNEL, 12, SELECTOR, NOWHERE, 0, 0) \
	X(gp_hlt,	GP, RAX, NOTHING, SIGSEGV, SI_KERNEL, 13, 0, NOWHERE, 0, 0)	\
	X(gp_cli,	GP, RAX, NOTHING, SIGSEGV, SI_KERNEL, 13, 0, NOWHERE, 0, 0)	\
	X(gp_in,	GP, RAX, NOTHING, SIGSEGV, SI_KERNEL, 13, 0, NOWHERE, 0, 0)	\
	X(gp_int,	GP, RAX, NOTHING, SIGSEGV, SI_KERNEL, 13, UNCHECKED, NOWHERE, 0, 0)	\
	X(gp_cr0,	GP, RAX, NOTHING, SIGSEGV, SI_KERNEL, 13, 0, NOWHERE, 0, 0)	\
	X(gp_address,	GP, RCX, NON_CANONICAL, SIGSEGV, SI_KERNEL, 13, 0, NOWHERE, 0, 0) \
	X(gp_selector,	GP, RCX, KERNEL_SELECTOR, SIGSEGV, SI_KERNEL, 13, 0x10, NOWHERE, 0, 0) \
	X(pf_read,	PF, RCX, HOLE, SIGSEGV, SEGV_MAPERR, 14, 4, AT_VALUE, 0, 0)	\
	X(pf_write,	PF, RCX, READ_ONLY, SIGSEGV, SEGV_ACCERR, 14, 7, AT_VALUE, 0, 0) \
	X(pf_rmw,	PF, RCX, HOLE, SIGSEGV, SEGV_MAPERR, 14, UNCHECKED, AT_VALUE, 0, 0)	\
	X(pf_kernel,	PF, RCX, KERNEL, SIGSEGV, SEGV_MAPERR, 14, 5, AT_VALUE, 0, 0)	\
	X(pf_push,	PF, RCX, HOLE, SIGSEGV, SEGV_MAPERR, 14, 4, AT_VALUE, 0, 0)	\
	X(pf_jump,	PF, RCX, NO_EXECUTE, SIGSEGV, SEGV_ACCERR, 14, 0x15, AT_VALUE, JUMPS, 0) \
	X(pf_string,	PF, RSI, BEFORE_HOLE, SIGSEGV, SEGV_MAPERR, 14, 4, AT_VALUE,	\
			FLAGS_CHANGE, 1u << RAX | 1u << RCX | 1u << RSI)		\
	X(compat_pf,	PF, RCX, HOLE, SIGSEGV, SEGV_MAPERR, 14, 4, AT_VALUE, COMPAT, 0)	\
	X(mf,		MF, RAX, NOTHING, SIGFPE, FPE_FLTDIV, 16, 0, AT_RIP, 0, 0)	\
	X(ac,		AC, RCX, ODD_ADDRESS, SIGBUS, BUS_ADRALN, 17, 0, NOWHERE,	\
			FLAGS_CHANGE, 0)						\
	X(xm,		XM, RAX, NOTHING, SIGFPE, FPE_FLTDIV, 19, 0, AT_RIP, 0, 0)

#define DECLARE(name, ...) \
	extern const char snip_##name[], snip_##name##_at[], snip_##name##_after[];
SNIPPETS(DECLARE)

#define ROW(name, kind, ...) \
	{ #name, K_##kind, snip_##name, snip_##name##_at, snip_##name##_after, __VA_ARGS__ },
static const struct fault faults[] = { SNIPPETS(ROW) };

enum { FAULTS = sizeof(faults) / sizeof(faults[0]), TRAIL = 16 };

/* What the handler found. It only notes; the comparison is done outside of it. */
static struct {
	const struct fault *awaited;
	unsigned int count;
	int signal, code;
	uint64_t address;
	greg_t gregs[NGREG];
	uint8_t xmm[16][16];
} caught;

static struct {
	uint8_t *hole, *read_only, *data;
} place;

static bool amd, avx;

/* RFLAGS.AC of the interrupted code is still set in the handler, and gcc's copies are unaligned. */
static inline void clear_ac(void)
{
	asm volatile("pushfq\n\tandl $~0x40000, (%%rsp)\n\tpopfq" : : : "memory", "cc");
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	clear_ac();
	if (!caught.awaited || caught.count++)
		wrong("%s: signal %d twice, code %d, trap %lld, at %#llx",
		      caught.awaited ? caught.awaited->name : "between faults", signal,
		      info->si_code, uc->uc_mcontext.gregs[REG_TRAPNO],
		      uc->uc_mcontext.gregs[REG_RIP]);
	caught.signal = signal;
	caught.code = info->si_code;
	caught.address = (uint64_t)info->si_addr;
	memcpy(caught.gregs, uc->uc_mcontext.gregs, sizeof(caught.gregs));
	memcpy(caught.xmm, uc->uc_mcontext.fpregs->_xmm, sizeof(caught.xmm));
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)caught.awaited->after;
}

static uint64_t value_of(enum value value)
{
	switch (value) {
	case ONE:
		return 1;
	case FAR_OFF:
		return 0x7fff0000;
	case HOLE:
		return (uint64_t)place.hole + 0x123;
	case READ_ONLY:
		return (uint64_t)place.read_only + 0x456;
	case NO_EXECUTE:
		return (uint64_t)place.data + 0x789;
	case KERNEL:
		return 0xffffffff81000000;
	case NON_CANONICAL:
		return 0x8000123456789abc;
	case LDT_DATA:
		return LDT_SELECTOR;
	case KERNEL_SELECTOR:
		return 0x10;
	case ODD_ADDRESS:
		return (uint64_t)place.data;
	case BEFORE_HOLE:
		return (uint64_t)place.hole - TRAIL;
	default:
		return 0;
	}
}

static uint64_t address_of(const struct fault *fault, uint64_t value)
{
	if (fault->address == AT_VALUE)
		return fault->value == BEFORE_HOLE ? value + TRAIL : value;
	return fault->address == AT_RIP ? (uint64_t)fault->at : 0;
}

/* In the frame of the signal: registers as they stood at the event. */
static void check_frame(const struct fault *fault, const struct regs *in)
{
	static const int order[16] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
		REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	};
	unsigned int changes = fault->changes | 1u << RSP |
			       (fault->flags & COMPAT ? COMPAT_CHANGES : 0);

	for (int i = 0; i < 16; i++) {
		if (changes & 1u << i)
			continue;
		must(caught.gregs[order[i]] == (greg_t)in->gpr[i],
		     "%s: register %d was %#llx in the signal's frame, not %#lx", fault->name, i,
		     caught.gregs[order[i]], in->gpr[i]);
	}
	for (int i = 0; i < 16 && fault->kind != K_XM; i++)
		must(!memcmp(caught.xmm[i], in->ymm[i], 16),
		     "%s: xmm%d is wrong in the signal's frame", fault->name, i);
	if (fault->flags & FLAGS_CHANGE)
		return;
	must((caught.gregs[REG_EFL] & PROBE_FLAGS) == (in->flags & PROBE_FLAGS),
	     "%s: flags %#llx in the signal's frame, not %#lx", fault->name,
	     caught.gregs[REG_EFL], in->flags);
}

static void check_signal(const struct fault *fault, uint64_t value)
{
	uint64_t address = address_of(fault, value);
	uint64_t rip = fault->flags & JUMPS ? value : (uint64_t)fault->at;
	long error = fault->error == SELECTOR ? LDT_SELECTOR & ~3 : fault->error;

	must(caught.signal == fault->signal && caught.code == fault->code,
	     "%s: signal %d code %d, not %d code %d", fault->name, caught.signal, caught.code,
	     fault->signal, fault->code);
	must(caught.address == address, "%s: address %#lx, not %#lx", fault->name, caught.address,
	     address);
	must(caught.gregs[REG_TRAPNO] == fault->trap, "%s: trap %lld, not %d", fault->name,
	     caught.gregs[REG_TRAPNO], fault->trap);
	must(error == UNCHECKED || caught.gregs[REG_ERR] == error,
	     "%s: error code %#llx, not %#lx", fault->name, caught.gregs[REG_ERR], error);
	must((uint64_t)caught.gregs[REG_RIP] == rip, "%s: reported at %#llx, not %#lx",
	     fault->name, caught.gregs[REG_RIP], rip);
	if (fault->value == BEFORE_HOLE)
		must((uint64_t)caught.gregs[REG_RSI] == address &&
		     caught.gregs[REG_RCX] == 64 - TRAIL,
		     "%s: rsi %#llx rcx %lld in the middle of the string", fault->name,
		     caught.gregs[REG_RSI], caught.gregs[REG_RCX]);
}

/* 32-bit code promises nothing about upper halves and upper registers. OF is for INTO. */
static void fit_compat(struct regs *regs)
{
	for (int i = 0; i < 16; i++)
		regs->gpr[i] = i < R8 ? (uint32_t)regs->gpr[i] : regs->gpr[i];
	regs->flags |= 0x800;
}

static bool fault_try(const struct fault *fault, struct regs *in, struct regs *out)
{
	uint64_t value = value_of(fault->value);

	probe_fill(in);
	if (fault->flags & COMPAT)
		fit_compat(in);
	if (fault->value != NOTHING)
		in->gpr[fault->reg] = value;
	memset(&caught, 0, sizeof(caught));
	caught.awaited = fault;
	probe(fault->start, in, out, avx);
	caught.awaited = NULL;
	return caught.count == 1;
}

static void fault_run(const struct fault *fault)
{
	static struct regs in, out;

	sent(fault->kind);
	must(fault_try(fault, &in, &out), "%s: no signal came", fault->name);
	seen(fault->kind);
	check_signal(fault, value_of(fault->value));
	check_frame(fault, &in);
	probe_compare(fault->name, &in, &out,
		      fault->changes | (fault->flags & COMPAT ? COMPAT_CHANGES : 0));
	if (!(fault->flags & FLAGS_CHANGE))
		must((out.flags & PROBE_FLAGS) == (in.flags & PROBE_FLAGS),
		     "%s: flags are %#lx, were %#lx", fault->name, out.flags, in.flags);
}

static uint8_t *map(size_t pages, int protection)
{
	uint8_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	must(p != MAP_FAILED, "mmap: %s", strerror(errno));
	memset(p, 0xcc, pages * PAGE);
	must(!mprotect(p, pages * PAGE, protection), "mprotect: %s", strerror(errno));
	return p;
}

static void make_places(void)
{
	uint8_t *two;

	place.read_only = map(1, PROT_READ);
	place.data = map(1, PROT_READ | PROT_WRITE);
	/* Last, so that nothing else comes to lie in the hole. */
	two = map(2, PROT_READ | PROT_WRITE);
	place.hole = two + PAGE;
	must(!munmap(place.hole, PAGE), "munmap: %s", strerror(errno));
}

static void make_ldt(void)
{
	struct user_desc desc = {
		.entry_number = LDT_ENTRY, .limit = 0xfffff, .seg_32bit = 1,
		.limit_in_pages = 1, .seg_not_present = 1,
	};

	must(!syscall(SYS_modify_ldt, 0x11, &desc, sizeof(desc)), "modify_ldt: %s",
	     strerror(errno));
}

static void catch_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	static uint8_t stack[65536] __attribute__((aligned(64)));
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	action.sa_sigaction = on_signal;
	must(!sigaltstack(&alternate, NULL), "sigaltstack: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		must(!sigaction(signals[i], &action, NULL), "sigaction: %s", strerror(errno));
}

void fault_start(void)
{
	unsigned int a, b = 0, c, d;

	__get_cpuid(0, &a, &b, &c, &d);
	amd = b == signature_AMD_ebx;
	avx = probe_has_avx();
	make_places();
	make_ldt();
	catch_signals();
	/* 64-bit code does not need them; 32-bit code does, and they must survive every switch. */
	asm volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(SELECTOR_DATA));
}

static bool is_skipped(const struct fault *fault)
{
	return shared->absent & 1u << fault->kind || (fault->flags & ONLY_AMD && !amd);
}

void fault_round(void)
{
	for (int i = 0; i < FAULTS; i++) {
		if (!is_skipped(&faults[i]))
			fault_run(&faults[i]);
	}
}

/* Emulated processors leave some out. Tried once; drive compares it with the world outside. */
void fault_find_absent(void)
{
	const uint32_t optional = 1u << K_AC | 1u << K_XM | 1u << K_INT1;
	static struct regs in, out;

	for (int i = 0; i < FAULTS; i++) {
		if (!(optional & 1u << faults[i].kind))
			continue;
		if (!fault_try(&faults[i], &in, &out) ||
		    caught.gregs[REG_TRAPNO] != faults[i].trap)
			shared->absent |= 1u << faults[i].kind;
	}
}
