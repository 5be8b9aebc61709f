/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recipient on the bench: what the tests of put and get share.
 */
#ifndef CS_TEST_BENCH_H
#define CS_TEST_BENCH_H

#include <crowdshare/get.h>
#include <crowdshare/put.h>

#include "common.h"
#include "fobject/chunker.h"

/**
 * struct bench - a recipient
 * @options: for cs_get_open(); may be changed before bench_open()
 * @get: what is under way, NULL: closed
 * @ready: objects that became whole
 * @delivered: objects that appeared
 * @path: where the last one did
 * @notes: texts, and the last of them
 * @results: of messages, by enum cs_get_result
 * @forwarded: messages that were to be sent on
 * @stuck: none is taken at the moment
 * @unsafe: they are, but not for good
 * @state: directory
 * @out: directory
 */
struct bench {
	struct cs_get_options	options;
	struct cs_get		*get;
	unsigned int		ready;
	unsigned int		delivered;
	char			path[1024];
	unsigned int		notes;
	char			note[512];
	unsigned int		results[CS_GET_FAILED + 1];
	struct bag		forwarded;
	bool			stuck;
	bool			unsafe;
	char			state[512];
	char			out[512];
};

void bench_init(struct bench *bench, const char *key);
void bench_open(struct bench *bench);
void bench_close(struct bench *bench);
void bench_restart(struct bench *bench);
void bench_free(struct bench *bench);
enum cs_get_result bench_take(struct bench *bench, const void *message, size_t len);
void bench_take_all(struct bench *bench, const struct bag *bag);
void bench_sync(struct bench *bench);
unsigned int bench_objects(struct bench *bench);
/* How many files are there, of any kind, but "." and ".."? */
unsigned int count_files(const char *dir);

/* Messages of an object for "recipient", of bytes, or with all that the sender says. */
struct cs_put_options put_options(struct bag *bag);
void put_bytes(struct bag *bag, const char *name, const void *data, size_t len);
struct cs_chunker_options chunker_options(struct bag *bag);

/* Another order: as many swaps as there are messages. */
size_t *shuffled(size_t count);
bool same_chunk(const struct cs_message *a, const struct cs_message *b);
/* A message with another payload or header, but a right digest. */
size_t forge(uint8_t *message, size_t len, void (*change)(struct cs_message *, uint8_t *));

#endif /* CS_TEST_BENCH_H */
