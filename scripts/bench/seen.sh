#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The seen-set: against an rhashtable, by size; and saved and loaded while traffic goes on. Run by
# scripts/bench/run in a guest.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# noted ROUND NAME: the figures of an answer: nanoseconds, without the making of the key, and bytes
# for an entry. Each of its rounds of lookups counts, from ROUND on.
noted() {
	awk -v round="$1" -v name="$2" '{
		of = ""
		for (i = 2; i < NF; i++) {
			if ($i == "seen" || $i == "rhashtable")
				of = "_" $i
			else
				v[of "_" $i] = $(++i) + 0
		}
		key = v["_key"] / v["_lookups"]
		split("hit miss bhit bmiss insert expire bytes", what)
		for (k = split("seen rhashtable", whose); k; k--) {
			of = "_" whose[k]
			for (w = 1; w <= 7; w++) {
				value = of "_" what[w]
				if (!(value in v))
					continue
				per = w <= 5 ? v["_lookups"] : v["_entries"]
				printf "%s %s%s %f\n", round, name, value,
					v[value] / per - (w <= 5 ? key : 0)
			}
		}
		round++
		delete v
	}' $run >>"$raw"
}

# fill: a seen-set of a million messages.
fill() {
	devices d0 d1
	device cs0
	must "$csnl" dev set cs0 deliver none seen-max 2000000
	must "$csnl" port add d0 dev cs0 auth off
	must "$csnl" port add d1 dev cs0 auth off
	csbench rx d0 new $((1000000 / scale)) 256
}

seconds() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'; }

# save_load ROUND: both alone, then with traffic, all of which must come through.
save_load() {
	local start before after traffic=$((20000 / scale))
	start=$EPOCHREALTIME
	must "$csnl" seen save /tmp/seen
	note "$1" save "$(seconds "$start")"
	start=$EPOCHREALTIME
	must "$csnl" seen load /tmp/seen
	note "$1" load "$(seconds "$start")"
	before=$(cat /sys/class/net/d1/statistics/tx_packets)
	echo "rx d0 new $traffic 1400" >$run &
	must "$csnl" seen save /tmp/seen
	must "$csnl" seen load /tmp/seen
	wait
	read -ra answer <$run
	after=$(cat /sys/class/net/d1/statistics/tx_packets)
	note "$1" save_load_lost $((answer[1] - (after - before)))
}

begin
for ((round = 1; round <= rounds; round++)); do
	for entries in 10000 1000000; do
		csbench seen $entries 1
		noted $round s$entries
	done
done
# takes so long that it is filled and expires only once
csbench seen 16000000 "$rounds"
noted 1 s16000000
load
fill
for ((round = 1; round <= rounds; round++)); do
	save_load $round
done
echo "file of seen-set: $(stat -c %s /tmp/seen) bytes"
