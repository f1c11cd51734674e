// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshot summaries (iceberg.md 1.2): what was added, and new totals = totals of the parent +
 * added.
 */
#include "vecstore/iceberg/commit_internal.h"

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
};

static void count_file(struct totals *t, const struct vs_data_file *file)
{
    int64_t *of = t->of;
    vs_ignore(__builtin_add_overflow(of[TOTAL_SIZE], file->file_size, &of[TOTAL_SIZE]) ? VS_LIMIT
                                                                                       : VS_OK);
    switch (file->content) {
    case VS_CONTENT_DATA:
        of[TOTAL_DATA_FILES]++;
        vs_ignore(__builtin_add_overflow(of[TOTAL_RECORDS], file->record_count, &of[TOTAL_RECORDS])
                      ? VS_LIMIT
                      : VS_OK);
        break;
    case VS_CONTENT_POSITION_DELETES:
    case VS_CONTENT_EQUALITY_DELETES: {
        enum total which = file->content == VS_CONTENT_POSITION_DELETES ? TOTAL_POSITION_DELETES
                                                                        : TOTAL_EQUALITY_DELETES;
        of[TOTAL_DELETE_FILES]++;
        vs_ignore(__builtin_add_overflow(of[which], file->record_count, &of[which]) ? VS_LIMIT
                                                                                    : VS_OK);
        break;
    }
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
    *t = (struct totals){0};
    for (size_t i = 0; i < base->manifest_count; i++) {
        const struct vs_manifest_file *manifest = &base->manifests[i];
        struct vs_data_file *files = NULL;
        size_t count = 0;
        struct vs_buf bytes;
        vs_buf_init(&bytes, state->env, VS_METADATA_MAX_BYTES);
        enum vs_status status = vs_table_object_read(state->env, state->store, base->metadata,
                                                     manifest->path, "manifest", &bytes, err);
        if (status == VS_OK) {
            status = vs_manifest_read(state->env, vs_buf_view(&bytes), "manifest", manifest,
                                      &state->scratch, &files, &count, err);
        }
        vs_buf_clear(&bytes);
        VS_TRY(status);
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

static void add_added(struct summary *s, const struct vs_intent *intent, struct totals *added)
{
    for (size_t i = 0; i < intent->added_data_count; i++) {
        count_file(added, &intent->added_data[i]);
    }
    for (size_t i = 0; i < intent->added_delete_count; i++) {
        count_file(added, &intent->added_deletes[i]);
    }
    add_nonzero(s, "added-data-files", added->of[TOTAL_DATA_FILES]);
    add_nonzero(s, "added-records", added->of[TOTAL_RECORDS]);
    add_nonzero(s, "added-files-size", added->of[TOTAL_SIZE]);
    add_nonzero(s, "added-delete-files", added->of[TOTAL_DELETE_FILES]);
    add_nonzero(s, "added-position-delete-files",
                added->of[TOTAL_DELETE_FILES]); // the only kind that is written
    add_nonzero(s, "added-position-deletes", added->of[TOTAL_POSITION_DELETES]);
    add_number(s, "changed-partition-count",
               intent->added_data_count + intent->added_delete_count > 0 ? 1 : 0);
}

enum vs_status vs_commit_summary(struct vs_commit_state *state,
                                 const struct commit_base *base,
                                 struct vs_pair **pairs_out,
                                 size_t *count_out,
                                 struct vs_error *err)
{
    const struct vs_intent *intent = base->intent;
    struct summary s = {.arena = &state->scratch};
    struct totals totals = {0}, added = {0};
    s.pairs = vs_arena_alloc_array(s.arena, intent->summary_count + 24, sizeof *s.pairs);
    if (s.pairs == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a snapshot summary");
    }
    const struct vs_snapshot *parent =
        vs_table_snapshot(base->metadata, base->metadata->current_snapshot_id);
    if (parent != NULL && !read_totals(parent, &totals)) {
        VS_TRY(count_totals(state, base, &totals, err));
    }
    add_text(&s, VS_STR("operation"), vs_str_from_c(intent->operation));
    add_text(&s, VS_STR(VS_COMMIT_ID_KEY), vs_str_from_c(state->commit_text));
    add_added(&s, intent, &added);
    for (size_t k = 0; k < TOTAL_COUNT; k++) {
        int64_t sum;
        if (__builtin_add_overflow(totals.of[k], added.of[k], &sum)) {
            return vs_fail(err, VS_CORRUPT, "%s of the table overflows", total_keys[k]);
        }
        add_number(&s, total_keys[k], sum);
    }
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
