#!/bin/bash
# A backup that was made under load brings back all that was acknowledged before it, on another host;
# a file, key or folder that is not right brings nothing.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/swarm.sh"
SERVICE_ENDPOINTS=()

swarm_begin 4 3
SERVICE_ENDPOINTS=()    # the load is on the key-value store alone
FILE=$LAB_TMP/swarm.backup KEY=$LAB_TMP/key DATA=/var/lib/swarmbox

save() { sb "$1" backup --key-file "$KEY" --force "${@:2}" "$FILE"; }
look() { sb 1 backup --check --key-file "$KEY" "${@:2}" "$1"; }
field() { look "$FILE" --format json | sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }
put() { # put N...: keys that are acknowledged when it returns
	local n
	for n in "$@"; do
		x 1 curl -s -f -m 10 -o /dev/null --unix-socket /run/swarmbox/docker.sock -X PUT \
			-d "value $n" "http://d/v1/kv/before/$n" || return 1
	done
}
got() { # got I N: what host I knows of that key
	x "$1" curl -s -f -m 10 --unix-socket /run/swarmbox/docker.sock \
		"http://d/v1/kv/before/$2?raw"
}

check "a service" sb 1 service create --name web --replicas 0 --label it=is lab/box
# The first prints the key, which is kept for the others.
first() { sb 1 backup -q "$FILE" >"$KEY" && chmod 600 "$KEY"; }
check "a backup prints its key" first
check "in the form of keys" has '^SWMKEY-1-.{43}$' cat "$KEY"
check "it is nobody else's to read" is 600 stat -c %a "$FILE"
check "it says nothing" not grep -aq -e "$(cut -c10-30 "$KEY")" -e PRIVATE -e lab/box "$FILE"
check "it is not replaced" fails "is there already" sb 1 backup --key-file "$KEY" "$FILE"
check "what is in it" is 1 field Services
check "how many nodes" is 3 field Nodes
check "for people" has '^SWARM +NODE +INDEX' look "$FILE"
check "nothing is left beside it" not test -e "$FILE.new"
check "standard output" bash -c "'$LAB' x 1 '$SWARMBOX' backup --key-file '$KEY' - >'$FILE.2'"
check "is the same thing" look "$FILE.2"
check "which needs a key file" fails "key-file is needed" sb 1 backup -

# Enough of it for snapshots to come and segments to go meanwhile; each backup is looked into.
load_begin
"$KVLOAD" --clients 4 --keys 64 --size 4000 --write-only --prefix big "${KV_ENDPOINTS[1]}" \
	>/dev/null &
swarm_loads+=($!)
many() { # backups of each, one after the other, for 7 s and until the first snapshot has come
	local i n=0 end=$((SECONDS + 7))
	while [ $SECONDS -lt $end ] || ! x 1 ls $DATA/raft | grep -q '^snapshot-'; do
		for i in 1 2 3; do
			n=$((n + 1))
			put "$n" && save "$i" || return 1
		done
	done
	echo "$n backups"
}
check "backups under load" many
put last
check "the last one, of the leader" save "$(leader)"
index=$(field Index)
load_end
check "the index is told ($index)" [ "${index:-0}" -gt 1000 ]

# What is not right is refused in one line, and leaves the folder as it was.
try() { x 4 "$SWARMBOX" restore --key-file "${2:-$KEY}" "$1"; }
nothing() { x 4 sh -c "! ls -A $DATA 2>/dev/null | grep -vx lost+found"; }
size=$(stat -c %s "$FILE")
for at in 0 9 20 30 70 90 $((size / 3)) $((size - 1)); do
	cp "$FILE" "$FILE.bad"
	check "byte $at is another" python3 "$here/flip.py" "$FILE.bad" "$at"
	check "it is refused" fails "damaged" try "$FILE.bad"
	check "nothing is left" nothing
done
for n in 0 79 80 81 $((size / 2)) $((size - 1)); do
	head -c "$n" "$FILE" >"$FILE.bad"
	check "the first $n bytes alone" fails "damaged|should have" try "$FILE.bad"
done
check "nothing is left of those" nothing
echo >>"$FILE.bad" && cat "$FILE" - <<<"more" >"$FILE.bad"
check "more than there was" fails "should have" try "$FILE.bad"
sed 's/^\(SWMKEY-1-\)\(.\)/\1/; s/$/A/' "$KEY" >"$KEY.bad"
check "another key" fails "not made with this key" try "$FILE" "$KEY.bad"
check "what is no key" fails "SWMKEY-1-" try "$FILE" "$here/flip.py"
check "nothing is left of all that" nothing

# All managers are gone for good, and their disks. The last backup is one without a leader.
last=$(leader)
for i in $(followers) "$last"; do
	[ "$i" != "$last" ] || check "one that is left alone is backed up" save "$last"
	node_kill "$i" && x "$i" sh -c "rm -rf $DATA/* $DATA/.[!.]*"
done
check "it has what the others had, too ($(field Index))" [ "$(field Index)" -ge "$index" ]
restore() { x 4 sh -c "'$SWARMBOX' restore '$FILE' <'$KEY'"; }
check "a host that never was in it takes the backup" has "init --force-new-cluster" restore
check "its files are its own" is "600 600 600 700" \
	x 4 sh -c "cd $DATA && stat -c %a key identity node.json raft | xargs"
check "it is not restored twice" fails "holds a node already" try "$FILE"
check "it does not run as what it was" fails "force-new-cluster" \
	sb 4 manager --foreground=false
check "forced it does" sb 4 init --force-new-cluster --advertise-addr "$("$LAB" ip 4):2377"
check "what was acknowledged last is there" is "value last" got 4 last
n=$(x 4 curl -s --unix-socket /run/swarmbox/docker.sock 'http://d/v1/kv/before/?keys' | grep -o before | wc -l)
missing() { local k; for k in $(seq $((n - 1))); do is "value $k" got 4 "$k" || return 1; done; }
check "and all $n before it" missing
check "the service, too" has '"it": "is"' sb 4 service inspect web
check "it writes" sb 4 service create --name new --replicas 0 lab/box
check "with the swarm's own authority" has '^SWMTKN-1-' sb 4 swarm join-token -q manager
SWARM_SIZE=1 SWARM_ALONE=4
check "a fresh host joins it" sb 1 join --advertise-addr "$("$LAB" ip 1):2377" \
	--token "$(sb 4 swarm join-token -q manager)" "$("$LAB" ip 4):2377"
check "a killed one starts again" node_kill 4
check "  as a plain manager" sb 4 manager --foreground=false
check "a stopped one is backed up" node_kill 1
check "  as well" save 1
check "it starts" sb 1 manager --foreground=false
check "a worker joins" sb 2 join --advertise-addr "$("$LAB" ip 2):2377" \
	--token "$(sb 4 swarm join-token -q worker)" "$("$LAB" ip 4):2377"
check "it has nothing to back up" fails "no manager" save 2
lab_end
