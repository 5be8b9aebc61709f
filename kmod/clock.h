/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What time it is, and until when a message must be remembered.
 *
 * A router without a real-time clock starts in 1970 or at the date of its firmware, until somebody
 * tells it the time. A wall clock before 2026, when this was written, is taken as not set. Then the
 * expiry of a message says nothing, so each is accepted, and remembered on the boot clock for the
 * longest lifetime that a message can have: longer than any that reaches us in its lifetime lives.
 * When the clock is set, entries keep the deadline they have. What is loaded from a file is on the
 * boot clock too.
 *
 * A clock that is set may still step. Forward: messages and their entries expire early, both, and
 * what was forgotten is not taken again, as cs_seen.forgotten says up to which deadline entries
 * were forgotten. Backward: entries stay longer.
 */
#ifndef _CS_CLOCK_H
#define _CS_CLOCK_H

#include <linux/timekeeping.h>

#include "seen.h"

#define CS_CLOCK_FLOOR	1767225600	/* 2026-01-01 00:00:00 UTC */

extern unsigned int cs_clock_allowance;

static inline struct cs_now cs_clock_now(void)
{
	time64_t wall = ktime_get_real_seconds();

	return (struct cs_now) {
		.boot = (u32)ktime_get_boottime_seconds(),
		.wall = wall < CS_CLOCK_FLOOR || wall > U32_MAX ? 0 : (u32)wall,
	};
}

/**
 * cs_clock_deadline() - when a message may be forgotten
 * @expiry: of the message, Unix seconds, checked by cs_clock_check() before
 * @lifetime_max: of the device, seconds
 * @now: the time
 *
 * Return: a deadline for the seen-set.
 */
static inline u32 cs_clock_deadline(u64 expiry, u32 lifetime_max, struct cs_now now)
{
	if (!now.wall)
		return now.boot + lifetime_max + cs_clock_allowance;
	return (u32)min_t(u64, expiry + cs_clock_allowance, U32_MAX);
}

/**
 * cs_clock_check() - may a message still, and already, live
 * @expiry: of the message, Unix seconds
 * @lifetime_max: of the device, seconds
 * @forgotten: of the seen-set
 * @now: the time
 *
 * Return: CROWDSHARE_DROP_NONE, CROWDSHARE_DROP_EXPIRED or CROWDSHARE_DROP_LIFETIME.
 */
static inline enum crowdshare_drop cs_clock_check(u64 expiry, u32 lifetime_max, u32 forgotten,
						  struct cs_now now)
{
	if (expiry <= forgotten && expiry + cs_clock_allowance <= forgotten)
		return CROWDSHARE_DROP_EXPIRED;
	if (!now.wall)
		return CROWDSHARE_DROP_NONE;
	if (expiry < now.wall)
		return CROWDSHARE_DROP_EXPIRED;
	if (expiry > (u64)now.wall + lifetime_max + cs_clock_allowance)
		return CROWDSHARE_DROP_LIFETIME;
	return CROWDSHARE_DROP_NONE;
}

#endif /* _CS_CLOCK_H */
