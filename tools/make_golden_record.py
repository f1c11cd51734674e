# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/record: nested Parquet files of pyarrow with pyarrow's own values as digests.

usage: python tools/make_golden_record.py   (needs pyarrow; the files are kept in the repository)
"""
import json
import os
import random
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "conform"))
import inspect_pyarrow_test as peer  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

TYPES = {
    "list_of_lists": pa.list_(pa.list_(pa.list_(pa.int32()))),
    "map": pa.map_(pa.string(), pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])),
    "struct": pa.struct([pa.field("x", pa.struct([("y", pa.float64()), ("z", pa.decimal128(20, 4))])),
                         pa.field("r", pa.int32(), nullable=False), ("l", pa.list_(pa.bool_()))]),
    "structs": pa.list_(pa.struct([("m", pa.map_(pa.int32(), pa.list_(pa.binary()))), ("f", pa.float32())])),
    "flat": pa.int64(),
}
FILES = {
    "nested_v1": dict(data_page_version="1.0", data_page_size=200, write_batch_size=7, compression="zstd"),
    "nested_v2": dict(data_page_version="2.0", data_page_size=200, write_batch_size=7, compression="snappy",
                      row_group_size=21),
    "nested_names": dict(data_page_version="1.0", use_compliant_nested_type=False, compression="none",
                         use_dictionary=False),
}


def main():
    folder = os.path.join(ROOT, "tests", "golden", "record")
    os.makedirs(folder, exist_ok=True)
    answers = {}
    for number, (name, options) in enumerate(FILES.items()):
        rng = random.Random(number)
        columns = {n: [peer.random_value(rng, t, True) for _ in range(40)] for n, t in TYPES.items()}
        table = pa.table({n: pa.array(columns[n], t) for n, t in TYPES.items()})
        pq.write_table(table, os.path.join(folder, name + ".parquet"), **options)
        rendered = {n: [peer.render(v, t) for v in columns[n]] for n, t in TYPES.items()}
        answers[name] = {"rows": 40, "columns": [
            {"name": n, "nulls": sum(v == peer.NULL for v in rendered[n]), "digest": peer.digest(rendered[n]),
             "first": rendered[n][0].decode("latin-1")} for n in TYPES]}
    with open(os.path.join(folder, "expected.json"), "w") as f:
        json.dump(answers, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
