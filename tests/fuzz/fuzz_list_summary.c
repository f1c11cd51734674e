// SPDX-License-Identifier: Apache-2.0
// Summaries of lists: what is decoded can be walked to its end.
#include "index/list_summary.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t walk(const struct vs_list_summary *summary)
{
    uint64_t sum = 0;
    for (size_t f = 0; f < summary->field_count; f++) {
        const struct vs_summary_field *field = &summary->fields[f];
        for (uint32_t g = 0; g < summary->group_count; g++) {
            sum += field->nulls[g / 64] + field->present[g / 64];
            sum += field->form == VS_SUMMARY_RANGE
                       ? (uint64_t)field->low[g] ^ (uint64_t)field->high[g]
                       : 0;
            for (size_t w = 0; w < field->word_count; w++) {
                sum += field->words[(size_t)g * field->word_count + w];
            }
        }
        for (size_t i = 0; i < field->entries.row_count; i++) {
            struct vs_str text = vs_column_get_bytes(&field->entries, i);
            sum += text.len > 0 ? (uint64_t)(unsigned char)text.ptr[text.len - 1] : 0;
        }
    }
    return sum;
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
    volatile uint64_t sum = 0; // so that everything is read
    for (int mend = 0; mend < 2; mend++) {
        if (mend) { // checksums and length are right: the checks behind them are reached
            vs_store_u64le(bytes + 40, size);
            vs_store_u32le(bytes + 48, vs_crc32c(0, bytes + 64, size - 64));
            vs_store_u32le(bytes + 60, vs_crc32c(0, bytes, 60));
        }
        struct vs_list_summary *summary = NULL;
        struct vs_error err;
        const struct vs_str blob = {(const char *)bytes, size};
        if (vs_list_summary_decode(env, blob, "fuzz", vs_load_u32le(bytes + 8), &summary, &err) ==
            VS_OK) {
            sum += walk(summary);
            vs_list_summary_free(summary);
        }
    }
    (void)sum;
    vs_free(env, bytes);
    return 0;
}
