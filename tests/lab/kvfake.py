"""kvfake.py FAULT SOCKET...: a register server of the kv dialect, in memory, on several sockets, that
does one thing wrong now and then (or nothing: none). What kvload notes and lincheck finds is proved
against it: a check that cannot fail is worth nothing."""
import base64
import http.server
import json
import os
import socketserver
import sys
import threading
import time
import urllib.parse

FAULTS = {
    "none": "",
    "lost": "an acknowledged write is not there",
    "stale": "one endpoint reads what was true a little before",
    "blind": "a cas does not compare",
    "early": "a write is acknowledged before it can be read",
    "undead": "a write whose comparison failed is there",
    "twice": "a write is done again later",
    "torn": "a value is cut",
}
EVERY = 40              # one in so many goes wrong
LATE_S = 0.05


class Store:
    def __init__(self, fault):
        self.fault, self.lock = fault, threading.Lock()
        self.index, self.count, self.keys, self.before = 0, 0, {}, {}

    def put(self, key, value):
        """The caller has the lock. value None: delete."""
        self.before[key] = (self.keys.get(key), time.monotonic())
        self.index += 1
        self.keys[key] = (value, self.index) if value is not None else None

    def later(self, key, value):
        def work():
            time.sleep(LATE_S)
            with self.lock:
                self.put(key, value)
        threading.Thread(target=work, daemon=True).start()

    def change(self, key, value, cas):
        with self.lock:
            self.count += 1
            wrong = self.fault if self.count % EVERY == 0 else "none"
            now = self.keys.get(key)
            equal = cas is None or cas == (now[1] if now else 0)
            if not equal and wrong not in ("blind", "undead"):
                return False
            if wrong == "early":
                self.later(key, value)
            elif wrong == "torn" and value:
                self.put(key, value[:-1])
            elif wrong != "lost":
                self.put(key, value)
            if wrong == "twice":
                self.later(key, value)
            return equal or wrong == "blind"

    def get(self, key, endpoint):
        with self.lock:
            old = self.before.get(key)
            if self.fault == "stale" and endpoint == 1 and old and time.monotonic() < old[1] + LATE_S:
                return old[0]
            return self.keys.get(key)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def parts(self):
        url = urllib.parse.urlsplit(self.path)
        cas = urllib.parse.parse_qs(url.query).get("cas")
        return url.path.removeprefix("/v1/kv/"), int(cas[0]) if cas else None

    def do_GET(self):
        key, _ = self.parts()
        found = self.server.store.get(key, self.server.endpoint)
        if found is None:
            return self.answer(404, b"")
        body = json.dumps([{"Key": key, "Value": base64.b64encode(found[0]).decode(),
                            "ModifyIndex": found[1]}], separators=(",", ":"))
        return self.answer(200, body.encode())

    def do_PUT(self):
        key, cas = self.parts()
        value = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, b"true" if self.server.store.change(key, value, cas) else b"false")

    def do_DELETE(self):
        key, cas = self.parts()
        self.answer(200, b"true" if self.server.store.change(key, None, cas) else b"false")

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in FAULTS:
        sys.exit(__doc__)
    store = Store(sys.argv[1])
    for endpoint, path in enumerate(sys.argv[2:]):
        if os.path.exists(path):
            os.unlink(path)
        server = Server(path, Handler)
        server.store, server.endpoint = store, endpoint
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()


main()
