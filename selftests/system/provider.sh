#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a provider does for those who send and those who get: its ingest says who sent, if it knows
# him, decodes what it can, and hands all on to a bucket, for whose messages it signs when they are
# there.
#
#	a (alice, mallory) ------- c (gateway) ======= i (ingest, bucket, carol)
#
# Captured: the wire of the gateway and the ingest.

. "$(dirname "$0")/people.sh"
. "$(dirname "$0")/wired.sh"

bucket=$work/bucket
secret=$(head -c 20 /dev/urandom | base64 | tr -d '=+/')
total=0

# provide [SETTINGS]: an ingest that has the provider's key.
provide() {
	start_ingest "vouch = { key = \"$work/i/provider.pem\"; senders = \"$work/senders\"; };
		${1-}"
}

# The provider's key is in the settings of the ingest, its card behind carol's.
keys() {
	local key=$work/i/provider.pem
	person carol i id new --bits 2048 --role provider --key "$key" &&
		person carol i id export --role provider --key "$key" --address $destination \
			>"$work/provider.card" &&
		person carol i id new --bits 2048 &&
		person carol i id export --address $destination --provider "$work/provider.card" \
			>"$work/carol.card"
}

sender_keys() {
	local name
	for name in alice mallory; do
		person $name a id new --role sender &&
			person $name a id export --role sender >"$work/$name.card" || return 1
	done
}

set_up() {
	load_module
	terms=contract
	network 'a c'
	wired_up
	conf a "$pays"
	conf c "$(gets 2) $(uplink 2001:db8:7::/64)"
	mkdir -p "$work/i" "$work/senders" "$bucket" "$work"/home-{alice,mallory,carol}
	# crowdshare reads it
	ingest_conf
	keys >/dev/null || die "no keys"
	provide
	start a c
	check "sessions" all_up a 1 c 1
	sender_keys >/dev/null || die "no keys of those who send"
	cp "$work/alice.card" "$work/senders/Alice of the village.card"
	cs a receivers add $destination $port "$work/i/identity.pub" || die "receivers"
}

# sends PERSON NAME: a file of that name; $sent is how many messages that are, $total how many all.
sends() {
	local id
	head -c 100000 /dev/urandom >"$work/home-$1/$2"
	id=$(person "$1" a put "$2" --to "$work/carol.card" --redundancy 25) || die "put"
	sent=$(person "$1" a -j sent "$id" | jq .messages)
	total=$((total + sent))
}

all_delivered() { receipts_are a delivered "$total"; }
delivered() { check "$1" wait_for 60 all_delivered || logs a c i; }

# takes [DIR]: carol takes what is there; what she is told of it is in $work/said.
takes() {
	person carol i get --from "${1-$work/i/inbox}" --ingest "$work/i/identity.pub" --remove \
		>"$work/said" 2>&1 || {
		cat "$work/said"
		return 1
	}
}

# from NAME: she was told that.
from() { grep -F "from: $1 (" "$work/said" || ! cat "$work/said"; }

same_file() { cmp "$work/home-$1/$2" "$work/home-carol/$2"; }

# --- The tests ---

vouched() {
	sends alice one
	delivered "what alice sends is delivered"
	check "what is not needed any more is gone" wait_for 20 decoded
	note "$(inbox | grep -c .) of $sent are left"
	check "carol takes it" takes
	check "and is told who sent it" from 'Alice of the village'
	check "byte for byte" same_file alice one
}

decoded() { [ "$(inbox | grep -c .)" -lt "$sent" ]; }

unknown() {
	sends mallory two
	delivered "what mallory sends is delivered"
	check "carol takes it" takes
	expect "and is told of nobody" "$(grep -c from: "$work/said")" 0
	check "byte for byte" same_file mallory two
}

# Its card comes while the ingest runs.
becomes_known() {
	cp "$work/mallory.card" "$work/senders/Mallory.card"
	sends mallory three
	delivered "now mallory's card is there"
	check "carol takes it" takes
	check "and is told who sent it" from Mallory
}

on_the_wire() {
	kill "${background[-1]}"
	wait "${background[-1]}"
	check "the capture has all that" test "$(stat -c %s "$work/wire.pcap")" -gt 300000
	expect "no name is on the wire" "$(grep -aciE 'alice|mallory' "$work/wire.pcap")" 0
}

# serve_bucket: it refuses at first.
serve_bucket() {
	echo 503 >"$bucket/mode"
	(umask 077 && echo access >"$work/i/access" && echo "$secret" >"$work/i/secret")
	in_background ip netns exec i "$top/selftests/unit/daemon/common/s3.py" "$bucket" \
		us-east-1 access "$secret"
	wait_for 60 test -s "$bucket/port" || die "no bucket"
	stop i
	provide "bucket = {
		url = \"http://127.0.0.1:$(cat "$bucket/port")/bucket/carol\";
		access-key-file = \"$work/i/access\"; secret-key-file = \"$work/i/secret\"; };"
}

with_bucket() {
	local before
	serve_bucket
	before=$(receipts a delivered)
	sends alice four
	check "the bucket refuses: the log says why" wait_for 60 grep 'HTTP 503' "$work/i/log" ||
		logs i
	sleep 2
	expect "and nothing was signed for" "$(receipts a delivered)" "$before"
	echo 200 >"$bucket/mode"
	delivered "the bucket takes them: all are signed for"
	check "the requests were right" test ! -e "$bucket/wrong" || cat "$bucket/wrong"
	cp -r "$bucket/bucket/carol" "$work/copy"
	check "carol takes it from there" takes "$work/copy"
	check "and is told who sent it" from 'Alice of the village'
	check "byte for byte" same_file alice four
}

set_up
in_background ip netns exec i tcpdump -q -U -s 0 -i net0 -w "$work/wire.pcap" 2>/dev/null
wait_for 60 test -s "$work/wire.pcap" || die tcpdump
vouched
unknown
becomes_known
on_the_wire
with_bucket
check "all ledgers verify" verify a c
for each in a c i; do
	stop $each
done
drop_nodes
finish
