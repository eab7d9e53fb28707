// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit-startup.c - unit tests: INIT, SIPI, KVM_GET/SET_MP_STATE.  See unit.c.
 *
 * A processor takes INITs and SIPIs as they come.  A vCPU finds them later,
 * some at once, perhaps after a move: it must have come to the same place.
 * All sequences of a length are compared with such a processor.
 */
#include <stddef.h>
#include "unit.h"

static const struct event_abi abi = { .payload = true, .triple_fault = true, .apic = true };
static const struct event_abi no_apic = { .payload = true, .triple_fault = true };

/* Where a processor is that takes everything at once; @page: where it has started, or -1. */
struct processor {
	u32 mp_state;
	int page;
	bool boot;
};

static void processor_init(struct processor *cpu)
{
	cpu->mp_state = cpu->boot ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
	cpu->page = -1;
}

static void processor_sipi(struct processor *cpu, u8 page)
{
	if (cpu->mp_state != KVM_MP_STATE_INIT_RECEIVED)
		return;
	cpu->mp_state = KVM_MP_STATE_RUNNABLE;
	cpu->page = page;
}

/* The vCPU, and the page where it last started. */
struct vcpu {
	struct vcpu_events ev;
	int page;
	bool boot;
};

/* What run.c does before an entry. */
static void take(struct vcpu *vcpu)
{
	struct event_gates gates = { .if_set = false };
	u8 page;

	if (events_plan(&vcpu->ev, &gates).init) {
		events_initialised(&vcpu->ev, vcpu->boot);
		vcpu->page = -1;
	}
	if (events_take_sipi(&vcpu->ev, &page))
		vcpu->page = page;
}

/* To a vCPU that something is left in, the state before or behind the events. */
static void move(struct vcpu *vcpu, const struct vcpu_events *residue, bool state_first)
{
	struct vcpu_events ev = *residue;
	u32 mp_state = vcpu->ev.mp_state;
	struct kvm_vcpu_events image;
	u8 shadow = 0;

	events_get(&vcpu->ev, &abi, 0, &image);
	if (state_first)
		CHECK(!events_set_mp_state(&ev, &abi, mp_state), "%u", mp_state);
	CHECK(!events_set(&ev, &abi, &shadow, &image), "refused");
	if (!state_first)
		CHECK(!events_set_mp_state(&ev, &abi, mp_state), "%u", mp_state);
	vcpu->ev = ev;
}

enum action {
	ARRIVES_INIT,
	ARRIVES_SIPI_3,
	ARRIVES_SIPI_5,
	TAKES,
	MOVES,
	MOVES_STATE_FIRST,
	ACTIONS
};

static void act(struct vcpu *vcpu, struct processor *cpu, enum action action,
		const struct vcpu_events *residue)
{
	switch (action) {
	case ARRIVES_INIT:
		events_init(&vcpu->ev);
		processor_init(cpu);
		break;
	case ARRIVES_SIPI_3:
		events_sipi(&vcpu->ev, 3);
		processor_sipi(cpu, 3);
		break;
	case ARRIVES_SIPI_5:
		events_sipi(&vcpu->ev, 5);
		processor_sipi(cpu, 5);
		break;
	case TAKES:
		take(vcpu);
		break;
	default:
		move(vcpu, residue, action == MOVES_STATE_FIRST);
	}
}

#define LENGTH		6
#define SEQUENCES	(ACTIONS * ACTIONS * ACTIONS * ACTIONS * ACTIONS * ACTIONS)

static void check_sequence(unsigned int number, u32 mp_state, bool boot)
{
	static const struct vcpu_events residues[] = {
		{ .mp_state = KVM_MP_STATE_RUNNABLE },
		{ .init = true, .sipi = true, .sipi_vector = 9 },
		{ .mp_state = KVM_MP_STATE_SIPI_RECEIVED, .sipi_vector = 8 },
		{ .mp_state = KVM_MP_STATE_UNINITIALIZED, .init = true },
	};
	struct vcpu vcpu = { .ev.mp_state = mp_state, .page = -1, .boot = boot };
	struct processor cpu = { .mp_state = mp_state, .page = -1, .boot = boot };
	unsigned int i, rest = number;

	for (i = 0; i < LENGTH; i++, rest /= ACTIONS)
		act(&vcpu, &cpu, rest % ACTIONS, &residues[(number + i) % ARRAY_SIZE(residues)]);
	take(&vcpu);
	CHECK(vcpu.ev.mp_state == cpu.mp_state && vcpu.page == cpu.page && !vcpu.ev.init,
	      "sequence %u from state %u: state %u page %d, not %u and %d", number, mp_state,
	      vcpu.ev.mp_state, vcpu.page, cpu.mp_state, cpu.page);
}

static void test_sequences(void)
{
	static const u8 states[] = {
		KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_HALTED, KVM_MP_STATE_UNINITIALIZED,
		KVM_MP_STATE_INIT_RECEIVED,
	};
	unsigned int i, number;

	for (number = 0; number < SEQUENCES; number++)
		for (i = 0; i < ARRAY_SIZE(states); i++) {
			check_sequence(number, states[i], false);
			check_sequence(number, states[i], true);
		}
}

/* An INIT leaves nothing of what waited before it. */
static void test_init_voids(void)
{
	struct event_gates gates = { .if_set = true, .irq_offered = true };
	struct vcpu_events ev = full_machine();
	struct event_plan plan;

	events_init(&ev);
	CHECK(events_plan(&ev, &gates).shutdown, "userspace is told of a shutdown first");
	ev.shutdown = false;
	plan = events_plan(&ev, &gates);
	CHECK(plan.init && plan.from == FROM_NOWHERE && !plan.inject.kind && !plan.irq_window &&
	      !plan.nmi_window && !plan.step && !plan.shutdown, "from %d", plan.from);
	events_initialised(&ev, false);
	CHECK(ev.mp_state == KVM_MP_STATE_INIT_RECEIVED, "%u", ev.mp_state);
	ev.mp_state = 0;
	CHECK(events_idle(&ev) && !ev.sipi && !ev.fault_restored, "something is left");
}

/* Each state wakes for what it can take. */
static void test_wake(void)
{
	static const struct {
		struct vcpu_events ev;
		bool offered;
		bool if_set;
		bool wakes;
	} table[] = {
		{ { .mp_state = KVM_MP_STATE_HALTED }, false, true, false },
		{ { .mp_state = KVM_MP_STATE_HALTED }, true, true, true },
		{ { .mp_state = KVM_MP_STATE_HALTED }, true, false, false },
		{ { .mp_state = KVM_MP_STATE_HALTED, .nmi_pending = 1 }, false, false, true },
		{ { .mp_state = KVM_MP_STATE_HALTED, .init = true }, false, false, true },
		{ { .mp_state = KVM_MP_STATE_RUNNABLE, .nmi_pending = 1 }, false, false, true },
		{ { .mp_state = KVM_MP_STATE_UNINITIALIZED, .nmi_pending = 1 }, true, true, false },
		{ { .mp_state = KVM_MP_STATE_UNINITIALIZED, .init = true }, false, false, true },
		{ { .mp_state = KVM_MP_STATE_INIT_RECEIVED, .nmi_pending = 1 }, true, true, false },
		{ { .mp_state = KVM_MP_STATE_INIT_RECEIVED, .init = true }, false, false, true },
		{ { .mp_state = KVM_MP_STATE_INIT_RECEIVED, .shutdown = true },
		  false, false, true },
		{ { .mp_state = KVM_MP_STATE_SIPI_RECEIVED }, false, false, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct event_gates gates = {
			.if_set = table[i].if_set, .irq_offered = table[i].offered,
		};

		CHECK(events_wake(&table[i].ev, &gates) == table[i].wakes, "row %u", i);
	}
}

/* Nothing of INIT and SIPI is idle: the short ways of GET, SET and the entry would miss it. */
static void test_idle(void)
{
	static const struct vcpu_events busy[] = {
		{ .init = true }, { .mp_state = KVM_MP_STATE_SIPI_RECEIVED },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(busy); i++)
		CHECK(!events_idle(&busy[i]), "row %u", i);
	for (i = 0; i < KVM_MP_STATE_SIPI_RECEIVED; i++) {
		struct vcpu_events ev = { .mp_state = i };

		CHECK(events_idle(&ev), "state %u", i);
	}
}

static void test_mp_states(void)
{
	u32 state;

	for (state = 0; state < 16; state++) {
		struct vcpu_events with = { .mp_state = 3 }, without = { .mp_state = 3 };
		bool runs = state == KVM_MP_STATE_RUNNABLE || state == KVM_MP_STATE_HALTED;
		bool known = state <= KVM_MP_STATE_SIPI_RECEIVED;
		int r = events_set_mp_state(&with, &abi, state);

		CHECK(r == (known ? 0 : -EINVAL), "state %u: %d", state, r);
		CHECK(with.mp_state == (known ? state : 3), "state %u", with.mp_state);
		r = events_set_mp_state(&without, &no_apic, state);
		CHECK(r == (runs ? 0 : -EINVAL), "state %u without APIC: %d", state, r);
		CHECK(without.mp_state == (runs ? state : 3), "state %u", without.mp_state);
	}
}

struct startup_image {
	u32 flags;
	u8 latched_init;
	u32 sipi_vector;
};

static void check_image(const struct vcpu_events *ev, const struct startup_image *expected)
{
	struct kvm_vcpu_events image;

	events_get(ev, &abi, 0, &image);
	CHECK(image.flags == (0x3d | expected->flags), "flags %#x", image.flags);
	CHECK(image.smi.latched_init == expected->latched_init, "%u", image.smi.latched_init);
	CHECK(image.sipi_vector == expected->sipi_vector, "%#x", image.sipi_vector);
}

static void test_images(void)
{
	static const struct {
		struct vcpu_events ev;
		struct startup_image image;
	} table[] = {
		{ { .init = true, .sipi_vector = 7 }, { 0, 1, 0 } },
		{ { .init = true, .sipi = true, .sipi_vector = 7 }, { 2, 1, 7 } },
		{ { .mp_state = KVM_MP_STATE_INIT_RECEIVED, .sipi_vector = 7 }, { 0, 0, 0 } },
		{ { .mp_state = KVM_MP_STATE_SIPI_RECEIVED, .sipi_vector = 7 }, { 2, 0, 7 } },
		{ { .mp_state = KVM_MP_STATE_SIPI_RECEIVED, .init = true, .sipi_vector = 7 },
		  { 0, 1, 0 } },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		check_image(&table[i].ev, &table[i].image);
}

/* Without the flag for a field it stays; a vector's upper bits do not exist. */
static void test_set_fields(void)
{
	struct vcpu_events ev = { .init = true, .sipi = true, .sipi_vector = 7 };
	struct kvm_vcpu_events in = { .sipi_vector = 0x1ff, .smi.latched_init = 0 };
	u8 shadow = 0;

	CHECK(!events_set(&ev, &abi, &shadow, &in), "refused");
	CHECK(ev.init && ev.sipi && ev.sipi_vector == 7, "vector %u", ev.sipi_vector);
	in.flags = KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	CHECK(!events_set(&ev, &abi, &shadow, &in), "refused");
	CHECK(ev.init && ev.sipi && ev.sipi_vector == 0xff, "vector %u", ev.sipi_vector);
	in.flags = KVM_VCPUEVENT_VALID_SMM;
	CHECK(!events_set(&ev, &abi, &shadow, &in), "refused");
	CHECK(!ev.init && !ev.sipi, "INIT %d SIPI %d", ev.init, ev.sipi);
	in.smi.latched_init = 1;
	CHECK(!events_set(&ev, &abi, &shadow, &in), "refused");
	CHECK(ev.init && !ev.sipi, "INIT %d SIPI %d", ev.init, ev.sipi);
	in.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	ev.init = false;
	CHECK(!events_set(&ev, &no_apic, &shadow, &in), "refused");
	CHECK(!ev.init && !ev.sipi, "nobody's without an APIC: %d %d", ev.init, ev.sipi);
}

/* What nobody waits for leaves nothing, and what is not there is not taken. */
static void test_order(void)
{
	struct vcpu_events ev = { .mp_state = KVM_MP_STATE_RUNNABLE, .sipi_vector = 7 };
	struct kvm_vcpu_events in = {
		.flags = KVM_VCPUEVENT_VALID_SIPI_VECTOR | KVM_VCPUEVENT_VALID_SMM,
		.sipi_vector = 4,
	};
	u8 page = 0, shadow = 0;

	events_sipi(&ev, 9);
	CHECK(ev.sipi_vector == 7, "vector %u", ev.sipi_vector);
	ev.init = true;
	ev.mp_state = KVM_MP_STATE_SIPI_RECEIVED;
	CHECK(!events_take_sipi(&ev, &page) && !page, "page %u, before the INIT", page);

	ev = (struct vcpu_events){ .mp_state = KVM_MP_STATE_INIT_RECEIVED };
	CHECK(!events_set(&ev, &abi, &shadow, &in), "refused");
	CHECK(!events_take_sipi(&ev, &page) && !page, "page %u, of no SIPI", page);
	events_sipi(&ev, 9);
	CHECK(events_take_sipi(&ev, &page) && page == 9, "page %u", page);
}

const struct unit_test startup_tests[] = {
	{ "sequences", test_sequences },
	{ "init_voids", test_init_voids },
	{ "wake", test_wake },
	{ "idle", test_idle },
	{ "mp_states", test_mp_states },
	{ "images", test_images },
	{ "set_fields", test_set_fields },
	{ "order", test_order },
	{ NULL, NULL },
};
