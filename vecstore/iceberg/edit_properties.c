// SPDX-License-Identifier: Apache-2.0
/*
 * An edit's start, properties and format version.
 */
#include "vecstore/iceberg/edit_internal.h"

#include <string.h>

enum vs_status vs_edit_no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for a change of the table's metadata");
}

enum vs_status vs_edit_copy(struct vs_metadata_edit *edit,
                            struct vs_str text,
                            struct vs_str *out,
                            struct vs_error *err)
{
    struct vs_str copy = vs_arena_copy_str(edit->arena, text);
    if (copy.ptr == NULL) {
        return vs_edit_no_memory(err);
    }
    *out = copy;
    return VS_OK;
}

enum vs_status vs_edit_grow(struct vs_metadata_edit *edit,
                            const void *items,
                            size_t count,
                            size_t extra,
                            size_t size,
                            void *out,
                            struct vs_error *err)
{
    void *copy = vs_arena_alloc_array(edit->arena, count + extra, size);
    if (copy == NULL) {
        return vs_edit_no_memory(err);
    }
    if (count > 0) {
        memcpy(copy, items, count * size);
    }
    memcpy(out, &copy, sizeof copy);
    return VS_OK;
}

void vs_metadata_edit_begin(struct vs_metadata_edit *edit,
                            const struct vs_env *env,
                            struct vs_arena *arena,
                            const struct vs_table_metadata *base,
                            int64_t now_ms)
{
    *edit = (struct vs_metadata_edit){
        .env = env, .arena = arena, .base = base, .next = *base, .now_ms = now_ms};
    // Clocks only hint: time never goes back within a table (R7).
    if (edit->now_ms < base->last_updated_ms) {
        edit->now_ms = base->last_updated_ms;
    }
    edit->next.last_updated_ms = edit->now_ms;
}

// ---- properties ----

enum vs_status vs_edit_put_property(struct vs_metadata_edit *edit,
                                    struct vs_str key,
                                    struct vs_str value,
                                    struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    struct vs_pair *pairs, pair;
    VS_TRY(vs_edit_copy(edit, key, &pair.key, err));
    VS_TRY(vs_edit_copy(edit, value, &pair.value, err));
    VS_TRY(vs_edit_grow(edit, m->properties, m->property_count, 1, sizeof *pairs, &pairs, err));
    size_t at = 0;
    while (at < m->property_count && !vs_str_equal(pairs[at].key, key)) {
        at++;
    }
    pairs[at] = pair;
    m->property_count += at == m->property_count;
    m->properties = pairs;
    return VS_OK;
}

enum vs_status vs_edit_take_property(struct vs_metadata_edit *edit,
                                     struct vs_str key,
                                     struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    struct vs_pair *pairs;
    size_t n = 0;
    VS_TRY(vs_edit_grow(edit, NULL, 0, m->property_count, sizeof *pairs, &pairs, err));
    for (size_t i = 0; i < m->property_count; i++) {
        if (!vs_str_equal(m->properties[i].key, key)) {
            pairs[n++] = m->properties[i];
        }
    }
    m->properties = pairs;
    m->property_count = n;
    return VS_OK;
}

// Names that Java keeps for what the metadata says elsewhere, and our own stamp.
static enum vs_status check_key(struct vs_str key, struct vs_error *err)
{
    static const char *const reserved[] = {"uuid",
                                           "snapshot-count",
                                           "current-snapshot-id",
                                           "current-snapshot-summary",
                                           "current-snapshot-timestamp-ms",
                                           "current-schema",
                                           "default-partition-spec",
                                           "default-sort-order",
                                           "vecstore.last-commit-id"};
    if (key.len == 0 || !vs_utf8_validate(key)) {
        return vs_fail(err, VS_INVALID, "a table property needs a name in UTF-8");
    }
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (vs_str_equal_c(key, reserved[i])) {
            return vs_fail(err, VS_INVALID,
                           "table property '%s' is reserved; it cannot be set or removed",
                           reserved[i]);
        }
    }
    return VS_OK;
}

enum vs_status vs_edit_set_property(struct vs_metadata_edit *edit,
                                    struct vs_str key,
                                    struct vs_str value,
                                    struct vs_error *err)
{
    if (vs_str_equal_c(key, "format-version")) { // as in Java: this property upgrades
        int64_t version;
        VS_TRY(vs_parse_i64(value, &version, err));
        return vs_edit_upgrade(edit, version < 0 || version > 1000 ? 0 : (int)version, err);
    }
    VS_TRY(check_key(key, err));
    if (!vs_utf8_validate(value)) {
        return vs_fail(err, VS_INVALID, "the value of table property '%.*s' is not UTF-8",
                       VS_STR_ARG(key));
    }
    return vs_edit_put_property(edit, key, value, err);
}

enum vs_status vs_edit_remove_property(struct vs_metadata_edit *edit,
                                       struct vs_str key,
                                       struct vs_error *err)
{
    VS_TRY(check_key(key, err));
    return vs_edit_take_property(edit, key, err);
}

// ---- format version ----

static bool is_zero(struct vs_uuid uuid)
{
    static const struct vs_uuid zero;
    return memcmp(&uuid, &zero, sizeof uuid) == 0;
}

enum vs_status vs_edit_upgrade(struct vs_metadata_edit *edit,
                               int format_version,
                               struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    if (format_version < 1 || format_version > VS_FORMAT_VERSION_MAX) {
        return vs_fail(err, VS_UNSUPPORTED, "Iceberg format version %d is not known; 2 and 3 are",
                       format_version);
    }
    if (format_version < m->format_version) {
        return vs_fail(err, VS_INVALID,
                       "the table has Iceberg format version %d; it cannot go back to %d",
                       m->format_version, format_version);
    }
    for (size_t i = 0; i < m->snapshot_count && format_version > 1; i++) {
        if (m->snapshots[i].manifest_list.len == 0) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "snapshot %lld lists its manifests in the metadata, as early version 1 "
                           "tables did; expire it before the upgrade",
                           (long long)m->snapshots[i].snapshot_id);
        }
    }
    if (is_zero(m->uuid)) {
        m->uuid = vs_uuid_new_v4(edit->env);
    }
    if (format_version >= 3 && m->next_row_id < 0) {
        m->next_row_id = 0;
    }
    m->format_version = format_version;
    return VS_OK;
}
