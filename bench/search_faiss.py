# SPDX-License-Identifier: Apache-2.0
"""FAISS behind the line protocol of bench_query.c: "k nprobe rerank target queries passes" in, JSON out.

Usage: search_faiss.py build KIND BASE.f32 DIM INDEX-FILE
       search_faiss.py serve KIND BASE.f32 DIM INDEX-FILE QUERIES.f32 TRUTH.i64 IDS.i64
KIND is a factory string with "+flat" or "+sq8" behind it for the refinement, e.g.
"OPQ96_384,IVF1024,PQ96x4fs+sq8", "HNSW32,Flat" (nprobe is then efSearch) or "Flat". One thread on one pinned
core, one query per call, through the C++ method with arrays made beforehand: the checks and allocations of
the usual Python wrapper (5 to 20 us a query) are not in the figures; "wrapper_us" tells them.
"""
import json
import os
import resource
import sys
import time

import faiss
import numpy as np

TRUTH_K = 100
TRAIN_ROWS = 100000


def load_rows(path, dim):
    return np.memmap(path, dtype=np.float32, mode="r").reshape(-1, dim)


def build(kind, base_path, dim, out):
    base = load_rows(base_path, dim)
    index = faiss.index_factory(dim, kind.partition("+")[0], faiss.METRIC_INNER_PRODUCT)
    start = time.monotonic()
    count = min(len(base), TRAIN_ROWS)
    rows = np.sort(np.random.default_rng(1).choice(len(base), count, replace=False))
    index.train(np.ascontiguousarray(base[rows]))
    trained = time.monotonic()
    index.add(np.ascontiguousarray(base))
    added = time.monotonic()
    faiss.write_index(index, out)
    print(json.dumps({"kind": kind, "train_s": round(trained - start, 2), "add_s": round(added - trained, 2),
                      "faiss": faiss.__version__, "simd": faiss.SIMDConfig.get_level_name()
                      if hasattr(faiss, "SIMDConfig") else faiss.get_compile_options().strip()}))


class Contender:
    def __init__(self, kind, base_path, dim, path):
        factory, _, refine = kind.partition("+")
        self.inner = faiss.read_index(path)
        self.index, self.hnsw, self.ivf = self.inner, None, None
        if factory.startswith("HNSW"):
            self.hnsw = faiss.downcast_index(self.inner).hnsw
        elif factory != "Flat":
            self.ivf = faiss.downcast_index(faiss.extract_index_ivf(self.inner))
        if refine:
            base = np.ascontiguousarray(load_rows(base_path, dim))
            self.rows = faiss.IndexFlatIP(dim) if refine == "flat" else faiss.IndexScalarQuantizer(
                dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
            self.rows.train(base[:TRAIN_ROWS])
            self.rows.add(base)
            self.index = faiss.IndexRefine(self.inner, self.rows)

    def set(self, k, nprobe, rerank):
        if self.hnsw is not None:
            self.hnsw.efSearch = max(nprobe, k)
            return
        if self.ivf is not None:
            self.ivf.nprobe = nprobe
        if self.index is not self.inner:
            self.index.k_factor = max(1.0, rerank / k)


def busy_seconds():
    with open("/proc/stat", encoding="ascii") as file:
        t = list(map(int, file.readline().split()[1:9]))
    return (sum(t) - t[3] - t[4]) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run_pass(index, queries, k, ids, truth):
    """Each call is timed alone, as bench_query does."""
    scores, found = np.empty((1, k), np.float32), np.empty((len(queries), k), np.int64)
    pointers = [faiss.swig_ptr(queries[i:i + 1]) for i in range(len(queries))]
    places = [faiss.swig_ptr(found[i:i + 1]) for i in range(len(queries))]
    score_place, search, clock = faiss.swig_ptr(scores), index.search_c, time.perf_counter_ns
    times, busy, own, begin, cpu = [], busy_seconds(), own_seconds(), clock(), time.thread_time_ns()
    for query, place in zip(pointers, places):
        start = clock()
        search(1, query, k, score_place, place)
        times.append(clock() - start)
    cpu = (time.thread_time_ns() - cpu) * 1e-3 / len(queries)
    others = busy_seconds() - busy - (own_seconds() - own)
    times = np.sort(np.array(times) * 1e-3)
    hits = sum(len(np.intersect1d(ids[f[f >= 0]], t)) for f, t in zip(found, truth[:len(queries), :k]))
    return {"qps": round(len(queries) / (times.sum() * 1e-6), 1), "recall": round(hits / (len(queries) * k), 4),
            "p50_us": round(times[len(times) // 2], 1), "p99_us": round(times[len(times) * 99 // 100], 1), "cpu_us": round(cpu, 1),
            "foreign_cores": round(max(0.0, others / ((clock() - begin) * 1e-9)), 2)}


def wrapper_us():
    """What the usual Python call costs more than the call measured here, on a nearly free search; and that call."""
    tiny = faiss.IndexFlatIP(8)
    tiny.add(np.ones((16, 8), np.float32))
    query = np.ones((1, 8), np.float32)
    scores, ids = np.empty((1, 10), np.float32), np.empty((1, 10), np.int64)
    arguments = (1, faiss.swig_ptr(query), 10, faiss.swig_ptr(scores), faiss.swig_ptr(ids))
    start = time.perf_counter_ns()
    for _ in range(2000):
        tiny.search_c(*arguments)
    direct = time.perf_counter_ns() - start
    start = time.perf_counter_ns()
    for _ in range(2000):
        tiny.search(query, 10)
    return round((time.perf_counter_ns() - start - direct) / 2000 / 1e3, 1), round(direct / 2000 / 1e3, 1)


def serve(kind, base_path, dim, path, queries_path, truth_path, ids_path):
    os.sched_setaffinity(0, {os.cpu_count() - 1})
    faiss.omp_set_num_threads(1)
    queries = np.ascontiguousarray(load_rows(queries_path, dim))
    truth = np.fromfile(truth_path, np.int64).reshape(-1, TRUTH_K)
    ids = np.fromfile(ids_path, np.int64)
    contender = Contender(kind, base_path, dim, path)
    wrapper, direct = wrapper_us()
    print(json.dumps({"kind": kind, "faiss": faiss.__version__, "wrapper_us": wrapper, "tiny_call_us": direct}),
          flush=True)
    for line in sys.stdin:
        k, nprobe, rerank, _, count, passes = line.split()
        k, nprobe, rerank = int(k), int(nprobe), int(rerank)
        contender.set(k, nprobe, rerank)
        some = queries[:int(count) or len(queries)]
        best = max((run_pass(contender.index, some, k, ids, truth) for _ in range(max(1, int(passes)))),
                   key=lambda r: r["qps"])
        print(json.dumps({"k": k, "nprobe": nprobe, "rerank": rerank, **best}), flush=True)


def main():
    what, kind, base_path, dim, path, *more = sys.argv[1:]
    if what == "build":
        build(kind, base_path, int(dim), path)
    else:
        serve(kind, base_path, int(dim), path, *more)


if __name__ == "__main__":
    main()
