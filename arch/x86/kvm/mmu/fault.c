// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault.c - guest memory on demand: which page of the host belongs under a
 * guest physical address, and the guest's own translations (walk.c) for those
 * who execute in its place.
 *
 * A page is found in the host's page table, not pinned: the table is read with
 * interrupts off, and what was read counts only if, under kvm->mmu_lock, no
 * invalidation has begun or ended since (kvm_mmu_stale()).  Until the host has
 * the page in its table, its own fault handler is called.
 * Next: tdp.c, which holds the translations made here.
 */
#include <linux/kvm_host.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include "mmu.h"
#include "vcpu.h"

/* Of fault_try(), besides enum tdp_result: what has to be done before the next attempt. */
#define FAULT_NO_PAGE	(-ENOENT)
#define FAULT_NO_TABLES	(-EAGAIN)

#define FAULT_TRIES	4

/* A fault in treatment. */
struct fault {
	gfn_t gfn;
	bool write;
	unsigned long hva;		/* of the guest's frame */
	struct tdp_spares spares;
};

/* An entry of the host's page table; level as in struct tdp_page, 0: not present. */
struct host_entry {
	u64 value;
	int level;
};

/*
 * Interrupts are off: the tables cannot be freed meanwhile, since that waits for this CPU
 * (mm/gup.c lives on the same).  Every entry is read once.
 */
static struct host_entry fault_host_entry(struct mm_struct *mm, unsigned long hva)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;
	pte_t pte;

	if (!pgd_present(pgd))
		return (struct host_entry){ };
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (!p4d_present(p4d))
		return (struct host_entry){ };
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (!(pud_val(pud) & _PAGE_PRESENT))
		return (struct host_entry){ };
	if (pud_val(pud) & _PAGE_PSE)
		return (struct host_entry){ pud_val(pud), 3 };
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (!(pmd_val(pmd) & _PAGE_PRESENT))
		return (struct host_entry){ };
	if (pmd_val(pmd) & _PAGE_PSE)
		return (struct host_entry){ pmd_val(pmd), 2 };
	pte = READ_ONCE(*pte_offset_kernel(&pmd, hva));
	return (struct host_entry){ pte_val(pte), pte_val(pte) & _PAGE_PRESENT ? 1 : 0 };
}

static struct host_entry fault_host_lookup(struct mm_struct *mm, unsigned long hva)
{
	struct host_entry host;

	local_irq_disable();
	host = fault_host_entry(mm, hva);
	local_irq_enable();
	return host;
}

/* Pages without a struct page, or with one that nobody reclaims: device memory, the zero page. */
static bool fault_is_tracked(struct host_entry host)
{
	unsigned long pfn;

	if (host.level == 1)
		return !(host.value & (_PAGE_SPECIAL | _PAGE_DEVMAP));
	pfn = pte_pfn(__pte(host.value));
	return !(host.value & _PAGE_DEVMAP) && pfn_valid(pfn) && !PageReserved(pfn_to_page(pfn));
}

/* The largest page that the host has, the slot has room for, and logging allows. */
static int fault_level(const struct kvm_memslot *slot, gfn_t gfn, int host_level)
{
	int level = min(host_level, tdp_max_level());

	if (slot->dirty)
		return 1;
	for (; level > 1; level--) {
		gfn_t pages = BIT_ULL(pte_level_order(level));
		gfn_t first = gfn & ~(pages - 1);

		if (((slot->hva >> PAGE_SHIFT) - slot->base_gfn) & (pages - 1))
			continue;
		if (first >= slot->base_gfn &&
		    first + pages <= slot->base_gfn + slot->npages)
			break;
	}
	return level;
}

static hpa_t fault_address(struct host_entry host, unsigned long hva, int level)
{
	u64 in_page = BIT_ULL(pte_level_shift(host.level)) - 1;
	u64 address = (host.value & PTE_PFN_MASK & ~in_page) | (hva & in_page);

	address &= ~(BIT_ULL(pte_level_shift(level)) - 1);
	return address | (host.value & sme_me_mask);
}

/* Map what was found, unless it has become doubtful: then the guest will ask again. */
static int fault_commit(struct kvm *kvm, struct kvm_memslot *slot, struct fault *fault,
			const struct tdp_page *page, unsigned long seq)
{
	unsigned long size = 1UL << pte_level_shift(page->level);
	unsigned long first = fault->hva & ~(size - 1);
	int ret = TDP_MAPPED;

	spin_lock(&kvm->mmu_lock);
	if (likely(!kvm_mmu_stale(kvm, seq, first, first + size))) {
		ret = tdp_map(kvm, slot->space, page, &fault->spares);
		if (!ret && page->dirty)
			kvm_mark_dirty(slot, page->gfn);
	}
	spin_unlock(&kvm->mmu_lock);
	return ret;
}

/* One attempt, which does not sleep: enum tdp_result or FAULT_NO_*. kvm->srcu held. */
static int fault_try(struct kvm_vcpu *vcpu, struct fault *fault)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_memslot *slot;
	struct host_entry host;
	struct tdp_page page;
	unsigned long seq;

	seq = READ_ONCE(kvm->mmu_seq);
	smp_rmb();	/* slots and page table are read after it */
	slot = kvm_slot_of(kvm, vcpu->space, fault->gfn);
	if (!slot || (fault->write && (slot->flags & KVM_MEM_READONLY)))
		return TDP_MMIO;
	fault->hva = kvm_slot_hva(slot, fault->gfn);
	host = fault_host_lookup(kvm->mm, fault->hva);
	if (!host.level || !pte_access_permitted(__pte(host.value), fault->write))
		return FAULT_NO_PAGE;

	page.gfn = fault->gfn;
	page.level = fault_level(slot, fault->gfn, host.level);
	page.address = fault_address(host, fault->hva, page.level);
	page.write = (host.value & _PAGE_RW) && !(slot->flags & KVM_MEM_READONLY) &&
		     (fault->write || !slot->dirty || backend_features.logs_writes);
	page.dirty = fault->write;
	page.device = host.value & (_PAGE_PCD | _PAGE_PWT);
	page.tracked = fault_is_tracked(host);
	return fault_commit(kvm, slot, fault, &page, seq);
}

/* Have the host bring the page in. 0, -EFAULT, -EINTR, -ENOMEM. Sleeps. */
static int fault_in(struct kvm *kvm, struct fault *fault)
{
	unsigned int flags = fault->write ? FOLL_WRITE : 0;
	struct page *page;
	bool unlocked = false;
	long ret;

	ret = get_user_pages_unlocked(fault->hva, 1, &page, flags | FOLL_HWPOISON);
	if (ret == 1) {
		put_page(page);
		return 0;
	}
	if (ret == -EHWPOISON) {
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)fault->hva, PAGE_SHIFT, current);
		return 0;
	}
	if (ret != -EFAULT)
		return ret;

	/* It may be a mapping without struct pages: VM_IO, VM_PFNMAP. */
	mmap_read_lock(kvm->mm);
	ret = fixup_user_fault(kvm->mm, fault->hva, fault->write ? FAULT_FLAG_WRITE : 0,
			       &unlocked);
	mmap_read_unlock(kvm->mm);
	return ret;
}

int tdp_fault(struct kvm_vcpu *vcpu, gpa_t gpa, bool write, bool fetch)
{
	struct kvm *kvm = vcpu->kvm;
	struct fault fault;
	int idx, tries, ret;

	fault.gfn = gpa_to_gfn(gpa);
	fault.write = write;
	fault.spares.count = 0;
	idx = srcu_read_lock(&kvm->srcu);
	for (tries = 0; tries < FAULT_TRIES; tries++) {
		ret = fault_try(vcpu, &fault);
		if (likely(ret >= 0))
			break;
		/* 0 is TDP_MAPPED as well: when the tries are used up, the guest makes the next */
		if (ret == FAULT_NO_TABLES)
			ret = tdp_spares_fill(&fault.spares);
		else
			ret = fault_in(kvm, &fault);
		if (ret)
			break;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	tdp_spares_free(&fault.spares);
	return ret;
}

/*
 * The guest's own tables
 */

static int fault_read_entry(void *ctx, u64 gpa, unsigned int size, u64 *entry)
{
	unsigned long hva = kvm_vcpu_hva(ctx, gpa_to_gfn(gpa), false);
	u32 half;

	if (unlikely(hva == KVM_HVA_BAD))
		return -EFAULT;
	hva += offset_in_page(gpa);
	if (size == sizeof(u64))
		return __get_user(*entry, (u64 __user *)hva);
	if (__get_user(half, (u32 __user *)hva))
		return -EFAULT;
	*entry = half;
	return 0;
}

static int fault_update_entry(void *ctx, u64 gpa, unsigned int size, u64 from, u64 to)
{
	return kvm_vcpu_cmpxchg_guest(ctx, gpa, size, from, to);
}

static const struct walk_mem fault_mem = {
	.read = fault_read_entry,
	.update = fault_update_entry,
};

static const struct walk_mem fault_mem_look = {
	.read = fault_read_entry,
};

int fault_translate(struct kvm_vcpu *vcpu, gva_t linear, u32 access, bool mark,
		    struct walk_result *out)
{
	struct vcpu_state *state = &vcpu->arch.state;
	struct walk_regs regs;
	int idx, ret;

	state_need(vcpu, STATE_CR);
	regs.cr0 = state->cr0;
	regs.cr3 = state->cr3;
	regs.cr4 = state->cr4;
	regs.efer = state->efer;
	regs.pkru = vcpu->arch.fpu.pkru;
	regs.cpl = state_cpl(vcpu);
	regs.ac = state->rflags & X86_EFLAGS_AC;
	regs.max_gpa_bits = vcpu->arch.cpuid.max_gpa_bits;
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	ret = walk_linear(&regs, linear, access, mark ? &fault_mem : &fault_mem_look, vcpu, out);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return ret;
}
