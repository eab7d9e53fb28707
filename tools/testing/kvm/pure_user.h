/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pure_user.h - the userspace side of arch/x86/kvm/pure.h: the kernel's names
 * for what the pure files use, so that they build unchanged on the host.
 */
#ifndef TOOLS_TESTING_KVM_PURE_USER_H
#define TOOLS_TESTING_KVM_PURE_USER_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK(h, l)		((~0UL << (l)) & (~0UL >> (63 - (h))))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define static_assert(e, ...)	_Static_assert(e, #e)
#define fallthrough		__attribute__((__fallthrough__))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define __must_check		__attribute__((__warn_unused_result__))
#define U32_MAX			UINT32_MAX
#define U64_MAX			UINT64_MAX
#ifndef __packed
#define __packed		__attribute__((__packed__))
#endif

#define min(a, b) \
	({ __typeof__(a) min_a = (a); __typeof__(b) min_b = (b); min_a < min_b ? min_a : min_b; })
#define max(a, b) \
	({ __typeof__(a) max_a = (a); __typeof__(b) max_b = (b); max_a > max_b ? max_a : max_b; })
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define max_t(type, a, b)	max((type)(a), (type)(b))

#endif /* TOOLS_TESTING_KVM_PURE_USER_H */
