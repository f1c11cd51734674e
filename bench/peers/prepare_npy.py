# SPDX-License-Identifier: Apache-2.0
"""Turns a Parquet set with ground truth into base.npy, queries.npy and gt.npy, as the peers read them.

Usage: prepare_npy.py BASE.parquet QUERIES.parquet FOLDER
Vectors are normalised to unit length (float32); gt.npy holds 100 row numbers of the base a query (int32).
"""
import os
import sys

import numpy as np
import pyarrow.parquet as pq


def matrix(table, column, dtype):
    array = table.column(column).combine_chunks()
    return np.asarray(array.flatten(), dtype=dtype).reshape(len(array), -1)


def unit(vectors):
    return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def main():
    base_path, queries_path, folder = sys.argv[1:4]
    base = pq.read_table(base_path, columns=["id", "embedding"])
    queries = pq.read_table(queries_path, columns=["embedding", "gt_ids"])
    os.makedirs(folder, exist_ok=True)
    np.save(os.path.join(folder, "base.npy"), unit(matrix(base, "embedding", np.float32)))
    np.save(os.path.join(folder, "queries.npy"), unit(matrix(queries, "embedding", np.float32)))
    ids = np.asarray(base.column("id"), np.int64)
    order = np.argsort(ids)
    truth = matrix(queries, "gt_ids", np.int64)[:, :100]
    rows = order[np.searchsorted(ids, truth, sorter=order)]
    np.save(os.path.join(folder, "gt.npy"), rows.astype(np.int32))


if __name__ == "__main__":
    main()
