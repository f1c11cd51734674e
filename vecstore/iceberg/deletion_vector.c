// SPDX-License-Identifier: Apache-2.0
#include "vecstore/iceberg/deletion_vector.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/format/codec.h"
#include "vecstore/iceberg/iceberg_internal.h"

#include <stdio.h>

#define LENGTH_SIZE 4
#define MAGIC_SIZE 4
#define CRC_SIZE 4
#define FRAME_SIZE (LENGTH_SIZE + MAGIC_SIZE + CRC_SIZE)

static const uint8_t magic[MAGIC_SIZE] = {0xd1, 0xd3, 0x39, 0x64};

bool vs_is_deletion_vector(const struct vs_data_file *entry)
{
    return entry->content == VS_CONTENT_POSITION_DELETES &&
           (entry->content_offset >= 0 || vs_str_equal_nocase(entry->format, VS_STR("PUFFIN")));
}

static uint32_t load_u32be(const void *p)
{
    return __builtin_bswap32(vs_load_u32le(p));
}

static void store_u32be(void *p, uint32_t value)
{
    vs_store_u32le(p, __builtin_bswap32(value));
}

enum vs_status vs_deletion_vector_decode(const struct vs_env *env,
                                         struct vs_str blob,
                                         const char *what,
                                         struct vs_bitmap *bitmap_out,
                                         struct vs_error *err)
{
    if (blob.len < FRAME_SIZE) {
        return vs_fail(err, VS_CORRUPT, "%s is no deletion vector: it has only %zu bytes", what,
                       blob.len);
    }
    const uint8_t *bytes = (const uint8_t *)blob.ptr;
    const uint8_t *crc_at = bytes + blob.len - CRC_SIZE;
    size_t inner = blob.len - LENGTH_SIZE - CRC_SIZE; // magic and bitmap
    if (load_u32be(bytes) != inner) {
        return vs_fail(err, VS_CORRUPT,
                       "%s is no deletion vector: its length field says %u bytes, there are %zu",
                       what, load_u32be(bytes), inner);
    }
    if (memcmp(bytes + LENGTH_SIZE, magic, MAGIC_SIZE) != 0) {
        return vs_fail(err, VS_CORRUPT,
                       "%s is no deletion vector: it lacks the magic number d1 d3 39 64", what);
    }
    uint32_t crc = vs_crc32_zlib(0, bytes + LENGTH_SIZE, inner);
    if (crc != load_u32be(crc_at)) {
        return vs_fail(err, VS_CORRUPT, "%s is damaged: its CRC-32 is %08x, it should be %08x",
                       what, crc, load_u32be(crc_at));
    }
    struct vs_str bitmap = {blob.ptr + LENGTH_SIZE + MAGIC_SIZE, inner - MAGIC_SIZE};
    return vs_bitmap_read(bitmap_out, env, bitmap, what, err);
}

enum vs_status vs_deletion_vector_encode(const struct vs_bitmap *bitmap,
                                         struct vs_buf *out,
                                         struct vs_error *err)
{
    size_t start = out->len;
    uint8_t word[4] = {0};
    enum vs_status status = vs_buf_append(out, word, LENGTH_SIZE, err);
    if (status == VS_OK) {
        status = vs_buf_append(out, magic, MAGIC_SIZE, err);
    }
    if (status == VS_OK) {
        status = vs_bitmap_write(bitmap, out, err);
    }
    if (status == VS_OK) {
        status = vs_buf_reserve(out, CRC_SIZE, err);
    }
    size_t inner = out->len - start - LENGTH_SIZE;
    if (status == VS_OK && inner > VS_DELETION_VECTOR_MAX_BYTES - FRAME_SIZE) {
        status = vs_fail(err, VS_LIMIT,
                         "a deletion vector of %zu bytes is too long for others to "
                         "read; rewrite the data file instead",
                         inner);
    }
    if (status != VS_OK) {
        out->len = start;
        return status;
    }
    store_u32be(out->data + start, (uint32_t)inner);
    store_u32be(word, vs_crc32_zlib(0, out->data + start + LENGTH_SIZE, inner));
    return vs_buf_append(out, word, CRC_SIZE, err);
}

// ---- reading by a manifest entry ----

static enum vs_status check_entry(const struct vs_data_file *entry, struct vs_error *err)
{
    if (!vs_str_equal_nocase(entry->format, VS_STR("PUFFIN"))) {
        return vs_fail(err, VS_CORRUPT, "the deletion vector in %.*s has format %.*s, not puffin",
                       VS_STR_ARG(entry->path), VS_STR_ARG(entry->format));
    }
    if (entry->content_offset < 0 || entry->content_size < 0) {
        return vs_fail(err, VS_CORRUPT,
                       "the manifest does not say where in %.*s the deletion vector lies",
                       VS_STR_ARG(entry->path));
    }
    if (entry->content_size > (int64_t)VS_DELETION_VECTOR_MAX_BYTES) {
        return vs_fail(err, VS_LIMIT, "the deletion vector in %.*s has %lld bytes",
                       VS_STR_ARG(entry->path), (long long)entry->content_size);
    }
    return VS_OK;
}

static enum vs_status read_blob(struct vs_store *store,
                                const struct vs_table_metadata *metadata,
                                const struct vs_data_file *entry,
                                struct vs_buf *blob,
                                struct vs_error *err)
{
    struct vs_file *file = NULL;
    size_t size = (size_t)entry->content_size;
    VS_TRY(vs_table_file_open(blob->env, store, metadata, entry->path, &file, err));
    enum vs_status status = VS_OK;
    if (!vs_range_fits((uint64_t)entry->content_offset, size, file->size)) {
        status = vs_fail(err, VS_CORRUPT,
                         "the deletion vector at byte %lld with %lld bytes leaves %.*s, which has "
                         "%llu bytes",
                         (long long)entry->content_offset, (long long)entry->content_size,
                         VS_STR_ARG(entry->path), (unsigned long long)file->size);
    }
    if (status == VS_OK) {
        status = vs_buf_reserve(blob, size, err);
    }
    if (status == VS_OK) {
        status = vs_file_read(file, (uint64_t)entry->content_offset, size, blob->data, err);
        blob->len = status == VS_OK ? size : 0;
    }
    vs_file_close(file);
    return status;
}

enum vs_status vs_deletion_vector_read(const struct vs_env *env,
                                       struct vs_store *store,
                                       const struct vs_table_metadata *metadata,
                                       const struct vs_data_file *entry,
                                       struct vs_bitmap *bitmap_out,
                                       struct vs_error *err)
{
    char what[300];
    struct vs_buf blob;
    struct vs_bitmap bitmap = {0};
    VS_TRY(check_entry(entry, err));
    (void)snprintf(what, sizeof what, "the deletion vector at byte %lld of %.*s",
                   (long long)entry->content_offset, VS_STR_ARG(entry->path));
    vs_buf_init(&blob, env, VS_DELETION_VECTOR_MAX_BYTES);
    enum vs_status status = read_blob(store, metadata, entry, &blob, err);
    if (status == VS_OK) {
        status = vs_deletion_vector_decode(env, vs_buf_view(&blob), what, &bitmap, err);
    }
    vs_buf_clear(&blob);
    if (status == VS_OK && vs_bitmap_cardinality(&bitmap) != (uint64_t)entry->record_count) {
        status = vs_fail(err, VS_CORRUPT, "%s deletes %llu rows, but the manifest says %lld", what,
                         (unsigned long long)vs_bitmap_cardinality(&bitmap),
                         (long long)entry->record_count);
        vs_bitmap_clear(&bitmap);
    }
    if (status == VS_OK) {
        *bitmap_out = bitmap;
    }
    return status;
}
