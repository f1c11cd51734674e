# SPDX-License-Identifier: Apache-2.0
"""JSON: microseconds to parse the body of a query, by yyjson, our reader over it, cJSON and our float parser.

Usage: json [--dims 384,768,1536]
"""
import argparse
import json

import bench_facts as facts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dims", default="384,768,1536")
    args = parser.parse_args()
    report = facts.Report("json")
    for dim in args.dims.split(","):
        measured, out = facts.run_measured([facts.program("bench_json"), dim])
        for line in out.splitlines():
            report.add({**json.loads(line), "foreign_cores": measured["foreign_cores"]})
    facts.table(report.rows, [
        ("parser", lambda r: r["parser"]), ("floats", lambda r: r["dim"]), ("bytes", lambda r: r["body_bytes"]),
        ("us", lambda r: f"{r['us']:.2f}{facts.mark(r)}"), ("MB/s", lambda r: r["mb_per_s"]),
        ("63-bit id kept", lambda r: {True: "yes", False: "NO"}.get(r.get("snapshot_id_kept"), "-"))])
    report.write()


if __name__ == "__main__":
    main()
