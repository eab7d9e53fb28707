// SPDX-License-Identifier: GPL-2.0-only
/*
 * x86.c - the ioctls that read and write a vCPU's state.
 *
 * One row of a table for each: number, and what gets or sets it.  Input is
 * copied to the stack first and judged there; a call that is refused has
 * changed nothing.  KVM_GET/SET_VCPU_EVENTS are translated by events.c.
 * What is legal is asked of cr.c; what the values mean, of their owners.
 */
#include <linux/kvm_host.h>
#include <linux/uaccess.h>
#include <asm/trapnr.h>
#include "cr.h"
#include "emu/glue.h"
#include "trace.h"
#include "vcpu.h"

/*
 * Structs of a fixed, small size that is a multiple of eight: word by word, without a call or a
 * loop.  0 or -EFAULT; a fault may leave the target half written.  What is copied in, and what is
 * filled to its last byte before it is copied out, need not be cleared first: __uninitialized.
 */
static __always_inline long copy_out(void __user *to, const void *from, size_t size)
{
	u64 __user *out = to;
	const u64 *in = from;
	size_t i;

	if (!user_write_access_begin(to, size))
		return -EFAULT;
#pragma GCC unroll 20
	for (i = 0; i < size / sizeof(u64); i++)
		unsafe_put_user(in[i], &out[i], fault);
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

static __always_inline long copy_in(void *to, const void __user *from, size_t size)
{
	const u64 __user *in = from;
	u64 *out = to;
	size_t i;

	if (!user_read_access_begin(from, size))
		return -EFAULT;
#pragma GCC unroll 20
	for (i = 0; i < size / sizeof(u64); i++)
		unsafe_get_user(out[i], &in[i], fault);
	user_read_access_end();
	return 0;

fault:
	user_read_access_end();
	return -EFAULT;
}

/*
 * Registers.  struct kvm_regs has an order of its own.
 */

static const u8 regs_order[] = {
	GPR_RAX, GPR_RBX, GPR_RCX, GPR_RDX, GPR_RSI, GPR_RDI, GPR_RSP, GPR_RBP,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
};

static void get_regs(struct kvm_vcpu *vcpu, struct kvm_regs *regs)
{
	const struct vcpu_state *state = &vcpu->arch.state;
	__u64 *reg = &regs->rax;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs_order); i++)
		reg[i] = state->gpr[regs_order[i]];
	regs->rip = state->rip;
	regs->rflags = state->rflags;
}

/* An exception that the vCPU raised belongs to the registers it was raised with: both go. */
static void set_regs(struct kvm_vcpu *vcpu, const struct kvm_regs *regs)
{
	struct vcpu_state *state = &vcpu->arch.state;
	const __u64 *reg = &regs->rax;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs_order); i++)
		state->gpr[regs_order[i]] = reg[i];
	/* a shadow covers the instruction behind its own; one that was set goes with what is set */
	if (state->rip != regs->rip && !vcpu->arch.shadow_restored) {
		state->shadow = 0;
		state->pending_db = 0;
	}
	state->rip = regs->rip;
	state->rflags = regs->rflags | X86_EFLAGS_FIXED;
	events_forget_raised(&vcpu->arch.events);
}

static long ioctl_get_regs(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_regs regs __uninitialized;

	get_regs(vcpu, &regs);
	return copy_out(argp, &regs, sizeof(regs));
}

static long ioctl_set_regs(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_regs regs __uninitialized;

	if (copy_in(&regs, argp, sizeof(regs)))
		return -EFAULT;
	set_regs(vcpu, &regs);
	return 0;
}

/*
 * Segment, table and control registers.  struct kvm_sregs and kvm_sregs2
 * begin alike; what they share is moved by the same functions.
 */

static void get_segment(struct kvm_segment *out, const struct x86_segment *seg)
{
	*out = (struct kvm_segment){
		.base = seg->base,
		.limit = seg->limit,
		.selector = seg->selector,
		.type = seg->attr & SEG_ATTR_TYPE,
		.s = !!(seg->attr & SEG_ATTR_S),
		.dpl = (seg->attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT,
		.present = !!(seg->attr & SEG_ATTR_P),
		.avl = !!(seg->attr & SEG_ATTR_AVL),
		.l = !!(seg->attr & SEG_ATTR_L),
		.db = !!(seg->attr & SEG_ATTR_DB),
		.g = !!(seg->attr & SEG_ATTR_G),
		.unusable = !(seg->attr & SEG_ATTR_P),
	};
}

static void set_segment(struct x86_segment *seg, const struct kvm_segment *in)
{
	seg->base = in->base;
	seg->limit = in->limit;
	seg->selector = in->selector;
	seg->attr = (in->type & SEG_ATTR_TYPE) | (in->s ? SEG_ATTR_S : 0) |
		    (in->dpl & 3) << SEG_ATTR_DPL_SHIFT |
		    (in->present && !in->unusable ? SEG_ATTR_P : 0) |
		    (in->avl ? SEG_ATTR_AVL : 0) | (in->l ? SEG_ATTR_L : 0) |
		    (in->db ? SEG_ATTR_DB : 0) | (in->g ? SEG_ATTR_G : 0);
}

static const struct {
	u8 seg;
	u8 offset;
} sregs_segments[] = {
	{ SEG_CS, offsetof(struct kvm_sregs, cs) },
	{ SEG_DS, offsetof(struct kvm_sregs, ds) },
	{ SEG_ES, offsetof(struct kvm_sregs, es) },
	{ SEG_FS, offsetof(struct kvm_sregs, fs) },
	{ SEG_GS, offsetof(struct kvm_sregs, gs) },
	{ SEG_SS, offsetof(struct kvm_sregs, ss) },
	{ SEG_TR, offsetof(struct kvm_sregs, tr) },
	{ SEG_LDTR, offsetof(struct kvm_sregs, ldt) },
};

#define SREGS_COMMON	offsetof(struct kvm_sregs, interrupt_bitmap)

static_assert(offsetof(struct kvm_sregs2, apic_base) == offsetof(struct kvm_sregs, apic_base));
static_assert(offsetof(struct kvm_sregs2, flags) == SREGS_COMMON);

/* Everything before interrupt_bitmap, or before flags of the newer struct. */
static void get_sregs_common(struct kvm_vcpu *vcpu, struct kvm_sregs *sregs)
{
	struct vcpu_state *state = &vcpu->arch.state;
	unsigned int i;

	state_need(vcpu, STATE_CODE | STATE_SEG | STATE_CR);
	for (i = 0; i < ARRAY_SIZE(sregs_segments); i++)
		get_segment((void *)sregs + sregs_segments[i].offset,
			    &state->seg[sregs_segments[i].seg]);
	sregs->gdt = (struct kvm_dtable){ .base = state->gdt.base, .limit = state->gdt.limit };
	sregs->idt = (struct kvm_dtable){ .base = state->idt.base, .limit = state->idt.limit };
	sregs->cr0 = state->cr0;
	sregs->cr2 = state->cr2;
	sregs->cr3 = state->cr3;
	sregs->cr4 = state->cr4;
	sregs->cr8 = vcpu->arch.cr8;
	sregs->efer = state->efer;
	sregs->apic_base = vcpu->arch.msrs.apic_base;
}

static struct cr_limits cr_limits(struct kvm_vcpu *vcpu)
{
	const struct vcpu_cpuid *cpuid = &vcpu->arch.cpuid;

	return (struct cr_limits){
		.cr4_allowed = cpuid->cr4_allowed,
		.efer_allowed = cpuid->efer_allowed,
		.xcr0_allowed = cpuid->xcr0_allowed,
		.max_gpa_bits = cpuid->max_gpa_bits,
	};
}

static bool sregs_ok(struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	const struct cr_limits limits = cr_limits(vcpu);
	const struct cr_values values = {
		.cr0 = sregs->cr0,
		.cr3 = sregs->cr3,
		.cr4 = sregs->cr4,
		.efer = sregs->efer,
		.cs_long = sregs->cs.l,
	};

	return cr_state_ok(&limits, &values) && !(sregs->cr8 & ~0xfULL) &&
	       msr_apic_base_ok(vcpu, sregs->apic_base);
}

bool x86_state_ok(struct kvm_vcpu *vcpu, const struct vcpu_state *state)
{
	const struct cr_limits limits = cr_limits(vcpu);
	const struct cr_values values = {
		.cr0 = state->cr0,
		.cr3 = state->cr3,
		.cr4 = state->cr4,
		.efer = state->efer,
	};

	return cr_state_ok(&limits, &values) &&
	       (state->efer & EFER_LMA || !(state->cr4 & X86_CR4_PCIDE));
}

static bool is_pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return cr0 & X86_CR0_PG && cr4 & X86_CR4_PAE && !(efer & EFER_LMA);
}

static int set_sregs_common(struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct vcpu_state *state = &vcpu->arch.state;
	unsigned int i;
	bool flush;

	if (!sregs_ok(vcpu, sregs))
		return -EINVAL;
	vcpu->arch.msrs.apic_base = sregs->apic_base;
	apic_base_changed(vcpu);
	/* all of these groups are about to be replaced: no need to fetch them */
	flush = !(state->valid & STATE_CR) || is_pae_paging(sregs->cr0, sregs->cr4, sregs->efer);
	state->valid |= STATE_CODE | STATE_SEG | STATE_CR;
	state->dirty |= STATE_CODE | STATE_SEG | STATE_CR;
	for (i = 0; i < ARRAY_SIZE(sregs_segments); i++)
		set_segment(&state->seg[sregs_segments[i].seg],
			    (const void *)sregs + sregs_segments[i].offset);
	state->gdt = (struct x86_table){ .base = sregs->gdt.base, .limit = sregs->gdt.limit };
	state->idt = (struct x86_table){ .base = sregs->idt.base, .limit = sregs->idt.limit };
	/* a guest changes CR3 without an exit; of PDPTEs nobody knows */
	if (flush || state->cr3 != sregs->cr3 || (state->cr0 ^ sregs->cr0) & X86_CR0_PG ||
	    state->cr4 != sregs->cr4 || state->efer != sregs->efer)
		backend_call(flush_guest)(vcpu);
	state->cr0 = cr0_normal(sregs->cr0);
	state->cr2 = sregs->cr2;
	state->cr3 = sregs->cr3;
	state->cr4 = sregs->cr4;
	state->efer = sregs->efer;
	vcpu->arch.pdptes_stale = backend_features.loads_pdptes;
	/* the APIC's TPR has four bits more, which its own call has set, or will */
	if (vcpu->arch.cr8 != sregs->cr8)
		apic_set_cr8(vcpu, sregs->cr8);
	/* KVM_RUN takes CR8 from there */
	vcpu->run->cr8 = sregs->cr8;
	vcpu->run->apic_base = sregs->apic_base;
	return 0;
}

static void get_sregs(struct kvm_vcpu *vcpu, struct kvm_sregs *sregs)
{
	const struct event *irq = &vcpu->arch.events.irq;

	get_sregs_common(vcpu, sregs);
	memset(sregs->interrupt_bitmap, 0, sizeof(sregs->interrupt_bitmap));
	if (irq->kind == EVENT_IRQ)
		sregs->interrupt_bitmap[irq->vector / 64] |= BIT_ULL(irq->vector % 64);
}

/* The bitmap hands over one interrupt, the lowest; an empty one takes none back. */
static int set_sregs(struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	unsigned long bitmap[KVM_NR_INTERRUPTS / BITS_PER_LONG];
	unsigned int vector;
	int r;

	r = set_sregs_common(vcpu, sregs);
	if (r)
		return r;
	memcpy(bitmap, sregs->interrupt_bitmap, sizeof(bitmap));
	vector = find_first_bit(bitmap, KVM_NR_INTERRUPTS);
	if (vector < KVM_NR_INTERRUPTS)
		events_irq(&vcpu->arch.events, vector);
	return 0;
}

static long ioctl_get_sregs(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_sregs sregs __uninitialized;

	get_sregs(vcpu, &sregs);
	return copy_out(argp, &sregs, sizeof(sregs));
}

static long ioctl_set_sregs(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_sregs sregs __uninitialized;

	if (copy_in(&sregs, argp, sizeof(sregs)))
		return -EFAULT;
	return set_sregs(vcpu, &sregs);
}

/*
 * PAE paging.  Intel's processors keep copies of the four entries that CR3 points to, and load
 * them at a MOV to CR (SDM vol. 3, 4.4.1); AMD's nested paging reads them where they are.
 */

/* What a MOV to CR that leads to these values loads. 0, or -EINVAL: it is #GP. */
static int load_pdptes(struct kvm_vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer)
{
	const struct cr_limits limits = cr_limits(vcpu);
	struct vcpu_state *state = &vcpu->arch.state;
	u64 pdpte[ARRAY_SIZE(state->pdpte)];
	unsigned int i;

	if (!backend_features.loads_pdptes || !is_pae_paging(cr0, cr4, efer))
		return 0;
	if (kvm_vcpu_read_guest(vcpu, cr3 & PDPT_ADDRESS, pdpte, sizeof(pdpte)))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(pdpte); i++)
		if (!pdpte_ok(&limits, pdpte[i]))
			return -EINVAL;
	memcpy(state->pdpte, pdpte, sizeof(pdpte));
	state->valid |= STATE_PDPTES;
	state->dirty |= STATE_PDPTES;
	return 0;
}

/* Userspace may set CR3 before there is memory.  Entries that no MOV would take map nothing. */
void x86_reload_pdptes(struct kvm_vcpu *vcpu)
{
	struct vcpu_state *state = &vcpu->arch.state;

	vcpu->arch.pdptes_stale = false;
	state_need(vcpu, STATE_CR);
	if (!load_pdptes(vcpu, state->cr0, state->cr3, state->cr4, state->efer))
		return;
	memset(state->pdpte, 0, sizeof(state->pdpte));
	state->valid |= STATE_PDPTES;
	state->dirty |= STATE_PDPTES;
}

static long ioctl_get_sregs2(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_sregs2 sregs2 = { };

	get_sregs_common(vcpu, (struct kvm_sregs *)&sregs2);
	if (backend_features.loads_pdptes && is_pae_paging(sregs2.cr0, sregs2.cr4, sregs2.efer)) {
		if (vcpu->arch.pdptes_stale)
			x86_reload_pdptes(vcpu);
		state_need(vcpu, STATE_PDPTES);
		memcpy(sregs2.pdptrs, vcpu->arch.state.pdpte, sizeof(sregs2.pdptrs));
		sregs2.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	}
	return copy_out(argp, &sregs2, sizeof(sregs2));
}

/* Checked by the entry they are for: a copy may be older than the memory it came from. */
static void set_pdptes(struct kvm_vcpu *vcpu, const struct kvm_sregs2 *sregs2)
{
	struct vcpu_state *state = &vcpu->arch.state;

	if (!(sregs2->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID))
		return;
	vcpu->arch.pdptes_stale = false;
	memcpy(state->pdpte, sregs2->pdptrs, sizeof(state->pdpte));
	state->valid |= STATE_PDPTES;
	state->dirty |= STATE_PDPTES;
}

static long ioctl_set_sregs2(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_sregs2 sregs2 __uninitialized;
	int r;

	if (copy_in(&sregs2, argp, sizeof(sregs2)))
		return -EFAULT;
	if (sregs2.flags & ~(__u64)KVM_SREGS2_FLAGS_PDPTRS_VALID ||
	    (sregs2.flags && !is_pae_paging(sregs2.cr0, sregs2.cr4, sregs2.efer)))
		return -EINVAL;
	r = set_sregs_common(vcpu, (const struct kvm_sregs *)&sregs2);
	if (!r)
		set_pdptes(vcpu, &sregs2);
	return r;
}

/*
 * Control registers, as the guest writes them.
 */

static struct cr_values cr_values(struct kvm_vcpu *vcpu)
{
	const struct vcpu_state *state = &vcpu->arch.state;

	state_need(vcpu, STATE_CR | STATE_CODE);
	return (struct cr_values){
		.cr0 = state->cr0,
		.cr3 = state->cr3,
		.cr4 = state->cr4,
		.efer = state->efer,
		.cs_long = state->seg[SEG_CS].attr & SEG_ATTR_L,
	};
}

int x86_write_cr0(struct kvm_vcpu *vcpu, u64 value)
{
	const struct cr_limits limits = cr_limits(vcpu);
	const struct cr_values now = cr_values(vcpu);
	struct vcpu_state *state = &vcpu->arch.state;

	if (!cr0_write_ok(&limits, &now, value) ||
	    load_pdptes(vcpu, value, now.cr3, now.cr4, efer_with_lma(now.efer, value)))
		return -EINVAL;
	state_dirty(vcpu, STATE_CR);
	if ((state->cr0 ^ value) & X86_CR0_PG)
		backend_call(flush_guest)(vcpu);
	state->cr0 = cr0_normal(value);
	state->efer = efer_with_lma(state->efer, state->cr0);
	return 0;
}

int x86_write_cr3(struct kvm_vcpu *vcpu, u64 value)
{
	const struct cr_limits limits = cr_limits(vcpu);
	const struct cr_values now = cr_values(vcpu);

	if (!cr3_write_ok(&limits, &now, value) ||
	    load_pdptes(vcpu, now.cr0, value, now.cr4, now.efer))
		return -EINVAL;
	state_dirty(vcpu, STATE_CR);
	vcpu->arch.state.cr3 = value & ~X86_CR3_PCID_NOFLUSH;
	if (!(value & X86_CR3_PCID_NOFLUSH))
		backend_call(flush_guest)(vcpu);
	return 0;
}

int x86_write_cr4(struct kvm_vcpu *vcpu, u64 value)
{
	const struct cr_limits limits = cr_limits(vcpu);
	const struct cr_values now = cr_values(vcpu);

	if (!cr4_write_ok(&limits, &now, value) ||
	    load_pdptes(vcpu, now.cr0, now.cr3, value, now.efer))
		return -EINVAL;
	state_dirty(vcpu, STATE_CR);
	vcpu->arch.state.cr4 = value;
	backend_call(flush_guest)(vcpu);
	return 0;
}

/*
 * Events.
 */

static struct event_abi event_abi(struct kvm_vcpu *vcpu)
{
	const struct kvm_caps *caps = &vcpu->kvm->arch.caps;

	return (struct event_abi){
		.payload = READ_ONCE(caps->exception_payload),
		.triple_fault = READ_ONCE(caps->triple_fault_event),
		.apic = vcpu->arch.irq.in_kernel,
	};
}

/* No event of any kind, not even one that another CPU has left for this vCPU: the usual case. */
static __always_inline bool nothing_waits(struct kvm_vcpu *vcpu)
{
	return events_idle(&vcpu->arch.events) &&
	       !(atomic_read(&vcpu->arch.inbox) | vcpu->arch.state.shadow |
		 vcpu->arch.state.pending_db | vcpu->arch.events.in_smm);
}

/*
 * Breakpoints that wait behind MOV SS have no word of their own.  A #DB that is pending with their
 * bits and in that shadow can be nothing else, for no processor raises one there; and a kernel
 * that does not know of it takes the trap an instruction early, and does not lose it.
 */
static void say_waiting_breakpoints(const struct vcpu_state *state, const struct event_abi *abi,
				    struct vcpu_events *ev)
{
	if (!abi->payload || !(state->pending_db & DR_TRAP_BITS) || ev->fault.kind ||
	    ev->inflight.kind)
		return;
	ev->fault = (struct event){
		.kind = EVENT_EXCEPTION,
		.vector = X86_TRAP_DB,
		.has_payload = true,
		.payload = state->pending_db & DR_TRAP_BITS,
	};
}

static void hear_waiting_breakpoints(struct vcpu_state *state, struct vcpu_events *ev)
{
	const struct event *fault = &ev->fault;

	if (!(state->shadow & SHADOW_MOV_SS) || !fault->kind || fault->vector != X86_TRAP_DB ||
	    !fault->has_payload || !fault->payload || fault->payload & ~(u64)DR_TRAP_BITS)
		return;
	state->pending_db = fault->payload | PENDING_ENABLED;
	ev->fault = (struct event){ };
}

/* Into the machine, what other CPUs have left: a call that sets part of it keeps the rest. */
void x86_collect_events(struct kvm_vcpu *vcpu)
{
	u32 notes;

	if (!(atomic_read(&vcpu->arch.inbox) & INBOX_EVENTS))
		return;
	notes = atomic_fetch_andnot(INBOX_EVENTS | INBOX_SIPI_VECTOR, &vcpu->arch.inbox);
	run_hear(&vcpu->arch.events, notes);
}

struct vcpu_events x86_copy_events(struct kvm_vcpu *vcpu)
{
	struct vcpu_events copy = vcpu->arch.events;
	struct event *soft;

	run_hear(&copy, atomic_read(&vcpu->arch.inbox));
	while ((soft = events_unmeasured(&copy)))
		soft->insn_len = glue_soft_len(vcpu, soft);
	return copy;
}

static noinline void get_events(struct kvm_vcpu *vcpu, struct kvm_vcpu_events *out)
{
	struct vcpu_events copy = x86_copy_events(vcpu);
	struct event_abi abi = event_abi(vcpu);

	say_waiting_breakpoints(&vcpu->arch.state, &abi, &copy);
	events_get(&copy, &abi, vcpu->arch.state.shadow, out);
}

void x86_shadow_set(struct kvm_vcpu *vcpu)
{
	struct vcpu_state *state = &vcpu->arch.state;

	/* hardware has one bit for both kinds, or one for each, of which only one can be set */
	if (state->shadow && !backend_features.shadow_kinds)
		state->shadow = SHADOW_ANY;
	else if (state->shadow & SHADOW_MOV_SS)
		state->shadow = SHADOW_MOV_SS;
}

void x86_events_replaced(struct kvm_vcpu *vcpu)
{
	x86_shadow_set(vcpu);
	smm_follow(vcpu);
}

static int set_events(struct kvm_vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	struct vcpu_state *state = &vcpu->arch.state;
	struct event_abi abi = event_abi(vcpu);
	int r;

	x86_collect_events(vcpu);
	r = events_set(&vcpu->arch.events, &abi, &state->shadow, in);
	if (r)
		return r;
	if (in->flags & KVM_VCPUEVENT_VALID_SHADOW)
		vcpu->arch.shadow_restored = true;
	/* what waited here before is not in it */
	state->pending_db = 0;
	hear_waiting_breakpoints(state, &vcpu->arch.events);
	x86_events_replaced(vcpu);
	return 0;
}

static noinline long get_waiting_events(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_vcpu_events events __uninitialized;

	get_events(vcpu, &events);
	trace_kvm_get_events(vcpu->id, &events, 0);
	return copy_out(argp, &events, sizeof(events));
}

/*
 * An image as eight words.  When nothing waits they are all zero but for the flags: such images,
 * nearly all that there are, go out without being built, and come in without being taken apart.
 */
union events_image {
	struct kvm_vcpu_events events;
	u64 words[sizeof(struct kvm_vcpu_events) / sizeof(u64)];
};

static long ioctl_get_events(struct kvm_vcpu *vcpu, void __user *argp)
{
	union events_image __user *out = argp;
	struct event_abi abi = event_abi(vcpu);
	size_t i;

	if (!nothing_waits(vcpu) || trace_kvm_get_events_enabled())
		return get_waiting_events(vcpu, argp);
	if (!user_write_access_begin(out, sizeof(*out)))
		return -EFAULT;
#pragma GCC unroll 8
	for (i = 0; i < ARRAY_SIZE(out->words); i++)
		unsafe_put_user(0, &out->words[i], fault);
	unsafe_put_user(events_flags(&abi), &out->events.flags, fault);
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

/*
 * Nothing waits in the image that is at @in, and what it says of SMIs and SIPIs is nothing either:
 * 1, or 0 for any other.  Looked at where it is, and not used: who takes it apart copies it first.
 */
static __always_inline int image_is_quiet(const union events_image __user *in, u32 flags)
{
	u64 word, says, waits = 0;
	size_t i;

	BUILD_BUG_ON(offsetof(struct kvm_vcpu_events, sipi_vector) != 2 * sizeof(u64) ||
		     offsetof(struct kvm_vcpu_events, flags) != 2 * sizeof(u64) + sizeof(u32));
	if (!user_read_access_begin(in, sizeof(*in)))
		return -EFAULT;
#pragma GCC unroll 8
	for (i = 0; i < ARRAY_SIZE(in->words); i++) {
		unsafe_get_user(word, &in->words[i], fault);
		if (i == 2)
			says = word;
		else
			waits |= word;
	}
	user_read_access_end();
	return !(waits | (says & ~((u64)flags << 32)));

fault:
	user_read_access_end();
	return -EFAULT;
}

static noinline long set_waiting_events(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_vcpu_events events __uninitialized;
	int r;

	if (copy_in(&events, argp, sizeof(events)))
		return -EFAULT;
	r = set_events(vcpu, &events);
	trace_kvm_set_events(vcpu->id, &events, r);
	return r;
}

static long ioctl_set_events(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct event_abi abi = event_abi(vcpu);
	int quiet;

	if (!nothing_waits(vcpu) || trace_kvm_set_events_enabled())
		return set_waiting_events(vcpu, argp);
	quiet = image_is_quiet(argp, events_flags(&abi));
	if (quiet > 0)
		return 0;
	return quiet ?: set_waiting_events(vcpu, argp);
}

/* An interrupt of a LAPIC in the kernel that waits for its delivery is in service there already. */
static long ioctl_interrupt(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_interrupt irq;

	if (copy_from_user(&irq, argp, sizeof(irq)))
		return -EFAULT;
	if (irq.irq >= KVM_NR_INTERRUPTS)
		return -EINVAL;
	if (irq_where(vcpu->kvm) == IRQ_KERNEL)
		return -ENXIO;
	if (vcpu->arch.irq.in_kernel && vcpu->arch.events.irq.kind)
		return -EEXIST;
	events_irq(&vcpu->arch.events, irq.irq);
	return 0;
}

static long ioctl_nmi(struct kvm_vcpu *vcpu, void __user *argp)
{
	events_nmi(&vcpu->arch.events);
	return 0;
}

/* What is pending already is taken once. */
static long ioctl_smi(struct kvm_vcpu *vcpu, void __user *argp)
{
	events_smi(&vcpu->arch.events);
	return 0;
}

/* An INIT or a SIPI that another CPU has left counts. */
static noinline u32 mp_state_behind_notes(struct kvm_vcpu *vcpu)
{
	return x86_copy_events(vcpu).mp_state;
}

static long ioctl_get_mp_state(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_mp_state __user *mp = argp;
	u32 state = vcpu->arch.events.mp_state;

	if (unlikely(atomic_read(&vcpu->arch.inbox) & INBOX_EVENTS))
		state = mp_state_behind_notes(vcpu);
	return put_user(state, &mp->mp_state);
}

static long ioctl_set_mp_state(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct event_abi abi = event_abi(vcpu);
	struct kvm_mp_state mp;

	if (copy_from_user(&mp, argp, sizeof(mp)))
		return -EFAULT;
	x86_collect_events(vcpu);
	return events_set_mp_state(&vcpu->arch.events, &abi, mp.mp_state);
}

/*
 * The rest, whose owners are elsewhere.
 */

static long ioctl_get_debugregs(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_debugregs regs __uninitialized;

	debug_get_regs(vcpu, &regs);
	return copy_out(argp, &regs, sizeof(regs));
}

static long ioctl_set_debugregs(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_debugregs regs __uninitialized;

	if (copy_in(&regs, argp, sizeof(regs)))
		return -EFAULT;
	return debug_set_regs(vcpu, &regs);
}

static long ioctl_set_guest_debug(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_guest_debug debug;

	if (copy_from_user(&debug, argp, sizeof(debug)))
		return -EFAULT;
	return debug_set_guest_debug(vcpu, &debug);
}

static long ioctl_translate(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_translation tr;
	gpa_t gpa;

	if (copy_from_user(&tr, argp, sizeof(tr)))
		return -EFAULT;
	tr.valid = !glue_translate(vcpu, tr.linear_address, &gpa);
	tr.physical_address = tr.valid ? gpa : U64_MAX;
	tr.writeable = 1;
	tr.usermode = 0;
	return copy_to_user(argp, &tr, sizeof(tr)) ? -EFAULT : 0;
}

static long ioctl_enable_cap(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, argp, sizeof(cap)))
		return -EFAULT;
	if (cap.flags || cap.cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	vcpu->arch.cpuid.pv_enforced = cap.args[0];
	return 0;
}

static long ioctl_kvmclock_ctrl(struct kvm_vcpu *vcpu, void __user *argp)
{
	return clock_paused(vcpu);
}

#define OWNER(name, fn)								\
	static long ioctl_##name(struct kvm_vcpu *vcpu, void __user *argp)	\
	{									\
		return fn(vcpu, argp);						\
	}

OWNER(get_fpu, fpu_get_fpu)
OWNER(set_fpu, fpu_set_fpu)
OWNER(get_xsave, fpu_get_xsave)
OWNER(get_xsave2, fpu_get_xsave2)
OWNER(set_xsave, fpu_set_xsave)
OWNER(get_xcrs, fpu_get_xcrs)
OWNER(set_xcrs, fpu_set_xcrs)
OWNER(get_msrs, msr_get_list)
OWNER(set_msrs, msr_set_list)
OWNER(tpr_access, apic_tpr_reporting)
OWNER(set_vapic, apic_set_vapic)
OWNER(get_lapic, apic_get)
OWNER(set_lapic, apic_set)
OWNER(get_cpuid, cpuid_get)
OWNER(set_cpuid, cpuid_set)

static long ioctl_setup_mce(struct kvm_vcpu *vcpu, void __user *argp)
{
	u64 mcg_cap;

	if (copy_from_user(&mcg_cap, argp, sizeof(mcg_cap)))
		return -EFAULT;
	return msr_setup_mce(vcpu, mcg_cap);
}

static long ioctl_set_mce(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_x86_mce mce;

	if (copy_from_user(&mce, argp, sizeof(mce)))
		return -EFAULT;
	return msr_inject_mce(vcpu, &mce);
}

static long ioctl_get_tsc_khz(struct kvm_vcpu *vcpu, void __user *argp)
{
	return vcpu->arch.time.tsc.khz;
}

static long ioctl_set_tsc_khz(struct kvm_vcpu *vcpu, void __user *argp)
{
	return time_set_khz(vcpu, (unsigned long)argp);
}

/*
 * By the ioctl's own number.  Some share it: they differ in whether they carry a struct.  The rest
 * (size, direction) is compared.
 */
#define VCPU_IOCTL_INDEX(ioctl)	(_IOC_NR(ioctl) * 2 + !_IOC_SIZE(ioctl))

static const struct {
	unsigned int ioctl;
	long (*call)(struct kvm_vcpu *vcpu, void __user *argp);
} vcpu_ioctls[512] = {
#define ROW(number, fn) [VCPU_IOCTL_INDEX(number)] = { number, fn }
	ROW(KVM_GET_REGS, ioctl_get_regs),
	ROW(KVM_SET_REGS, ioctl_set_regs),
	ROW(KVM_GET_SREGS, ioctl_get_sregs),
	ROW(KVM_SET_SREGS, ioctl_set_sregs),
	ROW(KVM_GET_SREGS2, ioctl_get_sregs2),
	ROW(KVM_SET_SREGS2, ioctl_set_sregs2),
	ROW(KVM_TRANSLATE, ioctl_translate),
	ROW(KVM_INTERRUPT, ioctl_interrupt),
	ROW(KVM_NMI, ioctl_nmi),
	ROW(KVM_SMI, ioctl_smi),
	ROW(KVM_GET_MSRS, ioctl_get_msrs),
	ROW(KVM_SET_MSRS, ioctl_set_msrs),
	ROW(KVM_TPR_ACCESS_REPORTING, ioctl_tpr_access),
	ROW(KVM_SET_VAPIC_ADDR, ioctl_set_vapic),
	ROW(KVM_GET_LAPIC, ioctl_get_lapic),
	ROW(KVM_SET_LAPIC, ioctl_set_lapic),
	ROW(KVM_GET_FPU, ioctl_get_fpu),
	ROW(KVM_SET_FPU, ioctl_set_fpu),
	ROW(KVM_SET_CPUID2, ioctl_set_cpuid),
	ROW(KVM_GET_CPUID2, ioctl_get_cpuid),
	ROW(KVM_GET_MP_STATE, ioctl_get_mp_state),
	ROW(KVM_SET_MP_STATE, ioctl_set_mp_state),
	ROW(KVM_SET_GUEST_DEBUG, ioctl_set_guest_debug),
	ROW(KVM_GET_VCPU_EVENTS, ioctl_get_events),
	ROW(KVM_SET_VCPU_EVENTS, ioctl_set_events),
	ROW(KVM_GET_DEBUGREGS, ioctl_get_debugregs),
	ROW(KVM_SET_DEBUGREGS, ioctl_set_debugregs),
	ROW(KVM_ENABLE_CAP, ioctl_enable_cap),
	ROW(KVM_GET_DEVICE_ATTR, attr_get),
	ROW(KVM_SET_DEVICE_ATTR, attr_set),
	ROW(KVM_HAS_DEVICE_ATTR, attr_has),
	ROW(KVM_GET_XSAVE, ioctl_get_xsave),
	ROW(KVM_GET_XSAVE2, ioctl_get_xsave2),
	ROW(KVM_SET_XSAVE, ioctl_set_xsave),
	ROW(KVM_GET_XCRS, ioctl_get_xcrs),
	ROW(KVM_SET_XCRS, ioctl_set_xcrs),
	ROW(KVM_X86_SETUP_MCE, ioctl_setup_mce),
	ROW(KVM_X86_SET_MCE, ioctl_set_mce),
	ROW(KVM_GET_TSC_KHZ, ioctl_get_tsc_khz),
	ROW(KVM_SET_TSC_KHZ, ioctl_set_tsc_khz),
	ROW(KVM_KVMCLOCK_CTRL, ioctl_kvmclock_ctrl),
#undef ROW
};

/* What kvm_run says of interrupts stays true over every call that may change it. */
long kvm_arch_vcpu_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl, unsigned long arg)
{
	unsigned int i = VCPU_IOCTL_INDEX(ioctl);
	long r;

	if (vcpu_ioctls[i].ioctl != ioctl || !vcpu_ioctls[i].call)
		return -ENOTTY;
	r = vcpu_ioctls[i].call(vcpu, (void __user *)arg);
	if (_IOC_DIR(ioctl) != _IOC_READ)
		run_publish(vcpu);
	return r;
}

/*
 * The shared page: the same groups, at the end and the beginning of KVM_RUN.
 */

int x86_sync_out(struct kvm_vcpu *vcpu)
{
	struct kvm_sync_regs *sync = &vcpu->run->s.regs;
	u64 wanted = READ_ONCE(vcpu->run->kvm_valid_regs);

	if (wanted & KVM_SYNC_X86_REGS)
		get_regs(vcpu, &sync->regs);
	if (wanted & KVM_SYNC_X86_SREGS)
		get_sregs(vcpu, &sync->sregs);
	if (wanted & KVM_SYNC_X86_EVENTS)
		get_events(vcpu, &sync->events);
	return 0;
}

/* Would these events be taken? */
static bool events_ok(struct kvm_vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	struct vcpu_events copy = vcpu->arch.events;
	struct event_abi abi = event_abi(vcpu);
	u8 shadow;

	return !events_set(&copy, &abi, &shadow, in);
}

/*
 * Userspace may write the page meanwhile: copied, then judged, then used.  All of it is judged
 * before any of it is used.
 */
int x86_sync_in(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 dirty = READ_ONCE(run->kvm_dirty_regs);
	struct kvm_sync_regs sync = run->s.regs;

	if (dirty & KVM_SYNC_X86_SREGS && !sregs_ok(vcpu, &sync.sregs))
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_EVENTS && !events_ok(vcpu, &sync.events))
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_REGS)
		set_regs(vcpu, &sync.regs);
	if (dirty & KVM_SYNC_X86_SREGS)
		set_sregs(vcpu, &sync.sregs);
	if (dirty & KVM_SYNC_X86_EVENTS)
		set_events(vcpu, &sync.events);
	run->kvm_dirty_regs = 0;
	return 0;
}
