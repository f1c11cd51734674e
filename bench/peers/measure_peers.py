# SPDX-License-Identifier: Apache-2.0
"""Open vector indexes beside vecstore: same data, same machine, same run, one process per index.

Usage: peers [--data docs|bge|syn | --folder DIR] [--only NAME,…] [--work DIR] [--sweep 300] [--rebuild]
  --data     docs: docs_minilm384, bge: bge768 (both need ../shared/data), syn: 1M x 768, synthetic, made here.
             Default: docs where it is, else syn with --rows
  --folder   base.npy, queries.npy, gt.npy (100 row numbers a query), perhaps tune.npy (queries for builds)
  --only     names or beginnings of names; --list prints all of them
Builds once and keeps the indexes in --work (build/bench/peers/DATA). Rules and reading: bench/README.md.
"""
import argparse
import json
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import bench_facts as facts  # noqa: E402
import peer_data  # noqa: E402
import peer_names  # noqa: E402
from peer_environment import environment, importable  # noqa: E402

SHARED = {"vecstore-api": "vecstore", "vecstore-q-api": "vecstore-q"}  # index of another name
COLUMNS = ((10, 0.90), (10, 0.95), (10, 0.99), (100, 0.95))


def run_worker(python, verb, name, data, work, sweep, threads):
    """(figures of the process, what the worker wrote)"""
    out = os.path.join(work, f"{name}-{verb}.json")
    path = os.path.join(work, "index-" + SHARED.get(name, name))
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "LANCE_CPU_THREADS")
    command = [python, "-W", "ignore", os.path.join(HERE, "peer_worker.py"), verb, name, "--data", data, "--path", path,
               "--out", out, "--sweep", str(sweep)]
    measured, _ = facts.run_measured(command, {**os.environ, **{n: str(threads) for n in names}})
    with open(out, encoding="ascii") as file:
        return measured, json.load(file)


def build(report, python, name, data, work, args):
    """Builds unless there is an index with its figures from before; those are then reported again."""
    kept = os.path.join(work, f"{name}.built")
    if name in SHARED:
        build(report, python, SHARED[name], data, work, args)
        return
    if args.rebuild and name not in args.built and os.path.exists(kept):
        os.remove(kept)
    if not os.path.exists(kept):
        path = os.path.join(work, "index-" + name)
        shutil.rmtree(path, ignore_errors=True)
        if os.path.exists(path):
            os.remove(path)
        facts.warm_pages(os.path.join(data, "base.npy"))
        measured, made = run_worker(python, "build", name, data, work, args.sweep, 2)
        with open(kept, "w", encoding="ascii") as file:
            json.dump({**made, **measured, "cpu_model": report.facts["cpu"]}, file)
    with open(kept, encoding="ascii") as file:
        row = json.load(file)
    if name not in args.built:
        args.built[name] = report.add({"step": "build", **row})
        print(f"{name}: built in {row['build_s']:.1f} s{facts.mark(row)} ({row['build_cpu_s']:.1f} CPU s), "
              f"{row['peak_anon_mib']:.0f} MiB", flush=True)


def search(report, python, name, data, work, args):
    _, found = run_worker(python, "search", name, data, work, args.sweep, 1)
    sweep = found.pop("sweep")
    report.add({"step": "sweep", "peer": name, "points": sweep})
    row = report.add({"step": "search", **found,
                      "foreign_cores": max((p.get("foreign_cores", 0) for p in found["at"]), default=0)})
    for at in row["at"]:
        if at.get("missed"):
            print(f"  {name}: recall@{at['k']} {at['goal']} not reached; {at['recall']} at most", flush=True)
        else:
            print(f"  {name}: recall@{at['k']} {at['recall']:.4f} {at['qps']:.0f}/s {setting(at)} "
                  f"others {at['foreign_cores']}", flush=True)
    return row


def setting(point):
    return " ".join(f"{name} {value:.4g}" for name, value in point["setting"].items())


def at(row, k, goal):
    return next((p for p in row["at"] if (p["k"], p["goal"]) == (k, goal) and not p.get("missed")), None)


def cell(row, k, goal, field="qps"):
    point = at(row, k, goal)
    return f"{point[field]:.0f}{facts.mark(point)}" if point and field in point else "-"


def at95(row, text):
    point = at(row, 10, 0.95)
    return text(point) if point else "-"


def show(rows, built):
    def made(row):
        return built.get(SHARED.get(row["peer"], row["peer"]), {})

    print("\nqueries a second of one thread, one query per call, at recall >= the goal")
    facts.table(rows, [("peer", lambda r: r["peer"])]
                + [(f"@{k} {goal:.2f}", lambda r, k=k, goal=goal: cell(r, k, goal)) for k, goal in COLUMNS]
                + [("at @10 .95: recall", lambda r: at95(r, lambda p: f"{p['recall']:.4f}")),
                   ("p50/p99 us", lambda r: at95(r, lambda p: f"{p['p50_us']:.0f}/{p['p99_us']:.0f}")),
                   ("CPU us", lambda r: at95(r, lambda p: f"{p['cpu_us']:.0f}")),
                   ("2 threads", lambda r: cell(r, 10, 0.95, "two_qps")),
                   ("x", lambda r: at95(r, lambda p: f"{p['two_qps'] / p['qps']:.2f}" if "two_qps" in p else "-")),
                   ("batch 256", lambda r: cell(r, 10, 0.95, "batch_qps")),
                   ("setting", lambda r: at95(r, setting))])
    print("\nmemory and build")
    facts.table(rows, [("peer", lambda r: r["peer"]), ("MiB loaded", lambda r: f"{r['anon_mib']:.0f}"),
                       ("+ mapped", lambda r: f"{r['file_mib']:.0f}"),
                       ("after search", lambda r: f"{r['anon_after_mib']:.0f}+{r['file_after_mib']:.0f}"),
                       ("file MB", lambda r: f"{made(r)['bytes'] / 1e6:.0f}" if made(r) else "-"),
                       ("build s", lambda r: f"{made(r)['build_s']:.1f}{facts.mark(made(r))}" if made(r) else "-"),
                       ("CPU s", lambda r: f"{made(r)['build_cpu_s']:.1f}" if made(r) else "-"),
                       ("peak MiB", lambda r: f"{made(r)['peak_anon_mib']:.0f}" if made(r) else "-"),
                       ("version", lambda r: r["version"])])


def show_stages(rows):
    """vecstore's stages beside the least time that this machine needs for the bytes."""
    points = [(row["peer"], p) for row in rows for p in row["at"] if "stages" in p]
    if not points:
        return
    speeds = points[0][1]["speeds"]
    print("\nT_limit (one core reads " + ", ".join(
        f"{name.removesuffix('_gb_s')} {speed} GB/s" for name, speed in speeds.items() if name.endswith("_gb_s"))
        + f"; a random row {speeds['row_ns']} ns): us a query / limit")

    def stage(name):
        return name, lambda r: f"{r[1]['stages'][name]['us']:.1f}/{r[1]['stages'][name]['limit_us']:.1f}"

    facts.table(points, [("peer", lambda r: r[0]), ("goal", lambda r: f"@{r[1]['k']} {r[1]['goal']}"),
                         ("codes", lambda r: r[1]["codes"]), ("lists", lambda r: r[1]["lists"]),
                         ("rows", lambda r: r[1]["rows"]), stage("probe"), stage("scan"), stage("rerank"),
                         ("call us", lambda r: f"{r[1]['mean_us']:.1f}"),
                         ("T_limit", lambda r: f"{r[1]['limit_us']:.1f}"),
                         ("T_limit / call", lambda r: f"{r[1]['limit_ratio']:.2f}")])


def show_targets(rows):
    targets = [(row["peer"], p) for row in rows for p in row.get("targets", [])]
    if targets:
        print("\nvecstore with nothing set but recall_target")
        facts.table(targets, [("peer", lambda r: r[0]), ("target", lambda r: f"@{r[1]['k']} {r[1]['goal']}"),
                              ("recall", lambda r: f"{r[1]['recall']:.4f}"),
                              ("queries/s", lambda r: f"{r[1]['qps']:.0f}{facts.mark(r[1])}"),
                              ("p50/p99 us", lambda r: f"{r[1]['p50_us']:.0f}/{r[1]['p99_us']:.0f}")])


def ratios(points, peer):
    by_qps = max(p["qps"] for p in points) / peer["qps"]
    return f"{by_qps:.2f}x ({peer['cpu_us'] / min(p['cpu_us'] for p in points):.2f})"


def show_ratios(rows):
    """The best vecstore row over each other peer."""
    ours = [row for row in rows if row["peer"].startswith("vecstore")]
    others = [row for row in rows if row not in ours]
    if ours and others:
        print("\nvecstore over the peer: queries a second (by CPU time); memory, anonymous and mapped: peer over vecstore")
    for layer in ("index library", "API"):
        some = [row for row in ours if row["peer"].endswith("-api") == (layer == "API")]
        for other in others if some else []:
            texts = []
            for k, goal in COLUMNS:
                points, peer = [p for row in some if (p := at(row, k, goal))], at(other, k, goal)
                texts.append(f"@{k} {goal:.2f} " + ratios(points, peer) if points and peer else f"@{k} {goal:.2f} -")
            memory = (other["anon_after_mib"] + other["file_after_mib"]) / max(
                1.0, min(row["anon_after_mib"] + row["file_after_mib"] for row in some))
            print(f"  {layer} / {other['peer']}: {', '.join(texts)}; memory {memory:.1f}x")


def parse():
    parser = argparse.ArgumentParser(usage=__doc__.partition("Usage: ")[2])
    parser.add_argument("--data", choices=sorted(peer_data.SETS))
    for option in ("folder", "only", "work"):
        parser.add_argument("--" + option)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of --data syn")
    parser.add_argument("--sweep", type=int, default=300, help="queries a point of the sweep")
    parser.add_argument("--rebuild", action="store_true")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def main():
    args = parse()
    if args.list:
        facts.table(list(peer_names.PEERS.items()), [
            ("peer", lambda p: p[0]), ("package", lambda p: p[1].requirement), ("", lambda p: p[1].note)])
        return
    names = peer_names.chosen(args.only)
    python = environment([peer_names.PEERS[name].requirement for name in names])
    usable = [name for name in names if importable(python, peer_names.PEERS[name].module)]
    for name in names:
        if name not in usable:
            print(f"skipped: {name}: {peer_names.PEERS[name].requirement} is not installed for {python}")
    if not importable(python, "numpy"):
        facts.die(f"{python} has no numpy: pip install numpy, or unset VECSTORE_NO_SETUP")
    data, title = peer_data.folder(python, args)
    set_name = os.path.basename(data.rstrip("/"))
    report = facts.Report("peers-" + set_name)
    print(title)
    work = os.path.abspath(args.work or os.path.join(facts.ROOT, "build/bench/peers", set_name))
    os.makedirs(work, exist_ok=True)
    args.built, rows = {}, []
    for name in usable:
        try:
            build(report, python, name, data, work, args)
            rows.append(search(report, python, name, data, work, args))
        except facts.Failed as reason:
            print(f"left out: {name}: {str(reason).splitlines()[-1]}")
    show(rows, args.built)
    show_stages(rows)
    show_targets(rows)
    show_ratios(rows)
    report.write()


if __name__ == "__main__":
    main()
