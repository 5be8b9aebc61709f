/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seen-set of a device, out of the kernel and into it.
 */
#ifndef CS_LIB_SEENSET_H
#define CS_LIB_SEENSET_H

#include <stddef.h>
#include <stdint.h>

#include "lib/netlink.h"
#include "lib/seenfile.h"

int cs_seenset_dump(struct cs_nl *nl, uint32_t ifindex, struct seenfile *file);
int cs_seenset_load(struct cs_nl *nl, uint32_t ifindex, const struct crowdshare_seen_entry *entry,
		    size_t count, size_t *loaded);

#endif /* CS_LIB_SEENSET_H */
