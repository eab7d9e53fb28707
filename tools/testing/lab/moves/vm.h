/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual machine with one vCPU, and how its state is taken out and put into another.
 * Next: vm.c.
 */
#ifndef MOVES_VM_H
#define MOVES_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

#define XSAVE_ROOM 16384		/* more than any processor's state, AMX included */

/* Registers of a local APIC, in the page of KVM_GET_LAPIC as in memory. */
#define LAPIC_ISR	0x100		/* a bank: eight words, 16 bytes apart */
#define LAPIC_IRR	0x200
#define LAPIC_TMCCT	0x390		/* what is left of the timer's count */

/**
 * struct memory - guest memory, which outlives the virtual machines it is mapped into
 * @at: where it is in this process
 * @bytes: its size; it begins at guest-physical address 0
 */
struct memory {
	void *at;
	size_t bytes;
};

/**
 * struct vm - a virtual machine, and its only vCPU
 * @chips: with a local APIC in the kernel, one that takes INIT and SIPI, system management mode and
 *         a clock; the vCPU halts in the kernel.  What the PICs would do is left to the caller
 */
struct vm {
	int fd, vcpu;
	struct kvm_run *run;
	bool chips;
};

/** struct vcpu_image - all of a vCPU, as the state ioctls tell it */
struct vcpu_image {
	struct kvm_mp_state mp_state;
	struct kvm_regs regs;
	struct kvm_sregs2 sregs;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	struct kvm_vcpu_events events;
	char xsave[XSAVE_ROOM];
	struct kvm_msrs *msrs;
	/* with chips; zeroes otherwise */
	struct kvm_lapic_state lapic;
	struct kvm_clock_data clock;
};

/**
 * typedef exit_handler - does what an exit asks for (answers a read, takes a write)
 * @context: the caller's
 * @run: the vCPU's shared page
 */
typedef void exit_handler(void *context, struct kvm_run *run);

/*
 * Whoever sets immediate_exit to stop a vCPU from outside sets this first, so that the calls
 * below, which need immediate_exit for themselves, do not undo it.
 */
extern volatile bool vcpu_stop_wanted;

void vm_system_open(void);
bool vm_has_xcr0(void);
bool vm_has_chips(void);
bool vm_has_msr(uint32_t index);
const struct kvm_cpuid2 *vm_cpuid(void);
void vm_open(struct vm *vm, const struct memory *memory, bool chips);
void vm_open_as(struct vm *vm, const struct memory *memory, bool chips,
		const struct kvm_cpuid2 *cpuid);
void vm_close(struct vm *vm);
void vcpu_start(struct vm *vm, unsigned long entry, unsigned long cr3);
void vcpu_set_smbase(struct vm *vm, uint32_t base);
uint32_t vcpu_mp_state(struct vm *vm);
void vcpu_set_mp_state(struct vm *vm, uint32_t mp_state);
int vcpu_run(struct vm *vm);
void vcpu_finish_io(struct vm *vm, exit_handler *handle, void *context);
void vcpu_save(struct vm *vm, struct vcpu_image *image);
void vcpu_load(struct vm *vm, const struct vcpu_image *image, bool with_events);
void vcpu_refresh(struct vm *vm);
uint32_t lapic_word(const struct kvm_lapic_state *lapic, unsigned int offset);
bool lapic_bank_any(const struct kvm_lapic_state *lapic, unsigned int bank);
const char *vcpu_difference(const struct vcpu_image *a, const struct vcpu_image *b);

#endif /* MOVES_VM_H */
