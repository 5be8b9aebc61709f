#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Peers find each other, open sessions and install keys; keys are rotated under traffic without one
# authentication drop; a restarted peer is keyed anew; a stranger and a revoked peer stay out.
#
#	a ------- b ------- c
#
# Captured: all ports and devices.

. "$(dirname "$0")/lib.sh"

# refused NODE PORT: frames refused for want of the right key or tag.
refused() {
	echo $(($(counter "$1" "port:$2" drops.tag) + $(counter "$1" "port:$2" drops.key) +
		$(counter "$1" "port:$2" drops.stranger)))
}

none_refused() {
	local sum
	sum=$(($(refused a a-b) + $(refused b b-a) + $(refused b b-c) + $(refused c c-b)))
	[ "$sum" = 0 ] || note "$sum frames were refused"
	[ "$sum" = 0 ]
}

epoch() { get b '.[0].key_epoch' peers; }
rotated() { [ "$(epoch)" != "$1" ]; }

found() {
	conf a
	conf b
	conf c
	start a b c
	check "sessions come up by themselves" all_up a 1 b 2 c 1 || logs a b c
	check "identity: mode 0600" [ "$(stat -c %a "$work/a/identity.key")" = 600 ]
	check "the address is in fd00::/8" grep -q '^fd' <<<"$(address a)"
	expect "csnl: the peer has keys for both directions" "$(csnl -n a -j peer show |
		jq -c '.[0] | [(.rx_key_ids | length >= 2), has("tx_key_id")]')" '[true,true]'
}

flows() {
	capture a: b: c:
	csmsg -S 1 -c 50 --rate 200 --digests "$work/sent" a:cs0 || die csmsg
	settle a b c
	captured
	rules "messages cross two hops, tagged" "exact b:cs0 in $work/sent" \
		"exact c:cs0 in $work/sent"
	check "nothing was refused" none_refused
}

# A wire that appears while the daemons run, and goes again.
late() {
	wires 'a a-c c c-a 1500'
	check "an interface that appears becomes a port, with a session" all_up a 2 c 2 ||
		logs a c
	ip -n a link del a-c
	check "one that goes is forgotten" wait_for 20 has_peers a 1
	check "by both" wait_for 20 has_peers c 1
}

rotation() {
	local before
	rotate=3
	for name in a b c; do
		conf $name
		stop $name
	done
	start a b c
	all_up a 1 b 2 c 1
	before=$(epoch)
	capture a: b: c:
	csmsg -S 2 -c "$(amount 4000 1000)" --rate 200 --digests "$work/sent" a:cs0 &
	pid=$!
	check "keys are rotated" wait_for 30 rotated "$before"
	wait $pid
	settle a b c
	captured
	rules "under rotation every message arrives exactly once" "exact b:cs0 in $work/sent" \
		"exact c:cs0 in $work/sent"
	check "under rotation nothing was refused" none_refused
	rotate=3600
}

since() { get a '.[0].since' peers; }

restarted() {
	stop b KILL
	start b
	check "b was killed: sessions come up again" all_up a 1 b 2 c 1 || logs a b
	capture a: b: c:
	csmsg -S 3 -c 50 --rate 200 --digests "$work/sent" a:cs0 || die csmsg
	settle a b c
	captured
	rules "after that messages flow" "exact c:cs0 in $work/sent"
	check "and nothing was refused" none_refused
}

lists() { printf 'peers = ( { address = "%s"; state = "%s"; } );' "$1" "$2"; }

has_device() { ip -n "$1" link show cs0 >/dev/null 2>&1; }

# Somebody removes the device, and with it what the kernel knew.
removed() {
	ip -n b link del cs0
	check "the device was removed: it is made anew" wait_for 20 has_device b
	check "and the sessions come up again" all_up a 1 b 2 c 1 || logs a b
	capture a: b: c:
	csmsg -S 7 -c 50 --rate 200 --digests "$work/sent" a:cs0 || die csmsg
	settle a b c
	captured
	rules "then messages flow" "exact c:cs0 in $work/sent"
}

revoked() {
	trusts=$(lists "$(address c)" deny) conf b
	kill -HUP "${daemon_pid[b]}"
	check "revoked: the session ends" wait_for 20 has_peers b 1
	capture b: c:
	csmsg -S 4 -c 20 --rate 200 c:cs0 || die csmsg
	csmsg -S 5 -c 20 --rate 200 --digests "$work/sent" a:cs0 || die csmsg
	settle a b c
	captured
	rules "revoked: its messages are not taken" "exact b:cs0 in $work/sent"
	rules "revoked: no message reaches it" 'none c:cs0 in'
	conf b
}

stranger() {
	trust=list trusts=$(lists "$(address a)" free) conf b
	stop b
	start b
	all_up a 1 b 1
	capture b: c:
	csmsg -S 6 -c 20 --rate 200 c:cs0 || die csmsg
	settle b c
	captured
	check "a stranger gets no session" has_peers c 0
	rules "a stranger's messages are not taken" 'none b:cs0 in'
	check "the log says why" grep -qi 'trust\|list' "$work/b/log"
}

load_module
network 'a b' 'b c'
found
flows
late
rotation
restarted
removed
revoked
stranger
for name in a b c; do
	stop $name
done
check "received = new + duplicates + drops" sums_hold a b c
drop_nodes
finish
