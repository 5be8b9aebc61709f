#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Reconciliation of stores of a thousand and of a hundred thousand messages, for a difference of
# ten: what it costs in bytes follows the difference.
#
#	a ------- b

. "$(dirname "$0")/lib.sh"

cut() { ip -n a link set a-b down; }
heal() { ip -n a link set a-b up; }

both_hold() { [ "$(held a)" = "$1" ] && [ "$(held b)" = "$1" ]; }

# fill UPTO: both hold so many.
fill() {
	local have
	have=$(held a)
	csmsg -S 1 -f "$have" -c $(($1 - have)) -s 64 --rate 4000 a:cs0 || die csmsg
	wait_for 300 both_hold "$1" || {
		logs a b
		die "not all of $1 messages arrived"
	}
}

# spent KEY: of reconciliation with b so far; what is counted begins anew with a peer that vanished.
spent() { get a ".[0].$1 // 0" peers; }

# differ COUNT: ten more on one side while the link is cut.
differ() {
	local bytes rounds
	cut
	wait_for 30 has_peers a 0
	csmsg -S 2 -f "$1" -c 10 -s 64 a:cs0 || die csmsg
	bytes=$(spent reconcile_bytes) rounds=$(spent rounds)
	heal
	check "$1 messages and ten more: they arrive" wait_for 60 both_hold $(($1 + 10)) || logs a b
	bytes=$(($(spent reconcile_bytes) - bytes)) rounds=$(($(spent rounds) - rounds))
	note "reconciliation of a difference of 10 in $1: $bytes bytes in $rounds rounds;" \
		"all digests: $(($1 * 64))"
	check "$1 messages and ten more: less than 2,000 bytes a round" \
		test "$rounds" -gt 0 -a "$bytes" -lt $((2000 * rounds))
}

load_module
network 'a b'
quota=512MiB share=100 seen=300000
conf a
conf b
start a b
check "sessions" all_up a 1 b 1
fill 1000
differ 1000
fill "$(amount 100000 10000)"
differ "$(amount 100000 10000)"
stop a
stop b
check "received = new + duplicates + drops" sums_hold a b
drop_nodes
finish
