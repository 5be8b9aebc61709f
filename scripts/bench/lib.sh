# shellcheck shell=bash disable=SC2034 # who sources this uses the variables
# Shared by the scripts that measure within a guest: starting, one measurement, raw figures. To be
# sourced. A raw figure is a line "ROUND NAME VALUE" in $CS_OUT/raw, which scripts/bench/report
# reads.

run=/sys/kernel/debug/csbench/run
csnl=$CS_BENCH_BUILD/userspace/csnl
module=$CS_BENCH_BUILD/bench/$CS_LANE/crowdshare.ko
raw=$CS_OUT/raw
rounds=${CS_BENCH_ROUNDS:-7}
# all counts of frames are divided by this: to try the scripts out
scale=${CS_BENCH_SCALE:-1}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# must COMMAND...: it works, or nothing is worth measuring.
must() { "$@" || die "failed: $*"; }

# device NAME: a crowdshare device that is up.
device() {
	must ip link add "$1" type crowdshare
	must ip link set "$1" up
}

# begin: what each guest needs.
begin() {
	: >"$raw"
	ulimit -n 4096
	mount -t debugfs none /sys/kernel/debug 2>/dev/null
	sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	must insmod "${module%/*}/crowdshare_bench.ko"
}

load() { must insmod "$module"; }

# note ROUND NAME VALUE
note() { printf '%s %s %s\n' "$1" "$2" "$3" >>"$raw"; }

# csbench WORD...: a command to the benchmark module; its answer is in the array "answer".
csbench() {
	echo "$*" >$run || die "csbench $*: failed"
	read -ra answer <$run
}

# measure ROUND NAME VERB WORD...: notes nanoseconds per frame.
measure() {
	local round=$1 name=$2
	shift 2
	csbench "$@"
	# frames N ns T
	note "$round" "$name" \
		"$(awk -v n="${answer[1]}" -v t="${answer[3]}" 'BEGIN { print t / n }')"
}

# devices NAME...: dummy interfaces that are up.
devices() {
	local name
	modprobe dummy numdummies=0
	for name; do
		must ip link add "$name" mtu 9100 type dummy
		must ip link set "$name" up
	done
}
