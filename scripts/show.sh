# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the demonstrations share: how they look to a person. To be sourced. Environment: NO_COLOR;
# CS_DEMO_TERMINAL=1: standard output is one.

colours() {
	bold='' red='' green='' plain=''
	if [ -n "${CS_DEMO_TERMINAL:-}" ] && [ -z "${NO_COLOR:-}" ]; then
		bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
	fi
}

heading() { printf '\n%s%s%s\n\n' "$bold" "$1" "$plain"; }

# bar PERCENT
bar() {
	local filled=$((12 * $1 / 100)) full='############' empty='............'
	printf '[%s%s] %3d %%' "${full:0:filled}" "${empty:filled}" "$1"
}

# show_verdicts FILE: its lines "STATUS TEXT", or "- MORE" about the last; false if one is wrong.
show_verdicts() {
	awk -v ok="${green}OK   $plain" -v not_ok="${red}WRONG$plain" '
		$1 == "-" { print "       " substr($0, 2); next }
		{
			wrong += $1
			line = "  " ($1 ? not_ok : ok)
			width = 7
			for (i = 2; i <= NF; i++) {
				if (width + length($i) > 90) {
					print line
					line = "       "
					width = 7
				}
				line = line " " $i
				width += 1 + length($i)
			}
			print line
		}
		END { exit wrong > 0 }' "$1"
}

# show_end WRONG
show_end() {
	if [ "$1" = 0 ]; then
		printf '\n%sEverything is as promised.%s ' "$green$bold" "$plain"
	else
		printf '\n%sNot everything is as promised.%s ' "$red$bold" "$plain"
	fi
}

# show_status STATUS DIR: of scripts/vm/run, with what it left in DIR.
show_status() {
	case $1 in
	0 | 1) ;;
	126) printf '\n%sThe demo went well, but the kernel complained; see above.%s\n' \
		"$red" "$plain" ;;
	*) printf '\ndemo: the virtual machine failed (status %d); see %s/.vm/console\n' \
		"$1" "$2" >&2 ;;
	esac
}
