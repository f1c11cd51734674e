// SPDX-License-Identifier: Apache-2.0
/*
 * The new segment of a refresh: rows of some data files with the codebooks of the index, in a file
 * of its own.
 */
#include "ingest/index_gather.h"
#include "ingest/refresh_internal.h"
#include "ingest/table_rows.h"

#include <stdio.h>
#include <stdlib.h>

#define IN_MEMORY_BYTES (UINT64_C(256) << 20) // of a new segment before it is joined to the others
#define TEMPORARY_NAME "segment-vecstore.puffin"

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the refresh of an index");
}

// ---- the table's columns as the index has them ----

static enum vs_status other_contract(const struct vs_refresh *r,
                                     struct vs_str column,
                                     struct vs_error *err)
{
    return vs_fail(err, VS_INVALID,
                   "column '%.*s' is not what the index was built for; build it anew with vecstore "
                   "index build %s",
                   VS_STR_ARG(column), r->job->table);
}

// Fields of the index in its order; those that left the table come as nulls.
static enum vs_status gather_fields(struct vs_refresh *r,
                                    const struct vs_schema *schema,
                                    struct vs_error *err)
{
    const struct vs_index_info *info = vs_index_info(r->index);
    struct vs_field *fields = vs_arena_alloc_array(&r->arena, info->field_count, sizeof *fields);
    if (fields == NULL) {
        return no_memory(err);
    }
    r->params.id_field = SIZE_MAX;
    for (size_t f = 0; f < info->field_count; f++) {
        const struct vs_field *known = &info->fields[f];
        size_t at = 0;
        while (at < schema->field_count && schema->fields[at].id != known->id) {
            at++;
        }
        fields[f] = at < schema->field_count ? schema->fields[at] : *known;
        fields[f].required = fields[f].required && at < schema->field_count;
        if (fields[f].kind != known->kind || fields[f].element_kind != known->element_kind) {
            return other_contract(r, known->name, err);
        }
        if (known->id == info->id_field_id) {
            r->params.id_field = f;
        }
    }
    r->params.fields = fields;
    r->params.field_count = info->field_count;
    return VS_OK;
}

// Vector columns in the order of the index.
static enum vs_status gather_columns(struct vs_refresh *r,
                                     const struct vs_schema *schema,
                                     struct vs_error *err)
{
    const struct vs_index_info *info = vs_index_info(r->index);
    VS_TRY(vs_gather_vectors(r->table->metadata, schema, &r->arena, &r->params, err));
    struct vs_index_build_column *columns =
        vs_arena_alloc_array(&r->arena, info->column_count, sizeof *columns);
    if (columns == NULL) {
        return no_memory(err);
    }
    for (size_t c = 0; c < info->column_count; c++) {
        const struct vs_index_column *known = &info->columns[c];
        size_t at = 0;
        while (at < r->params.column_count &&
               (r->params.columns[at].field >= r->params.field_count ||
                r->params.fields[r->params.columns[at].field].id != known->field_id)) {
            at++;
        }
        if (at == r->params.column_count || r->params.columns[at].dim != known->dim ||
            r->params.columns[at].metric != known->metric) {
            return other_contract(r, known->name, err);
        }
        columns[c] = r->params.columns[at];
    }
    for (size_t i = 0; i < r->params.column_count; i++) {
        if (r->params.columns[i].field >= r->params.field_count ||
            r->params.column_count != info->column_count) {
            return vs_fail(err, VS_INVALID,
                           "the table has a vector column that the index does not know; build it "
                           "anew with vecstore index build %s",
                           r->job->table);
        }
    }
    r->params.columns = columns;
    return VS_OK;
}

static enum vs_status read_codebooks(struct vs_refresh *r, struct vs_error *err)
{
    const struct vs_descriptor *d = vs_index_descriptor(r->index);
    size_t count = d->info.column_count;
    const struct vs_codebook **given = vs_arena_alloc_array(&r->arena, count, sizeof *given);
    r->codebooks = vs_arena_alloc_array(&r->arena, count, sizeof *r->codebooks);
    if (given == NULL || r->codebooks == NULL) {
        return no_memory(err);
    }
    bool all = true, second = false;
    for (size_t c = 0; c < count; c++) {
        bool found = false;
        VS_TRY(vs_index_read_codebook(r->index, c, &r->codebooks[c], &found, err));
        given[c] = found ? &r->codebooks[c] : NULL;
        all = all && found;
        bool of_column = false;
        VS_TRY(vs_index_read_second(r->index, c, &of_column, err));
        second = second || of_column;
    }
    size_t list_rows = r->job->list_rows > 0 ? r->job->list_rows : VS_REFRESH_LIST_ROWS,
           small_rows = r->job->small_rows > 0 ? r->job->small_rows : VS_INDEX_SMALL_ROWS;
    r->params.small_rows = all ? list_rows : small_rows;
    r->params.codebooks = given;
    r->params.baselines = d->baselines;
    r->params.second_assignment = second ? VS_SECOND_ON : VS_SECOND_OFF;
    r->params.store_vectors = d->info.columns[0].has_exact_rows  ? VS_STORE_F32
                              : d->info.columns[0].has_half_rows ? VS_STORE_F16
                                                                 : VS_STORE_NONE;
    if (!all && r->todo.reread_rows >= small_rows) {
        return vs_fail(err, VS_INVALID,
                       "a vector column without lists has become large; build the index anew with "
                       "vecstore index build %s",
                       r->job->table);
    }
    return VS_OK;
}

// ---- the new segment, in a file of its own ----

static uint64_t estimate_bytes(const struct vs_refresh *r)
{
    uint64_t bytes = 0, row = 256;
    for (size_t c = 0; c < r->params.column_count; c++) {
        row += r->params.columns[c].dim * (uint64_t)5;
    }
    for (size_t f = 0; f < r->plan->file_count; f++) {
        const struct vs_data_file *data = &r->plan->files[f].data;
        bytes += r->todo.reread_files[f] ? (uint64_t)data->file_size : 0;
    }
    return bytes + r->todo.reread_rows * row;
}

static enum vs_status open_temporary(struct vs_refresh *r, struct vs_error *err)
{
    uint64_t most = IN_MEMORY_BYTES;
    if (r->job->memory_bytes > 0 && r->job->memory_bytes / 4 < most) {
        most = r->job->memory_bytes / 4;
    }
    if (estimate_bytes(r) <= most) {
        return vs_store_open_mem(r->env, "refresh", &r->temporary, err);
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the library changes the environment
    const char *parent = r->job->spill_dir != NULL ? r->job->spill_dir : getenv("TMPDIR");
    char uuid[VS_UUID_TEXT_SIZE];
    vs_uuid_format(vs_uuid_new_v4(r->env), uuid);
    int n = snprintf(r->directory, sizeof r->directory, "%s/vecstore-%s",
                     parent != NULL && parent[0] != '\0' ? parent : "/tmp", uuid);
    if (n < 0 || (size_t)n >= sizeof r->directory) {
        r->directory[0] = '\0';
        return vs_fail(err, VS_INVALID,
                       "the name of the directory for temporary files is too long");
    }
    return vs_store_open(r->env, r->directory, true, &r->temporary, err);
}

void vs_refresh_remove_segment(struct vs_refresh *r)
{
    vs_index_close(r->new_index);
    vs_file_close(r->new_file);
    r->new_index = NULL;
    r->new_file = NULL;
    if (r->temporary != NULL) {
        vs_ignore(vs_store_remove(r->temporary, TEMPORARY_NAME, NULL));
    }
    vs_store_free(r->temporary);
    r->temporary = NULL;
    if (r->directory[0] != '\0') {
        (void)remove(r->directory); // it is empty
    }
}

static enum vs_status write_segment(struct vs_refresh *r,
                                    const struct vs_scan_plan *files,
                                    struct vs_error *err)
{
    struct vs_table_rows *rows = NULL;
    struct vs_writer *out = NULL;
    struct vs_index_build_result built;
    enum vs_status status = vs_table_rows_open(r->env, r->table->store, r->table->metadata, files,
                                               r->params.fields, r->params.field_count, &rows, err);
    if (status == VS_OK) {
        status = vs_writer_open(r->temporary, TEMPORARY_NAME, &out, err);
    }
    if (status == VS_OK) {
        const struct vs_index_row_source source = {
            .next = vs_table_rows_next, .rewind = vs_table_rows_rewind, .ctx = rows};
        status = vs_index_build(r->env, &r->params, &source, out, &built, err);
    }
    if (status == VS_OK) {
        status = vs_status_definite(vs_writer_finish(out, VS_PUT_ANY, err), err);
    }
    vs_writer_free(out);
    vs_table_rows_close(rows);
    return status;
}

enum vs_status vs_refresh_build_segment(struct vs_refresh *r, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = r->table->metadata;
    const struct vs_snapshot *snapshot = vs_table_snapshot(metadata, metadata->current_snapshot_id);
    const struct vs_schema *schema = vs_table_current_schema(metadata);
    struct vs_scan_plan files = *r->plan;
    files.files = vs_arena_alloc_array(&r->arena, r->todo.reread_count, sizeof *files.files);
    files.file_count = 0;
    if (files.files == NULL) {
        return no_memory(err);
    }
    for (size_t f = 0; f < r->plan->file_count; f++) {
        if (r->todo.reread_files[f]) {
            files.files[files.file_count++] = r->plan->files[f];
        }
    }
    r->params.table_uuid = metadata->uuid;
    r->params.snapshot_id = snapshot->snapshot_id;
    r->params.sequence_number = snapshot->sequence_number;
    r->params.memory_bytes = r->job->memory_bytes;
    r->params.thread_count = r->job->thread_count;
    r->params.spill_dir = r->job->spill_dir;
    r->params.op = r->job->op;
    r->params.no_measure = true;
    VS_TRY(gather_fields(r, schema, err));
    VS_TRY(gather_columns(r, schema, err));
    VS_TRY(read_codebooks(r, err));
    VS_TRY(vs_gather_files(&files, &r->arena, &r->params, err));
    VS_TRY(open_temporary(r, err));
    VS_TRY(write_segment(r, &files, err));
    const struct vs_index_open_options options = {.table_uuid = &metadata->uuid,
                                                  .skip_lists = true};
    VS_TRY(vs_file_open(r->temporary, TEMPORARY_NAME, &r->new_file, err));
    return vs_index_open(r->env, r->new_file, &options, &r->new_index, err);
}
