# SPDX-License-Identifier: Apache-2.0
"""Turns a Parquet set with ground truth into the raw files of bench_query and search_faiss.py.

Usage: search_data.py BASE.parquet QUERIES.parquet FOLDER
Writes base.f32, ids.i64 (of the base rows), queries.f32 and truth.i64 (100 ids a query), row-major and
little-endian, and prints the dimension and the number of rows as JSON.
"""
import json
import os
import sys

import numpy as np
import pyarrow.parquet as pq


def matrix(table, column, dtype):
    values = table.column(column).combine_chunks()
    return np.asarray(values.flatten(), dtype=dtype).reshape(len(values), -1)


def main():
    base_path, queries_path, folder = sys.argv[1:4]
    base = pq.read_table(base_path, columns=["id", "embedding"])
    queries = pq.read_table(queries_path, columns=["embedding", "gt_ids"])
    vectors = matrix(base, "embedding", np.float32)
    vectors.tofile(os.path.join(folder, "base.f32"))
    np.asarray(base.column("id"), np.int64).tofile(os.path.join(folder, "ids.i64"))
    matrix(queries, "embedding", np.float32).tofile(os.path.join(folder, "queries.f32"))
    matrix(queries, "gt_ids", np.int64)[:, :100].tofile(os.path.join(folder, "truth.i64"))
    print(json.dumps({"dim": vectors.shape[1], "rows": len(vectors)}))


if __name__ == "__main__":
    main()
