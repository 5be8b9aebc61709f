#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The dissector on captures that the real module made: module-captures.sh DIR, where DIR is where
# capture.sh, run in a guest, has put them.
set -u
[ $# = 1 ] || {
	printf 'usage: module-captures.sh DIR\n' >&2
	exit 2
}
command -v python3 >/dev/null || {
	printf 'KTAP version 1\n1..0 # SKIP python3 is not installed\n'
	exit 4
}
exec python3 "$(dirname "$0")/module_captures.py" "$1"
