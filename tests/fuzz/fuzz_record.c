// SPDX-License-Identifier: Apache-2.0
// A whole Parquet file through the record reader: tree of types, rows as trees, renderings, a seek,
// a wish without values. Bounded in batches, since a few bytes may stand for many nulls.
#include "vecstore/base/io.h"
#include "vecstore/format/render_value.h"

#define MAX_BATCHES 8
#define BATCH_ROWS 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_rows(struct vs_record_reader *records,
                      const struct vs_type *wish,
                      struct vs_parquet_reader *reader)
{
    struct vs_buf text;
    vs_buf_init(&text, vs_env_default(), 1u << 24);
    for (int i = 0; i < MAX_BATCHES; i++) {
        const struct vs_datum *rows = NULL;
        size_t count = 0;
        if (i == MAX_BATCHES / 2 && vs_parquet_row_count(reader) < 10000 &&
            vs_record_seek(records, vs_parquet_row_count(reader) / 2, NULL) != VS_OK) {
            break;
        }
        if (vs_record_next(records, BATCH_ROWS, &rows, &count, NULL) != VS_OK || count == 0) {
            break;
        }
        for (size_t row = 0; row < count; row++) {
            vs_buf_reset(&text);
            if (rows[row].count != wish->child_count ||
                (vs_render_datum(&rows[row], wish, &text, NULL) == VS_OK &&
                 (text.len < 2 || text.data[text.len - 1] != ')'))) {
                __builtin_trap();
            }
        }
    }
    vs_buf_clear(&text);
}

// Takes the leaves away, so that only the levels tell what is there.
// NOLINTNEXTLINE(misc-no-recursion): ends at VS_TYPE_MAX_DEPTH
static void drop_leaves(struct vs_type *type, unsigned depth)
{
    for (size_t i = 0; depth <= VS_TYPE_MAX_DEPTH && i < type->child_count; i++) {
        if (type->children[i].shape == VS_TYPE_PRIMITIVE) {
            type->children[i].source = NULL;
        }
        drop_leaves(&type->children[i], depth + 1);
    }
}

static void read_all(struct vs_parquet_reader *reader, bool is_stored, bool levels_only)
{
    struct vs_arena arena;
    struct vs_type file, wish;
    struct vs_record_reader *records = NULL;
    vs_arena_init(&arena, vs_env_default(), 0);
    if (vs_record_file_type(reader, is_stored, &arena, &file, NULL) == VS_OK &&
        vs_type_wish_all(&file, &arena, &wish, NULL) == VS_OK) {
        if (levels_only) {
            drop_leaves(&wish, 0);
        }
        if (vs_record_open(reader, &wish, &records, NULL) == VS_OK) {
            read_rows(records, &wish, reader);
        }
    }
    vs_record_close(records);
    vs_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_file *file = NULL;
    struct vs_parquet_reader *reader = NULL;
    struct vs_str bytes = {(const char *)data, size};
    if (vs_file_open_bytes(vs_env_default(), bytes, "fuzz", &file, NULL) == VS_OK &&
        vs_parquet_open(vs_env_default(), file, &reader, NULL) == VS_OK) {
        read_all(reader, true, false);
        read_all(reader, false, false);
        read_all(reader, true, true);
    }
    vs_parquet_close(reader);
    vs_file_close(file);
    return 0;
}
