// SPDX-License-Identifier: Apache-2.0
/*
 * Parsing parts of table metadata: snapshots, logs, refs, statistics, and the helpers for members.
 */
#include "vecstore/iceberg/metadata_parser.h"

#include <string.h>

#define ONE_MINUTE_MS 60000

enum vs_status vs_metadata_no_memory(const struct metadata_parser *p, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the table metadata", p->what);
}

enum vs_status vs_metadata_copy_str(const struct metadata_parser *p,
                                    struct vs_str text,
                                    struct vs_str *out,
                                    struct vs_error *err)
{
    *out = vs_arena_copy_str(&p->m->arena, text);
    return out->ptr != NULL ? VS_OK : vs_metadata_no_memory(p, err);
}

enum vs_status vs_metadata_raw(const struct metadata_parser *p,
                               const struct vs_json *value,
                               struct vs_str *out,
                               struct vs_error *err)
{
    return vs_json_raw(value, p->env, &p->m->arena, out, err);
}

bool vs_metadata_is_present(const struct vs_json *value)
{
    return value != NULL && !vs_json_is(value, VS_JSON_NULL);
}

// An array of the root that may be missing or null; NULL then.
enum vs_status vs_metadata_array(const struct metadata_parser *p,
                                 const struct vs_json *object,
                                 const char *key,
                                 const struct vs_json **out,
                                 struct vs_error *err)
{
    const struct vs_json *value = vs_json_get(object, key);
    *out = vs_metadata_is_present(value) ? value : NULL;
    if (*out != NULL && !vs_json_is(value, VS_JSON_ARRAY)) {
        return vs_fail(err, VS_CORRUPT, "%s: '%s' is %s, expected an array", p->what, key,
                       vs_json_type_name(value));
    }
    return VS_OK;
}

enum vs_status vs_metadata_new_array(const struct metadata_parser *p,
                                     const struct vs_json *json,
                                     size_t size,
                                     void *out,
                                     struct vs_error *err)
{
    void *items = vs_arena_alloc_array(&p->m->arena, vs_json_count(json), size);
    if (items == NULL) {
        return vs_metadata_no_memory(p, err);
    }
    memcpy(out, &items, sizeof items);
    return VS_OK;
}

// Members whose keys are not in `known`, as the inner text of an object.
enum vs_status vs_metadata_extra(const struct metadata_parser *p,
                                 const struct vs_json *object,
                                 const char *const *known,
                                 size_t known_count,
                                 struct vs_str *out,
                                 struct vs_error *err)
{
    struct vs_buf text;
    vs_buf_init(&text, p->env, VS_METADATA_MAX_BYTES);
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *value;
    enum vs_status status = VS_OK;
    vs_json_iter_init(&iter, object);
    while (status == VS_OK && vs_json_iter_next(&iter, &key, &value)) {
        bool is_known = false;
        for (size_t i = 0; i < known_count; i++) {
            is_known = is_known || vs_str_equal_c(key, known[i]);
        }
        if (is_known) {
            continue;
        }
        struct vs_json_writer w;
        if (text.len > 0) {
            status = vs_buf_append_byte(&text, ',', err);
        }
        if (status != VS_OK) {
            break;
        }
        vs_json_writer_init(&w, &text, false);
        vs_jw_str(&w, key);
        status = vs_json_writer_finish(&w, err);
        if (status == VS_OK) {
            status = vs_buf_append_byte(&text, ':', err);
        }
        if (status == VS_OK) {
            status = vs_json_write_value(value, &text, err);
        }
    }
    if (status == VS_OK && text.len > 0) {
        status = vs_metadata_copy_str(p, vs_buf_view(&text), out, err);
    }
    vs_buf_clear(&text);
    return status;
}

// Some writers draw snapshot ids from all 64 bits; those above INT64_MAX are kept as the negative
// numbers with the same bits (vs_snapshot_id_format), and such tables are not written.
static enum vs_status read_id(const struct metadata_parser *p,
                              const struct vs_json *object,
                              const char *key,
                              int64_t *out,
                              struct vs_error *err)
{
    const struct vs_json *value = vs_json_get(object, key);
    struct vs_str text;
    uint64_t id = 0;
    if (!vs_json_is(value, VS_JSON_UINT)) {
        return vs_json_need_i64(object, key, p->what, out, err);
    }
    VS_TRY(vs_metadata_raw(p, value, &text, err));
    if (vs_parse_u64(text, &id, NULL) != VS_OK || (int64_t)id == VS_NO_SNAPSHOT) {
        return vs_fail(err, VS_CORRUPT, "%s: '%s' is %.*s, which is no snapshot id", p->what, key,
                       VS_STR_ARG(text));
    }
    *out = (int64_t)id;
    return VS_OK;
}

enum vs_status vs_metadata_pairs(const struct metadata_parser *p,
                                 const struct vs_json *object,
                                 const char *key,
                                 struct vs_pair **pairs,
                                 size_t *count,
                                 struct vs_error *err)
{
    const struct vs_json *map = vs_json_get(object, key);
    if (!vs_metadata_is_present(map)) {
        return VS_OK;
    }
    if (!vs_json_is(map, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_CORRUPT, "%s: '%s' is %s, expected an object", p->what, key,
                       vs_json_type_name(map));
    }
    VS_TRY(vs_metadata_new_array(p, map, sizeof **pairs, pairs, err));
    struct vs_json_iter iter;
    struct vs_str name, text;
    const struct vs_json *value;
    vs_json_iter_init(&iter, map);
    while (vs_json_iter_next(&iter, &name, &value)) {
        struct vs_pair *pair = &(*pairs)[*count];
        if (!vs_json_to_str(value, &text)) {
            return vs_fail(err, VS_CORRUPT, "%s: '%.*s' in '%s' is not a string", p->what,
                           VS_STR_ARG(name), key);
        }
        VS_TRY(vs_metadata_copy_str(p, name, &pair->key, err));
        VS_TRY(vs_metadata_copy_str(p, text, &pair->value, err));
        (*count)++;
    }
    return VS_OK;
}

enum vs_status vs_metadata_i64(const struct metadata_parser *p,
                               const struct vs_json *object,
                               const char *key,
                               int64_t *out,
                               struct vs_error *err)
{
    return vs_metadata_is_present(vs_json_get(object, key))
               ? vs_json_need_i64(object, key, p->what, out, err)
               : VS_OK;
}

static enum vs_status parse_snapshot(const struct metadata_parser *p,
                                     const struct vs_json *json,
                                     struct vs_snapshot *s,
                                     struct vs_error *err)
{
    static const char *const known[] = {"snapshot-id",  "parent-snapshot-id", "sequence-number",
                                        "timestamp-ms", "manifest-list",      "schema-id",
                                        "summary",      "first-row-id",       "added-rows"};
    struct vs_table_metadata *m = p->m;
    int64_t schema_id = -1;
    *s = (struct vs_snapshot){.parent_id = VS_NO_SNAPSHOT, .first_row_id = -1, .added_rows = -1};
    VS_TRY(read_id(p, json, "snapshot-id", &s->snapshot_id, err));
    if (vs_metadata_is_present(vs_json_get(json, "parent-snapshot-id"))) {
        VS_TRY(read_id(p, json, "parent-snapshot-id", &s->parent_id, err));
    }
    VS_TRY(vs_json_need_i64(json, "timestamp-ms", p->what, &s->timestamp_ms, err));
    VS_TRY(vs_metadata_i64(p, json, "sequence-number", &s->sequence_number, err));
    VS_TRY(vs_metadata_i64(p, json, "schema-id", &schema_id, err));
    VS_TRY(vs_metadata_i64(p, json, "first-row-id", &s->first_row_id, err));
    VS_TRY(vs_metadata_i64(p, json, "added-rows", &s->added_rows, err));
    s->schema_id = schema_id >= 0 && schema_id <= INT32_MAX ? (int32_t)schema_id : -1;
    struct vs_str list;
    if (vs_json_to_str(vs_json_get(json, "manifest-list"), &list)) {
        VS_TRY(vs_metadata_copy_str(p, list, &s->manifest_list, err));
    } else if (m->format_version > 1) {
        return vs_fail(err, VS_CORRUPT, "%s: snapshot %lld has no manifest-list", p->what,
                       (long long)s->snapshot_id);
    }
    VS_TRY(vs_metadata_pairs(p, json, "summary", &s->summary, &s->summary_count, err));
    VS_TRY(vs_metadata_extra(p, json, known, sizeof known / sizeof known[0], &s->extra_json, err));
    if (m->format_version > 1 && s->sequence_number > m->last_sequence_number) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: snapshot %lld has sequence number %lld, beyond the table's %lld",
                       p->what, (long long)s->snapshot_id, (long long)s->sequence_number,
                       (long long)m->last_sequence_number);
    }
    return VS_OK;
}

enum vs_status vs_metadata_snapshots(const struct metadata_parser *p, struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    const struct vs_json *array, *item;
    m->current_snapshot_id = VS_NO_SNAPSHOT;
    if (vs_metadata_is_present(vs_json_get(p->root, "current-snapshot-id"))) {
        VS_TRY(read_id(p, p->root, "current-snapshot-id", &m->current_snapshot_id, err));
    }
    VS_TRY(vs_metadata_array(p, p->root, "snapshots", &array, err));
    if (array == NULL) {
        return VS_OK;
    }
    VS_TRY(vs_metadata_new_array(p, array, sizeof *m->snapshots, &m->snapshots, err));
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        VS_TRY(parse_snapshot(p, item, &m->snapshots[m->snapshot_count], err));
        m->snapshot_count++;
    }
    return VS_OK;
}

enum vs_status vs_metadata_log(const struct metadata_parser *p,
                               const char *key,
                               struct vs_log_entry **entries,
                               size_t *count,
                               struct vs_error *err)
{
    const struct vs_json *array, *item;
    bool is_snapshot_log = strcmp(key, "snapshot-log") == 0;
    VS_TRY(vs_metadata_array(p, p->root, key, &array, err));
    if (array == NULL) {
        return VS_OK;
    }
    VS_TRY(vs_metadata_new_array(p, array, sizeof **entries, entries, err));
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        struct vs_log_entry *entry = &(*entries)[*count];
        struct vs_str text;
        entry->snapshot_id = VS_NO_SNAPSHOT;
        VS_TRY(vs_json_need_i64(item, "timestamp-ms", p->what, &entry->timestamp_ms, err));
        if (is_snapshot_log) {
            VS_TRY(read_id(p, item, "snapshot-id", &entry->snapshot_id, err));
        } else {
            VS_TRY(vs_json_need_str(item, "metadata-file", p->what, &text, err));
            VS_TRY(vs_metadata_copy_str(p, text, &entry->metadata_file, err));
        }
        if (*count > 0 &&
            entry->timestamp_ms / 2 < (*entries)[*count - 1].timestamp_ms / 2 - ONE_MINUTE_MS / 2) {
            return vs_fail(err, VS_CORRUPT, "%s: the times in '%s' go back by more than a minute",
                           p->what, key);
        }
        (*count)++;
    }
    if (*count > 0 &&
        p->m->last_updated_ms / 2 < (*entries)[*count - 1].timestamp_ms / 2 - ONE_MINUTE_MS / 2) {
        return vs_fail(err, VS_CORRUPT, "%s: last-updated-ms is before the last entry of '%s'",
                       p->what, key);
    }
    return VS_OK;
}

enum vs_status vs_metadata_refs(const struct metadata_parser *p, struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    const struct vs_json *refs = vs_json_get(p->root, "refs"), *item;
    if (!vs_metadata_is_present(refs)) {
        return VS_OK; // vs_metadata_check_current makes main
    }
    if (!vs_json_is(refs, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_CORRUPT, "%s: 'refs' is %s, expected an object", p->what,
                       vs_json_type_name(refs));
    }
    VS_TRY(vs_metadata_new_array(p, refs, sizeof *m->refs, &m->refs, err));
    struct vs_json_iter iter;
    struct vs_str name, type;
    vs_json_iter_init(&iter, refs);
    while (vs_json_iter_next(&iter, &name, &item)) {
        struct vs_ref *ref = &m->refs[m->ref_count];
        VS_TRY(vs_metadata_copy_str(p, name, &ref->name, err));
        VS_TRY(read_id(p, item, "snapshot-id", &ref->snapshot_id, err));
        VS_TRY(vs_json_need_str(item, "type", p->what, &type, err));
        ref->is_branch = vs_str_equal_nocase(type, VS_STR("branch"));
        VS_TRY(vs_metadata_raw(p, item, &ref->json, err));
        if (vs_table_snapshot(m, ref->snapshot_id) == NULL) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: ref '%.*s' points to snapshot %lld, which the table does not have",
                           p->what, VS_STR_ARG(name), (long long)ref->snapshot_id);
        }
        m->ref_count++;
    }
    return VS_OK;
}

enum vs_status vs_metadata_statistics(const struct metadata_parser *p, struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    const struct vs_json *array, *item, *blobs;
    VS_TRY(vs_metadata_array(p, p->root, "statistics", &array, err));
    if (array == NULL) {
        return VS_OK;
    }
    VS_TRY(vs_metadata_new_array(p, array, sizeof *m->statistics, &m->statistics, err));
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        struct vs_statistics *s = &m->statistics[m->statistics_count];
        struct vs_str text;
        int64_t size, footer;
        VS_TRY(read_id(p, item, "snapshot-id", &s->snapshot_id, err));
        VS_TRY(vs_json_need_str(item, "statistics-path", p->what, &text, err));
        VS_TRY(vs_metadata_copy_str(p, text, &s->path, err));
        VS_TRY(vs_json_need_i64(item, "file-size-in-bytes", p->what, &size, err));
        VS_TRY(vs_json_need_i64(item, "file-footer-size-in-bytes", p->what, &footer, err));
        if (size < 0 || footer < 0) {
            return vs_fail(err, VS_CORRUPT, "%s: a statistics file has a negative size", p->what);
        }
        s->file_size = (uint64_t)size;
        s->footer_size = (uint64_t)footer;
        if (vs_json_to_str(vs_json_get(item, "key-metadata"), &text)) {
            VS_TRY(vs_metadata_copy_str(p, text, &s->key_metadata, err));
        }
        VS_TRY(vs_metadata_array(p, item, "blob-metadata", &blobs, err));
        VS_TRY(blobs != NULL ? vs_metadata_raw(p, blobs, &s->blob_metadata_json, err)
                             : vs_metadata_copy_str(p, VS_STR("[]"), &s->blob_metadata_json, err));
        m->statistics_count++;
    }
    return VS_OK;
}

// The current snapshot must exist and be what branch main names; older writers have no refs.
enum vs_status vs_metadata_check_current(const struct metadata_parser *p, struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    const struct vs_ref *main_ref = vs_table_ref(m, VS_STR("main"));
    if (m->current_snapshot_id != VS_NO_SNAPSHOT &&
        vs_table_snapshot(m, m->current_snapshot_id) == NULL) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: the current snapshot %lld is not among the table's snapshots", p->what,
                       (long long)m->current_snapshot_id);
    }
    if (main_ref != NULL && main_ref->snapshot_id != m->current_snapshot_id) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: branch main points to snapshot %lld, but current-snapshot-id is %lld",
                       p->what, (long long)main_ref->snapshot_id,
                       (long long)m->current_snapshot_id);
    }
    if (main_ref != NULL || m->current_snapshot_id == VS_NO_SNAPSHOT) {
        return VS_OK;
    }
    struct vs_ref *refs = vs_arena_alloc_array(&m->arena, m->ref_count + 1, sizeof *refs);
    struct vs_str json = vs_arena_printf(&m->arena, "{\"snapshot-id\":%lld,\"type\":\"branch\"}",
                                         (long long)m->current_snapshot_id);
    if (refs == NULL || json.ptr == NULL) {
        return vs_metadata_no_memory(p, err);
    }
    refs[0] = (struct vs_ref){VS_STR("main"), m->current_snapshot_id, true, json};
    for (size_t i = 0; i < m->ref_count; i++) {
        refs[i + 1] = m->refs[i];
    }
    m->refs = refs;
    m->ref_count++;
    return VS_OK;
}
