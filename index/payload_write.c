// SPDX-License-Identifier: Apache-2.0
// The payload blob, writing: docs/format/index-v1-blobs.md section 3.
#include "index/attr_layout.h"
#include "index/attrs.h"
#include "index/payload_internal.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/format/codec.h"

#define BLOCK_BYTES 16384 // raw
#define ZSTD_LEVEL 3

struct vs_payload_writer {
    const struct vs_env *env;
    struct vs_field *fields; // names borrowed
    size_t field_count;
    struct vs_batch pending;
    uint64_t pending_bytes;
    uint64_t row_count, written;
    struct vs_buf raw;
    struct vs_buf blocks; // directory entries
    uint64_t block_count;
};

enum vs_status vs_payload_writer_open(const struct vs_env *env,
                                      const struct vs_field *fields,
                                      size_t field_count,
                                      struct vs_payload_writer **writer_out,
                                      struct vs_error *err)
{
    if (field_count == 0 || field_count > VS_PAYLOAD_FIELDS_MAX) {
        return vs_fail(err, VS_INVALID, "a payload has 1 to %d fields, not %zu",
                       VS_PAYLOAD_FIELDS_MAX, field_count);
    }
    struct vs_payload_writer *writer = vs_alloc_zeroed(env, 1, sizeof *writer);
    if (writer == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a payload writer");
    }
    writer->env = env;
    writer->field_count = field_count;
    vs_buf_init(&writer->raw, env, VS_PAYLOAD_RAW_MAX);
    vs_buf_init(&writer->blocks, env, SIZE_MAX / 2);
    enum vs_status status = VS_OK;
    writer->fields = vs_alloc_zeroed(env, field_count, sizeof *fields);
    if (writer->fields == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory for a payload writer");
    } else {
        memcpy(writer->fields, fields, field_count * sizeof *fields);
        status = vs_batch_init(&writer->pending, env, writer->fields, field_count, err);
    }
    if (status == VS_OK) {
        *writer_out = writer;
    } else {
        vs_payload_writer_free(writer);
    }
    return status;
}

void vs_payload_writer_free(struct vs_payload_writer *writer)
{
    if (writer != NULL) {
        vs_batch_clear(&writer->pending);
        vs_buf_clear(&writer->raw);
        vs_buf_clear(&writer->blocks);
        vs_free(writer->env, writer->fields);
        vs_free(writer->env, writer);
    }
}

static enum vs_status encode_raw(struct vs_payload_writer *writer, struct vs_error *err)
{
    struct vs_buf *raw = &writer->raw;
    size_t lens = (4 * writer->field_count + 7) & ~(size_t)7;
    vs_buf_reset(raw);
    VS_TRY(vs_buf_append_zeros(raw, lens, err));
    for (size_t f = 0; f < writer->field_count; f++) {
        size_t before = raw->len;
        VS_TRY(
            vs_attr_encode_part(&writer->pending.columns[f], &writer->fields[f], false, raw, err));
        vs_store_u32le(raw->data + 4 * f, (uint32_t)(raw->len - before));
    }
    return VS_OK;
}

// Compresses the pending rows into `out`.
static enum vs_status flush_block(struct vs_payload_writer *writer,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    size_t rows = writer->pending.row_count, before = out->len;
    VS_TRY(encode_raw(writer, err));
    VS_TRY(
        vs_codec_compress(VS_CODEC_ZSTD, ZSTD_LEVEL, writer->raw.data, writer->raw.len, out, err));
    size_t stored = out->len - before;
    uint8_t entry[VS_PAYLOAD_BLOCK_LEN];
    vs_store_u64le(entry, writer->written);
    vs_store_u32le(entry + 8, (uint32_t)stored);
    vs_store_u32le(entry + 12, (uint32_t)writer->raw.len);
    vs_store_u32le(entry + 16, (uint32_t)writer->row_count);
    vs_store_u32le(entry + 20, vs_crc32c(0, out->data + before, stored));
    VS_TRY(vs_buf_append(&writer->blocks, entry, sizeof entry, err));
    writer->block_count++;
    writer->written += stored;
    writer->row_count += rows;
    vs_batch_reset(&writer->pending);
    writer->pending_bytes = 0;
    return VS_OK;
}

static uint64_t column_row_bytes(const struct vs_column *column, size_t row)
{
    if (column->kind == VS_KIND_LIST) {
        size_t first, count;
        uint64_t bytes = 4;
        vs_column_get_list(column, row, &first, &count);
        if (!vs_attr_is_text(column->child->kind)) {
            return bytes + count * vs_kind_width(column->child->kind);
        }
        for (size_t i = first; i < first + count; i++) {
            bytes += 4 + vs_column_get_bytes(column->child, i).len;
        }
        return bytes;
    }
    return vs_attr_is_text(column->kind) ? 4 + vs_column_get_bytes(column, row).len
                                         : vs_kind_width(column->kind);
}

static uint64_t row_bytes(const struct vs_batch *batch, size_t row)
{
    uint64_t bytes = 0;
    for (size_t f = 0; f < batch->column_count; f++) {
        bytes += column_row_bytes(&batch->columns[f], row);
    }
    return bytes;
}

static enum vs_status add_pending(struct vs_payload_writer *writer,
                                  const struct vs_batch *batch,
                                  size_t first,
                                  size_t count,
                                  struct vs_error *err)
{
    for (size_t f = 0; f < writer->field_count; f++) {
        VS_TRY(vs_column_append_rows(&writer->pending.columns[f], &batch->columns[f], first, count,
                                     err));
    }
    writer->pending.row_count += count;
    return VS_OK;
}

enum vs_status vs_payload_writer_add(struct vs_payload_writer *writer,
                                     const struct vs_batch *batch,
                                     struct vs_buf *out,
                                     struct vs_error *err)
{
    if (batch->column_count != writer->field_count) {
        return vs_fail(err, VS_INTERNAL, "a payload of %zu fields was given %zu columns",
                       writer->field_count, batch->column_count);
    }
    if (batch->row_count > UINT32_MAX - writer->row_count - writer->pending.row_count) {
        return vs_fail(err, VS_LIMIT, "a segment holds at most 4294967295 rows");
    }
    for (size_t first = 0; first < batch->row_count;) {
        size_t count = 0;
        while (first + count < batch->row_count && writer->pending_bytes < BLOCK_BYTES) {
            writer->pending_bytes += row_bytes(batch, first + count);
            count++;
        }
        VS_TRY(add_pending(writer, batch, first, count, err));
        first += count;
        if (writer->pending_bytes >= BLOCK_BYTES) {
            VS_TRY(flush_block(writer, out, err));
        }
    }
    return VS_OK;
}

static enum vs_status append_directory(const struct vs_payload_writer *writer,
                                       struct vs_buf *out,
                                       struct vs_error *err)
{
    uint8_t head[VS_PAYLOAD_HEAD_LEN] = VS_PAYLOAD_MAGIC;
    vs_store_u16le(head + 4, 1);
    vs_store_u16le(head + 6, (uint16_t)writer->field_count);
    vs_store_u64le(head + 8, writer->row_count);
    vs_store_u64le(head + 16, writer->block_count);
    VS_TRY(vs_buf_append(out, head, sizeof head, err));
    for (size_t f = 0; f < writer->field_count; f++) {
        const struct vs_field *field = &writer->fields[f];
        bool is_list = field->kind == VS_KIND_LIST;
        uint8_t entry[VS_PAYLOAD_FIELD_LEN] = {0};
        vs_store_u32le(entry, (uint32_t)field->id);
        entry[4] = (uint8_t)field->kind;
        entry[5] = (uint8_t)(is_list ? (unsigned)field->element_kind : VS_PAYLOAD_NO_ELEMENT);
        VS_TRY(vs_buf_append(out, entry, sizeof entry, err));
    }
    return vs_buf_append_str(out, vs_buf_view(&writer->blocks), err);
}

enum vs_status vs_payload_writer_finish(struct vs_payload_writer *writer,
                                        struct vs_buf *out,
                                        struct vs_error *err)
{
    if (writer->pending.row_count > 0) {
        VS_TRY(flush_block(writer, out, err));
    }
    size_t start = out->len;
    VS_TRY(append_directory(writer, out, err));
    uint8_t crc[4];
    vs_store_u32le(crc, vs_crc32c(0, out->data + start, out->len - start));
    VS_TRY(vs_buf_append(out, crc, sizeof crc, err));
    uint8_t trailer[VS_PAYLOAD_TRAILER_LEN];
    vs_store_u64le(trailer, out->len - start);
    vs_store_u32le(trailer + 8, vs_crc32c(0, trailer, 8));
    memcpy(trailer + 12, VS_PAYLOAD_TRAILER_MAGIC, 4);
    return vs_buf_append(out, trailer, sizeof trailer, err);
}
