#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Files from a person to another, over links that lose a third of all frames, by way of a relay that
# is killed and cut off meanwhile; what the relay has and what passed show nothing of them.
#
#	a (alice) ------- b (relay) ------- c (carol)
#	           30 %              30 %
#
# Captured: both ports of b, whole.

. "$(dirname "$0")/people.sh"

lines=$(amount 4000 2500) # of 64 bytes
name='families-of-the-village-2026.txt'
account='alice-from-the-other-side'

cards() {
	mkdir -p "$work/home-a" "$work/home-c"
	user c id new --bits 2048 >/dev/null || die "no key"
	user c id new --bits 2048 --role provider >/dev/null || die "no key"
	user c id export --role provider --address fd00::99 >"$work/provider.card" || die "no card"
	user c id export --provider "$work/provider.card" >"$work/c.card" || die "no card"
}

# Carol has some of it when the link to her breaks and the relay is killed; alice still sends.
put_file() {
	local pid
	content >"$work/home-a/$name"
	patterns >"$work/patterns"
	user a put "$name" --to "$work/c.card" --account "$account" --max-price 1.5 --rate 1 \
		>"$work/id" &
	pid=$!
	check "some of it has reached c" wait_for 60 has_some || logs a b c
	ip -n b link set b-c down
	stop b KILL
	cp "$work/b/store/data.mdb" "$work/stored"
	wait $pid
	expect "put: exit status" $? 0
	id=$(cat "$work/id")
	check "put: prints an id" grep -qE '^[0-9a-f]{32}$' <<<"$id"
	count=$(user a -j sent "$id" | jq .messages)
	expect "sent: all of it is in the store, but what c has signed for" \
		"$(user a -j sent "$id" | jq '.stored + .delivered')" "$count"
}

caught_up() { [ "$(held a)" -gt 0 ] && [ "$(held a)" = "$(held b)" ]; }

has_some() { [ "$(held c)" -ge 20 ]; }
part_of_it() { [ "$(held c)" -gt 0 ] && [ "$(held c)" -lt "$count" ]; }
not_yet() {
	user c get "$id"
	[ $? = 1 ]
}

interrupted() {
	check "c has a part" part_of_it
	check "get: not all of it is here yet" not_yet
	check "inbox: by its name, which only carol can read" grep -q "$name" <<<"$(user c inbox)"
	start b
	check "the relay is back, and reaches a" all_up b 1
	check "it gets what it missed" wait_for 240 caught_up || logs a b
	check "cut off: c still has only a part" part_of_it
}

arrives() {
	ip -n b link set b-c up
	check "healed: get --wait has all of it" within 240 user c get --wait "$id" || logs a b c
	check "byte for byte" cmp "$work/home-a/$name" "$work/home-c/$name"
}

delivered() {
	[ "$(user a -j sent "$id" | jq '.delivered, .unknown' | paste -sd ' ')" = "$count 0" ]
}

known() {
	expect "get: there is nothing more" "$(user c get >/dev/null 2>&1; echo $?)" 1
	check "sent: all of it was delivered, as c has signed" wait_for 200 delivered || {
		user a -j sent "$id"
		logs a b
	}
}

blind() {
	expect "the search finds what it looks for in the clear" \
		"$(shows "$work/home-a/$name" "$work/patterns")" \
		"$(sort -u "$work/patterns" | wc -l)"
	check "the store of the relay had a message of it" has_message "$work/stored"
	check "what came to the relay was captured" has_message "$work/b-a.pcap"
	check "and all that went on" test "$(stat -c %s "$work/b-c.pcap")" -gt $((lines * 64))
	find "$work/b" -type f -exec cat {} + >"$work/relay"
	expect "nothing of it in what the relay has" "$(shows "$work/relay" "$work/stored")" 0
	expect "nothing of it in what passed" "$(shows "$work/b-a.pcap" "$work/b-c.pcap")" 0
}

# A directory, without a provider: who sends is told to nobody.
directory() {
	mkdir -p "$work/home-a/photos/more" "$work/home-c/in"
	head -c 20000 /dev/urandom >"$work/home-a/photos/one"
	head -c 7000 /dev/urandom >"$work/home-a/photos/more/two"
	check "a directory is put" user a put photos --to "$work/c.card" --redundancy 50%
	check "and got" within 200 user c get --wait --out in || logs a b c
	check "as it was" diff -r "$work/home-a/photos" "$work/home-c/in/photos"
}

load_module
timeout=30
network 'a b' 'b c'
for each in a b c; do
	conf $each
done
start a b c
check "sessions" all_up a 1 b 2 c 1
cards
listen b b-a b-c
lossy 30 'a a-b' 'b b-a' 'b b-c' 'c c-b'
put_file
interrupted
arrives
known
blind
directory
for each in a b c; do
	stop $each
done
check "received = new + duplicates + drops" sums_hold a b c
drop_nodes
finish
