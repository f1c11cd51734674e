#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An S3 store and an Iceberg REST catalog in one process, in memory, on loopback, with scripted faults.

For tests only. Requests are numbered from 0 since the last arm(); a script maps numbers to faults:

    server = FaultServer()
    server.arm({7: "apply-then-drop"})
    … run something against server.s3_endpoint, server.rest_uri …
    server.requests            what was asked, in order: (number, method, path, fault or None)

Signatures are not checked here (tests/support/mock_s3.c does). The faults are listed in FAULTS.
"""

import base64
import hashlib
import io
import json
import random
import re
import socket
import struct
import threading
import time
import urllib.parse
import uuid
import xml.sax.saxutils
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# name: what happens to the request
FAULTS = {
    "refuse": "the connection is reset before the request is read",
    "reset-in-body": "the connection is reset after a part of the request's body",
    "drop": "the request is read, not applied, and the connection is closed without an answer",
    "apply-then-drop": "applied; the connection is closed without an answer",
    "hang": "read, not applied, no answer until the client gives up",
    "apply-then-hang": "applied, no answer until the client gives up",
    "apply-late": "no answer; applied half a second later",
    "500": "answered 500, not applied",
    "apply-500": "applied, then answered 500",
    "502": "answered 502, not applied",
    "503": "answered 503 SlowDown, not applied",
    "apply-503": "applied, then answered 503",
    "503-retry-after": "answered 503 with Retry-After: 0, not applied",
    "504": "answered 504, not applied",
    "409": "answered 409 ConditionalRequestConflict, not applied",
    "412": "answered 412 PreconditionFailed, not applied",
    "429": "answered 429, not applied",
    "403": "answered 403 AccessDenied, not applied",
    "truncated": "applied; the answer's body ends early",
    "no-length": "applied; the answer claims to be longer than it is and the connection closes",
    "bit-flip": "applied; one bit of the answer's body is wrong",
    "stale-etag": "applied; the answer carries the ETag of another state",
    "slow-drip": "applied; the answer comes a few bytes at a time",
}

# stores whose conditional writes cannot be trusted
BROKEN = {
    "ignores-conditions": "the headers mean nothing",
    "ignores-on-overwrite": "they mean nothing for keys that were once written without them",
    "always-200": "answers 200 without storing anything where it should answer 412",
}

STATUS_FAULTS = {
    "500": (500, "InternalError"),
    "apply-500": (500, "InternalError"),
    "502": (502, "BadGateway"),
    "503": (503, "SlowDown"),
    "apply-503": (503, "SlowDown"),
    "503-retry-after": (503, "SlowDown"),
    "504": (504, "GatewayTimeout"),
    "409": (409, "ConditionalRequestConflict"),
    "412": (412, "PreconditionFailed"),
    "429": (429, "TooManyRequests"),
    "403": (403, "AccessDenied"),
}


class Answer:
    def __init__(self, status, body=b"", headers=None):
        self.status, self.body, self.headers = status, body, dict(headers or {})


def escape(text):
    return xml.sax.saxutils.escape(text)


def s3_error(status, code, message=""):
    body = f"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


class S3:
    """Objects of all buckets: key is "bucket/key"."""

    def __init__(self):
        self.objects = {}  # key: (bytes, etag, unix time)
        self.uploads = {}  # upload id: (key, {part: bytes})
        self.lock = threading.RLock()
        self.broken = None  # a name of BROKEN
        self.plain = set()  # keys that were once written without a condition

    def etag(self, data):
        return '"' + hashlib.md5(data).hexdigest() + '"'

    def store(self, key, data):
        self.objects[key] = (data, self.etag(data), time.time())
        return self.objects[key][1]

    def refused(self, key, headers):
        """The answer to a conditional write that may not happen, or None."""
        old = self.objects.get(key)
        if self.broken == "ignores-conditions" or (self.broken == "ignores-on-overwrite" and key in self.plain):
            return None
        if self.broken == "always-200" and old is not None:
            return Answer(200, b"", {"ETag": self.etag(b"")})  # but nothing is stored
        if headers.get("if-none-match") == "*" and old is not None:
            return s3_error(412, "PreconditionFailed", "the object exists")
        match = headers.get("if-match")
        if match is not None and old is None:
            return s3_error(404, "NoSuchKey")
        if match is not None and match.strip('"') != old[1].strip('"'):
            return s3_error(412, "PreconditionFailed", "the object has another state")
        return None

    def handle(self, method, path, query, headers, body):
        key = urllib.parse.unquote(path.lstrip("/"))
        bucket, _, name = key.partition("/")
        with self.lock:
            if method == "GET" and not name:
                return self.list(bucket, query)
            if method in ("GET", "HEAD"):
                return self.get(key, headers)
            if method == "PUT" and "uploadId" in query:
                return self.put_part(key, query, headers, body)
            if method == "PUT":
                return self.put(key, headers, body)
            if method == "POST" and "delete" in query:
                return self.delete_many(bucket, body)
            if method == "POST" and "uploads" in query:
                return self.create_upload(bucket, name, key)
            if method == "POST" and "uploadId" in query:
                return self.complete(key, query, headers, body)
            if method == "DELETE" and "uploadId" in query:
                self.uploads.pop(query["uploadId"], None)
                return Answer(204)
            if method == "DELETE":
                self.objects.pop(key, None)
                return Answer(204)
        return s3_error(405, "MethodNotAllowed")

    def get(self, key, headers):
        if key not in self.objects:
            return s3_error(404, "NoSuchKey", key)
        data, etag, changed = self.objects[key]
        common = {"ETag": etag, "Last-Modified": formatdate(changed, usegmt=True), "Accept-Ranges": "bytes"}
        match = headers.get("if-match")
        if match is not None and match.strip('"') != etag.strip('"'):
            return s3_error(412, "PreconditionFailed")
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", ""))
        if asked is None:
            return Answer(200, data, common)
        first, last = asked.groups()
        if first == "":
            start, end = max(0, len(data) - int(last)), len(data)
        else:
            start, end = int(first), min(len(data), int(last) + 1 if last else len(data))
        if start >= len(data) or start >= end:
            return s3_error(416, "InvalidRange")
        common["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        return Answer(206, data[start:end], common)

    def put(self, key, headers, body):
        refused = self.refused(key, headers)
        if refused is not None:
            return refused
        if "if-none-match" not in headers and "if-match" not in headers:
            self.plain.add(key)
        source = headers.get("x-amz-copy-source")
        if source is None:
            return Answer(200, b"", {"ETag": self.store(key, body)})
        source = urllib.parse.unquote(source.lstrip("/"))
        if source not in self.objects:
            return s3_error(404, "NoSuchKey", source)
        etag = self.store(key, self.objects[source][0])
        return Answer(200, f"<CopyObjectResult><ETag>{escape(etag)}</ETag></CopyObjectResult>".encode())

    def create_upload(self, bucket, name, key):
        upload = uuid.uuid4().hex
        self.uploads[upload] = (key, {})
        return Answer(
            200,
            f"<InitiateMultipartUploadResult><Bucket>{escape(bucket)}</Bucket><Key>{escape(name)}</Key>"
            f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>".encode(),
        )

    def put_part(self, key, query, headers, body):
        if query["uploadId"] not in self.uploads:
            return s3_error(404, "NoSuchUpload")
        source = headers.get("x-amz-copy-source")
        if source is not None:
            data = self.objects[urllib.parse.unquote(source.lstrip("/"))][0]
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("x-amz-copy-source-range", ""))
            body = data[int(asked[1]) : int(asked[2]) + 1] if asked else data
        self.uploads[query["uploadId"]][1][int(query["partNumber"])] = body
        etag = self.etag(body)
        if source is not None:
            return Answer(200, f"<CopyPartResult><ETag>{escape(etag)}</ETag></CopyPartResult>".encode())
        return Answer(200, b"", {"ETag": etag})

    def complete(self, key, query, headers, body):
        if query["uploadId"] not in self.uploads:
            return s3_error(404, "NoSuchUpload")
        refused = self.refused(key, headers)
        if refused is not None:
            return refused
        _, parts = self.uploads.pop(query["uploadId"])
        numbers = [int(n) for n in re.findall(rb"<PartNumber>(\d+)</PartNumber>", body)]
        etag = self.store(key, b"".join(parts[n] for n in numbers))
        return Answer(
            200,
            "<CompleteMultipartUploadResult>"
            f"<ETag>{escape(etag)}</ETag></CompleteMultipartUploadResult>".encode(),
        )

    def delete_many(self, bucket, body):
        for name in re.findall(rb"<Key>(.*?)</Key>", body):
            self.objects.pop(f"{bucket}/{xml.sax.saxutils.unescape(name.decode())}", None)
        return Answer(200, b"<DeleteResult></DeleteResult>")

    def list(self, bucket, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token") or query.get("start-after", "")
        most = int(query.get("max-keys", "1000"))
        lines, folders, last = [], [], ""
        names = sorted(k[len(bucket) + 1 :] for k in self.objects if k.startswith(bucket + "/"))
        truncated = False
        for name in names:
            if not name.startswith(prefix) or name <= after:
                continue
            rest = name[len(prefix) :]
            folder = prefix + rest.split(delimiter)[0] + delimiter if delimiter and delimiter in rest else None
            if folder is not None and (folder in folders or (after and after.startswith(folder))):
                last = name
                continue
            if len(lines) + len(folders) >= most:
                truncated = True
                break
            last = name
            if folder is not None:
                folders.append(folder)
                continue
            data, etag, changed = self.objects[f"{bucket}/{name}"]
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(changed))
            shown = urllib.parse.quote(name) if query.get("encoding-type") == "url" else escape(name)
            lines.append(
                f"<Contents><Key>{shown}</Key><LastModified>{stamp}</LastModified>"
                f"<ETag>{escape(etag)}</ETag><Size>{len(data)}</Size></Contents>"
            )
        lines += [f"<CommonPrefixes><Prefix>{urllib.parse.quote(f)}</Prefix></CommonPrefixes>" for f in folders]
        token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if truncated else ""
        body = (
            f"<ListBucketResult><Name>{escape(bucket)}</Name><IsTruncated>{str(truncated).lower()}</IsTruncated>"
            f"{token}{''.join(lines)}</ListBucketResult>"
        )
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})


def rest_error(status, kind, message):
    body = json.dumps({"error": {"message": message, "type": kind, "code": status}}).encode()
    return Answer(status, body, {"Content-Type": "application/json"})


class Rest:
    """The part of the Iceberg REST catalog that a commit needs. Metadata files go to the S3 store too."""

    def __init__(self, s3, warehouse):
        self.s3, self.warehouse = s3, warehouse  # "s3://bucket/path"
        self.tables = {}  # ("ns", "table"): (metadata location, metadata)
        self.namespaces = set()
        self.replays = {}  # Idempotency-Key: Answer
        self.lock = threading.RLock()
        self.idempotency = True

    def handle(self, method, path, query, headers, body):
        parts = [urllib.parse.unquote(p) for p in path.strip("/").split("/")][1:]  # without "v1"
        with self.lock:
            if parts == ["config"]:
                config = {"defaults": {}, "overrides": {}}
                if self.idempotency:
                    config["idempotency-key-lifetime"] = "PT30M"
                return self.json(config)
            if parts[0] != "namespaces":
                return rest_error(404, "NotFoundException", path)
            key = headers.get("idempotency-key")
            if key is not None and key in self.replays and method == "POST":
                return self.replays[key]
            answer = self.route(method, parts[1:], json.loads(body) if body else None)
            if key is not None and method == "POST" and answer.status < 500:
                self.replays[key] = answer
            return answer

    def json(self, value):
        return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def route(self, method, parts, body):
        if not parts and method == "GET":
            return self.json({"namespaces": [[n] for n in sorted(self.namespaces)]})
        if not parts and method == "POST":
            name = body["namespace"][0]
            if name in self.namespaces:
                return rest_error(409, "AlreadyExistsException", name)
            self.namespaces.add(name)
            return self.json({"namespace": [name], "properties": {}})
        namespace = parts[0]
        if namespace not in self.namespaces:
            return rest_error(404, "NoSuchNamespaceException", namespace)
        if len(parts) == 1:
            return self.json({"namespace": [namespace], "properties": {}})
        if len(parts) == 2 and method == "GET":
            names = sorted(t for n, t in self.tables if n == namespace)
            return self.json({"identifiers": [{"namespace": [namespace], "name": n} for n in names]})
        if len(parts) == 2 and method == "POST":
            return self.create(namespace, body)
        table = (namespace, parts[2])
        if table not in self.tables:
            return rest_error(404, "NoSuchTableException", ".".join(table))
        if method in ("GET", "HEAD"):
            return self.loaded(table)
        if method == "POST":
            return self.commit(table, body)
        if method == "DELETE":
            del self.tables[table]
            return Answer(204)
        return rest_error(406, "UnsupportedOperationException", method)

    def loaded(self, table):
        location, metadata = self.tables[table]
        return self.json({"metadata-location": location, "metadata": metadata, "config": {}})

    def write(self, table, metadata):
        number = int(self.tables[table][0].rsplit("/", 1)[1].split("-")[0]) + 1 if table in self.tables else 0
        location = f"{metadata['location']}/metadata/{number:05}-{uuid.uuid4()}.metadata.json"
        self.s3.store(location.removeprefix("s3://"), json.dumps(metadata).encode())
        self.tables[table] = (location, metadata)

    def create(self, namespace, body):
        table = (namespace, body["name"])
        if table in self.tables:
            return rest_error(409, "AlreadyExistsException", ".".join(table))
        schema = dict(body["schema"], **{"schema-id": 0})
        ids = [f["id"] for f in schema["fields"]]
        ids += [f["type"]["element-id"] for f in schema["fields"] if isinstance(f["type"], dict)]
        metadata = {
            "format-version": 2,
            "table-uuid": str(uuid.uuid4()),
            "location": body.get("location") or f"{self.warehouse}/{namespace}/{body['name']}",
            "last-sequence-number": 0,
            "last-updated-ms": int(time.time() * 1000),
            "last-column-id": max(ids),
            "schemas": [schema],
            "current-schema-id": 0,
            "partition-specs": [{"spec-id": 0, "fields": []}],
            "default-spec-id": 0,
            "last-partition-id": 999,
            "sort-orders": [{"order-id": 0, "fields": []}],
            "default-sort-order-id": 0,
            "properties": body.get("properties", {}),
            "current-snapshot-id": -1,
            "snapshots": [],
            "snapshot-log": [],
            "metadata-log": [],
            "refs": {},
            "statistics": [],
        }
        self.write(table, metadata)
        return self.loaded(table)

    def commit(self, table, body):
        metadata = json.loads(json.dumps(self.tables[table][1]))
        for need in body["requirements"]:
            if need["type"] == "assert-table-uuid" and need["uuid"] != metadata["table-uuid"]:
                return rest_error(409, "CommitFailedException", "another table")
            if need["type"] == "assert-ref-snapshot-id":
                now = metadata["refs"].get(need["ref"], {}).get("snapshot-id")
                if now != need["snapshot-id"]:
                    return rest_error(409, "CommitFailedException", f"{need['ref']} is at {now}")
        for update in body["updates"]:
            self.update(metadata, update)
        metadata["last-updated-ms"] = max(metadata["last-updated-ms"], int(time.time() * 1000))
        metadata["metadata-log"].append(
            {"metadata-file": self.tables[table][0], "timestamp-ms": self.tables[table][1]["last-updated-ms"]}
        )
        self.write(table, metadata)
        return self.loaded(table)

    def update(self, metadata, update):
        action = update["action"]
        if action == "add-snapshot":
            metadata["snapshots"].append(update["snapshot"])
            metadata["last-sequence-number"] = update["snapshot"]["sequence-number"]
        elif action == "set-snapshot-ref":
            ref = {k: v for k, v in update.items() if k not in ("action", "ref-name")}
            metadata["refs"][update["ref-name"]] = ref
            if update["ref-name"] == "main":
                metadata["current-snapshot-id"] = update["snapshot-id"]
                stamp = max(int(time.time() * 1000), metadata["last-updated-ms"])
                metadata["snapshot-log"].append({"snapshot-id": update["snapshot-id"], "timestamp-ms": stamp})
                metadata["last-updated-ms"] = stamp
        elif action == "set-properties":
            metadata["properties"].update(update["updates"])
        elif action == "remove-properties":
            for key in update["removals"]:
                metadata["properties"].pop(key, None)
        elif action == "set-statistics":
            entry = update["statistics"]
            kept = [s for s in metadata["statistics"] if s["snapshot-id"] != entry["snapshot-id"]]
            metadata["statistics"] = kept + [entry]
        elif action == "remove-statistics":
            kept = [s for s in metadata["statistics"] if s["snapshot-id"] != update["snapshot-id"]]
            metadata["statistics"] = kept
        else:
            raise ValueError(f"update {action} is not known to this test server")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def hang_up(self):
        """Closes without an answer."""
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def chunks(self, headers):
        """A body in chunks, as other clients send it: those of HTTP, and within them those of S3 with a trailer."""

        def joined(file):
            parts = []
            while size := int(file.readline().split(b";")[0], 16):
                parts.append(file.read(size))
                file.readline()
            while file.readline() not in (b"\r\n", b""):
                pass  # the trailer
            return b"".join(parts)

        body = joined(self.rfile)
        return joined(io.BytesIO(body)) if "aws-chunked" in headers.get("content-encoding", "") else body

    def serve(self):
        owner = self.server.owner
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        headers = {k.lower(): v for k, v in self.headers.items()}
        length = int(headers.get("content-length", "0"))
        number, fault = owner.next_request(self.command, self.path)
        if owner.delay > 0:
            time.sleep(owner.delay)
        if fault == "refuse":
            return self.reset()
        if fault == "reset-in-body":
            self.rfile.read(length // 2)
            return self.reset()
        body = self.chunks(headers) if "chunked" in headers.get("transfer-encoding", "") else self.rfile.read(length)
        if fault == "hold":
            return owner.hold(lambda: owner.apply(self.command, url.path, query, headers, body), self)
        if fault in ("drop", "hang"):
            return self.wait_and_close(fault == "hang")
        if fault == "apply-late":
            timer = threading.Timer(0.5, owner.apply, (self.command, url.path, query, headers, body))
            timer.start()
            owner.timers.append(timer)
            return self.hang_up()
        if fault in STATUS_FAULTS and not fault.startswith("apply-"):
            return self.answer(owner.fault_answer(url.path, fault), None)
        answer = owner.apply(self.command, url.path, query, headers, body)
        if fault in ("apply-then-drop", "apply-then-hang"):
            return self.wait_and_close(fault == "apply-then-hang")
        if fault in STATUS_FAULTS:
            answer = owner.fault_answer(url.path, fault)
        return self.answer(answer, fault)

    def wait_and_close(self, wait):
        if wait:
            self.connection.settimeout(20)
            try:
                self.connection.recv(1)  # until the client gives up
            except OSError:
                pass
        self.hang_up()

    def answer(self, answer, fault):
        body = b"" if self.command == "HEAD" else answer.body
        size = len(answer.body)
        if fault == "bit-flip" and body:
            at = random.Random(len(body)).randrange(len(body))
            body = body[:at] + bytes([body[at] ^ 4]) + body[at + 1 :]
        if fault == "stale-etag" and "ETag" in answer.headers:
            answer.headers["ETag"] = '"00000000000000000000000000000000"'
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size + 10 if fault == "no-length" else size))
        self.end_headers()
        if fault == "truncated":
            self.wfile.write(body[: len(body) // 2])
            return self.hang_up()
        if fault == "slow-drip":
            for i in range(0, min(len(body), 64), 8):
                self.wfile.write(body[i : i + 8])
                self.wfile.flush()
                time.sleep(0.005)
            body = body[64:]
        self.wfile.write(body)
        if fault == "no-length":
            self.hang_up()
        return None

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (OSError, ValueError):
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass


class FaultServer:
    def __init__(self, bucket="bucket"):
        self.s3 = S3()
        self.rest = Rest(self.s3, f"s3://{bucket}/rest")
        self.bucket = bucket
        self.lock = threading.Lock()
        self.delay = 0.0
        self.timers, self.held = [], []
        self.arm({})
        self.http = Server(("127.0.0.1", 0), Handler)
        self.http.owner = self
        self.port = self.http.server_address[1]
        self.s3_endpoint = f"http://127.0.0.1:{self.port}"
        self.rest_uri = f"http://127.0.0.1:{self.port}/catalog"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def arm(self, script):
        """Faults by number of the request from now on; {"*": fault} for each of them."""
        with self.lock:
            self.script, self.count, self.requests = dict(script), 0, []

    def next_request(self, method, path):
        with self.lock:
            number, self.count = self.count, self.count + 1
            fault = self.script.get(number, self.script.get("*"))
            self.requests.append((number, method, path, fault))
            return number, fault

    def apply(self, method, path, query, headers, body):
        if path.startswith("/catalog/v1/"):
            return self.rest.handle(method, path.removeprefix("/catalog"), query, headers, body)
        return self.s3.handle(method, path, query, headers, body)

    def fault_answer(self, path, fault):
        status, code = STATUS_FAULTS[fault]
        if path.startswith("/catalog/"):
            kind = {409: "CommitFailedException", 403: "ForbiddenException"}.get(status, code)
            answer = rest_error(status, kind, f"scripted {fault}")
        else:
            answer = s3_error(status, code, f"scripted {fault}")
        if fault == "503-retry-after":
            answer.headers["Retry-After"] = "0"
        return answer

    def hold(self, apply, handler):
        """Keeps a request until release(): the client waits, or is gone by then."""
        event = threading.Event()
        with self.lock:
            self.held.append((apply, event))
        event.wait(30)
        handler.hang_up()

    def wait_held(self, seconds=10):
        until = time.monotonic() + seconds
        while not self.held and time.monotonic() < until:
            time.sleep(0.002)
        return bool(self.held)

    def release(self, apply=True):
        """Lets held requests take effect now (or never); their clients get no answer."""
        with self.lock:
            held, self.held = self.held, []
        for run, event in held:
            if apply:
                run()
            event.set()

    def settle(self):
        """Waits until every late request has landed."""
        for timer in self.timers:
            timer.join()
        self.timers.clear()

    def close(self):
        self.release(apply=False)
        self.settle()
        self.http.shutdown()
        self.http.server_close()


if __name__ == "__main__":
    server = FaultServer()
    print(f"export AWS_ENDPOINT_URL={server.s3_endpoint} REST_URI={server.rest_uri}", flush=True)
    server.thread.join()
