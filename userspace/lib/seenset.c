// SPDX-License-Identifier: GPL-2.0
/*
 * The seen-set of a device, out of the kernel and into it, in bulk.
 *
 * Nothing here keeps state; the socket belongs to one thread at a time.
 */
#include "lib/seenset.h"

/* What a netlink message of a load holds: it stays below the 32 KiB that most allow. */
#define BATCH	1500

static int entries_cb(const struct nlmsghdr *nlh, void *file)
{
	const struct nlattr *a[CROWDSHARE_A_SEEN_MAX + 1], *attr;

	cs_nl_attrs(nlh, a, CROWDSHARE_A_SEEN_MAX);
	attr = a[CROWDSHARE_A_SEEN_ENTRIES];
	if (!attr)
		return 0;
	return seenfile_append(file, mnl_attr_get_payload(attr),
			       mnl_attr_get_payload_len(attr) /
			       sizeof(struct crowdshare_seen_entry));
}

static void entries_restart(void *file)
{
	((struct seenfile *)file)->count = 0;
}

/**
 * cs_seenset_dump() - all entries of a seen-set
 * @nl: socket
 * @ifindex: the crowdshare device
 * @file: gets the entries; to be freed in any case
 *
 * Return: 0 or a negative errno; the kernel's reason, if it gave one, is in @nl->error.
 */
int cs_seenset_dump(struct cs_nl *nl, uint32_t ifindex, struct seenfile *file)
{
	struct nlmsghdr *nlh = cs_nl_prepare(nl, CROWDSHARE_CMD_SEEN_GET);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_SEEN_DEV_IFINDEX, ifindex);
	return cs_nl_dump(nl, nlh, entries_cb, entries_restart, file);
}

static int loaded_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *a[CROWDSHARE_A_SEEN_MAX + 1], *attr;
	size_t *loaded = data;

	cs_nl_attrs(nlh, a, CROWDSHARE_A_SEEN_MAX);
	attr = a[CROWDSHARE_A_SEEN_LOADED];
	if (attr && !mnl_attr_validate(attr, MNL_TYPE_U32))
		*loaded += mnl_attr_get_u32(attr);
	return 0;
}

/**
 * cs_seenset_load() - have the kernel remember entries
 * @nl: socket
 * @ifindex: the crowdshare device
 * @entry: the entries
 * @count: their number
 * @loaded: gets how many of them were new, at least, also when it fails half-way
 *
 * Return: 0 or a negative errno, with the reason in @nl->error; what was loaded before stays.
 */
int cs_seenset_load(struct cs_nl *nl, uint32_t ifindex, const struct crowdshare_seen_entry *entry,
		    size_t count, size_t *loaded)
{
	struct nlmsghdr *nlh;
	size_t i, n;
	int rc;

	*loaded = 0;
	for (i = 0; i < count; i += n) {
		n = count - i < BATCH ? count - i : BATCH;
		nlh = cs_nl_prepare(nl, CROWDSHARE_CMD_SEEN_NEW);
		mnl_attr_put_u32(nlh, CROWDSHARE_A_SEEN_DEV_IFINDEX, ifindex);
		mnl_attr_put(nlh, CROWDSHARE_A_SEEN_ENTRIES, n * sizeof(*entry), entry + i);
		rc = cs_nl_do(nl, nlh, loaded_cb, loaded);
		if (rc)
			return rc;
	}
	return 0;
}
