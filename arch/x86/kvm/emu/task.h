/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * task.h - a hardware task switch: what is checked, what goes to the old task's
 * TSS, what comes from the new one's, and which fault is whose.
 *
 * Pure: memory and CR3 are reached through callbacks.  Both vendors leave all
 * of it to the hypervisor, but have looked at gates and privileges before
 * (SDM vol. 3, 25.4.2; APM vol. 2, 15.14.1): those are not asked for here.
 * switch.c does it for a vCPU.
 *
 * SDM vol. 3, 8.3 and tables 8-1, 8-2; APM vol. 2, chapter 12.
 */
#ifndef ARCH_X86_KVM_EMU_TASK_H
#define ARCH_X86_KVM_EMU_TASK_H

#include "../pure.h"

/* What has caused it; the numbers are those of Intel's exit qualification. */
enum task_reason {
	TASK_CALL,
	TASK_IRET,
	TASK_JMP,
	TASK_EVENT,		/* an exception, interrupt or INT n met a task gate in the IDT */
};

/* In the order of enum segment in state.h */
enum { TASK_ES, TASK_CS, TASK_SS, TASK_DS, TASK_FS, TASK_GS, TASK_LDTR, TASK_TR, TASK_SEGS };

/* struct task_seg - a segment register, as struct x86_segment in state.h: @attr packed */
struct task_seg {
	u32 base;
	u32 limit;		/* bytes */
	u16 selector;
	u16 attr;
};

/* Descriptor attributes, packed. */
#define TASK_TYPE	0x000f
#define TASK_S		0x0010	/* code or data */
#define TASK_DPL_SHIFT	5
#define TASK_P		0x0080
#define TASK_DB		0x0400
#define TASK_G		0x0800

#define TASK_EFLAGS_NT	BIT(14)
#define TASK_EFLAGS_VM	BIT(17)

/* struct task_regs - what a TSS holds of a processor, and the hidden parts of the segments */
struct task_regs {
	u32 gpr[8];		/* in the order of their encoding */
	u32 eip;
	u32 eflags;
	u32 cr3;
	struct task_seg seg[TASK_SEGS];
};

struct task_fault {
	u8 vector;
	u32 error;
	u32 address;		/* of a page fault */
};

enum task_result {
	TASK_DONE,
	TASK_FAULT,		/* struct task.fault; whose it is, @begun tells */
	TASK_AGAIN,		/* another CPU was faster; nothing has changed */
	TASK_FAILED,		/* a callback gave up */
};

struct task;

/**
 * struct task_ops - how memory is reached, by linear address, any number of pages
 * @probe: is it all there for a system access?  No access is made
 * @read: as a system access
 * @write: as a system access
 * @mark: replace a byte @from by @to, atomically; TASK_AGAIN if it is not @from.  A system access
 * @push: write at the new task's privilege, struct task.cpl
 * @load_cr3: the address space that all that follows is in
 *
 * A page fault is TASK_FAULT, with struct task.fault filled.
 */
struct task_ops {
	enum task_result (*probe)(struct task *t, u32 linear, unsigned int len, bool write);
	enum task_result (*read)(struct task *t, u32 linear, void *buf, unsigned int len);
	enum task_result (*write)(struct task *t, u32 linear, const void *buf, unsigned int len);
	enum task_result (*mark)(struct task *t, u32 linear, u8 from, u8 to);
	enum task_result (*push)(struct task *t, u32 linear, const void *buf, unsigned int len);
	enum task_result (*load_cr3)(struct task *t, u32 cr3);
};

/**
 * struct task - one switch
 * @ops: callbacks
 * @reason: enum task_reason
 * @selector: the new TSS, by the instruction, the gate, or the link of the old one
 * @external: EXT of error codes: an event that is no INT n, INT3, INTO
 * @paging: CR0.PG
 * @gdt_base: and limit: GDTR
 * @regs: the old task's, EIP and EFLAGS as they are to be saved; from @begun on the new one's
 * @begun: out: the switch is past the point of no return; a fault is the new task's
 * @trap: out: #DB with DR6.BT before the first instruction (T flag)
 * @cpl: out: of the new task
 * @fault: out: on TASK_FAULT
 * @wide: the new TSS is one of 32 bits
 */
struct task {
	const struct task_ops *ops;
	u8 reason;
	u16 selector;
	bool external;
	bool paging;
	u32 gdt_base;
	u16 gdt_limit;
	struct task_regs regs;
	bool begun;
	bool trap;
	u8 cpl;
	struct task_fault fault;
	bool wide;
};

/**
 * task_switch - from the old task to the new one, all but what task_start() does
 * @t: the switch
 *
 * Unless @t->begun nothing is changed that the old task would see.  After a fault behind that point
 * the segments that have not been loaded have their selectors and are not present; CS then is one
 * by which a handler can be entered at @t->cpl.  CR0.TS and DR7 are for the caller to change.
 */
enum task_result task_switch(struct task *t);

/**
 * task_start - the last that can fail: the error code of an event, and where EIP points
 * @t: task_switch() has said TASK_DONE
 * @has_error: push @error
 */
enum task_result task_start(struct task *t, bool has_error, u32 error);

#endif /* ARCH_X86_KVM_EMU_TASK_H */
