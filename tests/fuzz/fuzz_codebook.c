// SPDX-License-Identifier: Apache-2.0
// The codebook blob; what decodes is used once. Checksums are mended first, so that the fuzzer
// reaches what lies behind them.
#include "index/codebook.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vs_env *env = vs_env_default();
    uint8_t *bytes = vs_alloc(env, size);
    struct vs_codebook book = {0};
    struct vs_error err;
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, size);
    for (int mend = 0; mend < 2; mend++) {
        if (mend && size >= 64) {
            vs_store_u64le(bytes + 40, size);
            vs_store_u32le(bytes + 48, vs_crc32c(0, bytes + 64, size - 64));
            vs_store_u32le(bytes + 60, vs_crc32c(0, bytes, 60));
        }
        struct vs_str blob = {(const char *)bytes, size};
        if (vs_codebook_decode(env, blob, "fuzz", &book, &err) != VS_OK) {
            continue;
        }
        uint32_t second;
        uint8_t codes[256];
        if (vs_codebook_assign(&book, book.centroids, &second) >= book.list_count) {
            __builtin_trap();
        }
        vs_codebook_encode_vector(&book, book.centroids, codes);
        vs_codebook_clear(&book);
    }
    vs_free(env, bytes);
    return 0;
}
