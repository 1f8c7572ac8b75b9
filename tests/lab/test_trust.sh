#!/bin/bash
# Who may join, stay, and be listened to on the cluster port: a swarm on three hosts, somebody else's
# on the fourth; the fifth is a worker.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

managers() { sb 1 node ls --format json | grep -o '"ManagerStatus":"[LR]e[a-z]*"' | wc -l; }
logged() { x 1 grep -q "$1" /run/swarmbox/swarmbox.log; }
# keys_readable I: is a key to be read in host I's data folder?
keys_readable() { x "$1" grep -rqa 'PRIVATE KEY' /var/lib/swarmbox; }
modes() { x "$1" sh -c 'cd /var/lib/swarmbox && stat -c %a identity key | xargs'; }
# say_plain TEXT: what host 1's cluster port answers to it, sent at once: bash's printf sends lines.
say_plain() {
	x 2 timeout 3 bash -c "exec 3<>/dev/tcp/$("$LAB" ip 1)/2377; cat <<<\$'$1' >&3; cat <&3"
}

lab_begin 5

check "init" sb 1 init --advertise-addr "$(address 1)"
check "another swarm" sb 4 init --advertise-addr "$(address 4)"
manager=$(token 1 manager)
worker=$(token 1 worker)
other=$(token 4 manager)
check "tokens have docker's form" has '^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$' echo "$manager"
check "each swarm and role has its own" [ "$(sort -u <<<"$manager
$worker
$other" | wc -l)" = 3 ]

check "no token" fails "a token is needed" join 2 "$(address 1)"
check "what is no token" fails "no join token" join 2 --token SWMTKN-1-x "$(address 1)"
check "a wrong secret" fails "A valid join token" \
	join 2 --token "${manager%?????}00000" "$(address 1)"
check "another swarm's token" fails "is not of the swarm" join 2 --token "$other" "$(address 1)"
check "what was refused is in the log" logged "no certificate is given: .*A valid join token"
check "the tokens are not" not logged SWMTKN
check "nobody came in" is 1 managers
check "and nothing is left of it" not x 2 test -e /var/lib/swarmbox/node.json

check "the token lets it in" join 2 --token "$manager" "$(address 1)"
check "it is a manager" eventually 10 is 2 managers
check "two managers are warned of" has "two managers are worse than one" sb 1 info
check "its files are its own" is "600 600" modes 2
check "its key is sealed" not keys_readable 2
check "so is the authority's" not keys_readable 1

new=$(token 1 --rotate manager)
check "a token can be replaced" not [ "$new" = "$manager" ]
check "the old one lets nobody in" fails "A valid join token" \
	join 3 --token "$manager" "$(address 1)"
check "the new one does, at any manager" join 3 --token "$new" "$(address 2)"
check "there are three" eventually 10 is 3 managers
check "of which nothing warns" not has "WARNING" sb 1 info

# Lives of a minute: host 3 joins again with such a one, all others get such ones with the root that
# is replaced, and each has its next one before it ends. Clients see nothing of it.
renewals() { x "$1" grep -c "has its next certificate" /run/swarmbox/swarmbox.log; }
renewed() {
	local i
	for i in 1 2 3; do [ "$(renewals $i)" -gt "${before[i]}" ] || return 1; done
}
# count NAME: of what the clients counted.
count() { sed -n "s/^$1 //p" "$LAB_TMP/counts"; }
check "the shortest life of certificates" fails "minimum certificate expiry time is: 1m0s" \
	sb 1 swarm update --cert-expiry 59s
check "another can be set" sb 1 swarm update --cert-expiry 1m
gone=$(sb 3 node inspect self | grep -oP -m1 '"ID": ?"\K[^"]*')
check "host 3 leaves" sb 3 leave --force
check "and is removed" eventually 20 sb 1 node rm "$gone"
check "it joins again" join 3 --token "$new" "$(address 1)"
check "it is a manager again" eventually 10 is 3 managers
kvload_make || exit 1
ends=()
for i in 1 2 3; do ends+=("/proc/$("$LAB" pid $i)/root/run/swarmbox/docker.sock"); done
"$KVLOAD" --clients 6 --rate 300 --seconds 66 "${ends[@]}" >"$LAB_TMP/counts" 2>&1 &
load=$!
check "all have certificates of a minute" sb 1 swarm ca --rotate -q
began=$SECONDS
# A worker, and another swarm's only manager, are away for longer than theirs last.
check "a worker joins" join 5 --token "$(token 1 worker)" "$(address 1)"
sb_kill 5
sb 4 swarm update --cert-expiry 1m && check "host 4 has such a one, too" sb 4 swarm ca --rotate -q
sb_kill 4
check "a token is replaced meanwhile" sb 2 swarm join-token --rotate -q worker
while [ $((SECONDS - began)) -lt 20 ]; do sleep 1; done
before=(0 "$(renewals 1)" "$(renewals 2)" "$(renewals 3)")
check "their certificates are renewed in time" eventually 40 renewed
while [ $((SECONDS - began)) -lt 62 ]; do sleep 1; done
check "past the end of the first all are managers" is 3 managers
wait $load
check "many requests were made meanwhile" [ "$(count writes)" -gt 5000 ]
check "none failed" is "0 0 0" echo "$(count refused) $(count unknown) $(count unsent)"
check "the worker was away for too long" fails "has ended, it was away for too long" start 5
check "it says so" has "away for too long" sb 5 info
check "it leaves" sb 5 leave --force
check "and joins again" join 5 --token "$(token 1 worker)" "$(address 1)"
check "a manager that is alone starts all the same" start 4
check "and certifies itself" eventually 15 \
	x 4 sh -c 'tail -n 20 /run/swarmbox/swarmbox.log | grep -q "has its next certificate"'
check "and lets others in" sb 4 node ls
check "one is killed" sb_kill 3
check "it starts" sb 3 manager --foreground=false
check "and is let in" eventually 10 is 3 managers
check "no user has a certificate by a node's name" fails 404 \
	x 2 curl -s -f -S --unix-socket /run/swarmbox/docker.sock -X POST -d '{"CSR":"x"}' \
	http://d/swarm/enrol/x

check "plain HTTP gets no answer" is "" say_plain 'GET /swarm HTTP/1.1\r\nHost: x\r\n\r\n'
said() { say_plain 'GET / HTTP/1.1\r\n\r\n' >/dev/null; logged "not TLS"; }
check "and is in the log" eventually 5 said
lab_end
