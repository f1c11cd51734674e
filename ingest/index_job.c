// SPDX-License-Identifier: Apache-2.0
#include "ingest/index_job.h"

#include "ingest/index_gather.h"
#include "ingest/index_publish.h"
#include "ingest/table_rows.h"

static enum vs_status write_file(struct vs_gathered *g,
                                 const char *key,
                                 struct vs_index_build_result *result_out,
                                 struct vs_error *err)
{
    struct vs_index_row_source source = {.ctx = NULL};
    struct vs_writer *out = NULL;
    enum vs_status status = vs_gather_rows(g, g->plan, &source, err);
    if (status == VS_OK) {
        status = vs_writer_open(g->table->store, key, &out, err);
    }
    if (status == VS_OK) {
        status = vs_index_build(g->env, &g->params, &source, out, result_out, err);
    }
    if (status == VS_OK) {
        status = vs_status_definite(vs_writer_finish(out, VS_PUT_ANY, err), err);
    }
    vs_writer_free(out);
    vs_table_rows_close(source.ctx);
    return status;
}

// Names of the file, and what it is to carry along.
struct target {
    struct vs_buf uri, key, foreign_json;
    char uuid[VS_UUID_TEXT_SIZE];
};

static enum vs_status publish(struct vs_catalog *catalog,
                              const struct vs_gathered *g,
                              const struct target *target,
                              struct vs_index_job_result *result,
                              struct vs_error *err)
{
    const struct vs_index_publish publish = {
        .table = g->job->table,
        .table_uuid = g->table->metadata->uuid,
        .uri = vs_buf_view(&target->uri),
        .index_uuid = target->uuid,
        .snapshot_id = g->params.snapshot_id,
        .file_size = result->build.file_size,
        .footer_size = result->build.footer_size,
        .blob_metadata_json = vs_buf_view(&target->foreign_json),
        .op = g->job->op,
    };
    return vs_index_publish(catalog, &publish, &result->attempts, err);
}

static enum vs_status build_and_publish(struct vs_catalog *catalog,
                                        struct vs_gathered *g,
                                        struct target *target,
                                        struct vs_index_job_result *result,
                                        struct vs_error *err)
{
    struct vs_store *store = g->table->store;
    const struct vs_table_metadata *metadata = g->table->metadata;
    vs_uuid_format(g->params.index_uuid, target->uuid);
    VS_TRY(vs_index_name(store, metadata, target->uuid, &target->uri, &target->key, err));
    const char *key = vs_buf_c_str(&target->key);
    VS_TRY(vs_foreign_blobs_read(g->env, store, metadata, g->params.snapshot_id, &g->arena,
                                 &g->params, &target->foreign_json, err));
    VS_TRY(write_file(g, key, &result->build, err));
    enum vs_status status = publish(catalog, g, target, result, err);
    if (status != VS_OK && status != VS_UNKNOWN) { // an unknown outcome may have published it
        vs_ignore(vs_store_remove(store, key, NULL));
    }
    if (status == VS_OK) {
        vs_index_build_forget(&result->build);
    }
    return status;
}

enum vs_status vs_index_job_run(struct vs_catalog *catalog,
                                const struct vs_index_job *job,
                                struct vs_index_job_result *result_out,
                                struct vs_error *err)
{
    struct vs_gathered g;
    struct target target;
    struct vs_index_job_result result = {.snapshot_id = 0};
    enum vs_status status = vs_gather_open(catalog, job, &g, err);
    vs_buf_init(&target.uri, g.env, 8192);
    vs_buf_init(&target.key, g.env, 8192);
    vs_buf_init(&target.foreign_json, g.env, 1 << 20);
    if (status == VS_OK) {
        status = build_and_publish(catalog, &g, &target, &result, err);
    }
    if (status == VS_OK) {
        result.snapshot_id = g.params.snapshot_id;
        *result_out = result;
    }
    vs_buf_clear(&target.uri);
    vs_buf_clear(&target.key);
    vs_buf_clear(&target.foreign_json);
    vs_gather_close(&g);
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "building an index of %s", job->table);
}
