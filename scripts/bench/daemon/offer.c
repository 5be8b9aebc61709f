// SPDX-License-Identifier: GPL-2.0
/*
 * How many offers a second are asked and answered?
 *
 *	offer DIR ROUNDS
 *
 * A buyer and a seller, two whole daemons in one process on one event loop, with a session over the
 * loopback: what is measured is the work of both sides on one core. An offer names 1,000 messages,
 * for each its digest of 64 bytes, its size and its expiry; the buyer takes them from its store,
 * the seller looks each up in its store, among what was delivered elsewhere, and in its kernel (a
 * list in memory that is empty: what the module's netlink takes comes on top). The answer is
 *
 * - "no": the seller has all of them;
 * - a bid, which the buyer rejects, as the price is too high for its rule;
 * - a bid that is accepted: the contract is drawn up, signed by both, and in both ledgers and
 *   kernels, with a hashed entry for each of its 1,000 messages, when the clock stops.
 *
 * As much netlink as the look-ups in the kernel would take is measured by itself: 1,000 requests to
 * the kernel's own generic family, about one that there is not, each with its answer.
 *
 * In the same round, who is first alternating, OpenSSL alone passes as many bytes in letters of the
 * same sizes over a session of the same kind: what remains is CBOR, the look-ups and the decision.
 *
 * The stores are filled, and what follows a contract is stopped, while the clock stands.
 */
#include <errno.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include "daemon/offer.h"
#include "fakekernel.h"
#include "node.h"
#include "tls.h"

#define MESSAGES	1000
#define OFFERS		20	/* of a round; contracts: a tenth */

static struct node buyer, seller;
static uint64_t began;

/**
 * struct exchange - an offer under way
 * @bid: a bid is rejected, else the answer is "no"
 * @letters: bytes that the side which hears last has got
 * @contracts: that the buyer's kernel has
 */
struct exchange {
	bool		bid;
	uint64_t	letters;
	size_t		contracts;
};

static struct session *session_of(struct node *node, struct node *other)
{
	struct peer *peer = node_peer(node, other);

	if (!peer || !peer->session)
		bench_die("session", "it is gone");
	return peer->session;
}

static bool joined(void *data)
{
	(void)data;
	return node_keyed(&buyer, &seller) && node_keyed(&seller, &buyer);
}

static void fill(struct node *node)
{
	static uint8_t message[MESSAGE_LEN];
	struct cs_error error = { "" };
	struct store_item item;
	uint64_t i;

	for (i = 0; i < MESSAGES; i++) {
		bench_message(&item, message, i, began);
		item.flags = node == &buyer ? STORE_OWN : 0;
		if (store_add(node->daemon.store, &item, daemon_now(), &error) != STORE_ADDED)
			bench_die("store_add", error.text);
	}
	bench_must(store_commit(node->daemon.store, &error), "store_commit", &error);
}

static int forget_one(const struct store_item *item, void *data)
{
	memcpy(data, item->digest, CS_DIGEST_LEN);
	return 1;
}

static void empty(struct node *node)
{
	struct cs_error error = { "" };
	uint8_t digest[CS_DIGEST_LEN];

	while (store_each(node->daemon.store, forget_one, digest) == 1)
		bench_must(store_del(node->daemon.store, digest), "store_del", NULL);
	bench_must(store_commit(node->daemon.store, &error), "store_commit", &error);
}

static void ask(void)
{
	struct cs_error error = { "" };
	int rc = offer_make(&buyer.daemon, node_peer(&buyer, &seller), NULL, &error);

	if (rc != MESSAGES)
		bench_die("offer", rc < 0 ? error.text : "not all messages were offered");
}

/* The last of the letters has come: NO to the buyer, REJECT to the seller. */
static bool answered(void *data)
{
	struct exchange *exchange = data;
	struct session *session = exchange->bid ? session_of(&seller, &buyer) :
						  session_of(&buyer, &seller);

	return session->bytes_in > exchange->letters;
}

static bool contracted(void *data)
{
	struct exchange *exchange = data;

	return fake_kernel(buyer.daemon.kernel)->contracts.count > exchange->contracts;
}

/* What a round measured is what it meant to. */
static void check_last(const char *state)
{
	json_t *list = offer_list(&buyer.daemon);
	const char *is = json_string_value(json_object_get(json_array_get(list, 0), "state"));

	if (!is || strcmp(is, state))
		bench_die("offer", is ? is : "there is none");
	json_decref(list);
}

/* Offers a second; @out and @in get the bytes of one's letters. */
static double run_offers(bool bid, uint64_t *out, uint64_t *in)
{
	struct session *own = session_of(&buyer, &seller), *its = session_of(&seller, &buyer);
	struct exchange exchange = { .bid = bid };
	double start = bench_seconds();
	int i;

	*out = own->bytes_out;
	*in = own->bytes_in;
	for (i = 0; i < OFFERS; i++) {
		ask();
		if (bid) { /* the offer itself is the first of two letters */
			exchange.letters = its->bytes_in + MESSAGES * CS_DIGEST_LEN;
			node_until(answered, &exchange, "offer");
			exchange.letters = its->bytes_in;
		} else {
			exchange.letters = own->bytes_in;
		}
		node_until(answered, &exchange, "answer");
	}
	start = OFFERS / (bench_seconds() - start);
	check_last(bid ? "rejected" : "refused");
	*out = (own->bytes_out - *out) / OFFERS;
	*in = (own->bytes_in - *in) / OFFERS;
	return start;
}

static double run_tls(uint64_t out, uint64_t in)
{
	SSL_CTX *own = tls_context(&buyer.daemon.identity);
	SSL_CTX *its = tls_context(&seller.daemon.identity);
	uint8_t *data = bench_alloc(out + in), *copy = bench_alloc(out + in);
	struct tls_pair pair;
	double start;
	int i;

	tls_open(&pair, own, its);
	start = bench_seconds();
	for (i = 0; i < OFFERS; i++) {
		tls_pass(&pair, 0, data, copy, out);
		tls_pass(&pair, 1, data, copy, in);
	}
	start = OFFERS / (bench_seconds() - start);
	tls_close(&pair);
	SSL_CTX_free(own);
	SSL_CTX_free(its);
	free(data);
	free(copy);
	return start;
}

/* The messages are not to be sent: that is the kernel's part. */
static void stop_sending(void)
{
	struct fake_kernel *kernel = fake_kernel(buyer.daemon.kernel);
	struct kernel_contract *contract = kernel->contracts.items;

	contract += kernel->contracts.count - 1;
	deal_exhausted(&buyer.daemon, contract->ifindex, contract->lladdr, contract->id);
	node_rest(0.05);
	fake_forget_frames(buyer.daemon.kernel);
}

static double run_contracts(void)
{
	struct exchange exchange;
	double seconds = 0, start;
	int i;

	for (i = 0; i < OFFERS / 10; i++) {
		exchange.contracts = fake_kernel(buyer.daemon.kernel)->contracts.count;
		start = bench_seconds();
		ask();
		node_until(contracted, &exchange, "contract");
		seconds += bench_seconds() - start;
		stop_sending();
	}
	return OFFERS / 10 / seconds;
}

/* Milliseconds for a request for each message, as kernel_seen.c makes them. */
static double run_netlink(void)
{
	struct mnl_socket *sock = mnl_socket_open(NETLINK_GENERIC);
	struct genlmsghdr *genl;
	struct nlmsghdr *nlh;
	char buffer[8192];
	double start;
	unsigned int i;

	if (!sock || mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID))
		bench_die("netlink", strerror(errno));
	start = bench_seconds();
	for (i = 1; i <= MESSAGES; i++) {
		nlh = mnl_nlmsg_put_header(buffer);
		nlh->nlmsg_type = GENL_ID_CTRL;
		nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
		nlh->nlmsg_seq = i;
		genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
		genl->cmd = CTRL_CMD_GETFAMILY;
		genl->version = 1;
		mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, "no such");
		if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0 ||
		    mnl_socket_recvfrom(sock, buffer, sizeof(buffer)) <= 0)
			bench_die("netlink", strerror(errno));
	}
	start = bench_seconds() - start;
	mnl_socket_close(sock);
	return start * 1000;
}

static void run_round(int round)
{
	struct config_offers *rule = &buyer.daemon.config.offers;
	static uint64_t out[2], in[2];
	double offers = 0, tls;
	int bid;

	for (bid = 0; bid < 2; bid++) {
		rule->max_price = 0;
		if (!bid)
			fill(&seller);
		if (round % 2 == 0)
			offers = run_offers(bid, &out[bid], &in[bid]);
		tls = run_tls(out[bid], in[bid]);
		if (round % 2)
			offers = run_offers(bid, &out[bid], &in[bid]);
		if (!bid)
			empty(&seller);
		bench_note(round, offers, "offer_%s", bid ? "bid" : "no");
		bench_note(round, tls, "offer_tls_%s", bid ? "bid" : "no");
		bench_note(round, out[bid] + in[bid], "offer_bytes_%s", bid ? "bid" : "no");
	}
	bench_note(round, run_netlink(), "offer_netlink");
	rule->max_price = UINT64_MAX;
	bench_note(round, run_contracts(), "offer_contract");
}

int main(int argc, char **argv)
{
	static const char config[] =
		"auth = \"required\"; terms = \"contract\"; } ); trust = { mode = \"open\"; };"
		"store = { reconcile = \"1d\"; share = 100; }; policy = { offers = 0; };"
		"sessions = { timeout = \"1h\"; };"
		"market = { rates = ( { geohash = \"\"; rate = \"2\"; } ); };"
		"offers = { budget = \"1000000\"; };";
	int round;

	bench_begin(argc, argv);
	began = daemon_now();
	node_open(&buyer, 1, config, NULL);
	node_open(&seller, 2, config, NULL);
	fill(&buyer);
	node_join(&buyer, &seller);
	node_until(joined, NULL, "session");
	node_rest(2); /* for the offer that follows a session by itself */
	for (round = 0; round <= bench_rounds; round++)
		run_round(round);
	node_close(&buyer);
	node_close(&seller);
	return 0;
}
