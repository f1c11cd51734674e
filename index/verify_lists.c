// SPDX-License-Identifier: Apache-2.0
#include "index/verify_lists.h"

#include "index/blob_stream.h"
#include "index/index_internal.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <math.h>

struct checker {
    const struct vs_env *env;
    struct vs_file *file;
    const struct vs_op *op;
    const struct vs_index_column *column;
    uint64_t row_count;
    const struct vs_blob_entry *hot, *lists, *rows;
    struct vs_list_record *records;
    struct vs_hot_facts facts;
    struct vs_blob_stream codes, values, row_facts;
    uint64_t *seen; // rows that have a slot
};

static enum vs_status bad(const struct checker *c,
                          uint32_t list,
                          const char *what,
                          struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "%s: list %" PRIu32 " of column %" PRId32 ": %s", c->file->name,
                   list, c->column->field_id, what);
}

// ---- codes and slot references ----

static bool padding_is_zero(const uint8_t *section, uint32_t entries, size_t m)
{
    for (uint32_t pad = entries; pad < vs_list_blocks(entries) * VS_BLOCK_LANES; pad++) {
        const uint8_t *block = section + (size_t)(pad / VS_BLOCK_LANES) * 16 * m;
        unsigned lane = pad % VS_BLOCK_LANES, shift = lane < 16 ? 0 : 4;
        for (size_t s = 0; s < m; s++) {
            if ((block[16 * s + (lane & 15)] >> shift & 15) != 0) {
                return false;
            }
        }
    }
    return true;
}

static enum vs_status check_slots(const struct checker *c,
                                  uint32_t list,
                                  const uint8_t *slots,
                                  struct vs_error *err)
{
    const struct vs_list_record *record = &c->records[list];
    uint32_t own_end = record->first_slot + record->slot_count, before = 0;
    if (record->entry_count < record->slot_count) {
        return bad(c, list, "it has fewer entries than slots", err);
    }
    for (uint32_t i = 0; i < record->entry_count; i++) {
        uint32_t slot = vs_load_u32le(slots + 4 * (size_t)i);
        if (i < record->slot_count) {
            if (slot != record->first_slot + i) {
                return bad(c, list, "a first assignment does not refer to its own slot", err);
            }
            continue;
        }
        if (slot >= c->facts.slot_count || (slot >= record->first_slot && slot < own_end)) {
            return bad(c, list, "a second assignment refers to a slot of its own or to none", err);
        }
        if (i > record->slot_count && slot <= before) {
            return bad(c, list, "second assignments are not in order of slots", err);
        }
        before = slot;
    }
    return VS_OK;
}

static enum vs_status check_section(struct checker *c, uint32_t list, struct vs_error *err)
{
    const struct vs_list_record *record = &c->records[list];
    size_t m = c->column->m, length = (size_t)vs_list_bytes(record->entry_count, (uint32_t)m),
           padded = (size_t)vs_align64(length);
    const uint8_t *section = NULL;
    VS_TRY(vs_blob_stream_take(&c->codes, padded, &section, err));
    if (vs_crc32c(0, section, length) != record->list_crc) {
        return bad(c, list, "checksum of its codes is wrong", err);
    }
    for (size_t i = length; i < padded; i++) {
        if (section[i] != 0) {
            return bad(c, list, "padding behind it is not zero", err);
        }
    }
    if (!padding_is_zero(section, record->entry_count, m)) {
        return bad(c, list, "padding of its last block is not zero", err);
    }
    return check_slots(c, list, section + (size_t)vs_list_blocks(record->entry_count) * 16 * m,
                       err);
}

// ---- rows ----

static enum vs_status check_values(struct checker *c, uint32_t list, struct vs_error *err)
{
    const struct vs_list_record *record = &c->records[list];
    size_t dim = c->column->dim, stride = (size_t)vs_align64(dim),
           bytes = record->slot_count * stride;
    const uint8_t *values = NULL;
    VS_TRY(vs_blob_stream_take(&c->values, bytes, &values, err));
    if (vs_crc32c(0, values, bytes) != record->rows_crc) {
        return bad(c, list, "checksum of its int8 rows is wrong", err);
    }
    for (size_t i = 0; i < bytes; i++) {
        if (i % stride < dim ? values[i] == (uint8_t)INT8_MIN : values[i] != 0) {
            return bad(c, list, "an int8 row has a forbidden value", err);
        }
    }
    return VS_OK;
}

static enum vs_status check_facts(struct checker *c, uint32_t list, struct vs_error *err)
{
    const struct vs_list_record *record = &c->records[list];
    size_t bytes = (size_t)record->slot_count * VS_ROW_FACT_SIZE;
    const uint8_t *facts = NULL;
    VS_TRY(vs_blob_stream_take(&c->row_facts, bytes, &facts, err));
    if (vs_crc32c(0, facts, bytes) != record->facts_crc) {
        return bad(c, list, "checksum of its row facts is wrong", err);
    }
    for (size_t i = 0; i < bytes; i += VS_ROW_FACT_SIZE) {
        float scale = vs_load_f32le(facts + i), norm = vs_load_f32le(facts + i + 4);
        uint32_t row = vs_load_u32le(facts + i + 8);
        if (!isfinite(scale) || scale < 0.0F || !isfinite(norm) || norm < 0.0F ||
            vs_load_u32le(facts + i + 12) != 0) {
            return bad(c, list, "a row fact is not a finite number or not zero where it must be",
                       err);
        }
        if (row >= c->row_count || vs_bit_get(c->seen, row)) {
            return bad(c, list, "a row does not exist or has two slots", err);
        }
        vs_bit_set(c->seen, row);
    }
    return VS_OK;
}

// ---- one column of one segment ----

static enum vs_status check_headers(struct checker *c, struct vs_error *err)
{
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    struct vs_section_header header;
    VS_TRY(vs_file_read(c->file, c->lists->offset, sizeof bytes, bytes, err));
    VS_TRY(vs_section_header_decode(VS_SECTION_LISTS, bytes, c->lists->length, c->file->name,
                                    &header, err));
    bool fits = header.values[0] == c->facts.entry_count && header.values[1] == c->facts.m;
    VS_TRY(vs_file_read(c->file, c->rows->offset, sizeof bytes, bytes, err));
    VS_TRY(vs_section_header_decode(VS_SECTION_ROWS, bytes, c->rows->length, c->file->name, &header,
                                    err));
    fits = fits && header.values[0] == c->facts.slot_count && header.values[1] == c->column->dim &&
           header.values[2] == vs_align64(c->column->dim);
    return fits ? VS_OK
                : vs_fail(err, VS_CORRUPT,
                          "%s: lists or rows of column %" PRId32 " do not fit their directory",
                          c->file->name, c->column->field_id);
}

static enum vs_status read_directory(struct checker *c, struct vs_error *err)
{
    uint8_t *bytes = NULL;
    const struct vs_hot_expect expect = {c->column->list_count, c->column->m,     c->column->dim,
                                         c->row_count,          c->lists->length, c->rows->length};
    c->records = vs_alloc_zeroed(c->env, c->column->list_count, sizeof *c->records);
    c->seen = vs_alloc_zeroed(c->env, (size_t)c->row_count / 64 + 1, sizeof *c->seen);
    if (c->records == NULL || c->seen == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the verification");
    }
    VS_TRY(vs_index_blob_read(c->env, c->file, c->hot, &bytes, err));
    enum vs_status status =
        vs_hot_decode(bytes, c->hot->length, &expect, c->file->name, &c->facts, c->records, err);
    vs_free(c->env, bytes);
    return status;
}

static enum vs_status check_all(struct checker *c, struct vs_error *err)
{
    VS_TRY(read_directory(c, err));
    VS_TRY(check_headers(c, err));
    uint64_t rows_at = c->rows->offset + VS_SECTION_HEADER_SIZE,
             row_bytes = (uint64_t)c->facts.slot_count * vs_align64(c->column->dim);
    VS_TRY(vs_blob_stream_open(&c->codes, c->env, c->file,
                               c->lists->offset + VS_SECTION_HEADER_SIZE,
                               c->lists->length - VS_SECTION_HEADER_SIZE, err));
    VS_TRY(vs_blob_stream_open(&c->values, c->env, c->file, rows_at, row_bytes, err));
    VS_TRY(vs_blob_stream_open(&c->row_facts, c->env, c->file, rows_at + row_bytes,
                               (uint64_t)c->facts.slot_count * VS_ROW_FACT_SIZE, err));
    for (uint32_t l = 0; l < c->column->list_count; l++) {
        VS_TRY(vs_op_check(c->env, c->op, err));
        VS_TRY(check_section(c, l, err));
        VS_TRY(check_values(c, l, err));
        VS_TRY(check_facts(c, l, err));
    }
    return VS_OK;
}

enum vs_status vs_verify_lists(const struct vs_env *env,
                               struct vs_file *file,
                               const struct vs_descriptor *descriptor,
                               size_t segment,
                               size_t column,
                               const struct vs_op *op,
                               struct vs_error *err)
{
    struct checker c = {.env = env,
                        .file = file,
                        .op = op,
                        .column = &descriptor->info.columns[column],
                        .row_count = descriptor->info.segments[segment].row_count};
    c.hot = vs_descriptor_blob(descriptor, VS_BLOB_HOT, (int32_t)segment, c.column->field_id);
    c.lists = vs_descriptor_blob(descriptor, VS_BLOB_LISTS, (int32_t)segment, c.column->field_id);
    c.rows = vs_descriptor_blob(descriptor, VS_BLOB_ROWS, (int32_t)segment, c.column->field_id);
    if (c.hot == NULL || c.lists == NULL || c.rows == NULL ||
        c.lists->length < VS_SECTION_HEADER_SIZE || c.rows->length < VS_SECTION_HEADER_SIZE) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: segment %zu lacks the directory, lists or rows of column %" PRId32,
                       file->name, segment, c.column->field_id);
    }
    enum vs_status status = check_all(&c, err);
    vs_free(env, c.records);
    vs_free(env, c.seen);
    vs_blob_stream_clear(&c.codes);
    vs_blob_stream_clear(&c.values);
    vs_blob_stream_clear(&c.row_facts);
    return status;
}
