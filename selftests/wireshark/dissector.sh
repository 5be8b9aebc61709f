#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The Wireshark dissector on frames made by this test: every field, good and wrong digests and
# tags, frames cut at every length, random damage.  Needs tshark and python3, no VM, no root.
set -u
command -v python3 >/dev/null || {
	printf 'KTAP version 1\n1..0 # SKIP python3 is not installed\n'
	exit 4
}
exec python3 "$(dirname "$0")/dissector.py" "$@"
