#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the network selftests, all or those named, in the guest in which it is started:
#
#	scripts/vm/run 6.1 -- selftests/net/run.sh [TEST...]
#
# CS_QUICK=1 makes them shorter, for slow kernels; further environment: lib.sh. Prints KTAP. Exit
# status 0: none failed, 1: some did.

cd "$(dirname "$0")" || exit 2
all=(topology impair drops seen race local keys contract lifecycle netlink radio)
[ $# -gt 0 ] || set -- "${all[@]}"
timeout=$(sed -n 's/^timeout=//p' settings)
passed=0 failed=0 skipped=0 number=0

printf 'KTAP version 1\n1..%d\n' $#
for name; do
	name=$(basename "$name" .sh)
	number=$((number + 1))
	timeout -k 10 "$timeout" "./$name.sh" 2>&1 | sed -u 's/^/  /'
	status=${PIPESTATUS[0]}
	case $status in
	0)
		passed=$((passed + 1))
		result=ok note=''
		;;
	4)
		skipped=$((skipped + 1))
		result=ok note=' # SKIP'
		;;
	*)
		failed=$((failed + 1))
		result='not ok' note=" # exit status $status"
		[ "$status" != 124 ] || note=" # took longer than $timeout s"
		;;
	esac
	printf '%s %d net: %s%s\n' "$result" "$number" "$name" "$note"
done
printf '# Totals: pass:%d fail:%d xfail:0 xpass:0 skip:%d error:0\n' $passed $failed $skipped
[ $failed = 0 ]
