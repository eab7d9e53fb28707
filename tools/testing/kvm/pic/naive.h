/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * naive.h - two 8259As, restated from the data sheet beside pic.c and sharing nothing with it:
 * a chip is eight inputs in a list, the first of them the most important.
 */
#ifndef TOOLS_TESTING_KVM_PIC_NAIVE_H
#define TOOLS_TESTING_KVM_PIC_NAIVE_H

#include "pure_user.h"

/* One input: what is asked, what is being served. */
struct naive_input {
	bool high, edge_seen, level, masked, serving;
};

/**
 * struct naive_chip - one 8259A
 * @order:	the inputs by falling priority
 * @words:	initialisation words still to come: 2, 3, 4, up to @last; 0 if none
 * @skip3:	the third does not come
 */
struct naive_chip {
	struct naive_input in[8];
	int order[8];
	int base, words, last;
	bool skip3, is_master;
	bool show_service, polling, special_mask, special_nested, automatic, turning;
};

struct naive {
	struct naive_chip chip[2];
	bool ended[16];
};

void naive_init(struct naive *n);
bool naive_line(struct naive *n, int line, bool high);
bool naive_output(const struct naive *n);
int naive_acknowledge(struct naive *n);
void naive_write(struct naive *n, int port, u8 value);
u8 naive_read(struct naive *n, int port);

#endif /* TOOLS_TESTING_KVM_PIC_NAIVE_H */
