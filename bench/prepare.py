#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a Parquet set with ground truth (base.parquet, base_queries.parquet) into raw files for bench_search.

Usage: prepare.py BASE.parquet QUERIES.parquet OUTPUT_PREFIX
Writes PREFIX.base.f32, PREFIX.queries.f32 (row-major float32) and PREFIX.gt.i32 (100 row numbers a query), and prints the dimension.
"""
import sys

import numpy as np
import pyarrow.parquet as pq


def matrix(table, column, dtype):
    array = table.column(column).combine_chunks()
    return np.asarray(array.flatten(), dtype=dtype).reshape(len(array), -1)


def main():
    base_path, queries_path, prefix = sys.argv[1:4]
    base = pq.read_table(base_path, columns=["id", "embedding"])
    queries = pq.read_table(queries_path, columns=["embedding", "gt_ids"])
    vectors = matrix(base, "embedding", np.float32)
    vectors.tofile(prefix + ".base.f32")
    matrix(queries, "embedding", np.float32).tofile(prefix + ".queries.f32")
    row_of = {int(identifier): row for row, identifier in enumerate(base.column("id").to_pylist())}
    truth = matrix(queries, "gt_ids", np.int64)
    np.vectorize(row_of.__getitem__)(truth).astype(np.int32).tofile(prefix + ".gt.i32")
    print(vectors.shape[1])


if __name__ == "__main__":
    main()
