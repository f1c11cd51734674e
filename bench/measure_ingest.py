# SPDX-License-Identifier: Apache-2.0
"""Ingest: rows/s, MB/s and peak memory of `vecstore ingest --create` from npy, Parquet and JSONL, beside
pyarrow writing the same Parquet and PyIceberg appending it; then a file several times as long, to show
that memory does not grow with it.

Usage: ingest [--rows 100000] [--dim 384] [--long-rows 1000000] [--long-dim 128] [--passes 3]
"""
import argparse
import json
import os
import shutil
import subprocess
import sys

import bench_facts as facts

HERE = os.path.dirname(os.path.abspath(__file__))


def inputs(rows, dim):
    folder = facts.generated(rows, dim)
    if not all(os.path.exists(os.path.join(folder, n)) for n in ("base.parquet", "base.jsonl")):
        subprocess.run([sys.executable, os.path.join(HERE, "ingest_peers.py"), "make", folder], check=True,
                       stdout=subprocess.DEVNULL)
    return folder


def best_of(passes, run):
    """The fastest pass; its own foreign load is what counts."""
    return min((run() for _ in range(passes)), key=lambda result: result["s"])


def run_vecstore(files, metadata, warehouse):
    shutil.rmtree(warehouse, ignore_errors=True)
    os.makedirs(warehouse)
    command = [facts.program("vecstore"), "--warehouse", warehouse, "--json", "ingest", "bench.t", *files, "--create"]
    measured, out = facts.run_measured(command + (["--metadata", metadata] if metadata else []))
    report = json.loads(out)
    return {**measured, "s": measured["wall_s"], "rows": report["rows"], "written_bytes": report["bytes"]}


def run_peer(name, source, out):
    shutil.rmtree(out, ignore_errors=True)
    measured, text = facts.run_measured([sys.executable, os.path.join(HERE, "ingest_peers.py"), name, source, out])
    written = facts.tree_bytes(out)
    if os.path.isfile(out):
        os.remove(out)
    return {**measured, "s": json.loads(text)["work_s"], "written_bytes": written}


def finish(report, what, rows, dim, result):
    result.setdefault("rows", rows)
    if result["rows"] != rows:
        facts.die(f"{what}: {result['rows']} rows instead of {rows}")
    megabytes = rows * dim * 4 / 1e6
    return report.add({"what": what, "dim": dim, **result, "rows_per_s": round(rows / result["s"]),
                       "vector_mb_per_s": round(megabytes / result["s"], 1)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rows", 100000), ("dim", 384), ("long-rows", 1000000), ("long-dim", 128), ("passes", 3)):
        parser.add_argument("--" + name, type=int, default=default)
    args = parser.parse_args()
    report = facts.Report("ingest")
    arrow = facts.worker_can("pyarrow", "pyarrow numpy")
    folder = inputs(args.rows, args.dim) if arrow else facts.generated(args.rows, args.dim)
    work = facts.scratch_folder("ingest")
    path = {n: os.path.join(folder, n) for n in ("base.npy", "rows.jsonl", "base.parquet", "base.jsonl")}
    facts.warm_pages(*filter(os.path.exists, path.values()))
    jobs = [("vecstore npy", "base.npy", None), ("vecstore npy + jsonl", "base.npy", path["rows.jsonl"])]
    jobs += [("vecstore parquet", "base.parquet", None), ("vecstore jsonl", "base.jsonl", None)] if arrow else []
    for what, name, metadata in jobs:
        result = best_of(args.passes, lambda n=name, m=metadata: run_vecstore([path[n]], m, work + "/w"))
        finish(report, what, args.rows, args.dim, {**result, "input_bytes": os.path.getsize(path[name])})
    peers = [p for p in ("pyarrow", "pyiceberg")
             if arrow and facts.worker_can({"pyiceberg": "pyiceberg.catalog.sql"}.get(p, p), f"{p}[sql-sqlite]")]
    for peer in peers:
        result = best_of(args.passes, lambda p=peer: run_peer(p, path["base.parquet"], work + "/peer"))
        finish(report, peer + " parquet", args.rows, args.dim, result)
    if args.long_rows > 0:
        folder = facts.generated(args.long_rows, args.long_dim)
        result = run_vecstore([folder + "/base.npy"], folder + "/rows.jsonl", work + "/w")
        finish(report, "vecstore npy + jsonl, long", args.long_rows, args.long_dim, result)
    shutil.rmtree(work)
    facts.table(report.rows, [
        ("what", lambda r: r["what"]), ("rows x dim", lambda r: f"{r['rows']} x {r['dim']}"),
        ("s", lambda r: f"{r['s']:.2f}{facts.mark(r)}"), ("CPU s", lambda r: f"{r['cpu_s']:.2f}"),
        ("rows/s", lambda r: r["rows_per_s"]), ("vector MB/s", lambda r: r["vector_mb_per_s"]),
        ("written MB", lambda r: f"{r['written_bytes'] / 1e6:.1f}"), ("peak MiB", lambda r: r["peak_rss_mib"]), ("of it anonymous", lambda r: r["peak_anon_mib"]),
        ("others' cores", lambda r: r["foreign_cores"])])
    print("vecstore: whole process, wall clock. Peers: read and write alone, without start and imports;"
          " PyIceberg and pyarrow hold all rows in memory. Vectors are synthetic.")
    report.write()


if __name__ == "__main__":
    main()
