"""Consensus beside etcd in one lab host (tools/lab x 1 python3 consensus.py SWARMBOX KVLOAD [PART...]),
three nodes of each on the loopback, on the same disk, one system at a time, by turns; medians.

    writes    256-byte values by HTTP/1.1 with wrk, all at the leader, at 1, 16, 64 and 256 clients
    disks     the same where each sync takes 1 ms and 10 ms longer
    failover  12 clients at all nodes while the leader is killed, stopped, paused
    size      memory, a restart, and a new node, with 100,000 values of 1 KB

Environment: ROUNDS (3) of writes, EACH_S (4) seconds of each, KILLS (50). etcd's own parts are shorter where
its time limits of seconds would only be waited for."""
import json
import os
import signal
import subprocess
import sys
import time

import nodes
from table import middle, pauses, row

ROUNDS = int(os.environ.get("ROUNDS", "3"))
EACH_S = int(os.environ.get("EACH_S", "4"))
KILLS = int(os.environ.get("KILLS", "50"))
CLIENTS = (1, 16, 64, 256)
KEYS, VALUE = 10000, "0123456789abcdef" * 16
OBJECTS, OBJECT_BYTES = 100000, 1024
SCRIPT = nodes.FOLDER + "-wrk.lua"
HISTORY = nodes.FOLDER + "-history"
LUA = """
local made = {}
init = function()
  local headers = {["Content-Type"] = "application/json", ["Host"] = wrk.host}
  for line in io.lines("%s.requests") do
    local method, path, body = line:match("^(%%S+) (%%S+) (.*)$")
    made[#made + 1] = wrk.format(method, path, headers, body)
  end
end
request = function() return made[math.random(#made)] end
done = function(s, latency)
  print(string.format('{"requests":%%d,"us":%%d,"bad":%%d,"p50":%%d,"p99":%%d}', s.requests, s.duration,
    s.errors.status + s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


def write_script(system):
    with open(SCRIPT + ".requests", "w") as file:
        for i in range(KEYS):
            file.write("%s %s %s\n" % system.put("bench-%06d" % i, VALUE))
    with open(SCRIPT, "w") as file:
        file.write(LUA % SCRIPT)


def wrk(system, clients, seconds):
    """Rate, p50 and p99 in ms, CPU in us per write over all nodes, entries per sync of a node."""
    leader = system.leader()
    syncs = nodes.Syncs(system.name)
    cpu = system.cpu_s()
    out = subprocess.run(["wrk", "-t", "1", "-c", str(clients), "-d", "%ds" % seconds, "--timeout", "10s",
                          "-s", SCRIPT, "http://127.0.0.1:%d" % leader.port],
                         check=True, capture_output=True, text=True).stdout
    cpu = system.cpu_s() - cpu
    count = syncs.count()
    syncs.end()
    got = json.loads(out.strip().rsplit("\n", 1)[1])
    if got["bad"] or not got["requests"]:
        raise RuntimeError("%s: %d of %d requests failed" % (system.name, got["bad"], got["requests"]))
    return {"rate": got["requests"] / got["us"] * 1e6, "p50": got["p50"] / 1000, "p99": got["p99"] / 1000,
            "cpu": cpu / got["requests"] * 1e6,
            "batch": got["requests"] * len(system.nodes) / count if count else None}


def kvload(system, *arguments):
    command = [KVLOAD, "--dialect", system.DIALECT] + list(arguments)
    command += ["127.0.0.1:%d" % node.port for node in system.nodes]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def counts(load):
    out = load.communicate()[0]
    return {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in out.splitlines()}


def fill(system, count, size, prefix="f"):
    got = counts(kvload(system, "--fill", str(count), "--size", str(size), "--clients", "64",
                        "--prefix", prefix))
    if int(got["writes"]) < count:
        raise RuntimeError("%s: %s of %d writes" % (system.name, got["writes"], count))


# ---- writes, disks ----

def measure_writes(systems, rounds, delay_us=0, clients=CLIENTS):
    """{(system, clients): [what wrk() returns]}"""
    found = {}
    for _ in range(rounds):
        for system in systems:
            write_script(system)
            system.fresh(delay_us=delay_us)
            for count in clients:
                found.setdefault((system.name, count), []).append(wrk(system, count, EACH_S))
            system.end()
    return found


def print_writes(found, clients, field, what, goals, form="%.0f"):
    for count in clients:
        ours, peer = (middle([m[field] for m in found.get((name, count), [])])
                      for name in ("swarmbox", "etcd"))
        row(what % count, ours, peer, goals.get(count, ""), form)


def part_writes(systems):
    found = measure_writes(systems, ROUNDS)
    print_writes(found, CLIENTS, "rate", "writes/s, %d clients",
                 {1: "goal 2.1 x", 16: "goal 1.9 x", 64: "goal 4.2 x", 256: "goal 3.7 x"})
    print_writes(found, CLIENTS, "p50", "  p50 at %d (ms)", {64: "goal 2.5"}, "%.2f")
    print_writes(found, CLIENTS, "p99", "  p99 at %d (ms)", {64: "goal 10, below etcd's"}, "%.2f")
    print_writes(found, CLIENTS, "cpu", "  CPU at %d (us/write, 3 nodes)", {64: "goal 50"})
    print_writes(found, CLIENTS, "batch", "entries per sync, %d clients", {64: "goal 16"}, "%.1f")
    size = {}
    for system in systems:
        system.fresh()
        before = system.log_bytes(system.leader())
        fill(system, 5000, len(VALUE))
        size[system.name] = (system.log_bytes(system.leader()) - before) / 5000
        system.end()
    row("log bytes per write, 64 clients", size.get("swarmbox"), size.get("etcd"), "goal 320")


def part_disks(systems):
    for ms in (1, 10):
        clients = (1, 64, 256)
        found = measure_writes(systems, 1, ms * 1000, clients)
        print_writes(found, clients, "rate", "writes/s, %%d clients, +%d ms" % ms, {})
        print_writes(found, clients, "p50", "  p50 at %%d, +%d ms (ms)" % ms, {}, "%.1f")


# ---- failover ----

def measure_failover(system, rounds, act, undo, settle_s):
    """What pauses() returns for each round, and the requests that failed. act and undo take a node."""
    system.fresh()
    load = kvload(system, "--clients", "12", "--rate", "3000", "--write-only", "--retry-ms", "2",
                  "--turn-ms", "1000000", "--timeout-ms", "300", "--history", HISTORY)
    moments = []
    time.sleep(1)
    for _ in range(rounds):
        leader = system.leader()
        begin = time.monotonic_ns()
        act(leader)
        time.sleep(settle_s)
        moments.append((begin, time.monotonic_ns()))
        undo(leader)
        nodes.wait_for("%s whole again" % system.name, 30, system.whole)
        time.sleep(0.3)
    load.send_signal(signal.SIGTERM)
    got = counts(load)
    if "complaint" in got:
        print("  %s: %s" % (system.name, got["complaint"]))
    system.end()
    return pauses(HISTORY, moments), int(got["refused"]) + int(got["unknown"])


def part_failover(systems):
    kinds = (
        ("kill -9", signal.SIGKILL, KILLS, 7, "goal 150, worst 500"),
        ("SIGTERM", signal.SIGTERM, 10, 5, "goal gap 30, none failed"),
        ("SIGSTOP", signal.SIGSTOP, 5, 3, "goal 1000"),
    )
    for name, sig, ours_rounds, peer_rounds, goal in kinds:
        found = {}
        for system in systems:
            rounds = ours_rounds if system.name == "swarmbox" else peer_rounds
            if sig == signal.SIGSTOP:
                def act(node):
                    node.send(signal.SIGSTOP)

                def undo(node):
                    node.send(signal.SIGCONT)
            else:
                def act(node, sig=sig):
                    node.end(sig)

                undo = system.start
            settle = 0.5 if system.name == "swarmbox" and sig != signal.SIGSTOP else 3
            found[system.name] = measure_failover(system, rounds, act, undo, settle)
        values = [found.get(n, ((), None)) for n in ("swarmbox", "etcd")]
        which = 1 if sig == signal.SIGTERM else 0
        row("leader %s to a write (ms)" % name, *(middle([p[which] for p in v[0]]) for v in values), goal,
            "%.1f")
        row("  worst", *(max((p[which] for p in v[0]), default=None) for v in values), "", "%.1f")
        if sig == signal.SIGTERM:
            row("  requests failed", *(v[1] for v in values), "")


# ---- size ----

def measure_restart(system, rounds):
    """Seconds from exec of a killed follower until it answers a consistent read."""
    found = []
    for _ in range(rounds):
        leader = system.leader()
        node = next(n for n in system.nodes if n is not leader)
        node.end()
        begin = time.monotonic()
        system.start(node)
        nodes.wait_for("restart", 60, lambda node=node: system.serves(node), 0.002)
        found.append(time.monotonic() - begin)
        time.sleep(0.5)
    return middle(found)


def part_size(systems):
    found = {}
    for system in systems:
        system.fresh()
        time.sleep(2)
        got = {"idle": max(node.memory_mib() for node in system.nodes)}
        fill(system, OBJECTS, OBJECT_BYTES)
        time.sleep(3)
        got["full"] = max(node.memory_mib() for node in system.nodes)
        got["peak"] = max(node.memory_mib("VmHWM") for node in system.nodes)
        got["restart"] = measure_restart(system, 5)
        got["join"] = system.add("f-%07d" % (OBJECTS - 1))
        found[system.name] = got
        system.end()
    for field, what, goal, form in (
            ("idle", "memory of a node, idle (MiB)", "goal 6", "%.1f"),
            ("full", "  with 100,000 x 1 KB (MiB)", "goal 140", "%.0f"),
            ("peak", "  at its peak (MiB)", "", "%.0f"),
            ("restart", "restart with them (s)", "goal 0.4", "%.2f"),
            ("join", "a new node has them, votes (s)", "goal 2", "%.2f")):
        row(what, *(found.get(n, {}).get(field) for n in ("swarmbox", "etcd")), goal, form)


PARTS = {"writes": part_writes, "disks": part_disks, "failover": part_failover, "size": part_size}


def main():
    systems = [nodes.Etcd(), nodes.Swarmbox(SWARMBOX)]
    only = os.environ.get("ONLY_SYSTEM")
    systems = [system for system in systems if only in (None, system.name)]
    try:
        for name in sys.argv[3:] or PARTS:
            PARTS[name](systems)
    finally:
        for system in systems:
            system.end()


SWARMBOX, KVLOAD = sys.argv[1:3]
main()
