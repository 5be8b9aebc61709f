#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Promise 1: of two copies of a new message that arrive at once, on two ports and two CPUs, exactly
# one wins: the message goes out of the third port once.
#
#	s =====two wires===== b ------- t
#	  s-b1 b-s1, s-b2 b-s2  b-t t-b
#
# Captured: b's ports and cs0. On a virtual wire the sender's CPU also runs the receiver, and csmsg
# sends from two CPUs that meet before each message.

. "$(dirname "$0")/lib.sh"

[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"
messages=$(amount 5000 1000)

# race WHAT LINK1 LINK2 SCOPE1 SCOPE2: the counters of b are SCOPE1 and SCOPE2.
race() {
	local what=$1 first second
	capture b:
	csmsg --seed "$RANDOM" --size 400 --count "$messages" --digests "$work/sent" "$2" "$3" ||
		die "csmsg"
	settle b
	captured
	rules "$what: $messages messages go out of the third port exactly once" \
		"exact b:b-t out $work/sent" 'once b:b-s? out'
	first=$(counter b "$4" new)
	second=$(counter b "$5" new)
	note "the one side won $first times, the other $second times"
	expect "$what: each message won once" $((first + second - won)) "$messages"
	won=$((first + second))
	check "$what: received = new + duplicates + drops" sums_hold b
}

load_module
node b
namespaces s t
wires "s s-b1 b b-s1 1500" "s s-b2 b b-s2 1500" "b b-t t t-b 1500"
for dev in b-s1 b-s2 b-t; do
	port b $dev auth off
done
won=0
race "two ports" s:s-b1 s:s-b2 port:b-s1 port:b-s2
rules "two ports: delivered exactly once" "exact b:cs0 in $work/sent"
check "two ports: each won some of the races" \
	test "$(counter b port:b-s1 new)" -gt 0 -a "$(counter b port:b-s2 new)" -gt 0
won=$(counter b port:b-s1 new)
race "the node itself and a port" b:cs0 s:s-b1 local:cs0 port:b-s1
finish
