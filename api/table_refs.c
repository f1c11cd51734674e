// SPDX-License-Identifier: Apache-2.0
// Branches, tags and rollback.
#include "api/db.h"
#include "api/query/query_view.h"
#include "vecstore/iceberg/metadata_edit.h"

static int64_t retention_of(const struct vs_json *ref, const char *key)
{
    int64_t value;
    return vs_json_to_i64(vs_json_get(ref, key), &value) ? value : 0;
}

static void write_retention(struct vs_json_writer *w, const struct vs_json *ref)
{
    static const struct {
        const char *key, *name;
    } members[] = {{"max-ref-age-ms", "max_ref_age_ms"},
                   {"max-snapshot-age-ms", "max_snapshot_age_ms"},
                   {"min-snapshots-to-keep", "min_snapshots_to_keep"}};

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        int64_t value = retention_of(ref, members[i].key);
        if (value > 0) {
            vs_report_u64(w, members[i].name, (uint64_t)value);
        }
    }
}

static enum vs_status write_refs(const struct vs_env *env,
                                 const struct vs_table *table,
                                 struct vs_buf *report,
                                 struct vs_error *err)
{
    const struct vs_table_metadata *m = table->metadata;
    struct vs_json_writer w;
    enum vs_status status = VS_OK;
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", table->name);
    vs_jw_key(&w, "refs");
    vs_jw_array_begin(&w);
    for (size_t i = 0; status == VS_OK && i < m->ref_count; i++) {
        struct vs_json_doc *doc = NULL;
        status = vs_json_parse(env, m->refs[i].json, "a ref", NULL, &doc, err);
        if (status == VS_OK) {
            vs_jw_object_begin(&w);
            vs_report_str(&w, "name", m->refs[i].name);
            vs_report_c(&w, "type", m->refs[i].is_branch ? "branch" : "tag");
            vs_report_id(&w, "snapshot_id", m->refs[i].snapshot_id);
            write_retention(&w, vs_json_root(doc));
            vs_jw_object_end(&w);
        }
        vs_json_free(doc);
    }
    vs_jw_array_end(&w);
    vs_jw_object_end(&w);
    VS_TRY(status);
    return vs_json_writer_finish(&w, err);
}

enum vs_status vs_db_list_refs(struct vs_db *db,
                               const char *table,
                               struct vs_buf *report,
                               struct vs_error *err)
{
    struct vs_table *loaded = NULL;
    VS_TRY(vs_catalog_load(db->catalog, table, &loaded, err));
    enum vs_status status = write_refs(db->env, loaded, report, err);
    vs_table_release(loaded);
    return status;
}

static enum vs_status commit_edit(struct vs_db *db,
                                  const char *table,
                                  vs_intent_edit_fn edit,
                                  void *ctx,
                                  const struct vs_op *op,
                                  struct vs_commit_result *result_out,
                                  struct vs_error *err)
{
    struct vs_intent intent = {.edit = edit, .edit_ctx = ctx};
    return vs_catalog_commit(db->catalog, table, &intent, op, result_out, err);
}

static enum vs_status resolve(const struct vs_metadata_edit *edit,
                              const struct vs_at *at,
                              int64_t *snapshot_id_out,
                              struct vs_error *err)
{
    const struct vs_schema *schema = NULL;
    VS_TRY(vs_view_resolve(edit->base, at, snapshot_id_out, &schema, err));
    return *snapshot_id_out != VS_NO_SNAPSHOT
               ? VS_OK
               : vs_fail(err, VS_NOT_FOUND, "the table is empty: it has no snapshot to name");
}

static enum vs_status set_ref(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    const struct vs_ref_options *options = ctx;
    struct vs_str name = vs_str_from_c(options->name);
    struct vs_ref_retention retention = {options->max_ref_age_ms, options->max_snapshot_age_ms,
                                         options->min_snapshots_to_keep};
    int64_t snapshot_id;
    VS_TRY(resolve(edit, &options->at, &snapshot_id, err));
    if (vs_table_ref(edit->base, name) != NULL && !options->replace) {
        return vs_fail(err, VS_EXISTS,
                       "table %s has a branch or tag '%s' already; say --replace to move it",
                       options->table, options->name);
    }
    return vs_edit_set_ref(edit, name, !options->is_tag, snapshot_id, &retention, err);
}

enum vs_status vs_db_set_ref(struct vs_db *db,
                             const struct vs_ref_options *options,
                             struct vs_buf *report,
                             struct vs_error *err)
{
    struct vs_ref_options copy = *options; // the callback's context is not const
    struct vs_commit_result result = {0};
    VS_TRY(commit_edit(db, options->table, set_ref, &copy, options->op, &result, err));
    enum vs_status status = write_refs(db->env, result.table, report, err);
    vs_table_release(result.table);
    return status;
}

static enum vs_status remove_ref(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    const char *const *name = ctx;
    return vs_edit_remove_ref(edit, vs_str_from_c(*name), err);
}

enum vs_status vs_db_remove_ref(struct vs_db *db,
                                const char *table,
                                const char *name,
                                struct vs_buf *report,
                                struct vs_error *err)
{
    struct vs_commit_result result = {0};
    VS_TRY(commit_edit(db, table, remove_ref, &name, NULL, &result, err));
    enum vs_status status = write_refs(db->env, result.table, report, err);
    vs_table_release(result.table);
    return status;
}

struct rollback {
    const struct vs_rollback_options *options;
    int64_t snapshot_id, previous_id;
};

static enum vs_status roll_back(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    struct rollback *rollback = ctx;
    VS_TRY(resolve(edit, &rollback->options->at, &rollback->snapshot_id, err));
    rollback->previous_id = edit->base->current_snapshot_id;
    return vs_edit_rollback(edit, rollback->snapshot_id, rollback->options->any, err);
}

enum vs_status vs_db_rollback(struct vs_db *db,
                              const struct vs_rollback_options *options,
                              struct vs_buf *report,
                              struct vs_error *err)
{
    const struct vs_at *at = &options->at;
    struct rollback rollback = {.options = options};
    struct vs_commit_result result = {0};
    if (at->snapshot_id == 0 && at->as_of == NULL && at->ref == NULL) {
        return vs_fail(err, VS_INVALID, "rolling back table %s: say to which snapshot, time or ref",
                       options->table);
    }
    VS_TRY(commit_edit(db, options->table, roll_back, &rollback, options->op, &result, err));
    vs_table_release(result.table);
    struct vs_json_writer w;
    vs_json_writer_init(&w, report, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "table", options->table);
    vs_report_id(&w, "snapshot_id", rollback.snapshot_id);
    vs_report_id(&w, "previous_snapshot_id", rollback.previous_id);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}
