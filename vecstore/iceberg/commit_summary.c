// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshot summaries (iceberg.md 1.2): what was added and removed, and new totals = totals of the
 * parent + added - removed.
 */
#include "vecstore/iceberg/commit_internal.h"

#include <stdlib.h>

enum total {
    TOTAL_RECORDS,
    TOTAL_SIZE,
    TOTAL_DATA_FILES,
    TOTAL_DELETE_FILES,
    TOTAL_POSITION_DELETES,
    TOTAL_EQUALITY_DELETES,
    TOTAL_COUNT
};

static const char *const total_keys[TOTAL_COUNT] = {
    [TOTAL_RECORDS] = "total-records",
    [TOTAL_SIZE] = "total-files-size",
    [TOTAL_DATA_FILES] = "total-data-files",
    [TOTAL_DELETE_FILES] = "total-delete-files",
    [TOTAL_POSITION_DELETES] = "total-position-deletes",
    [TOTAL_EQUALITY_DELETES] = "total-equality-deletes",
};

struct totals {
    int64_t of[TOTAL_COUNT];
    int64_t vectors, position_files, equality_files; // of TOTAL_DELETE_FILES
};

static void add_to(int64_t *total, int64_t value)
{
    vs_ignore(__builtin_add_overflow(*total, value, total) ? VS_LIMIT : VS_OK);
}

static bool is_vector(const struct vs_data_file *file)
{
    return file->content == VS_CONTENT_POSITION_DELETES && file->content_offset >= 0;
}

static void count_file(struct totals *t, const struct vs_data_file *file)
{
    int64_t *of = t->of;
    // deletion vectors share a file: each counts with its own bytes
    add_to(&of[TOTAL_SIZE],
           is_vector(file) && file->content_size >= 0 ? file->content_size : file->file_size);
    switch (file->content) {
    case VS_CONTENT_DATA:
        of[TOTAL_DATA_FILES]++;
        add_to(&of[TOTAL_RECORDS], file->record_count);
        break;
    case VS_CONTENT_POSITION_DELETES:
        of[TOTAL_DELETE_FILES]++;
        add_to(&of[TOTAL_POSITION_DELETES], file->record_count);
        if (is_vector(file)) {
            t->vectors++;
        } else {
            t->position_files++;
        }
        break;
    case VS_CONTENT_EQUALITY_DELETES:
        of[TOTAL_DELETE_FILES]++;
        add_to(&of[TOTAL_EQUALITY_DELETES], file->record_count);
        t->equality_files++;
        break;
    }
}

// From the parent's summary; false when a total is missing.
static bool read_totals(const struct vs_snapshot *parent, struct totals *t)
{
    for (size_t k = 0; k < TOTAL_COUNT; k++) {
        bool found = false;
        for (size_t i = 0; i < parent->summary_count; i++) {
            if (vs_str_equal_c(parent->summary[i].key, total_keys[k])) {
                found = vs_parse_i64(parent->summary[i].value, &t->of[k], NULL) == VS_OK &&
                        t->of[k] >= 0;
            }
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

// For parents whose writer left totals out: counted from the manifests.
static enum vs_status count_totals(struct vs_commit_state *state,
                                   const struct commit_base *base,
                                   struct totals *t,
                                   struct vs_error *err)
{
    // base->manifests are those after the removal: what it removes is added again
    *t = (struct totals){0};
    for (size_t i = 0; i < base->removed_count; i++) {
        count_file(t, &base->removed[i]);
    }
    for (size_t i = 0; i < base->manifest_count; i++) {
        const struct vs_manifest_file *manifest = &base->manifests[i];
        struct vs_data_file *files = NULL;
        size_t count = 0;
        VS_TRY(vs_commit_read_manifest(state, base, manifest, &files, &count, err));
        for (size_t j = 0; j < count; j++) {
            if (files[j].status != VS_ENTRY_DELETED) {
                count_file(t, &files[j]);
            }
        }
    }
    return VS_OK;
}

struct summary {
    struct vs_arena *arena;
    struct vs_pair *pairs;
    size_t count;
    bool failed;
};

static void add_text(struct summary *s, struct vs_str key, struct vs_str value)
{
    for (size_t i = 0; i < s->count; i++) {
        if (vs_str_equal(s->pairs[i].key, key)) {
            return; // ours stands
        }
    }
    s->pairs[s->count++] = (struct vs_pair){key, value};
}

static void add_number(struct summary *s, const char *key, int64_t value)
{
    struct vs_str text = vs_arena_printf(s->arena, "%lld", (long long)value);
    s->failed = s->failed || text.ptr == NULL;
    add_text(s, vs_str_from_c(key), text);
}

static void add_nonzero(struct summary *s, const char *key, int64_t value)
{
    if (value != 0) {
        add_number(s, key, value);
    }
}

// Names of what was added or removed, as Java's SnapshotSummary has them.
static const char *const change_keys[2][9] = {
    {"added-data-files", "added-records", "added-files-size", "added-delete-files",
     "added-position-delete-files", "added-dvs", "added-equality-delete-files",
     "added-position-deletes", "added-equality-deletes"},
    {"deleted-data-files", "deleted-records", "removed-files-size", "removed-delete-files",
     "removed-position-delete-files", "removed-dvs", "removed-equality-delete-files",
     "removed-position-deletes", "removed-equality-deletes"},
};

static void add_changes(struct summary *s, const struct totals *t, const char *const *keys)
{
    const int64_t values[] = {t->of[TOTAL_DATA_FILES],
                              t->of[TOTAL_RECORDS],
                              t->of[TOTAL_SIZE],
                              t->of[TOTAL_DELETE_FILES],
                              t->position_files,
                              t->vectors,
                              t->equality_files,
                              t->of[TOTAL_POSITION_DELETES],
                              t->of[TOTAL_EQUALITY_DELETES]};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        add_nonzero(s, keys[i], values[i]);
    }
}

// ---- partitions ----

static enum vs_status append_value(struct vs_buf *key,
                                   const struct vs_value *value,
                                   struct vs_error *err)
{
    VS_TRY(vs_buf_append_byte(key, value->is_null ? 0 : 1, err));
    if (value->is_null) {
        return VS_OK;
    }
    bool is_text = value->kind == VS_KIND_STRING || value->kind == VS_KIND_BINARY ||
                   value->kind == VS_KIND_FIXED || value->kind == VS_KIND_UUID;
    if (is_text) {
        uint64_t len = value->as.text.len;
        VS_TRY(vs_buf_append(key, &len, sizeof len, err));
        return vs_buf_append(key, value->as.text.ptr, value->as.text.len, err);
    }
    if (value->kind == VS_KIND_BOOLEAN) {
        return vs_buf_append_byte(key, value->as.boolean, err);
    }
    return value->kind == VS_KIND_DECIMAL
               ? vs_buf_append(key, &value->as.decimal, sizeof value->as.decimal, err)
               : vs_buf_append(key, &value->as.integer, sizeof value->as.integer, err);
}

// Bytes that are equal for files of one partition.
static enum vs_status partition_bytes(struct vs_commit_state *state,
                                      const struct vs_data_file *file,
                                      struct vs_str *out,
                                      struct vs_error *err)
{
    struct vs_buf key;
    vs_buf_init(&key, state->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_buf_append(&key, &file->spec_id, sizeof file->spec_id, err);
    for (size_t i = 0; status == VS_OK && i < file->partition_count; i++) {
        status = append_value(&key, &file->partition[i], err);
    }
    if (status == VS_OK) {
        *out = vs_arena_copy_str(&state->scratch, vs_buf_view(&key));
        status = out->ptr != NULL ? VS_OK
                                  : vs_fail(err, VS_NO_MEMORY, "no memory for a snapshot summary");
    }
    vs_buf_clear(&key);
    return status;
}

static int compare_bytes(const void *a, const void *b)
{
    return vs_str_compare(*(const struct vs_str *)a, *(const struct vs_str *)b);
}

static enum vs_status count_partitions(struct vs_commit_state *state,
                                       const struct commit_base *base,
                                       int64_t *count_out,
                                       struct vs_error *err)
{
    const struct vs_intent *intent = base->intent;
    const struct vs_data_file *const lists[] = {intent->added_data, intent->added_deletes,
                                                base->removed};
    const size_t counts[] = {intent->added_data_count, intent->added_delete_count,
                             base->removed_count};
    size_t total = counts[0] + counts[1] + counts[2], n = 0;
    struct vs_str *keys = vs_arena_alloc_array(&state->scratch, total, sizeof *keys);
    if (keys == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a snapshot summary");
    }
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < counts[k]; i++) {
            VS_TRY(partition_bytes(state, &lists[k][i], &keys[n], err));
            n++;
        }
    }
    if (n > 1) {
        qsort(keys, n, sizeof *keys, compare_bytes);
    }
    *count_out = n > 0;
    for (size_t i = 1; i < n; i++) {
        *count_out += !vs_str_equal(keys[i], keys[i - 1]);
    }
    return VS_OK;
}

static enum vs_status add_partitions(struct vs_commit_state *state,
                                     const struct commit_base *base,
                                     struct summary *s,
                                     struct vs_error *err)
{
    int64_t count;
    VS_TRY(count_partitions(state, base, &count, err));
    add_number(s, "changed-partition-count", count);
    return VS_OK;
}

// ---- the summary ----

static void count_changes(const struct commit_base *base,
                          struct totals *added,
                          struct totals *removed)
{
    const struct vs_intent *intent = base->intent;
    for (size_t i = 0; i < intent->added_data_count; i++) {
        count_file(added, &intent->added_data[i]);
    }
    for (size_t i = 0; i < intent->added_delete_count; i++) {
        count_file(added, &intent->added_deletes[i]);
    }
    for (size_t i = 0; i < base->removed_count; i++) {
        count_file(removed, &base->removed[i]);
    }
}

// A total below zero comes from wrong totals of the parent: it is left out, as Java does, and the
// next commit counts anew.
static enum vs_status add_totals(struct summary *s,
                                 const struct totals *totals,
                                 const struct totals *added,
                                 const struct totals *removed,
                                 struct vs_error *err)
{
    for (size_t k = 0; k < TOTAL_COUNT; k++) {
        int64_t sum;
        if (__builtin_add_overflow(totals->of[k], added->of[k], &sum) ||
            __builtin_sub_overflow(sum, removed->of[k], &sum)) {
            return vs_fail(err, VS_CORRUPT, "%s of the table overflows", total_keys[k]);
        }
        if (sum >= 0) {
            add_number(s, total_keys[k], sum);
        }
    }
    return VS_OK;
}

enum vs_status vs_commit_summary(struct vs_commit_state *state,
                                 const struct commit_base *base,
                                 struct vs_pair **pairs_out,
                                 size_t *count_out,
                                 struct vs_error *err)
{
    const struct vs_intent *intent = base->intent;
    struct summary s = {.arena = &state->scratch};
    struct totals totals = {0}, added = {0}, removed = {0};
    s.pairs = vs_arena_alloc_array(s.arena, intent->summary_count + 32, sizeof *s.pairs);
    if (s.pairs == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a snapshot summary");
    }
    if (base->parent != NULL && !read_totals(base->parent, &totals)) {
        VS_TRY(count_totals(state, base, &totals, err));
    }
    add_text(&s, VS_STR("operation"), vs_str_from_c(intent->operation));
    add_text(&s, VS_STR(VS_COMMIT_ID_KEY), vs_str_from_c(state->commit_text));
    count_changes(base, &added, &removed);
    add_changes(&s, &added, change_keys[0]);
    add_changes(&s, &removed, change_keys[1]);
    VS_TRY(add_partitions(state, base, &s, err));
    VS_TRY(add_totals(&s, &totals, &added, &removed, err));
    for (size_t i = 0; i < intent->summary_count; i++) {
        add_text(&s, intent->summary[i].key, intent->summary[i].value);
    }
    if (s.failed) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a snapshot summary");
    }
    *pairs_out = s.pairs;
    *count_out = s.count;
    return VS_OK;
}
