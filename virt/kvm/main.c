// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - the module, /dev/kvm, and the fds of VMs.
 *
 * Owns the list of VMs and the life of a struct kvm.  Calls that are not
 * answered here go to arch.
 * Next: vcpu.c, the same for vCPUs; cpus.c, virtualization on and off;
 * memslot.c, guest memory.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/cpumask.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "virt.h"

DEFINE_MUTEX(kvm_lock);		/* kvm_vms, and the use count in cpus.c */
LIST_HEAD(kvm_vms);

/*
 * Capabilities that no arch has a say in
 */

static const struct {
	u16 cap;
	u16 value;
} main_caps[] = {
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_NR_MEMSLOTS, KVM_USER_MEM_SLOTS },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_MAX_VCPUS, KVM_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, KVM_MAX_VCPU_ID },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_CAPS },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_COALESCED_MMIO, KVM_COALESCED_MMIO_PAGE_OFFSET },
	{ KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, 1 },
};

static int kvm_check_extension(struct kvm *kvm, unsigned long cap)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(main_caps); i++)
		if (main_caps[i].cap == cap)
			return main_caps[i].value;
	if (cap == KVM_CAP_NR_VCPUS)
		return min_t(int, num_online_cpus(), KVM_MAX_VCPUS);
	return kvm_arch_check_extension(kvm, cap);
}

/*
 * A VM
 */

void kvm_dead(struct kvm *kvm)
{
	WRITE_ONCE(kvm->dead, true);
	/* A vCPU that kvm_request_all() does not see yet reads ->dead in its first KVM_RUN. */
	smp_mb();
	kvm_request_all(kvm, KVM_REQ_DEAD);
}

/* A VM without arch, notifier and CPUs: memory and locks. */
static struct kvm *kvm_alloc(void)
{
	struct kvm *kvm;
	int err;

	kvm = kvzalloc(sizeof(*kvm), GFP_KERNEL_ACCOUNT);
	if (!kvm)
		return ERR_PTR(-ENOMEM);
	refcount_set(&kvm->users, 1);
	mutex_init(&kvm->lock);
	mutex_init(&kvm->slots_lock);
	mutex_init(&kvm->io_lock);
	spin_lock_init(&kvm->mmu_lock);
	INIT_LIST_HEAD(&kvm->vm_list);
	spin_lock_init(&kvm->irqfd_lock);
	INIT_LIST_HEAD(&kvm->ioeventfds);
	INIT_LIST_HEAD(&kvm->irqfds);
	INIT_LIST_HEAD(&kvm->resamplers);

	err = init_srcu_struct(&kvm->srcu);
	if (err)
		goto out_free;
	err = kvm_slots_init(kvm);
	if (err)
		goto out_srcu;
	err = kvm_coalesced_init(kvm);
	if (err)
		goto out_slots;
	mmgrab(current->mm);
	kvm->mm = current->mm;
	kvm->pid = task_tgid_nr(current);
	return kvm;

out_slots:
	kvm_slots_free(kvm);
out_srcu:
	cleanup_srcu_struct(&kvm->srcu);
out_free:
	kvfree(kvm);
	return ERR_PTR(err);
}

static void kvm_free(struct kvm *kvm)
{
	kvm_coalesced_destroy(kvm);
	kvm_ioeventfd_destroy(kvm);
	kvm_io_bus_destroy(kvm);
	kvm_slots_free(kvm);
	cleanup_srcu_struct(&kvm->srcu);
	mmdrop(kvm->mm);
	kvfree(kvm);
}

static struct kvm *kvm_create(unsigned long type)
{
	struct kvm *kvm;
	int err;

	kvm = kvm_alloc();
	if (IS_ERR(kvm))
		return kvm;
	err = kvm_arch_vm_create(kvm, type);
	if (err)
		goto out_free;
	err = kvm_notifier_register(kvm);
	if (err)
		goto out_arch;

	mutex_lock(&kvm_lock);
	err = kvm_cpus_get();
	if (!err)
		list_add(&kvm->vm_list, &kvm_vms);
	mutex_unlock(&kvm_lock);
	if (!err)
		return kvm;

	kvm_notifier_unregister(kvm);
out_arch:
	kvm_arch_vm_destroy(kvm);
out_free:
	kvm_free(kvm);
	return ERR_PTR(err);
}

static void kvm_destroy(struct kvm *kvm)
{
	/* who signals an eventfd of the VM's knows it, too */
	kvm_irqfd_destroy(kvm);
	kvm_stats_vm_del(kvm);
	mutex_lock(&kvm_lock);
	list_del(&kvm->vm_list);
	mutex_unlock(&kvm_lock);

	/* From here on nobody but us knows the VM. */
	kvm_notifier_unregister(kvm);
	kvm_arch_vm_quiesce(kvm);
	kvm_vcpu_destroy_all(kvm);
	kvm_arch_vm_destroy(kvm);
	kvm_free(kvm);

	mutex_lock(&kvm_lock);
	kvm_cpus_put();
	mutex_unlock(&kvm_lock);
}

void kvm_put(struct kvm *kvm)
{
	if (refcount_dec_and_test(&kvm->users))
		kvm_destroy(kvm);
}

static int kvm_set_user_memory_region(struct kvm *kvm, void __user *argp)
{
	struct kvm_userspace_memory_region region;

	if (copy_from_user(&region, argp, sizeof(region)))
		return -EFAULT;
	return kvm_set_memory_region(kvm, &region);
}

static int kvm_vm_get_dirty_log(struct kvm *kvm, void __user *argp)
{
	struct kvm_dirty_log log;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;
	return kvm_get_dirty_log(kvm, &log);
}

static int kvm_vm_clear_dirty_log(struct kvm *kvm, void __user *argp)
{
	struct kvm_clear_dirty_log log;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;
	return kvm_clear_dirty_log(kvm, &log);
}

/* Once, and then for good: 0 is as many as there can be. */
static long kvm_set_max_vcpu_id(struct kvm *kvm, u64 ids)
{
	long r = -EINVAL;

	if (!ids || ids > KVM_MAX_VCPU_ID)
		return r;
	mutex_lock(&kvm->lock);
	if (!kvm->vcpu_ids || kvm->vcpu_ids == ids) {
		kvm->vcpu_ids = ids;
		r = 0;
	}
	mutex_unlock(&kvm->lock);
	return r;
}

/* Two capabilities are not arch's, which reads and judges its own copy. */
static long kvm_vm_enable_cap(struct kvm *kvm, unsigned long arg)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, (void __user *)arg, sizeof(cap)))
		return -EFAULT;
	if (cap.cap == KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2)
		return cap.flags ? -EINVAL : kvm_set_manual_dirty_log(kvm, cap.args[0]);
	if (cap.cap == KVM_CAP_MAX_VCPU_ID)
		return cap.flags ? -EINVAL : kvm_set_max_vcpu_id(kvm, cap.args[0]);
	return kvm_arch_vm_ioctl(kvm, KVM_ENABLE_CAP, arg);
}

static int kvm_vm_ioeventfd(struct kvm *kvm, void __user *argp)
{
	struct kvm_ioeventfd args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	return kvm_ioeventfd(kvm, &args);
}

static int kvm_vm_irqfd(struct kvm *kvm, void __user *argp)
{
	struct kvm_irqfd args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	return kvm_irqfd(kvm, &args);
}

static int kvm_vm_coalesced(struct kvm *kvm, void __user *argp, bool add)
{
	struct kvm_coalesced_mmio_zone zone;

	if (copy_from_user(&zone, argp, sizeof(zone)))
		return -EFAULT;
	return add ? kvm_coalesced_register(kvm, &zone) : kvm_coalesced_unregister(kvm, &zone);
}

static long kvm_vm_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct kvm *kvm = file->private_data;
	void __user *argp = (void __user *)arg;

	if (kvm->mm != current->mm || READ_ONCE(kvm->dead))
		return -EIO;

	switch (ioctl) {
	case KVM_CREATE_VCPU:
		return kvm_vcpu_create(kvm, arg);
	case KVM_SET_USER_MEMORY_REGION:
		return kvm_set_user_memory_region(kvm, argp);
	case KVM_GET_DIRTY_LOG:
		return kvm_vm_get_dirty_log(kvm, argp);
	case KVM_CLEAR_DIRTY_LOG:
		return kvm_vm_clear_dirty_log(kvm, argp);
	case KVM_ENABLE_CAP:
		return kvm_vm_enable_cap(kvm, arg);
	case KVM_IOEVENTFD:
		return kvm_vm_ioeventfd(kvm, argp);
	case KVM_IRQFD:
		return kvm_vm_irqfd(kvm, argp);
	case KVM_REGISTER_COALESCED_MMIO:
	case KVM_UNREGISTER_COALESCED_MMIO:
		return kvm_vm_coalesced(kvm, argp, ioctl == KVM_REGISTER_COALESCED_MMIO);
	case KVM_CHECK_EXTENSION:
		return kvm_check_extension(kvm, arg);
	case KVM_GET_STATS_FD:
		return kvm_stats_fd(kvm, NULL);
	default:
		return kvm_arch_vm_ioctl(kvm, ioctl, arg);
	}
}

static int kvm_vm_release(struct inode *inode, struct file *file)
{
	kvm_put(file->private_data);
	return 0;
}

static const struct file_operations kvm_vm_fops = {
	.owner = THIS_MODULE,
	.release = kvm_vm_release,
	.unlocked_ioctl = kvm_vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/*
 * /dev/kvm
 */

static int kvm_dev_create_vm(unsigned long type)
{
	struct file *file;
	struct kvm *kvm;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	kvm = kvm_create(type);
	if (IS_ERR(kvm)) {
		put_unused_fd(fd);
		return PTR_ERR(kvm);
	}
	file = anon_inode_getfile("kvm-vm", &kvm_vm_fops, kvm, O_RDWR);
	if (IS_ERR(file)) {
		kvm_put(kvm);
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	kvm_stats_vm_add(kvm, fd);
	fd_install(fd, file);
	return fd;
}

static long kvm_dev_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	switch (ioctl) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return kvm_dev_create_vm(arg);
	case KVM_CHECK_EXTENSION:
		return kvm_check_extension(NULL, arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : KVM_VCPU_MMAP_SIZE;
	default:
		return kvm_arch_dev_ioctl(ioctl, arg);
	}
}

static const struct file_operations kvm_dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = kvm_dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice kvm_dev = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &kvm_dev_fops,
};

static int __init kvm_init(void)
{
	int err;

	err = kvm_arch_init();
	if (err)
		return err;
	err = kvm_vcpu_init();
	if (err)
		goto out_arch;
	err = kvm_irqfd_init();
	if (err)
		goto out_vcpu;
	err = kvm_cpus_init();
	if (err)
		goto out_irqfd;
	err = misc_register(&kvm_dev);
	if (err)
		goto out_cpus;
	kvm_arch_begin();
	/* Last, for debugfs minds another's directory.  A VM made meanwhile has no counters. */
	kvm_stats_init();
	return 0;

out_cpus:
	kvm_cpus_exit();
out_irqfd:
	kvm_irqfd_exit();
out_vcpu:
	if (err == -EBUSY)
		pr_err("another hypervisor owns /dev/kvm\n");
	kvm_vcpu_exit();
out_arch:
	kvm_arch_exit();
	return err;
}

static void __exit kvm_exit(void)
{
	misc_deregister(&kvm_dev);
	kvm_arch_end();
	kvm_stats_exit();
	kvm_cpus_exit();
	kvm_irqfd_exit();
	kvm_vcpu_exit();
	kvm_arch_exit();
}

module_init(kvm_init);
module_exit(kvm_exit);

MODULE_ALIAS_MISCDEV(KVM_MINOR);
MODULE_ALIAS("devname:kvm");
MODULE_DESCRIPTION("Intact, a hypervisor behind /dev/kvm");
MODULE_LICENSE("GPL");
