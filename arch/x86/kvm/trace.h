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

/* The words for a kind of exit and of event: ENTRY for each but the last, which is LAST's. */
#define KVM_EXIT_KIND_NAMES(ENTRY, LAST)					\
	ENTRY(EXIT_NONE, "none") ENTRY(EXIT_HOST_IRQ, "host_irq")		\
	ENTRY(EXIT_HOST_MACHINE_CHECK, "host_machine_check")			\
	ENTRY(EXIT_IO, "io") ENTRY(EXIT_MSR, "msr") ENTRY(EXIT_CPUID, "cpuid")	\
	ENTRY(EXIT_HLT, "hlt") ENTRY(EXIT_MEMORY, "memory") ENTRY(EXIT_CR, "cr") \
	ENTRY(EXIT_DR, "dr") ENTRY(EXIT_XSETBV, "xsetbv")			\
	ENTRY(EXIT_EXCEPTION, "exception") ENTRY(EXIT_WINDOW, "window")		\
	ENTRY(EXIT_HYPERCALL, "hypercall") ENTRY(EXIT_PAUSE, "pause")		\
	ENTRY(EXIT_CACHE, "cache") ENTRY(EXIT_RSM, "rsm")			\
	ENTRY(EXIT_UNDEFINED, "undefined")					\
	ENTRY(EXIT_PRIVILEGED, "privileged") ENTRY(EXIT_IDLE, "idle")		\
	ENTRY(EXIT_TASK_SWITCH, "task_switch") ENTRY(EXIT_SHUTDOWN, "shutdown")	\
	ENTRY(EXIT_FAILED, "failed") LAST(EXIT_UNKNOWN, "unknown")

#define KVM_EVENT_KIND_NAMES(ENTRY, LAST)					\
	ENTRY(EVENT_NONE, "none") ENTRY(EVENT_EXCEPTION, "exception")		\
	ENTRY(EVENT_SOFT_EXCEPTION, "soft_exception") ENTRY(EVENT_NMI, "nmi")	\
	ENTRY(EVENT_IRQ, "irq") LAST(EVENT_SOFT_IRQ, "soft_irq")

/* Userspace reads the formats, and knows no enum of the kernel's but by these. */
#define KVM_ENUM(value, name)	TRACE_DEFINE_ENUM(value);
KVM_EXIT_KIND_NAMES(KVM_ENUM, KVM_ENUM)
KVM_EVENT_KIND_NAMES(KVM_ENUM, KVM_ENUM)

#undef KVM_NAME
#undef KVM_LAST_NAME
#undef kvm_exit_name
#undef kvm_event_name
#define KVM_NAME(value, name)		{ value, name },
#define KVM_LAST_NAME(value, name)	{ value, name }
#define kvm_exit_name(kind)						\
	__print_symbolic(kind, KVM_EXIT_KIND_NAMES(KVM_NAME, KVM_LAST_NAME))
#define kvm_event_name(kind)						\
	__print_symbolic(kind, KVM_EVENT_KIND_NAMES(KVM_NAME, KVM_LAST_NAME))

TRACE_EVENT(kvm_entry,
	TP_PROTO(int vcpu, u64 rip),
	TP_ARGS(vcpu, rip),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu;
		__entry->rip = rip;
	),
	TP_printk("vcpu %u rip 0x%llx", __entry->vcpu_id, __entry->rip)
);

/* trace-cmd has a plugin that prints this one by exit_reason, isa and guest_rip. */
TRACE_EVENT(kvm_exit,
	TP_PROTO(int vcpu, const struct vm_exit *exit, u64 rip, const struct event_report *report),
	TP_ARGS(vcpu, exit, rip, report),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u32, kind)
		__field(u32, exit_reason)
		__field(u32, isa)
		__field(u64, guest_rip)
		__field(u8, undelivered)
		__field(u8, vector)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu;
		__entry->kind = exit->kind;
		__entry->exit_reason = exit->hardware;
		__entry->isa = backend_features.trace_isa;
		__entry->guest_rip = rip;
		__entry->undelivered = report->undelivered.kind;
		__entry->vector = report->undelivered.vector;
	),
	TP_printk("vcpu %u %s (0x%x) rip 0x%llx undelivered %s %u", __entry->vcpu_id,
		  kvm_exit_name(__entry->kind), __entry->exit_reason,
		  __entry->guest_rip, kvm_event_name(__entry->undelivered),
		  __entry->vector)
);

/* One a decision that is carried out: what goes in, and what has to wait for which window. */
TRACE_EVENT(kvm_inject,
	TP_PROTO(int vcpu, const struct event_plan *plan),
	TP_ARGS(vcpu, plan),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u8, kind)
		__field(u8, vector)
		__field(u32, error)
		__field(bool, irq_window)
		__field(bool, nmi_window)
		__field(bool, step)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu;
		__entry->kind = plan->inject.kind;
		__entry->vector = plan->inject.vector;
		__entry->error = plan->inject.error;
		__entry->irq_window = plan->irq_window;
		__entry->nmi_window = plan->nmi_window;
		__entry->step = plan->step;
	),
	TP_printk("vcpu %u %s %u error 0x%x waiting:%s%s%s", __entry->vcpu_id,
		  kvm_event_name(__entry->kind), __entry->vector,
		  __entry->error, __entry->irq_window ? " irq" : "",
		  __entry->nmi_window ? " nmi" : "", __entry->step ? " step" : "")
);

/* Fields by themselves: what reads the formats in userspace cannot look into a struct. */
DECLARE_EVENT_CLASS(kvm_vcpu_events,
	TP_PROTO(int vcpu, const struct kvm_vcpu_events *events, int result),
	TP_ARGS(vcpu, events, result),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(int, result)
		__field(u32, flags)
		__field(u8, exception_injected)
		__field(u8, exception_pending)
		__field(u8, exception_nr)
		__field(u32, error_code)
		__field(u8, has_payload)
		__field(u64, payload)
		__field(u8, irq_injected)
		__field(u8, irq_nr)
		__field(u8, irq_soft)
		__field(u8, shadow)
		__field(u8, nmi_injected)
		__field(u8, nmi_pending)
		__field(u8, nmi_masked)
		__field(u8, triple_fault)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu;
		__entry->result = result;
		__entry->flags = events->flags;
		__entry->exception_injected = events->exception.injected;
		__entry->exception_pending = events->exception.pending;
		__entry->exception_nr = events->exception.nr;
		__entry->error_code = events->exception.error_code;
		__entry->has_payload = events->exception_has_payload;
		__entry->payload = events->exception_payload;
		__entry->irq_injected = events->interrupt.injected;
		__entry->irq_nr = events->interrupt.nr;
		__entry->irq_soft = events->interrupt.soft;
		__entry->shadow = events->interrupt.shadow;
		__entry->nmi_injected = events->nmi.injected;
		__entry->nmi_pending = events->nmi.pending;
		__entry->nmi_masked = events->nmi.masked;
		__entry->triple_fault = events->triple_fault.pending;
	),
	TP_printk("vcpu %u flags 0x%x exception %u/%u nr %u error 0x%x payload %u 0x%llx irq %u nr %u soft %u shadow %u nmi %u/%u/%u shutdown %u result %d",
		  __entry->vcpu_id, __entry->flags, __entry->exception_injected,
		  __entry->exception_pending, __entry->exception_nr, __entry->error_code,
		  __entry->has_payload, __entry->payload, __entry->irq_injected,
		  __entry->irq_nr, __entry->irq_soft, __entry->shadow, __entry->nmi_injected,
		  __entry->nmi_pending, __entry->nmi_masked, __entry->triple_fault,
		  __entry->result)
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
