// SPDX-License-Identifier: Apache-2.0
#include "ingest/row_change.h"

#include "ingest/locate.h"
#include "vecstore/iceberg/stats_file.h"

#include <string.h>

void vs_row_change_init(struct vs_row_change *change,
                        const struct vs_env *env,
                        struct vs_store *store,
                        enum vs_row_change_kind kind)
{
    memset(change, 0, sizeof *change);
    change->env = env;
    change->store = store;
    change->kind = kind;
    vs_arena_init(&change->arena, env, 0);
    vs_buf_init(&change->keys, env, SIZE_MAX);
}

static enum vs_status fail_existing(const struct vs_row_change *change,
                                    const struct vs_located *located,
                                    struct vs_error *err)
{
    struct vs_value id = vs_id_set_get(change->ids, located->id_index[0]);
    const char *way_out =
        "use --upsert (\"upsert\": true over HTTP) to replace rows, or leave them out";
    if (id.kind == VS_KIND_STRING) {
        return vs_fail(
            err, VS_EXISTS, "%zu of the ids exist in the table already, the first is '%.*s'; %s",
            located->distinct_ids, vs_id_shown_length(id.as.text), id.as.text.ptr, way_out);
    }
    return vs_fail(err, VS_EXISTS,
                   "%zu of the ids exist in the table already, the first is %lld; %s",
                   located->distinct_ids, (long long)id.as.integer, way_out);
}

static enum vs_status find_rows(struct vs_row_change *change,
                                const struct vs_table_metadata *base,
                                struct vs_position_delete **rows_out,
                                size_t *count_out,
                                struct vs_error *err)
{
    if (change->find != NULL) {
        return change->find(change->find_ctx, base, &change->arena, rows_out, count_out, err);
    }
    *count_out = 0;
    if (change->ids == NULL || base->current_snapshot_id == VS_NO_SNAPSHOT) {
        return VS_OK;
    }
    struct vs_located located = {0};
    VS_TRY(vs_locate_ids(change->env, change->store, base, change->ids, change->op, &change->arena,
                         &located, err));
    if (change->kind == VS_ROW_CHANGE_INSERT && located.row_count > 0) {
        return fail_existing(change, &located, err);
    }
    change->distinct_ids = located.distinct_ids;
    *rows_out = located.rows;
    *count_out = located.row_count;
    return VS_OK;
}

// On failure the objects are removed again: nothing else would know of them.
static enum vs_status remember_files(struct vs_row_change *change,
                                     const struct vs_deletes_written *written,
                                     struct vs_error *err)
{
    size_t before = change->keys.len;
    enum vs_status status = VS_OK;
    for (size_t i = 0; status == VS_OK && i < written->key_count; i++) {
        const char *key = written->keys[i];
        status = vs_buf_append(&change->keys, key, strlen(key) + 1, err);
    }
    if (status != VS_OK) {
        change->keys.len = before;
        vs_deletes_discard(change->store, written);
    }
    return status;
}

static enum vs_status write_deletes(struct vs_row_change *change,
                                    const struct vs_table_metadata *base,
                                    struct vs_intent *intent,
                                    struct vs_error *err)
{
    struct vs_position_delete *rows = NULL;
    size_t row_count = 0;
    VS_TRY(find_rows(change, base, &rows, &row_count, err));
    change->deleted_rows = row_count;
    intent->added_deletes = NULL;
    intent->added_delete_count = 0;
    intent->removed_deletes = NULL;
    intent->removed_delete_count = 0;
    change->nothing_left = row_count == 0 && change->kind == VS_ROW_CHANGE_DELETE;
    if (change->nothing_left) {
        return vs_fail(err, VS_NOT_FOUND,
                       "no row is left to delete"); // stops the commit: no empty snapshot
    }
    if (row_count == 0) {
        return VS_OK;
    }
    const struct vs_deletes_request request = {.metadata = base,
                                               .snapshot_id = base->current_snapshot_id,
                                               .rows = rows,
                                               .row_count = row_count};
    struct vs_deletes_written written;
    VS_TRY(vs_deletes_write(change->store, &request, &change->arena, &written, err));
    VS_TRY(remember_files(change, &written, err));
    intent->added_deletes = written.added;
    intent->added_delete_count = written.added_count;
    intent->removed_deletes = written.removed;
    intent->removed_delete_count = written.removed_count;
    return VS_OK;
}

enum vs_status vs_row_change_rebase(void *ctx,
                                    const struct vs_table_metadata *base,
                                    struct vs_intent *intent,
                                    struct vs_error *err)
{
    struct vs_row_change *change = ctx;
    // Dropped and made anew under the same name: the rows were written for another table.
    if (change->loaded != NULL &&
        memcmp(&change->loaded->uuid, &base->uuid, sizeof base->uuid) != 0) {
        return vs_fail(
            err, VS_CONFLICT,
            "the table was dropped and made anew meanwhile; nothing was written, try again");
    }
    vs_arena_clear(&change->arena);
    change->distinct_ids = 0;
    change->current_from = change->keys.len;
    VS_TRY(write_deletes(change, base, intent, err));
    if (change->kind != VS_ROW_CHANGE_DELETE) {
        intent->operation = intent->added_delete_count > 0 ? "overwrite" : "append";
    }
    // The index is registered again on each of our snapshots (DESIGN.md section 6).
    intent->statistics = NULL;
    if (vs_stats_file_find(base, base->current_snapshot_id, &change->statistics)) {
        change->statistics.blob_metadata_json = VS_STR("[]");
        intent->statistics = &change->statistics;
    }
    return VS_OK;
}

void vs_row_change_clear(struct vs_row_change *change, enum vs_status outcome)
{
    size_t end =
        outcome == VS_UNKNOWN ? 0 : (outcome == VS_OK ? change->current_from : change->keys.len);
    for (size_t at = 0; at < end;) {
        const char *key = (const char *)change->keys.data + at;
        vs_ignore(vs_store_remove(change->store, key, NULL));
        at += strlen(key) + 1;
    }
    vs_buf_clear(&change->keys);
    vs_arena_clear(&change->arena);
}
