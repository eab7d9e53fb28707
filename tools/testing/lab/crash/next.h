/* SPDX-License-Identifier: GPL-2.0-only */
/* next.h - the kernel that comes after a panic; see next.c. */
#ifndef NEXT_H
#define NEXT_H

void next_load(const char *kernel, const char *initrd, const char *command_line);

#endif
