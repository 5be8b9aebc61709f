#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Messages all the way onto the wired network, and points all the way back. b carries for a and buys
# of c; d carries for a, too, but has nobody to give to. All ledgers agree to the millipoint, also
# when others deliver the same once more, and when the ingest is killed again and again.
#
#	a (buyer) ------- b (seller, buyer) ------- c (seller, gateway) ======= i (ingest)
#	       \                                                               //
#	        `-------- d (seller)  == == == == == == == == == == == == == ==	later
#
# Captured: all ports and devices; the wired network of the ingest.

. "$(dirname "$0")/wired.sh"

kills=100

send() { csmsg --to $destination --port $port --digests "$work/sent" "$@" a:cs0 || die csmsg; }

# took: exactly what a has sent so far, each once.
took() {
	inbox | diff - <(sort "$work"/sent.*) | head -n 3 >"$work/diff"
	cat "$work/diff"
	[ ! -s "$work/diff" ]
}

delivered() { receipts_are a delivered "$1"; }

none_holds() {
	local name
	for name; do
		holds "$name" 0 || return 1
	done
}

# paid BUYER SELLER COUNT: all that was promised was earned, once, and both say so.
paid() {
	check "$1 and $2: the ledgers agree, entry by entry" wait_for 60 same "$1" "$2" ||
		logs "$1" "$2"
	check "$1 and $2: all that was promised was earned" \
		cmp "$work/$1.promised" "$work/$1.earned"
	expect "$1 and $2: all messages were earned, once" \
		"$(grep -c . "$work/$2.earned") $(cut -f 2 "$work/$2.earned" | sort -u | wc -l)" \
		"$3 $3"
	check "$1 and $2: and it is not nothing" test "$(points "$2.earned")" -gt 0
	note "$1 paid $2 $(points "$2.earned") millipoints for $3 messages"
}

# unpaid: d was promised points and never earned one.
unpaid() {
	check "a and d: the ledgers agree" same a d
	check "a and d: something was promised" test "$(points d.promised)" -gt 0
	expect "a and d: nothing was earned" "$(grep -c . "$work/d.earned")" 0
}

# --- The tests ---

# Far from home nothing is delivered; at home, which is known by the router's MAC, all is.
home() {
	send -S 1 -c 40 --rate 400
	mv "$work/sent" "$work/sent.1"
	check "a's messages get to c, under contract, and to d" wait_for 60 holds c 40 || logs a b c
	check "d holds them, too" wait_for 60 holds d 40
	sleep 2
	expect "c is not at home: it says so" "$(get c .home gateway)" false
	expect "and delivers nothing" "$(inbox | grep -c .)" 0
	ip netns exec i dumpcap -q -i net0 -w "$work/wire.pcap" 2>/dev/null &
	background+=($!)
	wait_for 60 test -s "$work/wire.pcap" || die dumpcap
	settings c "$(gets 2) $(uplink 2001:db8:99::/48 "$(mac i net0)")"
	check "at home: all is delivered, and a has receipts" wait_for 60 delivered 40 ||
		logs a b c i
	kill "${background[-1]}"
	wait "${background[-1]}"
	check "the ingest has each once" took
	check "holders cancel" wait_for 60 none_holds a b c d || logs b d
	expect "c: the target's counters" "$(target c delivered) $(target c receipted)" '40 40'
	expect "a: delivered by c, over two hops" "$(get a \
		'[.[] | "\(.deliverer) \(.hops)"] | unique | join(" ")' receipts delivered)" \
		"$(address c) 2"
	paid a b 40
	paid b c 40
	unpaid
}

# What the wire of the ingest carried; and it speaks nothing older.
tls() {
	expect "the wire carried TLS 1.3" "$(tshark -r "$work/wire.pcap" -d tcp.port==$port,tls \
		-Y 'tls.handshake.type == 2' -T fields \
		-e tls.handshake.extensions.supported_version 2>/dev/null | sort -u)" 0x0304
	expect "and no message in the clear" "$(tshark -r "$work/wire.pcap" -Y "frame contains \
		$(head -c 16 "$work/sent.1" | sed 's/../&:/g; s/:$//')" 2>/dev/null)" ''
	refuse "TLS 1.2 is refused" 'protocol version' ip netns exec c openssl s_client \
		-connect "[$destination]:$port" -tls1_2 -alpn crowdshare-ingest/1
}

# d gets a wire of its own, when c has delivered already.
twice() {
	local earned
	stop i
	send -S 2 -c 20 --rate 400
	mv "$work/sent" "$work/sent.2"
	check "again c and d hold what a sends" wait_for 60 holds c 20
	check "both of them" wait_for 60 holds d 20
	ip -n a link set a-d down
	check "d is cut off" wait_for 60 has_peers d 0
	ingest
	check "c delivers" wait_for 60 delivered 60 || logs a c i
	same a b
	earned=$(points a.earned)
	wires 'd up0 i net1 1500'
	ip -n d address add 2001:db8:8::2/64 dev up0
	ip -n i address add 2001:db8:8::1/64 dev net1
	ip -n d route add 2001:db8:7::/64 via 2001:db8:8::1
	settings d "$(gets 2) $(uplink 2001:db8:8::/64)"
	check "d delivers the same: it is acknowledged" wait_for 60 target_is d delivered 20 ||
		logs d i
	expect "and not receipted" "$(target d receipted)" 0
	check "the ingest has each once" took
	check "d drops them" wait_for 60 holds d 0
	ip -n a link set a-d up
	check "d is back" wait_for 60 has_peers d 1
	check "a's ledger and b's agree" same a b
	expect "nothing more was paid" "$(points a.earned)" "$earned"
	unpaid
}

# Batches come all the time, and the ingest goes all the time.
killed() {
	local i load
	ip -n a link set a-d down
	send -S 3 -c 600 --rate 10 &
	load=$!
	for ((i = 0; i < kills; i++)); do
		sleep "0.$(printf %03d $((RANDOM % 1000)))"
		running i || die "the ingest ended by itself: $(tail -n 1 "$work/i/log")"
		stop i KILL
		ingest
	done
	wait $load
	mv "$work/sent" "$work/sent.3"
	check "$kills kills of the ingest: all is delivered" wait_for 240 delivered 660 ||
		logs a b c i
	note "$(target c delivered) delivered, $(target c receipted) with a receipt," \
		"$(receipts b repeated) receipts came again"
	expect "and a's list has all" "$(get a length receipts delivered)" 660
	check "the ingest has each once: nothing lost, nothing doubled" took
	check "holders cancel" wait_for 60 none_holds a b c || logs a b c
	paid a b 660
	paid b c 660
	check "no receipt waits any more" wait_for 60 receipts_are b waiting 0
}

load_module
network 'a b' 'b c' 'a d'
wired_up
terms=contract
conf a "$pays"
conf b "$(gets 3) $pays"
conf c "$(gets 2) $(uplink 2001:db8:99::/48 02:00:00:00:00:01)"
conf d "$(gets 2)"
start_ingest
start a b c d
check "sessions" all_up a 2 b 2 c 1 d 1
check "crowdshare receivers add" cs a receivers add $destination $port "$work/i/identity.pub" ||
	die "without its key nothing is promised"
capture a: b: c: d:
home
tls
twice
killed
settle a b c d
captured
rules "at most once on each port" 'repaired *-* out'
check "all ledgers verify" verify a b c d
for name in a b c d i; do
	stop $name
done
check "received = new + duplicates + drops" sums_hold a b c d
drop_nodes
finish
