// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit-smm.c - unit tests: SMIs, and what waits for the end of SMM.  See unit.c.
 */
#include <stddef.h>
#include "unit.h"

static const struct event_abi abi = { .payload = true, .triple_fault = true, .apic = true };
static const struct event_abi no_apic = { .payload = true, .triple_fault = true };
static const struct event_gates gates = { .if_set = true, .irq_offered = true };

/* What goes first is another's: what has begun, what was raised, and a shutdown. */
static void test_first(void)
{
	const struct {
		struct vcpu_events ev;
		bool smi;
		bool init;
	} table[] = {
		{ { .smi_pending = true }, true, false },
		{ { .smi_pending = true, .init = true }, true, false },
		{ { .smi_pending = true, .irq = interrupt(0x40), .nmi_pending = 1 }, true, false },
		{ { .smi_pending = true, .nmi_mask = NMI_AT_IRET }, true, false },
		{ { .smi_pending = true, .mp_state = KVM_MP_STATE_HALTED }, true, false },
		{ { .smi_pending = true, .irq = soft_irq(0x40, 2) }, false, false },
		{ { .smi_pending = true, .inflight = exception(6) }, false, false },
		{ { .smi_pending = true, .fault = exception(6) }, false, false },
		{ { .smi_pending = true, .nmi_begun = true }, false, false },
		{ { .smi_pending = true, .nmi_begun = true, .init = true }, false, true },
		{ { .smi_pending = true, .in_smm = true }, false, false },
		{ { .smi_pending = true, .in_smm = true, .init = true }, false, false },
		{ { .init = true, .in_smm = true }, false, false },
		{ { .smi_pending = true, .shutdown = true }, false, false },
		{ { .smi_pending = true, .mp_state = KVM_MP_STATE_UNINITIALIZED }, false, false },
		{ { .smi_pending = true, .mp_state = KVM_MP_STATE_INIT_RECEIVED }, false, false },
		{ { .smi_pending = true, .mp_state = KVM_MP_STATE_SIPI_RECEIVED }, false, false },
		{ { .smi_pending = true, .mp_state = KVM_MP_STATE_INIT_RECEIVED, .init = true },
		  false, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct event_plan plan = events_plan(&table[i].ev, &gates);

		CHECK(plan.smi == table[i].smi && plan.init == table[i].init,
		      "row %u: SMI %d INIT %d", i, plan.smi, plan.init);
		if (plan.smi)
			CHECK(!plan.inject.kind && !plan.from && !plan.irq_window &&
			      !plan.nmi_window && !plan.watch_iret && !plan.step && !plan.again,
			      "row %u: from %d", i, plan.from);
	}
}

/* A shadow holds no SMI, and a delivery that goes before it is followed by one. */
static void test_boundary(void)
{
	struct event_gates closed = { .shadow = SHADOW_ANY };
	struct vcpu_events ev = { .smi_pending = true };
	struct event_plan plan = events_plan(&ev, &closed);

	CHECK(plan.smi, "held by a shadow");
	ev.fault = exception(6);
	plan = events_plan(&ev, &closed);
	CHECK(plan.from == FROM_FAULT && plan.again, "again is %d", plan.again);
	ev.in_smm = true;
	plan = events_plan(&ev, &closed);
	CHECK(plan.from == FROM_FAULT && !plan.again, "again is %d, in SMM", plan.again);
}

static void test_nmi_mask(void)
{
	static const struct {
		u8 mask;
		u8 pending;
		bool inside;
		u8 then;
	} table[] = {
		{ NMI_OPEN, 0, false, NMI_OPEN }, { NMI_OPEN, 2, false, NMI_OPEN },
		{ NMI_MASKED, 1, true, NMI_MASKED }, { NMI_AT_IRET, 1, true, NMI_MASKED },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct vcpu_events ev = {
			.smi_pending = true, .nmi_mask = table[i].mask,
			.nmi_pending = table[i].pending,
		};

		events_smm_begun(&ev);
		CHECK(ev.in_smm && !ev.smi_pending && ev.nmi_mask == NMI_MASKED &&
		      ev.smm_inside_nmi == table[i].inside, "row %u: mask %d", i, ev.nmi_mask);
		CHECK(ev.nmi_pending == min(table[i].pending, 1), "row %u: %d NMIs", i,
		      ev.nmi_pending);
		CHECK(!events_plan(&ev, &gates).inject.kind ||
		      events_plan(&ev, &gates).inject.kind == EVENT_IRQ, "row %u: an NMI", i);
		/* an IRET in SMM opens the mask, and what was masked before is again behind it */
		ev.nmi_mask = NMI_OPEN;
		ev.nmi_pending = 2;
		events_smm_ended(&ev);
		CHECK(!ev.in_smm && !ev.smm_inside_nmi && ev.nmi_mask == table[i].then,
		      "row %u: mask %d behind RSM", i, ev.nmi_mask);
		CHECK(ev.nmi_pending == (table[i].inside ? 1 : 2), "row %u: %d NMIs behind RSM", i,
		      ev.nmi_pending);
	}
}

/* One comes while another is served: it is taken behind RSM, before an INIT that came earlier. */
static void test_latched(void)
{
	struct vcpu_events ev = { .mp_state = KVM_MP_STATE_HALTED };
	u8 page = 0;

	events_smi(&ev);
	events_smi(&ev);
	CHECK(events_wake(&ev, &gates), "does not wake");
	events_smm_begun(&ev);
	CHECK(ev.mp_state == KVM_MP_STATE_HALTED && !ev.smi_pending, "two SMIs");
	events_init(&ev);
	events_sipi(&ev, 7);
	events_smi(&ev);
	CHECK(!events_plan(&ev, &gates).init && !events_plan(&ev, &gates).smi, "taken in SMM");
	CHECK(!events_take_sipi(&ev, &page), "a SIPI in SMM");
	events_smm_ended(&ev);
	CHECK(events_plan(&ev, &gates).smi, "lost");
	events_smm_begun(&ev);
	events_smm_ended(&ev);
	CHECK(events_plan(&ev, &gates).init, "the INIT is lost");
	events_smi(&ev);
	events_initialised(&ev, false);
	CHECK(ev.smi_pending && !events_plan(&ev, &gates).smi, "an INIT voids an SMI");
	CHECK(events_take_sipi(&ev, &page) && page == 7, "page %u", page);
	CHECK(events_plan(&ev, &gates).smi, "lost, waiting for a SIPI");
}

static void test_wake(void)
{
	static const struct event_gates none;
	static const struct {
		struct vcpu_events ev;
		bool wakes;
	} table[] = {
		{ { .mp_state = KVM_MP_STATE_HALTED, .smi_pending = true }, true },
		{ { .mp_state = KVM_MP_STATE_RUNNABLE, .smi_pending = true }, true },
		{ { .mp_state = KVM_MP_STATE_HALTED, .smi_pending = true, .in_smm = true }, false },
		{ { .mp_state = KVM_MP_STATE_HALTED, .init = true, .in_smm = true }, false },
		{ { .mp_state = KVM_MP_STATE_HALTED, .in_smm = true }, false },
		{ { .mp_state = KVM_MP_STATE_UNINITIALIZED, .smi_pending = true }, false },
		{ { .mp_state = KVM_MP_STATE_INIT_RECEIVED, .smi_pending = true }, false },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		CHECK(events_wake(&table[i].ev, &none) == table[i].wakes, "row %u", i);
}

/* An SMI goes before an interrupt that is handed over now. */
static void test_irq_ready(void)
{
	struct vcpu_events ev = { .smi_pending = true };

	CHECK(!events_irq_ready(&ev, &gates), "ready before an SMI");
	ev.in_smm = true;
	CHECK(events_irq_ready(&ev, &gates), "an SMI in SMM keeps interrupts out");
}

/* What is idle for an entry is not nothing for an image. */
static void test_idle(void)
{
	struct vcpu_events ev = { .smi_pending = true };
	struct kvm_vcpu_events image;

	CHECK(!events_idle(&ev), "an SMI is nothing");
	ev = (struct vcpu_events){ .in_smm = true };
	CHECK(events_idle(&ev), "SMM by itself is something");
	events_get(&ev, &abi, 0, &image);
	CHECK(image.smi.smm == 1 && !image.smi.pending, "not in the image");
}

static void test_contradiction(void)
{
	u32 state;

	for (state = 0; state <= KVM_MP_STATE_SIPI_RECEIVED; state++) {
		struct vcpu_events ev = { .mp_state = state, .smi_pending = true };
		bool runs = state == KVM_MP_STATE_RUNNABLE || state == KVM_MP_STATE_HALTED;

		CHECK(!events_contradict(&ev), "state %u and an SMI", state);
		ev.in_smm = true;
		CHECK(events_contradict(&ev) == !runs, "state %u in SMM", state);
	}
}

/* All eight, over whatever is there; inside an NMI is only said of SMM. */
static void check_images(unsigned int n, const struct event_abi *with, u8 yes)
{
	struct kvm_vcpu_events in = { .flags = 0x3d }, out;
	struct vcpu_events ev = {
		.smi_pending = !(n & 1), .in_smm = !(n & 2), .smm_inside_nmi = true,
	};
	struct vcpu_events kept = ev;
	u8 shadow = 0;

	in.smi.pending = n & 1 ? yes : 0;
	in.smi.smm = n & 2 ? yes : 0;
	in.smi.smm_inside_nmi = n & 4 ? yes : 0;
	in.flags &= ~KVM_VCPUEVENT_VALID_SMM;
	CHECK(!events_set(&kept, with, &shadow, &in), "refused");
	CHECK(kept.smi_pending == !(n & 1) && kept.in_smm == !(n & 2) && kept.smm_inside_nmi,
	      "%u is taken without its flag", n);
	in.flags |= KVM_VCPUEVENT_VALID_SMM;
	CHECK(!events_set(&ev, with, &shadow, &in), "refused");
	events_get(&ev, with, 0, &out);
	CHECK(out.smi.pending == (n & 1) && out.smi.smm == (n >> 1 & 1) &&
	      out.smi.smm_inside_nmi == (n == 6 || n == 7), "%u is %u/%u/%u", n,
	      out.smi.pending, out.smi.smm, out.smi.smm_inside_nmi);
}

static void test_images(void)
{
	unsigned int n;

	for (n = 0; n < 8; n++) {
		check_images(n, &abi, 1);
		check_images(n, &abi, 0x80);
		check_images(n, &no_apic, 1);
	}
}

const struct unit_test smm_tests[] = {
	{ "SMM: first", test_first },
	{ "SMM: boundary", test_boundary },
	{ "SMM: NMI mask", test_nmi_mask },
	{ "SMM: latched", test_latched },
	{ "SMM: wake", test_wake },
	{ "SMM: ready for an interrupt", test_irq_ready },
	{ "SMM: idle", test_idle },
	{ "SMM: contradiction", test_contradiction },
	{ "SMM: images", test_images },
	{ NULL, NULL },
};
