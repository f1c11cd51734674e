#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Export and inspection of tables beside PyIceberg, DuckDB and pyarrow, nested columns included.

usage: export_test.py PATH_TO_VECSTORE     (exit status 77: a part is missing)
"""
import base64, datetime, decimal, glob, json, os, shutil, struct, subprocess, sys, tempfile, unittest, uuid

try:
    import duckdb
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.schema import Schema
    from pyiceberg.table import StaticTable
    import pyiceberg.types as T
except ImportError as e:
    print(f"skipped: export_test: {e}; VECSTORE_PYTHON has to name a Python with pyiceberg[sql-sqlite], pyarrow, numpy and duckdb")
    sys.exit(77)

BINARY = os.path.abspath(sys.argv.pop(1))
UTC = datetime.timezone.utc
SCHEMA = "id long, flag boolean, small int, d double, s string, day date, at timestamp, utc timestamptz, bin binary, u uuid, price decimal(12,3), tags list<string>"


def row(i):
    made = {"id": i, "flag": i % 2 == 0, "small": i * 7 - 3500, "d": i / 3, "s": f"Zeile {i % 90} é漢", "day": str(datetime.date(2001, 1, 1) + datetime.timedelta(i)),
            "at": (datetime.datetime(1999, 1, 1) + datetime.timedelta(microseconds=i * 12345677)).isoformat(),
            "utc": (datetime.datetime(1969, 12, 1, tzinfo=UTC) + datetime.timedelta(microseconds=i * 987654321)).isoformat().replace("+00:00", "Z"),
            "bin": base64.b64encode(bytes([i % 256] * (i % 5))).decode(), "u": str(uuid.UUID(int=i * 2**90 + 5)), "price": f"{i // 8}.{i % 8}25",
            "tags": [f"t{k}" for k in range(i % 4)], "embedding": [float(np.float32(i * 0.37)), 1.0, float(-i)]}
    for n, name in enumerate(made):
        if name not in ("id", "embedding") and (i + n) % 13 == 0:
            made[name] = None
    return made


def text(value):
    """A value of pyarrow as the export writes it."""
    if isinstance(value, datetime.datetime):
        value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return value
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, list):
        return [text(v) for v in value]
    return value


def exported(value, name):
    if name == "embedding":  # floats are written as short as float32 reads back
        return [float(np.float32(v)) for v in value]
    if name in ("at", "utc") and value is not None:
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00")).replace(tzinfo=None)
    return value


# ---- the canonical rendering, written anew from docs/format/digest.md ----
def fnv(data, h=0xCBF29CE484222325):
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def render(v):
    if v is None:
        return b"\\N"
    if isinstance(v, bool):
        return b"true" if v else b"false"
    if isinstance(v, int):
        return b"%d" % v
    if isinstance(v, float):
        return struct.pack(">d", v).hex().encode()
    if isinstance(v, str):
        v = v.encode()
    if isinstance(v, bytes):
        return b"%d:%s" % (len(v), v)
    if isinstance(v, dict):
        return b"{" + b",".join(render(k) + b":" + render(x) for k, x in v.items()) + b"}"
    if isinstance(v, tuple):
        return b"(" + b",".join(render(x) for x in v) + b")"
    return b"[" + b",".join(render(x) for x in v) + b"]"


def answer(rows):
    """rows: tuples. {rows, digest, columns: [(nulls, digest)]}"""
    rows = sorted(rows, key=render)
    columns = []
    for i in range(len(rows[0]) if rows else 0):
        columns.append((sum(r[i] is None for r in rows), "%016x" % fnv(b"".join(render(r[i]) + b"\n" for r in rows))))
    return len(rows), "%016x" % fnv(b"".join(render(r) + b"\n" for r in rows)), columns


class ExportTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.warehouse = os.path.join(self.folder, "w")

    def tearDown(self):
        shutil.rmtree(self.folder)

    def run_(self, *args, code=0):
        run = subprocess.run([BINARY, "--warehouse", self.warehouse, *args, "--json"], capture_output=True, cwd=self.folder, timeout=120)
        self.assertEqual(run.returncode, code, f"{args}: {run.stderr.decode()}")
        return run.stdout if code == 0 else run.stderr.decode()

    def path(self, name):
        return os.path.join(self.folder, name)

    def metadata(self, table):
        """The newest metadata file of a table in the folder."""
        files = glob.glob(os.path.join(self.warehouse, *table.split("."), "metadata", "v*.metadata.json"))
        return max(files, key=lambda f: int(os.path.basename(f)[1:].split(".")[0]))

    def jsonl(self, *args):
        out = self.run_("export", *args)
        return [json.loads(line) for line in out.splitlines()]

    def make(self, *options, table="t.a"):
        self.run_("table", "create", table, "--dim", "3", "--schema", SCHEMA, *options)
        for first in (0, 400, 800):
            with open(self.path("in.jsonl"), "w") as f:
                f.writelines(json.dumps(row(i)) + "\n" for i in range(first, first + 400))
            self.run_("ingest", table, self.path("in.jsonl"))
        self.run_("delete", table, "--filter", "id >= 100 AND id < 150")
        self.run_("delete", table, "--ids", "3,1199")
        return [i for i in range(1200) if not 100 <= i < 150 and i not in (3, 1199)]

    def check_table(self, table, live):
        theirs = {r["id"]: r for r in StaticTable.from_metadata(self.metadata(table)).scan().to_arrow().to_pylist()}
        self.assertEqual(sorted(theirs), live)
        ours = self.jsonl(table)
        self.assertEqual(sorted(r["id"] for r in ours), live)
        for r in ours:
            self.assertEqual({k: exported(v, k) for k, v in r.items()}, {k: text(v) for k, v in theirs[r["id"]].items()}, f"row {r['id']}")
        # a Parquet file has the same rows, for pyarrow and for DuckDB
        report = json.loads(self.run_("export", table, "--to", self.path("out.parquet")))
        self.assertEqual((report["rows"], report["bytes"]), (len(live), os.path.getsize(self.path("out.parquet"))))
        flat = {r["id"]: {k: text(v) for k, v in r.items()} for r in pq.read_table(self.path("out.parquet")).to_pylist()}
        self.assertEqual(flat, {i: {k: text(v) for k, v in r.items()} for i, r in theirs.items()})
        con = duckdb.connect()
        total = con.execute(f"select count(*), sum(small), count(price), sum(price) from read_parquet('{self.path('out.parquet')}')").fetchone()
        price = [r["price"] for r in theirs.values() if r["price"] is not None]
        self.assertEqual(total, (len(live), sum(r["small"] or 0 for r in theirs.values()), len(price), sum(price)))
        # filters: the same rows that Python chooses, whatever planning passes over
        filters = {"id >= 1000": lambda r: r["id"] >= 1000, "id < 0": lambda r: False, "id = 777": lambda r: r["id"] == 777,
                   "NOT id < 700 AND small > 0": lambda r: r["id"] >= 700 and r["small"] is not None and r["small"] > 0,
                   "s LIKE 'Zeile 7%'": lambda r: r["s"] is not None and r["s"].startswith("Zeile 7"),
                   "NOT s LIKE 'Zeile 7%'": lambda r: r["s"] is not None and not r["s"].startswith("Zeile 7"),
                   "day BETWEEN '2001-02-01' AND '2001-03-01'": lambda r: r["day"] is not None and datetime.date(2001, 2, 1) <= r["day"] <= datetime.date(2001, 3, 1),
                   "id IN (1, 500, 1100, 4000) OR price IS NULL": lambda r: r["id"] in (1, 500, 1100) or r["price"] is None,
                   "price >= 120.5 AND tags = 't2'": lambda r: r["price"] is not None and r["price"] >= decimal.Decimal("120.5") and "t2" in (r["tags"] or []),
                   "d > 399.3 OR NOT (flag = true OR id > 20)": lambda r: (r["d"] is not None and r["d"] > 399.3) or (r["id"] <= 20 and r["flag"] is False)}
        for name, matches in filters.items():
            found = sorted(r["id"] for r in self.jsonl(table, "--filter", name, "--select", "id"))
            self.assertEqual(found, sorted(i for i, r in theirs.items() if matches(r)), name)
        # vectors
        report = json.loads(self.run_("export", table, "--to", self.path("out.npy"), "--filter", "id >= 90 AND id < 1000"))
        array = np.load(self.path("out.npy"))
        wanted = [r["id"] for r in ours if 90 <= r["id"] < 1000]
        self.assertEqual(report["rows"], len(wanted))
        np.testing.assert_array_equal(array, np.array([theirs[i]["embedding"] for i in wanted], np.float32))
        self.assertEqual(array.flags["C_CONTIGUOUS"], True)

    def test_flat(self):
        self.check_table("t.a", self.make())

    def test_partitioned_v3(self):
        self.check_table("t.a", self.make("--partition-by", "bucket(4, id), month(day)", "--format-version", "3"))

    def test_time_travel(self):
        self.make()
        snapshots = json.loads(self.run_("table", "snapshots", "t.a"))["snapshots"]
        for s in snapshots:
            theirs = StaticTable.from_metadata(self.metadata("t.a")).scan(snapshot_id=int(s["snapshot_id"])).to_arrow()["id"].to_pylist()
            self.assertEqual(sorted(r["id"] for r in self.jsonl("t.a", "--snapshot", s["snapshot_id"], "--select", "id")), sorted(theirs))

    def test_mistakes(self):
        self.make()
        cases = [(["--to", self.path("x.csv")], 2, "format"), (["--to", self.path("no/x.jsonl")], 3, "no folder"), (["--select", "nope"], 2, "unknown column"),
                 (["--select", "id,id"], 2, "twice"), (["--to", self.path("x.npy"), "--select", "id"], 2, "--select"), (["--filter", "id >"], 2, "filter"),
                 (["--snapshot", "17"], 3, "17"), (["--ref", "nope"], 3, "nope"), (["--snapshot", "x"], 2, "--snapshot")]
        for args, code, words in cases:
            self.assertIn(words, self.run_("export", "t.a", *args, code=code), args)
        self.assertIn("t.no", self.run_("export", "t.no", code=3))
        with open(self.path("keep.jsonl"), "w") as f:
            f.write("before\n")
        self.run_("export", "t.a", "--to", self.path("keep.jsonl"), "--select", "nope", code=2)
        with open(self.path("keep.jsonl")) as f:
            self.assertEqual(f.read(), "before\n")
        self.assertEqual(sorted(os.listdir(self.folder)), ["in.jsonl", "keep.jsonl", "w"])
        for path, code, words in [("nosuch.parquet", 3, "no file"), (self.warehouse, 3, "no file"), ("in.jsonl", 5, "")]:
            self.assertIn(words, self.run_("inspect", self.path(path), code=code if path != "in.jsonl" else self.refusal(path)))

    def refusal(self, path):
        code = subprocess.run([BINARY, "inspect", self.path(path)], capture_output=True).returncode
        self.assertTrue(0 < code < 100)
        return code

    def nested(self):
        """A table of PyIceberg with structs, maps and lists, and what its rows are."""
        os.mkdir(self.warehouse)
        catalog = SqlCatalog("c", uri=f"sqlite:///{self.folder}/catalog.db", warehouse=f"file://{self.warehouse}")
        catalog.create_namespace("ns")
        schema = Schema(T.NestedField(1, "id", T.LongType(), required=True),
                        T.NestedField(2, "p", T.StructType(T.NestedField(3, "x", T.IntegerType()), T.NestedField(4, "y", T.StringType()),
                                                           T.NestedField(5, "q", T.StructType(T.NestedField(6, "z", T.DoubleType()))))),
                        T.NestedField(7, "m", T.MapType(8, T.StringType(), 9, T.LongType(), value_required=False)),
                        T.NestedField(10, "l", T.ListType(11, T.StructType(T.NestedField(12, "a", T.LongType()), T.NestedField(13, "b", T.ListType(14, T.StringType(), element_required=False))), element_required=False)))
        table = catalog.create_table("ns.n", schema, location=f"file://{self.warehouse}/ns/n")
        return table, table.schema().as_arrow()

    @staticmethod
    def nested_row(i, no_list=[]):  # PyIceberg writes lists of structs that are null as empty ones
        return {"id": i, "p": None if i % 5 == 0 else {"x": i, "y": None if i % 3 == 0 else f"y{i}", "q": None if i % 4 == 0 else {"z": i / 2}},
                "m": None if i % 7 == 0 else [(f"k{k}", None if k == 1 else k * i) for k in range(i % 3)],
                "l": no_list if i % 6 == 0 else [None if k == 2 else {"a": k, "b": None if k == 1 else ["u", None][: i % 3]} for k in range(i % 4)]}

    def digest(self, path, *args):
        out = json.loads(self.run_("inspect", path, "--digest", *args))
        return out["rows"], out["digest"], [(c["nulls"], c["digest"]) for c in out["columns"]]

    def test_nested(self):
        table, arrow = self.nested()
        rows = [self.nested_row(i) for i in range(300)]
        table.append(pa.Table.from_pylist(rows[:200], schema=arrow))
        first = table.current_snapshot().snapshot_id
        table.append(pa.Table.from_pylist(rows[200:], schema=arrow))

        def old(r):
            p, q = r["p"], (r["p"] or {}).get("q")
            return (r["id"], None if p is None else (p["x"], p["y"], None if q is None else (q["z"],)), None if r["m"] is None else dict(r["m"]),
                    None if r["l"] is None else [None if e is None else (e["a"], e["b"]) for e in r["l"]])
        self.assertEqual(self.digest(table.metadata_location), answer([old(r) for r in rows]))
        # rename, widen, drop, move and add members; the old rows keep what they had
        with table.update_schema() as u:
            u.rename_column("p.y", "why")
            u.update_column("p.x", T.LongType())
            u.move_first("p.q")
            u.add_column(("p", "new"), T.StringType())
            u.add_column(("l", "extra"), T.LongType())
            u.delete_column("l.a")
        new = [{"id": i, "p": {"q": {"z": 1.5}, "x": 2**40 + i, "why": "w", "new": "n"}, "m": [("k", i)], "l": [{"b": ["v"], "extra": i}]} for i in range(300, 320)]
        table.append(pa.Table.from_pylist(new, schema=table.schema().as_arrow()))

        def now(r):
            if r["id"] >= 300:
                return (r["id"], ((1.5,), r["p"]["x"], "w", "n"), {"k": r["id"]}, [(["v"], r["id"])])
            p, q = r["p"], (r["p"] or {}).get("q")
            return (r["id"], None if p is None else (None if q is None else (q["z"],), p["x"], p["y"], None), None if r["m"] is None else dict(r["m"]),
                    None if r["l"] is None else [None if e is None else (e["b"], None) for e in r["l"]])
        self.assertEqual(self.digest(table.metadata_location), answer([now(r) for r in rows + new]))
        self.assertEqual(self.digest(table.metadata_location, "--snapshot", str(first)), answer([old(r) for r in rows[:200]]))
        # a copy elsewhere
        moved = self.path("moved")
        shutil.copytree(os.path.join(self.warehouse, "ns", "n"), moved)
        name = os.path.basename(table.metadata_location)
        shutil.rmtree(os.path.join(self.warehouse, "ns", "n", "data"))
        self.assertIn("cannot be opened", self.run_("inspect", os.path.join(moved, "metadata", name), "--digest", "--map-prefix", f"{table.location()}={moved}/no", code=3))
        self.assertEqual(self.digest(os.path.join(moved, "metadata", name), "--map-prefix", f"{table.location()}={moved}"), answer([now(r) for r in rows + new]))
        only = json.loads(self.run_("inspect", table.metadata_location, "--digest"))
        self.assertEqual((only["metadata_only"], only["plan"]["file_rows"], only["plan"]["data_files"]), (True, 320, 3))
        # defaults, as version 3 has them: at the top, in a struct, in the structs of a list
        def defaults(m):
            for s in m["schemas"]:
                if s["schema-id"] == m["current-schema-id"]:
                    byname = {f["name"]: f for f in s["fields"]}
                    byname["p"]["type"]["fields"].append({"id": 101, "name": "d", "required": True, "type": "decimal(9, 2)", "initial-default": "3.50", "write-default": "3.50"})
                    byname["l"]["type"]["element"]["fields"].append({"id": 102, "name": "e", "required": False, "type": "string", "initial-default": "dflt"})
                    s["fields"].append({"id": 103, "name": "day", "required": False, "type": "date", "initial-default": "1970-01-11"})
                    s["fields"].append({"id": 104, "name": "st", "required": False, "initial-default": {}, "type": {"type": "struct", "fields": [
                        {"id": 105, "name": "in", "required": False, "type": "long", "initial-default": 7}, {"id": 106, "name": "none", "required": False, "type": "binary"}]}})
                    s["fields"].append({"id": 107, "name": "ls", "required": False, "initial-default": [1, None, 3], "type": {"type": "list", "element-id": 108, "element": "long", "element-required": False}})
            m["last-column-id"] = 108
        path = self.edited(os.path.join(moved, "metadata", name), defaults)

        def with_defaults(r):
            i, p, m, l = now(r)
            return (i, None if p is None else p + (350,), m, None if l is None else [None if e is None else e + ("dflt",) for e in l], 10, (7, None), [1, None, 3])
        self.assertEqual(self.digest(path, "--map-prefix", f"{table.location()}={moved}"), answer([with_defaults(r) for r in rows + new]))

    def edited(self, path, edit):
        with open(path, encoding="utf-8") as f:
            m = json.load(f)
        edit(m)
        path = os.path.join(os.path.dirname(path), "v99.metadata.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(m, f)
        return path

    def test_nested_without_ids(self):
        """Files added as they are: names through the mapping, at every level."""
        table, arrow = self.nested()
        rows = [self.nested_row(i, None) for i in range(60)]
        plain = pa.schema([pa.field(f.name, self.bare(f.type), f.nullable) for f in arrow])
        os.makedirs(os.path.join(self.warehouse, "ns", "n", "data"), exist_ok=True)
        path = os.path.join(self.warehouse, "ns", "n", "data", "plain.parquet")
        pq.write_table(pa.Table.from_pylist(rows, schema=plain), path)
        table.add_files([f"file://{path}"])
        with table.update_schema() as u:
            u.rename_column("p.y", "why")
        self.assertEqual(self.digest(table.metadata_location), answer([(
            r["id"], None if r["p"] is None else (r["p"]["x"], r["p"]["y"], None if r["p"]["q"] is None else (r["p"]["q"]["z"],)),
            None if r["m"] is None else dict(r["m"]), None if r["l"] is None else [None if e is None else (e["a"], e["b"]) for e in r["l"]]) for r in rows]))

    def bare(self, t):
        if pa.types.is_struct(t):
            return pa.struct([pa.field(f.name, self.bare(f.type)) for f in t])
        if pa.types.is_map(t):
            return pa.map_(self.bare(t.key_type), self.bare(t.item_type))
        if pa.types.is_list(t) or pa.types.is_large_list(t):
            return pa.list_(pa.field("element", self.bare(t.value_type)))
        return pa.string() if pa.types.is_large_string(t) else t

    def test_nested_export(self):
        table, arrow = self.nested()
        rows = [self.nested_row(i) for i in range(120)]
        table.append(pa.Table.from_pylist(rows, schema=arrow))
        shutil.copy(table.metadata_location.replace("file://", ""), os.path.join(self.warehouse, "ns", "n", "metadata", "v1.metadata.json"))
        wanted = [{"id": r["id"], "p": r["p"], "m": None if r["m"] is None else [{"key": k, "value": v} for k, v in r["m"]], "l": r["l"]} for r in rows]
        self.assertEqual(self.jsonl("ns.n"), wanted)
        self.assertEqual(self.jsonl("ns.n", "--select", "m,id", "--filter", "id IN (4, 119)"), [{"m": wanted[i]["m"], "id": i} for i in (4, 119)])
        self.assertIn("'p'", self.run_("export", "ns.n", "--to", self.path("x.parquet"), code=self.code("export", "ns.n", "--to", self.path("x.parquet"))))
        self.run_("export", "ns.n", "--to", self.path("x.parquet"), "--select", "id")
        self.assertEqual(pq.read_table(self.path("x.parquet"))["id"].to_pylist(), list(range(120)))

    def code(self, *args):
        code = subprocess.run([BINARY, "--warehouse", self.warehouse, *args], capture_output=True).returncode
        self.assertTrue(0 < code < 100)
        return code


if __name__ == "__main__":
    unittest.main()
