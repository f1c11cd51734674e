// SPDX-License-Identifier: Apache-2.0
// Choosing the format, and small helpers of the inspectors.
#include "vecstore/format/inspect.h"

#include "vecstore/base/crypto.h"
#include "vecstore/format/inspect_internal.h"
#include "vecstore/format/render_value.h"

void vs_inspect_text(struct vs_json_writer *w, const char *key, const char *text)
{
    vs_jw_key(w, key);
    vs_jw_c(w, text);
}

void vs_inspect_str(struct vs_json_writer *w, const char *key, struct vs_str text)
{
    vs_jw_key(w, key);
    vs_jw_str(w, text);
}

void vs_inspect_u64(struct vs_json_writer *w, const char *key, uint64_t value)
{
    vs_jw_key(w, key);
    vs_jw_u64(w, value);
}

void vs_inspect_i64(struct vs_json_writer *w, const char *key, int64_t value)
{
    vs_jw_key(w, key);
    vs_jw_i64(w, value);
}

void vs_inspect_digest(struct vs_json_writer *w, const char *key, uint64_t digest)
{
    char text[VS_DIGEST_TEXT_SIZE];
    vs_digest_format(digest, text);
    vs_inspect_text(w, key, text);
}

void vs_inspect_rendering(struct vs_json_writer *w, struct vs_str bytes)
{
    struct vs_buf hex;
    if (vs_utf8_validate(bytes)) {
        vs_jw_str(w, bytes);
        return;
    }
    vs_buf_init(&hex, w->out->env, SIZE_MAX / 2);
    struct vs_error error = {0};
    if (vs_buf_reserve(&hex, bytes.len * 2 + 1, &error) == VS_OK) {
        vs_hex_format((const uint8_t *)bytes.ptr, bytes.len, (char *)hex.data);
        hex.len = bytes.len * 2;
    } else if (w->error.code == VS_OK) {
        w->error = error;
    }
    vs_jw_object_begin(w);
    vs_inspect_str(w, "hex", vs_buf_view(&hex));
    vs_jw_object_end(w);
    vs_buf_clear(&hex);
}

enum vs_status vs_inspect_read_all(const struct vs_env *env,
                                   struct vs_file *file,
                                   struct vs_buf *bytes_out,
                                   struct vs_error *err)
{
    if (file->size > VS_INSPECT_MAX_BYTES) {
        return vs_fail(err, VS_LIMIT, "%s has %llu bytes; files of this format are read up to %zu",
                       file->name, (unsigned long long)file->size, VS_INSPECT_MAX_BYTES);
    }
    struct vs_buf bytes;
    vs_buf_init(&bytes, env, VS_INSPECT_MAX_BYTES + 1);
    enum vs_status status = vs_buf_reserve(&bytes, (size_t)file->size + 1, err);
    if (status == VS_OK && file->size > 0) {
        status = vs_file_read(file, 0, (size_t)file->size, bytes.data, err);
    }
    if (status != VS_OK) {
        vs_buf_clear(&bytes);
        return status;
    }
    bytes.len = (size_t)file->size;
    *bytes_out = bytes;
    return VS_OK;
}

enum vs_status vs_inspect_file(const struct vs_env *env,
                               struct vs_file *file,
                               const struct vs_inspect_request *options,
                               struct vs_json_writer *w,
                               struct vs_error *err)
{
    uint8_t head[8] = {0}, tail[4] = {0};
    size_t n = file->size < sizeof head ? (size_t)file->size : sizeof head;
    if (file->size < sizeof head) {
        return vs_fail(err, VS_CORRUPT, "%s: a file of %zu bytes is none of the known formats",
                       file->name, n);
    }
    VS_TRY(vs_file_read(file, 0, n, head, err));
    VS_TRY(vs_file_read(file, file->size - sizeof tail, sizeof tail, tail, err));
    if (memcmp(head, "PAR1", 4) == 0 || memcmp(head, "PARE", 4) == 0 ||
        memcmp(tail, "PAR1", 4) == 0 || memcmp(tail, "PARE", 4) == 0) {
        return vs_inspect_parquet(env, file, options, w, err);
    }
    if (memcmp(head, "Obj\1", 4) == 0 || memcmp(head, "AGS1", 4) == 0) {
        return vs_inspect_avro(env, file, options, w, err);
    }
    if (memcmp(head, "PFA1", 4) == 0 || memcmp(tail, "PFA1", 4) == 0) {
        return vs_inspect_puffin(env, file, options, w, err);
    }
    if (memcmp(head + 4, "\xd1\xd3\x39\x64", 4) == 0 ||
        vs_str_ends_with(vs_str_from_c(file->name), VS_STR(".bin"))) {
        return vs_inspect_bitmap(env, file, options, w, err);
    }
    return vs_fail(err, VS_INVALID,
                   "%s is neither Parquet, Avro, Puffin nor a deletion vector (first bytes "
                   "%02x%02x%02x%02x)",
                   file->name, head[0], head[1], head[2], head[3]);
}
