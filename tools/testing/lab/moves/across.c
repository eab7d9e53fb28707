// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that is stopped with something pending, kept in a file, and resumed on another host.
 *
 * Whatever the VMM sends depends on nothing but how far the guest has come: so a guest that was
 * never stopped, one that was, and one that went from an AMD processor to an Intel one in between
 * come to the end with the same counts, if no event was lost on the way or came twice.
 *
 *	across --run ROUNDS			run to the end
 *	across --hunt ROUNDS --into DIRECTORY	stop again and again; leave a file for each kind
 *						of event found pending
 *	across --resume FILE [--bare]		go on from there; bare: without the events
 *	across --check FILE			say whether it is a state file; needs no /dev/kvm
 *
 * --chips, with the first two: a guest with a local APIC in the kernel, SMIs, a clock, and what
 * vm.h calls chips altogether.  A file says by itself which guest is in it.
 *
 * --for-linux, with any of them but the last: a guest that Linux's KVM can run, so that what is
 * lost was lost with the file.  It does nothing that Linux loses by itself (control-losses), and
 * MSRs that the KVM here does not list stay behind.
 *
 * The counts at the end are printed, a line each.  Next: statefile.c; machine.c, the machine.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "report.h"
#include "statefile.h"
#include "stop.h"

#define SEED		20
#define CPUID_ROOM	128
#define MSR_ROOM	96
#define PATIENCE	5	/* seconds, in which no round takes that long */
#define SLICE		20000	/* microseconds, after which a guest that sleeps is looked at */
#define NAPS		200	/* microseconds at most, for a stop while the guest sleeps */
#define LAST_ROUNDS	16	/* in which nothing is sent any more */
#define ERROR_BYTES	160
#define XSTATE_AT	512	/* of the header, in the XSAVE area */
#define XSTATE_LEGACY	3ULL	/* x87 and SSE: always in the area, XCR0 or not */

/** struct machine_state - of struct machine, what a file has to keep */
struct machine_state {
	struct devices devices;
	struct source irq, nmi, msi, smi;
	uint64_t irq_sum, without, limit;
	uint64_t next_irq, next_nmi, next_msi, next_smi, nmis;
	int32_t raise;
	uint8_t halted, want_irq;
	uint8_t chips, starting, start_in_smm, start_due, init_sent, pad;
};

/* Everything that goes into the file, but for memory. */
static struct {
	struct kvm_mp_state mp_state;
	struct kvm_regs regs;
	struct kvm_sregs2 sregs;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_xcrs xcrs;
	struct kvm_xsave xsave;
	struct kvm_lapic_state lapic;
	struct kvm_clock_data clock;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[MSR_ROOM];
	} msrs;
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_ROOM];
	} cpuid;
	struct machine_state machine;
} snapshot;

#define PART(name, member) { name, &snapshot.member, sizeof(snapshot.member) }

static struct state_part parts[] = {
	PART("KVM_GET_MP_STATE", mp_state),
	PART("KVM_GET_REGS", regs),
	PART("KVM_GET_SREGS2", sregs),
	PART("KVM_GET_DEBUGREGS", debugregs),
	PART("KVM_GET_VCPU_EVENTS", events),
	PART("KVM_GET_XCRS", xcrs),
	PART("KVM_GET_XSAVE", xsave),
	PART("KVM_GET_LAPIC", lapic),
	PART("KVM_GET_CLOCK", clock),
	PART("KVM_GET_MSRS", msrs),
	PART("KVM_GET_CPUID2", cpuid),
	PART("machine", machine),
	{ "memory", NULL, GUEST_RAM },
};

#define PARTS		(sizeof(parts) / sizeof(parts[0]))
#define MEMORY_PART	(PARTS - 1)

static bool for_linux, chips;	/* --for-linux, --chips, see above */

/* --- what is sent, and when -------------------------------------------------------------- */

static struct {
	uint64_t next_irq, next_nmi;	/* the rounds at which they are due */
	uint64_t next_msi, next_smi;
	uint64_t nmis;			/* how many times one was */
} schedule;

static bool sending(const struct machine *m)
{
	return m->shared->ready && m->shared->rounds + LAST_ROUNDS < m->shared->limit;
}

/* Not asked before an entry: whether the guest was stopped meanwhile must not matter. */
static bool never(struct machine *m)
{
	(void)m;
	return false;
}

/* After an exit of the guest's own, which comes at the same instruction every time. */
static void send_what_is_due(struct machine *m)
{
	uint64_t rounds = m->shared->rounds;

	if (!sending(m))
		return;
	if (rounds >= schedule.next_msi && machine_send_msi(m))
		schedule.next_msi = rounds + 2 + rounds % 5;
	if (rounds >= schedule.next_smi && machine_send_smi(m))
		schedule.next_smi = rounds + 4 + rounds % 9;
	if (rounds >= schedule.next_irq && !m->irq.outstanding) {
		m->want_irq = true;
		schedule.next_irq = rounds + 3 + rounds % 7;
	}
	/* by turns: two at once; one, and another in its handler; one */
	if (rounds < schedule.next_nmi ||
	    !machine_send_nmis(m, schedule.nmis % 3 == 0 ? 2 : 1))
		return;
	schedule.next_nmi = schedule.nmis % 3 == 1 ? rounds : rounds + 5 + rounds % 11;
	schedule.nmis++;
}

/* --- running ------------------------------------------------------------------------------ */

/* It has halted in the kernel, and nothing that it waits for is there, or will be. */
static bool sleeps_for_ever(struct machine *m)
{
	struct vcpu_image image;

	if (!m->chips || vcpu_mp_state(&m->vm) != KVM_MP_STATE_HALTED)
		return false;
	memset(&image, 0, sizeof(image));
	vcpu_save(&m->vm, &image);
	free(image.msrs);
	return !lapic_word(&image.lapic, LAPIC_TMCCT) && !lapic_bank_any(&image.lapic, LAPIC_IRR) &&
	       !image.events.interrupt.injected && !image.events.nmi.pending &&
	       !image.events.nmi.injected && !image.events.smi.pending;
}

/*
 * One exit, and all that it asks for; 0 or KVM_RUN's errno.  With chips a vCPU that sleeps does so
 * in the kernel: after @microseconds of it KVM_RUN ends.
 */
static int one_exit(struct machine *m, unsigned int microseconds)
{
	int error;

	machine_before_entry(m);
	if (m->chips)
		stop_by_timer(microseconds);
	error = vcpu_run(&m->vm);
	if (m->chips)
		stop_disarm();
	if (error)
		return error;
	machine_handle(m, m->vm.run);
	if (m->dead || m->done)
		return 0;
	vcpu_finish_io(&m->vm, machine_handle, m);
	machine_after_exit(m);
	send_what_is_due(m);
	return 0;
}

/* A guest that has lost an event may wait for it for ever. */
static void run_to_the_end(struct machine *m)
{
	uint64_t rounds = UINT64_MAX;

	while (!m->done && !m->dead) {
		int error;

		if (rounds != m->shared->rounds)
			alarm(PATIENCE);
		rounds = m->shared->rounds;
		error = one_exit(m, SLICE);
		if (error && error != -EINTR)
			errx(1, "KVM_RUN: %s", strerror(-error));
		if (error && sleeps_for_ever(m))
			m->dead = "sleeps for ever";
	}
}

static struct machine *new_machine(void)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m)
		err(1, "memory");
	m->together = !for_linux;
	m->two_nmis = true;
	/* what not every processor raises, and one that stops an emulator */
	m->without = 1ULL << P_xm | 1ULL << P_pf_rsvd | 1ULL << P_icebp;
	if (for_linux)
		m->without |= 1ULL << P_tf_mmio | 1ULL << P_start_smm;
	machine_init(m);
	m->irq_due = never;
	return m;
}

static struct machine *start(uint64_t rounds)
{
	struct machine *m = new_machine();

	m->chips = chips;
	if (chips && !vm_has_chips())
		errx(1, "this KVM has no local APIC, or no SMM");
	machine_start(m, SEED);
	stop_watch(m->vm.run);
	m->shared->limit = rounds;
	memset(&schedule, 0, sizeof(schedule));
	return m;
}

/* --- the file ------------------------------------------------------------------------------ */

static uint64_t *xstate_present(void)
{
	return (uint64_t *)((char *)&snapshot.xsave + XSTATE_AT);
}

static void pack_vcpu(const struct vcpu_image *image)
{
	snapshot.mp_state = image->mp_state;
	snapshot.regs = image->regs;
	snapshot.sregs = image->sregs;
	snapshot.debugregs = image->debugregs;
	snapshot.events = image->events;
	snapshot.xcrs = image->xcrs;
	if (!vm_has_xcr0())
		snapshot.xcrs = (struct kvm_xcrs) { .nr_xcrs = 1, .xcrs[0].value = 1 };
	/* what the guest has not enabled is the host's affair */
	snapshot.lapic = image->lapic;
	snapshot.clock = image->clock;
	memcpy(&snapshot.xsave, image->xsave, sizeof(snapshot.xsave));
	*xstate_present() &= snapshot.xcrs.xcrs[0].value | XSTATE_LEGACY;
	if (image->msrs->nmsrs > MSR_ROOM || vm_cpuid()->nent > CPUID_ROOM)
		errx(1, "more MSRs or CPUID leaves than a file has room for");
	memset(&snapshot.msrs, 0, sizeof(snapshot.msrs));
	memcpy(&snapshot.msrs, image->msrs, sizeof(*image->msrs) +
	       image->msrs->nmsrs * sizeof(image->msrs->entries[0]));
	memset(&snapshot.cpuid, 0, sizeof(snapshot.cpuid));
	memcpy(&snapshot.cpuid, vm_cpuid(), sizeof(*vm_cpuid()) +
	       vm_cpuid()->nent * sizeof(vm_cpuid()->entries[0]));
}

static void drop_unknown_msrs(struct kvm_msrs *msrs)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < msrs->nmsrs; i++)
		if (vm_has_msr(msrs->entries[i].index))
			msrs->entries[kept++] = msrs->entries[i];
	msrs->nmsrs = kept;
}

static void unpack_vcpu(struct vcpu_image *image)
{
	if (!vm_has_xcr0() && snapshot.xcrs.xcrs[0].value != 1)
		errx(1, "the guest uses extended state (XCR0 0x%llx), which this host has not",
		     snapshot.xcrs.xcrs[0].value);
	image->mp_state = snapshot.mp_state;
	image->regs = snapshot.regs;
	image->sregs = snapshot.sregs;
	image->debugregs = snapshot.debugregs;
	image->events = snapshot.events;
	image->xcrs = snapshot.xcrs;
	image->lapic = snapshot.lapic;
	image->clock = snapshot.clock;
	memcpy(image->xsave, &snapshot.xsave, sizeof(snapshot.xsave));
	if (for_linux)
		drop_unknown_msrs(&snapshot.msrs.head);
	image->msrs = &snapshot.msrs.head;
}

static void save(struct machine *m, const struct vcpu_image *image, const char *path)
{
	pack_vcpu(image);
	memset(&snapshot.machine, 0, sizeof(snapshot.machine));
	snapshot.machine.devices = m->devices;
	snapshot.machine.irq = m->irq;
	snapshot.machine.nmi = m->nmi;
	snapshot.machine.msi = m->msi;
	snapshot.machine.smi = m->smi;
	snapshot.machine.irq_sum = m->irq_sum;
	snapshot.machine.without = m->without;
	snapshot.machine.next_irq = schedule.next_irq;
	snapshot.machine.next_nmi = schedule.next_nmi;
	snapshot.machine.next_msi = schedule.next_msi;
	snapshot.machine.next_smi = schedule.next_smi;
	snapshot.machine.nmis = schedule.nmis;
	snapshot.machine.raise = m->raise;
	snapshot.machine.halted = m->halted;
	snapshot.machine.want_irq = m->want_irq;
	snapshot.machine.chips = m->chips;
	snapshot.machine.starting = m->starting;
	snapshot.machine.start_in_smm = m->start_in_smm;
	snapshot.machine.start_due = m->start_due;
	snapshot.machine.init_sent = m->init_sent;
	parts[MEMORY_PART].at = m->memory.at;
	if (state_write(path, parts, PARTS))
		err(1, "%s", path);
}

static void read_or_die(const char *path, void *memory)
{
	char error[ERROR_BYTES];

	parts[MEMORY_PART].at = memory;
	if (state_read(path, parts, PARTS, error))
		errx(1, "%s %s", path, error);
}

/* Nothing is made before the file has been found to be good. */
static struct machine *resume(const char *path, bool with_events)
{
	static struct vcpu_image image;
	void *memory = malloc(GUEST_RAM);
	struct machine *m;

	if (!memory)
		err(1, "memory");
	read_or_die(path, memory);
	m = new_machine();
	memcpy(m->memory.at, memory, GUEST_RAM);
	free(memory);
	machine_attach(m);
	m->devices = snapshot.machine.devices;
	m->irq = snapshot.machine.irq;
	m->nmi = snapshot.machine.nmi;
	m->msi = snapshot.machine.msi;
	m->smi = snapshot.machine.smi;
	m->irq_sum = snapshot.machine.irq_sum;
	m->without = snapshot.machine.without;
	m->raise = snapshot.machine.raise;
	m->halted = snapshot.machine.halted;
	m->want_irq = snapshot.machine.want_irq;
	m->chips = snapshot.machine.chips;
	m->starting = snapshot.machine.starting;
	m->start_in_smm = snapshot.machine.start_in_smm;
	m->start_due = snapshot.machine.start_due;
	m->init_sent = snapshot.machine.init_sent;
	schedule.next_irq = snapshot.machine.next_irq;
	schedule.next_nmi = snapshot.machine.next_nmi;
	schedule.next_msi = snapshot.machine.next_msi;
	schedule.next_smi = snapshot.machine.next_smi;
	schedule.nmis = snapshot.machine.nmis;
	if (m->chips && !vm_has_chips())
		errx(1, "the guest needs a local APIC and SMM, which this KVM has not");
	vm_open_as(&m->vm, &m->memory, m->chips, &snapshot.cpuid.head);
	stop_watch(m->vm.run);
	unpack_vcpu(&image);
	vcpu_load(&m->vm, &image, with_events);
	vcpu_refresh(&m->vm);
	return m;
}

/* --- hunting ------------------------------------------------------------------------------- */

/* So that a delivery is stopped in its midst. */
static int exit_without_page(struct machine *m)
{
	void *page = machine_page_of_delivery(m);
	int error;

	mprotect(page, PAGE, PROT_NONE);
	error = one_exit(m, SLICE);
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	return error;
}

/* The kinds that are hunted for. */
static int first_kind(const struct machine *m)
{
	return m->chips ? FOUND_CHIPS : 0;
}

static int end_of_kinds(const struct machine *m)
{
	return m->chips ? FOUND_ANY : FOUND_CHIPS;
}

static bool keep_new_kinds(struct machine *m, bool have[FOUNDS], const char *directory)
{
	static struct vcpu_image image;
	bool is[FOUNDS], all = true;
	char path[4096];

	machine_send_sipi(m);
	vcpu_save(&m->vm, &image);
	found_in(&image, m->shared->soft_rip, m->halted, is);
	for (int kind = first_kind(m); kind < end_of_kinds(m); kind++) {
		if (is[kind] && !have[kind]) {
			snprintf(path, sizeof(path), "%s/%s.state", directory, found_files[kind]);
			save(m, &image, path);
			have[kind] = true;
			printf("found %s in round %llu\n", found_files[kind],
			       (unsigned long long)m->shared->rounds);
		}
		all &= have[kind];
	}
	return all;
}

static int hunt(uint64_t rounds, const char *directory)
{
	struct machine *m = start(rounds);
	bool have[FOUNDS] = { false };
	bool all = false;

	srandom(SEED);
	while (!all && !m->done && !m->dead) {
		int error = random() % (m->chips ? 8 : 2) ? one_exit(m, 1 + random() % NAPS) :
							    exit_without_page(m);

		if (error && error != -EINTR && error != -EFAULT)
			errx(1, "KVM_RUN: %s", strerror(-error));
		if (m->shared->ready && !m->done && !m->dead)
			all = keep_new_kinds(m, have, directory);
	}
	for (int kind = first_kind(m); kind < end_of_kinds(m); kind++)
		if (!have[kind])
			printf("not found: %s\n", found_files[kind]);
	if (m->dead)
		printf("dead: %s\n", m->dead);
	return !all;
}

/* --- the end ------------------------------------------------------------------------------- */

static void count(const char *name, uint64_t value)
{
	printf("count %s %llu\n", name, (unsigned long long)value);
}

/*
 * An interrupt in STI's shadow, which QEMU's TCG allows behind an entry, costs one more: the guest
 * sleeps all the same.
 */
static int report(const struct machine *m)
{
#define NAME(name, class, text) #name,
	static const char *const names[] = { PROVOKED(NAME) };
	const struct guest_shared *s = m->shared;
	char name[64];

	for (int i = 0; i < PROVOKED_COUNT; i++) {
		snprintf(name, sizeof(name), "%s", names[i]);
		count(name, s->tally[i].taken);
		snprintf(name, sizeof(name), "%s-lost-or-doubled", names[i]);
		count(name, s->tally[i].lost + s->tally[i].doubled);
	}
	count("rounds", s->rounds);
	count("checksum", s->sum);
	/* with chips the time that passes has its part in how many those are */
	if (!m->chips) {
		count("interrupts", s->irq_taken - s->irq_in_shadow);
		count("nmis", s->nmi_taken);
	}
	count("interrupts-lost-or-doubled", m->irq.count.lost + m->irq.count.doubled +
	      m->irq.outstanding);
	count("nmis-lost-or-doubled", m->nmi.count.lost + m->nmi.count.doubled +
	      m->nmi.outstanding);
	count("messages", s->msi_taken);
	count("messages-lost-or-doubled", m->msi.count.lost + m->msi.count.doubled +
	      m->msi.outstanding);
	count("smis", m->smi.count.delivered);
	count("smis-lost-or-doubled", m->smi.count.lost + m->smi.count.doubled +
	      m->smi.outstanding);
	count("device-accesses", m->devices.count.delivered);
	count("device-accesses-lost-or-doubled", m->devices.count.lost + m->devices.count.doubled);
	count("wrong-values", s->wrongs);
	printf("%s\n", m->dead ? m->dead : "came to the end");
	return m->dead || s->wrongs || m->irq_sum != s->irq_sum;
}

static int run_and_report(struct machine *m)
{
	run_to_the_end(m);
	return report(m);
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "run", required_argument, NULL, 'r' },
		{ "hunt", required_argument, NULL, 'h' },
		{ "into", required_argument, NULL, 'i' },
		{ "resume", required_argument, NULL, 'f' },
		{ "check", required_argument, NULL, 'c' },
		{ "bare", no_argument, NULL, 'b' },
		{ "for-linux", no_argument, NULL, 'l' },
		{ "chips", no_argument, NULL, 'k' },
		{ 0 }
	};
	const char *argument = NULL, *into = ".";
	bool bare = false;
	int c, what = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'i') {
			into = optarg;
		} else if (c == 'b') {
			bare = true;
		} else if (c == 'l') {
			for_linux = true;
		} else if (c == 'k') {
			chips = true;
		} else {
			what = c;
			argument = optarg;
		}
	}
	if (what != 'c')
		stop_init();
	switch (what) {
	case 'r':
		return run_and_report(start(strtoull(argument, NULL, 0)));
	case 'h':
		return hunt(strtoull(argument, NULL, 0), into);
	case 'f':
		return run_and_report(resume(argument, !bare));
	case 'c':
		read_or_die(argument, malloc(GUEST_RAM));
		return 0;
	default:
		fprintf(stderr, "usage: across [--for-linux] [--chips] --run ROUNDS |\n"
			"              [--for-linux] [--chips] --hunt ROUNDS --into DIRECTORY |\n"
			"              [--for-linux] --resume FILE [--bare] | --check FILE\n");
		return 2;
	}
}
