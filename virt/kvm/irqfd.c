// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd.c - KVM_IRQFD: a signal of an eventfd is an interrupt of the guest, and
 * the end of a level-triggered one is a signal of another eventfd.
 *
 * Owns who waits on which eventfd.  A signal is taken where it is made, in the
 * signaller's context, under the eventfd's lock: the line is moved there by
 * kvm_arch_set_irq(), and the eventfd is empty again.  Where a GSI leads is
 * arch's business.
 * An irqfd ends by DEASSIGN, with its VM, or when the eventfd's last descriptor
 * is closed; the last comes under the eventfd's lock too, and is left to a
 * workqueue.
 * Next: ioeventfd.c, the other way round; locking.rst, "Eventfds".
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "virt.h"

/**
 * struct irqfd - an eventfd that raises an interrupt
 * @kvm: the VM, which outlives it
 * @gsi: which interrupt
 * @ctx: the eventfd, a reference
 * @list: kvm->irqfds; irqfd_lock.  Who takes it out, ends it
 * @wait: in the eventfd's queue, @wqh
 * @wqh: the eventfd's queue; its lock is held when @wait is called
 * @table: only to get at @wqh
 * @end: irqfd_end(), for when the eventfd is closed
 * @resample: the eventfd that is told of the EOI, a reference; NULL: an edge
 * @resamplers: kvm->resamplers, if there is @resample; io_lock writes, RCU reads
 */
struct irqfd {
	struct kvm *kvm;
	u32 gsi;
	struct eventfd_ctx *ctx;
	struct list_head list;
	wait_queue_entry_t wait;
	wait_queue_head_t *wqh;
	poll_table table;
	struct work_struct end;
	struct eventfd_ctx *resample;
	struct list_head resamplers;
};

/* Ends of irqfds whose eventfd was closed, of all VMs. */
static struct workqueue_struct *irqfd_ends;

/*
 * Signals
 */

/* A signal is an edge, or, with a resampler, a level that stays until the EOI. */
static void irqfd_raise(struct irqfd *p)
{
	if (p->resample) {
		kvm_arch_set_irq(p->kvm, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID, p->gsi, 1, false);
		return;
	}
	kvm_arch_set_irq(p->kvm, KVM_USERSPACE_IRQ_SOURCE_ID, p->gsi, 1, false);
	kvm_arch_set_irq(p->kvm, KVM_USERSPACE_IRQ_SOURCE_ID, p->gsi, 0, false);
}

/* Take what the eventfd holds; @wqh->lock held. */
static void irqfd_take(struct irqfd *p)
{
	u64 count;

	eventfd_ctx_do_read(p->ctx, &count);
	if (count)
		irqfd_raise(p);
}

/* The last descriptor of the eventfd goes; @wqh->lock held. */
static void irqfd_closed(struct irqfd *p)
{
	unsigned long flags;

	spin_lock_irqsave(&p->kvm->irqfd_lock, flags);
	/* else somebody ends it already, who waits for this lock of the eventfd's */
	if (!list_empty(&p->list)) {
		list_del_init(&p->list);
		atomic_inc(&p->kvm->irqfds_ending);
		queue_work(irqfd_ends, &p->end);
	}
	spin_unlock_irqrestore(&p->kvm->irqfd_lock, flags);
}

/* @wqh->lock held, interrupts off.  Not 0: it was ours, nobody else need be woken. */
static int irqfd_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *p = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);

	if (events & EPOLLIN)
		irqfd_take(p);
	if (events & EPOLLHUP)
		irqfd_closed(p);
	return !!(events & EPOLLIN);
}

void kvm_notify_acked_gsi(struct kvm *kvm, u32 gsi)
{
	bool lowered = false;
	struct irqfd *p;

	rcu_read_lock();
	list_for_each_entry_rcu(p, &kvm->resamplers, resamplers) {
		if (p->gsi != gsi)
			continue;
		/* once, and first: who is signalled may raise it again at once */
		if (!lowered)
			kvm_arch_set_irq(kvm, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID, gsi, 0, false);
		lowered = true;
		eventfd_signal(p->resample, 1);
	}
	rcu_read_unlock();
}

/*
 * The end
 */

static bool irqfd_gsi_resampled(struct kvm *kvm, u32 gsi)
{
	struct irqfd *p;

	list_for_each_entry(p, &kvm->resamplers, resamplers)
		if (p->gsi == gsi)
			return true;
	return false;
}

/* No EOI will lower the line for this one any more; io_lock held. */
static void irqfd_end_resample(struct irqfd *p)
{
	list_del_rcu(&p->resamplers);
	if (!irqfd_gsi_resampled(p->kvm, p->gsi))
		kvm_arch_set_irq(p->kvm, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID, p->gsi, 0, false);
	/* kvm_notify_acked_gsi() */
	synchronize_rcu();
	eventfd_ctx_put(p->resample);
}

/* @p is in no list of irqfds any more; io_lock held.  No interrupt of its own after it. */
static void irqfd_end(struct irqfd *p)
{
	u64 count;

	eventfd_ctx_remove_wait_queue(p->ctx, &p->wait, &count);
	if (p->resample)
		irqfd_end_resample(p);
	eventfd_ctx_put(p->ctx);
	kfree(p);
}

static void irqfd_end_work(struct work_struct *work)
{
	struct irqfd *p = container_of(work, struct irqfd, end);
	struct kvm *kvm = p->kvm;

	mutex_lock(&kvm->io_lock);
	irqfd_end(p);
	mutex_unlock(&kvm->io_lock);
	/* the VM may be gone behind this; its address only is used */
	if (atomic_dec_and_test(&kvm->irqfds_ending))
		wake_up_var(&kvm->irqfds_ending);
}

/* Takes the first one out of the list that raises @gsi by this eventfd, or any (@ctx NULL). */
static struct irqfd *irqfd_pick(struct kvm *kvm, const struct eventfd_ctx *ctx, u32 gsi)
{
	struct irqfd *p, *found = NULL;

	spin_lock_irq(&kvm->irqfd_lock);
	list_for_each_entry(p, &kvm->irqfds, list) {
		if (!ctx || (p->ctx == ctx && p->gsi == gsi)) {
			list_del_init(&p->list);
			found = p;
			break;
		}
	}
	spin_unlock_irq(&kvm->irqfd_lock);
	return found;
}

static int irqfd_deassign(struct kvm *kvm, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(args->fd);
	struct irqfd *p;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	mutex_lock(&kvm->io_lock);
	p = irqfd_pick(kvm, ctx, args->gsi);
	if (p)
		irqfd_end(p);
	mutex_unlock(&kvm->io_lock);
	eventfd_ctx_put(ctx);
	return 0;
}

void kvm_irqfd_destroy(struct kvm *kvm)
{
	struct irqfd *p;

	mutex_lock(&kvm->io_lock);
	while ((p = irqfd_pick(kvm, NULL, 0)))
		irqfd_end(p);
	mutex_unlock(&kvm->io_lock);
	/* those whose eventfd was closed; another VM's take as long as its userspace likes */
	wait_var_event(&kvm->irqfds_ending, !atomic_read(&kvm->irqfds_ending));
}

/*
 * The beginning
 */

static void irqfd_queue(struct file *file, wait_queue_head_t *wqh, poll_table *table)
{
	struct irqfd *p = container_of(table, struct irqfd, table);

	p->wqh = wqh;
	add_wait_queue_priority(wqh, &p->wait);
}

/* Both eventfds; @file is that of the first. */
static int irqfd_get(struct irqfd *p, struct file *file, const struct kvm_irqfd *args)
{
	p->ctx = eventfd_ctx_fileget(file);
	if (IS_ERR(p->ctx))
		return PTR_ERR(p->ctx);
	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;
	p->resample = eventfd_ctx_fdget(args->resamplefd);
	if (!IS_ERR(p->resample))
		return 0;
	eventfd_ctx_put(p->ctx);
	return PTR_ERR(p->resample);
}

static struct irqfd *irqfd_alloc(struct kvm *kvm, struct file *file, const struct kvm_irqfd *args)
{
	struct irqfd *p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	int err;

	if (!p)
		return ERR_PTR(-ENOMEM);
	p->kvm = kvm;
	p->gsi = args->gsi;
	INIT_LIST_HEAD(&p->list);
	INIT_WORK(&p->end, irqfd_end_work);
	init_waitqueue_func_entry(&p->wait, irqfd_wake);
	init_poll_funcptr(&p->table, irqfd_queue);
	err = irqfd_get(p, file, args);
	if (!err)
		return p;
	kfree(p);
	return ERR_PTR(err);
}

static void irqfd_free(struct irqfd *p)
{
	if (p->resample)
		eventfd_ctx_put(p->resample);
	eventfd_ctx_put(p->ctx);
	kfree(p);
}

/* An eventfd can be emptied by one only. */
static int irqfd_list(struct irqfd *p)
{
	struct irqfd *other;
	int err = 0;

	spin_lock_irq(&p->kvm->irqfd_lock);
	list_for_each_entry(other, &p->kvm->irqfds, list)
		if (other->ctx == p->ctx)
			err = -EBUSY;
	if (!err)
		list_add_tail(&p->list, &p->kvm->irqfds);
	spin_unlock_irq(&p->kvm->irqfd_lock);
	return err;
}

/* io_lock held, so that nobody takes it away meanwhile, and the file, so that it is not closed. */
static int irqfd_begin(struct irqfd *p, struct file *file)
{
	int err = irqfd_list(p);

	if (err)
		return err;
	if (p->resample)
		list_add_rcu(&p->resamplers, &p->kvm->resamplers);
	vfs_poll(file, &p->table);
	/* what was signalled before */
	spin_lock_irq(&p->wqh->lock);
	irqfd_take(p);
	spin_unlock_irq(&p->wqh->lock);
	return 0;
}

static int irqfd_assign_file(struct kvm *kvm, struct file *file, const struct kvm_irqfd *args)
{
	struct irqfd *p = irqfd_alloc(kvm, file, args);
	int err;

	if (IS_ERR(p))
		return PTR_ERR(p);
	mutex_lock(&kvm->io_lock);
	err = irqfd_begin(p, file);
	mutex_unlock(&kvm->io_lock);
	if (err)
		irqfd_free(p);
	return err;
}

static int irqfd_assign(struct kvm *kvm, const struct kvm_irqfd *args)
{
	struct fd fd;
	int err;

	if (!kvm_arch_irqfd_ok(kvm, args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	fd = fdget(args->fd);
	if (!fd.file)
		return -EBADF;
	err = irqfd_assign_file(kvm, fd.file, args);
	fdput(fd);
	return err;
}

int kvm_irqfd(struct kvm *kvm, const struct kvm_irqfd *args)
{
	if (args->flags & ~(u32)(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	return args->flags & KVM_IRQFD_FLAG_DEASSIGN ? irqfd_deassign(kvm, args) :
						       irqfd_assign(kvm, args);
}

int __init kvm_irqfd_init(void)
{
	irqfd_ends = alloc_workqueue("kvm-irqfd", 0, 0);
	return irqfd_ends ? 0 : -ENOMEM;
}

void kvm_irqfd_exit(void)
{
	destroy_workqueue(irqfd_ends);
}
