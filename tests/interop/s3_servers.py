#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job on S3 services that others made: versitygw, MinIO, moto.

usage: s3_servers.py [TEST…]      (VECSTORE_BIN names the command; a service that is not there is skipped by name)

For each service: create, ingest (also in parts), index, query, delete, upsert, check; PyIceberg and DuckDB read the same objects. Then what goes
wrong: secret, key, region, bucket, clock. The requests of a commit and of a cold query are counted in the gateway's own log.
"""
import collections
import os
import shutil
import subprocess
import sys

import interop_parts as parts
from interop_parts import Missing, Vecstore, expect, same

try:
    import numpy as np
    from pyiceberg.table import StaticTable
except ImportError as missing:
    print(f"SKIP s3_servers: this Python has no {missing.name} (tools/setup_interop.sh python)")
    sys.exit(77)

DIM = 16
folder = parts.scratch("s3")
services = {}


def service(kind):
    if kind not in services:
        services[kind] = {"versitygw": parts.versitygw, "minio": parts.minio, "moto": parts.moto}[kind](os.path.join(folder, kind))
        services[kind].bucket("warehouse")
    return services[kind]


def vector(i):
    return [float(x) for x in np.random.default_rng(i).standard_normal(DIM).astype(np.float32)]


def make_row(i, version=0):
    # Partition values that have to be encoded once on the wire and nowhere else.
    lang = ["en", "a b+c", "50%25", "ä=ö", None][i % 5]
    return {"id": i, "lang": lang, "score": i / 4 + version, "embedding": vector(i + 10000 * version)}


def newest(s3, prefix):
    versions = [k for k in s3.keys("warehouse", prefix) if k.endswith(".metadata.json")]
    return "s3://warehouse/" + max(versions, key=lambda k: int(k.rsplit("/v", 1)[1].split(".")[0]))


def plain(rows):
    return {r["id"]: {**r, "embedding": [float(np.float32(x)) for x in r["embedding"]]} for r in rows}


def nearest(rows, query, k):
    ids = sorted(rows)
    matrix = np.array([rows[i]["embedding"] for i in ids], dtype=np.float64)
    scores = matrix @ query / np.linalg.norm(matrix, axis=1) / np.linalg.norm(query)
    return [ids[n] for n in np.argsort(-scores)[:k]]


def check(s3, vecstore, name, rows, prefix, lang="lang"):
    metadata = newest(s3, prefix)
    table = StaticTable.from_metadata(metadata, properties=s3.pyiceberg())
    same(plain(table.scan().to_arrow().to_pylist()), rows, f"{s3.name}: PyIceberg")
    con = parts.duck(s3)
    same(plain(con.execute(f"SELECT * FROM iceberg_scan('{metadata}')").fetch_arrow_table().to_pylist()), rows, f"{s3.name}: DuckDB")
    same(plain(vecstore.rows(name).values()), rows, f"{s3.name}: vecstore")
    query = np.array(vector(4711), dtype=np.float64)
    same([i for i, _ in vecstore.hits(name, query, 10)[0]], nearest(rows, query, 10), f"{s3.name}: nearest rows")
    odd = {i: r for i, r in rows.items() if r["lang"] == "a b+c"}
    same([i for i, _ in vecstore.hits(name, query, 10, "--filter", "lang = 'a b+c'")[0]], nearest(odd, query, 10), f"{s3.name}: filtered")


def main_job(kind):
    s3 = service(kind)
    vecstore = Vecstore("--warehouse", "s3://warehouse/main", *s3.vecstore())
    name = "ns.t"
    vecstore("table", "create", name, "--dim", DIM, "--schema", "id long, lang string, score double", "--partition-by", "lang")
    rows = {i: make_row(i) for i in range(300)}
    vecstore("ingest", name, "-", rows=list(rows.values()))
    vecstore("index", "build", name)
    check(s3, vecstore, name, rows, "main/ns/t/metadata/v")
    vecstore("delete", name, "--ids", "7,8,9")
    changed = {i: make_row(i, 1) for i in range(290, 310)}
    vecstore("ingest", name, "-", "--upsert", rows=list(changed.values()))
    rows = {**{i: r for i, r in rows.items() if i not in (7, 8, 9)}, **changed}
    check(s3, vecstore, name, rows, "main/ns/t/metadata/v")
    same(vecstore("table", "check", name)["problems"], [], "table check")
    same([t["name"] for t in vecstore("table", "list")["tables"]], [name], "table list")


def large_objects(kind):
    """Data and index of more than one part."""
    s3 = service(kind)
    vecstore = Vecstore("--warehouse", "s3://warehouse/large", *s3.vecstore())
    vectors = np.random.default_rng(1).standard_normal((24000, 256)).astype(np.float32)
    path = os.path.join(folder, "large.npy")
    np.save(path, vectors)
    vecstore("ingest", "ns.large", path, "--create")
    sizes = [o["Size"] for o in s3.boto().list_objects_v2(Bucket="warehouse", Prefix="large/ns/large/data/")["Contents"]]
    expect(max(sizes) > 16 << 20, f"the data file has {max(sizes)} bytes: it was not uploaded in parts")
    query = vectors[77].astype(np.float64)
    scores = vectors @ query / np.linalg.norm(vectors, axis=1)
    wanted = [int(n) for n in np.argsort(-scores)[:10]]
    same([i for i, _ in vecstore.hits("ns.large", query, 10, "--exact")[0]], wanted, "nearest rows, exact")
    vecstore("index", "build", "ns.large", "--lists", "64", "--min-recall", "0")
    hits, answer = vecstore.hits("ns.large", query, 10, "--recall-target", "0.99")
    expect(answer["index"], "answered without the index")
    expect(len({i for i, _ in hits} & set(wanted)) >= 8, f"{hits} for {wanted}")
    same(StaticTable.from_metadata(newest(s3, "large/ns/large/metadata/v"), properties=s3.pyiceberg()).scan().to_arrow().num_rows, 24000, "rows by PyIceberg")


def drop(kind):
    s3 = service(kind)
    vecstore = Vecstore("--warehouse", "s3://warehouse/gone", *s3.vecstore())
    vecstore("ingest", "ns.t", "-", "--create", rows=[make_row(i) for i in range(9)])
    vecstore("table", "drop", "ns.t", "--yes")
    same(s3.keys("warehouse", "gone/ns/"), [], "objects left by table drop")
    vecstore.refused(3, "table", "describe", "ns.t")


def other_settings(s3, **change):
    settings = {"s3.endpoint": s3.endpoint, "client.region": parts.REGION, "s3.access-key-id": parts.KEY, "s3.secret-access-key": parts.SECRET,
                "s3.retry.max-total-ms": "3000", **{k.replace("__", ".").replace("_", "-"): v for k, v in change.items()}}
    return [word for k, v in settings.items() for word in ("--set", f"{k}={v}")]


def mistakes(kind):
    s3 = service(kind)
    good = Vecstore("--warehouse", "s3://warehouse/mistakes", *s3.vecstore())
    good("ingest", "ns.t", "-", "--create", rows=[make_row(i) for i in range(9)])
    objects = sorted(s3.keys("warehouse", "mistakes/"))
    for what, change in (("secret", {"s3__secret_access_key": "wrong"}), ("key", {"s3__access_key_id": "nobody"})):
        bad = Vecstore("--warehouse", "s3://warehouse/mistakes", *other_settings(s3, **change))
        for words, rows in ((["table", "describe", "ns.t"], None), (["table", "list"], None), (["ingest", "ns.t", "-"], [make_row(50)]),
                            (["ingest", "ns.new", "-", "--create"], [make_row(51)])):
            message = bad.refused(5, *words, rows=rows)
            expect(parts.SECRET not in message and "wrong" not in message, f"the message tells the secret: {message}")
        print(f"    {s3.name}, wrong {what}: {message}")
    same(sorted(s3.keys("warehouse", "mistakes/")), objects, "objects after refused commands")
    bad = Vecstore("--warehouse", "s3://no-such-bucket/x", *other_settings(s3))
    for words in (["table", "describe", "ns.t"], ["table", "create", "ns.t", "--dim", "2"]):
        message = bad.refused(2, *words)
        expect("no-such-bucket" in message, message)
    print(f"    {s3.name}, missing bucket: {message}")
    moved = Vecstore("--warehouse", "s3://warehouse/mistakes", *other_settings(s3, client__region="eu-central-1"))
    done = moved.raw("table", "describe", "ns.t")
    if done.returncode == 0:
        print(f"    {s3.name}, wrong region: put right by itself")
        moved("ingest", "ns.t", "-", rows=[make_row(60)])
    else:
        expect("region" in done.stderr, done.stderr)
        print(f"    {s3.name}, wrong region: {done.stderr.strip()}")
    gone = Vecstore("--warehouse", "s3://warehouse/mistakes", *other_settings(s3, s3__endpoint=f"http://127.0.0.1:{parts.free_port()}"))
    message = gone.refused(8, "table", "describe", "ns.t")
    print(f"    {s3.name}, no service there: {message}")


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
static long shift(void) { return atol(getenv("CLOCK_SHIFT")); }
int clock_gettime(clockid_t id, struct timespec *now)
{
    int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, now);
    if (id == CLOCK_REALTIME) now->tv_sec += shift();
    return status;
}
time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
"""


def clock(kind):
    """A client whose clock is an hour or a day off: put right by the service's answer."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise Missing("a C compiler")
    s3 = service(kind)
    source, library = os.path.join(folder, "clock.c"), os.path.join(folder, "clock.so")
    with open(source, "w", encoding="ascii") as f:
        f.write(CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    for n, shift in enumerate((3600, -3600, 86400 * 3)):
        vecstore = Vecstore("--warehouse", f"s3://warehouse/clock{n}", *s3.vecstore(), env=parts.clean_environment(LD_PRELOAD=library, CLOCK_SHIFT=str(shift)))
        vecstore("ingest", "ns.t", "-", "--create", rows=[make_row(i) for i in range(5)])
        same([i for i, _ in vecstore.hits("ns.t", vector(2), 1)[0]], [2], f"a query with the clock {shift} s off")


def operations(s3, mark):
    counted = collections.Counter()
    for line in s3.log_lines()[mark:]:
        words = [w for w in line.split() if w.startswith("s3_")]
        counted[words[0].removeprefix("s3_") if words else "?"] += 1
    return counted


def requests(kind):
    """What a commit and a cold query cost, by the gateway's own log."""
    s3 = service(kind)
    vecstore = Vecstore("--warehouse", "s3://warehouse/count", *s3.vecstore())
    name = "ns.t"
    vecstore("ingest", name, "-", "--create", rows=[make_row(i) for i in range(200)])
    vecstore("index", "build", name)
    bounds = {"append": 38, "delete by id": 46, "query, cold, with index": 24, "table describe": 24}  # measured, and a few
    jobs = {"append": lambda: vecstore("ingest", name, "-", rows=[make_row(1000)]), "delete by id": lambda: vecstore("delete", name, "--ids", "5"),
            "table describe": lambda: vecstore("table", "describe", name), "query, cold, with index": lambda: vecstore.hits(name, vector(3), 5)}
    for what, job in jobs.items():
        mark = len(s3.log_lines())
        job()
        counted = operations(s3, mark)
        print(f"    {what}: {sum(counted.values())} requests: {dict(counted)}")
        expect(sum(counted.values()) <= bounds[what], f"{what}: more than {bounds[what]} requests")


if __name__ == "__main__":
    parts.binary()
    tests = {}
    for kind in ("versitygw", "minio", "moto"):
        for function in (main_job, large_objects, drop):
            tests[f"{kind}_{function.__name__}"] = lambda kind=kind, function=function: function(kind)
    for kind in ("versitygw", "minio"):
        tests[f"{kind}_mistakes"] = lambda kind=kind: mistakes(kind)
    tests["versitygw_clock"] = lambda: clock("versitygw")
    tests["versitygw_requests"] = lambda: requests("versitygw")
    parts.run_tests("s3_servers", tests, sys.argv[1:])
