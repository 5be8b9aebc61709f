// SPDX-License-Identifier: GPL-2.0
/*
 * What went wrong, in words.
 */
#include <stdarg.h>
#include <stdio.h>

#include "lib/error.h"

int cs_error_set(struct cs_error *error, int rc, const char *format, ...)
{
	va_list args;

	if (!error)
		return rc;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return rc;
}
