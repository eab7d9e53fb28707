/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm_host.h - what virt/kvm (VMs, vCPUs, file descriptors, guest memory slots)
 * and arch/x86/kvm say to each other, and nothing else.
 *
 * virt/kvm owns struct kvm and struct kvm_vcpu up to their last member, arch
 * owns that last member.  kvm_arch_*() is what virt/kvm calls; everything else
 * here is what virt/kvm offers.  Locks are described in
 * Documentation/virt/kvm/locking.rst.
 */
#ifndef LINUX_KVM_HOST_H
#define LINUX_KVM_HOST_H

#include <linux/atomic.h>
#include <linux/kvm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/refcount.h>
#include <linux/signal_types.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>

#include <linux/kvm_types.h>
#include "kvm_x86.h"

#define KVM_MAX_VCPUS		288
#define KVM_MAX_VCPU_ID		1024	/* ids are below this */
#define KVM_USER_MEM_SLOTS	509
#define KVM_HVA_BAD		(~0UL)	/* no user address: not (so) accessible */

/**
 * struct kvm_memslot - one range of guest physical memory and what backs it
 * @base_gfn:	first guest frame
 * @npages:	length in 4 KiB pages, never 0
 * @hva:	user address of the first page, in kvm->mm
 * @flags:	KVM_MEM_* as userspace gave them
 * @id:		userspace's slot number
 * @space:	its address space
 * @dirty:	one bit a page, or NULL when the slot is not logged
 *
 * A slot is never changed once it is in a published struct kvm_memslots (bits
 * of @dirty apart): a change is a new slot in a new set.
 */
struct kvm_memslot {
	gfn_t base_gfn;
	unsigned long npages;
	unsigned long hva;
	u32 flags;
	u16 id;
	u8 space;
	unsigned long *dirty;
};

/**
 * struct kvm_memslots - all slots of an address space at one time, sorted by base_gfn
 * @count:	how many
 * @hint:	index of the slot that was asked for last; anybody writes it, nobody relies on it
 * @slot:	the slots; neighbours do not overlap
 *
 * Published through one of kvm->slots under SRCU and mmu_lock, and, but for the hint, immutable
 * since.
 */
struct kvm_memslots {
	int count;
	int hint;
	struct kvm_memslot *slot[];
};

/* Where devices are: I/O ports, and guest physical addresses without memory (virt/kvm/iobus.c). */
enum kvm_bus {
	KVM_PIO_BUS,
	KVM_MMIO_BUS,
	KVM_BUSES,
};

struct kvm_io_bus;
struct kvm_io_device;

/**
 * struct kvm_io_ops - what a device in the kernel does with an access
 * @read: of @len bytes at @addr, all of them in the device's range; NULL: none is its own
 * @write: the same
 *
 * @len is 1 to 8 and need not be a power of two; @addr need not be aligned.  @data is the caller's
 * own copy, not shared with userspace.  vCPU thread, kvm->srcu held; may sleep, must not take
 * io_lock.
 *
 * Return: 0 when the access is done; -EOPNOTSUPP when it is not this device's: the next one in
 * the range is asked, in the end userspace.
 */
struct kvm_io_ops {
	int (*read)(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
		    unsigned int len, void *data);
	int (*write)(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
		     unsigned int len, const void *data);
};

/* Embedded in the device's own struct. */
struct kvm_io_device {
	const struct kvm_io_ops *ops;
};

/* What is counted of a VM itself; virt/kvm/stats.c shows it. kvm->mmu_lock writes. */
struct kvm_vm_stat {
	u64 pages[3];		/* translations of 4 KiB, 2 MiB, 1 GiB that there are */
	u64 tables;		/* pages of second-level tables, the root apart */
};

/* Counters of one vCPU; the same file shows them. */
struct kvm_vcpu_stat {
	u64 exits;
	u64 user_exits;
	u64 io_exits;
	u64 mmio_exits;
	u64 halt_exits;
	u64 signal_exits;
	u64 irq_window_exits;
	u64 nmi_window_exits;
	u64 host_irq_exits;
	u64 memory_faults;
	u64 emulations;
	u64 exceptions;
	u64 irqs;
	u64 nmis;
	u64 redelivered;
	u64 tlb_flushes;
};

/* What a vCPU is told to do before it enters the guest again: bits of kvm_vcpu.requests. */
#define KVM_REQ_TLB_FLUSH	BIT(0)	/* second-level translations were taken away */
#define KVM_REQ_DEAD		BIT(1)	/* the VM is broken: no vCPU may enter it again */
#define KVM_REQ_CLOCK		BIT(2)	/* arch: the guest's clock has changed */
#define KVM_REQ_STEAL		BIT(3)	/* arch: its thread has waited for a CPU */
#define KVM_REQ_MSR_TRAPS	BIT(4)	/* which MSRs exit is to be told the hardware anew */
#define KVM_REQ_LOG_WRITES	BIT(5)	/* the same of whether it logs writes */

/* Where a vCPU thread stands with regard to the guest; see locking.rst, "Kicking a vCPU". */
enum kvm_vcpu_mode {
	KVM_OUTSIDE_GUEST,
	KVM_IN_GUEST,
	KVM_EXITING_GUEST,
};

/**
 * struct kvm_vcpu - a virtual CPU
 */
struct kvm_vcpu {
	/* set once */
	struct kvm *kvm;
	int id;				/* userspace's number, its APIC id */
	int index;			/* position in kvm->vcpus */
	struct kvm_run *run;		/* shared with userspace by mmap; never trusted */

	/* held by every vCPU ioctl: "the vCPU's thread" is whoever holds it */
	struct mutex mutex;

	/* vCPU thread only */
	u8 space;			/* the address space it is in */
	struct preempt_notifier preempt_notifier;
	sigset_t sigset;		/* for KVM_RUN, when sigset_active */
	bool sigset_active;
	bool preempted;			/* it is put off its CPU because others want that */
	struct kvm_vcpu_stat stat;

	/* vCPU thread writes, anybody reads */
	int cpu;			/* where it is loaded, or -1 */
	int mode;			/* enum kvm_vcpu_mode; a kick makes IN_GUEST EXITING */

	/* anybody */
	atomic_t requests;
	struct rcuwait wait;

	struct kvm_vcpu_arch arch;
};

/**
 * struct kvm - a virtual machine
 */
struct kvm {
	/* set once */
	struct mm_struct *mm;		/* of the creator; others' ioctls get -EIO */
	pid_t pid;			/* the creator's, for statistics to be named by */
	struct mmu_notifier mmu_notifier;
	struct dentry *debugfs;
	struct list_head vm_list;	/* all VMs; guarded by kvm_lock in main.c */

	refcount_t users;		/* the VM fd, each vCPU fd, each of statistics */
	bool dead;			/* kvm_dead() was called; for good */

	/* lock */
	struct mutex lock;		/* creation of vCPUs, VM-wide settings */
	struct kvm_vcpu *vcpus[KVM_MAX_VCPUS];
	atomic_t online_vcpus;		/* grows only; entries below it are valid */
	u32 vcpu_ids;			/* ids are below it; 0: below KVM_MAX_VCPU_ID */

	/* slots_lock (and, to publish, mmu_lock) writes, SRCU reads */
	struct mutex slots_lock;
	struct srcu_struct srcu;
	struct kvm_memslots __rcu *slots[KVM_ADDRESS_SPACES];

	/* slots_lock */
	u32 manual_dirty_log;		/* KVM_DIRTY_LOG_*, args[0] of its capability */
	u32 logged_slots;		/* that have a log; anybody reads */

	/* io_lock writes, SRCU reads; NULL: no device */
	struct mutex io_lock;
	struct kvm_io_bus __rcu *buses[KVM_BUSES];

	/* io_lock writes, RCU reads: of irqfds, those that are told of an EOI */
	struct list_head resamplers;

	/* io_lock */
	struct list_head ioeventfds;
	struct list_head coalesced_zones;

	/* irqfd_lock, which comes with that of an eventfd and with interrupts off */
	spinlock_t irqfd_lock;
	struct list_head irqfds;
	atomic_t irqfds_ending;		/* eventfds were closed; more may be under the lock */

	/* the page is set once, and userspace's to write; coalesced_lock: putting an entry in */
	spinlock_t coalesced_lock;
	struct kvm_coalesced_mmio_ring *coalesced_ring;

	/* mmu_lock: the second-level tables, and against which invalidations they were filled */
	spinlock_t mmu_lock;
	unsigned long mmu_invalidations;	/* in progress, of user addresses */
	unsigned long mmu_invalid_first;	/* that lie between this one */
	unsigned long mmu_invalid_end;		/* and this */
	unsigned long mmu_seq;			/* counts finished ones, and changes of the slots */
	struct kvm_vm_stat stat;		/* anybody reads */

	struct kvm_arch arch;
};

#define kvm_for_each_vcpu(i, vcpu, kvm)						\
	for ((i) = 0; (i) < atomic_read_acquire(&(kvm)->online_vcpus) &&	\
	     ((vcpu) = (kvm)->vcpus[i]); (i)++)

/* virt/kvm/main.c */

/**
 * kvm_request_all - set request bits on all vCPUs of a VM and get them out of the guest
 * @kvm: the VM
 * @req: KVM_REQ_* bits
 *
 * On return no vCPU runs guest code that it entered before the call.  May be called under
 * mmu_lock; waits for the others' exits by IPI, so interrupts must be on.
 */
void kvm_request_all(struct kvm *kvm, unsigned int req);

/* virt/kvm/vcpu.c */

/**
 * kvm_vcpu_kick - make a vCPU look at its requests and its inbox soon
 * @vcpu: any vCPU
 *
 * Wakes it if it is blocked, forces an exit if it runs guest code elsewhere.  The caller has made
 * its note (by an atomic read-modify-write) before.  Any context.
 */
void kvm_vcpu_kick(struct kvm_vcpu *vcpu);

/**
 * kvm_vcpu_block - sleep until the vCPU has work (kvm_arch_vcpu_wakes()), a request, or a signal
 * @vcpu: the caller's own
 *
 * Return: 0, -EINTR, or -EIO when the VM is dead.  What can wait until the next entry
 * (KVM_REQ_TLB_FLUSH, _CLOCK, _STEAL, _MSR_TRAPS, _LOG_WRITES) does not end the sleep.
 * kvm_arch_vcpu_wakes() must not sleep.  vCPU thread.
 */
int kvm_vcpu_block(struct kvm_vcpu *vcpu);

static inline void kvm_vcpu_request(struct kvm_vcpu *vcpu, unsigned int req)
{
	atomic_or(req, &vcpu->requests);
}

/* virt/kvm/memslot.c; readers hold kvm->srcu, slots_lock or mmu_lock */

static inline struct kvm_memslots *kvm_slots(struct kvm *kvm, unsigned int space)
{
	return srcu_dereference_check(kvm->slots[space], &kvm->srcu,
				      lockdep_is_held(&kvm->slots_lock) ||
				      lockdep_is_held(&kvm->mmu_lock));
}

/* The slot that holds a guest frame in an address space, or NULL; or one that may be written. */
struct kvm_memslot *kvm_slot_of(struct kvm *kvm, unsigned int space, gfn_t gfn);
struct kvm_memslot *kvm_slot_to_write(struct kvm *kvm, unsigned int space, gfn_t gfn);

/* The user address of a frame of the slot's. */
static inline unsigned long kvm_slot_hva(const struct kvm_memslot *slot, gfn_t gfn)
{
	return slot->hva + ((gfn - slot->base_gfn) << PAGE_SHIFT);
}

/**
 * kvm_vcpu_hva - the user address of a guest frame
 * @vcpu: the frame is in the address space that it is in
 * @gfn: the frame
 * @write: whether it is to be written; a read-only slot then has none
 *
 * Return: the address, or KVM_HVA_BAD.
 */
unsigned long kvm_vcpu_hva(struct kvm_vcpu *vcpu, gfn_t gfn, bool write);

/**
 * kvm_read_guest - copy from guest physical memory, over pages and slots
 * @kvm: the VM; the caller runs in kvm->mm
 * @gpa: first byte
 * @data: where to
 * @len: bytes
 *
 * Return: 0, or -EFAULT where there is no slot or no accessible memory behind it.  Takes kvm->srcu
 * itself (it nests).  May sleep.  kvm_write_guest() is its counterpart and marks pages dirty.
 *
 * This is the first address space, where devices are and what is shared with the guest; what a vCPU
 * does itself is done where it is: kvm_vcpu_read_guest(), kvm_vcpu_write_guest().
 */
int kvm_read_guest(struct kvm *kvm, gpa_t gpa, void *data, unsigned long len);
int kvm_write_guest(struct kvm *kvm, gpa_t gpa, const void *data, unsigned long len);
int kvm_vcpu_read_guest(struct kvm_vcpu *vcpu, gpa_t gpa, void *data, unsigned long len);
int kvm_vcpu_write_guest(struct kvm_vcpu *vcpu, gpa_t gpa, const void *data, unsigned long len);

/**
 * kvm_vcpu_cmpxchg_guest - replace a number in guest memory if nobody has changed it
 * @vcpu: the caller's own
 * @gpa: aligned to @size
 * @size: 1, 2, 4 or 8 bytes
 * @from: what is expected there
 * @to: what is to be there
 *
 * Return: 0; 1 when something else is there; -EFAULT as kvm_write_guest(), and for another @size.
 * Takes kvm->srcu itself.  May sleep.
 */
int kvm_vcpu_cmpxchg_guest(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int size, u64 from, u64 to);

/* virt/kvm/dirty.c */

/* Note a write to a page of a slot, if it is logged; any context under the reader's SRCU. */
void kvm_mark_dirty(struct kvm_memslot *slot, gfn_t gfn);

/* virt/kvm/iobus.c */

/**
 * kvm_io_bus_register - put a device on a bus
 * @kvm: the VM; io_lock held
 * @bus: which
 * @addr: first byte or port
 * @len: bytes or ports, not 0
 * @dev: lives until it is unregistered, or the VM's end; may have several ranges
 *
 * Ranges may overlap.  Of those that hold an access the one that begins last is asked first, then
 * the shorter one, then the older one.
 *
 * Return: 0; -EINVAL for a range that is none; -ENOSPC, -ENOMEM.
 */
int kvm_io_bus_register(struct kvm *kvm, enum kvm_bus bus, gpa_t addr, u64 len,
			struct kvm_io_device *dev);

/* Take all ranges of a device away; nobody uses it any more on return. io_lock held; sleeps. */
void kvm_io_bus_unregister(struct kvm *kvm, enum kvm_bus bus, struct kvm_io_device *dev);

/**
 * kvm_io_bus_write - an access of the guest, for the devices in the kernel
 * @vcpu: the caller's own
 * @bus: which
 * @addr: first byte or port
 * @len: 1 to 8
 * @data: @len bytes, not shared with userspace
 *
 * Return: 0 when a device has taken it, -EOPNOTSUPP when it is userspace's.  May sleep.
 * kvm_io_bus_read() is its counterpart; @data is undefined unless it returns 0.
 */
int kvm_io_bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned int len,
		     const void *data);
int kvm_io_bus_read(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned int len,
		    void *data);

/* Is there a device at this byte or port? It need not take every access. */
bool kvm_io_bus_has(struct kvm *kvm, enum kvm_bus bus, gpa_t addr);

/* virt/kvm/irqfd.c */

/* Who moves a line: arch keeps a level for each, and the line is high while one of them is. */
#define KVM_USERSPACE_IRQ_SOURCE_ID		0	/* KVM_IRQ_LINE, and edges of irqfds */
#define KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID	1	/* irqfds with a resampler, all of them */

/**
 * kvm_notify_acked_gsi - the guest has ended an interrupt of this GSI
 * @kvm: the VM
 * @gsi: which
 *
 * For arch, at an EOI.  Lowers the line of the irqfds that wait for it, through
 * kvm_arch_set_irq(), and signals their resamplefds, by which another VM's or this VM's line may
 * be raised at once: no lock may be held that kvm_arch_set_irq() takes.  Does not sleep;
 * interrupts may be off.
 */
void kvm_notify_acked_gsi(struct kvm *kvm, u32 gsi);

/* virt/kvm/notifier.c */

/**
 * kvm_mmu_stale - may user addresses have got other pages, or guest frames other addresses?
 * @kvm: the VM
 * @seq: kvm->mmu_seq as sampled
 * @first: user address
 * @end: behind the last one
 *
 * mmu_lock held.  A fault handler samples mmu_seq (then smp_rmb()), looks slot and page up without
 * the lock, takes the lock, and maps only if this says no for all that it maps.
 */
static inline bool kvm_mmu_stale(struct kvm *kvm, unsigned long seq, unsigned long first,
				 unsigned long end)
{
	lockdep_assert_held(&kvm->mmu_lock);
	if (kvm->mmu_invalidations && first < kvm->mmu_invalid_end && end > kvm->mmu_invalid_first)
		return true;
	return kvm->mmu_seq != seq;
}

/*
 * What arch provides.
 */

int kvm_arch_init(void);		/* module load: refuse the host, with one line in the log */
void kvm_arch_exit(void);
void kvm_arch_begin(void);		/* /dev/kvm is ours: no other hypervisor in this kernel */
void kvm_arch_end(void);
int kvm_arch_cpu_enable(void);		/* on this CPU, interrupts off; 0 or -EBUSY, -EIO */
void kvm_arch_cpu_disable(void);	/* the same CPU, interrupts off */
void kvm_arch_suspend(void);		/* the machine sleeps: last CPU, interrupts off, no vCPU */
void kvm_arch_resume(void);		/* and has woken: the same, before kvm_arch_cpu_enable() */

/* KVM_CHECK_EXTENSION; @kvm is NULL on /dev/kvm. 0: absent. */
int kvm_arch_check_extension(struct kvm *kvm, long cap);
/* ioctls that virt/kvm does not know; -ENOTTY for those that arch does not know either */
long kvm_arch_dev_ioctl(unsigned int ioctl, unsigned long arg);
long kvm_arch_vm_ioctl(struct kvm *kvm, unsigned int ioctl, unsigned long arg);
long kvm_arch_vcpu_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl, unsigned long arg);

int kvm_arch_vm_create(struct kvm *kvm, unsigned long type);
void kvm_arch_vm_quiesce(struct kvm *kvm);	/* no user left: vCPUs hear of nothing any more */
void kvm_arch_vm_destroy(struct kvm *kvm);	/* no vCPU, no user left; may sleep */

int kvm_arch_vcpu_create(struct kvm_vcpu *vcpu);
void kvm_arch_vcpu_destroy(struct kvm_vcpu *vcpu);
void kvm_arch_vcpu_load(struct kvm_vcpu *vcpu, int cpu);	/* preemption off */
void kvm_arch_vcpu_put(struct kvm_vcpu *vcpu);			/* preemption off */
int kvm_arch_vcpu_run(struct kvm_vcpu *vcpu);			/* KVM_RUN, loaded */
bool kvm_arch_vcpu_wakes(struct kvm_vcpu *vcpu);		/* has a halted vCPU work? */

/*
 * The second-level tables, all under mmu_lock. "true" from unmap and watch_writes: TLBs may still
 * hold what was taken away, flush (kvm_request_all()) before the lock is let go.  watch_writes: the
 * next write to each of these pages, of a slot with a log, sets its bit.
 */
bool kvm_arch_unmap(struct kvm *kvm, unsigned int space, gfn_t first, gfn_t end);
bool kvm_arch_watch_writes(struct kvm *kvm, unsigned int space, gfn_t first, gfn_t end);

/* Where hardware logs writes, into a log of each vCPU's, which goes into the slots' at an exit: */
void kvm_arch_logged_slots(struct kvm *kvm);	/* the number of slots with a log is, or was, 0 */
void kvm_arch_sync_dirty_log(struct kvm *kvm);	/* what has been written is in the slots' logs */
/* Was the range used since last asked? @clear: start anew. */
bool kvm_arch_age(struct kvm *kvm, unsigned int space, gfn_t first, gfn_t end, bool clear);
/* May this range of guest memory be a slot? 0 or -EINVAL. slots_lock held. */
int kvm_arch_check_slot(struct kvm *kvm, const struct kvm_memslot *slot);

/**
 * kvm_arch_set_irq - move an interrupt line, or send a message, as the routes say
 * @kvm: the VM
 * @source_id: who: KVM_*_IRQ_SOURCE_ID
 * @gsi: userspace's number; one without a route is nothing to be done
 * @level: of this source
 * @line_status: userspace wants to know what became of it
 *
 * Any context but NMI, interrupts on or off, an eventfd's lock held; must not signal an eventfd.
 * Return: as kvm_irq_level.status, below 0 when nobody has taken it.
 */
int kvm_arch_set_irq(struct kvm *kvm, int source_id, u32 gsi, int level, bool line_status);
/* Are there controllers for an irqfd?  For resampling, ones whose EOIs are known here? */
bool kvm_arch_irqfd_ok(struct kvm *kvm, bool resample);

#endif /* LINUX_KVM_HOST_H */
