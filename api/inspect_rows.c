// SPDX-License-Identifier: Apache-2.0
// The rows of one snapshot, exactly: counts and digests, or the values themselves.
//
// A digest does not depend on the order of files, so rows are ordered by the bytes of their
// rendering; they are held in memory for that, up to VS_INSPECT_SORT_BYTES.
#include "api/inspect_table.h"
#include "vecstore/format/inspect.h"
#include "vecstore/format/render_value.h"
#include "vecstore/iceberg/record_scan.h"
#include "vecstore/iceberg/scan.h"
#include "vecstore/object/store.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS 1024
#define DEFAULT_ROWS 100
#define PROBED_FILES 16 // looked for before a table is said to be metadata only

struct rendered {
    uint32_t len;
    const uint32_t *ends; // per column, where its rendering ends
    const char *bytes;
};

struct column_answer {
    uint64_t nulls, digest;
};

struct rows_job {
    const struct vs_table_inspect *t;
    const struct vs_schema *schema;
    struct vs_store *store;
    struct vs_arena arena; // of the type
    struct vs_type type;
    struct vs_scan_plan *plan;
    struct vs_deleted_rows deleted;
    struct vs_arena held; // rendered rows
    struct vs_buf rows;   // struct rendered
    struct vs_buf text;   // of one row
    uint32_t *ends;
    uint64_t max_rows; // to read; a digest reads all
    struct column_answer *columns;
};

static size_t row_count(const struct rows_job *job)
{
    return job->rows.len / sizeof(struct rendered);
}

static struct rendered *row_at(const struct rows_job *job, size_t i)
{
    return (struct rendered *)(void *)job->rows.data + i;
}

// ---- the table's files ----

// A location without a scheme that does not begin with '/' is relative to the current folder.
static bool is_relative(struct vs_str location)
{
    return location.len > 0 && location.ptr[0] != '/' &&
           memchr(location.ptr, ':', location.len) == NULL;
}

static enum vs_status open_store(struct rows_job *job, struct vs_error *err)
{
    const struct vs_inspect_options *options = job->t->options;
    struct vs_table_metadata *m = job->t->metadata;
    const char *root = options->moved_to;
    if (options->moved_from != NULL) {
        m->moved_from = vs_str_from_c(options->moved_from);
        m->opens_moved = true;
    } else {
        struct vs_str location = vs_arena_copy_str(&job->arena, m->location);
        if (location.ptr == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "%s: no memory to open the table", job->t->name);
        }
        root = location.ptr;
        m->moved_from = is_relative(location) ? m->location : (struct vs_str){"", 0};
    }
    struct vs_error reason = {0};
    enum vs_status status =
        vs_store_open_with(job->t->env, root, options->settings, false, &job->store, &reason);
    if (status != VS_OK) {
        return vs_fail(
            err, status, "the table's files at %.500s cannot be opened: %s%s", root, reason.message,
            options->moved_from == NULL ? "; when the table was copied give --map-prefix OLD=NEW"
                                        : "");
    }
    if (m->moved_from.len > 0) {
        m->moved_to = vs_str_from_c(job->store->root_uri);
    }
    return VS_OK;
}

static enum vs_status choose_snapshot(struct rows_job *job,
                                      int64_t *snapshot_id_out,
                                      struct vs_error *err)
{
    const struct vs_table_metadata *m = job->t->metadata;
    int64_t id = job->t->options->snapshot_id;
    id = id != 0 ? id : m->current_snapshot_id;
    const struct vs_snapshot *snapshot = vs_table_snapshot(m, id);
    if (id != VS_NO_SNAPSHOT && snapshot == NULL) {
        char text[VS_SNAPSHOT_ID_SIZE];
        vs_snapshot_id_format(id, text);
        return vs_fail(err, VS_NOT_FOUND, "%s has no snapshot %s (it has %zu)", job->t->name, text,
                       m->snapshot_count);
    }
    job->schema =
        id == m->current_snapshot_id ? vs_table_current_schema(m) : vs_table_schema_of(m, snapshot);
    if (job->schema == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s has no schema for the snapshot", job->t->name);
    }
    *snapshot_id_out = id;
    return VS_OK;
}

// A table of which only the metadata is here has a plan, but no rows.
static enum vs_status is_metadata_only(const struct rows_job *job,
                                       bool *only_out,
                                       struct vs_error *err)
{
    const struct vs_scan_plan *plan = job->plan;
    size_t probes = plan->file_count < PROBED_FILES ? plan->file_count : PROBED_FILES;
    bool is_there = probes == 0;
    for (size_t i = 0; !is_there && i < probes; i++) {
        size_t file = i * plan->file_count / probes;
        enum vs_status status = vs_table_file_exists(job->t->env, job->store, job->t->metadata,
                                                     plan->files[file].data.path, &is_there, err);
        if (status != VS_OK && status != VS_DENIED) { // outside of the table: never opened
            return status;
        }
    }
    *only_out = !is_there;
    return VS_OK;
}

// ---- reading ----

static enum vs_status too_many(const struct rows_job *job, struct vs_error *err)
{
    if (job->held.used_bytes < VS_INSPECT_SORT_BYTES / 2) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the table's rows", job->t->name);
    }
    return vs_fail(err, VS_LIMIT,
                   "%s: the rows take more than %zu MiB as text, and all are held to be sorted for "
                   "the digest; export the table and compare parts",
                   job->t->name, VS_INSPECT_SORT_BYTES >> 20);
}

static enum vs_status hold_row(struct rows_job *job, struct vs_error *err)
{
    size_t columns = job->type.child_count, head = columns * sizeof(uint32_t);
    char *copy = (char *)vs_arena_alloc(&job->held, head + job->text.len);
    if (copy == NULL || job->text.len > UINT32_MAX) {
        return too_many(job, err);
    }
    memcpy(copy, job->ends, head);
    memcpy(copy + head, job->text.data, job->text.len);
    const struct rendered row = {.len = (uint32_t)job->text.len,
                                 .ends = (const uint32_t *)(const void *)copy,
                                 .bytes = copy + head};
    return vs_buf_append(&job->rows, &row, sizeof row, err);
}

// "(c1,c2,...)"
static enum vs_status add_row(struct rows_job *job,
                              const struct vs_datum *row,
                              struct vs_error *err)
{
    struct vs_buf *text = &job->text;
    vs_buf_reset(text);
    VS_TRY(vs_buf_append_byte(text, '(', err));
    for (size_t i = 0; i < row->count; i++) {
        if (i > 0) {
            VS_TRY(vs_buf_append_byte(text, ',', err));
        }
        VS_TRY(vs_render_datum(&row->as.items[i], &job->type.children[i], text, err));
        job->ends[i] = (uint32_t)text->len;
    }
    VS_TRY(vs_buf_append_byte(text, ')', err));
    return hold_row(job, err);
}

static enum vs_status read_rows(struct rows_job *job,
                                struct vs_record_scan *scan,
                                const uint64_t *deleted,
                                size_t deleted_count,
                                struct vs_error *err)
{
    size_t next = 0, count = 1;
    while (count > 0 && row_count(job) < job->max_rows) {
        const struct vs_datum *rows = NULL;
        uint64_t first = 0;
        VS_TRY(vs_op_check(job->t->env, job->t->options->op, err));
        VS_TRY(vs_record_scan_next(scan, BATCH_ROWS, &rows, &count, &first, err));
        for (size_t i = 0; i < count && row_count(job) < job->max_rows; i++) {
            if (next < deleted_count && deleted[next] == first + i) {
                next++;
            } else {
                VS_TRY(add_row(job, &rows[i], err));
            }
        }
        vs_op_progress(job->t->options->op, "reading", row_count(job), job->plan->record_count,
                       "rows");
    }
    return VS_OK;
}

static enum vs_status read_files(struct rows_job *job, struct vs_error *err)
{
    const struct vs_table_inspect *t = job->t;
    VS_TRY(vs_deleted_rows_read(t->env, job->store, t->metadata, job->plan, &job->deleted, err));
    for (size_t i = 0; i < job->plan->file_count; i++) {
        struct vs_record_scan *scan = NULL;
        enum vs_status status = vs_record_scan_open(
            t->env, job->store, t->metadata, &job->plan->files[i].data, &job->type, &scan, err);
        if (status == VS_OK) {
            status = read_rows(job, scan, job->deleted.positions[i], job->deleted.counts[i], err);
        }
        vs_record_scan_close(scan);
        if (status != VS_OK) {
            return status;
        }
    }
    return VS_OK;
}

// ---- answers ----

static int compare_rows(const void *a, const void *b)
{
    const struct rendered *x = (const struct rendered *)a, *y = (const struct rendered *)b;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->bytes, y->bytes, n);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static struct vs_str column_text(const struct rendered *row, size_t i)
{
    size_t begin = i == 0 ? 1 : (size_t)row->ends[i - 1] + 1;
    return (struct vs_str){row->bytes + begin, row->ends[i] - begin};
}

static uint64_t add_line(uint64_t digest, struct vs_str text)
{
    return vs_digest_add(vs_digest_add(digest, text.ptr, text.len), "\n", 1);
}

static void write_column(void *ctx, struct vs_json_writer *w, size_t column)
{
    const struct rows_job *job = (const struct rows_job *)ctx;
    char text[VS_DIGEST_TEXT_SIZE];
    vs_digest_format(job->columns[column].digest, text);
    vs_report_u64(w, "nulls", job->columns[column].nulls);
    vs_report_c(w, "digest", text);
}

static enum vs_status write_digests(struct rows_job *job, struct vs_error *err)
{
    uint64_t digest = VS_DIGEST_START;
    char text[VS_DIGEST_TEXT_SIZE];
    size_t count = row_count(job), columns = job->type.child_count;
    job->columns =
        (struct column_answer *)vs_arena_alloc_array(&job->arena, columns, sizeof *job->columns);
    if (job->columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for %zu columns", job->t->name, columns);
    }
    for (size_t c = 0; c < columns; c++) {
        job->columns[c].digest = VS_DIGEST_START;
    }
    if (count > 1) {
        qsort(job->rows.data, count, sizeof(struct rendered), compare_rows);
    }
    for (size_t i = 0; i < count; i++) {
        const struct rendered *row = row_at(job, i);
        digest = add_line(digest, (struct vs_str){row->bytes, row->len});
        for (size_t c = 0; c < columns; c++) {
            struct vs_str value = column_text(row, c);
            job->columns[c].nulls += vs_str_equal_c(value, "\\N");
            job->columns[c].digest = add_line(job->columns[c].digest, value);
        }
    }
    vs_jw_key(job->t->w, "columns");
    VS_TRY(vs_inspect_type(job->t, job->schema, &job->type, write_column, job, err));
    vs_report_u64(job->t->w, "rows", count);
    vs_digest_format(digest, text);
    vs_report_c(job->t->w, "digest", text);
    return VS_OK;
}

static enum vs_status write_answer(struct rows_job *job, struct vs_error *err)
{
    const struct vs_inspect_options *options = job->t->options;
    struct vs_json_writer *w = job->t->w;
    if (options->digest) {
        VS_TRY(write_digests(job, err));
    }
    if (options->rows) {
        uint64_t most = options->max_rows > 0 ? options->max_rows : DEFAULT_ROWS;
        vs_jw_key(w, "values");
        vs_jw_array_begin(w);
        for (size_t i = 0; i < row_count(job) && i < most; i++) {
            vs_inspect_rendering(w, (struct vs_str){row_at(job, i)->bytes, row_at(job, i)->len});
        }
        vs_jw_array_end(w);
    }
    return VS_OK;
}

static void write_plan(const struct rows_job *job, int64_t snapshot_id)
{
    struct vs_json_writer *w = job->t->w;
    char text[VS_SNAPSHOT_ID_SIZE];
    vs_snapshot_id_format(snapshot_id, text);
    vs_report_c(w, "snapshot_id", snapshot_id == VS_NO_SNAPSHOT ? NULL : text);
    vs_report_u64(w, "schema_id", (uint64_t)job->schema->schema_id);
    vs_jw_key(w, "plan");
    vs_jw_object_begin(w);
    vs_report_u64(w, "data_files", job->plan->file_count);
    vs_report_u64(w, "delete_files", job->plan->delete_file_count);
    vs_report_u64(w, "file_rows", job->plan->record_count);
    vs_jw_object_end(w);
}

static enum vs_status run_job(struct rows_job *job, struct vs_error *err)
{
    const struct vs_table_inspect *t = job->t;
    int64_t id = VS_NO_SNAPSHOT;
    bool is_only = false;
    VS_TRY(choose_snapshot(job, &id, err));
    size_t at = (size_t)(job->schema - t->metadata->schemas);
    VS_TRY(vs_iceberg_type_parse(t->env, t->metadata->schema_json[at], t->name, &job->arena,
                                 &job->type, err));
    job->ends =
        (uint32_t *)vs_arena_alloc_array(&job->arena, job->type.child_count, sizeof *job->ends);
    if (job->ends == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for a schema", t->name);
    }
    if (id != VS_NO_SNAPSHOT) {
        VS_TRY(open_store(job, err));
    }
    VS_TRY(vs_scan_plan_make(t->env, job->store, t->metadata, id, &job->plan, err));
    write_plan(job, id);
    VS_TRY(is_metadata_only(job, &is_only, err));
    if (is_only) {
        vs_report_bool(t->w, "metadata_only", true);
        return VS_OK;
    }
    if (id != VS_NO_SNAPSHOT) {
        VS_TRY(read_files(job, err));
    }
    return write_answer(job, err);
}

enum vs_status vs_inspect_snapshot(const struct vs_table_inspect *t, struct vs_error *err)
{
    struct rows_job job = {.t = t};
    const struct vs_inspect_options *options = t->options;
    job.max_rows = options->digest         ? UINT64_MAX
                   : options->max_rows > 0 ? options->max_rows
                                           : DEFAULT_ROWS;
    vs_arena_init(&job.arena, t->env, 0);
    vs_arena_init(&job.held, t->env, VS_INSPECT_SORT_BYTES);
    vs_buf_init(&job.rows, t->env, VS_INSPECT_SORT_BYTES);
    vs_buf_init(&job.text, t->env, VS_INSPECT_SORT_BYTES);
    enum vs_status status = run_job(&job, err);
    vs_buf_clear(&job.text);
    vs_buf_clear(&job.rows);
    vs_arena_clear(&job.held);
    vs_deleted_rows_clear(&job.deleted);
    vs_scan_plan_free(job.plan);
    vs_arena_clear(&job.arena);
    vs_store_free(job.store);
    return status;
}
