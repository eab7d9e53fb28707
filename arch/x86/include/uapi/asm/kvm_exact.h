/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * kvm_exact.h - all that a vCPU is in the middle of: a proposal for the KVM ABI.
 *
 * struct kvm_vcpu_events has no room for an instruction's length, for debug traps
 * that wait behind MOV SS, for what of an instruction's device accesses is over.
 * struct kvm_exact_state has it, with all exceptions, interrupts and NMIs.  It is an
 * attribute of the vCPU's fd, read beside the events and written after them (SMM,
 * SMIs and INITs are theirs alone), by a VMM that has enabled KVM_CAP_X86_EXACT_STATE
 * on the VM.  A VMM that has not sees no difference.  Documentation/virt/kvm/events.rst
 * tells how to use it.
 *
 * The two numbers are outside of what Linux has given out.
 */
#ifndef _ASM_X86_KVM_EXACT_H
#define _ASM_X86_KVM_EXACT_H

#include <linux/types.h>

/* KVM_CHECK_EXTENSION: the highest version; KVM_ENABLE_CAP of a VM: args[0] is the one to speak. */
#define KVM_CAP_X86_EXACT_STATE		0x8000

/* KVM_GET/SET/HAS_DEVICE_ATTR on a vCPU fd: a group, and the one attribute in it. */
#define KVM_VCPU_EXACT_CTRL		0x8000
#define KVM_VCPU_EXACT_STATE		0	/* struct kvm_exact_state */

#define KVM_EXACT_VERSION		1

/* kvm_exact_event.type */
#define KVM_EXACT_NONE			0
#define KVM_EXACT_EXCEPTION		1	/* all but vectors 2 to 4; INT1's, too */
#define KVM_EXACT_SOFT_EXCEPTION	2	/* INT3, INTO: vectors 3 and 4 */
#define KVM_EXACT_INTERRUPT		3	/* external */
#define KVM_EXACT_SOFT_INTERRUPT	4	/* INT n */

/* kvm_exact_event.flags */
#define KVM_EXACT_HAS_ERROR		(1 << 0)
#define KVM_EXACT_HAS_PAYLOAD		(1 << 1)

/*
 * One event.  All zero: there is none.
 *
 * insn_len is of a software event: the address in its frame is RIP plus this.  error_code has 16
 * bits.  The payload, of a page fault or a #DB that has not begun, is what delivery will write to
 * CR2, or will bring about in DR6; as in struct kvm_vcpu_events.
 */
struct kvm_exact_event {
	__u8 type;
	__u8 vector;
	__u8 insn_len;
	__u8 flags;
	__u32 error_code;
	__u64 payload;
};

/* kvm_exact_access.kind */
#define KVM_EXACT_NO_ACCESS		0
#define KVM_EXACT_MMIO_READ		1
#define KVM_EXACT_MMIO_WRITE		2
#define KVM_EXACT_PIO_IN		3
#define KVM_EXACT_MSR_READ		4
#define KVM_EXACT_MSR_WRITE		5

/*
 * One access to a device: a guest-physical address or a port, and what was read or is written.
 *
 * Of an MSR, which can only be the one asked for, size is 8; error and reason are those of
 * kvm_run.msr.  They are 0 for all others.
 */
struct kvm_exact_access {
	__u64 addr;
	__u8 kind;
	__u8 size;
	__u8 error;
	__u8 reason;
	__u8 pad[4];
	__u8 data[8];
};

#define KVM_EXACT_READS			8

/*
 * An instruction that waits for userspace.
 *
 * It stands at rip.  Of its device reads so many are over, and this is what they read; so many of
 * its writes are over.  ask is the exit that was made last: as kvm_run had it when the state was
 * read, with the data of a read as they stood there then.  Nothing is asked where KVM_RUN failed
 * since, with EFAULT: memory was missing, and the instruction goes on when it is there.
 */
struct kvm_exact_io {
	__u64 rip;
	__u8 reads;
	__u8 writes;
	__u8 pad[6];
	struct kvm_exact_access ask;
	struct kvm_exact_access read[KVM_EXACT_READS];
};

/* kvm_exact_state.flags */
#define KVM_EXACT_VALID_IO		(1 << 0)

/*
 * begun is an exception whose delivery has begun, raised one whose has not: at most one of them.
 * interrupt has left its controller.  shadow has the bits of kvm_vcpu_events.interrupt.shadow.
 * pending_dbg is what waits for the end of the shadow, as Intel's pending debug exceptions: B0 to
 * B3, bit 12 (one of them is enabled), bit 14 (a single step).
 */
struct kvm_exact_state {
	__u32 version;
	__u32 flags;
	struct kvm_exact_event begun;
	struct kvm_exact_event raised;
	struct kvm_exact_event interrupt;
	__u8 nmi_begun;
	__u8 nmi_pending;
	__u8 nmi_masked;
	__u8 triple_fault;
	__u8 shadow;
	__u8 pad[3];
	__u64 pending_dbg;
	struct kvm_exact_io io;
	__u64 reserved[8];
};

#endif /* _ASM_X86_KVM_EXACT_H */
