// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: any sequence of inserts, lookups, sweeps and dumps on a small seen-set, against a
 * plain array. The digests differ in few bits, as an adversary's would.
 */
#include "../../kmod/seen.h"

#define DIGESTS	64
#define WALL	1800000000u

int kernel_alloc_budget = -1;

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static const u8 *digest(u8 i)
{
	static u8 d[CS_SEEN_KEY_LEN];

	d[0] = i;
	d[15] = i >> 4;
	return d;
}

static void fuzz_insert(struct cs_seen *seen, u32 *model, u8 i, u8 lifetime, struct cs_now now)
{
	u32 deadline = now.wall + 1 + lifetime;

	switch (cs_seen_insert(seen, digest(i), cs_seen_line(seen, digest(i)), deadline, now)) {
	case CS_SEEN_NEW:
		check(model[i] <= now.wall);
		model[i] = deadline;
		break;
	case CS_SEEN_KNOWN:
		check(model[i]);
		break;
	case CS_SEEN_FULL:
		check(model[i] <= now.wall);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct crowdshare_seen_entry entries[DIGESTS];
	struct cs_now now = { .boot = 10, .wall = WALL };
	u32 model[DIGESTS] = {}, line, n = 0;
	struct cs_seen *seen;
	size_t at;
	u8 i;

	if (size < 1)
		return 0;
	seen = cs_seen_alloc(1 + data[0] % DIGESTS);
	for (at = 1; at + 1 < size; at += 2) {
		i = data[at] % DIGESTS;
		if (data[at] & 0x80) {
			now.wall += data[at + 1] % 16;
			if (data[at] & 0x40)
				cs_seen_sweep(seen, now);
		} else {
			fuzz_insert(seen, model, i, data[at + 1], now);
		}
		line = cs_seen_line(seen, digest(i));
		if (model[i] > now.wall)
			check(cs_seen_lookup(seen, digest(i), line) == model[i]);
	}
	for (line = 0; line < seen->nr_lines;)
		n += cs_seen_dump(seen, &line, entries + n, DIGESTS - n < 3 ? 3 : DIGESTS - n, now);
	for (i = 0, at = 0; i < DIGESTS; i++)
		at += model[i] > now.wall;
	check(n == at);
	cs_seen_free(seen);
	return 0;
}
