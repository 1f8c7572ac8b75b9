#!/bin/bash
# Managers that lock: what a restarted one does before it is given the unlock key, and that the key is
# nowhere but in memory.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
export LAB_DISK_MB=160

# restart I: killed, and started again.
restart() { sb_kill "$1" && start "$1"; }
key() { sb "${1:-1}" swarm unlock-key -q; }
unlock() { sb "$1" swarm unlock <<<"$2"; }
state() { sb "$1" info --format json | grep -o '"LocalNodeState":"[a-z]*"' | cut -d'"' -f4; }
managers() { sb 1 node ls --format json | grep -o '"ManagerStatus":"[LR]e[a-z]*"' | wc -l; }
logged() { x "$1" grep -q "$2" /run/swarmbox/swarmbox.log; }
sealed() { x "$1" head -c 8 /var/lib/swarmbox/key; }
replicas() { sb 1 service ls | awk '$2 == "web" {print $4}'; }
containers() { d 1 ps -q --no-trunc | sort; }
port_open() { x 0 timeout 2 bash -c "exec 3<>/dev/tcp/$("$LAB" ip "$1")/2377"; }
page() { x 1 curl -s -f -m 2 -o /dev/null localhost:8080/cgi-bin/who; }
curl_1() { x 1 curl -s -S --unix-socket /run/swarmbox/docker.sock "$@"; }
# shows LINE CMD...: CMD prints it.
shows() { "${@:2}" 2>&1 | grep -qxF -- "$1"; }
# seen I TEXT: is it in a file of host I's, or does a process show it?
seen() {
	x "$1" grep -rqaF -- "$2" /var/lib/swarmbox /run/swarmbox ||
		x "$1" sh -c 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ' | grep -qaF -- "$2"
}
# daemon I: its pid in host I.
daemon() {
	x "$1" sh -c 'for p in /proc/[0-9]*; do
			case $(readlink $p/exe) in */swarmbox*) ;; *) continue ;; esac
			tr "\0" " " <$p/cmdline | grep -q " lb " || echo ${p#/proc/}
		done'
}
# typed I KEY: unlocks at a terminal; prints what that shows.
typed() {
	x "$1" timeout 10 python3 -c 'import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "swarm", "unlock"])
seen = b""
sent = False
while True:
    try:
        piece = os.read(fd, 4096)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if not sent and b"key: " in seen:
        os.write(fd, sys.argv[2].encode() + b"\n")
        sent = True
sys.stdout.write(seen.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))' "$SWARMBOX" "$2"
}
# sees_into COMMAND...: does another process of the same user, which may not trace what it likes, see
# into it while it runs?
sees_into() {
	x 1 setpriv --bounding-set -sys_ptrace sh -c '"$@" >/dev/null 2>&1 &
		sleep 1
		head -c 0 /proc/$!/mem
		seen=$?
		kill $!
		exit $seen' sh "$@"
}
locked_text='Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.'

lab_begin 3

check "init with --autolock tells the key" has '^    SWMKEY-1-[A-Za-z0-9+/]{43}$' \
	sb 1 init --autolock --advertise-addr "$(address 1)"
first=$(key)
check "and later again" shows "    $first" sb 1 swarm unlock-key
check "the folder is locked" is SWBXLOCK sealed 1
check "docker's command sees the key" is "$first" api 1 swarm unlock-key -q
check "a service" sb 1 service create --name web --replicas 2 --publish 8080:80 lab/box
before=$(containers)

# ---- locked ----

check "the manager is killed, and lb is not" x 1 kill -9 "$(daemon 1)"
check "it starts, and says in one line what to do" has \
	"^swarmbox: manager: this node is locked: .*'swarmbox swarm unlock'" start 1
check "info says it" is locked state 1
check "docker's too" has "Swarm: locked" api 1 info
check "and why" has "Error: Swarm is encrypted" sb 1 info
check "no nodes" fails "$locked_text" sb 1 node ls
check "no key" fails "$locked_text" sb 1 swarm unlock-key
check "nothing for docker's command" fails "$locked_text" api 1 service ls
check "nothing of the engine's" fails "$locked_text" api 1 ps
check "nothing of the store's" has "503" curl_1 -o /dev/null -w '%{http_code}' \
	'http://d/v1/kv/a?stale'
check "the cluster port is closed" not port_open 1
check "_ping is answered" is OK curl_1 http://d/_ping
check "its containers run" is 2 running 1
check "and are served" page
check "to leave needs force" fails "Please unlock it first or use" sb 1 leave
check "a wrong key" fails "swarm could not be unlocked: invalid key provided" \
	unlock 1 SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
check "what is no key" fails "invalid key string" unlock 1 key
check "no key" fails "invalid key string" sb 1 swarm unlock
check "is still locked" is locked state 1
check "a locked one is stopped in good order" sb_kill 1 TERM
check "and leaves no socket" not x 1 test -e /run/swarmbox/docker.sock
check "it starts, still locked" start 1
check "the key opens it" unlock 1 "$first"
check "it serves" eventually 5 is 1 managers
check "its port is open" port_open 1
check "the services are there" eventually 10 is 2/2 replicas
check "in the containers of before" is "$before" containers
check "there is nothing to unlock" fails "swarm is not locked" unlock 1 "$first"
check "nor for one who asks the API" has "swarm is not locked" curl_1 -X POST \
	-H 'Content-Type: application/json' -d "{\"UnlockKey\":\"$first\"}" http://d/swarm/unlock
check "the key is to be seen nowhere" not seen 1 "$first"
check "but for one who looks well" x 1 sh -c "echo $first >/run/swarmbox/x"
check "(who finds it)" seen 1 "$first"
x 1 rm /run/swarmbox/x

check "killed again" restart 1
check "docker's command unlocks it" sh -c "echo $first | '$LAB' api 1 swarm unlock"
check "it serves" eventually 5 is 1 managers
check "and again" restart 1
typed 1 "$first" >"$LAB_TMP/typed"
check "a key that is typed" is 1 managers
check "is asked for" has "enter unlock key" cat "$LAB_TMP/typed"
check "and not shown" not grep -q SWMKEY "$LAB_TMP/typed"

# ---- another key, others, none ----

check "another manager joins" sb 2 join --advertise-addr "$(address 2)" \
	--token "$(sb 1 swarm join-token -q manager)" "$(address 1)"
check "it locks" eventually 5 is SWBXLOCK sealed 2
check "and a third" sb 3 join --advertise-addr "$(address 3)" \
	--token "$(sb 1 swarm join-token -q manager)" "$(address 1)"
check "which locks, too" eventually 5 is SWBXLOCK sealed 3
check "the key is rotated, at another" has "Successfully rotated manager unlock key" \
	sb 2 swarm unlock-key --rotate
second=$(key 3)
check "it is another one" [ "$second" != "$first" ]
for i in 1 2 3; do
	check "host $i is killed" restart $i
	check "the old key does not open it" fails "invalid key provided" unlock $i "$first"
	check "the new one does" unlock $i "$second"
	check "the swarm is whole" eventually 10 is 3 managers
done
for i in 1 2 3; do sb_kill $i; done
for i in 1 2 3; do check "all were killed, host $i starts" start $i; done
for i in 1 2 3; do check "host $i is unlocked" unlock $i "$second"; done
check "the swarm is whole" eventually 10 is 3 managers
check "the services are there" eventually 10 is 2/2 replicas

# A full disk has the process begin anew: it keeps the key.
restarts() { x 2 grep -c "starting anew" /run/swarmbox/swarmbox.log; }
x 2 sh -c 'cat /dev/zero >/var/lib/swarmbox/fill 2>/dev/null'
for i in $(seq 30); do
	curl_1 -X PUT -d x "http://d/v1/kv/k$i" >/dev/null
	logged 2 "cannot be written" && break
	head -c 500000 /dev/zero | curl_1 -X PUT --data-binary @- "http://d/v1/kv/big$i" >/dev/null
done
check "the disk of one is full" logged 2 "cannot be written"
check "and has room again" x 2 rm /var/lib/swarmbox/fill
check "it begins anew" eventually 10 is 1 restarts
check "and is not locked" eventually 10 is 3 managers
check "its key is to be seen nowhere" not seen 2 "$second"

check "managers are not to lock any more" sb 1 swarm update --autolock=false
check "there is no key" fails "no unlock key is set" sb 1 swarm unlock-key
for i in 1 2 3; do
	check "host $i is open" eventually 5 not is SWBXLOCK sealed $i
	check "and starts freely" restart $i
	check "the swarm is whole" eventually 10 is 3 managers
done
check "they are to lock again" has "    SWMKEY-1-" sb 1 swarm update --autolock=true
third=$(key)
check "with a key that is new" [ "$third" != "$second" ]
check "the others lock" eventually 5 is SWBXLOCK sealed 3

node() { sb "$1" info --format json | grep -o '"NodeID":"[a-z0-9]*"' | head -n 1 | cut -d'"' -f4; }
check "one is to be a worker" sb 1 node demote "$(node 2)"
check "which does not lock" eventually 10 not is SWBXLOCK sealed 2
check "and starts freely" restart 2
check "and is to be a manager again" sb 1 node promote "$(node 2)"
check "which locks" eventually 10 is SWBXLOCK sealed 2
check "the swarm is whole" eventually 10 is 3 managers

# ---- a lost majority, leaving ----

for i in 1 2 3; do sb_kill $i; done
check "made a swarm of its own, it is locked first" has "this node is locked" \
	sb 1 init --force-new-cluster
check "and does it when it is not" unlock 1 "$third"
check "it is the only one" eventually 10 is 1 managers
check "another starts" start 3
check "and leaves locked" sb 3 leave --force
check "nothing is left of it" eventually 5 not x 3 test -e /var/lib/swarmbox/key
check "what runs there is named" logged 3 "docker rm -f"
check "its process is gone" eventually 5 is "" daemon 3

# ---- memory ----

check "no core file is wanted" has "^Max core file size +0 +0 " x 1 cat "/proc/$(daemon 1)/limits"
check "into another program one can see" sees_into sleep 9
sb_kill 1
check "not into ours" fails "Permission denied" sees_into "$SWARMBOX" manager
lab_end
