#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vecstore beside PyIceberg, pyarrow and DuckDB: each reads what another wrote, every value compared.

usage: interop_test.py PATH_TO_VECSTORE [unittest arguments]     (or $VECSTORE_BIN; exit status 77: a part is missing)
"""
import base64, datetime, decimal, glob, json, os, random, re, shutil, subprocess, sys, tempfile, unittest, uuid

try:
    import duckdb
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table import StaticTable
    import pyiceberg.schema, pyiceberg.types as T
except ImportError as e:
    print(f"not run: {e}; VECSTORE_PYTHON has to name a Python with pyiceberg[sql-sqlite], pyarrow, numpy and duckdb")
    sys.exit(77)

BINARY = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and os.path.exists(sys.argv[1]) else os.environ.get("VECSTORE_BIN", "")
DIM = 6
UTC = datetime.timezone.utc
SCHEMA = ("id long, flag boolean, small int, big long, f float, d double, s string, day date, at timestamp, utc timestamptz, "
          "bin binary, u uuid, price decimal(12,3), tags list<string>, nums list<long>")
ARROW = pa.schema([
    pa.field("id", pa.int64(), nullable=False), ("flag", pa.bool_()), ("small", pa.int32()), ("big", pa.int64()), ("f", pa.float32()),
    ("d", pa.float64()), ("s", pa.string()), ("day", pa.date32()), ("at", pa.timestamp("us")), ("utc", pa.timestamp("us", tz="UTC")),
    ("bin", pa.binary()), ("u", pa.uuid()), ("price", pa.decimal128(12, 3)), ("tags", pa.list_(pa.string())),
    ("nums", pa.list_(pa.int64())), ("embedding", pa.list_(pa.float32()))])


def vector(i):
    return np.random.default_rng(i).standard_normal(DIM).astype(np.float32)


def row(i, version=0):
    """What a row should hold, as Python objects; each column is null in some rows."""
    rng = random.Random(i * 10 + version)
    made = {
        "id": i, "flag": rng.random() < 0.5, "small": rng.randint(-2**31, 2**31 - 1), "big": rng.randint(-2**63, 2**63 - 1),
        "f": float(np.float32(rng.gauss(0, 1e6))), "d": rng.gauss(0, 1e300), "s": f"Zeile {i} é漢{'x' * (i % 40)} v{version}",
        "day": datetime.date(1, 1, 1) + datetime.timedelta(rng.randint(0, 3_000_000)),
        "at": datetime.datetime(1960, 1, 1) + datetime.timedelta(microseconds=rng.randint(0, 10**16)),
        "utc": datetime.datetime(1960, 1, 1, tzinfo=UTC) + datetime.timedelta(microseconds=rng.randint(0, 10**16)),
        "bin": rng.randbytes(rng.randint(0, 30)), "u": uuid.UUID(bytes=rng.randbytes(16)),
        "price": decimal.Decimal(rng.randint(-10**12 + 1, 10**12 - 1)).scaleb(-3), "tags": [f"t{k}" for k in range(i % 4)],
        "nums": [rng.randint(-9, 9) for _ in range(i % 3)], "embedding": [float(x) for x in vector(i + 100000 * version)]}
    for n, name in enumerate(made):
        if name != "id" and (i + n) % 11 == 0:
            made[name] = None
    return made


def arrow(rows):
    columns = {n: [r[n] for r in rows] for n in ARROW.names}
    columns["u"] = [u.bytes if u is not None else None for u in columns["u"]]
    return pa.Table.from_arrays([pa.array(columns[f.name], f.type.storage_type if isinstance(f.type, pa.BaseExtensionType) else f.type)
                                 if f.name != "u" else pa.ExtensionArray.from_storage(pa.uuid(), pa.array(columns["u"], pa.binary(16))) for f in ARROW], schema=ARROW)


def plain(value):
    """One form for what the readers return differently: uuids as objects, timestamps with UTC, lists as lists."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return value


def by_id(rows):
    out = {}
    for r in rows:
        assert r["id"] not in out, f"id {r['id']} twice"
        out[r["id"]] = {k: (uuid.UUID(bytes=v) if k == "u" and isinstance(v, bytes) else plain(v)) for k, v in r.items()}
    return out


def json_row(r):
    """A row's fields as vecstore prints them."""
    out = {}
    for k, v in r.items():
        if k in ("id", "embedding"):
            continue
        if isinstance(v, datetime.datetime):
            v = v.isoformat(timespec="microseconds")
        elif isinstance(v, (datetime.date, uuid.UUID, decimal.Decimal)):
            v = f"{v:f}" if isinstance(v, decimal.Decimal) else str(v)
        elif isinstance(v, bytes):
            v = base64.b64encode(v).decode()
        out[k] = v
    return out


def normal_time(fields):
    """Timestamps of an answer as datetimes, so that trailing zeros and Z or +00:00 do not matter."""
    for k in ("at", "utc"):
        if fields.get(k) is not None:
            t = datetime.datetime.fromisoformat(fields[k].replace("Z", "+00:00"))
            fields[k] = t if k == "at" else t.astimezone(UTC)
    if fields.get("f") is not None:
        fields["f"] = float(np.float32(fields["f"]))
    if fields.get("big") is not None:
        fields["big"] = int(fields["big"])
    return fields


class Interop(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vecstore-interop-")
        self.warehouse = os.path.join(self.folder, "warehouse")

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def run_(self, *args, code=0):
        done = subprocess.run([BINARY, "--warehouse", self.warehouse, "--json", *args], capture_output=True, text=True,
                              env={k: v for k, v in os.environ.items() if not k.startswith("VECSTORE_")})
        self.assertEqual(done.returncode, code, f"{args}\n{done.stdout[-500:]}{done.stderr[-500:]}")
        return json.loads(done.stdout or done.stderr)

    def metadata(self, name):
        files = glob.glob(os.path.join(self.warehouse, *name.split("."), "metadata", "v*.metadata.json"))
        return max(files, key=lambda f: int(re.search(r"v(\d+)", os.path.basename(f)).group(1)))

    def duck(self):
        con = duckdb.connect(config={"extension_directory": os.path.join(os.path.dirname(duckdb.__file__), "..", "duckdb_ext", "extensions"),
                                     "autoinstall_known_extensions": "false"})
        try:
            con.execute("LOAD avro; LOAD iceberg; SET TimeZone = 'UTC'")
        except duckdb.Error as e:
            self.skipTest(f"DuckDB's iceberg extension is missing (packages duckdb_ext_avro, duckdb_ext_iceberg): {e}")
        return con

    def same(self, what, actual, expected):
        self.assertEqual(sorted(actual), sorted(expected), f"{what}: ids")
        for i in expected:
            for name, value in expected[i].items():
                self.assertEqual(actual[i][name], value, f"{what}: row {i}, column {name}")

    def query(self, name, q, *more):
        answer = self.run_("query", name, "--vector", json.dumps([float(x) for x in q]), *more)
        return [(h["id"], h["score"]) for h in answer["results"][0]["hits"]]

    def nearest(self, rows, q, k):
        """Cosine in double precision, over the rows that have a vector."""
        scores = []
        for i, r in rows.items():
            if r["embedding"] is not None:
                v = np.array(r["embedding"], dtype=np.float64)
                scores.append((i, float(v @ q / np.linalg.norm(v) / np.linalg.norm(q))))
        return sorted(scores, key=lambda s: -s[1])[:k]

    def same_hits(self, actual, expected):
        self.assertEqual([i for i, _ in actual], [i for i, _ in expected])
        np.testing.assert_allclose([s for _, s in actual], [s for _, s in expected], atol=2e-6)

    def test_others_read_ours(self):
        self.run_("table", "create", "t.all", "--dim", str(DIM), "--schema", SCHEMA, "--model", "none")
        wanted, states = {}, []  # states: (snapshot id, rows by id)

        def commit(report, rows):
            wanted.update({r["id"]: r for r in rows})
            states.append((int(report["snapshot_id"]), dict(wanted)))

        forms = [("plain", dict(use_dictionary=False, compression="none")), ("dictionary", dict(use_dictionary=True, compression="none")),
                 ("zstd", dict(compression="zstd", data_page_version="2.0")), ("snappy", dict(compression="snappy", row_group_size=70))]
        for n, (name, options) in enumerate(forms):
            rows = [row(i) for i in range(n * 200, n * 200 + 200)]
            path = os.path.join(self.folder, name + ".parquet")
            pq.write_table(arrow(rows), path, store_schema=False, **options)
            commit(self.run_("ingest", "t.all", path), rows)
        rows = [row(i, 1) for i in range(150, 250)] + [row(i) for i in range(900, 920)]
        pq.write_table(arrow(rows), path, store_schema=False)
        report = self.run_("ingest", "t.all", path, "--upsert")
        self.assertEqual((report["rows"], report["replaced"]), (120, 100))
        commit(report, rows)
        self.run_("index", "build", "t.all")
        gone = [0, 160, 333, 799, 905]
        report = self.run_("delete", "t.all", "--ids", ",".join(map(str, gone)))
        for i in gone:
            del wanted[i]
        commit(report, [])
        report = self.run_("delete", "t.all", "--filter", "small < 0")
        cut = [i for i, r in wanted.items() if r["small"] is not None and r["small"] < 0]
        self.assertEqual(report["deleted"], len(cut))
        for i in cut:
            del wanted[i]
        commit(report, [])

        path = self.metadata("t.all")
        table, con = StaticTable.from_metadata(path), self.duck()
        self.assertEqual([s.snapshot_id for s in sorted(table.metadata.snapshots, key=lambda s: s.sequence_number)], [s for s, _ in states])
        for snapshot, rows in states:
            self.same(f"PyIceberg at {snapshot}", by_id(table.scan(snapshot_id=snapshot).to_arrow().to_pylist()), rows)
            found = con.execute(f"SELECT * FROM iceberg_scan('{path}', snapshot_from_id={snapshot})").fetch_arrow_table()
            self.same(f"DuckDB at {snapshot}", by_id(duck_rows(found)), rows)
        self.assertEqual(con.execute(f"SELECT count(*) FROM iceberg_scan('{path}')").fetchone()[0], len(wanted))
        self.assertEqual(table.scan(row_filter="id >= 200 and id < 400").to_arrow().num_rows, sum(200 <= i < 400 for i in wanted))

        # schema, identifier, properties, statistics
        schema = table.schema()
        names = [f.name for f in schema.fields]
        self.assertEqual(names, ARROW.names)
        types = dict(zip(names, ["long", "boolean", "int", "long", "float", "double", "string", "date", "timestamp", "timestamptz", "binary", "uuid",
                                 "decimal(12, 3)", "list<string>", "list<long>", "list<float>"]))
        self.assertEqual({f.name: str(f.field_type) for f in schema.fields}, types)
        every = [f.field_id for f in schema.fields] + [f.field_type.element_id for f in schema.fields if isinstance(f.field_type, T.ListType)]
        self.assertEqual(len(every), len(set(every)), "field ids are unique")
        self.assertEqual(schema.identifier_field_ids, [schema.find_field("id").field_id])
        self.assertTrue(schema.find_field("id").required)
        for key, value in {"dimension": str(DIM), "metric": "cosine", "model": "none"}.items():
            self.assertEqual(table.properties[f"vecstore.vector.embedding.{key}"], value)
        statistics = table.metadata.statistics
        self.assertEqual([s.blob_metadata for s in statistics], [[]] * len(statistics))
        self.assertTrue({s.snapshot_id for s in statistics} >= {s for s, _ in states[-3:]}, "the index is registered on each snapshot since it was built")
        for file in glob.glob(os.path.join(self.warehouse, "t", "all", "data", "0*.parquet")):
            ids = {f.name: int(f.metadata[b"PARQUET:field_id"]) for f in pq.read_schema(file)}
            if "file_path" in ids:  # position deletes: field ids of the specification
                self.assertEqual(ids, {"file_path": 2147483546, "pos": 2147483545})
                continue
            self.assertEqual(ids, {f.name: f.field_id for f in schema.fields}, "field ids in the data file")

        # vecstore itself says the same
        q = vector(4711).astype(np.float64)
        for snapshot, rows in states:
            self.same_hits(self.query("t.all", q, "--snapshot", str(snapshot), "--exact", "-k", "20"), self.nearest(rows, q, 20))
        self.same_hits(self.query("t.all", q, "-k", "20"), self.nearest(wanted, q, 20))
        got = self.run_("get", "t.all", "--ids", ",".join(map(str, wanted)), "--include-vector")
        self.assertEqual([r["id"] for r in got["rows"]], list(wanted))
        for r in got["rows"]:
            i = r["id"]
            fields = {k: v for k, v in r["fields"].items() if k != "id"}
            self.assertEqual(normal_time(fields), normal_time(json_row(wanted[i])), f"row {i}")
            vectors = None if r.get("vector") is None else [float(np.float32(x)) for x in r["vector"]]
            self.assertEqual(vectors, wanted[i]["embedding"], f"vector of row {i}")
        filters = {"big > 0 AND d < 0": lambda r: r["big"] is not None and r["big"] > 0 and r["d"] is not None and r["d"] < 0,
                   "day < '2000-01-01' AND price >= 0.5": lambda r: r["day"] is not None and r["day"] < datetime.date(2000, 1, 1) and r["price"] is not None and r["price"] >= decimal.Decimal("0.5"),
                   "utc >= '2020-01-01T00:00:00Z'": lambda r: r["utc"] is not None and r["utc"] >= datetime.datetime(2020, 1, 1, tzinfo=UTC),
                   "flag = true AND tags = 't1'": lambda r: r["flag"] is True and r["tags"] is not None and "t1" in r["tags"],
                   "s LIKE 'Zeile 3%' AND nums IS NOT NULL": lambda r: r["s"] is not None and r["s"].startswith("Zeile 3") and r["nums"] is not None}
        for text, matches in filters.items():
            rows = {i: r for i, r in wanted.items() if matches(r)}
            self.assertTrue(rows, text)
            self.same_hits(self.query("t.all", q, "--filter", text, "-k", "1000"), self.nearest(rows, q, 1000))
        report = self.run_("table", "check", "t.all")
        self.assertEqual((report["problems"], report["rows"] - report["deleted"]), ([], len(wanted)))

    def test_hostile_parquet_rows(self):
        """What only Parquet can bring: text that is not UTF-8, also inside lists; NaN; a null id."""
        def write(name, ids=(1, 2, 3), s=(b"a", b"b", b"c"), tags=((b"x",),) * 3, bad=None):
            vectors = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
            if bad is not None:
                vectors[1] = bad
            raw = pa.table({"id": pa.array(ids, pa.int64()), "s": pa.array(s, pa.binary()), "tags": pa.array([list(t) for t in tags], pa.list_(pa.binary())),
                            "embedding": pa.array(vectors, pa.list_(pa.float32()))})
            text = pa.array(raw["s"].to_pylist(), pa.binary())
            values = raw["tags"].combine_chunks()
            columns = [raw["id"], pa.Array.from_buffers(pa.string(), len(text), text.buffers()),
                       pa.ListArray.from_arrays(values.offsets, pa.Array.from_buffers(pa.string(), len(values.values), values.values.buffers())), raw["embedding"]]
            path = os.path.join(self.folder, name + ".parquet")
            pq.write_table(pa.Table.from_arrays(columns, ["id", "s", "tags", "embedding"]), path)
            return path
        self.run_("table", "create", "t.h", "--dim", "2", "--schema", "id long, s string, tags list<string>")
        cases = {"text": dict(s=(b"a", b"\xff\xfe", b"c")), "tags": dict(tags=((b"x",), (b"ok", b"\xc3"), (b"y",))), "nan": dict(bad=[1.0, float("nan")]),
                 "inf": dict(bad=[float("-inf"), 1.0]), "zero": dict(bad=[0.0, 0.0]), "short": dict(bad=[1.0]), "null id": dict(ids=(1, None, 3)), "twice": dict(ids=(1, 1, 3))}
        for name, change in cases.items():
            path = write(name, **change)
            error = self.run_("ingest", "t.h", path, code=2)["error"]
            self.assertIn(f"{name}.parquet, row 1:", error["message"])
        self.assertEqual(self.run_("table", "describe", "t.h")["rows"], 0)
        for name, change in cases.items():
            report = self.run_("ingest", "t.h", write(name, **change), "--upsert", "--on-error", "quarantine")
            self.assertEqual((report["rows"], report["rejected"]), (2, 1), name)
            with open(report["quarantine"].replace("file://", ""), encoding="utf-8") as f:
                aside = [json.loads(line) for line in f]
            self.assertEqual([(a["row"], bool(a["reason"])) for a in aside], [(1, True)], name)

    def test_we_read_others(self):
        os.mkdir(self.warehouse)
        catalog = SqlCatalog("c", uri=f"sqlite:///{self.folder}/catalog.db", warehouse=f"file://{self.warehouse}")
        catalog.create_namespace("ns")
        fields = [T.NestedField(1, "id", T.LongType(), required=True), T.NestedField(2, "lang", T.StringType()), T.NestedField(3, "day", T.DateType()),
                  T.NestedField(4, "price", T.DecimalType(12, 3)), T.NestedField(5, "embedding", T.ListType(6, T.FloatType(), element_required=False))]
        table = catalog.create_table("ns.theirs", pyiceberg.schema.Schema(*fields, identifier_field_ids=[1]), location=f"file://{self.warehouse}/ns/theirs", properties={
            "vecstore.vector.embedding.dimension": str(DIM), "vecstore.vector.embedding.metric": "cosine"})

        def theirs(rows):
            schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("lang", pa.string()), ("day", pa.date32()), ("price", pa.decimal128(12, 3)), ("embedding", pa.list_(pa.float32()))])
            return pa.Table.from_pylist([{k: r[k] for k in schema.names} for r in rows], schema=schema)

        def make(i, version=0):
            return {**row(i, version), "lang": ["en", "de", None][i % 3]}

        live, states = {}, []
        for first in (0, 100, 200):
            rows = [make(i) for i in range(first, first + 100)]
            table.append(theirs(rows))
            live.update({r["id"]: r for r in rows})
            states.append((table.current_snapshot().snapshot_id, dict(live)))
        table.delete("id >= 50 and id < 120")  # copy on write: files are written again
        live = {i: r for i, r in live.items() if not 50 <= i < 120}
        states.append((table.current_snapshot().snapshot_id, dict(live)))
        rows = [make(i, 1) for i in range(290, 320)]
        table.overwrite(theirs(rows), overwrite_filter="id >= 290")
        live.update({r["id"]: r for r in rows})
        states.append((table.current_snapshot().snapshot_id, dict(live)))

        described = self.run_("table", "describe", "ns.theirs")
        self.assertEqual((described["rows"] - described["deleted"], described["id_column"]), (len(live), "id"))
        self.assertEqual([(f["id"], f["name"], f["required"]) for f in described["schema"]], [(f.field_id, f.name, f.required) for f in fields])
        self.assertEqual(described["vectors"][0]["dimension"], DIM)
        listed = self.run_("table", "snapshots", "ns.theirs")["snapshots"]
        self.assertEqual({s["snapshot_id"] for s in listed}, {str(s.snapshot_id) for s in table.metadata.snapshots})
        q = vector(4711).astype(np.float64)
        for snapshot, rows in states:
            self.same_hits(self.query("ns.theirs", q, "--snapshot", str(snapshot), "--exact", "-k", "25"), self.nearest(rows, q, 25))
            english = {i: r for i, r in rows.items() if r["lang"] == "en" and r["price"] is not None and r["price"] > 0}
            self.same_hits(self.query("ns.theirs", q, "--snapshot", str(snapshot), "--exact", "-k", "25", "--filter", "lang = 'en' AND price > 0"), self.nearest(english, q, 25))
            got = self.run_("get", "ns.theirs", "--ids", ",".join(map(str, rows)), "--snapshot", str(snapshot))
            self.assertEqual(got["not_found"], [])
            for r in got["rows"]:
                wanted = {k: v for k, v in json_row(rows[r["id"]]).items() if k in ("lang", "day", "price")}
                self.assertEqual({k: v for k, v in r["fields"].items() if k != "id"}, wanted, f"row {r['id']} at {snapshot}")
        self.assertEqual(self.run_("get", "ns.theirs", "--ids", "60,119,0")["not_found"], [60, 119])
        self.assertEqual(self.run_("table", "check", "ns.theirs")["problems"], [])


def duck_rows(table):
    """DuckDB's rows; its uuids come as text or as 16 bytes."""
    rows = table.to_pylist()
    for r in rows:
        if isinstance(r.get("u"), str):
            r["u"] = uuid.UUID(r["u"])
    return rows


if __name__ == "__main__":
    if not BINARY or not os.access(BINARY, os.X_OK):
        print("not run: no vecstore binary; give its path, or set VECSTORE_BIN")
        sys.exit(77)
    unittest.main(verbosity=1)
