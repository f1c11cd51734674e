# SPDX-License-Identifier: Apache-2.0
"""A REST catalog that somebody else made, with PyIceberg and vecstore writing to it in turns.

usage: rest_catalog_test.py REST_TOOL   (tests/support/rest_tool.c)

VECSTORE_TEST_REST_URI       the service; without it the test is skipped
VECSTORE_TEST_REST_SETTINGS  "key=value key=value": settings of both clients (S3 endpoint, keys, …)
The service must let anybody create namespaces. What is made is dropped again.
"""
import os
import subprocess
import sys
import uuid


def skip(reason):
    print(f"SKIP rest_catalog_test: {reason}")
    sys.exit(77)


URI = os.environ.get("VECSTORE_TEST_REST_URI")
SETTINGS = os.environ.get("VECSTORE_TEST_REST_SETTINGS", "").split()
if not URI:
    skip("VECSTORE_TEST_REST_URI is not set")
try:
    import pyarrow as pa
    from pyiceberg.catalog.rest import RestCatalog
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
    from pyiceberg.types import StringType
except ImportError as missing:
    skip(f"this Python has no {missing.name}")

TOOL = sys.argv[1]
checks = 0


def command(*arguments):
    return [TOOL, URI, *map(str, arguments), "--", *SETTINGS]


def tool(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.stderr.strip()}")
    return done.stdout.split("\n")[:-1]


def refused(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, f"{arguments} should have failed"
    return done.stderr.strip()


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        raise AssertionError(what)


def arrow_rows(first, count):
    """The rows of tests/support/iceberg_table.h."""
    ids = range(first, first + count)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "text": pa.array([None if i % 5 == 0 else f"row {i}" for i in ids], pa.string()),
            "embedding": pa.array(
                [None if i % 7 == 0 else [i + k / 2 for k in range(4)] for i in ids],
                pa.list_(pa.float32()),
            ),
            "score": pa.array([i / 4 for i in ids], pa.float64()),
            "day": pa.array([18000 + i for i in ids], pa.int32()).cast(pa.date32()),
        },
        schema=pa.schema(
            [
                pa.field("id", pa.int64(), nullable=False),
                pa.field("text", pa.string()),
                pa.field("embedding", pa.list_(pa.float32())),
                pa.field("score", pa.float64()),
                pa.field("day", pa.date32()),
            ]
        ),
    )


def same_rows(catalog, name, expected):
    """Both readers see exactly these ids, and PyIceberg sees the values that belong to them."""
    check([int(line) for line in tool("rows", name)] == expected, f"{name}: rows by vecstore")
    found = catalog.load_table(name).scan().to_arrow().sort_by("id")
    check(found.column("id").to_pylist() == expected, f"{name}: rows by PyIceberg")
    for row in found.to_pylist():
        i = row["id"]
        check(row["text"] == (None if i % 5 == 0 else f"row {i}"), f"{name}: text of {i}")
        check(row["score"] == i / 4, f"{name}: score of {i}")
        wanted = None if i % 7 == 0 else [i + k / 2 for k in range(4)]
        check(row["embedding"] == wanted, f"{name}: embedding of {i}")


def main():
    settings = dict(item.split("=", 1) for item in SETTINGS)
    if "client.region" in settings:
        settings["s3.region"] = settings["client.region"]
    catalog = RestCatalog("test", uri=URI, **settings)
    space = "vs" + uuid.uuid4().hex[:10]
    name = f"{space}.turns"

    tool("create", name)  # makes the namespace too
    check((space, "turns") in catalog.list_tables(space), "PyIceberg lists the table")
    check(name in tool("list"), "vecstore lists the table")
    check("EXISTS" in refused("create", name), "a second create is refused")
    properties = catalog.load_table(name).properties
    check(properties.get("vecstore.vector.embedding.dimension") == "4", "properties arrive")

    expected = []
    for turn in range(6):  # in turns
        first = turn * 10
        if turn % 2 == 0:
            tool("append", name, first, 10)
        else:
            catalog.load_table(name).append(arrow_rows(first, 10))
        expected += range(first, first + 10)
        same_rows(catalog, name, expected)

    # Statistics and properties, without a new snapshot.
    table = catalog.load_table(name)
    snapshot = table.metadata.current_snapshot_id
    path = table.location() + "/metadata/i-vecstore.puffin"
    tool("statistics", name, path)
    tool("property", name, "owner", "team é")
    table = catalog.load_table(name)
    check(table.metadata.current_snapshot_id == snapshot, "no new snapshot")
    check([(s.snapshot_id, s.statistics_path, s.file_size_in_bytes) for s in table.metadata.statistics]
          == [(snapshot, path, 100)], "the statistics file is registered")
    check(table.properties["owner"] == "team é", "the property is set")
    check(tool("current", name) == ["yes"], "is_current")

    # The schema changed by the other side, and back.
    with table.update_schema() as update:
        update.add_column("more", StringType())
    tool("property", name, "after", "schema")
    check([int(line) for line in tool("rows", name)] == expected, "rows under the new schema")
    with catalog.load_table(name).update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("more")
    tool("append", name, 60, 10)
    expected += range(60, 70)
    same_rows(catalog, name, expected)

    # 8 writers at the same time: every row exactly once.
    writers = [
        subprocess.Popen(command("append", name, 1000 + 10 * k, 10), stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
        for k in range(8)
    ]
    attempts = []
    for writer in writers:
        out, errors = writer.communicate(timeout=300)
        check(writer.returncode == 0, f"a concurrent writer: {errors}")
        attempts.append(int(out.split()[0]))
    expected += range(1000, 1080)
    same_rows(catalog, name, expected)
    print(f"8 concurrent writers: attempts {sorted(attempts)}")

    # Register what is there under another name, drop both names.
    metadata = tool("location", name)[0]
    if metadata.startswith(("s3", "file")):
        tool("register", f"{space}.again", metadata)
        check([int(line) for line in tool("rows", f"{space}.again")] == expected, "registered")
        tool("drop", f"{space}.again")
        same_rows(catalog, name, expected)  # dropping the name left the files
    deep = f"{space}.inner.t"  # a namespace of two levels
    tool("create", deep)
    tool("append", deep, 0, 3)
    same_rows(catalog, deep, [0, 1, 2])
    check(deep in tool("list"), "vecstore lists the nested table")
    tool("drop", deep)
    tool("drop", name)
    check("NOT_FOUND" in refused("rows", name), "dropped")
    try:
        catalog.load_table(name)
        check(False, "PyIceberg still sees the table")
    except NoSuchTableError:
        pass
    check("NOT_FOUND" in refused("drop", name), "a second drop is refused")
    for gone in (f"{space}.inner", space):
        try:
            catalog.drop_namespace(gone)
        except NoSuchNamespaceError:
            pass  # some services know a namespace only by its tables
    print(f"rest_catalog_test: {checks} checks passed")


main()
