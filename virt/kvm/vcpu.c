// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu.c - the fds of vCPUs: who may touch a vCPU and where it runs.
 *
 * Owns the vCPU's mutex, its binding to a CPU, its sleep and its being woken,
 * and the pages it shares with userspace.  What a vCPU is made of, and all of
 * its ioctls but three, are arch's.  Calls that only read or write its state do
 * not load it: most of what such a call costs would be that.
 * Next: arch/x86/kvm/run.c, KVM_RUN; x86.c, the state ioctls.
 */
#include <linux/anon_inodes.h>
#include <linux/cpumask.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include "virt.h"

/* Requests that a vCPU which sleeps does not have to be told of before it next enters. */
#define REQ_CAN_WAIT	(KVM_REQ_TLB_FLUSH | KVM_REQ_CLOCK | KVM_REQ_STEAL |	\
			 KVM_REQ_MSR_TRAPS | KVM_REQ_LOG_WRITES)

/* The CPUs that kvm_request_all() interrupts; too big for the stack. Preemption off. */
static DEFINE_PER_CPU(cpumask_var_t, vcpu_ipi_mask);

/*
 * On a CPU and off it
 */

/* Preemption off. */
static void vcpu_load_here(struct kvm_vcpu *vcpu, int cpu)
{
	/* After a failed resume or at reboot: never enter, and have nothing to put. */
	if (unlikely(!__this_cpu_read(kvm_cpu_on))) {
		kvm_vcpu_request(vcpu, KVM_REQ_DEAD);
		return;
	}
	WRITE_ONCE(vcpu->cpu, cpu);
	kvm_arch_vcpu_load(vcpu, cpu);
}

static void vcpu_put_here(struct kvm_vcpu *vcpu)
{
	if (unlikely(vcpu->cpu < 0))
		return;
	kvm_arch_vcpu_put(vcpu);
	WRITE_ONCE(vcpu->cpu, -1);
}

static void vcpu_sched_in(struct preempt_notifier *notifier, int cpu)
{
	vcpu_load_here(container_of(notifier, struct kvm_vcpu, preempt_notifier), cpu);
}

static void vcpu_sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct kvm_vcpu *vcpu = container_of(notifier, struct kvm_vcpu, preempt_notifier);

	/* who sleeps has left the queue before */
	vcpu->preempted = current->on_rq;
	vcpu_put_here(vcpu);
	vcpu->preempted = false;
}

static struct preempt_ops vcpu_preempt_ops = {
	.sched_in = vcpu_sched_in,
	.sched_out = vcpu_sched_out,
};

/*
 * KVM_RUN is called loaded, nothing else is.  Preemption in between is followed through the
 * notifier.
 */
static void vcpu_load(struct kvm_vcpu *vcpu)
{
	int cpu = get_cpu();

	preempt_notifier_register(&vcpu->preempt_notifier);
	vcpu_load_here(vcpu, cpu);
	put_cpu();
}

static void vcpu_put(struct kvm_vcpu *vcpu)
{
	preempt_disable();
	vcpu_put_here(vcpu);
	preempt_notifier_unregister(&vcpu->preempt_notifier);
	preempt_enable();
}

/*
 * Being told of something
 */

void kvm_vcpu_kick(struct kvm_vcpu *vcpu)
{
	int cpu, here;

	/* Holds a full barrier: the sleeper sees the note, or is seen. */
	rcuwait_wake_up(&vcpu->wait);

	/*
	 * By the same barrier the note was written before the mode is read, and the vCPU's
	 * thread writes the mode before it looks for notes.  Interrupts are off there from that
	 * look to the entry, so that the interrupt sent here ends the guest's run at once.
	 */
	here = get_cpu();
	cpu = READ_ONCE(vcpu->cpu);
	if (cpu >= 0 && cpu != here &&
	    cmpxchg(&vcpu->mode, KVM_IN_GUEST, KVM_EXITING_GUEST) == KVM_IN_GUEST)
		smp_send_reschedule(cpu);
	put_cpu();
}

/* To have been interrupted is the message. */
static void vcpu_interrupted(void *unused)
{
}

void kvm_request_all(struct kvm *kvm, unsigned int req)
{
	struct kvm_vcpu *vcpu;
	struct cpumask *cpus;
	int i, cpu, here;

	here = get_cpu();
	cpus = this_cpu_cpumask_var_ptr(vcpu_ipi_mask);
	cpumask_clear(cpus);
	kvm_for_each_vcpu(i, vcpu, kvm) {
		kvm_vcpu_request(vcpu, req);
		if (req & ~REQ_CAN_WAIT)
			rcuwait_wake_up(&vcpu->wait);
		/* As in kvm_vcpu_kick(); an exit that is on its way is waited for as well. */
		smp_mb__after_atomic();
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu >= 0 && cpu != here && READ_ONCE(vcpu->mode) != KVM_OUTSIDE_GUEST)
			cpumask_set_cpu(cpu, cpus);
	}
	smp_call_function_many(cpus, vcpu_interrupted, NULL, true);
	put_cpu();
}

static bool vcpu_has_news(struct kvm_vcpu *vcpu)
{
	return (atomic_read(&vcpu->requests) & ~REQ_CAN_WAIT) || kvm_arch_vcpu_wakes(vcpu);
}

int kvm_vcpu_block(struct kvm_vcpu *vcpu)
{
	int err;

	err = rcuwait_wait_event(&vcpu->wait, vcpu_has_news(vcpu), TASK_INTERRUPTIBLE);
	if (atomic_read(&vcpu->requests) & KVM_REQ_DEAD)
		return -EIO;
	return err;
}

/*
 * The fd
 */

/* Signals of KVM_RUN; real_blocked keeps what the caller blocks from being fatal or ignored. */
static void vcpu_signals_on(struct kvm_vcpu *vcpu)
{
	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
}

static void vcpu_signals_off(struct kvm_vcpu *vcpu)
{
	sigset_t callers;

	if (!vcpu->sigset_active)
		return;
	callers = current->real_blocked;
	sigprocmask(SIG_SETMASK, &callers, NULL);
	sigemptyset(&current->real_blocked);
}

static noinline int vcpu_set_signal_mask(struct kvm_vcpu *vcpu,
					 struct kvm_signal_mask __user *argp)
{
	struct kvm_signal_mask head;
	sigset_t mask;

	if (!argp) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(mask))
		return -EINVAL;
	if (copy_from_user(&mask, argp->sigset, sizeof(mask)))
		return -EFAULT;
	sigdelsetmask(&mask, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = mask;
	vcpu->sigset_active = true;
	return 0;
}

static noinline int vcpu_run(struct kvm_vcpu *vcpu, unsigned long arg)
{
	int ret;

	if (arg)
		return -EINVAL;
	if (READ_ONCE(vcpu->kvm->dead))
		return -EIO;
	vcpu_signals_on(vcpu);
	vcpu_load(vcpu);
	ret = kvm_arch_vcpu_run(vcpu);
	vcpu_put(vcpu);
	vcpu_signals_off(vcpu);
	return ret;
}

/* The two calls above are kept out of line: the others pay for none of their stack. */
static long vcpu_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct kvm_vcpu *vcpu = file->private_data;
	long ret;

	if (vcpu->kvm->mm != current->mm)
		return -EIO;
	/* Others, isatty() for one, must not have to wait for KVM_RUN to end. */
	if (_IOC_TYPE(ioctl) != KVMIO)
		return -EINVAL;
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;

	if (ioctl == KVM_RUN)
		ret = vcpu_run(vcpu, arg);
	else if (ioctl == KVM_SET_SIGNAL_MASK)
		ret = vcpu_set_signal_mask(vcpu, (void __user *)arg);
	else if (ioctl == KVM_GET_STATS_FD)
		ret = kvm_stats_fd(vcpu->kvm, vcpu);
	else
		ret = kvm_arch_vcpu_ioctl(vcpu, ioctl, arg);
	mutex_unlock(&vcpu->mutex);
	return ret;
}

static vm_fault_t vcpu_mmap_fault(struct vm_fault *vmf)
{
	struct kvm_vcpu *vcpu = vmf->vma->vm_file->private_data;
	void *page;

	if (vmf->pgoff < KVM_VCPU_RUN_SIZE / PAGE_SIZE)
		page = (void *)vcpu->run + vmf->pgoff * PAGE_SIZE;
	else if (vmf->pgoff == KVM_COALESCED_MMIO_PAGE_OFFSET)
		page = vcpu->kvm->coalesced_ring;
	else
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(page);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_mmap_ops = {
	.fault = vcpu_mmap_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vcpu_mmap_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct kvm_vcpu *vcpu = file->private_data;

	kvm_put(vcpu->kvm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

/*
 * Life
 */

static void vcpu_free(struct kvm_vcpu *vcpu)
{
	free_pages_exact(vcpu->run, KVM_VCPU_RUN_SIZE);
	kfree(vcpu);
}

static void vcpu_destroy(struct kvm_vcpu *vcpu)
{
	kvm_arch_vcpu_destroy(vcpu);
	vcpu_free(vcpu);
}

static struct kvm_vcpu *vcpu_alloc(struct kvm *kvm, int id)
{
	struct kvm_vcpu *vcpu;

	vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return NULL;
	/* Not one block: userspace maps each page by itself. */
	vcpu->run = alloc_pages_exact(KVM_VCPU_RUN_SIZE, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vcpu->run) {
		kfree(vcpu);
		return NULL;
	}
	vcpu->kvm = kvm;
	vcpu->id = id;
	vcpu->cpu = -1;
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	preempt_notifier_init(&vcpu->preempt_notifier, &vcpu_preempt_ops);
	return vcpu;
}

static struct kvm_vcpu *vcpu_create(struct kvm *kvm, int id)
{
	struct kvm_vcpu *vcpu;
	int err;

	vcpu = vcpu_alloc(kvm, id);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->index = atomic_read(&kvm->online_vcpus);
	err = kvm_arch_vcpu_create(vcpu);
	if (err) {
		vcpu_free(vcpu);
		return ERR_PTR(err);
	}
	return vcpu;
}

/* May there be a vCPU of this number? kvm->lock held. */
static int vcpu_check_id(struct kvm *kvm, unsigned long id)
{
	struct kvm_vcpu *vcpu;
	int i;

	if (id >= (kvm->vcpu_ids ?: KVM_MAX_VCPU_ID) ||
	    atomic_read(&kvm->online_vcpus) == KVM_MAX_VCPUS)
		return -EINVAL;
	kvm_for_each_vcpu(i, vcpu, kvm)
		if (vcpu->id == id)
			return -EEXIST;
	return 0;
}

/* A vCPU that everybody can see, and a file for it. kvm->lock held. */
static struct file *vcpu_publish(struct kvm *kvm, unsigned long id)
{
	struct kvm_vcpu *vcpu;
	struct file *file;
	char name[24];
	int err;

	err = vcpu_check_id(kvm, id);
	if (err)
		return ERR_PTR(err);
	vcpu = vcpu_create(kvm, id);
	if (IS_ERR(vcpu))
		return ERR_CAST(vcpu);

	snprintf(name, sizeof(name), "kvm-vcpu:%lu", id);
	file = anon_inode_getfile(name, &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		vcpu_destroy(vcpu);
		return file;
	}
	kvm_get(kvm);
	kvm->vcpus[vcpu->index] = vcpu;
	atomic_set_release(&kvm->online_vcpus, vcpu->index + 1);
	return file;
}

int kvm_vcpu_create(struct kvm *kvm, unsigned long id)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	mutex_lock(&kvm->lock);
	file = vcpu_publish(kvm, id);
	mutex_unlock(&kvm->lock);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

void kvm_vcpu_destroy_all(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	int i;

	kvm_for_each_vcpu(i, vcpu, kvm)
		vcpu_destroy(vcpu);
}

void kvm_vcpu_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		free_cpumask_var(per_cpu(vcpu_ipi_mask, cpu));
}

int __init kvm_vcpu_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		if (zalloc_cpumask_var_node(&per_cpu(vcpu_ipi_mask, cpu), GFP_KERNEL,
					    cpu_to_node(cpu)))
			continue;
		kvm_vcpu_exit();
		return -ENOMEM;
	}
	return 0;
}
