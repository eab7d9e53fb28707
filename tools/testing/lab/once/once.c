// SPDX-License-Identifier: GPL-2.0-only
/*
 * once.c - on an AMD host of several emulated processors, an injected interrupt comes once.
 *
 * QEMU's TCG keeps the vector that a VMRUN has injected until the next #VMEXIT,
 * and delivers it again, IF or no IF, if it leaves its loop before that for
 * another processor's sake.  A #VMEXIT for an interrupt of the host's is looked
 * for before that is.  So there is one: whoever has injected an interrupt sends
 * one to the processor it runs on, and the guest leaves before its first
 * instruction.  That is done from outside, by tracepoints, under Intact as under
 * Debian's KVM; it is loaded before either, and stays.
 */
#include <linux/bitmap.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/tracepoint.h>
#include "events.h"

/* By thread, as Debian's KVM decides while it can still be moved.  Two of one bit: an exit more. */
#define THREADS		1024

static DECLARE_BITMAP(injected, THREADS);

static unsigned int this_thread(void)
{
	return current->pid % THREADS;
}

/* Intact's kvm_inject. */
static void planned(void *data, int vcpu, const struct event_plan *plan)
{
	if (plan->inject.kind == EVENT_IRQ)
		set_bit(this_thread(), injected);
}

/* Debian's kvm_inj_virq: all its arguments say which interrupt. */
static void interrupt_injected(void *data)
{
	set_bit(this_thread(), injected);
}

/* The kvm_entry of both: interrupts are off. */
static void entry(void *data)
{
	if (test_and_clear_bit(this_thread(), injected))
		smp_send_reschedule(smp_processor_id());
}

static const struct {
	const char *name;
	void *probe;
} probes[] = {
	{ "kvm_inject", planned },
	{ "kvm_inj_virq", interrupt_injected },
	{ "kvm_entry", entry },
};

static void *probe_of(const struct tracepoint *point)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(point->name, probes[i].name))
			return probes[i].probe;
	return NULL;
}

/* A module with tracepoints comes or goes. */
static int module_changes(struct notifier_block *block, unsigned long action, void *data)
{
	const struct tp_module *module = data;
	int i;

	if (strcmp(module->mod->name, "kvm"))
		return NOTIFY_DONE;
	for (i = 0; i < module->mod->num_tracepoints; i++) {
		struct tracepoint *point = tracepoint_ptr_deref(module->mod->tracepoints_ptrs + i);
		void *probe = probe_of(point);

		if (!probe)
			continue;
		if (action == MODULE_STATE_COMING)
			WARN_ON(tracepoint_probe_register(point, probe, NULL));
		else if (action == MODULE_STATE_GOING)
			tracepoint_probe_unregister(point, probe, NULL);
	}
	return NOTIFY_OK;
}

static struct notifier_block notifier = {
	.notifier_call = module_changes,
};

static int __init once_init(void)
{
	return register_tracepoint_module_notifier(&notifier);
}
module_init(once_init);

MODULE_DESCRIPTION("An interrupt injected under QEMU's TCG comes once");
MODULE_LICENSE("GPL");
