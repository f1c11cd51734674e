#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/scan.sh: runs bench/measure_scan.py with the Python of VECSTORE_PYTHON, of .venv/, or the system's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${VECSTORE_PYTHON:-$here/../.venv/bin/python}
[ -x "$python" ] || python=$(command -v python3)
exec "$python" -u "$here/measure_scan.py" "$@"
