#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The life of an index from outside: build, refresh, merge, rollback, verify, show, export. The same harness as cli_test.py.

usage: cli_index_test.py PATH_TO_VECSTORE [unittest arguments]

The exported file is read by FAISS where $VECSTORE_PYTHON (or the Python that runs this) has it; without, that case is skipped.
"""
import array, glob, json, os, random, re, signal, struct, subprocess, sys, time, unittest

import cli_test as base
from cli_test import DIM, row, tree, vector, write_jsonl, write_npy

LARGE = 21000  # more than the 20,000 rows from which an index has lists

FAISS_CHECK = r"""
import faiss, json, sys
import numpy as np
spec = json.load(open(sys.argv[1]))
index = faiss.read_index(spec["file"])
assert type(index).__name__ == "IndexPreTransform", type(index)
ivf = faiss.downcast_index(index.index)
assert type(ivf).__name__ == "IndexIVFPQ" and not ivf.by_residual and ivf.pq.nbits == 4, type(ivf)
assert (index.d, index.ntotal, ivf.nlist, ivf.pq.M) == (spec["dim"], spec["vectors"], spec["lists"], spec["m"])
lists = ivf.invlists
ids = np.concatenate([faiss.rev_swig_ptr(lists.get_ids(l), lists.list_size(l)) for l in range(ivf.nlist)])
assert sorted(ids.tolist()) == sorted(spec["ids"]), "ids differ"
# Independent of FAISS's scan: decoded codes, list by list, in double precision.
centroids = faiss.vector_to_array(ivf.pq.centroids).reshape(ivf.pq.M, 16, -1).astype(np.float64)
def decode(l):
    n = lists.list_size(l)
    packed = faiss.rev_swig_ptr(lists.get_codes(l), n * ivf.code_size).reshape(n, ivf.code_size)
    codes = np.stack([packed & 15, packed >> 4], axis=2).reshape(n, -1)
    return np.concatenate([centroids[m][codes[:, m]] for m in range(ivf.pq.M)], axis=1)
decoded = np.concatenate([decode(l) for l in range(ivf.nlist)])
queries = np.array(spec["queries"], dtype="f4")
if spec["metric"] == "cosine":
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
y = index.chain.at(0).apply(queries).astype(np.float64)
ivf.nprobe = ivf.nlist
found, names = index.search(queries, 400)
place = {i: n for n, i in enumerate(ids.tolist())}
for q in range(len(queries)):
    scores = decoded @ y[q] if spec["metric"] != "l2" else -((decoded - y[q]) ** 2).sum(axis=1)
    theirs = found[q] if spec["metric"] != "l2" else -found[q]
    mine = np.array([scores[place[i]] for i in names[q].tolist()])
    assert np.allclose(theirs, mine, rtol=1e-4, atol=1e-4), (theirs, mine)
    assert mine[-1] >= np.sort(scores)[-400] - 1e-4
# The codes are of these vectors: the row itself is among the nearest of its own vector.
hit = sum(spec["of"][q] in names[q].tolist() for q in range(len(queries)))
assert hit >= 0.9 * len(queries), hit
print("ok")
"""


CENTRES = [vector(1000000 + c) for c in range(50)]


def large_vectors(ids):
    """Around a few centres, so that lists mean something."""
    out = []
    for i in ids:
        rng = random.Random(i)
        out.append(base.single([c + 0.3 * rng.gauss(0, 1) for c in CENTRES[i % 50]]))
    return out


class IndexCase(base.Case):
    def put(self, ids, name="t.big", create=False):
        ids = list(ids)
        npy = write_npy(self.path(f"v{ids[0]}.npy"), large_vectors(ids))
        meta = write_jsonl(self.path(f"m{ids[0]}.jsonl"), [{"id": i, "lang": ["en", "de"][i % 2], "title": f"row {i}"} for i in ids])
        return self.ask("ingest", name, npy, "--metadata", meta, *(("--create",) if create else ()))

    def build(self, *args):
        return self.ask("index", "build", "t.big", "--min-recall", "0", "--lists", "64", *args)

    def refresh(self, command="refresh"):
        return self.ask("index", command, "t.big")

    def sound(self, segments=None, rows=None):
        report = self.ask("index", "verify", "t.big")
        self.assertEqual(report["problems"], [])
        shown = self.ask("index", "show", "t.big")
        if segments is not None:
            self.assertEqual([s["rows"] for s in shown["segments"]], segments)
        return shown

    def found(self, i, **more):
        """Id of the nearest row to the vector of row i, and the coverage."""
        q = json.dumps(large_vectors([i])[0])
        answer = self.ask("query", "t.big", "--vector", q, "-k", "1", "--select", "title", "--nprobe", "64", "--rerank", "2000")
        return answer["results"][0]["hits"][0]["id"], answer["coverage"]


class Small(IndexCase):
    def test_refresh_of_a_small_table(self):
        self.make(60, name="t.big")
        self.wrong("index", "refresh", "t.big", code=3, says="index build")
        self.wrong("index", "merge", "t.big", code=3, says="index build")
        self.wrong("index", "rollback", "t.big", code=3)
        self.ask("index", "build", "t.big")
        self.assertEqual(self.refresh()["action"], "nothing")
        write_jsonl(self.path("more.jsonl"), [row(i) for i in range(60, 90)])
        self.ask("ingest", "t.big", self.path("more.jsonl"))
        report = self.refresh()
        self.assertEqual((report["action"], report["new_rows"], report["segments"], report["rows"]), ("extended", 30, 1, 90))
        answer = self.ask("query", "t.big", "--vector", json.dumps(vector(77)), "-k", "1")
        self.assertEqual(answer["results"][0]["hits"][0]["id"], 77)
        self.assertEqual((answer["coverage"]["indexed"], answer["coverage"]["scanned"]), (90, 0))
        self.wrong("index", "export", "t.big", "--to", self.path("x.faiss"), code=7, says="no lists")
        self.wrong("index", "show", "t.big", "--canary", code=3, says="canary")
        self.wrong("index", "show", "t.big", "--plot", self.path("x.svg"), code=2, says="nothing to plot")
        self.wrong("index", "export", "t.big", code=2, says="--to")
        self.wrong("index", "rollback", "t.big", "--to", "x", code=2, says="UUID")
        for command in ("refresh", "merge"):
            self.assertIn("nothing to do", self.run_("index", command, "t.big")[0])


class Large(IndexCase):
    def test_life(self):
        self.put(range(LARGE), create=True)
        first = self.build()
        shown = self.sound([LARGE])
        column = shown["columns"][0]
        self.assertGreater(column["trained"]["vectors"], 0)
        self.assertFalse(shown["segments"][0]["drift"][0]["warning"])
        self.assertGreater(shown["bytes_per_vector"], 0)
        # a few rows: flat, found at once; more rows: lists
        self.put(range(30000, 30050))
        report = self.refresh()
        self.assertEqual((report["action"], report["new_rows"], report["segments"], report["drift"]), ("extended", 50, 2, None))
        hit, coverage = self.found(30017)
        self.assertEqual((hit, coverage["scanned"]), (30017, 0))
        self.put(range(40000, 43000))
        report = self.refresh()
        self.assertEqual((report["new_rows"], report["segments"]), (3000, 2))  # the flat rows went along
        self.assertGreater(report["drift"]["error"], 0)
        self.sound([LARGE, 3050])
        self.assertEqual(self.found(30017)[0], 30017)
        self.assertEqual(self.found(42999)[0], 42999)
        self.assertEqual(self.found(5)[0], 5)
        self.assertEqual(self.refresh()["action"], "nothing")
        # scores: from int8 rows, or on request from the float vectors, which the table has
        question = large_vectors([77])[0]
        ask = ("query", "t.big", "--vector", json.dumps(question), "-k", "5", "--select", "none")
        for more, least, most in (((), 1e-7, 0.01), (("--rescore",), 0, 1e-6)):
            hits = self.ask(*ask, *more)["results"][0]["hits"]
            off = max(abs(h["score"] - base.cosine(question, large_vectors([h["id"]])[0])) for h in hits)
            self.assertTrue(least <= off <= most, (more, off))
        # deletes leave the index as it is and are hidden
        self.ask("delete", "t.big", "--ids", "42999,5")
        self.assertNotEqual(self.found(42999)[0], 42999)
        # compaction: rows move, the index follows, and the segments are joined
        self.ask("table", "compact", "t.big", "--min-files", "2")
        hit, coverage = self.found(40007)
        self.assertEqual((hit, coverage["scanned"]), (40007, 0))
        report = self.refresh("merge")
        self.assertEqual((report["action"], report["joined"], report["segments"]), ("joined", 2, 1))
        self.sound()
        hit, coverage = self.found(40007)
        self.assertEqual((hit, coverage["scanned"]), (40007, 0))
        self.assertEqual(self.found(30017)[0], 30017)
        self.assertNotEqual(self.found(5)[0], 5)
        # back to the version before, and forward again by a refresh
        versions = self.ask("index", "list", "t.big")["indexes"]
        self.assertTrue(versions[0]["current"])
        back = self.ask("index", "rollback", "t.big")
        self.assertEqual(back["former"], report["index"])
        self.assertEqual(self.found(40007)[0], 40007)
        again = self.ask("index", "rollback", "t.big", "--to", report["index"])
        self.assertEqual(again["index"], report["index"])
        self.wrong("index", "rollback", "t.big", "--to", report["index"], code=2, says="current")
        self.assertNotEqual(first["index"], report["index"])
        self.assertTrue(self.ask("table", "check", "t.big")["ok"])
        # true recall of the kept queries
        canary = self.ask("index", "show", "t.big", "--canary")
        self.assertGreaterEqual(canary["recall"], 0.85)
        self.assertLessEqual(canary["ci95"][0], canary["recall"])
        self.assertGreater(canary["queries"], 20)
        self.assertIn("recall@10", self.run_("index", "show", "t.big", "--canary")[0])
        text = self.run_("index", "show", "t.big", "--plot", self.path("curve.svg"))[0]
        for part in ("segment   0", "build", "vecstore-canary-v1", "bytes each"):
            self.assertIn(part, text)
        with open(self.path("curve.svg")) as f:
            svg = f.read()
        self.assertTrue(svg.startswith("<svg ") and svg.rstrip().endswith("</svg>"))
        self.assertGreaterEqual(svg.count("<polyline"), 3)
        # damage is named
        path = self.ask("index", "show", "t.big")["path"][len("file://"):]
        with open(path, "r+b") as f:
            f.seek(os.path.getsize(path) // 2)
            byte = f.read(1)[0]
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte ^ 1]))
        self.assertIn("vecstore-rows-v1", self.wrong("index", "verify", "t.big", code=6, says="checksum") + self.run_("index", "verify", "t.big", code=6)[0])
        self.put(range(50000, 50010))
        # a refresh copies the segment with its checksums: the new version is no sounder than the old one
        self.assertEqual(self.ask("index", "refresh", "t.big")["new_rows"], 10)
        self.assertIn("vecstore-rows-v1", self.run_("index", "verify", "t.big", code=6)[0])
        self.assertEqual(self.found(50003)[0], 50003)
        # what is put together is read, and then it shows
        self.put(range(51000, 54000))
        self.ask("index", "refresh", "t.big")
        self.wrong("index", "merge", "t.big", code=6, says="checksum")


WIDE, WIDE_DIM = 30000, 64


class Steps(IndexCase):
    """Builds that are cut short, and builds in parts."""

    def put_wide(self, first, end, create=False):
        """Independent coordinates, made fast; one data file."""
        floats = array.array("f", array.array("b", random.Random(first).randbytes((end - first) * WIDE_DIM)))
        npy = self.path(f"w{first}.npy")
        head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (end - first, WIDE_DIM)
        head = head.ljust(128 - 10 - 1) + "\n"
        with open(npy, "wb") as f:
            f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + floats.tobytes())
        meta = write_jsonl(self.path(f"w{first}.jsonl"), [{"id": i} for i in range(first, end)])
        self.ask("ingest", "t.big", npy, "--metadata", meta, *(("--create",) if create else ()))
        return [list(floats[i * WIDE_DIM:(i + 1) * WIDE_DIM]) for i in range(0, end - first, 997)]

    def answers(self, questions):
        """Ids and scores through the index."""
        out = []
        for q in questions:
            answer = self.ask("query", "t.big", "--vector", json.dumps(q), "-k", "10", "--select", "none")
            self.assertEqual(answer["coverage"]["scanned"], 0)
            out.append([(h["id"], h["score"]) for h in answer["results"][0]["hits"]])
        return out

    def index_path(self):
        return self.ask("index", "show", "t.big")["path"][len("file://"):]

    def blobs(self, path):
        """Bytes of the blobs but for the descriptor, which holds UUID, times and how it was built."""
        with open(path, "rb") as f:
            whole = f.read()
        described = self.ask("inspect", path)["blobs"]
        return [(b["type"], whole[b["offset"]:b["offset"] + b["length"]]) for b in described if b["type"] != "vecstore-descriptor-v1"]

    WIDE_BUILD = ("--lists", "512", "--code-bytes", "16", "--second-assignment", "on", "--min-recall", "0", "--memory", "64MiB")

    def stop_while_encoding(self, folder, how):
        """Starts a build and stops it once it has encoded more than was there; exit status and error text. None: it was too fast."""
        def size():
            total = 0
            for name in glob.glob(os.path.join(folder, "*.vsp")):
                try:
                    total += os.path.getsize(name)
                except FileNotFoundError:
                    pass
            return total
        before, latest = max(size(), 4096), time.monotonic() + 60
        process = self.start("--threads", "1", "index", "build", "t.big", *self.WIDE_BUILD, "--resume", folder)
        while process.poll() is None and size() <= before and time.monotonic() < latest:
            time.sleep(0.0002)
        if process.poll() is None:
            process.send_signal(how)
        _, error = process.communicate(timeout=60)
        return (process.returncode, error) if process.returncode != 0 else None

    def test_resume(self):
        questions = self.put_wide(0, WIDE, create=True)
        folder = self.path("resume")
        os.mkdir(folder)
        for attempt in range(8):
            for name in os.listdir(folder):
                os.unlink(os.path.join(folder, name))
            killed = self.stop_while_encoding(folder, signal.SIGKILL)
            stopped = killed and self.stop_while_encoding(folder, signal.SIGINT)
            if stopped:
                break
        else:
            self.fail("no build could be stopped while it encoded")
        self.assertEqual(killed[0], -signal.SIGKILL)
        self.assertEqual(stopped[0], 9, stopped[1])
        self.assertIn("cancelled; nothing was changed", stopped[1])
        self.assertIn(f"kept in {folder}, and the same command goes on with it", stopped[1])
        self.assertEqual(self.ask("index", "list", "t.big")["indexes"], [])
        text, bars = self.run_("index", "build", "t.big", *self.WIDE_BUILD, "--resume", folder)
        self.assertEqual(bars, "")  # none in a pipe
        self.assertIn("continued a stopped build", text)
        taken = int(text.split("its model and ")[1].split(" ")[0].replace(",", ""))
        self.assertTrue(0 < taken < WIDE, text)
        self.assertEqual(os.listdir(folder), [])
        self.sound([WIDE])
        resumed, path = self.answers(questions), self.index_path()
        report = self.ask("index", "build", "t.big", *self.WIDE_BUILD)
        self.assertNotIn("resumed_vectors", report)
        self.assertNotEqual(self.index_path(), path)
        self.assertEqual(self.answers(questions), resumed)
        self.assertEqual(self.blobs(self.index_path()), self.blobs(path))

    def on_terminal(self, *args):
        """What a terminal is sent as standard error."""
        master, slave = os.openpty()
        process = subprocess.Popen([base.BINARY, "--warehouse", self.warehouse, *args], cwd=self.folder, env=base.CLEAN, stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        sent = b""
        while True:
            try:
                more = os.read(master, 65536)
            except OSError:  # how Linux says that nobody writes any more
                more = b""
            if not more:
                break
            sent += more
        os.close(master)
        self.assertEqual(process.wait(60), 0)
        return sent.decode()

    def test_bars(self):
        self.put_wide(0, WIDE, create=True)
        sent = self.on_terminal("index", "build", "t.big", *self.WIDE_BUILD)
        stages = re.findall(r"\[(\d)/6\] (\w+)", sent)
        once = [s for i, s in enumerate(stages) if i == 0 or stages[i - 1] != s]
        # nothing to choose, since lists and codes are given
        self.assertEqual(once, [("1", "reading"), ("3", "training"), ("4", "encoding"), ("5", "arranging"), ("6", "measuring")])
        self.assertRegex(sent, r"training: lists +\[[#.]{24}\] +\d+ %  [0-9,]+/90,000 vectors")
        self.assertTrue(sent.endswith("\r\033[K"))  # the line is left empty
        self.assertEqual(self.on_terminal("--quiet", "index", "build", "t.big", *self.WIDE_BUILD), "")

    def test_parts(self):
        questions = self.put_wide(0, WIDE // 2, create=True) + self.put_wide(WIDE // 2, WIDE)
        self.ask("index", "build", "t.big", "--lists", "128", "--code-bytes", "8", "--min-recall", "0")
        one, expected = self.index_path(), self.answers(questions)
        model, parts = self.path("model"), [self.path("part1"), self.path("part2")]
        self.wrong("index", "encode", "t.big", "--model", model, "--part", "1/2", "--to", parts[0], code=3, says="model")
        self.ask("index", "train", "t.big", "--to", model, "--lists", "128", "--code-bytes", "8")
        self.wrong("index", "encode", "t.big", "--model", model, "--part", "3/2", "--to", parts[0], code=2, says="I/N")
        for i, part in enumerate(parts):
            report = self.ask("index", "encode", "t.big", "--model", model, "--part", f"{i + 1}/2", "--to", part)
            self.assertEqual((report["vectors"], report["files"]), (WIDE // 2, 1))
        self.wrong("index", "assemble", "t.big", parts[0], "--model", model, code=2)  # a part is missing
        self.assertEqual(self.index_path(), one)
        report = self.ask("index", "assemble", "t.big", *parts, "--model", model, "--min-recall", "0")
        self.assertTrue(report["published"])
        self.sound([WIDE])
        self.assertNotEqual(self.index_path(), one)
        self.assertEqual(self.answers(questions), expected)
        self.assertEqual(self.blobs(self.index_path()), self.blobs(one))
        # with UUID and time given, whole files are equal, however the work was cut
        self.ask("index", "encode", "t.big", "--model", model, "--part", "1/1", "--to", self.path("all"))
        files = []
        for name, given in (("a", parts), ("b", parts[::-1]), ("c", [self.path("all")])):
            self.ask("index", "assemble", "t.big", *given, "--model", model, "--min-recall", "0", "--to", self.path(name),
                     "--uuid", "0f1e2d3c-4b5a-4697-8877-665544332211", "--created-ms", "1700000000000")
            with open(self.path(name), "rb") as f:
                files.append(f.read())
        self.assertTrue(files[0] == files[1] == files[2])


class Export(IndexCase):
    def python(self):
        for python in (os.environ.get("VECSTORE_PYTHON"), sys.executable):
            if python and subprocess.run([python, "-c", "import faiss"], capture_output=True).returncode == 0:
                return python
        self.skipTest("SKIP: no Python with faiss; set VECSTORE_PYTHON")

    def exported(self, metric):
        python = self.python()
        ids = list(range(LARGE))
        self.ask("table", "create", "t.big", "--dim", str(DIM), "--metric", metric, "--schema", "id long, lang string, title string")
        self.put(ids)
        self.build()
        self.put(range(60000, 60040))
        self.refresh()  # a flat segment: encoded by the export
        self.ask("delete", "t.big", "--ids", "7,60003")
        report = self.ask("index", "export", "t.big", "--to", self.path("x.faiss"))
        live = [i for i in ids + list(range(60000, 60040)) if i not in (7, 60003)]
        self.assertEqual((report["vectors"], report["ids"], report["rows_not_indexed"]), (len(live), "id", 0))
        self.assertEqual(report["bytes"], os.path.getsize(self.path("x.faiss")))
        of = [11, 500, 20999, 60001]
        spec = {"file": self.path("x.faiss"), "dim": DIM, "vectors": len(live), "lists": report["lists"], "m": report["m"], "ids": live,
                "metric": metric, "queries": large_vectors(of), "of": of}
        with open(self.path("spec.json"), "w") as f:
            json.dump(spec, f)
        process = subprocess.run([python, "-c", FAISS_CHECK, self.path("spec.json")], capture_output=True, text=True,
                                 env={**os.environ, "OMP_NUM_THREADS": "1"})
        self.assertEqual(process.stdout.strip(), "ok", process.stderr[-2000:])

    def test_faiss_reads_cosine(self):
        self.exported("cosine")

    def test_faiss_reads_l2(self):
        self.exported("l2")


if __name__ == "__main__":
    if not base.BINARY or not os.access(base.BINARY, os.X_OK):
        print("no vecstore binary: give its path, or set VECSTORE_BIN")
        sys.exit(77)
    unittest.main(verbosity=1)
