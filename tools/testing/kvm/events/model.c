// SPDX-License-Identifier: GPL-2.0-only
/*
 * model.c - search all states that events.c and a processor can be in together.
 *
 * Begins at reset and at every state that KVM_SET_VCPU_EVENTS accepts, up to
 * vectors of the same class; goes breadth first over everything that can
 * happen (act() in cpu.c), checks every state (properties.c), and shows the
 * way to the first that is wrong.  model.h says what a state is.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "model.h"

#define TABLE_BITS	21
#define TABLE_SIZE	(1u << TABLE_BITS)
#define STATES_MAX	(TABLE_SIZE / 2)
#define EVENT_SHAPES	128

struct key {
	u64 machine;
	u64 rest;
};

struct node {
	struct key key;
	u32 parent;
	const char *action;
};

static struct node *nodes;
static u32 *table;		/* indices into nodes, plus one */
static u32 count, current;
static u64 transitions;

static const struct machine machines[] = {
	{ .name = "SVM", .vendor = &svm },
	{ .name = "VMX", .vendor = &vmx, .nmi_tracked = true },
	{ .name = "SVM, real mode", .vendor = &svm, .real_mode = true },
	{ .name = "VMX, real mode", .vendor = &vmx, .nmi_tracked = true, .real_mode = true },
	{ .name = "SVM, SMIs", .vendor = &svm, .smm = true },
	{ .name = "VMX, SMIs", .vendor = &vmx, .nmi_tracked = true, .smm = true },
};

const struct machine *machine;
const struct event_abi full_abi = { .payload = true, .triple_fault = true };

/* ---- States as keys. ---- */

static struct event shapes[EVENT_SHAPES];
static u32 shape_count;

static bool same_shape(const struct event *a, const struct event *b)
{
	return a->kind == b->kind && a->vector == b->vector && a->insn_len == b->insn_len &&
	       a->has_error == b->has_error && a->has_payload == b->has_payload &&
	       a->error == b->error && a->payload == b->payload;
}

static u64 shape(const struct event *event)
{
	u32 i;

	for (i = 0; i < shape_count; i++)
		if (same_shape(&shapes[i], event))
			return i;
	if (shape_count == EVENT_SHAPES) {
		fprintf(stderr, "model: more shapes of events than expected\n");
		exit(2);
	}
	shapes[shape_count] = *event;
	return shape_count++;
}

/* One description of the key serves both directions. */
struct packer {
	u64 word;
	unsigned int shift;
	bool unpack;
};

static u64 bits(struct packer *p, u64 value, unsigned int width)
{
	u64 mask = (1ull << width) - 1;

	if (p->unpack)
		value = p->word >> p->shift & mask;
	else
		p->word |= (value & mask) << p->shift;
	p->shift += width;
	return value;
}

static void pack_event(struct packer *p, struct event *event)
{
	u64 index = bits(p, p->unpack ? 0 : shape(event), 8);

	if (p->unpack)
		*event = shapes[index];
}

#define PACK(p, field, width)	((field) = bits(p, field, width))

static void pack_machine(struct packer *p, struct vcpu_events *ev)
{
	pack_event(p, &ev->inflight);
	pack_event(p, &ev->fault);
	pack_event(p, &ev->irq);
	PACK(p, ev->nmi_begun, 1);
	PACK(p, ev->nmi_pending, 2);
	PACK(p, ev->nmi_mask, 2);
	PACK(p, ev->shutdown, 1);
	PACK(p, ev->fault_restored, 1);
	PACK(p, ev->smi_pending, 1);
	PACK(p, ev->in_smm, 1);
	PACK(p, ev->smm_inside_nmi, 1);
}

static void pack_rest(struct packer *p, struct state *s)
{
	PACK(p, s->cpu.if_set, 1);
	PACK(p, s->cpu.shadow, 2);
	PACK(p, s->cpu.at, 3);
	PACK(p, s->cpu.blocked, 1);
	PACK(p, s->cpu.smm, 1);
	PACK(p, s->cpu.outer_blocked, 1);
	PACK(p, s->owed.exception, 4);
	PACK(p, s->owed.begun, 1);
	PACK(p, s->owed.payload, 1);
	PACK(p, s->owed.restored, 1);
	PACK(p, s->owed.irq, 8);
	PACK(p, s->owed.soft, 8);
	PACK(p, s->owed.nmi_begun, 1);
	PACK(p, s->owed.nmi, 2);
	PACK(p, s->owed.smi, 1);
	PACK(p, s->owed.shutdown, 1);
	PACK(p, s->phase, 2);
	PACK(p, s->irq_window, 1);
	PACK(p, s->nmi_window, 1);
	PACK(p, s->again, 1);
	PACK(p, s->watch_iret, 1);
	PACK(p, s->iret_goes, 1);
	PACK(p, s->step, 1);
	PACK(p, s->moved, 1);
}

static struct key pack(const struct state *s)
{
	struct state copy = *s;
	struct packer first = { .unpack = false }, second = { .unpack = false };

	pack_machine(&first, &copy.ev);
	pack_rest(&second, &copy);
	return (struct key){ first.word, second.word };
}

static void unpack(const struct key *key, struct state *s)
{
	struct packer first = { .word = key->machine, .unpack = true };
	struct packer second = { .word = key->rest, .unpack = true };

	memset(s, 0, sizeof(*s));
	pack_machine(&first, &s->ev);
	pack_rest(&second, s);
}

/* ---- The search. ---- */

static u32 *slot_of(const struct key *key)
{
	u64 hash = (key->machine * 0x9e3779b97f4a7c15ull) ^ (key->rest * 0xc2b2ae3d27d4eb4full);
	u32 i = (hash ^ hash >> 29) & (TABLE_SIZE - 1);

	while (table[i] && (nodes[table[i] - 1].key.machine != key->machine ||
			    nodes[table[i] - 1].key.rest != key->rest))
		i = (i + 1) & (TABLE_SIZE - 1);
	return &table[i];
}

static void add(const struct state *s, u32 parent, const char *action)
{
	struct key key = pack(s);
	u32 *slot = slot_of(&key);

	if (*slot)
		return;
	if (count == STATES_MAX) {
		fprintf(stderr, "model: more states than the table holds\n");
		exit(2);
	}
	nodes[count] = (struct node){ key, parent, action };
	*slot = ++count;
}

void reach(const struct state *s, const char *action)
{
	transitions++;
	add(s, current, action);
}

static void print_event(const char *name, const struct event *event)
{
	static const char *const kinds[] = { "-", "exc", "soft-exc", "nmi", "irq", "soft-irq" };

	if (event->kind)
		printf(" %s=%s:%u%s", name, kinds[event->kind % ARRAY_SIZE(kinds)], event->vector,
		       event->has_payload ? "+payload" : "");
	if (event_is_soft(event))
		printf("/len %u", event->insn_len);
}

static void print_state(const struct state *s)
{
	static const char *const phases[] = { "outside", "injecting", "fresh", "running" };

	printf("%-9s if=%d shadow=%d at=%d blocked=%d%s |", phases[s->phase], s->cpu.if_set,
	       s->cpu.shadow, s->cpu.at, s->cpu.blocked, s->cpu.smm ? " smm" : "");
	print_event("inflight", &s->ev.inflight);
	print_event("fault", &s->ev.fault);
	print_event("irq", &s->ev.irq);
	printf(" nmi=%d+%d mask=%d%s | owed: %s%s", s->ev.nmi_begun, s->ev.nmi_pending,
	       s->ev.nmi_mask, s->ev.shutdown ? " shutdown" : "", wares[s->owed.exception].name,
	       s->owed.begun ? " begun" : "");
	printf(" irq=%d soft=%d nmi=%d+%d smi=%d\n", s->owed.irq, s->owed.soft,
	       s->owed.nmi_begun, s->owed.nmi, s->owed.smi);
}

static void print_way(u32 index)
{
	struct state s;

	if (nodes[index].parent != index)
		print_way(nodes[index].parent);
	unpack(&nodes[index].key, &s);
	printf("  %-28s ", nodes[index].action);
	print_state(&s);
}

void violation(const struct state *s, const char *format, ...)
{
	va_list args;

	printf("not ok events, model (" COMPILER "), %s: ", machine->name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	if (count)
		print_way(current);
	printf("  %-28s ", "=> wrong");
	print_state(s);
	exit(1);
}

/* ---- Where it begins. ---- */

struct begin_exception {
	enum ware ware;
	bool pending;
	bool payload;
};

#define INJECTED(name)		{ .ware = (name) }
#define PENDING(name)		{ .ware = (name), .pending = true }
#define WITH_PAYLOAD(name)	{ .ware = (name), .pending = true, .payload = true }

static const struct begin_exception begin_exceptions[] = {
	INJECTED(W_NONE), INJECTED(W_DB), INJECTED(W_UD), INJECTED(W_GP), INJECTED(W_PF),
	INJECTED(W_DF), INJECTED(W_BP), PENDING(W_DB), PENDING(W_UD), PENDING(W_GP),
	PENDING(W_PF), PENDING(W_DF), PENDING(W_BP), WITH_PAYLOAD(W_DB), WITH_PAYLOAD(W_PF),
};

static const struct {
	u8 vector;
	bool soft;
} begin_irqs[] = {
	{ 0, false }, { VECTOR_SHARED, false }, { VECTOR_LOW, false }, { VECTOR_SHARED, true },
	{ VECTOR_LOW, true },
};

static void say_exception(const struct begin_exception *begin, struct state *s,
			  struct kvm_vcpu_events *image)
{
	const struct ware_facts *facts = &wares[begin->ware];

	if (begin->ware == W_NONE)
		return;
	image->exception.injected = !begin->pending;
	image->exception.pending = begin->pending;
	image->exception.nr = facts->vector;
	image->exception.has_error_code = facts->has_error;
	image->exception.error_code = facts->error;
	image->exception_has_payload = begin->payload;
	image->exception_payload = begin->payload ? facts->payload : 0;
	s->owed.restored = begin->pending;
	if (begin->ware == W_BP && s->cpu.at == AT_INT3)
		return;
	s->owed.exception = begin->ware;
	s->owed.begun = !begin->pending;
	s->owed.payload = begin->payload;
}

static void say_irq(u8 vector, bool soft, struct state *s, struct kvm_vcpu_events *image)
{
	image->interrupt.injected = !!vector;
	image->interrupt.nr = vector;
	image->interrupt.soft = soft;
	if (!soft)
		s->owed.irq = vector;
	else if (s->cpu.at != (vector == VECTOR_SHARED ? AT_INT_SHARED : AT_INT_LOW))
		s->owed.soft = vector;
}

/* @number runs over every combination of an NMI begun, pending 0 to 2, masked, and shutdown. */
static void say_nmi(unsigned int number, struct state *s, struct kvm_vcpu_events *image)
{
	u8 room;

	image->nmi.injected = number & 1;
	image->nmi.masked = number >> 1 & 1;
	image->triple_fault.pending = number >> 2 & 1;
	image->nmi.pending = number >> 3;
	room = image->nmi.injected || image->nmi.masked ? 1 : 2;
	s->owed.nmi_begun = image->nmi.injected;
	s->owed.nmi = image->nmi.pending < room ? image->nmi.pending : room;
	s->owed.shutdown = image->triple_fault.pending;
	s->cpu.blocked = image->nmi.masked;
}

/* @number runs over every combination of SMM, an SMI pending, NMIs masked before. */
static void say_smm(unsigned int number, struct state *s, struct kvm_vcpu_events *image)
{
	image->smi.smm = number & 1;
	image->smi.pending = number >> 1 & 1;
	image->smi.smm_inside_nmi = number >> 2 & 1;
	s->cpu.smm = image->smi.smm;
	s->owed.smi = image->smi.pending;
	s->cpu.outer_blocked = image->smi.smm && image->smi.smm_inside_nmi;
}

static void begin_at(const struct cpu *cpu, const struct begin_exception *exception,
		     unsigned int irq, unsigned int nmi, unsigned int smm)
{
	struct kvm_vcpu_events image = { .flags = 0x3d, .interrupt.shadow = cpu->shadow };
	struct state s = { .cpu = *cpu };

	say_exception(exception, &s, &image);
	say_irq(begin_irqs[irq].vector, begin_irqs[irq].soft, &s, &image);
	say_nmi(nmi, &s, &image);
	say_smm(smm, &s, &image);
	events_reset(&s.ev);
	MUST(&s, !events_set(&s.ev, &full_abi, &s.cpu.shadow, &image), "refused");
	add(&s, count, "KVM_SET_VCPU_EVENTS");
}

static void begin_everywhere(const struct cpu *cpu)
{
	unsigned int exception, irq, nmi;

	for (exception = 0; exception < ARRAY_SIZE(begin_exceptions); exception++)
		for (irq = 0; irq < ARRAY_SIZE(begin_irqs); irq++)
			for (nmi = 0; nmi < 3 << 3; nmi++)
				begin_at(cpu, &begin_exceptions[exception], irq, nmi, 0);
}

/* In and out of SMM, with NMIs but little else: the rest arrives there. */
static void begin_in_smm(const struct cpu *cpu)
{
	unsigned int smm, nmi;

	for (smm = 0; smm < 8; smm++)
		for (nmi = 0; nmi < 3 << 3; nmi++)
			begin_at(cpu, &begin_exceptions[0], 0, nmi, smm);
}

static void begin_all(void)
{
	struct state reset = { .cpu.at = AT_ANYTHING };
	struct cpu cpu = { .if_set = false };
	unsigned int i;

	events_reset(&reset.ev);
	add(&reset, 0, "reset");
	for (i = 0; i < (AT_INT_TWO + 1) << 3; i++) {
		cpu.at = i >> 3;
		cpu.if_set = i & 1;
		cpu.shadow = i >> 1 & 3;
		if (machine->smm)
			begin_in_smm(&cpu);
		else
			begin_everywhere(&cpu);
	}
}

static void search(void)
{
	struct state s;

	count = 0;
	transitions = 0;
	memset(table, 0, TABLE_SIZE * sizeof(*table));
	begin_all();
	for (current = 0; current < count; current++) {
		unpack(&nodes[current].key, &s);
		if (s.phase == OUTSIDE) {
			check_state(&s);
			if (!s.ev.shutdown)
				drain(&s);
		}
		act(&s);
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1000000000.0;
}

int main(void)
{
	double began = now();
	size_t i;

	nodes = malloc(STATES_MAX * sizeof(*nodes));
	table = malloc(TABLE_SIZE * sizeof(*table));
	if (!nodes || !table)
		return 2;
	for (i = 0; i < ARRAY_SIZE(machines); i++) {
		machine = &machines[i];
		search();
		printf("ok events, model (" COMPILER "), %s: %u states, %llu transitions, %.2f s\n",
		       machine->name, count, (unsigned long long)transitions, now() - began);
		began = now();
	}
	return 0;
}
