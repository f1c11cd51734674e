// SPDX-License-Identifier: Apache-2.0
/*
 * Each kind of member is compared on its own: what is new or different in `next` becomes an update,
 * what is gone becomes a removal, and both name what has to hold in the base. A create is the
 * difference to a document without anything in it.
 *
 * Order of updates: identity and version, schemas, specs, orders, location, properties, keys,
 * snapshots, refs, statistics, removals. Servers apply them one by one, so that nothing may be
 * named before it is added or after it is removed.
 */
#include "vecstore/iceberg/metadata_diff_internal.h"

#include <string.h>

static const struct vs_table_metadata nothing = {.current_schema_id = -1,
                                                 .default_spec_id = -1,
                                                 .default_sort_order_id = -1,
                                                 .current_snapshot_id = VS_NO_SNAPSHOT};

// ---- JSON parts ----

static enum vs_status parse_array(const struct vs_env *env,
                                  struct vs_str text,
                                  const char *what,
                                  struct vs_json_doc **doc_out,
                                  const struct vs_json **array_out,
                                  struct vs_error *err)
{
    struct vs_json_limits limits = {.max_depth = DIFF_JSON_DEPTH};
    if (text.len == 0) {
        return VS_OK;
    }
    VS_TRY(vs_json_parse(env, text, what, &limits, doc_out, err));
    *array_out = vs_json_root(*doc_out);
    return vs_json_is(*array_out, VS_JSON_ARRAY)
               ? VS_OK
               : vs_fail(err, VS_CORRUPT, "%s are no array", what);
}

// "encryption-keys" is among the members that the metadata reader carries without reading them.
static enum vs_status parse_keys(const struct diff *d,
                                 struct vs_str extra,
                                 struct part_docs *docs,
                                 struct vs_error *err)
{
    struct vs_buf text;
    struct vs_json_limits limits = {.max_depth = DIFF_JSON_DEPTH};
    if (extra.len == 0) {
        return VS_OK;
    }
    vs_buf_init(&text, d->env, DIFF_TEXT_MAX);
    enum vs_status status = vs_buf_append_byte(&text, '{', err);
    if (status == VS_OK) {
        status = vs_buf_append_str(&text, extra, err);
    }
    if (status == VS_OK) {
        status = vs_buf_append_byte(&text, '}', err);
    }
    if (status == VS_OK) {
        status = vs_json_parse(d->env, vs_buf_view(&text), "other members of the metadata", &limits,
                               &docs->doc[PART_KEYS], err);
    }
    if (status == VS_OK) {
        const struct vs_json *keys =
            vs_json_get(vs_json_root(docs->doc[PART_KEYS]), "encryption-keys");
        docs->array[PART_KEYS] = vs_json_is(keys, VS_JSON_ARRAY) ? keys : NULL;
    }
    vs_buf_clear(&text);
    return status;
}

static enum vs_status parse_parts(const struct diff *d,
                                  const struct vs_table_metadata *m,
                                  struct part_docs *docs,
                                  struct vs_error *err)
{
    VS_TRY(parse_array(d->env, m->partition_specs_json, "partition specs", &docs->doc[PART_SPECS],
                       &docs->array[PART_SPECS], err));
    VS_TRY(parse_array(d->env, m->sort_orders_json, "sort orders", &docs->doc[PART_ORDERS],
                       &docs->array[PART_ORDERS], err));
    VS_TRY(parse_array(d->env, m->partition_statistics_json, "partition statistics",
                       &docs->doc[PART_PARTITION_STATISTICS],
                       &docs->array[PART_PARTITION_STATISTICS], err));
    return parse_keys(d, m->extra_json, docs, err);
}

static void free_parts(struct part_docs *docs)
{
    for (int i = 0; i < PART_COUNT; i++) {
        vs_json_free(docs->doc[i]);
    }
}

// ---- snapshots ----

// Whether m has the snapshot. *hint is where to look first: documents share the order of snapshots.
static bool has_snapshot(const struct vs_table_metadata *m, int64_t id, size_t *hint)
{
    if (*hint < m->snapshot_count && m->snapshots[*hint].snapshot_id == id) {
        ++*hint;
        return true;
    }
    return vs_table_snapshot(m, id) != NULL;
}

static bool removes_snapshot(const struct diff *d)
{
    size_t hint = 0;
    for (size_t i = 0; i < d->base->snapshot_count; i++) {
        if (!has_snapshot(d->next, d->base->snapshots[i].snapshot_id, &hint)) {
            return true;
        }
    }
    return false;
}

static void write_snapshot(struct diff *d, const struct vs_snapshot *s)
{
    begin(d, "action", "add-snapshot");
    vs_jw_key(d->w, "snapshot");
    vs_jw_object_begin(d->w);
    member_i64(d, "snapshot-id", s->snapshot_id);
    if (s->parent_id != VS_NO_SNAPSHOT) {
        member_i64(d, "parent-snapshot-id", s->parent_id);
    }
    if (s->sequence_number > 0) { // format version 1 has none
        member_i64(d, "sequence-number", s->sequence_number);
    }
    member_i64(d, "timestamp-ms", s->timestamp_ms);
    if (s->manifest_list.len > 0) {
        member_str(d, "manifest-list", s->manifest_list);
    }
    if (s->summary_count > 0) {
        vs_jw_key(d->w, "summary");
        vs_jw_object_begin(d->w);
        for (size_t i = 0; i < s->summary_count; i++) {
            vs_jw_key_str(d->w, s->summary[i].key);
            vs_jw_str(d->w, s->summary[i].value);
        }
        vs_jw_object_end(d->w);
    }
    if (s->schema_id >= 0) {
        member_i64(d, "schema-id", s->schema_id);
    }
    if (d->next->format_version >= 3 && s->first_row_id >= 0) {
        member_i64(d, "first-row-id", s->first_row_id);
        if (s->added_rows >= 0) {
            member_i64(d, "added-rows", s->added_rows);
        }
    }
    if (s->extra_json.len > 0) {
        vs_jw_raw(d->w, s->extra_json); // `"key":value,…`: the next members
    }
    vs_jw_object_end(d->w);
    vs_jw_object_end(d->w);
}

static void write_snapshots(struct diff *d)
{
    size_t hint = 0;
    for (size_t i = 0; i < d->next->snapshot_count; i++) {
        if (!has_snapshot(d->base, d->next->snapshots[i].snapshot_id, &hint)) {
            write_snapshot(d, &d->next->snapshots[i]);
        }
    }
}

static void write_removed_snapshots(struct diff *d)
{
    size_t hint = 0;
    if (!removes_snapshot(d)) {
        return;
    }
    begin(d, "action", "remove-snapshots");
    vs_jw_key(d->w, "snapshot-ids");
    vs_jw_array_begin(d->w);
    for (size_t i = 0; i < d->base->snapshot_count; i++) {
        int64_t id = d->base->snapshots[i].snapshot_id;
        if (!has_snapshot(d->next, id, &hint)) {
            vs_jw_i64(d->w, id);
        }
    }
    vs_jw_array_end(d->w);
    vs_jw_object_end(d->w);
}

// ---- refs ----

#define RETENTION_KEYS 3
static const char *const retention_keys[RETENTION_KEYS] = {"min-snapshots-to-keep",
                                                           "max-snapshot-age-ms", "max-ref-age-ms"};

struct ref_values {
    int64_t snapshot_id;
    bool is_branch;
    bool has[RETENTION_KEYS];
    int64_t retention[RETENTION_KEYS];
};

static enum vs_status read_ref(const struct diff *d,
                               const struct vs_ref *ref,
                               struct ref_values *out,
                               struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    *out = (struct ref_values){.snapshot_id = ref->snapshot_id, .is_branch = ref->is_branch};
    if (ref->json.len == 0) {
        return VS_OK;
    }
    VS_TRY(vs_json_parse(d->env, ref->json, "a ref", NULL, &doc, err));
    for (int i = 0; i < RETENTION_KEYS; i++) {
        out->has[i] =
            vs_json_to_i64(vs_json_get(vs_json_root(doc), retention_keys[i]), &out->retention[i]);
        out->retention[i] = out->has[i] ? out->retention[i] : 0;
    }
    vs_json_free(doc);
    return VS_OK;
}

static bool refs_equal(const struct ref_values *a, const struct ref_values *b)
{
    bool same = a->snapshot_id == b->snapshot_id && a->is_branch == b->is_branch;
    for (int i = 0; i < RETENTION_KEYS; i++) {
        same = same && a->has[i] == b->has[i] && a->retention[i] == b->retention[i];
    }
    return same;
}

// Whether ref (of next) has to be written, with its values.
static enum vs_status ref_changes(const struct diff *d,
                                  const struct vs_ref *ref,
                                  struct ref_values *values_out,
                                  bool *changes_out,
                                  struct vs_error *err)
{
    const struct vs_ref *old = vs_table_ref(d->base, ref->name);
    struct ref_values before;
    VS_TRY(read_ref(d, ref, values_out, err));
    *changes_out = true;
    if (old != NULL) {
        VS_TRY(read_ref(d, old, &before, err));
        *changes_out = !refs_equal(&before, values_out);
    }
    return VS_OK;
}

static enum vs_status write_refs(struct diff *d, struct vs_error *err)
{
    struct ref_values values;
    bool changes;
    for (size_t i = 0; i < d->next->ref_count; i++) {
        VS_TRY(ref_changes(d, &d->next->refs[i], &values, &changes, err));
        if (!changes) {
            continue;
        }
        begin(d, "action", "set-snapshot-ref");
        member_str(d, "ref-name", d->next->refs[i].name);
        vs_jw_key(d->w, "type");
        vs_jw_c(d->w, values.is_branch ? "branch" : "tag");
        member_i64(d, "snapshot-id", values.snapshot_id);
        for (int k = 0; k < RETENTION_KEYS; k++) {
            if (values.has[k]) {
                member_i64(d, retention_keys[k], values.retention[k]);
            }
        }
        vs_jw_object_end(d->w);
    }
    return VS_OK;
}

static void write_removed_refs(struct diff *d)
{
    for (size_t i = 0; i < d->base->ref_count; i++) {
        if (vs_table_ref(d->next, d->base->refs[i].name) == NULL) {
            begin(d, "action", "remove-snapshot-ref");
            member_str(d, "ref-name", d->base->refs[i].name);
            vs_jw_object_end(d->w);
        }
    }
}

// ---- statistics ----

static bool statistics_equal(const struct vs_statistics *a, const struct vs_statistics *b)
{
    return vs_str_equal(a->path, b->path) && a->file_size == b->file_size &&
           a->footer_size == b->footer_size && vs_str_equal(a->key_metadata, b->key_metadata) &&
           vs_str_equal(a->blob_metadata_json, b->blob_metadata_json);
}

static void write_statistics(struct diff *d)
{
    for (size_t i = 0; i < d->next->statistics_count; i++) {
        const struct vs_statistics *s = &d->next->statistics[i];
        const struct vs_statistics *old = vs_table_statistics(d->base, s->snapshot_id);
        if (old != NULL && statistics_equal(old, s)) {
            continue;
        }
        begin(d, "action", "set-statistics");
        member_i64(d, "snapshot-id", s->snapshot_id); // deprecated; old servers need it
        vs_jw_key(d->w, "statistics");
        vs_jw_object_begin(d->w);
        member_i64(d, "snapshot-id", s->snapshot_id);
        member_str(d, "statistics-path", s->path);
        vs_jw_key(d->w, "file-size-in-bytes");
        vs_jw_u64(d->w, s->file_size);
        vs_jw_key(d->w, "file-footer-size-in-bytes");
        vs_jw_u64(d->w, s->footer_size);
        if (s->key_metadata.len > 0) {
            member_str(d, "key-metadata", s->key_metadata);
        }
        vs_jw_key(d->w, "blob-metadata");
        vs_jw_raw(d->w, s->blob_metadata_json.len > 0 ? s->blob_metadata_json : VS_STR("[]"));
        vs_jw_object_end(d->w);
        vs_jw_object_end(d->w);
    }
}

static void write_removed_statistics(struct diff *d)
{
    for (size_t i = 0; i < d->base->statistics_count; i++) {
        int64_t id = d->base->statistics[i].snapshot_id;
        if (vs_table_statistics(d->next, id) == NULL) {
            i64_object(d, "action", "remove-statistics", "snapshot-id", id);
        }
    }
}

static enum vs_status write_partition_statistics(struct diff *d, struct vs_error *err)
{
    const struct vs_json *before = d->old.array[PART_PARTITION_STATISTICS];
    const struct vs_json *after = d->new.array[PART_PARTITION_STATISTICS], *item;
    struct vs_json_iter iter;
    int64_t id;
    vs_json_iter_init(&iter, after);
    while (after != NULL && vs_json_iter_next(&iter, NULL, &item)) {
        bool same = false;
        VS_TRY(vs_json_need_i64(item, "snapshot-id", "partition statistics", &id, err));
        const struct vs_json *old = find_i64(before, "snapshot-id", id);
        if (old != NULL) {
            VS_TRY(vs_diff_values_equal(d, old, item, &same, err));
        }
        if (!same) {
            begin(d, "action", "set-partition-statistics");
            vs_jw_key(d->w, "partition-statistics");
            VS_TRY(vs_diff_write_value(d, item, err));
            vs_jw_object_end(d->w);
        }
    }
    return VS_OK;
}

static void write_removed_partition_statistics(struct diff *d)
{
    const struct vs_json *before = d->old.array[PART_PARTITION_STATISTICS], *item;
    const struct vs_json *after = d->new.array[PART_PARTITION_STATISTICS];
    struct vs_json_iter iter;
    int64_t id;
    vs_json_iter_init(&iter, before);
    while (before != NULL && vs_json_iter_next(&iter, NULL, &item)) {
        if (vs_json_to_i64(vs_json_get(item, "snapshot-id"), &id) &&
            find_i64(after, "snapshot-id", id) == NULL) {
            i64_object(d, "action", "remove-partition-statistics", "snapshot-id", id);
        }
    }
}

// ---- requirements ----

// What others may have done to a ref meanwhile matters when it is set or removed here; to every one
// of them when snapshots, schemas or specs go, since a moved ref may need what is removed.
static enum vs_status require_refs(struct diff *d, struct vs_error *err)
{
    bool all = removes_snapshot(d) || vs_diff_removes_schema(d) || vs_diff_removes_spec(d);
    struct ref_values values;
    for (size_t i = 0; i < d->base->ref_count; i++) {
        const struct vs_ref *ref = &d->base->refs[i];
        const struct vs_ref *new = vs_table_ref(d->next, ref->name);
        bool changes = true;
        if (new != NULL) {
            VS_TRY(ref_changes(d, new, &values, &changes, err));
        }
        if (changes || all) {
            begin(d, "type", "assert-ref-snapshot-id");
            member_str(d, "ref", ref->name);
            member_i64(d, "snapshot-id", ref->snapshot_id);
            vs_jw_object_end(d->w);
        }
    }
    for (size_t i = 0; i < d->next->ref_count; i++) {
        if (vs_table_ref(d->base, d->next->refs[i].name) == NULL) {
            begin(d, "type", "assert-ref-snapshot-id");
            member_str(d, "ref", d->next->refs[i].name);
            vs_jw_key(d->w, "snapshot-id");
            vs_jw_null(d->w);
            vs_jw_object_end(d->w);
        }
    }
    return VS_OK;
}

static enum vs_status write_requirements(struct diff *d, struct vs_error *err)
{
    const struct vs_table_metadata *base = d->base, *next = d->next;
    char uuid[VS_UUID_TEXT_SIZE];
    int64_t last;
    if (d->is_create) {
        begin(d, "type", "assert-create");
        vs_jw_object_end(d->w);
        return VS_OK;
    }
    vs_uuid_format(base->uuid, uuid);
    begin(d, "type", "assert-table-uuid");
    member_str(d, "uuid", vs_str_from_c(uuid));
    vs_jw_object_end(d->w);
    VS_TRY(require_refs(d, err));
    bool schemas_change =
        vs_diff_adds_schema(d) || base->current_schema_id != next->current_schema_id;
    if (schemas_change) {
        i64_object(d, "type", "assert-last-assigned-field-id", "last-assigned-field-id",
                   base->last_column_id);
    }
    if (schemas_change || vs_diff_removes_schema(d)) {
        i64_object(d, "type", "assert-current-schema-id", "current-schema-id",
                   base->current_schema_id);
    }
    if (vs_diff_count_missing(d->new.array[PART_SPECS], d->old.array[PART_SPECS], "spec-id",
                              &last) > 0) {
        i64_object(d, "type", "assert-last-assigned-partition-id", "last-assigned-partition-id",
                   base->last_partition_id);
    }
    if (base->default_spec_id != next->default_spec_id || vs_diff_removes_spec(d)) {
        i64_object(d, "type", "assert-default-spec-id", "default-spec-id", base->default_spec_id);
    }
    if (base->default_sort_order_id != next->default_sort_order_id) {
        i64_object(d, "type", "assert-default-sort-order-id", "default-sort-order-id",
                   base->default_sort_order_id);
    }
    return VS_OK;
}

// ---- updates ----

static void write_identity(struct diff *d)
{
    if (d->is_create) {
        char uuid[VS_UUID_TEXT_SIZE];
        vs_uuid_format(d->next->uuid, uuid);
        begin(d, "action", "assign-uuid");
        member_str(d, "uuid", vs_str_from_c(uuid));
        vs_jw_object_end(d->w);
    }
    if (d->next->format_version != d->base->format_version) {
        i64_object(d, "action", "upgrade-format-version", "format-version",
                   d->next->format_version);
    }
}

static enum vs_status write_updates(struct diff *d, struct vs_error *err)
{
    write_identity(d);
    VS_TRY(vs_diff_write_schemas(d, err));
    VS_TRY(vs_diff_write_specs(d, err));
    VS_TRY(vs_diff_write_orders(d, err));
    if (!vs_str_equal(d->base->location, d->next->location)) {
        begin(d, "action", "set-location");
        member_str(d, "location", d->next->location);
        vs_jw_object_end(d->w);
    }
    vs_diff_write_properties(d);
    VS_TRY(vs_diff_write_keys(d, err));
    write_snapshots(d);
    VS_TRY(write_refs(d, err));
    write_statistics(d);
    VS_TRY(write_partition_statistics(d, err));
    write_removed_statistics(d);
    write_removed_partition_statistics(d);
    write_removed_refs(d);
    write_removed_snapshots(d);
    vs_diff_write_removed_specs(d);
    vs_diff_write_removed_schemas(d);
    vs_diff_write_removed_keys(d);
    return VS_OK;
}

static enum vs_status write_both(struct diff *d, struct vs_error *err)
{
    VS_TRY(parse_parts(d, d->base, &d->old, err));
    VS_TRY(parse_parts(d, d->next, &d->new, err));
    vs_jw_key(d->w, "requirements");
    vs_jw_array_begin(d->w);
    VS_TRY(write_requirements(d, err));
    vs_jw_array_end(d->w);
    vs_jw_key(d->w, "updates");
    vs_jw_array_begin(d->w);
    VS_TRY(write_updates(d, err));
    vs_jw_array_end(d->w);
    return VS_OK;
}

enum vs_status vs_metadata_diff(const struct vs_env *env,
                                const struct vs_table_metadata *base,
                                const struct vs_table_metadata *next,
                                struct vs_json_writer *w,
                                struct vs_error *err)
{
    struct diff d = {.env = env,
                     .base = base != NULL ? base : &nothing,
                     .next = next,
                     .is_create = base == NULL,
                     .w = w};
    if (base != NULL && memcmp(&base->uuid, &next->uuid, sizeof base->uuid) != 0) {
        return vs_fail(err, VS_INVALID,
                       "the two states compared belong to different tables (their uuids differ)");
    }
    if (next->format_version < d.base->format_version) {
        return vs_fail(err, VS_INVALID, "the format version of a table cannot go from %d to %d",
                       d.base->format_version, next->format_version);
    }
    enum vs_status status = write_both(&d, err);
    free_parts(&d.old);
    free_parts(&d.new);
    if (status == VS_OK && w->error.code != VS_OK) {
        status = vs_fail(err, w->error.code, "%s", w->error.message);
    }
    return status;
}
