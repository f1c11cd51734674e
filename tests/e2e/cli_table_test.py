#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Commands that change or clean up a table, from outside: alter, tag, branch, rollback, register, expire, orphans, and writes
to branches and by filter. The same harness as cli_test.py.

usage: cli_table_test.py PATH_TO_VECSTORE [unittest arguments]
"""
import json, os, sys, time, unittest

import cli_test as base
from cli_test import row, tree, write_jsonl

DAY = 24 * 3600


class TableCase(base.Case):
    def refused(self, *args, code=2, says=(), **more):
        before = tree(self.warehouse)
        self.wrong(*args, code=code, says=says, **more)
        self.assertEqual(tree(self.warehouse), before, f"{args} left something behind")

    def rows_at(self, *ids, **at):
        place = [x for k, v in at.items() for x in (f"--{k}", str(v))]
        return [r["id"] for r in self.ask("get", "t.rows", "--ids", ",".join(map(str, ids)), *place)["rows"]]

    def write(self, name, ids, *args, **more):
        path = write_jsonl(self.path(name), [row(i, **more) for i in ids])
        return self.ask("ingest", "t.rows", path, *args)

    def snapshots(self):
        return self.ask("table", "snapshots", "t.rows")["snapshots"]

    def data(self):
        return [f for f in tree(self.warehouse) if f.endswith(".parquet")]


class Alter(TableCase):
    def test_columns(self):
        self.make(20)
        report = self.ask("table", "alter", "t.rows", "--add", "price double", "--rename", "title=name", "--drop", "n")
        names = [c["name"] for c in report["schema"]]
        self.assertIn("price", names)
        self.assertIn("name", names)
        self.assertNotIn("n", names)
        fields = self.ask("get", "t.rows", "--ids", "7")["rows"][0]["fields"]
        self.assertEqual((fields["name"], fields["price"]), ("row 7", None))
        write_jsonl(self.path("new.jsonl"), [{"id": 500, "name": "new", "price": 1.5, "embedding": base.vector(500)}])
        self.ask("ingest", "t.rows", self.path("new.jsonl"))
        self.assertEqual(len(self.ids()), 21)
        self.check()

    def test_properties_and_layout(self):
        self.make(20)
        report = self.ask("table", "alter", "t.rows", "owner=me", "--partition-by", "lang")
        self.assertEqual(report["properties"]["owner"], "me")
        self.write("more.jsonl", range(100, 110))
        self.assertTrue(any("/lang=" in f for f in self.data()))
        report = self.ask("table", "alter", "t.rows", "--unset", "owner", "--set-format-version", "3")
        self.assertEqual((report["format_version"], report["properties"].get("owner")), (3, None))
        self.assertEqual(self.ask("delete", "t.rows", "--ids", "101")["deleted"], 1)
        self.assertTrue([f for f in tree(self.warehouse) if f.endswith(".puffin")], "version 3 has deletion vectors")
        self.assertEqual(len(self.ids()), 29)
        self.check()

    def test_mistakes(self):
        self.make(5)
        self.refused("table", "alter", "t.rows", says="nothing to change")
        self.refused("table", "alter", "t.rows", "--drop", "id", says="id")
        self.refused("table", "alter", "t.rows", "--drop", "nope", code=3, says="nope")
        self.refused("table", "alter", "t.rows", "--add", "price nonsense", says="nonsense")
        self.refused("table", "alter", "t.rows", "--set-format-version", "9")
        self.refused("table", "alter", "t.rows", "--set-format-version", "x")
        self.refused("table", "alter", "t.rows", "noequals", says="PROPERTY=VALUE")
        self.refused("table", "alter", "t.none", "a=b", code=3, says="t.none")
        self.refused("table", "alter", "t.rows", "--set-format-version", "2", "--drop", "nope", code=3)


class Refs(TableCase):
    def test_branch_tag_rollback(self):
        self.make(20)
        first = self.snapshots()[0]["snapshot_id"]
        refs = self.ask("table", "tag", "t.rows", "v1")["refs"]
        self.assertIn(("v1", "tag", first), [(r["name"], r["type"], r["snapshot_id"]) for r in refs])
        self.ask("table", "branch", "t.rows", "dev")
        self.write("dev.jsonl", range(100, 105), "--branch", "dev")
        self.assertEqual(self.ask("delete", "t.rows", "--ids", "3", "--branch", "dev")["deleted"], 1)
        self.assertEqual(len(self.ids()), 20)
        self.assertEqual(self.rows_at(3, 101), [3])
        self.assertEqual(self.rows_at(3, 101, ref="dev"), [101])
        self.assertEqual(self.rows_at(3, 101, ref="v1"), [3])
        # an id of main may be new to the branch, and the other way round
        self.write("dev2.jsonl", [3], "--branch", "dev")
        self.write("main.jsonl", [101])
        self.assertEqual(self.rows_at(3, 101, ref="dev"), [3, 101])
        self.write("over.jsonl", [200], "--branch", "dev", "--overwrite", "id >= 100")
        self.assertEqual(self.rows_at(3, 101, 200, ref="dev"), [3, 200])
        self.assertEqual(self.rows_at(3, 101, 200), [3, 101])
        back = self.ask("table", "rollback", "t.rows", "--ref", "v1")
        self.assertEqual(back["snapshot_id"], first)
        self.assertEqual(self.rows_at(101), [])
        self.assertEqual(len(self.ids()), 20)
        self.ask("table", "tag", "t.rows", "v1", "--remove")
        self.assertNotIn("v1", [r["name"] for r in self.ask("table", "branch", "t.rows")["refs"]])
        self.check()

    def test_mistakes(self):
        self.make(5)
        self.ask("table", "tag", "t.rows", "v1")
        self.refused("table", "tag", "t.rows", "v1", code=4, says="--replace")
        self.refused("table", "tag", "t.rows", "main", "--replace")
        self.refused("table", "branch", "t.rows", "main", "--remove")
        self.refused("table", "tag", "t.rows", "nope", "--remove", code=3, says="nope")
        self.refused("table", "rollback", "t.rows", says="which snapshot")
        self.refused("table", "rollback", "t.rows", "--snapshot", "99", code=3, says="99")
        self.refused("ingest", "t.rows", self.path("rows0-5.jsonl"), "--branch", "nope", "--upsert", code=3, says="nope")
        self.refused("ingest", "t.rows", self.path("rows0-5.jsonl"), "--branch", "v1", "--upsert", says="tag")
        self.refused("delete", "t.rows", "--ids", "1", "--branch", "nope", code=3, says="nope")


class Overwrite(TableCase):
    def test_by_filter(self):
        self.make(20)
        self.make(20, first=20)
        report = self.write("a.jsonl", range(100, 103), "--overwrite", "id < 20 OR id = 25")
        self.assertEqual((report["rows"], report["replaced"]), (3, 21))
        self.assertEqual(self.ids(), set(range(20, 40)) - {25} | {100, 101, 102})
        newest = self.snapshots()[0]
        self.assertEqual((newest["operation"], newest["deleted_rows"], newest["added_rows"]), ("overwrite", 21, 3))
        described = self.ask("table", "describe", "t.rows")
        self.assertEqual(described["files"], 2, "the file whose rows all match left as a file")
        # an id that stays is refused, one that goes may come again
        self.refused("ingest", "t.rows", write_jsonl(self.path("b.jsonl"), [row(30)]), "--overwrite", "id = 31", code=4, says="30")
        self.write("c.jsonl", [30], "--overwrite", "id = 30")
        self.write("d.jsonl", [31, 32], "--overwrite", "id = 33", "--upsert")
        self.assertEqual(self.ids(), set(range(20, 40)) - {25, 33} | {100, 101, 102})
        self.check()

    def test_everything_and_nothing(self):
        self.make(20)
        self.ask("delete", "t.rows", "--ids", "1,2")
        report = self.write("all.jsonl", range(3, 8), "--overwrite", "*")
        self.assertEqual(report["replaced"], 18)
        self.assertEqual(self.ids(), set(range(3, 8)))
        self.assertEqual(self.ask("table", "describe", "t.rows")["files"], 1)
        count = len(self.snapshots())
        empty = write_jsonl(self.path("empty.jsonl"), [])
        self.assertIsNone(self.ask("ingest", "t.rows", empty, "--overwrite", "id = 99")["snapshot_id"])
        self.assertEqual(len(self.snapshots()), count)
        self.assertEqual(self.ask("ingest", "t.rows", empty, "--overwrite", "*")["replaced"], 5)
        self.assertEqual(self.ids(), set())
        self.check()
        self.refused("ingest", "t.rows", empty, "--overwrite", "nope = 1", says="nope")
        self.refused("ingest", "t.rows", empty, "--overwrite", "id = ")

    def test_a_delete_of_whole_files_needs_no_delete_file(self):
        self.make(20)
        self.make(20, first=20)
        self.ask("delete", "t.rows", "--ids", "20,21")
        before = self.data()
        self.assertEqual(self.ask("delete", "t.rows", "--filter", "id >= 20")["deleted"], 18)
        self.assertEqual(self.data(), before)
        self.assertEqual(self.ids(), set(range(20)))
        self.assertEqual(self.ask("table", "describe", "t.rows")["files"], 1)
        self.check()

    def test_a_refused_commit_leaves_no_quarantine_file(self):
        self.make(5)
        path = write_jsonl(self.path("bad.jsonl"), [row(1), {**row(50), "embedding": [1.0]}])
        self.refused("ingest", "t.rows", path, "--on-error", "quarantine", code=4)


class Upkeep(TableCase):
    def test_expire(self):
        self.make(20)
        self.ask("table", "tag", "t.rows", "v1")
        self.make(20, first=20)
        self.ask("delete", "t.rows", "--filter", "id >= 20")
        self.write("more.jsonl", range(100, 110))
        self.assertEqual(self.ask("table", "expire", "t.rows", "--older-than", "0s")["expired"], [], "younger than one hour")
        self.ask("table", "alter", "t.rows", "vecstore.expire.min-age-ms=0")
        before = tree(self.warehouse)
        dry = self.ask("table", "expire", "t.rows", "--older-than", "0s", "--dry-run")
        self.assertEqual(tree(self.warehouse), before)
        report = self.ask("table", "expire", "t.rows", "--older-than", "0s")
        self.assertEqual({**report, "dry_run": True}, dry)
        self.assertEqual(len(report["expired"]), 2)
        self.assertEqual(report["removed"]["data_files"], 1)
        removed = sum(v for k, v in report["removed"].items() if k != "bytes")
        self.assertEqual(len(tree(self.warehouse)), len(before) - removed + 1)
        self.assertEqual(self.ids(), set(range(20)) | set(range(100, 110)))
        self.assertEqual(self.rows_at(5, 100, ref="v1"), [5])
        self.check()
        self.refused("get", "t.rows", "--ids", "1", "--snapshot", report["expired"][0], code=3)
        out, _ = self.run_("table", "expire", "t.rows", "--older-than", "0s")
        self.assertIn("0 snapshots expired", out)
        orphans = self.ask("table", "orphans", "t.rows", "--older-than", "0s", "--force")
        self.assertEqual(orphans["orphans"], [], "expiry left nothing behind")

    def test_expire_named(self):
        self.make(5)
        self.make(5, first=5)
        self.ask("table", "alter", "t.rows", "vecstore.expire.min-age-ms=0")
        newest, oldest = [s["snapshot_id"] for s in self.snapshots()]
        self.refused("table", "expire", "t.rows", "--snapshots", newest, says=newest)
        self.assertEqual(self.ask("table", "expire", "t.rows", "--snapshots", oldest)["expired"], [oldest])
        self.check()

    def test_expire_mistakes(self):
        self.make(5)
        for age in ("soon", "-1d", "7x", "", "d"):
            self.refused("table", "expire", "t.rows", "--older-than", age, says="7d")
        self.refused("table", "expire", "t.rows", "--snapshots", "x")
        self.refused("table", "expire", "t.rows", "--snapshots", "1", code=3, says="1")
        self.refused("table", "expire", "t.none", code=3, says="t.none")
        self.refused("table", "expire", "t.rows", "--retain-last", "-1")
        self.ask("table", "alter", "t.rows", "gc.enabled=false")
        self.refused("table", "expire", "t.rows", says="gc.enabled")
        self.refused("table", "orphans", "t.rows", says="gc.enabled")

    def test_orphans(self):
        self.make(20)
        place = os.path.join(self.warehouse, "t", "rows")
        with open(self.path("outside"), "w") as f:
            f.write("x")
        os.symlink(self.folder, os.path.join(place, "data", "link"))
        old = [os.path.join(place, *p) for p in (("data", "lost 100%.parquet"), ("metadata", "lost.avro"), ("stray.bin",))]
        young = os.path.join(place, "data", "young.parquet")
        for path in old + [young]:
            with open(path, "w") as f:
                f.write("junk")
        for path in old:
            os.utime(path, (time.time() - 10 * DAY,) * 2)
        report = self.ask("table", "orphans", "t.rows")
        self.assertEqual([o["path"] for o in report["orphans"]], sorted("file://" + p for p in old))
        self.assertEqual((report["bytes"], report["removed"], report["dry_run"]), (12, 0, True))
        self.refused("table", "orphans", "t.rows", "--older-than", "1h", "--remove", says="--force")
        self.assertEqual(self.ask("table", "orphans", "t.rows", "--remove")["removed"], 3)
        self.assertFalse([p for p in old if os.path.exists(p)])
        self.assertTrue(os.path.exists(young) and os.path.exists(self.path("outside")))
        self.assertEqual(self.ask("table", "orphans", "t.rows", "--older-than", "0s", "--force", "--remove")["removed"], 1)
        self.check()
        self.assertEqual(self.ids(), set(range(20)))
        self.refused("table", "orphans", "t.none", code=3, says="t.none")

    def test_register(self):
        self.make(5)
        uri = self.ask("table", "describe", "t.rows")["metadata"]
        self.assertEqual(self.ask("table", "register", "t.rows", uri)["rows"], 5)
        self.refused("table", "register", "t.other", uri)
        self.refused("table", "register", "t.rows", self.path("none.metadata.json"), code=[2, 3, 5])

    def wrong(self, *args, code, **more):
        if not isinstance(code, list):
            return super().wrong(*args, code=code, **more)
        process = self.start(*args)
        process.communicate(timeout=60)
        self.assertIn(process.returncode, code)
        return ""


class Together(TableCase):
    def finish(self, processes):
        for process in processes:
            _, error = process.communicate(timeout=180)
            self.assertEqual(process.returncode, 0, error)

    def test_overwrites_of_one_range(self):
        """Each commit is an overwrite of what the others left: every id once, however they come."""
        self.make(30)
        path = write_jsonl(self.path("a.jsonl"), [row(i) for i in range(10)])
        self.finish([self.start("ingest", "t.rows", path, "--overwrite", "id < 10") for _ in range(5)])
        self.assertEqual(self.ids(), set(range(30)))
        self.assertEqual(len(self.snapshots()), 6)
        self.check()

    def test_expiry_beside_writers(self):
        """Snapshots are expired all the time while four processes write; no row and no file is lost."""
        self.make(20)
        self.ask("table", "alter", "t.rows", "vecstore.expire.min-age-ms=0")
        for turn in range(4):
            files = [write_jsonl(self.path(f"w{w}.jsonl"), [row(100 * w + 10 * turn + i) for i in range(5)]) for w in range(1, 5)]
            writers = [self.start("ingest", "t.rows", f) for f in files]
            deleter = self.start("delete", "t.rows", "--ids", f"{turn},{turn + 10}")
            self.finish([self.start("table", "expire", "t.rows", "--older-than", "0s") for _ in range(2)])
            self.finish(writers + [deleter])
        wanted = {i for i in range(20) if i % 10 >= 4} | {100 * w + 10 * t + i for w in range(1, 5) for t in range(4) for i in range(5)}
        self.assertEqual(self.ids(), wanted)
        self.check()
        self.ask("table", "expire", "t.rows", "--older-than", "0s")
        self.check()
        self.assertEqual(self.ask("table", "orphans", "t.rows", "--older-than", "0s", "--force")["orphans"], [])


class Config(TableCase):
    def test_unknown_keys(self):
        self.make(5)
        config = self.path("c.json")
        for text, says in (('{"warehose":"x"}', "warehouse"), ('{"older_than":"7d"}', "older-than"), ('{"zz":1}', "zz")):
            with open(config, "w") as f:
                f.write(text)
            self.refused("table", "list", "--config", config, says=says)
        with open(config, "w") as f:
            json.dump({"older-than": "7d", "settings": {}, "quiet": True}, f)
        self.run_("table", "list", "--config", config)


if __name__ == "__main__":
    if not base.BINARY or not os.access(base.BINARY, os.X_OK):
        print("no vecstore binary: give its path, or set VECSTORE_BIN")
        sys.exit(77)
    unittest.main(verbosity=1)
