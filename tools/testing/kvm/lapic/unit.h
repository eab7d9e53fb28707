/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unit.h - what unit.c runs of the other files.
 */
#ifndef TOOLS_TESTING_KVM_LAPIC_UNIT_H
#define TOOLS_TESTING_KVM_LAPIC_UNIT_H

/* random.c: how often lapic.c and the naive one differed, up to the end of the first sequence. */
unsigned long random_differences(void);

#endif /* TOOLS_TESTING_KVM_LAPIC_UNIT_H */
