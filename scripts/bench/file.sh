#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# End to end: a file from csnl send to csnl recv over three hops, and iperf3's UDP over bridges on
# the same links. Run by scripts/bench/run in a guest with two CPUs.
#
#	n1 ----- n2 ----- n3 ----- n4	cs0 in each; br0 in n2 and n3, addresses in n1 and n4
#
# Neither sends anything twice, so what counts is the highest rate at which nothing is lost. csnl is
# told to send as fast as it goes, and the file must come whole. iperf3 loses what does not fit its
# queues, so the highest of some rates at which it loses nothing is searched for first.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
megabytes=$((4 / scale > 0 ? 4 / scale : 1))
rates=(16 24 32 48 64 96 128 192 256 384 512)

link() {
	must ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"
	must ip -n "$1" link set "$2" up
	must ip -n "$3" link set "$4" up
}

topology() {
	local n port
	for n in n1 n2 n3 n4; do
		ip netns add $n && ip -n $n link set lo up
		ip netns exec $n sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	done
	link n1 p1 n2 p2
	link n2 p3 n3 p4
	link n3 p5 n4 p6
	for n in n1 n2 n3 n4; do
		must ip -n $n link add cs0 type crowdshare
		must ip -n $n link set cs0 up
		for port in $(ip -n $n -br link | grep -o '^p[0-9]'); do
			must "$csnl" -n $n port add "$port" dev cs0 auth off
		done
	done
	ip -n n1 addr add 10.0.0.1/24 dev p1
	ip -n n4 addr add 10.0.0.2/24 dev p6
	for n in n2 n3; do
		must ip -n $n link add br0 type bridge
		must ip -n $n link set br0 up
		for port in $(ip -n $n -br link | grep -o '^p[0-9]'); do
			must ip -n $n link set "$port" master br0
		done
	done
}

# by_csnl: Mbit/s of payload if the file came whole, else fails.
by_csnl() {
	local start receiver
	rm -rf /tmp/in
	mkdir /tmp/in
	"$csnl" -n n4 recv dev cs0 timeout 3 count 1 -q /tmp/in >/dev/null 2>&1 &
	receiver=$!
	sleep 0.3
	start=$EPOCHREALTIME
	"$csnl" -n n1 send dev cs0 to fd00::1 rate 0 -q name file /tmp/file >/dev/null 2>&1 ||
		die "cannot send"
	wait $receiver || return
	awk -v a="$start" -v b="$EPOCHREALTIME" -v m=$megabytes \
		'BEGIN { print m * 8 * 1.048576 / (b - a) }'
}

# by_iperf RATE: the same, with as much payload in a packet; the receiver's figures.
by_iperf() {
	ip netns exec n1 iperf3 -u -c 10.0.0.2 -b "$1M" -l 1234 -t 1 -J >/tmp/iperf 2>&1 ||
		die "iperf3: $(</tmp/iperf)"
	jq -e '.end.sum.lost_packets == 0' /tmp/iperf >/dev/null || return
	jq '.end.sum.bits_per_second / 1e6' /tmp/iperf
}

# highest: the highest rate at which iperf3 loses nothing, twice.
highest() {
	local rate best=''
	for rate in "${rates[@]}"; do
		by_iperf "$rate" >/dev/null || break
		by_iperf "$rate" >/dev/null || break
		best=$rate
	done
	[ -n "$best" ] || die "iperf3: loses at ${rates[0]} Mbit/s"
	echo "$best"
}

begin
modprobe veth
modprobe bridge
load
topology
sysctl -qw net.core.rmem_max=16777216 net.core.rmem_default=4194304
head -c ${megabytes}M /dev/urandom >/tmp/file
ip netns exec n4 iperf3 -s -D >/dev/null
sleep 2
iperf_rate=$(highest) || exit
echo "iperf3 loses nothing at $iperf_rate Mbit/s"
for ((round = 1; round <= rounds; round++)); do
	note $round file_csnl "$(by_csnl || echo 0)"
	note $round file_iperf "$(by_iperf "$iperf_rate" || echo 0)"
done
