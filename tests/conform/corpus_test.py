#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole conformance corpus through the command line: `vecstore inspect --json --digest`.

    corpus_test.py VECSTORE_BINARY [PART_OF_A_PATH]

The corpus lies outside of the repository ($VECSTORE_SHARED or ../shared, folder data/conform): files
that other implementations wrote, with expected.json, the answers that other readers gave. Every
answer has to be the same; what must be refused is refused with a sentence that gives a reason.
Standard library only. Exit 77: the corpus is not there.
"""
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

BINARY = sys.argv[1]
ONLY = sys.argv[2] if len(sys.argv) > 2 else ""
SHARED = os.environ.get("VECSTORE_SHARED") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared")
ROOT = os.path.join(SHARED, "data", "conform")

# What expected.json says about other readers, or in words.
REMARKS = {"features", "pyarrow", "duckdb", "duckdb_columns", "duckdb_rows", "note", "expect",
           "reason", "csv", "pyarrow_without_crc_check", "override", "shape_error", "source",
           "metadata_only", "must_fail"}
TOO_LARGE = {"parquet/large_string_map.brotli.parquet"}

failures = []
counts = {}


def inspect(path, *options):
    """(exit code, report or None, message)"""
    run = subprocess.run([BINARY, "inspect", os.path.join(ROOT, path), "--json", "--digest",
                          *options], capture_output=True, timeout=120)
    text = run.stderr.decode(errors="replace").strip()
    return run.returncode, json.loads(run.stdout) if run.returncode == 0 else None, text


def fail(where, text):
    failures.append("%s: %s" % (where, text))


def same(expected, actual, at, out):
    """Everything that is expected has to be there; more may be."""
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            out.append("%s: expected an object, got %r" % (at, actual))
            return
        for key, value in expected.items():
            if key not in REMARKS:
                same(value, actual.get(key), "%s.%s" % (at, key), out)
    elif isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            out.append("%s: expected %d elements, got %s" % (
                at, len(expected), len(actual) if isinstance(actual, list) else repr(actual)))
            return
        for i, (a, b) in enumerate(zip(expected, actual)):
            same(a, b, "%s[%d]" % (at, i), out)
    elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
        out.append("%s: expected %r, got %r" % (at, expected, actual))


def check_refusal(where, result):
    code, _, text = result
    # 2: bad usage, 3 and above: named failures; a crash is a negative code or above 127
    if code <= 0 or code >= 126:
        fail(where, "must be refused, exit code %d" % code)
    elif len(text) < 20 or "internal" in text.lower():
        fail(where, "is refused without a reason: %r" % text)
    return "refused"


def check_file(path, expected):
    """Parquet, Avro, Puffin and bitmap files."""
    expect = expected.get("expect", "")
    refuse = bool(expected.get("must_fail")) or (
        expect.startswith("error") and expect != "error or the given rows")
    result = inspect(path)
    if refuse:
        return check_refusal(path, result)
    if result[0] != 0:
        if expect == "error or the given rows" or path in TOO_LARGE:
            return check_refusal(path, result)
        fail(path, "exit code %d: %s" % (result[0], result[2]))
        return "failed"
    if expected.get("puffin") is False:
        fail(path, "is no Puffin file")
        return "failed"
    out = []
    same(expected, result[1], "", out)
    for line in out[:5]:
        fail(path, line)
    return "failed" if out else "equal"


def check_metadata(path, expected):
    """Single metadata files: the summary, without any other file."""
    run = subprocess.run([BINARY, "inspect", os.path.join(ROOT, path), "--json"],
                         capture_output=True, timeout=60)
    expect = expected.get("expect", "error")
    if expect == "error" or "as_written" not in expected:
        return check_refusal(path, (run.returncode, None, run.stderr.decode().strip()))
    if run.returncode != 0:
        if "names encryption" in expect and "encrypt" in run.stderr.decode():
            return "refused"
        fail(path, "exit code %d: %s" % (run.returncode, run.stderr.decode().strip()))
        return "failed"
    report = json.loads(run.stdout)
    written = expected["as_written"]
    mine = dict(report, schemas=len(report["schemas"]), sort_orders=len(report["sort_orders"]),
                partition_specs=len(report["partition_specs"]),
                snapshots=[s["snapshot_id"] for s in report["snapshots"]],
                refs={k: v["snapshot_id"] for k, v in report["refs"].items()},
                statistics=len(report["statistics"]), properties=len(report["properties"]))
    if "main" not in written["refs"] and mine["refs"].get("main") == mine["current_snapshot_id"]:
        mine["refs"].pop("main", None)      # older files do not write the branch out
    out = []
    for key, value in written.items():
        # what version 1 may leave out has a meaning all the same
        absent = value is None or (value == 0 and written["format_version"] == 1)
        if not absent:
            same(value, mine.get(key), key, out)
        elif key in ("schemas", "partition_specs", "sort_orders") and mine[key] < 1:
            out.append("%s: none" % key)
        elif key in ("current_schema_id", "default_spec_id") and mine[key] is None:
            out.append("%s: none" % key)
    for line in out:
        fail(path, line)
    return "failed" if out else "equal"


def type_name(text):
    """Types as expected.json writes them: nested ones by their shape alone."""
    text = text.replace(" ", "")
    head = text.split("<")[0]
    return head if head in ("struct", "list", "map") else text


def check_snapshot(table, name, meta, answer):
    path = "%s/metadata/%s" % (table["dir"], name)
    where = "%s snapshot %s" % (path, answer["snapshot_id"])
    result = inspect(path, "--snapshot", answer["snapshot_id"], "--map-prefix", "%s=%s" % (
        table["recorded_prefix"], os.path.join(ROOT, table["actual_prefix"])))
    expect = meta.get("expect", "")
    if answer.get("must_fail") or (expect.startswith("error") and "given rows" not in expect):
        return check_refusal(where, result)
    code, report, text = result
    if code != 0:
        if "or the given rows" in expect:
            return check_refusal(where, result)
        fail(where, "exit code %d: %s" % (code, text))
        return "failed"
    out = []
    same(answer["plan"], report.get("plan"), "plan", out)
    if table.get("metadata_only"):
        same(True, report.get("metadata_only"), "metadata_only", out)
    else:
        for key in ("rows", "digest", "snapshot_id"):
            same(answer[key], report.get(key), key, out)
        columns = [dict(c, type=type_name(c["type"])) for c in report.get("columns", [])]
        same([dict(c, type=type_name(c["type"])) for c in answer["columns"]], columns, "columns",
             out)
    for line in out[:5]:
        fail(where, line)
    return "failed" if out else "equal"


def check_empty(table, name, meta):
    """A metadata file without snapshots, or one that is none."""
    path = "%s/metadata/%s" % (table["dir"], name)
    result = inspect(path)
    if "must_fail" in meta:
        return check_refusal(path, result)
    out = []
    if result[0] != 0:
        out.append("exit code %d: %s" % (result[0], result[2]))
    else:
        same({"format_version": meta["format_version"], "current_snapshot_id": None, "rows": 0,
              "plan": {"data_files": 0, "delete_files": 0, "file_rows": 0}}, result[1], "", out)
    for line in out:
        fail(path, line)
    return "failed" if out else "equal"


def jobs(corpus):
    for group in ("parquet", "bad", "avro", "puffin", "deletes"):
        for path, expected in corpus[group].items():
            is_json = path.endswith(".json") or path.endswith(".json.gz")
            yield group, path, check_metadata if is_json else check_file, (path, expected)
    for path, expected in corpus["metadata"].items():
        yield "metadata", path, check_metadata, (path, expected)
    for folder, table in corpus["iceberg"].items():
        table = dict(table, dir=folder)
        for name, meta in table["metadata_files"].items():
            path = "%s/metadata/%s" % (folder, name)
            if not meta["snapshots"]:
                yield "iceberg", path, check_empty, (table, name, meta)
            for answer in meta["snapshots"]:
                yield "iceberg", path, check_snapshot, (table, name, meta, answer)


def guarded(job):
    group, path, check, args = job
    try:
        return group, check(*args)
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as problem:
        fail(path, "%s: %s" % (type(problem).__name__, problem))
        return group, "failed"


def main():
    if not os.path.exists(os.path.join(ROOT, "expected.json")):
        print("skipped: corpus_test: no conformance corpus at %s (VECSTORE_SHARED)" % ROOT)
        return 77
    with open(os.path.join(ROOT, "expected.json"), encoding="utf-8") as f:
        corpus = json.load(f)
    work = [job for job in jobs(corpus) if ONLY in job[1]]
    with ThreadPoolExecutor(2) as pool:
        for group, outcome in pool.map(guarded, work):
            row = counts.setdefault(group, {"equal": 0, "refused": 0, "failed": 0})
            row[outcome] += 1
    for line in failures:
        print("FAIL", line)
    print("%-10s %6s %8s %7s" % ("group", "equal", "refused", "failed"))
    for group, row in counts.items():
        print("%-10s %6d %8d %7d" % (group, row["equal"], row["refused"], row["failed"]))
    total = sum(sum(row.values()) for row in counts.values())
    if not ONLY and total < 250:
        print("FAIL only %d checks: the corpus has more" % total)
        return 1
    print("%d checks, %d problems" % (total, len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
