// SPDX-License-Identifier: Apache-2.0
#include "index/index_internal.h"
#include "index/index_moved.h"
#include "vecstore/base/checked.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum vs_status vs_index_blob_read(const struct vs_env *env,
                                  struct vs_file *file,
                                  const struct vs_blob_entry *blob,
                                  uint8_t **bytes_out,
                                  struct vs_error *err)
{
    uint8_t *bytes =
        vs_alloc(env, (size_t)blob->length); // lies inside the file: checked against the footer
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for blob %.*s of %s (%" PRIu64 " bytes)",
                       VS_STR_ARG(blob->type), file->name, blob->length);
    }
    enum vs_status status = vs_file_read(file, blob->offset, (size_t)blob->length, bytes, err);
    bool right = status != VS_OK || vs_crc32c(0, bytes, (size_t)blob->length) == blob->crc;
    if (!right) {
        const struct vs_range range = {blob->offset, (size_t)blob->length, bytes};
        status = vs_file_read_again(file, &range, blob->crc, &right, err);
    }
    if (status == VS_OK && !right) {
        status =
            vs_fail(err, VS_CORRUPT,
                    "%s: checksum of blob %.*s at offset %" PRIu64 " is wrong; rebuild the index",
                    file->name, VS_STR_ARG(blob->type), blob->offset);
    }
    if (status != VS_OK) {
        vs_free(env, bytes);
        return status;
    }
    *bytes_out = bytes;
    return VS_OK;
}

static enum vs_status descriptor_crc(const struct vs_puffin_blob *blob,
                                     const char *what,
                                     uint32_t *crc_out,
                                     struct vs_error *err)
{
    for (size_t i = 0; i < blob->property_count; i++) {
        struct vs_str value = blob->properties[i].value;
        if (!vs_str_equal_c(blob->properties[i].key, "crc32c") || value.len != 8) {
            continue;
        }
        uint32_t crc = 0;
        size_t at = 0;
        for (; at < 8; at++) {
            char c = value.ptr[at];
            int digit = c >= '0' && c <= '9' ? c - '0' : (c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1);
            if (digit < 0) {
                break;
            }
            crc = crc << 4 | (uint32_t)digit;
        }
        if (at == 8) {
            *crc_out = crc;
            return VS_OK;
        }
    }
    return vs_fail(err, VS_CORRUPT, "%s: the descriptor blob has no checksum", what);
}

static enum vs_status find_descriptor(const struct vs_puffin *puffin,
                                      const char *what,
                                      const struct vs_puffin_blob **blob_out,
                                      struct vs_error *err)
{
    const struct vs_puffin_blob *found = NULL;
    for (size_t i = 0; i < puffin->blob_count; i++) {
        if (vs_str_equal_c(puffin->blobs[i].type, VS_BLOB_DESCRIPTOR)) {
            if (found != NULL) {
                return vs_fail(err, VS_CORRUPT, "%s: two descriptor blobs", what);
            }
            found = &puffin->blobs[i];
        }
    }
    if (found == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s: a Puffin file without a %s blob: not an index", what,
                       VS_BLOB_DESCRIPTOR);
    }
    if (found->codec.len != 0 || found->length > VS_INDEX_MAX_DESCRIPTOR) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: the descriptor blob is compressed or has more than %u bytes", what,
                       VS_INDEX_MAX_DESCRIPTOR);
    }
    *blob_out = found;
    return VS_OK;
}

static bool same_blob(const struct vs_puffin_blob *blob,
                      const struct vs_blob_entry *entry,
                      int64_t snapshot_id)
{
    return blob->offset == entry->offset && blob->length == entry->length &&
           vs_str_equal(blob->type, entry->type) && blob->codec.len == 0 &&
           blob->snapshot_id == snapshot_id && blob->field_count >= 1 &&
           (entry->field_id < 0 || blob->fields[0] == entry->field_id);
}

static enum vs_status check_blobs(const struct vs_puffin *puffin,
                                  const struct vs_descriptor *descriptor,
                                  const char *what,
                                  struct vs_error *err)
{
    size_t next =
        0; // both lists are in file order as our writer makes them; others are found by going round
    for (size_t i = 0; i < descriptor->blob_count; i++) {
        const struct vs_blob_entry *entry = &descriptor->blobs[i];
        size_t tried = 0;
        while (tried < puffin->blob_count &&
               !same_blob(&puffin->blobs[next], entry, descriptor->info.snapshot_id)) {
            next = next + 1 < puffin->blob_count ? next + 1 : 0;
            tried++;
        }
        if (tried == puffin->blob_count || entry->offset % VS_INDEX_ALIGN != 0) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: the footer has no blob %.*s of %" PRIu64
                           " bytes at offset %" PRIu64,
                           what, VS_STR_ARG(entry->type), entry->length, entry->offset);
        }
    }
    return VS_OK;
}

static enum vs_status read_moved(const struct vs_env *env,
                                 struct vs_file *file,
                                 struct vs_arena *arena,
                                 struct vs_descriptor *descriptor,
                                 struct vs_error *err)
{
    const struct vs_blob_entry *blob = vs_descriptor_blob(descriptor, VS_BLOB_MOVED, -1, -1);
    if (blob == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s: version 2 without a %s blob", file->name,
                       VS_BLOB_MOVED);
    }
    uint8_t *bytes = NULL;
    VS_TRY(vs_index_blob_read(env, file, blob, &bytes, err));
    struct vs_str view = {(const char *)bytes, (size_t)blob->length};
    enum vs_status status =
        vs_moved_runs_decode(env, view, file->name, arena, &descriptor->info, err);
    vs_free(env, bytes);
    return status;
}

enum vs_status vs_index_describe(const struct vs_env *env,
                                 struct vs_file *file,
                                 struct vs_arena *arena,
                                 struct vs_puffin *puffin_out,
                                 struct vs_descriptor *descriptor_out,
                                 struct vs_error *err)
{
    struct vs_puffin puffin = {.blob_count = 0};
    uint8_t *text = NULL;
    enum vs_status status = vs_puffin_read(env, file, &puffin, err);
    if (status != VS_OK) {
        return status;
    }
    const struct vs_puffin_blob *blob = NULL;
    struct vs_blob_entry entry = {.type = VS_STR(VS_BLOB_DESCRIPTOR)};
    status = find_descriptor(&puffin, file->name, &blob, err);
    if (status == VS_OK) {
        status = descriptor_crc(blob, file->name, &entry.crc, err);
    }
    if (status == VS_OK) {
        entry.offset = blob->offset;
        entry.length = blob->length;
        status = vs_index_blob_read(env, file, &entry, &text, err);
    }
    if (status == VS_OK) {
        struct vs_str view = {(const char *)text, (size_t)entry.length};
        status = vs_descriptor_decode(env, view, file->name, arena, descriptor_out, err);
    }
    if (status == VS_OK && blob->snapshot_id != descriptor_out->info.snapshot_id) {
        status = vs_fail(err, VS_CORRUPT,
                         "%s: the footer says snapshot %" PRId64 ", the descriptor %" PRId64,
                         file->name, blob->snapshot_id, descriptor_out->info.snapshot_id);
    }
    if (status == VS_OK) {
        status = check_blobs(&puffin, descriptor_out, file->name, err);
    }
    if (status == VS_OK && descriptor_out->info.format_version == VS_INDEX_MOVED_VERSION) {
        status = read_moved(env, file, arena, descriptor_out, err);
    }
    vs_free(env, text);
    if (status != VS_OK) {
        vs_puffin_clear(&puffin);
        return status;
    }
    *puffin_out = puffin;
    return VS_OK;
}

// From memory that the index decodes whole, or (lazily) what searches need of it.
static enum vs_status read_codebook(const struct vs_index *index,
                                    const struct vs_blob_entry *blob,
                                    size_t thread_count,
                                    struct vs_codebook *codebook,
                                    struct vs_error *err)
{
    if (index->options.lazy) {
        const struct vs_codebook_blob place = {index->file, blob->offset, blob->length, blob->crc};
        return vs_codebook_open(index->env, &place, thread_count, codebook, err);
    }
    uint8_t *bytes = NULL;
    VS_TRY(vs_index_blob_read(index->env, index->file, blob, &bytes, err));
    struct vs_str view = {(const char *)bytes, (size_t)blob->length};
    enum vs_status status = vs_codebook_decode(index->env, view, index->file->name, codebook, err);
    vs_free(index->env, bytes);
    return status;
}

static enum vs_status load_codebook(struct vs_index *index,
                                    size_t column,
                                    size_t thread_count,
                                    struct vs_error *err)
{
    const struct vs_index_column *info = &index->descriptor.info.columns[column];
    struct vs_codebook *codebook = &index->codebooks[column];
    const struct vs_blob_entry *blob =
        vs_descriptor_blob(&index->descriptor, VS_BLOB_CODEBOOK, -1, info->field_id);
    if (blob == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s: column %" PRId32 " has lists but no codebook",
                       index->file->name, info->field_id);
    }
    VS_TRY(read_codebook(index, blob, thread_count, codebook, err));
    bool is_named = index->options.lazy || vs_str_equal_c(info->model_id, codebook->model_id);
    if (codebook->dim != info->dim || codebook->m != info->m ||
        codebook->list_count != info->list_count || codebook->proj_dim != info->proj_dim ||
        codebook->metric != info->metric || !is_named) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: the codebook of column %" PRId32
                       " is not the one that the descriptor names",
                       index->file->name, info->field_id);
    }
    // int8 forms and codes; decoded whole also the floats, and the int8 forms once more
    index->memory_bytes += index->options.lazy ? blob->length / 3 : blob->length * 2;
    codebook->open_lists = info->open_lists;
    return VS_OK;
}

enum vs_status vs_index_load_ids(const struct vs_index *index, size_t s, struct vs_error *err)
{
    const struct vs_descriptor *d = &index->descriptor;
    const struct vs_blob_entry *blob = vs_descriptor_blob(d, VS_BLOB_IDS, (int32_t)s, -1);
    struct vs_index_open_segment *segment = &index->segments[s];
    if (blob == NULL) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: segment %zu has no ids although the table has an identifier",
                       index->file->name, s);
    }
    uint8_t *bytes = NULL;
    VS_TRY(vs_index_blob_read(index->env, index->file, blob, &bytes, err));
    struct vs_str view = {(const char *)bytes, (size_t)blob->length};
    enum vs_kind kind = d->info.fields[vs_descriptor_field(d, d->info.id_field_id)].kind;
    enum vs_status status = vs_ids_open(index->env, view, index->file->name, kind,
                                        (size_t)d->info.segments[s].row_count, &segment->ids, err);
    if (status != VS_OK) {
        vs_free(index->env, bytes);
        return status;
    }
    segment->ids_bytes = bytes;
    return VS_OK;
}

static uint64_t ids_length(const struct vs_index *index, size_t s)
{
    const struct vs_blob_entry *blob =
        vs_descriptor_blob(&index->descriptor, VS_BLOB_IDS, (int32_t)s, -1);
    return blob != NULL ? blob->length : 0;
}

static enum vs_status open_segment(struct vs_index *index,
                                   size_t s,
                                   const struct vs_index_open_options *options,
                                   size_t thread_count,
                                   struct vs_error *err)
{
    struct vs_index_open_segment *segment = &index->segments[s];
    const struct vs_descriptor *d = &index->descriptor;
    segment->parts = vs_alloc_zeroed(index->env, d->info.column_count, sizeof *segment->parts);
    segment->attrs = vs_alloc_zeroed(index->env, d->info.field_count, sizeof *segment->attrs);
    segment->attr_loaded =
        vs_alloc_zeroed(index->env, d->info.field_count, sizeof *segment->attr_loaded);
    index->opened_segments = s + 1;
    if (segment->parts == NULL || segment->attrs == NULL || segment->attr_loaded == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", index->file->name);
    }
    if (d->info.id_field_id >= 0) {
        index->memory_bytes += ids_length(index, s);
        VS_TRY(options->lazy ? VS_OK : vs_index_load_ids(index, s, err));
    }
    for (size_t c = 0; c < d->info.column_count && !options->skip_lists; c++) {
        VS_TRY(vs_index_part_open(index, s, c, thread_count, err));
    }
    return VS_OK;
}

static enum vs_status load_codebooks(struct vs_index *index,
                                     size_t thread_count,
                                     struct vs_error *err)
{
    const struct vs_descriptor *d = &index->descriptor;
    for (size_t c = 0; c < d->info.column_count; c++) {
        bool has_lists = false;
        for (size_t s = 0; s < d->info.segment_count; s++) {
            has_lists = has_lists || d->segments[s].columns[c].has_lists;
        }
        if (has_lists) {
            VS_TRY(load_codebook(index, c, thread_count, err));
        }
    }
    return VS_OK;
}

// ---- lazy: the end of the file in one round, what is missing in another ----

#define TAIL_MIN ((uint64_t)64 << 10)
#define TAIL_MAX ((uint64_t)24 << 20)
#define TAIL_ALIGN ((uint64_t)1 << 20) // of the pieces in which files are cached

// Footer, descriptor, directory and codebook stand at the end: 2 to 7 % of the whole with lists of
// 32 to 8 vectors. A round more costs more than bytes that nobody wanted.
static enum vs_status read_tail(struct vs_ahead *ahead, uint64_t wanted, struct vs_error *err)
{
    uint64_t size = ahead->base.size, tail = wanted;
    if (tail == 0) {
        tail = TAIL_MIN + size / 13;
        tail = tail < TAIL_MAX ? tail : TAIL_MAX;
    }
    uint64_t start = tail < size ? (size - tail) / TAIL_ALIGN * TAIL_ALIGN : 0;
    start = wanted > 0 && wanted < size ? size - wanted : start;
    const struct vs_ahead_part parts[] = {{0, size < 4 ? size : 4, NULL},
                                          {start, size - start, NULL}};
    return vs_ahead_read(ahead, start == 0 ? parts + 1 : parts, start == 0 ? 1 : 2, err);
}

// A file that reads ranges one after the other is near: its codebook is read where it is used.
static bool is_read_at_open(const struct vs_index *index, const struct vs_blob_entry *blob)
{
    bool near = index->source->vtable->read_many == NULL;
    return (vs_str_equal_c(blob->type, VS_BLOB_CODEBOOK) && !near) ||
           vs_str_equal_c(blob->type, VS_BLOB_HOT);
}

// Whatever opening will ask for and the tail did not bring.
static enum vs_status read_rest(struct vs_index *index,
                                struct vs_ahead *ahead,
                                struct vs_error *err)
{
    const struct vs_descriptor *d = &index->descriptor;
    size_t count = 0, most = d->blob_count + d->info.segment_count * d->info.column_count;
    struct vs_ahead_part *parts = vs_alloc_zeroed(index->env, most + 1, sizeof *parts);
    if (parts == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", index->file->name);
    }
    for (size_t i = 0; i < d->blob_count; i++) {
        if (is_read_at_open(index, &d->blobs[i])) {
            parts[count++] = (struct vs_ahead_part){d->blobs[i].offset, d->blobs[i].length, NULL};
        }
    }
    for (size_t s = 0; s < d->info.segment_count; s++) {
        for (size_t c = 0; c < d->info.column_count; c++) {
            vs_index_part_ahead(index, s, c, &parts[count++]);
        }
    }
    enum vs_status status = vs_ahead_read(ahead, parts, count, err);
    vs_free(index->env, parts);
    return status;
}

static enum vs_status check_table(const struct vs_index *index, struct vs_error *err)
{
    const struct vs_uuid *wanted = index->options.table_uuid;
    const struct vs_uuid *found = &index->descriptor.info.table_uuid;
    if (wanted == NULL || memcmp(wanted, found, sizeof *found) == 0) {
        return VS_OK;
    }
    char wanted_text[VS_UUID_TEXT_SIZE], found_text[VS_UUID_TEXT_SIZE];
    vs_uuid_format(*wanted, wanted_text);
    vs_uuid_format(*found, found_text);
    return vs_fail(err, VS_INVALID, "%s is an index of table %s, not of %s", index->file->name,
                   found_text, wanted_text);
}

static enum vs_status open_all(struct vs_index *index,
                               const struct vs_index_open_options *options,
                               struct vs_ahead *ahead,
                               struct vs_error *err)
{
    struct vs_puffin puffin;
    size_t threads = options->thread_count > 0 ? options->thread_count : vs_cpu_count();
    if (ahead != NULL) {
        VS_TRY(read_tail(ahead, options->tail_bytes, err));
    }
    VS_TRY(vs_index_describe(index->env, index->file, &index->arena, &puffin, &index->descriptor,
                             err));
    vs_puffin_clear(&puffin);
    struct vs_index_info *info = &index->descriptor.info;
    VS_TRY(check_table(index, err));
    if (ahead != NULL && !options->skip_lists) {
        VS_TRY(read_rest(index, ahead, err));
    }
    index->codebooks = vs_alloc_zeroed(index->env, info->column_count, sizeof *index->codebooks);
    index->segments = vs_alloc_zeroed(index->env, info->segment_count, sizeof *index->segments);
    if (index->codebooks == NULL || index->segments == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", index->file->name);
    }
    index->skipped_lists = options->skip_lists;
    if (!options->skip_lists) {
        VS_TRY(load_codebooks(index, threads, err));
    }
    for (size_t s = 0; s < info->segment_count; s++) {
        VS_TRY(open_segment(index, s, options, threads, err));
    }
    info->file_size = index->file->size;
    info->memory_bytes = index->memory_bytes + index->arena.used_bytes;
    return VS_OK;
}

static enum vs_status open_lazily(struct vs_index *index, struct vs_error *err)
{
    struct vs_file *file = index->file;
    struct vs_ahead ahead;
    vs_ahead_init(&ahead, index->env, file);
    index->file = &ahead.base;
    enum vs_status status = open_all(index, &index->options, &ahead, err);
    index->file = file;
    vs_ahead_clear(&ahead);
    return status;
}

static enum vs_status open_once(const struct vs_env *env,
                                struct vs_file *file,
                                const struct vs_index_open_options *options,
                                struct vs_index **index_out,
                                struct vs_error *err)
{
    struct vs_index *index = vs_alloc_zeroed(env, 1, sizeof *index);
    if (index == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", file->name);
    }
    index->env = env;
    index->file = index->source = file;
    if (options != NULL) {
        index->options = *options;
    }
    vs_arena_init(&index->arena, env, 0);
    int code = pthread_mutex_init(&index->lock, NULL);
    index->lock_ready = code == 0;
    enum vs_status status = VS_OK;
    if (code != 0) {
        status = vs_fail_errno(err, code, "%s: no mutex", file->name);
    } else {
        status = index->options.lazy ? open_lazily(index, err)
                                     : open_all(index, &index->options, NULL, err);
    }
    index->options.table_uuid = NULL; // the caller's
    if (status != VS_OK) {
        vs_index_close(index);
        return status;
    }
    *index_out = index;
    return VS_OK;
}

// What is read without a checksum of its own, the footer and the descriptor, lies at the end.
#define OPEN_TAIL ((uint64_t)8 << 20)

// Damage may be that of a local copy: then once more without it.
enum vs_status vs_index_open(const struct vs_env *env,
                             struct vs_file *file,
                             const struct vs_index_open_options *options,
                             struct vs_index **index_out,
                             struct vs_error *err)
{
    enum vs_status status = open_once(env, file, options, index_out, err);
    uint64_t tail = file->size < OPEN_TAIL ? file->size : OPEN_TAIL;
    bool forgot = status == VS_CORRUPT && vs_file_forget(file, file->size - tail, tail);
    forgot = (status == VS_CORRUPT && vs_file_forget(file, 0, 1)) || forgot; // the magic
    return forgot ? open_once(env, file, options, index_out, err) : status;
}

static void close_segment(struct vs_index *index, struct vs_index_open_segment *segment)
{
    const struct vs_index_info *info = &index->descriptor.info;
    for (size_t c = 0; c < info->column_count && segment->parts != NULL; c++) {
        vs_index_part_clear(index->env, &segment->parts[c]);
    }
    for (size_t f = 0; f < info->field_count && segment->attrs != NULL; f++) {
        vs_column_clear(&segment->attrs[f]);
    }
    vs_free(index->env, segment->parts);
    vs_free(index->env, segment->attrs);
    vs_free(index->env, segment->attr_loaded);
    if (segment->ids != NULL) {
        vs_ids_close(segment->ids);
    }
    vs_free(index->env, segment->ids_bytes);
    if (segment->payload != NULL) {
        vs_payload_close(segment->payload);
    }
}

void vs_index_close(struct vs_index *index)
{
    if (index == NULL) {
        return;
    }
    for (size_t s = 0; s < index->opened_segments; s++) {
        close_segment(index, &index->segments[s]);
    }
    for (size_t c = 0; c < index->descriptor.info.column_count; c++) {
        if (index->codebooks != NULL) {
            vs_codebook_clear(&index->codebooks[c]);
        }
    }
    vs_free(index->env, index->codebooks);
    vs_free(index->env, index->segments);
    if (index->lock_ready) {
        pthread_mutex_destroy(&index->lock);
    }
    vs_arena_clear(&index->arena);
    vs_free(index->env, index);
}

const struct vs_index_info *vs_index_info(const struct vs_index *index)
{
    return &index->descriptor.info;
}

struct vs_index_reads vs_index_reads(const struct vs_index *index)
{
    struct vs_index_reads reads = {.complete = true};
    const struct vs_index_info *info = &index->descriptor.info;
    for (size_t s = 0; s < info->segment_count; s++) {
        for (size_t c = 0; c < info->column_count; c++) {
            const struct vs_list_loader *loader = index->segments[s].parts[c].loader;
            if (loader != NULL) {
                vs_list_loader_count(loader, &reads);
            }
        }
    }
    return reads;
}

enum vs_status vs_index_preload(const struct vs_index *index,
                                const struct vs_op *op,
                                struct vs_error *err)
{
    const struct vs_index_info *info = &index->descriptor.info;
    for (size_t s = 0; s < info->segment_count; s++) {
        for (size_t c = 0; c < info->column_count; c++) {
            struct vs_list_loader *loader = index->segments[s].parts[c].loader;
            if (loader != NULL) {
                VS_TRY(vs_list_loader_preload(loader, op, err));
            }
        }
    }
    return VS_OK;
}
