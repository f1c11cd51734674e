# SPDX-License-Identifier: Apache-2.0
"""Partitioned tables, both ways: transforms against PyIceberg's, tables that we write read by
PyIceberg and DuckDB, tables that PyIceberg writes read by us, and files chosen for filters.

Usage: partition_test.py SCAN_TOOL    Exit status 77: skipped, with the reason."""

import base64
import datetime
import decimal
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import uuid

sys.stdout.reconfigure(line_buffering=True)

try:
    import duckdb
    import pyarrow as pa
    from pyiceberg import expressions as ex
    from pyiceberg import types as t
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import StaticTable
    from pyiceberg.transforms import parse_transform
except ImportError as missing:
    print(f"SKIP: {missing}")
    sys.exit(77)

TOOL = sys.argv[1]
ROWS = 400
EPOCH = datetime.datetime(1970, 1, 1)
COLUMNS = ["id", "i", "s", "ts", "tz", "dt", "dec", "b", "f", "flag"]
TYPES = [t.LongType(), t.IntegerType(), t.StringType(), t.TimestampType(), t.TimestamptzType(),
         t.DateType(), t.DecimalType(9, 2), t.BinaryType(), t.DoubleType(), t.BooleanType()]
SPECS = ["i", "s", "dt", "dec", "b", "flag", "f", "bucket(7, id)", "bucket(5, i)", "bucket(5, s)",
         "bucket(5, ts)", "bucket(5, dt)", "bucket(5, dec)", "bucket(5, b)", "truncate(10, i)",
         "truncate(2, s)", "truncate(500, dec)", "truncate(1, b)", "year(ts)", "month(ts)",
         "day(tz)", "hour(tz)", "year(dt)", "month(dt)", "day(dt)", "bucket(3, id), day(tz), flag"]
failures = 0


def check(good, text):
    global failures
    if not good:
        failures += 1
        print("FAIL", text)


def run(*args, text=None):
    done = subprocess.run([TOOL, *map(str, args)], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{args}: {done.stderr.strip()}")
    return done.stdout


def expected_row(i):
    micro = datetime.timedelta(microseconds=1)
    row = [i, i * 37 % 100 - 50, f"n{i % 13}/é ={i % 3}", EPOCH + (i - 100) * 7777777777777 * micro,
           (EPOCH + (i - 50) * 1777777777 * micro).replace(tzinfo=datetime.timezone.utc),
           datetime.date(1970, 1, 1) + datetime.timedelta(days=i * 3 - 100),
           decimal.Decimal(i * 137 - 5000).scaleb(-2), bytes([i % 5, 255]),
           math.nan if i % 7 == 0 else i % 10 / 4 - 1, i % 2 == 1]
    return [v if k == 0 or i % (k + 9) else None for k, v in enumerate(row)]


EXPECTED = [expected_row(i) for i in range(ROWS)]


def canonical(rows):
    return sorted(repr(["nan" if isinstance(v, float) and math.isnan(v) else
                        v.astimezone(datetime.timezone.utc).isoformat()
                        if isinstance(v, datetime.datetime) and v.tzinfo else v
                        for v in (bytes(x) if isinstance(x, bytearray) else x for x in row)])
                  for row in rows)


def from_json(row):
    out = []
    for name, value in zip(COLUMNS, row):
        if value is None and name == "f":
            value = None
        elif value is not None and name in ("ts", "tz"):
            value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        elif value is not None and name == "dt":
            value = datetime.date.fromisoformat(value)
        elif value is not None and name == "dec":
            value = decimal.Decimal(value)
        elif value is not None and name == "b":
            value = base64.b64decode(value)
        elif value is not None and name == "f":
            value = float(value)
        out.append(value)
    return out


def our_rows(root, metadata):
    return [from_json(json.loads(line)) for line in run("rows", root, metadata).splitlines()]


def without_nan(rows):
    # JSON has no NaN: there it is null.
    return [[None if isinstance(v, float) and math.isnan(v) else v for v in row] for row in rows]


# ---- transforms ----

def random_value(kind, rng):
    if kind == "int":
        return rng.randrange(-2**31 + 2000, 2**31)
    if kind == "long":
        return rng.randrange(-2**63 + 2000, 2**63) >> rng.randrange(64)
    if kind == "string":
        return "".join(chr(rng.choice([97, 122, 233, 8364, 128512])) for _ in range(rng.randrange(12)))
    if kind == "binary":
        return rng.randbytes(rng.randrange(20))
    if kind == "uuid":
        return uuid.UUID(bytes=rng.randbytes(16))
    if kind == "date":
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=rng.randrange(-200000, 200000))
    if kind == "time":
        return datetime.time(rng.randrange(24), rng.randrange(60), rng.randrange(60), rng.randrange(10**6))
    if kind.startswith("decimal"):
        return decimal.Decimal(rng.randrange(-10**9 + 1, 10**9) >> rng.randrange(30)).scaleb(-2)
    return EPOCH + datetime.timedelta(microseconds=rng.randrange(-10**16, 10**16))


def value_text(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)


def value_internal(value):
    """As PyIceberg's transforms take them."""
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return (value - datetime.date(1970, 1, 1)).days
    if isinstance(value, datetime.time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 10**6 + value.microsecond
    return value


def result_text(value):
    if isinstance(value, str):
        return value.encode().hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, uuid.UUID):
        return value.bytes.hex()
    if isinstance(value, decimal.Decimal):
        return str(int(value.scaleb(2)))
    return str(value)


def check_transforms():
    kinds = {"int": t.IntegerType(), "long": t.LongType(), "string": t.StringType(),
             "binary": t.BinaryType(), "uuid": t.UUIDType(), "date": t.DateType(),
             "time": t.TimeType(), "decimal(9,2)": t.DecimalType(9, 2),
             "timestamp": t.TimestampType()}
    rng = random.Random(7)
    lines, wanted = [], []
    for kind, type_ in kinds.items():
        for name in ("identity", "bucket[16]", "bucket[1000003]", "truncate[1]", "truncate[7]",
                     "truncate[1000]", "year", "month", "day", "hour"):
            transform = parse_transform(name)
            if not transform.can_transform(type_) or (kind == "time" and name == "identity"):
                continue
            apply = transform.transform(type_)
            for _ in range(150):
                value = random_value(kind, rng)
                lines.append(f"{name}\t{kind}\t{value_text(value)}")
                wanted.append(result_text(apply(value_internal(value))))
    got = run("transform", text="\n".join(lines) + "\n").split("\n")[:-1]
    wrong = [(l, g, w) for l, g, w in zip(lines, got, wanted) if g != w]
    check(len(got) == len(wanted) and not wrong, f"transforms differ: {wrong[:5]}")
    print(f"{len(wanted)} transformed values equal PyIceberg's")


# ---- tables ----

def literal(name, value):
    return {"ts": value.isoformat(), "tz": value.isoformat(), "dt": value.isoformat()}[name] \
        if name in ("ts", "tz", "dt") else value


def filters(rng):
    for name in COLUMNS:
        for _ in range(1):
            value = expected_row(rng.randrange(1, ROWS))[COLUMNS.index(name)]
            if value is None or (isinstance(value, float) and math.isnan(value)):
                continue
            text = str(value).lower() if isinstance(value, bool) else value_text(value)
            ops = ["eq", "ne"] if isinstance(value, (bool, bytes)) else ["eq", "ne", "lt", "le", "gt", "ge"]
            op = rng.choice(ops)
            make = {"eq": ex.EqualTo, "ne": ex.NotEqualTo, "lt": ex.LessThan,
                    "le": ex.LessThanOrEqual, "gt": ex.GreaterThan, "ge": ex.GreaterThanOrEqual}[op]
            yield make(name, literal(name, value)), (name, op, text), value
        yield ex.IsNull(name), (name, "null", "-"), None
    yield ex.StartsWith("s", "n1"), ("s", "start", "n1"), "n1"
    yield ex.IsNaN("f"), ("f", "nan", "-"), None


def holds(row, column, op, value):
    v = row[COLUMNS.index(column)]
    if op == "null":
        return v is None
    if op == "nan":
        return isinstance(v, float) and math.isnan(v)
    if v is None:
        return False
    if op == "start":
        return v.startswith(value)
    if isinstance(v, float) and math.isnan(v):
        return op == "ne"
    return {"eq": v == value, "ne": v != value, "lt": v < value, "le": v <= value, "gt": v > value,
            "ge": v >= value}[op]


def check_plans(table, root, metadata, label, rng):
    everything = [task.file.file_path for task in table.scan().plan_files()]
    for expression, args, value in filters(rng):
        theirs = {task.file.file_path for task in table.scan(row_filter=expression).plan_files()}
        lines = run("plan", root, metadata, *args).splitlines()
        ours = set(lines[1:])
        # Every file with a matching row, by their reading of the rows:
        needed = set()
        for uri in everything:
            path = uri.removeprefix("file://")
            if path not in FILES:
                FILES[path] = file_rows(path)
            if any(holds(row, args[0], args[1], value) for row in FILES[path]):
                needed.add(uri)
        check(needed <= ours, f"{label}: {args} drops {sorted(needed - ours)[:2]}")
        CHOSEN[0] += len(ours)
        CHOSEN[1] += len(theirs)
        extra = ours - theirs
        CHOSEN[2] += len(extra)


CHOSEN = [0, 0, 0]
FILES = {}


def file_rows(path):
    import pyarrow.parquet as pq
    with open(path, "rb") as file:
        return [list(row.values()) for row in pq.ParquetFile(file).read(columns=COLUMNS).to_pylist()]


def newest(folder):
    return max(pathlib.Path(folder, "metadata").glob("*.metadata.json"),
               key=lambda path: (path.stat().st_mtime_ns, path.name))


def check_ours(root, spec, version, rng):
    name = f"t{abs(hash((spec, version)))}"
    run("write", root, name, ROWS, spec, version)
    folder = next(pathlib.Path(root).rglob(name))
    metadata = str(newest(folder))
    label = f"our table by {spec}, version {version}"
    table = StaticTable.from_metadata("file://" + metadata)
    rows = [list(row.values()) for row in table.scan().to_arrow().to_pylist()]
    check(canonical(rows) == canonical(EXPECTED), f"{label}: PyIceberg reads other rows")
    check(canonical(our_rows(root, metadata)) == canonical(without_nan(EXPECTED)),
          f"{label}: we read other rows")
    try:
        db = duckdb.connect()
        db.execute("load iceberg; set timezone='UTC'")
        theirs = db.execute(f"select {','.join(COLUMNS)} from iceberg_scan('{metadata}')").fetchall()
        check(canonical(theirs) == canonical(EXPECTED), f"{label}: DuckDB reads other rows")
    except duckdb.Error as error:
        if "not found" not in str(error) and "load" not in str(error).lower():
            check(False, f"{label}: DuckDB: {str(error)[:200]}")
    check_plans(table, root, metadata, label, rng)


def check_theirs(root, spec, rng):
    schema = Schema(*[t.NestedField(k + 1, name, type_, required=False)
                      for k, (name, type_) in enumerate(zip(COLUMNS, TYPES))])
    fields = []
    depth_split = [part.strip() for part in spec.replace(", ", ";").replace("(7;", "(7,").replace(
        "(5;", "(5,").replace("(3;", "(3,").replace("(10;", "(10,").replace("(2;", "(2,").replace(
        "(500;", "(500,").replace("(1;", "(1,").split(";")]
    for k, part in enumerate(depth_split):
        name, _, inside = part.partition("(")
        inside = inside.rstrip(")")
        if not inside:
            transform, column = "identity", name
        elif "," in inside:
            width, column = inside.split(",")
            transform = f"{name}[{width}]"
        else:
            transform, column = name, inside
        fields.append(PartitionField(COLUMNS.index(column.strip()) + 1, 1000 + k,
                                     parse_transform(transform), f"p {k}"))
    catalog = SqlCatalog("c", uri=f"sqlite:///{root}/c{abs(hash(spec))}.db", warehouse=f"file://{root}/py")
    catalog.create_namespace_if_not_exists("n")
    table = catalog.create_table(f"n.t{abs(hash(spec))}", schema, partition_spec=PartitionSpec(*fields))
    arrow = pa.Table.from_pylist([dict(zip(COLUMNS, row)) for row in EXPECTED],
                                 schema=table.schema().as_arrow())
    try:
        table.append(arrow)
    except Exception as error:  # a transform that this version cannot write with
        print(f"SKIP: PyIceberg does not write a table by {spec}: {str(error)[:80]}")
        return
    label = f"PyIceberg's table by {spec}"
    metadata = table.metadata_location.removeprefix("file://")
    check(canonical(our_rows(root, metadata)) == canonical(without_nan(EXPECTED)),
          f"{label}: we read other rows")
    check_plans(table, root, metadata, label, rng)


def main():
    check_transforms()
    with tempfile.TemporaryDirectory() as root:
        rng = random.Random(11)
        for k, spec in enumerate(SPECS):
            for work in (lambda: check_ours(root, spec, 2 + k % 2, rng),
                         lambda: check_theirs(root, spec, rng)):
                try:
                    work()
                except RuntimeError as error:
                    check(False, f"{spec}: {error}")
    print(f"files chosen: {CHOSEN[0]} by us, {CHOSEN[1]} by PyIceberg, {CHOSEN[2]} by us alone")
    print(f"{failures} failures")
    return 1 if failures else 0


sys.exit(main())
