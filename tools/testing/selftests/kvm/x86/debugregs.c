// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debug registers: set from outside, used by the guest, and moved.
 */
#include <sys/eventfd.h>
#include "kvm_test.h"

#define DR7_INIT	0x400ULL

VM_FIXTURE(debugregs)

GUEST(code_read,
	"mov %dr0, %rax\nmov %rax, " STR(DATA) "\n"
	"mov %dr1, %rax\nmov %rax, " STR(DATA) " + 8\n"
	"mov %dr2, %rax\nmov %rax, " STR(DATA) " + 16\n"
	"mov %dr3, %rax\nmov %rax, " STR(DATA) " + 24\n"
	"mov %dr6, %rax\nmov %rax, " STR(DATA) " + 32\n"
	"mov %dr7, %rax\nmov %rax, " STR(DATA) " + 40\n"
	"jmp rt_done");

GUEST(code_write,
	"mov $0x1000, %eax\nmov %rax, %dr0\n"
	"mov $0x2000, %eax\nmov %rax, %dr1\n"
	"mov $0x3000, %eax\nmov %rax, %dr2\n"
	"mov $0x4000, %eax\nmov %rax, %dr3\n"
	"mov $0xffff0ff5, %eax\nmov %rax, %dr6\n"
	"mov $0x10400, %eax\nmov %rax, %dr7\n"
	"jmp rt_done");

static struct kvm_debugregs some(void)
{
	struct kvm_debugregs debugregs = {
		.db = { 0x1111, 0xffff800000002222, 0x3333, 0x4444 },
		.dr6 = 0xffff4ff3, .dr7 = 0x55550400,
	};

	return debugregs;
}

TEST_F(debugregs, round_trip)
{
	struct kvm_debugregs want = some(), seen;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &want));
	memset(&seen, 0xa5, sizeof(seen));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &seen));
	EXPECT_EQ(0, memcmp(&want, &seen, sizeof(want)));
}

TEST_F(debugregs, initial)
{
	struct kvm_debugregs seen;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &seen));
	EXPECT_EQ(DR6_INIT, seen.dr6);
	EXPECT_EQ(DR7_INIT, seen.dr7);
	EXPECT_EQ(0ULL, seen.db[0] | seen.db[1] | seen.db[2] | seen.db[3]);
}

TEST_F(debugregs, refused)
{
	struct kvm_debugregs bad = some(), before, seen;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &before));
	bad.dr6 |= 1ULL << 32;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &bad));
	bad = some();
	bad.dr7 |= 1ULL << 32;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &bad));
	bad = some();
	bad.flags = 1;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &bad));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, NULL));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &seen));
	EXPECT_EQ(0, memcmp(&before, &seen, sizeof(seen)));
}

TEST_F(debugregs, guest_reads)
{
	struct kvm_debugregs set = some();
	uint64_t *store = (uint64_t *)(self->vm->mem + DATA);

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &set));
	ASSERT_EQ(0, vm_move(self->vm));
	vm_start(self->vm, GA(code_read), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	EXPECT_EQ(0, memcmp(set.db, store, 32));
	EXPECT_EQ(set.dr6, store[4]);
	EXPECT_EQ(set.dr7, store[5]);
}

TEST_F(debugregs, guest_writes)
{
	struct kvm_debugregs seen;

	vm_start(self->vm, GA(code_write), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_DEBUGREGS, &seen));
	EXPECT_EQ(0x1000ULL, seen.db[0]);
	EXPECT_EQ(0x2000ULL, seen.db[1]);
	EXPECT_EQ(0x3000ULL, seen.db[2]);
	EXPECT_EQ(0x4000ULL, seen.db[3]);
	EXPECT_EQ(0xffff0ff5ULL, seen.dr6);
	EXPECT_EQ(0x10400ULL, seen.dr7);
}

GUEST(code_wide_dr7, "mov $1, %rax\nshl $32, %rax\nmov %rax, %dr7\njmp rt_done");
GUEST(code_wide_dr6, "mov $1, %rax\nshl $32, %rax\nmov %rax, %dr6\njmp rt_done");

TEST_F(debugregs, guest_writes_too_much)
{
	handler_skip(self->vm, 13, 3);
	vm_start(self->vm, GA(code_wide_dr7), 0);
	ASSERT_H(self->vm, 13, 0, ANY_RIP);
	log_clear(self->vm);
	vm_start(self->vm, GA(code_wide_dr6), 0);
	ASSERT_H(self->vm, 13, 0, ANY_RIP);
}

/* With DR7.GD any access is a #DB, with BD, and GD is off in the handler. */
GUEST(code_gd,
	"mov $0x2400, %eax\nmov %rax, %dr7\n"
	"code_gd_access:\n"
	"mov %dr0, %rax\n"
	"jmp rt_done");
LABEL(code_gd_access);

TEST_F(debugregs, general_detect)
{
	handler_skip(self->vm, 1, 3);
	vm_start(self->vm, GA(code_gd), 0);
	ASSERT_H(self->vm, 1, NO_EC, GA(code_gd_access));
	EXPECT_EQ(0x2000ULL, log_at(self->vm, 0)->dr6 & 0x2000);
}

/* The guest's own step, and its own breakpoints. */
GUEST(code_nops,
	"nop\n"
	"code_nops_second:\n"
	"nop\n"
	"code_nops_third:\n"
	"jmp rt_done");
LABEL(code_nops_second);
LABEL(code_nops_third);

GUEST(code_clear_tf,
	"andl $~0x100, 16(%rbx)\n"
	"ret");

TEST_F(debugregs, guest_steps)
{
	handler_hook(self->vm, 1, GA(code_clear_tf));
	vm_start(self->vm, GA(code_nops), RFLAGS_TF);
	ASSERT_H(self->vm, 1, NO_EC, GA(code_nops_second));
	EXPECT_EQ(0xffff4ff0ULL, log_at(self->vm, 0)->dr6);
	EXPECT_EQ(RFLAGS_TF, log_at(self->vm, 0)->rflags & RFLAGS_TF);
}

GUEST(code_set_rf,
	"orl $0x10000, 16(%rbx)\n"
	"ret");

TEST_F(debugregs, guest_code_breakpoint)
{
	struct kvm_debugregs debugregs = {
		.db = { 0, GA(code_nops_second) }, .dr6 = DR6_INIT, .dr7 = DR7_INIT | 0x4,
	};

	if (!probe_breakpoint())
		SKIP(return, "breakpoints do not work in guests on this processor");
	handler_hook(self->vm, 1, GA(code_set_rf));
	vm_start(self->vm, GA(code_nops), 0);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &debugregs));
	ASSERT_H(self->vm, 1, NO_EC, GA(code_nops_second));
	EXPECT_EQ(2ULL, log_at(self->vm, 0)->dr6 & 0xf);
}

GUEST(code_touch,
	"movl $1, " STR(DATA) "\n"
	"code_touch_after:\n"
	"jmp rt_done");
LABEL(code_touch_after);

TEST_F(debugregs, guest_data_breakpoint)
{
	struct kvm_debugregs debugregs = {
		.db = { 0, 0, DATA }, .dr6 = DR6_INIT, .dr7 = DR7_INIT | 0x0d000010,
	};

	vm_start(self->vm, GA(code_touch), 0);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &debugregs));
	ASSERT_H(self->vm, 1, NO_EC, GA(code_touch_after));
	EXPECT_EQ(4ULL, log_at(self->vm, 0)->dr6 & 0xf);
}

/*
 * Breakpoints of accesses that the processor has not made itself: those of devices and ports, and
 * of memory in an instruction that touches a device as well.
 */

#define CR4_DE		0x8ULL
#define DR7_L0		0x1ULL
#define WATCH_WRITES	1
#define WATCH_PORTS	2
#define WATCH_BOTH	3
#define DR7_WATCH(watch, len)	(DR7_INIT | DR7_L0 | (watch) << 16 | ((len) - 1ULL) << 18)

GUEST(dev_store,
	"mov %eax, " STR(MMIO) "\n"
	"dev_store_after: jmp rt_done");
GUEST(dev_load,
	"mov " STR(MMIO) ", %eax\n"
	"dev_load_after: jmp rt_done");
GUEST(dev_add,
	"addl $1, " STR(MMIO) "\n"
	"dev_add_after: jmp rt_done");
GUEST(dev_copy,
	"mov $" STR(MMIO) ", %esi\n"
	"mov $" STR(DATA) ", %edi\n"
	"movsl\n"
	"dev_copy_after: jmp rt_done");
GUEST(dev_out,
	"out %al, $" STR(PORT_DATA) "\n"
	"dev_out_after: jmp rt_done");
GUEST(dev_in,
	"in $" STR(PORT_DATA) ", %al\n"
	"dev_in_after: jmp rt_done");
GUEST(dev_outs,
	"mov $" STR(DATA) ", %esi\n"
	"mov $4, %ecx\n"
	"mov $" STR(PORT_DATA) ", %edx\n"
	"dev_outs_itself: rep outsb\n"
	"jmp rt_done");
LABEL(dev_store_after);
LABEL(dev_load_after);
LABEL(dev_add_after);
LABEL(dev_copy_after);
LABEL(dev_out_after);
LABEL(dev_in_after);
LABEL(dev_outs_itself);

FIXTURE(access) {
	struct vm vm[1];
};

FIXTURE_VARIANT(access) {
	const uint8_t *code, *after;	/* where the trap comes; NULL: it does not */
	uint64_t watched;
	unsigned int watch, len;
};

FIXTURE_VARIANT_ADD(access, store) { dev_store, dev_store_after, MMIO, WATCH_WRITES, 4 };
FIXTURE_VARIANT_ADD(access, last_byte) { dev_store, dev_store_after, MMIO + 3, WATCH_WRITES, 1 };
FIXTURE_VARIANT_ADD(access, store_beside) { dev_store, NULL, MMIO + 4, WATCH_WRITES, 4 };
FIXTURE_VARIANT_ADD(access, load) { dev_load, dev_load_after, MMIO, WATCH_BOTH, 4 };
FIXTURE_VARIANT_ADD(access, load_is_no_write) { dev_load, NULL, MMIO, WATCH_WRITES, 4 };
FIXTURE_VARIANT_ADD(access, add) { dev_add, dev_add_after, MMIO, WATCH_WRITES, 4 };
FIXTURE_VARIANT_ADD(access, copy_from) { dev_copy, dev_copy_after, MMIO, WATCH_BOTH, 1 };
FIXTURE_VARIANT_ADD(access, copy_to_memory) { dev_copy, dev_copy_after, DATA, WATCH_WRITES, 1 };
FIXTURE_VARIANT_ADD(access, out) { dev_out, dev_out_after, PORT_DATA, WATCH_PORTS, 1 };
FIXTURE_VARIANT_ADD(access, in) { dev_in, dev_in_after, PORT_DATA, WATCH_PORTS, 1 };
FIXTURE_VARIANT_ADD(access, out_beside) { dev_out, NULL, PORT_DATA + 1, WATCH_PORTS, 1 };
FIXTURE_VARIANT_ADD(access, string) { dev_outs, dev_outs_itself, DATA + 1, WATCH_BOTH, 1 };

FIXTURE_SETUP(access)
{
	struct kvm_sregs sregs;

	VM_SETUP(self->vm, 0);
	vm_start(self->vm, GA(variant->code), 0);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.cr4 |= CR4_DE;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
}

FIXTURE_TEARDOWN(access)
{
	vm_destroy(self->vm);
}

/* Plays the devices until something else comes; how many bytes went out by the port. */
static int run_devices(struct vm *vm, unsigned int *bytes)
{
	int reason;

	*bytes = 0;
	for (;;) {
		reason = vm_run(vm);
		if (reason == KVM_EXIT_IO && vm->run->io.port == PORT_DATA)
			*bytes += vm->run->io.count;
		else if (reason != KVM_EXIT_MMIO)
			return reason;
	}
}

/* @after: where the trap comes, or NULL */
static void guests_breakpoint(struct __test_metadata *_metadata, struct vm *vm, uint64_t watched,
			      uint64_t dr7, const uint8_t *after)
{
	struct kvm_debugregs debugregs = { .db = { watched }, .dr6 = DR6_INIT, .dr7 = dr7 };
	unsigned int bytes;

	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_DEBUGREGS, &debugregs));
	ASSERT_EQ(KVM_EXIT_IO, run_devices(vm, &bytes)) {
		TH_LOG("%s", vm_why(vm));
	}
	ASSERT_EQ(PORT_DONE, vm->run->io.port);
	if (!after) {
		EXPECT_EQ(0U, log_count(vm));
		return;
	}
	ASSERT_EQ(1U, log_count(vm));
	EXPECT_TRUE(log_is(vm, 0, 1, NO_EC, GA(after))) {
		TH_LOG("%s", log_text(vm));
	}
	EXPECT_EQ(1ULL, log_at(vm, 0)->dr6 & 0xf);
}

static void debuggers_breakpoint(struct __test_metadata *_metadata, struct vm *vm,
				 uint64_t watched, uint64_t dr7, const uint8_t *after)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg = { watched, 0, 0, 0, 0, 0, 0, dr7 },
	};
	unsigned int bytes;

	ASSERT_EQ(0, vcpu_ioctl(vm, KVM_SET_GUEST_DEBUG, &debug));
	ASSERT_EQ(after ? KVM_EXIT_DEBUG : KVM_EXIT_IO, run_devices(vm, &bytes)) {
		TH_LOG("%s", vm_why(vm));
	}
	EXPECT_EQ(0U, log_count(vm));
	if (!after)
		return;
	EXPECT_EQ(GA(after), vm->run->debug.arch.pc);
	EXPECT_EQ(1ULL, vm->run->debug.arch.dr6 & 0xf);
	EXPECT_EQ(0ULL, vm->run->debug.arch.dr6 & 0x4000);
}

TEST_F(access, guests_breakpoint)
{
	guests_breakpoint(_metadata, self->vm, variant->watched,
			  DR7_WATCH(variant->watch, variant->len), variant->after);
}

TEST_F(access, debuggers_breakpoint)
{
	debuggers_breakpoint(_metadata, self->vm, variant->watched,
			     DR7_WATCH(variant->watch, variant->len), variant->after);
}

/* All writes to the device and to the port are taken in the kernel. */
static int take_writes(struct vm *vm)
{
	struct kvm_ioeventfd mmio = { .fd = eventfd(0, EFD_CLOEXEC), .addr = MMIO };
	struct kvm_ioeventfd port = {
		.fd = mmio.fd, .addr = PORT_DATA, .flags = KVM_IOEVENTFD_FLAG_PIO,
	};

	return vm_ioctl(vm, KVM_IOEVENTFD, &mmio) ?: vm_ioctl(vm, KVM_IOEVENTFD, &port);
}

TEST_F(access, guests_in_the_kernel)
{
	ASSERT_EQ(0, take_writes(self->vm));
	guests_breakpoint(_metadata, self->vm, variant->watched,
			  DR7_WATCH(variant->watch, variant->len), variant->after);
}

TEST_F(access, debuggers_in_the_kernel)
{
	ASSERT_EQ(0, take_writes(self->vm));
	debuggers_breakpoint(_metadata, self->vm, variant->watched,
			     DR7_WATCH(variant->watch, variant->len), variant->after);
}

/* Of a string: the trap comes behind the byte that is watched, and no byte is lost. */
TEST_F(debugregs, string_goes_on)
{
	struct kvm_debugregs debugregs = {
		.db = { DATA + 1 }, .dr6 = DR6_INIT, .dr7 = DR7_WATCH(WATCH_BOTH, 1),
	};
	unsigned int bytes;

	vm_start(self->vm, GA(dev_outs), 0);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_DEBUGREGS, &debugregs));
	ASSERT_EQ(KVM_EXIT_IO, run_devices(self->vm, &bytes));
	EXPECT_EQ(4U, bytes);
	ASSERT_EQ(1U, log_count(self->vm));
	EXPECT_EQ(GA(dev_outs_itself), log_at(self->vm, 0)->rip);
}

TEST_HARNESS_MAIN
