// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table at the end of the move test, the line of progress on the way, and the verdict:
 * with the events, nothing lost and nothing twice; without them, something lost, or else
 * nothing has been shown.
 */
#include <stdio.h>
#include <string.h>
#include "report.h"

#define PROGRESS_LINES 10
#define MOVES_FOR_ALL 1000

static const char *const found_names[FOUNDS] = {
	[FOUND_EXCEPTION_INJECTED] = "exception, its delivery begun",
	[FOUND_EXCEPTION_PENDING] = "exception, pending",
	[FOUND_PAYLOAD] = "  with a payload",
	[FOUND_SOFT] = "INT n or INT3 begun (RIP stays)",
	[FOUND_IRQ_INJECTED] = "interrupt, acknowledged",
	[FOUND_SHADOW] = "interrupt shadow",
	[FOUND_NMI_INJECTED] = "NMI, its delivery begun",
	[FOUND_NMI_PENDING] = "NMI, pending",
	[FOUND_TWO_NMIS] = "  two of them",
	[FOUND_NMI_MASKED] = "NMIs masked",
	[FOUND_SEVERAL] = "more than one event",
	[FOUND_HALTED] = "halted",
	[FOUND_INIT] = "INIT, latched",
	[FOUND_INIT_IN_SMM] = "  in SMM, with a SIPI behind it",
	[FOUND_SIPI] = "SIPI, pending",
	[FOUND_SMI_PENDING] = "SMI, pending",
	[FOUND_SMM] = "in SMM",
	[FOUND_NMI_IN_SMM] = "  with an NMI that waits",
	[FOUND_IRR] = "interrupt in the APIC's IRR",
	[FOUND_ISR] = "interrupt in the APIC's ISR",
	[FOUND_TIMER] = "APIC timer running",
	[FOUND_HALTED_TIMER] = "  in a halted vCPU",
	[FOUND_ANY] = "any event",
};

const char *const found_files[FOUNDS] = {
	[FOUND_EXCEPTION_INJECTED] = "exception-begun",
	[FOUND_EXCEPTION_PENDING] = "exception-pending",
	[FOUND_PAYLOAD] = "payload",
	[FOUND_SOFT] = "software-event-begun",
	[FOUND_IRQ_INJECTED] = "interrupt",
	[FOUND_SHADOW] = "shadow",
	[FOUND_NMI_INJECTED] = "nmi-begun",
	[FOUND_NMI_PENDING] = "nmi-pending",
	[FOUND_TWO_NMIS] = "two-nmis",
	[FOUND_NMI_MASKED] = "nmis-masked",
	[FOUND_SEVERAL] = "several",
	[FOUND_HALTED] = "halted",
	[FOUND_INIT] = "init",
	[FOUND_INIT_IN_SMM] = "init-in-smm",
	[FOUND_SIPI] = "sipi",
	[FOUND_SMI_PENDING] = "smi-pending",
	[FOUND_SMM] = "in-smm",
	[FOUND_NMI_IN_SMM] = "nmi-in-smm",
	[FOUND_IRR] = "apic-irr",
	[FOUND_ISR] = "apic-isr",
	[FOUND_TIMER] = "apic-timer",
	[FOUND_HALTED_TIMER] = "halted-with-timer",
};

static const char *const stop_names[STOPS] = {
	[STOP_TIMER] = "stopped by a timer",
	[STOP_KICK] = "stopped by another thread",
	[STOP_EXIT] = "stopped at an exit",
	[STOP_PAGE] = "stopped with a page taken away",
};

/**
 * found_in - what does a saved vCPU have pending?
 * @soft_rip: where the software interrupt now due stands, or 0: the ABI hides one whose
 *            delivery has begun, and has it executed again instead
 * @is: filled in
 */
void found_in(const struct vcpu_image *image, uint64_t soft_rip, bool halted, bool is[FOUNDS])
{
	const struct kvm_vcpu_events *e = &image->events;
	bool soft = soft_rip && image->regs.rip == soft_rip;
	bool timer = lapic_word(&image->lapic, LAPIC_TMCCT);
	bool asleep = halted || image->mp_state.mp_state == KVM_MP_STATE_HALTED;
	int events = !!e->exception.injected + !!e->exception.pending +
		     !!e->interrupt.injected + !!e->nmi.injected + !!e->nmi.pending +
		     !!e->smi.pending + !!e->smi.latched_init;
	const bool kinds[FOUNDS] = {
		[FOUND_EXCEPTION_INJECTED] = e->exception.injected,
		[FOUND_EXCEPTION_PENDING] = e->exception.pending,
		[FOUND_PAYLOAD] = e->exception.pending && e->exception_has_payload,
		[FOUND_SOFT] = soft,
		[FOUND_IRQ_INJECTED] = e->interrupt.injected,
		[FOUND_SHADOW] = e->interrupt.shadow,
		[FOUND_NMI_INJECTED] = e->nmi.injected,
		[FOUND_NMI_PENDING] = e->nmi.pending,
		[FOUND_TWO_NMIS] = e->nmi.pending > 1,
		[FOUND_NMI_MASKED] = e->nmi.masked,
		[FOUND_SEVERAL] = events + soft > 1,
		[FOUND_HALTED] = asleep,
		[FOUND_INIT] = e->smi.latched_init && !e->smi.smm,
		[FOUND_INIT_IN_SMM] = e->smi.latched_init && e->smi.smm &&
				      e->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR,
		[FOUND_SIPI] = image->mp_state.mp_state == KVM_MP_STATE_SIPI_RECEIVED,
		[FOUND_SMI_PENDING] = e->smi.pending && !e->smi.smm,
		[FOUND_SMM] = e->smi.smm,
		[FOUND_NMI_IN_SMM] = e->smi.smm && e->nmi.masked && e->nmi.pending,
		[FOUND_IRR] = lapic_bank_any(&image->lapic, LAPIC_IRR),
		[FOUND_ISR] = lapic_bank_any(&image->lapic, LAPIC_ISR),
		[FOUND_TIMER] = timer,
		[FOUND_HALTED_TIMER] = timer && asleep,
		[FOUND_ANY] = events + soft > 0,
	};

	memcpy(is, kinds, sizeof(kinds));
}

/** report_found - count what a saved vCPU had pending */
void report_found(struct pass *pass, const struct vcpu_image *image, uint64_t soft_rip,
		  bool halted)
{
	bool is[FOUNDS];

	found_in(image, soft_rip, halted, is);
	for (int i = 0; i < FOUNDS; i++)
		pass->found[i] += is[i];
}

void report_progress(struct pass *pass, const struct machine *m, unsigned int moves)
{
	unsigned int step = moves / PROGRESS_LINES;

	if (!step)
		step = 1;
	if (pass->moves / step == pass->told / step)
		return;
	pass->told = pass->moves;
	printf("%-12s %5u of %u moves, %u with an event pending, guest in round %llu\n",
	       pass->name, pass->moves, moves, pass->found[FOUND_ANY],
	       (unsigned long long)(m->totals.rounds + m->shared->rounds));
}

/* --- the table -------------------------------------------------------------------------- */

static void print_pair(const char *name, unsigned int a, unsigned int b)
{
	printf("  %-34s %8u %8u\n", name, a, b);
}

static void print_counts(const char *name, const struct count *a, const struct count *b)
{
	printf("  %-26s %7llu %7llu %5llu %5llu   %7llu %7llu %5llu %5llu\n", name,
	       (unsigned long long)a->sent, (unsigned long long)a->delivered,
	       (unsigned long long)a->lost, (unsigned long long)a->doubled,
	       (unsigned long long)b->sent, (unsigned long long)b->delivered,
	       (unsigned long long)b->lost, (unsigned long long)b->doubled);
}

static struct count count_of(const struct tally *tally)
{
	return (struct count) { tally->provoked, tally->taken, tally->lost, tally->doubled };
}

static void add(struct count *to, const struct count *count)
{
	to->sent += count->sent;
	to->delivered += count->delivered;
	to->lost += count->lost;
	to->doubled += count->doubled;
}

static struct count sum_of(const struct pass *pass)
{
	struct count sum = { 0 };

	for (int i = 0; i < PROVOKED_COUNT; i++) {
		struct count count = count_of(&pass->totals.tally[i]);

		add(&sum, &count);
	}
	add(&sum, &pass->irq);
	add(&sum, &pass->nmi);
	add(&sum, &pass->msi);
	add(&sum, &pass->smi);
	add(&sum, &pass->devices);
	return sum;
}

static void print_provoked(const struct pass *with, const struct pass *without)
{
#define TEXT(name, class, text) text,
	static const char *const texts[] = { PROVOKED(TEXT) };

	for (int i = 0; i < PROVOKED_COUNT; i++) {
		struct count a = count_of(&with->totals.tally[i]);
		struct count b = count_of(&without->totals.tally[i]);

		if (with->totals.absent & 1UL << i)
			printf("  %-26s (not raised by this processor)\n", texts[i]);
		else if (a.sent || b.sent)
			print_counts(texts[i], &a, &b);
	}
}

void report_table(const struct pass *with, const struct pass *without)
{
	struct count a = sum_of(with), b = sum_of(without);

	printf("\n%-36s %8s %8s\n", "", "with", "without");
	printf("%-36s %8u %8u\n", "Moves", with->moves, without->moves);
	for (int i = 0; i < STOPS; i++)
		print_pair(stop_names[i], with->stops[i], without->stops[i]);
	print_pair("in the midst of a delivery", with->faulted, without->faulted);
	printf("\nFound in the vCPU that was moved\n");
	for (int i = 0; i < FOUNDS; i++)
		print_pair(found_names[i], with->found[i], without->found[i]);
	printf("\n%-28s %-26s   %s\n%-28s %7s %7s %5s %5s   %7s %7s %5s %5s\n",
	       "", "Events moved", "Events not moved", "",
	       "sent", "deliv.", "lost", "twice", "sent", "deliv.", "lost", "twice");
	print_provoked(with, without);
	print_counts("external interrupts", &with->irq, &without->irq);
	print_counts("NMIs", &with->nmi, &without->nmi);
	print_counts("messages to the APIC", &with->msi, &without->msi);
	print_counts("SMIs", &with->smi, &without->smi);
	print_counts("accesses to devices", &with->devices, &without->devices);
	print_counts("all", &a, &b);
	printf("\n");
	print_pair("guests that could not go on", with->totals.deaths, without->totals.deaths);
	print_pair("wrong values found by the guest", with->totals.wrongs,
		   without->totals.wrongs);
	print_pair("interrupts in the shadow of STI", with->totals.irq_in_shadow,
		   without->totals.irq_in_shadow);
	printf("\n");
}

/* --- the verdict ------------------------------------------------------------------------ */

static int passed, failed;

static void expect(bool good, const char *what)
{
	printf("%s  %s\n", good ? "pass" : "FAIL", what);
	if (good)
		passed++;
	else
		failed++;
}

static void explain(const struct pass *pass)
{
#define WHAT(name, text) text,
	static const char *const whats[] = { WRONGS(WHAT) };
#define NAME(name, class, text) text,
	static const char *const names[] = { PROVOKED(NAME) };

	if (pass->wrong_known)
		printf("      first: round %llu, %s: %s: 0x%llx and not 0x%llx\n",
		       (unsigned long long)pass->wrong.round, names[pass->wrong.provoked],
		       whats[pass->wrong.what], (unsigned long long)pass->wrong.got,
		       (unsigned long long)pass->wrong.want);
	if (pass->totals.last_death)
		printf("      last death: %s, at %s\n", pass->totals.last_death,
		       names[pass->totals.last_provoked]);
	if (pass->last_difference)
		printf("      last difference: %s\n", pass->last_difference);
}

/**
 * report_verdict - judge both passes, with one line a point
 * Return: 0 when the test has passed, 1 otherwise.
 */
int report_verdict(const struct pass *with, const struct pass *without, unsigned int moves)
{
	static const enum found must_be_seen[] = {
		FOUND_EXCEPTION_INJECTED, FOUND_EXCEPTION_PENDING, FOUND_PAYLOAD, FOUND_SOFT,
		FOUND_IRQ_INJECTED, FOUND_SHADOW, FOUND_NMI_INJECTED, FOUND_NMI_PENDING,
		FOUND_NMI_MASKED,
	};
	struct count a = sum_of(with), b = sum_of(without);
	bool all_seen = true;

	for (unsigned int i = 0; i < sizeof(must_be_seen) / sizeof(must_be_seen[0]); i++)
		all_seen &= with->found[must_be_seen[i]] > 0;
	expect(with->moves == moves && without->moves == moves, "every move was made");
	expect(a.lost == 0, "with the events, nothing is lost");
	expect(a.doubled == 0, "with the events, nothing comes twice");
	expect(with->totals.deaths == 0, "with the events, the guest lives to the end");
	expect(with->totals.wrongs == 0, "with the events, every value is right");
	expect(with->sums_agree, "with the events, the checksums agree");
	expect(with->differences == 0, "what was loaded reads back the same");
	/* TCG enters a guest without its interrupt shadow, whatever KVM asks for. */
	if (!host_is_tcg())
		expect(with->totals.irq_in_shadow == 0, "no interrupt in the shadow of STI");
	expect(10 * with->found[FOUND_ANY] > 3 * with->moves, "3 moves in 10 found an event");
	/* A short run may miss one by chance. */
	if (moves >= MOVES_FOR_ALL)
		expect(all_seen, "each kind of event was found by some move");
	expect(b.lost > 0, "without the events, some are lost");
	explain(with);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
