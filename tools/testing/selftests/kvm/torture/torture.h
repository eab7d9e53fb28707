/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * torture.h - what the tortured guest and who torments it have to agree on.
 */
#ifndef SELFTESTS_KVM_TORTURE_H
#define SELFTESTS_KVM_TORTURE_H

#include "layout.h"

/* Eight bytes each; breakpoints are set on them from outside. */
#define WATCHED		(DATA + 0x100)
#define WATCHED_DEVICE	(MMIO + 8)

#endif
