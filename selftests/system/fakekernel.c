// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel in memory, for tests of the rest of the daemon.
 *
 * Its answers are those of the real one: "kernel fake" runs the same checks on it as are run on the
 * real one in a guest (kernel.c). A port needs no link to be there: a test may leave links out. One
 * thread; a lack of memory ends the program, as it is a test.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fakekernel.h"
#include "lib/seenfile.h"

#define DIGEST_OFFSET	(CS_ETH_HLEN + sizeof(struct cs_link_hdr))

/* There is always room up to the next power of two. */
static void *list_add(struct fake_list *list, const void *item, size_t size)
{
	char *items = list->items;

	if (!(list->count & (list->count - 1))) {
		items = realloc(items, (list->count ? 2 * list->count : 1) * size);
		if (!items)
			abort();
		list->items = items;
	}
	return memcpy(items + list->count++ * size, item, size);
}

static void list_del(struct fake_list *list, void *item, size_t size)
{
	char *end = (char *)list->items + list->count-- * size;

	memmove(item, (char *)item + size, end - ((char *)item + size));
}

#define list_each(type, item, list)						\
	for (__typeof__(type) *item = (list)->items, *end = item ? item + (list)->count : item;	\
	     item < end; item++)

/* Does the test want an op to fail? */
static int fails(struct kernel *kernel, const char *op, struct cs_error *error)
{
	struct fake_kernel *fake = fake_kernel(kernel);

	if (!fake->fail_op || strcmp(fake->fail_op, op))
		return 0;
	return cs_error_set(error, fake->fail_rc, "%s: %s", op, strerror(-fake->fail_rc));
}

/* To begin an op with; takes its name from that of the function. */
#define MAY_FAIL(kernel, error) fails(kernel, __func__ + strlen("op_"), error)

static int missing(struct cs_error *error, const char *what)
{
	return cs_error_set(error, -ENOENT, "no such %s", what);
}

/*
 * What a test looks at
 */
struct fake_port *fake_port(struct kernel *kernel, uint32_t ifindex)
{
	list_each(struct fake_port, port, &fake_kernel(kernel)->ports)
		if (port->ifindex == ifindex)
			return port;
	return NULL;
}

struct fake_peer *fake_peer(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr)
{
	list_each(struct fake_peer, peer, &fake_kernel(kernel)->peers)
		if (peer->ifindex == ifindex && !memcmp(peer->lladdr, lladdr, KERNEL_LLADDR_LEN))
			return peer;
	return NULL;
}

struct fake_key *fake_key(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
			  enum crowdshare_key_use use, uint8_t id)
{
	static const uint8_t nobody[KERNEL_LLADDR_LEN];

	if (!lladdr)
		lladdr = nobody;
	list_each(struct fake_key, key, &fake_kernel(kernel)->keys)
		if (key->ifindex == ifindex && key->use == use && key->id == id &&
		    !memcmp(key->lladdr, lladdr, KERNEL_LLADDR_LEN))
			return key;
	return NULL;
}

struct kernel_contract *fake_contract(struct kernel *kernel, uint32_t ifindex,
				      const uint8_t *lladdr, uint32_t id)
{
	list_each(struct kernel_contract, contract, &fake_kernel(kernel)->contracts)
		if (contract->ifindex == ifindex && contract->id == id &&
		    !memcmp(contract->lladdr, lladdr, KERNEL_LLADDR_LEN))
			return contract;
	return NULL;
}

struct fake_frame *fake_frame(struct kernel *kernel, size_t i)
{
	struct fake_list *frames = &fake_kernel(kernel)->frames;

	return i < frames->count ? (struct fake_frame *)frames->items + i : NULL;
}

void fake_forget_frames(struct kernel *kernel)
{
	struct fake_list *frames = &fake_kernel(kernel)->frames;

	list_each(struct fake_frame, frame, frames)
		free(frame->data);
	frames->count = 0;
}

/*
 * The ops; MAY_FAIL() takes their names from those of the functions
 */
static int op_start(struct kernel *kernel, const struct kernel_events *events, void *data,
		    struct cs_error *error)
{
	struct fake_kernel *fake = fake_kernel(kernel);
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	fake->events = events;
	fake->data = data;
	return 0;
}

static void op_stop(struct kernel *kernel)
{
	struct fake_kernel *fake = fake_kernel(kernel);

	fake_forget_frames(kernel);
	free(fake->links.items);
	free(fake->ports.items);
	free(fake->peers.items);
	free(fake->keys.items);
	free(fake->contracts.items);
	free(fake->frames.items);
	free(fake->seen.items);
	free(fake->neighbours.items);
	free(fake->counts.items);
	free(fake);
}

static int op_device(struct kernel *kernel, const struct config_device *device,
		     const uint8_t address[16], struct cs_error *error)
{
	static const uint8_t lladdr[KERNEL_LLADDR_LEN] = { 2, 0, 0, 0, 0, 0xfa };
	struct fake_kernel *fake = fake_kernel(kernel);
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (fake->device.name[0] && strcmp(fake->device.name, device->name))
		return cs_error_set(error, -EBUSY, "device '%s' can't become '%s'",
				    fake->device.name, device->name);
	fake->device = *device;
	memcpy(fake->address, address, CS_ADDR_LEN);
	memcpy(kernel->lladdr, lladdr, KERNEL_LLADDR_LEN);
	return 0;
}

static int op_device_up(struct kernel *kernel, struct cs_error *error)
{
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	fake_kernel(kernel)->up = true;
	return 0;
}

static int op_port_add(struct kernel *kernel, uint32_t ifindex, uint32_t echo, uint32_t auth,
		       struct cs_error *error)
{
	struct fake_port new = { ifindex, echo, auth }, *port = fake_port(kernel, ifindex);
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (port)
		*port = new;
	else
		list_add(&fake_kernel(kernel)->ports, &new, sizeof(new));
	return 0;
}

static void drop_keys(struct fake_kernel *fake, uint32_t ifindex, const uint8_t *lladdr)
{
	struct fake_key *key = fake->keys.items;
	size_t i = 0;

	while (i < fake->keys.count)
		if (key[i].ifindex == ifindex && !memcmp(key[i].lladdr, lladdr, KERNEL_LLADDR_LEN))
			list_del(&fake->keys, key + i, sizeof(*key));
		else
			i++;
}

/* With its keys and contracts. */
static void drop_peer(struct fake_kernel *fake, struct fake_peer *peer)
{
	struct kernel_contract *contract = fake->contracts.items;
	size_t i = 0;

	drop_keys(fake, peer->ifindex, peer->lladdr);
	while (i < fake->contracts.count)
		if (contract[i].ifindex == peer->ifindex &&
		    !memcmp(contract[i].lladdr, peer->lladdr, KERNEL_LLADDR_LEN))
			list_del(&fake->contracts, contract + i, sizeof(*contract));
		else
			i++;
	list_del(&fake->peers, peer, sizeof(*peer));
}

static void drop_port(struct fake_kernel *fake, struct fake_port *port)
{
	static const uint8_t nobody[KERNEL_LLADDR_LEN];
	struct fake_peer *peer = fake->peers.items;
	size_t i = 0;

	while (i < fake->peers.count)
		if (peer[i].ifindex == port->ifindex)
			drop_peer(fake, peer + i);
		else
			i++;
	drop_keys(fake, port->ifindex, nobody);
	list_del(&fake->ports, port, sizeof(*port));
}

static int op_port_del(struct kernel *kernel, uint32_t ifindex, struct cs_error *error)
{
	struct fake_port *port = fake_port(kernel, ifindex);
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (!port)
		return missing(error, "port");
	drop_port(fake_kernel(kernel), port);
	return 0;
}

static int op_peer_set(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		       uint32_t state, uint32_t rate, uint64_t byterate, struct cs_error *error)
{
	struct fake_peer new = { ifindex, { 0 }, state, rate, byterate }, *peer;
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (!fake_port(kernel, ifindex))
		return missing(error, "port");
	if (lladdr[0] & 1)
		return cs_error_set(error, -EINVAL, "not a unicast MAC");
	memcpy(new.lladdr, lladdr, KERNEL_LLADDR_LEN);
	peer = fake_peer(kernel, ifindex, lladdr);
	if (peer)
		*peer = new;
	else
		list_add(&fake_kernel(kernel)->peers, &new, sizeof(new));
	return 0;
}

static int op_peer_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		       struct cs_error *error)
{
	struct fake_peer *peer = fake_peer(kernel, ifindex, lladdr);
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (!peer)
		return missing(error, "peer");
	drop_peer(fake_kernel(kernel), peer);
	return 0;
}

static bool receives(enum crowdshare_key_use use)
{
	return use == CROWDSHARE_KEY_RX || use == CROWDSHARE_KEY_PAIRWISE;
}

/* The key that a new one is put in place of; of keys to send with there is one only. */
static struct fake_key *key_slot(struct fake_kernel *fake, const struct fake_key *new,
				 unsigned int *received)
{
	*received = 0;
	list_each(struct fake_key, key, &fake->keys) {
		if (key->ifindex != new->ifindex || receives(key->use) != receives(new->use) ||
		    (!receives(new->use) && key->use != new->use) ||
		    memcmp(key->lladdr, new->lladdr, KERNEL_LLADDR_LEN))
			continue;
		if (!receives(new->use) || key->id == new->id)
			return key;
		++*received;
	}
	return NULL;
}

static int op_key_set(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		      enum crowdshare_key_use use, uint8_t id, const uint8_t *secret,
		      struct cs_error *error)
{
	struct fake_kernel *fake = fake_kernel(kernel);
	struct fake_key new = { .ifindex = ifindex, .use = use, .id = id }, *key;
	unsigned int received;
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (!id)
		return cs_error_set(error, -ERANGE, "a key's id is 1 to 255");
	if (!fake_port(kernel, ifindex))
		return missing(error, "port");
	if ((use == CROWDSHARE_KEY_PORT) != !lladdr)
		return cs_error_set(error, -EINVAL, "port keys, and only they, have no peer");
	if (lladdr && !fake_peer(kernel, ifindex, lladdr))
		return missing(error, "peer");
	if (lladdr)
		memcpy(new.lladdr, lladdr, KERNEL_LLADDR_LEN);
	memcpy(new.secret, secret, CS_KEY_LEN);
	key = key_slot(fake, &new, &received);
	if (!key && received == KERNEL_PEER_KEYS)
		return cs_error_set(error, -ENOSPC, "peer has %d receive keys already",
				    KERNEL_PEER_KEYS);
	if (key)
		*key = new;
	else
		list_add(&fake->keys, &new, sizeof(new));
	return 0;
}

static int op_key_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		      enum crowdshare_key_use use, uint8_t id, struct cs_error *error)
{
	struct fake_key *key = fake_key(kernel, ifindex, lladdr, use, id);
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (!key)
		return missing(error, "key");
	list_del(&fake_kernel(kernel)->keys, key, sizeof(*key));
	return 0;
}

static int op_contract_add(struct kernel *kernel, const struct kernel_contract *contract,
			   struct cs_error *error)
{
	struct kernel_contract new = *contract;
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (!contract->id || !contract->bytes)
		return cs_error_set(error, -ERANGE, "a contract has an id, and covers something");
	if (!fake_peer(kernel, contract->ifindex, contract->lladdr))
		return missing(error, "peer");
	if (fake_contract(kernel, contract->ifindex, contract->lladdr, contract->id))
		return cs_error_set(error, -EEXIST, "peer has a contract of this id");
	new.used = 0;
	new.refused = 0;
	list_add(&fake_kernel(kernel)->contracts, &new, sizeof(new));
	return 0;
}

static int op_contract_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
			   uint32_t id, struct cs_error *error)
{
	struct kernel_contract *contract = fake_contract(kernel, ifindex, lladdr, id);
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (!contract)
		return missing(error, "contract");
	list_del(&fake_kernel(kernel)->contracts, contract, sizeof(*contract));
	return 0;
}

static int op_contract_get(struct kernel *kernel, struct kernel_contract *contract,
			   struct cs_error *error)
{
	struct kernel_contract *found = fake_contract(kernel, contract->ifindex, contract->lladdr,
						      contract->id);
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (!found)
		return missing(error, "contract");
	*contract = *found;
	return 0;
}

static struct fake_digest *find_digest(struct kernel *kernel, const uint8_t *digest)
{
	list_each(struct fake_digest, seen, &fake_kernel(kernel)->seen)
		if (!memcmp(seen->digest, digest, CS_SEEN_KEY_LEN))
			return seen;
	return NULL;
}

static int op_remember(struct kernel *kernel, const uint8_t *digest, uint32_t seconds,
		       struct cs_error *error)
{
	struct fake_kernel *fake = fake_kernel(kernel);
	struct fake_digest new = { .left = seconds ? seconds : 1 };
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (find_digest(kernel, digest))
		return 0;
	if (fake->device.seen_max && fake->seen.count >= fake->device.seen_max)
		return cs_error_set(error, -ENOSPC, "seen-set is full");
	memcpy(new.digest, digest, CS_SEEN_KEY_LEN);
	list_add(&fake->seen, &new, sizeof(new));
	return 0;
}

static int op_known(struct kernel *kernel, const uint8_t *digest, struct cs_error *error)
{
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	return find_digest(kernel, digest) ? 1 : 0;
}

static int op_seen_fill(struct kernel *kernel, uint32_t *count, uint32_t *max,
			struct cs_error *error)
{
	const struct fake_kernel *fake = fake_kernel(kernel);
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	*count = fake->seen.count;
	*max = fake->device.seen_max;
	return 0;
}

/* A message that is sent is remembered, as the module does if it is whole. */
static int op_send(struct kernel *kernel, const void *frame, size_t len, struct cs_error *error)
{
	struct fake_kernel *fake = fake_kernel(kernel);
	struct fake_frame new = { .len = len };
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (!fake->up)
		return cs_error_set(error, -ENETDOWN, "the device is down");
	new.data = malloc(len ? len : 1);
	if (!new.data)
		abort();
	memcpy(new.data, frame, len);
	list_add(&fake->frames, &new, sizeof(new));
	if (len >= CS_ETH_HLEN + CS_HDRS_LEN)
		op_remember(kernel, (const uint8_t *)frame + DIGEST_OFFSET, 3600, NULL);
	return 0;
}

static int op_seen_save(struct kernel *kernel, const char *path, struct cs_error *error)
{
	struct seenfile file = { .saved = time(NULL) };
	char text[sizeof(error->text)];
	uint8_t *data;
	size_t size;
	int rc = 0;

	rc = MAY_FAIL(kernel, error);
	if (rc)
		return rc;
	list_each(struct fake_digest, seen, &fake_kernel(kernel)->seen)
		if (seenfile_append(&file, seen, 1))
			abort();
	data = seenfile_encode(&file, &size);
	if (!data)
		abort();
	rc = seenfile_write(path, data, size, text, sizeof(text));
	free(data);
	return rc ? cs_error_set(error, rc, "%s", text) : 0;
}

static int op_seen_load(struct kernel *kernel, const char *path, struct cs_error *error)
{
	char text[sizeof(error->text)];
	uint8_t digest[CS_DIGEST_LEN];
	struct seenfile file;
	uint8_t *data;
	size_t size, i;
	int rc;

	rc = MAY_FAIL(kernel, error);
	if (rc)
		return rc;
	if (access(path, F_OK))
		return cs_error_set(error, -ENOENT, "file '%s' does not exist", path);
	data = seenfile_read(path, &size, text, sizeof(text));
	if (!data)
		return cs_error_set(error, -EIO, "%s", text);
	rc = seenfile_decode(&file, data, size, text, sizeof(text));
	free(data);
	if (rc)
		return cs_error_set(error, rc, "file '%s': %.200s", path, text);
	seenfile_age(&file, time(NULL));
	for (i = 0; i < file.count && !rc; i++) {
		memcpy(digest, file.entry[i].digest, CS_SEEN_KEY_LEN);
		rc = op_remember(kernel, digest, file.entry[i].left, error);
	}
	seenfile_free(&file);
	return rc;
}

static int op_traffic(struct kernel *kernel, const char *interface, uint64_t *rx, uint64_t *tx,
		      struct cs_error *error)
{
	struct fake_kernel *fake = fake_kernel(kernel);
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	list_each(struct kernel_link, link, &fake->links) {
		if (strcmp(link->name, interface))
			continue;
		*rx = fake->rx;
		*tx = fake->tx;
		return 0;
	}
	return cs_error_set(error, -ENODEV, "there is no interface '%s'", interface);
}

static int op_peer_keys(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
			uint8_t ids[KERNEL_PEER_KEYS], size_t *n, struct cs_error *error)
{
	static const uint8_t nobody[KERNEL_LLADDR_LEN];
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	*n = 0;
	if (!fake_port(kernel, ifindex) || (lladdr && !fake_peer(kernel, ifindex, lladdr)))
		return missing(error, lladdr ? "peer" : "port");
	list_each(struct fake_key, key, &fake_kernel(kernel)->keys)
		if (key->ifindex == ifindex && key->use != CROWDSHARE_KEY_TX &&
		    !memcmp(key->lladdr, lladdr ? lladdr : nobody, KERNEL_LLADDR_LEN))
			ids[(*n)++] = key->id;
	return 0;
}

static struct fake_count *find_count(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr)
{
	list_each(struct fake_count, count, &fake_kernel(kernel)->counts)
		if (count->ifindex == ifindex && !memcmp(count->lladdr, lladdr, KERNEL_LLADDR_LEN))
			return count;
	return NULL;
}

static int op_frames(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		     struct kernel_frames *frames, struct cs_error *error)
{
	const struct fake_count *count = find_count(kernel, ifindex, lladdr);
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	if (!fake_peer(kernel, ifindex, lladdr))
		return missing(error, "peer");
	memset(frames, 0, sizeof(*frames));
	if (count)
		*frames = count->frames;
	return 0;
}

static int op_peer_list(struct kernel *kernel, uint32_t ifindex,
			uint8_t lladdrs[][KERNEL_LLADDR_LEN], size_t size, size_t *n,
			struct cs_error *error)
{
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	*n = 0;
	list_each(struct fake_peer, peer, &fake_kernel(kernel)->peers)
		if (peer->ifindex == ifindex && *n < size)
			memcpy(lladdrs[(*n)++], peer->lladdr, KERNEL_LLADDR_LEN);
	return 0;
}

static int op_neighbour(struct kernel *kernel, uint32_t ifindex, const uint8_t address[16],
			uint8_t lladdr[KERNEL_LLADDR_LEN], struct cs_error *error)
{
	int rc = MAY_FAIL(kernel, error);

	if (rc)
		return rc;
	list_each(struct fake_neighbour, neighbour, &fake_kernel(kernel)->neighbours) {
		if (neighbour->ifindex != ifindex || memcmp(neighbour->address, address, 16))
			continue;
		memcpy(lladdr, neighbour->lladdr, KERNEL_LLADDR_LEN);
		return 0;
	}
	return missing(error, "neighbour");
}

static const struct kernel_ops ops = {
	.start		= op_start,
	.stop		= op_stop,
	.device		= op_device,
	.device_up	= op_device_up,
	.port_add	= op_port_add,
	.port_del	= op_port_del,
	.peer_set	= op_peer_set,
	.peer_del	= op_peer_del,
	.key_set	= op_key_set,
	.key_del	= op_key_del,
	.contract_add	= op_contract_add,
	.contract_del	= op_contract_del,
	.contract_get	= op_contract_get,
	.send		= op_send,
	.remember	= op_remember,
	.known		= op_known,
	.seen_fill	= op_seen_fill,
	.seen_save	= op_seen_save,
	.seen_load	= op_seen_load,
	.traffic	= op_traffic,
	.frames		= op_frames,
	.peer_keys	= op_peer_keys,
	.peer_list	= op_peer_list,
	.neighbour	= op_neighbour,
};

/**
 * fake_open() - a kernel in memory
 *
 * Return: to be ended by its op stop.
 */
struct kernel *fake_open(void)
{
	struct fake_kernel *fake = calloc(1, sizeof(*fake));

	if (!fake)
		abort();
	fake->kernel.ops = &ops;
	return (struct kernel *)fake;
}

/*
 * What a test has happen
 */

/**
 * fake_link() - an interface comes, changes, or goes
 * @kernel: the fake
 * @link: the interface
 */
void fake_link(struct kernel *kernel, const struct kernel_link *link)
{
	struct fake_kernel *fake = fake_kernel(kernel);
	struct kernel_link *old = NULL;

	list_each(struct kernel_link, each, &fake->links)
		if (each->ifindex == link->ifindex)
			old = each;
	if (link->gone && fake_port(kernel, link->ifindex))
		drop_port(fake, fake_port(kernel, link->ifindex));
	if (link->gone && old)
		list_del(&fake->links, old, sizeof(*old));
	else if (old)
		*old = *link;
	else if (!link->gone)
		list_add(&fake->links, link, sizeof(*link));
	fake->events->link(fake->data, link);
}

/**
 * fake_receive() - a frame shows up on the device
 * @kernel: the fake
 * @frame: the frame
 * @len: its bytes
 * @own: another program of this node sent it
 *
 * What does so has been remembered.
 */
void fake_receive(struct kernel *kernel, const void *frame, size_t len, bool own)
{
	struct fake_kernel *fake = fake_kernel(kernel);

	if (len >= CS_ETH_HLEN + CS_HDRS_LEN)
		op_remember(kernel, (const uint8_t *)frame + DIGEST_OFFSET, 3600, NULL);
	fake->events->frame(fake->data, frame, len, own);
}

void fake_missed(struct kernel *kernel, uint64_t count)
{
	fake_kernel(kernel)->events->missed(fake_kernel(kernel)->data, count);
}

/**
 * fake_exhaust() - a contract is used up
 * @kernel: the fake
 * @ifindex: port
 * @lladdr: peer
 * @id: of the contract
 */
void fake_exhaust(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr, uint32_t id)
{
	struct kernel_contract *contract = fake_contract(kernel, ifindex, lladdr, id);
	struct fake_kernel *fake = fake_kernel(kernel);

	if (contract)
		contract->used = contract->bytes;
	fake->events->exhausted(fake->data, ifindex, lladdr, id);
}

void fake_full(struct kernel *kernel)
{
	fake_kernel(kernel)->events->full(fake_kernel(kernel)->data);
}

/**
 * fake_device_gone() - somebody removes the device, and with it all that was set
 * @kernel: the fake
 */
void fake_device_gone(struct kernel *kernel)
{
	struct fake_kernel *fake = fake_kernel(kernel);

	while (fake->ports.count)
		drop_port(fake, fake->ports.items);
	fake->seen.count = 0;
	fake->up = false;
	if (fake->events->device_gone)
		fake->events->device_gone(fake->data);
}

/**
 * fake_neighbour() - a neighbour comes into the table of neighbours
 * @kernel: the fake
 * @ifindex: interface
 * @address: IPv6 address of the neighbour
 * @lladdr: its MAC
 */
void fake_neighbour(struct kernel *kernel, uint32_t ifindex, const uint8_t address[16],
		    const uint8_t lladdr[KERNEL_LLADDR_LEN])
{
	struct fake_neighbour new = { .ifindex = ifindex };

	memcpy(new.address, address, sizeof(new.address));
	memcpy(new.lladdr, lladdr, sizeof(new.lladdr));
	list_add(&fake_kernel(kernel)->neighbours, &new, sizeof(new));
}

/**
 * fake_count() - what the op frames answers of a peer from now on
 * @kernel: the fake
 * @ifindex: its port
 * @lladdr: its MAC
 * @frames: the answer
 */
void fake_count(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		const struct kernel_frames *frames)
{
	struct fake_count *count = find_count(kernel, ifindex, lladdr);
	struct fake_count new = { .ifindex = ifindex, .frames = *frames };

	memcpy(new.lladdr, lladdr, sizeof(new.lladdr));
	if (count)
		*count = new;
	else
		list_add(&fake_kernel(kernel)->counts, &new, sizeof(new));
}

/**
 * fake_fail() - have an op fail from now on
 * @kernel: the fake
 * @op: its name; NULL: none any more
 * @rc: what it returns
 */
void fake_fail(struct kernel *kernel, const char *op, int rc)
{
	fake_kernel(kernel)->fail_op = op;
	fake_kernel(kernel)->fail_rc = rc;
}
