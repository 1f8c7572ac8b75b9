#!/bin/bash
# The lab itself: what the other tests stand on.
. "$(dirname "$0")/lib.sh"
lab_begin 2 --live-restore

pid() { d "$1" inspect -f '{{.State.Pid}}' web; }
ids() { for i in 1 2; do d $i info -f '{{.ID}}'; done | sort -u | wc -l; }
who() { x "$1" curl -s -m 1 "http://$2/cgi-bin/who"; }

check "an engine of each host's own" is 2 ids
check "a container on each" d 1 run -d --name web -p 80:80 --restart always lab/box
check "and on the other" d 2 run -d --name web -p 80:80 --restart always lab/box
check "a client on the wire" eventually 5 who 0 "$("$LAB" ip 1)"
check "host to host" eventually 5 who 1 h2
check "no registry" has "connection refused" d 1 pull nowhere/nothing

first=$(pid 1)
check "the engine stops" "$LAB" stop 1
check "its container lives" x 1 kill -0 "$first"
check "the engine starts" "$LAB" start 1
check "and finds its container" is "$first" pid 1
check "the engine is killed" "$LAB" kill 1
check "its container lives" x 1 kill -0 "$first"
check "the engine starts" "$LAB" start 1
check "and finds its container" is "$first" pid 1

check "cut" "$LAB" cut 2
check "is silent" not who 1 h2
check "and not seen from inside" is 1 x 2 cat /sys/class/net/eth0/carrier
check "heal" "$LAB" heal 2
check "is heard again" eventually 5 who 1 h2

x 2 sh -c 'echo kept >/var/lib/swarmbox/file; echo lost >/run/file'
check "power off" "$LAB" crash 2
check "is silent" not who 1 h2
check "power on" "$LAB" boot 2
check "the disk is kept" is kept x 2 cat /var/lib/swarmbox/file
check "and /run is not" not x 2 test -e /run/file
check "the container comes back" eventually 5 who 1 h2
check "the disk is the host's own" not x 1 test -e /var/lib/swarmbox/file

check "clean" host_clean 2
check "no container" is 0 running 2 -a
check "an empty disk" not x 2 test -e /var/lib/swarmbox/file
check "the image is there" d 2 run --rm lab/box true

left() {
	ip netns list | grep -E "^$LAB_NAME(-h|\$| )"
	ls -d /sys/fs/cgroup/*/"$LAB_NAME" "$("$LAB" dir 1)" 2>/dev/null
	return 0
}
check "down" "$LAB" down
check "leaves nothing" is "" left
check "down again" "$LAB" down
lab_end
