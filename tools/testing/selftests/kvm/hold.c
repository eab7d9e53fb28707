// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold - run a command with a VM and a vCPU left open around it.
 *
 * A kernel may rewrite its own code when the first VM comes and when the last
 * one goes.  With hundreds of short tests that would be all the time, and on
 * an emulated host with several processors every time is a risk: QEMU's TCG
 * was seen to go on with the old code for ever.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/kvm.h>

int main(int argc, char **argv)
{
	int kvm = open("/dev/kvm", O_RDWR);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0L);

	if (vm >= 0 && ioctl(vm, KVM_CREATE_VCPU, 0L) < 0)
		perror("hold: KVM_CREATE_VCPU");
	if (argc < 2)
		return 2;
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
