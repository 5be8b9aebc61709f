// SPDX-License-Identifier: GPL-2.0
/*
 * How many sessions a second do two nodes make, against OpenSSL alone?
 *
 *	session DIR ROUNDS
 *
 * A node and others that connect to it, one after the other, all in one process on one event loop,
 * over TCP on the loopback: what is measured is the work of both sides on one core. A session is
 * there when both sides have the pairwise keys and the port key of the other in their kernels
 * (which keep them in memory: what the module's netlink takes comes on top), and know that of each
 * other.
 *
 * In the same round, who is first alternating, as many handshakes of TLS 1.3 with certificates on
 * both sides are made by OpenSSL alone, with the same kind of keys and settings, also from the
 * connect() on. What remains is trust, the exchange of HELLO and keys, and the event loop.
 *
 * When the clock stands, all sessions end and their peers are forgotten. The reconciliation that
 * follows a session comes up to half a second later; of two empty stores it is four letters.
 */
#include "node.h"
#include "tls.h"

#define SESSIONS	60	/* in a round */

static struct node hub, others[SESSIONS];

static bool keyed(void *data)
{
	struct node *other = data;

	return node_keyed(&hub, other) && node_keyed(other, &hub);
}

static double run_sessions(void)
{
	double start = bench_seconds(), end;
	int i;

	for (i = 0; i < SESSIONS; i++) {
		node_join(&hub, &others[i]);
		node_until(keyed, &others[i], "session");
	}
	end = bench_seconds();
	node_port(&hub, false);
	for (i = 0; i < SESSIONS; i++)
		node_port(&others[i], false);
	node_rest(1.2); /* a BYE lingers for a second */
	for (i = 0; i < SESSIONS; i++)
		node_port(&others[i], true);
	node_port(&hub, true);
	return SESSIONS / (end - start);
}

static double run_tls(void)
{
	SSL_CTX *own = tls_context(&hub.daemon.identity);
	SSL_CTX *its = tls_context(&others[0].daemon.identity);
	struct tls_pair pairs[SESSIONS];
	double start, end;
	int i;

	start = bench_seconds();
	for (i = 0; i < SESSIONS; i++)
		tls_open(&pairs[i], own, its);
	end = bench_seconds();
	for (i = 0; i < SESSIONS; i++)
		tls_close(&pairs[i]);
	SSL_CTX_free(own);
	SSL_CTX_free(its);
	return SESSIONS / (end - start);
}

int main(int argc, char **argv)
{
	static const char config[] = "auth = \"required\"; } ); trust = { mode = \"open\"; };";
	double sessions = 0, tls;
	int i, round;

	bench_begin(argc, argv);
	node_open(&hub, 0, config, NULL);
	for (i = 0; i < SESSIONS; i++)
		node_open(&others[i], i + 1, config, NULL);
	for (round = 0; round <= bench_rounds; round++) {
		if (round % 2 == 0)
			sessions = run_sessions();
		tls = run_tls();
		if (round % 2)
			sessions = run_sessions();
		bench_note(round, sessions, "session");
		bench_note(round, tls, "session_tls");
	}
	for (i = 0; i < SESSIONS; i++)
		node_close(&others[i]);
	node_close(&hub);
	return 0;
}
