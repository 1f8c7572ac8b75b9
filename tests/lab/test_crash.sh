#!/bin/bash
# kill -9 of the daemon: containers are adopted, and nothing acknowledged is lost.
# ROUNDS: kills during a stream of creates (200 in make check).
. "$(dirname "$0")/lib.sh"
lab_begin 1
ROUNDS=${ROUNDS:-200}

names() { sb 1 service ls --format json | grep -o '"Name":"[^"]*"' | sort; }
started() { d 1 inspect -f '{{.Id}} {{.State.StartedAt}} {{.RestartCount}}' $(d 1 ps -q) | sort; }

check "init" sb 1 init
check "three replicas" sb 1 service create --name web --replicas 3 --publish 8080:80 lab/box
before=$(started)
check "the daemon is killed" sb_kill 1
check "the containers run on" is 3 running 1
check "the daemon starts again" sb 1 manager --foreground=false
check "the same three, none restarted" always 2 is "$before" started
check "and the port is served" eventually 5 has . x 1 curl -s -m 2 localhost:8080/cgi-bin/who

# Only the daemon: lb lives on, and the next daemon goes on with it.
daemon_kill() {
	x 1 sh -c 'for p in /proc/[0-9]*; do
			[ "$(tr "\\0" " " <$p/cmdline 2>/dev/null | cut -d" " -f2)" = manager ] &&
				kill -9 ${p#/proc/}
		done; true'
}
served() { x 1 curl -s -f -m 2 -o /dev/null localhost:8080/cgi-bin/who; }
check "the daemon alone is killed" daemon_kill
check "the port is served without it" always 2 served
(while [ ! -e "$LAB_TMP/stop" ]; do served || echo lost; done >"$LAB_TMP/requests") &
requests=$!
check "it starts again" sb 1 manager --foreground=false
sleep 0.5
touch "$LAB_TMP/stop"
wait $requests
rm "$LAB_TMP/stop"
check "and no request was lost meanwhile" [ ! -s "$LAB_TMP/requests" ]

create_and_kill() {
	x 1 bash -c "'$SWARMBOX' service create --detach --replicas 0 --name last lab/box &&
		kill -9 \$(pidof -s swarmbox)" 2>/dev/null
	sb_kill 1
}
check "a service is created and the daemon killed at once" create_and_kill
check "it starts" sb 1 manager --foreground=false
check "the service is there" has last names

# A client creates services as fast as it can and notes what was acknowledged, while the daemon is
# killed and started again.
x 1 bash -c '
	n=0
	while [ ! -e '"$LAB_TMP"'/stop ]; do
		n=$((n + 1))
		curl -s -m 5 -o /dev/null -w "%{http_code} c$n\n" --unix-socket /run/swarmbox/docker.sock \
			-H "Content-Type: application/json" -d "{\"Name\":\"c$n\",\"Labels\":{},
			\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"lab/box\"}},
			\"Mode\":{\"Replicated\":{\"Replicas\":0}}}" http://d/services/create || sleep 0.01
	done' >"$LAB_TMP/acks" 2>/dev/null &
client=$!
rounds() {
	local i
	for i in $(seq "$ROUNDS"); do
		sb_kill 1 && sb 1 manager --foreground=false || { echo "round $i"; return 1; }
		sleep 0.0$((RANDOM % 9 + 1))
	done
}
check "$ROUNDS kills during a stream of creates" rounds
touch "$LAB_TMP/stop"
wait $client
acked=$(awk '$1 == 201 {print $2}' "$LAB_TMP/acks" | sort)
lost() { comm -23 <(echo "$acked") <(names | sed 's/.*:"//; s/"//' | sort) | wc -l; }
check "creates were acknowledged between the kills" [ "$(wc -l <<<"$acked")" -ge "$ROUNDS" ]
check "none of $(wc -l <<<"$acked") acknowledged ones is lost" is 0 lost

# The log is compacted: a snapshot is taken (after 8 to 10 MiB, by the manager's Raft id), and what it
# holds is there after the next kill.
check "14,000 updates" x 1 python3 "$(dirname "$0")/updates.py" 14000
check "a snapshot was saved" has '^snapshot-' x 1 ls /var/lib/swarmbox/raft
check "the daemon is killed once more" sb_kill 1
check "and started" sb 1 manager --foreground=false
last() { sb 1 service inspect busy | grep -m 1 '"n":'; }
check "the last update is there" has '"14000"' last
check "still the same three containers" is "$before" started
lab_end
