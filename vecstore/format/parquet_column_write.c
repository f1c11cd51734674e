// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/bytes.h"
#include "vecstore/base/pool.h"
#include "vecstore/format/parquet_writer.h"

#include <inttypes.h>

#define MAX_COLUMN_BYTES ((size_t)1 << 31)
#define MAX_PAGE_BYTES ((size_t)INT32_MAX)
#define HEADER_LIMIT 4096
// The dictionary pays while it is small and, once enough rows were seen, entries repeat.
#define DICTIONARY_MAX_BYTES ((size_t)256 * 1024)
#define DICTIONARY_TRIAL_ROWS 512

struct page_task {
    uint32_t column, page;
};

struct round {
    struct vs_parquet_writer *writer;
    struct page_task *tasks;
    size_t task_count;
};

enum vs_status vs_column_writer_init(struct vs_column_writer *column,
                                     const struct vs_env *env,
                                     const struct vs_field *field,
                                     struct vs_error *err)
{
    column->field = field;
    column->leaf_kind = field->kind == VS_KIND_LIST ? field->element_kind : field->kind;
    column->dictionary_open = field->kind == VS_KIND_STRING;
    vs_buf_init(&column->codes, env, MAX_COLUMN_BYTES);
    vs_string_dictionary_init(&column->dictionary, env);
    VS_TRY(vs_column_init_field(&column->pending, env, field, err));
    return vs_column_init_field(&column->spare, env, field, err);
}

void vs_column_writer_clear(struct vs_column_writer *column, const struct vs_env *env)
{
    for (size_t i = 0; i < column->page_count; i++) {
        vs_free(env, column->pages[i].bytes);
    }
    vs_free(env, column->pages);
    vs_column_clear(&column->pending);
    vs_column_clear(&column->spare);
    vs_buf_clear(&column->codes);
    vs_string_dictionary_clear(&column->dictionary);
    *column = (struct vs_column_writer){0};
}

void vs_page_scratch_free(const struct vs_env *env, struct vs_page_scratch *scratch)
{
    if (scratch == NULL) {
        return;
    }
    vs_codec_zstd_close(scratch->zstd);
    vs_buf_clear(&scratch->body);
    vs_buf_clear(&scratch->packed);
    vs_free(env, scratch);
}

static enum vs_status scratch_take(struct vs_parquet_writer *writer,
                                   struct vs_page_scratch **scratch_out,
                                   struct vs_error *err)
{
    for (size_t i = 0; i < VS_PAGE_MAX_THREADS; i++) {
        struct vs_page_scratch *scratch = atomic_exchange(&writer->scratch[i], NULL);
        if (scratch != NULL) {
            *scratch_out = scratch;
            return VS_OK;
        }
    }
    struct vs_page_scratch *scratch = vs_alloc_zeroed(writer->env, 1, sizeof *scratch);
    if (scratch == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a page");
    }
    vs_buf_init(&scratch->body, writer->env, MAX_PAGE_BYTES);
    vs_buf_init(&scratch->packed, writer->env, MAX_PAGE_BYTES);
    enum vs_status status =
        vs_codec_zstd_open(writer->env, writer->options.zstd_level, &scratch->zstd, err);
    if (status != VS_OK) {
        vs_page_scratch_free(writer->env, scratch);
        return status;
    }
    *scratch_out = scratch;
    return VS_OK;
}

static void scratch_give(struct vs_parquet_writer *writer, struct vs_page_scratch *scratch)
{
    for (size_t i = 0; i < VS_PAGE_MAX_THREADS; i++) {
        struct vs_page_scratch *empty = NULL;
        if (atomic_compare_exchange_strong(&writer->scratch[i], &empty, scratch)) {
            return;
        }
    }
    vs_page_scratch_free(writer->env, scratch);
}

// ---- encoding one page ----

static enum vs_status encode_codes(const struct vs_column_writer *column,
                                   const struct vs_page *page,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    struct vs_rle_encoder encoder;
    unsigned width = vs_bit_width(page->code_limit > 0 ? page->code_limit - 1 : 0);
    VS_TRY(vs_buf_append_byte(out, (uint8_t)width, err));
    vs_rle_encoder_init(&encoder, out, width);
    for (size_t row = page->first; row < page->first + page->row_count; row++) {
        if (!vs_column_is_null(&column->pending, row)) {
            uint32_t code = vs_load_u32le(column->codes.data + row * 4);
            VS_TRY(vs_rle_encoder_put(&encoder, code, 1, err));
        }
    }
    return vs_rle_encoder_finish(&encoder, err);
}

static void end_parts(struct vs_page_scratch *scratch, size_t count, size_t first_end, size_t step)
{
    scratch->part_count = count;
    for (size_t i = 0; i < count; i++) {
        scratch->part_ends[i] = first_end + i * step;
    }
}

static enum vs_status encode_values(const struct vs_parquet_writer *writer,
                                    const struct vs_column_writer *column,
                                    struct vs_page *page,
                                    struct vs_page_scratch *scratch,
                                    struct vs_error *err)
{
    const struct vs_field *field = column->field;
    const struct vs_column *leaf = &column->pending;
    struct vs_buf *body = &scratch->body;
    size_t first = page->first, count = page->row_count;
    if (field->kind == VS_KIND_LIST) {
        size_t end, len;
        leaf = column->pending.child;
        vs_column_get_list(&column->pending, page->first + page->row_count - 1, &end, &len);
        end += len;
        vs_column_get_list(&column->pending, page->first, &first, &len);
        count = end - first;
    }
    if (field->kind == VS_KIND_LIST && column->leaf_kind == VS_KIND_FLOAT &&
        writer->options.byte_stream_split) {
        size_t levels = body->len, stream = 0;
        page->encoding = VS_PQ_BYTE_STREAM_SPLIT;
        VS_TRY(vs_split_encode(leaf, first, count, body, &stream, err));
        end_parts(scratch, 5, levels, stream);
        return VS_OK;
    }
    page->encoding = VS_PQ_PLAIN;
    VS_TRY(vs_plain_encode(leaf, field, first, count, body, err));
    end_parts(scratch, 1, body->len, 0);
    return VS_OK;
}

// Leaves the body in scratch->body, and where its parts end.
static enum vs_status encode_body(const struct vs_parquet_writer *writer,
                                  const struct vs_column_writer *column,
                                  struct vs_page *page,
                                  struct vs_page_scratch *scratch,
                                  struct vs_error *err)
{
    struct vs_buf *body = &scratch->body;
    vs_buf_reset(body);
    VS_TRY(vs_levels_encode(&column->pending, column->field, page->first, page->row_count, body,
                            &page->value_count, err));
    if (!page->dictionary) {
        return encode_values(writer, column, page, scratch, err);
    }
    page->encoding = VS_PQ_RLE_DICTIONARY;
    VS_TRY(encode_codes(column, page, body, err));
    end_parts(scratch, 1, body->len, 0);
    return VS_OK;
}

struct sealed_page {
    uint8_t *bytes;
    size_t len, header_len;
};

// Header and compressed body in one block of exactly their size.
static enum vs_status seal_page(const struct vs_env *env,
                                const struct vs_buf *packed,
                                struct vs_pq_page_header *header,
                                struct sealed_page *sealed_out,
                                struct vs_error *err)
{
    struct vs_buf head;
    header->compressed_size = (int32_t)packed->len;
    header->has_crc = true;
    header->crc = vs_crc32_zlib(0, packed->data, packed->len);
    vs_buf_init(&head, env, HEADER_LIMIT);
    enum vs_status status = vs_pq_page_header_encode(header, &head, err);
    if (status == VS_OK) {
        uint8_t *bytes = vs_alloc(env, head.len + packed->len);
        if (bytes == NULL) {
            status = vs_fail(err, VS_NO_MEMORY, "out of memory for a page");
        } else {
            memcpy(bytes, head.data, head.len);
            memcpy(bytes + head.len, packed->data, packed->len);
            *sealed_out = (struct sealed_page){bytes, head.len + packed->len, head.len};
        }
    }
    vs_buf_clear(&head);
    return status;
}

static enum vs_status encode_page(struct vs_parquet_writer *writer,
                                  struct vs_column_writer *column,
                                  struct vs_page *page,
                                  struct vs_page_scratch *scratch,
                                  struct vs_error *err)
{
    struct vs_str parts[5];
    struct sealed_page sealed;
    VS_TRY(encode_body(writer, column, page, scratch, err));
    if (page->value_count > INT32_MAX) {
        return vs_fail(err, VS_LIMIT, "a page of %" PRIu64 " values is too large for Parquet",
                       page->value_count);
    }
    for (size_t i = 0; i < scratch->part_count; i++) {
        size_t start = i == 0 ? 0 : scratch->part_ends[i - 1];
        parts[i] = (struct vs_str){(const char *)scratch->body.data + start,
                                   scratch->part_ends[i] - start};
    }
    vs_buf_reset(&scratch->packed);
    VS_TRY(
        vs_codec_zstd_compress(scratch->zstd, parts, scratch->part_count, &scratch->packed, err));
    if (column->field->kind != VS_KIND_LIST) {
        vs_leaf_stats_scan(&column->pending, page->first, page->row_count, &page->stats);
    }
    struct vs_pq_page_header header = {
        .type = VS_PQ_DATA_PAGE,
        .uncompressed_size = (int32_t)scratch->body.len,
        .num_values = (int32_t)page->value_count,
        .encoding = page->encoding,
        .definition_encoding = VS_PQ_RLE,
        .repetition_encoding = VS_PQ_RLE,
    };
    VS_TRY(seal_page(writer->env, &scratch->packed, &header, &sealed, err));
    page->bytes = sealed.bytes;
    page->len = sealed.len;
    page->uncompressed_len = sealed.header_len + scratch->body.len;
    return VS_OK;
}

static enum vs_status page_task(void *ctx, size_t index, struct vs_error *err)
{
    struct round *round = (struct round *)ctx;
    struct vs_parquet_writer *writer = round->writer;
    struct vs_column_writer *column = &writer->columns[round->tasks[index].column];
    struct vs_page_scratch *scratch;
    VS_TRY(scratch_take(writer, &scratch, err));
    enum vs_status status =
        encode_page(writer, column, &column->pages[round->tasks[index].page], scratch, err);
    scratch_give(writer, scratch);
    if (status != VS_OK) {
        return vs_wrap(err, status, "%s: writing column '%.*s'", writer->out->name,
                       VS_STR_ARG(column->field->name));
    }
    return VS_OK;
}

enum vs_status vs_parquet_encode_dictionary(struct vs_parquet_writer *writer,
                                            struct vs_column_writer *column,
                                            struct vs_buf *out,
                                            size_t *uncompressed_out,
                                            struct vs_error *err)
{
    const struct vs_string_dictionary *dictionary = &column->dictionary;
    struct vs_page_scratch *scratch;
    struct sealed_page sealed = {0};
    VS_TRY(scratch_take(writer, &scratch, err));
    struct vs_str body = vs_buf_view(&dictionary->bytes);
    struct vs_pq_page_header header = {
        .type = VS_PQ_DICTIONARY_PAGE,
        .uncompressed_size = (int32_t)body.len,
        .num_values = (int32_t)dictionary->entry_count,
        .encoding = VS_PQ_PLAIN,
    };
    vs_buf_reset(&scratch->packed);
    enum vs_status status = vs_codec_zstd_compress(scratch->zstd, &body, 1, &scratch->packed, err);
    if (status == VS_OK) {
        status = seal_page(writer->env, &scratch->packed, &header, &sealed, err);
    }
    if (status == VS_OK) {
        status = vs_buf_append(out, sealed.bytes, sealed.len, err);
        *uncompressed_out = sealed.header_len + body.len;
    }
    vs_free(writer->env, sealed.bytes);
    scratch_give(writer, scratch);
    return status;
}

// ---- cutting rows into pages ----

static size_t coded_span_bytes(const struct vs_column *column, size_t first, size_t count)
{
    size_t bytes = 4 * count;
    for (size_t row = first; row < first + count; row++) {
        bytes += vs_column_is_null(column, row) ? 0 : vs_column_get_bytes(column, row).len;
    }
    return bytes;
}

// NOLINTNEXTLINE(misc-no-recursion): a list is never nested, so twice at most
size_t vs_parquet_span_bytes(const struct vs_column *column, size_t first, size_t count)
{
    if (count == 0) {
        return 0;
    }
    if (column->dictionary != NULL) {
        return coded_span_bytes(column, first, count);
    }
    if (column->kind == VS_KIND_LIST) {
        size_t start, end, len;
        vs_column_get_list(column, first, &start, &len);
        vs_column_get_list(column, first + count - 1, &end, &len);
        return vs_parquet_span_bytes(column->child, start, end + len - start);
    }
    if (column->kind == VS_KIND_STRING || column->kind == VS_KIND_BINARY ||
        column->kind == VS_KIND_FIXED) {
        const uint8_t *offsets = column->offsets.data;
        uint32_t start, end;
        memcpy(&start, offsets + first * sizeof start, sizeof start);
        memcpy(&end, offsets + (first + count) * sizeof end, sizeof end);
        return end - start + 4 * count;
    }
    return vs_kind_width(column->kind) * count;
}

// Rows from `first` on that make a page; *full_out is false when the rows end before the page is
// full.
static size_t page_rows(const struct vs_column *column,
                        size_t first,
                        size_t page_bytes,
                        bool *full_out)
{
    size_t left = column->row_count - first;
    size_t most = left < VS_PAGE_MAX_ROWS ? left : VS_PAGE_MAX_ROWS;
    *full_out =
        left >= VS_PAGE_MAX_ROWS || vs_parquet_span_bytes(column, first, most) >= page_bytes;
    if (vs_parquet_span_bytes(column, first, most) <= page_bytes) {
        return most;
    }
    size_t low = 1, high = most; // the most rows that fit, at least one
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        if (vs_parquet_span_bytes(column, first, middle) <= page_bytes) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

static enum vs_status append_page(const struct vs_env *env,
                                  struct vs_column_writer *column,
                                  const struct vs_page *page,
                                  struct vs_error *err)
{
    if (column->page_count == column->page_capacity) {
        size_t capacity = column->page_capacity == 0 ? 16 : column->page_capacity * 2;
        struct vs_page *pages = vs_realloc(env, column->pages, capacity * sizeof *pages);
        if (pages == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu pages", capacity);
        }
        column->pages = pages;
        column->page_capacity = capacity;
    }
    column->pages[column->page_count++] = *page;
    return VS_OK;
}

// Looks the page's rows up in the dictionary; closes it for the rest of the row group when it does
// not pay.
static enum vs_status code_page(struct vs_column_writer *column,
                                struct vs_page *page,
                                struct vs_error *err)
{
    struct vs_string_dictionary *dictionary = &column->dictionary;
    uint32_t known = dictionary->entry_count;
    if (!column->dictionary_open) {
        return VS_OK;
    }
    VS_TRY(vs_buf_append_zeros(&column->codes,
                               (page->first + page->row_count) * 4 - column->codes.len, err));
    for (size_t row = page->first; row < page->first + page->row_count; row++) {
        uint32_t code;
        if (vs_column_is_null(&column->pending, row)) {
            continue;
        }
        struct vs_str text = vs_column_get_bytes(&column->pending, row);
        VS_TRY(vs_string_dictionary_put(dictionary, text, &code, err));
        vs_store_u32le(column->codes.data + row * sizeof code, code);
        column->dictionary_rows++;
        if (dictionary->bytes.len > DICTIONARY_MAX_BYTES ||
            (column->dictionary_rows >= DICTIONARY_TRIAL_ROWS &&
             (uint64_t)dictionary->entry_count * 2 > column->dictionary_rows)) {
            vs_string_dictionary_truncate(dictionary, known);
            column->dictionary_open = false;
            return VS_OK;
        }
    }
    page->dictionary = true;
    page->code_limit = dictionary->entry_count;
    return VS_OK;
}

static enum vs_status plan_pages(struct vs_parquet_writer *writer,
                                 struct vs_column_writer *column,
                                 bool all,
                                 struct vs_error *err)
{
    column->pending_cut = 0;
    vs_buf_reset(&column->codes);
    while (column->pending_cut < column->pending.row_count) {
        bool full;
        struct vs_page page = {.first = column->pending_cut};
        page.row_count =
            page_rows(&column->pending, column->pending_cut, writer->options.page_bytes, &full);
        if (!full && !all) {
            break;
        }
        VS_TRY(code_page(column, &page, err));
        VS_TRY(append_page(writer->env, column, &page, err));
        column->pending_cut += page.row_count;
    }
    return VS_OK;
}

static enum vs_status drop_cut_rows(struct vs_column_writer *column, struct vs_error *err)
{
    size_t rest = column->pending.row_count - column->pending_cut;
    if (column->pending_cut == 0) {
        return VS_OK;
    }
    vs_column_reset(&column->spare);
    if (rest > 0) {
        VS_TRY(vs_column_append_rows(&column->spare, &column->pending, column->pending_cut, rest,
                                     err));
    }
    struct vs_column kept = column->spare;
    column->spare = column->pending;
    column->pending = kept;
    vs_column_reset(&column->spare);
    column->pending_cut = 0;
    return VS_OK;
}

static enum vs_status plan_round(struct round *round, bool all, struct vs_error *err)
{
    struct vs_parquet_writer *writer = round->writer;
    size_t total = 0;
    for (size_t i = 0; i < writer->schema->field_count; i++) {
        struct vs_column_writer *column = &writer->columns[i];
        column->page_done = column->page_count;
        VS_TRY(plan_pages(writer, column, all, err));
        total += column->page_count - column->page_done;
    }
    round->tasks = vs_alloc_zeroed(writer->env, total, sizeof *round->tasks);
    if (round->tasks == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu pages", total);
    }
    for (size_t i = 0; i < writer->schema->field_count; i++) {
        struct vs_column_writer *column = &writer->columns[i];
        for (size_t page = column->page_done; page < column->page_count; page++) {
            round->tasks[round->task_count++] = (struct page_task){(uint32_t)i, (uint32_t)page};
        }
    }
    return VS_OK;
}

enum vs_status vs_parquet_encode_round(struct vs_parquet_writer *writer,
                                       bool all,
                                       struct vs_error *err)
{
    struct round round = {.writer = writer};
    enum vs_status status = plan_round(&round, all, err);
    if (status == VS_OK && round.task_count > 0) {
        status = vs_pool_run(writer->env, writer->options.thread_count, round.task_count, page_task,
                             &round, err);
    }
    vs_free(writer->env, round.tasks);
    for (size_t i = 0; i < writer->schema->field_count && status == VS_OK; i++) {
        struct vs_column_writer *column = &writer->columns[i];
        for (size_t page = column->page_done; page < column->page_count; page++) {
            writer->group_compressed += column->pages[page].len;
        }
        status = drop_cut_rows(column, err);
    }
    writer->round_bytes = 0;
    return status;
}
