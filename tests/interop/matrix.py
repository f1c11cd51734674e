#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writers take turns on one table: vecstore, PyIceberg and Spark; DuckDB reads beside them.

usage: matrix.py [CASE…]      cases: filesystem sql rest rest-partitioned rest-index v3 (all; each skipped by name where a part is missing)

VECSTORE_BIN names the command; VECSTORE_TEST_ROUNDS the number of rounds (50). After each round PyIceberg's rows, vecstore's rows and the rows
that should be there are the same, and vecstore's nearest rows, found with and without the index, are those of an exact computation over
what PyIceberg reads. Old snapshots are asked again at the end, then Spark compacts, expires and removes orphans, and all is asked once more.
"""
import datetime
import glob
import os
import random
import re
import sys
import time

import interop_parts as parts
from interop_parts import Missing, Vecstore, expect, same

try:
    import numpy as np
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table import StaticTable
    from pyiceberg.types import StringType
except ImportError as missing:
    print(f"SKIP matrix: this Python has no {missing.name} (tools/setup_interop.sh python)")
    sys.exit(77)

ROUNDS = int(os.environ.get("VECSTORE_TEST_ROUNDS", "50"))
DIM = 8
LANGUAGES = ["en", "de", "fr", None]
folder = parts.scratch("matrix")
shared = {}  # services that several cases use


def vector(i, version):
    return [float(x) for x in np.random.default_rng(i * 1000 + version).standard_normal(DIM).astype(np.float32)]


def make_row(i, version, extra=()):
    rng = random.Random(i * 1000 + version)
    row = {"id": i, "lang": rng.choice(LANGUAGES), "day": None if i % 13 == 0 else str(datetime.date(2024, 1, 1) + datetime.timedelta(days=i % 400)),
           "score": None if i % 17 == 0 else rng.randint(-4000, 4000) / 8, "embedding": None if i % 19 == 0 else vector(i, version)}
    row.update({name: None if i % 2 else f"{name} of {i} é{version}" for name in extra})
    return row


def arrow(rows, extra):
    fields = [pa.field("id", pa.int64(), nullable=False), ("lang", pa.string()), ("day", pa.date32()), ("score", pa.float64()),
              ("embedding", pa.list_(pa.float32()))] + [(name, pa.string()) for name in extra]
    made = [{**r, "day": r["day"] and datetime.date.fromisoformat(r["day"])} for r in rows]
    return pa.Table.from_pylist(made, schema=pa.schema(fields))


def plain(rows):
    """Rows of any reader in one form, by id."""
    out = {}
    for row in rows:
        row = dict(row)
        if row.get("day") is not None:
            row["day"] = str(row["day"])[:10]
        if row.get("embedding") is not None:
            row["embedding"] = [float(np.float32(x)) for x in row["embedding"]]
        expect(row["id"] not in out, f"id {row['id']} comes twice")
        out[row["id"]] = row
    return out


def differ(actual, wanted, what):
    """Raises with the first rows that are not the same."""
    if actual == wanted:
        return
    lost, foreign = sorted(set(wanted) - set(actual)), sorted(set(actual) - set(wanted))
    other = [i for i in wanted if i in actual and actual[i] != wanted[i]]
    example = f"; row {other[0]}: {actual[other[0]]} instead of {wanted[other[0]]}" if other else ""
    raise parts.Failure(f"{what}: {len(lost)} rows missing {lost[:5]}, {len(foreign)} too many {foreign[:5]}, {len(other)} different{example}")


class Case:
    """One table in one catalog, and the rows that should be in it."""

    name = "ns.t"
    format_version = 2
    partition_by = None
    start_rows = 300
    index_options = ()
    spark_rounds = (9, 19, 29, 39)

    def __init__(self, title):
        self.title, self.rng, self.rows, self.extra, self.next_id, self.version = title, random.Random(title), {}, [], 1, 0
        self.folder = os.path.join(folder, title)
        os.makedirs(self.folder)
        self.s3, self.past, self.found, self.wanted, self.counts = None, [], 0, 0, {}

    # what the kinds of catalog differ in
    def load(self):
        """PyIceberg's view of the table."""
        raise NotImplementedError

    def spark_settings(self):
        raise NotImplementedError

    def pyiceberg_writes(self):
        return self.format_version < 3

    def age_files(self):
        """Makes every file of the table ten days old, so that removal of orphans looks at all of them."""
        raise NotImplementedError

    # ------------------------------------------------------------ writers

    def new_rows(self, count):
        ids = range(self.next_id, self.next_id + count)
        self.next_id += count
        return [make_row(i, 0, self.extra) for i in ids]

    def some_ids(self, count):
        return self.rng.sample(sorted(self.rows), min(count, len(self.rows)))

    def changed_rows(self):
        """Half new versions of rows that are there, half new ones."""
        self.version += 1
        return [make_row(i, self.version, self.extra) for i in self.some_ids(12)] + self.new_rows(8)

    def low(self):
        """A bound below which a few rows lie."""
        scores = sorted(r["score"] for r in self.rows.values() if r["score"] is not None)
        return scores[min(15, len(scores) - 1)]

    def keep(self, rows):
        self.rows.update({r["id"]: r for r in rows})

    def drop_below(self, bound):
        self.rows = {i: r for i, r in self.rows.items() if r["score"] is None or r["score"] >= bound}

    def by_vecstore(self, operation):
        if operation == "append":
            rows = self.new_rows(20)
            self.vecstore("ingest", self.name, "-", rows=rows)
            self.keep(rows)
        elif operation == "upsert":
            rows = self.changed_rows()
            self.vecstore("ingest", self.name, "-", "--upsert", rows=rows)
            self.keep(rows)
        elif operation == "delete":
            bound = self.low()
            self.vecstore("delete", self.name, "--filter", f"score < {bound}")
            self.drop_below(bound)
        elif operation == "delete ids":
            gone = self.some_ids(7)
            self.vecstore("delete", self.name, "--ids", ",".join(map(str, gone)))
            for i in gone:
                del self.rows[i]
        elif operation == "column":
            name = f"note{len(self.extra)}"
            self.vecstore("table", "alter", self.name, "--add", f"{name} string")
            self.add_column(name)
        elif operation == "rename":
            if self.extra:
                old, new = self.extra[0], self.extra[0] + "x"
                self.vecstore("table", "alter", self.name, "--rename", f"{old}={new}")
                self.extra[0] = new
                self.rows = {i: {(new if k == old else k): v for k, v in r.items()} for i, r in self.rows.items()}
        elif operation == "index":
            self.vecstore("index", "build", self.name, *self.index_options)

    def add_column(self, name):
        self.extra.append(name)
        self.rows = {i: {**r, name: None} for i, r in self.rows.items()}

    def by_pyiceberg(self, operation):
        table = self.load()
        if operation == "append":
            rows = self.new_rows(20)
            table.append(arrow(rows, self.extra))
            self.keep(rows)
        elif operation == "upsert":
            rows = self.changed_rows()
            table.overwrite(arrow(rows, self.extra), overwrite_filter=" or ".join(f"id = {r['id']}" for r in rows))
            self.keep(rows)
        elif operation in ("delete", "delete ids"):
            bound = self.low()
            table.delete(f"score < {bound!r}")
            self.drop_below(bound)
        elif operation == "column":
            name = f"note{len(self.extra)}"
            with table.update_schema() as update:
                update.add_column(name, StringType())
            self.add_column(name)
        elif operation == "rename":
            table.delete("id < 0")  # nothing matches: no snapshot, or an empty one
        elif operation == "index":
            rows = self.new_rows(3)
            table.append(arrow(rows, self.extra))
            self.keep(rows)

    def spark_values(self, rows):
        """Rows as the text of a VALUES list."""
        def text(value):
            if value is None:
                return "NULL"
            return "'" + value.replace("'", "''") + "'"

        def line(r):
            cells = [str(r["id"]), text(r["lang"]), "CAST(NULL AS DATE)" if r["day"] is None else f"DATE '{r['day']}'",
                     "CAST(NULL AS DOUBLE)" if r["score"] is None else f"CAST({r['score']!r} AS DOUBLE)",
                     "CAST(NULL AS ARRAY<FLOAT>)" if r["embedding"] is None else "ARRAY(" + ",".join(f"CAST('{x!r}' AS FLOAT)" for x in r["embedding"]) + ")"]
            return "(" + ",".join(cells + [text(r[name]) for name in self.extra]) + ")"

        return "VALUES " + ",".join(map(line, rows))

    def by_spark(self, operation):
        spark, table = self.spark(), f"{self.spark_name}.{self.name}"
        if operation == "append":
            rows = self.new_rows(20)
            spark.sql(f"INSERT INTO {table} {self.spark_values(rows)}")
            self.keep(rows)
        elif operation == "merge":
            rows = self.changed_rows()
            columns = ["id", "lang", "day", "score", "embedding", *self.extra]
            spark.sql(f"MERGE INTO {table} t USING (SELECT * FROM {self.spark_values(rows)} AS s({','.join(columns)})) s ON t.id = s.id "
                      "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")
            self.keep(rows)
        elif operation == "delete":
            bound = self.low()
            spark.sql(f"DELETE FROM {table} WHERE score < {bound!r}D")
            self.drop_below(bound)
        elif operation == "update":
            picked = self.some_ids(5)
            spark.sql(f"UPDATE {table} SET lang = 'it' WHERE id IN ({','.join(map(str, picked))})")
            for i in picked:
                self.rows[i] = {**self.rows[i], "lang": "it"}
        elif operation == "column":
            name = f"note{len(self.extra)}"
            spark.sql(f"ALTER TABLE {table} ADD COLUMN {name} string")
            self.add_column(name)
        else:
            spark.sql(operation)
        self.spark_done()

    def spark(self):
        if "spark" not in shared:
            shared["spark"] = parts.Spark(os.path.join(folder, "spark"))
        if not hasattr(self, "spark_name"):
            self.spark_name = self.spark_catalog_name()
            shared["spark"].catalog(self.spark_name, self.spark_settings())
        return shared["spark"]

    def spark_catalog_name(self):
        return "c_" + self.title.replace("-", "_")

    def spark_done(self):
        pass

    # ------------------------------------------------------------ checks

    def theirs(self, snapshot=None):
        table = self.load()
        scan = table.scan(snapshot_id=snapshot) if snapshot else table.scan()
        return plain(scan.to_arrow().to_pylist())

    def nearest(self, rows, query, k):
        """Cosine in double precision."""
        ids = [i for i, r in rows.items() if r["embedding"] is not None]
        matrix = np.array([rows[i]["embedding"] for i in ids], dtype=np.float64)
        scores = matrix @ query / np.linalg.norm(matrix, axis=1) / np.linalg.norm(query)
        order = np.argsort(-scores)[:k]
        return [(ids[n], float(scores[n])) for n in order]

    def check_hits(self, what, hits, answer, wanted):
        if answer["exact"]:
            same([i for i, _ in hits], [i for i, _ in wanted], f"{what}: ids")
            np.testing.assert_allclose([s for _, s in hits], [s for _, s in wanted], atol=3e-6, err_msg=what)
            return
        truth = dict(wanted)
        self.wanted += len(wanted)
        for i, score in hits:
            if i in truth:
                self.found += 1
                np.testing.assert_allclose(score, truth[i], atol=3e-6, err_msg=what)

    def search(self, what, rows, *at):
        query = np.random.default_rng(self.rng.randint(0, 2**31)).standard_normal(DIM).astype(np.float32).astype(np.float64)
        wanted = self.nearest(rows, query, 10)
        self.check_hits(what + ", exact", *self.vecstore.hits(self.name, query, 10, "--exact", *at), wanted)
        hits, answer = self.vecstore.hits(self.name, query, 10, *at)
        self.check_hits(what + ", as planned", hits, answer, wanted)
        german = {i: r for i, r in rows.items() if r["lang"] == "de" and r["score"] is not None and r["score"] > 0}
        if german:
            self.check_hits(what + ", filtered", *self.vecstore.hits(self.name, query, 10, "--filter", "lang = 'de' AND score > 0", *at),
                            self.nearest(german, query, 10))
        return answer

    def check(self, what, duck=False):
        theirs = self.theirs()
        differ(theirs, self.rows, f"{what}: PyIceberg")
        differ(plain(self.vecstore.rows(self.name).values()), self.rows, f"{what}: vecstore")
        answer = self.search(what, theirs)
        self.counts["with index" if answer["index"] else "without"] = self.counts.get("with index" if answer["index"] else "without", 0) + 1
        if duck:
            self.check_duck(what)

    def check_duck(self, what):
        con = parts.duck(self.s3)
        try:
            found = con.execute(f"SELECT * FROM iceberg_scan('{self.load().metadata_location.removeprefix('file://')}')").fetch_arrow_table()
        except Exception as e:
            raise parts.Failure(f"{what}: DuckDB: {e}") from None
        differ(plain(found.to_pylist()), self.rows, f"{what}: DuckDB")

    def check_past(self):
        metadata = self.load().metadata
        there = {s.snapshot_id for s in metadata.snapshots}
        asked = 0
        for snapshot, rows, columns in self.past:
            if snapshot not in there:
                continue
            then = plain([{k: v for k, v in r.items() if k in columns} for r in self.theirs(snapshot).values()])
            differ({i: {k: v for k, v in r.items() if k in ("id", "embedding", "score")} for i, r in then.items()},
                   {i: {k: v for k, v in r.items() if k in ("id", "embedding", "score")} for i, r in rows.items()}, f"snapshot {snapshot}: PyIceberg")
            self.search(f"snapshot {snapshot}", rows, "--snapshot", str(snapshot))
            asked += 1
        return asked

    # ------------------------------------------------------------ one case

    def make(self):
        schema = "id long, lang string, day date, score double"
        more = ["--partition-by", self.partition_by] if self.partition_by else []
        self.vecstore("table", "create", self.name, "--dim", str(DIM), "--schema", schema, "--format-version", str(self.format_version), *more)
        self.vecstore("table", "alter", self.name, "write.delete.mode=merge-on-read", "write.update.mode=merge-on-read", "write.merge.mode=merge-on-read")
        rows = self.new_rows(self.start_rows)
        self.vecstore("ingest", self.name, "-", rows=rows)
        self.keep(rows)
        self.vecstore("index", "build", self.name, *self.index_options)
        self.check("start", duck=True)

    def run(self):
        self.make()
        operations = ["append", "delete", "upsert", "append", "column", "delete ids", "append", "upsert", "index", "rename"]
        spark_operations = ["merge", "delete", "update", "append", "column", "merge"]
        writers, spark_turn, turns = {}, 0, {"vecstore": 0, "PyIceberg": 0}
        for n in range(ROUNDS):
            if n in self.spark_rounds and self.has_spark():
                writer, operation = "Spark", spark_operations[spark_turn % len(spark_operations)]
                spark_turn += 1
                self.by_spark(operation)
            else:
                writer = "PyIceberg" if n % 2 and self.pyiceberg_writes() else "vecstore"
                operation = operations[(turns[writer] * 3 + (writer == "PyIceberg")) % len(operations)]
                turns[writer] += 1
                (self.by_pyiceberg if writer == "PyIceberg" else self.by_vecstore)(operation)
            writers[writer] = writers.get(writer, 0) + 1
            self.check(f"{self.title}, round {n} ({writer}: {operation})", duck=n % 5 == 4 or writer == "Spark")
            if n % 6 == 0 and operation not in ("column", "rename"):
                self.past.append((self.load().metadata.current_snapshot_id, dict(self.rows), {"id", "lang", "day", "score", "embedding", *self.extra}))
        asked = self.check_past()
        problems = self.vecstore("table", "check", self.name)["problems"]
        same(problems, [], "table check")
        spoken = f"    {self.title}: rounds {writers}, {len(self.rows)} rows, answers {self.counts}, {asked} old snapshots asked"
        if self.wanted:
            spoken += f", recall of approximate answers {self.found / self.wanted:.3f}"
            expect(self.found / self.wanted > 0.85, f"recall {self.found / self.wanted}")
        print(spoken, flush=True)
        if self.has_spark():
            self.maintain()

    def has_spark(self):
        if shared.get("no spark"):
            return False
        try:
            self.spark()
            return True
        except Missing as e:
            shared["no spark"] = True
            print(f"    SKIP Spark's rounds: {e}", flush=True)
            return False

    def maintain(self):
        """Compaction by vecstore, then compaction, expiry and removal of orphans by Spark; each may cost the index, never a row."""
        name = self.spark_name
        now = "TIMESTAMP '2100-01-01 00:00:00'"
        steps = [("vecstore compact", ("table", "compact", self.name)),
                 ("rewrite_data_files", f"CALL {name}.system.rewrite_data_files(table => '{self.name}', options => map('rewrite-all','true'))"),
                 ("rewrite_manifests", f"CALL {name}.system.rewrite_manifests('{self.name}')"),
                 ("vecstore index", ("index", "build", self.name, *self.index_options)),
                 ("expire_snapshots", f"CALL {name}.system.expire_snapshots(table => '{self.name}', older_than => {now}, retain_last => 1)"),
                 ("remove_orphan_files", f"CALL {name}.system.remove_orphan_files(table => '{self.name}'{self.orphan_options()})")]
        for step, statement in steps:
            if isinstance(statement, tuple):
                self.vecstore(*statement)
            elif step == "remove_orphan_files":
                orphan = self.make_orphan()
                self.age_files()
                self.by_spark(statement)
                expect(not self.exists(orphan), "Spark's remove_orphan_files did not see the orphan: the test proves nothing")
            else:
                self.by_spark(statement)
            self.check(f"{self.title}, after {step}", duck=True)
            print(f"    {self.title}: after {step}: answered {'with' if self.last_index() else 'without'} an index", flush=True)
        same(self.vecstore("table", "check", self.name)["problems"], [], "table check after Spark's maintenance")
        expect(self.last_index(), "the index that the newest snapshot names survives expiry and removal of orphans")
        for writer in (self.by_vecstore, self.by_pyiceberg if self.pyiceberg_writes() else self.by_vecstore):
            writer("append")
            self.check(f"{self.title}, after maintenance and one more commit")

    def last_index(self):
        return self.vecstore.hits(self.name, [1.0] * DIM, 1)[1]["index"]

    def orphan_options(self):
        return ""


class Local:
    """Tables in files."""

    def age_files(self):
        old = time.time() - 10 * 86400
        for path in glob.glob(os.path.join(self.warehouse, "**"), recursive=True):
            if os.path.isfile(path):
                os.utime(path, (old, old))

    def make_orphan(self):
        path = os.path.join(self.load().location().removeprefix("file:").replace("///", "/"), "data", "orphan.parquet")
        with open(path, "wb") as f:
            f.write(b"nobody names this")
        return path

    def exists(self, path):
        return os.path.exists(path)


class Filesystem(Local, Case):
    """vN.metadata.json: vecstore and Java's HadoopCatalog write, PyIceberg and DuckDB read the metadata file."""

    spark_rounds = tuple(range(5, 50, 6))

    def __init__(self, title):
        super().__init__(title)
        self.warehouse = os.path.join(self.folder, "warehouse")
        self.vecstore = Vecstore("--warehouse", self.warehouse)

    def load(self):
        files = glob.glob(os.path.join(self.warehouse, *self.name.split("."), "metadata", "v*.metadata.json"))
        return StaticTable.from_metadata(max(files, key=lambda f: int(re.search(r"/v(\d+)\.", f).group(1))))

    def pyiceberg_writes(self):
        return False

    def spark_settings(self):
        return {"type": "hadoop", "warehouse": f"file://{self.warehouse}", "cache-enabled": "false"}


class V3(Filesystem):
    """Deletion vectors and row lineage: Spark and vecstore write, all read."""

    format_version = 3
    spark_rounds = tuple(range(3, 50, 5))


class Sql(Local, Case):
    """One SQLite file for PyIceberg's SqlCatalog, Java's JdbcCatalog and vecstore."""

    def __init__(self, title):
        super().__init__(title)
        self.warehouse = os.path.join(self.folder, "warehouse")
        os.makedirs(self.warehouse)
        self.db = os.path.join(self.folder, "catalog.db")
        self.vecstore = Vecstore("--warehouse", self.warehouse, "--catalog", "sql", "--catalog-uri", self.db, "--catalog-name", "c_" + title)

    def load(self):
        return SqlCatalog("c_" + self.title, uri=f"sqlite:///{self.db}", warehouse=f"file://{self.warehouse}").load_table(self.name)

    def spark_settings(self):
        return {"catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog", "uri": f"jdbc:sqlite:{self.db}", "warehouse": f"file://{self.warehouse}",
                "jdbc.schema-version": "V1", "clients": "1", "cache-enabled": "false"}

    def spark_done(self):
        shared["spark"].close_catalog(self.spark_name)


class Rest(Case):
    """Iceberg's REST service; tables on versitygw."""

    def __init__(self, title):
        super().__init__(title)
        if "rest" not in shared:
            gateway = parts.versitygw(os.path.join(folder, "versitygw"))
            gateway.bucket("warehouse")
            shared["rest"] = parts.rest(os.path.join(folder, "rest"), gateway, "warehouse")
        self.rest, self.s3 = shared["rest"], shared["rest"].s3
        self.name = f"{title.replace('-', '_')}.t"
        self.vecstore = Vecstore(*self.rest.vecstore())

    def load(self):
        return self.rest.pyiceberg().load_table(self.name)

    def spark_settings(self):
        return self.rest.spark()

    def root(self):
        return os.path.join(folder, "versitygw", "root", "warehouse")

    def age_files(self):
        old = time.time() - 10 * 86400
        for path in glob.glob(os.path.join(self.root(), "rest", "**"), recursive=True):
            if os.path.isfile(path):
                os.utime(path, (old, old))

    def make_orphan(self):
        key = self.load().location().removeprefix("s3://warehouse/") + "/data/orphan.parquet"
        self.s3.boto().put_object(Bucket="warehouse", Key=key, Body=b"nobody names this")
        return key

    def exists(self, key):
        return key in self.s3.keys("warehouse", key)

    def orphan_options(self):
        return ", prefix_listing => true"


class RestPartitioned(Rest):
    partition_by = "lang, bucket(4, id)"


class RestIndex(Rest):
    """Enough rows for an index with lists and codes."""

    start_rows = 24000
    index_options = ("--min-recall", "0", "--lists", "64")
    spark_rounds = (9, 29)

    def by_pyiceberg(self, operation):
        # Its copies on write would replace the one large file that the index covers.
        super().by_pyiceberg("append" if operation in ("upsert", "delete", "delete ids") else operation)


KINDS = {"filesystem": Filesystem, "sql": Sql, "rest": Rest, "rest-partitioned": RestPartitioned, "rest-index": RestIndex, "v3": V3}

if __name__ == "__main__":
    parts.binary()
    parts.run_tests("matrix", {name: (lambda kind=kind, name=name: kind(name).run()) for name, kind in KINDS.items()}, sys.argv[1:])
