# SPDX-License-Identifier: Apache-2.0
"""One peer in a process of its own: builds, searches or counts, and writes a JSON file. measure_peers.py starts it.

Usage: peer_worker.py build|search|codes NAME --data FOLDER --path INDEX --out RESULT.json [--sweep 300]
  build    saves the index
  search   sweeps on one pinned core, then measures the fastest setting of each goal
  codes    recall@10 with exact re-ranking over the codes looked at
"""
import argparse
import gc
import importlib
import importlib.metadata
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import bench_facts as facts  # noqa: E402
import numpy as np  # noqa: E402
import peer_indexes  # noqa: E402
import vecstore_binding  # noqa: E402
from peer_names import PEERS  # noqa: E402

GOALS = ((10, 0.90), (10, 0.95), (10, 0.99), (100, 0.95))
TOP = {10: 0.996, 100: 0.965}  # a row of the sweep ends there
THREADS, BATCH, PASSES = 2, 256, 3
CLASSES = {**peer_indexes.CLASSES, **vecstore_binding.CLASSES}


class Data:
    """base, the queries to measure with their answers, and queries set aside for builds that want some: tune.npy,
    or every fourth query."""

    def __init__(self, folder):
        self.base_path = os.path.abspath(os.path.join(folder, "base.npy"))
        queries = np.load(os.path.join(folder, "queries.npy")).astype(np.float32)
        truth = np.load(os.path.join(folder, "gt.npy"))
        tune = os.path.join(folder, "tune.npy")
        if os.path.exists(tune):
            self.tune, measured = np.load(tune), np.ones(len(queries), bool)
        else:
            measured = np.arange(len(queries)) % 4 != 3
            self.tune = np.ascontiguousarray(queries[~measured])
        self.queries, self.truth = np.ascontiguousarray(queries[measured]), truth[measured]
        self.open_base()

    def open_base(self):
        """Anew: pages that were read through an older mapping leave the memory of this process."""
        self.base = np.load(self.base_path, mmap_mode="r")


def memory_mib():
    fields = {}
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("RssAnon", "RssFile", "RssShmem"):
                fields[name] = int(value.split()[0]) / 1024
    return fields["RssAnon"], fields["RssFile"] + fields["RssShmem"]


def use_cores(cores):
    """Also for the threads that a library has started."""
    for thread in os.listdir("/proc/self/task"):
        try:
            os.sched_setaffinity(int(thread), cores)
        except OSError:
            pass


def own_cpu():
    times = os.times()
    return times.user + times.system


def recalls(found, truth, k):
    """Of each query."""
    return np.array([len(set(map(int, f[:k])) & set(map(int, t[:k]))) / k for f, t in zip(found, truth)])


def recall(found, truth, k):
    return float(recalls(found, truth, k).mean())


# ---------------------------------------------------------------- search


class Session:
    def __init__(self, index, data, sweep_queries):
        self.index, self.data = index, data
        count = len(data.queries)
        self.all = np.arange(count)
        self.some = np.linspace(0, count - 1, min(sweep_queries, count)).astype(int)

    def one_pass(self, setting, k, which, seconds, least, rounds=1):
        """One call a query, each timed; ends early after `seconds` when at least `least` queries are done."""
        index, queries, clock = self.index, self.data.queries, time.perf_counter_ns
        index.use(setting, k)
        times, found, load, cpu, exact_cpu = [], [], facts.Load(), own_cpu(), time.process_time_ns()
        end = clock() + int(seconds * 1e9)
        for number in np.tile(which, rounds):
            vector = queries[number]
            start = clock()
            answer = index.query(vector, k)
            now = clock()
            times.append(now - start)
            if len(found) < len(which):
                found.append(answer)
            if now > end and len(times) >= least:
                break
        exact_cpu, foreign = time.process_time_ns() - exact_cpu, load.end(own_cpu() - cpu)
        times = np.array(times) / 1e3
        each = recalls(found, self.data.truth[which[:len(found)]], k)
        point = {"k": k, "setting": setting, "queries": len(found), "qps": round(1e6 / times.mean(), 1),
                 "mean_us": round(times.mean(), 2), "cpu_us": round(exact_cpu / 1e3 / len(times), 2),
                 **{f"p{p}_us": round(float(np.percentile(times, p)), 1) for p in (50, 95, 99)},
                 "foreign_cores": foreign, "recall": round(float(each.mean()), 4),
                 "recall_p5": round(float(np.percentile(each, 5)), 4)}
        if hasattr(index, "after_pass"):
            point.update(index.after_pass(point["mean_us"]))
        return point

    def try_setting(self, setting, k):
        return self.one_pass(setting, k, self.some, 0.4, min(150, len(self.some)))

    def sweep(self, k):
        """Along each row until recall is high enough or stands still; then in between, where a row passes a goal."""
        points = []
        goals = [goal for goal_k, goal in GOALS if goal_k == k]
        for ladder in self.index.ladders(k):
            row, flat = [], 0
            for setting in ladder:
                row.append(self.try_setting(setting, k))
                flat = flat + 1 if len(row) > 1 and row[-1]["recall"] < row[-2]["recall"] + 0.0008 else 0
                if row[-1]["recall"] >= TOP[k] or flat >= 3 or row[-1]["qps"] < 15:
                    break
            for below, above in list(zip(row, row[1:])):
                for goal in goals:
                    if below["recall"] < goal <= above["recall"]:
                        row += self.between(below, above, goal, k)
            points += row
        return points

    def between(self, below, above, goal, k, steps=2):
        name, points = next(iter(above["setting"])), []
        for _ in range(steps):
            low, high = below["setting"][name], above["setting"][name]
            middle = (low + high) // 2 if isinstance(high, int) else (low + high) / 2
            if middle in (low, high):
                break
            point = self.try_setting({**above["setting"], name: middle}, k)
            points.append(point)
            below, above = (below, point) if point["recall"] >= goal else (point, above)
        return points

    def measure(self, setting, k):
        """Best of three passes over all queries, as often as fits half a second (5 seconds of them where a peer is
        slow): shorter passes would not show what else the machine did."""
        once = self.once(setting, k)
        rounds = max(1, round(0.5 * once["qps"] / len(self.all)))
        passes = [self.once(setting, k, rounds) for _ in range(PASSES)]
        return {**max(passes, key=lambda point: point["qps"]), "passes": [point["qps"] for point in passes]}

    def once(self, setting, k, rounds=1):
        return self.one_pass(setting, k, self.all, 5.0, min(300, len(self.all)), rounds)

    def reach(self, points, k, goal):
        """The cheapest setting, by CPU time (other work disturbs it least), of the first three of the sweep that hold
        the goal on all queries."""
        holding, least = [], goal - 0.005
        for point in sorted(points, key=lambda p: p["cpu_us"]):
            if point["recall"] < least:
                continue
            whole = self.once(point["setting"], k)
            if whole["recall"] >= goal:
                holding.append(whole)
            else:  # the queries of the sweep were that much easier: no use in trying points of the same recall
                least = max(least, point["recall"] + (goal - whole["recall"]) / 2)
            if len(holding) == 3:
                break
        if not holding:
            top = max(points, key=lambda p: p["recall"])
            return {"missed": True, "goal": goal, **{name: top[name] for name in ("k", "recall", "qps", "setting")}}
        setting = min(holding, key=lambda p: p["cpu_us"])["setting"]
        best = {**self.measure(setting, k), "goal": goal}
        return {**best, **self.many(setting, k)} if best["qps"] >= 200 else best

    def many(self, setting, k):
        """All queries on two threads; batches of 256 on one."""
        data, index = self.data, self.index
        index.use(setting, k)
        batches = [data.queries[first:first + BATCH] for first in range(0, len(data.queries) - BATCH + 1, BATCH)]
        out = {}
        for name, cores, vectors, threads in (("two", range(THREADS), [data.queries], THREADS),
                                              ("batch", [PIN], batches or [data.queries], 1)):
            use_cores(set(cores))
            best, found = float("inf"), None
            for _ in range(PASSES):
                start = time.perf_counter()
                found = [index.batch(some, k, threads) for some in vectors]
                best = min(best, time.perf_counter() - start)
                if found[0] is None:
                    break
            if found[0] is not None:
                answers = np.concatenate(found)
                out[name + "_qps"] = round(len(answers) / best, 1)
                out[name + "_recall"] = round(recall(answers, data.truth[:len(answers)], k), 4)
        use_cores({PIN})
        return out


PIN = (os.cpu_count() or 1) - 1


def search(index, data, args):
    use_cores({PIN})
    gc.collect()
    before, start = memory_mib(), time.monotonic()
    index.load()
    loaded = time.monotonic() - start
    data.open_base()
    gc.collect()
    after = memory_mib()
    use_cores({PIN})
    session = Session(index, data, args.sweep)
    result = {"load_s": round(loaded, 3), "queries": len(data.queries), "about": index.about(),
              "anon_mib": round(after[0] - before[0], 1), "file_mib": round(after[1] - before[1], 1)}
    sweeps = {k: session.sweep(k) for k in sorted({k for k, _ in GOALS})}
    result["at"] = [session.reach(sweeps[k], k, goal) for k, goal in GOALS]
    if "vecstore" in args.name:  # what a caller gets who says nothing but how much recall is wanted
        result["targets"] = [{**session.measure({"target": goal}, k), "goal": goal} for k, goal in GOALS]
    now = memory_mib()
    result.update(anon_after_mib=round(now[0] - before[0], 1), file_after_mib=round(now[1] - before[1], 1),
                  sweep=[{**p, "stages": None, "speeds": None} for k in sweeps for p in sweeps[k]])
    return result


# ---------------------------------------------------------------- codes


def codes(index, data, args):
    """Codes looked at for recall@10 with exact scores of the best 1,000 candidates: how good the lists are."""
    index.load()
    queries, truth = data.queries[:args.sweep], data.truth[:args.sweep]
    rows, nprobe = [], 1
    while nprobe <= index.list_count():
        looked, found = 0, []
        for vector in queries:
            count, candidates = index.candidates(vector, 1000, nprobe)
            looked += count
            candidates = candidates[candidates >= 0]
            scores = data.base[np.sort(candidates)] @ vector
            found.append(np.sort(candidates)[np.argsort(-scores, kind="stable")[:10]])
        rows.append({"nprobe": nprobe, "codes": round(looked / len(queries)),
                     "recall": round(recall(found, truth, 10), 4)})
        if rows[-1]["recall"] >= 0.992:
            break
        nprobe = max(nprobe + 1, int(nprobe * 1.4))
    return {"curve": rows, **{f"codes_at_{goal}": at_goal(rows, goal) for goal in (0.90, 0.95, 0.99)}}


def at_goal(rows, goal):
    """Between the points of the curve; None where it does not get there."""
    for below, above in zip(rows, rows[1:]):
        if below["recall"] < goal <= above["recall"]:
            share = (goal - below["recall"]) / (above["recall"] - below["recall"])
            return round(below["codes"] * (above["codes"] / below["codes"]) ** share)
    return rows[0]["codes"] if rows and rows[0]["recall"] >= goal else None


def build(index, data, args):
    start, cpu = time.monotonic(), own_cpu()
    steps = index.build(THREADS)
    return {"build_s": round(time.monotonic() - start, 3), "build_cpu_s": round(own_cpu() - cpu, 3), "steps": steps,
            "bytes": facts.tree_bytes(index.index_file() if hasattr(index, "index_file") else args.path)}


def version(name):
    requirement = PEERS[name].requirement
    return importlib.metadata.version(requirement.partition("==")[0]) if requirement else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=("build", "search", "codes"))
    parser.add_argument("name", choices=sorted(CLASSES))
    for option in ("data", "path", "out"):
        parser.add_argument("--" + option, required=True)
    parser.add_argument("--sweep", type=int, default=300)
    args = parser.parse_args()
    data = Data(args.data)
    importlib.import_module(PEERS[args.name].module)
    index = CLASSES[args.name](data, os.path.abspath(args.path))
    result = {"build": build, "search": search, "codes": codes}[args.verb](index, data, args)
    with open(args.out, "w", encoding="ascii") as file:
        json.dump({"peer": args.name, "version": version(args.name), "numpy": np.__version__, **result}, file)


if __name__ == "__main__":
    main()
