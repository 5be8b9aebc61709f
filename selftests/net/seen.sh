#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Promise 4: nothing unexpired is forgotten. A full seen-set refuses what is new; it is resized,
# saved and loaded without forgetting; neither a missing clock nor one that is set back brings a
# message back.
#
#	s ------- b ------- t
#	  s-b b-s   b-t t-b
#
# Captured: b's ports and cs0. Sets the clock of the machine.

. "$(dirname "$0")/lib.sh"

bytes=452	# of a frame, from the link header on

send() { csmsg -s 300 "$@" s:s-b || die "csmsg: $*"; }

build() {
	load_module clock_allowance=1
	node b
	namespaces s t
	wires "s s-b b b-s 1500" "b b-t t t-b 1500"
	port b b-s auth off
	port b b-t auth off
}

count_is() { [ "$(counter b set:cs0 count)" = "$1" ]; }

# arrived COUNT, known COUNT, refused REASON COUNT: what the frames just sent turned out to be.
arrived() {
	changed "$what" "b port:b-s rx_frames $1" "b port:b-s rx_bytes $(($1 * bytes))" \
		"b port:b-s new $1" "b port:b-s delivered $1" "b set:cs0 count $1" \
		"b port:b-t tx_frames $1" "b port:b-t tx_bytes $(($1 * bytes))"
}

known() {
	changed "$what" "b port:b-s rx_frames $1" "b port:b-s rx_bytes $(($1 * bytes))" \
		"b port:b-s duplicates $1"
}

refused() {
	changed "$what" "b port:b-s rx_frames $2" "b port:b-s rx_bytes $(($2 * bytes))" \
		"b port:b-s drops.$1 $2"
}

full() {
	local expiry=$((EPOCHSECONDS + 20)) late
	csnl -n b dev set cs0 seen-max 100
	csnl -n b -j monitor >"$work/events" 2>"$work/events.err" &
	background+=($!)
	wait_for 10 grep -q listening "$work/events.err"
	capture b:
	before b
	send -S 1 -c 100 --expiry $expiry --digests "$work/old"
	what="as many messages as the seen-set holds"; arrived 100
	send -S 2 -c 10
	what="full: new messages are refused"; refused full 10
	check "full: there is an event" wait_for 5 grep -q '"full"' "$work/events"
	send -S 1 -c 100 --expiry $expiry
	what="full: nothing was forgotten"; known 100
	send -S 2 -c 10
	what="full: those refused were not remembered"; refused full 10
	check "entries expire" wait_for 60 count_is 0
	late=$((EPOCHSECONDS - expiry))
	check "no entry expired before its message" test $late -ge 0
	before b
	send -S 2 -c 10 --digests "$work/new"
	what="after that new messages pass"; arrived 10
	send -S 1 -c 100 --expiry $expiry
	what="and the old ones are too old"; refused expired 100
	captured
	rules "each message was sent on once" "exact b:b-t out $work/old $work/new" \
		"exact b:cs0 in $work/old $work/new"
}

resize() {
	local expiry=$((EPOCHSECONDS + 3000)) pid max
	before b
	send -S 3 -c 80 --expiry $expiry
	what="before it is resized"; arrived 80
	csnl -n b dev set cs0 seen-max 5000
	send -S 3 -c 80 --expiry $expiry
	what="made larger: nothing was forgotten"; known 80
	csnl -n b dev set cs0 seen-max 90
	send -S 3 -c 80 --expiry $expiry
	what="made smaller, to just what it holds: nothing was forgotten"; known 80
	refuse "made smaller than what it holds: refused, with the reason" 'unexpired' \
		csnl -n b dev set cs0 seen-max 50
	send -S 3 -c 80 --expiry $expiry
	what="after that nothing was forgotten"; known 80

	csnl -n b dev set cs0 seen-max 20000
	capture b:
	# each message three times, so that what is forgotten in between would be sent twice
	csmsg -s 300 -S 4 -c 1500 --repeat 3 --rate "$(amount 1500 700)" --expiry $expiry s:s-b &
	pid=$!
	for max in 21000 30000 9000 40000 8000; do
		csnl -n b dev set cs0 seen-max $max
	done
	wait $pid
	send -S 4 -c 1500 --expiry $expiry
	settle b
	captured
	rules "resized under traffic: each message is sent on at most once" 'once b:b-t out' \
		'once b:cs0 in'
	check "resized under traffic: received = new + duplicates + drops" sums_hold b
}

saved() {
	local expiry=$((EPOCHSECONDS + 3000))
	before b
	send -S 5 -c 200 --expiry $expiry --digests "$work/sent"
	what="before it is saved"; arrived 200
	check "csnl seen save" csnl -n b seen save "$work/saved" dev cs0
	damaged
	drop_nodes
	check "rmmod" unload_module
	build
	refuse "a device that was just made knows nothing" '.*' \
		csnl -n b seen get "$(head -n 1 "$work/sent")" dev cs0
	check "csnl seen load" csnl -n b seen load "$work/saved" dev cs0
	capture b:
	before b
	send -S 5 -c 200 --expiry $expiry --digests "$work/sent"
	what="saved, module removed and loaded again, loaded: all known"; known 200
	check "csnl seen get" csnl -n b seen get "$(head -n 1 "$work/sent")" dev cs0
	captured
	rules "nothing is sent on again" 'none b:b-t out' 'none b:cs0 in'
	csnl -n b seen flush dev cs0
	before b
	send -S 5 -c 200 --expiry $expiry --digests "$work/sent"
	what="flushed: sent on once more (so the check above can fail)"; arrived 200
}

# flip FILE OFFSET: another byte than the one that is there.
flip() {
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %03o $((byte ^ 0xa5)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# A file that is damaged is refused, and loads nothing.
damaged() {
	local size flipped
	size=$(stat -c %s "$work/saved")
	before b
	: >"$work/damaged"
	refuse "load: empty file" 'damaged.*(magic)' csnl -n b seen load "$work/damaged" dev cs0
	head -c $((size - 1)) "$work/saved" >"$work/damaged"
	refuse "load: file cut off" 'damaged.*(size|truncated)' \
		csnl -n b seen load "$work/damaged" dev cs0
	for flipped in 0 20 $((size / 2)) $((size - 1)); do
		cp "$work/saved" "$work/damaged"
		flip "$work/damaged" "$flipped"
		refuse "load: byte $flipped altered" 'damaged.*(magic|size|checksum)' \
			csnl -n b seen load "$work/damaged" dev cs0
	done
	refuse "load: file that is not there" 'nowhere' \
		csnl -n b seen load "$work/nowhere" dev cs0
	changed "after all these the seen-set is as it was"
}

# The clock as it would be without the steps since $now, when the uptime was $up.
set_right() { date -s "@$((now + $(uptime_seconds) - up))" >/dev/null; }

# A router without a real-time clock: 1970, until somebody tells it the time.
no_clock() {
	local now=$EPOCHSECONDS up
	up=$(uptime_seconds)
	csnl -n b seen flush dev cs0
	date -s @5000 >/dev/null
	check "clock not set: csnl dev says so" grep -q 'unset' <<<"$(csnl -n b dev show cs0)"
	before b
	capture b:
	send -S 6 -c 20 --expiry $((now + 3000)) --digests "$work/sent"
	what="clock not set: messages pass"; arrived 20
	send -S 6 -c 20 --expiry $((now + 3000))
	what="clock not set: at most once"; known 20
	set_right
	# the sweep runs once a second
	wait_for 3 false
	send -S 6 -c 20 --expiry $((now + 3000))
	what="clock set: still known"; known 20
	captured
	rules "clock not set, then set: sent on once" "exact b:b-t out $work/sent"
}

# The clock runs far ahead, entries are forgotten; then it is set right again.
set_back() {
	local now=$EPOCHSECONDS up
	up=$(uptime_seconds)
	csnl -n b seen flush dev cs0
	before b
	capture b:
	send -S 7 -c 20 --expiry $((now + 100)) --digests "$work/sent"
	what="before the clock steps"; arrived 20
	date -s "@$((now + 1000))" >/dev/null
	check "clock far ahead: entries expire" wait_for 10 count_is 0
	set_right
	before b
	send -S 7 -c 20 --expiry $((now + 100))
	what="clock set back: not sent on again"; refused expired 20
	send -S 8 -c 20 --expiry $((now + 2000)) --digests "$work/new"
	what="clock set back: those that live longer pass"; arrived 20
	captured
	rules "clock set back: each sent on once" "exact b:b-t out $work/sent $work/new"
}

# A router starts at the date of its firmware, loads what it knew, and then learns what time it is.
stale() {
	local now=$EPOCHSECONDS up
	up=$(uptime_seconds)
	csnl -n b seen flush dev cs0
	before b
	send -S 9 -c 20 --expiry $((now + 2000)) --digests "$work/sent"
	what="before the restart"; arrived 20
	csnl -n b seen save "$work/saved" dev cs0 2>/dev/null
	csnl -n b seen flush dev cs0
	date -s "@$((now - 5000))" >/dev/null
	csnl -n b seen load "$work/saved" dev cs0 >/dev/null
	set_right
	wait_for 3 false
	capture b:
	before b
	send -S 9 -c 20 --expiry $((now + 2000))
	what="loaded while the clock was behind, then set right: still known"; known 20
	captured
	rules "loaded while the clock was behind: nothing is sent on again" 'none b:b-t out'
}

# The clock falls back to where it counts as not set, and messages are taken whatever their expiry.
lost() {
	local now=$EPOCHSECONDS up
	up=$(uptime_seconds)
	csnl -n b seen flush dev cs0
	before b
	send -S 10 -c 20 --expiry $((now + 100))
	what="before the clock is lost"; arrived 20
	date -s "@$((now + 1000))" >/dev/null
	check "before the clock is lost: entries expire" wait_for 10 count_is 0
	date -s @5000 >/dev/null
	before b
	send -S 10 -c 20 --expiry $((now + 100))
	what="the clock is lost: what was forgotten is not sent on again"; refused expired 20
	set_right
}

build
full
resize
saved
no_clock
stale
set_back
lost
check "received = new + duplicates + drops" sums_hold b
finish
