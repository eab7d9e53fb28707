/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check.h - the frame of a unit test in one file: CHECK(), and a line of TAP for each test.
 *
 * A test complains as often as it likes; the first of its complaints are printed.
 */
#ifndef TOOLS_TESTING_KVM_CHECK_H
#define TOOLS_TESTING_KVM_CHECK_H

#include <stdio.h>

#define CHECK_PRINTED	20

static unsigned int checks_passed, checks_failed;
static unsigned long complaints;

#define CHECK(condition, ...)							\
	do {									\
		if (!(condition) && complaints++ < CHECK_PRINTED) {		\
			printf("%s:%d: %s: ", __FILE__, __LINE__, #condition);	\
			printf(__VA_ARGS__);					\
			printf("\n");						\
		}								\
	} while (0)

static inline void check_run(const char *name, void (*test)(void))
{
	complaints = 0;
	test();
	if (complaints) {
		checks_failed++;
		printf("not ok %s: %lu complaints\n", name, complaints);
	} else {
		checks_passed++;
		printf("ok %s\n", name);
	}
}

/* What main() returns. */
static inline int check_end(void)
{
	printf("%u passed, %u failed\n", checks_passed, checks_failed);
	return checks_failed != 0;
}

#endif /* TOOLS_TESTING_KVM_CHECK_H */
