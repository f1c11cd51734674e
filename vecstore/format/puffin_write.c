// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/bytes.h"
#include "vecstore/base/json.h"
#include "vecstore/format/puffin.h"

#include <inttypes.h>

#define MAX_FOOTER ((size_t)64 * 1024 * 1024)
#define MAX_ALIGN 4096

struct pending_blob {
    struct vs_puffin_blob meta;
    struct pending_blob *next;
};

struct vs_puffin_writer {
    const struct vs_env *env;
    struct vs_writer *out;
    struct vs_arena arena; // the blobs' metadata
    struct pending_blob *first, *last;
    uint64_t base; // offset in the object at which this Puffin file starts
    bool in_blob;
    bool finished;
};

static uint64_t position(const struct vs_puffin_writer *writer)
{
    return writer->out->written - writer->base;
}

enum vs_status vs_puffin_writer_open(const struct vs_env *env,
                                     struct vs_writer *out,
                                     struct vs_puffin_writer **writer_out,
                                     struct vs_error *err)
{
    uint64_t base = out->written;
    VS_TRY(vs_writer_write(out, "PFA1", 4, err));
    struct vs_puffin_writer *writer = vs_alloc_zeroed(env, 1, sizeof *writer);
    if (writer == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for a Puffin writer", out->name);
    }
    writer->env = env;
    writer->out = out;
    writer->base = base;
    vs_arena_init(&writer->arena, env, 0);
    *writer_out = writer;
    return VS_OK;
}

static enum vs_status copy_text(struct vs_puffin_writer *writer,
                                struct vs_str text,
                                struct vs_str *copy_out,
                                struct vs_error *err)
{
    struct vs_str copy = vs_arena_copy_str(&writer->arena, text);
    if (copy.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for blob metadata", writer->out->name);
    }
    *copy_out = copy;
    return VS_OK;
}

static enum vs_status copy_blob(struct vs_puffin_writer *writer,
                                const struct vs_puffin_blob *blob,
                                struct vs_puffin_blob *copy,
                                struct vs_error *err)
{
    *copy = *blob;
    VS_TRY(copy_text(writer, blob->type, &copy->type, err));
    VS_TRY(copy_text(writer, blob->codec, &copy->codec, err));
    copy->fields = vs_arena_alloc_array(&writer->arena, blob->field_count, sizeof *copy->fields);
    copy->properties =
        vs_arena_alloc_array(&writer->arena, blob->property_count, sizeof *copy->properties);
    if (copy->fields == NULL || copy->properties == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for blob metadata", writer->out->name);
    }
    if (blob->field_count > 0) {
        memcpy(copy->fields, blob->fields, blob->field_count * sizeof *copy->fields);
    }
    for (size_t i = 0; i < blob->property_count; i++) {
        VS_TRY(copy_text(writer, blob->properties[i].key, &copy->properties[i].key, err));
        VS_TRY(copy_text(writer, blob->properties[i].value, &copy->properties[i].value, err));
    }
    return VS_OK;
}

static enum vs_status pad(struct vs_puffin_writer *writer, size_t align, struct vs_error *err)
{
    static const uint8_t zeros[MAX_ALIGN];
    size_t gap = (size_t)(-position(writer) & (align - 1));
    return gap == 0 ? VS_OK : vs_writer_write(writer->out, zeros, gap, err);
}

enum vs_status vs_puffin_writer_begin(struct vs_puffin_writer *writer,
                                      const struct vs_puffin_blob *blob,
                                      size_t align,
                                      struct vs_error *err)
{
    if (writer->in_blob || writer->finished) {
        return vs_fail(err, VS_INTERNAL,
                       "%s: a Puffin blob was begun inside another or after the "
                       "footer",
                       writer->out->name);
    }
    if (align == 0 || align > MAX_ALIGN || (align & (align - 1)) != 0) {
        return vs_fail(err, VS_INVALID, "%s: blob alignment %zu is not a power of two up to %d",
                       writer->out->name, align, MAX_ALIGN);
    }
    struct pending_blob *pending = vs_arena_alloc(&writer->arena, sizeof *pending);
    if (pending == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for blob metadata", writer->out->name);
    }
    VS_TRY(copy_blob(writer, blob, &pending->meta, err));
    VS_TRY(pad(writer, align, err));
    pending->meta.offset = position(writer);
    pending->meta.length = 0;
    if (writer->last == NULL) {
        writer->first = pending;
    } else {
        writer->last->next = pending;
    }
    writer->last = pending;
    writer->in_blob = true;
    return VS_OK;
}

enum vs_status vs_puffin_writer_write(struct vs_puffin_writer *writer,
                                      const void *bytes,
                                      size_t n,
                                      struct vs_error *err)
{
    if (!writer->in_blob) {
        return vs_fail(err, VS_INTERNAL, "%s: Puffin bytes outside a blob", writer->out->name);
    }
    return n == 0 ? VS_OK : vs_writer_write(writer->out, bytes, n, err);
}

enum vs_status vs_puffin_writer_copy(struct vs_puffin_writer *writer,
                                     struct vs_file *file,
                                     uint64_t offset,
                                     uint64_t length,
                                     struct vs_copied *copied,
                                     struct vs_error *err)
{
    if (!writer->in_blob) {
        return vs_fail(err, VS_INTERNAL, "%s: Puffin bytes outside a blob", writer->out->name);
    }
    return vs_writer_copy(writer->env, writer->out, file, offset, length, copied, err);
}

enum vs_status vs_puffin_writer_end(struct vs_puffin_writer *writer,
                                    uint64_t *offset_out,
                                    uint64_t *length_out,
                                    struct vs_error *err)
{
    if (!writer->in_blob) {
        return vs_fail(err, VS_INTERNAL, "%s: no Puffin blob to end", writer->out->name);
    }
    struct vs_puffin_blob *blob = &writer->last->meta;
    blob->length = position(writer) - blob->offset;
    writer->in_blob = false;
    if (offset_out != NULL) {
        *offset_out = blob->offset;
    }
    if (length_out != NULL) {
        *length_out = blob->length;
    }
    return VS_OK;
}

static void write_properties(struct vs_json_writer *w,
                             const struct vs_puffin_property *properties,
                             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vs_jw_key_str(w, properties[i].key);
        vs_jw_str(w, properties[i].value);
    }
}

static void write_blob(struct vs_json_writer *w, const struct vs_puffin_blob *blob)
{
    vs_jw_object_begin(w);
    vs_jw_key(w, "type");
    vs_jw_str(w, blob->type);
    vs_jw_key(w, "fields");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < blob->field_count; i++) {
        vs_jw_i64(w, blob->fields[i]);
    }
    vs_jw_array_end(w);
    vs_jw_key(w, "snapshot-id");
    vs_jw_i64(w, blob->snapshot_id);
    vs_jw_key(w, "sequence-number");
    vs_jw_i64(w, blob->sequence_number);
    vs_jw_key(w, "offset");
    vs_jw_u64(w, blob->offset);
    vs_jw_key(w, "length");
    vs_jw_u64(w, blob->length);
    if (blob->codec.len > 0) {
        vs_jw_key(w, "compression-codec");
        vs_jw_str(w, blob->codec);
    }
    if (blob->property_count > 0) {
        vs_jw_key(w, "properties");
        vs_jw_object_begin(w);
        write_properties(w, blob->properties, blob->property_count);
        vs_jw_object_end(w);
    }
    vs_jw_object_end(w);
}

static enum vs_status build_footer(struct vs_puffin_writer *writer,
                                   struct vs_buf *footer,
                                   const struct vs_puffin_property *properties,
                                   size_t property_count,
                                   struct vs_error *err)
{
    struct vs_json_writer w;
    uint8_t tail[12] = {0};
    VS_TRY(vs_buf_append(footer, "PFA1", 4, err));
    vs_json_writer_init(&w, footer, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "blobs");
    vs_jw_array_begin(&w);
    for (const struct pending_blob *blob = writer->first; blob != NULL; blob = blob->next) {
        write_blob(&w, &blob->meta);
    }
    vs_jw_array_end(&w);
    vs_jw_key(&w, "properties");
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "created-by");
    vs_jw_c(&w, "vecstore version " VECSTORE_VERSION);
    write_properties(&w, properties, property_count);
    vs_jw_object_end(&w);
    vs_jw_object_end(&w);
    VS_TRY(vs_json_writer_finish(&w, err));
    vs_store_u32le(tail, (uint32_t)(footer->len - 4));
    memcpy(tail + 8, "PFA1", 4);
    return vs_buf_append(footer, tail, sizeof tail, err);
}

enum vs_status vs_puffin_writer_finish(struct vs_puffin_writer *writer,
                                       const struct vs_puffin_property *properties,
                                       size_t property_count,
                                       uint64_t *file_size_out,
                                       uint64_t *footer_size_out,
                                       struct vs_error *err)
{
    if (writer->in_blob || writer->finished) {
        return vs_fail(err, VS_INTERNAL, "%s: the Puffin footer comes after the last blob, once",
                       writer->out->name);
    }
    struct vs_buf footer;
    vs_buf_init(&footer, writer->env, MAX_FOOTER);
    enum vs_status status = build_footer(writer, &footer, properties, property_count, err);
    if (status == VS_OK) {
        status = vs_writer_write(writer->out, footer.data, footer.len, err);
    }
    uint64_t footer_size = footer.len;
    vs_buf_clear(&footer);
    VS_TRY(status);
    writer->finished = true;
    if (file_size_out != NULL) {
        *file_size_out = position(writer);
    }
    if (footer_size_out != NULL) {
        *footer_size_out = footer_size;
    }
    return VS_OK;
}

void vs_puffin_writer_free(struct vs_puffin_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    vs_arena_clear(&writer->arena);
    vs_free(writer->env, writer);
}
