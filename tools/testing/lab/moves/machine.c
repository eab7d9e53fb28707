// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine around the vCPU: memory with the guest program in it, what its exits mean, and
 * how interrupts, NMIs and exceptions are put in from outside.
 *
 * Interrupt controllers are here, not in the kernel, so an interrupt is delivered by the
 * protocol of kvm_run: KVM_INTERRUPT only when ready_for_interrupt_injection says so, and
 * request_interrupt_window to be told when.  Each source has at most one event in flight (NMIs:
 * two), so each acknowledgment by the guest tells exactly which event has arrived.
 *
 * With chips there is a local APIC in the kernel, and KVM_INTERRUPT is what a PIC beside it would
 * say.  Then there are messages to the APIC, too, and SMIs.  And the guest can ask to be started
 * anew, by an INIT and a SIPI: an INIT forgets what waits, so what waits is waited for first.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "machine.h"

extern const char guest_image[], guest_image_end[];

/** host_is_tcg - are we on QEMU's emulated processor?  It has gaps that are no fault of KVM's */
bool host_is_tcg(void)
{
	unsigned int eax, name[3];

	__cpuid(0x40000000, eax, name[0], name[1], name[2]);
	return memcmp(name, "TCGTCGTCGTCG", sizeof(name)) == 0;
}

static bool irq_due_by_chance(struct machine *m)
{
	return random() % 16 == 0 && !m->irq.outstanding;
}

void machine_init(struct machine *m)
{
	m->irq_due = irq_due_by_chance;
	m->memory.bytes = GUEST_RAM;
	m->memory.at = mmap(NULL, GUEST_RAM, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->memory.at == MAP_FAILED)
		err(1, "guest memory");
	/* A huge page would be one second-level fault where there shall be many. */
	madvise(m->memory.at, GUEST_RAM, MADV_NOHUGEPAGE);
	vm_system_open();
}

/** machine_attach - find in memory what guest and VMM share */
void machine_attach(struct machine *m)
{
	m->header = m->memory.at + GUEST_BASE;
	if (m->header->magic != GUEST_MAGIC)
		errx(1, "the guest image does not begin with its header");
	m->shared = m->memory.at + m->header->shared;
}

/** machine_start - put the guest program into empty memory and a fresh VM */
void machine_start(struct machine *m, uint64_t seed)
{
	struct count irq = m->irq.count, nmi = m->nmi.count, device = m->devices.count;
	struct count msi = m->msi.count, smi = m->smi.count;

	memset(m->memory.at, 0, GUEST_RAM);
	memcpy(m->memory.at + GUEST_BASE, guest_image, guest_image_end - guest_image);
	machine_attach(m);
	m->shared->seed = seed | 1;
	m->shared->without = m->without | (m->chips ? WITHOUT_CHIPS : WITH_CHIPS);
	m->shared->chips = m->chips;
	m->irq = (struct source) { .count = irq };
	m->nmi = (struct source) { .count = nmi };
	m->msi = (struct source) { .count = msi };
	m->smi = (struct source) { .count = smi };
	m->devices = (struct devices) { .count = device };
	m->irq_sum = 0;
	m->halted = false;
	m->want_irq = false;
	m->starting = false;
	m->start_due = false;
	m->init_sent = false;
	m->done = false;
	m->raise = -1;
	m->dead = NULL;
	vm_open(&m->vm, &m->memory, m->chips);
	vcpu_start(&m->vm, m->header->entry, m->header->cr3);
	if (m->chips)
		vcpu_set_smbase(&m->vm, SMBASE);
}

/** machine_bury - add up what the guest has counted, before its memory is emptied */
void machine_bury(struct machine *m)
{
	struct guest_totals *t = &m->totals;

	/* One that the end of the test has cut short was neither delivered nor lost. */
	if (!m->dead && m->shared->under_way)
		m->shared->tally[m->shared->provoking].provoked--;
	for (int i = 0; i < PROVOKED_COUNT; i++) {
		t->tally[i].provoked += m->shared->tally[i].provoked;
		t->tally[i].taken += m->shared->tally[i].taken;
		t->tally[i].lost += m->shared->tally[i].lost;
		t->tally[i].doubled += m->shared->tally[i].doubled;
	}
	t->rounds += m->shared->rounds;
	t->wrongs += m->shared->wrongs;
	t->irq_in_shadow += m->shared->irq_in_shadow;
	t->absent = m->shared->absent;
	m->irq.count.lost += m->irq.outstanding;
	m->nmi.count.lost += m->nmi.outstanding;
	m->msi.count.lost += m->msi.outstanding;
	m->smi.count.lost += m->smi.outstanding;
	if (m->dead) {
		t->deaths++;
		t->last_death = m->dead;
		t->last_provoked = m->shared->provoking;
	}
	vm_close(&m->vm);
}

/* --- what the guest tells --------------------------------------------------------------- */

static void acknowledge_irq(struct machine *m, uint8_t vector)
{
	struct source *irq = &m->irq;

	irq->count.delivered++;
	m->irq_sum = mix(m->irq_sum, vector);
	if (!irq->outstanding || vector != irq->vector) {
		irq->count.doubled++;
		return;
	}
	irq->outstanding = 0;
}

static void acknowledge(struct source *source)
{
	source->count.delivered++;
	if (source->outstanding)
		source->outstanding--;
	else
		source->count.doubled++;
}

static void guest_is_fatal(struct machine *m, uint32_t what)
{
#define WRONG_TEXT(name, text) text,
	static const char *const texts[] = { WRONGS(WRONG_TEXT) };

	m->dead = what < WRONG_COUNT ? texts[what] : "fatal, for no known reason";
}

static void handle_out32(struct machine *m, uint16_t port, uint32_t value)
{
	switch (port) {
	case PORT_EOI:
		acknowledge_irq(m, value);
		break;
	case PORT_NMI:
		acknowledge(&m->nmi);
		break;
	case PORT_MSI:
		acknowledge(&m->msi);
		break;
	case PORT_SMI:
		acknowledge(&m->smi);
		break;
	case PORT_START:
		m->starting = true;
		m->start_due = true;
		m->start_in_smm = value;
		break;
	case PORT_STARTED:
		m->starting = false;
		break;
	case PORT_RAISE:
		m->raise = value;
		break;
	case PORT_DONE:
		m->done = true;
		break;
	case PORT_FATAL:
		guest_is_fatal(m, value);
		break;
	default:
		device_out32(&m->devices, port, value);
	}
}

static void handle_io(struct machine *m, struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t value;

	for (unsigned int i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_IN) {
			value = device_in32(&m->devices);
			memcpy(data, &value, run->io.size);
		} else if (run->io.size == 1) {
			device_text(&m->devices, *data);
		} else {
			memcpy(&value, data, sizeof(value));
			handle_out32(m, run->io.port, value);
		}
	}
}

/** machine_handle - do what the vCPU's last exit asks for; an &exit_handler */
void machine_handle(void *context, struct kvm_run *run)
{
	static char reason[64];
	struct machine *m = context;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(m, run);
		break;
	case KVM_EXIT_MMIO:
		device_mmio(&m->devices, run);
		break;
	case KVM_EXIT_HLT:
		m->halted = true;
		break;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_SET_TPR:
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SHUTDOWN:
		m->dead = "triple fault";
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		snprintf(reason, sizeof(reason), "KVM_EXIT_INTERNAL_ERROR %u",
			 run->internal.suberror);
		m->dead = reason;
		break;
	default:
		snprintf(reason, sizeof(reason), "KVM exit %u", run->exit_reason);
		m->dead = reason;
	}
}

/* --- what is put in from outside -------------------------------------------------------- */

static struct kvm_vcpu_events get_events(struct machine *m)
{
	struct kvm_vcpu_events events;

	if (ioctl(m->vm.vcpu, KVM_GET_VCPU_EVENTS, &events) < 0)
		err(1, "KVM_GET_VCPU_EVENTS");
	return events;
}

#define MSI_ADDRESS	0xfee00000	/* of the APIC with id 0 */
#define MSI_FIXED	0
#define MSI_INIT	0x500

static void signal_msi(struct machine *m, uint32_t data)
{
	struct kvm_msi msi = { .address_lo = MSI_ADDRESS, .data = data };

	if (ioctl(m->vm.fd, KVM_SIGNAL_MSI, &msi) < 0)
		err(1, "KVM_SIGNAL_MSI");
}

/**
 * machine_page_of_delivery - some page that the delivery of an event has to touch
 *
 * Some are for every event, some for one kind; the page of the HLT is for a stop in the shadow of
 * its STI, the stub for one right behind.
 */
void *machine_page_of_delivery(struct machine *m)
{
	const struct guest_header *h = m->header;
	const uint64_t pages[] = {
		h->idt, h->idt, h->idt, h->gdt, h->gdt, h->hlt, h->hlt,
		h->edge, h->edge, h->edge - PAGE, h->edge - PAGE,
		h->tss, h->nmi_edge, h->nmi_edge - PAGE,
		h->stubs + PAGE * (random() % VECTORS),
	};

	return m->memory.at + (pages[random() % (sizeof(pages) / sizeof(pages[0]))] & -PAGE);
}

/** machine_send_irq - the next interrupt, if the vCPU can take one; says whether */
bool machine_send_irq(struct machine *m)
{
	struct kvm_interrupt interrupt;

	/* The end of an instruction may raise a #DB, which would then meet the interrupt. */
	if (!m->together)
		vcpu_finish_io(&m->vm, machine_handle, m);
	if (m->irq.outstanding || m->starting || (m->chips && m->no_extint) ||
	    !m->vm.run->ready_for_interrupt_injection)
		return false;
	interrupt.irq = VEC_IRQ + m->irq.count.sent % IRQ_VECTORS;
	if (ioctl(m->vm.vcpu, KVM_INTERRUPT, &interrupt) < 0)
		err(1, "KVM_INTERRUPT");
	m->vm.run->ready_for_interrupt_injection = 0;
	m->irq.vector = interrupt.irq;
	m->irq.outstanding = 1;
	m->irq.count.sent++;
	m->want_irq = false;
	m->halted = false;
	return true;
}

/** machine_send_nmis - so many, but one where two would not be kept; says whether */
bool machine_send_nmis(struct machine *m, unsigned int many)
{
	struct kvm_vcpu_events events = get_events(m);

	if (m->nmi.outstanding || m->starting)
		return false;
	if (events.nmi.masked || events.nmi.injected || events.nmi.pending || events.smi.pending)
		many = 1;
	for (unsigned int i = 0; i < many; i++)
		if (ioctl(m->vm.vcpu, KVM_NMI, 0) < 0)
			err(1, "KVM_NMI");
	m->nmi.outstanding = many;
	m->nmi.count.sent += many;
	m->halted = false;
	return true;
}

/** machine_send_nmi - an NMI, or now and then two */
bool machine_send_nmi(struct machine *m)
{
	return machine_send_nmis(m, m->two_nmis && random() % 4 == 0 ? 2 : 1);
}

/** machine_send_msi - a message to the local APIC, if there is one; says whether */
bool machine_send_msi(struct machine *m)
{
	if (!m->chips || m->msi.outstanding || m->starting || !m->shared->ready)
		return false;
	signal_msi(m, MSI_FIXED | VEC_MSI);
	m->msi.outstanding = 1;
	m->msi.count.sent++;
	return true;
}

static void latch_smi(struct machine *m)
{
	if (ioctl(m->vm.vcpu, KVM_SMI, 0) < 0)
		err(1, "KVM_SMI");
	m->smi.outstanding = 1;
	m->smi.count.sent++;
}

/**
 * machine_send_smi - one, if the guest has a handler; says whether
 *
 * It goes before NMIs and masks them, and then only one of two would be kept.
 */
bool machine_send_smi(struct machine *m)
{
	if (!m->chips || m->smi.outstanding || m->nmi.outstanding > 1)
		return false;
	if (m->starting || !m->shared->ready)
		return false;
	latch_smi(m);
	return true;
}

/* What another processor would do; or, in system management mode, the guest does. */
static void start_vcpu(struct machine *m)
{
	m->start_due = false;
	if (m->init_sent || m->irq.outstanding || m->nmi.outstanding || m->msi.outstanding ||
	    m->smi.outstanding)
		return;
	if (m->start_in_smm) {
		latch_smi(m);
		return;
	}
	signal_msi(m, MSI_INIT);
	m->init_sent = true;
}

/**
 * machine_send_sipi - if it is time for one; says whether
 *
 * The INIT has been taken, and the vCPU sleeps until it is told where to begin.
 */
bool machine_send_sipi(struct machine *m)
{
	struct kvm_vcpu_events events;

	if (!m->init_sent || vcpu_mp_state(&m->vm) != KVM_MP_STATE_INIT_RECEIVED)
		return false;
	m->init_sent = false;
	vcpu_set_mp_state(&m->vm, KVM_MP_STATE_SIPI_RECEIVED);
	events = get_events(m);
	events.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	events.sipi_vector = m->header->start_page / PAGE;
	if (ioctl(m->vm.vcpu, KVM_SET_VCPU_EVENTS, &events) < 0)
		err(1, "KVM_SET_VCPU_EVENTS");
	return true;
}

/*
 * The guest has asked for an exception by an OUT.  The OUT is finished first, since the
 * exception belongs to the instruction after it; then the exception is added to what is
 * pending already, as "pending", with its payload, so that CR2 or DR6 change when it is taken.
 */
static void raise_exception(struct machine *m)
{
	static const struct raised table[] = RAISED_TABLE;
	const struct raised *raised = &table[m->raise % (sizeof(table) / sizeof(table[0]))];
	struct kvm_vcpu_events events;

	vcpu_finish_io(&m->vm, machine_handle, m);
	events = get_events(m);
	events.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	events.exception.pending = 1;
	events.exception.injected = 0;
	events.exception.nr = raised->vector;
	events.exception.has_error_code = raised->has_error;
	events.exception.error_code = raised->error;
	events.exception_has_payload = raised->payload != 0;
	events.exception_payload = raised->payload;
	if (ioctl(m->vm.vcpu, KVM_SET_VCPU_EVENTS, &events) < 0)
		err(1, "KVM_SET_VCPU_EVENTS");
	m->raise = -1;
	if (!m->together)
		m->vm.run->ready_for_interrupt_injection = 0;
}

static bool is_requested(struct machine *m, unsigned int vector)
{
	struct kvm_lapic_state lapic;

	if (ioctl(m->vm.vcpu, KVM_GET_LAPIC, &lapic) < 0)
		err(1, "KVM_GET_LAPIC");
	return lapic_word(&lapic, LAPIC_IRR + vector / 32 * 16) & 1U << vector % 32;
}

/*
 * The guest sleeps with interrupts enabled and nothing pending: whatever was sent has either
 * been acknowledged by now, or will never be.
 */
static void count_lost(struct machine *m)
{
	struct kvm_vcpu_events events = get_events(m);

	if (!events.interrupt.injected) {
		m->irq.count.lost += m->irq.outstanding;
		m->irq.outstanding = 0;
	}
	if (!events.nmi.injected && !events.nmi.pending) {
		m->nmi.count.lost += m->nmi.outstanding;
		m->nmi.outstanding = 0;
	}
	if (m->msi.outstanding && !events.interrupt.injected && !is_requested(m, VEC_MSI)) {
		m->msi.count.lost += m->msi.outstanding;
		m->msi.outstanding = 0;
	}
	if (!events.smi.pending) {
		m->smi.count.lost += m->smi.outstanding;
		m->smi.outstanding = 0;
	}
}

/** machine_after_exit - what has to be done at once after an exit has been handled */
void machine_after_exit(struct machine *m)
{
	if (m->raise >= 0)
		raise_exception(m);
	if (m->start_due)
		start_vcpu(m);
	if (m->chips)
		m->halted = vcpu_mp_state(&m->vm) == KVM_MP_STATE_HALTED;
	if (m->halted)
		count_lost(m);
}

/** machine_before_entry - wake a sleeping guest, send a wanted interrupt or ask for a window */
void machine_before_entry(struct machine *m)
{
	machine_send_sipi(m);
	if (m->chips && m->no_extint) {
		if (m->halted)
			machine_send_msi(m);
	} else if (m->halted || m->irq_due(m)) {
		m->want_irq = true;
	}
	if (m->want_irq)
		machine_send_irq(m);
	m->vm.run->request_interrupt_window = m->want_irq && !m->starting;
}
