// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/parquet_write.h"

#include "vecstore/base/checked.h"
#include "vecstore/format/parquet_writer.h"

#include <inttypes.h>
#include <string.h>

// Measured with zstd 1.5.4 on one core, ratio / compress MB/s / decompress MB/s of 128 KiB pages of
// float32 embeddings:
//   PLAIN level 1                 MiniLM-384 0.637/370/1350   BGE-768 0.927/ 970/1410   random unit
//   0.924/710/1210 PLAIN level -1
//   0.923/490/2700           1.000/2480/39000              1.000/1580/25700 split level -1
//   0.624/630/2740           0.960/1630/8360               0.941/1390/6360 split level 1
//   0.555/580/1260           0.924/ 840/1390               0.919/790/1370 split level 1, block a
//   stream            0.441/480/2360           0.845/ 700/3790               0.844/680/3360   <-
//   default
#define DEFAULT_GROUP_BYTES ((size_t)64 * 1024 * 1024)
#define DEFAULT_PAGE_BYTES ((size_t)128 * 1024)
#define MAX_PAGE_BYTES ((size_t)256 * 1024 * 1024)
// Rows are taken in slices of about this size, so that one large batch cannot overshoot a row
// group.
#define SLICE_BYTES ((size_t)2 * 1024 * 1024)
#define ROUND_BYTES ((size_t)4 * 1024 * 1024)

struct vs_parquet_write_options vs_parquet_write_defaults(void)
{
    return (struct vs_parquet_write_options){
        .row_group_bytes = DEFAULT_GROUP_BYTES,
        .page_bytes = DEFAULT_PAGE_BYTES,
        .zstd_level = 1,
        .byte_stream_split = true,
        .thread_count = 1,
    };
}

static struct vs_parquet_write_options fill_options(const struct vs_parquet_write_options *given)
{
    struct vs_parquet_write_options defaults = vs_parquet_write_defaults();
    if (given == NULL) {
        return defaults;
    }
    struct vs_parquet_write_options options = *given;
    options.row_group_bytes =
        given->row_group_bytes == 0 ? defaults.row_group_bytes : given->row_group_bytes;
    options.page_bytes = given->page_bytes == 0 ? defaults.page_bytes : given->page_bytes;
    options.page_bytes = options.page_bytes > MAX_PAGE_BYTES ? MAX_PAGE_BYTES : options.page_bytes;
    options.zstd_level = given->zstd_level == 0 ? defaults.zstd_level : given->zstd_level;
    options.thread_count = given->thread_count == 0 ? 1 : given->thread_count;
    if (options.thread_count > VS_PAGE_MAX_THREADS) {
        options.thread_count = VS_PAGE_MAX_THREADS;
    }
    return options;
}

static enum vs_status check_schema(const struct vs_schema *schema,
                                   const char *what,
                                   struct vs_error *err)
{
    if (schema->field_count == 0) {
        return vs_fail(err, VS_INVALID, "%s: a Parquet file needs at least one column", what);
    }
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct vs_field *field = &schema->fields[i];
        enum vs_kind leaf = field->kind == VS_KIND_LIST ? field->element_kind : field->kind;
        if (field->kind == VS_KIND_OTHER || leaf == VS_KIND_OTHER || leaf == VS_KIND_LIST) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "%s: column '%.*s' has type %.*s, which cannot be written", what,
                           VS_STR_ARG(field->name), VS_STR_ARG(field->other_type));
        }
        if (leaf == VS_KIND_FIXED &&
            (field->fixed_length == 0 || field->fixed_length > INT32_MAX)) {
            return vs_fail(err, VS_INVALID, "%s: column '%.*s': fixed needs a length", what,
                           VS_STR_ARG(field->name));
        }
        if (leaf == VS_KIND_DECIMAL && (field->precision < 1 || field->precision > 38)) {
            return vs_fail(err, VS_INVALID,
                           "%s: column '%.*s': decimal precision %d is not 1 to 38", what,
                           VS_STR_ARG(field->name), field->precision);
        }
    }
    return VS_OK;
}

static enum vs_status start_writer(struct vs_parquet_writer *writer, struct vs_error *err)
{
    size_t count = writer->schema->field_count;
    writer->columns = vs_alloc_zeroed(writer->env, count, sizeof *writer->columns);
    if (writer->columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for %zu columns", writer->out->name,
                       count);
    }
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_column_writer_init(&writer->columns[i], writer->env, &writer->schema->fields[i],
                                     err));
    }
    return vs_writer_write(writer->out, "PAR1", 4, err);
}

enum vs_status vs_parquet_writer_open(const struct vs_env *env,
                                      struct vs_writer *out,
                                      const struct vs_schema *schema,
                                      const struct vs_parquet_write_options *options,
                                      struct vs_parquet_writer **writer_out,
                                      struct vs_error *err)
{
    VS_TRY(check_schema(schema, out->name, err));
    struct vs_parquet_writer *writer = vs_alloc_zeroed(env, 1, sizeof *writer);
    if (writer == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for a Parquet writer", out->name);
    }
    writer->env = env;
    writer->out = out;
    writer->schema = schema;
    writer->options = fill_options(options);
    writer->base = out->written;
    vs_arena_init(&writer->arena, env, 0);
    enum vs_status status = start_writer(writer, err);
    if (status != VS_OK) {
        vs_parquet_writer_free(writer);
        return status;
    }
    *writer_out = writer;
    return VS_OK;
}

void vs_parquet_writer_free(struct vs_parquet_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    for (size_t i = 0; writer->columns != NULL && i < writer->schema->field_count; i++) {
        vs_column_writer_clear(&writer->columns[i], writer->env);
    }
    for (size_t i = 0; i < VS_PAGE_MAX_THREADS; i++) {
        vs_page_scratch_free(writer->env, atomic_load(&writer->scratch[i]));
    }
    vs_free(writer->env, writer->columns);
    vs_arena_clear(&writer->arena);
    vs_free(writer->env, writer);
}

static uint64_t position(const struct vs_parquet_writer *writer)
{
    return writer->out->written - writer->base;
}

uint64_t vs_parquet_writer_bytes(const struct vs_parquet_writer *writer)
{
    return position(writer) + writer->group_compressed + writer->round_bytes;
}

// ---- row groups ----

static void note_page(struct vs_chunk_fact *chunk,
                      const struct vs_column_writer *column,
                      const struct vs_page *page,
                      uint64_t offset,
                      uint64_t first_row)
{
    struct vs_page_fact *fact = &chunk->pages[chunk->page_count++];
    fact->offset = offset;
    fact->size = (uint32_t)page->len;
    fact->first_row = first_row;
    fact->stats = page->stats;
    fact->is_null_page =
        column->field->kind != VS_KIND_LIST && page->stats.null_count == page->stats.value_count;
    chunk->has_plain |= page->encoding == VS_PQ_PLAIN;
    chunk->has_codes |= page->encoding == VS_PQ_RLE_DICTIONARY;
    chunk->has_split |= page->encoding == VS_PQ_BYTE_STREAM_SPLIT;
    chunk->value_count += page->value_count;
    chunk->uncompressed_size += page->uncompressed_len;
    if (column->field->kind != VS_KIND_LIST) {
        vs_leaf_stats_merge(column->leaf_kind, &chunk->stats, &page->stats);
    }
}

static enum vs_status write_dictionary(struct vs_parquet_writer *writer,
                                       struct vs_column_writer *column,
                                       struct vs_chunk_fact *chunk,
                                       struct vs_error *err)
{
    struct vs_buf page;
    size_t uncompressed = 0;
    vs_buf_init(&page, writer->env, (size_t)INT32_MAX);
    enum vs_status status = vs_parquet_encode_dictionary(writer, column, &page, &uncompressed, err);
    if (status == VS_OK) {
        status = vs_writer_write(writer->out, page.data, page.len, err);
    }
    chunk->has_dictionary = true;
    chunk->uncompressed_size += uncompressed;
    vs_buf_clear(&page);
    return status;
}

static enum vs_status write_chunk(struct vs_parquet_writer *writer,
                                  struct vs_column_writer *column,
                                  struct vs_chunk_fact *chunk,
                                  struct vs_error *err)
{
    chunk->pages = vs_arena_alloc_array(&writer->arena, column->page_count, sizeof *chunk->pages);
    if (chunk->pages == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for %zu pages", writer->out->name,
                       column->page_count);
    }
    chunk->offset = position(writer);
    // Pages are coded from the first row on until the dictionary is given up, if at all.
    if (column->page_count > 0 && column->pages[0].dictionary) {
        VS_TRY(write_dictionary(writer, column, chunk, err));
    }
    chunk->data_offset = position(writer);
    uint64_t row = 0;
    for (size_t i = 0; i < column->page_count; i++) {
        const struct vs_page *page = &column->pages[i];
        note_page(chunk, column, page, position(writer), row);
        VS_TRY(vs_writer_write(writer->out, page->bytes, page->len, err));
        row += page->row_count;
    }
    chunk->compressed_size = position(writer) - chunk->offset;
    return VS_OK;
}

static void reset_column(struct vs_column_writer *column, const struct vs_env *env)
{
    for (size_t i = 0; i < column->page_count; i++) {
        vs_free(env, column->pages[i].bytes);
    }
    column->page_count = 0;
    vs_string_dictionary_clear(&column->dictionary);
    column->dictionary_open = column->field->kind == VS_KIND_STRING;
    column->dictionary_rows = 0;
}

static enum vs_status finish_group(struct vs_parquet_writer *writer, struct vs_error *err)
{
    VS_TRY(vs_parquet_encode_round(writer, true, err));
    size_t count = writer->schema->field_count;
    struct vs_group_fact *group = vs_arena_alloc(&writer->arena, sizeof *group);
    struct vs_chunk_fact *chunks =
        vs_arena_alloc_array(&writer->arena, count, sizeof *group->chunks);
    if (group == NULL || chunks == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for a row group", writer->out->name);
    }
    group->chunks = chunks;
    group->row_count = writer->group_rows;
    group->offset = position(writer);
    for (size_t i = 0; i < count; i++) {
        struct vs_column_writer *column = &writer->columns[i];
        VS_TRY(write_chunk(writer, column, &chunks[i], err));
        group->uncompressed_size += chunks[i].uncompressed_size;
        group->compressed_size += chunks[i].compressed_size;
        column->column_size += chunks[i].compressed_size;
        vs_leaf_stats_merge(column->leaf_kind, &column->stats, &chunks[i].stats);
        reset_column(column, writer->env);
    }
    if (writer->last_group == NULL) {
        writer->first_group = group;
    } else {
        writer->last_group->next = group;
    }
    writer->last_group = group;
    writer->group_count++;
    writer->group_rows = writer->group_bytes = writer->group_compressed = 0;
    return VS_OK;
}

// ---- rows ----

static enum vs_status check_present(const struct vs_parquet_writer *writer,
                                    const struct vs_column *column,
                                    const struct vs_field *field,
                                    struct vs_error *err)
{
    if (field->required && column->valid.len > 0) {
        const uint8_t *null = memchr(column->valid.data, 0, column->row_count);
        if (null != NULL) {
            return vs_fail(err, VS_INVALID, "%s: row %" PRIu64 ": required column '%.*s' is null",
                           writer->out->name,
                           writer->row_count + (uint64_t)(null - column->valid.data),
                           VS_STR_ARG(field->name));
        }
    }
    const struct vs_column *child = column->child;
    if (field->kind != VS_KIND_LIST || !field->element_required || child->valid.len == 0) {
        return VS_OK;
    }
    for (size_t row = 0; row < column->row_count; row++) {
        size_t first, count;
        vs_column_get_list(column, row, &first, &count);
        if (count > 0 && memchr(child->valid.data + first, 0, count) != NULL) {
            return vs_fail(err, VS_INVALID,
                           "%s: row %" PRIu64 ": an element of column '%.*s' is null, but its "
                           "elements are required",
                           writer->out->name, writer->row_count + row, VS_STR_ARG(field->name));
        }
    }
    return VS_OK;
}

static enum vs_status check_batch(const struct vs_parquet_writer *writer,
                                  const struct vs_batch *batch,
                                  struct vs_error *err)
{
    if (writer->failed || writer->finished) {
        return vs_fail(err, VS_INTERNAL, "%s: rows written after %s", writer->out->name,
                       writer->failed ? "a failure" : "the footer");
    }
    if (batch->column_count != writer->schema->field_count) {
        return vs_fail(err, VS_INVALID, "%s: a batch of %zu columns for a schema of %zu",
                       writer->out->name, batch->column_count, writer->schema->field_count);
    }
    for (size_t i = 0; i < batch->column_count; i++) {
        const struct vs_field *field = &writer->schema->fields[i];
        const struct vs_column *column = &batch->columns[i];
        bool same = column->kind == field->kind && column->row_count == batch->row_count;
        if (same && field->kind == VS_KIND_LIST) {
            same = column->child != NULL && column->child->kind == field->element_kind;
        }
        if (!same) {
            return vs_fail(err, VS_INVALID,
                           "%s: column '%.*s': a batch with %zu rows of %s where %zu of %s are "
                           "expected",
                           writer->out->name, VS_STR_ARG(field->name), column->row_count,
                           vs_kind_name(column->kind), batch->row_count, vs_kind_name(field->kind));
        }
        VS_TRY(check_present(writer, column, field, err));
    }
    return VS_OK;
}

static enum vs_status write_slice(struct vs_parquet_writer *writer,
                                  const struct vs_batch *batch,
                                  size_t first,
                                  size_t count,
                                  struct vs_error *err)
{
    size_t bytes = 0;
    for (size_t i = 0; i < batch->column_count; i++) {
        VS_TRY(vs_column_append_rows(&writer->columns[i].pending, &batch->columns[i], first, count,
                                     err));
        bytes += vs_parquet_span_bytes(&batch->columns[i], first, count);
    }
    writer->row_count += count;
    writer->group_rows += count;
    writer->group_bytes += bytes;
    writer->round_bytes += bytes;
    if (writer->group_bytes >= writer->options.row_group_bytes) {
        return finish_group(writer, err);
    }
    size_t round = 4 * writer->options.thread_count * writer->options.page_bytes;
    if (writer->round_bytes >= (round > ROUND_BYTES ? round : ROUND_BYTES)) {
        return vs_parquet_encode_round(writer, false, err);
    }
    return VS_OK;
}

static size_t slice_rows(const struct vs_parquet_writer *writer, const struct vs_batch *batch)
{
    size_t bytes = 0;
    for (size_t i = 0; i < batch->column_count; i++) {
        bytes += vs_parquet_span_bytes(&batch->columns[i], 0, batch->row_count);
    }
    size_t limit = writer->options.row_group_bytes < SLICE_BYTES ? writer->options.row_group_bytes
                                                                 : SLICE_BYTES;
    size_t row_bytes = bytes / batch->row_count + 1;
    return limit / row_bytes > 0 ? limit / row_bytes : 1;
}

enum vs_status vs_parquet_writer_write(struct vs_parquet_writer *writer,
                                       const struct vs_batch *batch,
                                       struct vs_error *err)
{
    VS_TRY(check_batch(writer, batch, err));
    if (batch->row_count == 0) {
        return VS_OK;
    }
    size_t step = slice_rows(writer, batch);
    for (size_t first = 0; first < batch->row_count; first += step) {
        size_t left = batch->row_count - first;
        enum vs_status status = write_slice(writer, batch, first, left < step ? left : step, err);
        if (status != VS_OK) {
            writer->failed = true;
            return status;
        }
    }
    return VS_OK;
}

// ---- facts ----

static enum vs_status info_bound(const struct vs_column_writer *column,
                                 bool upper,
                                 const struct vs_bound *bound,
                                 struct vs_buf *out,
                                 bool *has_out,
                                 struct vs_error *err)
{
    struct vs_bound_type type = {column->leaf_kind, column->field->precision, VS_BOUND_ICEBERG};
    struct vs_bound_bytes stored;
    *has_out = vs_bound_store(&type, upper, bound, &stored);
    return *has_out ? vs_buf_append(out, stored.bytes, stored.len, err) : VS_OK;
}

static enum vs_status fill_column(const struct vs_column_writer *column,
                                  struct vs_parquet_column_stats *info,
                                  struct vs_error *err)
{
    const struct vs_leaf_stats *stats = &column->stats;
    bool is_list = column->field->kind == VS_KIND_LIST;
    info->field_id = is_list ? column->field->element_id : column->field->id;
    info->column_size = column->column_size;
    if (is_list) {
        return VS_OK;
    }
    info->has_counts = true;
    info->value_count = stats->value_count;
    info->null_count = stats->null_count;
    info->nan_count = stats->nan_count;
    info->has_nan_count = column->leaf_kind == VS_KIND_FLOAT || column->leaf_kind == VS_KIND_DOUBLE;
    if (!stats->has_range) {
        return VS_OK;
    }
    bool has_lower, has_upper;
    VS_TRY(info_bound(column, false, &stats->min, &info->lower, &has_lower, err));
    VS_TRY(info_bound(column, true, &stats->max, &info->upper, &has_upper, err));
    info->has_bounds = has_lower && has_upper;
    return VS_OK;
}

static enum vs_status fill_info(const struct vs_parquet_writer *writer,
                                struct vs_parquet_info *info,
                                struct vs_error *err)
{
    size_t count = writer->schema->field_count;
    info->row_count = writer->row_count;
    info->file_size = position(writer);
    info->split_offsets = vs_alloc_zeroed(writer->env, writer->group_count, sizeof(int64_t));
    info->columns = vs_alloc_zeroed(writer->env, count, sizeof *info->columns);
    if (info->split_offsets == NULL || info->columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for statistics", writer->out->name);
    }
    info->column_count = count;
    for (size_t i = 0; i < count; i++) {
        vs_buf_init(&info->columns[i].lower, writer->env, VS_BOUND_SIZE);
        vs_buf_init(&info->columns[i].upper, writer->env, VS_BOUND_SIZE);
    }
    for (const struct vs_group_fact *group = writer->first_group; group != NULL;
         group = group->next) {
        info->split_offsets[info->split_count++] = (int64_t)group->offset;
    }
    for (size_t i = 0; i < count; i++) {
        VS_TRY(fill_column(&writer->columns[i], &info->columns[i], err));
    }
    return VS_OK;
}

static enum vs_status finish_file(struct vs_parquet_writer *writer, struct vs_error *err)
{
    if (writer->group_rows > 0) {
        VS_TRY(finish_group(writer, err));
    }
    return vs_parquet_write_footer(writer, err);
}

enum vs_status vs_parquet_writer_finish(struct vs_parquet_writer *writer,
                                        struct vs_parquet_info *info_out,
                                        struct vs_error *err)
{
    if (writer->failed || writer->finished) {
        return vs_fail(err, VS_INTERNAL, "%s: finished after %s", writer->out->name,
                       writer->failed ? "a failure" : "the footer");
    }
    struct vs_parquet_info info = {.env = writer->env};
    writer->finished = true;
    enum vs_status status = finish_file(writer, err);
    if (status == VS_OK) {
        status = fill_info(writer, &info, err);
    }
    if (status != VS_OK) {
        writer->failed = true;
        vs_parquet_info_clear(&info);
        return status;
    }
    *info_out = info;
    return VS_OK;
}

void vs_parquet_info_clear(struct vs_parquet_info *info)
{
    if (info == NULL || info->env == NULL) {
        return;
    }
    for (size_t i = 0; i < info->column_count; i++) {
        vs_buf_clear(&info->columns[i].lower);
        vs_buf_clear(&info->columns[i].upper);
    }
    vs_free(info->env, info->columns);
    vs_free(info->env, info->split_offsets);
    *info = (struct vs_parquet_info){0};
}
