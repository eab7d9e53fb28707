// SPDX-License-Identifier: GPL-2.0-only
/*
 * Images of events that were made elsewhere: by the other vendor's processor, by Linux's KVM in
 * several versions, by the VMMs that are about.  Each is accepted, no entry fails for it, and the
 * guest gets what the image says: each event once, where the source would have delivered it, and
 * nothing of what lies in fields that are not valid.
 *
 * A row is an image and the handlers' log that it leads to.  It is loaded three times: and stays
 * there, moves on to another VM, or is written back in place.
 */
#include "kvm_test.h"

#define VALID(what)	KVM_VCPUEVENT_VALID_ ## what

/* What GET of Linux's KVM says is valid: without the two capabilities, and with them. */
#define FLAGS_PLAIN	(VALID(NMI_PENDING) | VALID(SHADOW) | VALID(SMM))
#define FLAGS_CAPS	(FLAGS_PLAIN | VALID(PAYLOAD) | VALID(TRIPLE_FAULT))

#define NO_CAPS		(VM_NO_PAYLOAD | VM_NO_TRIPLE_FAULT)

#define DB	1
#define NMI	2
#define BP	3
#define GP	13
#define PF	14
#define IRQ	0x40

#define DR6_BS		0x4000ULL
#define DR6_TRAPS	0xe00fULL	/* the others are fixed, but not on every processor */

/*
 * What can wait finds its time here, and shows by its RIP when that was: a shadow ends behind the
 * first instruction, STI lets interrupts in, IRET NMIs.
 */
GUEST(foreign_first,
	"nop\n"
	"foreign_second:\n"
	"nop\n"
	OUT_MARK
	"sti\n"
	"nop\n"
	"foreign_after_sti:\n"
	OUT_MARK
	"mov %rsp, %rax\n"
	"push $" STR(SEL_DATA) "\n"
	"push %rax\n"
	"pushf\n"
	"push $" STR(SEL_CODE) "\n"
	"lea foreign_after_iret(%rip), %rbx\n"
	"push %rbx\n"
	"iretq\n"
	"foreign_after_iret:\n"
	"nop\n"
	"jmp rt_done\n"
	"foreign_int3:\n"
	"int3\n"
	"foreign_after_int3:\n"
	"jmp foreign_first");
LABEL(foreign_second);
LABEL(foreign_after_sti);
LABEL(foreign_after_iret);
LABEL(foreign_int3);
LABEL(foreign_after_int3);

/* The handler of a step returns without the trap flag. */
GUEST(foreign_end_step,
	"andl $~0x100, 16(%rbx)\n"
	"ret");

GUEST(foreign_mark,
	OUT_MARK
	"ret");

enum place { AT_RIP, AT_SECOND, AFTER_STI, AFTER_IRET, AFTER_INT3, IN_HANDLER };

/* By which order of ioctls. */
enum order { LEAST_LOSS, QEMU, FIRECRACKER, CLOUD_HYPERVISOR, ORDERS };

/**
 * struct foreign - an image, and what becomes of it
 * @caps: VM_* flags of the VM that it is loaded into
 * @order: how it is loaded
 * @at_int3: RIP stands at INT3
 * @rflags, @cr2, @dr6: what its registers hold
 * @events: the 64 bytes
 * @want: the log; @of: of which vector the handler is, for IN_HANDLER
 */
struct foreign {
	unsigned int caps;
	enum order order;
	bool at_int3;
	uint64_t rflags;
	uint64_t cr2;
	uint64_t dr6;
	struct kvm_vcpu_events events;
	struct seen {
		uint8_t vector;
		enum place at;
		uint8_t of;
	} want[4];
};

static const unsigned long orders[ORDERS][5] = {
	[LEAST_LOSS] = {
		KVM_SET_SREGS, KVM_SET_REGS, KVM_SET_DEBUGREGS, KVM_SET_MP_STATE,
		KVM_SET_VCPU_EVENTS,
	},
	[QEMU] = {
		KVM_SET_SREGS, KVM_SET_REGS, KVM_SET_VCPU_EVENTS, KVM_SET_MP_STATE,
		KVM_SET_DEBUGREGS,
	},
	[FIRECRACKER] = {
		KVM_SET_MP_STATE, KVM_SET_REGS, KVM_SET_SREGS, KVM_SET_DEBUGREGS,
		KVM_SET_VCPU_EVENTS,
	},
	/* debug registers stay behind */
	[CLOUD_HYPERVISOR] = {
		KVM_SET_MP_STATE, KVM_SET_REGS, KVM_SET_SREGS, KVM_SET_VCPU_EVENTS,
	},
};

static void *part_of(struct image *image, unsigned long request)
{
	switch (request) {
	case KVM_SET_SREGS:
		return &image->sregs;
	case KVM_SET_REGS:
		return &image->regs;
	case KVM_SET_DEBUGREGS:
		return &image->debugregs;
	case KVM_SET_MP_STATE:
		return &image->mp_state;
	default:
		return &image->events;
	}
}

static int load(struct vm *vm, const struct foreign *foreign)
{
	const unsigned long *order = orders[foreign->order];
	static struct image image;
	int i, err = image_get(vm, &image);

	image.regs.rip = foreign->at_int3 ? GA(foreign_int3) : GA(foreign_first);
	image.regs.rflags = foreign->rflags | RFLAGS_FIXED;
	image.sregs.cr2 = foreign->cr2;
	image.debugregs.dr6 = foreign->dr6 ?: DR6_INIT;
	image.events = foreign->events;
	for (i = 0; !err && i < 5 && order[i]; i++)
		err = vcpu_ioctl(vm, order[i], part_of(&image, order[i]));
	return err;
}

static uint64_t rip_of(const struct seen *seen)
{
	switch (seen->at) {
	case AT_RIP:
		return GA(foreign_first);
	case AT_SECOND:
		return GA(foreign_second);
	case AFTER_STI:
		return GA(foreign_after_sti);
	case AFTER_IRET:
		return GA(foreign_after_iret);
	case AFTER_INT3:
		return GA(foreign_after_int3);
	case IN_HANDLER:
		return STUB(seen->of);
	}
	return ANY_RIP;
}

static int64_t ec_of(const struct foreign *foreign, unsigned int vector)
{
	return vector_has_ec(vector) ? (int64_t)foreign->events.exception.error_code : NO_EC;
}

static bool brings_payload(const struct kvm_vcpu_events *events)
{
	return events->flags & VALID(PAYLOAD) && events->exception.pending &&
	       events->exception_has_payload;
}

static uint64_t cr2_of(const struct foreign *foreign)
{
	return brings_payload(&foreign->events) ? foreign->events.exception_payload : foreign->cr2;
}

/* A debug exception that is not in the image is the guest's own step. */
static uint64_t dr6_of(const struct foreign *foreign)
{
	const struct kvm_vcpu_events *events = &foreign->events;

	if (!events->exception.pending && !events->exception.injected)
		return DR6_BS;
	return brings_payload(events) ? events->exception_payload : foreign->dr6 & DR6_TRAPS;
}

/* Where a shadow is forgotten what only that holds back comes at once, and in another order. */
static bool came_once(struct vm *vm, const struct foreign *foreign, const struct seen *seen)
{
	unsigned int i, vector = seen->vector, wanted = 0, came = 0;
	uint64_t early = seen->at == AFTER_STI ? rip_of(seen) : GA(foreign_first);
	int64_t ec = ec_of(foreign, vector);

	for (i = 0; i < ARRAY_SIZE(foreign->want); i++)
		wanted += foreign->want[i].vector == vector;
	for (i = 0; i < log_count(vm); i++)
		came += log_is(vm, i, vector, ec, rip_of(seen)) ||
			log_is(vm, i, vector, ec, early);
	return came == wanted;
}

static void check_log(struct __test_metadata *_metadata, struct vm *vm,
		      const struct foreign *foreign)
{
	bool forgets = foreign->events.interrupt.shadow && !probe_shadow();
	unsigned int i, n = 0;

	while (n < ARRAY_SIZE(foreign->want) && foreign->want[n].vector)
		n++;
	ASSERT_EVENTS(vm, n);
	for (i = 0; i < n; i++) {
		const struct seen *seen = &foreign->want[i];
		const struct record *record = log_at(vm, i);

		if (forgets) {
			EXPECT_TRUE(came_once(vm, foreign, seen)) {
				TH_LOG("vector %#x; %s", seen->vector, log_text(vm));
			}
			continue;
		}
		EXPECT_EVENT(vm, i, seen->vector, ec_of(foreign, seen->vector), rip_of(seen));
		if (seen->vector == PF)
			EXPECT_EQ(cr2_of(foreign), record->cr2);
		if (seen->vector == DB)
			EXPECT_EQ(dr6_of(foreign), record->dr6 & DR6_TRAPS);
	}
}

static int stay(struct vm *vm)
{
	(void)vm;
	return 0;
}

/* On a fresh vCPU each time; and half-way it is carried on once more. */
static void check_image(struct __test_metadata *_metadata, struct vm *vm,
			const struct foreign *foreign)
{
	static int (*const carry_on[])(struct vm *vm) = { stay, vm_move, vm_in_place };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(carry_on); i++) {
		vm_destroy(vm);
		VM_SETUP(vm, foreign->caps);
		handler_hook(vm, DB, GA(foreign_end_step));
		ASSERT_EQ(0, load(vm, foreign));
		ASSERT_EQ(0, carry_on[i](vm));
		ASSERT_OUT(vm, PORT_MARK);
		ASSERT_EQ(0, vm_complete(vm));
		ASSERT_EQ(0, carry_on[i](vm));
		ASSERT_OUT(vm, PORT_MARK);
		ASSERT_SETTLED(vm);
		check_log(_metadata, vm, foreign);
	}
}

/* A fixture whose variants are rows. */
#define IMAGES(name)							\
	FIXTURE(name) {							\
		struct vm vm[1];					\
	};								\
	FIXTURE_VARIANT(name) {						\
		struct foreign row;					\
	};								\
	FIXTURE_SETUP(name)						\
	{								\
		VM_SETUP(self->vm, variant->row.caps);			\
	}								\
	FIXTURE_TEARDOWN(name)						\
	{								\
		vm_destroy(self->vm);					\
	}

/*
 * SVM's hardware has one bit for a shadow of either kind; its images say both.  An NMI that was
 * injected has masked NMIs there by itself.
 */
#define SVM_SHADOW	.flags = FLAGS_CAPS, .interrupt.shadow = 3
#define SVM_NMI_BEGUN	.nmi.injected = 1, .nmi.masked = 1

IMAGES(svm)

FIXTURE_VARIANT_ADD(svm, nothing) { .row = {
	.events = { SVM_SHADOW },
} };

FIXTURE_VARIANT_ADD(svm, nothing_if) { .row = {
	.rflags = RFLAGS_IF,
	.events = { SVM_SHADOW },
} };

FIXTURE_VARIANT_ADD(svm, step) { .row = {
	.rflags = RFLAGS_TF,
	.events = { SVM_SHADOW },
	.want = { { DB, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(svm, step_if) { .row = {
	.rflags = RFLAGS_TF | RFLAGS_IF,
	.events = { SVM_SHADOW },
	.want = { { DB, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(svm, nmi) { .row = {
	.events = { SVM_SHADOW, .nmi.pending = 1 },
	.want = { { NMI, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(svm, nmi_if) { .row = {
	.rflags = RFLAGS_IF,
	.events = { SVM_SHADOW, .nmi.pending = 1 },
	.want = { { NMI, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(svm, nmi_begun) { .row = {
	.events = { SVM_SHADOW, SVM_NMI_BEGUN },
	.want = { { NMI, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(svm, nmi_begun_if) { .row = {
	.rflags = RFLAGS_IF,
	.events = { SVM_SHADOW, SVM_NMI_BEGUN },
	.want = { { NMI, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(svm, nmi_and_step) { .row = {
	.rflags = RFLAGS_TF,
	.events = { SVM_SHADOW, .nmi.pending = 1 },
	.want = { { NMI, IN_HANDLER, DB }, { DB, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(svm, nmi_begun_and_step) { .row = {
	.rflags = RFLAGS_TF | RFLAGS_IF,
	.events = { SVM_SHADOW, SVM_NMI_BEGUN },
	.want = { { NMI, IN_HANDLER, DB }, { DB, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(svm, irq) { .row = {
	.events = { SVM_SHADOW, .interrupt.injected = 1, .interrupt.nr = IRQ },
	.want = { { IRQ, AFTER_STI } },
} };

FIXTURE_VARIANT_ADD(svm, irq_if) { .row = {
	.rflags = RFLAGS_IF,
	.events = { SVM_SHADOW, .interrupt.injected = 1, .interrupt.nr = IRQ },
	.want = { { IRQ, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(svm, irq_and_step) { .row = {
	.rflags = RFLAGS_TF,
	.events = { SVM_SHADOW, .interrupt.injected = 1, .interrupt.nr = IRQ },
	.want = { { DB, AT_SECOND }, { IRQ, AFTER_STI } },
} };

FIXTURE_VARIANT_ADD(svm, irq_and_step_if) { .row = {
	.rflags = RFLAGS_TF | RFLAGS_IF,
	.events = { SVM_SHADOW, .interrupt.injected = 1, .interrupt.nr = IRQ },
	.want = { { DB, AT_SECOND }, { IRQ, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(svm, irq_and_nmi) { .row = {
	.events = {
		SVM_SHADOW, .interrupt.injected = 1, .interrupt.nr = IRQ, .nmi.pending = 1,
	},
	.want = { { NMI, AT_SECOND }, { IRQ, AFTER_STI } },
} };

FIXTURE_VARIANT_ADD(svm, irq_and_nmi_if) { .row = {
	.rflags = RFLAGS_IF,
	.events = {
		SVM_SHADOW, .interrupt.injected = 1, .interrupt.nr = IRQ, .nmi.pending = 1,
	},
	.want = { { NMI, IN_HANDLER, IRQ }, { IRQ, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(svm, irq_and_nmi_begun_if) { .row = {
	.rflags = RFLAGS_IF,
	.events = {
		SVM_SHADOW, SVM_NMI_BEGUN, .interrupt.injected = 1, .interrupt.nr = IRQ,
	},
	.want = { { NMI, AT_SECOND }, { IRQ, AT_SECOND } },
} };

TEST_F(svm, c116_arrives)
{
	check_image(_metadata, self->vm, &variant->row);
}

/* VMX tells the two kinds apart, and reports an NMI in its delivery as not yet masked. */
#define VMX_MOV_SS	.flags = FLAGS_CAPS, .interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS
#define VMX_STI		.flags = FLAGS_CAPS, .interrupt.shadow = KVM_X86_SHADOW_INT_STI
#define VMX_NMI_BEGUN	.flags = FLAGS_CAPS, .nmi.injected = 1, .nmi.masked = 0

IMAGES(vmx)

FIXTURE_VARIANT_ADD(vmx, mov_ss) { .row = {
	.events = { VMX_MOV_SS },
} };

FIXTURE_VARIANT_ADD(vmx, mov_ss_step) { .row = {
	.rflags = RFLAGS_TF,
	.events = { VMX_MOV_SS },
	.want = { { DB, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(vmx, mov_ss_nmi) { .row = {
	.rflags = RFLAGS_IF,
	.events = { VMX_MOV_SS, .nmi.pending = 1 },
	.want = { { NMI, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(vmx, mov_ss_two_nmis) { .row = {
	.events = { VMX_MOV_SS, .nmi.pending = 2 },
	.want = { { NMI, AT_SECOND }, { NMI, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(vmx, mov_ss_irq) { .row = {
	.events = { VMX_MOV_SS, .interrupt.injected = 1, .interrupt.nr = IRQ },
	.want = { { IRQ, AFTER_STI } },
} };

FIXTURE_VARIANT_ADD(vmx, mov_ss_irq_if) { .row = {
	.rflags = RFLAGS_IF,
	.events = { VMX_MOV_SS, .interrupt.injected = 1, .interrupt.nr = IRQ },
	.want = { { IRQ, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(vmx, sti) { .row = {
	.rflags = RFLAGS_IF,
	.events = { VMX_STI },
} };

FIXTURE_VARIANT_ADD(vmx, sti_step) { .row = {
	.rflags = RFLAGS_TF | RFLAGS_IF,
	.events = { VMX_STI },
	.want = { { DB, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(vmx, sti_nmi) { .row = {
	.rflags = RFLAGS_IF,
	.events = { VMX_STI, .nmi.pending = 1 },
	.want = { { NMI, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(vmx, sti_irq) { .row = {
	.rflags = RFLAGS_IF,
	.events = { VMX_STI, .interrupt.injected = 1, .interrupt.nr = IRQ },
	.want = { { IRQ, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(vmx, nmi_begun) { .row = {
	.events = { VMX_NMI_BEGUN },
	.want = { { NMI, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(vmx, nmi_begun_and_another) { .row = {
	.events = { VMX_NMI_BEGUN, .nmi.pending = 1 },
	.want = { { NMI, AT_RIP }, { NMI, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(vmx, nmi_in_handler) { .row = {
	.events = { .flags = FLAGS_CAPS, .nmi.masked = 1, .nmi.pending = 1 },
	.want = { { NMI, AFTER_IRET } },
} };

TEST_F(vmx, c117_arrives)
{
	check_image(_metadata, self->vm, &variant->row);
}

/* Whatever the image said of the mask: one in its handler keeps the next out until IRET. */
VM_FIXTURE(mask)

static void check_mask(struct __test_metadata *_metadata, struct vm *vm, unsigned int masked)
{
	struct kvm_vcpu_events events;

	handler_hook(vm, NMI, GA(foreign_mark));
	vm_start(vm, GA(rt_done), 0);
	log_clear(vm);
	ASSERT_EQ(0, events_set(vm, events_nmi(1, 0, masked)));
	ASSERT_EQ(0, vm_move(vm));
	ASSERT_OUT(vm, PORT_MARK);
	ASSERT_EVENTS(vm, 1);
	EXPECT_EVENT(vm, 0, NMI, NO_EC, GA(rt_done));
	ASSERT_EQ(0, vm_complete(vm));
	ASSERT_EQ(0, events_get(vm, &events));
	EXPECT_EQ(0, events.nmi.injected);
	EXPECT_EQ(1, events.nmi.masked);
	ASSERT_EQ(0, vm_nmi(vm));
	ASSERT_EQ(0, vm_move(vm));
	ASSERT_OUT(vm, PORT_MARK);
	ASSERT_EVENTS(vm, 2);
	EXPECT_EVENT(vm, 1, NMI, NO_EC, GA(rt_done));
	ASSERT_SETTLED(vm);
	ASSERT_EVENTS(vm, 2);
}

TEST_F(mask, c117_from_vmx)
{
	check_mask(_metadata, self->vm, 0);
}

TEST_F(mask, c117_from_svm)
{
	check_mask(_metadata, self->vm, 1);
}

/*
 * Linux's KVM, 6.1 to HEAD.  All of them leave what was there last in fields that are not valid:
 * the vector and the error code of an exception that is over, or hidden because its instruction
 * stands at RIP; its payload; the vector of an interrupt.  While KVM_CAP_EXCEPTION_PAYLOAD is off,
 * "pending" comes with "injected", and CR2 and DR6 hold the payload already.  6.1 says 1 for any
 * number of NMIs, 6.6 and later how many.
 */
#define LEFT_EXCEPTION	.exception.nr = PF, .exception.has_error_code = 1, .exception.error_code = 6
#define LEFT_PAYLOAD	.exception_payload = 0x7654000
#define LEFT_INTERRUPT	.interrupt.nr = 0x41
#define LEFT_ALL	LEFT_EXCEPTION, LEFT_PAYLOAD, LEFT_INTERRUPT

#define CR2_IMAGE	0x1111000ULL
#define CR2_PAYLOAD	0xffff800012345678ULL

IMAGES(linux_kvm)

FIXTURE_VARIANT_ADD(linux_kvm, plain_nothing) { .row = {
	.caps = NO_CAPS,
	.rflags = RFLAGS_IF,
	.events = { .flags = FLAGS_PLAIN, LEFT_ALL },
} };

FIXTURE_VARIANT_ADD(linux_kvm, plain_nothing_with_caps) { .row = {
	.rflags = RFLAGS_IF,
	.events = { .flags = FLAGS_PLAIN, LEFT_ALL },
} };

FIXTURE_VARIANT_ADD(linux_kvm, caps_nothing) { .row = {
	.rflags = RFLAGS_IF,
	.events = { .flags = FLAGS_CAPS, LEFT_ALL },
} };

/* A pending INIT, which needs an in-kernel APIC. */
FIXTURE_VARIANT_ADD(linux_kvm, caps_latched_init) { .row = {
	.rflags = RFLAGS_IF,
	.events = { .flags = FLAGS_CAPS, LEFT_ALL, .smi.latched_init = 1 },
} };

FIXTURE_VARIANT_ADD(linux_kvm, plain_hidden_int3) { .row = {
	.caps = NO_CAPS,
	.at_int3 = true,
	.events = { .flags = FLAGS_PLAIN, .exception.nr = BP, LEFT_INTERRUPT },
	.want = { { BP, AFTER_INT3 } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, caps_hidden_int3) { .row = {
	.at_int3 = true,
	.events = { .flags = FLAGS_CAPS, .exception.nr = BP, LEFT_INTERRUPT },
	.want = { { BP, AFTER_INT3 } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, caps_left_int3) { .row = {
	.events = { .flags = FLAGS_CAPS, .exception.nr = BP, LEFT_INTERRUPT },
} };

FIXTURE_VARIANT_ADD(linux_kvm, plain_pf) { .row = {
	.caps = NO_CAPS,
	.cr2 = CR2_IMAGE,
	.events = {
		.flags = FLAGS_PLAIN, LEFT_ALL,
		.exception.injected = 1, .exception.pending = 1,
	},
	.want = { { PF, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, plain_pf_with_caps) { .row = {
	.cr2 = CR2_IMAGE,
	.events = {
		.flags = FLAGS_PLAIN, LEFT_ALL,
		.exception.injected = 1, .exception.pending = 1,
	},
	.want = { { PF, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, plain_pf_begun) { .row = {
	.caps = NO_CAPS,
	.cr2 = CR2_IMAGE,
	.events = { .flags = FLAGS_PLAIN, LEFT_ALL, .exception.injected = 1 },
	.want = { { PF, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, plain_step) { .row = {
	.caps = NO_CAPS,
	.dr6 = DR6_INIT | DR6_BS,
	.events = {
		.flags = FLAGS_PLAIN, LEFT_INTERRUPT,
		.exception.nr = DB, .exception.injected = 1, .exception.pending = 1,
	},
	.want = { { DB, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, caps_pf) { .row = {
	.rflags = RFLAGS_IF,
	.cr2 = CR2_IMAGE,
	.events = {
		.flags = FLAGS_CAPS, LEFT_EXCEPTION, LEFT_INTERRUPT, .exception.pending = 1,
		.exception_has_payload = 1, .exception_payload = CR2_PAYLOAD,
	},
	.want = { { PF, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, caps_pf_begun) { .row = {
	.cr2 = CR2_IMAGE,
	.events = { .flags = FLAGS_CAPS, LEFT_ALL, .exception.injected = 1 },
	.want = { { PF, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, caps_step) { .row = {
	.events = {
		.flags = FLAGS_CAPS, LEFT_INTERRUPT, .exception.nr = DB, .exception.pending = 1,
		.exception_has_payload = 1, .exception_payload = DR6_BS,
	},
	.want = { { DB, AT_RIP } },
} };

/* The payload is that of an exception long over. */
FIXTURE_VARIANT_ADD(linux_kvm, caps_gp) { .row = {
	.events = {
		.flags = FLAGS_CAPS, LEFT_PAYLOAD, LEFT_INTERRUPT, .exception.pending = 1,
		.exception.nr = GP, .exception.has_error_code = 1, .exception.error_code = 0x18,
	},
	.want = { { GP, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, plain_irq) { .row = {
	.caps = NO_CAPS,
	.rflags = RFLAGS_IF,
	.events = {
		.flags = FLAGS_PLAIN, LEFT_EXCEPTION, LEFT_PAYLOAD,
		.interrupt.injected = 1, .interrupt.nr = IRQ,
	},
	.want = { { IRQ, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, caps_irq) { .row = {
	.rflags = RFLAGS_IF,
	.events = {
		.flags = FLAGS_CAPS, LEFT_EXCEPTION, LEFT_PAYLOAD,
		.interrupt.injected = 1, .interrupt.nr = IRQ,
	},
	.want = { { IRQ, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, plain_nmi) { .row = {
	.caps = NO_CAPS,
	.events = { .flags = FLAGS_PLAIN, LEFT_ALL, .nmi.pending = 1 },
	.want = { { NMI, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, from_6_6_two_nmis) { .row = {
	.events = { .flags = FLAGS_CAPS, LEFT_ALL, .nmi.pending = 2 },
	.want = { { NMI, AT_RIP }, { NMI, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(linux_kvm, caps_nmi_begun_on_svm) { .row = {
	.events = { .flags = FLAGS_CAPS, LEFT_ALL, SVM_NMI_BEGUN, .nmi.pending = 1 },
	.want = { { NMI, AT_RIP }, { NMI, AT_RIP } },
} };

TEST_F(linux_kvm, c118_arrives)
{
	check_image(_metadata, self->vm, &variant->row);
}

VM_FIXTURE(shutdown)

TEST_F(shutdown, c118_triple_fault)
{
	struct kvm_vcpu_events events = {
		.flags = FLAGS_CAPS, LEFT_ALL, .triple_fault.pending = 1,
	};

	NEED_CAP(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_EQ(0, vm_move(self->vm));
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm)) {
		TH_LOG("%s", vm_why(self->vm));
	}
	ASSERT_EVENTS(self->vm, 0);
}

IMAGES(vmm)

/*
 * QEMU never says that the shadow is valid; -1 stands for no vector.  Before it migrates it makes
 * a pending exception an injected one, and writes the payload to CR2 or, as it is, to DR6.
 */
#define FLAGS_QEMU	(VALID(PAYLOAD) | VALID(NMI_PENDING) | VALID(SMM) | VALID(TRIPLE_FAULT))
#define QEMU_IMAGE	.flags = FLAGS_QEMU
#define NO_EXCEPTION	.exception.nr = 0xff
#define NO_INTERRUPT	.interrupt.nr = 0xff

FIXTURE_VARIANT_ADD(vmm, qemu_nothing) { .row = {
	.order = QEMU,
	.rflags = RFLAGS_IF,
	.events = { QEMU_IMAGE, NO_EXCEPTION, NO_INTERRUPT },
} };

FIXTURE_VARIANT_ADD(vmm, qemu_irq) { .row = {
	.order = QEMU,
	.rflags = RFLAGS_IF,
	.events = {
		QEMU_IMAGE, NO_EXCEPTION, .interrupt.injected = 1, .interrupt.nr = IRQ,
	},
	.want = { { IRQ, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(vmm, qemu_pf) { .row = {
	.order = QEMU,
	.cr2 = CR2_IMAGE,
	.events = {
		QEMU_IMAGE, NO_INTERRUPT, LEFT_EXCEPTION, .exception.pending = 1,
		.exception_has_payload = 1, .exception_payload = CR2_PAYLOAD,
	},
	.want = { { PF, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(vmm, qemu_pf_converted) { .row = {
	.order = QEMU,
	.cr2 = CR2_PAYLOAD,
	.events = { QEMU_IMAGE, NO_INTERRUPT, LEFT_EXCEPTION, .exception.injected = 1 },
	.want = { { PF, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(vmm, qemu_step_converted) { .row = {
	.order = QEMU,
	.dr6 = DR6_BS,
	.events = { QEMU_IMAGE, NO_INTERRUPT, .exception.nr = DB, .exception.injected = 1 },
	.want = { { DB, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(vmm, qemu_nmi) { .row = {
	.order = QEMU,
	.events = { QEMU_IMAGE, NO_EXCEPTION, NO_INTERRUPT, .nmi.pending = 1 },
	.want = { { NMI, AT_RIP } },
} };

/* Below the level of a reset the NMI is the kernel's, which has none here. */
FIXTURE_VARIANT_ADD(vmm, qemu_nmi_at_run_time) { .row = {
	.order = QEMU,
	.events = {
		.flags = FLAGS_QEMU & ~VALID(NMI_PENDING), NO_EXCEPTION, NO_INTERRUPT,
		.nmi.pending = 1,
	},
} };

/* As it was before payloads. */
FIXTURE_VARIANT_ADD(vmm, old_qemu_gp) { .row = {
	.caps = NO_CAPS,
	.order = QEMU,
	.events = {
		.flags = VALID(NMI_PENDING) | VALID(SIPI_VECTOR), NO_INTERRUPT,
		.exception.injected = 1, .exception.nr = GP, .exception.has_error_code = 1,
		.exception.error_code = 0x18, .sipi_vector = 0x9f,
	},
	.want = { { GP, AT_RIP } },
} };

/* Both hand back what GET said, without the capabilities. */
FIXTURE_VARIANT_ADD(vmm, firecracker_pf) { .row = {
	.caps = NO_CAPS,
	.order = FIRECRACKER,
	.cr2 = CR2_IMAGE,
	.events = {
		.flags = FLAGS_PLAIN, LEFT_ALL,
		.exception.injected = 1, .exception.pending = 1,
	},
	.want = { { PF, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(vmm, firecracker_irq_behind_sti) { .row = {
	.caps = NO_CAPS,
	.order = FIRECRACKER,
	.rflags = RFLAGS_IF,
	.events = {
		.flags = FLAGS_PLAIN, LEFT_EXCEPTION, .interrupt.injected = 1,
		.interrupt.nr = IRQ, .interrupt.shadow = KVM_X86_SHADOW_INT_STI,
	},
	.want = { { IRQ, AT_SECOND } },
} };

FIXTURE_VARIANT_ADD(vmm, firecracker_nmi_in_handler) { .row = {
	.caps = NO_CAPS,
	.order = FIRECRACKER,
	.events = { .flags = FLAGS_PLAIN, LEFT_ALL, .nmi.masked = 1, .nmi.pending = 1 },
	.want = { { NMI, AFTER_IRET } },
} };

/* DR6 is the new vCPU's own. */
FIXTURE_VARIANT_ADD(vmm, cloud_hypervisor_step) { .row = {
	.caps = NO_CAPS,
	.order = CLOUD_HYPERVISOR,
	.events = {
		.flags = FLAGS_PLAIN, LEFT_INTERRUPT,
		.exception.nr = DB, .exception.injected = 1, .exception.pending = 1,
	},
	.want = { { DB, AT_RIP } },
} };

/*
 * crosvm writes interrupt.injected into nmi.injected: with an interrupt comes an NMI that never
 * was, and one that was is lost.  Of a payload it always says that there is one.
 */
FIXTURE_VARIANT_ADD(vmm, crosvm_irq) { .row = {
	.rflags = RFLAGS_IF,
	.events = {
		.flags = FLAGS_CAPS, .interrupt.injected = 1, .interrupt.nr = IRQ,
		.nmi.injected = 1, .exception_has_payload = 1,
	},
	.want = { { NMI, AT_RIP }, { IRQ, AT_RIP } },
} };

FIXTURE_VARIANT_ADD(vmm, crosvm_nmi_begun) { .row = {
	.events = {
		.flags = FLAGS_CAPS, .nmi.masked = 1, .nmi.pending = 1,
		.exception_has_payload = 1,
	},
	.want = { { NMI, AFTER_IRET } },
} };

FIXTURE_VARIANT_ADD(vmm, crosvm_gp) { .row = {
	.events = {
		.flags = FLAGS_CAPS, .exception.pending = 1, .exception.nr = GP,
		.exception.has_error_code = 1, .exception.error_code = 0x18,
		.exception_has_payload = 1,
	},
	.want = { { GP, AT_RIP } },
} };

TEST_F(vmm, c119_arrives)
{
	check_image(_metadata, self->vm, &variant->row);
}

TEST_HARNESS_MAIN
