// SPDX-License-Identifier: GPL-2.0
/*
 * What the benchmarks of the daemon share.
 *
 * Each is started as PROGRAM DIR ROUNDS, with a directory that it may fill, and prints raw figures,
 * lines of "ROUND NAME VALUE", for scripts/bench/report. Round 0 warms up. What fails ends the
 * program: a figure of something else would be no figure.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "lib/message.h"

char bench_dir[PATH_MAX - 128];
int bench_rounds;

/**
 * bench_begin() - take the arguments
 * @argc: of main()
 * @argv: of main()
 */
void bench_begin(int argc, char **argv)
{
	bench_rounds = argc == 3 ? atoi(argv[2]) : 0;
	if (bench_rounds < 1 || bench_rounds > ROUNDS_MAX || strlen(argv[1]) >= sizeof(bench_dir)) {
		fprintf(stderr, "usage: %s DIR ROUNDS\n", argv[0]);
		exit(2);
	}
	strcpy(bench_dir, argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

/**
 * bench_path() - the path of a file
 * @name: of the file, in the directory of this run
 *
 * Return: the path, until the next call.
 */
const char *bench_path(const char *name)
{
	static char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", bench_dir, name) >= (int)sizeof(path))
		bench_die(name, "the path is too long");
	return path;
}

/**
 * bench_die() - nothing more is worth measuring
 * @what: failed
 * @why: it did
 */
void bench_die(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(1);
}

/**
 * bench_must() - it works, or nothing is worth measuring
 * @rc: what it returned
 * @what: it is
 * @error: reason that it gave, or NULL
 */
void bench_must(int rc, const char *what, const struct cs_error *error)
{
	if (rc)
		bench_die(what, error && error->text[0] ? error->text : strerror(abs(rc)));
}

/**
 * bench_alloc() - memory
 * @size: bytes
 *
 * Return: that many, all zero.
 */
void *bench_alloc(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		bench_die("memory", "there is none");
	return memory;
}

/**
 * bench_seconds() - the clock
 *
 * Return: seconds since whenever.
 */
double bench_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

/**
 * bench_note() - a raw figure
 * @round: 0: not counted
 * @value: the figure
 * @format: name of the figure
 */
void bench_note(int round, double value, const char *format, ...)
{
	va_list args;

	printf("%d ", round);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" %.9g\n", value);
}

/**
 * bench_message() - a message as it arrives at a node, digest and all
 * @item: gets it; peer and flags are none
 * @message: its bytes
 * @number: another number is another message
 * @now: when it arrives, Unix seconds; it was sent up to a minute before
 */
void bench_message(struct store_item *item, uint8_t message[MESSAGE_LEN], uint64_t number,
		   uint64_t now)
{
	static uint8_t payload[MESSAGE_LEN - sizeof(struct cs_msg_hdr)];
	struct cs_message parts = {
		.destination = { 0xfd },
		.expiry = now - number * 2654435761u % 60 + LIFETIME,
		.length = sizeof(payload),
		.chunk_length = 24 * sizeof(payload),
		.index = number % 32,
		.k = 24,
		.n = 32,
		.payload = payload,
	};

	memcpy(payload, &number, sizeof(number));
	number /= parts.n;
	memcpy(parts.chunk_id, &number, sizeof(number));
	if (cs_message_build(message, MESSAGE_LEN, &parts) != MESSAGE_LEN)
		bench_die("message", "can't be built");
	*item = (struct store_item) {
		.expiry = parts.expiry,
		.arrived = now,
		.hops = CS_HOPS_UNLIMITED,
		.size = MESSAGE_LEN,
		.message = message,
	};
	memcpy(item->digest, parts.digest, CS_DIGEST_LEN);
	memcpy(item->destination, parts.destination, CS_ADDR_LEN);
}
