// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tables of capabilities and ioctls in Documentation/virt/kvm/api.rst, against the module that
 * they are about.  abi_table.h is made of them by ../abi-table.
 */
#include "kvm_test.h"

enum { DEVICE, VM, VCPU, DESCRIPTORS };
enum kind { EXACTLY, HOST };

#define ON_DEVICE	(1 << DEVICE)
#define ON_VM		(1 << VM)
#define ON_VCPU		(1 << VCPU)
#define ON_ALL		(ON_DEVICE | ON_VM | ON_VCPU)

static const char *const descriptor_names[] = { "the device", "a VM", "a vCPU" };

/* What other architectures' ioctls carry.  Their numbers have its size in them: of no matter. */
#define ELSEWHERE(name)	struct name { uint64_t word[4]; }

ELSEWHERE(kvm_allocate_rma);
ELSEWHERE(kvm_arm_copy_mte_tags);
ELSEWHERE(kvm_create_spapr_tce);
ELSEWHERE(kvm_create_spapr_tce_64);
ELSEWHERE(kvm_get_htab_fd);
ELSEWHERE(kvm_ppc_cpu_char);
ELSEWHERE(kvm_ppc_mmuv3_cfg);
ELSEWHERE(kvm_ppc_rmmu_info);
ELSEWHERE(kvm_rtas_token_args);
ELSEWHERE(kvm_vcpu_init);

#define CAP(name, kind, value)		{ #name, name, kind, value },
#define CALL(name, where, error)
#define UNLISTED(name)
#define STALE(name)
static const struct {
	const char *name;
	int number;
	enum kind kind;
	int value;
} caps[] = {
#include "abi_table.h"
};

#undef CAP
#undef CALL
#define CAP(name, kind, value)
#define CALL(name, where, error)	{ #name, name, where, error },
static const struct call {
	const char *name;
	unsigned long request;
	unsigned int where;
	int error;			/* 0: it is there */
} calls[] = {
#include "abi_table.h"
};

#undef CALL
#undef UNLISTED
#undef STALE
#define CALL(name, where, error)
#define UNLISTED(name)			name " is in no table",
#define STALE(name)			name " is in no header",
static const char *const wrong[] = {
#include "abi_table.h"
	""
};

FIXTURE(abi_table) {
	struct vm vm[1];
};

FIXTURE_SETUP(abi_table)
{
	VM_SETUP(self->vm, 0);
	if (kvm_check(self->vm->fd, KVM_CAP_X86_EXACT_STATE) <= 0)
		SKIP(_exit(255), "not the KVM that the tables are about");
}

FIXTURE_TEARDOWN(abi_table)
{
	vm_destroy(self->vm);
}

TEST_F(abi_table, complete)
{
	const char *const *text;

	for (text = wrong; **text; text++)
		EXPECT_STREQ("", *text);
	EXPECT_LT(200U, ARRAY_SIZE(caps));
	EXPECT_LT(140U, ARRAY_SIZE(calls));
}

TEST_F(abi_table, capabilities)
{
	unsigned int i;
	int value;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		value = kvm_check(self->vm->fd, caps[i].number);
		EXPECT_TRUE(caps[i].kind == HOST ? value >= 0 : value == caps[i].value) {
			TH_LOG("%s is %d", caps[i].name, value);
		}
		EXPECT_EQ(value, kvm_check(self->vm->kvm, caps[i].number)) {
			TH_LOG("%s, on the device", caps[i].name);
		}
	}
}

/* A number that has no name is nobody's. */
TEST_F(abi_table, no_other_capability)
{
	unsigned int i;
	int number;

	for (number = 0; number < 0x400; number++) {
		for (i = 0; i < ARRAY_SIZE(caps); i++)
			if (caps[i].number == number)
				break;
		if (i == ARRAY_SIZE(caps))
			EXPECT_EQ(0, kvm_check(self->vm->fd, number)) {
				TH_LOG("number %d", number);
			}
	}
}

/* What the table says of this call on this descriptor: an errno, or 0. */
static int said_of(unsigned long request, unsigned int on)
{
	int said = ENOTTY;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].request == request && calls[i].where & on)
			said = calls[i].error;
	return said;
}

/* What is there gets a bad pointer, or a small number; what is not, memory that it may have. */
static int answer(int fd, unsigned long request, int said)
{
	static uint64_t room[8192];

	memset(room, 0, sizeof(room));
	return ioctl(fd, request, said ? room : (void *)8) < 0 ? errno : 0;
}

TEST_F(abi_table, ioctls)
{
	const int fds[DESCRIPTORS] = { self->vm->kvm, self->vm->fd, self->vm->vcpu };
	int said, got, on;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		for (on = 0; on < DESCRIPTORS; on++) {
			said = said_of(calls[i].request, 1 << on);
			got = answer(fds[on], calls[i].request, said);
			EXPECT_TRUE(said ? got == said : got != ENOTTY) {
				TH_LOG("%s, on %s: %s", calls[i].name, descriptor_names[on],
				       strerrorname_np(got));
			}
		}
	}
}

TEST_HARNESS_MAIN
