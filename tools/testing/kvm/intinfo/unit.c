// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit.c - every event through both vendors' words, into the processor and back.
 *
 * An event that is injected must be accepted, make the frame that was meant, and, if its
 * delivery is interrupted, be owed again as it was.  What the guest makes itself must be
 * understood.  And every state that a VMX guest is entered with must be one that an entry
 * accepts, whatever waits.
 */
#include "../check.h"
#include "hardware.h"
#include "vmx/intinfo.h"

#define ERROR_BITS	0xabcd

static const struct vendor *const vendors[] = { &svm, &vmx, &vmx_any_error_code };

/* Number @n of all events that can be injected; false past the last. */
static bool nth_event(unsigned int n, struct event *event)
{
	static const u8 lengths[] = { 0, 1, 2, 15 };

	if (n < 32) {
		*event = (struct event){
			.kind = EVENT_EXCEPTION, .vector = n, .has_error = exception_has_error(n),
			/* #DF has always 0 */
			.error = exception_has_error(n) && n != 8 ? ERROR_BITS : 0,
		};
		if (n == 2)
			*event = (struct event){ .kind = EVENT_NMI, .vector = 2 };
		else if (n == 3 || n == 4)
			*event = (struct event){ .kind = EVENT_SOFT_EXCEPTION, .vector = n };
		return true;
	}
	n -= 32;
	if (n < 8) {
		*event = (struct event){
			.kind = EVENT_SOFT_EXCEPTION, .vector = 3 + n / 4,
			.insn_len = lengths[n % 4],
		};
		return true;
	}
	n -= 8;
	if (n < 256) {
		*event = (struct event){ .kind = EVENT_IRQ, .vector = n };
		return true;
	}
	n -= 256;
	*event = (struct event){
		.kind = EVENT_SOFT_IRQ, .vector = n / 4, .insn_len = lengths[n % 4],
	};
	return n < 1024;
}

/* The machine that has just injected it. */
static struct vcpu_events injected(const struct event *event)
{
	return (struct vcpu_events){
		.inflight = *event,
		.nmi_mask = event->kind == EVENT_NMI ? NMI_MASKED : NMI_OPEN,
	};
}

/* Where in the machine this event is owed. */
static const struct event *slot(const struct vcpu_events *ev, const struct event *event)
{
	return event->kind == EVENT_IRQ || event->kind == EVENT_SOFT_IRQ ? &ev->irq :
									   &ev->inflight;
}

static bool owed(const struct vcpu_events *ev, const struct event *event)
{
	const struct event *there = slot(ev, event);
	const struct event *other = there == &ev->irq ? &ev->inflight : &ev->irq;

	if (event->kind == EVENT_NMI)
		return ev->nmi_begun && ev->nmi_mask == NMI_OPEN && !ev->inflight.kind &&
		       !ev->irq.kind;
	return there->kind == event->kind && there->vector == event->vector &&
	       there->insn_len == event->insn_len && there->has_error == event->has_error &&
	       there->error == event->error && !other->kind && !ev->nmi_begun;
}

static bool is_exception(const struct event *event)
{
	return event->kind == EVENT_EXCEPTION || event->kind == EVENT_SOFT_EXCEPTION;
}

/* Such error codes came after this processor: it is not asked for them, and they are lost. */
static bool loses_error(const struct vendor *v, const struct event *event)
{
	return v == &vmx && event->kind == EVENT_EXCEPTION &&
	       (event->vector == 21 || event->vector == 29 || event->vector == 30);
}

static void check_taken(const struct vendor *v, const struct event *event, bool real_mode)
{
	struct event given = *event;
	struct entry entry = { .real_mode = real_mode };
	const char *refused;
	struct taken taken;

	given.has_error = event->has_error && !real_mode;
	entry.info = v->say(&given);
	entry.insn_len = given.insn_len ? given.insn_len : event_is_soft(&given);
	refused = v->take(&entry, &taken);
	CHECK(!refused, "%s: %#x: %s", v->name, entry.info, refused);
	CHECK(taken.vector == event->vector, "%s: %#x", v->name, entry.info);
	CHECK(taken.error == (given.has_error && !loses_error(v, event)), "%s: %#x", v->name,
	      entry.info);
	CHECK(taken.behind == event_is_soft(event), "%s: %#x", v->name, entry.info);
	CHECK(taken.exception == (is_exception(event) && v->knows(event->vector)), "%s: %#x",
	      v->name, entry.info);
	CHECK(taken.nmi == (event->kind == EVENT_NMI), "%s: %#x", v->name, entry.info);
}

static void check_returned(const struct vendor *v, const struct event *event, u32 info)
{
	struct event_report report = { .undelivered = v->understand(info, event->error) };
	struct vcpu_events ev = injected(event);
	struct event expected = *event;

	if (loses_error(v, event) && report.undelivered.kind == EVENT_EXCEPTION)
		expected.error = 0;
	events_exit(&ev, &report);
	CHECK(owed(&ev, &expected), "%s: %#x of vector %u, kind %u is another event", v->name, info,
	      event->vector, event->kind);
}

/* An event has its name in the words that inject it, if the processor has one for it. */
static void check_named(const struct vendor *v, const struct event *event, u32 info)
{
	u8 kind = v->understand(info, 0).kind;
	bool unknown = event->kind == EVENT_EXCEPTION && !v->knows(event->vector);
	/* INT 3 and INT3 */
	bool alike = v == &svm && event->kind == EVENT_SOFT_IRQ &&
		     (event->vector == 3 || event->vector == 4);

	CHECK(kind == (unknown ? EVENT_IRQ : alike ? EVENT_SOFT_EXCEPTION : event->kind),
	      "%s: %#x is %u", v->name, info, kind);
}

static void test_injected(void)
{
	struct event event;
	unsigned int i, n;
	u32 info, renamed;

	for (i = 0; i < ARRAY_SIZE(vendors); i++)
		for (n = 0; nth_event(n, &event); n++) {
			check_taken(vendors[i], &event, false);
			check_taken(vendors[i], &event, true);
			info = vendors[i]->say(&event);
			check_named(vendors[i], &event, info);
			check_returned(vendors[i], &event, info);
			/* TCG says so, but of NMIs */
			renamed = (info & ~0xf00u) | (event.kind == EVENT_NMI ? 0x200 : 0);
			check_returned(vendors[i], &event, renamed);
		}
}

/* Frames without error codes, in real mode: the code is there when the event is owed again. */
static void test_real_mode(void)
{
	struct event event, given;
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(vendors); i++)
		for (n = 0; n < 32 && nth_event(n, &event); n++) {
			struct event_report report;
			struct vcpu_events ev;

			given = event;
			given.has_error = false;
			ev = injected(&given);
			report = (struct event_report){
				.undelivered = vendors[i]->understand(vendors[i]->say(&given), 0),
			};
			events_exit(&ev, &report);
			CHECK(n == 2 || ev.inflight.has_error == event.has_error, "%s: %u",
			      vendors[i]->name, n);
		}
}

static u8 expected_kind(enum origin from, const struct vendor *v, u8 vector)
{
	switch (from) {
	case ORIGIN_INT_N:
		/* one word for INT 3 and INT3 (APM 15.7.2): either is made again at RIP */
		return v == &svm && (vector == 3 || vector == 4) ? EVENT_SOFT_EXCEPTION :
								   EVENT_SOFT_IRQ;
	case ORIGIN_INT3_INTO:
	case ORIGIN_INT1:
		return EVENT_SOFT_EXCEPTION;
	default:
		return EVENT_EXCEPTION;
	}
}

static void check_own(const struct vendor *v, enum origin from, u8 vector)
{
	bool error = from == ORIGIN_FAULT && exception_has_error(vector);
	u32 info = v->report(from, vector, error), code = vector == 8 ? 0 : ERROR_BITS;
	struct event event = v->understand(info, code);
	struct event_report report = { .undelivered = event };
	struct vcpu_events ev = { .inflight.kind = EVENT_NONE };

	CHECK(event.kind == expected_kind(from, v, vector), "%s: %#x: %u", v->name, info,
	      event.kind);
	CHECK(event.vector == vector, "%s: %#x", v->name, info);
	CHECK(event.has_error == error, "%s: %#x", v->name, info);
	CHECK(event.error == (error ? code : 0), "%s: %#x", v->name, info);
	CHECK(!event.insn_len && !event.has_payload, "%s: %#x", v->name, info);
	events_exit(&ev, &report);
	/* of an instruction nothing is owed: it stands at RIP */
	CHECK(event_is_soft(&event) ? events_idle(&ev) : owed(&ev, &event), "%s: %#x", v->name,
	      info);
}

static void test_own(void)
{
	unsigned int i, vector;

	for (i = 0; i < ARRAY_SIZE(vendors); i++) {
		for (vector = 0; vector < 256; vector++)
			check_own(vendors[i], ORIGIN_INT_N, vector);
		for (vector = 0; vector < 32; vector++)
			/* those two are instructions', on SVM by the same word */
			if (vector != 2 && vector != 3 && vector != 4)
				check_own(vendors[i], ORIGIN_FAULT, vector);
		check_own(vendors[i], ORIGIN_INT3_INTO, 3);
		check_own(vendors[i], ORIGIN_INT3_INTO, 4);
	}
	check_own(&vmx, ORIGIN_INT1, 1);
}

static void test_not_valid(void)
{
	struct event none;
	unsigned int i;
	u32 info;

	for (i = 0; i < ARRAY_SIZE(vendors); i++)
		for (info = 0; info < 0x2000; info++) {
			none = vendors[i]->understand(info, ERROR_BITS);
			CHECK(!none.kind && !none.vector && !none.error, "%s: %#x",
			      vendors[i]->name, info);
		}
}

/* An error code that VMX does not say is there is not read from what happens to stand there. */
static void test_no_error(void)
{
	CHECK(!vmx_event_of(0x80000301, ERROR_BITS).error, "#DB");
	CHECK(vmx_event_of(0x80000b0d, ERROR_BITS).error == ERROR_BITS, "#GP");
}

/* ---- What a VMX guest is entered with (SDM 26.3.1.4, 26.3.1.5). ---- */

struct vmx_state {
	u32 info;
	u32 interruptibility;
	u64 pending_dbg;
	bool if_set;
	bool tf;
};

static const char *refused(const struct vmx_state *s)
{
	bool sti = s->interruptibility & 1, mov_ss = s->interruptibility & 2;
	u32 type = s->info >> 8 & 7;
	bool valid = s->info >> 31;

	if (s->interruptibility & ~0xbu)
		return "reserved, SMI and enclave bits";
	if (sti && mov_ss)
		return "two shadows";
	if (sti && !s->if_set)
		return "STI's shadow with IF clear";
	if (valid && type == 0 && (sti || mov_ss || !s->if_set))
		return "an interrupt that nothing lets in";
	/* some processors want STI's bit to be 0, too */
	if (valid && type == 2 && (mov_ss || sti || s->interruptibility & 8))
		return "an NMI that is held back";
	if (s->pending_dbg & ~0x500fULL)
		return "reserved debug bits";
	if ((sti || mov_ss) && !!(s->pending_dbg & 0x4000) != s->tf)
		return "a single step that waits, or does not, against TF";
	return NULL;
}

struct mix {
	struct vcpu_events ev;
	struct event_gates gates;
	bool tf;
	u64 pending_db;
};

static bool nth_mix(unsigned int n, struct mix *mix)
{
	static const struct event none;
	const struct event first[] = {
		none, { .kind = EVENT_EXCEPTION, .vector = 14, .has_error = true, .error = 2 },
		{ .kind = EVENT_EXCEPTION, .vector = 1 },
		{ .kind = EVENT_SOFT_EXCEPTION, .vector = 3, .insn_len = 1 },
	};
	const struct event irqs[] = {
		none, { .kind = EVENT_IRQ, .vector = 0x40 },
		{ .kind = EVENT_SOFT_IRQ, .vector = 0x40, .insn_len = 2 },
		{ .kind = EVENT_SOFT_IRQ, .vector = 0x40 },
	};
	static const u64 debug[] = { 0, 0x4000, 0x1001, 0x5001 };

	memset(mix, 0, sizeof(*mix));
	mix->gates.if_set = n & 1;
	mix->gates.irq_wanted = n >> 1 & 1;
	mix->gates.shadow = n >> 2 & 3;
	mix->tf = n >> 4 & 1;
	mix->gates.stepped = n >> 5 & 1;
	mix->ev.fault = first[n >> 6 & 3];
	mix->ev.irq = irqs[n >> 8 & 3];
	mix->pending_db = debug[n >> 10 & 3];
	mix->ev.nmi_begun = n >> 12 & 1;
	mix->ev.nmi_mask = n >> 13 & 1 ? NMI_MASKED : NMI_OPEN;
	mix->ev.nmi_pending = n >> 14 & 1;
	/* as run.c has it: STI's shadow is not there while IF is 0 */
	if (!mix->gates.if_set && mix->gates.shadow == SHADOW_STI)
		mix->gates.shadow = 0;
	return n >> 15 == 0;
}

static void check_entry(const struct mix *mix)
{
	struct event_plan plan = events_plan(&mix->ev, &mix->gates);
	const u8 shadow = mix->gates.shadow;
	bool swapped = vmx_swaps_shadow(shadow, plan.step || mix->tf);
	struct vmx_state s = {
		.info = plan.inject.kind ? vmx_intinfo_of(&plan.inject, false) : 0,
		.interruptibility = vmx_interruptibility(shadow, swapped, vmx_masks_nmis(&plan)),
		.pending_dbg = vmx_pending_dbg(shadow, mix->pending_db, mix->tf),
		.if_set = mix->gates.if_set,
		.tf = mix->tf,
	};
	const char *why = refused(&s);
	bool masked = mix->ev.nmi_mask || plan.inject.kind == EVENT_NMI;

	CHECK(!why, "%s: info %#x, interruptibility %#x, debug %#llx", why, s.info,
	      s.interruptibility, (unsigned long long)s.pending_dbg);
	/* nothing of it is lost: a shadow holds back, and comes back as it was */
	CHECK(!!(s.interruptibility & 3) == !!shadow, "shadow %u", shadow);
	CHECK(vmx_shadow_of(s.interruptibility, swapped) ==
	      (shadow == SHADOW_ANY ? SHADOW_MOV_SS : shadow), "shadow %u", shadow);
	CHECK(shadow != SHADOW_STI || !(plan.step || mix->tf) || s.interruptibility & 2,
	      "the step would come before the instruction");
	CHECK(shadow != SHADOW_STI || plan.step || mix->tf || s.interruptibility & 1,
	      "another shadow, without need");
	CHECK(!!(s.interruptibility & 8) ==
	      (masked && !plan.step && plan.inject.kind != EVENT_NMI), "NMI mask");
	/* the step ends at the window, which opens behind the shadow */
	CHECK(!plan.step || (plan.nmi_window && !(s.interruptibility & 8)), "a step without end");
	CHECK((s.pending_dbg & 0x100f) == (mix->pending_db & 0x100f), "a trap is lost");
	CHECK(shadow || s.pending_dbg == mix->pending_db, "a step is lost");
}

static void test_entry(void)
{
	struct mix mix;
	unsigned int n;

	for (n = 0; nth_mix(n, &mix); n++)
		check_entry(&mix);
}

/* What an exit leaves: MOV SS' own, and no shadow at all. */
static void test_shadow(void)
{
	CHECK(vmx_shadow_of(0, false) == 0, "none");
	CHECK(vmx_shadow_of(0, true) == 0, "none, swapped");
	CHECK(vmx_shadow_of(8, false) == 0, "an NMI mask is no shadow");
	CHECK(vmx_shadow_of(1, false) == SHADOW_STI, "STI");
	CHECK(vmx_shadow_of(1, true) == SHADOW_STI, "STI again");
	CHECK(vmx_shadow_of(2, false) == SHADOW_MOV_SS, "MOV SS");
	CHECK(vmx_shadow_of(2, true) == SHADOW_STI, "swapped");
}

/* The bit is meant where it is defined, and nowhere else (SDM 27.2.3). */
static void test_iret(void)
{
	const u64 opened = 1 << 12, others = ~opened;

	CHECK(vmx_iret_undone(opened, false, false), "an IRET has opened the mask");
	CHECK(!vmx_iret_undone(opened, true, false), "in a delivery");
	CHECK(!vmx_iret_undone(opened, false, true), "#DF");
	CHECK(!vmx_iret_undone(opened, true, true), "#DF in a delivery");
	CHECK(!vmx_iret_undone(others, false, false), "other bits");
	CHECK(!vmx_iret_undone(0, false, false), "nothing");
}

int main(void)
{
	check_run("intinfo (" COMPILER "), injected and given back", test_injected);
	check_run("intinfo (" COMPILER "), real mode", test_real_mode);
	check_run("intinfo (" COMPILER "), the guest's own", test_own);
	check_run("intinfo (" COMPILER "), not valid", test_not_valid);
	check_run("intinfo (" COMPILER "), error codes", test_no_error);
	check_run("intinfo (" COMPILER "), VMX entries", test_entry);
	check_run("intinfo (" COMPILER "), VMX shadows", test_shadow);
	check_run("intinfo (" COMPILER "), VMX and IRET", test_iret);
	return check_end();
}
