#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Meshes in one kernel on one CPU: how much payload all nodes together get for a second of CPU time,
# when one node sends and everybody is to have everything, with crowdshare and with batman-adv,
# which verifies nothing. Run by scripts/bench/run in a guest.
#
# A node is a network namespace, a link a veth pair; both have links of their own in the same
# namespaces. The CPU does nothing else, so time is CPU time. What was lost in queues would be
# missing in the count, and is reported.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
frames=$((1600 / scale))
header=14 headers=166

# full NODES, grid SIDE: pairs of nodes.
full() {
	local a b
	for ((a = 1; a <= $1; a++)); do
		for ((b = a + 1; b <= $1; b++)); do
			echo "$a $b"
		done
	done
}

grid() {
	local a
	for ((a = 1; a <= $1 * $1; a++)); do
		[ $((a % $1)) = 0 ] || echo "$a $((a + 1))"
		[ "$a" -gt $(($1 * $1 - $1)) ] || echo "$a $((a + $1))"
	done
}

# commands PAIRS: the links of both, for ip -batch; c is crowdshare's, m batman-adv's.
commands() {
	local a b kind
	for kind in c m; do
		while read -r a b; do
			echo "link add $kind${a}x$b mtu 1600 netns n$a type veth" \
				"peer name $kind${b}x$a mtu 1600 netns n$b"
		done <<<"$1"
	done
}

# node NUMBER PAIRS: its devices.
node() {
	local n=n$1 other
	local others
	others=$(awk -v n="$1" '$1 == n { print $2 } $2 == n { print $1 }' <<<"$2")
	ip netns exec "$n" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	{
		echo 'link add cs0 mtu 1600 type crowdshare'
		echo 'link add bat0 type batadv'
		for other in $others; do
			echo "link set c$1x$other up"
			echo "link set m$1x$other up master bat0"
		done
		echo 'link set cs0 up'
		echo 'link set bat0 up'
	} | ip -n "$n" -batch - || die "node $1"
	ip netns exec "$n" batctl meshif bat0 bl 0 2>/dev/null
	"$csnl" -n "$n" dev set cs0 seen-max 200000 || die "node $1"
	for other in $others; do
		"$csnl" -n "$n" port add "c$1x$other" dev cs0 auth off || die "node $1"
	done
}

# converged NODES PAIRS: does each node of batman-adv see all its neighbours, and all other nodes?
converged() {
	local n seen
	for ((n = 1; n <= $1; n++)); do
		seen=$(ip netns exec n$n batctl meshif bat0 n -H 2>/dev/null | grep -c .)
		[ "$seen" -ge "$(awk -v n="$n" '$1 == n || $2 == n' <<<"$2" | grep -c .)" ] ||
			return
		seen=$(ip netns exec n$n batctl meshif bat0 o -H 2>/dev/null | grep -c '^ \*')
		[ "$seen" -ge $(($1 - 1)) ] || return
	done
}

# send ROUND NAME DEV KIND EXPECTED OVERHEAD: notes delivered bytes of payload per second.
send() {
	echo "tx $3 $4 $frames 1400" >/tmp/command
	nsenter --net=/run/netns/n1 sh -c "cat /tmp/command >$run" ||
		die "$2: $(</tmp/command): failed"
	read -ra answer <$run
	# frames N ns T delivered D
	note "$1" "$2" "$(awk -v d="${answer[5]}" -v t="${answer[3]}" -v o="$6" \
		'BEGIN { print d * (1400 - o) / t * 1e9 }')"
	note "$1" "$2_lost" $(($5 - answer[5]))
}

# mesh NAME NODES PAIRS
mesh() {
	local name=$1 nodes=$2 pairs=$3 n round
	for ((n = 1; n <= nodes; n++)); do
		ip netns add n$n || die "no namespace n$n"
	done
	commands "$pairs" | ip -batch - || die "no links"
	for ((n = 1; n <= nodes; n++)); do
		node $n "$pairs"
	done
	for ((n = 0; n < 60; n++)); do
		! converged "$nodes" "$pairs" || break
		sleep 1
	done
	[ $n -lt 60 ] || die "$name: batman-adv does not converge"
	echo "$name: batman-adv converged after $n s"
	for ((round = 0; round <= rounds; round++)); do
		send $round "cs_$name" cs0 new $((frames * (nodes - 1))) $headers
		send $round "batman_$name" bat0 foreign $((frames * (nodes - 1))) $header
	done
	for ((n = 1; n <= nodes; n++)); do
		ip netns del n$n
	done
}

begin
modprobe veth
modprobe batman-adv
load
# bursts must fit: a frame that is lost in a queue costs nothing, and would be missing in the count
sysctl -qw net.core.netdev_max_backlog=20000
mesh full5 5 "$(full 5)"
mesh grid9 9 "$(grid 3)"
mesh full8 8 "$(full 8)"
