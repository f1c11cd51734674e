// SPDX-License-Identifier: Apache-2.0
/*
 * The manifests of a new snapshot: one new manifest per content and partition spec for added files,
 * rewritten ones for removed files, the base's carried along; more than 100 small ones of a spec
 * are merged into one (as Java's commit.manifest.min-count-to-merge).
 */
#include "vecstore/iceberg/commit_internal.h"
#include "vecstore/iceberg/transform.h"

#include <stdio.h>
#include <string.h>

#define MERGE_MIN_COUNT 100
#define MERGE_BYTES ((int64_t)8 << 20) // Java: commit.manifest.target-size-bytes

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for the manifests of a commit");
}

// ---- one manifest ----

static void count_entry(struct vs_manifest_file *entry, const struct vs_data_file *file)
{
    if (file->status == VS_ENTRY_DELETED) {
        entry->deleted_files++;
        entry->deleted_rows += file->record_count;
        return;
    }
    if (file->status == VS_ENTRY_ADDED) {
        entry->added_files++;
        entry->added_rows += file->record_count;
    } else {
        entry->existing_files++;
        entry->existing_rows += file->record_count;
    }
    // Added entries without a number inherit the snapshot's, which the list sets.
    bool is_explicit = file->status != VS_ENTRY_ADDED || file->sequence_number > 0;
    if (is_explicit && file->sequence_number < entry->min_sequence_number) {
        entry->min_sequence_number = file->sequence_number;
    }
}

enum vs_status vs_commit_write_manifest(struct vs_commit_state *state,
                                        const struct vs_manifest_write *spec,
                                        struct vs_arena *arena,
                                        struct vs_manifest_file *entry_out,
                                        size_t *written_index_out,
                                        struct vs_error *err)
{
    char name[96];
    struct vs_buf bytes;
    (void)snprintf(name, sizeof name, "%s-m%u.avro", state->commit_text, state->manifest_number++);
    struct vs_manifest_file entry = {.path = vs_table_uri(spec->metadata, arena, "metadata", name),
                                     .spec_id = spec->spec_id,
                                     .content = spec->is_deletes ? 1 : 0,
                                     .min_sequence_number = INT64_MAX,
                                     .added_snapshot_id = spec->snapshot_id,
                                     .first_row_id = -1};
    if (entry.path.ptr == NULL) {
        return no_memory(err);
    }
    vs_buf_init(&bytes, state->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_manifest_write_bytes(state->env, spec, &bytes, err);
    if (status == VS_OK) {
        entry.length = (int64_t)bytes.len;
        status =
            vs_commit_put(state, spec->metadata, name, vs_buf_view(&bytes), written_index_out, err);
    }
    vs_buf_clear(&bytes);
    VS_TRY(status);
    for (size_t i = 0; i < spec->file_count; i++) {
        count_entry(&entry, &spec->files[i]);
    }
    VS_TRY(vs_manifest_summarize(spec, arena, &entry, err));
    *entry_out = entry;
    return VS_OK;
}

// ---- manifests kept between attempts ----

static struct kept_manifest *find_kept(struct vs_commit_state *state,
                                       bool is_merged,
                                       bool is_deletes,
                                       int32_t spec_id)
{
    for (size_t i = 0; i < state->kept_count; i++) {
        struct kept_manifest *kept = &state->kept[i];
        if (kept->is_merged == is_merged && kept->is_deletes == is_deletes &&
            kept->spec_id == spec_id) {
            return kept;
        }
    }
    return NULL;
}

// Takes the place of one of the same role, or is added.
static enum vs_status keep(struct vs_commit_state *state,
                           const struct kept_manifest *kept,
                           struct vs_error *err)
{
    struct kept_manifest *slot = find_kept(state, kept->is_merged, kept->is_deletes, kept->spec_id);
    if (slot != NULL) {
        *slot = *kept;
        return VS_OK;
    }
    if (state->kept_count == state->kept_capacity) {
        size_t capacity = state->kept_capacity == 0 ? 4 : state->kept_capacity * 2;
        struct kept_manifest *list = vs_arena_alloc_array(&state->arena, capacity, sizeof *list);
        if (list == NULL) {
            return no_memory(err);
        }
        if (state->kept_count > 0) {
            memcpy(list, state->kept, state->kept_count * sizeof *list);
        }
        state->kept = list;
        state->kept_capacity = capacity;
    }
    state->kept[state->kept_count++] = *kept;
    return VS_OK;
}

static enum vs_status keep_source(struct vs_commit_state *state,
                                  struct kept_manifest *kept,
                                  struct vs_str path,
                                  struct vs_error *err)
{
    struct vs_str copy = vs_arena_copy_str(&state->arena, path);
    if (copy.ptr == NULL) {
        return no_memory(err);
    }
    kept->sources[kept->source_count++] = copy;
    return VS_OK;
}

static enum vs_status start_kept(struct vs_commit_state *state,
                                 const struct vs_manifest_write *spec,
                                 size_t source_count,
                                 struct kept_manifest *kept_out,
                                 struct vs_error *err)
{
    *kept_out = (struct kept_manifest){.is_deletes = spec->is_deletes,
                                       .spec_id = spec->spec_id,
                                       .schema_id = spec->metadata->current_schema_id,
                                       .format_version = spec->metadata->format_version};
    kept_out->sources =
        vs_arena_alloc_array(&state->arena, source_count, sizeof *kept_out->sources);
    return kept_out->sources != NULL ? VS_OK : no_memory(err);
}

static bool is_current(const struct kept_manifest *kept, const struct vs_table_metadata *m)
{
    return kept->schema_id == m->current_schema_id && kept->format_version == m->format_version;
}

// The list entry of a manifest, with the numbers that this attempt gives it.
static void put_entry(struct vs_manifest_file *list,
                      size_t *n,
                      const struct kept_manifest *kept,
                      int64_t sequence_number)
{
    list[*n] = kept->entry;
    list[*n].sequence_number = sequence_number;
    if (list[*n].min_sequence_number > sequence_number) {
        list[*n].min_sequence_number = sequence_number;
    }
    (*n)++;
}

// ---- added files ----

struct added {
    const struct vs_data_file *files; // of one content and spec
    size_t count;
    bool is_deletes;
    int32_t spec_id;
    int64_t data_sequence_number;
};

static bool is_same_files(const struct kept_manifest *kept,
                          const struct vs_table_metadata *m,
                          const struct added *added)
{
    if (!is_current(kept, m) || kept->source_count != added->count ||
        kept->data_sequence_number != added->data_sequence_number) {
        return false;
    }
    for (size_t i = 0; i < added->count; i++) {
        if (!vs_str_equal(kept->sources[i], added->files[i].path)) {
            return false;
        }
    }
    return true;
}

static enum vs_status make_added(struct vs_commit_state *state,
                                 const struct commit_base *base,
                                 const struct added *added,
                                 struct kept_manifest *kept_out,
                                 struct vs_error *err)
{
    const struct vs_table_metadata *m = base->metadata;
    const struct kept_manifest *former = find_kept(state, false, added->is_deletes, added->spec_id);
    if (former != NULL && is_same_files(former, m, added)) {
        state->written[former->written_index].attempt = state->attempt;
        *kept_out = *former;
        return VS_OK;
    }
    const struct vs_manifest_write spec = {.metadata = m,
                                           .snapshot_id = state->snapshot_id,
                                           .spec_id = added->spec_id,
                                           .is_deletes = added->is_deletes,
                                           .data_sequence_number = added->data_sequence_number,
                                           .files = added->files,
                                           .file_count = added->count};
    struct kept_manifest kept;
    VS_TRY(start_kept(state, &spec, added->count, &kept, err));
    kept.data_sequence_number = added->data_sequence_number;
    for (size_t i = 0; i < added->count; i++) {
        VS_TRY(keep_source(state, &kept, added->files[i].path, err));
    }
    VS_TRY(vs_commit_write_manifest(state, &spec, &state->arena, &kept.entry, &kept.written_index,
                                    err));
    VS_TRY(keep(state, &kept, err));
    *kept_out = kept;
    return VS_OK;
}

// The spec a file belongs to. Files made without one (spec 0, no partition values) belong to the
// default spec where that has no fields.
static enum vs_status file_spec(const struct vs_table_metadata *m,
                                const struct vs_data_file *file,
                                int32_t *spec_id_out,
                                struct vs_error *err)
{
    const struct vs_partition_spec *spec = vs_table_spec(m, file->spec_id);
    if (file->status != VS_ENTRY_ADDED) {
        return vs_fail(err, VS_INTERNAL, "%.*s: a file to commit is not marked as added",
                       VS_STR_ARG(file->path));
    }
    *spec_id_out = file->spec_id;
    if (file->partition_count == 0 && !m->is_partitioned &&
        (spec == NULL || spec->field_count > 0)) {
        *spec_id_out = m->default_spec_id;
        return VS_OK;
    }
    if (spec == NULL || spec->field_count != file->partition_count) {
        return vs_fail(err, VS_CONFLICT,
                       "%.*s has %zu partition values, and partition spec %d of the table has %zu "
                       "fields; write the rows again",
                       VS_STR_ARG(file->path), file->partition_count, file->spec_id,
                       spec != NULL ? spec->field_count : 0);
    }
    return VS_OK;
}

static int64_t file_sequence(const struct vs_intent *intent, bool is_deletes)
{
    return is_deletes ? 0 : intent->data_sequence_number;
}

// One manifest per spec among the files, in the order in which the specs turn up.
static enum vs_status put_added(struct vs_commit_state *state,
                                const struct commit_base *base,
                                bool is_deletes,
                                struct vs_manifest_file *list,
                                size_t *n,
                                struct vs_error *err)
{
    const struct vs_intent *intent = base->intent;
    const struct vs_data_file *files = is_deletes ? intent->added_deletes : intent->added_data;
    size_t count = is_deletes ? intent->added_delete_count : intent->added_data_count;
    struct vs_data_file *group = vs_arena_alloc_array(&state->scratch, count, sizeof *group);
    int32_t *specs = vs_arena_alloc_array(&state->scratch, count, sizeof *specs);
    bool *done = vs_arena_alloc_array(&state->scratch, count, sizeof *done);
    if (group == NULL || specs == NULL || done == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        VS_TRY(file_spec(base->metadata, &files[i], &specs[i], err));
    }
    struct vs_data_file *next = group;
    for (size_t i = 0; i < count; i++) {
        struct added added = {.files = next,
                              .is_deletes = is_deletes,
                              .spec_id = specs[i],
                              .data_sequence_number = file_sequence(intent, is_deletes)};
        for (size_t j = i; j < count && !done[i]; j++) {
            if (specs[j] == specs[i]) {
                *next = files[j];
                next->spec_id = specs[i];
                next->sequence_number = added.data_sequence_number;
                next->first_row_id = -1; // v3: inherited from the manifest
                next++;
                added.count++;
                done[j] = j != i;
            }
        }
        if (added.count > 0) {
            struct kept_manifest kept;
            VS_TRY(make_added(state, base, &added, &kept, err));
            put_entry(list, n, &kept, base->sequence_number);
        }
    }
    return VS_OK;
}

// ---- merging ----

static bool is_true(const struct vs_table_metadata *m, const char *key, bool absent)
{
    struct vs_str value = vs_table_property(m, key);
    return value.ptr == NULL ? absent : vs_str_equal_nocase(value, VS_STR("true"));
}

static size_t merge_min_count(const struct vs_table_metadata *m)
{
    int64_t count;
    struct vs_str value = vs_table_property(m, "commit.manifest.min-count-to-merge");
    if (value.ptr == NULL || vs_parse_i64(value, &count, NULL) != VS_OK || count < 1 ||
        count > 1000000) {
        return MERGE_MIN_COUNT;
    }
    return (size_t)count;
}

// Partition values under a transform that we do not know are not written.
static bool is_known_spec(const struct vs_table_metadata *m, int32_t spec_id)
{
    const struct vs_partition_spec *spec = vs_table_spec(m, spec_id);
    for (size_t i = 0; spec != NULL && i < spec->field_count; i++) {
        struct vs_transform transform;
        if (vs_transform_parse(spec->fields[i].transform, &transform, NULL) != VS_OK ||
            transform.kind == VS_TRANSFORM_UNKNOWN) {
            return false;
        }
    }
    return spec != NULL;
}

struct merge {
    const struct commit_base *base;
    const bool *rewritten; // made by this commit: not merged at once
    bool *gone;            // merged into another
    bool is_deletes;
    int32_t spec_id;
};

static bool may_merge(const struct merge *merge, size_t at)
{
    const struct vs_manifest_file *m = &merge->base->manifests[at];
    return m->content == (merge->is_deletes ? 1 : 0) && m->spec_id == merge->spec_id &&
           m->length >= 0 && m->length < MERGE_BYTES && !merge->rewritten[at];
}

// Live entries of the chosen manifests, as EXISTING.
static enum vs_status read_sources(struct vs_commit_state *state,
                                   const struct commit_base *base,
                                   const size_t *chosen,
                                   size_t chosen_count,
                                   struct vs_data_file **files_out,
                                   size_t *count_out,
                                   struct vs_error *err)
{
    struct vs_data_file **parts =
        vs_arena_alloc_array(&state->scratch, chosen_count, sizeof *parts);
    size_t *counts = vs_arena_alloc_array(&state->scratch, chosen_count, sizeof *counts);
    size_t total = 0, n = 0;
    if (parts == NULL || counts == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < chosen_count; i++) {
        VS_TRY(vs_commit_read_manifest(state, base, &base->manifests[chosen[i]], &parts[i],
                                       &counts[i], err));
        total += counts[i];
    }
    struct vs_data_file *files = vs_arena_alloc_array(&state->scratch, total, sizeof *files);
    if (files == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < chosen_count; i++) {
        for (size_t j = 0; j < counts[i]; j++) {
            if (parts[i][j].status != VS_ENTRY_DELETED) {
                files[n] = parts[i][j];
                files[n++].status = VS_ENTRY_EXISTING;
            }
        }
    }
    *files_out = files;
    *count_out = n;
    return VS_OK;
}

// A manifest holds one content and one spec; a writer that mixed them is left alone.
static bool can_share(const struct merge *merge, const struct vs_data_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((files[i].content != VS_CONTENT_DATA) != merge->is_deletes ||
            files[i].spec_id != merge->spec_id) {
            return false;
        }
    }
    return count > 0;
}

static bool is_source(const struct kept_manifest *kept, struct vs_str path)
{
    for (size_t i = 0; i < kept->source_count; i++) {
        if (vs_str_equal(kept->sources[i], path)) {
            return true;
        }
    }
    return false;
}

// A merge made for an earlier attempt serves again when all of its sources are still in the base.
static bool still_fits(const struct merge *merge, const struct kept_manifest *kept)
{
    size_t found = 0;
    for (size_t i = 0; i < merge->base->manifest_count; i++) {
        const struct vs_manifest_file *m = &merge->base->manifests[i];
        // another commit may have given row ids meanwhile, which stay
        bool is_outdated = kept->lacks_row_ids && m->first_row_id >= 0;
        found += may_merge(merge, i) && is_source(kept, m->path) && !is_outdated;
    }
    return found == kept->source_count && is_current(kept, merge->base->metadata);
}

static enum vs_status merge_chosen(struct vs_commit_state *state,
                                   const struct merge *merge,
                                   const size_t *chosen,
                                   size_t count,
                                   bool *done_out,
                                   struct vs_error *err)
{
    const struct commit_base *base = merge->base;
    struct vs_data_file *files = NULL;
    size_t file_count = 0;
    struct kept_manifest kept;
    VS_TRY(read_sources(state, base, chosen, count, &files, &file_count, err));
    *done_out = can_share(merge, files, file_count);
    if (!*done_out) {
        return VS_OK; // they stay as they are
    }
    const struct vs_manifest_write spec = {.metadata = base->metadata,
                                           .snapshot_id = state->snapshot_id,
                                           .spec_id = merge->spec_id,
                                           .is_deletes = merge->is_deletes,
                                           .files = files,
                                           .file_count = file_count};
    VS_TRY(start_kept(state, &spec, count, &kept, err));
    kept.is_merged = true;
    for (size_t i = 0; i < count; i++) {
        kept.lacks_row_ids = kept.lacks_row_ids || base->manifests[chosen[i]].first_row_id < 0;
        VS_TRY(keep_source(state, &kept, base->manifests[chosen[i]].path, err));
    }
    VS_TRY(vs_commit_write_manifest(state, &spec, &state->arena, &kept.entry, &kept.written_index,
                                    err));
    return keep(state, &kept, err);
}

// Makes state hold a merged manifest of the content and spec, where one is due: oldest first, up
// to the target size.
static enum vs_status merge_small(struct vs_commit_state *state,
                                  const struct merge *merge,
                                  bool *done_out,
                                  struct vs_error *err)
{
    const struct commit_base *base = merge->base;
    const struct kept_manifest *kept = find_kept(state, true, merge->is_deletes, merge->spec_id);
    if (kept != NULL && still_fits(merge, kept)) {
        state->written[kept->written_index].attempt = state->attempt;
        *done_out = true;
        return VS_OK;
    }
    size_t *chosen = vs_arena_alloc_array(&state->scratch, base->manifest_count, sizeof *chosen);
    if (chosen == NULL) {
        return no_memory(err);
    }
    size_t small = 0, count = 0;
    int64_t bytes = 0;
    for (size_t i = base->manifest_count; i > 0; i--) {
        const struct vs_manifest_file *m = &base->manifests[i - 1];
        if (!may_merge(merge, i - 1)) {
            continue;
        }
        small++;
        if (bytes + m->length <= MERGE_BYTES) {
            bytes += m->length;
            chosen[count++] = i - 1;
        }
    }
    *done_out = false;
    if (small <= merge_min_count(base->metadata) || count < 2 ||
        !is_known_spec(base->metadata, merge->spec_id)) {
        return VS_OK;
    }
    return merge_chosen(state, merge, chosen, count, done_out, err);
}

static enum vs_status put_merged(struct vs_commit_state *state,
                                 struct merge *merge,
                                 struct vs_manifest_file *list,
                                 size_t *n,
                                 struct vs_error *err)
{
    const struct commit_base *base = merge->base;
    for (size_t s = 0; s < base->metadata->spec_count; s++) {
        for (int content = 0; content < 2; content++) {
            bool done = false;
            merge->is_deletes = content == 1;
            merge->spec_id = base->metadata->specs[s].spec_id;
            VS_TRY(merge_small(state, merge, &done, err));
            if (!done) {
                continue;
            }
            const struct kept_manifest *kept =
                find_kept(state, true, merge->is_deletes, merge->spec_id);
            put_entry(list, n, kept, base->sequence_number);
            for (size_t i = 0; i < base->manifest_count; i++) {
                merge->gone[i] = merge->gone[i] || is_source(kept, base->manifests[i].path);
            }
        }
    }
    return VS_OK;
}

// ---- the list ----

static bool is_empty(const struct vs_manifest_file *m)
{
    return m->added_files == 0 && m->existing_files == 0;
}

enum vs_status vs_commit_manifests(struct vs_commit_state *state,
                                   struct commit_base *base,
                                   struct vs_manifest_file **entries_out,
                                   size_t *count_out,
                                   struct vs_error *err)
{
    const struct vs_intent *intent = base->intent;
    bool *rewritten = NULL;
    size_t n = 0, most = base->manifest_count + intent->added_data_count +
                         intent->added_delete_count + 2 * base->metadata->spec_count;
    struct vs_manifest_file *list = vs_arena_alloc_array(&state->scratch, most, sizeof *list);
    bool *gone = vs_arena_alloc_array(&state->scratch, base->manifest_count, sizeof *gone);
    if (list == NULL || gone == NULL) {
        return no_memory(err);
    }
    VS_TRY(vs_commit_remove_files(state, base, &rewritten, err));
    VS_TRY(put_added(state, base, false, list, &n, err));
    VS_TRY(put_added(state, base, true, list, &n, err));
    if (is_true(base->metadata, "commit.manifest-merge.enabled", true)) {
        struct merge merge = {.base = base, .rewritten = rewritten, .gone = gone};
        VS_TRY(put_merged(state, &merge, list, &n, err));
    }
    for (size_t i = 0; i < base->manifest_count; i++) {
        const struct vs_manifest_file *m = &base->manifests[i];
        if (!gone[i] && (rewritten[i] || !is_empty(m))) {
            list[n++] = *m;
        }
    }
    *entries_out = list;
    *count_out = n;
    return VS_OK;
}
