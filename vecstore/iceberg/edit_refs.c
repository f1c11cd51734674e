// SPDX-License-Identifier: Apache-2.0
/*
 * Branches, tags and rollback (Spec "Snapshot References").
 */
#include "vecstore/iceberg/edit_internal.h"

#include <string.h>

#define MAX_REF_NAME 255

static bool is_main(struct vs_str name)
{
    return vs_str_equal_c(name, "main");
}

enum vs_status vs_ref_retention_read(const struct vs_env *env,
                                     const struct vs_ref *ref,
                                     struct vs_ref_retention *retention_out,
                                     struct vs_error *err)
{
    struct vs_ref_retention retention = {0};
    struct vs_json_doc *doc = NULL;
    VS_TRY(vs_json_parse(env, ref->json, "snapshot reference", NULL, &doc, err));
    const struct vs_json *root = vs_json_root(doc);
    vs_json_to_i64(vs_json_get(root, "max-ref-age-ms"), &retention.max_ref_age_ms);
    vs_json_to_i64(vs_json_get(root, "max-snapshot-age-ms"), &retention.max_snapshot_age_ms);
    vs_json_to_i64(vs_json_get(root, "min-snapshots-to-keep"), &retention.min_snapshots_to_keep);
    vs_json_free(doc);
    *retention_out = retention;
    return VS_OK;
}

static void write_member(struct vs_json_writer *w, const char *key, int64_t value)
{
    if (value > 0) {
        vs_jw_key(w, key);
        vs_jw_i64(w, value);
    }
}

static enum vs_status format_ref(struct vs_metadata_edit *edit,
                                 struct vs_ref *ref,
                                 const struct vs_ref_retention *retention,
                                 struct vs_error *err)
{
    struct vs_buf text;
    struct vs_json_writer w;
    vs_buf_init(&text, edit->env, VS_METADATA_MAX_BYTES);
    vs_json_writer_init(&w, &text, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "snapshot-id");
    vs_jw_i64(&w, ref->snapshot_id);
    vs_jw_key(&w, "type");
    vs_jw_c(&w, ref->is_branch ? "branch" : "tag");
    if (ref->is_branch) {
        write_member(&w, "min-snapshots-to-keep", retention->min_snapshots_to_keep);
        write_member(&w, "max-snapshot-age-ms", retention->max_snapshot_age_ms);
    }
    write_member(&w, "max-ref-age-ms", retention->max_ref_age_ms);
    vs_jw_object_end(&w);
    enum vs_status status = vs_json_writer_finish(&w, err);
    if (status == VS_OK) {
        status = vs_edit_copy(edit, vs_buf_view(&text), &ref->json, err);
    }
    vs_buf_clear(&text);
    return status;
}

static enum vs_status log_current(struct vs_metadata_edit *edit, struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    struct vs_log_entry *log;
    VS_TRY(vs_edit_grow(edit, m->snapshot_log, m->snapshot_log_count, 1, sizeof *log, &log, err));
    log[m->snapshot_log_count++] =
        (struct vs_log_entry){.timestamp_ms = edit->now_ms, .snapshot_id = m->current_snapshot_id};
    m->snapshot_log = log;
    return VS_OK;
}

enum vs_status vs_edit_move_ref(struct vs_metadata_edit *edit,
                                struct vs_str name,
                                bool is_branch,
                                int64_t snapshot_id,
                                const struct vs_ref_retention *retention,
                                struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    struct vs_ref *refs;
    struct vs_ref_retention kept = {0};
    size_t at = 0;
    VS_TRY(vs_edit_grow(edit, m->refs, m->ref_count, 1, sizeof *refs, &refs, err));
    while (at < m->ref_count && !vs_str_equal(refs[at].name, name)) {
        at++;
    }
    if (at < m->ref_count && retention == NULL) {
        VS_TRY(vs_ref_retention_read(edit->env, &refs[at], &kept, err));
    }
    if (at == m->ref_count) {
        VS_TRY(vs_edit_copy(edit, name, &refs[at].name, err));
    }
    refs[at].is_branch = is_branch;
    refs[at].snapshot_id = snapshot_id;
    VS_TRY(format_ref(edit, &refs[at], retention != NULL ? retention : &kept, err));
    m->refs = refs;
    m->ref_count += at == m->ref_count;
    if (is_main(name) && m->current_snapshot_id != snapshot_id) {
        m->current_snapshot_id = snapshot_id;
        return log_current(edit, err);
    }
    return VS_OK;
}

static enum vs_status check_snapshot(const struct vs_metadata_edit *edit,
                                     int64_t snapshot_id,
                                     struct vs_error *err)
{
    return vs_table_snapshot(&edit->next, snapshot_id) != NULL
               ? VS_OK
               : vs_fail(err, VS_NOT_FOUND, "the table has no snapshot %lld",
                         (long long)snapshot_id);
}

static enum vs_status check_retention(const struct vs_ref_retention *retention,
                                      bool is_branch,
                                      struct vs_error *err)
{
    if (retention == NULL) {
        return VS_OK;
    }
    if (retention->max_ref_age_ms < 0 || retention->max_snapshot_age_ms < 0 ||
        retention->min_snapshots_to_keep < 0 || retention->min_snapshots_to_keep > INT32_MAX) {
        return vs_fail(err, VS_INVALID, "ages and counts of snapshots to keep have to be positive");
    }
    if (!is_branch &&
        (retention->max_snapshot_age_ms > 0 || retention->min_snapshots_to_keep > 0)) {
        return vs_fail(err, VS_INVALID,
                       "a tag names one snapshot; only branches say how many to keep");
    }
    return VS_OK;
}

enum vs_status vs_edit_set_ref(struct vs_metadata_edit *edit,
                               struct vs_str name,
                               bool is_branch,
                               int64_t snapshot_id,
                               const struct vs_ref_retention *retention,
                               struct vs_error *err)
{
    const struct vs_ref *old = vs_table_ref(&edit->next, name);
    if (name.len == 0 || name.len > MAX_REF_NAME || !vs_utf8_validate(name)) {
        return vs_fail(err, VS_INVALID, "a branch or tag needs a name of at most %d bytes in UTF-8",
                       MAX_REF_NAME);
    }
    if (is_main(name) && !is_branch) {
        return vs_fail(err, VS_INVALID, "main is the table's branch and cannot be a tag");
    }
    if (old != NULL && old->is_branch != is_branch) {
        return vs_fail(err, VS_EXISTS,
                       "'%.*s' is a %s already; remove it first or choose another name",
                       VS_STR_ARG(name), old->is_branch ? "branch" : "tag");
    }
    if (is_main(name) && retention != NULL && retention->max_ref_age_ms > 0) {
        return vs_fail(err, VS_INVALID, "branch main does not expire; it cannot have an age limit");
    }
    VS_TRY(check_retention(retention, is_branch, err));
    VS_TRY(check_snapshot(edit, snapshot_id, err));
    return vs_edit_move_ref(edit, name, is_branch, snapshot_id, retention, err);
}

enum vs_status vs_edit_remove_ref(struct vs_metadata_edit *edit,
                                  struct vs_str name,
                                  struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    struct vs_ref *refs;
    size_t n = 0;
    if (is_main(name)) {
        return vs_fail(err, VS_INVALID, "branch main cannot be removed");
    }
    VS_TRY(vs_edit_grow(edit, NULL, 0, m->ref_count, sizeof *refs, &refs, err));
    for (size_t i = 0; i < m->ref_count; i++) {
        if (!vs_str_equal(m->refs[i].name, name)) {
            refs[n++] = m->refs[i];
        }
    }
    if (n == m->ref_count) {
        return vs_fail(err, VS_NOT_FOUND, "the table has no branch or tag '%.*s'",
                       VS_STR_ARG(name));
    }
    m->refs = refs;
    m->ref_count = n;
    return VS_OK;
}

// Follows parents, each snapshot once at most.
static bool is_ancestor(const struct vs_table_metadata *m, int64_t id)
{
    const struct vs_snapshot *s = vs_table_snapshot(m, m->current_snapshot_id);
    for (size_t i = 0; i < m->snapshot_count && s != NULL; i++) {
        if (s->snapshot_id == id) {
            return true;
        }
        s = vs_table_snapshot(m, s->parent_id);
    }
    return false;
}

enum vs_status vs_edit_rollback(struct vs_metadata_edit *edit,
                                int64_t snapshot_id,
                                bool any,
                                struct vs_error *err)
{
    VS_TRY(check_snapshot(edit, snapshot_id, err));
    if (!any && !is_ancestor(&edit->next, snapshot_id)) {
        return vs_fail(err, VS_INVALID,
                       "snapshot %lld is not an ancestor of the current one, %lld; a rollback goes "
                       "back along the table's own history",
                       (long long)snapshot_id, (long long)edit->next.current_snapshot_id);
    }
    return vs_edit_move_ref(edit, VS_STR("main"), true, snapshot_id, NULL, err);
}
