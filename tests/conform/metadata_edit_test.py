#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Metadata edited by us, read by PyIceberg: schemas, specs, orders, refs, expiry, version 3.

PyIceberg makes a table with rows and snapshots; every edit is applied by edit_tool to its metadata
file, and PyIceberg's StaticTable reads the result and the rows through it.
Usage: metadata_edit_test.py EDIT_TOOL
"""
import json
import os
import subprocess
import sys
import tempfile
import time

try:
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table import StaticTable
except ImportError as missing:
    print(f"SKIP: metadata_edit_test needs pyiceberg and pyarrow ({missing})")
    sys.exit(77)

TOOL = sys.argv[1]
failures = 0


def check(name, actual, expected):
    global failures
    if actual != expected:
        failures += 1
        print(f"FAIL {name}: {actual!r}, expected {expected!r}")


def make_table(folder):
    catalog = SqlCatalog("c", uri=f"sqlite:///{folder}/c.db", warehouse=f"file://{folder}")
    catalog.create_namespace("n")
    rows = pa.table({
        "id": pa.array([1, 2, 3], pa.int64()),
        "lang": pa.array(["de", "en", None]),
        "n": pa.array([7, 8, 9], pa.int32()),
        "v": pa.array([[1.0, 2.0], [3.0], None], pa.list_(pa.float32())),
        "at": pa.array([1000, 2000, 3000], pa.timestamp("us")),
    })
    table = catalog.create_table("n.t", rows.schema, properties={"vecstore.vector.v.dimension": "2"})
    for _ in range(4):
        table.append(rows)
        time.sleep(0.01)
    return table


class Lab:
    def __init__(self, folder, base):
        self.folder = folder
        self.base = base
        self.count = 0

    def edit(self, *steps, base=None, expect_error=None):
        """The table after the steps, or None where they are to be refused."""
        self.count += 1
        out = os.path.join(self.folder, f"{self.count:05d}-x.metadata.json")
        result = subprocess.run([TOOL, base or self.base, out, *steps], capture_output=True,
                                text=True, check=False)
        if expect_error is not None:
            check(f"refusal of {steps}", result.returncode == 1 and expect_error in result.stderr,
                  True)
            return None
        if result.returncode != 0:
            check(f"edit {steps}", result.stderr, "")
            return None
        self.last = out
        return StaticTable.from_metadata(out)


def fields_of(table):
    return [(f.field_id, f.name, str(f.field_type), f.required) for f in table.schema().fields]


def schemas(lab):
    before = fields_of(StaticTable.from_metadata(lab.base))
    table = lab.edit("add|tags|list<string>|labels|id|", "add|z|decimal(10,2)|||")
    check("added", fields_of(table),
          [before[0], (7, "tags", "list<string>", False)] + before[1:]
          + [(9, "z", "decimal(10, 2)", False)])
    check("doc", table.schema().find_field("tags").doc, "labels")
    check("last column id", table.metadata.last_column_id, 9)
    check("schema ids", [s.schema_id for s in table.metadata.schemas], [0, 1])
    rows = table.scan().to_arrow()
    check("rows through the new schema", rows.num_rows, 12)
    check("new columns are null", rows["tags"].null_count + rows["z"].null_count, 24)

    table = lab.edit("rename|lang|tongue", "widen|n|long", "move|at|", "drop|v")
    check("changed", [f[1] for f in fields_of(table)], ["at", "id", "tongue", "n"])
    check("widened", str(table.schema().find_field("n").field_type), "long")
    check("contract went", table.properties.get("vecstore.vector.v.dimension"), None)
    rows = table.scan().to_arrow()
    check("values by id", sorted(rows["n"].to_pylist()), sorted([7, 8, 9] * 4))
    check("renamed values", sorted(filter(None, rows["tongue"].to_pylist())),
          sorted(["de", "en"] * 4))
    back = lab.edit("rename|tongue|lang", base=lab.last)
    check("schemas pile up", [s.schema_id for s in back.metadata.schemas], [0, 1, 2])
    lab.edit("add|id|int|||", expect_error="already")
    lab.edit("add|q|int|||7", expect_error="version 3")
    lab.edit("widen|lang|binary", expect_error="cannot become")


def partitioning(lab):
    table = lab.edit("spec|lang, bucket(16, id), day(at)", "order|lang desc, truncate(4, lang)")
    spec = table.spec()
    check("spec", [(f.name, str(f.transform), f.source_id, f.field_id) for f in spec.fields],
          [("lang", "identity", 2, 1000), ("id_bucket", "bucket[16]", 1, 1001),
           ("at_day", "day", 5, 1002)])
    check("last partition id", table.metadata.last_partition_id, 1002)
    order = table.sort_order()
    check("order", [(str(f.transform), f.source_id, f.direction.value, f.null_order.value)
                    for f in order.fields],
          [("identity", 2, "desc", "nulls-last"), ("truncate[4]", 2, "asc", "nulls-first")])
    check("rows of the old spec", table.scan().to_arrow().num_rows, 12)
    table = lab.edit("spec|bucket(16, id), month(at)", base=lab.last)
    check("field ids are reused", [f.field_id for f in table.spec().fields], [1001, 1003])
    check("specs", [s.spec_id for s in table.metadata.partition_specs], [0, 1, 2])
    check("filtered", table.scan(row_filter="id = 2").to_arrow().num_rows, 4)


def refs(lab):
    ids = [s.snapshot_id for s in StaticTable.from_metadata(lab.base).metadata.snapshots]
    table = lab.edit(f"branch|dev|{ids[1]}|864000000|172800000|3", f"tag|v1|{ids[0]}")
    found = table.metadata.refs
    check("refs", sorted(found), ["dev", "main", "v1"])
    check("branch", (found["dev"].snapshot_id, found["dev"].max_ref_age_ms,
                     found["dev"].max_snapshot_age_ms, found["dev"].min_snapshots_to_keep),
          (ids[1], 864000000, 172800000, 3))
    check("tag", (found["v1"].snapshot_id, found["v1"].snapshot_ref_type.value), (ids[0], "tag"))
    check("rows of the tag", table.scan(snapshot_id=ids[0]).to_arrow().num_rows, 3)
    tagged = lab.last
    table = lab.edit(f"rollback|{ids[2]}")
    check("rolled back", (table.metadata.current_snapshot_id, table.scan().to_arrow().num_rows),
          (ids[2], 9))
    check("log", table.metadata.snapshot_log[-1].snapshot_id, ids[2])
    far = int(time.time() * 1000) + 10**9
    table = lab.edit(f"expire|{far}|0", base=tagged)
    check("young snapshots stay", len(table.metadata.snapshots), 4)
    table = lab.edit("set|vecstore.expire.min-age-ms|0", f"expire|{far}|0", base=tagged)
    check("expired", [s.snapshot_id for s in table.metadata.snapshots], [ids[0], ids[1], ids[3]])
    check("log after expiry", [e.snapshot_id for e in table.metadata.snapshot_log], [ids[3]])
    check("rows after expiry", table.scan().to_arrow().num_rows, 12)


def versions(lab):
    table = lab.edit("upgrade|3", "add|d|date|||\"2025-01-31\"", "set|a|b")
    check("version", table.metadata.format_version, 3)
    check("next row id", table.metadata.next_row_id, 0)
    field = table.schema().find_field("d")
    check("defaults", (str(field.initial_default), str(field.write_default)),
          ("2025-01-31", "2025-01-31"))
    check("property", table.properties["a"], "b")
    check("rows", table.scan(selected_fields=("id",)).to_arrow().num_rows, 12)
    lab.edit("upgrade|1", expect_error="cannot go back")
    one = json.load(open(lab.base, encoding="utf-8"))
    one["format-version"] = 1
    for key in ("last-sequence-number", "refs", "sort-orders", "default-sort-order-id",
                "table-uuid", "last-partition-id"):
        one.pop(key, None)
    for snapshot in one["snapshots"]:
        snapshot.pop("sequence-number", None)
    path = os.path.join(lab.folder, "one.json")
    json.dump(one, open(path, "w", encoding="utf-8"))
    lab.edit("set|a|b", base=path, expect_error="--set-format-version 2")
    table = lab.edit("upgrade|2", base=path)
    check("upgraded", (table.metadata.format_version, table.metadata.last_partition_id,
                       sorted(table.metadata.refs)), (2, 999, ["main"]))


with tempfile.TemporaryDirectory() as temporary:
    made = make_table(temporary)
    laboratory = Lab(temporary, made.metadata_location[len("file://"):])
    for part in (schemas, partitioning, refs, versions):
        part(laboratory)
    print(f"{laboratory.count} edits read by PyIceberg, {failures} failures")
sys.exit(1 if failures else 0)
