#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A full disk, and files that were damaged: a clear error, nothing overwritten, and the node goes on
# as far as it can.
#
#	a (buyer) ------- b (seller)

. "$(dirname "$0")/lib.sh"

market='market: { rates = ( { geohash = ""; rate = "2"; } ); };'

sums() { (cd "$work/b" && sha256sum ledger.db store/data.mdb seen identity.key conf); }

# starts_not WHAT PATTERN: b does not start, says why, and leaves all files as they are.
starts_not() {
	local before
	before=$(sums)
	: >"$work/b/log"
	launch b
	status='none: it runs'
	ends b 30 || stop b KILL
	expect "$1: it does not start: exit status" "$status" 1
	check "$1: it says why, and what to do" grep -qE "$2" "$work/b/log" || logs b
	expect "$1: nothing was overwritten" "$(sums)" "$before"
}

# damage FILE OFFSET [COUNT]: inverts bytes.
damage() {
	python3 - "$work/b/$1" "$2" "${3-8}" <<-END
		import sys
		with open(sys.argv[1], 'r+b') as file:
		    file.seek(int(sys.argv[2]))
		    data = file.read(int(sys.argv[3]))
		    file.seek(int(sys.argv[2]))
		    file.write(bytes(byte ^ 0xff for byte in data))
	END
}

keep() { cp -a "$work/b/$1" "$work/kept"; }
restore() { cp -a "$work/kept" "$work/b/$1"; }

size() { stat -c %s "$work/b/$1"; }

# body: where the first message stands in the store: its destination and, as on the wire, its
# expiry.
body() {
	python3 - "$work/b/store/data.mdb" "$CSMSG_EXPIRY" <<-END
		import sys
		wanted = bytes([0xfd] + 14 * [0] + [1]) + int(sys.argv[2]).to_bytes(8, 'big')
		print(open(sys.argv[1], 'rb').read().find(wanted))
	END
}

configuration() {
	local before
	cp "$work/b/conf" "$work/good"
	sed -i 's/seen-max/seen-most/' "$work/b/conf"
	refuse "configuration: --check-config names file, line and fault" \
		'conf:[0-9]+: .*seen-most' crowdshared --check-config -c "$work/b/conf"
	before=$(grep -c 'nothing was changed' "$work/b/log")
	kill -HUP "${daemon_pid[b]}"
	told() { [ "$(grep -c 'nothing was changed' "$work/b/log")" -gt "$before" ]; }
	check "configuration: a reload changes nothing and says so" wait_for 20 told
	check "configuration: the daemon goes on" answers b
	stop b
	starts_not "configuration" 'conf:[0-9]+: .*seen-most'
	cp "$work/good" "$work/b/conf"
}

identity() {
	chmod 644 "$work/b/identity.key"
	starts_not "a key that others may read" 'identity.key.*(chmod|mode|others)'
	chmod 600 "$work/b/identity.key"
	keep identity.key
	damage identity.key 40
	starts_not "a damaged key" 'identity.key'
	restore identity.key
}

seen() {
	keep seen
	damage seen $(($(size seen) / 2))
	ip -n b link del cs0
	starts_not "a damaged seen-set" "seen'"
	restore seen
}

ledger() {
	keep ledger.db
	# an entry's own bytes: the amount of a promise, changed by somebody
	python3 - "$work/b/ledger.db" <<-END
		import sqlite3, sys
		db = sqlite3.connect(sys.argv[1])
		row = db.execute('SELECT min(seq) FROM entries').fetchone()
		names = [r[1] for r in db.execute('PRAGMA table_info(entries)')]
		column = 'amount' if 'amount' in names else names[-1]
		db.execute(f'UPDATE entries SET {column} = {column} + 1 WHERE seq = ?', row)
		db.commit()
		db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
	END
	refuse "ledger: verify names the first bad entry" 'entry 1: ' cs b ledger verify
	restore ledger.db
	check "ledger: the good one verifies" cs b ledger verify
	damage ledger.db 0 32
	starts_not "a ledger with a damaged head" 'ledger.db'
	restore ledger.db
	damage ledger.db $((4096 * 2)) 64
	refuse "ledger: verify finds a damaged page" 'ledger.db' cs b ledger verify
	restore ledger.db
}

store() {
	keep store/data.mdb
	damage store/data.mdb 0 8192
	starts_not "a store with damaged meta pages" 'store'
	restore store/data.mdb
	# in a message: what is on the disk is not what was verified
	damage store/data.mdb "$(($(body) + 200))" 4
	start b
	refuse "store: check finds a damaged message" 'store.*(damaged|digest)' cs b store check
	stop b
	restore store/data.mdb
	start b
	check "store: the good one is whole" cs b store check
	stop b
}

holds_some() { [ "$(held b)" -gt "$1" ]; }

# State and store on a disk of 8 MB, which somebody fills.
full_disk() {
	local before contracts
	stop a
	mkdir "$work/small"
	mount -t tmpfs -o size=8M none "$work/small" || die mount
	cp -a "$work/b/." "$work/small"
	mount --move "$work/small" "$work/b" || die mount
	start a b
	all_up a 1 b 1
	csmsg -S 20 -c 20 --rate 400 a:cs0 || die csmsg
	before=$(held b)
	check "small disk: it takes messages" wait_for 30 holds_some "$before" || {
		logs a b
		note "$(df "$work/b"; ls -ls "$work/b" "$work/b/store")"
	}
	dd if=/dev/zero of="$work/b/ballast" bs=4k 2>/dev/null
	before=$(held b)
	contracts=$(get b length contracts)
	csmsg -S 21 -c 300 --rate 400 a:cs0 || die csmsg
	check "disk full: it says so" wait_for 60 grep -qiE 'no (room|space)|disk' "$work/b/log" ||
		logs a b
	check "disk full: the daemon goes on" answers b
	check "disk full: what it held it holds" test "$(held b)" -ge "$before"
	check "disk full: the ledger verifies" cs b ledger verify
	check "disk full: a contract is refused or whole" test "$(get b length contracts)" -ge \
		"$contracts"
	rm "$work/b/ballast"
	csmsg -S 22 -c 20 --rate 400 a:cs0 || die csmsg
	check "room again: it takes messages" wait_for 90 holds_some "$((before + 19))" || logs a b
	check "room again: the ledger verifies" cs b ledger verify
	check "room again: the store is whole" cs b store check
	stop a
	stop b
	umount "$work/b"
}

load_module
network 'a b'
terms=contract
conf a 'offers: { max-price = "100"; budget = "1000"; };'
conf b "$market"
start a b
check "sessions" all_up a 1 b 1
csmsg -S 1 -c 40 --rate 400 a:cs0 || die csmsg
check "messages under contract" wait_for 30 holds b 40 || logs a b
configuration
identity
ledger
store
seen
full_disk
check "received = new + duplicates + drops" parts_hold a b
drop_nodes
finish
