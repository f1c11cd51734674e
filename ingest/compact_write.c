// SPDX-License-Identifier: Apache-2.0
#include "ingest/compact_write.h"

#include <string.h>

#define BATCH_BYTES (UINT64_C(16) << 20)
#define MIN_BATCH_ROWS 64
#define MAX_BATCH_ROWS 8192
#define MAX_PIECES (UINT64_C(1) << 24)

struct reader {
    const struct vs_compact_source *source;
    struct vs_compact_rewrite *rewrite;
    struct vs_field *fields;
    size_t field_count;
    struct vs_deleted_rows deleted; // per file of the group
    struct vs_batch all, live;
    // the batch at hand:
    uint32_t file; // of the plan
    uint64_t first;
    uint32_t kept[MAX_BATCH_ROWS]; // rows that are not deleted
    bool has_deleted;
    size_t last_output;
};

// ---- where rows went ----

static enum vs_status find_output(struct reader *r,
                                  struct vs_str uri,
                                  struct vs_compact_output **output_out,
                                  struct vs_error *err)
{
    struct vs_compact_rewrite *rewrite = r->rewrite;
    if (r->last_output < rewrite->output_count &&
        rewrite->outputs[r->last_output].uri.ptr == uri.ptr) {
        *output_out = &rewrite->outputs[r->last_output];
        return VS_OK;
    }
    for (size_t i = rewrite->output_count; i-- > 0;) {
        if (rewrite->outputs[i].uri.ptr == uri.ptr) {
            r->last_output = i;
            *output_out = &rewrite->outputs[i];
            return VS_OK;
        }
    }
    if (rewrite->output_count == rewrite->output_capacity) {
        size_t capacity = rewrite->output_capacity * 2 + 8;
        struct vs_compact_output *outputs =
            vs_realloc(rewrite->env, rewrite->outputs, capacity * sizeof *outputs);
        if (outputs == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory for the files of a compaction");
        }
        rewrite->outputs = outputs;
        rewrite->output_capacity = capacity;
    }
    r->last_output = rewrite->output_count++;
    rewrite->outputs[r->last_output] = (struct vs_compact_output){.uri = uri};
    *output_out = &rewrite->outputs[r->last_output];
    return VS_OK;
}

static enum vs_status add_piece(struct reader *r,
                                struct vs_compact_output *output,
                                uint32_t position,
                                uint32_t count,
                                struct vs_error *err)
{
    struct vs_compact_piece *last =
        output->piece_count > 0 ? &output->pieces[output->piece_count - 1] : NULL;
    if (last != NULL && last->file == r->file && last->first + last->count == position) {
        last->count += count;
        return VS_OK;
    }
    if (output->piece_count == output->piece_capacity) {
        size_t capacity = output->piece_capacity * 2 + 16;
        struct vs_compact_piece *pieces =
            vs_realloc(r->rewrite->env, output->pieces, capacity * sizeof *pieces);
        if (pieces == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory for the files of a compaction");
        }
        output->pieces = pieces;
        output->piece_capacity = capacity;
    }
    if (output->pieces == NULL) {
        return VS_INTERNAL; // for the static analyser: there is room by now
    }
    output->pieces[output->piece_count++] = (struct vs_compact_piece){r->file, position, count};
    r->rewrite->is_untraced = ++r->rewrite->piece_total > MAX_PIECES;
    return VS_OK;
}

static enum vs_status note_placed(
    void *ctx, struct vs_str uri, const uint32_t *rows, size_t count, struct vs_error *err)
{
    struct reader *r = ctx;
    struct vs_compact_output *output = NULL;
    VS_TRY(find_output(r, uri, &output, err));
    if (r->rewrite->is_untraced) {
        return VS_OK;
    }
    if (rows == NULL && !r->has_deleted) {
        return add_piece(r, output, (uint32_t)r->first, (uint32_t)count, err);
    }
    for (size_t i = 0; i < count && !r->rewrite->is_untraced; i++) {
        size_t row = rows != NULL ? rows[i] : i;
        uint64_t position = r->first + (r->has_deleted ? r->kept[row] : row);
        VS_TRY(add_piece(r, output, (uint32_t)position, 1, err));
    }
    return VS_OK;
}

// ---- rows of one file ----

static size_t batch_rows(const struct vs_data_file *data)
{
    uint64_t rows = data->record_count > 0 ? (uint64_t)data->record_count : 1;
    uint64_t row_bytes = (data->file_size > 0 ? (uint64_t)data->file_size : 1) / rows + 1;
    uint64_t fitting = BATCH_BYTES / (row_bytes * 2);
    fitting = fitting < MIN_BATCH_ROWS ? MIN_BATCH_ROWS : fitting;
    return fitting > MAX_BATCH_ROWS ? MAX_BATCH_ROWS : (size_t)fitting;
}

// Rows of the batch at hand that are not deleted, in kept.
static size_t keep_live(struct reader *r, const uint64_t *deleted, size_t count, size_t *next)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->all.row_count; i++) {
        uint64_t position = r->first + i;
        while (*next < count && deleted[*next] < position) {
            ++*next;
        }
        if (*next == count || deleted[*next] != position) {
            r->kept[kept++] = (uint32_t)i;
        }
    }
    r->has_deleted = kept != r->all.row_count;
    return kept;
}

static enum vs_status write_batch(struct reader *r, size_t kept, struct vs_error *err)
{
    const struct vs_batch *batch = &r->all;
    if (r->has_deleted) {
        vs_batch_reset(&r->live);
        for (size_t c = 0; c < r->field_count; c++) {
            VS_TRY(vs_column_gather(&r->live.columns[c], &r->all.columns[c], r->kept, kept, err));
        }
        r->live.row_count = kept;
        batch = &r->live;
    }
    r->rewrite->rows += kept;
    return kept > 0 ? vs_batch_writer_write(r->rewrite->writer, batch, err) : VS_OK;
}

static enum vs_status read_rows(struct reader *r,
                                size_t in_group,
                                struct vs_file_scan *scan,
                                struct vs_error *err)
{
    const struct vs_data_file *data = &r->source->plan->files[r->file].data;
    size_t max_rows = batch_rows(data), next = 0;
    uint64_t expected = 0;
    for (;;) {
        vs_batch_reset(&r->all);
        VS_TRY(vs_op_check(r->source->env, r->source->op, err));
        VS_TRY(vs_file_scan_next(scan, max_rows, &r->all, &r->first, err));
        if (r->all.row_count == 0) {
            break;
        }
        if (r->first != expected || r->all.row_count > MAX_BATCH_ROWS) {
            return vs_fail(err, VS_INTERNAL, "data file %.*s: rows came out of order",
                           VS_STR_ARG(data->path));
        }
        expected += r->all.row_count;
        size_t kept =
            keep_live(r, r->deleted.positions[in_group], r->deleted.counts[in_group], &next);
        VS_TRY(write_batch(r, kept, err));
    }
    if (expected != (uint64_t)data->record_count) {
        return vs_fail(err, VS_CORRUPT, "data file %.*s holds %llu rows, its manifest says %lld",
                       VS_STR_ARG(data->path), (unsigned long long)expected,
                       (long long)data->record_count);
    }
    return VS_OK;
}

static enum vs_status read_file(struct reader *r, size_t in_group, struct vs_error *err)
{
    struct vs_file_scan *scan = NULL;
    const struct vs_compact_source *source = r->source;
    VS_TRY(vs_file_scan_open(source->env, source->store, source->metadata,
                             &source->plan->files[r->file].data, r->fields, r->field_count, &scan,
                             err));
    enum vs_status status = read_rows(r, in_group, scan, err);
    vs_file_scan_close(scan);
    return status;
}

// ---- a group ----

static enum vs_status choose_fields(struct reader *r, struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(r->source->metadata);
    bool lineage = r->source->metadata->format_version >= 3;
    r->field_count = schema->field_count + (lineage ? 2 : 0);
    r->fields = vs_alloc_zeroed(r->source->env, r->field_count + 1, sizeof *r->fields);
    if (r->fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a compaction");
    }
    memcpy(r->fields, schema->fields, schema->field_count * sizeof *r->fields);
    if (lineage) {
        vs_row_lineage_fields(r->fields + schema->field_count);
    }
    for (size_t i = 0; i < schema->field_count; i++) {
        if (!vs_field_is_readable(&schema->fields[i])) { // rewriting would lose its values
            return vs_fail(err, VS_UNSUPPORTED,
                           "column '%.*s' has a type that this program cannot write (struct, map "
                           "or nested list); compact this table with another engine",
                           VS_STR_ARG(schema->fields[i].name));
        }
    }
    return VS_OK;
}

// Deletes of the group's files alone.
static enum vs_status read_deletes(struct reader *r,
                                   const struct vs_compact_group *group,
                                   struct vs_error *err)
{
    struct vs_scan_plan part = *r->source->plan; // shares everything but the list of files
    part.files = vs_alloc_zeroed(r->source->env, group->file_count + 1, sizeof *part.files);
    if (part.files == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a compaction");
    }
    part.file_count = group->file_count;
    for (size_t i = 0; i < group->file_count; i++) {
        part.files[i] = r->source->plan->files[group->files[i]];
    }
    enum vs_status status = vs_deleted_rows_read(r->source->env, r->source->store,
                                                 r->source->metadata, &part, &r->deleted, err);
    vs_free(r->source->env, part.files);
    return status;
}

static enum vs_status open_all(struct reader *r,
                               const struct vs_compact_group *group,
                               struct vs_error *err)
{
    const struct vs_compact_source *source = r->source;
    VS_TRY(choose_fields(r, err));
    VS_TRY(read_deletes(r, group, err));
    VS_TRY(vs_batch_init(&r->all, source->env, r->fields, r->field_count, err));
    VS_TRY(vs_batch_init(&r->live, source->env, r->fields, r->field_count, err));
    // What fits into the target by the size of the old files becomes one file, though the new one
    // may turn out a little larger: a remainder would be a small file again.
    uint64_t target = source->target_bytes;
    const struct vs_batch_write_options options = {
        .target_file_bytes =
            group->bytes <= target && target <= UINT64_MAX / 2 ? target * 2 : target,
        .thread_count = source->thread_count,
        .row_lineage = source->metadata->format_version >= 3,
        .placed = note_placed,
        .placed_ctx = r,
    };
    return vs_batch_writer_open(source->env, source->store, source->metadata, &options,
                                &r->rewrite->writer, err);
}

static enum vs_status name_outputs(struct vs_compact_rewrite *rewrite,
                                   const struct vs_data_file *files,
                                   size_t count,
                                   struct vs_error *err)
{
    size_t named = 0;
    for (size_t i = 0; i < rewrite->output_count; i++) {
        for (size_t f = 0; f < count; f++) {
            if (vs_str_equal(files[f].path, rewrite->outputs[i].uri)) {
                rewrite->outputs[i].data = &files[f];
                named++;
            }
        }
    }
    return named == count && named == rewrite->output_count
               ? VS_OK
               : vs_fail(err, VS_INTERNAL, "a compaction lost sight of %zu of its files",
                         count - named);
}

static enum vs_status rewrite_all(struct reader *r,
                                  const struct vs_compact_group *group,
                                  struct vs_error *err)
{
    const struct vs_data_file *files = NULL;
    size_t count = 0;
    VS_TRY(open_all(r, group, err));
    for (size_t i = 0; i < group->file_count; i++) {
        r->file = (uint32_t)group->files[i];
        VS_TRY(read_file(r, i, err));
    }
    VS_TRY(vs_batch_writer_finish(r->rewrite->writer, &files, &count, err));
    return name_outputs(r->rewrite, files, count, err);
}

enum vs_status vs_compact_rewrite_run(const struct vs_compact_source *source,
                                      const struct vs_compact_group *group,
                                      struct vs_compact_rewrite *rewrite,
                                      struct vs_error *err)
{
    *rewrite = (struct vs_compact_rewrite){.env = source->env};
    struct reader *r = vs_alloc_zeroed(source->env, 1, sizeof *r);
    if (r == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a compaction");
    }
    r->source = source;
    r->rewrite = rewrite;
    enum vs_status status = rewrite_all(r, group, err);
    vs_deleted_rows_clear(&r->deleted);
    vs_batch_clear(&r->all);
    vs_batch_clear(&r->live);
    vs_free(source->env, r->fields);
    vs_free(source->env, r);
    return status;
}

void vs_compact_rewrite_clear(struct vs_compact_rewrite *rewrite, bool keep)
{
    vs_batch_writer_free(rewrite->writer, keep);
    for (size_t i = 0; i < rewrite->output_count; i++) {
        vs_free(rewrite->env, rewrite->outputs[i].pieces);
    }
    vs_free(rewrite->env, rewrite->outputs);
    *rewrite = (struct vs_compact_rewrite){.env = rewrite->env};
}
