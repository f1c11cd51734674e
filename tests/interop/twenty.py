#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The twenty most frequent failures between Iceberg implementations, one test for each, by its number.

usage: twenty.py [TEST…]      (VECSTORE_BIN names the command; exit status 77: a package is missing)

Each test looks at the bytes that vecstore writes (fastavro, pyarrow) and at what PyIceberg makes of them; then, where it is a failure of
files, others' files get it by force (Forged) and vecstore has to read them, or to refuse them, but never to return other rows.
"""
import collections
import datetime
import glob
import gzip
import io
import json
import os
import re
import shutil
import struct
import sys
import uuid

import interop_parts as parts
from interop_parts import Vecstore, expect, same

try:
    import fastavro
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.conversions import from_bytes
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import StaticTable
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import DateType, DoubleType, FloatType, ListType, LongType, NestedField, StringType
except ImportError as missing:
    print(f"SKIP twenty: this Python has no {missing.name} (tools/setup_interop.sh python)")
    sys.exit(77)

sys.path.insert(0, os.path.join(parts.ROOT, "tests", "support"))
from fault_server import FaultServer  # noqa: E402

DIM = 4
folder = parts.scratch("twenty")
numbers = iter(range(1, 1000))


def path_of(uri):
    return re.sub(r"^file:/*", "/", uri)


def make_row(i):
    return {"id": i, "lang": ["en", "de", None][i % 3], "day": f"2025-01-{i % 28 + 1:02}", "score": None if i % 11 == 0 else i / 4,
            "tags": None if i % 4 == 0 else [f"t{k}" for k in range(i % 4 - 1)], "embedding": None if i % 7 == 0 else [i + k / 2 for k in range(DIM)]}


def plain(rows):
    """By id, in one form."""
    out = {}
    for r in rows:
        expect(r["id"] not in out, f"id {r['id']} comes twice")
        out[r["id"]] = {k: str(v) if isinstance(v, datetime.date) else v for k, v in r.items()}
    return out


# ---------------------------------------------------------------- ours

class Ours:
    """A table that vecstore wrote: appended to, upserted, deleted from, indexed."""

    def __init__(self, *create, rows=range(60), changes=True, vecstore=None, warehouse=None):
        self.warehouse = warehouse or os.path.join(folder, f"ours{next(numbers)}")
        self.vecstore = vecstore or Vecstore("--warehouse", self.warehouse)
        self.name, self.rows = "ns.t", {}
        self.vecstore("table", "create", self.name, "--dim", DIM, "--schema", "id long, lang string, day date, score double, tags list<string>", *create)
        if rows:
            self.ingest([make_row(i) for i in rows])
        if rows and changes:
            self.ingest([{**make_row(i), "score": -1.0} for i in range(50, 70)], "--upsert")
            self.vecstore("index", "build", self.name)
            self.vecstore("delete", self.name, "--ids", "3,5,51")
            for i in (3, 5, 51):
                del self.rows[i]

    def ingest(self, rows, *options):
        self.vecstore("ingest", self.name, "-", *options, rows=rows)
        self.rows.update({r["id"]: r for r in rows})

    def metadata_path(self):
        files = glob.glob(os.path.join(self.warehouse, *self.name.split("."), "metadata", "v*.metadata.json"))
        return max(files, key=lambda f: int(re.search(r"/v(\d+)\.", f).group(1)))

    def metadata(self):
        with open(self.metadata_path(), encoding="utf-8") as f:
            return json.load(f)

    def pyiceberg(self):
        return StaticTable.from_metadata(self.metadata_path())

    def check(self):
        same(plain(self.pyiceberg().scan().to_arrow().to_pylist()), self.rows, "rows by PyIceberg")
        same(plain(self.vecstore.rows(self.name).values()), self.rows, "rows by vecstore")

    def lists(self):
        """Every manifest list: snapshot, Avro file."""
        return [(s, Avro(path_of(s["manifest-list"]))) for s in self.metadata()["snapshots"]]

    def manifests(self):
        """Every manifest once: its entry in a list, Avro file."""
        found = {}
        for _, entries in self.lists():
            for e in entries.records:
                found[e["manifest_path"]] = e
        return [(e, Avro(path_of(p))) for p, e in found.items()]

    def live(self):
        """Live entries of the newest snapshot: manifest-list entry, entry."""
        metadata = self.metadata()
        head = next(s for s in metadata["snapshots"] if s["snapshot-id"] == metadata["current-snapshot-id"])
        for m in Avro(path_of(head["manifest-list"])).records:
            for e in Avro(path_of(m["manifest_path"])).records:
                if e["status"] != 2:
                    yield m, e


class Avro:
    def __init__(self, path):
        with open(path, "rb") as f:
            reader = fastavro.reader(f)
            self.path, self.schema, self.header, self.records = path, json.loads(reader.metadata["avro.schema"]), dict(reader.metadata), list(reader)

    def write(self, path):
        header = {k: v for k, v in self.header.items() if not k.startswith("avro.")}
        out = io.BytesIO()
        fastavro.writer(out, fastavro.parse_schema(json.loads(json.dumps(self.schema))), self.records, codec="deflate", metadata=header)
        with open(path, "wb") as f:
            f.write(out.getvalue())


def walk(schema):
    """Every node of an Avro schema."""
    yield schema
    if isinstance(schema, list):
        for s in schema:
            yield from walk(s)
    elif isinstance(schema, dict):
        for f in schema.get("fields", []):
            yield f
            yield from walk(f["type"])
        for key in ("items", "type"):
            if isinstance(schema.get(key), (dict, list)) and "name" not in schema:
                yield from walk(schema[key])
        if schema.get("type") == "record":
            return


def arrays(schema):
    return [n for n in walk(schema) if isinstance(n, dict) and n.get("type") == "array"]


def fields_of(schema):
    return [n for n in walk(schema) if isinstance(n, dict) and "name" in n and "type" in n and n.get("type") != "record"]


def names_of(schema):
    return {n["name"] for n in walk(schema) if isinstance(n, dict) and n.get("type") == "record"}


# ---------------------------------------------------------------- theirs

class Forged:
    """A table of PyIceberg whose files are then written again with a failure, and handed to vecstore by registering the metadata."""

    FIELDS = (NestedField(1, "id", LongType(), required=True), NestedField(2, "lang", StringType()), NestedField(3, "day", DateType()),
              NestedField(4, "score", DoubleType()), NestedField(5, "tags", ListType(7, StringType(), element_required=False)),
              NestedField(6, "embedding", ListType(8, FloatType(), element_required=False)))

    def __init__(self, rows=range(60), spec=None, fields=None, version="2", deletes=True):
        self.folder = os.path.join(folder, f"theirs{next(numbers)}")
        self.warehouse = os.path.join(self.folder, "w")
        os.makedirs(self.warehouse)
        self.db = os.path.join(self.folder, "catalog.db")
        self.catalog = SqlCatalog("default", uri=f"sqlite:///{self.db}", warehouse=f"file://{self.warehouse}")
        self.catalog.create_namespace("ns")
        self.table = self.catalog.create_table("ns.t", Schema(*(fields or self.FIELDS), identifier_field_ids=[1]), **({"partition_spec": spec} if spec else {}), properties={
            "format-version": version, "vecstore.vector.embedding.dimension": str(DIM), "vecstore.vector.embedding.metric": "cosine"})
        self.rows = {}
        self.vecstore = Vecstore("--warehouse", self.warehouse, "--catalog", "sql", "--catalog-uri", self.db)
        if rows:
            self.append([make_row(i) for i in rows])
            if deletes:
                self.table.delete("id >= 10 and id < 15")
                self.rows = {i: r for i, r in self.rows.items() if not 10 <= i < 15}

    def arrow(self, rows):
        required = self.table.schema().find_field("embedding").field_type.element_required
        element = pa.field("element", pa.float32(), nullable=not required)
        schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("lang", pa.string()), ("day", pa.date32()), ("score", pa.float64()),
                            ("tags", pa.list_(pa.string())), ("embedding", pa.list_(element))])
        return pa.Table.from_pylist([{**r, "day": r["day"] and datetime.date.fromisoformat(r["day"])} for r in rows], schema=schema)

    def append(self, rows):
        self.table.append(self.arrow(rows))
        self.rows.update({r["id"]: r for r in rows})

    def new_file(self, ending):
        """Inside the table's location: what lies outside is not opened."""
        return f"file://{self.warehouse}/ns/t/metadata/{uuid.uuid4()}.{ending}"

    def forge(self, manifest=None, listed=None, metadata=None):
        """New files with the failure: manifest(Avro) for each manifest, listed(Avro) for each list, metadata(dict). Returns the table's new name."""
        with open(path_of(self.table.metadata_location), encoding="utf-8") as f:
            document = json.load(f)
        if manifest or listed:
            for snapshot in document["snapshots"]:
                entries = Avro(path_of(snapshot["manifest-list"]))
                for e in entries.records:
                    if manifest is None:
                        continue
                    made = Avro(path_of(e["manifest_path"]))
                    manifest(made)
                    e["manifest_path"] = self.new_file("avro")
                    made.write(path_of(e["manifest_path"]))
                    e["manifest_length"] = os.path.getsize(path_of(e["manifest_path"]))
                if listed:
                    listed(entries)
                snapshot["manifest-list"] = self.new_file("avro")
                entries.write(path_of(snapshot["manifest-list"]))
        if metadata:
            metadata(document)
        path = path_of(self.new_file("metadata.json"))
        with open(path, "w", encoding="utf-8") as f:
            json.dump(document, f)
        name = f"ns.forged{next(numbers)}"
        return name, path

    def check(self, may_refuse=False, **how):
        name, path = self.forge(**how)
        done = self.vecstore.raw("table", "register", name, path)
        if done.returncode == 0:
            done = self.vecstore.raw("table", "describe", name)
        if done.returncode == 0:
            done = self.vecstore.raw("query", name, "--vector", "[1,2,3,4]", "--exact")
        if done.returncode != 0 and may_refuse:
            expect(done.returncode in (6, 7), f"exit {done.returncode}: {done.stderr}")
            return json.loads(done.stderr)["error"]["message"]
        expect(done.returncode == 0, done.stderr)
        same(plain(self.vecstore.rows(name).values()), self.rows, "rows by vecstore")
        return None


def rename_records(schema, table):
    for node in walk(schema):
        if isinstance(node, dict) and node.get("type") == "record":
            node["name"] = table.get(node["name"], "other_" + node["name"])


# ---------------------------------------------------------------- the tests

def test_01_record_names():
    for ours in (Ours(), Ours("--partition-by", "lang, day(day)"), Ours("--format-version", "3")):
        for _, entries in ours.lists():
            same(entries.schema["name"], "manifest_file", "manifest list")
            same(names_of(entries.schema), {"manifest_file", "r508"}, "records of a manifest list")
        for _, manifest in ours.manifests():
            same(manifest.schema["name"], "manifest_entry", "manifest")
            names = names_of(manifest.schema)
            expect({"manifest_entry", "r2", "r102"} <= names, f"records {names}")
            expect({n for n in names if n.startswith("k")} <= {"k117_v118", "k119_v120", "k121_v122", "k138_v139", "k126_v127", "k129_v130"}, f"map entries {names}")
        ours.check()
    Forged().check(manifest=lambda m: rename_records(m.schema, {"manifest_entry": "ManifestEntry", "r2": "data_file", "r102": "partition_values"}))
    Forged().check(listed=lambda m: rename_records(m.schema, {"manifest_file": "ManifestFile"}))


def test_02_field_ids():
    for ours in (Ours("--partition-by", "lang, day(day)"), Ours("--format-version", "3")):
        for avro in [a for _, a in ours.lists()] + [a for _, a in ours.manifests()]:
            for field in fields_of(avro.schema):
                expect(isinstance(field.get("field-id"), int), f"{avro.path}: field {field['name']} has no field-id")
            for array in arrays(avro.schema):
                expect("element-id" in array or array.get("logicalType") == "map", f"{avro.path}: an array without element-id")

    def strip(avro):
        for node in walk(avro.schema):
            if isinstance(node, dict):
                node.pop("field-id", None)
                node.pop("element-id", None)
    refused = Forged().check(manifest=strip, may_refuse=True)
    refused_list = Forged().check(listed=strip, may_refuse=True)
    print(f"    without ids: {'refused: ' + refused if refused else 'read'}; in the list: {'refused: ' + refused_list if refused_list else 'read'}")


def test_03_maps():
    ours = Ours("--partition-by", "lang")
    found = 0
    for _, manifest in ours.manifests():
        for array in arrays(manifest.schema):
            items = array["items"]
            if isinstance(items, dict) and {f["name"] for f in items.get("fields", [])} == {"key", "value"}:
                same(array.get("logicalType"), "map", "a list of keys and values")
                found += 1
    expect(found > 0, "no maps at all")

    def strip(avro):
        for array in arrays(avro.schema):
            array.pop("logicalType", None)
    Forged().check(manifest=strip)


LIST_REQUIRED = {"manifest_path": "string", "manifest_length": "long", "partition_spec_id": "int", "content": "int", "sequence_number": "long",
                 "min_sequence_number": "long", "added_snapshot_id": "long", "added_files_count": "int", "existing_files_count": "int",
                 "deleted_files_count": "int", "added_rows_count": "long", "existing_rows_count": "long", "deleted_rows_count": "long"}


def test_04_manifest_list_fields():
    for ours in (Ours(), Ours("--partition-by", "lang"), Ours("--format-version", "3")):
        for snapshot, entries in ours.lists():
            types = {f["name"]: f["type"] for f in entries.schema["fields"]}
            for name, kind in LIST_REQUIRED.items():
                same(types.get(name), kind, f"type of {name}")
            for e in entries.records:
                counts = collections.Counter()
                rows = collections.Counter()
                lowest = None
                for entry in Avro(path_of(e["manifest_path"])).records:
                    counts[entry["status"]] += 1
                    rows[entry["status"]] += entry["data_file"]["record_count"]
                    if entry["status"] != 2:
                        number = entry["sequence_number"] if entry["sequence_number"] is not None else e["sequence_number"]
                        lowest = number if lowest is None else min(lowest, number)
                same([e["existing_files_count"], e["added_files_count"], e["deleted_files_count"]], [counts[0], counts[1], counts[2]], "files counted")
                same([e["existing_rows_count"], e["added_rows_count"], e["deleted_rows_count"]], [rows[0], rows[1], rows[2]], "rows counted")
                if lowest is not None:
                    same(e["min_sequence_number"], lowest, "min_sequence_number")
        ours.check()

    def loosen(avro):
        for f in avro.schema["fields"]:
            if isinstance(f["type"], str):
                f["type"] = ["null", f["type"]]

    def old_names(avro):
        loosen(avro)
        for f in avro.schema["fields"]:
            f["name"] = f["name"].replace("_files_count", "_data_files_count")
        avro.records = [{k.replace("_files_count", "_data_files_count"): (None if k.endswith("_count") else v) for k, v in r.items()} for r in avro.records]
    Forged().check(listed=loosen)
    Forged().check(listed=old_names)


def test_05_manifest_headers():
    for ours in (Ours("--partition-by", "lang, bucket(4, id)"), Ours("--format-version", "3")):
        metadata = ours.metadata()
        for e, manifest in ours.manifests():
            header = manifest.header
            for key in ("schema", "schema-id", "partition-spec", "partition-spec-id", "format-version", "content"):
                expect(key in header, f"{manifest.path}: no {key} in the header")
            schema = json.loads(header["schema"])
            known = next(s for s in metadata["schemas"] if str(s["schema-id"]) == header["schema-id"])
            same(schema["fields"], known["fields"], "schema of the header")
            spec = json.loads(header["partition-spec"])
            expect(isinstance(spec, list), "partition-spec is the array of fields alone")
            same(spec, next(s["fields"] for s in metadata["partition-specs"] if str(s["spec-id"]) == header["partition-spec-id"]), "partition-spec")
            same(header["content"], ["data", "deletes"][e["content"]], "content")
            same(header["format-version"], str(metadata["format-version"]), "format-version")

    def bare(avro):
        avro.header = {}

    def odd(avro):
        avro.header["partition-spec"] = json.dumps({"spec-id": 0, "fields": json.loads(avro.header["partition-spec"])})
        avro.header["iceberg.schema"] = avro.header.pop("schema")
    Forged().check(manifest=bare)
    Forged().check(manifest=odd)
    Forged(spec=PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "lang"))).check(manifest=odd)


def test_06_contents_apart():
    for ours in (Ours("--partition-by", "lang"), Ours("--format-version", "3")):
        kinds = set()
        for e, manifest in ours.manifests():
            for entry in manifest.records:
                same(entry["data_file"]["content"] != 0, e["content"] == 1, f"{manifest.path}: content of entry and manifest")
                kinds.add(entry["data_file"]["content"])
        same(kinds, {0, 1}, "the table has data and deletes")
    # A delete file among data files: applied or refused, never taken for rows and never left out.
    theirs = Forged(deletes=False)
    deletes = position_deletes(theirs, {1, 2})

    def mixed(avro):
        avro.records.append({**avro.records[0], "data_file": {**avro.records[0]["data_file"], **deletes}})
    theirs.rows = {i: r for i, r in theirs.rows.items() if i not in (1, 2)}
    message = theirs.check(manifest=mixed, may_refuse=True)
    print(f"    a delete file in a data manifest: {'refused: ' + message if message else 'applied'}")


def position_deletes(theirs, positions):
    """A position-delete file for the first data file; the members of its data_file record that differ."""
    data = next(iter(theirs.table.scan().plan_files())).file.file_path
    path = f"{theirs.warehouse}/ns/t/deletes{next(numbers)}.parquet"
    schema = pa.schema([pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": "2147483546"}),
                        pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "2147483545"})])
    ordered = sorted(positions)
    pq.write_table(pa.table({"file_path": [data] * len(ordered), "pos": ordered}, schema=schema), path)
    blank = {k: None for k in ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds", "split_offsets")}
    return {**blank, "content": 1, "file_path": f"file://{path}", "record_count": len(ordered), "file_size_in_bytes": os.path.getsize(path)}


def test_07_summaries():
    for ours in (Ours(), Ours("--partition-by", "lang"), Ours("--format-version", "3")):
        for snapshot, entries in ours.lists():
            summary = snapshot["summary"]
            expect(summary["operation"] in ("append", "overwrite", "delete", "replace"), f"operation {summary.get('operation')}")
            expect(all(isinstance(v, str) for v in summary.values()), "every value is a text")
            data = deletes = records = size = positions = equality = 0
            for m in entries.records:
                for e in Avro(path_of(m["manifest_path"])).records:
                    if e["status"] == 2:
                        continue
                    file = e["data_file"]
                    size += file["file_size_in_bytes"] if file.get("content_size_in_bytes") is None else file["content_size_in_bytes"]
                    data, deletes = data + (file["content"] == 0), deletes + (file["content"] != 0)
                    records += file["record_count"] if file["content"] == 0 else 0
                    positions += file["record_count"] if file["content"] == 1 else 0
                    equality += file["record_count"] if file["content"] == 2 else 0
            found = {"total-data-files": data, "total-delete-files": deletes, "total-records": records, "total-files-size": size,
                     "total-position-deletes": positions, "total-equality-deletes": equality}
            same({k: summary.get(k) for k in found}, {k: str(v) for k, v in found.items()}, f"totals of snapshot {snapshot['snapshot-id']}")

    def strip(document):
        for s in document["snapshots"]:
            s.pop("summary", None)

    def no_operation(document):
        for s in document["snapshots"]:
            s["summary"] = {}
    Forged().check(metadata=strip)
    Forged().check(metadata=no_operation)


def test_08_empty_tables():
    ours = Ours(rows=())
    same(ours.metadata().get("current-snapshot-id", "missing"), -1, "current-snapshot-id of an empty v2 table")
    same(ours.pyiceberg().scan().to_arrow().num_rows, 0, "rows by PyIceberg")
    same(ours.pyiceberg().current_snapshot(), None, "PyIceberg's snapshot")
    # PyIceberg appends to our empty table, and we read it.
    db = os.path.join(folder, "empty.db")
    vecstore = Vecstore("--warehouse", os.path.join(folder, "empty"), "--catalog", "sql", "--catalog-uri", db)
    made = Ours(rows=(), vecstore=vecstore)
    catalog = SqlCatalog("default", uri=f"sqlite:///{db}", warehouse=f"file://{folder}/empty")
    table = catalog.load_table("ns.t")
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("lang", pa.string()), ("day", pa.date32()), ("score", pa.float64()), ("tags", pa.list_(pa.string())),
                        ("embedding", pa.list_(pa.float32()))])
    table.append(pa.Table.from_pylist([{"id": 1, "embedding": [1.0, 2.0, 3.0, 4.0]}], schema=schema))
    same(list(made.vecstore.rows("ns.t")), [1], "rows by vecstore")
    for value in (-1, None, "absent"):
        theirs = Forged(rows=())

        def put(document, value=value):
            document["current-snapshot-id"] = value
            if value == "absent":
                del document["current-snapshot-id"]
        name, path = theirs.forge(metadata=put)
        theirs.vecstore("table", "register", name, path)
        same(theirs.vecstore("table", "describe", name)["rows"], 0, f"rows with current-snapshot-id {value}")
        theirs.vecstore("ingest", name, "-", rows=[make_row(1)])
        same(list(theirs.vecstore.rows(name)), [1], "after our append")
        same(theirs.catalog.load_table(name).scan().to_arrow().num_rows, 1, "PyIceberg after our append")


def test_09_sequence_numbers():
    ours = Ours()
    ours.vecstore("delete", ours.name, "--filter", "id >= 0")  # whole files go: DELETED entries
    ours.rows = {}
    ours.ingest([make_row(i) for i in range(100, 110)])
    for _, manifest in ours.manifests():
        for e in manifest.records:
            if e["status"] == 1:
                continue  # ADDED: both null, or both there
            expect(None not in (e["sequence_number"], e["file_sequence_number"], e["snapshot_id"]), f"EXISTING or DELETED without numbers: {e}"[:300])
        for e in manifest.records:
            if e["status"] == 1:
                same(e["sequence_number"] is None, e["file_sequence_number"] is None, "numbers of an ADDED entry")
    ours.check()
    same([s["sequence-number"] for s in ours.metadata()["snapshots"]], list(range(1, len(ours.metadata()["snapshots"]) + 1)), "sequence numbers of snapshots")

    # Version 1: no numbers anywhere; everything counts as 0.
    theirs = Forged(version="1", deletes=False)
    for _, m in [(0, Avro(path_of(s.manifest_list))) for s in theirs.table.metadata.snapshots]:
        expect("sequence_number" not in m.records[0], "a version 1 list has no sequence numbers")
    theirs.check()
    # Explicit numbers on ADDED entries are honoured: a delete of the same number does not hit older equality, positions do.
    theirs = Forged(deletes=False)

    def explicit(avro):
        for e in avro.records:
            e["sequence_number"] = e["file_sequence_number"] = 1
    theirs.check(manifest=explicit)


def test_10_parquet_field_ids():
    ours = Ours()
    ids = {f["name"]: f["id"] for f in ours.metadata()["schemas"][-1]["fields"]}
    element = {f["name"]: f["type"]["element-id"] for f in ours.metadata()["schemas"][-1]["fields"] if isinstance(f["type"], dict)}
    for _, e in ours.live():
        if e["data_file"]["content"] == 0:
            schema = pq.read_schema(path_of(e["data_file"]["file_path"]))
            same({f.name: int(f.metadata[b"PARQUET:field_id"]) for f in schema}, ids, "field ids")
            same({n: int(schema.field(n).type.value_field.metadata[b"PARQUET:field_id"]) for n in element}, element, "ids of elements")
    # Files without ids come in through add_files, which sets a name mapping.
    theirs = Forged()
    rows = [make_row(i) for i in range(200, 230)]
    path = f"{theirs.warehouse}/ns/t/bare.parquet"
    pq.write_table(theirs.arrow(rows), path, store_schema=False)
    expect(pq.read_schema(path).field("id").metadata is None, "the file has no ids")
    theirs.table.add_files([f"file://{path}"])
    theirs.rows.update({r["id"]: r for r in rows})
    theirs.check()
    # The same without the mapping: nothing says which column is which. Not one row may come as nulls.
    message = theirs.check(metadata=lambda d: d["properties"].pop("schema.name-mapping.default"), may_refuse=True)
    print(f"    without a name mapping: {message or 'read'}")


def test_11_lists():
    ours = Ours()
    for _, e in ours.live():
        if e["data_file"]["content"] == 0:
            shape = str(pq.ParquetFile(path_of(e["data_file"]["file_path"])).schema)
            for name in ("tags", "embedding"):
                expect(re.search(rf"optional group field_id=\d+ {name} \(List\) {{\s+repeated group (field_id=-?\d+ )?list {{\s+optional \w+ field_id=\d+ element", shape), shape)
    ours.check()  # among the tags there are null, empty and full lists
    lists = {json.dumps(r["tags"]) for r in ours.rows.values()}
    expect({"null", "[]"} <= lists, "null and empty lists occur")
    # Other names of the inner levels: pyarrow's old style is list.item; ids decide.
    theirs = Forged(deletes=False)
    path = f"{theirs.warehouse}/ns/t/item.parquet"
    old = pq.read_table(path_of(next(iter(theirs.table.scan().plan_files())).file.file_path))
    fields = [f.with_type(pa.list_(f.type.value_field.with_name("item"))) if pa.types.is_list(f.type) else f for f in old.schema]
    columns = [pa.ListArray.from_arrays(c.combine_chunks().offsets, c.combine_chunks().values, type=f.type, mask=c.combine_chunks().is_null()) if pa.types.is_list(f.type)
               else c for c, f in zip(old.columns, fields)]
    pq.write_table(pa.Table.from_arrays(columns, schema=pa.schema(fields)), path, use_compliant_nested_type=False, store_schema=False)
    expect("item" in str(pq.ParquetFile(path).schema) and "element" not in str(pq.ParquetFile(path).schema), "the file has the old name")

    def point(avro):
        file = avro.records[0]["data_file"]
        file.update(file_path=f"file://{path}", file_size_in_bytes=os.path.getsize(path), split_offsets=None)
    theirs.check(manifest=point)


def test_12_nullability():
    ours = Ours("--partition-by", "lang")
    for f in ours.metadata()["schemas"][-1]["fields"]:
        same(f["required"], f["name"] == "id", f"required of {f['name']}")
        if isinstance(f["type"], dict):
            same(f["type"]["element-required"], False, f"elements of {f['name']}")
    # Tables of others with required elements and a required vector are read and written.
    fields = list(Forged.FIELDS)
    fields[5] = NestedField(6, "embedding", ListType(8, FloatType(), element_required=True))
    theirs = Forged(fields=fields)
    theirs.check()
    theirs.vecstore("ingest", "ns.t", "-", rows=[make_row(301)])
    theirs.table = theirs.catalog.load_table("ns.t")
    theirs.rows[301] = make_row(301)
    same(plain(theirs.table.scan().to_arrow().to_pylist()), theirs.rows, "PyIceberg after our append")
    theirs.append([make_row(302)])
    same(plain(theirs.vecstore.rows("ns.t").values()), theirs.rows, "vecstore after PyIceberg's append")


def test_13_encodings():
    for ours in (Ours(), Ours(rows=range(20000), changes=False)):
        for _, e in ours.live():
            if e["data_file"]["file_format"].upper() != "PARQUET":
                continue
            file = pq.ParquetFile(path_of(e["data_file"]["file_path"]))
            for g in range(file.metadata.num_row_groups):
                for c in range(file.metadata.num_columns):
                    column = file.metadata.row_group(g).column(c)
                    # The vectorised readers are for columns outside lists; within them every reader decodes byte streams.
                    inside = {"BYTE_STREAM_SPLIT"} if ".list." in column.path_in_schema else set()
                    expect(set(column.encodings) <= {"PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY", "BIT_PACKED"} | inside,
                           f"{column.path_in_schema}: {column.encodings}: vectorised readers lack some")
                    expect(column.compression in ("ZSTD", "SNAPPY", "GZIP", "UNCOMPRESSED"), column.compression)
            expect(first_page_kind(file, path_of(e["data_file"]["file_path"])) in (0, 2), "data pages are of version 1")
    # What vectorised readers of others lack, we read.
    theirs = Forged(deletes=False)
    options = {"delta": dict(use_dictionary=False, column_encoding={"id": "DELTA_BINARY_PACKED", "lang": "DELTA_BYTE_ARRAY", "day": "DELTA_BINARY_PACKED",
                                                                    "score": "BYTE_STREAM_SPLIT", "tags.list.element": "DELTA_LENGTH_BYTE_ARRAY", "embedding.list.element": "BYTE_STREAM_SPLIT"}),
               "v2": dict(data_page_version="2.0"), "lz4": dict(compression="lz4"), "brotli": dict(compression="brotli"), "gzip": dict(compression="gzip", data_page_version="2.0")}
    for n, (name, how) in enumerate(options.items()):
        rows = [make_row(i) for i in range(1000 + 100 * n, 1050 + 100 * n)]
        path = f"{theirs.warehouse}/ns/t/{name}.parquet"
        pq.write_table(theirs.arrow(rows), path, store_schema=False, **how)
        theirs.table.add_files([f"file://{path}"])
        theirs.rows.update({r["id"]: r for r in rows})
    theirs.check()


def first_page_kind(file, path):
    """The type of the first page header: 0 data v1, 2 dictionary, 3 data v2 (compact Thrift: field 1, an i32)."""
    column = file.metadata.row_group(0).column(0)
    with open(path, "rb") as f:
        f.seek(column.dictionary_page_offset or column.data_page_offset)
        head = f.read(2)
    expect(head[0] == 0x15, "a page header begins with its type")
    return head[1] >> 1


def test_14_bounds():
    warehouse = os.path.join(folder, f"ours{next(numbers)}")
    vecstore = Vecstore("--warehouse", warehouse)
    ours = Ours.__new__(Ours)
    ours.warehouse, ours.vecstore, ours.name, ours.rows = warehouse, vecstore, "ns.t", {}
    vecstore("table", "create", "ns.t", "--dim", DIM, "--schema", "id long, lang string, score double, f float")
    high = "\U0010ffff" * 20
    texts = ["abc" * 10, "ä" * 30, "\U0001f600" * 20, "a" * 16 + "\ud7ff" * 3, high, "zz", None]
    scores = [float("nan"), -0.0, 0.0, -0.0, float("nan"), 5.5, None]
    source = pa.table({"id": pa.array(range(1, 8), pa.int64()), "lang": texts, "score": scores, "f": pa.array(scores, pa.float32()),
                       "embedding": pa.array([[1.0, 2.0, 3.0, i] for i in range(7)], pa.list_(pa.float32()))})
    path = os.path.join(folder, "bounds.parquet")
    pq.write_table(source, path)
    vecstore("ingest", "ns.t", path)
    fields = {f.field_id: f for f in ours.pyiceberg().schema().fields}
    entry = next(e for _, e in ours.live())["data_file"]
    low, up = ({kv["key"]: kv["value"] for kv in entry[name]} for name in ("lower_bounds", "upper_bounds"))
    nans = {kv["key"]: kv["value"] for kv in entry["nan_value_counts"]}
    for i, f in fields.items():
        if f.name in ("score", "f"):
            a, b = from_bytes(f.field_type, low[i]), from_bytes(f.field_type, up[i])
            same((a, b), (0.0, 5.5), f"bounds of {f.name}")
            expect(np.signbit(a), "the lower bound of zeros is -0.0")
            same(nans[i], 2, "NaN counted")
        if f.name == "lang" and i in low:
            lowest = from_bytes(f.field_type, low[i])
            expect(lowest <= min(t for t in texts if t) and len(lowest) <= 16, f"lower bound {lowest!r}")
        if f.name == "lang":
            expect(i not in up, "no upper bound where no text above can be made")
        if f.name == "embedding":
            expect(i not in low and f.field_type.element_id not in low, "no bounds inside lists")
    # A text that can be counted up, on its own.
    vecstore("table", "create", "ns.u", "--dim", DIM, "--schema", "id long, lang string")
    vecstore("ingest", "ns.u", "-", rows=[{"id": 1, "lang": "b" * 30, "embedding": [1, 2, 3, 4]}, {"id": 2, "lang": "a" * 15 + "é" * 9, "embedding": [1, 2, 3, 4]}])
    ours.name = "ns.u"
    entry = next(e for _, e in ours.live())["data_file"]
    upper = [kv["value"].decode() for kv in entry["upper_bounds"] if kv["key"] == 2][0]
    expect(upper > "b" * 30 and len(upper) <= 16, f"upper bound {upper!r}")
    for text, wanted in (("lang = '" + "b" * 30 + "'", [1]), ("lang >= '" + "b" * 20 + "'", [1]), ("lang < 'b'", [2])):
        same(sorted(i for i, _ in vecstore.hits("ns.u", [1, 2, 3, 4], 9, "--filter", text)[0]), wanted, text)
        same(sorted(StaticTable.from_metadata(ours.metadata_path()).scan(row_filter=text).to_arrow()["id"].to_pylist()), wanted, "PyIceberg: " + text)
    # Bounds of others that are NaN, or zeros of the wrong sign: filters lose no row.
    theirs = Forged(deletes=False)

    def spoil(avro):
        for e in avro.records:
            for name, value in (("lower_bounds", struct.pack("<d", float("nan"))), ("upper_bounds", struct.pack("<d", float("nan")))):
                for kv in e["data_file"][name] or []:
                    if kv["key"] == 4:
                        kv["value"] = value
    name, path = theirs.forge(manifest=spoil)
    theirs.vecstore("table", "register", name, path)
    wanted = sorted(i for i, r in theirs.rows.items() if r["score"] is not None and 2 <= r["score"] < 9 and r["embedding"])
    same(sorted(i for i, _ in theirs.vecstore.hits(name, [1, 2, 3, 4], 99, "--filter", "score >= 2 AND score < 9")[0]), wanted, "filtered rows with NaN bounds")

    def zeros(avro):
        for e in avro.records:
            for kv in e["data_file"]["lower_bounds"] or []:
                if kv["key"] == 4:
                    kv["value"] = struct.pack("<d", 0.0)
    theirs = Forged(deletes=False)
    theirs.append([{**make_row(500), "score": -0.0, "embedding": [1.0, 1.0, 1.0, 1.0]}])
    name, path = theirs.forge(manifest=zeros)
    theirs.vecstore("table", "register", name, path)
    for text in ("score <= 0", "score = 0", "score = -0.0"):
        same([i for i, _ in theirs.vecstore.hits(name, [1, 2, 3, 4], 99, "--filter", "id = 500 AND " + text)[0]], [500], text)


def test_15_sizes():
    for ours in (Ours(rows=range(30000)), Ours("--format-version", "3"), Ours("--partition-by", "lang")):
        for m, e in ours.live():
            file = e["data_file"]
            path = path_of(file["file_path"])
            same(m["manifest_length"], os.path.getsize(path_of(m["manifest_path"])), "manifest_length")
            same(file["file_size_in_bytes"], os.path.getsize(path), "file_size_in_bytes")
            if file["file_format"].upper() != "PARQUET":
                continue
            parquet = pq.ParquetFile(path)
            same(file["record_count"], parquet.metadata.num_rows, "record_count")
            starts = []
            for g in range(parquet.metadata.num_row_groups):
                column = parquet.metadata.row_group(g).column(0)
                starts.append(min(o for o in (column.dictionary_page_offset, column.data_page_offset) if o))
            if file["split_offsets"] is not None:
                same(file["split_offsets"], starts, "split_offsets")
        for s in ours.metadata().get("statistics", []):
            same(s["file-size-in-bytes"], os.path.getsize(path_of(s["statistics-path"])), "size of the statistics file")


def test_16_locations():
    # A warehouse given as a relative path: the metadata still holds absolute URIs.
    here = os.path.join(folder, f"cwd{next(numbers)}")
    os.makedirs(here)
    before = os.getcwd()
    os.chdir(here)
    try:
        ours = Ours(vecstore=Vecstore("--warehouse", "./w/"), warehouse=os.path.join(here, "w"))
    finally:
        os.chdir(before)
    metadata = ours.metadata()
    expect(metadata["location"].startswith("file:///") and not metadata["location"].endswith("/"), metadata["location"])
    ours.vecstore = Vecstore("--warehouse", f"file://{here}/w")
    ours.check()
    for form in ("file:{}", "file://{}", "{}"):
        for tail in ("", "/"):
            theirs = Forged()
            plain_root = theirs.warehouse

            def place(document, form=form, tail=tail, root=plain_root):
                document["location"] = form.format(root + "/ns/t") + tail
                for s in document["snapshots"]:
                    s["manifest-list"] = form.format(path_of(s["manifest-list"]))

            def paths(avro, form=form):
                for e in avro.records:
                    e["manifest_path"] = form.format(path_of(e["manifest_path"]))

            def files(avro, form=form):
                for e in avro.records:
                    e["data_file"]["file_path"] = form.format(path_of(e["data_file"]["file_path"]))
            theirs.check(metadata=place, listed=paths, manifest=files)
    # A table that was moved is refused by a filesystem catalog with both places named, not read half.
    ours = Ours()
    moved = os.path.join(folder, f"moved{next(numbers)}")
    shutil.copytree(ours.warehouse, moved)
    message = Vecstore("--warehouse", moved).raw("table", "describe", "ns.t")
    expect(message.returncode != 0 and "location" in message.stderr.lower() or ours.warehouse in message.stderr, f"a moved table: {message.stderr}{message.stdout[:200]}")


ODD = ["a b", "a+b%20c", "ä/ö", "x=y&z", "%2F", "'quoted'", "a#b?c", "dot.", ".."]


def test_17_odd_names():
    ours = Ours("--partition-by", "lang", rows=())
    rows = [{**make_row(i + 1), "lang": value} for i, value in enumerate(ODD)] + [{**make_row(50), "lang": ""}, {**make_row(51), "lang": None}]
    ours.ingest(rows)
    for _, e in ours.live():
        path = e["data_file"]["file_path"]
        expect(os.path.exists(path_of(path)), f"{path} is not on the disk under that very name")
        expect(os.path.realpath(path_of(path)).startswith(os.path.realpath(ours.warehouse) + "/ns/t/data/"), f"{path} leaves the table")
    ours.check()
    same(sorted(e["data_file"]["partition"]["lang"] or "" for _, e in ours.live()), sorted(ODD + ["", ""]), "partition values are raw text")
    for r in rows:
        if r["lang"]:
            quoted = r["lang"].replace("'", "''")
            same([i for i, _ in ours.vecstore.hits("ns.t", [1, 2, 3, 4], 9, "--filter", f"lang = '{quoted}'")[0]], [r["id"]] if r["embedding"] else [], r["lang"])
    theirs = Forged(rows=(), spec=PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "lang")))
    theirs.append(rows)
    same(plain(theirs.vecstore.rows("ns.t").values()), theirs.rows, "PyIceberg's table with odd partition values")


def test_18_ambiguous_commits():
    server = FaultServer()
    try:
        env = parts.clean_environment(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
        vecstore = Vecstore("--warehouse", f"s3://{server.bucket}/w", "--set", f"s3.endpoint={server.s3_endpoint}", "--set", "s3.request-timeout-ms=500",
                            "--set", "s3.retry.base-ms=5", env=env)
        vecstore("table", "create", "ns.t", "--dim", DIM)
        vecstore("ingest", "ns.t", "-", rows=[{"id": 0, "embedding": [1, 2, 3, 4]}])
        server.arm({})
        vecstore("ingest", "ns.t", "-", rows=[{"id": 1, "embedding": [1, 2, 3, 4]}])
        requests, known, outcomes = server.count, {0, 1}, collections.Counter()
        for at in range(requests):
            row = at + 2
            server.arm({at: "apply-then-drop"})
            done = vecstore.raw("ingest", "ns.t", "-", rows=[{"id": row, "embedding": [1, 2, 3, 4]}])
            server.arm({})
            outcomes[done.returncode] += 1
            there = set(everything_named(server, "w/ns/t"))  # raises when a file that the table names is gone
            expect(done.returncode != 0 or row in there, f"request {at}: reported as done, but the row is not there")
            expect(done.returncode in (0, 11) or row not in there, f"request {at}: exit {done.returncode}, but the row is there")
            known |= {row} & there
            same(there, known, f"rows after a lost answer to request {at}")
        print(f"    {requests} requests of a commit, each answer lost once: exit codes {dict(outcomes)}")
    finally:
        server.close()


def everything_named(server, prefix):
    """Ids of the newest version, read without vecstore; a file that it names and that is gone raises KeyError."""
    objects = server.s3.objects
    versions = [k for k in objects if k.startswith(f"{server.bucket}/{prefix}/metadata/v") and k.endswith(".metadata.json")]
    newest = max(versions, key=lambda k: int(re.search(r"/v(\d+)\.", k).group(1)))
    metadata = json.loads(objects[newest][0])
    ids = []

    def get(uri):
        return io.BytesIO(objects[uri.removeprefix("s3://")][0])
    for snapshot in metadata["snapshots"]:
        for m in fastavro.reader(get(snapshot["manifest-list"])):
            for e in fastavro.reader(get(m["manifest_path"])):
                data = get(e["data_file"]["file_path"])
                if snapshot["snapshot-id"] == metadata["current-snapshot-id"] and e["status"] != 2:
                    ids += pq.read_table(data, columns=["id"])["id"].to_pylist()
    same(len(ids), len(set(ids)), "no row twice")
    return ids


def test_19_deletes():
    # Ours: names, types and ids of position deletes; vectors in a Puffin file.
    ours = Ours()
    found = 0
    for _, e in ours.live():
        file = e["data_file"]
        if file["content"] == 1:
            schema = pq.read_schema(path_of(file["file_path"]))
            same([(f.name, int(f.metadata[b"PARQUET:field_id"]), f.nullable) for f in schema], [("file_path", 2147483546, False), ("pos", 2147483545, False)], "columns")
            rows = pq.read_table(path_of(file["file_path"])).to_pylist()
            same(rows, sorted(rows, key=lambda r: (r["file_path"], r["pos"])), "sorted")
            expect(all(os.path.exists(path_of(r["file_path"])) for r in rows), "deletes name files as the manifest does")
            found += 1
    expect(found, "no position deletes")
    ours.check()
    ours = Ours("--format-version", "3")
    vectors = [e["data_file"] for _, e in ours.live() if e["data_file"]["content"] == 1]
    expect(vectors, "no deletion vectors")
    for file in vectors:
        same(file["file_format"].upper(), "PUFFIN", "format of a deletion vector")
        with open(path_of(file["file_path"]), "rb") as f:
            data = f.read()
        same((data[:4], data[-4:]), (b"PFA1", b"PFA1"), "magic of a Puffin file")
        blob = data[file["content_offset"]:file["content_offset"] + file["content_size_in_bytes"]]
        same((struct.unpack(">I", blob[:4])[0], blob[4:8]), (len(blob) - 8, b"\xd1\xd3\x39\x64"), "length and magic of the vector")
        expect(file["referenced_data_file"], "the data file is named")
        footer = json.loads(data[-12 - struct.unpack("<I", data[-12:-8])[0]:-12])
        expect(any((b["offset"], b["length"]) == (file["content_offset"], file["content_size_in_bytes"]) for b in footer["blobs"]), "the footer has the same place")
    ours.check()
    # Theirs: position deletes, and equality deletes with and without nulls, of a later sequence number and of the same.
    theirs = Forged(deletes=False)
    append_deletes(theirs, position_deletes(theirs, {1, 2, 40}), {1, 2, 40})
    theirs = Forged(deletes=False)
    gone = {i for i, r in theirs.rows.items() if r["lang"] in ("en", None)}
    append_deletes(theirs, equality_deletes(theirs, "lang", 2, ["en", None]), gone)
    theirs = Forged(deletes=False)
    append_deletes(theirs, equality_deletes(theirs, "lang", 2, ["en"]), set(), number=1)  # the same number as the rows: hits none


def equality_deletes(theirs, column, field_id, values):
    path = f"{theirs.warehouse}/ns/t/equal{next(numbers)}.parquet"
    schema = pa.schema([pa.field(column, pa.string(), metadata={"PARQUET:field_id": str(field_id)})])
    pq.write_table(pa.table({column: values}, schema=schema), path)
    blank = {k: None for k in ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds", "split_offsets")}
    return {**blank, "content": 2, "file_path": f"file://{path}", "record_count": len(values), "file_size_in_bytes": os.path.getsize(path), "equality_ids": [field_id]}


def append_deletes(theirs, file, gone, number=2):
    """A delete manifest beside the data manifest, of sequence number `number`."""
    def listed(avro):
        e = avro.records[0]
        made = Avro(path_of(e["manifest_path"]))
        made.records = [{**made.records[0], "sequence_number": number, "file_sequence_number": number, "data_file": {**made.records[0]["data_file"], **file}}]
        made.header["content"] = "deletes"
        path = theirs.new_file("avro")
        made.write(path_of(path))
        avro.records.append({**e, "manifest_path": path, "manifest_length": os.path.getsize(path_of(path)), "content": 1, "sequence_number": 2,
                             "min_sequence_number": number, "added_files_count": 1, "added_rows_count": file["record_count"]})

    def bump(document):
        document["last-sequence-number"] = 2
        document["snapshots"][-1]["sequence-number"] = 2
    theirs.rows = {i: r for i, r in theirs.rows.items() if i not in gone}
    theirs.check(listed=listed, metadata=bump)


def test_20_discovery():
    ours = Ours()
    top = os.path.join(ours.warehouse, "ns", "t")
    hint = os.path.join(top, "metadata", "version-hint.text")
    with open(hint, encoding="ascii") as f:
        text = f.read()
    expect(text.isnumeric(), f"the hint is a plain number: {text!r}")
    same(f"v{text}.metadata.json", os.path.basename(ours.metadata_path()), "the hint names the newest version")
    same(plain(StaticTable.from_metadata(top).scan().to_arrow().to_pylist()), ours.rows, "PyIceberg from the folder alone")
    duck = None
    try:
        duck = parts.duck()
    except parts.Missing as e:
        print(f"    SKIP DuckDB: {e}")
    if duck:
        same(duck.execute(f"SELECT count(*) FROM iceberg_scan('{top}')").fetchone()[0], len(ours.rows), "DuckDB from the folder alone")
    newest = int(text)
    for form in (None, "1", "1\n", str(newest) + "\n", f"v{newest}.metadata.json", "9999"):
        if form is None:
            os.unlink(hint)
        else:
            with open(hint, "w", encoding="ascii") as f:
                f.write(form)
        same(plain(ours.vecstore.rows("ns.t").values()), ours.rows, f"rows with hint {form!r}")
    # Compressed metadata under both names.
    for ending in (".gz.metadata.json", ".metadata.json.gz"):
        theirs = Forged()
        _, path = theirs.forge()
        packed = path.replace(".metadata.json", ending)
        with open(path, "rb") as f, gzip.open(packed, "wb") as out:
            out.write(f.read())
        name = f"ns.packed{next(numbers)}"
        theirs.vecstore("table", "register", name, packed)
        same(plain(theirs.vecstore.rows(name).values()), theirs.rows, ending)
    # The day transform gives a date.
    ours = Ours("--partition-by", "day(day)")
    for _, manifest in ours.manifests():
        r102 = next(n for n in walk(manifest.schema) if isinstance(n, dict) and n.get("name") == "r102")
        kinds = [f["type"] for f in r102["fields"]]
        same(kinds, [["null", {"type": "int", "logicalType": "date"}]], "type of a day")
    ours.check()

    def as_int(avro):
        for node in walk(avro.schema):
            if isinstance(node, dict) and node.get("logicalType") == "date":
                del node["logicalType"]
        for e in avro.records:
            for k, v in e["data_file"]["partition"].items():
                e["data_file"]["partition"][k] = (v - datetime.date(1970, 1, 1)).days if isinstance(v, datetime.date) else v
    from pyiceberg.transforms import DayTransform
    theirs = Forged(spec=PartitionSpec(PartitionField(3, 1000, DayTransform(), "day_day")))
    theirs.check(manifest=as_int)


if __name__ == "__main__":
    parts.binary()
    found = {name: function for name, function in sorted(globals().items()) if name.startswith("test_")}
    parts.run_tests("twenty", found, sys.argv[1:])
