#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A file from a person to another by way of a third, to whom all of it is addressed: neither the
# relay nor who is on the way finds out what it is, what it is called, or who sends it; that one
# finds out, when he sends it on, only to which address.
#
#	a (alice) ------- b (relay) ------- v (victor) ------- c (carol)
#
# Carol's address is on her card only, and is none that a node has. Captured: the ports of b and v.

. "$(dirname "$0")/people.sh"

lines=1500 # of 64 bytes
name='families-of-the-village-2026.txt'
account='alice-from-the-other-side'
carol=fd3a:91c7:5e2f:8d44:7b16:c9e2:4daf:d835

cards() {
	local each
	for each in a v c; do
		mkdir -p "$work/home-$each"
	done
	user v id new --bits 2048 >/dev/null || die "no key"
	user v id export >"$work/v.card" || die "no card"
	user c id new --bits 2048 >/dev/null || die "no key"
	user c id new --bits 2048 --role provider >/dev/null || die "no key"
	user c id export --role provider --address fd00::99 >"$work/provider.card" || die "no card"
	user c id export --address $carol --provider "$work/provider.card" >"$work/c.card" ||
		die "no card"
}

# known ID FILE...: how often an address or a fingerprint is in the files: its bytes, what is
# written here, or its hexadecimal digits.
known() {
	python3 - "$@" <<-END
		import ipaddress, sys
		text = sys.argv[1]
		id = ipaddress.ip_address(text).packed if ':' in text else bytes.fromhex(text)
		texts = {text.encode(), id.hex().encode()}
		count = 0
		for name in sys.argv[2:]:
		    data = open(name, 'rb').read()
		    count += data.count(id)
		    count += sum(data.lower().count(each) for each in texts)
		print(count)
	END
}

# files NODE...: what is on the disks there.
files() {
	local each
	for each; do
		find "$work/$each" -type f
		[ ! -d "$work/home-$each" ] || find "$work/home-$each" -type f
	done
}

# blind WHEN: nobody has seen what it is, or from whom, or for whom, by the key that opens it.
blind() {
	mapfile -t on_disk < <(files b v)
	expect "$1: nothing of it on the disks of relay and victor" "$(shows "${on_disk[@]}")" 0
	expect "$1: nothing of it in what passed" "$(shows "$work"/*.pcap)" 0
	expect "$1: nor the fingerprint of carol's key" \
		"$(known "$fingerprint" "${on_disk[@]}" "$work"/*.pcap)" 0
	mapfile -t on_disk < <(files v)
	expect "$1: nor who has put it in, at victor" \
		"$(known "$(address a)" "${on_disk[@]}" "$work"/v-*.pcap)" 0
}

put_file() {
	content >"$work/home-a/$name"
	patterns >"$work/patterns"
	fingerprint=$(awk '$1 == "role" { role = $2 }
		$1 == "fingerprint" && role == "recipient" { print substr($0, 13) }' "$work/c.card")
	id=$(user a put "$name" --to "$work/c.card" --via "$work/v.card" --account "$account" \
		--max-price 1.5) || die "put"
	count=$(user a -j sent "$id" | jq .messages)
	check "all of it is at victor's" wait_for 60 holds v "$count" || logs a b v
}

on_the_way() {
	expect "the search finds what it looks for in the clear" \
		"$(shows "$work/home-a/$name" "$work/patterns")" \
		"$(sort -u "$work/patterns" | wc -l)"
	expect "and carol's key" "$(known "$fingerprint" "$work/c.card")" 1
	mapfile -t on_disk < <(files b v)
	check "victor has messages of it on his disk" has_message "$work/v/store/data.mdb"
	check "they came by way of the relay" has_message "$work/b-a.pcap"
	blind "before it is sent on"
	expect "carol's address is not on their disks, nor in what passed" \
		"$(known $carol "${on_disk[@]}" "$work"/*.pcap)" 0
}

# Victor's get is what sends it on.
sent_on() {
	check "victor: there is nothing for him" test "$(user v get 2>&1 | grep -c nothing)" = 1
	check "carol: it arrives" within 60 user c get --wait --address $carol || logs b v c
	check "byte for byte" cmp "$work/home-a/$name" "$work/home-c/$name"
	check "victor's store knows the address to send it to" \
		test "$(known $carol "$work/v/store/data.mdb")" -gt 0
	blind "after"
	expect "victor: the address is not in what he keeps of it" \
		"$(find "$work/home-v" -type f -exec cat {} + >"$work/kept"
			known $carol "$work/kept")" 0
	expect "nothing has appeared at victor's" "$(ls "$work/home-v")" ''
}

load_module
timeout=30
network 'a b' 'b v' 'v c'
for each in a b v c; do
	conf $each
done
start a b v c
check "sessions" all_up a 1 b 2 v 2 c 1
cards
listen b b-a b-v
listen v v-b v-c
put_file
on_the_way
sent_on
for each in a b v c; do
	stop $each
done
check "received = new + duplicates + drops" sums_hold a b v c
drop_nodes
finish
