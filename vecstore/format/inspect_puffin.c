// SPDX-License-Identifier: Apache-2.0
// Puffin files, bare deletion vectors and bare bitmaps.
#include "vecstore/base/bitmap.h"
#include "vecstore/format/codec.h"
#include "vecstore/format/inspect_internal.h"
#include "vecstore/format/puffin.h"
#include "vecstore/format/render_value.h"

#include <inttypes.h>
#include <stdio.h>

#define FRAME_SIZE 16     // of a Puffin footer around its payload
#define VECTOR_OVERHEAD 8 // length and CRC of a deletion vector
#define VECTOR_MAGIC "\xd1\xd3\x39\x64"

static void write_properties(struct vs_json_writer *w,
                             const struct vs_puffin_property *properties,
                             size_t count)
{
    vs_jw_key(w, "properties");
    vs_jw_object_begin(w);
    for (size_t i = 0; i < count; i++) {
        vs_jw_key_str(w, properties[i].key);
        vs_jw_str(w, properties[i].value);
    }
    vs_jw_object_end(w);
}

static void write_id(struct vs_json_writer *w, const char *key, int64_t id)
{
    char text[24]; // a text: JSON readers lose digits of 64-bit numbers
    (void)snprintf(text, sizeof text, "%" PRId64, id);
    vs_inspect_text(w, key, text);
}

static enum vs_status unpack(const struct vs_puffin_blob *blob,
                             struct vs_buf *packed,
                             struct vs_buf *plain,
                             struct vs_str *payload_out,
                             struct vs_error *err)
{
    if (blob->codec.len == 0) {
        *payload_out = vs_buf_view(packed);
        return VS_OK;
    }
    if (!vs_str_equal_c(blob->codec, "zstd")) {
        return vs_fail(err, VS_UNSUPPORTED, "blob codec '%.*s' cannot be read",
                       VS_STR_ARG(blob->codec));
    }
    vs_buf_reset(plain);
    VS_TRY(vs_codec_decompress_stream(VS_CODEC_ZSTD, packed->data, packed->len, plain, err));
    *payload_out = vs_buf_view(plain);
    return VS_OK;
}

static enum vs_status digest_blob(struct vs_file *file,
                                  const struct vs_puffin_blob *blob,
                                  struct vs_buf *packed,
                                  struct vs_buf *plain,
                                  struct vs_json_writer *w,
                                  struct vs_error *err)
{
    struct vs_str payload = {NULL, 0};
    vs_buf_reset(packed);
    VS_TRY(vs_buf_reserve(packed, (size_t)blob->length + 1, err));
    VS_TRY(vs_file_read(file, blob->offset, (size_t)blob->length, packed->data, err));
    packed->len = (size_t)blob->length;
    VS_TRY(unpack(blob, packed, plain, &payload, err));
    vs_inspect_u64(w, "payload_size", payload.len);
    vs_inspect_digest(w, "payload_fnv1a64",
                      vs_digest_add(VS_DIGEST_START, payload.ptr, payload.len));
    return VS_OK;
}

static enum vs_status write_blob(struct vs_file *file,
                                 const struct vs_puffin_blob *blob,
                                 bool digest,
                                 struct vs_json_writer *w,
                                 struct vs_error *err)
{
    vs_jw_object_begin(w);
    vs_inspect_str(w, "type", blob->type);
    vs_jw_key(w, "fields");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < blob->field_count; i++) {
        vs_jw_i64(w, blob->fields[i]);
    }
    vs_jw_array_end(w);
    write_id(w, "snapshot-id", blob->snapshot_id);
    write_id(w, "sequence-number", blob->sequence_number);
    vs_inspect_u64(w, "offset", blob->offset);
    vs_inspect_u64(w, "length", blob->length);
    if (blob->codec.len > 0) {
        vs_inspect_str(w, "compression-codec", blob->codec);
    }
    if (blob->property_count > 0) {
        write_properties(w, blob->properties, blob->property_count);
    }
    enum vs_status status = VS_OK;
    if (digest) {
        struct vs_buf packed, plain;
        vs_buf_init(&packed, w->out->env, VS_INSPECT_MAX_BYTES);
        vs_buf_init(&plain, w->out->env, VS_INSPECT_MAX_BYTES);
        status = digest_blob(file, blob, &packed, &plain, w, err);
        vs_buf_clear(&packed);
        vs_buf_clear(&plain);
    }
    vs_jw_object_end(w);
    return status;
}

static enum vs_status write_puffin(struct vs_file *file,
                                   const struct vs_puffin *puffin,
                                   const struct vs_inspect_request *options,
                                   struct vs_json_writer *w,
                                   struct vs_error *err)
{
    vs_jw_object_begin(w);
    vs_inspect_text(w, "format", "puffin");
    vs_jw_key(w, "puffin");
    vs_jw_bool(w, true);
    vs_inspect_u64(w, "size", file->size);
    vs_inspect_u64(w, "footer_size", puffin->footer_size - FRAME_SIZE);
    vs_inspect_u64(w, "flags", 0); // others are refused
    write_properties(w, puffin->properties, puffin->property_count);
    vs_jw_key(w, "blobs");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < puffin->blob_count; i++) {
        enum vs_status status = write_blob(file, &puffin->blobs[i], options->digest, w, err);
        if (status != VS_OK) {
            return vs_wrap(err, status, "%s: blob %zu", file->name, i);
        }
    }
    vs_jw_array_end(w);
    vs_jw_object_end(w);
    return VS_OK;
}

enum vs_status vs_inspect_puffin(const struct vs_env *env,
                                 struct vs_file *file,
                                 const struct vs_inspect_request *options,
                                 struct vs_json_writer *w,
                                 struct vs_error *err)
{
    struct vs_puffin puffin;
    VS_TRY(vs_puffin_read(env, file, &puffin, err));
    enum vs_status status = write_puffin(file, &puffin, options, w, err);
    vs_puffin_clear(&puffin);
    return status;
}

// ---- bitmaps ----

static uint32_t load_u32be(const char *at)
{
    const uint8_t *p = (const uint8_t *)at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_vector(struct vs_str bytes)
{
    return bytes.len >= 8 && memcmp(bytes.ptr + 4, VECTOR_MAGIC, 4) == 0;
}

// The bitmap inside of a deletion vector: big-endian length of what lies between it and the
// big-endian CRC-32, magic, bitmap.
static enum vs_status open_vector(struct vs_str bytes,
                                  const char *what,
                                  struct vs_str *bitmap_out,
                                  struct vs_error *err)
{
    uint32_t length = load_u32be(bytes.ptr);
    if (length < 4 || bytes.len < VECTOR_OVERHEAD || length != bytes.len - VECTOR_OVERHEAD) {
        return vs_fail(err, VS_CORRUPT, "%s: the deletion vector states %u bytes, the file has %zu",
                       what, (unsigned)length, bytes.len);
    }
    if (vs_crc32_zlib(0, bytes.ptr + 4, length) != load_u32be(bytes.ptr + 4 + length)) {
        return vs_fail(err, VS_CORRUPT, "%s: the deletion vector has a wrong checksum", what);
    }
    *bitmap_out = (struct vs_str){bytes.ptr + 8, length - 4};
    return VS_OK;
}

struct bitmap_walk {
    struct vs_json_writer *w;
    uint64_t digest;
    bool has_key;
    uint64_t key; // the last high half
};

static bool add_position(uint64_t value, void *ctx)
{
    struct bitmap_walk *walk = (struct bitmap_walk *)ctx;
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRIu64 "\n", value);
    walk->digest = vs_digest_add(walk->digest, text, (size_t)n);
    if (!walk->has_key || walk->key != value >> 32) {
        walk->key = value >> 32;
        walk->has_key = true;
        vs_jw_u64(walk->w, walk->key);
    }
    return true;
}

static void write_edge(struct vs_json_writer *w, const char *key, bool has, uint64_t value)
{
    char text[24];
    vs_jw_key(w, key);
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    if (has) {
        vs_jw_c(w, text);
    } else {
        vs_jw_null(w);
    }
}

static void write_bitmap(struct vs_json_writer *w,
                         const struct vs_bitmap *bitmap,
                         struct vs_str bytes,
                         bool digest)
{
    uint64_t least = 0, most = 0;
    bool has_least = vs_bitmap_min(bitmap, &least), has_most = vs_bitmap_max(bitmap, &most);
    vs_jw_object_begin(w);
    vs_inspect_text(w, "format", "bitmap");
    vs_inspect_text(w, "kind",
                    is_vector(bytes) ? "deletion-vector blob (length, magic, bitmap, crc32)"
                                     : "portable 64-bit roaring bitmap");
    vs_inspect_u64(w, "size", bytes.len);
    vs_inspect_u64(w, "cardinality", vs_bitmap_cardinality(bitmap));
    write_edge(w, "min", has_least, least);
    write_edge(w, "max", has_most, most);
    if (digest) {
        struct bitmap_walk walk = {.w = w, .digest = VS_DIGEST_START};
        vs_jw_key(w, "high_keys");
        vs_jw_array_begin(w);
        vs_bitmap_each(bitmap, add_position, &walk);
        vs_jw_array_end(w);
        vs_inspect_digest(w, "digest", walk.digest);
    }
    vs_jw_object_end(w);
}

enum vs_status vs_inspect_bitmap(const struct vs_env *env,
                                 struct vs_file *file,
                                 const struct vs_inspect_request *options,
                                 struct vs_json_writer *w,
                                 struct vs_error *err)
{
    struct vs_buf bytes;
    struct vs_bitmap bitmap = {0};
    VS_TRY(vs_inspect_read_all(env, file, &bytes, err));
    struct vs_str all = vs_buf_view(&bytes), inner = all;
    enum vs_status status = is_vector(all) ? open_vector(all, file->name, &inner, err) : VS_OK;
    if (status == VS_OK) {
        status = vs_bitmap_read(&bitmap, env, inner, file->name, err);
    }
    if (status == VS_OK) {
        write_bitmap(w, &bitmap, all, options->digest);
    }
    vs_bitmap_clear(&bitmap);
    vs_buf_clear(&bytes);
    return status;
}
