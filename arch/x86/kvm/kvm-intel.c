// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-intel.c - a module with no code, under the name that the world knows.
 *
 * What kvm-amd.c is for AMD processors, this is for Intel's.
 * Next: kvm-amd.c, which says why.
 */
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <asm/cpu_device_id.h>

static const struct x86_cpu_id kvm_intel_cpus[] = {
	X86_MATCH_FEATURE(X86_FEATURE_VMX, NULL),
	{}
};
MODULE_DEVICE_TABLE(x86cpu, kvm_intel_cpus);

MODULE_SOFTDEP("pre: kvm");
MODULE_DESCRIPTION("Pulls in the Intact hypervisor on Intel processors");
MODULE_LICENSE("GPL");
