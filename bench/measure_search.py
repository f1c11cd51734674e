# SPDX-License-Identifier: Apache-2.0
"""Search: queries per second of one thread, one query per call, at equal recall, beside FAISS.

Usage: search [--sets docs_minilm384,bge768] [--base BASE.parquet --queries QUERIES.parquet]
              [--lists 0] [--sweep 400] [--faiss KIND …] [--api-only]
A sweep over some queries picks the fastest setting for each recall goal; that setting is run again over all
queries, best of three passes, and only the second figure is reported, at its real recall.
"""
import argparse
import glob
import json
import os
import shutil
import subprocess
import sys

import bench_facts as facts

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL_ROWS = 20000  # below, vecstore scans exactly
GOALS = [(10, 0.90), (10, 0.95), (10, 0.99), (100, 0.90), (100, 0.95), (100, 0.99)]
PROBES = [2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048]
RERANKS = {10: [30, 50, 100, 200, 400], 100: [200, 400, 800, 1600]}


class Contender:
    """A program that answers "k nprobe rerank target queries passes" with a JSON line."""

    def __init__(self, name, command, most_lists, has_rerank=True, probe_scale=1):
        self.name, self.most_lists, self.has_rerank, self.scale = name, most_lists, has_rerank, probe_scale
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self.read()

    def read(self):
        line = self.child.stdout.readline()
        if not line:
            facts.die(f"{self.name} ended early with status {self.child.wait()}")
        return json.loads(line)

    def ask(self, k, nprobe, rerank, queries=0, passes=1, target=0.0):
        self.child.stdin.write(f"{k} {nprobe} {rerank} {target} {queries} {passes}\n")
        self.child.stdin.flush()
        return self.read()

    def end(self):
        self.child.stdin.close()
        self.child.wait()

    def sweep(self, k, queries):
        """Cost and recall grow along nprobe: a row ends when recall stands still or is high enough."""
        points = []
        probes = [p * self.scale for p in PROBES if p * self.scale <= self.most_lists]
        for rerank in RERANKS[k] if self.has_rerank else [0]:
            before = -1.0
            for nprobe in probes:
                point = self.ask(k, nprobe, rerank, queries)
                points.append({**point, "nprobe": nprobe, "rerank": rerank})
                if point["recall"] >= 0.995 or (nprobe >= 64 and point["recall"] < before + 0.0005):
                    break
                before = point["recall"]
        return points


def measure_exact(report, data_set, contender):
    """A table too small for lists is scanned whole: one figure for all goals."""
    rows = []
    for k in sorted({k for k, _ in GOALS}):
        final = contender.ask(k, 0, 0, 0, 3)
        rows += [report.add({"set": data_set, "engine": contender.name, "goal": goal, **final})
                 for other, goal in GOALS if other == k]
    return rows


def measure_goals(report, data_set, contender):
    """The cheapest point of the sweep, by CPU time (other work disturbs it least), that holds its recall on
    all queries."""
    sweeps = {k: contender.sweep(k, report.sweep_queries) for k in sorted({k for k, _ in GOALS})}
    rows = []
    for k, goal in GOALS:
        for point in sorted((p for p in sweeps[k] if p["recall"] >= goal - 0.002), key=lambda p: p["cpu_us"]):
            setting = (k, point["nprobe"], point["rerank"], 0)
            if contender.ask(*setting)["recall"] >= goal:
                rows.append(report.add({"set": data_set, "engine": contender.name, "goal": goal,
                                        **contender.ask(*setting, 3)}))
                break
    return rows


def measure_targets(report, data_set, contender):
    """What a user gets who sets nothing but recall_target."""
    return [report.add({"set": data_set, "engine": contender.name + ", recall_target", "goal": goal,
                        **contender.ask(k, 0, 0, 0, 3, goal)}) for k, goal in GOALS]


def worker(script, *arguments):
    return [sys.executable, os.path.join(HERE, script), *map(str, arguments)]


def build_table(base_path, work, lists):
    warehouse = os.path.join(work, "warehouse")
    os.makedirs(warehouse)
    vecstore = [facts.program("vecstore"), "--warehouse", warehouse, "--json"]
    facts.run_measured(vecstore + ["ingest", "bench.t", base_path, "--create"])
    measured, out = facts.run_measured(vecstore + ["index", "build", "bench.t", "--min-recall", "0"]
                                       + (["--lists", str(lists)] if lists else []))
    built = json.loads(out)
    puffin = glob.glob(os.path.join(warehouse, "bench/t/metadata/*-vecstore.puffin"))
    print(f"vecstore index: {built['lists']} lists, m {built['m']}, built in {measured['wall_s']} s")
    return warehouse, puffin[0], built


def faiss_kinds(rows, dim):
    """Codes of dim/8 bytes (4 dims a code) and of half of it, refined from int8 and from float rows.

    "PQ{m}x4fs" holds m codes of 4 bits. Two list counts, since the best one depends on the machine.
    """
    lists = 1 << max(6, round((rows ** 0.5 * 3)).bit_length() - 1)
    fine, coarse = f"PCAR{dim // 2},IVF{lists},PQ{dim // 4}x4fs", f"OPQ{dim // 8}_{dim // 2},IVF{lists},PQ{dim // 8}x4fs"
    more = f"PCAR{dim // 2},IVF{lists * 2},PQ{dim // 4}x4fs"
    kinds = [fine + "+sq8", fine + "+flat", coarse + "+flat", more + "+sq8", "HNSW32,Flat"]
    return kinds + (["Flat"] if rows < SMALL_ROWS else [])


def start_faiss(report, data_set, kind, data, dim, work):
    built = os.path.join(work, kind.partition("+")[0].replace(",", "_") + ".faiss")
    if not os.path.exists(built):
        measured, out = facts.run_measured(worker("search_faiss.py", "build", kind, data + "/base.f32", dim, built))
        report.add({"set": data_set, "engine": "FAISS " + kind.partition("+")[0], "step": "build", **measured,
                    **json.loads(out)})
    most = int(kind.partition("IVF")[2].partition(",")[0]) if "IVF" in kind else 1 if kind == "Flat" else 1024
    arguments = (kind, data + "/base.f32", dim, built, data + "/queries.f32", data + "/truth.i64", data + "/ids.i64")
    return Contender("FAISS " + kind, worker("search_faiss.py", "serve", *arguments), most, has_rerank="+" in kind)


def bandwidth_gb_s():
    """Reading speed of one core from main memory, as bench_memory measures it."""
    out = subprocess.run([facts.program("bench_memory")], capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def add_limit(rows, memory, built, dim):
    """T_limit: the bytes that a query has to read (centroids, codes, rows to re-rank) over the bandwidth."""
    for row in rows:
        if "scanned" not in row:
            continue
        bytes_read = (built["lists"] * (dim // 2) + row["scanned"] * (built["m"] / 2 + 4) + row["rerank"] * dim
                      if built.get("lists") else row["scanned"] * dim * 4)
        limit = bytes_read / (memory["memory_gb_s"] * 1e3)
        row.update(bytes_read=round(bytes_read), limit_us=round(limit, 2),
                   limit_cached_us=round(bytes_read / (memory["cached_gb_s"] * 1e3), 2),
                   times_limit=round(1e6 / row["qps"] / limit, 1))


def measure_set(report, name, paths, args, memory):
    work = facts.scratch_folder("search-" + name)
    made = subprocess.run(worker("search_data.py", *paths, work), capture_output=True, text=True, check=True)
    shape = json.loads(made.stdout)
    dim = shape["dim"]
    print(f"\n{name}: {shape['rows']} x {dim}")
    warehouse, puffin, built = build_table(paths[0], work, args.lists)
    raw = (work + "/queries.f32", work + "/truth.i64", str(dim))
    rows = []
    most = built.get("lists") or 1
    scale = 4 if most >= 2048 else 1
    layers = [("vecstore", ["api", warehouse, "bench.t"])]
    layers += [] if args.api_only else [("vecstore, index alone", ["index", puffin, "id"])]
    for engine, arguments in layers:
        contender = Contender(engine, [facts.program("bench_query"), *arguments, *raw], most, most > 1, scale)
        contender.ask(10, 0, 0, 0, 1, 0.95)  # opens what is opened on first use
        rows += (measure_goals(report, name, contender) + measure_targets(report, name, contender)
                 if most > 1 else measure_exact(report, name, contender))
        contender.end()
    add_limit(rows, memory, built, dim)
    if facts.worker_can("faiss", "faiss-cpu"):
        for kind in args.faiss or faiss_kinds(shape["rows"], dim):
            contender = start_faiss(report, name, kind, work, dim, work)
            rows += (measure_goals if contender.most_lists > 1 else measure_exact)(report, name, contender)
            contender.end()
    show(rows)
    shutil.rmtree(work)


def show(rows):
    for k, goal in GOALS:
        some = [r for r in rows if r["k"] == k and r["goal"] == goal]
        print(f" recall@{k} >= {goal:.2f}")
        facts.table(sorted(some, key=lambda r: -r["qps"]), [
            ("engine", lambda r: r["engine"]), ("recall", lambda r: f"{r['recall']:.4f}"),
            ("QPS", lambda r: f"{r['qps']:.0f}{facts.mark(r)}"), ("p50 us", lambda r: r["p50_us"]),
            ("p99 us", lambda r: r["p99_us"]), ("CPU us", lambda r: r["cpu_us"]), ("nprobe", lambda r: r["nprobe"]),
            ("rerank", lambda r: r["rerank"]), ("x T_limit", lambda r: r.get("times_limit")),
            ("others", lambda r: r["foreign_cores"])])
        peers = [r for r in some if r["engine"].startswith("FAISS") and "HNSW" not in r["engine"]]
        for layer in ("vecstore", "vecstore, index alone"):
            ours = [r for r in some if r["engine"] in (layer, layer + ", recall_target") and r["recall"] >= goal]
            if ours and peers:
                by_qps = max(r["qps"] for r in ours) / max(p["qps"] for p in peers)
                by_cpu = min(p["cpu_us"] for p in peers) / min(r["cpu_us"] for r in ours)
                print(f"   {layer} / best FAISS without a graph: {by_qps:.2f} by QPS, {by_cpu:.2f} by CPU time")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", default="docs_minilm384,bge768")
    parser.add_argument("--base", help="another set: Parquet with id and embedding")
    parser.add_argument("--queries", help="its queries: embedding and gt_ids (100 each)")
    parser.add_argument("--lists", type=int, default=0, help="lists of the vecstore index (0: automatic)")
    parser.add_argument("--sweep", type=int, default=400, help="queries a point of the sweep")
    parser.add_argument("--faiss", nargs="*", help='kinds of search_faiss.py, e.g. "OPQ96_384,IVF1024,PQ96x4fs+sq8"')
    parser.add_argument("--api-only", action="store_true", help="leave the index-only rows out")
    args = parser.parse_args()
    if not facts.worker_can("pyarrow", "pyarrow numpy"):
        return
    report = facts.Report("search")
    report.sweep_queries = args.sweep
    memory = bandwidth_gb_s()
    print(f"one core reads {memory['memory_gb_s']} GB/s from memory, {memory['cached_gb_s']} GB/s from the caches")
    report.add({"step": "bandwidth", **memory})
    sets = {"own": [args.base, args.queries]} if args.base else {n: facts.real_data(n) for n in args.sets.split(",")}
    for name, paths in sets.items():
        if paths is not None:
            measure_set(report, name, paths, args, memory)
    print("FAISS: wheel of PyPI, called through search_c with arrays made beforehand, so without the 5-20 us of its"
          " usual Python wrapper. x T_limit: time of a query over the time to read its bytes from memory.")
    report.write()


if __name__ == "__main__":
    main()
