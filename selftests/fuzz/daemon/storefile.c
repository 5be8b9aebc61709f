// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer target of the check of the store's file: any file is taken or refused with a reason.
 *
 * The input is pages of 512 bytes. Where LMDB would have its marks, its magic and the numbers of
 * pages, they are put in, so that the check gets to what lies behind them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/storefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGE	512
#define LEAST	4	/* pages */
#define MOST	64
#define HEAD	16
#define TREES	(HEAD + 24)

static void mend(uint8_t *file, size_t pages)
{
	static const uint8_t magic[] = { 0xde, 0xc0, 0xef, 0xbe, 1, 0, 0, 0 };
	static const uint8_t first[] = { 0, 2, 0, 0, 8, 0 };	/* 512 bytes, keys are numbers */
	uint64_t number;

	for (number = 0; number < pages; number++)
		if (!file[number * PAGE + 7])
			memcpy(file + number * PAGE, &number, sizeof(number));
	for (number = 0; number < 2; number++) {
		memcpy(file + number * PAGE, &number, sizeof(number));
		file[number * PAGE + 10] = 8;
		file[number * PAGE + 11] = 0;
		memcpy(file + number * PAGE + HEAD, magic, sizeof(magic));
		memcpy(file + number * PAGE + TREES, first, sizeof(first));
		memset(file + number * PAGE + TREES + 48, 0, 6);
		memset(file + number * PAGE + TREES + 96 + 1, 0, 7);	/* the last page */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[MOST * PAGE];
	struct cs_error error = { "" };
	char path[64];
	int fd, rc;

	if (!size || size > sizeof(file))
		return 0;
	memset(file, 0, sizeof(file));
	memcpy(file, data, size);
	size = size < LEAST * PAGE ? LEAST * PAGE : size;
	if (data[0] & 1)
		mend(file, size / PAGE);
	fd = memfd_create("storefile", MFD_CLOEXEC);
	if (fd < 0 || write(fd, file, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = storefile_check(path, &error);
	close(fd);
	if (!rc != !error.text[0]) {
		fprintf(stderr, "%d without a reason, or with one: %s\n", rc, error.text);
		abort();
	}
	return 0;
}
