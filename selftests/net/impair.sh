#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Promise 1 under loss, duplication and reordering; promise 3 under corruption: a corrupted frame is
# never remembered, the good copy that comes later passes.
#
#	triangle a, b, c; each link goes through a namespace of its own that impairs it:
#
#	a ---- [wire-ab: netem] ---- b
#	  a-b  a            b   b-a
#
# so that captures at the nodes show what the nodes sent, and not what netem made of it.

. "$(dirname "$0")/lib.sh"

messages=$(amount 400 100)

# impaired A B NETEM...: a link whose both directions suffer.
impaired() {
	local a=$1 b=$2 mid=wire-$1$2 dev other
	shift 2
	namespaces "$mid"
	wires "$a $a-$b $mid $a 1500" "$b $b-$a $mid $b 1500"
	for dev in "$a" "$b"; do
		[ "$dev" = "$a" ] && other=$b || other=$a
		tc -n "$mid" qdisc add dev "$dev" root netem limit 100000 "$@" &&
			tc -n "$mid" qdisc add dev "$dev" ingress &&
			tc -n "$mid" filter add dev "$dev" ingress matchall \
				action mirred egress redirect dev "$other" ||
			die "no netem"
	done
}

# triangle NETEM...
triangle() {
	local pair
	node a b c
	for pair in "a b" "b c" "a c"; do
		# shellcheck disable=SC2086 # two names
		impaired $pair "$@"
		port "${pair% *}" "${pair/ /-}" auth off
		port "${pair#* }" "${pair#* }-${pair% *}" auth off
	done
}

# under WHAT RULE...: sends from a, captures at all nodes.
under() {
	local what=$1
	shift
	capture a: b: c:
	csmsg --seed 5 --count "$messages" --rate 2000 --digests "$work/sent" a:cs0 || die "csmsg"
	settle a b c
	captured
	rules "$what: a node sends a message at most once on each port" 'once *-* out'
	rules "$what: what is delivered is whole, and once" 'whole *:cs0 in' 'once *:cs0 in' \
		'none a:cs0 in' "subset *:cs0 in $work/sent"
	rules "$what: nothing goes back where it came from" 'noecho *:cs0 in'
	check "$what: received = new + duplicates + drops" sums_hold a b c
	[ $# = 0 ] || rules "$what: everything arrives" "$@"
}

everything=("exact b:cs0 in $work/sent" "exact c:cs0 in $work/sent")

duplication() {
	triangle duplicate 30%
	under "duplication of 30 %" "${everything[@]}"
	check "duplication: there was some" \
		test "$(seen_on b:b-a in)" -gt "$(seen_on a:a-b out)"
	drop_nodes
}

reordering() {
	triangle delay 20ms 15ms reorder 25% 50%
	under "reordering" "${everything[@]}"
	drop_nodes
}

loss() {
	local got
	triangle loss 20%
	under "loss of 20 %"
	got=$(seen_on b:cs0 in)
	check "loss: there was some" test "$(seen_on b:b-a in)" -lt "$(seen_on a:a-b out)"
	# each node has two ways to a; the second makes up for most of what the first lost
	check "loss: the other way makes up for it ($got of $messages)" \
		test "$got" -gt $((messages * 80 / 100))
	drop_nodes
}

all_at_once() {
	triangle loss 10% duplicate 30% corrupt 10% delay 5ms 5ms
	under "loss, duplication, corruption and jitter at once"
	drop_nodes
}

# Every second frame has a bit flipped; each message is sent often enough that a good copy comes.
corruption() {
	node b
	namespaces s t
	impaired s b corrupt 50%
	wires "b b-t t t-b 1500"
	port b b-s auth off
	port b b-t auth off
	capture b:
	csmsg --seed 6 --count "$messages" --repeat 24 --rate 4000 --digests "$work/sent" s:s-b ||
		die "csmsg"
	settle b
	captured
	rules "corruption: each message arrives whole, exactly once" "exact b:cs0 in $work/sent" \
		'whole b:cs0 in'
	rules "corruption: each is sent on once, and whole" "exact b:b-t out $work/sent" \
		'whole b:b-t out'
	check "corruption: wrong digests were dropped" \
		test "$(counter b port:b-s drops.digest)" -gt 0
	check "corruption: received = new + duplicates + drops" sums_hold b
	drop_nodes
}

load_module
modprobe -q sch_netem || :
ip link add netem0 type dummy 2>/dev/null || ip link add netem0 type veth peer name netem1
tc qdisc add dev netem0 root netem delay 1ms 2>/dev/null || skip_all "no netem in this kernel"
ip link del netem0
duplication
reordering
loss
all_at_once
corruption
finish
