"""Three nodes of swarmbox or of etcd on this machine's loopback, for consensus.py: started, killed,
asked who leads, and what they use. All of it runs in a lab host, so ports and folders are fixed."""
import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import time

FOLDER = "/var/lib/swarmbox/bench"
DELAY = ["strace", "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e"]


def wait_for(what, seconds, ask, every=0.01):
    end = time.monotonic() + seconds
    while True:
        try:
            got = ask()
            if got:
                return got
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            pass
        if time.monotonic() > end:
            raise RuntimeError("%s: not within %d s" % (what, seconds))
        time.sleep(every)


def call(port, method, path, body=None, timeout=2):
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        conn.request(method, path, body)
        answer = conn.getresponse()
        data = answer.read()
    finally:
        conn.close()
    if answer.status >= 300:
        raise ValueError("%s %s: %d %s" % (method, path, answer.status, data[:200]))
    return data


class Node:
    """One process (and its children), which started is exec of."""

    def __init__(self, number, port):
        self.number, self.port, self.process = number, port, None

    def run(self, command, delay_us):
        """delay_us: each sync takes so much longer."""
        if delay_us:
            command = DELAY + ["inject=fdatasync,fsync:delay_exit=%d" % delay_us] + command
        with open("%s/log%d" % (FOLDER, self.number), "a") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def send(self, sig):
        os.kill(self.process.pid, sig)

    def end(self, sig=signal.SIGKILL):
        if self.process is None:
            return
        try:
            self.send(sig)
            if sig == signal.SIGKILL:
                self.send(signal.SIGCONT)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None

    def pids(self):
        todo, found = [self.process.pid], []
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                for task in os.listdir("/proc/%d/task" % pid):
                    with open("/proc/%d/task/%s/children" % (pid, task)) as file:
                        todo += [int(child) for child in file.read().split()]
            except OSError:
                pass
        return found

    def memory_mib(self, field="VmRSS"):
        total = 0
        for pid in self.pids():
            with open("/proc/%d/status" % pid) as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith(field + ":"))
        return total / 1024

    def cpu_s(self):
        ticks = 0
        for pid in self.pids():
            with open("/proc/%d/stat" % pid) as file:
                fields = file.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


class Syncs:
    """Counts the syncs of all processes of one name, by the kernel's own tracing: it costs them
    nothing. count() is None where that cannot be had."""
    ROOT = FOLDER + "-trace"

    def __init__(self, comm):
        os.makedirs(self.ROOT, exist_ok=True)
        self.mounted = subprocess.run(["mount", "-t", "tracefs", "none", self.ROOT],
                                      stderr=subprocess.DEVNULL).returncode == 0
        self.folder = self.ROOT + "/instances/bench%d" % os.getpid()
        if self.mounted:
            os.mkdir(self.folder)
            for event in ("fdatasync", "fsync"):
                self.write("events/syscalls/sys_enter_%s/filter" % event, 'comm == "%s"' % comm)
                self.write("events/syscalls/sys_enter_%s/enable" % event, "1")

    def write(self, path, text):
        with open(os.path.join(self.folder, path), "w") as file:
            file.write(text)

    def count(self):
        if not self.mounted:
            return None
        total = 0
        for cpu in os.listdir(self.folder + "/per_cpu"):
            with open("%s/per_cpu/%s/stats" % (self.folder, cpu)) as file:
                total += sum(int(line.split()[1]) for line in file
                             if line.startswith(("entries:", "overrun:")))
        return total

    def end(self):
        if self.mounted:
            os.rmdir(self.folder)
            subprocess.run(["umount", self.ROOT], check=True)


class System:
    """What both have in common."""
    name = None

    def __init__(self):
        self.nodes, self.delay_us = [], 0

    def fresh(self, count=3, delay_us=0):
        """count new nodes."""
        self.end()
        shutil.rmtree(FOLDER, ignore_errors=True)
        os.makedirs(FOLDER)
        self.delay_us = delay_us
        self.nodes = [Node(i, self.PORT + i) for i in range(1, count + 1)]
        self.begin()
        wait_for(self.name, 60, self.whole)

    def end(self):
        for node in self.nodes:
            node.end()
        self.nodes = []

    def data(self, node):
        return "%s/%s%d" % (FOLDER, self.name, node.number)

    def run(self, node, command):
        node.run(command, self.delay_us)

    def leader(self):
        return wait_for("leader of " + self.name, 30, self.find_leader)

    def cpu_s(self):
        return sum(node.cpu_s() for node in self.nodes)

    def log_bytes(self, node):
        """What its log's files hold, without zeros that were written ahead."""
        total, folder = 0, self.log_folder(node)
        for name in os.listdir(folder):
            if not name.startswith("snapshot"):
                with open(os.path.join(folder, name), "rb") as file:
                    total += len(file.read().rstrip(b"\0"))
        return total


class Etcd(System):
    name, PORT, PEER_PORT = "etcd", 23790, 23800
    DIALECT = "etcd"

    def peers(self, nodes):
        return ",".join("n%d=http://127.0.0.1:%d" % (n.number, self.PEER_PORT + n.number)
                        for n in nodes)

    def start(self, node, state="existing", nodes=()):
        client = "http://127.0.0.1:%d" % node.port
        peer = "http://127.0.0.1:%d" % (self.PEER_PORT + node.number)
        self.run(node, [
            "etcd", "--name", "n%d" % node.number, "--data-dir", self.data(node),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", self.peers(nodes or self.nodes),
            "--initial-cluster-state", state, "--log-level", "error"])

    def begin(self):
        for node in self.nodes:
            self.start(node, "new")

    def status(self, node):
        return json.loads(call(node.port, "POST", "/v3/maintenance/status", "{}"))

    def find_leader(self):
        for node in self.nodes:
            try:
                status = self.status(node)
            except (OSError, ValueError, http.client.HTTPException):
                continue
            for other in self.nodes:
                try:
                    if self.status(other)["header"]["member_id"] == status["leader"]:
                        return other
                except (OSError, ValueError, KeyError, http.client.HTTPException):
                    pass
        return None

    def serves(self, node):
        """It answers a linearizable read."""
        return call(node.port, "POST", "/v3/kv/range", '{"key":"YQ=="}')

    def whole(self):
        return all(self.serves(node) for node in self.nodes)

    def add(self, last_key):
        """A learner; how long until it has all and votes."""
        node = Node(len(self.nodes) + 1, self.PORT + len(self.nodes) + 1)
        peer = "http://127.0.0.1:%d" % (self.PEER_PORT + node.number)
        # It refuses for some seconds after a restart of any node.
        wanted = json.dumps({"peerURLs": [peer], "isLearner": True})
        added = json.loads(wait_for("member add", 30, lambda: call(
            self.nodes[0].port, "POST", "/v3/cluster/member/add", wanted, 10)))
        begin = time.monotonic()
        self.start(node, "existing", self.nodes + [node])
        self.nodes.append(node)
        promote = json.dumps({"ID": added["member"]["ID"]})
        wait_for("promote", 120, lambda: call(
            self.nodes[0].port, "POST", "/v3/cluster/member/promote", promote, 10))
        own = json.dumps({"key": base64.b64encode(last_key.encode()).decode(), "serializable": True})
        wait_for("join", 120, lambda: b'"kvs"' in call(node.port, "POST", "/v3/kv/range", own))
        return time.monotonic() - begin

    def log_folder(self, node):
        return self.data(node) + "/member/wal"

    @staticmethod
    def put(key, value):
        body = json.dumps({"key": base64.b64encode(key.encode()).decode(),
                           "value": base64.b64encode(value.encode()).decode()},
                          separators=(",", ":"))
        return "POST", "/v3/kv/put", body


class Swarmbox(System):
    name, PORT, CLUSTER_PORT = "swarmbox", 23750, 23770
    DIALECT = "kv"

    def __init__(self, binary):
        super().__init__()
        self.binary = binary

    def command(self, node, name, *arguments):
        address = "127.0.0.1:%d" % (self.CLUSTER_PORT + node.number)
        where = [] if name == "manager" else ["--listen-addr", address, "--advertise-addr", address]
        self.run(node, [
            self.binary, "--host", "tcp://127.0.0.1:%d" % node.port, name, "--foreground",
            "--data-dir", self.data(node), "--run-dir", "%s/run%d" % (FOLDER, node.number)] +
            where + list(arguments))

    def start(self, node):
        self.command(node, "manager")

    def join(self, node):
        token = json.loads(call(self.nodes[0].port, "GET", "/swarm"))["JoinTokens"]["Manager"]
        self.command(node, "join", "--token", token, "127.0.0.1:%d" % (self.CLUSTER_PORT + 1))

    def begin(self):
        first = self.nodes[0]
        self.command(first, "init")
        wait_for("init", 30, lambda: self.serves(first))
        for node in self.nodes[1:]:
            self.join(node)
            wait_for("join", 30, lambda node=node: self.is_manager(node))

    def managers(self):
        for node in self.nodes:
            try:
                return [entry["ManagerStatus"] for entry in json.loads(call(node.port, "GET", "/nodes"))
                        if entry.get("ManagerStatus")]
            except (OSError, ValueError, http.client.HTTPException):
                pass
        return []

    def is_manager(self, node):
        port = str(self.CLUSTER_PORT + node.number)
        return any(m["Addr"].endswith(":" + port) and m.get("Reachability") == "reachable"
                   for m in self.managers())

    def find_leader(self):
        for manager in self.managers():
            if manager.get("Leader"):
                number = int(manager["Addr"].rsplit(":", 1)[1]) - self.CLUSTER_PORT
                return self.nodes[number - 1]
        return None

    def serves(self, node):
        try:
            return call(node.port, "GET", "/v1/kv/none?consistent")
        except ValueError as error:
            if " 404 " in str(error):
                return True
            raise

    def whole(self):
        return all(self.is_manager(node) and self.serves(node) for node in self.nodes)

    def add(self, last_key):
        """Another manager; how long until it has all and votes."""
        node = Node(len(self.nodes) + 1, self.PORT + len(self.nodes) + 1)
        begin = time.monotonic()
        self.join(node)
        self.nodes.append(node)
        wait_for("join", 120, lambda: self.is_manager(node) and call(
            node.port, "GET", "/v1/kv/%s?stale" % last_key))
        return time.monotonic() - begin

    def log_folder(self, node):
        return self.data(node) + "/raft"

    @staticmethod
    def put(key, value):
        return "PUT", "/v1/kv/" + key, value
