/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The configuration file. See config.c, and crowdshared.conf(5) for what each setting means.
 */
#ifndef CSD_CONFIG_H
#define CSD_CONFIG_H

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/crowdshare.h>

#include "daemon/log.h"
#include "lib/error.h"

#define CONFIG_PATH_DEFAULT	"/etc/crowdshare/crowdshared.conf"
#define CONTROL_PATH_DEFAULT	"/run/crowdshare/control"
#define CONFIG_NAME_LEN		64
#define CONFIG_GEOHASH_LEN	13	/* 12 digits: 4 cm */
#define CONFIG_URL_LEN		512

enum trust_mode {
	TRUST_OPEN,
	TRUST_LIST,
	TRUST_CA,
};

/**
 * struct config_device - device {}
 * @name: of the crowdshare interface
 * @seen_max: entries of its seen-set
 * @lifetime_max: seconds
 * @deliver: enum crowdshare_deliver
 */
struct config_device {
	char		name[IFNAMSIZ];
	uint32_t	seen_max;
	uint32_t	lifetime_max;
	uint32_t	deliver;
};

/**
 * struct config_port - an entry of ports ()
 * @interface: name, or a pattern of fnmatch(3)
 * @echo: enum crowdshare_echo
 * @auth: enum crowdshare_auth
 * @terms: enum crowdshare_peer_state that trusted peers get here if the trust list names none
 */
struct config_port {
	char		interface[IFNAMSIZ];
	uint32_t	echo;
	uint32_t	auth;
	uint32_t	terms;
};

/**
 * struct config_peer - an entry of trust { peers () }
 * @address: of the peer
 * @name: what it is called here
 * @state: enum crowdshare_peer_state, or UINT32_MAX: as the port's terms say
 * @rating: per mille, 100 to 10000; prices are divided by it; 1000 if not set
 */
struct config_peer {
	uint8_t		address[16];
	char		name[CONFIG_NAME_LEN];
	uint32_t	state;
	uint32_t	rating;
};

/**
 * struct config_trust - trust {}
 * @mode: enum trust_mode
 * @peers: known peers
 * @nr_peers: number of @peers
 * @ca: PEM certificate of the community, with mode ca
 * @certificate: PEM certificate of this node that the community signed, with mode ca
 */
struct config_trust {
	enum trust_mode		mode;
	struct config_peer	*peers;
	size_t			nr_peers;
	char			ca[PATH_MAX];
	char			certificate[PATH_MAX];
};

/**
 * struct config_sessions - sessions {}
 * @tcp_port: where sessions are accepted; also the UDP port of discovery
 * @hello: seconds between two beacons
 * @timeout: seconds of silence after which a peer has vanished
 * @rotate: seconds between two rotations of keys
 * @overlap: seconds that the old receive keys stay after a rotation
 * @rate: new messages a second taken from one peer, 0: no limit
 * @byterate: their bytes a second, 0: no limit
 */
struct config_sessions {
	uint16_t	tcp_port;
	uint32_t	hello;
	uint32_t	timeout;
	uint32_t	rotate;
	uint32_t	overlap;
	uint32_t	rate;
	uint64_t	byterate;
};

/**
 * struct config_store - store {}
 * @path: directory
 * @bytes: quota
 * @share: per cent of @bytes that the messages of one peer may take
 * @age: seconds that a message is kept at most
 * @in: bytes a second taken over sessions, 0: no limit
 * @out: bytes a second given over sessions, 0: no limit
 * @reconcile: seconds between two reconciliations with a peer
 * @cancelled: how many cancelled messages are remembered
 */
struct config_store {
	char		path[PATH_MAX];
	uint64_t	bytes;
	uint32_t	share;
	uint32_t	age;
	uint64_t	in;
	uint64_t	out;
	uint32_t	reconcile;
	uint32_t	cancelled;
};

/**
 * struct config_rate - an entry of market { rates () }
 * @geohash: prefix of positions where it holds, "" everywhere
 * @rate: millipoints per MiB
 */
struct config_rate {
	char		geohash[CONFIG_GEOHASH_LEN];
	uint64_t	rate;
};

/**
 * struct config_prefix - an IPv6 prefix
 * @address: its bits, and zeros
 * @len: how many bits it has
 */
struct config_prefix {
	uint8_t	address[16];
	uint8_t	len;
};

/**
 * struct config_policy - policy {} and market {}: what this node takes, and for how much
 * @position: geohash of where it is, "": unknown
 * @rates: the market; the longest prefix of @position holds
 * @nr_rates: number of @rates
 * @battery_dir: /sys/class/power_supply, or what stands in for it
 * @battery_min: per cent under which, unless plugged in, nothing is taken
 * @battery_full: per cent from which on the price is not raised
 * @plan_interface: metered interface, "": none
 * @plan_bytes: bytes a month
 * @plan_day: day of the month on which the plan begins anew
 * @plan_near: per cent of @plan_bytes from which on the limit is near
 * @plan_overage: millipoints per MiB that the carrier charges beyond; 0: nothing is taken beyond
 * @offers: offers a second taken from one peer, 0: no limit
 * @min_rating: per mille: offers of a peer under it are refused
 * @deny_destinations: destinations that are not carried: IPv6 prefixes
 * @nr_deny: number of @deny_destinations
 * @contract_time: seconds that a contract lasts
 */
struct config_policy {
	char			position[CONFIG_GEOHASH_LEN];
	struct config_rate	*rates;
	size_t			nr_rates;
	char			battery_dir[PATH_MAX];
	uint32_t		battery_min;
	uint32_t		battery_full;
	char			plan_interface[IFNAMSIZ];
	uint64_t		plan_bytes;
	uint32_t		plan_day;
	uint32_t		plan_near;
	uint64_t		plan_overage;
	uint32_t		offers;
	uint32_t		min_rating;
	struct config_prefix	*deny_destinations;
	size_t			nr_deny;
	uint32_t		contract_time;
};

/**
 * struct config_offers - offers {}: what this node pays
 * @max_price: millipoints per MiB that are accepted without asking
 * @budget: millipoints that may be promised in a day
 * @ask: leave bids to "crowdshare offers accept|reject" that the rule does not accept; else they
 *	are rejected
 * @wait: seconds that a bid waits for an answer
 */
struct config_offers {
	uint64_t	max_price;
	uint64_t	budget;
	bool		ask;
	uint32_t	wait;
};

/**
 * struct config_network - an entry of gateway { networks () }: how a home network is known
 * @router: by the MAC of the router that the default route leads to; else by @prefix
 * @lladdr: that MAC
 * @prefix: in which the uplink has an address
 */
struct config_network {
	bool			router;
	uint8_t			lladdr[6];
	struct config_prefix	prefix;
};

/**
 * struct config_gateway - gateway {}
 * @interface: the uplink, "": not a gateway
 * @destinations: prefixes of destinations that are served
 * @nr_destinations: number of @destinations
 * @networks: home networks; none: any network will do
 * @nr_networks: number of @networks
 * @metered: bytes cost something: only what this node sent or is paid for is delivered
 * @batch: messages that are delivered at once, at most
 */
struct config_gateway {
	char			interface[IFNAMSIZ];
	struct config_prefix	*destinations;
	size_t			nr_destinations;
	struct config_network	*networks;
	size_t			nr_networks;
	bool			metered;
	uint32_t		batch;
};

/**
 * struct config_bucket - ingest { bucket {} }
 * @url: of an S3-compatible bucket, and a prefix in it; "": none
 * @region: that requests are signed for
 * @access_key: file of the key's id
 * @secret_key: file of the key
 * @ca: PEM file of those who certify the server, "": the system's
 */
struct config_bucket {
	char	url[CONFIG_URL_LEN];
	char	region[CONFIG_NAME_LEN];
	char	access_key[PATH_MAX];
	char	secret_key[PATH_MAX];
	char	ca[PATH_MAX];
};

/**
 * struct config_vouch - ingest { vouch {} }
 * @key: file of the provider's RSA key, "": none
 * @senders: directory of the cards of those who are vouched for
 */
struct config_vouch {
	char	key[PATH_MAX];
	char	senders[PATH_MAX];
};

/**
 * struct config_ingest - ingest {}
 * @inbox: directory of messages, "": not an ingest
 * @vouch: whom it vouches for, if it has a key
 * @bucket: where they go from @inbox, if it has a URL
 * @address: where it listens
 * @port: likewise; also the port of the messages that it takes
 * @bytes: that may wait in @inbox
 * @connections: in all
 * @per_source: of one source, a /64
 * @rate: bytes a second taken on one connection, 0: no limit
 * @destinations: prefixes that it takes messages for besides the address that was connected to
 * @nr_destinations: number of @destinations
 */
struct config_ingest {
	char			inbox[PATH_MAX];
	struct config_vouch	vouch;
	struct config_bucket	bucket;
	uint8_t			address[16];
	uint16_t		port;
	uint64_t		bytes;
	uint32_t		connections;
	uint32_t		per_source;
	uint64_t		rate;
	struct config_prefix	*destinations;
	size_t			nr_destinations;
};

/**
 * struct config - the whole file
 * @path: where it was read from
 * @level: what is logged
 * @identity: file of the Ed25519 key
 * @state: directory of what outlives a restart: seen-set, data plan, ledger
 * @control: control socket
 * @device: device {}
 * @ports: ports ()
 * @nr_ports: number of @ports
 * @trust: trust {}
 * @sessions: sessions {}
 * @store: store {}
 * @policy: policy {} and market {}
 * @offers: offers {}
 * @gateway: gateway {}
 * @ingest: ingest {}
 */
struct config {
	char			path[PATH_MAX];
	enum log_level		level;
	char			identity[PATH_MAX];
	char			state[PATH_MAX];
	char			control[PATH_MAX];
	struct config_device	device;
	struct config_port	*ports;
	size_t			nr_ports;
	struct config_trust	trust;
	struct config_sessions	sessions;
	struct config_store	store;
	struct config_policy	policy;
	struct config_offers	offers;
	struct config_gateway	gateway;
	struct config_ingest	ingest;
};

/* Not config_read(): libconfig has a function of that name. */
int config_load(struct config *config, const char *path, struct cs_error *error);
int config_parse(struct config *config, const char *text, const char *path,
		 struct cs_error *error);
void config_free(struct config *config);
const struct config_port *config_port(const struct config *config, const char *interface);

#endif /* CSD_CONFIG_H */
