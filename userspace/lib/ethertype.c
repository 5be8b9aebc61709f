// SPDX-License-Identifier: GPL-2.0
/*
 * The EtherType of messages: the module may have been loaded with another one than the usual.
 */
#include <stdio.h>

#include <crowdshare/wire.h>

#include "lib/ethertype.h"

/**
 * cs_ethertype() - the EtherType of messages on this host
 *
 * Return: what the module tells in sysfs, or the usual one if it is not loaded.
 */
uint16_t cs_ethertype(void)
{
	FILE *file = fopen("/sys/module/crowdshare/parameters/ethertype", "re");
	unsigned int value = CS_ETHERTYPE;

	if (!file)
		return CS_ETHERTYPE;
	if (fscanf(file, "%u", &value) != 1 || value > 0xffff)
		value = CS_ETHERTYPE;
	fclose(file);
	return value;
}
