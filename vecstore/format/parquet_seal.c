// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/parquet_seal.h"

#include "vecstore/base/crc32c.h"
#include "vecstore/base/seal.h"

#include <stdio.h>
#include <string.h>

#define PIECE ((size_t)256 << 10)
#define VALUE_HEAD 2 // Thrift: type of the value's field and the length of its text

bool vs_pq_seal_find(struct vs_str footer, size_t *at_out)
{
    const size_t key = sizeof VS_PQ_SEAL_KEY - 1, all = key + VALUE_HEAD + VS_SEAL_SIZE;
    static const uint8_t head[VALUE_HEAD] = {0x18, VS_SEAL_SIZE}; // next field, binary; length
    for (size_t end = footer.len; end >= all; end--) { // the last one: names may hold the key
        const char *at = footer.ptr + end - all;
        if (memcmp(at, VS_PQ_SEAL_KEY, key) == 0 && memcmp(at + key, head, sizeof head) == 0) {
            *at_out = end - VS_SEAL_SIZE;
            return true;
        }
    }
    return false;
}

static struct vs_str value_of(const struct vs_parquet_reader *reader, const char *key)
{
    for (size_t i = 0; i < reader->meta.key_value_count; i++) {
        if (vs_str_equal_c(reader->meta.key_values[i].key, key)) {
            return reader->meta.key_values[i].value;
        }
    }
    return (struct vs_str){NULL, 0};
}

// Where the page indexes begin; data_end when there are none.
static uint64_t indexes_start(const struct vs_parquet_reader *reader)
{
    uint64_t start = reader->data_end;
    for (size_t g = 0; g < reader->meta.row_group_count; g++) {
        const struct vs_pq_row_group *group = &reader->meta.row_groups[g];
        for (size_t i = 0; i < group->column_count; i++) {
            const struct vs_pq_column_chunk *chunk = &group->columns[i];
            int64_t offsets[2] = {chunk->column_index_offset, chunk->offset_index_offset};
            for (size_t k = 0; k < 2; k++) {
                if (offsets[k] > 0 && (uint64_t)offsets[k] < start) {
                    start = (uint64_t)offsets[k];
                }
            }
        }
    }
    return start;
}

enum vs_status vs_pq_seal_check(struct vs_parquet_reader *reader,
                                struct vs_str footer,
                                struct vs_error *err)
{
    size_t at;
    struct vs_str seal = value_of(reader, VS_PQ_SEAL_KEY);
    struct vs_str crc = value_of(reader, VS_PQ_INDEX_CRC_KEY);
    bool holds = seal.ptr == NULL || (vs_pq_seal_find(footer, &at) && seal.len == VS_SEAL_SIZE &&
                                      vs_seal_holds(footer.ptr, footer.len, at));
    if (!holds) {
        return vs_fail(err, VS_CORRUPT,
                       "the footer was damaged after it was written: its checksum "
                       "is wrong");
    }
    if (crc.ptr != NULL && crc.len == VS_SEAL_SIZE) {
        memcpy(reader->index_crc, crc.ptr, VS_SEAL_SIZE);
        reader->index_start = indexes_start(reader);
        if (reader->index_start < reader->data_end) {
            reader->indexes_unchecked = vs_arena_alloc(&reader->arena, sizeof(atomic_bool));
            if (reader->indexes_unchecked == NULL) {
                return vs_fail(err, VS_NO_MEMORY, "no memory for the footer");
            }
            atomic_init(reader->indexes_unchecked, true);
        }
    }
    return VS_OK;
}

enum vs_status vs_pq_indexes_check(const struct vs_parquet_reader *reader, struct vs_error *err)
{
    if (reader->indexes_unchecked == NULL || !atomic_load(reader->indexes_unchecked)) {
        return VS_OK;
    }
    char digits[VS_SEAL_SIZE + 1];
    uint32_t crc = 0;
    uint8_t *bytes = vs_alloc(reader->env, PIECE);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for its page indexes", reader->file->name);
    }
    enum vs_status status = VS_OK;
    for (uint64_t at = reader->index_start; status == VS_OK && at < reader->data_end;) {
        size_t len = reader->data_end - at < PIECE ? (size_t)(reader->data_end - at) : PIECE;
        status = vs_file_read(reader->file, at, len, bytes, err);
        crc = status == VS_OK ? vs_crc32c(crc, bytes, len) : crc;
        at += len;
    }
    if (status == VS_OK) {
        (void)snprintf(digits, sizeof digits, "%08x", crc);
        if (memcmp(digits, reader->index_crc, VS_SEAL_SIZE) == 0) {
            atomic_store(reader->indexes_unchecked, false);
        } else {
            status = vs_fail(err, VS_CORRUPT,
                             "%s: the page indexes were damaged after they were written: their "
                             "checksum is wrong",
                             reader->file->name);
        }
    }
    vs_free(reader->env, bytes);
    return status;
}
