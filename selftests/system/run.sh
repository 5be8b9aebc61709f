#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the system tests, all or those named, in the guest in which it is started:
#
#	scripts/vm/run 6.1 -- selftests/system/run.sh [TEST...]
#
# Prints KTAP. Exit status 0: none failed, 1: some did.

cd "$(dirname "$0")" || exit 2
all=(kernel sessions community segment forward scale trade gateway refusals damage crash object
	files via outage provider service)
[ $# -gt 0 ] || set -- "${all[@]}"
failed=0 number=0
printf 'KTAP version 1\n1..%d\n' $#
for name; do
	number=$((number + 1))
	result=ok
	timeout -k 10 900 "./$name.sh" 2>&1 | sed -u 's/^/  /'
	[ "${PIPESTATUS[0]}" = 0 ] || {
		result='not ok'
		failed=1
	}
	printf '%s %d system: %s\n' "$result" "$number" "$name"
done
exit $failed
