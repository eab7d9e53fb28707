/* SPDX-License-Identifier: GPL-2.0-only */
/* Ways to take a vCPU out of KVM_RUN at an instant that nobody chose.  See stop.c. */
#ifndef MOVES_STOP_H
#define MOVES_STOP_H

#include <linux/kvm.h>

void stop_init(void);
void stop_watch(struct kvm_run *run);
void stop_by_timer(unsigned int microseconds);
void stop_by_kick(unsigned int microseconds);
void stop_seen(void);
void stop_disarm(void);

#endif /* MOVES_STOP_H */
