/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trace.h - tracepoints under kvm: what goes in, what comes out, and the
 * events in between.  For perf and trace-cmd; see testing.rst, "Looking inside".
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

#if !defined(ARCH_X86_KVM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define ARCH_X86_KVM_TRACE_H

#include <linux/kvm.h>
#include <linux/tracepoint.h>
#include "backend.h"
#include "events.h"

#define KVM_EXIT_KIND_NAMES						\
	{ EXIT_NONE, "none" }, { EXIT_HOST_IRQ, "host_irq" }, { EXIT_IO, "io" },	\
	{ EXIT_MSR, "msr" }, { EXIT_CPUID, "cpuid" }, { EXIT_HLT, "hlt" },		\
	{ EXIT_MEMORY, "memory" }, { EXIT_CR, "cr" }, { EXIT_DR, "dr" },		\
	{ EXIT_XSETBV, "xsetbv" }, { EXIT_EXCEPTION, "exception" },			\
	{ EXIT_WINDOW, "window" }, { EXIT_HYPERCALL, "hypercall" },			\
	{ EXIT_PAUSE, "pause" }, { EXIT_CACHE, "cache" },				\
	{ EXIT_UNDEFINED, "undefined" }, { EXIT_PRIVILEGED, "privileged" },		\
	{ EXIT_IDLE, "idle" }, { EXIT_TASK_SWITCH, "task_switch" },			\
	{ EXIT_SHUTDOWN, "shutdown" }, { EXIT_FAILED, "failed" },			\
	{ EXIT_UNKNOWN, "unknown" }

#define KVM_EVENT_KIND_NAMES						\
	{ EVENT_NONE, "none" }, { EVENT_EXCEPTION, "exception" },			\
	{ EVENT_SOFT_EXCEPTION, "soft_exception" }, { EVENT_NMI, "nmi" },		\
	{ EVENT_IRQ, "irq" }, { EVENT_SOFT_IRQ, "soft_irq" }

TRACE_EVENT(kvm_entry,
	TP_PROTO(int vcpu, u64 rip),
	TP_ARGS(vcpu, rip),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->rip = rip;
	),
	TP_printk("vcpu %d rip 0x%llx", __entry->vcpu, __entry->rip)
);

TRACE_EVENT(kvm_exit,
	TP_PROTO(int vcpu, const struct vm_exit *exit, u64 rip, const struct event_report *report),
	TP_ARGS(vcpu, exit, rip, report),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(u32, kind)
		__field(u64, hardware)
		__field(u64, rip)
		__field(u8, undelivered)
		__field(u8, vector)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->kind = exit->kind;
		__entry->hardware = exit->hardware;
		__entry->rip = rip;
		__entry->undelivered = report->undelivered.kind;
		__entry->vector = report->undelivered.vector;
	),
	TP_printk("vcpu %d %s (0x%llx) rip 0x%llx undelivered %s %u", __entry->vcpu,
		  __print_symbolic(__entry->kind, KVM_EXIT_KIND_NAMES), __entry->hardware,
		  __entry->rip, __print_symbolic(__entry->undelivered, KVM_EVENT_KIND_NAMES),
		  __entry->vector)
);

/* One a decision that is carried out: what goes in, and what has to wait for which window. */
TRACE_EVENT(kvm_inject,
	TP_PROTO(int vcpu, const struct event_plan *plan),
	TP_ARGS(vcpu, plan),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(u8, kind)
		__field(u8, vector)
		__field(u32, error)
		__field(bool, irq_window)
		__field(bool, nmi_window)
		__field(bool, step)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->kind = plan->inject.kind;
		__entry->vector = plan->inject.vector;
		__entry->error = plan->inject.error;
		__entry->irq_window = plan->irq_window;
		__entry->nmi_window = plan->nmi_window;
		__entry->step = plan->step;
	),
	TP_printk("vcpu %d %s %u error 0x%x waiting:%s%s%s", __entry->vcpu,
		  __print_symbolic(__entry->kind, KVM_EVENT_KIND_NAMES), __entry->vector,
		  __entry->error, __entry->irq_window ? " irq" : "",
		  __entry->nmi_window ? " nmi" : "", __entry->step ? " step" : "")
);

DECLARE_EVENT_CLASS(kvm_vcpu_events,
	TP_PROTO(int vcpu, const struct kvm_vcpu_events *events, int result),
	TP_ARGS(vcpu, events, result),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(int, result)
		__field_struct(struct kvm_vcpu_events, events)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->result = result;
		__entry->events = *events;
	),
	TP_printk("vcpu %d flags 0x%x exception %u/%u nr %u irq %u nr %u shadow %u nmi %u/%u/%u shutdown %u result %d",
		  __entry->vcpu, __entry->events.flags, __entry->events.exception.injected,
		  __entry->events.exception.pending, __entry->events.exception.nr,
		  __entry->events.interrupt.injected, __entry->events.interrupt.nr,
		  __entry->events.interrupt.shadow, __entry->events.nmi.injected,
		  __entry->events.nmi.pending, __entry->events.nmi.masked,
		  __entry->events.triple_fault.pending, __entry->result)
);

DEFINE_EVENT(kvm_vcpu_events, kvm_set_events,
	TP_PROTO(int vcpu, const struct kvm_vcpu_events *events, int result),
	TP_ARGS(vcpu, events, result)
);

DEFINE_EVENT(kvm_vcpu_events, kvm_get_events,
	TP_PROTO(int vcpu, const struct kvm_vcpu_events *events, int result),
	TP_ARGS(vcpu, events, result)
);

#endif /* ARCH_X86_KVM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
