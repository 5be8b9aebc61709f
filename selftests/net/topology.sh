#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Promise 1: a node forwards a message at most once on each port. Promise 2: nothing goes back over
# a point-to-point link on which it came; on a shared segment the echo reaches a hidden node.
# Promise 5: received = new + duplicates + drops. And every node gets every message.
#
#	line		triangle	mesh		parallel	ring
#
#	a - b - c	a - b		a b c d e,	a === b		a - b - c - d
#			 \ /		each with	  three		|           |
#			  c		each		  wires		h - g - f - e
#
#	hidden:		x - [segment] - z	x and z do not hear each other, but both hear y
#			        |
#			        y
#
# Captured: every port of every node, and every cs0.

. "$(dirname "$0")/lib.sh"

messages=$(amount 300 60)

# flood SOURCES NODE...: sends messages of SOURCES (separated by commas) at the same time, while
# all is captured. Leaves in gets the rules of what each node ought to get: all but its own.
flood() {
	local sources=${1//,/ } name source seed=100 pids=()
	shift
	capture "${@/%/:}"
	for source in $sources; do
		seed=$((seed + 1))
		csmsg --seed $seed --count "$messages" --digests "$work/$source" "$source:cs0" &
		pids+=($!)
	done
	wait "${pids[@]}"
	settle "$@"
	captured
	gets=()
	for name; do
		gets+=("none $name:cs0 in")
		for source in $sources; do
			[ "$source" != "$name" ] || continue
			gets[-1]="${gets[-1]/#none/exact} $work/$source"
		done
	done
}

# judge WHAT NODE...: what holds in every topology.
judge() {
	local what=$1
	shift
	rules "$what: a node sends a message at most once on each port" 'once *-* out'
	rules "$what: every node gets every message exactly once" "${gets[@]}"
	rules "$what: all frames are whole, contract and counter are clear" \
		'whole * in' 'whole * out' 'relayed *-* out' 'hops *-* out 255' 'untagged *-* out'
	check "$what: received = new + duplicates + drops" sums_hold "$@"
	check "$what: counters say what captures saw" counters_match "$@"
}

# wired WHAT SOURCES NODE...: flood and judge, on point-to-point links.
wired() {
	local what=$1 sources=$2
	shift 2
	flood "$sources" "$@"
	judge "$what" "$@"
	rules "$what: a message crosses each link at most once in each direction" 'once *-* in'
	rules "$what: nothing goes back where it came from" 'noecho *:cs0 in'
}

line() {
	node a b c
	link a b b c
	wired line a a b c
	rules "line: the middle sends each message on, and none back" \
		"exact b:b-c out $work/a" 'none b:b-a out' 'none c:c-b out'
	drop_nodes
}

triangle() {
	node a b c
	link a b b c a c
	wired triangle a a b c
	drop_nodes
}

mesh() {
	node a b c d e
	link a b a c a d a e b c b d b e c d c e d e
	wired "mesh of five" a,c a b c d e
	whole_file
	drop_nodes
}

# A file that really is cut up, sent through the mesh, and put together again.
whole_file() {
	mkdir "$work/received"
	head -c $((messages * 300)) /dev/urandom >"$work/file"
	csnl -n e recv dev cs0 to fd00::e timeout 60 "$work/received" >"$work/recv.log" 2>&1 &
	local pid=$!
	background+=("$pid")
	wait_for 20 ip netns exec e grep -q . /proc/net/packet
	wait_for 5 test "$(ip netns exec e wc -l </proc/net/packet)" -gt 1
	check "mesh of five: csnl send" csnl -n a send dev cs0 to fd00::e rate 20 "$work/file"
	wait_for 60 received_all || note "$(cat "$work/recv.log")"
	check "mesh of five: the file comes out whole" received_all
	kill "$pid" 2>/dev/null
}

received_all() {
	local file
	for file in "$work"/received/*; do
		cmp -s "$file" "$work/file" && return 0
	done
	return 1
}

parallel() {
	local i
	node a b
	for i in 1 2 3; do
		wire a "a-b$i" b "b-a$i"
		port a "a-b$i" auth off
		port b "b-a$i" auth off
	done
	wired "three parallel links" a a b
	rules "three parallel links: each message uses all of them" "exact a:a-b? out $work/a"
	drop_nodes
}

ring() {
	node a b c d e f g h
	link a b b c c d d e e f f g g h h a
	wired "ring of eight" a,e a b c d e f g h
	drop_nodes
}

# The segment is a bridge; of its isolated ports none hears another.
segment() {
	local name
	node x y z
	namespaces air
	echo 'link add seg up netns air type bridge' | batch
	for name in x y z; do
		wire "$name" "$name-air" air "air-$name"
		ip -n air link set "air-$name" master seg
		port "$name" "$name-air" auth off echo "$1"
	done
	bridge -n air link set dev air-x isolated on
	bridge -n air link set dev air-z isolated on
}

hidden() {
	segment always
	flood x x y z
	judge "hidden node" x y z
	rules "hidden node: everybody echoes exactly once" 'echo *:cs0 in'
	drop_nodes

	segment never
	flood x x y z
	rules "hidden node, echo never: who does not hear the sender gets nothing" \
		"exact y:cs0 in $work/x" 'none z:cs0 in' 'none y:y-air out'
	drop_nodes
}

load_module
line
triangle
mesh
parallel
ring
hidden
finish
