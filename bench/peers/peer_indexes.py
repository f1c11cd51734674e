# SPDX-License-Identifier: Apache-2.0
"""Other indexes, one small class each.

A class says how to build and save an index (two threads), how to load it, which settings to try and how to ask.
`ladders(k)` lists rows of settings; along a row cost and recall grow, and the first number of a setting is what
grows, so that the sweep can try values in between. `query` is one call of the library for one query. `batch`
is one call for many; None where the library has none.
"""
import os
import time

import numpy as np

STEPS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
EFFORTS = (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 896, 1280)


def pieces(base, size=100_000):
    for first in range(0, len(base), size):
        yield first, np.ascontiguousarray(base[first:first + size])


def sample(base, count):
    rows = np.sort(np.random.default_rng(1).choice(len(base), min(count, len(base)), replace=False))
    return np.ascontiguousarray(base[rows])


def lists_for(rows):
    return 8192 if rows >= 500_000 else 2048 if rows >= 80_000 else 256


def codes_for(dim):
    """48 bytes a vector: 4 dimensions a code at 768, 2 at 384."""
    return 96 if dim // 2 % 96 == 0 else dim // 4


class Index:
    def __init__(self, data, path):
        self.data, self.path, self.setting = data, path, {}

    def use(self, setting, k):
        self.setting = setting

    def about(self):
        return {}

    def batch(self, vectors, k, threads):
        return None


# ---------------------------------------------------------------- FAISS


class Faiss(Index):
    """IVF with 4-bit codes and int8 rows; OPQ learns the projection, as FAISS recommends."""
    rows_kind, train_per_list = "QT_8bit", 40

    def factory(self):
        rows, dim = self.data.base.shape
        return f"OPQ{codes_for(dim)}_{dim // 2},IVF{lists_for(rows)},PQ{codes_for(dim)}x4fs"

    def build(self, threads):
        import faiss
        base, steps = self.data.base, {"kind": self.factory()}
        dim = base.shape[1]
        faiss.omp_set_num_threads(threads)
        index = faiss.index_factory(dim, self.factory(), faiss.METRIC_INNER_PRODUCT)
        ivf = faiss.try_extract_index_ivf(index)
        start = time.monotonic()
        if ivf is not None:
            index.train(sample(base, self.train_per_list * ivf.nlist))
        steps["train_s"] = time.monotonic() - start
        start = time.monotonic()
        for _, rows in pieces(base):
            index.add(rows)
        steps["add_s"] = time.monotonic() - start
        if self.rows_kind:
            start = time.monotonic()
            exact = faiss.IndexScalarQuantizer(dim, getattr(faiss.ScalarQuantizer, self.rows_kind),
                                               faiss.METRIC_INNER_PRODUCT)
            exact.train(sample(base, 100_000))
            for _, rows in pieces(base):
                exact.add(rows)
            index = self.keep = faiss.IndexRefine(index, exact)
            steps["rows_s"] = time.monotonic() - start
        faiss.write_index(index, self.path)
        return steps

    def load(self):
        import faiss
        faiss.omp_set_num_threads(1)
        self.index = faiss.read_index(self.path)
        self.inner = faiss.downcast_index(self.index.base_index) if self.rows_kind else self.index
        self.ivf = faiss.try_extract_index_ivf(self.inner)
        if self.ivf is not None:
            self.ivf = faiss.downcast_index(self.ivf)

    def about(self):
        import faiss
        return {"kind": self.factory(), "simd": faiss.SIMDConfig.get_level_name()}

    def ladders(self, k):
        reranks = (40, 80, 150, 300, 800) if k == 10 else (150, 300, 600, 1500)
        return [[{"nprobe": nprobe, "rerank": rerank} for nprobe in STEPS] for rerank in reranks]

    def use(self, setting, k):
        self.ivf.nprobe = setting["nprobe"]
        self.index.k_factor = setting["rerank"] / k

    def query(self, vector, k):
        return self.index.search(vector[None], k)[1][0]

    def batch(self, vectors, k, threads):
        import faiss
        faiss.omp_set_num_threads(threads)
        found = self.index.search(vectors, k)[1]
        faiss.omp_set_num_threads(1)
        return found

    def candidates(self, vector, count, nprobe):
        """Codes looked at, and the best `count` by code alone."""
        import faiss
        stats = faiss.cvar.indexIVF_stats
        stats.reset()
        self.ivf.nprobe = nprobe
        found = self.inner.search(vector[None], count)[1][0]
        return stats.ndis, found

    def list_count(self):
        return self.ivf.nlist


class FaissPca(Faiss):
    def factory(self):
        rows, dim = self.data.base.shape
        return f"PCAR{dim // 2},IVF{lists_for(rows)},PQ{codes_for(dim)}x4fs"


class FaissCodes(Faiss):
    """Without rows: training and filling alone, for `bench index_build`."""
    rows_kind = None

    def ladders(self, k):
        return [[{"nprobe": nprobe} for nprobe in STEPS]]

    def use(self, setting, k):
        self.ivf.nprobe = setting["nprobe"]


class FaissPcaCodes(FaissCodes):
    factory = FaissPca.factory


class FaissRabitq(Faiss):
    def factory(self):
        return f"IVF{lists_for(len(self.data.base))},RaBitQfs"


class FaissHnsw(Faiss):
    rows_kind = None

    def factory(self):
        return "HNSW32,Flat"

    def ladders(self, k):
        return [[{"ef": ef} for ef in EFFORTS if ef >= k]]

    def use(self, setting, k):
        self.index.hnsw.efSearch = setting["ef"]


# ---------------------------------------------------------------- graphs


class Graph(Index):
    def ladders(self, k):
        return [[{"ef": ef} for ef in EFFORTS if ef >= k]]


class SymphonyQG(Graph):
    degree, construction = 32, 200

    def build(self, threads):
        import rabitqlib
        base = self.data.base
        index = rabitqlib.SymqgIndex(base.shape[1], self.degree, "ip", 0)
        index.build(np.asarray(base), self.construction, threads)
        index.save(self.path)
        return {}

    def load(self):
        import rabitqlib
        self.index = rabitqlib.SymqgIndex.load(self.path)

    def query(self, vector, k):
        return self.index.search(vector[None], k, self.setting["ef"])[0][0]

    def batch(self, vectors, k, threads):
        return self.index.search_batch(vectors, k, self.setting["ef"], threads)[0]


class Hnswlib(Graph):
    def build(self, threads):
        import hnswlib
        base = self.data.base
        index = hnswlib.Index("ip", base.shape[1])
        index.init_index(len(base), M=16, ef_construction=200, random_seed=1)
        for first, rows in pieces(base):
            index.add_items(rows, np.arange(first, first + len(rows)), num_threads=threads)
        index.save_index(self.path)
        return {}

    def load(self):
        import hnswlib
        self.index = hnswlib.Index("ip", self.data.base.shape[1])
        self.index.load_index(self.path)

    def use(self, setting, k):
        self.index.set_ef(setting["ef"])

    def query(self, vector, k):
        return self.index.knn_query(vector, k, num_threads=1)[0][0]

    def batch(self, vectors, k, threads):
        return self.index.knn_query(vectors, k, num_threads=threads)[0]


class Usearch(Graph):
    """int8 rows, scaled here: usearch's own conversion multiplies by 127, which leaves unit vectors of many
    dimensions a handful of steps."""

    def make(self):
        from usearch.index import Index as UsearchIndex
        self.scale = np.float32(127 / np.quantile(np.abs(self.data.base[:20_000]), 0.9999))
        return UsearchIndex(ndim=self.data.base.shape[1], metric="ip", dtype="i8", connectivity=16, expansion_add=200)

    def small(self, vectors):
        return np.clip(np.rint(vectors * self.scale), -127, 127).astype(np.int8)

    def build(self, threads):
        index = self.make()
        for first, rows in pieces(self.data.base):
            index.add(np.arange(first, first + len(rows)), self.small(rows), threads=threads)
        index.save(self.path)
        return {}

    def load(self):
        self.index = self.make()
        self.index.load(self.path)

    def use(self, setting, k):
        self.index.expansion_search = setting["ef"]

    def query(self, vector, k):
        return self.index.search(self.small(vector), k, threads=1).keys

    def batch(self, vectors, k, threads):
        return self.index.search(self.small(vectors), k, threads=threads).keys


class Svs(Graph):
    parts = ("config", "graph", "data")

    def folders(self):
        return [os.path.join(self.path, part) for part in self.parts]

    def build(self, threads):
        import svs
        parameters = svs.VamanaBuildParameters(alpha=0.95, graph_max_degree=64, window_size=200)
        index = svs.Vamana.build(parameters, np.asarray(self.data.base, np.float16), svs.DistanceType.MIP,
                                 num_threads=threads)
        for folder in self.folders():
            os.makedirs(folder, exist_ok=True)
        index.save(*self.folders())
        return {}

    def load(self):
        import svs
        config, graph, data = self.folders()
        self.index = svs.Vamana(config, svs.GraphLoader(graph), svs.VectorDataLoader(data, svs.DataType.float16),
                                distance=svs.DistanceType.MIP, num_threads=1)

    def use(self, setting, k):
        import svs
        parameters = self.index.search_parameters
        parameters.buffer_config = svs.SearchBufferConfig(setting["ef"])
        self.index.search_parameters = parameters

    def query(self, vector, k):
        return self.index.search(vector, k)[0][0]

    def batch(self, vectors, k, threads):
        self.index.num_threads = threads
        found = self.index.search(vectors, k)[0]
        self.index.num_threads = 1
        return found


# ---------------------------------------------------------------- partitions


class RabitqIvf(Index):
    def build(self, threads):
        import rabitqlib
        base = np.asarray(self.data.base)
        start = time.monotonic()
        lists = min(4096, 2 * lists_for(len(base)))
        means = rabitqlib.QGKMeans(base.shape[1], lists, num_threads=threads)
        means.train(base)
        train = time.monotonic() - start
        index = rabitqlib.IvfIndex(base.shape[1], len(base), lists, 5, "ip")
        index.build(base, means.centroids, means.assignments, threads)
        index.save(self.path)
        return {"train_s": train}

    def load(self):
        import rabitqlib
        self.index = rabitqlib.IvfIndex.load(self.path)

    def ladders(self, k):
        return [[{"nprobe": nprobe} for nprobe in STEPS]]

    def query(self, vector, k):
        return self.index.search(vector[None], k, self.setting["nprobe"])[0][0]

    def batch(self, vectors, k, threads):
        return self.index.search(vectors, k, self.setting["nprobe"], num_threads=threads)[0]


class Scann(Index):

    def build(self, threads):
        import scann
        base = np.asarray(self.data.base)
        leaves = int(2 * len(base) ** 0.5)
        builder = scann.scann_ops_pybind.builder(base, 10, "dot_product").tree(
            num_leaves=leaves, num_leaves_to_search=50, training_sample_size=min(len(base), 250_000))
        builder = builder.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(100)
        builder.set_n_training_threads(threads)
        index = builder.build()
        os.makedirs(self.path, exist_ok=True)
        index.serialize(self.path)
        return {}

    def load(self):
        import scann
        self.index = scann.scann_ops_pybind.load_searcher(self.path)
        self.index.set_num_threads(1)

    def ladders(self, k):
        reranks = (40, 80, 150, 300) if k == 10 else (150, 300, 600)
        return [[{"leaves": leaves, "rerank": rerank} for leaves in STEPS[:15]] for rerank in reranks]

    def query(self, vector, k):
        return self.index.search(vector, k, self.setting["rerank"], self.setting["leaves"])[0]

    def batch(self, vectors, k, threads):
        self.index.set_num_threads(threads)
        call = self.index.search_batched_parallel if threads > 1 else self.index.search_batched
        return call(vectors, k, self.setting["rerank"], self.setting["leaves"])[0]


class Lorann(Index):
    """Keeps the caller's f32 rows, here a mapped file, for the exact scores."""

    def build(self, threads):
        import lorann
        base = np.asarray(self.data.base)
        index = lorann.LorannIndex(data=base, n_clusters=lists_for(len(base)), global_dim=128, quantization_bits=8,
                                   rank=32, train_size=2, distance=lorann.IP)
        index.build(n_threads=threads)
        index.save(self.path)
        return {}

    def load(self):
        import lorann
        self.index = lorann.LorannIndex.load(self.path)

    def ladders(self, k):
        return [[{"clusters": clusters, "points": points} for clusters in STEPS]
                for points in ((100, 200, 400) if k == 10 else (400, 800, 1600))]

    def query(self, vector, k):
        return self.index.search(vector, k, self.setting["clusters"], self.setting["points"])

    def batch(self, vectors, k, threads):
        return self.index.search(vectors, k, self.setting["clusters"], self.setting["points"], n_threads=threads)


class Lancedb(Index):
    """Its index stays on storage: what is in memory is a cache."""

    def build(self, threads):
        import lancedb
        import pyarrow as pa
        base = self.data.base
        dim = base.shape[1]

        def batches():
            for first, rows in pieces(base):
                vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), dim)
                yield pa.record_batch([pa.array(np.arange(first, first + len(rows))), vectors], ["id", "vector"])

        schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), dim))])
        start = time.monotonic()
        table = lancedb.connect(self.path).create_table("t", batches(), schema=schema, mode="overwrite")
        write = time.monotonic() - start
        table.create_index(metric="dot", vector_column_name="vector", index_type="IVF_PQ",
                           num_partitions=int(len(base) ** 0.5), num_sub_vectors=dim // 8)
        return {"write_s": write}

    def load(self):
        import lancedb
        self.table = lancedb.connect(self.path).open_table("t")

    def ladders(self, k):
        return [[{"nprobe": nprobe, "refine": refine} for nprobe in STEPS[:14]] for refine in (2, 5, 10, 20)]

    def query(self, vector, k):
        ask = self.table.search(vector, vector_column_name="vector").distance_type("dot").select(["id", "_distance"])
        ask = ask.nprobes(self.setting["nprobe"]).refine_factor(self.setting["refine"])
        return ask.limit(k).to_arrow()["id"].to_numpy()


CLASSES = {"symphonyqg": SymphonyQG, "faiss-pq4": Faiss, "faiss-pca-pq4": FaissPca, "faiss-hnsw": FaissHnsw,
           "faiss-codes": FaissCodes, "faiss-pca-codes": FaissPcaCodes,
           "faiss-rabitq": FaissRabitq, "rabitq-ivf": RabitqIvf, "hnswlib": Hnswlib, "usearch": Usearch, "svs": Svs,
           "scann": Scann, "lorann": Lorann, "lancedb": Lancedb}
