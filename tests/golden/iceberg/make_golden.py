# SPDX-License-Identifier: Apache-2.0
"""Makes the Avro files of this folder with fastavro (null, deflate) and by hand around pyarrow's codecs (snappy, zstandard).

make_golden.py FOLDER. The same records in all of them; records.txt holds their canonical rendering, one per line.
"""
import io
import json
import os
import struct
import sys
import zlib

import fastavro
import pyarrow as pa

out = sys.argv[1]
SCHEMA = {
    "type": "record", "name": "outer", "fields": [
        {"name": "flag", "type": "boolean", "field-id": 1},
        {"name": "number", "type": "int", "field-id": 2},
        {"name": "big", "type": ["null", "long"], "default": None, "field-id": 3},
        {"name": "single", "type": "float", "field-id": 4},
        {"name": "twice", "type": "double", "field-id": 5},
        {"name": "raw", "type": "bytes", "field-id": 6},
        {"name": "text", "type": ["null", "string"], "default": None, "field-id": 7},
        {"name": "fix", "type": {"type": "fixed", "name": "four", "size": 4}, "field-id": 8},
        {"name": "list", "type": {"type": "array", "items": ["null", "long"], "element-id": 10}, "field-id": 9},
        {"name": "pairs", "type": ["null", {"type": "array", "logicalType": "map", "items": {"type": "record", "name": "k12_v13", "fields": [
            {"name": "key", "type": "int", "field-id": 12}, {"name": "value", "type": "bytes", "field-id": 13}]}}], "default": None, "field-id": 11},
        {"name": "map", "type": {"type": "map", "values": "double", "key-id": 15, "value-id": 16}, "field-id": 14},
        {"name": "again", "type": "four", "field-id": 17},
    ]}


def record(i):
    return {
        "flag": i % 2 == 0, "number": (-1) ** i * i * 1000, "big": None if i % 3 == 0 else (1 << 62) - i, "single": i / 3, "twice": -i / 7,
        "raw": bytes([i % 256]) * (i % 5), "text": None if i % 4 == 0 else "naïve " * (i % 3) + str(i), "fix": struct.pack(">I", i),
        "list": [None if j % 2 else j * i for j in range(i % 4)], "pairs": None if i % 5 == 0 else [{"key": j, "value": b"v%d" % j} for j in range(i % 3)],
        "map": {f"k{j}": j / 2 for j in range(i % 2 + 1)}, "again": b"abcd",
    }


def render(v, t):
    if isinstance(t, list):
        if v is None:
            return b"\\N"
        t = next(x for x in t if x != "null")
    if t == "four":
        t = {"type": "fixed"}
    kind = t["type"] if isinstance(t, dict) else t
    if kind == "boolean":
        return b"true" if v else b"false"
    if kind in ("int", "long"):
        return b"%d" % v
    if kind == "float":
        return b"%08x" % struct.unpack("<I", struct.pack("<f", v))
    if kind == "double":
        return b"%016x" % struct.unpack("<Q", struct.pack("<d", v))
    if kind in ("bytes", "string", "fixed"):
        v = v.encode() if isinstance(v, str) else v
        return b"%d:" % len(v) + v
    if kind == "array":
        return b"[" + b",".join(render(x, t["items"]) for x in v) + b"]"
    if kind == "map":
        return b"{" + b",".join(render(k, "string") + b":" + render(x, t["values"]) for k, x in v.items()) + b"}"
    return b"(" + b",".join(render(v[f["name"]], f["type"]) for f in t["fields"]) + b")"


records = [record(i) for i in range(300)]
schema = fastavro.parse_schema(SCHEMA)
for codec in ("null", "deflate"):
    with open(os.path.join(out, f"avro_{codec}.avro"), "wb") as f:
        fastavro.writer(f, schema, records, codec=codec, sync_interval=2000, metadata={"own-key": "own value"}, sync_marker=b"0123456789abcdef")


def zigzag(n):
    n = (n << 1) ^ (n >> 63)
    b = bytearray()
    while n > 127:
        b.append(n & 127 | 128)
        n >>= 7
    b.append(n)
    return bytes(b)


def by_hand(codec, pack):
    meta = {"avro.schema": json.dumps(SCHEMA).encode(), "avro.codec": codec.encode(), "own-key": b"own value"}
    b = b"Obj\x01" + zigzag(-len(meta))  # a negative count with the block's size
    pairs = b"".join(zigzag(len(k)) + k.encode() + zigzag(len(v)) + v for k, v in meta.items())
    b += zigzag(len(pairs)) + pairs + b"\0" + b"fedcba9876543210"
    for first in range(0, 300, 100):
        body = io.BytesIO()
        for r in records[first : first + 100]:
            fastavro.schemaless_writer(body, schema, r)
        packed = pack(body.getvalue())
        b += zigzag(100) + zigzag(len(packed)) + packed + b"fedcba9876543210"
    with open(os.path.join(out, f"avro_{codec}.avro"), "wb") as f:
        f.write(b)


by_hand("snappy", lambda d: pa.Codec("snappy").compress(d, asbytes=True) + struct.pack(">I", zlib.crc32(d)))
by_hand("zstandard", lambda d: pa.Codec("zstd").compress(d, asbytes=True))
with open(os.path.join(out, "records.txt"), "wb") as f:
    f.write(b"".join(render(r, SCHEMA) + b"\n" for r in records))
