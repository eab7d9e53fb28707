/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm_lib.h - the library under the tests of KVM: a VM with one vCPU in 64-bit
 * mode, guest code in the test's own binary, a log of what the guest's
 * handlers saw, and taking a vCPU's state from one VM to another.
 *
 * Addresses in the guest are in layout.h.  Tests include kvm_test.h, which
 * adds the harness.  Nothing here knows which KVM it runs on.
 */
#ifndef SELFTESTS_KVM_KVM_LIB_H
#define SELFTESTS_KVM_KVM_LIB_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>
#include "../../../../../arch/x86/include/uapi/asm/kvm_exact.h"
#include "layout.h"

/* Numbers that older headers of a distribution do not have. */
#ifndef KVM_CAP_X86_TRIPLE_FAULT_EVENT
#define KVM_CAP_X86_TRIPLE_FAULT_EVENT 218
#endif
#ifndef KVM_VCPUEVENT_VALID_TRIPLE_FAULT
#error "these headers of KVM are older than 6.0"
#endif

#define RFLAGS_FIXED	0x2ULL
#define RFLAGS_TF	0x100ULL
#define RFLAGS_IF	0x200ULL
#define RFLAGS_OF	0x800ULL
#define RFLAGS_RF	0x10000ULL

#define DR6_INIT	0xffff0ff0ULL

/**
 * struct vm - a VM with one vCPU and MEM_SIZE bytes of memory at 0
 * @kvm: /dev/kvm
 * @fd: the VM
 * @vcpu: its vCPU
 * @run: the vCPU's shared page
 * @run_size: length of the mapping of @run
 * @mem: the guest's memory; it outlives the VM when the state is moved
 * @caps: VM_* flags that vm_create() was given
 */
struct vm {
	int kvm;
	int fd;
	int vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *mem;
	unsigned int caps;
};

/* For vm_create(): per-VM capabilities of the events not to enable. */
#define VM_NO_PAYLOAD		1
#define VM_NO_TRIPLE_FAULT	2

/* For vm_create(): a capability to enable, where it is offered; vm_move() moves by it then. */
#define VM_EXACT		4

/* For vm_create(): interrupt controllers in the kernel, all of them or the local APICs alone. */
#define VM_IRQCHIP		8
#define VM_SPLIT		16

/**
 * struct record - one entry of the log that the handlers write
 * @vector: of the stub that ran
 * @has_ec: an error code was on the stack
 * @ec: the error code, all 64 bits of it
 * @rip, @cs, @rflags, @rsp, @ss: the frame
 * @cr2, @dr6: of the processor, as the handler began
 * @entry_rsp: the stack pointer at the stub's first instruction
 * @serial: number of the entry, from 0
 */
struct record {
	uint64_t vector;
	uint64_t has_ec;
	uint64_t ec;
	uint64_t rip;
	uint64_t cs;
	uint64_t rflags;
	uint64_t rsp;
	uint64_t ss;
	uint64_t cr2;
	uint64_t dr6;
	uint64_t entry_rsp;
	uint64_t serial;
	uint64_t unused[4];
};

/**
 * struct image - everything a vCPU's state consists of, besides its memory
 */
struct image {
	struct kvm_mp_state mp_state;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	struct kvm_vcpu_events events;
	unsigned int nmsrs;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[32];
	} msrs;
	bool has_xsave;
	union {
		struct kvm_xsave xsave;
		uint8_t room[16384];
	};
	struct kvm_fpu fpu;
	bool has_exact;
	struct kvm_exact_state exact;
	bool has_lapic;
	struct kvm_lapic_state lapic;
};

/*
 * Guest code.  GUEST(name, "asm") puts it into the section "guest", which
 * vm_create() copies to CODE; GA(label) is a label's address in the guest.
 */
#define GUEST(name, text)						\
	extern const uint8_t name[];					\
	asm(".pushsection guest, \"a\", @progbits\n"			\
	    ".code64\n.p2align 4\n" #name ":\n" text "\n"		\
	    ".code64\n.popsection\n")
#define LABEL(name)	extern const uint8_t name[]

/*
 * An address of layout.h, or any other number, in a piece of assembler text;
 * each as a string of its own.
 */
#define STR_(x)		#x
#define STR(x)		STR_(x)
#define OUT_DONE	"out %al, $" STR(PORT_DONE) "\n"
#define OUT_MARK	"out %al, $" STR(PORT_MARK) "\n"

extern const uint8_t __start_guest[], __stop_guest[];
extern const uint8_t rt_stubs[], rt_done[];

#define GA(label)	((uint64_t)CODE + (uint64_t)((label) - __start_guest))
#define STUB(vector)	(GA(rt_stubs) + 16ULL * (vector))

/* lib/vm.c */
int kvm_open(void);
int kvm_check(int fd, long cap);
const char *vm_create(struct vm *vm, unsigned int flags);
const char *vm_create_on(struct vm *vm, unsigned int flags, uint8_t *mem);
const char *vm_add_vcpu(struct vm *vm, const struct vm *first, unsigned int id);
void vm_destroy(struct vm *vm);
uint8_t *vm_alloc(void);
int vm_ioctl(struct vm *vm, unsigned long request, void *arg);
int vcpu_ioctl(struct vm *vm, unsigned long request, void *arg);
int vm_slot(struct vm *vm, unsigned int slot, unsigned int flags, uint64_t gpa, uint64_t size,
	    void *host);
int vm_enable_cap(struct vm *vm, unsigned int cap, uint64_t arg);

/* lib/long_mode.c */
void long_mode_tables(uint8_t *mem);
void long_mode_sregs(struct kvm_sregs *sregs);
void idt_absent(struct vm *vm, unsigned int vector);
void idt_ist(struct vm *vm, unsigned int vector, unsigned int ist);
uint64_t *pte_of(struct vm *vm, uint64_t address);
int vm_start_exchange(struct vm *vm, uint64_t code, uint64_t at, const char *bytes);

/* lib/run.c */
#define RUN_HUNG	(-ETIME)
int vm_run(struct vm *vm);
int vm_run_out(struct vm *vm);
int vm_run_settled(struct vm *vm);
int vm_complete(struct vm *vm);
const char *vm_why(struct vm *vm);
uint64_t now_ms(void);
void vm_start(struct vm *vm, uint64_t rip, uint64_t rflags);
uint64_t vm_rip(struct vm *vm);
int vm_page(struct vm *vm, uint64_t address, int prot);
int vm_stumble(struct vm *vm, uint64_t address);
int vm_mend(struct vm *vm, uint64_t address);
int vm_interrupt(struct vm *vm, unsigned int vector);
int vm_nmi(struct vm *vm);

/* lib/image.c */
int image_get(struct vm *vm, struct image *image);
int image_set(struct vm *vm, struct image *image);
int vm_move(struct vm *vm);
int vm_in_place(struct vm *vm);
int exact_get(struct vm *vm, struct kvm_exact_state *exact);
int exact_set(struct vm *vm, const struct kvm_exact_state *exact);

/* lib/events.c */
#define NO_EC	(-1LL)
struct kvm_vcpu_events events_exception(unsigned int nr, int64_t ec, bool pending);
struct kvm_vcpu_events events_payload(unsigned int nr, int64_t ec, uint64_t payload);
struct kvm_vcpu_events events_irq(unsigned int nr);
struct kvm_vcpu_events events_nmi(unsigned int injected, unsigned int pending,
				  unsigned int masked);
int events_get(struct vm *vm, struct kvm_vcpu_events *events);
int events_set(struct vm *vm, struct kvm_vcpu_events events);
int events_shadow(struct vm *vm, unsigned int shadow);
bool events_equal(const struct kvm_vcpu_events *a, const struct kvm_vcpu_events *b);
const char *events_text(const struct kvm_vcpu_events *events);
bool vector_has_ec(unsigned int vector);

/* lib/log.c */
#define ANY_RIP	(~0ULL)
unsigned int log_count(struct vm *vm);
struct record *log_at(struct vm *vm, unsigned int index);
void log_clear(struct vm *vm);
bool log_is(struct vm *vm, unsigned int index, unsigned int vector, int64_t ec, uint64_t rip);
const char *log_text(struct vm *vm);
void handler_skip(struct vm *vm, unsigned int vector, unsigned int bytes);
void handler_hook(struct vm *vm, unsigned int vector, uint64_t address);

/* lib/stats.c */
#define STAT_NAME	64
/**
 * struct stat_desc - how KVM_GET_STATS_FD describes a statistic
 * @desc: the fixed part
 * @name: the name
 * @at: where in the file the value is
 */
struct stat_desc {
	struct kvm_stats_desc desc;
	char name[STAT_NAME];
	size_t at;
};

bool stat_header(int stats, struct kvm_stats_header *header);
bool stat_desc(int stats, const struct kvm_stats_header *header, unsigned int i,
	       struct stat_desc *out);
long stat_of(int fd, const char *name);
unsigned long number_of(const char *path, const char *name);

/* lib/probe.c */
bool probe_shadow(void);
bool probe_double_fault(void);
bool probe_ext(void);
bool probe_breakpoint(void);

#endif
