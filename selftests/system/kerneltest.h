/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the test of the kernel interface share. See kernel.c.
 */
#ifndef SELFTESTS_KERNELTEST_H
#define SELFTESTS_KERNELTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/kernel.h"
#include "lib/message.h"

/* A line of KTAP; false if it failed. */
__attribute__((format(printf, 2, 3)))
bool check(bool passed, const char *what, ...);
/* Passes if @rc is @expected, and a text with @words in it tells why, if there is to be one. */
void check_rc(int rc, int expected, const struct cs_error *error, const char *words,
	      const char *what);
/* A command of the shell, which has to succeed. */
__attribute__((format(printf, 1, 2)))
void shell(const char *format, ...);

/**
 * struct message - what make_message() makes a frame of
 * @to: destination MAC
 * @from: source MAC
 * @payload: bytes of payload
 * @number: no two messages of the same number are different
 * @contract: of the link header
 */
struct message {
	const uint8_t	*to;
	const uint8_t	*from;
	size_t		payload;
	uint64_t	number;
	uint32_t	contract;
};

#define FRAME_MAX	(CS_FRAME_HLEN + CS_SLICE_MAX)

size_t make_message(uint8_t *frame, const struct message *message);

/* kernelrules.c: what any kernel does; @port may be made a port */
void test_rules(struct kernel *kernel, uint32_t port, const char *directory);

#endif /* SELFTESTS_KERNELTEST_H */
