/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the test tools give up: one line on standard error, exit status 2, so that a test never
 * takes a tool that could not do its work for a promise that was broken (1) or held (0).
 */
#ifndef DIE_H
#define DIE_H

#include <stdio.h>
#include <stdlib.h>

extern const char *program;

#define die(...) do {						\
	fprintf(stderr, "%s: ", program);			\
	fprintf(stderr, __VA_ARGS__);				\
	fputc('\n', stderr);					\
	exit(2);						\
} while (0)

#endif /* DIE_H */
