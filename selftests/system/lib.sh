# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Sourced by the system tests: real daemons on the real module, a node of selftests/net/lib.sh each.
#
# Further environment: none. A daemon's directory is $work/NODE: its configuration, state, store,
# control socket and log.

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
# shellcheck source=../net/lib.sh
. "$here/../net/lib.sh"

declare -A daemon_pid

# start NODE...: the daemons, each with $work/NODE/conf; waits until they answer.
start() {
	local name
	for name; do
		ip netns exec "$name" crowdshared -c "$work/$name/conf" 2>>"$work/$name/log" &
		daemon_pid[$name]=$!
	done
	for name; do
		wait_for 60 answers "$name" || {
			tail -n 20 "$work/$name/log" | sed 's/^/# /' >&3
			die "$name: crowdshared does not answer"
		}
	done
}

answers() { cs "$1" status >/dev/null 2>&1; }

# stop NODE [SIGNAL]
stop() {
	kill "-${2-TERM}" "${daemon_pid[$1]}" 2>/dev/null
	wait "${daemon_pid[$1]}" 2>/dev/null
	daemon_pid[$1]=
}

# cs NODE ARGUMENT...: crowdshare, of that node's daemon.
cs() {
	local name=$1
	shift
	ip netns exec "$name" crowdshare -s "$work/$name/control" -c "$work/$name/conf" "$@"
}

# get NODE FILTER ARGUMENT...: what jq makes of its JSON.
get() {
	local name=$1 filter=$2
	shift 2
	cs "$name" -j "$@" 2>/dev/null | jq -r "$filter"
}

# conf NODE [SETTINGS]: its configuration; SETTINGS stand behind what all have. All times are short.
conf() {
	mkdir -p "$work/$1"
	cat >"$work/$1/conf" <<-CONF
		log = "debug";
		identity = "$work/$1/identity.key";
		state = "$work/$1";
		control = "$work/$1/control";
		device: { name = "cs0"; seen-max = 30000; };
		sessions: { hello = 1; timeout = ${timeout-6}; rotate = ${rotate-3600};
			overlap = ${overlap-2}; };
		store: { path = "$work/$1/store"; bytes = "${quota-64MiB}"; reconcile = 2; };
		ports = ( { interface = "$1-*"; auth = "${auth-required}";
			terms = "${terms-free}"; } );
		trust: { mode = "${trust-open}"; ${trusts-} };
		${2-}
	CONF
}

# network 'A B' ...: namespaces and wires between them, with IPv6, without duplicate address
# detection, which takes a second on each port.
network() {
	local pair a b all
	all=$(tr ' ' '\n' <<<"$*" | sort -u | grep .)
	# shellcheck disable=SC2086 # several names
	namespaces $all
	for a in $all; do
		ip netns exec "$a" sysctl -q -w net.ipv6.conf.all.disable_ipv6=0 \
			net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.default.accept_dad=0
	done
	for pair; do
		read -r a b <<<"$pair"
		wires "$a $a-$b $b $b-$a 1500"
	done
}

# peers NODE: how many sessions it has.
peers() { get "$1" '[.[] | select(.status == "up")] | length' peers; }
has_peers() { [ "$(peers "$1")" = "$2" ]; }
address() { get "$1" .address status; }
held() { get "$1" .messages store; }
holds() { [ "$(held "$1")" = "$2" ]; }

# all_up NODE COUNT ...: waits for sessions.
all_up() {
	while [ $# -gt 0 ]; do
		wait_for 60 has_peers "$1" "$2" || {
			tail -n 30 "$work/$1/log" | sed 's/^/# /'
			return 1
		}
		shift 2
	done
}

logs() {
	local name
	for name; do
		note "log of $name:"
		tail -n "${2-30}" "$work/$name/log" | sed 's/^/#   /'
	done
}
