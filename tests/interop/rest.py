#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Iceberg's own REST service with tables on versitygw: vecstore beside PyIceberg's RestCatalog and Spark.

usage: rest.py [TEST…]      (VECSTORE_BIN names the command; what is not there is skipped by name)
"""
import json
import os
import re
import subprocess
import sys
import time

import interop_parts as parts
from interop_parts import Vecstore, expect, same

try:
    import numpy as np
    import pyarrow as pa
except ImportError as missing:
    print(f"SKIP rest: this Python has no {missing.name} (tools/setup_interop.sh python)")
    sys.exit(77)

DIM = 8
folder = parts.scratch("rest")
shared = {}


def service():
    if "rest" not in shared:
        gateway = parts.versitygw(os.path.join(folder, "versitygw"))
        gateway.bucket("warehouse")
        shared["rest"] = parts.rest(os.path.join(folder, "rest"), gateway, "warehouse")
    return shared["rest"]


def spark():
    if "spark" not in shared:
        shared["spark"] = parts.Spark(os.path.join(folder, "spark"))
        shared["spark"].catalog("r", service().spark())
    return shared["spark"]


def make_row(i, version=0):
    vector = np.random.default_rng(i + 10000 * version).standard_normal(DIM).astype(np.float32)
    return {"id": i, "lang": ["en", "de"][i % 2], "embedding": [float(x) for x in vector]}


def plain(rows):
    return {r["id"]: {**r, "embedding": [float(np.float32(x)) for x in r["embedding"]]} for r in rows}


class Table:
    def __init__(self, name, *create, count=200):
        self.name, self.rows = name, {}
        self.rest = service()
        self.vecstore = Vecstore(*self.rest.vecstore())
        self.vecstore("table", "create", name, "--dim", DIM, "--schema", "id long, lang string", *create)
        self.ingest([make_row(i) for i in range(count)])

    def ingest(self, rows, *options):
        report = self.vecstore("ingest", self.name, "-", *options, rows=rows)
        self.rows.update({r["id"]: r for r in rows})
        return int(report["snapshot_id"])

    def pyiceberg(self):
        return self.rest.pyiceberg().load_table(self.name)

    def nearest(self, query, k):
        ids = sorted(self.rows)
        matrix = np.array([self.rows[i]["embedding"] for i in ids], dtype=np.float64)
        scores = matrix @ query / np.linalg.norm(matrix, axis=1)
        return [ids[n] for n in np.argsort(-scores)[:k]]

    def search(self, *at):
        query = np.array(make_row(99999)["embedding"], dtype=np.float64)
        hits, answer = self.vecstore.hits(self.name, query, 10, *at)
        same([i for i, _ in hits], self.nearest(query, 10), "nearest rows")
        return answer

    def check(self, with_spark=False):
        same(plain(self.pyiceberg().scan().to_arrow().to_pylist()), self.rows, "PyIceberg")
        same(plain(self.vecstore.rows(self.name).values()), self.rows, "vecstore")
        if with_spark:
            found = spark().sql(f"SELECT id, lang, embedding FROM r.{self.name}")
            same(plain(dict(zip(("id", "lang", "embedding"), r)) for r in found), self.rows, "Spark")
        return self.search()


def test_main_job():
    t = Table("main.t", "--partition-by", "lang")
    t.check(with_spark=True)
    t.vecstore("index", "build", t.name)
    answer = t.check()
    expect(answer["index"], "the index is used")
    table = t.pyiceberg()
    same([(s.snapshot_id, s.blob_metadata) for s in table.metadata.statistics], [(table.metadata.current_snapshot_id, [])], "set-statistics")
    t.vecstore("delete", t.name, "--ids", "1,2,3")
    for i in (1, 2, 3):
        del t.rows[i]
    t.ingest([make_row(i, 1) for i in range(190, 210)], "--upsert")
    expect(t.check(with_spark=True)["index"], "the index is used")
    same(t.vecstore("table", "check", t.name)["problems"], [], "table check")


def test_time_travel():
    t = Table("travel.t", count=20)
    first = t.pyiceberg().metadata.current_snapshot_id
    then = dict(t.rows)
    t.ingest([make_row(i) for i in range(20, 30)])
    t.vecstore("table", "tag", t.name, "before", "--snapshot", first)
    t.vecstore("table", "branch", t.name, "work")
    refs = t.pyiceberg().metadata.refs
    same((refs["before"].snapshot_id, refs["before"].snapshot_ref_type.value), (first, "tag"), "the tag in PyIceberg")
    expect(refs["work"].snapshot_ref_type.value == "branch", "the branch in PyIceberg")
    same(sorted(r[0] for r in spark().sql(f"SELECT id FROM r.{t.name} VERSION AS OF 'before'")), sorted(then), "Spark at the tag")
    now, t.rows = t.rows, then
    t.search("--ref", "before")
    t.rows = now
    t.vecstore("table", "rollback", t.name, "--snapshot", first)
    t.rows = then
    t.check(with_spark=True)
    with t.pyiceberg().manage_snapshots() as manage:  # and theirs, seen by us
        manage.create_tag(first, "theirs")
    expect("theirs" in str(t.vecstore("table", "tag", t.name)), "PyIceberg's tag")
    t.vecstore("table", "tag", t.name, "before", "--remove")
    expect("before" not in t.pyiceberg().metadata.refs, "the tag is removed")


def test_alter():
    t = Table("alter.t", count=20)
    t.vecstore("table", "alter", t.name, "--add", "price double, n int", "owner=somebody")
    t.rows = {i: {**r, "price": None, "n": None} for i, r in t.rows.items()}
    t.check()
    t.ingest([{**make_row(i), "price": i / 2, "n": i} for i in range(20, 30)])
    t.vecstore("table", "alter", t.name, "--rename", "price=cost", "--widen", "n long", "--unset", "owner")
    t.rows = {i: {("cost" if k == "price" else k): v for k, v in r.items()} for i, r in t.rows.items()}
    t.check()
    table = t.pyiceberg()
    expect("owner" not in table.properties, "the property is gone")
    same(str(table.schema().find_field("n").field_type), "long", "widened type")
    same({tuple(r) for r in spark().sql(f"SELECT id, cost, n FROM r.{t.name}")}, {(i, r["cost"], r["n"]) for i, r in t.rows.items()}, "Spark")
    t.vecstore("table", "alter", t.name, "--partition-by", "bucket(4, id)")
    t.ingest([{**make_row(i), "cost": None, "n": None} for i in range(30, 40)])
    t.check()
    same([f.name for f in t.pyiceberg().spec().fields], ["id_bucket"], "the new partition spec")
    spark().sql(f"ALTER TABLE r.{t.name} DROP COLUMN n")
    t.rows = {i: {k: v for k, v in r.items() if k != "n"} for i, r in t.rows.items()}
    t.check()


def test_writers():
    """Eight vecstore processes and PyIceberg append at the same time: every row once."""
    t = Table("writers.t", count=10)
    jobs = []
    for w in range(8):
        rows = [make_row(1000 + 10 * w + k) for k in range(10)]
        path = os.path.join(folder, f"writer{w}.jsonl")
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(r) + "\n" for r in rows)
        t.rows.update({r["id"]: r for r in rows})
        jobs.append(subprocess.Popen([t.vecstore.binary, *t.vecstore.options, "--json", "ingest", t.name, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     text=True, env=t.vecstore.env))
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("lang", pa.string()), ("embedding", pa.list_(pa.float32()))])
    mine = [make_row(2000 + k) for k in range(10)]
    appended = False
    for _ in range(5):
        try:
            t.pyiceberg().append(pa.Table.from_pylist(mine, schema=schema))
            appended = True
            break
        except Exception as e:  # PyIceberg gives up after four lost races
            expect("CommitFailed" in type(e).__name__, f"{type(e).__name__}: {e}")
    if appended:
        t.rows.update({r["id"]: r for r in mine})
    for job in jobs:
        _, errors = job.communicate(timeout=120)
        expect(job.returncode == 0, f"a writer: exit {job.returncode}: {errors}")
    t.check(with_spark=True)
    print(f"    8 writers in {len(t.pyiceberg().metadata.snapshots)} snapshots; PyIceberg {'took part' if appended else 'gave up'}")


def test_spark_maintenance():
    """expire_snapshots and remove_orphan_files, then the index is asked again."""
    t = Table("upkeep.t")
    t.vecstore("index", "build", t.name)
    for k in range(4):
        t.ingest([make_row(300 + 10 * k + i) for i in range(10)])
    key = t.pyiceberg().location().removeprefix("s3://warehouse/") + "/data/orphan.parquet"
    t.rest.s3.boto().put_object(Bucket="warehouse", Key=key, Body=b"nobody names this")
    old = time.time() - 10 * 86400
    for place, _, files in os.walk(os.path.join(folder, "versitygw", "root", "warehouse")):
        for file in files:
            os.utime(os.path.join(place, file), (old, old))
    removed = spark().sql(f"CALL r.system.expire_snapshots(table => '{t.name}', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)")
    same(len(t.pyiceberg().metadata.snapshots), 1, "snapshots left")
    expect(t.check()["index"], "the index survives expiry")
    orphans = spark().sql(f"CALL r.system.remove_orphan_files(table => '{t.name}', prefix_listing => true)")
    expect(any("orphan.parquet" in r[0] for r in orphans), f"orphans found: {orphans}")
    names = [r[0] for r in orphans if not re.search(r"orphan\.parquet", r[0])]
    answer = t.check(with_spark=True)
    expect(answer["index"], f"the index survives removal of orphans, which took {names}")
    print(f"    expiry removed {removed}, orphan removal {len(orphans)} files; answered with index {answer['index'][:8]}")
    same(t.vecstore("table", "check", t.name)["problems"], [], "table check")


def test_mistakes():
    t = Table("wrong.t", count=5)
    t.vecstore.refused(4, "table", "create", t.name, "--dim", "4")
    t.vecstore.refused(3, "table", "describe", "wrong.nothing")
    t.vecstore.refused(3, "query", "nowhere.t", "--vector", "[1]")
    gone = Vecstore("--catalog", "rest", "--catalog-uri", f"http://127.0.0.1:{parts.free_port()}")
    print("    no service there: " + gone.refused(8, "table", "list"))
    html = Vecstore("--catalog", "rest", "--catalog-uri", service().s3.endpoint)
    done = html.raw("table", "list")
    expect(done.returncode not in (0, 70), f"an S3 service as catalog: exit {done.returncode}")
    print(f"    an S3 service as catalog: exit {done.returncode}: {done.stderr.strip()[:300]}")


if __name__ == "__main__":
    parts.binary()
    parts.run_tests("rest", {n.removeprefix("test_"): f for n, f in sorted(globals().items()) if n.startswith("test_")}, sys.argv[1:])
