// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe.c - is the processor under KVM able to do what a test is about?
 *
 * Emulated processors are wrong in places.  Each probe lets the guest get into
 * the situation by itself, without KVM_SET_VCPU_EVENTS, and looks at what
 * came out; a test of the restored situation is skipped when even that fails.
 */
#include "kvm_lib.h"

GUEST(probe_shadow_code,
	"sti\n"
	"mov " STR(DATA) ", %rax\n"
	"probe_shadow_after:\n"
	"nop\n"
	"jmp rt_done");
LABEL(probe_shadow_after);

GUEST(probe_fault_code,
	"mov " STR(DATA) ", %rax\n"
	"jmp rt_done");

GUEST(probe_nm_code,
	"fnop\n"
	"jmp rt_done");

GUEST(probe_store_code,
	"movl $1, " STR(DATA) "\n"
	"jmp rt_done");

/* What the processor had begun is begun again by the kernel. */
static bool stumbles(struct vm *vm, uint64_t address)
{
	int err = vm_stumble(vm, address);

	vm_mend(vm, address);
	return err == -EFAULT;
}

static bool shadow_lasts(struct vm *vm)
{
	vm->run->request_interrupt_window = 1;
	vm_start(vm, GA(probe_shadow_code), 0);
	return stumbles(vm, DATA) && vm_run(vm) == KVM_EXIT_IRQ_WINDOW_OPEN &&
	       vm_rip(vm) >= GA(probe_shadow_after);
}

/* Does a shadow outlast an exit between STI and the instruction after it? */
bool probe_shadow(void)
{
	struct vm vm;
	bool lasts = !vm_create(&vm, 0) && shadow_lasts(&vm);

	vm_destroy(&vm);
	return lasts;
}

static bool fault_doubles(struct vm *vm)
{
	*pte_of(vm, DATA) = 0;
	idt_absent(vm, 14);
	vm_start(vm, GA(probe_fault_code), 0);
	if (!stumbles(vm, IDT))
		return false;
	vm_run(vm);
	return log_is(vm, 0, 8, 0, ANY_RIP);
}

/* Does a page fault that was injected, and cannot be delivered, double? */
bool probe_double_fault(void)
{
	struct vm vm;
	bool doubles = !vm_create(&vm, 0) && fault_doubles(&vm);

	vm_destroy(&vm);
	return doubles;
}

static bool fault_has_ext(struct vm *vm)
{
	struct kvm_sregs sregs;

	vcpu_ioctl(vm, KVM_GET_SREGS, &sregs);
	sregs.cr0 |= 8;
	vcpu_ioctl(vm, KVM_SET_SREGS, &sregs);
	idt_absent(vm, 7);
	vm_start(vm, GA(probe_nm_code), 0);
	vm_run(vm);
	return log_is(vm, 0, 11, 7 << 3 | 3, ANY_RIP);
}

/* Is EXT set in the error code of a fault on the way to an exception? */
bool probe_ext(void)
{
	struct vm vm;
	bool ext = !vm_create(&vm, 0) && fault_has_ext(&vm);

	vm_destroy(&vm);
	return ext;
}

/*
 * Do breakpoints work in a guest?  They are set from outside: one emulator is
 * known to crash when a guest itself writes DR7 and turns them on.
 */
bool probe_breakpoint(void)
{
	struct kvm_debugregs debugregs = { .db = { DATA }, .dr6 = DR6_INIT, .dr7 = 0xd0401 };
	struct vm vm;
	bool works = false;

	if (!vm_create(&vm, 0)) {
		vm_start(&vm, GA(probe_store_code), 0);
		vcpu_ioctl(&vm, KVM_SET_DEBUGREGS, &debugregs);
		works = vm_run_out(&vm) == PORT_DONE && log_is(&vm, 0, 1, NO_EC, ANY_RIP);
	}
	vm_destroy(&vm);
	return works;
}
