"""Measures orchestration in one lab host (tools/lab x 1 python3 orchestrate.py SWARMBOX ROUNDS):
the same containers by the engine's API alone, by swarmbox, and by Docker's own swarm mode.
All three are timed the same way: from the first request until the engine lists the containers as
running, asked every 5 ms. Rounds alternate; medians are printed."""
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse

ENGINE = "/run/docker.sock"
SWARMBOX = "/run/swarmbox/docker.sock"


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def call(conn, method, path, body=None):
    conn.request(method, path, json.dumps(body) if body is not None else None,
                 {"Content-Type": "application/json"})
    answer = conn.getresponse()
    data = answer.read()
    if answer.status >= 300:
        raise RuntimeError("%s %s: %s %s" % (method, path, answer.status, data[:200]))
    return json.loads(data) if data.strip() else None


def containers(engine, status=None):
    query = "?all=1"
    if status:
        query = "?filters=" + urllib.parse.quote(json.dumps({"status": [status]}))
    return call(engine, "GET", "/v1.41/containers/json" + query)


def wait(engine, count, status=None):
    end = time.time() + 60
    while len(containers(engine, status)) != count:
        if time.time() > end:
            raise RuntimeError("%d containers never came" % count)
        time.sleep(0.005)


def direct(engine, count):
    start = time.time()
    ids = []
    for i in range(count):
        spec = {"Image": "lab/box", "HostConfig": {"NetworkMode": "bridge"}}
        ids.append(call(engine, "POST", "/v1.41/containers/create?name=d%d" % i, spec)["Id"])
        call(engine, "POST", "/v1.41/containers/%s/start" % ids[-1], {})
    wait(engine, count, "running")
    took = time.time() - start
    for i in ids:
        call(engine, "DELETE", "/v1.41/containers/%s?force=1" % i)
    wait(engine, 0)
    return took


def service(engine, api, count):
    spec = {"Name": "b", "Labels": {}, "Mode": {"Replicated": {"Replicas": count}},
            "TaskTemplate": {"ContainerSpec": {"Image": "lab/box"}}}
    start = time.time()
    made = call(api, "POST", "/v1.41/services/create", spec)["ID"]
    wait(engine, count, "running")
    took = time.time() - start
    call(api, "DELETE", "/v1.41/services/" + made)
    wait(engine, 0)
    return took


def rss(names):
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.readlink("/proc/%s/exe" % pid).rsplit("/", 1)[-1]
            if exe in names:
                for line in open("/proc/%s/smaps_rollup" % pid):
                    if line.startswith("Rss:"):
                        total += int(line.split()[1])
        except OSError:
            pass
    return total / 1024


def median(values):
    return statistics.median(values)


def row(what, ours, peer, text, goal):
    print("%-34s %10s %10s  %6.2f  %-28s %s" % (what, ours, peer[0], peer[1], text, goal))


def init_swarmbox(binary):
    start = time.time()
    subprocess.run([binary, "init"], check=True, stdout=subprocess.DEVNULL)
    return time.time() - start


def leave_swarmbox(binary):
    subprocess.run([binary, "leave", "--force"], check=True, stdout=subprocess.DEVNULL)


def main():
    binary, rounds = sys.argv[1], int(sys.argv[2])
    engine = Unix(ENGINE)
    times = {"init": [], "swarm init": []}
    for _ in range(rounds):
        times["init"].append(init_swarmbox(binary))
        leave_swarmbox(binary)
        start = time.time()
        call(engine, "POST", "/v1.41/swarm/init", {
            "ListenAddr": "127.0.0.1:2399", "AdvertiseAddr": "127.0.0.1"})
        times["swarm init"].append(time.time() - start)
        call(engine, "POST", "/v1.41/swarm/leave?force=1")
    before = rss({"dockerd"})
    init_swarmbox(binary)
    time.sleep(1)
    idle = rss({"swarmbox"})
    api = Unix(SWARMBOX)
    for count in (1, 20):
        for name in ("direct", "ours", "docker"):
            times[name, count] = []
    for _ in range(rounds):
        for count in (1, 20):
            times["direct", count].append(direct(engine, count))
            times["ours", count].append(service(engine, api, count))
    leave_swarmbox(binary)
    call(engine, "POST", "/v1.41/swarm/init", {
        "ListenAddr": "127.0.0.1:2399", "AdvertiseAddr": "127.0.0.1"})
    time.sleep(1)
    swarm = rss({"dockerd"}) - before
    for _ in range(rounds):
        for count in (1, 20):
            times["docker", count].append(service(engine, engine, count))
    call(engine, "POST", "/v1.41/swarm/leave?force=1")

    ms = {k: 1000 * median(v) for k, v in times.items()}
    row("init to ready (ms)", "%.0f" % ms["init"],
        ("%.0f" % ms["swarm init"], ms["init"] / ms["swarm init"]), "docker swarm init",
        "goal 100 ms")
    row("idle memory, all processes (MiB)", "%.1f" % idle,
        ("%.1f" % swarm, idle / swarm if swarm > 0 else 0), "dockerd, swarm mode on - off",
        "goal 6 MiB")
    for count, what in ((1, "service create to running (ms)"), (20, "20 replicas running (ms)")):
        row(what, "%.0f" % ms["ours", count],
            ("%.0f" % ms["direct", count], ms["ours", count] / ms["direct", count]),
            "engine's API, one by one", "goal 1.20")
        row("", "", ("%.0f" % ms["docker", count], ms["ours", count] / ms["docker", count]),
            "docker's swarm mode", "")


main()
