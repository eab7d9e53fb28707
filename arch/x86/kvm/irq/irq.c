// SPDX-License-Identifier: GPL-2.0-only
/*
 * irq.c - from a line, a message or an ICR to the vCPUs that it is for.
 *
 * Owns the table of routes and the choice of the receivers.  What a message
 * does to a vCPU it leaves as a note in the inbox, or in "posted" (apic.c).
 * The chips are in chips.c; what a route is, in route.c.
 */
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include "../vcpu.h"
#include "irq.h"

/*
 * To vCPUs
 */

static void leave_note(struct kvm_vcpu *vcpu, u32 note)
{
	atomic_or(note, &vcpu->arch.inbox);
	kvm_vcpu_kick(vcpu);
}

/* One may come while another is taken, and one wait behind it: the inbox has room for two. */
static void send_nmi(struct kvm_vcpu *vcpu)
{
	if (atomic_fetch_or(INBOX_NMI, &vcpu->arch.inbox) & INBOX_NMI)
		atomic_or(INBOX_NMI_TOO, &vcpu->arch.inbox);
	kvm_vcpu_kick(vcpu);
}

/* What came before it is void, so that a SIPI in the inbox is always one behind an INIT there. */
static void send_init(struct kvm_vcpu *vcpu)
{
	int old = atomic_read(&vcpu->arch.inbox);

	while (!atomic_try_cmpxchg(&vcpu->arch.inbox, &old,
				   (old & ~(INBOX_SIPI | INBOX_SIPI_VECTOR)) | INBOX_INIT))
		;
	kvm_vcpu_kick(vcpu);
}

/* The first of several counts: the others find a processor that runs. */
static void send_sipi(struct kvm_vcpu *vcpu, u8 vector)
{
	u32 note = INBOX_SIPI | (u32)vector << INBOX_SIPI_SHIFT;
	int old = atomic_read(&vcpu->arch.inbox);

	do {
		if (old & INBOX_SIPI)
			return;
	} while (!atomic_try_cmpxchg(&vcpu->arch.inbox, &old,
				     (old & ~INBOX_SIPI_VECTOR) | note));
	kvm_vcpu_kick(vcpu);
}

/* Returns 1, or 0 if it waits there already. */
static int deliver(struct kvm_vcpu *vcpu, const struct irq_msg *msg)
{
	switch (msg->mode) {
	case MSG_FIXED:
	case MSG_LOWEST:
		return apic_post(vcpu, msg->vector, msg->level);
	case MSG_NMI:
		send_nmi(vcpu);
		return 1;
	case MSG_SMI:
		leave_note(vcpu, INBOX_SMI);
		return 1;
	case MSG_INIT:
		/* a level de-assert sets arbitration ids, which nobody has any more */
		if (!msg->level || msg->assert)
			send_init(vcpu);
		return 1;
	case MSG_SIPI:
		send_sipi(vcpu, msg->vector);
		return 1;
	default:
		/* ExtINT is the PICs' wire alone */
		return 0;
	}
}

static bool is_for(struct kvm_vcpu *vcpu, struct kvm_vcpu *from, const struct irq_msg *msg,
		   bool narrow)
{
	struct lapic_address address = apic_address(vcpu);
	struct irq_msg all = *msg;

	switch (msg->shorthand) {
	case MSG_TO_SELF:
		return vcpu == from;
	case MSG_TO_OTHERS:
		if (vcpu == from)
			return false;
		fallthrough;
	case MSG_TO_ALL:
		all.logical = false;
		all.dest = address.id;
		return lapic_matches(&address, &all, narrow);
	default:
		return lapic_matches(&address, msg, narrow);
	}
}

static bool is_narrow(struct kvm *kvm, struct kvm_vcpu *from)
{
	if (from)
		return from->arch.irq.lapic.mode != LAPIC_X2APIC;
	return !READ_ONCE(kvm->arch.irqs.wide_broadcast);
}

/* One vCPU by its number, which is its APIC's unless the guest has changed that. */
static struct kvm_vcpu *only_receiver(struct kvm *kvm, struct kvm_vcpu *from,
				      const struct irq_msg *msg, bool narrow)
{
	struct kvm_vcpu *vcpu;

	if (msg->shorthand == MSG_TO_SELF)
		return from;
	/* 0xff is all of the xAPICs */
	if (msg->shorthand || msg->logical || msg->dest == U8_MAX ||
	    msg->dest >= atomic_read_acquire(&kvm->online_vcpus))
		return NULL;
	vcpu = kvm->vcpus[msg->dest];
	if (vcpu->id != msg->dest || apic_address(vcpu).id != msg->dest)
		return NULL;
	return is_for(vcpu, from, msg, narrow) ? vcpu : NULL;
}

static unsigned int count_receivers(struct kvm *kvm, struct kvm_vcpu *from,
				    const struct irq_msg *msg, bool narrow)
{
	struct kvm_vcpu *vcpu;
	unsigned int count = 0;
	int i;

	kvm_for_each_vcpu(i, vcpu, kvm)
		count += is_for(vcpu, from, msg, narrow);
	return count;
}

/* Those with the least to do take turns; what each of them has to do is not compared. */
static struct kvm_vcpu *lowest_receiver(struct kvm *kvm, struct kvm_vcpu *from,
					const struct irq_msg *msg, bool narrow)
{
	unsigned int count = count_receivers(kvm, from, msg, narrow), turn;
	struct kvm_vcpu *vcpu, *last = NULL;
	int i;

	if (!count)
		return NULL;
	turn = (unsigned int)atomic_inc_return(&kvm->arch.irqs.turn) % count;
	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (!is_for(vcpu, from, msg, narrow))
			continue;
		last = vcpu;
		if (!turn--)
			break;
	}
	/* fewer than were counted, if APICs change meanwhile: if there is one, it takes it */
	return last;
}

int irq_send(struct kvm *kvm, struct kvm_vcpu *from, const struct irq_msg *msg)
{
	bool narrow = is_narrow(kvm, from);
	struct kvm_vcpu *vcpu;
	int i, r = -1;

	vcpu = only_receiver(kvm, from, msg, narrow);
	if (vcpu)
		return deliver(vcpu, msg);
	if (msg->mode == MSG_LOWEST) {
		vcpu = lowest_receiver(kvm, from, msg, narrow);
		return vcpu ? deliver(vcpu, msg) : -1;
	}
	kvm_for_each_vcpu(i, vcpu, kvm)
		if (is_for(vcpu, from, msg, narrow))
			r = max(r, 0) + deliver(vcpu, msg);
	return r;
}

/*
 * Along routes
 */

static int send_msi(struct kvm *kvm, u64 address, u32 data)
{
	struct irq_msg msg;

	if (!route_msi(address, data, READ_ONCE(kvm->arch.irqs.wide_ids), &msg))
		return -1;
	return irq_send(kvm, NULL, &msg);
}

static int follow(struct kvm *kvm, const struct route *route, enum irq_source source, bool high)
{
	switch (route->kind) {
	case ROUTE_PIC:
		return chips_set_pic(kvm, route->pin, source, high);
	case ROUTE_IOAPIC:
		return chips_set_ioapic(kvm, route->pin, source, high);
	case ROUTE_MSI:
		return high ? send_msi(kvm, route->address, route->data) : -1;
	default:
		return -1;
	}
}

/* As KVM_IRQ_LINE_STATUS says it: vCPUs reached; 0: coalesced; -1: masked, or nobody there. */
static int set_gsi(struct kvm *kvm, u32 gsi, enum irq_source source, bool high)
{
	struct irq_routes *routes;
	unsigned int i;
	int idx, r = -1, one;

	idx = srcu_read_lock(&kvm->arch.irqs.srcu);
	routes = srcu_dereference(kvm->arch.irqs.routes, &kvm->arch.irqs.srcu);
	for (i = 0; routes && gsi < routes->gsis &&
	     i < routes->first[gsi + 1] - routes->first[gsi]; i++) {
		one = follow(kvm, &routes->route[routes->first[gsi] + i], source, high);
		if (one >= 0)
			r = max(r, 0) + one;
	}
	srcu_read_unlock(&kvm->arch.irqs.srcu, idx);
	return r;
}

int kvm_arch_set_irq(struct kvm *kvm, int source, u32 gsi, int level, bool line_status)
{
	return set_gsi(kvm, gsi, source, level);
}

u8 irq_where(struct kvm *kvm)
{
	/* pairs with create() of chips.c, and enable_split() */
	return smp_load_acquire(&kvm->arch.irqs.where);
}

static bool in_kernel(struct kvm *kvm)
{
	return irq_where(kvm) != IRQ_USERSPACE;
}

bool kvm_arch_irqfd_ok(struct kvm *kvm, bool resample)
{
	return resample ? irq_where(kvm) == IRQ_KERNEL : in_kernel(kvm);
}

void irq_acked(struct kvm *kvm, unsigned int chip, unsigned int pin)
{
	struct irq_routes *routes;
	int idx, gsi;

	idx = srcu_read_lock(&kvm->arch.irqs.srcu);
	routes = srcu_dereference(kvm->arch.irqs.routes, &kvm->arch.irqs.srcu);
	gsi = routes ? routes->gsi_of[chip][pin] : -1;
	if (gsi >= 0) {
		pit_acked(kvm, gsi);
		kvm_notify_acked_gsi(kvm, gsi);
	}
	srcu_read_unlock(&kvm->arch.irqs.srcu, idx);
}

/*
 * Tables of routes
 */

static int compare_routes(const void *a, const void *b)
{
	const struct route *first = a, *second = b;

	return (first->gsi > second->gsi) - (first->gsi < second->gsi);
}

/* An MSI of a split controller stands for a pin of userspace's IOAPIC, which wants its EOIs. */
static void note_level(struct irq_routes *routes, const struct route *route, u16 pins)
{
	struct irq_msg msg;

	if (route->kind == ROUTE_MSI && route->gsi < pins &&
	    route_msi(route->address, route->data, true, &msg) && msg.level)
		__set_bit(msg.vector, routes->level_vectors);
}

static void note_pin(struct irq_routes *routes, const struct route *route)
{
	if (route->kind == ROUTE_PIC)
		routes->gsi_of[route->pin / 8][route->pin % 8] = route->gsi;
	else if (route->kind == ROUTE_IOAPIC)
		routes->gsi_of[KVM_IRQCHIP_IOAPIC][route->pin] = route->gsi;
}

static void index_routes(struct irq_routes *routes, unsigned int count, u16 pins)
{
	unsigned int i, gsi = 0;

	sort(routes->route, count, sizeof(*routes->route), compare_routes, NULL);
	memset(routes->gsi_of, 0xff, sizeof(routes->gsi_of));
	for (i = 0; i < count; i++) {
		while (gsi <= routes->route[i].gsi)
			routes->first[gsi++] = i;
		note_pin(routes, &routes->route[i]);
		note_level(routes, &routes->route[i], pins);
	}
	while (gsi <= routes->gsis)
		routes->first[gsi++] = count;
}

static void free_routes(struct irq_routes *routes)
{
	if (!routes)
		return;
	kvfree(routes->first);
	kvfree(routes);
}

static struct irq_routes *alloc_routes(unsigned int count)
{
	struct irq_routes *routes;

	routes = kvzalloc(struct_size(routes, route, count), GFP_KERNEL_ACCOUNT);
	if (!routes)
		return NULL;
	routes->gsis = ROUTE_MAX_GSIS;
	routes->first = kvmalloc_array(ROUTE_MAX_GSIS + 1, sizeof(*routes->first),
				       GFP_KERNEL_ACCOUNT);
	if (routes->first)
		return routes;
	kvfree(routes);
	return NULL;
}

/* kvm->lock held. */
static void publish_routes(struct kvm *kvm, struct irq_routes *routes)
{
	struct irq_routes *old = rcu_dereference_protected(kvm->arch.irqs.routes,
							   lockdep_is_held(&kvm->lock));

	rcu_assign_pointer(kvm->arch.irqs.routes, routes);
	if (!old)
		return;
	synchronize_srcu_expedited(&kvm->arch.irqs.srcu);
	free_routes(old);
}

/* kvm->lock held. */
static void use_routes(struct kvm *kvm, struct irq_routes *routes, unsigned int count)
{
	index_routes(routes, count, kvm->arch.irqs.pins);
	publish_routes(kvm, routes);
}

static int set_routes(struct kvm *kvm, const struct route *route, unsigned int count)
{
	struct irq_routes *routes = alloc_routes(count);

	if (!routes)
		return -ENOMEM;
	memcpy(routes->route, route, count * sizeof(*route));
	use_routes(kvm, routes, count);
	return 0;
}

int irq_routes_default(struct kvm *kvm)
{
	return set_routes(kvm, route_defaults, ROUTE_DEFAULTS);
}

int irq_routes_empty(struct kvm *kvm)
{
	return set_routes(kvm, NULL, 0);
}

int irq_vm_create(struct kvm *kvm)
{
	return init_srcu_struct(&kvm->arch.irqs.srcu);
}

void irq_vm_destroy(struct kvm *kvm)
{
	free_routes(rcu_dereference_protected(kvm->arch.irqs.routes, true));
	cleanup_srcu_struct(&kvm->arch.irqs.srcu);
}

/* Of one GSI's routes, each may stand beside each.  Few of the GSIs have more than one. */
static bool fits(const struct irq_routes *routes, unsigned int count, const struct route *route)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (routes->route[i].gsi == route->gsi && !route_together(&routes->route[i], route))
			return false;
	return true;
}

static int parse_routes(struct irq_routes *routes, const struct kvm_irq_routing_entry *entries,
			unsigned int count, const struct route_rules *rules)
{
	unsigned int i;
	int r;

	for (i = 0; i < count; i++) {
		r = route_parse(&entries[i], rules, &routes->route[i]);
		if (r)
			return r;
		if (!fits(routes, i, &routes->route[i]))
			return -EINVAL;
	}
	return 0;
}

static long replace_routes(struct kvm *kvm, const struct kvm_irq_routing_entry *entries,
			   unsigned int count)
{
	const struct route_rules rules = {
		.pins = kvm->arch.irqs.where == IRQ_KERNEL,
		.wide_ids = kvm->arch.irqs.wide_ids,
	};
	struct irq_routes *routes = alloc_routes(count);
	int r;

	if (!routes)
		return -ENOMEM;
	r = parse_routes(routes, entries, count, &rules);
	if (r) {
		free_routes(routes);
		return r;
	}
	use_routes(kvm, routes, count);
	return 0;
}

long irq_set_routing(struct kvm *kvm, void __user *argp)
{
	struct kvm_irq_routing __user *user = argp;
	struct kvm_irq_routing_entry *entries;
	struct kvm_irq_routing head;
	long r = -EINVAL;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;
	if (head.nr > ROUTE_MAX_GSIS || head.flags || !in_kernel(kvm))
		return -EINVAL;
	entries = vmemdup_user(user->entries, array_size(sizeof(*entries), head.nr));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	mutex_lock(&kvm->lock);
	r = replace_routes(kvm, entries, head.nr);
	mutex_unlock(&kvm->lock);
	kvfree(entries);
	return r;
}

/*
 * Calls
 */

long irq_signal_msi(struct kvm *kvm, void __user *argp)
{
	struct route_rules rules = { .wide_ids = READ_ONCE(kvm->arch.irqs.wide_ids) };
	struct kvm_msi msi;
	struct route route;
	int r;

	if (copy_from_user(&msi, argp, sizeof(msi)))
		return -EFAULT;
	if (!in_kernel(kvm))
		return -EINVAL;
	r = route_parse_msi(&msi, &rules, &route);
	/* that nobody takes it is the guest's doing, and no error of the VMM's */
	return r ?: max(send_msi(kvm, route.address, route.data), 0);
}

long irq_line(struct kvm *kvm, void __user *argp, bool status)
{
	struct kvm_irq_level level;

	if (copy_from_user(&level, argp, sizeof(level)))
		return -EFAULT;
	if (!in_kernel(kvm))
		return -ENXIO;
	level.status = set_gsi(kvm, level.irq, IRQ_SOURCE_USERSPACE, level.level);
	if (!status)
		return 0;
	return copy_to_user(argp, &level, sizeof(level)) ? -EFAULT : 0;
}

bool irq_is_boot(const struct kvm_vcpu *vcpu)
{
	return vcpu->id == vcpu->kvm->arch.irqs.boot_id;
}

long irq_set_boot_id(struct kvm *kvm, unsigned long id)
{
	long r = 0;

	mutex_lock(&kvm->lock);
	if (atomic_read(&kvm->online_vcpus))
		r = -EBUSY;
	else if (id >= KVM_MAX_VCPU_ID)
		r = -EINVAL;
	else
		WRITE_ONCE(kvm->arch.irqs.boot_id, id);
	mutex_unlock(&kvm->lock);
	return r;
}

static long enable_split(struct kvm *kvm, u64 pins)
{
	int r;

	if (pins > ROUTE_MAX_GSIS)
		return -EINVAL;
	/* not -EINVAL for the latter, as of KVM_CREATE_IRQCHIP: Linux has it so */
	if (kvm->arch.irqs.where != IRQ_USERSPACE || atomic_read(&kvm->online_vcpus))
		return -EEXIST;
	r = irq_routes_empty(kvm);
	if (r)
		return r;
	kvm->arch.irqs.pins = pins;
	/* whoever sees it sees the routes */
	smp_store_release(&kvm->arch.irqs.where, IRQ_SPLIT);
	return 0;
}

long irq_enable_split(struct kvm *kvm, u64 pins)
{
	long r;

	mutex_lock(&kvm->lock);
	r = enable_split(kvm, pins);
	mutex_unlock(&kvm->lock);
	return r;
}

#define X2APIC_API	(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

long irq_enable_x2apic_api(struct kvm *kvm, u64 flags)
{
	if (flags & ~(u64)X2APIC_API)
		return -EINVAL;
	if (flags & KVM_X2APIC_API_USE_32BIT_IDS)
		WRITE_ONCE(kvm->arch.irqs.wide_ids, true);
	if (flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		WRITE_ONCE(kvm->arch.irqs.wide_broadcast, true);
	return 0;
}
