/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Values of settings that are texts: sizes, times, points, addresses. See config_value.c.
 */
#ifndef CSD_CONFIG_VALUE_H
#define CSD_CONFIG_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/config.h"

/* Each returns 0, -EINVAL: not of this form, or -ERANGE: too large for the type. */
int value_size(const char *text, uint64_t *bytes);
int value_time(const char *text, uint64_t *seconds);
int value_decimal(const char *text, unsigned int places, uint64_t *value);
int value_geohash(const char *text, char geohash[CONFIG_GEOHASH_LEN]);
int value_address(const char *text, uint8_t address[16]);
int value_prefix(const char *text, struct config_prefix *prefix);
int value_network(const char *text, struct config_network *network);
int value_listen(const char *text, uint8_t address[16], uint16_t *port);
int value_bucket(const char *text);

size_t value_distance(const char *a, const char *b);

#endif /* CSD_CONFIG_VALUE_H */
