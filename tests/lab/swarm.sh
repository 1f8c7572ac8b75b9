# shellcheck shell=bash
# A swarm of several managers, load on it, and what can be done to it: for test_consensus.sh and soak.
# Sourced after lib.sh. Each manager has a host, and a disk of its own that loses at a power cut what
# was not synced. SYSTEM=etcd runs the same against etcd (etcd.sh): is it the lab, or is it us?
SWARM_SIZE=0            # hosts 1 to SWARM_SIZE are managers
SWARM_RATE=${SWARM_RATE:-600}   # operations per second on the KV
SWARM_KEEP=${SWARM_KEEP:-}      # a folder for histories that are wrong
swarm_loads=()          # pids
SWARM_ALONE=            # the one manager that fault_force left
swarm_prefix=0          # of keys: those of an earlier load are not in the history
KV_ENDPOINTS=() SERVICE_ENDPOINTS=()
KV_LOAD=("$KVLOAD")

# swarm_begin HOSTS MANAGERS: hosts, and a swarm on the first ones of them.
swarm_begin() {
	export LAB_DISK_MB=${LAB_DISK_MB:-160}
	lab_begin "$1"
	trap swarm_leave EXIT
	kvload_make || exit 1
	swarm_new "$2" || exit 1
}

# swarm_new MANAGERS: on hosts that are clean.
swarm_new() {
	local i
	for i in $("$LAB" hosts); do endpoint "$i"; done
	check "init" node_first 1 || return 1
	SWARM_SIZE=1
	for i in $(seq 2 "$1"); do swarm_grow || return 1; done
}

swarm_leave() {
	local p
	for p in ${swarm_loads[@]+"${swarm_loads[@]}"}; do kill "$p" 2>/dev/null; done
	wait
	lab_leave
}

# swarm_grow: one more manager, which votes.
swarm_grow() {
	check "host $((SWARM_SIZE + 1)) joins" node_join $((SWARM_SIZE + 1)) || return 1
	SWARM_SIZE=$((SWARM_SIZE + 1))
	check "there are $SWARM_SIZE managers" eventually 10 whole
}

# endpoint I: host I's API, for the clients: a link that follows the host through power cuts.
endpoint() {
	ln -sfn "/proc/$("$LAB" pid "$1")/root/run/swarmbox" "$LAB_TMP/api$1"
	KV_ENDPOINTS[$1]=$LAB_TMP/api$1/docker.sock
	SERVICE_ENDPOINTS[$1]=$LAB_TMP/api$1/docker.sock
}

# ---- managers ----

node_first() { sb "$1" init --advertise-addr "$("$LAB" ip "$1"):2377"; }
node_join() {
	sb "$1" join --advertise-addr "$("$LAB" ip "$1"):2377" \
		--token "$(sb 1 swarm join-token -q manager)" "$("$LAB" ip 1):2377"
}
node_start() {
	CLOCK_STEP=$LAB_TMP/clock$1 x "$1" "${NODE_COMMAND[@]}" manager --foreground=false
}
NODE_COMMAND=("$SWARMBOX")
node_kill() { sb_kill "$1"; }
node_term() { sb_kill "$1" TERM; }
# node_signal I SIGNAL: to its daemon, without waiting for anything.
node_signal() {
	x "$1" sh -c 'for p in /proc/[0-9]*; do
			case $(readlink $p/exe) in */swarmbox*) ;; *) continue ;; esac
			tr "\0" " " <$p/cmdline | grep -q " lb " || kill -'"$2"' ${p#/proc/}
		done; true'
}
RAFT_FOLDER=/var/lib/swarmbox/raft

# One line a manager: host's name, then leader or reachable, or something else.
managers() {
	local i list
	for i in ${SWARM_ALONE:-$(seq "$SWARM_SIZE")}; do
		list=$(timeout 2 "$LAB" x "$i" "$SWARMBOX" node ls --format json 2>/dev/null) || continue
		sed -n 's/.*"Hostname":"\([^"]*\)".*"ManagerStatus":"\([^"]*\)".*/\1 \L\2/p' <<<"$list"
		return
	done
	return 1
}

# All managers are there, and one of them leads.
whole() {
	local list
	list=$(managers) || return 1
	[ "$(grep -cE ' (leader|reachable)$' <<<"$list")" = "$SWARM_SIZE" ] &&
		[ "$(grep -c ' leader$' <<<"$list")" = 1 ] && return
	echo "$list"
	return 1
}

# The leader's host.
leader() {
	local n found
	for n in $(seq 100); do
		found=$(managers | sed -n 's/^h\([0-9]*\) leader$/\1/p')
		[ -z "$found" ] || { echo "$found"; return; }
		sleep 0.05
	done
	return 1
}

# The hosts that do not lead, all of them or the first N.
followers() {
	local lead
	lead=$(leader) || return 1
	seq "$SWARM_SIZE" | grep -vx "$lead" | head -n "${1:-99}"
}

# ---- load ----

# under_load NAME GAP_MS CMD...: CMD while clients write and read at every manager. Then: the longest
# time without an acknowledged write, all keys read once more, both histories checked. A swarm that
# is not whole again ends the test: what comes after would only wait.
under_load() {
	local name=$1 limit=$2 failed=$lab_failed broken='' gap
	shift 2
	load_begin
	sleep 0.4
	check "$name" "$@"
	check "  and all $SWARM_SIZE managers are there" eventually 20 whole || broken=yes
	sleep 0.4
	load_end
	gap=$(load_count kv gap_ms)
	check "  no longer than $limit ms without a write ($gap ms)" [ "${gap%.*}" -le "$limit" ]
	check "  nothing is lost, reads are true ($(load_count kv writes) writes)" load_true
	[ "$lab_failed" = "$failed" ] || node_logs
	[ -z "$broken" ] || lab_end
}

# What the managers say, after a failure.
node_logs() {
	local i
	for i in $(seq "$SWARM_SIZE"); do
		echo "      -- host $i"
		x "$i" tail -n 12 /run/swarmbox/swarmbox.log | sed 's/^/      /'
	done
}

load_begin() {
	swarm_prefix=$((swarm_prefix + 1))
	"${KV_LOAD[@]}" --clients 9 --keys 6 --rate "$SWARM_RATE" --timeout-ms 2000 \
		--prefix "k$swarm_prefix" --history "$LAB_TMP/kv.history" --dialect "${KV_DIALECT:-kv}" \
		"${KV_ENDPOINTS[@]:0:SWARM_SIZE}" >"$LAB_TMP/kv.counts" 2>&1 &
	swarm_loads=($!)
	[ ${#SERVICE_ENDPOINTS[@]} -gt 0 ] || return 0
	"$KVLOAD" --clients 3 --keys 2 --rate 60 --turn-ms 4000 --timeout-ms 2000 \
		--prefix "s$swarm_prefix" --history "$LAB_TMP/service.history" --dialect service \
		"${SERVICE_ENDPOINTS[@]:0:SWARM_SIZE}" >"$LAB_TMP/service.counts" 2>&1 &
	swarm_loads+=($!)
}

load_end() {
	local p
	for p in "${swarm_loads[@]}"; do kill -TERM "$p"; done
	load_failed=
	for p in "${swarm_loads[@]}"; do wait "$p" || load_failed=yes; done
	swarm_loads=()
}

load_count() { awk -v name="$2" '$1 == name {print $2}' "$LAB_TMP/$1.counts"; }

load_true() {
	local kind bad=$load_failed
	cat "$LAB_TMP"/*.counts
	for kind in kv ${SERVICE_ENDPOINTS[0]+service} ${SERVICE_ENDPOINTS[1]+service}; do
		[ "$(load_count "$kind" writes)" -gt 0 ] || { echo "$kind: no writes"; bad=yes; }
		python3 "$LAB_TREE/tests/lab/lincheck.py" "$LAB_TMP/$kind.history" && continue
		bad=yes
		[ -z "$SWARM_KEEP" ] || cp "$LAB_TMP/$kind.history" "$SWARM_KEEP/$kind.$$.$RANDOM"
	done
	[ -z "$bad" ]
}

# ---- what can happen ----

fault_kill() { node_kill "$1" && sleep "${2:-1}" && node_start "$1"; }
fault_term() { node_term "$1" && sleep 0.5 && node_start "$1"; }

# fault_stop I SECONDS: its process stands still.
fault_stop() {
	node_signal "$1" STOP
	sleep "$2"
	node_signal "$1" CONT
}

# fault_power I...: these lose their power at once. A node waits for a majority before it is ready,
# so they are started at once.
fault_power() {
	local i starts=()
	for i in "$@"; do "$LAB" crash "$i" || return 1; done
	sleep 0.5
	for i in "$@"; do "$LAB" boot "$i" && endpoint "$i" || return 1; done
	for i in "$@"; do
		node_start "$i" &
		starts+=($!)
	done
	for i in "${starts[@]}"; do wait "$i" || return 1; done
}

# fault_cut SECONDS I...: these are cut off from all, also from each other.
fault_cut() {
	local i seconds=$1
	shift
	for i in "$@"; do "$LAB" cut "$i"; done
	sleep "$seconds"
	for i in "$@"; do "$LAB" heal "$i"; done
}

# deaf FROM TO: TO no longer hears FROM. A host whose power is off at this moment hears nobody, and
# has no rules when it is on again.
deaf() { is_off "$2" || x "$2" iptables -w -A INPUT -s "$("$LAB" ip "$1")" -j DROP || is_off "$2"; }
hearing() {
	local i bad=
	for i in $(seq "$SWARM_SIZE"); do
		is_off "$i" || x "$i" iptables -w -F INPUT || is_off "$i" || bad=yes
	done
	[ -z "$bad" ]
}
is_off() { ! "$LAB" pid "$1" >/dev/null; }

# fault_split SECONDS I...: these on one side, the others on the other.
fault_split() {
	local i k seconds=$1
	shift
	for i in "$@"; do
		for k in $(seq "$SWARM_SIZE" | grep -vxF "$(printf '%s\n' "$@")"); do
			deaf "$i" "$k" && deaf "$k" "$i" || return 1
		done
	done
	sleep "$seconds"
	hearing
}

# fault_one_way SECONDS I in|out: I hears nobody, or nobody hears I.
fault_one_way() {
	local k
	for k in $(seq "$SWARM_SIZE" | grep -vx "$2"); do
		if [ "$3" = in ]; then deaf "$k" "$2"; else deaf "$2" "$k"; fi || return 1
	done
	sleep "$1"
	hearing
}

# fault_loss SECONDS CHANCE: so many of all packets between managers are lost.
fault_loss() {
	local i
	for i in $(seq "$SWARM_SIZE"); do
		x "$i" iptables -w -A INPUT -i eth0 -m statistic --mode random --probability "$2" \
			-j DROP || is_off "$i" || return 1
	done
	sleep "$1"
	hearing
}

# fault_full I SECONDS: its disk is full.
fault_full() {
	x "$1" sh -c 'cat /dev/zero >/var/lib/swarmbox/fill 2>/dev/null; sync /var/lib/swarmbox'
	sleep "$2"
	# Synced, or a power cut soon after would bring it back.
	x "$1" sh -c 'rm /var/lib/swarmbox/fill; sync /var/lib/swarmbox'
}

# fault_slow I SECONDS RATE: its disk does RATE writes a second.
fault_slow() {
	"$LAB" slow "$1" "$3" || return 1
	sleep "$2"
	"$LAB" slow "$1" 0
}

# fault_rolling: each is stopped and started again, as for an upgrade.
fault_rolling() {
	local i
	for i in $(seq "$SWARM_SIZE"); do
		node_term "$i" && node_start "$i" && eventually 10 whole || return 1
	done
}

# clocks_own: from its next start on each node is the sanitized build, whose wall clock can be set.
# 1: there is none.
clocks_own() {
	local i binary=${SWARMBOX_ASAN:-${BUILD:-$LAB_TREE/build}/asan/swarmbox}
	[ -x "$binary" ] || return 1
	gcc -O1 -shared -fPIC -D_GNU_SOURCE -o "$LAB_TMP/clock.so" \
		"$LAB_TREE/tests/lab/preload/clock.c" || return 1
	for i in $("$LAB" hosts); do clock_set "$i" 0; done
	# The checker of leaks can run neither in what is killed nor beside a preloaded library.
	NODE_COMMAND=(env LD_PRELOAD="$LAB_TMP/clock.so"
		ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 "$(readlink -f "$binary")")
}

# clock_set I SECONDS: host I's clock is so far off.
clock_set() {
	python3 -c 'import struct, sys
with open(sys.argv[1], "ab") as file:
    pass
with open(sys.argv[1], "r+b") as file:
    file.write(struct.pack("q", int(sys.argv[2])))' "$LAB_TMP/clock$1" "$2"
}

# fault_clock I: its clock is set forth, far back, and right again.
fault_clock() {
	local step
	for step in 3600 -86400 7 0; do
		clock_set "$1" $step && sleep 0.7 || return 1
	done
}

# fault_flip I: one bit of what its log holds is another one.
fault_flip() {
	node_kill "$1" &&
	x "$1" python3 "$LAB_TREE/tests/lab/flip.py" "$RAFT_FOLDER" && node_start "$1"
}

# fault_lost I: its log is gone.
fault_lost() {
	node_kill "$1" && x "$1" rm -rf "$RAFT_FOLDER" && node_start "$1"
}

# fault_force I: all are gone for good but I, which is made a swarm of its own. What the leader has
# acknowledged it also has.
fault_force() {
	local i
	# It last: while it lives no other leads.
	for i in $(seq "$SWARM_SIZE" | grep -vx "$1") "$1"; do node_kill "$i" || return 1; done
	SWARM_SIZE=1 SWARM_ALONE=$1
	# As one that was killed and is not quite gone.
	x "$1" flock /var/lib/swarmbox/lock sleep 0.3 &
	sleep 0.1
	sb "$1" init --force-new-cluster
}

[ "${SYSTEM:-swarmbox}" = swarmbox ] || . "$(dirname "${BASH_SOURCE[0]}")/$SYSTEM.sh"
