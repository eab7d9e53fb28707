// SPDX-License-Identifier: GPL-2.0-only
/*
 * hardware.c - what processors make of EVENTINJ and VM-entry interruption information, and
 * what they write to EXITINTINFO and IDT-vectoring information.
 *
 * APM vol. 2, 15.7.2 and 15.20; SDM vol. 3, 24.8.3, 24.9.3 and 26.2.1.3.
 */
#include "hardware.h"
#include "svm/intinfo.h"
#include "vmx/intinfo.h"

/* Bits of all four words, and what bits 10 to 8 say. */
#define VALID		(1U << 31)
#define RESERVED	0x7ffff000U
#define WITH_ERROR	(1U << 11)
#define TYPE(n)		((n) << 8)
#define TYPE_OF(info)	((info) >> 8 & 7)

/* With the gaps that the table of exceptions has (APM vol. 2, table 8-1). */
static bool svm_knows(u8 vector)
{
	static const u8 exceptions[] = {
		0, 1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 21, 28, 29, 30,
	};

	return memchr(exceptions, vector, sizeof(exceptions));
}

static const char *take_svm(const struct entry *entry, struct taken *taken)
{
	u8 vector = entry->info;

	*taken = (struct taken){ .vector = vector, .error = entry->info & WITH_ERROR };
	if (!(entry->info & VALID))
		return "not valid";
	if (entry->info & RESERVED)
		return "reserved bits";
	switch (TYPE_OF(entry->info)) {
	case 0:
		break;
	case 2:
		taken->vector = 2;
		taken->nmi = true;
		break;
	case 3:
		if (!svm_knows(vector))
			return "no such exception";
		taken->exception = true;
		/* INT3 and INTO are exceptions that follow their instruction */
		taken->behind = vector == 3 || vector == 4;
		break;
	case 4:
		taken->behind = true;
		break;
	default:
		return "reserved type";
	}
	return taken->error && TYPE_OF(entry->info) != 3 ? "an error code without an exception" :
							   NULL;
}

static u32 report_svm(enum origin origin, u8 vector, bool has_error)
{
	u32 type = origin == ORIGIN_INT_N ? TYPE(4) : TYPE(3);

	return VALID | type | vector | (has_error ? WITH_ERROR : 0);
}

/* @any: error codes go with whatever exception */
static const char *check_error_code(const struct entry *entry, bool any)
{
	u8 vector = entry->info;
	bool has = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
	bool error = entry->info & WITH_ERROR;

	if (error && TYPE_OF(entry->info) != 3)
		return "an error code without an exception";
	if (error && entry->real_mode)
		return "an error code in real mode";
	if (any || TYPE_OF(entry->info) != 3)
		return NULL;
	return error == (has && !entry->real_mode) ? NULL : "an error code too many or too few";
}

static const char *take_vmx(const struct entry *entry, struct taken *taken, bool any)
{
	u8 vector = entry->info, type = TYPE_OF(entry->info);

	*taken = (struct taken){
		.vector = vector,
		.error = entry->info & WITH_ERROR,
		.exception = type == 3 || type == 6,
		.behind = type >= 4,
		.nmi = type == 2,
	};
	if (!(entry->info & VALID))
		return "not valid";
	if (entry->info & RESERVED)
		return "reserved bits";
	if (type == 1 || type == 7)
		return "reserved type";
	if (type == 2 && vector != 2)
		return "an NMI of another vector";
	if (type == 3 && vector > 31)
		return "an exception of another vector";
	if (type >= 4 && (entry->insn_len < 1 || entry->insn_len > 15))
		return "no instruction of this length";
	return check_error_code(entry, any);
}

static const char *take_vmx_strict(const struct entry *entry, struct taken *taken)
{
	return take_vmx(entry, taken, false);
}

static const char *take_vmx_any(const struct entry *entry, struct taken *taken)
{
	return take_vmx(entry, taken, true);
}

static bool vmx_knows(u8 vector)
{
	return vector < 32 && vector != 2;
}

static u32 report_vmx(enum origin origin, u8 vector, bool has_error)
{
	static const u32 types[] = {
		[ORIGIN_FAULT] = TYPE(3),
		[ORIGIN_INT_N] = TYPE(4),
		[ORIGIN_INT1] = TYPE(5),
		[ORIGIN_INT3_INTO] = TYPE(6),
	};

	return VALID | types[origin] | vector | (has_error ? WITH_ERROR : 0);
}

/* The backends under test. */

static u32 say_vmx_strict(const struct event *event)
{
	return vmx_intinfo_of(event, false);
}

static u32 say_vmx_any(const struct event *event)
{
	return vmx_intinfo_of(event, true);
}

const struct vendor svm = {
	.name = "SVM",
	.say = svm_intinfo_of,
	.understand = svm_event_of,
	.knows = svm_knows,
	.take = take_svm,
	.report = report_svm,
};

const struct vendor vmx = {
	.name = "VMX",
	.say = say_vmx_strict,
	.understand = vmx_event_of,
	.knows = vmx_knows,
	.take = take_vmx_strict,
	.report = report_vmx,
};

const struct vendor vmx_any_error_code = {
	.name = "VMX, any error code",
	.say = say_vmx_any,
	.understand = vmx_event_of,
	.knows = vmx_knows,
	.take = take_vmx_any,
	.report = report_vmx,
};
