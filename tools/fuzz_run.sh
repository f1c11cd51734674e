#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz_run.sh BUILD-DIR SECONDS [TARGET]: runs the libFuzzer programs that tests/fuzz/fuzz.cmake listed
# in BUILD-DIR/fuzz_targets.txt (lines "name seed-file seed-file …"), two at a time. Fails when one
# of them finds something, and names the input.
set -euo pipefail
# shellcheck source=tools/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"
build=$1 seconds=$2 only=${3:-}
list=$build/fuzz_targets.txt

[ -s "$list" ] || die "no fuzz targets are built: $list is empty"
if [ -n "$only" ] && ! grep -q "^$only\( \|$\)" "$list"; then
    die "no fuzz target '$only': $(cut -d' ' -f1 "$list" | paste -sd' ' -)"
fi

run_one() {
    local name=$1 corpus=$build/corpus/$1 log=$build/fuzz_$1.log status=0 start seed
    shift
    start=$(now_ms)
    mkdir -p "$corpus" "$build/crash"
    for seed in "$@"; do
        cp -n "$seed" "$corpus/seed-${seed##*/}"
    done
    "$build/bin/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -max_len=65536 -use_value_profile=1 -print_final_stats=1 \
        -artifact_prefix="$build/crash/$name-" "$corpus" >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        printf 'fuzz %-16s FAILED after %s\n' "$name" "$(seconds_since "$start")"
        grep -v -E '^#[0-9]+[[:space:]]+(NEW|REDUCE|pulse)' "$log" | tail -n 60 >&2
        return 1
    fi
    printf 'fuzz %-16s %s inputs, %s, corpus %s\n' "$name" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$(seconds_since "$start")" \
        "$(find "$corpus" -type f | wc -l)"
}

failed=0
pids=()
while read -r name seeds; do
    [ -z "$only" ] || [ "$only" = "$name" ] || continue
    # shellcheck disable=SC2086  # a list of paths without blanks, written by CMake
    run_one "$name" $seeds &
    pids+=($!)
    if [ ${#pids[@]} -ge 2 ]; then
        wait "${pids[0]}" || failed=1
        pids=("${pids[@]:1}")
    fi
done <"$list"
for pid in "${pids[@]}"; do
    wait "$pid" || failed=1
done
[ "$failed" -eq 0 ] || die "fuzzing found a defect; the inputs are in $build/crash/"
