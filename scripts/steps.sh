# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Sourced by scripts/check and scripts/check-deep, at the top of the tree: builds, runs steps and
# counts their results. A step is a function step_NAME that prints KTAP; its output also goes to
# build/check/NAME.log.
#
# Two steps run at a time, since an emulated machine with two processors seldom keeps more than one
# of ours busy; CS_JOBS says how many. A step alone prints as it goes, else each when it has ended.

build=$PWD/build
out=$build/check
anew='# all of it runs anew, and what came before does not count'

# build_all GOAL...: with make; a goal may have settings, as in 'modules LANE=6.12'. One at a time:
# two steps may need the same.
build_all() {
	local goals log
	for goals; do
		log="$out/make-${goals// /-}.log"
		# shellcheck disable=SC2086 # a goal and a setting are two arguments
		flock "$out/make.lock" make --no-print-directory $goals >"$log" 2>&1 || {
			cat "$log"
			return 1
		}
	done
}

# in_vm LANE SECONDS COMMAND...: what it leaves is in $out/STEP. Run once more when the host took a
# process from User Mode Linux, which is nothing that the command did; then that run counts.
in_vm() {
	local lane=$1 limit=$2 dir=$out/${FUNCNAME[1]#step_} status=0
	shift 2
	mkdir -p "$dir"
	scripts/vm/run "$lane" -t "$limit" -o "$dir" -- "$@" || status=$?
	[ "$status" = 123 ] || return "$status"
	echo "$anew"
	scripts/vm/run "$lane" -t "$limit" -o "$dir" -- "$@"
}

# last_run STEP: its log, of the run that counts.
last_run() {
	awk -v anew="$anew" '
		$0 == anew { n = 0 }
		{ line[n++] = $0 }
		END { for (i = 0; i < n; i++) print line[i] }' "$out/$1.log"
}

# count: how many results of a log on standard input passed and failed. A line "ok" or "not ok"
# counts, but not one that sums up deeper ones.
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
		END { print good + 0, bad + 0 }'
}

# name_failed STEP: which of its results failed, and what was said before and after them, for the
# end of the output, where one looks first.
name_failed() {
	local log
	log=$(last_run "$1")
	awk -v step="$1" '
		/^ *(not )?ok/ {
			more = 0
			if (/^ *not/) {
				print step ": " $0 said
				more = 8
			}
			said = ""
		}
		/^ *# / && more-- > 0 { print "\t" $0; next }
		/^ *# / && length(said) < 800 { said = said "\n\t" $0 }' <<<"$log"
	[ "$status" = 0 ] || grep -q '^ *not ok' <<<"$log" || {
		printf '%s: ended with status %s; its last lines:\n' "$1" "$status"
		tail -n 20 <<<"$log" | sed 's/^/\t/'
	}
}

# begin STEP: runs it; its log, exit status and time are in $out. An only one is also printed.
begin() {
	local began=$SECONDS
	if [ "$alone" = 1 ]; then
		printf '    # Subtest: %s\n' "$1"
		# KTAP wants what is nested indented
		"step_$1" 2>&1 </dev/null | tee "$out/$1.log" | sed -u 's/^/    /'
		set -- "$1" "${PIPESTATUS[0]}"
	else
		"step_$1" >"$out/$1.log" 2>&1 </dev/null
		set -- "$1" $?
	fi
	echo "$2 $((SECONDS - began))" >"$out/$1.status"
}

# report STEP: what became of it.
report() {
	local status good bad took
	number=$((number + 1))
	[ "$alone" = 1 ] || {
		printf '    # Subtest: %s\n' "$1"
		sed 's/^/    /' "$out/$1.log"
	}
	read -r status took <"$out/$1.status" || status=1 took=0
	read -r good bad <<<"$(last_run "$1" | count)"
	# a step may fail without a result that does, as when a kernel complains
	[ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
	[ "$((good + bad))" != 0 ] || bad=1
	passed=$((passed + good))
	failed=$((failed + bad))
	[ "$bad" = 0 ] || {
		printf 'not '
		name_failed "$1" >>"$out/failed"
	}
	printf 'ok %d %s # %d passed, %d failed, %d s\n' "$number" "$1" "$good" "$bad" "$took"
}

# await: reports the next step that ends.
await() {
	local pid
	wait -n -p pid
	report "${running[$pid]}"
	unset "running[$pid]"
}

# run_steps 'GOAL,GOAL...' STEP...: builds the goals and runs the steps; the last line counts the
# single results. Status 0 if none failed.
run_steps() {
	local goals step alone=$(($# == 2)) number=0
	local -A running=()
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
	: >"$out/failed"
	build_all "${goals[@]}" || {
		printf '%s: the build failed\n0 passed, 1 failed\n' "${0##*/}"
		return 1
	}
	printf 'KTAP version 1\n1..%d\n' $#
	# steps have children of their own
	trap 'trap "" TERM; kill -TERM 0; exit 1' INT TERM
	for step; do
		[ ${#running[@]} -lt "${CS_JOBS:-2}" ] || await
		rm -f "$out/$step.status"
		begin "$step" &
		running[$!]=$step
	done
	while [ ${#running[@]} -gt 0 ]; do
		await
	done
	sed 's/^/# failed: /' "$out/failed"
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[ "$failed" = 0 ]
}
