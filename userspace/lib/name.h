/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names that others chose, made harmless. See name.c.
 */
#ifndef CS_LIB_NAME_H
#define CS_LIB_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CS_FILE_NAME_MAX	255	/* bytes of a name in a file system */

size_t cs_utf8(const uint8_t *text, size_t len, uint32_t *character);
void cs_name_clean(char clean[CS_FILE_NAME_MAX + 1], const uint8_t *name, size_t len,
		   bool hidden);
void cs_name_number(char numbered[CS_FILE_NAME_MAX + 1], const char *name, unsigned int number);

#endif /* CS_LIB_NAME_H */
