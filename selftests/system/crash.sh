#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Daemons are killed at random moments, 200 times, while messages and contracts flow: the ledgers
# verify, no contract that both signed is lost, the stores open and are whole, nothing is forwarded
# twice, and in the end all hold everything.
#
#	a (buyer) ------- b (seller) ------- c (free)
#
# Captured: all ports of b and c.

. "$(dirname "$0")/lib.sh"

kills=200
names=(a b c)

contracts() { cs "$1" -j ledger show 2>/dev/null | jq -r '.[].contract // empty' | sort -u; }

# Each ledger by itself, without its daemon: what was there at the last look must be there still.
look() {
	local name
	for name in a b; do
		cs "$name" ledger verify >>"$work/verify" 2>&1 || {
			note "$name: $(tail -n 1 "$work/verify")"
			bad=1
		}
		contracts $name >"$work/$name.now"
		[ -z "$(comm -23 "$work/$name.contracts" "$work/$name.now")" ] || {
			note "$name: a contract is lost"
			bad=1
		}
		mv "$work/$name.now" "$work/$name.contracts"
	done
	# the buyer signs off what the seller has committed
	[ -z "$(comm -23 "$work/a.contracts" "$work/b.contracts")" ] || {
		note "a has a contract that b has not"
		bad=1
	}
}

killing() {
	local i name moment
	for ((i = 1; i <= kills; i++)); do
		name=${names[RANDOM % 3]}
		# while it starts, while sessions begin, and now and then amid contracts
		case $((RANDOM % 8)) in
		0) moment=$((3000 + RANDOM % 3000)) ;;
		[12]) moment=$((RANDOM % 300)) ;;
		*) moment=$((300 + RANDOM % 700)) ;;
		esac
		sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
		running $name || {
			note "$name: ended by itself: $(tail -n 1 "$work/$name/log")"
			note "$(grep FLOCK /proc/locks; ps -eo pid,ppid,etimes,stat,args |
				grep '[c]rowdshare')"
			bad=1
		}
		stop $name KILL
		[ $((i % 20)) != 0 ] || look
		launch $name
	done
}

same_contracts() {
	contracts a >"$work/a.now"
	contracts b >"$work/b.now"
	cmp -s "$work/a.now" "$work/b.now"
}

all_hold_the_same() {
	local name
	for name in a b c; do
		get $name '.[].digest' store list | sort >"$work/$name.held"
	done
	cmp -s "$work/a.held" "$work/b.held" && cmp -s "$work/b.held" "$work/c.held"
}

# Who lacks what, and what is under way there.
differences() {
	local name
	sort -u "$work"/[abc].held >"$work/all"
	for name in a b c; do
		comm -23 "$work/all" "$work/$name.held" >"$work/lacking"
		note "$name holds $(grep -c . "$work/$name.held") and lacks:"
		head -n 5 "$work/lacking" | sed 's/^/# /'
		note "$(cs $name status 2>&1)"
		note "$(cs $name contracts 2>&1)"
	done
	note "$(grep -cf "$work/lacking" "$work/sent") of what c lacks was sent by a's program"
}

load_module
network 'a b' 'b c'
for name in a b; do
	: >"$work/$name.contracts"
done
terms=contract
conf a 'offers: { max-price = "100"; budget = "100000"; };'
# b's port to a is under contract, the one to c is free
terms=free
conf b 'market: { rates = ( { geohash = ""; rate = "2"; } ); };'
conf c
start a b c
check "sessions" all_up a 1 b 2 c 1
capture b: c:
csmsg -S 1 -c 100000 --rate 20 --digests "$work/sent" a:cs0 &
load=$!
bad=0
killing
kill $load
wait $load
for name in a b c; do
	running $name || launch $name
	wait_for 60 answers $name
done
check "$kills kills: the daemons always started again, ledgers verified, no contract lost" \
	test $bad = 0
all_up a 1 b 2 c 1
check "then all messages get everywhere" wait_for 120 all_hold_the_same || {
	differences
	logs a b c
}
sent=$(grep -c . "$work/a.held")
note "$sent messages, $(contracts b | wc -l) contracts, $(grep -c . "$work/verify") verifications"
check "messages and contracts flowed all the time" \
	test "$sent" -gt 1000 -a "$(contracts b | wc -l)" -ge 8
look
check "in the end the ledgers verify" test $bad = 0
check "and agree on the contracts" wait_for 30 same_contracts
for name in a b c; do
	check "$name: the store is whole" cs $name store check
done
settle a b c
captured
rules "nothing was forwarded twice" 'repaired b:b-c out' 'repaired c:c-b out' 'repaired b:b-a out'
for name in a b c; do
	stop $name
done
check "received = new + duplicates + drops" sums_hold a b c
drop_nodes
finish
