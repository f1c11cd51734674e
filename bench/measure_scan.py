# SPDX-License-Identifier: Apache-2.0
"""Scan rate of a vector column (list<float>, zstd) from Parquet: PLAIN and BYTE_STREAM_SPLIT, beside pyarrow and
DuckDB on the same files in the same run. Every reader has one thread; files are in the page cache.
CPU seconds are disturbed least by other work.

Usage: scan [--rows 100000] [--dim 768] [--passes 5]
"""
import argparse
import json
import os
import subprocess
import sys

import bench_facts as facts

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "scan_peers.py")
FILES = ("plain", "split", "optional", "half")


def run(command, what):
    measured, out = facts.run_measured(command)
    return {**measured, **json.loads(out), "what": what}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rows", 100000), ("dim", 768), ("passes", 5)):
        parser.add_argument("--" + name, type=int, default=default)
    args = parser.parse_args()
    report = facts.Report("scan")
    if not facts.worker_can("pyarrow", "pyarrow numpy"):
        facts.die("the files are made with pyarrow")
    folder = facts.scratch_folder("scan")
    subprocess.run([sys.executable, PEERS, "make", folder, str(args.rows), str(args.dim)], check=True)
    peers = ["pyarrow"] + (["duckdb"] if facts.worker_can("duckdb", "duckdb") else [])
    for name in FILES:
        path = os.path.join(folder, name + ".parquet")
        facts.warm_pages(path)
        ours = run([facts.program("bench_scan"), path, "embedding", str(args.passes)], "vecstore")
        for result in [ours] + [run([sys.executable, PEERS, p, path, str(args.passes)], p) for p in peers]:
            if result["rows"] != args.rows or abs(result["check"] - ours["check"]) > 1e-3 * max(1, abs(ours["check"])):
                facts.die(f"{result['what']} on {name}: other rows or values: {result} {ours}")
            report.add({**result, "file": name, "dim": args.dim, "file_bytes": os.path.getsize(path),
                        "gb_per_s": round(args.rows * args.dim * 4 / result["work_s"] / 1e9, 2),
                        "rows_per_s": round(args.rows / result["work_s"]),
                        "ratio": round(result["work_s"] / ours["work_s"], 2),
                        "cpu_ratio": round(result["work_cpu_s"] / ours["work_cpu_s"], 2)})
    facts.table(report.rows, [
        ("file", lambda r: r["file"]), ("reader", lambda r: r["what"]), ("MB", lambda r: round(r["file_bytes"] / 1e6, 1)),
        ("s", lambda r: f"{r['work_s']:.3f}{facts.mark(r)}"), ("GB/s", lambda r: r["gb_per_s"]),
        ("rows/s", lambda r: r["rows_per_s"]), ("time / vecstore", lambda r: r["ratio"]),
        ("CPU s", lambda r: f"{r['work_cpu_s']:.3f}"), ("CPU / vecstore", lambda r: r["cpu_ratio"]),
        ("peak MiB", lambda r: r["peak_rss_mib"]), ("others' cores", lambda r: r["foreign_cores"])])
    print("GB/s of float32 in memory; best pass, one thread each, without start and imports. Vectors are synthetic.")
    report.write()


if __name__ == "__main__":
    main()
