// SPDX-License-Identifier: GPL-2.0-only
/*
 * irq.c - interrupts by way of controllers in the kernel, and by eventfds: from sending to EOI.
 *
 * All threads share one CPU, and the order in which they run is that of their priorities, not of
 * chance. The second processor's thread is a real-time one: it runs as soon as it is woken, and
 * whoever woke it goes on when it sleeps again. Where both sides have to sleep, both are such
 * threads, of one priority. Where nobody has anything to do until a timer rings, the idle thread
 * counts.
 *
 * Next: guest-irq.S for the guest's side.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"
#include "idle.h"
#include "vm.h"

enum { ROUNDS = 64, FIFO = 1, SLEEP_INSTRUCTIONS = 30000 };
enum { REDIRECT_LEVEL = 1 << 15, SECOND = 1 };

#define MSI_ADDRESS(id)	(0xfee00000 | (id) << 12)

static pthread_t second_thread;
static volatile bool stopping;
static int kick_fd, irq_fd;
static uint64_t tsc_ticks, apic_ticks;

/*
 * Threads
 */

static void set_policy(int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(0, policy, &param))
		fail("sched_setscheduler");
}

static void wake_up(int signal)
{
	(void)signal;
}

static void *second_body(void *unused)
{
	while (!stopping) {
		if (ioctl(vm.second, KVM_RUN, 0) >= 0)
			errno = EPROTO;
		if (errno != EINTR)
			fail("KVM_RUN of the second processor");
	}
	return unused;
}

/* Of its priority from the first instruction on, so that it sleeps when this function returns. */
static void second_thread_begin(void)
{
	struct sched_param param = { .sched_priority = FIFO };
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
	pthread_attr_setschedparam(&attributes, &param);
	errno = pthread_create(&second_thread, &attributes, second_body, NULL);
	if (errno)
		fail("pthread_create");
	pthread_attr_destroy(&attributes);
}

/* It may have had to wait for others before it could turn its APIC on. */
static void second_begin(const void *code)
{
	volatile uint32_t *ready = (uint32_t *)(vm.memory + READY);

	*ready = 0;
	stopping = false;
	vm.second_run->immediate_exit = 0;
	vm_start_second(code, (struct kvm_regs){ .rbx = FAR_AWAY });
	second_thread_begin();
	while (!*ready)
		usleep(1000);
}

static void second_end(void)
{
	stopping = true;
	vm.second_run->immediate_exit = 1;
	pthread_kill(second_thread, SIGUSR1);
	pthread_join(second_thread, NULL);
}

static void must_have_counted(int vcpu, uint64_t count)
{
	struct kvm_regs regs;

	must_ioctl(vcpu, KVM_GET_REGS, &regs, "KVM_GET_REGS");
	must_hold(regs.rdi == count, "the guest has not counted every interrupt");
}

/*
 * Starts: up to the exit that says that the APIC is on
 */

static void begin(const void *code, struct kvm_regs regs)
{
	vm_start_with(code, regs);
	vm_run(KVM_EXIT_IO);
}

static void begin_self_x2apic(void)
{
	begin(guest_self_x2apic, (struct kvm_regs){ .rcx = ROUNDS });
}

static void begin_self_xapic(void)
{
	begin(guest_self_xapic, (struct kvm_regs){ .rcx = ROUNDS });
}

static void begin_ping(const void *ping, const void *pong)
{
	second_begin(pong);
	begin(ping, (struct kvm_regs){ .rcx = ROUNDS, .r8 = SECOND });
	set_policy(SCHED_FIFO, FIFO);
}

static void begin_ping_x2apic(void)
{
	begin_ping(guest_ping_x2apic, guest_pong_x2apic);
}

static void begin_ping_xapic(void)
{
	begin_ping(guest_ping_xapic, guest_pong_xapic);
}

static void begin_deadline(void)
{
	idle_begin();
	begin(guest_deadline, (struct kvm_regs){ .rcx = ROUNDS, .rbx = tsc_ticks });
}

static void begin_oneshot(void)
{
	idle_begin();
	begin(guest_oneshot, (struct kvm_regs){ .rcx = ROUNDS, .rbx = apic_ticks });
}

static void begin_sleeper(void)
{
	second_begin(guest_sleeper);
}

static void begin_virtio(void)
{
	second_begin(guest_virtio);
}

static void begin_level(void)
{
	begin(guest_level, (struct kvm_regs){ });
}

static void begin_kick_pio(void)
{
	vm_start_at(guest_kick_pio, IN_KERNEL);
}

static void begin_kick_mmio(void)
{
	vm_start_with(guest_kick_mmio, (struct kvm_regs){ .rcx = IN_KERNEL, .rbx = KICK_ADDRESS });
}

/*
 * Steps
 */

static void run_msi(void)
{
	struct kvm_msi msi = { .address_lo = MSI_ADDRESS(SECOND), .data = X2APIC_VECTOR };

	must_ioctl(vm.fd, KVM_SIGNAL_MSI, &msi, "KVM_SIGNAL_MSI");
}

static void run_irqfd(void)
{
	uint64_t one = 1;

	if (write(irq_fd, &one, sizeof(one)) != sizeof(one))
		fail("irqfd");
}

/* A device that has been kicked, and has done what it was asked for at once. */
static void run_virtio(void)
{
	uint64_t kicks;

	if (read(kick_fd, &kicks, sizeof(kicks)) != sizeof(kicks))
		fail("ioeventfd");
	must_hold(kicks == 1, "the guest has not kicked once");
	run_irqfd();
}

static void set_line(uint32_t level)
{
	struct kvm_irq_level line = { .irq = LEVEL_PIN, .level = level };

	must_ioctl(vm.fd, KVM_IRQ_LINE, &line, "KVM_IRQ_LINE");
}

/* To the handler's exit, where the device lets go, and by way of the EOI to the next one. */
static void run_level(void)
{
	set_line(1);
	run_pio();
	set_line(0);
	run_pio();
}

/*
 * Afters
 */

static void first_counted(void)
{
	must_have_counted(vm.vcpu, ROUNDS);
}

static void level_counted(void)
{
	must_have_counted(vm.vcpu, TIMES);
}

static void timer_counted(void)
{
	idle_end();
	first_counted();
}

static void both_counted(void)
{
	set_policy(SCHED_OTHER, 0);
	second_end();
	first_counted();
	must_have_counted(vm.second, ROUNDS);
}

static void second_counted(void)
{
	second_end();
	must_have_counted(vm.second, TIMES);
}

static void virtio_counted(void)
{
	uint64_t kicks;

	second_counted();
	/* the first one is from before the loop, and the last one nobody has seen */
	must_hold(read(kick_fd, &kicks, sizeof(kicks)) > 0 && kicks == 1, "kicks are left over");
}

/* More or fewer writes than a loop makes would be another measurement. */
static void kicks_counted(void)
{
	uint64_t kicks;

	must_hold(read(kick_fd, &kicks, sizeof(kicks)) > 0 && kicks == IN_KERNEL,
		  "the eventfd has not counted every kick");
}

#define GUEST(text, begin, after)						\
	{ text, AIM_IRQ, begin, run_pio, after, 1, ROUNDS, &once_base }
#define SLEEPER(text, begin, step, after)					\
	{ text, AIM_IRQ, begin, step, after, TIMES, 1, &loop_base }

static const struct row apic_rows[] = {
	GUEST("self-IPI and EOI, xAPIC", begin_self_xapic, first_counted),
	GUEST("IPI to a halted vCPU and one back, xAPIC", begin_ping_xapic, both_counted),
	GUEST("self-IPI and EOI, x2APIC", begin_self_x2apic, first_counted),
	GUEST("IPI to a halted vCPU and one back, x2APIC", begin_ping_x2apic, both_counted),
	GUEST("one-shot timer: arm, HLT, wake, EOI", begin_oneshot, timer_counted),
	SLEEPER("MSI to a halted vCPU, EOI, HLT", begin_sleeper, run_msi, second_counted),
	SLEEPER("level interrupt: IOAPIC, 2 PIO exits, EOI", begin_level, run_level, level_counted),
};

static const struct row deadline_rows[] = {
	GUEST("TSC deadline: arm, HLT, wake, EOI", begin_deadline, timer_counted),
};

static const struct row kick_rows[] = {
	{ "OUT to an ioeventfd", AIM_EXIT, begin_kick_pio, run_pio, kicks_counted, 1, IN_KERNEL,
	  &guest_base },
	{ "MMIO write to an ioeventfd", AIM_EXIT, begin_kick_mmio, run_pio, kicks_counted, 1,
	  IN_KERNEL, &guest_base },
};

static const struct row irqfd_rows[] = {
	SLEEPER("irqfd to a halted vCPU, EOI, HLT", begin_sleeper, run_irqfd, second_counted),
	SLEEPER("virtio: kick, HLT, device, irqfd, wake", begin_virtio, run_virtio, virtio_counted),
};

/*
 * Set-up
 */

static int must_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		fail("eventfd");
	return fd;
}

static bool offers(long capability)
{
	return ioctl(vm.fd, KVM_CHECK_EXTENSION, capability) > 0;
}

static void set_routes(void)
{
	const struct kvm_irq_routing_entry entries[] = {
		{ .gsi = LEVEL_PIN, .type = KVM_IRQ_ROUTING_IRQCHIP,
		  .u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = LEVEL_PIN } },
		{ .gsi = IRQFD_GSI, .type = KVM_IRQ_ROUTING_MSI,
		  .u.msi = { .address_lo = MSI_ADDRESS(SECOND), .data = X2APIC_VECTOR } },
	};
	struct kvm_irq_routing *routing = malloc(sizeof(*routing) + sizeof(entries));

	if (!routing)
		fail("malloc");
	*routing = (struct kvm_irq_routing){ .nr = sizeof(entries) / sizeof(entries[0]) };
	__builtin_memcpy(routing->entries, entries, sizeof(entries));
	must_ioctl(vm.fd, KVM_SET_GSI_ROUTING, routing, "KVM_SET_GSI_ROUTING");
	free(routing);
}

static void set_ioapic(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	must_ioctl(vm.fd, KVM_GET_IRQCHIP, &chip, "KVM_GET_IRQCHIP");
	chip.chip.ioapic.redirtbl[LEVEL_PIN].bits = REDIRECT_LEVEL | LEVEL_VECTOR;
	must_ioctl(vm.fd, KVM_SET_IRQCHIP, &chip, "KVM_SET_IRQCHIP");
}

static void add_kick(uint64_t address, uint32_t length, uint32_t flags)
{
	struct kvm_ioeventfd kick = { .addr = address, .len = length, .fd = kick_fd,
				      .flags = flags };

	must_ioctl(vm.fd, KVM_IOEVENTFD, &kick, "KVM_IOEVENTFD");
}

static void add_irqfd(void)
{
	struct kvm_irqfd irqfd = { .fd = irq_fd, .gsi = IRQFD_GSI };

	must_ioctl(vm.fd, KVM_IRQFD, &irqfd, "KVM_IRQFD");
}

/* The same number of instructions on every host; the APIC's clock is one of nanoseconds. */
static void set_timer_ticks(void)
{
	int khz = ioctl(vm.vcpu, KVM_GET_TSC_KHZ, 0);

	if (khz <= 0)
		fail("KVM_GET_TSC_KHZ");
	tsc_ticks = SLEEP_INSTRUCTIONS;
	apic_ticks = SLEEP_INSTRUCTIONS * 1000000UL / khz;
}

static void share_one_cpu(void)
{
	struct sigaction action = { .sa_handler = wake_up };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) || sigaction(SIGUSR1, &action, NULL))
		fail("sched_setaffinity");
}

/* What a KVM does not offer has no row. */
void measure_interrupts(void)
{
	share_one_cpu();
	set_timer_ticks();
	set_routes();
	set_ioapic();
	MEASURE(apic_rows);
	if (offers(KVM_CAP_TSC_DEADLINE_TIMER))
		MEASURE(deadline_rows);
	kick_fd = must_eventfd();
	irq_fd = must_eventfd();
	if (!offers(KVM_CAP_IOEVENTFD))
		return;
	add_kick(KICK_PORT, 1, KVM_IOEVENTFD_FLAG_PIO);
	add_kick(KICK_ADDRESS, 4, 0);
	MEASURE(kick_rows);
	if (!offers(KVM_CAP_IRQFD))
		return;
	add_irqfd();
	MEASURE(irqfd_rows);
}
