# shellcheck shell=bash
# Shared by scripts/setup and scripts/vm/*: where things are kept, what the lanes
# are called, messages, locks.  To be sourced; it runs nothing by itself.

# Everything that is downloaded or built for the guests is kept here, outside of
# the tree.  It may be removed at any time; it is then made again.
cs_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/crowdshare

# The kernels that commands can be run on.
cs_lanes=(6.1 6.12 uml-debug uml-fast kasan kcsan)

cs_note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

cs_die() {
	cs_note "$*"
	exit 125
}

# cs_lane_kind LANE: "qemu" or "uml"; ends the script when there is no such lane.
cs_lane_kind() {
	case $1 in
	6.1 | 6.12 | kasan | kcsan) echo qemu ;;
	uml-debug | uml-fast) echo uml ;;
	*) cs_die "no lane '$1'; the lanes are: ${cs_lanes[*]}" ;;
	esac
}

# cs_package_version PACKAGE: its version if it is installed, else nothing.
cs_package_version() {
	# shellcheck disable=SC2016 # dpkg-query expands these, not the shell
	dpkg-query -W -f '${db:Status-Abbrev}${Version}\n' "$1" 2>/dev/null |
		sed -n 's/^ii *//p'
}

# cs_headers_release: the release (uname -r) of the newest Debian 6.1 kernel whose
# headers are installed, for instance 6.1.0-37-amd64.
cs_headers_release() {
	printf '%s\n' /usr/src/linux-headers-6.1.0-* |
		sed -nE 's|^.*/linux-headers-([0-9.]+-[0-9]+-amd64)$|\1|p' | sort -V | tail -n 1
}

# cs_image SERIES: the directory that a Debian kernel is unpacked in, with
# boot/vmlinuz-RELEASE and lib/modules/RELEASE; its name is RELEASE_VERSION.  These
# packages are not installed, so that what this machine itself would boot is left
# alone.  For 6.1 it is the image that belongs to the installed headers, and may not
# be there yet; for 6.12 the newest that is there, with its headers; else nothing.
cs_image() {
	local release
	case $1 in
	6.1)
		release=$(cs_headers_release)
		printf '%s/image/%s_%s' "$cs_cache" "$release" \
			"$(cs_package_version "linux-headers-$release")"
		;;
	*)
		printf '%s\n' "$cs_cache/image/$1".*_* | grep -vF '*' | sort -V | tail -n 1
		;;
	esac
}

# cs_locked NAME COMMAND...: runs COMMAND while nobody else runs one of that NAME.
cs_locked() {
	local lock=$cs_cache/$1.lock
	shift
	mkdir -p "$cs_cache"
	(
		flock 9 || cs_die "cannot lock $lock"
		"$@" 9>&-
	) 9>"$lock"
}
