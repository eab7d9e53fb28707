// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's local APIC and its timer, kvmclock, SMIs, and how it is started anew.
 *
 * Each event that the guest makes by them it waits for, and counts: none may be missing, and none
 * come twice.  One that is missing may still stand in the APIC as in service, and keep those of
 * its class away: an EOI for it, and the guest can go on.  Next: modes.S, guest.c.
 */
#include "chips.h"
#include "guest.h"

#define APIC_TPR	0x80
#define APIC_EOI	0xb0
#define APIC_SVR	0xf0
#define APIC_ISR_OURS	(0x100 + VEC_APIC / 32 * 16)
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define APIC_LVT_TIMER	0x320
#define APIC_LVT_LINT0	0x350
#define APIC_TMICT	0x380
#define APIC_TMCCT	0x390
#define APIC_TDCR	0x3e0

#define SVR_ENABLED	0x1ff
#define LVT_EXTINT	0x700
#define DIVIDE_BY_1	0xb
#define ICR_SELF	0x40000
#define ICR_ALL		0x80000
#define ICR_ASSERT	0x4000

#define MSR_KVM_SYSTEM_TIME	0x4b564d01
#define CLOCK_ON		1

#define TICKS		2000000		/* at most; one is a nanosecond */
#define SHORT_COUNT	20000
#define PATIENCE	2000		/* looks, each an exit, at something that has to come */

_Static_assert(VEC_APIC % 32 + VECTORS - VEC_APIC <= 32, "one word of the ISR");

struct clock_page {
	uint32_t version, pad;
	uint64_t tsc, ns;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad2[2];
};

extern struct guest_shared shared;
extern char smm_code[], smm_code_end[], start_page[];
extern volatile uint64_t starts;
void start_over(uint32_t in_smm);
void *memcpy(void *to, const void *from, unsigned long bytes);

/* As modes.S has it. */
volatile struct {
	uint32_t smis;
	uint32_t start_vector;
} smm_words;

static volatile struct clock_page clock_page __attribute__((aligned(64)));
static volatile uint64_t timers_taken, ipis_taken;
static uint64_t timers, ipis, started, last_ns;

static void apic_write(unsigned int offset, uint32_t value)
{
	*(volatile uint32_t *)(uint64_t)(VA_APIC + offset) = value;
}

static uint32_t apic_read(unsigned int offset)
{
	return *(volatile uint32_t *)(uint64_t)(VA_APIC + offset);
}

static void apic_on(void)
{
	apic_write(APIC_SVR, SVR_ENABLED);
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
	apic_write(APIC_TDCR, DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, VEC_TIMER);
	apic_write(APIC_ICR2, 0);
}

/** chips_on - once, at the beginning */
void chips_on(void)
{
	if (!shared.chips)
		return;
	memcpy((void *)SMM_CODE, smm_code, smm_code_end - smm_code);
	apic_on();
	write_msr(MSR_KVM_SYSTEM_TIME, (uint64_t)&clock_page | CLOCK_ON);
}

/** chips_take - an interrupt of the local APIC; @in_shadow: the HLT behind an STI is yet to come */
int chips_take(uint64_t vector, int in_shadow)
{
	if (vector < VEC_APIC)
		return 0;
	if (vector == VEC_TIMER) {
		/* too early, and no fault of KVM's: what is to wake the guest comes once more */
		if (in_shadow)
			apic_write(APIC_TMICT, SHORT_COUNT);
		else
			timers_taken++;
	} else if (vector == VEC_IPI) {
		ipis_taken++;
	} else {
		out32(PORT_MSI, ++shared.msi_taken);
	}
	apic_write(APIC_EOI, 0);
	return 1;
}

/** chips_arm_timer - interrupts are disabled until the STI before the HLT that it ends */
void chips_arm_timer(void)
{
	asm volatile("cli");
	timers++;
	apic_write(APIC_TMICT, 1 + random64() % TICKS);
}

/** chips_some_icr - to the guest itself, in one of the ways there are */
uint32_t chips_some_icr(void)
{
	static const uint32_t ways[] = { ICR_SELF, ICR_ALL, ICR_ASSERT };

	ipis++;
	return ways[random64() % (sizeof(ways) / sizeof(ways[0]))] | VEC_IPI;
}

static void count(int which, uint64_t sent, volatile uint64_t *taken)
{
	struct tally *tally = &shared.tally[which];

	if (*taken < sent) {
		tally->lost++;
		if (apic_read(APIC_ISR_OURS))
			apic_write(APIC_EOI, 0);
	} else {
		tally->taken++;
		tally->doubled += *taken - sent;
	}
	*taken = sent;
}

static void settle_timer(void)
{
	int looks = 0;

	while (timers_taken < timers && looks < PATIENCE)
		if (!apic_read(APIC_TMCCT))
			looks++;
	count(P_timer, timers, &timers_taken);
}

static void settle_ipi(void)
{
	for (int looks = 0; ipis_taken < ipis && looks < PATIENCE; looks++)
		apic_read(APIC_TPR);
	count(P_ipi, ipis, &ipis_taken);
}

static uint64_t scale(uint64_t ticks, uint32_t mul, int8_t shift)
{
	ticks = shift < 0 ? ticks >> -shift : ticks << shift;
	return (unsigned __int128)ticks * mul >> 32;
}

static uint64_t read_tsc(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static uint64_t clock_ns(void)
{
	uint32_t version;
	uint64_t ns;

	do {
		version = clock_page.version;
		asm volatile("" : : : "memory");
		ns = clock_page.ns + scale(read_tsc() - clock_page.tsc, clock_page.mul,
					   clock_page.shift);
		asm volatile("" : : : "memory");
	} while (version & 1 || version != clock_page.version);
	return ns;
}

static void settle_clock(void)
{
	uint64_t ns = clock_ns();

	if (ns > last_ns) {
		shared.tally[P_clock].taken++;
	} else {
		shared.tally[P_clock].lost++;
		wrong(WRONG_CLOCK, last_ns, ns);
	}
	last_ns = ns;
}

/** chips_settle - what the guest has just provoked arrives; returns 0 for what is none of these */
int chips_settle(int which)
{
	if (which == P_timer)
		settle_timer();
	else if (which == P_ipi)
		settle_ipi();
	else if (which == P_clock)
		settle_clock();
	else
		return 0;
	return 1;
}

/** chips_start - be sent an INIT and a SIPI; all registers are new, those of the APIC, too */
void chips_start(int in_smm)
{
	struct tally *tally = &shared.tally[in_smm ? P_start_smm : P_start];

	tally->provoked++;
	started++;
	smm_words.start_vector = in_smm ? (uint64_t)start_page >> 12 : 0;
	start_over(in_smm);
	tally->taken++;
	tally->doubled += starts - started;
	started = starts;
	apic_on();
}
