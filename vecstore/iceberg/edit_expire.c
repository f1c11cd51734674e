// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshot expiry: what Java's RemoveSnapshots keeps, and rule R6 (lineage that a commit in flight
 * may still look for stays).
 */
#include "vecstore/iceberg/edit_internal.h"

#include <string.h>

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define DEFAULT_SNAPSHOT_AGE_MS (5 * DAY_MS)
#define COMMIT_LIFETIME_MS ((int64_t)30 * 1000) // the commit loop's time limit
#define HOUR_MS ((int64_t)3600 * 1000)
#define MIN_AGE_KEY "vecstore.expire.min-age-ms" // for tests: less than R6 asks for

struct expiry {
    struct vs_metadata_edit *edit;
    const struct vs_expire *ask;
    int64_t now_ms; // never ahead of the clock, so that nothing looks older than it is
    int64_t older_than_ms, keep_count, max_ref_age_ms, min_age_ms;
    bool by_age; // false: only the snapshots named
    bool *keep;  // per snapshot
    bool *drop_ref;
};

static enum vs_status read_property(
    const struct expiry *x, const char *key, int64_t fallback, int64_t *out, struct vs_error *err)
{
    struct vs_str value = vs_table_property(&x->edit->next, key);
    *out = fallback;
    if (value.ptr != NULL && (vs_parse_i64(value, out, NULL) != VS_OK || *out < 0)) {
        return vs_fail(err, VS_INVALID, "table property %s is '%.*s'; it has to be a number", key,
                       VS_STR_ARG(value));
    }
    return VS_OK;
}

static int64_t minus(int64_t time, int64_t age)
{
    int64_t result;
    return __builtin_sub_overflow(time, age, &result) ? INT64_MIN : result;
}

static enum vs_status read_defaults(struct expiry *x, struct vs_error *err)
{
    int64_t lifetime = 10 * COMMIT_LIFETIME_MS, age;
    VS_TRY(read_property(x, MIN_AGE_KEY, lifetime > HOUR_MS ? lifetime : HOUR_MS, &x->min_age_ms,
                         err));
    VS_TRY(
        read_property(x, "history.expire.max-snapshot-age-ms", DEFAULT_SNAPSHOT_AGE_MS, &age, err));
    VS_TRY(read_property(x, "history.expire.min-snapshots-to-keep", 1, &x->keep_count, err));
    VS_TRY(read_property(x, "history.expire.max-ref-age-ms", INT64_MAX, &x->max_ref_age_ms, err));
    x->by_age = x->ask->older_than_ms > 0 || x->ask->snapshot_id_count == 0;
    x->older_than_ms = x->ask->older_than_ms > 0 ? x->ask->older_than_ms : minus(x->now_ms, age);
    x->keep_count = x->ask->retain_last > 0 ? x->ask->retain_last : x->keep_count;
    x->keep_count = x->keep_count < 1 ? 1 : x->keep_count;
    return VS_OK;
}

static size_t snapshot_index(const struct vs_table_metadata *m, int64_t id)
{
    const struct vs_snapshot *s = vs_table_snapshot(m, id);
    return s == NULL ? SIZE_MAX : (size_t)(s - m->snapshots);
}

static bool is_young(const struct expiry *x, const struct vs_snapshot *s)
{
    return s->timestamp_ms > minus(x->now_ms, x->min_age_ms);
}

// Branches keep their newest ancestors by count and age, tags their own snapshot. `reached` marks
// the ancestors of branches.
static enum vs_status keep_ref(struct expiry *x, size_t at, bool *reached, struct vs_error *err)
{
    const struct vs_table_metadata *m = &x->edit->next;
    const struct vs_ref *ref = &m->refs[at];
    size_t index = snapshot_index(m, ref->snapshot_id);
    struct vs_ref_retention own;
    VS_TRY(vs_ref_retention_read(x->edit->env, ref, &own, err));
    int64_t ref_age = own.max_ref_age_ms > 0 ? own.max_ref_age_ms : x->max_ref_age_ms;
    if (!vs_str_equal_c(ref->name, "main") &&
        (index == SIZE_MAX || minus(x->now_ms, m->snapshots[index].timestamp_ms) > ref_age)) {
        x->drop_ref[at] = x->by_age;
    }
    if (x->drop_ref[at] || index == SIZE_MAX) {
        return VS_OK;
    }
    x->keep[index] = true;
    int64_t oldest =
        own.max_snapshot_age_ms > 0 ? minus(x->now_ms, own.max_snapshot_age_ms) : x->older_than_ms;
    int64_t count = own.min_snapshots_to_keep > 0 ? own.min_snapshots_to_keep : x->keep_count;
    bool going = ref->is_branch;
    for (size_t i = 0; index != SIZE_MAX && i < m->snapshot_count; i++) {
        const struct vs_snapshot *s = &m->snapshots[index];
        reached[index] = true;
        going = going && ((int64_t)i < count || s->timestamp_ms >= oldest);
        x->keep[index] = x->keep[index] || going;
        index = snapshot_index(m, s->parent_id);
    }
    return VS_OK;
}

static enum vs_status choose_kept(struct expiry *x, struct vs_error *err)
{
    const struct vs_table_metadata *m = &x->edit->next;
    bool *reached;
    VS_TRY(vs_edit_grow(x->edit, NULL, 0, m->snapshot_count, sizeof *reached, &reached, err));
    for (size_t i = 0; i < m->ref_count; i++) {
        VS_TRY(keep_ref(x, i, reached, err));
    }
    for (size_t i = 0; i < m->snapshot_count; i++) {
        bool is_unreached_young = !reached[i] && m->snapshots[i].timestamp_ms >= x->older_than_ms;
        x->keep[i] = x->keep[i] || !x->by_age || is_unreached_young ||
                     is_young(x, &m->snapshots[i]) ||
                     m->snapshots[i].snapshot_id == m->current_snapshot_id;
    }
    return VS_OK;
}

static enum vs_status drop_named(struct expiry *x, struct vs_error *err)
{
    const struct vs_table_metadata *m = &x->edit->next;
    for (size_t i = 0; i < x->ask->snapshot_id_count; i++) {
        int64_t id = x->ask->snapshot_ids[i];
        size_t index = snapshot_index(m, id);
        if (index == SIZE_MAX) {
            return vs_fail(err, VS_NOT_FOUND, "the table has no snapshot %lld", (long long)id);
        }
        for (size_t j = 0; j < m->ref_count; j++) {
            if (m->refs[j].snapshot_id == id && !x->drop_ref[j]) {
                return vs_fail(err, VS_INVALID,
                               "snapshot %lld cannot be expired: %s '%.*s' points to it",
                               (long long)id, m->refs[j].is_branch ? "branch" : "tag",
                               VS_STR_ARG(m->refs[j].name));
            }
        }
        if (id == m->current_snapshot_id) {
            return vs_fail(err, VS_INVALID, "snapshot %lld is the current one", (long long)id);
        }
        if (is_young(x, &m->snapshots[index])) {
            return vs_fail(
                err, VS_INVALID,
                "snapshot %lld is younger than %lld ms, and a commit under way may still "
                "look for it; expire it later",
                (long long)id, (long long)x->min_age_ms);
        }
        x->keep[index] = false;
    }
    return VS_OK;
}

// ---- what goes with a snapshot ----

static enum vs_status filter_refs(struct expiry *x, struct vs_error *err)
{
    struct vs_table_metadata *m = &x->edit->next;
    struct vs_ref *refs;
    size_t n = 0;
    VS_TRY(vs_edit_grow(x->edit, NULL, 0, m->ref_count, sizeof *refs, &refs, err));
    for (size_t i = 0; i < m->ref_count; i++) {
        if (!x->drop_ref[i]) {
            refs[n++] = m->refs[i];
        }
    }
    m->refs = refs;
    m->ref_count = n;
    return VS_OK;
}

// As Java: a removed snapshot takes the whole log before it along, since a gap would make time
// travel answer with a snapshot that was not current then.
static enum vs_status filter_log(struct expiry *x, struct vs_error *err)
{
    struct vs_table_metadata *m = &x->edit->next;
    struct vs_log_entry *log;
    size_t n = 0;
    VS_TRY(vs_edit_grow(x->edit, NULL, 0, m->snapshot_log_count, sizeof *log, &log, err));
    for (size_t i = 0; i < m->snapshot_log_count; i++) {
        if (vs_table_snapshot(m, m->snapshot_log[i].snapshot_id) != NULL) {
            log[n++] = m->snapshot_log[i];
        } else {
            n = 0;
        }
    }
    m->snapshot_log = log;
    m->snapshot_log_count = n;
    return VS_OK;
}

static enum vs_status filter_statistics(struct expiry *x, struct vs_error *err)
{
    struct vs_table_metadata *m = &x->edit->next;
    struct vs_statistics *list;
    size_t n = 0;
    VS_TRY(vs_edit_grow(x->edit, NULL, 0, m->statistics_count, sizeof *list, &list, err));
    for (size_t i = 0; i < m->statistics_count; i++) {
        if (vs_table_snapshot(m, m->statistics[i].snapshot_id) != NULL) {
            list[n++] = m->statistics[i];
        }
    }
    m->statistics = list;
    m->statistics_count = n;
    return VS_OK;
}

static enum vs_status filter_partition_statistics(struct expiry *x, struct vs_error *err)
{
    struct vs_table_metadata *m = &x->edit->next;
    struct vs_json_doc *doc = NULL;
    struct vs_json_iter iter;
    struct vs_json_writer w;
    const struct vs_json *item;
    struct vs_buf text;
    int64_t id;
    if (m->partition_statistics_json.len == 0) {
        return VS_OK;
    }
    VS_TRY(vs_json_parse(x->edit->env, m->partition_statistics_json, "partition-statistics", NULL,
                         &doc, err));
    vs_buf_init(&text, x->edit->env, VS_METADATA_MAX_BYTES);
    vs_json_writer_init(&w, &text, false);
    vs_jw_array_begin(&w);
    vs_json_iter_init(&iter, vs_json_root(doc));
    enum vs_status status = VS_OK;
    while (status == VS_OK && vs_json_iter_next(&iter, NULL, &item)) {
        struct vs_str raw;
        if (vs_json_to_i64(vs_json_get(item, "snapshot-id"), &id) &&
            vs_table_snapshot(m, id) == NULL) {
            continue;
        }
        status = vs_json_raw(item, x->edit->env, x->edit->arena, &raw, err);
        if (status == VS_OK) {
            vs_jw_raw(&w, raw);
        }
    }
    vs_jw_array_end(&w);
    status = status == VS_OK ? vs_json_writer_finish(&w, err) : status;
    if (status == VS_OK) {
        status = vs_edit_copy(x->edit, vs_buf_view(&text), &m->partition_statistics_json, err);
    }
    vs_buf_clear(&text);
    vs_json_free(doc);
    return status;
}

static enum vs_status remove_dropped(struct expiry *x,
                                     int64_t **removed_out,
                                     size_t *removed_count_out,
                                     struct vs_error *err)
{
    struct vs_table_metadata *m = &x->edit->next;
    struct vs_snapshot *snapshots;
    int64_t *removed;
    size_t n = 0, gone = 0;
    VS_TRY(vs_edit_grow(x->edit, NULL, 0, m->snapshot_count, sizeof *snapshots, &snapshots, err));
    VS_TRY(vs_edit_grow(x->edit, NULL, 0, m->snapshot_count, sizeof *removed, &removed, err));
    VS_TRY(filter_refs(x, err));
    for (size_t i = 0; i < m->snapshot_count; i++) {
        if (x->keep[i]) {
            snapshots[n++] = m->snapshots[i];
        } else {
            removed[gone++] = m->snapshots[i].snapshot_id;
        }
    }
    if (gone > 0) {
        m->snapshots = snapshots;
        m->snapshot_count = n;
        VS_TRY(filter_log(x, err));
        VS_TRY(filter_statistics(x, err));
        VS_TRY(filter_partition_statistics(x, err));
    }
    *removed_out = removed;
    *removed_count_out = gone;
    return VS_OK;
}

enum vs_status vs_edit_expire(struct vs_metadata_edit *edit,
                              const struct vs_expire *expire,
                              int64_t **removed_out,
                              size_t *removed_count_out,
                              struct vs_error *err)
{
    struct expiry x = {.edit = edit, .ask = expire, .now_ms = vs_wall_ms(edit->env)};
    const struct vs_table_metadata *m = &edit->next;
    x.now_ms = x.now_ms < edit->now_ms ? x.now_ms : edit->now_ms;
    if (vs_str_equal_nocase(vs_table_property(m, "gc.enabled"), VS_STR("false"))) {
        return vs_fail(err, VS_INVALID,
                       "table property gc.enabled is false: another table may use this one's "
                       "files, so its snapshots are not expired");
    }
    VS_TRY(vs_edit_grow(edit, NULL, 0, m->snapshot_count, sizeof *x.keep, &x.keep, err));
    VS_TRY(vs_edit_grow(edit, NULL, 0, m->ref_count, sizeof *x.drop_ref, &x.drop_ref, err));
    VS_TRY(read_defaults(&x, err));
    VS_TRY(choose_kept(&x, err));
    VS_TRY(drop_named(&x, err));
    return remove_dropped(&x, removed_out, removed_count_out, err);
}
