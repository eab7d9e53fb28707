/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm_types.h - addresses of the guest, and the names of structs that most
 * files only point at.
 */
#ifndef LINUX_KVM_TYPES_H
#define LINUX_KVM_TYPES_H

#include <linux/types.h>
#include <asm/page_types.h>

struct kvm;
struct kvm_vcpu;
struct kvm_memslot;

typedef u64 gpa_t;		/* guest physical address, bytes */
typedef u64 gfn_t;		/* guest page frame number */
typedef u64 gva_t;		/* guest linear address */
typedef u64 hpa_t;		/* host physical address, bytes */

static inline gfn_t gpa_to_gfn(gpa_t gpa)
{
	return gpa >> PAGE_SHIFT;
}

static inline gpa_t gfn_to_gpa(gfn_t gfn)
{
	return gfn << PAGE_SHIFT;
}

#endif /* LINUX_KVM_TYPES_H */
