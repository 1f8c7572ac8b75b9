#!/bin/bash
# Attacks on the cluster port and the API: each is refused, is in the log, and changes nothing.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
ATTACK=${BUILD:-$LAB_TREE/build}/attack
LOG=/run/swarmbox/swarmbox.log

token() { sb 1 swarm join-token -q "${@:2}" "$1"; }
name() { sb "$1" info --format json | grep -oP '"NodeID": ?"\K[^"]*' | head -1; }
# attack ARGUMENT...: on host 1, by somebody who is none of the hosts.
attack() { x 0 "$ATTACK" --to "$(address 1)" --ca "$LAB_TMP/root" "$@"; }
# identity I NAME: a copy of host I's data folder, as a thief has it.
identity() { x "$1" sh -c "mkdir '$2' && cp -p /var/lib/swarmbox/* '$2' 2>/dev/null; rm '$2/lock'"; }
get() { x "$1" curl -s -m 5 --unix-socket /run/swarmbox/docker.sock "http://d$2"; }

# What may not change: nodes, managers, tasks, services, networks, but for times and versions.
state() {
	sb 1 node ls --format json | grep -oE '"(ID|Status|Availability|ManagerStatus)":"[^"]*"'
	get 1 /tasks | python3 -c 'import json, sys
for t in sorted(json.load(sys.stdin), key=lambda t: t["ID"]):
    print(t["ID"], t.get("NodeID"), t["DesiredState"], t["Status"]["State"], t["Status"]["Message"])'
	sb 1 service ls -q
	sb 1 network ls -q
	x 1 ls /var/lib/swarmbox
}
state_save() { before=$(state); }
unchanged() { [ "$(state)" = "$before" ] || { diff <(echo "$before") <(state); return 1; }; }

log_lines() { x 1 sh -c "wc -l <$LOG"; }
logged_since() { x 1 sh -c "tail -n +$(($1 + 1)) $LOG" | grep -qE -- "$2"; }
# refused NAME ANSWER LINE ARGUMENT...: the attack gets this, and the log a line like that; "-": none
# is due. Of strangers the log tells once a second.
refused() {
	local name=$1 answer=$2 line=$3 at
	shift 3
	sleep 1.1
	at=$(log_lines)
	check "$name" has "$answer" attack "$@"
	[ "$line" = - ] || check "  and it is in the log" eventually 7 logged_since "$at" "$line"
	check "  and nothing has changed" eventually 10 unchanged
}

[ -x "$ATTACK" ] || make -s -C "$LAB_TREE" BUILD="$(dirname "$ATTACK")" "$ATTACK" >&2 || exit 1
lab_begin 4

check "init" sb 1 init --advertise-addr "$(address 1)"
sb 1 swarm ca >"$LAB_TMP/root"
old=$(token worker)
worker=$(token worker --rotate)
manager=$(token manager)
check "a worker joins" join 2 --token "$worker" "$(address 1)"
check "a manager joins" join 3 --token "$manager" "$(address 1)"
check "certificates live for a minute from now on" sb 1 swarm update --cert-expiry 1m
check "another worker joins" join 4 --token "$worker" "$(address 1)"
short=$SECONDS
check "and drained" sb 1 node update --availability drain "$(name 4)"
check "for a minute, those" sb 1 swarm update --cert-expiry 2160h
n1=$(name 1) n2=$(name 2) n3=$(name 3) n4=$(name 4)
check "all are ready" eventually 10 is 4 sh -c "'$LAB' x 1 '$SWARMBOX' node ls | grep -c Ready"
check "three managers or workers run something" sb 1 service create --name web --replicas 3 lab/box
for i in 2 3 4; do identity $i "$LAB_TMP/id$i"; done
own=$(get 1 /tasks | python3 -c "import json, sys
print(next(t['ID'] for t in json.load(sys.stdin) if t.get('NodeID') == '$n2'))")
other=$(get 1 /tasks | python3 -c "import json, sys
print(next(t['ID'] for t in json.load(sys.stdin) if t.get('NodeID') == '$n1'))")
check "tasks on the worker and on the manager" [ -n "$own" ] && [ -n "$other" ]
state_save

echo "-- certificates"
refused "a stranger is no agent" closed "has no certificate" agent
refused "nor a manager" closed "no manager's certificate" manager
refused "a worker is no manager" closed "no manager's certificate" --as "$LAB_TMP/id2" manager
refused "another authority's certificate in a manager's name" closed \
	"not from this swarm's authority" --foreign "$n1" connect
refused "nor lets it renew one" closed "not from this swarm's authority" --foreign "$n1" enrol

echo "-- enrolment"
refused "no token" "answer 400 .*A valid join token" "A valid join token" enrol
refused "a wrong one" "answer 400 .*A valid join token" "A valid join token" \
	--token "${manager%?????}00000" enrol
refused "an old one" "answer 400 .*A valid join token" "A valid join token" --token "$old" enrol
refused "a request in another's name" "answer 400 .*names a node" "names a node" \
	--token "$worker" enrol "$n1" swarm-manager
refused "a worker's for a manager's role" "answer 400 .*names a node" "names a node" \
	--token "$worker" enrol "" swarm-manager
refused "a renewal in another's name" "answer 400 .*names a node" "names a node" \
	--as "$LAB_TMP/id2" enrol "$n1" swarm-manager
refused "a renewal is its own, and a worker's" "^certificate $n2 swarm-worker$" - \
	--as "$LAB_TMP/id2" enrol
refused "also with a manager's token" "^certificate $n2 swarm-worker$" - \
	--as "$LAB_TMP/id2" --token "$manager" enrol
at=$(log_lines)
attack --token "$worker" replay >"$LAB_TMP/replay"
check "a worker's token makes a worker, whatever it asks for" \
	grep -q "^certificate [0-9a-z]* swarm-worker" "$LAB_TMP/replay"
check "the request it was made with, again" grep -q "answer 403 .*this very request" "$LAB_TMP/replay"
check "  and it is in the log" logged_since "$at" "this very request"
check "  and there is but that one more" is 5 sh -c "'$LAB' x 1 '$SWARMBOX' node ls -q | wc -l"
check "which is removed" sb 1 node rm --force \
	"$(sed -n 's/^certificate \([0-9a-z]*\) .*/\1/p' "$LAB_TMP/replay")"

echo "-- a node's session"
attack --as "$LAB_TMP/id2" agent >"$LAB_TMP/told"
check "a node is told of its own tasks" grep -q "$own" "$LAB_TMP/told"
check "and of no other's" not grep -qE "\"NodeID\":\"($n1|$n3|$n4)\"|$other" "$LAB_TMP/told"
check "and of no secret" not grep -qE 'SWMTKN|SWMKEY|PRIVATE' "$LAB_TMP/told"
check "it finds its way back" eventually 10 unchanged
refused "a report on another's task" "^told P" "not its to say" --as "$LAB_TMP/id2" agent \
	"{\"Statuses\":[{\"TaskID\":\"$other\",\"Status\":{\"State\":\"failed\",\"Message\":\"evil\"}}]}"
refused "a report that fits nowhere" "^told P" "too long" --as "$LAB_TMP/id2" long 3000000
refused "a status that fits nowhere" "^told P" "too long" --as "$LAB_TMP/id2" long 3000000 "$own"
refused "a report that is none" "^told P" "does not parse" --as "$LAB_TMP/id2" agent '{"Statuses":7}'
refused "two in a node's name" "^told P" "begins another session" --as "$LAB_TMP/id2" agent
x 1 timeout 20 "$SWARMBOX" service logs --follow web >"$LAB_TMP/logs" 2>&1 &
follow=$!
logs=()
for i in $(seq 1 40); do
	logs+=("{\"Log\":{\"ID\":$i,\"Stream\":\"stdout\",\"Data\":\"ZXZpbAo=\"},\"NodeMessage\":\"\"}")
done
sleep 0.5
attack --as "$LAB_TMP/id3" agent "${logs[@]}" >/dev/null
kill $follow
wait $follow 2>/dev/null
check "lines for another node's log are not heard" not grep -q "h1.*evil\|h2.*evil" "$LAB_TMP/logs"
check "it finds its way back" eventually 10 unchanged

echo "-- bytes"
http() { x 0 curl -s -m 3 "http://$(address 1)/swarm"; }
at=$(log_lines)
check "plain HTTP is not answered" is "" eval 'http; true'
check "  and it is in the log" eventually 3 logged_since "$at" "not TLS"
refused "another handshake on an open connection" closed "another handshake" \
	--as "$LAB_TMP/id2" renegotiate
refused "a record of over 16 KB" closed "larger than the buffer|not TLS" record
refused "a message of 2 GB" closed "too long" frame
refused "the same from a node" closed "too long" --as "$LAB_TMP/id2" frame
refused "noise" closed "out of turn" garbage
refused "noise in TLS" closed "neither a manager nor a node" text

echo "-- many"
daemon_kb() {
	x 1 sh -c 'for p in $(pidof swarmbox); do
			grep -qzE "^(init|manager)$" /proc/$p/cmdline && grep "^VmRSS" /proc/$p/status
		done' | awk '{print $2}'
}
idle=$(daemon_kb)
attack slow 2000 12000 >"$LAB_TMP/slow" &
slow=$!
sleep 2
check "2,000 slow handshakes: the API writes" sb 1 service create --detach --name late --replicas 0 lab/box
check "  and it is removed" sb 1 service rm late
check "  a worker leaves" sb 4 leave --force
check "  and joins" join 4 --token "$worker" "$(address 1)"
busy=$(daemon_kb)
check "  in 8 MB more of memory ($idle KB before, $busy KB)" [ "$busy" -lt $((idle + 8192)) ]
wait $slow
echo "      $(cat "$LAB_TMP/slow")"
check "the node before it is removed" eventually 20 sb 1 node rm --force "$n4"
check "the one of now" sb 1 node update --availability drain "$(name 4)"
state_save
sleep 1.1
at=$(log_lines)
attack --token "${manager%?????}00000" --for 3000 tokens 300 >"$LAB_TMP/tokens" &
tokens=$!
sleep 0.3
check "300 wrong tokens, and none leaves: a worker leaves" sb 4 leave --force
check "  and joins" join 4 --token "$worker" "$(address 1)"
wait $tokens
took=$(($(log_lines) - at))
check "  and the log has a line a second ($took)" [ $took -lt 40 ]
check "  and it is told there" logged_since "$at" "A valid join token"

echo "-- an end"
while [ $((SECONDS - short)) -lt 62 ]; do sleep 1; done
state_save
refused "a certificate whose time is over" closed "not valid now" --as "$LAB_TMP/id4" agent
refused "nor is it renewed" closed "not valid now" --as "$LAB_TMP/id4" enrol
check "the worker is removed" sb 1 node rm --force "$n2"
check "and so is the manager, demoted" sb 1 node demote "$n3"
check "  it is none" eventually 15 not has "$n3.*Reachable" sb 1 node ls
check "  and gone" sb 1 node rm --force "$n3"
check "all tasks are elsewhere" eventually 20 is 3 sh -c \
	"'$LAB' x 1 '$SWARMBOX' service ps web | grep -cE 'h[14] .*Running  *Running'"
state_save
refused "a removed worker" "^told X" "is not of this swarm any more" --as "$LAB_TMP/id2" agent
refused "its certificate is not renewed" "answer 403 .*no node of this swarm" \
	"no node of this swarm" --as "$LAB_TMP/id2" enrol
refused "a removed manager" closed "is not of this swarm" --as "$LAB_TMP/id3" manager
refused "as a node" "^told X" "is not of this swarm any more" --as "$LAB_TMP/id3" agent
refused "its certificate is not renewed" "answer 403 .*no node of this swarm" \
	"no node of this swarm" --as "$LAB_TMP/id3" enrol

echo "-- names that are paths"
long=$(printf 'evil%.0s' $(seq 2000))
post() {
	x 1 curl -s -m 5 --path-as-is --unix-socket /run/swarmbox/docker.sock -o /dev/null \
		-w '%{http_code}' -H 'Content-Type: application/json' -X "$1" -d "$3" "http://d$2"
}
for bad in ../../../tmp/evil /tmp/evil evil/../../evil 'evil\u0000' ..%2f..%2fevil "$long" . ..; do
	check "a service ${bad:0:24}" is 400 post POST /services/create \
		"{\"Name\":\"$bad\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"lab/box\"}}}"
	check "a network ${bad:0:24}" is 400 post POST /networks/create \
		"{\"Name\":\"$bad\",\"Driver\":\"overlay\"}"
	check "a node ${bad:0:24}" has '^(301|400|404)$' post POST \
		"/nodes/$bad/update?version=1" '{"Role":"worker","Availability":"active"}'
done
for path in /services/..%2f..%2fevil /services/../../evil /tasks/%00evil "/nodes/$long" \
	/networks/evil%2f..%2f.. /../../etc/passwd /swarm/enrol /swarm/enrol/../evil; do
	check "GET ${path:0:24}" has '^(301|400|404|405|414)$' post GET "$path" ''
done
printf 'version: "3"\nservices:\n  web:\n    image: lab/box\n' >"$LAB_TMP/c.yml"
for bad in ../../tmp/evil /tmp/evil evil/../evil "$long" ''; do
	check "a stack ${bad:0:24}" not sb 1 stack deploy -c "$LAB_TMP/c.yml" "$bad"
	check "a service by the command line ${bad:0:16}" not sb 1 service create --detach \
		--name "${bad:-.}" lab/box
done
check "to join at a path" not sb 2 join --token "$worker" ../../evil
check "to join with one for a token" not sb 2 join --token SWMTKN-1-../../evil "$(address 1)"
# Other people's files in /tmp come and go.
strays() { x 1 sh -c "find /etc /root /run /tmp /var/lib /usr/local -xdev -name '*evil*' 2>/dev/null; true"; }
check "no file has come of it" is "" strays
check "and nothing has changed" unchanged

echo "-- secrets"
hosts='1 2 3 4'
secret='SWMTKN-1|SWMKEY-1|PRIVATE KEY'
everywhere() { local i; for i in $hosts; do x "$i" "$@"; done; }
check "none is in a log" is "" everywhere sh -c "grep -aE '$secret' /run/swarmbox/*.log; true"
check "none can be read in a file" is "" everywhere sh -c \
	"grep -rlaE '$secret' /var/lib/swarmbox /run/swarmbox 2>/dev/null; true"
check "none is in ps" is "" everywhere sh -c "for p in \$(pidof swarmbox); do
		tr '\\0' '\\n' </proc/\$p/cmdline; tr '\\0' '\\n' </proc/\$p/environ
	done | grep -aE '$secret'; true"
check "the API tells no key" not has 'PRIVATE KEY|SWMKEY' get 1 /swarm
check "a worker's tells no token" not has "$secret" sh -c \
	"for p in /swarm /info /nodes /tasks; do '$LAB' x 4 curl -s --unix-socket \
		/run/swarmbox/docker.sock http://d\$p; done"
lab_end
