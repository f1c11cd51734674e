// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/bytes.h"
#include "vecstore/base/seal.h"
#include "vecstore/format/avro_file.h"
#include "vecstore/format/codec.h"

#define BLOCK_BYTES ((size_t)64 << 10) // uncompressed; Java's default is 64,000
#define MAX_RECORD_BYTES ((size_t)1 << 30)
#define DEFLATE_LEVEL 6

enum vs_status vs_avro_put_long(struct vs_buf *out, int64_t value, struct vs_error *err)
{
    uint8_t bytes[10];
    size_t n = 0;
    uint64_t zigzag = ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
    while (zigzag >= 0x80) {
        bytes[n++] = (uint8_t)(zigzag | 0x80);
        zigzag >>= 7;
    }
    bytes[n++] = (uint8_t)zigzag;
    return vs_buf_append(out, bytes, n, err);
}

enum vs_status vs_avro_put_bytes(struct vs_buf *out, struct vs_str bytes, struct vs_error *err)
{
    VS_TRY(vs_avro_put_long(out, (int64_t)bytes.len, err));
    return vs_buf_append(out, bytes.ptr, bytes.len, err);
}

static enum vs_status put_pair(struct vs_buf *out,
                               const char *key,
                               struct vs_str value,
                               struct vs_error *err)
{
    VS_TRY(vs_avro_put_bytes(out, vs_str_from_c(key), err));
    return vs_avro_put_bytes(out, value, err);
}

enum vs_status vs_avro_writer_init(struct vs_avro_writer *writer,
                                   struct vs_buf *out,
                                   struct vs_str schema_json,
                                   const struct vs_avro_header *header,
                                   size_t header_count,
                                   struct vs_error *err)
{
    *writer = (struct vs_avro_writer){.out = out, .start = out->len};
    vs_buf_init(&writer->block, out->env, MAX_RECORD_BYTES);
    vs_store_u64le(writer->sync, vs_random_u64(out->env));
    vs_store_u64le(writer->sync + 8, vs_random_u64(out->env));
    VS_TRY(vs_buf_append(out, "Obj\1", 4, err));
    VS_TRY(vs_avro_put_long(out, (int64_t)header_count + 3, err));
    VS_TRY(put_pair(out, "avro.schema", schema_json, err));
    VS_TRY(put_pair(out, "avro.codec", VS_STR("deflate"), err));
    for (size_t i = 0; i < header_count; i++) {
        VS_TRY(put_pair(out, header[i].key, header[i].value, err));
    }
    VS_TRY(put_pair(out, VS_AVRO_SEAL_KEY, VS_STR(VS_SEAL_BLANK), err));
    writer->seal_at = out->len - VS_SEAL_SIZE - writer->start;
    VS_TRY(vs_avro_put_long(out, 0, err));
    return vs_buf_append(out, writer->sync, sizeof writer->sync, err);
}

static enum vs_status flush(struct vs_avro_writer *writer, struct vs_error *err)
{
    if (writer->record_count == 0) {
        return VS_OK;
    }
    struct vs_buf packed;
    vs_buf_init(&packed, writer->out->env, MAX_RECORD_BYTES);
    enum vs_status status = vs_codec_compress(VS_CODEC_DEFLATE_RAW, DEFLATE_LEVEL,
                                              writer->block.data, writer->block.len, &packed, err);
    if (status == VS_OK) {
        status = vs_avro_put_long(writer->out, (int64_t)writer->record_count, err);
    }
    if (status == VS_OK) {
        status = vs_avro_put_bytes(writer->out, vs_buf_view(&packed), err);
    }
    if (status == VS_OK) {
        status = vs_buf_append(writer->out, writer->sync, sizeof writer->sync, err);
    }
    vs_buf_clear(&packed);
    vs_buf_reset(&writer->block);
    writer->record_count = 0;
    return status;
}

enum vs_status vs_avro_writer_end_record(struct vs_avro_writer *writer, struct vs_error *err)
{
    writer->record_count++;
    return writer->block.len >= BLOCK_BYTES ? flush(writer, err) : VS_OK;
}

enum vs_status vs_avro_writer_finish(struct vs_avro_writer *writer, struct vs_error *err)
{
    VS_TRY(flush(writer, err));
    vs_seal_write(writer->out->data + writer->start, writer->out->len - writer->start,
                  writer->seal_at);
    return VS_OK;
}

void vs_avro_writer_clear(struct vs_avro_writer *writer)
{
    vs_buf_clear(&writer->block);
}
