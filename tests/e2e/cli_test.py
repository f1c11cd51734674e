#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line from outside: the real binary in a scratch folder, no third-party module.

usage: cli_test.py PATH_TO_VECSTORE [unittest arguments]     (or $VECSTORE_BIN; exit status 77: no binary)

Expected answers are computed here, in double precision, from the rows that were written.
"""
import json, math, os, random, shutil, signal, struct, subprocess, sys, tempfile, time, unittest

BINARY = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and os.path.exists(sys.argv[1]) else os.environ.get("VECSTORE_BIN", "")
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("VECSTORE_")}
DIM = 8


def single(values):
    """As float32: JSON holds the shortest text that reads back as the same float32."""
    return list(struct.unpack(f"<{len(values)}f", struct.pack(f"<{len(values)}f", *values)))


def vector(i, dim=DIM):
    rng = random.Random(i)
    return single([rng.gauss(0, 1) for _ in range(dim)])


def row(i, dim=DIM, **more):
    return {"id": i, "title": f"row {i}", "lang": ["en", "de", "fr"][i % 3], "n": i % 10, "embedding": vector(i, dim), **more}


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def nearest(query, ids, k):
    return sorted(ids, key=lambda i: -cosine(query, vector(i)))[:k]


def write_jsonl(path, rows):
    with open(path, "w") as f:
        f.writelines(json.dumps(r) + "\n" for r in rows)
    return path


def write_npy(path, rows):
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), len(rows[0]))
    head = head.ljust(128 - 10 - 1) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        for r in rows:
            f.write(struct.pack(f"<{len(r)}f", *r))
    return path


def tree(folder):
    return sorted(os.path.join(d, f) for d, _, files in os.walk(folder) for f in files)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vecstore-cli-")
        self.warehouse = os.path.join(self.folder, "warehouse")

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *args, env=None, **more):
        return subprocess.Popen([BINARY, "--warehouse", self.warehouse, *args], cwd=self.folder, env={**CLEAN, **(env or {})},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)

    def run_(self, *args, code=0, stdin=None, env=None):
        """Runs a command, checks its exit code; stdout and stderr."""
        process = self.start(*args, env=env, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL)
        out, error = process.communicate(stdin, timeout=120)
        self.assertEqual(process.returncode, code, f"{' '.join(args)[:300]}\n{out[-1000:]}{error[-1000:]}")
        return out, error

    def ask(self, *args, **more):
        """With --json: the document."""
        return json.loads(self.run_(*args, "--json", **more)[0])

    def wrong(self, *args, code, says=(), **more):
        """Fails with this code and a sentence that holds each of `says`, in both forms."""
        out, error = self.run_(*args, code=code, **more)
        self.assertTrue(error.startswith("vecstore: "), error)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, error)
        out, text = self.run_("--json", *args, code=code, **more)
        self.assertTrue(json.loads(text)["error"]["message"], text)
        return error

    def make(self, count=60, first=0, name="t.rows", **more):
        path = write_jsonl(self.path(f"rows{first}-{count}.jsonl"), [row(i) for i in range(first, first + count)])
        return self.ask("ingest", name, path, "--create", **more)

    def ids(self, name="t.rows"):
        """Every live id, each once, through a query that ranks all rows; fails on a repeated one."""
        answer = self.ask("query", name, "--vector", json.dumps([1] * DIM), "-k", "1000", "--select", "none", "--exact")
        found = [h["id"] for h in answer["results"][0]["hits"]]
        self.assertEqual(len(found), len(set(found)), "an id is live twice")
        return set(found)

    def check(self, name="t.rows"):
        report = self.ask("table", "check", name)
        self.assertTrue(report["ok"], report)
        return report


class Help(Case):
    def test_every_command_has_help(self):
        out, _ = self.run_("--help")
        commands = [line.split("  ")[1].strip() for line in out.splitlines() if line.startswith("  ")]
        self.assertGreaterEqual(len(commands), 16, commands)
        for command in commands:
            text, _ = self.run_(*command.split(), "--help")
            self.assertIn(f"vecstore {command}", text)
            self.assertIn("--warehouse", text)
        for group in ("table", "index"):
            self.assertIn(f"{group} list", self.run_(group, "--help")[0])
        self.assertFalse(os.path.exists(self.warehouse), "help makes nothing")

    def test_version(self):
        report = self.ask("version")
        self.assertEqual(self.run_("--version")[0].split()[1], report["version"])
        self.assertIn(report["simd"], ("scalar", "avx2", "avx512", "vnni", "neon"))
        self.assertEqual(self.ask("version", env={"VS_SIMD": "scalar"})["simd"], "scalar")

    def test_wrong_usage(self):
        self.run_(code=2)
        self.wrong("tabel", code=2, says="unknown command")
        self.wrong("table", "lst", code=2, says="unknown command")
        self.wrong("query", "t.rows", "--filtre", "x", code=2, says=["unknown option --filtre", "--filter"])
        self.wrong("query", "t.rows", "-Z", code=2, says="unknown option")
        self.wrong("query", "t.rows", "--vector", code=2, says="needs a value")
        self.wrong("query", "t.rows", "--exact=yes", code=2, says="takes no value")
        self.wrong("query", code=2, says="usage: vecstore query")
        self.wrong("query", "t.rows", "more", "--id", "1", code=2, says="usage")
        self.wrong("query", "t.rows", code=2, says="exactly one of")
        self.wrong("query", "t.rows", "--vector", "[1]", "--id", "1", code=2, says="exactly one of")
        self.wrong("table", "create", "t.rows", code=2, says="--dim")
        self.wrong("table", "create", "t.rows", "--dim", "16385", code=2, says="16384")
        self.wrong("table", "create", "t.rows", "--dim", "-4", code=2, says="--dim")
        self.wrong("table", "create", "t.rows", "--dim", "4", "--metric", "hamming", code=2, says="hamming")
        self.wrong("table", "list", "--threads", "0", code=2, says="--threads")
        self.wrong("table", "drop", "t.rows", code=2, says="--yes")

    def test_options_from_elsewhere(self):
        self.make(30)
        query = ("query", "t.rows", "--id", "3", "--select", "none")
        count = lambda **more: len(self.ask(*more.pop("args", query), **more)["results"][0]["hits"])
        self.assertEqual(count(), 10)
        self.assertEqual(count(env={"VECSTORE_K": "4"}), 4)
        config = self.path("config.json")
        with open(config, "w") as f:
            json.dump({"k": 3, "exact": True, "min-score": -1.5}, f)
        self.assertEqual(count(args=(*query, "--config", config)), 3)
        self.assertEqual(count(env={"VECSTORE_CONFIG": config, "VECSTORE_K": "5"}), 5)
        self.assertEqual(count(args=(*query, "-k2", "--config", config), env={"VECSTORE_K": "5"}), 2)
        self.wrong(*query, "--config", self.path("none.json"), code=3, says="none.json")
        with open(config, "w") as f:
            f.write("[1]")
        self.wrong(*query, "--config", config, code=2, says="JSON object")
        self.wrong(*query, env={"VECSTORE_K": "many"}, code=2, says="--k")


class Work(Case):
    def test_empty_table(self):
        created = self.ask("table", "create", "t.rows", "--dim", "8", "--schema", "id long, title string", "--model", "m")
        self.assertEqual((created["rows"], created["snapshot_id"], created["index"]), (0, None, None))
        self.assertEqual(created["vectors"], [{**created["vectors"][0], "column": "embedding", "dimension": 8, "metric": "cosine", "model": "m"}])
        self.wrong("table", "create", "t.rows", "--dim", "8", code=4, says="t.rows")
        answer = self.ask("query", "t.rows", "--vector", json.dumps([1] * 8))
        self.assertEqual(answer["results"][0]["hits"], [])
        self.assertEqual(self.ask("table", "snapshots", "t.rows")["snapshots"], [])
        self.check()

    def test_life_of_a_table(self):
        first = self.make(60)
        self.assertEqual((first["rows"], first["replaced"], first["rejected"], first["quarantine"]), (60, 0, 0, None))
        query = vector(1000)
        ask = lambda *more: [h["id"] for h in self.ask("query", "t.rows", "--vector", json.dumps(query), "-k", "5", *more)["results"][0]["hits"]]
        self.assertEqual(ask(), nearest(query, range(60), 5))
        self.assertEqual(ask("--filter", "lang = 'de' AND n >= 4"), nearest(query, [i for i in range(60) if i % 3 == 1 and i % 10 >= 4], 5))
        hit = self.ask("query", "t.rows", "--vector", json.dumps(query), "-k", "1", "--select", "title,n", "--include-vector")["results"][0]["hits"][0]
        best = nearest(query, range(60), 1)[0]
        self.assertEqual(hit["fields"], {"title": f"row {best}", "n": best % 10})
        self.assertAlmostEqual(hit["score"], cosine(query, vector(best)), places=5)
        self.assertEqual(single(hit["vector"]), vector(best))
        like = [h["id"] for h in self.ask("query", "t.rows", "--id", "7", "-k", "3")["results"][0]["hits"]]
        self.assertEqual(like, nearest(vector(7), [i for i in range(60) if i != 7], 3))
        # upsert: five replaced, five new
        lines = "".join(json.dumps({**row(i), "title": "new"}) + "\n" for i in range(55, 65))
        self.wrong("ingest", "t.rows", "-", stdin=lines, code=4, says=["--upsert", "5 of the ids"])
        second = self.ask("ingest", "t.rows", "-", "--upsert", stdin=lines)
        self.assertEqual((second["rows"], second["replaced"]), (10, 5))
        self.assertEqual(self.ids(), set(range(65)))
        got = self.ask("get", "t.rows", "--ids", "54,55,64,999", "--select", "title")
        self.assertEqual([(r["id"], r["fields"]["title"]) for r in got["rows"]], [(54, "row 54"), (55, "new"), (64, "new")])
        self.assertEqual(got["not_found"], [999])
        # deletes
        report = self.ask("delete", "t.rows", "--ids", "0,1,2,777")
        self.assertEqual((report["deleted"], report["not_found"]), (3, 1))
        report = self.ask("delete", "t.rows", "--filter", "n = 9")
        self.assertEqual(report["deleted"], 6)
        live = {i for i in range(3, 65) if i % 10 != 9}
        self.assertEqual(self.ids(), live)
        before = self.ask("table", "snapshots", "t.rows")["snapshots"]
        self.assertIsNone(self.ask("delete", "t.rows", "--ids", "777")["snapshot_id"])
        self.assertEqual(self.ask("table", "snapshots", "t.rows")["snapshots"], before, "deleting nothing makes no snapshot")
        self.assertEqual([s["operation"] for s in before], ["delete", "delete", "overwrite", "append"])
        # time travel
        then = ("--snapshot", first["snapshot_id"])
        self.assertEqual(ask(*then), nearest(query, range(60), 5))
        self.assertEqual(self.ask("get", "t.rows", "--ids", "0", *then)["rows"][0]["fields"]["title"], "row 0")
        at = [s["timestamp"] for s in before if s["snapshot_id"] == first["snapshot_id"]][0]
        self.assertEqual(ask("--as-of", at), nearest(query, range(60), 5))
        self.assertEqual(ask("--ref", "main"), nearest(query, live, 5))
        self.wrong("query", "t.rows", "--id", "3", "--snapshot", "12345", code=3, says="12345")
        self.wrong("query", "t.rows", "--id", "3", "--as-of", "1999-01-01", code=3)
        self.wrong("query", "t.rows", "--id", "3", "--as-of", "yesterday", code=2, says="yesterday")
        self.wrong("query", "t.rows", "--id", "0", code=3, says="0")
        described = self.ask("table", "describe", "t.rows")
        self.assertEqual(described["rows"] - described["deleted"], len(live))
        self.assertEqual(described["snapshots"], 4)
        listed = self.ask("table", "list")["tables"]
        self.assertEqual([t["name"] for t in listed], ["t.rows"])
        self.assertEqual(self.check()["problems"], [])
        recall = self.ask("recall", "t.rows", "--num", "10")
        self.assertEqual((recall["recall"], recall["queries"], recall["k"], recall["asked"]), (1.0, 10, 10, "rows"))
        for command in (("table", "list"), ("table", "describe", "t.rows"), ("table", "snapshots", "t.rows"), ("table", "check", "t.rows"),
                        ("query", "t.rows", "--id", "5", "--explain"), ("get", "t.rows", "--ids", "5,999"), ("recall", "t.rows", "--num", "5")):
            self.assertTrue(self.run_(*command)[0].strip(), command)
        self.assertEqual(self.ask("table", "drop", "t.rows", "--yes"), {"dropped": "t.rows"})
        self.assertEqual(self.ask("table", "list")["tables"], [])
        self.wrong("query", "t.rows", "--id", "3", code=3, says="t.rows")

    def test_npy_with_metadata(self):
        npy = write_npy(self.path("v.npy"), [vector(i) for i in range(20)])
        rows = write_jsonl(self.path("m.jsonl"), [{"id": i + 100, "title": f"row {i}"} for i in range(20)])
        self.ask("ingest", "t.rows", npy, "--metadata", rows, "--create")
        got = self.ask("get", "t.rows", "--ids", "107", "--include-vector")["rows"][0]
        self.assertEqual((got["fields"]["title"], single(got["vector"])), ("row 7", vector(7)))
        self.ask("ingest", "t.plain", npy, "--create", "--metric", "l2")
        answer = self.ask("query", "t.plain", "--vector-file", write_npy(self.path("q.npy"), [vector(3), vector(11)]), "-k", "1")
        self.assertEqual([(r["hits"][0]["id"], r["hits"][0]["score"]) for r in answer["results"]], [(3, 0), (11, 0)])
        short = write_jsonl(self.path("short.jsonl"), [{"id": i, "title": "x"} for i in range(19)])
        self.wrong("ingest", "t.rows", npy, "--metadata", short, code=2, says=["short.jsonl", "fewer rows"])
        self.assertEqual(self.ids(), set(range(100, 120)))

    def test_parquet(self):
        golden = os.path.join(SOURCE, "tests", "golden", "parquet", "lists_plain_v1.parquet")
        out, error = self.run_("ingest", "t.p", golden, "--create", "--json", code=2)
        self.assertIn("lists_plain_v1.parquet", json.loads(error)["error"]["message"])
        self.assertEqual(self.ask("table", "list")["tables"], [])

    def test_string_ids(self):
        rows = [{"key": f"a-{i}é", "embedding": vector(i)} for i in range(12)]
        self.ask("ingest", "t.s", write_jsonl(self.path("s.jsonl"), rows), "--create", "--id-column", "key")
        got = self.ask("get", "t.s", "--ids", "a-3é,zz", "--include-vector")
        self.assertEqual((got["rows"][0]["id"], single(got["rows"][0]["vector"]), got["not_found"]), ("a-3é", vector(3), ["zz"]))
        self.assertEqual(self.ask("delete", "t.s", "--ids", "a-3é")["deleted"], 1)
        self.assertEqual(self.ask("get", "t.s", "--ids", "a-3é")["not_found"], ["a-3é"])
        # a long id of many-byte characters is cut in messages between characters
        long = "x" + "é" * 100
        lines = "".join(json.dumps({"key": long, "embedding": vector(1)}, ensure_ascii=False) + "\n" for _ in range(2))
        self.wrong("ingest", "t.s", "-", stdin=lines, code=2, says="more than once")
        report = self.ask("ingest", "t.s", "-", "--on-error", "quarantine", stdin=lines)
        self.assertEqual((report["rows"], report["rejected"]), (1, 1))
        self.wrong("ingest", "t.s", "-", stdin=lines.splitlines()[0], code=4, says="'xé")

    def test_index(self):
        self.make(200)
        self.wrong("index", "show", "t.rows", code=3, says="index build")
        self.assertEqual(self.ask("index", "list", "t.rows")["indexes"], [])
        built = self.ask("index", "build", "t.rows")
        self.assertEqual((built["rows"], built["published"]), (200, True))
        listed = self.ask("index", "list", "t.rows")["indexes"]
        self.assertEqual([(i["uuid"], i["current"]) for i in listed], [(built["index"], True)])
        shown = self.ask("index", "show", "t.rows")
        self.assertEqual((shown["uuid"], shown["rows"], shown["coverage"]["uncovered_rows"]), (built["index"], 200, 0))
        self.ask("index", "verify", "t.rows")
        query = ("query", "t.rows", "--vector", json.dumps(vector(1000)), "--select", "title", "-k", "7")
        answer = self.ask(*query)
        self.assertEqual(answer["index"], built["index"])
        self.assertEqual(answer["coverage"]["indexed"], 200)
        self.assertEqual([h["id"] for h in answer["results"][0]["hits"]], nearest(vector(1000), range(200), 7))
        # newer rows are found at once, deleted ones are gone at once, and the index stays in use
        self.make(50, first=200)
        self.ask("delete", "t.rows", "--filter", "n = 3")
        live = [i for i in range(250) if i % 10 != 3]
        answer = self.ask(*query)
        self.assertEqual([h["id"] for h in answer["results"][0]["hits"]], nearest(vector(1000), live, 7))
        self.assertEqual((answer["coverage"]["indexed"], answer["coverage"]["scanned"], answer["coverage"]["deleted"]), (200, 50, 25))
        self.check()
        for command in ("list", "show", "verify"):
            self.assertTrue(self.run_("index", command, "t.rows")[0].strip())
        rebuilt = self.ask("index", "build", "t.rows")
        self.assertEqual([h["id"] for h in self.ask(*query)["results"][0]["hits"]], nearest(vector(1000), live, 7))
        self.assertNotEqual(rebuilt["index"], built["index"])

    def test_damaged_index(self):
        self.make(300)
        self.ask("index", "build", "t.rows")
        path = [f for f in tree(self.warehouse) if f.endswith(".puffin")]
        self.assertEqual(len(path), 1)
        with open(path[0], "rb") as f:
            whole = f.read()
        query = ("query", "t.rows", "--vector", json.dumps(vector(1000)), "-k", "9")
        wanted = self.ask(*query)["results"][0]["hits"]
        self.assertEqual([h["id"] for h in wanted], nearest(vector(1000), range(300), 9))
        def damaged(what, data):
            os.remove(path[0])
            if data is not None:
                with open(path[0], "wb") as f:
                    f.write(data)
            answer = self.ask(*query)
            self.assertEqual([h["id"] for h in answer["results"][0]["hits"]], [h["id"] for h in wanted], what)
            out, error = self.run_("index", "verify", "t.rows", "--json", code=3 if data is None else 6)
            self.assertTrue(json.loads(error)["error"]["message"])
            self.run_("table", "check", "t.rows", code=6)
            return answer
        for at in range(1, 12):  # one flipped byte anywhere
            flipped = bytearray(whole)
            flipped[len(whole) * at // 12] ^= 0x10
            damaged(f"flipped byte at {at}/12", bytes(flipped))
        for n in (0, 3, len(whole) // 2, len(whole) - 1):
            self.assertTrue(damaged(f"{n} bytes left", whole[:n])["exact"])
        self.assertTrue(damaged("deleted", None)["exact"])
        self.ask("index", "build", "t.rows")
        self.ask("index", "verify", "t.rows")
        self.assertEqual(self.ask(*query)["results"][0]["hits"], wanted)


class Mistakes(Case):
    def refused(self, *args, code=2, says=(), **more):
        """The command fails and the table is as it was: rows, snapshots and files."""
        before = tree(self.warehouse)
        message = self.wrong(*args, code=code, says=says, **more)
        self.assertEqual(tree(self.warehouse), before, f"{args} left something behind")
        return message

    def lines(self, *rows):
        return "".join(json.dumps(r) + "\n" for r in rows)

    def test_not_there(self):
        self.wrong("table", "list", code=3, says=self.warehouse)
        self.assertFalse(os.path.exists(self.warehouse))
        self.make(5)
        self.refused("query", "t.nope", "--id", "1", code=3, says="t.nope")
        self.refused("ingest", "t.nope", self.path("rows0-5.jsonl"), code=3, says="--create")
        self.refused("ingest", "t.rows", self.path("none.jsonl"), code=3, says="none.jsonl")
        self.refused("ingest", "t.rows", self.folder, code=7, says=self.folder)
        self.refused("query", "t.rows", "--vector-file", self.path("none.npy"), code=3, says="none.npy")
        self.refused("table", "describe", "no name", code=2)
        self.refused("table", "describe", "../t", code=2)
        with open(self.path("file"), "w") as f:
            f.write("no warehouse")
        self.wrong("table", "list", "--warehouse", self.path("file"), code=2, says=[self.path("file"), "is no directory"])
        self.wrong("table", "list", "--warehouse", "ftp://x/y", code=7, says="ftp")

    def test_bad_rows(self):
        self.make(20)
        good = row(100)
        self.refused("ingest", "t.rows", "-", stdin=self.lines(good, row(101, dim=7)), says=["line 2", "7 values", "8"])
        self.refused("ingest", "t.rows", "-", stdin=self.lines(good, row(101), good), says=["line 3", "100", "more than once"])
        self.refused("ingest", "t.rows", "-", stdin=self.lines(good, {**good, "id": None}), says=["line 2", "id"])
        self.refused("ingest", "t.rows", "-", stdin=self.lines({"title": "x", "embedding": vector(1)}), says=["line 1", "id"])
        self.refused("ingest", "t.rows", "-", stdin=self.lines({**good, "embedding": [0] * DIM}), says=["line 1", "zero"])
        self.refused("ingest", "t.rows", "-", stdin=self.lines({**good, "colour": 1}), says=["colour"])
        self.refused("ingest", "t.rows", "-", stdin=self.lines({**good, "n": "many"}), says=["line 1", "n"])
        self.refused("ingest", "t.rows", "-", stdin=self.lines(good) + '{"id": 7, "ti', says=["line 2"])
        self.refused("ingest", "t.rows", "-", stdin=self.lines({**good, "embedding": [1, 2, None, 4, 5, 6, 7, 8]}), says=["line 1", "embedding"])
        self.refused("ingest", "t.rows", "-", stdin=self.lines(good, row(5)), code=4, says=["5", "--upsert"])
        self.refused("ingest", "t.rows", "-", "--on-error", "ignore", stdin="", says="quarantine")
        self.refused("delete", "t.rows", says=["ids", "filter"])
        self.refused("delete", "t.rows", "--ids", "1,two", says="two")
        self.refused("delete", "t.rows", "--filter", "n = ", says="filter")
        self.refused("query", "t.rows", "--vector", "[1,2]", says=["2", "8"])
        self.refused("query", "t.rows", "--vector", "1", says="--vector")
        self.refused("query", "t.rows", "--vector", '[1,"a"]', says="string")
        self.refused("query", "t.rows", "--id", "1", "--filter", "lang == 'en", says="filter")
        self.refused("query", "t.rows", "--id", "1", "--filter", "colour = 1", says=["colour", "lang"])
        self.refused("query", "t.rows", "--id", "1", "--filter", "n = 'x'", says="n")
        self.refused("query", "t.rows", "--id", "1", "--select", "colour", says="colour")
        self.refused("query", "t.rows", "--id", "1", "-k", "1001", says="1000")
        self.refused("query", "t.rows", "--id", "1", "-k", "0", says="no hits")
        self.refused("query", "t.rows", "--id", "1", "--recall-target", "1.5", says="recall")
        self.refused("index", "build", "t.rows", "--min-recall", "2", says="--min-recall")
        self.refused("index", "build", "t.rows", "--projection", "magic", says="magic")
        self.refused("index", "build", "t.rows", "--memory", "lots", says="--memory")
        self.assertEqual(self.ids(), set(range(20)))
        self.check()

    def test_truncated_files(self):
        self.make(20)
        npy = write_npy(self.path("v.npy"), [vector(i) for i in range(100, 140)])
        parquet = [f for f in tree(self.warehouse) if f.endswith(".parquet")][0]  # vecstore's own is a good one
        for source, name in ((npy, "cut.npy"), (parquet, "cut.parquet")):
            with open(source, "rb") as f:
                data = f.read()
            for n in (0, 5, len(data) // 3, len(data) - 1):
                with open(self.path(name), "wb") as f:
                    f.write(data[:n])
                self.refused("ingest", "t.rows", self.path(name), "--upsert", code=6, says=name)
        with open(self.path("v.txt"), "w") as f:
            f.write("1 2 3")
        self.refused("ingest", "t.rows", self.path("v.txt"), code=7, says=[".parquet", ".npy", ".jsonl"])
        shutil.copy(parquet, self.path("rows.parquet"))
        self.refused("ingest", "t.rows", self.path("rows.parquet"), code=4, says="--upsert")
        self.assertEqual(self.ask("ingest", "t.rows", self.path("rows.parquet"), "--upsert")["replaced"], 20)
        self.check()

    def test_quarantine(self):
        self.make(20)
        lines = self.lines(row(100), row(101, dim=7), row(102), row(100), {**row(103), "embedding": [0] * DIM})
        report = self.ask("ingest", "t.rows", "-", "--on-error", "quarantine", stdin=lines)
        self.assertEqual((report["rows"], report["rejected"]), (2, 3))
        self.assertEqual(self.ids(), set(range(20)) | {100, 102})
        path = report["quarantine"].replace("file://", "")
        with open(path) as f:
            aside = [json.loads(line) for line in f]
        self.assertEqual([(a["row"], a["values"]["id"]) for a in aside], [(2, 101), (4, 100), (5, 103)])
        self.assertTrue(all(a["reason"] and a["source"] for a in aside))
        self.assertEqual(single(aside[0]["values"]["embedding"]), row(101, dim=7)["embedding"])
        # nothing good at all: set aside, no snapshot
        report = self.ask("ingest", "t.rows", "-", "--on-error", "quarantine", stdin=self.lines(row(104, dim=3)))
        self.assertEqual((report["rows"], report["rejected"], report["snapshot_id"]), (0, 1, None))

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_read_only_folder(self):
        self.make(20)
        for folder, _, _ in os.walk(self.warehouse):
            os.chmod(folder, 0o555)
        try:
            self.refused("ingest", "t.rows", "-", stdin=self.lines(row(100)), code=5)
            self.assertEqual(self.ids(), set(range(20)))
        finally:
            for folder, _, _ in os.walk(self.warehouse):
                os.chmod(folder, 0o755)

    def test_full_disk(self):
        self.warehouse = self.path("small")
        os.mkdir(self.warehouse)
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", self.warehouse], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("a file system of its own needs root")
        try:
            self.make(50)
            wide = write_jsonl(self.path("wide.jsonl"), [{**row(i), "title": os.urandom(500).hex()} for i in range(1000, 3000)])
            self.refused("ingest", "t.rows", wide, code=8, says="space")
            with open(os.path.join(self.warehouse, "filler"), "wb", buffering=0) as f:
                try:
                    while True:
                        f.write(b"x" * 4096)
                except OSError:
                    pass
            self.refused("ingest", "t.rows", "-", stdin=self.lines(row(100)), code=8, says="space")
            self.refused("delete", "t.rows", "--ids", "1", code=8, says="space")
            self.refused("index", "build", "t.rows", code=8, says="space")
            self.assertEqual(self.ids(), set(range(50)))
            self.check()
            os.remove(os.path.join(self.warehouse, "filler"))
            self.make(5, first=200)
            self.assertEqual(self.ids(), set(range(50)) | set(range(200, 205)))
        finally:
            subprocess.run(["umount", "-l", self.warehouse], check=False)


class Trouble(Case):
    def killed(self, command, wanted):
        """SIGKILL after ever longer delays: the state is one of `wanted` each time; True when some run was killed."""
        kills = 0
        begun = time.monotonic()
        self.run_(*command, "--threads", "1")
        whole = time.monotonic() - begun
        for i in range(8):
            process = self.start(*command, "--threads", "1")
            time.sleep(whole * (i + 0.5) / 8)
            process.kill()
            process.communicate()
            kills += process.returncode == -signal.SIGKILL
            self.assertIn(self.state(), wanted)
            self.check()
        return kills

    def state(self):
        described = self.ask("table", "describe", "t.rows")
        return described["rows"] - described["deleted"]

    def test_killed_ingest(self):
        self.make(10)
        rows = write_jsonl(self.path("many.jsonl"), [row(i) for i in range(1000, 9000)])
        kills = self.killed(("ingest", "t.rows", rows, "--upsert"), {8010})
        self.assertGreaterEqual(kills, 4)
        # a kill before the commit leaves the rows of before: each id lives once
        answer = self.ask("query", "t.rows", "--vector", json.dumps([1] * DIM), "--filter", "id >= 1000 AND id < 1500", "-k", "1000", "--select", "none", "--exact")
        ids = [h["id"] for h in answer["results"][0]["hits"]]
        self.assertEqual(sorted(ids), list(range(1000, 1500)))

    def test_killed_index_build(self):
        lines = [row(i) for i in range(4000)]
        self.ask("ingest", "t.rows", write_jsonl(self.path("many.jsonl"), lines), "--create")
        kills = self.killed(("index", "build", "t.rows"), {4000})
        self.assertGreaterEqual(kills, 3)
        answer = self.ask("query", "t.rows", "--vector", json.dumps(vector(9999)), "-k", "5")
        self.assertEqual([h["id"] for h in answer["results"][0]["hits"]], nearest(vector(9999), range(4000), 5))
        self.ask("index", "verify", "t.rows")

    def test_interrupt(self):
        self.make(10)
        before = tree(self.warehouse)
        for sent in (json.dumps(row(100)) + "\n", json.dumps(row(100))[:50], ""):  # whole line, part of one, nothing
            for name in ("t.rows", "t.other"):
                process = self.start("ingest", name, "-", "--create", stdin=subprocess.PIPE)
                process.stdin.write(sent)
                process.stdin.flush()
                time.sleep(0.2)
                process.send_signal(signal.SIGINT)
                try:  # standard input stays open: the signal alone has to end it
                    process.wait(timeout=10)
                finally:
                    process.kill()
                _, error = process.communicate()
                self.assertEqual(process.returncode, 9, error)
                self.assertIn("cancel", error)
        self.assertEqual([f for f in tree(self.warehouse) if "/other/" not in f], before)
        rows = write_jsonl(self.path("many.jsonl"), [row(i) for i in range(1000, 11000)])
        for delay in (0.01, 0.03, 0.05):
            process = self.start("ingest", "t.rows", rows, "--upsert")
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=20)
            self.assertIn(process.returncode, (0, 9, -signal.SIGINT), error)  # done already; stopped; not yet listening
            described = self.ask("table", "describe", "t.rows")
            live = described["rows"] - described["deleted"]
            self.assertIn(live, (10, 10010))
            if process.returncode == 0:
                self.assertEqual(live, 10010)
        self.check()

    def parallel(self, scripts):
        """Runs lists of (arguments, stdin) side by side, each list in order; every command has to succeed."""
        running = {}
        for who, script in enumerate(scripts):
            running[who] = list(script)
        processes = {}
        while running or processes:
            for who in list(running):
                if who not in processes and running[who]:
                    args, path = running[who].pop(0)
                    with open(path) as f:
                        processes[who] = self.start(*args, stdin=f)
                elif who not in processes:
                    del running[who]
            for who, process in list(processes.items()):
                if process.poll() is not None:
                    _, error = process.communicate()
                    self.assertEqual(process.returncode, 0, error)
                    del processes[who]
            time.sleep(0.002)

    def test_eight_writers(self):
        self.make(1)
        scripts = []
        for who in range(8):
            script = []
            for turn in range(10):
                first = 1 + (who * 10 + turn) * 5
                script.append((("ingest", "t.rows", "-", "--threads", "1"), write_jsonl(self.path(f"w{first}"), [row(i) for i in range(first, first + 5)])))
            scripts.append(script)
        self.parallel(scripts)
        self.assertEqual(self.ids(), set(range(401)))
        self.assertEqual(len(self.ask("table", "snapshots", "t.rows")["snapshots"]), 81)
        self.check()

    def test_four_upserts_of_the_same_ids(self):
        self.make(20)
        path = [write_jsonl(self.path(f"u{who}"), [{**row(i), "title": f"by {who}"} for i in range(10, 30)]) for who in range(4)]
        self.parallel([[(("ingest", "t.rows", "-", "--upsert", "--threads", "1"), path[who])] * 5 for who in range(4)])
        self.assertEqual(self.ids(), set(range(30)))
        got = self.ask("get", "t.rows", "--ids", ",".join(map(str, range(10, 30))), "--select", "title")["rows"]
        self.assertEqual(len({r["fields"]["title"] for r in got}), 1, "the last commit wins as a whole")
        described = self.ask("table", "describe", "t.rows")
        self.assertEqual(described["rows"] - described["deleted"], 30)
        self.check()


if __name__ == "__main__":
    if not BINARY or not os.access(BINARY, os.X_OK):
        print("no vecstore binary: give its path, or set VECSTORE_BIN")
        sys.exit(77)
    unittest.main(verbosity=1)
