// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: what is taken for a letter encodes to the very bytes that it came from, and what is
 * refused has a reason.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/proto.h"

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cs_error error = { "" };
	struct proto_letter letter;
	uint8_t *out;
	size_t len;
	int rc;

	rc = proto_decode(&letter, data, size, &error);
	if (rc) {
		check(rc == -EBADMSG && error.text[0] && !letter.type);
		return 0;
	}
	check(!error.text[0]);
	check(!proto_encode(&letter, &out, &len));
	check(len == size + 4 && !memcmp(out + 4, data, size));
	free(out);
	proto_free(&letter);
	return 0;
}
