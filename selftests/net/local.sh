#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a node itself sends and gets, and the company that a port keeps: bridges, VLANs, tunnels, IP,
# captures, large and fragmented frames.
#
#	s ------- b ------- t		s and t only have interfaces, of MTU 9000
#	  s-b b-s   b-t t-b
#
# Captured: b's interfaces, and s's and t's where it matters.

. "$(dirname "$0")/lib.sh"

bytes=452	# of a frame, from the link header on

send() { csmsg -s 300 "$@" || die "csmsg: $*"; }

into_device() {
	local n all
	capture b:
	before b
	send -S 1 -c 5 --digests "$work/all" --key-id 5 --tag random --contract 7 b:cs0
	all=("b local:cs0 rx_frames 5" "b local:cs0 rx_bytes $((5 * bytes))")
	n=("b port:b-s tx_frames 5" "b port:b-s tx_bytes $((5 * bytes))"
		"b port:b-t tx_frames 5" "b port:b-t tx_bytes $((5 * bytes))")
	changed "sent to all: remembered, and sent on all ports" "${all[@]}" "${n[@]}" \
		"b local:cs0 new 5" "b set:cs0 count 5"
	send -S 1 -c 5 --contract 7 b:cs0
	changed "known: nothing is sent" "${all[@]}" "b local:cs0 duplicates 5"
	send -S 2 -c 5 --dst 33:33:00:00:00:01 --contract 7 --digests "$work/group" b:cs0
	changed "sent to a group: like to all" "${all[@]}" "${n[@]}" "b local:cs0 new 5" \
		"b set:cs0 count 5"
	captured
	rules "the kernel makes key_id and tag anew" 'untagged b:b-? out'
	rules "all goes to all, from the port's address" 'dst b:b-? out ff:ff:ff:ff:ff:ff' \
		"src b:b-s out $(mac b b-s)" "src b:b-t out $(mac b b-t)" \
		"exact b:b-? out $work/all $work/group"
	expect "what goes to all is under no contract" \
		"$(cscap -d "$work/log" | grep -c '^b:b-. out .* contract 0 ')" 20
	expect "and what was sent in is not written to: the capture has it as it was" \
		"$(cscap -d "$work/log" | grep -c '^b:cs0 out .* key 5 contract 7 ')" 5
	rules "the node does not deliver to itself" 'none b:cs0 in'
}

hops() {
	capture b:
	send -S 10 --hops 3 b:cs0
	send -S 11 --hops 0 b:cs0
	send -S 12 --hops 255 b:cs0
	settle b
	captured
	expect "hops_left stays as the sender set it" "$(cscap -d "$work/log" |
		awk '$2 == "out" && $1 == "b:b-t" { for (i = 3; i < NF; i++)
			if ($i == "hops") printf "%s ", $(i + 1) }')" '3 0 255 '
	capture b:
	send -S 13 --hops 3 s:s-b
	settle b
	captured
	rules "a relay takes one off hops_left, what is delivered is as it came" \
		'hops b:b-t out 2' 'count b:b-t out 1' 'hops b:cs0 in 3' 'hops b:b-s in 3'
	capture b:
	send -S 14 --hops 255 s:s-b
	settle b
	captured
	rules "hops_left 255 stays" 'hops b:b-t out 255' 'count b:b-t out 1'
}

unicast() {
	local one
	one=("b local:cs0 rx_frames 1" "b local:cs0 rx_bytes $bytes")
	capture b:
	before b
	send -S 20 --dst 02:00:00:00:00:77 b:cs0
	changed "to a MAC that is not listed: on open ports" "${one[@]}" "b local:cs0 new 1" \
		"b set:cs0 count 1" "b port:b-s tx_frames 1" "b port:b-s tx_bytes $bytes" \
		"b port:b-t tx_frames 1" "b port:b-t tx_bytes $bytes"
	send -S 24 --dst 02:00:00:00:00:77 --contract 7 b:cs0
	changed "to a MAC that is not listed, under a contract: that is none" "${one[@]}" \
		"b local:cs0 new 1" "b set:cs0 count 1" "b port:b-s drops.tx_contract 1" \
		"b port:b-t drops.tx_contract 1"
	captured
	rules "to a MAC that is not listed: it is the destination" \
		'dst b:b-? out 02:00:00:00:00:77'
	csnl -n b peer add "$(mac t t-b)" port b-t
	capture b:
	before b
	send -S 21 --dst "$(mac t t-b)" b:cs0
	changed "to a peer: on its port" "${one[@]}" "b local:cs0 new 1" "b set:cs0 count 1" \
		"b port:b-t tx_frames 1" "b port:b-t tx_bytes $bytes"
	send -S 21 --dst "$(mac t t-b)" b:cs0
	changed "to a peer, known: it is a repair" "${one[@]}" "b local:cs0 duplicates 1" \
		"b port:b-t tx_frames 1" "b port:b-t tx_bytes $bytes" "b port:b-t tx_repairs 1"
	captured
	rules "to a peer: it is the destination" "dst b:b-t out $(mac t t-b)" 'none b:b-s out'
	csnl -n b port set b-s auth required
	csnl -n b port set b-t auth required
	before b
	send -S 22 --dst 02:00:00:00:00:77 b:cs0
	changed "to a MAC that is not listed, no open port: nowhere" "${one[@]}" \
		"b local:cs0 new 1" "b set:cs0 count 1" "b local:cs0 drops.tx_peer 1"
	csnl -n b port set b-s auth off
	csnl -n b port set b-t auth off
	csnl -n b peer set "$(mac t t-b)" port b-t state deny
	before b
	send -S 23 --dst "$(mac t t-b)" b:cs0
	changed "to a peer that is denied: nowhere" "${one[@]}" "b local:cs0 new 1" \
		"b set:cs0 count 1" "b local:cs0 drops.tx_peer 1"
	csnl -n b peer add "$(mac t t-b)" port b-s
	before b
	send -S 25 --dst "$(mac t t-b)" b:cs0
	changed "to a peer of two ports, denied on one: on the other" "${one[@]}" \
		"b local:cs0 new 1" "b set:cs0 count 1" "b port:b-s tx_frames 1" \
		"b port:b-s tx_bytes $bytes"
	csnl -n b peer set "$(mac t t-b)" port b-s state deny
	csnl -n b peer set "$(mac t t-b)" port b-t state free
	before b
	send -S 26 --dst "$(mac t t-b)" b:cs0
	changed "and the other way round" "${one[@]}" "b local:cs0 new 1" "b set:cs0 count 1" \
		"b port:b-t tx_frames 1" "b port:b-t tx_bytes $bytes"
	csnl -n b peer del "$(mac t t-b)" port b-t
	csnl -n b peer del "$(mac t t-b)" port b-s
}

# arrives WHAT DELIVERED ADDRESS: of 3 messages to ADDRESS so many are delivered; all are relayed.
arrives() {
	local delivered=()
	[ "$2" = 0 ] || delivered=("b port:b-s delivered $2")
	seed=$((seed + 1))
	before b
	send -S $seed -c 3 --to "$3" s:s-b
	changed "$1" "b port:b-s rx_frames 3" "b port:b-s rx_bytes $((3 * bytes))" \
		"b port:b-s new 3" "b set:cs0 count 3" "b port:b-t tx_frames 3" \
		"b port:b-t tx_bytes $((3 * bytes))" ${delivered[@]+"${delivered[@]}"}
}

delivery() {
	seed=30
	csnl -n b dev set cs0 addr fd00::b deliver local
	arrives "deliver local: the node's own messages" 3 fd00::b
	arrives "deliver local: not others'" 0 fd00::c
	csnl -n b dev set cs0 deliver none
	arrives "deliver none: not even its own" 0 fd00::b
	csnl -n b dev set cs0 addr none deliver local
	arrives "deliver local without an address: none" 0 fd00::b
	csnl -n b dev set cs0 deliver all
	arrives "deliver all: all" 3 fd00::c
}

tcpdump_device() {
	local pid
	ip netns exec b tcpdump -i cs0 -Q in -U -w "$work/cs0.pcap" 2>"$work/tcpdump.err" &
	pid=$!
	background+=("$pid")
	wait_for 20 grep -q listening "$work/tcpdump.err"
	send -S 40 -c 10 --repeat 3 s:s-b
	send -S 40 -c 10 t:t-b
	send -S 41 -c 10 --digest wrong s:s-b
	settle b
	wait_for 10 test "$(stat -c %s "$work/cs0.pcap")" -gt 4000
	kill -INT "$pid"
	wait "$pid" 2>/dev/null
	expect "tcpdump -i cs0 shows the verified stream without duplicates" \
		"$(tcpdump -r "$work/cs0.pcap" 2>/dev/null | grep -c '0x88b5')" 10
}

echoes() {
	capture b:
	csnl -n b port set b-s echo always
	send -S 50 -c 5 --digests "$work/echoed" s:s-b
	settle b
	csnl -n b port set b-s echo never
	send -S 51 -c 5 s:s-b
	csnl -n b port set b-s echo auto
	send -S 52 -c 5 s:s-b
	settle b
	captured
	rules "echo always: once; echo never, and auto on a wire: none" \
		"exact b:b-s out $work/echoed" 'count b:b-t out 15'
}

two_devices() {
	echo 'link add cs1 up netns b type crowdshare' | batch
	refuse "an interface is a port of one device only" 'already|another' \
		csnl -n b port add b-t dev cs1 auth off
	csnl -n b port del b-t
	csnl -n b port add b-t dev cs1 auth off
	capture b:
	send -S 60 -c 4 --digests "$work/first" s:s-b
	send -S 60 -c 4 --digests "$work/second" t:t-b
	settle b
	captured
	rules "two devices: each has a seen-set and ports of its own" \
		"exact b:cs0 in $work/first" "exact b:cs1 in $work/second" 'none b:b-? out'
	ip -n b link del cs1
	port b b-t auth off
	pass "a device deleted lets go of its ports"
	refuse "a crowdshare device is no port" 'crowdshare' csnl -n b port add cs0 dev cs0
	refuse "the loopback is no port" 'Ethernet' csnl -n b port add lo dev cs0
}

# Foreign frames are bridged as before, ours are not flooded by the bridge.
bridged() {
	namespaces u
	wires "b b-u u u-b 9000"
	echo 'link add br0 up netns b type bridge' | batch
	for dev in b-s b-t b-u; do
		ip -n b link set $dev master br0
	done
	capture b: t:t-b u:u-b
	send -S 70 -c 6 --digests "$work/ours" s:s-b
	csmsg -S 71 -c 6 --ethertype 0x88b6 s:s-b
	settle b
	wait_for 3 false
	captured
	rules "port in a bridge: ours go out once, by the module" "exact b:b-t out $work/ours" \
		"src b:b-t out $(mac b b-t)" 'none b:b-u out' 'none b:br0 in'
	expect "port in a bridge: foreign frames are bridged" \
		"$(cscap -t "$work/log" |
			awk '$1 == "t:t-b" || $1 == "u:u-b" { printf "%s ", $6 }')" '6 6 '
	ip -n b link del br0
	ip -n b link del b-u
}

vlans() {
	ip -n b link add link b-s name b-s.5 up type vlan id 5 || die "no VLAN"
	capture b:
	before b
	send -S 80 -c 3 --vlan 5 --digests "$work/tagged" s:s-b
	settle b
	changed "VLAN: tagged frames pass a port untouched"
	csnl -n b port add b-s.5 dev cs0 auth off
	before b
	send -S 81 -c 3 --vlan 5 --digests "$work/vlan" s:s-b
	changed "VLAN: its interface is a port like any other" "b port:b-s.5 rx_frames 3" \
		"b port:b-s.5 rx_bytes $((3 * bytes))" "b port:b-s.5 new 3" \
		"b port:b-s.5 delivered 3" "b set:cs0 count 3" "b port:b-s tx_frames 3" \
		"b port:b-s tx_bytes $((3 * bytes))" "b port:b-t tx_frames 3" \
		"b port:b-t tx_bytes $((3 * bytes))"
	csnl -n b port del b-s.5
	before b
	send -S 82 -c 3 --vlan $((3 << 13)) --digests "$work/prio" s:s-b
	changed "VLAN 0, a priority only: ours" "b port:b-s rx_frames 3" \
		"b port:b-s rx_bytes $((3 * bytes))" "b port:b-s new 3" "b port:b-s delivered 3" \
		"b set:cs0 count 3" "b port:b-t tx_frames 3" "b port:b-t tx_bytes $((3 * bytes))"
	captured
	rules "VLAN: each reaches what it should" "exact b:b-s.5 in $work/tagged $work/vlan" \
		"exact b:b-t out $work/vlan $work/prio"
	ip -n b link del b-s.5
}

# Foreign traffic over an interface that is a port, and a tunnel over it that is a port too.
tunnels() {
	ip -n b addr add 10.1.1.1/24 dev b-t
	ip -n t addr add 10.1.1.2/24 dev t-b
	check "IP over an interface that is a port" \
		ip netns exec t ping -q -c 2 -i 0.2 -W 5 10.1.1.1
	ip -n b link add vx0 type vxlan id 5 local 10.1.1.1 remote 10.1.1.2 dstport 4789 &&
		ip -n t link add vx0 type vxlan id 5 local 10.1.1.2 remote 10.1.1.1 dstport 4789 ||
		{ skip_test "a tunnel as a port" "no VXLAN"; return; }
	ip -n b link set vx0 up mtu 1450
	ip -n t link set vx0 up mtu 1450
	csnl -n b port del b-t
	port b vx0 auth off
	capture t:vx0
	before b
	csmsg -S 90 -c 2 -s 1234 --digests "$work/small" s:s-b
	csmsg -S 91 -c 2 -s 1299 s:s-b
	changed "a tunnel as a port: what fits its MTU goes, what does not is counted" \
		"b port:b-s rx_frames 4" "b port:b-s rx_bytes $((2 * (1234 + 1299 + 304)))" \
		"b port:b-s new 4" "b port:b-s delivered 4" "b set:cs0 count 4" \
		"b port:vx0 tx_frames 2" "b port:vx0 tx_bytes $((2 * 1386))" \
		"b port:vx0 drops.mtu 2"
	captured
	rules "a tunnel as a port: the messages come out whole" "exact t:vx0 in $work/small" \
		'whole t:vx0 in'
	before b
	csmsg -S 92 -c 3 -s 500 t:vx0
	changed "a tunnel as a port: the way back" "b port:vx0 rx_frames 3" \
		"b port:vx0 rx_bytes $((3 * 652))" "b port:vx0 new 3" "b port:vx0 delivered 3" \
		"b set:cs0 count 3" "b port:b-s tx_frames 3" "b port:b-s tx_bytes $((3 * 652))"
	ip -n b link del vx0
	port b b-t auth off
}

# whole_and_once WHAT OPTION...: 20 messages from s, sent on and delivered whole.
whole_and_once() {
	local what=$1
	shift
	seed=$((seed + 1))
	capture b: t:t-b
	csmsg -S $seed -c 20 --hops 9 --digests "$work/big" "$@" s:s-b || die "csmsg"
	settle b
	captured
	rules "$what" "exact b:b-t out $work/big" "exact b:cs0 in $work/big" \
		"exact t:t-b in $work/big" 'whole * in' 'whole * out' 'hops b:b-t out 8' \
		'hops b:b-s in 9' 'hops b:cs0 in 9'
}

# Large frames of a packet socket have the Ethernet header in the linear part and all else in page
# fragments; those of a ring have, of any size. Captures on the port make all of them clones, whose
# headers a relay must not write to: the capture would show its hops_left.
fragments() {
	seed=100
	whole_and_once "jumbo frames, in page fragments" -s 8700
	whole_and_once "small frames, in page fragments" -s 500 --ring
	whole_and_once "jumbo frames, from a ring" -s 8834 --ring
	whole_and_once "no payload at all" -s 0
	whole_and_once "one byte of payload" -s 1
	# then the last port gets the buffer itself, which the capture has too
	csnl -n b dev set cs0 deliver none
	seed=$((seed + 1))
	capture b:
	csmsg -S $seed -c 20 -s 300 --hops 9 --digests "$work/big" s:s-b || die "csmsg"
	csmsg -S $((seed + 50)) -c 20 -s 300 --ring --hops 9 --digests "$work/ring" s:s-b ||
		die "csmsg"
	settle b
	captured
	rules "not delivered: sent on, and what came is not written to" 'hops b:b-t out 8' \
		"exact b:b-t out $work/big $work/ring" 'hops b:b-s in 9' 'none b:cs0 in'
	csnl -n b dev set cs0 deliver all
	tc -n b qdisc add dev b-s ingress &&
		ip -n b link add dup0 up type dummy &&
		tc -n b filter add dev b-s ingress matchall \
			action mirred egress mirror dev dup0 || {
		skip_test "mirrored frames" "no mirred"
		return
	}
	whole_and_once "mirrored by tc at the same time" -s 8000
	rules "the mirror's copies are as they came" 'hops b:dup0 out 9' \
		"exact b:dup0 out $work/big"
	tc -n b qdisc del dev b-s ingress
	ip -n b link del dup0
	capture b:
	csmsg -S 110 -c 20 -s 8000 --digests "$work/big" b:cs0 2>/dev/null && die "cs0 took 8 kB"
	captured
	ip -n b link set cs0 mtu 9000
	capture b:
	csmsg -S 111 -c 20 -s 8000 --digests "$work/big" b:cs0 || die "csmsg"
	csmsg -S 112 -c 20 -s 600 --ring --digests "$work/ring" b:cs0 || die "csmsg"
	settle b
	captured
	rules "in fragments into the device" "exact b:b-? out $work/big $work/ring" \
		'whole b:b-? out'
}

load_module
modprobe -q dummy
node b
namespaces s t
wires "s s-b b b-s 9000" "b b-t t t-b 9000"
port b b-s auth off
port b b-t auth off
into_device
hops
unicast
delivery
tcpdump_device
echoes
two_devices
bridged
vlans
tunnels
fragments
check "received = new + duplicates + drops" parts_hold b
ip -n b link del cs0
check "the device is gone, its ports are free" test "$(csnl -n b -j port show)" = '[]'
finish
