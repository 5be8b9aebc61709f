/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bytes as base64 (RFC 4648, section 4).
 */
#ifndef CS_LIB_BASE64_H
#define CS_LIB_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* digits of so many bytes, without a NUL */
#define CS_BASE64_LEN(bytes)	(((bytes) + 2) / 3 * 4)

void cs_base64(char *text, const uint8_t *bytes, size_t len);
long cs_unbase64(const char *text, size_t len, uint8_t *bytes, size_t size);

#endif /* CS_LIB_BASE64_H */
