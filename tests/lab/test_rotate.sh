#!/bin/bash
# Another root for the swarm: under load, and no request fails; with nodes that are away, join, or
# are killed meanwhile. Three managers, two workers, and a sixth host.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

ready() { sb "${1:-1}" node ls --format json | grep -c '"Status":"Ready"'; }
root() { sb "$1" swarm ca; }
rotate() { sb "$1" swarm ca --rotate "${@:2}"; }
get() { x "$1" curl -s -f -S --unix-socket /run/swarmbox/docker.sock "http://d$2"; }
# rotates I: is a rotation under way, says host I.
rotates() { get "$1" /swarm | grep -q '"RootRotationInProgress":true'; }
# certs I, roots I: how many nodes tell of the right certificate, of the swarm's root and no other.
certs() {
	local key
	key=$(get "$1" /swarm | grep -oP '"CertIssuerPublicKey":"\K[^"]*')
	get "$1" /nodes | grep -oF "\"CertIssuerPublicKey\":\"$key\"" | wc -l
}
roots() {
	local root
	root=$(get "$1" /swarm | grep -oP '"TrustRoot":"\K[^"]*')
	get "$1" /nodes | grep -oF "\"TrustRoot\":\"$root\"" | wc -l
}
# runs HOST...: the service's containers there.
runs() { for i; do d "$i" ps -q --filter label=com.docker.swarm.service.name=web; done; }
# count NAME: of what the clients counted.
count() { sed -n "s/^$1 //p" "$LAB_TMP/counts"; }

lab_begin 6
kvload_make || exit 1

check "init" sb 1 init --advertise-addr "$(address 1)"
manager=$(token 1 manager) worker=$(token 1 worker)
check "a manager joins" join 2 --token "$manager" "$(address 1)"
check "another one" join 3 --token "$manager" "$(address 1)"
check "a worker" join 4 --token "$worker" "$(address 1)"
check "another one" join 5 --token "$worker" "$(address 2)"
check "five are ready" eventually 10 is 5 ready
check "a service runs" sb 1 service create --name web --mode global --publish 8080:80 lab/box
check "all tell of the one root" is "5 5" echo "$(certs 1) $(roots 1)"

first=$(root 1) ran=$(runs 1 2 3 4 5) ends=()
for i in 1 2 3; do ends+=("/proc/$("$LAB" pid $i)/root/run/swarmbox/docker.sock"); done
"$KVLOAD" --clients 12 --seconds 10 "${ends[@]}" >"$LAB_TMP/counts" 2>&1 &
load=$!
check "under load the root is replaced" has "certificates: 5/5 nodes, .* 5/5 nodes" rotate 1
second=$(root 3)
check "by another one" not [ "$first" = "$second" ]
check "which is every manager's" is "$second" root 1
check "and again, from another manager" rotate 2
check "and its certificates" rotate 3 --cert-expiry 24h
check "all tell of it" is "5 5" echo "$(certs 2) $(roots 2)"
wait $load
check "many requests were made" [ "$(count writes)" -gt 1000 ]
check "none failed" is "0 0 0" echo "$(count refused) $(count unknown) $(count unsent)"
check "all is ready" is 5 ready
check "no container was touched" is "$ran" runs 1 2 3 4 5
check "the old token lets nobody in" fails "old|A valid join token" \
	join 6 --token "$worker" "$(address 1)"

worker=$(token 1 worker) ran=$(runs 1 2 3 5)
sb_kill 4
check "a worker is away: the root is replaced" rotate 1 -d
check "for the others" eventually 10 is 4 certs 2
check "it is waited for" always 2 rotates 3
check "and so it is when it counts as down" eventually 30 is 4 ready
check "whose name is told" has "it waits for $(x 4 hostname) \(down\)" \
	timeout -s INT -k 5 1 "$LAB" x 1 "$SWARMBOX" swarm ca --rotate
check "the newest one is on its way" eventually 10 is 4 certs 2
check "a token still lets in" join 6 --token "$worker" "$(address 2)"
check "who has the right certificate" eventually 10 is 5 certs 2
sb_kill 5
sb_kill 1
check "the leader is killed: it goes on" eventually 10 rotates 2
check "the one that was away is back" start 4
check "it was the last" eventually 10 not rotates 2
check "the token is another one now" not [ "$worker" = "$(token 2 worker)" ]
check "who is away at the end comes back" start 5
check "and so does the manager" start 1
check "they are ready" eventually 15 is 6 ready
check "they tell of the new root alone" eventually 10 is 6 roots 1
check "of which their certificates are" is 6 certs 1
check "what ran where nobody was down runs on" is "$ran" runs 1 2 3 5
check "one starts again" sb_kill 4
check "with what it has" start 4
check "and is ready" eventually 10 is 6 ready

lab_end
