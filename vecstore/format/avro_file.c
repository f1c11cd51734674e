// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/avro_file.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/base/seal.h"
#include "vecstore/format/avro_internal.h"
#include "vecstore/format/codec.h"

#define MAX_HEADER_KEYS 256
#define MAX_BLOCK_BYTES ((size_t)1 << 30)  // decompressed
#define MAX_VALUE_BYTES ((size_t)2 << 30)  // decoded values of one record
#define KEEP_VALUE_BYTES ((size_t)1 << 20) // start a fresh arena beyond this
#define SYNC_SIZE 16u

struct header_entry {
    struct vs_str key, value;
};

struct vs_avro_file {
    const struct vs_env *env;
    const char *what; // in `arena`
    struct vs_arena arena;
    struct vs_arena values; // of the current record
    struct vs_reader reader;
    const uint8_t *sync;
    const struct vs_avro_node *schema;
    enum vs_codec codec;
    size_t header_count;
    struct header_entry header[MAX_HEADER_KEYS];
    struct vs_buf block;
    struct vs_reader records; // of the current block
    uint64_t left;            // records left in it
    struct vs_avro_value record;
    const int32_t *raw_ids; // borrowed
    size_t raw_count;
};

static enum vs_status read_header(struct vs_avro_file *file, struct vs_error *err)
{
    struct vs_reader *r = &file->reader;
    const uint8_t *magic;
    size_t count;
    VS_TRY(vs_read_bytes(r, 4, &magic, err));
    if (memcmp(magic, "AGS1", 4) == 0) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s is encrypted (Iceberg AES GCM stream); encrypted tables cannot be read",
                       file->what);
    }
    if (memcmp(magic, "Obj\1", 4) != 0) {
        return vs_fail(err, VS_CORRUPT, "%s is not an Avro file: it does not begin with 'Obj' 01",
                       file->what);
    }
    for (;;) {
        VS_TRY(vs_avro_read_count(r, 2, &count, err));
        if (count == 0) {
            break;
        }
        if (count > MAX_HEADER_KEYS - file->header_count) {
            return vs_fail(err, VS_LIMIT, "%s: the Avro header has more than %d keys", file->what,
                           MAX_HEADER_KEYS);
        }
        for (size_t i = 0; i < count; i++) {
            struct header_entry *entry = &file->header[file->header_count];
            VS_TRY(vs_avro_read_bytes(r, &entry->key, err));
            VS_TRY(vs_avro_read_bytes(r, &entry->value, err));
            file->header_count++;
        }
    }
    return vs_read_bytes(r, SYNC_SIZE, &file->sync, err);
}

static enum vs_status choose_codec(struct vs_avro_file *file, struct vs_error *err)
{
    struct vs_str name = vs_avro_file_header(file, "avro.codec");
    if (name.len == 0 || vs_str_equal_c(name, "null")) {
        file->codec = VS_CODEC_NONE;
    } else if (vs_str_equal_c(name, "deflate")) {
        file->codec = VS_CODEC_DEFLATE_RAW;
    } else if (vs_str_equal_c(name, "snappy")) {
        file->codec = VS_CODEC_SNAPPY;
    } else if (vs_str_equal_c(name, "zstandard")) {
        file->codec = VS_CODEC_ZSTD;
    } else {
        return vs_fail(
            err, VS_UNSUPPORTED,
            "%s: Avro codec '%.*s' is not supported; known are null, deflate, snappy and zstandard",
            file->what, VS_STR_ARG(name));
    }
    return VS_OK;
}

static enum vs_status check_seal(const struct vs_avro_file *file,
                                 struct vs_str bytes,
                                 struct vs_error *err)
{
    struct vs_str seal = vs_avro_file_header(file, VS_AVRO_SEAL_KEY);
    if (seal.ptr == NULL || (seal.len == VS_SEAL_SIZE &&
                             vs_seal_holds(bytes.ptr, bytes.len, (size_t)(seal.ptr - bytes.ptr)))) {
        return VS_OK;
    }
    return vs_fail(err, VS_CORRUPT,
                   "%s was damaged after it was written: its checksum (header key %s) is wrong",
                   file->what, VS_AVRO_SEAL_KEY);
}

static enum vs_status open_inner(struct vs_avro_file *file,
                                 struct vs_str bytes,
                                 const char *what,
                                 struct vs_error *err)
{
    file->what = vs_arena_copy_c(&file->arena, what);
    if (file->what == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory to read it", what);
    }
    vs_reader_init(&file->reader, bytes.ptr, bytes.len, file->what);
    VS_TRY(read_header(file, err));
    VS_TRY(check_seal(file, bytes, err));
    VS_TRY(choose_codec(file, err));
    struct vs_str schema = vs_avro_file_header(file, "avro.schema");
    if (schema.ptr == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s: the Avro header has no avro.schema", file->what);
    }
    return vs_avro_schema_parse(file->env, schema, file->what, &file->arena, &file->schema, err);
}

enum vs_status vs_avro_file_open(const struct vs_env *env,
                                 struct vs_str bytes,
                                 const char *what,
                                 struct vs_avro_file **file_out,
                                 struct vs_error *err)
{
    struct vs_avro_file *file = vs_alloc_zeroed(env, 1, sizeof *file);
    if (file == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory to read it", what);
    }
    file->env = env;
    vs_arena_init(&file->arena, env, 0);
    vs_arena_init(&file->values, env, MAX_VALUE_BYTES);
    vs_buf_init(&file->block, env, MAX_BLOCK_BYTES);
    enum vs_status status = open_inner(file, bytes, what, err);
    if (status != VS_OK) {
        vs_avro_file_close(file);
        return status;
    }
    *file_out = file;
    return VS_OK;
}

void vs_avro_file_close(struct vs_avro_file *file)
{
    if (file == NULL) {
        return;
    }
    const struct vs_env *env = file->env;
    vs_buf_clear(&file->block);
    vs_arena_clear(&file->values);
    vs_arena_clear(&file->arena);
    vs_free(env, file);
}

const struct vs_avro_node *vs_avro_file_schema(const struct vs_avro_file *file)
{
    return file->schema;
}

struct vs_str vs_avro_file_header(const struct vs_avro_file *file, const char *key)
{
    for (size_t i = 0; i < file->header_count; i++) {
        if (vs_str_equal_c(file->header[i].key, key)) {
            return file->header[i].value;
        }
    }
    return (struct vs_str){NULL, 0};
}

void vs_avro_file_keep_raw(struct vs_avro_file *file, const int32_t *field_ids, size_t count)
{
    file->raw_ids = field_ids;
    file->raw_count = count;
}

size_t vs_avro_file_header_count(const struct vs_avro_file *file)
{
    return file->header_count;
}

struct vs_str vs_avro_file_header_key(const struct vs_avro_file *file, size_t index)
{
    return file->header[index].key;
}

static enum vs_status check_snappy_crc(struct vs_avro_file *file,
                                       const uint8_t *trailer,
                                       struct vs_error *err)
{
    uint32_t stored = (uint32_t)trailer[0] << 24 | (uint32_t)trailer[1] << 16 |
                      (uint32_t)trailer[2] << 8 | trailer[3];
    if (vs_crc32_zlib(0, file->block.data, file->block.len) != stored) {
        return vs_reader_fail(&file->reader, err, "the checksum of a snappy block is wrong");
    }
    return VS_OK;
}

static enum vs_status decompress(struct vs_avro_file *file,
                                 const uint8_t *bytes,
                                 size_t size,
                                 struct vs_error *err)
{
    vs_buf_reset(&file->block);
    size_t trailer = file->codec == VS_CODEC_SNAPPY ? 4 : 0;
    if (size < trailer) {
        return vs_reader_fail(&file->reader, err, "a snappy block has no checksum");
    }
    enum vs_status status =
        vs_codec_decompress_stream(file->codec, bytes, size - trailer, &file->block, err);
    if (status != VS_OK) {
        return vs_wrap(err, status, "%s: Avro block at byte %zu", file->what,
                       vs_reader_offset(&file->reader));
    }
    if (trailer != 0) {
        VS_TRY(check_snappy_crc(file, bytes + size - trailer, err));
    }
    vs_reader_init(&file->records, file->block.data, file->block.len, file->what);
    return VS_OK;
}

static enum vs_status next_block(struct vs_avro_file *file, struct vs_error *err)
{
    struct vs_reader *r = &file->reader;
    int64_t count, size;
    const uint8_t *bytes, *sync;
    VS_TRY(vs_read_zigzag(r, &count, err));
    VS_TRY(vs_read_zigzag(r, &size, err));
    if (count < 0 || size < 0 || (uint64_t)size > vs_reader_left(r)) {
        return vs_reader_fail(r, err, "a block has an impossible count or size");
    }
    VS_TRY(vs_read_bytes(r, (size_t)size, &bytes, err));
    VS_TRY(vs_read_bytes(r, SYNC_SIZE, &sync, err));
    if (memcmp(sync, file->sync, SYNC_SIZE) != 0) {
        return vs_reader_fail(r, err, "a block does not end with the file's sync marker");
    }
    if (file->codec == VS_CODEC_NONE) {
        vs_reader_init(&file->records, bytes, (size_t)size, file->what);
    } else {
        VS_TRY(decompress(file, bytes, (size_t)size, err));
    }
    size_t min_bytes = file->schema->min_bytes;
    uint64_t most =
        min_bytes == 0 ? VS_AVRO_MAX_EMPTY_ITEMS : vs_reader_left(&file->records) / min_bytes;
    if ((uint64_t)count > most) {
        return vs_reader_fail(r, err, "a block counts more records than its bytes can hold");
    }
    file->left = (uint64_t)count;
    return VS_OK;
}

enum vs_status vs_avro_file_next(struct vs_avro_file *file,
                                 const struct vs_avro_value **record_out,
                                 struct vs_error *err)
{
    while (file->left == 0) {
        if (file->records.next != file->records.end) {
            return vs_reader_fail(&file->reader, err, "a block holds more bytes than its records");
        }
        if (vs_reader_left(&file->reader) == 0) {
            *record_out = NULL;
            return VS_OK;
        }
        VS_TRY(next_block(file, err));
    }
    if (file->values.used_bytes > KEEP_VALUE_BYTES) {
        vs_arena_clear(&file->values);
    }
    struct vs_avro_decoder decoder = {.reader = &file->records,
                                      .arena = &file->values,
                                      .raw_ids = file->raw_ids,
                                      .raw_count = file->raw_count};
    VS_TRY(vs_avro_decode(&decoder, file->schema, 0, &file->record, err));
    file->left--;
    *record_out = &file->record;
    return VS_OK;
}
