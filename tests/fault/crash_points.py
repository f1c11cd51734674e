#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The binary stopped at, or failed in, each call that changes a file, on a local warehouse.

usage: crash_points.py PATH_TO_VECSTORE PATH_TO_SHIM [--every N]     (exit status 77: no shim)

After each: the table reads, `table check` finds nothing, the change is in once or not at all, and the next commit
works. --every N stops at each N-th call only; faults are
injected at a quarter of those. The shim is tests/support/syscall_shim.c.
"""
import json, os, shutil, subprocess, sys, tempfile

KILLED, UNKNOWN, NOT_FOUND = 137, 11, 3
KILLS = ["before", "after"]
FAULTS = ["EIO", "ENOSPC", "EINTR", "short"]
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("VECSTORE_", "SHIM_"))}


def rows(path, ids, note):
    with open(path, "w") as f:
        for i in ids:
            f.write(json.dumps({"id": i, "note": f"{note} {i}", "embedding": [1.0 + i, 2.0, 3.0, i / 7]}) + "\n")
    return path


class Lake:
    def __init__(self, binary, shim, every):
        self.binary, self.shim, self.every = binary, shim, every
        self.folder = tempfile.mkdtemp(prefix="vecstore-crash-")
        self.template, self.warehouse = os.path.join(self.folder, "template"), os.path.join(self.folder, "warehouse")
        self.points = self.killed = self.failed = self.landed = 0
        self.base = rows(self.path("base.jsonl"), range(20), "base")
        self.more = rows(self.path("more.jsonl"), range(20, 30), "more")
        self.change = rows(self.path("change.jsonl"), range(15, 25), "changed")
        self.last = rows(self.path("last.jsonl"), [100], "last")

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *args, **shim):
        env = dict(CLEAN)
        if shim:
            env.update({"LD_PRELOAD": self.shim}, **{f"SHIM_{k.upper()}": str(v) for k, v in shim.items()})
        done = subprocess.run([self.binary, "--warehouse", self.warehouse, "--json", *args], env=env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, cwd=self.folder)
        return done.returncode, done.stdout, done.stderr

    def must(self, *args):
        code, out, error = self.run(*args)
        if code != 0:
            raise AssertionError(f"{args}: exit code {code}: {out[-500:]}{error[-500:]}")
        return json.loads(out) if out.strip().startswith("{") else {}

    def reset(self):
        shutil.rmtree(self.warehouse, ignore_errors=True)
        if os.path.exists(self.template):
            shutil.copytree(self.template, self.warehouse)

    def state(self):
        """Live rows as {id: note}, after a check that finds nothing; each row once."""
        code, out, error = self.run("table", "check", "n.t")
        if code == NOT_FOUND:
            return None
        if code != 0 or json.loads(out)["problem_count"] != 0:
            raise AssertionError(f"table check: exit code {code}: {out[-500:]}{error[-300:]}")
        check = json.loads(out)
        found = self.must("get", "n.t", "--ids", ",".join(map(str, range(30))))
        notes = {r["id"]: r["fields"]["note"] if "fields" in r else r["note"] for r in found["rows"] if r is not None}
        live = check["rows"] - check["deleted"]
        if len(notes) != live:
            raise AssertionError(f"{live} live rows, {len(notes)} different ids")
        return notes

    def point(self, args, before, after, **shim):
        """One run with the shim, and what has to hold afterwards."""
        self.reset()
        code, out, error = self.run(*args, **shim)
        self.points += 1
        self.killed += code == KILLED
        self.failed += code not in (0, KILLED)
        state = self.state()
        exists = state is not None
        if before is None and state == {}:
            state = None  # created, and nothing in it yet: that is a commit of its own
        if state not in (before, after):
            raise AssertionError(f"exit code {code}, and neither the state before nor after: {state}")
        if code == 0 and state != after or code not in (0, KILLED, UNKNOWN) and state == after:
            raise AssertionError(f"exit code {code} ({error[-300:]}), but {'' if state == after else 'not '}landed")
        if code not in (0, KILLED, UNKNOWN) and not error.strip() and "message" not in out:
            raise AssertionError(f"exit code {code} without a sentence")
        self.landed += state == after
        self.must("ingest", "n.t", self.last, *([] if exists else ["--create"]))
        if self.points % 10 == 0 and self.must("table", "check", "n.t")["problem_count"] != 0:
            raise AssertionError("the commit behind it left a problem")

    def all_points(self, name, args):
        self.reset()
        before = self.state()
        counter = self.path("count")
        code, out, error = self.run(*args, count=counter)
        if code != 0:
            raise AssertionError(f"{name}: {out}{error}")
        after = self.state()
        calls = int(open(counter).read())
        if before == after or calls < 10:
            raise AssertionError(f"{name}: {calls} calls, nothing changed")
        for mode in [*KILLS, *FAULTS]:
            for n in range(0, calls, self.every if mode in KILLS else self.every * 4):
                for on in ([False] if mode in (*KILLS, "EINTR") else [False, True]):
                    shim = {"at": n, "mode": mode, **({"on": 1} if on else {})}
                    try:
                        self.point(args, before, after, **shim)
                    except AssertionError as e:
                        raise AssertionError(f"{name}, call {n} of {calls}, {shim}: {e}") from None
        print(f"{name}: {calls} calls that change files")


def main():
    if len(sys.argv) < 3 or not os.path.exists(sys.argv[2]):
        print("SKIP: no library to preload")
        return 77
    every = int(sys.argv[sys.argv.index("--every") + 1]) if "--every" in sys.argv else 1
    lake = Lake(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), every)
    try:
        lake.all_points("create", ["ingest", "n.t", lake.base, "--create"])
        lake.reset()
        lake.must("ingest", "n.t", lake.base, "--create")
        shutil.copytree(lake.warehouse, lake.template)
        lake.all_points("append", ["ingest", "n.t", lake.more])
        lake.all_points("upsert", ["ingest", "n.t", lake.change, "--upsert"])
        lake.all_points("delete", ["delete", "n.t", "--ids", "1,2,3"])
    finally:
        shutil.rmtree(lake.folder, ignore_errors=True)
    print(f"{lake.points} points: {lake.killed} killed, {lake.failed} failed, {lake.landed} landed; all readable, "
          "once or not at all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
