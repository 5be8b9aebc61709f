// SPDX-License-Identifier: GPL-2.0
/*
 * An ingest for tests, in the event loop of the nodes, with a directory of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/receiver.h"
#include "lib/ethertype.h"
#include "lib/hex.h"
#include "service.h"
#include "tempdir.h"

const uint8_t loopback[CS_ADDR_LEN] = { [15] = 1 };
uint16_t service_port;
struct identity receiver;
struct ingest *ingest;
size_t taken;

static struct config config;
static char dir[64];

static void on_taken(const struct ingest_batch *batch, void *data)
{
	(void)data;
	taken += batch->receipt.nr_digests;
}

void service_begin(void)
{
	char path[128];

	tempdir_make(dir, "service");
	snprintf(path, sizeof(path), "%s/identity.key", dir);
	OK(identity_open(&receiver, path, error));
	service_port = 0;
	taken = 0;
}

void service_end(void)
{
	service_stop();
	nodes_run(20);
	identity_close(&receiver);
	tempdir_remove(dir);
}

void service_start(const char *more)
{
	char text[512];

	snprintf(text, sizeof(text), "state = \"%s\"; ports = ();\n"
		 "ingest = { listen = \"[::1]:1\"; inbox = \"%s/inbox\"; %s };", dir, dir, more);
	OK(config_parse(&config, text, "ingest", error));
	config.ingest.port = service_port; /* 0: any that is free */
	OK(ingest_open(&ingest, nodes_base, &config, &receiver, on_taken, NULL, error));
	service_port = ingest_port(ingest);
}

void service_stop(void)
{
	if (!ingest)
		return;
	ingest_close(ingest);
	ingest = NULL;
	config_free(&config);
}

void service_empty(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm %s/inbox/*.messages", dir);
	assert_int_equal(system(command), 0);
}

void know_receiver(int i, const uint8_t key[IDENTITY_PUBLIC_LEN])
{
	char hex[2 * IDENTITY_PUBLIC_LEN + 1];
	json_t *request;

	cs_hex(hex, key, IDENTITY_PUBLIC_LEN);
	request = json_pack("{s:s, s:i, s:s}", "address", "::1", "port", service_port, "key", hex);
	OK(receiver_add(&nodes[i].daemon, request, error));
	json_decref(request);
}

size_t service_frame(uint8_t *frame, size_t payload)
{
	static uint8_t data[CS_SLICE_MAX];
	static uint32_t serial;
	struct cs_frame message = {
		.ethertype = cs_ethertype(),
		.link = CS_LINK_INIT,
		.message = { .expiry = time(NULL) + 3600, .port = service_port, .length = payload,
			     .k = 1, .n = 1, .chunk_length = payload, .payload = data },
	};
	size_t len;

	memset(message.to, 0xff, sizeof(message.to));
	memcpy(message.message.destination, loopback, CS_ADDR_LEN);
	serial++;
	memcpy(message.message.chunk_id, &serial, sizeof(serial));
	len = cs_frame_build(frame, CS_FRAME_HLEN + payload, &message);
	assert_true(len);
	return len;
}

void send_messages(int i, size_t count)
{
	static uint8_t frame[CS_FRAME_HLEN + 2000];

	while (count--)
		fake_receive(nodes[i].daemon.kernel, frame, service_frame(frame, 1000 + count),
			     true);
}
