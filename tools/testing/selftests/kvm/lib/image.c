// SPDX-License-Identifier: GPL-2.0-only
/*
 * image.c - all of a vCPU's state out, and in again: into the same vCPU, or
 * into that of a new VM around the same memory.
 *
 * The order is the one that loses least on Linux: events last, both ways,
 * and general registers before debug registers.
 */
#include <stdio.h>
#include <stdlib.h>
#include "kvm_lib.h"

/* Read and written one by one: a kernel may lack any of them. */
static const uint32_t image_msrs[] = {
	0x10,		/* TSC */
	0x34,		/* how many SMIs */
	0x9e,		/* SMBASE */
	0x174,		/* SYSENTER_CS, _ESP, _EIP */
	0x175,
	0x176,
	0x1a0,		/* MISC_ENABLE */
	0x277,		/* PAT */
	0x2ff,		/* MTRR default type */
	0xc0000081,	/* STAR, LSTAR, CSTAR, SFMASK */
	0xc0000082,
	0xc0000083,
	0xc0000084,
	0xc0000102,	/* KERNEL_GS_BASE */
	0xc0000103,	/* TSC_AUX */
};

static void get_msrs(struct vm *vm, struct image *image)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one;
	size_t i;

	image->nmsrs = 0;
	for (i = 0; i < sizeof(image_msrs) / sizeof(image_msrs[0]); i++) {
		memset(&one, 0, sizeof(one));
		one.head.nmsrs = 1;
		one.entry.index = image_msrs[i];
		if (vcpu_ioctl(vm, KVM_GET_MSRS, &one) == 1)
			image->msrs.entry[image->nmsrs++] = one.entry;
	}
}

static int set_msrs(struct vm *vm, struct image *image)
{
	int done;

	image->msrs.head.nmsrs = image->nmsrs;
	done = vcpu_ioctl(vm, KVM_SET_MSRS, &image->msrs);
	if (done < 0)
		return done;
	return done == (int)image->nmsrs ? 0 : -ENOMSG;
}

static int get_fpu(struct vm *vm, struct image *image)
{
	int size = kvm_check(vm->fd, KVM_CAP_XSAVE2);

	image->has_xsave = kvm_check(vm->fd, KVM_CAP_XSAVE) && kvm_check(vm->fd, KVM_CAP_XCRS);
	if (!image->has_xsave)
		return vcpu_ioctl(vm, KVM_GET_FPU, &image->fpu);
	if (size > (int)sizeof(image->room))
		return -E2BIG;
	return vcpu_ioctl(vm, size > (int)sizeof(image->xsave) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE,
			  &image->xsave) ?: vcpu_ioctl(vm, KVM_GET_XCRS, &image->xcrs);
}

static int set_fpu(struct vm *vm, struct image *image)
{
	if (!image->has_xsave)
		return vcpu_ioctl(vm, KVM_SET_FPU, &image->fpu);
	return vcpu_ioctl(vm, KVM_SET_XCRS, &image->xcrs) ?:
	       vcpu_ioctl(vm, KVM_SET_XSAVE, &image->xsave);
}

static int exact_attr(struct vm *vm, unsigned long request, const void *state)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_EXACT_CTRL,
		.attr = KVM_VCPU_EXACT_STATE,
		.addr = (uintptr_t)state,
	};

	return vcpu_ioctl(vm, request, &attr);
}

int exact_get(struct vm *vm, struct kvm_exact_state *exact)
{
	return exact_attr(vm, KVM_GET_DEVICE_ATTR, exact);
}

int exact_set(struct vm *vm, const struct kvm_exact_state *exact)
{
	return exact_attr(vm, KVM_SET_DEVICE_ATTR, exact);
}

/**
 * image_get() - read the whole state of a vCPU
 * @vm: the VM; the last exit's instruction is finished, see vm_complete()
 * @image: filled in
 *
 * Return: 0, or the first negative errno.
 */
int image_get(struct vm *vm, struct image *image)
{
	int err;

	memset(image, 0, sizeof(*image));
	err = vcpu_ioctl(vm, KVM_GET_MP_STATE, &image->mp_state);
	if (!err)
		err = vcpu_ioctl(vm, KVM_GET_REGS, &image->regs);
	if (!err)
		err = vcpu_ioctl(vm, KVM_GET_SREGS, &image->sregs);
	if (!err)
		err = get_fpu(vm, image);
	if (err)
		return err;
	image->has_lapic = vm->caps & (VM_IRQCHIP | VM_SPLIT);
	if (image->has_lapic && vcpu_ioctl(vm, KVM_GET_LAPIC, &image->lapic))
		return -errno;
	get_msrs(vm, image);
	err = vcpu_ioctl(vm, KVM_GET_DEBUGREGS, &image->debugregs);
	if (!err)
		err = vcpu_ioctl(vm, KVM_GET_VCPU_EVENTS, &image->events);
	image->has_exact = vm->caps & VM_EXACT && kvm_check(vm->fd, KVM_CAP_X86_EXACT_STATE);
	if (!err && image->has_exact)
		err = exact_get(vm, &image->exact);
	return err;
}

/**
 * image_set() - write the whole state of a vCPU
 * @vm: the VM
 * @image: as image_get() left it
 *
 * Return: 0, or the first negative errno.
 */
int image_set(struct vm *vm, struct image *image)
{
	int err = vcpu_ioctl(vm, KVM_SET_SREGS, &image->sregs);

	if (!err)
		err = set_fpu(vm, image);
	if (!err && image->has_lapic)
		err = vcpu_ioctl(vm, KVM_SET_LAPIC, &image->lapic);
	if (!err)
		err = set_msrs(vm, image);
	if (!err)
		err = vcpu_ioctl(vm, KVM_SET_REGS, &image->regs);
	if (!err)
		err = vcpu_ioctl(vm, KVM_SET_DEBUGREGS, &image->debugregs);
	if (!err)
		err = vcpu_ioctl(vm, KVM_SET_MP_STATE, &image->mp_state);
	if (err)
		return err;
	/* INIT, SIPI and SMM are said there alone */
	err = vcpu_ioctl(vm, KVM_SET_VCPU_EVENTS, &image->events);
	if (!err && image->has_exact)
		err = exact_set(vm, &image->exact);
	return err;
}

/**
 * vm_move() - the round trip: everything into a new VM, the old one ends
 * @vm: the VM, afterwards the new one
 *
 * The second-level page tables of the new VM are empty.
 *
 * Return: 0 or a negative errno.
 */
int vm_move(struct vm *vm)
{
	static struct image image;
	struct vm next;
	int err = image_get(vm, &image);

	if (err)
		return err;
	if (vm_create_on(&next, vm->caps, vm->mem))
		return -errno;
	vm->mem = NULL;
	vm_destroy(vm);
	*vm = next;
	return image_set(vm, &image);
}

/* The same without a new VM: everything is read and written back. */
int vm_in_place(struct vm *vm)
{
	static struct image image;

	return image_get(vm, &image) ?: image_set(vm, &image);
}
