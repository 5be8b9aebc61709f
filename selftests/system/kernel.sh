#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The daemon's interface to the kernel, on the real module: see kernel.c. One namespace, in which
# the program makes its own interfaces:
#
#	cs0 - p0 ===== p1 (a neighbour's frames are sent here)
#
#	scripts/vm/run 6.1 -- selftests/system/kernel.sh
#
# CS_BIN as for selftests/net/lib.sh; it has to hold the program "kernel" too.

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
# shellcheck source=../net/lib.sh
. "$here/../net/lib.sh"

type kernel >/dev/null 2>&1 || die "kernel not found in $PATH: make -C selftests/system"

# results FILE WHAT: the results of the program's checks, as ours.
results() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok '*) pass "$2: ${line#ok * }" ;;
		'not ok '*) fail "$2: ${line#not ok * }" ;;
		'Bail out!'*) fail "$2: $line" ;;
		'#'*) echo "$line" ;;
		esac
	done <"$1"
}

refuse 'without the module it says what to do' 'modprobe crowdshare' kernel open
load_module
check 'with it there is nothing to say' kernel open
# the library may be in a directory that nobody else may read, so who asks is root, without rights
refuse 'without the right to a packet socket it says so' 'CAP_NET_RAW' \
	setpriv --bounding-set=-net_raw,-net_admin --inh-caps=-net_raw,-net_admin kernel open

mkdir "$work/fake" "$work/live"
kernel fake "$work/fake" >"$work/fake.ktap"
check 'the fake passes' test $? = 0
results "$work/fake.ktap" fake

namespaces k
ip netns exec k kernel live "$work/live" >"$work/live.ktap" 2>"$work/live.log"
check 'the real kernel passes' test $? = 0
results "$work/live.ktap" real
note "what the daemon would log:"
note "$(sort "$work/live.log" | sed 's/^[^ ]* //' | uniq -c)"
check 'interfaces: events were lost, and it was noticed' \
	grep -q 'interfaces: events were lost' "$work/live.log"
check "the module's events were lost, and it was noticed" \
	grep -q 'events of the module were lost' "$work/live.log"
check 'it was noticed that the device went down' grep -q "cs0.*down" "$work/live.log"
finish
