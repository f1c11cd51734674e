// SPDX-License-Identifier: Apache-2.0
/*
 * Index files over some of the rows of a fixture, for tests of merged segments: each range of rows
 * is one data file.
 */
#ifndef VS_TESTS_INDEX_PARTS_H
#define VS_TESTS_INDEX_PARTS_H

#include "index/index_internal.h"
#include "tests/support/index_fixture.h"
#include "tests/support/test_io.h"

#define PARTS_FILES 8

struct part_range {
    const char *path;
    size_t first, count;
};

struct part_source {
    const struct fixture *f;
    const struct part_range *ranges;
    size_t range_count, range, next; // next: within the range
};

static inline enum vs_status part_append(struct part_source *s,
                                         struct vs_batch *batch,
                                         size_t row,
                                         struct vs_error *err)
{
    const struct fixture *f = s->f;
    char text[160];
    VS_TRY(fixture_has_vector(f, row)
               ? vs_column_append_floats(&batch->columns[0], f->vectors + row * f->dim, f->dim, err)
               : vs_column_append_null(&batch->columns[0], err));
    if (!f->values) {
        return VS_OK;
    }
    struct vs_value id = {.kind = VS_KIND_LONG, .as.integer = (int64_t)((row * 7919) % 100003)};
    VS_TRY(vs_column_append(&batch->columns[1], &id, err));
    int n = snprintf(text, sizeof text, "tag-%zu", row % 5);
    VS_TRY(vs_column_append_bytes(&batch->columns[2], text, (size_t)n, err));
    n = snprintf(text, sizeof text,
                 "row %zu: a text that is long enough to be kept in compressed blocks, with its "
                 "number %zu once more at the end",
                 row, row);
    return vs_column_append_bytes(&batch->columns[3], text, (size_t)n, err);
}

static inline enum vs_status part_next(void *ctx,
                                       size_t max_rows,
                                       struct vs_batch *batch,
                                       struct vs_error *err)
{
    struct part_source *s = ctx;
    while (batch->row_count < max_rows && s->range < s->range_count) {
        const struct part_range *range = &s->ranges[s->range];
        if (s->next == range->count) {
            s->range++;
            s->next = 0;
            continue;
        }
        VS_TRY(part_append(s, batch, range->first + s->next++, err));
        batch->row_count++;
    }
    return VS_OK;
}

static inline enum vs_status part_rewind(void *ctx, struct vs_error *err)
{
    struct part_source *s = ctx;
    (void)err;
    s->range = s->next = 0;
    return VS_OK;
}

struct part_build {
    const struct vs_codebook *codebook;
    size_t small_rows;
    uint32_t list_count;
    enum vs_tune_second second;
    bool exact_rows;
    bool half_rows; // with exact_rows: f16
    int64_t snapshot_id;
};

// An index over these ranges, one data file each, into the sink (initialised here).
static inline enum vs_status parts_build(const struct vs_env *env,
                                         const struct fixture *f,
                                         const struct part_build *build,
                                         const struct part_range *ranges,
                                         size_t range_count,
                                         struct test_sink *sink,
                                         struct vs_error *err)
{
    struct vs_index_file_ref files[PARTS_FILES];
    struct vs_index_build_column column = {
        .field = 0, .dim = (uint32_t)f->dim, .metric = f->metric, .model = VS_STR("fixture")};
    struct part_source source = {f, ranges, range_count, 0, 0};
    const struct vs_index_row_source rows = {part_next, part_rewind, &source};
    struct vs_index_build_result result;
    uint64_t first = 0;
    for (size_t i = 0; i < range_count; i++) {
        files[i] = (struct vs_index_file_ref){vs_str_from_c(ranges[i].path), ranges[i].count,
                                              (int64_t)(ranges[i].first + 1), first};
        first += ranges[i].count;
    }
    const struct vs_index_build_params params = {.table_uuid = {{1, 2, 3}},
                                                 .index_uuid = {{9}},
                                                 .snapshot_id = build->snapshot_id,
                                                 .sequence_number = 5,
                                                 .fields = f->fields,
                                                 .field_count = f->field_count,
                                                 .id_field = f->values ? 1 : SIZE_MAX,
                                                 .columns = &column,
                                                 .column_count = 1,
                                                 .files = files,
                                                 .file_count = range_count,
                                                 .list_count = build->list_count,
                                                 .m = 8,
                                                 .second_assignment = build->second,
                                                 .store_vectors = !build->exact_rows ? VS_STORE_NONE
                                                                  : build->half_rows ? VS_STORE_F16
                                                                                     : VS_STORE_F32,
                                                 .small_rows = build->small_rows,
                                                 .thread_count = 2,
                                                 .codebooks = &build->codebook};
    test_sink_init(sink, env);
    return vs_index_build(env, &params, &rows, &sink->writer, &result, err);
}

// An index in memory.
struct part_index {
    struct vs_file *file;
    struct vs_index *index;
};

static inline enum vs_status part_open(const struct vs_env *env,
                                       const struct test_sink *sink,
                                       const char *name,
                                       struct part_index *out,
                                       struct vs_error *err)
{
    const struct vs_index_open_options options = {.thread_count = 1};
    *out = (struct part_index){0};
    VS_TRY(vs_file_open_bytes(env, vs_buf_view(&sink->bytes), name, &out->file, err));
    return vs_index_open(env, out->file, &options, &out->index, err);
}

static inline void part_close(struct part_index *part)
{
    vs_index_close(part->index);
    vs_file_close(part->file);
    *part = (struct part_index){0};
}

// Bytes of a blob; empty when the index has none.
static inline struct vs_str part_blob(const struct part_index *part,
                                      const struct test_sink *sink,
                                      const char *type,
                                      int32_t segment,
                                      int32_t field)
{
    const struct vs_blob_entry *blob =
        vs_descriptor_blob(&part->index->descriptor, type, segment, field);
    return blob != NULL ? (struct vs_str){(const char *)sink->bytes.data + blob->offset,
                                          (size_t)blob->length}
                        : (struct vs_str){NULL, 0};
}

#endif
