// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an author of a VMM needs to move a vCPU: finish the I/O that is under way, save, load.
 *
 * The order of the state ioctls is the one that loses least on any KVM, and is explained where
 * it matters.  Everything here is fatal on error: a VMM that goes on with half a state loses
 * its guest later, and nobody will know why.  Next: vmm.c, which decides when to move.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vm.h"

#define MAX_CPUID 256
#define IMPLAUSIBLY_MANY_EXITS 10000
#define SLOTS_OF_SMM (1 << 16)		/* the first slot of the second address space */
#define IOAPIC_PINS 24
#define MSR_SMBASE 0x9e
#define WAITING_TIMER_VECTOR 0x50	/* VEC_TIMER of guest.h */

/* What is asked of /dev/kvm once, and holds for every virtual machine. */
static struct {
	int fd;
	size_t run_bytes;
	bool xsave2, xcrs, chips;
	struct kvm_cpuid2 *cpuid;
	struct kvm_msr_list *msrs;
} system_kvm;

static int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

#define DO(fd, request, argument) must(ioctl(fd, request, argument), #request)

static void *allocate(size_t header, size_t count, size_t each)
{
	void *memory = calloc(1, header + count * each);

	if (!memory)
		err(1, "memory");
	return memory;
}

/* The list says how long it is by refusing one that is too short. */
static struct kvm_msr_list *list_msrs(int fd)
{
	struct kvm_msr_list probe = { .nmsrs = 0 }, *list;

	if (ioctl(fd, KVM_GET_MSR_INDEX_LIST, &probe) < 0 && errno != E2BIG)
		err(1, "KVM_GET_MSR_INDEX_LIST");
	list = allocate(sizeof(*list), probe.nmsrs, sizeof(list->indices[0]));
	list->nmsrs = probe.nmsrs;
	DO(fd, KVM_GET_MSR_INDEX_LIST, list);
	return list;
}

void vm_system_open(void)
{
	int fd = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	struct kvm_cpuid2 *cpuid = allocate(sizeof(*cpuid), MAX_CPUID, sizeof(cpuid->entries[0]));

	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		errx(1, "/dev/kvm speaks another version of the ABI");
	cpuid->nent = MAX_CPUID;
	DO(fd, KVM_GET_SUPPORTED_CPUID, cpuid);
	system_kvm.fd = fd;
	system_kvm.run_bytes = DO(fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	system_kvm.xsave2 = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2) > 0;
	system_kvm.xcrs = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_XCRS) > 0;
	system_kvm.chips = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_SPLIT_IRQCHIP) > 0 &&
			   ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE) > 1 &&
			   ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) > 0;
	system_kvm.cpuid = cpuid;
	system_kvm.msrs = list_msrs(fd);
}

/*
 * Without KVM_CAP_EXCEPTION_PAYLOAD a pending exception is reported as if its delivery had
 * begun, and CR2 or DR6 may change behind the back of whoever has read them already.
 */
static void enable(int vm, unsigned int cap)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { 1 } };

	if (ioctl(vm, KVM_CHECK_EXTENSION, cap) > 0)
		DO(vm, KVM_ENABLE_CAP, &enable);
}

/** vm_has_xcr0 - does this host have extended state beyond x87 and SSE? */
bool vm_has_xcr0(void)
{
	return system_kvm.xcrs;
}

/** vm_has_chips - can there be what &struct vm calls chips? */
bool vm_has_chips(void)
{
	return system_kvm.chips;
}

/** vm_has_msr - does KVM list this MSR among those that are saved? */
bool vm_has_msr(uint32_t index)
{
	for (unsigned int i = 0; i < system_kvm.msrs->nmsrs; i++)
		if (system_kvm.msrs->indices[i] == index)
			return true;
	return false;
}

/** vm_cpuid - what vm_open() tells the guest of its processor */
const struct kvm_cpuid2 *vm_cpuid(void)
{
	return system_kvm.cpuid;
}

/*
 * A vCPU in system management mode has memory of its own, which is the same here.  The processor
 * that a machine boots on is another one, that does not exist: ours waits for a SIPI after an INIT.
 */
static void open_chips(struct vm *vm, const struct kvm_userspace_memory_region *region)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { IOAPIC_PINS } };
	struct kvm_userspace_memory_region smm = *region;

	smm.slot = SLOTS_OF_SMM;
	DO(vm->fd, KVM_SET_USER_MEMORY_REGION, &smm);
	DO(vm->fd, KVM_ENABLE_CAP, &split);
	DO(vm->fd, KVM_SET_BOOT_CPU_ID, 1);
}

/** vm_open - make a virtual machine like the host, with one vCPU in its reset state */
void vm_open(struct vm *vm, const struct memory *memory, bool chips)
{
	vm_open_as(vm, memory, chips, system_kvm.cpuid);
}

/**
 * vm_open_as - make a virtual machine with one vCPU in its reset state
 * @vm: filled in
 * @memory: becomes guest-physical memory from address 0 on
 * @chips: see &struct vm
 * @cpuid: what the guest is told of its processor
 */
void vm_open_as(struct vm *vm, const struct memory *memory, bool chips,
		const struct kvm_cpuid2 *cpuid)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = memory->bytes,
		.userspace_addr = (unsigned long)memory->at,
	};

	vm->chips = chips;
	vm->fd = DO(system_kvm.fd, KVM_CREATE_VM, 0);
	enable(vm->fd, KVM_CAP_EXCEPTION_PAYLOAD);
	enable(vm->fd, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	DO(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
	if (chips)
		open_chips(vm, &region);
	vm->vcpu = DO(vm->fd, KVM_CREATE_VCPU, 0);
	vm->run = mmap(NULL, system_kvm.run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		err(1, "the vCPU's shared page");
	DO(vm->vcpu, KVM_SET_CPUID2, cpuid);
}

void vm_close(struct vm *vm)
{
	munmap(vm->run, system_kvm.run_bytes);
	close(vm->vcpu);
	close(vm->fd);
}

static struct kvm_segment segment(unsigned int selector, unsigned int type, bool code)
{
	return (struct kvm_segment) {
		.selector = selector, .type = type, .limit = 0xffffffff,
		.present = 1, .s = 1, .g = 1, .l = code, .db = !code,
	};
}

#define CR0_PE_MP_ET_NE_WP_PG	0x80010033
#define CR4_PAE_OSFXSR_OSXMM	0x620
#define EFER_LME_LMA_NXE	0xd00

uint32_t vcpu_mp_state(struct vm *vm)
{
	struct kvm_mp_state state;

	DO(vm->vcpu, KVM_GET_MP_STATE, &state);
	return state.mp_state;
}

void vcpu_set_mp_state(struct vm *vm, uint32_t mp_state)
{
	struct kvm_mp_state state = { .mp_state = mp_state };

	DO(vm->vcpu, KVM_SET_MP_STATE, &state);
}

/** vcpu_start - put a fresh vCPU into 64-bit mode at @entry, with the page tables at @cr3 */
void vcpu_start(struct vm *vm, unsigned long entry, unsigned long cr3)
{
	struct kvm_regs regs = { .rip = entry, .rflags = 2 };
	struct kvm_sregs2 sregs;

	DO(vm->vcpu, KVM_GET_SREGS2, &sregs);
	sregs.cs = segment(8, 11, true);
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = segment(16, 3, false);
	sregs.cr0 = CR0_PE_MP_ET_NE_WP_PG;
	sregs.cr4 = CR4_PAE_OSFXSR_OSXMM;
	sregs.efer = EFER_LME_LMA_NXE;
	sregs.cr3 = cr3;
	DO(vm->vcpu, KVM_SET_SREGS2, &sregs);
	DO(vm->vcpu, KVM_SET_REGS, &regs);
	vm->run->cr8 = sregs.cr8;
	if (vm->chips)
		vcpu_set_mp_state(vm, KVM_MP_STATE_RUNNABLE);
}

volatile bool vcpu_stop_wanted;

/** vcpu_run - KVM_RUN; 0 for an exit in vm->run, or a negative errno (EINTR, EFAULT) */
int vcpu_run(struct vm *vm)
{
	return ioctl(vm->vcpu, KVM_RUN, 0) < 0 ? -errno : 0;
}

/* In this order a stop that comes from a signal handler at any point is kept. */
static int run_nothing(struct vm *vm)
{
	int error;

	vm->run->immediate_exit = 1;
	error = vcpu_run(vm);
	vm->run->immediate_exit = 0;
	if (vcpu_stop_wanted)
		vm->run->immediate_exit = 1;
	return error;
}

/**
 * vcpu_finish_io - let the instruction whose I/O was just served come to its end
 * @vm: its last KVM_RUN returned with an exit, which has been handled
 * @handle: called for each further exit of the same instruction
 * @context: passed to @handle
 *
 * After an exit for I/O the instruction is not over: a read has not reached its register, a
 * long write has parts left, RIP may not have moved.  Saved now, it would be done again or
 * lost.  KVM_RUN with immediate_exit ends it without beginning another one; but a write of
 * many parts, or one that follows a read (XCHG), comes out once more first.  So: until EINTR.
 */
void vcpu_finish_io(struct vm *vm, exit_handler *handle, void *context)
{
	for (int n = 0; n < IMPLAUSIBLY_MANY_EXITS; n++) {
		int error = run_nothing(vm);

		if (error == -EINTR)
			return;
		if (error)
			errx(1, "KVM_RUN with immediate_exit: %s", strerror(-error));
		handle(context, vm->run);
	}
	errx(1, "an instruction's I/O does not end");
}

/*
 * An MSR may be in the list and yet be refused on this vCPU, to read or to write back: Linux
 * does so with those of paravirtual features that need its own APIC.  Such ones are left out.
 */
static void find_msrs(int vcpu, struct kvm_msrs *msrs)
{
	const struct kvm_msr_list *list = system_kvm.msrs;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1 };

	msrs->nmsrs = 0;
	for (unsigned int i = 0; i < list->nmsrs; i++) {
		one.entry = (struct kvm_msr_entry) { .index = list->indices[i] };
		if (ioctl(vcpu, KVM_GET_MSRS, &one) == 1 && ioctl(vcpu, KVM_SET_MSRS, &one) == 1)
			msrs->entries[msrs->nmsrs++] = one.entry;
	}
}

/*
 * The first save finds out which there are; later ones get them all in one call.  With an APIC in
 * the kernel there may be more.
 */
static void get_msrs(int vcpu, bool chips, struct vcpu_image *image)
{
	static struct kvm_msrs *known_msrs[2];
	struct kvm_msrs *known = known_msrs[chips];
	size_t bytes;

	if (!known) {
		known = allocate(sizeof(*known), system_kvm.msrs->nmsrs,
				 sizeof(known->entries[0]));
		find_msrs(vcpu, known);
		known_msrs[chips] = known;
	}
	bytes = sizeof(*known) + known->nmsrs * sizeof(known->entries[0]);
	if (!image->msrs)
		image->msrs = allocate(sizeof(*known), system_kvm.msrs->nmsrs,
				       sizeof(known->entries[0]));
	memcpy(image->msrs, known, bytes);
	if (ioctl(vcpu, KVM_GET_MSRS, image->msrs) != (int)known->nmsrs)
		errx(1, "KVM_GET_MSRS: an MSR that could be read no longer can");
}

/* KVM_SET_MSRS stops at the first that it refuses; what KVM itself gave out, it must take. */
static void set_msrs(int vcpu, const struct kvm_msrs *msrs)
{
	int done = ioctl(vcpu, KVM_SET_MSRS, msrs);

	if (done < 0)
		err(1, "KVM_SET_MSRS");
	if (done < (int)msrs->nmsrs)
		errx(1, "KVM_SET_MSRS: 0x%x = 0x%llx refused", msrs->entries[done].index,
		     msrs->entries[done].data);
}

/** vcpu_set_smbase - where system management mode has its code and the registers it saves */
void vcpu_set_smbase(struct vm *vm, uint32_t base)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry = { .index = MSR_SMBASE, .data = base } };

	set_msrs(vm->vcpu, &msr.head);
}

/**
 * vcpu_save - take the whole state out of a vCPU that stands between two instructions
 * @vm: no I/O is under way (see vcpu_finish_io())
 * @image: filled in
 *
 * KVM_GET_MP_STATE goes first, since on Linux it may itself let the vCPU take an INIT, and
 * KVM_GET_VCPU_EVENTS last, so that nothing asked after it can change what it said.  The clock
 * has nothing to do with events: it is stopped by not being looked at any more.
 */
void vcpu_save(struct vm *vm, struct vcpu_image *image)
{
	DO(vm->vcpu, KVM_GET_MP_STATE, &image->mp_state);
	DO(vm->vcpu, KVM_GET_REGS, &image->regs);
	DO(vm->vcpu, KVM_GET_SREGS2, &image->sregs);
	if (system_kvm.xcrs)
		DO(vm->vcpu, KVM_GET_XCRS, &image->xcrs);
	if (system_kvm.xsave2)
		DO(vm->vcpu, KVM_GET_XSAVE2, image->xsave);
	else
		DO(vm->vcpu, KVM_GET_XSAVE, image->xsave);
	get_msrs(vm->vcpu, vm->chips, image);
	if (vm->chips)
		DO(vm->vcpu, KVM_GET_LAPIC, &image->lapic);
	DO(vm->vcpu, KVM_GET_DEBUGREGS, &image->debugregs);
	DO(vm->vcpu, KVM_GET_VCPU_EVENTS, &image->events);
	if (vm->chips)
		DO(vm->fd, KVM_GET_CLOCK, &image->clock);
}

/* It goes on from where it stood: what it says of other clocks is of the host that was left. */
static void load_clock(struct vm *vm, const struct kvm_clock_data *saved)
{
	struct kvm_clock_data clock = { .clock = saved->clock };

	DO(vm->fd, KVM_SET_CLOCK, &clock);
}

/**
 * vcpu_load - put a saved state into another vCPU
 * @vm: fresh from vm_open(), with the same memory
 * @image: from vcpu_save()
 * @with_events: false leaves the events out, to show what becomes of the guest then
 *
 * SREGS first, since what is legal elsewhere depends on the mode; XCRS before XSAVE, which
 * holds what XCR0 enables; EVENTS last, since KVM_SET_REGS drops a pending exception.
 *
 * KVM_SET_SREGS2 and not KVM_SET_SREGS: the latter's interrupt_bitmap would bring the injected
 * interrupt along a second way.  CR8 has a second copy too, in the shared page: without an
 * in-kernel interrupt controller KVM_RUN takes it from there.  KVM_SET_LAPIC follows SREGS2, which
 * has the APIC's base and mode; the MSRs follow it, for a TSC deadline is one, which Linux drops
 * where the timer's mode is not there yet; and the clock the MSRs, of which the TSC is one.
 */
void vcpu_load(struct vm *vm, const struct vcpu_image *image, bool with_events)
{
	DO(vm->vcpu, KVM_SET_SREGS2, &image->sregs);
	if (system_kvm.xcrs)
		DO(vm->vcpu, KVM_SET_XCRS, &image->xcrs);
	DO(vm->vcpu, KVM_SET_XSAVE, image->xsave);
	if (vm->chips)
		DO(vm->vcpu, KVM_SET_LAPIC, &image->lapic);
	set_msrs(vm->vcpu, image->msrs);
	if (vm->chips)
		load_clock(vm, &image->clock);
	DO(vm->vcpu, KVM_SET_REGS, &image->regs);
	DO(vm->vcpu, KVM_SET_DEBUGREGS, &image->debugregs);
	DO(vm->vcpu, KVM_SET_MP_STATE, &image->mp_state);
	if (with_events)
		DO(vm->vcpu, KVM_SET_VCPU_EVENTS, &image->events);
	vm->run->cr8 = image->sregs.cr8;
}

/**
 * vcpu_refresh - bring what KVM tells in the shared page up to date
 *
 * ready_for_interrupt_injection and if_flag are as of the last return from KVM_RUN.  One that
 * ends at once executes nothing, and sets them.
 */
void vcpu_refresh(struct vm *vm)
{
	if (run_nothing(vm) != -EINTR)
		errx(1, "KVM_RUN with immediate_exit on a fresh vCPU did not end with EINTR");
}

/** lapic_word - a register in a page of KVM_GET_LAPIC */
uint32_t lapic_word(const struct kvm_lapic_state *lapic, unsigned int offset)
{
	uint32_t word;

	memcpy(&word, lapic->regs + offset, sizeof(word));
	return word;
}

/** lapic_bank_any - is any vector in this bank (LAPIC_ISR, LAPIC_IRR)? */
bool lapic_bank_any(const struct kvm_lapic_state *lapic, unsigned int bank)
{
	for (unsigned int i = 0; i < 8; i++)
		if (lapic_word(lapic, bank + 16 * i))
			return true;
	return false;
}

/* Without the timer, which runs on: its count, and its vector if that has come to an end. */
static struct kvm_lapic_state without_timer(const struct kvm_lapic_state *lapic)
{
	struct kvm_lapic_state still = *lapic;
	const unsigned int vector = WAITING_TIMER_VECTOR;

	memset(still.regs + LAPIC_TMCCT, 0, sizeof(uint32_t));
	still.regs[LAPIC_IRR + vector / 32 * 16 + vector % 32 / 8] &= ~(1 << vector % 8);
	return still;
}

static bool lapics_differ(const struct kvm_lapic_state *a, const struct kvm_lapic_state *b)
{
	const struct kvm_lapic_state still_a = without_timer(a), still_b = without_timer(b);

	return memcmp(&still_a, &still_b, sizeof(still_a));
}

/** vcpu_difference - name a part in which two images differ, or NULL; the MSRs hold a clock */
const char *vcpu_difference(const struct vcpu_image *a, const struct vcpu_image *b)
{
	if (memcmp(&a->events, &b->events, sizeof(a->events)))
		return "events";
	if (memcmp(&a->regs, &b->regs, sizeof(a->regs)))
		return "regs";
	if (memcmp(&a->sregs, &b->sregs, sizeof(a->sregs)))
		return "sregs";
	if (memcmp(&a->debugregs, &b->debugregs, sizeof(a->debugregs)))
		return "debugregs";
	if (memcmp(&a->mp_state, &b->mp_state, sizeof(a->mp_state)))
		return "mp_state";
	if (lapics_differ(&a->lapic, &b->lapic))
		return "lapic";
	return NULL;
}
