#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Promise 10, by netlink: every command with every attribute missing, empty, short, long, out of
# range, nested, with an unknown one, with garbage behind: refused with a text and the attribute,
# and nothing changes. Without CAP_NET_ADMIN, from another namespace, at random; events.
#
#	s ------- b		b has cs0, the port b-s, the peer s on it, and b-x, which is no port
#	  s-b b-s

. "$(dirname "$0")/lib.sh"

in_b() { ip netns exec b "$@"; }

# All that can be configured, to see that it did not change.
state() {
	csnl -n b -j dev show
	csnl -n b -j port show
	csnl -n b -j peer show
	csnl -n b -j contract show
}

systematic() {
	local command old
	old=$(state)
	for command in dev-get dev-set port-get port-new port-set port-del peer-get peer-new \
		peer-set peer-del key-new key-del seen-get seen-new seen-del stats-get \
		contract-get contract-new contract-del; do
		check "$command spoiled in every way: refused, and why" \
			in_b nlfuzz systematic $command "${objects[@]}"
	done
	expect "nothing was changed by it" "$(state)" "$old"
}

permissions() {
	local answers index old reading='dev-get port-get peer-get stats-get contract-get'
	local changing='dev-set port-new port-set port-del peer-new peer-set peer-del
		key-new key-del seen-new seen-del seen-get contract-new contract-del'
	old=$(state)
	answers=$(in_b setpriv --bounding-set -net_admin --inh-caps -net_admin \
		nlfuzz errors "${objects[@]}")
	for index in $changing; do
		expect "without CAP_NET_ADMIN: $index" "$(grep "^$index " <<<"$answers")" \
			"$index EPERM"
	done
	for index in $reading; do
		expect "without CAP_NET_ADMIN: $index" "$(grep "^$index " <<<"$answers")" \
			"$index OK"
	done
	# root of a user namespace is not root of this network namespace
	answers=$(in_b unshare -Ur nlfuzz errors "${objects[@]}" 2>&1)
	expect "as root of another user namespace: all that changes is refused" \
		"$(grep -c EPERM <<<"$answers")" "$(wc -w <<<"$changing")"
	expect "nothing was changed by it" "$(state)" "$old"
}

elsewhere() {
	local answers index=()
	for dev in cs0 b-s b-x; do
		index+=("$(in_b cat /sys/class/net/$dev/ifindex)")
	done
	answers=$(ip netns exec s nlfuzz errors "${index[@]}" "$peer")
	# a dump of the statistics of nothing is empty, all else is an error
	expect "from another namespace nothing of this one is found" \
		"$(grep ' OK' <<<"$answers")" 'stats-get OK'
	expect "from another namespace: dumps are empty" \
		"$(for what in dev port peer contract; do csnl -n s -j $what show; done)" \
		"$(printf '[]\n[]\n[]\n[]')"
}

# Many peers, so that the dump needs several messages, while some are added and removed.
dumps() {
	local i pid
	for ((i = 0; i < 40; i++)); do
		printf '02:00:00:00:01:%02x\n' $i
	done >"$work/macs"
	while read -r m; do
		csnl -n b peer add "$m" port b-s &
		[ $((++i % 8)) != 0 ] || wait
	done <"$work/macs"
	wait
	expect "a dump has each peer once" "$(csnl -n b -j peer show | grep -o '02:00:00:00:01:..' |
		sort | uniq -c | awk '$1 == 1' | wc -l)" 40
	until [ -e "$work/enough" ]; do
		csnl -n b peer add 02:00:00:00:02:01 port b-s
		csnl -n b peer del 02:00:00:00:02:01 port b-s
	done &
	pid=$!
	for i in 1 2 3 4 5; do
		[ "$(csnl -n b -j peer show | grep -o '02:00:00:00:01:..' |
			sort -u | wc -l)" = 40 ] || break
	done
	expect "dumps while peers come and go lack none of the others" "$i" 5
	: >"$work/enough"
	wait $pid
	expect "statistics have each peer once" \
		"$(cscount b | grep -c ' peer:b-s@.* rx_frames ')" 41
}

events() {
	local what
	csnl -n b -j monitor >"$work/events" 2>"$work/events.err" &
	background+=($!)
	wait_for 10 grep -q listening "$work/events.err"
	csnl -n b port add b-x dev cs0
	csnl -n b port set b-x echo always
	csnl -n b peer add 02:00:00:00:03:01 port b-x
	csnl -n b peer set 02:00:00:00:03:01 port b-x state deny
	head -c 32 /dev/zero | csnl -n b peer key 02:00:00:00:03:01 port b-x rx 1 -
	csnl -n b peer key 02:00:00:00:03:01 port b-x rx 1 del
	head -c 32 /dev/zero | csnl -n b port key b-x 1 -
	csnl -n b contract add 02:00:00:00:03:01 port b-x id 1 tx bytes 1 expiry +99
	csnl -n b contract del 02:00:00:00:03:01 port b-x id 1
	csnl -n b peer del 02:00:00:00:03:01 port b-x
	csnl -n b port del b-x
	csnl -n b dev set cs0 deliver local
	csnl -n b dev set cs0 deliver all
	wait_for 10 grep -q '"deliver": *"all"' "$work/events"
	for what in port:3 peer:4 peer_del:1 port_del:1 dev:2 contract:1 contract_del:1; do
		expect "events: ${what%:*}" \
			"$(grep -cE "\"event\": *\"${what%:*}\"" "$work/events")" "${what#*:}"
	done
	csnl -n b port add b-x dev cs0
	ip -n b link del b-x
	check "event when the interface of a port is deleted" wait_for 5 \
		events_count port_del 2
	echo 'link add b-x up netns b type dummy' | batch
}

events_count() { [ "$(grep -cE "\"event\": *\"$1\"" "$work/events")" = "$2" ]; }

# The highest seen-max takes 30 GiB: more than the machine has. That is an error, not the end of it.
too_much() {
	[ "$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)" -lt 60000000 ] || return
	refuse "a seen-set larger than the memory" 'memory' \
		csnl -n b dev set cs0 seen-max 1073741824
	expect "nobody was killed for it" "$(dmesg | grep -c 'Out of memory')" 0
}

fuzz() {
	check "random messages: all answered" in_b nlfuzz random "$(amount 10000 2000)" 42 \
		"${objects[@]}"
	in_b cscount b >/dev/null || fail "statistics after that"
}

load_module
modprobe -q dummy
node b
namespaces s
wires "s s-b b b-s 1500"
echo 'link add b-x up netns b type dummy' | batch
port b b-s
peer=$(mac s s-b)
csnl -n b peer add "$peer" port b-s
csnl -n b contract add "$peer" port b-s id 7 rx bytes 1000 expiry +7200
objects=(cs0 b-s b-x "$peer")
systematic
permissions
elsewhere
dumps
events
fuzz
too_much
finish
