// SPDX-License-Identifier: Apache-2.0
// Attr parts: byte 0 and 1 of the input choose the field's kinds, the rest is the part. What
// decodes is read in full.
#include "index/attrs.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_text(const struct vs_column *column)
{
    size_t sum = 0;
    for (size_t row = 0; row < column->row_count; row++) {
        struct vs_str text = vs_column_get_bytes(column, row);
        sum += text.len > 0 ? (size_t)text.ptr[0] + (size_t)text.ptr[text.len - 1] : 0;
    }
    return sum;
}

static void read_column(const struct vs_column *column)
{
    volatile size_t sink = 0;
    const struct vs_column *values = column;
    if (column->kind == VS_KIND_LIST) {
        for (size_t row = 0; row < column->row_count; row++) {
            size_t first, count;
            vs_column_get_list(column, row, &first, &count);
            if (first + count > column->child->row_count) {
                __builtin_trap();
            }
        }
        values = column->child;
    }
    if (values->kind == VS_KIND_STRING || values->kind == VS_KIND_BINARY) {
        sink = read_text(values);
    }
    (void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 66) {
        return 0;
    }
    const struct vs_env *env = vs_env_default();
    struct vs_field field = {.id = 1,
                             .name = {"f", 1},
                             .kind = (enum vs_kind)(data[0] % VS_KIND_OTHER),
                             .element_kind = (enum vs_kind)(data[1] % VS_KIND_LIST),
                             .precision = 10,
                             .scale = 2};
    size_t len = size - 2;
    uint8_t *bytes = vs_alloc(env, len);
    struct vs_column column;
    struct vs_error err;
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data + 2, len);
    for (int mend = 0; mend < 2; mend++) {
        if (mend) {
            vs_store_u64le(bytes + 40, len);
            vs_store_u32le(bytes + 48, vs_crc32c(0, bytes + 64, len - 64));
            vs_store_u32le(bytes + 60, vs_crc32c(0, bytes, 60));
        }
        struct vs_str part = {(const char *)bytes, len};
        size_t rows = (size_t)vs_load_u64le(bytes + 16);
        if (vs_attr_decode(env, part, "fuzz", &field, rows, &column, &err) == VS_OK) {
            read_column(&column);
            vs_column_clear(&column);
        }
    }
    vs_free(env, bytes);
    return 0;
}
