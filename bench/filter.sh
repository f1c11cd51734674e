#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/filter.sh [FOLDER [METRIC [OPTION…]]]: predicates (bench_predicate.c), filtered search (bench_filter.c). Without a folder of base.npy and
# queries.npy, 1,000,000 x 768 synthetic vectors are made once (bench/peers/generate.py). The index is built once too.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${VECSTORE_PYTHON:-$here/../.venv/bin/python}
[ -x "$python" ] || python=$(command -v python3)
bin=${VECSTORE_BENCH_BIN:-$here/../build/release/bin}
folder=${1:-$here/../build/bench/data/text-like-1000000x768}
metric=${2:-cosine}
shift $(($# < 2 ? $# : 2))
if [ ! -f "$folder/base.npy" ]; then
    "$python" "$here/peers/generate.py" "$folder.part"
    mv "$folder.part" "$folder"
fi
index=$here/../build/bench/filter-$(basename "$folder").puffin
if [ ! -f "$index" ]; then
    mkdir -p "$(dirname "$index")"
    "$bin/bench_search" "$folder" "$metric" --build-only --out "$index.part"
    mv "$index.part" "$index"
fi
"$bin/bench_predicate"
"$bin/bench_filter" "$index" "$folder" "$@"
