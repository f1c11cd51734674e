// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/puffin.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/base/json.h"

#include <inttypes.h>

// Layout: "PFA1" | blobs | "PFA1" payload int32-size flags "PFA1"; the footer starts at its own
// magic.
#define MAGIC "PFA1"
#define MAGIC_SIZE 4
#define TAIL_SIZE 12 // payload size, flags, magic
#define FOOTER_OVERHEAD 16
#define FLAG_COMPRESSED_FOOTER 1u
// One guess that covers nearly every footer, so that an open is one read.
#define FIRST_READ ((size_t)32 * 1024)
#define MAX_PAYLOAD ((size_t)64 * 1024 * 1024)

static enum vs_status parse_properties(struct vs_arena *arena,
                                       const struct vs_json *object,
                                       const char *what,
                                       struct vs_puffin_property **list_out,
                                       size_t *count_out,
                                       struct vs_error *err)
{
    if (object == NULL || vs_json_is(object, VS_JSON_NULL)) {
        return VS_OK;
    }
    if (!vs_json_is(object, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_CORRUPT, "%s: 'properties' is not an object", what);
    }
    size_t count = vs_json_count(object);
    struct vs_puffin_property *list = vs_arena_alloc_array(arena, count, sizeof *list);
    if (list == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for %zu properties", what, count);
    }
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, object);
    struct vs_str key;
    const struct vs_json *value;
    for (size_t i = 0; i < count && vs_json_iter_next(&iter, &key, &value); i++) {
        struct vs_str text;
        if (!vs_json_to_str(value, &text)) {
            return vs_fail(err, VS_CORRUPT, "%s: property '%.*s' is not a string", what,
                           VS_STR_ARG(key));
        }
        list[i].key = vs_arena_copy_str(arena, key);
        list[i].value = vs_arena_copy_str(arena, text);
        if (list[i].key.ptr == NULL || list[i].value.ptr == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for properties", what);
        }
    }
    *list_out = list;
    *count_out = count;
    return VS_OK;
}

static enum vs_status parse_fields(struct vs_arena *arena,
                                   const struct vs_json *object,
                                   const char *what,
                                   struct vs_puffin_blob *blob,
                                   struct vs_error *err)
{
    const struct vs_json *list;
    VS_TRY(vs_json_need(object, "fields", VS_JSON_ARRAY, what, &list, err));
    size_t count = vs_json_count(list);
    blob->fields = vs_arena_alloc_array(arena, count, sizeof *blob->fields);
    if (blob->fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for %zu field ids", what, count);
    }
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, list);
    const struct vs_json *value;
    for (size_t i = 0; i < count && vs_json_iter_next(&iter, NULL, &value); i++) {
        int64_t id;
        if (!vs_json_to_i64(value, &id) || id < INT32_MIN || id > INT32_MAX) {
            return vs_fail(err, VS_CORRUPT, "%s: 'fields' holds something else than 32-bit ids",
                           what);
        }
        blob->fields[i] = (int32_t)id;
    }
    blob->field_count = count;
    return VS_OK;
}

// Copies an optional string member; absent leaves the empty view.
static enum vs_status copy_text(struct vs_arena *arena,
                                struct vs_str text,
                                const char *what,
                                struct vs_str *copy_out,
                                struct vs_error *err)
{
    struct vs_str copy = vs_arena_copy_str(arena, text);
    if (copy.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for the footer", what);
    }
    *copy_out = copy;
    return VS_OK;
}

static enum vs_status parse_blob(struct vs_arena *arena,
                                 const struct vs_json *object,
                                 const char *what,
                                 uint64_t blobs_end,
                                 struct vs_puffin_blob *blob,
                                 struct vs_error *err)
{
    if (!vs_json_is(object, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_CORRUPT, "%s: an entry of 'blobs' is not an object", what);
    }
    struct vs_str text;
    int64_t offset, length;
    VS_TRY(vs_json_need_str(object, "type", what, &text, err));
    VS_TRY(copy_text(arena, text, what, &blob->type, err));
    VS_TRY(parse_fields(arena, object, what, blob, err));
    VS_TRY(vs_json_need_i64(object, "snapshot-id", what, &blob->snapshot_id, err));
    VS_TRY(vs_json_need_i64(object, "sequence-number", what, &blob->sequence_number, err));
    VS_TRY(vs_json_need_i64(object, "offset", what, &offset, err));
    VS_TRY(vs_json_need_i64(object, "length", what, &length, err));
    if (offset < MAGIC_SIZE || length < 0 ||
        !vs_range_fits((uint64_t)offset, (uint64_t)length, blobs_end)) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: blob '%.*s' at offset %" PRId64 " with %" PRId64
                       " bytes lies outside the blob area [4, %" PRIu64 ")",
                       what, VS_STR_ARG(blob->type), offset, length, blobs_end);
    }
    blob->offset = (uint64_t)offset;
    blob->length = (uint64_t)length;
    const struct vs_json *codec = vs_json_get(object, "compression-codec");
    text = VS_STR("");
    if (codec != NULL && !vs_json_is(codec, VS_JSON_NULL) && !vs_json_to_str(codec, &text)) {
        return vs_fail(err, VS_CORRUPT, "%s: 'compression-codec' is not a string", what);
    }
    VS_TRY(copy_text(arena, text, what, &blob->codec, err));
    return parse_properties(arena, vs_json_get(object, "properties"), what, &blob->properties,
                            &blob->property_count, err);
}

static enum vs_status parse_footer(struct vs_puffin *puffin,
                                   const struct vs_json *root,
                                   const char *what,
                                   uint64_t blobs_end,
                                   struct vs_error *err)
{
    const struct vs_json *list;
    if (!vs_json_is(root, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_CORRUPT, "%s: the footer is not a JSON object", what);
    }
    VS_TRY(vs_json_need(root, "blobs", VS_JSON_ARRAY, what, &list, err));
    size_t count = vs_json_count(list);
    puffin->blobs = vs_arena_alloc_array(&puffin->arena, count, sizeof *puffin->blobs);
    if (puffin->blobs == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for %zu blobs", what, count);
    }
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, list);
    const struct vs_json *value;
    for (size_t i = 0; i < count && vs_json_iter_next(&iter, NULL, &value); i++) {
        VS_TRY(parse_blob(&puffin->arena, value, what, blobs_end, &puffin->blobs[i], err));
    }
    puffin->blob_count = count;
    return parse_properties(&puffin->arena, vs_json_get(root, "properties"), what,
                            &puffin->properties, &puffin->property_count, err);
}

// VS_JSON errors of text that stands in a file mean that the file is corrupt, not that a caller
// erred.
static enum vs_status as_corrupt(enum vs_status status, struct vs_error *err)
{
    if (status != VS_INVALID && status != VS_LIMIT) {
        return status;
    }
    if (err != NULL) {
        err->code = VS_CORRUPT;
    }
    return VS_CORRUPT;
}

static enum vs_status parse_payload(const struct vs_env *env,
                                    struct vs_str payload,
                                    const char *what,
                                    uint64_t blobs_end,
                                    struct vs_puffin *puffin_out,
                                    struct vs_error *err)
{
    struct vs_puffin puffin = {0};
    struct vs_json_doc *doc = NULL;
    vs_arena_init(&puffin.arena, env, 0);
    puffin.footer_size = payload.len + FOOTER_OVERHEAD;
    enum vs_status status = vs_json_parse(env, payload, what, NULL, &doc, err);
    if (status == VS_OK) {
        status = parse_footer(&puffin, vs_json_root(doc), what, blobs_end, err);
    }
    vs_json_free(doc);
    if (status != VS_OK) {
        vs_arena_clear(&puffin.arena);
        return as_corrupt(status, err);
    }
    *puffin_out = puffin;
    return VS_OK;
}

// Checks the last 12 bytes and gives the payload's size.
static enum vs_status check_tail(const uint8_t *tail,
                                 uint64_t file_size,
                                 const char *what,
                                 size_t *payload_size_out,
                                 struct vs_error *err)
{
    if (memcmp(tail + 8, MAGIC, MAGIC_SIZE) != 0) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: does not end with PFA1; not a Puffin file, or cut short", what);
    }
    uint32_t size = vs_load_u32le(tail);
    uint32_t flags = vs_load_u32le(tail + 4);
    if ((flags & FLAG_COMPRESSED_FOOTER) != 0) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: the Puffin footer is compressed; only plain footers are read", what);
    }
    if (flags != 0) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: unknown Puffin footer flags 0x%08" PRIx32, what,
                       flags);
    }
    if (size > MAX_PAYLOAD || (uint64_t)size + FOOTER_OVERHEAD + MAGIC_SIZE > file_size) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: footer of %" PRIu32 " bytes does not fit a file of %" PRIu64 " bytes",
                       what, size, file_size);
    }
    *payload_size_out = size;
    return VS_OK;
}

static enum vs_status check_size(uint64_t size, const char *what, struct vs_error *err)
{
    if (size < MAGIC_SIZE + FOOTER_OVERHEAD) {
        return vs_fail(err, VS_CORRUPT, "%s: %" PRIu64 " bytes are too few for a Puffin file", what,
                       size);
    }
    return VS_OK;
}

struct located {
    const uint8_t *head, *footer; // the file's first bytes; the footer's own magic
    size_t payload_size;
    uint64_t file_size;
};

static enum vs_status parse_at(const struct vs_env *env,
                               const struct located *at,
                               const char *what,
                               struct vs_puffin *puffin_out,
                               struct vs_error *err)
{
    if (memcmp(at->head, MAGIC, MAGIC_SIZE) != 0) {
        return vs_fail(err, VS_CORRUPT, "%s: does not start with PFA1; not a Puffin file", what);
    }
    if (memcmp(at->footer, MAGIC, MAGIC_SIZE) != 0) {
        return vs_fail(err, VS_CORRUPT, "%s: no PFA1 in front of the footer", what);
    }
    struct vs_str payload = {(const char *)at->footer + MAGIC_SIZE, at->payload_size};
    uint64_t blobs_end = at->file_size - at->payload_size - FOOTER_OVERHEAD;
    return parse_payload(env, payload, what, blobs_end, puffin_out, err);
}

enum vs_status vs_puffin_parse(const struct vs_env *env,
                               struct vs_str bytes,
                               const char *what,
                               struct vs_puffin *puffin_out,
                               struct vs_error *err)
{
    const uint8_t *data = (const uint8_t *)bytes.ptr;
    size_t payload_size = 0;
    VS_TRY(check_size(bytes.len, what, err));
    VS_TRY(check_tail(data + bytes.len - TAIL_SIZE, bytes.len, what, &payload_size, err));
    struct located at = {data, data + bytes.len - payload_size - FOOTER_OVERHEAD, payload_size,
                         bytes.len};
    return parse_at(env, &at, what, puffin_out, err);
}

static enum vs_status read_footer(const struct vs_env *env,
                                  struct vs_file *file,
                                  struct vs_buf *tail,
                                  struct vs_puffin *puffin_out,
                                  struct vs_error *err)
{
    uint8_t head[MAGIC_SIZE];
    size_t payload_size = 0;
    size_t first = file->size < FIRST_READ ? (size_t)file->size : FIRST_READ;
    VS_TRY(vs_buf_append_zeros(tail, first, err));
    VS_TRY(vs_file_read(file, file->size - first, first, tail->data, err));
    VS_TRY(check_tail(tail->data + first - TAIL_SIZE, file->size, file->name, &payload_size, err));
    size_t footer_size = payload_size + FOOTER_OVERHEAD;
    if (footer_size > first) {
        vs_buf_reset(tail);
        VS_TRY(vs_buf_append_zeros(tail, footer_size, err));
        VS_TRY(vs_file_read(file, file->size - footer_size, footer_size, tail->data, err));
    }
    if (first == file->size) {
        memcpy(head, tail->data, sizeof head); // footer_size <= first: the first read still stands
    } else {
        VS_TRY(vs_file_read(file, 0, sizeof head, head, err));
    }
    struct located at = {head, tail->data + tail->len - footer_size, payload_size, file->size};
    return parse_at(env, &at, file->name, puffin_out, err);
}

enum vs_status vs_puffin_read(const struct vs_env *env,
                              struct vs_file *file,
                              struct vs_puffin *puffin_out,
                              struct vs_error *err)
{
    VS_TRY(check_size(file->size, file->name, err));
    struct vs_buf tail;
    vs_buf_init(&tail, env, MAX_PAYLOAD + FOOTER_OVERHEAD);
    enum vs_status status = read_footer(env, file, &tail, puffin_out, err);
    vs_buf_clear(&tail);
    return status;
}

void vs_puffin_clear(struct vs_puffin *puffin)
{
    if (puffin == NULL) {
        return;
    }
    vs_arena_clear(&puffin->arena);
    *puffin = (struct vs_puffin){0};
}
