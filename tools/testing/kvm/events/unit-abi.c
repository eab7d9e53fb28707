// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit-abi.c - unit tests: KVM_GET_VCPU_EVENTS and KVM_SET_VCPU_EVENTS.  See unit.c.
 */
#include "unit.h"

static const struct event no_event;
static const struct event_abi full_abi = { .payload = true, .triple_fault = true };
static const struct event_abi old_abi;

/* ---- KVM_GET_VCPU_EVENTS. ---- */

static struct kvm_vcpu_events got(const struct vcpu_events *ev, const struct event_abi *abi,
				  u8 shadow)
{
	struct kvm_vcpu_events out;

	memset(&out, 0xa5, sizeof(out));
	events_get(ev, abi, shadow, &out);
	return out;
}

static void check_image(const struct kvm_vcpu_events *image,
			const struct kvm_vcpu_events *expected, const char *name)
{
	CHECK(!memcmp(image, expected, sizeof(*image)), "%s", name);
}

static void test_get_flags(void)
{
	static const struct {
		struct event_abi abi;
		u32 flags;
	} table[] = {
		{ { .payload = false }, 0x0d }, { { .payload = true }, 0x1d },
		{ { .triple_fault = true }, 0x2d },
		{ { .payload = true, .triple_fault = true }, 0x3d },
	};
	struct vcpu_events ev;
	unsigned int i, shadow;

	events_reset(&ev);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		for (shadow = 0; shadow < 4; shadow++) {
			struct kvm_vcpu_events image = got(&ev, &table[i].abi, shadow);
			struct kvm_vcpu_events expected = { .flags = table[i].flags };

			expected.interrupt.shadow = shadow;
			check_image(&image, &expected, "idle");
		}
	}
}

static void test_get_exceptions(void)
{
	struct event pf = with_payload(with_error(exception(14), 2), 0xdead000);
	struct vcpu_events ev = { .fault = pf };
	struct kvm_vcpu_events image = got(&ev, &full_abi, 0);
	struct kvm_vcpu_events expected = { .flags = 0x3d };

	expected.exception.pending = 1;
	expected.exception.nr = 14;
	expected.exception.has_error_code = 1;
	expected.exception.error_code = 2;
	expected.exception_has_payload = 1;
	expected.exception_payload = 0xdead000;
	check_image(&image, &expected, "pending, with payload");

	expected.flags = 0x0d;
	expected.exception.injected = 1;
	expected.exception_has_payload = 0;
	expected.exception_payload = 0;
	image = got(&ev, &old_abi, 0);
	check_image(&image, &expected, "pending, without the capability");

	expected.exception.pending = 0;
	ev = (struct vcpu_events){ .inflight = pf };
	image = got(&ev, &old_abi, 0);
	check_image(&image, &expected, "injected, without the capability");

	expected.flags = 0x3d;
	image = got(&ev, &full_abi, 0);
	check_image(&image, &expected, "injected");

	ev = (struct vcpu_events){ .fault = exception(6) };
	expected = (struct kvm_vcpu_events){ .flags = 0x3d };
	expected.exception.pending = 1;
	expected.exception.nr = 6;
	image = got(&ev, &full_abi, 0);
	check_image(&image, &expected, "pending, without payload and error code");
}

static void test_get_soft(void)
{
	static const struct {
		u8 length;
		bool named;
	} table[] = { { 0, true }, { 1, false }, { 2, false }, { INSN_LEN_UNKNOWN, true } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct kvm_vcpu_events image, expected = { .flags = 0x3d };
		struct vcpu_events ev = { .inflight = soft_exception(3, table[i].length) };

		expected.exception.injected = table[i].named;
		expected.exception.nr = table[i].named ? 3 : 0;
		image = got(&ev, &full_abi, 0);
		check_image(&image, &expected, "soft exception, injected");
		ev = (struct vcpu_events){ .fault = soft_exception(3, table[i].length) };
		expected.exception.injected = false;
		expected.exception.pending = table[i].named;
		image = got(&ev, &full_abi, 0);
		check_image(&image, &expected, "soft exception, pending");
		ev = (struct vcpu_events){ .irq = soft_irq(0x80, table[i].length) };
		expected = (struct kvm_vcpu_events){ .flags = 0x3d };
		image = got(&ev, &full_abi, 0);
		check_image(&image, &expected, "INT n");
	}
}

static void test_get_others(void)
{
	static const u8 masks[] = { NMI_OPEN, NMI_MASKED, NMI_AT_IRET };
	unsigned int i, pending;

	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		for (pending = 0; pending < 3; pending++) {
			struct vcpu_events ev = {
				.irq = interrupt(0x61), .nmi_mask = masks[i],
				.nmi_pending = pending, .nmi_begun = pending == 1,
				.shutdown = true,
			};
			struct kvm_vcpu_events image, expected = { .flags = 0x3d };

			expected.interrupt.injected = 1;
			expected.interrupt.nr = 0x61;
			expected.interrupt.shadow = 2;
			expected.nmi.injected = pending == 1;
			expected.nmi.pending = pending;
			expected.nmi.masked = masks[i] != NMI_OPEN;
			expected.triple_fault.pending = 1;
			image = got(&ev, &full_abi, 2);
			check_image(&image, &expected, "interrupt and NMIs");
			expected.flags = 0x0d;
			expected.triple_fault.pending = 0;
			image = got(&ev, &old_abi, 2);
			check_image(&image, &expected, "shutdown, without the capability");
		}
	}
}

/* ---- KVM_SET_VCPU_EVENTS. ---- */

/* Refused, with nothing changed; or accepted. */
static void check_set(const struct event_abi *abi, const struct kvm_vcpu_events *in, bool accepted,
		      const char *name, unsigned int number)
{
	struct vcpu_events ev = full_machine(), before = ev;
	u8 shadow = 0x77;
	int ret = events_set(&ev, abi, &shadow, in);

	CHECK(ret == (accepted ? 0 : -EINVAL), "%s %u: %d", name, number, ret);
	if (!accepted)
		CHECK(same_machine(&ev, &before) && shadow == 0x77, "%s %u changes", name, number);
}

static void test_set_flags(void)
{
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		struct kvm_vcpu_events in = { .flags = 1u << bit };
		struct event_abi payload = { .payload = true }, triple = { .triple_fault = true };

		in.exception.injected = 1;
		in.exception.nr = 13;
		in.interrupt.shadow = 1;
		in.nmi.pending = 2;
		check_set(&full_abi, &in, bit < 6, "flag", bit);
		check_set(&old_abi, &in, bit < 4, "flag, no capabilities", bit);
		check_set(&payload, &in, bit < 5, "flag, payload", bit);
		check_set(&triple, &in, bit < 6 && bit != 4, "flag, triple fault", bit);
	}
}

static void test_set_vectors(void)
{
	struct kvm_vcpu_events in = { .flags = 0x3d };
	unsigned int nr;

	for (nr = 0; nr < 256; nr++) {
		in.exception.nr = nr;
		in.exception.injected = 0;
		in.exception.pending = 0;
		check_set(&full_abi, &in, true, "no exception", nr);
		in.exception.injected = 1;
		check_set(&full_abi, &in, nr < 32 && nr != 2, "injected", nr);
		in.exception.pending = 1;
		check_set(&full_abi, &in, nr < 32 && nr != 2, "both", nr);
		in.exception.injected = 0;
		check_set(&full_abi, &in, nr < 32 && nr != 2, "pending", nr);
	}
}

static void test_set_smm(void)
{
	unsigned int n;

	for (n = 0; n < 16; n++) {
		struct kvm_vcpu_events in = { .flags = KVM_VCPUEVENT_VALID_SMM };

		in.smi.smm = n & 1 ? 0x80 : 0;
		in.smi.pending = n >> 1 & 1;
		in.smi.smm_inside_nmi = n >> 2 & 1;
		in.smi.latched_init = n >> 3;
		check_set(&old_abi, &in, true, "SMM", n);
	}
}

static struct vcpu_events set_over_full(const struct kvm_vcpu_events *in, u8 *shadow)
{
	struct vcpu_events ev = full_machine();

	CHECK(!events_set(&ev, &full_abi, shadow, in), "refused");
	return ev;
}

static void test_set_keeps(void)
{
	struct kvm_vcpu_events in = { .flags = 0 };
	struct vcpu_events expected = { .nmi_pending = 1, .shutdown = true }, ev;
	u8 shadow = SHADOW_STI;

	in.nmi.pending = 2;
	in.interrupt.shadow = 1;
	ev = set_over_full(&in, &shadow);
	CHECK(same_machine(&ev, &expected) && shadow == SHADOW_STI, "without flags");

	in.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
	ev = set_over_full(&in, &shadow);
	expected.nmi_pending = 2;
	CHECK(same_machine(&ev, &expected) && shadow == SHADOW_STI, "NMIs");

	in.flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	ev = set_over_full(&in, &shadow);
	expected = (struct vcpu_events){ .nmi_pending = 1 };
	CHECK(same_machine(&ev, &expected), "shutdown is taken away");
	in.triple_fault.pending = 0x80;
	ev = set_over_full(&in, &shadow);
	expected.shutdown = true;
	CHECK(same_machine(&ev, &expected), "shutdown is set");
}

static void test_set_shadow(void)
{
	struct kvm_vcpu_events in = { .flags = KVM_VCPUEVENT_VALID_SHADOW };
	unsigned int value;
	u8 shadow = 0;

	for (value = 0; value < 256; value++) {
		in.interrupt.shadow = value;
		set_over_full(&in, &shadow);
		CHECK(shadow == (value & 3), "%u: %u", value, shadow);
	}
}

static void test_set_exceptions(void)
{
	struct kvm_vcpu_events in = { .flags = 0x3d };
	struct vcpu_events expected = { .nmi_pending = 0 }, ev;
	u8 shadow = 0;

	in.exception.nr = 14;
	in.exception.error_code = 0xabcd0006;
	in.exception_payload = 0xdead000;
	in.exception_has_payload = 0x80;
	ev = set_over_full(&in, &shadow);
	CHECK(same_machine(&ev, &expected), "neither");

	in.exception.injected = 0xff;
	ev = set_over_full(&in, &shadow);
	expected.inflight = with_error(exception(14), 6);
	CHECK(same_machine(&ev, &expected), "injected has no payload");

	in.exception.pending = 2;
	ev = set_over_full(&in, &shadow);
	expected.fault = with_payload(expected.inflight, 0xdead000);
	expected.fault_restored = true;
	expected.inflight = no_event;
	CHECK(same_machine(&ev, &expected), "pending wins");

	in.exception_has_payload = 0;
	ev = set_over_full(&in, &shadow);
	expected.fault = with_error(exception(14), 6);
	CHECK(same_machine(&ev, &expected), "pending without a payload");

	in.exception_has_payload = 1;
	in.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	ev = set_over_full(&in, &shadow);
	CHECK(same_machine(&ev, &expected), "pending without the payload's flag is kept");
	in.exception.injected = 0;
	ev = set_over_full(&in, &shadow);
	CHECK(same_machine(&ev, &expected), "pending alone, the same");
}

static void test_set_canonical(void)
{
	struct kvm_vcpu_events in = { .flags = 0x3d };
	unsigned int nr;
	u8 shadow = 0;

	in.exception.injected = 1;
	in.exception.error_code = 0xffff1234;
	for (nr = 0; nr < 32; nr++) {
		bool error = exception_has_error(nr), soft = nr == 3 || nr == 4;
		struct event expected = soft ? soft_exception(nr, INSN_LEN_UNKNOWN) : exception(nr);
		struct vcpu_events ev;

		if (nr == 2)
			continue;
		expected.has_error = error;
		expected.error = error && nr != 8 ? 0x1234 : 0;
		in.exception.nr = nr;
		in.exception.has_error_code = !error;
		ev = set_over_full(&in, &shadow);
		CHECK(same(&ev.inflight, &expected), "vector %u", nr);
	}
}

static void test_set_soft_is_clean(void)
{
	struct event expected = soft_exception(3, INSN_LEN_UNKNOWN);
	struct kvm_vcpu_events in = { .flags = 0x3d }, image;
	struct vcpu_events ev;
	u8 shadow = 0;

	in.exception.pending = 1;
	in.exception.nr = 3;
	in.exception.has_error_code = 1;
	in.exception.error_code = 0x1234;
	in.exception_has_payload = 1;
	in.exception_payload = 0x4000;
	ev = set_over_full(&in, &shadow);
	CHECK(same(&ev.fault, &expected), "#BP");
	in.exception.has_error_code = 0;
	in.exception.error_code = 0;
	in.exception_has_payload = 0;
	in.exception_payload = 0;
	image = got(&ev, &full_abi, shadow);
	check_image(&image, &in, "what #BP does not have reads zero");
}

static void test_set_irqs(void)
{
	struct kvm_vcpu_events in = { .flags = 0x3d };
	struct event expected = interrupt(0xff);
	struct vcpu_events ev;
	u8 shadow = 0;

	in.interrupt.nr = 0xff;
	in.interrupt.soft = 1;
	ev = set_over_full(&in, &shadow);
	CHECK(same(&ev.irq, &no_event), "no interrupt");
	in.interrupt.injected = 0x40;
	in.interrupt.soft = 0;
	ev = set_over_full(&in, &shadow);
	CHECK(same(&ev.irq, &expected), "interrupt");
	in.interrupt.soft = 4;
	expected = soft_irq(0xff, INSN_LEN_UNKNOWN);
	ev = set_over_full(&in, &shadow);
	CHECK(same(&ev.irq, &expected), "INT n");
}

static void test_set_nmis(void)
{
	struct kvm_vcpu_events in = { .flags = 0x3d };
	struct vcpu_events ev;
	u8 shadow = 0;

	in.nmi.injected = 2;
	in.nmi.masked = 0x80;
	ev = set_over_full(&in, &shadow);
	CHECK(ev.nmi_begun && ev.nmi_mask == NMI_MASKED && !ev.nmi_pending, "begun and masked");
	in.nmi.injected = 0;
	ev = set_over_full(&in, &shadow);
	CHECK(!ev.nmi_begun && ev.nmi_mask == NMI_MASKED, "masked");
	in.nmi.masked = 0;
	ev = set_over_full(&in, &shadow);
	CHECK(!ev.nmi_begun && ev.nmi_mask == NMI_OPEN, "open");
}

static void test_set_all_at_once(void)
{
	struct kvm_vcpu_events in = { .flags = 0x3d }, image;
	struct vcpu_events ev, expected = {
		.inflight = with_error(exception(13), 0x10), .irq = interrupt(0x40),
		.nmi_begun = true, .nmi_pending = 1, .nmi_mask = NMI_MASKED,
	};
	u8 shadow = 0;

	in.exception.injected = 1;
	in.exception.nr = 13;
	in.exception.has_error_code = 1;
	in.exception.error_code = 0x10;
	in.interrupt.injected = 1;
	in.interrupt.nr = 0x40;
	in.interrupt.shadow = 3;
	in.nmi.injected = 1;
	in.nmi.pending = 1;
	in.nmi.masked = 1;
	ev = set_over_full(&in, &shadow);
	CHECK(same_machine(&ev, &expected) && shadow == 3, "all four have their slot");
	image = got(&ev, &full_abi, shadow);
	check_image(&image, &in, "and are all in the image");
}

const struct unit_test abi_tests[] = {
	{ "get: flags", test_get_flags }, { "get: exceptions", test_get_exceptions },
	{ "get: soft", test_get_soft }, { "get: others", test_get_others },
	{ "set: flags", test_set_flags }, { "set: vectors", test_set_vectors },
	{ "set: SMM", test_set_smm }, { "set: keeps", test_set_keeps },
	{ "set: shadow", test_set_shadow }, { "set: exceptions", test_set_exceptions },
	{ "set: canonical", test_set_canonical }, { "set: soft", test_set_soft_is_clean },
	{ "set: interrupts", test_set_irqs }, { "set: NMIs", test_set_nmis },
	{ "set: all at once", test_set_all_at_once },
	{ NULL, NULL }
};
