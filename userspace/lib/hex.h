/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bytes as hexadecimal digits.
 */
#ifndef CS_LIB_HEX_H
#define CS_LIB_HEX_H

#include <stddef.h>
#include <stdint.h>

void cs_hex(char *text, const uint8_t *bytes, size_t len);
int cs_unhex(const char *text, uint8_t *bytes, size_t size);

#endif /* CS_LIB_HEX_H */
