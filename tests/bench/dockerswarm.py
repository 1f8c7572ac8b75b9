"""Consensus beside Docker's own swarm mode, for the rows it has: dockerswarm.py LAB SWARMBOX KVLOAD,
in a lab of three hosts that is up. A write is a config of 256 bytes there, a value of 256 bytes here.
Environment: EACH_S (5) seconds of writes, KILLS (3) of a leader."""
import os
import signal
import subprocess
import sys
import tempfile
import time

from table import middle, pauses, row

LAB, SWARMBOX, KVLOAD = sys.argv[1:4]
EACH_S, KILLS = int(os.environ.get("EACH_S", "5")), int(os.environ.get("KILLS", "3"))
HOSTS = (1, 2, 3)
WAIT_S = 60


def lab(*arguments, check=True):
    return subprocess.run([LAB] + [str(a) for a in arguments], check=check, text=True,
                          stdout=subprocess.PIPE, stderr=None if check else subprocess.DEVNULL).stdout


class Docker:
    DIALECT, SOCKET = "config", "docker.sock"
    NODES = ("d", "node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}")

    def begin(self):
        lab("d", 1, "swarm", "init", "--advertise-addr", lab("ip", 1).strip())
        token = lab("d", 1, "swarm", "join-token", "-q", "manager").strip()
        for i in HOSTS[1:]:
            lab("d", i, "swarm", "join", "--token", token, lab("ip", 1).strip() + ":2377")

    def stop(self, i, sig):
        lab("kill" if sig == signal.SIGKILL else "stop", i)

    def start(self, i):
        lab("start", i)

    def end(self):
        for i in HOSTS:
            lab("d", i, "swarm", "leave", "--force", check=False)


class Swarmbox:
    DIALECT, SOCKET = "kv", "swarmbox/docker.sock"
    NODES = ("api",) + Docker.NODES[1:]

    def begin(self):
        for i in HOSTS:
            how = ["init"]
            if i > 1:
                token = lab("x", 1, SWARMBOX, "swarm", "join-token", "-q", "manager").strip()
                how = ["join", "--token", token, lab("ip", 1).strip() + ":2377"]
            lab("x", i, SWARMBOX, how[0], "--advertise-addr", lab("ip", i).strip() + ":2377", *how[1:])

    def stop(self, i, sig):
        lab("x", i, "sh", "-c", "p=$(pidof swarmbox); kill -%d $p; while kill -0 $p 2>/dev/null; do "
            "sleep 0.01; done" % sig, check=False)

    def start(self, i):
        lab("x", i, SWARMBOX, "manager", "--foreground=false")

    def end(self):
        pass


def managers(system):
    for i in HOSTS:
        out = lab(system.NODES[0], i, *system.NODES[1:], check=False)
        if out and " Leader" in out:
            return dict(line.split(" ", 1) for line in out.splitlines())
    return {}


def whole(system):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        found = managers(system)
        if sorted(found.values()) == ["Leader", "Reachable", "Reachable"]:
            return next(int(name[1:]) for name, status in found.items() if status == "Leader")
        time.sleep(0.1)
    raise RuntimeError("no swarm of three within %d s" % WAIT_S)


def kvload(system, hosts, *arguments):
    paths = ["/proc/%s/root/run/%s" % (lab("pid", i).strip(), system.SOCKET) for i in hosts]
    return subprocess.Popen([KVLOAD, "--dialect", system.DIALECT, "--write-only", "--settle", "0"] +
                            list(arguments) + paths, stdout=subprocess.PIPE, text=True)


def rate(system, clients):
    out = kvload(system, [whole(system)], "--clients", str(clients), "--seconds", str(EACH_S),
                 "--prefix", "r%d" % clients).communicate()[0]
    counts = dict(line.split(" ", 1) for line in out.splitlines())
    return int(counts["writes"]) / EACH_S


def failover(system, sig, rounds, history):
    moments = []
    load = kvload(system, HOSTS, "--clients", "12", "--rate", "300", "--timeout-ms", "1000",
                  "--history", history, "--prefix", "s%d" % sig)
    time.sleep(1)
    for _ in range(rounds):
        leader = whole(system)
        begin = time.monotonic_ns()
        system.stop(leader, sig)
        # Its time limits are ten seconds and more.
        time.sleep(25 if system.DIALECT == "config" else 2)
        moments.append((begin, time.monotonic_ns()))
        system.start(leader)
        time.sleep(1)
    whole(system)
    load.send_signal(signal.SIGTERM)
    load.communicate()
    return middle([gap for _, gap in pauses(history, moments)])


def main():
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for system in (Docker(), Swarmbox()):
            system.begin()
            found[system.DIALECT] = [rate(system, clients) for clients in (1, 64)] + [
                failover(system, sig, KILLS, folder + "/history")
                for sig in (signal.SIGKILL, signal.SIGTERM)]
            system.end()
    for what, ours, peer in zip(
            ("writes/s, 1 client", "writes/s, 64 clients", "leader kill -9, no writes (ms)",
             "leader SIGTERM, no writes (ms)"), found["kv"], found["config"]):
        row(what, ours, peer, "", name="docker's swarm mode")


main()
