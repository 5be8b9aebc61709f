#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Promise 2 on a real 802.11 stack (mac80211_hwsim, ad-hoc mode): three radios on one channel; the
# ends do not hear each other, and hear each other's messages only because the middle sends them
# back out of the radio on which they came.
#
#	a  ))  b  ((  c		each radio in a namespace of its own; who is in a common group of
#	1     1,2     2		hwsim hears each other
#
# Captured: all radios and devices.

. "$(dirname "$0")/lib.sh"

messages=$(amount 100 30)

modprobe -q mac80211_hwsim radios=3 || skip_all "no mac80211_hwsim for this kernel"
type iw >/dev/null 2>&1 || skip_all "no iw"

# In an ad-hoc cell a station is known once its first frame was heard.
radios() {
	local name phy phys=() group
	for phy in /sys/class/ieee80211/*; do
		phys+=("${phy##*/}")
	done
	[ ${#phys[@]} -ge 3 ] || die "three radios were asked for, there are ${#phys[@]}"
	for name in a:1 b:3 c:2; do
		group=${name#*:} name=${name%:*} phy=${phys[0]}
		phys=("${phys[@]:1}")
		echo "$group" >"/sys/kernel/debug/ieee80211/$phy/hwsim/group" ||
			die "no group of $phy"
		iw phy "$phy" set netns name "$name" || die "$phy can't go to namespace $name"
		dev=$(ip netns exec "$name" ls "/sys/class/ieee80211/$phy/device/net" | head -n 1)
		ip -n "$name" link set "$dev" name radio
		ip netns exec "$name" iw dev radio set type ibss || die "no ad-hoc mode"
		ip -n "$name" link set radio up
		ip netns exec "$name" iw dev radio ibss join crowd 2412 \
			fixed-freq 02:c0:ff:ee:00:01 || die "$name can't join"
		csnl -n "$name" port add radio dev cs0 auth off || die "$name: no port"
	done
}

joined() {
	local name
	for name in a b c; do
		[ "$(ip netns exec "$name" cat /sys/class/net/radio/carrier 2>/dev/null)" = 1 ] ||
			return 1
	done
}

# air WHAT: sends from a, captures all.
air() {
	capture a: b: c:
	csmsg --seed "$1" --count "$messages" --rate 150 --digests "$work/sent" a:cs0 || die "csmsg"
	settle a b c
	captured
}

load_module
node a b c
radios
check "the radios make up a cell" wait_for 30 joined
check "they are known as radios" grep -q '"wireless": *true' <<<"$(csnl -n b -j port show)"
air 1 # the stations get to know each other
air 2
rules "the ends do not hear each other" "src c:radio in $(mac b radio)" \
	"src a:radio in $(mac b radio)"
rules "echo auto: each node sends each message once" "exact b:radio out $work/sent" \
	"exact a:radio out $work/sent" "exact c:radio out $work/sent"
rules "echo auto: the hidden end gets each message exactly once" "exact c:cs0 in $work/sent" \
	"exact b:cs0 in $work/sent" 'whole c:cs0 in' 'none a:cs0 in'
check "received = new + duplicates + drops" sums_hold a b c
csnl -n b port set radio echo never
air 3
rules "echo never: the hidden end gets nothing" 'none c:cs0 in' "exact b:cs0 in $work/sent" \
	'none b:radio out'
csnl -n b port set radio echo auto
csnl -n b port set radio auth required
csnl -n b peer add "$(mac a radio)" port radio
head -c 32 /dev/zero >"$work/key"
chmod 600 "$work/key"
csnl -n b port key radio 1 "$work/key"
csnl -n b peer key "$(mac a radio)" port radio rx 1 "$work/key"
csnl -n a port key radio 1 "$work/key"
csnl -n a port set radio auth required
air 4
rules "echo auto, the sender is the only peer: no echo" "exact b:cs0 in $work/sent" \
	'none b:radio out'
csnl -n b peer add "$(mac c radio)" port radio
air 5
rules "echo auto, there is another peer: echo" "exact b:cs0 in $work/sent" \
	"exact b:radio out $work/sent"
drop_nodes
rmmod mac80211_hwsim
finish
