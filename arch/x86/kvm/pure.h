/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pure.h - what a pure file may rest on: fixed-width types and a few words of C.
 *
 * A pure file computes values from values.  It includes this header and its
 * own, nothing else, and therefore builds in the kernel and in userspace
 * (tools/testing/kvm), where it is unit-tested, fuzzed and model-checked.
 */
#ifndef ARCH_X86_KVM_PURE_H
#define ARCH_X86_KVM_PURE_H

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include "pure_user.h"
#endif

#endif /* ARCH_X86_KVM_PURE_H */
