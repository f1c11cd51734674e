#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Commits over a network that fails: the vecstore command against tests/support/fault_server.py.

usage: remote_faults_test.py VECSTORE [PART…]

parts (default: all):
  matrix     every fault x every request of a commit, on the filesystem catalog over S3 and on REST
  lost       lost responses in numbers: applied, answer dropped, on random requests and on all publishes
  crash      the process is killed at every request; the request lands after the restart, or never
  publishes  every fault at the request that decides, on both catalogs: the quick slice of the matrix
  broken     stores that do not honour conditional writes are refused before anything is written
  stalled    a writer is stopped in mid-commit while snapshots expire and orphans are removed
  writers    16 processes x 100 commits on each catalog, with 1 % faults (VECSTORE_TEST_COMMITS to change)

Each commit appends one row with an id of its own. After a fault the outcome that the command reports
must be true: exit 0, the row is there exactly once; exit 11 (unknown), it is there once or not at
all; anything else, it is not there. The table can always be read, and no file that it names is gone.
"""

import concurrent.futures
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fault_server import BROKEN, FAULTS, FaultServer  # noqa: E402

UNKNOWN = 11  # exit code of an unknown outcome
WAITING = {"hang", "apply-then-hang"}  # faults that last as long as the client waits


class Failure(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Failure(message)


class Client:
    """The command against one server and one kind of catalog."""

    def __init__(self, binary, server, catalog):
        self.binary, self.server, self.catalog = binary, server, catalog
        self.scratch = tempfile.mkdtemp(prefix="vecstore-fault.")
        self.next_id = 1

    def arguments(self):
        common = [
            self.binary,
            "--set",
            f"s3.endpoint={self.server.s3_endpoint}",
            "--set",
            "client.region=us-east-1",
            "--set",
            "s3.request-timeout-ms=300",
            "--set",
            "rest.timeout-ms=300",
        ]
        if self.catalog == "rest":
            return common + ["--catalog", "rest", "--catalog-uri", self.server.rest_uri]
        return common + ["--warehouse", f"s3://{self.server.bucket}/w"]

    @staticmethod
    def environment():
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "VECSTORE_"))}
        env.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_EC2_METADATA_DISABLED="true")
        return env

    def start(self, *words, rows=None):
        return subprocess.Popen(
            self.arguments() + ["--json", *words],
            stdin=subprocess.PIPE if rows is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(),
            text=True,
        )

    def run(self, *words, rows=None, timeout=60):
        process = self.start(*words, rows=rows)
        try:
            out, err = process.communicate(rows, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failure(f"{' '.join(words)}: no end after {timeout} s") from None
        return process.returncode, out, err

    def good(self, *words, rows=None):
        code, out, err = self.run(*words, rows=rows)
        expect(code == 0, f"{' '.join(words)}: exit {code}: {err.strip()}")
        return json.loads(out) if out.strip() else None

    def row(self):
        row, self.next_id = self.next_id, self.next_id + 1
        return row, json.dumps({"id": row, "embedding": [1.0, float(row)]}) + "\n"

    def append(self, table="t"):
        row, text = self.row()
        code, _, err = self.run("ingest", table, "-", rows=text)
        return row, code, err

    def make_table(self, table="t"):
        self.good("table", "create", table, "--dim", "2", "--metric", "l2")
        row, code, err = self.append(table)
        expect(code == 0, f"first append: exit {code}: {err}")
        return {row}

    def ids(self, table="t"):
        """All ids of the table, by reading its rows out."""
        code, out, err = self.run("export", table, "--select", "id")
        expect(code == 0, f"the table cannot be read: exit {code}: {err.strip()}")
        return [json.loads(line)["id"] for line in out.splitlines()]

    def metadata(self, table="t"):
        """The newest metadata, found without vecstore."""
        if self.catalog == "rest":
            return self.server.rest.tables[("default", table)][1]
        prefix = f"{self.server.bucket}/w/default/{table}/metadata/v"
        versions = [k for k in self.server.s3.objects if k.startswith(prefix) and k.endswith(".metadata.json")]
        newest = max(versions, key=lambda k: int(k[len(prefix) :].split(".")[0]))
        return json.loads(self.server.s3.objects[newest][0])

    def check_lineage(self, table="t"):
        """Snapshots form one line, no logical commit stands twice, and the totals add up."""
        metadata = self.metadata(table)
        snapshots = metadata["snapshots"]
        commits = [s["summary"]["vecstore.commit-id"] for s in snapshots]
        expect(len(set(commits)) == len(commits), "one commit made two snapshots")
        for before, after in zip(snapshots, snapshots[1:]):
            expect(after["parent-snapshot-id"] == before["snapshot-id"], "the lineage has a fork")
        lists = [s["manifest-list"].removeprefix("s3://") for s in snapshots]
        expect(all(key in self.server.s3.objects for key in lists), "a manifest list is gone")
        return int(snapshots[-1]["summary"]["total-records"])


def check_outcome(client, known, row, code, err, what):
    """The reported outcome against what is in the table; returns the rows that are."""
    ids = client.ids()
    expect(len(ids) == len(set(ids)), f"{what}: a row is in the table twice")
    present = row in ids
    if code == 0:
        expect(present, f"{what}: reported as done, but the row is not there")
    elif code != UNKNOWN:
        expect(not present, f"{what}: reported as failed (exit {code}: {err.strip()}), but the row is there")
    known = known | ({row} if present else set())
    expect(set(ids) == known, f"{what}: rows of other commits are wrong: {set(ids) ^ known}")
    expect(client.check_lineage() == len(ids), f"{what}: total-records is wrong")
    return known


def count_requests(client):
    client.server.arm({})
    row, code, err = client.append()
    expect(code == 0, f"a commit without faults: exit {code}: {err}")
    return row, client.server.count


def matrix(binary, catalog):
    server = FaultServer()
    client = Client(binary, server, catalog)
    known = client.make_table()
    row, requests = count_requests(client)
    known.add(row)
    outcomes = {"done": 0, "failed": 0, "unknown": 0}
    for fault in FAULTS:
        for at in range(requests):
            server.arm({at: fault})
            row, code, err = client.append()
            server.arm({})
            server.settle()
            known = check_outcome(client, known, row, code, err, f"{catalog}, {fault} at request {at}")
            outcomes["done" if code == 0 else "unknown" if code == UNKNOWN else "failed"] += 1
            if len(known) > 60:  # keeps one commit small: a fresh table
                server.s3.objects.clear()
                server.rest.tables.clear()
                known = client.make_table()
    server.close()
    total = sum(outcomes.values())
    print(f"matrix {catalog}: {len(FAULTS)} faults x {requests} requests = {total} cases, {outcomes}")
    return total


def lost(binary, catalog):
    """Applied, but the answer is lost: at any request, then at each publish."""
    rounds = int(os.environ.get("VECSTORE_TEST_LOST", "150"))
    server = FaultServer()
    client = Client(binary, server, catalog)
    known = client.make_table()
    row, requests = count_requests(client)
    known.add(row)
    draw = random.Random(7)
    resolved = 0
    for i in range(rounds):
        at = draw.randrange(requests)
        server.arm({at: draw.choice(["apply-then-drop", "apply-500", "apply-503", "apply-late"])})
        row, code, err = client.append()
        server.arm({})
        server.settle()
        known = check_outcome(client, known, row, code, err, f"{catalog}, lost answer {i} at request {at}")
        resolved += code == 0
        if len(known) > 60:
            server.s3.objects.clear()
            server.rest.tables.clear()
            known = client.make_table()
    server.close()
    print(f"lost {catalog}: {rounds} lost answers, {resolved} resolved to success, 0 duplicates, 0 losses")
    expect(resolved >= 0.9 * rounds, f"only {resolved} of {rounds} were resolved")


def crash(binary, catalog):
    """Killed at each request, which then lands or not; the next commit finds a sound table."""
    server = FaultServer()
    client = Client(binary, server, catalog)
    known = client.make_table()
    row, requests = count_requests(client)
    known.add(row)
    points = 0
    for lands in (True, False):
        for at in range(requests):
            server.arm({at: "hold"})
            row, text = client.row()
            process = client.start("ingest", "t", "-", rows=text)
            process.stdin.write(text)
            process.stdin.close()
            held = server.wait_held()
            expect(held, f"{catalog}: request {at} did not come")
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
            server.arm({})
            late, code, err = client.append()  # a commit after the restart, before the old request lands
            expect(code == 0, f"{catalog}: commit after a crash at request {at}: exit {code}: {err}")
            server.release(apply=lands)
            time.sleep(0.01)
            known.add(late)
            known = check_outcome(client, known, row, UNKNOWN, "", f"{catalog}, killed at request {at}")
            last, code, err = client.append()
            known = check_outcome(client, known, last, code, err, f"{catalog}, after request {at} landed")
            expect(code == 0, f"{catalog}: commit after a late request {at}: exit {code}: {err}")
            points += 1
            if len(known) > 60:
                server.s3.objects.clear()
                server.rest.tables.clear()
                known = client.make_table()
    server.close()
    print(f"crash {catalog}: {points} points, all recovered")


def broken(binary):
    """A store whose conditional writes do not work is refused before a table changes on it."""
    for kind, what in BROKEN.items():
        server = FaultServer()
        server.s3.broken = kind
        client = Client(binary, server, "filesystem")
        code, _, err = client.run("table", "create", "t", "--dim", "2")
        expect(code == 7, f"a store that {kind}: exit {code}: {err}")
        expect("If-None-Match" in err or "condition" in err, f"the refusal does not say why: {err}")
        left = [k for k in server.s3.objects if "/metadata/v" in k]
        expect(not left, f"something was written to it: {left}")
        server.close()
        print(f"broken: refused: {what}")


def publishes(binary):
    """The quick slice of the matrix: every fault at the one request that decides."""
    cases = 0
    for catalog in ("filesystem", "rest"):
        server = FaultServer()
        client = Client(binary, server, catalog)
        known = client.make_table()
        row, _ = count_requests(client)
        known.add(row)
        decides = [n for n, method, path, _ in server.requests if is_publish(method, path)]
        expect(len(decides) == 1, f"{catalog}: {len(decides)} requests look like the publish of one commit")
        for fault in FAULTS:
            server.arm({decides[0]: fault})
            row, code, err = client.append()
            server.arm({})
            server.settle()
            known = check_outcome(client, known, row, code, err, f"{catalog}, {fault} at the publish")
            cases += 1
        server.close()
    print(f"publishes: {cases} cases, every outcome true")


def is_publish(method, path):
    is_version = method == "PUT" and re.search(r"/metadata/v\d+\.metadata\.json", path) is not None
    return is_version or (method == "POST" and re.search(r"/tables/[^/]+$", path) is not None)


def stalled(binary):
    """SIGSTOP at the publish; snapshots expire, orphans are removed; SIGCONT."""
    rounds = int(os.environ.get("VECSTORE_TEST_STALLED", "20"))
    server = FaultServer()
    client = Client(binary, server, "filesystem")
    known = client.make_table()
    row, requests = count_requests(client)
    known.add(row)
    draw = random.Random(11)
    for i in range(rounds):
        at = draw.randrange(requests)
        server.arm({})
        row, text = client.row()
        server.arm({at: "hold"})
        process = client.start("ingest", "t", "-", rows=text)
        process.stdin.write(text)
        process.stdin.close()
        expect(server.wait_held(), f"request {at} did not come")
        process.send_signal(signal.SIGSTOP)
        server.arm({})
        other, code, err = client.append()
        expect(code == 0, f"commit beside a stalled writer: exit {code}: {err}")
        known.add(other)
        client.good("table", "expire", "t", "--older-than", "0s", "--retain-last", "1")
        client.good("table", "orphans", "t", "--remove")
        server.release(apply=draw.random() < 0.5)
        process.send_signal(signal.SIGCONT)
        process.stdout.read()
        err = process.stderr.read()
        code = process.wait(timeout=60)
        known = check_outcome(client, known, row, code, err, f"stalled at request {at}")
    server.close()
    print(f"stalled: {rounds} rounds, no file lost, no false success")


def write_many(binary, endpoint, rest_uri, catalog, first, count):
    """One process of the race: commits one after the other; returns (done, unknown) ids."""

    class Remote:
        s3_endpoint, bucket = endpoint, "bucket"

    Remote.rest_uri = rest_uri
    client = Client(binary, Remote, catalog)
    done, unknown, refused = [], [], {}
    for i in range(count):
        client.next_id = first + i
        row, code, err = client.append()
        if code == 0:
            done.append(row)
        elif code == UNKNOWN:
            unknown.append(row)
        elif code in (4, 8):  # conflict, unavailable: definitely not in
            refused[code] = refused.get(code, 0) + 1
        else:
            raise Failure(f"writer at row {row}: exit {code}: {err}")
    return done, unknown, refused


def writers(binary, catalog):
    processes = int(os.environ.get("VECSTORE_TEST_WRITERS", "16"))
    commits = int(os.environ.get("VECSTORE_TEST_COMMITS", "100"))
    server = FaultServer()
    client = Client(binary, server, catalog)
    known = client.make_table()
    draw = random.Random(3)
    faults = ["apply-then-drop", "drop", "apply-500", "503", "refuse"]
    server.arm({i: draw.choice(faults) for i in range(200_000) if draw.random() < 0.01})
    done, unknown, refused = set(), set(), {}
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(processes) as pool:
        jobs = [
            pool.submit(
                write_many, binary, server.s3_endpoint, server.rest_uri, catalog, 1000 * (w + 1), commits
            )
            for w in range(processes)
        ]
        for job in jobs:
            finished, open_ends, refusals = job.result()
            done.update(finished)
            unknown.update(open_ends)
            for code, count in refusals.items():
                refused[code] = refused.get(code, 0) + count
    took = time.monotonic() - begun
    requests = server.count
    server.arm({})
    ids = client.ids()
    expect(len(ids) == len(set(ids)), f"{catalog}: a row is in the table twice")
    missing = done - set(ids)
    expect(not missing, f"{catalog}: acknowledged rows are missing: {sorted(missing)[:5]}")
    strange = set(ids) - done - unknown - known
    expect(not strange, f"{catalog}: rows of failed commits are there: {sorted(strange)[:5]}")
    expect(client.check_lineage() == len(ids), f"{catalog}: total-records is wrong")
    server.close()
    print(
        f"writers {catalog}: {processes} x {commits}: {len(done)} done, {len(unknown)} unknown, "
        f"{refused.get(4, 0)} gave up on conflicts, {refused.get(8, 0)} found the store unavailable, every row once; "
        f"{requests} requests, {took:.0f} s"
    )


PARTS = {
    "matrix": lambda b: expect(sum(matrix(b, c) for c in ("filesystem", "rest")) >= 400, "fewer than 400 cases"),
    "lost": lambda b: [lost(b, c) for c in ("filesystem", "rest")],
    "crash": lambda b: [crash(b, c) for c in ("filesystem", "rest")],
    "publishes": publishes,
    "broken": broken,
    "stalled": stalled,
    "writers": lambda b: [writers(b, c) for c in ("filesystem", "rest")],
}


def main():
    binary, parts = sys.argv[1], sys.argv[2:] or list(PARTS)
    for part in parts:
        begun = time.monotonic()
        try:
            PARTS[part](binary)
        except Failure as failure:
            print(f"FAILED {part}: {failure}")
            return 1
        print(f"  {part} took {time.monotonic() - begun:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
