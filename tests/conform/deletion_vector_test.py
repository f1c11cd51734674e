#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Deletion vectors that vecstore wrote, read by PyIceberg and by DuckDB.

Usage: deletion_vector_test.py PATH_OF_vector_table
Exits with 77 (skipped) and the reason where neither reader can be had.
"""
import os
import subprocess
import sys
import tempfile
import urllib.parse


def expected():
    gone = {p for p in range(1000) if p % 7 == 3} | {p for p in range(200, 300)}
    first = [i for i in range(1000) if i not in gone]
    second = [1000 + i for i in range(1000) if not 200 <= i < 300]
    return first + second


def with_pyiceberg(metadata):
    from pyiceberg.table import StaticTable

    table = StaticTable.from_metadata(metadata)
    assert table.metadata.format_version == 3
    ids = sorted(table.scan(selected_fields=("id",)).to_arrow()["id"].to_pylist())
    assert ids == expected(), f"PyIceberg reads {len(ids)} rows, {len(expected())} are there"
    snapshot = table.current_snapshot()
    deletes = [m for m in snapshot.manifests(table.io) if m.content == 1]
    entries = [e for m in deletes for e in m.fetch_manifest_entry(table.io)]
    assert sorted(e.data_file.record_count for e in entries) == [100, 143 + 100 - 14], (
        f"cardinalities {[e.data_file.record_count for e in entries]}"
    )
    return "PyIceberg"


def duckdb_connection():
    """A connection with the iceberg extension, from the packages duckdb_ext_avro and _iceberg."""
    import duckdb

    folder = os.path.join(os.path.dirname(duckdb.__file__), "..", "duckdb_ext", "extensions")
    connection = duckdb.connect(
        config={"extension_directory": folder, "autoinstall_known_extensions": "false"}
    )
    connection.execute("LOAD avro; LOAD iceberg")
    return connection


def with_duckdb(metadata):
    connection = duckdb_connection()
    path = urllib.parse.urlparse(metadata).path
    rows = connection.execute(
        f"SELECT id FROM iceberg_scan('{path}') ORDER BY id"
    ).fetchall()
    ids = [row[0] for row in rows]
    assert ids == expected(), f"DuckDB reads {len(ids)} rows, {len(expected())} are there"
    return "DuckDB"


def main():
    done, missing = [], []
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            [sys.argv[1], folder], check=True, capture_output=True, text=True
        )
        metadata = made.stdout.strip()
        for name, read in (("pyiceberg", with_pyiceberg), ("duckdb", with_duckdb)):
            try:
                __import__(name)
                if name == "duckdb":
                    duckdb_connection().close()
            except Exception as error:  # the package or its extension is not installed
                missing.append(f"{name} ({type(error).__name__})")
                continue
            done.append(read(metadata))
    for name in missing:
        print(f"SKIP: no {name}")
    if not done:
        sys.exit(77)
    print(f"{len(expected())} rows equal in: {', '.join(done)}")


if __name__ == "__main__":
    main()
