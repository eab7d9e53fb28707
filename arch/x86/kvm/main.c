// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - x86's part of loading the module: which backend, and what it and
 * the host can do; virtualization on and off on each CPU; /dev/kvm's ioctls.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/reboot.h>
#include "mmu/mmu.h"
#include "vcpu.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

struct backend_features backend_features;

#define DEFINE_CALL(ret, name, args) DEFINE_STATIC_CALL_NULL(backend_##name, backend_##name##_fn);
BACKEND_OPS(DEFINE_CALL)

/* Which processors a backend is for: only that one is asked, and says what is missing. */
static const struct {
	const struct backend *backend;
	u8 vendors[2];
} backends[] = {
	{ &svm_backend, { X86_VENDOR_AMD, X86_VENDOR_HYGON } },
	{ &vmx_backend, { X86_VENDOR_INTEL, X86_VENDOR_ZHAOXIN } },
};

static const struct backend *choose_backend(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backends); i++)
		if (memchr(backends[i].vendors, boot_cpu_data.x86_vendor,
			   sizeof(backends[i].vendors)))
			return backends[i].backend->supported() ? backends[i].backend : NULL;
	pr_err("no virtualization is known for this processor\n");
	return NULL;
}

/* The machine goes down: the next kernel must not find virtualization on. */
static void emergency(void)
{
	backend_call(cpu_emergency)();
}

static void bind_backend(const struct backend *backend)
{
#define UPDATE_CALL(ret, name, args) static_call_update(backend_##name, backend->name);
	BACKEND_OPS(UPDATE_CALL)
}

int __init kvm_arch_init(void)
{
	const struct backend *backend = choose_backend();
	int r;

	if (!backend)
		return -EOPNOTSUPP;
	bind_backend(backend);
	r = backend->setup(&backend_features);
	if (r)
		return r;
	r = cpuid_module_init();
	if (r)
		goto out_backend;
	r = tdp_module_init();
	if (r)
		goto out_backend;
	return 0;

out_backend:
	backend->teardown();
	return r;
}

/* The kernel has room for one such callback. */
void kvm_arch_begin(void)
{
	cpu_emergency_register_virt_callback(emergency);
}

void kvm_arch_end(void)
{
	cpu_emergency_unregister_virt_callback(emergency);
}

void kvm_arch_exit(void)
{
	tdp_module_exit();
	backend_call(teardown)();
}

int kvm_arch_cpu_enable(void)
{
	msr_cpu_enable();
	return backend_call(cpu_enable)();
}

void kvm_arch_cpu_disable(void)
{
	backend_call(cpu_disable)();
}

long kvm_arch_dev_ioctl(unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;
	u64 mce;

	switch (ioctl) {
	case KVM_GET_SUPPORTED_CPUID:
		return cpuid_get_supported(argp);
	case KVM_GET_EMULATED_CPUID:
		return cpuid_get_emulated(argp);
	case KVM_GET_MSR_INDEX_LIST:
		return msr_index_list(argp);
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		return msr_feature_index_list(argp);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:
		mce = msr_mce_caps();
		return copy_to_user(argp, &mce, sizeof(mce)) ? -EFAULT : 0;
	case KVM_GET_MSRS:
		return msr_get_features(argp);
	default:
		return -ENOTTY;
	}
}
