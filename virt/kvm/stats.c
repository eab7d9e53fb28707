// SPDX-License-Identifier: GPL-2.0-only
/*
 * stats.c - what is counted of VMs and vCPUs, and the two ways to read it.
 *
 * debugfs, for people: kvm/NAME is the sum over all VMs, kvm/PID-FD/NAME that of
 * the VM with this fd of this process, over its vCPUs where a vCPU counts.
 * KVM_GET_STATS_FD, for programs: a file with a description of itself in front,
 * for a VM or for one vCPU.  Both follow the one table below.
 *
 * Owns no counter: the vCPU's thread alone writes struct kvm_vcpu_stat, and who
 * holds the VM's locks struct kvm_vm_stat.  A reader may be a step behind.
 */
#include <linux/anon_inodes.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "virt.h"

/* Of all names and ids in the binary files, with the 0 at the end. */
#define STATS_NAME_SIZE	48
#define STATS_DESC_SIZE	(sizeof(struct kvm_stats_desc) + STATS_NAME_SIZE)

/**
 * struct stats_row - something that is counted
 * @name: what both kinds of files call it
 * @flags: KVM_STATS_TYPE_* of the ABI; the unit is always none
 * @vm: a VM has it, else each of its vCPUs
 * @offset: of its u64 in struct kvm_vm_stat or struct kvm_vcpu_stat
 */
struct stats_row {
	const char *name;
	u16 flags;
	bool vm;
	u32 offset;
};

#define ROW(field)								\
	{ #field, KVM_STATS_TYPE_CUMULATIVE, false, offsetof(struct kvm_vcpu_stat, field) }
#define VM_ROW(name, field)							\
	{ name, KVM_STATS_TYPE_INSTANT, true, offsetof(struct kvm_vm_stat, field) }

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
	VM_ROW("pages_4k", pages[0]),
	VM_ROW("pages_2m", pages[1]),
	VM_ROW("pages_1g", pages[2]),
	VM_ROW("tables", tables),
};

static_assert(sizeof(struct kvm_vcpu_stat) + sizeof(struct kvm_vm_stat) ==
	      ARRAY_SIZE(stats_rows) * sizeof(u64));

/* @stat: of the kind that the row is for */
static u64 stats_value(const void *stat, const struct stats_row *row)
{
	return READ_ONCE(*(const u64 *)(stat + row->offset));
}

/*
 * debugfs
 */

static struct dentry *stats_root;

static u64 stats_vm_sum(struct kvm *kvm, const struct stats_row *row)
{
	struct kvm_vcpu *vcpu;
	u64 sum = 0;
	int i;

	if (row->vm)
		return stats_value(&kvm->stat, row);
	kvm_for_each_vcpu(i, vcpu, kvm)
		sum += stats_value(&vcpu->stat, row);
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

	/* a vCPU keeps its VM when the VM's descriptor, which the name has, is another's already */
	dir = debugfs_lookup(name, parent);
	if (dir) {
		dput(dir);
		return NULL;
	}
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
	snprintf(name, sizeof(name), "%d-%d", kvm->pid, fd);
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

/*
 * KVM_GET_STATS_FD: a header, the id of whose statistics they are, a description of each, and
 * their values
 */

static unsigned int stats_count(bool vm)
{
	unsigned int i, count = 0;

	for (i = 0; i < ARRAY_SIZE(stats_rows); i++)
		count += stats_rows[i].vm == vm;
	return count;
}

static void stats_describe(struct kvm_stats_desc *desc, const struct stats_row *row, u32 offset)
{
	desc->flags = row->flags | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10;
	desc->exponent = 0;
	desc->size = 1;
	desc->offset = offset;
	desc->bucket_size = 0;
	strscpy(desc->name, row->name, STATS_NAME_SIZE);
}

/* @image: zeroes, as large as @head says. */
static void stats_fill(void *image, const struct kvm_stats_header *head, struct kvm *kvm,
		       struct kvm_vcpu *vcpu)
{
	const void *stat = vcpu ? (void *)&vcpu->stat : &kvm->stat;
	void *desc = image + head->desc_offset;
	u64 *data = image + head->data_offset;
	unsigned int i, n = 0;

	memcpy(image, head, sizeof(*head));
	if (vcpu)
		snprintf(image + head->id_offset, head->name_size, "kvm-%d/vcpu-%d", kvm->pid,
			 vcpu->id);
	else
		snprintf(image + head->id_offset, head->name_size, "kvm-%d", kvm->pid);
	for (i = 0; i < ARRAY_SIZE(stats_rows); i++) {
		if (stats_rows[i].vm == !!vcpu)
			continue;
		stats_describe(desc + n * STATS_DESC_SIZE, &stats_rows[i], n * sizeof(u64));
		data[n++] = stats_value(stat, &stats_rows[i]);
	}
}

/* The file is made anew for each read: it is short, and readers need not wait for each other. */
static ssize_t stats_fd_read(struct kvm *kvm, struct kvm_vcpu *vcpu, char __user *buf, size_t size,
			     loff_t *pos)
{
	struct kvm_stats_header head = { .name_size = STATS_NAME_SIZE };
	ssize_t ret, length;
	void *image;

	head.num_desc = stats_count(!vcpu);
	head.id_offset = sizeof(head);
	head.desc_offset = head.id_offset + STATS_NAME_SIZE;
	head.data_offset = head.desc_offset + head.num_desc * STATS_DESC_SIZE;
	length = head.data_offset + head.num_desc * sizeof(u64);
	image = kzalloc(length, GFP_KERNEL);
	if (!image)
		return -ENOMEM;
	stats_fill(image, &head, kvm, vcpu);
	ret = simple_read_from_buffer(buf, size, pos, image, length);
	kfree(image);
	return ret;
}

static ssize_t stats_vm_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	return stats_fd_read(file->private_data, NULL, buf, size, pos);
}

static ssize_t stats_vcpu_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	struct kvm_vcpu *vcpu = file->private_data;

	return stats_fd_read(vcpu->kvm, vcpu, buf, size, pos);
}

static int stats_vm_release(struct inode *inode, struct file *file)
{
	kvm_put(file->private_data);
	return 0;
}

static int stats_vcpu_release(struct inode *inode, struct file *file)
{
	struct kvm_vcpu *vcpu = file->private_data;

	kvm_put(vcpu->kvm);
	return 0;
}

static const struct file_operations stats_vm_fops = {
	.owner = THIS_MODULE,
	.release = stats_vm_release,
	.read = stats_vm_read,
	.llseek = noop_llseek,
};

static const struct file_operations stats_vcpu_fops = {
	.owner = THIS_MODULE,
	.release = stats_vcpu_release,
	.read = stats_vcpu_read,
	.llseek = noop_llseek,
};

int kvm_stats_fd(struct kvm *kvm, struct kvm_vcpu *vcpu)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	if (vcpu)
		file = anon_inode_getfile("kvm-vcpu-stats", &stats_vcpu_fops, vcpu, O_RDONLY);
	else
		file = anon_inode_getfile("kvm-vm-stats", &stats_vm_fops, kvm, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	file->f_mode |= FMODE_PREAD;
	kvm_get(kvm);
	fd_install(fd, file);
	return fd;
}
