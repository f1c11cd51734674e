// SPDX-License-Identifier: Apache-2.0
// The parts of the descriptor that grow: segments with their data files, and blobs.
#include "index/descriptor_internal.h"
#include "index/index_format.h"

#include <inttypes.h>

static enum vs_status decode_drift(struct vs_descriptor_decoder *x,
                                   const struct vs_json *object,
                                   struct vs_drift_figures *drift)
{
    const struct vs_json *value = vs_json_get(object, "drift");
    int64_t count = 0;
    if (value == NULL) {
        return VS_OK;
    }
    VS_TRY(vs_descriptor_range(x, value, "vectors", 0, INT64_MAX, &count));
    VS_TRY(vs_descriptor_number(x, value, "error", 1e30, &drift->error));
    VS_TRY(vs_descriptor_number(x, value, "energy", 1e30, &drift->energy));
    VS_TRY(vs_descriptor_number(x, value, "far-share", 1.0, &drift->far_share));
    VS_TRY(vs_descriptor_number(x, value, "gini", 1.0, &drift->gini));
    VS_TRY(vs_descriptor_number(x, value, "longest-to-mean", 1e30, &drift->longest_to_mean));
    drift->count = (uint64_t)count;
    return VS_OK;
}

static enum vs_status decode_files(struct vs_descriptor_decoder *x,
                                   const struct vs_json *object,
                                   struct vs_index_segment *segment)
{
    const struct vs_json *array = NULL, *item = NULL;
    void *room = NULL;
    VS_TRY(vs_descriptor_array(x, object, "files", VS_INDEX_MAX_FILES,
                               sizeof(struct vs_index_file_ref), &array, &segment->file_count,
                               &room));
    struct vs_index_file_ref *files = room;
    uint64_t next = 0;
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    for (size_t i = 0; vs_json_iter_next(&iter, NULL, &item); i++) {
        int64_t rows = 0, first = 0;
        VS_TRY(vs_descriptor_text(x, item, "path", &files[i].path));
        VS_TRY(vs_descriptor_range(x, item, "rows", 0, VS_INDEX_MAX_ROWS, &rows));
        VS_TRY(vs_descriptor_range(x, item, "first-row", 0, VS_INDEX_MAX_ROWS, &first));
        VS_TRY(
            vs_json_need_i64(item, "sequence-number", x->what, &files[i].sequence_number, x->err));
        if ((uint64_t)first != next) {
            return vs_fail(x->err, VS_CORRUPT, "%s: file '%.*s' does not follow the file before it",
                           x->what, VS_STR_ARG(files[i].path));
        }
        files[i].row_count = (uint64_t)rows;
        files[i].first_row = (uint64_t)first;
        next += (uint64_t)rows;
    }
    if (next != segment->row_count) {
        return vs_fail(x->err, VS_CORRUPT,
                       "%s: the files of a segment have %" PRIu64 " rows, the segment %" PRIu64,
                       x->what, next, segment->row_count);
    }
    segment->files = files;
    return VS_OK;
}

static enum vs_status decode_segment_columns(struct vs_descriptor_decoder *x,
                                             const struct vs_json *object,
                                             struct vs_index_segment *segment,
                                             struct vs_segment_parts *parts)
{
    const struct vs_json *array = NULL, *item = NULL;
    void *room = NULL;
    size_t count = 0;
    VS_TRY(vs_descriptor_array(x, object, "columns", VS_INDEX_MAX_COLUMNS,
                               sizeof(struct vs_segment_column), &array, &count, &room));
    if (count != x->d->info.column_count) {
        return vs_fail(x->err, VS_CORRUPT, "%s: a segment describes %zu columns, the file has %zu",
                       x->what, count, x->d->info.column_count);
    }
    parts->columns = room;
    segment->is_small = true;
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    for (size_t i = 0; vs_json_iter_next(&iter, NULL, &item); i++) {
        int64_t vectors = 0;
        struct vs_str organised;
        VS_TRY(vs_descriptor_range(x, item, "vectors", 0, (int64_t)segment->row_count, &vectors));
        VS_TRY(vs_json_need_str(item, "organised", x->what, &organised, x->err));
        VS_TRY(decode_drift(x, item, &parts->columns[i].drift));
        parts->columns[i].vector_count = (uint64_t)vectors;
        parts->columns[i].has_lists = vs_str_equal_c(organised, "lists");
        if (!parts->columns[i].has_lists && !vs_str_equal_c(organised, "flat")) {
            return vs_fail(x->err, VS_CORRUPT, "%s: 'organised' is '%.*s', not lists or flat",
                           x->what, VS_STR_ARG(organised));
        }
        if (parts->columns[i].has_lists &&
            (x->d->info.columns[i].list_count == 0 || x->d->info.columns[i].m == 0)) {
            return vs_fail(x->err, VS_CORRUPT,
                           "%s: a segment has lists, its column has no codebook", x->what);
        }
        segment->is_small = segment->is_small && !parts->columns[i].has_lists;
    }
    return VS_OK;
}

static enum vs_status decode_attrs(struct vs_descriptor_decoder *x,
                                   const struct vs_json *object,
                                   struct vs_segment_parts *parts)
{
    const struct vs_json *array = NULL, *item = NULL;
    void *room = NULL;
    VS_TRY(vs_descriptor_array(x, object, "attrs", VS_INDEX_MAX_FIELDS, sizeof(struct vs_attr_part),
                               &array, &parts->attr_count, &room));
    parts->attrs = room;
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    for (size_t i = 0; vs_json_iter_next(&iter, NULL, &item); i++) {
        int64_t id = 0, offset = 0, length = 0;
        VS_TRY(vs_descriptor_range(x, item, "field-id", INT32_MIN, INT32_MAX, &id));
        VS_TRY(vs_descriptor_range(x, item, "offset", 0, INT64_MAX, &offset));
        VS_TRY(vs_descriptor_range(x, item, "length", 0, INT64_MAX, &length));
        size_t field = vs_descriptor_field(x->d, (int32_t)id);
        if (field == SIZE_MAX || x->d->places[field] != VS_PLACE_ATTRS) {
            return vs_fail(x->err, VS_CORRUPT,
                           "%s: attrs part of field %" PRId64 ", which is not stored there",
                           x->what, id);
        }
        parts->attrs[i] = (struct vs_attr_part){(int32_t)id, (uint64_t)offset, (uint64_t)length};
    }
    return VS_OK;
}

enum vs_status vs_descriptor_segments(struct vs_descriptor_decoder *x, const struct vs_json *root)
{
    const struct vs_json *array = NULL, *item = NULL;
    void *room = NULL;
    VS_TRY(vs_descriptor_array(x, root, "segments", VS_INDEX_MAX_SEGMENTS,
                               sizeof(struct vs_index_segment), &array, &x->d->info.segment_count,
                               &room));
    struct vs_index_segment *segments = room;
    x->d->segments =
        vs_arena_alloc_array(x->arena, x->d->info.segment_count, sizeof *x->d->segments);
    if (x->d->segments == NULL) {
        return vs_descriptor_no_memory(x);
    }
    if (x->d->info.segment_count == 0) {
        return vs_fail(x->err, VS_CORRUPT, "%s: the index has no segment", x->what);
    }
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    for (size_t i = 0; vs_json_iter_next(&iter, NULL, &item); i++) {
        int64_t rows = 0;
        VS_TRY(vs_descriptor_range(x, item, "rows", 0, VS_INDEX_MAX_ROWS, &rows));
        segments[i].row_count = (uint64_t)rows;
        VS_TRY(decode_files(x, item, &segments[i]));
        VS_TRY(decode_segment_columns(x, item, &segments[i], &x->d->segments[i]));
        VS_TRY(decode_attrs(x, item, &x->d->segments[i]));
    }
    x->d->info.segments = segments;
    return VS_OK;
}

enum vs_status vs_descriptor_blobs(struct vs_descriptor_decoder *x, const struct vs_json *root)
{
    const struct vs_json *array = NULL, *item = NULL;
    void *room = NULL;
    VS_TRY(vs_descriptor_array(x, root, "blobs", VS_INDEX_MAX_BLOBS, sizeof(struct vs_blob_entry),
                               &array, &x->d->blob_count, &room));
    struct vs_blob_entry *blobs = room;
    size_t count = x->d->blob_count;
    x->d->blobs = blobs;
    x->d->blob_count = 0; // grows, so that the look-up below sees those before
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    for (size_t i = 0; i < count && vs_json_iter_next(&iter, NULL, &item); i++) {
        int64_t segment = 0, field = 0, offset = 0, length = 0, crc = 0;
        VS_TRY(vs_descriptor_text(x, item, "type", &blobs[i].type));
        VS_TRY(vs_descriptor_range(x, item, "segment", -1, (int64_t)x->d->info.segment_count - 1,
                                   &segment));
        VS_TRY(vs_descriptor_range(x, item, "field-id", -1, INT32_MAX, &field));
        VS_TRY(vs_descriptor_range(x, item, "offset", 0, INT64_MAX, &offset));
        VS_TRY(vs_descriptor_range(x, item, "length", 0, INT64_MAX, &length));
        VS_TRY(vs_descriptor_range(x, item, "crc32c", 0, UINT32_MAX, &crc));
        const char *type = blobs[i].type.ptr; // copies in an arena end with a NUL
        if (vs_descriptor_blob(x->d, type, (int32_t)segment, (int32_t)field) != NULL) {
            return vs_fail(x->err, VS_CORRUPT,
                           "%s: blob '%s' of segment %" PRId64 ", field %" PRId64 " stands twice",
                           x->what, type, segment, field);
        }
        blobs[i].segment = (int32_t)segment;
        blobs[i].field_id = (int32_t)field;
        blobs[i].offset = (uint64_t)offset;
        blobs[i].length = (uint64_t)length;
        blobs[i].crc = (uint32_t)crc;
        x->d->blob_count = i + 1;
    }
    return VS_OK;
}
