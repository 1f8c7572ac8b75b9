#!/bin/bash
# Bad input: one line that names what and where, a non-zero exit, and the state as it was.
. "$(dirname "$0")/lib.sh"
lab_begin 1

x 1 sh -c 'mkdir -p /tmp/other && echo hello >/tmp/other/file'
check "no engine socket" fails 'no container engine at unix:///nowhere.*--engine' \
	sb 1 init --engine unix:///nowhere
check "a socket that refuses" fails 'no container engine' x 1 bash -c "
	python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind(\"/run/dead\")'
	'$SWARMBOX' init --engine unix:///run/dead"
check "a data folder that is not ours" fails '/tmp/other' sb 1 init --data-dir /tmp/other
check "which is left alone" is hello x 1 cat /tmp/other/file
check "no manager" fails 'cannot reach the manager' sb 1 service ls
check "a manager without a node" fails 'swarmbox init' sb 1 manager

check "init" sb 1 init
check "init again" fails 'already part of a swarm' sb 1 init
check "a second daemon on the folder" fails 'lock|run|daemon' sb 1 manager --run-dir /run/second
check "a service to be in the way" sb 1 service create --name web --publish 8080:80 lab/box
state() { sb 1 service ls; sb 1 service ps web -q; sb 1 network ls; }
before=$(state)
y() { printf '%b' "$1" >"$LAB_TMP/bad.yml"; }
deploy() { sb 1 stack deploy -c "$LAB_TMP/bad.yml" bad; }

# As fails, when lines of progress may come before the error.
fails_last() {
	local want=$1 got
	shift
	got=$("$@" 2>&1) && { echo "wanted: a failure; got: $got"; return 1; }
	tail -n 1 <<<"$got" | grep -qE -- "$want" || { echo "wanted: $want; got: $got"; return 1; }
}
y 'services:\n  web:\n    image: "x\n'
check "broken YAML" fails 'bad.yml:[0-9]+:[0-9]+' deploy
python3 -c "print('a: ' + '[' * 10000 + ']' * 10000)" >"$LAB_TMP/bad.yml"
check "10,000-deep YAML" fails 'bad.yml.*deep|bad.yml.*nest' deploy
python3 - >"$LAB_TMP/bad.yml" <<'P'
print("a0: &a0 [x, x, x, x, x, x, x, x, x, x]")
for i in range(1, 12):
    print("a%d: &a%d [%s]" % (i, i, ", ".join(["*a%d" % (i - 1)] * 10)))
P
check "an alias bomb" fails 'bad.yml' deploy
y 'version: "3"\nservices:\n  web:\n    image: lab/box\n    colour: red\n'
check "an unknown key" fails 'bad.yml:5:5.*colour' deploy
y 'version: "3"\nservices:\n  web:\n    image: lab/box\n    ports: ["70000:80"]\n'
check "a port out of range" fails 'bad.yml:5:.*70000' deploy
y 'version: "3"\nservices:\n  web:\n    image: lab/box\n    ports: ["8080:80"]\n'
check "a port that is taken" fails "8080.*already in use by service '?web" deploy
y 'version: "3"\nservices:\n  web:\n    image: "Bad Image"\n'
check "a bad image name in a file" fails 'Bad Image' deploy
y 'version: "3"\nservices:\n  web:\n    image: lab/box\n    deploy: {placement: {constraints: ["x"]}}\n'
check "what only the manager can refuse" fails_last 'constraint.*removed again' deploy
y 'version: "3"\nservices:\n  web:\n    image: ${NOT_SET:?set it first}\n'
check "a variable that must be set" fails 'bad.yml:4:.*set it first' deploy

create() { sb 1 service create --detach "$@"; }
check "a bad image name" fails 'UPPER' create --name a UPPER:x:y
check "a taken port" fails 'already in use' create --name a -p 8080:80 lab/box
check "a port out of range by flag" fails '70000' create --name a -p 70000:80 lab/box
check "a name over 63 characters" fails '63' create --name "$(printf 'a%.0s' $(seq 64))" lab/box
check "a name with forbidden characters" fails 'DNS|name' create --name 'a b' lab/box
check "a taken name" fails 'already exists|conflicts' create --name web lab/box
check "too little memory" fails 'emory' create --name a --limit-memory 1k lab/box
check "an unknown network" fails 'nope' create --name a --network nope lab/box
check "an unknown flag" fails '' bash -c "! '$LAB' x 1 '$SWARMBOX' service create --nope x 2>&1 |
	head -1; exit 1"
check "an unknown service" fails 'nope' sb 1 service rm nope
clean() { [ "$(state)" = "$before" ] || { diff <(echo "$before") <(state); return 1; }; }
check "nothing of this left a trace" clean

# The API's socket, spoken to badly.
raw() { x 1 timeout 20 python3 - "$1" <<'P'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("/run/swarmbox/docker.sock")
s.sendall(sys.argv[1].encode().decode("unicode_escape").encode("latin-1"))
print(s.recv(65536).decode("latin-1").split("\r\n")[0])
P
}
check "a bad length" has ' 400 ' raw 'POST /services/create HTTP/1.1\r\nHost: d\r\nContent-Length: -1\r\n\r\n'
check "length and chunked" has ' 400 ' raw 'POST /services/create HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
check "a huge head" has ' 431 ' raw "GET /info HTTP/1.1\r\nHost: d\r\nX: $(printf 'a%.0s' $(seq 20000))"
check "a body that is too large" has ' 413 ' raw 'POST /services/create HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999\r\n\r\n'
check "no JSON" has 'HTTP/1.1 400' raw 'POST /services/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{"a'
drip() { x 1 timeout 20 python3 - <<'P'
import socket, time
s = socket.socket(socket.AF_UNIX)
s.connect("/run/swarmbox/docker.sock")
start = time.time()
try:
    for c in b"GET /info HTTP/1.1\r\nHost: dddddddddddddddddddddddddddddddd":
        s.sendall(bytes([c]))
        s.settimeout(0.4)
        try:
            if b" 408 " in s.recv(4096):
                break
        except socket.timeout:
            pass
except BrokenPipeError:
    pass
took = time.time() - start
print("cut after %.0f s" % took)
assert 8 < took < 13
P
}
check "a drip feed is cut off after 10 s" drip
idle() { x 1 timeout 30 python3 - <<'P'
import socket, subprocess, os
conns = []
for i in range(1000):
    s = socket.socket(socket.AF_UNIX)
    s.connect("/run/swarmbox/docker.sock")
    conns.append(s)
s = socket.socket(socket.AF_UNIX)
s.settimeout(2)
s.connect("/run/swarmbox/docker.sock")
s.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
assert b"200 OK" in s.recv(4096)
P
}
check "1,000 idle connections keep nobody out" idle
check "after all this the state is the same" clean
check "and the daemon runs" has '1/1' sb 1 service ls
check "leave" sb 1 leave --force

# A full disk: a tmpfs of 3 MiB for the data.
x 1 sh -c 'mkdir -p /tmp/small && mount -t tmpfs -o size=3m tmpfs /tmp/small'
check "init on a small disk" sb 1 init --data-dir /tmp/small
check "a service on it" sb 1 service create --detach --replicas 0 --name first lab/box
fill() {
	local i out
	x 1 sh -c 'cat /dev/zero >/tmp/small/ballast 2>/dev/null; true'
	for i in $(seq 3000); do
		out=$(sb 1 service create --detach --replicas 0 --name "f$i" \
			--label "pad=$(printf 'x%.0s' $(seq 2000))" lab/box 2>&1) && continue
		echo "$out"
		[ "$(wc -l <<<"$out")" = 1 ] && [[ $out == *"o space left"* ]]
		return
	done
	return 1
}
check "a full disk is said in one line" fill
acked=$(sb 1 service ls -q | wc -l)
check "what runs is still shown" has first sb 1 service ls
check "the node is stopped" sb_kill 1 TERM
x 1 rm /tmp/small/ballast
check "with space again it starts" sb 1 manager --foreground=false --data-dir /tmp/small
count() { sb 1 service ls -q | wc -l; }
kept() { [ "$(count)" -ge "$acked" ]; }
check "and has all it acknowledged" kept
check "and takes changes" sb 1 service create --detach --replicas 0 --name again lab/box
lab_end
