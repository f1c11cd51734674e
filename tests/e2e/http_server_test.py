#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTTP server from outside: the real binary, a scratch warehouse, raw sockets, no third-party module.

usage: http_server_test.py PATH_TO_VECSTORE [NAME_PART]     (or $VECSTORE_BIN; exit status 77: no binary)
"""
import base64, json, os, random, re, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time

failures = 0
checks = 0


def check(what, actual, expected):
    global failures, checks
    checks += 1
    if actual != expected:
        failures += 1
        print(f"FAIL {what}: got {actual!r}, expected {expected!r}")


def check_true(what, condition, shown=""):
    check(what + (f" ({shown})" if shown and not condition else ""), bool(condition), True)


class Server:
    """`vecstore serve` on a free port."""

    def __init__(self, binary, *options):
        self.folder = tempfile.mkdtemp(prefix="vecstore-http-")
        self.process = subprocess.Popen(
            [binary, "--warehouse", self.folder + "/warehouse", "serve", "--listen", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if not found:
            raise SystemExit(f"the server did not start: {line}{self.process.stdout.read()}")
        self.port = int(found.group(1))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


class Reply:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.code = int(lines[0].split(" ")[1]) if lines[0].startswith("HTTP/1.1 ") else 0
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()

    def json(self):
        return json.loads(self.body)


def connect(port):
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read_all(sock):
    data = b""
    try:
        while True:
            part = sock.recv(65536)
            if not part:
                return data
            data += part
    except (ConnectionResetError, socket.timeout):
        return data


leftover = {}  # bytes of the next answer, by socket


def read_reply(sock, head_only=False):
    data = leftover.pop(sock, b"")
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            return Reply(data) if data else None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        leftover[sock] = body
        return read_reply(sock, head_only)
    length = re.search(rb"content-length:\s*(\d+)", head, re.I)
    want = 0 if head_only or not length else int(length.group(1))
    while len(body) < want:
        part = sock.recv(65536)
        if not part:
            break
        body += part
    if len(body) > want:
        leftover[sock] = body[want:]
    return Reply(head + b"\r\n\r\n" + body[:want])


def request_bytes(method, path, body=None, headers=()):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    names = {h.split(":")[0].lower() for h in headers}
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
        if "content-type" not in names:
            lines.append("Content-Type: application/json")
    return ("\r\n".join(lines + list(headers)) + "\r\n\r\n").encode() + (body or b"")


class Client:
    """One kept-alive connection."""

    def __init__(self, port):
        self.port, self.sock = port, None

    def ask(self, method, path, body=None, headers=()):
        if self.sock is None:
            self.sock = connect(self.port)
        self.sock.sendall(request_bytes(method, path, body, headers))
        reply = read_reply(self.sock, method == "HEAD")
        if reply is None or reply.headers.get("connection") == "close":
            self.sock.close()
            self.sock = None
        return reply


TABLE = "/v1/tables/docs.passages"
DIM = 8


def vectors(n, seed=7):
    rng = random.Random(seed)
    return [[round(rng.uniform(-1, 1), 6) for _ in range(DIM)] for _ in range(n)]


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / (sum(x * x for x in a) ** 0.5 * sum(y * y for y in b) ** 0.5)


class World:
    """What the table must hold, kept in Python."""

    def __init__(self):
        self.rows = {i: {"id": i, "title": f"title {i}", "lang": ["en", "de", "fr"][i % 3], "price": i / 4,
                         "embedding": v} for i, v in enumerate(vectors(60), 1)}

    def nearest(self, query, k, keep=lambda row: True):
        ranked = sorted((r for r in self.rows.values() if keep(r)), key=lambda r: -cosine(query, r["embedding"]))
        return [r["id"] for r in ranked[:k]]


def ids(reply, result=0):
    return [hit["id"] for hit in reply.json()["results"][result]["hits"]]


def test_health(client, world):
    for path, state in (("/livez", "ok"), ("/readyz", "ready")):
        reply = client.ask("GET", path)
        check(path, (reply.code, reply.json()), (200, {"status": state}))
        check(path + " type", reply.headers["content-type"], "application/json")
        check(path + " nosniff", reply.headers["x-content-type-options"], "nosniff")
        check(path + " cache", reply.headers["cache-control"], "no-store")
    check("version", set(client.ask("GET", "/version").json()) >= {"version", "simd", "faiss"}, True)
    reply = client.ask("HEAD", "/livez")
    check("head", (reply.code, reply.body, reply.headers["content-length"]), (200, b"", "15"))
    reply = client.ask("GET", "/livez", headers=["X-Request-Id: abc-1.2_Z"])
    check("request id echoed", reply.headers["x-request-id"], "abc-1.2_Z")
    reply = client.ask("GET", "/livez", headers=["X-Request-Id: bad id;"])
    check_true("bad request id replaced", re.fullmatch(r"[0-9a-f-]{36}", reply.headers["x-request-id"]))


def test_create(client, world):
    body = {"name": "docs.passages", "dimension": DIM, "metric": "cosine", "schema": "id long, title string, lang string, price double",
            "model": "test-model"}
    reply = client.ask("POST", "/v1/tables", body)
    check("create", (reply.code, reply.json().get("name")), (201, "docs.passages"))
    check("create contract", reply.json()["vectors"][0]["dimension"], DIM)
    reply = client.ask("POST", "/v1/tables", body)
    check("create again", (reply.code, reply.json()["error"]["reason"]), (409, "EXISTS"))
    for change, code in (({"dimension": 0}, 400), ({"dimension": 20000}, 422), ({"metric": "manhattan"}, 400), ({"name": "../evil"}, 400),
                         ({"name": None}, 400), ({"dimension": "8"}, 400), ({"colour": 1}, 400), ({"schema": "id float"}, 400)):
        reply = client.ask("POST", "/v1/tables", {**body, "name": "docs.other", **change})
        check(f"create with {change}", reply.code, code)
    check("no table was made", [t["name"] for t in client.ask("GET", "/v1/tables").json()["tables"]], ["docs.passages"])
    reply = client.ask("POST", TABLE + "/query", {"vector": [1] * DIM})
    check("query of an empty table", (reply.code, reply.json()["snapshot_id"], reply.json()["results"][0]["hits"]), (200, None, []))


def test_insert(client, world):
    rows = list(world.rows.values())
    reply = client.ask("POST", TABLE + "/rows", {"rows": rows[:40]})
    check("insert", (reply.code, reply.json().get("rows")), (200, 40))
    world.first_snapshot = reply.json()["snapshot_id"]
    lines = "\n".join(json.dumps(r) for r in rows[40:50]).encode()
    reply = client.ask("POST", TABLE + "/rows", lines, ["Content-Type: application/x-ndjson"])
    check("insert lines", (reply.code, reply.json().get("rows")), (200, 10))
    reply = client.ask("POST", TABLE + "/rows", rows[50:])
    check("insert an array", (reply.code, reply.json().get("rows")), (200, 10))
    reply = client.ask("GET", TABLE)
    check("describe", (reply.code, reply.json()["rows"], reply.json()["snapshots"]), (200, 60, 3))
    reply = client.ask("POST", TABLE + "/rows", {"rows": [rows[0]]})
    check_true("an id that exists needs upsert", reply.code in (200, 400, 409), reply.code)
    if reply.code == 200:
        client.ask("POST", TABLE + "/rows/delete", {"ids": [rows[0]["id"]]})
        client.ask("POST", TABLE + "/rows", {"rows": [rows[0]]})


def test_query_forms(client, world):
    query = vectors(1, 99)[0]
    expected = world.nearest(query, 5)
    reply = client.ask("POST", TABLE + "/query", {"vector": query, "k": 5})
    check("vector", (reply.code, ids(reply)), (200, expected))
    document = reply.json()
    hit = document["results"][0]["hits"][0]
    check("score", abs(hit["score"] - cosine(query, world.rows[hit["id"]]["embedding"])) < 1e-5, True)
    check("fields", hit["fields"]["title"], f"title {hit['id']}")
    check("no vector in fields", "embedding" in hit["fields"], False)
    check_true("snapshot id is text", isinstance(document["snapshot_id"], str))
    check("complete", document["results"][0]["complete"], True)
    packed = struct.pack(f"<{DIM}f", *query)
    check("base64", ids(client.ask("POST", TABLE + "/query", {"vector": base64.b64encode(packed).decode(), "k": 5})), expected)
    raw = ["Content-Type: application/octet-stream"]
    check("raw", ids(client.ask("POST", TABLE + "/query?k=5", packed, raw)), expected)
    batch = vectors(3, 5)
    reply = client.ask("POST", TABLE + "/query", {"vectors": batch, "k": 3})
    check("batch", [ids(reply, i) for i in range(3)], [world.nearest(q, 3) for q in batch])
    packed = b"".join(struct.pack(f"<{DIM}f", *q) for q in batch)
    reply = client.ask("POST", TABLE + "/query?k=3&vectors=3", packed, raw)
    check("raw batch", [ids(reply, i) for i in range(3)], [world.nearest(q, 3) for q in batch])
    texts = [base64.b64encode(struct.pack(f"<{DIM}f", *q)).decode() for q in batch]
    reply = client.ask("POST", TABLE + "/query", {"vectors": texts, "k": 3})
    check("base64 batch", [ids(reply, i) for i in range(3)], [world.nearest(q, 3) for q in batch])
    for row_id in (9, "9"):
        expected_like = [i for i in world.nearest(world.rows[9]["embedding"], 6) if i != 9]
        check(f"like {row_id!r}", ids(client.ask("POST", TABLE + "/query", {"id": row_id, "k": 5})), expected_like)
    reply = client.ask("POST", TABLE + "/query", {"vector": query, "k": 5, "exact": True, "rescore": True, "recall_target": 0.99, "nprobe": 4, "rerank": 50,
                                                  "timeout_ms": 5000, "column": "embedding", "explain": True})
    check("all options", (reply.code, ids(reply), "explain" in reply.json()), (200, expected, True))
    reply = client.ask("POST", TABLE + "/query", {"vector": query, "k": 2, "include_vector": True, "select": ["title"]})
    hit = reply.json()["results"][0]["hits"][0]
    check("select", list(hit["fields"]), ["title"])
    check_true("include_vector", all(abs(a - b) < 1e-6 for a, b in zip(hit["vector"], world.rows[hit["id"]]["embedding"])))
    check("select none", client.ask("POST", TABLE + "/query", {"vector": query, "select": []}).json()["results"][0]["hits"][0]["fields"], {})
    reply = client.ask("POST", TABLE + "/query", {"vector": query, "k": 60, "min_score": 0.5})
    check("min_score", ids(reply), [i for i in world.nearest(query, 60) if cosine(query, world.rows[i]["embedding"]) >= 0.5])
    check("fewer than k", (reply.json()["results"][0]["complete"], "reason" in reply.json()["results"][0]), (False, True))
    spaced = b' { "k" : 5 , "vector" : [ ' + b" , ".join(str(x).encode() for x in query) + b" ] \n} "
    check("blanks everywhere", ids(client.ask("POST", TABLE + "/query", spaced)), expected)
    check("no content type", client.ask("POST", TABLE + "/query", json.dumps({"vector": query, "k": 5}).encode(), ["Content-Type:"]).code, 200)


def test_filters(client, world):
    query = vectors(1, 3)[0]
    expected = world.nearest(query, 5, lambda r: r["lang"] == "en" and r["price"] >= 5)
    for form in ("lang = 'en' AND price >= 5", {"lang": {"$eq": "en"}, "price": {"$gte": 5}}):
        reply = client.ask("POST", TABLE + "/query", {"vector": query, "k": 5, "filter": form})
        check(f"filter {form}", (reply.code, ids(reply)), (200, expected))
    packed = struct.pack(f"<{DIM}f", *query)
    reply = client.ask("POST", TABLE + "/query?k=5&filter=lang+%3D+%27en%27%20AND%20price%20%3E=%205", packed, ["Content-Type: application/octet-stream"])
    check("filter in the query string", ids(reply), expected)
    for bad in ("nosuch = 1", "lang =", {"lang": {"$near": 1}}, 7, ["a"]):
        check(f"bad filter {bad!r}", client.ask("POST", TABLE + "/query", {"vector": query, "filter": bad}).code, 400)
    many = " OR ".join(f"price = {i}" for i in range(300))
    check("too many terms", client.ask("POST", TABLE + "/query", {"vector": query, "filter": many}).code, 422)


def test_rows(client, world):
    reply = client.ask("POST", TABLE + "/rows/get", {"ids": [3, "1", 9999], "select": ["title"]})
    document = reply.json()
    check("get", ([r["id"] for r in document["rows"]], [str(i) for i in document["not_found"]]), ([3, 1], ["9999"]))
    check("get fields", document["rows"][0]["fields"], {"title": "title 3"})
    reply = client.ask("POST", TABLE + "/rows/get", {"ids": [3], "select": []})
    check("an empty select gives ids alone", reply.json()["rows"][0]["fields"], {})
    reply = client.ask("POST", TABLE + "/rows/get", {"ids": [3], "include_vector": True})
    check_true("get vector", all(abs(a - b) < 1e-6 for a, b in zip(reply.json()["rows"][0]["vector"], world.rows[3]["embedding"])))
    changed = {**world.rows[3], "title": "new", "embedding": vectors(1, 1234)[0]}
    reply = client.ask("POST", TABLE + "/rows", {"upsert": True, "rows": [changed]})
    check("upsert", (reply.code, reply.json().get("replaced")), (200, 1))
    reply = client.ask("POST", TABLE + "/rows?upsert=true", [{**changed, "title": "newer"}])
    check("upsert by parameter", (reply.code, reply.json().get("replaced")), (200, 1))
    world.rows[3] = {**changed, "title": "newer"}
    check("upserted row", client.ask("POST", TABLE + "/rows/get", {"ids": [3]}).json()["rows"][0]["fields"]["title"], "newer")
    check("found at its new place", ids(client.ask("POST", TABLE + "/query", {"vector": changed["embedding"], "k": 1})), [3])
    reply = client.ask("POST", TABLE + "/rows/delete", {"ids": [5, "6", 777]})
    check("delete ids", (reply.code, reply.json()["deleted"], reply.json()["not_found"]), (200, 2, 1))
    for gone in (5, 6):
        del world.rows[gone]
    reply = client.ask("POST", TABLE + "/rows/delete", {"filter": "price > 14.5"})
    gone = [i for i, r in world.rows.items() if r["price"] > 14.5]
    check("delete filter", (reply.code, reply.json()["deleted"]), (200, len(gone)))
    for i in gone:
        del world.rows[i]
    gone = [i for i, r in world.rows.items() if r["price"] < 0.5]
    reply = client.ask("POST", TABLE + "/rows/delete", {"filter": {"price": {"$lt": 0.5}}})
    check("delete filter object", (reply.code, reply.json()["deleted"]), (200, len(gone)))
    for i in gone:
        del world.rows[i]
    for bad, code in (({}, 400), ({"ids": []}, 400), ({"ids": [1], "filter": "id = 1"}, 400), ({"ids": [1.5]}, 400), ({"id": [1]}, 400),
                      ({"ids": "1"}, 400), ({"filter": "nosuch = 1"}, 400)):
        check(f"delete {bad}", client.ask("POST", TABLE + "/rows/delete", bad).code, code)
    query = vectors(1, 55)[0]
    check("after deletes", ids(client.ask("POST", TABLE + "/query", {"vector": query, "k": 20})), world.nearest(query, 20))


def test_time_travel(client, world):
    snapshots = client.ask("GET", TABLE + "/snapshots").json()["snapshots"]
    check("newest first", snapshots[0]["current"], True)
    query = vectors(1, 3)[0]
    now = client.ask("POST", TABLE + "/query", {"vector": query, "k": 60}).json()
    for form in (world.first_snapshot, int(world.first_snapshot)):
        reply = client.ask("POST", TABLE + "/query", {"vector": query, "k": 60, "at": {"snapshot_id": form}})
        check(f"at {form!r}", (reply.json()["snapshot_id"], len(reply.json()["results"][0]["hits"])), (world.first_snapshot, 40))
    packed = struct.pack(f"<{DIM}f", *query)
    reply = client.ask("POST", TABLE + f"/query?k=60&snapshot_id={world.first_snapshot}", packed, ["Content-Type: application/octet-stream"])
    check("raw at", len(ids(reply)), 40)
    check("as_of", client.ask("POST", TABLE + "/query", {"vector": query, "at": {"as_of": "2099-01-01"}}).json()["snapshot_id"], now["snapshot_id"])
    reply = client.ask("POST", TABLE + "/rows/get", {"ids": [5], "at": {"snapshot_id": world.first_snapshot}})
    check("a deleted row in an old snapshot", [r["id"] for r in reply.json()["rows"]], [5])
    for bad, code in (({"snapshot_id": "12345"}, 404), ({"snapshot_id": "x"}, 400), ({"snapshot_id": -1}, 400), ({"ref": "nosuch"}, 404),
                      ({"as_of": "yesterday"}, 400), ({"when": 1}, 400), ({"snapshot_id": world.first_snapshot, "ref": "main"}, 400), (7, 400)):
        check(f"at {bad}", client.ask("POST", TABLE + "/query", {"vector": query, "at": bad}).code, code)
    check("indexes", client.ask("GET", TABLE + "/indexes").json()["indexes"], [])


def test_bad_bodies(client, world):
    good = [0.5] * DIM
    path = TABLE + "/query"
    cases = [
        ("empty body", b"", 400), ("no object", b"[1,2]", 400), ("no target", {}, 400), ("cut off", b'{"vector":[1,2', 400),
        ("trailing text", b'{"id":1} x', 400), ("NaN", b'{"vector":[NaN,1,1,1,1,1,1,1]}', 400), ("Infinity", b'{"vector":[1e999,1,1,1,1,1,1,1]}', 400),
        ("too large for float32", b'{"vector":[1e39,1,1,1,1,1,1,1]}', 400), ("null element", b'{"vector":[null,1,1,1,1,1,1,1]}', 400),
        ("nested", {"vector": [[1] * DIM]}, 400), ("wrong dimension", {"vector": [1, 2, 3]}, 400), ("empty vector", {"vector": []}, 400),
        ("zero vector with cosine", {"vector": [0] * DIM}, 400), ("vector as number", {"vector": 5}, 400), ("bad base64", {"vector": "?!"}, 400),
        ("base64 of 5 bytes", {"vector": base64.b64encode(b"12345").decode()}, 400), ("ragged batch", {"vectors": [good, good[:-1]]}, 400),
        ("empty batch", {"vectors": []}, 400), ("vector and id", {"vector": good, "id": 1}, 400), ("vector twice", b'{"vector":[1],"vector":[2]}', 400),
        ("k twice", b'{"id":1,"k":1,"k":2}', 400), ("k zero", {"id": 1, "k": 0}, 400), ("k negative", {"id": 1, "k": -3}, 400),
        ("k text", {"id": 1, "k": "3"}, 400), ("k fraction", {"id": 1, "k": 1.5}, 400), ("k huge", {"id": 1, "k": 1001}, 422),
        ("k beyond 64 bits", b'{"id":1,"k":99999999999999999999}', None), ("batch too long", {"vectors": [good] * 257}, 422),
        ("dimension too high", {"vector": [1] * 16385}, 422), ("timeout too long", {"id": 1, "timeout_ms": 30001}, 422),
        ("deep", b'{"filter":' + b'{"a":' * 100 + b"1" + b"}" * 100 + b',"id":1}', 422), ("deep vector", b'{"vector":' + b"[" * 5000, None),
        ("invalid UTF-8", b'{"filter":"\xff\xfe","id":1}', 400), ("lone surrogate", b'{"filter":"\\ud800","id":1}', 400),
        ("NUL in a name", b'{"select":["a\\u0000b"],"id":1}', 400), ("unknown member", {"id": 1, "fliter": "x"}, 400),
        ("unknown column", {"id": 1, "select": ["titel"]}, 400), ("bad id type", {"id": 1.5}, 400), ("id of a row that is not there", {"id": 4242}, 404),
        ("id of another type", {"id": "abc"}, 400), ("exact as text", {"id": 1, "exact": "yes"}, 400), ("rescore as number", {"id": 1, "rescore": 1}, 400), ("recall above 1", {"id": 1, "recall_target": 1.5}, 400),
        ("nprobe negative", {"id": 1, "nprobe": -1}, 400), ("unknown vector column", {"id": 1, "column": "title"}, None), ("byte order mark", b"\xef\xbb\xbf{}", 400),
    ]
    for name, body, code in cases:
        reply = client.ask("POST", path, body)
        check_true(name + " answered", reply is not None)
        if reply is None:
            continue
        if code is None:
            check_true(f"{name}: refused", 400 <= reply.code < 500, reply.code)
        else:
            check(name, reply.code, code)
        error = reply.json()["error"]
        check(name + " shape", (sorted(error), error["request_id"]), (["code", "message", "reason", "request_id"], reply.headers["x-request-id"]))
    check_true("did you mean", "'filter'" in client.ask("POST", path, {"id": 1, "fliter": "x"}).json()["error"]["message"])
    message = client.ask("POST", path, {"id": 1, "k": 5000, "timeout_ms": 99999}).json()["error"]["message"]
    check_true("both bounds are named", "k is 5000" in message and "timeout_ms is 99999" in message, message)
    rows = TABLE + "/rows"
    for name, body, code in [("rows missing", {}, 400), ("rows no array", {"rows": {}}, 400), ("row no object", {"rows": [1]}, 400),
                             ("rows empty", {"rows": []}, 400), ("unknown column", {"rows": [{"id": 900, "nosuch": 1, "embedding": good}]}, 400),
                             ("wrong type", {"rows": [{"id": "x", "embedding": good}]}, 400), ("null id", {"rows": [{"embedding": good}]}, 400),
                             ("wrong dimension", {"rows": [{"id": 900, "embedding": [1]}]}, 400), ("unknown flag", {"rows": [], "upsrt": 1}, 400),
                             ("zero norm", {"rows": [{"id": 900, "embedding": [0] * DIM}]}, 400), ("flag twice", b'{"upsert":true,"upsert":true,"rows":[{}]}', 400),
                             ("not JSON", b"id,title", 400), ("cut off", b'{"rows":[{"id":900', 400), ("empty", b"", 400),
                             ("duplicate id", {"rows": [{"id": 900, "embedding": good}] * 2}, 400)]:
        check("insert: " + name, client.ask("POST", rows, body).code, code)
    for params, code in (("?k=x", 400), ("?k=0", 400), ("?k=1001", 422), ("?kk=1", 400), ("?k=1&k=2", 400), ("?vectors=3", 400), ("?exact=maybe", 400)):
        reply = client.ask("POST", path + params, struct.pack(f"<{DIM}f", *good), ["Content-Type: application/octet-stream"])
        check("raw " + params, reply.code, code)
    check("raw odd length", client.ask("POST", path, b"12345", ["Content-Type: application/octet-stream"]).code, 400)
    check("raw NaN", client.ask("POST", path, struct.pack("<8f", *([float("nan")] * 8)), ["Content-Type: application/octet-stream"]).code, 400)
    check("form", client.ask("POST", path, b"{}", ["Content-Type: application/x-www-form-urlencoded"]).code, 415)
    check("parameters with JSON", client.ask("POST", path + "?k=1", {"id": 1}).code, 400)


def test_routes(client, world):
    for method, path, code, allow in (("GET", "/", 404, None), ("GET", "/nosuch", 404, None), ("GET", "/v1/tables/", 404, None), ("GET", "/v1//tables", 404, None),
                                      ("POST", "/livez", 405, "GET, HEAD"), ("PUT", "/v1/tables", 405, "GET, HEAD, POST"), ("PATCH", TABLE, 405, "GET, HEAD, DELETE"),
                                      ("GET", TABLE + "/query", 405, "POST"), ("OPTIONS", "/v1/tables", 405, "GET, HEAD, POST"), ("BREW", "/livez", 405, "GET, HEAD"),
                                      ("GET", "/v1/tables/docs.nosuch", 404, None), ("DELETE", "/v1/tables/docs.nosuch", 404, None),
                                      ("GET", "/v1/tables/docs.nosuch/snapshots", 404, None), ("GET", "/v1/tables/x%20y", 400, None),
                                      ("GET", TABLE + "?verbose=1", 400, None), ("get", "/livez", 405, "GET, HEAD")):
        reply = client.ask(method, path)
        check(f"{method} {path}", (reply.code, reply.headers.get("allow")), (code, allow))
    check("query of an unknown table", client.ask("POST", "/v1/tables/docs.nosuch/query", {"vector": [1] * DIM}).code, 404)
    check("GET with a body", client.ask("GET", "/livez", b"x").code, 400)


HOST = b"Host: localhost\r\n"
SMUGGLED = b"DELETE /v1/tables/docs.passages HTTP/1.1\r\nHost: localhost\r\n\r\n"

# name, bytes, expected status; the connection must be closed by the server after its answer
HOSTILE = [
    ("two Content-Length", b"POST /livez HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, 400),
    ("two equal Content-Length", b"POST /livez HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", 400),
    ("length and chunks", b"POST /livez HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    ("chunks and length", b"POST /livez HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    ("two Transfer-Encoding", b"POST /livez HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    ("other Transfer-Encoding", b"POST /livez HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    ("Transfer-Encoding list", b"POST /livez HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    ("two Host", b"GET /livez HTTP/1.1\r\n" + HOST + b"Host: evil\r\n\r\n", 400),
    ("foreign Host", b"GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
    ("Host with credentials", b"GET /livez HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n", 421),
    ("no Host", b"GET /livez HTTP/1.1\r\n\r\n", 400),
    ("blank before colon", b"POST /livez HTTP/1.1\r\n" + HOST + b"Content-Length : 3\r\n\r\nabc", 400),
    ("blank in a name", b"GET /livez HTTP/1.1\r\n" + HOST + b"X Y: 1\r\n\r\n", 400),
    ("tab in a name", b"GET /livez HTTP/1.1\r\n" + HOST + b"X\tY: 1\r\n\r\n", 400),
    ("control in a value", b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\x01b\r\n\r\n", 400),
    ("length with sign", b"POST /livez HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\nabc", 400),
    ("negative length", b"POST /livez HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
    ("length with text", b"POST /livez HTTP/1.1\r\n" + HOST + b"Content-Length: 3 x\r\n\r\nabc", 400),
    ("hexadecimal length", b"POST /livez HTTP/1.1\r\n" + HOST + b"Content-Length: 0x3\r\n\r\nabc", 400),
    ("length beyond 64 bits", b"POST /livez HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n", (400, 413)),
    ("length over the bound", b"POST /v1/tables HTTP/1.1\r\n" + HOST + b"Content-Length: 8388609\r\n\r\n", 413),
    ("encoded NUL", b"GET /livez%00x HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("encoded NUL in a parameter", b"GET /livez?a=%00 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("plain NUL", b"GET /livez\x00x HTTP/1.1\r\n" + HOST + b"\r\n", (400, None)),  # libmicrohttpd 1.0 just closes
    ("encoded slash", b"GET /v1/tables/..%2f..%2fetc HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("encoded backslash", b"GET /v1/tables/..%5c HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("encoded dots", b"GET /v1/tables/%2e%2e/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("dots", b"GET /v1/../livez HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("double encoding", b"GET /v1/tables/%252e%252e HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("malformed escape", b"GET /livez%zz HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("cut escape", b"GET /livez%4 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("raw high bytes", b"GET /livez\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("not UTF-8", b"GET /v1/tables/%ff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("control in the target", b"GET /livez\x01 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("encoded line feed", b"GET /livez%0d%0aX:1 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("absolute target", b"GET http://evil.example/livez HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("asterisk", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("CONNECT", b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("long target", b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    ("very long target", b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", (414, 431)),
    ("headers of 40 KB", b"GET /livez HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40000 + b"\r\n\r\n", 431),
    ("many headers", b"GET /livez HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: %s\r\n" % (i, b"b" * 100) for i in range(350)) + b"\r\n", 431),
    ("headers of 200 KB", b"GET /livez HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200000 + b"\r\n\r\n", 431),
    ("chunk size overflow", b"POST /v1/tables HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nabc", (400, 413)),
    ("chunk size no number", b"POST /v1/tables HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc", 400),
    ("chunk longer than told", b"POST /v1/tables HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcdef\r\n0\r\n\r\n", 400),
    ("no version", b"GET /livez\r\n" + HOST + b"\r\n", None),
    ("other protocol", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, None),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", None),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
    ("HTTP/9", b"GET /livez HTTP/9.9\r\n" + HOST + b"\r\n", None),
    ("header without colon", b"GET /livez HTTP/1.1\r\n" + HOST + b"nocolon\r\n\r\n", 400),
]

# Forms that the library below reads in one way only; without a proxy in front nothing can be smuggled in them.
HARMLESS = [
    ("bare line feeds", b"GET /livez HTTP/1.1\nHost: localhost\nConnection: close\n\n"),
    ("folded header", b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\nConnection: close\r\n\r\n"),
    ("empty header name", b"GET /livez HTTP/1.1\r\n" + HOST + b": x\r\nConnection: close\r\n\r\n"),
    ("HTTP/1.0 without Host", b"GET /livez HTTP/1.0\r\n\r\n"),
    ("blank line first", b"\r\nGET /livez HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"),
]


def test_hostile(client, world):
    for name, data, expected in HOSTILE:
        sock = connect(client.port)
        sock.settimeout(15)
        try:
            sock.sendall(data)
            if expected is None:
                sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        raw = read_all(sock)
        sock.close()
        if expected is None:  # refused one way or the other, nothing answered with success
            check_true(f"{name}: no success", b"HTTP/1.1 2" not in raw, raw[:80])
        else:
            wanted = expected if isinstance(expected, tuple) else (expected,)
            code = Reply(raw).code if raw else None
            check_true(f"{name}: one of {wanted}", code in wanted, raw[:300] or "closed without an answer")
            # The library below writes the head of some of its own refusals twice before it closes.
            codes = {int(code) for code in re.findall(rb"HTTP/1\.1 (\d+)", raw)}
            check_true(f"{name}: nothing but the refusal", codes <= set(wanted), raw)
        check(f"{name}: still alive", Client(client.port).ask("GET", "/livez").code, 200)
    for name, data in HARMLESS:
        sock = connect(client.port)
        sock.sendall(data)
        code = Reply(read_all(sock)).code  # libmicrohttpd 0.9 takes them, 1.0 refuses them
        check_true(f"{name}: taken or refused", code in (200, 400), code)
        sock.close()
    check("the table is still there", client.ask("GET", TABLE).code, 200)


def test_bodies_on_the_wire(client, world):
    query = {"vector": vectors(1, 55)[0], "k": 3}
    body = json.dumps(query).encode()
    expected = world.nearest(query["vector"], 3)
    sock = connect(client.port)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7)) + b"0\r\n\r\n"
    sock.sendall(f"POST {TABLE}/query HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunks)
    check("chunked", ids(read_reply(sock)), expected)
    whole = request_bytes("POST", TABLE + "/query", body)
    for i in range(len(whole)):  # one byte per packet
        sock.sendall(whole[i:i + 1])
    check("byte by byte", ids(read_reply(sock)), expected)
    sock.sendall(whole + request_bytes("GET", "/livez"))
    check("pipelined 1", ids(read_reply(sock)), expected)
    check("pipelined 2", read_reply(sock).code, 200)
    sock.sendall(request_bytes("POST", TABLE + "/query", body, ["Expect: 100-continue"])[:-len(body)])
    check_true("100 Continue", sock.recv(100).startswith(b"HTTP/1.1 100"))
    sock.sendall(body)
    check("after 100 Continue", ids(read_reply(sock)), expected)
    sock.close()
    sock = connect(client.port)
    sock.sendall(request_bytes("POST", "/v1/tables", b"", ["Expect: 100-continue"]).replace(b"Content-Length: 0", b"Content-Length: 9000000"))
    reply = read_reply(sock)
    check("413 before the body", (reply.code, reply.json()["error"]["code"], reply.headers.get("connection")), (413, "body_too_large", "close"))
    sock.close()
    big = request_bytes("POST", TABLE + "/query", b"[" + b"1," * 5000000 + b"1]")
    sock = connect(client.port)
    sender = threading.Thread(target=lambda: send_quietly(sock, big))
    sender.start()
    reply = Reply(read_all(sock))
    sender.join()
    sock.close()
    check("413 although the client sends on", reply.code, 413)
    sock = connect(client.port)
    part = b"%x\r\n" % 65536 + b"a" * 65536 + b"\r\n"
    sender = threading.Thread(target=lambda: send_quietly(sock, request_bytes("POST", "/v1/tables", None, ["Transfer-Encoding: chunked"]) + part * 140 + b"0\r\n\r\n"))
    sender.start()
    reply = Reply(read_all(sock))
    sender.join()
    sock.close()
    check("413 of chunks", reply.code, 413)


def send_quietly(sock, data):
    try:
        sock.sendall(data)
    except OSError:
        pass


def test_openapi(client, world):
    document = client.ask("GET", "/openapi.json").json()
    check("openapi version", document["openapi"], "3.1.0")
    schemas = document["components"]["schemas"]
    query = document["paths"]["/v1/tables/{t}/query"]["post"]
    parameters = {p["name"] for p in query["parameters"]}
    check_true("rescore", "rescore" in parameters and schemas["Query"]["properties"]["rescore"]["type"] == "boolean")
    check("members that a raw body cannot have as parameters", set(schemas["Query"]["properties"]) - parameters, {"vector", "id", "at"})
    bodies = {"createTable": {"name": "docs.second", "dimension": 4}, "query": {"id": 9}, "insertRows": {"rows": [{"id": 950, "embedding": [1] * DIM}]},
              "getRows": {"ids": [950]}, "deleteRows": {"ids": [950]}}
    operations = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            operations.append((operation["operationId"] == "dropTable", path, method, operation))
            for reference in re.findall(r"#/components/schemas/(\w+)", json.dumps(operation)):
                check_true("schema " + reference, reference in schemas)
    for reference in re.findall(r"#/components/schemas/(\w+)", json.dumps(schemas)):
        check_true("schema " + reference, reference in schemas)
    check("operations", len(operations), 14)
    for _, path, method, operation in sorted(operations, key=lambda o: (o[0], o[1])):
        name = operation["operationId"]
        target = path.replace("{t}", "docs.second" if name == "dropTable" else "docs.passages")
        check(name + ": path parameter", [p["name"] for p in operation["parameters"] if p["in"] == "path"], ["t"] if "{t}" in path else [])
        reply = client.ask(method.upper(), target, bodies.get(name))
        code = next(c for c in operation["responses"] if c != "default")
        check(name, reply.code, int(code))
        schema = schemas[operation["responses"][code]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]]
        answer = reply.json()
        check_true(name + ": required members", set(schema["required"]) <= set(answer), set(schema["required"]) - set(answer))
        check_true(name + ": all members documented", set(answer) <= set(schema["properties"]), set(answer) - set(schema["properties"]))
        check_members(name, schema, answer, schemas)
        if "requestBody" in operation:
            reply = client.ask(method.upper(), target, b"")
            check(name + " without a body", (reply.code, set(reply.json())), (400, {"error"}))


def check_members(where, schema, value, schemas):
    """A small part of JSON Schema: types, required members, items."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].split("/")[-1]]
    kinds = schema.get("type")
    if kinds is not None:
        fits = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
        kinds = kinds if isinstance(kinds, list) else [kinds]
        check_true(f"{where} is {kinds}", any(isinstance(value, fits[k]) for k in kinds), value)
    if isinstance(value, dict) and "properties" in schema:
        check_true(f"{where} members", set(schema.get("required", [])) <= set(value), value)
        for key, member in value.items():
            if key in schema["properties"]:
                check_members(f"{where}.{key}", schema["properties"][key], member, schemas)
    if isinstance(value, list) and "items" in schema:
        for member in value[:3]:
            check_members(where + "[]", schema["items"], member, schemas)


def test_deadline(client, world):
    """Whether 1 ms is enough depends on the machine; what must not be is anything but an answer or a 504 that says so."""
    for i in range(20):
        reply = client.ask("POST", TABLE + "/query", {"vectors": vectors(256, i), "k": 60, "exact": True, "timeout_ms": 1})
        check_true("answer or 504", reply.code in (200, 504), reply.code)
        if reply.code == 504:
            error = reply.json()["error"]
            check("504", (error["code"], error["reason"], "1 ms" in error["message"]), ("deadline_exceeded", "TIMEOUT", True))


def test_parallel(client, world):
    queries = vectors(8, 77)
    expected = [world.nearest(q, 4) for q in queries]
    wrong = []

    def work(n):
        mine = Client(client.port)
        for i in range(25):
            q = (n + i) % len(queries)
            reply = mine.ask("POST", TABLE + "/query", {"vector": queries[q], "k": 4, "timeout_ms": 20000})
            if reply.code != 200 or ids(reply) != expected[q]:
                wrong.append((reply.code, reply.body[:200]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check("16 connections at once", wrong, [])


def test_slow(client, world):
    """Clients that send too slowly are closed within the deadline of 10 s; others are not held up."""
    line, head, body, idle = (connect(client.port) for _ in range(4))
    head.sendall(b"GET /livez HTTP/1.1\r\n")
    body.sendall(f"POST {TABLE}/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n".encode())
    start = time.monotonic()
    ended = {}
    slow_line = b"GET /" + b"a" * 1000
    slow_head = b"Host: localhost\r\nX-Slow: " + b"a" * 1000
    for i in range(60):
        for name, sock, data in (("line", line, slow_line[i:i + 1]), ("head", head, slow_head[i:i + 1]), ("body", body, b"1"), ("idle", idle, b"")):
            if name in ended:
                continue
            try:
                if data:
                    sock.sendall(data)
                sock.settimeout(0.05)
                answer = sock.recv(4096)
                ended[name] = (time.monotonic() - start, Reply(answer).code if answer else 0)
            except socket.timeout:
                pass
            except OSError:
                ended[name] = (time.monotonic() - start, 0)
        if len(ended) == 4:
            break
        began = time.monotonic()
        check("not held up", Client(client.port).ask("GET", "/livez").code, 200)
        check_true("not held up for long", time.monotonic() - began < 2)
        time.sleep(0.2)
    for name in ("line", "head", "body", "idle"):
        check_true(f"slow {name} is closed after about 10 s", name in ended and 8 < ended[name][0] < 13, ended.get(name))
        check(f"slow {name} is told", ended.get(name, (0, 0))[1], 408)


def test_stop(binary):
    server = Server(binary)
    client = Client(server.port)
    check("before stop", client.ask("GET", "/livez").code, 200)
    second = subprocess.run([binary, "--warehouse", server.folder + "/w2", "serve", "--listen", f"127.0.0.1:{server.port}"], capture_output=True, text=True, timeout=20)
    check_true("port in use", second.returncode != 0 and str(server.port) in second.stderr and "--listen" in second.stderr, second.stderr)
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:80"):
        third = subprocess.run([binary, "--warehouse", server.folder + "/w2", "serve", "--listen", address], capture_output=True, text=True, timeout=20)
        check_true(f"{address} is refused", third.returncode != 0 and "token" in third.stderr, third.stderr)
    for address in ("nonsense", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "::1:80"):
        third = subprocess.run([binary, "--warehouse", server.folder + "/w2", "serve", "--listen", address], capture_output=True, text=True, timeout=20)
        check_true(f"{address} is no address", third.returncode != 0, third.stderr)
    check("SIGTERM ends with", server.stop(), 0)


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("VECSTORE_BIN", "")
    part = sys.argv[2] if len(sys.argv) > 2 else ""
    if not os.access(binary, os.X_OK):
        print("SKIP: no vecstore binary")
        return 77
    server = Server(binary)
    world = World()
    tests = [test_health, test_create, test_insert, test_query_forms, test_filters, test_rows, test_time_travel, test_bad_bodies, test_routes,
             test_hostile, test_bodies_on_the_wire, test_openapi, test_deadline, test_parallel, test_slow]
    for test in tests:
        if part and part not in test.__name__ and test not in (test_create, test_insert):
            continue
        before = failures
        test(Client(server.port), world)
        print(("ok   " if failures == before else "FAIL ") + test.__name__, flush=True)
    check("the server ends with", server.stop(), 0)
    if not part or "stop" in part:
        test_stop(binary)
    print(f"{checks} checks, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
