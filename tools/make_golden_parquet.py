#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/parquet/*.parquet with pyarrow, and expected.json with the values of each column beside them;
*.thrift are a footer and a page header cut out of two of the files.

Deterministic: the same pyarrow writes the same bytes. Needs pyarrow; the tests need only the files.

expected.json: {"files": {file: [column, …]}, "columns": {column: {"type": vecstore's type, "values": […]}}}. Rendering: integers, booleans and strings as JSON, float
and double by their bits in hexadecimal, dates as days, timestamps as microseconds, decimals as the unscaled integer in text, binary
and uuid in hexadecimal, lists as arrays, null as null.
"""
import datetime
import decimal
import json
import pathlib
import struct
import sys
import uuid

import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "tests/golden/parquet")
ROWS = 40


def holes(values, every=5):
    return [None if i % every == 3 else v for i, v in enumerate(values)]


def float_list(i):
    if i % 7 == 2:
        return None
    if i % 7 == 4:
        return []
    return [None if (i + k) % 6 == 5 else i + k / 4 for k in range(i % 4 + 1)]


def columns():
    """name -> (arrow type, values, vecstore's type)"""
    n = range(ROWS)
    day = datetime.date(1969, 12, 20)
    moment = datetime.datetime(1969, 12, 31, 23, 59, 59, 999000)
    return {
        "boolean": (pa.bool_(), holes([i % 3 == 0 for i in n]), "boolean"),
        "int": (pa.int32(), holes([(i - 20) * 107374182 for i in n]), "int"),
        "small": (pa.int8(), holes([i - 20 for i in n]), "int"),
        "unsigned16": (pa.uint16(), holes([i * 1638 for i in n]), "int"),
        "unsigned32": (pa.uint32(), holes([i * 110127366 for i in n]), "long"),
        "long": (pa.int64(), holes([(i - 20) * 461168601842738790 for i in n]), "long"),
        "required": (pa.int64(), [i * i for i in n], "long"),
        "float": (pa.float32(), holes([(i - 20) / 3 if i % 9 else float("nan") for i in n]), "float"),
        "double": (pa.float64(), holes([(i - 20) / 3 if i % 9 else float("inf") for i in n]), "double"),
        "string": (pa.string(), holes(["", "a", "ä€😀", "repeat" * (i % 3)][i % 4] + str(i % 11) for i in n), "string"),
        "binary": (pa.binary(), holes([bytes(range(i % 6)) for i in n]), "binary"),
        "date": (pa.date32(), holes([day + datetime.timedelta(days=i) for i in n]), "date"),
        "timestamp_ms": (pa.timestamp("ms"), holes([moment + datetime.timedelta(milliseconds=i) for i in n]), "timestamp"),
        "timestamp_us": (pa.timestamp("us", "UTC"), holes([moment + datetime.timedelta(microseconds=i) for i in n]), "timestamptz"),
        "timestamp_ns": (pa.timestamp("ns"), holes([-20500 + i * 500 for i in n]), "timestamp"),
        "uuid": (pa.uuid(), holes([uuid.UUID(int=i * 0x0102030405060708090A0B0C0D0E0F) for i in n]), "uuid"),
        "decimal9": (pa.decimal128(9, 2), holes([decimal.Decimal(i - 20) * 1234567 / 100 for i in n]), "decimal(9,2)"),
        "decimal18": (pa.decimal128(18, 3), holes([decimal.Decimal((i - 20) * 123456789012345) / 1000 for i in n]), "decimal(18,3)"),
        "decimal38": (pa.decimal128(38, 10), holes([decimal.Decimal((i - 20) * 10**36 + i).scaleb(-10, decimal.Context(prec=60)) for i in n]), "decimal(38,10)"),
        "floats": (pa.list_(pa.float32()), [float_list(i) for i in n], "list<float>"),
        "vector": (pa.list_(pa.float32(), 4), [[i, i / 2, i / 4, -i] for i in n], "list<float>"),
        "doubles": (pa.list_(pa.float64()), [float_list(i) for i in n], "list<double>"),
        "strings": (pa.list_(pa.string()), [None if i % 6 == 1 else [None if k == 2 else "s%d" % k for k in range(i % 4)] for i in n], "list<string>"),
        "longs": (pa.large_list(pa.int64()), [list(range(i % 3)) for i in n], "list<long>"),
    }


def render(value, kind):
    if value is None:
        return None
    if kind.startswith("list<"):
        return [render(v, kind[5:-1]) for v in value]
    if kind == "float":
        return struct.pack(">f", value).hex()
    if kind == "double":
        return struct.pack(">d", value).hex()
    if kind == "date":
        return (value - datetime.date(1970, 1, 1)).days
    if kind in ("timestamp", "timestamptz"):
        if isinstance(value, int):
            return value // 1000  # nanoseconds, rounded down
        delta = value - datetime.datetime(1970, 1, 1)
        return (delta.days * 86400 + delta.seconds) * 1000000 + delta.microseconds
    if kind == "binary":
        return value.hex()
    if kind == "uuid":
        return value.bytes.hex()
    if kind.startswith("decimal"):
        scale = int(kind[:-1].split(",")[1])
        return str(int(value.scaleb(scale, decimal.Context(prec=60))))
    return value


def table(names):
    made, fields = [], []
    for name in names:
        arrow, values, _ = columns()[name]
        if name == "uuid":
            storage = pa.array([None if v is None else v.bytes for v in values], pa.binary(16))
            made.append(pa.ExtensionArray.from_storage(pa.uuid(), storage))
        else:
            made.append(pa.array(values, arrow))
        fields.append(pa.field(name, arrow, nullable=name != "required"))
    return pa.table(made, schema=pa.schema(fields))


FLAT = [n for n in columns() if not n.startswith(("float", "vector", "doubles", "strings", "longs")) or n == "float"]
LISTS = ["floats", "vector", "doubles", "strings", "longs"]
INTS = ["int", "long", "date", "required"]
BYTES = ["string", "binary"]
SPLIT = ["int", "long", "float", "double", "decimal38", "floats", "vector"]


def encoded(names, encoding):
    leaves = {"floats": "floats.list.element", "vector": "vector.list.element"}
    return {leaves.get(n, n): encoding for n in names}


CASES = {
    "flat_plain_v1": (FLAT, dict(use_dictionary=False, compression="NONE")),
    "flat_plain_v2": (FLAT, dict(use_dictionary=False, compression="NONE", data_page_version="2.0")),
    "flat_dictionary_v1": (FLAT, dict(use_dictionary=True, compression="snappy")),
    "flat_dictionary_v2": (FLAT, dict(use_dictionary=True, compression="zstd", data_page_version="2.0")),
    "lists_plain_v1": (LISTS, dict(use_dictionary=False, compression="NONE")),
    "lists_plain_v2": (LISTS, dict(use_dictionary=False, compression="zstd", data_page_version="2.0")),
    "lists_dictionary_v1": (LISTS, dict(use_dictionary=True, compression="NONE")),
    "lists_legacy_names": (LISTS, dict(use_dictionary=False, compression="NONE", use_compliant_nested_type=False)),
    "delta_binary": (INTS, dict(use_dictionary=False, compression="NONE", column_encoding=encoded(INTS, "DELTA_BINARY_PACKED"))),
    "delta_length": (BYTES, dict(use_dictionary=False, compression="NONE", column_encoding=encoded(BYTES, "DELTA_LENGTH_BYTE_ARRAY"))),
    "delta_bytes": (BYTES + ["decimal38"], dict(use_dictionary=False, compression="NONE", column_encoding=encoded(BYTES + ["decimal38"], "DELTA_BYTE_ARRAY"))),
    "split": (SPLIT, dict(use_dictionary=False, compression="NONE", column_encoding=encoded(SPLIT, "BYTE_STREAM_SPLIT"))),
    "rle_boolean": (["boolean"], dict(use_dictionary=False, compression="NONE", column_encoding={"boolean": "RLE"})),
    "codec_gzip": (["string", "floats"], dict(compression="gzip")),
    "codec_lz4": (["string", "floats"], dict(compression="lz4")),
    "codec_brotli": (["string", "floats"], dict(compression="brotli")),
    "checksums": (["string", "vector"], dict(compression="zstd", write_page_checksum=True)),
    "small_pages_index": (["required", "string", "vector", "floats"], dict(use_dictionary=["string"], compression="NONE", data_page_size=1, write_batch_size=4, write_page_index=True)),
    "small_pages_v1": (["required", "string", "vector", "floats"], dict(use_dictionary=False, compression="NONE", data_page_size=1, write_batch_size=4)),
    "small_pages_v2": (["required", "string", "vector", "floats"], dict(use_dictionary=False, compression="NONE", data_page_size=1, write_batch_size=4, data_page_version="2.0")),
    "dictionary_overflow": (["string", "long"], dict(use_dictionary=True, compression="NONE", dictionary_pagesize_limit=40, write_batch_size=4)),
    "row_groups": (["required", "string", "floats"], dict(compression="zstd", row_group_size=9, write_page_index=True, data_page_size=1, write_batch_size=2)),
}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, (names, options) in CASES.items():
        pq.write_table(table(names), OUT / (name + ".parquet"), store_schema=False, **options)
    zeros = pa.table([pa.array([0] * 600000, pa.int64())], schema=pa.schema([pa.field("zeros", pa.int64(), nullable=False)]))
    for codec in ("gzip", "zstd", "brotli"):  # one page of 4.8 MB from a few bytes
        pq.write_table(zeros, OUT / ("ratio_%s.parquet" % codec), store_schema=False, use_dictionary=False, compression=codec,
                       data_page_size=1 << 26, max_rows_per_page=1 << 26, write_batch_size=1 << 26)
    data = (OUT / "row_groups.parquet").read_bytes()
    size = struct.unpack("<I", data[-8:-4])[0]
    (OUT / "footer.thrift").write_bytes(data[-8 - size : -8])
    (OUT / "page_header.thrift").write_bytes((OUT / "checksums.parquet").read_bytes()[4:64])
    files = {name: names for name, (names, _) in CASES.items()}
    stored = {"timestamp_ns": {"stored": "timestamp_ns"}}  # read as "type", which is another one
    values = {n: {"type": kind, **stored.get(n, {}), "values": [render(v, kind) for v in rows]} for n, (_, rows, kind) in columns().items()}
    lines = [
        " %s: {\n%s\n }" % (json.dumps(group), ",\n".join("  %s: %s" % (json.dumps(k), json.dumps(v, separators=(",", ":"))) for k, v in entries.items()))
        for group, entries in (("files", files), ("columns", values))
    ]
    (OUT / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")



main()
