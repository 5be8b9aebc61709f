/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What cscap saw: the file between its two halves, the one that captures (capture.c) and the one
 * that judges (rules.c). Written and read on the same machine, in its byte order.
 */
#ifndef CAPLOG_H
#define CAPLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crowdshare/wire.h>

#define CAPLOG_MAGIC	0x63736c31
#define CAPLOG_LABEL	64
#define CAP_FOREIGN	(CS_ETHERTYPE + 1)	/* stands for all that is not ours */

enum cap_dir {
	CAP_IN,
	CAP_OUT,
};

/**
 * struct cap_iface - an interface that was listened to
 * @label: NAMESPACE:DEVICE
 * @lost: frames that the kernel could not queue for us; a log with any proves nothing
 * @foreign: frames of EtherType CAP_FOREIGN, by direction
 */
struct cap_iface {
	char label[CAPLOG_LABEL];
	uint64_t lost;
	uint64_t foreign[2];
};

/**
 * struct cap_frame - a frame of our EtherType
 * @iface: index of the interface
 * @dir: enum cap_dir
 * @whole: it is a message, of the length that it says, and its digest is right
 * @len: of the frame, Ethernet header included
 * @dst: destination MAC
 * @src: source MAC
 * @link: link header
 * @digest: what it claims
 */
struct cap_frame {
	uint16_t iface;
	uint8_t dir;
	uint8_t whole;
	uint32_t len;
	uint8_t dst[6];
	uint8_t src[6];
	struct cs_link_hdr link;
	uint8_t digest[CS_DIGEST_LEN];
};

struct cap_log {
	uint32_t magic;
	uint32_t nr_ifaces;
	uint64_t nr_frames;
	struct cap_iface *ifaces;
	struct cap_frame *frames;
};

void caplog_write(const struct cap_log *log, const char *file);
void caplog_read(struct cap_log *log, const char *file);

void capture(const char *file, char **labels, int nr);
void capture_stop(const char *file);

bool rules_check(struct cap_log *log, char **rules, int nr);
void rules_table(struct cap_log *log);
void rules_dump(struct cap_log *log);
void rules_help(void);

#endif /* CAPLOG_H */
