# SPDX-License-Identifier: Apache-2.0
"""Synthetic vectors that behave like embeddings of text: always to be labelled synthetic.

Usage: generate.py FOLDER [--rows 1000000] [--dim 768] [--queries 1000] [--tune 1000] [--seed 5]
Writes base.npy, queries.npy, tune.npy (other queries, for builds that are given some), gt.npy (exact 100
nearest by inner product) and meta.json.

A passage is topic + facet + document + its own part, each a random draw, then normalised:
  topic      one of 64 centres of Zipf sizes; each has a low-dimensional subspace of its own
  facet      one of many shared directions that cross the topics (style, language, a name)
  document   a point in its topic's subspace plus a residual; documents have Zipf sizes
  passage    its document, moved again inside the topic's subspace, plus a residual
Spectra fall as a power of the axis, with a floor for the residuals, and spreads vary from draw to draw (some texts are
more typical than others). Queries are passages that are not in the base. The shape follows what sets of text show but
is fitted to none of them; passages of one document lie close together, so k = 10 is easier here than on real text.

The same numbers come out for the same seed and NumPy: every chunk of rows has a generator of its own.
"""
import argparse
import json
import os
import time

import numpy as np

CHUNK = 16384
TRUTH = 100
SHAPE = {"topics": 64, "topic_dims": 32, "facets": 8000, "passages_per_document": 15, "zipf_topics": 0.7,
         "zipf_facets": 0.7, "zipf_documents": 0.4, "mean": 0.7, "topic": 0.65, "facet": 0.6, "document": 0.5,
         "document_residual": 0.45, "passage": 0.52, "passage_residual": 0.45, "axis_power": 1.0, "floor": 0.25,
         "topic_power": 0.3, "spread": 0.25, "residual_spread": 0.4}


def zipf(count, power):
    weights = np.arange(1, count + 1, dtype=np.float64) ** -power
    return weights / weights.sum()


def spectrum(dim, power, floor):
    """Standard deviations of the axes; variances sum to 1."""
    variance = np.arange(3, dim + 3, dtype=np.float64) ** -power
    variance = (1 - floor) * variance / variance.sum() + floor / dim
    return np.sqrt(variance).astype(np.float32)


class World:
    """What all passages share. Everything is drawn on the axes of the spectrum and turned at the end."""

    def __init__(self, dim, documents, seed):
        self.dim, self.seed = dim, seed
        draw = self.generator(0)
        axes, self.residual_axes = spectrum(dim, SHAPE["axis_power"], 0.0), spectrum(dim, SHAPE["axis_power"],
                                                                                     SHAPE["floor"])
        self.turn = np.linalg.qr(draw.standard_normal((dim, dim)))[0].astype(np.float32)
        mean = draw.standard_normal(dim).astype(np.float32)
        mean *= SHAPE["mean"] / np.linalg.norm(mean)
        self.topics = mean + SHAPE["topic"] * self.normals(draw, SHAPE["topics"]) * axes
        self.facets = SHAPE["facet"] * self.normals(draw, SHAPE["facets"]) * axes
        scales = np.arange(1, SHAPE["topic_dims"] + 1) ** -SHAPE["topic_power"]
        scales = (scales / np.linalg.norm(scales)).astype(np.float32)
        self.subspaces = [scales[:, None] * np.linalg.qr((self.normals(draw, SHAPE["topic_dims"]) * axes).T)[0].T
                          for _ in range(SHAPE["topics"])]
        self.document_topic = draw.choice(SHAPE["topics"], documents, p=zipf(SHAPE["topics"], SHAPE["zipf_topics"]))
        facet = draw.choice(SHAPE["facets"], documents, p=zipf(SHAPE["facets"], SHAPE["zipf_facets"]))
        self.document_weight = np.cumsum(draw.permutation(zipf(documents, SHAPE["zipf_documents"])))
        self.documents = np.empty((documents, dim), np.float32)
        for number, first in enumerate(range(0, documents, CHUNK)):
            rows = slice(first, min(first + CHUNK, documents))
            topic = self.document_topic[rows]
            self.documents[rows] = self.topics[topic] + self.facets[facet[rows]] + self.local(
                self.generator(1, number), topic, SHAPE["document"], SHAPE["document_residual"])

    def generator(self, *path):
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence((self.seed, self.dim) + path)))

    def normals(self, draw, count):
        return draw.standard_normal((count, self.dim), dtype=np.float32)

    def local(self, draw, topic, scale, residual_scale):
        """Inside each row's topic subspace, and a residual outside of it."""
        count = len(topic)
        wide = np.exp(SHAPE["spread"] * draw.standard_normal((count, 1), dtype=np.float32)) * scale
        rest = np.exp(SHAPE["residual_spread"] * draw.standard_normal((count, 1), dtype=np.float32)) * residual_scale
        out = self.normals(draw, count) * self.residual_axes * rest
        inside = draw.standard_normal((count, SHAPE["topic_dims"]), dtype=np.float32) * wide
        for number in np.unique(topic):
            rows = np.flatnonzero(topic == number)
            out[rows] += inside[rows] @ self.subspaces[number]
        return out

    def passages(self, stream, chunk, count):
        draw = self.generator(2 + stream, chunk)
        document = np.searchsorted(self.document_weight, draw.random(count) * self.document_weight[-1])
        rows = self.documents[document] + self.local(draw, self.document_topic[document], SHAPE["passage"],
                                                     SHAPE["passage_residual"])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows @ self.turn


def write_rows(world, stream, count, path):
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, world.dim))
    for chunk, first in enumerate(range(0, count, CHUNK)):
        last = min(first + CHUNK, count)
        out[first:last] = world.passages(stream, chunk, last - first)
    out.flush()
    return np.load(path, mmap_mode="r")


def exact(base, queries, count=TRUTH):
    """Row numbers of the `count` largest inner products, best first."""
    best = np.full((len(queries), count), -np.inf, np.float32)
    rows = np.zeros((len(queries), count), np.int64)
    for first in range(0, len(base), 65536):
        scores = queries @ base[first:first + 65536].T
        some = np.argpartition(-scores, min(count, scores.shape[1]) - 1, axis=1)[:, :count]
        best = np.concatenate([best, np.take_along_axis(scores, some, 1)], 1)
        rows = np.concatenate([rows, some + first], 1)
        order = np.argsort(-best, axis=1, kind="stable")[:, :count]
        best, rows = np.take_along_axis(best, order, 1), np.take_along_axis(rows, order, 1)
    return rows.astype(np.int32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    for name, default in (("rows", 1000000), ("dim", 768), ("queries", 1000), ("tune", 1000), ("seed", 5)):
        parser.add_argument("--" + name, type=int, default=default)
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    start = time.monotonic()
    world = World(args.dim, max(1, args.rows // SHAPE["passages_per_document"]), args.seed)
    base = write_rows(world, 0, args.rows, os.path.join(args.folder, "base.npy"))
    queries = write_rows(world, 1, args.queries, os.path.join(args.folder, "queries.npy"))
    write_rows(world, 2, args.tune, os.path.join(args.folder, "tune.npy"))
    made = time.monotonic() - start
    np.save(os.path.join(args.folder, "gt.npy"), exact(base, queries))
    with open(os.path.join(args.folder, "meta.json"), "w", encoding="ascii") as file:
        json.dump({"synthetic": True, **vars(args), **SHAPE, "numpy": np.__version__}, file, indent=1)
    print(f"{args.rows} x {args.dim} in {made:.0f} s, exact answers in {time.monotonic() - start - made:.0f} s")


if __name__ == "__main__":
    main()
