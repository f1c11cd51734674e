// SPDX-License-Identifier: Apache-2.0
// Reports about index versions: list, show, verify. Shapes are documented in vecstore.h.
#include "api/index_current.h"
#include "index/drift.h"
#include "index/index_facts.h"
#include "index/index_format.h"
#include "vecstore/iceberg/stats_file.h"

#define HISTOGRAM_BINS 12

static enum vs_status open_file(struct vs_db *db,
                                struct vs_store *store,
                                struct vs_str uri,
                                struct vs_file **file_out,
                                struct vs_error *err)
{
    struct vs_buf key;
    vs_buf_init(&key, db->env, 8192);
    enum vs_status status = vs_store_key(store, uri, &key, err);
    if (status == VS_OK) {
        const char *text = vs_buf_c_str(&key);
        status = text != NULL ? vs_file_open(store, text, file_out, err)
                              : vs_fail(err, VS_NO_MEMORY, "out of memory for a file name");
    }
    vs_buf_clear(&key);
    return status;
}

// ---- list ----

static void report_facts(struct vs_json_writer *w, const struct vs_index_info *info)
{
    char uuid[VS_UUID_TEXT_SIZE];
    uint64_t rows = 0;
    for (size_t i = 0; i < info->segment_count; i++) {
        rows += info->segments[i].row_count;
    }
    vs_uuid_format(info->index_uuid, uuid);
    vs_report_c(w, "uuid", uuid);
    vs_report_id(w, "snapshot_id", info->snapshot_id);
    vs_report_u64(w, "rows", rows);
    vs_report_u64(w, "bytes", info->file_size);
    vs_report_time(w, "created", info->created_ms);
}

static enum vs_status open_index(struct vs_db *db,
                                 const struct vs_table_metadata *metadata,
                                 struct vs_file *file,
                                 bool skip_lists,
                                 struct vs_index **index_out,
                                 struct vs_error *err)
{
    struct vs_index_open_options options = {
        .table_uuid = &metadata->uuid, .skip_lists = skip_lists, .thread_count = db->thread_count};
    return vs_index_open(db->env, file, &options, index_out, err);
}

static enum vs_status report_version(struct vs_db *db,
                                     const struct vs_table *table,
                                     struct vs_str path,
                                     bool current,
                                     struct vs_json_writer *w,
                                     struct vs_error *err)
{
    struct vs_file *file = NULL;
    struct vs_index *index = NULL;
    struct vs_error problem = {0};
    enum vs_status status = open_file(db, table->store, path, &file, &problem);
    if (status == VS_OK) {
        status = open_index(db, table->metadata, file, true, &index, &problem);
    }
    if (status != VS_NO_MEMORY) {
        vs_jw_object_begin(w);
        vs_report_str(w, "path", path);
        vs_report_bool(w, "current", current);
        if (status == VS_OK) {
            report_facts(w, vs_index_info(index));
        } else {
            vs_report_c(w, "problem", problem.message);
        }
        vs_jw_object_end(w);
    }
    vs_index_close(index);
    vs_file_close(file);
    return status == VS_NO_MEMORY ? vs_fail(err, status, "%s", problem.message) : VS_OK;
}

static bool seen_before(const struct vs_table_metadata *metadata, size_t index)
{
    for (size_t i = index + 1; i < metadata->statistics_count; i++) {
        if (vs_str_equal(metadata->statistics[i].path, metadata->statistics[index].path)) {
            return true;
        }
    }
    return false;
}

// Former versions that a rollback can publish again and no statistics entry names.
static enum vs_status report_previous(struct vs_db *db,
                                      const struct vs_table *table,
                                      struct vs_json_writer *w,
                                      struct vs_error *err)
{
    const struct vs_table_metadata *metadata = table->metadata;
    struct vs_str list = vs_table_property(metadata, VS_PROPERTY_INDEX_PREVIOUS), uuid;
    struct vs_buf uri;
    enum vs_status status = VS_OK;
    vs_buf_init(&uri, db->env, 8192);
    while (status == VS_OK && vs_stats_file_previous(&list, &uuid)) {
        bool named = false;
        status = vs_stats_file_uri(metadata, uuid, &uri, err);
        for (size_t i = 0; status == VS_OK && i < metadata->statistics_count; i++) {
            named = named || vs_str_equal(metadata->statistics[i].path, vs_buf_view(&uri));
        }
        if (status == VS_OK && !named) {
            status = report_version(db, table, vs_buf_view(&uri), false, w, err);
        }
    }
    vs_buf_clear(&uri);
    return status;
}

static enum vs_status report_versions(struct vs_db *db,
                                      const struct vs_table *table,
                                      struct vs_json_writer *w,
                                      struct vs_error *err)
{
    const struct vs_table_metadata *metadata = table->metadata;
    struct vs_statistics current;
    bool has_current = vs_stats_file_find(metadata, metadata->current_snapshot_id, &current);
    if (has_current) {
        VS_TRY(report_version(db, table, current.path, true, w, err));
    }
    for (size_t i = metadata->statistics_count; i > 0; i--) { // newest last in the metadata
        struct vs_str path = metadata->statistics[i - 1].path;
        bool is_current = has_current && vs_str_equal(path, current.path);
        if (!is_current && vs_str_ends_with(path, VS_STR(VS_INDEX_FILE_SUFFIX)) &&
            !seen_before(metadata, i - 1)) {
            VS_TRY(report_version(db, table, path, false, w, err));
        }
    }
    return report_previous(db, table, w, err);
}

enum vs_status vs_db_list_indexes(struct vs_db *db,
                                  const char *table_name,
                                  struct vs_buf *report,
                                  struct vs_error *err)
{
    struct vs_table *table = NULL;
    struct vs_json_writer w;
    VS_TRY(vs_catalog_load(db->catalog, table_name, &table, err));
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", table_name);
    vs_jw_key(&w, "indexes");
    vs_jw_array_begin(&w);
    enum vs_status status = report_versions(db, table, &w, err);
    vs_jw_array_end(&w);
    vs_jw_object_end(&w);
    vs_table_release(table);
    return status == VS_OK ? vs_json_writer_finish(&w, err) : status;
}

// ---- show ----

// Sizes by type, in the order of the file.
static void report_blobs(struct vs_json_writer *w, const struct vs_descriptor *d)
{
    vs_jw_key(w, "blobs");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < d->blob_count; i++) {
        uint64_t bytes = 0, count = 0;
        bool first = true;
        for (size_t j = 0; j < d->blob_count; j++) {
            bool same = vs_str_equal(d->blobs[j].type, d->blobs[i].type);
            first = first && (j >= i || !same);
            bytes += same ? d->blobs[j].length : 0;
            count += same;
        }
        if (first) {
            vs_jw_object_begin(w);
            vs_report_str(w, "type", d->blobs[i].type);
            vs_report_u64(w, "blobs", count);
            vs_report_u64(w, "bytes", bytes);
            vs_jw_object_end(w);
        }
    }
    vs_jw_array_end(w);
}

// What lists, codes and int8 rows take, without values and stored float vectors.
static void report_vector_bytes(struct vs_json_writer *w, const struct vs_descriptor *d)
{
    static const char *const types[] = {VS_BLOB_HOT, VS_BLOB_LISTS, VS_BLOB_ROWS, VS_BLOB_CODEBOOK};
    uint64_t bytes = 0, vectors = 0;
    for (size_t i = 0; i < d->blob_count; i++) {
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
            bytes += vs_str_equal_c(d->blobs[i].type, types[t]) ? d->blobs[i].length : 0;
        }
    }
    for (size_t s = 0; s < d->info.segment_count; s++) {
        for (size_t c = 0; c < d->info.column_count; c++) {
            const struct vs_segment_column *column = &d->segments[s].columns[c];
            vectors += column->has_lists ? column->vector_count : 0;
        }
    }
    vs_report_f64(w, "bytes_per_vector", vectors > 0 ? (double)bytes / (double)vectors : 0.0);
}

static void report_drift(struct vs_json_writer *w, const struct vs_descriptor *d, size_t segment)
{
    vs_jw_key(w, "drift");
    vs_jw_array_begin(w);
    for (size_t c = 0; c < d->info.column_count; c++) {
        const struct vs_drift_figures *figures = &d->segments[segment].columns[c].drift;
        if (figures->count == 0) {
            continue;
        }
        unsigned warnings = d->baselines != NULL ? vs_drift_warnings(figures, &d->baselines[c]) : 0;
        vs_jw_object_begin(w);
        vs_report_str(w, "column", d->info.columns[c].name);
        vs_report_f64(w, "error", (double)figures->error);
        vs_report_f64(w, "energy", (double)figures->energy);
        vs_report_f64(w, "far_share", (double)figures->far_share);
        vs_report_f64(w, "gini", (double)figures->gini);
        vs_report_f64(w, "longest_to_mean", (double)figures->longest_to_mean);
        vs_report_bool(w, "warning", warnings != 0);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static void report_segments(struct vs_json_writer *w, const struct vs_descriptor *d)
{
    const struct vs_index_info *info = &d->info;
    vs_jw_key(w, "segments");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < info->segment_count; i++) {
        const struct vs_index_segment *segment = &info->segments[i];
        vs_jw_object_begin(w);
        vs_report_u64(w, "rows", segment->row_count);
        vs_report_bool(w, "exact", segment->is_small);
        report_drift(w, d, i);
        vs_jw_key(w, "files");
        vs_jw_array_begin(w);
        for (size_t j = 0; j < segment->file_count; j++) {
            vs_jw_object_begin(w);
            vs_report_str(w, "path", segment->files[j].path);
            vs_report_u64(w, "rows", segment->files[j].row_count);
            vs_jw_object_end(w);
        }
        vs_jw_array_end(w);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static void report_curve(struct vs_json_writer *w, const struct vs_index_column *column)
{
    vs_jw_key(w, "recall");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < column->recall_count; i++) {
        const struct vs_recall_point *point = &column->recall[i];
        vs_jw_object_begin(w);
        vs_report_u64(w, "k", point->k);
        vs_report_u64(w, "nprobe", point->nprobe);
        vs_report_u64(w, "rerank", point->rerank);
        vs_jw_key(w, "gap");
        vs_jw_f32(w, point->gap);
        vs_jw_key(w, "recall");
        vs_jw_f32(w, point->recall);
        vs_jw_key(w, "scanned");
        vs_jw_f32(w, point->scanned_fraction);
        vs_jw_key(w, "rescore");
        vs_jw_bool(w, point->rescore);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

// Counts of lists by size: bin b holds sizes in [2^b, 2^(b+1)), the last one everything above;
// empty lists are counted apart.
static enum vs_status report_histogram(struct vs_db *db,
                                       const struct vs_index *index,
                                       size_t column,
                                       struct vs_json_writer *w,
                                       struct vs_error *err)
{
    const struct vs_index_info *info = vs_index_info(index);
    uint32_t lists = info->columns[column].list_count;
    uint64_t bins[HISTOGRAM_BINS] = {0}, empty = 0;
    uint32_t *sizes = vs_alloc_zeroed(db->env, (size_t)lists + 1, sizeof *sizes);
    if (sizes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the sizes of %u lists", lists);
    }
    enum vs_status status = VS_OK;
    for (size_t segment = 0; status == VS_OK && lists > 0 && segment < info->segment_count;
         segment++) {
        if (!vs_index_descriptor(index)->segments[segment].columns[column].has_lists) {
            continue;
        }
        status = vs_index_list_sizes(index, segment, column, sizes, err);
        for (uint32_t i = 0; status == VS_OK && i < lists; i++) {
            unsigned bin = sizes[i] == 0 ? 0 : 31U - (unsigned)__builtin_clz(sizes[i]);
            bins[bin < HISTOGRAM_BINS ? bin : HISTOGRAM_BINS - 1] += sizes[i] != 0;
            empty += sizes[i] == 0;
        }
    }
    vs_free(db->env, sizes);
    vs_report_u64(w, "empty_lists", empty);
    vs_jw_key(w, "list_sizes");
    vs_jw_array_begin(w);
    for (unsigned b = 0; b < HISTOGRAM_BINS; b++) {
        if (bins[b] > 0) {
            vs_jw_object_begin(w);
            vs_report_u64(w, "from", UINT64_C(1) << b);
            vs_report_u64(w, "lists", bins[b]);
            vs_jw_object_end(w);
        }
    }
    vs_jw_array_end(w);
    return status;
}

static void report_baseline(struct vs_json_writer *w, const struct vs_descriptor *d, size_t column)
{
    vs_jw_key(w, "trained");
    if (d->baselines == NULL || d->baselines[column].count == 0) {
        vs_jw_null(w);
        return;
    }
    vs_jw_object_begin(w);
    vs_report_u64(w, "vectors", d->baselines[column].count);
    vs_report_f64(w, "error", (double)d->baselines[column].error);
    vs_report_f64(w, "energy", (double)d->baselines[column].energy);
    vs_report_f64(w, "far_distance", (double)d->baselines[column].far_distance);
    vs_jw_object_end(w);
}

static enum vs_status report_column(struct vs_db *db,
                                    const struct vs_index *index,
                                    size_t i,
                                    struct vs_json_writer *w,
                                    struct vs_error *err)
{
    const struct vs_descriptor *d = vs_index_descriptor(index);
    const struct vs_index_column *column = &d->info.columns[i];
    bool second = false;
    VS_TRY(vs_index_read_second(index, i, &second, err));
    vs_jw_object_begin(w);
    vs_report_str(w, "column", column->name);
    vs_report_u64(w, "dimension", column->dim);
    vs_report_c(w, "metric", vs_metric_name(column->metric));
    vs_report_str(w, "model_id", column->model_id);
    vs_report_u64(w, "lists", column->list_count);
    vs_report_u64(w, "code_bytes", column->m / 2);
    vs_report_u64(w, "projected_dimension", column->proj_dim);
    vs_report_bool(w, "second_assignment", second);
    vs_report_bool(w, "exact_rows", column->has_exact_rows);
    vs_report_c(w, "stored_vectors",
                column->has_exact_rows  ? "f32"
                : column->has_half_rows ? "f16"
                                        : "none");
    vs_report_c(w, "queries", d->measured[i].given ? "given" : "rows");
    VS_TRY(report_histogram(db, index, i, w, err));
    report_curve(w, column);
    report_baseline(w, d, i);
    vs_jw_object_end(w);
    return VS_OK;
}

static enum vs_status report_index(struct vs_db *db,
                                   const struct vs_index_current *current,
                                   struct vs_json_writer *w,
                                   struct vs_error *err)
{
    const struct vs_index *index = current->index;
    const struct vs_descriptor *d = vs_index_descriptor(index);
    const struct vs_index_info *info = &d->info;
    struct vs_index_coverage coverage = {0};
    VS_TRY(vs_engine_coverage(db->engine, current->table->name, &coverage, err));
    vs_jw_object_begin(w);
    vs_report_c(w, "table", current->table->name);
    report_facts(w, info);
    vs_report_str(w, "path", current->entry.path);
    vs_report_u64(w, "memory_bytes", info->memory_bytes);
    vs_jw_key(w, "columns");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < info->column_count; i++) {
        VS_TRY(report_column(db, index, i, w, err));
    }
    vs_jw_array_end(w);
    report_segments(w, d);
    report_blobs(w, d);
    report_vector_bytes(w, d);
    vs_jw_key(w, "build");
    vs_jw_raw(w, info->build_json.len > 0 ? info->build_json : VS_STR("null"));
    vs_jw_key(w, "coverage");
    vs_jw_object_begin(w);
    vs_report_u64(w, "covered_files", coverage.covered_files);
    vs_report_u64(w, "covered_rows", coverage.covered_rows);
    vs_report_u64(w, "uncovered_files", coverage.uncovered_files);
    vs_report_u64(w, "uncovered_rows", coverage.uncovered_rows);
    vs_jw_object_end(w);
    vs_jw_object_end(w);
    return vs_json_writer_finish(w, err);
}

enum vs_status vs_db_show_index(struct vs_db *db,
                                const char *table,
                                struct vs_buf *report,
                                struct vs_error *err)
{
    struct vs_index_current current = {0};
    struct vs_json_writer w;
    vs_json_writer_init(&w, report, false);
    enum vs_status status = vs_index_current_open(db, table, false, &current, err);
    if (status == VS_OK) {
        status = report_index(db, &current, &w, err);
    }
    vs_index_current_close(&current);
    return status;
}

enum vs_status vs_db_verify_index(struct vs_db *db,
                                  const char *table,
                                  const struct vs_op *op,
                                  struct vs_buf *report,
                                  struct vs_error *err)
{
    struct vs_index_current current = {0};
    enum vs_status status = vs_index_current_file(db, table, &current, err);
    if (status == VS_OK && current.file->size != current.entry.file_size) {
        status = vs_fail(
            err, VS_CORRUPT,
            "the index of table %s is %llu bytes long, its metadata says %llu; build it again",
            table, (unsigned long long)current.file->size,
            (unsigned long long)current.entry.file_size);
    }
    if (status == VS_OK) {
        status = vs_index_verify(db->env, current.file, op, report, err);
    }
    vs_index_current_close(&current);
    return status;
}
