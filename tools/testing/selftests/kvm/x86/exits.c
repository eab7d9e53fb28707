// SPDX-License-Identifier: GPL-2.0-only
/*
 * HLT, shutdown, being interrupted, and what struct kvm_run says then.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include "kvm_test.h"

GUEST(code_hlt,
	"hlt\n"
	"code_hlt_after:\n"
	"jmp rt_done");
LABEL(code_hlt_after);

GUEST(code_spin,
	"code_spin_loop:\n"
	"incl " STR(DATA) "\n"
	"cmpb $0, " STR(DATA) " + 4\n"
	"je code_spin_loop\n"
	"jmp rt_done");

GUEST(code_ud,
	"ud2\n"
	"jmp rt_done");

/* CR0.EM, by an operand in memory, a fault of that, and by a register. */
GUEST(code_lmsw,
	"mov $" STR(DATA) ", %ebx\n"
	"movw $0x0017, (%rbx)\n"
	"lmsw (%rbx)\n"
	"mov %cr0, %rax\n"
	"mov %rax, 8(%rbx)\n"
	"mov $0x4000000000, %rcx\n"
	"code_lmsw_fault:\n"
	"lmsw (%rcx)\n"
	"mov $0x13, %eax\n"
	"lmsw %ax\n"
	"mov %cr0, %rax\n"
	"mov %rax, 16(%rbx)\n"
	"jmp rt_done");
LABEL(code_lmsw_fault);

VM_FIXTURE(exits)

TEST_F(exits, lmsw)
{
	const uint64_t *out = (void *)(self->vm->mem + DATA);
	struct kvm_sregs sregs;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	handler_skip(self->vm, 14, 3);
	vm_start(self->vm, GA(code_lmsw), 0);
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EVENTS(self->vm, 1);
	EXPECT_EVENT(self->vm, 0, 14, 0, GA(code_lmsw_fault));
	EXPECT_EQ((sregs.cr0 & ~0xfULL) | 7, out[1]);
	EXPECT_EQ((sregs.cr0 & ~0xfULL) | 3, out[2]);
}

TEST_F(exits, hlt)
{
	vm_start(self->vm, GA(code_hlt), RFLAGS_IF);
	ASSERT_EQ(KVM_EXIT_HLT, vm_run(self->vm));
	EXPECT_EQ(GA(code_hlt_after), vm_rip(self->vm));
	EXPECT_EQ(1, self->vm->run->if_flag);
	ASSERT_SETTLED(self->vm);
}

TEST_F(exits, hlt_then_interrupt)
{
	vm_start(self->vm, GA(code_hlt), RFLAGS_IF);
	ASSERT_EQ(KVM_EXIT_HLT, vm_run(self->vm));
	ASSERT_EQ(1, self->vm->run->ready_for_interrupt_injection);
	ASSERT_EQ(0, vm_interrupt(self->vm, 0x40));
	ASSERT_H(self->vm, 0x40, NO_EC, GA(code_hlt_after));
}

TEST_F(exits, hlt_at_cpl3_is_gp)
{
	struct kvm_sregs sregs;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.cs.selector = SEL_USER_CODE;
	sregs.cs.dpl = 3;
	sregs.ss.selector = SEL_USER_DATA;
	sregs.ss.dpl = 3;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	vm_start(self->vm, GA(code_hlt), 0);
	vm_run_out(self->vm);
	EXPECT_EVENT(self->vm, 0, 13, 0, GA(code_hlt));
	EXPECT_EQ(SEL_USER_CODE, log_at(self->vm, 0)->cs);
	EXPECT_EQ(IST_TOP(0) - 48ULL, log_at(self->vm, 0)->entry_rsp);
}

TEST_F(exits, exceptions_of_the_guest_stay_there)
{
	handler_skip(self->vm, 6, 2);
	vm_start(self->vm, GA(code_ud), 0);
	ASSERT_H(self->vm, 6, NO_EC, GA(code_ud));
}

TEST_F(exits, shutdown)
{
	struct kvm_sregs sregs;

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.idt.limit = 0;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	vm_start(self->vm, GA(code_ud), 0);
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm));
}

/* After a shutdown the vCPU can be given new state and used again. */
TEST_F(exits, life_after_shutdown)
{
	struct kvm_sregs sregs;
	struct kvm_vcpu_events none = {};

	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_GET_SREGS, &sregs));
	sregs.idt.limit = 0;
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	vm_start(self->vm, GA(code_ud), 0);
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, vm_run(self->vm));
	long_mode_sregs(&sregs);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, events_set(self->vm, none));
	vm_start(self->vm, GA(rt_done), 0);
	ASSERT_SETTLED(self->vm);
}

TEST_F(exits, immediate_exit_executes_nothing)
{
	struct kvm_run *run = self->vm->run;

	vm_start(self->vm, GA(rt_done), 0);
	run->immediate_exit = 1;
	ASSERT_EQ(-EINTR, vm_run(self->vm));
	EXPECT_EQ(GA(rt_done), vm_rip(self->vm));
	EXPECT_EQ(1, run->immediate_exit);
	run->immediate_exit = 0;
	ASSERT_SETTLED(self->vm);
}

/* An exit can be looked at when its instruction has been finished. */
TEST_F(exits, immediate_exit_leaves_the_exit)
{
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vm_complete(self->vm));
	EXPECT_EQ((unsigned int)KVM_EXIT_IO, self->vm->run->exit_reason);
	EXPECT_EQ(PORT_DONE, self->vm->run->io.port);
	ASSERT_OUT(self->vm, PORT_DONE);
}

struct spinner {
	struct vm *vm;
	int result;
};

static void *spin(void *arg)
{
	struct spinner *spinner = arg;

	spinner->result = vcpu_ioctl(spinner->vm, KVM_RUN, NULL);
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void catch(int sig)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(sig, &action, NULL);
}

/* Starts the guest's endless loop and waits until it goes round. */
static bool start_spinning(struct vm *vm, struct spinner *spinner, pthread_t *thread)
{
	volatile uint32_t *count = (void *)(vm->mem + DATA);
	int i;

	spinner->vm = vm;
	*count = 0;
	if (pthread_create(thread, NULL, spin, spinner))
		return false;
	for (i = 0; i < 5000 && !*count; i++)
		usleep(1000);
	return *count;
}

TEST_F(exits, signal)
{
	struct spinner spinner;
	pthread_t thread;

	catch(SIGUSR1);
	vm_start(self->vm, GA(code_spin), RFLAGS_IF);
	ASSERT_TRUE(start_spinning(self->vm, &spinner, &thread));
	ASSERT_EQ(0, pthread_kill(thread, SIGUSR1));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-EINTR, spinner.result);
	EXPECT_EQ(KVM_EXIT_INTR, self->vm->run->exit_reason);
	self->vm->mem[DATA + 4] = 1;
	ASSERT_SETTLED(self->vm);
}

/* Stopped many times, the loop counts on as if nothing had been. */
TEST_F(exits, many_signals)
{
	struct spinner spinner;
	pthread_t thread;
	unsigned int i;

	catch(SIGUSR1);
	vm_start(self->vm, GA(code_spin), RFLAGS_IF);
	for (i = 0; i < 50; i++) {
		ASSERT_TRUE(start_spinning(self->vm, &spinner, &thread));
		ASSERT_EQ(0, pthread_kill(thread, SIGUSR1));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_EQ(-EINTR, spinner.result);
		ASSERT_LE(GA(code_spin), vm_rip(self->vm));
		ASSERT_GE(GA(code_spin) + 32, vm_rip(self->vm));
	}
	EXPECT_EQ(0U, log_count(self->vm));
	self->vm->mem[DATA + 4] = 1;
	ASSERT_SETTLED(self->vm);
}

/* A signal that is blocked but for KVM_RUN ends that, and stays pending. */
TEST_F(exits, signal_mask)
{
	struct {
		struct kvm_signal_mask head;
		uint64_t mask;
	} __attribute__((packed)) set = { .head.len = 8 };
	sigset_t block, pending;

	catch(SIGUSR1);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &block, NULL));
	ASSERT_EQ(0, raise(SIGUSR1));
	ASSERT_OUT(self->vm, PORT_DONE);
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SIGNAL_MASK, &set));
	ASSERT_EQ(-EINTR, vm_run(self->vm));
	EXPECT_EQ(KVM_EXIT_INTR, self->vm->run->exit_reason);
	ASSERT_EQ(0, sigpending(&pending));
	EXPECT_EQ(1, sigismember(&pending, SIGUSR1));
	ASSERT_EQ(0, vcpu_ioctl(self->vm, KVM_SET_SIGNAL_MASK, NULL));
	ASSERT_OUT(self->vm, PORT_DONE);
}

TEST_F(exits, signal_mask_of_wrong_length)
{
	struct {
		struct kvm_signal_mask head;
		uint64_t mask[2];
	} __attribute__((packed)) set = { .head.len = 4 };

	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_SIGNAL_MASK, &set));
	set.head.len = 16;
	EXPECT_EQ(-EINVAL, vcpu_ioctl(self->vm, KVM_SET_SIGNAL_MASK, &set));
	EXPECT_EQ(-EFAULT, vcpu_ioctl(self->vm, KVM_SET_SIGNAL_MASK, (void *)8));
}

TEST_F(exits, run_takes_no_argument)
{
	EXPECT_EQ(-1, ioctl(self->vm->vcpu, KVM_RUN, 1L));
	EXPECT_EQ(EINVAL, errno);
}

/* A vCPU that was never given state starts at the reset vector. */
TEST_F(exits, reset_state)
{
	struct vm fresh;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	uint8_t *mem = vm_alloc();

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(NULL, (void *)vm_create_on(&fresh, 0, mem));
	ASSERT_EQ(0, vcpu_ioctl(&fresh, KVM_GET_REGS, &regs));
	ASSERT_EQ(0, vcpu_ioctl(&fresh, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(0xfff0ULL, regs.rip);
	EXPECT_EQ(RFLAGS_FIXED, regs.rflags);
	EXPECT_EQ(0xf000, sregs.cs.selector);
	EXPECT_EQ(0xffff0000ULL, sregs.cs.base);
	EXPECT_EQ(0x60000010ULL, sregs.cr0);
	EXPECT_EQ(0ULL, sregs.cr4);
	EXPECT_EQ(0ULL, sregs.efer);
	EXPECT_EQ(0xffffU, sregs.idt.limit);
	EXPECT_EQ(0xffffU, sregs.ds.limit);
	vm_destroy(&fresh);
}

/* Real mode: 16-bit code at 0x1000, with its own segments. */
GUEST(code_real,
	".code16\n"
	"mov $0x1234, %ax\n"
	"mov %ax, %ds\n"
	"mov $0x5a, %al\n"
	"out %al, $" STR(PORT_DATA) "\n"
	"hlt\n");

TEST_F(exits, real_mode)
{
	struct vm real;
	struct kvm_regs regs = { .rip = 0x1000, .rflags = RFLAGS_FIXED, .rsp = 0x8000 };
	struct kvm_sregs sregs;
	uint8_t *mem = vm_alloc();

	ASSERT_NE(NULL, mem);
	memcpy(mem + 0x1000, code_real, 32);
	ASSERT_EQ(NULL, (void *)vm_create_on(&real, 0, mem));
	ASSERT_EQ(0, vcpu_ioctl(&real, KVM_GET_SREGS, &sregs));
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	ASSERT_EQ(0, vcpu_ioctl(&real, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, vcpu_ioctl(&real, KVM_SET_REGS, &regs));
	ASSERT_OUT(&real, PORT_DATA);
	EXPECT_EQ(0x5a, *((uint8_t *)real.run + real.run->io.data_offset));
	ASSERT_EQ(0, vcpu_ioctl(&real, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(0x12340ULL, sregs.ds.base);
	ASSERT_EQ(KVM_EXIT_HLT, vm_run(&real));
	vm_destroy(&real);
}

TEST_HARNESS_MAIN
