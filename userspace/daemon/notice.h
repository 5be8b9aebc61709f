/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Notices of delivery, PROTO_CANCEL: what is signed. See notice.c; what they do is in cancel.c.
 */
#ifndef CSD_NOTICE_H
#define CSD_NOTICE_H

#include <stdbool.h>

#include "daemon/identity.h"
#include "daemon/proto.h"

int notice_sign(struct proto_cancel *cancel, const struct identity *identity);
bool notice_verify(const struct proto_cancel *cancel);

#endif /* CSD_NOTICE_H */
