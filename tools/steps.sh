# SPDX-License-Identifier: Apache-2.0
# steps.sh: what ./dev and the set-up scripts share. Sourced by bash, never run.
#
#   step NAME COMMAND…   runs a command quietly, prints "==> NAME … 12.3 s"; its output is kept in
#                        build/log/ and the end of it is shown when the command fails
#   say TEXT             one line of information
#   die TEXT             prints the reason and ends with status 1
#   as_root COMMAND…     runs as root: directly, or through sudo
#   root_of              prints the root of the source tree
# shellcheck shell=bash

root_of() {
    (cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
}

say() {
    printf '==> %s\n' "$*"
}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Milliseconds; EPOCHREALTIME is bash's own clock (with a comma in some locales), so that nothing
# needs installing.
now_ms() {
    local t=${EPOCHREALTIME/[.,]/}
    printf '%s\n' "$((t / 1000))"
}

seconds_since() {
    local ms=$(($(now_ms) - $1))
    printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

# show_end FILE LINES: the end of a log, from the first failure when there is one.
show_end() {
    local first
    first=$(grep -n -m1 -E '^FAILED:|CMake Error|^E: |^ERROR' "$1" | cut -d: -f1 || true)
    if [ -n "$first" ]; then
        tail -n "+$first" "$1" | head -n "$2" >&2
    else
        tail -n "$2" "$1" >&2
    fi
}

step() {
    local name=$1 start log status=0
    shift
    log=$(root_of)/build/log/$(printf '%s' "$name" | tr -c 'A-Za-z0-9_.\n-' '_').log
    mkdir -p "$(dirname "$log")"
    start=$(now_ms)
    printf '==> %s … ' "$name"
    # A child shell keeps set -e alive inside shell functions; "|| status" alone would switch it off.
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    if [ "$status" -ne 0 ]; then
        printf 'failed after %s\n' "$(seconds_since "$start")"
        show_end "$log" 120
        printf 'error: step "%s" failed; the whole output is in %s\n' "$name" "$log" >&2
        exit "$status"
    fi
    printf '%s\n' "$(seconds_since "$start")"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        # sudo asks on the terminal itself, although this step's output goes to a file.
        sudo -n true 2>/dev/null || { : </dev/tty; } 2>/dev/null ||
            die "sudo asks for a password and there is no terminal: run 'sudo -v' first, or run as root"
        sudo "$@"
    else
        die "this step needs root and there is no sudo: run './dev setup' once as root"
    fi
}
