/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of libcrowdshare share: keys, a directory of their own, messages kept in memory.
 */
#ifndef CS_TEST_COMMON_H
#define CS_TEST_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <crowdshare/card.h>
#include <crowdshare/put.h>

#include "lib/message.h"

#define NOW	1800000000	/* 2027 */

/**
 * struct bag - messages
 * @data: one after the other
 * @len: bytes
 * @room: bytes of @data
 * @at: where each begins, and where the next one would
 * @count: messages
 */
struct bag {
	uint8_t	*data;
	size_t	len;
	size_t	room;
	size_t	*at;
	size_t	count;
};

/* Makes and removes a directory; for group set-up and tear-down. */
int make_dir(void **state);
int remove_dir(void **state);
extern char test_dir[64];
const char *in_dir(const char *format, ...) __attribute__((format(printf, 1, 2)));
void remove_tree(const char *path);

/* A key of selftests/vectors/keys, read once; and a card with it. */
const struct cs_private *test_key(const char *name);
const struct cs_card *test_card(const char *name, enum cs_role role);

void write_file(const char *path, const void *data, size_t len);
uint8_t *read_file(const char *path, size_t *len);
int says(const struct cs_error *error, const char *what);

int bag_add(const void *message, size_t len, void *bag);
const uint8_t *bag_get(const struct bag *bag, size_t i, size_t *len);
size_t bag_copy(const struct bag *bag, size_t i, uint8_t *message);
/* Taken apart; it has to be right. */
struct cs_message bag_message(const struct bag *bag, size_t i);
void bag_free(struct bag *bag);

/* Random, but the same in each run; TEST_SEED in the environment makes others. */
uint32_t dice(uint32_t sides);
void dice_fill(void *data, size_t len);

#endif /* CS_TEST_COMMON_H */
