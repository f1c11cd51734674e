// SPDX-License-Identifier: Apache-2.0
// A portable 64-bit bitmap: whatever the bytes, a reason or a set that survives being written
// again.
#include "vecstore/base/bitmap.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    uint64_t count, last;
};

static bool add(uint64_t value, void *ctx)
{
    struct sum *sum = ctx;
    if (sum->count > 0 && value <= sum->last) {
        abort(); // not ascending
    }
    sum->last = value;
    return ++sum->count < 1000000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_bitmap bitmap, again;
    struct vs_error err;
    struct vs_buf bytes;
    struct sum sum = {0};
    struct vs_str view = {(const char *)data, size};
    if (vs_bitmap_read(&bitmap, vs_env_default(), view, "input", &err) != VS_OK) {
        return 0;
    }
    uint64_t cardinality = vs_bitmap_cardinality(&bitmap);
    if (vs_bitmap_each(&bitmap, add, &sum) && sum.count != cardinality) {
        abort();
    }
    vs_buf_init(&bytes, vs_env_default(), (size_t)1 << 30);
    vs_bitmap_optimize(&bitmap);
    if (vs_bitmap_write(&bitmap, &bytes, NULL) == VS_OK) {
        if (vs_bitmap_read(&again, vs_env_default(), vs_buf_view(&bytes), "output", &err) !=
            VS_OK) {
            abort();
        }
        if (vs_bitmap_cardinality(&again) != cardinality) {
            abort();
        }
        vs_bitmap_clear(&again);
    }
    vs_buf_clear(&bytes);
    vs_bitmap_clear(&bitmap);
    return 0;
}
