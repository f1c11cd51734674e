# SPDX-License-Identifier: Apache-2.0
"""Makes the table in the folder `pyiceberg` with PyIceberg, fastavro and pyarrow: schema changes, a copy-on-write delete, a tag, and a
position delete file that covers several data files (PyIceberg does not write those, so it is made by hand).

make_table.py FOLDER. Location in the files: file:///tmp/vecstore-golden/g/t; the test reads it through moved_from and moved_to.
"""
import glob
import json
import os
import shutil
import sys

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import FloatType, IntegerType, ListType, LongType, NestedField, StringType

out = sys.argv[1]
base = "/tmp/vecstore-golden"
shutil.rmtree(base, ignore_errors=True)
os.makedirs(base)
catalog = SqlCatalog("golden", uri="sqlite:///:memory:", warehouse="file://" + base)
catalog.create_namespace("g")
table = catalog.create_table("g.t", Schema(
    NestedField(1, "id", IntegerType(), required=True), NestedField(2, "name", StringType()),
    NestedField(3, "v", ListType(4, FloatType(), element_required=False)), identifier_field_ids=[1]), location="file://" + base + "/g/t")


def batch(ids, name, kind, extra=None):
    fields = [pa.field("id", kind, nullable=False), pa.field(name, pa.string()), pa.field("v", pa.list_(pa.float32()))]
    columns = [pa.array(ids, kind), pa.array([None if i % 4 == 0 else f"n{i}" for i in ids]), pa.array([[i, -0.0, None][: i % 4] for i in ids], pa.list_(pa.float32()))]
    if extra:
        fields.append(pa.field("extra", pa.string()))
        columns.append(pa.array([extra] * len(ids)))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


table.append(batch(range(0, 10), "name", pa.int32()))
table.append(batch(range(10, 15), "name", pa.int32()))
table.delete("id == 12")
table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "before").commit()
with table.update_schema() as u:
    u.update_column("id", LongType())
    u.rename_column("name", "title")
    u.add_column("extra", StringType())
table.append(batch(range(20, 25), "title", pa.int64(), extra="x"))

# a position delete file over two data files: rows 0 and 3 of the first, row 1 of the newest
meta = json.load(open(table.metadata_location.removeprefix("file://")))
files = sorted(table.inspect.files().to_pylist(), key=lambda f: f["record_count"], reverse=True)
first = next(f["file_path"] for f in files if f["record_count"] == 10)
last = next(f["file_path"] for f in files if f["record_count"] == 5)
rows = sorted([(first, 0), (first, 3), (last, 1)])
schema = pa.schema([pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": "2147483546"}),
                    pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "2147483545"})])
where = base + "/g/t/data/position-deletes.parquet"
pq.write_table(pa.Table.from_arrays([pa.array([r[0] for r in rows]), pa.array([r[1] for r in rows])], schema=schema), where)
snapshot = next(s for s in meta["snapshots"] if s["snapshot-id"] == meta["current-snapshot-id"])
with open(snapshot["manifest-list"].removeprefix("file://"), "rb") as f:
    reader = fastavro.reader(f)
    list_schema, entries = reader.writer_schema, list(reader)
with open(entries[0]["manifest_path"].removeprefix("file://"), "rb") as f:
    reader = fastavro.reader(f)
    entry_schema, header, sample = reader.writer_schema, dict(reader.metadata), next(iter(reader))
data_file = {k: None for k in sample["data_file"]} | {"content": 1, "file_path": "file://" + where, "file_format": "PARQUET", "partition": {},
                                                     "record_count": 3, "file_size_in_bytes": os.path.getsize(where)}
number, new_id = meta["last-sequence-number"] + 1, 4611686018427387905
header = {k: v for k, v in header.items() if not k.startswith("avro.")} | {"content": "deletes"}
manifest = base + "/g/t/metadata/deletes-m0.avro"
with open(manifest, "wb") as f:
    fastavro.writer(f, entry_schema, [{"status": 1, "snapshot_id": new_id, "sequence_number": None, "file_sequence_number": None, "data_file": data_file}], codec="deflate", metadata=header)
entries.append({k: 0 for k in entries[0]} | {"manifest_path": "file://" + manifest, "manifest_length": os.path.getsize(manifest), "content": 1, "sequence_number": number,
                                             "min_sequence_number": number, "added_snapshot_id": new_id, "added_files_count": 1, "added_rows_count": 3, "partitions": None, "key_metadata": None})
manifest_list = base + "/g/t/metadata/snap-deletes.avro"
with open(manifest_list, "wb") as f:
    fastavro.writer(f, list_schema, entries, codec="deflate")
now = meta["last-updated-ms"] + 1
meta["snapshots"].append({"snapshot-id": new_id, "parent-snapshot-id": meta["current-snapshot-id"], "sequence-number": number, "timestamp-ms": now,
                          "manifest-list": "file://" + manifest_list, "summary": {"operation": "delete"}, "schema-id": meta["current-schema-id"]})
meta["last-sequence-number"], meta["last-updated-ms"], meta["current-snapshot-id"] = number, now, new_id
meta["refs"]["main"]["snapshot-id"] = new_id
meta["snapshot-log"].append({"snapshot-id": new_id, "timestamp-ms": now})
last_file = base + "/g/t/metadata/00099-aaaaaaaa.metadata.json"
json.dump(meta, open(last_file, "w"))

target = os.path.join(out, "pyiceberg")
shutil.rmtree(target, ignore_errors=True)
live = {f["file_path"].removeprefix("file://") for f in table.inspect.all_files().to_pylist()} | {where}
for path in [last_file, *glob.glob(base + "/g/t/metadata/*.avro"), *live]:
    to = os.path.join(target, os.path.relpath(path, base))
    os.makedirs(os.path.dirname(to), exist_ok=True)
    shutil.copy(path, to)
from pyiceberg.table import StaticTable  # noqa: E402

got = sorted(StaticTable.from_metadata(last_file).scan().to_arrow().to_pylist(), key=lambda r: r["id"])
print([r["id"] for r in got], got[0], got[-1])
shutil.rmtree(base)
