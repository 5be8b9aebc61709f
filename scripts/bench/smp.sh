#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# New messages on two CPUs against one: from two ports, each with a CPU of its own, and from one
# port, whose frames all arrive on one CPU; and what the guest's CPUs give at all: SHA-512 in two
# processes against one. Run by scripts/bench/run in a guest with two CPUs; one of them is switched
# off and on again in each round.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
frames=$((6000 / scale))
switch=/sys/devices/system/cpu/cpu1/online

# rate ROUND NAME DEVS COUNT EXPECTED: notes frames per second; COUNT is for each of DEVS.
rate() {
	csbench smp "$3" new "$4" 1400 d2
	note "$1" "$2" \
		"$(awk -v n="${answer[1]}" -v t="${answer[3]}" 'BEGIN { print n / t * 1e9 }')"
	note "$1" "$2_lost" $(($5 - answer[1]))
}

# limit ROUND NAME PROCESSES: notes bytes of SHA-512 a second of so many processes.
limit() {
	local -a multi=()
	[ "$3" = 1 ] || multi=(-multi "$3")
	note "$1" "$2" "$(openssl speed -mr -seconds 1 "${multi[@]}" -bytes 1400 sha512 \
		2>/dev/null | awk -F : '/^\+F:/ { print $4 / 1e6 }')"
}

begin
load
[ "$(nproc)" = 2 ] || die "there are $(nproc) CPUs, not two"
devices d0 d1 d2
device cs0
must "$csnl" dev set cs0 deliver none seen-max 1000000
for port in d0 d1 d2; do
	must "$csnl" port add $port dev cs0 auth off
done
for ((round = 0; round <= rounds; round++)); do
	echo 0 >$switch || die "cannot switch off a CPU"
	rate $round smp_one d0 $frames $frames
	limit $round smp_limit_one 1
	echo 1 >$switch || die "cannot switch on a CPU"
	rate $round smp_two_ports d0,d1 $((frames / 2)) $frames
	rate $round smp_one_port d0 $frames $frames
	limit $round smp_limit_two 2
done
