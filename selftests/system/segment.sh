#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Twenty daemons on one segment: a bridge that knows nothing of them. Each has a session with each,
# a message of one reaches all the others, once and tagged; one is restarted, clocks differ by
# minutes.
#
#	n1 ─┐
#	... ├─ bridge
#	n20 ─┘
#
# Captured: the devices of all, which is what each node lets through.

. "$(dirname "$0")/lib.sh"

count=20
names=()
for ((i = 1; i <= count; i++)); do
	names+=("n$i")
done

segment() {
	local name list=()
	bare "${names[@]}"
	namespaces hub
	ip -n hub link add br0 type bridge mcast_snooping 0
	ip -n hub link set br0 up
	for name in "${names[@]}"; do
		list+=("$name $name-0 hub h-$name 1500")
	done
	wires "${list[@]}"
	printf "link set h-%s master br0\n" "${names[@]}" | ip -n hub -batch - || die "no bridge"
}

meshed() {
	local name
	for name in "${names[@]}"; do
		has_peers "$name" $((count - 1)) || return 1
	done
}

none_refused() {
	cscount "${names[@]}" | awk '
		$2 ~ /^port:/ && $3 ~ /^drops\.(tag|key|stranger)$/ && $4 { print; bad = 1 }
		END { exit bad }'
}

# spread WHAT SEED NODE: messages of a node reach all others.
spread() {
	local name all=()
	capture "${names[@]/%/:cs0}"
	csmsg -S "$2" -c 20 --rate 100 --digests "$work/sent" "$3:cs0" || die csmsg
	settle "${names[@]}"
	captured
	for name in "${names[@]}"; do
		[ "$name" = "$3" ] || all+=("exact $name:cs0 in $work/sent")
	done
	rules "$1: each of the others gets each message once" "${all[@]}"
	check "$1: nothing was refused" none_refused
}

load_module
segment
# twenty of them have one processor: each minds its time as in real use
timeout=30 overlap=10
for name in "${names[@]}"; do
	conf "$name"
done
clock n2 +240
clock n3 -240
began=$(uptime_seconds)
start "${names[@]}"
check "twenty daemons: each has a session with each" wait_for 120 meshed || logs n1 n2
note "after $(($(uptime_seconds) - began)) s"
spread "all" 1 n1
spread "a clock ahead by four minutes" 2 n2
spread "a clock behind by four minutes" 3 n3
stop n4 KILL
start n4
check "one was killed and started: all have it again" wait_for 120 meshed || logs n1 n4
spread "after that" 4 n4
for name in "${names[@]}"; do
	stop "$name"
done
check "received = new + duplicates + drops" sums_hold "${names[@]}"
drop_nodes
finish
