// SPDX-License-Identifier: Apache-2.0
/*
 * One attempt of a commit: manifests, manifest list, and the new table metadata made from a base.
 */
#include "vecstore/iceberg/commit_internal.h"

#include <stdio.h>
#include <string.h>

#define METADATA_LOG_MAX 100
#define PUT_TRIES 3
#define LAST_COMMIT_IDS 16 // metadata-only changes remembered in the table property

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for a commit");
}

enum vs_status vs_commit_state_new(const struct vs_env *env,
                                   struct vs_store *store,
                                   struct vs_uuid commit_id,
                                   struct vs_commit_state **state_out,
                                   struct vs_error *err)
{
    struct vs_commit_state *state = vs_alloc_zeroed(env, 1, sizeof *state);
    if (state == NULL) {
        return no_memory(err);
    }
    state->env = env;
    state->store = store;
    state->commit_id = commit_id;
    vs_uuid_format(commit_id, state->commit_text);
    vs_arena_init(&state->arena, env, 0);
    vs_arena_init(&state->scratch, env, 0);
    *state_out = state;
    return VS_OK;
}

void vs_commit_state_forget(struct vs_commit_state *state)
{
    state->written_count = 0;
}

void vs_commit_state_free(struct vs_commit_state *state, bool keep_last)
{
    if (state == NULL) {
        return;
    }
    for (size_t i = 0; i < state->written_count; i++) {
        if (!keep_last || state->written[i].attempt != state->attempt) {
            vs_ignore(
                vs_store_remove(state->store, state->written[i].key, NULL)); // an orphan at worst
        }
    }
    const struct vs_env *env = state->env;
    vs_arena_clear(&state->scratch);
    vs_arena_clear(&state->arena);
    vs_free(env, state);
}

// ---- writing below the metadata folder ----

static enum vs_status remember(struct vs_commit_state *state,
                               const char *key,
                               size_t *index_out,
                               struct vs_error *err)
{
    if (state->written_count == state->written_capacity) {
        size_t capacity = state->written_capacity == 0 ? 16 : state->written_capacity * 2;
        struct written_file *written =
            vs_arena_alloc_array(&state->arena, capacity, sizeof *written);
        if (written == NULL) {
            return no_memory(err);
        }
        if (state->written_count > 0) {
            memcpy(written, state->written, state->written_count * sizeof *written);
        }
        state->written = written;
        state->written_capacity = capacity;
    }
    const char *copy = vs_arena_copy_c(&state->arena, key);
    if (copy == NULL) {
        return no_memory(err);
    }
    *index_out = state->written_count;
    state->written[state->written_count++] = (struct written_file){copy, state->attempt};
    return VS_OK;
}

enum vs_status vs_commit_put(struct vs_commit_state *state,
                             const struct vs_table_metadata *metadata,
                             const char *name,
                             struct vs_str bytes,
                             size_t *written_index_out,
                             struct vs_error *err)
{
    struct vs_buf key;
    vs_buf_init(&key, state->env, VS_METADATA_MAX_BYTES);
    struct vs_str uri = vs_table_uri(metadata, &state->scratch, "metadata", name);
    enum vs_status status = uri.ptr != NULL
                                ? vs_table_path_key(metadata, state->store, uri, &key, err)
                                : no_memory(err);
    const char *key_text = status == VS_OK ? vs_buf_c_str(&key) : NULL;
    if (status == VS_OK) {
        status =
            key_text != NULL ? remember(state, key_text, written_index_out, err) : no_memory(err);
    }
    if (status == VS_OK) {
        for (int i = 0; i < PUT_TRIES; i++) {
            status = vs_store_put(state->store, key_text, bytes, VS_PUT_ANY, err);
            if (status != VS_UNKNOWN) {
                break;
            }
        }
        if (status == VS_UNKNOWN) {
            // Nothing names this object yet, so the commit has definitely not happened.
            status = VS_UNAVAILABLE;
            if (err != NULL) {
                err->code = VS_UNAVAILABLE;
            }
        }
    }
    vs_buf_clear(&key);
    return status;
}

// ---- parts of the new metadata, in state->scratch ----

static enum vs_status set_property(struct vs_commit_state *state,
                                   struct vs_table_metadata *m,
                                   struct vs_str key,
                                   struct vs_str value,
                                   struct vs_error *err)
{
    for (size_t i = 0; i < m->property_count; i++) {
        if (vs_str_equal(m->properties[i].key, key)) {
            m->properties[i].value = value;
            return VS_OK;
        }
    }
    struct vs_pair *pairs =
        vs_arena_alloc_array(&state->scratch, m->property_count + 1, sizeof *pairs);
    if (pairs == NULL) {
        return no_memory(err);
    }
    if (m->property_count > 0) {
        memcpy(pairs, m->properties, m->property_count * sizeof *pairs);
    }
    pairs[m->property_count++] = (struct vs_pair){key, value};
    m->properties = pairs;
    return VS_OK;
}

static enum vs_status change_properties(struct vs_commit_state *state,
                                        const struct vs_intent *intent,
                                        struct vs_table_metadata *m,
                                        struct vs_error *err)
{
    struct vs_pair *pairs = vs_arena_alloc_array(&state->scratch, m->property_count, sizeof *pairs);
    if (pairs == NULL) {
        return no_memory(err);
    }
    size_t n = 0;
    for (size_t i = 0; i < m->property_count; i++) {
        bool is_removed = false;
        for (size_t j = 0; j < intent->removed_property_count; j++) {
            is_removed =
                is_removed || vs_str_equal_c(m->properties[i].key, intent->removed_properties[j]);
        }
        if (!is_removed) {
            pairs[n++] = m->properties[i];
        }
    }
    m->properties = pairs;
    m->property_count = n;
    for (size_t i = 0; i < intent->set_property_count; i++) {
        VS_TRY(set_property(state, m, intent->set_properties[i].key,
                            intent->set_properties[i].value, err));
    }
    return VS_OK;
}

// Our id first, then the newest of those before, so that R3 sees a few metadata-only changes back.
static enum vs_status stamp_property(struct vs_commit_state *state,
                                     struct vs_table_metadata *m,
                                     struct vs_error *err)
{
    struct vs_str former = vs_table_property(m, VS_LAST_COMMIT_KEY);
    size_t most = (size_t)(LAST_COMMIT_IDS - 1) * VS_UUID_TEXT_SIZE;
    former.len = former.len > most ? most : former.len;
    struct vs_str value =
        vs_arena_printf(&state->scratch, "%s %.*s", state->commit_text, VS_STR_ARG(former));
    if (value.ptr == NULL) {
        return no_memory(err);
    }
    return set_property(state, m, VS_STR(VS_LAST_COMMIT_KEY), vs_str_trim(value), err);
}

static enum vs_status set_statistics(struct vs_commit_state *state,
                                     const struct vs_statistics *statistics,
                                     int64_t snapshot_id,
                                     struct vs_table_metadata *m,
                                     struct vs_error *err)
{
    struct vs_statistics *list =
        vs_arena_alloc_array(&state->scratch, m->statistics_count + 1, sizeof *list);
    if (list == NULL) {
        return no_memory(err);
    }
    size_t n = 0;
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

static enum vs_status log_metadata(struct vs_commit_state *state,
                                   const struct vs_table_metadata *base,
                                   const char *base_uri,
                                   struct vs_table_metadata *m,
                                   struct vs_error *err)
{
    if (base_uri == NULL) {
        return VS_OK;
    }
    struct vs_log_entry *log =
        vs_arena_alloc_array(&state->scratch, m->metadata_log_count + 1, sizeof *log);
    if (log == NULL) {
        return no_memory(err);
    }
    size_t most = metadata_log_max(m);
    size_t drop = m->metadata_log_count + 1 > most ? m->metadata_log_count + 1 - most : 0;
    size_t n = 0;
    for (size_t i = drop; i < m->metadata_log_count; i++) {
        log[n++] = m->metadata_log[i];
    }
    log[n++] =
        (struct vs_log_entry){base->last_updated_ms, VS_NO_SNAPSHOT, vs_str_from_c(base_uri)};
    m->metadata_log = log;
    m->metadata_log_count = n;
    return VS_OK;
}

// Branch main moves; what else its object holds (retention) stays.
static enum vs_status move_main(struct vs_commit_state *state,
                                struct vs_table_metadata *m,
                                int64_t snapshot_id,
                                struct vs_error *err)
{
    struct vs_ref *refs = vs_arena_alloc_array(&state->scratch, m->ref_count + 1, sizeof *refs);
    if (refs == NULL) {
        return no_memory(err);
    }
    if (m->ref_count > 0) {
        memcpy(refs, m->refs, m->ref_count * sizeof *refs);
    }
    struct vs_ref *main_ref = NULL;
    for (size_t i = 0; i < m->ref_count; i++) {
        main_ref = vs_str_equal_c(refs[i].name, "main") ? &refs[i] : main_ref;
    }
    struct vs_str old = main_ref != NULL ? main_ref->json : VS_STR("{\"type\":\"branch\"}");
    if (main_ref == NULL) {
        main_ref = &refs[m->ref_count++];
        *main_ref = (struct vs_ref){.name = VS_STR("main"), .is_branch = true};
    }
    struct vs_json_doc *doc = NULL;
    VS_TRY(vs_json_parse(state->env, old, "branch main", NULL, &doc, err));
    struct vs_buf text;
    struct vs_json_writer w;
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *value;
    vs_buf_init(&text, state->env, VS_METADATA_MAX_BYTES);
    vs_json_writer_init(&w, &text, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "snapshot-id");
    vs_jw_i64(&w, snapshot_id);
    vs_json_iter_init(&iter, vs_json_root(doc));
    enum vs_status status = VS_OK;
    while (status == VS_OK && vs_json_iter_next(&iter, &key, &value)) {
        struct vs_str raw = {NULL, 0};
        if (vs_str_equal_c(key, "snapshot-id")) {
            continue;
        }
        status = vs_json_raw(value, state->env, &state->scratch, &raw, err);
        if (status == VS_OK) {
            vs_jw_key_str(&w, key);
            vs_jw_raw(&w, raw);
        }
    }
    vs_jw_object_end(&w);
    if (status == VS_OK) {
        status = vs_json_writer_finish(&w, err);
    }
    if (status == VS_OK) {
        main_ref->snapshot_id = snapshot_id;
        main_ref->json = vs_arena_copy_str(&state->scratch, vs_buf_view(&text));
        status = main_ref->json.ptr != NULL ? VS_OK : no_memory(err);
    }
    vs_buf_clear(&text);
    vs_json_free(doc);
    m->refs = refs;
    return status;
}

static enum vs_status append_snapshot(struct vs_commit_state *state,
                                      struct vs_table_metadata *m,
                                      const struct vs_snapshot *snapshot,
                                      struct vs_error *err)
{
    struct vs_snapshot *snapshots =
        vs_arena_alloc_array(&state->scratch, m->snapshot_count + 1, sizeof *snapshots);
    struct vs_log_entry *log =
        vs_arena_alloc_array(&state->scratch, m->snapshot_log_count + 1, sizeof *log);
    if (snapshots == NULL || log == NULL) {
        return no_memory(err);
    }
    if (m->snapshot_count > 0) {
        memcpy(snapshots, m->snapshots, m->snapshot_count * sizeof *snapshots);
    }
    if (m->snapshot_log_count > 0) {
        memcpy(log, m->snapshot_log, m->snapshot_log_count * sizeof *log);
    }
    snapshots[m->snapshot_count++] = *snapshot;
    log[m->snapshot_log_count++] = (struct vs_log_entry){.timestamp_ms = snapshot->timestamp_ms,
                                                         .snapshot_id = snapshot->snapshot_id};
    m->snapshots = snapshots;
    m->snapshot_log = log;
    m->current_snapshot_id = snapshot->snapshot_id;
    m->last_sequence_number = snapshot->sequence_number;
    return move_main(state, m, snapshot->snapshot_id, err);
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
    // manifests name the snapshot: those of another id cannot be used
    state->data.is_set = state->deletes.is_set = false;
    state->merged[0].is_set = state->merged[1].is_set = false;
}

static enum vs_status read_base_manifests(struct vs_commit_state *state,
                                          struct commit_base *base,
                                          struct vs_error *err)
{
    const struct vs_snapshot *parent =
        vs_table_snapshot(base->metadata, base->metadata->current_snapshot_id);
    if (parent == NULL) {
        return VS_OK;
    }
    struct vs_buf bytes;
    vs_buf_init(&bytes, state->env, VS_METADATA_MAX_BYTES);
    enum vs_status status =
        vs_table_object_read(state->env, state->store, base->metadata, parent->manifest_list,
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
                                 const struct vs_manifest_file *entries,
                                 size_t count,
                                 struct vs_snapshot *snapshot,
                                 struct vs_error *err)
{
    char name[128];
    size_t index;
    struct vs_buf bytes;
    (void)snprintf(name, sizeof name, "snap-%lld-%u-%s.avro", (long long)snapshot->snapshot_id,
                   state->attempt, state->commit_text);
    vs_buf_init(&bytes, state->env, VS_METADATA_MAX_BYTES);
    enum vs_status status =
        vs_manifest_list_write_bytes(state->env, entries, count, snapshot->snapshot_id,
                                     snapshot->parent_id, snapshot->sequence_number, &bytes, err);
    if (status == VS_OK) {
        status = vs_commit_put(state, base->metadata, name, vs_buf_view(&bytes), &index, err);
    }
    vs_buf_clear(&bytes);
    if (status == VS_OK) {
        snapshot->manifest_list = vs_table_uri(base->metadata, &state->scratch, "metadata", name);
        status = snapshot->manifest_list.ptr != NULL ? VS_OK : no_memory(err);
    }
    return status;
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
    base->sequence_number = m->last_sequence_number + 1;
    *snapshot = (struct vs_snapshot){.snapshot_id = state->snapshot_id,
                                     .parent_id = m->current_snapshot_id,
                                     .sequence_number = base->sequence_number,
                                     .timestamp_ms = now_ms,
                                     .schema_id = m->current_schema_id};
    VS_TRY(read_base_manifests(state, base, err));
    VS_TRY(vs_commit_summary(state, base, &snapshot->summary, &snapshot->summary_count, err));
    VS_TRY(vs_commit_manifests(state, base, &entries, &count, err));
    return write_list(state, base, entries, count, snapshot, err);
}

// ---- checks ----

// True when any partition spec of the table has fields: a delete file of ours would then miss
// partitioned data files.
static enum vs_status has_partitions(struct vs_commit_state *state,
                                     const struct vs_table_metadata *m,
                                     bool *out,
                                     struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_json_limits limits = {.max_depth = VS_JSON_MAX_DEPTH};
    VS_TRY(
        vs_json_parse(state->env, m->partition_specs_json, "partition-specs", &limits, &doc, err));
    struct vs_json_iter iter;
    const struct vs_json *spec;
    vs_json_iter_init(&iter, vs_json_root(doc));
    *out = false;
    while (vs_json_iter_next(&iter, NULL, &spec)) {
        *out = *out || vs_json_count(vs_json_get(spec, "fields")) > 0;
    }
    vs_json_free(doc);
    return VS_OK;
}

static enum vs_status check_intent(struct vs_commit_state *state,
                                   const struct vs_table_metadata *m,
                                   const struct vs_intent *intent,
                                   struct vs_error *err)
{
    bool is_partitioned = false;
    if (m->format_version != 2) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "the table has Iceberg format version %d, and only version 2 is written; "
                       "upgrade it with another engine "
                       "(property format-version = 2)",
                       m->format_version);
    }
    if (m->last_sequence_number >= INT64_MAX - 1 || m->last_sequence_number < 0) {
        return vs_fail(err, VS_CORRUPT, "the table's last-sequence-number %lld leaves no next one",
                       (long long)m->last_sequence_number);
    }
    if (intent->added_delete_count > 0) {
        VS_TRY(has_partitions(state, m, &is_partitioned, err));
    }
    if (is_partitioned || (m->is_partitioned && intent->operation != NULL)) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "the table is partitioned; only unpartitioned tables can be written yet");
    }
    if (intent->operation == NULL && intent->added_data_count + intent->added_delete_count > 0) {
        return vs_fail(err, VS_INTERNAL, "files are added by a commit without an operation");
    }
    if (intent->operation == NULL && intent->statistics != NULL &&
        vs_table_snapshot(m, intent->statistics->snapshot_id) == NULL) {
        return vs_fail(err, VS_NOT_FOUND,
                       "statistics are for snapshot %lld, which the table does not have",
                       (long long)intent->statistics->snapshot_id);
    }
    return VS_OK;
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

enum vs_status vs_commit_prepare(struct vs_commit_state *state,
                                 const struct vs_table_metadata *base,
                                 const char *base_metadata_uri,
                                 const struct vs_intent *intent,
                                 struct vs_commit_attempt *attempt_out,
                                 struct vs_error *err)
{
    struct commit_base from = {.metadata = base, .intent = intent};
    struct vs_table_metadata next =
        *base; // shares the base's memory; changed parts live in scratch
    struct vs_commit_attempt attempt = {.snapshot_id = base->current_snapshot_id};
    int64_t now_ms = vs_wall_ms(state->env);
    state->attempt++;
    vs_arena_clear(&state->scratch);
    VS_TRY(check_intent(state, base, intent, err));
    // Clocks only hint: time never goes back within a table (R7).
    next.last_updated_ms = now_ms > base->last_updated_ms ? now_ms : base->last_updated_ms;
    VS_TRY(change_properties(state, intent, &next, err));
    VS_TRY(log_metadata(state, base, base_metadata_uri, &next, err));
    if (intent->operation != NULL) {
        struct vs_snapshot snapshot;
        VS_TRY(make_snapshot(state, &from, next.last_updated_ms, &snapshot, err));
        VS_TRY(append_snapshot(state, &next, &snapshot, err));
        attempt.snapshot_id = snapshot.snapshot_id;
    } else {
        VS_TRY(stamp_property(state, &next, err));
    }
    if (intent->statistics != NULL) {
        int64_t snapshot_id =
            intent->operation != NULL ? attempt.snapshot_id : intent->statistics->snapshot_id;
        VS_TRY(set_statistics(state, intent->statistics, snapshot_id, &next, err));
    }
    VS_TRY(reparse(state, &next, &attempt.metadata, err));
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
