// SPDX-License-Identifier: Apache-2.0
#include "ingest/row_change.h"

#include "ingest/change_files.h"
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

// ---- which rows ----

static enum vs_status find_head(struct vs_row_change *change,
                                const struct vs_table_metadata *base,
                                struct vs_error *err)
{
    struct vs_str name = vs_str_from_c(change->branch);
    change->snapshot_id = base->current_snapshot_id;
    if (name.len == 0 || vs_str_equal_c(name, "main")) {
        return VS_OK;
    }
    const struct vs_ref *ref = vs_table_ref(base, name);
    if (ref == NULL) {
        return vs_fail(err, VS_NOT_FOUND,
                       "the table has no branch '%.*s'; vecstore table branch makes it",
                       VS_STR_SHORT(name));
    }
    if (!ref->is_branch) {
        return vs_fail(err, VS_INVALID, "'%.*s' is a tag: only branches can be written to",
                       VS_STR_SHORT(name));
    }
    change->snapshot_id = ref->snapshot_id;
    return VS_OK;
}

static bool overwrites(const struct vs_row_change *change)
{
    return change->find != NULL || change->everything;
}

static enum vs_status locate(struct vs_row_change *change,
                             const struct vs_table_metadata *base,
                             struct vs_located *located,
                             struct vs_error *err)
{
    const struct vs_locate ask = {.env = change->env,
                                  .store = change->store,
                                  .base = base,
                                  .snapshot_id = change->snapshot_id,
                                  .ids = change->ids,
                                  .op = change->op,
                                  .plan_out = &change->plan};
    if (change->ids == NULL || change->everything || change->snapshot_id == VS_NO_SNAPSHOT) {
        return VS_OK;
    }
    VS_TRY(vs_locate_ids(&ask, &change->arena, located, err));
    change->distinct_ids = located->distinct_ids;
    return VS_OK;
}

// Leaves only those that `rows` does not hold.
static void drop_found(struct vs_located *located, const struct vs_position_delete *rows, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < located->row_count; i++) {
        if (!vs_change_rows_has(rows, n, &located->rows[i])) {
            located->rows[kept] = located->rows[i];
            located->id_index[kept++] = located->id_index[i];
        }
    }
    located->row_count = kept;
}

static enum vs_status join(struct vs_row_change *change,
                           const struct vs_located *located,
                           struct vs_position_delete **rows,
                           size_t *count,
                           struct vs_error *err)
{
    struct vs_position_delete *all =
        vs_arena_alloc_array(&change->arena, *count + located->row_count, sizeof *all);
    if (all == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for %zu rows to delete",
                       *count + located->row_count);
    }
    if (*count > 0) {
        memcpy(all, *rows, *count * sizeof *all);
    }
    if (located->row_count > 0) {
        memcpy(all + *count, located->rows, located->row_count * sizeof *all);
    }
    *rows = all;
    *count = vs_change_rows_sort(all, *count + located->row_count);
    return VS_OK;
}

// Sorted, without duplicates.
static enum vs_status find_rows(struct vs_row_change *change,
                                const struct vs_table_metadata *base,
                                struct vs_position_delete **rows_out,
                                size_t *count_out,
                                struct vs_error *err)
{
    struct vs_located located = {0};
    struct vs_position_delete *rows = NULL;
    size_t count = 0;
    if (change->find != NULL && !change->everything) { // checks a filter on an empty table too
        VS_TRY(change->find(change->find_ctx, base, change->snapshot_id, &change->arena, &rows,
                            &count, err));
        count = vs_change_rows_sort(rows, count);
    }
    VS_TRY(locate(change, base, &located, err));
    if (change->kind == VS_ROW_CHANGE_INSERT) {
        drop_found(&located, rows, count);
        if (located.row_count > 0) {
            located.distinct_ids = located.row_count;
            return fail_existing(change, &located, err);
        }
    }
    VS_TRY(join(change, &located, &rows, &count, err));
    *rows_out = rows;
    *count_out = count;
    return VS_OK;
}

// ---- what the commit does with them ----

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

static enum vs_status take_files(struct vs_row_change *change,
                                 const struct vs_table_metadata *base,
                                 struct vs_position_delete *rows,
                                 size_t *row_count,
                                 struct vs_change_files *files,
                                 struct vs_error *err)
{
    if (change->snapshot_id == VS_NO_SNAPSHOT || (*row_count == 0 && !change->everything)) {
        return VS_OK;
    }
    if (change->plan == NULL) {
        VS_TRY(vs_scan_plan_make(change->env, change->store, base, change->snapshot_id,
                                 &change->plan, err));
    }
    *files = (struct vs_change_files){.env = change->env,
                                      .store = change->store,
                                      .base = base,
                                      .plan = change->plan,
                                      .arena = &change->arena};
    return change->everything ? vs_change_files_all(files, err)
                              : vs_change_files_take(files, rows, row_count, err);
}

static enum vs_status set_deletes(struct vs_row_change *change,
                                  const struct vs_change_files *files,
                                  const struct vs_deletes_written *written,
                                  struct vs_intent *intent,
                                  struct vs_error *err)
{
    size_t count = files->delete_count + written->removed_count;
    struct vs_data_file *removed = vs_arena_alloc_array(&change->arena, count, sizeof *removed);
    if (removed == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for %zu delete files", count);
    }
    if (files->delete_count > 0) {
        memcpy(removed, files->deletes, files->delete_count * sizeof *removed);
    }
    if (written->removed_count > 0) {
        memcpy(removed + files->delete_count, written->removed,
               written->removed_count * sizeof *removed);
    }
    intent->added_deletes = written->added;
    intent->added_delete_count = written->added_count;
    intent->removed_deletes = removed;
    intent->removed_delete_count = count;
    intent->removed_data = files->data;
    intent->removed_data_count = files->data_count;
    return VS_OK;
}

// A delete, or an overwrite by no rows.
static bool only_deletes(const struct vs_row_change *change, const struct vs_intent *intent)
{
    return change->kind == VS_ROW_CHANGE_DELETE ||
           (overwrites(change) && intent->added_data_count == 0);
}

static enum vs_status write_deletes(struct vs_row_change *change,
                                    const struct vs_table_metadata *base,
                                    struct vs_intent *intent,
                                    struct vs_error *err)
{
    struct vs_position_delete *rows = NULL;
    struct vs_change_files files = {0};
    struct vs_deletes_written written = {0};
    size_t row_count = 0;
    VS_TRY(find_rows(change, base, &rows, &row_count, err));
    change->deleted_rows = row_count;
    VS_TRY(take_files(change, base, rows, &row_count, &files, err));
    change->deleted_rows += files.row_count;
    change->nothing_left = row_count == 0 && files.data_count == 0 && only_deletes(change, intent);
    if (change->nothing_left) {
        return vs_fail(err, VS_NOT_FOUND,
                       "no row is left to delete"); // stops the commit: no empty snapshot
    }
    if (row_count > 0) {
        const struct vs_deletes_request request = {.metadata = base,
                                                   .snapshot_id = change->snapshot_id,
                                                   .rows = rows,
                                                   .row_count = row_count};
        VS_TRY(vs_deletes_write(change->store, &request, &change->arena, &written, err));
        VS_TRY(remember_files(change, &written, err));
    }
    return set_deletes(change, &files, &written, intent, err);
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
    vs_scan_plan_free(change->plan);
    change->plan = NULL;
    change->distinct_ids = 0;
    change->current_from = change->keys.len;
    intent->branch = change->branch;
    VS_TRY(find_head(change, base, err));
    VS_TRY(write_deletes(change, base, intent, err));
    bool deletes = intent->added_delete_count > 0 || intent->removed_data_count > 0;
    intent->operation =
        only_deletes(change, intent) ? "delete" : (deletes ? "overwrite" : "append");
    // The index is registered again on each of our snapshots (DESIGN.md section 6).
    intent->statistics = NULL;
    if (vs_stats_file_find(base, change->snapshot_id, &change->statistics)) {
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
    vs_scan_plan_free(change->plan);
    change->plan = NULL;
    vs_arena_clear(&change->arena);
}
