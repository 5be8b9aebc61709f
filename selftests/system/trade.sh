#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Offers, bids, contracts: a gives to b only under contract; both ledgers have it before the first
# byte. A contract that another program uses up in the middle is enforced, and what is lacking is
# offered anew. For what is refused and what is asked see refusals.sh.
#
#	a (buyer) ------- b (seller)
#
# Captured: all ports and devices.

. "$(dirname "$0")/lib.sh"

market='market: { rates = ( { geohash = ""; rate = "2"; } ); };'

last() { get "$1" '.[0] | [.state, .reason // "none"] | join(" ")' offers; }
last_is() { [ "$(last "$1")" = "$2" ]; }
contracts() { get "$1" length contracts; }
promised() { get "$1" '[.[] | .promised] | add // 0' contracts; }

send() { csmsg -c 20 --rate 400 --digests "$work/sent" "$@" a:cs0 || die csmsg; }

accepted() {
	capture a: b:
	send -S 1
	check "accepted by rule: the messages arrive" wait_for 30 holds b 20 || logs a b
	captured
	rules "each came once, under a contract" "exact b:cs0 in $work/sent"
	expect "a contract on both sides" "$(contracts a) $(contracts b)" '1 1'
	check "a promised what b was promised" test "$(promised a)" = "$(promised b)"
	check "and it is not nothing" test "$(promised a)" -gt 0
	check "csnl contract show" grep -q "used" <<<"$(csnl -n b contract show)"
	check "both ledgers verify" both_verify
}

both_verify() { cs a ledger verify && cs b ledger verify; }

by_hand() {
	local id
	settings a 'offers: { max-price = "1"; budget = "100"; ask = true; wait = 60; };'
	send -S 6
	check "a bid waits" wait_for 30 last_is a 'bid none'
	id=$(get a '.[0].id' offers)
	check "crowdshare offers accept" cs a offers accept "$id"
	check "done" wait_for 20 last_is a 'done none'
	refuse "accepted twice: refused, with the reason" 'does not wait' cs a offers accept "$id"
	refuse "no such offer" 'no offer' cs a offers accept 99999
	send -S 7
	check "another one waits" wait_for 30 last_is a 'bid none'
	check "crowdshare offers reject" cs a offers reject "$(get a '.[0].id' offers)"
	check "rejected" last_is a 'rejected price'
	check "crowdshare offers make: asked again" cs a offers make "$(address b)" all
	check "it waits" wait_for 20 last_is a 'bid none'
	check "and is accepted" cs a offers accept "$(get a '.[0].id' offers)"
	check "its messages arrive" wait_for 30 holds b 60
	check "all is taken: asked again" cs a offers make "$(address b)" all
	check "there is nothing that b wants" wait_for 20 last_is a 'refused duplicate'
}

# listed NODE: messages that stand in its contracts.
listed() { get "$1" '[.[].messages] | add' contracts; }
has_listed() { [ "$(listed "$1")" = "$2" ]; }

has_refused() { [ "$(get b '[.[].refused] | add' contracts)" -gt 0 ]; }

# what a's daemon was told is lacking
lacking() { sed -n 's/.*is used up before \([0-9]*\) of .*/\1/p' "$work/a/log" | tail -n 1; }

# Another program on a sends under the contract while the daemon does, a little less than what has b
# end the contract: b takes no more than was promised, what is lacking comes under another contract,
# and nothing is paid twice.
used_up() {
	local before id
	stores='out = "6kB";' settings a 'offers: { max-price = "10"; budget = "100"; };'
	capture a: b:
	# an offer was made just now, so that the next one, a second later, has most of them
	csmsg -S 10 -c 1 --digests "$work/one" a:cs0 || die csmsg
	check "a message arrives" wait_for 30 has_all "$work/one"
	before=$(listed b)
	csmsg -S 8 -c 60 --rate 400 --digests "$work/sent" a:cs0 || die csmsg
	check "60 messages are under contract" wait_for 30 has_listed b $((before + 60))
	id=$(csnl -n b -j contract show | jq 'max_by(.bytes - .used).id')
	csmsg -S 9 -c 7 --rate 400 --contract "$id" --dst "$(mac b b-a)" a:cs0 || die csmsg
	check "used up in the middle: b refuses what goes beyond, its user sees it" \
		wait_for 60 has_refused
	captured
	check "no more was taken than the contract covers" within_contracts
	check "a is told" wait_for 30 grep -q 'is used up before' "$work/a/log" || logs a b
	settings a 'offers: { max-price = "10"; budget = "100"; };'
	check "what is lacking comes under another contract" wait_for 60 has_all "$work/sent" ||
		logs a b
	check "some had arrived before" test "$(lacking)" -gt 0 -a "$(lacking)" -lt 60
	expect "only what was lacking is promised anew" "$(twice b)" "$(lacking)"
	check "both ledgers verify" both_verify
}

# What the kernel let pass under each contract of b is not more than it covers.
within_contracts() {
	csnl -n b -j contract show | jq -e 'all(.[]; .used <= .bytes)'
}

# has_all FILE: b holds all messages whose digests are in the file.
has_all() {
	get b '.[].digest' store list | sort >"$work/held"
	[ -z "$(sort "$1" | comm -23 - "$work/held")" ]
}

# twice NODE: how many messages stand in two contracts.
twice() {
	local uid
	get "$1" '.[].uid' contracts | while read -r uid; do
		get "$1" '.messages[].digest' contracts show "$uid"
	done | sort | uniq -d | wc -l
}

load_module
network 'a b'
terms=contract
conf a 'offers: { max-price = "10"; budget = "100"; };'
conf b "$market"
start a b
check "sessions" all_up a 1 b 1
expect "both treat each other under contract" "$(get a '.[0].state' peers)" contract
accepted
by_hand
used_up
stop a
stop b
check "received = new + duplicates + drops" sums_hold a b
drop_nodes
finish
