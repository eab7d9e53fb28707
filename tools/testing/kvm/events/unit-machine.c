// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit-machine.c - unit tests: raising, choosing, entry and exit.  See unit.c.
 */
#include "unit.h"

static const struct event no_event;
static const struct event_abi old_abi;

/* ---- Facts of the architecture. ---- */

static void test_error_codes(void)
{
	static const u8 vectors[] = { 8, 10, 11, 12, 13, 14, 17, 21, 29, 30 };
	bool expected[256] = { false };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vectors); i++)
		expected[vectors[i]] = true;
	for (i = 0; i < ARRAY_SIZE(expected); i++)
		CHECK(exception_has_error(i) == expected[i], "vector %u", i);
}

static void test_dr6(void)
{
	static const struct {
		u64 before, payload, after;
	} table[] = {
		{ 0xffff0ff0, 0, 0xffff0ff0 },
		{ 0xffff0ff0, 0x1, 0xffff0ff1 },
		{ 0xffff0ff0, 0xf, 0xffff0fff },
		{ 0xffff0ff0, 0x4000, 0xffff4ff0 },		/* BS */
		{ 0xffff0ff0, 0x2000, 0xffff2ff0 },		/* BD */
		{ 0xffff0ff0, 0x8000, 0xffff8ff0 },		/* BT */
		{ 0xffff0ff0, 0x5001, 0xffff4ff1 },		/* bit 12 is not DR6's */
		{ 0xffff0ff0, 0x1000, 0xffff0ff0 },
		{ 0xffff0ff0, 0x10000, 0xfffe0ff0 },		/* RTM, active low */
		{ 0xffff0ff0, 0x800, 0xffff07f0 },		/* BLD, active low */
		{ 0xffff0fff, 0x2, 0xffff0ff2 },		/* B0 to B3 are replaced */
		{ 0xffff4ff0, 0x1, 0xffff4ff1 },		/* BS is not */
		{ 0xfffe0ff0, 0x4000, 0xffff4ff0 },		/* RTM is set again */
		{ 0xffff07f0, 0x0, 0xffff0ff0 },
		{ 0, 0, 0xffff0ff0 },
		{ 0xffff0ff0, 0xffffffff00000001, 0xffff0ff1 },	/* 63:32 fail an entry */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		CHECK(exception_dr6(table[i].before, table[i].payload) == table[i].after,
		      "row %u: %#llx", i, (unsigned long long)
		      exception_dr6(table[i].before, table[i].payload));
}

/* ---- Raising. ---- */

enum class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum class class_of(u8 vector)
{
	static const u8 classes[32] = {
		[0] = CONTRIBUTORY, [10] = CONTRIBUTORY, [11] = CONTRIBUTORY,
		[12] = CONTRIBUTORY, [13] = CONTRIBUTORY, [21] = CONTRIBUTORY,
		[14] = PAGE_FAULT, [29] = PAGE_FAULT, [8] = DOUBLE_FAULT,
	};

	return classes[vector];
}

/* Rows: what there is; columns: what comes. N: the new one stays, D: double fault, S: shutdown. */
static char doubles(u8 before, u8 now)
{
	static const char *const rows[] = { "NNNN", "NDNN", "NDDD", "NSSS" };

	return rows[class_of(before)][class_of(now)];
}

static void check_raised(const struct vcpu_events *ev, u8 before, u8 now)
{
	struct event expected = exception(doubles(before, now) == 'D' ? 8 : now);

	expected.has_error = exception_has_error(expected.vector);
	expected.error = expected.has_error && expected.vector != 8 ? 0x5678 : 0;
	if (doubles(before, now) == 'S')
		expected = no_event;
	CHECK(ev->shutdown == (doubles(before, now) == 'S'), "%u then %u", before, now);
	CHECK(same(&ev->fault, &expected), "%u then %u: %u", before, now, ev->fault.vector);
	CHECK(!ev->inflight.kind, "%u then %u: inflight stays", before, now);
	CHECK(ev->irq.vector == 0x40 && ev->nmi_pending == 1, "%u then %u: others", before, now);
}

static void test_double_faults(void)
{
	struct event first, second;
	unsigned int before, now;
	struct vcpu_events ev;

	for (before = 0; before < 32; before++) {
		for (now = 0; now < 32; now++) {
			first = exception(before);
			second = with_error(exception(now), 0x5678);
			ev = (struct vcpu_events){ .irq = interrupt(0x40), .nmi_pending = 1 };
			ev.inflight = first;
			events_raise(&ev, &second);
			check_raised(&ev, before, now);
			ev = (struct vcpu_events){ .irq = interrupt(0x40), .nmi_pending = 1 };
			ev.fault = first;
			events_raise(&ev, &second);
			check_raised(&ev, before, now);
		}
	}
}

static void test_soft_is_benign(void)
{
	static const u8 others[] = { 8, 13, 14 };
	struct event soft = soft_exception(3, 1), hard;
	struct vcpu_events ev;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		hard = with_error(exception(others[i]), 0);
		ev = (struct vcpu_events){ .inflight = soft };
		events_raise(&ev, &hard);
		CHECK(same(&ev.fault, &hard) && !ev.inflight.kind, "soft then %u", others[i]);
		ev = (struct vcpu_events){ .inflight = hard };
		events_raise(&ev, &soft);
		CHECK(same(&ev.fault, &soft) && !ev.inflight.kind, "%u then soft", others[i]);
	}
	/* the vectors alone do not make the class: INT 13 is no #GP */
	soft = soft_exception(13, 2);
	ev = (struct vcpu_events){ .inflight = soft };
	hard = with_error(exception(13), 0);
	events_raise(&ev, &hard);
	CHECK(same(&ev.fault, &hard), "INT 13 then #GP");
}

static void test_raise_is_canonical(void)
{
	struct vcpu_events ev;
	struct event event;

	events_reset(&ev);
	event = with_error(exception(13), 0xabcd1234);
	events_raise(&ev, &event);
	CHECK(ev.fault.has_error && ev.fault.error == 0x1234, "#GP: %#x", ev.fault.error);

	events_reset(&ev);
	event = with_error(exception(6), 7);
	events_raise(&ev, &event);
	CHECK(!ev.fault.has_error && !ev.fault.error, "#UD: %#x", ev.fault.error);

	events_reset(&ev);
	event = exception(14);
	events_raise(&ev, &event);
	CHECK(ev.fault.has_error && !ev.fault.error, "#PF without an error code");

	events_reset(&ev);
	event = with_error(exception(8), 7);
	events_raise(&ev, &event);
	CHECK(ev.fault.has_error && !ev.fault.error, "#DF: %#x", ev.fault.error);
}

static void test_raise_payloads(void)
{
	static const struct {
		u8 vector;
		bool kept;
	} table[] = { { 1, true }, { 14, true }, { 13, false }, { 6, false }, { 8, false } };
	struct vcpu_events ev;
	struct event event;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		events_reset(&ev);
		event = with_payload(exception(table[i].vector), 0xdead000);
		events_raise(&ev, &event);
		CHECK(ev.fault.has_payload == table[i].kept, "vector %u", table[i].vector);
		CHECK(ev.fault.payload == (table[i].kept ? 0xdead000 : 0), "vector %u",
		      table[i].vector);
	}
	events_reset(&ev);
	event = exception(14);
	event.payload = 0xdead000;
	events_raise(&ev, &event);
	CHECK(!ev.fault.has_payload && !ev.fault.payload, "a payload that is none");
	events_reset(&ev);
	event = with_error(with_payload(soft_exception(3, 1), 1), 7);
	events_raise(&ev, &event);
	CHECK(!ev.fault.has_payload && !ev.fault.has_error && !ev.fault.payload && !ev.fault.error,
	      "#BP has no payload and no error code");
	CHECK(ev.fault.insn_len == 1, "#BP has a length");
}

/* KVM_SET_REGS: what rested on the old registers goes. */
static void test_forget_raised(void)
{
	static const struct {
		u8 length;
		bool stays;
	} table[] = { { 0, true }, { 1, false }, { 2, false }, { INSN_LEN_UNKNOWN, true } };
	struct event gp = with_error(exception(13), 0);
	struct vcpu_events ev, full = full_machine(), expected = full;
	unsigned int i;

	expected.nmi_mask = NMI_MASKED;
	events_forget_raised(&full);
	CHECK(same_machine(&full, &expected), "what has begun, interrupts and NMIs stay");
	full.nmi_mask = expected.nmi_mask = NMI_OPEN;
	events_forget_raised(&full);
	CHECK(same_machine(&full, &expected), "open stays open");

	events_reset(&ev);
	events_raise(&ev, &gp);
	events_forget_raised(&ev);
	CHECK(!ev.fault.kind, "raised");
	ev = (struct vcpu_events){ .fault = gp, .fault_restored = true };
	events_forget_raised(&ev);
	CHECK(same(&ev.fault, &gp), "restored");
	events_raise(&ev, &gp);
	events_forget_raised(&ev);
	CHECK(!ev.fault.kind, "restored, then raised");

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct event soft = soft_exception(3, table[i].length);

		ev = (struct vcpu_events){ .fault = soft, .fault_restored = true };
		events_forget_raised(&ev);
		CHECK(!!ev.fault.kind == table[i].stays, "fault, length %u", soft.insn_len);
		ev = (struct vcpu_events){ .inflight = soft };
		ev.irq = soft_irq(0x80, table[i].length);
		events_forget_raised(&ev);
		CHECK(!!ev.inflight.kind == table[i].stays, "inflight, length %u", soft.insn_len);
		CHECK(!!ev.irq.kind == table[i].stays, "irq, length %u", soft.insn_len);
	}
}

static void test_nmi_limits(void)
{
	static const struct {
		u8 mask;
		bool begun;
		u8 limit;
	} table[] = {
		{ NMI_OPEN, false, 2 }, { NMI_OPEN, true, 1 }, { NMI_MASKED, false, 1 },
		{ NMI_MASKED, true, 1 }, { NMI_AT_IRET, false, 1 }, { NMI_AT_IRET, true, 1 },
	};
	struct kvm_vcpu_events in;
	struct vcpu_events ev;
	unsigned int i, n;
	u8 shadow = 0;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		ev = (struct vcpu_events){ .nmi_mask = table[i].mask, .nmi_begun = table[i].begun };
		for (n = 1; n <= 4; n++) {
			events_nmi(&ev);
			CHECK(ev.nmi_pending == min_t(unsigned int, n, table[i].limit),
			      "row %u: after %u: %u", i, n, ev.nmi_pending);
		}
		if (table[i].mask == NMI_AT_IRET)
			continue;
		for (n = 0; n < 256; n++) {
			in = (struct kvm_vcpu_events){ .flags = KVM_VCPUEVENT_VALID_NMI_PENDING };
			in.nmi.pending = n;
			in.nmi.masked = table[i].mask;
			in.nmi.injected = table[i].begun;
			CHECK(!events_set(&ev, &old_abi, &shadow, &in), "refused");
			CHECK(ev.nmi_pending == min_t(unsigned int, n, table[i].limit),
			      "row %u: set %u: %u", i, n, ev.nmi_pending);
		}
	}
}

static void test_irq_replaces(void)
{
	struct event expected = interrupt(0x62);
	struct vcpu_events ev = { .irq = soft_irq(0x80, 2), .nmi_pending = 1 };

	events_irq(&ev, 0x61);
	events_irq(&ev, 0x62);
	CHECK(same(&ev.irq, &expected), "kind %u vector %#x", ev.irq.kind, ev.irq.vector);
	CHECK(ev.nmi_pending == 1 && !ev.inflight.kind && !ev.fault.kind, "others");
}

/* ---- What waits, over every combination of slots and gates. ---- */

struct mix {
	struct vcpu_events ev;
	struct event_gates gates;
};

/* Combination number @n of all; false past the last. */
static bool mix(unsigned int n, struct mix *mix)
{
	static const u8 masks[] = { NMI_OPEN, NMI_MASKED, NMI_AT_IRET };
	const struct event first[] = {
		no_event, with_error(exception(14), 2), exception(1), soft_exception(3, 1),
	};
	const struct event irqs[] = {
		no_event, interrupt(0x40), soft_irq(0x40, 2), soft_irq(0x40, 0),
	};
	struct vcpu_events *ev = &mix->ev;

	memset(mix, 0, sizeof(*mix));
	mix->gates.if_set = n & 1;
	mix->gates.real_mode = n >> 1 & 1;
	mix->gates.irq_wanted = n >> 2 & 1;
	mix->gates.shadow = n >> 3 & 3;
	ev->nmi_begun = n >> 5 & 1;
	ev->shutdown = n >> 6 & 1;
	if (n >> 9 & 1)
		ev->inflight = first[n >> 7 & 3];
	else
		ev->fault = first[n >> 7 & 3];
	ev->irq = irqs[n >> 10 & 3];
	mix->gates.stepped = n >> 12 & 1;
	n >>= 13;
	ev->nmi_mask = masks[n % 3];
	ev->nmi_pending = n / 3;
	return n / 3 < 3;
}

static u8 expected_from(const struct mix *mix)
{
	const struct vcpu_events *ev = &mix->ev;
	bool open = !mix->gates.shadow;
	/* by priority, the first that is there and may go */
	const struct {
		u8 from;
		bool goes;
	} order[] = {
		{ FROM_INFLIGHT, ev->inflight.kind },
		{ FROM_FAULT, ev->fault.kind },
		{ FROM_IRQ, ev->irq.kind == EVENT_SOFT_IRQ },
		{ FROM_NMI_BEGUN, ev->nmi_begun && open },
		{ FROM_IRQ, ev->irq.kind && open && mix->gates.if_set },
		{ FROM_NMI, ev->nmi_pending && open && ev->nmi_mask == NMI_OPEN },
		{ FROM_NOWHERE, true },
	};
	unsigned int i = 0;

	while (!order[i].goes)
		i++;
	return order[i].from;
}

static struct event expected_event(const struct mix *mix, u8 from)
{
	const struct event events[] = {
		[FROM_NOWHERE] = no_event, [FROM_INFLIGHT] = mix->ev.inflight,
		[FROM_FAULT] = mix->ev.fault, [FROM_NMI_BEGUN] = nmi(),
		[FROM_IRQ] = mix->ev.irq, [FROM_NMI] = nmi(),
	};
	struct event event = events[from];

	if (mix->gates.real_mode)
		event.has_error = false;
	return event;
}

static void check_mix(const struct mix *mix, unsigned int n)
{
	struct event_plan plan = events_plan(&mix->ev, &mix->gates);
	const struct vcpu_events *ev = &mix->ev;
	u8 from = expected_from(mix);
	struct event event = expected_event(mix, from);
	bool taken = from == FROM_NMI || from == FROM_NMI_BEGUN;
	bool nmi_left = ev->nmi_pending + ev->nmi_begun - taken;
	bool masked = taken || ev->nmi_mask != NMI_OPEN;
	bool iret = from == FROM_NOWHERE && ev->nmi_mask == NMI_AT_IRET;
	/* an INT n at RIP needs no window: behind an exception it runs again by itself */
	bool irq_left = ev->irq.kind && !ev->irq.insn_len && from != FROM_IRQ;
	bool begun_left = ev->nmi_begun && from != FROM_NMI_BEGUN;
	bool reaches = nmi_left && (begun_left || !masked);

	if (ev->shutdown) {
		CHECK(plan.shutdown && !plan.from && !plan.inject.kind && !plan.irq_window &&
		      !plan.nmi_window && !plan.again && !plan.watch_iret && !plan.step &&
		      !plan.iret_goes && !plan.set_rf, "mix %u", n);
		return;
	}
	CHECK(!plan.shutdown, "mix %u", n);
	CHECK(plan.from == from, "mix %u: from %u, not %u", n, plan.from, from);
	CHECK(same(&plan.inject, &event), "mix %u: vector %u", n, plan.inject.vector);
	CHECK(plan.irq_window == (irq_left || mix->gates.irq_wanted), "mix %u", n);
	CHECK(plan.nmi_window == nmi_left, "mix %u", n);
	CHECK(plan.watch_iret == (masked && !iret), "mix %u", n);
	CHECK(plan.step == ((iret && nmi_left) ||
			    (from == FROM_NOWHERE && mix->gates.trap_waits) ||
			    (reaches && from == FROM_NOWHERE && mix->gates.shadow)), "mix %u", n);
	CHECK(plan.again == (from != FROM_NOWHERE &&
			     (reaches || mix->gates.stepped || event_is_soft(&event))),
	      "mix %u", n);
	CHECK(plan.iret_goes == iret, "mix %u", n);
	CHECK(plan.set_rf == (from == FROM_FAULT && ev->fault.vector == 14), "mix %u", n);
}

static void check_mix_asked(const struct mix *mix, unsigned int n)
{
	const struct vcpu_events *ev = &mix->ev;
	bool open = mix->gates.if_set && !mix->gates.shadow;
	bool first = ev->inflight.kind || ev->fault.kind || ev->nmi_begun || ev->shutdown;
	bool soft = ev->irq.kind == EVENT_SOFT_IRQ;

	CHECK(events_irq_ready(ev, &mix->gates) == (open && !first && !ev->irq.kind), "mix %u", n);
	CHECK(events_wake(ev, &mix->gates) ==
	      (first || soft || (ev->irq.kind && mix->gates.if_set) ||
	       (ev->nmi_pending && ev->nmi_mask == NMI_OPEN)), "mix %u", n);
	CHECK(events_idle(ev) == (!first && !ev->irq.kind && !ev->nmi_pending && !ev->nmi_mask),
	      "mix %u", n);
}

static void test_all_mixes(void)
{
	struct mix one, before;
	unsigned int n;

	for (n = 0; mix(n, &one); n++) {
		before = one;
		check_mix(&one, n);
		check_mix_asked(&one, n);
		one.gates.trap_waits = true;
		check_mix(&one, n);
		CHECK(same_machine(&one.ev, &before.ev), "mix %u is changed", n);
	}
}

static void test_rf(void)
{
	static const u8 without[] = { 1, 2, 3, 4, 8, 18 };
	struct event_gates gates = { .if_set = true };
	bool expected[32];
	unsigned int i;

	memset(expected, 1, sizeof(expected));
	for (i = 0; i < ARRAY_SIZE(without); i++)
		expected[without[i]] = false;
	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		struct vcpu_events ev = { .fault = exception(i) };

		CHECK(events_plan(&ev, &gates).set_rf == expected[i], "fault %u", i);
		ev = (struct vcpu_events){ .inflight = exception(i) };
		CHECK(!events_plan(&ev, &gates).set_rf, "inflight %u", i);
		ev = (struct vcpu_events){ .fault = soft_exception(i, 1) };
		CHECK(!events_plan(&ev, &gates).set_rf, "soft %u", i);
	}
}

/* ---- Entry and exit. ---- */

static void test_commit(void)
{
	const struct vcpu_events full = {
		.irq = interrupt(0x40), .nmi_begun = true, .nmi_pending = 2,
	};
	struct vcpu_events ev, expected;
	struct event_plan plan = { .from = FROM_NOWHERE };

	ev = expected = full;
	events_commit(&ev, &plan);
	CHECK(same_machine(&ev, &expected), "nothing is taken");

	plan = (struct event_plan){ .from = FROM_IRQ, .inject = full.irq };
	ev = expected = full;
	events_commit(&ev, &plan);
	expected.irq = no_event;
	expected.inflight = full.irq;
	CHECK(same_machine(&ev, &expected), "an interrupt is taken");

	plan = (struct event_plan){ .from = FROM_NMI_BEGUN, .inject = nmi() };
	ev = expected = full;
	events_commit(&ev, &plan);
	expected.nmi_begun = false;
	expected.nmi_mask = NMI_MASKED;
	expected.inflight = nmi();
	CHECK(same_machine(&ev, &expected), "an NMI begun is taken");

	plan = (struct event_plan){ .from = FROM_NMI, .inject = nmi() };
	ev = expected = full;
	events_commit(&ev, &plan);
	expected.nmi_pending = 1;
	expected.nmi_mask = NMI_MASKED;
	expected.inflight = nmi();
	CHECK(same_machine(&ev, &expected), "a latched NMI is taken");
}

static void test_commit_exceptions(void)
{
	struct event fault = with_payload(with_error(exception(14), 2), 0x1000);
	struct vcpu_events ev = { .fault = fault, .irq = interrupt(0x40) };
	struct event_plan plan = { .from = FROM_FAULT, .inject = fault };

	fault.has_payload = false;
	fault.payload = 0;
	events_commit(&ev, &plan);
	CHECK(same(&ev.inflight, &fault) && !ev.fault.kind, "a fault is taken, its payload used");
	plan = (struct event_plan){ .from = FROM_INFLIGHT, .inject = fault };
	events_commit(&ev, &plan);
	CHECK(same(&ev.inflight, &fault) && ev.irq.kind, "taken once more");

	/* INT n at RIP: behind another event its length would be wrong */
	ev = (struct vcpu_events){ .inflight = exception(1), .irq = soft_irq(0x80, 2) };
	plan = (struct event_plan){ .from = FROM_INFLIGHT, .inject = ev.inflight };
	events_commit(&ev, &plan);
	CHECK(!ev.irq.kind, "INT n runs again");
	ev = (struct vcpu_events){ .inflight = exception(1), .irq = soft_irq(0x80, 0) };
	events_commit(&ev, &plan);
	CHECK(ev.irq.kind == EVENT_SOFT_IRQ, "nothing makes it again");
	ev = (struct vcpu_events){ .irq = soft_irq(0x80, 2) };
	plan = (struct event_plan){ .from = FROM_IRQ, .inject = ev.irq };
	events_commit(&ev, &plan);
	CHECK(!ev.irq.kind && ev.inflight.insn_len == 2, "INT n is taken");
}

static void test_nmi_mask(void)
{
	static const struct {
		u8 before;
		bool at_iret, stepped, moved, tracked, hardware;
		u8 after;
	} table[] = {
		{ NMI_OPEN, false, false, false, false, false, NMI_OPEN },
		{ NMI_OPEN, false, true, true, false, false, NMI_OPEN },
		{ NMI_OPEN, false, false, true, false, true, NMI_OPEN },
		{ NMI_MASKED, false, false, false, false, false, NMI_MASKED },
		{ NMI_MASKED, false, false, true, false, false, NMI_MASKED },
		{ NMI_MASKED, false, true, true, false, false, NMI_MASKED },
		{ NMI_MASKED, true, false, true, false, false, NMI_AT_IRET },
		{ NMI_AT_IRET, true, false, false, false, false, NMI_AT_IRET },
		{ NMI_AT_IRET, false, true, true, false, false, NMI_OPEN },
		{ NMI_AT_IRET, false, true, false, false, false, NMI_OPEN },
		{ NMI_AT_IRET, false, false, true, false, false, NMI_OPEN },
		{ NMI_AT_IRET, false, false, false, false, false, NMI_MASKED },
		{ NMI_OPEN, false, false, true, true, true, NMI_MASKED },
		{ NMI_MASKED, false, false, true, true, true, NMI_MASKED },
		{ NMI_MASKED, false, false, true, true, false, NMI_OPEN },
		{ NMI_MASKED, true, false, true, true, true, NMI_MASKED },
		{ NMI_AT_IRET, false, true, true, true, true, NMI_MASKED },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct vcpu_events ev = { .nmi_mask = table[i].before, .inflight = nmi() };
		struct event_report report = {
			.at_iret = table[i].at_iret, .stepped = table[i].stepped,
			.moved = table[i].moved,
			.nmi_tracked = table[i].tracked, .nmi_masked = table[i].hardware,
		};

		events_exit(&ev, &report);
		CHECK(ev.nmi_mask == table[i].after, "row %u: %u", i, ev.nmi_mask);
		CHECK(!ev.inflight.kind && !ev.nmi_begun, "row %u: delivered", i);

		ev = (struct vcpu_events){ .nmi_mask = table[i].before };
		events_exit(&ev, &report);
		CHECK(ev.nmi_mask == table[i].after, "row %u, idle: %u", i, ev.nmi_mask);
	}
}

/* What was injected, what hardware says it did not deliver, and where that is then. */
static void test_take_back(void)
{
	const struct event pf = with_error(exception(14), 2), own_pf = with_error(exception(14), 6);
	const struct event bp = soft_exception(3, 0), bp_insn = soft_exception(3, 1);
	const struct event soft = soft_irq(0x40, 0), soft_14 = soft_irq(14, 0);
	const struct {
		struct event given, seen, inflight, irq;
	} table[] = {
		{ pf, pf, pf, no_event },
		{ pf, own_pf, own_pf, no_event },
		{ pf, interrupt(14), pf, no_event },
		{ exception(31), interrupt(31), exception(31), no_event },
		{ no_event, own_pf, own_pf, no_event },
		{ interrupt(14), own_pf, own_pf, no_event },
		{ soft_14, own_pf, own_pf, no_event },
		{ exception(3), soft_exception(3, 0), no_event, no_event },
		{ nmi(), own_pf, own_pf, no_event },
		{ bp, soft_exception(3, 7), bp, no_event },
		{ bp_insn, exception(3), bp_insn, no_event },
		{ bp_insn, interrupt(3), bp_insn, no_event },
		{ bp, soft_exception(4, 0), no_event, no_event },
		{ no_event, soft_exception(3, 0), no_event, no_event },
		{ interrupt(3), soft_exception(3, 0), no_event, no_event },
		{ interrupt(0x40), interrupt(0x40), no_event, interrupt(0x40) },
		{ interrupt(0x40), soft_irq(0x40, 0), no_event, no_event },
		{ nmi(), soft_irq(2, 0), no_event, no_event },
		{ soft, soft_irq(0x40, 9), no_event, soft },
		{ soft, interrupt(0x40), no_event, soft },
		{ soft, soft_irq(0x80, 0), no_event, no_event },
		/* SVM has one word for INT 3 and INT3 */
		{ soft_irq(3, 0), soft_exception(3, 0), no_event, soft_irq(3, 0) },
		{ no_event, soft_irq(0x80, 0), no_event, no_event },
		{ pf, no_event, no_event, no_event },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct event_report report = { .undelivered = table[i].seen };
		struct vcpu_events ev = { .inflight = table[i].given };

		events_exit(&ev, &report);
		CHECK(same(&ev.inflight, &table[i].inflight), "row %u: inflight", i);
		CHECK(same(&ev.irq, &table[i].irq), "row %u: irq", i);
		CHECK(!ev.nmi_begun && !ev.nmi_mask && !ev.fault.kind, "row %u: others", i);
	}
}

static void test_take_back_more(void)
{
	struct event_report report = { .undelivered = nmi() };
	struct vcpu_events ev = { .inflight = nmi(), .nmi_mask = NMI_MASKED, .nmi_pending = 1 };

	events_exit(&ev, &report);
	CHECK(ev.nmi_begun && ev.nmi_mask == NMI_OPEN && ev.nmi_pending == 1, "an NMI");
	ev = (struct vcpu_events){ .inflight = nmi(), .nmi_mask = NMI_MASKED };
	report.nmi_tracked = true;
	report.nmi_masked = true;
	events_exit(&ev, &report);
	CHECK(ev.nmi_begun && ev.nmi_mask == NMI_OPEN, "an NMI, hardware masked it");

	/* in real mode nothing was pushed; it has its error code again afterwards */
	report = (struct event_report){ .undelivered = exception(13) };
	ev = (struct vcpu_events){ .inflight = exception(13) };
	events_exit(&ev, &report);
	CHECK(ev.inflight.has_error && !ev.inflight.error, "#GP in real mode");
}

static void test_unmeasured(void)
{
	struct event known = soft_exception(3, 1), zero = soft_exception(3, 0);
	struct event unknown = soft_exception(3, INSN_LEN_UNKNOWN), not_soft = exception(3);
	struct vcpu_events ev = { .inflight = known, .irq = soft_irq(0x80, 2) };

	CHECK(!events_unmeasured(&ev), "all lengths are known");
	ev.irq.insn_len = INSN_LEN_UNKNOWN;
	CHECK(events_unmeasured(&ev) == &ev.irq, "irq");
	ev.inflight = no_event;
	ev.fault = unknown;
	CHECK(events_unmeasured(&ev) == &ev.fault, "fault before irq");
	ev.inflight = unknown;
	CHECK(events_unmeasured(&ev) == &ev.inflight, "inflight before fault");
	not_soft.insn_len = INSN_LEN_UNKNOWN;
	ev = (struct vcpu_events){ .inflight = not_soft, .fault = zero };
	CHECK(!events_unmeasured(&ev), "not soft, or known to be zero");
}

static void test_soft(void)
{
	static const bool expected[] = {
		[EVENT_NONE] = false, [EVENT_EXCEPTION] = false, [EVENT_SOFT_EXCEPTION] = true,
		[EVENT_NMI] = false, [EVENT_IRQ] = false, [EVENT_SOFT_IRQ] = true,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		struct event event = { .kind = i };

		CHECK(event_is_soft(&event) == expected[i], "kind %u", i);
	}
}

/* What was taken back by an exit, and then delivered by a task gate */
static void test_delivered(void)
{
	struct vcpu_events ev = { .nmi_begun = true, .nmi_pending = 1, .irq = interrupt(0x20) };

	events_delivered(&ev, EVENT_NMI);
	CHECK(!ev.nmi_begun && ev.nmi_mask == NMI_MASKED && ev.nmi_pending == 1 && ev.irq.kind,
	      "an NMI, and nothing else");
	events_iret(&ev);
	CHECK(ev.nmi_mask == NMI_OPEN && ev.nmi_pending == 1, "IRET");

	ev = (struct vcpu_events){ .inflight = exception(13), .irq = interrupt(0x20) };
	events_delivered(&ev, EVENT_EXCEPTION);
	CHECK(!ev.inflight.kind && ev.irq.kind, "an exception, not the interrupt behind it");
	CHECK(ev.nmi_mask == NMI_OPEN, "no NMI");

	/* a fault of an exception's delivery has taken its place */
	ev = (struct vcpu_events){ .fault = exception(8), .irq = interrupt(0x20) };
	events_delivered(&ev, EVENT_EXCEPTION);
	CHECK(ev.fault.kind && ev.irq.kind, "the exception is gone already");

	ev = (struct vcpu_events){ .fault = exception(11), .irq = interrupt(0x20) };
	events_delivered(&ev, EVENT_IRQ);
	CHECK(ev.fault.kind && !ev.irq.kind, "an interrupt");

	/* an INT n of the guest's own is nobody's, and one that was injected is in its slot */
	ev = (struct vcpu_events){ .irq = interrupt(0x20) };
	events_delivered(&ev, EVENT_SOFT_IRQ);
	CHECK(ev.irq.kind == EVENT_IRQ, "the guest's own");
	ev.irq.kind = EVENT_SOFT_IRQ;
	events_delivered(&ev, EVENT_SOFT_IRQ);
	CHECK(!ev.irq.kind, "an injected one");
}

static void test_idle(void)
{
	struct vcpu_events ev;

	events_reset(&ev);
	CHECK(events_idle(&ev), "after reset");
#define NOT_IDLE(field, value)					\
	do {							\
		events_reset(&ev);				\
		ev.field = value;				\
		CHECK(!events_idle(&ev), #field);		\
	} while (0)
	NOT_IDLE(inflight, exception(6));
	NOT_IDLE(fault, exception(6));
	NOT_IDLE(irq, interrupt(0x20));
	NOT_IDLE(nmi_begun, true);
	NOT_IDLE(nmi_pending, 1);
	NOT_IDLE(nmi_pending, 2);
	NOT_IDLE(nmi_mask, NMI_MASKED);
	NOT_IDLE(nmi_mask, NMI_AT_IRET);
	NOT_IDLE(shutdown, true);
#undef NOT_IDLE
	ev = full_machine();
	events_reset(&ev);
	CHECK(events_idle(&ev), "reset clears everything");
}

const struct unit_test machine_tests[] = {
	{ "error codes", test_error_codes }, { "DR6", test_dr6 },
	{ "double faults", test_double_faults }, { "soft is benign", test_soft_is_benign },
	{ "raise is canonical", test_raise_is_canonical }, { "payloads", test_raise_payloads },
	{ "forget raised", test_forget_raised }, { "NMI limits", test_nmi_limits },
	{ "interrupts replace", test_irq_replaces }, { "all mixes", test_all_mixes },
	{ "RF", test_rf }, { "commit", test_commit },
	{ "commit exceptions", test_commit_exceptions }, { "NMI mask", test_nmi_mask },
	{ "take back", test_take_back }, { "take back more", test_take_back_more },
	{ "unmeasured", test_unmeasured }, { "soft", test_soft },
	{ "delivered by a task gate", test_delivered }, { "idle", test_idle },
	{ NULL, NULL }
};
