#!/usr/bin/env python3
"""Measures `nightlatch serve` on a large data directory while a scan writes; see README.md.

usage: bench/server/run.py --data DIR [--binary PATH] [--street PATH] [--seconds N] [--subscribers N]
"""

import argparse
import http.client
import http.cookies
import json
import os
import pathlib
import re
import resource
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
RATE = 50

SEARCHES = [
    "product:Docker", "exposure:>=readable", "port:6443 country:DE", "nginx", "org:\"Example\" port:9200",
    "severity:critical", "product:etcd -country:US", "http.title:dashboard", "ssl.cert.expired:true", "net:10.0.0.0/8",
]
FACETS = ["product,exposure,severity", "country,org", "port,version", "owner,tag", "asn,country,product"]
PAGES = ["/", "/search?q=product%3ADocker", "/search", "/products", "/runs", "/scope", "/alerts", "/schedules",
         "/reports", "/keys", "/help"]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", required=True, help="data directory with observations")
    options.add_argument("--binary", default=str(ROOT / "target/release/nightlatch"))
    options.add_argument("--street", default=str(ROOT / "target/release/nightlatch-street"))
    options.add_argument("--seconds", type=int, default=30, help="seconds for each measurement")
    options.add_argument("--subscribers", type=int, default=1000)
    chosen = options.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="server-bench-") as work:
        return measure(chosen, pathlib.Path(work))


def measure(chosen, work):
    port = free_port()
    environment = dict(os.environ, NIGHTLATCH__SERVER__REQUESTS_PER_MINUTE="1000000",
                       NIGHTLATCH__SERVER__STREAMS_MAX="4000", NIGHTLATCH__SERVER__CONNECTIONS_MAX="9000",
                       NIGHTLATCH__WATCH__RECHECK_SECONDS="0")
    made = subprocess.run([chosen.binary, "--data", chosen.data, "key", "create", "--label", "bench", "--role", "admin"],
                          check=True, capture_output=True, text=True)
    key = made.stdout.strip()
    log = open(work / "log", "wb")
    began = time.monotonic()
    server = subprocess.Popen([chosen.binary, "--data", chosen.data, "serve", "--listen", f"127.0.0.1:{port}"],
                              stdout=log, stderr=log, env=environment)
    try:
        wait_until(lambda: get(port, "/readyz")[0] == 200, 120)
        print(f"{'ready after':40} {time.monotonic() - began:10.2f} s")
        total = json.loads(get(port, f"/shodan/host/count?key={key}&query=port:0-65535")[1])["total"]
        print(f"{'endpoints in the book':40} {total:10,}")
        print(f"{'memory, idle':40} {memory(server.pid)}")
        pages(port, key)
        with Street(chosen.street, work):
            run = start_run(port, key, "20000-23999")
            load("search", port, work, [search_path(key, query) for query in SEARCHES], chosen.seconds)
            load("facets", port, work, [facet_path(key, facets) for facets in FACETS], chosen.seconds)
            told = json.loads(get(port, f"/api/v1/runs/{run}", key)[1])
            print(f"{'the run meanwhile':40} {json.dumps(told.get('live'))}")
            post(port, f"/api/v1/runs/{run}/stop", key, "")
            wait_until(lambda: not running(port, key, run), 60)
            print(f"{'memory, after the load':40} {memory(server.pid)}")
            listeners = Listeners(port, key, chosen.subscribers)
            run = start_run(port, key, "20000-20999")
            wait_until(lambda: not running(port, key, run), 600)
            listeners.report()
        pages(port, key)
        print(f"{'memory, at the end':40} {memory(server.pid)}")
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            code = server.wait(60)
            print(f"{'stopped with exit code':40} {code:10}")
        except subprocess.TimeoutExpired:
            server.kill()
            print("the server did not stop within 60 s")
    return 0


def search_path(key, query):
    return "/shodan/host/search?" + urllib.parse.urlencode({"key": key, "query": query})


def facet_path(key, facets):
    return "/shodan/host/count?" + urllib.parse.urlencode({"key": key, "query": "port:0-65535", "facets": facets})


def load(name, port, work, paths, seconds):
    """RATE requests a second by wrk: each of its connections asks, waits for its turn, and asks again."""
    script = work / f"{name}.lua"
    lines = ",\n".join(json.dumps(path) for path in paths)
    connections = 10
    pause = 1000 * connections // RATE
    script.write_text(f"""
local paths = {{ {lines} }}
local at = 0
local wrong = 0
function request()
  at = at + 1
  return wrk.format("GET", paths[(at - 1) % #paths + 1])
end
function delay() return {pause} end
function response(status)
  if status ~= 200 then wrong = wrong + 1; print("status " .. status) end
end
function done(summary, latency, requests)
  io.write(string.format("RESULT %d %d %f %f %f %f\\n", summary.requests,
    summary.errors.status + summary.errors.timeout + summary.errors.read + summary.errors.connect,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000, summary.duration / 1e6))
end
""")
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script,
                           f"http://127.0.0.1:{port}"], capture_output=True, text=True)
    found = re.search(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+)", done.stdout)
    if not found:
        print(done.stdout, done.stderr)
        raise SystemExit("wrk told nothing")
    requests, errors, p50, p99, slowest, took = (float(value) for value in found.groups())
    print(f"{name + ', while a scan writes':40} {requests / took:10.1f} /s  p50 {p50:8.2f}  p99 {p99:8.2f}  "
          f"slowest {slowest:8.2f} ms  errors {errors:.0f}")


def pages(port, key):
    cookie = log_in(port, key)
    for page in PAGES:
        times = []
        for _ in range(9):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            began = time.monotonic()
            connection.request("GET", page, headers={"Cookie": cookie})
            response = connection.getresponse()
            times.append((time.monotonic() - began) * 1000)
            body = response.read()
            connection.close()
        print(f"{'page ' + page:40} first {times[0]:8.2f}  p50 {statistics.median(times):8.2f}  "
              f"slowest {max(times):8.2f} ms  {response.status}  {len(body):,} bytes")


def log_in(port, key):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/login", urllib.parse.urlencode({"key": key}),
                       {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{port}"})
    response = connection.getresponse()
    response.read()
    cookie = response.getheader("Set-Cookie")
    if not cookie:
        raise SystemExit(f"no session: {response.status}")
    return cookie.split(";")[0]


class Street:
    """Recorded services on loopback that a run can take a while to scan."""

    def __init__(self, binary, work):
        self.binary, self.process = binary, None
        self.recording = str(ROOT / "recordings/docker/open.json")

    def __enter__(self):
        self.process = subprocess.Popen([self.binary, self.recording, "127.80.0.1:20000-23999"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)


def start_run(port, key, ports):
    # 60 doors a second: the run writes for as long as the measurements take.
    body = json.dumps({"targets": ["127.80.0.1"], "ports": ports, "rate": 60})
    status, text = post(port, "/api/v1/runs", key, body)
    if status not in (200, 201, 202):
        raise SystemExit(f"no run: {status} {text}")
    found = json.loads(text)
    return found.get("id") or found["run"]


def running(port, key, run):
    status, text = get(port, f"/api/v1/runs/{run}", key)
    return '"running"' in text


class Listeners:
    """Subscribers of the stream of banners, read by one thread."""

    def __init__(self, port, key, count):
        self.selector = selectors.DefaultSelector()
        self.lines, self.tails, self.failed = {}, {}, 0
        request = (f"GET /shodan/banners?key={key} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").encode()
        for number in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            connection.sendall(request)
            connection.setblocking(False)
            self.lines[number], self.tails[number] = set(), b""
            self.selector.register(connection, selectors.EVENT_READ, number)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.stopped = False
        self.thread.start()

    def read(self):
        pattern = re.compile(rb'"port":(\d+),')
        while not self.stopped:
            for event, _ in self.selector.select(0.5):
                number = event.data
                try:
                    received = event.fileobj.recv(1 << 18)
                except BlockingIOError:
                    continue
                except OSError:
                    received = b""
                if not received:
                    self.failed += 1
                    self.selector.unregister(event.fileobj)
                    continue
                whole = self.tails[number] + received
                self.lines[number].update(pattern.findall(whole))
                self.tails[number] = whole[-40:]

    def report(self):
        time.sleep(5)
        self.stopped = True
        self.thread.join()
        counts = [len(ports) for ports in self.lines.values()]
        most = max(counts)
        complete = sum(count == most for count in counts)
        print(f"{'stream subscribers':40} {len(counts):10,}, each of {complete:,} received all of {most:,} banners, "
              f"fewest {min(counts):,}, {self.failed} cut off")


def get(port, path, key=None):
    return ask(port, "GET", path, key, None)


def post(port, path, key, body):
    return ask(port, "POST", path, key, body)


def ask(port, method, path, key, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"} if body else {}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    except OSError:
        return 0, ""
    finally:
        connection.close()


def memory(pid):
    """Resident now and at its peak; pages of the index that are mapped can be taken away at any time."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    read = lambda name: int(re.search(rf"{name}:\s+(\d+) kB", text).group(1)) / 1024
    return (f"{read('VmRSS'):6.0f} MB resident ({read('RssAnon'):.0f} of its own, {read('RssFile'):.0f} mapped files), "
            f"{read('VmHWM'):.0f} MB at its peak")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(holds, seconds):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("waited too long")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
