#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Promise 6: strangers stay out. Nodes that require authentication on all ports, each with a port
# key that its neighbours know; pairwise keys for what is sent to one peer; rotation under traffic
# without a single frame lost; keys are never told.
#
#	a ------- b ------- c
#	  a-b b-a   b-c c-b
#
# Captured: all ports and devices. Tags are checked with another implementation than the module's.

. "$(dirname "$0")/lib.sh"

umask 077
# readable ones, to look for in what netlink says
key() { printf '%s' "$1" | head -c 1 | sed 's/./&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&/' >"$work/$1"; }

do_csnl() { csnl -n "$@" || die "csnl -n $*"; }

# knows NODE PORT PEER PEERPORT ID KEY: NODE takes frames of PEER that have this tag.
knows() { do_csnl "$1" peer key "$(mac "$3" "$4")" port "$2" rx "$5" "$work/$6"; }

send() { csmsg -s 200 "$@" || die "csmsg: $*"; }

no_keys() {
	before a b
	send -S 1 -c 3 a:cs0
	changed "without a port key nothing is sent" "a local:cs0 rx_frames 3" \
		"a local:cs0 rx_bytes $((3 * 352))" "a local:cs0 new 3" "a set:cs0 count 3" \
		"a port:a-b drops.tx_key 3"
}

port_keys() {
	do_csnl a port key a-b 1 "$work/A"
	do_csnl b port key b-a 2 "$work/B"
	do_csnl b port key b-c 3 "$work/C"
	do_csnl c port key c-b 4 "$work/D"
	do_csnl b peer add "$(mac a a-b)" port b-a
	do_csnl b peer add "$(mac c c-b)" port b-c
	do_csnl a peer add "$(mac b b-a)" port a-b
	do_csnl c peer add "$(mac b b-c)" port c-b
	knows a a-b b b-a 2 B
	knows b b-a a a-b 1 A
	knows b b-c c c-b 4 D
	knows c c-b b b-c 3 C
	capture a: b: c:
	send -S 2 -c 50 --digests "$work/sent" a:cs0
	send -S 3 -c 50 --digests "$work/back" c:cs0
	settle a b c
	captured
	rules "port keys: everything arrives, once" "exact c:cs0 in $work/sent" \
		"exact a:cs0 in $work/back" "exact b:cs0 in $work/sent $work/back"
	rules "port keys: each port makes the tags of its own key" "tagged a:a-b out 1 $work/A" \
		"tagged b:b-a out 2 $work/B" "tagged b:b-c out 3 $work/C" \
		"tagged c:c-b out 4 $work/D"
}

# A new key is known to the receiver before the sender uses it, the old one until it no longer does.
rotation() {
	local id old=3 drops="drops.key drops.tag drops.stranger" name pid rounds
	rounds=$(amount 6 3)
	capture c:cs0 b:b-c
	csmsg -s 200 -S 4 -c 100000 --rate 300 a:cs0 &
	pid=$!
	background+=("$pid")
	for ((id = 10; id < 10 + rounds; id++)); do
		head -c 32 /dev/urandom >"$work/rotated"
		knows c c-b b b-c $id rotated
		do_csnl b port key b-c $id "$work/rotated"
		# what b made with the old key has left it when the next command answers
		do_csnl c peer key "$(mac b b-c)" port c-b rx $old del
		old=$id
	done
	kill $pid
	settle a b c
	captured
	for name in $drops; do
		expect "rotation under traffic: no $name" "$(counter c port:c-b "$name")" 0
	done
	check "rotation under traffic: all that was sent was received" \
		test "$(seen_on b:b-c out)" = "$(seen_on c:cs0 in)"
	check "rotation under traffic: there was traffic" \
		test "$(seen_on c:cs0 in)" -gt $((rounds * 10))
	# the last key stays, under its old name too
	cp "$work/rotated" "$work/C"
	last=$old
}

removed() {
	before c
	do_csnl c peer key "$(mac b b-c)" port c-b rx "$last" del
	send -S 5 -c 7 a:cs0
	changed "key removed: frames drop for want of the key" "c port:c-b rx_frames 7" \
		"c port:c-b rx_bytes $((7 * 352))" "c port:c-b drops.key 7" \
		"c peer:c-b@$(mac b b-c) drops.key 0"
	do_csnl c peer del "$(mac b b-c)" port c-b
	before c
	send -S 6 -c 5 a:cs0
	changed "peer removed: frames are a stranger's" "c port:c-b rx_frames 5" \
		"c port:c-b rx_bytes $((5 * 352))" "c port:c-b drops.stranger 5"
}

pairwise() {
	local id
	do_csnl a peer key "$(mac b b-a)" port a-b tx 9 "$work/P"
	knows b b-a a a-b 9 P
	capture a: b:
	before a b
	send -S 7 -c 4 --dst "$(mac b b-a)" --digests "$work/sent" a:cs0
	changed "pairwise key: sent to the peer alone, and taken" "a local:cs0 rx_frames 4" \
		"a local:cs0 rx_bytes $((4 * 352))" "a local:cs0 new 4" "a set:cs0 count 4" \
		"a port:a-b tx_frames 4" "a port:a-b tx_bytes $((4 * 352))" \
		"b port:b-a rx_frames 4" "b port:b-a rx_bytes $((4 * 352))" "b port:b-a new 4" \
		"b port:b-a delivered 4" "b set:cs0 count 4" "b port:b-c tx_frames 4" \
		"b port:b-c tx_bytes $((4 * 352))" "b peer:b-a@$(mac a a-b) rx_frames 4" \
		"b peer:b-a@$(mac a a-b) rx_bytes $((4 * 352))" "b peer:b-a@$(mac a a-b) new 4"
	send -S 7 -c 4 --dst "$(mac b b-a)" a:cs0
	settle a b
	captured
	rules "pairwise key: makes the tag, and the peer is the destination" \
		"tagged a:a-b out 9 $work/P" "dst a:a-b out $(mac b b-a)" \
		"exact b:cs0 in $work/sent"
	expect "what was known is a repair" "$(counter a port:a-b tx_repairs)" 4
	for id in 21 22; do
		knows b b-a a a-b $id P
	done
	refuse "a fifth receive key" '4 receive keys' csnl -n b peer key "$(mac a a-b)" port b-a \
		rx 23 "$work/P"
	do_csnl b peer key "$(mac a a-b)" port b-a rx 22 "$work/A"
	pass "a key is replaced by one of the same id"
	refuse "removing a key that is not there" 'no key' csnl -n b peer key "$(mac a a-b)" \
		port b-a rx 99 del
}

untold() {
	nlfuzz raw a b c >"$work/raw" || die "nlfuzz raw"
	check "dumps say what ports there are" grep -qa 'b-c' "$work/raw"
	refuse "dumps do not contain keys" '^$' \
		grep -aE 'AAAAAAAA|BBBBBBBB|CCCCCCCC|DDDDDDDD|PPPPPPPP' "$work/raw"
}

load_module
for name in A B C D P; do
	key $name
done
node a b c
wires "a a-b b b-a 1500" "b b-c c c-b 1500"
port a a-b
port b b-a
port b b-c
port c c-b
no_keys
port_keys
rotation
removed
pairwise
untold
check "received = new + duplicates + drops" sums_hold a b c
finish
