/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lapic.h - the registers of one vCPU's local APIC, xAPIC and x2APIC, and its timer as numbers.
 *
 * PURE: no clock, no lock, no other vCPU.  Time comes in as nanoseconds; what a write means to the
 * world outside goes out as a struct lapic_effects.  Which interrupt a vCPU takes, among other
 * events, is not decided here (events.h); how a message reaches another vCPU is the caller's.
 *
 * SDM vol. 3, chapter 10 (11 in newer ones); APM vol. 2, chapter 16.  Tests:
 * tools/testing/kvm/lapic.
 */
#ifndef ARCH_X86_KVM_IRQ_LAPIC_H
#define ARCH_X86_KVM_IRQ_LAPIC_H

#include "../pure.h"
#include <asm/kvm.h>
#include "msg.h"

enum lapic_mode {
	LAPIC_DISABLED,		/* by IA32_APIC_BASE: as if there were none */
	LAPIC_XAPIC,
	LAPIC_X2APIC,
};

/* Offsets in the register page; divided by 16, added to 0x800: MSRs of the x2APIC. */
enum lapic_reg {
	LAPIC_ID = 0x20,
	LAPIC_VERSION = 0x30,
	LAPIC_TPR = 0x80,
	LAPIC_APR = 0x90,
	LAPIC_PPR = 0xa0,
	LAPIC_EOI = 0xb0,
	LAPIC_RRD = 0xc0,
	LAPIC_LDR = 0xd0,
	LAPIC_DFR = 0xe0,
	LAPIC_SVR = 0xf0,
	LAPIC_ISR = 0x100,	/* these three: 32 vectors every 16 bytes */
	LAPIC_TMR = 0x180,
	LAPIC_IRR = 0x200,
	LAPIC_ESR = 0x280,
	LAPIC_LVT_CMCI = 0x2f0,
	LAPIC_ICR = 0x300,
	LAPIC_ICR2 = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_THERMAL = 0x330,
	LAPIC_LVT_PERF = 0x340,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TMICT = 0x380,
	LAPIC_TMCCT = 0x390,
	LAPIC_TDCR = 0x3e0,
	LAPIC_SELF_IPI = 0x3f0,
};

#define LAPIC_REGS	(KVM_APIC_REG_SIZE / 16)

/* What may differ between local APICs; struct lapic's features. */
#define LAPIC_HAS_CMCI		BIT(0)	/* LVT for corrected machine checks (MCG_CMCI_P) */
#define LAPIC_HAS_EOI_SUPPRESS	BIT(1)	/* SVR bit 12 keeps EOIs from the IOAPICs */
#define LAPIC_HAS_TSC_DEADLINE	BIT(2)	/* CPUID.1:ECX[24] */
#define LAPIC_LINT0_EXTINT	BIT(3)	/* LINT0 comes out of reset as 8259s want it, not masked
					 * (KVM_X86_QUIRK_LINT0_REENABLED)
					 */

/* Bits of ESR that occur. */
#define LAPIC_ESR_SEND_VECTOR	BIT(5)
#define LAPIC_ESR_RECV_VECTOR	BIT(6)
#define LAPIC_ESR_REGISTER	BIT(7)

#define LAPIC_NEVER	U64_MAX

/**
 * struct lapic - one local APIC.  Its vCPU's thread only
 * @irr_count:	how many vectors are in IRR; 0 is the answer of most VM entries
 * @isr_count:	how many are in ISR
 * @mode:	enum lapic_mode
 * @features:	LAPIC_HAS_* and LAPIC_LINT0_EXTINT; the owner's to set, at any time between calls;
 *		none of the functions changes it
 * @errors:	LAPIC_ESR_*: seen since the last write to ESR, which is what shows them
 * @id:		the x2APIC id, and the xAPIC id after power-up (its low 8 bits)
 * @deadline:	ns: when the count gets to 0, LAPIC_NEVER if it does not count
 * @tsc_deadline: guest TSC; 0: not armed.  Not 0 in TSC-deadline mode alone
 * @tsc_restored: one that was restored before the mode was, for lapic_set_state(), or 0
 * @regs:	the registers, by offset / 16.  Not in it: ID and LDR of an x2APIC, VERSION, PPR,
 *		TMCCT, which are computed when they are read
 *
 * All zeroes is not a valid one: lapic_reset() first.
 */
struct lapic {
	u16 irr_count;
	u16 isr_count;
	u8 mode;
	u8 features;
	u8 errors;
	u32 id;
	u64 deadline;
	u64 tsc_deadline;
	u64 tsc_restored;
	u32 regs[LAPIC_REGS];
};

/* What the caller has to do after a write: bits of lapic_effects.what. */
#define LAPIC_SEND	BIT(0)	/* @msg goes out; a shorthand, self too, is the caller's */
#define LAPIC_TELL_EOI	BIT(1)	/* @vector, level-triggered, has ended: tell the IOAPICs */
#define LAPIC_TIMER	BIT(2)	/* look at lapic_timer_deadline() and lapic_tsc_deadline() again */
#define LAPIC_ADDRESS	BIT(3)	/* publish lapic_address() */
#define LAPIC_EXTINT	BIT(4)	/* lapic_accepts_extint() may have changed */
#define LAPIC_LOOK	BIT(5)	/* lapic_pending() may have risen: TPR fell, EOI, an error's LVT */

/**
 * struct lapic_effects - what a write means outside of the registers
 * @what:	LAPIC_SEND and so on
 * @vector:	whose service has ended; 0: of none
 * @msg:	with LAPIC_SEND
 */
struct lapic_effects {
	u8 what;
	u8 vector;
	struct irq_msg msg;
};

/**
 * struct lapic_address - all that a sender has to know of a local APIC
 * @id:		physical id
 * @ldr:	LDR, as it reads
 * @dfr:	DFR, as it reads: the model is in bits 31:28.  xAPIC only
 * @x2apic:	the mode
 * @present:	not disabled by IA32_APIC_BASE: takes NMI, SMI, INIT and SIPI
 * @enabled:	by SVR, too: takes interrupts
 */
struct lapic_address {
	u32 id;
	u32 ldr;
	u32 dfr;
	bool x2apic;
	bool present;
	bool enabled;
};

/* ---- life ---- */

/**
 * lapic_reset - power-up, or INIT
 * @lapic: @features are kept
 * @id: the vCPU's APIC id; not looked at for an INIT
 * @init: INIT, which leaves the mode and the xAPIC's ID register alone (SDM 10.4.7.3)
 *
 * After power-up the mode is LAPIC_XAPIC; the BSP bit and the address of the page are the caller's.
 * The timer is disarmed, TSC deadline included; everything that LAPIC_* names may have changed.
 */
void lapic_reset(struct lapic *lapic, u32 id, bool init);

/* Of IA32_APIC_BASE. */
#define LAPIC_BASE_BSP		BIT_ULL(8)
#define LAPIC_BASE_EXTD		BIT_ULL(10)
#define LAPIC_BASE_EN		BIT_ULL(11)

/**
 * lapic_base_ok - may IA32_APIC_BASE become @to?
 * @from: its value now
 * @to: the new one
 * @has_x2apic: CPUID.1:ECX[21]
 * @gpa_bits: physical address width, 32 to 52
 * @host: userspace restores a state: no transition is wrong, only values are
 *
 * The guest's wrong write is #GP(0); SDM 10.12.5 draws the transitions: from x2APIC only to
 * disabled, to x2APIC only from xAPIC.
 */
bool lapic_base_ok(u64 from, u64 to, bool has_x2apic, u8 gpa_bits, bool host);

/**
 * lapic_set_base - IA32_APIC_BASE has been written, lapic_base_ok() has been asked
 * @lapic: the local APIC
 * @base: EN and EXTD count
 *
 * Disabling loses all registers, as after power-up (SDM 10.4.3 allows it), and the timer.  xAPIC
 * to x2APIC keeps all but ID and LDR; x2APIC to xAPIC, which only userspace does, gives ID, LDR and
 * DFR their power-up values.
 */
struct lapic_effects lapic_set_base(struct lapic *lapic, u64 base);

/* ---- registers ---- */

/**
 * lapic_read - xAPIC: a load from the page
 * @lapic: not LAPIC_DISABLED, where there is no page; an x2APIC has none either
 * @offset: in the page, a multiple of 16, below 0x1000.  Other offsets, and accesses that are not
 *	32 bits wide, are the caller's to round or to ignore (SDM 10.4.1: undefined)
 * @now: ns
 *
 * Of a reserved register: 0, and an error, which may make lapic_pending() rise.
 */
u32 lapic_read(struct lapic *lapic, u32 offset, u64 now);

/* xAPIC: a store to the page; as lapic_read().  Bits that are reserved or read-only are lost. */
struct lapic_effects lapic_write(struct lapic *lapic, u32 offset, u32 value, u64 now);

/**
 * lapic_msr_read - x2APIC: RDMSR of 0x800 to 0x8ff
 * @lapic: the local APIC, in any mode
 * @msr: number
 * @now: ns
 * @value: out; not touched on error
 *
 * Return: 0, or -EINVAL for #GP(0): not in x2APIC mode, no such register, write-only.
 */
int lapic_msr_read(const struct lapic *lapic, u32 msr, u64 now, u64 *value);

/*
 * x2APIC: WRMSR.  As lapic_msr_read(); -EINVAL for read-only registers and reserved bits, too.
 * @effects is not touched on error.
 */
int lapic_msr_write(struct lapic *lapic, u32 msr, u64 value, u64 now,
		    struct lapic_effects *effects);

/* ---- interrupts ---- */

/**
 * lapic_accept - a fixed (or lowest-priority) interrupt has come
 * @lapic: the local APIC
 * @vector: any; below 16 it is an error in ESR
 * @level: level-triggered
 *
 * Return: true if it now waits and did not before; false if it was waiting already (coalesced), or
 * is lost: the APIC is disabled, or the vector is illegal (then the error's LVT may have raised
 * another vector).
 */
bool lapic_accept(struct lapic *lapic, u8 vector, bool level);

/* The vector of highest priority in IRR that PPR lets through, or -1; the slow half. */
int lapic_find_pending(const struct lapic *lapic);

/* The vector that the processor could take now, or -1.  On the path of every VM entry. */
static inline int lapic_pending(const struct lapic *lapic)
{
	return likely(!lapic->irr_count) ? -1 : lapic_find_pending(lapic);
}

/* The processor takes lapic_pending(): from IRR to ISR.  The vector, or -1 and nothing done. */
int lapic_acknowledge(struct lapic *lapic);

/* An end of interrupt: of the highest vector in ISR, if there is one. */
struct lapic_effects lapic_eoi(struct lapic *lapic);

/* Highest vector in IRR, in ISR, or -1: whatever PPR says. */
int lapic_highest_irr(const struct lapic *lapic);
int lapic_highest_isr(const struct lapic *lapic);

u8 lapic_ppr(const struct lapic *lapic);

/* TPR, all 8 bits; CR8 is bits 7:4 of it. */
u8 lapic_tpr(const struct lapic *lapic);

/* A MOV to CR8 writes @cr8 << 4.  Returns true if it fell: lapic_pending() may have risen. */
bool lapic_set_tpr(struct lapic *lapic, u8 tpr);

/* Enabled by IA32_APIC_BASE and by SVR: takes interrupts. */
bool lapic_enabled(const struct lapic *lapic);

/* ---- local sources ---- */

/**
 * lapic_local - a local source has raised its interrupt
 * @lapic: the local APIC
 * @lvt: its register, LAPIC_LVT_*; KVM_NMI is LAPIC_LVT_LINT1
 *
 * Return: -1 if the entry is masked, or says something reserved, or its vector is illegal (an error
 * in ESR).  Otherwise enum msg_mode: MSG_FIXED has been accepted here; MSG_NMI, MSG_SMI, MSG_INIT
 * and MSG_EXTINT are the caller's to do.  Disabled by IA32_APIC_BASE, LINT0 is INTR and LINT1 is
 * NMI (SDM 10.4.3).
 */
int lapic_local(struct lapic *lapic, enum lapic_reg lvt);

/* Does the output of the 8259s reach this processor?  APIC disabled, or LINT0 as ExtINT. */
bool lapic_accepts_extint(const struct lapic *lapic);

/* ---- the timer: the bus runs at 1 GHz, so a count is @divide ns ---- */

/*
 * When it fires next, absolute ns, or LAPIC_NEVER; for one-shot and periodic mode.  May be past.
 * It can be had every nanosecond: the caller keeps a least distance between two firings, as it
 * sees fit; lapic_timer_fired() makes one interrupt of the periods that passed.
 */
static inline u64 lapic_timer_deadline(const struct lapic *lapic)
{
	return lapic->deadline;
}

/* Periodic mode and armed: ns between two interrupts, 1 to 2^39; otherwise 0. */
u64 lapic_timer_period(const struct lapic *lapic);

/**
 * lapic_timer_fired - the time has come
 * @lapic: the local APIC
 * @now: ns; before the deadline nothing is done.  In TSC-deadline mode it is the caller who knows
 *	that the guest's TSC is there
 *
 * One-shot and TSC-deadline mode are disarmed; in periodic mode the next deadline is the first
 * after @now that the periods make.
 *
 * Return: true if its interrupt is in IRR now; false if the LVT is masked, or its vector illegal.
 */
bool lapic_timer_fired(struct lapic *lapic, u64 now);

/* IA32_TSC_DEADLINE as the guest reads it: 0 if disarmed, or not in TSC-deadline mode. */
static inline u64 lapic_tsc_deadline(const struct lapic *lapic)
{
	return lapic->tsc_deadline;
}

/* A write to it: 0 disarms; ignored outside TSC-deadline mode.  Returns true if it was taken. */
bool lapic_set_tsc_deadline(struct lapic *lapic, u64 tsc);

/* The same by userspace.  If another mode has it ignored, a lapic_set_state() to come takes it. */
bool lapic_restore_tsc_deadline(struct lapic *lapic, u64 tsc);

/* ---- addresses ---- */

struct lapic_address lapic_address(const struct lapic *lapic);

/**
 * lapic_matches - does this message, by its destination, come to this local APIC?
 * @to: the receiver
 * @msg: @shorthand is not looked at: its answer needs the sender.  A fixed, lowest-priority or
 *	ExtINT message does not come to one that is disabled
 * @narrow: the destination has 8 bits (IOAPIC, MSI, an xAPIC's ICR), and all ones in them are a
 *	broadcast for an x2APIC as well; to an xAPIC they always are
 *
 * Lowest-priority messages match all candidates; the caller takes one.
 */
bool lapic_matches(const struct lapic_address *to, const struct irq_msg *msg, bool narrow);

/* ---- KVM_GET_LAPIC, KVM_SET_LAPIC ---- */

/**
 * lapic_get_state - the register page as the ABI has it
 * @lapic: the local APIC
 * @state: out, all of it
 * @now: ns
 * @wide_ids: KVM_X2APIC_API_USE_32BIT_IDS; otherwise an x2APIC's id is in bits 31:24 of ID, too
 *
 * ICR of an x2APIC is in ICR and ICR2.  TMCCT is 0 only if the timer does not count; one that is
 * overdue has 1.  The register at 0x3a0, reserved, says that (bit 31), and has the errors that a
 * write to ESR would show.
 */
void lapic_get_state(const struct lapic *lapic, struct kvm_lapic_state *state, u64 now,
		     bool wide_ids);

/**
 * lapic_set_state - the reverse; the mode, set before, says how the page is read
 * @lapic: the local APIC
 * @state: any content: reserved bits are dropped, vectors below 16 in IRR, ISR and TMR as well;
 *	VERSION, PPR and an x2APIC's LDR are not taken
 * @now: ns.  The count goes on from TMCCT (at most TMICT).  If TMCCT is 0, and bit 31 of 0x3a0 does
 *	not say that this is so (QEMU stores no TMCCT), a one-shot is due at once: an interrupt too
 *	many does no harm, one too few is a guest that hangs.  A period starts anew
 * @wide_ids: as above
 *
 * IA32_TSC_DEADLINE is kept if the timer was in that mode before and is now, otherwise disarmed: it
 * is restored after this.  Everything that LAPIC_* names may have changed.
 *
 * Return: 0, or -EINVAL if an x2APIC's id, with @wide_ids, is another's; nothing is changed then.
 */
int lapic_set_state(struct lapic *lapic, const struct kvm_lapic_state *state, u64 now,
		    bool wide_ids);

#endif /* ARCH_X86_KVM_IRQ_LAPIC_H */
