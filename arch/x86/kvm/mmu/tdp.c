// SPDX-License-Identifier: GPL-2.0-only
/*
 * tdp.c - the second-level tables: from guest physical to host physical.
 *
 * One radix tree an address space, of four levels with pages of 4 KiB, 2 MiB and 1 GiB,
 * all of it under kvm->mmu_lock.  Entries are atomic all the same, because the
 * processor sets accessed and dirty bits in them.  The tree is a cache: what is
 * taken away comes back by a fault (fault.c), and so a huge page that is to go,
 * or to be write-protected, in part, goes as a whole.
 *
 * Translations hold no references to pages.  virt/kvm/notifier.c hears of it
 * before the host takes a page away, and calls kvm_arch_unmap().
 */
#include <linux/gfp.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/swap.h>
#include "mmu.h"

#define TABLE_ENTRIES	BIT(PTE_LEVEL_BITS)
#define TREE_PAGE_BITS	(PTE_LEVEL_BITS * TDP_LEVELS)	/* log2 of the frames it has room for */

struct tdp_table {
	atomic64_t entry[TABLE_ENTRIES];
};

static const struct pte_format formats[TABLES_KINDS] = {
	[TABLES_NPT] = PTE_FORMAT_NPT,
	[TABLES_EPT] = PTE_FORMAT_EPT(),
	[TABLES_EPT_NO_AD] = PTE_FORMAT_EPT(.unmarked = true),
};

/* Set once. */
static struct pte_format format __ro_after_init;
static int max_level __ro_after_init;
static gfn_t end_of_frames __ro_after_init;

int __init tdp_module_init(void)
{
	format = formats[backend_features.tables];
	max_level = backend_features.huge_1g ? 3 : backend_features.huge_2m ? 2 : 1;
	end_of_frames = BIT_ULL(min(TREE_PAGE_BITS, backend_features.max_gpa_bits - PAGE_SHIFT));
	return 0;
}

void tdp_module_exit(void)
{
}

int tdp_max_level(void)
{
	return max_level;
}

int kvm_arch_check_slot(struct kvm *kvm, const struct kvm_memslot *slot)
{
	return slot->base_gfn + slot->npages > end_of_frames ? -EINVAL : 0;
}

/*
 * Entries and tables
 */

static atomic64_t *tdp_entry(struct tdp_table *table, gfn_t gfn, int level)
{
	return &table->entry[(gfn >> pte_level_order(level)) & (TABLE_ENTRIES - 1)];
}

static bool tdp_is_page(u64 pte, int level)
{
	return level == 1 || (pte & format.huge);
}

static hpa_t tdp_address(u64 pte)
{
	return __sme_clr(pte) & PTE_ADDRESS;
}

static struct tdp_table *tdp_child(u64 pte)
{
	return __va(tdp_address(pte));
}

static struct tdp_table *tdp_table_alloc(void)
{
	return (struct tdp_table *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

static void tdp_table_free(struct tdp_table *table)
{
	free_page((unsigned long)table);
}

int tdp_spares_fill(struct tdp_spares *spares)
{
	while (spares->count < ARRAY_SIZE(spares->table)) {
		struct tdp_table *table = tdp_table_alloc();

		if (!table)
			return -ENOMEM;
		spares->table[spares->count++] = table;
	}
	return 0;
}

void tdp_spares_free(struct tdp_spares *spares)
{
	while (spares->count)
		tdp_table_free(spares->table[--spares->count]);
}

static void tdp_flush(struct kvm *kvm)
{
	kvm_request_all(kvm, KVM_REQ_TLB_FLUSH);
}

/*
 * Hand on to the host what the processor noted in an entry that is gone.  A page of a file is dirty
 * already if the guest could write to it, or its file system would not have let it be mapped so:
 * for those it must not be said again, without the page's lock.
 */
static void tdp_report(u64 pte)
{
	struct page *page;

	if (!(pte & format.tracked))
		return;
	page = pfn_to_page(tdp_address(pte) >> PAGE_SHIFT);
	if ((pte & format.dirty) && !PageDirty(page))
		set_page_dirty(page);
	if (pte & format.accessed)
		mark_page_accessed(page);
}

/* The same of a bit that is to be set anew. */
static bool tdp_clear_dirty(atomic64_t *entry)
{
	u64 pte = atomic64_read(entry);

	if (!(pte & format.dirty))
		return false;
	atomic64_andnot(format.dirty, entry);
	tdp_report(pte & ~format.accessed);
	return true;
}

/* A page comes into the tree, where none was. mmu_lock held, as for all that changes entries. */
static void tdp_put(struct kvm *kvm, atomic64_t *entry, int level, u64 pte)
{
	atomic64_set(entry, pte);
	kvm->stat.pages[level - 1]++;
}

/* A page goes; @by is what the entry is from now on. */
static void tdp_take(struct kvm *kvm, atomic64_t *entry, int level, u64 by)
{
	tdp_report(atomic64_xchg(entry, by));
	kvm->stat.pages[level - 1]--;
}

/*
 * Visits: something is done to every page in a range
 */

/**
 * struct tdp_visit - a visit
 * @kvm:	the VM
 * @page:	what is done to a page that is present
 * @prune:	tables that lie in the range as a whole are taken out of the tree
 * @clear:	see kvm_arch_age()
 * @hit:	set by @page: translations were taken away, or accessed bits found
 * @flush:	set by @page: translations were taken away that the caller does not expect
 * @gone:	tables that were taken out, for tdp_visit_end()
 */
struct tdp_visit {
	struct kvm *kvm;
	void (*page)(struct tdp_visit *visit, atomic64_t *entry, int level);
	bool prune;
	bool clear;
	bool hit;
	bool flush;
	struct list_head gone;
};

/* Recursive, as deep as the tree. @first and @end are in @table. */
static void tdp_visit_table(struct tdp_visit *visit, struct tdp_table *table, int level,
			    gfn_t first, gfn_t end)
{
	gfn_t span = BIT_ULL(pte_level_order(level)), next;

	for (; first < end; first = next) {
		atomic64_t *entry = tdp_entry(table, first, level);
		u64 pte = atomic64_read(entry);

		next = (first | (span - 1)) + 1;
		if (!(pte & format.present))
			continue;
		if (tdp_is_page(pte, level)) {
			visit->page(visit, entry, level);
			continue;
		}
		tdp_visit_table(visit, tdp_child(pte), level - 1, first, min(next, end));
		if (visit->prune && !(first & (span - 1)) && next <= end) {
			atomic64_set(entry, 0);
			list_add(&virt_to_page(tdp_child(pte))->lru, &visit->gone);
		}
	}
}

/* Processors may still walk through a table that was taken out: flush, then free. */
static bool tdp_visit_end(struct tdp_visit *visit)
{
	struct page *page, *next;

	if (list_empty(&visit->gone))
		return visit->hit;
	tdp_flush(visit->kvm);
	list_for_each_entry_safe(page, next, &visit->gone, lru) {
		list_del(&page->lru);
		tdp_table_free(page_address(page));
		visit->kvm->stat.tables--;
	}
	return false;
}

static bool tdp_visit(struct tdp_visit *visit, unsigned int space, gfn_t first, gfn_t end)
{
	lockdep_assert_held(&visit->kvm->mmu_lock);
	INIT_LIST_HEAD(&visit->gone);
	tdp_visit_table(visit, visit->kvm->arch.tdp.tree[space].root, TDP_LEVELS, first,
			min(end, end_of_frames));
	return tdp_visit_end(visit);
}

static void tdp_page_unmap(struct tdp_visit *visit, atomic64_t *entry, int level)
{
	tdp_take(visit->kvm, entry, level, 0);
	visit->hit = true;
}

bool kvm_arch_unmap(struct kvm *kvm, unsigned int space, gfn_t first, gfn_t end)
{
	struct tdp_visit visit = { .kvm = kvm, .page = tdp_page_unmap, .prune = true };

	return tdp_visit(&visit, space, first, end);
}

/* The next write faults; or it sets the dirty bit, and hardware logs that. */
static void tdp_page_watch(struct tdp_visit *visit, atomic64_t *entry, int level)
{
	if (level == 1 && backend_features.logs_writes) {
		visit->hit |= tdp_clear_dirty(entry);
		return;
	}
	if (!(atomic64_read(entry) & format.write))
		return;
	if (level > 1)
		tdp_take(visit->kvm, entry, level, 0);
	else
		atomic64_andnot(format.write, entry);
	visit->hit = true;
}

bool kvm_arch_watch_writes(struct kvm *kvm, unsigned int space, gfn_t first, gfn_t end)
{
	struct tdp_visit visit = { .kvm = kvm, .page = tdp_page_watch };

	return tdp_visit(&visit, space, first, end);
}

void kvm_arch_logged_slots(struct kvm *kvm)
{
	if (!backend_features.logs_writes)
		return;
	/* a vCPU that is not among all of them yet reads the count in its first KVM_RUN */
	smp_mb();
	kvm_request_all(kvm, KVM_REQ_LOG_WRITES);
}

void kvm_arch_sync_dirty_log(struct kvm *kvm)
{
	if (!backend_features.logs_writes)
		return;
	/* to have been in the guest, and out of it, is all that is wanted */
	kvm_request_all(kvm, 0);
	smp_rmb();	/* whoever is out of it has set his bits before he said so */
}

/*
 * No flush: that a TLB remembers a page makes it look older than it is, no more.  Where hardware
 * does not mark what it uses, the next use has to be a fault.
 */
static void tdp_page_age(struct tdp_visit *visit, atomic64_t *entry, int level)
{
	if (!(atomic64_read(entry) & format.accessed))
		return;
	visit->hit = true;
	if (!visit->clear)
		return;
	if (format.unmarked) {
		tdp_take(visit->kvm, entry, level, 0);
		visit->flush = true;
	} else {
		atomic64_andnot(format.accessed, entry);
	}
}

bool kvm_arch_age(struct kvm *kvm, unsigned int space, gfn_t first, gfn_t end, bool clear)
{
	struct tdp_visit visit = { .kvm = kvm, .page = tdp_page_age, .clear = clear };
	bool young = tdp_visit(&visit, space, first, end);

	if (visit.flush)
		tdp_flush(kvm);
	return young;
}

/*
 * Translations
 */

/* Room for a page: a whole table, and all that is below it, leaves the tree. */
static void tdp_remove_table(struct kvm *kvm, atomic64_t *entry, int level, gfn_t gfn)
{
	struct tdp_visit visit = { .kvm = kvm, .page = tdp_page_unmap, .prune = true };
	gfn_t span = BIT_ULL(pte_level_order(level));

	INIT_LIST_HEAD(&visit.gone);
	gfn &= ~(span - 1);
	tdp_visit_table(&visit, tdp_child(atomic64_read(entry)), level - 1, gfn, gfn + span);
	list_add(&virt_to_page(tdp_child(atomic64_read(entry)))->lru, &visit.gone);
	atomic64_set(entry, 0);
	tdp_visit_end(&visit);
}

/*
 * Put a new table into an entry of @level that has none; a huge page that is there goes. NULL: no
 * spare.
 */
static struct tdp_table *tdp_add_table(struct kvm *kvm, atomic64_t *entry, int level,
				       struct tdp_spares *spares)
{
	struct tdp_table *table;
	u64 pte;

	if (!spares->count)
		return NULL;
	table = spares->table[--spares->count];
	pte = __sme_set(__pa(table)) | format.table;
	kvm->stat.tables++;
	if (atomic64_read(entry) & format.present) {
		tdp_take(kvm, entry, level, pte);
		tdp_flush(kvm);
	} else {
		atomic64_set(entry, pte);
	}
	return table;
}

static u64 tdp_pte(const struct tdp_page *page)
{
	u64 pte = page->address | format.leaf | format.accessed;

	pte |= page->device ? format.device : format.memory;
	if (page->level > 1)
		pte |= format.huge;
	if (page->write)
		pte |= format.write;
	/* a page that may be written will have been, if nobody marks it */
	if (page->dirty || (page->write && format.unmarked))
		pte |= format.dirty;
	if (page->tracked)
		pte |= format.tracked;
	return pte;
}

/* Something is there already: what another vCPU was faster with, or less than is allowed now. */
static void tdp_replace(struct kvm *kvm, atomic64_t *entry, const struct tdp_page *page, u64 pte)
{
	u64 old = atomic64_read(entry);

	if (!tdp_is_page(old, page->level)) {
		tdp_remove_table(kvm, entry, page->level, page->gfn);
		tdp_put(kvm, entry, page->level, pte);
	} else if (tdp_address(old) == tdp_address(pte)) {
		atomic64_or(pte, entry);
	} else {
		tdp_take(kvm, entry, page->level, 0);
		tdp_flush(kvm);
		tdp_put(kvm, entry, page->level, pte);
	}
}

int tdp_map(struct kvm *kvm, unsigned int space, const struct tdp_page *page,
	    struct tdp_spares *spares)
{
	struct tdp_table *table = kvm->arch.tdp.tree[space].root;
	atomic64_t *entry;
	int level;
	u64 pte;

	for (level = TDP_LEVELS; level > page->level; level--) {
		entry = tdp_entry(table, page->gfn, level);
		pte = atomic64_read(entry);
		if (likely((pte & format.present) && !tdp_is_page(pte, level)))
			table = tdp_child(pte);
		else
			table = tdp_add_table(kvm, entry, level, spares);
		if (!table)
			return -EAGAIN;
	}
	entry = tdp_entry(table, page->gfn, level);
	pte = tdp_pte(page);
	if (likely(!(atomic64_read(entry) & format.present)))
		tdp_put(kvm, entry, level, pte);
	else
		tdp_replace(kvm, entry, page, pte);
	return 0;
}

/*
 * The trees of a VM
 */

/* The mmu notifier is gone by now, and all pages with it: only tables are left. */
static void tdp_free_tables(struct tdp_table *table, int level)
{
	unsigned int i;

	for (i = 0; level > 1 && i < TABLE_ENTRIES; i++) {
		u64 pte = atomic64_read(&table->entry[i]);

		if ((pte & format.present) && !tdp_is_page(pte, level))
			tdp_free_tables(tdp_child(pte), level - 1);
	}
	tdp_table_free(table);
	if (level == 2)
		cond_resched();
}

static void tdp_tree_free(struct tdp_tree *tree)
{
	if (tree->root)
		tdp_free_tables(tree->root, TDP_LEVELS);
	if (tree->top)
		tdp_table_free(tree->top);
}

static int tdp_tree_init(struct tdp_tree *tree)
{
	tree->root = tdp_table_alloc();
	if (!tree->root)
		return -ENOMEM;
	tree->root_hpa = __sme_set(__pa(tree->root));
	if (backend_features.table_levels == TDP_LEVELS)
		return 0;
	tree->top = tdp_table_alloc();
	if (!tree->top)
		return -ENOMEM;
	/* nothing above what the root covers: one entry, for good */
	atomic64_set(&tree->top->entry[0], tree->root_hpa | format.table);
	tree->root_hpa = __sme_set(__pa(tree->top));
	return 0;
}

int tdp_vm_init(struct kvm *kvm)
{
	unsigned int space;
	int r = 0;

	for (space = 0; space < KVM_ADDRESS_SPACES && !r; space++)
		r = tdp_tree_init(&kvm->arch.tdp.tree[space]);
	if (r)
		tdp_vm_destroy(kvm);
	return r;
}

void tdp_vm_destroy(struct kvm *kvm)
{
	unsigned int space;

	for (space = 0; space < KVM_ADDRESS_SPACES; space++)
		tdp_tree_free(&kvm->arch.tdp.tree[space]);
}
