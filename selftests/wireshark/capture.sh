#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Captures for the test of the dissector, made by the real module. Runs in a guest, as root:
#
#	scripts/vm/run 6.1 -o DIR -- selftests/wireshark/capture.sh
#	selftests/wireshark/module-captures.sh DIR
#
#	 a -------------- b -------------- c
#	    link-ab.pcap     link-bc.pcap    cs0-c.pcap
#
# a sends a file, c receives it. All ports require authentication; the keys are written to
# $CS_OUT/keys as the dissector takes them, what csnl says of the sending to $CS_OUT/send.json.

set -u
umask 077 # keys
top=$(realpath "$(dirname "$0")/../..")
PATH=${CS_BIN:-$top/build}/userspace:$PATH
CS_MODULE=${CS_MODULE:-$top/build/${CS_LANE:-6.1}/crowdshare.ko}
out=${CS_OUT:?is not set: the directory for the captures}
work=$(mktemp -d)
dumps=()

die() {
	printf '# %s\nnot ok 1 captures of the module\n' "$*"
	exit 1
}

# node NAME
node() {
	ip netns add "$1" || die "ip netns add $1"
	ip -n "$1" link add cs0 type crowdshare || die "$1: can't make cs0"
	ip -n "$1" link set cs0 up
}

# key MAC: makes the key of the port that has this MAC.
key() {
	od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$work/$1"
	printf '%s/7:%s\n' "$1" "$(cat "$work/$1")" >>"$out/keys"
}

# port NODE IFACE OWN-MAC PEER-MAC
port() {
	csnl -n "$1" port add "$2" dev cs0 || die "$1: port add $2"
	csnl -n "$1" port key "$2" 7 "$work/$3" || die "$1: port key $2"
	csnl -n "$1" peer add "$4" port "$2" || die "$1: peer add $4"
	csnl -n "$1" peer key "$4" port "$2" rx 7 "$work/$4" || die "$1: peer key $4"
}

# wire A B NUMBER: a pair of interfaces A-B and B-A, ports on both ends.
wire() {
	local own=02:00:00:00:00:${3}a peer=02:00:00:00:00:${3}b
	key "$own"
	key "$peer"
	ip link add "$1-$2" netns "$1" address "$own" type veth \
		peer name "$2-$1" netns "$2" address "$peer" || die "wire $1 $2"
	ip -n "$1" link set "$1-$2" up
	ip -n "$2" link set "$2-$1" up
	port "$1" "$1-$2" "$own" "$peer"
	port "$2" "$2-$1" "$peer" "$own"
}

# dump NODE IFACE FILE: begins to capture, and returns when it has begun.
dump() {
	ip netns exec "$1" tcpdump -i "$2" -U -B 16384 -s 0 -w "$out/$3.pcap" ether proto 0x88b5 \
		2>"$work/$3" &
	dumps+=($!)
	for _ in {1..200}; do
		! grep -q 'listening on' "$work/$3" || return 0
		sleep 0.1
	done
	die "tcpdump on $2 of $1: $(cat "$work/$3")"
}

cleanup() {
	kill "${dumps[@]}" 2>/dev/null
	ip -all netns del
	rmmod crowdshare 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT

printf 'KTAP version 1\n1..1\n'
: >"$out/keys"
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
modprobe -qa veth libblake2s sha512_generic
insmod "$CS_MODULE" || die "insmod $CS_MODULE"
for name in a b c; do
	node $name
done
wire a b 1
wire b c 2
dump a a-b link-ab
dump c c-b link-bc
dump c cs0 cs0-c

head -c 150000 "$CS_MODULE" >"$work/file"
mkdir "$work/got"
csnl -n c recv dev cs0 timeout 60 count 1 -q "$work/got" >"$out/recv.log" 2>&1 &
receiver=$!
sleep 1
csnl -j -n a send dev cs0 to fd00::c hops 5 rate 4 -q "$work/file" >"$out/send.json" ||
	die "csnl send"
wait $receiver || die "csnl recv: $(cat "$out/recv.log")"
cmp -s "$work/file" "$work/got/file" || die "the file that arrived is another"
sleep 1
kill -INT "${dumps[@]}"
wait "${dumps[@]}"
grep -hq ' [1-9][0-9]* packets dropped by kernel' "$work"/link-* "$work"/cs0-* &&
	die "tcpdump lost frames"
sed 's/^/# /' "$out/send.json"
printf 'ok 1 captures of the module\n'
