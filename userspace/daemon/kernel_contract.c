// SPDX-License-Identifier: GPL-2.0
/*
 * Contracts of the module, and its event that one has been used up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/kernel_real.h"
#include "daemon/log.h"

static struct nlmsghdr *contract_prepare(struct kernel_real *real, uint8_t cmd, uint32_t ifindex,
					 const uint8_t *lladdr, uint32_t id)
{
	struct nlmsghdr *nlh = cs_nl_prepare(&real->nl, cmd);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_PORT_IFINDEX, ifindex);
	mnl_attr_put(nlh, CROWDSHARE_A_CONTRACT_LLADDR, CROWDSHARE_LLADDR_LEN, lladdr);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_ID, id);
	return nlh;
}

/**
 * kernel_contract_add() - add a contract to a peer
 * @kernel: the real kernel
 * @contract: all but used and refused
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno, -EEXIST: the peer has one of this id.
 */
int kernel_contract_add(struct kernel *kernel, const struct kernel_contract *contract,
			struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh;

	nlh = contract_prepare(real, CROWDSHARE_CMD_CONTRACT_NEW, contract->ifindex,
			       contract->lladdr, contract->id);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_DIRECTION, contract->direction);
	mnl_attr_put_u64(nlh, CROWDSHARE_A_CONTRACT_BYTES, contract->bytes);
	mnl_attr_put_u64(nlh, CROWDSHARE_A_CONTRACT_EXPIRY, contract->expiry);
	return kernel_port_do(real, nlh, contract->ifindex, contract->lladdr, NULL, NULL, error);
}

/**
 * kernel_contract_del() - remove a contract
 * @kernel: the real kernel
 * @ifindex: the port
 * @lladdr: MAC of the peer
 * @id: of the contract
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno, -ENOENT: there is none.
 */
int kernel_contract_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr, uint32_t id,
			struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh;

	nlh = contract_prepare(real, CROWDSHARE_CMD_CONTRACT_DEL, ifindex, lladdr, id);
	return kernel_port_do(real, nlh, ifindex, lladdr, NULL, NULL, error);
}

/* Who a contract is with, and which. */
static bool contract_names(const struct nlattr **a, struct kernel_contract *contract)
{
	const struct nlattr *lladdr = a[CROWDSHARE_A_CONTRACT_LLADDR];

	if (!kernel_attr_is(a[CROWDSHARE_A_CONTRACT_PORT_IFINDEX], MNL_TYPE_U32) ||
	    !kernel_attr_is(a[CROWDSHARE_A_CONTRACT_ID], MNL_TYPE_U32) ||
	    !lladdr || mnl_attr_get_payload_len(lladdr) != KERNEL_LLADDR_LEN)
		return false;
	contract->ifindex = mnl_attr_get_u32(a[CROWDSHARE_A_CONTRACT_PORT_IFINDEX]);
	contract->id = mnl_attr_get_u32(a[CROWDSHARE_A_CONTRACT_ID]);
	memcpy(contract->lladdr, mnl_attr_get_payload(lladdr), KERNEL_LLADDR_LEN);
	return true;
}

static bool contract_parse(const struct nlmsghdr *nlh, struct kernel_contract *contract)
{
	const struct nlattr *a[CROWDSHARE_A_CONTRACT_MAX + 1];

	cs_nl_attrs(nlh, a, CROWDSHARE_A_CONTRACT_MAX);
	if (!contract_names(a, contract) ||
	    !kernel_attr_is(a[CROWDSHARE_A_CONTRACT_DIRECTION], MNL_TYPE_U32) ||
	    !kernel_attr_is(a[CROWDSHARE_A_CONTRACT_BYTES], MNL_TYPE_U64) ||
	    !kernel_attr_is(a[CROWDSHARE_A_CONTRACT_EXPIRY], MNL_TYPE_U64) ||
	    !kernel_attr_is(a[CROWDSHARE_A_CONTRACT_USED], MNL_TYPE_U64) ||
	    !kernel_attr_is(a[CROWDSHARE_A_CONTRACT_REFUSED], MNL_TYPE_U64))
		return false;
	contract->direction = mnl_attr_get_u32(a[CROWDSHARE_A_CONTRACT_DIRECTION]);
	contract->bytes = mnl_attr_get_u64(a[CROWDSHARE_A_CONTRACT_BYTES]);
	contract->expiry = mnl_attr_get_u64(a[CROWDSHARE_A_CONTRACT_EXPIRY]);
	contract->used = mnl_attr_get_u64(a[CROWDSHARE_A_CONTRACT_USED]);
	contract->refused = mnl_attr_get_u64(a[CROWDSHARE_A_CONTRACT_REFUSED]);
	return true;
}

static int contract_cb(const struct nlmsghdr *nlh, void *data)
{
	return contract_parse(nlh, data) ? 0 : -EBADMSG;
}

/**
 * kernel_contract_get() - what was used of a contract
 * @kernel: the real kernel
 * @contract: port, peer and id name it; the rest is filled in
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno, -ENOENT: there is none.
 */
int kernel_contract_get(struct kernel *kernel, struct kernel_contract *contract,
			struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct kernel_contract got = { 0 };
	struct nlmsghdr *nlh;
	int rc;

	nlh = contract_prepare(real, CROWDSHARE_CMD_CONTRACT_GET, contract->ifindex,
			       contract->lladdr, contract->id);
	rc = kernel_port_do(real, nlh, contract->ifindex, contract->lladdr, contract_cb, &got,
			    error);
	if (!rc && got.id != contract->id)
		rc = cs_error_set(error, -EBADMSG, "the kernel told nothing of the contract");
	if (!rc)
		*contract = got;
	return rc;
}

/**
 * kernel_contract_event() - the module told that something about a contract changed
 * @real: the real kernel
 * @nlh: the event
 */
void kernel_contract_event(struct kernel_real *real, const struct nlmsghdr *nlh)
{
	const struct nlattr *a[CROWDSHARE_A_CONTRACT_MAX + 1];
	struct kernel_contract contract;

	cs_nl_attrs(nlh, a, CROWDSHARE_A_CONTRACT_MAX);
	if (a[CROWDSHARE_A_CONTRACT_EXHAUSTED] && contract_names(a, &contract))
		real->events->exhausted(real->data, contract.ifindex, contract.lladdr, contract.id);
}

/* Contracts of a dump that have been used up; collected, as no request may be made meanwhile. */
struct used_up {
	struct kernel_contract	*list;
	size_t			count;
};

static int used_up_cb(const struct nlmsghdr *nlh, void *data)
{
	struct kernel_contract contract = { 0 }, *list;
	struct used_up *used = data;

	if (!contract_parse(nlh, &contract))
		return -EBADMSG;
	if (contract.used < contract.bytes && !contract.refused)
		return 0;
	list = realloc(used->list, (used->count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	list[used->count++] = contract;
	used->list = list;
	return 0;
}

static void used_up_restart(void *data)
{
	((struct used_up *)data)->count = 0;
}

/**
 * kernel_contract_overrun() - events were lost, which may have told that a contract is exhausted
 * @real: the real kernel
 *
 * What is exhausted is told of, once more if need be.
 */
void kernel_contract_overrun(struct kernel_real *real)
{
	struct used_up used = { 0 };
	size_t i;
	int rc;

	rc = cs_nl_dump(&real->nl, cs_nl_prepare(&real->nl, CROWDSHARE_CMD_CONTRACT_GET),
			used_up_cb, used_up_restart, &used);
	if (rc)
		log_error("contracts: %s", real->nl.error[0] ? real->nl.error : strerror(-rc));
	for (i = 0; i < used.count; i++)
		real->events->exhausted(real->data, used.list[i].ifindex, used.list[i].lladdr,
					used.list[i].id);
	free(used.list);
}

