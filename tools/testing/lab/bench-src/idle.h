/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * idle.h - a thread that counts its own instructions while nobody else has anything to do.
 *
 * A host whose clock counts instructions lets time jump when it is idle.  With this thread it never
 * is, and what it has spent can be subtracted.
 */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include <stdint.h>

/* Exit the program if that cannot be.  Both do nothing that has to be undone. */
void idle_begin(void);
void idle_end(void);

/* Instructions spent since the program began; it grows only between the two. */
int64_t idle_count(void);

#endif
