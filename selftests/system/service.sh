#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What an operator does: "make install" on two routers that systemd has booted, then the ten lines
# of README.md, typed as they stand there. The routers are containers with a network namespace each.
#
#	alice eth1 ------- eth1 bob

. "$(dirname "$0")/lib.sh"

declare -A leader

# overlay LOWER WHERE NAME: what is written there stays in memory, in $work/fs/NAME.
overlay() {
	local fs=$work/fs/$3
	mkdir -p "$fs/upper" "$fs/work" "$2"
	mount -t overlay "$3" "$2" -o "lowerdir=$1,upperdir=$fs/upper,workdir=$fs/work"
}

# The kernel's modules, with ours: what "make install" would do for the running kernel.
install_module() {
	local modules
	modules=/lib/modules/$(uname -r)
	overlay "$modules" "$modules" modules &&
		install -D "${CS_MODULE:-$top/build/$CS_LANE/crowdshare.ko}" \
			"$modules/updates/crowdshare.ko" && depmod -a
}

# in_cgroup NAME COMMAND...: instead of this shell.
in_cgroup() {
	echo "$BASHPID" >"/sys/fs/cgroup/$1/cgroup.procs" || die "$1: no cgroup"
	shift
	exec "$@"
}

# router NAME: its file system is this guest's, with what was installed and what it writes itself.
router() {
	local root=$work/$1
	overlay / "$root/root" "$1" || die "$1: no overlay"
	make -s -C "$top/userspace" O="$top/build/userspace" DESTDIR="$root/root" PREFIX=/usr \
		install >"$root/install.log" 2>&1 || die "$1: make install failed"
	rm -rf "$root/root/etc/crowdshare" "$root/root/etc/machine-id"
	# both would make the same cgroups in the one they share, and one of them would fail
	mkdir "/sys/fs/cgroup/$1" || die "$1: no cgroup"
	# two units that a container has no use for
	in_cgroup "$1" systemd-nspawn -q -D "$root/root" --register=no --keep-unit --boot \
		--machine="$1" --network-namespace-path="/run/netns/$1" --console=pipe \
		--bind-ro=/lib/modules --capability=CAP_NET_ADMIN,CAP_NET_RAW --hostname="$1" \
		systemd.unit=multi-user.target systemd.mask=systemd-modules-load.service \
		systemd.mask=networking.service </dev/null >"$root/console" 2>&1 &
	background+=($!)
	leader[$1]=$!
}

# on NAME COMMAND...: as root on that router.
on() {
	local name=$1 pid
	shift
	pid=$(pgrep -P "${leader[$name]}" | head -n 1)
	[ -n "$pid" ] && nsenter -t "$pid" -a -- "$@"
}

booted() { [[ $(on "$1" systemctl is-system-running 2>/dev/null) =~ running|degraded ]]; }
active() { [ "$(on "$1" systemctl is-active crowdshared 2>&1)" = active ]; }
paid() { on alice crowdshare -j ledger balances | jq -e 'any(.[]; .balance != 0)' >/dev/null; }
in_session() { [ "$(on "$1" crowdshare -j peers 2>/dev/null | jq -r '.[].status')" = up ]; }

# as USER COMMAND...: on alice, as a user who is not root.
as() {
	local user=$1
	shift
	on alice setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"
}

# Whom the group lets in, and to what.
people() {
	on alice systemd-sysusers crowdshared.conf
	on alice useradd -M -G crowdshare member && on alice useradd -M stranger
	on alice systemctl restart crowdshared
	check "restarted, with the group" wait_for 30 active alice
	check "who is in the group may look" wait_for 20 as member crowdshare status
	check "but not command" refuses "permission\\|root" as member crowdshare store reconcile
	check "who is not is told what to do" refuses 'be root, or in the group' \
		as stranger crowdshare status
}

# refuses TEXT COMMAND...: it fails, and says so.
refuses() {
	local text=$1
	shift
	! "$@" >"$work/refusal" 2>&1 && grep -q "$text" "$work/refusal"
}

# lines FIRST LAST: those of README's section, without the margin.
lines() {
	awk '/^## / { here = /^## Two routers that bid/ }
		here && sub(/^    /, "")' "$top/README.md" |
		awk -v first="$1" -v last="$2" '$0 ~ first { on = 1 } on; $0 ~ last { exit }'
}

# type_in NAME FIRST LAST: those of these lines that are for this router or for both.
type_in() {
	local others=alice
	[ "$1" = bob ] || others=bob
	lines "$2" "$3" | grep -v "# $others\$" | sed 's/ *# [a-z]*$//' >"$work/$1/typed"
	on "$1" bash <"$work/$1/typed" >"$work/$1/said" 2>&1
}

typed() {
	local name
	for name in alice bob; do
		check "$name: what README says up to the start" type_in $name '^modprobe' \
			'^systemctl' || sed 's/^/# /' "$work/$name/said"
		check "$name: the unit is active" active $name ||
			on $name journalctl -n 20 -u crowdshared | sed 's/^/# /'
	done
	check "a session" wait_for 60 in_session bob
	head -c 100000 /dev/urandom >"$work/photos.tar"
	on bob dd of=photos.tar status=none <"$work/photos.tar"
	check "bob: sends" type_in bob '^csnl send' '^csnl send'
	check "alice: was promised points" wait_for 60 paid
	for name in alice bob; do
		check "$name: the last line" type_in $name '^crowdshare offers' '^crowdshare offers'
		sed 's/^/# /' "$work/$name/said"
		check "$name: it shows an offer, a contract and a balance" \
			test "$(grep -c . "$work/$name/said")" -ge 6
	done
}

# What the unit promises: who it runs as, what it may, and that it comes back.
confined() {
	local pid
	pid=$(on alice systemctl show -P MainPID crowdshared)
	check "it is not root" test "$(on alice stat -c %u "/proc/$pid")" -gt 0
	expect "it has two capabilities" \
		"$(on alice sed -n 's/^CapEff:\t0*//p' "/proc/$pid/status")" 3000
	expect "its state is its own" "$(on alice stat -L -c %a /var/lib/crowdshare)" 700
	check "reload" on alice systemctl reload crowdshared
	on alice kill -KILL "$pid"
	sleep 1
	check "killed: it comes back" wait_for 30 active alice
	check "and has its session again" wait_for 60 in_session alice
	check "alice: her ledger verifies" on alice crowdshare ledger verify
	check "stop" on alice systemctl stop crowdshared
	expect "it ended well" "$(on alice systemctl show -P Result crowdshared)" success
}

mkdir "$work/fs" && mount -t tmpfs fs "$work/fs" || die "no memory for files"
check "the module is installed" install_module
check "modprobe" modprobe crowdshare
bare alice bob
wires 'alice eth1 bob eth1 1500'
for name in alice bob; do
	router $name
done
for name in alice bob; do
	check "$name: booted by systemd" wait_for 240 booted $name ||
		tail -n 20 "$work/$name/console"
done
typed
people
confined
for name in alice bob; do
	on $name systemctl poweroff
	wait "${leader[$name]}"
	umount "$work/$name/root"
done
umount "/lib/modules/$(uname -r)"
umount "$work/fs"
drop_nodes
finish
