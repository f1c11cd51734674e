#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyIceberg and DuckDB read a table after each command that changes or cleans it up: the rows of every snapshot that is left,
and the files that its metadata names.

usage: upkeep_interop_test.py PATH_TO_VECSTORE [unittest arguments]     (exit status 77: a part is missing)
"""
import json, os, shutil, subprocess, sys, tempfile, unittest

try:
    import duckdb
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table import StaticTable
except ImportError as e:
    print(f"not run: {e}; VECSTORE_PYTHON has to name a Python with pyiceberg[sql-sqlite], pyarrow and duckdb")
    sys.exit(77)

BINARY = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and os.path.exists(sys.argv[1]) else os.environ.get("VECSTORE_BIN", "")
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("VECSTORE_")}


def local(uri):
    return uri[len("file://"):] if uri.startswith("file://") else uri


class Case(unittest.TestCase):
    version = 2

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vecstore-upkeep-")
        self.warehouse = os.path.join(self.folder, "w")
        self.expected = {}  # snapshot -> ids
        self.ask("table", "create", "t.rows", "--dim", "3", "--schema", "id long, lang string", "--format-version", str(self.version))

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, *args, code=0):
        done = subprocess.run([BINARY, "--warehouse", self.warehouse, "--json", *args], capture_output=True, text=True, env=CLEAN, timeout=120)
        self.assertEqual(done.returncode, code, f"{args}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout else None

    def write(self, ids, *args):
        path = os.path.join(self.folder, "rows.jsonl")
        with open(path, "w") as f:
            f.writelines(json.dumps({"id": i, "lang": "de" if i % 2 else "en", "embedding": [i, 1, 2]}) + "\n" for i in ids)
        return self.ask("ingest", "t.rows", path, *args)["snapshot_id"]

    def table(self):
        return StaticTable.from_metadata(local(self.ask("table", "describe", "t.rows")["metadata"]))

    def note(self, snapshot, ids):
        if snapshot is not None:
            self.expected[int(snapshot)] = sorted(ids)

    def verify(self):
        """Every snapshot that the metadata lists reads as noted; everything named is there."""
        table = self.table()
        left = {s.snapshot_id for s in table.metadata.snapshots}
        for snapshot in left:
            self.assertIn(snapshot, self.expected)
            if self.version == 2:
                rows = table.scan(snapshot_id=snapshot, selected_fields=("id",)).to_arrow()
                self.assertEqual(sorted(rows["id"].to_pylist()), self.expected[snapshot], f"snapshot {snapshot}")
            for manifest in table.snapshot_by_id(snapshot).manifests(table.io):
                self.assertTrue(os.path.exists(local(manifest.manifest_path)), manifest.manifest_path)
                for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                    self.assertTrue(os.path.exists(local(entry.data_file.file_path)), entry.data_file.file_path)
        for statistics in table.metadata.statistics:
            self.assertTrue(os.path.exists(local(statistics.statistics_path)))
        self.duck(table)
        return left

    def duck(self, table):
        """DuckDB reads the newest snapshot, where its extension can be had."""
        db = duckdb.connect()
        try:
            db.execute("LOAD iceberg")
        except duckdb.Error:
            return
        found = db.execute(f"SELECT id FROM iceberg_scan('{local(table.metadata_location)}') ORDER BY id").fetchall()
        self.assertEqual([r[0] for r in found], self.expected[table.metadata.current_snapshot_id])


class Version2(Case):
    def test_overwrite_branch_expire_orphans(self):
        self.note(self.write(range(0, 20)), range(0, 20))
        self.note(self.write(range(20, 40)), range(0, 40))
        self.ask("table", "tag", "t.rows", "v1")
        self.ask("table", "branch", "t.rows", "dev")
        self.note(self.write(range(100, 105), "--branch", "dev"), [*range(0, 40), *range(100, 105)])
        self.note(self.ask("delete", "t.rows", "--ids", "1,2", "--branch", "dev")["snapshot_id"], [0, *range(3, 40), *range(100, 105)])
        self.verify()
        # a whole file and a part of the other
        self.note(self.write(range(200, 203), "--overwrite", "id < 25"), [*range(25, 40), *range(200, 203)])
        self.verify()
        self.note(self.ask("delete", "t.rows", "--filter", "id >= 25 AND id < 40")["snapshot_id"], range(200, 203))
        self.verify()
        self.note(self.write(range(0, 5), "--overwrite", "*"), range(0, 5))
        self.ask("index", "build", "t.rows")
        self.note(self.ask("delete", "t.rows", "--ids", "4")["snapshot_id"], range(0, 4))
        all_of_them = self.verify()
        self.ask("table", "alter", "t.rows", "vecstore.expire.min-age-ms=0")
        gone = {int(s) for s in self.ask("table", "expire", "t.rows", "--older-than", "0s")["expired"]}
        left = self.verify()
        self.assertEqual(left, all_of_them - gone)
        self.assertEqual(len(left), 3)  # main, dev and v1
        self.assertEqual(self.ask("table", "orphans", "t.rows", "--older-than", "0s", "--force")["orphans"], [])
        self.ask("index", "verify", "t.rows")  # the index is still there, whole
        self.ask("table", "branch", "t.rows", "dev", "--remove")
        self.ask("table", "tag", "t.rows", "v1", "--remove")
        self.ask("table", "expire", "t.rows", "--older-than", "0s")
        self.assertEqual(len(self.verify()), 1)
        self.assertEqual(self.ask("table", "orphans", "t.rows", "--older-than", "0s", "--force")["orphans"], [])
        self.note(self.write(range(50, 60), "--upsert"), [*range(0, 4), *range(50, 60)])
        self.verify()

    def test_rollback(self):
        first = self.write(range(0, 10))
        self.note(first, range(0, 10))
        self.note(self.write(range(10, 20)), range(0, 20))
        self.ask("table", "rollback", "t.rows", "--snapshot", first)
        self.assertEqual(self.table().metadata.current_snapshot_id, int(first))
        self.note(self.write(range(30, 40)), [*range(0, 10), *range(30, 40)])
        self.verify()

    def test_a_table_of_another_engine(self):
        """PyIceberg writes and overwrites; vecstore expires; PyIceberg goes on."""
        catalog = SqlCatalog("default", uri=f"sqlite:///{self.folder}/c.db", warehouse=f"file://{self.folder}/other")
        catalog.create_namespace("n")
        schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("lang", pa.string())])
        table = catalog.create_table("n.t", schema, properties={"vecstore.expire.min-age-ms": "0"})

        def rows(ids):
            return pa.table({"id": pa.array(ids, pa.int64()), "lang": [str(i) for i in ids]}, schema=schema)
        table.append(rows(range(0, 10)))
        table.append(rows(range(10, 20)))
        table.overwrite(rows(range(100, 110)))
        table.delete("id = 105")
        where = ("--catalog", "sql", "--catalog-uri", f"{self.folder}/c.db", "--warehouse", f"{self.folder}/other")
        before = sum(len(f) for _, _, f in os.walk(self.folder + "/other"))
        report = self.ask("table", "expire", "n.t", "--older-than", "0s", *where)
        self.assertGreaterEqual(len(report["expired"]), 3)
        self.assertEqual(report["removed"]["data_files"], 3)
        table.refresh()
        self.assertEqual(sorted(table.scan().to_arrow()["id"].to_pylist()), [i for i in range(100, 110) if i != 105])
        removed = sum(v for k, v in report["removed"].items() if k != "bytes")
        self.assertEqual(sum(len(f) for _, _, f in os.walk(self.folder + "/other")), before - removed + 1)
        orphans = self.ask("table", "orphans", "n.t", "--older-than", "0s", "--force", *where)["orphans"]
        self.assertEqual(orphans, [])
        with open(f"{self.folder}/other/n/t/data/junk.parquet", "w") as f:
            f.write("junk")
        self.assertEqual(self.ask("table", "orphans", "n.t", "--older-than", "0s", "--force", "--remove", *where)["removed"], 1)
        table.append(rows([7]))
        self.assertEqual(table.scan().count(), 10)


class Version3(Case):
    """PyIceberg reads the manifests; rows with deletion vectors are DuckDB's."""
    version = 3

    def test_vectors_go_with_their_files(self):
        self.note(self.write(range(0, 20)), range(0, 20))
        self.note(self.write(range(20, 40)), range(0, 40))
        self.note(self.ask("delete", "t.rows", "--ids", "1,21")["snapshot_id"], {*range(0, 40)} - {1, 21})
        self.note(self.write([200], "--overwrite", "id < 25"), [*range(25, 40), 200])
        self.verify()
        self.ask("table", "alter", "t.rows", "vecstore.expire.min-age-ms=0")
        self.ask("table", "expire", "t.rows", "--older-than", "0s")
        self.assertEqual(len(self.verify()), 1)
        self.assertEqual(self.ask("table", "orphans", "t.rows", "--older-than", "0s", "--force")["orphans"], [])
        self.note(self.ask("delete", "t.rows", "--filter", "id < 100")["snapshot_id"], [200])
        self.verify()
        self.ask("table", "expire", "t.rows", "--older-than", "0s")
        self.verify()
        files = [f for _, _, names in os.walk(self.warehouse + "/t/rows/data") for f in names]
        self.assertEqual(len(files), 1)  # no vector is left


if __name__ == "__main__":
    if not BINARY or not os.access(BINARY, os.X_OK):
        print("no vecstore binary: give its path, or set VECSTORE_BIN")
        sys.exit(77)
    unittest.main(verbosity=1)
