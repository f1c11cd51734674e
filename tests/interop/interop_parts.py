# SPDX-License-Identifier: Apache-2.0
"""What the interoperability tests share: the programs that run beside vecstore, each on a free port of loopback.

The programs lie in $VECSTORE_INTEROP_DIR (default .deps/interop, made by tools/setup_interop.sh). A test that needs one that is not there
raises Missing, and is then skipped by that name. Every process is started as a child and ended by its own id.
"""
import atexit
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PARTS = os.environ.get("VECSTORE_INTEROP_DIR") or os.path.join(ROOT, ".deps", "interop")
KEY, SECRET, REGION = "interopkey", "interopsecret", "us-east-1"


class Missing(Exception):
    """A program or package that is not there; its text names it."""


class Failure(AssertionError):
    pass


def expect(condition, message):
    if not condition:
        raise Failure(message)


def same(actual, wanted, message):
    if actual != wanted:
        raise Failure(f"{message}:\n  found    {str(actual)[:600]}\n  expected {str(wanted)[:600]}")


def binary():
    path = os.environ.get("VECSTORE_BIN", "")
    if not os.access(path, os.X_OK):
        print("SKIP: no vecstore binary: give its path in VECSTORE_BIN")
        sys.exit(77)
    return os.path.abspath(path)


def clean_environment(**more):
    """No setting of the caller reaches a client; no instance metadata is asked for keys."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "VECSTORE_"))}
    env.update(AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, **more)
    return env


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---------------------------------------------------------------- processes

running = []


def start(command, log, env=None, **more):
    with open(log, "ab") as out:
        child = subprocess.Popen(command, stdout=more.pop("stdout", out), stderr=out, env=env or clean_environment(), start_new_session=True, **more)
    running.append(child)
    return child


def stop(child):
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child in running:
        running.remove(child)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an orderly end: what was started is stopped


@atexit.register
def stop_all():
    for child in list(running):
        stop(child)


def end_of(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()[-2000:]


def wait_for(url, child, log, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if child.poll() is not None:
            raise Failure(f"the service ended at once: {end_of(log)}")
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            time.sleep(0.05)
    raise Failure(f"no answer of {url}: {end_of(log)}")


def scratch(name):
    """A folder of this run, removed at its end unless VECSTORE_KEEP is set."""
    folder = tempfile.mkdtemp(prefix=f"vecstore-{name}-")
    if not os.environ.get("VECSTORE_KEEP"):
        atexit.register(shutil.rmtree, folder, True)
    return folder


# ---------------------------------------------------------------- S3 services

class S3:
    """A running S3 service and how each client is told about it."""

    def __init__(self, name, port, child=None, log=None):
        self.name, self.port, self.child, self.log = name, port, child, log
        self.endpoint = f"http://127.0.0.1:{port}"
        self.access_log = None

    def boto(self):
        import boto3
        from botocore.config import Config
        return boto3.client("s3", endpoint_url=self.endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION,
                            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}))

    def bucket(self, name):
        with contextlib.suppress(Exception):
            self.boto().create_bucket(Bucket=name)
        self.boto().head_bucket(Bucket=name)
        return name

    def keys(self, bucket, prefix=""):
        found = []
        for page in self.boto().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            found += [o["Key"] for o in page.get("Contents", [])]
        return found

    def read(self, uri):
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return self.boto().get_object(Bucket=bucket, Key=key)["Body"].read()

    def vecstore(self):
        return ["--set", f"s3.endpoint={self.endpoint}", "--set", f"client.region={REGION}", "--set", f"s3.access-key-id={KEY}",
                "--set", f"s3.secret-access-key={SECRET}"]

    def pyiceberg(self):
        return {"s3.endpoint": self.endpoint, "s3.access-key-id": KEY, "s3.secret-access-key": SECRET, "s3.region": REGION,
                "s3.force-virtual-addressing": "false"}

    def java(self):
        return {"io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "s3.endpoint": self.endpoint, "s3.path-style-access": "true",
                "s3.access-key-id": KEY, "s3.secret-access-key": SECRET, "client.region": REGION}

    def duck(self, connection):
        connection.execute(f"CREATE OR REPLACE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', ENDPOINT '127.0.0.1:{self.port}', "
                           f"URL_STYLE 'path', USE_SSL false, REGION '{REGION}')")

    def log_lines(self):
        with open(self.access_log, encoding="utf-8", errors="replace") as f:
            return f.read().splitlines()


def program(name):
    path = os.path.join(PARTS, "bin", name)
    found = path if os.access(path, os.X_OK) else shutil.which(name)
    if not found:
        raise Missing(f"{name} (tools/setup_interop.sh {name})")
    return found


def versitygw(folder, *flags):
    """Checks signatures. Objects are files below folder; requests are listed in access_log."""
    gateway = program("versitygw")
    for name in ("root", "sidecar"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    port, log, access = free_port(), os.path.join(folder, "log"), os.path.join(folder, "access.log")
    child = start([gateway, "--port", f"127.0.0.1:{port}", "--region", REGION, "--quiet", "--access-log", access, *flags, "posix",
                   "--sidecar", os.path.join(folder, "sidecar"), os.path.join(folder, "root")], log,
                  clean_environment(ROOT_ACCESS_KEY=KEY, ROOT_SECRET_KEY=SECRET))
    service = S3("versitygw", port, child, log)
    service.access_log = access
    wait_for(service.endpoint, child, log)
    return service


def minio(folder):
    server = program("minio")
    port, log = free_port(), os.path.join(folder, "log")
    os.makedirs(folder, exist_ok=True)
    child = start([server, "server", "--quiet", "--address", f"127.0.0.1:{port}", os.path.join(folder, "data")], log,
                  clean_environment(MINIO_ROOT_USER=KEY, MINIO_ROOT_PASSWORD=SECRET, MINIO_BROWSER="off", MINIO_CI_CD="1"))
    wait_for(f"http://127.0.0.1:{port}/minio/health/ready", child, log)
    return S3("MinIO", port, child, log)


def moto(folder):
    """Checks no signature; everything is in memory."""
    server = os.path.join(PARTS, "venv-moto", "bin", "moto_server")
    if not os.access(server, os.X_OK):
        raise Missing("moto (tools/setup_interop.sh moto)")
    os.makedirs(folder, exist_ok=True)
    port, log = free_port(), os.path.join(folder, "log")
    child = start([server, "-H", "127.0.0.1", "-p", str(port)], log)
    wait_for(f"http://127.0.0.1:{port}/moto-api/", child, log)
    return S3("moto", port, child, log)


# ---------------------------------------------------------------- REST catalog

class Rest:
    def __init__(self, port, child, log, s3):
        self.port, self.child, self.log, self.s3 = port, child, log, s3
        self.uri = f"http://127.0.0.1:{port}"

    def vecstore(self):
        return ["--catalog", "rest", "--catalog-uri", self.uri] + (self.s3.vecstore() if self.s3 else [])

    def pyiceberg(self):
        from pyiceberg.catalog.rest import RestCatalog
        return RestCatalog("interop", uri=self.uri, **(self.s3.pyiceberg() if self.s3 else {}))

    def spark(self):
        return {"type": "rest", "uri": self.uri, "cache-enabled": "false", **(self.s3.java() if self.s3 else {})}


def rest(folder, s3=None, bucket=None):
    """Iceberg's own test service; tables lie in the bucket, or in folder."""
    library = os.path.join(PARTS, "rest", "lib")
    if not glob.glob(os.path.join(library, "iceberg-open-api-*-test-fixtures.jar")):
        raise Missing("Iceberg's REST service (tools/setup_interop.sh rest)")
    if not shutil.which("java"):
        raise Missing("java")
    os.makedirs(folder, exist_ok=True)
    settings = {"uri": f"jdbc:sqlite:{folder}/catalog.db"}
    if s3:
        settings.update(warehouse=f"s3://{bucket}/rest", **s3.java())
    else:
        settings.update(warehouse=f"file://{folder}/warehouse", **{"io-impl": "org.apache.iceberg.hadoop.HadoopFileIO"})
    log = os.path.join(folder, "log")
    child = start(["java", "-Xmx384m", "-cp", f"{library}/*", os.path.join(HERE, "RestServer.java"), "0"] + [f"{k}={v}" for k, v in settings.items()],
                  log, clean_environment(AWS_REGION=REGION), stdout=subprocess.PIPE, text=True)
    line = child.stdout.readline()
    found = re.search(r"listening on (\d+)", line)
    if not found:
        raise Failure(f"the REST service did not start: {line}{end_of(log)}")
    service = Rest(int(found.group(1)), child, log, s3)
    wait_for(service.uri + "/v1/config", child, log)
    return service


# ---------------------------------------------------------------- Spark

class Spark:
    """One session in a process of its own (tests/interop/spark_session.py); catalogs are added while it runs."""

    def __init__(self, folder):
        python = os.path.join(PARTS, "venv-spark", "bin", "python")
        jars = sorted(glob.glob(os.path.join(PARTS, "jars", "*.jar")))
        if not os.access(python, os.X_OK) or not any("iceberg-spark-runtime" in j for j in jars):
            raise Missing("Spark (tools/setup_interop.sh spark)")
        if not shutil.which("java"):
            raise Missing("java")
        os.makedirs(folder, exist_ok=True)
        self.log = os.path.join(folder, "spark.log")
        self.child = start([python, os.path.join(HERE, "spark_session.py"), folder] + [j for j in jars if "nessie" not in j], self.log,
                           clean_environment(AWS_REGION=REGION, SPARK_LOCAL_IP="127.0.0.1"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask({})

    def ask(self, request):
        self.child.stdin.write(json.dumps(request) + "\n")
        self.child.stdin.flush()
        for line in self.child.stdout:
            if line.startswith("{"):
                answer = json.loads(line)
                if "error" in answer:
                    raise Failure(f"Spark: {request}: {answer['error'][:1500]}")
                return answer.get("rows")
        raise Failure(f"Spark ended: {end_of(self.log)}")

    def catalog(self, name, settings):
        prefix = f"spark.sql.catalog.{name}"
        self.ask({"conf": {prefix: "org.apache.iceberg.spark.SparkCatalog", **{f"{prefix}.{k}": v for k, v in settings.items()}}})

    def close_catalog(self, name):
        """Closes its connections, so that no lock on an SQLite file outlives the visit; it opens again on its next use."""
        self.ask({"close": name})

    def sql(self, text):
        return self.ask({"sql": text})

    def close(self):
        self.child.stdin.close()
        stop(self.child)


# ---------------------------------------------------------------- clients

def duck(s3=None):
    import duckdb
    con = duckdb.connect(config={"extension_directory": os.path.join(os.path.dirname(duckdb.__file__), "..", "duckdb_ext", "extensions"),
                                 "autoinstall_known_extensions": "false"})
    try:
        con.execute("LOAD avro; LOAD httpfs; LOAD iceberg; SET TimeZone = 'UTC'")
    except duckdb.Error as e:
        raise Missing(f"DuckDB's extensions (tools/setup_interop.sh python): {str(e).splitlines()[0]}") from None
    if s3:
        s3.duck(con)
    return con


class Vecstore:
    """The command with the options of one warehouse and catalog."""

    def __init__(self, *options, env=None):
        self.binary, self.options, self.env = binary(), list(options), env or clean_environment()

    def raw(self, *arguments, rows=None, timeout=300):
        text = None if rows is None else "".join(json.dumps(r, default=str) + "\n" for r in rows)
        return subprocess.run([self.binary, *self.options, "--json", *map(str, arguments)], input=text, capture_output=True, text=True, env=self.env,
                              timeout=timeout)

    def __call__(self, *arguments, rows=None):
        done = self.raw(*arguments, rows=rows)
        expect(done.returncode == 0, f"vecstore {' '.join(map(str, arguments))[:300]}: exit {done.returncode}: {done.stderr.strip()[-1000:]}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def refused(self, code, *arguments, rows=None):
        """Has to end with this exit code; returns the message."""
        done = self.raw(*arguments, rows=rows)
        expect(done.returncode == code, f"vecstore {' '.join(map(str, arguments))[:300]}: exit {done.returncode}, expected {code}: {done.stderr.strip()[-500:]}")
        return json.loads(done.stderr)["error"]["message"]

    def rows(self, table, *options):
        """All rows as vecstore reads them, by id: each a dict with the vector column among the others."""
        done = self.raw("export", table, "--to", "-", *options)
        expect(done.returncode == 0, f"export {table}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        ids = [r["id"] for r in rows]
        expect(len(set(ids)) == len(ids), f"export {table}: an id comes twice")
        return {r["id"]: r for r in rows}

    def hits(self, table, vector, k, *options):
        """(id, score) of the nearest rows, and the whole answer."""
        answer = self("query", table, "--vector", json.dumps([float(x) for x in vector]), "-k", k, *options)
        return [(h["id"], h["score"]) for h in answer["results"][0]["hits"]], answer


# ---------------------------------------------------------------- running tests

def run_tests(title, tests, words):
    """tests: name -> function; words choose some by a part of their name. Prints one line each; the status is 0, 1, or 77 when all were skipped."""
    chosen = {n: f for n, f in tests.items() if not words or any(w in n for w in words)}
    done, failed, skipped = 0, [], []
    for name, function in chosen.items():
        began = time.monotonic()
        try:
            function()
        except Missing as e:
            skipped.append(name)
            print(f"  SKIP {name}: {e} is not here", flush=True)
            continue
        except Exception as e:  # a failure of any client is a failure of the test
            import traceback
            failed.append(name)
            print(f"  FAIL {name} ({time.monotonic() - began:.1f} s): {type(e).__name__}: {e}", flush=True)
            for frame in traceback.extract_tb(e.__traceback__)[-6:]:
                print(f"         {os.path.basename(frame.filename)}:{frame.lineno} {frame.line}", flush=True)
            continue
        done += 1
        print(f"  ok   {name} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{title}: {done} passed, {len(failed)} failed, {len(skipped)} skipped" + (f" ({', '.join(skipped)})" if skipped else ""), flush=True)
    sys.exit(1 if failed else 77 if not done else 0)
