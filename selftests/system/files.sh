#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Files of all kinds, from a person to another by way of a relay: one with nothing in it, a
# directory of very many, and names that mean harm to who gets them: all arrive with the right
# content, inside the directory that was named, under harmless names.
#
#	a (alice) ------- b (relay) ------- c (carol)
#
# What a sender does who is no crowdshare put is in selftests/unit/fobject (hostile.c), and so is a
# sparse file of 2 GiB (sparse.c), which would be 1.8 million messages here.

. "$(dirname "$0")/people.sh"

many=10000
long=$(printf 'x%.0s' {1..255})
wide=$(printf 'é%.0s' {1..127})
# As they are sent, and as they arrive; in a directory a point may be the first character.
sent=($'new\nline' $'\e]0;title\a\e[31mred' -rf $'no\xff\xfeutf8' $'\u202egpj.exe' "$long" "$wide"
	..points)
clean=(new_line '_]0;title__[31mred' _rf no__utf8 _gpj.exe "$long" "$wide" _.points)

put() { user a put "$@" --to "$work/c.card" >>"$work/ids" || fail "put: $*"; }

# shown: what goes to a terminal moves no cursor there, and is text.
shown() {
	! LC_ALL=C grep -aqP '[\x00-\x08\x0b-\x1f\x7f]' "$1" && iconv -f UTF-8 -t UTF-8 "$1"
}

# outside: what there is beside the directory that things are delivered into.
outside() { (cd "$work" && ls -A . home-c); }

# arrived COUNT: so many have been delivered.
arrived() {
	user c get --out in >>"$work/delivered" 2>>"$work/get"
	[ "$(find "$work/home-c/in" -mindepth 1 -maxdepth 1 | wc -l)" -ge "$1" ]
}

# same ACTUAL WHAT: a file has the content that the one with this number was given.
same() { [ "$(<"$1")" = "content of $2" ]; }

set_up() {
	local each
	load_module
	timeout=30
	network 'a b' 'b c'
	for each in a b c; do
		conf $each
	done
	start a b c
	check "sessions" all_up a 1 b 2 c 1
	mkdir -p "$work/home-a" "$work/home-c/in"
	user c id new --bits 2048 >/dev/null && user c id export >"$work/c.card" || die "no key"
	: >"$work/delivered"
	: >"$work/get"
	: >"$work/ids"
	: >"$work/inbox"
	: >"$work/before"
	outside >"$work/before"
}

empty() {
	: >"$work/home-a/nothing"
	put nothing
	check "a file with nothing in it arrives" wait_for 60 arrived 1 || logs a b c
	check "and has nothing in it" test -f "$work/home-c/in/nothing" -a \
		! -s "$work/home-c/in/nothing"
}

directory() {
	mkdir "$work/home-a/many"
	seq "$many" | (cd "$work/home-a/many" && split -l 1 -a 5 -d)
	put many
	check "a directory of $many files arrives" wait_for 240 arrived 2 || logs a b c
	expect "all of them" "$(find "$work/home-c/in/many" -type f | wc -l)" "$many"
	check "as they were" diff -rq "$work/home-a/many" "$work/home-c/in/many"
}

names() {
	local i name before=2
	mkdir "$work/home-a/names"
	for i in "${!sent[@]}"; do
		echo "content of $i" >"$work/home-a/names/${sent[i]}"
		put "names/${sent[i]}"
	done
	put names
	put - --name .. <<<"content of .."
	has_come() { user c inbox >"$work/inbox" && [ "$(wc -l <"$work/inbox")" -gt ${#sent[@]} ]; }
	check "inbox lists them" wait_for 60 has_come || cat "$work/inbox"
	check "in harmless characters" shown "$work/inbox"
	check "names that mean harm: all arrive" wait_for 60 \
		arrived $((before + ${#sent[@]} + 2)) || logs a b c
	for i in "${!sent[@]}"; do
		name=$(LC_ALL=C printf %q "${sent[i]:0:20}")
		check "$name is harmless, and has its content" \
			same "$work/home-c/in/${clean[i]}" "$i"
		clean[i]=${clean[i]/#_.points/..points}
		check "in a directory, too" same "$work/home-c/in/names/${clean[i]}" "$i"
	done
	check ".. is harmless" same "$work/home-c/in/_." ..
	expect "and nothing else is there" "$(find "$work/home-c/in" -type f | wc -l)" \
		$((1 + many + 2 * ${#sent[@]} + 1))
	check "what get prints is harmless" shown "$work/delivered"
	expect "each was delivered once" "$(wc -l <"$work/delivered")" $((before + ${#sent[@]} + 2))
	check "nothing appeared elsewhere" diff "$work/before" <(outside)
}

set_up
empty
directory
names
for each in a b c; do
	stop $each
done
check "received = new + duplicates + drops" sums_hold a b c
drop_nodes
finish
