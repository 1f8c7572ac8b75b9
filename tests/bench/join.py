"""Nodes that join, beside Docker's own swarm mode: join.py LAB SWARMBOX ROUNDS, in a lab of three
hosts that is up. In each round both make a swarm of the same hosts, one after the other: init, then a
worker, then a manager. A join is timed from the command, or the call, until the first manager's
list of nodes has the node as ready, or as reachable, asked every 2 ms, and for a manager until it
answers for the swarm by itself. Medians are printed. VERBOSE: all of them."""
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time

from table import middle, row

LAB, SWARMBOX, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
WAIT_S, EVERY_S = 60, 0.002
PORT = 2377


def lab(*arguments):
    return subprocess.run([LAB] + [str(a) for a in arguments], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


PIDS = {i: lab("pid", i) for i in (1, 2, 3)}
IPS = {i: lab("ip", i) for i in (1, 2, 3)}


class Unix(http.client.HTTPConnection):
    """The API of host i: a socket below its /run."""

    def __init__(self, i, path):
        super().__init__("localhost", timeout=WAIT_S)
        self.path = "/proc/%s/root/run/%s" % (PIDS[i], path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def call(conn, method, path, body=None):
    conn.request(method, "/v1.41" + path, json.dumps(body) if body is not None else None,
                 {"Content-Type": "application/json"})
    answer = conn.getresponse()
    data = answer.read()
    if answer.status >= 300:
        raise RuntimeError("%s %s: %s %s" % (method, path, answer.status, data[:200]))
    return json.loads(data) if data.strip() else None


class Docker:
    SOCKET = "docker.sock"

    def init(self):
        call(Unix(1, self.SOCKET), "POST", "/swarm/init", {
            "ListenAddr": "0.0.0.0:%d" % PORT, "AdvertiseAddr": IPS[1]})

    def join(self, i, token):
        call(Unix(i, self.SOCKET), "POST", "/swarm/join", {
            "ListenAddr": "0.0.0.0:%d" % PORT, "AdvertiseAddr": IPS[i],
            "RemoteAddrs": ["%s:%d" % (IPS[1], PORT)], "JoinToken": token})

    def leave(self, i):
        call(Unix(i, self.SOCKET), "POST", "/swarm/leave?force=1")


class Swarmbox:
    SOCKET = "swarmbox/docker.sock"

    def run(self, i, *arguments):
        subprocess.run(["nsenter", "-t", PIDS[i], "-m", "-u", "-i", "-n", "-p", "-r", SWARMBOX] +
                       list(arguments), check=True, stdout=subprocess.DEVNULL)

    def init(self):
        self.run(1, "init", "--advertise-addr", IPS[1])

    def join(self, i, token):
        self.run(i, "join", "--advertise-addr", IPS[i], "--token", token, IPS[1])

    def leave(self, i):
        self.run(i, "leave", "--force")


def is_ready(node):
    return node["Status"]["State"] == "ready"


def is_reachable(node):
    return is_ready(node) and (node.get("ManagerStatus") or {}).get("Reachability") == "reachable"


def serves(system, i):
    """A manager answers for the swarm by itself."""
    try:
        return call(Unix(i, system.SOCKET), "GET", "/nodes")
    except (OSError, RuntimeError, http.client.HTTPException):
        return None


def timed(system, i, token, wanted):
    """One join, in ms: until it is listed, until it serves."""
    api, failed = Unix(1, system.SOCKET), []
    known = {node["ID"] for node in call(api, "GET", "/nodes")}

    def join():
        try:
            system.join(i, token)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            failed.append(error)

    thread = threading.Thread(target=join)
    begin = time.monotonic()
    thread.start()
    times = []
    for ask in (lambda: any(wanted(node) for node in call(api, "GET", "/nodes")
                            if node["ID"] not in known),
                lambda: wanted is not is_reachable or serves(system, i)):
        while not ask():
            if failed or time.monotonic() > begin + WAIT_S:
                raise RuntimeError("host %d did not join: %s" % (i, failed))
            time.sleep(EVERY_S)
        times.append(1000 * (time.monotonic() - begin))
    thread.join()
    return times


def one_round(system):
    """init, a worker, a manager; in ms."""
    begin = time.monotonic()
    system.init()
    times = [1000 * (time.monotonic() - begin)]
    tokens = call(Unix(1, system.SOCKET), "GET", "/swarm")["JoinTokens"]
    time.sleep(1)       # what follows an init is done
    times.append(timed(system, 2, tokens["Worker"], is_ready)[0])
    times += timed(system, 3, tokens["Manager"], is_reachable)
    for i in (3, 2, 1):
        system.leave(i)
    time.sleep(1)       # and what follows a leave
    return times


def main():
    found = {"docker": [], "swarmbox": []}
    for _ in range(ROUNDS):
        found["docker"].append(one_round(Docker()))
        found["swarmbox"].append(one_round(Swarmbox()))
    if os.environ.get("VERBOSE"):
        print(found)
    for n, (what, goal) in enumerate((("init, three hosts (ms)", 100),
                                      ("worker joins until ready (ms)", 100),
                                      ("manager joins until reachable (ms)", 300),
                                      ("  until it serves the API (ms)", 300))):
        row(what, middle([times[n] for times in found["swarmbox"]]),
            middle([times[n] for times in found["docker"]]), "goal %d ms" % goal,
            name="docker's swarm mode")


main()
