#!/bin/bash
# tools/quickstart in a host: with an engine that runs, without one, twice, and back.
. "$(dirname "$0")/lib.sh"
lab_begin 1

quick() {
	x 1 env BUILD="$(dirname "$SWARMBOX")" MAKE=true DEMO_PORT=8081 \
		"$LAB_TREE/tools/quickstart" "$@"
}
left() { d 1 ps -aq; d 1 network ls -q --filter name=demo; x 1 ss -Htln 'sport = :8081'; }

check "up" has "10 answers, tasks that gave them: 3" quick
check "up again keeps the swarm" has "in a swarm already" quick
check "three containers" is 3 running 1
check "down" quick down
check "leaves no container, network or port" eventually 10 is "" left
check "nor a process" not x 1 pidof swarmbox
check "nor the image" is "" d 1 images -q swarmbox-demo
check "the engine is not its own" d 1 version

# The plain dockerd that quickstart starts finds here what the lab gives as arguments.
printf '{"cgroup-parent": "/%s/h1/c", "exec-opts": ["native.cgroupdriver=cgroupfs"]}\n' \
	"$LAB_NAME" >"$("$LAB" dir 1)/etc-docker/daemon.json"
"$LAB" stop 1
check "without an engine" has "started here" quick
check "three containers" is 3 running 1
check "down stops its engine" has "engine +stopped" quick down
check "no engine" not x 1 pidof dockerd
check "nothing to take down" has "nothing" quick down
lab_end
