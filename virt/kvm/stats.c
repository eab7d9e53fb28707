// SPDX-License-Identifier: GPL-2.0-only
/*
 * stats.c - the counters of vCPUs in debugfs.
 *
 * kvm/NAME is the sum over all VMs, kvm/PID-FD/NAME that over the vCPUs of the
 * VM with this fd of this process.  Owns no counter: the vCPU's thread alone
 * writes them (struct kvm_vcpu_stat), and a reader may be a step behind.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include "virt.h"

struct stats_row {
	const char *name;
	size_t offset;		/* of a u64 in struct kvm_vcpu_stat */
};

#define ROW(field)	{ #field, offsetof(struct kvm_vcpu_stat, field) }

static const struct stats_row stats_rows[] = {
	ROW(exits),
	ROW(user_exits),
	ROW(io_exits),
	ROW(mmio_exits),
	ROW(halt_exits),
	ROW(signal_exits),
	ROW(irq_window_exits),
	ROW(nmi_window_exits),
	ROW(host_irq_exits),
	ROW(memory_faults),
	ROW(emulations),
	ROW(exceptions),
	ROW(irqs),
	ROW(nmis),
	ROW(redelivered),
	ROW(tlb_flushes),
};

static_assert(sizeof(struct kvm_vcpu_stat) == ARRAY_SIZE(stats_rows) * sizeof(u64));

static struct dentry *stats_root;

static u64 stats_vm_sum(struct kvm *kvm, const struct stats_row *row)
{
	struct kvm_vcpu *vcpu;
	u64 sum = 0;
	int i;

	kvm_for_each_vcpu(i, vcpu, kvm)
		sum += READ_ONCE(*(u64 *)((void *)&vcpu->stat + row->offset));
	return sum;
}

static u64 stats_sum(const struct stats_row *row)
{
	struct kvm *kvm;
	u64 sum = 0;

	mutex_lock(&kvm_lock);
	list_for_each_entry(kvm, &kvm_vms, vm_list)
		sum += stats_vm_sum(kvm, row);
	mutex_unlock(&kvm_lock);
	return sum;
}

/* The file knows its row and the directory its VM, if any; debugfs keeps both while we read. */
static ssize_t stats_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	const struct stats_row *row = file_inode(file)->i_private;
	struct kvm *kvm = d_inode(file->f_path.dentry->d_parent)->i_private;
	char text[24];
	int len;

	len = scnprintf(text, sizeof(text), "%llu\n",
			kvm ? stats_vm_sum(kvm, row) : stats_sum(row));
	return simple_read_from_buffer(buf, size, pos, text, len);
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = stats_read,
	.llseek = default_llseek,
};

/* Nothing here can fail a caller: without debugfs there are no counters to be seen. */
static struct dentry *stats_dir(const char *name, struct dentry *parent, struct kvm *kvm)
{
	struct dentry *dir;
	int i;

	dir = debugfs_create_dir(name, parent);
	if (IS_ERR(dir))
		return NULL;
	d_inode(dir)->i_private = kvm;
	for (i = 0; i < ARRAY_SIZE(stats_rows); i++)
		debugfs_create_file(stats_rows[i].name, 0444, dir, (void *)&stats_rows[i],
				    &stats_fops);
	return dir;
}

void kvm_stats_vm_add(struct kvm *kvm, int fd)
{
	char name[24];

	if (!stats_root)
		return;
	snprintf(name, sizeof(name), "%d-%d", task_tgid_nr(current), fd);
	kvm->debugfs = stats_dir(name, stats_root, kvm);
}

void kvm_stats_vm_del(struct kvm *kvm)
{
	debugfs_remove(kvm->debugfs);
}

void kvm_stats_init(void)
{
	stats_root = stats_dir("kvm", NULL, NULL);
}

void kvm_stats_exit(void)
{
	debugfs_remove(stats_root);
}
