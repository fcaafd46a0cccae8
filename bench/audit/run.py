#!/usr/bin/env python3
"""Measures `nightlatch audit` beside Checkov on corpora that a seeded generator writes; see README.md.

usage: bench/audit/run.py [--binary PATH] [--parsers PATH] [--checkov PATH] [--runs N] [--checkov-runs N] [--keep DIR]
"""

import argparse
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED = 20261126
LARGE_BYTES = 14_000_000
PODS = 4_537
# Of bare-parse: trees with spans, ours and saphyr's; events with spans, of which nothing is kept.
PARSERS = ["nightlatch", "saphyr", "saphyr-events", "libyaml-events"]


def labels(rng, app):
    return {
        "app.kubernetes.io/name": app,
        "app.kubernetes.io/instance": f"{app}-{rng.randrange(10)}",
        "app.kubernetes.io/version": f"{rng.randrange(9)}.{rng.randrange(20)}.{rng.randrange(30)}",
        "app.kubernetes.io/managed-by": "Helm",
    }


def lines_of(mapping, indent):
    pad = " " * indent
    return "".join(f"{pad}{key}: {value!r}\n".replace("'", '"') for key, value in mapping.items())


def container(rng, app, indent):
    pad = " " * indent
    secure = rng.random() < 0.5
    text = f"{pad}- name: {app}\n{pad}  image: registry.example/{app}:{rng.randrange(9)}.{rng.randrange(99)}\n"
    if rng.random() < 0.3:
        text += f"{pad}  command: [\"/bin/{app}\", \"--config=/etc/{app}/config.yaml\", \"--v={rng.randrange(5)}\"]\n"
    text += f"{pad}  env:\n"
    for number in range(rng.randrange(1, 6)):
        text += f"{pad}  - name: SETTING_{number}\n{pad}    value: \"{rng.randrange(100000)}\"\n"
    text += f"{pad}  ports:\n{pad}  - containerPort: {rng.choice([80, 443, 8080, 9090, 5432])}\n{pad}    name: main\n"
    text += f"{pad}  securityContext:\n{pad}    allowPrivilegeEscalation: {str(not secure).lower()}\n"
    if secure:
        text += (
            f"{pad}    runAsNonRoot: true\n{pad}    readOnlyRootFilesystem: true\n"
            f"{pad}    capabilities:\n{pad}      drop:\n{pad}      - ALL\n"
        )
    elif rng.random() < 0.05:
        text += f"{pad}    privileged: true\n"
    if rng.random() < 0.7:
        text += f"{pad}  resources:\n{pad}    limits:\n{pad}      cpu: 500m\n{pad}      memory: 256Mi\n"
    return text


def workload(rng, app):
    kind = rng.choice(["Deployment", "StatefulSet", "DaemonSet"])
    text = f"---\n# Source: {app}/templates/{kind.lower()}.yaml\napiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: {app}\n"
    text += f"  namespace: team-{rng.randrange(40)}\n  labels:\n{lines_of(labels(rng, app), 4)}spec:\n  selector:\n    matchLabels:\n"
    text += f"      app.kubernetes.io/name: {app}\n  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: {app}\n"
    text += f"    spec:\n      serviceAccountName: {app}\n      containers:\n"
    for number in range(rng.randrange(1, 4)):
        text += container(rng, f"{app}-{number}", 6)
    text += f"      volumes:\n      - name: config\n        configMap:\n          name: {app}\n"
    if rng.random() < 0.05:
        text += "      - name: host\n        hostPath:\n          path: /var/run/docker.sock\n"
    return text


def config_map(rng, app):
    text = f"---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {app}\n  namespace: team-{rng.randrange(40)}\ndata:\n  config.yaml: |\n"
    for number in range(rng.randrange(20, 200)):
        text += f"    option_{number}: {rng.choice(['true', 'false', '10', 'a text of some words'])}\n"
    return text


def crd(rng, app):
    text = (
        f"---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {app}s.example.com\nspec:\n"
        f"  group: example.com\n  names: {{kind: {app.title().replace('-', '')}, plural: {app}s}}\n  scope: Namespaced\n  versions:\n"
        "  - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n        properties:\n"
    )
    for number in range(rng.randrange(200, 1200)):
        text += (
            f"          field{number}:\n            description: What field {number} is for, in a sentence that is folded\n"
            f"              over two lines as code generators write them.\n            type: {rng.choice(['string', 'integer', 'boolean'])}\n"
        )
    return text


def rbac(rng, app):
    return (
        f"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: {app}\n  namespace: team-{rng.randrange(40)}\n"
        "rules:\n- apiGroups: [\"\"]\n  resources: [configmaps, secrets]\n  verbs: [get, list, watch]\n"
        f"---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {app}\n  namespace: team-{rng.randrange(40)}\nspec:\n"
        f"  selector:\n    app.kubernetes.io/name: {app}\n  ports:\n  - port: 80\n    targetPort: main\n"
    )


def large(folder):
    """14 MB of rendered charts: workloads, ConfigMaps, CRDs, in files of about 1 MB."""
    rng = random.Random(SEED)
    total, number, part, text = 0, 0, 0, ""
    while total + len(text) < LARGE_BYTES:
        app = f"app-{number}"
        number += 1
        text += rng.choices([workload, config_map, crd, rbac], [10, 3, 1, 3])[0](rng, app)
        if len(text) > 1_000_000:
            (folder / f"rendered-{part:02}.yaml").write_text(text)
            total, part, text = total + len(text), part + 1, ""
    (folder / f"rendered-{part:02}.yaml").write_text(text)


def pods(folder):
    """4,537 files with one pod each."""
    rng = random.Random(SEED + 1)
    for number in range(PODS):
        app = f"pod-{number}"
        text = f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {app}\n  namespace: team-{number % 40}\n  labels:\n    app: {app}\nspec:\n  containers:\n"
        text += container(rng, app, 2)
        (folder / f"{app}.yaml").write_text(text)


def small(folder):
    """One small file."""
    (folder / "one.yaml").write_text(workload(random.Random(SEED + 2), "one"))


TIME = "/usr/bin/time"


def measured(command):
    """Wall seconds, processor seconds and peak resident megabytes of one run; exit codes 0 and 1 are good."""
    peak = None
    if os.access(TIME, os.X_OK):
        # The system counts what a process was before it became another program: without a small one in between, nothing
        # would seem smaller than this script.
        peak = tempfile.NamedTemporaryFile()
        command = [TIME, "-q", "-f", "%M", "-o", peak.name] + command
    started = time.monotonic()
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(command, stdout=nothing, stderr=subprocess.PIPE)
        complaint = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)} ended with {process.returncode}: {complaint.decode(errors='replace')[-2000:]}")
    wall = time.monotonic() - started
    kilobytes = int(peak.read()) if peak else usage.ru_maxrss
    return wall, usage.ru_utime + usage.ru_stime, kilobytes / 1024


def report(what, command, runs):
    results = [measured(command) for _ in range(runs)]
    wall, processor, memory = (statistics.median(result[index] for result in results) for index in range(3))
    print(f"| {what} | {wall:.3f} | {processor:.3f} | {memory:.0f} | {runs} |", flush=True)
    return wall


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--binary", default=str(ROOT / "target/release/nightlatch"))
    arguments.add_argument("--parsers", help="path of bare-parse, see bare-parse/; left out when not given")
    arguments.add_argument("--checkov", help="path of checkov 3.3; left out when not given")
    arguments.add_argument("--runs", type=int, default=7)
    arguments.add_argument("--checkov-runs", type=int, default=1)
    arguments.add_argument("--keep", help="write the corpora there and keep them")
    chosen = arguments.parse_args()
    folder = pathlib.Path(chosen.keep or tempfile.mkdtemp(prefix="nightlatch-bench-"))
    core = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    print("| what | wall s | processor s | peak MB | runs |\n| --- | ---: | ---: | ---: | ---: |")
    try:
        for name, write in (("small", small), ("large", large), ("pods", pods)):
            corpus = folder / name
            corpus.mkdir(parents=True, exist_ok=True)
            write(corpus)
            size = sum(path.stat().st_size for path in corpus.iterdir())
            files = len(list(corpus.iterdir()))
            print(f"| **{name}: {files} files, {size / 1e6:.2f} MB** | | | | |")
            parse = report("nightlatch, one rule (reading alone)", core + [chosen.binary, "audit", str(corpus), "--rule", "API-020", "--json"], chosen.runs)
            own = report("nightlatch, default profile, one core", core + [chosen.binary, "audit", str(corpus), "--json"], chosen.runs)
            report("nightlatch, all rules, one core", core + [chosen.binary, "audit", str(corpus), "--profile", "all", "--json"], chosen.runs)
            text = report("nightlatch, default profile as text, one core", core + [chosen.binary, "audit", str(corpus)], chosen.runs)
            print(f"| audit over reading | {own / parse:.2f} times, as text {text / parse:.2f} | | | |")
            for parser in PARSERS if chosen.parsers else []:
                bare = report(f"bare parse, {parser}", core + [chosen.parsers, parser, str(corpus)], chosen.runs)
                print(f"| audit over {parser} | {own / bare:.2f} times, as text {text / bare:.2f} | | | |", flush=True)
            if chosen.checkov:
                command = [chosen.checkov, "-d", str(corpus), "--framework", "kubernetes", "--compact", "--quiet", "-o", "json"]
                theirs = report("checkov, kubernetes", command, chosen.checkov_runs)
                print(f"| checkov over nightlatch | {theirs / own:.0f} times | | | |", flush=True)
    finally:
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
