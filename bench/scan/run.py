#!/usr/bin/env python3
"""Measures how fast endpoints are identified: Nightlatch, nmap and masscan on the same street in the same run.

A street is one listening socket that answers on 10,000 addresses. On loopback it is 127.80.0.0/16. masscan has a network
stack of its own that cannot see loopback, so as root the street is also opened in a network namespace without a way out,
behind an AnyIP route, and Nightlatch and masscan are compared there. See README.md beside this file.
"""

import argparse
import ipaddress
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
SCAN_SECONDS_MAX = 900
GOALS = {"http": 3000, "https": 800}
# Recording, port, scheme, and the product that a scan should name (None: nothing of the catalogue).
STREETS = [
    ("docker/open", 2375, "http", "Docker"),
    ("etcd/open-v3", 2379, "http", "etcd"),
    ("nginx/default", 8080, "http", None),
    ("openshift-kube-apiserver-1.36/anonymous-default-rbac", 6443, "https", "Kubernetes"),
    ("openshift-kubelet-1.36/no-anonymous-webhook", 10250, "https", "Kubernetes kubelet"),
]
LOOPBACK_FIRST = ipaddress.ip_address("127.80.0.0")
LAB_FIRST = ipaddress.ip_address("10.99.0.0")
# In the lab every street is on a port for which masscan has a greeting of its own.
LAB_PORTS = {"http": 8080, "https": 443}
LAB = {"scanner": "nightlatch-bench-a", "street": "nightlatch-bench-b"}


def addresses(first, count):
    """The range as one text that every scanner here reads."""
    return f"{first}-{first + count - 1}"


def say(text):
    print(text, flush=True)


def run(command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more)


def cpu_of_children():
    """CPU seconds of all ended children so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Street:
    """A process that plays one recording on all addresses of a port."""

    def __init__(self, recording, port, prefix):
        path = ROOT / "recordings" / f"{recording}.json"
        command = [*prefix, str(TARGET / "release" / "nightlatch-street"), str(path), f"0.0.0.0:{port}"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.name = recording
        line = self.process.stdout.readline()
        if line.split() != ["ready", "1"]:
            raise SystemExit(f"{recording}: the street did not open: {line!r}")

    def close(self):
        """Ends the street; returns the requests that it answered and its CPU seconds."""
        before = cpu_of_children()
        out, _ = self.process.communicate()
        words = out.split()
        if words[:1] != ["served"]:
            raise SystemExit(f"{self.name}: the street ended early, with {self.process.returncode}: {out!r}")
        return int(words[2]), cpu_of_children() - before


@contextmanager
def street(recording, port, prefix=()):
    opened = Street(recording, port, list(prefix))
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.process.communicate()


def timed(command, limit):
    """Runs a command; returns its output, wall seconds, and CPU seconds of it and its children."""
    before = cpu_of_children()
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        wall = time.monotonic() - started
        cpu = cpu_of_children() - before
        out.seek(0), err.seek(0)
        if code != 0:
            say(f"    {' '.join(command[:4])} ... ended with {code}: {err.read()[-600:]}")
        return out.read(), wall, cpu


def nightlatch(first, port, arguments, prefix=()):
    with tempfile.TemporaryDirectory(prefix="nightlatch-bench-") as home:
        scope = Path(home) / "scope.toml"
        scope.write_text('[[block]]\nnet = ["127.0.0.0/8", "10.99.0.0/16"]\nowner = "bench"\n')
        binary = str(TARGET / "release" / "nightlatch")
        command = [*prefix, binary, "--data", f"{home}/data", "scan", "--json", "--scope", str(scope)]
        # Outside loopback a cap for every /24 protects networks; the street has 40 of them and needs no protection.
        command += ["--rate-per-network", "1000000", "--ports", str(port), addresses(first, arguments.endpoints)]
        out, wall, cpu = timed(command, SCAN_SECONDS_MAX)
    found = [json.loads(line) for line in out.splitlines()]
    return found, wall, cpu


def row(name, endpoints, identified, wall, cpu, served, requests, rated=None):
    """One line of the result; `rated` endpoints count for the rate, where not only those that were identified do."""
    return {
        "scanner": name,
        "endpoints": endpoints,
        "identified": identified,
        "per_second": (identified if rated is None else rated) / wall,
        "cpu_ms": 1000 * cpu / endpoints,
        "served_ms": 1000 * served / endpoints,
        "requests": requests / endpoints,
    }


def show(rows, base):
    for one in rows:
        ratio = base["per_second"] / one["per_second"] if one["per_second"] else float("inf")
        say(
            f"  {one['scanner']:<34} {one['identified']:>6} of {one['endpoints']:<6} {one['per_second']:>9.1f}/s "
            f"{one['cpu_ms']:>8.3f} ms CPU (street {one['served_ms']:.3f}) {one['requests']:>6.2f} requests   Nightlatch is {ratio:.1f} times as fast"
        )


def measure_nightlatch(recording, port, product, first, arguments, prefix=(), street_prefix=()):
    with street(recording, port, street_prefix) as opened:
        found, wall, cpu = nightlatch(first, port, arguments, prefix)
        requests, served = opened.close()
    named = [o["verdict"].get("product") for o in found]
    right = sum(1 for name in named if name == product or (product is None and name in (None, "nginx")))
    return row("nightlatch (canary and all)", arguments.endpoints, right, wall, cpu, served, requests)


def measure_nmap(recording, port, first, arguments):
    if not shutil.which("nmap"):
        say("  nmap: NOT RUN, it is not installed (apt-get install nmap)")
        return None
    sample = min(arguments.nmap_sample, arguments.endpoints)
    with street(recording, port) as opened:
        command = ["nmap", "-n", "-Pn", "-sV", "--version-light", "-oG", "-", "-p", str(port)]
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as targets:
            targets.write("\n".join(str(first + i) for i in range(sample)))
            targets.flush()
            out, wall, cpu = timed([*command, "-iL", targets.name], SCAN_SECONDS_MAX)
        requests, served = opened.close()
    # Host: 192.0.2.1 ()  Ports: 2375/open/tcp//docker//Docker 20.10.24/
    ports = [line.split("Ports: ")[1].split("/") for line in out.splitlines() if "Ports: " in line]
    identified = sum(1 for fields in ports if len(fields) > 6 and fields[6])
    return row(f"nmap -sV --version-light, {sample} only", sample, identified, wall, cpu, served, requests, rated=sample)


def lab_up():
    """Two namespaces and a cable between them; nothing else can be reached from there."""
    a, b = LAB["scanner"], LAB["street"]
    for name in (a, b):
        run(["ip", "netns", "add", name])
    run(["ip", "link", "add", "va", "netns", a, "type", "veth", "peer", "name", "vb", "netns", b])

    def inside(name, *words):
        return run(["ip", "netns", "exec", name, *words]).stdout.strip()

    inside(a, "ip", "addr", "add", "10.98.0.2/24", "dev", "va")
    inside(b, "ip", "addr", "add", "10.98.0.1/24", "dev", "vb")
    for name, link in ((a, "va"), (b, "vb")):
        inside(name, "ip", "link", "set", "lo", "up")
        inside(name, "ip", "link", "set", link, "up")
    inside(a, "ip", "route", "add", "10.99.0.0/16", "via", "10.98.0.1")
    inside(b, "ip", "route", "add", "local", "10.99.0.0/16", "dev", "lo")
    macs = [inside(name, "cat", f"/sys/class/net/{link}/address") for name, link in ((a, "va"), (b, "vb"))]
    # masscan answers for an address that the kernel does not own, so that the kernel resets nothing.
    inside(b, "ip", "neigh", "add", "10.98.0.77", "lladdr", macs[0], "dev", "vb", "nud", "permanent")
    inside(b, "sysctl", "-q", "net.ipv4.tcp_max_syn_backlog=16384")
    return macs


def lab_down():
    for name in LAB.values():
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def measure_masscan(recording, port, macs, arguments):
    with street(recording, port, ["ip", "netns", "exec", LAB["street"]]) as opened:
        with tempfile.NamedTemporaryFile("r", suffix=".json") as found:
            command = ["ip", "netns", "exec", LAB["scanner"], "masscan", addresses(LAB_FIRST, arguments.endpoints)]
            command += ["-p", str(port), "--banners", "--rate", str(arguments.masscan_rate), "--wait", "5", "--adapter", "va"]
            command += ["--adapter-ip", "10.98.0.77", "--adapter-mac", macs[0], "--router-mac", macs[1]]
            command += ["-oL", found.name]
            _, wall, cpu = timed(command, SCAN_SECONDS_MAX)
            lines = Path(found.name).read_text().splitlines()
        requests, served = opened.close()
    banners = {line.split()[3] for line in lines if line.startswith("banner") and len(line.split()) > 3}
    # The five seconds that it waits for stragglers at the end are not counted against it.
    return row("masscan --banners", arguments.endpoints, len(banners), max(wall - 5, 0.001), cpu, served, requests)


def build():
    say("building the release binaries")
    command = ["cargo", "build", "--release", "-p", "nightlatch-cli", "-p", "nightlatch-replay", "--bins"]
    subprocess.run(command, check=True, cwd=ROOT)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoints", type=int, default=10_000)
    parser.add_argument("--nmap-sample", type=int, default=100, help="addresses that nmap scans")
    parser.add_argument("--masscan-rate", type=int, default=2_000, help="packets a second; more loses banners")
    parser.add_argument("--only", help="only streets whose recording contains this")
    parser.add_argument("--no-build", action="store_true")
    arguments = parser.parse_args()
    if not arguments.no_build:
        build()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    say(f"{os.cpu_count()} cores, {hard} open files allowed, {arguments.endpoints} endpoints in each street")
    streets = [s for s in STREETS if not arguments.only or arguments.only in s[0]]
    if not streets:
        parser.error(f"no street is called {arguments.only}; there are {', '.join(s[0] for s in STREETS)}")
    missed = []

    for recording, port, scheme, product in streets:
        say(f"\n{recording}, {scheme}, loopback")
        ours = measure_nightlatch(recording, port, product, LOOPBACK_FIRST, arguments)
        theirs = measure_nmap(recording, port, LOOPBACK_FIRST, arguments)
        show([ours, *([theirs] if theirs else [])], ours)
        if ours["per_second"] < GOALS[scheme]:
            missed.append(f"{recording}: {ours['per_second']:.0f} endpoints a second, goal {GOALS[scheme]}")
        if ours["identified"] < arguments.endpoints:
            missed.append(f"{recording}: only {ours['identified']} of {arguments.endpoints} judged right")

    if os.geteuid() != 0 or not shutil.which("masscan"):
        say("\nmasscan: NOT RUN; it needs root for a network namespace (it cannot see loopback) and the package masscan")
    else:
        lab_down()
        try:
            macs = lab_up()
            for recording, _, scheme, product in streets:
                port = LAB_PORTS[scheme]
                say(f"\n{recording}, {scheme} on port {port}, between two network namespaces")
                inside = [["ip", "netns", "exec", LAB[side]] for side in ("scanner", "street")]
                ours = measure_nightlatch(recording, port, product, LAB_FIRST, arguments, *inside)
                theirs = measure_masscan(recording, port, macs, arguments)
                show([ours, theirs], ours)
        finally:
            lab_down()

    say("\ngoals: " + ("all met" if not missed else "; ".join(missed)))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
