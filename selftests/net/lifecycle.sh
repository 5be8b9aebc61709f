#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Interfaces, devices, namespaces and the module itself come and go under full traffic. Nothing
# crashes, nothing leaks a reference, and afterwards messages pass as before, at most once.
#
#	s ------- b ------- t		s and t send new messages all the time, and so does b
#	  s-b b-s   b-t t-b		itself, into cs0
#
# CS_ROUNDS says how often each thing is done; CS_RATE how many messages a second each of the three
# sends: with as many as they can an emulated guest does little else.

. "$(dirname "$0")/lib.sh"

rounds=${CS_ROUNDS:-$(amount 3 1)}
rate=${CS_RATE:-$(amount 400 200)}

# In short runs, as its sockets keep a namespace alive; and it comes back when its interface does.
stream() {
	local seed=$1 dev=$2
	while :; do
		seed=$((seed + 10))
		csmsg -S $seed -s 700 -c "$rate" --rate "$rate" "$dev" 2>/dev/null || sleep 0.1
	done
}

traffic_on() {
	stream 1000001 s:s-b & background+=($!)
	stream 1000002 t:t-b & background+=($!)
	stream 1000003 b:cs0 & background+=($!)
}

traffic_off() {
	local pid
	for pid in ${background[@]+"${background[@]}"}; do
		# the loop first, so that it starts nothing more
		kill -STOP "$pid" 2>/dev/null
		pkill -P "$pid" 2>/dev/null
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	background=()
}

flows() { [ "$(counter b port:b-t tx_frames)" -gt "$1" ]; }

build_ends() {
	namespaces s t
	wires "s s-b b b-s 1500" "b b-t t t-b 1500"
	port b b-s auth off
	port b b-t auth off
}

# round COMMAND: does it often, under traffic.
often() {
	local i
	for ((i = 0; i < rounds; i++)); do
		"$@" || return 1
	done
}

# still_works WHAT: at rest, a message passes once, and all adds up.
still_works() {
	probe=$((probe + 1))
	traffic_off
	settle b
	# there has been a lot of traffic
	csnl -n b seen flush dev cs0
	capture b:
	csmsg -S $((2000000 + probe)) -c 20 -s 300 --digests "$work/probe" s:s-b || die "csmsg"
	settle b
	captured
	rules "$1: messages pass once" "exact b:b-t out $work/probe" "exact b:cs0 in $work/probe"
	check "$1: received = new + duplicates + drops" parts_hold b
	traffic_on
	check "$1: traffic flows again" wait_for 20 flows "$(counter b port:b-t tx_frames)"
}

port_down() { ip -n b link set b-t down && ip -n b link set b-t up; }
device_down() { ip -n b link set cs0 down && ip -n b link set cs0 up; }

mtus() {
	ip -n b link set b-t mtu 400 && ip -n b link set b-t mtu 1500 &&
		ip -n b link set cs0 mtu 9000 && ip -n b link set cs0 mtu 1500
}

addresses() {
	local new
	new=02:00:00:00:$(printf '%02x:%02x' $((RANDOM % 256)) $((RANDOM % 256)))
	ip -n b link set b-t address "$new" || return 1
	capture b:b-t
	wait_for 5 flows "$(counter b port:b-t tx_frames)"
	captured
	cscap -r "$work/log" "src b:b-t out $new"
}

ports() {
	csnl -n b port del b-t && csnl -n b port add b-t dev cs0 auth off echo always &&
		csnl -n b port set b-t echo auto
}

peers() {
	csnl -n b peer add 02:00:00:00:00:01 port b-s rate 100 &&
		csnl -n b peer add "$(mac s s-b)" port b-s &&
		csnl -n b peer set "$(mac s s-b)" port b-s rate 1000000 &&
		csnl -n b peer del "$(mac s s-b)" port b-s &&
		csnl -n b peer del 02:00:00:00:00:01 port b-s
}

sets() {
	csnl -n b dev set cs0 seen-max 300000 && csnl -n b dev set cs0 seen-max 200000 &&
		csnl -n b seen flush dev cs0
}

device_deleted() {
	ip -n b link del cs0 && ip -n b link add cs0 up type crowdshare &&
		csnl -n b port add b-s dev cs0 auth off &&
		csnl -n b port add b-t dev cs0 auth off &&
		csnl -n b dev set cs0 seen-max 200000
}

wire_deleted() {
	ip -n b link del b-t
	wires "b b-t t t-b 1500"
	csnl -n b port add b-t dev cs0 auth off
}

port_moved() {
	ip -n b link set b-t netns t || return 1
	csnl -n b -j port show | grep -q 'b-t' && return 1
	ip -n t link set b-t netns b && ip -n b link set b-t up &&
		csnl -n b port add b-t dev cs0 auth off
}

# Either refused, with a reason, or it lets go of its ports.
device_moved() {
	local why
	if why=$(ip -n b link set cs0 netns t 2>&1); then
		csnl -n b -j port show | grep -q 'b-t' && return 1
		ip -n t link set cs0 netns b && ip -n b link set cs0 up &&
			csnl -n b port add b-s dev cs0 auth off &&
			csnl -n b port add b-t dev cs0 auth off
	else
		grep -q . <<<"$why"
	fi
}

gone() { ! ip -n "$1" link show dev "$2" >/dev/null 2>&1; }

namespace_deleted() {
	ip netns del t && wait_for 30 gone b b-t && ip netns add t || return 1
	wires "b b-t t t-b 1500"
	csnl -n b port add b-t dev cs0 auth off
}

node_deleted() {
	ip netns del b && wait_for 30 gone s s-b && wait_for 30 gone t t-b && ip netns add b ||
		return 1
	echo 'link add cs0 up netns b type crowdshare' | batch
	wires "s s-b b b-s 1500" "b b-t t t-b 1500"
	csnl -n b port add b-s dev cs0 auth off && csnl -n b port add b-t dev cs0 auth off &&
		csnl -n b dev set cs0 seen-max 200000
}

module_removed() {
	wait_for 20 rmmod crowdshare || return 1
	load_module
	echo 'link add cs0 up netns b type crowdshare' | batch
	csnl -n b port add b-s dev cs0 auth off && csnl -n b port add b-t dev cs0 auth off &&
		csnl -n b dev set cs0 seen-max 200000
}

load_module
node b
build_ends
csnl -n b dev set cs0 seen-max 200000
probe=0
traffic_on
check "traffic flows" wait_for 20 flows 0
while read -r act what; do
	check "$what, $rounds times under traffic" often "$act"
	case $act in
	node_deleted | wire_deleted | module_removed | sets) still_works "$what" ;;
	esac
done <<-EOT
	port_down port down and up
	device_down device down and up
	mtus MTUs changed
	addresses address of a port changed, and the source follows
	ports port removed and added
	peers peers added and removed
	sets seen-set resized and flushed
	device_deleted device deleted and made anew
	wire_deleted interface of a port deleted
	port_moved port moved to another namespace
	device_moved device moved to another namespace
	namespace_deleted namespace of a neighbour deleted
	node_deleted namespace of the node deleted
	module_removed module removed and loaded
EOT
traffic_off
drop_nodes
check "the module can be removed in the end" wait_for 20 rmmod crowdshare
finish
