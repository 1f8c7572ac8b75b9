#!/bin/bash
# Containers that end, engines that go: policy, delay, attempts, window; restart and absence.
. "$(dirname "$0")/lib.sh"
lab_begin 1

ids() { d 1 ps -q "$@" | sort; }
tasks() { sb 1 service ps --no-trunc --format json "$1" | grep -c '"ID"'; }
check "init" sb 1 init

check "a service with a delay of 1 s" sb 1 service create --name web --restart-delay 1s lab/box
old=$(ids)
from=${EPOCHREALTIME/[.,]/}
check "its container is killed" d 1 kill "$old"
replaced() { [ -n "$(ids)" ] && [ "$(ids)" != "$old" ]; }
check "it is replaced" eventually 6 replaced
took=$(((${EPOCHREALTIME/[.,]/} - from) / 1000))
check "not before the delay ($took ms)" [ $took -ge 1000 ]
check "and soon after it" [ $took -le 3500 ]
check "service ps shows why" has 'exit \(137\)' sb 1 service ps --no-trunc web
check "rm" sb 1 service rm web

check "max-attempts 2" sb 1 service create --detach --name three --restart-delay 100ms \
	--restart-max-attempts 2 lab/box sh -c "exit 3"
check "makes three tasks" eventually 10 is 3 tasks three
check "and no more" always 2 is 3 tasks three
check "on-failure lets a finished one rest" sb 1 service create --detach --name once \
	--restart-condition on-failure --restart-delay 100ms lab/box true
check "it is complete" eventually 5 has 'Complete' sb 1 service ps once
check "and not started again" always 1 is 1 tasks once
check "a window forgets old attempts" sb 1 service create --detach --name window \
	--restart-delay 100ms --restart-max-attempts 1 --restart-window 1s lab/box sleep 1.5
# The history keeps two tasks of it, so each one is noted when it is seen.
more() {
	sb 1 service ps -q --no-trunc window >>"$LAB_TMP/window"
	[ "$(sort -u "$LAB_TMP/window" | wc -l)" -ge 4 ]
}
check "so it goes on" eventually 15 more
check "remove them" sb 1 service rm three once window
check "no container is left" eventually 15 is 0 bash -c "'$LAB' d 1 ps -aq | wc -l"

check "an image that cannot be pulled" sb 1 service create --detach --name nope \
	--restart-condition none nope.invalid/x:1
check "says so" eventually 10 has 'nope.invalid/x:1' sb 1 service ps --no-trunc nope
check "rm nope" sb 1 service rm nope

check "a health check decides when it is ready" sb 1 service create --detach --name sick \
	--health-cmd "test -e /tmp/ok" --health-interval 200ms --health-retries 100 lab/box
check "it starts" eventually 5 has 'Starting' sb 1 service ps sick
check "and is not ready" always 1 has '0/1' sb 1 service ls --filter name=sick
check "then it is well" d 1 exec "$(ids)" touch /tmp/ok
check "and ready" eventually 5 has '1/1' sb 1 service ls --filter name=sick
check "rm sick" sb 1 service rm sick

check "two replicas" sb 1 service create --name web --replicas 2 --restart-delay 500ms lab/box
old=$(ids)
check "the engine stops for good (no live-restore)" "$LAB" stop 1
check "service ps says that it does not answer" eventually 5 has 'engine' \
	sb 1 service ps --no-trunc web
check "the engine starts" "$LAB" start 1
check "two new ones run" eventually 20 has '2/2' sb 1 service ls
check "exactly two" is 2 running 1
check "leave" sb 1 leave --force

x 1 sh -c 'echo "{\"live-restore\": true}" >/etc/docker/daemon.json'
check "the engine with live-restore" "$LAB" stop 1
"$LAB" start 1
check "init again" sb 1 init
check "three replicas with a port" sb 1 service create --name web --replicas 3 -p 8080:80 lab/box
ids_started() { d 1 inspect -f '{{.Id}} {{.State.StartedAt}}' $(d 1 ps -q) | sort; }
before=$(ids_started)
check "the engine is away" "$LAB" kill 1
served() { x 1 curl -s -f -m 2 localhost:8080/cgi-bin/who; }
check "the port is served all the while" always "${ABSENCE:-60}" served
check "it comes back" "$LAB" start 1
check "no container was touched" always 3 is "$before" ids_started
check "all are seen" eventually 10 has '3/3' sb 1 service ls
lab_end
