#!/bin/bash
# The checker of histories: right by brute force, and against a server that makes mistakes (kvfake.py)
# it and the clients (kvload) notice each kind. A check that cannot fail is worth nothing.
. "$(dirname "$0")/lib.sh"
lab_begin 0
here=$(dirname "$0")
kvload_make || exit 1

# fake FAULT: 1 s of load on a server with FAULT; 0 if all is well.
fake() {
	local pid n result=1
	python3 "$here/kvfake.py" "$1" "$LAB_TMP/a" "$LAB_TMP/b" &
	pid=$!
	for n in $(seq 100); do
		[ -S "$LAB_TMP/b" ] && break
		sleep 0.05
	done
	"$KVLOAD" --seconds 1 --clients 6 --keys 4 --turn-ms 250 --settle 5 \
		--history "$LAB_TMP/history" "$LAB_TMP/a" "$LAB_TMP/b" >"$LAB_TMP/counts" &&
		python3 "$here/lincheck.py" "$LAB_TMP/history" && result=0
	kill $pid
	wait $pid 2>/dev/null
	rm -f "$LAB_TMP/a" "$LAB_TMP/b"
	return $result
}
count() { awk -v name="$1" '$1 == name {print $2}' "$LAB_TMP/counts"; }

check "lincheck agrees with brute force" python3 "$here/lincheck_test.py" 5000 $RANDOM
check "a server without a fault passes" fake none
check "after some hundred writes" [ "$(count writes)" -ge 300 ]
for fault in lost stale blind early undead twice; do
	check "fault found: $fault" has 'NOT LINEARIZABLE' fake $fault
done
check "fault found: torn" not fake torn
check "values that are cut are counted" [ "$(count torn)" -ge 1 ]
check "no endpoint: what cannot be read is counted" not "$KVLOAD" --seconds 1 --settle 1 "$LAB_TMP/no"
lab_end
