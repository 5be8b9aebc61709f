#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One node on one CPU: what a frame costs that is foreign, known, new, tagged or forged, and what
# the kernel's own bridge, nft and hashes cost for the same frames. Run by scripts/bench/run in a
# guest. All of it is set up at once, each on interfaces of its own; a round measures each once.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# many short rounds: a shared machine changes its speed within seconds
rounds=$((rounds * 3))
frames=$((12000 / scale))
few=$((4000 / scale))

# foreign: a frame that passes, into a bridge and to nobody, without the module and on a port.
foreign() {
	local round
	devices f0 g0 g1 g2
	bridge br9 g0 g1 g2
	for ((round = 1; round <= rounds; round++)); do
		measure $round foreign_without rx f0 foreign $frames 1400
		measure $round foreign_bridge_without rx g0 foreign $frames 1400
		load
		device cs9
		must "$csnl" port add f0 dev cs9 auth off
		must "$csnl" port add g0 dev cs9 auth off
		measure $round foreign rx f0 foreign $frames 1400
		measure $round foreign_bridge rx g0 foreign $frames 1400
		ip link del cs9
		rmmod crowdshare
	done
	ip link del br9
}

# bridge NAME PORT...
bridge() {
	local name=$1 port
	shift
	modprobe bridge
	must ip link add "$name" type bridge mcast_snooping 0
	must ip link set "$name" up
	for port; do
		must ip link set "$port" master "$name"
	done
}

# open_node: cs0 on c0, c1, c2, open; nothing is delivered, as to the bridge.
open_node() {
	local port
	devices c0 c1 c2
	device cs0
	must "$csnl" dev set cs0 deliver none seen-max 4000000
	for port in c0 c1 c2; do
		must "$csnl" port add $port dev cs0 auth off
	done
}

# young_node: cs2 on y0, y1, y2, open, with a seen-set of the default size and little in it.
young_node() {
	local port
	devices y0 y1 y2
	device cs2
	must "$csnl" dev set cs2 deliver none
	for port in y0 y1 y2; do
		must "$csnl" port add $port dev cs2 auth off
	done
	csbench rx y0 known 16384 1400
}

# tagged_node: cs1 on t0, t1, t2, with eight peers on t0 and one on each of the others.
tagged_node() {
	local port peer
	devices t0 t1 t2
	printf 'B%.0s' {1..32} >/tmp/key
	chmod 600 /tmp/key
	device cs1
	must "$csnl" dev set cs1 deliver none seen-max 4000000
	for port in t0 t1 t2; do
		must "$csnl" port add $port dev cs1 auth required
		must "$csnl" port key $port 1 /tmp/key
	done
	for peer in {1..8}; do
		must "$csnl" peer add "02:00:00:00:00:0$peer" port t0
		must "$csnl" peer key "02:00:00:00:00:0$peer" port t0 rx 1 /tmp/key
	done
	must "$csnl" peer add 02:00:00:00:00:09 port t1
	must "$csnl" peer add 02:00:00:00:00:0a port t2
}

# filters: n0 drops all our frames; s0 those whose digest is in a set, and puts others into it.
# A digest is loaded in four pieces, 32 bytes behind the Ethernet header.
filters() {
	local digest='@nh,256,128 . @nh,384,128 . @nh,512,128 . @nh,640,128'
	devices n0 s0
	nft -f - <<-END || die "no nft"
		table netdev plain {
			chain in {
				type filter hook ingress device n0 priority 0;
				ether type 0x88b5 drop
			}
		}
		table netdev seen {
			set seen {
				typeof $digest
				flags dynamic,timeout
				size 4000000
				timeout 1h
			}
			chain in {
				type filter hook ingress device s0 priority 0;
				ether type 0x88b5 $digest @seen counter drop
				ether type 0x88b5 add @seen { $digest } drop
			}
		}
	END
}

# check_filters: did the set find what it should? The counter of its rule says so.
check_filters() {
	local found
	found=$(nft -j list chain netdev seen in 2>/dev/null |
		jq '[.. | .counter? | .packets? // empty] | add')
	echo "frames that the nft set knew: ${found:-unknown}"
}

# young ROUND: its seen-set is emptied in each round, or it would be full.
young() {
	must "$csnl" seen flush dev cs2
	csbench rx y0 known 16384 1400
	measure "$1" young rx y0 known $frames 1400 8
	measure "$1" young_new rx y0 new $few 1400
}

duplicates() {
	measure "$1" dup rx c0 dup $frames 1400
	measure "$1" nft_drop rx n0 dup $frames 1400
	measure "$1" nft_set rx s0 dup $frames 1400
	measure "$1" known rx c0 known $frames 1400 8
	measure "$1" nft_drop_known rx n0 known $frames 1400 8
	measure "$1" nft_set_known rx s0 known $frames 1400 8
}

new() {
	local size count
	for size in 256 1400 8900; do
		count=$frames
		[ $size = 256 ] || count=$few
		measure "$1" new$size rx c0 new $count $size
		measure "$1" hash$size hash $count $size
		measure "$1" bridge$size rx b0 foreign $count $size
	done
	measure "$1" mix rx c0 mix $((few * 4)) 1400 4
}

tagged() {
	measure "$1" tagged rx t0 tagged $few 1400 8
	measure "$1" mac mac $few
	measure "$1" forged rx t0 forged $frames 1400 8
	measure "$1" peers rx c0 new $few 1400 8
}

begin
foreign
load
devices b0 b1 b2
bridge br0 b0 b1 b2
open_node
tagged_node
young_node
filters
# a node that has been up for a while: a million messages are known, to both
csbench rx c0 new $((1000000 / scale)) 256
csbench rx s0 new $((1000000 / scale)) 256
# the first time is not measured: caches, and messages that are not known yet
csbench rx c0 known 16384 1400
csbench rx s0 known 16384 1400
for ((round = 1; round <= rounds; round++)); do
	duplicates $round
	young $round
	new $round
	tagged $round
done
check_filters
"$csnl" -j stats >"$CS_OUT/stats.json"
