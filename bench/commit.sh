#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/commit.sh: runs bench/bench_commit.py with the Python of VECSTORE_PYTHON, of .venv/, or the system's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${VECSTORE_PYTHON:-$here/../.venv/bin/python}
[ -x "$python" ] || python=$(command -v python3)
exec "$python" -u "$here/bench_commit.py" "$@"
