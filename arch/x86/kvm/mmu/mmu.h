/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mmu.h - guest memory as the processor sees it: the second-level tables
 * (tdp.c), the fault that fills them (fault.c), and the walk of the guest's
 * own page tables (walk.c, pure, with a header of its own).
 */
#ifndef ARCH_X86_KVM_MMU_H
#define ARCH_X86_KVM_MMU_H

#include <linux/kvm_types.h>
#include "pte.h"
#include "walk.h"

int tdp_module_init(void);
void tdp_module_exit(void);

/* Allocate an empty root for each address space. 0 or -ENOMEM. */
int tdp_vm_init(struct kvm *kvm);
/* Free all tables; no vCPU exists any more. */
void tdp_vm_destroy(struct kvm *kvm);

#define TDP_LEVELS	4	/* the root covers 48 bits */

/* Tables that may be needed are allocated before mmu_lock is taken. */
struct tdp_spares {
	int count;
	struct tdp_table *table[TDP_LEVELS - 1];
};

/**
 * struct tdp_page - a translation to be made
 * @gfn: a guest frame in the page
 * @address: host physical address of the page's first byte, with the host's encryption bit
 * @level: 1, 2 or 3: 4 KiB, 2 MiB, 1 GiB
 * @write: the guest may write
 * @dirty: it is about to
 * @device: the host does not cache it
 * @tracked: the host has a struct page for it that wants to know of accesses and writes
 */
struct tdp_page {
	gfn_t gfn;
	hpa_t address;
	int level;
	bool write;
	bool dirty;
	bool device;
	bool tracked;
};

int tdp_max_level(void);

/**
 * tdp_map - make a translation, or allow more in one that is there
 * @kvm: the VM; mmu_lock held, kvm_mmu_stale() has said no under it
 * @space: in which address space
 * @page: what
 * @spares: tables to use
 *
 * Return: 0, or -EAGAIN when @spares are too few: tdp_spares_fill() without the lock, start over.
 */
int tdp_map(struct kvm *kvm, unsigned int space, const struct tdp_page *page,
	    struct tdp_spares *spares);

int tdp_spares_fill(struct tdp_spares *spares);		/* 0 or -ENOMEM; may sleep */
void tdp_spares_free(struct tdp_spares *spares);

/* The answers of tdp_fault(). */
enum tdp_result {
	TDP_MAPPED,	/* enter again */
	TDP_MMIO,	/* no memory here (or read-only, and a write): emulate */
};

/**
 * tdp_fault - give the guest the page it missed
 * @vcpu: loaded or not; interrupts on, may sleep
 * @gpa: guest physical address
 * @write: the access is a write
 * @fetch: the access is an instruction fetch
 *
 * A page whose memory has failed raises SIGBUS in the caller, as a load of its own would; that, and
 * a race with the host's memory management, are TDP_MAPPED: the guest comes back.
 *
 * Return: enum tdp_result; -EFAULT when there is a slot but no usable memory behind it (userspace
 * unmapped or protected it); -EINTR when a signal came first; -ENOMEM.
 */
int tdp_fault(struct kvm_vcpu *vcpu, gpa_t gpa, bool write, bool fetch);

/**
 * fault_translate - walk_linear() with the registers and the memory of a vCPU
 * @vcpu: the caller's own; may sleep
 * @linear: guest linear address
 * @access: WALK_* bits; privilege is the vCPU's, unless WALK_SYSTEM
 * @mark: set accessed and dirty bits, as for an access that is then made
 * @out: where it leads, or the error code of the page fault that the caller is to raise
 *
 * Return: 0, WALK_FAULT, -EFAULT when the guest keeps its tables where no memory is, -EAGAIN.
 */
int fault_translate(struct kvm_vcpu *vcpu, gva_t linear, u32 access, bool mark,
		    struct walk_result *out);

#endif /* ARCH_X86_KVM_MMU_H */
