// SPDX-License-Identifier: Apache-2.0
#include "index/index_write.h"

#include "index/index_format.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <stdio.h>

#define COPY_BYTES (UINT64_C(256) << 20) // between two looks at whether to stop

enum vs_status vs_index_writer_open(struct vs_index_writer *writer,
                                    const struct vs_env *env,
                                    struct vs_writer *out,
                                    int64_t snapshot_id,
                                    int64_t sequence_number,
                                    struct vs_error *err)
{
    *writer = (struct vs_index_writer){
        .env = env, .snapshot_id = snapshot_id, .sequence_number = sequence_number};
    return vs_puffin_writer_open(env, out, &writer->puffin, err);
}

void vs_index_writer_clear(struct vs_index_writer *writer)
{
    if (writer->puffin != NULL) {
        vs_puffin_writer_free(writer->puffin);
    }
    vs_free(writer->env, writer->blobs);
    *writer = (struct vs_index_writer){.env = writer->env};
}

static enum vs_status begin(struct vs_index_writer *writer,
                            const char *type,
                            int32_t field_id,
                            struct vs_puffin_property *property,
                            struct vs_error *err)
{
    // fields is not const in the struct, but is only read by the writer.
    int32_t *all = (int32_t *)(uintptr_t)writer->all_fields;
    struct vs_puffin_blob blob = {.type = vs_str_from_c(type),
                                  .field_count = field_id >= 0 ? 1 : writer->all_field_count,
                                  .fields = field_id >= 0 ? &field_id : all,
                                  .snapshot_id = writer->snapshot_id,
                                  .sequence_number = writer->sequence_number,
                                  .property_count = property != NULL,
                                  .properties = property};
    writer->crc = 0;
    return vs_puffin_writer_begin(writer->puffin, &blob, VS_INDEX_ALIGN, err);
}

enum vs_status vs_index_blob_begin(struct vs_index_writer *writer,
                                   const char *type,
                                   int32_t segment,
                                   int32_t field_id,
                                   struct vs_error *err)
{
    if (writer->blob_count == writer->blob_capacity) {
        size_t capacity = writer->blob_capacity * 2 + 16;
        struct vs_blob_entry *blobs =
            vs_realloc(writer->env, writer->blobs, capacity * sizeof *blobs);
        if (blobs == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
        }
        writer->blobs = blobs;
        writer->blob_capacity = capacity;
    }
    VS_TRY(begin(writer, type, field_id, NULL, err));
    writer->blobs[writer->blob_count] = (struct vs_blob_entry){
        .type = vs_str_from_c(type), .segment = segment, .field_id = field_id};
    return VS_OK;
}

enum vs_status vs_index_blob_write(struct vs_index_writer *writer,
                                   const void *bytes,
                                   size_t n,
                                   struct vs_error *err)
{
    writer->crc = vs_crc32c(writer->crc, bytes, n);
    return vs_puffin_writer_write(writer->puffin, bytes, n, err);
}

enum vs_status vs_index_blob_copy(struct vs_index_writer *writer,
                                  struct vs_file *file,
                                  const struct vs_blob_entry *blob,
                                  const struct vs_op *op,
                                  struct vs_error *err)
{
    struct vs_copied copied = {.all_read = true};
    for (uint64_t at = 0; at < blob->length; at += COPY_BYTES) {
        uint64_t left = blob->length - at;
        VS_TRY(vs_op_check(writer->env, op, err));
        VS_TRY(vs_puffin_writer_copy(writer->puffin, file, blob->offset + at,
                                     left < COPY_BYTES ? left : COPY_BYTES, &copied, err));
    }
    if (copied.all_read && copied.crc != blob->crc) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: checksum of blob %.*s at offset %" PRIu64
                       " is wrong; rebuild the index",
                       file->name, VS_STR_ARG(blob->type), blob->offset);
    }
    writer->crc = blob->crc;
    return VS_OK;
}

enum vs_status vs_index_blob_end(struct vs_index_writer *writer, struct vs_error *err)
{
    struct vs_blob_entry *blob = &writer->blobs[writer->blob_count];
    VS_TRY(vs_puffin_writer_end(writer->puffin, &blob->offset, &blob->length, err));
    blob->crc = writer->crc;
    writer->blob_count++;
    return VS_OK;
}

enum vs_status vs_index_blob_put(struct vs_index_writer *writer,
                                 const char *type,
                                 int32_t segment,
                                 int32_t field_id,
                                 const void *bytes,
                                 size_t n,
                                 struct vs_error *err)
{
    VS_TRY(vs_index_blob_begin(writer, type, segment, field_id, err));
    VS_TRY(vs_index_blob_write(writer, bytes, n, err));
    return vs_index_blob_end(writer, err);
}

enum vs_status vs_index_blob_carry(struct vs_index_writer *writer,
                                   const struct vs_puffin_blob *blob,
                                   struct vs_str bytes,
                                   struct vs_error *err)
{
    VS_TRY(vs_puffin_writer_begin(writer->puffin, blob, VS_INDEX_ALIGN, err));
    VS_TRY(vs_puffin_writer_write(writer->puffin, bytes.ptr, bytes.len, err));
    return vs_puffin_writer_end(writer->puffin, NULL, NULL, err);
}

static enum vs_status put_descriptor(struct vs_index_writer *writer,
                                     struct vs_buf *text,
                                     struct vs_error *err)
{
    char hex[9];
    snprintf(hex, sizeof hex, "%08" PRIx32, vs_crc32c(0, text->data, text->len));
    struct vs_puffin_property property = {VS_STR("crc32c"), vs_str_from_c(hex)};
    VS_TRY(begin(writer, VS_BLOB_DESCRIPTOR, -1, &property, err));
    VS_TRY(vs_puffin_writer_write(writer->puffin, text->data, text->len, err));
    return vs_puffin_writer_end(writer->puffin, NULL, NULL, err);
}

enum vs_status vs_index_writer_finish(struct vs_index_writer *writer,
                                      struct vs_descriptor *descriptor,
                                      uint64_t *file_size_out,
                                      uint64_t *footer_size_out,
                                      struct vs_error *err)
{
    descriptor->blobs = writer->blobs;
    descriptor->blob_count = writer->blob_count;
    struct vs_buf text;
    vs_buf_init(&text, writer->env, VS_INDEX_MAX_DESCRIPTOR);
    enum vs_status status = vs_descriptor_encode(descriptor, &text, err);
    if (status == VS_OK) {
        status = put_descriptor(writer, &text, err);
    }
    vs_buf_clear(&text);
    if (status != VS_OK) {
        return status;
    }
    return vs_puffin_writer_finish(writer->puffin, NULL, 0, file_size_out, footer_size_out, err);
}
