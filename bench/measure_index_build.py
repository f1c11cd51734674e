# SPDX-License-Identifier: Apache-2.0
"""Index build beside FAISS: time, CPU, peak memory, and how good the lists are that come out.

Usage: index_build [--data docs|bge|syn | --folder DIR] [--threads 2] [--memory MIB] [--peer NAME] [--no-codes]
The same rows three times with the same number of threads: vecstore from a table (ingest is a line of its own),
vecstore from base.npy through the index library, FAISS training and filling OPQ + IVF + 4-bit codes (8,192 lists from
500,000 rows on, 2,048 from 80,000; OPQ is most of its time, `--peer faiss-pca-codes` goes without). Then, for each
index, the codes that have to be looked at for recall@10, with exact scores of the best 1,000 candidates: a quick build
of bad lists would show there.
"""
import argparse
import json
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "peers")]

import bench_facts as facts  # noqa: E402
import peer_data  # noqa: E402
import peer_names  # noqa: E402
from measure_peers import run_worker  # noqa: E402
from peer_environment import environment, importable  # noqa: E402

SWEEP = 300  # queries of the counting


def from_table(report, data, work, args):
    """Ingest, then the index of the table."""
    place = os.path.join(work, "index-vecstore")
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    vecstore = [facts.program("vecstore"), "--warehouse", os.path.join(place, "warehouse"), "--json", "--quiet",
                "--threads", str(args.threads)]
    os.makedirs(os.path.join(place, "warehouse"))
    measured, _ = facts.run_measured(vecstore + ["ingest", "bench.t", os.path.join(data, "base.npy"), "--create"])
    report.add({"engine": "vecstore ingest", **measured})
    measured, out = facts.run_measured(vecstore + ["index", "build", "bench.t", "--min-recall", "0"]
                                       + (["--memory", f"{args.memory}MiB"] if args.memory else []))
    made = json.loads(out)
    return report.add({"engine": "vecstore, from the table", **measured, "bytes": made["bytes"], "lists": made["lists"],
                       "m": made["m"], "recall_at_10": made["recall_at_10"], "phases": made["phases"]})


def from_arrays(report, data, work, args):
    out = os.path.join(work, "arrays.puffin")
    measured, text = facts.run_measured([facts.program("bench_search"), data, "cosine", "--threads", str(args.threads),
                                         "--memory", str(args.memory), "--out", out, "--build-only"])
    made = json.loads(text.splitlines()[0])
    os.remove(out)
    return report.add({"engine": "vecstore, from arrays", **measured, "wall_s": made["build_ms"] / 1e3,
                       "cpu_s": made["cpu_s"], "bytes": made["file_size"], "lists": made["lists"], "m": made["m"],
                       "phases": made["facts"]})


def by_faiss(report, python, data, work, args):
    """Train and add alone are timed; reading the file and saving the index are not."""
    path = os.path.join(work, "index-" + args.peer)
    if os.path.exists(path):
        os.remove(path)
    measured, made = run_worker(python, "build", args.peer, data, work, SWEEP, args.threads)
    kind, steps = made["steps"].pop("kind"), made["steps"]
    return report.add({"engine": "FAISS " + kind, **measured, "wall_s": round(sum(steps.values()), 2),
                       "cpu_s": made["build_cpu_s"], "bytes": made["bytes"], "version": made["version"],
                       "phases": {name.replace("_s", "_ms"): seconds * 1e3 for name, seconds in steps.items()}})


def count_codes(report, python, names, data, work):
    rows = []
    for name in names:
        _, found = run_worker(python, "codes", name, data, work, SWEEP, 1)
        rows.append(report.add({"step": "codes", **found}))
    print("\ncodes looked at for recall@10, exact scores of the best 1,000 candidates")
    facts.table(rows, [("index", lambda r: r["peer"])] + [
        (f"{goal}", lambda r, goal=goal: r[f"codes_at_{goal}"] or "-") for goal in (0.9, 0.95, 0.99)])
    for row in rows:
        print(f"  {row['peer']}: " + ", ".join(f"{p['recall']:.3f} at {p['codes']}" for p in row["curve"]))
    return rows


def show(rows):
    print()
    facts.table(rows, [
        ("engine", lambda r: r["engine"]), ("s", lambda r: f"{r['wall_s']:.2f}{facts.mark(r)}"),
        ("CPU s", lambda r: f"{r['cpu_s']:.2f}"), ("peak MiB", lambda r: r["peak_anon_mib"]),
        ("file MB", lambda r: f"{r['bytes'] / 1e6:.1f}" if "bytes" in r else None), ("lists", lambda r: r.get("lists")),
        ("m", lambda r: r.get("m")), ("others' cores", lambda r: r["foreign_cores"])])
    for row in rows:
        phases = {n: v for n, v in row.get("phases", {}).items() if n.endswith("_ms") and isinstance(v, (int, float))}
        if phases:
            print(f"  {row['engine']}: " + ", ".join(f"{n} {v:.0f}" for n, v in phases.items()))


def main():
    parser = argparse.ArgumentParser(usage=__doc__.partition("Usage: ")[2])
    parser.add_argument("--data", choices=sorted(peer_data.SETS))
    parser.add_argument("--folder")
    parser.add_argument("--work")
    for name, default in (("rows", 1_000_000), ("threads", 2), ("memory", 0)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--no-codes", action="store_true", help="only the builds")
    parser.add_argument("--peer", choices=("faiss-codes", "faiss-pca-codes", "none"), default="faiss-codes")
    args = parser.parse_args()
    python = environment([peer_names.PEERS["faiss-codes"].requirement])
    data, title = peer_data.folder(python, args)
    report = facts.Report("index_build")
    print(title)
    work = args.work or facts.scratch_folder("index_build")
    facts.warm_pages(os.path.join(data, "base.npy"))
    table, names = from_table(report, data, work, args), ["vecstore"]
    arrays = from_arrays(report, data, work, args)
    has_peer = args.peer != "none" and importable(python, "faiss")
    if has_peer:
        peer = by_faiss(report, python, data, work, args)
        names.append(args.peer)
    elif args.peer != "none":
        print(f"skipped: FAISS: {peer_names.PEERS[args.peer].requirement} is not installed for {python}")
    show([row for row in report.rows if "engine" in row])
    if has_peer:
        print(f"  FAISS / vecstore: {peer['wall_s'] / arrays['wall_s']:.1f} from arrays, "
              f"{peer['wall_s'] / table['wall_s']:.1f} from the table; by CPU time "
              f"{peer['cpu_s'] / arrays['cpu_s']:.1f} and {peer['cpu_s'] / table['cpu_s']:.1f}")
    if not args.no_codes and importable(python, "numpy"):
        count_codes(report, python, names, data, work)
    report.write()
    if not args.work:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
