#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/peers.sh: other open vector indexes beside vecstore; see bench/peers/measure_peers.py.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${VECSTORE_PYTHON:-$here/../.venv/bin/python}
[ -x "$python" ] || python=$(command -v python3)
exec "$python" -u "$here/peers/measure_peers.py" "$@"
