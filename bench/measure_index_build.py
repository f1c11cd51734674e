# SPDX-License-Identifier: Apache-2.0
"""Index build: wall and CPU seconds by phase, peak memory and size, beside FAISS training and filling an
index of the same kind over the same rows with the same number of threads.

Usage: index_build [--rows 100000] [--dim 384] [--threads 2] [--lists 0] [--passes 1] [--faiss KIND …]
"""
import argparse
import json
import os
import shutil
import subprocess
import sys

import bench_facts as facts

HERE = os.path.dirname(os.path.abspath(__file__))
STRIP_NPY = "import numpy,sys; numpy.load(sys.argv[1],mmap_mode='r').tofile(sys.argv[2])"


def run_vecstore(folder, work, args):
    warehouse = os.path.join(work, "warehouse")
    shutil.rmtree(warehouse, ignore_errors=True)
    os.makedirs(warehouse)
    vecstore = [facts.program("vecstore"), "--warehouse", warehouse, "--json"]
    facts.run_measured(vecstore + ["ingest", "bench.t", folder + "/base.npy", "--metadata", folder + "/rows.jsonl",
                                   "--create"])
    command = vecstore + ["index", "build", "bench.t", "--min-recall", "0", "--threads", str(args.threads)]
    measured, out = facts.run_measured(command + (["--lists", str(args.lists)] if args.lists else []))
    built = json.loads(out)
    return {"engine": "vecstore", **measured, "lists": built["lists"], "m": built["m"], "bytes": built["bytes"],
            "recall_at_10": built["recall_at_10"], "phases": built["phases"]}


def run_faiss(kind, folder, work, args):
    raw, index = os.path.join(work, "base.f32"), os.path.join(work, "peer.faiss")
    if not os.path.exists(raw):
        subprocess.run([sys.executable, "-c", STRIP_NPY, folder + "/base.npy", raw], check=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads), "OPENBLAS_NUM_THREADS": str(args.threads)}
    measured, out = facts.run_measured([sys.executable, os.path.join(HERE, "search_faiss.py"), "build", kind, raw,
                                        str(args.dim), index], environment)
    built = json.loads(out)
    return {"engine": "FAISS " + kind, **measured, "wall_s": round(built["train_s"] + built["add_s"], 2),
            "process_wall_s": measured["wall_s"], "bytes": os.path.getsize(index), "faiss": built["faiss"],
            "faiss_simd": built["simd"], "phases": {"train_ms": built["train_s"] * 1e3, "add_ms": built["add_s"] * 1e3}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rows", 100000), ("dim", 384), ("threads", 2), ("lists", 0), ("passes", 1)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--faiss", nargs="*", help="factory strings; none: no peer")
    args = parser.parse_args()
    report = facts.Report("index_build")
    folder = facts.generated(args.rows, args.dim)
    facts.warm_pages(folder + "/base.npy", folder + "/rows.jsonl")
    work = facts.scratch_folder("index_build")
    best = min((run_vecstore(folder, work, args) for _ in range(args.passes)), key=lambda r: r["wall_s"])
    report.add({"rows": args.rows, "dim": args.dim, "threads": args.threads, **best})
    kinds = args.faiss
    if kinds is None:
        codes = f"PQ{args.dim // 4}x4fs"
        kinds = [f"OPQ{args.dim // 4}_{args.dim},IVF2048,{codes}", f"PCAR{args.dim // 2},IVF2048,{codes}"]
    if kinds and facts.worker_can("faiss", "faiss-cpu"):
        for kind in kinds:
            report.add({"rows": args.rows, "dim": args.dim, "threads": args.threads,
                        **run_faiss(kind, folder, work, args)})
    shutil.rmtree(work)
    facts.table(report.rows, [
        ("engine", lambda r: r["engine"]), ("s", lambda r: f"{r['wall_s']:.2f}{facts.mark(r)}"),
        ("CPU s", lambda r: f"{r['cpu_s']:.2f}"), ("peak MiB", lambda r: r["peak_rss_mib"]),
        ("file MB", lambda r: f"{r['bytes'] / 1e6:.1f}"), ("lists", lambda r: r.get("lists")),
        ("others' cores", lambda r: r["foreign_cores"])])
    for row in report.rows:
        print("  " + row["engine"] + ": " + ", ".join(f"{n} {v:.0f}" for n, v in row["phases"].items()
                                                    if n.endswith("_ms")))
    print(f"{args.rows} x {args.dim}, synthetic, {args.threads} threads. vecstore: whole process, from Parquet to the"
          " published index with f32 rows, attributes and measured recall. FAISS: train and add alone, from memory.")
    report.write()


if __name__ == "__main__":
    main()
