# SPDX-License-Identifier: Apache-2.0
"""One step of bench/ingest in a process of its own: makes input files, or is one of the peers.

Usage: ingest_peers.py make FOLDER | pyarrow PARQUET OUT | pyiceberg PARQUET WAREHOUSE
FOLDER holds base.npy and rows.jsonl; make adds base.parquet and base.jsonl (the same rows).
Peers print the seconds of their own work, without start and imports, as JSON.
"""
import json
import os
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq


def make_inputs(folder):
    import numpy as np
    import pyarrow.json as pj

    vectors = np.load(os.path.join(folder, "base.npy"), mmap_mode="r")
    rows = pj.read_json(os.path.join(folder, "rows.jsonl"))
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    offsets = pa.array(np.arange(0, flat.__len__() + 1, vectors.shape[1], dtype=np.int32))
    whole = rows.append_column("embedding", pa.ListArray.from_arrays(offsets, flat))
    pq.write_table(whole, os.path.join(folder, "base.parquet"), compression="zstd", use_dictionary=False)
    with open(os.path.join(folder, "rows.jsonl"), encoding="utf-8") as source, \
            open(os.path.join(folder, "base.jsonl"), "w", encoding="utf-8") as out:
        for line, vector in zip(source, vectors):
            numbers = ",".join(format(x, ".8g") for x in vector)
            out.write(f'{line.rstrip()[:-1]},"embedding":[{numbers}]}}\n')


def run_pyarrow(source, out):
    """Reads the Parquet file and writes the same rows with the settings that vecstore writes."""
    pq.write_table(pq.read_table(source), out, compression="zstd", use_dictionary=False, write_page_index=True)


def run_pyiceberg(source, warehouse):
    from pyiceberg.catalog.sql import SqlCatalog

    os.makedirs(warehouse)
    catalog = SqlCatalog("bench", uri=f"sqlite:///{warehouse}/catalog.db", warehouse=f"file://{warehouse}")
    catalog.create_namespace("bench")
    rows = pq.read_table(source)
    catalog.create_table("bench.peer", schema=rows.schema).append(rows)


def main():
    what, arguments = sys.argv[1], sys.argv[2:]
    run = {"make": make_inputs, "pyarrow": run_pyarrow, "pyiceberg": run_pyiceberg}[what]
    if what == "pyiceberg":
        import pyiceberg.catalog.sql  # noqa: F401  (imports stay outside the clock)
    start = time.monotonic()
    run(*arguments)
    print(json.dumps({"work_s": round(time.monotonic() - start, 3)}))


if __name__ == "__main__":
    main()
