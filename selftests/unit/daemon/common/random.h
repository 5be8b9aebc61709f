/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random numbers of tests: the same in each run, splitmix64 (G. Steele, D. Lea, C. Flood, OOPSLA
 * 2014). A test sets random_state first.
 */
#ifndef SELFTESTS_UNIT_DAEMON_RANDOM_H
#define SELFTESTS_UNIT_DAEMON_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static uint64_t random_state;

static inline uint64_t random_word(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline void random_bytes(uint8_t *p, size_t len)
{
	while (len--)
		*p++ = random_word();
}

#endif /* SELFTESTS_UNIT_DAEMON_RANDOM_H */
