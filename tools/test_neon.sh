#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# test_neon.sh [FOLDER]: the aarch64 kernels on any machine: builds simd/ and its test for aarch64 in
# FOLDER (a temporary one by default) and runs it under emulation. Ends with 77, which is "skipped",
# where the cross compiler or the emulator is missing; `./dev setup test` installs both.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
CC=${VECSTORE_AARCH64_CC:-aarch64-linux-gnu-gcc}

skip() {
    echo "skipped: $1"
    exit 77
}

command -v "$CC" >/dev/null || skip "no $CC: install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
for emulator in qemu-aarch64 qemu-aarch64-static ''; do
    command -v "$emulator" >/dev/null && break
done
[ -n "$emulator" ] || skip "no qemu-aarch64: install qemu-user"

folder=${1:-}
if [ -z "$folder" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder"

flags=(-std=c17 -D_GNU_SOURCE -O2 -I. -ffp-contract=off -fno-strict-aliasing -fno-strict-overflow -Wall -Wextra
    -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wcast-qual -Werror)
for test in kernels_test kernels_batch_test; do
    "$CC" "${flags[@]}" -static simd/cpu.c simd/dispatch.c simd/kernels_scalar.c simd/kernels_neon.c \
        simd/tile_scalar.c simd/tile_neon.c simd/batch_scalar.c simd/batch_neon.c \
        "tests/unit/$test.c" -o "$folder/${test}_aarch64" -lm -lpthread
done
for table in neon scalar; do
    echo "VS_SIMD=$table"
    VS_SIMD=$table "$emulator" "$folder/kernels_test_aarch64"
done
"$emulator" "$folder/kernels_batch_test_aarch64"
