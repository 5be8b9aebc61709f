/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the benchmarks of the daemon share: the end of one that failed, the clock, raw figures,
 * messages. See bench.c.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

#include <crowdshare/wire.h>

#include "daemon/store.h"
#include "lib/error.h"

/* A frame of 1,400 bytes less its Ethernet and link headers: what the store keeps of a message. */
#define MESSAGE_LEN	(CS_FRAME_DEFAULT - CS_ETH_HLEN - sizeof(struct cs_link_hdr))
#define LIFETIME	43200
#define ROUNDS_MAX	99

extern char bench_dir[];
extern int bench_rounds;

void bench_begin(int argc, char **argv);
const char *bench_path(const char *name);
void __attribute__((noreturn)) bench_die(const char *what, const char *why);
void bench_must(int rc, const char *what, const struct cs_error *error);
void *bench_alloc(size_t size);
double bench_seconds(void);
void __attribute__((format(printf, 3, 4))) bench_note(int round, double value,
						      const char *format, ...);

void bench_message(struct store_item *item, uint8_t message[MESSAGE_LEN], uint64_t number,
		   uint64_t now);

#endif /* BENCH_H */
