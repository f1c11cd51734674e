#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Planning of a table with FILES files (100,000): ours, and PyIceberg's where VECSTORE_PYTHON has it
# (bounded by PLAN_PEER_SECONDS, 120).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${BENCH_PLAN:-build/release/bin/bench_plan}" "$folder" "${FILES:-100000}"
timeout "${PLAN_PEER_SECONDS:-120}" "${VECSTORE_PYTHON:-python3}" - "$folder" <<'PYTHON' ||
import resource, sys, time
try:
    from pyiceberg.table import StaticTable
except ImportError as missing:
    print(f"SKIP: {missing}")
    sys.exit(0)
table = StaticTable.from_metadata(f"file://{sys.argv[1]}/t/metadata/v1.metadata.json")
for name, row_filter in (("day = 7", "day = '1970-01-08'"), ("none", "true")):
    start = time.monotonic()
    files = len(list(table.scan(row_filter=row_filter).plan_files()))
    print('{"bench":"plan","who":"pyiceberg","filter":"%s","files":%d,"best_ms":%.1f,"max_rss_mib":%d}' % (
        name, files, (time.monotonic() - start) * 1e3,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024), flush=True)
PYTHON
    echo "PyIceberg did not finish in ${PLAN_PEER_SECONDS:-120} s"
