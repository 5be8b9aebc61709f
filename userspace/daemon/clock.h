/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What time it is.
 */
#ifndef CSD_CLOCK_H
#define CSD_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t daemon_now(void)
{
	return time(NULL);
}

/* nanoseconds of a clock that no one sets */
static inline uint64_t daemon_ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

#endif /* CSD_CLOCK_H */
