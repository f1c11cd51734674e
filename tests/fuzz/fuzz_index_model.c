// SPDX-License-Identifier: Apache-2.0
// Model files of index builds. Checksums of header and tables are mended first, so that the fuzzer
// reaches what lies behind them.
#include "index/build_model.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *bytes, size_t size)
{
    if (size < 128) {
        return;
    }
    uint64_t tables = vs_load_u32le(bytes + 32) * (uint64_t)64 + vs_load_u32le(bytes + 40);
    vs_store_u64le(bytes + 16, size);
    if (tables <= size - 128) {
        vs_store_u32le(bytes + 52, vs_crc32c(0, bytes + 128, (size_t)tables));
    }
    vs_store_u32le(bytes + 124, vs_crc32c(0, bytes, 124));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vs_env *env = vs_env_default();
    uint8_t *bytes = vs_alloc(env, size);
    struct vs_error err;
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, size);
    for (int turn = 0; turn < 2; turn++) {
        struct vs_index_model *model = NULL;
        struct vs_str text = {(const char *)bytes, size};
        if (vs_index_model_decode(env, text, "fuzz", &model, &err) == VS_OK) {
            struct vs_buf again;
            vs_buf_init(&again, env, SIZE_MAX);
            if (vs_index_model_encode(model, &again, &err) != VS_OK) {
                __builtin_trap(); // what was read can be written
            }
            vs_buf_clear(&again);
            vs_index_model_free(model);
        }
        mend(bytes, size);
    }
    vs_free(env, bytes);
    return 0;
}
