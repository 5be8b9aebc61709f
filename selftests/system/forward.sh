#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Store and forward: a network falls apart for an hour, and heals: what was sent meanwhile arrives,
# unless it has expired. A message that reached its destination is dropped by all who hold it. What
# is held survives the daemon.
#
#	a ------- b ------- c ------- d
#	            cut here
#
# Captured: all ports and devices.

. "$(dirname "$0")/lib.sh"

messages=$(amount 500 100)

all_hold() {
	local name
	for name; do
		[ "$(held "$name")" = "$count" ] || return 1
	done
}

cut() { ip -n b link set b-c down; }
heal() { ip -n b link set b-c up; }

# An hour passes: the clock of the guest is set.
pass_an_hour() { date -s "@$(($(date +%s) + 3600))" >/dev/null || die "can't set the clock"; }

partition() {
	cut
	check "the link is cut: the session ends" wait_for 30 has_peers c 1
	csmsg -S 1 -c "$messages" --rate 400 --digests "$work/left" a:cs0 || die csmsg
	csmsg -S 2 -c "$messages" --rate 400 --digests "$work/right" d:cs0 || die csmsg
	count=$messages
	check "each side holds its own" wait_for 30 all_hold a b c d
	csmsg -S 5 -c 10 --rate 400 --expiry +1800 a:cs0 || die csmsg
	count=$((messages + 10))
	check "and some that live for half an hour" wait_for 30 all_hold a b
	pass_an_hour
	count=$messages
	check "an hour later: these are dropped" wait_for 60 all_hold a b || logs a b
	capture a: b: c: d:
	heal
	count=$((2 * messages))
	check "healed: all hold all" wait_for 60 all_hold a b c d || logs b c
	settle a b c d
	captured
	rules "healed: at most once on each port" 'repaired *-* out'
	rules "healed: what b got over the session it sends on to a" "exact a:cs0 in $work/right"
	rules "healed: what c got over the session it sends on to d" "exact d:cs0 in $work/left"
	bytes=$(get b '[.[] | .reconcile_bytes] | add' peers)
	note "reconciliation of two times $messages: $bytes bytes"
}

restart() {
	stop b KILL
	start b
	count=$((2 * messages))
	check "the store survives a kill" all_hold b
	all_up b 2
}

difference() {
	local bytes
	count=$((count + 10))
	cut
	wait_for 30 has_peers c 1
	csmsg -S 3 -c 10 --rate 400 a:cs0 || die csmsg
	heal
	check "ten more" wait_for 60 all_hold a b c d || logs b c
	# a peer that had vanished is counted anew
	bytes=$(get b ".[] | select(.port == \"b-c\") | .reconcile_bytes" peers)
	note "reconciliation of a difference of 10 in $count: $bytes bytes"
	check "they follow the difference: less than 16 for each of $count" \
		test "$bytes" -lt $((16 * count))
}

missed() { get b .missed status; }
frames() { get b .frames status; }
told() { [ "$(($(missed) + $(frames)))" = "$1" ]; }

# The daemon of b does nothing for some seconds: its kernel forwards all the same, the daemon counts
# exactly what it missed, and gets it from its neighbours.
overrun() {
	local sum burst=4000
	sum=$(($(missed) + $(frames) + burst))
	kill -STOP "${daemon_pid[b]}"
	capture b:
	csmsg -S 6 -c $burst --rate 2000 --digests "$work/burst" a:cs0 || die csmsg
	settle a b c d
	captured
	rules "a daemon that does nothing: the kernel forwards" "exact b:b-c out $work/burst"
	kill -CONT "${daemon_pid[b]}"
	check "it counts exactly what it missed" wait_for 30 told $sum || logs b
	check "it did miss some" test "$(missed)" -gt 0
	count=$((count + burst))
	check "and gets it from its neighbours" wait_for 120 all_hold a b c d || logs a b c d
}

cancelled() {
	local to
	to=$(address d)
	csmsg -S 4 -c 20 --rate 400 --to "$to" a:cs0 || die csmsg
	check "the destination keeps what is its own" wait_for 30 holds d $((count + 20))
	check "delivered: all others drop it" wait_for 30 all_hold a b c || logs a d
	expect "and remember that" "$(get a .cancelled store)" 20
}

load_module
network 'a b' 'b c' 'c d'
for name in a b c d; do
	conf $name
done
start a b c d
check "sessions" all_up a 1 b 2 c 2 d 1
partition
restart
difference
overrun
cancelled
for name in a b c d; do
	stop $name
done
check "received = new + duplicates + drops" sums_hold a b c d
drop_nodes
finish
