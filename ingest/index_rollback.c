// SPDX-License-Identifier: Apache-2.0
#include "ingest/index_rollback.h"

#include "ingest/index_publish.h"

#include <string.h>

#define KEY_LIMIT 8192

struct rollback {
    const struct vs_env *env;
    struct vs_catalog *catalog;
    const struct vs_rollback_job *job;
    const struct vs_table *table;
    struct vs_buf uri, key;
    char uuid[VS_UUID_TEXT_SIZE];
    struct vs_file *file;
    struct vs_index *index;
};

// Among the former versions: the one named, or the newest.
static enum vs_status choose(struct rollback *r, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = r->table->metadata;
    struct vs_str list = vs_table_property(metadata, VS_PROPERTY_INDEX_PREVIOUS), first = {0};
    struct vs_str current = vs_table_property(metadata, VS_PROPERTY_INDEX_UUID);
    struct vs_uuid uuid;
    if (r->job->to != NULL) {
        if (vs_uuid_parse(vs_str_from_c(r->job->to), &uuid, NULL) != VS_OK) {
            return vs_fail(err, VS_INVALID, "'%s' is not the UUID of an index version", r->job->to);
        }
        vs_uuid_format(uuid, r->uuid);
    } else if (vs_stats_file_previous(&list, &first) &&
               vs_uuid_parse(first, &uuid, NULL) == VS_OK) {
        vs_uuid_format(uuid, r->uuid);
    } else {
        return vs_fail(err, VS_NOT_FOUND,
                       "table %s remembers no version before the current one; vecstore index list "
                       "shows what there is",
                       r->job->table);
    }
    if (vs_str_equal_c(current, r->uuid)) {
        return vs_fail(err, VS_INVALID, "version %s is the current one", r->uuid);
    }
    return VS_OK;
}

static enum vs_status open_version(struct rollback *r, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = r->table->metadata;
    const struct vs_index_open_options options = {.table_uuid = &metadata->uuid,
                                                  .skip_lists = true};
    VS_TRY(vs_index_name(r->table->store, metadata, r->uuid, &r->uri, &r->key, err));
    enum vs_status status = vs_file_open(r->table->store, vs_buf_c_str(&r->key), &r->file, err);
    if (status == VS_NOT_FOUND) {
        return vs_fail(err, VS_NOT_FOUND,
                       "the file of index version %s is gone; vecstore index list %s shows those "
                       "that are there",
                       r->uuid, r->job->table);
    }
    return status == VS_OK ? vs_index_open(r->env, r->file, &options, &r->index, err) : status;
}

static enum vs_status publish(struct rollback *r,
                              struct vs_rollback_result *result,
                              struct vs_error *err)
{
    const struct vs_index_info *info = vs_index_info(r->index);
    struct vs_puffin puffin;
    char text[VS_UUID_TEXT_SIZE];
    vs_uuid_format(info->index_uuid, text);
    if (strcmp(text, r->uuid) != 0) {
        return vs_fail(err, VS_CORRUPT, "%s holds version %s", r->file->name, text);
    }
    VS_TRY(vs_puffin_read(r->env, r->file, &puffin, err));
    uint64_t footer_size = puffin.footer_size;
    vs_puffin_clear(&puffin);
    const struct vs_index_publish what = {
        .table = r->job->table,
        .table_uuid = r->table->metadata->uuid,
        .uri = vs_buf_view(&r->uri),
        .index_uuid = r->uuid,
        .snapshot_id = info->snapshot_id,
        .file_size = r->file->size,
        .footer_size = footer_size,
        .replaces = vs_table_property(r->table->metadata, VS_PROPERTY_INDEX_UUID),
        .op = r->job->op};
    VS_TRY(vs_index_publish(r->catalog, &what, &result->attempts, err));
    result->index_uuid = info->index_uuid;
    result->index_snapshot_id = info->snapshot_id;
    result->file_size = r->file->size;
    for (size_t s = 0; s < info->segment_count; s++) {
        result->rows += info->segments[s].row_count;
    }
    vs_ignore(vs_uuid_parse(what.replaces, &result->former_uuid, NULL));
    return VS_OK;
}

enum vs_status vs_rollback_job_run(struct vs_catalog *catalog,
                                   const struct vs_rollback_job *job,
                                   struct vs_rollback_result *result_out,
                                   struct vs_error *err)
{
    struct vs_table *table = NULL;
    VS_TRY(vs_catalog_load(catalog, job->table, &table, err));
    struct rollback r = {
        .env = vs_catalog_env(catalog), .catalog = catalog, .job = job, .table = table};
    struct vs_rollback_result result = {.rows = 0};
    vs_buf_init(&r.uri, r.env, KEY_LIMIT);
    vs_buf_init(&r.key, r.env, KEY_LIMIT);
    enum vs_status status = choose(&r, err);
    if (status == VS_OK) {
        status = open_version(&r, err);
    }
    if (status == VS_OK) {
        status = publish(&r, &result, err);
    }
    if (status == VS_OK) {
        *result_out = result;
    }
    vs_index_close(r.index);
    vs_file_close(r.file);
    vs_buf_clear(&r.uri);
    vs_buf_clear(&r.key);
    vs_table_release(table);
    return status == VS_OK ? VS_OK
                           : vs_wrap(err, status, "rolling back the index of %s", job->table);
}
