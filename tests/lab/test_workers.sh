#!/bin/bash
# Nodes that are no managers, and roles that change: five hosts, one init, four pasted lines.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# name I: host I's name as the swarm knows it.
name() { sb "$1" info --format json | grep -oP '"NodeID": ?"\K[^"]*' | head -1; }
# ready: how many nodes are; managers: how many of them are.
ready() { sb 1 node ls --format json | grep -c '"Status":"Ready"'; }
managers() { sb "${1:-1}" node ls --format json | grep -cE '"ManagerStatus":"(Leader|Reachable)"'; }
on() { d "$1" ps -q --filter "label=com.docker.swarm.service.name=$2" | wc -l; }
everywhere() { echo "$(on 1 web) $(on 2 web) $(on 3 web) $(on 4 web) $(on 5 web)"; }

lab_begin 5

check "init" sb 1 init --advertise-addr "$(address 1)"
worker=$(token 1 worker)
manager=$(token 1 manager)

# Two at once.
join 2 --token "$worker" "$(address 1)" >"$LAB_TMP/join2" 2>&1 &
join=$!
check "a worker joins" has "joined a swarm as a worker" join 3 --token "$worker" "$(address 1)"
check "another at the same time" wait $join
check "it says so, too" grep -q "joined a swarm as a worker" "$LAB_TMP/join2"
check "three are ready" eventually 10 is 3 ready
check "one is a manager" is 1 managers
check "a worker knows what it is" has '"ControlAvailable": ?false' sb 2 info --format json
check "and its managers" has "$(address 1)" sb 2 info --format json
check "it does not speak for the swarm" fails "This node is not a swarm manager" sb 2 node ls
check "it serves no cluster port" not x 2 sh -c 'ss -ltn 2>/dev/null | grep -q :2377'
check "managers join" join 4 --token "$manager" "$(address 1)"
check "and another one, paused" join 5 --availability pause --token "$manager" "$(address 4)"
check "five are ready" eventually 10 is 5 ready
check "three are managers" eventually 10 is 3 managers

check "a service" sb 1 service create --name web --replicas 4 lab/box
check "is spread over those that may have tasks" eventually 10 is "1 1 1 1 0" everywhere
check "service ps knows the nodes" has "$(x 2 hostname)" sb 1 service ps web
check "logs come from a worker" sb 4 service logs web

sb_kill 2
check "a worker is killed: its container runs on" is 1 on 2 web
check "it starts again" start 2
check "and is ready" eventually 10 is 5 ready
check "its container was not touched" is "1 1 1 1 0" everywhere

sb_kill 1
check "the leader is killed: another leads" eventually 10 has '"ManagerStatus":"Leader"' \
	sb 4 node ls --format json
workers() { sb "$1" node ls --format json | grep '"ManagerStatus":""' | grep -c '"Status":"Ready"'; }
check "the workers stay ready" always 3 is 2 workers 4
check "it comes back" start 1
check "as a manager" eventually 10 is 3 managers

check "a worker is promoted" sb 1 node promote "$(name 2)"
check "and is a manager" eventually 15 is 4 managers
check "that speaks for the swarm" eventually 10 sb 2 node ls
check "its container was not touched" is "1 1 1 1 0" everywhere
check "it is demoted again" sb 2 node demote "$(name 2)"
check "and is none" eventually 15 is 3 managers
check "it speaks no more" eventually 10 fails "This node is not a swarm manager" sb 2 node ls
check "and is ready" eventually 10 is 5 ready
check "its log is gone" not x 2 sh -c 'ls /var/lib/swarmbox/raft | grep -q .'
leader() { sb 1 node ls --format json | grep '"Leader"' | grep -oP '"ID": ?"\K[^"]*'; }
check "no container was touched" is "1 1 1 1 0" everywhere
old=$(leader)
for i in 1 4 5; do [ "$(name $i)" = "$old" ] || m=$i; done
check "the leader is demoted" sb 1 node demote "$old"
check "others lead" eventually 15 is 2 managers "$m"
all_ready() { sb "$m" node ls --format json | grep -c '"Status":"Ready"'; }
check "all are ready" eventually 15 is 5 all_ready
check "no container was touched" is "1 1 1 1 0" everywhere
check "it is promoted again" sb "$m" node promote "$old"
check "and is a manager" eventually 15 is 3 managers "$m"

check "a worker leaves" sb 3 leave
check "its containers go elsewhere" eventually 15 is 0 on 3 web
# In the midst of joining it is killed, ten times: it goes on with what it has, or joins anew.
rejoin() { x 3 test -e /var/lib/swarmbox/node.json && start 3 || join 3 "$@"; }
killed() {
	local i
	for i in 0 1 2 3 4 5 6 7 8 9; do
		rejoin "$@" >/dev/null 2>&1 &
		sleep "0.0$((RANDOM % 6))"
		# What it starts at this very moment, too.
		for _ in 1 2 3; do
			x 3 sh -c 'for p in /proc/[0-9]*; do
				case $(readlink $p/exe) in */swarmbox*) kill -9 ${p#/proc/} ;; esac
			done'
			sleep 0.02
		done
		sb_kill 3 || return 1
		wait $!
		[ $i = 4 ] && x 3 test -e /var/lib/swarmbox/node.json && x 3 rm -r /var/lib/swarmbox/*
	done
	return 0
}
check "it joins, and is killed" killed --token "$(token $m worker)" "$(address "$m")"
check "at last it joins" rejoin --token "$(token $m worker)" "$(address "$m")"
check "and is ready" eventually 10 has "$(name 3) .* Ready" sb "$m" node ls
# Those that it was count as down after a while, and are removed.
removed() {
	local id
	for id in $(sb "$m" node ls | awk 'NR > 1 && !/Ready/ {print $1}'); do
		sb "$m" node rm --force "$id" >/dev/null
	done
	is 5 all_ready
}
check "those that it was are removed" eventually 25 removed

# move I J K: host I, which has J's address, has the one that K would have, and none else.
move() {
	local old new dev
	old=$("$LAB" ip "$2") new=$("$LAB" ip "$3")
	dev=$(x "$1" ip -o -4 addr show | awk -v a="$old/" 'index($4, a) == 1 {print $2}')
	x "$1" ip addr del "$old/24" dev "$dev" && x "$1" ip addr add "$new/24" dev "$dev"
}
addresses() { sb "$m" info --format json | grep -o "\"Addr\":\"$("$LAB" ip "$1"):2377\"" | wc -l; }
for i in 1 4 5; do [ "$i" = "$m" ] || moved=$i; done
check "a manager has another address" move "$moved" "$moved" 50
check "the others find it there" eventually 15 is 1 addresses 50
check "it is a manager still" eventually 15 is 3 managers "$m"
check "and speaks for the swarm" eventually 10 sb "$moved" node ls
check "a worker's managers follow" eventually 10 has "$("$LAB" ip 50):2377" sb 2 info --format json
check "a worker has another address" move 2 2 51
addr() { sb "$m" node inspect "$(name "$1")" | grep -oP '"Addr": ?"\K[0-9.]*' | head -1; }
check "and is ready there" eventually 15 is "$("$LAB" ip 51)" addr 2
check "as all are" eventually 15 is 5 all_ready
check "a node has another address while it is stopped" sb_kill "$moved"
move "$moved" 50 "$moved"
check "it starts" start "$moved"
check "and is found" eventually 15 is 1 addresses "$moved"
check "all are managers" eventually 15 is 3 managers "$m"
check "no container was touched" is "1 1" echo "$(on 1 web) $(on 2 web)"

# A host is set up anew, with the name and the address that it had.
for i in 1 4 5; do [ "$i" = "$m" ] || lost=$i; done
sb_kill "$lost"
x "$lost" sh -c 'rm -r /var/lib/swarmbox/*; rm -f /run/swarmbox/*.sock'
old=$(sb "$m" node ls | awk -v h="h$lost" '$2 == h {print $1}')
check "a manager has lost all it had, and joins again" \
	join "$lost" --token "$(token "$m" manager)" "$(address "$m")"
check "the manager that it was is none any more" eventually 30 is 3 \
	eval 'sb "$m" info --format json | grep -o "\"Addr\":" | wc -l'
check "it is a worker that is down" eventually 5 has "^$old .* Down +(Active|Pause) +[0-9]" sb "$m" node ls
check "it can be removed" sb "$m" node rm "$old"
check "three are managers" eventually 10 is 3 managers "$m"

gone=$(name 3)
check "a worker that is ready is not removed" fails "is not down" sb "$m" node rm "$gone"
check "but by force" sb "$m" node rm --force "$gone"
check "it is told at once" eventually 5 has '"LocalNodeState": ?"error"' sb 3 info --format json
check "and says so" has "was removed from the swarm" sb 3 info
logged() { x "$1" grep -q "$2" /run/swarmbox/swarmbox.log; }
sb_kill 3
check "it starts again and is turned away" fails "was removed from the swarm" start 3
check "it leaves" sb 3 leave --force
check "and joins as another one" join 3 --token "$(token "$m" worker)" "$(address "$m")"
check "which is ready" eventually 10 is 5 all_ready

# A manager that was away when it was demoted and removed has a manager's certificate to this day.
for i in 1 4 5; do [ "$i" = "$m" ] || away=$i; done
gone=$(name "$away")
sb_kill "$away"
check "a manager is away, and demoted" sb "$m" node demote "$gone"
check "down" eventually 30 has "^$gone .* Down" sb "$m" node ls
check "and removed" sb "$m" node rm "$gone"
start "$away" >/dev/null 2>&1 &
check "it comes back and is not listened to" eventually 10 logged "$m" "is not of this swarm"
check "it knows" eventually 10 has '"LocalNodeState": ?"error"' sb "$away" info --format json
check "the swarm does not know it" not has "$gone" sb "$m" node ls
check "it leaves" sb "$away" leave --force
wait

lab_end
