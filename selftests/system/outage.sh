#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A file to somebody whose provider has an ingest on the wired network, for points, over links that
# lose a third of all frames. While it is under way the network falls apart, twice, at different
# places, and the relay and the ingest are killed: it arrives, whole and once, each message is paid
# once, and all ledgers agree.
#
#	a (alice, buyer) --/-- b (seller, buyer) --/-- c (seller, gateway) ===== i (ingest, carol)
#
# What is killed in between is in crash.sh and gateway.sh.

. "$(dirname "$0")/people.sh"
. "$(dirname "$0")/wired.sh"

lines=6000 # of 64 bytes
name='families-of-the-village-2026.txt'
account=alice

some() { [ "$(inbox | wc -l)" -gt "$1" ]; }
paid_all() { receipts_are a delivered "$count"; }
earned() { moved "$1" earned "$2" | grep -c .; }
earned_are() { [ "$(earned "$1" "$2")" = "$3" ]; }

# took_over: what the ingest has not is at b.
took_over() {
	{
		inbox
		get b '.[].digest' store list
	} | cut -c 1-32 | sort -u | comm -13 - "$work/ids" >"$work/lacking"
	[ ! -s "$work/lacking" ]
}

# part: something, and not all, is at the ingest.
part() {
	local here
	here=$(inbox | wc -l)
	echo "$here of $count"
	[ "$here" -gt 0 ] && [ "$here" -lt "$count" ]
}

set_up() {
	load_module
	timeout=30 terms=contract
	network 'a b' 'b c'
	wired_up
	conf a "$pays"
	conf b "$(gets 3) $pays"
	conf c "$(gets 2) $(uplink 2001:db8:7::/64)"
	start_ingest
	start a b c
	check "sessions" all_up a 1 b 2 c 1
	cs a receivers add $destination $port "$work/i/identity.pub" || die "receivers"
	mkdir -p "$work/home-a" "$work/home-i"
	user i id new --bits 2048 >/dev/null || die "no key"
	user i id export --address $destination >"$work/i.card" || die "no card"
	content >"$work/home-a/$name"
	lossy 30 'a a-b' 'b b-a' 'b b-c' 'c c-b'
	lossy 10 'c up0' 'i net0'
}

# Alice still sends; the ingest has some of it.
put_file() {
	user a put "$name" --to "$work/i.card" --rate 1 >"$work/id" &
	putting=$!
	check "some of it is at the ingest" wait_for 60 some 20 || logs a b c i
}

fall_apart() {
	ip -n b link set b-a down
	stop b KILL
	stop i KILL
	start b
	ingest
	wait $putting
	expect "put: exit status" $? 0
	id=$(cat "$work/id")
	od -An -v -tx1 -w16 "$work/home-a/.local/state/crowdshare/sent/$id.ids" | tr -d ' ' |
		sort >"$work/ids"
	count=$(wc -l <"$work/ids")
	check "alice is cut off: a part is at the ingest" part
}

# The relay gets the rest while it is cut off itself; then it, and who takes it, are killed again.
elsewhere() {
	ip -n b link set b-c down
	ip -n b link set b-a up
	check "the relay reaches alice, not the gateway" all_up b 1
	check "and gets what it has missed" wait_for 240 took_over || logs a b
	check "there is still a part only" part
	stop b KILL
	start b
	ip -n b link set b-c up
	check "all are back" all_up a 1 b 2 c 1
	wait_for 60 some $((count / 2))
	stop i KILL
	ingest
}

arrives() {
	check "all of it is delivered, and alice knows" wait_for 240 paid_all || logs a b c i
	check "each message is there once" diff <(inbox | cut -c 1-32) "$work/ids"
	check "carol gets it" user i get --from "$work/i/inbox"
	check "byte for byte" cmp "$work/home-a/$name" "$work/home-i/$name"
	expect "and once" "$(user i get --from "$work/i/inbox" 2>/dev/null; echo $?)" 1
	expect "nothing else is there" "$(ls "$work/home-i")" "$name"
}

# agree BUYER SELLER
agree() {
	check "$1 and $2: paid for all" wait_for 60 earned_are "$1" "$2" "$count" || logs "$1" "$2"
	check "$1 and $2: the ledgers agree, entry by entry" wait_for 60 same "$1" "$2"
	expect "$1 and $2: each message was paid once" \
		"$(cut -f 2 "$work/$2.earned" | sort -u | wc -l)" "$count"
	check "$1 and $2: and it is not nothing" test "$(points "$2.earned")" -gt 0
}

set_up
put_file
fall_apart
elsewhere
arrives
agree a b
agree b c
check "all ledgers verify" verify a b c
for each in a b c i; do
	stop $each
done
check "received = new + duplicates + drops" sums_hold a b c
drop_nodes
finish
