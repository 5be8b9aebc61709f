#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Trust by certificates that a community's key signed: who has one is let in, who has none, one of
# another community, or one that has expired is not; a renewed one is taken up without a restart.
#
#	a ------- b ------- c
#
# Captured: all ports and devices.

. "$(dirname "$0")/lib.sh"

# community NAME: its key and certificate.
community() {
	crowdshare ca new --name "$1" --key "$work/$1.key" --certificate "$work/$1.crt" ||
		die "no community"
}

# certify NODE COMMUNITY [OPTION...]
certify() {
	local name=$1 ca=$2
	shift 2
	rm -f "$work/$name.crt"
	crowdshare ca sign --key "$work/$ca.key" --certificate "$work/$ca.crt" \
		--node "$work/$name/identity.pub" --name "$name" --out "$work/$name.crt" "$@" ||
		die "no certificate"
}

# member NODE COMMUNITY [CERTIFICATE]
member() {
	local own=
	[ $# -lt 3 ] || own="certificate = \"$3\";"
	trust=ca trusts="ca = \"$work/$2.crt\"; $own" conf "$1"
}

alone() { [ "$(peers "$1")" = 0 ]; }

load_module
network 'a b' 'b c'
community village
community town
for name in a b c; do
	member $name village
done
# without a certificate: each makes its identity
start a b c
sleep 3
check "without certificates nobody is let in" alone a
check "and the log says why" grep -qi certificate "$work/b/log"
certify a village
certify b village
certify c town
member a village "$work/a.crt"
member b village "$work/b.crt"
member c town "$work/c.crt"
for name in a b c; do
	reload $name
done
check "certified, by a reload: a and b meet" all_up a 1 b 1 || logs a b
check "of another community: not let in" alone c
expect "peers: who certified it" "$(get a '.[0].certificate.issuer' peers)" village
capture a: b: c:
csmsg -S 1 -c 20 --rate 200 --digests "$work/sent" a:cs0 || die csmsg
csmsg -S 2 -c 20 --rate 200 c:cs0 || die csmsg
settle a b c
captured
rules "messages pass between the members" "exact b:cs0 in $work/sent"
rules "and not to others, nor from them" 'none c:cs0 in'

certify c village
member c village "$work/c.crt"
reload c
check "c joins the village, by a reload" all_up b 2 c 1 || logs b c
trust=ca trusts="ca = \"$work/village.crt\"; certificate = \"$work/b.crt\";
	peers = ( { address = \"$(address a)\"; state = \"deny\"; } );" conf b
reload b
check "a is revoked: its certificate does not help" wait_for 20 has_peers b 1 || logs b
check "a has no session" wait_for 20 alone a

# b's clock runs ahead of the end of a certificate of one day
certify c village --days 1
reload c
member b village "$work/b.crt"
stop b
clock b +172800
start b
sleep 4
check "a certificate that has expired is not let in" alone c
check "and the log says so" grep -qi expired "$work/b/log" || logs b
for name in a b c; do
	stop $name
done
check "received = new + duplicates + drops" sums_hold a b c
drop_nodes
finish
