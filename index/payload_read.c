// SPDX-License-Identifier: Apache-2.0
// The payload blob, reading: docs/format/index-v1-blobs.md section 3. A block is read and
// decompressed once per fetch; nothing is cached.
#include "index/attrs.h"
#include "index/index_ahead.h"
#include "index/payload_internal.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/format/codec.h"

#include <stdio.h>
#include <stdlib.h>

#define AHEAD_BYTES ((uint64_t)8 << 20) // of blocks that are read side by side
#define AHEAD_BLOCKS 256
#define DIRECTORY_GUESS ((uint64_t)64 << 10)

struct vs_payload_reader {
    const struct vs_env *env;
    struct vs_file *file;
    uint64_t offset; // of the blob in the file
    uint64_t directory_at;
    struct vs_field *fields; // names borrowed
    size_t field_count, row_count, block_count;
    struct vs_payload_block *blocks;
};

// ---- directory ----

static enum vs_status corrupt(const struct vs_payload_reader *reader,
                              const char *reason,
                              struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "payload at byte %llu of %s: %s",
                   (unsigned long long)reader->offset, reader->file->name, reason);
}

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for a payload");
}

static enum vs_status parse_fields(const struct vs_payload_reader *reader,
                                   const uint8_t *next,
                                   struct vs_error *err)
{
    for (size_t f = 0; f < reader->field_count; f++, next += VS_PAYLOAD_FIELD_LEN) {
        const struct vs_field *field = &reader->fields[f];
        unsigned element =
            field->kind == VS_KIND_LIST ? (unsigned)field->element_kind : VS_PAYLOAD_NO_ELEMENT;
        if (vs_load_u32le(next) != (uint32_t)field->id || next[4] != (unsigned)field->kind ||
            next[5] != element || vs_load_u16le(next + 6) != 0) {
            return corrupt(reader, "its fields differ from the descriptor's", err);
        }
    }
    return VS_OK;
}

static enum vs_status parse_blocks(struct vs_payload_reader *reader,
                                   const uint8_t *next,
                                   struct vs_error *err)
{
    uint64_t expected = 0;
    for (size_t b = 0; b < reader->block_count; b++, next += VS_PAYLOAD_BLOCK_LEN) {
        struct vs_payload_block block = {vs_load_u64le(next), vs_load_u32le(next + 8),
                                         vs_load_u32le(next + 12), vs_load_u32le(next + 16),
                                         vs_load_u32le(next + 20)};
        bool row_good =
            b == 0 ? block.first_row == 0 : block.first_row > reader->blocks[b - 1].first_row;
        if (block.offset != expected || block.stored_len == 0 || block.raw_len == 0 ||
            block.raw_len > VS_PAYLOAD_RAW_MAX || !row_good ||
            block.first_row >= reader->row_count ||
            !vs_range_fits(block.offset, block.stored_len, reader->directory_at)) {
            return corrupt(reader, "a block of its directory is out of place", err);
        }
        expected = block.offset + block.stored_len;
        reader->blocks[b] = block;
    }
    if (expected != reader->directory_at) {
        return corrupt(reader, "its blocks do not end where the directory begins", err);
    }
    return VS_OK;
}

static enum vs_status parse_directory(struct vs_payload_reader *reader,
                                      const uint8_t *bytes,
                                      size_t len,
                                      struct vs_error *err)
{
    size_t head = VS_PAYLOAD_HEAD_LEN + VS_PAYLOAD_FIELD_LEN * reader->field_count;
    if (len < head + 4 || memcmp(bytes, VS_PAYLOAD_MAGIC, 4) != 0) {
        return corrupt(reader, "its directory is not one", err);
    }
    if (vs_load_u32le(bytes + len - 4) != vs_crc32c(0, bytes, len - 4)) {
        return corrupt(reader, "the directory's checksum is wrong", err);
    }
    if (vs_load_u16le(bytes + 4) != 1) {
        return vs_fail(err, VS_UNSUPPORTED, "payload of %s: version %u is not known; 1 is",
                       reader->file->name, vs_load_u16le(bytes + 4));
    }
    uint64_t block_count = vs_load_u64le(bytes + 16);
    if (vs_load_u16le(bytes + 6) != reader->field_count ||
        vs_load_u64le(bytes + 8) != reader->row_count ||
        block_count > (len - head) / VS_PAYLOAD_BLOCK_LEN ||
        head + block_count * VS_PAYLOAD_BLOCK_LEN + 4 != len ||
        (block_count == 0) != (reader->row_count == 0)) {
        return corrupt(reader, "its counts differ from the segment's or from its length", err);
    }
    reader->block_count = (size_t)block_count;
    reader->blocks = vs_alloc_zeroed(reader->env, reader->block_count, sizeof *reader->blocks);
    if (reader->blocks == NULL) {
        return no_memory(err);
    }
    VS_TRY(parse_fields(reader, bytes + VS_PAYLOAD_HEAD_LEN, err));
    return parse_blocks(reader, bytes + head, err);
}

// From the end of the blob, which holds most directories and was read in one go.
static enum vs_status read_directory(struct vs_payload_reader *reader,
                                     struct vs_file *file,
                                     uint64_t length,
                                     struct vs_error *err)
{
    uint8_t trailer[VS_PAYLOAD_TRAILER_LEN];
    if (length < sizeof trailer || !vs_range_fits(reader->offset, length, reader->file->size)) {
        return corrupt(reader, "is shorter than its trailer or reaches beyond the file", err);
    }
    uint64_t end = length - sizeof trailer;
    VS_TRY(vs_file_read(file, reader->offset + end, sizeof trailer, trailer, err));
    uint64_t directory_len = vs_load_u64le(trailer);
    if (memcmp(trailer + 12, VS_PAYLOAD_TRAILER_MAGIC, 4) != 0 ||
        vs_load_u32le(trailer + 8) != vs_crc32c(0, trailer, 8) || directory_len > end) {
        return corrupt(reader, "its trailer is damaged", err);
    }
    reader->directory_at = end - directory_len;
    uint8_t *bytes = vs_alloc(reader->env, (size_t)directory_len);
    if (bytes == NULL) {
        return no_memory(err);
    }
    enum vs_status status = vs_file_read(file, reader->offset + reader->directory_at,
                                         (size_t)directory_len, bytes, err);
    if (status == VS_OK) {
        status = parse_directory(reader, bytes, (size_t)directory_len, err);
    }
    vs_free(reader->env, bytes);
    return status;
}

enum vs_status vs_payload_open(const struct vs_env *env,
                               const struct vs_payload_place *place,
                               struct vs_payload_reader **reader_out,
                               struct vs_error *err)
{
    struct vs_payload_reader *reader = vs_alloc_zeroed(env, 1, sizeof *reader);
    if (reader == NULL) {
        return no_memory(err);
    }
    reader->env = env;
    reader->file = place->file;
    reader->offset = place->offset;
    reader->field_count = place->field_count;
    reader->row_count = place->row_count;
    reader->fields = vs_alloc_zeroed(env, place->field_count, sizeof *place->fields);
    enum vs_status status = reader->fields == NULL ? no_memory(err) : VS_OK;
    if (status == VS_OK) {
        memcpy(reader->fields, place->fields, place->field_count * sizeof *place->fields);
        uint64_t length = place->length, guess = DIRECTORY_GUESS + length / 256;
        guess = guess < length ? guess : length;
        const struct vs_ahead_part part = {place->offset + length - guess, guess, NULL};
        struct vs_ahead ahead;
        vs_ahead_init(&ahead, env, place->file);
        status = vs_ahead_read(&ahead, &part, 1, err);
        if (status == VS_OK) {
            status = read_directory(reader, &ahead.base, length, err);
        }
        vs_ahead_clear(&ahead);
    }
    if (status == VS_OK) {
        *reader_out = reader;
    } else {
        vs_payload_close(reader);
    }
    return status;
}

void vs_payload_close(struct vs_payload_reader *reader)
{
    if (reader != NULL) {
        vs_free(reader->env, reader->blocks);
        vs_free(reader->env, reader->fields);
        vs_free(reader->env, reader);
    }
}

// ---- blocks ----

static size_t block_of_row(const struct vs_payload_reader *reader, uint32_t row)
{
    size_t low = 0, high = reader->block_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (reader->blocks[middle].first_row <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static size_t block_rows(const struct vs_payload_reader *reader, size_t block)
{
    size_t end =
        block + 1 < reader->block_count ? reader->blocks[block + 1].first_row : reader->row_count;
    return end - reader->blocks[block].first_row;
}

static enum vs_status read_stored(const struct vs_payload_reader *reader,
                                  struct vs_file *file,
                                  size_t block,
                                  uint8_t *stored,
                                  struct vs_error *err)
{
    const struct vs_payload_block *entry = &reader->blocks[block];
    VS_TRY(vs_file_read(file, reader->offset + entry->offset, entry->stored_len, stored, err));
    bool right = vs_crc32c(0, stored, entry->stored_len) == entry->crc;
    if (!right) {
        const struct vs_range range = {reader->offset + entry->offset, entry->stored_len, stored};
        VS_TRY(vs_file_read_again(reader->file, &range, entry->crc, &right, err));
    }
    if (!right) {
        return corrupt(reader, "the checksum of a block is wrong", err);
    }
    return VS_OK;
}

// Decodes the parts that are wanted into columns, initialised by the caller's zeroing.
static enum vs_status decode_parts(const struct vs_payload_reader *reader,
                                   size_t block,
                                   const uint8_t *raw,
                                   const bool *wanted,
                                   struct vs_column *columns,
                                   struct vs_error *err)
{
    size_t raw_len = reader->blocks[block].raw_len;
    size_t next = (4 * reader->field_count + 7) & ~(size_t)7, column = 0;
    char what[64];
    snprintf(what, sizeof what, "payload block %zu", block);
    for (size_t f = 0; f < reader->field_count; f++) {
        size_t len = next <= raw_len ? vs_load_u32le(raw + 4 * f) : 0;
        if (next > raw_len || len > raw_len - next) {
            return corrupt(reader, "the parts of a block do not fit it", err);
        }
        if (wanted == NULL || wanted[f]) {
            struct vs_str part = {(const char *)raw + next, len};
            VS_TRY(vs_attr_decode(reader->env, part, what, &reader->fields[f],
                                  block_rows(reader, block), &columns[column], err));
            column++;
        }
        next += len;
    }
    return next == raw_len ? VS_OK : corrupt(reader, "a block has bytes behind its parts", err);
}

static void clear_columns(struct vs_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vs_column_clear(&columns[i]);
    }
}

static enum vs_status load_block(const struct vs_payload_reader *reader,
                                 struct vs_file *file,
                                 size_t block,
                                 const bool *wanted,
                                 struct vs_column *columns,
                                 struct vs_error *err)
{
    const struct vs_payload_block *entry = &reader->blocks[block];
    uint8_t *raw = NULL, *stored = vs_alloc(reader->env, entry->stored_len);
    enum vs_status status =
        stored == NULL ? no_memory(err) : read_stored(reader, file, block, stored, err);
    if (status == VS_OK) {
        raw = vs_alloc(reader->env, entry->raw_len);
        status = raw == NULL ? no_memory(err)
                             : vs_codec_decompress(reader->env, VS_CODEC_ZSTD, stored,
                                                   entry->stored_len, raw, entry->raw_len, err);
    }
    if (status == VS_OK) {
        status = decode_parts(reader, block, raw, wanted, columns, err);
    }
    vs_free(reader->env, stored);
    vs_free(reader->env, raw);
    return status;
}

// ---- fetch ----

struct fetch {
    const struct vs_payload_reader *reader;
    const bool *wanted;
    size_t column_count;
    struct vs_column *block_columns; // of the block being read
    struct vs_ahead ahead;           // blocks that come next
};

// Appends ascending rows [first, first + count) of `rows` that lie in one block.
static enum vs_status append_from_block(struct fetch *fetch,
                                        size_t block,
                                        const uint32_t *rows,
                                        size_t count,
                                        struct vs_batch *batch,
                                        struct vs_error *err)
{
    enum vs_status status = load_block(fetch->reader, &fetch->ahead.base, block, fetch->wanted,
                                       fetch->block_columns, err);
    uint32_t first_row = fetch->reader->blocks[block].first_row;
    for (size_t i = 0; i < count && status == VS_OK;) {
        size_t run = 1;
        while (i + run < count && rows[i + run] == rows[i] + run) {
            run++;
        }
        for (size_t c = 0; c < fetch->column_count && status == VS_OK; c++) {
            status = vs_column_append_rows(&batch->columns[c], &fetch->block_columns[c],
                                           rows[i] - first_row, run, err);
        }
        i += run;
    }
    clear_columns(fetch->block_columns, fetch->column_count);
    memset(fetch->block_columns, 0, fetch->column_count * sizeof *fetch->block_columns);
    return status;
}

// Reads the blocks of the next rows side by side; returns the place behind the last row of them.
static enum vs_status read_ahead(struct fetch *fetch,
                                 const uint32_t *rows,
                                 size_t first,
                                 size_t count,
                                 size_t *end_out,
                                 struct vs_error *err)
{
    const struct vs_payload_reader *reader = fetch->reader;
    struct vs_ahead_part parts[AHEAD_BLOCKS];
    size_t part_count = 0, i = first;
    uint64_t bytes = 0;
    while (i < count && part_count < AHEAD_BLOCKS && bytes < AHEAD_BYTES) {
        size_t block = block_of_row(reader, rows[i]);
        uint64_t end = (uint64_t)reader->blocks[block].first_row + block_rows(reader, block);
        parts[part_count++] = (struct vs_ahead_part){reader->offset + reader->blocks[block].offset,
                                                     reader->blocks[block].stored_len, NULL};
        bytes += reader->blocks[block].stored_len;
        while (i < count && rows[i] < end) {
            i++;
        }
    }
    *end_out = i;
    vs_ahead_clear(&fetch->ahead);
    return vs_ahead_read(&fetch->ahead, parts, part_count, err);
}

static enum vs_status fetch_ascending(struct fetch *fetch,
                                      const uint32_t *rows,
                                      size_t count,
                                      struct vs_batch *batch,
                                      struct vs_error *err)
{
    size_t ahead = 0;
    for (size_t i = 0; i < count;) {
        if (i >= ahead) {
            VS_TRY(read_ahead(fetch, rows, i, count, &ahead, err));
        }
        size_t block = block_of_row(fetch->reader, rows[i]), run = 1;
        uint64_t end =
            (uint64_t)fetch->reader->blocks[block].first_row + block_rows(fetch->reader, block);
        while (i + run < count && rows[i + run] < end) {
            run++;
        }
        VS_TRY(append_from_block(fetch, block, rows + i, run, batch, err));
        i += run;
    }
    return VS_OK;
}

static int compare_u64(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

// Fetches in ascending order into `sorted`, then puts the rows in the order asked for.
static enum vs_status fetch_sorted(struct fetch *fetch,
                                   const uint32_t *rows,
                                   size_t count,
                                   struct vs_batch *sorted,
                                   struct vs_batch *batch,
                                   struct vs_error *err)
{
    const struct vs_env *env = fetch->reader->env;
    uint64_t *keys = vs_alloc(env, count * sizeof *keys); // row, place
    uint32_t *ascending = vs_alloc(env, count * sizeof *ascending);
    uint32_t *place = vs_alloc(env, count * sizeof *place);
    enum vs_status status =
        keys == NULL || ascending == NULL || place == NULL ? no_memory(err) : VS_OK;
    for (size_t i = 0; i < count && status == VS_OK; i++) {
        keys[i] = (uint64_t)rows[i] << 32 | i;
    }
    if (status == VS_OK) {
        qsort(keys, count, sizeof *keys, compare_u64);
        for (size_t i = 0; i < count; i++) {
            ascending[i] = (uint32_t)(keys[i] >> 32);
            place[(uint32_t)keys[i]] = (uint32_t)i;
        }
        status = fetch_ascending(fetch, ascending, count, sorted, err);
    }
    for (size_t c = 0; c < fetch->column_count && status == VS_OK; c++) {
        status = vs_column_gather(&batch->columns[c], &sorted->columns[c], place, count, err);
    }
    vs_free(env, keys);
    vs_free(env, ascending);
    vs_free(env, place);
    return status;
}

static enum vs_status fetch_any_order(struct fetch *fetch,
                                      const uint32_t *rows,
                                      size_t count,
                                      struct vs_batch *batch,
                                      struct vs_error *err)
{
    const struct vs_payload_reader *reader = fetch->reader;
    struct vs_field *fields = vs_alloc_zeroed(reader->env, reader->field_count, sizeof *fields);
    if (fields == NULL) {
        return no_memory(err);
    }
    size_t kept = 0;
    for (size_t f = 0; f < reader->field_count; f++) {
        if (fetch->wanted == NULL || fetch->wanted[f]) {
            fields[kept++] = reader->fields[f];
        }
    }
    struct vs_batch sorted = {0};
    enum vs_status status = vs_batch_init(&sorted, reader->env, fields, kept, err);
    if (status == VS_OK) {
        status = fetch_sorted(fetch, rows, count, &sorted, batch, err);
        vs_batch_clear(&sorted);
    }
    vs_free(reader->env, fields);
    return status;
}

static enum vs_status check_fetch(const struct vs_payload_reader *reader,
                                  const uint32_t *rows,
                                  size_t count,
                                  bool *is_ascending_out,
                                  struct vs_error *err)
{
    bool ascending = true;
    if (count > UINT32_MAX) {
        return vs_fail(err, VS_LIMIT, "at most 4294967295 rows can be fetched at once");
    }
    for (size_t i = 0; i < count; i++) {
        if (rows[i] >= reader->row_count) {
            return vs_fail(err, VS_INVALID, "row %u does not exist in a segment of %zu rows",
                           rows[i], reader->row_count);
        }
        ascending &= i == 0 || rows[i] >= rows[i - 1];
    }
    *is_ascending_out = ascending;
    return VS_OK;
}

enum vs_status vs_payload_fetch(struct vs_payload_reader *reader,
                                const uint32_t *rows,
                                size_t count,
                                const bool *wanted,
                                struct vs_batch *batch,
                                struct vs_error *err)
{
    bool is_ascending = false;
    VS_TRY(check_fetch(reader, rows, count, &is_ascending, err));
    struct fetch fetch = {.reader = reader, .wanted = wanted};
    vs_ahead_init(&fetch.ahead, reader->env, reader->file);
    for (size_t f = 0; f < reader->field_count; f++) {
        fetch.column_count += wanted == NULL || wanted[f];
    }
    if (batch->column_count != fetch.column_count) {
        return vs_fail(err, VS_INTERNAL, "%zu payload fields are wanted in %zu columns",
                       fetch.column_count, batch->column_count);
    }
    fetch.block_columns =
        vs_alloc_zeroed(reader->env, fetch.column_count, sizeof *fetch.block_columns);
    if (fetch.block_columns == NULL) {
        return no_memory(err);
    }
    enum vs_status status = is_ascending ? fetch_ascending(&fetch, rows, count, batch, err)
                                         : fetch_any_order(&fetch, rows, count, batch, err);
    if (status == VS_OK) {
        batch->row_count += count;
    }
    clear_columns(fetch.block_columns, fetch.column_count);
    vs_free(reader->env, fetch.block_columns);
    vs_ahead_clear(&fetch.ahead);
    return status;
}
