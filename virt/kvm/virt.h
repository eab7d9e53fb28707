/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virt.h - what the files of virt/kvm say to each other and arch does not need.
 *
 * Next: include/linux/kvm_host.h, the contract with arch.
 */
#ifndef VIRT_KVM_VIRT_H
#define VIRT_KVM_VIRT_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/kvm_host.h>

/* A vCPU's own: struct kvm_run, and behind it the page that string I/O is passed in. */
#define KVM_VCPU_RUN_SIZE	((KVM_PIO_PAGE_OFFSET + 1) * PAGE_SIZE)
/* Behind that the VM's ring of coalesced writes. */
#define KVM_VCPU_MMAP_SIZE	((KVM_COALESCED_MMIO_PAGE_OFFSET + 1) * PAGE_SIZE)

/* main.c: all VMs.  The lock is taken before kvm->lock. */
extern struct mutex kvm_lock;
extern struct list_head kvm_vms;

/* A VM lives as long as its fd, the fd of one of its vCPUs, or one of statistics. */
static inline void kvm_get(struct kvm *kvm)
{
	refcount_inc(&kvm->users);
}

void kvm_put(struct kvm *kvm);		/* may sleep */

/**
 * kvm_dead - end a VM whose kernel-side state can no longer be trusted
 * @kvm: the VM
 *
 * Every vCPU leaves the guest; their KVM_RUN, now and later, returns -EIO.
 * Does not sleep; interrupts on.
 */
void kvm_dead(struct kvm *kvm);

/* cpus.c: virtualization is on, on this CPU.  Written there with interrupts off. */
DECLARE_PER_CPU(bool, kvm_cpu_on);

/* A VM comes, a VM is gone: kvm_lock held; 0, or -EBUSY when the processor cannot be had. */
int kvm_cpus_get(void);
void kvm_cpus_put(void);

int kvm_cpus_init(void);
void kvm_cpus_exit(void);

/**
 * kvm_vcpu_create - KVM_CREATE_VCPU
 * @kvm: the VM
 * @id: userspace's number for it
 *
 * Return: a new fd of the caller's, or -EINVAL (@id out of range, too many vCPUs), -EEXIST,
 * -ENOMEM, what arch or the fd table said.  Takes kvm->lock.
 */
int kvm_vcpu_create(struct kvm *kvm, unsigned long id);

/* The last user of the VM is gone. */
void kvm_vcpu_destroy_all(struct kvm *kvm);

/* memslot.c: KVM_SET_USER_MEMORY_REGION, and what a new VM has. */
int kvm_set_memory_region(struct kvm *kvm, const struct kvm_userspace_memory_region *region);
int kvm_slots_init(struct kvm *kvm);
void kvm_slots_free(struct kvm *kvm);

/*
 * memslot.c: userspace numbers slots by address space, in the upper half, and id. Is this a number?
 * Then: the slot that has it, or NULL. slots_lock held.
 */
bool kvm_slot_number_ok(u32 number);
struct kvm_memslot *kvm_slot_by_number(struct kvm *kvm, u32 number);

/* notifier.c: from the first to the second the host tells of what it does to memory. */
int kvm_notifier_register(struct kvm *kvm);
void kvm_notifier_unregister(struct kvm *kvm);

/**
 * kvm_mmu_block - no translations to these user addresses, until kvm_mmu_unblock()
 * @kvm: the VM; mmu_lock held
 * @start: user address
 * @end: behind the last one
 *
 * A vCPU that faults there tries again and again.  Several at once block all from the first to the
 * last of their addresses.  notifier.c.
 */
void kvm_mmu_block(struct kvm *kvm, unsigned long start, unsigned long end);
void kvm_mmu_unblock(struct kvm *kvm);

/**
 * kvm_unmap_range - take translations away
 * @kvm: the VM; mmu_lock held
 * @space: which address space
 * @first: guest frame
 * @end: behind the last one
 * @may_sleep: mmu_lock may be let go in between
 * @flush: a flush is owed already
 *
 * notifier.c.  Return: is one owed now?  Then vCPUs may use what was taken away, until
 * KVM_REQ_TLB_FLUSH has been requested, before mmu_lock is let go.
 */
bool kvm_unmap_range(struct kvm *kvm, unsigned int space, gfn_t first, gfn_t end, bool may_sleep,
		     bool flush);

/* dirty.c: what KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 has to offer. */
#define KVM_DIRTY_LOG_MANUAL_CAPS \
	(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

/* KVM_ENABLE_CAP of it, with args[0]: 0, or -EINVAL. Takes slots_lock. */
int kvm_set_manual_dirty_log(struct kvm *kvm, u64 how);

/**
 * kvm_get_dirty_log - KVM_GET_DIRTY_LOG
 * @kvm: the VM
 * @log: userspace's arguments
 *
 * Takes slots_lock, and mmu_lock for up to 1 GiB of guest memory at a time.
 *
 * Return: 0; -EINVAL, no such slot can be; -ENOENT, it is not there or not logged; -EFAULT, and
 * what could not be told is still in the log; -ENOMEM.
 */
int kvm_get_dirty_log(struct kvm *kvm, const struct kvm_dirty_log *log);

/**
 * kvm_clear_dirty_log - KVM_CLEAR_DIRTY_LOG
 * @kvm: the VM
 * @log: userspace's arguments
 *
 * On return writes to the pages that were named fault, and set their bits again.  Locks as
 * kvm_get_dirty_log().
 *
 * Return: 0; -EINVAL, also for a part that is not of whole words or not in the slot; -ENOENT;
 * -EFAULT and -ENOMEM, with nothing cleared.
 */
int kvm_clear_dirty_log(struct kvm *kvm, const struct kvm_clear_dirty_log *log);

/* A new log begins with every bit set. slots_lock held. */
static inline bool kvm_dirty_log_begins_full(struct kvm *kvm)
{
	lockdep_assert_held(&kvm->slots_lock);
	return kvm->manual_dirty_log & KVM_DIRTY_LOG_INITIALLY_SET;
}

/* A log for a slot of so many pages, or NULL. slots_lock held. */
unsigned long *kvm_dirty_log_alloc(struct kvm *kvm, unsigned long pages);

/**
 * kvm_dirty_log_begin - have the guest's writes fault where the log has no bit yet
 * @kvm: the VM; slots_lock and mmu_lock held
 * @slot: published with a log that was made for it just now
 *
 * mmu_lock may be let go in between.
 */
void kvm_dirty_log_begin(struct kvm *kvm, const struct kvm_memslot *slot);

/**
 * kvm_stats_fd - KVM_GET_STATS_FD
 * @kvm: the VM
 * @vcpu: the vCPU that was asked, or NULL: the VM was
 *
 * stats.c.
 *
 * Return: a new fd of the caller's, which holds the VM alive, or what the fd table said.
 */
int kvm_stats_fd(struct kvm *kvm, struct kvm_vcpu *vcpu);

/* stats.c, debugfs: of the module, and of a VM that has this fd. */
void kvm_stats_init(void);
void kvm_stats_exit(void);
void kvm_stats_vm_add(struct kvm *kvm, int fd);
void kvm_stats_vm_del(struct kvm *kvm);

/* iobus.c: the buses go, the devices are their owners'.  No vCPU left. */
void kvm_io_bus_destroy(struct kvm *kvm);

/**
 * kvm_ioeventfd - KVM_IOEVENTFD
 * @kvm: the VM
 * @args: from userspace, not judged yet
 *
 * Return: 0; -EINVAL for what cannot be waited for and an fd that is no eventfd, -EBADF, -EEXIST
 * for a write that another one waits for, -ENOENT for taking away what is not there, -ENOSPC,
 * -ENOMEM.  Takes io_lock.
 */
int kvm_ioeventfd(struct kvm *kvm, const struct kvm_ioeventfd *args);
void kvm_ioeventfd_destroy(struct kvm *kvm);	/* no vCPU left */

/* coalesced_mmio.c: what a new VM has; 0 or -ENOMEM.  At the end no vCPU is left. */
int kvm_coalesced_init(struct kvm *kvm);
void kvm_coalesced_destroy(struct kvm *kvm);

/**
 * kvm_coalesced_register - KVM_REGISTER_COALESCED_MMIO
 * @kvm: the VM
 * @args: from userspace, not judged yet
 *
 * Return: 0; -EINVAL for a range that is none; -ENOSPC, -ENOMEM.  Takes io_lock.
 * kvm_coalesced_unregister() takes all zones away that hold the range; it is 0 if there is none.
 */
int kvm_coalesced_register(struct kvm *kvm, const struct kvm_coalesced_mmio_zone *args);
int kvm_coalesced_unregister(struct kvm *kvm, const struct kvm_coalesced_mmio_zone *args);

/**
 * kvm_irqfd - KVM_IRQFD
 * @kvm: the VM
 * @args: from userspace, not judged yet
 *
 * Return: 0, also for taking away what is not there; -EINVAL for unknown flags, without a
 * controller in the kernel, and for an fd that is no eventfd; -EBADF; -EBUSY for an eventfd that
 * raises an interrupt of this VM already; -ENOMEM.  Takes io_lock.
 */
int kvm_irqfd(struct kvm *kvm, const struct kvm_irqfd *args);
void kvm_irqfd_destroy(struct kvm *kvm);	/* no user left; arch's controllers still are */

int kvm_irqfd_init(void);
void kvm_irqfd_exit(void);

int kvm_vcpu_init(void);
void kvm_vcpu_exit(void);

#endif /* VIRT_KVM_VIRT_H */
