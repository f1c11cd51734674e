# SPDX-License-Identifier: Apache-2.0
"""Random nested Parquet files of pyarrow: the digests of inspect_tool have to be those of pyarrow's own values.

usage: inspect_pyarrow_test.py INSPECT_TOOL [SEED [FILES]]
"""
import decimal
import json
import os
import random
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as e:
    print("SKIP: no pyarrow in this Python (VECSTORE_PYTHON):", e)
    sys.exit(77)

NULL = b"\\N"
decimal.getcontext().prec = 60


def digest(values):
    h = 0xCBF29CE484222325
    for v in values:
        for b in v + b"\n":
            h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return "%016x" % h


def blob(b):
    return b"%d:%s" % (len(b), b)


def scalar(v, t):
    """A Python value of an arrow type, as the corpus renders it."""
    if pa.types.is_boolean(t):
        return b"true" if v else b"false"
    if pa.types.is_float16(t):
        f = np.float16(v)
        return b"7e00" if np.isnan(f) else b"%04x" % f.view(np.uint16)
    if pa.types.is_float32(t):
        f = np.float32(v)
        return b"7fc00000" if np.isnan(f) else b"%08x" % f.view(np.uint32)
    if pa.types.is_float64(t):
        f = np.float64(v)
        return b"7ff8000000000000" if np.isnan(f) else b"%016x" % f.view(np.uint64)
    if pa.types.is_decimal(t):
        return b"%d" % int(v.scaleb(t.scale))
    if pa.types.is_integer(t):
        return b"%d" % v
    if pa.types.is_string(t):
        return blob(v.encode())
    return blob(v)


def render(v, t):
    if v is None:
        return NULL
    if pa.types.is_struct(t):
        return b"(" + b",".join(render(v[f.name], f.type) for f in t) + b")"
    if pa.types.is_map(t):
        return b"{" + b",".join(render(k, t.key_type) + b":" + render(x, t.item_type) for k, x in v) + b"}"
    if pa.types.is_list(t):
        return b"[" + b",".join(render(x, t.value_type) for x in v) + b"]"
    return scalar(v, t)


PRIMITIVES = [pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(),
              pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.string(), pa.binary(), pa.binary(7),
              pa.decimal128(7, 2), pa.decimal128(15, 3), pa.decimal128(38, 9)]
# Written as times; the same integers are expected.
TEMPORAL = [pa.date32(), pa.time32("ms"), pa.time64("us"), pa.time64("ns"), pa.timestamp("ms"), pa.timestamp("us"),
            pa.timestamp("ns"), pa.timestamp("us", "UTC")]


def random_type(rng, depth):
    pick = rng.random()
    if depth <= 0 or pick < 0.4:
        return rng.choice(PRIMITIVES)
    if pick < 0.65:
        return pa.list_(pa.field("element", random_type(rng, depth - 1), nullable=rng.random() < 0.7))
    if pick < 0.8:
        return pa.map_(rng.choice([pa.string(), pa.int32(), pa.int64()]), random_type(rng, depth - 1))
    return pa.struct([pa.field("f%d" % i, random_type(rng, depth - 1), nullable=rng.random() < 0.7)
                      for i in range(rng.randint(1, 4))])


def random_value(rng, t, nullable):
    if nullable and rng.random() < 0.2:
        return None
    if pa.types.is_struct(t):
        return {f.name: random_value(rng, f.type, f.nullable) for f in t}
    if pa.types.is_map(t):
        return [(random_value(rng, t.key_type, False), random_value(rng, t.item_type, True))
                for _ in range(rng.choice([0, 1, 2, 5]))]
    if pa.types.is_list(t):
        return [random_value(rng, t.value_type, t.value_field.nullable) for _ in range(rng.choice([0, 0, 1, 2, 3, 9]))]
    if pa.types.is_boolean(t):
        return rng.random() < 0.5
    if pa.types.is_integer(t):
        low, high = np.iinfo(t.to_pandas_dtype()).min, np.iinfo(t.to_pandas_dtype()).max
        return rng.choice([low, high, rng.randint(0, 9), rng.randint(int(low), int(high))])
    if pa.types.is_float16(t):
        return np.float16(rng.choice([0.0, -0.0, 1.5, float("nan"), 6e-8, float("inf"), rng.uniform(-9, 9)]))
    if pa.types.is_floating(t):
        v = rng.choice([0.0, -0.0, float("nan"), float("-inf"), rng.uniform(-1e9, 1e9)])
        return float(np.float32(v)) if t == pa.float32() else v
    if pa.types.is_decimal(t):
        return decimal.Decimal(rng.randint(-10 ** t.precision + 1, 10 ** t.precision - 1)).scaleb(-t.scale)
    if pa.types.is_string(t):
        return rng.choice(["", "a", "déjà", "x" * rng.randint(0, 40)])
    n = t.byte_width if pa.types.is_fixed_size_binary(t) else rng.randint(0, 20)
    return bytes(rng.randrange(256) for _ in range(n))


def temporal_columns(rng, rows):
    names, arrays, answers = [], [], []
    for i, t in enumerate(TEMPORAL):
        small = pa.types.is_time(t)
        raw = [None if rng.random() < 0.1 else rng.randint(0, 86399) if small else rng.randint(-10 ** 4, 10 ** 4)
               for _ in range(rows)]
        storage = pa.int32() if t.bit_width == 32 else pa.int64()
        names.append("t%d" % i)
        arrays.append(pa.array(raw, storage).cast(t))
        answers.append([NULL if v is None else b"%d" % v for v in raw])
    return names, arrays, answers


def make(rng, path):
    rows = rng.choice([0, 1, 7, 300, 2500])
    names, arrays, answers = temporal_columns(rng, rows)
    fields = [pa.field(n, a.type) for n, a in zip(names, arrays)]
    for i in range(rng.randint(1, 5)):
        t = random_type(rng, rng.randint(0, 5))
        nullable = rng.random() < 0.7
        values = [random_value(rng, t, nullable) for _ in range(rows)]
        fields.append(pa.field("c%d" % i, t, nullable=nullable))
        arrays.append(pa.array(values, t))
        answers.append([render(v, t) for v in values])
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    options = dict(compression=rng.choice(["none", "snappy", "zstd", "gzip", "lz4"]),
                   data_page_version=rng.choice(["1.0", "2.0"]), data_page_size=rng.choice([64, 1000, 1 << 20]),
                   write_batch_size=rng.choice([1, 13, 1024]), use_dictionary=rng.random() < 0.5,
                   row_group_size=rng.choice([1 << 20, 100, 999]), version="2.6",
                   use_compliant_nested_type=rng.random() < 0.7, write_page_checksum=rng.random() < 0.5)
    pq.write_table(table, path, **options)
    return rows, [{"name": f.name, "nulls": sum(v == NULL for v in a), "digest": digest(a)}
                  for f, a in zip(fields, answers)], options


def main():
    tool = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 30
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            rng = random.Random(seed * 1000 + i)
            path = os.path.join(folder, "%d.parquet" % i)
            rows, columns, options = make(rng, path)
            report = json.loads(subprocess.run([tool, path], check=True, capture_output=True).stdout)
            mine = [{k: c[k] for k in ("name", "nulls", "digest")} for c in report.get("columns", [])]
            if report.get("rows") != rows or mine != columns:
                failed += 1
                bad = [c["name"] for c, m in zip(columns, mine) if c != m]
                print("file %d (seed %d): %s %s" % (i, seed, report.get("error", bad), options))
                print("   ", pq.read_schema(path).to_string(show_field_metadata=False)[:600])
            os.remove(path)
    print("%d files, %d differ" % (count, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
