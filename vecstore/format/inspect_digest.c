// SPDX-License-Identifier: Apache-2.0
// Digests of a Parquet file: every column by assembled rows, every leaf by its present values.
#include "vecstore/format/inspect_internal.h"
#include "vecstore/format/render_value.h"

#define BATCH_ROWS 1024

struct walk {
    struct vs_arena arena;
    struct vs_buf text;
    struct vs_type file, wish;
    struct vs_record_reader *records;
};

static enum vs_status open_walk(struct walk *walk,
                                struct vs_parquet_reader *reader,
                                struct vs_error *err)
{
    *walk = (struct walk){0};
    vs_arena_init(&walk->arena, reader->env, 0);
    vs_buf_init(&walk->text, reader->env, VS_RECORD_ROW_BYTES * 2);
    VS_TRY(vs_record_file_type(reader, true, &walk->arena, &walk->file, err));
    VS_TRY(vs_type_wish_all(&walk->file, &walk->arena, &walk->wish, err));
    return vs_record_open(reader, &walk->wish, &walk->records, err);
}

static void close_walk(struct walk *walk)
{
    vs_record_close(walk->records);
    vs_buf_clear(&walk->text);
    vs_arena_clear(&walk->arena);
}

static enum vs_status add_row(struct walk *walk,
                              const struct vs_datum *row,
                              struct vs_inspect_column *columns,
                              struct vs_error *err)
{
    for (size_t i = 0; i < row->count; i++) {
        const struct vs_datum *datum = &row->as.items[i];
        vs_buf_reset(&walk->text);
        VS_TRY(vs_render_datum(datum, &walk->wish.children[i], &walk->text, err));
        VS_TRY(vs_buf_append_byte(&walk->text, '\n', err));
        columns[i].nulls += datum->shape == VS_DATUM_NULL;
        columns[i].digest = vs_digest_add(columns[i].digest, walk->text.data, walk->text.len);
    }
    return VS_OK;
}

static enum vs_status digest_rows(struct walk *walk,
                                  struct vs_inspect_column *columns,
                                  struct vs_error *err)
{
    for (;;) {
        const struct vs_datum *rows = NULL;
        size_t count = 0;
        VS_TRY(vs_record_next(walk->records, BATCH_ROWS, &rows, &count, err));
        if (count == 0) {
            return VS_OK;
        }
        for (size_t i = 0; i < count; i++) {
            VS_TRY(add_row(walk, &rows[i], columns, err));
        }
    }
}

enum vs_status vs_inspect_digest_columns(struct vs_parquet_reader *reader,
                                         struct vs_arena *arena,
                                         struct vs_inspect_column **columns_out,
                                         struct vs_error *err)
{
    struct walk walk;
    enum vs_status status = open_walk(&walk, reader, err);
    struct vs_inspect_column *columns = NULL;
    if (status == VS_OK) {
        columns = (struct vs_inspect_column *)vs_arena_alloc_array(arena, walk.wish.child_count,
                                                                   sizeof *columns);
        status = columns == NULL ? vs_fail(err, VS_NO_MEMORY, "%s: no memory for %zu columns",
                                           reader->file->name, walk.wish.child_count)
                                 : VS_OK;
    }
    for (size_t i = 0; status == VS_OK && i < walk.wish.child_count; i++) {
        columns[i].digest = VS_DIGEST_START;
    }
    if (status == VS_OK) {
        status = digest_rows(&walk, columns, err);
    }
    close_walk(&walk);
    if (status == VS_OK) {
        *columns_out = columns;
    }
    return status;
}

static enum vs_status digest_group(struct vs_record_leaf *leaf,
                                   bool is_half,
                                   size_t group,
                                   struct vs_buf *text,
                                   struct vs_inspect_leaf *answer,
                                   struct vs_error *err)
{
    bool more = true;
    VS_TRY(vs_record_leaf_open(leaf, group, err));
    for (;;) {
        struct vs_value value;
        VS_TRY(vs_record_leaf_peek(leaf, &more, err));
        if (!more) {
            return vs_pq_cursor_finish(&leaf->cursor, err);
        }
        VS_TRY(vs_record_leaf_take(leaf, &value, err));
        answer->entries++;
        if (!value.is_null) {
            vs_buf_reset(text);
            VS_TRY(vs_render_value(&value, is_half, text, err));
            VS_TRY(vs_buf_append_byte(text, '\n', err));
            answer->present++;
            answer->digest = vs_digest_add(answer->digest, text->data, text->len);
        }
    }
}

static enum vs_status digest_leaf(struct vs_parquet_reader *reader,
                                  const struct vs_record_leaf_info *info,
                                  struct vs_record_leaf *leaf,
                                  struct vs_inspect_leaf *answer,
                                  struct vs_error *err)
{
    struct vs_buf text;
    if (info->kind == VS_KIND_OTHER) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: column '%.*s' has a type that cannot be read (%s)",
                       reader->file->name, VS_STR_ARG(info->path),
                       vs_pq_type_name(info->leaf.type));
    }
    vs_buf_init(&text, reader->env, VS_RECORD_ROW_BYTES * 2);
    vs_record_leaf_init(leaf, reader, info, true);
    answer->digest = VS_DIGEST_START;
    enum vs_status status = VS_OK;
    for (size_t g = 0; status == VS_OK && g < reader->meta.row_group_count; g++) {
        status = digest_group(leaf, info->is_half, g, &text, answer, err);
    }
    vs_record_leaf_clear(leaf);
    vs_buf_clear(&text);
    return status == VS_OK ? VS_OK
                           : vs_wrap(err, status, "%s, column '%.*s'", reader->file->name,
                                     VS_STR_ARG(info->path));
}

enum vs_status vs_inspect_digest_leaves(struct vs_parquet_reader *reader,
                                        struct vs_arena *arena,
                                        const struct vs_record_leaf_info *infos,
                                        size_t count,
                                        struct vs_inspect_leaf **leaves_out,
                                        struct vs_error *err)
{
    struct vs_inspect_leaf *leaves =
        (struct vs_inspect_leaf *)vs_arena_alloc_array(arena, count, sizeof *leaves);
    struct vs_record_leaf *leaf = (struct vs_record_leaf *)vs_arena_alloc(arena, sizeof *leaf);
    if (leaves == NULL || leaf == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for %zu columns", reader->file->name,
                       count);
    }
    for (size_t i = 0; i < count; i++) {
        VS_TRY(digest_leaf(reader, &infos[i], leaf, &leaves[i], err));
    }
    *leaves_out = leaves;
    return VS_OK;
}

static enum vs_status write_rows(struct walk *walk,
                                 const struct vs_inspect_request *options,
                                 struct vs_json_writer *w,
                                 struct vs_error *err)
{
    uint64_t left = options->rows;
    VS_TRY(vs_record_seek(walk->records, options->first_row, err));
    while (left > 0) {
        const struct vs_datum *rows = NULL;
        size_t count = 0;
        size_t want = left < BATCH_ROWS ? (size_t)left : BATCH_ROWS;
        VS_TRY(vs_record_next(walk->records, want, &rows, &count, err));
        if (count == 0) {
            break;
        }
        for (size_t i = 0; i < count; i++) {
            vs_buf_reset(&walk->text);
            VS_TRY(vs_render_datum(&rows[i], &walk->wish, &walk->text, err));
            vs_inspect_rendering(w, vs_buf_view(&walk->text));
        }
        left -= count;
    }
    return VS_OK;
}

enum vs_status vs_inspect_rows(struct vs_parquet_reader *reader,
                               const struct vs_inspect_request *options,
                               struct vs_json_writer *w,
                               struct vs_error *err)
{
    struct walk walk;
    enum vs_status status = open_walk(&walk, reader, err);
    vs_jw_key(w, "values");
    vs_jw_array_begin(w);
    if (status == VS_OK) {
        status = write_rows(&walk, options, w, err);
    }
    vs_jw_array_end(w);
    close_walk(&walk);
    return status;
}
