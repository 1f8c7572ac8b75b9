#!/bin/bash
# tools/quickstart in a host: with an engine that runs, without one, twice, and back.
. "$(dirname "$0")/lib.sh"
lab_begin 1

quick() {
	x 1 env BUILD="$(dirname "$SWARMBOX")" MAKE=true DEMO_PORT=8081 \
		"$LAB_TREE/tools/quickstart" "$@"
}
left() { d 1 ps -aq; d 1 network ls -q --filter name=demo; x 1 ss -Htln 'sport = :8081'; }
# The ten lines of pages: each names the task that gave it, and each task of three is there.
pages() {
	local lines
	lines=$(grep -E '^ +[0-9]+  demo_web\.[123] +Hello from [0-9a-f]{12}$' "$LAB_TMP/up")
	echo "$(wc -l <<<"$lines") $(awk '{ print $2 }' <<<"$lines" | sort -u | tr '\n' ' ')"
}
# up TEXT: quickstart does all of it, and says TEXT on the way.
up() {
	quick >"$LAB_TMP/up" 2>&1 && grep -qE "$1" "$LAB_TMP/up" && return
	cat "$LAB_TMP/up"
	return 1
}

check "up" up "a swarm of one"
check "ten pages, by three tasks" is "10 demo_web.1 demo_web.2 demo_web.3 " pages
check "and says so" grep -q "10 answers from 3 tasks" "$LAB_TMP/up"
check "and how to remove it" grep -q "make quickstart-down" "$LAB_TMP/up"
check "up again keeps the swarm" up "in a swarm already"
check "three containers" is 3 running 1
sb_kill 1
check "up after a crash goes on" up "is up again"
check "with the same three containers" is 3 running 1
sb_kill 1
check "down after a crash" has "swarm +left" quick down
check "leaves no container, network or port" eventually 10 is "" left
check "nor a process" not x 1 pidof swarmbox
check "nor state" is "" x 1 ls /var/lib/swarmbox
check "nor the image" is "" d 1 images -q swarmbox-demo
check "the engine is not its own" d 1 version

check "a port of another program" x 1 busybox httpd -p 8081 -h /tmp
check "is not taken for ours" has "8081 is taken" quick
check "end of that program" x 1 sh -c 'kill $(pidof busybox)'
check "a swarm that was there" sb 1 leave --force
check "is made anew by hand" sb 1 init
check "up joins in" up "in a swarm already"
check "down keeps it" has "swarm +kept" quick down
check "it still answers" sb 1 node ls
check "until it is left" sb 1 leave --force

# The plain dockerd that quickstart starts finds here what the lab gives as arguments.
printf '{"cgroup-parent": "/%s/h1/c", "exec-opts": ["native.cgroupdriver=cgroupfs"]}\n' \
	"$LAB_NAME" >"$("$LAB" dir 1)/etc-docker/daemon.json"
"$LAB" stop 1
check "without an engine" up "started here"
check "three containers" is 3 running 1
check "down stops its engine" has "engine +stopped" quick down
check "no engine" not x 1 pidof dockerd
check "nothing to take down" has "nothing" quick down
lab_end
