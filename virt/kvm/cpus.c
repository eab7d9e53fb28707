// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpus.c - the host's CPUs: where virtualization is switched on.
 *
 * It is on, on all CPUs, while there is a VM, so that other hypervisors can
 * have the processor when there is none.  Follows the CPUs through hotplug,
 * suspend and reboot.  How it is switched is arch's (kvm_arch_cpu_enable()).
 * Next: vcpu.c, which keeps vCPUs off a CPU where it is not on.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/delay.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <linux/syscore_ops.h>
#include "virt.h"

/* At reboot: how long vCPUs have to leave their CPUs before virtualization ends under them. */
#define REBOOT_GRACE_MS	100

DEFINE_PER_CPU(bool, kvm_cpu_on);

/* How many VMs there are.  Written under kvm_lock, from and to 0 under cpus_read_lock() too. */
static unsigned int cpus_users;
/* The machine goes down: no VM any more.  kvm_lock. */
static bool cpus_over;
static enum cpuhp_state cpus_online_state;

/* Interrupts off. @failures: an atomic_t. */
static void cpus_on(void *failures)
{
	if (kvm_arch_cpu_enable())
		atomic_inc(failures);
	else
		__this_cpu_write(kvm_cpu_on, true);
}

static void cpus_off(void *unused)
{
	if (!__this_cpu_read(kvm_cpu_on))
		return;
	kvm_arch_cpu_disable();
	__this_cpu_write(kvm_cpu_on, false);
}

static int cpus_all_on(void)
{
	atomic_t failures = ATOMIC_INIT(0);

	cpus_read_lock();
	on_each_cpu(cpus_on, &failures, 1);
	if (atomic_read(&failures))
		on_each_cpu(cpus_off, NULL, 1);
	else
		cpus_users = 1;
	cpus_read_unlock();
	if (!atomic_read(&failures))
		return 0;
	pr_err_ratelimited("cannot switch virtualization on: in use by something else on %d CPUs\n",
			   atomic_read(&failures));
	return -EBUSY;
}

int kvm_cpus_get(void)
{
	int err;

	if (cpus_over)
		return -EBUSY;
	if (cpus_users) {
		cpus_users++;
		return 0;
	}
	preempt_notifier_inc();
	err = cpus_all_on();
	if (err)
		preempt_notifier_dec();
	return err;
}

void kvm_cpus_put(void)
{
	if (cpus_users > 1) {
		cpus_users--;
		return;
	}
	cpus_read_lock();
	cpus_users = 0;
	on_each_cpu(cpus_off, NULL, 1);
	cpus_read_unlock();
	preempt_notifier_dec();
}

/*
 * A CPU comes up: it is prepared before it can run any user's thread, and
 * stopped after it has run the last one.  Neither place may refuse; the later
 * callback below does, for a CPU that cannot be had.
 */
static int cpus_starting(unsigned int cpu)
{
	atomic_t failures = ATOMIC_INIT(0);

	if (cpus_users)
		cpus_on(&failures);
	return 0;
}

static int cpus_dying(unsigned int cpu)
{
	cpus_off(NULL);
	return 0;
}

static int cpus_online(unsigned int cpu)
{
	if (!cpus_users || per_cpu(kvm_cpu_on, cpu))
		return 0;
	pr_err("CPU %u stays offline: virtualization cannot be switched on\n", cpu);
	return -EIO;
}

/* The last CPU goes to sleep or wakes up; interrupts off, user threads frozen. */
static int cpus_suspend(void)
{
	cpus_off(NULL);
	kvm_arch_suspend();
	return 0;
}

static void cpus_resume(void)
{
	atomic_t failures = ATOMIC_INIT(0);

	kvm_arch_resume();
	if (cpus_users)
		cpus_on(&failures);
	if (atomic_read(&failures))
		pr_err("virtualization cannot be switched on again\n");
}

static struct syscore_ops cpus_syscore_ops = {
	.suspend = cpus_suspend,
	.resume = cpus_resume,
};

static bool cpus_any_loaded(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm *kvm;
	int i;

	list_for_each_entry(kvm, &kvm_vms, vm_list)
		kvm_for_each_vcpu(i, vcpu, kvm)
			if (READ_ONCE(vcpu->cpu) >= 0)
				return true;
	return false;
}

/* Firmware and the next kernel must find the processor as after power-up. */
static int cpus_reboot(struct notifier_block *nb, unsigned long event, void *unused)
{
	struct kvm *kvm;
	int ms;

	mutex_lock(&kvm_lock);
	cpus_over = true;
	list_for_each_entry(kvm, &kvm_vms, vm_list)
		kvm_dead(kvm);
	for (ms = 0; ms < REBOOT_GRACE_MS && cpus_any_loaded(); ms++)
		usleep_range(1000, 1100);
	on_each_cpu(cpus_off, NULL, 1);
	mutex_unlock(&kvm_lock);
	return NOTIFY_OK;
}

static struct notifier_block cpus_reboot_notifier = {
	.notifier_call = cpus_reboot,
};

int __init kvm_cpus_init(void)
{
	int err;

	err = cpuhp_setup_state_nocalls(CPUHP_AP_KVM_STARTING, "kvm/cpu:starting",
					cpus_starting, cpus_dying);
	if (err)
		return err;
	err = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "kvm/cpu:online",
					cpus_online, NULL);
	if (err < 0) {
		cpuhp_remove_state_nocalls(CPUHP_AP_KVM_STARTING);
		return err;
	}
	cpus_online_state = err;
	register_syscore_ops(&cpus_syscore_ops);
	register_reboot_notifier(&cpus_reboot_notifier);
	return 0;
}

void kvm_cpus_exit(void)
{
	unregister_reboot_notifier(&cpus_reboot_notifier);
	unregister_syscore_ops(&cpus_syscore_ops);
	cpuhp_remove_state_nocalls(cpus_online_state);
	cpuhp_remove_state_nocalls(CPUHP_AP_KVM_STARTING);
}
