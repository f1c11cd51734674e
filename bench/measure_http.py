# SPDX-License-Identifier: Apache-2.0
"""HTTP: round trips of POST query over one and over 16 keep-alive connections, JSON and raw float bodies,
beside the same queries asked in process.

Usage: http [--rows 100000] [--dim 384] [--requests 5000] [--connections 1,16] [--k 10]
"""
import argparse
import json
import os
import re
import shutil
import signal
import struct
import subprocess

import bench_facts as facts


def strip_header(source, target):
    """The values of a .npy file (format 1.0) as raw little-endian floats."""
    with open(source, "rb") as file, open(target, "wb") as out:
        head = file.read(10)
        file.seek(10 + struct.unpack("<H", head[8:10])[0])
        shutil.copyfileobj(file, out)


def build_table(folder, work):
    warehouse = os.path.join(work, "warehouse")
    os.makedirs(warehouse)
    vecstore = [facts.program("vecstore"), "--warehouse", warehouse, "--json"]
    facts.run_measured(vecstore + ["ingest", "bench.t", folder + "/base.npy", "--metadata", folder + "/rows.jsonl",
                                   "--create"])
    facts.run_measured(vecstore + ["index", "build", "bench.t", "--min-recall", "0"])
    return warehouse


class Server:
    def __init__(self, warehouse):
        command = [facts.program("vecstore"), "--warehouse", warehouse, "serve", "--listen", "127.0.0.1:0"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.child.stdout.readline()
        found = re.search(r"http://[^ ]*:(\d+)", line)
        if not found:
            facts.die(f"the server does not say where it listens: {line!r}")
        self.port = found.group(1)

    def cpu_s(self):
        with open(f"/proc/{self.child.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self):
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as file:
            return round(int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) / 1024, 1)

    def stop(self):
        self.child.send_signal(signal.SIGINT)
        self.child.wait(30)


def ask(server, form, connections, requests, raw, dim, k):
    before = server.cpu_s()
    load = facts.Load()
    measured, out = facts.run_measured([facts.program("bench_http"), server.port, "bench.t", form, str(connections),
                                        str(requests), raw, str(dim), str(k)])
    used = server.cpu_s() - before
    row = json.loads(out)
    return {**row, "server_cpu_us": round(used * 1e6 / (requests + 200), 1),
            "foreign_cores": load.end(used + measured["cpu_s"])}


def in_process(warehouse, raw, dim, k, work):
    """The same queries through api/vecstore.h; their truth is unknown here and recall means nothing."""
    truth = os.path.join(work, "none.i64")
    with open(truth, "wb") as file:
        file.write(b"\xff" * (os.path.getsize(raw) // (dim * 4) * 100 * 8))
    out = subprocess.run([facts.program("bench_query"), "api", warehouse, "bench.t", raw, truth, str(dim)],
                         input=f"{k} 0 0 0 0 1\n{k} 0 0 0 0 20\n", capture_output=True, text=True, check=True).stdout
    row = json.loads(out.splitlines()[-1])
    row.pop("recall")
    return {"form": "in process", "connections": 1, **row}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rows", 100000), ("dim", 384), ("requests", 5000), ("k", 10)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--connections", default="1,16")
    args = parser.parse_args()
    report = facts.Report("http")
    folder = facts.generated(args.rows, args.dim)
    work = facts.scratch_folder("http")
    raw = os.path.join(work, "queries.f32")
    strip_header(folder + "/queries.npy", raw)
    warehouse = build_table(folder, work)
    report.add(in_process(warehouse, raw, args.dim, args.k, work))
    server = Server(warehouse)
    try:
        for connections in map(int, args.connections.split(",")):
            for form in ("livez", "json", "raw"):
                report.add(ask(server, form, connections, args.requests, raw, args.dim, args.k))
        peak = server.peak_mib()
    finally:
        server.stop()
    for row in report.rows:
        row.update(rows=args.rows, dim=args.dim, server_peak_mib=peak)
    shutil.rmtree(work)
    facts.table(report.rows, [
        ("body", lambda r: r["form"]), ("connections", lambda r: r["connections"]),
        ("QPS", lambda r: f"{r['qps']:.0f}{facts.mark(r)}"), ("p50 us", lambda r: r["p50_us"]),
        ("p99 us", lambda r: r["p99_us"]), ("server CPU us", lambda r: r.get("server_cpu_us", r.get("cpu_us"))),
        ("request bytes", lambda r: r.get("request_bytes")), ("reply bytes", lambda r: r.get("reply_bytes")),
        ("others' cores", lambda r: r["foreign_cores"])])
    print(f"{args.rows} x {args.dim}, synthetic, k {args.k}, default recall target, ids and scores only. livez: GET"
          f" /livez, the HTTP part alone. Client and server share {os.cpu_count()} cores. Server peak {peak} MiB.")
    report.write()


if __name__ == "__main__":
    main()
