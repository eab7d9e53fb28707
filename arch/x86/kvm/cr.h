/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cr.h - which values of control registers are legal, alone and together; and which breakpoints of
 * the debug registers an access meets.
 *
 * PURE: values in, a verdict out.  SDM vol. 3, 2.5, 4.1, 17.2; APM vol. 2, 3.1, 13.1.
 */
#ifndef ARCH_X86_KVM_CR_H
#define ARCH_X86_KVM_CR_H

#include "pure.h"

/**
 * struct cr_limits - what this vCPU's processor allows (from its CPUID)
 * @cr4_allowed:	CR4 bits that exist
 * @efer_allowed:	EFER bits that exist
 * @xcr0_allowed:	XCR0 bits that exist
 * @max_gpa_bits:	physical address width
 */
struct cr_limits {
	u64 cr4_allowed;
	u64 efer_allowed;
	u64 xcr0_allowed;
	u8 max_gpa_bits;
};

/**
 * struct cr_values - the registers that constrain each other
 * @cs_long: CS.L of the running code
 */
struct cr_values {
	u64 cr0;
	u64 cr3;
	u64 cr4;
	u64 efer;
	bool cs_long;
};

/* May the guest write @cr0 (cr3, cr4), the others being @now?  An illegal write is #GP(0). */
bool cr0_write_ok(const struct cr_limits *limits, const struct cr_values *now, u64 cr0);
bool cr3_write_ok(const struct cr_limits *limits, const struct cr_values *now, u64 cr3);
bool cr4_write_ok(const struct cr_limits *limits, const struct cr_values *now, u64 cr4);

/* May the guest write EFER?  LME cannot change under paging; LMA is not the guest's to write. */
bool efer_write_ok(const struct cr_limits *limits, const struct cr_values *now, u64 efer);

/* CR0 after a legal write: bits that do not exist read as the processor has them (ET is 1). */
u64 cr0_normal(u64 cr0);

/* EFER after CR0.PG changed or LME did: LMA is LME and PG. */
u64 efer_with_lma(u64 efer, u64 cr0);

/* Do these values, set all at once by userspace, describe a state a processor can be in? */
bool cr_state_ok(const struct cr_limits *limits, const struct cr_values *values);

/* XCR0: x87 always; AVX wants SSE; the AVX-512 three, the AMX two, the MPX two go together. */
bool xcr0_ok(const struct cr_limits *limits, u64 xcr0);

/* Where PAE paging has its four entries. */
#define PDPT_ADDRESS	GENMASK_ULL(31, 5)

/* One of the four entries of PAE paging: absent, or without reserved bits. */
bool pdpte_ok(const struct cr_limits *limits, u64 pdpte);

/* PAT: each of the eight bytes is a memory type that exists. */
bool pat_ok(u64 pat);

enum dr_access {
	DR_READ,		/* of data */
	DR_WRITE,		/* of data, reading it before or not */
	DR_PORT,
};

/**
 * dr_hits - which breakpoints does this access meet?
 * @dr: DR0 to DR3
 * @dr7: DR7; only what is enabled there counts
 * @address: linear address, or number of a port
 * @len: bytes
 * @access: enum dr_access; DR_PORT only with CR4.DE
 *
 * Return: bits as B0 to B3 of DR6 (SDM vol. 3, 17.2.4 and 17.2.5).
 */
u64 dr_hits(const u64 *dr, u64 dr7, u64 address, unsigned int len, enum dr_access access);

#endif /* ARCH_X86_KVM_CR_H */
