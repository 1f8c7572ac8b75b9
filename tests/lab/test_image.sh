#!/bin/bash
# The binary in a container is the same node as on the host.
. "$(dirname "$0")/lib.sh"
lab_begin 1

rights=(--privileged)
if ! why=$(d 1 run --rm --privileged lab/box true 2>&1); then
	skip "--privileged" "this machine does not allow it, named rights instead: $(head -n 1 <<<"$why")"
	rights=(--cap-add NET_ADMIN --cap-add SYS_ADMIN --security-opt seccomp=unconfined
		--security-opt systempaths=unconfined)
fi

node() {
	d 1 "$@" -d --net host --pid host "${rights[@]}" \
		-v /var/run/docker.sock:/var/run/docker.sock \
		-v /run/swarmbox:/run/swarmbox:rshared -v swarmbox:/var/lib/swarmbox swarmbox init
}
started() { d 1 inspect -f '{{.State.StartedAt}}' "$(d 1 ps -q --filter name=web)"; }

check "the image" x 1 env BUILD="$(dirname "$SWARMBOX")" "$LAB_TREE/tools/image"
check "a node in a container" node run --name node
check "answers on the host" eventually 10 sb 1 node ls
check "a service" sb 1 service create --name web --replicas 1 -p 8080:80 lab/box
check "runs" eventually 10 is 1 running 1 --filter name=web
check "is served" eventually 5 has . x 1 curl -sf -m 2 http://127.0.0.1:8080/cgi-bin/who
check "the container is its task's" has '^web\.1\.[a-z0-9]{25}$' \
	d 1 ps --filter name=web --format '{{.Names}}'

check "by the node's own lb" has "swarmbox lb" x 1 ps axo args
check "the command in the container" has web d 1 exec node /swarmbox service ls
check "and in one of its own" has web \
	d 1 run --rm -v /run/swarmbox:/run/swarmbox swarmbox service ls

before=$(started)
check "the node's container restarts" d 1 restart -t 10 node
check "it is the same swarm" eventually 10 has web sb 1 service ls
check "its task was not touched" is "$before" started
check "its task is one" is 1 running 1 --filter name=web
check "is served again" eventually 5 has . x 1 curl -sf -m 2 http://127.0.0.1:8080/cgi-bin/who
check "the node's container is killed and started" d 1 restart -s KILL node
check "it is the same swarm" eventually 10 has web sb 1 service ls
check "its task was not touched" is "$before" started

state() { d 1 inspect -f '{{.State.Status}} {{.State.ExitCode}}' node; }
check "leave" sb 1 leave --force
check "ends the node's container" eventually 10 is "exited 0" state
check "removes its tasks" is node d 1 ps -a --format '{{.Names}}'
check "and its state" is "" d 1 run --rm -v swarmbox:/v lab/box ls /v
lab_end
