#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Offers, bids, contracts: a gives to b only under contract; both ledgers have it before the first
# byte; each reason of refusal is seen as a user would see it.
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

# settings SIDE SETTINGS: a new configuration, read by the running daemon.
settings() {
	conf "$1" "$2"
	kill -HUP "${daemon_pid[$1]}"
	sleep 1
}

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

refusals() {
	settings b "$market policy: { deny-destinations = ( \"fd00::/16\" ); };"
	send -S 2
	check "destination refused" wait_for 20 last_is a 'refused destination'
	mkdir -p "$work/power/BAT0"
	echo Battery >"$work/power/BAT0/type"
	echo 10 >"$work/power/BAT0/capacity"
	echo Discharging >"$work/power/BAT0/status"
	settings b "$market policy: { battery: { dir = \"$work/power\"; min = 20; }; };"
	send -S 3
	check "on battery" wait_for 30 last_is a 'refused battery'
	settings b "$market"
	settings a 'offers: { max-price = "1"; budget = "100"; };'
	send -S 4
	check "too dear" wait_for 30 last_is a 'rejected price'
	settings a 'offers: { max-price = "10"; budget = "0"; };'
	send -S 5
	check "beyond the budget" wait_for 30 last_is a 'rejected budget'
}

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
refusals
by_hand
stop a
stop b
check "received = new + duplicates + drops" sums_hold a b
drop_nodes
finish
