#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyIceberg and DuckDB read a table before and after compaction: the same rows of every snapshot; files that PyIceberg wrote are
compacted; four writing processes and a compacting one lose nothing.

usage: compact_interop_test.py PATH_TO_VECSTORE [unittest arguments]     (exit status 77: a part is missing)
"""
import json, os, shutil, subprocess, sys, tempfile, threading, unittest

try:
    import duckdb
    import pyarrow.parquet as pq
    from pyiceberg.table import StaticTable
except ImportError as e:
    print(f"not run: {e}; VECSTORE_PYTHON has to name a Python with pyiceberg, pyarrow and duckdb")
    sys.exit(77)

BINARY = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and os.path.exists(sys.argv[1]) else os.environ.get("VECSTORE_BIN", "")
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("VECSTORE_")}
TABLE = "t.rows"


def local(uri):
    return uri[len("file://"):] if uri.startswith("file://") else uri


def row(i, text="row"):
    return {"id": i, "lang": "de" if i % 3 else "en", "title": None if i % 11 == 0 else f"{text} {i} é",
            "embedding": [i % 17 - 8, i % 5 + 1, (i * i) % 23 - 11, i]}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vecstore-compact-")
        self.warehouse = os.path.join(self.folder, "w")

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def run_raw(self, *args):
        return subprocess.run([BINARY, "--warehouse", self.warehouse, "--json", *map(str, args)],
                              capture_output=True, text=True, env=CLEAN, timeout=120)

    def ask(self, *args):
        done = self.run_raw(*args)
        self.assertEqual(done.returncode, 0, f"{args}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout else None

    def create(self, *args):
        self.ask("table", "create", TABLE, "--dim", 4, "--schema", "id long, lang string, title string", *args)

    def file_of(self, rows, name="rows.jsonl"):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in rows)
        return path

    def ingest(self, rows, *args):
        return self.ask("ingest", TABLE, self.file_of(rows), *args)

    def table(self):
        return StaticTable.from_metadata(local(self.ask("table", "describe", TABLE)["metadata"]))

    def pyiceberg_rows(self, snapshot=None):
        table = self.table()
        found = table.scan(snapshot_id=snapshot).to_arrow().to_pylist()
        return sorted(found, key=lambda r: r["id"])

    def duckdb_rows(self):
        db = duckdb.connect()
        try:
            db.execute("LOAD iceberg")
        except duckdb.Error:
            return None
        path = local(self.ask("table", "describe", TABLE)["metadata"])
        found = db.execute(f"SELECT * FROM iceberg_scan('{path}') ORDER BY id").fetch_arrow_table()
        return found.to_pylist()

    def answers(self):
        asked = []
        for vector in ("[1,2,3,1]", "[-5,1,0,1]", "[8,3,-9,1]"):
            for more in ([], ["--exact"], ["--filter", "lang = 'en'"]):
                found = self.ask("query", TABLE, "--vector", vector, "-k", 9, *more)
                asked.append([(h["id"], h["score"]) for h in found["results"][0]["hits"]])
        return asked

    def compact(self, **expected):
        report = self.ask("table", "compact", TABLE)
        for key, value in expected.items():
            self.assertEqual(report[key], value, report)
        self.ask("table", "check", TABLE)
        return report


class Versions(Case):
    def check(self, *create, version=2):
        self.create("--format-version", version, *create)
        for start in range(0, 300, 50):
            self.ingest(row(i) for i in range(start, start + 50))
        self.ask("index", "build", TABLE)
        self.ask("delete", TABLE, "--filter", "id >= 40 AND id < 70")
        self.ingest((row(i, "new") for i in range(120, 140)), "--upsert")
        expected = [row(i, "new" if 120 <= i < 140 else "row") for i in range(300) if not 40 <= i < 70]
        before = self.pyiceberg_rows() if version == 2 else None
        old = self.table().metadata.current_snapshot_id
        answers = self.answers()
        report = self.compact(index="remapped", rows=250)  # the 20 new ones are not indexed: a file of their own
        self.assertGreater(report["removed_delete_files"], 0)
        self.assertEqual(self.answers(), answers)
        after = self.pyiceberg_rows()
        self.assertEqual([{**r, "embedding": [int(x) for x in r["embedding"]]} for r in after], expected)
        if version == 2:
            self.assertEqual(after, before)
            self.assertEqual(self.pyiceberg_rows(old), before)
        duck = self.duckdb_rows()
        if duck is not None:
            self.assertEqual(duck, after)
        # What the metadata says of the new snapshot, as PyIceberg reads it.
        table = self.table()
        snapshot = table.current_snapshot()
        self.assertEqual(snapshot.summary.operation.value, "replace")
        for manifest in snapshot.manifests(table.io):
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                self.assertTrue(os.path.exists(local(entry.data_file.file_path)))
                if int(manifest.content) == 0 and entry.snapshot_id == snapshot.snapshot_id:
                    self.assertLess(entry.sequence_number, snapshot.sequence_number)

    def test_version_2(self):
        self.check()

    def test_partitioned(self):
        self.check("--partition-by", "lang, bucket(2, id)")

    def test_version_3(self):
        self.check(version=3)
        # Row lineage is stored: one id a row, none given twice, and the numbers of older snapshots.
        table = self.table()
        ids = []
        for manifest in table.current_snapshot().manifests(table.io):
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True) if int(manifest.content) == 0 else []:
                columns = pq.read_table(local(entry.data_file.file_path))
                if "_row_id" in columns.column_names:
                    field = columns.schema.field("_row_id").metadata[b"PARQUET:field_id"]
                    self.assertEqual(field, b"2147483540")
                    ids += columns["_row_id"].to_pylist()
                    numbers = columns["_last_updated_sequence_number"].to_pylist()
                    self.assertTrue(all(0 < n <= entry.sequence_number for n in numbers))
        self.assertGreater(len(ids), 0)
        self.assertEqual(len(set(ids)), len(ids))


class Race(Case):
    """Writers insert, upsert and delete in rows of their own while another process compacts again and again."""

    def writer(self, number, problems):
        try:
            for step in range(4):
                first = number * 1000 + step * 100
                path = self.file_of((row(i) for i in range(first, first + 30)), f"w{number}.jsonl")
                self.write("ingest", TABLE, path)
                self.write("delete", TABLE, "--filter", f"id >= {first} AND id < {first + 10}")
                path = self.file_of((row(i, "new") for i in range(first + 20, first + 25)), f"w{number}.jsonl")
                self.write("ingest", TABLE, path, "--upsert")
        except Exception as e:
            problems.append(f"writer {number}: {e!r}")

    def write(self, *args):
        for _ in range(20):  # a conflict says that nothing was written
            done = self.run_raw(*args)
            if done.returncode == 0:
                return
            if "conflict" not in (done.stdout + done.stderr).lower():
                raise RuntimeError(f"{args}: {done.stdout}{done.stderr}")
        raise RuntimeError(f"{args}: only conflicts")

    def test_race(self):
        self.create()
        self.ingest(row(i) for i in range(100))
        self.ask("index", "build", TABLE)
        problems, compactions, conflicts = [], 0, 0
        writers = [threading.Thread(target=self.writer, args=(n, problems)) for n in range(1, 5)]
        for w in writers:
            w.start()
        while any(w.is_alive() for w in writers):
            done = self.run_raw("table", "compact", TABLE)
            if done.returncode == 0:
                compactions += json.loads(done.stdout)["rewritten_files"] > 0
            elif "CONFLICT" in done.stdout + done.stderr or "meanwhile" in done.stdout + done.stderr:
                conflicts += 1
            else:
                problems.append(f"compact: {done.stdout}{done.stderr}")
        for w in writers:
            w.join()
        self.assertEqual(problems, [])
        self.assertGreater(compactions, 0)
        self.compact()
        expected = {i: row(i) for i in range(100)}
        for first in (n * 1000 + step * 100 for n in range(1, 5) for step in range(4)):
            expected.update({i: row(i, "new" if 20 <= i - first < 25 else "row") for i in range(first + 10, first + 30)})
        found = self.pyiceberg_rows()
        self.assertEqual([{**r, "embedding": [int(x) for x in r["embedding"]]} for r in found], [expected[i] for i in sorted(expected)])
        print(f"{compactions} compactions and {conflicts} conflicts beside four writers", file=sys.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
