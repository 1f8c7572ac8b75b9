"""updates.py N: makes the service "busy" in swarmbox and updates it N times, one after the other, so
that the log grows past what a snapshot waits for. Label n says which update was the last."""
import http.client
import json
import socket
import sys


class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/swarmbox/docker.sock")


def call(conn, method, path, body=None):
    conn.request(method, path, json.dumps(body) if body is not None else None,
                 {"Content-Type": "application/json"})
    answer = conn.getresponse()
    data = answer.read()
    if answer.status >= 300:
        sys.exit("%s %s: %s %s" % (method, path, answer.status, data[:200]))
    return json.loads(data) if data.strip() else None


def main():
    conn = Unix("d")
    spec = {"Name": "busy", "Labels": {}, "Mode": {"Replicated": {"Replicas": 0}},
            "TaskTemplate": {"ContainerSpec": {"Image": "lab/box"}}}
    made = call(conn, "POST", "/services/create", spec)["ID"]
    for n in range(1, int(sys.argv[1]) + 1):
        version = call(conn, "GET", "/services/" + made)["Version"]["Index"]
        spec["Labels"] = {"n": str(n)}
        call(conn, "POST", "/services/%s/update?version=%d" % (made, version), spec)


main()
