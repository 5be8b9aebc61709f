// SPDX-License-Identifier: GPL-2.0
/*
 * Keys of ports and peers, from files into the kernel. The kernel never gives one back.
 */
#include <openssl/crypto.h>

#include "csnl/csnl.h"
#include "lib/key.h"

static struct nlmsghdr *prepare(struct csnl *cs, uint8_t cmd, uint32_t ifindex,
				const uint8_t *lladdr, enum crowdshare_key_use use, uint32_t id)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), cmd);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_KEY_PORT_IFINDEX, ifindex);
	if (lladdr)
		mnl_attr_put(nlh, CROWDSHARE_A_KEY_LLADDR, CROWDSHARE_LLADDR_LEN, lladdr);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_KEY_USE, use);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_KEY_ID, id);
	return nlh;
}

/**
 * key_install - install a key, replacing the one of the same id
 * @lladdr: the peer, NULL for a port key
 * @path: key file
 */
void key_install(struct csnl *cs, struct args *args, uint32_t ifindex, const uint8_t *lladdr,
		 enum crowdshare_key_use use, uint32_t id, const char *path)
{
	uint8_t key[CS_KEY_LEN];
	struct nlmsghdr *nlh;
	char error[512];

	if (cs_key_read(path, key, error, sizeof(error)))
		args_die(args, "%s", error);
	nlh = prepare(cs, CROWDSHARE_CMD_KEY_NEW, ifindex, lladdr, use, id);
	mnl_attr_put(nlh, CROWDSHARE_A_KEY_SECRET, sizeof(key), key);
	OPENSSL_cleanse(key, sizeof(key));
	csnl_do(cs, args, nlh, NULL, NULL);
}

/**
 * key_remove - remove a key by its id
 * @lladdr: the peer, NULL for a port key
 */
void key_remove(struct csnl *cs, struct args *args, uint32_t ifindex, const uint8_t *lladdr,
		enum crowdshare_key_use use, uint32_t id)
{
	csnl_do(cs, args, prepare(cs, CROWDSHARE_CMD_KEY_DEL, ifindex, lladdr, use, id), NULL,
		NULL);
}
