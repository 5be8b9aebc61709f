#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How much memory does crowdshared take?
#
#	memory.sh BIN DIR ROUNDS
#
# Starts crowdshared, all of it but the module (kernel.c), in network namespaces of its own, and
# prints raw figures of /proc/PID/smaps and status, in KiB:
#
#	idle	with a port, an empty store and nobody there
#	busy	with 100,000 messages in the store and 20 peers, all with a session, keys and a
#		reconciliation behind them
#
#	rss	all pages that are in its memory
#	pss	of pages that other programs have too, its share only
#	dirty	pages that are its own, and nowhere on a disk: what nobody can take away
#	text	pages of the program and of libraries that are as on the disk; others share them
#	map	pages of the store's file; the kernel takes them back when it wants them
#	ring	the ring for frames that the kernel fills
#	most	the most that was its own and on no disk, while it reconciled with all of them
#
# No root is needed where user namespaces may be made.

set -u
bin=$(realpath "$1") dir=$(realpath "$2") rounds=$3
peers=20 messages=100000 port=35253

if [ -z "${CS_MEMORY_INSIDE-}" ]; then
	CS_MEMORY_INSIDE=1 exec unshare -Urn "$0" "$bin" "$dir" "$rounds"
fi

# the control socket's path must be short
run=$(mktemp -d)
trap 'kill "${jobs[@]}" 2>/dev/null; wait; rm -rf "$run"' EXIT
jobs=()

die() {
	printf 'memory.sh: %s\n' "$*" >&2
	exit 1
}

must() { "$@" || die "failed: $*"; }

# until_ok COMMAND...: waits for a minute at most.
until_ok() {
	local n
	for ((n = 0; n < 600; n++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	die "it never came: $*"
}

apart() { [ "$(readlink "/proc/$there/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

# network: this namespace has "hub", another one "peers" with an address for each of them.
network() {
	local i
	unshare -n sleep 1000 &
	jobs+=($!)
	there=$!
	until_ok apart
	must ip link add hub type veth peer name peers
	must ip link set hub addrgenmode none
	must ip link set peers addrgenmode none
	must ip link set peers netns "$there"
	must ip link set hub up
	must nsenter -t "$there" -n ip link set peers up
	must ip address add fe80::1/64 dev hub nodad
	for ((i = 0; i < peers; i++)); do
		must nsenter -t "$there" -n ip address add \
			"fe80::$(printf %x $((100 + i)))/64" dev peers nodad
	done
}

# begin STATE: starts crowdshared, which is in $daemon then.
begin() {
	cat >"$run/conf" <<-.
		log = "${CS_MEMORY_LOG-warning}";
		state = "$1"; identity = "$dir/identity.key"; control = "$run/control";
		device = { seen-max = 500000; };
		ports = ( { interface = "hub"; } );
		trust = { mode = "open"; };
		sessions = { port = $port; };
	.
	"$bin/crowdshared" -c "$run/conf" &
	daemon=$!
	jobs+=($!)
	until_ok test -S "$run/control"
	until_ok listens
}

listens() { [ -n "$(ss -Hltn "sport = :$port")" ]; }

end() {
	kill "$daemon"
	wait "$daemon" || die "crowdshared failed"
	rm -f "$run/control"
}

# note ROUND NAME: figures of now.
note() {
	awk -v round="$1" -v name="$2" '
		FILENAME ~ /smaps$/ && /^[0-9a-f]+-[0-9a-f]+ / {
			what = $6 ~ /data\.mdb$/ ? "map" : $6 ~ /packet|socket/ ? "ring" : \
				$6 ~ /^\// ? "text" : "other"
		}
		FILENAME ~ /smaps$/ && $1 == "Rss:" { v["rss"] += $2; rss = $2 }
		FILENAME ~ /smaps$/ && $1 == "Pss:" { v["pss"] += $2 }
		FILENAME ~ /smaps$/ && $1 == "Private_Dirty:" {
			v["dirty"] += $2
			if (what != "other")
				v[what] += rss - $2
		}
		END {
			split("rss pss dirty text map ring", names)
			for (i = 1; i <= 6; i++)
				print round, "memory_" name "_" names[i], v[names[i]] + 0
		}' "/proc/$daemon/smaps"
}

# watch: has the file "$run/most" hold the most anonymous memory that there was.
watch() {
	local key value most=0
	while sleep 0.02 && [ -e "/proc/$daemon/status" ]; do
		while read -r key value _; do
			[ "$key" = RssAnon: ] || continue
			[ "$value" -gt $most ] || continue
			most=$value
			echo "$most" >"$run/most"
		done <"/proc/$daemon/status"
	done
}

idle() {
	rm -rf "$dir/idle"
	mkdir "$dir/idle"
	begin "$dir/idle"
	sleep 2
	note "$1" idle
	end
}

# busy ROUND: both sides hold the same messages, but for a few.
busy() {
	rm -rf "$dir/busy" "$dir/peers"
	mkdir "$dir/busy" "$dir/peers"
	cp -r "$dir/fill/hub" "$dir/busy/store"
	cp -r "$dir/fill/peers" "$dir/peers/store"
	sync # or its pages count as dirty
	begin "$dir/busy"
	watch &
	jobs+=($!)
	coproc nsenter -t "$there" -n "$bin/peers" "$dir/peers" $peers peers fe80::1 $port
	# shellcheck disable=SC2154 # COPROC sets it
	jobs+=("$COPROC_PID")
	read -r line <&"${COPROC[0]}"
	[ "$line" = settled ] || die "the peers did not settle"
	sleep 2
	note "$1" busy
	echo "$1 memory_busy_most $(<"$run/most")"
	to=${COPROC[1]}
	exec {to}>&- # ends it
	wait "$COPROC_PID"
	end
}

network
must "$bin/peers" "$dir" identity
mkdir -p "$dir/fill"
must "$bin/peers" "$dir/fill" fill $messages
for ((round = 1; round <= rounds && round <= 3; round++)); do
	idle $round
done
busy 1
