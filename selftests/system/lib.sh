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

declare -A daemon_pid daemon_env

# Whatever happens: nothing is to wait for a daemon that nobody ends.
trap 'kill -KILL ${daemon_pid[*]} 2>/dev/null; cleanup' EXIT

# launch NODE: its daemon, with $work/NODE/conf, in the environment daemon_env[NODE].
launch() {
	# shellcheck disable=SC2086 # several variables
	ip netns exec "$1" env ${daemon_env[$1]-} crowdshared -c "$work/$1/conf" \
		2>>"$work/$1/log" &
	daemon_pid[$1]=$!
}

# start NODE...: the daemons; waits until they answer.
start() {
	local name
	for name; do
		launch "$name"
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

# running NODE: is its daemon?
running() { kill -0 "${daemon_pid[$1]}" 2>/dev/null; }

# ends NODE SECONDS: waits for the daemon to end by itself; its exit status is in $status.
ends() {
	local pid=${daemon_pid[$1]}
	gone() { ! running "$1"; }
	wait_for "$2" gone "$1" || return 1
	wait "$pid"
	status=$?
	daemon_pid[$1]=
}

# clock NODE SECONDS: its daemon's clock, from its next start on, is ahead by so much.
clock() {
	daemon_env[$1]="LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketime.so.1)"
	daemon_env[$1]+=" FAKETIME=$2 DONT_FAKE_MONOTONIC=1"
}

# reload NODE: its daemon reads its configuration again.
reload() {
	local before
	before=$(grep -c 'was read again' "$work/$1/log")
	kill -HUP "${daemon_pid[$1]}"
	has_read() { [ "$(grep -c 'was read again' "$work/$1/log")" -gt "$2" ]; }
	wait_for 20 has_read "$1" "$before" || die "$1: the configuration was not read again"
}

# settings NODE SETTINGS: a new configuration, read by the running daemon.
settings() {
	conf "$1" "$2"
	reload "$1"
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
		device: { name = "cs0"; seen-max = ${seen-30000}; };
		sessions: { hello = 1; timeout = ${timeout-6}; rotate = ${rotate-3600};
			overlap = ${overlap-2}; };
		store: { path = "${store-$work/$1/store}"; bytes = "${quota-64MiB}";
			share = ${share-25}; reconcile = 2; ${stores-} };
		ports = ( { interface = "$1-*"; auth = "${auth-required}";
			terms = "${terms-free}"; } );
		trust: { mode = "${trust-open}"; ${trusts-} };
		${2-}
	CONF
}

# bare NODE...: namespaces with IPv6, without duplicate address detection, which takes a second on
# each port.
bare() {
	local name
	namespaces "$@"
	for name; do
		ip netns exec "$name" sysctl -q -w net.ipv6.conf.all.disable_ipv6=0 \
			net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.default.accept_dad=0
	done
}

# network 'A B' ...: these, and wires between them.
network() {
	local pair a b
	# shellcheck disable=SC2046 # several names
	bare $(tr ' ' '\n' <<<"$*" | sort -u | grep .)
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

# logs NODE...: the last lines of their logs, but for what the test itself asked.
logs() {
	local name
	for name; do
		note "log of $name:"
		grep -v 'debug: control: ' "$work/$name/log" | tail -n 30 | sed 's/^/#   /'
	done
}
