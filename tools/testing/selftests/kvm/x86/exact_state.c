// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CAP_X86_EXACT_STATE: what struct kvm_vcpu_events has no room for goes from
 * one vCPU to another, instructions in the middle of device accesses included.
 */
#include "kvm_test.h"

FIXTURE(exact) {
	struct vm vm[1];
};

FIXTURE_SETUP(exact)
{
	VM_SETUP(self->vm, VM_EXACT);
	if (kvm_check(self->vm->fd, KVM_CAP_X86_EXACT_STATE) <= 0)
		SKIP(_exit(255), "KVM_CAP_X86_EXACT_STATE is not offered");
}

FIXTURE_TEARDOWN(exact)
{
	vm_destroy(self->vm);
}

static void *io_data(struct vm *vm)
{
	return (uint8_t *)vm->run + vm->run->io.data_offset;
}

static uint64_t rax(struct vm *vm)
{
	struct kvm_regs regs = { 0 };

	vcpu_ioctl(vm, KVM_GET_REGS, &regs);
	return regs.rax;
}

/*
 * Who has not enabled it sees nothing of it.
 */

static int has_attr(struct vm *vm, uint32_t group, uint64_t attr, uint32_t flags)
{
	struct kvm_device_attr device_attr = { .flags = flags, .group = group, .attr = attr };

	return vcpu_ioctl(vm, KVM_HAS_DEVICE_ATTR, &device_attr);
}

TEST_F(exact, off_until_enabled)
{
	struct kvm_exact_state state = { .version = KVM_EXACT_VERSION };

	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_X86_EXACT_STATE, 0));
	EXPECT_EQ(-ENXIO, has_attr(self->vm, KVM_VCPU_EXACT_CTRL, KVM_VCPU_EXACT_STATE, 0));
	EXPECT_EQ(-ENXIO, exact_get(self->vm, &state));
	EXPECT_EQ(-ENXIO, exact_set(self->vm, &state));
	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_X86_EXACT_STATE, KVM_EXACT_VERSION));
	EXPECT_EQ(0, has_attr(self->vm, KVM_VCPU_EXACT_CTRL, KVM_VCPU_EXACT_STATE, 0));
	EXPECT_EQ(-EINVAL, vm_enable_cap(self->vm, KVM_CAP_X86_EXACT_STATE,
					 KVM_EXACT_VERSION + 1));
	EXPECT_EQ(-ENXIO, has_attr(self->vm, KVM_VCPU_EXACT_CTRL, 1, 0));
	EXPECT_EQ(-ENXIO, has_attr(self->vm, KVM_VCPU_EXACT_CTRL + 1, 0, 0));
	EXPECT_EQ(-ENXIO, has_attr(self->vm, KVM_VCPU_EXACT_CTRL, KVM_VCPU_EXACT_STATE, 1));
}

/* The 64 bytes say what they say without it. */
TEST_F(exact, events_are_as_ever)
{
	struct kvm_vcpu_events want = events_payload(14, 2, 0x1234000), seen;

	ASSERT_EQ(0, events_set(self->vm, want));
	ASSERT_EQ(0, events_get(self->vm, &seen));
	want.flags = 0x3d;
	EXPECT_EVENTS_EQ(&want, &seen);
}

/*
 * Refused, and nothing changed.
 */

static const struct kvm_exact_event hardware = { .type = KVM_EXACT_EXCEPTION, .vector = 6 };

static void spoil_msr(struct kvm_exact_state *state, uint8_t size, uint8_t reason, uint8_t reads)
{
	state->io.ask = (struct kvm_exact_access){
		.kind = KVM_EXACT_MSR_READ, .size = size, .reason = reason,
	};
	state->io.reads = reads;
	state->io.read[0] = (struct kvm_exact_access){ .kind = KVM_EXACT_PIO_IN, .size = 1 };
}

static void spoil(struct kvm_exact_state *state, unsigned int how)
{
	switch (how) {
	case 0:
		state->version = 0;
		break;
	case 1:
		state->version = KVM_EXACT_VERSION + 1;
		break;
	case 2:
		state->flags = 2;
		break;
	case 3:
		state->begun = state->raised = hardware;
		break;
	case 4:
		state->begun.type = 5;
		break;
	case 5:
		state->begun.type = KVM_EXACT_INTERRUPT;
		break;
	case 6:
		state->interrupt = hardware;
		break;
	case 7:
		state->raised = hardware;
		state->raised.vector = 32;
		break;
	case 8:
		state->raised = hardware;
		state->raised.vector = 2;
		break;
	case 9:
		state->raised = hardware;
		state->raised.flags = KVM_EXACT_HAS_ERROR;
		break;
	case 10:
		state->raised = hardware;
		state->raised.vector = 13;	/* without its error code */
		break;
	case 11:
		state->raised = hardware;
		state->raised.insn_len = 1;
		break;
	case 12:
		state->begun = hardware;
		state->begun.vector = 1;
		state->begun.flags = KVM_EXACT_HAS_PAYLOAD;
		break;
	case 13:
		state->nmi_pending = 3;
		break;
	case 14:
		state->nmi_pending = 2;
		state->nmi_masked = 1;
		break;
	case 15:
		state->shadow = 4;
		break;
	case 16:
		state->pending_dbg = 1 << 13;
		break;
	case 17:
		state->interrupt.type = KVM_EXACT_SOFT_INTERRUPT;
		state->interrupt.insn_len = 16;
		break;
	default:
		state->flags = KVM_EXACT_VALID_IO;
		state->io.ask = (struct kvm_exact_access){ .kind = KVM_EXACT_PIO_IN, .size = 1 };
		break;
	}
	switch (how) {
	case 18:
		state->io.ask.kind = 0xff;
		break;
	case 19:
		state->io.ask.kind = 6;
		break;
	case 20:
		state->io.ask.size = 3;
		break;
	case 21:
		state->io.ask.addr = 0x10000;
		break;
	case 22:
		state->io.reads = KVM_EXACT_READS + 1;
		break;
	case 23:
		state->io.reads = 1;		/* and it is of no kind */
		break;
	case 24:
		state->io.ask.kind = KVM_EXACT_MMIO_READ;
		state->io.ask.size = 9;
		break;
	case 25:
		state->io.reads = 1;
		state->io.read[0].kind = KVM_EXACT_MMIO_WRITE;
		state->io.read[0].size = 1;
		break;
	case 26:
		state->io.ask.size = 0;
		break;
	case 29:
		spoil_msr(state, 4, 1, 0);
		break;
	case 30:
		spoil_msr(state, 8, 0, 0);
		break;
	case 31:
		spoil_msr(state, 8, 8, 0);
		break;
	case 32:
		spoil_msr(state, 8, 3, 0);
		break;
	case 33:
		spoil_msr(state, 8, 1, 1);
		break;
	case 34:
		spoil_msr(state, 8, 1, 0);
		state->io.ask.addr = 1ULL << 32;
		break;
	case 27:
		*state = (struct kvm_exact_state){ .version = KVM_EXACT_VERSION };
		state->raised = hardware;
		state->raised.vector = 3;
		break;
	case 28:
		*state = (struct kvm_exact_state){ .version = KVM_EXACT_VERSION };
		state->begun = hardware;
		state->begun.type = KVM_EXACT_SOFT_EXCEPTION;
		break;
	}
}

#define SPOILS	35

TEST_F(exact, refused)
{
	struct kvm_exact_state state, before, after;
	struct kvm_vcpu_events several = events_irq(0x40);
	unsigned int how;

	several.nmi.masked = 1;
	ASSERT_EQ(0, events_set(self->vm, several));
	ASSERT_EQ(0, exact_get(self->vm, &before));
	for (how = 0; how < SPOILS; how++) {
		memset(&state, 0, sizeof(state));
		state.version = KVM_EXACT_VERSION;
		spoil(&state, how);
		EXPECT_EQ(-EINVAL, exact_set(self->vm, &state)) {
			TH_LOG("case %u", how);
		}
		ASSERT_EQ(0, exact_get(self->vm, &after));
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(before))) {
			TH_LOG("case %u", how);
		}
	}
	EXPECT_EQ(-EFAULT, exact_set(self->vm, (void *)8));
	EXPECT_EQ(-EFAULT, exact_get(self->vm, (void *)8));
}

/*
 * Events.  Each is set by the 64 bytes, moved by the extension, and delivered once.
 */

static void move(struct __test_metadata *_metadata, struct vm *vm)
{
	struct kvm_exact_state before, after;

	ASSERT_EQ(0, exact_get(vm, &before));
	ASSERT_EQ(0, vm_move(vm));
	ASSERT_EQ(0, exact_get(vm, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

TEST_F(exact, several_events)
{
	struct kvm_vcpu_events events = events_exception(13, 0x18, false);

	vm_start(self->vm, GA(rt_done), RFLAGS_IF);
	events.nmi.injected = 1;
	events.interrupt.injected = 1;
	events.interrupt.nr = 0x40;
	ASSERT_EQ(0, events_set(self->vm, events));
	move(_metadata, self->vm);
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 3);
	EXPECT_EVENT(self->vm, 0, 2, NO_EC, STUB(13));
	EXPECT_EVENT(self->vm, 1, 13, 0x18, GA(rt_done));
	EXPECT_EVENT(self->vm, 2, 0x40, NO_EC, GA(rt_done));
}

TEST_F(exact, payload)
{
	ASSERT_EQ(0, events_set(self->vm, events_payload(14, 2, 0x1234000)));
	move(_metadata, self->vm);
	ASSERT_H(self->vm, 14, 2, GA(rt_done));
	EXPECT_EQ(0x1234000ULL, log_at(self->vm, 0)->cr2);
}

TEST_F(exact, two_nmis)
{
	struct kvm_exact_state state;

	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_EQ(0, vm_nmi(self->vm));
	ASSERT_EQ(0, exact_get(self->vm, &state));
	EXPECT_EQ(2, state.nmi_pending);
	move(_metadata, self->vm);
	ASSERT_SETTLED(self->vm);
	ASSERT_EVENTS(self->vm, 2);
}

/* INT n without an INT n: GET_VCPU_EVENTS has no word for it. */
TEST_F(exact, software_interrupt)
{
	struct kvm_vcpu_events events = events_irq(0x80);
	struct kvm_exact_state state;

	events.interrupt.soft = 1;
	ASSERT_EQ(0, events_set(self->vm, events));
	ASSERT_EQ(0, exact_get(self->vm, &state));
	EXPECT_EQ(KVM_EXACT_SOFT_INTERRUPT, state.interrupt.type);
	EXPECT_EQ(0, state.interrupt.insn_len);
	move(_metadata, self->vm);
	ASSERT_H(self->vm, 0x80, NO_EC, GA(rt_done));
}

/* The length goes with the event: nobody looks at what stands at RIP. */
TEST_F(exact, length_of_a_software_interrupt)
{
	struct kvm_exact_state state = { .version = KVM_EXACT_VERSION };

	state.interrupt.type = KVM_EXACT_SOFT_INTERRUPT;
	state.interrupt.vector = 0x80;
	state.interrupt.insn_len = 2;
	vm_start(self->vm, GA(rt_done) - 2, 0);
	ASSERT_EQ(0, exact_set(self->vm, &state));
	ASSERT_H(self->vm, 0x80, NO_EC, GA(rt_done));
}

/* Raised is not begun, whether the VM has the payload's capability or not. */
TEST_F(exact, raised_without_payload_capability)
{
	struct kvm_exact_state state = { .version = KVM_EXACT_VERSION }, seen;

	ASSERT_EQ(0, vm_enable_cap(self->vm, KVM_CAP_EXCEPTION_PAYLOAD, 0));
	state.raised.type = KVM_EXACT_EXCEPTION;
	state.raised.vector = 14;
	state.raised.flags = KVM_EXACT_HAS_ERROR | KVM_EXACT_HAS_PAYLOAD;
	state.raised.payload = 0x5678000;
	ASSERT_EQ(0, exact_set(self->vm, &state));
	ASSERT_EQ(0, exact_get(self->vm, &seen));
	EXPECT_EQ(0, memcmp(&state, &seen, sizeof(state)));
	ASSERT_H(self->vm, 14, 0, GA(rt_done));
	EXPECT_EQ(0x5678000ULL, log_at(self->vm, 0)->cr2);
	EXPECT_EQ(RFLAGS_RF, log_at(self->vm, 0)->rflags & RFLAGS_RF);
}

TEST_F(exact, triple_fault)
{
	struct kvm_exact_state state = { .version = KVM_EXACT_VERSION, .triple_fault = 1 };

	ASSERT_EQ(0, exact_set(self->vm, &state));
	move(_metadata, self->vm);
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm));
}

GUEST(code_three,
	"nop\n"
	"code_second:\n"
	"nop\n"
	"jmp rt_done");
LABEL(code_second);

static const struct kvm_exact_state waiting_breakpoint = {
	.version = KVM_EXACT_VERSION,
	.shadow = KVM_X86_SHADOW_INT_MOV_SS,
	.pending_dbg = 1 << 12 | 2,
};

/* A breakpoint that was met by MOV SS traps behind the next instruction, and there once. */
TEST_F(exact, breakpoint_behind_mov_ss)
{
	if (!probe_shadow())
		SKIP(return, "this processor forgets a shadow at an exit");
	vm_start(self->vm, GA(code_three), 0);
	ASSERT_EQ(0, exact_set(self->vm, &waiting_breakpoint));
	move(_metadata, self->vm);
	ASSERT_H(self->vm, 1, NO_EC, GA(code_second));
	EXPECT_EQ(2ULL, log_at(self->vm, 0)->dr6 & 0xf);
}

/* The same where an exit for the host's sake may end the shadow too early, now and then. */
TEST_F(exact, breakpoint_behind_mov_ss_in_place)
{
	unsigned int i, right = 0;

	for (i = 0; i < 10; i++) {
		log_clear(self->vm);
		vm_start(self->vm, GA(code_three), 0);
		ASSERT_EQ(0, exact_set(self->vm, &waiting_breakpoint));
		ASSERT_H(self->vm, 1, NO_EC, ANY_RIP);
		EXPECT_EQ(2ULL, log_at(self->vm, 0)->dr6 & 0xf);
		right += log_at(self->vm, 0)->rip == GA(code_second);
	}
	EXPECT_LE(probe_shadow() ? 10U : 5U, right);
}

/*
 * Accesses: what was read is not read again.
 */

GUEST(code_in,
	"mov $-1, %rax\n"
	"in $" STR(PORT_DATA) ", %al\n"
	"jmp rt_done");

TEST_F(exact, in_answered)
{
	vm_start(self->vm, GA(code_in), 0);
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	*(uint8_t *)io_data(self->vm) = 0x5a;
	move(_metadata, self->vm);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0xffffffffffffff5aULL, rax(self->vm));
}

/* The exit goes with it: what has not been answered there is asked here. */
TEST_F(exact, in_asked)
{
	vm_start(self->vm, GA(code_in), 0);
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	move(_metadata, self->vm);
	ASSERT_EQ((unsigned int)KVM_EXIT_IO, self->vm->run->exit_reason);
	EXPECT_EQ(KVM_EXIT_IO_IN, self->vm->run->io.direction);
	EXPECT_EQ(PORT_DATA, self->vm->run->io.port);
	EXPECT_EQ(1, self->vm->run->io.size);
	EXPECT_EQ(1U, self->vm->run->io.count);
	*(uint8_t *)io_data(self->vm) = 0x5b;
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0xffffffffffffff5bULL, rax(self->vm));
}

/* Registers that lead elsewhere: there it goes on, and the answer is nobody's. */
TEST_F(exact, in_left)
{
	struct kvm_regs regs;

	vm_start(self->vm, GA(code_in), 0);
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	move(_metadata, self->vm);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_REGS, &regs));
	regs.rip = GA(rt_done);
	regs.rax = 7;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_REGS, &regs));
	ASSERT_SETTLED(self->vm);
	EXPECT_EQ(7ULL, rax(self->vm));
}

/* SET without one ends the one that waits: the instruction is met again. */
TEST_F(exact, in_taken_back)
{
	struct kvm_exact_state state = { .version = KVM_EXACT_VERSION };

	vm_start(self->vm, GA(code_in), 0);
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	*(uint8_t *)io_data(self->vm) = 0x5a;
	ASSERT_EQ(0, exact_set(self->vm, &state));
	ASSERT_EQ(KVM_EXIT_IO, vm_run(self->vm));
	ASSERT_EQ(PORT_DATA, self->vm->run->io.port);
	*(uint8_t *)io_data(self->vm) = 0x5c;
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0xffffffffffffff5cULL, rax(self->vm));
}

GUEST(code_insb,
	"mov $" STR(DATA) ", %edi\n"
	"mov $" STR(PORT_DATA) ", %edx\n"
	"mov $10, %ecx\n"
	"rep insb\n"
	"jmp rt_done");

TEST_F(exact, string_in)
{
	static const char text[] = "0123456789";
	unsigned int i = 0;

	vm_start(self->vm, GA(code_insb), 0);
	while (vm_run(self->vm) == KVM_EXIT_IO && self->vm->run->io.port == PORT_DATA) {
		ASSERT_GT(10U, i);
		ASSERT_EQ(1U, self->vm->run->io.count);
		*(uint8_t *)io_data(self->vm) = text[i++];
		move(_metadata, self->vm);
	}
	EXPECT_EQ(PORT_DONE, self->vm->run->io.port);
	EXPECT_EQ(10U, i);
	EXPECT_EQ(0, memcmp(self->vm->mem + DATA, text, 10));
}

/* A device that counts how often each of its bytes is read and written. */
struct device {
	uint8_t byte[64];
	uint8_t reads[64];
	uint8_t writes[64];
};

static bool serve(struct kvm_run *run, struct device *device)
{
	uint64_t at = run->mmio.phys_addr - MMIO;
	unsigned int i;

	if (run->exit_reason != KVM_EXIT_MMIO || at + run->mmio.len > sizeof(device->byte))
		return false;
	for (i = 0; i < run->mmio.len; i++) {
		if (run->mmio.is_write) {
			device->byte[at + i] = run->mmio.data[i];
			device->writes[at + i]++;
		} else {
			run->mmio.data[i] = device->byte[at + i];
			device->reads[at + i]++;
		}
	}
	return true;
}

/* Moved at each exit; returns how many there were. */
static unsigned int move_at_each(struct __test_metadata *_metadata, struct vm *vm, uint64_t code,
				 struct device *device)
{
	unsigned int i, exits = 0;

	for (i = 0; i < sizeof(device->byte); i++)
		device->byte[i] = 0x30 + i;
	vm_start(vm, code, 0);
	while (vm_run(vm) == KVM_EXIT_MMIO) {
		ASSERT_TRUE(serve(vm->run, device));
		ASSERT_GT(20U, exits++);
		move(_metadata, vm);
	}
	EXPECT_EQ((unsigned int)KVM_EXIT_IO, vm->run->exit_reason) {
		TH_LOG("%s", vm_why(vm));
	}
	EXPECT_EQ(PORT_DONE, vm->run->io.port);
	return exits;
}

static void expect_once(struct __test_metadata *_metadata, const uint8_t *counts, unsigned int from,
			unsigned int to)
{
	unsigned int i;

	for (i = 0; i < 64; i++)
		EXPECT_EQ(i >= from && i < to, counts[i]) {
			TH_LOG("byte %u: %u times", i, counts[i]);
		}
}

GUEST(code_load,
	"mov " STR(MMIO) " + 8, %eax\n"
	"jmp rt_done");

TEST_F(exact, load)
{
	struct device device = { 0 };

	EXPECT_EQ(1U, move_at_each(_metadata, self->vm, GA(code_load), &device));
	EXPECT_EQ(0x3b3a3938ULL, rax(self->vm));
	expect_once(_metadata, device.reads, 8, 12);
}

GUEST(code_xchg,
	"mov $" STR(MMIO) " + 4, %edi\n"
	"mov $0x11223344, %eax\n"
	"xchg %eax, (%rdi)\n"
	"jmp rt_done");

TEST_F(exact, exchange)
{
	struct device device = { 0 };
	uint32_t value;

	EXPECT_EQ(2U, move_at_each(_metadata, self->vm, GA(code_xchg), &device));
	memcpy(&value, device.byte + 4, sizeof(value));
	EXPECT_EQ(0x37363534ULL, rax(self->vm));
	EXPECT_EQ(0x11223344U, value);
	expect_once(_metadata, device.reads, 4, 8);
	expect_once(_metadata, device.writes, 4, 8);
}

GUEST(code_long_load,
	"mov $" STR(MMIO) " + 3, %esi\n"
	"movups (%rsi), %xmm0\n"
	"movups %xmm0, " STR(DATA) "\n"
	"jmp rt_done");

TEST_F(exact, load_in_parts)
{
	struct device device = { 0 };

	EXPECT_LE(2U, move_at_each(_metadata, self->vm, GA(code_long_load), &device));
	EXPECT_EQ(0, memcmp(self->vm->mem + DATA, device.byte + 3, 16));
	expect_once(_metadata, device.reads, 3, 19);
}

GUEST(code_long_store,
	"movups " STR(DATA) ", %xmm0\n"
	"mov $" STR(MMIO) " + 5, %edi\n"
	"movups %xmm0, (%rdi)\n"
	"jmp rt_done");

TEST_F(exact, store_in_parts)
{
	struct device device = { 0 };

	memcpy(self->vm->mem + DATA, "abcdefghijklmnop", 16);
	EXPECT_LE(2U, move_at_each(_metadata, self->vm, GA(code_long_store), &device));
	EXPECT_EQ(0, memcmp(device.byte + 5, "abcdefghijklmnop", 16));
	expect_once(_metadata, device.writes, 5, 21);
}

GUEST(code_copy,
	"mov $" STR(MMIO) ", %esi\n"
	"mov $" STR(MMIO) " + 32, %edi\n"
	"mov $3, %ecx\n"
	"rep movsq\n"
	"jmp rt_done");

/* From the device to the device: each element is a read, and a write that ends it. */
TEST_F(exact, copy)
{
	struct device device = { 0 };

	EXPECT_EQ(6U, move_at_each(_metadata, self->vm, GA(code_copy), &device));
	EXPECT_EQ(0, memcmp(device.byte, device.byte + 32, 24));
	expect_once(_metadata, device.reads, 0, 24);
	expect_once(_metadata, device.writes, 32, 56);
}

/* It is another instruction by now: that one is executed, and asks what it wants. */
TEST_F(exact, instruction_rewritten)
{
	struct device device = { 0 };

	vm_start(self->vm, GA(code_load), 0);
	ASSERT_EQ(KVM_EXIT_MMIO, vm_run(self->vm));
	ASSERT_TRUE(serve(self->vm->run, &device));
	ASSERT_EQ(0, vm_move(self->vm));
	/* MOV from 8 bytes further on */
	self->vm->mem[GA(code_load) + 3] += 8;
	ASSERT_EQ(KVM_EXIT_MMIO, vm_run(self->vm));
	EXPECT_EQ(MMIO + 16ULL, self->vm->run->mmio.phys_addr);
	memset(self->vm->run->mmio.data, 0x77, 8);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0x77777777ULL, rax(self->vm));
}

/*
 * MSRs that userspace is asked for.
 */

#define MSR_NONE	0x12345678

GUEST(code_rdmsr,
	"mov $" STR(MSR_NONE) ", %ecx\n"
	"mov $-1, %rax\n"
	"mov $-1, %rdx\n"
	"rdmsr\n"
	"shl $32, %rdx\n"
	"or %rdx, %rax\n"
	"jmp rt_done");

GUEST(code_wrmsr,
	"mov $" STR(MSR_NONE) ", %ecx\n"
	"mov $0x11223344, %eax\n"
	"mov $0x55667788, %edx\n"
	"code_wrmsr_itself:\n"
	"wrmsr\n"
	"jmp rt_done");
LABEL(code_wrmsr_itself);

static void run_to_msr(struct __test_metadata *_metadata, struct vm *vm, uint64_t code, int reason)
{
	ASSERT_EQ(0, vm_enable_cap(vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN));
	vm_start(vm, code, 0);
	ASSERT_EQ(reason, vm_run(vm)) {
		TH_LOG("%s", vm_why(vm));
	}
}

static void check_msr(struct __test_metadata *_metadata, struct vm *vm, unsigned int reason,
		      uint64_t data)
{
	EXPECT_EQ(reason, vm->run->exit_reason);
	EXPECT_EQ(0, vm->run->msr.error);
	EXPECT_EQ((unsigned int)KVM_MSR_EXIT_REASON_UNKNOWN, vm->run->msr.reason);
	EXPECT_EQ(MSR_NONE, vm->run->msr.index);
	EXPECT_EQ(data, vm->run->msr.data);
}

TEST_F(exact, rdmsr_asked)
{
	run_to_msr(_metadata, self->vm, GA(code_rdmsr), KVM_EXIT_X86_RDMSR);
	move(_metadata, self->vm);
	check_msr(_metadata, self->vm, KVM_EXIT_X86_RDMSR, 0);
	self->vm->run->msr.data = 0x123456789abcdef0;
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0x123456789abcdef0ULL, rax(self->vm));
}

TEST_F(exact, rdmsr_answered)
{
	run_to_msr(_metadata, self->vm, GA(code_rdmsr), KVM_EXIT_X86_RDMSR);
	self->vm->run->msr.data = 0x123456789abcdef0;
	move(_metadata, self->vm);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0x123456789abcdef0ULL, rax(self->vm));
}

TEST_F(exact, wrmsr_asked)
{
	run_to_msr(_metadata, self->vm, GA(code_wrmsr), KVM_EXIT_X86_WRMSR);
	move(_metadata, self->vm);
	check_msr(_metadata, self->vm, KVM_EXIT_X86_WRMSR, 0x5566778811223344);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EVENTS(self->vm, 0);
}

TEST_F(exact, wrmsr_answered)
{
	run_to_msr(_metadata, self->vm, GA(code_wrmsr), KVM_EXIT_X86_WRMSR);
	self->vm->run->msr.error = 1;
	handler_skip(self->vm, 13, 2);
	move(_metadata, self->vm);
	ASSERT_H(self->vm, 13, 0, GA(code_wrmsr_itself));
}

/* There is no RDMSR by now: what is there runs, and nobody is asked. */
TEST_F(exact, rdmsr_rewritten)
{
	run_to_msr(_metadata, self->vm, GA(code_rdmsr), KVM_EXIT_X86_RDMSR);
	self->vm->run->msr.data = 0x77;
	move(_metadata, self->vm);
	memset(self->vm->mem + vm_rip(self->vm), 0x90, 2);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(~0ULL, rax(self->vm));
}

TEST_HARNESS_MAIN
