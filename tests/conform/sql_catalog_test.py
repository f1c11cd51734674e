#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The SQL catalog beside PyIceberg's SqlCatalog: both open one SQLite file unchanged and take turns.

usage: sql_catalog_test.py PATH_TO_CATALOG_TOOL [unittest arguments]     (exit status 77: a part is missing)
"""
import datetime, os, shutil, sqlite3, subprocess, sys, tempfile, unittest

try:
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError
    from pyiceberg.schema import Schema
    from pyiceberg.types import DateType, DoubleType, FloatType, ListType, LongType, NestedField, StringType
except ImportError as e:
    print(f"not run: {e}; VECSTORE_PYTHON has to name a Python with pyiceberg[sql-sqlite] and pyarrow")
    sys.exit(77)

TOOL = os.path.abspath(sys.argv.pop(1))
ROUNDS = 6
SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True), NestedField(2, "text", StringType()),
    NestedField(3, "embedding", ListType(6, FloatType(), element_required=False)),
    NestedField(4, "score", DoubleType()), NestedField(5, "day", DateType()), identifier_field_ids=[1])
ARROW = pa.schema([pa.field("id", pa.int64(), nullable=False), ("text", pa.string()), ("embedding", pa.list_(pa.float32())),
                   ("score", pa.float64()), ("day", pa.date32())])


def row(i):
    """The rows of tests/support/iceberg_table.h."""
    return {"id": i, "text": None if i % 5 == 0 else f"row {i}", "embedding": None if i % 7 == 0 else [i + k / 2 for k in range(4)],
            "score": i / 4, "day": datetime.date(1970, 1, 1) + datetime.timedelta(days=18000 + i % 10000)}


def rows(first, count):
    return pa.Table.from_pylist([row(i) for i in range(first, first + count)], schema=ARROW)


class SqlCatalogTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="vecstore-sql-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.warehouse = os.path.join(self.dir, "warehouse")
        os.mkdir(self.warehouse)
        self.db = os.path.join(self.dir, "catalog.db")

    def pyiceberg(self, name="default"):
        return SqlCatalog(name, uri=f"sqlite:///{self.db}", warehouse=f"file://{self.warehouse}")

    def tool(self, *args, status=0, name="-"):
        done = subprocess.run([TOOL, "sql", self.warehouse, f"sqlite:///{self.db}", name, *map(str, args)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout.split() if status == 0 else done.stderr

    def check(self, catalog, name, count):
        """Both readers, every value."""
        table = catalog.load_table(name)
        got = sorted(table.scan().to_arrow().to_pylist(), key=lambda r: r["id"])
        self.assertEqual(got, [row(i) for i in range(count)])
        self.assertEqual(self.tool("rows", name), [str(i) for i in range(count)])
        self.assertEqual(self.tool("location", name), [table.metadata_location])
        return table

    def take_turns(self, catalog, name):
        count = 0
        for turn in range(ROUNDS):
            if turn % 2 == 0:
                catalog.load_table(name).append(rows(count, 3))
                count += 3
            else:
                self.tool("append", name, count, 2)
                count += 2
            table = self.check(catalog, name, count)
        self.assertEqual(len(table.metadata.snapshots), ROUNDS)
        with sqlite3.connect(self.db) as db:  # the row tells where it came from
            before, = db.execute("SELECT previous_metadata_location FROM iceberg_tables").fetchone()
        self.assertEqual(before, table.metadata.metadata_log[-1].metadata_file)

    def test_their_table(self):
        catalog = self.pyiceberg()
        catalog.create_namespace("n")
        catalog.create_table("n.t", SCHEMA)
        self.take_turns(catalog, "n.t")
        with self.assertRaises(TableAlreadyExistsError):
            catalog.create_table("n.t", SCHEMA)
        self.assertIn("EXISTS", self.tool("create", "n.t", status=1))

    def test_our_table(self):
        self.tool("create", "n.t")
        catalog = self.pyiceberg()
        self.assertEqual(catalog.list_namespaces(), [("n",)])
        self.assertEqual(catalog.load_namespace_properties("n"), {"exists": "true"})
        self.assertEqual(catalog.list_tables("n"), [("n", "t")])
        self.take_turns(catalog, "n.t")
        self.tool("drop", "n.t")
        with self.assertRaises(NoSuchTableError):
            catalog.load_table("n.t")

    def test_stale_writer_loses_nothing(self):
        """A PyIceberg transaction that was begun before our commit is retried or refused, never applied over it."""
        self.tool("create", "n.t")
        stale = self.pyiceberg().load_table("n.t")
        self.tool("append", "n.t", 0, 2)
        try:
            stale.append(rows(2, 2))
            expected = 4
        except Exception:
            expected = 2
        self.check(self.pyiceberg(), "n.t", expected)

    def test_version_0(self):
        """A file without the column iceberg_type, as older PyIceberg and Java make it, stays as it is."""
        with sqlite3.connect(self.db) as db:
            db.execute("CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, "
                       "metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), PRIMARY KEY (catalog_name, table_namespace, table_name))")
            db.execute("CREATE TABLE iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255), "
                       "property_value VARCHAR(1000), PRIMARY KEY (catalog_name, namespace, property_key))")
        self.tool("create", "n.t")
        self.take_turns(self.pyiceberg(), "n.t")
        with sqlite3.connect(self.db) as db:
            self.assertNotIn("iceberg_type", [c[1] for c in db.execute("PRAGMA table_info(iceberg_tables)")])

    def test_rows_of_others(self):
        """Views are no tables; odd names are left out of lists, namespaces of several levels are in; other catalogs are other catalogs."""
        catalog = self.pyiceberg()
        for namespace in ("n", "a", "a.b"):
            catalog.create_namespace(namespace)
        for name in ("n.t", "a.b.deep", "n.with space"):
            catalog.create_table(tuple(name.rsplit(".", 1)[0].split(".")) + (name.rsplit(".", 1)[1],), SCHEMA)
        with sqlite3.connect(self.db) as db:
            db.execute("INSERT INTO iceberg_tables VALUES ('default', 'n', 'v', 'file:///nowhere', NULL, 'VIEW')")
            db.execute("INSERT INTO iceberg_tables VALUES ('default', 'n', 'empty', NULL, NULL, 'TABLE')")
        self.assertEqual(self.tool("list"), ["a.b.deep", "n.empty", "n.t"])
        self.assertIn("NOT_FOUND", self.tool("rows", "n.v", status=1))
        self.assertIn("EXISTS", self.tool("create", "n.v", status=1))
        self.assertIn("CORRUPT", self.tool("rows", "n.empty", status=1))
        self.assertIn("NOT_FOUND", self.tool("drop", "n.v", status=1))
        self.assertEqual(self.tool("list", name="other"), [])
        self.tool("create", "n.t", name="other")
        self.pyiceberg("other").load_table("n.t").append(rows(0, 1))

    def test_adopted(self):
        """A table of the filesystem catalog, adopted; then both write it."""
        done = subprocess.run([TOOL, "filesystem", self.warehouse, "-", "-", "create", "x.y"], timeout=60)
        self.assertEqual(done.returncode, 0)
        self.tool("register", "n.t", f"file://{self.warehouse}/x/y/metadata/v1.metadata.json")
        self.take_turns(self.pyiceberg(), "n.t")

    def test_injection(self):
        """Names from outside are values, never text of a statement."""
        self.tool("create", "n.t")
        for name in ("n.t' OR '1'='1", "n.t; DROP TABLE iceberg_tables"):
            self.assertIn("INVALID", self.tool("rows", name, status=1))
        catalog_name = "x'); DROP TABLE iceberg_tables; --"
        self.tool("create", "n.t", name=catalog_name)
        self.assertEqual(self.tool("list", name=catalog_name), ["n.t"])
        self.assertEqual(self.tool("list"), ["n.t"])


if __name__ == "__main__":
    unittest.main()
