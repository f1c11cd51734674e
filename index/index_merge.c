// SPDX-License-Identifier: Apache-2.0
/*
 * Order of a merged file's blobs, what is carried over, and the descriptor. Lists are put together
 * in merge_lists.c, values of rows in merge_values.c.
 */
#include "index/index_merge.h"

#include "index/merge_internal.h"

#include <inttypes.h>
#include <string.h>

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
}

// ---- do the sources fit each other? ----

static enum vs_status check_columns(const struct vs_merge_source *base,
                                    const struct vs_merge_source *source,
                                    struct vs_error *err)
{
    const struct vs_index_info *a = &base->index->descriptor.info,
                               *b = &source->index->descriptor.info;
    bool same = a->column_count == b->column_count && a->id_field_id == b->id_field_id &&
                memcmp(&a->table_uuid, &b->table_uuid, sizeof a->table_uuid) == 0;
    for (size_t c = 0; same && c < a->column_count; c++) {
        const struct vs_index_column *x = &a->columns[c], *y = &b->columns[c];
        same = x->field_id == y->field_id && x->dim == y->dim && x->metric == y->metric &&
               (y->list_count == 0 || vs_str_equal(x->model_id, y->model_id));
    }
    return same ? VS_OK
                : vs_fail(err, VS_INVALID,
                          "%s and %s belong to different tables, columns or codebooks: build the "
                          "index anew",
                          source->file->name, base->file->name);
}

static bool same_field(const struct vs_field *a, const struct vs_field *b)
{
    return a->id == b->id && a->kind == b->kind && a->element_kind == b->element_kind &&
           a->precision == b->precision && a->scale == b->scale;
}

static enum vs_status check_fields(const struct vs_merge_source *source,
                                   const struct vs_descriptor *base,
                                   struct vs_error *err)
{
    const struct vs_index_info *info = &source->index->descriptor.info;
    bool same = base->info.field_count == info->field_count;
    for (size_t f = 0; same && f < info->field_count; f++) {
        size_t at = vs_descriptor_field(base, info->fields[f].id);
        same = at != SIZE_MAX && same_field(&base->info.fields[at], &info->fields[f]);
    }
    return same ? VS_OK
                : vs_fail(err, VS_INVALID,
                          "%s stores other columns than the index that it is to join: build the "
                          "index anew",
                          source->file->name);
}

// Blobs of a source can be carried when its fields lie where the base has them.
static bool same_places(const struct vs_descriptor *base, const struct vs_descriptor *d)
{
    for (size_t f = 0; f < d->info.field_count; f++) {
        if (!same_field(&base->info.fields[f], &d->info.fields[f]) ||
            base->places[f] != d->places[f]) {
            return false;
        }
    }
    return true;
}

bool vs_merge_can_join(const struct vs_index *a,
                       size_t segment_of_a,
                       const struct vs_index *b,
                       size_t segment_of_b)
{
    const struct vs_segment_parts *x = &a->descriptor.segments[segment_of_a],
                                  *y = &b->descriptor.segments[segment_of_b];
    size_t count = a->descriptor.info.column_count;
    bool same = count == b->descriptor.info.column_count;
    for (size_t c = 0; same && c < count; c++) {
        same = x->columns[c].has_lists == y->columns[c].has_lists;
    }
    return same;
}

// ---- targets ----

static bool keeps(const struct vs_merge_part *part, size_t file)
{
    return part->keep_files == NULL || part->keep_files[file];
}

// Runs of kept rows, neighbours joined; files are added to the target.
static enum vs_status set_up_piece(struct vs_merge_job *job,
                                   const struct vs_merge_part *part,
                                   struct vs_merge_target *target,
                                   struct vs_merge_piece *piece,
                                   struct vs_index_file_ref *files,
                                   struct vs_error *err)
{
    const struct vs_merge_source *source = &job->merge->sources[part->source];
    const struct vs_index_segment *old = &source->index->descriptor.info.segments[part->segment];
    *piece = (struct vs_merge_piece){
        .file = source->file, .index = source->index, .segment = part->segment, .keeps_all = true};
    for (size_t i = 0; i < source->index->descriptor.blob_count; i++) {
        const struct vs_blob_entry *blob = &source->index->descriptor.blobs[i];
        target->has_summary = target->has_summary || (blob->segment == (int32_t)part->segment &&
                                                      vs_str_equal_c(blob->type, VS_BLOB_SUMMARY));
    }
    piece->runs = vs_arena_alloc_array(&job->arena, old->file_count + 1, sizeof *piece->runs);
    if (piece->runs == NULL) {
        return no_memory(err);
    }
    for (size_t f = 0; f < old->file_count; f++) {
        const struct vs_index_file_ref *file = &old->files[f];
        if (!keeps(part, f)) {
            piece->keeps_all = false;
            continue;
        }
        struct vs_merge_run *last =
            piece->run_count > 0 ? &piece->runs[piece->run_count - 1] : NULL;
        if (target->info.row_count + file->row_count > VS_INDEX_MAX_ROWS) {
            return vs_fail(err, VS_LIMIT, "a segment holds at most %u rows", VS_INDEX_MAX_ROWS);
        }
        if (last != NULL && (uint64_t)last->first_row + last->count == file->first_row) {
            last->count += (uint32_t)file->row_count;
        } else if (file->row_count > 0) {
            piece->runs[piece->run_count++] =
                (struct vs_merge_run){(uint32_t)file->first_row, (uint32_t)file->row_count,
                                      (uint32_t)target->info.row_count};
        }
        files[target->info.file_count] = *file;
        files[target->info.file_count++].first_row = target->info.row_count;
        target->info.row_count += file->row_count;
    }
    return VS_OK;
}

static enum vs_status set_up_target(struct vs_merge_job *job, size_t t, struct vs_error *err)
{
    const struct vs_merge_segment *segment = &job->merge->segments[t];
    struct vs_merge_target *target = &job->targets[t];
    size_t columns = job->base->info.column_count, files = 0;
    for (size_t p = 0; p < segment->part_count; p++) {
        const struct vs_merge_part *part = &segment->parts[p];
        const struct vs_index *index = job->merge->sources[part->source].index;
        if (part->segment >= index->descriptor.info.segment_count ||
            !vs_merge_can_join(job->merge->sources[segment->parts[0].source].index,
                               segment->parts[0].segment, index, part->segment)) {
            return vs_fail(err, VS_INVALID, "segments that are organised differently do not join");
        }
        files += index->descriptor.info.segments[part->segment].file_count;
    }
    struct vs_index_file_ref *room = vs_arena_alloc_array(&job->arena, files + 1, sizeof *room);
    target->pieces = vs_arena_alloc_array(&job->arena, segment->part_count, sizeof *target->pieces);
    target->lists = vs_arena_alloc_array(&job->arena, columns, sizeof *target->lists);
    job->parts[t].columns =
        vs_arena_alloc_array(&job->arena, columns, sizeof *job->parts[t].columns);
    if (room == NULL || target->pieces == NULL || target->lists == NULL ||
        job->parts[t].columns == NULL || files > VS_INDEX_MAX_FILES) {
        return files > VS_INDEX_MAX_FILES
                   ? vs_fail(err, VS_LIMIT, "a segment covers at most %u data files",
                             VS_INDEX_MAX_FILES)
                   : no_memory(err);
    }
    target->info.files = room;
    target->piece_count = segment->part_count;
    target->info.is_small = true;
    for (size_t p = 0; p < segment->part_count; p++) {
        VS_TRY(set_up_piece(job, &segment->parts[p], target, &target->pieces[p], room, err));
    }
    const struct vs_descriptor *first = vs_merge_descriptor(&target->pieces[0]);
    size_t old = target->pieces[0].segment;
    target->is_copy =
        segment->part_count == 1 && target->pieces[0].keeps_all && same_places(job->base, first);
    for (size_t c = 0; c < columns; c++) {
        job->parts[t].columns[c] = first->segments[old].columns[c];
        target->info.is_small = target->info.is_small && !first->segments[old].columns[c].has_lists;
    }
    if (target->is_copy) {
        job->parts[t].attrs = first->segments[old].attrs;
        job->parts[t].attr_count = first->segments[old].attr_count;
    }
    return VS_OK;
}

// ---- carrying blobs over ----

// What has a value for every row, and so nearly all of the file. Lists, rows, blocks and columns in
// it have checksums of their own, which whoever reads them checks.
static bool grows_with_rows(struct vs_str type)
{
    static const char *const types[] = {VS_BLOB_ROWS,      VS_BLOB_LISTS,   VS_BLOB_VECTORS,
                                        VS_BLOB_VECTORS16, VS_BLOB_PAYLOAD, VS_BLOB_ATTRS,
                                        VS_BLOB_IDS};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (vs_str_equal_c(type, types[i])) {
            return true;
        }
    }
    return false;
}

static enum vs_status copy_checked(struct vs_merge_job *job,
                                   struct vs_file *file,
                                   const struct vs_blob_entry *blob,
                                   struct vs_error *err)
{
    for (uint64_t at = 0; at < blob->length; at += VS_MERGE_CHUNK) {
        size_t n =
            blob->length - at < VS_MERGE_CHUNK ? (size_t)(blob->length - at) : VS_MERGE_CHUNK;
        VS_TRY(vs_op_check(job->env, job->merge->op, err));
        VS_TRY(vs_file_read(file, blob->offset + at, n, job->chunk, err));
        VS_TRY(vs_index_blob_write(&job->writer, job->chunk, n, err));
    }
    return job->writer.crc == blob->crc ? VS_OK
                                        : vs_fail(err, VS_CORRUPT,
                                                  "%s: checksum of blob %.*s at offset %" PRIu64
                                                  " is wrong; rebuild the index",
                                                  file->name, VS_STR_ARG(blob->type), blob->offset);
}

static enum vs_status copy_blob(struct vs_merge_job *job,
                                struct vs_file *file,
                                const struct vs_blob_entry *blob,
                                int32_t segment,
                                struct vs_error *err)
{
    VS_TRY(vs_index_blob_begin(&job->writer, blob->type.ptr, segment, blob->field_id,
                               err)); // decoded texts end with a NUL
    VS_TRY(grows_with_rows(blob->type)
               ? vs_index_blob_copy(&job->writer, file, blob, job->merge->op, err)
               : copy_checked(job, file, blob, err));
    job->copied_bytes += blob->length;
    return vs_index_blob_end(&job->writer, err);
}

// Of a segment that is carried over; nothing happens when it has no such blob.
static enum vs_status copy_of_segment(
    struct vs_merge_job *job, size_t t, const char *type, int32_t field_id, struct vs_error *err)
{
    const struct vs_merge_piece *piece = &job->targets[t].pieces[0];
    const struct vs_blob_entry *blob =
        vs_descriptor_blob(vs_merge_descriptor(piece), type, (int32_t)piece->segment, field_id);
    return blob != NULL ? copy_blob(job, piece->file, blob, (int32_t)t, err) : VS_OK;
}

static bool is_known(struct vs_str type)
{
    static const char *const known[] = {
        VS_BLOB_CODEBOOK,  VS_BLOB_HOT,   VS_BLOB_LISTS,   VS_BLOB_ROWS, VS_BLOB_VECTORS,
        VS_BLOB_VECTORS16, VS_BLOB_ATTRS, VS_BLOB_PAYLOAD, VS_BLOB_IDS,  VS_BLOB_MOVED};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (vs_str_equal_c(type, known[i])) {
            return true;
        }
    }
    return false;
}

// Optional blobs: those of segments that stay as they are, and those of the whole base. What
// belongs to a segment that was put together is not there any more.
static enum vs_status copy_others(struct vs_merge_job *job, struct vs_error *err)
{
    for (size_t t = 0; t < job->target_count; t++) {
        const struct vs_merge_piece *piece = &job->targets[t].pieces[0];
        const struct vs_descriptor *d = vs_merge_descriptor(piece);
        for (size_t i = 0; job->targets[t].is_copy && i < d->blob_count; i++) {
            if (d->blobs[i].segment == (int32_t)piece->segment && !is_known(d->blobs[i].type)) {
                VS_TRY(copy_blob(job, piece->file, &d->blobs[i], (int32_t)t, err));
            }
        }
    }
    for (size_t i = 0; i < job->base->blob_count; i++) {
        const struct vs_blob_entry *blob = &job->base->blobs[i];
        if (blob->segment < 0 && !is_known(blob->type)) {
            VS_TRY(copy_blob(job, job->merge->sources[0].file, blob, -1, err));
        }
    }
    return VS_OK;
}

// ---- blobs in order ----

static enum vs_status put_values(struct vs_merge_job *job, struct vs_error *err)
{
    const struct vs_index_info *info = &job->base->info;
    for (size_t t = 0; t < job->target_count; t++) {
        for (size_t c = 0; c < info->column_count; c++) {
            bool is_flat = !job->parts[t].columns[c].has_lists;
            if (job->targets[t].is_copy) {
                VS_TRY(copy_of_segment(job, t, VS_BLOB_VECTORS, info->columns[c].field_id, err));
                VS_TRY(copy_of_segment(job, t, VS_BLOB_VECTORS16, info->columns[c].field_id, err));
            } else if (is_flat || job->columns[c].has_exact_rows || job->columns[c].has_half_rows) {
                VS_TRY(vs_merge_put_vectors(job, t, c, err));
            }
        }
    }
    for (size_t t = 0; t < job->target_count; t++) {
        if (job->targets[t].is_copy) {
            VS_TRY(copy_of_segment(job, t, VS_BLOB_PAYLOAD, -1, err));
            VS_TRY(copy_of_segment(job, t, VS_BLOB_ATTRS, -1, err));
            VS_TRY(copy_of_segment(job, t, VS_BLOB_IDS, -1, err));
        } else {
            VS_TRY(vs_merge_put_values(job, t, err));
        }
    }
    return VS_OK;
}

static enum vs_status put_lists(struct vs_merge_job *job, struct vs_error *err)
{
    const struct vs_index_info *info = &job->base->info;
    for (size_t t = 0; t < job->target_count; t++) {
        for (size_t c = 0; c < info->column_count; c++) {
            if (job->targets[t].is_copy) {
                VS_TRY(copy_of_segment(job, t, VS_BLOB_ROWS, info->columns[c].field_id, err));
                VS_TRY(copy_of_segment(job, t, VS_BLOB_LISTS, info->columns[c].field_id, err));
            } else if (job->parts[t].columns[c].has_lists) {
                VS_TRY(vs_merge_put_lists(job, t, c, err));
            }
        }
    }
    return VS_OK;
}

static enum vs_status put_directories(struct vs_merge_job *job, struct vs_error *err)
{
    const struct vs_index_info *info = &job->base->info;
    for (size_t c = 0; c < info->column_count; c++) {
        const struct vs_blob_entry *blob =
            vs_descriptor_blob(job->base, VS_BLOB_CODEBOOK, -1, info->columns[c].field_id);
        if (blob != NULL) {
            VS_TRY(copy_blob(job, job->merge->sources[0].file, blob, -1, err));
        }
    }
    for (size_t t = 0; t < job->target_count; t++) {
        for (size_t c = 0; c < info->column_count; c++) {
            if (job->targets[t].is_copy) {
                VS_TRY(copy_of_segment(job, t, VS_BLOB_HOT, info->columns[c].field_id, err));
            } else if (job->parts[t].columns[c].has_lists) {
                VS_TRY(vs_merge_put_hot(job, t, c, err));
                VS_TRY(vs_merge_put_summary(job, t, c, err));
            }
        }
    }
    return VS_OK;
}

// ---- the file ----

static enum vs_status describe(struct vs_merge_job *job,
                               struct vs_descriptor *d,
                               struct vs_error *err)
{
    const struct vs_uuid none = {{0}};
    const struct vs_merge *merge = job->merge;
    *d = *job->base;
    struct vs_index_segment *segments =
        vs_arena_alloc_array(&job->arena, job->target_count, sizeof *segments);
    struct vs_index_column *columns =
        vs_arena_alloc_array(&job->arena, d->info.column_count, sizeof *columns);
    if (segments == NULL || columns == NULL) {
        return no_memory(err);
    }
    for (size_t c = 0; c < d->info.column_count; c++) {
        columns[c] = job->base->info.columns[c];
        for (size_t s = 1; s < merge->source_count; s++) {
            const struct vs_index_column *other =
                &merge->sources[s].index->descriptor.info.columns[c];
            if (other->list_count > 0) { // flat segments keep their vectors whatever others do
                columns[c].has_exact_rows = columns[c].has_exact_rows && other->has_exact_rows;
                columns[c].has_half_rows = columns[c].has_half_rows && other->has_half_rows;
            }
        }
    }
    for (size_t t = 0; t < job->target_count; t++) {
        segments[t] = job->targets[t].info;
    }
    d->info.index_uuid = memcmp(&merge->index_uuid, &none, sizeof none) == 0
                             ? vs_uuid_new_v4(job->env)
                             : merge->index_uuid;
    d->info.snapshot_id = merge->snapshot_id;
    d->info.created_ms = vs_wall_ms(job->env);
    d->info.segment_count = job->target_count;
    d->info.segments = segments;
    d->info.columns = columns;
    job->columns = columns;
    d->sequence_number = merge->sequence_number;
    d->segments = job->parts;
    return VS_OK;
}

static enum vs_status write_all(struct vs_merge_job *job,
                                struct vs_merge_result *result,
                                struct vs_error *err)
{
    const struct vs_merge *merge = job->merge;
    struct vs_descriptor d;
    for (size_t t = 0; t < job->target_count; t++) {
        VS_TRY(set_up_target(job, t, err));
        result->row_count += job->targets[t].info.row_count;
        result->joined_segments += job->targets[t].is_copy ? 0 : job->targets[t].piece_count;
    }
    VS_TRY(describe(job, &d, err));
    VS_TRY(vs_merge_map_moved(job, &d.info, err));
    VS_TRY(put_values(job, err));
    VS_TRY(put_lists(job, err));
    for (size_t i = 0; i < merge->foreign_count; i++) {
        VS_TRY(vs_index_blob_carry(&job->writer, &merge->foreign_blobs[i], merge->foreign_bytes[i],
                                   err));
    }
    VS_TRY(put_directories(job, err));
    VS_TRY(copy_others(job, err));
    VS_TRY(vs_merge_put_moved(job, &d.info, err));
    for (size_t t = 0; t < job->target_count; t++) {
        VS_TRY(vs_merge_join_drift(job, t, err));
    }
    result->index_uuid = d.info.index_uuid;
    result->copied_bytes = job->copied_bytes;
    return vs_index_writer_finish(&job->writer, &d, &result->file_size, &result->footer_size, err);
}

static enum vs_status set_up(struct vs_merge_job *job, struct vs_error *err)
{
    const struct vs_merge *merge = job->merge;
    if (merge->segment_count == 0 || merge->segment_count > VS_INDEX_MAX_SEGMENTS) {
        return vs_fail(err, VS_LIMIT, "an index has 1 to %d segments", VS_INDEX_MAX_SEGMENTS);
    }
    for (size_t s = 1; s < merge->source_count; s++) {
        VS_TRY(check_columns(&merge->sources[0], &merge->sources[s], err));
        VS_TRY(check_fields(&merge->sources[s], job->base, err));
    }
    size_t columns = job->base->info.column_count;
    int32_t *ids = vs_arena_alloc_array(&job->arena, columns, sizeof *ids);
    job->target_count = merge->segment_count;
    job->targets = vs_arena_alloc_array(&job->arena, job->target_count, sizeof *job->targets);
    job->parts = vs_arena_alloc_array(&job->arena, job->target_count, sizeof *job->parts);
    job->chunk = vs_alloc(job->env, VS_MERGE_CHUNK);
    if (ids == NULL || job->targets == NULL || job->parts == NULL || job->chunk == NULL) {
        return no_memory(err);
    }
    for (size_t c = 0; c < columns; c++) {
        ids[c] = job->base->info.columns[c].field_id;
    }
    job->writer.all_fields = ids;
    job->writer.all_field_count = columns;
    return VS_OK;
}

enum vs_status vs_index_merge(const struct vs_env *env,
                              const struct vs_merge *merge,
                              struct vs_writer *out,
                              struct vs_merge_result *result_out,
                              struct vs_error *err)
{
    struct vs_merge_job job = {.env = env, .merge = merge};
    struct vs_merge_result result = {.row_count = 0};
    job.base = &merge->sources[0].index->descriptor;
    vs_arena_init(&job.arena, env, 0);
    enum vs_status status = vs_index_writer_open(&job.writer, env, out, merge->snapshot_id,
                                                 merge->sequence_number, err);
    if (status == VS_OK) {
        status = set_up(&job, err);
    }
    if (status == VS_OK) {
        status = write_all(&job, &result, err);
    }
    for (size_t t = 0; job.targets != NULL && t < job.target_count; t++) {
        vs_merge_target_clear(&job, t);
    }
    vs_free(env, job.chunk);
    vs_index_writer_clear(&job.writer);
    vs_arena_clear(&job.arena);
    if (status == VS_OK) {
        *result_out = result;
    }
    return status;
}
