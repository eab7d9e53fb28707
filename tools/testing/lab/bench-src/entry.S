/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entry.S - included by the others: how the guest's code is laid out.
 *
 * All of it is in one section, in the order in which the files are linked, from guest_start
 * (guest.S) to guest_end (guest-irq.S).
 */
	.macro	guest_code
	.section guest, "a", @progbits
	.endm

	.macro	entry	name
	.globl	\name
\name:
	.endm
