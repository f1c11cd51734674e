# SPDX-License-Identifier: Apache-2.0
"""Predicates over columns in memory: bench_predicate beside DuckDB over the same columns, one thread each.

Usage: filter_peers.py BENCH_PREDICATE [ROWS]
Prints the lines of bench_predicate with the CPU microseconds of DuckDB (count(*) over an in-memory table, best of 15) and how
many times longer it takes. Both count the same rows, or this fails. Without the duckdb module the lines are as they are.
"""
import json
import subprocess
import sys
import time

PASSES = 15


def open_table(rows):
    """The columns that bench_predicate.c makes."""
    import duckdb
    import numpy as np
    import pyarrow as pa

    row = np.arange(1, rows + 1, dtype=np.uint64)
    n = row * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(20)
    number = (n % np.uint64(100000)).astype(np.int64)
    coded = pa.DictionaryArray.from_arrays(pa.array((n % np.uint64(200)).astype(np.int32)),
                                           pa.array([f"lang{i}" for i in range(200)]))
    table = pa.table({"i": number.astype(np.int32), "l": number, "d": number.astype(np.float64),
                      "b": pa.array(n % np.uint64(3) == 0), "coded": coded,
                      "text": pa.array([f"document-{x}" for x in number]),
                      "n": pa.array(number.astype(np.int32), mask=n % np.uint64(10) == 0)})
    connection = duckdb.connect(config={"threads": 1})
    connection.register("source", table)
    connection.execute("create type code as enum (select distinct coded from source)")
    connection.execute("create table columns_in_memory as select * replace (coded::code as coded) from source")
    connection.unregister("source")
    return connection


def measure(connection, predicate):
    best = None
    for _ in range(PASSES):
        start = time.process_time()
        count = connection.execute(f"select count(*) from columns_in_memory where {predicate}").fetchone()[0]
        seconds = time.process_time() - start
        best = seconds if best is None or seconds < best else best
    return best * 1e6, count


def main():
    lines = subprocess.run(sys.argv[1:], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    facts = json.loads(lines[0])
    try:
        connection = open_table(facts["rows"])
    except ImportError as missing:
        print(f"filter_peers.py: {missing}: without DuckDB", file=sys.stderr)
        print("\n".join(lines))
        return
    print(lines[0])
    for line in lines[1:]:
        result = json.loads(line)
        microseconds, count = measure(connection, result["predicate"])
        if count != result["matched"]:
            raise SystemExit(f"{result['predicate']}: {result['matched']} rows, DuckDB says {count}")
        result.update(duckdb_us=round(microseconds), times=round(microseconds / result["us"], 1))
        print(json.dumps(result), flush=True)


main()
