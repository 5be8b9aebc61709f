/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Replication and delivery. See forward.c.
 */
#ifndef _CS_FORWARD_H
#define _CS_FORWARD_H

#include "ingress.h"

void cs_forward(struct cs_frame *frame);
void cs_forward_unicast(struct cs_frame *frame, bool known);

#endif /* _CS_FORWARD_H */
