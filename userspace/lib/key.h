/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Key files: the 32 bytes of a port key or a pairwise key.
 */
#ifndef CS_LIB_KEY_H
#define CS_LIB_KEY_H

#include <stddef.h>
#include <stdint.h>

#include <crowdshare/wire.h>

int cs_key_decode(const void *text, size_t len, uint8_t key[CS_KEY_LEN]);
int cs_key_read(const char *path, uint8_t key[CS_KEY_LEN], char *error, size_t size);

#endif /* CS_LIB_KEY_H */
