/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * glue.h - the pure decoder and executor, joined to a vCPU: guest memory, the
 * guest's page tables, kvm_run.  All in the vCPU's thread, interrupts on.
 */
#ifndef ARCH_X86_KVM_EMU_GLUE_H
#define ARCH_X86_KVM_EMU_GLUE_H

#include <linux/kvm_host.h>
#include <asm/kvm_exact.h>
#include "emu.h"

struct event;

/* What stands at RIP cannot be read: no memory.  exit.c makes it KVM_EXIT_INTERNAL_ERROR. */
#define GLUE_NO_CODE	(-ENXIO)

/* Once for a new vCPU: callbacks, pio_data. */
void glue_create(struct kvm_vcpu *vcpu);

/* Length of the instruction at RIP, by its bytes. */
int glue_measure(struct kvm_vcpu *vcpu);

/**
 * glue_insn_len - length of the intercepted instruction at RIP
 * @vcpu: has exited; arch.exit.insn_len is used where hardware told it
 *
 * Return: 1 to 15; 0 (TO_GUEST) when fetching it raised an exception in the guest, or the bytes are
 * no longer an instruction (another CPU rewrote them): enter again; negative errno.
 */
static inline int glue_insn_len(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.exit.insn_len ?: glue_measure(vcpu);
}

/**
 * glue_decode - fetch and decode the instruction at RIP
 * @vcpu: has exited; bytes in arch.exit.insn are used where hardware supplied them
 * @insn: filled when the return value is positive
 *
 * Return: as glue_insn_len().
 */
int glue_decode(struct kvm_vcpu *vcpu, struct emu_insn *insn);

/* The same by its bytes in memory, whatever the last exit was; GLUE_NO_CODE without memory. */
int glue_fetch(struct kvm_vcpu *vcpu, struct emu_insn *insn);

/**
 * glue_execute - execute the instruction at RIP in software
 * @vcpu: has exited because of memory that is a device's, or of string I/O
 *
 * Return: a handler's: TO_GUEST; TO_USER with kvm_run filled (KVM_EXIT_MMIO, KVM_EXIT_IO: writes
 * have retired by then, RIP is behind them; reads wait in arch.io for glue_resume());
 * KVM_EXIT_INTERNAL_ERROR for what cannot be executed; negative errno.
 */
int glue_execute(struct kvm_vcpu *vcpu);

/**
 * glue_load_word - read the 16-bit memory operand of an instruction that exits for another reason
 * @vcpu: has exited
 * @insn: the instruction, decoded
 * @word: out
 *
 * Return: as glue_insn_len(): 0 when the operand has raised an exception; GLUE_NO_CODE when it is
 * in a device.
 */
int glue_load_word(struct kvm_vcpu *vcpu, const struct emu_insn *insn, u16 *word);

/**
 * glue_not_executed - KVM_EXIT_INTERNAL_ERROR for the instruction at RIP, with its bytes
 * @vcpu: has exited; nothing of the instruction is over
 *
 * suberror EMULATION: flags, size and bytes as struct kvm_run has them, and then the processor's
 * exit code and RIP.  Where RIP has no memory, flags is 0.
 *
 * Return: TO_USER.
 */
int glue_not_executed(struct kvm_vcpu *vcpu);

/**
 * glue_switch_task - a hardware task switch, which no processor does for a guest (switch.c)
 * @vcpu: has exited with EXIT_TASK_SWITCH
 *
 * Return: a handler's: TO_GUEST, with the new task or a fault in either; TO_USER: a debugger's
 * step, or KVM_EXIT_INTERNAL_ERROR when descriptors or a TSS are where no memory is; or an errno.
 */
int glue_switch_task(struct kvm_vcpu *vcpu);

/* KVM_RUN after userspace has answered: IO_EMULATOR, IO_CARRIED.  Return: as glue_execute(). */
int glue_resume(struct kvm_vcpu *vcpu);

/**
 * glue_get_io - the instruction that waits for userspace, to be carried to another vCPU
 * @vcpu: not running
 * @out: filled if there is one; its open question with the answer as it stands in kvm_run
 *
 * Return: is there one?
 */
bool glue_get_io(struct kvm_vcpu *vcpu, struct kvm_exact_io *out);

/* Can this be of an instruction that waits? */
bool glue_io_ok(const struct kvm_exact_io *in);

/*
 * Replace the instruction that waits; NULL: none does.  @in is as glue_io_ok() has approved it.
 * kvm_run is filled as by the exit: KVM_RUN takes the answer from there.
 */
void glue_set_io(struct kvm_vcpu *vcpu, const struct kvm_exact_io *in);

/**
 * glue_soft_len - does the instruction that makes this soft event stand at RIP?
 * @vcpu: not running
 * @event: a soft event: INT3, INTO, INT n
 *
 * Looks only: changes nothing, raises nothing.  Return: its length, or 0.
 */
unsigned int glue_soft_len(struct kvm_vcpu *vcpu, const struct event *event);

/* Does RSM stand at RIP? Looks only. */
bool glue_at_rsm(struct kvm_vcpu *vcpu);

/**
 * glue_translate - KVM_TRANSLATE: guest linear to guest physical, as a supervisor data read
 *
 * Return: 0, or -EFAULT when the guest's tables have no translation.
 */
int glue_translate(struct kvm_vcpu *vcpu, gva_t linear, gpa_t *gpa);

#endif /* ARCH_X86_KVM_EMU_GLUE_H */
