# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Sourced by scripts/check and scripts/check-deep, at the top of the tree: builds, runs steps one
# after the other and counts their results. A step is a function step_NAME that prints KTAP; its
# output also goes to build/check/NAME.log.

build=$PWD/build
out=$build/check

# build_all GOAL...: with make; a goal may have settings, as in 'modules LANE=6.12'.
build_all() {
	local goals
	for goals; do
		# shellcheck disable=SC2086 # a goal and a setting are two arguments
		make --no-print-directory $goals >"$out/build.log" 2>&1 || {
			cat "$out/build.log"
			return 1
		}
	done
}

# in_vm LANE SECONDS COMMAND...
in_vm() {
	local lane=$1 limit=$2
	shift 2
	mkdir -p "$out/$lane"
	scripts/vm/run "$lane" -t "$limit" -o "$out/$lane" -- "$@"
}

# count LOG: how many results of a step passed and failed. A line "ok" or "not ok" counts, but not
# one that sums up deeper ones.
count() {
	awk '
		match($0, /^ *(not )?ok [0-9]+/) {
			depth = match($0, /[^ ]/)
			sums_up = depth < last
			last = depth
			if (sums_up || /# SKIP/)
				next
			if (/^ *not ok/)
				bad++
			else
				good++
		}
		END { print good + 0, bad + 0 }' "$1"
}

# run NUMBER STEP
run() {
	local status good bad began=$SECONDS
	printf '    # Subtest: %s\n' "$2"
	# KTAP wants what is nested indented
	"step_$2" 2>&1 </dev/null | tee "$out/$2.log" | sed -u 's/^/    /'
	status=${PIPESTATUS[0]}
	read -r good bad <<<"$(count "$out/$2.log")"
	# a step may fail without a result that does, as when a kernel complains
	[ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
	[ "$((good + bad))" != 0 ] || bad=1
	passed=$((passed + good))
	failed=$((failed + bad))
	[ "$bad" = 0 ] || printf 'not '
	printf 'ok %d %s # %d passed, %d failed, %d s\n' "$1" "$2" "$good" "$bad" \
		"$((SECONDS - began))"
}

# run_steps 'GOAL,GOAL...' STEP...: builds the goals and runs the steps; the last line counts the
# single results. Status 0 if none failed.
run_steps() {
	local goals i step
	IFS=, read -ra goals <<<"$1"
	shift
	for step; do
		declare -F "step_$step" >/dev/null || {
			printf '%s: no step %s\n' "${0##*/}" "$step" >&2
			sed -n '/^# Steps/p' "$0" >&2
			exit 2
		}
	done
	mkdir -p "$out"
	passed=0
	failed=0
	build_all "${goals[@]}" || {
		printf '%s: the build failed\n0 passed, 1 failed\n' "${0##*/}"
		return 1
	}
	printf 'KTAP version 1\n1..%d\n' $#
	i=0
	for step; do
		i=$((i + 1))
		run $i "$step"
	done
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[ "$failed" = 0 ]
}
