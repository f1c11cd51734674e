# SPDX-License-Identifier: Apache-2.0
"""Reads a file of parquet_write_test.c with pyarrow and DuckDB and compares every value, id, statistic and fact.

    verify_parquet.py FILE.parquet FACTS.json ROWS

The values are computed here a second time; bounds are those of PyIceberg's serialisation. Exit status 1 and a sentence on a difference.
"""
import datetime
import decimal
import json
import math
import struct
import sys
import uuid

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

decimal.getcontext().prec = 60
EPOCH = datetime.datetime(1970, 1, 1)
NAMES = "id flag i l f d word text day ts tz bin u dec9 dec18 dec38 embedding tags longs must clock fix tns tzns".split()
IDS = dict(zip(NAMES, [*range(1, 21), *range(25, 29)]))
AS_NUMBERS = {"clock", "tns", "tzns"}  # compared as they are stored
ELEMENT_IDS = {"embedding": 21, "tags": 22, "longs": 23, "must": 24}


def trunc_mod(a, b):
    return int(math.fmod(a, b))


def number(row):
    return row * 1000003 % 2000000011 - 1000000000


def scaled(value, scale):
    return decimal.Decimal(value).scaleb(-scale)


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def items(row, name):
    fid = IDS[name]
    count = 0 if (row + fid) % 5 == 0 else row % 4 + 1
    if name in ("embedding", "must"):
        count = 8
    out = []
    for i in range(count):
        n = row * 8 + i
        if name not in ("embedding", "must") and n % 6 == 0:
            out.append(None)
        elif name == "tags":
            out.append("t%d" % (n % 100))
        elif name == "longs":
            out.append(n)
        else:
            out.append(f32(f32(n % 997) * f32(0.001)))
    return out


FORMULAS = {
    "id": lambda r: r,
    "flag": lambda r: r % 3 == 0,
    "i": number,
    "l": lambda r: number(r) * 4000000007,
    "f": lambda r: math.nan if r % 13 == 5 else (r - 500) * 0.25,
    "d": lambda r: -0.0 if r % 17 == 3 else r * 0.125,
    "word": lambda r: "word %d" % (r % 7),
    "text": lambda r: "text %d \u00e9\u6f22 and more words" % r,
    "day": lambda r: datetime.date(1970, 1, 1) + datetime.timedelta(days=r * 13 % 40000 - 20000),
    "ts": lambda r: EPOCH + datetime.timedelta(microseconds=number(r)),
    "tz": lambda r: (EPOCH + datetime.timedelta(microseconds=number(r))).replace(tzinfo=datetime.timezone.utc),
    "bin": lambda r: bytes([r % 256]) * (r % 20),
    "u": lambda r: uuid.UUID(bytes=bytes((r * 31 + i * 7) % 256 for i in range(16))),
    "dec9": lambda r: scaled(trunc_mod(number(r), 1000000000), 2),
    "dec18": lambda r: scaled(number(r) * 10**6, 4),
    "dec38": lambda r: scaled(number(r) * 10**27, 10),
    "clock": lambda r: r * 7000003 % 86400000000,
    "fix": lambda r: bytes((r * 3 + i * 50) % 256 for i in range(5)),
    "tns": lambda r: number(r) * 1000000007,
    "tzns": lambda r: number(r) * 1000000007,
}


def expected(row, name):
    fid = IDS[name]
    if fid not in (1, 20) and (row * 7 + fid * 3) % 11 == 0:
        return None
    if name in ELEMENT_IDS:
        return items(row, name)
    return FORMULAS[name](row)


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack("<d", a) == struct.pack("<d", b) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, bytes) and isinstance(b, uuid.UUID):
        return a == b.bytes
    return type(a) is type(b) and a == b


def need(condition, text):
    if not condition:
        print("verify_parquet:", text)
        sys.exit(1)


def check_values(who, columns, want):
    for name in NAMES:
        need(len(columns[name]) == len(want[name]), f"{who}: {name} has {len(columns[name])} rows")
        for row, (got, exp) in enumerate(zip(columns[name], want[name])):
            need(same(got, exp), f"{who}: row {row} column {name}: {got!r}, expected {exp!r}")


def check_ids(file):
    def field_id(field):
        return int((field.metadata or {}).get(b"PARQUET:field_id", b"-1"))

    schema = file.schema_arrow
    need(schema.names == NAMES, f"columns are {schema.names}")
    for name in NAMES:
        field = schema.field(name)
        need(field_id(field) == IDS[name], f"{name} has field id {field_id(field)}")
        need(field.nullable == (name not in ("id", "must")), f"{name}: nullable is {field.nullable}")
        if name in ELEMENT_IDS:
            element = field.type.value_field
            need(field_id(element) == ELEMENT_IDS[name], f"{name}: element id {field_id(element)}")
            need(element.name == "element" and element.nullable == (name != "must"), f"{name}: element {element}")
    need(schema.field("tz").type == pa.timestamp("us", "UTC") and schema.field("ts").type == pa.timestamp("us"), "timestamps")
    need(schema.field("tns").type == pa.timestamp("ns") and schema.field("tzns").type == pa.timestamp("ns", "UTC"), "ns")
    need(schema.field("clock").type == pa.time64("us") and schema.field("fix").type == pa.binary(5), "time, fixed")
    need(schema.field("dec38").type == pa.decimal128(38, 10), "dec38")


def in_range(values):
    return [v for v in values if v is not None and not (isinstance(v, float) and math.isnan(v))]


def check_statistics(name, stats, values):
    need(stats is not None and stats.null_count == sum(v is None for v in values), f"{name}: null count")
    known = in_range(values)
    if not known:
        need(not stats.has_min_max, f"{name}: bounds without values")
        return
    if name in ("u", "tns", "tzns"):
        return  # pyarrow does not decode bounds of UUIDs, nor those of nanoseconds without pandas
    low, high = stats.min, stats.max
    if name == "clock":
        low, high = (((v.hour * 60 + v.minute) * 60 + v.second) * 1000000 + v.microsecond for v in (low, high))
    if isinstance(known[0], bytes):
        low, high = bytes(low), bytes(high)
    need(low == min(known) and high == max(known), f"{name}: bounds {low!r} {high!r}, expected {min(known)!r} {max(known)!r}")
    if isinstance(low, float):
        need(low != 0 or math.copysign(1, low) < 0, f"{name}: zero lower bound is not -0.0")
        need(high != 0 or math.copysign(1, high) > 0, f"{name}: zero upper bound is not +0.0")


def check_groups(file, want, facts, path):
    meta = file.metadata
    need(meta.created_by.startswith("vecstore version ") and meta.created_by.endswith("(build unknown)"), meta.created_by)
    starts, row = [], 0
    sizes = {}
    for g in range(meta.num_row_groups):
        group = meta.row_group(g)
        first = group.column(0)
        starts.append(first.dictionary_page_offset or first.data_page_offset)
        for c in range(group.num_columns):
            chunk = group.column(c)
            name = NAMES[c]
            need(chunk.compression == "ZSTD", f"{name}: codec {chunk.compression}")
            need(chunk.has_offset_index, f"{name}: no offset index")
            sizes[c] = sizes.get(c, 0) + chunk.total_compressed_size
            values = want[name][row : row + group.num_rows]
            if name in ELEMENT_IDS:
                need(not chunk.is_stats_set and not chunk.has_column_index, f"{name}: list leaf with statistics")
            else:
                need(chunk.has_column_index or name == "f", f"{name}: no column index")
                check_statistics(name, chunk.statistics, values)
        need("RLE_DICTIONARY" in group.column(6).encodings or group.num_rows < 2 or row > 0, "word is not dictionary-coded")
        row += group.num_rows
    need(starts == facts["splits"], f"split offsets {facts['splits']}, row groups start at {starts}")
    need([c["size"] for c in facts["columns"]] == [sizes.get(i, 0) for i in range(len(NAMES))], "column sizes")
    if "small" in path or "plain" in path:
        need(meta.num_row_groups > 2, "several row groups were asked for")
        need(meta.metadata[b"iceberg.schema"] == b'{"type":"struct"}', "no iceberg.schema")
        encodings = meta.row_group(0).column(16).encodings
        need(("BYTE_STREAM_SPLIT" in encodings) == ("small" in path), f"embedding has {encodings}")


def iceberg_bounds(name, values):
    from pyiceberg.conversions import to_bytes
    from pyiceberg.types import (BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, IntegerType, LongType,
                                 StringType, TimestampType, TimestamptzType, UUIDType)
    from pyiceberg.utils.datetime import date_to_days, datetime_to_micros

    types = dict(id=LongType(), flag=BooleanType(), i=IntegerType(), l=LongType(), f=FloatType(), d=DoubleType(),
                 word=StringType(), text=StringType(), day=DateType(), ts=TimestampType(), tz=TimestamptzType(),
                 bin=BinaryType(), fix=FixedType(5), u=UUIDType(), dec9=DecimalType(9, 2), dec18=DecimalType(18, 4), dec38=DecimalType(38, 10))
    known = in_range(values)
    if name == "u":
        low, high = (f(v.bytes for v in known) for f in (min, max))
        return low, high
    low, high = min(known), max(known)
    if name in AS_NUMBERS:
        return struct.pack("<q", low), struct.pack("<q", high)
    if isinstance(low, float):
        low = -0.0 if low == 0 else low
        high = 0.0 if high == 0 else high
    if isinstance(low, (str, bytes)) and len(low) > 16:
        low = low[:16]
    if isinstance(high, str) and len(high) > 16:
        high = high[:15] + chr(ord(high[15]) + 1)
    if isinstance(high, bytes) and len(high) > 16:
        high = high[:16].rstrip(b"\xff")
        if not high:
            return None  # nothing of 16 bytes is above
        high = high[:-1] + bytes([high[-1] + 1])
    if name == "day":
        low, high = date_to_days(low), date_to_days(high)
    if name in ("ts", "tz"):
        low, high = (datetime_to_micros(v.replace(tzinfo=None)) for v in (low, high))
    return to_bytes(types[name], low), to_bytes(types[name], high)


def check_facts(facts, want, rows, path):
    import os

    need(facts["rows"] == rows and facts["size"] == os.path.getsize(path), "row count or file size")
    for name, fact in zip(NAMES, facts["columns"]):
        values = want[name]
        if name in ELEMENT_IDS:
            need(fact["id"] == ELEMENT_IDS[name] and set(fact) == {"id", "size"}, f"{name}: facts {fact}")
            continue
        need(fact["id"] == IDS[name] and fact["values"] == rows, f"{name}: facts {fact}")
        need(fact["nulls"] == sum(v is None for v in values), f"{name}: null count {fact}")
        nans = sum(isinstance(v, float) and math.isnan(v) for v in values)
        need(fact.get("nans") == (nans if name in "fd" else None), f"{name}: nan count {fact}")
        bounds = iceberg_bounds(name, values) if in_range(values) else None
        if bounds:
            low, high = bounds
            need(fact["lower"] == low.hex() and fact["upper"] == high.hex(),
                 f"{name}: bounds {fact['lower']} {fact['upper']}, expected {low.hex()} {high.hex()}")
        else:
            need("lower" not in fact, f"{name}: bounds {fact}, expected none")


def check_duckdb(path, want):
    con = duckdb.connect()
    tzns = "epoch_us(tzns)"  # DuckDB has no zoned nanoseconds and cuts them to microseconds
    # Zoned times as microseconds: DuckDB would need one more Python module to make datetimes of them.
    rel = con.execute(f"SELECT * REPLACE (epoch_us(tz) AS tz, epoch_ns(tns) AS tns, {tzns} AS tzns, epoch_us(clock) AS clock), "
                      f"typeof(tz) AS tz_type FROM read_parquet('{path}')")
    names = [d[0] for d in rel.description][:-1]
    need(names == NAMES, f"duckdb: columns {names}")
    rows = rel.fetchall()
    columns = {name: [row[i] for row in rows] for i, name in enumerate(NAMES)}
    need(all(row[-1] == "TIMESTAMP WITH TIME ZONE" for row in rows), "duckdb: type of tz")
    zone = datetime.timezone.utc
    columns["tz"] = [None if v is None else (EPOCH + datetime.timedelta(microseconds=v)).replace(tzinfo=zone) for v in columns["tz"]]
    check_values("duckdb", columns, {**want, "tzns": [v if v is None else abs(v) // 1000 * (-1 if v < 0 else 1) for v in want["tzns"]]})
    # A filter that uses the statistics gives the rows that a scan gives.
    for low in (0, 1000, len(want["id"]) - 3):
        got = con.execute(f"SELECT count(*) FROM read_parquet('{path}') WHERE id >= {low} AND i < 0").fetchone()[0]
        exp = sum(1 for a, b in zip(want["id"], want["i"]) if a >= low and b is not None and b < 0)
        need(got == exp, f"duckdb: filter id >= {low} gives {got} rows, expected {exp}")


def main():
    path, facts_path, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
    want = {name: [expected(row, name) for row in range(rows)] for name in NAMES}
    facts = json.load(open(facts_path))
    file = pq.ParquetFile(path, page_checksum_verification=True)
    table = file.read()
    check_ids(file)
    columns = {name: table.column(name).cast(pa.int64()) if name in AS_NUMBERS else table.column(name) for name in NAMES}
    check_values("pyarrow", {name: column.to_pylist() for name, column in columns.items()}, want)
    check_groups(file, want, facts, path)
    check_facts(facts, want, rows, path)
    check_duckdb(path, want)
    print(f"{path.rsplit('/', 1)[-1]}: {rows} rows, {file.metadata.num_row_groups} row groups: all equal")


main()
