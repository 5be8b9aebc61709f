/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What went wrong, in words that a person can act on: as the library tells it.
 */
#ifndef CS_LIB_ERROR_H
#define CS_LIB_ERROR_H

#include <crowdshare/error.h>

#endif /* CS_LIB_ERROR_H */
