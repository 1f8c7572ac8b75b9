# shellcheck shell=bash
# What every lab test (tests/lab/test_*.sh) sources. A test is a bash script:
#
#	. "$(dirname "$0")/lib.sh"
#	lab_begin 1                              # hosts, and dockerd arguments if wanted
#	check "a swarm of one" sb 1 init
#	check "two run" eventually 5 is 2 running 1
#	lab_end
#
# Run it by itself or by tests/lab/run. Environment: SWARMBOX, the binary (build/swarmbox);
# LAB_NAME, to keep labs of several people apart; LAB_SHARED, set by run: the name of a lab of one
# host that is up already.
set -u
LAB_TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB=$LAB_TREE/tools/lab
SWARMBOX=$(readlink -f "${SWARMBOX:-$LAB_TREE/build/swarmbox}")
KVLOAD=${KVLOAD:-${BUILD:-$LAB_TREE/build}/kvload}
LAB_TMP=                # a folder of the test's own, gone at the end
lab_own=                # the name of the lab that this test brought up
lab_passed=0 lab_failed=0 lab_skipped=0 lab_done=

# lab_begin N [DOCKERD ARG...]: N clean hosts with the image lab/box. One host without arguments is
# the shared one, if there is one; 0 are none.
lab_begin() {
	local n=$1
	shift
	trap lab_leave EXIT
	trap 'exit 1' INT TERM
	LAB_TMP=$(mktemp -d)
	[ "$n" != 0 ] || return 0
	if [ "$n" = 1 ] && [ $# = 0 ] && [ -n "${LAB_SHARED:-}" ]; then
		export LAB_NAME=$LAB_SHARED
		host_clean 1 && return
		exit 1
	fi
	export LAB_NAME=${LAB_SHARED:-${LAB_NAME:-labtest}}-own
	lab_own=$LAB_NAME
	"$LAB" down                     # what a killed test may have left
	"$LAB" up "$n" "$@" && "$LAB" image || exit 1
}

# host_clean I: host I as new: no process, container, image but lab/box, network, file or
# daemon.json of before. It is a power cycle with an empty disk, so nothing can be forgotten.
host_clean() {
	local dir
	dir=$("$LAB" dir "$1")
	"$LAB" crash "$1"
	rm -rf --one-file-system "${dir:?}"
	"$LAB" boot "$1" && "$LAB" image
}

lab_leave() {
	[ -z "$lab_own" ] || "$LAB" down
	rm -rf "${LAB_TMP:?}"
	[ -n "$lab_done" ] || echo "${0##*/} ended early" >&2
}

# lab_end: the summary, always a test's last line. Exit 1 if a check failed.
lab_end() {
	lab_done=yes
	echo "$lab_passed passed, $lab_failed failed, $lab_skipped skipped"
	[ $lab_failed = 0 ]
	exit
}

# check NAME CMD...: passes if CMD succeeds; else shows what it printed.
check() {
	local name=$1 from=${EPOCHREALTIME/[.,]/} ms
	shift
	if "$@" >"$LAB_TMP/out" 2>&1 </dev/null; then
		ms=$(((${EPOCHREALTIME/[.,]/} - from) / 1000))
		lab_passed=$((lab_passed + 1))
		echo "ok    $name ($ms ms)"
		return 0
	fi
	lab_failed=$((lab_failed + 1))
	echo "FAIL  $name: $*"
	sed 's/^/      /' "$LAB_TMP/out"
	return 1
}

# skip NAME WHY: a check that cannot be made here.
skip() {
	lab_skipped=$((lab_skipped + 1))
	echo "SKIP  $1: $2"
}

# eventually SECONDS CMD...: until CMD succeeds, asked every 50 ms; prints the last answer.
eventually() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@" >"$LAB_TMP/last" 2>&1; do
		if [ "${EPOCHREALTIME/[.,]/}" -gt $end ]; then
			cat "$LAB_TMP/last"
			return 1
		fi
		sleep 0.05
	done
}

# always SECONDS CMD...: CMD succeeds every time it is asked for so long.
always() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	while [ "${EPOCHREALTIME/[.,]/}" -lt $end ]; do
		"$@" || return 1
		sleep 0.05
	done
}

# not CMD...: CMD fails.
not() { ! "$@"; }

# is TEXT CMD...: CMD succeeds and prints exactly TEXT (newlines at the end aside).
is() {
	local want=$1 got
	shift
	got=$("$@" 2>&1) && [ "$got" = "$want" ] && return
	printf 'wanted: %s\ngot:    %s\n' "$want" "$got"
	return 1
}

# has REGEX CMD...: CMD prints a line that matches, whether it succeeds or not.
has() {
	local want=$1 got
	shift
	got=$("$@" 2>&1)
	grep -qE -- "$want" <<<"$got" && return
	printf 'wanted: %s\ngot:    %s\n' "$want" "$got"
	return 1
}

# fails REGEX CMD...: CMD fails and says why in one line that matches.
fails() {
	local want=$1 got
	shift
	if got=$("$@" 2>&1); then
		echo "wanted: a failure; got: $got"
		return 1
	fi
	[ "$(wc -l <<<"$got")" = 1 ] && grep -qE -- "$want" <<<"$got" && return
	printf 'wanted, in one line: %s\ngot: %s\n' "$want" "$got"
	return 1
}

# kvload_make: the clients' program is there.
kvload_make() {
	[ -x "$KVLOAD" ] || make -s -C "$LAB_TREE" BUILD="$(dirname "$KVLOAD")" "$KVLOAD" >&2
}

# In host I: a command, the engine's CLI, swarmbox, docker's CLI against swarmbox.
x() { "$LAB" x "$@"; }
d() { "$LAB" d "$@"; }
api() { "$LAB" api "$@"; }
sb() {
	local i=$1
	shift
	"$LAB" x "$i" "$SWARMBOX" "$@"
}

# A swarm's nodes: where host I is reached; I's word for the token of a role; I joins; I runs again.
address() { echo "$("$LAB" ip "$1"):2377"; }
token() { sb "$1" swarm join-token -q "${@:2}"; }
join() { sb "$1" join --advertise-addr "$(address "$1")" "${@:2}"; }
start() { sb "$1" manager --foreground=false; }

# sb_kill I [SIGNAL]: each swarmbox process of host I gets SIGNAL (KILL); returns when all are gone.
sb_kill() {
	x "$1" sh -c 'pids() {
			for p in /proc/[0-9]*; do
				case $(readlink $p/exe) in */swarmbox*) echo ${p#/proc/} ;; esac
			done
		}
		p=$(pids)
		[ -z "$p" ] || kill -'"${2:-KILL}"' $p
		for n in $(seq 500); do [ -n "$(pids)" ] || exit 0; sleep 0.02; done
		echo "swarmbox does not stop"; exit 1'
}

# running I [FILTER...]: the number of host I's running containers.
running() {
	local i=$1
	shift
	d "$i" ps -q "$@" | wc -l
}
