# SPDX-License-Identifier: Apache-2.0
"""Commits and cold queries over a network: requests, serial rounds and time, at several delays per request.

Usage: commit [--delays 0,60] [--commits 5] [--rows 25000] [--dim 64]

The store and the REST catalog are tests/support/fault_server.py: in memory, each request answered after the delay. A commit appends one row.
Rounds are how many requests had to wait for an earlier one, found from when each began. PyIceberg appends to a table of the same columns in
the same run, through the same server, in a process that has everything imported; vecstore is measured as a command (a new process each time,
with its self-test of the store) and as a running server. What PyIceberg does inside one process is its append with the loading of the table.
"""
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

import bench_facts as facts

sys.path.insert(0, os.path.join(facts.ROOT, "tests", "support"))
from fault_server import FaultServer  # noqa: E402


class Timed(FaultServer):
    """Remembers when each request began."""

    def __init__(self):
        self.began = []
        super().__init__()

    def next_request(self, method, path):
        self.began.append((time.monotonic(), method, path))
        return super().next_request(method, path)

    def mark(self):
        self.began = []

    def counted(self):
        """Requests, and how many of them cannot have overlapped: each began after the answer to the one before."""
        rounds, end = 0, -1.0
        for start, _, _ in sorted(self.began):
            if start >= end:
                rounds, end = rounds + 1, start + self.delay
        return len(self.began), rounds


PYICEBERG = r"""
import json, sys, time
import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import SqlCatalog
kind, endpoint, uri, table = sys.argv[1:5]
settings = {"s3.endpoint": endpoint, "s3.access-key-id": "test", "s3.secret-access-key": "test", "s3.region": "us-east-1", "s3.force-virtual-addressing": "false"}
make = lambda: RestCatalog("c", uri=uri, **settings) if kind == "rest" else SqlCatalog("default", uri=uri, **settings)
catalog = make()
schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("embedding", pa.list_(pa.float32()))])
print("ready", flush=True)
for line in sys.stdin:
    row = json.loads(line)
    rows = pa.Table.from_pylist([row], schema=schema)
    start = time.perf_counter()
    catalog.load_table(table).append(rows)
    print(time.perf_counter() - start, flush=True)
"""


def environment():
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "VECSTORE_"))}
    env.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_EC2_METADATA_DISABLED="true")
    return env


class Bench:
    def __init__(self, args):
        self.args, self.server = args, Timed()
        self.work = facts.scratch_folder("commit")
        self.report = facts.Report("commit")
        self.next_id = 10**9

    def options(self, kind):
        common = [facts.program("vecstore"), "--set", f"s3.endpoint={self.server.s3_endpoint}", "--set", "client.region=us-east-1"]
        warehouse = ["--warehouse", f"s3://{self.server.bucket}/{kind}"]
        if kind == "rest":
            return common + ["--catalog", "rest", "--catalog-uri", self.server.rest_uri]
        if kind == "sql":
            return common + warehouse + ["--catalog", "sql", "--catalog-uri", os.path.join(self.work, "catalog.db")]
        return common + warehouse

    def vecstore(self, kind, *words, text=None):
        start = time.perf_counter()
        done = subprocess.run(self.options(kind) + ["--json", *words], input=text, capture_output=True, text=True, env=environment())
        if done.returncode != 0:
            facts.die(f"{' '.join(words)}: {done.stderr.strip()}")
        return time.perf_counter() - start, json.loads(done.stdout) if done.stdout else None

    def row(self):
        self.next_id += 1
        return {"id": self.next_id, "embedding": [1.0 + self.next_id % 7] * self.args.dim}

    def add(self, what, kind, seconds, counts):
        requests, rounds = zip(*counts)
        self.report.add({"what": what, "catalog": kind, "delay_ms": round(self.server.delay * 1000), "ms": round(statistics.median(seconds) * 1000, 1),
                         "requests": round(statistics.median(requests)), "rounds": round(statistics.median(rounds)) if self.server.delay else None})

    def repeated(self, what, kind, job):
        seconds, counts = [], []
        for n in range(self.args.commits + 1):
            self.server.mark()
            took = job()
            if n > 0:  # the first one warms connections up
                seconds.append(took)
                counts.append(self.server.counted())
        self.add(what, kind, seconds, counts)

    def command(self, kind):
        self.repeated("vecstore, a command", kind, lambda: self.vecstore(kind, "ingest", "b.ours", "-", text=json.dumps(self.row()) + "\n")[0])

    def running(self, kind):
        child = subprocess.Popen(self.options(kind) + ["serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment())
        found = re.search(r"http://[^ ]*:(\d+)", child.stdout.readline())
        try:
            def job():
                request = urllib.request.Request(f"http://127.0.0.1:{found.group(1)}/v1/tables/b.ours/rows", json.dumps({"rows": [self.row()]}).encode(),
                                                 {"Content-Type": "application/json"})
                start = time.perf_counter()
                urllib.request.urlopen(request, timeout=60).read()
                return time.perf_counter() - start
            self.repeated("vecstore, running", kind, job)
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(30)

    def pyiceberg(self, kind):
        uri = self.server.rest_uri if kind == "rest" else f"sqlite:///{self.work}/catalog.db"
        child = subprocess.Popen([sys.executable, "-W", "ignore", "-c", PYICEBERG, kind, self.server.s3_endpoint, uri, "b.theirs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, env=environment())

        def job():
            child.stdin.write(json.dumps(self.row()) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
            if not line:
                facts.die("PyIceberg: " + child.stderr.read()[-2000:])
            return float(line)
        if child.stdout.readline() != "ready\n":
            facts.die("PyIceberg: " + child.stderr.read()[-2000:])
        try:
            self.repeated("PyIceberg, running", kind, job)
        finally:
            child.stdin.close()
            child.wait(30)

    def queries(self, kind):
        vector = json.dumps([1.0] + [0.0] * (self.args.dim - 1))
        self.repeated("cold query, a command", kind, lambda: self.vecstore(kind, "query", "b.large", "--vector", vector, "-k", "10")[0])

    def tables(self, kind, peers):
        self.server.delay = 0
        for name in ["b.ours"] + (["b.theirs"] if peers and kind != "filesystem" else []):
            self.vecstore(kind, "table", "create", name, "--dim", str(self.args.dim))
            self.vecstore(kind, "ingest", name, "-", text=json.dumps(self.row()) + "\n")
        self.vecstore(kind, "ingest", "b.large", facts.generated(self.args.rows, self.args.dim) + "/base.npy", "--create")
        self.vecstore(kind, "index", "build", "b.large", "--min-recall", "0")

    def run(self):
        peers = facts.worker_can("pyiceberg.catalog.sql", "pyiceberg[sql-sqlite,pyarrow]")
        for kind in ("filesystem", "sql", "rest"):
            self.tables(kind, peers)
        for delay in map(float, self.args.delays.split(",")):
            for kind in ("filesystem", "sql", "rest"):
                self.server.delay = delay / 1000
                self.command(kind)
                self.running(kind)
                if peers and kind != "filesystem":
                    self.pyiceberg(kind)
                self.queries(kind)
        self.server.close()
        for row in self.report.rows:
            beside = next((r for r in self.report.rows if r["what"].startswith("PyIceberg") and (r["catalog"], r["delay_ms"]) == (row["catalog"], row["delay_ms"])), None)
            if beside and row["what"].startswith("vecstore"):
                row["ratio_ms"] = round(row["ms"] / beside["ms"], 2)
                row["ratio_requests"] = round(row["requests"] / beside["requests"], 2)
        facts.table(self.report.rows, [("what", lambda r: r["what"]), ("catalog", lambda r: r["catalog"]), ("ms per request", lambda r: r["delay_ms"]), ("ms", lambda r: r["ms"]),
                                       ("requests", lambda r: r["requests"]), ("rounds", lambda r: r["rounds"]), ("time / PyIceberg", lambda r: r.get("ratio_ms")),
                                       ("requests / PyIceberg", lambda r: r.get("ratio_requests"))])
        self.report.write()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--delays", default="0,60")
    for name, default in (("commits", 5), ("rows", 25000), ("dim", 64)):
        parser.add_argument("--" + name, type=int, default=default)
    Bench(parser.parse_args()).run()


if __name__ == "__main__":
    main()
