// SPDX-License-Identifier: GPL-2.0-only
/*
 * machine.c - several vCPUs with interrupt controllers in the kernel, each in
 * a thread of its own with its script.  What scripts are is in machine.h.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "machine.h"

#define PTE_MAPS_DEVICE	0x9bULL		/* 2 MiB, present, writable, not cached */

extern const uint8_t script_run[], count_stubs[], start_code[], start_code_end[];

/* --- the machine ---------------------------------------------------------------------- */

static void put_word(uint8_t *mem, uint64_t address, uint64_t value)
{
	memcpy(mem + address, &value, sizeof(value));
}

static void map_controllers(uint8_t *mem)
{
	put_word(mem, PDPT + 8 * 3, APIC_PD | 7);
	put_word(mem, APIC_PD + 8 * (IOAPIC_PAGE >> 21 & 511), IOAPIC_PAGE | PTE_MAPS_DEVICE);
	put_word(mem, APIC_PD + 8 * (LAPIC_PAGE >> 21 & 511), LAPIC_PAGE | PTE_MAPS_DEVICE);
}

static void count_all_vectors(uint8_t *mem)
{
	unsigned int vector;

	for (vector = 0; vector < 256; vector++) {
		uint64_t stub = GA(count_stubs) + 16 * vector;
		uint8_t *gate = mem + IDT + 16 * vector;
		uint16_t low = stub, middle = stub >> 16;

		memcpy(gate, &low, sizeof(low));
		memcpy(gate + 6, &middle, sizeof(middle));
	}
}

static void on_signal(int sig)
{
	(void)sig;
}

const char *machine_create(struct machine *m, unsigned int cpus, unsigned int flags)
{
	const struct sigaction action = { .sa_handler = on_signal };
	const char *wrong;
	unsigned int i;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < MACHINE_CPUS; i++)
		m->cpu[i] = (struct vm){ .kvm = -1, .fd = -1, .vcpu = -1 };
	sigaction(SIGUSR1, &action, NULL);
	wrong = vm_create(&m->cpu[0], flags);
	if (wrong)
		return wrong;
	for (i = 1; i < cpus; i++) {
		wrong = vm_add_vcpu(&m->cpu[i], &m->cpu[0], i);
		if (wrong)
			return wrong;
	}
	m->cpus = cpus;
	map_controllers(m->cpu[0].mem);
	count_all_vectors(m->cpu[0].mem);
	memcpy(m->cpu[0].mem + START_PAGE, start_code, start_code_end - start_code);
	return NULL;
}

void machine_destroy(struct machine *m)
{
	unsigned int i;

	for (i = m->cpus; i-- > 1;) {
		m->cpu[i].mem = NULL;
		vm_destroy(&m->cpu[i]);
	}
	vm_destroy(&m->cpu[0]);
}

int machine_start(struct machine *m, unsigned int cpu)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_regs regs = {
		.rip = GA(script_run), .rflags = RFLAGS_FIXED, .rsp = CPU_STACK(cpu),
		.r14 = COUNTS(cpu), .r15 = SCRIPT(cpu),
	};
	struct vm *vm = &m->cpu[cpu];
	struct kvm_sregs sregs;
	int err;

	vm_complete(vm);
	err = vcpu_ioctl(vm, KVM_GET_SREGS, &sregs);
	if (err)
		return err;
	long_mode_sregs(&sregs);
	return vcpu_ioctl(vm, KVM_SET_SREGS, &sregs) ?:
	       vcpu_ioctl(vm, KVM_SET_REGS, &regs) ?:
	       vcpu_ioctl(vm, KVM_SET_MP_STATE, &runnable);
}

void machine_clear(struct machine *m)
{
	memset(m->cpu[0].mem + SCRIPT(0), 0, DATA - SCRIPT(0));
	memset(m->steps, 0, sizeof(m->steps));
	memset(m->raw, 0, sizeof(m->raw));
}

void machine_eoi(struct machine *m, enum eoi_by by)
{
	put_word(m->cpu[0].mem, EOI_BY, by);
}

static int move_chips(struct vm *from, struct vm *to)
{
	struct kvm_irqchip chip = { 0 };
	int err = 0;

	for (; chip.chip_id < 3 && !err; chip.chip_id++)
		err = vm_ioctl(from, KVM_GET_IRQCHIP, &chip) ?:
		      vm_ioctl(to, KVM_SET_IRQCHIP, &chip);
	return err;
}

const char *machine_move(struct machine *m)
{
	static struct image image;
	struct machine next;
	const char *wrong = machine_create(&next, m->cpus, m->cpu[0].caps);
	unsigned int i;

	if (wrong)
		return wrong;
	memcpy(next.cpu[0].mem, m->cpu[0].mem, MEM_SIZE);
	memcpy(next.steps, m->steps, sizeof(m->steps));
	memcpy(next.raw, m->raw, sizeof(m->raw));
	if (m->cpu[0].caps & VM_IRQCHIP && move_chips(&m->cpu[0], &next.cpu[0]))
		return "the chips";
	for (i = 0; i < m->cpus; i++)
		if (image_get(&m->cpu[i], &image) || image_set(&next.cpu[i], &image))
			return "a vCPU's state";
	machine_destroy(m);
	*m = next;
	return NULL;
}

/* --- scripts -------------------------------------------------------------------------- */

static struct step *step_at(struct machine *m, unsigned int cpu, unsigned int number)
{
	return (struct step *)(m->cpu[0].mem + SCRIPT(cpu)) + number;
}

/* Behind the last step there is OP_DONE, which is 0. */
unsigned int step(struct machine *m, unsigned int cpu, enum op op, uint64_t a, uint64_t b)
{
	unsigned int number = m->steps[cpu]++;

	if (number >= SCRIPT_STEPS - 1)
		abort();
	*step_at(m, cpu, number) = (struct step){ .op = op, .a = a, .b = b };
	return number;
}

uint64_t step_result(struct machine *m, unsigned int cpu, unsigned int number)
{
	return step_at(m, cpu, number)->b;
}

unsigned int step_apic(struct machine *m, unsigned int cpu, bool x2apic, unsigned int offset,
		       uint64_t value)
{
	return x2apic ? step(m, cpu, OP_WRMSR, MSR_X2APIC(offset), value) :
			step(m, cpu, OP_WRITE, LAPIC_PAGE + offset, value);
}

void step_ipi(struct machine *m, unsigned int cpu, bool x2apic, uint32_t dest, uint32_t icr)
{
	if (!x2apic)
		step(m, cpu, OP_WRITE, LAPIC_PAGE + APIC_ICR2, dest << 24);
	step_apic(m, cpu, x2apic, APIC_ICR, x2apic ? (uint64_t)dest << 32 | icr : icr);
}

void step_enable(struct machine *m, unsigned int cpu, bool x2apic)
{
	if (x2apic)
		step(m, cpu, OP_WRMSR, MSR_APIC_BASE, LAPIC_PAGE | BASE_ENABLE | BASE_X2APIC |
						      (cpu ? 0 : BASE_BSP));
	step_apic(m, cpu, x2apic, APIC_SVR, 0x1ff);
}

void step_pin(struct machine *m, unsigned int pin, uint64_t entry)
{
	step(m, 0, OP_WRITE, IOAPIC_PAGE, 0x11 + 2 * pin);
	step(m, 0, OP_WRITE, IOAPIC_PAGE + 0x10, entry >> 32);
	step(m, 0, OP_WRITE, IOAPIC_PAGE, 0x10 + 2 * pin);
	step(m, 0, OP_WRITE, IOAPIC_PAGE + 0x10, (uint32_t)entry);
}

/* --- running -------------------------------------------------------------------------- */

struct runner {
	struct vm *vm;
	pthread_t thread;
	bool runs, over, stop;
	int reason;
};

static struct runner runners[MACHINE_CPUS];
static char what[400];

static int run_to_exit(struct runner *r)
{
	int err;

	do {
		err = vcpu_ioctl(r->vm, KVM_RUN, NULL);
	} while ((err == -EINTR || err == -EAGAIN) &&
		 !__atomic_load_n(&r->stop, __ATOMIC_RELAXED));
	return err;
}

static void *run_vcpu(void *arg)
{
	struct runner *r = arg;
	int err = run_to_exit(r);

	r->reason = err < 0 ? err : (int)r->vm->run->exit_reason;
	__atomic_store_n(&r->over, true, __ATOMIC_RELEASE);
	return NULL;
}

static void pause_us(unsigned int us)
{
	struct timespec time = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L };

	nanosleep(&time, NULL);
}

static bool all_over(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->cpus; i++)
		if (runners[i].runs && !__atomic_load_n(&runners[i].over, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

static void stop(struct runner *r)
{
	__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
	r->vm->run->immediate_exit = 1;
	pthread_kill(r->thread, SIGUSR1);
	pthread_join(r->thread, NULL);
	r->vm->run->immediate_exit = 0;
	r->runs = false;
}

static const char *judge(struct machine *m, unsigned int cpu, bool over)
{
	struct runner *r = &runners[cpu];
	struct kvm_mp_state mp_state = { 0 };
	struct kvm_regs regs = { 0 };

	if (over && r->reason == KVM_EXIT_IO && r->vm->run->io.port == PORT_DONE)
		return NULL;
	vcpu_ioctl(r->vm, KVM_GET_MP_STATE, &mp_state);
	vcpu_ioctl(r->vm, KVM_GET_REGS, &regs);
	snprintf(what, sizeof(what), "vCPU %u %s: %d; step %d, mp_state %u; %s; order %s", cpu,
		 over ? "ended" : "hangs", r->reason, (int)(regs.r15 - SCRIPT(cpu)) / 32,
		 mp_state.mp_state, vm_why(r->vm), order_of(m));
	return what;
}

const char *machine_begin(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->cpus; i++) {
		if (m->steps[i] && machine_start(m, i))
			return "a vCPU cannot be set up";
	}
	for (i = 0; i < m->cpus; i++) {
		runners[i] = (struct runner){
			.vm = &m->cpu[i], .runs = m->steps[i] || m->raw[i],
		};
		if (runners[i].runs &&
		    pthread_create(&runners[i].thread, NULL, run_vcpu, &runners[i]))
			return "no thread";
	}
	return NULL;
}

const char *machine_end(struct machine *m, unsigned int seconds)
{
	uint64_t end = now_ms() + seconds * 1000;
	const char *wrong = NULL;
	bool over[MACHINE_CPUS];
	unsigned int i, looks;

	for (looks = 0; now_ms() < end && !all_over(m); looks++)
		pause_us(looks < 20 ? 100 : 1000);
	for (i = 0; i < m->cpus; i++)
		over[i] = __atomic_load_n(&runners[i].over, __ATOMIC_ACQUIRE);
	for (i = 0; i < m->cpus; i++) {
		if (!runners[i].runs)
			continue;
		stop(&runners[i]);
		wrong = wrong ?: judge(m, i, over[i]);
	}
	if (!wrong && (word_at(m, EARLY) || twice(m)) && probe_shadow())
		wrong = "a delivery came twice, or in the shadow of STI";
	return wrong;
}

const char *machine_run(struct machine *m, unsigned int seconds)
{
	return machine_begin(m) ?: machine_end(m, seconds);
}

void machine_affinity(unsigned int cpu, const cpu_set_t *set)
{
	if (runners[cpu].runs)
		pthread_setaffinity_np(runners[cpu].thread, sizeof(*set), set);
}

/* --- what came of it ------------------------------------------------------------------ */

uint64_t word_at(struct machine *m, uint64_t address)
{
	return __atomic_load_n((uint64_t *)(m->cpu[0].mem + address), __ATOMIC_ACQUIRE);
}

bool word_becomes(struct machine *m, uint64_t address, uint64_t value)
{
	uint64_t end = now_ms() + 6000;

	while (word_at(m, address) < value) {
		if (now_ms() >= end)
			return false;
		pause_us(1000);
	}
	return true;
}

uint64_t count_of(struct machine *m, unsigned int cpu, unsigned int vector)
{
	return word_at(m, COUNTS(cpu) + 8 * vector);
}

uint64_t twice(struct machine *m)
{
	return word_at(m, TWICE);
}

const char *order_of(struct machine *m)
{
	static char text[101];
	uint64_t entries = word_at(m, ORDER), i;

	text[0] = '\0';
	for (i = 0; i < entries && i < 50; i++)
		snprintf(text + 2 * i, 3, "%02x", m->cpu[0].mem[ORDER_BYTES + i]);
	return text;
}

int irq_line(struct machine *m, unsigned int gsi, unsigned int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	return vm_ioctl(&m->cpu[0], KVM_IRQ_LINE, &line);
}

int signal_msi(struct machine *m, unsigned int dest, uint32_t data)
{
	struct kvm_msi msi = { .address_lo = LAPIC_PAGE | dest << 12, .data = data };

	return vm_ioctl(&m->cpu[0], KVM_SIGNAL_MSI, &msi);
}

uint32_t lapic_get(struct vm *vm, unsigned int offset)
{
	struct kvm_lapic_state state = { 0 };
	uint32_t value;

	vcpu_ioctl(vm, KVM_GET_LAPIC, &state);
	memcpy(&value, state.regs + offset, sizeof(value));
	return value;
}

int lapic_put(struct vm *vm, unsigned int offset, uint32_t value)
{
	struct kvm_lapic_state state;
	int err = vcpu_ioctl(vm, KVM_GET_LAPIC, &state);

	memcpy(state.regs + offset, &value, sizeof(value));
	return err ?: vcpu_ioctl(vm, KVM_SET_LAPIC, &state);
}
