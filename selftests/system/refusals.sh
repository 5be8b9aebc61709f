#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a node refuses, and what it asks: each reason of a refusal, and each term of a bid, as the
# users of both sides see them.
#
#	a (buyer) ------- b (seller)

. "$(dirname "$0")/lib.sh"

rate=2000 # millipoints per MiB
market='market: { rates = ( { geohash = ""; rate = "2"; } ); };'
pays='offers: { max-price = "100"; budget = "1000"; };'
seed=0

# latest NODE DIRECTION: state and reason of its latest offer out or in.
latest() {
	get "$1" "[.[] | select(.direction == \"$2\")][0] | [.state, .reason // \"none\"] |
		join(\" \")" offers
}

latest_is() { [ "$(latest "$1" "$2")" = "$3" ]; }

# send COUNT [OPTION...]: messages of a that were never there before.
send() {
	local count=$1
	shift
	seed=$((seed + 1))
	csmsg -S $seed -c "$count" --rate 400 "$@" a:cs0 || die csmsg
}

# refused WHAT REASON [SETTINGS OF B]: what a sends next, b refuses, and both users see why.
refused() {
	[ $# -lt 3 ] || settings b "$3"
	send "${count-20}" ${options-}
	check "$1: a sees it" wait_for 30 latest_is a out "refused $2" || logs a b
	check "$1: b sees it" latest_is b in "refused $2"
}

# rejected WHAT REASON SETTINGS OF A
rejected() {
	settings a "$3"
	send 20
	check "$1: a sees it" wait_for 30 latest_is a out "rejected $2" || logs a b
	check "$1: b sees it" wait_for 10 latest_is b in "rejected $2"
}

battery() {
	mkdir -p "$work/power/BAT0" "$work/power/AC"
	echo Battery >"$work/power/BAT0/type"
	echo "$1" >"$work/power/BAT0/capacity"
	echo Discharging >"$work/power/BAT0/status"
	echo Mains >"$work/power/AC/type"
	echo "$2" >"$work/power/AC/online"
}

power() { echo "policy: { battery: { dir = \"$work/power\"; min = 20; full = 80; }; };"; }

# rated PER CENT: b's opinion of a.
rated() {
	printf 'peers = ( { address = "%s"; rating = %d; } );' "$(address a)" "$1"
}

refusals() {
	refused "policy: a's rating is too low" policy "$market policy: { min-rating = 101; };"
	refused "destination" destination \
		"$market policy: { deny-destinations = ( \"fd00::/16\" ); };"
	battery 10 0
	refused "on battery" battery "$market $(power)"
	refused "data plan used up" plan \
		"$market policy: { plan: { interface = \"b-a\"; bytes = \"1kB\"; }; };"
	quota=1MiB count=900 refused "store full" full "$market"
	options='--expiry +300' clock_refused
	rate_refused
	duplicate_refused
}

# The clock of b is ten minutes ahead: what lives for five has expired there.
clock_refused() {
	stop b
	clock b +600
	conf b "$market"
	start b
	all_up a 1 b 1
	expect "clocks that differ by minutes: a sees by how much" \
		"$(($(get a '.[0].offset' peers) / 10))" 60
	expect "and so does b" "$(($(get b .clock_offset status) / -10))" 60
	refused "expired, by b's clock" expired
	stop b
	daemon_env[b]=
	start b
	all_up a 1 b 1
}

asked_too_fast() {
	cs a offers make "$(address b)" "$1" >/dev/null 2>&1 &
	cs a offers make "$(address b)" "$1" >/dev/null 2>&1
	wait $!
	latest_is a out 'refused rate'
}

# One offer a second is taken; a asks twice at the same time.
rate_refused() {
	local digest
	settings b "$market policy: { offers = 1; deny-destinations = ( \"fd00::/16\" ); };"
	send 2 --digests "$work/sent"
	wait_for 30 latest_is a out 'refused destination'
	# one that no contract covers
	digest=$(head -n 1 "$work/sent")
	check "rate: a sees it" wait_for 30 asked_too_fast "$digest" || logs a b
	check "rate: b sees it" latest_is b in 'refused rate'
}

to_other() {
	get "$1" '[.[] | select(.direction == "out" and .destination == "fd00::2")][0].reason' \
		offers
}

other_is() { [ "$(to_other "$1")" = "$2" ]; }

# b gets the same messages at the same time, from elsewhere.
duplicate_refused() {
	settings b "$market"
	seed=$((seed + 1))
	csmsg -S $seed -c 20 --rate 400 --to fd00::2 a:cs0 b:cs0 || die csmsg
	check "duplicate: a sees it" wait_for 30 other_is a duplicate || logs a b
	check "duplicate: b sees the same" wait_for 30 other_is b duplicate || logs a b
}

rejections() {
	rejected "price" price 'offers: { max-price = "1"; budget = "1000"; };'
	rejected "budget" budget 'offers: { max-price = "100"; budget = "0"; };'
	rejected "nobody answers" timeout \
		'offers: { max-price = "1"; budget = "1000"; ask = true; wait = 2; };'
	settings a "$pays"
}

# term NAME: of the price that b asks now.
term() { get b ".terms.$1" policy; }

# Division that rounds up.
up() { echo $((($1 + $2 - 1) / $2)); }

# raised USED ALL: four times the rate, times the square of the share.
raised() {
	local share
	share=$(up $(($1 * 10000)) "$2")
	up $((4 * rate * share * share)) 100000000
}

# sum_is_rated RATING: the price is the sum of the terms, divided by the rating.
sum_is_rated() {
	get b '.terms | [.market + .store + .band + .battery + .plan, .rated] | @tsv' policy |
		{
			read -r sum rated
			[ "$rated" = "$(up $((sum * 1000)) "$1")" ]
		}
}

terms() {
	settings b "policy: { position = \"u33db2\"; }; market: { rates = (
		{ geohash = \"\"; rate = \"1\"; }, { geohash = \"u33\"; rate = \"2\"; } ); };"
	expect "market: the rate of the longest prefix of the position" "$(term market)" $rate
	used=$(get b .bytes store)
	check "store: something is used" test "$used" -gt 0
	expect "store: four times the rate, times the square of what is used" "$(term store)" \
		"$(raised "$used" "$(get b .quota store)")"
	battery 50 0
	settings b "$market $(power)"
	expect "battery: what is missing of 80 per cent" "$(term battery)" $((4 * rate * 30 / 80))
	battery 50 1
	settings b "$market $(power)"
	expect "battery: nothing when plugged in" "$(term battery)" 0
	settings b "$market policy: { plan: { interface = \"b-a\"; bytes = \"1kB\"; near = 80;
		overage = \"1.5\"; }; };"
	expect "plan: twice the overage" "$(term plan)" 3000
	expect "plan: then nothing is refused" "$(get b .refuses policy)" none
	settings b "$market policy: { plan: { interface = \"b-a\"; bytes = \"10GB\"; near = 80;
		overage = \"1.5\"; }; };"
	expect "plan: nothing while there is enough" "$(term plan)" 0
	stores='in = "5kB";' settings b "$market"
	check "bandwidth: next to nothing was used" test "$(term band)" -lt $((rate / 10))
	check "the price is the sum of it all" sum_is_rated 1000
}

band_is_used() { [ "$(term band)" -gt 0 ]; }

# What comes under contract is bandwidth too.
band() {
	send 200
	check "bandwidth: it was used" wait_for 30 band_is_used || logs b
	check "bandwidth: at most four times the rate" test "$(term band)" -le $((4 * rate))
	check "the price is the sum of it all, still" sum_is_rated 1000
}

rating() {
	trusts=$(rated 200) settings b "$market"
	settings a 'offers: { max-price = "0"; ask = true; wait = 60; };'
	send 20
	check "a bid waits" wait_for 30 latest_is a out 'bid none'
	expect "rating: who is at 200 per cent is asked for half" \
		"$(get b '[.[] | select(.direction == "in")][0].terms |
			.rated * 2 - (.market + .store + .band + .battery + .plan) |
			fabs <= 1' offers)" true
	expect "a sees the same price as b" "$(get a '.[0].rate' offers)" \
		"$(get b '[.[] | select(.direction == "in")][0].terms.rated' offers)"
}

load_module
network 'a b'
terms=contract
conf a "$pays"
conf b "$market"
start a b
check "sessions" all_up a 1 b 1
refusals
rejections
terms
band
rating
stop a
stop b
check "received = new + duplicates + drops" sums_hold a b
drop_nodes
finish
