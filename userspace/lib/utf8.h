/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Texts that people, terminals and JSON can take: UTF-8 (RFC 3629) without control characters.
 */
#ifndef CS_LIB_UTF8_H
#define CS_LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool cs_utf8_ok(const void *text, size_t len);
const char *cs_utf8_clean(char *clean, size_t size, const char *text);

#endif /* CS_LIB_UTF8_H */
