# shellcheck shell=bash disable=SC2034 # who sources this uses the variables
# SPDX-License-Identifier: GPL-2.0
#
# Sourced by the tests in which messages get onto the wired network, and points come back: settings
# of buyers, sellers and gateways, an ingest in a namespace i, and what ledgers say of each other.

# shellcheck source=lib.sh
declare -F launch >/dev/null || . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

destination=2001:db8:7::7
port=7475

gets() { echo "market: { rates = ( { geohash = \"\"; rate = \"$1\"; } ); };"; }
pays='offers: { max-price = "10"; budget = "1000"; };'

# uplink NETWORK...: settings of a gateway that is at home there.
uplink() {
	echo "gateway: { interface = \"up0\"; destinations = ( \"2001:db8:7::/64\" ); batch = 8;
		networks = ( $(printf '"%s"\n' "$@" | paste -sd ,) ); };"
}

# --- The ingest, in a namespace of its own ---

# ingest_conf [SETTINGS]: of the group ingest, too.
ingest_conf() {
	mkdir -p "$work/i"
	cat >"$work/i/conf" <<-CONF
		log = "debug";
		identity = "$work/i/identity.key";
		state = "$work/i";
		ports = ( );
		ingest: { listen = "[::]:$port"; inbox = "$work/i/inbox"; ${1-} };
	CONF
}

ingest() {
	ip netns exec i crowdshared --ingest -c "$work/i/conf" 2>>"$work/i/log" &
	daemon_pid[i]=$!
}

listens() { ip netns exec i ss -Htln "sport = :$port" | grep -q .; }

# start_ingest [SETTINGS]: as ingest_conf; till it listens.
start_ingest() {
	ingest_conf "${1-}"
	ingest
	wait_for 60 listens || die "the ingest does not listen"
}

# inbox: the digests of what it took, one a line, each verified.
inbox() {
	python3 - "$work/i/inbox" <<-END | sort
		import glob, hashlib, sys
		for name in glob.glob(sys.argv[1] + '/*.messages'):
		    data = open(name, 'rb').read()
		    while data:
		        size = 120 + int.from_bytes(data[90:92], 'big')
		        message, data = data[:size], data[size:]
		        if hashlib.sha512(message[64:]).digest() != message[:64]:
		            sys.exit(name + ': not what its digest says')
		        print(message[:64].hex())
	END
}

# --- What the nodes know ---

target() { get "$1" "[.targets[].$2] | add // 0" gateway; }
target_is() { [ "$(target "$1" "$2")" = "$3" ]; }
receipts() { get "$1" ".$2" receipts; }
receipts_are() { [ "$(receipts "$1" "$2")" = "$3" ]; }

# moved NODE KIND PEER: contract, digest and millipoints of each such entry of its ledger.
moved() {
	cs "$1" -j ledger show | jq -r ".[] | select(.kind == \"$2\" and
		.peer == \"$(address "$3")\") | [.contract, .digest, .amount] | @tsv" | sort
}

points() { awk '{ sum += $3 } END { print sum + 0 }' "$work/$1"; }

# entries BUYER SELLER: of both ledgers, as $work/BUYER.KIND and $work/SELLER.KIND.
entries() {
	local kind
	for kind in promised earned; do
		moved "$1" $kind "$2" >"$work/$1.$kind"
		moved "$2" $kind "$1" >"$work/$2.$kind"
	done
}

# same BUYER SELLER: what one has promised and paid is what the other was promised and earned.
same() {
	entries "$1" "$2"
	cmp "$work/$1.promised" "$work/$2.promised" && cmp "$work/$1.earned" "$work/$2.earned"
}

# verify NODE...: their ledgers are whole.
verify() {
	local name
	for name; do
		cs "$name" ledger verify || return 1
	done
}

# wired_up: the wired network: c has an uplink to i.
wired_up() {
	bare i
	wires 'c up0 i net0 1500'
	ip -n c address add 2001:db8:7::1/64 dev up0
	ip -n i address add $destination/64 dev net0
	ip -n c route add default via $destination
}
