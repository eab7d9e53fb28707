// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-amd.c - a module with no code, under the name that the world knows.
 *
 * The AMD backend is part of kvm.ko.  This module exists so that udev, which
 * matches the processor, and "modprobe kvm-amd" pull kvm.ko in.  It calls
 * nothing there, as kvm.ko exports nothing: the order is a hint to modprobe.
 * Next: kvm-intel.c, its twin; main.c, where kvm.ko chooses the backend.
 */
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <asm/cpu_device_id.h>

static const struct x86_cpu_id kvm_amd_cpus[] = {
	X86_MATCH_FEATURE(X86_FEATURE_SVM, NULL),
	{}
};
MODULE_DEVICE_TABLE(x86cpu, kvm_amd_cpus);

MODULE_SOFTDEP("pre: kvm");
MODULE_DESCRIPTION("Pulls in the Intact hypervisor on AMD processors");
MODULE_LICENSE("GPL");
