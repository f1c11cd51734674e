// SPDX-License-Identifier: Apache-2.0
#include "index/build_parts.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <math.h>

#define VERSION 1
#define BLOCK_MAGIC 0x4b425356u
#define TABLES_MAX (1u << 28)
#define COLUMN_SIZE 16
#define FILE_SIZE 20

static const char magic[8] = "VSPART\0";

// ---- header and tables ----

static enum vs_status append_tables(const struct vs_part_head *head,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    for (size_t c = 0; c < head->column_count; c++) {
        uint8_t entry[COLUMN_SIZE];
        vs_store_u32le(entry, (uint32_t)head->columns[c].field_id);
        vs_store_u32le(entry + 4, head->columns[c].dim);
        vs_store_u32le(entry + 8, head->columns[c].m);
        vs_store_u32le(entry + 12, head->columns[c].list_count);
        VS_TRY(vs_buf_append(out, entry, sizeof entry, err));
    }
    for (size_t f = 0; f < head->file_count; f++) {
        const struct vs_index_file_ref *file = &head->files[f];
        uint8_t entry[FILE_SIZE];
        vs_store_u64le(entry, file->row_count);
        vs_store_u64le(entry + 8, (uint64_t)file->sequence_number);
        vs_store_u32le(entry + 16, (uint32_t)file->path.len);
        VS_TRY(vs_buf_append(out, entry, sizeof entry, err));
        VS_TRY(vs_buf_append_str(out, file->path, err));
    }
    return vs_buf_append_zeros(out, (size_t)(vs_align64(out->len) - out->len), err);
}

enum vs_status vs_part_head_encode(const struct vs_part_head *head,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    vs_buf_reset(out);
    VS_TRY(vs_buf_append_zeros(out, VS_PART_HEADER_SIZE, err));
    VS_TRY(append_tables(head, out, err));
    size_t tables = out->len - VS_PART_HEADER_SIZE;
    if (tables > TABLES_MAX) {
        return vs_fail(err, VS_LIMIT, "a part names at most %u bytes of data files", TABLES_MAX);
    }
    uint8_t *bytes = out->data;
    memcpy(bytes, magic, sizeof magic);
    vs_store_u32le(bytes + 8, VERSION);
    vs_store_u32le(bytes + 12, VS_PART_HEADER_SIZE);
    memcpy(bytes + 16, head->model, VS_SHA256_SIZE);
    memcpy(bytes + 48, head->table_uuid.bytes, 16);
    vs_store_u64le(bytes + 64, (uint64_t)head->snapshot_id);
    vs_store_u32le(bytes + 72, (uint32_t)head->column_count);
    vs_store_u32le(bytes + 76, (uint32_t)head->file_count);
    vs_store_u32le(bytes + 80, (uint32_t)tables);
    vs_store_u32le(bytes + 84, vs_crc32c(0, bytes + VS_PART_HEADER_SIZE, tables));
    vs_store_u32le(bytes + 124, vs_crc32c(0, bytes, 124));
    return VS_OK;
}

enum vs_status vs_part_head_length(const uint8_t *bytes,
                                   const char *what,
                                   size_t *length_out,
                                   struct vs_error *err)
{
    if (memcmp(bytes, magic, sizeof magic) != 0) {
        return vs_fail(err, VS_CORRUPT,
                       "%s is not a part of an index: it does not start with "
                       "VSPART",
                       what);
    }
    if (vs_load_u32le(bytes + 124) != vs_crc32c(0, bytes, 124)) {
        return vs_fail(err, VS_CORRUPT, "%s: checksum of the header is wrong", what);
    }
    if (vs_load_u32le(bytes + 8) != VERSION || vs_load_u32le(bytes + 12) != VS_PART_HEADER_SIZE) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: part of version %" PRIu32 ", this program reads %d", what,
                       vs_load_u32le(bytes + 8), VERSION);
    }
    uint32_t tables = vs_load_u32le(bytes + 80);
    if (tables > TABLES_MAX || tables % 64 != 0) {
        return vs_fail(err, VS_CORRUPT, "%s: tables of %" PRIu32 " bytes", what, tables);
    }
    *length_out = VS_PART_HEADER_SIZE + tables;
    return VS_OK;
}

static enum vs_status decode_columns(const uint8_t *at,
                                     size_t count,
                                     const char *what,
                                     struct vs_part_column *columns,
                                     struct vs_error *err)
{
    for (size_t c = 0; c < count; c++, at += COLUMN_SIZE) {
        struct vs_part_column *column = &columns[c];
        *column = (struct vs_part_column){(int32_t)vs_load_u32le(at), vs_load_u32le(at + 4),
                                          vs_load_u32le(at + 8), vs_load_u32le(at + 12)};
        if (column->dim == 0 || column->dim > VS_INDEX_MAX_DIM || column->m == 0 ||
            column->m > VS_INDEX_MAX_M || column->m % 2 != 0 || column->list_count == 0 ||
            column->list_count > VS_INDEX_MAX_LISTS) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: column %zu with dimension %" PRIu32 ", %" PRIu32
                           " codes and %" PRIu32 " lists",
                           what, c, column->dim, column->m, column->list_count);
        }
    }
    return VS_OK;
}

static enum vs_status decode_files(struct vs_str bytes,
                                   size_t count,
                                   const char *what,
                                   struct vs_index_file_ref *files,
                                   struct vs_error *err)
{
    const char *at = bytes.ptr, *end = bytes.ptr + bytes.len;
    uint64_t first = 0;
    for (size_t f = 0; f < count; f++) {
        if ((size_t)(end - at) < FILE_SIZE) {
            return vs_fail(err, VS_CORRUPT, "%s: the table of data files ends early", what);
        }
        uint64_t rows = vs_load_u64le(at);
        uint32_t len = vs_load_u32le(at + 16);
        if (len > (size_t)(end - at) - FILE_SIZE || rows > VS_INDEX_MAX_ROWS - first) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: data file %zu with %" PRIu64 " rows and a path of %" PRIu32
                           " bytes",
                           what, f, rows, len);
        }
        files[f] = (struct vs_index_file_ref){
            {at + FILE_SIZE, len}, rows, (int64_t)vs_load_u64le(at + 8), first};
        first += rows;
        at += FILE_SIZE + len;
    }
    if (end - at >= 64) {
        return vs_fail(err, VS_CORRUPT, "%s: bytes are left over after the data files", what);
    }
    return VS_OK;
}

enum vs_status vs_part_head_decode(struct vs_str bytes,
                                   const char *what,
                                   struct vs_arena *arena,
                                   struct vs_part_head *head_out,
                                   struct vs_error *err)
{
    const uint8_t *b = (const uint8_t *)bytes.ptr;
    size_t length = 0;
    if (bytes.len < VS_PART_HEADER_SIZE) {
        return vs_fail(err, VS_CORRUPT, "%s ends within its header", what);
    }
    VS_TRY(vs_part_head_length(b, what, &length, err));
    uint32_t columns = vs_load_u32le(b + 72), files = vs_load_u32le(b + 76);
    size_t tables = length - VS_PART_HEADER_SIZE;
    if (bytes.len < length ||
        vs_load_u32le(b + 84) != vs_crc32c(0, b + VS_PART_HEADER_SIZE, tables)) {
        return vs_fail(err, VS_CORRUPT, "%s: its tables are cut off or damaged", what);
    }
    if (columns == 0 || columns > VS_INDEX_MAX_COLUMNS || files == 0 ||
        files > VS_INDEX_MAX_FILES ||
        tables < columns * (uint64_t)COLUMN_SIZE + files * (uint64_t)FILE_SIZE) {
        return vs_fail(err, VS_CORRUPT, "%s: %" PRIu32 " columns and %" PRIu32 " data files", what,
                       columns, files);
    }
    struct vs_part_column *column_list = vs_arena_alloc_array(arena, columns, sizeof *column_list);
    struct vs_index_file_ref *file_list = vs_arena_alloc_array(arena, files, sizeof *file_list);
    if (column_list == NULL || file_list == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %s", what);
    }
    VS_TRY(decode_columns(b + VS_PART_HEADER_SIZE, columns, what, column_list, err));
    size_t skip = VS_PART_HEADER_SIZE + columns * (size_t)COLUMN_SIZE;
    VS_TRY(decode_files((struct vs_str){bytes.ptr + skip, length - skip}, files, what, file_list,
                        err));
    struct vs_part_head head = {.snapshot_id = (int64_t)vs_load_u64le(b + 64),
                                .column_count = columns,
                                .columns = column_list,
                                .file_count = files,
                                .files = file_list};
    memcpy(head.model, b + 16, VS_SHA256_SIZE);
    memcpy(head.table_uuid.bytes, b + 48, 16);
    *head_out = head;
    return VS_OK;
}

// ---- blocks ----

uint64_t vs_part_payload_length(const struct vs_part_column *column, uint32_t count, uint32_t bins)
{
    return vs_align64(count * (uint64_t)(24 + column->m / 2) + count * vs_align64(column->dim) +
                      bins * (uint64_t)8);
}

void vs_part_block_encode(const struct vs_part_block *block, uint8_t bytes_out[VS_PART_BLOCK_SIZE])
{
    vs_store_u32le(bytes_out, BLOCK_MAGIC);
    vs_store_u32le(bytes_out + 4, block->column);
    vs_store_u32le(bytes_out + 8, block->file);
    vs_store_u32le(bytes_out + 12, block->count);
    vs_store_u32le(bytes_out + 16, block->first);
    vs_store_u32le(bytes_out + 20, block->rows);
    vs_store_u32le(bytes_out + 24, block->bins);
    vs_store_u32le(bytes_out + 28, block->crc);
    vs_store_u64le(bytes_out + 32, block->length);
    vs_store_u64le(bytes_out + 40, block->error);
    vs_store_u64le(bytes_out + 48, block->energy);
    vs_store_u32le(bytes_out + 56, 0);
    vs_store_u32le(bytes_out + 60, vs_crc32c(0, bytes_out, 60));
}

enum vs_status vs_part_block_decode(const uint8_t bytes[VS_PART_BLOCK_SIZE],
                                    const struct vs_part_head *head,
                                    const char *what,
                                    struct vs_part_block *block_out,
                                    struct vs_error *err)
{
    if (vs_load_u32le(bytes) != BLOCK_MAGIC ||
        vs_load_u32le(bytes + 60) != vs_crc32c(0, bytes, 60)) {
        return vs_fail(err, VS_CORRUPT, "%s: a block's header is damaged", what);
    }
    struct vs_part_block block = {.column = vs_load_u32le(bytes + 4),
                                  .file = vs_load_u32le(bytes + 8),
                                  .count = vs_load_u32le(bytes + 12),
                                  .first = vs_load_u32le(bytes + 16),
                                  .rows = vs_load_u32le(bytes + 20),
                                  .bins = vs_load_u32le(bytes + 24),
                                  .crc = vs_load_u32le(bytes + 28),
                                  .length = vs_load_u64le(bytes + 32),
                                  .error = vs_load_u64le(bytes + 40),
                                  .energy = vs_load_u64le(bytes + 48)};
    if (block.column == VS_PART_END) {
        bool plain = block.file == 0 && block.first == 0 && block.rows == 0 && block.bins == 0 &&
                     block.length == 0;
        *block_out = block;
        return plain ? VS_OK : vs_fail(err, VS_CORRUPT, "%s: the end block is not empty", what);
    }
    if (block.column >= head->column_count || block.file >= head->file_count || block.rows == 0 ||
        block.count > block.rows || block.count > VS_PART_VECTORS_MAX ||
        block.bins > VS_DRIFT_BINS || block.first > head->files[block.file].row_count ||
        block.rows > head->files[block.file].row_count - block.first ||
        block.length !=
            vs_part_payload_length(&head->columns[block.column], block.count, block.bins)) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: block of column %" PRIu32 ", data file %" PRIu32 ", positions %" PRIu32
                       " + %" PRIu32 ", %" PRIu32 " vectors, %" PRIu64 " bytes",
                       what, block.column, block.file, block.first, block.rows, block.count,
                       block.length);
    }
    *block_out = block;
    return VS_OK;
}

static bool are_lengths(const float *values, uint32_t count)
{
    bool good = true;
    for (uint32_t i = 0; i < count; i++) {
        good = good && isfinite(values[i]) && values[i] >= 0.0F;
    }
    return good;
}

static bool are_lists(const struct vs_part_vectors *v, uint32_t count, uint32_t lists)
{
    bool good = true;
    for (uint32_t i = 0; i < count; i++) {
        good = good && v->list[i] < lists && v->second[i] != v->list[i] &&
               (v->second[i] < lists || v->second[i] == VS_ASSIGN_NO_LIST);
    }
    return good;
}

static bool are_positions(const struct vs_part_vectors *v, const struct vs_part_block *block)
{
    uint32_t next = block->first;
    for (uint32_t i = 0; i < block->count; i++) {
        if (v->position[i] < next || v->position[i] - block->first >= block->rows) {
            return false;
        }
        next = v->position[i] + 1;
    }
    return true;
}

static bool are_bins(const struct vs_part_vectors *v, const struct vs_part_block *block)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < block->bins; i++) {
        if (v->bins[2 * i] >= VS_DRIFT_BINS || (i > 0 && v->bins[2 * i] <= v->bins[2 * i - 2])) {
            return false;
        }
        sum += v->bins[2 * i + 1];
    }
    return sum == block->count;
}

// int8 rows do not hold -128, which the kernels do not know.
static bool are_rows(const int8_t *rows, size_t bytes)
{
    unsigned bad = 0;
    for (size_t i = 0; i < bytes; i++) {
        bad |= rows[i] == INT8_MIN;
    }
    return bad == 0;
}

// Four-byte values come first, so that everything is aligned for its type.
static void place_vectors(const struct vs_part_column *column,
                          const struct vs_part_block *block,
                          const uint8_t *payload,
                          struct vs_part_vectors *v)
{
    size_t count = block->count;
    v->position = (const uint32_t *)(const void *)payload;
    v->list = v->position + count;
    v->second = v->list + count;
    v->distance = (const float *)(const void *)(v->second + count);
    v->scale = v->distance + count;
    v->norm = v->scale + count;
    v->bins = (const uint32_t *)(const void *)(v->norm + count);
    v->codes = (const uint8_t *)(v->bins + 2 * (size_t)block->bins);
    v->rows_i8 = (const int8_t *)(v->codes + count * (column->m / 2));
}

enum vs_status vs_part_payload_decode(const struct vs_part_head *head,
                                      const struct vs_part_block *block,
                                      const uint8_t *payload,
                                      const char *what,
                                      struct vs_part_vectors *vectors_out,
                                      struct vs_error *err)
{
    const struct vs_part_column *column = &head->columns[block->column];
    size_t stride = (size_t)vs_align64(column->dim);
    struct vs_part_vectors v;
    if (vs_crc32c(0, payload, (size_t)block->length) != block->crc) {
        return vs_fail(err, VS_CORRUPT, "%s: checksum of a block is wrong", what);
    }
    place_vectors(column, block, payload, &v);
    if (!are_positions(&v, block) || !are_lists(&v, block->count, column->list_count) ||
        !are_lengths(v.distance, 3 * block->count) || !are_bins(&v, block) ||
        !are_rows(v.rows_i8, block->count * stride)) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: a block has positions, lists or lengths that cannot be", what);
    }
    *vectors_out = v;
    return VS_OK;
}

static enum vs_status append_bins(const struct vs_drift *drift,
                                  uint32_t *bins_out,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    uint32_t bins = 0;
    for (uint32_t b = 0; b < VS_DRIFT_BINS; b++) {
        if (drift->distances[b] > 0) {
            uint8_t pair[8];
            vs_store_u32le(pair, b);
            vs_store_u32le(pair + 4, (uint32_t)drift->distances[b]);
            VS_TRY(vs_buf_append(out, pair, sizeof pair, err));
            bins++;
        }
    }
    *bins_out = bins;
    return VS_OK;
}

enum vs_status vs_part_block_append(const struct vs_part_column *column,
                                    struct vs_part_block *block,
                                    const struct vs_part_vectors *v,
                                    const struct vs_drift *drift,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    size_t start = out->len, n = block->count;
    VS_TRY(vs_buf_append_zeros(out, VS_PART_BLOCK_SIZE, err));
    VS_TRY(vs_buf_append(out, v->position, n * sizeof(uint32_t), err));
    VS_TRY(vs_buf_append(out, v->list, n * sizeof(uint32_t), err));
    VS_TRY(vs_buf_append(out, v->second, n * sizeof(uint32_t), err));
    VS_TRY(vs_buf_append(out, v->distance, n * sizeof(float), err));
    VS_TRY(vs_buf_append(out, v->scale, n * sizeof(float), err));
    VS_TRY(vs_buf_append(out, v->norm, n * sizeof(float), err));
    VS_TRY(append_bins(drift, &block->bins, out, err));
    VS_TRY(vs_buf_append(out, v->codes, n * (column->m / 2), err));
    VS_TRY(vs_buf_append(out, v->rows_i8, n * (size_t)vs_align64(column->dim), err));
    size_t bytes = out->len - start - VS_PART_BLOCK_SIZE;
    VS_TRY(vs_buf_append_zeros(out, (size_t)vs_align64(bytes) - bytes, err));
    block->length = vs_align64(bytes);
    block->error = drift->error;
    block->energy = drift->energy;
    block->crc = vs_crc32c(0, out->data + start + VS_PART_BLOCK_SIZE, (size_t)block->length);
    vs_part_block_encode(block, out->data + start);
    return VS_OK;
}
