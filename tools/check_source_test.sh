#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check_source_test.sh: plants one breach of every rule in a copy of a small clean tree and sees that
# check_source.sh names its file and line; and plants look-alikes that must not be reported.
set -eu
LC_ALL=C
export LC_ALL
check=$(cd "$(dirname "$0")" && pwd)/check_source.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
count=0
failed=0

spdx='// SPDX-License-Identifier: Apache-2.0'

# A clean tree: a header and a source in every folder of the map, made once and copied.
make_clean_tree() {
    for folder in simd vecstore/base vecstore/object vecstore/format vecstore/govern vecstore/iceberg \
        vecstore/catalog index ingest api/query api api/http api/cli tests/unit tests/support bench; do
        mkdir -p "$work/clean/$folder"
        stem=$(echo "$folder" | tr / _)
        guard=VS_$(echo "$stem" | tr '[:lower:]' '[:upper:]')_H
        printf '%s\n#ifndef %s\n#define %s\n#endif\n' "$spdx" "$guard" "$guard" >"$work/clean/$folder/$stem.h"
        printf '%s\n#include "%s/%s.h"\n#include <stdio.h>\n' "$spdx" "$folder" "$stem" \
            >"$work/clean/$folder/$stem.c"
    done
    printf '%s\n#ifndef VS_API_VECSTORE_H\n#endif\n' "$spdx" >"$work/clean/api/vecstore.h"
    mkdir "$work/clean/tools"
    : >"$work/clean/tools/check_source.exempt"
}

clean_tree() {
    rm -rf "$tree"
    cp -r "$work/clean" "$tree"
}

report() {
    count=$((count + 1))
    if [ "$1" != ok ]; then
        failed=$((failed + 1))
        printf 'FAIL: %s\n' "$2"
        sed 's/^/    /' "$work/out"
    fi
}

# The check must end with status 1 and print a line that starts with the given "file:line: " and holds the text.
expect_breach() {
    status=0
    "$check" "$tree" >"$work/out" 2>&1 || status=$?
    if [ "$status" -eq 1 ] && grep -F "$1: " "$work/out" | grep -qF "$2"; then
        # One planted breach, one report: anything more would be a false alarm.
        if [ "$(wc -l <"$work/out")" -eq 2 ]; then report ok; else report bad "$1: more than one report"; fi
    else
        report bad "$1: '$2' not reported (status $status)"
    fi
}

expect_clean() {
    status=0
    "$check" "$tree" >"$work/out" 2>&1 || status=$?
    if [ "$status" -eq 0 ]; then report ok; else report bad "$1: reported although clean"; fi
}

# plant FILE LINE TEXT: appends the line (the fourth of the clean source) and expects it to be named.
plant() {
    clean_tree
    printf '%s\n' "$2" >>"$tree/$1"
    expect_breach "$1:4" "$3"
}

fine() {
    clean_tree
    printf '%s\n' "$2" >>"$tree/$1"
    expect_clean "$1: $2"
}

make_clean_tree
clean_tree
expect_clean "the clean tree"

# layer: one forbidden direction for every folder of the table, and the allowed ones
plant simd/simd.c '#include "vecstore/base/vecstore_base.h"' 'simd may not include'
plant vecstore/base/vecstore_base.c '#include "vecstore/object/vecstore_object.h"' 'may not include'
plant vecstore/object/vecstore_object.c '#include "vecstore/format/vecstore_format.h"' 'may not include'
plant vecstore/format/vecstore_format.c '#include "vecstore/object/vecstore_object.h"' 'may not include'
plant vecstore/govern/vecstore_govern.c '#include "vecstore/iceberg/vecstore_iceberg.h"' 'may not include'
plant vecstore/iceberg/vecstore_iceberg.c '#include "index/index.h"' 'may not include'
plant vecstore/catalog/vecstore_catalog.c '#include "vecstore/format/vecstore_format.h"' 'may not include'
plant index/index.c '#include "vecstore/iceberg/vecstore_iceberg.h"' 'index may not include'
plant ingest/ingest.c '#include "api/vecstore.h"' 'ingest may not include'
plant api/query/api_query.c '#include "ingest/ingest.h"' 'may not include'
plant api/api.c '#include "api/http/api_http.h"' 'api may not include'
plant api/http/api_http.c '#include "api/query/api_query.h"' 'may not include'
plant api/cli/api_cli.c '#include "api/http/api_http.h"' 'may not include'
plant bench/bench.c '#include "ingest/ingest.h"' 'may not include'
plant index/index.c '#include "tests/unit/tests_unit.h"' 'is in no folder of the map'
plant index/index.c '#include "index.h"' 'is not written from the root'
plant index/index.c '   #  include "ingest/ingest.h"' 'may not include'
fine vecstore/catalog/vecstore_catalog.c '#include "vecstore/iceberg/vecstore_iceberg.h"'
fine api/query/api_query.c '#include "simd/simd.h"'
fine api/http/api_http.c '#include "api/vecstore.h"'
fine api/api.c '#include "api/query/api_query.h"'
fine tests/unit/tests_unit.c '#include "index/index.h"'
fine index/index.c '// #include "ingest/ingest.h"'
fine index/index.c '/* #include "ingest/ingest.h" */'
clean_tree
printf '%s\n#ifndef VS_P_H\n#endif\n' "$spdx" >"$tree/vecstore/format/page_internal.h"
printf '#include "vecstore/format/page_internal.h"\n' >>"$tree/vecstore/iceberg/vecstore_iceberg.c"
expect_breach vecstore/iceberg/vecstore_iceberg.c:4 'is private to vecstore/format'

# adapter: each library outside its file, and inside it
for pair in yyjson.h:vecstore/base/json.c openssl/sha.h:vecstore/base/crypto.c \
    zstd.h:vecstore/format/codec_zstd.c zlib.h:vecstore/format/codec_zlib.c lz4.h:vecstore/format/codec.c \
    snappy-c.h:vecstore/format/codec.c brotli/decode.h:vecstore/format/codec_brotli.c \
    curl/curl.h:vecstore/object/http_lane.c sqlite3.h:vecstore/catalog/catalog_sql.c \
    microhttpd.h:api/http/server_mhd.c faiss/c_api/Index_c.h:index/trainer_faiss.c \
    cblas.h:index/trainer_faiss.c roaring/roaring.h:vecstore/base/bitmap.c \
    immintrin.h:simd/kernels_avx2.c immintrin.h:vecstore/base/crc32c.c arm_neon.h:simd/kernels_neon.c; do
    plant index/index.c "#include <${pair%%:*}>" 'alone'
    clean_tree
    printf '%s\n#include <%s>\n' "$spdx" "${pair%%:*}" >"$tree/${pair#*:}"
    expect_clean "$pair"
done
plant ingest/ingest.c '#include <cjson/cJSON.h>' 'is in no list'
fine ingest/ingest.c '#include <sys/stat.h>'

# banned functions, and what only looks like one
for name in strcpy strcat strncpy sprintf strtok atoi gets alloca rand system; do
    plant index/index.c "int f(void) { return (int)$name(x); }" "$name() is banned"
done
for name in malloc calloc realloc free strdup; do
    plant index/index.c "    p = $name (x);" "raw $name()"
    fine vecstore/base/vecstore_base.c "    p = $name(x);"
    fine tests/unit/tests_unit.c "    p = $name(x);"
done
plant index/index.c '    p = popen(x, y);' 'popen() is banned'
fine tests/unit/tests_unit.c '    p = popen(x, y);'
plant index/index.c '    a(b); c = /* d */ free(e);' 'raw free()'
plant index/index.c '    table.free(x); free(x);' 'raw free()'
fine index/index.c '    env->free(x); table.free(x); vs_free(env, x); my_system(x);'
fine index/index.c '    vs_fail(err, VS_INVALID, "call free(x) or \"system(y)\" first");'
fine index/index.c '    /* the caller must free(x) it */ // or atoi(y)'
fine index/index.c "    c = '\"'; /* system(x) */"
clean_tree
printf '/* a long comment\n   about free(x)\n */ free(y);\n' >>"$tree/index/index.c"
expect_breach index/index.c:6 'raw free()'

# the other rules
plant index/index.c '    goto fail;' 'another label than done'
fine index/index.c '    goto done;'
plant index/index.c '/* TO''DO: later */' 'without an issue'
fine index/index.c '/* TO''DO(#12): later */'
clean_tree
printf '#pragma once\n' >>"$tree/index/index.h"
expect_breach index/index.h:5 'use an include guard'
clean_tree
printf '%s\n' "$spdx" >"$tree/index/index.h"
expect_breach index/index.h:1 'no include guard'
clean_tree
echo 'int x;' >"$tree/index/bare.c"
expect_breach index/bare.c:1 'no SPDX'
clean_tree
printf '#!/bin/sh\necho\n' >"$tree/tools/bare.sh"
expect_breach tools/bare.sh:1 'no SPDX'
clean_tree
i=0
while [ $i -lt 998 ]; do
    echo
    i=$((i + 1))
done >>"$tree/index/index.c"
expect_breach index/index.c:1001 'at most 1000'
clean_tree
printf '%s\n' "$spdx" >"$tree/ingest/index.c"
expect_breach ingest/index.c:1 'the name is taken by index/index.c'
clean_tree
printf '%s\n' "$spdx" >"$tree/index/bigName.c"
expect_breach index/bigName.c:1 'snake_case'
clean_tree
mkdir -p "$tree/tests/golden/a" "$tree/tests/golden/b"
for f in index/CMakeLists.txt ingest/CMakeLists.txt tests/unit/index.cmake tests/fuzz.cmake; do
    echo '# SPDX-License-Identifier: Apache-2.0' >"$tree/$f"
done
touch "$tree/index/README.md" "$tree/ingest/README.md" "$tree/tests/golden/a/x.json" "$tree/tests/golden/b/x.json"
expect_clean 'names that may repeat'

# exemptions: one that is used silences, one that is not is an error
clean_tree
echo '    free(x);' >>"$tree/index/index.c"
echo 'banned index/index.c free memory of a library' >"$tree/tools/check_source.exempt"
expect_clean 'a used exemption'
clean_tree
echo 'banned index/index.c free memory of a library' >"$tree/tools/check_source.exempt"
expect_breach tools/check_source.exempt:1 'exempts nothing'
clean_tree
echo 'banned index/index.c' >"$tree/tools/check_source.exempt"
expect_breach tools/check_source.exempt:1 'an exemption is'

printf '%d checks, %d failed\n' "$count" "$failed"
[ "$failed" -eq 0 ]
