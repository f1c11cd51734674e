// SPDX-License-Identifier: Apache-2.0
// The steps of a build that several machines share: model and part files by path or URI.
#include "api/db.h"
#include "api/file_uri.h"
#include "api/index_options.h"
#include "ingest/index_steps.h"
#include "vecstore/object/store.h"

#define MAX_QUERY_BYTES ((size_t)4 << 30)
#define MAX_MODEL_BYTES ((size_t)8 << 30)

// ---- files ----

static enum vs_status open_folder(const struct vs_env *env,
                                  const char *uri,
                                  struct vs_store **store_out,
                                  const char **name_out,
                                  struct vs_error *err)
{
    struct vs_buf folder;
    vs_buf_init(&folder, env, 1 << 16);
    enum vs_status status = vs_file_uri_split(uri, &folder, name_out, err);
    if (status == VS_OK) {
        status = vs_store_open(env, vs_buf_c_str(&folder), false, store_out, err);
    }
    vs_buf_clear(&folder);
    return status;
}

// A file being written, or one that is read.
struct open_file {
    struct vs_store *store;
    struct vs_writer *writer;
    struct vs_file *file;
};

static enum vs_status open_to_write(const struct vs_env *env,
                                    const char *uri,
                                    struct open_file *file,
                                    struct vs_error *err)
{
    const char *name = NULL;
    if (uri == NULL) {
        return vs_fail(err, VS_INVALID, "say where to write: --to FILE");
    }
    VS_TRY(open_folder(env, uri, &file->store, &name, err));
    return vs_writer_open(file->store, name, &file->writer, err);
}

static enum vs_status open_to_read(const struct vs_env *env,
                                   const char *uri,
                                   struct open_file *file,
                                   struct vs_error *err)
{
    const char *name = NULL;
    VS_TRY(open_folder(env, uri, &file->store, &name, err));
    return vs_file_open(file->store, name, &file->file, err);
}

static void close_file(struct open_file *file)
{
    vs_writer_free(file->writer);
    vs_file_close(file->file);
    vs_store_free(file->store);
    *file = (struct open_file){.store = NULL};
}

static enum vs_status load_model(const struct vs_env *env,
                                 const char *uri,
                                 struct vs_index_model **model_out,
                                 struct vs_error *err)
{
    struct vs_store *store = NULL;
    const char *name = NULL;
    struct vs_buf bytes;
    if (uri == NULL) {
        return vs_fail(err, VS_INVALID, "say which model to use: --model FILE");
    }
    vs_buf_init(&bytes, env, MAX_MODEL_BYTES);
    enum vs_status status = open_folder(env, uri, &store, &name, err);
    if (status == VS_OK) {
        status = vs_store_get(store, name, &bytes, err);
    }
    if (status == VS_OK) {
        status = vs_index_model_decode(env, vs_buf_view(&bytes), uri, model_out, err);
    }
    vs_buf_clear(&bytes);
    vs_store_free(store);
    return status;
}

static double ms_since(const struct vs_env *env, int64_t start)
{
    return (double)(vs_monotonic_ns(env) - start) / 1e6;
}

// ---- train ----

static enum vs_status train(struct vs_db *db,
                            const struct vs_index_options *options,
                            struct vs_buf *queries,
                            struct vs_buf *model,
                            struct vs_error *err)
{
    struct vs_index_job job = {.table = options->table,
                               .list_count = options->list_count,
                               .code_bytes = options->code_bytes,
                               .seed = options->seed,
                               .memory_bytes = options->memory_bytes,
                               .thread_count = options->thread_count > 0 ? options->thread_count
                                                                         : db->thread_count,
                               .op = options->op};
    VS_TRY(vs_parse_projection(options->projection, &job.projection, err));
    VS_TRY(vs_parse_second(options->second_assignment, &job.second_assignment, err));
    if (options->queries != NULL) {
        VS_TRY(vs_vectors_read(db->env, options->queries, NULL, queries, &job.query_count,
                               &job.query_dim, err));
    }
    job.queries = (const float *)(const void *)queries->data;
    return vs_index_job_train(db->catalog, &job, model, err);
}

enum vs_status vs_db_train_index(struct vs_db *db,
                                 const struct vs_index_options *options,
                                 const char *to,
                                 struct vs_buf *report,
                                 struct vs_error *err)
{
    struct open_file file = {.store = NULL};
    struct vs_buf queries, model;
    int64_t start = vs_monotonic_ns(db->env);
    vs_buf_init(&queries, db->env, MAX_QUERY_BYTES);
    vs_buf_init(&model, db->env, MAX_MODEL_BYTES);
    enum vs_status status = open_to_write(db->env, to, &file, err);
    if (status == VS_OK) {
        status = train(db, options, &queries, &model, err);
    }
    if (status == VS_OK) {
        status = vs_writer_write(file.writer, model.data, model.len, err);
    }
    if (status == VS_OK) {
        status = vs_writer_finish(file.writer, VS_PUT_ANY, err);
    }
    if (status == VS_OK) {
        struct vs_json_writer w;
        vs_json_writer_init(&w, report, false);
        vs_jw_object_begin(&w);
        vs_report_c(&w, "table", options->table);
        vs_report_c(&w, "path", to);
        vs_report_u64(&w, "bytes", model.len);
        vs_report_f64(&w, "ms", ms_since(db->env, start));
        vs_jw_object_end(&w);
        status = vs_json_writer_finish(&w, err);
    }
    close_file(&file);
    vs_buf_clear(&queries);
    vs_buf_clear(&model);
    return status;
}

// ---- encode ----

static enum vs_status encode(struct vs_db *db,
                             const struct vs_index_part_options *options,
                             const struct vs_index_job *job,
                             struct vs_writer *out,
                             struct vs_index_part_facts *facts,
                             struct vs_error *err)
{
    if (options->file_count == 0 &&
        (options->of == 0 || options->share == 0 || options->share > options->of)) {
        return vs_fail(err, VS_INVALID,
                       "say which data files to encode: --files A,B or --part I/N");
    }
    struct vs_str *names = vs_alloc_zeroed(db->env, options->file_count + 1, sizeof *names);
    if (names == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu names", options->file_count);
    }
    for (size_t i = 0; i < options->file_count; i++) {
        names[i] = vs_str_from_c(options->files[i]);
    }
    struct vs_index_share share = {.names = names,
                                   .name_count = options->file_count,
                                   .share = options->share > 0 ? options->share - 1 : 0,
                                   .of = options->of};
    enum vs_status status = vs_index_job_encode(db->catalog, job, &share, out, facts, err);
    vs_free(db->env, names);
    return status;
}

static struct vs_index_job job_of(const struct vs_db *db,
                                  const struct vs_index_part_options *options,
                                  const struct vs_index_model *model)
{
    return (struct vs_index_job){.table = options->table,
                                 .model = model,
                                 .memory_bytes = options->memory_bytes,
                                 .thread_count = options->thread_count > 0 ? options->thread_count
                                                                           : db->thread_count,
                                 .spill_dir = options->spill_dir,
                                 .created_ms = options->created_ms,
                                 .op = options->op};
}

enum vs_status vs_db_encode_index(struct vs_db *db,
                                  const struct vs_index_part_options *options,
                                  struct vs_buf *report,
                                  struct vs_error *err)
{
    struct open_file file = {.store = NULL};
    struct vs_index_model *model = NULL;
    struct vs_index_part_facts facts = {.file_count = 0};
    int64_t start = vs_monotonic_ns(db->env);
    enum vs_status status = open_to_write(db->env, options->to, &file, err);
    if (status == VS_OK) {
        status = load_model(db->env, options->model, &model, err);
    }
    if (status == VS_OK) {
        struct vs_index_job job = job_of(db, options, model);
        status = encode(db, options, &job, file.writer, &facts, err);
    }
    if (status == VS_OK) {
        status = vs_writer_finish(file.writer, VS_PUT_ANY, err);
    }
    if (status == VS_OK) {
        struct vs_json_writer w;
        vs_json_writer_init(&w, report, false);
        vs_jw_object_begin(&w);
        vs_report_c(&w, "table", options->table);
        vs_report_c(&w, "path", options->to);
        vs_report_u64(&w, "files", facts.file_count);
        vs_report_u64(&w, "rows", facts.row_count);
        vs_report_u64(&w, "vectors", facts.vector_count);
        vs_report_u64(&w, "bytes", file.writer->written);
        vs_report_f64(&w, "ms", ms_since(db->env, start));
        vs_jw_object_end(&w);
        status = vs_json_writer_finish(&w, err);
    }
    close_file(&file);
    vs_index_model_free(model);
    return status;
}

// ---- assemble ----

static enum vs_status assemble(struct vs_db *db,
                               const struct vs_index_part_options *options,
                               const struct vs_index_job *job,
                               struct vs_index_job_result *result,
                               struct vs_error *err)
{
    if (options->to == NULL) {
        return vs_index_job_run(db->catalog, job, result, err);
    }
    struct open_file file = {.store = NULL};
    enum vs_status status = open_to_write(db->env, options->to, &file, err);
    if (status == VS_OK) {
        status = vs_index_job_assemble(db->catalog, job, file.writer, &result->build, err);
    }
    if (status == VS_OK) {
        status = vs_writer_finish(file.writer, VS_PUT_ANY, err);
    }
    result->snapshot_id = vs_index_model_snapshot(job->model);
    close_file(&file);
    return status;
}

static enum vs_status with_parts(struct vs_db *db,
                                 const struct vs_index_part_options *options,
                                 struct vs_index_job *job,
                                 struct vs_index_job_result *result,
                                 struct vs_error *err)
{
    size_t count = options->part_count;
    struct open_file *opened = vs_alloc_zeroed(db->env, count + 1, sizeof *opened);
    struct vs_file **files = vs_alloc_zeroed(db->env, count + 1, sizeof *files);
    enum vs_status status = opened != NULL && files != NULL
                                ? VS_OK
                                : vs_fail(err, VS_NO_MEMORY, "out of memory for %zu parts", count);
    for (size_t p = 0; p < count && status == VS_OK; p++) {
        status = open_to_read(db->env, options->parts[p], &opened[p], err);
        files[p] = opened[p].file;
    }
    if (status == VS_OK) {
        job->parts = files;
        job->part_count = count;
        status = assemble(db, options, job, result, err);
    }
    for (size_t p = 0; p < count && opened != NULL; p++) {
        close_file(&opened[p]);
    }
    vs_free(db->env, opened);
    vs_free(db->env, files);
    return status;
}

enum vs_status vs_db_assemble_index(struct vs_db *db,
                                    const struct vs_index_part_options *options,
                                    struct vs_buf *report,
                                    struct vs_error *err)
{
    struct vs_index_model *model = NULL;
    struct vs_index_job_result result = {.snapshot_id = 0};
    int64_t start = vs_monotonic_ns(db->env);
    if (options->part_count == 0) {
        return vs_fail(err, VS_INVALID, "name the parts that are to be put together");
    }
    VS_TRY(load_model(db->env, options->model, &model, err));
    struct vs_index_job job = job_of(db, options, model);
    job.min_recall = options->min_recall < 0
                         ? 0
                         : (options->min_recall > 0 ? options->min_recall : VS_DEFAULT_MIN_RECALL);
    enum vs_status status = vs_parse_store(options->store_vectors, &job.store_vectors, err);
    if (status == VS_OK && options->index_uuid != NULL) {
        status = vs_uuid_parse(vs_str_from_c(options->index_uuid), &job.index_uuid, err);
    }
    if (status == VS_OK) {
        status = with_parts(db, options, &job, &result, err);
    }
    if (status == VS_OK) {
        status = vs_report_index_build(options->table, &result, options->to,
                                       ms_since(db->env, start), report, err);
    }
    vs_index_model_free(model);
    return status;
}
