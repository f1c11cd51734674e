#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# setup_python.sh: makes .venv/ with the packages of tools/requirements.txt, once. It is made anew
# when the list or the interpreter changes. Without a package index the tests that need Python skip,
# and say so: then this script prints one line and succeeds, leaving no .venv/ behind.
set -euo pipefail
# shellcheck source=tools/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"
ROOT=$(root_of)
VENV=$ROOT/.venv
PYTHON=/usr/bin/python3 # the distribution's: it is the one that python3-venv belongs to

[ -x "$PYTHON" ] || die "no $PYTHON: run './dev setup'"
want=$({
    cat "$ROOT/tools/requirements.txt"
    "$PYTHON" --version
    echo "$VENV"
} | sha256sum | cut -d' ' -f1)
if [ "$(cat "$VENV/.complete" 2>/dev/null || true)" = "$want" ]; then
    exit 0
fi

venv_make() {
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_DEFAULT_TIMEOUT="${PIP_DEFAULT_TIMEOUT:-20}"
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV"
    "$VENV/bin/python" -m pip install --retries 2 --only-binary :all: -r "$ROOT/tools/requirements.txt"
    printf '%s\n' "$want" >"$VENV/.complete"
}

# Not "if (step …)": a condition switches set -e off for everything within.
set +e
(step "Python packages for the tests" venv_make)
status=$?
set -e
[ "$status" -ne 0 ] || exit 0
rm -rf "$VENV"
say "Python packages cannot be installed: tests that compare with PyIceberg, pyarrow and DuckDB will skip"
