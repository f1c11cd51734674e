#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Catalog files that several programs share: SQLite with PyIceberg's SqlCatalog and Java's JdbcCatalog, folders with Java's HadoopCatalog.

usage: catalogs.py [TEST…]      (VECSTORE_BIN names the command; what is not there is skipped by name)

Each direction: a table made by one is opened by the others unchanged, written by all in turn, renamed nowhere, dropped by one and gone for all.
"""
import glob
import os
import sqlite3
import sys

import interop_parts as parts
from interop_parts import Vecstore, expect, same

try:
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.exceptions import NoSuchTableError
    from pyiceberg.schema import Schema
    from pyiceberg.types import FloatType, ListType, LongType, NestedField, StringType
except ImportError as missing:
    print(f"SKIP catalogs: this Python has no {missing.name} (tools/setup_interop.sh python)")
    sys.exit(77)

folder = parts.scratch("catalogs")
shared = {}


def spark():
    if "spark" not in shared:
        shared["spark"] = parts.Spark(os.path.join(folder, "spark"))
    return shared["spark"]


def make_row(i):
    return {"id": i, "text": None if i % 5 == 0 else f"row {i} é", "embedding": [i + k / 2 for k in range(4)]}


def arrow(rows):
    return pa.Table.from_pylist(rows, schema=pa.schema([pa.field("id", pa.int64(), nullable=False), ("text", pa.string()), ("embedding", pa.list_(pa.float32()))]))


class Shared:
    """One SQLite file, one catalog name, three programs."""

    def __init__(self, name):
        self.folder = os.path.join(folder, name)
        self.warehouse, self.db, self.name, self.rows = os.path.join(self.folder, "w"), os.path.join(self.folder, "catalog.db"), name, {}
        os.makedirs(self.warehouse)
        self.vecstore = Vecstore("--warehouse", self.warehouse, "--catalog", "sql", "--catalog-uri", self.db, "--catalog-name", name)

    def pyiceberg(self):
        return SqlCatalog(self.name, uri=f"sqlite:///{self.db}", warehouse=f"file://{self.warehouse}")

    def java(self, statement, version="V1"):
        spark().catalog(self.name, {"catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog", "uri": f"jdbc:sqlite:{self.db}", "warehouse": f"file://{self.warehouse}",
                                    "jdbc.schema-version": version, "clients": "1", "cache-enabled": "false"})
        try:
            return spark().sql(statement.replace("$", self.name + "."))
        finally:
            spark().close_catalog(self.name)

    def keep(self, rows):
        self.rows.update({r["id"]: r for r in rows})
        return rows

    def check(self, what, java=True):
        ordered = [self.rows[i] for i in sorted(self.rows)]
        same(sorted(self.pyiceberg().load_table("ns.t").scan().to_arrow().to_pylist(), key=lambda r: r["id"]), ordered, f"{what}: PyIceberg")
        same([r for _, r in sorted(self.vecstore.rows("ns.t").items())], ordered, f"{what}: vecstore")
        if java:
            found = self.java("SELECT id, text, embedding FROM $ns.t ORDER BY id")
            same([dict(zip(("id", "text", "embedding"), r)) for r in found], ordered, f"{what}: Spark")

    def columns(self):
        with sqlite3.connect(self.db) as db:
            return sorted(tuple(r) for r in db.execute("SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'"))

    def turns(self, java=True):
        first = 100
        for _ in range(2):
            self.vecstore("ingest", "ns.t", "-", rows=self.keep([make_row(i) for i in range(first, first + 5)]))
            self.check("after vecstore", java=False)
            self.pyiceberg().load_table("ns.t").append(arrow(self.keep([make_row(i) for i in range(first + 5, first + 10)])))
            self.check("after PyIceberg", java=False)
            if java:
                i = first + 10
                self.keep([make_row(i)])
                text = "NULL" if i % 5 == 0 else f"'row {i} é'"
                self.java(f"INSERT INTO $ns.t VALUES ({i}, {text}, ARRAY({','.join(f'CAST({i + k / 2} AS FLOAT)' for k in range(4))}))")
                self.check("after Spark")
            first += 20


def test_sql_made_by_vecstore():
    s = Shared("ours")
    s.vecstore("table", "create", "ns.t", "--dim", "4", "--schema", "id long, text string")
    before = s.columns()
    same(s.pyiceberg().list_tables("ns"), [("ns", "t")], "PyIceberg's list")
    same([r[1] for r in s.java("SHOW TABLES IN $ns")], ["t"], "Spark's list")
    s.turns()
    same(s.columns(), before, "the schema of the SQLite file")
    s.vecstore("index", "build", "ns.t")
    s.check("after index build")
    s.vecstore("table", "drop", "ns.t", "--yes")
    try:
        s.pyiceberg().load_table("ns.t")
        raise parts.Failure("PyIceberg still has the table")
    except NoSuchTableError:
        pass
    same(s.java("SHOW TABLES IN $ns"), [], "Spark's list after the drop")


def test_sql_made_by_pyiceberg():
    s = Shared("python")
    catalog = s.pyiceberg()
    catalog.create_namespace("ns")
    catalog.create_table("ns.t", Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "text", StringType()),
                                        NestedField(3, "embedding", ListType(4, FloatType(), element_required=False)), identifier_field_ids=[1]),
                         properties={"vecstore.vector.embedding.dimension": "4", "vecstore.vector.embedding.metric": "l2"})
    before = s.columns()
    same([t["name"] for t in s.vecstore("table", "list")["tables"]], ["ns.t"], "our list")
    s.turns()
    same(s.columns(), before, "the schema of the SQLite file")
    catalog = s.pyiceberg()
    catalog.drop_table("ns.t")
    s.vecstore.refused(3, "table", "describe", "ns.t")


def made_by_java(version):
    s = Shared("java" + version)
    s.java("CREATE NAMESPACE $ns", version)
    s.java("CREATE TABLE $ns.t (id BIGINT NOT NULL, text STRING, embedding ARRAY<FLOAT>) TBLPROPERTIES ('vecstore.vector.embedding.dimension'='4', "
           "'vecstore.vector.embedding.metric'='cosine')", version)
    s.java("ALTER TABLE $ns.t SET IDENTIFIER FIELDS id", version)
    before = s.columns()
    same("iceberg_type" in [c for _, c in before], version == "V1", f"schema {version} of Java's file")
    same([t["name"] for t in s.vecstore("table", "list")["tables"]], ["ns.t"], "our list")
    s.vecstore("ingest", "ns.t", "-", rows=s.keep([make_row(i) for i in range(5)]))
    s.check("after vecstore", java=False)
    found = s.java("SELECT id, text, embedding FROM $ns.t ORDER BY id", version)
    same([dict(zip(("id", "text", "embedding"), r)) for r in found], [s.rows[i] for i in sorted(s.rows)], "Spark")
    same(s.columns(), before, "the schema of the SQLite file")
    if version == "V1":
        s.turns()
    s.java("DROP TABLE $ns.t", version)
    s.vecstore.refused(3, "table", "describe", "ns.t")


def test_sql_made_by_java():
    made_by_java("V1")


def test_sql_made_by_java_without_views():
    made_by_java("V0")


def test_sql_other_names():
    """Rows of other catalogs in one file are not seen."""
    s = Shared("mine")
    s.vecstore("table", "create", "ns.t", "--dim", "4")
    other = Vecstore("--warehouse", s.warehouse, "--catalog", "sql", "--catalog-uri", s.db, "--catalog-name", "yours")
    same(other("table", "list")["tables"], [], "tables of another catalog")
    same(SqlCatalog("yours", uri=f"sqlite:///{s.db}", warehouse="file:///nowhere").list_namespaces(), [], "PyIceberg's namespaces of another catalog")


def hadoop(warehouse, statement):
    spark().catalog("folders", {"type": "hadoop", "warehouse": f"file://{warehouse}", "cache-enabled": "false"})
    return spark().sql(statement.replace("$", "folders."))


def test_folders():
    """vN.metadata.json: ours opened by Java's HadoopCatalog, then the reverse."""
    warehouse = os.path.join(folder, "folders")
    vecstore = Vecstore("--warehouse", warehouse)
    vecstore("table", "create", "ns.ours", "--dim", "4", "--schema", "id long, text string")
    vecstore("ingest", "ns.ours", "-", rows=[make_row(i) for i in range(4)])
    same(hadoop(warehouse, "SELECT id FROM $ns.ours ORDER BY id"), [[0], [1], [2], [3]], "Spark's rows of our table")
    hadoop(warehouse, "INSERT INTO $ns.ours VALUES (4, 'x', ARRAY(CAST(1 AS FLOAT), CAST(2 AS FLOAT), CAST(3 AS FLOAT), CAST(4 AS FLOAT)))")
    same(sorted(vecstore.rows("ns.ours")), [0, 1, 2, 3, 4], "our rows after Spark's insert")
    hadoop(warehouse, "CREATE TABLE $ns.theirs (id BIGINT NOT NULL, embedding ARRAY<FLOAT>) USING iceberg TBLPROPERTIES "
           "('vecstore.vector.embedding.dimension'='4', 'vecstore.vector.embedding.metric'='cosine')")
    hadoop(warehouse, "ALTER TABLE $ns.theirs SET IDENTIFIER FIELDS id")
    vecstore("ingest", "ns.theirs", "-", rows=[{"id": 1, "embedding": [1, 2, 3, 4]}])
    same(hadoop(warehouse, "SELECT id FROM $ns.theirs"), [[1]], "Spark's rows after our append")
    hadoop(warehouse, "INSERT INTO $ns.theirs VALUES (2, ARRAY(CAST(1 AS FLOAT), CAST(2 AS FLOAT), CAST(3 AS FLOAT), CAST(5 AS FLOAT)))")
    same(sorted(vecstore.rows("ns.theirs")), [1, 2], "our rows")
    versions = [os.path.basename(f) for f in glob.glob(os.path.join(warehouse, "ns", "theirs", "metadata", "v*.metadata.json"))]
    expect(sorted(versions) == [f"v{n}.metadata.json" for n in range(1, len(versions) + 1)], f"versions {sorted(versions)}")


def test_register():
    """A table of PyIceberg's own catalog is adopted by ours, another catalog's file, and searched."""
    s = Shared("from")
    catalog = s.pyiceberg()
    catalog.create_namespace("ns")
    table = catalog.create_table("ns.t", Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "text", StringType()),
                                                NestedField(3, "embedding", ListType(4, FloatType(), element_required=False)), identifier_field_ids=[1]))
    table.append(arrow([make_row(i) for i in range(9)]))
    to = Vecstore("--warehouse", s.warehouse, "--catalog", "sql", "--catalog-uri", os.path.join(s.folder, "to.db"))
    to("table", "register", "other.name", table.metadata_location)
    to("table", "alter", "other.name", "vecstore.vector.embedding.dimension=4", "vecstore.vector.embedding.metric=cosine")
    same(to.hits("other.name", make_row(8)["embedding"], 1)[0][0][0], 8, "nearest row")
    to("ingest", "other.name", "-", rows=[make_row(50)])
    theirs = SqlCatalog("default", uri=f"sqlite:///{s.folder}/to.db", warehouse=f"file://{s.warehouse}")
    same(sorted(theirs.load_table("other.name").scan().to_arrow()["id"].to_pylist()), [*range(9), 50], "PyIceberg through the new catalog")


if __name__ == "__main__":
    parts.binary()
    parts.run_tests("catalogs", {n.removeprefix("test_"): f for n, f in sorted(globals().items()) if n.startswith("test_")}, sys.argv[1:])
