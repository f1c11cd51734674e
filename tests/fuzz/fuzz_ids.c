// SPDX-License-Identifier: Apache-2.0
// Id tables of both kinds; what opens answers a few questions with rows that exist.
#include "index/attrs.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct vs_ids *ids, enum vs_kind kind, size_t row_count)
{
    static const struct vs_str texts[] = {{"", 0}, {"a", 1}, {"id-1", 4}};
    for (size_t i = 0; i < 3; i++) {
        struct vs_value id = {.kind = kind};
        const uint32_t *rows;
        size_t count;
        if (kind == VS_KIND_STRING) {
            id.as.text = texts[i];
        } else {
            id.as.integer = (int64_t)i - 1;
        }
        vs_ids_find(ids, &id, &rows, &count);
        for (size_t r = 0; r < count; r++) {
            if (rows[r] >= row_count) {
                __builtin_trap();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vs_env *env = vs_env_default();
    uint8_t *bytes = vs_alloc(env, size);
    if (bytes == NULL || size < 64) {
        vs_free(env, bytes);
        return 0;
    }
    memcpy(bytes, data, size);
    for (int mend = 0; mend < 2; mend++) {
        if (mend) {
            vs_store_u64le(bytes + 40, size);
            vs_store_u32le(bytes + 48, vs_crc32c(0, bytes + 64, size - 64));
            vs_store_u32le(bytes + 60, vs_crc32c(0, bytes, 60));
        }
        struct vs_str blob = {(const char *)bytes, size};
        uint64_t rows = vs_load_u64le(bytes + 16);
        enum vs_kind kind = (bytes[8] & 1) != 0 ? VS_KIND_STRING : VS_KIND_LONG;
        struct vs_ids *ids = NULL;
        struct vs_error err;
        if (rows < 1u << 24 &&
            vs_ids_open(env, blob, "fuzz", kind, (size_t)rows, &ids, &err) == VS_OK) {
            ask(ids, kind, (size_t)rows);
            vs_ids_close(ids);
        }
    }
    vs_free(env, bytes);
    return 0;
}
