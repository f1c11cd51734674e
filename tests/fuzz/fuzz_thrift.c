// SPDX-License-Identifier: Apache-2.0
// Thrift compact protocol: a generic walk that reads every value by its wire type, and page
// headers, offset and column indexes.
#include "vecstore/format/parquet_meta.h"
#include "vecstore/format/thrift.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum vs_status walk(struct vs_thrift_reader *r)
{
    struct vs_thrift_field field, element;
    VS_TRY(vs_thrift_begin(r, &field, NULL));
    for (;;) {
        VS_TRY(vs_thrift_next(r, &field, NULL));
        int64_t number = 0;
        bool flag = false;
        size_t count = 0;
        struct vs_str text = {NULL, 0};
        switch (field.type) {
        case VS_THRIFT_STOP:
            return VS_OK;
        case VS_THRIFT_TRUE:
        case VS_THRIFT_FALSE:
            VS_TRY(vs_thrift_read_bool(r, &field, &flag, NULL));
            break;
        case VS_THRIFT_I8:
        case VS_THRIFT_I16:
        case VS_THRIFT_I32:
        case VS_THRIFT_I64:
            VS_TRY(vs_thrift_read_i64(r, &field, &number, NULL));
            break;
        case VS_THRIFT_BINARY:
            VS_TRY(vs_thrift_read_binary(r, &field, &text, NULL));
            break;
        case VS_THRIFT_LIST:
            VS_TRY(vs_thrift_read_list(r, &field, &element, &count, NULL));
            if (count > vs_reader_left(&r->in)) {
                __builtin_trap();
            }
            for (size_t i = 0;
                 i < count && element.type != VS_THRIFT_TRUE && element.type != VS_THRIFT_FALSE;
                 i++) {
                VS_TRY(vs_thrift_skip(r, &element, NULL));
            }
            break;
        default:
            VS_TRY(vs_thrift_skip(r, &field, NULL));
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_thrift_reader r;
    struct vs_pq_page_header header;
    struct vs_pq_offset_index offsets;
    struct vs_pq_column_index columns;
    struct vs_arena arena;
    size_t used = 0;
    vs_thrift_reader_init(&r, data, size, "fuzz");
    vs_ignore(walk(&r));
    vs_arena_init(&arena, vs_env_default(), 1 << 20);
    if (vs_pq_page_header_parse(data, size, "fuzz", &header, &used, NULL) == VS_OK && used > size) {
        __builtin_trap();
    }
    vs_ignore(vs_pq_offset_index_parse(data, size, "fuzz", &arena, &offsets, NULL));
    vs_ignore(vs_pq_column_index_parse(data, size, "fuzz", &arena, &columns, NULL));
    vs_arena_clear(&arena);
    return 0;
}
