// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: the ingest, as a hostile gateway speaks to it, over TLS. The input is what goes over
 * the connection; or it says of some messages what is wrong with each: then each is told just that,
 * and those that are new and right come to the inbox, and nothing else ever does.
 */
#include <endian.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>

#include "daemon/ingest.h"
#include "daemon/log.h"
#include "daemon/notice.h"
#include "daemon/receipt.h"
#include "daemon/wired.h"
#include "lib/message.h"

#define PAYLOAD	8
#define LEN	(sizeof(struct cs_msg_hdr) + PAYLOAD)
#define WAIT	20	/* milliseconds for what is not answered */

enum { RIGHT, DIGEST, FLAGS, DESTINATION, PORT, EXPIRED, LIFETIME, AGAIN, FLAWS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[48];
static struct event_base *base;
static struct event *timer;
static struct identity receiver, gateway;
static struct config config;
static struct ingest *ingest;
static SSL_CTX *tls;
static uint64_t begun;
static bool seen[1 << 16];
static size_t taken;

/* What the gateway hears. */
static struct {
	bool	over;
	bool	answered;
	size_t	nr_states;
	uint8_t	states[PROTO_BATCH_MAX];
} heard;

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

/* --- The ingest --- */

static void on_taken(const struct ingest_batch *batch, void *data)
{
	uint8_t digest[CS_DIGEST_LEN];
	size_t i;

	(void)data;
	for (i = 0; i < batch->receipt.nr_digests; i++) {
		check(!cs_sha512(batch->message[i] + CS_DIGEST_LEN,
				 batch->len[i] - CS_DIGEST_LEN, digest));
		check(!memcmp(digest, batch->message[i], CS_DIGEST_LEN));
		check(!memcmp(digest, batch->receipt.digests[i], CS_DIGEST_LEN));
	}
	taken += batch->receipt.nr_digests;
}

static void make_identity(struct identity *identity, const char *name)
{
	struct cs_error error;
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	check(!identity_open(identity, path, &error));
}

static void clean_up(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		perror(dir);
}

static void on_time(evutil_socket_t fd, short what, void *data)
{
	(void)fd;
	(void)what;
	(void)data;
	event_base_loopbreak(base);
}

static void start(void)
{
	struct cs_error error;
	char text[256];

	strcpy(dir, "/tmp/crowdshare-fuzz-XXXXXX");
	check(mkdtemp(dir));
	atexit(clean_up);
	signal(SIGPIPE, SIG_IGN); /* as crowdshared does */
	log_init(LOG_LEVEL_ERROR);
	make_identity(&receiver, "receiver");
	make_identity(&gateway, "gateway");
	snprintf(text, sizeof(text), "state = \"%s\"; ports = ();\n"
		 "ingest = { listen = \"[::1]:1\"; inbox = \"%s/inbox\"; per-source = 256; };",
		 dir, dir);
	check(!config_parse(&config, text, "fuzz", &error));
	config.ingest.port = 0; /* any that is free */
	base = event_base_new();
	tls = wired_tls(&gateway, &error);
	timer = evtimer_new(base, on_time, NULL);
	check(base && tls && timer);
	check(!ingest_open(&ingest, base, &config, &receiver, on_taken, NULL, &error));
	begun = time(NULL);
}

/* --- The gateway --- */

static void hear(const struct proto_letter *letter)
{
	if (letter->type == PROTO_RECEIPT) {
		check(!receipt_verify(&letter->receipt, NULL));
	} else if (letter->type == PROTO_CANCEL) {
		check(notice_verify(&letter->cancel));
	} else if (letter->type == PROTO_ACK) {
		heard.answered = true;
		heard.nr_states = letter->ack.nr_states;
		memcpy(heard.states, letter->ack.states, letter->ack.nr_states);
	} else {
		check(letter->type == PROTO_BYE);
	}
}

/* All that the ingest says is a letter. */
static void on_read(struct bufferevent *bev, void *data)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	struct proto_letter letter;
	uint32_t len;

	(void)data;
	while (evbuffer_copyout(input, &len, sizeof(len)) == sizeof(len)) {
		len = be32toh(len);
		if (evbuffer_get_length(input) < len + sizeof(len))
			break;
		check(!proto_decode(&letter, evbuffer_pullup(input, len + sizeof(len)) + 4, len,
				    NULL));
		hear(&letter);
		proto_free(&letter);
		evbuffer_drain(input, len + sizeof(len));
	}
	if (heard.answered)
		event_base_loopbreak(base);
}

static void on_event(struct bufferevent *bev, short what, void *data)
{
	(void)bev;
	(void)data;
	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	heard.over = true;
	event_base_loopbreak(base);
}

static struct bufferevent *dial(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
					.sin6_port = htobe16(ingest_port(ingest)) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct bufferevent *bev;

	address.sin6_addr = in6addr_loopback;
	check(!connect(fd, (struct sockaddr *)&address, sizeof(address)));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	bev = bufferevent_openssl_socket_new(base, fd, SSL_new(tls), BUFFEREVENT_SSL_CONNECTING,
					     BEV_OPT_CLOSE_ON_FREE);
	check(bev);
	bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	return bev;
}

static void run(unsigned int msec)
{
	struct timeval wait = { msec / 1000, msec % 1000 * 1000 };

	evtimer_add(timer, &wait);
	event_base_dispatch(base);
	evtimer_del(timer);
}

static void say(const uint8_t *data, size_t len, unsigned int msec)
{
	struct bufferevent *bev = dial();

	memset(&heard, 0, sizeof(heard));
	bufferevent_write(bev, data, len);
	run(msec);
	bufferevent_free(bev);
	run(1);
}

/* --- Messages --- */

/* A message, and what is to become of it. */
static enum proto_ack_state make(uint8_t *message, uint16_t serial, unsigned int flaw)
{
	struct cs_msg_hdr *hdr = (struct cs_msg_hdr *)message;

	memset(message, 0, LEN);
	memcpy(hdr->destination, flaw == DESTINATION ? gateway.address : receiver.address,
	       CS_ADDR_LEN);
	memcpy(hdr->chunk_id, &serial, sizeof(serial));
	hdr->expiry = htobe64(flaw == EXPIRED ? begun - 1 :
			      flaw == LIFETIME ? UINT64_MAX : begun + 36000);
	hdr->port = htobe16(ingest_port(ingest) + (flaw == PORT));
	hdr->length = htobe16(PAYLOAD);
	hdr->flags = flaw == FLAGS;
	check(!cs_sha512(message + CS_DIGEST_LEN, LEN - CS_DIGEST_LEN, message));
	message[serial % CS_DIGEST_LEN] ^= flaw == DIGEST;
	switch (flaw) {
	case DIGEST:
	case FLAGS:
		return PROTO_ACK_DIGEST;
	case DESTINATION:
	case PORT:
		return PROTO_ACK_DESTINATION;
	case EXPIRED:
		return PROTO_ACK_EXPIRED;
	case LIFETIME:
		return PROTO_ACK_LIFETIME;
	default:
		if (seen[serial])
			return PROTO_ACK_KNOWN;
		seen[serial] = true;
		return PROTO_ACK_NEW;
	}
}

/* Three bytes for each message: which one, and what is wrong with it. */
static void deliver(const uint8_t *data, size_t size)
{
	struct proto_letter letter = { .type = PROTO_DELIVER };
	static uint8_t messages[PROTO_BATCH_MAX][LEN];
	uint8_t expected[PROTO_BATCH_MAX], *out;
	size_t i, len, new = 0, before = taken;

	for (i = 0; i < PROTO_BATCH_MAX && size >= 3; i++, data += 3, size -= 3) {
		expected[i] = make(messages[i], data[0] << 8 | data[1], data[2] % FLAWS);
		new += expected[i] == PROTO_ACK_NEW;
	}
	if (!i)
		return;
	letter.deliver.messages = messages[0];
	letter.deliver.len = i * LEN;
	check(!proto_encode(&letter, &out, &len));
	say(out, len, 10000);
	free(out);
	check(heard.answered && heard.nr_states == i && !memcmp(heard.states, expected, i));
	check(taken == before + new);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!base)
		start();
	if (!size)
		return 0;
	if (data[0] & 0x80)
		deliver(data + 1, size - 1);
	else
		say(data + 1, size - 1, WAIT);
	return 0;
}
