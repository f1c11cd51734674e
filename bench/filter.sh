#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/filter.sh [FOLDER [METRIC [OPTION…]]]: predicates beside DuckDB (bench_predicate.c, filter_peers.py), filtered search (bench_filter.c).
# Without a folder of base.npy and queries.npy, 1,000,000 x 768 synthetic vectors are made once (bench/peers/generate.py). The index is built
# once too, of two threads and 2 GiB.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${VECSTORE_PYTHON:-$here/../.venv/bin/python}
[ -x "$python" ] || python=$(command -v python3)
bin=${VECSTORE_BENCH_BIN:-$here/../build/release/bin}
work=$here/../build/bench
folder=${1:-$work/data/text-like-1000000x768}
metric=${2:-cosine}
[ $# -eq 0 ] || [ -f "$folder/base.npy" ] || { echo "error: no $folder/base.npy" >&2; exit 1; }
shift $(($# < 2 ? $# : 2))
for program in bench_predicate bench_filter bench_search; do
    [ -x "$bin/$program" ] || { echo "error: no program $bin/$program: run './dev build release', or set VECSTORE_BENCH_BIN" >&2; exit 1; }
done
mkdir -p "$work/data"
if [ ! -f "$folder/base.npy" ]; then
    rm -rf "$folder.part"
    "$python" "$here/peers/generate.py" "$folder.part"
    mv "$folder.part" "$folder"
fi
index=$work/filter-$(basename "$folder")-$metric.puffin
if [ ! -f "$index" ] || [ "$folder/base.npy" -nt "$index" ]; then
    "$bin/bench_search" "$folder" "$metric" --build-only --threads 2 --memory 2048 --out "$index.part"
    mv "$index.part" "$index"
fi
"$python" "$here/filter_peers.py" "$bin/bench_predicate"
"$bin/bench_filter" "$index" "$folder" "$@"
