/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Work for other CPUs. See spread.c.
 */
#ifndef _CS_SPREAD_H
#define _CS_SPREAD_H

#include "ingress.h"

int cs_spread_init(void);
void cs_spread_exit(void);
bool cs_spread(const struct cs_frame *frame);
void cs_spread_purge(const struct cs_port *port);

#endif /* _CS_SPREAD_H */
