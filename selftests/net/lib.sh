# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Sourced by the network selftests: nodes, wires, captures, counters, and the words to report with.
#
# A node is a network namespace with a crowdshare device cs0. Tests run in a guest of their own
# (run.sh), so names need not be unique outside.
#
# Environment: CS_BIN directories of csnl, csmsg, cscap and nlfuzz, separated by colons;
# CS_MODULE path of crowdshare.ko; CS_QUICK=1 for slow kernels: fewer messages, shorter loads.
#
# A test reports with check and expect, and ends with finish: exit status 0 all passed, 1 some
# failed, 4 skipped. Nothing waits for a fixed time: what takes time is waited for with a limit.

set -u

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(realpath "$here/../..")
PATH=${CS_BIN:-$top/build/userspace:$top/build/selftests}:/usr/sbin:/sbin:$PATH
test_name=$(basename "$0" .sh)
work=$(mktemp -d "${TMPDIR:-/tmp}/cs-$test_name.XXXXXX")

tests=0 failed=0
nodes=()
background=()
modules=(veth bridge 8021q vxlan sch_netem sch_ingress cls_matchall act_mirred)

# --- Reporting ---

note() { printf '%s\n' "$*" | sed 's/^/# /'; }

pass() {
	tests=$((tests + 1))
	printf 'ok %d %s\n' "$tests" "$1"
}

fail() {
	tests=$((tests + 1))
	failed=$((failed + 1))
	printf 'not ok %d %s\n' "$tests" "$1"
}

# check WHAT COMMAND...: passes when the command succeeds; else its output tells why.
check() {
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		pass "$what"
	else
		fail "$what"
		note "$output"
		return 1
	fi
}

# refuse WHAT PATTERN COMMAND...: passes when the command fails and its message has PATTERN.
refuse() {
	local what=$1 pattern=$2 output
	shift 2
	if output=$("$@" 2>&1); then
		fail "$what"
		note "succeeded: $*"
	elif ! grep -qiE -- "$pattern" <<<"$output"; then
		fail "$what"
		note "failed, but without /$pattern/ in its message: $output"
	else
		pass "$what"
	fi
}

# expect WHAT ACTUAL EXPECTED
expect() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1"
		note "expected: $3"
		note "     got: $2"
		return 1
	fi
}

skip_test() {
	tests=$((tests + 1))
	printf 'ok %d %s # SKIP %s\n' "$tests" "$1" "$2"
}

skip_all() {
	printf '1..0 # SKIP %s\n' "$*"
	exit 4
}

finish() {
	check "the kernel has nothing to complain of" complaints
	printf '1..%d\n' "$tests"
	[ "$failed" = 0 ] || exit 1
	exit 0
}

# The kernel's own reports since the test began, and references that were never let go, but for
# those that are none of our doing.
complaints() {
	dmesg | tail -n "+$((dmesg_before + 1))" |
		"$here/../../scripts/vm/complaints" /dev/stdin
}

# amount NORMAL QUICK: how many messages, seconds or the like.
amount() { [ "${CS_QUICK:-0}" = 1 ] && echo "$2" || echo "$1"; }

# --- Waiting ---

# By a clock that no test sets.
uptime_seconds() {
	local up
	read -r up _ </proc/uptime
	echo "${up%.*}"
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
	local end=$(($(uptime_seconds) + $1))
	shift
	until "$@"; do
		[ "$(uptime_seconds)" -lt $end ] || return 1
		sleep 0.05
	done
}

# --- Nodes and wires ---

# batch: runs the ip commands on standard input, in one go: a process takes long when it is
# emulated. To be called as the last of a pipe: exit would only end that.
batch() { ip -batch - || die "ip failed"; }

# die WHAT: the test itself can't go on; said to the shell of the test even from a pipe or subshell.
die() {
	echo "Bail out! $*" >&3
	kill -TERM $$
	exit 2
}

namespaces() {
	printf 'netns add %s\n' "$@" | batch
	nodes+=("$@")
}

# node NAME...: namespaces with a device cs0 that is up.
node() {
	namespaces "$@"
	printf 'link add cs0 up netns %s type crowdshare\n' "$@" | batch
}

# wire NS1 DEV1 NS2 DEV2 [MTU]: a pair of interfaces, up.
wire() {
	wires "$1 $2 $3 $4 ${5:-1500}"
}

# wires 'NS1 DEV1 NS2 DEV2 MTU'...: several of them.
wires() {
	local ns
	printf '%s\n' "$@" | awk '{ print "link add", $2, "mtu", $5, "netns", $1,
		"type veth peer name", $4, "mtu", $5, "netns", $3 }' | batch
	for ns in $(printf '%s\n' "$@" | awk '{ print $1; print $3 }' | sort -u); do
		ip -n "$ns" link set group default up || die "$ns: can't set links up"
	done
}

# port NODE DEV [OPTION...]: attaches to cs0.
port() {
	local name=$1 dev=$2
	shift 2
	csnl -n "$name" port add "$dev" dev cs0 "$@" || die "$name: can't add port $dev"
}

# link A B...: wires between nodes A and B, and so on for more pairs; the ends are A-B and B-A, both
# open ports.
link() {
	local list=() ports=() pids=() pid
	while [ $# -gt 0 ]; do
		list+=("$1 $1-$2 $2 $2-$1 1500")
		ports+=("$1 $1-$2" "$2 $2-$1")
		shift 2
	done
	wires "${list[@]}"
	for pid in "${ports[@]}"; do
		# shellcheck disable=SC2086 # node and port
		port $pid auth off &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || die "can't add a port"
	done
}

mac() { ip -n "$1" -br link show dev "$2" | awk '{ print $3 }'; }

drop_nodes() {
	local name
	for name in ${nodes[@]+"${nodes[@]}"}; do
		ip netns del "$name" 2>/dev/null
	done
	nodes=()
}

# --- Captures ---

# capture [NS:]DEV...: begins to listen.
capture() { cscap -w "$work/log" "$@" || die "can't capture"; }

# captured: ends it; then rules may be checked.
captured() { cscap -s "$work/log" || die "can't end the capture"; }

# rules WHAT RULE...
rules() {
	local what=$1
	shift
	check "$what" cscap -r "$work/log" "$@"
}

# seen_on DEV in|out: frames captured there.
seen_on() {
	cscap -t "$work/log" | awk -v dev="$1" -v column="$([ "$2" = in ] && echo 2 || echo 4)" \
		'$1 == dev { print $column }'
}

# --- Counters ---

# counter NODE SCOPE KEY: one value, 0 if it never counted. See cscount.c for the names.
counter() {
	cscount "$1" | awk -v s="$2" -v k="$3" '$2 == s && $3 == k { v = $4 } END { print v + 0 }'
}

# before NODE...: remembers the counters; changed compares with it.
before() {
	counted=("$@")
	cscount "$@" >"$work/before" || die "can't read counters"
}

# changed WHAT [CHANGE...]: passes when soon exactly these counters have changed since before, or
# since the last time; CHANGE is "NODE SCOPE KEY DIFFERENCE".
changed() {
	local what=$1
	shift
	check "$what" cscount -c "$work/before" "${counted[@]}" <<<"$(printf '%s\n' "$@")"
}

# settle NODE...: waits until nothing is counted any more.
settle() { cscount -r "$@" || note "counters keep counting"; }

# sums_hold NODE...: received = new + duplicates + drops, for all that counts; a device is the sum
# of its parts.
sums_hold() { cscount -s "$@"; }

# parts_hold NODE...: the same where ports were removed, which the device goes on to count.
parts_hold() { cscount -S "$@"; }

# counters_match NODE...: what the ports of these nodes counted is what the capture saw.
counters_match() {
	{
		cscap -t "$work/log" | sed 's/:/ /; s/^/captured /'
		cscount "$@"
	} | awk '
		$1 == "captured" { in_[$2 " " $3] = $4; out[$2 " " $3] = $6; next }
		{ split($2, scope, ":"); id = $1 " " scope[2] }
		scope[1] == "port" && id in in_ && $3 == "rx_frames" && $4 != in_[id] {
			print id ": counted " $4 " received, captured " in_[id]; bad = 1 }
		scope[1] == "port" && id in out && $3 == "tx_frames" && $4 != out[id] {
			print id ": counted " $4 " sent, captured " out[id]; bad = 1 }
		END { exit bad }'
}

# --- The module, and the end ---

# load_module [PARAMETER=VALUE...]
load_module() {
	if [ ! -d /sys/module/crowdshare ]; then
		# for blake2s and sha512
		modprobe -q libblake2s || :
		modprobe -q sha512_generic || :
		insmod "${CS_MODULE:-$top/build/${CS_LANE:-6.1}/crowdshare.ko}" "$@" ||
			die "can't load the module"
	fi
}

unload_module() { rmmod crowdshare; }

# in_background COMMAND...: stopped at the end of the test.
in_background() {
	"$@" &
	background+=($!)
}

cleanup() {
	local pid
	for pid in ${background[@]+"${background[@]}"} $(cat "$work"/*.pid 2>/dev/null); do
		kill "$pid" 2>/dev/null
	done
	wait
	drop_nodes
	[ ! -d /sys/module/crowdshare ] || wait_for 20 rmmod crowdshare 2>/dev/null ||
		echo "# rmmod: the module is still in use"
	rm -rf "$work"
}

exec 3>&1
echo 'KTAP version 1'
[ "$(id -u)" = 0 ] || skip_all "needs root"
for tool in csnl csmsg cscap cscount ip tc; do
	type "$tool" >/dev/null 2>&1 || { echo "Bail out! $tool not found in $PATH"; exit 2; }
done
trap cleanup EXIT
trap 'exit 2' INT TERM
# New namespaces without IPv6, so that nothing speaks of its own accord on the wires.
echo 1 >/proc/sys/net/core/devconf_inherit_init_net
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
# The same for all messages of a test, so that the same seed makes the same messages.
export CSMSG_EXPIRY=$((EPOCHSECONDS + 7200))
dmesg_before=$(dmesg | wc -l)
modprobe -qa "${modules[@]}" 2>/dev/null || :
