/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The EtherType of messages.
 */
#ifndef CS_LIB_ETHERTYPE_H
#define CS_LIB_ETHERTYPE_H

#include <stdint.h>

uint16_t cs_ethertype(void);

#endif /* CS_LIB_ETHERTYPE_H */
