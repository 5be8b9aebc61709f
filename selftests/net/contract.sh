#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A peer in state contract passes, and gets, what a contract covers, to the byte, and nothing else;
# only pairwise keys carry contracts. What is used up says so, once. CPUs that race never exceed a
# contract; what a contract counted is final when it is removed, under traffic too.
#
#	s ------- b ------- a		a and b are nodes, s only has an interface
#	  s-b b-s   b-a a-b
#
# Captured: what b and a send.

. "$(dirname "$0")/lib.sh"

umask 077
bytes=352	# of a frame, from the link header on
seed=100
messages=$(amount 800 200)	# of each of two that race
rate=$(amount 1000 100)	# of traffic under which contracts go

do_csnl() { csnl -n "$@" || die "csnl -n $*"; }

# contract add|del ID [OPTION...]: of s, at b.
contract() {
	local what=$1 id=$2
	shift 2
	do_csnl b contract "$what" "$s" port b-s id "$id" "$@"
}

# tally ID: used and refused of a contract of s, at b.
tally() { csnl -n b contract show "$s" port b-s id "$1" | awk '{ print $10, $12 }'; }

# exhausted ID: how often it was said to be.
exhausted() { grep '"event":"exhausted"' "$work/events" | grep -c "\"id\":$1,"; }

send() { csmsg -s 200 --seed "$seed" "$@" || die "csmsg: $*"; }

# from_s OPTION...: other messages each time.
from_s() {
	seed=$((seed + 1))
	send "$@" s:s-b
}

pairwise=(--key-id 9 --key "$work/P")

# taken WHAT COUNT BYTES OPTION...: they are new, and the peer's.
taken() {
	local what=$1 count=$2 total=$3
	shift 3
	before b
	from_s -c "$count" "$@"
	changed "$what" "b port:b-s rx_frames $count" "b port:b-s rx_bytes $total" \
		"b port:b-s new $count" "b port:b-s delivered $count" "b set:cs0 count $count" \
		"b peer:b-s@$s rx_frames $count" "b peer:b-s@$s rx_bytes $total" \
		"b peer:b-s@$s new $count"
}

# refused WHAT REASON COUNT OPTION...: for this reason, after the tag was found right.
refused() {
	local what=$1 reason=$2 count=$3
	shift 3
	before b
	from_s -c "$count" "$@"
	changed "$what" "b port:b-s rx_frames $count" "b port:b-s rx_bytes $((count * bytes))" \
		"b port:b-s drops.$reason $count" "b peer:b-s@$s rx_frames $count" \
		"b peer:b-s@$s rx_bytes $((count * bytes))" "b peer:b-s@$s drops.$reason $count"
}

receive() {
	# 200: a frame of 48 bytes of payload
	contract add 5 rx bytes $((10 * bytes + 200)) expiry +7200
	contract add 6 tx bytes 100000 expiry +7200
	refused "contract 0" contract 2 "${pairwise[@]}"
	refused "contract unknown" contract 2 "${pairwise[@]}" --contract 99
	refused "contract of the other direction" contract 2 "${pairwise[@]}" --contract 6
	refused "contract, with the tag of the port key" contract_key 2 --key-id 1 \
		--key "$work/G" --contract 5
	expect "none of them is charged" "$(tally 5) $(tally 6)" "0 0 0 0"
	taken "under a contract" 4 $((4 * bytes)) "${pairwise[@]}" --contract 5
	expect "charged to the byte" "$(tally 5)" "$((4 * bytes)) 0"
	before b
	send -c 4 "${pairwise[@]}" --contract 5 s:s-b
	changed "duplicates" "b port:b-s rx_frames 4" "b port:b-s rx_bytes $((4 * bytes))" \
		"b port:b-s duplicates 4"
	before b
	from_s -c 1 "${pairwise[@]}" --contract 5 --tag forged
	changed "a forged tag" "b port:b-s rx_frames 1" "b port:b-s rx_bytes $bytes" \
		"b port:b-s drops.tag 1"
	expect "neither is charged" "$(tally 5)" "$((4 * bytes)) 0"
	refused "right tag, wrong digest" digest 1 "${pairwise[@]}" --contract 5 --digest wrong
	expect "a stranger may have changed it: not charged" "$(tally 5)" "$((4 * bytes)) 0"
	taken "up to what is left" 6 $((6 * bytes)) "${pairwise[@]}" --contract 5
	expect "not exhausted as long as nothing is too large" "$(exhausted 5)" 0
	refused "larger than what is left" exhausted 3 "${pairwise[@]}" --contract 5
	expect "counted as refused" "$(tally 5)" "$((10 * bytes)) 3"
	taken "a smaller one that just fits" 1 200 -s 48 "${pairwise[@]}" --contract 5
	refused "used up to the last byte" exhausted 2 "${pairwise[@]}" --contract 5
	expect "used up, exactly" "$(tally 5)" "$((10 * bytes + 200)) 5"
	check "the event came" wait_for 10 is_exhausted 5
	expect "the event came once" "$(exhausted 5)" 1
	contract add 7 rx bytes $((2 * bytes)) expiry +7200
	taken "another contract" 2 $((2 * bytes)) "${pairwise[@]}" --contract 7
	check "the event comes with the last byte, too" wait_for 10 is_exhausted 7
}

is_exhausted() { [ "$(exhausted "$1")" -gt 0 ]; }

over() { [ $EPOCHSECONDS -gt "$1" ]; }

expired() {
	local end=$((EPOCHSECONDS + $(amount 4 10)))
	contract add 8 rx bytes 100000 expiry $end
	taken "not yet expired" 1 $bytes "${pairwise[@]}" --contract 8
	wait_for 30 over $end || die "time stands still"
	refused "expired" contract_expired 2 "${pairwise[@]}" --contract 8
	expect "expired: counted as refused, and still there" "$(tally 8)" "$bytes 2"
	check "expired: shown as such" grep -q ' expired$' \
		<<<"$(csnl -n b contract show "$s" port b-s id 8)"
}

# Whichever refuses, limit or contract, the other is not charged.
limits() {
	contract add 10 rx bytes 100000 expiry +7200
	do_csnl b peer set "$s" port b-s rate 1
	refused "exhausted, with a limit" exhausted 5 "${pairwise[@]}" --contract 7
	before b
	from_s -c 10 "${pairwise[@]}" --contract 10
	# in a slow guest a second may pass
	local new over
	settle b
	new=$(($(counter b port:b-s new) - $(awk '/ port:b-s new / { print $4 }' "$work/before")))
	over=$(counter b port:b-s drops.rate)
	check "exhausted ones were not charged to the limit, which lets one pass" test "$new" -ge 1
	check "the limit refuses some" test "$over" -gt 0 -a $((new + over)) = 10
	expect "what the limit refused is not charged to the contract" "$(tally 10)" \
		"$((new * bytes)) 0"
	do_csnl b peer set "$s" port b-s rate 0
}

free() {
	do_csnl b peer set "$s" port b-s state free
	contract add 11 rx bytes $((bytes + 1)) expiry +7200
	taken "free, no contract" 1 $bytes "${pairwise[@]}"
	taken "free, contract unknown" 1 $bytes "${pairwise[@]}" --contract 99
	taken "free, contract, port key" 1 $bytes --key-id 1 --key "$work/G" --contract 11
	expect "these are not charged" "$(tally 11)" "0 0"
	taken "free, under a contract" 1 $bytes "${pairwise[@]}" --contract 11
	expect "that is charged" "$(tally 11)" "$bytes 0"
	taken "free, beyond the contract" 2 $((2 * bytes)) "${pairwise[@]}" --contract 11
	taken "free, contract expired" 1 $bytes "${pairwise[@]}" --contract 8
	expect "that is not charged, nor refused" "$(tally 11) $(tally 8)" "$bytes 0 $bytes 2"
	check "but told" wait_for 10 is_exhausted 11
	do_csnl b peer set "$s" port b-s state contract
}

open_port() {
	contract add 12 rx bytes 100000 expiry +7200
	do_csnl b port set b-s auth off
	refused "open port: no contract counts" contract 2 "${pairwise[@]}" --contract 12
	expect "open port: not charged" "$(tally 12)" "0 0"
	before b
	send -S 900 --dst "$s" --contract 6 b:cs0
	changed "open port: nothing is sent under a contract" "b local:cs0 rx_frames 1" \
		"b local:cs0 rx_bytes $bytes" "b local:cs0 new 1" "b set:cs0 count 1" \
		"b port:b-s drops.tx_contract 1"
	do_csnl b port set b-s auth required
}

# to_s WHAT COUNT SENT OPTION...: of so many sent to s so many go out, the others are tx_contract.
to_s() {
	local what=$1 count=$2 sent=$3 wanted=()
	shift 3
	seed=$((seed + 1))
	before b
	send -c "$count" --dst "$s" "$@" b:cs0
	[ "$sent" = 0 ] ||
		wanted+=("b port:b-s tx_frames $sent" "b port:b-s tx_bytes $((sent * bytes))")
	[ "$sent" = "$count" ] || wanted+=("b port:b-s drops.tx_contract $((count - sent))")
	changed "$what" "b local:cs0 rx_frames $count" "b local:cs0 rx_bytes $((count * bytes))" \
		"b local:cs0 new $count" "b set:cs0 count $count" "${wanted[@]}"
}

transmit() {
	local end
	contract add 20 tx bytes $((5 * bytes)) expiry +7200
	to_s "to the peer without a pairwise key" 1 0 --contract 20
	do_csnl b peer key "$s" port b-s tx 3 "$work/Q"
	capture b:b-s
	to_s "to the peer, contract 0" 2 0
	to_s "to the peer, contract unknown" 2 0 --contract 99
	to_s "to the peer, contract of the other direction" 2 0 --contract 12
	to_s "to the peer, under a contract" 4 4 --contract 20
	expect "what was sent is charged" "$(tally 20)" "$((4 * bytes)) 0"
	to_s "to the peer, beyond it" 3 1 --contract 20
	expect "what was not is refused" "$(tally 20)" "$((5 * bytes)) 2"
	check "the event came" wait_for 10 is_exhausted 20
	expect "the event came once" "$(exhausted 20)" 1
	captured
	rules "sent under a contract: to the peer, with the pairwise key" \
		"tagged b:b-s out 3 $work/Q" "dst b:b-s out $s" 'count b:b-s out 5'
	expect "the link header names the contract" \
		"$(cscap -d "$work/log" | grep -c '^b:b-s out .* contract 20 ')" 5
	end=$((EPOCHSECONDS + 2))
	contract add 21 tx bytes 100000 expiry $end
	wait_for 30 over $end || die "time stands still"
	to_s "to the peer, expired" 2 0 --contract 21
	expect "expired: refused" "$(tally 21)" "0 2"
	do_csnl b peer set "$s" port b-s state free
	contract add 22 tx bytes 100000 expiry +7200
	to_s "to a free peer, contract 0" 2 2
	to_s "to a free peer, contract unknown" 2 0 --contract 99
	to_s "to a free peer, under a contract" 2 2 --contract 22
	to_s "to a free peer, exhausted" 1 0 --contract 20
	expect "charged and refused likewise" "$(tally 22) $(tally 20)" \
		"$((2 * bytes)) 0 $((5 * bytes)) 3"
	capture b:b-s
	send -S 950 -c 3 --contract 22 b:cs0
	settle b
	captured
	expect "what goes to all is under no contract" \
		"$(cscap -d "$work/log" | grep -c '^b:b-s out .* contract 0 ')" 3
	expect "and not charged" "$(tally 22)" "$((2 * bytes)) 0"
	do_csnl b peer set "$s" port b-s state contract
}

# Two nodes that mean the same contract.
nodes_agree() {
	local a b
	a=$(mac a a-b) b=$(mac b b-a)
	port b b-a
	port a a-b
	do_csnl a peer add "$b" port a-b state contract
	do_csnl b peer add "$a" port b-a state contract
	do_csnl a peer key "$b" port a-b tx 4 "$work/Q"
	do_csnl b peer key "$a" port b-a pairwise 4 "$work/Q"
	do_csnl a contract add "$b" port a-b id 77 tx bytes $((12 * bytes)) expiry +7200
	do_csnl b contract add "$a" port b-a id 77 rx bytes $((12 * bytes)) expiry +7200
	send -S 970 -c 20 --dst "$b" --contract 77 a:cs0
	settle a b
	expect "two nodes: the sender sends what is covered" \
		"$(csnl -n a contract show "$b" | awk '{ print $10, $12 }')" "$((12 * bytes)) 8"
	expect "two nodes: the receiver counts the same" \
		"$(csnl -n b contract show "$a" | awk '{ print $10, $12 }')" "$((12 * bytes)) 0"
	expect "two nodes: so many arrive" "$(counter b port:b-a new)" 12
	expect "a dump may be filtered by port" "$(csnl -n b contract show port b-a | wc -l)" 1
	do_csnl b port del b-a
	do_csnl a port del a-b
}

race() {
	local pid new
	contract add 30 rx bytes $((messages * bytes)) expiry +7200
	before b
	taskset -c 0 csmsg -s 200 -S 3000 -c "$messages" "${pairwise[@]}" --contract 30 s:s-b &
	pid=$!
	taskset -c $(($(nproc) - 1)) csmsg -s 200 -S 4000 -c "$messages" "${pairwise[@]}" \
		--contract 30 s:s-b
	wait $pid
	settle b
	new=$(($(counter b port:b-s new) - $(awk '/ port:b-s new / { print $4 }' "$work/before")))
	expect "two CPUs race: as many messages pass as the contract covers" "$new" "$messages"
	expect "two CPUs race: used to the byte, the others refused" "$(tally 30)" \
		"$((messages * bytes)) $messages"
	expect "two CPUs race: one event" "$(exhausted 30)" 1
	# the same frames at once; with a wrong digest none becomes known: all are charged, and
	# get it back
	contract add 31 rx bytes $((2 * messages * bytes)) expiry +7200
	before b
	csmsg -s 200 -S 5000 -c "$messages" "${pairwise[@]}" --contract 31 --digest wrong \
		s:s-b s:s-b
	changed "two CPUs at the same moment: wrong digests" \
		"b port:b-s rx_frames $((2 * messages))" \
		"b port:b-s rx_bytes $((2 * messages * bytes))" \
		"b port:b-s drops.digest $((2 * messages))" \
		"b peer:b-s@$s rx_frames $((2 * messages))" \
		"b peer:b-s@$s rx_bytes $((2 * messages * bytes))" \
		"b peer:b-s@$s drops.digest $((2 * messages))"
	expect "two CPUs at the same moment: all is given back" "$(tally 31)" "0 0"
}

# A contract that comes and goes under traffic counts what passed, to the byte.
removal() {
	local i pid total rounds
	rounds=$(amount 8 3)
	before b
	csmsg -s 200 -S 6000 -c 1000000 --rate "$rate" "${pairwise[@]}" --contract 40 s:s-b &
	pid=$!
	background+=("$pid")
	for ((i = 0; i < rounds; i++)); do
		contract add 40 rx bytes 1000000000 expiry +7200
		wait_for 10 passing
		contract del 40
	done
	kill $pid
	wait $pid 2>/dev/null
	settle b
	wait_for 10 events_deleted 40 "$rounds"
	total=$(jq -s 'map(select(.event == "contract_del" and .id == 40).used) | add' \
		"$work/events")
	expect "removed under traffic: the events have all that passed" "$total" $(((
		$(counter b port:b-s new) - $(awk '/ port:b-s new / { print $4 }' "$work/before")
	) * bytes))
}

passing() { [ "$(tally 40)" != "0 0" ]; }

events_deleted() { [ "$(grep '"contract_del"' "$work/events" | grep -c "\"id\":$1,")" = "$2" ]; }

peer_of_s() {
	do_csnl b peer add "$s" port b-s state contract
	do_csnl b peer key "$s" port b-s rx 1 "$work/G"
	do_csnl b peer key "$s" port b-s pairwise 9 "$work/P"
}

# A peer goes, with its contracts, while they are used.
peer_removal() {
	local i pid rounds
	rounds=$(amount 6 2)
	csmsg -s 200 -S 7000 -c 1000000 --rate "$rate" "${pairwise[@]}" --contract 40 s:s-b &
	pid=$!
	background+=("$pid")
	for ((i = 0; i < rounds; i++)); do
		do_csnl b peer del "$s" port b-s
		peer_of_s
		contract add 39 rx bytes 1000000000 expiry +7200
		contract add 40 rx bytes 1000000000 expiry +7200
		wait_for 10 passing
	done
	kill $pid
	wait $pid 2>/dev/null
	settle b
	expect "a peer that goes takes its contracts along" \
		"$(csnl -n b contract show | wc -l)" 2
	check "received = new + duplicates + drops" parts_hold b
}

refusals() {
	local add=(csnl -n b contract add "$s" port b-s id)
	do_csnl b peer del "$s" port b-s
	refuse "contract of nobody" 'lladdr.*no such peer' "${add[@]}" 1 rx bytes 1 expiry +60
	peer_of_s
	refuse "in the past" 'expiry.*has expired by the clock' "${add[@]}" 1 rx bytes 1 \
		expiry $((EPOCHSECONDS - 1))
	refuse "no bytes" 'out of range' "${add[@]}" 1 rx bytes 0 expiry +60
	refuse "id 0" 'out of range' "${add[@]}" 0 rx bytes 1 expiry +60
	refuse "no direction" "none of: rx, tx" "${add[@]}" 1 bytes 1 expiry +60
	refuse "no expiry" "'expiry .*' is missing" "${add[@]}" 1 rx bytes 1
	contract add 1 rx bytes 1 expiry +60
	refuse "the same id" "'id'.*has a contract of this id" "${add[@]}" 1 tx bytes 1 expiry +60
	refuse "removing what is not there" "'id'.*no contract of this id" \
		csnl -n b contract del "$s" port b-s id 2
	contract del 1
	refuse "a pairwise key, removed as another" 'no key of this id and use' \
		csnl -n b peer key "$s" port b-s rx 9 del
	check "pairwise keys are shown" grep -q 'rx-keys 1,9 pairwise-keys 9 ' \
		<<<"$(csnl -n b peer show "$s")"
	expect "as many as fit" "$(ip netns exec b nlfuzz fill cs0 b-s b-a "$s")" \
		"1024 No space left on device: peer has 1024 contracts already, remove one first"
	csnl -n b contract show >"$work/all" || die "csnl contract show"
	expect "a dump has each once, in order" "$(awk '{ print $5, $8 }' "$work/all")" \
		"$(seq 1024 | awk '{ print $1, $1 }')"
	contract del 512
	contract add 5000 tx bytes 9 expiry +60
	pass "one goes, another comes"
}

load_module
for name in P G Q; do
	head -c 32 /dev/urandom >"$work/$name"
done
node a b
namespaces s
wires "s s-b b b-s 1500" "b b-a a a-b 1500"
port b b-s
do_csnl b port key b-s 1 "$work/Q"
s=$(mac s s-b)
peer_of_s
csnl -n b -j monitor >"$work/events" 2>"$work/events.err" &
background+=($!)
wait_for 10 grep -q listening "$work/events.err"
receive
expired
limits
free
open_port
transmit
nodes_agree
race
removal
peer_removal
refusals
finish
