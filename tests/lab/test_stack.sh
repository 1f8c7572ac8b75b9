#!/bin/bash
# The seed's stack: limits as the engine has them, every task in turn, nothing left after rm.
. "$(dirname "$0")/lib.sh"
lab_begin 1

cat >"$LAB_TMP/seed.yml" <<'Y'
version: "3"
services:
  web:
    image: ${IMAGE:-lab/box}
    deploy:
      replicas: 5
      resources:
        limits:
          cpus: "0.1"
          memory: 50M
      restart_policy:
        condition: on-failure
    ports:
      - "4000:80"
    networks:
      - webnet
networks:
  webnet:
Y
cat >"$LAB_TMP/vote.yml" <<'Y'
version: "3.9"
services:
  redis:
    image: lab/box
    networks: [frontend]
  db:
    image: lab/box
    environment:
      POSTGRES_USER: "postgres"
    volumes:
      - db-data:/var/lib/data
    networks: [backend]
  vote:
    image: lab/box
    ports:
      - 8080:80
    networks: [frontend]
    deploy:
      replicas: 2
  worker:
    image: lab/box
    networks: [frontend, backend]
    deploy:
      replicas: 2
networks:
  frontend:
  backend:
volumes:
  db-data:
Y

containers() { d 1 ps -aq | wc -l; }
answers() { x 1 bash -c 'for i in $(seq 20); do curl -s -m 5 localhost:4000/cgi-bin/who; done' | sort -u | wc -l; }
limits() { d 1 inspect -f '{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}' $(d 1 ps -q) | sort -u; }
listening() { x 1 cat /proc/net/tcp | awk '$4 == "0A" {print $2}' | grep -ci ":$(printf %04X "$1")" || true; }
networks() { d 1 network ls -q --filter label=com.docker.swarm.network.id | wc -l; }

check "init" sb 1 init
check "the seed's stack is deployed" sb 1 stack deploy -c "$LAB_TMP/seed.yml" s
check "five run" eventually 30 is 5 running 1
check "with the limits of the file" is "100000000 52428800" limits
check "stack services shows 5/5" eventually 10 has '5/5' sb 1 stack services s
check "port 4000 is answered by all five" eventually 5 is 5 answers
check "docker's own command sees the service" has 's_web +replicated +5/5' api 1 service ls
check "deploying again changes nothing" sb 1 stack deploy -c "$LAB_TMP/seed.yml" s
ids=$(d 1 ps -q | sort)
check "and the containers stay" always 1 is "$ids" bash -c "'$LAB' d 1 ps -q | sort"
check "stack rm" sb 1 stack rm s
check "leaves no container" eventually 5 is 0 containers
check "no network" eventually 5 is 0 networks
check "and no listening port" eventually 3 is 0 listening 4000

check "the voting app's shape is deployed" sb 1 stack deploy -c "$LAB_TMP/vote.yml" v
check "six run" eventually 30 is 6 running 1
first() { d 1 ps -q --filter "name=$1" | head -1; }
resolves() { d 1 exec "$(first v_vote)" nslookup redis; }
check "a service name resolves on the shared network" eventually 5 has 'Address.*10\.' resolves
hidden() { d 1 exec "$(first v_vote)" nslookup db; }
check "and not on another" not hidden
check "the volume carries the stack's name" has v_db-data d 1 volume ls
check "stack ls counts the services" has 'v +4' sb 1 stack ls
check "stack rm, the second time" sb 1 stack rm v
check "leaves no container again" eventually 5 is 0 containers

check "leave needs --force" fails 'force' sb 1 leave
check "leave" sb 1 leave --force
check "no network of ours is left" eventually 5 is 0 networks
check "no process of ours is left" eventually 3 sb_kill 1 0
lab_end
