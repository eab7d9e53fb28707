// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - the extension's image of the event machine: there and back, and what is refused.
 *
 * The machines are every combination of what each slot can hold; the model of
 * events/ asks the same of every machine that can be reached.  What is refused is
 * a machine's image with one thing wrong with it.
 */
#include "../check.h"
#include "exact.h"

#define HW(v)		{ .kind = EVENT_EXCEPTION, .vector = (v) }
#define HW_ERROR(v, e)	{ .kind = EVENT_EXCEPTION, .vector = (v), .has_error = true, .error = (e) }
#define SOFT(v, len)	{ .kind = EVENT_SOFT_EXCEPTION, .vector = (v), .insn_len = (len) }
#define INT_N(v, len)	{ .kind = EVENT_SOFT_IRQ, .vector = (v), .insn_len = (len) }
#define IRQ(v)		{ .kind = EVENT_IRQ, .vector = (v) }

static const struct event exceptions[] = {
	{ .kind = EVENT_NONE }, HW(0), HW(1), HW(6), HW(9), HW(31), HW_ERROR(8, 0),
	HW_ERROR(13, 0xffff), HW_ERROR(14, 2), HW_ERROR(30, 1), SOFT(3, 0), SOFT(3, 1),
	SOFT(4, 2), SOFT(4, 15),
};

static const struct event payloads[] = {
	{ .kind = EVENT_EXCEPTION, .vector = 1, .has_payload = true, .payload = 0x4001 },
	{ .kind = EVENT_EXCEPTION, .vector = 14, .has_error = true, .error = 7,
	  .has_payload = true, .payload = 0xfffffffffffff123ULL },
};

static const struct event interrupts[] = {
	{ .kind = EVENT_NONE }, IRQ(0), IRQ(0x40), IRQ(255), INT_N(0x80, 0), INT_N(0x80, 2),
	INT_N(3, 15),
};

static bool same_event(const struct event *a, const struct event *b)
{
	return a->kind == b->kind && a->vector == b->vector && a->insn_len == b->insn_len &&
	       a->has_error == b->has_error && a->error == b->error &&
	       a->has_payload == b->has_payload && a->payload == b->payload;
}

static bool same_machine(const struct vcpu_events *a, const struct vcpu_events *b)
{
	return same_event(&a->inflight, &b->inflight) && same_event(&a->fault, &b->fault) &&
	       same_event(&a->irq, &b->irq) && a->nmi_begun == b->nmi_begun &&
	       a->nmi_pending == b->nmi_pending && a->nmi_mask == b->nmi_mask &&
	       a->shutdown == b->shutdown && a->fault_restored == b->fault_restored;
}

/* Over another machine, so that nothing is there already. */
static void there_and_back(const struct vcpu_events *ev, u8 shadow, u64 pending_db)
{
	struct kvm_exact_state image, again;
	struct vcpu_events other = {
		.inflight = HW(16), .irq = IRQ(0x99), .nmi_pending = 1, .nmi_mask = NMI_AT_IRET,
		.shutdown = true,
	};
	struct vcpu_events expected = *ev;
	u64 db = ~0ULL;
	u8 kind = 0xff;

	memset(&image, 0xa5, sizeof(image));
	exact_get(ev, shadow, pending_db, &image);
	CHECK(image.version == 1 && !image.flags && image.io.rip == 0xa5a5a5a5a5a5a5a5ULL,
	      "version %u", image.version);
	CHECK(!exact_set(&other, &kind, &db, &image), "refused");
	if (expected.nmi_mask == NMI_AT_IRET)
		expected.nmi_mask = NMI_MASKED;
	expected.fault_restored = ev->fault.kind;
	CHECK(same_machine(&expected, &other), "another machine");
	CHECK(kind == shadow && db == pending_db, "shadow %u traps %llx", kind,
	      (unsigned long long)db);
	again = image;
	exact_get(&other, kind, db, &again);
	CHECK(!memcmp(&image, &again, sizeof(image)), "another image");
}

static void with_nmis(struct vcpu_events ev)
{
	unsigned int mask, pending, begun;

	for (begun = 0; begun < 2; begun++)
		for (mask = NMI_OPEN; mask <= NMI_AT_IRET; mask++)
			for (pending = 0; pending <= (mask || begun ? 1 : 2); pending++) {
				ev.nmi_begun = begun;
				ev.nmi_mask = mask;
				ev.nmi_pending = pending;
				ev.shutdown = pending & 1;
				there_and_back(&ev, (mask + begun) & 3, pending ? 0x500f : 0);
			}
}

static void test_machines(void)
{
	unsigned int e, i;

	for (i = 0; i < ARRAY_SIZE(interrupts); i++) {
		for (e = 0; e < ARRAY_SIZE(exceptions); e++) {
			struct vcpu_events ev = { .irq = interrupts[i] };

			ev.inflight = exceptions[e];
			with_nmis(ev);
			ev.inflight = ev.fault;
			ev.fault = exceptions[e];
			with_nmis(ev);
		}
		for (e = 0; e < ARRAY_SIZE(payloads); e++) {
			struct vcpu_events ev = { .irq = interrupts[i], .fault = payloads[e] };

			with_nmis(ev);
		}
	}
}

static struct kvm_exact_event hardware(u8 vector)
{
	return (struct kvm_exact_event){ .type = KVM_EXACT_EXCEPTION, .vector = vector };
}

static void verdict(const struct kvm_exact_state *in, bool good, const char *what, unsigned int n)
{
	const struct vcpu_events before = { .irq = IRQ(0x55), .nmi_pending = 2 };
	struct vcpu_events ev = before;
	u64 db = 0x77;
	u8 shadow = 0x66;
	int r = exact_set(&ev, &shadow, &db, in);

	CHECK(r == (good ? 0 : -EINVAL), "%s %u: %d", what, n, r);
	if (!good)
		CHECK(same_machine(&before, &ev) && shadow == 0x66 && db == 0x77,
		      "%s %u: something has changed", what, n);
}

static void test_header(void)
{
	struct kvm_exact_state in = { .version = 1 };
	unsigned int i;

	verdict(&in, true, "nothing", 0);
	for (i = 0; i < 4; i++) {
		in.version = i;
		verdict(&in, i == 1, "version", i);
	}
	in.version = 1;
	for (i = 0; i < 32; i++) {
		in.flags = 1U << i;
		verdict(&in, i == 0, "flag", i);
	}
	in.flags = 0;
	for (i = 0; i < 64; i++) {
		in.pending_dbg = 1ULL << i;
		verdict(&in, i < 4 || i == 12 || i == 14, "pending debug trap", i);
	}
	in.pending_dbg = 0;
	for (i = 0; i < 256; i++) {
		in.shadow = i;
		verdict(&in, i < 4, "shadow", i);
	}
}

static void test_nmis(void)
{
	unsigned int i;

	for (i = 0; i < 64; i++) {
		struct kvm_exact_state in = {
			.version = 1, .nmi_pending = i / 4, .nmi_masked = (i & 1) * 0x80,
			.nmi_begun = i & 2,
		};

		verdict(&in, i / 4 <= (i & 3 ? 1 : 2), "NMIs", i);
	}
}

/* Which slot takes which type. */
static void test_types(void)
{
	unsigned int type;

	for (type = 0; type < 256; type++) {
		struct kvm_exact_state in = { .version = 1 };
		bool exception = type <= KVM_EXACT_SOFT_EXCEPTION;
		bool interrupt = !type || type == KVM_EXACT_INTERRUPT ||
				 type == KVM_EXACT_SOFT_INTERRUPT;

		in.begun.type = type;
		in.begun.vector = type == KVM_EXACT_SOFT_EXCEPTION ? 4 : 6;
		verdict(&in, exception, "begun", type);
		in.raised = in.begun;
		in.begun.type = 0;
		verdict(&in, exception, "raised", type);
		in.raised.type = 0;
		in.interrupt.type = type;
		verdict(&in, interrupt, "interrupt", type);
	}
}

/* The architecture's: DF TS NP SS GP PF AC CP VC SX. */
static bool has_error(unsigned int vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 ||
	       vector == 29 || vector == 30;
}

static void test_exceptions(void)
{
	unsigned int vector, flags;

	for (vector = 0; vector < 256; vector++)
		for (flags = 0; flags < 4; flags++) {
			struct kvm_exact_state in = { .version = 1, .raised = hardware(vector) };
			bool exists = vector < 32 && (vector < 2 || vector > 4);
			bool error = flags & KVM_EXACT_HAS_ERROR;
			bool payload = flags & KVM_EXACT_HAS_PAYLOAD;
			bool good = exists && error == has_error(vector) &&
				    (!payload || vector == 1 || vector == 14);

			in.raised.flags = flags;
			verdict(&in, good, "raised", vector * 4 + flags);
			in.raised.error_code = 0x8000;
			verdict(&in, good && error, "error code", vector * 4 + flags);
			in.raised.error_code = 0x10000;
			verdict(&in, false, "long error code", vector * 4 + flags);
			in.raised.error_code = 0;
			in.raised.payload = 1;
			verdict(&in, good && payload, "payload", vector * 4 + flags);
			in.begun = in.raised;
			in.raised = (struct kvm_exact_event){ 0 };
			verdict(&in, false, "payload of one begun", vector * 4 + flags);
			in.begun.payload = 0;
			verdict(&in, good && !payload, "begun", vector * 4 + flags);
			in.raised = hardware(6);
			verdict(&in, false, "two exceptions", vector * 4 + flags);
		}
}

/* Two vectors are instructions', and only they. */
static void test_soft_exceptions(void)
{
	unsigned int vector;

	for (vector = 0; vector < 256; vector++) {
		struct kvm_exact_state in = { .version = 1, .raised = hardware(vector) };

		in.raised.flags = has_error(vector) ? KVM_EXACT_HAS_ERROR : 0;
		in.raised.type = KVM_EXACT_SOFT_EXCEPTION;
		verdict(&in, vector == 3 || vector == 4, "soft exception", vector);
	}
}

static void test_lengths(void)
{
	unsigned int len;

	for (len = 0; len < 256; len++) {
		struct kvm_exact_state in = { .version = 1, .begun = hardware(6) };

		in.begun.insn_len = len;
		verdict(&in, !len, "length of a hardware exception", len);
		in.begun.type = KVM_EXACT_SOFT_EXCEPTION;
		in.begun.vector = 3;
		verdict(&in, len <= 15, "length of INT3", len);
		in.begun.type = 0;
		in.interrupt.insn_len = len;
		in.interrupt.type = KVM_EXACT_INTERRUPT;
		verdict(&in, !len, "length of an interrupt", len);
		in.interrupt.type = KVM_EXACT_SOFT_INTERRUPT;
		verdict(&in, len <= 15, "length of INT n", len);
	}
}

static void test_interrupts(void)
{
	unsigned int type;

	for (type = KVM_EXACT_INTERRUPT; type <= KVM_EXACT_SOFT_INTERRUPT; type++) {
		struct kvm_exact_state in = { .version = 1, .interrupt = { .type = type } };

		in.interrupt.vector = 255;
		verdict(&in, true, "interrupt", type);
		in.interrupt.flags = KVM_EXACT_HAS_ERROR;
		verdict(&in, false, "interrupt with flags", type);
		in.interrupt.flags = 0;
		in.interrupt.error_code = 1;
		verdict(&in, false, "interrupt with an error code", type);
		in.interrupt.error_code = 0;
		in.interrupt.payload = 1;
		verdict(&in, false, "interrupt with a payload", type);
	}
}

/* What has words in other ioctls is theirs. */
static void test_kept(void)
{
	const struct vcpu_events old = {
		.smi_pending = true, .in_smm = true, .smm_inside_nmi = true, .init = true,
		.sipi = true, .sipi_vector = 9, .mp_state = KVM_MP_STATE_HALTED,
	};
	struct kvm_exact_state in = { .version = 1 };
	struct vcpu_events ev = old;
	u64 db;
	u8 shadow;

	CHECK(!exact_set(&ev, &shadow, &db, &in), "refused");
	CHECK(ev.smi_pending && ev.in_smm && ev.smm_inside_nmi, "SMM is lost");
	CHECK(ev.init && ev.sipi && ev.sipi_vector == 9, "INIT and SIPI are lost");
	CHECK(ev.mp_state == KVM_MP_STATE_HALTED, "state %u", ev.mp_state);
}

int main(void)
{
	check_run("exact, " COMPILER ": there and back", test_machines);
	check_run("exact, " COMPILER ": version, flags, shadow, pending traps", test_header);
	check_run("exact, " COMPILER ": how many NMIs", test_nmis);
	check_run("exact, " COMPILER ": which slot takes which type", test_types);
	check_run("exact, " COMPILER ": exceptions", test_exceptions);
	check_run("exact, " COMPILER ": soft exceptions", test_soft_exceptions);
	check_run("exact, " COMPILER ": lengths", test_lengths);
	check_run("exact, " COMPILER ": interrupts", test_interrupts);
	check_run("exact, " COMPILER ": what is kept", test_kept);
	return check_end();
}
