// SPDX-License-Identifier: Apache-2.0
/*
 * Values of rows: stored columns, float vectors, ids. Attrs columns are decoded when first asked
 * for and kept; payload blocks and vectors are read on demand.
 */
#include "index/float16.h"
#include "index/index_internal.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <string.h>

#define READ_TOGETHER_BYTES (1u << 20)

// ---- vectors ----

static enum vs_status check_vectors(const struct vs_index *index,
                                    const struct vs_index_part *part,
                                    const uint32_t *rows,
                                    size_t count,
                                    uint8_t *vectors,
                                    size_t row_bytes,
                                    struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t crc = part->row_crcs[rows[i]];
        const struct vs_range range = {part->vectors_offset + rows[i] * (uint64_t)row_bytes,
                                       row_bytes, vectors + i * row_bytes};
        bool right = vs_crc32c(0, range.dst, row_bytes) == crc;
        if (!right) {
            VS_TRY(vs_file_read_again(index->file, &range, crc, &right, err));
        }
        if (!right) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: checksum of the vector of row %" PRIu32
                           " is wrong; rebuild the index",
                           index->file->name, rows[i]);
        }
    }
    return VS_OK;
}

// As they are stored.
static enum vs_status read_stored(const struct vs_index *index,
                                  const struct vs_index_part *part,
                                  const uint32_t *rows,
                                  size_t count,
                                  uint8_t *out,
                                  size_t row_bytes,
                                  struct vs_error *err)
{
    size_t together = READ_TOGETHER_BYTES / row_bytes > 0 ? READ_TOGETHER_BYTES / row_bytes : 1;
    struct vs_range *ranges = vs_alloc_zeroed(index->env, count + 1, sizeof *ranges);
    if (ranges == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory to read vectors", index->file->name);
    }
    size_t range_count = 0;
    for (size_t i = 0; i < count;) {
        size_t n = 1;
        while (i + n < count && n < together && rows[i + n] == rows[i] + n) {
            n++;
        }
        ranges[range_count++] =
            (struct vs_range){part->vectors_offset + rows[i] * (uint64_t)row_bytes, n * row_bytes,
                              out + i * row_bytes};
        i += n;
    }
    enum vs_status status = vs_file_read_many(index->file, ranges, range_count, err);
    vs_free(index->env, ranges);
    return status;
}

enum vs_status vs_index_read_vectors(const struct vs_index *index,
                                     size_t segment,
                                     size_t column,
                                     const uint32_t *rows,
                                     size_t count,
                                     float *out,
                                     struct vs_error *err)
{
    const struct vs_index_part *part = &index->segments[segment].parts[column];
    size_t dim = index->descriptor.info.columns[column].dim;
    if (part->vectors != NULL) {
        for (size_t i = 0; i < count; i++) {
            memcpy(out + i * dim, part->vectors + rows[i] * dim, dim * sizeof(float));
        }
        return VS_OK;
    }
    VS_TRY(vs_index_part_tables(index, segment, column, err));
    size_t row_bytes = dim * vs_vectors_width(part->half);
    uint8_t *stored = (uint8_t *)(out + count * dim) - count * row_bytes; // at the end of the room
    VS_TRY(read_stored(index, part, rows, count, stored, row_bytes, err));
    VS_TRY(check_vectors(index, part, rows, count, stored, row_bytes, err));
    if (part->half) {
        vs_f16_widen(stored, count * dim, out);
    }
    return VS_OK;
}

enum vs_status vs_index_fetch_vectors(const struct vs_index *index,
                                      size_t segment,
                                      size_t column,
                                      const uint32_t *rows,
                                      size_t count,
                                      float *out,
                                      bool *present_out,
                                      struct vs_error *err)
{
    VS_TRY(vs_index_check_target(index, segment, column, err));
    const struct vs_index_part *part = &index->segments[segment].parts[column];
    if (!part->has_vectors) {
        return vs_fail(
            err, VS_UNSUPPORTED,
            "%s holds no float vectors; rebuild the index with them, or read them from the table",
            index->file->name);
    }
    if (part->half) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s holds vectors rounded to half precision; read them from the table",
                       index->file->name);
    }
    for (size_t i = 0; i < count; i++) {
        if (rows[i] >= index->descriptor.info.segments[segment].row_count) {
            return vs_fail(err, VS_INVALID, "row %" PRIu32 " is not in segment %zu of %s", rows[i],
                           segment, index->file->name);
        }
    }
    VS_TRY(vs_index_read_vectors(index, segment, column, rows, count, out, err));
    for (size_t i = 0; i < count; i++) {
        present_out[i] = vs_bit_get(part->presence, rows[i]);
    }
    return VS_OK;
}

enum vs_status vs_index_vector_rows(const struct vs_index *index,
                                    size_t segment,
                                    size_t column,
                                    uint64_t *row_bits,
                                    struct vs_error *err)
{
    VS_TRY(vs_index_check_target(index, segment, column, err));
    size_t words = (size_t)((index->descriptor.info.segments[segment].row_count + 63) / 64);
    if (words > 0) {
        memcpy(row_bits, index->segments[segment].parts[column].presence, words * sizeof(uint64_t));
    }
    return VS_OK;
}

// Appends rows of a vector column to a LIST<FLOAT> column.
static enum vs_status append_vectors(const struct vs_index *index,
                                     size_t segment,
                                     size_t column,
                                     const uint32_t *rows,
                                     size_t count,
                                     struct vs_column *out,
                                     struct vs_error *err)
{
    size_t dim = index->descriptor.info.columns[column].dim, chunk = count < 256 ? count : 256;
    float *vectors = vs_alloc(index->env, chunk * dim * sizeof(float));
    if (vectors == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for vectors");
    }
    enum vs_status status = VS_OK;
    for (size_t at = 0; at < count && status == VS_OK; at += chunk) {
        bool present[256];
        size_t n = count - at < chunk ? count - at : chunk;
        status =
            vs_index_fetch_vectors(index, segment, column, rows + at, n, vectors, present, err);
        for (size_t i = 0; i < n && status == VS_OK; i++) {
            status = present[i] ? vs_column_append_floats(out, vectors + i * dim, dim, err)
                                : vs_column_append_null(out, err);
        }
    }
    vs_free(index->env, vectors);
    return status;
}

// ---- attrs ----

// Where the values of a stored column are in the file.
static enum vs_status find_attr(const struct vs_index *index,
                                size_t segment,
                                size_t field,
                                struct vs_ahead_part *part_out,
                                struct vs_error *err)
{
    const struct vs_descriptor *d = &index->descriptor;
    const struct vs_field *facts = &d->info.fields[field];
    const struct vs_segment_parts *parts = &d->segments[segment];
    const struct vs_blob_entry *blob = vs_descriptor_blob(d, VS_BLOB_ATTRS, (int32_t)segment, -1);
    const struct vs_attr_part *part = NULL;
    for (size_t i = 0; i < parts->attr_count; i++) {
        part = parts->attrs[i].field_id == facts->id ? &parts->attrs[i] : part;
    }
    if (blob == NULL || part == NULL || part->offset > blob->length ||
        part->length > blob->length - part->offset) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: stored column '%.*s' has no part in the attrs of segment %zu",
                       index->file->name, VS_STR_ARG(facts->name), segment);
    }
    *part_out = (struct vs_ahead_part){blob->offset + part->offset, part->length, NULL};
    return VS_OK;
}

static enum vs_status decode_attr(const struct vs_index *index,
                                  struct vs_file *file,
                                  size_t segment,
                                  size_t field,
                                  struct vs_column *column_out,
                                  struct vs_error *err)
{
    const struct vs_index_info *info = &index->descriptor.info;
    struct vs_ahead_part part;
    VS_TRY(find_attr(index, segment, field, &part, err));
    size_t row_count = (size_t)info->segments[segment].row_count;
    uint8_t *bytes = vs_alloc(index->env, (size_t)part.len);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for column '%.*s'",
                       VS_STR_ARG(info->fields[field].name));
    }
    enum vs_status status = vs_file_read(file, part.offset, (size_t)part.len, bytes, err);
    if (status == VS_OK) {
        struct vs_str view = {(const char *)bytes, (size_t)part.len};
        status = vs_attr_decode(index->env, view, index->file->name, &info->fields[field],
                                row_count, column_out, err);
        if (status == VS_CORRUPT && vs_file_forget(index->file, part.offset, part.len)) {
            status = vs_file_read(index->file, part.offset, (size_t)part.len, bytes, err);
            status = status == VS_OK
                         ? vs_attr_decode(index->env, view, index->file->name, &info->fields[field],
                                          row_count, column_out, err)
                         : status;
        }
    }
    vs_free(index->env, bytes);
    return status;
}

static bool has_attrs(const struct vs_index_open_segment *open, const size_t *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!open->attr_loaded[fields[i]]) {
            return false;
        }
    }
    return true;
}

// Decodes those of the columns that nobody asked for before, read in one round, and keeps them. The
// lock guards the first use.
static enum vs_status need_attrs(const struct vs_index *index,
                                 size_t segment,
                                 const size_t *fields,
                                 size_t count,
                                 struct vs_error *err)
{
    struct vs_index_open_segment *open = &index->segments[segment];
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&index
                                ->lock; // the index is const to its users, its lock is not
    struct vs_ahead ahead;
    size_t part_count = 0;
    enum vs_status status = VS_OK;
    pthread_mutex_lock(lock);
    if (has_attrs(open, fields, count)) {
        pthread_mutex_unlock(lock);
        return VS_OK;
    }
    vs_ahead_init(&ahead, index->env, index->file);
    struct vs_ahead_part *parts = vs_alloc_zeroed(index->env, count + 1, sizeof *parts);
    if (parts == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "%s: out of memory", index->file->name);
    }
    for (size_t i = 0; i < count && status == VS_OK; i++) {
        if (!open->attr_loaded[fields[i]]) {
            status = find_attr(index, segment, fields[i], &parts[part_count++], err);
        }
    }
    if (status == VS_OK && part_count > 0) {
        status = vs_ahead_read(&ahead, parts, part_count, err);
    }
    for (size_t i = 0; i < count && status == VS_OK; i++) {
        if (!open->attr_loaded[fields[i]]) {
            status =
                decode_attr(index, &ahead.base, segment, fields[i], &open->attrs[fields[i]], err);
            open->attr_loaded[fields[i]] = status == VS_OK;
        }
    }
    pthread_mutex_unlock(lock);
    vs_ahead_clear(&ahead);
    vs_free(index->env, parts);
    return status;
}

// ---- payload ----

static size_t payload_fields(const struct vs_descriptor *d, struct vs_field *fields)
{
    size_t count = 0;
    for (size_t f = 0; f < d->info.field_count; f++) {
        if (d->places[f] == VS_PLACE_PAYLOAD) {
            fields[count++] = d->info.fields[f];
        }
    }
    return count;
}

static enum vs_status open_payload(const struct vs_index *index,
                                   size_t segment,
                                   struct vs_payload_reader **reader_out,
                                   struct vs_error *err)
{
    const struct vs_descriptor *d = &index->descriptor;
    const struct vs_blob_entry *blob = vs_descriptor_blob(d, VS_BLOB_PAYLOAD, (int32_t)segment, -1);
    if (blob == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s: segment %zu has no payload", index->file->name,
                       segment);
    }
    struct vs_field *fields = vs_alloc_zeroed(index->env, d->info.field_count, sizeof *fields);
    if (fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the payload of %s", index->file->name);
    }
    const struct vs_payload_place place = {.file = index->file,
                                           .offset = blob->offset,
                                           .length = blob->length,
                                           .fields = fields,
                                           .field_count = payload_fields(d, fields),
                                           .row_count =
                                               (size_t)d->info.segments[segment].row_count};
    enum vs_status status = vs_payload_open(index->env, &place, reader_out, err);
    if (status == VS_CORRUPT && vs_file_forget(index->file, blob->offset, blob->length)) {
        status = vs_payload_open(index->env, &place, reader_out, err); // without local copies
    }
    vs_free(index->env, fields);
    return status;
}

static enum vs_status payload_reader(const struct vs_index *index,
                                     size_t segment,
                                     struct vs_payload_reader **reader_out,
                                     struct vs_error *err)
{
    struct vs_index_open_segment *open = &index->segments[segment];
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&index->lock;
    pthread_mutex_lock(lock);
    enum vs_status status =
        open->payload == NULL ? open_payload(index, segment, &open->payload, err) : VS_OK;
    pthread_mutex_unlock(lock);
    *reader_out = open->payload;
    return status;
}

// Fetches the payload fields among field_ids into the columns of batch at the same places.
static enum vs_status fetch_payload(const struct vs_index *index,
                                    size_t segment,
                                    const int32_t *field_ids,
                                    size_t field_count,
                                    const uint32_t *rows,
                                    size_t count,
                                    struct vs_batch *batch,
                                    struct vs_error *err)
{
    const struct vs_descriptor *d = &index->descriptor;
    struct vs_payload_reader *reader = NULL;
    VS_TRY(payload_reader(index, segment, &reader, err));
    struct vs_field *fields = vs_alloc_zeroed(index->env, d->info.field_count, sizeof *fields);
    bool *wanted = vs_alloc_zeroed(index->env, d->info.field_count, sizeof *wanted);
    struct vs_batch found = {0};
    enum vs_status status = VS_OK;
    if (fields == NULL || wanted == NULL) {
        status =
            vs_fail(err, VS_NO_MEMORY, "out of memory for the payload of %s", index->file->name);
    }
    size_t stored = fields != NULL ? payload_fields(d, fields) : 0;
    if (status == VS_OK) {
        status = vs_batch_init(&found, index->env, fields, stored, err);
    }
    for (size_t p = 0; p < stored && status == VS_OK; p++) {
        for (size_t i = 0; i < field_count; i++) {
            wanted[p] = wanted[p] || fields[p].id == field_ids[i];
        }
    }
    if (status == VS_OK) {
        status = vs_payload_fetch(reader, rows, count, wanted, &found, err);
    }
    for (size_t p = 0; p < stored && status == VS_OK; p++) {
        for (size_t i = 0; i < field_count && status == VS_OK; i++) {
            if (wanted[p] && fields[p].id == field_ids[i]) {
                status =
                    vs_column_append_rows(&batch->columns[i], &found.columns[p], 0, count, err);
            }
        }
    }
    vs_batch_clear(&found);
    vs_free(index->env, fields);
    vs_free(index->env, wanted);
    return status;
}

// ---- public ----

static enum vs_status find_field(const struct vs_index *index,
                                 size_t segment,
                                 int32_t field_id,
                                 size_t *field_out,
                                 struct vs_error *err)
{
    if (segment >= index->descriptor.info.segment_count) {
        return vs_fail(err, VS_INVALID, "%s has no segment %zu", index->file->name, segment);
    }
    *field_out = vs_descriptor_field(&index->descriptor, field_id);
    if (*field_out == SIZE_MAX) {
        return vs_fail(err, VS_NOT_FOUND, "%s does not store field %" PRId32, index->file->name,
                       field_id);
    }
    return VS_OK;
}

enum vs_status vs_index_prefetch(const struct vs_index *index,
                                 size_t segment,
                                 const int32_t *field_ids,
                                 size_t field_count,
                                 const struct vs_op *op,
                                 struct vs_error *err)
{
    const struct vs_descriptor *d = &index->descriptor;
    struct vs_payload_reader *reader = NULL;
    bool payload = false;
    VS_TRY(vs_op_check(index->env, op, err));
    size_t count = 0, *fields = vs_alloc_zeroed(index->env, field_count + 1, sizeof *fields);
    enum vs_status status = VS_OK;
    if (fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", index->file->name);
    }
    for (size_t i = 0; i < field_count && status == VS_OK; i++) {
        size_t field = 0;
        status = find_field(index, segment, field_ids[i], &field, err);
        if (status == VS_OK && d->places[field] == VS_PLACE_ATTRS) {
            fields[count++] = field;
        }
        payload = payload || (status == VS_OK && d->places[field] == VS_PLACE_PAYLOAD);
    }
    if (status == VS_OK && count > 0) {
        status = need_attrs(index, segment, fields, count, err);
    }
    if (status == VS_OK && payload) {
        status = vs_op_check(index->env, op, err);
    }
    if (status == VS_OK && payload) {
        status = payload_reader(index, segment, &reader, err);
    }
    vs_free(index->env, fields);
    return status;
}

enum vs_status vs_index_fetch(const struct vs_index *index,
                              size_t segment,
                              const int32_t *field_ids,
                              size_t field_count,
                              const uint32_t *rows,
                              size_t count,
                              struct vs_batch *batch,
                              struct vs_error *err)
{
    const struct vs_descriptor *d = &index->descriptor;
    bool any_payload = false;
    for (size_t i = 0; i < count; i++) {
        if (segment < d->info.segment_count && rows[i] >= d->info.segments[segment].row_count) {
            return vs_fail(err, VS_INVALID, "row %" PRIu32 " is not in segment %zu of %s", rows[i],
                           segment, index->file->name);
        }
    }
    VS_TRY(vs_index_prefetch(index, segment, field_ids, field_count, NULL, err));
    for (size_t i = 0; i < field_count; i++) {
        size_t field = 0;
        VS_TRY(find_field(index, segment, field_ids[i], &field, err));
        if (d->places[field] == VS_PLACE_ATTRS) {
            VS_TRY(vs_column_gather(&batch->columns[i], &index->segments[segment].attrs[field],
                                    rows, count, err));
        } else if (d->places[field] == VS_PLACE_VECTORS) {
            VS_TRY(append_vectors(index, segment, vs_descriptor_column(d, field_ids[i]), rows,
                                  count, &batch->columns[i], err));
        } else {
            any_payload = true;
        }
    }
    if (any_payload) {
        VS_TRY(fetch_payload(index, segment, field_ids, field_count, rows, count, batch, err));
    }
    batch->row_count += count;
    return VS_OK;
}

enum vs_status vs_index_load_column(const struct vs_index *index,
                                    size_t segment,
                                    int32_t field_id,
                                    struct vs_column *column_out,
                                    struct vs_error *err)
{
    size_t field = 0;
    VS_TRY(find_field(index, segment, field_id, &field, err));
    if (index->descriptor.places[field] == VS_PLACE_ATTRS) {
        return decode_attr(index, index->file, segment, field, column_out, err);
    }
    size_t rows = (size_t)index->descriptor.info.segments[segment].row_count;
    uint32_t *all = vs_alloc_zeroed(index->env, rows, sizeof *all);
    if (all == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for column %" PRId32, field_id);
    }
    for (size_t i = 0; i < rows; i++) {
        all[i] = (uint32_t)i;
    }
    struct vs_batch batch = {0};
    enum vs_status status =
        vs_batch_init(&batch, index->env, &index->descriptor.info.fields[field], 1, err);
    if (status == VS_OK) {
        status = vs_index_fetch(index, segment, &field_id, 1, all, rows, &batch, err);
    }
    if (status == VS_OK) {
        *column_out = batch.columns[0];
        vs_column_init(&batch.columns[0], index->env, index->descriptor.info.fields[field].kind);
    }
    vs_batch_clear(&batch);
    vs_free(index->env, all);
    return status;
}

enum vs_status vs_index_find_id(const struct vs_index *index,
                                size_t segment,
                                const struct vs_value *id,
                                const uint32_t **rows_out,
                                size_t *count_out,
                                struct vs_error *err)
{
    if (segment >= index->descriptor.info.segment_count || index->descriptor.info.id_field_id < 0) {
        return vs_fail(err, VS_INVALID, "%s has no ids for segment %zu", index->file->name,
                       segment);
    }
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&index->lock;
    pthread_mutex_lock(lock);
    enum vs_status status =
        index->segments[segment].ids == NULL ? vs_index_load_ids(index, segment, err) : VS_OK;
    pthread_mutex_unlock(lock);
    VS_TRY(status);
    vs_ids_find(index->segments[segment].ids, id, rows_out, count_out);
    return VS_OK;
}

enum vs_status vs_index_list_sizes(const struct vs_index *index,
                                   size_t segment,
                                   size_t column,
                                   uint32_t *sizes_out,
                                   struct vs_error *err)
{
    VS_TRY(vs_index_check_target(index, segment, column, err));
    const struct vs_index_part *part = &index->segments[segment].parts[column];
    if (!part->has_lists) {
        return vs_fail(err, VS_UNSUPPORTED, "segment %zu has no lists: it is small", segment);
    }
    for (uint32_t i = 0; i < part->lists.codebook->list_count; i++) {
        sizes_out[i] = part->records[i].entry_count;
    }
    return VS_OK;
}
