/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of the guest program that has a local APIC, SMM and a clock.  See chips.c. */
#ifndef MOVES_CHIPS_H
#define MOVES_CHIPS_H

#include <stdint.h>

/* guest.c */
void out32(uint16_t port, uint32_t value);
uint64_t read_msr(uint32_t msr);
void write_msr(uint32_t msr, uint64_t value);
uint64_t random64(void);
void wrong(int what, uint64_t expected, uint64_t found);

/* chips.c */
void chips_on(void);
int chips_take(uint64_t vector, int in_shadow);
void chips_arm_timer(void);
uint32_t chips_some_icr(void);
int chips_settle(int which);
void chips_start(int in_smm);

#endif /* MOVES_CHIPS_H */
