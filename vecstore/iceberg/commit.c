// SPDX-License-Identifier: Apache-2.0
/*
 * One attempt of a commit: edits, manifests, manifest list, and the new table metadata made from a
 * base.
 */
#include "vecstore/iceberg/commit_internal.h"
#include "vecstore/iceberg/contract.h"
#include "vecstore/iceberg/edit_internal.h"

#include <stdio.h>
#include <string.h>

#define METADATA_LOG_MAX 100
#define LAST_COMMIT_IDS 16 // metadata-only changes remembered in the table property

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for a commit");
}

// ---- properties ----

static enum vs_status change_properties(struct vs_metadata_edit *edit,
                                        const struct vs_intent *intent,
                                        struct vs_error *err)
{
    for (size_t i = 0; i < intent->removed_property_count; i++) {
        VS_TRY(vs_edit_take_property(edit, vs_str_from_c(intent->removed_properties[i]), err));
    }
    for (size_t i = 0; i < intent->set_property_count; i++) {
        VS_TRY(vs_edit_put_property(edit, intent->set_properties[i].key,
                                    intent->set_properties[i].value, err));
    }
    return VS_OK;
}

// Our id first, then the newest of those before, so that R3 sees a few metadata-only changes back.
static enum vs_status stamp_property(struct vs_commit_state *state,
                                     struct vs_metadata_edit *edit,
                                     struct vs_error *err)
{
    struct vs_str former = vs_table_property(&edit->next, VS_LAST_COMMIT_KEY);
    size_t most = (size_t)(LAST_COMMIT_IDS - 1) * VS_UUID_TEXT_SIZE;
    former.len = former.len > most ? most : former.len;
    struct vs_str value =
        vs_arena_printf(&state->scratch, "%s %.*s", state->commit_text, VS_STR_ARG(former));
    if (value.ptr == NULL) {
        return no_memory(err);
    }
    return vs_edit_put_property(edit, VS_STR(VS_LAST_COMMIT_KEY), vs_str_trim(value), err);
}

static enum vs_status set_statistics(struct vs_metadata_edit *edit,
                                     const struct vs_statistics *statistics,
                                     int64_t snapshot_id,
                                     struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    struct vs_statistics *list;
    size_t n = 0;
    VS_TRY(vs_edit_grow(edit, NULL, 0, m->statistics_count + 1, sizeof *list, &list, err));
    for (size_t i = 0; i < m->statistics_count; i++) {
        if (m->statistics[i].snapshot_id != snapshot_id) { // one statistics file per snapshot
            list[n++] = m->statistics[i];
        }
    }
    list[n] = *statistics;
    list[n++].snapshot_id = snapshot_id;
    m->statistics = list;
    m->statistics_count = n;
    return VS_OK;
}

// ---- metadata log ----

static size_t metadata_log_max(const struct vs_table_metadata *m)
{
    int64_t most;
    struct vs_str value = vs_table_property(m, "write.metadata.previous-versions-max");
    if (value.ptr == NULL || vs_parse_i64(value, &most, NULL) != VS_OK || most < 1 ||
        most > 100000) {
        return METADATA_LOG_MAX;
    }
    return (size_t)most;
}

static enum vs_status log_metadata(struct vs_metadata_edit *edit,
                                   const char *base_uri,
                                   struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    struct vs_log_entry *log;
    if (base_uri == NULL) {
        return VS_OK;
    }
    size_t most = metadata_log_max(m), n = m->metadata_log_count;
    size_t drop = n + 1 > most ? n + 1 - most : 0;
    VS_TRY(vs_edit_grow(edit, m->metadata_log, n, 1, sizeof *log, &log, err));
    log[n] =
        (struct vs_log_entry){edit->base->last_updated_ms, VS_NO_SNAPSHOT, vs_str_from_c(base_uri)};
    m->metadata_log = log + drop;
    m->metadata_log_count = n + 1 - drop;
    return VS_OK;
}

// ---- a new snapshot ----

static void choose_snapshot_id(struct vs_commit_state *state, const struct vs_table_metadata *base)
{
    if (state->snapshot_id != 0 && vs_table_snapshot(base, state->snapshot_id) == NULL) {
        return;
    }
    do {
        state->snapshot_id = (int64_t)(vs_random_u64(state->env) >> 1);
    } while (state->snapshot_id == 0 || vs_table_snapshot(base, state->snapshot_id) != NULL);
    state->kept_count = 0; // manifests name the snapshot: those of another id cannot be used
}

static struct vs_str branch_name(const struct vs_intent *intent)
{
    return intent->branch != NULL ? vs_str_from_c(intent->branch) : VS_STR("main");
}

static enum vs_status find_parent(struct commit_base *base, struct vs_error *err)
{
    const struct vs_table_metadata *m = base->metadata;
    struct vs_str name = branch_name(base->intent);
    const struct vs_ref *ref = vs_table_ref(m, name);
    if (vs_str_equal_c(name, "main")) {
        base->parent = vs_table_snapshot(m, m->current_snapshot_id);
        return VS_OK;
    }
    if (ref == NULL) {
        return vs_fail(err, VS_NOT_FOUND,
                       "the table has no branch '%.*s'; make it before rows are written to it",
                       VS_STR_ARG(name));
    }
    if (!ref->is_branch) {
        return vs_fail(err, VS_INVALID, "'%.*s' is a tag; rows are written to branches only",
                       VS_STR_ARG(name));
    }
    base->parent = vs_table_snapshot(m, ref->snapshot_id);
    return VS_OK;
}

static enum vs_status read_base_manifests(struct vs_commit_state *state,
                                          struct commit_base *base,
                                          struct vs_error *err)
{
    if (base->parent == NULL) {
        return VS_OK;
    }
    struct vs_buf bytes;
    vs_buf_init(&bytes, state->env, VS_METADATA_MAX_BYTES);
    enum vs_status status =
        vs_table_object_read(state->env, state->store, base->metadata, base->parent->manifest_list,
                             "manifest list", &bytes, err);
    if (status == VS_OK) {
        status =
            vs_manifest_list_read(state->env, vs_buf_view(&bytes), "manifest list", &state->scratch,
                                  &base->manifests, &base->manifest_count, err);
    }
    vs_buf_clear(&bytes);
    return status;
}

static enum vs_status write_list(struct vs_commit_state *state,
                                 const struct commit_base *base,
                                 const struct vs_manifest_list_write *list,
                                 struct vs_str *uri_out,
                                 struct vs_error *err)
{
    char name[128];
    size_t index;
    struct vs_buf bytes;
    (void)snprintf(name, sizeof name, "snap-%lld-%u-%s.avro", (long long)list->snapshot_id,
                   state->attempt, state->commit_text);
    vs_buf_init(&bytes, state->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_manifest_list_write_bytes(state->env, list, &bytes, err);
    if (status == VS_OK) {
        status = vs_commit_put(state, base->metadata, name, vs_buf_view(&bytes), &index, err);
    }
    vs_buf_clear(&bytes);
    if (status == VS_OK) {
        *uri_out = vs_table_uri(base->metadata, &state->scratch, "metadata", name);
        status = uri_out->ptr != NULL ? VS_OK : no_memory(err);
    }
    return status;
}

static bool has_counts(const struct vs_manifest_file *m)
{
    return m->added_files >= 0 && m->existing_files >= 0 && m->deleted_files >= 0 &&
           m->added_rows >= 0 && m->existing_rows >= 0 && m->deleted_rows >= 0;
}

// Version 1 could leave the counts of a manifest out. Version 2 requires them, and row ids are
// given by them: they are counted from its entries.
static enum vs_status count_rows(struct vs_commit_state *state,
                                 const struct commit_base *base,
                                 struct vs_manifest_file *m,
                                 struct vs_error *err)
{
    struct vs_data_file *files = NULL;
    size_t count = 0;
    int64_t of[3] = {0}, rows[3] = {0};
    VS_TRY(vs_commit_read_manifest(state, base, m, &files, &count, err));
    for (size_t i = 0; i < count; i++) {
        of[files[i].status]++;
        if (__builtin_add_overflow(rows[files[i].status], files[i].record_count,
                                   &rows[files[i].status])) {
            return vs_fail(err, VS_CORRUPT, "the record counts of manifest %.*s overflow",
                           VS_STR_ARG(m->path));
        }
    }
    m->added_files = of[VS_ENTRY_ADDED];
    m->existing_files = of[VS_ENTRY_EXISTING];
    m->deleted_files = of[VS_ENTRY_DELETED];
    m->added_rows = rows[VS_ENTRY_ADDED];
    m->existing_rows = rows[VS_ENTRY_EXISTING];
    m->deleted_rows = rows[VS_ENTRY_DELETED];
    return VS_OK;
}

static enum vs_status count_all(struct vs_commit_state *state,
                                const struct commit_base *base,
                                struct vs_manifest_file *entries,
                                size_t count,
                                struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!has_counts(&entries[i])) {
            VS_TRY(count_rows(state, base, &entries[i], err));
        }
    }
    return VS_OK;
}

// v3: every data manifest that has no first row id yet gets one.
static enum vs_status assign_rows(const struct vs_table_metadata *m,
                                  struct vs_manifest_file *entries,
                                  size_t count,
                                  struct vs_snapshot *snapshot,
                                  struct vs_error *err)
{
    snapshot->first_row_id = snapshot->added_rows = -1;
    if (m->format_version < 3) {
        return VS_OK;
    }
    snapshot->first_row_id = m->next_row_id;
    return vs_manifest_list_assign_rows(entries, count, m->next_row_id, &snapshot->added_rows, err);
}

static enum vs_status make_snapshot(struct vs_commit_state *state,
                                    struct commit_base *base,
                                    int64_t now_ms,
                                    struct vs_snapshot *snapshot,
                                    struct vs_error *err)
{
    const struct vs_table_metadata *m = base->metadata;
    struct vs_manifest_file *entries = NULL;
    size_t count = 0;
    choose_snapshot_id(state, m);
    VS_TRY(find_parent(base, err));
    base->sequence_number = m->last_sequence_number + 1;
    *snapshot = (struct vs_snapshot){.snapshot_id = state->snapshot_id,
                                     .parent_id = base->parent != NULL ? base->parent->snapshot_id
                                                                       : VS_NO_SNAPSHOT,
                                     .sequence_number = base->sequence_number,
                                     .timestamp_ms = now_ms,
                                     .schema_id = m->current_schema_id};
    VS_TRY(read_base_manifests(state, base, err));
    VS_TRY(vs_commit_manifests(state, base, &entries, &count, err));
    VS_TRY(vs_commit_summary(state, base, &snapshot->summary, &snapshot->summary_count, err));
    VS_TRY(count_all(state, base, entries, count, err));
    VS_TRY(assign_rows(m, entries, count, snapshot, err));
    const struct vs_manifest_list_write list = {.entries = entries,
                                                .count = count,
                                                .snapshot_id = snapshot->snapshot_id,
                                                .parent_id = snapshot->parent_id,
                                                .sequence_number = snapshot->sequence_number,
                                                .format_version = m->format_version,
                                                .first_row_id = snapshot->first_row_id};
    return write_list(state, base, &list, &snapshot->manifest_list, err);
}

static enum vs_status append_snapshot(struct vs_metadata_edit *edit,
                                      const struct vs_intent *intent,
                                      const struct vs_snapshot *snapshot,
                                      struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    struct vs_snapshot *snapshots;
    VS_TRY(
        vs_edit_grow(edit, m->snapshots, m->snapshot_count, 1, sizeof *snapshots, &snapshots, err));
    snapshots[m->snapshot_count++] = *snapshot;
    m->snapshots = snapshots;
    m->last_sequence_number = snapshot->sequence_number;
    if (snapshot->added_rows > 0 &&
        __builtin_add_overflow(m->next_row_id, snapshot->added_rows, &m->next_row_id)) {
        return vs_fail(err, VS_LIMIT, "the table has no row id left");
    }
    return vs_edit_move_ref(edit, branch_name(intent), true, snapshot->snapshot_id, NULL, err);
}

// ---- checks ----

static enum vs_status check_files(const struct vs_table_metadata *m,
                                  const struct vs_intent *intent,
                                  struct vs_error *err)
{
    size_t changed = intent->added_data_count + intent->added_delete_count +
                     intent->removed_data_count + intent->removed_delete_count;
    if (intent->operation == NULL && changed > 0) {
        return vs_fail(err, VS_INTERNAL, "files change in a commit without an operation");
    }
    for (size_t i = 0; i < intent->added_delete_count; i++) {
        const struct vs_data_file *file = &intent->added_deletes[i];
        bool is_vector = file->content_offset >= 0;
        if (file->content == VS_CONTENT_POSITION_DELETES && is_vector != (m->format_version >= 3)) {
            return vs_fail(err, VS_INVALID,
                           "%.*s: rows of a format version %d table are deleted by %s",
                           VS_STR_ARG(file->path), m->format_version,
                           is_vector ? "position delete files" : "deletion vectors");
        }
    }
    if (intent->data_sequence_number < 0 ||
        intent->data_sequence_number > m->last_sequence_number) {
        return vs_fail(err, VS_INTERNAL, "data sequence number %lld is beyond the table's %lld",
                       (long long)intent->data_sequence_number, (long long)m->last_sequence_number);
    }
    return VS_OK;
}

static enum vs_status check_intent(const struct vs_table_metadata *m,
                                   const struct vs_intent *intent,
                                   struct vs_error *err)
{
    VS_TRY(vs_table_check_writable(m, err));
    if (m->last_sequence_number >= INT64_MAX - 1 || m->last_sequence_number < 0) {
        return vs_fail(err, VS_CORRUPT, "the table's last-sequence-number %lld leaves no next one",
                       (long long)m->last_sequence_number);
    }
    VS_TRY(check_files(m, intent, err));
    if (intent->operation == NULL && intent->statistics != NULL &&
        vs_table_snapshot(m, intent->statistics->snapshot_id) == NULL) {
        return vs_fail(err, VS_NOT_FOUND,
                       "statistics are for snapshot %lld, which the table does not have",
                       (long long)intent->statistics->snapshot_id);
    }
    return VS_OK;
}

// A change must not break an embedding contract that held before.
static enum vs_status check_contracts(struct vs_metadata_edit *edit, struct vs_error *err)
{
    struct vs_vector_contract *contracts;
    size_t count;
    const struct vs_schema *was = vs_table_current_schema(edit->base);
    const struct vs_schema *is = vs_table_current_schema(&edit->next);
    enum vs_status status =
        vs_contracts_read(edit->base, was, edit->arena, &contracts, &count, err);
    if (status == VS_CORRUPT) {
        return VS_OK; // whoever repairs it has to start somewhere
    }
    VS_TRY(status);
    status = vs_contracts_read(&edit->next, is, edit->arena, &contracts, &count, err);
    if (status == VS_CORRUPT) { // the request is wrong, not the table
        status = VS_INVALID;
        if (err != NULL) {
            err->code = VS_INVALID;
        }
    }
    return status;
}

// ---- attempt ----

// The new document is parsed again: what is published has passed the checks that readers make.
static enum vs_status reparse(struct vs_commit_state *state,
                              const struct vs_table_metadata *m,
                              struct vs_table_metadata **out,
                              struct vs_error *err)
{
    struct vs_buf json;
    vs_buf_init(&json, state->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_table_metadata_format(m, &json, err);
    if (status == VS_OK) {
        status =
            vs_table_metadata_parse(state->env, vs_buf_view(&json), "new table metadata", out, err);
    }
    vs_buf_clear(&json);
    return status;
}

static enum vs_status run_edits(struct vs_metadata_edit *edit,
                                const struct vs_intent *intent,
                                struct vs_error *err)
{
    if (intent->edit != NULL) {
        VS_TRY(intent->edit(intent->edit_ctx, edit, err));
    }
    VS_TRY(change_properties(edit, intent, err));
    VS_TRY(check_intent(&edit->next, intent, err));
    bool has_changes = intent->edit != NULL || intent->set_property_count > 0 ||
                       intent->removed_property_count > 0;
    return has_changes ? check_contracts(edit, err) : VS_OK;
}

enum vs_status vs_commit_prepare(struct vs_commit_state *state,
                                 const struct vs_table_metadata *base,
                                 const char *base_metadata_uri,
                                 const struct vs_intent *intent,
                                 struct vs_commit_attempt *attempt_out,
                                 struct vs_error *err)
{
    struct vs_metadata_edit edit; // shares the base's memory; changed parts live in scratch
    struct vs_commit_attempt attempt = {0};
    state->attempt++;
    vs_arena_clear(&state->scratch);
    vs_metadata_edit_begin(&edit, state->env, &state->scratch, base, vs_wall_ms(state->env));
    VS_TRY(run_edits(&edit, intent, err));
    VS_TRY(log_metadata(&edit, base_metadata_uri, err));
    attempt.snapshot_id = edit.next.current_snapshot_id;
    if (intent->operation != NULL) {
        struct commit_base from = {.metadata = &edit.next, .intent = intent};
        struct vs_snapshot snapshot;
        VS_TRY(make_snapshot(state, &from, edit.now_ms, &snapshot, err));
        VS_TRY(append_snapshot(&edit, intent, &snapshot, err));
        attempt.snapshot_id = snapshot.snapshot_id;
    } else {
        VS_TRY(stamp_property(state, &edit, err));
    }
    if (intent->statistics != NULL) {
        int64_t snapshot_id =
            intent->operation != NULL ? attempt.snapshot_id : intent->statistics->snapshot_id;
        VS_TRY(set_statistics(&edit, intent->statistics, snapshot_id, err));
    }
    VS_TRY(reparse(state, &edit.next, &attempt.metadata, err));
    *attempt_out = attempt;
    return VS_OK;
}

static bool contains_id(struct vs_str ids, struct vs_str id)
{
    struct vs_str one;
    while (vs_str_split(ids, ' ', &one, &ids)) {
        if (vs_str_equal(one, id)) {
            return true;
        }
    }
    return vs_str_equal(ids, id);
}

bool vs_commit_find(const struct vs_table_metadata *metadata,
                    struct vs_uuid commit_id,
                    int64_t *snapshot_id_out)
{
    char text[VS_UUID_TEXT_SIZE];
    vs_uuid_format(commit_id, text);
    struct vs_str id = vs_str_from_c(text);
    for (size_t i = metadata->snapshot_count; i > 0; i--) {
        const struct vs_snapshot *snapshot = &metadata->snapshots[i - 1];
        for (size_t j = 0; j < snapshot->summary_count; j++) {
            if (vs_str_equal_c(snapshot->summary[j].key, VS_COMMIT_ID_KEY) &&
                vs_str_equal(snapshot->summary[j].value, id)) {
                *snapshot_id_out = snapshot->snapshot_id;
                return true;
            }
        }
    }
    if (contains_id(vs_table_property(metadata, VS_LAST_COMMIT_KEY), id)) {
        *snapshot_id_out = metadata->current_snapshot_id;
        return true;
    }
    return false;
}
