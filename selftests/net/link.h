/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packet sockets on interfaces of any network namespace. See link.c.
 */
#ifndef LINK_H
#define LINK_H

#include <stdint.h>

/**
 * struct link - an interface that is sent on or listened to
 * @label: as the user wrote it: NAMESPACE:DEVICE, or DEVICE in the current one
 * @fd: packet socket, bound to the interface
 * @ifindex: of the interface, in its namespace
 * @mac: of the interface
 */
struct link {
	const char *label;
	int fd;
	int ifindex;
	uint8_t mac[6];
};

void link_open(struct link *link, const char *label, int protocol);
int link_list(const char *label, char **labels, int max);
void link_parse_mac(const char *text, uint8_t *mac);

#endif /* LINK_H */
