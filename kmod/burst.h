/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames that came in one after the other. See burst.c.
 */
#ifndef _CS_BURST_H
#define _CS_BURST_H

#include "ingress.h"

int cs_burst_init(void);
void cs_burst_exit(void);
bool cs_burst_add(const struct cs_frame *frame);
void cs_burst_drain(void);

#endif /* _CS_BURST_H */
