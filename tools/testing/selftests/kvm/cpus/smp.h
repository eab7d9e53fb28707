/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * smp.h - what the eight vCPUs of smp.c keep in memory; read by C and by the
 * assembler, which is smp_guest.S.
 */
#ifndef SELFTESTS_KVM_CPUS_SMP_H
#define SELFTESTS_KVM_CPUS_SMP_H

#include "layout.h"

#define SMP_CPUS	8

/* A page for each vCPU, to which its GS points. */
#define AREA(cpu)	(DATA + ((cpu) << 12))
#define AREA_SHIFT	12

#define SMP_ID		0x00
#define SMP_X2APIC	0x08	/* has its APIC as MSRs, and a timer by TSC deadline */
#define SMP_PERIOD	0x10	/* of the timer, in ticks of it */
#define SMP_ROUNDS	0x18
#define SMP_TICKS	0x20
#define SMP_DEADLINE	0x28
#define SMP_REQUESTS	0x30	/* sent to others */
#define SMP_REPLIES	0x38	/* that came for them */
#define SMP_NMIS	0x40	/* that came */
#define SMP_NMIS_SENT	0x48	/* that others have sent to it, */
#define SMP_NMI_LOCK	0x50	/* one at a time */
#define SMP_CALLS	0x58	/* that came: one vCPU's to all others */
#define SMP_CALLED	0x60	/* that it has sent */
#define SMP_TIME	0x68	/* ns of its clock */
#define SMP_STABLE	0x70	/* bit 0: it was unstable at times, bit 1: stable */
#define SMP_TWICE	0x78	/* deliveries that were none: see smp_guest.S */
#define SMP_WRONG	0x80	/* what is wrong, and two numbers to it */
#define SMP_CAME	0x100	/* requests from each of the others */
#define SMP_SENT	0x180	/* and to each */
#define SMP_CLOCK	0x200	/* kvmclock's page */

/* For all of them. */
#define COMMON		(DATA + 0x8000)
#define COMMON_TIME	(COMMON + 0x00)		/* the latest that one has seen */
#define COMMON_CALL	(COMMON + 0x40)		/* a lock */
#define COMMON_CALLED	(COMMON + 0x48)		/* how many have answered */
#define COMMON_STARTED	(COMMON + 0x50)		/* how many have an APIC that takes interrupts */
#define COMMON_STOP	(COMMON + 0x80)
#define COMMON_STOPPED	(COMMON + 0x88)
#define COMMON_SPIN	(COMMON + 0x90)		/* nobody halts */
/* What a page that comes and goes holds at least, 0 while nobody can say. */
#define COMMON_FLOOR(n)	(COMMON + 0xc0 + 8 * (n))

/* The page: a number, and a count of each vCPU's. */
#define FLEETING(n)	(DATA + 0x9000 + ((n) << 12))
#define FLEETING_COUNT	0x40
#define FLEETINGS	2

#define SMP_STACK(cpu)	(DATA + 0x11000 + ((cpu) << 12))

/* Vectors. */
#define SMP_REQUEST	0x40	/* and the sender's number */
#define SMP_REPLY	0x48	/* the same */
#define SMP_CALL	0x50
#define SMP_TICK	0x51
#define SMP_VECTORS	0x18

/* What can be wrong. */
#define WRONG_REQUEST	1
#define WRONG_REPLY	2
#define WRONG_NMI	3
#define WRONG_EARLY	4
#define WRONG_TSC	5
#define WRONG_BACK	6
#define WRONG_BEHIND	7
#define WRONG_PAGE	8

#endif
