// SPDX-License-Identifier: Apache-2.0
#include "ingest/index_steps.h"

#include "ingest/index_gather.h"
#include "ingest/table_rows.h"

#include <string.h>

// Only the vector columns are read.
static enum vs_status keep_vectors_only(struct vs_gathered *s, struct vs_error *err)
{
    size_t count = s->params.column_count;
    struct vs_field *fields = vs_arena_alloc_array(&s->arena, count, sizeof *fields);
    struct vs_index_build_column *columns = vs_arena_alloc_array(&s->arena, count, sizeof *columns);
    if (fields == NULL || columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu vector columns", count);
    }
    for (size_t c = 0; c < count; c++) {
        columns[c] = s->params.columns[c];
        fields[c] = s->params.fields[columns[c].field];
        columns[c].field = c;
    }
    s->params.fields = fields;
    s->params.field_count = count;
    s->params.id_field = SIZE_MAX;
    s->params.columns = columns;
    return VS_OK;
}

enum vs_status vs_index_job_train(struct vs_catalog *catalog,
                                  const struct vs_index_job *job,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    struct vs_gathered s;
    struct vs_index_row_source source = {.ctx = NULL};
    enum vs_status status = vs_gather_open(catalog, job, &s, err);
    if (status == VS_OK) {
        status = keep_vectors_only(&s, err);
    }
    if (status == VS_OK) {
        status = vs_gather_rows(&s, s.plan, &source, err);
    }
    if (status == VS_OK) {
        status = vs_index_train(s.env, &s.params, &source, out, err);
    }
    vs_table_rows_close(source.ctx);
    vs_gather_close(&s);
    return status == VS_OK ? VS_OK
                           : vs_wrap(err, status, "training for an index of %s", job->table);
}

// ---- parts ----

static struct vs_str name_of(struct vs_str path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/') {
        at--;
    }
    return (struct vs_str){path.ptr + at, path.len - at};
}

static bool is_named(const struct vs_index_share *share, struct vs_str path, size_t *which_out)
{
    for (size_t i = 0; i < share->name_count; i++) {
        if (vs_str_equal(share->names[i], path) || vs_str_equal(share->names[i], name_of(path))) {
            *which_out = i;
            return true;
        }
    }
    return false;
}

// A file belongs to the share in which its middle row is.
static bool is_in_share(const struct vs_index_share *share,
                        const struct vs_index_file_ref *file,
                        uint64_t total)
{
    uint64_t middle = file->first_row + file->row_count / 2;
    return total > 0 && middle * share->of / total == share->share;
}

// The data files of the share as a plan and as files of the part.
static enum vs_status choose_files(struct vs_gathered *s,
                                   const struct vs_index_share *share,
                                   struct vs_scan_plan *plan_out,
                                   struct vs_error *err)
{
    size_t count = s->plan->file_count;
    struct vs_scan_file *files = vs_arena_alloc_array(&s->arena, count + 1, sizeof *files);
    struct vs_index_file_ref *refs = vs_arena_alloc_array(&s->arena, count + 1, sizeof *refs);
    bool *found = vs_arena_alloc_array(&s->arena, share->name_count + 1, sizeof *found);
    if (files == NULL || refs == NULL || found == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu data files", count);
    }
    memset(found, 0, (share->name_count + 1) * sizeof *found);
    uint64_t total = s->plan->record_count, first = 0;
    *plan_out = *s->plan;
    plan_out->files = files;
    plan_out->file_count = 0;
    for (size_t f = 0; f < count; f++) {
        size_t which = share->name_count;
        bool chosen = share->name_count > 0 ? is_named(share, s->params.files[f].path, &which)
                                            : is_in_share(share, &s->params.files[f], total);
        if (chosen) {
            found[which] = true;
            refs[plan_out->file_count] = s->params.files[f];
            refs[plan_out->file_count].first_row = first;
            first += s->params.files[f].row_count;
            files[plan_out->file_count++] = s->plan->files[f];
        }
    }
    for (size_t i = 0; i < share->name_count; i++) {
        if (!found[i]) {
            return vs_fail(err, VS_NOT_FOUND, "the snapshot has no data file '%.*s'",
                           VS_STR_ARG(share->names[i]));
        }
    }
    s->params.files = refs;
    s->params.file_count = plan_out->file_count;
    return VS_OK;
}

static enum vs_status encode(struct vs_gathered *s,
                             const struct vs_index_share *share,
                             struct vs_writer *out,
                             struct vs_index_part_facts *facts,
                             struct vs_error *err)
{
    struct vs_scan_plan plan;
    struct vs_index_row_source source = {.ctx = NULL};
    VS_TRY(keep_vectors_only(s, err));
    VS_TRY(choose_files(s, share, &plan, err));
    VS_TRY(vs_gather_rows(s, &plan, &source, err));
    enum vs_status status =
        vs_index_encode_part(s->env, &s->params, &source, out, &facts->vector_count, err);
    vs_table_rows_close(source.ctx);
    facts->file_count = plan.file_count;
    for (size_t f = 0; f < plan.file_count; f++) {
        facts->row_count += s->params.files[f].row_count;
    }
    return status;
}

enum vs_status vs_index_job_encode(struct vs_catalog *catalog,
                                   const struct vs_index_job *job,
                                   const struct vs_index_share *share,
                                   struct vs_writer *out,
                                   struct vs_index_part_facts *facts_out,
                                   struct vs_error *err)
{
    struct vs_gathered s;
    struct vs_index_part_facts facts = {.file_count = 0};
    enum vs_status status = vs_gather_open(catalog, job, &s, err);
    if (status == VS_OK) {
        status = encode(&s, share, out, &facts, err);
    }
    vs_gather_close(&s);
    if (status != VS_OK) {
        return vs_wrap(err, status, "encoding a part of an index of %s", job->table);
    }
    *facts_out = facts;
    return VS_OK;
}

enum vs_status vs_index_job_assemble(struct vs_catalog *catalog,
                                     const struct vs_index_job *job,
                                     struct vs_writer *out,
                                     struct vs_index_build_result *result_out,
                                     struct vs_error *err)
{
    struct vs_gathered s;
    struct vs_index_row_source source = {.ctx = NULL};
    enum vs_status status = vs_gather_open(catalog, job, &s, err);
    if (status == VS_OK) {
        status = vs_gather_rows(&s, s.plan, &source, err);
    }
    if (status == VS_OK) {
        status = vs_index_build(s.env, &s.params, &source, out, result_out, err);
    }
    vs_table_rows_close(source.ctx);
    vs_gather_close(&s);
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "assembling an index of %s", job->table);
}
