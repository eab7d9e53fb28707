/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm.h - what svm.c, setup.c and enter.S share.
 */
#ifndef ARCH_X86_KVM_SVM_SVM_H
#define ARCH_X86_KVM_SVM_SVM_H

#include <linux/kvm_host.h>
#include <linux/percpu.h>
#include <asm/svm.h>

/* VMCB clean bits (APM vol. 2, 15.15.3): set means the processor may use its cached copy. */
enum vmcb_clean {
	CLEAN_INTERCEPTS	= BIT(0),	/* TSC offset, too */
	CLEAN_PERMISSIONS	= BIT(1),	/* IOPM, MSRPM */
	CLEAN_ASID		= BIT(2),
	CLEAN_INTERRUPT		= BIT(3),	/* V_TPR, V_IRQ */
	CLEAN_NESTED		= BIT(4),
	CLEAN_CR		= BIT(5),
	CLEAN_DR		= BIT(6),
	CLEAN_TABLES		= BIT(7),	/* GDTR, IDTR */
	CLEAN_SEGMENTS		= BIT(8),
	CLEAN_CR2		= BIT(9),
	CLEAN_ALL		= GENMASK(9, 0),
};

/**
 * struct vcpu_svm - a vCPU's part of this backend.  Its thread only.
 * @vmcb:	the control block
 * @vmcb_pa:	its physical address
 * @msrpm:	MSR permission map, 8 KiB (APM vol. 2, 15.11)
 * @asid_generation: of the CPU it last ran on, when its ASID was taken
 * @asid_cpu:	that CPU
 * @soft_skip:	RIP was moved over the instruction of an injected soft event by this much
 * @soft_rip:	where it was moved to
 * @stepping:	this entry borrows TF for one instruction
 * @iret_goes:	the instruction that this entry begins with is an IRET, and its faults exit
 * @step_tf:	the guest's own TF meanwhile
 * @step_dr6:	the guest's own DR6 meanwhile
 * @forced_tf:	TF is a debugger's on the outside for this entry
 * @tsc_ratio:	for MSR_AMD64_TSC_RATIO
 */
struct vcpu_svm {
	struct vmcb *vmcb;
	unsigned long vmcb_pa;
	u8 *msrpm;
	u64 asid_generation;
	int asid_cpu;
	u8 soft_skip;
	u64 soft_rip;
	bool stepping;
	bool iret_goes;
	u64 step_tf;
	u64 step_dr6;
	bool forced_tf;
	u64 tsc_ratio;
};

/**
 * struct svm_cpu - a physical CPU's part of this backend.  That CPU only.
 * @host_save:	VM_HSAVE_PA, for the processor's own use
 * @host_block:	a VMCB that keeps what VMLOAD and VMSAVE move, of the host
 * @host_block_pa: its physical address
 * @asid_generation: counts the times the ASIDs ran out
 * @next_asid:	the next that is free in this generation
 * @last_vmcb:	what ran here last, for the branch predictor barrier
 * @tsc_ratio:	what is in MSR_AMD64_TSC_RATIO, if there is one
 */
struct svm_cpu {
	struct page *host_save;
	struct page *host_block;
	unsigned long host_block_pa;
	u64 asid_generation;
	u32 next_asid;
	struct vmcb *last_vmcb;
	u64 tsc_ratio;
};

/*
 * Exceptions that always exit: the host's machine checks, and two whose delivery can raise them
 * anew without an end, and without an instruction boundary for the host's interrupts.
 */
#define SVM_EXCEPTIONS	(BIT(MC_VECTOR) | BIT(DB_VECTOR) | BIT(AC_VECTOR))

/* While TF is not the guest's, no handler may see it. */
#define SVM_ALL_EXCEPTIONS	U32_MAX

DECLARE_PER_CPU(struct svm_cpu, svm_cpu);

extern u32 svm_asids;			/* ASIDs of the processor, 0 included; set once */
extern unsigned long svm_iopm_pa;	/* all ports exit; set once */
extern bool svm_has_nrips, svm_has_decode_assists;	/* set once */

static inline struct vcpu_svm *to_svm(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.backend;
}

/* These VMCB fields have been changed. */
static inline void svm_touch(struct kvm_vcpu *vcpu, u32 clean_bits)
{
	to_svm(vcpu)->vmcb->control.clean &= ~clean_bits;
}

/* setup.c */
bool svm_supported(void);
int svm_setup(struct backend_features *features);
void svm_teardown(void);
int svm_cpu_enable(void);
void svm_cpu_disable(void);
void svm_cpu_emergency(void);
int svm_vcpu_create(struct kvm_vcpu *vcpu);
void svm_vcpu_destroy(struct kvm_vcpu *vcpu);
void svm_vcpu_reset(struct kvm_vcpu *vcpu);
void svm_set_traps(struct kvm_vcpu *vcpu);
void svm_trap_msr(struct kvm_vcpu *vcpu, u32 msr, bool read, bool write);

/* enter.S */
void svm_switch(unsigned long vmcb_pa, u64 *gpr, unsigned long host_block_pa);

#endif /* ARCH_X86_KVM_SVM_SVM_H */
