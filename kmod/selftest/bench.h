/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _CS_BENCH_H
#define _CS_BENCH_H

#include <linux/types.h>

int csb_seen(unsigned int entries, unsigned int rounds, char *result, size_t size);

#endif /* _CS_BENCH_H */
