#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/cold.sh [FOLDER [METRIC [bench_cold's options]]]: first queries over a simulated object store. FOLDER holds
# base.npy, queries.npy and gt.npy as for bench_search (default: small ones made here); an index is built of them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${VECSTORE_BENCH_BIN:-$here/../build/release/bin}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=${1:-}
metric=${2:-cosine}
shift $(($# < 2 ? $# : 2))
if [ -z "$folder" ]; then
    folder=$work
    python=${VECSTORE_PYTHON:-$here/../.venv/bin/python}
    [ -x "$python" ] || python=$(command -v python3)
    "$python" - "$work" <<'PY'
import sys
import numpy as np

rng = np.random.default_rng(1)
centres = rng.standard_normal((2000, 128), dtype=np.float32)
def draw(n):
    return centres[rng.integers(0, 2000, n)] + 0.5 * rng.standard_normal((n, 128), dtype=np.float32)
base, queries = draw(200000), draw(500)
np.save(sys.argv[1] + "/base.npy", base)
np.save(sys.argv[1] + "/queries.npy", queries)
np.save(sys.argv[1] + "/gt.npy", np.zeros((500, 100), dtype=np.int32))  # not looked at here
PY
fi
mkdir -m 700 "$work/cache"
if [ -f "$folder/index.puffin" ]; then
    index=$folder/index.puffin
else
    index=$work/index.puffin
    "$bin/bench_search" "$folder" "$metric" --out "$index" --build-only >&2
fi
"$bin/bench_cold" "$index" "$folder/queries.npy" --cache "$work/cache" "$@"
