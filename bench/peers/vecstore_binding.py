# SPDX-License-Identifier: Apache-2.0
"""vecstore as a peer: ctypes over vecstore_peer.so (vecstore_peer.h), one call per query.

A class for the index library and one for the public interface; both over the same table and index file, built
through the public interface from base.npy. The "-q" variants differ in the build alone: it gets the set-aside
queries of the data set, never those that are measured.
"""
import ctypes
import glob
import json
import os

import bench_facts as facts
import numpy as np
from peer_indexes import STEPS, Index

TABLE = "bench.t"
REPORT_BYTES = 1 << 20


class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in ("queries", "scanned", "reranked", "centroids", "probe_ns",
                                                     "scan_ns", "rerank_ns")]
    _fields_ += [(name, ctypes.c_uint32) for name in ("nprobe", "rerank")]


class Facts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in ("rows", "memory_bytes", "entries")]
    _fields_ += [(name, ctypes.c_uint32) for name in ("dim", "list_count", "m", "proj_dim", "segments", "points")]


class Point(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("k", "nprobe", "rerank")]
    _fields_ += [(name, ctypes.c_float) for name in ("gap", "recall")]


class Limit(ctypes.Structure):
    _fields_ = [("limit_us", ctypes.c_double * 3), ("time_us", ctypes.c_double * 3)]
    _fields_ += [(name, ctypes.c_double) for name in (
        "limit_sum_us", "l2_gb_s", "l3_gb_s", "memory_gb_s", "memory2_gb_s", "projection_gb_s", "centroid_gb_s",
        "code_gb_s", "row_ns")]


def library():
    handle = ctypes.CDLL(facts.program("vecstore_peer.so"))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32
    shapes = {"error": (text,), "build": (ctypes.c_int, text, text, text, text, number, pointer, ctypes.c_size_t),
              "open_index": (pointer, text), "open_table": (pointer, text, text, number), "close": (None, pointer),
              "facts": (ctypes.c_int, pointer, pointer), "points": (ctypes.c_int, pointer, pointer, number),
              "use": (None, pointer, number, number, ctypes.c_float, ctypes.c_float),
              "search": (ctypes.c_int, pointer, pointer, number, pointer),
              "search_batch": (ctypes.c_int, pointer, pointer, number, number, pointer),
              "search_threads": (ctypes.c_int, pointer, pointer, number, number, number, pointer),
              "counts": (None, pointer, pointer), "limit": (ctypes.c_int, pointer, pointer)}
    for name, (result, *arguments) in shapes.items():
        function = getattr(handle, "vecstore_peer_" + name)
        function.restype, function.argtypes = result, arguments
        setattr(handle, name, function)
    return handle


class Vecstore(Index):
    """The index library over the index file."""
    with_queries = False

    def __init__(self, data, path):
        super().__init__(data, path)
        self.warehouse, self.lib = os.path.join(path, "warehouse"), library()
        self.k, self.ids, self.place = 0, None, 0

    def check(self, result):
        if result is None or result == -1:
            raise RuntimeError(self.lib.error().decode("utf-8", "replace"))
        return result

    def build(self, threads):
        os.makedirs(self.path, exist_ok=True)
        queries, report = None, ctypes.create_string_buffer(REPORT_BYTES)
        if self.with_queries:
            queries = os.path.join(self.path, "tune.npy")
            np.save(queries, self.data.tune)
        self.check(self.lib.build(self.warehouse.encode(), TABLE.encode(), self.data.base_path.encode(),
                                  queries.encode() if queries else None, threads, report, REPORT_BYTES))
        made = json.loads(report.value)
        return {"ingest_s": made["ingest"]["ms"] / 1e3, "index_s": made["index"]["ms"] / 1e3, "report": made}

    def index_file(self):
        return max(glob.glob(os.path.join(self.warehouse, "bench/t/metadata/*.puffin")), key=os.path.getmtime)

    def load(self):
        self.handle = self.check(self.lib.open_index(self.index_file().encode()))
        self.facts = Facts()
        self.check(self.lib.facts(self.handle, ctypes.byref(self.facts)))
        points = (Point * max(1, self.facts.points))()
        self.points = points[:self.lib.points(self.handle, points, self.facts.points)]

    def about(self):
        about = {name: getattr(self.facts, name) for name, _ in Facts._fields_}
        return {**about, "memory_mib": round(self.facts.memory_bytes / 2**20, 1)}

    def most_lists(self):
        return self.facts.list_count

    def ladders(self, k):
        reranks = (30, 60, 120, 240, 480, 960) if k == 10 else (200, 400, 800, 1600)
        probes = [p for p in STEPS if p < self.most_lists()]
        rows = [[{"nprobe": nprobe, "rerank": rerank} for nprobe in probes] for rerank in reranks]
        gaps = [point.gap for point in self.points if point.k == k and point.gap > 0]
        if gaps:
            cap = max(point.nprobe for point in self.points if point.k == k)
            rows += [[{"gap": max(gaps) * step / 16, "nprobe": cap, "rerank": rerank} for step in range(2, 21)]
                     for rerank in reranks]
        return rows + [[{"target": target} for target in (0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995)]]

    def use(self, setting, k):
        self.lib.use(self.handle, int(setting.get("nprobe", 0)), int(setting.get("rerank", 0)),
                     setting.get("gap", 0.0), setting.get("target", 0.0))
        if k != self.k:
            self.k, self.ids = k, np.empty(k, np.int64)
            self.place = self.ids.ctypes.data

    def query(self, vector, k):
        self.check(self.lib.search(self.handle, vector.ctypes.data, k, self.place))
        return self.ids.copy()

    def batch(self, vectors, k, threads):
        if threads > 1:
            return self.spread(vectors, k, threads)
        found = np.empty((len(vectors), k), np.int64)
        self.check(self.lib.search_batch(self.handle, vectors.ctypes.data, len(vectors), k, found.ctypes.data))
        return found

    def spread(self, vectors, k, threads):
        """Threads with one query per call each."""
        found = np.empty((len(vectors), k), np.int64)
        self.check(self.lib.search_threads(self.handle, vectors.ctypes.data, len(vectors), k, threads,
                                           found.ctypes.data))
        return found

    def counts(self):
        counts = Counts()
        self.lib.counts(self.handle, ctypes.byref(counts))
        return counts

    def after_pass(self, mean_us):
        """Codes and rows a query, and each stage beside its limit."""
        counts, limit = self.counts(), Limit()
        queries = max(1.0, counts.queries)
        self.check(self.lib.limit(self.handle, ctypes.byref(limit)))
        stages = {name: {"us": round(limit.time_us[i], 2), "limit_us": round(limit.limit_us[i], 2)}
                  for i, name in enumerate(("probe", "scan", "rerank"))}
        speeds = {name: round(getattr(limit, name), 1) for name, _ in Limit._fields_[3:]}
        return {"codes": round(counts.scanned / queries), "rows": round(counts.reranked / queries, 1),
                "lists": counts.nprobe, "stages": stages, "limit_us": round(limit.limit_sum_us, 2),
                "limit_ratio": round(limit.limit_sum_us / mean_us, 3), "speeds": speeds}

    def candidates(self, vector, count, nprobe):
        """Codes looked at, and the best 100 of `count` by code and then int8 row; more would make it look further."""
        self.use({"nprobe": nprobe, "rerank": count}, 100)
        found = self.query(vector, 100)
        return self.counts().scanned, found

    def list_count(self):
        return self.facts.list_count


class VecstoreApi(Vecstore):
    """The same table through the public interface."""

    def load(self):
        dim = self.data.base.shape[1]
        self.handle = self.check(self.lib.open_table(self.warehouse.encode(), TABLE.encode(), dim))
        self.points = []
        self.use({}, 10)
        self.query(self.data.queries[0], 10)  # opens the index

    def about(self):
        return {}

    def most_lists(self):
        return 1 << 16

    def after_pass(self, mean_us):
        counts = self.counts()
        queries = max(1.0, counts.queries)
        return {"codes": round(counts.scanned / queries), "lists": counts.nprobe}


class VecstoreQueries(Vecstore):
    with_queries = True


CLASSES = {"vecstore": Vecstore, "vecstore-q": VecstoreQueries, "vecstore-api": VecstoreApi,
           "vecstore-q-api": VecstoreApi}
