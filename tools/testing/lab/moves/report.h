/* SPDX-License-Identifier: GPL-2.0-only */
/* What is counted in a pass of the move test, and how it is told.  See report.c. */
#ifndef MOVES_REPORT_H
#define MOVES_REPORT_H

#include "machine.h"

enum stop { STOP_TIMER, STOP_KICK, STOP_EXIT, STOP_PAGE, STOPS };

enum found {
	FOUND_EXCEPTION_INJECTED, FOUND_EXCEPTION_PENDING, FOUND_PAYLOAD, FOUND_SOFT,
	FOUND_IRQ_INJECTED, FOUND_SHADOW, FOUND_NMI_INJECTED, FOUND_NMI_PENDING,
	FOUND_TWO_NMIS, FOUND_NMI_MASKED, FOUND_SEVERAL, FOUND_HALTED,
	/* with chips only */
	FOUND_INIT, FOUND_INIT_IN_SMM, FOUND_SIPI, FOUND_SMI_PENDING, FOUND_SMM, FOUND_NMI_IN_SMM,
	FOUND_IRR, FOUND_ISR, FOUND_TIMER, FOUND_HALTED_TIMER,
	FOUND_ANY, FOUNDS
};

#define FOUND_CHIPS FOUND_INIT		/* the first of them */

/** struct pass - one pass, with the events moved or without */
struct pass {
	const char *name;
	bool with_events;
	unsigned int moves, faulted, differences;
	const char *last_difference;
	unsigned int stops[STOPS], found[FOUNDS];
	bool sums_agree;
	bool wrong_known;
	struct wrong wrong;		/* the first thing the guest found wrong */
	struct guest_totals totals;
	struct count irq, nmi, msi, smi, devices;
	unsigned int told;		/* the last progress line was at so many moves */
};

extern const char *const found_files[FOUNDS];	/* each kind in one word */
void found_in(const struct vcpu_image *image, uint64_t soft_rip, bool halted, bool is[FOUNDS]);
void report_found(struct pass *pass, const struct vcpu_image *image, uint64_t soft_rip,
		  bool halted);
void report_progress(struct pass *pass, const struct machine *m, unsigned int moves);
void report_table(const struct pass *with, const struct pass *without);
int report_verdict(const struct pass *with, const struct pass *without, unsigned int moves);

#endif /* MOVES_REPORT_H */
