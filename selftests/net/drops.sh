#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Promise 3: only a verified message is remembered, forwarded or delivered; a forged digest can't
# suppress the real message. Promise 6: strangers stay out. Promise 10: bad input gets a reason:
# each kind of bad frame counts under its own, and nothing else at all changes.
#
#	s ------- b ------- t		b is the node; s and t only have interfaces. b-s requires
#	  s-b b-s   b-t t-b		authentication in the second half.
#
# Captured: b's ports and cs0, all the time: of all that is sent only the good messages go out.

. "$(dirname "$0")/lib.sh"

size=1000 bytes=1152	# of a payload, and of a frame from the link header on
good=$work/good
: >"$good"
key=$work/key
umask 077
head -c 32 /dev/urandom >"$key"
head -c 32 /dev/urandom >"$key.other"
seed=1000

send() { csmsg -s $size --seed "$seed" "$@" s:s-b || die "csmsg: $*"; }

# peer_too KEY VALUE...: adds changes of the port's counters to wanted, and once the sender is known
# as a peer, of the peer's as well.
peer_too() {
	while [ $# -gt 0 ]; do
		wanted+=("b port:b-s $1 $2")
		[ -z "$of_peer" ] || wanted+=("b peer:b-s@$s $1 $2")
		shift 2
	done
}

# dropped REASON COUNT BYTES [OPTION...]: sends with these options; exactly REASON counts.
dropped() {
	local reason=$1 count=$2 total=$3 wanted=()
	shift 3
	seed=$((seed + 1))
	send "$@"
	peer_too rx_frames "$count" rx_bytes "$total" "drops.$reason" "$count"
	changed "$what" "${wanted[@]}"
}

# passes COUNT [OPTION...]: sends; they are new, delivered, and sent on.
passes() {
	local count=$1 wanted=()
	shift
	send -c "$count" --digests "$work/sent" "$@"
	cat "$work/sent" >>"$good"
	peer_too rx_frames "$count" rx_bytes $((count * bytes)) new "$count"
	changed "$what" "${wanted[@]}" "b port:b-s delivered $count" "b set:cs0 count $count" \
		"b port:b-t tx_frames $count" "b port:b-t tx_bytes $((count * bytes))"
}

# repeats COUNT [OPTION...]: sends; all are duplicates.
repeats() {
	local count=$1
	shift
	send -c "$count" "$@"
	changed "$what" "b port:b-s rx_frames $count" "b port:b-s rx_bytes $((count * bytes))" \
		"b port:b-s duplicates $count"
}

# stays COUNT REASON: what was sent is new and delivered, but not relayed, for REASON.
stays() {
	changed "$what" "b port:b-s rx_frames $1" "b port:b-s rx_bytes $(($1 * bytes))" \
		"b port:b-s new $1" "b port:b-s delivered $1" "b set:cs0 count $1" "b port:$2 $1"
}

malformed() {
	local full=$((bytes + 14))
	what="version unknown"; dropped version 3 $((3 * bytes)) --version 2 -c 3
	what="version 0"; dropped version 1 $bytes --version 0
	what="type unknown"; dropped type 2 $((2 * bytes)) --type 2 -c 2
	what="flags not zero"; dropped flags 1 $bytes --flags 1
	what="one byte too many"; dropped oversize 1 $((bytes + 1)) --extra 1
	what="64 bytes too many"; dropped oversize 1 $((bytes + 64)) --extra 64
	what="length field says less"; dropped oversize 1 $bytes --length $((size - 1))
	what="length field says more"; dropped truncated 1 $bytes --length $((size + 1))
	what="length field says 65535"; dropped truncated 1 $bytes --length 65535
	# from the Ethernet header alone (0 bytes) to all but one
	what="cut to each of $((full - 14)) lengths"
	dropped truncated $((full - 14)) $(((bytes - 1) * bytes / 2)) --each-length
	what="cut, from a ring: not linear"
	dropped truncated $((full - 14)) $(((bytes - 1) * bytes / 2)) --each-length --ring
	what="after all these the whole message passes"; passes 1
}

wrong() {
	what="wrong digest"; dropped digest 5 $((5 * bytes)) -c 5 --digest wrong
	what="the right one passes after it"; passes 5
	what="digest of a real message over other content"
	dropped digest 5 $((5 * bytes)) -c 5 --digest of:77
	seed=77
	what="the real message passes after it"; passes 5
	seed=1900
	local byte
	for byte in 46 110 126 150 165 166 1165; do # digest, destination, expiry, chunk, n, payload
		what="a bit flipped in byte $byte of the frame"
		case $byte in
		126) dropped lifetime 1 $bytes --flip 126 ;;	# expiry's highest byte
		165) dropped flags 1 $bytes --flip 165 ;;
		*) dropped digest 1 $bytes --flip $byte ;;
		esac
		what="the good copy passes after it"; passes 1
	done
}

lifetimes() {
	what="expired"; dropped expired 2 $((2 * bytes)) -c 2 --expiry $((EPOCHSECONDS - 10))
	what="expired in 1970"; dropped expired 1 $bytes --expiry 0
	what="lifetime too long"; dropped lifetime 2 $((2 * bytes)) -c 2 --expiry +43600
	what="lifetime beyond all bounds"
	dropped lifetime 1 $bytes --expiry 18446744073709551615
	what="expiry beyond 32 bits"; dropped lifetime 1 $bytes --expiry 4294967297
	what="longest lifetime passes"; seed=2000; passes 1 --expiry +43190
}

replayed() {
	local expiry=$((EPOCHSECONDS + 3000))
	seed=2001
	what="new"; passes 10 --expiry $expiry
	what="replayed"; repeats 10 --expiry $expiry
	what="replayed with another link header"; repeats 10 --expiry $expiry --hops 7 --counter 9
	what="replayed as from somebody else"; repeats 10 --expiry $expiry --src 02:00:00:00:00:99
	what="replayed as from the node itself"; repeats 10 --expiry $expiry --src "$(mac b b-s)"
}

hops() {
	seed=2100
	send -c 3 --hops 0
	what="hops_left 0: delivered, not relayed"; stays 3 "b-s drops.hops"
	seed=2101
	what="hops_left 1: relayed"; passes 1 --hops 1
}

small_mtu() {
	ip -n b link set b-t mtu 1151
	seed=2200
	send -c 2
	what="MTU of the other port one byte too small"; stays 2 "b-t drops.mtu"
	ip -n b link set b-t mtu 1152
	seed=2201
	what="MTU that just suffices"; passes 1
	ip -n b link set b-t mtu 1500
}

ports_down() {
	ip -n b link set b-t down
	seed=2300
	send -c 2
	what="the other port is down"; stays 2 "b-t drops.tx_down"
	ip -n b link set b-t up
	ip -n b link set cs0 down
	what="the device is down"; dropped down 3 $((3 * bytes)) -c 3
	ip -n b link set cs0 up
	seed=2301
	what="up again"; passes 1
}

# into WHAT REASON OPTION...: sent into cs0 by an ordinary packet socket, and dropped.
into() {
	local what=$1 reason=$2
	shift 2
	seed=$((seed + 1))
	csmsg -s $size --seed $seed "$@" b:cs0 || die "csmsg"
	changed "into the device: $what" "b local:cs0 rx_frames 1" "b local:cs0 rx_bytes $bytes" \
		"b local:cs0 drops.$reason 1"
}

into_device() {
	into "foreign frame" foreign --ethertype 0x0800
	into "wrong digest" digest --digest wrong
	into "expired message" expired --expiry 5
	into "lifetime too long" lifetime --expiry +50000
	into "version unknown" version --version 9
}

open_peers() {
	csnl -n b peer add "$s" port b-s state deny
	before b
	what="peer that is denied"; dropped denied 2 $((2 * bytes)) -c 2
	csnl -n b peer set "$s" port b-s state contract
	of_peer=1
	what="peer in state contract, contract 0"; dropped contract 2 $((2 * bytes)) -c 2
	what="peer in state contract, contract unknown"
	dropped contract 1 $bytes --contract 7
	csnl -n b peer set "$s" port b-s state free
	seed=2500
	what="peer that is free again"; passes 2
	limits
	csnl -n b peer del "$s" port b-s
	before b
	of_peer=''
}

# limited COUNT OPTION...: of ten messages sent at once so many pass: a second's worth may.
limited() {
	local count=$1 wanted=()
	send -c 10 --digests "$work/sent"
	head -n "$count" "$work/sent" >>"$good"
	peer_too rx_frames 10 rx_bytes $((10 * bytes)) new "$count" drops.rate $((10 - count))
	changed "$what" "${wanted[@]}" "b port:b-s delivered $count" "b set:cs0 count $count" \
		"b port:b-t tx_frames $count" "b port:b-t tx_bytes $((count * bytes))"
}

limits() {
	csnl -n b peer set "$s" port b-s rate 1
	seed=2501
	what="rate of 1 message a second"; limited 1
	csnl -n b peer set "$s" port b-s rate 0 byterate $((2 * bytes))
	seed=2502
	what="rate of two messages' bytes a second"; limited 2
	csnl -n b peer set "$s" port b-s rate 0 byterate 0
	seed=2503
	what="without limits"; passes 3
}

authentication() {
	csnl -n b port set b-s auth required
	what="stranger without a tag"; dropped stranger 2 $((2 * bytes)) -c 2
	what="stranger with a tag"; dropped stranger 1 $bytes --key-id 1 --key "$key"
	csnl -n b peer add "$s" port b-s
	csnl -n b peer key "$s" port b-s rx 1 "$key"
	before b
	what="peer without a tag"; dropped key 2 $((2 * bytes)) -c 2
	what="key_id unknown"; dropped key 1 $bytes --key-id 2 --key "$key"
	what="forged tag"; dropped tag 3 $((3 * bytes)) -c 3 --key-id 1 --key "$key" --tag forged
	what="random tag"; dropped tag 1 $bytes --key-id 1 --tag random
	what="zero tag"; dropped tag 1 $bytes --key-id 1
	what="tag of another key"; dropped tag 1 $bytes --key-id 1 --key "$key.other"
	local byte
	for byte in 16 18 22 29; do # hops_left, contract, counter
		what="tagged, then byte $byte altered"
		dropped tag 1 $bytes --key-id 1 --key "$key" --flip $byte
	done
	what="tagged for another source"
	dropped stranger 1 $bytes --key-id 1 --key "$key" --src 02:00:00:00:00:07
	of_peer=1
	what="right tag, wrong digest"
	dropped digest 2 $((2 * bytes)) -c 2 --key-id 1 --key "$key" --digest wrong
	seed=2600
	what="right tag"; passes 5 --key-id 1 --key "$key"
	seed=2601
	what="counter is covered by the tag, and free to choose"
	passes 1 --key-id 1 --key "$key" --counter 123456789 --hops 9
	of_peer=''
	csnl -n b peer set "$s" port b-s state deny
	what="denied, with a right tag"; dropped denied 1 $bytes --key-id 1 --key "$key"
}

load_module
of_peer=''
node b
namespaces s t
wires "s s-b b b-s 1500" "b b-t t t-b 1500"
port b b-s auth off
port b b-t auth off
s=$(mac s s-b)
capture b:
before b
malformed
wrong
lifetimes
replayed
hops
small_mtu
ports_down
into_device
open_peers
authentication
captured
rules "out of the other port goes each good message once, and nothing else" \
	"exact b:b-t out $good" 'whole b:b-t out' 'none b:b-s out'
rules "what is delivered is whole, and once" 'whole b:cs0 in' 'once b:cs0 in'
check "received = new + duplicates + drops" sums_hold b
finish
