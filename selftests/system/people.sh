# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Sourced by the tests in which people send each other files: their commands, what they send, links
# that lose frames, and the search for what nobody on the way may see.
#
# A person is at each node, with $work/home-NODE as home. Set before: lines, name and account, what
# is sent and by whom.

# shellcheck source=lib.sh
declare -F launch >/dev/null || . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# person NAME NODE ARGUMENT...: crowdshare, of who lives in $work/home-NAME.
person() { (cd "$work/home-$1" && HOME=$PWD XDG_STATE_HOME='' XDG_DATA_HOME='' cs "${@:2}"); }

# user NODE ARGUMENT...: crowdshare, of the person there.
user() { person "$1" "$@"; }

# within SECONDS COMMAND...: which may be a function.
within() {
	local seconds=$1 pid
	shift
	"$@" &
	pid=$!
	ended() { ! kill -0 "$1"; }
	wait_for "$seconds" ended $pid 2>/dev/null || {
		kill $pid
		echo "took more than $seconds s"
		return 1
	}
	wait $pid
}

# lossy PERCENT 'NODE DEVICE'...: so many of the frames that go out there are lost.
lossy() {
	local percent=$1 pair
	shift
	for pair; do
		# shellcheck disable=SC2086 # node and device
		set -- $pair
		tc -n "$1" qdisc add dev "$2" root netem loss "$percent%" limit 10000 ||
			die "no netem"
	done
}

# Digits and letters, so that any part of a line is one of a kind, and can be looked for with grep.
content() { base64 -w 63 /dev/urandom | head -n "$lines"; }

# What must not be seen: parts of the content, the names, the fingerprint of the recipient.
patterns() {
	awk 'NR % 50 == 1 { print substr($0, NR / 50 % 47 + 1, 16) }' "$work/home-a/$name"
	printf '%s\n' "${name:0:16}" "${name:16}" "${account:0:16}" "${account:9:16}"
	# as on the card, and as programs write it
	grep -h fingerprint "$work/c.card" | cut -c 13-31 | sed 'p; s/ //g'
}

# shows FILE...: how many of the patterns are in the files.
shows() { cat "$@" | LC_ALL=C grep -aoF -f "$work/patterns" | sort -u | wc -l; }

# has_message FILE...: is a digest of what was sent in one of the files? One frame may be lost.
has_message() {
	local hex
	while read -r hex; do
		# shellcheck disable=SC2001 # two digits each
		LC_ALL=C grep -qaP "$(sed 's/../\\x&/g' <<<"$hex")" "$@" && return
	done < <(head -c 320 "$work/home-a/.local/state/crowdshare/sent/$id.ids" |
		od -An -v -tx1 -w16 | tr -d ' ')
	return 1
}

# listen NODE PORT...: what passes there goes to $work/PORT.pcap.
listen() {
	local name=$1 port
	shift
	for port; do
		in_background ip netns exec "$name" tcpdump -q -U -s 0 -i "$port" \
			-w "$work/$port.pcap" 2>"$work/$port.tcpdump"
		wait_for 20 grep -q 'listening on' "$work/$port.tcpdump" || die "tcpdump"
	done
}
