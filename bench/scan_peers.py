# SPDX-License-Identifier: Apache-2.0
"""One step of bench/scan in a process of its own: makes the files, or is one of the peers.

Usage: scan_peers.py make FOLDER ROWS DIM | pyarrow FILE PASSES | duckdb FILE PASSES
Peers use one thread, read the column `embedding` and print the seconds of the fastest pass as JSON.
"""
import json
import os
import sys
import time

FILES = {"plain": {}, "split": {"column_encoding": {"embedding.list.element": "BYTE_STREAM_SPLIT"}},
         "optional": {}, "half": {}}


def make(folder, rows, dim):
    """Unit Gaussian float32; `half`: values rounded to float16, which zstd shrinks well; `optional`: with null rows."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = np.random.default_rng(7).standard_normal((rows, dim), dtype=np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    offsets = np.arange(0, rows * dim + 1, dim, dtype=np.int32)
    for name, options in FILES.items():
        data = values.astype(np.float16).astype(np.float32) if name == "half" else values
        mask = pa.array(np.arange(rows) % 100 == 3) if name == "optional" else None
        column = pa.ListArray.from_arrays(pa.array(offsets), pa.array(data.reshape(-1)), mask=mask)
        pq.write_table(pa.table({"embedding": column}), os.path.join(folder, name + ".parquet"), compression="zstd",
                       use_dictionary=False, row_group_size=20000, **options)


def run_pyarrow(path):
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    rows = size = 0
    check = 0.0
    for batch in pq.ParquetFile(path).iter_batches(4096, columns=["embedding"], use_threads=False):
        rows += len(batch)
        size += batch.column(0).values.nbytes
        check += pc.sum(pc.list_element(batch.column(0), 0)).as_py() or 0.0
    return rows, check


def run_duckdb(path):
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    return connection.execute("select count(*), sum(embedding[1]) from read_parquet(?)", [path]).fetchone()


def main():
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "make":
        make(arguments[0], int(arguments[1]), int(arguments[2]))
        return
    run = {"pyarrow": run_pyarrow, "duckdb": run_duckdb}[what]
    best = cpu = None
    for _ in range(int(arguments[1])):
        start, cpu_start = time.monotonic(), time.process_time()
        rows, check = run(arguments[0])
        took = time.monotonic() - start
        cpu_took = time.process_time() - cpu_start
        best = took if best is None else min(best, took)
        cpu = cpu_took if cpu is None else min(cpu, cpu_took)
    print(json.dumps({"work_s": best, "work_cpu_s": cpu, "rows": rows, "check": check}))


if __name__ == "__main__":
    main()
