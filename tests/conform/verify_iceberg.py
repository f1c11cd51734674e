# SPDX-License-Identifier: Apache-2.0
"""Reads a table that vecstore wrote with PyIceberg, DuckDB and fastavro and compares every value with what it should hold.

verify_iceberg.py TABLE_FOLDER EXPECTATION, the latter as JSON: ids (list of [first, end) ranges of live rows), snapshots,
statistics, deletes (deleted positions), properties. Rows follow tests/support/iceberg_table.h. Exit 0: all equal.
"""
import datetime
import glob
import json
import os
import re
import sys

import fastavro
from pyiceberg.table import StaticTable

folder, expect = sys.argv[1], json.loads(sys.argv[2])
problems = []


def check(what, actual, expected):
    if actual != expected:
        if isinstance(actual, list) and isinstance(expected, list):
            at = next((i for i, (a, e) in enumerate(zip(actual, expected)) if a != e), min(len(actual), len(expected)))
            what += f" ({len(actual)} for {len(expected)}, differ at {at})"
            actual, expected = actual[at : at + 1], expected[at : at + 1]
        problems.append(f"{what}: {actual!r}, expected {expected!r}"[:600])


def row(i):
    return {
        "id": i,
        "text": None if i % 5 == 0 else f"row {i}",
        "embedding": None if i % 7 == 0 else [i + k / 2 for k in range(4)],
        "score": i / 4,
        "day": datetime.date(1970, 1, 1) + datetime.timedelta(18000 + i % 10000),
    }


def newest():
    files = glob.glob(os.path.join(folder, "metadata", "v*.metadata.json"))
    return max(files, key=lambda f: int(re.search(r"v(\d+)", os.path.basename(f)).group(1)))


def pyiceberg_rows(table, **kw):
    return sorted(table.scan(**kw).to_arrow().to_pylist(), key=lambda r: r["id"])


def check_pyiceberg(path):
    table = StaticTable.from_metadata(path)
    rows = [row(i) for a, b in expect["ids"] for i in range(a, b)]
    check("PyIceberg rows", pyiceberg_rows(table), rows)
    check("PyIceberg filtered", pyiceberg_rows(table, row_filter="id > 10 and id < 20"), [r for r in rows if 10 < r["id"] < 20])
    check("PyIceberg snapshots", len(table.metadata.snapshots), expect["snapshots"])
    check("PyIceberg statistics", len(table.metadata.statistics), expect.get("statistics", 0))
    for s in table.metadata.statistics:
        check("blob-metadata", s.blob_metadata, [])
    for k, v in expect.get("properties", {}).items():
        check(f"property {k}", table.properties.get(k), v)
    check("identifier", table.schema().identifier_field_ids, [1])
    # failure 12: list and element are optional
    element = table.schema().find_field("embedding")
    check("element required", (element.required, element.field_type.element_required), (False, False))
    total = 0
    for n, s in enumerate(table.metadata.snapshots):
        summary = s.summary
        for key in ("total-data-files", "total-records", "total-files-size", "total-delete-files", "total-position-deletes", "total-equality-deletes"):
            check(f"snapshot {n} has {key}", summary[key] is not None, True)  # failure 7
        total += int(summary["added-records"] or 0)
        check("total-records", int(summary["total-records"]), total)
        check("sequence number", s.sequence_number, n + 1)
        check("parent", s.parent_snapshot_id, table.metadata.snapshots[n - 1].snapshot_id if n else None)
        # time travel: a row count that can be computed from the summaries
        got = len(pyiceberg_rows(table, snapshot_id=s.snapshot_id))
        check("rows at snapshot", got, total - int(summary["total-position-deletes"]))
    if table.metadata.snapshots:
        check("deletes", int(table.metadata.snapshots[-1].summary["total-position-deletes"]), expect.get("deletes", 0))
        files = table.inspect.files().to_pylist()
        check("files", len(files), int(table.metadata.snapshots[-1].summary["total-data-files"]) + int(table.metadata.snapshots[-1].summary["total-delete-files"]))
        for f in files:  # failure 15
            check("file size", f["file_size_in_bytes"], os.path.getsize(f["file_path"].removeprefix("file://")))
    check("snapshot log", [e.snapshot_id for e in table.metadata.snapshot_log], [s.snapshot_id for s in table.metadata.snapshots])
    check("main", table.metadata.current_snapshot_id, table.metadata.snapshots[-1].snapshot_id if table.metadata.snapshots else None)
    return table


def check_json(path):
    m = json.load(open(path))
    check("location", m["location"], "file://" + os.path.realpath(folder))  # failure 16
    if not expect["snapshots"]:
        check("current-snapshot-id", m["current-snapshot-id"], -1)  # failure 8
    version = int(re.search(r"v(\d+)", os.path.basename(path)).group(1))
    check("hint", open(os.path.join(folder, "metadata", "version-hint.text")).read(), str(version))  # failure 20
    check("metadata log", [os.path.basename(e["metadata-file"]) for e in m["metadata-log"]], [f"v{i}.metadata.json" for i in range(max(1, version - 100), version)])
    for key in ("snapshots", "snapshot-log", "metadata-log", "statistics", "partition-statistics", "refs"):
        check(f"{key} is written", key in m, True)
    check("partition spec", (m["partition-specs"], m["last-partition-id"]), ([{"spec-id": 0, "fields": []}], 999))
    check("sort order", m["sort-orders"], [{"order-id": 0, "fields": []}])
    return m


def nodes(schema):
    if isinstance(schema, dict):
        yield schema
        for v in schema.values():
            yield from nodes(v)
    elif isinstance(schema, list):
        for v in schema:
            yield from nodes(v)


def records(path):
    with open(path.removeprefix("file://"), "rb") as f:
        reader = fastavro.reader(f)
        return reader.metadata, json.loads(reader.metadata["avro.schema"]), list(reader)


def check_ids(path, schema):
    for n in nodes(schema):
        if "name" in n and "type" in n and n.get("type") not in ("record",):
            check(f"field-id of {n['name']}", isinstance(n.get("field-id"), int), True)  # failure 2
        if n.get("type") == "array":
            is_map = str(n["items"].get("name", "")).startswith("k") if isinstance(n["items"], dict) else False
            check("map or element-id", (n.get("logicalType") == "map") if is_map else isinstance(n.get("element-id"), int), True)  # failures 2, 3


def check_manifest(entry):
    path = entry["manifest_path"]
    header, schema, entries = records(path)
    check("manifest_length", entry["manifest_length"], os.path.getsize(path.removeprefix("file://")))  # failure 15
    check("record names", (schema["name"], [f["type"]["name"] for f in schema["fields"] if f["name"] == "data_file"]), ("manifest_entry", ["r2"]))  # failure 1
    check_ids(path, schema)
    for key in ("schema", "schema-id", "partition-spec", "partition-spec-id", "format-version", "content", "iceberg.schema"):
        check(f"header {key}", key in header, True)  # failure 5
    check("partition-spec", header["partition-spec"], "[]")
    check("table schema in header", [f["name"] for f in json.loads(header["schema"])["fields"]], ["id", "text", "embedding", "score", "day"])
    check("content", header["content"], "deletes" if entry["content"] else "data")  # failure 6
    check("iceberg.schema ids", [f["id"] for f in json.loads(header["iceberg.schema"])["fields"]], [f["field-id"] for f in schema["fields"]])
    counts = [0, 0, 0]
    for e in entries:
        d = e["data_file"]
        counts[e["status"]] += 1
        check("content of file", d["content"] != 0, entry["content"] == 1)  # failure 6
        check("format", d["file_format"], "PARQUET")
        explicit = (e["sequence_number"] is not None, e["file_sequence_number"] is not None)
        check("sequence numbers", explicit, (e["status"] != 1,) * 2)  # failure 9
        for key, value in (d["lower_bounds"] or []) and [(b["key"], b["value"]) for b in d["lower_bounds"]]:
            check("bounds only of top-level columns", key in (1, 2, 4, 5, 2147483545, 2147483546), True)
        if d["content"] == 1:
            bounds = {b["key"]: b["value"] for b in d["lower_bounds"]}, {b["key"]: b["value"] for b in d["upper_bounds"]}
            check("target bounds", [b[2147483546].decode() for b in bounds], [d["referenced_data_file"]] * 2)
            check("sort order of deletes", d["sort_order_id"], None)
    check("counts", counts, [entry["existing_files_count"], entry["added_files_count"], entry["deleted_files_count"]])  # failure 4
    return entries


def check_avro(m):
    for s in m["snapshots"]:
        header, schema, entries = records(s["manifest-list"])
        check("list record", schema["name"], "manifest_file")
        check_ids(s["manifest-list"], schema)
        check("list header", {k: header.get(k) for k in ("snapshot-id", "parent-snapshot-id", "sequence-number", "format-version")},
              {"snapshot-id": str(s["snapshot-id"]), "parent-snapshot-id": str(s.get("parent-snapshot-id", "null")),
               "sequence-number": str(s["sequence-number"]), "format-version": "2"})
        plain = {f["name"]: f["type"] for f in schema["fields"]}
        for name, kind in plain.items():  # failure 4: required fields are no unions
            check(f"{name} is plain", isinstance(kind, str), name not in ("partitions", "key_metadata"))
        live = [e for x in entries for e in check_manifest(x) if e["status"] != 2]
        paths = [e["data_file"]["file_path"] for e in live]
        check("each file once", len(paths), len(set(paths)))


def check_duckdb(path):
    import duckdb
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    try:
        import duckdb_ext
        base = os.path.dirname(duckdb_ext.__file__) if duckdb_ext.__file__ else list(duckdb_ext.__path__)[0]
        for name in ("avro", "iceberg"):
            found = glob.glob(os.path.join(base, "**", f"{name}.duckdb_extension"), recursive=True)
            con.load_extension(found[0])
    except Exception as problem:  # the extensions are optional
        print(f"SKIP: DuckDB's iceberg extension is not here ({str(problem)[:80]})")
        return
    for where in (path, folder):  # by file and by folder with hint
        got = con.execute("select id, text, embedding, score, day from iceberg_scan(?) order by id", [where]).fetchall()
        rows = [tuple(row(i).values()) for a, b in expect["ids"] for i in range(a, b)]
        check("DuckDB rows", got, rows)


metadata = newest()
document = check_json(metadata)
check_pyiceberg(metadata)
check_avro(document)
check_duckdb(metadata)
for p in problems[:20]:
    print(p, file=sys.stderr)
sys.exit(1 if problems else 0)
