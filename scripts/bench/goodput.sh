#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One file over three hops that lose frames: crowdshare put to crowdshare get, with daemons on the
# module, beside uftp and scp over IP on the same links. Run by scripts/bench/run in a guest.
#
#	a ======= b ======= c ======= d		each: 20 Mbit/s and 5 ms in each direction
#
# Frames are lost on the way, in a namespace that each link passes, not in the sender's queue: so a
# lost frame has taken its time on the link, and is in the sender's counters.
#
# Further environment: CS_BENCH_SERVERS where sshd and uftp are unpacked; CS_GOODPUT_LIMIT seconds
# that a run may take; CS_GOODPUT_LOSSES per cent, of 0, 5 and 20.

set -u
top=$(realpath "$(dirname "$0")/../..")
# so that a run takes a while, and crowdshare's comes to an end
sizes=([0]=24000000 [5]=8000000 [20]=1000000)
limit=${CS_GOODPUT_LIMIT:-300}
rounds=${CS_BENCH_ROUNDS:-7}
[ "$rounds" -le 3 ] || rounds=3 # what times out takes long
read -ra losses <<<"${CS_GOODPUT_LOSSES:-0 5 20}"
rate=18 # Mbit/s that the sender sends, where it can be told
raw=$CS_OUT/raw
export CS_MODULE=$CS_BENCH_BUILD/bench/$CS_LANE/crowdshare.ko
export CS_BIN=$CS_BENCH_BUILD/userspace:$CS_BENCH_BUILD/selftests
# shellcheck source-path=SCRIPTDIR source=../../selftests/system/people.sh
. "$top/selftests/system/people.sh" >/dev/null

pairs=('a b' 'b c' 'c d')

# figure ROUND NAME VALUE
figure() { printf '%s %s %s\n' "$1" "$2" "$3" | tee -a "$raw"; }

# --- Links ---

# link_over_air A B: as a wire between them, by way of the namespace "air", without the help of
# devices, which would send and lose many packets as one.
link_over_air() {
	local end
	wires "$1 $1-$2 air $1-$2 1500" "air $2-$1 $2 $2-$1 1500"
	for end in "$1-$2 $2-$1" "$2-$1 $1-$2"; do
		set -- $end
		tc -n air qdisc add dev "$1" ingress
		tc -n air filter add dev "$1" ingress matchall \
			action mirred egress redirect dev "$2" || die "no mirred"
		ip netns exec "${1%-*}" ethtool -K "$1" tso off gso off gro off tx off >/dev/null
		tc -n "${1%-*}" qdisc add dev "$1" root netem rate 20mbit delay 5ms limit 400 ||
			die "no netem"
	done
}

# lose PERCENT: of the frames of each link and direction.
lose() {
	local dev
	for dev in a-b b-a b-c c-b c-d d-c; do
		tc -n air qdisc replace dev $dev root netem loss "$1%" limit 1000 || die "no netem"
	done
}

# addresses: IPv4, and routes from a to d and back.
addresses() {
	local n=0 pair a b
	for pair in "${pairs[@]}"; do
		read -r a b <<<"$pair"
		n=$((n + 1))
		ip -n "$a" address add 10.0.$n.1/24 dev "$a-$b"
		ip -n "$b" address add 10.0.$n.2/24 dev "$b-$a"
	done
	ip -n a route add default via 10.0.1.2
	ip -n b route add 10.0.3.0/24 via 10.0.2.2
	ip -n c route add 10.0.1.0/24 via 10.0.2.1
	ip -n d route add default via 10.0.3.1
	for n in b c; do
		ip netns exec $n sysctl -qw net.ipv4.ip_forward=1
	done
	ip netns exec a ping -qc 1 10.0.3.2 >/dev/null || die "d is not reached"
}

# sent: bytes that have been sent on each of the three links, both directions together.
sent() {
	local pair a b
	for pair in "${pairs[@]}"; do
		read -r a b <<<"$pair"
		echo $(($(ip netns exec "$a" cat "/sys/class/net/$a-$b/statistics/tx_bytes") +
			$(ip netns exec "$b" cat "/sys/class/net/$b-$a/statistics/tx_bytes")))
	done
}

# quiet: have the links had next to nothing for a second?
quiet() {
	local before
	before=$(sent | paste -sd + | bc)
	sleep 1
	[ $(($(sent | paste -sd + | bc) - before)) -lt 20000 ]
}

# --- Those that are compared: a function each, that ends when all of the file is at d ---

crowdshare_begin() {
	local each
	lose 0
	for each in a b c d; do
		rm -rf "$work/$each/store"
	done
	start a b c d
	all_up a 1 b 2 c 2 d 1 >/dev/null || die "no sessions"
}

# by_crowdshare REDUNDANCY
by_crowdshare() {
	user a put "$work/home-a/file" --to "$work/d.card" --redundancy "$1%" --rate $rate \
		>"$work/by_crowdshare.log" 2>&1 &
	user d get --wait --out "$work/in" >>"$work/by_crowdshare.log" 2>&1
}

crowdshare_end() {
	local each
	wait_for 60 quiet
	for each in a b c d; do
		stop $each
	done
}

by_uftp() {
	ip netns exec a "$CS_BENCH_SERVERS/usr/bin/uftp" -R $((rate * 1000)) -t 8 -M 10.0.3.2 \
		"$work/home-a/file" >"$work/by_uftp.log" 2>&1
}

by_scp() {
	ip netns exec a scp -q -P 2222 -i "$work/ssh/user" -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout="$limit" \
		"$work/home-a/file" "root@10.0.3.2:$work/in/file" </dev/null \
		>"$work/by_scp.log" 2>&1
}

servers() {
	mkdir -p "$work/ssh" /run/sshd
	# only in this guest
	getent passwd sshd >/dev/null ||
		echo 'sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin' >>/etc/passwd
	ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host"
	ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/user"
	cat >"$work/ssh/conf" <<-CONF
		Port 2222
		HostKey $work/ssh/host
		AuthorizedKeysFile $work/ssh/user.pub
		PermitRootLogin yes
		StrictModes no
		UsePAM no
		LoginGraceTime 0
		Subsystem sftp internal-sftp
	CONF
	in_background ip netns exec d "$CS_BENCH_SERVERS/usr/sbin/sshd" -D -f "$work/ssh/conf"
	in_background ip netns exec d "$CS_BENCH_SERVERS/usr/bin/uftpd" -d -q -D "$work/in" \
		2>"$work/uftpd.log"
}

# --- Runs ---

# whole: is all of it there? uftp tells the sender before it closes the file.
whole() { cmp -s "$work/home-a/file" "$work/in/file"; }

# limited COMMAND...: fails with 124 when it takes too long; then all that it began is ended.
limited() {
	local pid end=$((SECONDS + limit))
	set -m # a process group of its own
	"$@" &
	pid=$!
	set +m
	while kill -0 $pid 2>/dev/null; do
		[ $SECONDS -lt $end ] || {
			kill -- -$pid
			return 124
		}
		sleep 0.05
	done
	wait $pid
}

# run ROUND NAME COMMAND...: notes Mbit/s and, for each link, bytes for a byte of the file; or what
# went wrong.
run() {
	local round=$1 name=$2 start took status=0 before after link
	shift 2
	rm -f "$work/in"/*
	mapfile -t before < <(sent)
	start=$EPOCHREALTIME
	limited "$@" || status=$?
	took=$(bc -l <<<"$EPOCHREALTIME - $start")
	wait_for 5 whole || [ $status != 0 ] || status=1
	if [ $status != 0 ]; then
		tail -n 5 "$work/$1.log" 2>/dev/null
		[ $status = 124 ] && status="timeout:$limit" || status=failed
		figure "$round" "goodput_$name" "$status"
		for link in 1 2 3; do
			figure "$round" "wire${link}_$name" "$status"
		done
		return
	fi
	figure "$round" "goodput_$name" "$(bc -l <<<"$bytes * 8 / 1000000 / $took")"
	wait_for 60 quiet
	mapfile -t after < <(sent)
	for link in 1 2 3; do
		figure "$round" "wire${link}_$name" \
			"$(bc -l <<<"(${after[link - 1]} - ${before[link - 1]}) / $bytes")"
	done
}

measure_all() {
	local round=$1 loss redundancy
	for loss in "${losses[@]}"; do
		bytes=${sizes[loss]}
		head -c "$bytes" /dev/urandom >"$work/home-a/file"
		for redundancy in 0 25; do
			crowdshare_begin
			lose "$loss"
			run "$round" "cs${redundancy}_$loss" by_crowdshare $redundancy
			crowdshare_end
		done
		run "$round" "uftp_$loss" by_uftp
		run "$round" "scp_$loss" by_scp
	done
}

modprobe -qa veth sch_netem sch_ingress cls_matchall act_mirred || :
: >"$raw"
load_module
bare a b c d
namespaces air
for pair in "${pairs[@]}"; do
	# shellcheck disable=SC2086 # two nodes
	link_over_air $pair
done
addresses
# shellcheck disable=SC2034 # conf uses them
timeout=60 quota=1GiB seen=500000
for each in a b c d; do
	conf $each
	sed -i 's/log = "debug"/log = "warning"/' "$work/$each/conf"
done
mkdir -p "$work/home-a" "$work/home-d" "$work/in"
start d
user d id new >/dev/null && user d id export >"$work/d.card" || die "no card"
stop d
servers
for ((round = 1; round <= rounds; round++)); do
	measure_all $round
done
