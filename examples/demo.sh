#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh [--data FILE]: the main job end to end, with the binaries in $VECSTORE_BIN's folder (./dev demo sets it up).
# Part 1: vecstore's own documentation, asked in plain questions over HTTP.  Part 2: 100,000 vectors through an IVF-PQ index.
# With --data FILE (.parquet, .npy or .jsonl): your own rows instead of both.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${VECSTORE_BIN:?set it to the vecstore binary, or run ./dev demo}"
bin=$(dirname "$VECSTORE_BIN")
work=${VECSTORE_DEMO_DIR:-$(dirname "$bin")/demo}
warehouse=$work/warehouse
server=

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { # the command as a reader would type it, then its output
    printf '$ vecstore %s\n' "${*/#$here\//examples/}"
    "$VECSTORE_BIN" --quiet --warehouse "$warehouse" "$@"
}
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=
    fi
}
trap stop EXIT

start_server() {
    "$VECSTORE_BIN" --warehouse "$warehouse" serve --listen 127.0.0.1:0 >"$work/server.log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        url=$(sed -n 's/.*listens on \(http[^;]*\);.*/\1/p' "$work/server.log")
        [ -z "$url" ] || break
        kill -0 "$server" 2>/dev/null || { cat "$work/server.log" >&2; exit 1; }
        sleep 0.05
    done
    echo "\$ vecstore serve    # $url"
}

# Prints the hits of an answer for people. jq would do; sed keeps the demo free of it.
print_hits() {
    { cat; echo; } | sed -e 's/.*"results":\[{"hits":\[//' -e 's/\],"complete".*//' -e 's/},{"id"/}\n{"id"/g' |
        sed -n 's/.*"score":\([0-9.-]*\),"fields":{"title":"\(.*\)","text":"\(.*\)"}}.*/\1\t\2\t\3/p' |
        while IFS=$'\t' read -r score title text; do
            printf '   %.3f  %s\n' "$score" "$title"
            printf '%s\n' "${text//\\\"/\"}" | fold -s -w 96 | sed -n '1,3s/^/          /p'
        done
}

ask() { # ask QUESTION-NUMBER
    local line text vector
    line=$(sed -n "$(($1 + 1))p" "$here/questions.jsonl")
    text=$(sed -n 's/.*"text": "\([^"]*\)".*/\1/p' <<<"$line")
    vector=$(sed -n 's/.*"embedding": "\([^"]*\)".*/\1/p' <<<"$line")
    printf '\n \033[1m%s\033[0m\n' "$text"
    curl -sS "$url/v1/tables/docs.passages/query" \
        --json "{\"vector\":\"$vector\",\"k\":2,\"select\":[\"title\",\"text\"]}" >"$work/answer.json"
    print_hits <"$work/answer.json"
}

disk() {
    printf '\nOn disk: one folder of plain files, readable by any Iceberg engine\n'
    (cd "$warehouse" && find "$1" -type f -printf '%10s  %p\n' | sort -k2)
}

own_file() {
    local file=$1
    [ -r "$file" ] || { echo "demo: $file cannot be read" >&2; exit 2; }
    say "Your file: $file"
    show ingest demo.own "$file" --create
    show table describe demo.own
    say "Index"
    show index build demo.own --min-recall 0
    say "Measured against exact answers"
    show recall demo.own
    disk demo/own
    say "Go on"
    cat <<TEXT
  $VECSTORE_BIN --warehouse $warehouse query demo.own --vector-file QUERY.npy -k 5
  $VECSTORE_BIN --warehouse $warehouse serve
TEXT
}

documentation() {
    say "1. RAG over vecstore's own documentation"
    show ingest docs.passages "$here/docs.jsonl" --create
    show index build docs.passages
    start_server
    for number in 1 2 9 17 29; do ask "$number"; done
    printf '\nWhat an answer says about itself:\n'
    sed -n 's/.*\("coverage":.*\)}$/   \1/p' "$work/answer.json" | fold -w 110
    stop
    say "Recall, measured against exact answers"
    show recall docs.passages
    disk docs/passages
}

at_size() {
    say "2. The same at size: 100,000 generated vectors (synthetic)"
    mkdir -p "$work/generated"
    [ -s "$work/generated/queries.npy" ] || "$bin/gen_vectors" 100000 384 "$work/generated"
    show ingest demo.large "$work/generated/base.npy" --metadata "$work/generated/rows.jsonl" --create
    show index build demo.large
    say "Recall and speed against exact search, with queries that are not in the table"
    show recall demo.large --queries "$work/generated/queries.npy" --num 200
    show query demo.large --id 4242 -k 3 --filter "day >= '2023-01-01'" --select title,topic,day
}

rm -rf "$warehouse"
mkdir -p "$work"
if [ "${1:-}" = --data ]; then
    own_file "${2:?--data needs a file}"
    exit 0
fi
started=$(date +%s)
documentation
at_size
say "Done in $(($(date +%s) - started)) s. By hand, with your own file"
cat <<TEXT
  export PATH=$bin:\$PATH VECSTORE_WAREHOUSE=$warehouse
  vecstore table list
  vecstore ingest my.rows FILE.parquet --create      # or .npy, .jsonl; needs an id column and a list<float> column
  vecstore index build my.rows
  vecstore query my.rows --id SOME-ID -k 5
  vecstore serve                                     # then POST /v1/tables/my.rows/query
TEXT
