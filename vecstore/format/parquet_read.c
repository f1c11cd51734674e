// SPDX-License-Identifier: Apache-2.0
// Opening a Parquet file: the footer. Rows are parquet_scan.c's.
#include "vecstore/format/parquet_read.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/format/parquet_seal.h"

#define TAIL_SIZE 8            // length of the footer and magic
#define FIRST_READ (64u << 10) // most footers come with the first request
#define FOOTER_LIMIT (256u << 20)
#define ARENA_FACTOR 48 // parsed metadata may take so many times the footer's bytes
#define ARENA_BASE (64u << 10)

// Checks the tail; *footer_out is the footer's length.
static enum vs_status check_tail(const struct vs_file *file,
                                 const uint8_t tail[TAIL_SIZE],
                                 size_t *footer_out,
                                 struct vs_error *err)
{
    if (memcmp(tail + 4, "PARE", 4) == 0) {
        return vs_fail(
            err, VS_UNSUPPORTED,
            "%s: the footer is encrypted (Parquet modular encryption); decrypt the file first",
            file->name);
    }
    if (memcmp(tail + 4, "PAR1", 4) != 0) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: this is not a Parquet file, or it is cut off (no PAR1 at its end)",
                       file->name);
    }
    uint64_t footer = vs_load_u32le(tail);
    if (footer == 0 || footer > file->size - TAIL_SIZE - 4) {
        return vs_fail(err, VS_CORRUPT, "%s: the footer states %llu bytes, the file has %llu",
                       file->name, (unsigned long long)footer, (unsigned long long)file->size);
    }
    if (footer > FOOTER_LIMIT) {
        return vs_fail(err, VS_LIMIT, "%s: the footer of %llu bytes is larger than the limit of %u",
                       file->name, (unsigned long long)footer, FOOTER_LIMIT);
    }
    *footer_out = (size_t)footer;
    return VS_OK;
}

// Reads the footer into the reader's arena with one request, or two where it is large.
static enum vs_status read_footer(struct vs_parquet_reader *reader,
                                  struct vs_str *footer_out,
                                  struct vs_error *err)
{
    struct vs_file *file = reader->file;
    if (file->size < TAIL_SIZE + 4) {
        return vs_fail(err, VS_CORRUPT, "%s: a file of %llu bytes is too short for Parquet",
                       file->name, (unsigned long long)file->size);
    }
    size_t first = file->size < FIRST_READ ? (size_t)file->size : FIRST_READ;
    uint8_t *tail = (uint8_t *)vs_arena_alloc(&reader->arena, first);
    if (tail == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the footer", file->name);
    }
    size_t footer = 0;
    VS_TRY(vs_file_read(file, file->size - first, first, tail, err));
    VS_TRY(check_tail(file, tail + first - TAIL_SIZE, &footer, err));
    reader->data_end = file->size - TAIL_SIZE - footer;
    if (footer + TAIL_SIZE <= first) {
        *footer_out = (struct vs_str){(const char *)tail + first - TAIL_SIZE - footer, footer};
        return VS_OK;
    }
    uint8_t *bytes = (uint8_t *)vs_arena_alloc(&reader->arena, footer);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for a footer of %zu bytes", file->name,
                       footer);
    }
    VS_TRY(vs_file_read(file, reader->data_end, footer, bytes, err));
    *footer_out = (struct vs_str){(const char *)bytes, footer};
    return VS_OK;
}

static enum vs_status index_groups(struct vs_parquet_reader *reader, struct vs_error *err)
{
    size_t count = reader->meta.row_group_count;
    reader->group_first_row =
        (uint64_t *)vs_arena_alloc_array(&reader->arena, count + 1, sizeof(uint64_t));
    if (reader->group_first_row == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for %zu row groups", reader->file->name,
                       count);
    }
    // The row groups count, not the footer's total: some writers get the latter wrong.
    for (size_t i = 0; i < count; i++) {
        int64_t rows = reader->meta.row_groups[i].num_rows;
        uint64_t first = reader->group_first_row[i];
        if (rows < 0 || !vs_add_u64(first, (uint64_t)rows, &reader->group_first_row[i + 1]) ||
            reader->group_first_row[i + 1] > INT64_MAX) {
            return vs_fail(err, VS_CORRUPT, "%s: row group %zu has an impossible number of rows",
                           reader->file->name, i);
        }
    }
    return VS_OK;
}

static enum vs_status open_reader(struct vs_parquet_reader *reader, struct vs_error *err)
{
    struct vs_str footer = {NULL, 0};
    VS_TRY(read_footer(reader, &footer, err));
    reader->arena.limit_bytes =
        reader->arena.used_bytes + (size_t)ARENA_FACTOR * footer.len + ARENA_BASE;
    enum vs_status status = vs_pq_file_meta_parse(footer.ptr, footer.len, "Parquet footer",
                                                  &reader->arena, &reader->meta, err);
    if (status == VS_OK) {
        status = vs_pq_seal_check(reader, footer, err);
    }
    if (status == VS_OK) {
        status = vs_pq_schema_build(reader, err);
    }
    if (status != VS_OK) {
        return vs_wrap(err, status, "%s", reader->file->name);
    }
    VS_TRY(index_groups(reader, err));
    struct vs_str created_by = vs_arena_copy_str(&reader->arena, reader->meta.created_by);
    if (created_by.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the footer", reader->file->name);
    }
    reader->created_by = created_by.ptr;
    return VS_OK;
}

enum vs_status vs_parquet_open(const struct vs_env *env,
                               struct vs_file *file,
                               struct vs_parquet_reader **reader_out,
                               struct vs_error *err)
{
    struct vs_parquet_reader *reader =
        (struct vs_parquet_reader *)vs_alloc_zeroed(env, 1, sizeof *reader);
    if (reader == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory to open the file", file->name);
    }
    reader->env = env;
    reader->file = file;
    vs_arena_init(&reader->arena, env, 0);
    enum vs_status status = open_reader(reader, err);
    if (status != VS_OK) {
        vs_parquet_close(reader);
        return status;
    }
    *reader_out = reader;
    return VS_OK;
}

enum vs_status vs_parquet_verify(const struct vs_parquet_reader *reader, struct vs_error *err)
{
    return vs_pq_indexes_check(reader, err);
}

void vs_parquet_close(struct vs_parquet_reader *reader)
{
    if (reader != NULL) {
        vs_arena_clear(&reader->arena);
        vs_free(reader->env, reader);
    }
}

const struct vs_schema *vs_parquet_schema(const struct vs_parquet_reader *reader)
{
    return &reader->schema;
}

uint64_t vs_parquet_row_count(const struct vs_parquet_reader *reader)
{
    return reader->group_first_row[reader->meta.row_group_count];
}

size_t vs_parquet_row_group_count(const struct vs_parquet_reader *reader)
{
    return reader->meta.row_group_count;
}

const char *vs_parquet_created_by(const struct vs_parquet_reader *reader)
{
    return reader->created_by;
}
